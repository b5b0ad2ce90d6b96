"""The path at a glance: the phases in a row, why each leads to the next, and arcs for all other ways between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from engine.chart.picture import Edge
from engine.chart.poster.arcs import arcs_of, draw_arc, lanes
from engine.chart.poster.cards import badge
from engine.chart.poster.grid import ABOUT, ELLIPSIS, LANE, NAME, PAD, WHY, cut, grid_of, name_parts, reasons
from engine.chart.poster.ink import circle, element, group, path, rect, text
from engine.chart.poster.lettering import Run, width_of
from engine.chart.poster.scene import Scene

__all__ = ["Strip"]

LINE = 1.3  # from one line to the next, by its size
NAME_LINE = 1.05
MOST_WHY = 5  # lines at one step
MOST_ABOUT = 4  # … in a box
MOST_FAR = 2


class Strip:
    """Laid out for a width; `height` is known at once, `draw` yields the elements with (0, 0) at the left top."""

    def __init__(self, scene: Scene, width: float) -> None:
        self._scene = scene
        self._ways = {(way.source, way.target): way for way in scene.picture.ways}
        self._grid = grid_of(scene.picture, width)
        self._scale = self._grid.scale
        self._tall = self._box_height()
        self._tops: list[float] = []
        y = 0.0
        for row in self._grid.rows:
            self._tops.append(y + self._above(row))
            y = self._tops[-1] + self._tall + self._below(row) + self._turn_room
        self.height = y - self._turn_room

    def draw(self) -> Iterator[str]:
        rows = list(zip(self._grid.rows, self._tops, strict=True))
        for row, top in rows:
            yield from self._arcs(row, top)
            for place, ends in enumerate(pairwise(row)):
                if ends in self._ways:
                    yield self._step(self._ways[ends], place, top)
        for (upper, upper_top), (lower, lower_top) in pairwise(rows):
            if (way := self._ways.get((upper[-1], lower[0]))) is not None:
                yield self._turn(way, len(upper) - 1, upper_top + self._tall, lower_top, self._above(lower))
        for row, top in rows:
            for place, name in enumerate(row):
                yield self._phase(name, self._grid.x(place), top)
        yield self._start()

    # --- sizes

    @property
    def _turn_room(self) -> float:
        """Between two rows, for the line that leads from the end of one to the start of the next."""
        return 60.0 * self._scale

    def _box_height(self) -> float:
        path_names = self._scene.picture.path
        names = max(len(name_parts(name)) for name in path_names) * NAME * NAME_LINE
        abouts = max(len(self._about(name)) for name in path_names) * ABOUT * LINE
        stay = 0.0 if self._scene.trail.journey is None else ABOUT * 1.8
        return (2 * PAD + names + (8 + abouts if abouts else 0) + stay) * self._scale

    def _above(self, row: Sequence[str]) -> float:
        above, _ = arcs_of(row, self._scene.picture.ways)
        return (lanes(above) * LANE + self._why_height(row)) * self._scale

    def _why_height(self, row: Sequence[str]) -> float:
        """Of the reasons above the steps, before scaling."""
        return max((len(self._why(self._ways.get(ends))) for ends in pairwise(row)), default=0) * WHY * LINE + 14

    def _below(self, row: Sequence[str]) -> float:
        _, below = arcs_of(row, self._scene.picture.ways)
        return lanes(below) * LANE * self._scale

    # --- phases

    def _start(self) -> str:
        s, x, y = self._scale, self._grid.left, self._tops[0] + self._tall / 2
        line = path(f"M{x - 26 * s:.1f} {y:.1f}H{x - 8 * s:.1f}", class_="main")
        return group([circle(x - 26 * s, y, 7 * s, class_="start"), line, _tip(x - 2, y, 9 * s, "mainhead")])

    def _phase(self, name: str, x: float, y: float) -> str:
        scene, s, box, tall = self._scene, self._scale, self._grid.box, self._tall
        hue, now = scene.hue(name), scene.is_now(name)
        paint = "now" if now else f"w{hue} s{hue}"
        parts = [rect(0, 0, box, tall, class_=paint, radius=13 * s, stroke_width=2.2 * s)]
        if scene.flow.states[name].final:
            inner = (5 * s, 5 * s, box - 10 * s, tall - 10 * s)
            parts.append(rect(*inner, class_=f"s{hue}", radius=9 * s, fill="none", stroke_width=s))
        parts += self._words(name, ink="on-now" if now else f"f{hue}", quiet="on-now" if now else "m")
        return group(parts, x=x, y=y, class_=scene.classes(name, "phase"), id=f"path-{name}", data_state=name)

    def _words(self, name: str, *, ink: str, quiet: str) -> Iterator[str]:
        """In the middle of the box: name, purpose, and how long a journey stayed."""
        s, middle, room = self._scale, self._grid.box / 2, self._grid.box - PAD * self._scale
        names, about, stay = name_parts(name), self._about(name), self._scene.trail.stay(name)
        tall = NAME * NAME_LINE * len(names) + (8 + ABOUT * LINE * len(about) if about else 0)
        base = (self._tall - (tall + (ABOUT * 1.8 if stay else 0)) * s) / 2
        size = min([NAME * s, *(room / width_of(part, 1, bold=True) for part in names)])
        for part in names:
            base += NAME * NAME_LINE * s
            yield text(middle, base - NAME * 0.2 * s, [Run(part, ink, bold=True)], size=size, anchor="middle")
        base += 8 * s if about else 0
        for line in about:
            base += ABOUT * LINE * s
            yield text(middle, base - ABOUT * 0.3 * s, line, size=ABOUT * s, class_=quiet, anchor="middle")
        if stay:
            yield text(middle, base + ABOUT * 1.4 * s, [Run(stay, ink, bold=True)], size=ABOUT * s, anchor="middle")

    def _about(self, name: str) -> list[str]:
        """Its purpose, and where it leads in other rows, but for the step to the row below."""
        room, size = self._grid.box - 2 * PAD * self._scale, ABOUT * self._scale
        about = cut(self._scene.flow.states[name].about, room, size=size, most=MOST_ABOUT)
        row = next(row for row in self._grid.rows if name in row)
        turns = {(upper[-1], lower[0]) for upper, lower in pairwise(self._grid.rows)}
        far = [end for start, end in self._ways if start == name and end not in row and (start, end) not in turns]
        return about + cut(f"→ {', '.join(far)}" if far else "", room, size=size, most=MOST_FAR)

    # --- steps to the next phase

    def _step(self, way: Edge, place: int, top: float) -> str:
        s, y = self._scale, top + self._tall / 2
        left, right = self._grid.x(place) + self._grid.box, self._grid.x(place + 1)
        line, head, dim = self._look(way)
        parts = [
            path(f"M{left + 5 * s:.1f} {y:.1f}H{right - 16 * s:.1f}", class_=line, stroke_width=4 * s),
            _tip(right - 3 * s, y, 17 * s, head),
            path(f"M{(left + right) / 2:.1f} {top - 8 * s:.1f}V{y - 9 * s:.1f}", class_="rule"),
        ]
        lines = self._why(way)
        for number, why in enumerate(lines):
            base = top - (14 + WHY * LINE * (len(lines) - 1 - number)) * s
            parts.append(text((left + right) / 2, base, why, size=WHY * s, class_="if", anchor="middle"))
        parts += self._badge(way, left + 8 * s, y + 20 * s)
        return group(parts, class_=f"step{dim}", data_from=way.source, data_to=way.target)

    def _turn(self, way: Edge, place: int, start: float, top: float, above: float) -> str:
        """From the last of a row to the first of the next, as a line of text goes on."""
        s, end = self._scale, self._grid.left
        x, y, lane = self._grid.x(place) + self._grid.box * 0.7, top + self._tall / 2, top - above - self._turn_room / 2
        line, head, dim = self._look(way)
        steps = f"M{x:.1f} {start:.1f}V{lane:.1f}H{end - 24 * s:.1f}V{y:.1f}H{end - 12 * s:.1f}"
        parts = [
            path(steps, class_=line, stroke_width=3 * s, stroke_linejoin="round"),
            _tip(end - 2 * s, y, 15 * s, head),
        ]
        for why in cut(" · ".join(reasons(way, self._scene)), self._grid.pitch * 2, size=WHY * s, most=1):
            parts.append(text(x - 8 * s, lane - 5 * s, why, size=WHY * s, class_="if", anchor="end"))
        parts += self._badge(way, end - 14 * s, lane)
        return group(parts, class_=f"step{dim}", data_from=way.source, data_to=way.target)

    def _arcs(self, row: Sequence[str], top: float) -> Iterator[str]:
        above, below = arcs_of(row, self._scene.picture.ways)
        for arc in (*above, *below):
            edge = top if arc.forward else top + self._tall
            yield draw_arc(arc, self._scene, self._grid, edge=edge, words=self._why_height(row))

    def _why(self, way: Edge | None) -> list[str]:
        room, size = self._grid.pitch - 26 * self._scale, WHY * self._scale
        found = [] if way is None else reasons(way, self._scene)
        lines = [line for words in found for line in cut(words, room, size=size, most=MOST_WHY)]
        return lines if len(lines) <= MOST_WHY else [*lines[: MOST_WHY - 1], ELLIPSIS.strip()]

    def _look(self, way: Edge) -> tuple[str, str, str]:
        """Classes of the line and of its head, and what dims it."""
        if self._scene.trail.mark(way.rows) is not None:
            return "tookline", "took", ""
        return "main", "mainhead", "" if self._scene.trail.journey is None else " dim"

    def _badge(self, way: Edge, x: float, y: float) -> list[str]:
        mark = self._scene.trail.mark(way.rows)
        return [] if mark is None else [badge(str(mark), x, y, scale=self._scale)]


def _tip(x: float, y: float, size: float, class_: str) -> str:
    """Of an arrow to the right that ends at (x, y)."""
    points = f"{x:.1f},{y:.1f} {x - size:.1f},{y - size * 0.52:.1f} {x - size:.1f},{y + size * 0.52:.1f}"
    return element("polygon", points=points, class_=class_)
