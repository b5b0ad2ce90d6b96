"""`make kills`: kill a run at every effect, over many seeds, and see what the next one makes of it.

    python tests/kill_campaign.py POINTS SEED WORKERS

Prints each kill that was not made good, and the totals; exit code 1 if there was one.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from killed_runs import live_through

FAULTS = "faults:\n  - {fault: frame_twice, of: fill, every: 3}\n  - {fault: ack_lost, on: place, nth: [4, 9]}\n"
DOWN_S = (0.3, 1.5, 8.0)
SECOND = (0, 5, 12, 30)  # the effect at which the second life dies; 0: it lives


def tried(seed: int) -> tuple[int, list[str], list[float]]:
    """All kills of one seed: how many, what was wrong, and how long each last life took."""
    kills, wrong, seconds = 0, [], []
    down_s, second = DOWN_S[seed % len(DOWN_S)], SECOND[seed % len(SECOND)]
    for at in range(1 + seed % 2, 1_000, 2):
        with TemporaryDirectory() as folder:
            moments = (at, second) if second else (at,)
            lives = live_through(
                Path(folder) / "j.sqlite", *moments, seed=seed, down_s=down_s, faults=FAULTS if seed % 3 == 0 else ""
            )
            if lives.codes[0] is not None:
                break
            kills += sum(code is None for code in lives.codes)
            seconds.append(float(lives.seconds[-1]))
            found = lives.wrong()
            if found or lives.codes[-1] != 0:
                wrong.append(f"seed {seed}, kills at {moments}, down {down_s} s: codes {lives.codes}, {found[:3]}")
    return kills, wrong, seconds


def main(points: int, seed: int, workers: int) -> int:
    done, wrong, seconds = 0, [], []
    with ProcessPoolExecutor(workers) as pool:
        seeds = iter(range(seed, seed + points))
        while done < points:
            for kills, found, took in pool.map(tried, islice(seeds, workers)):
                done += kills
                wrong += found
                seconds += took
                for line in found:
                    print(line, flush=True)
            print(f"{done} kills, {len(wrong)} not made good", file=sys.stderr, flush=True)
    seconds.sort()
    print(
        f"{done} kills, {len(wrong)} not made good; the last life ended flat after"
        f" {seconds[len(seconds) // 2]:.1f} s (median), {seconds[len(seconds) * 99 // 100]:.1f} s (99 %),"
        f" {seconds[-1]:.1f} s (most) of virtual time"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:4])))
