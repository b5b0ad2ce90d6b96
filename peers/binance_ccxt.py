"""ccxt and ccxt.pro, which nobody here wrote, trade on a local Binance, spot or futures: REST and WebSockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import ccxt.pro
from kit import Checks

WAIT_S = 20  # for something that a stream must bring


def client_of(checks: Checks, account: str, *, futures: bool) -> Any:
    venue, keys = checks.venue, checks.venue.accounts[account]
    kind = "linear" if futures else "spot"
    made = ccxt.pro.binance(
        {
            "apiKey": keys["api_key"],
            "secret": keys["api_secret"],
            "options": {"defaultType": "swap" if futures else "spot", "fetchMarkets": {"types": [kind]}},
        }
    )
    made.options["fetchMargins"] = False
    made.has["fetchCurrencies"] = False
    api = made.urls["api"]
    for name, path in (
        *(("fapiPublic", "v1"), ("fapiPublicV2", "v2"), ("fapiPublicV3", "v3")),
        *(("fapiPrivate", "v1"), ("fapiPrivateV2", "v2"), ("fapiPrivateV3", "v3")),
    ):
        api[name] = f"{venue.url}/fapi/{path}"
    for name in ("public", "private", "v1"):
        api[name] = f"{venue.url}/api/v3"
    api["ws"][kind] = f"{venue.ws_url}/ws"
    api["ws"]["ws-api"][kind] = f"{venue.ws_url}/{'ws-fapi/v1' if futures else 'ws-api/v3'}"
    return made


async def first(watch: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool]) -> Any:
    """What a stream brings that is wanted; None if it does not come."""
    try:
        async with asyncio.timeout(WAIT_S):
            while not wanted(told := await watch()):
                pass
            return told
    except TimeoutError:
        return None


async def main() -> None:
    checks = Checks("ccxt")
    symbol = checks.venue.symbol
    futures = ":" in symbol
    maker, taker = (client_of(checks, name, futures=futures) for name in ("maker", "taker1"))
    try:
        await rest(checks, maker, taker, symbol, futures=futures)
        await streams(checks, maker, taker, symbol, futures=futures)
    finally:
        await maker.close()
        await taker.close()
    checks.exit()


async def rest(checks: Checks, maker: Any, taker: Any, symbol: str, *, futures: bool) -> None:
    markets = await maker.load_markets()
    market = markets[symbol]
    checks.equal("markets", (market["swap"], market["precision"]["price"]), (futures, 0.01))
    book = await maker.fetch_order_book(symbol)
    checks.equal("book", (book["bids"][0][0], book["asks"][0][0]), (2600.0, 2601.0))
    placed = await maker.create_order(symbol, "limit", "sell", 0.2, 2600.5, {"postOnly": True, "clientOrderId": "a78"})
    checks.equal("post-only", (placed["status"], placed["clientOrderId"]), ("open", "a78"))
    opened = await maker.fetch_open_orders(symbol)
    checks.equal("open orders", [it["id"] for it in opened], [placed["id"]])
    bought = await taker.create_order(symbol, "market", "buy", 0.05, None, {"newOrderRespType": "RESULT"})
    checks.equal("taker", (bought["status"], bought["filled"]), ("closed", 0.05))
    part = await maker.fetch_order(placed["id"], symbol)
    checks.equal("partial fill", (part["filled"], part["remaining"]), (0.05, 0.15))
    await maker.cancel_order(placed["id"], symbol)
    checks.equal("cancel", await maker.fetch_open_orders(symbol), [])
    checks.equal("a cancelled order is found", (await maker.fetch_order(placed["id"], symbol))["status"], "canceled")
    trades = await maker.fetch_my_trades(symbol)
    checks.equal("fills", (trades[-1]["amount"], trades[-1]["takerOrMaker"]), (0.05, "maker"))
    checks.equal("order history", (await maker.fetch_orders(symbol))[-1]["status"], "canceled")
    try:
        await maker.create_order(symbol, "limit", "buy", 0.2, 2601.0, {"postOnly": True})
        checks.check("post-only that would take", False, "it was taken")
    except ccxt.pro.ExchangeError as error:
        checks.check("post-only that would take", ("-5022" if futures else "immediately match") in str(error), error)
    try:
        await maker.create_order(symbol, "limit", "buy", 10_000, 2590.0)
        checks.check("too little money", False, "it was taken")
    except ccxt.pro.ExchangeError as error:
        checks.check("too little money", ("-2019" if futures else "insufficient balance") in str(error), error)
    checks.check("balance", (await maker.fetch_balance())["USDC"]["free"] > 0)
    if futures:
        await only_futures(checks, maker, symbol)


async def only_futures(checks: Checks, maker: Any, symbol: str) -> None:
    positions = await maker.fetch_positions([symbol])
    checks.equal("position", (float(positions[0]["contracts"]), positions[0]["side"]), (0.05, "short"))
    batch = [
        {"symbol": symbol, "type": "limit", "side": "buy", "amount": 0.1, "price": price} for price in (2590, 2591)
    ]
    made = await maker.create_orders(batch)
    checks.equal("batch", [it["status"] for it in made], ["open", "open"])
    edited = await maker.edit_order(made[0]["id"], symbol, "limit", "buy", 0.2, 2592)
    checks.equal("change", (edited["amount"], edited["price"]), (0.2, 2592.0))
    await maker.cancel_all_orders(symbol)
    checks.equal("cancel all", await maker.fetch_open_orders(symbol), [])


async def streams(checks: Checks, maker: Any, taker: Any, symbol: str, *, futures: bool) -> None:
    best = await first(lambda: maker.watch_bids_asks([symbol]), lambda _: True)
    checks.check("stream of the best prices", best is not None and best[symbol]["bid"] == 2600.0, best)
    book = await first(lambda: maker.watch_order_book(symbol), lambda it: bool(it["bids"]))
    checks.check("stream of the book", book is not None and book["bids"][0][0] == 2600.0, book)
    orders = asyncio.create_task(first(lambda: maker.watch_orders(symbol), lambda it: it[-1]["filled"] == 0.05))
    trades = asyncio.create_task(first(lambda: taker.watch_my_trades(symbol), lambda it: it[-1]["amount"] == 0.05))
    await asyncio.sleep(2)  # a subscription is not acknowledged to its caller
    placed = await maker.create_order_ws(symbol, "limit", "sell", 0.1, 2600.5, {"postOnly": True})
    checks.equal("order by WebSocket", placed["status"], "open")
    await taker.create_order_ws(symbol, "market", "buy", 0.05)
    told = await orders
    checks.check("stream of orders: partial fill", told is not None and told[-1]["id"] == placed["id"], told)
    checks.check("stream of own trades", await trades is not None)
    cancelled = asyncio.create_task(
        first(lambda: maker.watch_orders(symbol), lambda it: it[-1]["status"] == "canceled")
    )
    await asyncio.sleep(0)
    gone = await maker.cancel_order_ws(placed["id"], symbol)
    checks.equal("cancel by WebSocket", gone["status"], "canceled")
    checks.check("stream of orders: cancel", await cancelled is not None)
    if futures:
        held = await maker.fetch_positions([symbol])
        checks.equal("position after both", float(held[0]["contracts"]), 0.1)


asyncio.run(main())
