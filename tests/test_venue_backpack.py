"""The local Backpack's REST protocol, judged from the venue's documents: signatures, orders, refusals, histories."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from paper_clock import PaperClock
from venue_kit import PERP, SPOT, BackpackUser, D, ask, backpack, decoded, exchange, picked, public, public_of

from exchanges.backpack.standin import StandInSigner
from exchanges.backpack.wire.request import Signer
from exchanges.market import MarketQuote, MarketTrade
from exchanges.types import Side
from exchanges.venues.backpack.demo import backpack_credentials
from exchanges.venues.backpack.model import Backpack, BackpackOptions
from exchanges.venues.backpack.wire import read_body, signed_texts, stands_in, verifies
from exchanges.venues.seam import Request

KEY = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="  # of the seed 0, 1, 2, ... 31, which nobody uses
ORDER = (
    b'{"symbol":"SOL_USDC_PERP","side":"Bid","orderType":"Limit","price":"141.25","quantity":"0.50",'
    b'"postOnly":true,"timeInForce":"GTC","clientId":4242}'
)
BATCH = (
    b'[{"symbol":"SOL_USDC_PERP","side":"Bid","orderType":"Limit","price":"141","quantity":"12"},'
    b'{"symbol":"SOL_USDC_PERP","side":"Bid","orderType":"Limit","price":"140","quantity":"11"}]'
)
VECTORS = [
    (
        "orderExecute",
        "",
        ORDER,
        "1700000000000",
        "mvFpykHgYJRD/CZ7pGt0bLbRPFNImh58++DdTv3KW6MEBnqqYswAY4SMwMGuWSPyrl8kr7qwU6HqqtDx1N79Bg==",
    ),
    (
        "orderCancel",
        "",
        b'{"symbol":"SOL_USDC_PERP","orderId":"1111343026172067"}',
        "1700000000000",
        "Z/Gi4tMJvOADEIMqxGFjdc/CGFCZ9SyEvnR43DdNkoAAJn0W/8W2u0bMI5pd4wNVp69+nphrEANY6Axsl4v1AA==",
    ),
    (
        "balanceQuery",
        "",
        b"",
        "1700000000000",
        "ogsyh1c6LnY10GiJaCoAEdHpkK2BT4KgS7NAd1PW2DQndw1OnR0WbY0M753KwW9Mq6Dmw3k+Kdw+wPxzKMCiAg==",
    ),
    (
        "orderExecute",
        "",
        BATCH,
        "1750793021519",
        "/RiVIEmATq6bDKSR8I9tEY3qY/MRt45Y5/Wi4mKYjt3SaqoLFfOiYrYNRddqSXfrcDdY/b0n3duPew5JKrn/CA==",
    ),
]


@pytest.mark.parametrize(("instruction", "query", "body", "timestamp", "signature"), VECTORS)
def test_documented_signatures_verify(
    instruction: str, query: str, body: bytes, timestamp: str, signature: str
) -> None:
    sent = read_body(body) if body else None
    texts = signed_texts(instruction, query=query, sent=sent, timestamp=timestamp, window="5000")
    assert verifies(KEY, signature, texts)
    assert not verifies(KEY, signature, [text.replace("window=5000", "window=5001") for text in texts])


def test_a_stand_in_of_a_signature_covers_what_is_signed_and_is_taken_only_in_a_simulation() -> None:
    credentials = backpack_credentials(exchange(), "alice")
    key, text = credentials["api_key"], "instruction=orderExecute&timestamp=1&window=2"
    signed = StandInSigner(credentials["api_secret"]).sign(text)
    assert stands_in(key, signed, ["another", text])
    assert not stands_in(key, signed, [text + "0"])
    assert not stands_in(KEY, signed, [text])
    assert not verifies(key, signed, [text])
    assert not stands_in(key, Signer(credentials["api_secret"]).sign(text), [text])


def test_decimals_are_signed_as_they_are_written() -> None:
    sent = read_body(b'{"quantity":"0.50","n":1.50}')
    texts = signed_texts("orderExecute", query="", sent=sent, timestamp="1", window="2")
    assert texts == ["instruction=orderExecute&n=1.50&quantity=0.50&timestamp=1&window=2"]


def _spoilt(request: Request, **headers: str) -> Request:
    return replace(request, headers={**request.headers, **{name.replace("_", "-"): v for name, v in headers.items()}})


BAD_SIGNATURES = [
    ("another body", lambda it: replace(it, body=it.body.replace(b"0.1", b"0.2")), 400, "INVALID_SIGNATURE"),
    ("an unknown key", lambda it: _spoilt(it, x_api_key=KEY), 401, "UNAUTHORIZED"),
    ("a key that is no base64", lambda it: _spoilt(it, x_api_key="%"), 401, "UNAUTHORIZED"),
    ("a signature that is no base64", lambda it: _spoilt(it, x_signature="%%"), 400, "INVALID_SIGNATURE"),
    ("another window", lambda it: _spoilt(it, x_window="6000"), 400, "INVALID_SIGNATURE"),
    ("a window above the maximum", lambda it: _spoilt(it, x_window="60001"), 400, "INVALID_CLIENT_REQUEST"),
    ("a timestamp that is no number", lambda it: _spoilt(it, x_timestamp="now"), 400, "INVALID_CLIENT_REQUEST"),
    ("no signature", lambda it: _spoilt(it, x_signature=""), 401, "UNAUTHORIZED"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "status", "code"), [row[1:] for row in BAD_SIGNATURES], ids=[row[0] for row in BAD_SIGNATURES]
)
def test_a_request_that_is_not_signed_is_refused_and_nothing_trades(spoil: Any, status: int, code: str) -> None:
    venue = backpack()
    order = {"symbol": PERP, "side": "Bid", "orderType": "Limit", "price": "2599", "quantity": "0.1"}
    request = BackpackUser(venue).signed("orderExecute", "POST", "/api/v1/order", body=order)
    got, told = decoded(ask(venue, spoil(request)))
    assert (got, told["code"]) == (status, code)
    assert not venue.exchange.ledger.orders


@pytest.mark.parametrize(("late_ms", "status"), [(0, 200), (5_000, 200), (5_001, 400), (-1_000, 200), (-1_001, 400)])
def test_a_request_is_valid_within_its_window_only(late_ms: int, status: int) -> None:
    user = BackpackUser(backpack())
    at = user.venue.exchange.now_ms() - late_ms
    assert user.call("balanceQuery", "GET", "/api/v1/capital", timestamp=at)[0] == status


def test_a_key_signs_for_its_own_account_only() -> None:
    venue = backpack()
    BackpackUser(venue).limit("Bid", "2599", "0.1", clientId=7)
    assert BackpackUser(venue, "bob").get("/api/v1/orders", "orderQueryAll") == (200, [])
    assert BackpackUser(venue, "bob").cancel(clientId=7)[1]["code"] == "RESOURCE_NOT_FOUND"


def test_a_resting_order_is_shown_whole() -> None:
    user = BackpackUser(backpack())
    status, order = user.limit("Bid", "2599.50", "0.1000", postOnly=True, clientId=4242, timeInForce="GTC")
    shown = {
        "orderType": "Limit", "id": "1", "clientId": 4242, "createdAt": 1_700_000_000_000, "executedQuantity": "0",
        "executedQuoteQuantity": "0", "quantity": "0.1000", "reduceOnly": False, "selfTradePrevention": "RejectTaker",
        "status": "New", "side": "Bid", "symbol": PERP, "timeInForce": "GTC", "relatedOrderId": None,
        "strategyId": None, "triggerPrice": None, "triggerBy": None, "triggerQuantity": None, "triggeredAt": None,
        "takeProfitTriggerPrice": None, "takeProfitLimitPrice": None, "takeProfitTriggerBy": None,
        "stopLossTriggerPrice": None, "stopLossLimitPrice": None, "stopLossTriggerBy": None, "postOnly": True,
        "price": "2599.50",
    }  # fmt: skip
    assert (status, order) == (200, shown)
    assert user.get("/api/v1/order", "orderQuery", symbol=PERP, orderId="1") == (200, shown)
    assert user.get("/api/v1/order", "orderQuery", symbol=PERP, clientId=4242) == (200, shown)
    assert user.get("/api/v1/orders", "orderQueryAll", symbol=PERP) == (200, [shown])


FIELDS = (
    "orderType",
    "status",
    "executedQuantity",
    "executedQuoteQuantity",
    "quantity",
    "quoteQuantity",
    "timeInForce",
)
TAKEN = [
    (
        {"orderType": "Market", "quantity": "0.1"},
        {"orderType": "Market", "status": "Filled", "executedQuantity": "0.1000", "quantity": "0.1000",
         "executedQuoteQuantity": "260.010000", "quoteQuantity": "260.010000", "timeInForce": "GTC"},
    ),
    (
        {"orderType": "Market", "quoteQuantity": "130"},
        {"orderType": "Market", "status": "Filled", "executedQuantity": "0.0499", "quantity": None,
         "executedQuoteQuantity": "129.744990", "quoteQuantity": "130", "timeInForce": "GTC"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "shown"), TAKEN, ids=["by quantity", "by quote"])
def test_a_market_order_comes_back_matched(asked: dict[str, Any], shown: dict[str, Any]) -> None:
    status, order = BackpackUser(backpack()).place(side="Bid", **asked)
    assert (status, picked(order, FIELDS)) == (200, shown)
    assert "price" not in order
    assert "postOnly" not in order


def test_the_remainder_of_an_ioc_order_expires() -> None:
    user = BackpackUser(backpack())
    status, order = user.limit("Bid", "2600.10", "7", timeInForce="IOC")
    assert (status, order["status"], order["executedQuantity"]) == (200, "Expired", "5.0000")
    assert user.get("/wapi/v1/history/orders", "orderHistoryQueryAll")[1][0]["expiryReason"] == "ImmediateOrCancel"


def test_fill_or_kill_fills_whole_or_not_at_all() -> None:
    user = BackpackUser(backpack())
    assert user.limit("Bid", "2600.10", "7", timeInForce="FOK")[1]["status"] == "Expired"
    assert user.get("/wapi/v1/history/fills", "fillHistoryQueryAll") == (200, [])
    assert user.limit("Bid", "2600.10", "5", timeInForce="FOK")[1]["status"] == "Filled"


REFUSED = [
    (
        {"side": "Bid", "orderType": "Limit", "price": "2600.10", "quantity": "0.1", "postOnly": True},
        "INVALID_ORDER",
        "Order would immediately match and take",
    ),
    (
        {"side": "Bid", "orderType": "Limit", "price": "2599.999", "quantity": "0.1"},
        "INVALID_PRICE",
        "Price 2599.999 is not a multiple of the tick 0.01",
    ),
    (
        {"side": "Bid", "orderType": "Limit", "price": "2599", "quantity": "0.10001"},
        "INVALID_QUANTITY",
        "Quantity 0.10001 is not a multiple of the lot 0.0001",
    ),
    (
        {"side": "Bid", "orderType": "Limit", "price": "2599", "quantity": "0.0001"},
        "INVALID_QUANTITY",
        "Quantity 0.0001 is below the minimum 0.001",
    ),
    (
        {"side": "Bid", "orderType": "Limit", "price": "2599", "quantity": "50"},
        "INSUFFICIENT_MARGIN",
        "Needs 13000.2500000 more margin, 10000.0000000 is free",
    ),
    (
        {"side": "Ask", "orderType": "Market", "quantity": "0.1", "reduceOnly": True},
        "INVALID_ORDER",
        "Reduce only order not reduced",
    ),
    (
        {"side": "Bid", "orderType": "Market", "quantity": "0.1", "quoteQuantity": "3"},
        "INVALID_ORDER",
        "Market orders need exactly one of quantity and quoteQuantity",
    ),
    ({"side": "Bid", "orderType": "Limit", "quantity": "0.1"}, "INVALID_PRICE", "Limit orders need a price"),
    (
        {"side": "Bid", "orderType": "Limit", "price": "0", "quantity": "0.1"},
        "INVALID_PRICE",
        "price must be above zero",
    ),
    (
        {"side": "Ask", "orderType": "Limit", "price": "2601", "quantity": "3", "symbol": SPOT},
        "INSUFFICIENT_FUNDS",
        "Sells 3.0000 of a free balance of 2.0000",
    ),
    (
        {"side": "Bid", "orderType": "Limit", "price": "1", "quantity": "1", "symbol": "X_USDC"},
        "INVALID_SYMBOL",
        "Invalid symbol X_USDC",
    ),
    (
        {"side": "Bid", "orderType": "Limit", "price": "1", "quantity": "1", "triggerPrice": "3"},
        "NOT_IMPLEMENTED",
        "triggerPrice: this local venue has no trigger or slippage orders",
    ),
]


@pytest.mark.parametrize(("fields", "code", "message"), REFUSED, ids=[f"{row[1]} {row[2][:24]}" for row in REFUSED])
def test_an_order_that_cannot_be_is_refused(fields: dict[str, Any], code: str, message: str) -> None:
    user = BackpackUser(backpack())
    assert user.place(**fields) == (400, {"code": code, "message": message})
    assert not user.venue.exchange.ledger.orders


UNREADABLE = [
    (b"[", "Expecting value"),
    (b"[]", "expected an object"),
    (b'{"side":"Bid","orderType":"Limit","price":2599,"quantity":"0.1"}', "field `price`: expected a string"),
    (b'{"side":"Buy","orderType":"Limit","price":"2599","quantity":"0.1"}', "field `side`: unknown variant `Buy`"),
    (b'{"side":"Bid","orderType":"Limit","price":"1e3","quantity":"0.1"}', "field `price`: invalid decimal `1e3`"),
    (b'{"side":"Bid","orderType":"Limit","price":"NaN","quantity":"0.1"}', "field `price`: invalid decimal `NaN`"),
    (b'{"side":"Bid","orderType":"Limit","price":"9","quantity":"0.1","clientId":4294967296}', "field `clientId`"),
    (b'{"side":"Bid","orderType":"Limit","price":"9","quantity":"0.1","postOnly":"true"}', "field `postOnly`"),
    (b'{"side":"Bid","price":"9","quantity":"0.1"}', "missing field `orderType`"),
]


@pytest.mark.parametrize(("body", "words"), UNREADABLE)
def test_a_body_that_cannot_be_read_is_told_as_text(body: bytes, words: str) -> None:
    user = BackpackUser(backpack())
    raw = body.replace(b"{", b'{"symbol":"ETH_USDC_PERP",', 1)
    reply = ask(user.venue, user.signed_raw("orderExecute", "POST", "/api/v1/order", raw))
    assert (reply.status, reply.content_type) == (400, "text/plain; charset=utf-8")
    assert words in reply.body.decode()


def test_post_only_may_expire_instead_by_a_switch() -> None:
    user = BackpackUser(backpack(options=BackpackOptions(post_only_expires=True)))
    status, order = user.limit("Bid", "2600.10", "0.1", postOnly=True)
    assert (status, order["status"], order["executedQuantity"]) == (200, "Expired", "0")
    assert user.get("/wapi/v1/history/orders", "orderHistoryQueryAll")[1][0]["expiryReason"] == "PostOnlyTaker"
    assert user.get("/api/v1/orders", "orderQueryAll") == (200, [])


def test_a_client_id_is_taken_while_its_order_is_open() -> None:
    user = BackpackUser(backpack())
    assert user.limit("Bid", "2599", "0.1", clientId=1)[0] == 200
    assert user.limit("Bid", "2599", "0.1", clientId=1)[1]["code"] == "INVALID_CLIENT_REQUEST"
    assert user.cancel(clientId="1")[1]["status"] == "Cancelled"
    assert user.limit("Bid", "2599", "0.1", clientId=1)[0] == 200


def test_a_batch_answers_each_order_in_its_place() -> None:
    user = BackpackUser(backpack())
    orders = [
        {"symbol": PERP, "side": "Bid", "orderType": "Limit", "price": "2599", "quantity": "0.1"},
        {"symbol": PERP, "side": "Bid", "orderType": "Limit", "price": "2599.001", "quantity": "0.1"},
    ]
    status, told = user.call("orderExecute", "POST", "/api/v1/orders", body=orders)
    assert status == 200
    assert (told[0]["operation"], told[0]["status"]) == ("Ok", "New")
    assert told[1] == {
        "operation": "Err", "code": "INVALID_PRICE", "message": "Price 2599.001 is not a multiple of the tick 0.01",
    }  # fmt: skip


def _partly_filled() -> tuple[BackpackUser, PaperClock]:
    """alice's bid for 0.1 at the best price has been filled by 0.04 of the outside market."""
    events = [MarketQuote(0, 260_000, 100, 260_010, 50_000), MarketTrade(10, Side.SELL, 260_000, 500)]
    clock = PaperClock()
    made = exchange(events, clock=clock)
    venue = Backpack(made, {public_of("alice"): "alice"})
    user = BackpackUser(venue)
    assert user.limit("Bid", "2600", "0.1", clientId=9, postOnly=True)[1]["status"] == "New"
    clock.run_until(clock.now_ns() + 10)
    return user, clock


