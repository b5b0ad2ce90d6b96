"""Whole runs of the eagle flow on local venues in virtual time: the real adapters, the venues' models, a fault plan."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from venue_mount import MemoryMount

from cli.fault_plan import load_fault_plan
from cli.locate import Source
from cli.wiring import watch_of
from engine.chart.load import load_flow
from engine.chart.model import Flow
from engine.runtime.chance import Chance, Stream
from engine.runtime.clock import S, VirtualClock
from engine.runtime.config import load_config
from engine.runtime.config_values import AccountConfig, Config
from engine.runtime.journal import Journal, NullJournal
from engine.runtime.loop import VirtualLoop
from engine.runtime.runner import Runner
from engine.trading.desk import Desk
from engine.trading.effects import Alert, Effect, Level
from engine.trading.inputs import Input
from engine.trading.plan import AccountPlan, Plan
from engine.trading.vocabulary import trading_vocabulary
from exchanges.backpack.client import BackpackClient
from exchanges.backpack.wire.request import Signer
from exchanges.base import BaseExchangeClient
from exchanges.binance.client import BinanceClient
from exchanges.binance.wire.product import USDM, Hosts
from exchanges.binance.wire.request import Signer as BinanceSigner
from exchanges.budget import Budget
from exchanges.synthetic import SyntheticMarket, demo_instrument
from exchanges.types import Fill, Instrument
from exchanges.venues.backpack.demo import backpack_credentials, backpack_symbol, open_backpack
from exchanges.venues.binance.demo import binance_credentials, open_binance
from exchanges.venues.exchange import Exchange
from exchanges.venues.faults import FaultPlan, Faults
from exchanges.venues.seam import VenueModel

FLOW = Path(__file__).resolve().parent.parent / "flows" / "eagle_chicken.yaml"
D = Decimal

CONFIG = """
version: 1
market: ETH-PERP
markets: {ETH-PERP: {one: ETH_USDC_PERP, two: ETH_USDC_PERP}}
venues:
  one: {kind: backpack, url: "http://127.0.0.1:1"}
  two: {kind: backpack, url: "http://127.0.0.1:2"}
accounts:
  - {name: hawk, venue: one, owner: a, credentials: {api_key: {secret: "env:A"}}}
  - {name: chick, venue: TAKERS, owner: b, credentials: {api_key: {secret: "env:A"}}}
  - {name: hen, venue: TAKERS, owner: c, credentials: {api_key: {secret: "env:A"}}}
use: {maker: hawk, takers: [chick, hen]}
settings: {quantity: 0.02, rounds: ROUNDS, cleanup_rounds: 5}
limits: {orders_per_minute: 3000, max_loss_run: 1000}
"""


def _nothing(_: Input) -> None:
    """Nobody listens."""


@dataclass
class Ran:
    """How a run went, with the venues' ledgers beside ours."""

    exit_code: int
    ending: str
    desk: Desk
    exchanges: dict[str, Exchange]
    alerts: list[Alert]
    fills: list[Fill]
    played: int
    failures: list[BaseException]
    seconds: float

    def venue_positions(self) -> dict[str, Decimal]:
        return {
            name: holding.qty
            for exchange in self.exchanges.values()
            for name, account in exchange.accounts.items()
            for holding in account.balances.holdings.values()
        }

    def open_orders(self) -> int:
        return sum(len(account.open) for it in self.exchanges.values() for account in it.accounts.values())

    def wrong(self) -> list[str]:
        """What the venues' ledgers say against ours; empty for a run that can be trusted."""
        found = []
        told = {(fill.account, fill.order_id, fill.trade_id): fill for fill in self.fills}
        if len(told) != len(self.fills):
            found.append(f"{len(self.fills) - len(told)} fills were told twice")
        real = {(f.account, f.order_id, f.trade_id): f for it in self.exchanges.values() for f in it.ledger.fills}
        found += [f"venue fill {key} was never told" for key in real.keys() - told.keys()]
        found += [f"fill {key} is not the venue's" for key in told.keys() - real.keys()]
        for key in told.keys() & real.keys():
            ours, theirs = told[key], real[key]
            if (ours.side, ours.qty, ours.price, ours.fee) != (theirs.side, theirs.qty, theirs.price, theirs.fee):
                found.append(f"{key}: {ours} is not {theirs}")
        books = self.desk.world.ledger.books
        found += [
            f"{name}: venue {qty}, ledger {books[name].position}"
            for name, qty in self.venue_positions().items()
            if qty != books[name].position
        ]
        if self.open_orders():
            found.append(f"{self.open_orders()} orders were left open")
        return found


