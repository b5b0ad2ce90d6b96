"""Lighter's wire by the documents: golden frames, codes and words, and whatever else may come."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from hashlib import sha512
from pathlib import Path
from random import Random
from typing import Any

import pytest
from lighter_kit import ACCOUNT, DETAIL, D, order_row, trade_row

from engine.runtime.clock import VirtualClock
from exchanges.errors import AuthFailed, BadFrame, ExchangeError, OutcomeUnknown, RateLimited, Rejected
from exchanges.lighter.native import KEY_HEX, NativeSigner, library_path
from exchanges.lighter.rest import judge
from exchanges.lighter.signer import AT_ONCE_NS, CALLS_LOOKED_AT, SignedTx, SignerThread
from exchanges.lighter.standin import LocallyKnown, StandInSigner
from exchanges.lighter.wire import reply, stream
from exchanges.lighter.wire.facts import OrderFacts, PositionFacts, TradeFacts, order_facts, trade_facts, when_ms
from exchanges.lighter.wire.reply import WrongNonce
from exchanges.lighter.wire.scale import CancelTx, OrderTx
from exchanges.lighter.wire.stream import BookFacts, OrdersSaid, PingSaid, PositionsSaid, TradesSaid, Unread
from exchanges.transport import Response
from exchanges.types import FillKind, OrderState, Refusal, Side
from exchanges.venues.lighter.wire import read_tx

S, R = OrderState, Refusal
AT = 1_777_941_383_900


# --- frames


def said(value: object) -> object:
    return stream.message(json.dumps(value).encode(), ACCOUNT)


def test_golden_frames() -> None:
    order = order_row(42, status="open", filled_base_amount="0.0050", is_ask=True, updated_at=AT)
    assert said({"type": "update/account_all_orders", "channel": "x", "orders": {"0": [order]}}) == (
        OrdersSaid((OrderFacts(0, Side.SELL, str((1 << 48) + 42), "42", D("0.0200"), D("2600.10"), S.PARTIALLY_FILLED,
                               D("0.0050"), AT, False, None, ""),))
    )  # fmt: skip
    trade = trade_row(7, 42, timestamp=AT, type="liquidation")
    assert said({"type": "update/account_all_trades", "channel": "x", "trades": {"0": [trade]}}) == (
        TradesSaid((TradeFacts(0, "7", Side.BUY, str((1 << 48) + 42), "42", D("0.0100"), D("2600.10"),
                               D("0.000728028"), True, AT, FillKind.LIQUIDATION),))
    )  # fmt: skip
    position = {"market_id": 0, "sign": -1, "position": "1.5000", "avg_entry_price": "2350.10",
                "position_value": "3525.15", "liquidation_price": "0"}  # fmt: skip
    assert said({"type": "update/account_all_positions", "channel": "x", "positions": {"0": position}}) == (
        PositionsSaid((PositionFacts(0, D("-1.5000"), D("2350.10"), None, D("2350.10")),))
    )
    ticker = {"s": "ETH", "a": {"price": "2325.00", "size": "99.0000"}, "b": {"price": "2000.00", "size": "0.0200"}}
    assert said(
        {"type": "subscribed/ticker", "channel": "ticker:0", "nonce": 904895, "timestamp": AT, "ticker": ticker}
    ) == (BookFacts(0, D("2000.00"), D("0.0200"), D("2325.00"), D("99.0000"), 904895, AT))
    assert said({"type": "ping"}) == PingSaid()
    for nothing in (
        {"type": "connected", "session_id": "x"},
        {"type": "unsubscribed", "channel": "x"},
        {"type": "pong"},
    ):
        assert said(nothing) is None
    assert isinstance(said({"type": "update/height", "height": 1}), Unread)
    assert json.loads(stream.subscribe("account_all_orders/77", token="t")) == {
        "type": "subscribe", "channel": "account_all_orders/77", "auth": "t",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "cum", "state", "refusal"),
    [
        ("in-progress", "0", S.PENDING, None),
        ("pending", "0", S.PENDING, None),
        ("open", "0", S.OPEN, None),
        ("open", "0.0001", S.PARTIALLY_FILLED, None),
        ("filled", "0.0200", S.FILLED, None),
        ("canceled", "0.0100", S.CANCELED, None),
        ("canceled-post-only", "0", S.FAILED, R.POST_ONLY),
        ("canceled-reduce-only", "0", S.FAILED, R.REDUCE_ONLY),
        ("canceled-reduce-only", "0.0100", S.CANCELED, R.REDUCE_ONLY),
        ("canceled-position-not-allowed", "0", S.FAILED, R.MARGIN),
        ("canceled-margin-not-allowed", "0", S.FAILED, R.MARGIN),
        ("canceled-invalid-balance", "0", S.FAILED, R.MARGIN),
        ("canceled-too-much-slippage", "0", S.CANCELED, None),
        ("canceled-not-enough-liquidity", "0.0100", S.CANCELED, None),
        ("canceled-self-trade", "0.0100", S.CANCELED, R.SELF_TRADE),
        ("canceled-expired", "0", S.CANCELED, None),
        ("canceled-oco", "0", S.CANCELED, None),
        ("canceled-child", "0", S.CANCELED, None),
        ("canceled-liquidation", "0", S.CANCELED, None),
        ("canceled-for-a-new-reason", "0", S.CANCELED, None),
    ],
)
def test_states(status: str, cum: str, state: OrderState, refusal: Refusal | None) -> None:
    facts = order_facts(order_row(1, status=status, filled_base_amount=cum))
    assert (facts.state, facts.refusal) == (state, refusal)


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "done"}, {"status": None}, {"status": "filled"}, {"is_ask": 1}, {"is_ask": None},
        {"filled_base_amount": "-1"}, {"filled_base_amount": "NaN"}, {"initial_base_amount": None},
        {"order_index": "x"}, {"market_index": 1.5}, {"updated_at": None, "timestamp": 0, "created_at": None},
    ],
)  # fmt: skip
def test_an_order_that_cannot_be_is_not_read(wrong: dict[str, object]) -> None:
    with pytest.raises(BadFrame):
        order_facts(order_row(1) | wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"size": "0"}, "a trade of 0"), ({"price": "-1"}, "at -1"), ({"is_maker_ask": None}, "is_maker_ask"),
     ({"bid_account_id": "me"}, "bid_account_id"), ({"maker_fee": "x"}, "maker_fee")],
)  # fmt: skip
def test_a_trade_that_cannot_be_is_not_read(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(BadFrame, match=words):
        trade_facts(trade_row(1, 1) | wrong, ACCOUNT)


def test_fees_are_millionths_of_the_value_and_absent_where_nothing_is_paid() -> None:
    [taker] = trade_facts(trade_row(1, 1, is_maker_ask=True), ACCOUNT)
    assert (taker.maker, taker.fee) == (False, D("26.001") * 196 / 1_000_000)
    row = trade_row(1, 1)
    del row["maker_fee"]
    assert trade_facts(row, ACCOUNT)[0].fee == 0
    assert trade_facts(trade_row(1, 1, maker_fee=-5), ACCOUNT)[0].fee < 0  # a rebate
    assert trade_facts(trade_row(1, 1, type="something new"), ACCOUNT)[0].kind is FillKind.LIQUIDATION


def test_times_are_read_in_seconds_milliseconds_and_microseconds() -> None:
    for value in (1_777_941_383, 1_777_941_383_000, 1_777_941_383_000_000, "1777941383000"):
        assert when_ms({"t": value}, "t") == 1_777_941_383_000
    assert when_ms({"a": 0, "b": 5}, "a", "b") == 5_000


# --- answers


@pytest.mark.parametrize(
    ("status", "code", "error", "refusal"),
    [
        (400, 21104, WrongNonce, None),
        (400, 21105, WrongNonce, None),
        (400, 21120, AuthFailed, None),
        (400, 21109, AuthFailed, None),
        (400, 23000, RateLimited, None),
        (429, 21701, RateLimited, None),
        (405, 1, RateLimited, None),
        (400, 21506, Rejected, R.RATE),
        (400, 21717, Rejected, R.RATE),
        (500, 21739, OutcomeUnknown, None),
        (503, 21104, OutcomeUnknown, None),
        (400, 21739, Rejected, R.MARGIN),
        (400, 21706, Rejected, R.SIZE),
        (400, 21733, Rejected, R.PRICE),
        (400, 21732, Rejected, R.REDUCE_ONLY),
        (400, 21728, Rejected, R.DUPLICATE_ID),
        (400, 21600, Rejected, R.NOT_FOUND),
        (400, 21602, Rejected, R.UNSUPPORTED),
        (400, 21605, Rejected, R.VENUE),
        (400, 20001, Rejected, R.VENUE),
        (200, 21739, Rejected, R.MARGIN),  # an error beside HTTP 200
        (500, 29500, OutcomeUnknown, None),
        (200, 29501, OutcomeUnknown, None),
        (500, 200, OutcomeUnknown, None),
    ],
)
def test_codes(status: int, code: int, error: type[ExchangeError], refusal: Refusal | None) -> None:
    found = reply.judge(status, json.dumps({"code": code, "message": "words"}).encode())
    assert type(found) is error
    if refusal is not None:
        assert isinstance(found, Rejected)
        assert found.refusal is refusal


@pytest.mark.parametrize(
    ("status", "body", "retry_ms"),
    [
        (429, b'{"code": 23000, "message": "Too Many Requests!"}', 0),  # the API names no time
        (429, b"", 60_000), (405, b"<html>", 60_000),  # its firewall shuts out for a minute
    ],
)  # fmt: skip
def test_only_the_firewall_shuts_out_for_a_minute(status: int, body: bytes, retry_ms: int) -> None:
    """Seed 71 of a simulated storm: one 429 to a hedge held up every other hedge for 60 s."""
    found = judge(Response(status, {}, body))
    assert isinstance(found, RateLimited)
    assert found.retry_ms == retry_ms


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"code":"200"}', b'{"code":200}', b'{"status":200}'])
def test_what_says_nothing_of_an_error_is_left_to_the_status(body: bytes) -> None:
    assert reply.judge(200, body) is None


def test_the_best_of_a_book_adds_up_the_orders_at_one_price() -> None:
    def level(price: str, size: str) -> dict[str, str]:
        return {"price": price, "remaining_base_amount": size}

    body = {"code": 200, "bids": [level("1.0", "2"), level("1.1", "3"), level("1.1", "4")], "asks": None}
    assert reply.best_of(json.dumps(body).encode(), 0, 5) == BookFacts(0, D("1.1"), D(7), D(0), D(0), 0, 5)


# --- whatever may come

FRAMES: list[dict[str, Any]] = [
    {"type": "update/account_all_orders", "channel": "c:77", "orders": {"0": [order_row(1)]}},
    {"type": "update/account_all_trades", "channel": "c:77", "trades": {"0": [trade_row(1, 1)]}},
    {
        "type": "update/account_all_positions",
        "channel": "c",
        "positions": {"0": {"market_id": 0, "sign": 1, "position": "1"}},
    },
    {
        "type": "update/ticker",
        "channel": "ticker:0",
        "nonce": 1,
        "timestamp": 5,
        "ticker": {"a": {"price": "1", "size": "1"}},
    },
    {"error": {"code": 30003, "message": "Already Subscribed"}},
]
ODD = (None, "", 0, -1, 10**30, 1.5, "1e5", "nan", "0x1", True, [], {}, [[]], {"a": None}, "\ud800", "9" * 400)


def test_nothing_that_comes_is_a_crash_or_a_fill_that_cannot_be() -> None:
    rng = Random(7)
    read = 0
    for _ in range(6_000):
        frame = json.loads(json.dumps(rng.choice(FRAMES)))
        for _ in range(rng.randint(1, 3)):
            _spoil(frame, rng)
        data = json.dumps(frame).encode("utf-8", "surrogatepass")
        if rng.random() < 0.2:
            data = data[: rng.randrange(len(data) + 1)]
        try:
            told = stream.message(data, ACCOUNT)
        except (BadFrame, AuthFailed):
            continue
        read += 1
        for trade in told.trades if isinstance(told, TradesSaid) else ():
            assert trade.qty > 0
            assert trade.price > 0
    assert read > 500
    for answer in (reply.sent, reply.next_nonce, reply.tier_of, reply.orders_of, reply.tx_of, reply.clock_ms):
        for body in (b"", b"[]", b"{}", b'{"code":200}', b'{"code":1}', b"null", b'"x"', b"<html>"):
            try:
                answer(body)
            except BadFrame:
                continue
            assert answer is reply.orders_of


ANSWERS: list[tuple[dict[str, Any], Callable[[bytes], object]]] = [
    (
        {"code": 200, "accounts": [{"index": 77, "collateral": "1", "available_balance": "1", "positions": [
            {"market_id": 0, "sign": 1, "position": "1", "unrealized_pnl": "0"}]}]},
        lambda body: reply.account_of(body, ACCOUNT),
    ),
    ({"code": 200, "orders": [order_row(1)], "next_cursor": "x"}, reply.orders_of),
    ({"code": 200, "trades": [trade_row(1, 1)]}, lambda body: reply.trades_of(body, ACCOUNT)),
    ({"code": 200, "order_book_details": [DETAIL]}, lambda body: reply.market_of(body, "ETH")),
    ({"code": 200, "status": 0, "event_info": '{"ae": "x"}'}, reply.tx_of),
    ({"code": 200, "user_tier": "std", "current_maker_fee_tick": 0, "current_taker_fee_tick": 1}, reply.tier_of),
    ({"code": 200, "bids": [{"price": "1", "remaining_base_amount": "1"}]}, lambda body: reply.best_of(body, 0, 1)),
    ({"code": 200, "api_keys": [{"api_key_index": 5, "public_key": "a"}]}, lambda body: reply.public_key(body, 5)),
    ({"code": 21104, "message": "x"}, lambda body: reply.judge(400, body)),
]  # fmt: skip


def test_no_answer_is_a_crash() -> None:
    rng = Random(8)
    for _ in range(3_000):
        said, read = rng.choice(ANSWERS)
        spoiled = deepcopy(said)
        for _ in range(rng.randint(1, 3)):
            _spoil(spoiled, rng)
        with suppress(ExchangeError):
            read(json.dumps(spoiled).encode("utf-8", "surrogatepass"))


def _spoil(value: Any, rng: Random) -> None:
    """Replace one thing somewhere inside."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    if not keys:
        return
    key = rng.choice(keys)
    if isinstance(value[key], dict | list) and value[key] and rng.random() < 0.8:
        _spoil(value[key], rng)
    else:
        value[key] = deepcopy(rng.choice(ODD))


