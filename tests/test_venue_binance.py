"""The local Binance, judged from the venue's documents: signatures, orders, refusals, lists, streams, faults."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from binance_kit import MS, SYMBOL, BinanceUser, S, binance
from venue_kit import D, ask, decoded, picked, public

from cli.fault_plan import load_fault_plan
from cli.locate import Source
from engine.runtime.chance import Stream
from exchanges.market import MarketQuote, MarketTrade
from exchanges.types import MarketKind, Side
from exchanges.venues.binance.model import Binance
from exchanges.venues.binance.trading import BinanceOptions
from exchanges.venues.binance.wire import Key
from exchanges.venues.faults import Faults
from exchanges.venues.seam import Reply, Request

SPOT, PERP = MarketKind.SPOT, MarketKind.PERP
BOTH = pytest.mark.parametrize("kind", [SPOT, PERP], ids=["spot", "futures"])
POST_ONLY = {SPOT: {"type": "LIMIT_MAKER", "timeInForce": None}, PERP: {"timeInForce": "GTX"}}
HMAC = Key("a", secret="binance_demo_secret_0001")
ED25519 = Key("a", public=base64.b64decode("A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="))
WS_TEXT = "apiKey=bn_demo_key&timestamp=1772171045855"
ED25519_SIGNATURE = "OEVeQsFh8bPWoSJkNZhR3IPLN8PCMz7v6g8J9+WyZyyq0iGJ0Bl0QDdrBKlwMHKdJNim7Ah0j1Lpt8ubGkSUDw=="


@pytest.mark.parametrize(
    ("key", "text", "signature"),
    [
        (
            HMAC,
            "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=IOC&quantity=0.01&price=99999.9&newClientOrderId=h-000001"
            "&recvWindow=5000&timestamp=1772171045855",
            "e8847a8abd1dc7bb2baa7d02803fcec02661a1aaae69d5877513df041445cce5",
        ),
        (HMAC, WS_TEXT, "25d2b25f5f1c36d45488a92f69f1453afa26e17ceef0f727426a92aa6ba307cf"),
        (HMAC, WS_TEXT, "25D2B25F5F1C36D45488A92F69F1453AFA26E17CEEF0F727426A92AA6BA307CF"),
        (ED25519, WS_TEXT, ED25519_SIGNATURE),
    ],
)
def test_worked_signatures(key: Key, text: str, signature: str) -> None:
    assert key.verifies(text, signature)
    assert not key.verifies(text.replace("1772", "1773"), signature)


def test_an_ed25519_signature_is_case_sensitive() -> None:
    assert not ED25519.verifies(WS_TEXT, ED25519_SIGNATURE.lower())


@BOTH
def test_a_request_that_is_not_signed_as_it_is_sent_is_refused(kind: MarketKind) -> None:
    user = BinanceUser(binance(kind))
    good = user.request("POST", "order", user.order("BUY", "1", "2500"))
    late, now_ms = 6_000, user.venue.exchange.now_ms()
    for request, status, code in (
        (replace(good, headers={}), 401, -2015),
        (replace(good, headers={"x-mbx-apikey": "key-nobody"}), 401, -2015),
        (replace(good, headers={"x-mbx-apikey": "key-bob"}), 400, -1022),
        (replace(good, body=good.body.replace(b"quantity=1", b"quantity=2")), 400, -1022),
        (replace(good, body=good.body + b"&price=1"), 400, -1022),
        (user.request("POST", "order", user.order("BUY", "1", "2500"), at_ms=now_ms - late), 400, -1021),
        (user.request("POST", "order", user.order("BUY", "1", "2500"), at_ms=now_ms + 1_000), 400, -1021),
    ):
        got = decoded(ask(user.venue, request))
        assert (got[0], got[1]["code"]) == (status, code)
    assert user.get("openOrders", symbol=SYMBOL) == []
    assert decoded(ask(user.venue, good))[0] == 200


@BOTH
def test_what_everybody_may_ask(kind: MarketKind) -> None:
    venue = binance(kind)
    root = BinanceUser(venue).root
    (market,) = public(venue, f"{root}/exchangeInfo")[1]["symbols"]
    filters = {it["filterType"]: it for it in market["filters"]}
    assert (market["baseAsset"], market["quoteAsset"], market["status"]) == ("ETH", "USDT", "TRADING")
    assert (filters["PRICE_FILTER"]["tickSize"], filters["LOT_SIZE"]["stepSize"]) == ("0.01", "0.0001")
    assert filters["MARKET_LOT_SIZE"]["stepSize"] == "0"
    least = filters["NOTIONAL"]["minNotional"] if kind is SPOT else filters["MIN_NOTIONAL"]["notional"]
    assert least == "5"
    best = public(venue, f"{root}/ticker/bookTicker", f"symbol={SYMBOL}")[1]
    assert picked(best, ("bidPrice", "bidQty", "askPrice", "askQty")) == {
        "bidPrice": "2600.00", "bidQty": "5.0000", "askPrice": "2600.10", "askQty": "5.0000",
    }  # fmt: skip
    assert ("time" in best) is (kind is PERP)
    assert public(venue, f"{root}/depth", "symbol=NONE")[1]["code"] == -1121
    assert public(venue, f"{root}/nowhere")[0] == 404


@BOTH
def test_an_order_rests_fills_and_is_found_by_either_id_for_ever(kind: MarketKind) -> None:
    user = BinanceUser(binance(kind))
    other = BinanceUser(user.venue, "bob")
    placed = user.place("BUY", "0.5", "2600.05", newClientOrderId="e1r1a1", **POST_ONLY[kind])
    assert (placed["clientOrderId"], placed["status"], placed["executedQty"]) == ("e1r1a1", "NEW", "0")
    other.place("SELL", "0.2", "2600.05", timeInForce="IOC")
    for asked in ({"origClientOrderId": "e1r1a1"}, {"orderId": placed["orderId"]}):
        row = user.get("order", symbol=SYMBOL, **asked)
        assert picked(row, ("status", "executedQty", "origQty", "price", "side")) == {
            "status": "PARTIALLY_FILLED", "executedQty": "0.2000", "origQty": "0.5000", "price": "2600.05",
            "side": "BUY",
        }  # fmt: skip
    assert [it["orderId"] for it in user.get("openOrders", symbol=SYMBOL)] == [placed["orderId"]]
    cancelled = user.call("DELETE", "order", symbol=SYMBOL, origClientOrderId="e1r1a1")[1]
    assert cancelled["status"] == "CANCELED"
    assert cancelled.get("origClientOrderId", "e1r1a1") == "e1r1a1"
    assert user.get("order", symbol=SYMBOL, orderId=placed["orderId"])["status"] == "CANCELED"
    assert user.code("DELETE", "order", symbol=SYMBOL, origClientOrderId="e1r1a1") == -2011
    assert user.code("GET", "order", symbol=SYMBOL, origClientOrderId="never") == -2013
    (fill,) = user.get("myTrades" if kind is SPOT else "userTrades", symbol=SYMBOL)
    assert (fill["qty"], fill["price"], fill["orderId"]) == ("0.2000", "2600.05", placed["orderId"])
    assert (fill["commissionAsset"], fill["isMaker" if kind is SPOT else "maker"]) == (
        "ETH" if kind is SPOT else "USDT", True,
    )  # fmt: skip


REFUSED: list[tuple[dict[str, Any], int, int]] = [
    ({"price": "2600.001"}, -1013, -4014),
    ({"quantity": "0.00015"}, -1013, -4004),
    ({"quantity": "1.00005"}, -1013, -4023),
    ({"price": "0.01"}, -1013, -4164),
    ({"quantity": "1000"}, -2010, -2019),
    ({"symbol": "NONE"}, -1121, -1121),
    ({"side": "LONG"}, -1117, -1117),
    ({"type": "STOP"}, -1116, -1116),
    ({"timeInForce": "DAY"}, -1115, -1115),
    ({"timeInForce": None}, -1102, -1102),
    ({"price": "1e3"}, -1100, -1100),
    ({"newClientOrderId": "a b"}, -1100, -1100),
    ({"selfTradePreventionMode": "MAYBE"}, -1130, -1130),
]


@pytest.mark.parametrize(("changes", "spot", "futures"), REFUSED)
@BOTH
def test_refusals(kind: MarketKind, changes: dict[str, Any], spot: int, futures: int) -> None:
    user = BinanceUser(binance(kind))
    fields = user.order("BUY", "1", "2600") | changes
    _, told = user.call("POST", "order", **{name: value for name, value in fields.items() if value is not None})
    assert told["code"] == (spot if kind is SPOT else futures)
    assert user.get("openOrders", symbol=SYMBOL) == []


def test_a_reduce_only_order_may_be_worth_less_than_the_least_notional() -> None:
    """-4164: "… (unless you choose reduce only)"."""
    user = BinanceUser(binance(PERP))
    user.place("BUY", "1", None)
    small = {"quantity": "0.001", "newOrderRespType": "RESULT"}
    _, told = user.call("POST", "order", **(user.order("SELL", "1", None) | small))
    assert told["code"] == -4164
    _, told = user.call("POST", "order", **(user.order("SELL", "1", None) | small | {"reduceOnly": "true"}))
    assert (told["status"], told["executedQty"]) == ("FILLED", "0.0010")


@BOTH
def test_a_post_only_order_that_would_take_is_refused(kind: MarketKind) -> None:
    user = BinanceUser(binance(kind))
    told = user.place("BUY", "1", "2600.10", **POST_ONLY[kind])
    assert told["code"] == (-2010 if kind is SPOT else -5022)


def test_a_post_only_order_that_would_take_may_expire_instead() -> None:
    user = BinanceUser(binance(PERP, options=BinanceOptions(post_only_expires=True)))
    told = user.place("BUY", "1", "2600.10", newOrderRespType="RESULT", **POST_ONLY[PERP])
    assert (told["status"], told["executedQty"]) == ("EXPIRED", "0")


@BOTH
def test_a_client_id_is_unique_among_open_orders_only(kind: MarketKind) -> None:
    user = BinanceUser(binance(kind))
    first = user.place("BUY", "1", "2500", newClientOrderId="a")
    assert user.place("BUY", "1", "2501", newClientOrderId="a")["code"] == (-2010 if kind is SPOT else -4116)
    user.call("DELETE", "order", symbol=SYMBOL, orderId=first["orderId"])
    again = user.place("BUY", "1", "2501", newClientOrderId="a")
    assert again["orderId"] > first["orderId"]
    assert user.get("order", symbol=SYMBOL, origClientOrderId="a")["orderId"] == again["orderId"]


@BOTH
def test_what_an_ioc_order_does_not_take_expires(kind: MarketKind) -> None:
    user = BinanceUser(binance(kind))
    told = user.place("SELL", "1.5", "2600", timeInForce="IOC", newOrderRespType="RESULT")
    assert (told["status"], told["executedQty"]) == ("FILLED", "1.5000")
    most = "0.5" if kind is SPOT else "6"
    qty = user.place("SELL", most, "2600", timeInForce="IOC", newOrderRespType="RESULT")
    assert qty["status"] == ("FILLED" if kind is SPOT else "EXPIRED")


def test_a_spot_buy_delivers_less_by_its_fee_and_the_reply_names_each_fill() -> None:
    user = BinanceUser(binance(SPOT))
    told = user.place("BUY", "1")
    assert told["fills"] == [
        {"price": "2600.10", "qty": "1.0000", "commission": "0.00050000", "commissionAsset": "ETH", "tradeId": 1}
    ]
    assert told["cummulativeQuoteQty"] == "2600.100000"
    held = {row["asset"]: row["free"] for row in user.get("account")["balances"]}
    assert (held["ETH"], held["USDT"]) == ("2.9995", "7399.9")
    assert D(user.get("account/commission", symbol=SYMBOL)["standardCommission"]["taker"]) == D("0.0005")


def test_futures_positions_are_signed_and_margin_is_bound() -> None:
    user = BinanceUser(binance(PERP))
    assert user.get("/fapi/v3/positionRisk") == []
    user.place("SELL", "1.5", newOrderRespType="RESULT")
    (row,) = user.get("/fapi/v3/positionRisk", symbol=SYMBOL)
    assert picked(row, ("positionAmt", "positionSide", "entryPrice", "markPrice")) == {
        "positionAmt": "-1.5000", "positionSide": "BOTH", "entryPrice": "2600", "markPrice": "2600.05",
    }  # fmt: skip
    account = user.get("/fapi/v3/account")
    fee, mark = D("1.5") * 2600 * D("0.0005"), D("2600.05")
    assert D(account["totalMarginBalance"]) == 10_000 - fee - D("1.5") * D("0.05")
    assert D(account["availableBalance"]) == D(account["totalMarginBalance"]) - D("1.5") * mark * D("0.1")
    assert user.get("positionSide/dual") == {"dualSidePosition": False}
    assert user.get("symbolConfig", symbol=SYMBOL)[0]["leverage"] == 10
    assert user.place("BUY", "3", reduceOnly="true", newOrderRespType="RESULT")["executedQty"] == "1.5000"
    assert user.place("BUY", "1", reduceOnly="true")["code"] == -2022


def test_a_batch_is_answered_one_by_one_and_takes_five() -> None:
    user = BinanceUser(binance(PERP))
    orders = [user.order("BUY", "1", "2500"), user.order("BUY", "1", "2500.001"), user.order("SELL", "1", "2700")]
    _, told = user.call("POST", "batchOrders", batchOrders=json.dumps(orders))
    assert [row.get("code", "taken") for row in told] == ["taken", -4014, "taken"]
    assert user.code("POST", "batchOrders", batchOrders=json.dumps(orders * 2)) == -4082
    assert len(user.get("openOrders", symbol=SYMBOL)) == 2


def test_a_futures_order_is_changed_and_ends_where_it_would_take() -> None:
    user = BinanceUser(binance(PERP))
    told = user.place("BUY", "1", "2500", **POST_ONLY[PERP])
    ids = {"symbol": SYMBOL, "orderId": told["orderId"], "side": "BUY"}
    changed = user.call("PUT", "order", quantity="2", price="2501", **ids)[1]
    assert (changed["origQty"], changed["price"], changed["status"]) == ("2.0000", "2501.00", "NEW")
    assert user.code("PUT", "order", quantity="2", price="2501", **ids) == -5027
    assert user.call("PUT", "order", quantity="2", price="2600.10", **ids)[1]["status"] == "CANCELED"


def test_all_orders_of_a_market_are_cancelled_unless_the_countdown_is_set_again() -> None:
    user = BinanceUser(binance(PERP))
    user.place("BUY", "1", "2500")
    user.call("POST", "countdownCancelAll", symbol=SYMBOL, countdownTime=10_000)
    user.run(8 * S)
    user.call("POST", "countdownCancelAll", symbol=SYMBOL, countdownTime=10_000)
    user.run(8 * S)
    assert len(user.get("openOrders", symbol=SYMBOL)) == 1
    user.run(3 * S)
    assert user.get("openOrders", symbol=SYMBOL) == []


@BOTH
def test_orders_and_weight_have_limits(kind: MarketKind) -> None:
    user = BinanceUser(binance(kind))
    codes = [user.place("BUY", "1", "1").get("code") for _ in range(301)]
    limit = 100 if kind is SPOT else 300
    assert codes[limit - 1] != -1015
    assert codes[limit] == -1015
    root = user.root
    reply = Reply(0)
    for _ in range(7_000):
        reply = ask(user.venue, Request("GET", f"{root}/time", "", {}, b"", "10.0.0.9"))
        if reply.status != 200:
            break
    assert (reply.status, json.loads(reply.body)["code"], dict(reply.headers)["Retry-After"]) == (429, -1003, "60")


# -- the WebSocket API -------------------------------------------------------------------------------------------


@BOTH
def test_orders_come_by_the_websocket_api_too(kind: MarketKind) -> None:
    user = BinanceUser(binance(kind))
    session, wire = user.api()
    fields = user.order("BUY", "1", "2500", newClientOrderId="a")
    placed = user.asked(session, wire, "order.place", number="x7", **fields)
    assert (placed["id"], placed["status"], placed["result"]["clientOrderId"]) == ("x7", 200, "a")
    status = user.asked(session, wire, "order.status", symbol=SYMBOL, origClientOrderId="a")
    assert (status["id"], status["result"]["status"]) == (1, "NEW")
    gone = user.asked(session, wire, "order.cancel", symbol=SYMBOL, origClientOrderId="a")
    assert gone["result"]["status"] == "CANCELED"
    never = user.asked(session, wire, "order.cancel", symbol=SYMBOL, origClientOrderId="a")
    assert (never["status"], never["error"]["code"]) == (400, -2011)
    session.on_text(user.message("order.place", **fields).replace('"2500"', '"2501"'))
    (wrong,) = wire.take()
    assert (wrong["status"], wrong["error"]["code"]) == (400, -1022)
    session.on_text("{")
    (wrong,) = wire.take()
    assert (wrong["id"], wrong["error"]["code"]) == (None, -1135)


def test_a_logon_needs_an_ed25519_key_and_spares_the_signature_from_then_on() -> None:
    user = BinanceUser(binance(SPOT))
    session, wire = user.api()
    assert user.asked(session, wire, "session.logon")["error"]["code"] == -4056
    session.on_text(json.dumps({"id": 1, "method": "order.place", "params": {"timestamp": 1}}))
    assert wire.take()[0]["error"]["code"] == -2015


def test_spot_tells_of_an_account_on_the_websocket_api_with_the_order_s_own_id_in_a_cancel() -> None:
    user = BinanceUser(binance(SPOT))
    wire = user.listen()
    user.place("BUY", "1", "2500", newClientOrderId="a")
    user.call("DELETE", "order", symbol=SYMBOL, origClientOrderId="a", newClientOrderId="c9")
    user.place("SELL", "1", newClientOrderId="b")
    events = [it["event"] for it in wire.take() if it["subscriptionId"] == 0]
    told = [it for it in events if it["e"] == "executionReport"]
    assert [(it["x"], it["X"], it["c"], it["C"]) for it in told] == [
        ("NEW", "NEW", "a", ""), ("CANCELED", "CANCELED", "c9", "a"), ("NEW", "NEW", "b", ""),
        ("TRADE", "FILLED", "b", ""),
    ]  # fmt: skip
    assert picked(told[-1], ("l", "L", "z", "n", "N", "m", "t", "q", "S")) == {
        "l": "1.0000", "L": "2600.00", "z": "1.0000", "n": "1.3000000000", "N": "USDT", "m": False, "t": 1,
        "q": "1.0000", "S": "SELL",
    }  # fmt: skip
    held = [it for it in events if it["e"] == "outboundAccountPosition"][-1]["B"]
    assert {row["a"]: row["f"] for row in held} == {"USDT": "12598.7", "ETH": "1"}


def test_futures_tell_of_an_account_on_a_stream_that_a_listen_key_opens() -> None:
    user = BinanceUser(binance(PERP))
    wire = user.listen()
    user.place("SELL", "1", newClientOrderId="b")
    new, account, fill = wire.take()
    assert (new["o"]["x"], new["o"]["X"], new["o"]["c"], "N" in new["o"]) == ("NEW", "NEW", "b", False)
    assert account["a"]["P"][0]["pa"] == "-1.0000"
    assert picked(fill["o"], ("x", "X", "l", "L", "z", "n", "N", "m", "t", "ps")) == {
        "x": "TRADE", "X": "FILLED", "l": "1.0000", "L": "2600.00", "z": "1.0000", "n": "1.3000000000", "N": "USDT",
        "m": False, "t": 1, "ps": "BOTH",
    }  # fmt: skip
    for path, query, status in (("/private/ws", "listenKey=x", 400), ("/ws/ethusdt@bookTicker", "", 404)):
        refused = user.venue.open_stream(Request("GET", path, query, {}, b"", ""), wire)
        assert isinstance(refused, Reply)
        assert refused.status == status


def test_a_listen_key_expires_after_an_hour_unless_it_is_asked_for_again() -> None:
    user = BinanceUser(binance(PERP))
    key = user.call("POST", "listenKey")[1]["listenKey"]
    session, wire = user.stream("/private/ws", f"listenKey={key}")

    def wait(minutes: int) -> None:
        for _ in range(minutes):
            user.run(60 * S)
            session.on_pong()

    wait(50)
    assert user.call("POST", "listenKey")[1]["listenKey"] == key
    wait(59)
    assert [it for it in wire.take() if isinstance(it, dict)] == []
    wait(2)
    assert [it["e"] for it in wire.take() if isinstance(it, dict)] == ["listenKeyExpired"]
    user.place("SELL", "1")
    assert wire.take() == []
    assert user.code("PUT", "listenKey") == -1125


@BOTH
def test_best_prices_come_when_they_change(kind: MarketKind) -> None:
    events = [MarketQuote(at * S, 260_000 + at, 50_000, 260_010 + at, 50_000) for at in (0, 1, 2)]
    user = BinanceUser(binance(kind, events))
    session, wire = user.stream("/ws" if kind is SPOT else "/public/ws")
    session.on_text(json.dumps({"method": "SUBSCRIBE", "params": ["ethusdt@bookTicker"], "id": 3}))
    user.run(3 * S)
    now, ack, first, second = wire.take()
    assert ack == {"result": None, "id": 3}
    assert [it["b"] for it in (now, first, second)] == ["2600.00", "2600.01", "2600.02"]
    assert first["u"] < second["u"]
    assert ("e" in now) is (kind is PERP)
    session.on_text(json.dumps({"method": "SUBSCRIBE", "params": ["ETHUSDT@bookTicker"], "id": 4}))
    assert wire.take()[0]["code"] == 2


def test_a_market_connection_that_talks_too_much_is_closed() -> None:
    user = BinanceUser(binance(SPOT))
    session, wire = user.stream("/ws/ethusdt@bookTicker")
    for _ in range(6):
        session.on_ping(b"")
    assert wire.take()[-1] == ("close", 1008, "Too many requests")


def test_a_connection_that_does_not_pong_is_closed_and_none_lives_longer_than_a_day() -> None:
    user = BinanceUser(binance(SPOT))
    session, wire = user.api()
    user.run(61 * S)
    assert wire.take()[-1] == ("close", 1008, "Pong timeout")
    session, wire = user.api()
    for _ in range(24 * 360):
        user.run(10 * S)
        session.on_pong()
    assert wire.take()[-1] == ("close", 1008, "Connection lifetime reached")


# -- faults ------------------------------------------------------------------------------------------------------


def faulty(kind: MarketKind, *rules: str, events: Any = None) -> BinanceUser:
    text = "faults:\n" + "\n".join(f"  - {{{rule}}}" for rule in rules)
    plan = load_fault_plan(Source("plan.yaml", text), venues={"binance": ("alice", "bob")})
    venue = binance(kind, events or (MarketQuote(0, 260_000, 50_000, 260_010, 50_000),))
    faults = Faults(
        plan, venue="binance", clock=venue.exchange.clock, rng_of=lambda purpose: Stream(1, purpose)
    )  # fmt: skip
    keys, exchange = venue.keys, venue.exchange
    again = Binance(exchange, keys, None, faults)
    faults.start(again._act)
    return BinanceUser(again)


@BOTH
def test_a_fault_acts_on_orders_of_the_websocket_api_as_on_requests(kind: MarketKind) -> None:
    user = faulty(kind, "fault: error_accepted, on: place, nth: 1, status: 503", "fault: ack_lost, on: place, nth: 2")
    session, wire = user.api()
    told = user.asked(session, wire, "order.place", **user.order("BUY", "1", "2500", newClientOrderId="a"))
    assert (told["status"], told["error"]["code"]) == (503, -1000)
    session.on_text(user.message("order.place", **user.order("BUY", "1", "2500", newClientOrderId="b")))
    assert wire.take() == ["cut"]
    assert [it["clientOrderId"] for it in user.get("openOrders", symbol=SYMBOL)] == ["a", "b"]


@BOTH
def test_a_rate_limit_says_how_long(kind: MarketKind) -> None:
    user = faulty(kind, "fault: rate_limited, on: place, nth: 1, for: 3s")
    session, wire = user.api()
    told = user.asked(session, wire, "order.place", **user.order("BUY", "1", "2500"))
    assert (told["status"], told["error"]["code"]) == (429, -1003)
    assert told["error"]["data"]["retryAfter"] - user.venue.exchange.now_ms() == 3_000
    assert user.place("BUY", "1", "2500")["code"] == -1003


@BOTH
def test_a_cancel_may_lose_against_a_fill(kind: MarketKind) -> None:
    user = faulty(kind, "fault: cancel_too_late, share: 1, nth: 1", "fault: cancel_pending, delay: 1s, nth: 2")
    wire = user.listen()
    user.place("BUY", "1", "2599", newClientOrderId="a")
    assert user.code("DELETE", "order", symbol=SYMBOL, origClientOrderId="a") == -2011
    user.place("BUY", "1", "2599", newClientOrderId="b")
    assert user.call("DELETE", "order", symbol=SYMBOL, origClientOrderId="b")[1]["status"] == "PENDING_CANCEL"
    assert len(user.get("openOrders", symbol=SYMBOL)) == 1
    user.run(2 * S)
    assert user.get("order", symbol=SYMBOL, origClientOrderId="b")["status"] == "CANCELED"
    assert wire.take()


def test_a_liquidation_is_told_under_a_client_id_of_the_venue_s_own() -> None:
    user = faulty(PERP, "fault: liquidation, account: alice, nth: 1")
    wire = user.listen()
    user.place("BUY", "1")
    user.run(MS)
    orders = [it["o"] for it in wire.take() if it["e"] == "ORDER_TRADE_UPDATE"]
    assert orders[-1]["c"].startswith("autoclose-")
    assert (orders[-1]["x"], orders[-1]["z"]) == ("CALCULATED", "1.0000")
    assert user.get("/fapi/v3/positionRisk") == []


def test_trades_of_the_outside_fill_what_rests() -> None:
    events = [MarketQuote(0, 260_000, 50_000, 260_010, 50_000), MarketTrade(S, Side.SELL, 259_900, 400_000)]
    user = BinanceUser(binance(PERP, events))
    user.place("BUY", "1", "2599", newClientOrderId="a", **POST_ONLY[PERP])
    user.run(2 * S)
    assert user.get("order", symbol=SYMBOL, origClientOrderId="a")["status"] == "FILLED"


def test_a_listen_key_may_be_subscribed_on_an_open_stream_and_names_its_events_there() -> None:
    user = BinanceUser(binance(PERP))
    key = user.call("POST", "listenKey")[1]["listenKey"]
    session, wire = user.stream("/private/stream")
    session.on_text(json.dumps({"method": "SUBSCRIBE", "params": [key], "id": 1}))
    user.place("BUY", "1", "2500")
    ack, new = wire.take()
    assert ack == {"result": None, "id": 1}
    assert (new["stream"], new["data"]["o"]["x"]) == (key, "NEW")
