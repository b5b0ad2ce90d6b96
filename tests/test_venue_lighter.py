"""The local Lighter, judged from the venue's documents: transactions, nonces, what a 200 means, states, streams."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from paper_clock import PaperClock
from venue_kit import MINUTE_MS, MS, QUOTE, D, LighterUser, S, Wire, ask, decoded, lighter, picked, stream

from exchanges.market import MarketEvent, MarketQuote, MarketTrade
from exchanges.types import Side
from exchanges.venues.lighter.state import LighterOptions
from exchanges.venues.seam import Reply, Request

POST_ONLY = 2
PREMIUM = LighterOptions(tier="premium")


def user_of(events: tuple[MarketEvent, ...] = (QUOTE,), options: LighterOptions = PREMIUM) -> LighterUser:
    clock = PaperClock()
    return LighterUser(lighter(events, options, clock=clock), clock)


def bob_of(user: LighterUser) -> LighterUser:
    return replace(user, index=102, nonce=1)


# -- transactions ------------------------------------------------------------------------------------------------


def test_a_200_says_only_that_it_was_queued() -> None:
    user = user_of(options=LighterOptions())
    status, told = user.send(user.order(2_000, 259_950, force=POST_ONLY, ClientOrderIndex=7))
    assert (status, told["code"], len(told["tx_hash"])) == (200, 200, 80)
    assert not user.venue.exchange.ledger.orders
    by_hash = {"by": "hash", "value": told["tx_hash"]}
    assert user.get("tx", **by_hash)[1]["status"] == 1
    user.run(200 * MS)  # the speed bump of a standard account
    assert user.get("tx", **by_hash)[1]["status"] == 2
    (order,) = user.get("accountActiveOrders", token=user.token(), account_index=101)[1]["orders"]
    assert order == {
        "order_index": 281474976710657, "client_order_index": 7, "order_id": "281474976710657",
        "client_order_id": "7", "market_index": 0, "owner_account_index": 101, "initial_base_amount": "0.2000",
        "price": "2599.50", "nonce": 1, "remaining_base_amount": "0.2000", "is_ask": False, "base_size": 2000,
        "base_price": 259950, "filled_base_amount": "0.0000", "filled_quote_amount": "0.000000", "side": "buy",
        "type": "limit", "time_in_force": "post-only", "reduce_only": False, "trigger_price": "0.00",
        "order_expiry": order["order_expiry"], "status": "open", "trigger_status": "na", "trigger_time": 0,
        "parent_order_index": 0, "parent_order_id": "0", "to_trigger_order_id_0": "0", "to_trigger_order_id_1": "0",
        "to_cancel_order_id_0": "0", "integrator_fee_collector_index": "0", "integrator_taker_fee": "0",
        "integrator_maker_fee": "0", "block_height": 1, "timestamp": 1_700_000_000_200,
        "created_at": 1_700_000_000_200, "updated_at": 1_700_000_000_200, "transaction_time": 1_700_000_000_200_000,
    }  # fmt: skip


def test_a_market_that_the_machine_cannot_keep_up_with_holds_up_no_transaction() -> None:
    clock = PaperClock()
    quotes = (MarketQuote(i * MS, 260_000, 50_000, 260_010, 50_000) for i in range(5_000))
    venue = lighter(quotes, PREMIUM, clock=clock)
    user = LighterUser(venue, clock)

    def turns(number: int) -> None:
        for _ in range(number):
            clock.step()
            clock.spend(2 * MS)  # twice as long as until the next event

    turns(1_000)
    status, told = user.send(user.order(200, 260_010, force=0))
    assert status == 200
    turns(80)
    _, shown = user.get("tx", by="hash", value=told["tx_hash"])
    assert shown["status"] == 2
    assert shown["executed_at"] - shown["queued_at"] in (150, 151, 152)


@pytest.mark.parametrize(
    ("tier", "force", "bump_ms"), [("standard", 2, 200), ("standard", 0, 300), ("premium", 0, 150)]
)
def test_a_speed_bump_is_that_of_the_tier_and_of_what_takes(tier: str, force: int, bump_ms: int) -> None:
    user = user_of(options=LighterOptions(tier=tier))
    user.send(user.order(500, 260_010 if force == 0 else 259_000, force=force))
    user.run(bump_ms * MS - 1)
    assert not user.venue.exchange.ledger.orders
    user.run(1)
    assert len(user.venue.exchange.ledger.orders) == 1


WRONG: list[tuple[dict[str, Any], int]] = [
    ({"Sig": "AAAA"}, 21120),
    ({"Sig": "%%"}, 21120),
    ({"Nonce": 2}, 21104),
    ({"Nonce": 0}, 21104),
    ({"ExpiredAt": 5}, 21711),
    ({"AccountIndex": 7}, 21100),
    ({"ApiKeyIndex": 6}, 21109),
    ({"MarketIndex": 3}, 21602),
    ({"BaseAmount": 0}, 21701),
    ({"BaseAmount": 1.5}, 21701),
    ({"BaseAmount": "2000"}, 21701),
    ({"Price": 0}, 21702),
    ({"Price": 1 << 32}, 21702),
    ({"IsAsk": 2}, 21703),
    ({"Type": 9}, 21704),
    ({"Type": 2}, 21710),
    ({"TimeInForce": 3}, 21705),
    ({"Type": 1}, 21705),
    ({"OrderExpiry": 0}, 21711),
    ({"OrderExpiry": 1_700_000_000_000 + 4 * MINUTE_MS}, 21711),
    ({"ClientOrderIndex": 1 << 48}, 21727),
    ({"BaseAmount": 49}, 21706),
]


@pytest.mark.parametrize(("fields", "code"), WRONG, ids=[f"{code} {fields}" for fields, code in WRONG])
def test_a_wrong_transaction_is_refused_at_once_and_uses_no_nonce(fields: dict[str, Any], code: int) -> None:
    user = user_of()
    status, told = user.send(user.order(2_000, 259_950, **fields))
    assert (status, told["code"]) == (400, code)
    user.run(S)
    assert not user.venue.exchange.ledger.orders
    assert user.get("nextNonce", account_index=101, api_key_index=5) == (200, {"code": 200, "nonce": 1})


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"tx_type": "99", "tx_info": "{}"}, 21505),
        ({"tx_type": "14", "tx_info": "{"}, 21501),
        ({"tx_type": "14", "tx_info": "[]"}, 21501),
        ({"tx_type": "14", "tx_info": "{}"}, 21501),
        ({}, 21505),
    ],
)
def test_what_is_no_transaction_is_refused(form: dict[str, str], code: int) -> None:
    user = user_of()
    assert user.send(form)[1]["code"] == code


def test_nonces_count_up_and_may_be_skipped_by_an_attribute() -> None:
    user = user_of()
    user.do(user.order(2_000, 259_000))
    assert user.send(user.order(2_000, 259_000, Nonce=1))[1] == {"code": 21104, "message": "invalid nonce"}
    assert user.send(user.order(2_000, 259_000, Nonce=900, attributes={"4": 1}))[0] == 200
    assert user.get("nextNonce", account_index=101, api_key_index=5)[1]["nonce"] == 901


def test_a_client_index_is_taken_while_its_order_is_open() -> None:
    user = user_of()
    user.do(user.order(2_000, 259_000, ClientOrderIndex=9))
    assert user.send(user.order(2_000, 259_000, ClientOrderIndex=9))[1]["code"] == 21728
    user.do(user.cancel(9))
    assert user.send(user.order(2_000, 259_000, ClientOrderIndex=9))[0] == 200


def test_a_body_may_come_in_parts() -> None:
    user = user_of()
    form = user.order(2_000, 259_000)
    body = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in form.items()
    )
    headers = {"content-type": "multipart/form-data; boundary=x"}
    request = Request("POST", "/api/v1/sendTx", "", headers, f"{body}--x--\r\n".encode(), "127.0.0.1")
    assert decoded(ask(user.venue, request))[0] == 200


def _batch(user: LighterUser, *forms: dict[str, str]) -> tuple[int, Any]:
    form = {
        "tx_types": json.dumps([int(it["tx_type"]) for it in forms]),
        "tx_infos": json.dumps([it["tx_info"] for it in forms]),
    }
    headers = {"content-type": "application/x-www-form-urlencoded"}
    request = Request("POST", "/api/v1/sendTxBatch", "", headers, urlencode(form).encode(), "127.0.0.1")
    return decoded(ask(user.venue, request))


def test_a_batch_is_queued_whole_or_not_at_all() -> None:
    user = user_of()
    first, second = user.order(2_000, 259_000), user.order(2_000, 258_000, Nonce=2)
    status, told = _batch(user, first, second)
    assert (status, len(told["tx_hash"])) == (200, 2)
    user.run(S)
    assert len(user.venue.exchange.ledger.orders) == 2
    bad = _batch(user, user.order(2_000, 259_000, Nonce=3), user.order(2_000, 259_000, Nonce=3))
    assert bad[1]["code"] == 21105
    user.run(S)
    assert len(user.venue.exchange.ledger.orders) == 2


# -- the life of orders ------------------------------------------------------------------------------------------

ENDS: list[tuple[str, dict[str, Any], str, str]] = [
    ("post-only that would take", {"base": 2_000, "price": 260_010, "force": 2}, "canceled-post-only", "0.0000"),
    ("a margin that is not there", {"base": 900_000, "price": 259_000}, "canceled-margin-not-allowed", "0.0000"),
    ("reduce-only, flat", {"base": 2_000, "price": 259_000, "ReduceOnly": 1}, "canceled-reduce-only", "0.0000"),
    ("a market order", {"base": 500, "price": 270_000, "force": 0, "kind": 1}, "filled", "0.0500"),
    (
        "a market order at its bound",
        {"base": 60_000, "price": 260_010, "force": 0, "kind": 1}, "canceled-too-much-slippage", "5.0000",
    ),
    ("an IOC remainder", {"base": 60_000, "price": 260_010, "force": 0}, "canceled", "5.0000"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "status", "filled"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS])
def test_an_order_ends_as_the_sequencer_says(asked: dict[str, Any], status: str, filled: str) -> None:
    user = user_of()
    told = user.do(user.order(asked.pop("base"), asked.pop("price"), **asked))
    (order,) = user.past()
    assert (order["status"], order["filled_base_amount"]) == (status, filled)
    assert user.get("tx", by="hash", value=told["tx_hash"])[1]["status"] == 2


def test_a_cancel_that_comes_too_late_shows_in_the_status_of_its_transaction_only() -> None:
    user = user_of()
    told = user.do(user.cancel(5))
    shown = user.get("tx", by="hash", value=told["tx_hash"])[1]
    assert (shown["status"], shown["event_info"]) == (0, '{"ae":"21600"}')


def test_an_order_is_cancelled_by_either_index_and_modified() -> None:
    user = user_of()
    user.do(user.order(2_000, 259_000, ClientOrderIndex=3))
    user.do(user.tx(17, MarketIndex=0, Index=3, BaseAmount=3_000, Price=258_000, TriggerPrice=0))
    (order,) = user.get("accountActiveOrders", token=user.token(), account_index=101)[1]["orders"]
    assert (order["initial_base_amount"], order["price"]) == ("0.3000", "2580.00")
    user.do(user.cancel(order["order_index"]))
    assert user.past()[0]["status"] == "canceled"


def test_cancel_all_may_be_scheduled_and_called_off() -> None:
    user = user_of()
    user.do(user.order(2_000, 259_000))
    at_ms = user.venue.exchange.now_ms() + 6 * MINUTE_MS
    user.do(user.tx(16, TimeInForce=1, Time=at_ms))
    user.do(user.tx(16, TimeInForce=2, Time=0))
    user.run(7 * 60 * S)
    assert user.past() == []
    user.do(user.tx(16, TimeInForce=1, Time=user.venue.exchange.now_ms() + 6 * MINUTE_MS))
    user.run(7 * 60 * S)
    assert [order["status"] for order in user.past()] == ["canceled"]


def test_an_order_expires() -> None:
    user = user_of()
    user.do(user.order(2_000, 259_000))
    user.run(61 * 60 * S)
    assert user.past()[0]["status"] == "canceled-expired"


def test_a_sub_account_trades_with_another_unless_equality_says_master() -> None:
    user = user_of()
    bob = bob_of(user)
    user.do(user.order(2_000, 260_005, ask=True))
    bob.do(bob.order(500, 260_010, force=0))
    assert bob.past()[0]["filled_base_amount"] == "0.0500"
    (maker,) = user.get("accountActiveOrders", token=user.token(), account_index=101)[1]["orders"]
    assert (maker["status"], maker["filled_base_amount"]) == ("open", "0.0500")
    bob.do(bob.order(500, 260_010, force=0, attributes={"7": 1}))
    assert user.past()[0]["status"] == "canceled-self-trade"
    assert user.venue.exchange.accounts["alice"].balances.holding("ETH").qty == D("-0.05")


# -- reads -------------------------------------------------------------------------------------------------------


def test_an_account_tells_size_and_sign_apart() -> None:
    user = user_of(options=LighterOptions())
    user.do(user.order(500, 259_000, ask=True, force=0))
    (account,) = user.get("account", by="index", value=101)[1]["accounts"]
    (held,) = account["positions"]
    assert picked(held, ("sign", "position", "avg_entry_price", "unrealized_pnl", "symbol")) == {
        "sign": -1, "position": "0.0500", "avg_entry_price": "2600.000000", "unrealized_pnl": "-0.002500",
        "symbol": "ETH",
    }  # fmt: skip
    assert account["collateral"] == "10000.000000"  # a standard account pays no fees
    assert len(user.get("account", by="l1_address", value=account["l1_address"])[1]["accounts"]) == 2


TOKENS = [
    ("", "invalid param : auth"),
    ("1:2", "invalid param : auth"),
    ("{past}:101:5:" + "ab" * 80, "invalid param : auth: expired"),
    ("{far}:101:5:" + "ab" * 80, "invalid param : auth: valid for longer than 8 hours"),
    ("{soon}:102:5:" + "ab" * 80, "invalid param : auth: of another account"),
    ("{soon}:101:5:zz", "invalid param : auth"),
]


@pytest.mark.parametrize(("token", "message"), TOKENS)
def test_orders_are_told_to_who_proves_the_account(token: str, message: str) -> None:
    user = user_of()
    now_s = user.venue.exchange.now_ms() // 1000
    token = token.format(past=now_s - 1, soon=now_s + 60, far=now_s + 9 * 3600)
    status, told = user.get("accountActiveOrders", token=token, account_index=101)
    assert (status, told) == (400, {"code": 20001, "message": message})


def test_past_orders_are_paged() -> None:
    user = user_of()
    for client in range(1, 6):
        user.do(user.order(500, 260_010, force=0, ClientOrderIndex=client))
    first = user.get("accountInactiveOrders", token=user.token(), account_index=101, limit=2)[1]
    assert [order["client_order_index"] for order in first["orders"]] == [5, 4]
    rest = user.get(
        "accountInactiveOrders", token=user.token(), account_index=101, limit=5, cursor=first["next_cursor"]
    )[1]
    assert [order["client_order_index"] for order in rest["orders"]] == [3, 2, 1]
    assert "next_cursor" not in rest


def test_trades_of_an_account_are_paged_and_of_one_order() -> None:
    user = user_of()
    bob = bob_of(user)
    for client in range(1, 4):
        user.do(user.order(500, 260_010, force=0, ClientOrderIndex=client))
        bob.do(bob.order(500, 260_010, force=0))

    def ids(**more: Any) -> tuple[list[int], Any]:
        query = {"account_index": 101, "sort_by": "timestamp", "limit": 2, **more}
        told = user.get("trades", token=user.token(), **query)[1]
        return [it["bid_client_id"] for it in told["trades"]], told.get("next_cursor")

    first, cursor = ids()
    assert first == [3, 2]
    assert ids(cursor=cursor) == ([1], None)
    assert ids(order_index=281474976710657) == ([1], None)
    assert user.get("trades", token=user.token(), account_index=101, limit=2)[1]["message"] == "invalid param : sort_by"
    assert user.get("recentTrades", market_id=0)[1]["message"] == "invalid param : limit"


def test_public_reads() -> None:
    user = user_of()
    (book,) = user.get("orderBooks")[1]["order_books"]
    keys = ("symbol", "market_id", "supported_size_decimals", "supported_price_decimals", "taker_fee")
    assert picked(book, keys) == {
        "symbol": "ETH", "market_id": 0, "supported_size_decimals": 4, "supported_price_decimals": 2,
        "taker_fee": "0.0196",
    }  # fmt: skip
    orders = user.get("orderBookOrders", market_id=0, limit=1)[1]
    assert (orders["bids"][0]["price"], orders["asks"][0]["remaining_base_amount"]) == ("2600.00", "5.0000")
    user.do(user.order(500, 260_010, force=0, ClientOrderIndex=4))
    (trade,) = user.get("recentTrades", market_id=0, limit=5)[1]["trades"]
    keys = ("size", "price", "usd_amount", "bid_account_id", "bid_client_id", "is_maker_ask", "taker_fee")
    assert picked(trade, keys) == {
        "size": "0.0500", "price": "2600.10", "usd_amount": "130.005000", "bid_account_id": 101, "bid_client_id": 4,
        "is_maker_ask": True, "taker_fee": 196,
    }  # fmt: skip
    assert user.get("nowhere") == (404, {"code": 29404, "message": "not found"})


def test_a_standard_account_has_sixty_requests_a_minute() -> None:
    user = user_of(options=LighterOptions())
    told = [user.get("nextNonce", account_index=101, api_key_index=5)[0] for _ in range(61)]
    assert told == [200] * 60 + [429]
    assert user.send(user.order(2_000, 259_000)) == (429, {"code": 23000, "message": "Too Many Requests!"})
    user.run(61 * S)
    assert user.send(user.order(2_000, 259_000))[0] == 200


# -- streams -----------------------------------------------------------------------------------------------------


def test_orders_are_told_to_their_end_and_one_transaction_in_one_frame() -> None:
    events = (MarketQuote(0, 260_000, 100, 260_010, 400), MarketTrade(5 * S, Side.SELL, 260_000, 500))
    user = user_of(events)
    _, wire = user.listen("account_all_orders/101")
    (snapshot,) = wire.take()
    assert picked(snapshot, ("type", "channel", "orders")) == {
        "type": "subscribed/account_all_orders", "channel": "account_all_orders:101", "orders": {},
    }  # fmt: skip
    user.do(user.order(1_000, 270_000, force=0, kind=1, ClientOrderIndex=1))  # sweeps three levels
    user.do(user.order(1_000, 260_000, force=POST_ONLY, ClientOrderIndex=2))
    user.run(5 * S)
    user.do(user.cancel(2))
    told = [it["orders"]["0"] for it in wire.take()]
    assert [[(o["client_order_index"], o["status"], o["filled_base_amount"]) for o in rows] for rows in told] == [
        [(1, "filled", "0.1000")],
        [(2, "open", "0.0000")],
        [(2, "open", "0.0400")],
        [(2, "canceled", "0.0400")],
    ]


def test_trades_positions_and_money_follow_a_fill() -> None:
    user = user_of()
    channels = ("account_all_trades", "account_all_positions", "user_stats", "account_all", "account_tx")
    _, wire = user.listen(*(f"{channel}/101" for channel in channels))
    assert [it["type"] for it in wire.take()] == [f"subscribed/{channel}" for channel in channels]
    user.do(user.order(500, 260_010, force=0))
    told: dict[str, Any] = {}
    for frame in wire.take():
        told.setdefault(frame["type"], []).append(frame)
    assert told["update/account_all_trades"][0]["trades"]["0"][0]["size"] == "0.0500"
    assert told["update/account_all_positions"][0]["positions"]["0"]["position"] == "0.0500"
    assert told["update/user_stats"][0]["stats"]["collateral"] == "9999.974519"
    assert told["update/account_tx"][0]["txs"][0]["status"] == 2
    assert [sorted(it.keys() & {"trades", "positions"}) for it in told["update/account_all"]] == [
        ["trades"],
        ["positions"],
    ]


def _joined(updates: list[dict[str, Any]], snapshot: dict[str, Any]) -> dict[str, dict[str, str]]:
    book = {side: {it["price"]: it["size"] for it in snapshot["order_book"][side]} for side in ("asks", "bids")}
    nonce = snapshot["order_book"]["nonce"]
    for update in updates:
        assert update["order_book"]["begin_nonce"] == nonce
        nonce = update["order_book"]["nonce"]
        for side, levels in book.items():
            for it in update["order_book"][side]:
                levels[it["price"]] = it["size"]
                if not D(it["size"]):
                    del levels[it["price"]]
    return book


def test_a_book_that_is_joined_equals_the_venues_for_early_and_late_readers() -> None:
    events = tuple(MarketQuote(step * 10 * MS, 260_000 + step % 3, 100 + step, 260_010, 50) for step in range(60))
    user = user_of(events)
    readers = [user.listen("order_book/0")[1]]
    user.run(205 * MS)
    readers.append(user.listen("order_book/0")[1])
    user.run(S)
    market = user.venue.exchange.markets["ETH"]
    final = {
        name: {format(price, "f"): format(qty, "f") for price, qty in market.levels(side)}
        for name, side in (("asks", Side.SELL), ("bids", Side.BUY))
    }
    for wire in readers:
        snapshot, *updates = wire.take()
        assert snapshot["type"] == "subscribed/order_book"
        assert len(updates) <= 13  # batched, each 50 ms
        assert _joined(updates, snapshot) == final


def test_the_ticker_shows_each_change_of_the_best() -> None:
    user = user_of(
        (QUOTE, MarketQuote(S, 260_001, 7, 260_010, 50_000), MarketQuote(2 * S, 260_001, 7, 260_010, 50_000))
    )
    _, wire = user.listen("ticker/0", "trade/0", "market_stats/0", "market_stats/all")
    ticker, trades, stats, everything = wire.take()
    assert (ticker["ticker"]["b"], ticker["ticker"]["a"]["price"]) == (
        {"price": "2600.00", "size": "5.0000"},
        "2600.10",
    )
    assert (trades["trades"], stats["market_stats"]["mark_price"]) == ([], "2600.05")
    assert everything["market_stats"]["0"]["symbol"] == "ETH"
    user.run(3 * S)
    tickers = [it for it in wire.take() if it["type"] == "update/ticker"]
    assert [it["ticker"]["b"] for it in tickers] == [{"price": "2600.01", "size": "0.0007"}]


STREAM_ERRORS = [
    ("{", 30000),
    ('{"type":"x"}', 30001),
    ("[]", 30001),
    ('{"type":"subscribe","channel":"nix/0"}', 30005),
    ('{"type":"subscribe","channel":"order_book/7"}', 30005),
    ('{"type":"subscribe","channel":"account_all_orders/9"}', 30005),
    ('{"type":"subscribe","channel":"account_all_orders/101"}', 20001),
    ('{"type":"unsubscribe","channel":"order_book/0"}', 30002),
]


@pytest.mark.parametrize(("text", "code"), STREAM_ERRORS)
def test_a_wrong_command_is_told_by_number(text: str, code: int) -> None:
    session, wire = user_of().listen()
    session.on_text(text)
    assert wire.take()[0]["error"]["code"] == code


def test_a_channel_is_subscribed_once_and_left() -> None:
    session, wire = user_of().listen("order_book/0")
    wire.take()
    session.on_text('{"type":"subscribe","channel":"order_book/0"}')
    session.on_text('{"type":"unsubscribe","channel":"order_book/0"}')
    assert wire.take() == [
        {"error": {"code": 30003, "message": "Already Subscribed to  : order_book:0"}},
        {"type": "unsubscribed", "channel": "order_book:0"},
    ]


def test_transactions_come_over_the_stream_too() -> None:
    user = user_of()
    session, wire = user.listen()
    form = user.order(2_000, 259_000, ClientOrderIndex=6)
    data = {"id": "a", "tx_type": 14, "tx_info": json.loads(form["tx_info"])}
    session.on_text(json.dumps({"type": "jsonapi/sendtx", "data": data}))
    (ack,) = wire.take()
    assert (ack["type"], ack["id"], ack["code"], len(ack["tx_hash"])) == ("jsonapi/sendtx", "a", 200, 80)
    session.on_text(json.dumps({"type": "jsonapi/sendtx", "data": data}))
    assert wire.take() == [{"error": {"code": 21104, "message": "invalid nonce"}}]
    user.run(S)
    assert len(user.venue.exchange.ledger.orders) == 1


def test_who_is_silent_is_dropped_and_who_speaks_is_not() -> None:
    user = user_of()
    session, wire = user.listen()
    user.run(100 * S)
    session.on_text('{"type":"ping"}')
    user.run(130 * S)
    assert [it for it in wire.take() if it != {"type": "ping"}] == [{"type": "pong"}]
    user.run(120 * S)
    assert wire.take()[-1] == ("close", 1000, "i/o timeout")


def test_streams_are_at_their_own_path() -> None:
    refused = user_of().venue.open_stream(Request("GET", "/", "", {}, b"", ""), Wire())
    assert isinstance(refused, Reply)
    assert refused.status == 404
    stream(user_of().venue, "/stream")
