"""The local OKX, judged from the venue's documents: signatures, orders, refusals, lists, streams, faults."""

from __future__ import annotations

import json
from typing import Any

import pytest
from okx_kit import MS, SPOT, SPOT_CODE, SWAP, SWAP_CODE, OkxUser, S, changed, okx
from venue_kit import QUOTE, D, picked, public

from cli.fault_plan import load_fault_plan
from cli.locate import Source
from engine.runtime.chance import Stream
from exchanges.market import MarketQuote, MarketTrade
from exchanges.types import Side
from exchanges.venues.faults import Faults
from exchanges.venues.okx.model import OkxVenue
from exchanges.venues.okx.state import OkxOptions
from exchanges.venues.okx.wire import signature

ORDERS = {"channel": "orders", "instType": "SWAP", "instId": SWAP}


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("2026-11-21T05:00:00.000ZGET/api/v5/account/balance?ccy=USDT", "iD7e9N688Rxt/4IVRTPxHJMehXkczfw2va3Qq771Iio="),
        (
            '2026-11-21T05:00:00.000ZPOST/api/v5/trade/order{"instId":"BTC-USDT","tdMode":"cash","clOrdId":"h000001",'
            '"side":"sell","ordType":"ioc","px":"99999.9","sz":"0.01"}',
            "4ZgKu0DN9sq8AVi6tcm+KBfvpVLPc2TYDp/vmBvLLho=",
        ),
        ("1795237200GET/users/self/verify", "oyfiwDndqCjZD3YNt+LZbHIQ0HZmlI4L1p7QtkSZhlU="),
    ],
)
def test_worked_signatures(text: str, sign: str) -> None:
    assert signature("okx_demo_secret_0001", text) == sign


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"ok_access_key": ""}, "50103"),
        ({"ok_access_key": "nobody"}, "50111"),
        ({"ok_access_passphrase": "wrong"}, "50105"),
        ({"ok_access_sign": "wrong"}, "50113"),
        ({"ok_access_timestamp": "yesterday"}, "50112"),
        ({"ok_access_timestamp": "2020-01-01T00:00:00.000Z"}, "50102"),
    ],
)
def test_a_request_with_wrong_headers_is_refused_with_401(headers: dict[str, str], code: str) -> None:
    user = OkxUser(okx())
    reply = user.ask(changed(user.request("GET", "/account/balance"), **headers))
    assert reply is not None
    assert (reply.status, json.loads(reply.body)["code"]) == (401, code)


def test_the_signature_covers_query_and_body_and_the_switch_of_demo_trading_must_agree() -> None:
    user = OkxUser(okx(options=OkxOptions(demo=True)))
    assert user.call("GET", "/account/balance")[1]["code"] == "50101"
    asked = user.request("GET", "/account/balance", query={"ccy": "USDT"}, x_simulated_trading="1")
    reply = user.ask(asked)
    assert reply is not None
    assert json.loads(reply.body)["code"] == "0"


def test_what_everybody_may_ask() -> None:
    venue = okx()
    (swap,) = public(venue, "/api/v5/public/instruments", "instType=SWAP")[1]["data"]
    wanted = ("instId", "instIdCode", "ctVal", "ctValCcy", "ctType", "settleCcy", "tickSz", "lotSz", "minSz", "state")
    assert list(picked(swap, wanted).values()) == [
        SWAP, SWAP_CODE, "0.01", "ETH", "linear", "USDT", "0.01", "0.01", "0.1", "live",
    ]  # fmt: skip
    (spot,) = public(venue, "/api/v5/public/instruments", "instType=SPOT")[1]["data"]
    assert (spot["baseCcy"], spot["quoteCcy"], spot["lotSz"], spot["minSz"]) == ("ETH", "USDT", "0.0001", "0.001")
    (book,) = public(venue, "/api/v5/market/books", f"instId={SWAP}&sz=1")[1]["data"]
    assert (book["bids"], book["asks"]) == ([["2600", "500", "0", "1"]], [["2600.1", "500", "0", "1"]])
    assert public(venue, "/api/v5/market/books", "instId=NONE-USDT")[1]["code"] == "51001"


