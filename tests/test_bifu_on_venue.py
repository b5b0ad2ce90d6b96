"""BiFu's client against the local BiFu: whatever the plan plays, every maker fill is told once, and nothing else."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from test_venue_bifu import plain
from transport_kit import Middle, run_virtual
from venue_mount import MemoryMount

from cli.fault_plan import load_fault_plan
from cli.locate import Source
from engine.runtime.chance import Stream
from engine.runtime.loop import VirtualLoop
from exchanges.bifu.client import BifuClient, Settings
from exchanges.bifu.told import Aside, SetAside
from exchanges.bifu.wire.product import CONTRACT, SPOT
from exchanges.bifu.wire.request import Signer
from exchanges.budget import Budget
from exchanges.market import MarketQuote
from exchanges.types import Fill, Liquidity, MarketKind, PrivateEvent
from exchanges.venues.bifu.demo import bifu_credentials, bifu_symbol, open_bifu
from exchanges.venues.bifu.maker import MakerOptions, MarketMaker
from exchanges.venues.exchange import Exchange
from exchanges.venues.faults import Faults

D = Decimal


class Stage:
    """alice makes a market in one symbol of two; her client listens."""

    def __init__(self, loop: VirtualLoop, plan: str = "", *, kind: MarketKind = MarketKind.SPOT) -> None:
        self.clock = clock = loop.clock
        listed = [bifu_symbol(plain(coin, kind)) for coin in ("ETH", "BTC")]
        quote = MarketQuote(0, 260_000, 50_000, 260_010, 50_000)
        sources = {it.symbol: iter((quote,)) for it in listed}
        self.exchange = Exchange("bifu", listed, sources=sources, clock=clock, first_order_id=10**17)
        account = self.exchange.open_account(
            "alice", cash=D(10_000_000), base={it.symbol: D(1_000) for it in listed if kind is MarketKind.SPOT}
        )
        rules = load_fault_plan(Source("plan.yaml", plan), venues={"bifu": ("alice",)}) if plan else None
        self.faults = faults = rules and Faults(
            rules, venue="bifu", clock=clock, rng_of=lambda purpose: Stream(1, purpose)
        )
        self.symbol = listed[0].symbol
        venue = open_bifu(self.exchange, faults)
        venue.start()
        self.maker = MarketMaker(
            self.exchange, account, [self.exchange.markets[self.symbol]], Stream(7, "maker"),
            MakerOptions(rate=20, fills_most=400), faults,
        )  # fmt: skip
        pair = bifu_credentials(self.exchange, "alice")
        self.client = BifuClient(
            "mm", venue="bifu", markets={self.symbol: "ETH"},
            settings=Settings(
                "https://venue", "https://venue", "wss://venue", SPOT if kind is MarketKind.SPOT else CONTRACT
            ),
            signer=Signer(pair["api_key"], pair["api_secret"]), transport=MemoryMount(venue, clock), clock=clock,
            rng=Middle(), budget=Budget(600),
        )  # fmt: skip
        self.told: list[PrivateEvent] = []
        self.asides: list[SetAside] = []
        self.client.setup_order_update_handler(self.told.append)
        self.client.setup_aside_handler(self.asides.append)

    async def run(self) -> None:
        """Until everything was filled and compared twice, with the hundred seconds that this takes."""
        await asyncio.sleep(0.1)
        await self.client.connect()
        self.maker.start()
        await asyncio.sleep(150)
        await self.client.disconnect()

    def fills(self) -> list[Fill]:
        return [it for it in self.told if isinstance(it, Fill)]


def of_maker(stage: Stage) -> dict[str, Decimal]:
    """What the venue's own ledger says that each order made."""
    made: dict[str, Decimal] = {}
    for fill in stage.exchange.ledger.fills:
        if fill.liquidity is Liquidity.MAKER and fill.symbol == stage.symbol:
            made[fill.order_id] = made.get(fill.order_id, D(0)) + fill.qty
    return made


