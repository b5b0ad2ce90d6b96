"""`make campaign`: what must hold before anything is released, within ten minutes of two quiet cores; `make soak` plays
the same in 25 slices of other seeds.

    python tests/simulated_campaign.py                one campaign
    python tests/simulated_campaign.py soak [N ...]   the slices that are left, or of them only those named

A storm on venues that fail, deaths at any effect of a run with the next start taking over, and, beside both, real
processes killed with SIGKILL on venues behind sockets. Prints what was played beside what is wanted; exit code 1 if
something broke or a number was missed. A soak keeps each slice in build/soak, by the state of what it plays, so that it
can be left and gone on with, also after a change of documents, tests or benches.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from hashlib import blake2b
from multiprocessing import get_context
from pathlib import Path

from sigkill_campaign import kill_all

from cli.locate import read_flow_source
from cli.simulate_runs import RunOptions, outcomes, read_plan
from engine.runtime.simulate.outcome import Outcome
from engine.runtime.simulate.witness import Bounds

ROOT = Path(__file__).resolve().parent.parent
PROCESSES = 2
BEHIND = 5  # how nice the simulation is to the real processes, whose time is the machine's
TELL_EVERY_S = 15
SLICES = 25


@dataclass(frozen=True, slots=True)
class Size:
    """How much of each part is played."""

    storms: int  # seeds
    deaths: int  # seeds
    sigkills: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What was played and what came of it; also what is wanted of it."""

    seeds: int = 0
    rounds: int = 0
    faults: int = 0
    kill_points: int = 0
    sigkills: int = 0
    violations: int = 0  # seeds that broke, and SIGKILLs that were not made good
    seconds: float = 0

    def __add__(self, other: Figures) -> Figures:
        return Figures(*(getattr(self, it.name) + getattr(other, it.name) for it in fields(self)))


CAMPAIGN = Size(storms=1_050, deaths=950, sigkills=20)
WANTED = Figures(seeds=1_000, rounds=10_000, faults=40_000, kill_points=2_500, sigkills=20, seconds=600)
SLICE = Size(storms=1_050, deaths=400, sigkills=3)
WANTED_OF_SOAK = Figures(seeds=25_000, rounds=250_000, faults=1_000_000, kill_points=25_000, sigkills=50)
STORM = ("tests/storm_faults.yaml", 12)  # a plan and the rounds of a run
PLAYED = (
    "engine", "exchanges", "cli", "flows", "schemas", "tests/storm_faults.yaml", "tests/death_faults.yaml",
    "tests/simulated_campaign.py", "tests/sigkill_campaign.py",
)  # fmt: skip
DEATHS = ("tests/death_faults.yaml", 2)  # of each life


