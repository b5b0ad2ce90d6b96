"""What earlier runs of the same accounts made in the day in which a run begins: its limit on losses goes on (S10).

A run's result is the change of its accounts' equity as their venues told it at its two ends. A run that left no last
reading, as after a kill, ends with the next reading of each account. A day is one of UTC, and a run belongs to the day
in which it began; money paid in or out during a run counts as its result.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from decimal import Decimal

from engine.trading.inputs import Day
from exchanges.types import ZERO, Margin

__all__ = ["day_so_far"]

DAY_MS = 24 * 3600 * 1000
MS = 1_000_000
_READINGS = """
SELECT b.moment, b.equity FROM balances b
JOIN runs r ON r.number = b.run
JOIN accounts a ON a.run = b.run AND a.name = b.account
WHERE r.started_wall_ms >= ? AND r.speed = '1x' AND b.run < ? AND a.name = ? AND a.venue = ?
ORDER BY b.run, b.moment DESC
"""  # start before end


def day_so_far(
    journal: sqlite3.Connection, accounts: Mapping[str, str], margins: Sequence[Margin], *, run: int, wall_ms: int,
    now_ns: int,
) -> Day:  # fmt: skip
    """The day of a run that begins now: `accounts` are account -> venue, `margins` what they just told.

    Runs in virtual or scaled time are none of a day.
    """
    midnight_ms = wall_ms - wall_ms % DAY_MS
    pnl = ZERO
    for margin in margins:
        begun: Decimal | None = None
        for moment, equity in journal.execute(_READINGS, (midnight_ms, run, margin.account, accounts[margin.account])):
            if begun is not None:
                pnl += Decimal(equity) - begun
            begun = Decimal(equity) if moment == "start" else None
        if begun is not None:
            pnl += margin.equity - begun
    return Day(pnl, now_ns + (midnight_ms + DAY_MS - wall_ms) * MS)
