"""What a run of a flow that listens left open, lot by lot: the side that survives, at its prices, with its age.

Counts as the desk does (engine/trading/lots.py), from the journal's rows alone: what the run took over, then each row
of its fills in the order of the steps.
"""

from __future__ import annotations

import sqlite3
from decimal import Decimal

from engine.trading.inputs import Carried, LeftLot
from engine.trading.lots import Lot, Lots
from exchanges.types import ZERO, Side

MS = 1_000_000


def left_lots(journal: sqlite3.Connection, run: int, before: Carried | None, wall_ms: int) -> tuple[LeftLot, ...]:
    """The lots of a run as they stand at `wall_ms`; `before` is what it had taken over itself."""
    lots = Lots()
    if before is not None:
        begun_ms = _began_ms(journal, run)
        for it in before.lots:
            lots.add(Lot(it.qty, it.price, (begun_ms - it.age_ms) * MS, it.order_id, it.trade_id))
    for side, news, price, fee, fee_asset, base, quote, at_ms, order_id, trade_id in journal.execute(_ROWS, (run,)):
        change = Side(side).sign * Decimal(news)
        if fee_asset == base != quote:
            change -= Decimal(fee)
        if change:
            paid = lots.beyond(ZERO).price if price is None else Decimal(price)
            lots.add(Lot(change, paid, at_ms * MS, order_id, trade_id))
    return tuple(
        LeftLot(it.qty, it.price, max(0, wall_ms - it.since_ns // MS), it.order_id, it.trade_id) for it in lots
    )


def _began_ms(journal: sqlite3.Connection, run: int) -> int:
    ((wall_ms,),) = journal.execute("SELECT started_wall_ms FROM runs WHERE number = ?", (run,)).fetchall()
    return int(wall_ms)


_ROWS = """
SELECT f.side, f.news_qty, f.price, f.fee, f.fee_asset, a.base, a.quote, i.wall_ms, f.order_id, f.trade_id
FROM fills f
JOIN accounts a ON a.run = f.run AND a.name = f.account AND a.symbol = f.symbol
JOIN inputs i ON i.run = f.run AND i.seq = f.seq
WHERE f.run = ? ORDER BY f.seq
"""
