"""A journey through a chart, counted from its hops and shown on the chart's picture."""

from __future__ import annotations

from pathlib import Path

from toy_vocabulary import COFFEE, COFFEE_FLOW

from engine.chart.journey import Hop, Journey, Mark, journey_of, marks_of, walked
from engine.chart.load import load_flow
from engine.chart.model import Flow
from engine.chart.picture import ANYWHERE, picture_of
from engine.chart.render import mermaid

MS = 1_000_000
GOLDEN = Path(__file__).resolve().parent / "golden" / "coffee_journey.mmd"

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


def test_marks_stand_where_the_picture_has_its_edges() -> None:
    marks = marks_of(coffee(), journey_of(HOPS, until_ns=0))
    assert marks["CHOOSING", "BREWING", "drink.chosen [event.drink in [espresso, lungo]]"] == Mark((2,), 1)
    assert marks["IDLE", "", "coin.inserted / display not enough"] == Mark((8,), 2)
    assert marks[ANYWHERE, "SERVICE", "door.opened / open = true"] == Mark((9,), 1)
    assert len(marks) == 9


def test_an_edge_that_the_flow_does_not_know_is_left_out() -> None:
    journey = Journey((("IDLE", "door.opened", "CHOOSING", 1), ("NOWHERE", "", None, 1)), {"NOWHERE": (1, 5)})
    assert marks_of(coffee(), journey) == {}
    assert all(edge.labels == () for edge in walked(picture_of(coffee()), journey).edges)


def test_one_label_of_a_shared_edge_may_be_taken_without_the_other() -> None:
    picture = walked(picture_of(coffee()), journey_of(HOPS, until_ns=0))
    (edge,) = [edge for edge in picture.edges if edge.source == "BREWING.full"]
    assert edge.labels == ("(6) cup.taken",)  # not `after 2m`


def test_a_journey_drawn_as_mermaid_is_the_same_text_as_before() -> None:
    assert mermaid(coffee(), journey=journey_of(HOPS, until_ns=24_001 * MS)) == GOLDEN.read_text(encoding="utf-8")


def test_marks_tell_numbers_and_counts() -> None:
    assert [str(mark) for mark in (Mark((2,), 1), Mark((2,), 3), Mark((2, 5), 2), Mark((2, 5), 4))] == [
        "(2)", "(2) x3", "(2,5)", "(2,5) x4",
    ]  # fmt: skip
