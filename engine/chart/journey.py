"""The way that a chart took through its flow: which edges in which order, and how long it stood where.

A value that every drawing of a flow understands, whoever walked: a run, a round of it, a row of a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from engine.chart.model import Flow, Row, Span
from engine.chart.reach import live

__all__ = ["Hop", "Journey", "Mark", "Trail", "journey_of", "rows_taken", "trail_of"]


@dataclass(frozen=True, slots=True)
class Journey:
    """`edges` are (source leaf, event, target leaf, count) in the order in which each was taken first.

    The event of an `always` row is "", the target of a row that stays is None. `states` gives the full name of every
    state that was entered or stood in, compound ones included: (visits, time spent in ns). `caption` says whose it is.
    """

    edges: tuple[tuple[str, str, str | None, int], ...]
    states: Mapping[str, tuple[int, int]]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Hop:
    """One row that was taken, at a time of the run's clock."""

    at_ns: int
    source: str
    event: str
    target: str | None


def journey_of(hops: Iterable[Hop], *, until_ns: int, caption: str = "") -> Journey:
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
    return Journey(tuple((*key, count) for key, count in counts.items()), states, caption)


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
        """`2`, `2 ×3`, `2,5 ×4`, `2 ×12k`; of many numbers the first two."""
        told = ",".join(map(str, self.numbers[:2])) + (",…" if len(self.numbers) > 2 else "")
        return told if self.count == len(self.numbers) else f"{told} ×{_count_text(self.count)}"


@dataclass(frozen=True, slots=True)
class Trail:
    """A journey on its flow. Without a journey nothing bears a mark."""

    journey: Journey | None
    numbers: Mapping[Span, tuple[int, ...]]  # by where a row stands in the flow's text

    @property
    def caption(self) -> str:
        return "" if self.journey is None else self.journey.caption

    def mark(self, rows: Iterable[Row]) -> Mark | None:
        """How these rows were taken, together."""
        numbers = sorted({number for row in rows for number in self.numbers.get(row.span, ())})
        if self.journey is None or not numbers:
            return None
        return Mark(tuple(numbers), sum(self.journey.edges[number - 1][3] for number in numbers))

    def stay(self, state: str) -> str:
        """`3 visits, 1.204 s`; empty where the journey did not come by."""
        if self.journey is None or state not in self.journey.states:
            return ""
        visits, spent_ns = self.journey.states[state]
        return f"{_count_text(visits)} {'visit' if visits == 1 else 'visits'}, {_time_text(spent_ns)}"

    def missed(self, state: str) -> bool:
        """There is a journey, and it did not come by."""
        return self.journey is not None and state not in self.journey.states


def trail_of(flow: Flow, journey: Journey | None) -> Trail:
    numbers: dict[Span, tuple[int, ...]] = {}
    for number, (source, event, target, _) in enumerate(journey.edges if journey is not None else (), start=1):
        for row in rows_taken(flow, source, event, target):
            numbers[row.span] = (*numbers.get(row.span, ()), number)
    return Trail(journey, numbers)


def rows_taken(flow: Flow, source: str, event: str, target: str | None) -> Iterator[Row]:
    """The rows that can lead from this leaf there on this event; a journey cannot tell several apart.

    None where the flow knows no such edge.
    """
    candidates = flow.table.get(source, {}).get(event, ()) if event else flow.always.get(source, ())
    for candidate in live(candidates):
        if candidate.target == target:
            yield candidate.row


def _count_text(count: int) -> str:
    return str(count) if count < 10_000 else f"{count // 1_000}k"


def _time_text(ns: int) -> str:
    """`250 ms`, `1.204 s`, `12.3 s`, `4 min 10 s`, `2 h 5 min`."""
    ms = ns // 1_000_000
    seconds, minutes = ms // 1_000, ms // 60_000
    if ms < 1_000:
        return f"{ms} ms"
    if seconds < 60:
        return f"{seconds}.{ms % 1_000:03} s" if seconds < 10 else f"{seconds}.{ms % 1_000 // 100} s"
    if minutes < 60:
        return f"{minutes} min {seconds % 60} s"
    return f"{minutes // 60} h {minutes % 60} min"