def test_a_cancel_after_a_partial_fill_tells_what_was_filled() -> None:
    user, _ = _partly_filled()
    status, order = user.cancel(clientId=9)
    assert (status, order["status"], order["executedQuantity"]) == (200, "Cancelled", "0.0400")


def test_orders_that_have_ended_are_found_in_the_history_only() -> None:
    user, _ = _partly_filled()
    user.cancel(clientId=9)
    gone = (404, {"code": "RESOURCE_NOT_FOUND", "message": "Order not found"})
    assert user.get("/api/v1/order", "orderQuery", symbol=PERP, clientId=9) == gone
    assert user.cancel(clientId=9) == gone
    (past,) = user.get("/wapi/v1/history/orders", "orderHistoryQueryAll", symbol=PERP)[1]
    assert picked(past, ("id", "clientId", "status", "executedQuantity", "createdAt", "expiryReason")) == {
        "id": "1", "clientId": 9, "status": "Cancelled", "executedQuantity": "0.0400",
        "createdAt": "2023-11-14T22:13:20.000", "expiryReason": None,
    }  # fmt: skip


def test_a_fill_is_told_whole() -> None:
    user, _ = _partly_filled()
    assert user.get("/wapi/v1/history/fills", "fillHistoryQueryAll", orderId="1", fillType="User") == (200, [
        {"clientId": "9", "fee": "0.0208000000", "feeSymbol": "USDC", "isMaker": True, "orderId": "1",
         "price": "2600.00", "quantity": "0.0400", "side": "Bid", "symbol": PERP, "systemOrderType": None,
         "timestamp": "2023-11-14T22:13:20.000", "tradeId": 1}
    ])  # fmt: skip


