"""E15: each limit breaks at its number, is told once, and halts the flow with its policy."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from trading_kit import LIMITS, Bench

from engine.trading.effects import Alert, RoundEnded
from engine.trading.inputs import Counted, Day
from exchanges.types import FillKind, LinkState, LinkUpdate, Margin, Position, Side

D = Decimal


def told(effects: list[object]) -> list[str]:
    return [effect.text for effect in effects if isinstance(effect, Alert) and effect.code == "limit"]


def opened(**limits: object) -> Bench:
    bench = Bench(limits=replace(LIMITS, **limits))  # type: ignore[arg-type]
    bench.begin()
    return bench


def test_unhedged_size_at_the_limit_is_allowed_and_above_it_halts() -> None:
    bench = opened(unhedged_hard=D("0.5"))
    assert told(bench.fill(bench.newest("opening"), "0.5")) == []
    assert told(bench.fill(bench.newest("opening"), "0.1")) == ["unhedged size 0.6 is above unhedged_hard 0.5"]
    assert bench.state.startswith("ERROR")


def test_a_position_above_its_limit_halts_and_the_fill_is_hedged_all_the_same() -> None:
    bench = opened(max_position=D(1))
    first = bench.newest("opening")
    assert told(bench.fill(first, "0.5")) == []
    outside = bench.row(first, "0.6", client_id="", order_id="x", kind=FillKind.SETTLEMENT)
    effects = bench.give(outside)
    assert told(effects) == ["position 1.1 of m is above max_position 1"]
    assert ("t1", "hedge", "sell", D("0.6")) in bench.placed(effects)


def test_a_margin_ratio_below_the_limit_halts_once() -> None:
    bench = opened(min_margin_ratio=D("1.5"))
    assert told(bench.give(Margin("t1", D(15), D(0), D(10)))) == []
    low = bench.give(Margin("t1", D(14), D(0), D(10)))
    assert told(low) == ["margin ratio 1.40 of t1 is below min_margin_ratio 1.5"]
    assert told(bench.give(Margin("t1", D(13), D(0), D(10)))) == []
    assert bench.state.startswith("ERROR")


def test_a_liquidation_price_that_is_near_halts() -> None:
    bench = opened(min_liquidation_distance_bps=D(100))
    near = Position("t1", "ETHUSDT", D(-1), liquidation_price=D("100.5"))
    effects = bench.give(Counted(0, ok=True, quiet=False, positions=(near,), margins=()))
    assert told(effects) == ["liquidation of t1 is 45 bps away, below min_liquidation_distance 100 bps"]


def round_lost(bench: Bench) -> list[object]:
    """A round that buys at 100 and sells at 98."""
    bench.fill(bench.newest("opening"), "1", price="100")
    bench.fill(bench.newest("hedge"), "1", price="99")
    bench.fire("hold")
    bench.fill(bench.newest("closing"), "1", price="98")
    return bench.fill(bench.newest("hedge"), "1", price="99")


def test_a_loss_above_the_runs_limit_halts_at_the_end_of_the_round() -> None:
    bench = opened(max_loss_run=D("1.5"))
    effects = round_lost(bench)
    assert next(effect.cash for effect in effects if isinstance(effect, RoundEnded)) == D(-2)
    assert told(effects) == ["loss of the run 2.00 is above max_loss_run 1.5"]
    assert bench.state.startswith("ERROR")


def test_a_loss_at_the_limit_is_allowed() -> None:
    assert told(round_lost(opened(max_loss_run=D(2), max_loss_day=D(2)))) == []


def test_the_days_loss_starts_anew_after_24_hours() -> None:
    bench = opened(max_loss_day=D(3))
    assert told(round_lost(bench)) == []
    bench.now += 24 * 3600 * 1_000_000_000
    bench.fire("reconcile", owner="desk")
    assert told(round_lost(bench)) == []
    assert told(round_lost(bench)) == ["loss of the day 4.00 is above max_loss_day 3"]


def test_what_earlier_runs_lost_today_counts_until_the_day_ends() -> None:
    """S10: to start again is no new day."""
    bench = Bench(limits=replace(LIMITS, max_loss_day=D(3)))
    bench.begin(day=Day(D("-1.5"), ends_ns=bench.now + 12 * 3600 * 1_000_000_000))
    assert told(round_lost(bench)) == ["loss of the day 3.50 is above max_loss_day 3"]


def test_a_run_does_not_open_when_earlier_ones_lost_the_days_limit() -> None:
    bench = Bench(limits=replace(LIMITS, max_loss_day=D(3)))
    effects = bench.begin(day=Day(D("-3.01"), ends_ns=bench.now + 12 * 3600 * 1_000_000_000))
    assert told(effects) == ["loss of the day 3.01 is above max_loss_day 3"]
    assert bench.state.startswith("ERROR")
    assert [order for order in bench.placed(effects) if order[1] == "opening"] == []


def test_the_next_day_begins_at_its_hour_and_lasts_24() -> None:
    bench = Bench(limits=replace(LIMITS, max_loss_day=D(3)))
    bench.begin(day=Day(D("-1.5"), ends_ns=bench.now + 1))
    bench.now += 50 * 3600 * 1_000_000_000  # two midnights later
    bench.fire("reconcile", owner="desk")
    assert told(round_lost(bench)) == [], "yesterday's loss is over"
    bench.now += 21 * 3600 * 1_000_000_000
    bench.fire("reconcile", owner="desk")
    assert told(round_lost(bench)) == ["loss of the day 4.00 is above max_loss_day 3"], "still the same day"


def test_what_earlier_runs_won_today_is_won() -> None:
    bench = Bench(limits=replace(LIMITS, max_loss_day=D(3)))
    bench.begin(day=Day(D(2), ends_ns=bench.now + 24 * 3600 * 1_000_000_000))
    assert told(round_lost(bench)) == []
    assert told(round_lost(bench)) == []
    assert told(round_lost(bench)) == ["loss of the day 4.00 is above max_loss_day 3"]


def settled(bench: Bench, *, maker: str, taker: str) -> list[object]:
    """Maker and taker are settled, one account's resync after the other."""
    for name in ("m", "t1"):
        bench.give(LinkUpdate(name, LinkState.LOST, 0))
    row = {"client_id": "", "order_id": "s", "kind": FillKind.SETTLEMENT}
    effects = bench.give(LinkUpdate("m", LinkState.RESYNC, 0))
    effects += bench.give(bench.row(bench.newest("opening"), maker, side=Side.SELL, **row))
    effects += bench.give(LinkUpdate("m", LinkState.TRUSTED, 0))
    effects += bench.give(LinkUpdate("t1", LinkState.RESYNC, 0))
    effects += bench.give(bench.row(bench.newest("hedge"), taker, side=Side.BUY, **row))
    return effects + bench.give(LinkUpdate("t1", LinkState.TRUSTED, 0))


def test_sizes_are_judged_at_the_end_of_a_resync_not_between_its_rows() -> None:
    """A repeated recording settles account after account: between two rows the net is large, at the end it is nil."""
    bench = opened(max_net=D("1"), unhedged_hard=D("1"))
    bench.fill(bench.newest("opening"), "1")
    bench.fill(bench.newest("hedge"), "1")
    assert told(settled(bench, maker="2", taker="2")) == []


def test_what_a_resync_leaves_is_judged() -> None:
    bench = opened(max_net=D("1"), unhedged_hard=D("1"))
    bench.fill(bench.newest("opening"), "1")
    bench.fill(bench.newest("hedge"), "1")
    assert told(settled(bench, maker="1", taker="2.5")) == [
        "net position 1.5 is above max_net 1",
        "unhedged size 1.5 is above unhedged_hard 1",
    ]
