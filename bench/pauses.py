"""How long the garbage collector stops the program, and whether ever between a fill and its hedge.

    python bench/pauses.py [--runs 5]

The live run of bench/hedge.py (venue in another process, journal, chart) with a watch on the collector: first as it
runs, then with the collector left to itself. A pause is in a hedge where it lies in the time from the read of the
fill's frame until the hedge was in the socket, by the stamps of the journal. A run has 400 fills, because the venue's
budget of 1,200 requests a minute ends one with many more.
"""

from __future__ import annotations

import argparse
import json
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

from figures import print_machine
from hedge import Bench

SAMPLES = 400
SELF = Path(__file__).resolve()


def watched(out: str, *, alone: bool) -> None:
    """`eagle run` with a line in `out` for every collection: when it began and ended, and its generation."""
    import gc

    from cli.entry import main
    from engine.runtime.clock import counting_ns
    from engine.runtime.garbage import QuietRounds

    pauses = Path(out).open("w", buffering=1)  # noqa: SIM115 open until the process ends
    began = 0

    def note(phase: str, info: dict[str, int]) -> None:
        nonlocal began
        if phase == "start":
            began = counting_ns()
        else:
            pauses.write(json.dumps([began, counting_ns(), info["generation"]]) + "\n")

    gc.callbacks.append(note)
    if alone:
        QuietRounds.__call__ = lambda *_: None  # type: ignore[method-assign]
    sys.argv = ["eagle", "run", "--config", "c.yaml", "--view", "plain"]
    main()


def run(folder: Path, *, alone: bool) -> tuple[list[list[int]], list[tuple[int, int]]]:
    """Pauses, and the time of every hedge from the read of its fill to the write of its request."""
    bench = Bench(folder)
    bench.ask({"samples": SAMPLES})
    out = folder / "pauses"
    with (folder / "out").open("wb") as words:
        process = subprocess.Popen(
            [sys.executable, SELF, "--watched", str(out), *(["--alone"] if alone else [])],
            cwd=folder, env=bench.fresh(), stdout=words, stderr=words,
        )  # fmt: skip
        bench.heard(process)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    bench.venue.kill()
    [journal] = folder.rglob("*.sqlite")
    with sqlite3.connect(journal) as database:
        hedges = database.execute(
            "SELECT received_ns, written_ns FROM orders WHERE purpose IN ('hedge', 'undo')"
            " AND received_ns IS NOT NULL AND written_ns IS NOT NULL"
        ).fetchall()
    return [json.loads(line) for line in out.read_text().splitlines()], hedges


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--watched", help=argparse.SUPPRESS)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.watched:
        watched(options.watched, alone=options.alone)
        return
    print_machine()
    print(f"{'collector':28}{'hedges':>8}{'pauses':>12}{'longest ms':>12}{'in a hedge':>12}{'longest ms':>12}")
    with tempfile.TemporaryDirectory() as folder:
        for name, alone in (("as it runs", False), ("left to itself", True)):
            count, everywhere, inside = 0, [0], [0]
            for _ in range(options.runs):
                pauses, hedges = run(Path(tempfile.mkdtemp(dir=folder)), alone=alone)
                first, last = min(hedges)[0], max(hedges)[1]
                count += len(hedges)
                for began, ended, _ in pauses:
                    if first < ended and began < last:  # without the start and the end of the program
                        everywhere.append(ended - began)
                        if any(received < ended and began < written for received, written in hedges):
                            inside.append(ended - began)
            longest = [f"{len(them) - 1:12}{max(them) / 1e6:12.2f}" for them in (everywhere, inside)]
            print(f"{name:28}{count:8}{''.join(longest)}")
    print("target: none of more than 5 ms between a fill and its hedge")
    print_machine()


if __name__ == "__main__":
    main()