def test_an_empty_body_is_not_signed_as_an_order() -> None:
    user = BackpackUser(backpack())
    reply = ask(user.venue, replace(user.signed("orderExecute", "POST", "/api/v1/order", body={}), body=b""))
    assert (reply.status, b"Expecting value" in reply.body) == (400, True)


def test_histories_are_paged() -> None:
    user = BackpackUser(backpack())
    for _ in range(5):
        user.market("Bid", "0.01")

    def ids(**query: Any) -> list[int]:
        return [row["tradeId"] for row in user.get("/wapi/v1/history/fills", "fillHistoryQueryAll", **query)[1]]

    assert ids() == [5, 4, 3, 2, 1]
    assert ids(limit=2, offset=1) == [4, 3]
    assert ids(limit=2, offset=1, sortDirection="Asc") == [2, 3]
    assert ids(**{"from": user.venue.exchange.now_ms() + 1}) == []
    assert user.get("/wapi/v1/history/fills", "fillHistoryQueryAll", limit=1001)[1]["code"] == "INVALID_CLIENT_REQUEST"


def test_a_query_names_exactly_one_id() -> None:
    user = BackpackUser(backpack())
    for ids in ({}, {"orderId": "1", "clientId": 2}):
        told = user.get("/api/v1/order", "orderQuery", symbol=PERP, **ids)
        assert (told[0], told[1]["code"]) == (400, "INVALID_CLIENT_REQUEST")


