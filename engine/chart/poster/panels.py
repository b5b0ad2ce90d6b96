"""A phase as a panel: its name, what holds in all of it, and its inside."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from engine.chart.poster.cards import GUTTER, badge, draw_card, draw_lines
from engine.chart.poster.ink import circle, element, group, path, rect, text
from engine.chart.poster.inside import Inside, LayOut, Point, Route, lay_out_inside
from engine.chart.poster.lettering import Run, lines_of, width_of
from engine.chart.poster.lines import BESIDE, LINE, SIZE, Line, lines_for
from engine.chart.poster.pack import Block
from engine.chart.poster.scene import Scene
from engine.chart.words import Kind

__all__ = ["EDGE", "panel_for"]

EDGE = 16.0  # between a panel's border and what is in it
RADIUS = 12.0
BAND = 9.0  # the coloured band at its top
NAME = 20.0
STAY = 13.0
ROOM = 272.0  # of a line of text in a card
LEAF_ROOM = 310.0  # … in a panel without cards
LEAST = 260.0
COLUMN = 390.0  # least width of a column of the phase's own lines
COLUMN_GAP = 30.0
TIP = 9.0


def panel_for(phase: str, scene: Scene, lay_out: LayOut) -> Block:
    if not scene.flow.states[phase].children:
        return _leaf_panel(phase, scene)
    inside = lay_out_inside(phase, scene, lay_out, room=ROOM)
    least = max(inside.width + 2 * EDGE, LEAST, _head_width(phase, scene))
    said = scene.picture.told[phase]

    def above(width: float) -> tuple[list[str], float]:
        """What stands above the cards, and its height."""
        parts, y = _head(phase, scene, width)
        if not said:
            return parts, y
        count = max(1, int((width - 2 * EDGE + COLUMN_GAP) / (COLUMN + COLUMN_GAP)))
        room = (width - 2 * EDGE - COLUMN_GAP * (count - 1)) / count
        text_room = min(room - GUTTER - BESIDE - scene.badge_room, LEAF_ROOM)
        columns = _columns(lines_for(said, place=phase, room=text_room), count)
        parts.append(text(EDGE, y + 8, [Run("in the whole phase", "m", bold=True)], size=11))
        for number, column in enumerate(columns):
            x = EDGE + (room + COLUMN_GAP) * number
            parts += draw_lines(column, scene, x=x, y=y + 16, right=x + GUTTER + text_room + BESIDE)
        return parts, y + 16 + LINE * max(map(len, columns)) + 12

    def draw(width: float, height: float) -> str:
        parts, y = above(width)
        x = (width - inside.width) / 2
        spare = height - y - inside.height - EDGE
        cards = group(_inside(inside, scene), x=x, y=y + max(0.0, spare) * 0.4)
        return _panel(phase, scene, width, height, [*parts, cards])

    return Block(least, above(least)[1] + inside.height + EDGE, draw)


def _leaf_panel(phase: str, scene: Scene) -> Block:
    said = scene.picture.told[phase]
    lines = lines_for(said, place=phase, room=LEAF_ROOM)
    beside = 2 * EDGE + GUTTER + scene.badge_room
    least = max([LEAST, _head_width(phase, scene), *(line.width + beside for line in lines)])

    def draw(width: float, height: float) -> str:
        parts, y = _head(phase, scene, width)
        wider = lines_for(said, place=phase, room=max(LEAF_ROOM, width - beside - BESIDE))
        right = width - EDGE - scene.badge_room
        return _panel(phase, scene, width, height, [*parts, *draw_lines(wider, scene, x=EDGE, y=y, right=right)])

    return Block(least, _head(phase, scene, least)[1] + len(lines) * LINE + EDGE, draw)


# --- the frame


def _panel(phase: str, scene: Scene, width: float, height: float, parts: Sequence[str]) -> str:
    now, r = scene.is_now(phase), RADIUS
    top = f"M0 {r}A{r} {r} 0 0 1 {r} 0H{width - r:.1f}A{r} {r} 0 0 1 {width:.1f} {r}V{BAND + 3}H0Z"
    frame = [rect(0, 0, width, height, class_="panel", radius=r), path(top, class_=f"f{scene.hue(phase)}")]
    if now:
        frame.append(rect(0, 0, width, height, class_="nowline", radius=r, stroke_width=4))
    classes = scene.classes(phase, "state", "phase")
    return group([*frame, *parts], id=f"state-{phase}", class_=classes, data_state=phase)


def _head_width(phase: str, scene: Scene) -> float:
    stay = width_of(scene.trail.stay(phase), STAY, bold=True)
    return width_of(phase, NAME, bold=True) + stay + (COLUMN_GAP if stay else 0) + 2 * EDGE


def _head(phase: str, scene: Scene, width: float) -> tuple[list[str], float]:
    """Name and purpose, and where the next line may begin."""
    parts = [text(EDGE, 38, [Run(phase, f"f{scene.hue(phase)}", bold=True)], size=NAME)]
    stay = scene.trail.stay(phase)
    if stay:
        parts.append(text(width - EDGE, 38, [Run(stay, f"f{scene.hue(phase)}", bold=True)], size=STAY, anchor="end"))
    y = 41.0
    for line in lines_of([Run(scene.flow.states[phase].about, "m")], width - 2 * EDGE, size=SIZE):
        y += LINE
        parts.append(text(EDGE, y, line, size=SIZE))
    return parts, y + 10


def _columns(lines: Sequence[Line], count: int) -> list[list[Line]]:
    """Evenly filled; what belongs to one occasion is not torn apart."""
    groups: list[list[Line]] = []
    for line in lines:
        if line.icon is not None or not groups:
            groups.append([])
        groups[-1].append(line)
    wanted = math.ceil(len(lines) / count)
    while True:
        columns: list[list[Line]] = [[]]
        for one in groups:
            if columns[-1] and len(columns[-1]) + len(one) > wanted:
                columns.append([])
            columns[-1] += one
        if len(columns) <= count:
            return columns
        wanted += 1


# --- cards and lines


def _inside(inside: Inside, scene: Scene) -> Iterator[str]:
    for nest in inside.nests:
        classes = f"nest s{scene.hue(nest.state)}{' dim' if scene.trail.missed(nest.state) else ''}"
        yield rect(nest.x, nest.y, nest.width, nest.height, class_=classes, radius=10)
    x, y = inside.start
    yield circle(x, y, 5, class_="start")
    for route in sorted(inside.routes, key=lambda route: _is_taken(route, scene)):
        yield _route(route, scene)
    for card, (x, y) in inside.cards:
        yield draw_card(card, scene, x=x, y=y)


def _is_taken(route: Route, scene: Scene) -> bool:
    return route.number > 0 or (route.line is not None and scene.trail.mark(route.line.rows) is not None)


def _route(route: Route, scene: Scene) -> str:
    kind = None if route.line is None or route.line.goal is None else route.line.goal.kind
    style, head, dim = "edge", "head", ""
    if kind is Kind.TIMER:
        style, head = "timer", "timerhead"
    elif kind is Kind.FAILED:
        style, head = "fail", "failhead"
    if _is_taken(route, scene):
        style, head = "tookline", "took"
    elif scene.trail.journey is not None:
        dim = " dim"
    first, *rest = [f"{x:.1f} {y:.1f}" for x, y in route.points]
    parts = [path(f"M{first}C{' '.join(rest)}", class_=style), _tip(route.points[-1], route.tip, head)]
    if route.number:
        x, y = _middle(route.points)
        parts.append(badge(str(route.number), x - 9, y))
    return group(parts, class_=f"route{dim}", data_from=route.source, data_to=route.target)


def _middle(points: Sequence[Point]) -> Point:
    """Half-way along the curve in the middle."""
    first = (len(points) - 1) // 6 * 3
    a, b, c, d = points[first : first + 4]
    return (a[0] + 3 * b[0] + 3 * c[0] + d[0]) / 8, (a[1] + 3 * b[1] + 3 * c[1] + d[1]) / 8


def _tip(back: Point, tip: Point, class_: str) -> str:
    angle = math.atan2(tip[1] - back[1], tip[0] - back[0])
    wings = [(tip[0] - TIP * math.cos(angle + turn), tip[1] - TIP * math.sin(angle + turn)) for turn in (0.42, -0.42)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (tip, *wings))
    return element("polygon", points=points, class_=class_)
