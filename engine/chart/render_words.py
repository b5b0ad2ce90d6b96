"""The words of a drawing that is text: what a state says, and the boxes of words beside the states."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.chart.journey import Trail
from engine.chart.picture import EVERYWHERE, Picture
from engine.chart.words import Kind, line_of

__all__ = ["said_beside", "said_by"]


def said_by(picture: Picture, trail: Trail, name: str) -> list[str]:
    """A line for each thing, with a journey's mark before what was taken; where a state begins is drawn, not said."""
    lines = []
    for clause in picture.told[name]:
        mark = trail.mark(clause.rows)
        if clause.kind is not Kind.START:
            lines.append(f"{'' if mark is None else f'({mark}) '}{line_of(clause, name)}")
    return lines


def said_beside(picture: Picture, trail: Trail) -> Iterator[tuple[str, Iterable[str]]]:
    """Title and lines: how the flow comes to phases beside its path, and what holds in every state."""
    for name in picture.aside:
        yield f"→ {name}", [f"{source}: when {why}" for source, why in picture.ways_aside(name)]
    if picture.told[EVERYWHERE]:
        yield "in every state, unless it says otherwise", said_by(picture, trail, EVERYWHERE)
