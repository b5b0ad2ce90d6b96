"""Pictures as text, whole texts of small charts compared, and the words and lines that every picture is made of.

Write them anew with `EAGLE_WRITE_GOLDEN=1 pytest tests/test_render.py`, and look at them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from toy_vocabulary import COFFEE, COFFEE_FLOW

from engine.chart.journey import Hop, journey_of
from engine.chart.load import load_flow
from engine.chart.model import Flow
from engine.chart.picture import Edge, Tone, picture_of, why_to
from engine.chart.reach import rows_of
from engine.chart.render import dot, mermaid
from engine.chart.words import line_of, told_by
from engine.trading.vocabulary import trading_vocabulary

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"
EAGLE = load_flow(
    (ROOT / "flows" / "eagle_chicken.yaml").read_text(encoding="utf-8"),
    file="eagle_chicken.yaml",
    vocabulary=trading_vocabulary(),
)
WRITE = os.environ.get("EAGLE_WRITE_GOLDEN") == "1"

# Signs that each kind of text reads as its own, a compound state that answers for its places, two rows for one edge.
AWKWARD = """\
flow: awkward
version: 2
about: It says "<hello>" & {more}; a \\ too.
events:
  served: "full"
on:
  coin.inserted: {do: [{display: "a; b: <c> {d|e} \\"f\\" #1"}]}
  door.opened: {to: end, do: [{set: {tries: context.tries + 1}}]}
ignore: {drink.chosen: no, cup.taken: no, door.closed: no, served: no}
context:
  tries: {type: count, start: 0, cap: 3}
states:
  ROUND:
    on:
      coin.inserted: {to: .second, when: credit < 3}
      drink.chosen: {to: ROUND, when: water > 1}
      served: .second
    states:
      first:
        after: {3s: .second, 4s: {to: .second, do: [{raise: served}]}}
      second:
        invoke:
          do: {brew: espresso}
          timeout: 1m30s
          retry: {times: 2, wait: 250ms}
          done: ROUND
          error: end
  end: {final: true}
recipes:
  espresso: {grams: 7, price: 0.80}