def test_positions_are_signed_and_vanish_when_flat() -> None:
    user = BackpackUser(backpack())
    assert user.get("/api/v1/position", "positionQuery") == (200, [])
    user.market("Ask", "0.5")
    (held,) = user.get("/api/v1/position", "positionQuery")[1]
    shown = ("symbol", "netQuantity", "entryPrice", "markPrice", "pnlUnrealized", "netExposureNotional")
    assert picked(held, shown) == {
        "symbol": PERP, "netQuantity": "-0.5000", "entryPrice": "2600", "markPrice": "2600.05",
        "pnlUnrealized": "-0.025", "netExposureNotional": "1300.025000",
    }  # fmt: skip
    user.market("Bid", "0.5", reduceOnly=True)
    assert user.get("/api/v1/position", "positionQuery") == (200, [])
    told = user.get("/api/v1/position", "positionQuery", symbol=PERP)
    assert told == (404, {"code": "RESOURCE_NOT_FOUND", "message": "Position not found"})


def test_collateral_follows_fees_and_unrealised_profit() -> None:
    user = BackpackUser(backpack())
    user.market("Bid", "0.5")  # at 2600.10: fee 0.650025, mark 2600.05
    told = user.get("/api/v1/capital/collateral", "collateralQuery")[1]
    spot = 2 * D("2600.05")
    assert D(told["netEquity"]) == 10_000 + spot - D("0.650025") - D("0.025")
    assert D(told["pnlUnrealized"]) == D("-0.025")
    capital = user.get("/api/v1/capital", "balanceQuery")[1]
    assert capital == {
        "USDC": {"available": "9999.349975", "locked": "0", "staked": "0"},
        "ETH": {"available": "2", "locked": "0", "staked": "0"},
    }


