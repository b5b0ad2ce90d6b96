"""Situations told as one: the folded search sees what the full one sees, each once, and they lead to the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable

import pytest
from trading_kit import eagle_flow

from engine.chart.search import Graph, search
from engine.trading.inquiry import OWNER as INQUIRY
from engine.verify.bounds import Bounds
from engine.verify.proof import World
from engine.verify.settling import Settling, nobody_asks
from engine.verify.situation import Action, Scratch, State
from engine.verify.stepper import GiveTimer, Place
from engine.verify.symmetry import Symmetry

FLOW = eagle_flow()
WHOLE = 100_000


def searched(bounds: Bounds, *, folded: bool) -> tuple[World, Graph[State, Action]]:
    world = World(FLOW, bounds, folded=folded)
    graph = search(world, world.rules.always, faults=bounds.faults, most=WHOLE)
    assert graph.complete
    return world, graph


def value(world: World, state: State, fold: Symmetry) -> Hashable:
    """The situation without numbers of the search, orders for what is left, equal accounts in the order of `fold`."""
    settling = Settling(world.stepper, world.venues.timers, depth=world.bounds.overlaps, shrinks=True)
    state = settling.frozen(Scratch(state))
    key = world.stepper.keys[state.desk]
    scratch = Scratch(state)
    swap = fold.sorting(key)
    if swap is not None:
        key = fold.swapped(key, swap)
        scratch.move(swap)
    marks = [(scratch.truth[at], at in scratch.refusing, scratch.queues[at]) for at in range(len(scratch.truth))]
    swap = fold.breaking_ties(key, marks) if fold.tied(key) else None
    if swap is not None:
        scratch.move(swap)
    keys = world.venues.timers.keys
    timers = frozenset(
        (keys[it.number], it.ripe, frozenset(name for at, name in enumerate(keys) if it.after >> at & 1))
        for it in state.timers
    )
    return (
        key, tuple(scratch.orders), tuple(scratch.queues), state.asks, timers, tuple(scratch.truth),
        scratch.refusing, state.stopped, state.depth,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("faults", "kinds"),
    [
        (0, set()),
        (1, {"always refuses", "liquidation"}),
        (1, {"partial"}),
        (1, {"slow stream"}),
        (1, {"cancel overtakes fill", "duplicate"}),
    ],
)
def test_the_folded_search_sees_every_situation_of_the_full_one(faults: int, kinds: set[str]) -> None:
    bounds = Bounds(faults=faults, kinds=frozenset(kinds))
    world, graph = searched(bounds, folded=False)
    folded, small = searched(bounds, folded=True)
    fold = folded.stepper.symmetry
    full = {value(world, state, fold) for state in graph.states}
    few = {value(folded, state, fold) for state in small.states}
    assert (full - few, few - full) == (set(), set())
    assert len(few) == len(small.states) < 0.6 * len(graph.states)
    assert {graph.facts[0]} == {small.facts[0]}
    assert set(graph.facts) == set(small.facts)


def test_a_step_that_orders_nothing_from_equal_accounts_does_the_same_where_they_are_swapped() -> None:
    """What the folded search takes for granted. Where orders leave, it computes both."""
    folded, _ = searched(Bounds(faults=1, kinds=frozenset({"disconnect"})), folded=True)
    stepper, fold = folded.stepper, folded.stepper.symmetry
    (swap,) = fold.swaps()
    told = 0
    for desk, given in list(stepper._memo):
        before = stepper.keys[desk]
        here = stepper._outcomes(before, given)
        if any(type(it) is Place and it.account in fold.orders_to for outcome in here for it in outcome.done):
            continue
        there = stepper._outcomes(fold.swapped(before, swap), stepper._swapped(given, swap))
        assert [(it.desk, it.done) for it in here] == [(it.desk, it.done) for it in there], given
        told += 1
    assert told > 500


@pytest.mark.parametrize(
    "kinds", [{"slow stream", "duplicate"}, {"disconnect", "slow cancel"}, {"ack lost", "slow world"}]
)
def test_situations_told_as_one_lead_to_the_same(kinds: set[str]) -> None:
    """Of one account each, so that only what has filled of an order differs."""
    bounds = Bounds(faults=1, takers=1, kinds=frozenset(kinds))
    world, graph = searched(bounds, folded=False)
    alone = Symmetry(world.names, ())
    values = [value(world, state, alone) for state in graph.states]
    leads: dict[Hashable, set[Hashable]] = defaultdict(set)
    for number, of in enumerate(values):
        ways = frozenset(
            (graph.actions[label >> 1]._replace(qty=0), values[target])
            for label, target in graph.edges(number)
            if not label & 1
        )
        leads[of].add((graph.facts[number], ways))
    assert {of: ways for of, ways in leads.items() if len(ways) > 1} == {}
    assert len(leads) < 0.9 * len(values)


def test_where_chance_chose_from_equal_accounts_swapping_them_leads_nowhere_else() -> None:
    folded, _ = searched(Bounds(faults=1, kinds=frozenset({"partial"})), folded=True)
    stepper, fold = folded.stepper, folded.stepper.symmetry
    (swap,) = fold.swaps()
    told = 0
    for desk, given in list(stepper._memo):
        before = stepper.keys[desk]
        stepper._by_name = False
        here = stepper._outcomes(before, given)
        ordered = any(type(it) is Place and it.account in fold.orders_to for outcome in here for it in outcome.done)
        if stepper._by_name or not ordered:
            continue
        there = stepper._outcomes(fold.swapped(before, swap), stepper._swapped(given, swap), swap)
        assert {(it.desk, it.swap, it.done) for it in there} == {(it.desk, it.swap, it.done) for it in here}, given
        told += len(here) > 1
    assert told > 50


def test_a_timer_that_is_put_by_would_find_nothing_to_do() -> None:
    world, _ = searched(Bounds(faults=1, takers=1, kinds=frozenset({"ack lost", "question fails"})), folded=False)
    told = 0
    for number, key in enumerate(list(world.stepper.keys)):
        for place, order in enumerate(key.orders, start=1):
            if nobody_asks(order):
                outcomes = world.stepper.step(number, (GiveTimer(INQUIRY, place),))
                assert [(it.desk, it.done) for it in outcomes] == [(number, ())], order
                told += 1
    assert told > 500
