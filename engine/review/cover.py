"""Which fill closed the exposure that another had opened, and how long it stood open.

The hedging rule works on sums and keeps no such pairs. Here each hedge keeps the oldest open exposure of the size that
it was asked to remove; what meets an opposite fill otherwise (two halves of a flattening, dust) closes it oldest first.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from engine.review.facts import FillRow, Intent
from engine.trading.effects import Purpose
from exchanges.types import ZERO

__all__ = ["Pair", "pairs"]

COVERING = frozenset({Purpose.HEDGE.value, Purpose.UNDO.value})


@dataclass(frozen=True, slots=True)
class Pair:
    """`qty` that `opened` left open and `closed` took back, unsigned."""

    opened: FillRow
    closed: FillRow
    qty: Decimal

    @property
    def open_ns(self) -> int:
        return self.closed.at_ns - self.opened.at_ns


@dataclass(slots=True)
class _Lot:
    """What is still open of one fill: `left` is signed, `kept` says how much of it an order was asked to remove."""

    fill: FillRow
    left: Decimal
    kept: dict[str, Decimal] = field(default_factory=dict)

    @property
    def free(self) -> Decimal:
        return abs(self.left) - sum(self.kept.values(), ZERO)


def pairs(fills: Iterable[FillRow], covers: Iterable[Intent]) -> Iterator[Pair]:
    """All pairs of a run, in the order in which they closed; both arguments in the order of their steps."""
    lots: list[_Lot] = []
    streams: tuple[Iterable[FillRow | Intent], ...] = (fills, covers)
    for event in heapq.merge(*streams, key=lambda it: (it.seq, isinstance(it, Intent))):
        if isinstance(event, Intent):
            _keep(lots, event)
        else:
            yield from _close(lots, event)


def _keep(lots: list[_Lot], order: Intent) -> None:
    covers = order.covers or ZERO
    wanted = abs(covers)
    same = [lot for lot in lots if lot.left * covers > 0]
    for lot in same:
        part = min(lot.free, wanted)
        if part > 0:
            lot.kept[order.client_id] = part
            wanted -= part
    for lot in same:  # what is missing was kept for orders that have ended: the rule counts no order that is still live
        for former in list(lot.kept):
            part = min(lot.kept[former], wanted) if former != order.client_id else ZERO
            if part > 0:
                lot.kept[former] -= part
                lot.kept[order.client_id] = lot.kept.get(order.client_id, ZERO) + part
                wanted -= part


def _close(lots: list[_Lot], fill: FillRow) -> Iterator[Pair]:
    rest = fill.change
    if fill.purpose in COVERING:
        for lot in lots:
            part = min(lot.kept.get(fill.client_id, ZERO), abs(rest))
            if part > 0 and lot.left * rest < 0:
                lot.kept[fill.client_id] -= part
                rest = yield from _take(lot, fill, part, rest)
    for lot in lots:
        part = min(lot.free, abs(rest))
        if part > 0 and lot.left * rest < 0:
            rest = yield from _take(lot, fill, part, rest)
    lots[:] = [lot for lot in lots if lot.left != 0]
    if rest != 0:
        lots.append(_Lot(fill, rest))


def _take(lot: _Lot, fill: FillRow, part: Decimal, rest: Decimal) -> Generator[Pair, None, Decimal]:
    """Close `part` of a lot; returns what is left of the fill."""
    signed = part if rest > 0 else -part
    lot.left += signed
    yield Pair(lot.fill, fill, part)
    return rest - signed
