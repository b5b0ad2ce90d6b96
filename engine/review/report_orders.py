"""How orders fared: filled or not, how long it took, and the five stamps on a hedge's way to the wire."""

from __future__ import annotations

import sqlite3
from array import array
from collections import Counter
from collections.abc import Mapping

from engine.review.report_figures import OrderCounts, OwnTrades, Percentiles, Stage, percentiles
from engine.review.report_rows import Terms
from engine.review.report_series import Series
from engine.trading.effects import Purpose

__all__ = ["STAMPS", "OrderSums", "held_back", "latency", "order_counts", "order_sums", "own_trades"]

# An order is `filled` as soon as all of it was; what filled in spite of a refusal did not fail.
_COUNTS = """
SELECT purpose, count(*), sum(state = 'filled'), sum(state <> 'filled' AND cum_qty <> '0'),
       sum(state = 'failed' AND cum_qty = '0'), sum(iif(cum_qty = '0', 0, cum_qty)),
       sum(iif(state = 'failed' AND cum_qty = '0', 0, qty))
FROM orders WHERE run = ? GROUP BY purpose
"""
STAMPS = """
SELECT received_ns, decoded_ns, decided_ns, signed_ns, written_ns FROM orders
WHERE run = ? AND purpose = 'hedge' AND received_ns IS NOT NULL AND decoded_ns IS NOT NULL AND written_ns IS NOT NULL
"""
_OPENED = "SELECT account FROM orders WHERE run = ? AND purpose = 'open' LIMIT 1"  # the maker; a run has one
# A maker's fills and the hedges, in the order of their steps; in one step the fill came first.
_FILLS_AND_HEDGES = """
SELECT seq, 0, at_ns FROM fills WHERE run = :run AND purpose IN ('open', 'close', 'cleanup')
UNION ALL SELECT seq, 1, at_ns FROM intents WHERE run = :run AND kind = 'place' AND purpose = 'hedge'
ORDER BY 1, 2
"""
# Venues count trades by market; a match with oneself is two rows of one trade.
_TRADES = """
SELECT venue, symbol, sum(sides > 1), count(*) FROM (
    SELECT venue, symbol, count(*) AS sides FROM fills WHERE run = ? AND kind = 'trade' AND NOT provisional
    GROUP BY venue, symbol, trade_id)
GROUP BY venue, symbol
"""
_STAGES = ("decode", "decide", "sign", "write", "in all")


OrderSums = list[tuple[str, int, int, int, int, float, float]]  # rows of _COUNTS


def order_sums(journal: sqlite3.Connection, run: int) -> OrderSums:
    """What SQL alone sums up of the orders: no Python runs meanwhile, so that it may go on beside the pass."""
    return journal.execute(_COUNTS, (run,)).fetchall()


def order_counts(sums: OrderSums, fill_ns: Mapping[str, array[int]]) -> tuple[OrderCounts, ...]:
    """By purpose, in the order of a round; `fill_ns` are the times from decision to fill."""
    found = {}
    for purpose, orders, filled, partly, failed, filled_qty, qty in sums:
        found[purpose] = OrderCounts(
            purpose=purpose, orders=orders, filled=filled, partly=partly, unfilled=orders - filled - partly - failed,
            failed=failed, fill_rate=filled_qty / qty if qty else 0, fill_ns=percentiles(fill_ns.get(purpose, ())),
        )  # fmt: skip
    return tuple(found[it.value] for it in Purpose if it.value in found)


def held_back(journal: sqlite3.Connection, run: int, terms: Terms) -> Percentiles:
    """How long hedges were held back because an order of ours could have been what they hit (S8).

    From the first fill that was not hedged in its own step to the decision of its hedge, where another account trades
    on the book of the one whose orders rest; elsewhere a hedge is decided in the step of its fill.
    """
    opened = journal.execute(_OPENED, (run,)).fetchone()
    if opened is None or not any(
        name != opened[0] and terms.book(name) == terms.book(opened[0]) for name in terms.accounts
    ):
        return percentiles(())
    waits = array("q")
    since: tuple[int, int] | None = None
    for seq, is_hedge, at_ns in journal.execute(_FILLS_AND_HEDGES, {"run": run}):
        if not is_hedge:
            since = since or (seq, at_ns)
        elif since is not None:
            if seq > since[0]:
                waits.append(at_ns - since[1])
            since = None
    return percentiles(waits)


def own_trades(journal: sqlite3.Connection, run: int, terms: Terms) -> OwnTrades | None:
    """How often accounts of the run traded with each other (S20)."""
    books = Counter(terms.book(name) for name in terms.accounts)
    shared = {book for book, accounts in books.items() if accounts > 1}
    if not shared:
        return None
    found = [counts for venue, symbol, *counts in journal.execute(_TRADES, (run,)) if (venue, symbol) in shared]
    return OwnTrades(sum(matched for matched, _ in found), sum(trades for _, trades in found))


def latency(journal: sqlite3.Connection, run: int, series: Series | None) -> tuple[Stage, ...]:
    """From the arrival of a fill to its hedge on the wire, stage by stage; empty if no hedge has all five stamps."""
    took: tuple[array[int], ...] = tuple(array("q") for _ in _STAGES)
    decode, decide, sign, write, in_all = (stage.append for stage in took)
    for received, decoded, decided, signed, written in journal.execute(STAMPS, (run,)):
        decode(decoded - received)
        decide(decided - decoded)
        sign(signed - decided)
        write(written - signed)
        in_all(written - received)
        if series is not None:
            series.latency(received, written - received)
    return tuple(Stage(name, percentiles(values)) for name, values in zip(_STAGES, took, strict=True) if values)
