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
from exchanges.venues.faults import Faults
from exchanges.venues.lighter.demo import lighter_instrument, open_lighter
from exchanges.venues.lighter.model import FIRST_ORDER_ID, Lighter
from exchanges.venues.lighter.state import LighterOptions
from exchanges.venues.seam import Outlet, Reply, Request, StreamSession, VenueModel

D = Decimal
MS, S = 1_000_000, 1_000_000_000
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


# -- Lighter -----------------------------------------------------------------------------------------------------

MINUTE_MS = 60_000


def lighter(
    events: Iterable[MarketEvent] = (QUOTE,), options: LighterOptions | None = None, *, clock: PaperClock | None = None,
    faults: Faults | None = None,
) -> Lighter:  # fmt: skip
    """alice is account 101, bob 102; market 0 is ETH, in hundredths and ten-thousandths."""
    clock = clock or PaperClock()
    clock.run_until(clock.now_ns() + 1_700_000_000_000 * MS)
    tier = (options or LighterOptions()).tier
    eth = lighter_instrument(instrument(PERP), tier=tier)
    made = Exchange("lighter", [eth], sources={"ETH": iter(tuple(events))}, clock=clock, first_order_id=FIRST_ORDER_ID)
    for name in ("alice", "bob"):
        made.open_account(name, cash=D(10_000), owner="one person")
    made.start()
    clock.run_until(clock.now_ns())
    return open_lighter(made, faults, options)


@dataclass
class LighterUser:
    """Sends transactions as the documents say; signatures have the right form and no more."""

    venue: Lighter
    clock: PaperClock
    index: int = 101
    nonce: int = 1

    def tx(self, tx_type: int, *, attributes: dict[str, int] | None = None, **fields: Any) -> dict[str, str]:
        """The form of one transaction under the next nonce."""
        info = {
            "AccountIndex": self.index, "ApiKeyIndex": 5, **fields,
            "ExpiredAt": self.venue.exchange.now_ms() + 10 * MINUTE_MS, "Nonce": self.nonce,
            "Sig": base64.b64encode(bytes(range(1, 81))).decode(), "L2TxAttributes": attributes,
        } | {key: value for key, value in fields.items() if key in ("Nonce", "Sig", "ExpiredAt")}  # fmt: skip
        return {"tx_type": str(tx_type), "tx_info": json.dumps(info)}

    def order(
        self, base: int, price: int, *, ask: bool = False, force: int = 1, kind: int = 0, **more: Any
    ) -> dict[str, str]:
        expiry = 0 if force == 0 else self.venue.exchange.now_ms() + 60 * MINUTE_MS
        fields = {
            "MarketIndex": 0, "ClientOrderIndex": 0, "BaseAmount": base, "Price": price, "IsAsk": int(ask),
            "Type": kind, "TimeInForce": force, "ReduceOnly": 0, "TriggerPrice": 0, "OrderExpiry": expiry,
        }  # fmt: skip
        return self.tx(14, **{**fields, **more})

    def cancel(self, index: int) -> dict[str, str]:
        return self.tx(15, MarketIndex=0, Index=index)

    def send(self, form: dict[str, str]) -> tuple[int, Any]:
        """The answer at once; a nonce is used up only by what was queued."""
        headers = {"content-type": "application/x-www-form-urlencoded"}
        body = urlencode(form).encode()
        status, told = decoded(ask(self.venue, Request("POST", "/api/v1/sendTx", "", headers, body, "127.0.0.1")))
        self.nonce += status == 200
        return status, told

    def do(self, form: dict[str, str]) -> Any:
        """Send, and let the sequencer come to it."""
        status, told = self.send(form)
        assert status == 200, told
        self.run(S)
        return told

    def run(self, ns: int) -> None:
        self.clock.run_until(self.clock.now_ns() + ns)

    def token(self, seconds: int = 600) -> str:
        return f"{self.venue.exchange.now_ms() // 1000 + seconds}:{self.index}:5:{'ab' * 80}"

    def get(self, path: str, *, token: str | None = None, **query: Any) -> tuple[int, Any]:
        headers = {} if token is None else {"authorization": token}
        return decoded(ask(self.venue, Request("GET", f"/api/v1/{path}", urlencode(query), headers, b"", "127.0.0.1")))

    def past(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.get(
            "accountInactiveOrders", token=self.token(), account_index=self.index, limit=100
        )[1]["orders"]
        return rows

    def listen(self, *channels: str) -> tuple[StreamSession, Wire]:
        """A stream, welcomed and subscribed; snapshots are left in it."""
        session, wire = stream(self.venue, "/stream")
        assert wire.take()[0]["type"] == "connected"
        for channel in channels:
            session.on_text(json.dumps({"type": "subscribe", "channel": channel, "auth": self.token()}))
        return session, wire
