"""Time and memory of whole commands as a person starts them, beside an interpreter that does nothing.

    python bench/commands.py            eagle --help, eagle validate, and `make run` at full speed
    python bench/commands.py --live     `make run` at the speed of the clock too (takes about half a minute)

Commands take turns, each run is a process of its own; the first run of each, with cold files, is left out.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from figures import ROOT, print_head, print_machine, print_row

FLOW = "flows/eagle_chicken.yaml"
LIVE = "make run"
VALIDATE_MS, HELP_MS, RUN_MB = 500, 250, 120
LONGER = 1_000  # rounds
QUIET = tuple((os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2))


@dataclass(frozen=True, slots=True)
class Spent:
    wall_ms: float
    cpu_ms: float
    peak_mb: float


def spent(command: list[str]) -> Spent:
    """What a command took. A child's peak is at least the memory of this process, which imports next to nothing."""
    began = time.perf_counter()
    child = os.posix_spawn(command[0], command, os.environ, file_actions=QUIET)
    _, status, usage = os.wait4(child, 0)
    wall_ms = (time.perf_counter() - began) * 1000
    if exit_code := os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)}: exit {exit_code}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Spent(wall_ms, (usage.ru_utime + usage.ru_stime) * 1000, usage.ru_maxrss * unit / 1_000_000)


def commands_of(folder: str, *, live: bool) -> dict[str, list[str]]:
    """Names and command lines; runs write their journal as `make run` does, but not over a person's own."""
    eagle = str(Path(sys.executable).with_name("eagle"))
    if not Path(eagle).is_file():
        raise SystemExit(f"{eagle} is not there: install the project into this interpreter's environment")
    run = [eagle, "run", "--flow", FLOW, "--journal", str(Path(folder) / "eagle.sqlite")]
    commands = {
        "python -c pass (floor)": [sys.executable, "-c", "pass"],
        "python -c 'import click'": [sys.executable, "-c", "import click"],
        "eagle --help": [eagle, "--help"],
        "eagle validate": [eagle, "validate", FLOW],
        "make run, speed max": [*run, "--speed", "max"],
        f"make run, speed max, {LONGER} rounds": [*run, "--speed", "max", "--rounds", str(LONGER)],
    }
    if live:
        commands[LIVE] = run
    return commands


def measured(commands: dict[str, list[str]], *, runs: int) -> dict[str, list[Spent]]:
    for name, command in commands.items():
        if name != LIVE:
            spent(command)
    found: dict[str, list[Spent]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            found[name].append(spent(command))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, help="interleaved runs (default 7; 1 with --live)")
    parser.add_argument("--live", action="store_true", help="also `make run` at the speed of the clock")
    options = parser.parse_args()
    runs = options.runs or (1 if options.live else 7)
    os.chdir(ROOT)
    print_machine()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(commands_of(folder, live=options.live), runs=runs)
    limits = {"eagle --help": f"target <= {HELP_MS}", "eagle validate": f"target <= {VALIDATE_MS}"}
    for unit in ("wall_ms", "cpu_ms"):
        print_head(f"{unit.replace('_', ' time, ')}, {runs} interleaved runs")
        for name, results in found.items():
            print_row(name, [getattr(result, unit) for result in results], note=limits.get(name, ""))
    print_head("peak memory, MB")
    for name, results in found.items():
        target = f"target <= {RUN_MB}" if name.startswith("make run") else ""
        print_row(name, [result.peak_mb for result in results], digits=1, note=target)
    print_machine()


if __name__ == "__main__":
    main()
