"""Faults that the storm or a reading of the code found, each as the shortest story that shows it again."""

from __future__ import annotations

from decimal import Decimal

from trading_kit import Bench

from engine.trading.inputs import NotSent, Request
from engine.trading.orders import KEEP_NS
from exchanges.types import FillKind, Side

D = Decimal


def opened(bench: Bench | None = None) -> Bench:
    """A desk whose opening order rests."""
    bench = bench or Bench()
    bench.begin()
    bench.ack(bench.newest("opening"))
    return bench


def hedged(bench: Bench | None = None) -> Bench:
    """A desk that holds: the opening filled in full and its hedge is confirmed."""
    bench = opened(bench)
    bench.fill(bench.newest("opening"), "1")
    bench.fill(bench.newest("hedge"), "1")
    return bench


def test_an_order_stopped_at_the_wire_waits_before_it_is_made_again() -> None:
    """S16: the sender answers inside the step; making it anew at once would never leave that moment."""
    bench = hedged()
    bench.fire("hold")
    effects = bench.give(NotSent(bench.newest("closing"), Request.PLACE, "book is 1200 ms old"))
    assert bench.placed(effects) == []
    assert bench.placed(bench.fire("reprice_wait")) == [("m", "closing", "sell", D(1))]


def test_a_liquidation_that_is_told_twice_counts_once() -> None:
    """S5, S12: a resync tells its overlap again; no order of ours knows the row."""
    bench = hedged()
    row = bench.row(bench.newest("hedge"), "1", client_id="", order_id="liq", side=Side.BUY, kind=FillKind.LIQUIDATION)
    assert bench.placed(bench.give(row)) == [("t1", "hedge", "sell", D(1))]
    assert bench.placed(bench.give(row)) == []
    assert bench.desk.world.ledger.books["t1"].position == 0


def test_a_row_of_an_order_long_out_of_memory_is_not_counted_again() -> None:
    """S5: the rows of an order outlive it."""
    bench = hedged()
    row = bench.row(bench.newest("opening"), "1", trade="t1")
    orders = bench.desk.world.orders
    orders._evict(bench.now + 2 * KEEP_NS)
    assert orders.all == {}
    before = bench.desk.view.exposure
    bench.give(row)
    assert bench.desk.view.exposure == before
