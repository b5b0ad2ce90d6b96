"""The compiled build (`make fast`) beside the sources: first that it trades alike, then how much faster it is.

    .venv/bin/python bench/compiled.py            needs `make fast`

Runs of equal seed must give equal journals but for wall times and stamps, and the sources must come to the same states
and effects when they replay what the compiled build journalled. A difference ends this command with exit 1.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

from figures import ROOT, print_head, print_machine, print_row

FAST = ROOT / ".venv-fast" / "bin" / "python"
# What differs from run to run on any build: clocks of the machine, and the process.
TIMES = {
    "wall_ms",
    "started_ms",
    "ended_ms",
    "decided_ns",
    "signed_ns",
    "written_ns",
    "received_ns",
    "decoded_ns",
    "pid",
}


def journal(python: str, path: Path, *, rounds: int, seed: int, market: str) -> None:
    eagle = Path(python).parent / "eagle"
    where = ["--market", market] if market else []
    asked = [str(eagle), "run", "--flow", "flows/eagle_chicken.yaml", "--speed", "max", "--rounds", str(rounds)]
    asked += ["--seed", str(seed), "--journal", str(path), *where]
    done = subprocess.run(asked, cwd=path.parent, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{eagle}: exit {done.returncode}\n{done.stderr[-2000:]}")


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every table of a journal without its times, rows in the order of their keys."""
    with sqlite3.connect(path) as database:
        tables = [
            name for (name,) in database.execute("select name from sqlite_master where type = 'table' order by 1")
        ]
        found = {}
        for table in tables:
            columns = [
                row[1] for row in database.execute(f"pragma table_info({table})") if row[1] not in TIMES | {"run"}
            ]
            found[table] = database.execute(f"select {', '.join(columns)} from {table}").fetchall()
    return found


def compare(folder: Path, *, rounds: int, seed: int, market: str) -> str:
    """One run on either build, in words; ends the command where they differ."""
    plain, fast = folder / "plain" / "eagle.sqlite", folder / "fast" / "eagle.sqlite"  # a run number of its own each
    for path in (plain, fast):
        path.parent.mkdir(parents=True)
    journal(sys.executable, plain, rounds=rounds, seed=seed, market=market)
    journal(str(FAST), fast, rounds=rounds, seed=seed, market=market)
    ours, theirs = rows(plain), rows(fast)
    for table in ours:
        if table != "runs" and ours[table] != theirs[table]:
            pairs = zip(ours[table], theirs[table], strict=False)
            first = next((pair for pair in pairs if pair[0] != pair[1]), "one has more rows")
            raise SystemExit(f"seed {seed}: the builds differ in {table}: {first}")
    replay = subprocess.run(
        [str(Path(sys.executable).parent / "eagle"), "replay", str(fast)], capture_output=True, text=True, check=False
    )
    if replay.returncode:
        raise SystemExit(f"seed {seed}: the sources do not replay the compiled run: {replay.stdout}{replay.stderr}")
    return (
        f"{market or 'made-up market'}, seed {seed}: {sum(map(len, ours.values()))} rows equal; {replay.stdout.strip()}"
    )


def rate(python: str, rounds: int, *, on: bool) -> float:
    asked = [python, str(ROOT / "bench" / "rounds.py"), "--child", "timed", "--rounds", str(rounds)]
    done = subprocess.run([*asked, *(["--journal"] if on else [])], capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout)["wall"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2_000, help="of a timed run (default 2,000)")
    parser.add_argument("--runs", type=int, default=5, help="interleaved runs (default 5); 0 compares only")
    parser.add_argument("--market", default="", help="a recording to compare on as well, by its prefix")
    options = parser.parse_args()
    if not FAST.exists():
        raise SystemExit("no compiled build here: run `make fast`")
    print_machine()
    with tempfile.TemporaryDirectory() as folder:
        for seed in (1, 2, 3):
            print(compare(Path(folder) / str(seed), rounds=200, seed=seed, market=""), flush=True)
        if options.market:
            market = str(Path(options.market).resolve())
            print(compare(Path(folder) / "recorded", rounds=50, seed=1, market=market), flush=True)
    if options.runs:
        for on in (False, True):
            builds = {"sources": sys.executable, "compiled": str(FAST)}
            found: dict[str, list[float]] = {name: [] for name in builds}
            for _ in range(options.runs):
                for name, python in builds.items():
                    found[name].append(rate(python, options.rounds, on=on))
            print_head(
                f"rounds/s, journal {'on' if on else 'off'}, {options.runs} interleaved runs of {options.rounds}"
            )
            for name, values in found.items():
                print_row(name, values)
            ratios = [fast / plain for plain, fast in zip(*found.values(), strict=True)]
            print_row("compiled / sources", ratios, digits=2)
    print_machine()


if __name__ == "__main__":
    main()