def play(
    faults: str = "", *, rounds: int = 20, seed: int = 1, same_venue: bool = False, journal: Journal | None = None,
    taken: Callable[[Input], None] = _nothing, stop_after_s: int = 0, takers: str = "backpack",
) -> Ran:  # fmt: skip
    """One run to its end; `taken` hears every input of the desk. `takers` is the kind of the takers' venue.

    It is asked to stop after `stop_after_s` at the latest (0: 60 s a round).
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        venues = open_venues(loop, faults, rounds, seed, same_venue=same_venue, takers=takers)
        return runner.run(_play(loop, venues, journal, taken, stop_after_s or 60 * rounds))


@dataclass
class Venues:
    """Local venues with their accounts, which outlive the runs on them."""

    clock: VirtualClock
    config: Config
    flow: Flow
    exchanges: dict[str, Exchange]
    faults: list[Faults]
    models: dict[str, VenueModel]
    symbol: str
    instrument: Instrument
    seed: int
    kinds: dict[str, str]
    weight: Budget

    def client(self, account: AccountConfig, life: int) -> BaseExchangeClient:
        exchange, transport = self.exchanges[account.venue], MemoryMount(self.models[account.venue], self.clock)
        rng = Stream(self.seed, f"pauses/{account.name}/{life}")
        if self.kinds[account.venue] == "binance":
            keys = binance_credentials(exchange, account.name)
            return BinanceClient(
                account.name, venue=account.venue, markets={self.symbol: "ETH-PERP"}, transport=transport,
                signer=BinanceSigner(keys["api_key"], keys["api_secret"]), clock=self.clock, rng=rng,
                budget=self.weight, hosts=Hosts.local("https://venue", "wss://venue"),
            )  # fmt: skip
        return BackpackClient(
            account.name, venue=account.venue, markets={self.symbol: "ETH-PERP"},
            signer=Signer(backpack_credentials(exchange, account.name)["api_secret"]), transport=transport,
            clock=self.clock, rng=rng, budget=Budget(100_000), rest_url="https://venue", stream_url="wss://venue",
        )  # fmt: skip

    def plan(self, clients: dict[str, BaseExchangeClient]) -> Plan:
        config = self.config
        accounts = {
            it.name: AccountPlan(
                it.name, it.venue, it.owner, replace(self.instrument, venue=it.venue), clients[it.name].capabilities
            )
            for it in config.used_accounts
        }
        return Plan(
            flow=self.flow, market=config.market, settings=config.settings, accounts=accounts, roles=config.roles,
            limits=config.limits, guards=config.guards,
        )  # fmt: skip


def open_venues(
    loop: VirtualLoop, faults: str, rounds: int, seed: int, *, same_venue: bool, takers: str = "backpack"
) -> Venues:  # fmt: skip
    clock = loop.clock
    text = CONFIG.replace("TAKERS", "one" if same_venue else "two").replace("ROUNDS", str(rounds))
    flow = load_flow(FLOW.read_text("utf-8"), file=FLOW.name, vocabulary=trading_vocabulary())
    config = load_config(text, file="c.yaml", flow=flow)
    spec = backpack_symbol(replace(demo_instrument("x"), market="ETH-PERP"))
    used = dict.fromkeys(account.venue for account in config.used_accounts)
    known = {name: tuple(a.name for a in config.used_accounts if a.venue == name) for name in used}
    plan = load_fault_plan(Source("faults.yaml", faults), venues=known) if faults else FaultPlan(())
    kinds = {"one": takers if same_venue else "backpack", "two": takers}
    venues = Venues(clock, config, flow, {}, [], {}, spec.symbol, spec, seed, kinds, Budget(USDM.weight_a_minute))
    for name in used:
        source = SyntheticMarket().events(walk=Stream(seed, "walk"), flow=Stream(seed, f"flow/{name}"))
        exchange = Exchange(name, [replace(spec, venue=name)], sources={spec.symbol: source}, clock=clock)
        venues.exchanges[name] = exchange
        for account in config.used_accounts:
            if account.venue == name:
                exchange.open_account(account.name, cash=D(10_000), owner=account.owner)
        made = Faults(plan, venue=name, clock=clock, rng_of=lambda purpose: Stream(seed, purpose))
        venues.faults.append(made)
        opened = open_binance(exchange, made) if kinds[name] == "binance" else open_backpack(exchange, made)
        venues.models[name] = model = opened
        model.start()
    return venues


async def _play(
    loop: VirtualLoop, venues: Venues, journal: Journal | None, taken: Callable[[Input], None], stop_after_s: int
) -> Ran:  # fmt: skip
    clock, config, seed = loop.clock, venues.config, venues.seed
    clients: dict[str, BaseExchangeClient] = {it.name: venues.client(it, 1) for it in config.used_accounts}
    trading = venues.plan(clients)
    chance = Chance(seed)
    desk = Desk(trading, run=1, chance=chance)
    alerts: list[Alert] = []
    fills: list[Fill] = []

    def told(effect: Effect) -> None:
        if isinstance(effect, Alert):
            alerts.append(effect)

    def traced(_seq: int, _at_ns: int, given: Input, _effects: list[Effect]) -> None:
        taken(given)
        if isinstance(given, Fill):
            fills.append(given)

    runner = Runner(
        desk, clients, symbols=dict.fromkeys(clients, venues.symbol), clock=clock, watch=watch_of(trading),
        journal=journal or NullJournal(), chance=chance, orders_per_minute=config.limits.orders_per_minute,
        max_book_age_ns=config.guards.max_book_age_ns, may_send=desk.objection, sinks=[told], traces=[traced],
    )  # fmt: skip
    start_ns = clock.now_ns()
    for after_s, level in ((stop_after_s, 1), (stop_after_s + 120, 2), (stop_after_s + 240, 3)):
        clock.call_at(start_ns + after_s * S, runner.stop, level)
    exit_code = await runner.run()
    return Ran(
        exit_code, runner.ending.text if runner.ending else "", desk, venues.exchanges, alerts, fills,
        sum(it.count for it in venues.faults), runner.failures, (clock.now_ns() - start_ns) / S,
    )  # fmt: skip


def persons(ran: Ran) -> list[Any]:
    return [alert for alert in ran.alerts if alert.level is Level.PERSON]