def test_an_order_rests_fills_in_contracts_and_is_found_by_either_id_for_ever() -> None:
    user, other = OkxUser(okx()), OkxUser(okx())
    other.venue, other.name = user.venue, "bob"
    item = user.place("buy", "post_only", "5", "2600.05", clOrdId="e1r1a1")
    assert (item["sCode"], item["clOrdId"]) == ("0", "e1r1a1")
    other.place("sell", "ioc", "2", "2600.05")
    row = user.info(clOrdId="e1r1a1")
    assert picked(row, ("state", "sz", "accFillSz", "avgPx", "px", "ordType", "posSide")) == {
        "state": "partially_filled", "sz": "5", "accFillSz": "2", "avgPx": "2600.05", "px": "2600.05",
        "ordType": "post_only", "posSide": "net",
    }  # fmt: skip
    assert [it["ordId"] for it in user.get("/trade/orders-pending", instType="SWAP")] == [item["ordId"]]
    assert user.cancel(clOrdId="e1r1a1") == "0"
    assert user.info(ordId=item["ordId"])["cancelSource"] == "1"
    assert user.get("/trade/orders-pending") == []
    assert (user.cancel(ordId=item["ordId"]), user.cancel(ordId="1234")) == ("51401", "51400")
    (fill,) = user.get("/trade/fills", instId=SWAP)
    assert picked(fill, ("fillSz", "fillPx", "execType", "feeCcy", "side", "clOrdId")) == {
        "fillSz": "2", "fillPx": "2600.05", "execType": "M", "feeCcy": "USDT", "side": "buy", "clOrdId": "e1r1a1",
    }  # fmt: skip
    assert D(fill["fee"]) == -D("0.02") * D("2600.05") * D("0.0002")
    (held,) = user.get("/account/positions", instType="SWAP")
    assert (held["pos"], held["avgPx"], held["mgnMode"]) == ("2", "2600.05", "cross")
    assert other.get("/account/positions")[0]["pos"] == "-2"


def test_a_partly_filled_ioc_ends_as_canceled_with_what_it_took() -> None:
    user = OkxUser(okx())
    item = user.place("buy", "ioc", "600", "2600.10")
    row = user.info(ordId=item["ordId"])
    assert (row["state"], row["accFillSz"], row["cancelSource"]) == ("canceled", "500", "14")


def test_a_post_only_order_that_would_take_is_taken_and_cancelled_at_once() -> None:
    user = OkxUser(okx())
    item = user.place("buy", "post_only", "5", "2600.10")
    row = user.info(ordId=item["ordId"])
    assert (item["sCode"], row["state"], row["cancelSource"]) == ("0", "canceled", "31")


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"size": "0.05"}, "51020"),
        ({"size": "5.005"}, "51121"),
        ({"price": "2600.001"}, "51000"),
        ({"price": ""}, "50014"),
        ({"instId": "NONE-USDT-SWAP"}, "51001"),
        ({"clOrdId": "has-dash"}, "51000"),
        ({"clOrdId": "x" * 33}, "51000"),
        ({"tdMode": "cash"}, "51000"),
        ({"posSide": "long"}, "51000"),
        ({"size": "1000000"}, "51008"),
        ({"reduceOnly": True}, "51112"),
    ],
)
def test_one_order_is_refused_inside_http_200(order: dict[str, Any], code: str) -> None:
    user = OkxUser(okx())
    more = {"price": "2600", "size": "5", **order}
    body = user.order("buy", "limit", more.pop("size"), more.pop("price"), **more)
    status, told = user.call("POST", "/trade/order", body=body)
    assert (status, told["code"], told["data"][0]["sCode"]) == (200, "1", code)


def test_a_client_id_is_unique_among_open_orders_only() -> None:
    user = OkxUser(okx())
    assert user.place("buy", "limit", "5", "2600", clOrdId="same")["sCode"] == "0"
    assert user.place("buy", "limit", "5", "2599", clOrdId="same")["sCode"] == "51016"
    user.cancel(clOrdId="same")
    assert user.place("buy", "limit", "5", "2598", clOrdId="same")["sCode"] == "0"
    assert user.info(clOrdId="same")["px"] == "2598"  # the latest


def test_a_batch_is_answered_one_by_one_and_empty_texts_count_as_absent() -> None:
    user = OkxUser(okx())
    orders = [user.order("buy", "limit", "5", price, ccy="", posSide="") for price in ("2600", "2600.001", "2599")]
    told = user.call("POST", "/trade/batch-orders", body=orders)[1]
    assert (told["code"], [it["sCode"] for it in told["data"]]) == ("2", ["0", "51000", "0"])
    ids = [{"instId": SWAP, "ordId": told["data"][n]["ordId"]} for n in (0, 2)]
    assert user.call("POST", "/trade/cancel-batch-orders", body=ids)[1]["code"] == "0"
    assert user.call("POST", "/trade/batch-orders", body=orders * 7)[1]["code"] == "51111"


