"""What Lighter answers to reads: transactions, accounts, orders, markets, trades. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from exchanges.types import Side
from exchanges.venues.exchange import Market, VenueAccount
from exchanges.venues.ledger import VenueOrder
from exchanges.venues.lighter import shapes
from exchanges.venues.lighter.orders import plain
from exchanges.venues.lighter.sequencer import ALL_MARKETS, Sequencer
from exchanges.venues.lighter.wire import LighterError
from exchanges.venues.seam import Request


def transaction(sequencer: Sequencer, query: Mapping[str, str], _: Request) -> dict[str, Any]:
    record = sequencer.records.get(query.get("value", "").removeprefix("0x"))
    if query.get("by") != "hash" or record is None:
        raise LighterError(21500)
    return {"code": 200, **sequencer.tx_object(record)}


def next_nonce(sequencer: Sequencer, query: Mapping[str, str], _: Request) -> dict[str, Any]:
    return {"code": 200, "nonce": sequencer.nonces[index(sequencer, query)]}


def api_keys(sequencer: Sequencer, query: Mapping[str, str], _: Request) -> dict[str, Any]:
    number = index(sequencer, query)
    key = {
        "account_index": number, "api_key_index": shapes.API_KEY_INDEX, "nonce": sequencer.nonces[number],
        "public_key": sequencer.state.public_keys[sequencer.state.accounts[number].name], "transaction_time": 0,
    }  # fmt: skip
    return {"code": 200, "api_keys": [key]}


def index(sequencer: Sequencer, query: Mapping[str, str], name: str = "account_index") -> int:
    text = query.get(name, "")
    if not (text.isascii() and text.isdigit()) or int(text) not in sequencer.state.accounts:
        raise LighterError(21100)
    return int(text)


def account(sequencer: Sequencer, query: Mapping[str, str], _: Request) -> dict[str, Any]:
    if query.get("by") == "l1_address":
        wanted = query.get("value", "").lower()
        found = [it for it in sequencer.state.accounts.values() if shapes.l1_address(it) == wanted]
    else:
        found = [sequencer.state.accounts[index(sequencer, query, "value")]]
    if not found:
        raise LighterError(21100)
    return {
        "code": 200,
        "total": len(found),
        "next_cursor": "",
        "accounts": [shapes.account_object(sequencer.state.exchange, it) for it in found],
    }


def active_orders(sequencer: Sequencer, query: Mapping[str, str], request: Request) -> dict[str, Any]:
    account = _proven(sequencer, query, request)
    return {
        "code": 200,
        "orders": [sequencer.state.order_object(it) for it in account.open.values() if _in(sequencer, it, query)],
    }


def inactive_orders(sequencer: Sequencer, query: Mapping[str, str], request: Request) -> dict[str, Any]:
    """Newest first, in pages; the cursor is the venue's index of the last order that was told."""
    account = _proven(sequencer, query, request)
    limit, cursor = _limit(query, 100), query.get("cursor", "")
    rows = (
        it
        for it in reversed(sequencer.state.exchange.ledger.orders.values())
        if it.account == account.name and it.end is not None and _in(sequencer, it, query)
        and (not cursor.isdigit() or int(it.order_id) < int(cursor))
    )  # fmt: skip
    page = list(islice(rows, limit))
    more = {"next_cursor": page[-1].order_id} if len(page) == limit else {}
    return {"code": 200, **more, "orders": [sequencer.state.order_object(it) for it in page]}


def _proven(sequencer: Sequencer, query: Mapping[str, str], request: Request) -> VenueAccount:
    token = request.headers.get("authorization") or query.get("auth", "")
    return sequencer.state.authenticated(token, index(sequencer, query))


def _in(sequencer: Sequencer, order: VenueOrder, query: Mapping[str, str]) -> bool:
    wanted = query.get("market_id", str(ALL_MARKETS))
    return wanted in (str(ALL_MARKETS), str(shapes.market_id(sequencer.state.exchange.markets[order.symbol])))


def _limit(query: Mapping[str, str], most: int) -> int:
    text = query.get("limit", "")
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise LighterError(20001, "limit")
    return int(text)


def market_of(sequencer: Sequencer, query: Mapping[str, str]) -> Market:
    text = query.get("market_id", "")
    if not (text.isascii() and text.isdigit()) or int(text) not in sequencer.state.markets:
        raise LighterError(21602)
    return sequencer.state.markets[int(text)]


def _chosen(sequencer: Sequencer, query: Mapping[str, str]) -> list[Market]:
    everything = query.get("market_id", str(ALL_MARKETS)) == str(ALL_MARKETS)
    return list(sequencer.state.markets.values()) if everything else [market_of(sequencer, query)]


def order_books(sequencer: Sequencer, query: Mapping[str, str], _: Request) -> dict[str, Any]:
    return {"code": 200, "order_books": [shapes.order_book(market) for market in _chosen(sequencer, query)]}


