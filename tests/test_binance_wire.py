"""Binance's wire: signatures to the byte, orders as they are sent, and what frames and replies are taken for."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from exchanges.binance.wire import reply, request, stream
from exchanges.binance.wire.product import SPOT, USDM, Product
from exchanges.binance.wire.reply import Fees, Risk
from exchanges.binance.wire.request import Signer
from exchanges.binance.wire.stream import Answer, Ended, HeldFacts, Unread
from exchanges.errors import AuthFailed, BadFrame, ExchangeError, OutcomeUnknown, RateLimited, Rejected
from exchanges.facts import BookFacts, OrderFacts, Trade
from exchanges.types import (
    FillKind,
    MarketKind,
    OrderRequest,
    OrderState,
    OrderType,
    Refusal,
    SelfTrade,
    Side,
    TimeInForce,
)

D = Decimal
SECRET = "binance_demo_secret_0001"
ORDER = OrderRequest(
    client_id="e1r1a1", account="a", symbol="ETHUSDT", side=Side.BUY, qty=D("0.50"), price=D("2500.10"),
    type=OrderType.LIMIT, tif=TimeInForce.GTC, post_only=True, reduce_only=False, valid_ms=2000,
    self_trade=SelfTrade.CANCEL_TAKER,
)  # fmt: skip


def pem(key: Any) -> str:
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


ED25519 = pem(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


# --- what is sent


def test_rest_is_signed_in_the_order_sent_and_the_websocket_api_sorted_by_name() -> None:
    signer = Signer("bn_demo_key", SECRET)
    text = (
        "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=IOC&quantity=0.01&price=99999.9&newClientOrderId=h-000001"
        "&recvWindow=5000&timestamp=1772171045855"
    )
    params = dict(pair.split("=") for pair in text.split("&")[:-2])
    form = signer.form(params, timestamp_ms=1772171045855, window_ms=5000)
    assert form == f"{text}&signature=e8847a8abd1dc7bb2baa7d02803fcec02661a1aaae69d5877513df041445cce5"
    assert signer.sign("apiKey=bn_demo_key&timestamp=1772171045855") == (
        "25d2b25f5f1c36d45488a92f69f1453afa26e17ceef0f727426a92aa6ba307cf"
    )
    whole = signer.params({"symbol": "A", "side": "BUY"}, timestamp_ms=1, window_ms=2)
    assert whole.pop("signature") == signer.sign("apiKey=bn_demo_key&recvWindow=2&side=BUY&symbol=A&timestamp=1")
    assert whole == {"symbol": "A", "side": "BUY", "apiKey": "bn_demo_key", "recvWindow": "2", "timestamp": "1"}


def test_a_request_of_the_websocket_api_is_compact_json_whatever_its_texts_hold() -> None:
    params = {"symbol": "A", "newClientOrderId": 'a"b\\c\n', "signature": "Ä+/="}
    text = request.api_message("o1", "order.place", params)
    assert json.loads(text) == {"id": "o1", "method": "order.place", "params": params}
    assert text.startswith('{"id":"o1","method":"order.place","params":{"symbol":"A","newClientOrderId":"a\\"b')
    assert request.api_message("user", "it", {}) == '{"id":"user","method":"it","params":{}}'


def test_an_ed25519_key_signs_as_documented_and_its_signature_is_encoded_in_a_url() -> None:
    signer = Signer("bn_demo_key", ED25519)
    signature = "OEVeQsFh8bPWoSJkNZhR3IPLN8PCMz7v6g8J9+WyZyyq0iGJ0Bl0QDdrBKlwMHKdJNim7Ah0j1Lpt8ubGkSUDw=="
    assert signer.sign("apiKey=bn_demo_key&timestamp=1772171045855") == signature
    form = signer.form({}, timestamp_ms=1, window_ms=2)
    assert form.startswith("recvWindow=2&timestamp=1&signature=")
    assert not {"+", "/", "="} & set(form.rpartition("signature=")[2].replace("%", ""))


@pytest.mark.parametrize(
    ("key", "secret", "words"),
    [
        ("", SECRET, "the API key is empty"),
        ("k", "", "no Binance key"),
        ("k", "has space in it, and is long", "no Binance key"),
        ("k", f"{ED25519.splitlines()[0]}\nnonsense", "cannot be read"),
        ("k", pem(generate_private_key(65537, 1024)), "another kind"),
    ],
)
def test_what_is_no_key_is_refused_and_not_repeated(key: str, secret: str, words: str) -> None:
    with pytest.raises(AuthFailed, match=words) as caught:
        Signer(key, secret)
    assert not secret or secret not in str(caught.value)


SHAPES: list[tuple[Product, dict[str, Any], dict[str, str | None]]] = [
    (SPOT, {}, {"type": "LIMIT_MAKER", "price": "2500.10", "timeInForce": None, "quantity": "0.50"}),
    (USDM, {}, {"type": "LIMIT", "price": "2500.10", "timeInForce": "GTX", "reduceOnly": None}),
    (SPOT, {"post_only": False}, {"type": "LIMIT", "timeInForce": "GTC"}),
    (USDM, {"post_only": False, "tif": TimeInForce.IOC}, {"type": "LIMIT", "timeInForce": "IOC"}),
    (USDM, {"reduce_only": True}, {"reduceOnly": "true"}),
    (
        USDM,
        {"post_only": False, "type": OrderType.MARKET, "price": None, "tif": TimeInForce.IOC},
        {"type": "MARKET", "price": None, "timeInForce": None},
    ),
    (
        SPOT,
        {"post_only": False, "type": OrderType.MARKET, "price": None, "worst_price": D("2600")},
        {"type": "LIMIT", "price": "2600", "timeInForce": "IOC"},
    ),
    (USDM, {"self_trade": SelfTrade.NONE}, {"selfTradePreventionMode": "NONE"}),
    (USDM, {"self_trade": SelfTrade.CANCEL_BOTH}, {"selfTradePreventionMode": "EXPIRE_BOTH"}),
    (USDM, {"qty": D("1E-7")}, {"quantity": "0.0000001"}),
]  # fmt: skip


@pytest.mark.parametrize(("product", "changes", "expected"), SHAPES)
def test_orders_as_they_are_sent(product: Product, changes: dict[str, Any], expected: dict[str, str | None]) -> None:
    params = request.order_params(replace(ORDER, **changes), product)
    assert {name: params.get(name) for name in expected} == expected
    assert (params["newClientOrderId"], params["newOrderRespType"], params["side"]) == ("e1r1a1", "RESULT", "BUY")


def test_what_the_venue_has_no_such_order_for_is_refused_before_it_is_sent() -> None:
    for product, changes in (
        (SPOT, {"reduce_only": True}),
        (USDM, {"client_id": "a b"}),
        (USDM, {"client_id": "e" * 37}),
    ):
        with pytest.raises(Rejected) as caught:
            request.order_params(replace(ORDER, **changes), product)  # type: ignore[arg-type]
        assert caught.value.refusal is Refusal.UNSUPPORTED


# --- what streams say

REPORT: dict[str, Any] = {
    "e": "executionReport", "E": 1772171045870, "s": "ETHUSDT", "c": "e1r1a1", "S": "BUY", "o": "LIMIT_MAKER",
    "f": "GTC", "q": "0.50000000", "p": "2500.10000000", "P": "0", "F": "0", "g": -1, "C": "", "x": "NEW", "X": "NEW",
    "r": "NONE", "i": 77, "l": "0", "z": "0", "L": "0", "n": "0", "N": None, "T": 1772171045869, "t": -1, "I": 5,
    "w": True, "m": False, "M": False, "O": 1772171045869, "Z": "0", "Y": "0", "Q": "0", "V": "EXPIRE_TAKER",
}  # fmt: skip
FILLED = {
    "x": "TRADE", "X": "PARTIALLY_FILLED", "l": "0.20000000", "z": "0.20000000", "L": "2500.10000000", "n": "0.0002",
    "N": "ETH", "t": 901, "m": True,
}  # fmt: skip
TOLD = OrderFacts(
    "ETHUSDT", Side.BUY, "77", "e1r1a1", D("0.5"), D("2500.1"), OrderState.OPEN, D(0), 1772171045869, False,
    FillKind.TRADE,
)  # fmt: skip


def spot(**changes: Any) -> bytes:
    return json.dumps({"subscriptionId": 0, "event": REPORT | changes}).encode()


def futures(**changes: Any) -> bytes:
    inner = {name: REPORT[name] for name in "scSofqpxXilzLTtm"} | {"R": True, "ps": "BOTH", "ap": "0", "f": "GTX"}
    event = {"e": "ORDER_TRADE_UPDATE", "E": 1, "T": 2, "o": inner | changes}
    return json.dumps(event).encode()


ORDERS: list[tuple[bytes, OrderFacts]] = [
    (spot(), TOLD),
    (spot(C=None), TOLD),
    (
        spot(**FILLED),
        replace(TOLD, state=OrderState.PARTIALLY_FILLED, cum_qty=D("0.2"),
                trade=Trade("901", D("0.2"), D("2500.1"), D("0.0002"), "ETH", True)),
    ),
    (
        spot(**FILLED | {"N": "BNB", "X": "FILLED", "q": "0.2"}),
        replace(TOLD, state=OrderState.FILLED, qty=D("0.2"), cum_qty=D("0.2"),
                trade=Trade("901", D("0.2"), D("2500.1"), D("0.0002"), "BNB", True)),
    ),
    (spot(x="CANCELED", X="CANCELED", c="web_9", C="e1r1a1"), replace(TOLD, state=OrderState.CANCELED)),
    (spot(x="EXPIRED", X="EXPIRED", f="IOC"), replace(TOLD, state=OrderState.CANCELED, text="EXPIRED")),
    (
        spot(x="TRADE_PREVENTION", X="EXPIRED_IN_MATCH"),
        replace(TOLD, state=OrderState.FAILED, refusal=Refusal.SELF_TRADE, text="EXPIRED_IN_MATCH"),
    ),
    (
        spot(x="REJECTED", X="REJECTED", r="INSUFFICIENT_BALANCES"),
        replace(TOLD, state=OrderState.FAILED, refusal=Refusal.MARGIN, text="INSUFFICIENT_BALANCES"),
    ),
    (futures(), replace(TOLD, reduce_only=True)),
    (
        futures(x="EXPIRED", X="EXPIRED"),
        replace(TOLD, reduce_only=True, state=OrderState.FAILED, refusal=Refusal.POST_ONLY, text="GTX order expired"),
    ),
    (
        futures(**FILLED | {"N": None}),
        replace(TOLD, reduce_only=True, state=OrderState.PARTIALLY_FILLED, cum_qty=D("0.2"),
                trade=Trade("901", D("0.2"), D("2500.1"), D(0), "", True)),
    ),
    (
        futures(**FILLED | {"c": "autoclose-1", "x": "CALCULATED", "X": "NEW_INSURANCE"}),
        replace(TOLD, reduce_only=True, client_id="", kind=FillKind.LIQUIDATION, state=OrderState.PARTIALLY_FILLED,
                cum_qty=D("0.2"), trade=Trade("901", D("0.2"), D("2500.1"), D("0.0002"), "ETH", True)),
    ),
    (futures(c="adl_autoclose"), replace(TOLD, reduce_only=True, client_id="", kind=FillKind.ADL)),
]  # fmt: skip


@pytest.mark.parametrize(("frame", "expected"), ORDERS)
def test_orders_as_they_are_told(frame: bytes, expected: OrderFacts) -> None:
    assert stream.message(frame) == expected


OTHERS: list[tuple[dict[str, Any], object]] = [
    (
        {"u": 5, "s": "ETHUSDT", "b": "1", "B": "2", "a": "3", "A": "4"},
        BookFacts("ETHUSDT", D(1), D(2), D(3), D(4), 5, 0),
    ),
    (
        {"e": "bookTicker", "u": 5, "E": 8, "T": 7, "s": "ETHUSDT", "b": "1", "B": "2", "a": "3", "A": "4"},
        BookFacts("ETHUSDT", D(1), D(2), D(3), D(4), 5, 7),
    ),
    (
        {"e": "ACCOUNT_UPDATE", "a": {"P": [{"s": "ETHUSDT", "pa": "-1.5", "ps": "BOTH"}]}},
        HeldFacts((("ETHUSDT", D("-1.5")),)),
    ),
    ({"e": "outboundAccountPosition", "B": [{"a": "ETH", "f": "1", "l": "0.5"}]}, HeldFacts((("ETH", D("1.5")),))),
    ({"id": "o1", "status": 200, "result": {"x": 1}, "rateLimits": []}, Answer("o1", 200, {"x": 1}, {})),
    ({"id": None, "status": 400, "error": {"code": -1}}, Answer("", 400, None, {"code": -1})),
    ({"result": None, "id": 1}, None),
    ({"e": "TRADE_LITE"}, None),
    ({"subscriptionId": 0, "event": {"e": "eventStreamTerminated"}}, Ended("eventStreamTerminated")),
    ({"e": "listenKeyExpired", "listenKey": "x"}, Ended("listenKeyExpired")),
    ({"event": {"e": "serverShutdown", "E": 1}}, Ended("serverShutdown")),
    ({"e": "MARGIN_CALL"}, Unread("event MARGIN_CALL")),
    ({"y": 1}, Unread("a message with y")),
]


@pytest.mark.parametrize(("frame", "expected"), OTHERS)
def test_other_messages(frame: dict[str, Any], expected: object) -> None:
    assert stream.message(json.dumps(frame).encode()) == expected


@pytest.mark.parametrize(
    "frame",
    [
        b"", b"[]", b"{", b'{"code":2,"msg":"Invalid request"}', spot(S="LONG"), spot(X="WHAT"), spot(q="1e999"),
        spot(**FILLED | {"L": "0"}), spot(**FILLED | {"l": "0.3"}), spot(**FILLED | {"m": None}),
        spot(**FILLED | {"n": None}), spot(**FILLED | {"t": "x"}), futures(i=None), futures(T="soon"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_a_bad_frame(frame: bytes) -> None:
    with pytest.raises(BadFrame):
        stream.message(frame)


# --- what replies say

SAID: list[tuple[int, object, type[ExchangeError] | Refusal | None]] = [
    (400, {"code": -2010, "msg": "Account has insufficient balance for requested action."}, Refusal.MARGIN),
    (400, {"code": -2010, "msg": "Order would immediately match and take."}, Refusal.POST_ONLY),
    (400, {"code": -2010, "msg": "Duplicate order sent."}, Refusal.DUPLICATE_ID),
    (400, {"code": -2010, "msg": "Market is closed."}, Refusal.VENUE),
    (400, {"code": -4116, "msg": "ClientOrderId is duplicated."}, Refusal.DUPLICATE_ID),
    (400, {"code": -5022, "msg": "Due to the order could not be executed as maker"}, Refusal.POST_ONLY),
    (400, {"code": -1013, "msg": "Filter failure: PRICE_FILTER"}, Refusal.PRICE),
    (400, {"code": -1013, "msg": "Filter failure: PERCENT_PRICE_BY_SIDE"}, Refusal.PRICE),
    (400, {"code": -1013, "msg": "Filter failure: LOT_SIZE"}, Refusal.SIZE),
    (400, {"code": -1013, "msg": "Filter failure: NOTIONAL"}, Refusal.SIZE),
    (400, {"code": -1111, "msg": "Parameter 'price' has too much precision."}, Refusal.PRICE),
    (400, {"code": -1111, "msg": "Parameter 'quantity' has too much precision."}, Refusal.SIZE),
    (400, {"code": -2019, "msg": "Margin is insufficient."}, Refusal.MARGIN),
    (400, {"code": -2022, "msg": "ReduceOnly Order is rejected."}, Refusal.REDUCE_ONLY),
    (400, {"code": -2011, "msg": "Unknown order sent."}, Refusal.NOT_FOUND),
    (400, {"code": -2013, "msg": "Order does not exist."}, Refusal.NOT_FOUND),
    (400, {"code": -1121, "msg": "Invalid symbol."}, Refusal.UNSUPPORTED),
    (400, {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}, Refusal.VENUE),
    (400, {"code": -9999, "msg": "new"}, Refusal.VENUE),
    (400, {"code": -1006, "msg": "An unexpected response was received"}, OutcomeUnknown),
    (504, {"code": -1007, "msg": "Timeout waiting for response"}, OutcomeUnknown),
    (503, {"code": -1008, "msg": "Server is currently overloaded"}, OutcomeUnknown),
    (503, {"code": -2010, "msg": "Order would immediately match and take."}, OutcomeUnknown),
    (429, {"code": -1003, "msg": "Too much request weight used"}, RateLimited),
    (429, {"code": -1015, "msg": "Too many new orders"}, RateLimited),
    (418, {"code": -1003, "msg": "banned"}, RateLimited),
    (401, {"code": -2015, "msg": "Invalid API-key"}, AuthFailed),
    (400, {"code": -1022, "msg": "Signature for this request is not valid."}, AuthFailed),
    (451, {"code": 0, "msg": "restricted location"}, AuthFailed),
    (400, {"code": 0, "msg": "odd"}, None),
    (400, {"msg": "odd"}, None),
    (502, "no object", None),
]


@pytest.mark.parametrize(("status", "said", "expected"), SAID)
def test_what_went_wrong(status: int, said: object, expected: type[ExchangeError] | Refusal | None) -> None:
    error = reply.judge(status, json.dumps(said).encode(), retry_ms=7)
    if isinstance(expected, Refusal):
        assert isinstance(error, Rejected)
        assert error.refusal is expected
    elif expected is None:
        assert error is None
    else:
        assert type(error) is expected
    if isinstance(error, RateLimited):
        assert error.retry_ms == 7


def test_a_ban_without_words_is_a_limit_and_a_page_of_a_middleman_says_nothing() -> None:
    assert isinstance(reply.judge(418, b"<html>", retry_ms=5), RateLimited)
    assert reply.judge(502, b"<html>", retry_ms=0) is None


def test_the_websocket_api_names_the_time_at_which_to_come_back() -> None:
    error = reply.api_error(429, {"code": -1003, "msg": "x", "data": {"retryAfter": 10_500}}, now_ms=10_000)
    assert isinstance(error, RateLimited)
    assert error.retry_ms == 500
    assert isinstance(reply.api_error(500, {}, now_ms=0), OutcomeUnknown)


PLACED = {
    "symbol": "ETHUSDT", "orderId": 77, "clientOrderId": "e1r1a1", "transactTime": 9, "price": "2500.10",
    "origQty": "0.50", "executedQty": "0.00", "status": "NEW", "timeInForce": "GTC", "type": "LIMIT_MAKER",
    "side": "BUY", "selfTradePreventionMode": "EXPIRE_TAKER",
}  # fmt: skip


def test_orders_of_replies() -> None:
    told = replace(TOLD, at_ms=9)
    assert reply.order_of(PLACED) == told
    assert reply.order_of({**PLACED, "time": 3, "updateTime": 8}) == replace(told, at_ms=3)
    cancelled = {**PLACED, "status": "CANCELED", "origClientOrderId": "e1r1a1", "clientOrderId": "x"}
    assert reply.order_of(cancelled) == replace(told, state=OrderState.CANCELED)
    expired = {**PLACED, "status": "EXPIRED", "timeInForce": "GTX"}
    assert reply.order_of(expired).refusal is Refusal.POST_ONLY
    partly = {**PLACED, "status": "EXPIRED", "executedQty": "0.2"}
    assert reply.order_of(partly) == replace(told, state=OrderState.CANCELED, cum_qty=D("0.2"), text="EXPIRED")
    with pytest.raises(BadFrame, match="status"):
        reply.order_of({**PLACED, "status": "LOST"})


def test_answers_of_a_batch_stand_for_their_own_orders() -> None:
    body = json.dumps([PLACED, {"code": -2019, "msg": "Margin is insufficient."}, {"odd": 1}]).encode()
    first, second, third = reply.batch_of(body, 3)
    assert isinstance(first, OrderFacts)
    assert isinstance(second, Rejected)
    assert isinstance(third, OutcomeUnknown)
    with pytest.raises(BadFrame, match="3 answers to 2"):
        reply.batch_of(body, 2)


def symbol(**changes: Any) -> bytes:
    filters = changes.pop("filters", [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "0", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "9000", "stepSize": "0.001"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.01", "maxQty": "120", "stepSize": "0"},
        {"filterType": "NOTIONAL", "minNotional": "5", "maxNotional": "9000000"},
    ])  # fmt: skip
    row = {"symbol": "ETHUSDT", "status": "TRADING", "baseAsset": "ETH", "quoteAsset": "USDT", "filters": filters}
    return json.dumps({"symbols": [{"symbol": "OTHER"}, row | changes]}).encode()


def test_a_market_is_as_strict_as_its_strictest_filter() -> None:
    fees, risk = Fees(D("0.0002"), D("0.0005")), Risk(D(20), D("0.004"), "crossed")
    got = reply.instrument_of(symbol(), "ETHUSDT", venue="v", market="m", fees=replace(fees, in_bnb=True), risk=None)
    assert (got.tick, got.lot, got.min_qty, got.max_qty, got.min_notional) == (
        D("0.01"), D("0.001"), D("0.01"), D(120), D(5),
    )  # fmt: skip
    assert (got.kind, got.fee_in_received, got.initial_margin) == (MarketKind.SPOT, False, 1)
    assert not got.reduces_below_notional
    assert reply.instrument_of(symbol(), "ETHUSDT", venue="v", market="m", fees=fees, risk=None).fee_in_received
    perp = symbol(contractType="PERPETUAL", filters=[
        {"filterType": "PRICE_FILTER", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "0", "stepSize": "0.001"},
        {"filterType": "MIN_NOTIONAL", "notional": "20"},
    ])  # fmt: skip
    got = reply.instrument_of(perp, "ETHUSDT", venue="v", market="m", fees=fees, risk=risk)
    assert (got.max_qty, got.min_notional, got.initial_margin, got.maintenance_margin) == (
        None,
        20,
        D("0.05"),
        D("0.004"),
    )
    assert got.reduces_below_notional
    for body in (symbol(contractType="CURRENT_QUARTER"), symbol(contractType="PERPETUAL", status="SETTLING")):
        with pytest.raises(Rejected):
            reply.instrument_of(body, "ETHUSDT", venue="v", market="m", fees=fees, risk=risk)
    with pytest.raises(Rejected, match="no market"):
        reply.instrument_of(symbol(), "NONE", venue="v", market="m", fees=fees, risk=None)


def test_fees_add_up_and_bnb_pays_where_account_and_market_say_so() -> None:
    part = {"maker": "0.0001", "taker": "0.0002"}
    body: dict[str, Any] = {f"{name}Commission": part for name in ("standard", "special", "tax")}
    assert reply.spot_fees(json.dumps(body).encode()) == Fees(D("0.0003"), D("0.0006"))
    body["discount"] = {"enabledForAccount": True, "enabledForSymbol": True, "discountAsset": "BNB"}
    assert reply.spot_fees(json.dumps(body).encode()).in_bnb


def test_a_position_held_by_side_is_no_position_of_a_one_way_account() -> None:
    row = {"symbol": "ETHUSDT", "positionSide": "LONG", "positionAmt": "1", "entryPrice": "1"}
    with pytest.raises(BadFrame, match="positionSide"):
        reply.position_rows(json.dumps([row]).encode())
