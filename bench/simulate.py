"""`make bench`: simulated rounds a second on one core, with the Backpack adapters; quiet, and with the fault catalogue.

    python bench/simulate.py [SEEDS [REPEATS]]

Each figure is of the CPU time of this process, which a busy machine falsifies less; beside it stands what a fixed piece
of plain Python took in the same run. The seeds are the same in each repeat.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

from figures import print_head, print_machine, print_row

from cli.locate import read_flow_source
from cli.simulate_runs import RunOptions, calm, read_plan, run_seed
from engine.runtime.simulate.witness import Bounds

KINDS = (
    ("12 rounds, quiet", None, "all", 12),
    ("12 rounds, with faults", "catalogue", "some", 12),
    ("48 rounds, quiet: start and verdict weigh less", None, "all", 48),
)
FLOOR_STEPS = 200_000


def main(seeds: int, repeats: int) -> None:
    print_machine()
    print(f"{seeds} seeds, of which two in three are stopped in the middle; {repeats} repeats")
    print_head("rounds per CPU second")
    for name, faults, play, rounds in KINDS:
        options = RunOptions(
            flow=read_flow_source("eagle_chicken"), faults=None if faults is None else read_plan(faults), play=play,
            kinds=("backpack",), rounds=rounds, settings=(), bounds=Bounds(),
        )  # fmt: skip
        rates, floors = zip(*(_measure(options, seeds) for _ in range(repeats)), strict=True)
        print_row(name, rates, digits=1, note=f"floor {min(floors):.1f} .. {max(floors):.1f} ms")


def _measure(options: RunOptions, seeds: int) -> tuple[float, float]:
    """Rounds per CPU second, and what the floor took in milliseconds."""
    with TemporaryDirectory() as folder, calm():
        run_seed(options, 0, folder=Path(folder))  # what is read once
        floor, began = _floor_ms(), process_time()
        rounds = sum(run_seed(options, seed, folder=Path(folder)).rounds for seed in range(1, seeds + 1))
        return rounds / (process_time() - began), floor


def _floor_ms() -> float:
    table: dict[int, str] = {}
    began = process_time()
    for number in range(FLOOR_STEPS):
        table[number & 1023] = str(number)
    return (process_time() - began) * 1000


if __name__ == "__main__":
    main(*(int(word) for word in (sys.argv[1:] + ["30", "3"][len(sys.argv) - 1 :])[:2]))
