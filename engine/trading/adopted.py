"""Orders of earlier runs that no journal tells, because their disk was full: known as ours by their id (S1, S15).

The number of a run is on the disk before its first order, and every id begins with it.
"""

from __future__ import annotations

import re

from engine.trading.effects import Purpose
from engine.trading.inputs import Recalled
from exchanges.types import ZERO, ClientIdStyle, Fill, OrderState, OrderUpdate

__all__ = ["ADOPTED", "adopted", "client_id_of", "run_of"]

ADOPTED = "adopted"  # in the place of a leg
UINT32_BITS, UINT48_BITS = 22, 34  # of an id, below the number of its run
UINT32_RUNS = 1 << 10
_TEXT = re.compile(r"e([1-9][0-9]*)r[0-9]+l[0-9A-Za-z]+a[0-9]+", re.ASCII)


def client_id_of(style: ClientIdStyle, *, run: int, sequence: int, text: tuple[int, str, int]) -> str:
    """The id of a run's next order; `text` are the round, leg and attempt that a text id shows."""
    if style is ClientIdStyle.TEXT:
        number, leg, attempt = text
        return f"e{run}r{number}l{leg.replace('_', '')}a{attempt}"
    if style is ClientIdStyle.UINT32:
        return str((run % UINT32_RUNS) << UINT32_BITS | sequence)
    return str(run << UINT48_BITS | sequence)


def run_of(client_id: str, style: ClientIdStyle) -> int:
    """The number of the run that made an id; 0 for one that no run of ours can have made."""
    if style is ClientIdStyle.TEXT:
        match = _TEXT.fullmatch(client_id)
        return 0 if match is None else int(match[1])
    if not (client_id.isascii() and client_id.isdigit()):
        return 0
    bits, ids = (UINT32_BITS, 32) if style is ClientIdStyle.UINT32 else (UINT48_BITS, 48)
    return int(client_id) >> bits if int(client_id) < 1 << ids else 0


def adopted(told: Fill | OrderUpdate, *, venue: str) -> Recalled:
    """The order behind a fill or a state, of which nothing is counted yet.

    What it was for nobody knows. As one that flattens it takes off what is open and is counted on for nothing else;
    where it still rests it is cancelled. A fill tells no more of its order than its own size: what is known by fills
    alone ends with the venue's word.
    """
    price = told.price if type(told) is OrderUpdate else None
    return Recalled(
        client_id=told.client_id, account=told.account, venue=venue, symbol=told.symbol, side=told.side, qty=told.qty,
        price=price, purpose=Purpose.FLATTEN.value, leg=ADOPTED, round=0, order_id=told.order_id,
        state=OrderState.PENDING, filled=ZERO, provisional=ZERO, trades=(),
    )  # fmt: skip