def test_price_and_size_can_be_amended() -> None:
    user = OkxUser(okx())
    user.place("buy", "post_only", "5", "2600", clOrdId="a1")
    told = user.call(
        "POST", "/trade/amend-order", body={"instId": SWAP, "clOrdId": "a1", "newSz": "7", "newPx": "2599"}
    )
    assert told[1]["data"][0]["sCode"] == "0"
    assert picked(user.info(clOrdId="a1"), ("sz", "px")) == {"sz": "7", "px": "2599"}
    told = user.call("POST", "/trade/amend-order", body={"instId": SWAP, "clOrdId": "a1", "newPx": "2600.10"})
    assert told[1]["data"][0]["sCode"] == "51511"
    told = user.call("POST", "/trade/amend-order", body={"instId": SWAP, "clOrdId": "none", "newSz": "7"})
    assert told[1]["data"][0]["sCode"] == "51503"


def test_a_spot_buy_delivers_less_than_it_bought_and_a_market_buy_names_money_unless_told_otherwise() -> None:
    user = OkxUser(okx())
    user.place("buy", "market", "1", instId=SPOT, tgtCcy="base_ccy")
    (fill,) = user.get("/trade/fills", instId=SPOT)
    assert (fill["fillSz"], fill["fee"], fill["feeCcy"]) == ("1", "-0.0005", "ETH")
    (row,) = user.get("/account/balance", ccy="ETH")[0]["details"]
    assert row["cashBal"] == "2.9995"
    item = user.place("buy", "market", "26.001", instId=SPOT)
    assert user.info(instId=SPOT, ordId=item["ordId"])["accFillSz"] == "0.01"
    assert user.place("sell", "limit", "4", "2700", instId=SPOT)["sCode"] == "51008"


def test_the_account_tells_its_modes_fees_leverage_and_money() -> None:
    user = OkxUser(okx())
    (told,) = user.get("/account/config")
    assert picked(told, ("acctLv", "posMode", "feeType")) == {"acctLv": "2", "posMode": "net_mode", "feeType": "0"}
    assert user.get("/account/trade-fee", instType="SWAP")[0]["takerU"] == "-0.0005"
    assert user.get("/account/trade-fee", instType="SPOT")[0]["maker"] == "-0.0002"
    assert user.get("/account/leverage-info", instId=SWAP, mgnMode="cross")[0]["lever"] == "10"
    user.place("buy", "market", "100")
    (row,) = user.get("/account/balance", ccy="USDT")[0]["details"]
    fee, mid = D("2600.10") * D("0.0005"), D("2600.05")
    assert D(row["eq"]) == 10_000 - fee - D("0.05")
    assert D(row["cashBal"]) == 10_000 - fee
    assert D(row["availEq"]) == D(row["eq"]) - mid / 10
    assert D(row["mmr"]) == mid * D("0.05")


@pytest.mark.parametrize("level", ["1", "3"])
def test_the_mode_of_the_account_decides_what_can_be_traded(level: str) -> None:
    user = OkxUser(okx(options=OkxOptions(account_level=level)))
    assert (user.place("buy", "limit", "5", "2600")["sCode"] == "51010") == (level == "1")
    assert (user.place("buy", "limit", "1", "2600", instId=SPOT)["sCode"] == "0") == (level == "1")
    assert (user.place("buy", "limit", "1", "2600", instId=SPOT, tdMode="cross")["sCode"] == "0") == (level == "3")


def test_an_order_that_comes_too_late_is_dropped_without_a_word_or_refused_by_an_option() -> None:
    for code in ("", "51000"):
        user = OkxUser(okx(options=OkxOptions(expired_code=code)))
        late = user.request(
            "POST", "/trade/order", body=user.order("buy", "limit", "5", "2600"), exptime="1700000000000"
        )
        user.run(S)
        reply = user.ask(late)
        assert (reply is None) == (not code)
        assert user.get("/trade/orders-pending") == []


def test_requests_are_counted_by_user_and_instrument() -> None:
    user = OkxUser(okx())
    codes = [user.place("buy", "limit", "0.1", "2500")["sCode"] for _ in range(60)]
    assert set(codes) == {"0"}
    status, told = user.call("POST", "/trade/order", body=user.order("buy", "limit", "0.1", "2500"))
    assert (status, told["code"]) == (429, "50011")
    assert user.place("buy", "limit", "0.001", "2500", instId=SPOT)["sCode"] == "0"
    user.run(2 * S)
    assert user.place("buy", "limit", "0.1", "2500")["sCode"] == "0"


