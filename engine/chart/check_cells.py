"""Findings about (state × event) cells: undecided, ignored or deferred where that may not be, left to chance.

A cell that is undecided in every leaf of a compound state is reported once, at that state: one line there mends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from engine.chart.found import found
from engine.chart.model import Finding, Span, StateSpec
from engine.chart.reach import Reach, alternatives, below

__all__ = ["check_cells"]

NAMES_SHOWN = 8


def check_cells(reach: Reach) -> Iterator[Finding]:
    yield from _undecided(reach)
    yield from _must_not_ignore(reach)
    yield from _kept_for_ever(reach)
    yield from _left_to_chance(reach)
    yield from _without_effect(reach)


def _undecided(reach: Reach) -> Iterator[Finding]:
    flow = reach.flow
    events = [*flow.heard_events, *flow.raised]
    must = {name for name, kind in flow.vocabulary.events.items() if kind.must_handle}

    def missing(leaf: str) -> list[str]:
        decided = flow.table.get(leaf, {}).keys() | flow.ignored.get(leaf, {}).keys() | flow.deferred.get(leaf, set())
        return [event for event in events if event not in decided]

    for state, names in _lifted(reach, missing):
        never = [name for name in names if name in must]
        ways = "handled nor deferred" if len(never) == len(names) else "handled, deferred nor ignored"
        hint = f"write rows under `on:` of {state.name or 'the chart'}"
        if len(never) < len(names):
            hint += ", or `ignore: {EVENT: why it does not matter here}`"
        if never:
            hint += f" ({_listed(never)} may never be ignored)"
        yield found(
            "C507",
            _start(state.span) if not state.name else state.span,
            f"{_listed(names)} {_are(names)} neither {ways} {_place(state)}",
            hint,
        )


def _start(span: Span) -> Span:
    """The first sign only: an editor would otherwise underline the whole file."""
    return Span(span.file, span.line, span.column, span.line, span.column + 1)


def _lifted(reach: Reach, missing: Callable[[str], list[str]]) -> Iterator[tuple[StateSpec, list[str]]]:
    """What is missing in each leaf, told once at the outermost state in which it is missing everywhere."""
    by_leaf = {leaf: missing(leaf) for leaf in reach.waiting}
    told: set[tuple[str, str]] = set()
    for state in reach.flow.states.values():
        leaves = [leaf for leaf in below(reach.flow, state.name) if leaf in by_leaf]
        if not leaves or (state.children and len(leaves) < 2):
            continue
        names = [
            name
            for name in by_leaf[leaves[0]]
            if all(name in by_leaf[leaf] and (leaf, name) not in told for leaf in leaves)
        ]
        told.update((leaf, name) for leaf in leaves for name in names)
        if names:
            yield state, names


def _place(state: StateSpec) -> str:
    if not state.name:
        return "in any state"
    return f"in any state of {state.name}" if state.children else f"in {state.name}"


def _are(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN])
    return f"{shown} and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else shown


def _must_not_ignore(reach: Reach) -> Iterator[Finding]:
    events = reach.flow.vocabulary.events
    for state in reach.flow.states.values():
        for event, (_, span) in state.ignored.items():
            if event in events and events[event].must_handle:
                yield found(
                    "C508",
                    span,
                    f'"{event}" may never be ignored: {events[event].about}',
                    f"handle it under `on:` of {state.name or 'the chart'}, or `defer` it to a state that does",
                )


def _kept_for_ever(reach: Reach) -> Iterator[Finding]:
    """A deferred event must have a state ahead that takes it up (or, where it may be, drops it with a reason)."""
    flow = reach.flow
    for state in flow.states.values():
        for event in sorted(state.deferred):
            leaves = [leaf for leaf in below(flow, state.name) if leaf in reach.waiting]
            stuck = [
                leaf for leaf in leaves if event in flow.deferred.get(leaf, ()) and not _taken_up(reach, leaf, event)
            ]
            if stuck:
                yield found(
                    "C509",
                    state.span,
                    f'"{event}" is deferred in {stuck[0]}, but no state that can follow takes it up',
                    f'handle "{event}" in a state that follows, or handle it here',
                )


def _taken_up(reach: Reach, leaf: str, event: str) -> bool:
    flow = reach.flow
    kind = flow.vocabulary.events.get(event)
    for later in reach.reached_from(reach.exits(leaf)):
        if event in flow.deferred.get(later, ()):
            continue
        if event in reach.cells(later):
            return True
        if event in flow.ignored.get(later, {}) and not (kind and kind.must_handle):
            return True
    return False


def _left_to_chance(reach: Reach) -> Iterator[Finding]:
    """An event that must be handled, whose rows are all guarded, passes unnoticed when no guard holds."""
    flow = reach.flow
    leaves_by_last: dict[tuple[Span, str], list[str]] = {}
    for leaf in reach.waiting:
        for event, rows in reach.cells(leaf).items():
            kind = flow.vocabulary.events.get(event)
            if not kind or not kind.must_handle or event in flow.deferred.get(leaf, ()):
                continue
            if not reach.logic.complete([candidate.row.when for candidate in rows]):
                leaves_by_last.setdefault((rows[-1].row.span, event), []).append(leaf)
    for (span, event), leaves in leaves_by_last.items():
        yield found(
            "W905",
            span,
            f"if no guard holds, nothing answers {event} in {_listed(leaves)}: this is the last row, and it is guarded",
            "add a row without `when:` behind it that says what happens otherwise",
        )


def _without_effect(reach: Reach) -> Iterator[Finding]:
    """An event that one state both ignores or defers and handles in any case."""
    for state in reach.flow.states.values():
        answered = {
            event
            for (_, event), rows in alternatives(state).items()
            if reach.logic.complete([row.when for row in rows])
        }
        for event, (_, span) in state.ignored.items():
            if event in answered:
                yield _pointless(event, "ignored", state, span)
        for event in sorted(state.deferred & answered):
            yield _pointless(event, "deferred", state, state.span)


def _pointless(event: str, how: str, state: StateSpec, span: Span) -> Finding:
    where = state.name or "the chart"
    return found(
        "W909",
        span,
        f'"{event}" is never {how} here: the rows of {where} answer it in any case',
        "remove one of the two",
    )
