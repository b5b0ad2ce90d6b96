"""What an adapter knows of its own orders: whose a row is, what is news, and what is forgotten when."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from exchanges.tracking import CLOCKS_APART_MS, KEPT, Tracking
from exchanges.types import (
    Fill,
    Liquidity,
    OrderRequest,
    OrderState,
    OrderType,
    OrderUpdate,
    SelfTrade,
    Side,
    TimeInForce,
)

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
SENT_MS = 1_700_000_000_000

ORDER = OrderRequest(
    client_id="7", account="a", symbol="ETH", side=BUY, qty=D(2), price=D(100), type=OrderType.LIMIT,
    tif=TimeInForce.GTC, post_only=True, reduce_only=False, valid_ms=2_000, self_trade=SelfTrade.NONE,
)  # fmt: skip
UPDATE = OrderUpdate("a", "ETH", "7", "o1", BUY, D(2), OrderState.OPEN, D(0), D(100), SENT_MS, 1)
FILL = Fill("v", "a", "ETH", "7", "o1", "t1", BUY, D(1), D(100), D(0), "USD", Liquidity.MAKER, SENT_MS, 1)


def sent() -> Tracking:
    it = Tracking()
    it.sent(ORDER, now_ns=1, wall_ms=SENT_MS)
    return it


@pytest.mark.parametrize(
    ("order_id", "client_id", "symbol", "side", "at_ms", "owner"),
    [
        ("o1", "7", "ETH", BUY, SENT_MS, "7"),
        ("o1", "7", "ETH", BUY, 0, "7"),  # a row without a time
        ("o1", "7", "ETH", BUY, SENT_MS - CLOCKS_APART_MS, "7"),
        ("o1", "7", "ETH", BUY, SENT_MS - CLOCKS_APART_MS - 1, ""),  # last month's order of this id
        ("o1", "7", "ETH", SELL, SENT_MS, ""),
        ("o1", "7", "BTC", BUY, SENT_MS, ""),
        ("o1", "8", "ETH", BUY, SENT_MS, "8"),  # never used by this process: the journal may know it
        ("o1", "", "ETH", BUY, SENT_MS, ""),
    ],
)
def test_whose_a_row_is(order_id: str, client_id: str, symbol: str, side: Side, at_ms: int, owner: str) -> None:
    assert sent().owner(order_id, client_id, symbol=symbol, side=side, at_ms=at_ms) == owner


def test_a_row_without_our_id_is_known_by_the_venues_once_it_was_tied() -> None:
    it = sent()
    assert it.owner("o1", "", symbol="ETH", side=BUY) == ""
    it.owner("o1", "7", symbol="ETH", side=BUY)
    assert it.owner("o1", "", symbol="ETH", side=BUY) == "7"
    assert it.owner("o2", "7", symbol="ETH", side=BUY) == ""  # one id is one order


def test_only_news_is_news_and_no_state_goes_back() -> None:
    it = sent()
    partly = replace(UPDATE, state=OrderState.PARTIALLY_FILLED, cum_qty=D(1))
    canceled = replace(partly, state=OrderState.CANCELED)
    filled = replace(partly, state=OrderState.FILLED, cum_qty=D(2))
    told = [
        it.update(update) for update in (UPDATE, UPDATE, partly, UPDATE, partly, canceled, partly, canceled, filled)
    ]
    assert told == [True, False, True, False, False, True, False, False, True]
    order = it.get("7")
    assert order is not None
    assert (order.state, order.cum_qty) == (OrderState.FILLED, 2)
    assert not it.any_live


def test_fills_count_once_and_show_what_has_no_row() -> None:
    it = sent()
    assert (it.fill(FILL), it.fill(FILL), it.fill(replace(FILL, order_id="o9", client_id=""))) == (True, False, True)
    assert (it.missing("7"), it.short) == (0, False)
    it.update(replace(UPDATE, state=OrderState.FILLED, cum_qty=D(2)))
    assert (it.missing("7"), it.short, it.short_since_ms) == (1, True, SENT_MS)
    it.fill(replace(FILL, trade_id="t2"))
    assert (it.missing("7"), it.short, it.short_since_ms) == (0, False, None)


def test_one_trade_id_in_two_markets_is_two_trades() -> None:
    """S5: venues count trades by market, some of them orders as well."""
    it = sent()
    assert (it.fill(FILL), it.fill(replace(FILL, symbol="BTC", client_id=""))) == (True, True)


def test_a_refused_order_is_live_no_more_and_an_unknown_one_is() -> None:
    for refused in (True, False):
        it = sent()
        it.answered("7", refused=refused)
        assert (it.any_live, it.unanswered) == (not refused, 0)
        it.answered("7", refused=True)  # counted once
        assert it.unanswered == 0


def test_what_is_forgotten_is_not_asked_for_again() -> None:
    it = Tracking()
    for number in range(KEPT + 3):
        it.fill(replace(FILL, trade_id=f"t{number}", at_ms=SENT_MS + number))
    assert it.forgotten_ms == SENT_MS + 2
    assert it.fill(replace(FILL, trade_id="t3")) is False


def test_what_has_filled_without_a_row_is_told_by_market_and_direction() -> None:
    it = sent()
    assert it.rowless("ETH") == 0
    it.update(replace(UPDATE, cum_qty=D("1.5")))
    assert (it.rowless("ETH"), it.rowless("BTC")) == (D("1.5"), 0)
    it.fill(FILL)
    assert it.rowless("ETH") == D("0.5")
    it.sent(replace(ORDER, client_id="8", side=SELL), now_ns=1, wall_ms=SENT_MS)
    it.update(replace(UPDATE, client_id="8", order_id="o2", side=SELL, cum_qty=D(2), state=OrderState.FILLED))
    assert it.rowless("ETH") == D("-1.5")
