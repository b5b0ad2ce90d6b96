"""What a picture of a flow shows, whatever draws it: what each state says, and the lines between states and phases.

Taken from the compiled flow, so that a picture cannot tell another story than the machine. A phase is a top-level
state. Lines join states of one phase, and phases of the path; what leads to a phase beside the path, and what a state
with states inside says for all of them, is told in words: drawn from every place, it would hide the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from engine.chart.model import Flow, Property, Row, RowKind, Sheet
from engine.chart.reach import rows_of
from engine.chart.words import Clause, Kind, alternatives_of, clause_of, property_text, reason_of, told_by

__all__ = ["EVERYWHERE", "Edge", "Picture", "Tone", "initial_leaf", "phase_of", "picture_of", "why_to"]

EVERYWHERE = ""  # the chart itself


class Tone(Enum):
    MAIN = "main"  # one step along the main path
    PLAIN = "plain"
    TIMED = "timed"  # only timers lead this way
    QUIET = "quiet"  # only failures lead this way


@dataclass(frozen=True, slots=True)
class Edge:
    """From one state to another; `rows` lead this way. `back` goes to a phase declared earlier."""

    source: str
    target: str
    rows: tuple[Row, ...]
    tone: Tone
    back: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """`told` is what each state says, EVERYWHERE included. `within` joins states of one phase, `ways` phases."""

    flow: Flow
    main: tuple[str, ...]  # phases in declared order, each leading to the next
    aside: tuple[str, ...]  # phases beside the path, for failures: entered from everywhere, or never left
    told: Mapping[str, tuple[Clause, ...]]
    within: tuple[Edge, ...]
    ways: tuple[Edge, ...]

    @property
    def phases(self) -> tuple[str, ...]:
        return _phases(self.flow)

    @property
    def path(self) -> tuple[str, ...]:
        """Every phase that is not aside."""
        return tuple(name for name in self.phases if name not in self.aside)

    def ways_aside(self, name: str) -> Iterator[tuple[str, str]]:
        """How the flow comes to a phase beside its path: from where, and on what."""
        whys: dict[str, dict[str, None]] = {}
        for row in _crossing(self.flow):
            if _leads_to(row, name):
                why = why_to(row, name, self.flow).removeprefix("if ")
                whys.setdefault(row.state or "any state", {})[why] = None
        sources: dict[str, list[str]] = {}
        for source, reasons in whys.items():
            sources.setdefault(" · ".join(reasons), []).append(source)
        for why, names in sources.items():
            yield ", ".join(names), why

    @property
    def sheets(self) -> tuple[Sheet, ...]:
        """What stands beside the states: the sections in their own words, what is checked and what is to be proved."""
        shown = [sheet for section in self.flow.sections.values() for sheet in section.shown]
        for title, promises in (
            ("Must hold after every step", self.flow.invariants),
            ("To be proved", self.flow.properties),
        ):
            if promises:
                shown.append(Sheet(title, tuple(_promise(promise, self.flow) for promise in promises)))
        return tuple(shown)


def picture_of(flow: Flow) -> Picture:
    told = {name: told_by(state, flow) for name, state in flow.states.items()}
    crossing = [(phase_of(row.state), phase_of(row.target or ""), row) for row in _crossing(flow)]
    main = _main_path(flow, {(source, target) for source, target, row in crossing if row.kind is not RowKind.ERROR})
    aside = _aside(flow, main)
    ways: dict[tuple[str, str], list[Row]] = {}
    for source, target, row in crossing:
        if source and source not in aside and target not in aside:
            ways.setdefault((source, target), []).append(row)
    order = _phases(flow)
    edges = tuple(
        Edge(*ends, tuple(rows), _way_tone(ends, rows, main), back=order.index(ends[1]) < order.index(ends[0]))
        for ends, rows in ways.items()
    )
    return Picture(flow, main, aside, told, tuple(_within(told)), edges)


def phase_of(name: str) -> str:
    return name.partition(".")[0]


def initial_leaf(flow: Flow, name: str) -> str:
    """Where entering a state ends."""
    while flow.states[name].children:
        name = flow.states[name].initial or flow.states[name].children[0]
    return name


# --- lines


def _within(told: Mapping[str, tuple[Clause, ...]]) -> Iterator[Edge]:
    """What a phase says for all its places leads from everywhere in it, so it is no line."""
    for name, clauses in told.items():
        leads: dict[str, list[Clause]] = {}
        for clause in clauses:
            target = clause.target
            if target is not None and "." in name and "." in target and phase_of(target) == phase_of(name):
                leads.setdefault(target, []).append(clause)
        for target, found in leads.items():
            if target != name:
                yield Edge(name, target, tuple(row for clause in found for row in clause.rows), _tone(found))


def _tone(clauses: Iterable[Clause]) -> Tone:
    kinds = {clause.kind for clause in clauses}
    return Tone.QUIET if kinds == {Kind.FAILED} else Tone.TIMED if kinds == {Kind.TIMER} else Tone.PLAIN


def _way_tone(ends: tuple[str, str], rows: Iterable[Row], main: tuple[str, ...]) -> Tone:
    if ends in pairwise(main):
        return Tone.MAIN
    return Tone.QUIET if {row.kind for row in rows} == {RowKind.ERROR} else Tone.PLAIN


# --- phases


def _phases(flow: Flow) -> tuple[str, ...]:
    return tuple(name for name, state in flow.states.items() if name and not state.parent)


def _crossing(flow: Flow) -> Iterator[Row]:
    """Rows that lead out of their phase; those of the chart itself lead out of none."""
    for state in flow.states.values():
        for row in rows_of(state):
            if row.target is not None and phase_of(row.target) != phase_of(row.state):
                yield row


def _main_path(flow: Flow, steps: set[tuple[str, str]]) -> tuple[str, ...]:
    """From the initial state along the declared order; without what follows the last state that turns back.

    A place for failures is often declared last, and the state before it often leads there.
    """
    order = _phases(flow)
    path = [phase_of(flow.initial)]
    for name in order[order.index(path[0]) + 1 :]:
        if (path[-1], name) not in steps:
            break
        path.append(name)
    turning = [place for place, name in enumerate(path) if place and (name, path[0]) in steps]
    if turning and not flow.states[path[-1]].final:
        path = path[: turning[-1] + 1]
    return tuple(path)


def _aside(flow: Flow, main: tuple[str, ...]) -> tuple[str, ...]:
    steps: dict[str, set[str]] = {}
    for row in _crossing(flow):
        steps.setdefault(phase_of(row.state), set()).add(phase_of(row.target or ""))

    def returns(name: str) -> bool:
        seen, waiting = {name}, [name]
        while waiting:
            new = steps.get(waiting.pop(), set()) - seen
            if new & set(main):
                return True
            seen |= new
            waiting += new
        return False

    entered = steps.get(EVERYWHERE, set())
    return tuple(name for name in _phases(flow) if name not in main and (name in entered or not returns(name)))


# --- words


def why_to(row: Row, phase: str, flow: Flow) -> str:
    """On what a row leads to a phase. Conditions are left out where they only decide to which place in it."""
    clause, alternatives = clause_of(row, flow), list(alternatives_of(row, flow))
    if all(_leads_to(other, phase) for other in alternatives) and any(other.when is None for other in alternatives):
        return clause.occasion or "at once"
    return reason_of(clause)


def _leads_to(row: Row, name: str) -> bool:
    return row.target is not None and phase_of(row.target) == name


def _promise(promise: Property, flow: Flow) -> str:
    return f"{promise.name}: {property_text(promise, flow)}"