"""


def coffee() -> Flow:
    return load_flow(COFFEE_FLOW, file="coffee.yaml", vocabulary=COFFEE)


def awkward() -> Flow:
    return load_flow(AWKWARD, file="awkward.yaml", vocabulary=COFFEE)


JOURNEY = journey_of(
    [
        Hop(1_000_000_000, "IDLE", "coin.inserted", "CHOOSING"),
        Hop(3_000_000_000, "CHOOSING", "drink.chosen", "BREWING.grinding"),
        Hop(3_000_000_000, "BREWING.grinding", "", "BREWING.filling"),
        Hop(20_000_000_000, "BREWING.filling", "done:BREWING.filling", "BREWING.full"),
        Hop(20_000_000_000, "BREWING.full", "served", None),
        Hop(21_500_000_000, "BREWING.full", "cup.taken", "BREWING.cooling"),
        Hop(21_700_000_000, "BREWING.cooling", "after:BREWING.cooling:rest", "IDLE"),
        Hop(23_000_000_000, "IDLE", "coin.inserted", "CHOOSING"),
        Hop(24_000_000_000, "CHOOSING", "door.opened", "SERVICE"),
    ],
    until_ns=24_001_000_000,
)


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("coffee.mmd", mermaid(coffee(), highlight="BREWING.filling")),
        ("coffee.dot", dot(coffee(), highlight="BREWING.filling")),
        ("coffee_journey.mmd", mermaid(coffee(), journey=JOURNEY)),
        ("coffee_journey.dot", dot(coffee(), journey=JOURNEY)),
        ("awkward.mmd", mermaid(awkward())),
        ("awkward.dot", dot(awkward(), highlight="ROUND")),
    ],
)
def test_a_picture_is_the_same_text_as_before(name: str, drawn: str) -> None:
    path = GOLDEN / name
    if WRITE:
        path.write_text(drawn, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == drawn


@pytest.mark.parametrize("draw", [mermaid, dot])
def test_the_shipped_flow_says_the_same_as_text(draw: Callable[[Flow], str]) -> None:
    said = " ".join(re.sub(r"\\l|<br/>|#(\d+|quot);|\\", " ", draw(EAGLE)).split())
    for words in (
        "version 1, sha256",
        "→ ERROR",
        "any state",
        "limit.breached · error.raised",
        "in every state, unless it says otherwise",
        "after order_timeout (3s) else → asking",
        "1. reduce elsewhere",
        "every fill is hedged",
        "always state !=",
    ):
        assert words in said


def test_words_stay_whole_but_for_what_is_longer_than_a_line() -> None:
    assert "a_word_that_is_much_longer_than_a_line_of_a_box_may_ever_be" in mermaid(wordy())
    assert "a_word_that_is_much_longer_than_a_line_of_a_box_may_ever_be" in dot(wordy())


def wordy() -> Flow:
    text = COFFEE_FLOW.replace("not enough", "a_word_that_is_much_longer_than_a_line_of_a_box_may_ever_be")
    return load_flow(text, file="coffee.yaml", vocabulary=COFFEE)


# --- what a picture is made of


def ends(edges: Iterable[Edge]) -> list[tuple[str, str, Tone]]:
    return [(edge.source, edge.target, edge.tone) for edge in edges]


def test_lines_join_states_of_one_phase_and_phases_of_the_path() -> None:
    picture = picture_of(coffee())
    assert ends(picture.within) == [
        ("BREWING.grinding", "BREWING.filling", Tone.PLAIN),
        ("BREWING.filling", "BREWING.full", Tone.PLAIN),
        ("BREWING.full", "BREWING.cooling", Tone.PLAIN),
    ]
    assert ends(picture.ways) == [
        ("IDLE", "CHOOSING", Tone.MAIN),
        ("CHOOSING", "BREWING", Tone.MAIN),
        ("CHOOSING", "IDLE", Tone.PLAIN),
        ("BREWING", "IDLE", Tone.PLAIN),
    ]
    assert [edge.back for edge in picture.ways] == [False, False, True, True]


def test_what_holds_for_all_places_of_a_phase_is_no_line() -> None:
    picture = picture_of(awkward())
    assert ends(picture.within) == [("ROUND.first", "ROUND.second", Tone.TIMED)]
    assert [line_of(clause, "ROUND") for clause in picture.told["ROUND"]] == [
        "coin.inserted if credit < 3 → second",
        "drink.chosen if water > 1 → ROUND",
        "served → second",
    ]


def test_what_lies_beside_the_path_is_reached_in_words() -> None:
    picture = picture_of(coffee())
    assert (picture.main, picture.aside) == (("IDLE", "CHOOSING", "BREWING"), ("SERVICE", "STOPPED"))
    assert list(picture.ways_aside("SERVICE")) == [("any state", "door.opened")]
    assert list(picture.ways_aside("STOPPED")) == [("SERVICE", "door.opened")]
    assert list(picture_of(awkward()).ways_aside("end")) == [
        ("any state", "door.opened"),
        ("ROUND.second", "brew failed"),
    ]


FAILING_LAST = """\
flow: failing
version: 1
on:
  coin.inserted: {do: [{beep: }]}
ignore: {drink.chosen: no, cup.taken: no, door.closed: no, door.opened: no}
states:
  READY:
    after: {3s: BUSY}
  BUSY:
    after: {2s: READY, 5s: BROKEN}
  BROKEN: {resting: true}
recipes:
  espresso: {grams: 7, price: 0.80}
"""


def test_a_place_for_failures_declared_last_is_beside_the_main_path() -> None:
    picture = picture_of(load_flow(FAILING_LAST, file="failing.yaml", vocabulary=COFFEE))
    assert (picture.main, picture.aside, picture.path) == (("READY", "BUSY"), ("BROKEN",), ("READY", "BUSY"))
    assert ends(picture.ways) == [("READY", "BUSY", Tone.MAIN), ("BUSY", "READY", Tone.PLAIN)]
    assert list(picture.ways_aside("BROKEN")) == [("BUSY", "after 5s")]


def test_phases_that_only_lead_elsewhere_than_to_the_next_are_on_the_path() -> None:
    text = """\
flow: hub
version: 1
on:
  coin.inserted: {do: [{beep: }]}
states:
  HUB:
    after: {1s: LEFT, 2s: RIGHT}
  RIGHT:
    after: {2s: HUB}
  LEFT:
    after: {2s: HUB}
