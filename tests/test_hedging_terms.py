"""The standing rule over a source (hedger): when, how much, at which price. Each test is named after what it guards.

Requirements and defects are those of the hedger's own list; the defects are what an earlier implementation did.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hedger_kit import BUY, SELL, HedgeBench, alerts, orders
from trading_kit import LIMITS, account

from engine.trading.effects import Alert, AskOrder, Effect
from engine.trading.inputs import (
    Answered,
    Carried,
    Held,
    LeftLot,
    Looked,
    NotSent,
    PauseAsked,
    Recalled,
    Request,
    Started,
)
from exchanges.types import (
    FillKind,
    LinkState,
    Liquidity,
    MarketKind,
    OrderState,
    OrderType,
    OrderUpdate,
    Position,
    Refusal,
    Unknown,
)

D = Decimal
MS, S = 1_000_000, 1_000_000_000
SOLD_1 = ("h1", "sell", D("1.0"), D("99.9"))
BOOK = ("100.0", "100.1")


def bench(settings: dict[str, str] | None = None, **changes: object) -> HedgeBench:
    made = HedgeBench(settings, **changes)  # type: ignore[arg-type]
    made.begin()
    return made


# --- when

WHEN = [
    # (name, settings, fills, the hedge that the last fill brings)
    ("req 12: below the quantity it is carried over", {}, [(BUY, "0.9", "100")], []),
    ("req 12: at the quantity it is hedged", {}, [(BUY, "1", "100")], [SOLD_1]),
    ("req 12: fills of one side add up", {}, [(BUY, "0.5", "100"), (BUY, "0.5", "101")], [SOLD_1]),
    ("req 12: the quantity alone is not enough", {"min_amt": "200"}, [(BUY, "1.5", "100")], []),
    ("req 12: nor is the amount", {"min_qty": "3", "min_amt": "200"}, [(BUY, "2.5", "100")], []),
    ("req 12: both are", {"min_amt": "200"}, [(BUY, "2", "100")], [("h1", "sell", D("2.0"), D("99.9"))]),
    ("req 14: a short net is bought", {}, [(SELL, "1", "100")], [("h1", "buy", D("1.0"), D("100.2"))]),
    ("req 14: what is netted is not hedged", {}, [(BUY, "0.9", "100"), (SELL, "0.9", "100")], []),
    ("at once without thresholds", {"min_qty": "0"}, [(BUY, "0.1", "100")], [("h1", "sell", D("0.1"), D("99.9"))]),
    ("a size is floored to the lot, never rounded up", {}, [(BUY, "1.099", "100")], [SOLD_1]),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "fills", "hedge"), [row[1:] for row in WHEN], ids=[row[0] for row in WHEN])
def test_when_it_is_hedged(
    settings: dict[str, str], fills: list[tuple[Any, ...]], hedge: list[tuple[Any, ...]]
) -> None:
    made = bench(settings)
    effects = [made.heard(side, qty, price) for side, qty, price in fills]
    assert [orders(it) for it in effects[:-1]] == [[]] * (len(fills) - 1)
    assert orders(effects[-1]) == hedge


BATCHES = [
    # (name, settings, rows of one answer, what is hedged once they are all counted)
    ("one way: one hedge for all", {}, [(BUY, "1"), (BUY, "2")], [("h1", "sell", D("3.0"), D("99.9"))]),
    ("what is netted is not hedged", {}, [(BUY, "2"), (SELL, "1")], [SOLD_1]),
    ("the side that is left is hedged", {}, [(BUY, "2"), (SELL, "3")], [("h1", "buy", D("1.0"), D("100.2"))]),
    ("net zero sends nothing", {"min_qty": "0"}, [(BUY, "2"), (SELL, "2")], []),
    ("thresholds are those of the whole", {"min_qty": "3"}, [(BUY, "2"), (BUY, "2"), (SELL, "2")], []),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "rows", "hedge"), [row[1:] for row in BATCHES], ids=[row[0] for row in BATCHES])
def test_requirement_11_rows_of_one_answer_are_all_counted_before_they_are_hedged(
    settings: dict[str, str], rows: list[tuple[Any, str]], hedge: list[tuple[Any, ...]]
) -> None:
    made = bench(settings)
    *early, last = [made.heard_row(side, qty) for side, qty in rows]
    effects = [made.give(replace(row, more=True), after_ms=0) for row in early]
    assert [orders(it) for it in effects] == [[]] * len(early)
    assert orders(made.give(last, after_ms=0)) == hedge
    assert not made.desk.world.resyncing


def test_a_breach_within_an_answer_that_is_none_at_its_end_is_not_told() -> None:
    made = bench(limits=replace(LIMITS, unhedged_hard=D(3)))
    effects = made.give(made.heard_row(BUY, "4", more=True), after_ms=0)
    effects += made.give(made.heard_row(SELL, "2.5"), after_ms=0)
    assert "limit" not in alerts(effects)


def test_rows_that_do_not_come_hold_up_no_hedge() -> None:
    """S3: neither where the last one never comes, nor where reading them takes long."""
    made = bench()
    assert orders(made.give(made.heard_row(BUY, "1", more=True))) == []
    made.now += 49 * MS
    assert orders(made.fire("batch", owner="hedging")) == [SOLD_1]
    made.done(made.last)
    assert orders(made.give(made.heard_row(BUY, "0.6", more=True))) == []
    made.now += 49 * MS
    assert orders(made.give(made.heard_row(BUY, "0.4", more=True))) == [SOLD_1]


def test_an_answer_that_ends_with_what_was_told_before_is_hedged_at_its_end() -> None:
    made = bench()
    known = made.heard_row(BUY, "0.1")
    made.give(known)
    assert orders(made.give(made.heard_row(BUY, "1", more=True), after_ms=0)) == []
    assert orders(made.give(known, after_ms=0)) == [("h1", "sell", D("1.1"), D("99.9"))]


def test_defect_8_net_zero_closes_before_any_threshold() -> None:
    made = bench()
    made.heard(BUY, "0.5", "100")
    effects = made.heard(SELL, "0.5", "99")
    assert alerts(effects) == ["net_zero"]
    assert (made.open_qty(), list(made.desk.hedging.gate.lots), made.state) == (0, [], "LISTENING")


def test_a_fee_in_a_third_asset_is_told_once_and_is_no_money() -> None:
    """Counted as quote, 0.001 BNB would be a tenth of a cent to the limits on loss, not its sixty."""
    made = bench()
    told = [made.heard(BUY, "0.1", "100", fee=D("0.001"), fee_asset=asset) for asset in ("BNB", "BNB", "USDT")]
    assert [alerts(effects) for effects in told] == [["fee_uncounted"], [], []]
    assert made.desk.world.ledger.books["s"].fees == D("0.001")


def test_what_is_old_is_hedged_below_the_least_size() -> None:
    made = bench()
    made.heard(BUY, "0.4")
    since = made.now
    made.now += 29 * S
    assert orders(made.heard(BUY, "0.1")) == []
    effects = made.fire("max age", "hedging")
    assert made.now == since + 30 * S  # of the oldest fill
    assert orders(effects) == [("h1", "sell", D("0.5"), D("99.9"))]


def test_age_is_that_of_what_is_left_not_of_what_was_netted_away() -> None:
    made = bench()
    made.heard(BUY, "0.4")
    made.now += 20 * S
    made.heard(BUY, "0.3")
    since = made.now
    made.now += 5 * S
    made.heard(SELL, "0.4")  # the older fill is gone
    assert orders(made.fire("max age", "hedging")) == [("h1", "sell", D("0.3"), D("99.9"))]
    assert made.now == since + 30 * S


def test_defect_26_dust_at_its_age_is_told_and_held_never_rounded_up() -> None:
    made = bench()
    made.heard(BUY, "0.05")
    effects = made.fire("max age", "hedging")
    assert (orders(effects), alerts(effects)) == ([], ["dust_held"])
    made.now += 60 * S
    assert alerts(made.heard(BUY, "0.001")) == []  # once, as long as it is dust


def test_dust_that_becomes_more_ages_from_then_on() -> None:
    made = bench()
    made.heard(BUY, "0.05")
    made.fire("max age", "hedging")
    made.now += 100 * S
    assert orders(made.heard(BUY, "0.15")) == []
    began = made.now
    assert orders(made.fire("max age", "hedging")) == [("h1", "sell", D("0.2"), D("99.9"))]
    assert made.now == began + 30 * S


def test_dust_is_carried_into_the_next_hedge() -> None:
    made = bench()
    made.heard(BUY, "1.05")
    made.done(made.last)
    assert made.open_qty() == D("0.05")
    assert orders(made.heard(BUY, "0.96")) == [SOLD_1]
    made.done(made.last)
    assert made.open_qty() == D("0.01")


# --- at which price

PRICE = [
    # (name, settings, fills, book, limit; None: held)
    ("req 15: a sale goes below the bid by the slippage", {}, [(BUY, "1", "100")], BOOK, D("99.9")),
    ("req 15: a purchase goes above the offer", {}, [(SELL, "1", "100")], BOOK, D("100.2")),
    ("defect 7: one bp is one bp", {"slippage": "1bps"}, [(BUY, "1", "5000")], ("5000", "5000.1"), D("4999.5")),
    ("defect 7: no slippage is none", {"slippage": "0bps"}, [(BUY, "1", "100")], BOOK, D("100.0")),
    ("the limit is rounded towards the touch", {"slippage": "15bps"}, [(BUY, "1", "100")], BOOK, D("99.9")),
    ("the band cuts the slippage", {"slippage": "200bps"}, [(BUY, "1", "100")], ("99.5", "99.6"), D("99.0")),
    ("a better book is taken as it is", {}, [(BUY, "1", "100")], ("110.0", "110.1"), D("109.9")),
    ("at the edge of the band it goes", {}, [(BUY, "1", "100")], ("99.0", "99.1"), D("99.0")),
    ("beyond the band it is held", {}, [(BUY, "1", "100")], ("98.9", "99.0"), None),
    ("beyond the band a purchase is held too", {}, [(SELL, "1", "100")], ("101.0", "101.1"), None),
    (
        "defect 5: the price is that of the side that is left, never the netted amount's",
        {"price_band": "50bps"}, [(BUY, "1", "100"), (SELL, "0.9", "99")], BOOK, D("99.9"),
    ),
    (
        "defect 5: and where the netted amount would have allowed it, it is held",
        {"price_band": "50bps"}, [(BUY, "1", "100"), (SELL, "0.9", "101")], ("99.4", "99.5"), None,
    ),
    (
        "the average is that of the fills that are left, oldest gone first",
        {"price_band": "0bps"}, [(BUY, "0.5", "90"), (SELL, "0.5", "90"), (BUY, "0.5", "100"), (BUY, "0.5", "102")],
        ("101.0", "101.1"), D("101.0"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "fills", "book", "limit"), [row[1:] for row in PRICE], ids=[row[0] for row in PRICE]
)
def test_at_which_price(
    settings: dict[str, str], fills: list[tuple[Any, ...]], book: tuple[str, str], limit: Decimal | None
) -> None:
    made = bench({**settings, "min_qty": "50", "on_max_age": "hold"})
    made.quote(*book)
    for fill in fills:
        assert orders(made.heard(*fill)) == []
    effects = made.fire("max age", "hedging")  # what is left of all of them is due now
    placed = orders(effects)
    if limit is None:
        assert (placed, alerts(effects)) == ([], ["hedge_held"])
    else:
        assert [it[3] for it in placed] == [limit]


def test_a_hedge_that_the_band_holds_waits_for_its_price_and_then_goes() -> None:
    made = bench()
    made.quote("98.9", "99.0")
    made.heard(BUY, "1")
    assert alerts(made.fire("again", "hedging")) == []  # a person has heard
    made.quote("99.5", "99.6")
    assert orders(made.fire("again", "hedging")) == [("h1", "sell", D("1.0"), D("99.5"))]  # 99.4005, and never below


@pytest.mark.parametrize(("what", "sent"), [("market", [("h1", "sell", D("1.0"), None)]), ("hold", [])])
def test_at_its_longest_age_a_held_hedge_goes_by_market_or_is_held_on(what: str, sent: list[object]) -> None:
    made = bench({"on_max_age": what})
    made.quote("98.0", "98.1")
    made.heard(BUY, "1")
    made.now += 30 * S
    assert orders(made.fire("again", "hedging")) == sent
    if sent:
        request = made.orders[made.last].request
        assert (request.type, request.worst_price) == (OrderType.MARKET, D("97.5"))  # bounded by max_hedge_slippage


def test_no_hedge_is_priced_from_a_stale_book() -> None:
    made = bench()
    made.quote("100.0", "100.1", at_ns=made.now)
    made.now += 2 * S
    effects = made.heard(BUY, "1")
    assert (orders(effects), alerts(effects)) == ([], ["hedge_held"])


# --- what comes back


def test_defect_3_a_refused_hedge_leaves_the_risk_and_is_tried_again() -> None:
    made = bench()
    made.heard(BUY, "1")
    effects = made.refuse(made.last)
    assert (made.open_qty(), orders(effects), alerts(effects)) == (1, [], ["hedge_refused"])
    assert orders(made.fire("again", "hedging")) == [SOLD_1]


def test_a_hedge_that_everybody_refuses_again_and_again_calls_a_person() -> None:
    made = bench()
    made.heard(BUY, "1")
    told = []
    for _ in range(4):
        told += alerts(made.refuse(made.last))
        made.fire("again", "hedging")
    assert [code for code in told if code != "hedge_refused"] == ["hedge_stuck"]  # at the third, then every ten seconds


def test_refusals_are_tried_again_ever_less_often() -> None:
    made = bench(limits=replace(LIMITS, unhedged_soft_age_ns=1000 * S, unhedged_hard_age_ns=2000 * S))
    made.heard(BUY, "1")
    pauses = []
    for _ in range(10):
        before = made.now
        made.refuse(made.last, Refusal.MARGIN)
        made.fire("again", "hedging")
        pauses.append((made.now - before) // (250 * MS))
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 128, 128]


@pytest.mark.parametrize("why", [Refusal.RATE, Refusal.VENUE])
def test_a_refusal_that_passes_by_itself_is_tried_again_each_second_and_calls_a_person(why: Refusal) -> None:
    """Requests come back within the minute, and a venue when its maintenance is over.

    After a pause of half a minute the exposure would stand for nothing: 19 s after Lighter had been away for 45.
    """
    made = bench(limits=replace(LIMITS, unhedged_soft_age_ns=1000 * S, unhedged_hard_age_ns=2000 * S))
    made.heard(BUY, "1")
    pauses, told = [], []
    for _ in range(8):
        before = made.now
        told += alerts(made.refuse(made.last, why))
        made.fire("again", "hedging")
        pauses.append((made.now - before) // (250 * MS))
    assert pauses == [1, 2, 4, 4, 4, 4, 4, 4]
    assert [code for code in told if code != "hedge_refused"] == ["hedge_stuck"]


def test_a_refusal_moves_on_to_the_next_hedge_account_at_once() -> None:
    made = bench(hedgers=(account("h1", "b"), account("h2", "c")))
    made.heard(BUY, "1")
    first = made.orders[made.last].request.account
    [(second, *order)] = orders(made.refuse(made.last))
    assert (second != first, order) == (True, ["sell", D("1.0"), D("99.9")])


def test_defect_6_what_an_ioc_leaves_is_risk_again_at_once() -> None:
    made = bench()
    made.heard(BUY, "2")
    effects = made.done(made.last, "0.7")
    assert orders(effects) == [("h1", "sell", D("1.3"), D("99.9"))]


def test_what_an_ioc_leaves_below_the_least_size_accumulates() -> None:
    made = bench()
    made.heard(BUY, "1.5")
    assert orders(made.done(made.last, "0.7")) == []
    assert orders(made.heard(BUY, "0.2")) == [SOLD_1]


def test_defect_10_a_fill_while_a_hedge_is_on_its_way_is_hedged_beside_it() -> None:
    made = bench()
    made.heard(BUY, "1")
    assert orders(made.heard(BUY, "1")) == [SOLD_1]
    made.heard(BUY, "0.5")
    for client_id in list(made.orders):
        made.done(client_id)
    assert (made.open_qty(), len(made.orders)) == (D("0.5"), 2)


def test_no_hedge_is_larger_than_what_is_open_for_certain() -> None:
    """A hedge on its way that has become one too many is answered when it has filled, and only then."""
    made = bench()
    made.heard(BUY, "1")
    first = made.last
    assert orders(made.heard(SELL, "3")) == [("h1", "buy", D("2.0"), D("100.2"))]  # 3, if it fills
    made.done(made.last)
    assert made.open_qty() == 0
    assert orders(made.done(first)) == [("h1", "buy", D("1.0"), D("100.2"))]


def test_netting_while_a_hedge_is_on_its_way_sends_nothing() -> None:
    made = bench()
    made.heard(BUY, "1")
    assert orders(made.heard(SELL, "1")) == []
    made.done(made.last, "0")
    assert (made.open_qty(), made.state) == (0, "LISTENING")


def test_defect_19_an_unknown_outcome_is_asked_and_nothing_is_sent_for_its_risk() -> None:
    made = bench()
    made.heard(BUY, "1")
    effects = made.give(_unknown(made.last))
    assert [type(it).__name__ for it in effects if type(it).__name__ in ("AskOrder", "PlaceOrder")] == ["AskOrder"]
    assert made.state == "FOLLOWING_UP"
    made.now += 60 * S
    assert orders(made.fire("after:FOLLOWING_UP:alert_again")) == []


def test_defect_18_one_risk_keeps_its_unit_over_attempts_and_two_risks_have_two() -> None:
    made = bench()
    made.heard(BUY, "1")
    made.refuse(made.last)
    made.fire("again", "hedging")
    made.give(NotSent(made.last, Request.PLACE, "expired before it could be sent"))
    made.refuse(made.last)
    made.heard(BUY, "0.5")  # other fills, another risk
    made.fire("again", "hedging")
    made.done(made.last)
    made.heard(BUY, "1")
    assert list(made.orders) == ["e1r1lhedgea1", "e1r1lhedgea2", "e1r1lhedgea3", "e1r2lhedgea1", "e1r3lhedgea1"]


# --- what is counted


def test_req_8_a_trade_id_counts_once() -> None:
    made = bench()
    made.heard(BUY, "0.4", trade="x")
    made.heard(BUY, "0.4", trade="x")
    assert made.open_qty() == D("0.4")


def test_one_trade_id_under_two_orders_is_two_trades() -> None:
    made = bench()
    made.heard(BUY, "0.4", trade="x", order="o1")
    made.heard(BUY, "0.4", trade="x", order="o2")
    assert made.open_qty() == D("0.8")


def test_a_fill_whose_role_is_unknown_is_hedged() -> None:
    made = bench()
    assert orders(made.heard(BUY, "1", liquidity=Liquidity.UNKNOWN)) == [SOLD_1]


def test_every_kind_of_fill_of_the_source_is_exposure() -> None:
    made = bench()
    assert orders(made.heard(BUY, "1", kind=FillKind.LIQUIDATION)) == [SOLD_1]


def test_defect_9_a_fill_of_another_symbol_is_not_counted() -> None:
    made = bench()
    made.heard(BUY, "5", symbol="BTCUSDT")
    assert (made.open_qty(), made.orders) == (0, {})


def test_defect_21_quantities_are_exact() -> None:
    made = bench({"min_qty": "0.3"})
    for _ in range(2):
        made.heard(BUY, "0.1")
    assert orders(made.heard(BUY, "0.1")) == [("h1", "sell", D("0.3"), D("99.9"))]
    made.done(made.last)
    assert made.open_qty() == 0


def test_a_fee_in_base_leaves_its_part_open() -> None:
    """S18: a purchase of 1 on spot delivers less than 1."""
    spot = account("h1", "b", kind=MarketKind.SPOT)
    made = bench(hedgers=(spot,))
    made.heard(SELL, "1")
    made.fill(made.last, "1", fee=D("0.001"), fee_asset="ETH")
    assert made.open_qty() == D("-0.001")


def test_a_fill_of_a_hedge_account_that_is_no_order_of_ours_is_exposure() -> None:
    made = bench()
    row = made.heard_row(BUY, "1", venue="b", account="h1", client_id="")
    assert orders(made.give(row)) == [SOLD_1]


# --- streams


def test_nothing_is_hedged_before_the_source_has_told_what_happened_meanwhile() -> None:
    made = HedgeBench()
    made.quote("100.0", "100.1")
    made.link("h1", LinkState.TRUSTED)
    assert orders(made.heard(BUY, "1")) == []
    assert orders(made.give(Started((), ()))) == []
    assert orders(made.link("s", LinkState.TRUSTED)) == [SOLD_1]


def test_nothing_is_hedged_before_all_accounts_are_read() -> None:
    """A hedge that left earlier would be in the reading that it is compared with ever after (S1)."""
    made = HedgeBench()
    made.quote("100.0", "100.1")
    made.link("h1", LinkState.TRUSTED)
    made.link("s", LinkState.TRUSTED)
    assert orders(made.heard(BUY, "1")) == []
    assert orders(made.give(Started((), ()))) == [SOLD_1]


def test_a_source_that_does_not_come_is_told() -> None:
    made = HedgeBench()
    made.quote("100.0", "100.1")
    made.link("h1", LinkState.TRUSTED)
    made.give(Started((), ()))
    made.heard(BUY, "1")
    assert alerts(made.fire("source", "hedging")) == ["source_away"]


def test_known_risk_is_hedged_while_the_source_is_away() -> None:
    made = bench()
    made.heard(BUY, "0.9")
    made.link("s", LinkState.LOST)
    assert made.state == "DEGRADED"
    assert orders(made.fire("max age", "hedging")) == [("h1", "sell", D("0.9"), D("99.9"))]


def test_without_a_hedge_account_risk_waits_and_goes_when_it_is_back() -> None:
    made = bench()
    made.link("h1", LinkState.LOST)
    assert (orders(made.heard(BUY, "1")), made.state) == ([], "DEGRADED")
    made.link("h1", LinkState.RESYNC)
    assert orders(made.link("h1", LinkState.TRUSTED)) == [SOLD_1]


# --- new settings while it runs (defect 24)


def test_new_settings_hold_from_the_next_hedge_on() -> None:
    made = bench({"min_qty": "2"})
    assert orders(made.heard(BUY, "1.5")) == []
    effects = made.reconfigure({"min_qty": "1", "slippage": "20bps"})
    assert [(it.code, it.text) for it in effects if isinstance(it, Alert)][:1] == [
        ("reconfigured", "version 2: min_qty 2 -> 1; slippage 10bps -> 20bps")
    ]
    assert orders(effects) == [("h1", "sell", D("1.5"), D("99.8"))]


def test_a_hedge_on_its_way_keeps_its_own() -> None:
    made = bench()
    made.heard(BUY, "1")
    first = made.orders[made.last].request
    assert orders(made.reconfigure({"slippage": "50bps"}, max_order=D(1))) == []
    assert made.done(made.last, "0.4") is not None
    assert (made.state, first.price) == ("ACCUMULATING", D("99.9"))
    assert [it[2:] for it in orders(made.heard(BUY, "1"))] == [(D("1"), D("99.5")), (D("0.6"), D("99.5"))]


def test_the_flow_stays_where_it_is_and_its_next_delays_are_the_new_ones() -> None:
    made = bench()
    made.link("s", LinkState.LOST)
    made.reconfigure({"alert_again": "60s"})
    assert made.state == "DEGRADED"
    before = made.now
    made.fire("after:DEGRADED:alert_again")  # armed under the old settings
    assert made.now - before < 10 * S
    before = made.now
    made.fire("after:DEGRADED:alert_again")
    assert made.now - before == 60 * S


# --- restart (defect 11)


def left_open(*lots: LeftLot, orders: tuple[Recalled, ...] = (), s: str = "0", h1: str = "0") -> Carried:
    return Carried(1, 0, (Held("s", D(0), D(s)), Held("h1", D(0), D(h1))), orders, lots)


def in_flight(qty: str = "1", **changes: object) -> Recalled:
    plain = Recalled(
        client_id="e1r3lhedgea1", account="h1", venue="b", symbol="ETHUSDT", side=SELL, qty=D(qty), price=D("99.9"),
        purpose="hedge", leg="hedge", round=3, order_id="", state=OrderState.PENDING, filled=D(0), provisional=D(0),
        trades=(), dead_in_ns=4 * S,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


def restarted(carried: Carried, settings: dict[str, str] | None = None) -> tuple[HedgeBench, list[Effect]]:
    made = HedgeBench(settings)
    made.quote("100.0", "100.1")
    made.give(carried)
    made.link("s", LinkState.TRUSTED)
    made.link("h1", LinkState.TRUSTED)
    return made, made.give(Started((), ()))


def test_risk_outlives_the_process_with_its_price() -> None:
    carried = left_open(LeftLot(D("0.4"), D(100), 0, "o1", "m1"), LeftLot(D("0.8"), D(103), 0, "o1", "m2"), s="1.2")
    made, effects = restarted(carried, {"price_band": "50bps"})
    assert (made.open_qty(), orders(effects)) == (D("1.2"), [])  # 102 on average: 101.49 at worst
    assert alerts(effects)[-1] == "hedge_held"
    made.quote("101.5", "101.6")
    assert orders(made.fire("again", "hedging")) == [("h1", "sell", D("1.2"), D("101.5"))]


def test_risk_outlives_the_process_with_its_age() -> None:
    made, effects = restarted(left_open(LeftLot(D("0.4"), D(100), 29_000, "o1", "m1"), s="0.4"))
    assert orders(effects) == []
    began = made.now
    assert orders(made.fire("max age", "hedging")) == [("h1", "sell", D("0.4"), D("99.9"))]
    assert 990 * MS <= made.now - began <= S


def test_an_order_of_the_last_run_is_asked_first_and_its_risk_not_hedged_again() -> None:
    made, effects = restarted(left_open(LeftLot(D(1), D(100), 0, "o1", "m1"), orders=(in_flight(),), s="1"))
    assert [it.client_id for it in effects if isinstance(it, AskOrder)] == ["e1r3lhedgea1"]
    assert orders(effects) == []
    made.now += 2 * S
    assert orders(made.heard(BUY, "0.2")) == []
    found = OrderUpdate("h1", "ETHUSDT", "e1r3lhedgea1", "v", SELL, D(1), OrderState.FILLED, D(1), D("99.9"), 0, 0)
    assert orders(made.give(Looked("e1r3lhedgea1", 0, ok=True, update=found))) == []
    assert made.open_qty() == D("0.2")


def test_an_order_of_the_last_run_that_never_was_leaves_its_risk() -> None:
    made, _ = restarted(left_open(LeftLot(D(1), D(100), 0, "o1", "m1"), orders=(in_flight(),), s="1"))
    asked = Looked("e1r3lhedgea1", 0, ok=True, update=None)
    assert orders(made.give(asked)) == []  # it may still arrive
    made.now += 5 * S
    assert orders(made.fire("e1r3lhedgea1", "inquiry")) == []
    assert orders(made.give(asked)) == []
    assert orders(made.fire("again", "hedging")) == [SOLD_1]


def test_hedges_that_stay_are_no_risk_of_a_new_run() -> None:
    """A dedicated hedge account holds what earlier runs hedged: it is not closed."""
    made = HedgeBench(hedgers=(replace(account("h1", "b"), dedicated=True),))
    made.quote("100.0", "100.1")
    for name in ("s", "h1"):
        made.link(name, LinkState.TRUSTED)
    assert orders(made.give(Started((Position("h1", "ETHUSDT", D(-7)),), ()))) == []
    assert made.open_qty() == 0


# --- caps


def test_a_hedge_above_the_largest_order_is_split() -> None:
    made = bench(limits=replace(LIMITS, max_order=D(2)))
    assert [it[2] for it in orders(made.heard(BUY, "5"))] == [D(2), D(2), D(1)]


def test_defect_26_exposure_above_its_cap_is_told_and_hedged_all_the_same() -> None:
    made = bench(limits=replace(LIMITS, unhedged_hard=D(3), max_order=D(10)))
    effects = made.heard(BUY, "4")
    assert (alerts(effects)[0], [it[2] for it in orders(effects)], made.state) == ("limit", [D(4)], "HEDGING")


def test_exposure_above_its_cap_is_told_each_time() -> None:
    made = bench(limits=replace(LIMITS, unhedged_hard=D(3), max_order=D(10)))
    made.heard(BUY, "4")
    assert "limit" not in alerts(made.heard(BUY, "0.5"))  # the same time
    for client_id in list(made.orders):
        made.done(client_id)
    made.heard(SELL, "0.5")
    assert "limit" in alerts(made.heard(BUY, "5"))


def test_the_size_of_the_source_itself_is_no_limit_of_ours() -> None:
    made = bench(limits=replace(LIMITS, max_position=D(1), max_gross=D(1)))
    assert "limit" not in alerts(made.heard(BUY, "1.5"))


def test_req_19_manual_only_records() -> None:
    made = bench({"manual": "true"})
    effects = made.heard(BUY, "1")
    assert (orders(effects), alerts(effects), made.open_qty()) == ([], ["hedge_by_hand"], 1)
    assert alerts(made.heard(BUY, "1")) == []  # told, until it is time again


def test_who_hedges_by_hand_is_told_what_has_come_on_top_and_is_not_sent_to_hedge_twice() -> None:
    made = bench({"manual": "true"})
    calls = [it for it in made.heard(BUY, "1") if isinstance(it, Alert)]
    made.heard(BUY, "0.5", "103")
    made.now += 60 * S
    calls += [it for it in made.heard(BUY, "0.5", "103") if isinstance(it, Alert)]  # as much again: a minute later
    made.now += 599 * S
    calls += [it for it in made.heard(SELL, "0.5") if isinstance(it, Alert)]
    made.now += S
    calls += [it for it in made.heard(SELL, "0.2") if isinstance(it, Alert)]
    made.now += 600 * S
    calls += [it for it in made.heard(BUY, "0.2") + made.heard(SELL, "0.2") if isinstance(it, Alert)]
    made.now += 600 * S
    calls += [it for it in made.heard(SELL, "0.2") if isinstance(it, Alert)]
    assert [it.text.removeprefix("hedge by hand: ").removesuffix("; this run only records") for it in calls] == [
        "sell 1 ETH-PERP, filled at 100 on average",
        "sell 1.0 ETH-PERP beyond what was told before; sell 2.0 in all, filled at 101.5 on average",
        "buy 0.7 ETH-PERP beyond what was told before; sell 1.3 in all, filled at 102.30769231 on average",
        "sell 0.2 ETH-PERP beyond what was told before; sell 1.5 in all, filled at 102 on average",
        "buy 0.4 ETH-PERP beyond what was told before; sell 1.1 in all, filled at 102.45454545 on average",
    ]


def test_who_may_have_missed_the_call_is_reminded_of_the_same_quantity() -> None:
    made = bench({"manual": "true"})
    made.heard(BUY, "1")
    made.now += 599 * S
    assert alerts(made.heard(SELL, "0.01") + made.heard(BUY, "0.01")) == []
    made.now += S
    made.heard(SELL, "0.01")
    made.now += 600 * S
    (call,) = [it for it in made.heard(BUY, "0.01") if isinstance(it, Alert)]
    assert "hedge by hand: buy" not in call.text
    assert "1.00 in all" in call.text


def test_a_pause_stops_no_hedge() -> None:
    made = bench()
    made.give(PauseAsked(paused=True))
    assert orders(made.heard(BUY, "1")) == [SOLD_1]


def test_nothing_is_ever_asked_or_sent_on_the_source() -> None:
    made = bench()
    for n in range(30):
        made.heard(BUY if n % 3 else SELL, "0.7")
        if n % 4 == 0 and made.orders:
            made.refuse(made.last, Refusal.MARGIN)
    made.fire("reconcile", "desk")
    named = {getattr(it, "account", "") or "".join(getattr(it, "accounts", ())) for it in made.log}
    assert "s" not in named - {""}
    assert {it.request.account for it in made.orders.values()} == {"h1"}


def _unknown(client_id: str) -> Answered:
    return Answered(client_id, Request.PLACE, Unknown("timeout"))
