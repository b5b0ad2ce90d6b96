"""Local venues take whatever a client sends: every request is answered, and no frame breaks a stream."""

from __future__ import annotations

import json
import os
from typing import Any

from binance_kit import SYMBOL, BinanceUser, binance
from hypothesis import given, settings
from hypothesis import strategies as st
from paper_clock import PaperClock
from venue_kit import PERP, Answers, BackpackUser, LighterUser, backpack, lighter, stream, subscription

from exchanges.types import MarketKind
from exchanges.venues.backpack.model import BackpackOptions
from exchanges.venues.local import LocalVenue
from exchanges.venues.seam import Reply, Request

EXAMPLES = int(os.environ.get("EAGLE_FUZZ", "50"))  # EAGLE_FUZZ=50000 searches longer

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 1 << 70), st.floats(), st.text(max_size=12),
    st.sampled_from(["Bid", "Limit", "Market", "0", "-1", "1e9", "NaN", "0.1", PERP, "٣", "1" * 400]),
)  # fmt: skip
NAMES = st.sampled_from(
    [
        *("symbol", "side", "orderType", "price", "quantity", "quoteQuantity", "clientId", "orderId", "timeInForce"),
        *("postOnly", "reduceOnly", "selfTradePrevention", "x"),
    ]
)  # fmt: skip
OBJECTS = st.dictionaries(NAMES, SCALARS, max_size=8)
JSON = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4))
)
PATHS = [
    "/api/v1/order",
    "/api/v1/orders",
    "/api/v1/position",
    "/wapi/v1/history/fills",
    "/api/v1/depth",
    "/api/v1/trades",
]
LIGHTER_PATHS = [
    "sendTx",
    "sendTxBatch",
    "tx",
    "account",
    "accountInactiveOrders",
    "orderBookOrders",
    "trades",
    "apikeys",
]


def answered(venue: LocalVenue, request: Request) -> Reply:
    answers = Answers()
    venue.request(request, answers.take)
    (reply,) = answers.replies
    assert isinstance(reply, Reply)
    if reply.content_type.startswith("application/json") and reply.body:
        json.loads(reply.body)
    return reply


VENUE = backpack(options=BackpackOptions(requests_per_minute=1 << 40))
USER = BackpackUser(VENUE)
CLOCK = PaperClock()
LIGHTER = LighterUser(lighter(clock=CLOCK), CLOCK)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.sampled_from(["GET", "POST", "DELETE", "PATCH"]),
    st.sampled_from(PATHS),
    st.binary(max_size=60),
    st.text(max_size=40),
)
def test_any_request_of_anybody_is_answered(method: str, path: str, body: bytes, query: str) -> None:
    headers = {"x-api-key": query, "x-timestamp": query, "x-window": query, "x-signature": query}
    assert answered(VENUE, Request(method, path, query, headers, body, "p")).status in (200, 400, 401, 404, 429)
    assert not VENUE.exchange.ledger.orders


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.sampled_from(["POST", "DELETE"]), st.sampled_from(PATHS[:2]), st.one_of(OBJECTS, st.lists(OBJECTS, max_size=3))
)
def test_any_signed_body_is_answered(method: str, path: str, body: Any) -> None:
    instruction = {"POST": "orderExecute", "DELETE": "orderCancel" if path == PATHS[0] else "orderCancelAll"}[method]
    raw = json.dumps(body).encode()
    reply = answered(VENUE, USER.signed_raw(instruction, method, path, raw))
    assert reply.status in (200, 400, 404, 429)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.one_of(st.text(max_size=40), JSON.map(json.dumps), st.builds(
    lambda params, method: json.dumps({"method": method, "params": params, "signature": params}),
    st.one_of(st.lists(st.text(max_size=20), max_size=4), SCALARS), st.sampled_from(["SUBSCRIBE", "UNSUBSCRIBE"]),
)))  # fmt: skip
def test_any_frame_leaves_a_stream_that_works(text: str) -> None:
    session, wire = stream(VENUE)
    session.on_text(text)
    wire.take()
    session.on_text(subscription(USER, f"bookTicker.{PERP}"))
    assert wire.take()[0]["stream"] == f"bookTicker.{PERP}"
    session.on_closed()


