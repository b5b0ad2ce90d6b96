"""The search knows no trading: small worlds of numbers show what it finds and what it claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from engine.chart.fairness import never_led, stuck_states
from engine.chart.search import DEADLOCK, Always, Edge, Graph, LeadsTo, search

Ways = Mapping[int, Sequence[tuple[str, int]]]


class Numbers:
    """States are numbers; `facts` are those with bit 1, `ends` may stand still. An action with ! is a fault."""

    def __init__(self, ways: Ways, *, facts: frozenset[int] = frozenset(), ends: frozenset[int] = frozenset()) -> None:
        self.ways = ways
        self._facts = facts
        self.ends = ends

    def first(self) -> int:
        return 0

    def edges(self, state: int, *, faults: bool) -> list[Edge[int, str]]:
        return [
            Edge(name, target, "!" in name, ("told",) if "?" in name else ())
            for name, target in self.ways.get(state, ())
            if faults or "!" not in name
        ]

    def facts(self, state: int) -> int:
        return 1 if state in self._facts else 2

    def done(self, state: int) -> bool:
        return state in self.ends


def whole(model: Numbers) -> Graph[int, str]:
    graph = search(model, [], faults=1, most=1_000)
    assert graph.complete
    return graph


def steps(graph: Graph[int, str], at: int) -> list[str]:
    return [name for name, _ in graph.path(at)]


def test_the_shortest_way_to_a_broken_rule_is_told() -> None:
    model = Numbers({0: [("long", 1), ("short", 3)], 1: [("on", 2)], 2: [("on", 3)]}, facts=frozenset({0, 1, 2}))
    graph = search(model, [Always("small", 1)], most=100)
    assert [(it.name, steps(graph, it.at)) for it in graph.broken] == [("small", ["short"])]


def test_a_rule_that_an_action_breaks_is_told_with_the_action() -> None:
    graph = search(Numbers({0: [("go", 1)], 1: [("bad?", 0)]}), [], most=100)
    (broken,) = graph.broken
    assert (broken.name, steps(graph, broken.at), graph.actions[broken.action]) == ("told", ["go"], "bad?")


def test_standing_still_is_a_deadlock_unless_it_is_the_end() -> None:
    ways = {0: [("go", 1)]}
    assert [it.name for it in search(Numbers(ways), [], most=100).broken] == [DEADLOCK]
    assert search(Numbers(ways, ends=frozenset({1})), [], most=100).broken == []


def test_a_search_that_was_cut_off_is_not_complete() -> None:
    endless = Numbers({n: [("on", n + 1)] for n in range(1_000)})
    graph = search(endless, [], most=10)
    assert (graph.complete, len(graph.states)) == (False, 10)


LEADS = LeadsTo("arrives", when=2, then=1)


@pytest.mark.parametrize(
    ("ways", "ends", "why"),
    [
        ({0: [("go", 1)]}, {1}, None),
        ({0: [("go", 2)]}, {2}, "the flow is over"),
        ({0: [("go", 2), ("fault!", 1)]}, {2}, "the flow is over"),
        ({0: [("wait", 2), ("go", 1)], 2: [("back", 0)]}, {1}, None),  # going is owed: it can happen again and again
        ({0: [("wait", 2)], 2: [("back", 0), ("fault!", 1)]}, {1}, "it can go on so for ever"),
        ({0: [("maybe", 1)]}, {1}, "nobody has to do anything more"),
        ({0: [("go", 2)], 2: [("maybe", 1), ("fault!", 1)]}, {1}, "nobody has to do anything more"),
        ({0: [("wait", 2), ("maybe", 1)], 2: [("back", 0)]}, {1}, "it can go on so for ever"),  # nobody owes "maybe"
    ],
)
def test_what_must_come_at_last(ways: Ways, ends: set[int], why: str | None) -> None:
    model = Numbers(ways, facts=frozenset({1}), ends=frozenset(ends))
    fair = {"maybe": None}
    found = never_led(whole(model), LEADS, fair=lambda name: fair.get(name, name), done=model.done)
    assert (found.why if found else None) == why


def test_a_turn_that_goes_on_for_ever_is_shown() -> None:
    graph = whole(Numbers({0: [("out", 2)], 2: [("back", 0)]}))
    found = never_led(graph, LEADS, fair=lambda name: name, done=lambda _: False)
    assert found is not None
    assert [graph.actions[label] for label in found.turn] == ["out", "back"]


def test_a_place_that_only_a_fault_leads_out_of_cannot_be_left() -> None:
    graph = whole(Numbers({0: [("in", 10)], 10: [("turn", 11), ("out!", 0)], 11: [("turn", 10)]}))
    assert stuck_states(graph, place=lambda state: state // 10, rests=lambda _: False) == 1
    assert stuck_states(graph, place=lambda state: state // 10, rests=lambda state: state >= 10) is None
