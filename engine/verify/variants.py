"""A flow and its variants of one changed row: what the search of the flow found is not searched again.

A state of the flow in which no way out runs into the changed row leads to the same states in the variant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from engine.chart.model import Flow
from engine.chart.search import Edge
from engine.trading.desk import CHART
from engine.verify.bounds import Bounds
from engine.verify.proof import World, needed_by
from engine.verify.situation import Action, State, Step
from engine.verify.stepper import Arm, Ask, Cancel, Count, Done, End, Hop, Place, Told

Mark = tuple[str, ...]  # what a step runs into: a move, a leaf that it stands in, a timer that it arms
OUTWARD = frozenset({Place, Cancel, Ask, Count, Told, End})
NOTES = frozenset({"note", "not_opening", "round_cost"})  # alerts for the journal only


class Known(NamedTuple):
    """What the original leads to from one state."""

    edges: list[Edge[State, Action]]
    faults: bool  # those of faults are among them
    marks: frozenset[Mark]
    told: list[tuple[Done, ...]]  # what the desk did, edge by edge, as anybody outside it sees


class Original(World):
    """A flow that remembers what was found of it."""

    def __init__(self, flow: Flow, bounds: Bounds) -> None:
        super().__init__(flow, bounds)
        self.needed = needed_by(flow, self.plan.settings)
        self.known: dict[State, Known] = {}
        self._marks: dict[frozenset[Mark], frozenset[Mark]] = {}  # these three: each value once
        self._states: dict[State, State] = {}
        self._told: dict[tuple[Done, ...], tuple[Done, ...]] = {}

    def edges(self, state: State, *, faults: bool) -> list[Edge[State, Action]]:
        steps = self.venues.steps(state, faults=faults)
        once = self._states.setdefault
        edges = [
            Edge(it.action, once(it.state, it.state), bool(it.action.fault), it.broke) for it in steps
        ]  # fmt: skip
        marks = frozenset(_marks(self.leaf(state), steps))
        told = [self._told.setdefault(it, it) for it in _told(steps)]
        self.known[once(state, state)] = Known(edges, faults, self._marks.setdefault(marks, marks), told)
        return edges

    def runs_into(self, touched: frozenset[Mark]) -> bool:
        """Does any state that was searched?"""
        return any(not touched.isdisjoint(marks) for marks in self._marks)


class Variant(World):
    """A flow that differs from the original in what `touched` marks, and nowhere else."""

    def __init__(self, flow: Flow, original: Original, touched: frozenset[Mark], *, most: int) -> None:
        """`most`: states until it is cut off."""
        needed = needed_by(flow, original.plan.settings)
        self._near = all(names <= original.needed[leaf] for leaf, names in needed.items())
        super().__init__(
            flow, replace(original.bounds, max_states=most), hedged=original.rules.hedged,
            needed=original.needed if self._near else needed,
        )  # fmt: skip
        if self._near:  # else its desks are other desks, and all is searched anew
            self._near = self.first() == original.first() and self.stepper.adopt(original.stepper)
            self._near = self._near and self.venues.timers.adopt(original.venues.timers)
        self._known = original.known if self._near else {}
        self._touched = touched
        self.differs = not self._near  # from the original, as far as was searched

    def edges(self, state: State, *, faults: bool) -> list[Edge[State, Action]]:
        known = self._known.get(state)
        if known is None or (faults and not known.faults):
            self.differs = True
            return _edges(self.venues.steps(state, faults=faults))
        if self._touched.isdisjoint(known.marks):
            if faults or not known.faults:
                return known.edges
            return [edge for edge in known.edges if not edge.fault]
        steps = self.venues.steps(state, faults=faults)
        edges = _edges(steps)
        if not self.differs and (faults != known.faults or edges != known.edges or _told(steps) != known.told):
            self.differs = True
        return edges


def leaf_mark(leaf: str) -> Mark:
    """Of rows that are looked at in a leaf, taken or not."""
    return (leaf.lower(),)


def move_mark(source: str, event: str, target: str | None) -> Mark:
    return (source.lower(), event, (target or "").lower())


def timer_mark(event: str) -> Mark:
    return ("timer", event)


def _marks(leaf: str, steps: Sequence[Step]) -> Iterator[Mark]:
    yield leaf_mark(leaf)
    for step in steps:
        for done in step.done:
            if type(done) is Hop:
                yield (done.source, done.event, done.target or "")
                if done.target is not None:
                    yield (done.target,)
            elif type(done) is Arm and done.owner == CHART:
                yield ("timer", str(done.name))


def _edges(steps: Sequence[Step]) -> list[Edge[State, Action]]:
    return [Edge(it.action, it.state, bool(it.action.fault), it.broke) for it in steps]


def _told(steps: Sequence[Step]) -> list[tuple[Done, ...]]:
    return [
        tuple(it for it in step.done if type(it) in OUTWARD and not (type(it) is Told and it.code in NOTES))
        for step in steps
    ]
