"""Full rounds a second on paper under the virtual clock, journal off and on, as `eagle run --speed max` runs them.

    python bench/rounds.py           about 10 quotes, 5 orders and one partial fill a round; targets 1,500 and 500
    python bench/rounds.py --long    late rounds beside early ones, and memory over 100,000 rounds (takes minutes)

Every run is a process of its own; journal off, journal on and the floor take turns. The floor is a round of bare
`transitions` dispatches without actions, accounts and markets. One core; wall and CPU time are both printed, as other
work on the machine lengthens the first more. What a round consists of is counted in a run that is not timed.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import cast

from chart_step import STATES, bare, flow_of_leaves
from figures import ROOT, in_own_process, print_head, print_machine, print_row

from cli.locate import Source, read_source
from cli.screen import Screen
from cli.setups import Options, Setup, load_setup
from cli.wiring import perform_run
from engine.runtime.chance import Stream
from engine.trading.effects import Effect, Moved, PlaceOrder, RoundEnded
from engine.trading.inputs import Input
from exchanges.market import MarketQuote, MarketSource
from exchanges.recording import Recording, TimeAxis
from exchanges.synthetic import SyntheticMarket
from exchanges.types import Fill

SEED = 1
TARGET_OFF, TARGET_ON = 1_500, 500
EARLY, LATE = (1_000, 2_000), (19_000, 20_000)
LONG = 100_000
DISPATCHES = 9  # of the floor's round: as many as a round has steps that do something (bench/step.py)
AXIS = TimeAxis(1_700_000_000_000_000, 1_800_000_000_000_000)

# The spread always leaves room for a better price, so that no queue is ahead of the maker; a market order is one fill,
# and about every second trade is smaller than the 200 lots of a maker order.
MARKET = SyntheticMarket(
    quote_interval_ns=200_000_000, wide_permille=1_000, wide_ticks=3, shown_lots_min=2_000, shown_lots_max=9_000,
    trade_permille=1_000, trade_lots_min=150, trade_lots_max=250,
)  # fmt: skip
QUOTES_SHOWN = {"paper-a": 1, "paper-b": 2}  # every how many quotes a venue shows one

CONFIG = """
version: 1
market: ETH-PERP
markets: {ETH-PERP: {paper-a: ETH-PERP, paper-b: ETH-PERP}}
venues: {paper-a: {kind: paper}, paper-b: {kind: paper}}
accounts:
  - {name: hawk, venue: paper-a, owner: bench, dedicated: true, balance: 1000000}
  - {name: chick-1, venue: paper-b, owner: bench, dedicated: true, balance: 1000000}
  - {name: chick-2, venue: paper-b, owner: bench, dedicated: true, balance: 1000000}
  - {name: chick-3, venue: paper-b, owner: bench, dedicated: true, balance: 1000000}
use: {maker: hawk, takers: [chick-1, chick-2, chick-3]}
settings: {quantity: 0.02, hold: 0..100ms}
"""


class MadeUp:
    """Stands in a `Setup` where a recording would, with the tuned market in it."""

    def __init__(self, venue: str, counts: Counter[str]) -> None:
        self._venue = venue
        self._counts = counts

    def events(self, axis: TimeAxis, *, passes: int | None) -> MarketSource:
        """For ever, whatever the axis."""
        every, shown = QUOTES_SHOWN[self._venue], 0
        for event in MARKET.events(walk=Stream(SEED, "walk"), flow=Stream(SEED, f"flow/{self._venue}")):
            if isinstance(event, MarketQuote):
                shown += 1
                if shown % every:
                    continue
                self._counts["quotes"] += 1
            yield event


class CountingScreen(Screen):
    def __init__(self, counts: Counter[str]) -> None:
        super().__init__(detailed=False)
        self._counts = counts

    def step(self, seq: int, at_ns: int, given: Input, effects: list[Effect]) -> None:
        counts = self._counts
        counts["steps"] += 1
        counts["fills"] += isinstance(given, Fill)
        counts["orders"] += sum(isinstance(effect, PlaceOrder) for effect in effects)
        counts["partials"] += sum(
            isinstance(effect, Moved) and effect.event == "order.partially_filled" for effect in effects
        )


class MarkingScreen(Screen):
    """Takes a reading at some rounds."""

    def __init__(self, at: set[int], reading: Callable[[], float]) -> None:
        super().__init__(detailed=False)
        self.readings: dict[str, float] = {}
        self._at = at
        self._reading = reading

    def effect(self, effect: Effect) -> None:
        super().effect(effect)
        if isinstance(effect, RoundEnded) and self.tally.rounds in self._at:
            self.readings[str(self.tally.rounds)] = self._reading()


def prepared(rounds: int, *, journal: Path | None, counts: Counter[str]) -> tuple[Setup, Options]:
    """The eagle flow on the tuned market."""
    flow = read_source(str(ROOT / "flows" / "eagle_chicken.yaml"))
    options = Options(markets={}, rounds=rounds, seed=SEED, speed=None, journal=journal, repeat=False, live=False)
    setup = load_setup(flow, Source("bench.yaml", CONFIG), options)
    markets = {venue: cast(Recording, MadeUp(venue, counts)) for venue in QUOTES_SHOWN}
    return replace(setup, recordings=markets, axis=AXIS), replace(options, repeat=True)


def perform(setup: Setup, options: Options, screen: Screen) -> None:
    ran = perform_run(setup, options, screen)
    if ran.exit_code:
        raise SystemExit(f"exit {ran.exit_code}: {ran.ending}")


def run(rounds: int, *, journal: Path | None, screen: Screen, counts: Counter[str]) -> None:
    """A run through the program's own wiring."""
    perform(*prepared(rounds, journal=journal, counts=counts), screen)


