"""Binds a compiled flow to one running chart: guards, actions, delays and invokes become callables and numbers.

Everything that can be looked up before the first event is looked up here, so that a step only walks tuples; the decider
of a replay, which waits for no step, asks for each look when it comes to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple, Protocol

from engine.chart.model import (
    Action,
    Candidate,
    Delay,
    Draw,
    Expression,
    Flow,
    Invoke,
    Move,
    Perform,
    Span,
)

DRAW_STEPS = 1_000_000  # of a range of decimals
ALWAYS = ""  # stands for "no event" in a leaf's table: the `always` rows


class Fault(Exception):
    """Something written at `span` raised; the reason is the `__cause__`."""

    def __init__(self, span: Span) -> None:
        super().__init__(str(span))
        self.span = span


Guard = Callable[[object], Any]  # bound to its scope; what it is called with (an EventData, or None) is not read


@dataclass(frozen=True, slots=True)
class Deed:
    """An action bound to its chart."""

    act: Callable[[], None]
    span: Span

    def do(self) -> None:
        """Raises: Fault."""
        try:
            self.act()
        except Exception as cause:
            raise Fault(self.span) from cause


@dataclass(frozen=True, slots=True)
class Asking:
    """A state's `invoke` bound to its chart, with every setting resolved."""

    act: Callable[[int], None]  # performs the verb under this token
    timeout_event: str
    timeout_ns: int
    retry_event: str
    retry_wait_ns: int
    retries: int
    done_event: str
    error_event: str
    span: Span

    def ask(self, token: int) -> None:
        """Raises: Fault."""
        try:
            self.act(token)
        except Exception as cause:
            raise Fault(self.span) from cause


class Wait(NamedTuple):
    """A timer of a state: its event and its bounds in ns; `computed` gives both anew at each entry."""

    event: str
    low_ns: int
    high_ns: int
    computed: Callable[[], int] | None  # Raises: Fault


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a state waits for while it is active: its delays and its invoke."""

    state: str
    delays: tuple[Wait, ...]
    asking: Asking | None
    timers: tuple[str, ...]  # every timer event that may be live because of this state


@dataclass(slots=True, eq=False)
class Plan:
    """A candidate bound to its chart. `leaf` is where the chart stands afterwards, also for an internal row.

    Nobody changes one; frozen, the eight hundred of a flow would take three times as long to make at each start.
    """

    candidate: Candidate
    move: Move
    leaf: str
    guard: Guard | None
    deeds: tuple[Deed, ...]
    left: tuple[Waiting, ...]  # of the exited states, inner to outer
    entered: tuple[Waiting, ...]  # of the entered states, outer to inner

    def open(self) -> bool:
        """Raises: Fault, when the guard raises."""
        return self.guard is None or bool(self.guard(None))


Plans = Mapping[str, Mapping[str, tuple[Plan, ...]]]  # leaf -> event -> plans; `always` rows under ALWAYS


class Bound(Protocol):
    """A flow's candidates, bound to one chart."""

    def plans(self) -> Plans:
        """All of them."""

    def plans_of(self, leaf: str, event: str) -> tuple[Plan, ...]:
        """What may be taken in a leaf on an event, the first open one first; bound when they are first asked for."""


class Counters:
    """The flow's declared context, an attribute each. What a step wrote can be taken back."""

    def __init__(self, flow: Flow) -> None:
        self._declared = flow.context
        self.values = SimpleNamespace(**{name: counter.start for name, counter in flow.context.items()})
        self._before: dict[str, object] | None = None

    def begin(self) -> None:
        """A step begins: what stands now is what `undo` brings back."""
        self._before = None

    def undo(self) -> None:
        if self._before is not None:
            vars(self.values).update(self._before)

    def write(self, name: str, value: object) -> None:
        """Counts saturate at both ends, 0 and their cap."""
        cap = self._declared[name].cap
        if cap is not None and isinstance(value, int):
            value = max(0, min(value, cap))
        if self._before is None:
            self._before = dict(vars(self.values))
        setattr(self.values, name, value)

    def count(self, name: str) -> None:
        self.write(name, getattr(self.values, name) + 1)

    def reset(self, name: str) -> None:
        self.write(name, self._declared[name].start)

    def restart(self) -> None:
        vars(self.values).update({name: counter.start for name, counter in self._declared.items()})

    def saved(self) -> tuple[object, ...]:
        """Every value, in the order of the declaration."""
        return tuple(vars(self.values).values())

    def restore(self, saved: tuple[object, ...]) -> None:
        vars(self.values).update(zip(self._declared, saved, strict=True))


