"""The standing hedging rule: no state of the chart can switch it off (S2, S3, S4, S6, S8).

After every input it recomputes what is still to be hedged from the ledger and the orders in flight, never from
increments, and climbs the declared ladder where accounts refuse. One small machine per exposure: CALM (nothing to
do), COVERED (hedges in flight), BLOCKED (own order rests on the same book), WAITING (every rung refused; try again).

Fills of an account that is only listened to (hedger) are hedged on the flow's terms (terms.py); without terms, at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from engine.trading.effects import Alert, ArmTimer, DisarmTimer, Effect, Level, PlaceOrder, Purpose
from engine.trading.inquiry import CHECK_NS, check_timer
from engine.trading.limits import can_carry
from engine.trading.lots import Lot, Lots, Open
from engine.trading.orders import Order
from engine.trading.terms import Gate, Terms
from engine.trading.world import MS, OrderShape, S, World
from exchanges.types import ZERO, FastEnum, LinkState, MarketKind, OrderState, Refusal, Side

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_TRUSTED = LinkState.TRUSTED
_SPOT = MarketKind.SPOT
_CANCELED, _FILLED = OrderState.CANCELED, OrderState.FILLED
_FLATTEN, _HEDGE, _UNDO = Purpose.FLATTEN, Purpose.HEDGE, Purpose.UNDO
_BUY, _SELL = Side.BUY, Side.SELL
_PASSING = frozenset(
    {Refusal.RATE, Refusal.VENUE}
)  # a "no" that ends by itself: requests come back, and so does a venue

OWNER = "hedging"
TRY_AGAIN_NS = 250 * MS  # after every rung refused (S3: rejections move on within 250 ms)
ALARM_NS = 10 * S  # a person hears again about exposure that stays


class Rung(Enum):
    """Steps of the ladder after a refusal, in the order that the flow declares (S3)."""

    REDUCE_ELSEWHERE = "reduce elsewhere"  # an account whose own position the hedge reduces
    NEXT_ELIGIBLE = "next eligible"  # the eligible account with most free margin
    UNDO_ON_MAKER = "undo on maker"  # take the fill back on the maker itself


class Stage(FastEnum):
    CALM = "calm"
    COVERED = "covered"
    BLOCKED = "blocked"
    WAITING = "waiting"


_BLOCKED, _CALM, _COVERED, _WAITING = Stage.BLOCKED, Stage.CALM, Stage.COVERED, Stage.WAITING


@dataclass(frozen=True, slots=True)
class HedgeRule:
    """The flow's `hedging:` section. Either the legs' fills are hedged, at once, or those of a `source`, on terms."""

    legs: tuple[str, ...]
    role: str
    choose: str  # random | holder_first
    ladder: tuple[Rung, ...]
    source: str = ""  # role of the account that is only listened to
    terms: Terms | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """How the rule came to the account of an order, for who reviews a run.

    `objections` are those of every taker, and of the maker where the ladder came to it: why it could not be taken, or
    nothing. No account: all had one.
    """

    side: Side
    qty: Decimal  # what is to be traded; the account's lot may allow less
    exposure: Decimal
    in_flight: Decimal
    account: str | None
    rung: Rung | None  # None where the ladder was not needed
    again: bool  # it filled partly before and is asked first for the rest (E9)
    objections: Mapping[str, str]


class Hedging:
    """State of the rule for one market: refusals of this exposure, age of what is unhedged, the stage."""

    __slots__ = (
        "_alarm_ns",
        "_enough",
        "_enough_answer",
        "_failures",
        "_last",
        "_refused",
        "_rung",
        "_takers",
        "_unit",
        "_world",
        "epoch",
        "gate",
        "lack",
        "on_choice",
        "rule",
        "since_ns",
        "stage",
        "waiting_until_ns",
    )

    def __init__(self, world: World, rule: HedgeRule) -> None:
        self._world = world
        self.rule = rule
        self._takers = world.accounts(rule.role)
        self.gate = None if rule.terms is None else Gate(world, rule.terms, Lots(), self._takers)
        self._unit = (
            0,
            0,
            -1,
        )  # number of the newest risk unit, attempts, revision of the lots that a retry still covers
        self._enough: tuple[object, ...] = ()  # what the last answer of `enough_eligible` was computed from
        self._enough_answer = False
        self.lack = ""  # which takers were not enough, and why, when `enough_eligible` last said no
        self.stage = _CALM
        self._refused: dict[str, int] = {}
        self._failures = 0  # how often every rung refused: each time the worst price goes a step further
        self._last = ""  # account that filled partly: it is asked first for the rest (E9)
        self._rung: Rung | None = None  # that the last choice came from
        self.on_choice: Callable[[str | None, Side, Decimal], None] | None = None  # nobody listens while orders leave
        self.since_ns: int | None = None  # since when a hedgeable exposure is open (S6)
        self.waiting_until_ns = 0
        self._alarm_ns = 0  # a person is not called again before
        self.epoch = 0  # counts exposures: a timer of an earlier one is stale

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Answers that are computed in here are not kept for the next step (see `Desk.looking`)."""
        kept, self._enough = (self._enough, self._enough_answer), ()
        try:
            yield
        finally:
            self._enough, self._enough_answer = kept

    # --- what is to be done

    @property
    def need(self) -> Decimal:
        """Signed quantity that is neither hedged nor in flight; a hedge trades exactly this, floored to the lot."""
        return self._needed(None if self.gate is None else self.gate.open)

    def _needed(self, opened: Open | None) -> Decimal:
        """`need` for what is open on terms, where there are any."""
        gate = self.gate
        need = -self._uncovered() if gate is None or opened is None else opened.qty.copy_sign(-gate.lots.qty)
        return need if need == 0 or not self._world.orders.covering else self._bounded(need)

    def _uncovered(self) -> Decimal:
        """Signed: what is open beyond what orders in flight take off.

        Halves of matched pairs count only as far as they take something off: what one may still add when its other half
        has failed is hedged when it fills. Hedged before, it would grow what is open if it fills in part (S4, S9).
        """
        world = self._world
        halves = world.slices_in_flight()
        uncovered = world.exposure + world.in_flight() - halves
        if uncovered * halves >= 0:
            return uncovered
        return ZERO if abs(halves) >= abs(uncovered) else uncovered + halves

    def _bounded(self, need: Decimal) -> Decimal:
        """S4: with an unknown order, exposure is an interval; a hedge leaves only if it shrinks its worst end."""
        covering = self._world.orders.covering.values()
        if not any(order.unknown for order in covering):
            return need
        low = high = self._world.exposure
        for order in covering:
            part = order.side.sign * order.remaining
            if not order.unknown:
                low, high = low + part, high + part
            elif part < 0:
                low += part
            else:
                high += part
        after = max(abs(low + need), abs(high + need))
        return need if after < max(abs(low), abs(high)) else ZERO

    @property
    def hedgeable(self) -> Decimal:
        """The largest part of `need` that some account could trade, unsigned (S6)."""
        need = abs(self.need)
        return ZERO if need == 0 else self._largest(need)

    @property
    def settled(self) -> bool:
        """Nothing hedgeable is left and nothing is in flight or unknown: what remains is dust."""
        world = self._world
        if world.orders.covering or world.resyncing:
            return False
        exposure = world.ledger.exposure
        return exposure == 0 or not self._tradable(abs(exposure))

    def _largest(self, qty: Decimal) -> Decimal:
        world = self._world
        return max((world.tradable(name, qty) for name in self._takers), default=ZERO)

    def _tradable(self, qty: Decimal) -> bool:
        """Could some taker trade at least a part of `qty` (S6)?"""
        tradable = self._world.tradable
        for name in self._takers:  # asked several times a step: a generator costs as much as the answer
            if tradable(name, qty):
                return True
        return self._world.unpriced(self._takers)  # no dust before there is a book to tell it by

    # --- the step

    def run(self) -> list[Effect]:
        """Recompute and act. Called after every input that may have changed ledger, orders, links or time."""
        effects: list[Effect] = []
        world = self._world
        if world.exposure == 0 and not world.orders.covering and self.since_ns is None:
            if self.stage is not _CALM:
                self._calm()
            if self.gate is not None:
                self.gate.closed()
            return effects
        opened = None
        if self.gate is not None:
            if not self.gate.may_begin(effects):
                return effects  # nothing may be hedged at all
            opened = self.gate.note_open()
            self.gate.look(self._tradable(opened.qty), effects)
        self._age(effects)
        if world.resyncing or world.distrusted or not self._may_send():
            return effects
        if world.orders.covering and self._slicing():
            self.stage = _COVERED
            return effects
        need = self._needed(opened)
        if need == 0 or not self._tradable(abs(need)):
            if not world.orders.covering:
                self._calm()
                if need != 0:
                    self._shed_dust(need, effects)
            else:
                self.stage = _COVERED
            return effects
        if self.gate is not None and not self._due(self.gate, need, effects):
            return effects
        if self.stage is _WAITING and world.now_ns < self.waiting_until_ns:
            return effects
        self._hedge(need, effects)
        return effects

    def told(self, standing: list[Effect]) -> list[Effect]:
        """The effects of a `run` with a line before each hedge on terms, whose words are made once hedges have left."""
        if self.gate is None:
            return standing
        told: list[Effect] = []
        for effect in standing:
            if type(effect) is PlaceOrder:
                told.append(told_before(effect, self.gate))
            told.append(effect)
        return told

    def _due(self, gate: Gate, need: Decimal, effects: list[Effect]) -> bool:
        """Is what is open to be hedged now, by the flow's terms and by us?"""
        if gate.by_hand:
            gate.tell_by_hand(_BUY if need > 0 else _SELL, effects)
        elif gate.due:
            return True
        if not self._world.orders.covering:
            self._calm()
        return False

    def _slicing(self) -> bool:
        """S9: nothing is open and only halves of a matched pair are on their way: their end decides."""
        world = self._world
        if world.exposure != 0 and self._tradable(abs(world.exposure)):
            return False
        return all(order.purpose is _FLATTEN for order in world.orders.covering.values())

    def _may_send(self) -> bool:
        """S14: while no link of the hedging accounts is trusted nothing but cancels may leave."""
        if self.gate is None:
            return self._world.links.any_trusted
        links = self._world.links
        for name in self._takers:  # noqa: SIM110 asked at every fill: a generator costs as much again
            if links[name] is _TRUSTED:
                return True
        return False

    def _shed_dust(self, need: Decimal, effects: list[Effect]) -> None:
        """S6: what no taker can trade is taken back on the maker at its cap, as far as that reduces the maker.

        Not while an order rests: its next fill may make the whole hedgeable, and it could be what we hit (S8). A maker
        that would have to increase is left alone: the cleanup would bring the same dust back, again and again.
        """
        world = self._world
        if self.rule.source or world.orders.resting or not world.dust_capped:
            return
        maker, side = world.maker, _BUY if need > 0 else _SELL
        size = world.tradable(maker, min(abs(need), world.plan.limits.max_order))
        if size > 0 and self._reduces(maker, side, size) and world.may_slice(maker):
            self._send(maker, side, size, effects)

    def _calm(self) -> None:
        self.stage = _CALM
        self._refused.clear()
        self._last = ""
        self._failures = 0

    def _hedge(self, need: Decimal, effects: list[Effect]) -> None:
        world = self._world
        side = _BUY if need > 0 else _SELL
        qty = min(abs(need), world.plan.limits.max_order)
        account = self._choose(side, qty)
        if self.on_choice is not None:
            self.on_choice(account, side, qty)
        if account is None:
            blockers = self._blockers(side)
            if blockers:
                self.stage = _BLOCKED
                effects.extend(world.cancel_all(blockers))
            else:
                self._wait(need, effects)
            return
        size = world.tradable(account, qty)
        self._send(account, side, size, effects)
        if size < abs(need):
            self._hedge_rest(effects)

    def _send(self, account: str, side: Side, size: Decimal, effects: list[Effect]) -> None:
        world = self._world
        undo = account == world.maker
        shape = OrderShape(
            side=side, qty=size, price=None if self.gate is None else self.gate.price(account, side), ioc=True,
            reduce_only=undo and self._reduces(account, side, size), slack=1 + self._failures,
        )  # fmt: skip
        covers = -side.sign * size
        if self.gate is None:
            order = world.place(account, shape, purpose=_UNDO if undo else _HEDGE, leg="hedge", covers=covers)
        else:
            order = world.place(
                account, shape, purpose=_HEDGE, leg="hedge", covers=covers, numbered=self._number(self.gate)
            )
        self.stage = _COVERED
        effects.append(order)
        effects.append(check_timer(order.request.client_id, world.now_ns + CHECK_NS))

    def _number(self, gate: Gate) -> tuple[int, int]:
        """Risk unit and attempt: what was refused for the same fills keeps its number, anything else gets a new one."""
        unit, attempt, revision = self._unit
        again = revision == gate.lots.revision
        self._unit = (unit, attempt + 1, -1) if again else (unit + 1, 1, -1)
        return self._unit[:2]

    def _hedge_rest(self, effects: list[Effect]) -> None:
        """More than one order is needed (max_order, lots): go on with what the first leaves."""
        rest = self._needed(None if self.gate is None else self.gate.note_open())
        if rest != 0 and self._tradable(abs(rest)) and len(self._world.orders.covering) < MOST_AT_ONCE:
            self._hedge(rest, effects)

    def _choose(self, side: Side, qty: Decimal) -> str | None:
        """The account that trades next, or None when none may now (blocked by S8, or all refused)."""
        self._rung = None
        free = [name for name in self._takers if not self._objection(name, side, qty)]
        if free and not self._refused and self.rule.choose == "random":
            return self._draw_random(free, side, qty)
        able = [name for name in free if self._margin_ok(name, side, qty)] or free
        if not self._refused and (able or not self._cut_off()):
            if self._last in able:
                return self._last
            return self._draw(able, side) if able else None
        return self._climb(free, able, side, qty)

    def _climb(self, free: list[str], able: list[str], side: Side, qty: Decimal) -> str | None:
        """The first account that a rung of the ladder names (S3)."""
        for rung in self.rule.ladder:
            self._rung = rung
            if rung is Rung.REDUCE_ELSEWHERE:
                holders = [name for name in free if self._reduces(name, side, qty)]
                if holders:
                    return holders[0]
            elif rung is Rung.NEXT_ELIGIBLE and able:
                return max(able, key=lambda name: (self._free_margin(name), name))
            elif rung is Rung.UNDO_ON_MAKER and not free and not self._objection(self._world.maker, side, qty):
                return self._world.maker
        return None

    def explained(self, account: str | None, side: Side, qty: Decimal) -> Choice:
        """The choice of which `on_choice` just told.

        Asks what `_choose` asked, of the same accounts: a review must read no quote that the decision did not.
        """
        world = self._world
        objections = {name: self._objection(name, side, qty) for name in self._takers}
        if self._rung is Rung.UNDO_ON_MAKER and all(objections.values()):
            objections[world.maker] = self._objection(world.maker, side, qty)
        for name in self._takers:
            if not objections[name] and not self._margin_ok(name, side, qty):
                objections[name] = "too little margin"
        return Choice(
            side=side, qty=qty, exposure=world.exposure, in_flight=world.in_flight(), account=account,
            rung=self._rung if account is not None else None,
            again=self._rung is None and account is not None and account == self._last, objections=objections,
        )  # fmt: skip

    def _cut_off(self) -> bool:
        """No taker can be asked and the exposure is older than the soft age: the maker itself must undo it."""
        world = self._world
        for name in self._takers:
            asked = world.links[name] is _TRUSTED and not world.rates[name].spent(world.now_ns)
            if asked and not world.stays_pending(name):
                return False
        return self.since_ns is not None and world.now_ns - self.since_ns >= world.plan.limits.unhedged_soft_age_ns

    def _draw_random(self, free: list[str], side: Side, qty: Decimal) -> str:
        """E8, E9: the account that filled partly, else any whose margin carries it, each with equal chance.

        Draws until one can: the margin of those that are not drawn need not be computed.
        """
        if self._last in free and self._margin_ok(self._last, side, qty):
            return self._last
        left = list(free)
        while len(left) > 1:
            drawn = self._world.chance["taker"].below(len(left))
            if self._margin_ok(left[drawn], side, qty):
                return left[drawn]
            del left[drawn]
        return left[0]

    def _draw(self, able: list[str], side: Side) -> str:
        if self.rule.choose == "holder_first":
            holders = [name for name in able if self._world.ledger.books[name].position * side.sign < 0]
            able = holders or able
        if len(able) == 1:
            return able[0]
        return able[self._world.chance["taker"].below(len(able))]

    def _objection(self, name: str, side: Side, qty: Decimal) -> str:
        """Why the account cannot trade now, whatever its margin; empty if it can."""
        world = self._world
        if name in self._refused:
            return "refused this exposure before"
        if world.links[name] is not _TRUSTED:
            return "stream not trusted"
        if world.rates[name].spent(world.now_ns):
            return "no request left this minute"
        if world.orders.covering and world.stays_pending(name):
            return "an order of its stays pending"
        if world.tradable(name, qty) <= 0:
            return "below its smallest order"
        if world.orders.resting and world.meets_own(name, side):
            return "an own order rests on its book"
        if self.gate is not None and (objection := self.gate.objection(name, side)):
            return objection
        return "" if self._has_base(name, side, qty) else "holds too little to sell"

    def _has_base(self, name: str, side: Side, qty: Decimal) -> bool:
        """S18: spot has no short position; a sale is bounded by what the account holds."""
        world = self._world
        if side is _BUY or world.instruments[name].kind is not _SPOT:
            return True
        return self._holding(name) >= world.tradable(name, qty)

    def _holding(self, name: str) -> Decimal:
        return self._world.baseline.get(name, ZERO) + self._world.ledger.books[name].position

    def _blockers(self, side: Side) -> list[Order]:
        accounts = (
            (*self._takers, self._world.maker) if self._refused else self._takers
        )  # the undo comes after refusals only
        keys = {self._world.books_key[name] for name in accounts}
        return [
            order
            for order in self._world.orders.resting.values()
            if order.side is side.opposite and self._world.books_key[order.account] in keys
        ]

    def _reduces(self, name: str, side: Side, qty: Decimal) -> bool:
        position = self._world.ledger.books[name].position
        return position * side.sign < 0 and abs(position) >= qty

    def _margin_ok(self, name: str, side: Side, qty: Decimal) -> bool:
        """S12: a reducing hedge needs no new margin; another needs the buffer on top of what is in flight."""
        world = self._world
        margin = world.margins.get(name)
        if margin is None or self._reduces(name, side, qty):
            return True
        if side is _SELL and world.instruments[name].kind is _SPOT:
            return True  # it gives base, not cash
        touch = world.touch(name, side)
        if touch is None:
            return True
        flying = sum([order.remaining for order in world.orders.covering.values() if order.account == name], ZERO)
        return can_carry(
            margin,
            in_flight_notional=flying * touch,
            order_notional=qty * touch,
            instrument=world.instruments[name],
            buffer=world.plan.limits.margin_buffer,
        )

    def _free_margin(self, name: str) -> Decimal:
        margin = self._world.margins.get(name)
        return margin.free if margin is not None else ZERO

    @property
    def willing(self) -> bool:
        """Is an account there to hedge a fill, and does not every one refuse the last (E5)?"""
        links = self._world.links
        return self.stage is not _WAITING and any(links[name] is _TRUSTED for name in self._takers)

    def enough_eligible(self, qty: Decimal, side: Side) -> bool:
        """Could two accounts (or the one that there is) take a hedge of `qty` on this side now (E5, S12)?"""
        world = self._world
        read = (qty, side, world.facts)
        if read != self._enough:
            self._enough = read
            self._enough_answer = self._count_eligible(qty, side)
            self.lack = "" if self._enough_answer else self._unfit(qty, side)
        return self._enough_answer

    def _count_eligible(self, qty: Decimal, side: Side) -> bool:
        names = self._takers
        wanted = min(2, len(names))
        for name in names:
            if not self._unable(name, qty, side):
                wanted -= 1
                if wanted == 0:
                    return True
        return False

    def _unfit(self, qty: Decimal, side: Side) -> str:
        """Why takers are not counted, in words; reads what the count has read."""
        unable = {name: self._unable(name, qty, side) for name in self._takers}
        return "; ".join(f"{name}: {why}" for name, why in unable.items() if why)

    def _unable(self, name: str, qty: Decimal, side: Side) -> str:
        """Why the account could not take a hedge of `qty` in full; empty if it could."""
        world = self._world
        if world.links[name] is not _TRUSTED:
            return "stream not trusted"
        if world.stays_pending(name):
            return "an order of its stays pending"
        if world.tradable(name, qty) <= 0:
            return f"{qty} is below its smallest order"
        if not self._has_base(name, side, qty):
            return f"{self._holding(name)} {world.instruments[name].base} are too little to sell"
        return "" if self._margin_ok(name, side, qty) else f"free margin {self._free_margin(name):.2f} is too little"

    # --- what comes back

    def refused(self, order: Order) -> list[Effect]:
        """An explicit refusal: that account is out for this exposure, the next rung moves at once (S3, S4)."""
        self._refused[order.account] = self._refused.get(order.account, 0) + 1
        self._last = ""
        self._unfilled(order)
        if self.gate is not None and order.refusal in _PASSING:  # asked again each second
            self._failures = min(self._failures, CALLS_AT - 1)
        why = order.refusal.value if order.refusal is not None else "not sent"
        return [
            Alert(
                Level.WARNING, "hedge_refused",
                f"{order.account} refused to {order.side.value} {order.qty} {order.symbol} ({why}); next rung",
                {"account": order.account, "client_id": order.client_id, "why": why},
            )
        ]  # fmt: skip

    def ended(self, order: Order) -> None:
        """A hedge came to its end: if part of it is missing, the same account is asked first (E9)."""
        self._unfilled(order)
        if order.state is _FILLED:
            self._last = ""
        elif order.done_qty > 0:
            self._last = order.account
            self._failures = 0 if self.gate is not None else self._failures
        elif order.state is _CANCELED:
            self._refused[order.account] = self._refused.get(order.account, 0) + 1

    def _unfilled(self, order: Order) -> None:
        """Nothing of an order can ever fill: what it was for is the same risk unit still, while no other fill comes."""
        unit, attempt, _ = self._unit
        if self.gate is not None and (order.round, order.attempt) == (unit, attempt) and not order.done_qty:
            self._unit = (unit, attempt, self.gate.lots.revision)

    def not_sent(self, order: Order) -> None:
        """It never left: nobody refused it, the rule computes anew."""
        self._unfilled(order)

    def timer(self, name: str) -> list[Effect]:
        if name == "again":
            self._refused.clear()
            self.waiting_until_ns = 0
        return []

    def _wait(self, need: Decimal, effects: list[Effect]) -> None:
        """No account may or will: never give up, never busy-loop (S3)."""
        world = self._world
        self.stage = _WAITING
        self._failures += bool(self._refused) and self._failures < MOST_SLACK
        self.waiting_until_ns = world.now_ns + self._pause_ns()
        effects.append(self._timer("again", self.waiting_until_ns))
        if self.gate is not None and self.gate.held(_BUY if need > 0 else _SELL):
            self.gate.tell_held(_BUY if need > 0 else _SELL, effects)
        if self._refused and world.now_ns >= self._alarm_ns and self._failures >= self._calls_at:
            self._alarm_ns = world.now_ns + ALARM_NS
            effects.append(
                Alert(
                    Level.PERSON, "hedge_stuck",
                    f"no account takes the hedge of {need} {world.plan.market}; trying again every"
                    f" {self._pause_ns() // MS} ms",
                    {"need": str(need), "refused": ",".join(self._refused)},
                )
            )  # fmt: skip

    @property
    def _calls_at(self) -> int:
        """Beside a source, one "no" that is a "yes" a moment later calls nobody."""
        return 0 if self.gate is None else CALLS_AT

    def _pause_ns(self) -> int:
        """S3: 250 ms; on terms growing with every refusal of all, a second where price or requests are waited for."""
        if self.gate is None:
            return TRY_AGAIN_NS
        return min(TRY_AGAIN_NS << max(self._failures - 1, 0), MOST_PAUSE_NS) if self._refused else S

    # --- age of what is unhedged (E15, S6)

    def _age(self, effects: list[Effect]) -> None:
        world = self._world
        exposure = world.ledger.exposure
        open_now = exposure != 0 and self._tradable(abs(exposure)) and self._counts_as_unhedged()
        if open_now and self.since_ns is None:
            self.since_ns = world.now_ns
            self.epoch += 1
            limits = world.plan.limits
            effects.append(self._timer("soft age", world.now_ns + limits.unhedged_soft_age_ns))
        elif not open_now and self.since_ns is not None:
            overdue = world.now_ns - self.since_ns >= world.plan.limits.unhedged_soft_age_ns
            self.since_ns = None
            effects.append(DisarmTimer(OWNER, "hard age" if overdue else "soft age", self.epoch))

    def _counts_as_unhedged(self) -> bool:
        """On terms, age begins when a hedge is due, and what is held for its price or by hand is told by itself."""
        gate = self.gate
        if gate is None:
            return True
        if not gate.due:
            return self.since_ns is not None and bool(self._world.orders.covering)
        return not gate.by_hand and not gate.held(_SELL if self._world.exposure > 0 else _BUY)

    def hard_age(self) -> ArmTimer:
        """The soft age has passed: the hard one is next, and then again every ten seconds."""
        assert self.since_ns is not None
        due_ns = self.since_ns + self._world.plan.limits.unhedged_hard_age_ns
        return self._timer("hard age", due_ns if due_ns > self._world.now_ns else self._world.now_ns + ALARM_NS)

    def _timer(self, name: str, at_ns: int) -> ArmTimer:
        return ArmTimer(OWNER, name, self.epoch, at_ns)