# --- signers


def test_the_stand_in_is_deterministic_and_of_the_venues_form() -> None:
    signer = StandInSigner(account_index=ACCOUNT, api_key_index=5, seed="s", clock=VirtualClock(start_wall_ms=AT))
    tx = OrderTx(0, 123, 1000, 405000, True, 0, 1, False, AT + 360_000, 1)
    one, same, other = signer.order(tx, nonce=1), signer.order(tx, nonce=1), signer.order(tx, nonce=2)
    assert one == same != other
    info = json.loads(one.tx_info)
    assert list(info) == [
        "AccountIndex", "ApiKeyIndex", "MarketIndex", "ClientOrderIndex", "BaseAmount", "Price", "IsAsk", "Type",
        "TimeInForce", "ReduceOnly", "TriggerPrice", "OrderExpiry", "ExpiredAt", "Nonce", "Sig", "L2TxAttributes",
    ]  # fmt: skip
    assert (len(info["Sig"]), len(one.tx_hash), len(signer.public_key)) == (108, 80, 80)
    assert signer.token(5).startswith(f"5:{ACCOUNT}:5:")


def test_a_local_venue_knows_a_transaction_of_the_stand_in_by_the_hash_that_it_was_signed_with() -> None:
    """Else an order whose answer is lost, and whose cancel's as well, could be asked about for ever (seed 98 of the
    catalogue on local Lighter)."""
    signer = StandInSigner(account_index=ACCOUNT, api_key_index=5, seed="s", clock=VirtualClock(start_wall_ms=AT))
    for signed in (
        signer.order(OrderTx(0, 123, 1000, 405000, True, 0, 1, False, AT + 360_000, 1), nonce=1),
        signer.cancel(CancelTx(0, 5), nonce=2),
    ):
        assert read_tx(signed.tx_type, signed.tx_info, now_ms=AT).hash == signed.tx_hash


