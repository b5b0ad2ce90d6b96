"""Flows with one fault each: what no rule notices of them shows what the rules do not ask.

A handler dropped, a guard negated, a target swapped, a timer removed, the hedging rule unhooked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial

from engine.chart.compile import compile_states
from engine.chart.model import Expression, Flow, Row, RowKind, Scope, Severity, Span, StateSpec
from engine.chart.reach import rows_of
from engine.chart.validate import check
from engine.verify.bounds import Bounds
from engine.verify.proof import World, first_broken
from engine.verify.variants import Mark, Original, Variant, leaf_mark, move_mark, timer_mark

MOST_TIMES = 4  # a mutant's world may be so much larger than the flow's own; beyond that it is cut off


class Fate(Enum):
    """What became of a mutant, from the least that is known of it."""

    UNREACHED = "never reached within the bounds"
    SAME = "does nothing else within the bounds"
    SURVIVED = "survived"
    KILLED = "breaks a rule"
    INVALID = "found by validate"


OVER = frozenset({Fate.KILLED, Fate.INVALID})
_RANK = {fate: rank for rank, fate in enumerate(Fate)}
ALIKE = frozenset({Fate.UNREACHED, Fate.SAME})


@dataclass(frozen=True, slots=True)
class Mutant:
    """`name` says what was changed, and is no other mutant's of the flow; `make` compiles it."""

    kind: str  # drop, negate, swap, timer, hedging
    name: str
    span: Span
    make: Callable[[], Flow]
    touched: frozenset[Mark] | None = None  # what may lead elsewhere than in the flow itself; None: anything


@dataclass(frozen=True, slots=True)
class Judged:
    mutant: Mutant
    fate: Fate
    by: str = ""  # the rule or finding that noticed it


def mutants_of(flow: Flow) -> Iterator[Mutant]:
    """Every mutant, in document order."""
    for state, spec in flow.states.items():
        rows = list(rows_of(spec))
        for row, place in zip(rows, _places(rows), strict=True):
            if not _alone(spec, row):
                yield _changed(flow, "drop", f"{place}: dropped", row, lambda _: None)
            if row.when is not None:
                yield _changed(flow, "negate", f"{place}: not ({' '.join(row.when.source.split())})", row, _negated)
            if row.target is not None:
                other = _other_target(flow, row)
                if other is not None:
                    yield _changed(flow, "swap", f"{place}: to {other}, not {row.target}", row, _leads_to(other))
        for delay in spec.delays:
            without = replace(spec, delays=tuple(it for it in spec.delays if it is not delay))
            yield Mutant(
                "timer", f"{_named(state)}: no timer {delay.source}", delay.span,
                partial(_with_states, flow, {**flow.states, state: without}), frozenset({timer_mark(delay.event)}),
            )  # fmt: skip
    hedging = flow.sections.get("hedging")
    if hedging is not None and hedging.value is not None:
        unhooked = {**flow.sections, "hedging": replace(hedging, value=None)}
        yield Mutant(
            "hedging", "the hedging rule is unhooked", flow.states[""].span, lambda: replace(flow, sections=unhooked)
        )


def checked(mutant: Mutant) -> Judged | None:
    """What validate says of it, if that is an error."""
    error = next((it for it in check(mutant.make()) if it.severity is Severity.ERROR), None)
    return None if error is None else Judged(mutant, Fate.INVALID, error.code)


def judge(mutant: Mutant, original: Original) -> Judged:
    """What the rules say in one world. `original` was searched to the end."""
    if mutant.touched is None:
        world = World(mutant.make(), original.bounds, hedged=original.rules.hedged)
    elif original.runs_into(mutant.touched):
        world = Variant(mutant.make(), original, mutant.touched, most=MOST_TIMES * len(original.known))
    else:
        return Judged(mutant, Fate.UNREACHED)
    broken = None
    if isinstance(world, Variant):
        broken = world.broken_at_once()
        if broken is None and not world.differs:
            return Judged(mutant, Fate.SAME)
    broken = broken or first_broken(world)
    return Judged(mutant, Fate.SURVIVED) if broken is None else Judged(mutant, Fate.KILLED, broken)