def test_a_spot_buy_pays_its_fee_in_what_it_buys() -> None:
    user = BackpackUser(backpack())
    user.market("Bid", "1", symbol=SPOT)
    (fill,) = user.get("/wapi/v1/history/fills", "fillHistoryQueryAll", marketType="SPOT")[1]
    assert (fill["fee"], fill["feeSymbol"]) == ("0.00050000", "ETH")
    assert user.get("/api/v1/capital", "balanceQuery")[1]["ETH"]["available"] == "2.9995"


def test_two_accounts_meet_with_one_trade_id_and_own_orders_do_not() -> None:
    venue = backpack()
    alice, bob = BackpackUser(venue), BackpackUser(venue, "bob")
    alice.limit("Ask", "2600.05", "0.2", postOnly=True)
    assert alice.market("Bid", "0.1")[1]["status"] == "Expired"  # RejectTaker is the default
    assert bob.market("Bid", "0.1")[1]["executedQuoteQuantity"] == "260.005000"
    (sold,) = alice.get("/wapi/v1/history/fills", "fillHistoryQueryAll")[1]
    (bought,) = bob.get("/wapi/v1/history/fills", "fillHistoryQueryAll")[1]
    assert (sold["tradeId"], sold["isMaker"]) == (bought["tradeId"], not bought["isMaker"])