def test_a_key_that_is_none_and_a_library_that_is_not_the_known_one_are_refused(tmp_path: Path) -> None:
    def sign(key: str, library: Path | None = None) -> NativeSigner:
        return NativeSigner(key, account_index=1, api_key_index=5, chain_id=304, library=library)

    for wrong in ("", "abc", "x" * KEY_HEX, "ab" * 32):
        with pytest.raises(AuthFailed, match="is no Lighter API key: expected 80 hex digits") as caught:
            sign(wrong)
        assert not wrong or wrong not in str(caught.value)
    (tmp_path / "signer.so").write_bytes(b"not a library")
    with pytest.raises(AuthFailed, match=r"is not the one of lighter-sdk 1\.1\.8"):
        sign("ab" * 40, tmp_path / "signer.so")
    with pytest.raises(AuthFailed, match=r"cannot be read .*pip install 'eagle-flow\[lighter\]'"):
        sign("ab" * 40, tmp_path / "gone.so")


def test_the_native_signer_signs_the_same_transaction_as_the_stand_in() -> None:
    """Only where lighter-sdk is installed, as an extra; all else runs without."""
    try:
        library_path()
        native = NativeSigner("0b" * 40, account_index=ACCOUNT, api_key_index=5, chain_id=304)
    except AuthFailed as missing:
        pytest.skip(str(missing))
    stand_in = StandInSigner(account_index=ACCOUNT, api_key_index=5, seed="s", clock=VirtualClock(start_wall_ms=AT))
    order = OrderTx(0, (1 << 48) - 1, 1000, (1 << 32) - 1, True, 0, 2, True, 1_900_000_000_000, 2)
    for one, other in (
        (native.order(order, nonce=7), stand_in.order(order, nonce=7)),
        (native.cancel(CancelTx(0, 5), nonce=8), stand_in.cancel(CancelTx(0, 5), nonce=8)),
    ):
        left, right = json.loads(one.tx_info), json.loads(other.tx_info)
        assert (one.tx_type, list(left), len(one.tx_hash)) == (other.tx_type, list(right), len(other.tx_hash))
        for changing in ("Sig", "ExpiredAt"):
            assert len(str(left.pop(changing))) == len(str(right.pop(changing)))
        assert left == right
    assert len(native.token(1_900_000_000)) == len(stand_in.token(1_900_000_000))
    with pytest.raises(AuthFailed, match="the Lighter signer refuses"):
        native.order(OrderTx(0, 1, 1000, 0, True, 0, 2, False, 1_900_000_000_000, 0), nonce=9)


