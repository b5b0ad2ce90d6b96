"""What it costs to be watched: a scrape of /metrics over loopback, and what logs and metrics add to a step.

    python bench/metrics.py

A scrape asks a paper run at the speed of the clock, in a process of its own; the floor is an aiohttp handler in a
process of its own that returns as many bytes of constant text. Both take turns. While a scrape is answered the loop
goes round after each metric: `a piece` is how long one of them holds it, which is what a fill may have to wait.

The steps are those of bench/step.py, in bursts with pauses of a few ms, as fills come. `desk step` is the desk's own
time: beside that of a desk that nobody watches it shows whether the thread that writes the logs gets into the way of a
step. `besides` is what the trace of logs or metrics adds after the step, when its orders have left.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns

from figures import ROOT, print_head, print_machine, print_row
from step import WARM, RecordingScreen, fresh_desk, no_collection, recorded

sys.path.insert(0, str(ROOT))

from aiohttp import web

from engine.runtime.chance import Chance
from engine.runtime.clock import LiveClock, VirtualClock
from engine.runtime.log_files import LogWriter, open_logs
from engine.runtime.logs import HAND_OVER_NS, Logs
from engine.runtime.metric_counts import MetricCounts
from engine.runtime.metrics import Metrics
from engine.runtime.snapshot import Tally, snapshot
from engine.trading.desk import Desk
from engine.trading.effects import Effect
from engine.trading.inputs import Input

TARGET_MS = 20
BURST, PAUSE_S = 8, 0.003
NOBODY, COUNTS = "nobody watches", "counts for metrics"
THREAD, INLINE = "logs, live", "logs, --speed max"
RUN = "import sys; from cli.main import main; sys.exit(main())"
Watch = Callable[[int, int, Input, list[Effect]], None]  # as the runner calls a trace


# --- a scrape


@contextmanager
def process(*arguments: str) -> Iterator[int]:
    """A child that prints an address; gives its port."""
    child = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    try:
        for line in child.stderr:
            if "http://127.0.0.1:" in line:
                yield int(line.split("http://127.0.0.1:")[1].split("/")[0])
                break
        else:
            raise SystemExit(f"{' '.join(arguments)} ended without an address")
    finally:
        child.kill()
        child.wait()


def serve_constant(size: int) -> None:
    """The floor: what aiohttp alone needs for a page of this size."""

    async def main() -> None:
        app = web.Application()
        body = b"x" * size
        app.router.add_get("/metrics", lambda _: _answered(body))
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}/", file=sys.stderr, flush=True)
        await asyncio.Event().wait()

    asyncio.run(main())


async def _answered(body: bytes) -> web.Response:
    return web.Response(body=body)


def scraped(connection: http.client.HTTPConnection) -> tuple[float, int]:
    """Milliseconds and bytes of one scrape on a connection that stays open, as Prometheus keeps it."""
    began = perf_counter_ns()
    connection.request("GET", "/metrics")
    body = connection.getresponse().read()
    return (perf_counter_ns() - began) / 1e6, len(body)


def print_scrapes(*, scrapes: int) -> None:
    flow = str(ROOT / "flows" / "eagle_chicken.yaml")
    outputs = ("--journal", "off", "--metrics-listen", "127.0.0.1:0")
    with process("-c", RUN, "run", "--flow", flow, "--rounds", "1000", *outputs) as port:
        page = http.client.HTTPConnection("127.0.0.1", port)
        _, size = scraped(page)
        with process(__file__, "--constant", str(size)) as floor_port:
            floor = http.client.HTTPConnection("127.0.0.1", floor_port)
            scraped(floor)
            took: dict[http.client.HTTPConnection, list[float]] = {page: [], floor: []}
            for _ in range(scrapes):
                for connection, values in took.items():
                    values.append(scraped(connection)[0])
    print_head(f"ms a scrape of {size:,} bytes over loopback, {scrapes} interleaved")
    print_row(f"/metrics of a paper run; target <= {TARGET_MS}", took[page], digits=2)
    print_row("floor: aiohttp, constant text", took[floor], digits=2)


def print_pieces(screen: RecordingScreen, *, runs: int) -> None:
    """On the loop's own thread, without HTTP."""
    desk, tally = screen.desk, Tally(VirtualClock())
    counts = MetricCounts(desk, decided_ns=lambda: 1)
    metrics = Metrics(lambda: snapshot(desk, tally, pid=0, journal=None), counts, program="bench", calls={})
    wholes, longest = [], []
    for _ in range(runs * 20):
        spans, began = [], perf_counter_ns()
        for _ in metrics.pieces():
            spans.append((perf_counter_ns() - began) / 1e3)
            began = perf_counter_ns()
        wholes.append(sum(spans))
        longest.append(max(spans))
    print_head(f"us of the loop's time, {runs * 20} pages")
    print_row("the whole page", wholes)
    print_row("its longest piece", longest)


