"""The venue of bench/hedge.py, in a process of its own: sends maker fills and stamps when their hedges have arrived.

Speaks just enough of Backpack's protocol for a run and does next to nothing on the way: the client is measured.
Not a venue to trade on: it checks no signature. Commands and results are lines of JSON on stdin and stdout.

A sample is the time from just before a fill frame goes to its socket until the hedge request is whole in our hands.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

SYMBOL = "ETH_USDC_PERP"
BID, ASK = "2000.00", "2000.10"
PART = 4  # thousandths of a coin in one maker fill
now = time.perf_counter_ns

MARKET = {
    "symbol": SYMBOL, "baseSymbol": "ETH", "quoteSymbol": "USDC", "marketType": "PERP", "orderBookState": "Open",
    "filters": {"price": {"tickSize": "0.01"}, "quantity": {"minQuantity": "0.001", "stepSize": "0.001"}},
    "imfFunction": {"type": "sqrt", "base": "0.1", "factor": "0"},
    "mmfFunction": {"type": "sqrt", "base": "0.05", "factor": "0"},
}  # fmt: skip
ACCOUNT = {"futuresMakerFee": "2", "futuresTakerFee": "5", "leverageLimit": "10"}
COLLATERAL = {"netEquity": "100000", "netEquityAvailable": "100000", "collateral": []}


@dataclass
class Job:
    """One measurement: `burst` fills leave together, `ahead` quotes just before.

    Of a hedge the venue says nothing before `reply_ms`, neither its reply nor its fill; then comes the next burst.
    """

    samples: int
    burst: int = 1
    ahead: int = 0
    reply_ms: int = 0
    bare: bool = False
    sent: list[int] = field(default_factory=list)
    taken: list[list[int]] = field(default_factory=lambda: [[]])  # per place in a burst


@dataclass
class Account:
    socket: ServerConnection | None = None
    position: int = 0  # thousandths
    fills: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Maker:
    """A resting order that is filled part by part."""

    order: dict[str, Any]
    account: Account
    cum: int = 0

    @property
    def qty(self) -> int:
        return thousandths(self.order["quantity"])


def thousandths(text: str) -> int:
    return round(float(text) * 1000)


def coins(count: int) -> str:
    return f"{count / 1000:.3f}"


class Venue:
    def __init__(self, keys: dict[str, str]) -> None:
        self.keys = keys  # verifying key -> account
        self.accounts = {name: Account() for name in keys.values()}
        self.quotes: list[ServerConnection] = []
        self.job = Job(0)
        self.maker: Maker | None = None
        self.waiting: list[int] = []  # when the fills left whose hedges have not come
        self.order_id = self.trade_id = self.update = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self.done = asyncio.Event()

    def begin(self, job: Job) -> None:
        """Another measurement, on accounts that hold nothing."""
        self.job, self.waiting, self.maker = job, [], None
        for account in self.accounts.values():
            account.position = 0
            account.fills.clear()

    # --- requests

    def answer(
        self, method: str, target: str, headers: dict[str, str], body: bytes, at: int
    ) -> tuple[Callable[[], object], int]:  # fmt: skip
        """What makes the reply, and after how many ms it is to be called."""
        path = urlsplit(target).path
        if method == "POST" and path == "/api/v1/order":
            return self.place(json.loads(body), self.accounts[self.keys[headers["x-api-key"]]], at)
        if method == "DELETE":
            return lambda: {"code": "RESOURCE_NOT_FOUND", "message": "Order not found"}, 0
        return partial(self.asked, path, target, headers), 0

    def asked(self, path: str, target: str, headers: dict[str, str]) -> object:
        account = self.accounts.get(self.keys.get(headers.get("x-api-key", ""), ""), Account())
        if path == "/wapi/v1/history/fills":
            since = int(parse_qs(urlsplit(target).query).get("from", ["0"])[0])
            return [row for row in account.fills[-200:] if row["ms"] >= since]
        if path == "/api/v1/position":
            row = {
                "symbol": SYMBOL,
                "netQuantity": coins(account.position),
                "entryPrice": BID,
                "markPrice": BID,
                "mmf": "0.05",
            }
            return [row] if account.position else []
        if path == "/api/v1/depth":
            return {
                "asks": [[ASK, "9"]],
                "bids": [[BID, "9"]],
                "lastUpdateId": "1",
                "timestamp": time.time_ns() // 1000,
            }
        return {
            "/api/v1/status": {"status": "Ok", "message": None}, "/api/v1/time": time.time_ns() // 1_000_000,
            "/api/v1/market": MARKET, "/api/v1/account": ACCOUNT, "/api/v1/ping": "pong",
            "/api/v1/capital/collateral": COLLATERAL,
        }.get(path, [])  # fmt: skip

    def place(self, order: dict[str, Any], account: Account, at: int) -> tuple[Callable[[], object], int]:
        self.order_id += 1
        order |= {"id": str(self.order_id), "createdAt": time.time_ns() // 1_000_000}
        if order.get("timeInForce") != "GTC":  # a market order, or one with a bound
            self.came(at)
            return partial(self.hedge, order, account), self.job.reply_ms
        self.maker = Maker(order, account)
        self.send(account, order, "orderAccepted", "New", 0)
        asyncio.get_running_loop().call_later(0.006, self.fill)
        return partial(self.reply, order, "New", 0), 0

    def came(self, at: int) -> None:
        """A hedge has arrived: that is what counts."""
        if self.waiting:
            job = self.job
            place = job.burst - len(self.waiting)
            while len(job.taken) <= place:
                job.taken.append([])
            job.taken[place].append(at - self.waiting.pop(0))
            if not self.waiting:
                asyncio.get_running_loop().call_later(job.reply_ms / 1000 + 0.006, self.fill)

    def hedge(self, order: dict[str, Any], account: Account) -> object:
        qty = thousandths(order["quantity"])
        self.book(account, order, qty, maker=False)
        self.send(account, order, "orderFill", "Filled", qty, last=qty)
        return self.reply(order, "Filled", qty)

    def reply(self, order: dict[str, Any], status: str, cum: int) -> dict[str, Any]:
        return order | {"status": status, "executedQuantity": coins(cum), "executedQuoteQuantity": "0"}

    # --- fills

    def fill(self) -> None:
        """The next part of the resting order, or a burst of parts; each is one sample."""
        job, maker = self.job, self.maker
        if self.waiting or (maker is None and not job.bare):
            return
        if len(job.taken[0]) >= job.samples:
            self.done.set()  # the run goes on to its end, unmeasured
            if job.bare:
                return
        for _ in range(job.ahead):
            self.quote()
        for _ in range(job.burst):
            if job.bare:
                self.bare_fill()
            elif maker is not None and maker.cum < maker.qty:
                maker.cum += PART
                full = maker.cum >= maker.qty
                self.book(maker.account, maker.order, PART, maker=True)
                self.waiting.append(now())
                state = "Filled" if full else "PartiallyFilled"
                self.send(maker.account, maker.order, "orderFill", state, maker.cum, last=PART)
                if full:
                    self.maker = None

    def bare_fill(self) -> None:
        account = next(iter(self.accounts.values()))
        order = {"side": "Bid", "id": "1", "clientId": 1, "quantity": "0.020", "orderType": "Limit", "price": BID}
        self.trade_id += 1
        self.waiting.append(now())
        self.send(account, order, "orderFill", "PartiallyFilled", 5 * PART, last=PART)

    def book(self, account: Account, order: dict[str, Any], qty: int, *, maker: bool) -> None:
        self.trade_id += 1
        account.position += qty if order["side"] == "Bid" else -qty
        ms = time.time_ns() // 1_000_000
        account.fills.append(
            {
                "ms": ms, "clientId": str(order.get("clientId", "")), "fee": "0.001", "feeSymbol": "USDC",
                "isMaker": maker,
                "orderId": order["id"], "price": BID, "quantity": coins(qty), "side": order["side"], "symbol": SYMBOL,
                "systemOrderType": None, "tradeId": self.trade_id,
                "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms / 1000)) + f".{ms % 1000:03d}",
            }
        )  # fmt: skip

    def send(
        self, account: Account, order: dict[str, Any], event: str, state: str, cum: int, *, last: int = 0
    ) -> None:  # fmt: skip
        us = time.time_ns() // 1000
        said = {
            "e": event, "E": us, "T": us, "s": SYMBOL, "S": order["side"], "o": order["orderType"].upper(), "f": "GTC",
            "q": order["quantity"], "X": state, "i": order["id"], "c": order.get("clientId"), "z": coins(cum),
            "Z": "0", "V": "RejectTaker", "O": "USER", "r": bool(order.get("reduceOnly")),
        }  # fmt: skip
        if "price" in order:
            said["p"] = order["price"]
        if last:
            said |= {"t": self.trade_id, "l": coins(last), "L": BID, "m": "price" in order, "n": "0.001", "N": "USDC"}
        self.write(account.socket, f"account.orderUpdate.{SYMBOL}", said)

    def quote(self) -> None:
        self.update += 1
        us = time.time_ns() // 1000
        said = {
            "e": "bookTicker",
            "E": us,
            "T": us,
            "s": SYMBOL,
            "a": ASK,
            "A": "9",
            "b": BID,
            "B": "9",
            "u": str(self.update),
        }
        for socket in self.quotes:
            self.write(socket, f"bookTicker.{SYMBOL}", said, may_wait=True)  # of somebody who is about to leave

    def write(
        self, socket: ServerConnection | None, stream: str, said: dict[str, Any], *, may_wait: bool = False
    ) -> None:
        """A frame, whole in the socket when this returns: `send` waits for nothing while the socket takes it."""
        if socket is None:
            return
        sending = socket.send(json.dumps({"data": said, "stream": stream}))
        try:
            sending.send(None)
        except (StopIteration, ConnectionClosed):
            return
        sending.close()
        if not may_wait:
            raise SystemExit("the socket is full")

    # --- streams

    async def stream(self, socket: ServerConnection) -> None:
        try:
            async for text in socket:
                said = json.loads(text)
                for name in said.get("params", ()):
                    if name.startswith("bookTicker"):
                        self.quotes.append(socket)
                        self.quote()
                    elif name.startswith("account.orderUpdate"):
                        self.accounts[self.keys[said["signature"][0]]].socket = socket
                        if self.job.bare:
                            asyncio.get_running_loop().call_later(0.05, self.fill)
        except ConnectionClosed:
            pass
        finally:
            if socket in self.quotes:
                self.quotes.remove(socket)


class Http(asyncio.Protocol):
    """One keep-alive connection: as little as a server can do."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        at = now()
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            lines = self.buffer[:end].decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            whole = end + 4 + int(headers.get("content-length", 0))
            if len(self.buffer) < whole:
                return
            body, self.buffer = self.buffer[end + 4 : whole], self.buffer[whole:]
            method, target, _ = lines[0].split(" ")
            answer, wait_ms = self.venue.answer(method, target, headers, body, at)
            if wait_ms:
                asyncio.get_running_loop().call_later(wait_ms / 1000, self.write, answer)
            else:
                self.write(answer)

    def write(self, answer: Callable[[], object]) -> None:
        said = answer()
        refused = isinstance(said, dict) and "code" in said
        body = json.dumps(said).encode()
        head = f"HTTP/1.1 {404 if refused else 200} -\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)


async def main() -> None:
    loop = asyncio.get_running_loop()
    venue = Venue(json.loads(sys.argv[1]))
    http = await loop.create_server(lambda: Http(venue), "127.0.0.1", 0)
    async with serve(venue.stream, "127.0.0.1", 0, compression=None, ping_interval=None) as streams:
        ports = [it.sockets[0].getsockname()[1] for it in (http, streams)]  # type: ignore[index]
        say(ports)
        lines: asyncio.Queue[str] = asyncio.Queue()
        loop.add_reader(sys.stdin.fileno(), lambda: lines.put_nowait(sys.stdin.readline()))
        gc.collect()
        gc.freeze()
        gc.disable()
        quoting = asyncio.create_task(quotes(venue.quote))
        while line := await lines.get():
            venue.begin(Job(**json.loads(line)))
            venue.done.clear()
            await venue.done.wait()
            say(venue.job.taken)
        quoting.cancel()


async def quotes(quote: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(0.1)
        quote()


def say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
