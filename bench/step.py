"""What a step of the desk costs, input to effects with ledger, beside a bare `transitions` dispatch.

    python bench/step.py

Recorded once: inputs, times and books of paper rounds as of bench/rounds.py (about one partial fill each). Every run
gives them to a fresh desk; the first rounds warm it up and are left out. The bare dispatch takes its turn in every run.
Each call is timed alone, so both carry the clock's cost. The collector is off, as it is while a round is open.
"""

from __future__ import annotations

import argparse
import gc
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter_ns

from chart_step import STATES, bare, flow_of_leaves
from figures import print_head, print_machine, print_row
from rounds import SEED, run

from cli.screen import Screen
from engine.runtime.chance import Chance
from engine.runtime.snapshot import Tally
from engine.trading.desk import Desk
from engine.trading.effects import Effect
from engine.trading.inputs import Answered, Input, TimerFired
from exchanges.types import Fill, OrderUpdate, Quote

TARGET_US = 60
WARM = 10  # rounds
FEWEST = 3  # steps of a kind in a run; rarer kinds are in the sums only
Books = Mapping[tuple[str, str], Quote]
Step = tuple[Input, int, Books]


class RecordingScreen(Screen):
    """Keeps what the desk was given, with the books as they were then."""

    def __init__(self) -> None:
        super().__init__(detailed=False)
        self.steps: list[Step] = []
        self.effects: list[list[Effect]] = []
        self.rounds_at: list[int] = []  # rounds that were over before each step
        self.desk: Desk

    def begin(self, desk: Desk, tally: Tally, *, run: int) -> None:
        super().begin(desk, tally, run=run)
        self.desk = desk

    def step(self, seq: int, at_ns: int, given: Input, effects: list[Effect]) -> None:
        self.steps.append((given, at_ns, dict(self.desk.books)))
        self.effects.append(effects)
        self.rounds_at.append(self.tally.rounds)


def recorded(rounds: int) -> RecordingScreen:
    screen = RecordingScreen()
    run(rounds, journal=None, screen=screen, counts=Counter())
    if replayed(screen) != screen.effects:
        raise SystemExit("a fresh desk decided otherwise than the recorded one: these figures would mean nothing")
    return screen


def fresh_desk(screen: RecordingScreen) -> tuple[Desk, Chance]:
    chance = Chance(SEED)
    return Desk(screen.desk.world.plan, run=1, chance=chance), chance


def replayed(screen: RecordingScreen) -> list[list[Effect]]:
    desk, _ = fresh_desk(screen)
    effects = []
    for given, at_ns, books in screen.steps:
        desk.books.update(books)
        effects.append(desk.step(given, at_ns))
        desk.take_used_quotes()
    return effects


def timed(screen: RecordingScreen) -> list[float]:
    """Microseconds of each step."""
    desk, chance = fresh_desk(screen)
    step, took = desk.step, []
    for given, at_ns, books in screen.steps:
        desk.books.update(books)
        began = perf_counter_ns()
        step(given, at_ns)
        took.append((perf_counter_ns() - began) / 1000)
        desk.take_used_quotes()
        chance.take_draws()
    return took


def timed_bare(calls: int) -> float:
    """Median microseconds of a dispatch by the library alone, with one condition and no actions."""
    trigger, took = bare(flow_of_leaves(STATES)), []
    for _ in range(calls):
        began = perf_counter_ns()
        trigger()
        took.append((perf_counter_ns() - began) / 1000)
    return statistics.median(took)


def kind(given: Input, *, maker: str) -> str:
    if isinstance(given, Fill | OrderUpdate):
        who = "maker" if given.account == maker else "taker"
        return f"{who} fill" if isinstance(given, Fill) else f"{who} order {given.state.value}"
    if isinstance(given, Answered):
        return f"answer to {given.request.value}"
    if isinstance(given, TimerFired):
        return f"timer {given.name}"
    return type(given).__name__


@contextmanager
def no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args()
    print_machine()
    screen = recorded(options.rounds + WARM)
    first = screen.rounds_at.index(WARM)
    runs, floor = [], []
    for _ in range(options.runs):
        with no_collection():
            runs.append(timed(screen)[first:])
            floor.append(timed_bare(len(runs[-1])))
    maker = screen.desk.world.plan.roles["maker"][0]
    kinds = [kind(given, maker=maker) for given, *_ in screen.steps[first:]]
    print_head(f"us a step: medians of {len(runs)} runs of {options.rounds} rounds")
    for name, count in Counter(kinds).most_common():
        if count >= FEWEST:
            of_kind = [at for at, other in enumerate(kinds) if other == name]
            print_row(name, medians(runs, of_kind), digits=1, note=f"{count / options.rounds:.2f} a round")
    acting = [at for at, effects in enumerate(screen.effects[first:]) if effects]
    told = f"{len(acting) / options.rounds:.2f} a round; target: median <= {TARGET_US}"
    print_row("every step that has effects", medians(runs, acting), digits=1, note=told)
    print_row("every step", medians(runs, list(range(len(kinds)))), digits=1)
    sums = [sum(took) / options.rounds for took in runs]
    print_row("a round: sum of its steps", sums, digits=1, note=f"{len(kinds) / options.rounds:.2f} steps")
    print_row(f"floor: bare transitions dispatch, {STATES} states", floor, digits=1)
    print_machine()


def medians(runs: Sequence[Sequence[float]], chosen: Sequence[int]) -> list[float]:
    """The median of the chosen steps in each run."""
    return [statistics.median([took[at] for at in chosen]) for took in runs]


if __name__ == "__main__":
    main()