def test_self_trade_prevention_may_end_the_resting_order() -> None:
    user = BackpackUser(backpack())
    user.limit("Ask", "2600.05", "0.2", clientId=1)
    assert user.market("Bid", "0.1", selfTradePrevention="RejectMaker")[1]["status"] == "Filled"
    assert user.get("/api/v1/orders", "orderQueryAll") == (200, [])
    past = user.get("/wapi/v1/history/orders", "orderHistoryQueryAll", sortDirection="Asc")[1][0]
    assert (past["status"], past["expiryReason"]) == ("Expired", "SelfTradePrevention")


def test_cancel_all_is_per_market() -> None:
    user = BackpackUser(backpack())
    user.limit("Bid", "2599", "0.1", clientId=1)
    user.limit("Bid", "2599", "0.1", clientId=2, symbol=SPOT)
    status, told = user.call("orderCancelAll", "DELETE", "/api/v1/orders", body={"symbol": PERP})
    assert (status, [order["clientId"] for order in told]) == (200, [1])
    assert [order["clientId"] for order in user.get("/api/v1/orders", "orderQueryAll")[1]] == [2]
    assert user.call("orderCancelAll", "DELETE", "/api/v1/orders", body={"symbol": PERP}) == (200, [])


def test_depth_shows_own_orders_and_bids_from_the_lowest_up() -> None:
    venue = backpack()
    BackpackUser(venue).limit("Bid", "2600.05", "0.3")
    told = public(venue, "/api/v1/depth", f"symbol={PERP}&limit=5")[1]
    assert told["bids"] == [
        ["2599.97", "5.0000"], ["2599.98", "5.0000"], ["2599.99", "5.0000"], ["2600.00", "5.0000"],
        ["2600.05", "0.3000"],
    ]  # fmt: skip
    assert [row[0] for row in told["asks"]] == ["2600.10", "2600.11", "2600.12", "2600.13", "2600.14"]
    assert (told["lastUpdateId"], told["timestamp"]) == (
        str(venue.exchange.markets[PERP].version),
        1_700_000_000_000_000,
    )


