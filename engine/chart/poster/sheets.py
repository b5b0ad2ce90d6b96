"""Boxes of plain words: what holds in every state, what the sections say, what is promised, and how to read it all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from engine.chart.model import Sheet
from engine.chart.picture import EVERYWHERE
from engine.chart.poster.cards import GUTTER, draw_lines
from engine.chart.poster.icons import icon
from engine.chart.poster.ink import element, group, path, rect, text
from engine.chart.poster.lettering import Run, lines_of
from engine.chart.poster.lines import BESIDE, LINE, SIZE, lines_for
from engine.chart.poster.pack import Block
from engine.chart.poster.panels import EDGE
from engine.chart.poster.scene import Scene
from engine.chart.words import Kind

__all__ = ["everywhere_sheet", "legend_sheet", "sheet_block"]

WIDTH = 432.0
TOP = 44.0
TITLE = 15.0
STAIR = 22.0  # how far each step of a ladder stands to the right of the one above
STEP_PAD = 7.0
STEP_GAP = 9.0
SIGNS = (
    (Kind.ENTRY, "on entry"), (Kind.EXIT, "on exit"),
    (Kind.CHECK, "as soon as it holds"), (Kind.ON, "when the event comes"),
    (Kind.TIMER, "when the time is over"), (Kind.DEFER, "kept for later"),
    (Kind.DO, "an action that replies, its reply"), (Kind.FAILED, "it failed or took too long"),
)  # fmt: skip

LINES = (("edge", "on an event or a condition"), ("timer", "by a timer"), ("fail", "after a failure"))

Texts = list[tuple[Run, ...]]
Body = Callable[[float], tuple[list[str], float]]  # room -> what is drawn below the title, and its height


def everywhere_sheet(scene: Scene) -> Block | None:
    """What the chart itself says; None if it says nothing."""
    said = scene.picture.told[EVERYWHERE]
    ignored = ", ".join(scene.flow.states[EVERYWHERE].ignored)
    if not said and not ignored:
        return None

    def body(room: float) -> tuple[list[str], float]:
        lines = lines_for(said, place=EVERYWHERE, room=room - GUTTER - BESIDE - scene.badge_room)
        quiet = lines_of([Run(f"ignored: {ignored}", "m")], room, size=SIZE) if ignored else []
        drawn = [
            *draw_lines(lines, scene, x=EDGE, y=TOP, right=EDGE + room - scene.badge_room),
            *_texts(quiet, y=TOP + LINE * len(lines) + 4),
        ]
        return drawn, LINE * (len(lines) + len(quiet)) + 4

    return _sheet("In every state, unless it says otherwise", body, quiet=True)


def sheet_block(sheet: Sheet) -> Block:
    def body(room: float) -> tuple[list[str], float]:
        lines = [line for words in sheet.lines for line in lines_of(_named(words), room, size=SIZE)]
        drawn = list(_texts(lines, y=TOP))
        y = TOP + LINE * len(lines) + 8
        for place, words in enumerate(sheet.steps):
            step = lines_of(_named(words), room - STAIR * place - 36, size=SIZE)
            drawn += _step(place, step, y=y, right=EDGE + room)
            y += LINE * len(step) + STEP_PAD + STEP_GAP
        return drawn, y - TOP - 8

    return _sheet(sheet.title, body)


def legend_sheet() -> Block:
    def body(room: float) -> tuple[list[str], float]:
        drawn = []
        for number, (kind, words) in enumerate(SIGNS):
            x, y = EDGE + (number % 2) * room * 0.55, TOP + LINE * (number // 2 + 0.5)
            drawn += [icon(kind, x + 5, y), text(x + GUTTER, y + SIZE * 0.36, words, size=SIZE, class_="t")]
        example = [
            Run("event", "ev"), Run(" if", "m"), Run(" condition", "if"), Run(" /", "m"), Run(" effect", "fx"),
            Run(" → where to", "t", bold=True),
        ]  # fmt: skip
        words = "The first condition that holds decides. Times are the defaults of the flow's settings."
        lines = [tuple(example), *lines_of([Run(words, "m")], room, size=SIZE)]
        top = LINE * (len(SIGNS) / 2) + 8
        for number, (class_, words) in enumerate(LINES):
            x, y = EDGE + (number % 2) * room * 0.55, TOP + top + LINE * (number // 2 + 0.5)
            drawn += [path(f"M{x:.1f} {y:.1f}H{x + 26:.1f}", class_=class_)]
            drawn += [text(x + 34, y + SIZE * 0.36, words, size=SIZE, class_="t")]
        top += LINE * math.ceil(len(LINES) / 2) + 8
        return [*drawn, *_texts(lines, y=TOP + top)], top + LINE * len(lines)

    return _sheet("How to read it", body)


def _sheet(title: str, body: Body, *, quiet: bool = False) -> Block:
    def draw(w: float, h: float) -> str:
        frame = rect(0, 0, w, h, class_="panel dashed" if quiet else "panel", radius=12)
        name = text(EDGE, 29, [Run(title, "t", bold=True)], size=TITLE)
        return group([frame, name, *body(w - 2 * EDGE)[0]], class_="sheet")

    return Block(WIDTH, TOP + body(WIDTH - 2 * EDGE)[1] + EDGE, draw)


def _named(words: str) -> list[Run]:
    """`name: what it is` with the name in bold."""
    name, colon, rest = words.partition(": ")
    return [Run(f"{name}:", "t", bold=True), Run(f" {rest}", "t")] if colon else [Run(words, "t")]


def _step(place: int, step: Texts, *, y: float, right: float) -> Iterator[str]:
    """A stair of the ladder: each is tried when the one above it was refused."""
    x = EDGE + STAIR * place
    if place:
        yield path(f"M{x - 11:.1f} {y - STEP_GAP:.1f}V{y + 12:.1f}H{x - 6:.1f}", class_="edge")
        yield element(
            "polygon",
            points=f"{x:.1f},{y + 12:.1f} {x - 7:.1f},{y + 8.5:.1f} {x - 7:.1f},{y + 15.5:.1f}",
            class_="head",
        )
    yield rect(x, y, right - x, LINE * len(step) + STEP_PAD, class_="card rule", radius=6)
    yield text(x + 10, y + 15, [Run(str(place + 1), "m", bold=True)], size=SIZE)
    for number, line in enumerate(step):
        yield text(x + 27, y + 15 + LINE * number, line, size=SIZE)


def _texts(lines: Sequence[Sequence[Run]], *, y: float) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield text(EDGE, y + LINE * (number + 0.5) + SIZE * 0.36, line, size=SIZE)
