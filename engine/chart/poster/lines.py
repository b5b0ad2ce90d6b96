"""A state's clauses as lines of a card: an icon, what is said, and at the end where it leads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from engine.chart.model import Row
from engine.chart.picture import phase_of
from engine.chart.poster.lettering import Run, lines_of, run_width, width_of
from engine.chart.words import Clause, Kind, near_name

__all__ = ["BESIDE", "LINE", "SIZE", "Goal", "Line", "lines_for", "reason_runs"]

SIZE = 12.0  # of the text
LINE = 16.0  # from one baseline to the next
INDENT = 12.0
BESIDE = 60.0  # more room for a line with its target than for its text alone
BEFORE_GOAL = 14.0
PILL_PAD = 7.0


@dataclass(frozen=True, slots=True)
class Goal:
    """Where a line leads: a place of the same phase in words, another phase as a pill in its colour."""

    state: str
    text: str
    pill: bool
    kind: Kind
    occasion: str

    @property
    def width(self) -> float:
        return width_of(self.text, SIZE, bold=True) + (2 * PILL_PAD if self.pill else 0)


@dataclass(frozen=True, slots=True)
class Line:
    """`rows` are on the last line of what tells them."""

    icon: Kind | None
    indent: float
    runs: tuple[Run, ...]
    goal: Goal | None = None
    rows: tuple[Row, ...] = ()

    @property
    def width(self) -> float:
        text = self.indent + sum(run_width(run, SIZE) for run in self.runs)
        return text if self.goal is None else text + self.goal.width + (BEFORE_GOAL if self.runs else 0)


def lines_for(clauses: Iterable[Clause], *, place: str, room: float) -> list[Line]:
    """Text broken to `room`, a line with its target at most `BESIDE` wider. Alternatives stand below what they answer.

    `place` is the state that speaks.
    """
    lines: list[Line] = []
    for (kind, occasion), group in groupby(clauses, key=lambda clause: (clause.kind, clause.occasion)):
        several = list(group)
        if len(several) == 1 or not occasion:
            for clause in several:
                lines += _broken(clause, reason_runs(clause), place=place, room=room, icon=kind)
            continue
        lines += [Line(kind if number == 0 else None, 0 if number == 0 else INDENT, text) for number, text in
                  enumerate(lines_of([Run(occasion, "ev")], room, size=SIZE))]  # fmt: skip
        for clause in several:
            runs = reason_runs(clause, silent=True)
            lines += _broken(clause, runs, place=place, room=room, icon=None, indent=INDENT)
    return lines


def reason_runs(clause: Clause, *, silent: bool = False) -> list[Run]:
    """Occasion and condition; `silent` leaves out the occasion."""
    runs = [Run(f"{clause.occasion} ", "ev")] if clause.occasion and not silent else []
    if clause.condition:
        return [*runs, Run("if ", "m"), Run(clause.condition, "if")]
    if clause.otherwise:
        return [*runs, Run("else", "m")]
    return runs if clause.occasion else [Run("at once", "ev")]


def _broken(
    clause: Clause, reason: Sequence[Run], *, place: str, room: float, icon: Kind | None, indent: float = 0.0
) -> Iterator[Line]:
    effect = [Run(" / " if reason else "/ ", "m"), Run(clause.effect, "fx")] if clause.effect else []
    goal = None if clause.target is None else _goal(clause.target, place, clause)
    first, *more = lines_of([*reason, *effect], room - indent, size=SIZE) or [()]
    lines = [Line(icon, indent, first), *(Line(None, indent + INDENT, text) for text in more)]
    last = Line(lines[-1].icon, lines[-1].indent, lines[-1].runs, goal, clause.rows)
    if last.width > room + BESIDE and last.runs:
        yield from lines
        yield Line(None, indent, (), goal, clause.rows)
    else:
        yield from lines[:-1]
        yield last


def _goal(target: str, place: str, clause: Clause) -> Goal:
    elsewhere = target != place and (phase_of(target) != phase_of(place) or "." not in target)
    arrow = "↻" if target == place else "→"
    return Goal(target, f"{arrow} {near_name(target, place)}", elsewhere, clause.kind, clause.occasion)
