"""What must happen at last: cycles and dead ends of a searched graph, under fairness, with faults off.

Fair means: an action that can happen again and again does happen at last. Which actions are so is the model's word;
nobody has to trade with a resting order. Knows no trading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from engine.chart.search import FAULT, Broken, Graph, LeadsTo

S = TypeVar("S")
A = TypeVar("A")


def never_led(
    graph: Graph[S, A], rule: LeadsTo, *, fair: Callable[[A], object | None], done: Callable[[S], bool]
) -> Broken | None:
    """The nearest state from which `then` need never come although `when` held; None if there is none.

    `fair` names the duty that an action belongs to, None for one that nobody owes.
    """
    waiting = bytearray([not facts & rule.then for facts in graph.facts])
    owed = _reached(graph, waiting, [s for s, facts in enumerate(graph.facts) if waiting[s] and facts & rule.when])
    duties = [fair(action) for action in graph.actions]
    for state in owed:
        if all(label & FAULT or duties[label >> 1] is None for label, _ in graph.edges(state)):
            if any(not label & FAULT for label, _ in graph.edges(state)):
                why = "nobody has to do anything more"
            else:
                why = "the flow is over" if done(graph.states[state]) else "nothing more can happen"
            return Broken(rule.name, state, why=why)
    groups = _Groups(graph)
    for part in list(_components(groups, groups.make(owed))):
        found = _fair_part(graph, groups, part, duties)
        if found:
            at = min(found)
            return Broken(rule.name, at, turn=tuple(_turn(graph, at, set(found))), why="it can go on so for ever")
    return None


def stuck_states(graph: Graph[S, A], *, place: Callable[[S], object], rests: Callable[[S], bool]) -> int | None:
    """The nearest state from which its place can never be left, faults off; None if there is none."""
    count = len(graph.states)
    places = [place(state) for state in graph.states[:count]]
    before: list[list[int]] = [[] for _ in range(count)]
    free = bytearray(count)
    heap = []
    for state in range(count):
        out = rests(graph.states[state])
        for label, target in graph.edges(state):
            if label & FAULT:
                continue
            before[target].append(state)
            out = out or places[target] != places[state]
        if out:
            free[state] = 1
            heap.append(state)
    while heap:
        for state in before[heap.pop()]:
            if not free[state]:
                free[state] = 1
                heap.append(state)
    return next((state for state in range(count) if not free[state]), None)


def _reached(graph: Graph[S, A], within: bytearray, starts: list[int]) -> list[int]:
    """States of `within` that some start reaches by actions without a fault, never leaving it, in their order."""
    begin, end, labels, targets = graph.begin, graph.end, graph.labels, graph.targets
    left = bytearray(within)  # those that were not seen yet
    for state in starts:
        left[state] = 0
    found = starts
    for state in found:
        for at in range(begin[state], end[state]):
            target = targets[at]
            if left[target] and not labels[at] & FAULT:
                left[target] = 0
                found.append(target)
    return sorted(found)


class _Groups:
    """Which part every state is looked at in now; 0 for none."""

    def __init__(self, graph: Graph[S, A]) -> None:
        self._graph = graph
        self.of = [0] * len(graph.states)
        self._last = 0

    def make(self, members: Iterable[int]) -> list[int]:
        """A new part of these states, taken out of the one that they were in."""
        self._last += 1
        listed = list(members)
        for state in listed:
            self.of[state] = self._last
        return listed

    def inner(self, state: int) -> Iterator[tuple[int, int]]:
        """(action, target) of edges without a fault that stay in the state's part."""
        of = self.of
        for label, target in self._graph.edges(state):
            if not label & FAULT and of[target] == of[state]:
                yield label >> 1, target


def _components(groups: _Groups, members: list[int]) -> Iterator[list[int]]:
    """Strongly connected parts of a part, as far as they hold a cycle (Tarjan, without recursion)."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    on_stack: set[int] = set()
    stack: list[int] = []
    for root in members:
        if root in index:
            continue
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        work = [(root, groups.inner(root))]
        while work:
            state, edges = work[-1]
            for _, target in edges:
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, groups.inner(target)))
                    break
                if target in on_stack and index[target] < low[state]:
                    low[state] = index[target]
            else:
                work.pop()
                if work and low[state] < low[work[-1][0]]:
                    low[work[-1][0]] = low[state]
                if low[state] == index[state]:
                    part = [stack.pop()]
                    while part[-1] != state:
                        part.append(stack.pop())
                    on_stack.difference_update(part)
                    if len(part) > 1 or any(target == state for _, target in groups.inner(state)):
                        yield part


def _fair_part(graph: Graph[S, A], groups: _Groups, part: list[int], duties: Sequence[object | None]) -> list[int]:
    """States of a part in which one can stay for ever without owing an action; empty if there are none."""
    work = [part]
    while work:
        part = groups.make(work.pop())
        within = set(part)
        enabled: dict[object, list[int]] = {}
        taken: set[object] = set()
        for state in part:
            for label, target in graph.edges(state):
                duty = duties[label >> 1]
                if label & FAULT or duty is None:
                    continue
                enabled.setdefault(duty, []).append(state)
                if target in within:
                    taken.add(duty)
        owing = {state for duty, states in enabled.items() if duty not in taken for state in states}
        if not owing:
            return part
        work += list(_components(groups, groups.make(within - owing)))
    return []


def _turn(graph: Graph[S, A], at: int, within: set[int]) -> list[int]:
    """Actions of one way round, from `at` back to it."""
    came: dict[int, tuple[int, int]] = {}
    queue = [at]
    for state in queue:
        for label, target in graph.edges(state):
            if label & FAULT or target not in within:
                continue
            if target == at:
                turn = [label >> 1]
                while state != at:
                    state, label_before = came[state]
                    turn.append(label_before)
                return turn[::-1]
            if target not in came:
                came[target] = (state, label >> 1)
                queue.append(target)
    return []
