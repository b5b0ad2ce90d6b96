"""Explicit-state search, breadth first: every state that a model can reach, or as many as a bound allows.

Knows no trading and no charts: a model numbers facts as bits, and names what is wanted of them. A trace that breaks a
rule of single states or steps is the shortest there is. What was not searched to the end is never called proved.
"""

from __future__ import annotations

from array import array
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

    def edges(self, state: S) -> Sequence[Edge[S, A]]: ...

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
    """What was found. State n's edges stand from `begin[n]` to `begin[n + 1]`, as far as it was expanded."""

    states: list[S] = field(default_factory=list)
    facts: list[int] = field(default_factory=list)
    parent: array[int] = field(default_factory=lambda: array("q"))
    came_by: array[int] = field(default_factory=lambda: array("q"))  # the action's number
    begin: array[int] = field(default_factory=lambda: array("q", [0]))
    targets: array[int] = field(default_factory=lambda: array("q"))
    labels: array[int] = field(default_factory=lambda: array("q"))  # 2 * action's number + FAULT
    actions: list[A] = field(default_factory=list)
    complete: bool = False
    broken: list[Broken] = field(default_factory=list)

    def expanded(self) -> int:
        return len(self.begin) - 1

    def edges(self, state: int) -> Iterator[tuple[int, int]]:
        """(label, target) of every edge."""
        for at in range(self.begin[state], self.begin[state + 1]):
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
    model: Model[S, A], rules: Sequence[Always], *, most: int, tell: Tell = silent,
    stop_at_first: bool = True,
) -> Graph[S, A]:  # fmt: skip
    """Expand states until none is left, `most` were found, or a rule broke.

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

    def add(state: S, parent: int, by: int) -> int:
        number = numbers[state] = len(graph.states)
        graph.states.append(state)
        facts = model.facts(state)
        graph.facts.append(facts)
        graph.parent.append(parent)
        graph.came_by.append(by)
        if facts & mask != mask:
            for name, fact in required:
                if not facts & fact:
                    breaks(name, number)
        return number

    def breaks(name: str, at: int) -> None:
        if name not in broken:
            broken.add(name)
            graph.broken.append(Broken(name, at))

    add(model.first(), -1, -1)
    at = 0
    while at < len(graph.states):
        if len(graph.states) >= most or (stop_at_first and graph.broken):
            return graph
        state = graph.states[at]
        edges = model.edges(state)
        for action, target, fault, broke in edges:
            label = action_numbers.get(action)
            if label is None:
                label = action_numbers[action] = len(graph.actions)
                graph.actions.append(action)
            number = numbers.get(target)
            if number is None:
                number = add(target, at, label)
            graph.targets.append(number)
            graph.labels.append(2 * label + fault)
            for name in broke:
                if name not in broken:
                    broken.add(name)
                    graph.broken.append(Broken(name, at, label))
        graph.begin.append(len(graph.targets))
        if not edges and not model.done(state):
            breaks(DEADLOCK, at)
        at += 1
        if at % EVERY == 0:
            tell(len(graph.states), len(graph.states) - at)
    graph.complete = True
    return graph
