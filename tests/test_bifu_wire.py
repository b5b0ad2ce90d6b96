"""BiFu's wire: signatures to the byte, what frames and replies are taken for, and a sample of `make fuzz`."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import fuzz_bifu
import pytest
from fuzz_backpack import Broken
from fuzz_bifu import DEPTH, META, ORDER, ROW, WHOLE, answer, check_frame, frame, fuzz, page

from exchanges.bifu.wire import reply, request, stream
from exchanges.bifu.wire.product import CONTRACT, SPOT, Product
from exchanges.bifu.wire.request import Signer
from exchanges.bifu.wire.stream import BadRow, FillRow, Ping, Rows, Unread
from exchanges.errors import AuthFailed, BadFrame, OutcomeUnknown, RateLimited, Rejected
from exchanges.types import FillKind, Liquidity, MarketKind, OrderState, Side

D = Decimal
FRAMES = Path(__file__).parent / "frames" / "bifu.jsonl"
KEY, SECRET, AT_MS = "mm_demo_key", "mm_demo_secret_0001", 1772171045855  # a test key, never a real one


@pytest.mark.parametrize(
    ("path", "signature"),
    [
        ("/api/v1/private/spot/ws", "37c02a17b61b4ca5b8945167a2d4911e2691b9399dd3f4a3ef36bd090a8d92f3"),
        ("/api/v1/private/contract/ws", "60dec42bc36ba579e29c336c625cd69533c4ff53688c3cc37f58461aefc5edc6"),
        (
            "/api/v1/private/spot/order/getOrderById?orderIdList=1",
            "ba8a68424dd9c930e7b29362e8eaad200583d1980eae8f426162d5817f3e1b97",
        ),
    ],
    ids=["spot stream", "contract stream", "a query is not signed"],
)
def test_signatures_are_those_of_the_documented_key(path: str, signature: str) -> None:
    assert Signer(KEY, SECRET).headers(path, timestamp_ms=AT_MS) == {
        "Decode-MM-Auth-Access-Key": KEY,
        "Decode-MM-Auth-Timestamp": "1772171045855",
        "Decode-MM-Auth-Signature": signature,
    }


@pytest.mark.parametrize(("key", "secret"), [("", "s"), ("k", ""), ("k\r\nX: y", "s"), ("k", "s "), ("kü", "s")])
def test_what_is_no_key_is_refused_and_not_repeated(key: str, secret: str) -> None:
    with pytest.raises(AuthFailed, match="expected printable ASCII") as found:
        Signer(key, secret)
    assert not key or key not in str(found.value)
    assert SECRET not in repr(Signer(KEY, SECRET))


def test_a_page_of_orders_is_asked_for_by_configured_names() -> None:
    assert request.page_path(SPOT.active, 2, ["1", "2"]) == (
        "/api/v1/private/spot/order/getActiveOrderPage2?filterSymbolIdList=1,2&pageNo=2&pageSize=100"
    )


# --- frames


def read(*rows: object, product: Product = SPOT, kind: str = "spot-trade-event") -> tuple[FillRow | BadRow, ...]:
    said = stream.message(json.dumps(frame(*rows, kind=kind)).encode(), product)
    assert isinstance(said, Rows)
    return said.rows


FILL = FillRow(
    "690000000000000001", "90000005", "700000000000000010", "00000000-0000-4000-8000-000000000001", Side.BUY,
    D("0.050"), D("31.70"), D("0.01"), Liquidity.MAKER, False, FillKind.TRADE, 1700000010000,
)  # fmt: skip


def test_a_row_becomes_a_fill_with_the_price_that_it_does_not_name() -> None:
    assert read(ROW) == (FILL,)
    assert FILL.price == D("634")


@pytest.mark.parametrize(
    ("value", "qty", "price"),
    [("1", "3", "0.33333333"), ("31.70", "0.050", "634"), ("0.0000001", "3", "3.3333333E-8"),
     ("2e3", "0.03", "66666.66666667")],
)  # fmt: skip
def test_a_price_has_eight_decimals_or_eight_digits(value: str, qty: str, price: str) -> None:
    assert stream.price_of(D(value), D(qty)) == D(price)


@pytest.mark.parametrize(
    ("changes", "trade_id"),
    [
        ({}, ROW["matchFillId"]),
        ({"matchFillId": None, "tradeId": "77"}, "77"),
        ({"matchFillId": "", "tradeId": 77}, "77"),
        ({"matchFillId": "00000000-0000-0000-0000-000000000000"}, ROW["id"]),
        ({"tradeId": "77"}, ROW["matchFillId"]),
    ],
    ids=["matchFillId", "tradeId", "a number", "none but the row's own", "both"],
)
def test_both_names_of_the_trade_id_are_read(changes: dict[str, Any], trade_id: str) -> None:
    (row,) = read(ROW | changes)
    assert isinstance(row, FillRow)
    assert row.trade_id == trade_id


@pytest.mark.parametrize(
    ("changes", "role", "self_match"),
    [
        ({}, Liquidity.MAKER, False),
        ({"direction": "TAKER"}, Liquidity.TAKER, False),
        ({"matchAccountId": ROW["accountId"]}, Liquidity.MAKER, True),
        ({"direction": "NOBODY"}, Liquidity.UNKNOWN, False),
        ({"direction": None}, Liquidity.UNKNOWN, False),
        ({"matchAccountId": None}, Liquidity.UNKNOWN, False),
        ({"matchAccountId": "0"}, Liquidity.UNKNOWN, False),
    ],
)
def test_the_role_is_told_or_unknown_and_never_guessed(
    changes: dict[str, Any], role: Liquidity, self_match: bool
) -> None:
    (row,) = read(ROW | changes)
    assert isinstance(row, FillRow)
    assert (row.role, row.self_match) == (role, self_match)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"matchFillId": None, "id": None}, "no trade id: expected one of matchFillId, tradeId, id"),
        ({"fillSize": "0"}, "a fill of fillSize 0 and fillValue 31.70: both must be above 0"),
        ({"fillValue": "-1"}, "a fill of fillSize 0.050 and fillValue -1: both must be above 0"),
        ({"fillSize": "NaN"}, "fillSize: expected a decimal, found 'NaN'"),
        ({"fillSize": "1e90"}, "fillSize: 1e90 is no amount"),
        ({"fillSize": "0.0000000000001"}, "fillSize: 0.0000000000001 is no amount"),
        ({"fillSize": "123456789012345"}, "fillSize: 123456789012345 is no amount"),
        ({"fillSize": "0.05\n"}, "fillSize: expected a decimal, found '0.05\\n'"),
        ({"fillSize": "٥"}, "fillSize: expected a decimal, found '٥'"),
        ({"orderSide": "Buy"}, "orderSide: expected BUY or SELL, found Buy"),
        ({"symbolId": ""}, "symbolId: expected a text, found ''"),
        ({"matchTime": "0"}, "matchTime: 0 is no time in ms"),
        ({"accountId": None}, "accountId: expected a text, found nothing"),
    ],
)
def test_a_bad_row_is_named_and_blocks_no_other(changes: dict[str, Any], text: str) -> None:
    first, bad, last = read(ROW, ROW | changes, WHOLE)
    assert first == FILL
    assert bad == BadRow(text, ROW["orderId"])
    assert isinstance(last, FillRow)
    assert last.side is Side.SELL


@pytest.mark.parametrize("text", ["0.05", "5", "12345678901.12345678901", "12345678901234.123456789012", "5E-2", 5])
def test_an_amount_is_read_to_its_last_digit(text: str | int) -> None:
    (row,) = read(ROW | {"fillSize": text})
    assert isinstance(row, FillRow)
    assert str(row.qty) == str(Decimal(text))


def test_a_row_that_is_none_names_no_order() -> None:
    assert read(7, ROW) == (BadRow("row: expected an object, found '7'", ""), FILL)


def test_contract_rows_name_their_market_and_cause_otherwise() -> None:
    row = {key: value for key, value in ROW.items() if key != "symbolId"} | {"contractId": "10000001"}
    rows = read(row, row | {"isLiquidate": True}, row | {"isDeleverage": True}, product=CONTRACT,
                kind="contract-trade-event")  # fmt: skip
    told = [(it.instrument_id, it.kind) for it in rows if isinstance(it, FillRow)]
    assert told == [("10000001", FillKind.TRADE), ("10000001", FillKind.LIQUIDATION), ("10000001", FillKind.ADL)]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"type": "ping", "time": "1693208170000"}, Ping("1693208170000")),
        ({"type": "ping", "time": 1693208170000}, Ping(1693208170000)),
        ({"type": "connected", "sid": "1"}, None),
        (frame(), None),
        ({"type": "spot-trade-event", "msg": {"event": "ACCOUNT", "data": {"balance": []}}}, None),
        ({"type": "spot-trade-event", "content": {"data": {"orderFillTransaction": [ROW]}}}, Rows((FILL,))),
        (frame(ROW, kind="contract-trade-event"), Unread("a message of type contract-trade-event")),
        ({"event": "ping"}, Unread("a message of type None")),
    ],
)
def test_a_message_is_taken_for(said: object, told: object) -> None:
    assert stream.message(json.dumps(said).encode(), SPOT) == told


@pytest.mark.parametrize("time", ["1693208170000", 1693208170000, "1.5"])
def test_a_pong_says_the_time_of_the_ping_as_it_was(time: str | int) -> None:
    assert json.loads(request.pong(time)) == {"type": "pong", "time": time}


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b'{"type":"ping"}', b'{"type":"spot-trade-event"}',
     b'{"type":"spot-trade-event","msg":{"data":{"orderFillTransaction":{}}}}'],
)  # fmt: skip
def test_what_is_no_message_is_a_bad_frame(data: bytes) -> None:
    with pytest.raises(BadFrame):
        stream.message(data, SPOT)


def test_golden_frames() -> None:
    told = [stream.message(line.encode(), SPOT) for line in FRAMES.read_text(encoding="utf-8").splitlines()]
    assert [type(it).__name__ for it in told] == ["NoneType", "NoneType", "Rows", "Ping", "Rows", "Rows"]
    rows = [row for it in told if isinstance(it, Rows) for row in it.rows]
    assert [
        (type(row), getattr(row, "qty", None), getattr(row, "role", None), getattr(row, "self_match", None))
        for row in rows
    ] == [
        (FillRow, D("0.050"), Liquidity.MAKER, False),
        (FillRow, D("0.020"), Liquidity.MAKER, False),
        (BadRow, None, None, None),
        (FillRow, D("0.010"), Liquidity.TAKER, False),
        (FillRow, D("0.030"), Liquidity.MAKER, True),
    ]


# --- replies


def body(value: object) -> bytes:
    return json.dumps(value).encode()


def test_a_page_of_orders_keeps_what_can_be_read() -> None:
    got = reply.order_page(body(answer(page(ORDER, {"id": "7"}, more=True))), SPOT)
    (order,) = got.orders
    assert (order.order_id, order.cum_qty, order.cum_value) == ("700000000000000010", D("0.050"), D("31.70"))
    assert (order.state, order.post_only, order.client_id) == (OrderState.PARTIALLY_FILLED, True, "m-1")
    assert (got.bad, got.more) == (("orderSide: expected BUY or SELL, found None",), True)


def test_an_instrument_is_found_by_name_or_id() -> None:
    for symbol in ("BNB-USDT", "90000005"):
        found, it = reply.instrument_of(body(answer(META)), symbol, SPOT, venue="v", market="BNB-SPOT")
        assert (found, it.symbol, it.kind, it.base, it.quote) == ("90000005", symbol, MarketKind.SPOT, "BNB", "USDT")
        assert (it.tick, it.lot, it.min_qty, it.maker_fee) == (D("0.01"), D("0.001"), D("0.01"), D("0.0002"))
    with pytest.raises(Rejected, match="the venue lists no ETH-USDT"):
        reply.instrument_of(body(answer(META)), "ETH-USDT", SPOT, venue="v", market="m")


def test_the_best_of_a_book_needs_no_order_of_its_levels() -> None:
    assert reply.best(body(answer(DEPTH))) == (D("634.00"), D(2), D("634.10"), D(1), 7)
    assert reply.best(body(answer([{"endVersion": 8, "asks": [], "bids": []}]))) == (0, 0, 0, 0, 8)


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (200, answer(None), type(None)),
        (200, answer(None, code="UNKNOWN"), OutcomeUnknown),
        (200, answer(None, code="INVALID_PARAM"), Rejected),
        (401, answer(None, code="BAD_SIGN"), AuthFailed),
        (200, answer(None, code="RATE_LIMIT"), RateLimited),
        (503, answer(None, code="SYSTEM_MAINTENANCE"), OutcomeUnknown),
        (502, "<html>", type(None)),
    ],
)
def test_what_a_venue_says_is_named(status: int, said: object, kind: type) -> None:
    assert type(reply.judge(status, body(said))) is kind


# --- what no venue should send


@pytest.mark.parametrize("seed", range(2))
def test_a_sample_of_the_fuzz(seed: int) -> None:
    fuzz(1_500, seed)


def test_the_fuzz_notices_a_crash_a_made_up_fill_and_a_lost_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise KeyError("tradeId")

    whole = body(frame(ROW, WHOLE))
    said = stream.message(whole, SPOT)
    monkeypatch.setattr(fuzz_bifu.stream, "message", lambda *_: said)
    check_frame(whole)
    with pytest.raises(Broken, match="not in the text"):
        check_frame(whole.replace(b"0.050", b"0.005"))
    monkeypatch.setattr(fuzz_bifu.stream, "message", lambda *_: Rows((FILL, BadRow("no", ""))))
    with pytest.raises(Broken, match="a whole row was refused"):
        check_frame(whole)
    monkeypatch.setattr(fuzz_bifu.stream, "message", crash)
    with pytest.raises(Broken, match="KeyError"):
        check_frame(whole)
