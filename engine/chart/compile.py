"""States to a flat table: leaf x event -> ordered candidates, with exits, actions and entries resolved.

Rows of the leaf come first, then those of its parent, up to the chart itself; within a state in document order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.chart.model import Action, Candidate, Move, Row, RowKind, StateSpec

Candidates = Mapping[str, tuple[Candidate, ...]]
Shared = dict[tuple[int, ...], tuple[Action, ...]]  # by the identities of its actions


@dataclass(frozen=True, slots=True)
class Compiled:
    leaves: tuple[str, ...]
    initial: str
    table: Mapping[str, Candidates]
    always: Candidates
    deferred: Mapping[str, frozenset[str]]
    ignored: Mapping[str, Mapping[str, str]]


def compile_states(states: Mapping[str, StateSpec]) -> Compiled:
    """The table of a sound set of states; "" is the chart itself."""
    leaves = tuple(name for name, spec in states.items() if name and not spec.children)
    table: dict[str, Candidates] = {}
    always: dict[str, tuple[Candidate, ...]] = {}
    shared: Shared = {}
    for leaf in leaves:
        by_event: dict[str, list[Candidate]] = {}
        eventless: list[Candidate] = []
        for row in _rows_seen_by(leaf, states):
            into = eventless if row.kind is RowKind.ALWAYS else by_event.setdefault(row.event, [])
            into.append(_candidate(leaf, row, states, shared))
        table[leaf] = {event: tuple(candidates) for event, candidates in by_event.items()}
        always[leaf] = tuple(eventless)
    return Compiled(
        leaves=leaves,
        initial=initial_leaf("", states),
        table=table,
        always=always,
        deferred={leaf: frozenset().union(*(states[name].deferred for name in lineage(leaf))) for leaf in leaves},
        ignored={leaf: _ignored_by(leaf, states) for leaf in leaves},
    )


def lineage(name: str) -> list[str]:
    """The state, its parents from inside out, and "" for the chart."""
    names = [name]
    while name:
        name = name.rpartition(".")[0]
        names.append(name)
    return names


def initial_leaf(name: str, states: Mapping[str, StateSpec]) -> str:
    """Where entering this state ends."""
    while states[name].initial is not None:
        name = states[name].initial or ""
    return name


def _rows_seen_by(leaf: str, states: Mapping[str, StateSpec]) -> Iterable[Row]:
    for name in lineage(leaf):
        spec = states[name]
        yield from spec.rows
        for delay in spec.delays:
            yield from delay.rows
        if spec.invoke is not None:
            yield from spec.invoke.done
            yield from spec.invoke.error


def _candidate(leaf: str, row: Row, states: Mapping[str, StateSpec], shared: Shared) -> Candidate:
    """Candidates with the same actions share one tuple of them, which a chart then binds once."""
    if row.target is None:
        return Candidate(row, leaf, None, (), (), row.actions, Move(row.event, leaf, None, row))
    domain = _domain(row.state, row.target)
    target = initial_leaf(row.target, states)
    exits = tuple(name for name in lineage(leaf) if _inside(name, domain))
    entries = tuple(name for name in reversed(lineage(target)) if _inside(name, domain))
    actions: tuple[Action, ...] = (
        *(action for name in exits for action in states[name].exit),
        *row.actions,
        *(action for name in entries for action in states[name].entry),
    )
    actions = shared.setdefault(tuple(map(id, actions)), actions)
    return Candidate(row, leaf, target, exits, entries, actions, Move(row.event, leaf, target, row))


def _domain(holder: str, target: str) -> str:
    """The innermost state that a row of `holder` to `target` leaves standing."""
    # A target that holds the row is left and entered again, so it cannot stand itself.
    around = set(lineage(target)[1:])
    return next(name for name in lineage(holder) if name in around)


def _inside(name: str, ancestor: str) -> bool:
    """Strictly below."""
    return name != ancestor and (not ancestor or name.startswith(ancestor + "."))


def _ignored_by(leaf: str, states: Mapping[str, StateSpec]) -> Mapping[str, str]:
    ignored: dict[str, str] = {}
    for name in reversed(lineage(leaf)):
        ignored.update({event: reason for event, (reason, _) in states[name].ignored.items()})
    return ignored
