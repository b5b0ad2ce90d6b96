"""How a simulated run went: what was broken, what was played, and the figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.runtime.simulate.scenario import Scenario
from engine.runtime.simulate.witness import Violation

__all__ = ["Outcome", "Played"]


@dataclass(frozen=True, slots=True)
class Played:
    """One fault that acted: when, what, on whom, and in which state of the flow."""

    at_ns: int
    fault: str
    label: str  # of the catalogue, where one of its rows is about a part of this fault
    venue: str
    account: str
    state: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """`digest` is the hash of its trace; times are virtual."""

    scenario: Scenario
    digest: str
    exit_code: int
    ending: str
    rounds: int
    lives: int  # more than one: the process died and was started again
    span_ns: int
    steps: int
    messages: int
    fills: int
    hedges: int
    quiet_cuts: int
    exposed_ns: int  # the longest time in which exposure stayed above dust
    unknown_ns: int  # the longest time for which a fill was not known
    played: tuple[Played, ...]
    violations: tuple[Violation, ...]
    rows: tuple[str, ...] = ()  # the journal's last, where something was broken

    @property
    def holds(self) -> bool:
        return not self.violations

    @property
    def cells(self) -> Mapping[tuple[str, str], int]:
        """How often each fault acted in each state; a labelled one counts under its plain name as well."""
        counted: dict[tuple[str, str], int] = {}
        for it in self.played:
            for name in {it.fault, it.label}:
                counted[name, it.state] = counted.get((name, it.state), 0) + 1
        return counted
