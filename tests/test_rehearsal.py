"""Whatever may happen in a proof goes the same way in the real runner on the paper venue."""

from __future__ import annotations

from functools import cache

from trading_kit import eagle_flow

from cli.rehearsal import rehearse
from engine.chart.search import Graph, search
from engine.verify.bounds import Bounds
from engine.verify.proof import Shown, Verdict, World
from engine.verify.rules import Named
from engine.verify.script import Script, as_yaml, read_script, script_of
from engine.verify.situation import Action, State

FLOW = eagle_flow()


@cache
def searched() -> tuple[World, Graph[State, Action], dict[str, int]]:
    """One fault, one taker; the first state that each thing that happens leads to."""
    world = World(FLOW, Bounds(faults=1, takers=1))
    graph = search(world, [], faults=1, most=100_000)
    first: dict[str, int] = {}
    for state in range(1, len(graph.states)):
        action = graph.actions[graph.came_by[state]]
        if action.kind != "timer":
            first.setdefault(f"{action.kind} {action.detail}".strip(), state)
    return world, graph, first


def script_to(state: int) -> Script:
    world, graph, _ = searched()
    shown = Shown(Named("a way", "flow", ""), Verdict.VIOLATED, "", tuple(graph.path(state)))
    return read_script(as_yaml(script_of(world, shown)), file="way.yaml")


def test_everything_that_may_happen_in_a_proof_can_be_led() -> None:
    """But for ways on which a timer that really runs is not as long as the model lets it be."""
    _, _, first = searched()
    whys = {what: rehearse(FLOW, script_to(state)).why for what, state in first.items()}
    wrong = {what: why for what, why in whys.items() if why}
    assert {what for what, why in wrong.items() if "came before" not in why} == set()
    assert len(wrong) <= 2
    assert {"liquidated", "market closes", "venue cancels", "filled told twice", "wait over"} <= set(whys)
