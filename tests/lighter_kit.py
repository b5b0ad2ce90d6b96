"""A scripted Lighter for tests of its adapter, written from the documents: transactions, lists, and one stream."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

from transport_kit import Asked, MemoryTransport, Middle, Wire, as_json, run_virtual

from engine.runtime.loop import VirtualLoop
from exchanges.budget import Budget
from exchanges.errors import LinkDown, OutcomeUnknown
from exchanges.lighter.client import LighterClient
from exchanges.lighter.standin import StandInSigner
from exchanges.transport import Response
from exchanges.types import (
    ZERO,
    Clock,
    Fill,
    LinkUpdate,
    OrderRequest,
    OrderType,
    OrderUpdate,
    PrivateEvent,
    Quote,
    Reply,
    SelfTrade,
    Side,
    TimeInForce,
)

D = Decimal
ACCOUNT, KEY = 77, 5
SYMBOL, MARKET = "ETH", 0

DETAIL = {
    "symbol": "ETH", "market_id": 0, "market_type": "perp", "status": "active", "taker_fee": "0.0030",
    "maker_fee": "0.0000", "min_base_amount": "0.0050", "min_quote_amount": "10.000000",
    "supported_size_decimals": 4, "supported_price_decimals": 2, "size_decimals": 4, "price_decimals": 2,
    "default_initial_margin_fraction": 500, "maintenance_margin_fraction": 120,
}  # fmt: skip


def order_row(client: int, **given: object) -> dict[str, object]:
    """An order as REST and stream write it."""
    return {
        "order_index": (1 << 48) + client, "client_order_index": client, "order_id": str((1 << 48) + client),
        "client_order_id": str(client), "market_index": 0, "owner_account_index": ACCOUNT,
        "initial_base_amount": "0.0200", "remaining_base_amount": "0.0200", "filled_base_amount": "0.0000",
        "filled_quote_amount": "0.000000", "price": "2600.10", "base_size": 200, "base_price": 260010,
        "is_ask": False, "side": "buy", "type": "limit", "time_in_force": "post-only", "reduce_only": False,
        "status": "open", "timestamp": 1, "created_at": 1, "updated_at": 1,
    } | given  # fmt: skip


def trade_row(trade: int, client: int, **given: object) -> dict[str, object]:
    """A trade in which account 77 bought as maker."""
    return {
        "trade_id": trade, "tx_hash": "00", "type": "trade", "market_id": 0, "size": "0.0100", "price": "2600.10",
        "usd_amount": "26.001000", "ask_id": 281474976710999, "bid_id": (1 << 48) + client, "ask_client_id": 0,
        "bid_client_id": client, "ask_account_id": 9, "bid_account_id": ACCOUNT, "is_maker_ask": False,
        "timestamp": 1, "maker_fee": 28, "taker_fee": 196,
    } | given  # fmt: skip


@dataclass
class Venue:
    """`answers` to the next transactions: None takes them; a function may do anything else."""

    clock: Clock
    nonce: int = 100
    taken: list[dict[str, Any]] = field(default_factory=list)
    forms: list[dict[str, list[str]]] = field(default_factory=list)
    answers: list[Callable[[dict[str, Any]], Response | OutcomeUnknown | LinkDown | None]] = field(default_factory=list)
    active: list[dict[str, object]] = field(default_factory=list)
    ended: list[dict[str, object]] = field(default_factory=list)
    trades: list[dict[str, object]] = field(default_factory=list)
    position: Decimal = ZERO
    statuses: dict[str, dict[str, object]] = field(default_factory=dict)
    tier: dict[str, object] | None = None
    tokens: list[str] = field(default_factory=list)
    down: set[str] = field(default_factory=set)  # questions that get a 500

    def now(self, row: dict[str, object]) -> dict[str, object]:
        """The row with the venue's time in it."""
        ms = self.clock.wall_ms()
        return row | {name: ms for name in ("timestamp", "created_at", "updated_at") if name in row}

    def __call__(self, asked: Asked) -> Any:
        parts = urlsplit(asked.url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        name = parts.path.rpartition("/")[2] or "greeting"
        if "Authorization" in asked.headers:
            self.tokens.append(asked.headers["Authorization"])
        if name in self.down:
            return Response(500, {}, b"")
        return getattr(self, f"on_{name}")(query, asked)

    def on_greeting(self, query: dict[str, str], asked: Asked) -> Response:
        return as_json({"status": 200, "network_id": 1, "timestamp": self.clock.wall_ms() // 1000})

    def on_apikeys(self, query: dict[str, str], asked: Asked) -> Response:
        return as_json({"code": 200, "api_keys": [{"api_key_index": KEY, "public_key": "0xAB", "nonce": self.nonce}]})

    def on_accountLimits(self, query: dict[str, str], asked: Asked) -> Response:  # noqa: N802 the venue's name
        if self.tier is None:
            return as_json({"code": 29404, "message": "not found"}, status=404)
        return as_json({"code": 200} | self.tier)

    def on_orderBookDetails(self, query: dict[str, str], asked: Asked) -> Response:  # noqa: N802 the venue's name
        return as_json({"code": 200, "order_book_details": [DETAIL], "spot_order_book_details": [{"symbol": "A/B"}]})

    def on_nextNonce(self, query: dict[str, str], asked: Asked) -> Response:  # noqa: N802 the venue's name
        return as_json({"code": 200, "nonce": self.nonce})

    def on_account(self, query: dict[str, str], asked: Asked) -> Response:
        row = {
            "market_id": 0, "symbol": "ETH", "sign": -1 if self.position < 0 else 1,
            "position": str(abs(self.position)),
            "avg_entry_price": "2600.00", "position_value": "0", "unrealized_pnl": "0", "liquidation_price": "0",
            "initial_margin_fraction": "20.00", "margin_mode": 1,
        }  # fmt: skip
        return as_json(
            {
                "code": 200,
                "accounts": [
                    {"index": ACCOUNT, "collateral": "1000.5", "available_balance": "900", "positions": [row]}
                ],
            }
        )

    def on_accountActiveOrders(self, query: dict[str, str], asked: Asked) -> Response:  # noqa: N802
        return as_json({"code": 200, "orders": self.active})

    def on_accountInactiveOrders(self, query: dict[str, str], asked: Asked) -> Response:  # noqa: N802
        return as_json({"code": 200, "orders": self.ended})

    def on_trades(self, query: dict[str, str], asked: Asked) -> Response:
        return as_json({"code": 200, "trades": self.trades})

    def on_tx(self, query: dict[str, str], asked: Asked) -> Response:
        found = self.statuses.get(query["value"])
        if found is None:
            return as_json({"code": 21500, "message": "transaction not found"}, status=400)
        return as_json({"code": 200, "hash": query["value"]} | found)

    def on_sendTx(self, query: dict[str, str], asked: Asked) -> Any:  # noqa: N802 the venue's name
        form = parse_qs(asked.body.decode())
        self.forms.append(form)
        info = json.loads(form["tx_info"][0])
        answer = self.answers.pop(0)(info) if self.answers else None
        return answer or self.take(info)

    def take(self, info: dict[str, Any]) -> Response:
        if info["Nonce"] != self.nonce:
            return as_json({"code": 21104, "message": "invalid nonce"}, status=400)
        self.nonce += 1
        self.taken.append(info)
        return as_json(
            {"code": 200, "message": "{}", "tx_hash": f"{info['Nonce']:080x}", "predicted_execution_time_ms": 1}
        )


class Bench:
    """A client in front of the scripted venue; `told` is what the engine hears."""

    def __init__(self, loop: VirtualLoop, *, per_minute: int = 24_000) -> None:
        self.clock = loop.clock
        self.venue = Venue(self.clock)
        self.net = MemoryTransport(self.clock, self.venue)
        self.told: list[PrivateEvent] = []
        self.quotes: list[Quote] = []
        self.signer = StandInSigner(account_index=ACCOUNT, api_key_index=KEY, seed="test", clock=self.clock)
        self.client = LighterClient(
            "hawk", venue="lighter", markets={SYMBOL: "ETH-PERP"}, signer=self.signer, transport=self.net,
            clock=self.clock, rng=Middle(), budget=Budget(per_minute), rest_url="https://v", stream_url="wss://v/stream",
        )  # fmt: skip
        self.client.setup_order_update_handler(self.told.append)
        self._ids = iter(range(1, 1_000))

    @property
    def wire(self) -> Wire:
        """The newest private stream."""
        return next(wire for wire in reversed(self.net.wires) if any("account_all" in text for text in wire.sent))

    def say(self, channel: str, kind: str = "update", **said: object) -> None:
        self.wire.say({"type": f"{kind}/{channel}", "channel": f"{channel}:{ACCOUNT}"} | said, self.clock)

    def order(
        self, side: Side = Side.BUY, qty: str = "0.02", price: str | None = "2600.10", **given: Any
    ) -> OrderRequest:
        return OrderRequest(
            client_id=given.pop("client_id", None) or str(next(self._ids)), account="hawk", symbol=SYMBOL, side=side,
            qty=D(qty), price=None if price is None else D(price),
            type=OrderType.MARKET if price is None else OrderType.LIMIT,
            tif=given.pop("tif", TimeInForce.IOC if price is None else TimeInForce.GTC),
            post_only=given.pop("post_only", price is not None), reduce_only=given.pop("reduce_only", False),
            valid_ms=2_000, self_trade=given.pop("self_trade", SelfTrade.CANCEL_TAKER),
            worst_price=given.pop("worst_price", None),
        )  # fmt: skip

    def send(self, *orders: OrderRequest) -> list[Reply]:
        got: list[Reply] = []
        for order in orders:
            self.client.submit(order, got.append)
        return got

    @property
    def updates(self) -> list[OrderUpdate]:
        return [it for it in self.told if isinstance(it, OrderUpdate)]

    @property
    def fills(self) -> list[Fill]:
        return [it for it in self.told if isinstance(it, Fill)]

    @property
    def links(self) -> list[LinkUpdate]:
        return [it for it in self.told if isinstance(it, LinkUpdate)]


def play(main: Callable[[Bench], Coroutine[Any, Any, None]], *, per_minute: int = 24_000, connect: bool = True) -> None:
    """Runs `main` with a connected client, in virtual time."""

    async def perform(loop: VirtualLoop) -> None:
        it = Bench(loop, per_minute=per_minute)
        try:
            if connect:
                await it.client.connect()
            await main(it)
        finally:
            await it.client.disconnect()

    run_virtual(perform)