def later(before: Judged, now: Judged) -> Judged:
    """What is known of a mutant after one world more."""
    return max(before, now, key=lambda it: _RANK[it.fate])


def parts_of_mutants(parts: Sequence[Bounds]) -> tuple[Bounds, ...]:
    """The parts of a proof, with one fault each at most: a second one is seldom what shows a mutant, and costs much."""
    return tuple(replace(it, faults=min(it.faults, 1)) for it in parts)


# --- making one


def _changed(flow: Flow, kind: str, name: str, row: Row, change: Callable[[Row], Row | None]) -> Mutant:
    spec = flow.states[row.state]

    def each(rows: tuple[Row, ...]) -> tuple[Row, ...]:
        made = [change(it) if it is row else it for it in rows]
        return tuple(it for it in made if it is not None)

    invoke = spec.invoke
    if invoke is not None:
        invoke = replace(invoke, done=each(invoke.done), error=each(invoke.error))
    delays = tuple(replace(delay, rows=each(delay.rows)) for delay in spec.delays)
    changed = replace(spec, rows=each(spec.rows), delays=delays, invoke=invoke)
    touched = frozenset(_touched(flow, row, looked_at=kind == "negate"))
    states = {**flow.states, row.state: changed}
    return Mutant(kind, name, row.span, partial(_with_states, flow, states), touched)


def _alone(spec: StateSpec, row: Row) -> bool:
    """The only row of a timer goes with it, and no flow is read whose call has but one way out."""
    ways = [delay.rows for delay in spec.delays]
    if spec.invoke is not None:
        ways += [spec.invoke.done, spec.invoke.error]
    return any(len(rows) == 1 and rows[0] is row for rows in ways)


def _touched(flow: Flow, row: Row, *, looked_at: bool) -> Iterator[Mark]:
    """Where the row is taken; or already where it is `looked_at`."""
    for leaf in flow.leaves:
        for candidates in (*flow.table[leaf].values(), flow.always[leaf]):
            for it in candidates:
                if it.row is row:
                    yield leaf_mark(leaf) if looked_at else move_mark(leaf, row.event, it.target)


def _with_states(flow: Flow, states: Mapping[str, StateSpec]) -> Flow:
    compiled = compile_states(states)
    return replace(
        flow, states=states, leaves=compiled.leaves, initial=compiled.initial, table=compiled.table,
        always=compiled.always, deferred=compiled.deferred, ignored=compiled.ignored,
    )  # fmt: skip


def _leads_to(target: str) -> Callable[[Row], Row]:
    return lambda row: replace(row, target=target)


def _negated(row: Row) -> Row:
    assert row.when is not None
    value = row.when.value

    def opposite(scope: Scope) -> object:
        return not value(scope)

    when = Expression(f"not ({row.when.source})", row.when.span, row.when.type, row.when.names, opposite)
    return replace(row, when=when)


def _other_target(flow: Flow, row: Row) -> str | None:
    """The state beside the target, the next one round; None where it has none beside it."""
    assert row.target is not None
    parent = flow.states[row.target].parent
    beside = flow.states[parent or ""].children
    others = [name for name in (*beside[beside.index(row.target) + 1 :], *beside) if name != row.target]
    return others[0] if others else None


def _places(rows: Sequence[Row]) -> Iterator[str]:
    """State and occasion of each row, and its number where several answer the same."""
    count = Counter(_occasion(row) for row in rows)
    seen: Counter[str] = Counter()
    for row in rows:
        occasion = _occasion(row)
        seen[occasion] += 1
        number = f" row {seen[occasion]}" if count[occasion] > 1 else ""
        yield f"{_named(row.state)}, {occasion}{number}"


def _named(state: str) -> str:
    return state or "everywhere"


def _occasion(row: Row) -> str:
    if row.kind is RowKind.ALWAYS:
        return "always"
    if row.kind is RowKind.AFTER:
        return f"after {row.event.rpartition(':')[2]}"
    return row.event if row.kind is RowKind.ON else row.kind.value
