"""The way that a chart took through its flow: which edges in which order, and how long it stood where.

A value that every drawing of a flow understands, whoever walked: a run, a round of it, a row of a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from engine.chart.model import Flow, Row
from engine.chart.picture import Picture, ends_of, row_label

__all__ = ["Hop", "Journey", "Mark", "journey_of", "marks_of", "walked"]


@dataclass(frozen=True, slots=True)
class Journey:
    """`edges` are (source leaf, event, target leaf, count) in the order in which each was taken first.

    The event of an `always` row is "", the target of a row that stays is None. `states` gives the full name of every
    state that was entered or stood in, compound ones included: (visits, time spent in ns).
    """

    edges: tuple[tuple[str, str, str | None, int], ...]
    states: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Hop:
    """One row that was taken, at a time of the run's clock."""

    at_ns: int
    source: str
    event: str
    target: str | None


def journey_of(hops: Iterable[Hop], *, until_ns: int) -> Journey:
    """The journey of these hops in order; where the last one leads, the chart stands until `until_ns`."""
    counts: dict[tuple[str, str, str | None], int] = {}
    visits: dict[str, int] = {}
    spent: dict[str, int] = {}
    leaf, since_ns = "", until_ns
    for hop in hops:
        if not leaf:
            leaf, since_ns = hop.source, hop.at_ns
            _enter(visits, _lineage(leaf))
        key = (hop.source, hop.event, hop.target)
        counts[key] = counts.get(key, 0) + 1
        if hop.target is None:
            continue
        _stay(spent, leaf, hop.at_ns - since_ns)
        _enter(visits, _entered(leaf, hop.target))
        leaf, since_ns = hop.target, hop.at_ns
    if leaf:
        _stay(spent, leaf, until_ns - since_ns)
    states = {name: (count, spent.get(name, 0)) for name, count in visits.items()}
    return Journey(tuple((*key, count) for key, count in counts.items()), states)


def _enter(visits: dict[str, int], names: Iterable[str]) -> None:
    for name in names:
        visits[name] = visits.get(name, 0) + 1


def _stay(spent: dict[str, int], leaf: str, for_ns: int) -> None:
    for name in _lineage(leaf):
        spent[name] = spent.get(name, 0) + for_ns


def _entered(source: str, target: str) -> list[str]:
    """States of the target that the source is not in; a leaf that leads to itself is entered again."""
    left = set(_lineage(source)) - {target}
    return [name for name in _lineage(target) if name not in left]


def _lineage(leaf: str) -> list[str]:
    """Full names of a leaf and of all states around it, outermost first."""
    words = leaf.split(".")
    return [".".join(words[: place + 1]) for place in range(len(words))]


# --- on a picture


@dataclass(frozen=True, slots=True)
class Mark:
    """`numbers` are places in the journey, from 1; `count` is how often in all."""

    numbers: tuple[int, ...]
    count: int

    def __str__(self) -> str:
        """`(2)`, `(2) x3`, `(2,5) x4`."""
        numbers = f"({','.join(map(str, self.numbers))})"
        return numbers if self.count == len(self.numbers) else f"{numbers} x{self.count}"


def marks_of(flow: Flow, journey: Journey) -> dict[tuple[str, str, str], Mark]:
    """By the ends of a picture's edge and one of its labels; what the flow does not know is left out.

    A row that stays is a line of its state: (state, "", line).
    """
    marks: dict[tuple[str, str, str], Mark] = {}
    for number, (source, event, target, count) in enumerate(journey.edges, start=1):
        row = _row(flow, source, event, target)
        if row is None:
            continue
        for ends in ends_of(row, flow) if target is not None else [(row.state, "")]:
            key = (*ends, row_label(row, flow))
            former = marks.get(key, Mark((), 0))
            marks[key] = Mark((*former.numbers, number), former.count + count)
    return marks


def walked(picture: Picture, journey: Journey) -> Picture:
    """The picture with the journey in its words: only labels of edges taken are left, and each bears its mark.

    A leaf says how often and how long the chart stood in it.
    """
    marks = marks_of(picture.flow, journey)

    def marked(source: str, target: str, label: str) -> str:
        mark = marks.get((source, target, label))
        return label if mark is None else f"{mark} {label}"

    edges = tuple(
        replace(
            edge,
            labels=tuple(
                marked(edge.source, edge.target, label)
                for label in edge.labels
                if (edge.source, edge.target, label) in marks
            ),
        )
        for edge in picture.edges
    )
    lines = {name: tuple(marked(name, "", line) for line in said) for name, said in picture.lines.items()}
    leaves = [name for name in picture.flow.leaves if name in journey.states]
    stays = {name: (_stay_text(*journey.states[name]), *lines[name]) for name in leaves}
    return replace(picture, edges=edges, lines={**lines, **stays})


def _stay_text(visits: int, spent_ns: int) -> str:
    """`3 visits, 1.204 s`."""
    spent_ms = spent_ns // 1_000_000
    return f"{visits} {'visit' if visits == 1 else 'visits'}, {spent_ms // 1000}.{spent_ms % 1000:03} s"


def _row(flow: Flow, source: str, event: str, target: str | None) -> Row | None:
    candidates = flow.table.get(source, {}).get(event, ()) if event else flow.always.get(source, ())
    return next((candidate.row for candidate in candidates if candidate.target == target), None)
