"""What the conformance cards run on: an adapter beside its local venue, two accounts, one market, virtual time."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import ClassVar, TypeVar

from transport_kit import MS, Middle
from venue_mount import MemoryMount

from engine.runtime.clock import VirtualClock
from engine.runtime.loop import VirtualLoop
from exchanges.backpack.client import CAPABILITIES, BackpackClient
from exchanges.backpack.wire.request import Signer
from exchanges.base import BaseExchangeClient
from exchanges.binance.client import BinanceClient, capabilities_of
from exchanges.binance.wire.product import SPOT, USDM, Hosts, Product
from exchanges.binance.wire.request import Signer as BinanceSigner
from exchanges.budget import Budget
from exchanges.lighter import client as lighter
from exchanges.lighter.standin import StandInSigner
from exchanges.market import MarketEvent, MarketQuote, MarketTrade
from exchanges.okx import client as okx
from exchanges.okx.limits import AddressLimits, public_budgets
from exchanges.okx.wire.request import Signer as OkxSigner
from exchanges.paper import PaperClient, PaperVenue
from exchanges.types import (
    Capabilities,
    Fill,
    Instrument,
    LinkState,
    LinkUpdate,
    MarketKind,
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
from exchanges.venues.backpack.demo import backpack_credentials, open_backpack
from exchanges.venues.binance.demo import FIRST_ORDER_ID as FIRST_BINANCE_ID
from exchanges.venues.binance.demo import binance_credentials, open_binance
from exchanges.venues.exchange import Exchange
from exchanges.venues.lighter.demo import lighter_credentials, lighter_instrument, open_lighter
from exchanges.venues.lighter.model import FIRST_ORDER_ID
from exchanges.venues.lighter.state import LighterOptions
from exchanges.venues.okx.demo import okx_credentials, okx_instrument, open_okx

D = Decimal
E = TypeVar("E")

SPEC = Instrument(
    venue="v", symbol="ETH_USDC_PERP", market="ETH-PERP", kind=MarketKind.PERP, base="ETH", quote="USDC",
    tick=D("0.05"), lot=D("0.001"), min_qty=D("0.002"), maker_fee=D("0.0002"), taker_fee=D("0.0005"),
    initial_margin=D("0.1"), maintenance_margin=D("0.05"),
)  # fmt: skip
CASH = D(10_000)
BID, ASK = D("2000.00"), D("2000.50")
SHOWN = D(5)  # quantity at the best bid and at the best ask
STEP_MS = 20  # between events of the market


class Outside:
    """The rest of the market: one quote after the other, and trades when a card asks for one."""

    def __init__(self, spec: Instrument) -> None:
        self.bid, self.ask = BID, ASK
        self._spec = spec
        self._trades: list[tuple[Side, Decimal, Decimal]] = []

    def trade(self, taker: Side, price: Decimal, qty: Decimal) -> None:
        self._trades.append((taker, price, qty))

    def events(self) -> Iterator[MarketEvent]:
        at_ns, spec = 0, self._spec
        while True:
            lots = int(SHOWN / spec.lot)
            yield MarketQuote(at_ns, int(self.bid / spec.tick), lots, int(self.ask / spec.tick), lots)
            at_ns += STEP_MS * MS
            while self._trades:
                taker, price, qty = self._trades.pop(0)
                yield MarketTrade(at_ns, taker, int(price / spec.tick), int(qty / spec.lot))


class CardBench(ABC):
    """One adapter. `lacks` names cards that do not apply, with the reason."""

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    lacks: ClassVar[dict[str, str]]
    title: ClassVar[str]
    spec: ClassVar[Instrument] = SPEC
    off_tick: ClassVar[str] = "2000.01"
    wait_ms: ClassVar[int] = 100  # long enough for a trade of the outside market and for every frame to arrive
    verdict_ms: ClassVar[int] = 0  # after an order was accepted, until its refusal would be known
    alone_ms: ClassVar[int] = 1_500  # after which a fill is told at the latest while the stream is away

    def __init__(self, loop: VirtualLoop) -> None:
        self.clock = loop.clock
        self.outside = Outside(self.spec)
        self.told: dict[str, list[PrivateEvent]] = {"one": [], "two": []}
        self.quotes: list[Quote] = []
        self.clients: dict[str, BaseExchangeClient] = {}
        self._ids = iter(range(1, 1_000_000))
        self.build()
        for name, client in self.clients.items():
            client.setup_order_update_handler(self.told[name].append)
        self.one.setup_quote_handler(self.spec.symbol, self.quotes.append)

    @abstractmethod
    def build(self) -> None:
        """Make the venue and the clients of accounts `one` and `two`, with CASH each, and let the market begin."""

    @abstractmethod
    def cut(self, name: str) -> None:
        """Break every stream of an account; it comes back by itself, or by `reconnect`."""

    def reconnect(self, name: str) -> None:  # noqa: B027 most adapters come back by themselves
        """Bring the streams back where the adapter's venue does not do it by itself."""

    def lose_reply(self) -> None:
        """The reply to the next order of account `one` never comes."""
        raise NotImplementedError

    def delay_reply(self, extra_ns: int) -> None:
        """Replies to orders of account `one` take longer by so much."""
        raise NotImplementedError

    def slow_way(self, way_ns: int) -> None:
        """Requests of account `one` take so long to the venue."""
        raise NotImplementedError

    def swallow(self, name: str) -> None:
        """Frames of the account's open streams are lost from now on, in silence."""
        raise NotImplementedError

    def no_streams(self, name: str) -> None:
        """Streams of the account end and do not open again; requests go through."""
        raise NotImplementedError

    def unreachable(self, name: str) -> None:
        """Nothing of the account reaches the venue any more."""
        raise NotImplementedError

    # --- for the cards

    @property
    def one(self) -> BaseExchangeClient:
        return self.clients["one"]

    @property
    def two(self) -> BaseExchangeClient:
        return self.clients["two"]

    async def connect(self) -> None:
        for client in self.clients.values():
            await client.connect()
        await self.wait()

    def next_id(self) -> str:
        return str(next(self._ids)) if self.capabilities.client_id.value != "text" else f"e1r1a{next(self._ids)}"

    def order(
        self, side: Side, qty: str, price: str | None = None, *, account: str = "one", client_id: str = "",
        post_only: bool = False, ioc: bool = False, reduce_only: bool = False, valid_ms: int = 2_000,
    ) -> OrderRequest:  # fmt: skip
        return OrderRequest(
            client_id=client_id or self.next_id(), account=account, symbol=self.spec.symbol, side=side, qty=D(qty),
            price=None if price is None else D(price), type=OrderType.MARKET if price is None else OrderType.LIMIT,
            tif=TimeInForce.IOC if ioc or price is None else TimeInForce.GTC, post_only=post_only,
            reduce_only=reduce_only, valid_ms=valid_ms, self_trade=SelfTrade.CANCEL_TAKER,
            worst_price=None if price is not None else ASK + 100 if side is Side.BUY else BID - 100,
        )  # fmt: skip

    async def place(self, order: OrderRequest) -> Reply:
        reply = await self.clients[order.account].place_order(order)
        await self.wait()
        return reply

    async def wait(self, ms: int = 0) -> None:
        await asyncio.sleep((ms or self.wait_ms) / 1000)

    def fills(self, name: str = "one") -> list[Fill]:
        return self._of(name, Fill)

    def updates(self, client_id: str, name: str = "one") -> list[OrderUpdate]:
        return [it for it in self._of(name, OrderUpdate) if it.client_id == client_id]

    def links(self, name: str = "one") -> list[LinkState]:
        return [it.state for it in self._of(name, LinkUpdate)]

    def _of(self, name: str, kind: type[E]) -> list[E]:
        return [it for it in self.told[name] if isinstance(it, kind)]

    async def close(self) -> None:
        for client in self.clients.values():
            await client.disconnect()


