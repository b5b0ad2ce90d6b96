"""How a simulated run went: what was broken, what was played, and the figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb

from engine.runtime.simulate.alone import Alone
from engine.runtime.simulate.scenario import Scenario
from engine.runtime.simulate.witness import Violation

__all__ = ["Outcome", "Played", "crashed"]


@dataclass(frozen=True, slots=True)
class Played:
    """One fault that acted: when, what, on whom, and in which state of the flow."""

    at_ns: int
    fault: str
    label: str  # of the catalogue, where one of its rows is about a part of this fault
    venue: str
    account: str
    state: str
    took_ns: int  # how long it lasted


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
    recovered: bool = False  # a stop had left something open, as it may, and a person closed it afterwards
    home_ns: int = 0  # from the wish to stop, with all faults switched off, to the end; 0: it ended by itself
    starts_failed: int = 0  # and were made again, as a person or a supervisor would
    rows: tuple[str, ...] = ()  # the journal's last, where something was broken

    @property
    def holds(self) -> bool:
        return not self.violations

    @property
    def alone(self) -> Alone | None:
        """Of a run with a single fault; how long a person takes to come is nobody's bound."""
        if len(self.played) != 1 or self.recovered:
            return None
        return Alone(self.played[0].label, self.played[0].took_ns, self.exposed_ns)

    @property
    def cells(self) -> Mapping[tuple[str, str], int]:
        """How often each fault acted in each state; a labelled one counts under its plain name as well."""
        counted: dict[tuple[str, str], int] = {}
        for it in self.played:
            for name in {it.fault, it.label}:
                counted[name, it.state] = counted.get((name, it.state), 0) + 1
        return counted


def crashed(scenario: Scenario, error: Exception) -> Outcome:
    """Of a run that came to no end: an error left it, or time stood still in it."""
    newest = extract_tb(error.__traceback__)[-1]
    where = f"{Path(newest.filename).name}:{newest.lineno} {newest.name}"
    text = f"{type(error).__name__}: {error} ({where})"
    return Outcome(
        scenario=scenario, digest="", exit_code=1, ending=text, rounds=0, lives=0, span_ns=0, steps=0, messages=0,
        fills=0, hedges=0, quiet_cuts=0, exposed_ns=0, unknown_ns=0, played=(),
        violations=(Violation("crashed", 0, text),),
    )  # fmt: skip
