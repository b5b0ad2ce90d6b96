"""From a market maker's fill on BiFu's wire to its hedge on OKX's or Binance's wire, stamped by the venues' process.

    python bench/hedger.py [--runs 5] [--samples 400] [--on okx --on binance] [--keep-warm 1ms]

The whole program (`eagle hedger`: journal, chart, ledger, terms, adapters, logs) with thresholds that every fill meets
at once, beside a bare script with the same libraries that only reads, prices, signs and sends: plain, kept warm by a
twin, and kept warm on a core of its own on which it never sleeps. They take turns in every run, the bare one twice: it
is measured against itself. Fills are 40 ms apart, as the venues' limits of orders want it. The last lines are by the
journal's own stamps, from the frame in the program's hands to the order in the socket.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from figures import print_machine
from hedge import print_line

HERE = Path(__file__).resolve().parent
GAP_MS = 40
EAGLES = {"eagle": "h.yaml", "eagle kept warm": "warm.yaml", "eagle awake and warm": "awake.yaml"}  # and their configs
EAGLE = Path(sys.executable).with_name("eagle")


class Bench:
    def __init__(self, kind: str, folder: Path, *, keep_warm: str = "off") -> None:
        self.kind = kind
        self.folder = folder
        self.venue = subprocess.Popen(
            [sys.executable, HERE / "hedger_venue.py", kind], cwd=folder, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        told = self.heard()
        plenty = told["config"].replace("limits: {", "limits: {orders_per_minute: 20000, ")
        (folder / "h.yaml").write_text(plenty)
        (folder / "warm.yaml").write_text(f"{plenty}\nkeep_warm: {keep_warm}\n")
        (folder / "awake.yaml").write_text(f"{plenty}\nkeep_warm: {keep_warm}\nbusy_poll: on\n")
        self.inside: list[int] = []  # of the newest run of eagle, from the frame to the written order in ns
        (folder / "venues.json").write_text(json.dumps(told))

    def heard(self, client: subprocess.Popen[bytes] | None = None) -> Any:
        """The venues' next word; a client that ends before is no measurement."""
        assert self.venue.stdout is not None
        while not select.select([self.venue.stdout], [], [], 0.5)[0]:
            if client is not None and client.poll() is not None:
                self.venue.kill()
                words = (self.folder / "out").read_text()[-2000:]
                raise SystemExit(f"{words}\nthe client ended with exit code {client.returncode}")
        return json.loads(self.venue.stdout.readline())

    def eagle(self, samples: int, config: str = "h.yaml", **job: int) -> list[list[int]]:
        """Of each message the times of its hedges."""
        home = tempfile.mkdtemp(dir=self.folder)
        environment = {**os.environ, "XDG_STATE_HOME": home}
        command: list[str | Path] = [EAGLE, "hedger", config, "--journal", f"{home}/eagle.sqlite"]
        taken = self.measured(command, b"LISTENING", environment, samples=samples, **job)
        stamps = "SELECT written_ns - received_ns FROM orders WHERE written_ns > 0 AND received_ns > 0"
        self.inside = [took for (took,) in sqlite3.connect(f"{home}/eagle.sqlite").execute(stamps)]
        return taken

    def bare(self, samples: int) -> list[list[int]]:
        command: list[str | Path] = [sys.executable, HERE / "hedger_bare.py", self.kind, "venues.json"]
        return self.measured(command, b"", dict(os.environ), samples=samples)

    def measured(
        self, command: list[str | Path], begun: bytes, environment: dict[str, str], *, samples: int, **job: int
    ) -> list[list[int]]:
        out = self.folder / "out"
        with out.open("wb") as to:
            process = subprocess.Popen(command, cwd=self.folder, stdout=to, stderr=to, env=environment)
            while begun not in out.read_bytes():
                time.sleep(0.05)
                if process.poll() is not None:
                    raise SystemExit(f"{out.read_text()[-2000:]}\nthe hedger did not begin")
            assert self.venue.stdin is not None
            self.venue.stdin.write(json.dumps({"samples": samples, "gap_ms": GAP_MS, **job}) + "\n")
            self.venue.stdin.flush()
            told = self.heard(process)
            process.send_signal(signal.SIGINT)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        taken: list[list[int]] = told["taken"]
        if 20 * told["missed"] > samples:
            raise SystemExit(f"{told['missed']} of {samples} fills had no hedge within a second")
        return taken


def measure(kind: str, *, runs: int, samples: int, keep_warm: str) -> None:
    every: dict[str, list[int]] = {name: [] for name in ("bare", "bare again", *EAGLES)}
    inside: dict[str, list[int]] = {name: [] for name in EAGLES}
    medians: dict[str, list[float]] = {name: [] for name in EAGLES}
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(kind, Path(folder), keep_warm=keep_warm)
            turns = {"bare": bench.bare(samples)}
            for name, config in EAGLES.items():
                turns[name] = bench.eagle(samples, config)
                inside[name] += bench.inside
            turns["bare again"] = bench.bare(samples)
            bench.venue.kill()
            bench.venue.wait()
        one = {name: [first for (first,) in taken] for name, taken in turns.items()}
        for name, values in one.items():
            every[name] += values
        for name in EAGLES:
            medians[name].append(statistics.median(one[name]) / statistics.median(one["bare"]))
    title = f"us from BiFu's fill to the hedge on {kind}"
    print(f"{title:44}{'p10':>9}{'p50':>9}{'p90':>9}{'p99':>9}{'fills':>8}")
    for name, values in every.items():
        print_line(name, values, floor=None if name == "bare" else every["bare"])
    for name in EAGLES:
        by_run = ", ".join(f"{median:.2f}" for median in sorted(medians[name]))
        print(f"{name} to bare by run: {by_run}; target 1.5, aim 1.3")
    for name, values in inside.items():
        print_line(f"of that inside the process, {name}", values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--samples", type=int, default=400, help="fills of each run")
    parser.add_argument("--on", action="append", choices=("okx", "binance"), help="where it is hedged; both by default")
    parser.add_argument("--keep-warm", default="1ms", help="the pace of the twin where there is one")
    options = parser.parse_args()
    print_machine()
    for kind in options.on or ("okx", "binance"):
        measure(kind, runs=options.runs, samples=options.samples, keep_warm=options.keep_warm)
    print_machine()


if __name__ == "__main__":
    os.chdir(HERE.parent)
    main()
