"""Phases beside the path as bars: how the flow comes there, in words instead of lines from everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.chart.poster.ink import group, rect, text
from engine.chart.poster.lettering import Run, lines_of, width_of
from engine.chart.poster.scene import Scene

__all__ = ["Aside"]

NAME = 20.0
SIZE = 12.0
LINE = 1.4
PAD = 14.0


@dataclass(frozen=True, slots=True)
class Aside:
    """`any state → ERROR when limit.breached · error.raised`, and so on."""

    name: str
    scene: Scene
    width: float
    scale: float

    @property
    def height(self) -> float:
        return (max(NAME * 1.2, SIZE * LINE * len(self._lines)) + 2 * PAD) * self.scale

    def draw(self, y: float) -> str:
        s, hue, now = self.scale, self.scene.hue(self.name), self.scene.is_now(self.name)
        height = self.height
        parts = [
            rect(0, 0, self.width, height, class_=f"panel dashed s{hue}", radius=13 * s, stroke_width=1.4 * s),
            rect(
                0, 0, self._box, height, class_="now" if now else f"w{hue} s{hue}", radius=13 * s, stroke_width=2.2 * s
            ),
        ]
        name = [Run(self.name, "on-now" if now else f"f{hue}", bold=True)]
        stay = self.scene.trail.stay(self.name)
        middle = height / 2 + NAME * (0.1 if stay else 0.36) * s
        parts.append(text(self._box / 2, middle, name, size=NAME * s, anchor="middle"))
        if stay:
            parts.append(
                text(self._box / 2, middle + SIZE * 1.5 * s, stay, size=SIZE * s, class_=f"f{hue}", anchor="middle")
            )
        base = (height - SIZE * LINE * s * len(self._lines)) / 2 - SIZE * 0.35 * s
        for line in self._lines:
            base += SIZE * LINE * s
            parts.append(text(self._box + 18 * s, base, line, size=SIZE * s))
        classes = self.scene.classes(self.name, "aside")
        return group(parts, y=y, class_=classes, id=f"path-{self.name}", data_state=self.name)

    @property
    def _box(self) -> float:
        words = max(width_of(self.name, NAME, bold=True), width_of(self.scene.trail.stay(self.name), SIZE))
        return (words + 2 * PAD) * self.scale

    @property
    def _lines(self) -> list[tuple[Run, ...]]:
        room = self.width - self._box - 36 * self.scale
        return [line for runs in self._runs() for line in lines_of(runs, room, size=SIZE * self.scale)]

    def _runs(self) -> Iterator[list[Run]]:
        for source, why in self.scene.picture.ways_aside(self.name):
            yield [Run(source, "t", bold=True), Run(f" → {self.name} when ", "m"), Run(why, "if")]
