"""What of a gate (engine/trading/terms.py) decides its future, as one hashable value, and a gate put back into it.

Prices stand still in a proof, so lots differ by size and age alone, and an age is young or over.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from engine.trading.lots import Lot, Lots
from engine.trading.terms import NEVER, Gate
from engine.verify.bounds import BID


class GateKey(NamedTuple):
    """`lots` are signed, oldest first, each with whether its longest age is over; equal ages stand as one."""

    lots: tuple[tuple[int, bool], ...] = ()
    dust: bool = False
    dust_told: bool = False
    fresh: bool = False  # dust has become more, and its age began anew
    armed: bool = False
    due: bool = False


NO_GATE = GateKey()


def gate_key(gate: Gate, now_ns: int) -> GateKey:
    most = gate._max_age_ns or 0
    lots: list[tuple[int, bool]] = []
    for lot in gate.lots:
        old = now_ns - lot.since_ns >= most
        if lots and lots[-1][1] == old:
            lots[-1] = (lots[-1][0] + int(lot.qty), old)
        else:
            lots.append((int(lot.qty), old))
    if not lots:
        return NO_GATE
    return GateKey(
        tuple(lots), gate._dust, gate._dust_told, now_ns - gate._hedgeable_ns < most, gate._armed_ns == now_ns + most,
        gate.due,
    )  # fmt: skip


def put_gate(gate: Gate, key: GateKey, now_ns: int) -> None:
    most = gate._max_age_ns or 0
    gate.lots = Lots()
    for qty, old in key.lots:
        gate.lots.add(Lot(Decimal(qty), BID, now_ns - most if old else now_ns))
    gate._dust, gate._dust_told = key.dust, key.dust_told
    gate._hedgeable_ns = now_ns if key.fresh else NEVER
    gate._armed_ns = now_ns + most if key.armed else 0
    gate._held_told_ns = gate._hand_told_ns = gate._wait_told_ns = now_ns
    gate._source_known = True
    gate.due = key.due


def grown_old(gate: Gate, now_ns: int) -> None:
    """The longest age of what is oldest is over, and nothing else has happened."""
    most = gate._max_age_ns or 0
    gate._hedgeable_ns, gate._armed_ns = NEVER, 0
    lots, gate.lots = list(gate.lots), Lots()
    first = lots[0].since_ns if lots else 0
    for lot in lots:
        since_ns = min(lot.since_ns, now_ns - most) if lot.since_ns == first else lot.since_ns
        gate.lots.add(Lot(lot.qty, lot.price, since_ns))
