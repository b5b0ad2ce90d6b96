"""ccxt and ccxt.pro, which nobody here wrote, trade on a local Backpack: REST and streams."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import ccxt.pro
from kit import Checks

WAIT_S = 20  # for something that a stream must bring
SYMBOL = "ETH/USDC:USDC"


def client_of(checks: Checks, account: str) -> Any:
    venue = checks.venue
    secrets = venue.accounts[account]
    urls = {"public": venue.url, "private": venue.url, "ws": {"public": venue.ws_url, "private": venue.ws_url}}
    return ccxt.pro.backpack({"apiKey": secrets["api_key"], "secret": secrets["api_secret"], "urls": {"api": urls}})


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
    maker, taker = client_of(checks, "maker"), client_of(checks, "taker1")
    try:
        await rest(checks, maker, taker)
        await streams(checks, maker, taker)
    finally:
        await maker.close()
        await taker.close()
    checks.exit()


async def rest(checks: Checks, maker: Any, taker: Any) -> None:
    markets = await maker.load_markets()
    market = markets[SYMBOL]
    checks.equal("markets", (market["swap"], market["precision"]["price"]), (True, 0.01))
    book = await maker.fetch_order_book(SYMBOL)
    checks.equal("book", (book["bids"][0][0], book["asks"][0][0]), (2600.0, 2601.0))
    placed = await maker.create_order(SYMBOL, "limit", "sell", 0.2, 2600.5, {"postOnly": True, "clientOrderId": 78})
    checks.equal("post-only", (placed["status"], placed["postOnly"]), ("open", True))
    opened = await maker.fetch_open_orders(SYMBOL)
    checks.equal("open orders", [it["id"] for it in opened], [placed["id"]])
    bought = await taker.create_order(SYMBOL, "market", "buy", 0.05)
    checks.equal("taker", (bought["status"], bought["filled"]), ("closed", 0.05))
    part = await maker.fetch_open_order(placed["id"], SYMBOL)
    checks.equal("partial fill", (part["filled"], part["remaining"]), (0.05, 0.15))
    await maker.cancel_order(placed["id"], SYMBOL)
    checks.equal("cancel", await maker.fetch_open_orders(SYMBOL), [])
    trades = await maker.fetch_my_trades(SYMBOL)
    checks.equal("fills", (trades[-1]["amount"], trades[-1]["takerOrMaker"]), (0.05, "maker"))
    checks.equal("order history", (await maker.fetch_orders(SYMBOL))[-1]["status"], "canceled")
    positions = await maker.fetch_positions()
    checks.equal("position", (float(positions[0]["contracts"]), positions[0]["side"]), (0.05, "short"))
    batch = [
        {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": 0.1, "price": price} for price in (2590, 2591)
    ]
    checks.equal("batch", [it["status"] for it in await maker.create_orders(batch)], ["open", "open"])
    await maker.cancel_all_orders(SYMBOL)
    checks.equal("cancel all", await maker.fetch_open_orders(SYMBOL), [])
    checks.check("balance", (await maker.fetch_balance())["USDC"]["free"] > 0)


async def streams(checks: Checks, maker: Any, taker: Any) -> None:
    best = await first(lambda: maker.watch_bids_asks([SYMBOL]), lambda _: True)
    checks.check("stream of the best prices", best is not None and best[SYMBOL]["bid"] == 2600.0, best)
    book = await first(lambda: maker.watch_order_book(SYMBOL), lambda it: bool(it["bids"]))
    checks.check("stream of the book", book is not None and book["bids"][0][0] == 2600.0, book)
    orders = asyncio.create_task(first(lambda: maker.watch_orders(SYMBOL), lambda it: it[-1]["filled"] == 0.05))
    trades = asyncio.create_task(first(lambda: taker.watch_trades(SYMBOL), lambda it: it[-1]["amount"] == 0.05))
    positions = asyncio.create_task(
        first(lambda: maker.watch_positions([SYMBOL]), lambda it: it[-1]["info"]["q"] == "-0.1000")
    )
    await subscribed(maker, taker)
    placed = await maker.create_order(SYMBOL, "limit", "sell", 0.1, 2600.5, {"postOnly": True})
    await taker.create_order(SYMBOL, "market", "buy", 0.05)
    told = await orders
    checks.check("stream of orders: partial fill", told is not None and told[-1]["id"] == placed["id"], told)
    checks.check("stream of trades", await trades is not None)
    checks.check("stream of positions", await positions is not None)
    cancelled = asyncio.create_task(
        first(lambda: maker.watch_orders(SYMBOL), lambda it: it[-1]["status"] == "canceled")
    )
    await asyncio.sleep(0)
    await maker.cancel_order(placed["id"], SYMBOL)
    checks.check("stream of orders: cancel", await cancelled is not None)


async def subscribed(maker: Any, taker: Any) -> None:
    """A subscription is not acknowledged: a request behind it shows that the venue has read it."""
    for _ in range(3):
        await asyncio.gather(maker.fetch_time(), taker.fetch_time())
        await asyncio.sleep(0.2)


asyncio.run(main())