def test_a_local_venue_knows_what_any_signer_signed() -> None:
    """Its hash function is not the venue's own: an order whose answer is lost was asked about for ever."""

    class Native(StandInSigner):
        def _signed(self, *given: Any) -> SignedTx:
            return replace(super()._signed(*given), tx_hash="n" * 80)

    native = Native(account_index=ACCOUNT, api_key_index=5, seed="s", clock=VirtualClock(start_wall_ms=AT))
    local = LocallyKnown(native)
    for tx in (
        local.order(OrderTx(0, 1, 1000, 1, True, 0, 2, False, AT, 0), nonce=7),
        local.cancel(CancelTx(0, 5), nonce=8),
    ):
        assert tx.tx_hash == sha512(f"{tx.tx_type}/{tx.tx_info}".encode()).hexdigest()[:80]
    assert (local.token(9), local.blocking) == (native.token(9), False)


def test_the_loop_waits_for_a_signature_where_that_is_over_soon() -> None:
    """One call that was interrupted says nothing; eight slow ones say that the machine is slow."""
    clock = VirtualClock()
    signer = StandInSigner(account_index=1, api_key_index=5, seed="s", clock=clock)
    assert SignerThread(signer, clock).at_once
    signer.blocking = True
    thread = SignerThread(signer, clock)
    assert not thread.at_once  # nobody knows how long it takes

    def sign_for(ns: int) -> None:
        def take() -> None:
            clock.at_ns += ns

        thread.now(take)

    sign_for(AT_ONCE_NS + 1)
    assert not thread.at_once
    assert thread.now(threading.get_ident) != threading.get_ident()
    sign_for(AT_ONCE_NS)
    assert thread.at_once
    for _ in range(CALLS_LOOKED_AT - 1):
        sign_for(8_000_000)
        assert thread.at_once
    sign_for(8_000_000)
    assert not thread.at_once
    thread.close()


def test_a_signature_that_never_comes_does_not_hold_up_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exchanges.lighter.signer.NOW_MOST_S", 0.01)
    signer = StandInSigner(account_index=1, api_key_index=5, seed="s", clock=VirtualClock())
    signer.blocking = True
    thread, never = SignerThread(signer, VirtualClock()), threading.Event()
    thread.now(bool)
    assert thread.at_once
    with pytest.raises(TimeoutError):
        thread.now(lambda: never.wait(20))
    assert not thread.at_once
    never.set()
    thread.close()


def test_what_blocks_is_called_in_one_thread_of_its_own_also_after_a_new_connection() -> None:
    async def main() -> None:
        signer = StandInSigner(account_index=1, api_key_index=5, seed="s", clock=VirtualClock())
        assert await SignerThread(signer, VirtualClock()).call(threading.get_ident) == threading.get_ident()
        signer.blocking = True
        thread = SignerThread(signer, VirtualClock())
        here, first, second = threading.get_ident(), *[await thread.call(threading.get_ident) for _ in "ab"]
        assert first == second != here
        thread.close()
        assert await thread.call(threading.get_ident) != here
        thread.close()

    asyncio.run(main())