def details(sequencer: Sequencer, query: Mapping[str, str], _: Request) -> dict[str, Any]:
    rows = [
        shapes.order_book_detail(it, sequencer.state.days[it.instrument.symbol]) for it in _chosen(sequencer, query)
    ]
    return {
        "code": 200,
        "order_book_details": [row for row in rows if row["market_type"] == "perp"],
        "spot_order_book_details": [row for row in rows if row["market_type"] == "spot"],
    }


def book_orders(sequencer: Sequencer, query: Mapping[str, str], _: Request) -> dict[str, Any]:
    """Order by order; the outside market shows one order a level."""
    market, limit = market_of(sequencer, query), _limit(query, 250)
    asks, bids = (_resting(market, side, limit) for side in (Side.SELL, Side.BUY))
    return {"code": 200, "total_asks": len(asks), "asks": asks, "total_bids": len(bids), "bids": bids}


def _resting(market: Market, side: Side, limit: int) -> list[dict[str, Any]]:
    return [
        {
            "order_index": (1 << 49) + number, "order_id": str((1 << 49) + number),
            "owner_account_index": shapes.OUTSIDE_ACCOUNT, "initial_base_amount": plain(qty),
            "remaining_base_amount": plain(qty), "price": plain(price), "order_expiry": 0, "transaction_time": 0,
        }
        for number, (price, qty) in enumerate(market.levels(side, limit))
    ]  # fmt: skip


def recent_trades(sequencer: Sequencer, query: Mapping[str, str], _: Request) -> dict[str, Any]:
    market, limit = market_of(sequencer, query), _limit(query, 100)
    rows = [{**sequencer.state.trade_object(it), **shapes.POSITION_BEFORE} for it in reversed(market.trades[-limit:])]
    return {"code": 200, "trades": rows}


def trades(sequencer: Sequencer, query: Mapping[str, str], request: Request) -> dict[str, Any]:
    """Trades of one account, newest first, in pages; the cursor counts trades from the oldest."""
    account, limit = _proven(sequencer, query, request), _limit(query, 100)
    if query.get("sort_by") not in ("block_height", "timestamp", "trade_id"):
        raise LighterError(20001, "sort_by")
    ledger, cursor = sequencer.state.exchange.ledger, query.get("cursor", "")
    wanted = {
        order.order_id
        for order in ledger.orders.values()
        if order.account == account.name and query.get("order_index", order.order_id) == order.order_id
        and _in(sequencer, order, query)
    }  # fmt: skip
    rows = (
        (number, it)
        for number, it in reversed(list(enumerate(ledger.trades)))
        if wanted & {it.buyer_order, it.seller_order} and (not cursor.isdigit() or number < int(cursor))
    )
    page = list(islice(rows, limit))
    more = {"next_cursor": str(page[-1][0])} if len(page) == limit else {}
    told = [{**sequencer.state.trade_object(it), **shapes.POSITION_BEFORE} for _, it in page]
    return {"code": 200, **more, "trades": told}


def limits(sequencer: Sequencer, query: Mapping[str, str], _: Request) -> dict[str, Any]:
    index(sequencer, query)
    tier = sequencer.state.options.tier
    return {
        "code": 200, "max_llp_percentage": 0, "user_tier": tier, "can_create_public_pool": False, "max_llp_amount": "0",
        "current_maker_fee_tick": 0, "current_taker_fee_tick": 0, "effective_lit_stakes": "0", "leased_lit": "0",
        "user_tier_name": tier, "user_tier_last_update": 0,
    }  # fmt: skip


def asset_details(_: Sequencer, __: Mapping[str, str], ___: Request) -> dict[str, Any]:
    return {"code": 200, "asset_details": [shapes.asset_detail("USDC", shapes.USDC_ID)]}


def root(sequencer: Sequencer, _: Mapping[str, str], __: Request) -> dict[str, Any]:
    return {"status": 200, "network_id": 1, "timestamp": sequencer.state.exchange.now_ms() // 1000}


READS: Mapping[str, Callable[[Sequencer, Mapping[str, str], Request], dict[str, Any]]] = {
    "/": root,
    "/api/v1/tx": transaction,
    "/api/v1/nextNonce": next_nonce,
    "/api/v1/apikeys": api_keys,
    "/api/v1/account": account,
    "/api/v1/accountActiveOrders": active_orders,
    "/api/v1/accountInactiveOrders": inactive_orders,
    "/api/v1/accountLimits": limits,
    "/api/v1/assetDetails": asset_details,
    "/api/v1/orderBooks": order_books,
    "/api/v1/orderBookDetails": details,
    "/api/v1/orderBookOrders": book_orders,
    "/api/v1/recentTrades": recent_trades,
    "/api/v1/trades": trades,
}
