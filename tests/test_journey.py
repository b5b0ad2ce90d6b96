"""A journey through a chart, counted from its hops and shown on the chart's picture."""

from __future__ import annotations

import pytest
from toy_vocabulary import COFFEE, COFFEE_FLOW

from engine.chart.journey import Hop, Journey, Mark, journey_of, trail_of
from engine.chart.load import load_flow
from engine.chart.model import Flow, Row
from engine.chart.reach import rows_of

MS = 1_000_000

# Two cups, no coins for a third: the second customer dawdles, and somebody opens the door while he does.
HOPS = (
    Hop(1_000 * MS, "IDLE", "coin.inserted", "CHOOSING"),
    Hop(3_000 * MS, "CHOOSING", "drink.chosen", "BREWING.grinding"),
    Hop(3_000 * MS, "BREWING.grinding", "", "BREWING.filling"),
    Hop(20_000 * MS, "BREWING.filling", "done:BREWING.filling", "BREWING.full"),
    Hop(20_000 * MS, "BREWING.full", "served", None),
    Hop(21_500 * MS, "BREWING.full", "cup.taken", "BREWING.cooling"),
    Hop(21_700 * MS, "BREWING.cooling", "after:BREWING.cooling:rest", "IDLE"),
    Hop(21_900 * MS, "IDLE", "coin.inserted", None),
    Hop(22_000 * MS, "IDLE", "coin.inserted", None),
    Hop(23_000 * MS, "IDLE", "coin.inserted", "CHOOSING"),
    Hop(24_000 * MS, "CHOOSING", "door.opened", "SERVICE"),
)


def coffee() -> Flow:
    return load_flow(COFFEE_FLOW, file="coffee.yaml", vocabulary=COFFEE)


def test_a_journey_counts_edges_in_the_order_of_their_first_time_and_the_time_in_every_state() -> None:
    assert journey_of(HOPS, until_ns=24_001 * MS) == Journey(
        edges=(
            ("IDLE", "coin.inserted", "CHOOSING", 2),
            ("CHOOSING", "drink.chosen", "BREWING.grinding", 1),
            ("BREWING.grinding", "", "BREWING.filling", 1),
            ("BREWING.filling", "done:BREWING.filling", "BREWING.full", 1),
            ("BREWING.full", "served", None, 1),
            ("BREWING.full", "cup.taken", "BREWING.cooling", 1),
            ("BREWING.cooling", "after:BREWING.cooling:rest", "IDLE", 1),
            ("IDLE", "coin.inserted", None, 2),
            ("CHOOSING", "door.opened", "SERVICE", 1),
        ),
        states={
            "IDLE": (2, 1_300 * MS),
            "CHOOSING": (2, 3_000 * MS),
            "BREWING": (1, 18_700 * MS),
            "BREWING.grinding": (1, 0),
            "BREWING.filling": (1, 17_000 * MS),
            "BREWING.full": (1, 1_500 * MS),
            "BREWING.cooling": (1, 200 * MS),
            "SERVICE": (1, 1 * MS),
        },
    )


def test_a_leaf_that_leads_to_itself_is_visited_again_but_not_the_state_around_it() -> None:
    hops = [Hop(5, "A.x", "tick", "A.x"), Hop(9, "A.x", "tick", "A.x")]
    assert journey_of(hops, until_ns=10).states == {"A": (1, 5), "A.x": (3, 5)}


def test_no_hop_is_no_journey() -> None:
    assert journey_of([], until_ns=7) == Journey((), {})


def rows(flow: Flow, state: str, event: str) -> list[Row]:
    return [row for row in rows_of(flow.states[state]) if row.event == event]


def test_a_trail_marks_the_rows_that_were_taken() -> None:
    flow = coffee()
    trail = trail_of(flow, journey_of(HOPS, until_ns=0))
    opened, refused = rows(flow, "IDLE", "coin.inserted")
    assert trail.mark([opened]) == Mark((1,), 2)
    assert trail.mark([refused]) == Mark((8,), 2)
    assert trail.mark([opened, refused]) == Mark((1, 8), 4)
    assert trail.mark(rows(flow, "", "door.opened")) == Mark((9,), 1)
    assert trail.mark(rows(flow, "", "coin.inserted")) is None  # IDLE answers first, whatever its guards say
    assert trail.mark(rows(flow, "BREWING.full", "after:BREWING.full:2m")) is None


def test_rows_that_lead_to_the_same_place_on_the_same_event_are_marked_alike() -> None:
    text = COFFEE_FLOW.replace("to: BREWING}\n", "to: BREWING}\n        - {when: credit > 3, to: BREWING}\n")
    flow = load_flow(text, file="coffee.yaml", vocabulary=COFFEE)
    trail = trail_of(flow, Journey((("CHOOSING", "drink.chosen", "BREWING.grinding", 3),), {}))
    first, second, stays = rows(flow, "CHOOSING", "drink.chosen")
    assert [trail.mark([row]) for row in (first, second, stays)] == [Mark((1,), 3), Mark((1,), 3), None]
    assert trail.mark([first, second]) == Mark((1,), 3)


def test_an_edge_that_the_flow_does_not_know_is_left_out() -> None:
    journey = Journey((("IDLE", "door.opened", "CHOOSING", 1), ("NOWHERE", "", None, 1)), {"NOWHERE": (1, 5)})
    assert trail_of(coffee(), journey).numbers == {}


def test_without_a_journey_nothing_is_marked_and_nothing_is_missed() -> None:
    trail = trail_of(coffee(), None)
    assert trail.mark(rows(coffee(), "IDLE", "coin.inserted")) is None
    assert (trail.stay("IDLE"), trail.missed("IDLE")) == ("", False)


def test_a_trail_tells_stays_and_what_was_missed() -> None:
    trail = trail_of(coffee(), journey_of(HOPS, until_ns=24_001 * MS))
    assert (trail.stay("IDLE"), trail.missed("IDLE")) == ("2 visits, 1.300 s", False)
    assert (trail.stay("STOPPED"), trail.missed("STOPPED")) == ("", True)


@pytest.mark.parametrize(
    ("ns", "told"),
    [
        (0, "0 ms"), (999 * MS, "999 ms"), (1_000 * MS, "1.000 s"), (9_999 * MS, "9.999 s"), (10_000 * MS, "10.0 s"),
        (59_999 * MS, "59.9 s"), (60_000 * MS, "1 min 0 s"), (3_599_999 * MS, "59 min 59 s"),
        (7_500_000 * MS, "2 h 5 min"),
    ],
)  # fmt: skip
def test_time_is_told_to_the_digit_that_matters(ns: int, told: str) -> None:
    assert trail_of(coffee(), Journey((), {"IDLE": (1, ns)})).stay("IDLE") == f"1 visit, {told}"


def test_marks_tell_numbers_and_counts() -> None:
    marks = (Mark((2,), 1), Mark((2,), 3), Mark((2, 5), 2), Mark((2, 5), 4), Mark((2, 5, 9), 3), Mark((2,), 12_345))
    assert [str(mark) for mark in marks] == ["2", "2 ×3", "2,5", "2,5 ×4", "2,5,…", "2 ×12k"]
