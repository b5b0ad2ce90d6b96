"""Backpack's wire: signatures to the byte, orders as they are sent, and what frames and replies are taken for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from exchanges.backpack.wire import reply, request, stream
from exchanges.backpack.wire.codes import EXPIRY_REFUSALS
from exchanges.backpack.wire.reply import FillRow
from exchanges.backpack.wire.request import Signer
from exchanges.backpack.wire.stream import PositionFacts, Unread
from exchanges.errors import AuthFailed, BadFrame, OutcomeUnknown, RateLimited, Rejected
from exchanges.facts import BookFacts, OrderFacts, PositionRow, Trade
from exchanges.fields import json_of
from exchanges.types import (
    FillKind,
    Margin,
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
SYMBOL = "SOL_USDC_PERP"
SEED = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="  # bytes 0..31: a test key, never a real one
PUBLIC = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="

ORDER = OrderRequest(
    client_id="4242", account="a", symbol=SYMBOL, side=Side.BUY, qty=D("0.50"), price=D("141.25"),
    type=OrderType.LIMIT, tif=TimeInForce.GTC, post_only=True, reduce_only=False, valid_ms=2000,
    self_trade=SelfTrade.CANCEL_TAKER,
)  # fmt: skip


# --- what is sent


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        (
            "instruction=orderExecute&clientId=4242&orderType=Limit&postOnly=true&price=141.25&quantity=0.50&side=Bid"
            "&symbol=SOL_USDC_PERP&timeInForce=GTC&timestamp=1700000000000&window=5000",
            "mvFpykHgYJRD/CZ7pGt0bLbRPFNImh58++DdTv3KW6MEBnqqYswAY4SMwMGuWSPyrl8kr7qwU6HqqtDx1N79Bg==",
        ),
        (
            "instruction=orderCancel&orderId=1111343026172067&symbol=SOL_USDC_PERP&timestamp=1700000000000&window=5000",
            "Z/Gi4tMJvOADEIMqxGFjdc/CGFCZ9SyEvnR43DdNkoAAJn0W/8W2u0bMI5pd4wNVp69+nphrEANY6Axsl4v1AA==",
        ),
        (
            "instruction=balanceQuery&timestamp=1700000000000&window=5000",
            "ogsyh1c6LnY10GiJaCoAEdHpkK2BT4KgS7NAd1PW2DQndw1OnR0WbY0M753KwW9Mq6Dmw3k+Kdw+wPxzKMCiAg==",
        ),
        (
            "instruction=subscribe&timestamp=1700000000000&window=5000",
            "mxIdZT3relFG10SYkdl4nIzm1LhhlW8oC6qF2MO03/JWvhFiRSeHidCVk8UGX+cyLu3UdxatFYnoPs+ngqkdBQ==",
        ),
        (
            "instruction=orderExecute&orderType=Limit&price=141&quantity=12&side=Bid&symbol=SOL_USDC_PERP"
            "&instruction=orderExecute&orderType=Limit&price=140&quantity=11&side=Bid&symbol=SOL_USDC_PERP"
            "&timestamp=1750793021519&window=5000",
            "/RiVIEmATq6bDKSR8I9tEY3qY/MRt45Y5/Wi4mKYjt3SaqoLFfOiYrYNRddqSXfrcDdY/b0n3duPew5JKrn/CA==",
        ),
    ],
    ids=["order", "cancel", "query", "subscribe", "batch"],
)
def test_signatures_are_those_of_the_documented_key(text: str, signature: str) -> None:
    assert Signer(SEED).public_key == PUBLIC
    assert Signer(SEED).sign(text) == signature


def test_what_is_signed_is_sorted_and_verbatim() -> None:
    params = {"symbol": SYMBOL, "side": "Bid", "orderType": "Limit", "price": "141.25", "quantity": "0.50",
              "postOnly": True, "timeInForce": "GTC", "clientId": 4242}  # fmt: skip
    assert request.instruction("orderExecute", params) == (
        "instruction=orderExecute&clientId=4242&orderType=Limit&postOnly=true&price=141.25&quantity=0.50&side=Bid"
        "&symbol=SOL_USDC_PERP&timeInForce=GTC"
    )
    assert request.instruction("balanceQuery", {}) == "instruction=balanceQuery"
    signed, body = request.command("orderExecute", params)
    assert signed == request.instruction("orderExecute", params)
    assert json.loads(body) == params
    both, bodies = request.commands(
        "orderExecute", [params, {"symbol": 'q"\\\u00e9', "clientId": 1, "reduceOnly": False}]
    )
    assert both == f'{signed}&instruction=orderExecute&clientId=1&reduceOnly=false&symbol=q"\\\u00e9'
    assert json.loads(bodies) == [params, {"symbol": 'q"\\\u00e9', "clientId": 1, "reduceOnly": False}]
    assert request.instruction("x", {"reduceOnly": False}) == "instruction=x&reduceOnly=false"


@pytest.mark.parametrize("text", [b'{"a":0.10}', b' {"a":0.10}', b'{"a":0.10}\n', b'\t{"a" : 0.10} '])
def test_a_frame_may_have_space_around_it(text: bytes) -> None:
    assert str(json_of(text)) == "{'a': Decimal('0.10')}"


@pytest.mark.parametrize(
    "text", [b"", b" ", b'{"a":1}x', b'{"a":1} {}', b"[1]]", b"{", b"[NaN]", b"\xff", b"[" * 100_000]
)
def test_what_is_no_json_is_a_bad_frame(text: bytes) -> None:
    with pytest.raises(BadFrame, match="no JSON"):
        json_of(text)


def test_headers_carry_key_signature_time_and_window() -> None:
    headers = Signer(SEED).headers("instruction=balanceQuery", timestamp_ms=1700000000000, window_ms=5000)
    assert headers == {
        "X-API-Key": PUBLIC,
        "X-Signature": "ogsyh1c6LnY10GiJaCoAEdHpkK2BT4KgS7NAd1PW2DQndw1OnR0WbY0M753KwW9Mq6Dmw3k+Kdw+wPxzKMCiAg==",
        "X-Timestamp": "1700000000000",
        "X-Window": "5000",
    }
    assert Signer(SEED).headers("x", timestamp_ms=1, window_ms=2, body=True)["Content-Type"] == request.JSON_BODY


def test_a_private_subscription_signs_no_stream_names() -> None:
    said = Signer(SEED).subscription([f"account.orderUpdate.{SYMBOL}"], timestamp_ms=1700000000000, window_ms=5000)
    assert json.loads(said) == {
        "method": "SUBSCRIBE",
        "params": [f"account.orderUpdate.{SYMBOL}"],
        "signature": [
            PUBLIC,
            "mxIdZT3relFG10SYkdl4nIzm1LhhlW8oC6qF2MO03/JWvhFiRSeHidCVk8UGX+cyLu3UdxatFYnoPs+ngqkdBQ==",
            "1700000000000",
            "5000",
        ],
    }


def test_a_key_may_come_with_its_public_half() -> None:
    both = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8DoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA=="
    assert Signer(both + "\n").public_key == PUBLIC


@pytest.mark.parametrize("secret", ["", "short", "AAEC", "ключ", SEED[:-4], "A" * 88, SEED + "!"])
def test_a_text_that_is_no_key_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(AuthFailed, match="no Backpack key") as refused:
        Signer(secret)
    assert not secret or secret not in str(refused.value)


ORDERS: list[tuple[dict[str, Any], dict[str, object]]] = [
    ({}, {"postOnly": True, "price": "141.25", "timeInForce": "GTC"}),
    ({"post_only": False, "tif": TimeInForce.IOC}, {"price": "141.25", "timeInForce": "IOC"}),
    ({"post_only": False, "type": OrderType.MARKET, "price": None, "tif": TimeInForce.IOC}, {"orderType": "Market"}),
    (  # a market order with a bound is a limit order that never rests
        {"post_only": False, "type": OrderType.MARKET, "price": None, "worst_price": D("142.00")},
        {"price": "142.00", "timeInForce": "IOC"},
    ),
    (
        {"post_only": False, "type": OrderType.MARKET, "price": None, "reduce_only": True, "side": Side.SELL},
        {"orderType": "Market", "reduceOnly": True, "side": "Ask"},
    ),
    (
        {"qty": D("1E+3"), "price": D("1E-7"), "self_trade": SelfTrade.CANCEL_BOTH},
        {"quantity": "1000", "price": "0.0000001", "selfTradePrevention": "RejectBoth", "postOnly": True,
         "timeInForce": "GTC"},
    ),
    ({"client_id": "4294967295", "self_trade": SelfTrade.CANCEL_MAKER},
     {"clientId": 4294967295, "selfTradePrevention": "RejectMaker", "price": "141.25", "postOnly": True,
      "timeInForce": "GTC"}),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), ORDERS)
def test_orders_as_they_are_sent(changes: dict[str, Any], expected: dict[str, object]) -> None:
    plain: dict[str, object] = {
        "clientId": 4242, "orderType": "Limit", "quantity": "0.50", "selfTradePrevention": "RejectTaker",
        "side": "Bid", "symbol": SYMBOL,
    }  # fmt: skip
    assert request.order_params(replace(ORDER, **changes)) == plain | expected


@pytest.mark.parametrize("client_id", ["", "-1", "4294967296", "e1r1", "1.0", "٣", "99999999999999999999", " 7"])
def test_a_client_id_that_the_venue_cannot_take_is_refused_here(client_id: str) -> None:
    with pytest.raises(Rejected, match="below 2\\^32"):
        request.order_params(replace(ORDER, client_id=client_id))


# --- the order stream


def fill_frame(**changes: object) -> dict[str, Any]:
    """A fill, in the shape of the documents."""
    said: dict[str, Any] = {
        "e": "orderFill", "E": 1754939110175879, "T": 1754939110174705, "s": SYMBOL, "S": "Bid", "o": "LIMIT",
        "f": "GTC", "q": "2.00", "p": "141.25", "X": "PartiallyFilled", "i": "5406825793", "c": 4242, "t": 2888471,
        "l": "0.50", "L": "141.25", "z": "0.75", "Z": "105.9375", "m": True, "n": "-0.0142", "N": "USDC",
        "V": "RejectTaker", "O": "USER", "r": False,
    }  # fmt: skip
    return {name: value for name, value in (said | changes).items() if value is not ...}


def said(data: object, name: str = f"account.orderUpdate.{SYMBOL}") -> bytes:
    return json.dumps({"data": data, "stream": name}).encode()


FILL = OrderFacts(
    SYMBOL, Side.BUY, "5406825793", "4242", D("2.00"), D("141.25"), OrderState.PARTIALLY_FILLED, D("0.75"),
    1754939110174, False, FillKind.TRADE, None, "",
    Trade("2888471", D("0.50"), D("141.25"), D("-0.0142"), "USDC", True),
)  # fmt: skip


def test_a_fill_frame() -> None:
    assert stream.message(said(fill_frame())) == FILL


def test_the_captured_market_fill() -> None:
    """As a client in the field printed it: no price, a quote quantity, a fee in the bought asset, no client id."""
    captured = (
        '{"e":"orderFill","E":1754939110175879,"T":1754939110174705,"s":"ETH_USDC","S":"Bid","o":"MARKET","f":"GTC",'
        '"q":"0.0010","Q":"4.30","X":"Filled","i":"5406825793","t":2888471,"l":"0.0010","L":"4299.16","z":"0.0010",'
        '"Z":"4.299160","m":false,"n":"0.000001","N":"ETH","V":"RejectTaker","O":"USER","r":false}'
    )
    assert stream.message(f'{{"stream":"account.orderUpdate.ETH_USDC","data":{captured}}}'.encode()) == OrderFacts(
        "ETH_USDC", Side.BUY, "5406825793", "", D("0.0010"), None, OrderState.FILLED, D("0.0010"), 1754939110174,
        False, FillKind.TRADE, None, "", Trade("2888471", D("0.0010"), D("4299.16"), D("0.000001"), "ETH", False),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"q": 2.00, "l": 0.5, "z": 0.75, "L": 141.25, "n": -0.0142, "p": 141.25}, FILL),  # numbers for strings
        ({"t": "2888471", "i": 5406825793, "c": "4242", "T": "1754939110174705"}, FILL),  # and strings for numbers
        ({"X": "Filled", "z": "2.00", "l": "1.25"}, replace(FILL, state=OrderState.FILLED, cum_qty=D("2.00"))),
        ({"X": "Cancelled"}, FILL),  # a fill is a fact, whatever the state beside it is called
        ({"X": "Melted", "z": "2.00"}, replace(FILL, state=OrderState.FILLED, cum_qty=D("2.00"))),
        ({"O": "LIQUIDATION_AUTOCLOSE", "c": ...}, replace(FILL, client_id="", kind=FillKind.LIQUIDATION)),
        ({"O": "ADL_AUTOCLOSE"}, replace(FILL, kind=FillKind.ADL)),
        ({"O": "SETTLEMENT_AUTOCLOSE"}, replace(FILL, kind=FillKind.SETTLEMENT)),
        ({"O": "COLLATERAL_CONVERSION"}, replace(FILL, kind=FillKind.LIQUIDATION)),
        ({"O": "SOMETHING_NEW"}, replace(FILL, kind=FillKind.LIQUIDATION)),  # a cause that is new calls a person
        ({"m": False, "S": "Ask", "r": True}, replace(FILL, side=Side.SELL, reduce_only=True)),
        ({"q": ..., "Q": "200"}, replace(FILL, qty=D("0.75"), state=OrderState.PARTIALLY_FILLED)),
    ],
)
def test_fills_in_other_shapes(changes: dict[str, object], expected: OrderFacts) -> None:
    got = stream.message(said(fill_frame(**changes)))
    assert isinstance(got, OrderFacts)
    assert got.trade is not None
    assert replace(got, trade=None) == replace(expected, trade=None)


def test_a_fill_without_a_number_is_told_apart_by_what_had_filled() -> None:
    got = stream.message(said(fill_frame(t=0, z="0.7500")))
    assert isinstance(got, OrderFacts)
    assert got.trade is not None
    assert got.trade.trade_id == "z0.75"


NO_FILLS = [
    {"l": "0"}, {"l": "-0.5"}, {"L": "0"}, {"l": "0.76"}, {"l": ...}, {"l": None}, {"l": "NaN"}, {"l": "Infinity"},
    {"l": "1_0"}, {"l": ""}, {"l": " 1"}, {"l": "0x1"}, {"l": True}, {"l": []}, {"l": {"a": 1}}, {"l": "1e999"},
    {"z": ...}, {"z": "-1"}, {"n": ...}, {"N": ...}, {"N": ""}, {"m": "true"}, {"m": 1}, {"m": ...}, {"t": []},
    {"t": True}, {"S": "Buy"}, {"S": ...}, {"S": ["Bid"]}, {"i": ...}, {"i": ""}, {"i": None}, {"c": [1]},
    {"c": {"x": 1}}, {"c": True}, {"c": "9" * 41}, {"T": ...}, {"T": "now"}, {"T": 1.5}, {"q": "many"}, {"p": "dear"},
    {"s": "ETH_USDC_PERP"}, {"s": ...},
]  # fmt: skip


@pytest.mark.parametrize("changes", NO_FILLS, ids=str)
def test_what_is_no_fill_is_never_taken_for_one(changes: dict[str, object]) -> None:
    with pytest.raises(BadFrame):
        stream.message(said(fill_frame(**changes)))


def order_frame(event: str, state: str, **changes: object) -> bytes:
    fills = dict.fromkeys(("t", "l", "L", "m", "n", "N"), ...)
    return said(fill_frame(e=event, X=state, **(fills | {"z": "0"} | changes)))


OPEN, PARTLY, CANCELED, FAILED = (
    OrderState.OPEN,
    OrderState.PARTIALLY_FILLED,
    OrderState.CANCELED,
    OrderState.FAILED,
)


def expired_frame(reason: str, *, cum: str = "0") -> bytes:
    return order_frame("orderExpired", "Expired", R=reason, z=cum)


@pytest.mark.parametrize(
    ("frame", "state", "cum", "refusal", "text"),
    [
        (order_frame("orderAccepted", "New"), OPEN, "0", None, ""),
        (order_frame("orderAccepted", "New", z="0.5"), PARTLY, "0.5", None, ""),
        (order_frame("orderCancelled", "Cancelled", z="0.5"), CANCELED, "0.5", None, ""),
        (order_frame("orderModified", "PartiallyFilled", z="0.5", q="1.00"), PARTLY, "0.5", None, ""),
        (expired_frame("PostOnlyTaker"), FAILED, "0", Refusal.POST_ONLY, "PostOnlyTaker"),
        (expired_frame("POST_ONLY_TAKER"), FAILED, "0", Refusal.POST_ONLY, "POST_ONLY_TAKER"),
        (expired_frame("PRICE_BAND"), FAILED, "0", Refusal.PRICE, "PRICE_BAND"),
        (expired_frame("ImmediateOrCancel", cum="1.5"), CANCELED, "1.5", None, "ImmediateOrCancel"),
        (expired_frame("InsufficientLiquidity"), CANCELED, "0", None, "InsufficientLiquidity"),
        (expired_frame("PriceImpact"), CANCELED, "0", None, "PriceImpact"),
        (expired_frame("SomethingNew"), CANCELED, "0", None, "SomethingNew"),
        (order_frame("orderExpired", "Expired"), CANCELED, "0", None, "expired"),
        # A refusal after a fill cannot be one: what has filled stands, the order has ended.
        (expired_frame("SelfTradePrevention", cum="0.5"), CANCELED, "0.5", Refusal.SELF_TRADE, "SelfTradePrevention"),
        (order_frame("triggerFailed", "TriggerFailed"), CANCELED, "0", None, ""),
    ],
)
def test_what_becomes_of_an_order(
    frame: bytes, state: OrderState, cum: str, refusal: Refusal | None, text: str
) -> None:
    got = stream.message(frame)
    assert isinstance(got, OrderFacts)
    assert (got.state, got.cum_qty, got.refusal, got.text, got.trade) == (state, D(cum), refusal, text, None)


def test_every_expiry_reason_of_the_documents_is_an_end_or_a_refusal() -> None:
    documented = [
        *("AccountTradingSuspended", "BorrowRequiresLendRedeem", "FillOrKill", "InsufficientBorrowableQuantity"),
        *("InsufficientFunds", "InsufficientLiquidity", "InvalidPrice", "InvalidQuantity", "ImmediateOrCancel"),
        *("InsufficientMargin", "Liquidation", "NegativeEquity", "PostOnlyMode", "PostOnlyTaker", "PriceOutOfBounds"),
        *("ReduceOnlyNotReduced", "SelfTradePrevention", "StopWithoutPosition", "PriceImpact", "Unknown"),
        *("UserPermissions", "MaxStopOrdersPerPosition", "PositionLimit", "SlippageToleranceExceeded"),
    ]
    ends = {reason for reason in documented if stream.expired(reason, D(0))[0] is OrderState.CANCELED}
    assert ends == {
        "FillOrKill", "InsufficientLiquidity", "ImmediateOrCancel", "Liquidation", "StopWithoutPosition", "PriceImpact",
        "Unknown", "MaxStopOrdersPerPosition", "SlippageToleranceExceeded",
    }  # fmt: skip
    assert set(EXPIRY_REFUSALS) - {reason.lower() for reason in documented} == {"priceband"}  # of the stream's example


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (order_frame("orderMelted", "New"), "order event orderMelted in state New"),
        (order_frame("orderAccepted", "Odd"), "order event orderAccepted in state Odd"),
        (b'{"stream":"liquidation.X","data":{}}', "stream liquidation.X"),
        (b'{"stream":"account.balanceUpdate","data":{}}', "stream account.balanceUpdate"),
        (b'{"pong":1}', "a message with pong"),
        (b"{}", "a message with nothing"),
    ],
)
def test_what_is_new_to_us_is_said_and_not_guessed_at(data: bytes, text: str) -> None:
    assert stream.message(data) == Unread(text)


def test_an_acknowledgement_says_nothing() -> None:
    assert stream.message(b'{"id":null,"result":null}') is None


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b'{"id":null,"error":{"code":"INVALID_SIGNATURE","message":"bad"}}', AuthFailed),
        (b'{"error":"Invalid signature"}', AuthFailed),
        (b'{"error":{"code":4006,"message":"Invalid stream"}}', BadFrame),
        (b'{"error":null}', BadFrame),
    ],
)
def test_an_error_of_the_stream_whatever_its_fields(data: bytes, error: type) -> None:
    with pytest.raises(error):
        stream.message(data)


GARBAGE: list[bytes] = [
    b"", b" ", b"null", b"1", b'"text"', b"[]", b"[1]", b"true", b"{", b'{"stream":', b"\xff\xfe", b'{"stream":1}',
    b'{"stream":"account.orderUpdate.X"}', b'{"stream":"account.orderUpdate.X","data":null}',
    b'{"stream":"account.orderUpdate.X","data":[]}', b'{"stream":"bookTicker.X","data":{"s":"X"}}', b"NaN",
    b'{"stream":"bookTicker.X","data":{"s":"X","a":NaN}}', b"[" * 100_000, b'{"a":' * 50_000, b"9" * 5_000,
    b"<html><body>502 Bad Gateway</body></html>",
]  # fmt: skip


@pytest.mark.parametrize("data", GARBAGE, ids=lambda data: repr(data[:20]))
def test_what_cannot_be_read_is_said_to_be_so_on_one_line(data: bytes) -> None:
    with pytest.raises(BadFrame) as refused:
        stream.message(data)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300


def test_quotes_and_positions() -> None:
    book = {"e": "bookTicker", "E": 1694687965941000, "s": SYMBOL, "a": "18.70", "A": "1.000", "b": "18.67",
            "B": "2.000", "u": "111063070525358080", "T": 1694687965940999}  # fmt: skip
    assert stream.message(said(book, f"bookTicker.{SYMBOL}")) == BookFacts(
        SYMBOL, D("18.67"), D("2.000"), D("18.70"), D("1.000"), 111063070525358080, 1694687965940
    )
    bare = {"s": SYMBOL, "b": None, "B": None, "a": "18.70", "A": "1", "u": 7, "T": 1000}
    assert stream.message(said(bare, f"bookTicker.{SYMBOL}")) == BookFacts(SYMBOL, D(0), D(0), D("18.70"), D(1), 7, 1)
    position = {"s": SYMBOL, "q": -5, "i": "1", "E": 1, "T": 1}  # the documents' example has numbers
    assert stream.message(said(position, f"account.positionUpdate.{SYMBOL}")) == PositionFacts(SYMBOL, D(-5))


# --- replies


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, {"code": "INVALID_ORDER", "message": "Order would immediately match and take"}, Refusal.POST_ONLY),
        (400, {"code": "INVALID_ORDER", "message": "Reduce-only order would not reduce"}, Refusal.REDUCE_ONLY),
        (400, {"code": "INVALID_ORDER", "message": "odd"}, Refusal.VENUE),
        (400, {"code": "INVALID_QUANTITY", "message": "below min"}, Refusal.SIZE),
        (400, {"code": "INVALID_PRICE", "message": "tick"}, Refusal.PRICE),
        (400, {"code": "INSUFFICIENT_MARGIN", "message": "no"}, Refusal.MARGIN),
        (400, {"code": "INSUFFICIENT_FUNDS", "message": "no"}, Refusal.MARGIN),
        (400, {"code": "INVALID_CLIENT_REQUEST", "message": "Duplicate client id"}, Refusal.DUPLICATE_ID),
        (400, {"code": "INVALID_ORDER", "message": "clientId already in use"}, Refusal.DUPLICATE_ID),
        (400, {"code": "INVALID_CLIENT_REQUEST", "message": "Client order ID 7 is in use"}, Refusal.DUPLICATE_ID),
        (400, {"code": "INVALID_ORDER", "message": "Order already exists"}, Refusal.DUPLICATE_ID),
        (400, {"code": "INVALID_ORDER", "message": "duplicate order"}, Refusal.DUPLICATE_ID),
        (400, {"code": "INVALID_CLIENT_REQUEST", "message": "An open order has the client id 7"}, Refusal.DUPLICATE_ID),
        (404, {"code": "RESOURCE_NOT_FOUND", "message": "Order not found"}, Refusal.NOT_FOUND),
        (400, {"code": "RESOURCE_NOT_FOUND", "message": ""}, Refusal.NOT_FOUND),  # whatever the status
        (400, {"code": "INVALID_ORDER", "message": "Order not found"}, Refusal.NOT_FOUND),
        (400, {"code": "TRADING_PAUSED", "message": "wait"}, Refusal.VENUE),
        (400, {"code": "BRAND_NEW", "message": 7}, Refusal.VENUE),
        (400, "Bad Request: parse request payload error: missing field", Refusal.VENUE),
        (429, {"code": "TOO_MANY_REQUESTS", "message": "slow"}, RateLimited),
        (400, {"code": "TOO_MANY_REQUESTS", "message": "slow"}, RateLimited),
        (401, {"code": "UNAUTHORIZED", "message": "no"}, AuthFailed),
        (400, {"code": "INVALID_SIGNATURE", "message": "no"}, AuthFailed),
        (500, {"code": "SERVER_ERROR", "message": "oops"}, OutcomeUnknown),
        (503, {"code": "MAINTENANCE", "message": "back soon"}, OutcomeUnknown),
        (500, {"code": "INSUFFICIENT_MARGIN", "message": "at a 5xx nothing is certain"}, OutcomeUnknown),
        (400, {"code": "TIMEOUT", "message": "late"}, OutcomeUnknown),
        (400, {"message": "no code"}, None),
        (400, {"code": 7}, None),
        (400, "<html>Bad Request</html>", None),
        (502, "", None),
        (400, "[]", None),
    ],
)
def test_what_the_venue_refused_and_what_stays_unknown(status: int, body: object, expected: object) -> None:
    raw = (body if isinstance(body, str) else json.dumps(body)).encode()
    error = reply.judge(status, raw)
    if isinstance(expected, Refusal):
        assert isinstance(error, Rejected)
        assert error.refusal is expected
    else:
        assert (None if error is None else type(error)) is expected


def rest_order(**changes: object) -> dict[str, Any]:
    """A reply with every optional key as null, as the venue sends it."""
    nulls = dict.fromkeys(
        ("relatedOrderId", "strategyId", "triggerPrice", "triggerQuantity", "reduceOnly", "stopLossTriggerPrice")
    )  # fmt: skip
    order: dict[str, Any] = {
        "orderType": "Limit", "id": "77", "clientId": 4242, "createdAt": 1700000000123, "executedQuantity": "0.5",
        "executedQuoteQuantity": "70.6", "postOnly": False, "price": "141.25", "quantity": "2.00", "status": "New",
        "selfTradePrevention": "RejectTaker", "side": "Ask", "symbol": SYMBOL, "timeInForce": "GTC",
    }  # fmt: skip
    return {name: value for name, value in (nulls | order | changes).items() if value is not ...}


REST = OrderFacts(
    SYMBOL, Side.SELL, "77", "4242", D("2.00"), D("141.25"), OrderState.PARTIALLY_FILLED, D("0.5"), 1700000000123,
    False, FillKind.TRADE,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, REST),
        ({"clientId": None}, replace(REST, client_id="")),
        ({"createdAt": "2023-11-14T22:13:20.123"}, REST),
        ({"createdAt": "2023-11-14T22:13:20"}, replace(REST, at_ms=1700000000000)),
        ({"createdAt": "2024-02-29T23:59:59.9999999"}, replace(REST, at_ms=1709251199999)),
        (
            {"orderType": "Market", "price": ..., "postOnly": ..., "status": "Filled", "executedQuantity": "2.00"},
            replace(REST, price=None, state=OrderState.FILLED, cum_qty=D("2.00")),
        ),
        (
            {"status": "Expired", "expiryReason": "ImmediateOrCancel"},
            replace(REST, state=OrderState.CANCELED, text="ImmediateOrCancel"),
        ),
        (
            {"status": "Expired", "executedQuantity": "0", "expiryReason": "PostOnlyTaker", "reduceOnly": True},
            replace(REST, state=OrderState.FAILED, cum_qty=D(0), refusal=Refusal.POST_ONLY, text="PostOnlyTaker",
                    reduce_only=True),
        ),
        ({"systemOrderType": "LiquidatePositionOnBook"}, replace(REST, kind=FillKind.LIQUIDATION)),
    ],
)  # fmt: skip
def test_orders_of_replies_and_histories(changes: dict[str, object], expected: OrderFacts) -> None:
    assert reply.one_order(json.dumps(rest_order(**changes)).encode()) == expected


@pytest.mark.parametrize(
    "changes",
    [
        *({"status": "Odd"}, {"status": ...}, {"id": ...}, {"executedQuantity": ...}, {"side": "Buy"}),
        *({"createdAt": when} for when in ("yesterday", "2023-13-01T00:00:00", -1, None)),
    ],
    ids=str,
)  # fmt: skip
def test_an_order_that_cannot_be_read(changes: dict[str, object]) -> None:
    with pytest.raises(BadFrame):
        reply.one_order(json.dumps(rest_order(**changes)).encode())


def test_a_batch_is_answered_item_by_item() -> None:
    items = [
        {"operation": "Ok", **rest_order()},
        {"operation": "Err", "code": "INSUFFICIENT_MARGIN", "message": "no"},
        {"operation": "Err"},
        {"operation": "Ok", "id": 1},
    ]
    good, refused, odd, bad = reply.batch_reply(json.dumps(items).encode(), 4)
    assert good == REST
    assert isinstance(refused, Rejected)
    assert refused.refusal is Refusal.MARGIN
    assert isinstance(odd, OutcomeUnknown)
    assert isinstance(bad, OutcomeUnknown)
    with pytest.raises(BadFrame, match="4 answers to 3 orders"):
        reply.batch_reply(json.dumps(items).encode(), 3)


def fill_row(**changes: object) -> dict[str, Any]:
    row: dict[str, Any] = {
        "clientId": "4242", "fee": "0.01", "feeSymbol": "USDC", "isMaker": False, "orderId": "77", "price": "141.25",
        "quantity": "0.5", "side": "Bid", "symbol": SYMBOL, "systemOrderType": None,
        "timestamp": "2023-11-14T22:13:20.5", "tradeId": 9,
    }  # fmt: skip
    return {name: value for name, value in (row | changes).items() if value is not ...}


def test_fills_of_the_history_come_oldest_first() -> None:
    rows = [
        fill_row(
            timestamp="2023-11-14T22:13:22", tradeId=None, clientId=None, systemOrderType="LiquidatePositionOnAdl"
        ),
        fill_row(),
        fill_row(timestamp="2023-11-14T22:13:21", tradeId=0, isMaker=True, side="Ask", fee="-0.001"),
    ]
    pages = [reply.page(json.dumps(some).encode()) for some in (rows[:2], rows[2:])]
    trade = Trade("9", D("0.5"), D("141.25"), D("0.01"), "USDC", False)
    assert reply.fill_rows(pages) == [
        FillRow(SYMBOL, Side.BUY, "77", "4242", 1700000000500, FillKind.TRADE, trade),
        FillRow(SYMBOL, Side.SELL, "77", "4242", 1700000001000, FillKind.TRADE,
                replace(trade, trade_id="z1", fee=D("-0.001"), maker=True)),
        FillRow(SYMBOL, Side.BUY, "77", "", 1700000002000, FillKind.ADL, replace(trade, trade_id="z1.5")),
    ]  # fmt: skip


def test_positions_are_signed() -> None:
    rows = [
        {"symbol": SYMBOL, "netQuantity": "-1.5", "entryPrice": "140", "estLiquidationPrice": "0", "markPrice": "141"},
        {"symbol": "ETH_USDC_PERP", "netQuantity": "2", "entryPrice": "3000", "estLiquidationPrice": "1000.5"},
    ]
    assert reply.position_rows(json.dumps(rows).encode()) == [
        PositionRow(SYMBOL, D("-1.5"), D(140), None, D(141)),
        PositionRow("ETH_USDC_PERP", D(2), D(3000), D("1000.5"), None),
    ]


def test_margin_and_balances() -> None:
    body = json.dumps(
        {"netEquity": "1000", "netEquityAvailable": "900", "mmf": "9", "netExposureFutures": "-400", "collateral":
         [{"symbol": "USDC", "totalQuantity": "1000"}, {"symbol": "SOL", "totalQuantity": "3", "lendQuantity": "1"}]}
    ).encode()  # fmt: skip
    positions = [
        {"mmf": "0.0125", "netQuantity": "-4", "markPrice": "100"},
        {"mmf": "0.5", "netQuantity": "2", "markPrice": "3"},
    ]
    assert reply.margin_of(body, json.dumps(positions).encode(), "a") == Margin("a", D(1000), D(900), D(8))
    assert reply.margin_of(body, b"[]", "a").maintenance == 0
    assert (reply.asset_total(body, "SOL"), reply.asset_total(body, "BTC")) == (D(3), D(0))


def market(**changes: object) -> bytes:
    said: dict[str, Any] = {
        "symbol": SYMBOL, "baseSymbol": "SOL", "quoteSymbol": "USDC", "marketType": "PERP",
        "filters": {"price": {"minPrice": "0.01", "tickSize": "0.01"},
                    "quantity": {"minQuantity": "0.01", "stepSize": "0.01", "maxQuantity": None}},
        "imfFunction": {"type": "sqrt", "base": "0.02", "factor": "0.00006"},
        "mmfFunction": {"type": "sqrt", "base": "0.0125", "factor": "0.00003"},
        "orderBookState": "Open", "createdAt": "2025-01-21T06:34:54.691858", "visible": True,
    }  # fmt: skip
    return json.dumps(said | changes).encode()


ACCOUNT = json.dumps(
    {
        "futuresMakerFee": "-0.5",
        "futuresTakerFee": "5",
        "spotMakerFee": "8",
        "spotTakerFee": "10",
        "leverageLimit": "10",
    }
).encode()


def test_instruments_and_fees_in_basis_points() -> None:
    perp = reply.instrument_of(market(), ACCOUNT, venue="bp", market="SOL-PERP")
    assert (perp.kind, perp.base, perp.quote) == (MarketKind.PERP, "SOL", "USDC")
    assert (perp.tick, perp.lot, perp.min_qty, perp.max_qty) == (D("0.01"), D("0.01"), D("0.01"), None)
    assert (perp.maker_fee, perp.taker_fee, perp.fee_in_received) == (D("-0.00005"), D("0.0005"), False)
    assert (perp.initial_margin, perp.maintenance_margin) == (D("0.1"), D("0.0125"))  # ten times is all the account may
    spot = reply.instrument_of(market(marketType="SPOT", symbol="SOL_USDC"), ACCOUNT, venue="bp", market="SOL-USDC")
    assert (spot.kind, spot.taker_fee, spot.fee_in_received) == (MarketKind.SPOT, D("0.001"), True)
    with pytest.raises(Rejected, match="PREDICTION"):
        reply.instrument_of(market(marketType="PREDICTION"), ACCOUNT, venue="bp", market="x")
    zero_tick = {"price": {"tickSize": "0"}, "quantity": {"minQuantity": "1", "stepSize": "1"}}
    with pytest.raises(BadFrame, match="above 0"):
        reply.instrument_of(market(filters=zero_tick), ACCOUNT, venue="bp", market="x")


def test_the_best_of_a_snapshot_whatever_its_order() -> None:
    body = {"asks": [["142", "1"], ["141.5", "2"], ["143", "3"]], "bids": [["139", "1"], ["141", "4"], ["141.4", "0"]],
            "lastUpdateId": "12", "timestamp": 1700000000123456}  # fmt: skip
    assert reply.depth_best(json.dumps(body).encode(), SYMBOL) == BookFacts(
        SYMBOL, D(141), D(4), D("141.5"), D(2), 12, 1700000000123
    )


READERS: list[Callable[[bytes], object]] = [
    reply.one_order,
    reply.order_list,
    lambda body: reply.batch_reply(body, 1),
    lambda body: reply.fill_rows([reply.page(body)]),
    reply.position_rows,
    lambda body: reply.margin_of(body, b"[]", "a"),
    lambda body: reply.instrument_of(body, ACCOUNT, venue="bp", market="x"),
    lambda body: reply.depth_best(body, SYMBOL),
    reply.server_ms,
    reply.maintenance,
]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("body", [b"", b"<html>502</html>", b"{}", b"[[]]", b"[null]", b'"x"', b"\xff", b"null"])
def test_a_reply_that_cannot_be_read_is_never_an_answer(read: Callable[[bytes], object], body: bytes) -> None:
    with pytest.raises(BadFrame):
        read(body)


def test_the_venues_clock_and_its_closing_times() -> None:
    assert reply.server_ms(b"1700000000123\n") == 1700000000123
    assert reply.maintenance(b'{"status":"Ok","message":null}') == ""
    assert reply.maintenance(b'{"status":"Maintenance","message":"until noon"}') == "Maintenance: until noon"
    assert reply.maintenance(b'{"status":"Maintenance","message":null}') == "Maintenance: no reason given"
