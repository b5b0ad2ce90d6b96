"""Runs of the real runner on paper venues whose requests, answers and frames get lost, late, refused and told twice.

Knows nothing of the model of a proof: what it does to a run, `inclusion_kit` must be able to explain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from random import Random

from inclusion_kit import Model, Observer, Seen, projected

from cli.stage import ASK, BID, DEEP, Stage, set_stage
from engine.chart.model import Flow
from engine.runtime.loop import VirtualLoop
from engine.verify.bounds import BID as BID_PRICE
from engine.verify.bounds import Bounds
from engine.verify.venues import SOURCE_FILLS
from exchanges.base import BaseExchangeClient
from exchanges.errors import LinkDown
from exchanges.market import MarketQuote, MarketTrade
from exchanges.paper import PaperClient
from exchanges.types import (
    ZERO,
    Accepted,
    Clock,
    Fill,
    Instrument,
    LinkState,
    LinkUpdate,
    Liquidity,
    Margin,
    OrderRequest,
    OrderUpdate,
    Position,
    PrivateEvent,
    PrivateHandler,
    Quote,
    QuoteHandler,
    Refusal,
    Refused,
    ReplyHandler,
    Side,
    Unknown,
)

MS, S = 1_000_000, 1_000_000_000
LATENCY_NS = 2 * MS
QUIET: Mapping[str, float] = {}
SHAKEN: Mapping[str, float] = dict.fromkeys(
    (
        "lost request", "late request", "ack lost", "refused", "partial", "slow stream", "duplicate", "disconnect",
        "question fails", "slow cancel", "cancel lost", "cancel refused",
    ),
    0.04,
)  # fmt: skip


class ShakenClient(BaseExchangeClient):
    """One account whose wire is as good as `odds` say, by kind of fault."""

    def __init__(self, inner: PaperClient, clock: Clock, dice: Random, odds: Mapping[str, float]) -> None:
        self.inner = inner
        self.account, self.venue, self.capabilities = inner.account, inner.venue, inner.capabilities
        self._clock, self._dice, self._odds = clock, dice, odds
        self._told_until_ns = 0
        self._handler: PrivateHandler = print
        self._sent: list[str] = []  # every order; a resync tells what became of it
        self._others: list[Fill] = []  # of somebody else's orders, on an account that is listened to
        self.down = False
        self._kept: list[PrivateEvent] | None = None  # while a resync asks: what is told meanwhile comes behind it
        self.thin: Callable[[int], None] = _unheard
        inner.setup_order_update_handler(self._frame)

    def _falls(self, kind: str) -> bool:
        return self._dice.random() < self._odds.get(kind, 0)

    def _later(self, ms: int, run: Callable[..., None], *given: object) -> None:
        self._clock.post_at(self._clock.now_ns() + ms * MS, run, *given)

    # --- orders

    def submit(self, order: OrderRequest, on_reply: ReplyHandler) -> None:
        self._sent.append(order.client_id)
        if self._falls("lost request"):
            self._later(300, on_reply, Unknown("lost"))
        elif self._falls("late request"):
            self._later(300, on_reply, Unknown("late"))
            self._later(700, self.inner.submit, order, _unheard)
        elif self._falls("ack lost"):
            self._later(300, on_reply, Unknown("no answer"))
            self.inner.submit(order, _unheard)
        elif self._falls("refused"):
            self._later(4, on_reply, Refused(Refusal.VENUE if order.post_only else Refusal.MARGIN))
        elif order.price is None and self._falls("partial"):
            self.thin(self._dice.randrange(1, 3))
            self.inner.submit(order, on_reply)
            self._later(3, self.thin, DEEP)
        else:
            self.inner.submit(order, on_reply)

    def submit_cancel(self, symbol: str, client_id: str, on_reply: ReplyHandler) -> None:
        if self._falls("cancel lost"):
            self._later(300, on_reply, Unknown("lost"))
        elif self._falls("cancel refused"):
            self._later(4, on_reply, Refused(Refusal.RATE))
        elif self._falls("slow cancel"):
            self._later(4, on_reply, Accepted(""))
            self._later(200, self.inner.submit_cancel, symbol, client_id, _unheard)
        else:
            self.inner.submit_cancel(symbol, client_id, on_reply)

    # --- the stream

    def setup_order_update_handler(self, handler: PrivateHandler) -> None:
        self._handler = handler

    def _frame(self, event: PrivateEvent) -> None:
        if not isinstance(event, Fill | OrderUpdate):
            self._handler(event)
            return
        slow_ms = self._dice.randrange(20, 900) if self._falls("slow stream") else 0
        self._told_until_ns = max(self._told_until_ns, self._clock.now_ns() + slow_ms * MS)
        for _ in range(2 if self._falls("duplicate") else 1):
            if self._told_until_ns <= self._clock.now_ns():
                self._tell(event)
            else:
                self._clock.post_at(self._told_until_ns, self._tell, event)

    def somebody_trades(self, symbol: str, signed: int) -> None:
        """An order that is none of ours fills here."""
        number, at_ns = len(self._others) + 1, self._clock.now_ns()
        self._others.append(
            Fill(
                self.venue, self.account, symbol, "", f"o{number}", f"l{number}", Side.BUY if signed > 0 else Side.SELL,
                Decimal(abs(signed)), BID_PRICE, ZERO, "USD", Liquidity.MAKER, at_ns // MS, at_ns,
            )
        )  # fmt: skip
        self._frame(self._others[-1])

    def _tell(self, event: PrivateEvent) -> None:
        if self._kept is not None:
            self._kept.append(event)
        elif not self.down:
            self._handler(event)

    async def fall(self, symbol: str, away_s: float) -> None:
        """The stream is lost with what was on its way, and comes back with a resync."""
        self.down = True
        await asyncio.sleep(0.001)  # by itself: a desk is looked at once all of an instant was handled
        self._handler(LinkUpdate(self.account, LinkState.LOST, self._clock.now_ns()))
        await asyncio.sleep(away_s)
        self._told_until_ns, self._kept = 0, []
        fills = [*self._others, *(it for it in await self.inner.get_fills(symbol, 0) if it.client_id)]
        told = [await self.inner.get_order_info(symbol, name) for name in self._sent]
        self._handler(LinkUpdate(self.account, LinkState.RESYNC, self._clock.now_ns()))
        for event in (*fills, *(it for it in told if it is not None)):
            self._handler(event)
        for event in self._kept:
            self._handler(event)
        self.down, self._kept = False, None
        self._handler(LinkUpdate(self.account, LinkState.TRUSTED, self._clock.now_ns()))

    # --- questions

    async def get_order_info(self, symbol: str, client_id: str) -> OrderUpdate | None:
        self._may_fail()
        return await self.inner.get_order_info(symbol, client_id)

    async def get_account_positions(self) -> Sequence[Position]:
        self._may_fail()
        return await self.inner.get_account_positions()

    def _may_fail(self) -> None:
        if self._falls("question fails"):
            raise LinkDown("no answer")

    async def get_active_orders(self, symbol: str) -> Sequence[OrderUpdate]:
        return await self.inner.get_active_orders(symbol)

    async def get_fills(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        return await self.inner.get_fills(symbol, since_ms)

    async def get_margin(self) -> Margin:
        return await self.inner.get_margin()

    # --- the rest is the venue's

    async def connect(self) -> None:
        await self.inner.connect()

    async def disconnect(self) -> None:
        await self.inner.disconnect()

    def setup_quote_handler(self, symbol: str, handler: QuoteHandler) -> None:
        self.inner.setup_quote_handler(symbol, handler)

    async def get_contract_attributes(self, symbol: str) -> Instrument:
        return await self.inner.get_contract_attributes(symbol)

    async def fetch_bbo_prices(self, symbol: str) -> Quote:
        return await self.inner.fetch_bbo_prices(symbol)


class Ends:
    """Chance that draws one end of a range or the other, as that of a proof does, and the low one at the start."""

    def __init__(self, seed: int) -> None:
        self._dice = Random(seed)
        self._began = False

    def below(self, n: int) -> int:
        return self._dice.randrange(n)

    def between(self, low: int, high: int) -> int:
        began, self._began = self._began, True
        return self._dice.choice((low, high)) if began else low

    def take_draws(self) -> list[int]:
        return []


def seen_in_a_run(
    flow: Flow, bounds: Bounds, model: Model, *, seed: int, odds: Mapping[str, float], seconds: int
) -> list[Seen]:
    """A run of so many virtual seconds, then stopped as a person would."""
    with asyncio.Runner(loop_factory=VirtualLoop) as loop:
        return loop.run(_run(flow, bounds, model, seed=seed, odds=odds, seconds=seconds))


async def _run(
    flow: Flow, bounds: Bounds, model: Model, *, seed: int, odds: Mapping[str, float], seconds: int
) -> list[Seen]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    dice, watched, ends = Random(seed), Observer(), Ends(seed)
    calm: dict[str, float] = {}
    stage = set_stage(
        flow, bounds, clock=loop.clock, chance={"taker": ends, "hold": ends}, drawn=ends, latency_ns=LATENCY_NS,
        stand_between=lambda inner: ShakenClient(inner, loop.clock, dice, calm), traces=[watched],
    )  # fmt: skip
    watched.projection = projected(model, stage.desk)
    running = asyncio.create_task(stage.runner.run())
    for venue in stage.venues.values():
        venue.start()
    market = asyncio.create_task(_market(stage, dice, odds, calm))
    await asyncio.wait([running], timeout=seconds)
    market.cancel()
    calm.clear()
    stage.runner.stop(1)
    await asyncio.wait([running], timeout=60)
    stage.runner.stop(2)
    await asyncio.wait([running], timeout=60)
    stage.runner.stop(3)
    await running
    if stage.runner.failures:
        raise stage.runner.failures[0]
    return watched.seen


async def _market(stage: Stage, dice: Random, odds: Mapping[str, float], wire: dict[str, float]) -> None:
    """Somebody trades with what rests; streams are lost now and then."""
    clients = [it for it in stage.clients.values() if isinstance(it, ShakenClient)]
    for client in clients:
        client.thin = lambda lots, name=client.account: _show(stage, name, lots)  # type: ignore[misc]
    await asyncio.sleep(0.1)
    wire.update(odds)
    while True:
        await asyncio.sleep(dice.randrange(50, 1500) / 1000)
        for client in clients:
            spec = stage.plan.accounts[client.account].instrument
            if client.account in stage.plan.heard:
                client.somebody_trades(spec.symbol, dice.choice(SOURCE_FILLS))
            for order in dice.sample(list(client.inner.orders.values()), min(1, len(client.inner.orders))):
                lots = dice.randrange(1, 4)
                taker = Side.SELL if order.side is Side.BUY else Side.BUY
                stage.venues[client.account].happen(spec.symbol, MarketTrade(0, taker, order.ticks or 0, lots))
            if not client.down and dice.random() < odds.get("disconnect", 0) / 2:
                asyncio.get_running_loop().create_task(client.fall(spec.symbol, dice.randrange(100, 3000) / 1000))


def _show(stage: Stage, name: str, lots: int) -> None:
    spec = stage.plan.accounts[name].instrument
    stage.venues[name].happen(spec.symbol, MarketQuote(0, BID, lots, ASK, lots))


def _unheard(_: object) -> None:
    """An answer that is lost on its way."""
