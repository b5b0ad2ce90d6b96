"""What earlier runs know of a listened account: its fills, told or left out, and how far its venue's list was compared.

Only runs that heard the account at the same address count: another one of the same name has a life of its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from engine.runtime.codec import decode_input
from engine.runtime.journal_read import stream_journal
from engine.trading.inputs import LeftOut, SourceChecked
from exchanges.types import Fill, FillKind, Liquidity, Side

__all__ = ["Heard", "heard_before"]

_CHECKED = "SELECT body FROM inputs WHERE run = ? AND kind = 'source_checked' ORDER BY seq DESC"
_TRADED = "SELECT run FROM accounts WHERE name = ? AND symbol = ? ORDER BY run"
_LEFT_OUT = "SELECT body FROM inputs WHERE run = ? AND kind = 'left_out'"
_COLUMNS = (
    "venue, account, symbol, client_id, order_id, trade_id, side, qty, price, fee, fee_asset, liquidity, at_ms, kind"
)
_SINCE = f"SELECT {_COLUMNS} FROM fills WHERE run = ? AND venue = ? AND account = ? AND at_ms > ?"
_OF_ORDER = f"SELECT {_COLUMNS} FROM fills WHERE run = ? AND venue = ? AND account = ? AND symbol = ? AND order_id = ?"


@dataclass(frozen=True, slots=True)
class Heard:
    """`fills` are newer than `fills_since_ms`, by the venue's time; `of_order` finds older ones, also of runs now."""

    fills: tuple[Fill, ...]
    fills_since_ms: int
    since: Mapping[str, int]  # the first start of each symbol
    compared_ms: int  # of the symbol that was compared least lately
    of_order: Callable[[str], Sequence[Fill]]


def heard_before(
    path: Path, account: str, *, venue: str, address: str, symbols: Sequence[str], keep_ms: int
) -> Heard:  # fmt: skip
    """Raises: JournalError."""
    with stream_journal(path) as journal:
        found = {symbol: _runs(journal, account, address, symbol) for symbol in symbols}
        known = {symbol: it for symbol, it in found.items() if it.runs}
        runs = sorted({run for it in known.values() for run in it.runs})
        compared_ms = min((it.compared_ms for it in known.values()), default=0)
        fills_since_ms = max(0, compared_ms - keep_ms)
        aside = _left_out(journal, runs, account)
        told = [
            _fill(row) for run in runs for row in journal.execute(_SINCE, (run, venue, account, fills_since_ms))
        ]  # fmt: skip
    told += [fill for fill in aside if fill.at_ms > fills_since_ms]
    last = max(runs, default=0)

    def of_order(order_id: str) -> list[Fill]:
        with stream_journal(path) as reader:
            since = reader.execute("SELECT number FROM runs WHERE number > ?", (last,)).fetchall()
            now = [run for (run,) in since]
            found = [fill for fill in (*aside, *_left_out(reader, now, account)) if fill.order_id == order_id]
            for run in (*runs, *now):
                for symbol in symbols:
                    found += map(_fill, reader.execute(_OF_ORDER, (run, venue, account, symbol, order_id)))
        return found

    since = {symbol: it.since_ms for symbol, it in known.items()}
    return Heard(tuple(told), fills_since_ms, since, compared_ms, of_order)


@dataclass(slots=True)
class _Past:
    """The runs that heard one symbol of the account at its address, its first start, and how far it was compared."""

    runs: list[int]
    since_ms: int = 0
    compared_ms: int = 0


def _runs(journal: sqlite3.Connection, account: str, address: str, symbol: str) -> _Past:
    past = _Past([])
    for (run,) in journal.execute(_TRADED, (account, symbol)).fetchall():
        for (body,) in journal.execute(_CHECKED, (run,)):
            told = decode_input("source_checked", body)
            assert isinstance(told, SourceChecked)
            if (told.account, told.address) == (account, address):
                past.runs.append(run)
                past.since_ms = past.since_ms or told.since_ms
                past.compared_ms = max(past.compared_ms, told.compared_ms)
                break
    return past


def _left_out(journal: sqlite3.Connection, runs: Sequence[int], account: str) -> list[Fill]:
    found = []
    for run in runs:
        for (body,) in journal.execute(_LEFT_OUT, (run,)):
            told = decode_input("left_out", body)
            assert isinstance(told, LeftOut)
            if told.account == account and told.fill is not None:
                found.append(told.fill)
    return found


def _fill(row: tuple[str, ...]) -> Fill:
    venue, account, symbol, client, order, trade, side, qty, price, fee, asset, liquidity, at_ms, kind = row
    return Fill(
        venue=venue, account=account, symbol=symbol, client_id=client, order_id=order, trade_id=trade,
        side=Side(side), qty=Decimal(qty), price=Decimal(price), fee=Decimal(fee), fee_asset=asset,
        liquidity=Liquidity(liquidity), at_ms=int(at_ms), recv_ns=0, kind=FillKind(kind),
    )  # fmt: skip
