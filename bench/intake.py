"""How many fills a second the hedger takes in, told by a BiFu in another process, over loopback.

    python bench/intake.py [--rate 5000] [--seconds 60] [--keep 2m]

`eagle hedger` hears, counts, journals and hedges `--rate` fills a second. Printed: fills told and fills counted, how
late they were, the processor time of both processes, hedges a minute, and the memory of the hedger along the way. The
journal must hold every fill once and their sum to the last digit, and the hedges agree with the hedge venue's own book.

Memory grows by the trades that are known again for two hours. `--keep 2m`, the least that there is, lets them go after
two minutes, as after two hours in a long run: with `--seconds 300` nothing may grow from then on.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from figures import print_machine

HERE = Path(__file__).resolve().parent
EAGLE = Path(sys.executable).with_name("eagle")
START_S = 60
CATCH_UP_S = 120


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--keep", default="", metavar="DURATION", help="how long a trade is known again; by default 2h")
    given = parser.parse_args()
    print_machine()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), rate=given.rate, seconds=given.seconds, keep=given.keep)
    print_machine()


def measure(folder: Path, *, rate: int, seconds: int, keep: str) -> None:
    venue = subprocess.Popen(
        [sys.executable, HERE / "intake_venue.py"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    hedger = None
    try:
        served = said(venue)
        config = served["config"]
        if keep:
            config = re.sub(r"(kind: bifu, )", rf"\1keep: {keep}, sweep: 5s, ", config)
        (folder / "h.yaml").write_text(config)
        environment = {**os.environ, "XDG_STATE_HOME": str(folder / "home")}
        with (folder / "out").open("wb") as out:
            hedger = subprocess.Popen(
                [EAGLE, "hedger", "h.yaml", "--logs", "off"], cwd=folder, stdout=out, stderr=out, env=environment
            )
            begun(hedger, folder / "out")
            busy = cpu_s(hedger.pid), cpu_s(venue.pid)
            assert venue.stdin is not None
            venue.stdin.write(json.dumps({"rate": rate, "seconds": seconds}) + "\n")
            venue.stdin.flush()
            memory = [resident_mb(hedger.pid)]
            for _ in range(seconds):
                time.sleep(1)
                memory.append(resident_mb(hedger.pid))
            told = said(venue)
            late_s = caught_up(folder / "state" / "eagle.sqlite", told["told"])
            spent = [now - before for now, before in zip((cpu_s(hedger.pid), cpu_s(venue.pid)), busy, strict=True)]
            memory.append(resident_mb(hedger.pid))
            hedger.send_signal(signal.SIGINT)
            hedger.wait(180)
        report(folder / "state" / "eagle.sqlite", told, memory, seconds=seconds, late_s=late_s, spent=spent)
        audit = [EAGLE, "audit", "state/eagle.sqlite", f"--venue=backpack=http://127.0.0.1:{served['hedges']}"]
        found = subprocess.run(audit, cwd=folder, capture_output=True, text=True, env=environment, check=False)
        print("\n".join(line for line in found.stdout.splitlines() if "audit" in line or ": " in line[:12])[:2_000])
    finally:
        for process in (hedger, venue):
            if process is not None:
                process.kill()
                process.wait()


def said(venue: subprocess.Popen[str]) -> Any:
    assert venue.stdout is not None
    return json.loads(venue.stdout.readline())


def begun(hedger: subprocess.Popen[bytes], out: Path) -> None:
    for _ in range(10 * START_S):
        if b"LISTENING" in out.read_bytes():
            return
        if hedger.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit(f"{out.read_text()[-2000:]}\nthe hedger did not begin")


def caught_up(path: Path, told: int) -> float:
    """How long after the last fill the journal has them all, in seconds."""
    began = time.perf_counter()
    while time.perf_counter() - began < CATCH_UP_S:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as journal:
            ((count,),) = journal.execute("SELECT count(*) FROM fills WHERE venue = 'bifu'").fetchall()
        if count >= told:
            break
        time.sleep(0.2)
    return time.perf_counter() - began


def resident_mb(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return next((int(line.split()[1]) // 1024 for line in text.splitlines() if line.startswith("VmRSS")), 0)


def cpu_s(pid: int) -> float:
    """Processor time of a process so far: the clock that clock_getcpuclockid(3) names for it."""
    return time.clock_gettime(~pid << 3 | 2)


def report(
    path: Path, told: dict[str, Any], memory: list[int], *, seconds: int, late_s: float, spent: list[float]
) -> None:
    journal = sqlite3.connect(path)
    rows = journal.execute("SELECT side, news_qty, trade_id FROM fills WHERE venue = 'bifu'").fetchall()
    net = sum((Decimal(qty) * (1 if side == "buy" else -1) for side, qty, _ in rows), Decimal(0))
    listed = sum(trade_id.startswith("cum:") for _, _, trade_id in rows)
    late = journal.execute(
        "SELECT i.wall_ms - f.at_ms FROM fills f JOIN inputs i ON i.run = f.run AND i.seq = f.seq"
        " WHERE f.venue = 'bifu' AND f.trade_id NOT LIKE 'cum:%' ORDER BY 1"
    ).fetchall()
    ((hedges,),) = journal.execute("SELECT count(*) FROM intents WHERE kind = 'place'").fetchall()
    lost = told["told"] - (len(rows) - listed)  # rows of a stream that was cut: the list told their sum
    equal = "equal" if net == Decimal(told["net"]) and (listed or not lost) else "NOT EQUAL"
    print(f"told in {seconds} s: {told['told']} fills, {told['told'] / seconds:.0f} a second, net {told['net']}")
    print(f"in the journal: {len(rows)}, net {net}: {equal}; {lost} came by no row and are {listed} of the order list")
    if late:
        middle, last = late[len(late) // 2][0], late[-1][0]
        print(f"from match to the step that counted it: median {middle} ms, latest {last} ms;"
              f" the last ones were in the journal {late_s:.1f} s after they were told")  # fmt: skip
    hedger, venues = (100 * each / (seconds + late_s) for each in spent)
    fill_us = 1_000_000 * spent[0] / told["told"]
    print(f"processor: hedger {hedger:.0f} % of a core, {fill_us:.0f} us a fill; venues {venues:.0f} %")
    print(f"hedges: {hedges}, {60 * hedges / seconds:.0f} a minute")
    along = ", ".join(map(str, (*memory[:-1:10], memory[-1])))
    print(f"memory of the hedger, every ten seconds and at the end, MB: {along}")


if __name__ == "__main__":
    main()
