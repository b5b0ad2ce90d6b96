"""How many fills a second the hedger takes in, told by a local BiFu in another process, over loopback.

    python bench/intake.py [--rate 5000] [--seconds 60]

`eagle venue serve bifu backpack` makes `--rate` fills a second, `eagle hedger` hears, counts, journals and hedges them.
Printed: fills told, how late they were, hedges a minute, memory of the hedger along the way, and what `eagle audit`
says beside both venues' own books: every order of the market maker told to the last digit, or not.
"""

from __future__ import annotations

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import print_machine

EAGLE = Path(sys.executable).with_name("eagle")
START_S = 60
CASH = "100000000000"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args()
    print_machine()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), rate=given.rate, seconds=given.seconds)
    print_machine()


def measure(folder: Path, *, rate: int, seconds: int) -> None:
    serve = [EAGLE, "venue", "serve", "bifu", "backpack", "--port", "0", "--fills-per-second", str(rate)]
    serve += ["--accounts", f"maker={CASH},hedge={CASH}"]
    venue = subprocess.Popen(serve, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    hedger = None
    try:
        config, urls = served(venue)
        (folder / "h.yaml").write_text(config)
        environment = {**os.environ, "XDG_STATE_HOME": str(folder / "home")}
        with (folder / "out").open("wb") as out:
            hedger = subprocess.Popen(
                [EAGLE, "hedger", "h.yaml", "--logs", "off"], cwd=folder, stdout=out, stderr=out, env=environment
            )
            begun(hedger, folder / "out")
            memory = []
            for _ in range(seconds):
                time.sleep(1)
                memory.append(resident_mb(hedger.pid))
            hedger.send_signal(signal.SIGINT)
            hedger.wait(180)
        report(folder / "state" / "eagle.sqlite", memory, seconds=seconds)
        venues = [f"--venue={name}={url}" for name, url in urls.items()]
        audit = [EAGLE, "audit", "state/eagle.sqlite", *venues]
        said = subprocess.run(audit, cwd=folder, capture_output=True, text=True, env=environment, check=False)
        print("\n".join(line for line in said.stdout.splitlines() if "audit" in line or ": " in line[:12])[:2_000])
    finally:
        for process in (hedger, venue):
            if process is not None:
                process.kill()
                process.wait()


def served(venue: subprocess.Popen[str]) -> tuple[str, dict[str, str]]:
    lines: list[str] = []
    assert venue.stdout is not None
    while not lines or not lines[-1].startswith("# end"):
        lines.append(venue.stdout.readline())
    urls = {line[2:].split(":")[0]: line.split()[6].rstrip(",") for line in lines if " on http" in line}
    return "".join(lines), urls


def begun(hedger: subprocess.Popen[bytes], out: Path) -> None:
    for _ in range(10 * START_S):
        if b"fill  " in out.read_bytes():
            return
        if hedger.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit(f"{out.read_text()[-2000:]}\nthe hedger did not begin")


def resident_mb(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return next((int(line.split()[1]) // 1024 for line in text.splitlines() if line.startswith("VmRSS")), 0)


def report(path: Path, memory: list[int], *, seconds: int) -> None:
    journal = sqlite3.connect(path)
    ((told, listed),) = journal.execute(
        "SELECT count(*), sum(trade_id LIKE 'cum:%') FROM fills WHERE venue = 'bifu'"
    ).fetchall()
    late = journal.execute(
        "SELECT i.wall_ms - f.at_ms FROM fills f JOIN inputs i ON i.run = f.run AND i.seq = f.seq"
        " WHERE f.venue = 'bifu' AND f.trade_id NOT LIKE 'cum:%' ORDER BY 1"
    ).fetchall()
    ((hedges,),) = journal.execute("SELECT count(*) FROM intents WHERE kind = 'place'").fetchall()
    print(f"fills told in {seconds} s: {told}, {told / seconds:.0f} a second; by the order list alone: {listed or 0}")
    if late:
        middle, last = late[len(late) // 2][0], late[-1][0]
        print(f"from match to the step that counted it: median {middle} ms, latest {last} ms")
    print(f"hedges: {hedges}, {60 * hedges / seconds:.0f} a minute")
    tenths = [memory[min(len(memory) - 1, len(memory) * tenth // 10)] for tenth in range(0, 11, 2)]
    print(f"memory of the hedger along the way, MB: {', '.join(map(str, tenths))}")


if __name__ == "__main__":
    main()
