"""Positions, exposure and money: the one place that counts fills (S2, S5, S17, S18).

Exposure = the sum of all fills since the baseline, over all accounts, per market; every invariant, proof, audit
and screen uses this one function. Quantities are net of fees taken in base (S18).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from engine.trading.effects import Purpose
from exchanges.types import ZERO, Fill, FillKind, Instrument, Side

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_TRADE = FillKind.TRADE
_OPEN = Purpose.OPEN
_BUY = Side.BUY


@dataclass(slots=True)
class Book:
    """One account since the baseline, signed; `cash` and `fees` in quote units."""

    position: Decimal = ZERO
    cash: Decimal = ZERO
    fees: Decimal = ZERO
    volume: Decimal = ZERO
    bought: Decimal = ZERO
    sold: Decimal = ZERO


class Ledger:
    """Knows nothing of orders' states and nothing of charts; each quantity is derived on its own (E12)."""

    __slots__ = ("_maker", "books", "by_purpose", "exposure", "instruments", "other_fees", "outside", "taker_hedges")

    def __init__(self, instruments: Mapping[str, Instrument], maker: str) -> None:
        self.instruments = instruments
        self._maker = maker
        self.books = {name: Book() for name in instruments}
        self.by_purpose: dict[Purpose, Decimal] = dict.fromkeys(Purpose, ZERO)  # signed, maker account only
        self.taker_hedges: dict[str, Decimal] = {name: ZERO for name in instruments if name != maker}
        self.exposure = ZERO  # signed net position over all accounts since the baseline (S17)
        self.other_fees: dict[tuple[str, str], Decimal] = {}  # by account and asset; in no sum
        self.outside = ZERO  # signed quantity that no order of ours caused (liquidation, settlement, foreign)

    def add_fill(self, fill: Fill, news: Decimal, purpose: Purpose | None) -> Decimal:
        """Count a fill row of which `news` was not yet known; returns the signed change of exposure.

        What a snapshot had already counted (fill.qty - news) came in at the order's price without a fee: the row
        brings the true price and fee, so money is taken whole and quantity only as far as it is news.
        """
        instrument = self.instruments[fill.account]
        sign = fill.side.sign
        base_fee = quote_fee = ZERO
        if fill.fee_asset == instrument.quote:
            quote_fee = fill.fee
        elif fill.fee_asset == instrument.base:
            base_fee = fill.fee
        elif fill.fee:
            paid = (fill.account, fill.fee_asset)
            self.other_fees[paid] = self.other_fees.get(paid, ZERO) + fill.fee
        delta = sign * news - base_fee
        book = self.books[fill.account]
        notional = fill.qty * fill.price
        book.cash -= sign * notional + quote_fee
        book.fees += quote_fee + base_fee * fill.price
        if fill.kind is _TRADE:
            book.volume += notional
        if fill.side is _BUY:
            book.bought += fill.qty
        else:
            book.sold += fill.qty
        self._count(fill.account, delta, purpose)
        return delta

    def add_provisional(self, account: str, side: Side, qty: Decimal, purpose: Purpose) -> Decimal:
        """Count a quantity that a snapshot shows before its rows (S5); its money comes with the rows."""
        delta = side.sign * qty
        self._count(account, delta, purpose)
        return delta

    def carry(self, account: str, qty: Decimal) -> None:
        """Count what earlier runs made, signed; a maker's counts as opened. What it cost is no matter of this run."""
        self._count(account, qty, _OPEN)

    def _count(self, account: str, delta: Decimal, purpose: Purpose | None) -> None:
        self.books[account].position += delta
        self.exposure += delta
        if purpose is None:
            self.outside += delta
        elif account == self._maker:
            self.by_purpose[purpose] += delta
        else:
            self.taker_hedges[account] += delta

    @property
    def maker_open_position(self) -> Decimal:
        """Signed sum of the maker's opening fills since it was last reset (E12)."""
        return self.by_purpose[_OPEN]

    @property
    def maker_close_position(self) -> Decimal:
        """What the maker closed of it, in the direction of the opening: open - close is what it holds."""
        return self.by_purpose[_OPEN] - sum(self.by_purpose.values(), ZERO)

    def breach(self) -> str | None:
        """E12: maker_open - maker_close + takers + outside must be the exposure; each side is summed on its own."""
        named = sum(self.by_purpose.values(), ZERO)
        takers = sum(self.taker_hedges.values(), ZERO)
        held = sum([book.position for book in self.books.values()], ZERO)
        if named + takers + self.outside == held == self.exposure:
            return None
        return (
            f"ledger does not add up: maker {named} + takers {takers} + outside {self.outside}"
            f" = {named + takers + self.outside}, positions sum to {held}, exposure {self.exposure}"
        )
