"""Explicit-state search: every state that a model can reach within some faults, or as many as a bound allows.

Knows no trading and no charts: a model numbers facts as bits, and names what is wanted of them. What a state leads to
does not depend on how it was reached, so each is looked at once, after the fewest faults that lead to it; a trace that
breaks a rule is the shortest of those with the fewest faults. What was not searched to the end is never called proved.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

S = TypeVar("S", bound=Hashable)
A = TypeVar("A", bound=Hashable)
State = TypeVar("State", bound=Hashable, contravariant=True)

Tell = Callable[[int, int], None]  # states found, states that wait to be looked at
EVERY = 2048  # states between two words on progress
DEADLOCK = "no deadlock"
FAULT = 1  # flag of an edge: an action that the world may do, but is not expected to


class Edge(NamedTuple, Generic[S, A]):
    """One action from a state; `broke` names rules that the action itself breaks."""

    action: A
    target: S
    fault: bool
    broke: tuple[str, ...]


class Model(Protocol[S, A]):
    """What is searched."""

    def first(self) -> S: ...

    def edges(self, state: S, *, faults: bool) -> Sequence[Edge[S, A]]:
        """What may happen; with `faults` also what nobody expects. The others are the same either way."""

    def facts(self, state: S) -> int:
        """Which facts hold, one bit each."""

    def done(self, state: S) -> bool:
        """Nothing is to happen any more, and that is well."""


@dataclass(frozen=True, slots=True)
class Always:
    """The fact holds in every state."""

    name: str
    fact: int


@dataclass(frozen=True, slots=True)
class LeadsTo:
    """Wherever `when` holds, `then` holds at last, if no fault happens from there on and every turn is taken."""

    name: str
    when: int
    then: int


@dataclass(frozen=True, slots=True)
class Sometimes:
    """Some state has the fact: else what is said of such states says nothing."""

    name: str
    fact: int


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that does not hold, and the state in which that shows.

    `action` is the number of the action that broke it there, else -1; those of `turn` then repeat for ever.
    """

    name: str
    at: int
    action: int = -1
    turn: tuple[int, ...] = ()
    why: str = ""


@dataclass(slots=True)
class Graph(Generic[S, A]):
    """What was found. State n's edges stand from `begin[n]` to `end[n]`; none where it was not looked at yet."""

    states: list[S] = field(default_factory=list)
    facts: list[int] = field(default_factory=list)
    parent: array[int] = field(default_factory=lambda: array("q"))
    came_by: array[int] = field(default_factory=lambda: array("q"))  # the action's number
    spent: array[int] = field(default_factory=lambda: array("q"))  # faults on the way to it
    begin: array[int] = field(default_factory=lambda: array("q"))
    end: array[int] = field(default_factory=lambda: array("q"))
    targets: array[int] = field(default_factory=lambda: array("q"))
    labels: array[int] = field(default_factory=lambda: array("q"))  # 2 * action's number + FAULT
    actions: list[A] = field(default_factory=list)
    expanded: int = 0
    complete: bool = False
    broken: list[Broken] = field(default_factory=list)

    def edges(self, state: int) -> Iterator[tuple[int, int]]:
        """(label, target) of every edge."""
        for at in range(self.begin[state], self.end[state]):
            yield self.labels[at], self.targets[at]

    def path(self, state: int) -> list[tuple[A, S]]:
        """The actions that lead to a state from the first one, and where each leads."""
        found = []
        while self.parent[state] >= 0:
            found.append((self.actions[self.came_by[state]], self.states[state]))
            state = self.parent[state]
        return found[::-1]


def silent(found: int, waiting: int) -> None:
    """Nobody wants to know."""


def search(
    model: Model[S, A], rules: Sequence[Always], *, faults: int = 0, most: int, tell: Tell = silent,
    stop_at_first: bool = True,
) -> Graph[S, A]:  # fmt: skip
    """Look at states until none is left, `most` were found, or a rule broke; at most `faults` on the way to each.

    `tell` hears now and then of how many states were found and how many wait.
    """
    graph: Graph[S, A] = Graph()
    numbers: dict[S, int] = {}
    action_numbers: dict[A, int] = {}
    required = [(rule.name, rule.fact) for rule in rules]
    mask = 0
    for _, fact in required:
        mask |= fact
    broken: set[str] = set()
    expanded = bytearray(1)

    def add(state: S, parent: int, by: int, spent: int) -> int:
        number = numbers[state] = len(graph.states)
        graph.states.append(state)
        facts = model.facts(state)
        graph.facts.append(facts)
        graph.parent.append(parent)
        graph.came_by.append(by)
        graph.spent.append(spent)
        graph.begin.append(0)
        graph.end.append(0)
        if facts & mask != mask:
            for name, fact in required:
                if not facts & fact:
                    breaks(name, number)
        return number

    def breaks(name: str, at: int) -> None:
        if name not in broken:
            broken.add(name)
            graph.broken.append(Broken(name, at))

    add(model.first(), -1, -1, 0)
    now, later = deque([0]), deque[int]()
    while now or later:
        if not now:
            now, later = later, now
        at = now.popleft()
        if expanded[at]:
            continue
        if len(graph.states) >= most or (stop_at_first and graph.broken):
            return graph
        expanded[at] = 1
        state, spent = graph.states[at], graph.spent[at]
        edges = model.edges(state, faults=spent < faults)
        begin = len(graph.targets)
        for action, target, fault, broke in edges:
            label = action_numbers.get(action)
            if label is None:
                label = action_numbers[action] = len(graph.actions)
                graph.actions.append(action)
            number = numbers.get(target)
            if number is None:
                number = add(target, at, label, spent + fault)
                expanded.append(0)
                (later if fault else now).append(number)
            elif not fault and graph.spent[number] > spent:  # known by a way with more faults, and not looked at yet
                graph.spent[number], graph.parent[number], graph.came_by[number] = spent, at, label
                now.append(number)
            graph.targets.append(number)
            graph.labels.append(2 * label + fault)
            for name in broke:
                if name not in broken:
                    broken.add(name)
                    graph.broken.append(Broken(name, at, label))
        graph.begin[at], graph.end[at] = begin, len(graph.targets)
        graph.expanded += 1
        if not edges and not model.done(state):
            breaks(DEADLOCK, at)
        if graph.expanded % EVERY == 0:
            tell(len(graph.states), len(graph.states) - graph.expanded)
    graph.complete = True
    return graph
