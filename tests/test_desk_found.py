"""Faults that the storm or a reading of the code found, each as the shortest story that shows it again."""

from __future__ import annotations

from decimal import Decimal

from trading_kit import Bench

from engine.trading.inputs import NotSent, Request

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