TX_FIELDS = st.sampled_from(
    [
        *("AccountIndex", "ApiKeyIndex", "Nonce", "ExpiredAt", "Sig", "MarketIndex", "ClientOrderIndex", "BaseAmount"),
        *("Price", "IsAsk", "Type", "TimeInForce", "ReduceOnly", "TriggerPrice", "OrderExpiry", "L2TxAttributes"),
        *("Index", "Time"),
    ]
)  # fmt: skip


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.dictionaries(
        TX_FIELDS, st.one_of(SCALARS, st.dictionaries(st.sampled_from(["4", "5", "6", "7"]), SCALARS)), max_size=4
    )
)
def test_any_change_of_a_transaction_is_answered(changes: dict[str, Any]) -> None:
    form = LIGHTER.order(2_000, 259_000)
    form["tx_info"] = json.dumps({**json.loads(form["tx_info"]), **changes})
    status, told = LIGHTER.send(form)
    assert status in (200, 400, 429)
    assert told["code"] == 200 or status != 200
    LIGHTER.run(61_000_000_000)  # the budget of a minute
    LIGHTER.nonce = LIGHTER.venue.sequencer.nonces[LIGHTER.index]


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(["GET", "POST"]), st.sampled_from(LIGHTER_PATHS), st.binary(max_size=60), st.text(max_size=40))
def test_any_request_to_lighter_is_answered(method: str, path: str, body: bytes, query: str) -> None:
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", query):
        headers = {"content-type": kind, "authorization": query}
        reply = answered(LIGHTER.venue, Request(method, f"/api/v1/{path}", query, headers, body, "p"))
        assert reply.status in (200, 400, 404, 429)
    LIGHTER.run(61_000_000_000)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.one_of(st.text(max_size=40), JSON.map(json.dumps), st.builds(
    lambda kind, data: json.dumps({"type": kind, "channel": data, "data": data, "auth": data}),
    st.sampled_from(["subscribe", "unsubscribe", "jsonapi/sendtx", "jsonapi/sendtxbatch", "ping"]), JSON,
)))  # fmt: skip
def test_any_frame_leaves_a_lighter_stream_that_works(text: str) -> None:
    session, wire = stream(LIGHTER.venue, "/stream")
    session.on_text(text)
    wire.take()
    session.on_text('{"type":"subscribe","channel":"ticker/0"}')
    assert wire.take()[-1]["type"] == "subscribed/ticker"
    session.on_closed()
    LIGHTER.run(61_000_000_000)


BINANCE = [BinanceUser(binance(kind)) for kind in (MarketKind.SPOT, MarketKind.PERP)]
BINANCE_PATHS = [
    *("order", "openOrders", "batchOrders", "userTrades", "myTrades", "allOrders", "depth", "listenKey"),
    *("exchangeInfo", "countdownCancelAll"),
]
BINANCE_FIELDS = st.sampled_from(
    [
        *("symbol", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price", "newClientOrderId", "limit"),
        *("newOrderRespType", "selfTradePreventionMode", "reduceOnly", "orderId", "origClientOrderId", "recvWindow"),
        *("batchOrders", "countdownTime", "startTime", "fromId", "positionSide"),
    ]
)  # fmt: skip
BINANCE_VALUES = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["BUY", "LIMIT", "MARKET", "GTX", "0", "1e9", "-1", SYMBOL, "\u0663", "9" * 30]),
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.sampled_from(BINANCE),
    st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    st.sampled_from(BINANCE_PATHS),
    st.dictionaries(BINANCE_FIELDS, BINANCE_VALUES, max_size=6),
    st.binary(max_size=20),
)
def test_any_request_to_binance_is_answered(
    user: BinanceUser, method: str, path: str, fields: dict[str, str], rest: bytes
) -> None:
    good = user.order("BUY", "1", "2500") if path == "order" and method == "POST" else {"symbol": SYMBOL}
    request = user.request(method, path, good | fields)
    for each in (request, Request(method, request.path, request.query, request.headers, request.body + rest, "p")):
        assert answered(user.venue, each).status in (200, 400, 401, 404, 429)
    user.run(61_000_000_000)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(BINANCE), st.one_of(st.text(max_size=40), JSON.map(json.dumps), st.builds(
    lambda method, params, number: json.dumps({"id": number, "method": method, "params": params}),
    st.sampled_from(["order.place", "order.cancel", "session.logon", "userDataStream.subscribe.signature", "x"]),
    st.one_of(st.dictionaries(BINANCE_FIELDS, SCALARS, max_size=4), SCALARS), SCALARS,
)))  # fmt: skip
def test_any_frame_leaves_a_binance_connection_that_works(user: BinanceUser, text: str) -> None:
    session, wire = user.api()
    session.on_text(text)
    wire.take()
    assert user.asked(session, wire, "order.status", symbol=SYMBOL, origClientOrderId="never")["error"]["code"] == -2013
    session.on_closed()
    user.run(61_000_000_000)
