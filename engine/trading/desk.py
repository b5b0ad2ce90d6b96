"""The one place where the world moves: `step(input) -> effects` (architecture.md, the idea).

Two commit points (S2): ledger, dedupe and standing hedges are always committed; the chart's step may fail whole,
leaves the old state and becomes an `error.raised` event. Performs no I/O; time and chance are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal, cast

from engine.chart.machine import Chart, StepFailed
from engine.chart.model import CancelTimer, Move, Outcome, StartTimer
from engine.trading.adopted import adopted, run_of
from engine.trading.effects import (
    Alert,
    ArmTimer,
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
    ErrorRaised,
    StrategyEvent,
)
from engine.trading.hedging import HedgeRule, Hedging
from engine.trading.inputs import (
    Answered,
    Counted,
    Input,
    Looked,
    MarketSeen,
    Recalled,
    Reconfigured,
    Started,
    TimerFired,
)
from engine.trading.inquiry import Inquiry
from engine.trading.intake import NOTHING_NEW, Intake
from engine.trading.legs import Leg
from engine.trading.plan import Plan, RoleSpec, source_role
from engine.trading.reconfigure import changed_plan, told_changes
from engine.trading.risk import Risk
from engine.trading.scope import Scope
from engine.trading.standstill import Standstill
from engine.trading.verbs import Verbs, live_lines, residue_lines
from engine.trading.world import World
from exchanges.types import (
    ZERO,
    Fill,
    OrderUpdate,
    Quote,
    Rng,
)

CHART = "chart"
ANSWERS_LIMIT = 100  # answers without a question in one step; a chart that wants more goes in a circle
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
        roles: Mapping[str, RoleSpec] = sections["accounts"].value  # type: ignore[assignment]
        alone = next((name for name, role in roles.items() if not role.many), "")
        maker_role = source_role(plan.flow) or alone
        self.world = World(plan, run=run, chance=chance, maker_role=maker_role)
        self.legs: dict[str, Leg] = {
            name: Leg(spec, self.world)
            for name, spec in sections["legs"].value.items()  # type: ignore[attr-defined]
        }
        rule = sections["hedging"].value
        self.hedging = Hedging(self.world, rule) if isinstance(rule, HedgeRule) else None
        self.on_hedges: Callable[[Sequence[Effect]], None] | None = None
        self.view = Scope(self.world, self.hedging, self.legs)
        if self.hedging is not None and self.hedging.gate is not None:
            self.hedging.gate.scope = self.view
        self.risk = Risk(self.world)
        self.intake = Intake(
            self.world, legs=self.legs, hedging=self.hedging, inquiry=Inquiry(self.world), risk=self.risk
        )
        self.verbs = Verbs(self.world, self.legs, self.view, cause=lambda: _cause(self.chart.newest))
        self._decider: Literal["transitions", "table"] = decider
        self.chart = self._chart_of(plan)
        self._standstill = Standstill()
        self._told_round = 0
        self._round_starts = tuple(
            name for name, state in plan.flow.states.items() if any(do.verb == "begin_round" for do in state.entry)
        )
        self._crippled = False
        self._finished = False
        self._began = False
        self._effects: list[Effect] = []

    def _chart_of(self, plan: Plan) -> Chart:
        return Chart(
            plan.flow, self.view, self.verbs, settings=plan.settings, decider=self._decider, draw=self.draw
        )  # fmt: skip

    # --- for the runtime

    @property
    def books(self) -> dict[tuple[str, str], Quote]:
        """Newest quotes by (venue, symbol); the runtime writes here, a quote alone is no step."""
        return self.world.quotes

    @property
    def state(self) -> str:
        """The chart's leaf."""
        return self.chart.leaf

    def draw(self, low: int, high: int) -> int:
        """The chance behind the chart's `draw`: a whole number in low..high."""
        return self.world.chance["hold"].between(low, high)

    def knows(self, client_id: str) -> bool:
        """Is this order in memory? If not, the runtime looks it up in the journal before its frame is handled."""
        return client_id in self.world.orders.all

    def adopt(self, told: Fill | OrderUpdate) -> Recalled | None:
        """The order of what neither memory nor journal knows, if its id is of a run whose journal may not tell all.

        The runtime hands it in before what was told. None for anything else, and where nothing was taken over: then
        what it has filled is in the positions that the run began with (S1).
        """
        world = self.world
        spec = world.plan.accounts[told.account]
        if told.account in world.heard or told.symbol != spec.instrument.symbol:
            return None
        if run_of(told.client_id, spec.capabilities.client_id) not in world.untold:
            return None
        return adopted(told, venue=spec.venue)

    def take_used_quotes(self) -> list[Quote]:
        return self.world.take_used_quotes()

    @contextmanager
    def looking(self, at_ns: int) -> Iterator[None]:
        """Read facts of `view` and `risk` at `at_ns` without a trace, between two steps.

        Otherwise a look would mark quotes as read by the next decision and leave answers that this decision then
        finds, none of which a replay could know of.
        """
        with self.world.looking(at_ns), nullcontext() if self.hedging is None else self.hedging.looking():
            yield

    def unpriced(self) -> dict[str, int]:
        """Accounts with fills that only an order's own count has told, and since when such an order is known, in ns."""
        since: dict[str, int] = {}
        for order in self.world.orders.all.values():
            if order.provisional:
                since[order.account] = min(order.created_ns, since.get(order.account, order.created_ns))
        return since

    def exposure_lines(self) -> list[str]:
        """What is open, for a person who leaves now (E18)."""
        return residue_lines(self.world) + live_lines(self.world)

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
        if world.paused:
            return "paused"
        if not world.market.open:
            return f"market: {world.market.text}"
        return "" if world.links.all_trusted else "a stream is not trusted"

    def step(self, given: Input, at_ns: int) -> list[Effect]:
        """Move the world by one input; returns what is to be done, in order.

        What the standing rule decides goes to `on_hedges` as well, before the flow is asked: nothing that the flow does
        or fails to do can change it, and a hedge need not wait for that.
        """
        world = self.world
        world.now_ns = at_ns
        world.facts += type(given) not in _QUIET
        effects = self._effects = self.intake.effects = []
        if type(given) is Reconfigured:
            self._reconfigure(given)
        events = self.intake.apply(given)
        if events is NOTHING_NEW and type(given) is not Looked:
            return effects
        if self.hedging is not None:
            standing = self.hedging.run()
            if standing and self.on_hedges is not None:
                self.on_hedges(standing)
            effects.extend(self.hedging.told(standing))
        world.undo.clear()  # the first commit point: from here on only the chart's own doings can be undone (S2)
        self._run_chart(given, events)
        if self.verbs.answered_now:
            self._answer_now()
        if self._crippled:
            self._carry_home()
        if self.view.why_closed is not None:
            self._tell_standstill(self.view.why_closed)
        world.undo.clear()
        return effects

    def _reconfigure(self, given: Reconfigured) -> None:
        """Every part reads the plan through the world; the chart has its delays bound and is made anew where it is."""
        before, after = self.world.plan, changed_plan(self.world.plan, given)
        self.world.swap(after)
        stood = self.chart.snapshot()
        self.chart = self._chart_of(after)
        self.chart.restore(stood)
        self._effects.append(told_changes(before, after, given.version))

    # --- second commit point: the chart, which may fail whole

    def _run_chart(self, given: Input, events: list[StrategyEvent]) -> None:
        if isinstance(given, Started):
            self._began = True
            self._guarded(self.chart.start)
            for event in events:
                self._guarded(self.chart.dispatch, event.kind, event)
            return
        if not self._began:
            return  # accounts are still connecting; what they say is counted and nothing else
        if isinstance(given, TimerFired) and given.owner == CHART:
            self._guarded(self.chart.timer, given.name, given.epoch)
            return
        moved = False
        for event in events:
            moved = self._guarded(self.chart.dispatch, event.kind, event)
        if isinstance(given, Looked | Counted) and given.token:
            self._reply(given)
        elif not moved:  # the facts changed, if not the state: rows without an event look again
            self._guarded(self.chart.settle)

    def _reply(self, given: Looked | Counted) -> None:
        if isinstance(given, Counted):
            payload: object = None
            if self.intake.comparable(given):
                payload = CountReply(matches=not self.intake.differences(given))
            self._guarded(self.chart.reply, given.token, payload is not None, payload)
            return
        left = self.verbs.asked.get(given.token, 0) - 1
        if left > 0 and given.ok:
            self.verbs.asked[given.token] = left
            return
        self.verbs.asked.pop(given.token, None)
        found = AskReply(found=given.update is not None)
        self._guarded(self.chart.reply, given.token, given.ok, found)

    def _answer_now(self) -> None:
        """Answer what needs no question. A flow that asks anew at each answer would hang the process: it has failed."""
        waiting = self.verbs.answered_now
        for _ in range(ANSWERS_LIMIT):
            if not waiting:
                return
            self._guarded(self.chart.reply, waiting.pop(0), True, AskReply(found=False))
        if waiting:
            waiting.clear()  # its timeout is armed and leads on
            self._failed(
                f"{self.chart.leaf}: asked {ANSWERS_LIMIT} times in one step, of no order", "it is not answered"
            )

    def _guarded(self, run: Callable[..., Outcome | None], *given: object) -> bool:
        """Run one chart step; True if it moved. If it raises, undo it and tell the chart once with `error.raised`."""
        try:
            return self._take(run(*given))
        except StepFailed as failed:
            self._undo()
            self._failed(str(failed), "the state is kept")
            return True

    def _failed(self, why: str, then: str) -> None:
        self._effects.append(Alert(Level.PERSON, "step_failed", f"{why}; {then}", {}))
        try:
            self._take(self.chart.dispatch(ErrorRaised.kind, ErrorRaised(why)))
        except StepFailed as again:
            self._undo()
            self._crippled = True
            self._effects.append(
                Alert(Level.PERSON, "chart_crippled", f"{again}; cancelling and leaving when hedged", {})
            )

    def _tell_standstill(self, why: str) -> None:
        self.view.why_closed = None
        alert = self._standstill.look(why, self.world.now_ns)
        if alert is not None:
            self._effects.append(alert)

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
            for event in self.intake.breaches(self.risk.money()):
                self._guarded(self.chart.dispatch, event.kind, event)
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
            left = self.exposure_lines()
            self._effects.append(Finish(1, "; ".join(("the flow failed", *left)), left_open=bool(left)))


def _cause(move: Move | None) -> str:
    """Where a flow gave up of its own accord, no limit of the config being broken: on which event, by which rule."""
    if move is None:
        return "the flow begins with a halt"
    kind, _, rest = move.event.partition(":")
    on = {"after": rest.rpartition(":")[2], "done": "the answer", "error": "no answer"}.get(kind, move.event)
    return f"{move.source}{' on ' if on else ''}{on} ({move.row.because})"
