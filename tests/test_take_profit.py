"""The take-profit flow on its desk, and run from end to end: what rests at which price, and what is left at the end."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from cli_kit import ROOT, Eagle, eagle  # noqa: F401
from trading_kit import LIMITS, Bench, account, shipped_flow

from engine.trading.effects import Alert, Effect, Finish, Level, PlaceOrder
from engine.trading.inputs import Counted, MarketSeen, StopAsked
from exchanges.types import LinkState, LinkUpdate, OrderState, Position, Refusal

D = Decimal
EXAMPLE = str(ROOT / "docs" / "examples" / "take_profit_paper.yaml")


def bench(**settings: str) -> Bench:
    plain = {"take_profit": "1%", "wait": "8s", "max_closes": "4"}
    desk = Bench(
        {**plain, **settings}, flow=shipped_flow("take_profit"), accounts=(account("m", "a"),),
        roles={"maker": ("m",)}, limits=replace(LIMITS, unhedged_soft=D(1)),
    )  # fmt: skip
    desk.begin()
    return desk


def orders(effects: list[Effect]) -> list[tuple[str, str, Decimal, Decimal | None]]:
    """(leg, side, quantity, price) of what was placed."""
    return [
        (it.leg, it.request.side.value, it.request.qty, it.request.price)
        for it in effects
        if isinstance(it, PlaceOrder)
    ]


def opened(desk: Bench, price: str) -> None:
    """The resting opening fills at this price, and the venue takes its take-profit."""
    desk.fill(desk.newest("opening"), "1", price=price)
    desk.update(desk.newest("profit"), OrderState.OPEN)


def test_an_opening_that_filled_gets_its_take_profit_in_the_same_step() -> None:
    desk = bench()
    assert orders(desk.log) == [("opening", "buy", D("1.0"), D("100.0"))]
    assert orders(desk.fill(desk.newest("opening"), "1", price="100")) == [("profit", "sell", D("1.0"), D("101.0"))]
    assert desk.orders[desk.newest("profit")].request.reduce_only
    assert desk.state == "COVERING.placing"  # nothing opens before the venue has it
    desk.update(desk.newest("profit"), OrderState.OPEN)
    assert desk.state == "READY.cooling"


def test_a_run_that_sells_takes_its_profit_below() -> None:
    desk = bench(direction="sell")
    assert orders(desk.log) == [("opening", "sell", D("1.0"), D("100.1"))]
    assert orders(desk.fill(desk.newest("opening"), "1", price="100.1")) == [("profit", "buy", D("1.0"), D("99.0"))]


def test_several_take_profits_rest_at_once_up_to_the_maximum_each_wait_longer_than_the_last() -> None:
    desk = bench()
    waits = []
    for price in ("100", "99", "98"):
        opened(desk, price)
        waits.append((desk.timers["chart", "after:READY.cooling:context.cool"].at_ns - desk.now) // 10**9)
        desk.fire("context.cool")
    opened(desk, "97")
    desk.fire("context.cool")
    assert waits == [4, 8, 16]  # one of four is a quarter: half of 8 s
    assert (desk.state, desk.desk.legs["profit"].orders) == ("READY.full", 4)
    after = desk.fill(desk.newest("profit"), "1", price="98")
    assert orders(after) == [("opening", "buy", D("1.0"), D("100.0"))]  # room at once


def test_a_late_fill_is_covered_whatever_the_flow_waits_for() -> None:
    """The bot never saw it: it read the filled size once, after the cancel."""
    desk = bench()
    first = desk.newest("opening")
    desk.quote("100.1", "100.2")  # overbid
    desk.fire("order_timeout")
    desk.fire("timeout:OPENING.asking")
    desk.fire("retry:OPENING.asking")
    desk.fire("timeout:OPENING.asking")
    assert desk.state == "OPENING.cancelling"
    desk.update(first, OrderState.CANCELED)
    assert desk.state == "OPENING.resting"  # placed anew, at the new price
    opened(desk, "100.1")
    late = desk.fill(first, "0.4", price="100")
    assert orders(late) == [("profit", "sell", D("0.4"), D("101.0"))]
    assert desk.desk.legs["profit"].unfilled == D("1.4")


def test_a_partly_filled_opening_is_covered_with_what_filled_when_it_has_ended() -> None:
    desk = bench()
    assert orders(desk.fill(desk.newest("opening"), "0.3", price="100")) == []
    ended = desk.update(desk.newest("opening"), OrderState.CANCELED, "0.3")
    assert orders(ended) == [("profit", "sell", D("0.3"), D("101.0"))]


def test_a_take_profit_that_is_refused_is_placed_again_and_at_last_calls_a_person() -> None:
    desk = bench(refusal_limit="2")
    desk.fill(desk.newest("opening"), "1", price="100")
    desk.quote("102.0", "102.1")  # the market went through it: the next one rests further away
    desk.refuse(desk.newest("profit"), Refusal.POST_ONLY)
    assert orders(desk.fire("reprice_wait")) == [("profit", "sell", D("1.0"), D("102.1"))]
    desk.refuse(desk.newest("profit"), Refusal.REDUCE_ONLY)
    called = desk.fire("reprice_wait")
    assert [it.text for it in called if isinstance(it, Alert) and it.level is Level.PERSON] == [
        "the venue refuses the take-profit; what was opened is held without one until it takes it"
    ]
    assert orders(desk.fire("cool_down")) == [("profit", "sell", D("1.0"), D("102.1"))]


def test_a_take_profit_that_the_venue_ends_takes_the_next_opening_back_and_is_replaced() -> None:
    desk = bench()
    opened(desk, "100")
    desk.fire("context.cool")
    assert desk.state == "OPENING.resting"
    desk.update(desk.newest("profit"), OrderState.CANCELED)
    assert desk.state == "OPENING.asking"
    desk.fire("timeout:OPENING.asking")
    desk.fire("retry:OPENING.asking")
    desk.fire("timeout:OPENING.asking")
    ended = desk.update(desk.newest("opening"), OrderState.CANCELED)
    assert orders(ended) == [("profit", "sell", D("1.0"), D("101.0"))]


def test_a_dead_stream_rests_no_take_profit_and_is_made_good_when_it_is_back() -> None:
    desk = bench()
    opening = desk.newest("opening")
    desk.give(LinkUpdate("m", LinkState.LOST, desk.now))
    assert desk.state == "OPENING.asking"
    desk.give(LinkUpdate("m", LinkState.RESYNC, desk.now))
    assert orders(desk.fill(opening, "1", price="100")) == []
    assert orders(desk.give(LinkUpdate("m", LinkState.TRUSTED, desk.now))) == [("profit", "sell", D("1.0"), D("101.0"))]


def test_the_stop_price_cancels_closes_at_the_best_price_and_leaves_flat() -> None:
    desk = bench()
    opened(desk, "100")
    profit = desk.newest("profit")
    desk.give(MarketSeen(open=False, reason="stop_price", text="outside"))
    assert desk.state == "LEAVING.asking"
    desk.fire("timeout:LEAVING.asking")
    assert [cancel.client_id for cancel in desk.cancels] == [profit]
    assert orders(desk.update(profit, OrderState.CANCELED)) == [("exit", "sell", D("1.0"), D("100.1"))]
    desk.fill(desk.newest("exit"), "1", price="100.1")
    told = desk.give(Counted(desk.desk.chart.tokens["LEAVING.verifying"], True, True, (), (), ""))
    assert [(it.exit_code, it.text) for it in told if isinstance(it, Finish)] == [(0, "flat")]


def test_a_second_stop_closes_by_market_in_slices() -> None:
    desk = bench(quantity="2")
    desk.fill(desk.newest("opening"), "2", price="100")
    desk.give(StopAsked(1))
    desk.give(StopAsked(2))
    desk.fire("timeout:LEAVING.asking")
    slice_ = desk.update(desk.newest("profit"), OrderState.CANCELED)
    assert orders(slice_) == [("flatten", "sell", D("1.0"), None)]  # no more than unhedged_soft at once
    desk.fill(desk.newest("flatten"), "1", price="100")
    assert orders(desk.fire("reprice_wait")) == [("flatten", "sell", D("1.0"), None)]


def test_a_venue_that_says_something_else_twice_is_not_traded_on() -> None:
    desk = bench()
    desk.give(StopAsked(1))
    desk.fire("timeout:LEAVING.asking")
    desk.update(desk.newest("opening"), OrderState.CANCELED)
    held = (Position("m", "ETHUSDT", D(1), None, None, None),)
    for _ in range(2):
        token = desk.desk.chart.tokens["LEAVING.verifying"]
        desk.give(Counted(token, ok=True, quiet=True, positions=held, margins=(), text=""))
        if desk.state == "LEAVING.doubting":
            desk.fire("after:LEAVING.doubting:recheck")
    assert desk.state == "ERROR.distrust"


# --- from end to end


def test_it_runs_to_a_flat_end_and_is_marked_wherever_it_is_shown(eagle: Eagle, tmp_path: Path) -> None:  # noqa: F811
    journal = tmp_path / "j.sqlite"
    ran = eagle("run", "--config", EXAMPLE, "--speed", "max", "--seed", 2, "--journal", journal)
    assert (ran.code, ran.out.splitlines()[0]) == (0, "flat (directional, not hedged)")
    assert ran.err.startswith("run 1: take_profit on ETH-PERP; maker: hawk; directional, not hedged\n")
    audited = eagle("audit", journal)
    assert (audited.code, audited.out.splitlines()[-1]) == (0, "audit holds")
    assert (
        "directional, not hedged: fills are counted and compared with the venues; none had to be covered" in audited.out
    )
    reported = eagle("report", journal)
    assert reported.out.startswith("run 1, paper: take_profit on ETH-PERP; directional, not hedged\n")
    assert "Hedge latency" not in reported.out
    assert json.loads(eagle("report", journal, "--format", "json").out)["run"]["hedged"] is False
    assert eagle("replay", journal).code == 0
    traced = eagle("trace", journal, "1")
    assert (traced.code, "profit" in traced.out) == (0, True)
    proved = eagle("prove", "flows/take_profit.yaml", "--faults", 1)
    assert proved.code == 0
    assert proved.out.startswith("take_profit (directional, not hedged): proved within the bounds below\n")
    checked = eagle("validate", "flows/take_profit.yaml", EXAMPLE)
    assert (checked.code, checked.out.splitlines()[1:]) == (0, ["flows/take_profit.yaml: directional, not hedged"])


def test_init_writes_a_config_for_it_that_runs(eagle: Eagle, tmp_path: Path) -> None:  # noqa: F811
    file = tmp_path / "tp.yaml"
    assert eagle("init", file, "--yes", "--flow", "take_profit", "--set", "rounds=1").code == 0
    text = file.read_text()
    assert ("max_closes: 10" in text, "unhedged_hard" in text, "max_net: 0.4" in text) == (True, False, True)
    assert "20 x quantity unless set" in next(line for line in text.splitlines() if "max_net" in line)
    assert eagle("run", "--config", file, "--speed", "max", "--journal", "off").code == 0