class PaperBench(CardBench):
    name = "paper"
    title = "Paper"
    capabilities = PaperVenue(
        "v", [SPEC], sources={SPEC.symbol: iter(())}, clock=VirtualClock()
    ).capabilities  # fmt: skip
    lacks: ClassVar[dict[str, str]] = {
        "a lost reply leaves the outcome unknown, and asking finds the order": "its replies are never lost",
        "frames may come before the reply": "its replies leave before the frames",
        "what the stream swallows is found and the stream begun anew": "its frames are never lost",
        "while the stream is away fills are told all the same": "its link comes back by itself",
        "a failure to ask is an error, never flat and never unknown there": "it is always there",
        "several orders in one request are answered one by one": "no batch",
    }

    def build(self) -> None:
        self.venue = PaperVenue("v", [SPEC], sources={SPEC.symbol: self.outside.events()}, clock=self.clock)
        self.papers: dict[str, PaperClient] = {
            name: self.venue.open_account(name, cash=CASH) for name in ("one", "two")
        }
        self.clients.update(self.papers)
        self.venue.start()

    def cut(self, name: str) -> None:
        self.papers[name].lose_link("cut")

    def reconnect(self, name: str) -> None:
        self.papers[name].resync()

    def slow_way(self, way_ns: int) -> None:
        self.venue._order_latency_ns = way_ns


