"""The formulas of S6, S7, S9 to S12 and E15, each with whole values worked out by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.trading.limits import (
    Holding,
    can_carry,
    close_size,
    dust_bound,
    equity,
    flatten_value,
    hedgeable,
    liquidation_distance_bps,
    margin_ratio,
    order_breach,
    position_breach,
    rate_breach,
    requests_per_minute,
    requoting_per_minute,
    round_cost_bps,
    rounds_per_minute,
    smallest_order,
)
from engine.trading.plan import Limits
from exchanges.types import Instrument, Margin, MarketKind, Position, Quote

D = Decimal
LIMITS = Limits(
    max_order=D("1"), max_position=D("2"), max_gross=D("4"), max_net=D("0.5"), unhedged_soft=D("0.1"),
    unhedged_hard=D("0.5"), unhedged_soft_age_ns=1, unhedged_hard_age_ns=5, max_loss_run=None, max_loss_day=None,
    min_margin_ratio=D("1.5"), min_liquidation_distance_bps=D("500"), max_hedge_slippage_bps=D("50"),
    orders_per_minute=60, margin_buffer=D("1.2"), dust_cap=D("10"), max_round_cost_bps=None,
)  # fmt: skip
SECOND_NS = 1_000_000_000


def instrument(**changes: D) -> Instrument:
    values = {"tick": D("0.01"), "lot": D("0.001"), "min_qty": D("0.001"), **changes}
    return Instrument(
        venue="paper-a", symbol="ETHUSDT", market="ETH-PERP", kind=MarketKind.PERP, base="ETH", quote="USDT", **values
    )


def quote(bid: str, ask: str) -> Quote:
    return Quote("paper-a", "ETHUSDT", D(bid), D("5"), D(ask), D("5"), 0)


def test_round_cost_is_both_spreads_less_the_offset_plus_fees_of_both_legs_on_both_venues() -> None:
    # maker: buys at 100.07, sells at 99.93 -> 0.14; hedge: 0.20; fees: 0.0002 x 200 + 0.0005 x 200 = 0.14
    cost = round_cost_bps(
        quote("99.90", "100.10"),
        quote("99.90", "100.10"),
        maker_instrument=instrument(maker_fee=D("0.0002")),
        hedge_instrument=instrument(taker_fee=D("0.0005")),
        offset_ticks=3,
    )
    assert cost == D("48")


def test_a_rebate_and_deep_offset_make_a_round_gain_and_a_basis_cancels_out() -> None:
    # maker: buys at 99.90, sells at 100.10 -> -0.20; hedge 0.02 at another level; rebate 0.0001 x 200 = -0.02
    cost = round_cost_bps(
        quote("99.90", "100.10"),
        quote("109.99", "110.01"),
        maker_instrument=instrument(maker_fee=D("-0.0001")),
        hedge_instrument=instrument(),
        offset_ticks=20,
    )
    assert cost == D("-20")


def test_resting_prices_of_the_round_cost_are_rounded_away_from_the_other_side() -> None:
    coarse = instrument(tick=D("0.05"))
    cost = round_cost_bps(
        quote("99.97", "100.03"), quote("100", "100"), maker_instrument=coarse, hedge_instrument=coarse, offset_ticks=0
    )
    assert cost == 0  # buys at 100.00, sells at 100.00


def test_a_position_is_worth_what_closing_it_at_the_touch_pays_after_the_fee() -> None:
    book, fee = quote("99", "101"), instrument(taker_fee=D("0.001"))
    values = [flatten_value(Holding(D(qty), book, fee)) for qty in ("2", "-2", "0")]
    assert values == [D("197.802"), D("-202.202"), D("0")]


def test_equity_is_cash_plus_the_flatten_value_of_every_position() -> None:
    book, fee = quote("99", "101"), instrument(taker_fee=D("0.001"))
    holdings = [Holding(D("2"), book, fee), Holding(D("-2"), book, fee)]
    assert (equity(D("5"), holdings), equity(D("5"), [])) == (D("0.600"), D("5"))


@pytest.mark.parametrize(("free", "carried"), [("30", True), ("29.99", False)])
def test_an_account_carries_an_order_only_with_margin_for_it_and_all_in_flight_times_the_buffer(
    free: str, carried: bool
) -> None:
    # (150 + 100) x 0.1 x 1.2 = 30
    margin = Margin("chick-1", equity=D("100"), free=D(free), maintenance=D("0"))
    assert carried is can_carry(
        margin,
        in_flight_notional=D("150"),
        order_notional=D("100"),
        instrument=instrument(initial_margin=D("0.1")),
        buffer=D("1.2"),
    )


def test_margin_ratio_is_equity_over_maintenance_and_absent_without_a_position() -> None:
    ratios = [margin_ratio(Margin("a", equity=D("100"), free=D("0"), maintenance=D(need))) for need in ("40", "0")]
    assert ratios == [D("2.5"), None]


@pytest.mark.parametrize(
    ("qty", "liquidation", "bps"),
    [("1", "90", "1000"), ("-1", "105", "500"), ("1", "101", "-100"), ("1", None, None), ("0", "90", None)],
)
def test_liquidation_distance_is_signed_against_the_position(
    qty: str, liquidation: str | None, bps: str | None
) -> None:
    position = Position("a", "ETHUSDT", D(qty), liquidation_price=None if liquidation is None else D(liquidation))
    assert liquidation_distance_bps(position, D("100")) == (None if bps is None else D(bps))


@pytest.mark.parametrize(
    ("changes", "least"),
    [
        ({"min_qty": D("0.001")}, "0.001"),
        ({"min_qty": D("0")}, "0.001"),
        ({"lot": D("0.3"), "min_qty": D("0.5")}, "0.6"),
        ({"min_notional": D("5")}, "0.050"),
        ({"lot": D("0.03"), "min_notional": D("5")}, "0.06"),
    ],
)
def test_smallest_order_is_the_strictest_minimum_on_the_lot(changes: dict[str, D], least: str) -> None:
    assert smallest_order(instrument(**changes), D("100")) == D(least)


def test_dust_stays_under_the_sum_of_what_each_account_could_trade() -> None:
    accounts = [instrument(min_qty=D("0.01")), instrument(lot=D("0.1")), instrument(min_notional=D("5"))]
    assert (dust_bound(accounts), dust_bound(accounts, price=D("100"))) == (D("0.111"), D("0.160"))


@pytest.mark.parametrize(
    ("exposure", "size"), [("0.25", "0.25"), ("-0.25", "0.25"), ("0.0295", "0.02"), ("0.009", "0"), ("0", "0")]
)
def test_hedgeable_is_the_most_that_one_taker_can_trade_after_its_minima(exposure: str, size: str) -> None:
    fine = instrument(lot=D("0.01"), min_qty=D("0.02"))
    coarse = instrument(lot=D("0.05"), min_qty=D("0.1"), min_notional=D("20"))
    takers = [(coarse, D("100")), (fine, D("100"))]
    assert hedgeable(D(exposure), takers) == D(size)


def test_nothing_is_hedgeable_without_an_eligible_taker() -> None:
    assert hedgeable(D("1"), []) == 0


@pytest.mark.parametrize(
    ("position", "size", "why"),
    [
        ("0.8", "0.8", "fits whole"),
        ("-0.8", "0.8", "a short closes by as much"),
        ("2.5", "1.0", "a second order can follow"),
        ("1.5", "0.9", "1.0 would leave 0.5, under the minimum of 0.6"),
        ("1.1", "1.0", "no cut leaves both parts tradable"),
        ("0.5", "0", "under the minimum"),
        ("1.05", "1.0", "what is off the lot cannot be traded anyway"),
        ("0", "0", "flat"),
    ],
)
def test_a_close_leaves_no_untradeable_remainder(position: str, size: str, why: str) -> None:
    steps = instrument(lot=D("0.1"), min_qty=D("0.6"))
    assert close_size(D(position), steps, max_order=D("1"), price=D("100")) == D(size), why


def test_an_order_above_the_largest_is_named_with_the_limit() -> None:
    breaches = [order_breach(D(qty), LIMITS) for qty in ("1", "1.001")]
    assert breaches == [None, "order of 1.001 is above max_order 1"]


@pytest.mark.parametrize(
    ("positions", "breach"),
    [
        ({"hawk": "2", "chick-1": "-1", "chick-2": "-1"}, None),
        ({"hawk": "-2.1", "chick-1": "2"}, "position -2.1 of hawk is above max_position 2"),
        ({"a": "2", "b": "-2", "c": "0.1"}, "gross position 4.1 is above max_gross 4"),
        ({"a": "1", "b": "-1.6"}, "net position -0.6 is above max_net 0.5"),
        ({}, None),
    ],
)
def test_the_first_broken_position_limit_is_told(positions: dict[str, str], breach: str | None) -> None:
    signed = {name: D(qty) for name, qty in positions.items()}
    assert position_breach(signed, LIMITS, net=sum(signed.values(), D(0))) == breach


def test_requoting_every_three_seconds_takes_53_requests_a_minute() -> None:
    with_query = requoting_per_minute(3 * SECOND_NS, query_before_cancel=True)
    without = requoting_per_minute(3 * SECOND_NS, query_before_cancel=False)
    assert (round(with_query), round(without)) == (53, 35)


def test_a_minute_holds_as_many_rounds_as_hold_and_both_turnarounds_allow() -> None:
    assert rounds_per_minute(1_200_000_000) == 30


def test_the_busiest_account_is_the_worse_of_requoting_and_of_fast_rounds() -> None:
    slow = requests_per_minute(3 * SECOND_NS, 2 * SECOND_NS, query_before_cancel=True)
    fast = requests_per_minute(3 * SECOND_NS, 0, query_before_cancel=True)
    assert (round(slow), fast) == (53, 150)


def test_requests_that_leave_no_reserve_cannot_work() -> None:
    breaches = [rate_breach(D(needed), LIMITS) for needed in ("36", "53")]
    assert breaches == [
        None,
        "needs up to 53 requests a minute on one account; of orders_per_minute 60 openings may use 36",
    ]
