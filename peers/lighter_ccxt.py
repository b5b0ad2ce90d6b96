"""ccxt.pro's lighter, which nobody here wrote, trades on a local Lighter: REST, streams, and the venue's own signer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from platform import machine, system
from typing import Any

import ccxt.pro
from kit import Checks

WAIT_S = 20
SYMBOL = "ETH/USDC:USDC"


def client_of(checks: Checks, account: str) -> Any:
    venue = checks.venue
    secrets = venue.accounts[account]
    index, key = secrets["account_index"], secrets["api_key_index"]
    auth = {"signer": None, "lighterPrivateKey": secrets["private_key"], "deadline": None, "token": None}
    urls = {"root": venue.url, "public": venue.url, "private": venue.url, "ws": venue.ws_url}
    options = {
        "accountIndex": int(index), "apiKeyIndex": int(key), "chainId": 304, "builderFee": False,
        "libraryPath": str(signer_library()), "auths": {index: {key: auth}},
    }  # fmt: skip
    return ccxt.pro.lighter({"urls": {"api": urls}, "options": options})


def signer_library() -> Path:
    """The native signer, from the other environment: ccxt wants it as a file, and the two packages' needs clash."""
    chip = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine(), machine())
    folder = Path(__file__).parents[1] / "build" / "peers" / "lighter"
    found = folder.glob(f"lib/*/site-packages/lighter/signers/lighter-signer-{system().lower()}-{chip}.*")
    return next(path for path in found if path.suffix in (".so", ".dylib"))


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
        await trade(checks, maker, taker)
    finally:
        await maker.close()
        await taker.close()
    checks.exit()


async def trade(checks: Checks, maker: Any, taker: Any) -> None:
    markets = await maker.load_markets()
    await taker.load_markets()
    market = markets[SYMBOL]
    checks.equal("markets", (market["swap"], market["precision"]["price"]), (True, 0.01))
    book = await maker.fetch_order_book(SYMBOL)
    checks.equal("book", (book["bids"][0][0], book["asks"][0][0]), (2600.0, 2601.0))
    watched = await first(lambda: maker.watch_order_book(SYMBOL), lambda it: bool(it["bids"]))
    checks.check("stream of the book", watched is not None and watched["bids"][0][0] == 2600.0, watched)
    best = await first(lambda: maker.watch_ticker(SYMBOL), lambda _: True)
    checks.check("stream of market figures", best is not None, best)

    states: dict[str, Any] = {}
    news = asyncio.Event()

    async def listen() -> None:
        while True:
            for order in await maker.watch_orders(SYMBOL):
                states[order["clientOrderId"]] = order
            news.set()

    async def until(client: str, wanted: Callable[[Any], bool]) -> Any:
        try:
            async with asyncio.timeout(WAIT_S):
                while client not in states or not wanted(states[client]):
                    news.clear()
                    await news.wait()
        except TimeoutError:
            pass
        return states.get(client, {"status": None, "filled": None})

    listening = asyncio.create_task(listen())
    trades = asyncio.create_task(first(lambda: maker.watch_trades(SYMBOL), lambda it: it[-1]["amount"] == 0.05))
    await asyncio.sleep(1)  # a subscription shows only by what it brings
    await maker.create_order(SYMBOL, "limit", "sell", 0.2, 2600.5, {"postOnly": True, "clientOrderId": 11})
    placed = await until("11", lambda it: it["status"] == "open")
    checks.equal("stream of orders: post-only rests", (placed["status"], placed.get("price")), ("open", 2600.5))
    await taker.create_order(SYMBOL, "market", "buy", 0.05, 2610)
    part = await until("11", lambda it: it["filled"] == 0.05)
    checks.equal("stream of orders: partial fill", (part["status"], part["filled"]), ("open", 0.05))
    checks.check("stream of trades", await trades is not None)
    opened = await maker.fetch_open_orders(SYMBOL)
    checks.equal("open orders", [(it["clientOrderId"], it["remaining"]) for it in opened], [("11", 0.15)])
    await maker.cancel_order(opened[0]["id"], SYMBOL)
    ended = await until("11", lambda it: it["status"] == "canceled")
    checks.equal("stream of orders: cancel", (ended["status"], ended["filled"]), ("canceled", 0.05))
    positions = [it for it in await maker.fetch_positions() if it["contracts"]]
    checks.equal("position", [(it["side"], it["contracts"]) for it in positions], [("short", 0.05)])
    past = await maker.fetch_closed_orders(SYMBOL)
    checks.equal("past orders", [it["status"] for it in past], ["canceled"])
    fills = await maker.fetch_my_trades(SYMBOL)
    checks.equal("fills", [it["amount"] for it in fills], [0.05])
    checks.check("balance", (await maker.fetch_balance())["USDC"]["total"] > 0)
    listening.cancel()


asyncio.run(main())
