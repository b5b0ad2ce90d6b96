"""What fills have left open, lot by lot: how much, at which prices, since when. Pure; quantities are signed.

Fills of one direction wait in the order of their coming. One of the other direction, or a confirmed hedge, takes the
oldest away and opens lots of its own with what it has more. So all lots have one sign, their sum is the exposure, and
a price is always that of the side that survives, never of what two sides made between them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from exchanges.types import ZERO
from exchanges.values import quick

__all__ = ["NOTHING", "Lot", "Lots", "Open"]

MOST_LOTS = 1_000  # beyond it the two oldest become one: a market of tiny fills must not grow without end


@quick
@dataclass(frozen=True, slots=True)
class Lot:
    """`qty` is signed, what is left of one fill; `since_ns` on the run's clock; `order_id` and `trade_id` name it."""

    qty: Decimal
    price: Decimal
    since_ns: int
    order_id: str = ""
    trade_id: str = ""


class Open(NamedTuple):
    """What is open beyond what is on its way: unsigned quantity, its value at its own prices, its oldest time."""

    qty: Decimal
    value: Decimal
    since_ns: int

    @property
    def price(self) -> Decimal:
        """The average; 0 where nothing is open."""
        return self.value / self.qty if self.qty else ZERO


NOTHING = Open(ZERO, ZERO, 0)


class Lots:
    """`revision` counts changes: two looks with the same number saw the same lots."""

    __slots__ = ("_lots", "_value", "qty", "revision")

    def __init__(self) -> None:
        self._lots: deque[Lot] = deque()
        self._value = ZERO  # unsigned
        self.qty = ZERO  # signed sum
        self.revision = 0

    def __iter__(self) -> Iterator[Lot]:
        return iter(self._lots)

    def add(self, lot: Lot) -> None:
        """Count a change of exposure; what it takes away goes first in, first out."""
        self.revision += 1
        left = lot.qty
        while left and self._lots and self._lots[0].qty * left < 0:
            left = self._take(left)
        if left:
            self._lots.append(lot if left == lot.qty else replace(lot, qty=left))
            self._value += abs(left) * lot.price
            if len(self._lots) > MOST_LOTS:
                self._join_oldest()
        self.qty += lot.qty
        if not self._lots:
            self._value = ZERO  # what division has rounded does not live on

    def _take(self, left: Decimal) -> Decimal:
        first = self._lots[0]
        part = min(abs(first.qty), abs(left))
        self._value -= part * first.price
        sign = 1 if left > 0 else -1
        if part == abs(first.qty):
            self._lots.popleft()
        else:
            self._lots[0] = replace(first, qty=first.qty + sign * part)
        return left - sign * part

    def _join_oldest(self) -> None:
        one, two = self._lots.popleft(), self._lots.popleft()
        qty = one.qty + two.qty
        price = (one.qty * one.price + two.qty * two.price) / qty
        self._value += abs(qty) * price - abs(one.qty) * one.price - abs(two.qty) * two.price
        self._lots.appendleft(replace(one, qty=qty, price=price))

    def take_over(self, lots: Iterable[Lot], exposure: Decimal) -> None:
        """Begin with these. Where they are not all of the exposure, what is missing has their average price."""
        for lot in lots:
            self.add(lot)
        missing = exposure - self.qty
        if missing:
            since_ns = min((lot.since_ns for lot in self._lots), default=0)
            self.add(Lot(missing, self.beyond(ZERO).price, since_ns))

    def beyond(self, covered: Decimal) -> Open:
        """What is open when orders on their way take `covered` (unsigned) of the oldest away."""
        qty, value = abs(self.qty) - covered, self._value
        if qty <= 0:
            return NOTHING
        for lot in self._lots:
            size = abs(lot.qty)
            if covered < size:
                return Open(qty, value - covered * lot.price, lot.since_ns)
            covered -= size
            value -= size * lot.price
        return NOTHING