class BackpackBench(CardBench):
    name = "backpack"
    title = "Backpack"
    capabilities = CAPABILITIES
    lacks: ClassVar[dict[str, str]] = {
        "price and quantity of a resting order can be changed": "no modify at the venue",
    }

    def build(self) -> None:
        self.exchange = Exchange("v", [SPEC], sources={SPEC.symbol: self.outside.events()}, clock=self.clock)
        for name in ("one", "two"):
            self.exchange.open_account(name, cash=CASH)
        self.model = open_backpack(self.exchange)
        self.mounts = {name: MemoryMount(self.model, self.clock) for name in ("one", "two")}
        for name, mount in self.mounts.items():
            signer = Signer(backpack_credentials(self.exchange, name)["api_secret"])
            self.clients[name] = BackpackClient(
                name, venue="v", markets={SPEC.symbol: SPEC.market}, signer=signer, transport=mount, clock=self.clock,
                rng=Middle(), budget=Budget(6_000), rest_url="https://venue", stream_url="wss://venue",
            )  # fmt: skip
        self.model.start()

    def cut(self, name: str) -> None:
        self.mounts[name].cut()

    def lose_reply(self) -> None:
        self.mounts["one"].lost_replies.append("POST /api/v1/order")

    def delay_reply(self, extra_ns: int) -> None:
        self.mounts["one"].late_replies["POST /api/v1/order"] = extra_ns

    def slow_way(self, way_ns: int) -> None:
        self.mounts["one"].way_ns = way_ns

    def no_streams(self, name: str) -> None:
        self.mounts[name].no_streams = True
        self.mounts[name].cut()

    def unreachable(self, name: str) -> None:
        self.mounts[name].unreachable = True

    def swallow(self, name: str) -> None:
        for stream in self.mounts[name].streams:
            stream.outlet.swallow = True


