"""Ways that skip phases, as arcs above the row, and ways back, below it: the shortest next to the phases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.chart.picture import Edge
from engine.chart.poster.cards import badge
from engine.chart.poster.grid import LANE, WHY, Grid, cut, reasons
from engine.chart.poster.ink import element, group, path, rect, text
from engine.chart.poster.lettering import width_of
from engine.chart.poster.scene import Scene

__all__ = ["Arc", "arcs_of", "draw_arc", "lanes"]


@dataclass(frozen=True, slots=True)
class Arc:
    """`left` and `right` are places in the row; lane 0 is next to it."""

    way: Edge
    left: int
    right: int
    forward: bool
    lane: int


def arcs_of(row: Sequence[str], ways: Sequence[Edge]) -> tuple[list[Arc], list[Arc]]:
    """Those above and those below a row; two share a lane where they do not overlap."""
    places = {name: place for place, name in enumerate(row)}
    found = []
    for way in ways:
        if way.source in places and way.target in places:
            source, target = places[way.source], places[way.target]
            if target != source + 1:
                found.append((abs(target - source), min(source, target), max(source, target), target > source, way))
    above: list[Arc] = []
    below: list[Arc] = []
    for _, left, right, forward, way in sorted(found, key=lambda one: one[:3]):
        arcs = above if forward else below
        lane = 0
        while any(arc.lane == lane and arc.left < right and left < arc.right for arc in arcs):
            lane += 1
        arcs.append(Arc(way, left, right, forward, lane))
    return above, below


def lanes(arcs: Sequence[Arc]) -> int:
    return max((arc.lane + 1 for arc in arcs), default=0)


def draw_arc(arc: Arc, scene: Scene, grid: Grid, *, edge: float, words: float) -> str:
    """`edge` is where the arc leaves the boxes, their top or bottom; above them stand `words` of that height."""
    s = grid.scale
    up = -1 if arc.forward else 1  # the way out of the box, as a sign of y
    level = edge + up * ((words if arc.forward else 0) + LANE * arc.lane + (8 if arc.forward else LANE - 2)) * s
    a, b = (grid.x(place) + grid.box / 2 + move * s for place, move in ((arc.left, 16), (arc.right, -16)))
    start, end = (a, b) if arc.forward else (b, a)
    mark = scene.trail.mark(arc.way.rows)
    hue = scene.hue(arc.way.target)
    line, head = ("tookline", "took") if mark is not None else (f"edge s{hue}", f"f{hue}")
    parts = [path(_steps(start, end, edge, level, s), class_=line, stroke_width=1.8 * s), _tip(end, edge, up * s, head)]
    for why in cut(" · ".join(reasons(arc.way, scene)), b - a - 60 * s, size=WHY * s, most=1):
        # A line of another way may cross here.
        wide = width_of(why, WHY * s)
        parts.append(rect((start + end - wide) / 2, level - 17 * s, wide, 15 * s, class_="bg"))
        parts.append(text((start + end) / 2, level - 5 * s, why, size=WHY * s, class_="if", anchor="middle"))
    if mark is not None:
        parts.append(badge(str(mark), a + 22 * s, level, scale=s))
    missed = scene.trail.journey is not None and mark is None
    classes = "way dim" if missed else "way"
    return group(parts, class_=classes, data_from=arc.way.source, data_to=arc.way.target)


def _steps(start: float, end: float, edge: float, level: float, s: float) -> str:
    turn = 10 * s if end > start else -10 * s
    rise = 10 * s if level < edge else -10 * s
    return (
        f"M{start:.1f} {edge:.1f}V{level + rise:.1f}Q{start:.1f} {level:.1f} {start + turn:.1f} {level:.1f}"
        f"H{end - turn:.1f}Q{end:.1f} {level:.1f} {end:.1f} {level + rise:.1f}V{edge - rise:.1f}"
    )


def _tip(x: float, edge: float, up: float, class_: str) -> str:
    """Of an arrow that ends at the edge, coming from `up`."""
    back, wing = edge + 11 * up, 5.5 * abs(up)
    points = f"{x:.1f},{edge:.1f} {x - wing:.1f},{back:.1f} {x + wing:.1f},{back:.1f}"
    return element("polygon", points=points, class_=class_)
