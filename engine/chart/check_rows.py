"""Findings about rows that answer the same event: shadowed, overlapping, overridden, and guards that never change.

Two rows of one state for one event are an else-chain when their guards exclude each other, when the first is the
narrower one, or when the last has none. Nothing is said about those. A row below an enclosing state's row for the
same event is no overlap either: the inner state answers first, by the meaning of nesting.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from engine.chart.found import found
from engine.chart.logic import Logic
from engine.chart.model import Finding, Row, RowKind, StateSpec
from engine.chart.reach import Reach, alternatives, below

__all__ = ["check_rows"]


def check_rows(reach: Reach) -> Iterator[Finding]:
    for state in reach.flow.states.values():
        for rows in alternatives(state).values():
            yield from _shadowed(rows, reach.logic)
            yield from _overlapping(rows, reach.logic)
            yield from _constant(rows, reach.logic)
            yield from _overridden(state, rows, reach)


def occasion(row: Row) -> str:
    """What a row answers, in the flow's words."""
    match row.kind:
        case RowKind.ON:
            return f'event "{row.event}"'
        case RowKind.ALWAYS:
            return "`always`"
        case RowKind.AFTER:
            return f"`after: {row.event.rpartition(':')[2]}`"
    return f"`{row.kind.value}`"


def _shadowed(rows: list[Row], logic: Logic) -> Iterator[Finding]:
    for place, row in enumerate(rows):
        for earlier in rows[:place]:
            if earlier.when is None:
                yield found(
                    "C501",
                    row.span,
                    f"this row can never run: the row for {occasion(row)} at line {earlier.span.line} has no guard",
                    f"give the row at line {earlier.span.line} a `when:`, or move it behind this one",
                )
                break
            if row.when is not None and logic.implied(row.when, earlier.when) and logic.constant(row.when) is None:
                yield found(
                    "C502",
                    row.when.span,
                    f"this guard holds only where `{earlier.when.source}` (line {earlier.span.line}) already holds, "
                    "so its row can never run",
                    "put the narrower guard first, or make the two exclude each other",
                )
                break


def _overlapping(rows: list[Row], logic: Logic) -> Iterator[Finding]:
    for earlier, row in combinations(rows, 2):
        if earlier.when is None or row.when is None or row.because or _same_outcome(earlier, row):
            continue
        if logic.exclusive(earlier.when, row.when) or _nested(earlier, row, logic):
            continue
        yield found(
            "W901",
            row.when.span,
            f"both this guard and `{earlier.when.source}` (line {earlier.span.line}) may hold on {occasion(row)}; "
            "the first one written wins",
            "make them exclude each other, or say with `because:` why this row comes second",
        )
        return


def _nested(one: Row, other: Row, logic: Logic) -> bool:
    """One guard holds only where the other does: the special case before the general one, or a C502."""
    return logic.implied(one.when, other.when) or logic.implied(other.when, one.when)


def _same_outcome(one: Row, other: Row) -> bool:
    def verbs(row: Row) -> list[tuple[str, str]]:
        return [(action.verb, str(dict(action.arguments))) for action in row.actions]

    return one.target == other.target and verbs(one) == verbs(other)


def _constant(rows: list[Row], logic: Logic) -> Iterator[Finding]:
    for row in rows:
        if row.when is not None and (value := logic.constant(row.when)) is not None:
            yield found(
                "W902",
                row.when.span,
                f"this guard is always {str(value).lower()}",
                "leave out `when:`" if value else "leave out the row, or compare with something that changes",
            )


def _overridden(state: StateSpec, rows: list[Row], reach: Reach) -> Iterator[Finding]:
    """An enclosing state's rows for one event of which none can run, because every leaf below answers it itself."""
    leaves = [leaf for leaf in below(reach.flow, state.name) if leaf in reach.waiting]
    if not state.children or rows[0].kind is RowKind.ALWAYS or not leaves or any(row.because for row in rows):
        return
    event = rows[0].event
    if any(candidate.row in rows for leaf in leaves for candidate in reach.cells(leaf).get(event, ())):
        return
    yield found(
        "W904",
        rows[0].span,
        f"no row for {occasion(rows[0])} of {state.name or 'the chart'} can run: every state below answers it first",
        "remove it, give an inner row a `when:`, or say with `because:` why it is kept",
    )
