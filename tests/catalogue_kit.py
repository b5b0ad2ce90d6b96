"""One simulated run with a plan of its own, and what its process took in and decided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from cli.fault_plan import load_fault_plan
from cli.locate import Source, read_flow_source
from cli.setups import sound_flow
from cli.simulate_play import suited
from cli.simulate_story import Story
from cli.simulated_life import simulate
from engine.chart.model import Flow
from engine.runtime.simulate.outcome import Outcome
from engine.runtime.simulate.scenario import Scenario, VenueDraw
from engine.runtime.simulate.witness import Bounds
from engine.trading.effects import Alert, Effect, PlaceOrder, Purpose
from engine.trading.inputs import Input
from exchanges.venues.faults import FaultPlan

MS, S = 1_000_000, 1_000_000_000
SETTINGS = {"quantity": "0.02", "maker_side": "buy", "cleanup_rounds": "2", "hold": "200..800ms"}


@dataclass(frozen=True, slots=True)
class Step:
    at_ns: int
    given: Input
    effects: Sequence[Effect]


class Steps(Story):
    """Every step of all lives."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []

    def stepped(self, seq: int, at_ns: int, given: Input, effects: list[Effect]) -> None:
        self.steps.append(Step(at_ns, given, tuple(effects)))


@dataclass(frozen=True, slots=True)
class Seen:
    """A run and its steps."""

    outcome: Outcome
    steps: Sequence[Step]
    journal: Path
    alerts: Sequence[str] = field(default=())

    def struck(self) -> Sequence[int]:
        """When the faults acted."""
        return [it.at_ns for it in self.outcome.played]

    def effects(self, kind: type[Effect]) -> Iterator[tuple[int, Effect]]:
        for step in self.steps:
            for effect in step.effects:
                if isinstance(effect, kind):
                    yield step.at_ns, effect

    def placed(self, *purposes: Purpose) -> list[tuple[int, PlaceOrder]]:
        return [
            (at_ns, it)
            for step in self.steps
            for at_ns, it in ((step.at_ns, effect) for effect in step.effects)
            if isinstance(it, PlaceOrder) and (not purposes or it.purpose in purposes)
        ]

    def given(self, kind: type[Input]) -> list[tuple[int, Input]]:
        return [(step.at_ns, step.given) for step in self.steps if isinstance(step.given, kind)]


def lived(
    rules: str, *, folder: Path, seed: int = 1, kind: str = "backpack", rounds: int = 3, phase: str = ""
) -> Seen:  # fmt: skip
    """Maker hawk on venue one, takers chick and hen on venue two; `rules` as in a plan, one a line.

    They act anywhere, or once in all in that `phase` of the flow.
    """
    scenario = Scenario(
        seed=seed, rounds=rounds,
        venues=(VenueDraw("one", kind, ("hawk",)), VenueDraw("two", kind, ("chick", "hen"))), way_ms=(5, 25),
        shuffled=False, settings={**SETTINGS, "rounds": str(rounds)},
    )  # fmt: skip
    steps, plan = Steps(), plan_of(rules)
    if phase:
        plan = FaultPlan(tuple(replace(rule, phase=phase, times=1) for rule in plan.rules))
        scenario = suited(plan, scenario, chosen=())
    outcome = simulate(_flow(), scenario, plan, folder=folder, bounds=Bounds(), story=steps)
    alerts = [it.code for step in steps.steps for it in step.effects if isinstance(it, Alert)]
    return Seen(outcome, steps.steps, folder / f"seed-{seed}.sqlite", alerts)


def plan_of(rules: str) -> FaultPlan:
    text = "\n".join(["faults:", *(f"  - {{{rule.strip()}}}" for rule in rules.strip().splitlines())])
    return load_fault_plan(
        Source("plan.yaml", text), venues={"one": ("hawk",), "two": ("chick", "hen")}, simulated=True
    )


@cache
def _flow() -> Flow:
    return sound_flow(read_flow_source("eagle_chicken"))
