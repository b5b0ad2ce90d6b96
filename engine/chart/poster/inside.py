"""The inside of a phase: cards placed by Graphviz, lines from what a card says to where that leads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.chart.model import Flow
from engine.chart.picture import initial_leaf
from engine.chart.poster.cards import Card, card_for
from engine.chart.poster.lines import Line
from engine.chart.poster.scene import Scene
from engine.chart.reach import rows_of
from engine.chart.words import Kind

__all__ = ["Inside", "LayOut", "Nest", "Point", "Route", "lay_out_inside"]

LayOut = Callable[[str], str]  # DOT text -> the JSON of Graphviz (its format json0)
Point = tuple[float, float]

UNIT = 2.0  # a record's fields are this high, so that a line can leave beside any row
INCH = 72.0
RANK_GAP = 0.8  # inches between two columns of cards
START = "START"
NEST = "cluster_"
GRAPH = """\
    graph [rankdir=LR, nodesep=0.3, ranksep={gap}];
    node [shape=record, fixedsize=true, fontsize=1, margin=0];
    edge [arrowsize=0.8];
    START [shape=circle, width=0.14, label=""];"""


@dataclass(frozen=True, slots=True)
class Route:
    """`points`: the start, then three for each Bézier curve; `tip` is the arrow's.

    `line` is what the card says, None for the start and for what a journey took by a row of a state around it.
    """

    source: str
    target: str
    line: Line | None
    number: int  # of the journey, else 0
    points: tuple[Point, ...]
    tip: Point


@dataclass(frozen=True, slots=True)
class Nest:
    """The box around a nested state's places."""

    state: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Inside:
    """All with (0, 0) at the left top; a card with its own left top."""

    width: float
    height: float
    cards: tuple[tuple[Card, Point], ...]
    nests: tuple[Nest, ...]
    routes: tuple[Route, ...]
    start: Point


def lay_out_inside(phase: str, scene: Scene, lay_out: LayOut, *, room: float) -> Inside:
    """Every state under `phase`, from left to right; all cards are equally wide, so that columns are straight."""
    natural = [card_for(name, scene, room=room) for name in _in_reach(phase, scene.flow)]
    width = max(card.width for card in natural)
    cards = {card.state: replace(card, width=width) for card in natural}
    return _placed(json.loads(lay_out(_dot(phase, scene, cards))), cards)


def _under(phase: str, flow: Flow) -> Iterator[str]:
    for child in flow.states[phase].children:
        yield child
        yield from _under(child, flow)


def _in_reach(phase: str, flow: Flow) -> list[str]:
    """Every state under the phase, nearest to its start first, then those that are entered only from elsewhere."""
    names = list(_under(phase, flow))
    order = [flow.states[phase].initial or flow.states[phase].children[0]]
    for name in order:
        near = [row.target for row in rows_of(flow.states[name]) if row.target in names]
        order += [target for target in dict.fromkeys(near) if target is not None and target not in order]
        if flow.states[name].children and (first := initial_leaf(flow, name)) not in order:
            order.append(first)
    return [*order, *(name for name in names if name not in order)]


# --- to Graphviz


def _dot(phase: str, scene: Scene, cards: Mapping[str, Card]) -> str:
    flow = scene.flow
    first = flow.states[phase].initial or flow.states[phase].children[0]
    graph = GRAPH.format(gap=RANK_GAP + scene.badge_room / INCH / 2)
    lines = ["digraph {", graph, *_nodes(phase, flow, cards), f'    START -> "{first}" [weight=3];']
    reached = {first}
    order = list(cards)
    for card in cards.values():
        for number, target in _ways(card, cards):
            reached.add(target)
            # What leads back must not push its own state to the right of everything.
            leads_back = order.index(target) < order.index(card.state)
            free = ", constraint=false" if leads_back or card.ports[number].goal.kind is Kind.START else ""
            lines.append(
                f'    "{card.state}":p{_field(card.ports[number].y)} -> "{target}":head [id="{number}"{free}];'
            )
    for number, source, target in scene.hops_by_outer_rows:
        if source in cards and target in cards:
            lines.append(f'    "{source}":head -> "{target}":head [id="hop {number}", constraint=false];')
    # Entered only from elsewhere: at the left, with the first.
    lines += [
        f'    START -> "{name}" [style=invis];' for name in cards if name not in reached and not _nested(name, phase)
    ]
    return "\n".join([*lines, "}"])


