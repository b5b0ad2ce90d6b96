"""The local Backpack's streams: who may hear what, the frames of an order's life, books that join, keep-alive."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from paper_clock import PaperClock
from venue_kit import (
    PERP,
    QUOTE,
    BackpackUser,
    Wire,
    backpack,
    exchange,
    picked,
    public,
    public_of,
    stream,
    subscription,
)

from exchanges.market import MarketEvent, MarketQuote, MarketTrade
from exchanges.types import Side
from exchanges.venues.backpack.model import Backpack

S = 1_000_000_000
AT_US = 1_700_000_000_000_000


def listening(*names: str, events: tuple[MarketEvent, ...] = (QUOTE,)) -> tuple[BackpackUser, Wire, PaperClock]:
    """alice, subscribed with her signature."""
    clock = PaperClock()
    venue = Backpack(exchange(events, clock=clock), {public_of(name): name for name in ("alice", "bob")})
    user = BackpackUser(venue)
    session, wire = stream(venue)
    session.on_text(subscription(user, *names))
    return user, wire, clock


def test_a_resting_order_and_its_end_are_told_whole() -> None:
    user, wire, _ = listening("account.orderUpdate")
    assert wire.take() == []  # a subscription is not acknowledged
    user.limit("Bid", "2599.50", "0.1", clientId=7, postOnly=True)
    accepted = {
        "e": "orderAccepted", "E": AT_US, "s": PERP, "S": "Bid", "o": "LIMIT", "f": "GTC", "q": "0.1000",
        "p": "2599.50", "X": "New", "i": "1", "c": 7, "z": "0", "Z": "0", "V": "RejectTaker", "O": "USER",
        "r": False, "y": True, "T": AT_US,
    }  # fmt: skip
    assert wire.take() == [{"stream": "account.orderUpdate", "data": accepted}]
    user.cancel(clientId=7)
    assert wire.take() == [
        {"stream": "account.orderUpdate", "data": accepted | {"e": "orderCancelled", "X": "Cancelled"}}
    ]


def test_each_level_that_a_taker_sweeps_is_one_fill() -> None:
    user, wire, _ = listening("account.orderUpdate", events=(MarketQuote(0, 260_000, 100, 260_010, 400),))
    user.market("Bid", "0.1", clientId=9)
    told = [it["data"] for it in wire.take()]
    assert [picked(it, ("e", "X", "z")) for it in told] == [
        {"e": "orderAccepted", "X": "New", "z": "0"},
        {"e": "orderFill", "X": "PartiallyFilled", "z": "0.0400"},
        {"e": "orderFill", "X": "PartiallyFilled", "z": "0.0800"},
        {"e": "orderFill", "X": "Filled", "z": "0.1000"},
    ]
    assert told[1] == {
        "e": "orderFill", "E": AT_US, "s": PERP, "S": "Bid", "o": "MARKET", "f": "GTC", "q": "0.1000",
        "X": "PartiallyFilled", "i": "1", "c": 9, "t": 1, "l": "0.0400", "L": "2600.10", "m": False,
        "n": "0.0520020000", "N": "USDC", "z": "0.0400", "Z": "104.004000", "V": "RejectTaker", "O": "USER",
        "r": False, "y": False, "T": AT_US,
    }  # fmt: skip


def test_a_maker_hears_partial_fills_and_a_cancel_that_keeps_them() -> None:
    events = (MarketQuote(0, 260_000, 100, 260_010, 50_000), MarketTrade(10, Side.SELL, 260_000, 500))
    user, wire, clock = listening("account.orderUpdate", events=events)
    user.limit("Bid", "2600", "0.1", clientId=9, postOnly=True)
    wire.take()
    clock.run_until(clock.now_ns() + 10)
    user.cancel(clientId=9)
    told = [picked(it["data"], ("e", "X", "z")) for it in wire.take()]
    assert told == [
        {"e": "orderFill", "X": "PartiallyFilled", "z": "0.0400"},
        {"e": "orderCancelled", "X": "Cancelled", "z": "0.0400"},
    ]


def test_an_unfilled_remainder_expires_with_its_reason() -> None:
    user, wire, _ = listening("account.orderUpdate")
    user.limit("Bid", "2600.10", "7", timeInForce="IOC")
    last = wire.take()[-1]["data"]
    assert picked(last, ("e", "X", "R", "z")) == {
        "e": "orderExpired", "X": "Expired", "R": "ImmediateOrCancel", "z": "5.0000",
    }  # fmt: skip


def test_an_update_comes_under_every_name_that_was_subscribed() -> None:
    user, wire, _ = listening("account.orderUpdate", f"account.orderUpdate.{PERP}", "account.orderUpdate.ETH_USDC")
    user.limit("Bid", "2599", "0.1")
    assert [it["stream"] for it in wire.take()] == ["account.orderUpdate", f"account.orderUpdate.{PERP}"]


def test_nobody_hears_another_account() -> None:
    user, wire, _ = listening("account.orderUpdate", "account.positionUpdate")
    BackpackUser(user.venue, "bob").market("Bid", "0.1")
    assert wire.take() == []


def test_positions_are_told_as_they_change_and_once_on_subscribing() -> None:
    user, wire, _ = listening("account.positionUpdate")
    user.market("Ask", "0.2")
    user.market("Bid", "0.1")
    user.market("Bid", "0.1")
    told = [picked(it["data"], ("e", "q")) for it in wire.take()]
    assert told == [
        {"e": "positionOpened", "q": "-0.2000"}, {"e": "positionAdjusted", "q": "-0.1000"},
        {"e": "positionClosed", "q": "0"},
    ]  # fmt: skip
    user.market("Ask", "0.3")
    session, late = stream(user.venue)
    session.on_text(subscription(user, "account.positionUpdate"))
    (snapshot,) = late.take()
    assert "e" not in snapshot["data"]
    assert snapshot["data"]["q"] == "-0.3000"


WRONG = [
    ("{", "Parse error"),
    ("[]", "expected an object with a method and a list of params"),
    ('{"method":"SUBSCRIBE","params":"x"}', "expected an object with a method and a list of params"),
    ('{"method":"LIST","params":[]}', "unknown method LIST"),
    ('{"method":"SUBSCRIBE","params":["bookTicker.X_USDC"]}', "Invalid stream bookTicker.X_USDC"),
    ('{"method":"SUBSCRIBE","params":["depth.5ms.ETH_USDC"]}', "Invalid stream depth.5ms.ETH_USDC"),
    ('{"method":"SUBSCRIBE","params":["account.orderUpdate"]}', "account.orderUpdate needs a signature"),
    ('{"method":"SUBSCRIBE","params":["account.x"],"signature":["a"]}', "signature: expected [key, signature,"),
    ('{"method":"SUBSCRIBE","params":["account.x"],"signature":["a","b","1","2"]}', "Unknown API key"),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_a_wrong_command_is_told_as_an_error_frame(text: str, words: str) -> None:
    session, wire = stream(backpack())
    session.on_text(text)
    (told,) = wire.take()
    assert told["id"] is None
    assert told["error"]["message"].startswith(words)


def test_a_subscription_has_its_window_too() -> None:
    user = BackpackUser(backpack())
    session, wire = stream(user.venue)
    session.on_text(subscription(user, "account.orderUpdate", timestamp=user.venue.exchange.now_ms() - 5_001))
    assert wire.take()[0]["error"]["message"] == "Request has expired"
    user.limit("Bid", "2599", "0.1")
    assert wire.take() == []


def test_what_is_unsubscribed_is_heard_no_more() -> None:
    user, wire, _ = listening("account.orderUpdate")
    session, other = stream(user.venue)
    session.on_text(subscription(user, "account.orderUpdate"))
    session.on_text('{"method":"UNSUBSCRIBE","params":["account.orderUpdate"]}')
    user.limit("Bid", "2599", "0.1")
    assert (len(wire.take()), other.take()) == (1, [])


def _book_after(clock_ns: int, name: str) -> tuple[list[Any], dict[str, Any]]:
    """Depth frames of a walking market, and the snapshot that was taken in the middle of it."""
    events = tuple(MarketQuote(step * 10_000_000, 260_000 + step % 3, 100 + step, 260_010, 50) for step in range(60))
    clock = PaperClock()
    venue = Backpack(exchange(events, clock=clock), {})
    session, wire = stream(venue)
    session.on_text(json.dumps({"method": "SUBSCRIBE", "params": [name]}))
    clock.run_until(clock.now_ns() + clock_ns)
    snapshot = public(venue, "/api/v1/depth", f"symbol={PERP}")[1]
    clock.run_until(clock.now_ns() + S)
    final = public(venue, "/api/v1/depth", f"symbol={PERP}")[1]
    return wire.take(), {"snapshot": snapshot, "final": final}


@pytest.mark.parametrize("name", [f"depth.{PERP}", f"depth.200ms.{PERP}"])
def test_a_book_that_is_joined_as_documented_equals_the_venues(name: str) -> None:
    told, books = _book_after(250_000_000, name)
    sides = {side: dict(books["snapshot"][side]) for side in ("bids", "asks")}
    last = int(books["snapshot"]["lastUpdateId"])
    for data in (it["data"] for it in told):
        if data["u"] <= last:
            continue
        assert data["U"] <= last + 1 <= data["u"]
        last = data["u"]
        for side, changes in (("bids", data["b"]), ("asks", data["a"])):
            for price, qty in changes:
                sides[side][price] = qty
                if not float(qty):
                    del sides[side][price]
    assert {side: sorted(levels.items()) for side, levels in sides.items()} == {
        side: sorted(map(tuple, books["final"][side])) for side in sides
    }


def test_updates_of_depth_have_no_gap() -> None:
    told = [it["data"] for it in _book_after(250_000_000, f"depth.{PERP}")[0]]
    assert len(told) > 50
    assert all(after["U"] == before["u"] + 1 for before, after in pairwise(told))


def test_book_ticker_shows_the_best_and_own_orders_and_nothing_twice() -> None:
    user, wire, _ = listening(f"bookTicker.{PERP}")
    best = {
        "e": "bookTicker", "E": AT_US, "s": PERP, "a": "2600.10", "A": "5.0000", "b": "2600.00", "B": "5.0000",
        "u": "1", "T": AT_US,
    }  # fmt: skip
    assert wire.take()[0]["data"] == best
    user.limit("Bid", "2600.00", "1")
    user.limit("Bid", "2599.00", "1")
    user.limit("Ask", "2600.05", "0.5")
    told = [picked(it["data"], ("a", "A", "b", "B")) for it in wire.take()]
    assert told == [
        {"a": "2600.10", "A": "5.0000", "b": "2600.00", "B": "6.0000"},
        {"a": "2600.05", "A": "0.5000", "b": "2600.00", "B": "6.0000"},
    ]


def test_public_trades_name_both_orders() -> None:
    user, wire, _ = listening(f"trade.{PERP}")
    user.limit("Ask", "2600.05", "0.2")
    BackpackUser(user.venue, "bob").market("Bid", "0.1")
    assert wire.take() == [{"stream": f"trade.{PERP}", "data": {
        "e": "trade", "E": AT_US, "s": PERP, "p": "2600.05", "q": "0.1000", "b": "2", "a": "1", "t": 1, "m": False,
        "T": AT_US,
    }}]  # fmt: skip


def test_tickers_come_each_second_while_somebody_listens() -> None:
    user, wire, clock = listening(f"markPrice.{PERP}")
    clock.run_until(clock.now_ns() + 2 * S)
    assert [it["data"]["p"] for it in wire.take()] == ["2600.05"] * 3
    assert user.venue.streams.hub.sessions


def test_who_does_not_pong_is_closed() -> None:
    user, wire, clock = listening("account.orderUpdate")
    clock.run_until(clock.now_ns() + 60 * S)
    (session,) = user.venue.streams.hub.sessions
    session.on_pong()
    clock.run_until(clock.now_ns() + 179 * S)
    assert wire.take() == ["ping", "ping", ("close", 1001, "no pong")]
    assert not user.venue.streams.hub.sessions


def test_a_clients_ping_is_answered() -> None:
    session, wire = stream(backpack())
    session.on_ping(b"x")
    assert wire.take() == [("pong", b"x")]
