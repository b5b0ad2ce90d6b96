"""A user of a local Binance, written from the venue's documents: signs, sends, listens. For tests."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from paper_clock import PaperClock
from venue_kit import QUOTE, D, Wire, ask, decoded

from exchanges.market import MarketEvent
from exchanges.types import Instrument, MarketKind
from exchanges.venues.binance.model import Binance
from exchanges.venues.binance.trading import BinanceOptions
from exchanges.venues.binance.wire import Key
from exchanges.venues.exchange import Exchange
from exchanges.venues.seam import Reply, Request

S, MS = 1_000_000_000, 1_000_000
SYMBOL = "ETHUSDT"


def instrument(kind: MarketKind) -> Instrument:
    spot = kind is MarketKind.SPOT
    return Instrument(
        venue="binance", symbol=SYMBOL, market="ETH-USDT" if spot else "ETH-PERP", kind=kind, base="ETH", quote="USDT",
        tick=D("0.01"), lot=D("0.0001"), min_qty=D("0.001"), min_notional=D(5), maker_fee=D("0.0002"),
        taker_fee=D("0.0005"), initial_margin=D(1) if spot else D("0.1"), fee_in_received=spot,
        reduces_below_notional=not spot,
    )  # fmt: skip


def binance(
    kind: MarketKind, events: Iterable[MarketEvent] = (QUOTE,), options: BinanceOptions | None = None, **more: Any
) -> Binance:
    """Accounts alice and bob with 10,000 USDT, and 2 ETH on spot; the market's first event has happened."""
    clock = PaperClock()
    clock.run_until(1_700_000_000_000 * MS)
    exchange = Exchange("binance", [instrument(kind)], sources={SYMBOL: iter(tuple(events))}, clock=clock)
    keys = {}
    for name in ("alice", "bob"):
        base = {SYMBOL: D(2)} if kind is MarketKind.SPOT else None
        exchange.open_account(name, cash=D(10_000), base=base)
        keys[f"key-{name}"] = Key(name, secret=f"secret-{name}")
    venue = Binance(exchange, keys, options, **more)
    venue.start()
    clock.run_until(clock.now_ns())
    return venue


@dataclass
class BinanceUser:
    """`call` gives HTTP status and decoded body of a signed request."""

    venue: Binance
    name: str = "alice"

    @property
    def root(self) -> str:
        return "/api/v3" if self.venue.kind is MarketKind.SPOT else "/fapi/v1"

    def sign(self, text: str) -> str:
        return hmac.new(f"secret-{self.name}".encode(), text.encode(), "sha256").hexdigest()

    def request(self, method: str, path: str, fields: dict[str, Any], *, at_ms: int | None = None) -> Request:
        """Reads have their params in the query, the others in the body; both are allowed."""
        now_ms = self.venue.exchange.now_ms() if at_ms is None else at_ms
        text = urlencode({**fields, "timestamp": now_ms}, quote_via=quote)
        text += f"&signature={self.sign(text)}"
        query, body = (text, b"") if method == "GET" else ("", text.encode())
        whole = path if path.startswith("/") else f"{self.root}/{path}"
        return Request(method, whole, query, {"x-mbx-apikey": f"key-{self.name}"}, body, "127.0.0.1")

    def call(self, method: str, path: str, **fields: Any) -> tuple[int, Any]:
        return decoded(ask(self.venue, self.request(method, path, fields)))

    def get(self, path: str, **fields: Any) -> Any:
        status, told = self.call("GET", path, **fields)
        assert status == 200, told
        return told

    def code(self, method: str, path: str, **fields: Any) -> int:
        return int(self.call(method, path, **fields)[1]["code"])

    def order(self, side: str, quantity: str, price: str = "", **more: Any) -> dict[str, Any]:
        fields = {"symbol": SYMBOL, "side": side, "type": "LIMIT" if price else "MARKET", "quantity": quantity}
        if price:
            fields |= {"price": price, "timeInForce": "GTC"}
        whole = fields | more
        return {name: value for name, value in whole.items() if value is not None}

    def place(self, side: str, quantity: str, price: str = "", **more: Any) -> Any:
        return self.call("POST", "order", **self.order(side, quantity, price, **more))[1]

    # -- the WebSocket API

    def api(self) -> tuple[Any, Wire]:
        path = "/ws-api/v3" if self.venue.kind is MarketKind.SPOT else "/ws-fapi/v1"
        return self.stream(path)

    def stream(self, path: str, query: str = "") -> tuple[Any, Wire]:
        wire = Wire()
        session = self.venue.open_stream(Request("GET", path, query, {}, b"", "127.0.0.1"), wire)
        assert not isinstance(session, Reply), session
        return session, wire

    def message(self, method: str, *, number: object = 1, **params: Any) -> str:
        whole = params | {"apiKey": f"key-{self.name}", "timestamp": self.venue.exchange.now_ms()}
        text = "&".join(f"{name}={_text(whole[name])}" for name in sorted(whole))
        return json.dumps({"id": number, "method": method, "params": whole | {"signature": self.sign(text)}})

    def asked(self, session: Any, wire: Wire, method: str, **params: Any) -> Any:
        session.on_text(self.message(method, **params))
        return wire.take()[-1]

    def listen(self) -> Wire:
        """A stream of the account's events."""
        if self.venue.kind is MarketKind.SPOT:
            session, wire = self.api()
            told = self.asked(session, wire, "userDataStream.subscribe.signature")
            assert told["result"] == {"subscriptionId": 0}
            return wire
        key = self.call("POST", "listenKey")[1]["listenKey"]
        return self.stream("/private/ws", f"listenKey={key}")[1]

    def run(self, ns: int) -> None:
        clock = self.venue.exchange.clock
        assert isinstance(clock, PaperClock)
        clock.run_until(clock.now_ns() + ns)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