def test_an_address_may_open_three_streams_a_second() -> None:
    user = OkxUser(okx())
    opened = [user.stream("public")[0] for _ in range(4)]
    assert [getattr(it, "status", 0) for it in opened] == [0, 0, 0, 429]
    user.run(S)
    assert getattr(user.stream("public")[0], "status", 0) == 0


def test_the_dead_mans_switch_cancels_everything_unless_it_is_armed_anew() -> None:
    user = OkxUser(okx())
    item = user.place("buy", "limit", "5", "2600")
    for text, code in (("5", "51000"), ("10", "0")):
        assert user.call("POST", "/trade/cancel-all-after", body={"timeOut": text})[1]["code"] == code
    user.run(9 * S)
    user.call("POST", "/trade/cancel-all-after", body={"timeOut": "10"})
    user.run(9 * S)
    assert user.info(ordId=item["ordId"])["state"] == "live"
    user.run(2 * S)
    assert picked(user.info(ordId=item["ordId"]), ("state", "cancelSource")) == {
        "state": "canceled", "cancelSource": "20",
    }  # fmt: skip


def test_fills_are_paged_from_the_newest_back() -> None:
    user = OkxUser(okx())
    for _ in range(5):
        user.place("buy", "market", "0.1")
    rows = user.get("/trade/fills", limit=2)
    older = user.get("/trade/fills", limit=3, after=rows[-1]["billId"])
    bills = [int(row["billId"]) for row in rows + older]
    assert bills == sorted(bills, reverse=True)
    assert len(set(bills)) == 5


# --- streams


def test_a_stream_must_be_logged_in_and_who_does_not_wait_for_the_answer_is_refused() -> None:
    user = OkxUser(okx())
    session, wire = user.stream()
    session.on_text(user.login())
    session.on_text(json.dumps({"op": "subscribe", "args": [ORDERS]}))
    assert [it["code"] for it in wire.take()] == ["60011"]
    user.run(5 * MS)
    assert [(it["event"], it["code"]) for it in wire.take()] == [("login", "0")]
    session.on_text(json.dumps({"id": "7", "op": "subscribe", "args": [ORDERS]}))
    (told,) = wire.take()
    assert (told["id"], told["event"], told["arg"]) == ("7", "subscribe", ORDERS)
    session.on_text("ping")
    assert wire.take() == ["pong"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"sign": "x"}, "60007"), ({"apiKey": "x"}, "60005"), ({"passphrase": "x"}, "60024"),
        ({"timestamp": "1"}, "60006"),
    ],
)  # fmt: skip
def test_a_wrong_login_is_refused(wrong: dict[str, str], code: str) -> None:
    user = OkxUser(okx())
    session, wire = user.stream()
    session.on_text(user.login(**wrong))
    user.run(5 * MS)
    assert [it["code"] for it in wire.take()] == [code]


def test_a_silent_stream_is_closed_after_30_seconds_and_a_ping_keeps_it() -> None:
    user = OkxUser(okx())
    session, wire = user.stream("public")
    user.run(20 * S)
    session.on_text("ping")
    user.run(25 * S)
    assert wire.take() == ["pong"]
    user.run(20 * S)
    assert wire.take()[-1][0] == "close"


def test_orders_come_through_the_stream_with_the_instruments_code_and_their_pushes() -> None:
    user = OkxUser(okx())
    session, wire = user.listen(ORDERS)
    wire.take()
    order = user.order("buy", "ioc", "2", "2600.10", clOrdId="w1")
    session.on_text(json.dumps({"id": "1", "op": "order", "args": [order]}))
    assert wire.take()[0]["code"] == "50014"
    del order["instId"]
    session.on_text(json.dumps({"id": "2", "op": "order", "args": [order | {"instIdCode": SWAP_CODE}]}))
    live, filled, answer = wire.take()
    assert (answer["id"], answer["op"], answer["code"], answer["data"][0]["sCode"]) == ("2", "order", "0", "0")
    assert live["data"][0]["state"] == "live"
    row = filled["data"][0]
    names = ("state", "accFillSz", "fillSz", "fillPx", "tradeId", "execType", "fillFeeCcy", "clOrdId")
    assert list(picked(row, names).values()) == ["filled", "2", "2", "2600.1", "1", "T", "USDT", "w1"]
    assert D(row["fillFee"]) == -D("0.02") * D("2600.10") * D("0.0005")
    session.on_text(json.dumps({"id": "3", "op": "cancel-order", "args": [{"instIdCode": SPOT_CODE, "ordId": "1"}]}))
    assert wire.take()[0]["data"][0]["sCode"] == "51400"