# --- a step


@dataclass(frozen=True, slots=True)
class Took:
    """Microseconds of every step after the first rounds, and of what watched it."""

    steps: list[float]
    watching: list[float]


async def timed(screen: RecordingScreen, watch: Watch | None, desk: Desk, chance: Chance) -> Took:
    """Bursts of steps with pauses in between, as fills come: what a thread does in the pauses costs no step."""
    took = Took([], [])
    for seq, (given, at_ns, books) in enumerate(screen.steps):
        desk.books.update(books)
        began = perf_counter_ns()
        effects = desk.step(given, at_ns)
        stepped = perf_counter_ns()
        if watch is not None:
            watch(seq, at_ns, given, effects)
        ended = perf_counter_ns()
        took.steps.append((stepped - began) / 1e3)
        took.watching.append((ended - stepped) / 1e3)
        desk.take_used_quotes()
        chance.take_draws()
        if seq % BURST == 0:
            await asyncio.sleep(PAUSE_S)
    first = screen.rounds_at.index(WARM)
    return Took(took.steps[first:], took.watching[first:])


async def watched(screen: RecordingScreen, name: str, folder: Path) -> Took:
    desk, chance = fresh_desk(screen)
    if name == NOBODY:
        return await timed(screen, None, desk, chance)
    if name == COUNTS:
        return await timed(screen, MetricCounts(desk, decided_ns=lambda: 1).step, desk, chance)
    writer = LogWriter(open_logs(folder, size=10_000_000, keep=2), run=1)
    live = name == THREAD
    if live:
        writer.start()
    logs = Logs(
        writer, desk, LiveClock(asyncio.get_running_loop()), decided_ns=lambda: 1,
        tell=lambda alert: sys.exit(alert.text), hand_over_ns=HAND_OVER_NS if live else 0,
    )  # fmt: skip
    try:
        return await timed(screen, logs.step, desk, chance)
    finally:
        logs.close()


def print_steps(screen: RecordingScreen, *, runs: int, rounds: int) -> None:
    found: dict[str, list[Took]] = {name: [] for name in (NOBODY, THREAD, INLINE, COUNTS)}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(runs):
            for name, results in found.items():
                with no_collection():
                    results.append(asyncio.run(watched(screen, name, Path(folder))))
    print_head(f"us a step, {runs} interleaved runs of {rounds} rounds, in bursts of {BURST}")
    for percent in (50, 99):
        for name, results in found.items():
            print_row(f"desk step, p{percent}: {name}", [_rank(it.steps, percent) for it in results], digits=1)
    for name, results in found.items():
        if name != NOBODY:
            print_row(f"on average besides: {name}", [statistics.mean(it.watching) for it in results], digits=1)


def _rank(values: list[float], percent: int) -> float:
    return sorted(values)[len(values) * percent // 100]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--scrapes", type=int, default=200)
    parser.add_argument("--constant", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.constant is not None:
        serve_constant(options.constant)
        return
    print_machine()
    print_scrapes(scrapes=options.scrapes)
    screen = recorded(options.rounds + WARM)
    print_pieces(screen, runs=options.runs)
    print_steps(screen, runs=options.runs, rounds=options.rounds)
    print_machine()


if __name__ == "__main__":
    main()
