"""A state as a card: its name in the head, below it a line for each thing that it says, ports where these lead out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from engine.chart.poster.icons import icon
from engine.chart.poster.ink import group, path, rect, text
from engine.chart.poster.lettering import Run, width_of
from engine.chart.poster.lines import LINE, SIZE, Goal, Line, lines_for
from engine.chart.poster.scene import Scene, short_name

__all__ = ["GUTTER", "PAD", "Card", "Port", "badge", "card_for", "draw_card", "draw_lines"]

HEAD = 26.0
NAME = 14.0
STAY = 11.0
PAD = 10.0
GUTTER = 17.0
RADIUS = 7.0
SMALLEST = 110.0


@dataclass(frozen=True, slots=True)
class Port:
    """Where a line leaves the card: `y` from its top."""

    y: float
    line: Line
    goal: Goal


@dataclass(frozen=True, slots=True)
class Card:
    state: str
    width: float
    height: float
    lines: tuple[Line, ...]
    final: bool
    around: bool  # it speaks for the states inside it

    @property
    def ports(self) -> tuple[Port, ...]:
        return tuple(
            Port(HEAD + PAD / 2 + LINE * (number + 0.5), line, line.goal)
            for number, line in enumerate(self.lines)
            if line.goal is not None
        )


def card_for(name: str, scene: Scene, *, room: float) -> Card:
    """As narrow as its lines allow; `room` is the most that a line of text may take."""
    lines = tuple(lines_for(scene.picture.told[name], place=name, room=room))
    title = width_of(short_name(name), NAME, bold=True) + 2 * PAD
    stay = scene.trail.stay(name)
    title += width_of(stay, STAY) + PAD if stay else 0
    width = max([SMALLEST, title, *(line.width + 2 * PAD + GUTTER for line in lines)])
    height = HEAD + (LINE * len(lines) + PAD if lines else 0)
    return Card(name, width, height, lines, scene.flow.states[name].final, bool(scene.flow.states[name].children))


def draw_card(card: Card, scene: Scene, *, x: float, y: float) -> str:
    hue, now = scene.hue(card.state), scene.is_now(card.state)
    name = Run(short_name(card.state), "on-now" if now else "on-hue" if card.around else f"f{hue}", bold=True)
    body = [rect(0, 0, card.width, card.height, class_=f"card s{hue}", radius=RADIUS, stroke_width=1.3)]
    if card.final:
        body.append(rect(-4, -4, card.width + 8, card.height + 8, class_=f"s{hue}", radius=RADIUS + 4, fill="none"))
    body += [
        _head(card, "now" if now else f"{'f' if card.around else 'w'}{hue} s{hue}", 3 if now else 1.3),
        text(PAD, HEAD - 8.5, [name], size=NAME),
        text(
            card.width - PAD,
            HEAD - 9,
            scene.trail.stay(card.state),
            size=STAY,
            class_="on-now" if now else "m",
            anchor="end",
        ),
        *draw_lines(card.lines, scene, x=PAD, y=HEAD + PAD / 2, right=card.width - PAD),
    ]
    about, classes = scene.flow.states[card.state].about, scene.classes(card.state, "state")
    return group(body, x=x, y=y, title=about, id=f"state-{card.state}", class_=classes, data_state=card.state)


def draw_lines(lines: Sequence[Line], scene: Scene, *, x: float, y: float, right: float) -> Iterator[str]:
    """Text from `x` to `right`, the first line's top at `y`; a row that was taken bears its number."""
    for number, line in enumerate(lines):
        middle = y + LINE * (number + 0.5)
        base = middle + SIZE * 0.36
        parts = [] if line.icon is None else [icon(line.icon, x + 5, middle)]
        if line.runs:
            parts.append(text(x + GUTTER + line.indent, base, line.runs, size=SIZE))
        if line.goal is not None:
            parts += _goal(line.goal, scene, right=right, middle=middle)
        mark = scene.trail.mark(line.rows)
        if mark is not None:
            parts.append(badge(str(mark), right + 6, middle))
        yield group(parts, title="; ".join(_reasons(line)))


def badge(words: str, x: float, y: float, *, scale: float = 1) -> str:
    """Words of a journey in a small capsule from `x` on, around the height `y`."""
    size, tall = 10 * scale, 16 * scale
    wide = max(18 * scale, width_of(words, size, bold=True) + 10 * scale)
    capsule = rect(x, y - tall / 2, wide, tall, class_="took", radius=tall / 2)
    return capsule + text(x + wide / 2, y + size * 0.36, [Run(words, "on-took", bold=True)], size=size, anchor="middle")


def _head(card: Card, class_: str, stroke: float) -> str:
    """Round above like the card; below straight where there is a body."""
    w, h, r = card.width, min(HEAD, card.height), RADIUS
    low = (
        f"V{h:.1f}H0"
        if card.lines
        else f"V{h - r:.1f}A{r} {r} 0 0 1 {w - r:.1f} {h:.1f}H{r}A{r} {r} 0 0 1 0 {h - r:.1f}"
    )
    return path(
        f"M0 {r}A{r} {r} 0 0 1 {r} 0H{w - r:.1f}A{r} {r} 0 0 1 {w:.1f} {r}{low}Z", class_=class_, stroke_width=stroke
    )


def _goal(goal: Goal, scene: Scene, *, right: float, middle: float) -> Iterator[str]:
    base = middle + SIZE * 0.36
    if not goal.pill:
        yield text(right, base, [Run(goal.text, "t", bold=True)], size=SIZE, anchor="end")
        return
    hue = scene.hue(goal.state)
    yield rect(
        right - goal.width, middle - 7.3, goal.width, 14.6, class_=f"w{hue} s{hue}", radius=7.3, stroke_width=0.8
    )
    yield text(right - goal.width / 2, base, [Run(goal.text, f"f{hue}", bold=True)], size=SIZE, anchor="middle")


def _reasons(line: Line) -> Iterable[str]:
    return dict.fromkeys(row.because for row in line.rows if row.because)
