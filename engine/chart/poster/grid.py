"""Measures of the path at a glance: how large its boxes are, where each stands, and how its texts break."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.chart.model import Row
from engine.chart.picture import Edge, Picture, why_to
from engine.chart.poster.lettering import Run, bare, lines_of, width_of
from engine.chart.poster.scene import Scene, short_name

__all__ = [
    "ABOUT",
    "LANE",
    "NAME",
    "PAD",
    "WHY",
    "Grid",
    "cut",
    "grid_of",
    "least_width",
    "name_parts",
    "reasons",
    "scale_for",
]

USUAL = 1700.0  # the width for which all sizes are meant; a wider path is drawn larger, to be read from afar
IN_ROW = 8  # phases; more go into a second row
NAME = 27.0
ABOUT = 12.0
WHY = 12.0
PAD = 13.0
LANE = 27.0
SMALLEST, LARGEST = 150.0, 300.0  # a box
GAP, WIDEST_GAP = 66.0, 300.0  # between two boxes, for the arrow
START_ROOM = 34.0  # left of the first box
ELLIPSIS = " …"


@dataclass(frozen=True, slots=True)
class Grid:
    """`scale` multiplies every size of text and line; the others are in units of the page."""

    rows: tuple[tuple[str, ...], ...]
    scale: float
    left: float
    box: float
    gap: float

    @property
    def pitch(self) -> float:
        return self.box + self.gap

    def x(self, place: int) -> float:
        return self.left + self.pitch * place


def grid_of(picture: Picture, width: float) -> Grid:
    """As wide as there is room; few phases do not grow without end, they move apart and to the middle."""
    path, scale = picture.path, scale_for(picture, width)
    rows = tuple(path[start : start + IN_ROW] for start in range(0, len(path), IN_ROW))
    count, gap, room = len(rows[0]), GAP * scale, width - START_ROOM * scale
    box = min((room + gap) / count - gap, max(LARGEST, _box_for(path)) * scale)
    if count > 1:
        gap = min((room - box * count) / (count - 1), WIDEST_GAP * scale)
    spare = room - (box + gap) * count + gap
    return Grid(rows, scale, START_ROOM * scale + spare / 2, box, gap)


def scale_for(picture: Picture, width: float) -> float:
    return max(1.0, width / max(USUAL, least_width(picture)))


def least_width(picture: Picture) -> float:
    count = min(IN_ROW, len(picture.path))
    return START_ROOM + count * (max(SMALLEST, _box_for(picture.path)) + GAP) - GAP


def _box_for(names: Sequence[str]) -> float:
    return max(width_of(part, NAME, bold=True) for name in names for part in name_parts(name)) + 2 * PAD


def name_parts(name: str) -> list[str]:
    """A long name in two lines, broken at the underscore nearest to its middle."""
    places = [place + 1 for place, sign in enumerate(name) if sign == "_" and 0 < place < len(name) - 1]
    if len(name) < 9 or not places:
        return [name]
    cut_at = min(places, key=lambda place: abs(place - len(name) / 2))
    return [name[:cut_at], name[cut_at:]]


def reasons(way: Edge, scene: Scene) -> list[str]:
    """On what the flow goes this way; with a journey, on what it did."""
    taken = [row for row in way.rows if scene.trail.mark([row]) is not None]
    return list(dict.fromkeys(_reason(row, way.target, scene) for row in taken or way.rows))


def _reason(row: Row, target: str, scene: Scene) -> str:
    """`judging: if opening.filled > 0`: what a place inside a phase says bears its name."""
    place = f"{short_name(row.state)}: " if "." in row.state else ""
    return f"{place}{why_to(row, target, scene.flow)}"


def cut(words: str, room: float, *, size: float, most: int) -> list[str]:
    """At most so many lines; an ellipsis says that there is more, and the panel says all of it."""
    lines = lines_of([Run(words, "")], room, size=size)
    if len(lines) > most:
        lines = lines_of([Run(words, "")], room - width_of(ELLIPSIS, size), size=size)[:most]
        return [*map(bare, lines[:-1]), f"{bare(lines[-1])}{ELLIPSIS}"]
    return [*map(bare, lines)]
