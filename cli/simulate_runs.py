"""Many simulated runs over the machine's cores, and what they add up to."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from multiprocessing import get_context
from pathlib import Path

from cli.client_wiring import adapted
from cli.fault_plan import load_fault_plan
from cli.locate import CannotUse, Source, read_source
from cli.setups import sound_flow
from cli.simulate_play import played, suited
from cli.simulate_story import Story, last_rows
from cli.simulated import SimulatedWorld, roles_of
from cli.simulated_life import simulate
from cli.venue_wiring import KINDS
from engine.chart.model import Flow
from engine.runtime.config import load_config
from engine.runtime.simulate.alone import Alone
from engine.runtime.simulate.outcome import Outcome, crashed
from engine.runtime.simulate.scenario import Scenario, draw_scenario
from engine.runtime.simulate.witness import Bounds
from engine.trading.plan import source_role
from exchanges.venues.faults import FaultPlan

VENUES = ("one", "two")
CATALOGUE = "catalogue"
LISTENING_PLAN = "hedger_faults.yaml"  # the catalogue for flows that hedge what somebody else fills
BY_PHASE = ("cell", "both")  # how much of a plan to play, where it goes by the phases of the catalogue
BATCH = 4  # seeds of one order to a worker
ACCOUNTS = ("hawk", "chick", "hen", "duck")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What all seeds of a command share; small enough to be sent to workers."""

    flow: Source
    faults: Source | None
    play: str  # how much of the plan a seed plays, a word of `simulate_play`
    kinds: tuple[str, ...]
    rounds: int
    settings: tuple[tuple[str, str], ...]
    bounds: Bounds
    matrix: bool = False  # is a table of the flow's phases wanted?


@dataclass(frozen=True, slots=True)
class Told:
    """A broken run as a person needs it."""

    diagram: str
    rows: tuple[str, ...]


def run_seed(options: RunOptions, seed: int, *, story: Story | None = None, folder: Path) -> Outcome:
    """One seed in this process."""
    flow = _flow(options.flow)
    scenario = _scenario(options, flow, seed)
    plan = played(_plan(options.faults), options.play, scenario)
    scenario = suited(plan, scenario, chosen=dict(options.settings))
    try:
        outcome = simulate(flow, scenario, plan, folder=folder, bounds=options.bounds, story=story)
    except Exception as error:  # noqa: BLE001 a defect of program or judge, a livelock: other seeds must be told too
        outcome = crashed(scenario, error)
    gc.collect(0)  # what a run leaves holds itself in circles: looked through now, it is still in the caches
    return outcome


def tell(options: RunOptions, seed: int, *, folder: Path) -> Told:
    """Run a seed once more, which goes the same way, and keep what is worth seeing; its journal stays in `folder`."""
    story = Story()
    outcome = run_seed(options, seed, story=story, folder=folder)
    first = outcome.violations[0].code if outcome.violations else "nothing is broken"
    journal = folder / f"seed-{seed}.sqlite"
    rows = last_rows(journal) if journal.exists() else []
    return Told(story.diagram(title=f"seed {seed}, {first}"), tuple(rows))


def read_plan(path: str, flow: Source | None = None) -> Source:
    """A plan's file, or the shipped catalogue for this flow. Raises: CannotUse, FlowError for what is not UTF-8."""
    if path == CATALOGUE and not Path(path).exists():
        listens = flow is not None and source_role(_flow(flow))
        name = LISTENING_PLAN if listens else f"{CATALOGUE}_faults.yaml"
        return Source(name, resources.files("schemas").joinpath(name).read_text("utf-8"))
    return read_source(path)


def check(options: RunOptions) -> None:
    """Read flow, plan and the config of a seed once, before any worker starts. Raises: FlowError, CannotUse."""
    flow = _flow(options.flow)
    roles_of(flow)
    if source_role(flow) and (options.play in BY_PHASE or options.matrix):
        raise CannotUse(
            f"{flow.name}: its states are not the phases of the fault catalogue; leave --matrix out, and write"
            " --play all, some or one"
        )
    plan, scenario = _plan(options.faults), _scenario(options, flow, 0)
    world = SimulatedWorld(scenario, plan, bounds=options.bounds)
    load_config(world.config_text(flow), file="simulated.yaml", flow=flow)


def _scenario(options: RunOptions, flow: Flow, seed: int) -> Scenario:
    return draw_scenario(
        seed, kinds=options.kinds, rounds=options.rounds,
        settings={**_asked(flow, options.rounds), **dict(options.settings)}, offered=tuple(flow.settings),
        listens=bool(source_role(flow)),
    )  # fmt: skip


