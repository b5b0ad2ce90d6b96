"""How orders fared: filled or not, how long it took, and the five stamps on a hedge's way to the wire."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Mapping

from engine.review.report_figures import OrderCounts, Stage, percentiles
from engine.review.report_series import Series
from engine.trading.effects import Purpose

__all__ = ["STAMPS", "latency", "order_counts"]

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
_STAGES = ("decode", "decide", "sign", "write", "in all")


def order_counts(
    journal: sqlite3.Connection, run: int, fill_ns: Mapping[str, array[int]]
) -> tuple[OrderCounts, ...]:  # fmt: skip
    """By purpose, in the order of a round; `fill_ns` are the times from decision to fill."""
    found = {}
    for purpose, orders, filled, partly, failed, filled_qty, qty in journal.execute(_COUNTS, (run,)):
        found[purpose] = OrderCounts(
            purpose=purpose, orders=orders, filled=filled, partly=partly, unfilled=orders - filled - partly - failed,
            failed=failed, fill_rate=filled_qty / qty if qty else 0, fill_ns=percentiles(fill_ns.get(purpose, ())),
        )  # fmt: skip
    return tuple(found[it.value] for it in Purpose if it.value in found)


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
