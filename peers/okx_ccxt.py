"""ccxt and ccxt.pro, which nobody here wrote, trade on a local OKX: REST and streams, orders through the stream too."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import ccxt.pro
from kit import Checks

WAIT_S = 20  # for something that a stream must bring
SYMBOL = "ETH/USDT:USDT"
UNIT = 0.01  # ETH of one contract


def client_of(checks: Checks, account: str) -> Any:
    keys = checks.venue.accounts[account]
    made = ccxt.pro.okx(
        {"apiKey": keys["api_key"], "secret": keys["api_secret"], "password": keys["passphrase"]}
        | {"options": {"fetchMarkets": {"types": ["swap"]}}}
    )
    made.urls["api"]["rest"] = checks.venue.url
    made.urls["api"]["ws"] = checks.venue.ws_url
    made.has["fetchCurrencies"] = False
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
    checks.equal("markets", (market["swap"], market["contractSize"], market["precision"]["price"]), (True, UNIT, 0.01))
    book = await maker.fetch_order_book(SYMBOL)
    checks.equal("book", (book["bids"][0][0], book["asks"][0][0]), (2600.0, 2601.0))
    placed = await maker.create_order(SYMBOL, "limit", "sell", 20, 2600.5, {"postOnly": True, "clientOrderId": "c1"})
    (opened,) = await maker.fetch_open_orders(SYMBOL)
    checks.equal("post-only", (opened["id"], opened["status"], opened["postOnly"]), (placed["id"], "open", True))
    bought = await taker.create_order(SYMBOL, "market", "buy", 5)
    told = await taker.fetch_order(bought["id"], SYMBOL)
    checks.equal("taker", (told["status"], told["filled"], told["average"]), ("closed", 5, 2600.5))
    part = await maker.fetch_order(None, SYMBOL, {"clOrdId": "c1"})
    checks.equal("partial fill", (part["filled"], part["remaining"]), (5, 15))
    edited = await maker.edit_order(placed["id"], SYMBOL, "limit", "sell", 18, 2600.6)
    again = await maker.fetch_order(edited["id"], SYMBOL)
    checks.equal("amend", (again["price"], again["amount"]), (2600.6, 18))
    await maker.cancel_order(placed["id"], SYMBOL)
    checks.equal("cancel", await maker.fetch_open_orders(SYMBOL), [])
    try:
        await maker.cancel_order(placed["id"], SYMBOL)
        checks.check("a second cancel", holds=False)
    except ccxt.pro.OrderNotFound:
        checks.check("a second cancel", holds=True)
    trades = await maker.fetch_my_trades(SYMBOL)
    checks.equal("fills", (trades[-1]["amount"], trades[-1]["takerOrMaker"]), (5, "maker"))
    checks.check("fees", trades[-1]["fee"]["cost"] > 0)
    positions = await maker.fetch_positions([SYMBOL])
    checks.equal("position", (float(positions[0]["contracts"]), positions[0]["side"]), (5, "short"))
    batch = [{"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": 1, "price": price} for price in (2590, 2591)]
    made = await maker.create_orders(batch)
    await maker.cancel_orders([it["id"] for it in made], SYMBOL)
    checks.equal("batch", (len(made), await maker.fetch_open_orders(SYMBOL)), (2, []))
    checks.check("balance", (await maker.fetch_balance())["USDT"]["free"] > 0)
    fee = await maker.fetch_trading_fee(SYMBOL)
    checks.check("trading fee", fee["taker"] > 0, fee)
    checks.equal("leverage", (await maker.fetch_leverage(SYMBOL))["longLeverage"], 10)
    armed = await maker.cancel_all_orders_after(30_000)
    checks.check("dead man's switch", armed["data"][0]["triggerTime"] > armed["data"][0]["ts"], armed)
    await maker.cancel_all_orders_after(0)
    stranger = client_of(checks, "maker")
    stranger.secret = "wrong"
    try:
        await stranger.fetch_balance()
        checks.check("a wrong secret", holds=False)
    except ccxt.pro.AuthenticationError:
        checks.check("a wrong secret", holds=True)
    finally:
        await stranger.close()


async def streams(checks: Checks, maker: Any, taker: Any) -> None:
    best = await first(lambda: maker.watch_bids_asks([SYMBOL]), lambda _: True)
    checks.check("stream of the best prices", best is not None and best[SYMBOL]["bid"] == 2600.0, best)
    book = await first(lambda: maker.watch_order_book(SYMBOL, None, {"depth": "books5"}), lambda it: bool(it["bids"]))
    checks.check("stream of five levels", book is not None and book["bids"][0][0] == 2600.0, book)
    whole = await first(lambda: taker.watch_order_book(SYMBOL), lambda it: len(it["bids"]) > 5)
    checks.check("stream of the book", whole is not None and whole["bids"][0][0] == 2600.0, whole)
    orders = asyncio.create_task(first(lambda: maker.watch_orders(SYMBOL), lambda it: it[-1]["filled"] == 5))
    trades = asyncio.create_task(first(lambda: maker.watch_my_trades(SYMBOL), lambda it: it[-1]["amount"] == 5))
    await asyncio.sleep(1)  # a subscription's answer is not handed out
    placed = await maker.create_order_ws(SYMBOL, "limit", "sell", 10, 2600.5, {"postOnly": True})
    checks.check("order through the stream", bool(placed["id"]), placed)
    taken = await taker.create_order_ws(SYMBOL, "market", "buy", 5, None, {"op": "order"})
    checks.check("single order through the stream", bool(taken["id"]), taken)
    told = await orders
    checks.check("stream of orders: partial fill", told is not None and told[-1]["id"] == placed["id"], told)
    mine = await trades
    checks.check("stream of trades", mine is not None and mine[-1]["takerOrMaker"] == "maker", mine)
    cancelled = asyncio.create_task(
        first(lambda: maker.watch_orders(SYMBOL), lambda it: it[-1]["status"] == "canceled")
    )
    await asyncio.sleep(0)
    await maker.cancel_order_ws(placed["id"], SYMBOL)
    checks.check("cancel through the stream, and its push", await cancelled is not None)


asyncio.run(main())
