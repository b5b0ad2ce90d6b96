"""Two days of the hedger in virtual time, with more than 100,000 fills and three deaths (hedger_days.py).

python tests/hedger_campaign.py [DAYS] [SEED]
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from hedger_days import play


def main() -> int:
    days = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with TemporaryDirectory() as folder:
        began = perf_counter()
        played = play(Path(folder), days=days, kills=(0.2, 0.5, 0.8), seed=seed)
        seconds = perf_counter() - began
        wrong = played.wrong()
        print(f"{days} days in {seconds:.0f} s, seed {seed}")
        print(played.told())
        print("\n".join(wrong) or "every pair balances to the last digit; every run replays; no id was used twice")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
