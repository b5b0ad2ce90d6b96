"""`make bench`: simulated rounds a second on one core with the Backpack adapters, from the sources and compiled.

    python bench/simulate.py [SEEDS [REPEATS]]        the second build is that of `make fast`, if it is there

Each figure is of the CPU time of a process of its own, which a busy machine falsifies less; beside it stands what a
fixed piece of plain Python took in the same run. The builds take turns, and the seeds are the same in each: a trace
that differs ends this command with exit 1. Last stands how many functions a round calls, Python's and C's, from the
sources and as the profiler counts them: on one Python that number is the same on any machine, however busy.
"""

from __future__ import annotations

import json
import sys
from cProfile import Profile
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

from figures import ROOT, in_own_process, print_head, print_machine, print_row

from cli.locate import read_flow_source
from cli.simulate_runs import RunOptions, calm, read_plan, run_seed
from engine.runtime.simulate.witness import Bounds

KINDS = {  # a plan, how much of it a seed plays, rounds of a run
    "storm: 12 rounds, all faults at once": ("tests/storm_faults.yaml", "all", 12),
    "12 rounds, quiet": (None, "all", 12),
    "12 rounds, some of the catalogue": ("catalogue", "some", 12),
    "48 rounds, quiet: start and verdict weigh less": (None, "all", 48),
}
FLOOR_STEPS = 200_000
COUNTED = 6  # seeds of the profile, which takes three times as long
FAST = ROOT / ".venv-fast" / "bin" / "python"


def main(seeds: int, repeats: int) -> None:
    print_machine()
    builds = {"sources": sys.executable} | ({"compiled": str(FAST)} if FAST.exists() else {})
    print(f"{seeds} seeds, two in three stopped in the middle; {repeats} repeats; builds: {', '.join(builds)}")
    print_head("rounds per CPU second")
    for name in KINDS:
        found: dict[str, list[dict[str, float]]] = {build: [] for build in builds}
        for _ in range(repeats):
            for build, python in builds.items():
                found[build].append(in_own_process(__file__, "--child", name, str(seeds), python=python))
        print(name)
        for build, runs in found.items():
            floors = [run["floor_ms"] for run in runs]
            note = f"floor {min(floors):.1f} .. {max(floors):.1f} ms"
            print_row(f"  {build}", [run["rate"] for run in runs], digits=1, note=note)
        if len(builds) == 2:
            pairs = list(zip(found["compiled"], found["sources"], strict=True))
            print_row("  compiled / sources", [fast["rate"] / plain["rate"] for fast, plain in pairs], digits=2)
        if len({run["trace"] for runs in found.values() for run in runs}) != 1:
            raise SystemExit(f"{name}: the same seeds did not go the same way")
        counted = in_own_process(__file__, "--calls", name, str(min(seeds, COUNTED)))
        print_row("  calls per round", [counted["calls"]], digits=0, note=f"seeds 1..{min(seeds, COUNTED)}")


def child(name: str, seeds: int) -> None:
    options = _options(name)
    traces = blake2b(digest_size=6)
    with TemporaryDirectory() as folder, calm():
        run_seed(options, 0, folder=Path(folder))  # what is read once
        floor_ms, began, played = _floor_ms(), process_time(), 0
        for seed in range(1, seeds + 1):
            outcome = run_seed(options, seed, folder=Path(folder))
            played += outcome.rounds
            traces.update(outcome.digest.encode())
        rate = played / (process_time() - began)
    print(json.dumps({"rate": rate, "floor_ms": floor_ms, "trace": int(traces.hexdigest(), 16)}))


def calls(name: str, seeds: int) -> None:
    options, profile = _options(name), Profile()
    with TemporaryDirectory() as folder, calm():
        run_seed(options, 0, folder=Path(folder))
        profile.enable()
        played = sum(run_seed(options, seed, folder=Path(folder)).rounds for seed in range(1, seeds + 1))
        profile.disable()
    print(json.dumps({"calls": sum(entry.callcount for entry in profile.getstats()) / played}))


def _options(name: str) -> RunOptions:
    faults, play, rounds = KINDS[name]
    return RunOptions(
        flow=read_flow_source("eagle_chicken"), faults=None if faults is None else read_plan(faults), play=play,
        kinds=("backpack",), rounds=rounds, settings=(), bounds=Bounds(),
    )  # fmt: skip


def _floor_ms() -> float:
    table: dict[int, str] = {}
    began = process_time()
    for number in range(FLOOR_STEPS):
        table[number & 1023] = str(number)
    return (process_time() - began) * 1000


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1:2] == ["--calls"]:
        calls(sys.argv[2], int(sys.argv[3]))
    else:
        main(*(int(word) for word in (sys.argv[1:] + ["30", "3"][len(sys.argv) - 1 :])[:2]))
