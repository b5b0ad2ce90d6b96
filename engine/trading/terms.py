"""On which terms fills of a listened account are hedged: from which size or age on, and at which price (hedger).

Decides when and at what price, never how much or by whom: that is the standing rule's (hedging.py). Reads the flow's
settings at every look, so that new ones hold from the next hedge on; an order on its way keeps its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from engine.chart.model import Expression, Scope
from engine.trading.effects import Alert, ArmTimer, Effect, Level
from engine.trading.lots import NOTHING, Lots, Open
from engine.trading.world import MS, S, World
from exchanges.types import ZERO, LinkState, Side

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_TRUSTED = LinkState.TRUSTED
_BUY = Side.BUY

OWNER = "hedging"
TOLD_AGAIN_NS = 60 * S  # a person hears again about risk that is held
BY_HAND_AGAIN_NS = 600 * S  # and about risk that a person hedges
FIRST_TRUST_NS = 10 * S  # so long a start may wait for the source before a person is called
BPS = Decimal(10_000)
MARKET = "market"
NEVER = -(1 << 62)


@dataclass(frozen=True, slots=True)
class Terms:
    """The keys `by`, `from`, `within` and `only record` of a flow's `hedging:`; expressions over settings.

    None: no such bound. Without `slippage` hedges are market orders.
    """

    quantity: Expression | None = None  # both of these are needed …
    amount: Expression | None = None
    after: Expression | None = None  # … or this age
    slippage: Expression | None = None
    band: Expression | None = None
    on_max_age: Expression | None = None  # market or hold
    record_only: Expression | None = None


class _Price(NamedTuple):
    """What one account's book offers: why nothing may be priced on it, if so, its touch, and the band's bound."""

    objection: str
    touch: Decimal
    bound: Decimal | None


class Gate:
    """When the rule may hedge what is open, and at which price. `scope` is what the expressions read."""

    scope: Scope

    def __init__(self, world: World, terms: Terms, lots: Lots, takers: tuple[str, ...]) -> None:
        self._world = world
        self._terms = terms
        self.lots = lots
        self._takers = takers
        self._hedgeable_ns = NEVER  # since when what is open is more than dust, where it was dust before
        self._dust = False
        self._dust_told = False
        self._armed_ns = 0  # the timer of the age
        self._held_told_ns = NEVER
        self._hand_told_ns = NEVER
        self._hand_told = ZERO  # signed, what a person was to trade by the calls so far
        self._wait_told_ns = NEVER
        self._source_known = False
        self._noted = NOTHING  # what is open, as the running step decides on it …
        self._prices: dict[tuple[str, Side], _Price] = {}  # … and at which prices: the rule asks three times
        self.due = False  # when it was last looked at
        self.by_hand = False  # due, and only recorded

    # --- facts

    @property
    def open(self) -> Open:
        """What is open for certain and not on its way.

        An order on its way that would add to what is open covers nothing and is not answered before it has filled: a
        hedge is never larger than the net exposure.
        """
        exposed, covered = self.lots.qty, ZERO
        for order in self._world.orders.covering.values():
            if order.side.sign * exposed < 0:
                covered += order.remaining
        return self.lots.beyond(covered)

    @property
    def record_only(self) -> bool:
        return self._value(self._terms.record_only) is True

    def _value(self, expression: Expression | None) -> object:
        return None if expression is None else expression.value(self.scope)

    def _number(self, expression: Expression | None) -> Decimal | int | None:
        value = None if expression is None else expression.value(self.scope)
        return value if type(value) is Decimal or type(value) is int else None

    @property
    def _max_age_ns(self) -> int | None:
        value = self._number(self._terms.after)
        return None if value is None else int(value)

    def _aged(self, opened: Open) -> bool:
        """Has what is open waited its longest?"""
        most = self._max_age_ns
        return most is not None and bool(opened.qty) and self._world.now_ns - self._since(opened) >= most

    def _since(self, opened: Open) -> int:
        """S6: age counts what can be hedged; dust that has become more begins anew."""
        return max(opened.since_ns, self._hedgeable_ns)

    # --- when

    def may_begin(self, effects: list[Effect]) -> bool:
        """After a start nothing is hedged before the source has told what happened meanwhile (S5).

        An order of an earlier run may have filled for a fill that this run has not heard of yet. And nothing leaves
        before the hedge accounts were read: what is there then is their baseline, and a hedge in it would count twice.
        """
        world = self._world
        if not world.started:
            return False
        if not self._source_known:
            self._source_known = world.links[world.maker] is _TRUSTED
        if self._source_known:
            return True
        if self._wait_told_ns == NEVER:
            self._wait_told_ns = world.now_ns - TOLD_AGAIN_NS + FIRST_TRUST_NS
            effects.append(ArmTimer(OWNER, "source", 0, world.now_ns + FIRST_TRUST_NS))
        elif world.now_ns - self._wait_told_ns >= TOLD_AGAIN_NS:
            self._wait_told_ns = world.now_ns
            effects.append(ArmTimer(OWNER, "source", 0, world.now_ns + TOLD_AGAIN_NS))
            effects.append(
                Alert(
                    Level.PERSON, "source_away",
                    f"{world.exposure} {world.plan.market} is open, and {world.maker} has not told yet what happened"
                    " before; nothing is hedged until it has",
                    {"exposure": str(world.exposure)},
                )
            )  # fmt: skip
        return False

    def closed(self) -> None:
        """Nothing is open: what comes next has an age of its own."""
        self.due = self.by_hand = self._dust = self._dust_told = False
        self._hedgeable_ns, self._armed_ns = NEVER, 0

    def note_open(self) -> Open:
        """Look at `open` for what follows in this step, until an order is made: due or not, objections and price."""
        self._noted = noted = self.open
        self._prices.clear()
        return noted

    def look(self, tradable: bool, effects: list[Effect]) -> None:
        """Is what was noted due? `tradable`: some account could take a part of it."""
        world, opened = self._world, self._noted
        self.due = self.by_hand = False
        if not opened.qty:
            if not self.lots.qty:
                self.closed()
            return
        if tradable:
            if self._dust:
                self._hedgeable_ns = world.now_ns
            self._dust = self._dust_told = False
            self.due = world.hedge_all or self._large(opened) or self._aged(opened)
            self.by_hand = self.due and self.record_only
        else:
            self._dust = True
            self._tell_dust(opened, effects)
        if not self.due and not self._dust_told:
            self._arm(self._since(opened) if tradable else opened.since_ns, effects)

    def _large(self, opened: Open) -> bool:
        """Requirement 12: both the quantity and the amount, or it is carried over."""
        least_qty, least_amount = self._number(self._terms.quantity), self._number(self._terms.amount)
        return (least_qty is None or opened.qty >= least_qty) and (least_amount is None or opened.value >= least_amount)

    def _arm(self, since_ns: int, effects: list[Effect]) -> None:
        most = self._max_age_ns
        if most is None:
            return
        at_ns = max(since_ns + most, self._world.now_ns)
        if at_ns != self._armed_ns:
            self._armed_ns = at_ns
            effects.append(ArmTimer(OWNER, "max age", 0, at_ns))

    def _tell_dust(self, opened: Open, effects: list[Effect]) -> None:
        """At its longest age, what is below every venue's minimum is told and held, never rounded up."""
        most, world = self._max_age_ns, self._world
        if self._dust_told or most is None or world.now_ns - opened.since_ns < most:
            return
        self._dust_told = True
        effects.append(
            Alert(
                Level.WARNING, "dust_held",
                f"{world.exposure} {world.plan.market} is below the smallest order of every hedge account;"
                " it is carried into the next hedge",
                {"exposure": str(world.exposure), "age_ms": str((world.now_ns - opened.since_ns) // MS)},
            )
        )  # fmt: skip

    def tell_by_hand(self, side: Side, effects: list[Effect]) -> None:
        """Requirement 19: the flow only records; a person hedges, and nobody tells the run of it.

        So a later call says what has come on top: who hedged what the first one said would hedge it twice.
        """
        world, opened = self._world, self._noted
        in_all = side.sign * opened.qty
        grown = abs(in_all - self._hand_told) >= abs(self._hand_told)
        if world.now_ns - self._hand_told_ns < (TOLD_AGAIN_NS if grown else BY_HAND_AGAIN_NS):
            return
        more, first = in_all - self._hand_told, self._hand_told == 0
        self._hand_told_ns, self._hand_told = world.now_ns, in_all
        now = f"{'buy' if more > 0 else 'sell'} {abs(more)} {world.plan.market}" if more else "nothing"
        told = "" if first else f" beyond what was told before; {side.value} {opened.qty} in all"
        average = _short(opened.price)
        effects.append(
            Alert(
                Level.PERSON, "hedge_by_hand",
                f"hedge by hand: {now}{told}, filled at {average} on average; this run only records",
                {"more": str(more), "in_all": str(in_all), "average": average},
            )
        )  # fmt: skip

    # --- at which price

    def objection(self, account: str, side: Side) -> str:
        """Why no hedge of what was noted may be priced on the account's book; empty if one may, be it at any price."""
        why = self._price(account, side).objection
        return "" if why and self._at_any_price(self._noted) else why

    def _price(self, account: str, side: Side) -> _Price:
        price = self._prices.get((account, side))
        if price is None:
            price = self._prices[account, side] = self._priced(account, side)
        return price

    def _priced(self, account: str, side: Side) -> _Price:
        world = self._world
        quote = world.quote(account)
        if quote is None or quote.crossed:
            return _Price("no usable book", ZERO, None)
        touch = quote.ask if side is _BUY else quote.bid
        if world.now_ns - quote.recv_ns > world.plan.guards.max_book_age_ns:
            return _Price("its book is stale", touch, None)
        bound = self._bound(side)
        if bound is not None and (touch - bound) * side.sign > 0:
            return _Price(f"its price {touch} is outside the band, {bound:f} at worst", touch, bound)
        return _Price("", touch, bound)

    def price(self, account: str, side: Side) -> Decimal | None:
        """The limit of a hedge on this account, to the tick, never beyond slippage or band.

        None for a market order: the flow's own, or that of a hedge which the band has held to its longest age.
        """
        slippage = self._number(self._terms.slippage)
        why, touch, bound = self._price(account, side)
        if slippage is None or why:
            return None
        worst = touch * (1 + side.sign * slippage / BPS)
        instrument = self._world.instruments[account]
        if side is _BUY:
            return instrument.price_down(worst if bound is None else min(worst, bound))
        return instrument.price_up(worst if bound is None else max(worst, bound))

    def _at_any_price(self, opened: Open) -> bool:
        """Its longest age is over, or the run ends, and the user wants it gone rather than kept."""
        if self._world.any_price:
            return True
        return self._aged(opened) and self._value(self._terms.on_max_age) == MARKET

    def _bound(self, side: Side) -> Decimal | None:
        """The worst price of the band: that of the fills that are left, never of netted amounts (defect 5)."""
        band, opened = self._number(self._terms.band), self._noted
        if band is None or not opened.qty:
            return None
        return opened.price * (1 + side.sign * band / BPS)

    def held(self, side: Side) -> bool:
        """Is it the price alone that keeps every trusted account from hedging?"""
        links, held = self._world.links, False
        for name in self._takers:
            if links[name] is _TRUSTED:
                if not self.objection(name, side):
                    return False
                held = True
        return held

    def tell_held(self, side: Side, effects: list[Effect]) -> None:
        world, opened = self._world, self._noted
        if world.now_ns - self._held_told_ns < TOLD_AGAIN_NS:
            return
        self._held_told_ns = world.now_ns
        why = "; ".join(f"{name}: {self.objection(name, side)}" for name in self._takers)
        effects.append(
            Alert(
                Level.PERSON, "hedge_held",
                f"{side.value} {opened.qty} {world.plan.market} is held for its price ({why}); filled at"
                f" {_short(opened.price)} on average",
                {"side": side.value, "qty": str(opened.qty), "average": _short(opened.price)},
            )
        )  # fmt: skip


def _short(price: Decimal) -> str:
    """For a person: an average has as many digits as division makes."""
    return f"{price:.8f}".rstrip("0").rstrip(".")