class LighterBench(CardBench):
    """On a premium account, whose taking orders wait 0.2 s before they are matched."""

    name = "lighter"
    title = "Lighter"
    capabilities = lighter.CAPABILITIES
    traded = lighter_instrument(replace(SPEC, tick=D("0.01")), tier="premium")
    spec = replace(traded, min_qty=D("0.001"))  # the venue sets its own minimum for the size of an order
    off_tick = "2000.001"
    wait_ms = 500
    verdict_ms = 1_000
    alone_ms = 4_000
    lacks: ClassVar[dict[str, str]] = {
        "price and quantity of a resting order can be changed": "whether the venue counts what has filled is not told",
        "several orders in one request are answered one by one": "no batch",
        "a cancel of an order that never was is refused": "it is queued, whatever it names",
        "a request that arrives after its validity": "ten minutes; no answer: settled by nonce",
    }

    def build(self) -> None:
        symbol = self.spec.symbol
        self.exchange = Exchange(
            "v", [self.traded], sources={symbol: self.outside.events()}, clock=self.clock, first_order_id=FIRST_ORDER_ID
        )
        for name in ("one", "two"):
            self.exchange.open_account(name, cash=CASH)
        self.model = open_lighter(self.exchange, options=LighterOptions(tier="premium"))
        self.mounts = {name: MemoryMount(self.model, self.clock) for name in ("one", "two")}
        for name, mount in self.mounts.items():
            keys = lighter_credentials(self.exchange, name)
            signer = StandInSigner(
                account_index=int(keys["account_index"]), api_key_index=int(keys["api_key_index"]), seed=name,
                clock=self.clock,
            )  # fmt: skip
            self.clients[name] = lighter.LighterClient(
                name, venue="v", markets={symbol: self.spec.market}, signer=signer, transport=mount, clock=self.clock,
                rng=Middle(), budget=Budget(24_000), rest_url="https://venue", stream_url="wss://venue/stream",
            )  # fmt: skip
        self.model.start()

    def cut(self, name: str) -> None:
        self.mounts[name].cut()

    def lose_reply(self) -> None:
        self.mounts["one"].lost_replies.append("POST /api/v1/sendTx")

    def delay_reply(self, extra_ns: int) -> None:
        self.mounts["one"].late_replies["POST /api/v1/sendTx"] = extra_ns

    def slow_way(self, way_ns: int) -> None:
        self.mounts["one"].way_ns = way_ns

    def no_streams(self, name: str) -> None:
        self.mounts[name].no_streams = True
        self.mounts[name].cut()

    def unreachable(self, name: str) -> None:
        self.mounts[name].unreachable = True

    def swallow(self, name: str) -> None:
        for stream in self.mounts[name].streams:
            stream.outlet.swallow = True


class OkxBench(CardBench):
    """A swap; orders go through the private stream."""

    name = "okx"
    title = "OKX"
    capabilities = okx.CAPABILITIES
    spec = okx_instrument(SPEC)
    cash: ClassVar[Decimal] = CASH
    stock: ClassVar[Decimal] = D(0)
    verdict_ms = 100
    lacks: ClassVar[dict[str, str]] = {}

    def build(self) -> None:
        symbol = self.spec.symbol
        self.exchange = Exchange("v", [self.spec], sources={symbol: self.outside.events()}, clock=self.clock)
        for name in ("one", "two"):
            self.exchange.open_account(name, cash=self.cash, base={symbol: self.stock} if self.stock else None)
        self.model = open_okx(self.exchange)
        self.mounts = {name: MemoryMount(self.model, self.clock) for name in ("one", "two")}
        address = AddressLimits(**public_budgets())
        for name, mount in self.mounts.items():
            keys = okx_credentials(self.exchange, name)
            self.clients[name] = okx.OkxClient(
                name, venue="v", markets={symbol: self.spec.market},
                signer=OkxSigner(keys["api_key"], keys["api_secret"], keys["passphrase"]), transport=mount,
                clock=self.clock, rng=Middle(), address=address, rest_url="https://venue",
                stream_url="wss://venue/ws/v5",
            )  # fmt: skip
        self.model.start()

    def cut(self, name: str) -> None:
        self.mounts[name].cut()

    def lose_reply(self) -> None:
        self.mounts["one"].lost_frames.append('"op":"order"')

    def delay_reply(self, extra_ns: int) -> None:
        self.mounts["one"].late_frames['"op":"order"'] = extra_ns

    def slow_way(self, way_ns: int) -> None:
        self.mounts["one"].way_ns = way_ns

    def no_streams(self, name: str) -> None:
        self.mounts[name].no_streams = True
        self.mounts[name].cut()

    def unreachable(self, name: str) -> None:
        self.mounts[name].unreachable = True

    def swallow(self, name: str) -> None:
        for stream in self.mounts[name].streams:
            stream.outlet.swallow = True