@contextmanager
def real_processes() -> Iterator[ProcessPoolExecutor]:
    """A process that starts the real ones. It is there before this one gives way to it, for good."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as beside:
        beside.submit(os.getpid).result()
        os.nice(BEHIND)
        yield beside


def play(size: Size, number: int, *, beside: Executor) -> Figures:
    """Play one size with the seeds that belong to its number. Prints what breaks, with the command that repeats it."""
    began = time.perf_counter()
    killed = beside.submit(kill_all, size.sigkills, number + 1)
    played = Figures()
    for plan, rounds, seeds in ((*STORM, size.storms), (*DEATHS, size.deaths)):
        wanted = range(1 + number * seeds, 1 + (number + 1) * seeds)
        for outcome in _told(plan, rounds, wanted, began=began, before=played):
            played += _counted(outcome)
    _note("waiting for the last of the real processes", began)
    bad = sum(not good for good, _ in killed.result())  # it has printed them
    return played + Figures(sigkills=size.sigkills, violations=bad, seconds=time.perf_counter() - began)


def _told(plan: str, rounds: int, seeds: range, *, began: float, before: Figures) -> Iterator[Outcome]:
    """The outcomes of one part, with a line about how far it is now and then."""
    options = RunOptions(
        flow=read_flow_source("eagle_chicken"), faults=read_plan(str(ROOT / plan)), play="all", kinds=("backpack",),
        rounds=rounds, settings=(), bounds=Bounds(),
    )  # fmt: skip
    told, so_far = began, before
    for outcome in outcomes(options, seeds, jobs=PROCESSES) if seeds else ():
        so_far += _counted(outcome)
        if not outcome.holds:
            first, seed = outcome.violations[0], outcome.scenario.seed
            print(f"{first.code}: {first.text}")
            print(f"  eagle simulate --rounds {rounds} --faults {plan} --venues backpack --seeds {seed}", flush=True)
        if time.perf_counter() - told >= TELL_EVERY_S:
            told = time.perf_counter()
            _note(f"{plan}: {so_far.rounds:,} rounds, {so_far.faults:,} faults, {so_far.kill_points:,} deaths", began)
        yield outcome


def _counted(outcome: Outcome) -> Figures:
    deaths = sum(it.fault == "killed" for it in outcome.played)
    return Figures(
        seeds=1, rounds=outcome.rounds, faults=len(outcome.played), kill_points=deaths,
        violations=0 if outcome.holds else 1,
    )  # fmt: skip


def _note(text: str, began: float) -> None:
    print(f"{time.perf_counter() - began:5.0f} s  {text}", file=sys.stderr, flush=True)


def report(played: Figures, wanted: Figures) -> tuple[list[str], bool]:
    """A table of what was played and what is wanted, and whether all of it was reached and nothing broke."""
    lines, missed = [f"{'':14}{'played':>12}{'wanted':>12}"], []
    for it in fields(Figures):
        name, have, want = it.name.replace("_", " "), getattr(played, it.name), getattr(wanted, it.name)
        if it.name == "seconds":
            reached, name, have, want = not want or have <= want, "minutes", have / 60, want / 60
        else:
            reached = have == 0 if it.name == "violations" else have >= want
        asked = "" if it.name == "seconds" and not want else f"{want:,.1f}" if it.name == "seconds" else f"{want:,}"
        lines.append(f"{name:14}{have:>12,.1f}{asked:>12}" if name == "minutes" else f"{name:14}{have:>12,}{asked:>12}")
        missed += [] if reached else [name]
    loads = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    lines.append(f"{os.cpu_count()} cores, load over 1, 5, 15 minutes: {loads}")
    lines.append(f"missed: {', '.join(missed)}" if missed else "held")
    return lines, not missed


# --- a soak


def soak(numbers: Sequence[int], folder: Path, *, beside: Executor, size: Size = SLICE) -> tuple[Figures, int]:
    """Play those slices that `folder` does not have yet; the sum and the number of all it has, broken ones too."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        kept = folder / f"slice-{number:02}.json"
        if not kept.exists():
            print(f"slice {number} of {SLICES}", file=sys.stderr, flush=True)
            kept.write_text(json.dumps(asdict(play(size, number, beside=beside))), "utf-8")
    played = [Figures(**json.loads(path.read_text("utf-8"))) for path in sorted(folder.glob("slice-*.json"))]
    print(f"{len(played)} of {SLICES} slices, kept in {folder}")
    return sum(played, Figures()), len(played)


def _share(slices: int) -> Figures:
    """What so many slices must reach of the whole."""
    return Figures(*(getattr(WANTED_OF_SOAK, it.name) * slices // SLICES for it in fields(Figures)))


def sources(root: Path) -> str:
    """A word for the state of what is played, changes that are in no commit included: slices of another say nothing."""
    states = [
        subprocess.run(["git", *words, *PLAYED], cwd=root, check=True, capture_output=True).stdout
        for words in (["ls-tree", "HEAD"], ["diff", "HEAD", "--"])
    ]
    return blake2b(b"".join(states), digest_size=6).hexdigest()


def main(words: Sequence[str]) -> int:
    with real_processes() as beside:
        if words[:1] == ["soak"]:
            numbers = [int(word) for word in words[1:]] or range(1, SLICES + 1)
            played, slices = soak(numbers, ROOT / "build" / "soak" / sources(ROOT), beside=beside)
            wanted = _share(slices)
        else:
            played, wanted = play(CAMPAIGN, 0, beside=beside), WANTED
    lines, held = report(played, wanted)
    print(*lines, sep="\n")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