MOST_SLACK = 9  # the worst price of a hedge is never further than this and one times max_hedge_slippage from the touch
CALLS_AT = 3  # refusals of all accounts in a row from which on a person is called, on terms
MOST_PAUSE_NS = 32 * S  # between two tries of a hedge that every account refuses, on terms
MOST_AT_ONCE = 8  # hedges in flight at once for one market: bounds the burst when max_order is far below the need


def told_before(order: PlaceOrder, gate: Gate) -> Alert:
    """What a hedge is for, in the line before it: the fills that it answers, their number and average price."""
    request, opened = order.request, gate.open
    oldest, *others = [lot for lot in gate.lots if lot.qty * request.side.sign < 0] or [Lot(ZERO, ZERO, 0)]
    newest = others[-1] if others else oldest
    at = "market" if request.price is None else f"{request.price}"
    return Alert(
        Level.INFO, "hedge",
        f"{request.account}: {request.side.value} {request.qty} {request.symbol} at {at} ({request.client_id})",
        {
            "client_id": request.client_id, "unit": str(order.round), "attempt": str(order.attempt),
            "open": str(gate.lots.qty), "average": f"{gate.lots.beyond(ZERO).price:f}", "not_covered": str(opened.qty),
            "oldest": f"{oldest.order_id}/{oldest.trade_id}", "newest": f"{newest.order_id}/{newest.trade_id}",
            "fills": str(1 + len(others)),
        },
    )  # fmt: skip
