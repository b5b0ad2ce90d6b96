"""A local venue on a virtual clock, and a client of it written from the venue's documents, for tests."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paper_clock import PaperClock

from exchanges.market import MarketEvent, MarketQuote
from exchanges.types import Instrument, MarketKind
from exchanges.venues.backpack.model import Backpack, BackpackOptions
from exchanges.venues.exchange import Exchange
from exchanges.venues.seam import Outlet, Reply, Request, StreamSession, VenueModel

D = Decimal
MS = 1_000_000
PERP, SPOT = "ETH_USDC_PERP", "ETH_USDC"
QUOTE = MarketQuote(0, 260_000, 50_000, 260_010, 50_000)  # 2600.00 x 5 at 2600.10 x 5


def instrument(symbol: str = PERP) -> Instrument:
    return Instrument(
        venue="backpack", symbol=symbol, market="ETH-PERP",
        kind=MarketKind.PERP if symbol == PERP else MarketKind.SPOT, base="ETH", quote="USDC", tick=D("0.01"),
        lot=D("0.0001"), min_qty=D("0.001"), maker_fee=D("0.0002"), taker_fee=D("0.0005"),
        initial_margin=D("0.1") if symbol == PERP else D(1), fee_in_received=symbol == SPOT,
    )  # fmt: skip


def exchange(events: Iterable[MarketEvent] = (QUOTE,), *, clock: PaperClock | None = None) -> Exchange:
    """Accounts alice and bob with 10,000 USDC and 2 ETH on spot; the market's first event has happened."""
    clock = clock or PaperClock()
    clock.run_until(clock.now_ns() + 1_700_000_000_000 * MS)
    sources = {PERP: iter(tuple(events)), SPOT: iter((QUOTE,))}
    made = Exchange("backpack", [instrument(PERP), instrument(SPOT)], sources=sources, clock=clock)
    for name in ("alice", "bob"):
        made.open_account(name, cash=D(10_000), base={SPOT: D(2)})
    made.start()
    clock.run_until(clock.now_ns())
    return made


def key_of(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"\0"))


def public_of(name: str) -> str:
    return base64.b64encode(key_of(name).public_key().public_bytes_raw()).decode()


def backpack(events: Iterable[MarketEvent] = (QUOTE,), options: BackpackOptions | None = None, **more: Any) -> Backpack:
    return Backpack(exchange(events), {public_of(name): name for name in ("alice", "bob")}, options, **more)


@dataclass
class Answers:
    """What came back of one request: nothing yet, a reply, or a cut connection (None)."""

    replies: list[Reply | None] = field(default_factory=list)

    def take(self, reply: Reply | None) -> None:
        self.replies.append(reply)


@dataclass
class BackpackUser:
    """Signs and sends as the documents say. `call` gives status and decoded body."""

    venue: Backpack
    name: str = "alice"
    window: str = "5000"

    def signed_raw(self, instruction: str, method: str, path: str, raw: bytes) -> Request:
        """A request with this very body, signed as far as it can be read."""
        try:
            body = json.loads(raw)
        except ValueError:
            body = {}
        return replace(self.signed(instruction, method, path, body=body or {}), body=raw)

    def signed(
        self, instruction: str, method: str, path: str, *, query: dict[str, Any] | None = None, body: Any = None,
        timestamp: int | None = None,
    ) -> Request:  # fmt: skip
        stamp = str(self.venue.exchange.now_ms() if timestamp is None else timestamp)
        items = body if isinstance(body, list) else [body if body is not None else query or {}]
        parts = ["&".join([f"instruction={instruction}", *_pairs(item)]) for item in items]
        text = "&".join([*parts, f"timestamp={stamp}", f"window={self.window}"])
        headers = {
            "x-api-key": public_of(self.name),
            "x-signature": base64.b64encode(key_of(self.name).sign(text.encode())).decode(),
            "x-timestamp": stamp,
            "x-window": self.window,
        }
        raw = b"" if body is None else json.dumps(body).encode()
        return Request(method, path, urlencode(query or {}), headers, raw, "127.0.0.1")

    def call(self, instruction: str, method: str, path: str, **more: Any) -> tuple[int, Any]:
        return decoded(ask(self.venue, self.signed(instruction, method, path, **more)))

    def place(self, **fields: Any) -> tuple[int, Any]:
        return self.call("orderExecute", "POST", "/api/v1/order", body={"symbol": PERP, **fields})

    def limit(self, side: str, price: str, quantity: str, **fields: Any) -> tuple[int, Any]:
        return self.place(side=side, orderType="Limit", price=price, quantity=quantity, **fields)

    def market(self, side: str, quantity: str, **fields: Any) -> tuple[int, Any]:
        return self.place(side=side, orderType="Market", quantity=quantity, **fields)

    def cancel(self, **fields: Any) -> tuple[int, Any]:
        return self.call("orderCancel", "DELETE", "/api/v1/order", body={"symbol": PERP, **fields})

    def get(self, path: str, instruction: str, **query: Any) -> tuple[int, Any]:
        return self.call(instruction, "GET", path, query=query)


def _pairs(item: dict[str, Any]) -> list[str]:
    return [f"{name}={_text(item[name])}" for name in sorted(item)]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def ask(venue: VenueModel, request: Request) -> Reply:
    """The reply to a request that is answered at once."""
    answers = Answers()
    venue.request(request, answers.take)
    (reply,) = answers.replies
    assert reply is not None
    return reply


def public(venue: VenueModel, path: str, query: str = "") -> tuple[int, Any]:
    return decoded(ask(venue, Request("GET", path, query, {}, b"", "127.0.0.1")))


def decoded(reply: Reply) -> tuple[int, Any]:
    if not reply.body or not reply.content_type.startswith("application/json"):
        return reply.status, reply.body
    return reply.status, json.loads(reply.body)


def picked(shown: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: shown[name] for name in names}


@dataclass
class Wire(Outlet):
    """The client's end of a stream: everything that came, in order."""

    came: list[Any] = field(default_factory=list)

    def send(self, text: str) -> None:
        self.came.append(json.loads(text))

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


def stream(venue: VenueModel, path: str = "/") -> tuple[StreamSession, Wire]:
    wire = Wire()
    session = venue.open_stream(Request("GET", path, "", {}, b"", "127.0.0.1"), wire)
    assert not isinstance(session, Reply)
    return session, wire


def subscription(user: BackpackUser, *names: str, timestamp: int | None = None) -> str:
    stamp = user.venue.exchange.now_ms() if timestamp is None else timestamp
    text = f"instruction=subscribe&timestamp={stamp}&window=5000"
    signature = [public_of(user.name), base64.b64encode(key_of(user.name).sign(text.encode())).decode()]
    return json.dumps({"method": "SUBSCRIBE", "params": names, "signature": [*signature, str(stamp), "5000"]})
