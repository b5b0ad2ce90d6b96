"""Which rows of a compiled flow can run at all, from which leaves, and where they lead. Read by the checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

from engine.chart.logic import Logic
from engine.chart.model import Action, Candidate, Flow, Row, RowKind, StateSpec

__all__ = ["Reach", "above", "actions_of", "alternatives", "below", "live", "rows_of"]


class Reach:
    """The live part of a flow: guards are taken as possible, rows behind an unguarded one as impossible.

    What is asked of a leaf is answered once: checks ask for every leaf from every other.
    """

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.logic = Logic(flow)
        self._passing: dict[str, bool] = {}
        self._cells: dict[str, dict[str, tuple[Candidate, ...]]] = {}
        self._exits: dict[str, tuple[str, ...]] = {}

    def always(self, leaf: str) -> tuple[Candidate, ...]:
        return live(self.flow.always.get(leaf, ()))

    def passing(self, leaf: str) -> bool:
        """Some `always` row runs whatever holds: no event is ever met here."""
        if leaf not in self._passing:
            guards = [candidate.row.when for candidate in self.flow.always.get(leaf, ())]
            self._passing[leaf] = self.logic.complete(guards)
        return self._passing[leaf]

    def cells(self, leaf: str) -> dict[str, tuple[Candidate, ...]]:
        """Event -> rows that can run on it in this leaf."""
        if leaf not in self._cells:
            over = self.passing(leaf) or self.flow.states[leaf].final
            table = {} if over else self.flow.table.get(leaf, {})
            self._cells[leaf] = {event: live(candidates) for event, candidates in table.items()}
        return self._cells[leaf]

    def ways(self, leaf: str) -> Iterator[Candidate]:
        """Every row that can run in this leaf."""
        yield from self.always(leaf)
        for candidates in self.cells(leaf).values():
            yield from candidates

    def exits(self, leaf: str) -> tuple[str, ...]:
        """The leaves that one row can lead to, this one excepted."""
        if leaf not in self._exits:
            targets = (candidate.target for candidate in self.ways(leaf))
            self._exits[leaf] = tuple(dict.fromkeys(it for it in targets if it is not None and it != leaf))
        return self._exits[leaf]

    def reached_from(self, starts: Iterable[str]) -> frozenset[str]:
        seen: set[str] = set()
        waiting = list(starts)
        while waiting:
            leaf = waiting.pop()
            if leaf not in seen:
                seen.add(leaf)
                waiting.extend(self.exits(leaf))
        return frozenset(seen)

    @cached_property
    def reachable(self) -> frozenset[str]:
        return self.reached_from([self.flow.initial])

    @cached_property
    def waiting(self) -> tuple[str, ...]:
        """Reachable leaves in which the chart can stand and meet an event, in document order."""
        return tuple(
            leaf
            for leaf in self.flow.leaves
            if leaf in self.reachable and not self.flow.states[leaf].final and not self.passing(leaf)
        )


def live(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """The candidates up to and with the first that has no guard."""
    kept: list[Candidate] = []
    for candidate in candidates:
        kept.append(candidate)
        if candidate.row.when is None:
            break
    return tuple(kept)


def above(flow: Flow, name: str) -> Iterator[StateSpec]:
    """The state and all that enclose it, innermost first, the chart itself last."""
    state: str | None = name
    while state:
        yield flow.states[state]
        state = flow.states[state].parent
    if "" in flow.states:
        yield flow.states[""]


def below(flow: Flow, name: str) -> tuple[str, ...]:
    """The leaves in or under a state, in document order."""
    return tuple(leaf for leaf in flow.leaves if not name or f"{leaf}.".startswith(f"{name}."))


def rows_of(state: StateSpec) -> Iterator[Row]:
    """All rows that a state holds, of every kind, in document order of their kind."""
    yield from state.rows
    for delay in state.delays:
        yield from delay.rows
    if state.invoke is not None:
        yield from state.invoke.done
        yield from state.invoke.error


def actions_of(state: StateSpec) -> Iterator[Action]:
    """All actions that a state holds: entry, exit, rows and the invoked one."""
    yield from state.entry
    yield from state.exit
    for row in rows_of(state):
        yield from row.actions
    if state.invoke is not None:
        yield state.invoke.action


def alternatives(state: StateSpec) -> dict[tuple[RowKind, str], list[Row]]:
    """The rows of one state that answer the same thing, in document order."""
    groups: dict[tuple[RowKind, str], list[Row]] = {}
    for row in rows_of(state):
        groups.setdefault((row.kind, row.event), []).append(row)
    return groups
