"""Steps a flow: one event in, moves and effects out, run to completion, or nothing at all when anything raises.

Knows no trading, no clock and no I/O; timers are effects.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType, SimpleNamespace
from typing import Any, Literal, NamedTuple, TypeVar

from engine.chart.binding import ALWAYS, Asking, Binder, Counters, Fault, Plan, Waiting, lineage
from engine.chart.deciders import Decider, TableDecider
from engine.chart.model import CancelTimer, Draw, Flow, Move, Outcome, Perform, Span, StartTimer
from engine.chart.transitions_decider import TransitionsDecider

__all__ = ["Chart", "DeferredFull", "Livelock", "Saved", "StepFailed"]

MICROSTEP_LIMIT = 100  # of one run to completion, and again for each deferred event; more is a livelock
DEFERRED_LIMIT = 256  # a flow that defers more than this waits for something that does not come

NOTHING = Outcome((), (), handled=False)
IGNORED = Outcome((), (), handled=True)
DEFERRED = Outcome((), (), handled=True, deferred=True)
TAKEN = Outcome((), (), handled=True)
NO_TOKENS: Mapping[str, int] = MappingProxyType({})

_V = TypeVar("_V")
_Mark = tuple[str, int, Mapping[str, int], Mapping[str, tuple[int, int]], tuple[tuple[str, object], ...]]


class StepFailed(Exception):
    """The step was undone. `span` is what raised in the flow, `event` what was being done, `cause` the reason."""

    def __init__(self, span: Span, event: str, cause: BaseException) -> None:
        super().__init__(f"{span}: {event or 'settling'}: {type(cause).__name__}: {cause}")
        self.span = span
        self.event = event
        self.cause = cause


class Livelock(Exception):
    """A run to completion did not complete within its bound."""


class DeferredFull(Exception):
    """A deferred event more than the bound."""


class Saved(NamedTuple):
    """Everything a chart remembers between steps. Hashable when the payloads of deferred events are."""

    leaf: str
    context: tuple[object, ...]  # in the order of the flow's declaration
    epoch: int
    timers: tuple[tuple[str, int], ...]  # live timer events with their epoch
    calls: tuple[tuple[str, tuple[int, int]], ...]  # invoking states with (token, retries left)
    deferred: tuple[tuple[str, object], ...]


def lowest(low: int, _: int) -> int:
    """The draw of a chart that is given no chance: a table, a picture."""
    return low


_DECIDERS: Mapping[str, Callable[..., Decider]] = {"transitions": TransitionsDecider, "table": TableDecider}


class Chart:
    """One running instance of a flow.

    Every step returns an Outcome or raises StepFailed, and then the chart is as it was before the step. Actions see
    the leaf they lead to: while exit, row and entry actions of a transition run, `inside` answers for its target.
    """

    def __init__(
        self,
        flow: Flow,
        scope: Any,
        perform: Perform,
        *,
        settings: Mapping[str, object],
        decider: Literal["transitions", "table"] | Callable[..., Decider] = "transitions",
        draw: Draw = lowest,
    ) -> None:
        """`decider` names one or makes one of its own, with the arguments of TableDecider.

        `draw` is the chance behind the verb of that name; without one every draw is the lowest number.
        """
        self.flow = flow
        self._scope = scope
        self._counters = Counters(flow)
        self._epoch = 0
        # These three are replaced, never changed in place: a step is undone by putting the old ones back.
        self._live: Mapping[str, int] = {}
        self._calls: Mapping[str, tuple[int, int]] = {}
        self._deferred: tuple[tuple[str, object], ...] = ()
        self._raised: deque[str] = deque()
        self._moves: list[Move] = []
        self._effects: list[object] = []
        self._binder = Binder(
            flow,
            scope,
            perform=perform,
            settings=settings,
            counters=self._counters,
            emit=self._effects.extend,
            post=self._raised.append,
            draw=draw,
        )
        self._waiting = self._binder.waiting
        make_decider = _DECIDERS[decider] if isinstance(decider, str) else decider
        self._decider: Decider = make_decider(self._binder, flow.initial)
        self._lineage = {leaf: lineage(flow, leaf) for leaf in flow.leaves}
        self._within = {leaf: frozenset(names) for leaf, names in self._lineage.items()}
        self._finals = frozenset(leaf for leaf in flow.leaves if flow.states[leaf].final)
        self._timeouts = {w.asking.timeout_event: w for w in self._waiting.values() if w.asking}
        self._retries = {w.asking.retry_event: w for w in self._waiting.values() if w.asking}
        scope.event = None
        scope.settings = SimpleNamespace(**settings)
        scope.context = self._counters.values
        scope.inside = self.inside

    # --- what the outside sees and does

    @property
    def leaf(self) -> str:
        return self._decider.leaf

    @property
    def newest(self) -> Move | None:
        """The candidate that was taken last; while actions run, theirs."""
        return self._moves[-1] if self._moves else None

    @property
    def done(self) -> bool:
        return self._decider.leaf in self._finals

    @property
    def timers(self) -> Mapping[str, int]:
        """Live timer events with the epoch that `timer` wants back."""
        return self._live

    @property
    def tokens(self) -> Mapping[str, int]:
        """Invoking states with the token that `reply` wants back."""
        if not self._calls:
            return NO_TOKENS
        return {state: token for state, (token, _) in self._calls.items()}

    def inside(self, name: str) -> bool:
        return name in self._within[self._decider.leaf]

    def start(self) -> Outcome:
        """Enter the initial leaf from the outside and run to completion."""
        return self._step("start", self._mark(), self._begin)

    def dispatch(self, event: str, payload: object = None) -> Outcome:
        if self._decider.leaf in self._finals:
            return NOTHING
        return self._step(event, self._mark(), self._offer, event, payload)

    def settle(self) -> Outcome:
        """Run open `always` rows: the facts that guards read may have changed without an event."""
        try:
            if not self._decider.restless():
                return NOTHING
        except Fault as fault:
            raise _failure(fault, "") from fault.__cause__
        return self._step("", self._mark(), lambda: TAKEN)

    def timer(self, event: str, epoch: int, payload: object = None) -> Outcome | None:
        """A timer fired. None when it is stale: cancelled, fired before, or of an earlier entry."""
        if self._live.get(event) != epoch:
            return None
        mark = self._mark()
        self._live = _without(self._live, event)
        if event in self._timeouts:
            return self._step(event, mark, self._asked_in_vain, self._timeouts[event], payload)
        if event in self._retries:
            return self._step(event, mark, self._ask_again, self._retries[event])
        return self._step(event, mark, self._offer, event, payload)

    def reply(self, token: int, ok: bool, payload: object = None) -> Outcome | None:
        """An invoked verb finished. None when the token is stale: timed out, retried, or its state was left."""
        for state, (current, _) in self._calls.items():
            if current == token:
                answered = self._answered if ok else self._asked_in_vain
                waiting = self._waiting[state]
                return self._step(f"reply:{state}", self._mark(), answered, waiting, payload)
        return None

    def snapshot(self) -> Saved:
        return Saved(
            leaf=self._decider.leaf,
            context=self._counters.saved(),
            epoch=self._epoch,
            timers=tuple(self._live.items()),
            calls=tuple(self._calls.items()),
            deferred=self._deferred,
        )

    def restore(self, saved: Saved) -> None:
        self._put_back((saved.leaf, saved.epoch, dict(saved.timers), dict(saved.calls), saved.deferred))
        self._counters.restore(saved.context)

    def place(self, leaf: str) -> None:
        """Stand in `leaf` as if just entered, with fresh context, timers and calls, but without running an action."""
        timers: dict[str, int] = {}
        calls: dict[str, tuple[int, int]] = {}
        epoch = self._epoch
        for name in self._lineage[leaf]:
            waiting = self._waiting.get(name)
            if waiting is not None:
                epoch += 1
                timers.update((wait.event, epoch) for wait in waiting.delays)
                if waiting.asking:
                    timers[waiting.asking.timeout_event] = epoch
                    calls[name] = (epoch, waiting.asking.retries)
        self._put_back((leaf, epoch, timers, calls, ()))
        self._counters.restart()

    # --- one step: all of it or nothing

    def _step(self, event: str, mark: _Mark, begin: Callable[..., Outcome], *given: object) -> Outcome:
        moves, effects = self._moves, self._effects
        moves.clear()
        effects.clear()
        self._counters.begin()
        try:
            reception = begin(*given)
            if reception is TAKEN:
                self._complete()
        except BaseException as cause:
            self._put_back(mark)
            self._counters.undo()
            if isinstance(cause, Fault):
                raise _failure(cause, event) from cause.__cause__
            raise
        if not moves and not effects:
            return reception
        return Outcome(tuple(moves), tuple(effects), reception.handled, reception.deferred)

    def _mark(self) -> _Mark:
        return self._decider.leaf, self._epoch, self._live, self._calls, self._deferred

    def _put_back(self, mark: _Mark) -> None:
        leaf, self._epoch, self._live, self._calls, self._deferred = mark
        self._decider.put(leaf)
        self._raised.clear()

    def _begin(self) -> Outcome:
        entered = self._lineage[self.flow.initial]
        self._decider.put(self.flow.initial)
        for name in entered:
            for action in self.flow.states[name].entry:
                self._binder.deed(action).do()
        self._enter(self._waiting[name] for name in entered if name in self._waiting)
        return TAKEN

    def _offer(self, event: str, payload: object) -> Outcome:
        self._scope.event = payload
        plan = self._decider.take(event)
        if plan is not None:
            self._run(plan)
            return TAKEN
        leaf = self._decider.leaf
        if event in self.flow.deferred.get(leaf, ()):
            self._defer(event, payload)
            return DEFERRED
        return IGNORED if event in self.flow.ignored.get(leaf, ()) else NOTHING

    def _defer(self, event: str, payload: object) -> None:
        leaf = self._decider.leaf
        if len(self._deferred) >= DEFERRED_LIMIT:
            raise Fault(self.flow.states[leaf].span) from DeferredFull(
                f"{DEFERRED_LIMIT} events are deferred in {leaf}"
            )
        self._deferred = (*self._deferred, (event, payload))

    def _complete(self) -> None:
        """Raised events first, then `always` rows, then what is no longer deferred, until nothing is left to do."""
        budget = MICROSTEP_LIMIT * (1 + len(self._deferred))
        for _ in range(budget):
            if self._decider.leaf in self._finals:
                self._finish()
                return
            if self._raised:
                self._offer(self._raised.popleft(), None)
            elif (plan := self._decider.take(ALWAYS)) is not None:
                self._run(plan)
            elif (recalled := self._recall()) is not None:
                self._offer(*recalled)
            else:
                return
        leaf = self._decider.leaf
        span = self._moves[-1].row.span if self._moves else self.flow.states[leaf].span
        raise Fault(span) from Livelock(f"no rest after {budget} microsteps, now in {leaf}")

    def _recall(self) -> tuple[str, object] | None:
        """Take the oldest event out of the queue that the leaf no longer defers."""
        if not self._deferred:
            return None
        still = self.flow.deferred.get(self._decider.leaf, ())
        for place, (event, payload) in enumerate(self._deferred):
            if event not in still:
                self._deferred = self._deferred[:place] + self._deferred[place + 1 :]
                return event, payload
        return None

    def _run(self, plan: Plan) -> None:
        self._moves.append(plan.move)
        if plan.left:
            self._leave(plan.left)
        for deed in plan.deeds:
            deed.do()
        if plan.entered:
            self._enter(plan.entered)

    def _finish(self) -> None:
        """The flow is over: nothing may wake it again."""
        self._effects.extend(CancelTimer(event, epoch) for event, epoch in self._live.items())
        self._live = {}
        self._calls = {}
        self._deferred = ()
        self._raised.clear()

    # --- timers and invokes

    def _leave(self, states: Iterable[Waiting]) -> None:
        live = dict(self._live)
        for waiting in states:
            for event in waiting.timers:
                if event in live:
                    self._effects.append(CancelTimer(event, live.pop(event)))
            if waiting.asking:
                self._calls = _without(self._calls, waiting.state)
        self._live = live

    def _enter(self, states: Iterable[Waiting]) -> None:
        for waiting in states:
            self._epoch = epoch = self._epoch + 1
            live = dict(self._live)
            for event, low, high, computed in waiting.delays:
                if computed is not None:
                    low = high = computed()
                live[event] = epoch
                self._effects.append(StartTimer(event, epoch, low, high))
            self._live = live
            if waiting.asking:
                self._ask(waiting.state, waiting.asking, waiting.asking.retries)

    def _ask(self, state: str, asking: Asking, retries_left: int) -> None:
        """Perform the invoked verb with the current epoch as its token."""
        token = self._epoch
        self._calls = {**self._calls, state: (token, retries_left)}
        self._live = {**self._live, asking.timeout_event: token}
        asking.ask(token)
        self._effects.append(StartTimer(asking.timeout_event, token, asking.timeout_ns, asking.timeout_ns))

    def _ask_again(self, waiting: Waiting) -> Outcome:
        assert waiting.asking
        self._epoch += 1
        self._ask(waiting.state, waiting.asking, self._calls[waiting.state][1])
        return IGNORED

    def _answered(self, waiting: Waiting, payload: object) -> Outcome:
        assert waiting.asking
        self._hang_up(waiting, waiting.asking)
        return self._offer(waiting.asking.done_event, payload)

    def _asked_in_vain(self, waiting: Waiting, payload: object) -> Outcome:
        """No answer or a bad one: wait and ask again while retries are left, else the error event."""
        asking = waiting.asking
        assert asking
        retries_left = self._calls[waiting.state][1]
        self._hang_up(waiting, asking)
        if not retries_left:
            return self._offer(asking.error_event, payload)
        self._epoch = epoch = self._epoch + 1
        self._calls = {**self._calls, waiting.state: (epoch, retries_left - 1)}
        self._live = {**self._live, asking.retry_event: epoch}
        self._effects.append(StartTimer(asking.retry_event, epoch, asking.retry_wait_ns, asking.retry_wait_ns))
        return IGNORED

    def _hang_up(self, waiting: Waiting, asking: Asking) -> None:
        epoch = self._live.get(asking.timeout_event)
        if epoch is not None:
            self._live = _without(self._live, asking.timeout_event)
            self._effects.append(CancelTimer(asking.timeout_event, epoch))
        self._calls = _without(self._calls, waiting.state)


def _failure(fault: Fault, event: str) -> StepFailed:
    assert fault.__cause__ is not None
    return StepFailed(fault.span, event, fault.__cause__)


def _without(mapping: Mapping[str, _V], key: str) -> Mapping[str, _V]:
    return {name: value for name, value in mapping.items() if name != key}