def told(stage: Stage) -> dict[str, Decimal]:
    heard: dict[str, Decimal] = {}
    for fill in stage.fills():
        heard[fill.order_id] = heard.get(fill.order_id, D(0)) + fill.qty
    return heard


PLANS = {
    "nothing": "",
    "twice": "  - {fault: frame_twice, of: fill, every: 3}",
    "out of order": "  - {fault: frame_swapped, of: fill, every: 2}",
    "late": "  - {fault: frame_late, of: fill, every: 3, delay: 700ms}",
    "lost": "  - {fault: frame_lost, of: fill, every: 7}",
    "garbled": "  - {fault: frame_garbled, of: fill, every: 9}",
    "cut": "  - {fault: stream_cut, of: fill, every: 60}",
    "silent": "  - {fault: stream_stalled, of: fill, nth: 40}",
    "away": "  - {fault: maintenance, at: 4s, for: 6s}\n  - {fault: streams_cut, at: 4s}",
    "bad rows": "  - {fault: row_unreadable, every: 8}",
    "both names": "  - {fault: row_renamed, every: 2}",
    "replayed": "  - {fault: stream_cut, of: fill, every: 50}\n  - {fault: rows_replayed}",
    "all of it": (
        "  - {fault: row_unreadable, rate: 0.05}\n  - {fault: row_renamed, rate: 0.5}\n  - {fault: rows_replayed}\n"
        "  - {fault: frame_twice, of: fill, rate: 0.2}\n  - {fault: frame_lost, of: fill, rate: 0.05}\n"
        "  - {fault: frame_late, of: fill, rate: 0.1, delay: 900ms}\n  - {fault: stream_cut, of: fill, rate: 0.02}"
    ),
}


@pytest.mark.parametrize("kind", [MarketKind.SPOT, MarketKind.PERP])
@pytest.mark.parametrize("name", PLANS)
def test_every_fill_is_told_once(name: str, kind: MarketKind) -> None:
    async def go(loop: VirtualLoop) -> Stage:
        stage = Stage(loop, f"faults:\n{PLANS[name]}\n" if PLANS[name] else "", kind=kind)
        await stage.run()
        return stage

    stage = run_virtual(go)
    assert len(stage.exchange.ledger.fills) == 400
    assert told(stage) == of_maker(stage)
    assert stage.faults is None or stage.faults.count
    assert {aside.why for aside in stage.asides} <= {Aside.BAD_ROW}


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("maker_takes", Aside.TAKER),
        ("maker_meets_itself", Aside.SELF_MATCH),
        ("maker_strays", Aside.OTHER_MARKET),
    ],
)
def test_what_is_no_fill_to_hedge_is_set_aside_with_an_alarm(fault: str, why: Aside) -> None:
    async def go(loop: VirtualLoop) -> Stage:
        stage = Stage(loop, f"faults:\n  - {{fault: {fault}, every: 10, times: 5}}\n")
        await stage.run()
        return stage

    stage = run_virtual(go)
    aside = [it for it in stage.asides if it.why is why]
    assert len(aside) >= 5
    assert [it.alarm for it in aside] == [True] + [why is not Aside.OTHER_MARKET] * (len(aside) - 1)
    own = {fill.trade_id for fill in stage.exchange.ledger.fills if fill.liquidity is Liquidity.TAKER}
    heard = sum((fill.qty for fill in stage.fills()), D(0))
    made = sum(
        (
            fill.qty
            for fill in stage.exchange.ledger.fills
            if fill.symbol == stage.symbol and fill.liquidity is Liquidity.MAKER and fill.trade_id not in own
        ),
        D(0),
    )
    assert heard == made


def test_the_clock_of_the_venue_may_differ() -> None:
    async def go(loop: VirtualLoop) -> Stage:
        stage = Stage(loop, "faults:\n  - {fault: clock_skewed, at: 1ms, by: 9s}\n")
        await stage.run()
        return stage

    stage = run_virtual(go)
    assert told(stage) == of_maker(stage)
