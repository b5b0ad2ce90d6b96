"""Flows with one fault each: what no rule notices of them shows what the rules do not ask.

A handler dropped, a guard negated, a target swapped, a timer removed, the hedging rule unhooked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from engine.chart.compile import compile_states
from engine.chart.model import Expression, Flow, Row, RowKind, Scope, Severity, Span, StateSpec
from engine.chart.reach import rows_of
from engine.chart.validate import check
from engine.verify.bounds import Bounds
from engine.verify.proof import Proof, Verdict, World, prove_world


class Fate(Enum):
    """What became of a mutant."""

    INVALID = "found by validate"
    KILLED = "breaks a rule"
    SAME = "does nothing else within the bounds"
    SURVIVED = "survived"


@dataclass(frozen=True, slots=True)
class Mutant:
    """`what` is said of the place at `span`."""

    kind: str  # drop, negate, swap, timer, hedging
    what: str
    span: Span
    flow: Flow


@dataclass(frozen=True, slots=True)
class Judged:
    mutant: Mutant
    fate: Fate
    by: str  # the rule or finding that noticed it


def mutants_of(flow: Flow) -> Iterator[Mutant]:
    """Every mutant, in document order."""
    for name, spec in flow.states.items():
        for row in rows_of(spec):
            where = f"{name or 'everywhere'} on {_occasion(row)}"
            yield _changed(flow, "drop", f"{where}: row dropped", row, lambda _: None)
            if row.when is not None:
                yield _changed(flow, "negate", f"{where}: not ({' '.join(row.when.source.split())})", row, _negated)
            if row.target is not None:
                other = _other_target(flow, row)
                if other is not None:
                    yield _changed(flow, "swap", f"{where}: to {other}, not {row.target}", row, _leads_to(other))
        for delay in spec.delays:
            without = replace(spec, delays=tuple(it for it in spec.delays if it is not delay))
            yield Mutant(
                "timer", f"{name or 'everywhere'}: timer {delay.source} removed", delay.span,
                _with_states(flow, {**flow.states, name: without}),
            )  # fmt: skip
    hedging = flow.sections.get("hedging")
    if hedging is not None and hedging.value is not None:
        unhooked = {**flow.sections, "hedging": replace(hedging, value=None)}
        yield Mutant("hedging", "the hedging rule is unhooked", flow.states[""].span, replace(flow, sections=unhooked))


def judge(mutant: Mutant, bounds: Bounds, original: Proof) -> Judged:
    """Ask validate, then the proof; `original` is that of the flow itself with the same bounds."""
    findings = [it for it in check(mutant.flow) if it.severity is Severity.ERROR]
    if findings:
        return Judged(mutant, Fate.INVALID, findings[0].code)
    world = World(mutant.flow, bounds, hedged=original.hedged)
    proof = prove_world(world)
    broken = next((it for it in proof.shown if it.verdict is Verdict.VIOLATED), None)
    if broken is not None:
        return Judged(mutant, Fate.KILLED, broken.rule.name)
    same = (proof.states, proof.edges) == (original.states, original.edges)
    return Judged(mutant, Fate.SAME if same else Fate.SURVIVED, "")


# --- making one


def _changed(flow: Flow, kind: str, what: str, row: Row, change: Callable[[Row], Row | None]) -> Mutant:
    spec = flow.states[row.state]

    def each(rows: tuple[Row, ...]) -> tuple[Row, ...]:
        made = [change(it) if it is row else it for it in rows]
        return tuple(it for it in made if it is not None)

    invoke = spec.invoke
    if invoke is not None:
        invoke = replace(invoke, done=each(invoke.done), error=each(invoke.error))
    delays = tuple(replace(delay, rows=each(delay.rows)) for delay in spec.delays)
    changed = replace(spec, rows=each(spec.rows), delays=delays, invoke=invoke)
    return Mutant(kind, what, row.span, _with_states(flow, {**flow.states, row.state: changed}))


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


def _occasion(row: Row) -> str:
    if row.kind is RowKind.ALWAYS:
        return "always"
    if row.kind is RowKind.AFTER:
        return f"after {row.event.rpartition(':')[2]}"
    return row.event if row.kind is RowKind.ON else row.kind.value
