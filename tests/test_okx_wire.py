"""OKX's wire: what is signed and sent, and what rows and answers mean."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from fuzz_okx import ITEM, MODE, POSITION, ROW, SWAP, SYMBOL, UNITS, envelope
from okx_kit import instrument

from exchanges.errors import AuthFailed, BadFrame, LinkDown, OutcomeUnknown, RateLimited, Rejected
from exchanges.okx.rest import check_mode, judge
from exchanges.okx.wire import reply, stream
from exchanges.okx.wire.order import order_of
from exchanges.okx.wire.request import Signer, Traded, body_of, operation, order_args, text_of, zulu
from exchanges.transport import Response
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
SECRET = "okx_demo_secret_0001"
AT_MS = 1_795_237_200_000  # 2026-11-21T05:00:00.000Z
BODY = (
    '{"instId":"BTC-USDT","tdMode":"cash","clOrdId":"h000001","side":"sell","ordType":"ioc","px":"99999.9","sz":"0.01"}'
)
SWAP_MARKET = Traded(instrument("ETH-USDT-SWAP"), D("0.01"), 10_001, "cross")
SPOT_MARKET = Traded(instrument("ETH-USDT"), D(1), 10_002, "cash")


def raw(value: object) -> bytes:
    return text_of(value).encode()


# --- what is sent


@pytest.mark.parametrize(
    ("method", "target", "body", "sign"),
    [
        ("GET", "/api/v5/account/balance?ccy=USDT", "", "iD7e9N688Rxt/4IVRTPxHJMehXkczfw2va3Qq771Iio="),
        ("POST", "/api/v5/trade/order", BODY, "4ZgKu0DN9sq8AVi6tcm+KBfvpVLPc2TYDp/vmBvLLho="),
    ],
)
def test_worked_signatures(method: str, target: str, body: str, sign: str) -> None:
    headers = Signer("k", SECRET, "p").headers(method, target, body, timestamp_ms=AT_MS, expires_ms=AT_MS + 2_000)
    assert headers == {
        "OK-ACCESS-KEY": "k",
        "OK-ACCESS-SIGN": sign,
        "OK-ACCESS-TIMESTAMP": "2026-11-21T05:00:00.000Z",
        "OK-ACCESS-PASSPHRASE": "p",
        "Content-Type": "application/json",
        "expTime": "1795237202000",
    }


def test_a_login_is_signed_with_seconds_and_demo_trading_is_a_header() -> None:
    signer = Signer("k", SECRET, "p", demo=True)
    assert signer.login(timestamp_ms=AT_MS) == (
        '{"op":"login","args":[{"apiKey":"k","passphrase":"p","timestamp":"1795237200",'
        '"sign":"oyfiwDndqCjZD3YNt+LZbHIQ0HZmlI4L1p7QtkSZhlU="}]}'
    )
    assert signer.headers("GET", "/", timestamp_ms=AT_MS)["x-simulated-trading"] == "1"
    assert "x-simulated-trading" not in Signer("k", SECRET, "p").headers("GET", "/", timestamp_ms=AT_MS)


@pytest.mark.parametrize("wrong", [("", "s", "p"), ("k", "s\n", "p"), ("k", "s", "pass phräse")])
def test_keys_that_cannot_stand_in_a_header_are_refused_and_not_repeated(wrong: tuple[str, str, str]) -> None:
    with pytest.raises(AuthFailed, match="is no OKX") as caught:
        Signer(*wrong)
    assert not any(text and text in str(caught.value) for text in ("phräse",))


def test_times_are_written_as_the_calendar_has_them() -> None:
    for day in range(0, 40_000, 61):
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day, milliseconds=day * 2_159)
        expected = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        assert zulu((at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)) == expected


def order(**changes: Any) -> OrderRequest:
    plain = OrderRequest(
        client_id="e1r1l0a1", account="a", symbol="ETH-USDT-SWAP", side=Side.BUY, qty=D("0.05"), price=D("2600.10"),
        type=OrderType.LIMIT, tif=TimeInForce.GTC, post_only=False, reduce_only=False, valid_ms=2_000,
        self_trade=SelfTrade.CANCEL_TAKER,
    )  # fmt: skip
    return replace(plain, **changes)


MARKET = {"type": OrderType.MARKET, "price": None, "tif": TimeInForce.IOC}


@pytest.mark.parametrize(
    ("traded", "changes", "sent"),
    [
        (SWAP_MARKET, {}, {"ordType": "limit", "sz": "5", "px": "2600.1"}),
        (SWAP_MARKET, {"post_only": True}, {"ordType": "post_only", "sz": "5", "px": "2600.1"}),
        (SWAP_MARKET, {"tif": TimeInForce.IOC}, {"ordType": "ioc", "sz": "5", "px": "2600.1"}),
        (SWAP_MARKET, MARKET, {"ordType": "market", "sz": "5"}),
        (SWAP_MARKET, MARKET | {"worst_price": D("2605.117")}, {"ordType": "ioc", "sz": "5", "px": "2605.11"}),
        (
            SWAP_MARKET,
            MARKET | {"worst_price": D("2595.113"), "side": Side.SELL},
            {"ordType": "ioc", "sz": "5", "px": "2595.12", "side": "sell"},
        ),
        (SWAP_MARKET, {"reduce_only": True}, {"ordType": "limit", "sz": "5", "px": "2600.1", "reduceOnly": True}),
        (SPOT_MARKET, {}, {"ordType": "limit", "sz": "0.05", "px": "2600.1", "tdMode": "cash"}),
        (
            SPOT_MARKET,
            MARKET,
            {"ordType": "market", "sz": "0.05", "tgtCcy": "base_ccy", "banAmend": True, "tdMode": "cash"},
        ),
    ],
)
def test_orders_are_sent_in_the_venues_words_and_units(
    traded: Traded, changes: dict[str, Any], sent: dict[str, Any]
) -> None:
    usual = {"tdMode": "cross", "clOrdId": "e1r1l0a1", "side": "buy", "stpMode": "cancel_taker"}
    assert order_args(order(**changes), traded) == usual | sent


@pytest.mark.parametrize(
    ("traded", "changes", "refusal"),
    [
        (SWAP_MARKET, {"client_id": "has-dash"}, Refusal.UNSUPPORTED),
        (SWAP_MARKET, {"client_id": "e" * 33}, Refusal.UNSUPPORTED),
        (SPOT_MARKET, {"reduce_only": True}, Refusal.UNSUPPORTED),
        (replace(SWAP_MARKET, unit=D("0.03")), {"qty": D("0.05")}, Refusal.SIZE),
    ],
)
def test_what_the_venue_cannot_express_is_refused_before_it_is_sent(
    traded: Traded, changes: dict[str, Any], refusal: Refusal
) -> None:
    with pytest.raises(Rejected) as caught:
        order_args(order(**changes), traded)
    assert caught.value.refusal is refusal


def test_a_command_carries_its_time() -> None:
    text = operation("7", "order", [{"instIdCode": 1}], expires_ms=5)
    assert text == '{"id":"7","op":"order","expTime":"5","args":[{"instIdCode":1}]}'
    assert "expTime" not in operation("7", "cancel-order", [{}])


def test_what_is_written_by_hand_is_json_whatever_it_holds() -> None:
    args: dict[str, str | int | bool] = {"a": 'x"y\\z\n\u2028', "b": True, "c": 7, "d": False}
    assert json.loads(operation("7", "order", [args, args])) == {"id": "7", "op": "order", "args": [args, args]}
    assert json.loads(body_of("order", [args])) == args
    assert json.loads(body_of("batch-orders", [args, args])) == [args, args]


# --- orders


def pushed(**changes: object) -> Any:
    return order_of(ROW | changes, UNITS, pushed=True)


def test_a_row_is_read_in_base_units_with_the_venues_sign_of_fees_turned() -> None:
    facts = pushed()
    assert (facts.qty, facts.cum_qty, facts.price, facts.state) == (
        D("0.05"), D("0.02"), D("99999.9"), OrderState.PARTIALLY_FILLED,
    )  # fmt: skip
    assert facts.trade is not None
    assert (facts.trade.qty, facts.trade.fee, facts.trade.fee_asset, facts.trade.maker) == (
        D("0.02"), D("0.9"), "USDT", False,
    )  # fmt: skip
    assert order_of(ROW, UNITS, pushed=False).trade is None


@pytest.mark.parametrize(
    ("changes", "state", "refusal"),
    [
        ({"state": "live", "accFillSz": "0"}, OrderState.OPEN, None),
        ({"state": "live"}, OrderState.PARTIALLY_FILLED, None),
        ({"state": "filled", "accFillSz": "5"}, OrderState.FILLED, None),
        ({"state": "canceled", "cancelSource": "14"}, OrderState.CANCELED, None),
        ({"state": "canceled", "cancelSource": "31", "accFillSz": "0"}, OrderState.FAILED, Refusal.POST_ONLY),
        ({"state": "canceled", "cancelSource": "32", "accFillSz": "0"}, OrderState.FAILED, Refusal.SELF_TRADE),
        ({"state": "canceled", "cancelSource": "32"}, OrderState.CANCELED, None),
        ({"state": "canceled", "cancelSource": "1", "accFillSz": "0"}, OrderState.CANCELED, None),
        ({"state": "mmp_canceled", "accFillSz": "0"}, OrderState.CANCELED, None),
    ],
)
def test_states(changes: dict[str, str], state: OrderState, refusal: Refusal | None) -> None:
    facts = pushed(**{"tradeId": "", "fillSz": "0"} | changes)
    assert (facts.state, facts.refusal, facts.trade) == (state, refusal, None)


def test_a_fill_is_a_fact_whatever_its_state_is_called() -> None:
    assert pushed(state="new_word").state is OrderState.PARTIALLY_FILLED
    with pytest.raises(BadFrame, match="new_word"):
        pushed(state="new_word", tradeId="")


@pytest.mark.parametrize(
    ("category", "kind"),
    [
        ("normal", FillKind.TRADE),
        ("full_liquidation", FillKind.LIQUIDATION),
        ("adl", FillKind.ADL),
        ("delivery", FillKind.SETTLEMENT),
        ("of_the_future", FillKind.LIQUIDATION),
    ],
)
def test_what_caused_an_order_and_a_new_cause_calls_a_person(category: str, kind: FillKind) -> None:
    assert pushed(category=category).kind is kind


@pytest.mark.parametrize(
    "changes",
    [
        {"instId": "OTHER-USDT"}, {"side": "long"}, {"fillPx": "0"}, {"fillSz": "-2"}, {"fillSz": "3"},
        {"accFillSz": "x"}, {"execType": "?"}, {"ordId": ""}, {"sz": ""}, {"fillFee": "much"},
    ],
)  # fmt: skip
def test_rows_that_cannot_be_are_not_read(changes: dict[str, str]) -> None:
    with pytest.raises(BadFrame):
        pushed(**changes)


def test_one_unreadable_row_hides_no_other() -> None:
    said = stream.message(raw({"arg": {"channel": "orders"}, "data": [{"ordId": 1}, ROW]}), UNITS)
    assert isinstance(said, stream.Orders)
    assert [facts.order_id for facts in said.facts] == ["7712"]
    assert said.unread


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        ({"event": "login", "code": "0"}, stream.LoggedIn()),
        ({"event": "subscribe", "arg": {"channel": "orders", "instId": SYMBOL}}, stream.Subscribed("orders", SYMBOL)),
        ({"event": "notice", "code": "64008", "msg": "soon"}, stream.Leaving("64008 soon")),
        ({"event": "notice", "code": "1", "msg": "x"}, stream.Unread("notice 1 x")),
        ({"arg": {"channel": "candle1m"}, "data": []}, stream.Unread("channel candle1m")),
        (
            {"event": "error", "id": "3", "code": "60012", "msg": "Illegal request"},
            stream.Answer("3", {"code": "60012", "msg": "Illegal request", "data": []}),
        ),
    ],
)
def test_messages(frame: object, told: object) -> None:
    assert stream.message(raw(frame), UNITS) == told


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        ({"event": "error", "code": "60009", "msg": "Login failed."}, AuthFailed),
        ({"event": "login", "code": "60024", "msg": "Wrong passphrase"}, AuthFailed),
        ({"event": "error", "code": "60018", "msg": "channel doesn't exist"}, BadFrame),
        ({"event": "channel-conn-count-error", "channel": "orders"}, LinkDown),
    ],
)
def test_errors_of_a_stream(frame: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        stream.message(raw(frame), UNITS)


def test_an_empty_side_makes_a_book_that_cannot_be_used() -> None:
    book = stream.book_of(SYMBOL, {"asks": [], "bids": [["1", "2"]], "ts": "1", "seqId": 1}, UNITS)
    assert (book.bid, book.bid_qty, book.ask) == (1, D("0.02"), 0)


# --- answers


@pytest.mark.parametrize(
    ("code", "words", "error", "refusal"),
    [
        ("51008", "Insufficient", Rejected, Refusal.MARGIN),
        ("51112", "Close order size exceeds", Rejected, Refusal.REDUCE_ONLY),
        ("51020", "minimum", Rejected, Refusal.SIZE),
        ("51006", "price limit", Rejected, Refusal.PRICE),
        ("51000", "Parameter px error", Rejected, Refusal.PRICE),
        ("51000", "Parameter sz error", Rejected, Refusal.SIZE),
        ("51000", "Parameter tdMode error", Rejected, Refusal.VENUE),
        ("51001", "no instrument", Rejected, Refusal.UNSUPPORTED),
        ("51016", "Duplicated client order ID", Rejected, Refusal.DUPLICATE_ID),
        ("51400", "gone", Rejected, Refusal.NOT_FOUND),
        ("51603", "no order", Rejected, Refusal.NOT_FOUND),
        ("59999", "of the future", Rejected, Refusal.VENUE),
        ("50004", "timeout", OutcomeUnknown, None),
        ("50026", "system", OutcomeUnknown, None),
        ("garbled", "", OutcomeUnknown, None),
        ("50011", "too many", RateLimited, None),
        ("50061", "too many", RateLimited, None),
        ("50113", "Invalid Sign", AuthFailed, None),
    ],
)
def test_codes(code: str, words: str, error: type[Exception], refusal: Refusal | None) -> None:
    got = reply.error_of(code, words)
    assert type(got) is error
    assert getattr(got, "refusal", None) is refusal


def kinds(items: list[Any]) -> list[object]:
    return [it if isinstance(it, str) else type(it) for it in items]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (envelope(ITEM), ["7712"]),
        (envelope(ITEM | {"sCode": "51008", "ordId": ""}, code="1"), [Rejected]),
        (envelope(ITEM | {"clOrdId": "another"}), [OutcomeUnknown]),
        (envelope(ITEM | {"sCode": None}), [OutcomeUnknown]),
        (envelope(code="50004"), [OutcomeUnknown]),
        (envelope(code="50011"), [RateLimited]),
        (envelope(ITEM, code="51000"), [Rejected]),
    ],
)
def test_an_order_is_accepted_by_an_item_of_its_own_and_nothing_else(said: object, expected: list[object]) -> None:
    assert kinds(reply.items(said, ["e1r1l0a1"])) == expected


def test_other_answers_than_orders_cannot_be_read() -> None:
    for rows in ((), (ITEM, ITEM)):
        with pytest.raises(BadFrame, match="answers to 1 orders"):
            reply.items(envelope(*rows), ["e1r1l0a1"])


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (Response(200, {}, raw(envelope())), None),
        (Response(200, {}, raw(envelope(code="1"))), None),
        (Response(200, {}, raw(envelope(code="51001"))), Rejected),
        (Response(401, {}, raw(envelope(code="50113"))), AuthFailed),
        (Response(429, {}, raw(envelope(code="50011"))), RateLimited),
        (Response(503, {}, raw(envelope(code="51001"))), OutcomeUnknown),
        (Response(502, {}, b"<html>"), OutcomeUnknown),
        (Response(200, {}, b"<html>"), OutcomeUnknown),
        (Response(401, {}, b"<html>"), AuthFailed),
    ],
)
def test_a_whole_answer_is_judged_by_the_venues_own_words_first(
    response: Response, error: type[Exception] | None
) -> None:
    got = judge(response)
    assert got is None if error is None else type(got) is error


# --- instruments and the account


def read_swap(**changes: object) -> Traded:
    return reply.traded_of(
        raw(envelope(SWAP | changes)), SYMBOL, MODE, venue="v", market="BTC-PERP", fees=(D("0.0002"), D("0.0005")),
        margins=(D("0.1"), D("0.004")),
    )  # fmt: skip


def test_an_instrument_is_in_base_units() -> None:
    traded = read_swap(ctMult="10")
    spec = traded.instrument
    assert (traded.unit, traded.code, traded.trade_mode) == (D("0.1"), 10, "cross")
    assert (spec.kind, spec.base, spec.quote, spec.tick) == (MarketKind.PERP, "BTC", "USDT", D("0.1"))
    assert (spec.lot, spec.min_qty, spec.max_qty) == (D("0.001"), D("0.001"), 100)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"ctType": "inverse"}, Rejected),
        ({"ctValCcy": "USD"}, Rejected),
        ({"instId": "OTHER"}, Rejected),
        ({"ctVal": "0"}, BadFrame),
        ({"lotSz": "0"}, BadFrame),
        ({"tickSz": ""}, BadFrame),
    ],
)
def test_instruments_that_cannot_be_traded(changes: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        read_swap(**changes)


@pytest.mark.parametrize(
    ("level", "net", "kind", "words"),
    [
        ("1", True, MarketKind.PERP, "spot mode"),
        ("2", False, MarketKind.PERP, "net_mode"),
        ("2", True, MarketKind.PERP, ""),
        ("1", False, MarketKind.SPOT, ""),
    ],
)
def test_an_account_in_the_wrong_mode_is_refused(level: str, net: bool, kind: MarketKind, words: str) -> None:
    mode = replace(MODE, level=level, net=net)
    if not words:
        check_mode(mode, kind)
        return
    with pytest.raises(AuthFailed, match=words):
        check_mode(mode, kind)


@pytest.mark.parametrize(("level", "spot"), [("1", "cash"), ("2", "cash"), ("3", "cross"), ("4", "cross")])
def test_the_mode_of_orders_follows_the_account(level: str, spot: str) -> None:
    mode = replace(MODE, level=level)
    assert (mode.trade_mode(MarketKind.SPOT), mode.trade_mode(MarketKind.PERP)) == (spot, "cross")


def test_positions_are_in_base_units_and_only_of_the_net_mode() -> None:
    (row,) = reply.position_rows(raw(envelope(POSITION, POSITION | {"instId": "OTHER"})), UNITS)
    assert (row.qty, row.liquidation_price, row.mark_price) == (D("-0.03"), None, 2)
    with pytest.raises(BadFrame, match="long/short"):
        reply.position_rows(raw(envelope(POSITION | {"posSide": "long"})), UNITS)


@pytest.mark.parametrize(
    ("read", "row", "expected"),
    [
        (reply.fees_of, {"maker": "-0.0008", "taker": "-0.001"}, (D("0.0008"), D("0.001"))),
        (
            reply.fees_of,
            {"maker": "", "taker": "", "makerU": "0.0001", "takerU": "-0.0005"},
            (D("-0.0001"), D("0.0005")),
        ),
        (reply.leverage_of, {"lever": "5.00000000"}, D(5)),
        (reply.maintenance_of, {"mmr": "0.004"}, D("0.004")),
        (reply.server_ms, {"ts": "1772000000000"}, 1_772_000_000_000),
    ],
)
def test_small_answers(read: Callable[[bytes], object], row: dict[str, str], expected: object) -> None:
    assert read(raw(envelope(row))) == expected


def test_a_key_that_may_do_more_than_trade_is_told() -> None:
    assert replace(MODE, permissions=("read_only", "trade")).moves_money is False
    assert replace(MODE, permissions=("read_only", "trade", "other")).moves_money is True
    assert replace(MODE, permissions=()).moves_money is None
