"""The TWAP flow on its desk, and run from end to end: what each slice orders, when it takes, and what it ends with."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from cli_kit import ROOT, Eagle, eagle  # noqa: F401
from trading_kit import Bench, account, shipped_flow

from engine.trading.effects import Effect, Finish, PlaceOrder
from engine.trading.inputs import Counted, StopAsked
from exchanges.types import OrderState, Position

D = Decimal
EXAMPLE = str(ROOT / "docs" / "examples" / "twap_paper.yaml")


def bench(**settings: str) -> Bench:
    plain = {"side": "buy", "quantity": "4", "over": "40s", "slices": "4", "vary": "0"}
    desk = Bench(
        {**plain, **settings}, flow=shipped_flow("twap"), accounts=(account("m", "a"),), roles={"maker": ("m",)}
    )
    desk.begin()
    return desk


def orders(effects: list[Effect]) -> list[tuple[str, Decimal, Decimal | None, str]]:
    """(side, quantity, price, time in force) of what was placed."""
    return [
        (it.request.side.value, it.request.qty, it.request.price, it.request.tif.value)
        for it in effects
        if isinstance(it, PlaceOrder)
    ]


def unanswered(desk: Bench) -> list[Effect]:
    """Nobody answers the question before a cancel, nor the one after it."""
    return [*desk.fire("timeout:SLICE.asking"), *desk.fire("retry:SLICE.asking"), *desk.fire("timeout:SLICE.asking")]


def seconds_until(desk: Bench, delay: str) -> int:
    return (desk.timers["chart", f"after:SLICE:{delay}"].at_ns - desk.now) // 10**9


def confirmed(desk: Bench) -> list[tuple[int, str]]:
    """What the run says when the venue confirms the position."""
    if desk.state == "LEAVING.asking":
        desk.fire("timeout:LEAVING.asking")
    for order in list(desk.desk.world.orders.resting):
        desk.update(order, OrderState.CANCELED, str(desk.desk.world.orders.all[order].done_qty))
    held = (Position("m", "ETHUSDT", desk.desk.world.exposure),)
    token = desk.desk.chart.tokens["LEAVING.verifying"]
    told = desk.give(Counted(token, ok=True, quiet=True, positions=held, margins=(), text=""))
    return [(it.exit_code, it.text) for it in told if isinstance(it, Finish)]


def test_slice_after_slice_rests_its_part_and_the_whole_size_is_a_good_end() -> None:
    desk = bench()
    assert (seconds_until(desk, "context.deadline"), seconds_until(desk, "settings.over / settings.slices")) == (10, 10)
    for _ in range(4):
        assert orders(desk.fire("context.begin")) == [("buy", D("1.0"), D("100.0"), "gtc")]
        desk.fill(desk.newest("work"), "1", price="100")
        assert desk.state == "SLICE.done"
        desk.fire("settings.over / settings.slices")
    assert confirmed(desk) == [(0, "holding as meant; m: +4 ETHUSDT")]


def test_what_has_not_filled_by_the_deadline_is_taken_when_the_end_of_its_order_was_seen() -> None:
    desk = bench(side="sell")
    assert orders(desk.fire("context.begin")) == [("sell", D("1.0"), D("100.1"), "gtc")]
    desk.fill(desk.newest("work"), "0.3", price="100.1")
    assert orders(desk.fire("context.deadline")) == []
    assert orders(unanswered(desk)) == []
    assert [cancel.client_id for cancel in desk.cancels] == [desk.newest("work")]
    taken = desk.update(desk.newest("work"), OrderState.CANCELED, "0.3")
    assert orders(taken) == [("sell", D("0.7"), D("99.9"), "ioc")]  # 10 bps below the bid


def test_what_a_slice_leaves_the_next_one_takes_along() -> None:
    desk = bench()
    desk.fire("context.begin")
    desk.fill(desk.newest("work"), "0.2", price="100")
    desk.update(desk.newest("work"), OrderState.CANCELED, "0.2")  # and the book goes away: nothing is ordered any more
    desk.fire("settings.over / settings.slices")
    assert orders(desk.fire("context.begin")) == [("buy", D("1.8"), D("100.0"), "gtc")]


def test_a_fill_that_comes_after_its_end_is_not_bought_again() -> None:
    desk = bench()
    desk.fire("context.begin")
    first = desk.newest("work")
    desk.update(first, OrderState.CANCELED)
    desk.fill(first, "1", price="100")
    desk.fire("reprice_wait")
    assert (desk.state, desk.desk.legs["work"].filled) == ("SLICE.done", D(1))


def test_sizes_and_moments_are_drawn_within_their_bounds_and_the_last_target_is_the_size() -> None:
    """The bench's chance is always the lowest: half of a slice less, at once, and the deadline half a slice early."""
    desk = bench(vary="100%")
    seen = []
    for _ in range(4):
        context = desk.desk.view.context
        seen.append((context.target, context.begin, context.deadline // 10**9))  # type: ignore[attr-defined]
        desk.fire("settings.over / settings.slices")
    assert seen == [(D("0.5"), 0, 5), (D("1.5"), 0, 5), (D("2.5"), 0, 5), (D(4), 0, 5)]


@pytest.mark.parametrize(
    ("limit", "rests", "takes"), [("0", "100.0", "100.2"), ("99.5", "99.5", "99.5"), ("100.1", "100.0", "100.1")]
)
def test_a_limit_price_bounds_what_rests_and_what_is_taken(limit: str, rests: str, takes: str) -> None:
    desk = bench(limit_price=limit)
    assert orders(desk.fire("context.begin")) == [("buy", D("1.0"), D(rests), "gtc")]
    desk.fire("context.deadline")
    unanswered(desk)
    assert orders(desk.update(desk.newest("work"), OrderState.CANCELED)) == [("buy", D("1.0"), D(takes), "ioc")]


def test_a_stop_keeps_what_was_traded_and_is_no_good_end() -> None:
    desk = bench()
    desk.fire("context.begin")
    desk.fill(desk.newest("work"), "0.4", price="100")
    desk.give(StopAsked(1))
    assert confirmed(desk) == [(1, "holding as meant; m: +0.4 ETHUSDT")]


def test_a_failure_of_the_flow_does_not_sell_what_was_bought(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = bench()
    desk.fire("context.begin")
    desk.fill(desk.newest("work"), "0.4", price="100")

    def broken(*_: object) -> list[Effect]:
        raise RuntimeError("boom")

    with monkeypatch.context() as patch:
        patch.setitem(desk.desk.verbs._table, "note", broken)
        desk.fill(desk.newest("work"), "0.1", price="100")  # the chart notes it, and fails
    assert (desk.state, desk.desk.world.exposure) == ("LEAVING.asking", D("0.5"))
    assert confirmed(desk) == [(1, "holding as meant; m: +0.5 ETHUSDT")]


def test_it_runs_to_a_good_end_with_its_position(eagle: Eagle, tmp_path: Path) -> None:  # noqa: F811
    journal = tmp_path / "j.sqlite"
    ran = eagle("run", "--config", EXAMPLE, "--speed", "max", "--journal", journal)
    assert (ran.code, ran.out.splitlines()[0]) == (
        0, "holding as meant; hawk: +0.4000 ETHUSDT (directional, not hedged)",
    )  # fmt: skip
    assert eagle("audit", journal).out.splitlines()[-2:] == [
        "hawk: baseline 0 + fills 0.4000 = 0.4000 ETHUSDT, venue 0.4000", "audit holds",
    ]  # fmt: skip
    assert "  ended in order, its position confirmed by the venues (exit code 0)\n" in eagle("report", journal).out
    assert eagle("replay", journal).code == 0
    explained = eagle("why", journal, "e1r1lworka1")
    assert (explained.code, "SLICE.resting" in explained.out, "missing" in explained.out) == (0, True, False)
    proved = eagle("prove", "flows/twap.yaml", "--faults", 1)
    assert (proved.code, proved.out.splitlines()[0]) == (
        0,
        "twap (directional, not hedged): proved within the bounds below",
    )
    other = eagle("run", "--config", EXAMPLE, "--speed", "max", "--journal", "off", "--seed", 2)
    assert (other.code, other.out != ran.out) == (0, True)
    refused = eagle("run", "--config", EXAMPLE, "--speed", "max", "--rounds", 3)
    assert (refused.code, "--rounds: this flow has no setting of that name" in refused.err) == (2, True)
