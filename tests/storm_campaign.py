"""`make storms`: the desk's storms of tests/test_desk_storm.py, over many seeds.

    python tests/storm_campaign.py SEEDS WORKERS

Prints each rule that broke, with its case and seed, and the totals; exit code 1 if there was one.
"""

from __future__ import annotations

import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import product

from test_desk_storm import CASES, Broken, Storm


def tried(moment: tuple[str, int]) -> tuple[str, Counter[str]]:
    name, seed = moment
    try:
        return "", Storm(name, seed).run()
    except Broken as broken:
        return f"{name} seed {seed}: {broken}", Counter()


def main(seeds: int, workers: int) -> int:
    total: Counter[str] = Counter()
    broken = 0
    with ProcessPoolExecutor(workers) as pool:
        for words, counted in pool.map(tried, product(CASES, range(seeds)), chunksize=20):
            total += counted
            if words:
                broken += 1
                print(words, flush=True)
    print(f"{seeds} storms of {len(CASES)} kinds, {broken} broken: {', '.join(f'{n} {it}' for it, n in total.items())}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:3])))
