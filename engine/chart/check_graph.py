"""Findings about where a chart can go: unreachable states, dead ends, traps, and circles that pass no event.

A circle of rows that need no event (`always`, raised events, timers of zero) is certain when every row in it has no
guard and comes first. A guarded circle is reported unless two of its guards exclude each other, or a row in it may
change what one of its guards reads: it sets a counter, or runs a verb of the domain while a guard reads a domain name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from engine.chart.durations import delay_range
from engine.chart.found import found
from engine.chart.model import Action, Candidate, Finding, RowKind
from engine.chart.reach import Reach, below

__all__ = ["check_graph"]

CIRCLES = 200  # circles looked at in one flow; a chart with more is far past reading
CIRCLE_LENGTH = 8  # rows in one circle
BUILT_IN = frozenset({"set", "count", "reset", "draw", "raise"})


def check_graph(reach: Reach) -> Iterator[Finding]:
    yield from _unreachable(reach)
    yield from _no_exit(reach)
    yield from _traps(reach)
    yield from _circles(reach)


def _unreachable(reach: Reach) -> Iterator[Finding]:
    """One finding for the outermost state of which no leaf can be reached."""
    flow = reach.flow
    for state in flow.states.values():
        if not state.name or any(leaf in reach.reachable for leaf in below(flow, state.name)):
            continue
        if state.parent and not any(leaf in reach.reachable for leaf in below(flow, state.parent)):
            continue
        yield found(
            "C503",
            state.span,
            f'state "{state.name}" can never be reached: no row that can run leads to it',
            "add a row `to:` it, or remove it",
        )


def _no_exit(reach: Reach) -> Iterator[Finding]:
    for leaf in _dead_ends(reach):
        yield found(
            "C504",
            reach.flow.states[leaf].span,
            f'state "{leaf}" has no way out',
            "add a row with `to:`, or declare it `final: true` or `resting: true`",
        )


def _dead_ends(reach: Reach) -> list[str]:
    return [leaf for leaf in reach.waiting if not _rests(reach, leaf) and not any(reach.exits(leaf))]


def _rests(reach: Reach, leaf: str) -> bool:
    return reach.flow.states[leaf].final or reach.flow.states[leaf].resting


def _traps(reach: Reach) -> Iterator[Finding]:
    """Leaves that lead to no final and no resting state; one finding for all that are caught together.

    A circle in which the chart never stands is left to `_circles`.
    """
    ends = set(_dead_ends(reach)) | {leaf for leaf in reach.flow.leaves if _rests(reach, leaf)}
    told: set[str] = set()
    for leaf in reach.flow.leaves:
        if leaf not in reach.reachable or leaf in told:
            continue
        caught = reach.reached_from([leaf])
        if caught & ends or not caught.intersection(reach.waiting):
            continue
        told |= caught | {other for other in reach.flow.leaves if reach.reached_from([other]) >= caught}
        names = ", ".join(name for name in reach.flow.leaves if name in caught)
        yield found(
            "C505",
            reach.flow.states[leaf].span,
            f'no final and no resting state can be reached from "{leaf}" (it leads only to {names})',
            "add a row that leads out, or declare one of them `resting: true` or `final: true`",
        )


def _circles(reach: Reach) -> Iterator[Finding]:
    rows = [row for leaf in sorted(reach.reachable, key=reach.flow.leaves.index) for row in _eventless(reach, leaf)]
    told: set[frozenset[str]] = set()
    for circle in _simple_circles(rows):
        finding = _circle_finding(circle, reach)
        places = frozenset(row.source for row in circle)
        if finding is not None and places not in told:
            told.add(places)
            yield finding


def _eventless(reach: Reach, leaf: str) -> Iterator[Candidate]:
    """Rows of a leaf that may run without anything from outside."""
    yield from reach.always(leaf)
    for event, candidates in reach.cells(leaf).items():
        if event in reach.flow.raised or _fires_at_once(candidates[0], reach):
            yield from candidates


def _fires_at_once(candidate: Candidate, reach: Reach) -> bool:
    delay = next((d for d in reach.flow.states[candidate.row.state].delays if d.event == candidate.row.event), None)
    return delay is not None and delay_range(delay, reach.flow.settings) == (0, 0)


def _follows(first: Candidate, then: Candidate) -> bool:
    if then.source != (first.target or first.source):
        return False
    return then.row.kind in (RowKind.ALWAYS, RowKind.AFTER) or then.row.event in _raised_by(first.actions)


def _raised_by(actions: Iterable[Action]) -> frozenset[str]:
    names = (str(value) for action in actions if action.verb == "raise" for value in action.arguments.values())
    return frozenset(names)


def _simple_circles(rows: Sequence[Candidate]) -> Iterator[tuple[Candidate, ...]]:
    """Each circle once, from its first row in document order."""
    after = {
        place: [other for other, then in enumerate(rows) if _follows(rows[place], then)] for place in range(len(rows))
    }
    count = 0
    paths: list[tuple[int, ...]] = [(place,) for place in reversed(range(len(rows)))]
    while paths and count < CIRCLES:
        path = paths.pop()
        for then in after[path[-1]]:
            if then == path[0]:
                count += 1
                yield tuple(rows[place] for place in path)
            elif then > path[0] and then not in path and len(path) < CIRCLE_LENGTH:
                paths.append((*path, then))


def _circle_finding(circle: tuple[Candidate, ...], reach: Reach) -> Finding | None:
    timers = [row for row in circle if row.row.kind is RowKind.AFTER]
    entered = {state for row in circle for state in row.entries}
    if any(timer.row.state not in entered for timer in timers):
        return None
    way = " -> ".join([circle[0].source, *(row.target or row.source for row in circle)])
    if not timers and all(_certain(row, reach) for row in circle):
        return found(
            "C506",
            circle[0].row.span,
            f"these rows run in a circle without any event: {way}",
            "give one of them a `when:` that ends it, or let it wait for an event or a timer",
        )
    if _ends(circle, reach):
        return None
    if timers:
        return found(
            "W908",
            circle[0].row.span,
            f"with a delay of zero these rows run in a circle: {way}",
            "set a delay above zero, or count the turns in a counter that a guard reads",
        )
    return found(
        "W903",
        circle[0].row.span,
        f"these rows may run in a circle without any event: {way}",
        "make their guards exclude each other, or count the turns in a counter that a guard reads",
    )


def _certain(row: Candidate, reach: Reach) -> bool:
    """Taken whenever its place in the circle comes up: no guard, and nothing before it in its cell."""
    cell = reach.flow.always[row.source] if row.row.kind is RowKind.ALWAYS else reach.cells(row.source)[row.row.event]
    return row.row.when is None and cell[0] is row


def _ends(circle: tuple[Candidate, ...], reach: Reach) -> bool:
    guards = [row.row.when for row in circle if row.row.when is not None]
    if any(reach.logic.exclusive(one, other) for one, other in combinations(guards, 2)):
        return True
    read = {name for guard in guards for name in guard.names}
    actions = [action for row in circle for action in row.actions]
    counted = {f"context.{name}" for action in actions for name in changed_by(action)}
    domain_read = any(not name.startswith(("context.", "settings.", "event.")) for name in read)
    return bool(read & counted) or (domain_read and any(action.verb not in BUILT_IN for action in actions))


def changed_by(action: Action) -> frozenset[str]:
    """The counters that a built-in action writes."""
    match action.verb:
        case "set":
            return frozenset(action.arguments)
        case "count" | "reset":
            return frozenset(str(value) for value in action.arguments.values())
        case "draw":
            return frozenset({str(action.arguments["into"])})
    return frozenset()