recipes:
  espresso: {grams: 7, price: 0.80}
"""
    picture = picture_of(load_flow(text, file="hub.yaml", vocabulary=COFFEE))
    assert (picture.path, picture.aside) == (("HUB", "RIGHT", "LEFT"), ())


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("[{when: credit > 1, to: B.x}, {to: B.y}]", ["coin.inserted", "coin.inserted"]),
        ("[{when: credit > 1, to: B.x}, {to: A}]", ["coin.inserted if credit > 1"]),
        (
            "[{when: credit > 1, to: B.x}, {when: credit > 0, to: B.y}]",
            ["coin.inserted if credit > 1", "coin.inserted if credit > 0"],
        ),
    ],
)
def test_conditions_that_only_decide_where_in_a_phase_are_left_out(rows: str, told: list[str]) -> None:
    text = f"""\
flow: pair
version: 1
states:
  A:
    on:
      coin.inserted: {rows}
  B:
    states: {{x: {{resting: true}}, y: {{resting: true}}}}
"""
    flow = load_flow(text, file="pair.yaml", vocabulary=COFFEE)
    assert [why_to(row, "B", flow) for row in rows_of(flow.states["A"]) if row.target != "A"] == told


# --- words


def said(name: str, flow: Flow) -> list[str]:
    return [line_of(clause, name) for clause in told_by(flow.states[name], flow)]


def test_a_state_tells_its_clauses_in_their_order() -> None:
    assert said("BREWING.filling", coffee()) == [
        "entry / pour dose * 5 heat=90%",
        "do brew espresso, timeout brew_timeout (1m30s), tries retries after 250ms",
        "brew done if event.poured > 0 / count cups, raise served → full",
        "brew failed → IDLE",
    ]
    assert said("IDLE", coffee()) == [
        "coin.inserted if credit >= espresso.price and water > 0 and not open → CHOOSING",
        'coin.inserted else / display "not enough"',
    ]
    assert said("BREWING.cooling", coffee()) == ["after rest (100ms..300ms) → IDLE", "defer drink.chosen"]
    assert said("BREWING.grinding", coffee()) == ["entry / grind espresso", "at once → filling"]
    assert said("BREWING", coffee()) == ['exit / display "ready"']


def test_events_with_the_same_consequence_are_told_together() -> None:
    text = COFFEE_FLOW.replace(
        "      cup.taken: .cooling\n", "      cup.taken: .cooling\n          door.closed: .cooling\n"
    )
    flow = load_flow(text, file="coffee.yaml", vocabulary=COFFEE)
    assert said("BREWING.full", flow) == ["cup.taken, door.closed → cooling", "served / beep", "after 2m → cooling"]
    (together, *_) = told_by(flow.states["BREWING.full"], flow)
    assert [row.event for row in together.rows] == ["cup.taken", "door.closed"]


def test_a_name_that_something_else_bears_keeps_its_prefix() -> None:
    text = COFFEE_FLOW.replace("open: {type: bool", "patience: {type: bool").replace("context.open", "context.patience")
    flow = load_flow(text.replace("{open: true}", "{patience: true}").replace("{open: false}", "{patience: false}"),
                     file="coffee.yaml", vocabulary=COFFEE)  # fmt: skip
    assert said("IDLE", flow)[0].endswith("and not context.patience → CHOOSING")
    assert said("BREWING.filling", flow)[0] == "entry / pour dose * 5 heat=90%"


def test_a_verb_is_told_without_what_is_usual() -> None:
    text = COFFEE_FLOW.replace("heat: 90%", "heat: 1")
    assert said("BREWING.filling", load_flow(text, file="coffee.yaml", vocabulary=COFFEE))[0] == "entry / pour dose * 5"


def test_promises_are_told_by_their_kind() -> None:
    sheets = {sheet.title: sheet.lines for sheet in picture_of(coffee()).sheets}
    assert sheets == {
        "Must hold after every step": ("water is never negative: always water >= 0",),
        "To be proved": (
            "a cup comes: state == BREWING leads to state != BREWING",
            "it can serve: can happen: state == BREWING.full",
            "leaves with a cup: on leaving BREWING.full: cups > 0",
        ),
    }
