"""What can be asked of a local OKX: instruments, books, the account, its orders and fills. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any

from exchanges.types import ZERO, MarketKind, Side
from exchanges.venues.exchange import Market, VenueAccount
from exchanges.venues.okx.orders import fill_row, order_row
from exchanges.venues.okx.state import Okx, instrument_code, instrument_type
from exchanges.venues.okx.trading import find_order
from exchanges.venues.okx.wire import ApiError, count_of, plain

PAGE = 100
Query = Mapping[str, str]
Row = dict[str, Any]


# -- public ------------------------------------------------------------------------------------------------------


def instruments(okx: Okx, query: Query) -> list[Row]:
    kind = query.get("instType")
    if kind not in ("SPOT", "SWAP", "MARGIN", "FUTURES", "OPTION"):
        raise ApiError("51000", "Parameter instType error")
    return [
        instrument_row(okx, market)
        for market in okx.exchange.markets.values()
        if instrument_type(market.instrument) == kind and query.get("instId") in (None, market.instrument.symbol)
    ]


def instrument_row(okx: Okx, market: Market) -> Row:
    spec, symbol = market.instrument, market.instrument.symbol
    swap = spec.kind is MarketKind.PERP
    most = plain(okx.size(spec.max_qty, symbol)) if spec.max_qty is not None else "100000000"
    return {
        "instType": instrument_type(spec),
        "instId": symbol,
        "instIdCode": instrument_code(market),
        "instFamily": f"{spec.base}-{spec.quote}" if swap else "",
        "uly": f"{spec.base}-{spec.quote}" if swap else "",
        "baseCcy": "" if swap else spec.base,
        "quoteCcy": "" if swap else spec.quote,
        "settleCcy": spec.quote if swap else "",
        "ctVal": plain(okx.unit(symbol)) if swap else "",
        "ctMult": "1" if swap else "",
        "ctValCcy": spec.base if swap else "",
        "ctType": "linear" if swap else "",
        "tickSz": plain(market.tick),
        "lotSz": plain(okx.size(spec.lot, symbol)),
        "minSz": plain(okx.size(spec.min_qty, symbol)),
        "maxLmtSz": most,
        "maxMktSz": most,
        "maxLmtAmt": "20000000",
        "maxMktAmt": "1000000",
        "lever": plain(1 / spec.initial_margin) if swap else "",
        "state": "live" if market.book.quoted else "preopen",
        "tradeQuoteCcyList": [] if swap else [spec.quote],
        "listTime": "1577836800000",
        "expTime": "",
        "alias": "",
        "category": "1",
        "stk": "",
        "optType": "",
    }


def position_tiers(okx: Okx, query: Query) -> list[Row]:
    spec = next(
        (
            market.instrument
            for market in okx.exchange.markets.values()
            if market.instrument.kind is MarketKind.PERP
            and query.get("instFamily", query.get("uly")) == f"{market.instrument.base}-{market.instrument.quote}"
        ),
        None,
    )
    if spec is None:
        raise ApiError("51000", "Parameter instFamily error")
    return [
        {
            "tier": "1", "instFamily": f"{spec.base}-{spec.quote}", "uly": f"{spec.base}-{spec.quote}", "instId": "",
            "minSz": "0", "maxSz": "1000000", "maxLever": plain(1 / spec.initial_margin),
            "imr": plain(spec.initial_margin), "mmr": plain(spec.maintenance_margin), "optMgnFactor": "0",
        }
    ]  # fmt: skip


def books(okx: Okx, query: Query) -> list[Row]:
    depth = count_of(query, "sz", default=1, most=400)
    return [book_row(okx, okx.market(query.get("instId", "")), depth)]


def book_row(okx: Okx, market: Market, depth: int) -> Row:
    symbol = market.instrument.symbol

    def side(of: Side) -> list[list[str]]:
        return [[plain(px), plain(okx.size(qty, symbol)), "0", "1"] for px, qty in market.levels(of, depth)]

    return {
        "asks": side(Side.SELL),
        "bids": side(Side.BUY),
        "ts": str(okx.exchange.now_ms()),
        "seqId": market.version,
    }


def ticker(okx: Okx, query: Query) -> list[Row]:
    return [ticker_row(okx, okx.market(query.get("instId", "")))]


def tickers(okx: Okx, query: Query) -> list[Row]:
    return [
        ticker_row(okx, market)
        for market in okx.exchange.markets.values()
        if instrument_type(market.instrument) == query.get("instType")
    ]


def ticker_row(okx: Okx, market: Market) -> Row:
    book, symbol = book_row(okx, market, 1), market.instrument.symbol
    last = market.trades[-1] if market.trades else None
    (ask, ask_size), (bid, bid_size) = ((book[side] or [["", "0"]])[0][:2] for side in ("asks", "bids"))
    price = "" if last is None else plain(last.price)
    return {
        "instType": instrument_type(market.instrument),
        "instId": symbol,
        "last": price,
        "lastSz": "" if last is None else plain(okx.size(last.qty, symbol)),
        "askPx": ask,
        "askSz": ask_size,
        "bidPx": bid,
        "bidSz": bid_size,
        **dict.fromkeys(("open24h", "high24h", "low24h", "sodUtc0", "sodUtc8"), price),
        "vol24h": "0",
        "volCcy24h": "0",
        "ts": book["ts"],
    }


# -- the account -------------------------------------------------------------------------------------------------


def config(okx: Okx, account: VenueAccount) -> list[Row]:
    spot = any(market.instrument.fee_in_received for market in okx.exchange.markets.values())
    return [
        {
            "acctLv": okx.options.account_level,
            "posMode": okx.options.position_mode,
            "acctStpMode": "cancel_maker",
            "feeType": "0" if spot else "1",
            "perm": "read_only,trade",
            "uid": str(account.number),
            "mainUid": str(account.number),
            "autoLoan": False,
            "label": account.name,
            "ip": "",
        }
    ]


def balance(okx: Okx, account: VenueAccount, query: Query) -> list[Row]:
    margin, quote = okx.exchange.margin(account), okx.exchange.quote_asset
    spot = [m for m in okx.exchange.markets.values() if m.instrument.kind is MarketKind.SPOT]
    held = sum((market.exposure(account).holding.qty * market.mark for market in spot), ZERO)
    cash = okx.exchange.settled_cash(account)
    locked = sum((market.exposure(account).open_buy_cost for market in spot), ZERO)
    rows = [
        _asset(quote, eq=margin.equity - held, cash=cash, free=max(margin.free, ZERO), bal=cash - locked, locked=locked)
        | {"mmr": plain(margin.maintenance), "imr": plain(margin.equity - margin.free)}
    ]
    for market in spot:
        seen = market.exposure(account)
        qty, sold = seen.holding.qty, seen.open_sell_qty
        rows.append(_asset(market.instrument.base, eq=qty, cash=qty, free=qty - sold, bal=qty - sold, locked=sold))
    wanted = query.get("ccy", "").split(",") if query.get("ccy") else None
    return [
        {
            "totalEq": plain(margin.equity),
            "uTime": str(okx.exchange.now_ms()),
            "imr": plain(margin.equity - margin.free),
            "mmr": plain(margin.maintenance),
            "details": [row for row in rows if wanted is None or row["ccy"] in wanted],
        }
    ]


def _asset(name: str, *, eq: Decimal, cash: Decimal, free: Decimal, bal: Decimal, locked: Decimal) -> Row:
    return {
        "ccy": name,
        "eq": plain(eq),
        "cashBal": plain(cash),
        "availBal": plain(bal),
        "availEq": plain(free),
        "frozenBal": plain(max(eq - free, ZERO)),
        "ordFrozen": plain(locked),
        "upl": plain(eq - cash),
    }


def positions(okx: Okx, account: VenueAccount, query: Query) -> list[Row]:
    return [
        position_row(okx, account, market)
        for market in okx.exchange.markets.values()
        if market.instrument.kind is MarketKind.PERP
        and query.get("instId") in (None, market.instrument.symbol)
        and query.get("instType", "SWAP") == "SWAP"
        and market.exposure(account).holding.qty
    ]


def position_row(okx: Okx, account: VenueAccount, market: Market) -> Row:
    spec, symbol = market.instrument, market.instrument.symbol
    held, mark = market.exposure(account).holding, market.mark
    value = abs(held.qty) * mark
    return {
        "instType": "SWAP",
        "instId": symbol,
        "mgnMode": "cross",
        "posId": f"{account.number}{instrument_code(market)}",
        "posSide": "net",
        "pos": plain(okx.size(held.qty, symbol)),
        "posCcy": "",
        "ccy": spec.quote,
        "avgPx": plain(held.entry_price) if held.qty else "",
        "markPx": plain(mark),
        "last": plain(mark),
        "lever": plain(1 / spec.initial_margin),
        "upl": plain((mark - held.entry_price) * held.qty),
        "uplRatio": "0",
        "notionalUsd": plain(value),
        "liqPx": "",
        "imr": plain(value * spec.initial_margin),
        "mmr": plain(value * spec.maintenance_margin),
        "mgnRatio": "",
        "margin": "",
        "adl": "1",
        "cTime": str(okx.exchange.now_ms()),
        "uTime": str(okx.exchange.now_ms()),
    }


def trade_fee(okx: Okx, query: Query) -> list[Row]:
    """Rates are negative where a fee is paid."""
    kind = query.get("instType", "")
    spec = next((m.instrument for m in okx.exchange.markets.values() if instrument_type(m.instrument) == kind), None)
    if spec is None:
        raise ApiError("51000", "Parameter instType error")
    rates = {"maker": plain(-spec.maker_fee), "taker": plain(-spec.taker_fee)}
    own = rates if kind == "SPOT" else {"makerU": rates["maker"], "takerU": rates["taker"], "maker": "", "taker": ""}
    return [{"level": "Lv1", "instType": kind, "ts": str(okx.exchange.now_ms()), "category": "1", **own}]


def leverage(okx: Okx, query: Query) -> list[Row]:
    market = okx.market(query.get("instId", ""))
    mode = query.get("mgnMode", "")
    if mode not in ("cross", "isolated"):
        raise ApiError("51000", "Parameter mgnMode error")
    lever = plain(1 / market.instrument.initial_margin)
    return [{"instId": market.instrument.symbol, "mgnMode": mode, "posSide": "net", "lever": lever}]


# -- orders and fills --------------------------------------------------------------------------------------------


def one_order(okx: Okx, account: VenueAccount, query: Query) -> list[Row]:
    symbol = okx.market(query.get("instId", "")).instrument.symbol
    order = find_order(
        okx, account, symbol, order_id=query.get("ordId", ""), client_id=query.get("clOrdId", "")
    )  # fmt: skip
    # An order that was held back by a fault is in no list before it has reached the book.
    if order is None or (order.end is None and order.order_id not in account.open):
        raise ApiError("51603", "Order does not exist")
    return [order_row(okx, order)]


def pending_orders(okx: Okx, account: VenueAccount, query: Query) -> list[Row]:
    rows = (order_row(okx, order) for order in reversed(account.open.values()))
    return list(_page(rows, query, "ordId"))


def past_orders(okx: Okx, account: VenueAccount, query: Query) -> list[Row]:
    ended = (
        order_row(okx, order)
        for order in reversed(okx.exchange.ledger.orders.values())
        if order.account == account.name and order.end is not None
    )
    return list(_page(ended, query, "ordId"))


def fills(okx: Okx, account: VenueAccount, query: Query) -> list[Row]:
    """Newest first; the number of a row in the ledger is its bill."""
    ledger = okx.exchange.ledger
    first = ledger.forgotten
    rows = (
        fill_row(okx, ledger.fills[number], bill_id=first + number + 1)
        for number in range(len(ledger.fills) - 1, -1, -1)
        if ledger.fills[number].account == account.name and query.get("ordId") in (None, ledger.fills[number].order_id)
    )
    return list(_page(rows, query, "billId"))


def _page(rows: Iterable[Row], query: Query, cursor: str) -> Iterable[Row]:
    """`after` pages to older rows, `before` bounds them; at most 100."""
    limit = count_of(query, "limit", default=PAGE, most=PAGE)
    after = count_of(query, "after", default=1 << 62, most=1 << 62)
    before = count_of(query, "before", default=0, most=1 << 62)
    begin = count_of(query, "begin", default=0, most=1 << 62)
    wanted = (
        row
        for row in rows
        if query.get("instId") in (None, row["instId"])
        and query.get("instType") in (None, row["instType"])
        and before < int(row[cursor]) < after
        and int(row.get("ts") or row["cTime"]) >= begin
    )
    return islice(wanted, limit)