# --- one run, in a process of its own


def timed(rounds: int, journal: Path | None) -> dict[str, float]:
    """From an open venue to the last row of the journal; reading flow and config comes before, and is not counted."""
    setup, options = prepared(rounds, journal=journal, counts=Counter())
    wall, cpu = time.perf_counter(), time.process_time()
    perform(setup, options, Screen(detailed=False))
    return {
        "wall": rounds / (time.perf_counter() - wall),
        "cpu": rounds / (time.process_time() - cpu),
        "journal_kb": journal.stat().st_size / 1000 / rounds if journal else 0,
    }


def floor(rounds: int, journal: Path | None) -> dict[str, float]:  # noqa: ARG001 called as the others are
    trigger = bare(flow_of_leaves(STATES))
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(rounds * DISPATCHES):
        trigger()
    return {"wall": rounds / (time.perf_counter() - wall), "cpu": rounds / (time.process_time() - cpu)}


def counted(rounds: int, journal: Path | None) -> dict[str, float]:
    counts: Counter[str] = Counter()
    run(rounds, journal=journal, screen=CountingScreen(counts), counts=counts)
    return {name: count / rounds for name, count in counts.items()}


def paced(rounds: int, journal: Path | None) -> dict[str, float]:
    """CPU seconds of the process when each of the compared rounds had ended."""
    screen = MarkingScreen({*EARLY, *LATE}, time.process_time)
    run(rounds, journal=journal, screen=screen, counts=Counter())
    return screen.readings


def weighed(rounds: int, journal: Path | None) -> dict[str, float]:
    """Peak memory in MB after the first hundredth of the rounds, and after each tenth."""
    marks = {rounds // 100, *(rounds * tenth // 10 for tenth in range(1, 11))}
    screen = MarkingScreen(marks, _peak_mb)
    run(rounds, journal=journal, screen=screen, counts=Counter())
    return screen.readings


def _peak_mb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1_000_000


CHILDREN = {child.__name__: child for child in (timed, floor, counted, paced, weighed)}


def child(name: str, rounds: int, *, journal: bool) -> dict[str, float]:
    return in_own_process(__file__, "--child", name, "--rounds", str(rounds), *(["--journal"] if journal else []))


def perform_child(name: str, rounds: int, *, journal: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(CHILDREN[name](rounds, Path(folder) / "eagle.sqlite" if journal else None)))


# --- the figures


def print_rates(*, runs: int, rounds: int) -> None:
    counts = child("counted", rounds, journal=False)
    told = ", ".join(f"{counts[name]:.1f} {name}" for name in ("quotes", "orders", "fills", "partials", "steps"))
    print(f"a round on average over {rounds} rounds, cleanups included: {told}")
    variants = {
        f"journal off; target >= {TARGET_OFF:,}": ("timed", False),
        f"journal on; target >= {TARGET_ON:,}": ("timed", True),
        f"floor: {DISPATCHES} transitions dispatches a round": ("floor", False),
    }
    found: dict[str, list[dict[str, float]]] = {title: [] for title in variants}
    for _ in range(runs):
        for title, (name, journal) in variants.items():
            found[title].append(child(name, rounds, journal=journal))
    for kind in ("wall", "cpu"):
        print_head(f"rounds/s of {kind} time, {runs} interleaved runs of {rounds}")
        for title, results in found.items():
            print_row(title, [result[kind] for result in results])
    kilobytes = max(result.get("journal_kb", 0) for results in found.values() for result in results)
    print(f"the journal grows by {kilobytes:.1f} kB a round")


def print_long(*, runs: int, rounds: int) -> None:
    print_head(f"CPU time of rounds {LATE[0]:,}-{LATE[1]:,} / {EARLY[0]:,}-{EARLY[1]:,}")
    for journal in (False, True):
        ratios = []
        for _ in range(runs):
            at = child("paced", LATE[1], journal=journal)
            late, early = (at[str(end)] - at[str(start)] for start, end in (LATE, EARLY))
            ratios.append(late / early)
        print_row(f"journal {'on' if journal else 'off'}", ratios, digits=2, note="target 0.90..1.10")
    marks = child("weighed", rounds, journal=True)
    print("peak memory, journal on: " + ", ".join(f"{mb:.1f} MB at {int(at):,}" for at, mb in marks.items()))
    values = list(marks.values())
    print(
        f"growth from round {rounds // 100:,} to {rounds:,}: {values[-1] - values[0]:.1f} MB, target <= 20;"
        f" greatest in a tenth of it {max(after - before for before, after in pairwise(values[1:])):.1f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, help="interleaved runs (default 5; 3 of --long)")
    parser.add_argument("--rounds", type=int, help=f"rounds of a run (default 2,000; {LONG:,} of --long)")
    parser.add_argument("--long", action="store_true", help="late rounds beside early ones, and memory")
    parser.add_argument("--child", choices=CHILDREN, help=argparse.SUPPRESS)
    parser.add_argument("--journal", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        perform_child(options.child, options.rounds, journal=options.journal)
        return
    print_machine()
    if options.long:
        print_long(runs=options.runs or 3, rounds=options.rounds or LONG)
    else:
        print_rates(runs=options.runs or 5, rounds=options.rounds or 2_000)
    print_machine()


if __name__ == "__main__":
    main()
