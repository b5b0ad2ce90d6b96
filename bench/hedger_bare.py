"""What no hedger with these libraries can do without: read a fill, price it, sign, send. No ledger, no journal.

    python bench/hedger_bare.py okx|binance FILE

The floor of bench/hedger.py. FILE is what bench/hedger_venue.py said of its venues.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import sys
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from websockets.asyncio.client import ClientConnection, connect

FILLS = "/api/v1/private/spot/ws"
SLIPPAGE = Decimal("0.001")
Open = Callable[[str], Any]  # a stream at a path of the hedge venue
Hedge = Callable[[Decimal, int], Awaitable[None]]  # quantity, +1 to buy


def open_stream(port: int, headers: dict[str, str] | None = None) -> Open:
    def at(path: str) -> Any:
        url = f"ws://127.0.0.1:{port}{path}"
        return connect(url, compression=None, ping_interval=None, proxy=None, additional_headers=headers or {})

    return at


def ask(port: int, path: str) -> Any:
    with urlopen(f"http://127.0.0.1:{port}{path}") as answer:
        return json.loads(answer.read())


class Touch:
    """The newest best bid and offer, and a limit just beyond them."""

    def __init__(self, tick: str) -> None:
        self.tick = Decimal(tick)
        self.bid = self.ask = Decimal(0)

    def limit(self, side: int) -> str:
        price = self.ask * (1 + SLIPPAGE) if side > 0 else self.bid * (1 - SLIPPAGE)
        return str(price // self.tick * self.tick)


async def okx(told: dict[str, Any], hedges: asyncio.Future[Hedge]) -> None:
    port, symbol, keys = told["ports"]["okx"], told["symbol"], told["keys"]["okx"]
    (listed,) = ask(port, f"/api/v5/public/instruments?instType=SWAP&instId={symbol}")["data"]
    touch, unit, number = Touch(listed["tickSz"]), Decimal(listed["ctVal"]), 0
    stream = open_stream(port)
    async with stream("/ws/v5/private") as orders, stream("/ws/v5/public") as market:
        stamp = str(int(time.time()))
        signed = hmac.digest(keys["api_secret"].encode(), f"{stamp}GET/users/self/verify".encode(), sha256)
        arg = {"apiKey": keys["api_key"], "passphrase": keys["passphrase"], "timestamp": stamp}
        await orders.send(json.dumps({"op": "login", "args": [{**arg, "sign": b64encode(signed).decode()}]}))
        await orders.recv()
        await market.send(json.dumps({"op": "subscribe", "args": [{"channel": "bbo-tbt", "instId": symbol}]}))

        async def hedge(qty: Decimal, side: int) -> None:
            nonlocal number
            number += 1
            order = {
                "instIdCode": listed["instIdCode"], "tdMode": "cross", "clOrdId": f"b{number}",
                "side": "buy" if side > 0 else "sell", "ordType": "ioc", "sz": str(qty / unit),
                "px": touch.limit(side),
            }  # fmt: skip
            until = str(time.time_ns() // 1_000_000 + 1_000)
            await orders.send(json.dumps({"id": str(number), "op": "order", "expTime": until, "args": [order]}))

        def quote(said: Any) -> None:
            if said.get("data"):
                touch.bid, touch.ask = (Decimal(said["data"][0][name][0][0]) for name in ("bids", "asks"))
                hedges.done() or hedges.set_result(hedge)

        await asyncio.gather(read(market, quote), read(orders, lambda _: None))


async def binance(told: dict[str, Any], hedges: asyncio.Future[Hedge]) -> None:
    port, symbol, keys = told["ports"]["binance"], told["symbol"], told["keys"]["binance"]
    (listed,) = [it for it in ask(port, "/fapi/v1/exchangeInfo")["symbols"] if it["symbol"] == symbol]
    filters = {it["filterType"]: it for it in listed["filters"]}
    touch, number, secret = Touch(filters["PRICE_FILTER"]["tickSize"]), 0, keys["api_secret"].encode()
    stream = open_stream(port)
    async with stream("/ws-fapi/v1") as orders, stream("/public/ws") as market:
        await market.send(json.dumps({"method": "SUBSCRIBE", "params": [f"{symbol.lower()}@bookTicker"], "id": 1}))

        async def hedge(qty: Decimal, side: int) -> None:
            nonlocal number
            number += 1
            params = {
                "symbol": symbol, "side": "BUY" if side > 0 else "SELL", "type": "LIMIT", "quantity": str(qty),
                "newClientOrderId": f"b{number}", "newOrderRespType": "RESULT", "price": touch.limit(side),
                "timeInForce": "IOC", "apiKey": keys["api_key"], "recvWindow": "1000",
                "timestamp": str(time.time_ns() // 1_000_000),
            }  # fmt: skip
            signed = "&".join(f"{name}={params[name]}" for name in sorted(params))
            params["signature"] = hmac.new(secret, signed.encode(), sha256).hexdigest()
            await orders.send(json.dumps({"id": str(number), "method": "order.place", "params": params}))

        def quote(said: Any) -> None:
            if "b" in said:
                touch.bid, touch.ask = Decimal(said["b"]), Decimal(said["a"])
                hedges.done() or hedges.set_result(hedge)

        await asyncio.gather(read(market, quote), read(orders, lambda _: None))


async def read(stream: ClientConnection, take: Callable[[Any], None]) -> None:
    while True:
        take(json.loads(await stream.recv(decode=False)))


async def listen(told: dict[str, Any], hedges: asyncio.Future[Hedge]) -> None:
    """Each fill of the market maker leaves as a hedge of the other side."""
    hedge, keys, stamp = await hedges, told["keys"]["bifu"], str(time.time_ns() // 1_000_000)
    signed = hmac.new(keys["api_secret"].encode(), f"{FILLS}|{stamp}".encode(), sha256).hexdigest()
    headers = {
        "Decode-MM-Auth-Access-Key": keys["api_key"], "Decode-MM-Auth-Timestamp": stamp,
        "Decode-MM-Auth-Signature": signed,
    }  # fmt: skip
    async with open_stream(told["ports"]["bifu"], headers)(FILLS) as stream:
        while True:
            said = json.loads(await stream.recv(decode=False))
            if said["type"] == "ping":
                await stream.send(json.dumps({"type": "pong", "time": said["time"]}))
                continue
            for row in said.get("msg", {}).get("data", {}).get("orderFillTransaction", ()):
                if row["direction"] == "MAKER" and row["accountId"] != row["matchAccountId"]:
                    await hedge(Decimal(row["fillSize"]), -1 if row["orderSide"] == "BUY" else 1)


async def main() -> None:
    told = json.loads(Path(sys.argv[2]).read_text())
    hedges: asyncio.Future[Hedge] = asyncio.get_running_loop().create_future()
    await asyncio.gather({"okx": okx, "binance": binance}[sys.argv[1]](told, hedges), listen(told, hedges))


if __name__ == "__main__":
    asyncio.run(main())
