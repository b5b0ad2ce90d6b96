"""E15: what breaks a limit now, in words, and what becomes of the position then (S12)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from engine.trading.inputs import Day
from engine.trading.limits import Holding, equity, liquidation_distance_bps, margin_ratio, position_breach
from engine.trading.world import World
from exchanges.types import ZERO, Margin, Position

DAY_NS = 24 * 3600 * 1_000_000_000


class Breach(NamedTuple):
    """`limit` begins with its kind; `policy` is reduce, keep or distrust."""

    limit: str
    policy: str


class Risk:
    """Looks at a world after fills, at the end of rounds and when accounts were read; changes nothing of it."""

    __slots__ = ("_day_ends_ns", "_day_worth", "_hedged", "_unpriced", "_world")

    def __init__(self, world: World) -> None:
        self._world = world
        self._hedged = world.plan.hedged
        self._day_ends_ns = 0
        self._day_worth = ZERO  # of this run when its day began; what earlier runs made in that day is in it
        self._unpriced: Decimal | None = ZERO  # worth of what earlier runs left when it was first seen; None until then

    def began(self, day: Day | None) -> None:
        """The run starts now, in that day."""
        self._day_ends_ns = self._world.now_ns + DAY_NS if day is None else day.ends_ns
        self._day_worth = ZERO if day is None else -day.pnl
        if any(book.position for book in self._world.ledger.books.values()):
            self._unpriced = None

    def price_left(self) -> None:
        """Books were seen: from here on what earlier runs left makes a result."""
        if self._unpriced is None:
            self._unpriced = self._worth()

    def after_fill(self) -> list[Breach]:
        """Positions, exposure, and whether the ledger adds up (E12). Sizes of a resync are judged when it is over."""
        world = self._world
        self.price_left()
        found = []
        text = world.ledger.breach()
        if text is not None:
            found.append(Breach(text, "distrust"))
        if world.resyncing:
            return found
        limits = world.plan.limits
        books = world.ledger.books  # a source holds what its owner wants it to hold: its own size is no limit of ours
        sizes, exposure = [abs(books[name].position) for name in world.traded], abs(world.ledger.exposure)
        if max(sizes) > limits.max_position or sum(sizes) > limits.max_gross or exposure > limits.max_net:
            text = position_breach(
                {name: books[name].position for name in world.traded}, limits, net=world.exposure
            )  # fmt: skip
            assert text is not None
            found.append(Breach(text, "reduce"))
        if self._hedged and exposure > limits.unhedged_hard:
            text = f"unhedged size {exposure} is above unhedged_hard {limits.unhedged_hard}"
            found.append(Breach(text, "reduce"))
        return found

    def money(self) -> list[Breach]:
        """Loss of the run, and of the day with what earlier runs lost in it."""
        limits, world = self._world.plan.limits, self._world
        if limits.max_loss_run is None and limits.max_loss_day is None:
            return []
        worth = self.equity()
        if worth is None:
            return []
        if world.now_ns >= self._day_ends_ns:
            self._day_worth = worth
            self._day_ends_ns += (1 + (world.now_ns - self._day_ends_ns) // DAY_NS) * DAY_NS
        found = []
        if limits.max_loss_run is not None and worth < -limits.max_loss_run:
            found.append(Breach(f"loss of the run {-worth:.2f} is above max_loss_run {limits.max_loss_run}", "reduce"))
        day = worth - self._day_worth
        if limits.max_loss_day is not None and day < -limits.max_loss_day:
            found.append(Breach(f"loss of the day {-day:.2f} is above max_loss_day {limits.max_loss_day}", "reduce"))
        return found

    def accounts(self, margins: Iterable[Margin], positions: Iterable[Position]) -> list[Breach]:
        """Margin ratio and distance to liquidation, as the venues tell them."""
        limits = self._world.plan.limits
        found = []
        for margin in margins:
            ratio = margin_ratio(margin)
            if ratio is not None and ratio < limits.min_margin_ratio:
                text = (
                    f"margin ratio {ratio:.2f} of {margin.account} is below min_margin_ratio {limits.min_margin_ratio}"
                )
                found.append(Breach(text, "reduce"))
        for position in positions:
            if position.symbol != self._world.instruments[position.account].symbol:
                continue  # another market of the account: not this desk's, and not at this price (S1)
            quote = self._world.quote(position.account)
            distance = None if quote is None else liquidation_distance_bps(position, quote.mid)
            if distance is not None and distance < limits.min_liquidation_distance_bps:
                text = (
                    f"liquidation of {position.account} is {distance:.0f} bps away,"
                    f" below min_liquidation_distance {limits.min_liquidation_distance_bps} bps"
                )
                found.append(Breach(text, "reduce"))
        return found

    def equity(self) -> Decimal | None:
        """Mark-to-market result of the run: cash, fees and what flattening would bring (S10).

        What earlier runs left is no result of this one: it counts from its first price on.
        """
        worth = self._worth()
        return None if worth is None else worth - (worth if self._unpriced is None else self._unpriced)

    def _worth(self) -> Decimal | None:
        world = self._world
        cash, holdings = ZERO, []
        for name, book in world.ledger.books.items():
            cash += book.cash
            if book.position == 0:
                continue
            marked = (
                world.traded[0] if name in world.heard else name
            )  # a source has no book: it is marked where we hedge
            quote = world.quote(marked)
            if quote is None:
                return None
            holdings.append(Holding(book.position, quote, world.instruments[marked]))
        return equity(cash, holdings)
