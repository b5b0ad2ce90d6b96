"""A user of a local OKX, written from the venue's documents: signs, sends, listens. For tests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from paper_clock import PaperClock
from venue_kit import QUOTE, D, decoded

from exchanges.market import MarketEvent
from exchanges.types import Instrument, MarketKind
from exchanges.venues.exchange import Exchange
from exchanges.venues.okx.model import OkxVenue
from exchanges.venues.okx.state import OkxOptions
from exchanges.venues.okx.wire import Key
from exchanges.venues.seam import Reply, Request

S, MS = 1_000_000_000, 1_000_000
SWAP, SPOT = "ETH-USDT-SWAP", "ETH-USDT"
SWAP_CODE, SPOT_CODE = 10_001, 10_002
CONTRACT = D("0.01")  # ETH


def instrument(symbol: str) -> Instrument:
    swap = symbol == SWAP
    return Instrument(
        venue="okx", symbol=symbol, market="ETH-PERP" if swap else "ETH-USDT",
        kind=MarketKind.PERP if swap else MarketKind.SPOT, base="ETH", quote="USDT", tick=D("0.01"), lot=D("0.0001"),
        min_qty=D("0.001"), maker_fee=D("0.0002"), taker_fee=D("0.0005"),
        initial_margin=D("0.1") if swap else D(1), fee_in_received=not swap,
    )  # fmt: skip


def okx(
    events: Iterable[MarketEvent] = (QUOTE,), options: OkxOptions | None = None, *, clock: PaperClock | None = None,
    **more: Any,
) -> OkxVenue:  # fmt: skip
    """Accounts alice and bob with 10,000 USDT and 2 ETH on spot; the market's first event has happened."""
    clock = clock or PaperClock()
    clock.run_until(clock.now_ns() + 1_700_000_000_000 * MS)
    sources = {SWAP: iter(tuple(events)), SPOT: iter((QUOTE,))}
    exchange = Exchange("okx", [instrument(SWAP), instrument(SPOT)], sources=sources, clock=clock)
    keys = {}
    for name in ("alice", "bob"):
        exchange.open_account(name, cash=Decimal(10_000), base={SPOT: D(2)})
        keys[f"key-{name}"] = Key(name, f"secret-{name}", f"phrase-{name}")
    venue = OkxVenue(exchange, keys, {SWAP: CONTRACT}, options, **more)
    venue.start()
    clock.run_until(clock.now_ns())
    return venue


def signed(secret: str, text: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


@dataclass
class OkxWire:
    """The client's end of a stream: everything that came, in order."""

    came: list[Any] = field(default_factory=list)

    def send(self, text: str) -> None:
        self.came.append(text if text == "pong" else json.loads(text))

    def ping(self) -> None:
        self.came.append("ping")

    def pong(self, payload: bytes) -> None:
        self.came.append(("pong", payload))

    def close(self, code: int, reason: str) -> None:
        self.came.append(("close", code, reason))

    def cut(self) -> None:
        self.came.append("cut")

    def take(self) -> list[Any]:
        came, self.came = self.came, []
        return came


@dataclass
class OkxUser:
    """`call` gives HTTP status and decoded body, `place` and `cancel` the one item of an order."""

    venue: OkxVenue
    name: str = "alice"

    def request(
        self, method: str, path: str, *, query: dict[str, Any] | None = None, body: Any = None, **headers: str,
    ) -> Request:  # fmt: skip
        now_ms = self.venue.exchange.now_ms()
        stamp = datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        text = urlencode(query or {})
        sent = b"" if body is None else json.dumps(body).encode()
        target = f"/api/v5{path}" + (f"?{text}" if text else "")
        told = {
            "ok-access-key": f"key-{self.name}",
            "ok-access-sign": signed(f"secret-{self.name}", f"{stamp}{method}{target}{sent.decode()}"),
            "ok-access-timestamp": stamp,
            "ok-access-passphrase": f"phrase-{self.name}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return Request(method, f"/api/v5{path}", text, told, sent, "127.0.0.1")

    def ask(self, request: Request) -> Reply | None:
        answers: list[Reply | None] = []
        self.venue.request(request, answers.append)
        (reply,) = answers
        return reply

    def call(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        reply = self.ask(self.request(method, path, **more))
        assert reply is not None
        return decoded(reply)

    def get(self, path: str, **query: Any) -> list[Any]:
        status, told = self.call("GET", path, query=query)
        assert (status, told["code"]) == (200, "0"), told
        rows: list[Any] = told["data"]
        return rows

    def code(self, path: str, **query: Any) -> str:
        return str(self.call("GET", path, query=query)[1]["code"])

    def order(self, side: str, kind: str, size: str, price: str = "", **more: Any) -> dict[str, Any]:
        spot = more.get("instId") == SPOT
        fields = {"instId": SWAP, "tdMode": "cash" if spot else "cross", "side": side, "ordType": kind, "sz": size}
        return {**fields, "px": price, **more}

    def place(self, side: str, kind: str, size: str, price: str = "", **more: Any) -> dict[str, Any]:
        told = self.call("POST", "/trade/order", body=self.order(side, kind, size, price, **more))[1]
        item: dict[str, Any] = told["data"][0]
        return item

    def cancel(self, **fields: Any) -> str:
        told = self.call("POST", "/trade/cancel-order", body={"instId": SWAP, **fields})[1]
        return str(told["data"][0]["sCode"])

    def info(self, **query: Any) -> dict[str, Any]:
        (row,) = self.get("/trade/order", **{"instId": SWAP, **query})
        told: dict[str, Any] = row
        return told

    def stream(self, kind: str = "private") -> tuple[Any, OkxWire]:
        wire = OkxWire()
        session = self.venue.open_stream(Request("GET", f"/ws/v5/{kind}", "", {}, b"", "127.0.0.1"), wire)
        return session, wire

    def login(self, **wrong: Any) -> str:
        stamp = str(self.venue.exchange.now_ms() // 1000)
        sign = signed(f"secret-{self.name}", f"{stamp}GET/users/self/verify")
        arg = {"apiKey": f"key-{self.name}", "passphrase": f"phrase-{self.name}", "timestamp": stamp, "sign": sign}
        return json.dumps({"op": "login", "args": [arg | wrong]})

    def listen(self, *args: dict[str, str]) -> tuple[Any, OkxWire]:
        """A private stream that is logged in and subscribed."""
        session, wire = self.stream()
        session.on_text(self.login())
        self.run(5 * MS)
        if args:
            session.on_text(json.dumps({"id": "1", "op": "subscribe", "args": args}))
        return session, wire

    def run(self, ns: int) -> None:
        clock = self.venue.exchange.clock
        assert isinstance(clock, PaperClock)
        clock.run_until(clock.now_ns() + ns)


def changed(request: Request, **headers: str) -> Request:
    return replace(request, headers={**request.headers, **{k.replace("_", "-"): v for k, v in headers.items()}})