def test_public_answers() -> None:
    venue = backpack()
    assert public(venue, "/api/v1/status") == (200, {"status": "Ok", "message": None})
    assert public(venue, "/api/v1/ping") == (200, b"pong")
    assert public(venue, "/api/v1/time") == (200, b"1700000000000")
    assert [market["symbol"] for market in public(venue, "/api/v1/markets")[1]] == [PERP, SPOT]
    filters = public(venue, "/api/v1/market", f"symbol={PERP}")[1]["filters"]
    assert (filters["price"]["tickSize"], filters["quantity"]["stepSize"]) == ("0.01", "0.0001")
    assert public(venue, "/api/v1/ticker", f"symbol={PERP}")[0] == 204
    BackpackUser(venue).market("Bid", "0.1")
    assert public(venue, "/api/v1/ticker", f"symbol={PERP}")[1]["lastPrice"] == "2600.10"
    (trade,) = public(venue, "/api/v1/trades", f"symbol={PERP}")[1]
    assert trade == {
        "id": 1, "price": "2600.10", "quantity": "0.1000", "quoteQuantity": "260.010000",
        "timestamp": 1_700_000_000_000, "isBuyerMaker": False,
    }  # fmt: skip
    assert public(venue, "/api/v1/markPrices", f"symbol={PERP}")[1][0]["markPrice"] == "2600.05"
    assert public(venue, "/nowhere")[1]["code"] == "RESOURCE_NOT_FOUND"


def test_the_budget_is_kept_per_key() -> None:
    venue = backpack(options=BackpackOptions(requests_per_minute=2))
    alice, bob = BackpackUser(venue), BackpackUser(venue, "bob")
    told = [alice.get("/api/v1/capital", "balanceQuery")[0] for _ in range(3)]
    assert told == [200, 200, 429]
    assert bob.get("/api/v1/capital", "balanceQuery")[0] == 200


def test_maintenance_refuses_everything_but_its_status() -> None:
    venue = backpack()
    venue.maintenance = True
    assert public(venue, "/api/v1/status")[1]["status"] == "Maintenance"
    assert BackpackUser(venue).limit("Bid", "2599", "0.1")[1]["code"] == "MAINTENANCE"