def test_quotes_and_books_are_told() -> None:
    later = MarketQuote(S, 260_001, 50_000, 260_010, 50_000)
    user = OkxUser(okx((QUOTE, later)))
    session, wire = user.stream("public")
    args = [{"channel": name, "instId": SWAP} for name in ("bbo-tbt", "books5", "books")]
    session.on_text(json.dumps({"op": "subscribe", "args": args}))
    first = {it["arg"]["channel"]: it for it in wire.take() if "data" in it}
    assert first["bbo-tbt"]["data"][0]["bids"] == [["2600", "500", "0", "1"]]
    assert len(first["books5"]["data"][0]["asks"]) == 5
    assert (first["books"]["action"], first["books"]["data"][0]["prevSeqId"]) == ("snapshot", -1)
    user.run(2 * S)
    then = [it for it in wire.take() if "data" in it]
    best = [it["data"][0] for it in then if it["arg"]["channel"] == "bbo-tbt"]
    assert [it["bids"][0][0] for it in best] == ["2600.01"]
    update = next(it for it in then if it["arg"]["channel"] == "books")
    assert update["action"] == "update"
    assert update["data"][0]["prevSeqId"] == first["books"]["data"][0]["seqId"]


def test_account_and_positions_follow_a_fill() -> None:
    user = OkxUser(okx((QUOTE, MarketTrade(30 * S, Side.BUY, 260_000, 1))))
    args = ({"channel": "account"}, {"channel": "positions", "instType": "ANY"})
    _, wire = user.listen(*args)
    wire.take()
    user.place("sell", "market", "10")
    balance, position = wire.take()
    assert balance["data"][0]["details"][0]["ccy"] == "USDT"
    assert (position["arg"]["channel"], position["data"][0]["pos"]) == ("positions", "-10")


# --- faults


def faulty(rule: str) -> OkxVenue:
    venue = okx()
    plan = load_fault_plan(Source("f.yaml", f"faults:\n  - {{{rule}}}\n"), venues={"okx": ("alice", "bob")})
    faults = Faults(plan, venue="okx", clock=venue.exchange.clock, rng_of=lambda purpose: Stream(1, purpose))
    return okx(clock=venue.exchange.clock, faults=faults)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "frames", "orders"),
    [
        ("fault: request_lost, on: place", ["cut"], 0),
        ("fault: ack_lost, on: place", ["cut"], 1),
        ("fault: error_accepted, on: place, status: 504", ["50004"], 1),
        ("fault: error_accepted, on: place, body: html", ["50026"], 1),
        ("fault: error_refused, on: place", ["50026"], 0),
        ("fault: rate_limited, on: place", ["50011"], 0),
        ("fault: order_refused, reason: margin", ["1"], 0),
        ("fault: ack_late, on: place, delay: 300ms", ["0"], 1),
        ("fault: speed_bump, on: place, delay: 300ms", ["0"], 1),
    ],
)
def test_faults_of_requests_act_on_orders_of_the_stream_too(rule: str, frames: list[str], orders: int) -> None:
    user = OkxUser(faulty(rule))
    session, wire = user.listen()
    wire.take()
    order = user.order("buy", "limit", "5", "2600") | {"instIdCode": SWAP_CODE}
    session.on_text(json.dumps({"id": "2", "op": "order", "args": [order]}))
    user.run(S)
    assert [it if it == "cut" else it["code"] for it in wire.take()] == frames
    assert len(user.venue.exchange.accounts["alice"].open) == orders


def test_a_cancel_may_come_too_late_or_take_its_time() -> None:
    user = OkxUser(faulty("fault: cancel_too_late"))
    item = user.place("buy", "limit", "5", "2600")
    assert user.cancel(ordId=item["ordId"]) == "51402"
    user = OkxUser(faulty("fault: cancel_pending, delay: 1s"))
    item = user.place("buy", "limit", "5", "2600")
    assert user.cancel(ordId=item["ordId"]) == "0"
    assert user.info(ordId=item["ordId"])["state"] == "live"
    user.run(2 * S)
    assert user.info(ordId=item["ordId"])["state"] == "canceled"
