"""The one place where the world moves: `step(input) -> effects` (architecture.md, the idea).

Two commit points (S2): ledger, dedupe and standing hedges are always committed; the chart's step may fail whole,
leaves the old state and becomes an `error.raised` event. Performs no I/O; time and chance are handed in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Literal, cast

from engine.chart.machine import Chart, StepFailed
from engine.chart.model import CancelTimer, Outcome, StartTimer
from engine.trading.effects import (
    Alert,
    ArmTimer,
    AskPositions,
    DisarmTimer,
    Effect,
    Finish,
    Level,
    Moved,
    PlaceOrder,
    Purpose,
    RoundEnded,
)
from engine.trading.events import (
    CancelRefused,
    ErrorRaised,
    LimitBreached,
    LinkLost,
    LinkTrusted,
    MarketClosed,
    MarketOpened,
    OrderAccepted,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderNotSent,
    OrderPartiallyFilled,
    OrderRefused,
    OrderUnknown,
    StopNow,
    StopRequested,
    StrategyEvent,
)
from engine.trading.hedging import OWNER as HEDGING
from engine.trading.hedging import HedgeRule, Hedging
from engine.trading.inputs import (
    Answered,
    ClockJumped,
    Counted,
    Input,
    Looked,
    MarketSeen,
    NotSent,
    Recalled,
    Request,
    Started,
    StopAsked,
    TimerFired,
)
from engine.trading.inquiry import OWNER as INQUIRY
from engine.trading.inquiry import Inquiry, check_over
from engine.trading.legs import Leg
from engine.trading.orders import COVERING, Order
from engine.trading.plan import Plan
from engine.trading.risk import Breach, Risk
from engine.trading.verbs import Verbs, residue_lines
from engine.trading.view import View
from engine.trading.world import S, World
from exchanges.types import (
    ZERO,
    Accepted,
    Fill,
    FillKind,
    LinkState,
    LinkUpdate,
    Margin,
    OrderState,
    OrderUpdate,
    Quote,
    Refused,
    Rng,
)

CHART = "chart"
DESK = "desk"
MISSING_NS = 5 * S  # "no such order" about one that was seen, for so long: it has ended, whatever the reason
RESYNC_NS = 1 * S  # fills of a resync are judged as one batch for so long; a slow one may not hold up every hedge (S3)
RECONCILE_NS = 60 * S  # how often ledger and venue are compared beside the flow's own counts (S17)
MATCHES_KEPT = 512  # trade ids remembered to recognise a match between own accounts (S8)


NOTHING_NEW: list[StrategyEvent] = []  # by identity: the input changed nothing, no rule needs to look again
_QUIET = frozenset({TimerFired, Answered, MarketSeen})  # inputs that change no account by themselves


@dataclass(frozen=True, slots=True)
class AskReply:
    """Payload of `done` for ask and ask_all."""

    found: bool


@dataclass(frozen=True, slots=True)
class CountReply:
    """Payload of `done` for count_positions."""

    matches: bool


class Desk:
    """One flow on one market. All state is here and below; `step` is the only way to change it."""

    def __init__(
        self,
        plan: Plan,
        *,
        run: int,
        chance: Mapping[str, Rng],
        decider: Literal["transitions", "table"] = "transitions",
    ) -> None:
        sections = plan.flow.sections
        maker_role = next((name for name, role in sections["accounts"].value.items() if not role.many), "")  # type: ignore[attr-defined]
        self.world = World(plan, run=run, chance=chance, maker_role=maker_role)
        self.legs: dict[str, Leg] = {
            name: Leg(spec, self.world)
            for name, spec in sections["legs"].value.items()  # type: ignore[attr-defined]
        }
        rule = sections["hedging"].value
        self.hedging = Hedging(self.world, rule) if isinstance(rule, HedgeRule) else None
        self.view = View(self.world, self.hedging, self.legs)
        self.inquiry = Inquiry(self.world)
        self.risk = Risk(self.world)
        self.verbs = Verbs(self.world, self.legs, self.view)
        self.chart = Chart(plan.flow, self.view, self.verbs, settings=plan.settings, decider=decider)
        self._trades: deque[tuple[str, str, str]] = deque(maxlen=MATCHES_KEPT)
        self._trade_owner: dict[tuple[str, str, str], str] = {}
        self._told_round = 0
        self._round_starts = tuple(
            name for name, state in plan.flow.states.items() if any(do.verb == "begin_round" for do in state.entry)
        )
        self._crippled = False
        self._finished = False
        self._began = False
        self._doubts = 0
        self._breached: set[str] = set()
        self._effects: list[Effect] = []

    # --- for the runtime

    @property
    def books(self) -> dict[tuple[str, str], Quote]:
        """Newest quotes by (venue, symbol); the runtime writes here, a quote alone is no step."""
        return self.world.quotes

    @property
    def state(self) -> str:
        """The chart's leaf."""
        return self.chart.leaf

    def knows(self, client_id: str) -> bool:
        """Is this order in memory? If not, the runtime looks it up in the journal before its frame is handled."""
        return client_id in self.world.orders.all

    def take_used_quotes(self) -> list[Quote]:
        return self.world.take_used_quotes()

    def exposure_lines(self) -> list[str]:
        """What is open, for a person who leaves now (E18)."""
        live = [
            f"{order.account}: {order.side.value} {order.remaining} {order.symbol} still live ({order.client_id})"
            for table in (self.world.orders.resting, self.world.orders.covering)
            for order in table.values()
        ]
        return residue_lines(self.world) + live

    def objection(self, order: PlaceOrder) -> str:
        """S16: why this opening must not leave any more, asked at the wire; empty if it may.

        Reads no quote: what a step read is journalled with its input, and this is no step.
        """
        world = self.world
        known = world.orders.get(order.request.client_id)
        if known is None or not known.live or order.epoch != world.round:
            return "its round has moved on"
        if order.purpose is not Purpose.OPEN:
            return ""
        if world.halted:
            return "halted"
        if not world.market.open:
            return f"market: {world.market.text}"
        return "" if world.links.all_trusted else "a stream is not trusted"

    def step(self, given: Input, at_ns: int) -> list[Effect]:
        """Move the world by one input; returns what is to be done, in order."""
        world = self.world
        world.now_ns = at_ns
        world.facts += type(given) not in _QUIET
        effects = self._effects = []
        events = self._apply(given)
        if events is NOTHING_NEW and type(given) is not Looked:
            return effects
        if self.hedging is not None:
            effects.extend(self.hedging.run())
        world.undo.clear()  # the first commit point: from here on only the chart's own doings can be undone (S2)
        self._run_chart(given, events)
        if self.verbs.answered_now:
            self._answer_now()
        if self._crippled:
            self._carry_home()
        world.undo.clear()
        return effects

    # --- first commit point: accounting, which the chart cannot influence

    def _apply(self, given: Input) -> list[StrategyEvent]:
        match given:
            case Fill():
                return self._fill(given)
            case OrderUpdate():
                return self._update(given)
            case Answered():
                return self._answered(given)
            case TimerFired():
                return self._timer(given)
            case LinkUpdate():
                return self._link(given)
            case MarketSeen():
                return self._market(given)
            case Margin():
                self.world.margins[given.account] = given
                return self._breaches(self.risk.accounts((given,), ()))
            case Looked():
                return self._looked(given)
            case NotSent():
                return self._not_sent(given)
            case Counted():
                return self._counted(given)
            case StopAsked():
                return [StopRequested() if given.level == 1 else StopNow()]
            case ClockJumped():
                return self._jumped(given)
            case Started():
                return self._started(given)
            case Recalled():
                self.world.orders.recall(given, self.world.now_ns)
                return NOTHING_NEW

    def _started(self, given: Started) -> list[StrategyEvent]:
        world = self.world
        for position in given.positions:
            if position.symbol == world.instruments[position.account].symbol:
                world.baseline[position.account] = position.qty
        for margin in given.margins:
            world.margins[margin.account] = margin
        self._effects.append(ArmTimer(DESK, "reconcile", 0, world.now_ns + RECONCILE_NS))
        self._began = True
        self._guarded(self.chart.start)
        return []

    def _fill(self, fill: Fill) -> list[StrategyEvent]:
        world = self.world
        events: list[StrategyEvent] = []
        if fill.symbol != world.instruments[fill.account].symbol:
            return []  # another market of the account: not this desk's (S1)
        order = world.orders.get(fill.client_id) if fill.client_id else None
        if order is None:
            return self._foreign_fill(fill)
        before, was_terminal = order.state, order.state.terminal
        news = world.orders.apply_fill(fill, world.now_ns)
        if news is None:
            return NOTHING_NEW
        self._self_match(fill)
        world.ledger.add_fill(fill, news, order.purpose)
        events += self._breaches(self.risk.after_fill())
        if news > 0:
            self._progress(order, news)
        if order.purpose in COVERING:
            self._covering_changed(order, before)
        elif news > 0 or order.state is not before:
            events.append(self._order_event(order, late=was_terminal))
        return events

    def _foreign_fill(self, fill: Fill) -> list[StrategyEvent]:
        """A fill that no order in memory caused: exposure all the same (S9, S12), once (S5)."""
        if not self.world.orders.first_seen(fill):
            return []
        self.world.ledger.add_fill(fill, fill.qty, None)
        settled = fill.kind is FillKind.SETTLEMENT
        self._effects.append(
            Alert(
                Level.INFO if settled else Level.PERSON, f"fill_{fill.kind.value}",
                f"{fill.account}: {fill.kind.value} {fill.side.value} {fill.qty} {fill.symbol} at {fill.price},"
                " no order of this run; it counts as exposure and is hedged",
                {"account": fill.account, "trade_id": fill.trade_id, "client_id": fill.client_id},
            )
        )  # fmt: skip
        events: list[StrategyEvent] = (
            [] if settled else [LimitBreached(limit=f"foreign {fill.kind.value}", policy="reduce")]
        )
        return events + self._breaches(self.risk.after_fill())

    def _self_match(self, fill: Fill) -> None:
        """S8: both sides of one trade are ours: its exposure is still open, and opening stops."""
        key = (fill.venue, fill.symbol, fill.trade_id)
        owner = self._trade_owner.get(key)
        if owner is None:
            if len(self._trades) == MATCHES_KEPT:
                self._trade_owner.pop(self._trades[0], None)
            self._trades.append(key)
            self._trade_owner[key] = fill.account
        elif owner != fill.account and not self.world.self_matched:
            self.world.self_matched = True
            self._effects.append(
                Alert(
                    Level.PERSON, "self_match",
                    f"{owner} and {fill.account} traded with each other ({fill.qty} {fill.symbol}); no opening until a"
                    " person has looked: stop the run, check self-trade prevention, start again",
                    {"trade_id": fill.trade_id},
                )
            )  # fmt: skip

    def _update(self, update: OrderUpdate) -> list[StrategyEvent]:
        world = self.world
        order = world.orders.get(update.client_id)
        if order is None:
            return []  # not ours, or long ended: reconcile compares positions (S1, S17)
        before, was_terminal, was_unknown = order.state, order.state.terminal, order.unknown
        news = world.orders.apply_update(update, world.now_ns)
        if not news and order.state is before and not was_unknown:
            return NOTHING_NEW
        events: list[StrategyEvent] = []
        if news > 0:
            world.ledger.add_provisional(order.account, order.side, news, order.purpose)
            self._progress(order, news)
            events += self._breaches(self.risk.after_fill())
        if order.purpose in COVERING:
            self._covering_changed(order, before)
        elif news > 0 or order.state is not before:
            events.append(self._order_event(order, late=was_terminal))
        return events

    def _progress(self, order: Order, news: Decimal) -> None:
        leg = self.legs.get(order.leg)
        if leg is not None:
            leg.count(order, news)

    def _covering_changed(self, order: Order, before: OrderState) -> None:
        if order.state is before or not order.state.terminal:
            return
        self._effects.append(check_over(order.client_id))
        self.world.covering_ended(order)
        if self.hedging is None:
            return
        if order.state is OrderState.FAILED:
            self._effects.extend(self.hedging.refused(order))
        else:
            self.hedging.ended(order)

    def _order_event(self, order: Order, *, late: bool) -> OrderEvent:
        leg = self.legs[order.leg]
        late = late or order.client_id != leg.newest
        facts = (order.leg, late, order.done_qty)
        match order.state:
            case OrderState.PARTIALLY_FILLED:
                return OrderPartiallyFilled(*facts)
            case OrderState.FILLED:
                return OrderFilled(*facts)
            case OrderState.CANCELED:
                return OrderCanceled(*facts)
            case OrderState.FAILED:
                leg.refusals += 1
                return OrderRefused(*facts, reason=order.refusal.value if order.refusal else "venue")
            case _:
                return OrderAccepted(*facts)

    def _answered(self, given: Answered) -> list[StrategyEvent]:
        order = self.world.orders.get(given.client_id)
        if order is None:
            return []
        if given.request is Request.CANCEL:
            if isinstance(given.reply, Accepted) or not order.live:
                return NOTHING_NEW
            self._effects.extend(self.inquiry.look(order))  # cancelled again after a while, not at once
            return [] if order.purpose in COVERING else [CancelRefused(order.leg)]
        if isinstance(given.reply, Accepted):
            order.order_id = order.order_id or given.reply.order_id
            was_unknown, order.unknown = order.unknown, False
            return [] if was_unknown else NOTHING_NEW
        if isinstance(given.reply, Refused):
            return self._failed(order, given.reply)
        return self._lost(order)

    def _failed(self, order: Order, reply: Refused) -> list[StrategyEvent]:
        if order.state is not OrderState.PENDING:
            return []  # frames of the order came before a refusal that cannot be true
        before = order.state
        self.world.orders.fail(order, reply.refusal, self.world.now_ns)
        if order.purpose in COVERING:
            self._covering_changed(order, before)
            return []
        return [self._order_event(order, late=False)]

    def _lost(self, order: Order) -> list[StrategyEvent]:
        """No trustworthy answer: ask until the order is found or provably dead (S4)."""
        if order.state is not OrderState.PENDING:
            return []
        order.unknown = True
        self._effects.extend(self.inquiry.look(order))
        self._effects.append(
            Alert(
                Level.WARNING, "outcome_unknown",
                f"{order.account}: outcome of {order.client_id} ({order.side.value} {order.qty}) unknown, asking",
                {"account": order.account, "client_id": order.client_id},
            )
        )  # fmt: skip
        return [] if order.purpose in COVERING else [OrderUnknown(order.leg, False, order.done_qty)]

    def _not_sent(self, given: NotSent) -> list[StrategyEvent]:
        order = self.world.orders.get(given.client_id)
        if order is None:
            return []
        if given.request is Request.CANCEL:
            order.cancel_ns = 0
            return [] if order.purpose in COVERING else [CancelRefused(order.leg)]
        if order.state is not OrderState.PENDING:
            return []
        self.world.orders.fail(order, None, self.world.now_ns)
        if order.purpose in COVERING:
            return []  # nobody refused it: the rule simply computes anew
        return [OrderNotSent(order.leg, order.client_id != self.legs[order.leg].newest, order.done_qty)]

    def _looked(self, given: Looked) -> list[StrategyEvent]:
        world = self.world
        order = world.orders.get(given.client_id)
        events: list[StrategyEvent] = []
        if order is not None:
            standing = given.token == 0
            if standing:
                order.asked = False
            if given.update is not None:
                events = self._update(given.update)
            elif given.ok and order.live:
                events = self._unknown_there(order, standing=standing)
        return events

    def _unknown_there(self, order: Order, *, standing: bool) -> list[StrategyEvent]:
        """The venue knows no such order: not yet, never, or no more. Ask on until one of these is certain (S4)."""
        world, before = self.world, order.state
        if order.state is not OrderState.PENDING:
            order.missing_ns = order.missing_ns or world.now_ns
            trusted = world.links[order.account] is LinkState.TRUSTED
            if not trusted or world.now_ns - order.missing_ns < MISSING_NS:
                return self._ask_on(order)
            world.orders.lose(order, world.now_ns)
            self._effects.append(
                Alert(
                    Level.PERSON, "order_lost",
                    f"{order.account}: the venue no longer knows {order.client_id}; taken as ended with"
                    f" {order.done_qty} of {order.qty} filled, look at the account",
                    {"account": order.account, "client_id": order.client_id},
                )
            )  # fmt: skip
        elif standing and order.asked_ns > order.dead_after_ns:
            world.orders.fail(order, None, world.now_ns)
        else:
            return self._ask_on(order)
        if order.purpose in COVERING:
            self._covering_changed(order, before)
            return []
        return [self._order_event(order, late=False)]

    def _ask_on(self, order: Order) -> list[StrategyEvent]:
        self._effects.append(self.inquiry.look_again(order))
        return []

    def _counted(self, given: Counted) -> list[StrategyEvent]:
        for margin in given.margins:
            self.world.margins[margin.account] = margin
        events = self._breaches(self.risk.accounts(given.margins, given.positions))
        if not self._comparable(given):
            return events
        wrong = self._differences(given)
        self.world.positions_doubted = bool(wrong)
        self._doubts = self._doubts + 1 if wrong else 0
        if not wrong:
            return events
        self._effects.append(
            Alert(
                Level.PERSON, "positions_differ", "ledger and venue differ: " + "; ".join(wrong),
                {"reading": str(self._doubts)},
            )
        )  # fmt: skip
        if self._doubts < 2:
            self._effects.append(ArmTimer(DESK, "reconcile", 0, self.world.now_ns + S))
            return events
        return events + self._breach("positions differ", "distrust")

    def _comparable(self, given: Counted) -> bool:
        """S17: a reading counts over a quiet cut, and not while a lost stream may still owe us fills."""
        trusted = self.world.links.all_trusted
        return given.ok and given.quiet and trusted

    def _differences(self, given: Counted) -> list[str]:
        """S17: compared over a quiet cut only; a symbol that the venue leaves out is flat."""
        world = self.world
        told = {
            position.account: position.qty
            for position in given.positions
            if position.symbol == world.instruments[position.account].symbol
        }
        return [
            f"{name}: ledger {expected} venue {told.get(name, ZERO)}"
            for name, book in world.ledger.books.items()
            if told.get(name, ZERO) != (expected := world.baseline.get(name, ZERO) + book.position)
        ]

    def _link(self, given: LinkUpdate) -> list[StrategyEvent]:
        before = self.world.links.put(given.account, given.state)
        if given.state is LinkState.RESYNC:
            self.world.resync_until_ns = until_ns = self.world.now_ns + RESYNC_NS
            self._effects.append(ArmTimer(HEDGING, "resync", 0, until_ns))
        if given.state is LinkState.LOST and before is not LinkState.LOST:
            return [LinkLost(given.account)]
        if given.state is LinkState.TRUSTED and before is not LinkState.TRUSTED:
            return [LinkTrusted(given.account)]
        return []

    def _market(self, given: MarketSeen) -> list[StrategyEvent]:
        before = self.world.market
        self.world.market = given
        if given.open == before.open and given.reason == before.reason:
            return []
        return [MarketOpened()] if given.open else [MarketClosed(given.reason or "none")]

    def _jumped(self, given: ClockJumped) -> list[StrategyEvent]:
        """S14: no stream is trusted until it is resynced; the runtime reconnects every account."""
        world = self.world
        self._effects.append(
            Alert(
                Level.PERSON, "clock_jumped", f"the machine stood still for {given.gap_ns // 1_000_000} ms; resyncing",
                {"gap_ns": str(given.gap_ns)},
            )
        )  # fmt: skip
        return [LinkLost(name) for name in world.links.lose_all()]

    def _timer(self, given: TimerFired) -> list[StrategyEvent]:
        world = self.world
        if given.owner == DESK:
            self._effects.append(ArmTimer(DESK, "reconcile", 0, world.now_ns + RECONCILE_NS))
            self._effects.append(AskPositions(accounts=tuple(world.plan.accounts), token=0))
            return self._breaches(self.risk.money())
        if given.owner == INQUIRY:
            self._effects.extend(self.inquiry.timer(given.name))
            return []
        if given.owner != HEDGING or self.hedging is None:
            return []
        if given.name == "soft age" and self.hedging.since_ns is not None:
            self._effects.append(self._unhedged_alert(Level.WARNING, "unhedged_soft"))
        elif given.name == "hard age" and self.hedging.since_ns is not None:
            self._effects.append(self._unhedged_alert(Level.PERSON, "unhedged_hard"))
            self._effects.append(ArmTimer(HEDGING, "hard age", 0, world.now_ns + 10 * S))
            return self._breach("age of unhedged size", "reduce")
        else:
            self._effects.extend(self.hedging.timer(given.name))
        return []

    def _unhedged_alert(self, level: Level, code: str) -> Alert:
        assert self.hedging is not None
        assert self.hedging.since_ns is not None
        age_ms = (self.world.now_ns - self.hedging.since_ns) // 1_000_000
        return Alert(
            level, code, f"{self.world.exposure} {self.world.plan.market} unhedged for {age_ms} ms",
            {"exposure": str(self.world.exposure), "age_ms": str(age_ms)},
        )  # fmt: skip

    # --- limits (E15)

    def _breaches(self, found: list[Breach]) -> list[StrategyEvent]:
        return [event for breach in found for event in self._breach(breach.limit, breach.policy)]

    def _breach(self, limit: str, policy: str) -> list[StrategyEvent]:
        """Tell the chart once per kind of breach; it stays halted."""
        kind = limit.split(" ", 1)[0]
        if kind in self._breached:
            return []
        self._breached.add(kind)
        self.world.trouble = self.world.trouble or limit
        if policy == "distrust":
            self.world.distrusted = True
        self._effects.append(Alert(Level.PERSON, "limit", limit, {"policy": policy}))
        return [LimitBreached(limit=limit, policy=policy)]

    # --- second commit point: the chart, which may fail whole

    def _run_chart(self, given: Input, events: list[StrategyEvent]) -> None:
        if not self._began or isinstance(given, Started):
            return
        if isinstance(given, TimerFired) and given.owner == CHART:
            self._guarded(partial(self.chart.timer, given.name, given.epoch))
            return
        moved = False
        for event in events:
            moved = self._guarded(partial(self.chart.dispatch, event.kind, event))
        if isinstance(given, Looked | Counted) and given.token:
            self._reply(given)
        elif not moved:  # the facts changed, if not the state: rows without an event look again
            self._guarded(self.chart.settle)

    def _reply(self, given: Looked | Counted) -> None:
        if isinstance(given, Counted):
            payload: object = None
            if self._comparable(given):
                payload = CountReply(matches=not self._differences(given))
            self._guarded(partial(self.chart.reply, given.token, payload is not None, payload))
            return
        left = self.verbs.asked.get(given.token, 0) - 1
        if left > 0 and given.ok:
            self.verbs.asked[given.token] = left
            return
        self.verbs.asked.pop(given.token, None)
        found = AskReply(found=given.update is not None)
        self._guarded(partial(self.chart.reply, given.token, given.ok, found))

    def _answer_now(self) -> None:
        while self.verbs.answered_now:
            token = self.verbs.answered_now.pop(0)
            self._guarded(partial(self.chart.reply, token, True, AskReply(found=False)))

    def _guarded(self, run: Callable[[], Outcome | None]) -> bool:
        """Run one chart step; True if it moved. If it raises, undo it and tell the chart once with `error.raised`."""
        try:
            return self._take(run())
        except StepFailed as failed:
            self._undo()
            self._effects.append(Alert(Level.PERSON, "step_failed", f"{failed}; the state is kept", {}))
            try:
                self._take(self.chart.dispatch(ErrorRaised.kind, ErrorRaised(str(failed))))
            except StepFailed as again:
                self._undo()
                self._crippled = True
                self._effects.append(
                    Alert(Level.PERSON, "chart_crippled", f"{again}; cancelling and leaving when hedged", {})
                )
            return True

    def _undo(self) -> None:
        undo = self.world.undo
        while undo:
            undo.pop()()

    def _take(self, outcome: Outcome | None) -> bool:
        """Accept a chart step: its moves and effects become the desk's."""
        self.world.undo.clear()
        if outcome is None or not outcome.handled:
            return False
        world, effects = self.world, self._effects
        number = self._told_round
        for move in outcome.moves:
            target = move.target
            if number != world.round and target is not None and target.startswith(self._round_starts):
                number = world.round
            target = None if target is None else target.lower()
            effects.append(Moved(move.event, move.source.lower(), target, number))
        self._told_round = world.round
        for effect in outcome.effects:
            if isinstance(effect, StartTimer):
                delay = effect.low_ns
                if effect.high_ns > effect.low_ns:
                    delay = (
                        world.chance["hold"].between(effect.low_ns // 1_000_000, effect.high_ns // 1_000_000)
                        * 1_000_000
                    )
                effects.append(ArmTimer(CHART, effect.event, effect.epoch, world.now_ns + delay))
            elif isinstance(effect, CancelTimer):
                effects.append(DisarmTimer(CHART, effect.event, effect.epoch))
            else:
                self._domain_effect(effect)
        return bool(outcome.moves) and outcome.moves[-1].target is not None

    def _domain_effect(self, effect: object) -> None:
        self._effects.append(cast(Effect, effect))
        if isinstance(effect, RoundEnded):
            self._forget_flat_round()
            for event in self._breaches(self.risk.money()):
                self._guarded(partial(self.chart.dispatch, event.kind, event))
        elif isinstance(effect, Finish):
            self._finished = True

    def _forget_flat_round(self) -> None:
        """The maker's named sums start again when it is flat (E12)."""
        sums = self.world.ledger.by_purpose
        if sum(sums.values(), ZERO) == 0:
            for purpose in Purpose:
                sums[purpose] = ZERO

    def _carry_home(self) -> None:
        """The chart cannot even handle its own failure: cancel what rests, leave when the hedging rule is done."""
        self._effects.extend(self.world.cancel_all(self.world.orders.resting.values()))
        if not self._finished and not self.world.orders.resting and self.view.settled:
            self._finished = True
            self._effects.append(Finish(1, "; ".join(("the flow failed", *residue_lines(self.world)))))