def lineage(flow: Flow, leaf: str) -> tuple[str, ...]:
    """The states that are active in `leaf`, outer to inner; the first is the chart itself, named ""."""
    names = []
    name: str | None = leaf
    while name:
        names.append(name)
        name = flow.states[name].parent
    return ("", *reversed(names))


def drawn(low: object, high: object, draw: Draw) -> int | Decimal:
    """A number in low..high, both included; of a decimal range one of so many equal steps. Raises: ValueError."""
    if isinstance(low, int) and isinstance(high, int) and low <= high:
        return draw(low, high) if low < high else low
    if isinstance(low, Decimal) and isinstance(high, Decimal) and low <= high:
        return low + (high - low) * draw(0, DRAW_STEPS) / DRAW_STEPS if low < high else low
    raise ValueError(f"nothing to draw from {low} to {high}")


class Binder:
    """Makes the bound parts of one chart. `emit` takes a verb's effects, `post` a raised event."""

    def __init__(
        self,
        flow: Flow,
        scope: Any,
        *,
        perform: Perform,
        settings: Mapping[str, object],
        counters: Counters,
        emit: Callable[[Iterable[object]], None],
        post: Callable[[str], None],
        draw: Draw,
    ) -> None:
        self._flow = flow
        self._scope = scope
        self._perform = perform
        self._settings = settings
        self._counters = counters
        self._emit = emit
        self._post = post
        self._chance = draw
        self._deeds: dict[int, Deed] = {}
        self._several: dict[int, tuple[Deed, ...]] = {}
        self._guards: dict[int, Guard] = {}
        self._waits: dict[tuple[str, ...], tuple[Waiting, ...]] = {}
        self._looks: dict[tuple[str, str], tuple[Plan, ...]] = {}
        self.waiting = {
            name: self._waiting(name) for name, state in flow.states.items() if state.delays or state.invoke
        }

    def plans(self) -> Plans:
        return {
            leaf: {event: tuple(map(self._plan, found)) for event, found in self._table(leaf).items() if found}
            for leaf in self._flow.leaves
        }

    def plans_of(self, leaf: str, event: str) -> tuple[Plan, ...]:
        found = self._looks.get((leaf, event))
        if found is None:
            table = self._flow.table.get(leaf, {}).get(event, ()) if event else self._flow.always.get(leaf, ())
            found = self._looks[leaf, event] = tuple(map(self._plan, table))
        return found

    def _table(self, leaf: str) -> dict[str, tuple[Candidate, ...]]:
        return {**self._flow.table.get(leaf, {}), ALWAYS: self._flow.always.get(leaf, ())}

    def _plan(self, candidate: Candidate) -> Plan:
        """What was bound for another candidate is looked up here: a flow has a dozen times as many as rows."""
        when, actions, exits, entries = candidate.row.when, candidate.actions, candidate.exits, candidate.entries
        waits = self._waits
        return Plan(
            candidate=candidate,
            move=candidate.move,
            leaf=candidate.source if candidate.target is None else candidate.target,
            guard=None if when is None else self._guards.get(id(when)) or self._guard(when),
            deeds=(self._several.get(id(actions)) or self._deeds_of(actions)) if actions else (),
            left=waits[exits] if exits in waits else self._waiting_in(exits),
            entered=waits[entries] if entries in waits else self._waiting_in(entries),
        )

    def _guard(self, when: Expression) -> Guard:
        bound = self._guards[id(when)] = _bound(when, self._scope)
        return bound

    def _waiting_in(self, names: tuple[str, ...]) -> tuple[Waiting, ...]:
        found = self._waits[names] = tuple(self.waiting[name] for name in names if name in self.waiting)
        return found

    def _deeds_of(self, actions: tuple[Action, ...]) -> tuple[Deed, ...]:
        found = self._several[id(actions)] = tuple(map(self.deed, actions))
        return found

    def deed(self, action: Action) -> Deed:
        """An action that many leaves inherit is bound once."""
        found = self._deeds.get(id(action))
        if found is None:
            found = self._deeds[id(action)] = Deed(self._act(action), action.span)
        return found

    def _act(self, action: Action) -> Callable[[], None]:
        words = [argument for argument in action.arguments.values() if isinstance(argument, str)]
        match action.verb:
            case "set":
                return partial(self._set, _computed(action))
            case "count":
                return partial(self._counters.count, words[0])
            case "reset":
                return partial(self._counters.reset, words[0])
            case "draw":
                return partial(self._draw, words[0], dict(_computed(action)))
            case "raise":
                return partial(self._post, words[0])
            case _:
                return partial(self._call(action), 0)

    def _set(self, values: list[tuple[str, Callable[[Any], object]]]) -> None:
        for name, value in values:
            self._counters.write(name, value(self._scope))

    def _draw(self, name: str, bounds: Mapping[str, Callable[[Any], object]]) -> None:
        self._counters.write(name, drawn(bounds["from"](self._scope), bounds["to"](self._scope), self._chance))

    def _call(self, action: Action) -> Callable[[int], None]:
        named = {name: given for name, given in action.arguments.items() if isinstance(given, str)}
        computed = _computed(action)
        scope, perform, emit, verb = self._scope, self._perform, self._emit, action.verb

        def call(token: int) -> None:
            arguments: dict[str, object] = dict(named)
            for name, value in computed:
                arguments[name] = value(scope)
            emit(perform(verb, arguments, token))

        return call

    def _waiting(self, name: str) -> Waiting:
        state = self._flow.states[name]
        asking = None if state.invoke is None else self._asking(state.invoke)
        delays = tuple(map(self._wait, state.delays))
        own = () if asking is None else (asking.timeout_event, asking.retry_event)
        return Waiting(name, delays, asking, (*(wait.event for wait in delays), *own))

    def _wait(self, delay: Delay) -> Wait:
        if delay.computed is not None:
            return Wait(delay.event, 0, 0, partial(_length, delay.computed, self._scope))
        low, high = delay.literal or self._range(delay.setting or delay.source)
        return Wait(delay.event, low, high, None)

    def _asking(self, invoke: Invoke) -> Asking:
        state = invoke.state
        return Asking(
            act=self._call(invoke.action),
            timeout_event=f"timeout:{state}",
            timeout_ns=self._number(invoke.timeout),
            retry_event=f"retry:{state}",
            retry_wait_ns=0 if invoke.retry_wait is None else self._number(invoke.retry_wait),
            retries=self._number(invoke.retries),
            done_event=f"done:{state}",
            error_event=f"error:{state}",
            span=invoke.action.span,
        )

    def _range(self, setting: str) -> tuple[int, int]:
        value = self._settings[setting]
        if isinstance(value, tuple):
            low, high = value
            return low, high
        return self._number(setting), self._number(setting)

    def _number(self, source: str | int) -> int:
        value = self._settings[source] if isinstance(source, str) else source
        assert isinstance(value, int), f"{source} is {value!r}"
        return value


def _bound(when: Expression, scope: Any) -> Guard:
    value, span = when.value, when.span

    def guard(_: object) -> object:
        try:
            return value(scope)
        except Exception as cause:
            raise Fault(span) from cause

    return guard


def _length(delay: Expression, scope: Any) -> int:
    """In ns; what would lie in the past is due at once."""
    try:
        value = delay.value(scope)
        assert isinstance(value, int)
        return max(value, 0)
    except Exception as cause:
        raise Fault(delay.span) from cause


def _computed(action: Action) -> list[tuple[str, Callable[[Any], object]]]:
    return [(name, given.value) for name, given in action.arguments.items() if isinstance(given, Expression)]
