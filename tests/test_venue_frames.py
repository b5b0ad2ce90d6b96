"""Golden frames of the local venues: one order's life in each protocol, told the same way ever since, and read by ours.

Write them anew with `EAGLE_WRITE_GOLDEN=1 pytest tests/test_venue_frames.py`, and read the difference.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from binance_kit import BinanceUser, binance
from okx_kit import CONTRACT, SPOT, SWAP, SWAP_CODE, OkxUser, okx
from paper_clock import PaperClock
from venue_kit import PERP, QUOTE, BackpackUser, D, LighterUser, exchange, lighter, public_of, stream, subscription

from exchanges.backpack.wire import stream as backpack_wire
from exchanges.binance.wire import stream as binance_wire
from exchanges.lighter.wire import stream as lighter_wire
from exchanges.market import MarketQuote, MarketTrade
from exchanges.okx.wire import stream as okx_wire
from exchanges.types import MarketKind, Side
from exchanges.venues.backpack.model import Backpack
from exchanges.venues.lighter.state import LighterOptions

FOLDER = Path(__file__).parent / "frames"
WRITE = os.environ.get("EAGLE_WRITE_GOLDEN") == "1"
S = 1_000_000_000
EVENTS = (
    QUOTE,
    MarketQuote(S, 260_000, 100, 260_010, 400),
    MarketTrade(20 * S, Side.SELL, 260_000, 600),
    MarketQuote(21 * S, 260_001, 100, 260_010, 400),
)


def backpack_frames() -> list[Any]:
    """A post-only order that fills in part and is cancelled, a market order over three levels, a refused remainder."""
    clock = PaperClock()
    user = BackpackUser(Backpack(exchange(EVENTS, clock=clock), {public_of("alice"): "alice"}))
    session, wire = stream(user.venue)
    names = ("account.orderUpdate", "account.positionUpdate", "bookTicker")
    session.on_text(subscription(user, *(f"{name}.{PERP}" for name in names)))
    clock.run_until(clock.now_ns() + 10 * S)
    user.limit("Bid", "2600", "0.1", clientId=41, postOnly=True)
    clock.run_until(clock.now_ns() + 15 * S)
    user.cancel(clientId=41)
    user.market("Ask", "0.03", clientId=42)
    user.limit("Bid", "2600.10", "0.2", clientId=43, timeInForce="IOC")
    return [it for it in wire.take() if it != "ping"]


def lighter_frames() -> list[Any]:
    """The same, by transactions."""
    clock = PaperClock()
    user = LighterUser(lighter(EVENTS, LighterOptions(tier="premium"), clock=clock), clock)
    channels = ("account_all_orders/101", "account_all_trades/101", "account_all_positions/101", "ticker/0")
    _, wire = user.listen(*channels)
    user.run(10 * S)
    user.do(user.order(1_000, 260_000, force=2, ClientOrderIndex=41))
    user.run(15 * S)
    user.do(user.cancel(41))
    user.do(user.order(300, 255_000, ask=True, force=0, kind=1, ClientOrderIndex=42))
    user.do(user.order(2_000, 260_010, force=0, ClientOrderIndex=43))
    user.do(user.order(1_000, 260_020, force=2, ClientOrderIndex=44))
    return wire.take()


def binance_frames(kind: MarketKind) -> list[Any]:
    """The same, and an order that is changed by nobody but its own end."""
    user = BinanceUser(binance(kind, EVENTS))
    wire = user.listen()
    session, book = user.stream("/ws" if kind is MarketKind.SPOT else "/public/ws")
    session.on_text('{"method":"SUBSCRIBE","params":["ethusdt@bookTicker"],"id":1}')
    post_only = {"type": "LIMIT_MAKER", "timeInForce": None} if kind is MarketKind.SPOT else {"timeInForce": "GTX"}
    user.run(10 * S)
    user.place("BUY", "0.1", "2600", newClientOrderId="e1r1a1", **post_only)
    user.run(15 * S)
    user.call("DELETE", "order", symbol="ETHUSDT", origClientOrderId="e1r1a1", newClientOrderId="c1")
    user.place("SELL", "0.03", newClientOrderId="e1r1a2")
    user.place("BUY", "0.2", "2600.10", newClientOrderId="e1r1a3", timeInForce="IOC")
    return [it for it in (*wire.take(), *book.take()) if it != "ping"]


def okx_frames() -> list[Any]:
    """The same through the stream, and a spot buy that pays its fee in what it bought."""
    user = OkxUser(okx(EVENTS))
    channels = [{"channel": "orders", "instType": kind, "instId": it} for kind, it in (("SWAP", SWAP), ("SPOT", SPOT))]
    session, wire = user.listen(*channels)
    public, book = user.stream("public")
    public.on_text(json.dumps({"op": "subscribe", "args": [{"channel": "bbo-tbt", "instId": SWAP}]}))

    def do(name: str, number: int, **args: object) -> None:
        session.on_text(json.dumps({"id": str(number), "op": name, "args": [{"instIdCode": SWAP_CODE, **args}]}))

    def order(side: str, kind: str, size: str, price: str = "", **more: str) -> dict[str, object]:
        fields = user.order(side, kind, size, price, **more)
        del fields["instId"]
        return fields

    user.run(10 * S)
    do("order", 1, **order("buy", "post_only", "10", "2600", clOrdId="e1r1a1"))
    user.run(15 * S)
    do("cancel-order", 2, clOrdId="e1r1a1")
    do("order", 3, **order("sell", "market", "3", clOrdId="e1r1a2"))
    do("order", 4, **order("buy", "ioc", "20", "2600.10", clOrdId="e1r1a3"))
    do("order", 5, **order("buy", "post_only", "10", "2600.20", clOrdId="e1r1a4"))
    do("order", 6, **order("buy", "limit", "0.001", "2600.20", clOrdId="e1r1a5"))
    user.place("buy", "market", "0.1", instId=SPOT, tgtCcy="base_ccy", clOrdId="e1r1a6")
    return [*wire.take(), *book.take()]


MADE: dict[str, Callable[[], list[Any]]] = {
    "backpack": backpack_frames,
    "lighter": lighter_frames,
    "okx": okx_frames,
    "binance_spot": lambda: binance_frames(MarketKind.SPOT),
    "binance_futures": lambda: binance_frames(MarketKind.PERP),
}


@pytest.mark.parametrize("venue", MADE)
def test_frames_are_as_they_were(venue: str) -> None:
    path = FOLDER / f"{venue}.jsonl"
    text = "".join(json.dumps(frame) + "\n" for frame in MADE[venue]())
    if WRITE:
        path.write_text(text)
    assert path.read_text() == text


def _golden(venue: str) -> list[bytes]:
    return (FOLDER / f"{venue}.jsonl").read_bytes().splitlines()


def test_our_backpack_reads_every_frame() -> None:
    told = [backpack_wire.message(frame) for frame in _golden("backpack")]
    assert [it for it in told if it is None or isinstance(it, backpack_wire.Unread)] == []


def test_our_lighter_reads_every_frame() -> None:
    told = [lighter_wire.message(frame, 101) for frame in _golden("lighter")]
    assert [it for it in told if isinstance(it, lighter_wire.Unread)] == []
    assert told.count(None) == 1  # a snapshot of trades repeats old ones: it says nothing


def test_our_okx_reads_every_frame() -> None:
    told = [okx_wire.message(frame, {SWAP: CONTRACT, SPOT: D(1)}) for frame in _golden("okx")]
    assert [
        it for it in told if isinstance(it, okx_wire.Unread) or (isinstance(it, okx_wire.Orders) and it.unread)
    ] == []
    trades = [facts.trade for it in told if isinstance(it, okx_wire.Orders) for facts in it.facts if facts.trade]
    assert [(trade.qty, trade.fee_asset, trade.maker) for trade in trades] == [
        (D("0.05"), "USDT", True), *[(D("0.01"), "USDT", False)] * 3, (D("0.04"), "USDT", False),
        (D("0.1"), "ETH", False),
    ]  # fmt: skip


@pytest.mark.parametrize("venue", ["binance_spot", "binance_futures"])
def test_our_binance_reads_every_frame(venue: str) -> None:
    told = [binance_wire.message(frame) for frame in _golden(venue)]
    assert [it for it in told if isinstance(it, binance_wire.Unread)] == []
    assert told.count(None) == 1  # the answer to a subscription of quotes
