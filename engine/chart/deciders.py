"""The question that a chart asks at every microstep: which candidate is next, and what leaf does that make it.

Two answers exist and must agree: the flat table walked by hand (here), and a `transitions` machine (in `machine`,
the only module that imports that library). Everything else of a step is shared, so a difference can only be here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from engine.chart.model import Action, Candidate, Flow, Invoke, Move, Span

ALWAYS = ""  # stands for "no event" in a leaf's table: the `always` rows


class Fault(Exception):
    """Something written at `span` raised; the reason is the `__cause__`."""

    def __init__(self, span: Span) -> None:
        super().__init__(str(span))
        self.span = span


@dataclass(frozen=True, slots=True)
class Deed:
    """An action bound to its chart: calling `do` has its effect."""

    do: Callable[[], None]
    span: Span


@dataclass(frozen=True, slots=True)
class Asking:
    """A state's `invoke` bound to its chart, with every setting resolved."""

    ask: Callable[[int], None]  # performs the verb under this token
    timeout_event: str
    timeout_ns: int
    retry_event: str
    retry_wait_ns: int
    retries: int
    done_event: str
    error_event: str
    span: Span


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a state waits for while it is active: its delays (event, low, high) and its invoke."""

    state: str
    delays: tuple[tuple[str, int, int], ...]
    asking: Asking | None
    timers: tuple[str, ...]  # every timer event that may be live because of this state


@dataclass(frozen=True, slots=True)
class Plan:
    """A candidate bound to its chart. `leaf` is where the chart stands afterwards, also for an internal row."""

    candidate: Candidate
    move: Move
    leaf: str
    guard: Callable[[Any], object] | None
    deeds: tuple[Deed, ...]
    left: tuple[Waiting, ...]  # of the exited states, inner to outer
    entered: tuple[Waiting, ...]  # of the entered states, outer to inner

    def open(self, scope: object) -> bool:
        """Raises: Fault, when the guard raises."""
        if self.guard is None:
            return True
        try:
            return bool(self.guard(scope))
        except Exception as cause:
            raise Fault(guard_span(self.candidate)) from cause


def guard_span(candidate: Candidate) -> Span:
    return candidate.row.span if candidate.row.when is None else candidate.row.when.span


Plans = Mapping[str, Mapping[str, tuple[Plan, ...]]]  # leaf -> event -> plans; `always` rows under ALWAYS


class Decider(Protocol):
    leaf: str

    def take(self, event: str) -> Plan | None:
        """Move to the leaf of the first open candidate and return it. None moves nothing. Raises: Fault."""

    def restless(self) -> bool:
        """Is an `always` row of the leaf open? Cheap: asked after every event of the domain. Raises: Fault."""

    def put(self, leaf: str) -> None:
        """Stand in `leaf` from now on, without a transition."""


class TableDecider:
    """The reference: first open candidate of the table."""

    def __init__(self, plans: Plans, leaf: str, *, scope: object) -> None:
        self.leaf = leaf
        self._plans = plans
        self._scope = scope

    def take(self, event: str) -> Plan | None:
        for plan in self._plans[self.leaf].get(event, ()):
            if plan.open(self._scope):
                self.leaf = plan.leaf
                return plan
        return None

    def restless(self) -> bool:
        always = self._plans[self.leaf].get(ALWAYS)
        return always is not None and any(plan.open(self._scope) for plan in always)

    def put(self, leaf: str) -> None:
        self.leaf = leaf


def bind(
    flow: Flow,
    *,
    deed: Callable[[Action], Deed],
    asking: Callable[[Invoke], Asking],
    delay_ns: Callable[[str | int], tuple[int, int]],
) -> tuple[Plans, Mapping[str, Waiting]]:
    """Bind a compiled flow to one chart: every candidate as a Plan, every state that waits as a Waiting."""
    waiting = {
        name: _waiting(flow, name, asking=asking, delay_ns=delay_ns)
        for name, state in flow.states.items()
        if state.delays or state.invoke
    }
    deeds: dict[int, Deed] = {}  # an action inherited by many leaves is bound once

    def once(action: Action) -> Deed:
        if id(action) not in deeds:
            deeds[id(action)] = deed(action)
        return deeds[id(action)]

    def plan(candidate: Candidate) -> Plan:
        row = candidate.row
        return Plan(
            candidate=candidate,
            move=Move(row.event, candidate.source, candidate.target, row),
            leaf=candidate.source if candidate.target is None else candidate.target,
            guard=None if row.when is None else row.when.value,
            deeds=tuple(once(action) for action in candidate.actions),
            left=tuple(waiting[name] for name in candidate.exits if name in waiting),
            entered=tuple(waiting[name] for name in candidate.entries if name in waiting),
        )

    plans = {
        leaf: {event: tuple(map(plan, candidates)) for event, candidates in _table(flow, leaf).items() if candidates}
        for leaf in flow.leaves
    }
    return plans, waiting


def _table(flow: Flow, leaf: str) -> dict[str, tuple[Candidate, ...]]:
    return {**flow.table.get(leaf, {}), ALWAYS: flow.always.get(leaf, ())}


def _waiting(
    flow: Flow,
    name: str,
    *,
    asking: Callable[[Invoke], Asking],
    delay_ns: Callable[[str | int], tuple[int, int]],
) -> Waiting:
    state = flow.states[name]
    bound = None if state.invoke is None else asking(state.invoke)
    delays = []
    for delay in state.delays:
        low, high = delay.literal if delay.literal is not None else delay_ns(delay.setting or delay.source)
        delays.append((delay.event, low, high))
    own = () if bound is None else (bound.timeout_event, bound.retry_event)
    return Waiting(name, tuple(delays), bound, tuple(event for event, _, _ in delays) + own)
