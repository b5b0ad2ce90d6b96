"""`make kills`: kill a run at every effect, over many seeds, and see what the next one makes of it.

    python tests/kill_campaign.py POINTS SEED WORKERS

Prints each kill that was not made good, and the totals; exit code 1 if there was one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
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


Tried = Callable[[int], tuple[int, list[str], list[float]]]  # of a seed: how many, what was wrong, seconds of each


def campaign(points: int, seed: int, workers: int, *, tried: Tried, done_words: str, wrong_words: str) -> int:
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
            print(f"{done} {done_words}, {len(wrong)} {wrong_words}", file=sys.stderr, flush=True)
    seconds.sort()
    print(
        f"{done} {done_words}, {len(wrong)} {wrong_words}; it ended after {seconds[len(seconds) // 2]:.1f} s (median),"
        f" {seconds[len(seconds) * 99 // 100]:.1f} s (99 %), {seconds[-1]:.1f} s (most) of virtual time"
    )
    return 1 if wrong else 0


def main(points: int, seed: int, workers: int) -> int:
    return campaign(points, seed, workers, tried=tried, done_words="kills", wrong_words="not made good")


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:4])))