def _ways(card: Card, cards: Mapping[str, Card]) -> Iterator[tuple[int, str]]:
    """Number of a port, and where it leads; alternatives that lead to the same place share one line."""
    drawn: set[tuple[str, Kind, str]] = set()
    for number, port in enumerate(card.ports):
        goal = port.goal
        key = (goal.state, goal.kind, goal.occasion)
        if goal.state in cards and goal.state != card.state and key not in drawn:
            drawn.add(key)
            yield number, goal.state


def _nodes(name: str, flow: Flow, cards: Mapping[str, Card]) -> Iterator[str]:
    for child in flow.states[name].children:
        if flow.states[child].children:
            yield f'    subgraph "{NEST}{child}" {{ graph [margin=14];'
            yield _node(cards[child])
            yield from _nodes(child, flow, cards)
            yield f"    {_above_first(child, flow)} }}"
        else:
            yield _node(cards[child])


def _above_first(name: str, flow: Flow) -> str:
    """The card of a state with states inside stands above the one where it begins; Graphviz puts tails below heads."""
    first = flow.states[name].initial or flow.states[name].children[0]
    return "" if flow.states[first].children else f'{{ rank=same; "{first}" -> "{name}" [style=invis]; }}'


def _node(card: Card) -> str:
    fields = [""] * _field(card.height)
    fields[_field(HEAD_MIDDLE)] = "<head>"
    for port in card.ports:
        fields[_field(port.y)] = f"<p{_field(port.y)}>"
    size = f"width={card.width / INCH:.4f}, height={card.height / INCH:.4f}"
    return f'    "{card.state}" [{size}, label="{"|".join(fields)}"];'


HEAD_MIDDLE = 13.0


def _field(y: float) -> int:
    return int(y / UNIT)


def _nested(name: str, phase: str) -> bool:
    return "." in name.removeprefix(f"{phase}.")


# --- from Graphviz


def _placed(drawn: dict[str, Any], cards: Mapping[str, Card]) -> Inside:
    left, low, right, high = _numbers(drawn["bb"])

    def turned(x: float, y: float) -> Point:
        return x - left, high - y

    names: dict[object, str] = {}
    places: dict[str, Point] = {}
    nests: list[Nest] = []
    start = (0.0, 0.0)
    for thing in drawn["objects"]:
        name = names[thing["_gvid"]] = thing["name"]
        if name.startswith(NEST):
            x0, y0, x1, y1 = _numbers(thing["bb"])
            nests.append(Nest(name.removeprefix(NEST), *turned(x0, y1), x1 - x0, y1 - y0))
            continue
        if name != START and name not in cards:
            continue  # what only says that two cards share a column
        x, y = turned(*_numbers(thing["pos"]))
        if name == START:
            start = (x, y)
        else:
            places[name] = (x - cards[name].width / 2, y - cards[name].height / 2)
    routes = []
    for edge in drawn.get("edges", ()):
        if edge.get("style") == "invis":
            continue
        source, target = names[edge["tail"]], names[edge["head"]]
        label = edge.get("id", "")
        port = cards[source].ports[int(label)] if label.isdigit() else None
        if "pos" in edge:
            tip, *points = [turned(*_numbers(point)) for point in edge["pos"].removeprefix("e,").split(" ")]
        elif source == START:
            continue
        else:
            tip, *points = _around(
                HEAD_MIDDLE if port is None else port.y, cards[source], places[source], places[target]
            )
        number = int(label.removeprefix("hop ")) if label.startswith("hop ") else 0
        routes.append(Route(source, target, None if port is None else port.line, number, tuple(points), tip))
    return Inside(
        right - left,
        high - low,
        tuple((cards[name], place) for name, place in places.items()),
        tuple(nests),
        tuple(routes),
        start,
    )


def _around(port_y: float, card: Card, source: Point, target: Point) -> tuple[Point, Point, Point, Point, Point]:
    """Tip and curve on the right of both cards: Graphviz loses a few lines between cards of one column."""
    x, y = source[0] + card.width, source[1] + port_y
    end = (target[0] + card.width, target[1] + HEAD_MIDDLE)
    out = 26 + abs(end[1] - y) / 8
    return end, (x, y), (x + out, y), (end[0] + out, end[1]), (end[0] + 8, end[1])


def _numbers(text: object) -> tuple[float, ...]:
    return tuple(map(float, str(text).split(",")))