def outcomes(options: RunOptions, seeds: Sequence[int], *, jobs: int) -> Iterator[Outcome]:
    """Every seed's outcome, as it comes."""
    if jobs <= 1 or len(seeds) == 1:
        with tempfile.TemporaryDirectory(prefix="eagle-sim-") as folder, calm():
            for seed in seeds:
                yield _one(options, seed, Path(folder))
        return
    batches = [seeds[start : start + BATCH] for start in range(0, len(seeds), BATCH)]
    with ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=_begin, initargs=(options,)
    ) as pool:  # fmt: skip
        waiting = [pool.submit(_batch, options, tuple(batch)) for batch in batches]
        try:
            for done in as_completed(waiting):
                yield from done.result()
        finally:
            for one in waiting:
                one.cancel()


def _begin(options: RunOptions) -> None:
    """A worker reads what all its seeds share, and is calm from then on."""
    _flow(options.flow)
    _plan(options.faults)
    _calm_down()


def _batch(options: RunOptions, seeds: tuple[int, ...]) -> list[Outcome]:
    with tempfile.TemporaryDirectory(prefix="eagle-sim-") as folder:
        return [_one(options, seed, Path(folder)) for seed in seeds]


def _one(options: RunOptions, seed: int, folder: Path) -> Outcome:
    outcome = run_seed(options, seed, folder=folder)
    (folder / f"seed-{seed}.sqlite").unlink(missing_ok=True)
    return outcome


@cache
def _flow(source: Source) -> Flow:
    return sound_flow(source)


def _calm_down() -> None:
    """What was read once is never garbage, and what a run makes is worth no look at every seven hundred objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 10, 10)


@contextmanager
def calm() -> Iterator[None]:
    """`_calm_down` while entered."""
    former = gc.get_threshold()
    _calm_down()
    try:
        yield
    finally:
        gc.set_threshold(*former)
        gc.unfreeze()


@cache
def _plan(source: Source | None) -> FaultPlan:
    if source is None:
        return FaultPlan()
    return load_fault_plan(source, venues=dict.fromkeys(VENUES, ACCOUNTS), simulated=True)


def _asked(flow: Flow, rounds: int) -> Mapping[str, str]:
    """The settings that a flow needs, with the values of its examples, and how many rounds."""
    from engine.chart.units import shown

    needed = {
        name: shown(it.example, it.type)
        for name, it in flow.settings.items()
        if it.required and it.example is not None
    }  # fmt: skip
    return needed | ({"rounds": str(rounds)} if "rounds" in flow.settings else {})


def known_kinds() -> tuple[str, ...]:
    """Kinds of venues that have a model and an adapter."""
    return tuple(kind for kind in adapted() if kind in KINDS)


# --- what they add up to


@dataclass(slots=True)
class Totals:
    """Sums and extremes over all seeds of a command."""

    seeds: int = 0
    rounds: int = 0
    faults: int = 0
    fills: int = 0
    hedges: int = 0
    steps: int = 0
    messages: int = 0
    quiet_cuts: int = 0
    span_ns: int = 0
    exposed_ns: list[int] = field(default_factory=list)
    unknown_ns: list[int] = field(default_factory=list)
    alone: list[Alone] = field(default_factory=list)
    home_ns: list[int] = field(default_factory=list)
    cells: dict[tuple[str, str], int] = field(default_factory=dict)
    broken: dict[int, Outcome] = field(default_factory=dict)
    digests: dict[int, str] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        self.seeds += 1
        self.rounds += outcome.rounds
        self.faults += len(outcome.played)
        self.fills += outcome.fills
        self.hedges += outcome.hedges
        self.steps += outcome.steps
        self.messages += outcome.messages
        self.quiet_cuts += outcome.quiet_cuts
        self.span_ns += outcome.span_ns
        self.exposed_ns.append(outcome.exposed_ns)
        self.unknown_ns.append(outcome.unknown_ns)
        if outcome.alone is not None:
            self.alone.append(outcome.alone)
        if outcome.home_ns:
            self.home_ns.append(outcome.home_ns)
        self.digests[outcome.scenario.seed] = outcome.digest
        for cell, times in outcome.cells.items():
            self.cells[cell] = self.cells.get(cell, 0) + times
        if not outcome.holds:
            self.broken[outcome.scenario.seed] = outcome

    @property
    def holds(self) -> bool:
        return not self.broken
