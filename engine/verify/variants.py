"""A flow and its variants of one changed row: what the search of the flow found is not searched again.

A state of the flow in which no way out runs into the changed row leads to the same states in the variant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
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
        at_first = frozenset(_marks(flow.initial.lower(), [self.began]))
        self._marks[at_first] = at_first

    def edges(self, state: State, *, faults: bool) -> list[Edge[State, Action]]:
        steps = self.venues.steps(state, faults=faults)
        once = self._states.setdefault
        edges = [
            Edge(it.action, once(it.state, it.state), bool(it.action.fault), it.broke) for it in steps
        ]  # fmt: skip
        done = [it.done for it in steps]
        marks = frozenset(_marks(self.leaf(state), done))
        told = [self._told.setdefault(it, it) for it in _told(done)]
        self.known[once(state, state)] = Known(edges, faults, self._marks.setdefault(marks, marks), told)
        return edges

    def runs_into(self, touched: frozenset[Mark]) -> bool:
        """Does any state that was searched?"""
        return any(not touched.isdisjoint(marks) for marks in self._marks)

    def at_change(self, touched: frozenset[Mark]) -> Iterator[tuple[State, Known, int | None]]:
        """Every state that runs into the change, and how many faults lead there without having run into it before.

        None where no such way was found; there may be one all the same.
        """
        changed = {marks for marks in self._marks if not touched.isdisjoint(marks)}
        spent = {self.first(): 0}
        for state, known in self.known.items():
            so_far = spent.get(state)
            if known.marks in changed:
                yield state, known, so_far
            elif so_far is not None:
                for edge in known.edges:
                    after = so_far + edge.fault
                    if after <= self.bounds.faults and spent.get(edge.target, after) >= after:
                        spent[edge.target] = after


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
        self._original = original
        # from the original, as far as was searched
        self.differs = not self._near or _told([self.began]) != _told([original.began])

    def broken_at_once(self) -> str | None:
        """A rule that breaks in the first step which runs into the change; what was found before is not looked at anew.

        None where the way to such a step, or what follows it, has to be searched; nothing has if it does not `differ`.
        """
        required = [(rule.name, rule.fact) for rule in self.rules.always]
        for state, known, spent in self._original.at_change(self._touched) if self._near else ():
            if self.differs and spent is None:
                continue
            steps = self.venues.steps(state, faults=known.faults)
            self._compare(known, steps)
            if spent is None:
                continue
            for step in steps:
                if step.action.fault and spent >= self.bounds.faults:
                    continue
                facts = self.facts(step.state)
                broken = [*step.broke, *(name for name, fact in required if not facts & fact)]
                if broken:
                    return broken[0]
        return None

    def _compare(self, known: Known, steps: Sequence[Step]) -> None:
        if not self.differs and (_edges(steps) != known.edges or _told(it.done for it in steps) != known.told):
            self.differs = True

    def edges(self, state: State, *, faults: bool) -> list[Edge[State, Action]]:
        known = self._known.get(state)
        if known is None or (faults and not known.faults):
            self.differs = True
            return _edges(self.venues.steps(state, faults=faults))
        if self._touched.isdisjoint(known.marks):
            if faults or not known.faults:
                return known.edges
            return [edge for edge in known.edges if not edge.fault]
        return _edges(self.venues.steps(state, faults=faults))


def leaf_mark(leaf: str) -> Mark:
    """Of rows that are looked at in a leaf, taken or not."""
    return (leaf.lower(),)


def move_mark(source: str, event: str, target: str | None) -> Mark:
    return (source.lower(), event, (target or "").lower())


def timer_mark(event: str) -> Mark:
    return ("timer", event)


def _marks(leaf: str, steps: Iterable[Sequence[Done]]) -> Iterator[Mark]:
    yield leaf_mark(leaf)
    for done in chain.from_iterable(steps):
        if type(done) is Hop:
            yield (done.source, done.event, done.target or "")
            if done.target is not None:
                yield (done.target,)
        elif type(done) is Arm and done.owner == CHART:
            yield ("timer", str(done.name))


def _edges(steps: Sequence[Step]) -> list[Edge[State, Action]]:
    return [Edge(it.action, it.state, bool(it.action.fault), it.broke) for it in steps]


def _told(steps: Iterable[Sequence[Done]]) -> list[tuple[Done, ...]]:
    return [
        tuple(it for it in done if type(it) in OUTWARD and not (type(it) is Told and it.code in NOTES))
        for done in steps
    ]
