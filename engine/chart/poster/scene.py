"""What every part of a poster asks for: the picture, the colour of each phase, the current state, a journey's trail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.chart.journey import Journey, Trail, rows_taken, trail_of
from engine.chart.model import Flow
from engine.chart.picture import Picture, phase_of
from engine.chart.poster.theme import ASIDE, HUES

__all__ = ["Scene", "scene_of", "short_name"]


BADGE_ROOM = 64.0


@dataclass(frozen=True, slots=True)
class Scene:
    picture: Picture
    hues: Mapping[str, int]
    highlight: str | None
    trail: Trail

    @property
    def flow(self) -> Flow:
        return self.picture.flow

    def hue(self, state: str) -> int:
        """Of the phase that the state belongs to."""
        return self.hues[phase_of(state)]

    def is_now(self, state: str) -> bool:
        """The highlighted state or one around it."""
        return self.highlight is not None and f"{self.highlight}.".startswith(f"{state}.")

    def classes(self, state: str, *others: str) -> str:
        """For the element of a state: what it is, whether it is the current one, whether a journey missed it."""
        told = [*others, *(["current"] if self.is_now(state) else []), *(["dim"] if self.trail.missed(state) else [])]
        return " ".join(told)

    @property
    def badge_room(self) -> float:
        """Right of a line of text, for the number of a journey."""
        return 0.0 if self.trail.journey is None else BADGE_ROOM

    @property
    def hops_by_outer_rows(self) -> Iterator[tuple[int, str, str]]:
        """Number, source and target of what the journey took by a row of a state around the source."""
        journey = self.trail.journey
        for number, (source, event, target, _) in enumerate(journey.edges if journey is not None else (), start=1):
            rows = list(rows_taken(self.flow, source, event, target))
            if target is not None and rows and all(row.state != source for row in rows):
                yield number, source, target


def scene_of(picture: Picture, *, highlight: str | None, journey: Journey | None) -> Scene:
    hues = {name: place % HUES for place, name in enumerate(picture.path)} | dict.fromkeys(picture.aside, ASIDE)
    return Scene(picture, hues, highlight, trail_of(picture.flow, journey))


def short_name(state: str) -> str:
    return state.rpartition(".")[2]
