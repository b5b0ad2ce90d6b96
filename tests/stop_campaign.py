"""`make stops`: ask a run to stop at every effect, once, twice and three times, over many seeds.

    python tests/stop_campaign.py POINTS SEED WORKERS

Prints each stop that did not end flat and in time, and the totals; exit code 1 if there was one.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from killed_runs import Lives, stop_at

FAULTS = "faults:\n  - {fault: frame_twice, of: fill, every: 3}\n  - {fault: ack_lost, on: place, nth: [4, 9]}\n"
# How many effects after the first stop the next ones come; a signal is a level further each time.
LADDERS: tuple[tuple[int, ...], ...] = ((), (0,), (7,), (3, 5), (0, 0))
STEP = 3  # effects between two moments of one ladder; seeds begin at different ones
IN_ORDER_S = 30  # stop_timeout of maker closing, 20 s, and what the market then takes
BY_MARKET_S = 10  # leave_timeout
INTERRUPTED = 130


def ladder(at: int, gaps: tuple[int, ...]) -> dict[int, int]:
    """Moment -> level: signals that come at one moment count at once."""
    stops, moment = {at: 1}, at
    for level, gap in enumerate(gaps, 2):
        moment += gap
        stops[moment] = level
    return stops


def complaints(lives: Lives) -> list[str]:
    """What a stop must not leave behind, and by when it must be over."""
    found = lives.wrong() if lives.sent else []
    took: Mapping[int, Decimal] = lives.stopped_s
    if 3 in took:
        found += [f"left after {took[3]} s instead of at once"] if took[3] else []
    else:
        if 2 in took and took[2] > BY_MARKET_S:
            found.append(f"by market it took {took[2]} s")
        if took and took[min(took)] > IN_ORDER_S:
            found.append(f"it took {took[min(took)]} s")
    ends_well = (0, INTERRUPTED) if 3 in took or not lives.sent else (0,)
    if lives.codes[0] not in ends_well or lives.codes[-1] not in ends_well:
        found.append(f"exit codes {lives.codes}")
    return found


def tried(seed: int) -> tuple[int, list[str], list[float]]:
    """All moments of one seed: how many stops, what was wrong, and how long each took that was in order."""
    done, wrong, seconds = 0, [], []
    gaps = LADDERS[seed % len(LADDERS)]
    for at in range(1 + seed % STEP, 1_000, STEP):
        with TemporaryDirectory() as folder:
            stops = ladder(at, gaps)
            lives = stop_at(Path(folder) / "j.sqlite", stops, seed=seed, faults=FAULTS if seed % 3 == 0 else "")
            if not lives.stopped_s:
                break
            done += 1
            seconds += [float(lives.stopped_s[min(lives.stopped_s)])]
            found = complaints(lives)
            if found:
                wrong.append(f"seed {seed}, stops {stops}: {found[:3]}")
    return done, wrong, seconds


def main(points: int, seed: int, workers: int) -> int:
    """Try seeds until `points` are done; print what was wrong and the totals. Returns the exit code."""
    done, wrong, seconds = 0, [], []
    with ProcessPoolExecutor(workers) as pool:
        seeds = iter(range(seed, seed + points))
        while done < points:
            for count, found, took in pool.map(tried, islice(seeds, workers)):
                done += count
                wrong += found
                seconds += took
                for line in found:
                    print(line, flush=True)
            print(f"{done} stops, {len(wrong)} not in order", file=sys.stderr, flush=True)
    seconds.sort()
    print(
        f"{done} stops, {len(wrong)} not in order; it ended after {seconds[len(seconds) // 2]:.1f} s (median),"
        f" {seconds[len(seconds) * 99 // 100]:.1f} s (99 %), {seconds[-1]:.1f} s (most) of virtual time"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:4])))