class OkxSpotBench(OkxBench):
    """Spot, with base assets in stock so that an account can sell."""

    name = "okx_spot"
    title = "OKX spot"
    capabilities = replace(okx.CAPABILITIES, reduce_only=False)
    spec = okx_instrument(
        replace(SPEC, market="ETH-USDT", kind=MarketKind.SPOT, initial_margin=D(1), maintenance_margin=D(0))
    )
    cash, stock = 10 * CASH, D(20)
    lacks: ClassVar[dict[str, str]] = {
        "a reduce-only order reduces, and opens nothing": "spot holds balances",
        "fees are in the quote asset, positive where paid": "fees of what is received",
        "positions are signed, and a flat one is absent or 0": "spot holds balances",
        "equity pays spread and fees, and a position binds margin": "spot has no margin",
    }


class BinanceBench(CardBench):
    """A perpetual of USD-M futures; orders go by the WebSocket API."""

    name = "binance"
    title = "Binance futures"
    product: ClassVar[Product] = USDM
    capabilities = capabilities_of(USDM)
    spec = replace(SPEC, symbol="ETHUSDC")
    cash: ClassVar[Decimal] = CASH
    stock: ClassVar[Decimal | None] = None
    lacks: ClassVar[dict[str, str]] = {}

    def build(self) -> None:
        symbol = self.spec.symbol
        self.exchange = Exchange(
            "v", [self.spec], sources={symbol: self.outside.events()}, clock=self.clock, first_order_id=FIRST_BINANCE_ID
        )
        for name in ("one", "two"):
            base = None if self.stock is None else {symbol: self.stock}
            self.exchange.open_account(name, cash=self.cash, base=base)
        self.model = open_binance(self.exchange)
        self.mounts = {name: MemoryMount(self.model, self.clock) for name in ("one", "two")}
        budget = Budget(self.product.weight_a_minute)
        for name, mount in self.mounts.items():
            keys = binance_credentials(self.exchange, name)
            self.clients[name] = BinanceClient(
                name, venue="v", markets={symbol: self.spec.market}, transport=mount, clock=self.clock, rng=Middle(),
                signer=BinanceSigner(keys["api_key"], keys["api_secret"]), budget=budget, product=self.product,
                hosts=Hosts.local("https://venue", "wss://venue"),
            )  # fmt: skip
        self.model.start()

    def cut(self, name: str) -> None:
        self.mounts[name].cut()

    def lose_reply(self) -> None:
        self.mounts["one"].lost_frames.append('"id":"o')

    def delay_reply(self, extra_ns: int) -> None:
        self.mounts["one"].late_frames['"id":"o'] = extra_ns

    def slow_way(self, way_ns: int) -> None:
        self.mounts["one"].way_ns = way_ns

    def no_streams(self, name: str) -> None:
        self.mounts[name].no_streams = True
        self.mounts[name].cut()

    def unreachable(self, name: str) -> None:
        self.mounts[name].unreachable = True

    def swallow(self, name: str) -> None:
        for stream in self.mounts[name].streams:
            stream.outlet.swallow = True


class BinanceSpotBench(BinanceBench):
    """Spot, with base assets in stock so that an account can sell."""

    name = "binance_spot"
    title = "Binance spot"
    product = SPOT
    capabilities = capabilities_of(SPOT)
    spec = replace(
        SPEC, symbol="ETHUSDC", market="ETH-USDC", kind=MarketKind.SPOT, initial_margin=D(1), maintenance_margin=D(0),
        fee_in_received=True,
    )  # fmt: skip
    cash, stock = 10 * CASH, D(20)
    alone_ms = 3_000
    lacks: ClassVar[dict[str, str]] = {
        "price and quantity of a resting order can be changed": "no modify that keeps the order",
        "several orders in one request are answered one by one": "no batch on spot",
        "a reduce-only order reduces, and opens nothing": "spot holds balances",
        "fees are in the quote asset, positive where paid": "fees of what is received",
        "positions are signed, and a flat one is absent or 0": "spot holds balances",
        "equity pays spread and fees, and a position binds margin": "spot has no margin",
    }


BENCHES: Sequence[type[CardBench]] = (
    PaperBench,
    BackpackBench,
    LighterBench,
    OkxBench,
    OkxSpotBench,
    BinanceBench,
    BinanceSpotBench,
)
MakeBench = Callable[[VirtualLoop], CardBench]
