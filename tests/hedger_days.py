"""Days of the hedger in virtual time: market makers on a local BiFu, hedged on a local Backpack, and three deaths.

Everything but the sockets is real: the flow, both adapters with their signatures, journals, restarts. The venues play
what venues do: rows told twice, late, swapped, garbled, lost, replayed after a cut; requests lost, late, refused,
answered by a 5xx; orders filled in part; a market that jumps out of the band. The process dies at an effect and is
started again. At the end every pair must balance to the last digit against the venues' own books.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from killed_runs import Mortal
from trading_kit import shipped_flow
from venue_mount import MemoryMount

from cli.budgets import Budgets
from cli.client_wiring import hear, open_clients
from cli.fault_plan import load_fault_plan
from cli.leftovers import left_over
from cli.locate import Source
from cli.record import desk_of_run, run_start
from cli.setups import Setup, plan_of
from engine.runtime.audit import audit
from engine.runtime.chance import Chance, Stream
from engine.runtime.clock import S, VirtualClock
from engine.runtime.config import Config, VenueConfig, load_config
from engine.runtime.credentials import Reference
from engine.runtime.journal import Sync
from engine.runtime.journal_sqlite import SqliteJournal
from engine.runtime.loop import VirtualLoop
from engine.runtime.replay import replay
from engine.runtime.runner import Runner
from engine.runtime.secrets import Secret
from engine.trading.desk import Desk
from engine.trading.effects import Alert, Effect, Level, PlaceOrder
from engine.trading.guards import MarketWatch
from exchanges.errors import ExchangeError
from exchanges.market import MarketQuote
from exchanges.reads import Reads
from exchanges.types import ZERO, Clock, Instrument, Liquidity, MarketKind
from exchanges.venues.backpack.demo import backpack_credentials, backpack_symbol, open_backpack
from exchanges.venues.bifu.demo import bifu_credentials, bifu_symbol, open_bifu
from exchanges.venues.bifu.maker import MakerOptions, MarketMaker
from exchanges.venues.exchange import Exchange
from exchanges.venues.faults import Faults
from exchanges.venues.local import LocalVenue

D = Decimal
FLOW = shipped_flow("hedger")
COINS = ("ETH", "BTC", "SOL")
DAY_S = 86_400
FIRST_S = 60
HIT_S = 4  # on average, a market maker is hit so often
QUOTE_S = 5
HOME_S = 900  # with all faults switched off, a stop must end within this
DOWN_S = 40
OPEN_TICKS = 260_000

FAULTS = """
  - {fault: row_unreadable, venue: bifu, rate: 0.0005}
  - {fault: row_renamed, venue: bifu, rate: 0.3}
  - {fault: rows_replayed, venue: bifu}
  - {fault: frame_twice, venue: bifu, of: fill, rate: 0.05}
  - {fault: frame_swapped, venue: bifu, of: fill, rate: 0.02}
  - {fault: frame_late, venue: bifu, of: fill, rate: 0.01, delay: 900ms}
  - {fault: frame_lost, venue: bifu, of: fill, rate: 0.001}
  - {fault: frame_garbled, venue: bifu, of: fill, rate: 0.0005}
  - {fault: stream_cut, venue: bifu, of: fill, rate: 0.0005}
  - {fault: maintenance, venue: bifu, at: [7m, 400m, 1500m], for: 40s}
  - {fault: ack_lost, venue: bp, on: place, rate: 0.01}
  - {fault: request_lost, venue: bp, on: place, rate: 0.01}
  - {fault: error_accepted, venue: bp, on: place, rate: 0.01, body: html}
  - {fault: error_refused, venue: bp, on: any, rate: 0.01}
  - {fault: order_refused, venue: bp, reason: margin, rate: 0.02}
  - {fault: partly_taken, venue: bp, share: 0.4, rate: 0.1}
  - {fault: frame_twice, venue: bp, of: fill, rate: 0.05}
  - {fault: frame_late, venue: bp, of: fill, rate: 0.02, delay: 700ms}
  - {fault: frame_lost, venue: bp, of: fill, rate: 0.01}
  - {fault: stream_cut, venue: bp, of: fill, rate: 0.003}
  - {fault: maintenance, venue: bp, at: [11m, 700m, 2000m], for: 50s}
  - {fault: price_jump, venue: bp, bps: 300, at: [15m, 900m, 2400m], for: 100s}
"""

CONFIG = """
version: 1
flow: hedger
market: COIN-PERP
markets: {COIN-PERP: {bifu: COIN-USDT, bp: COIN_USDC_PERP}}
venues:
  bifu: {kind: bifu, url: "http://127.0.0.1:1"}
  bp: {kind: backpack, url: "http://127.0.0.1:2"}
accounts:
  - name: h-COIN
    venue: bp
    owner: me
    credentials: {api_key: {secret: "env:H_COIN_API_KEY"}, api_secret: {secret: "env:H_COIN_API_SECRET"}}
  - name: mm-COIN
    venue: bifu
    owner: maker
    credentials: {api_key: {secret: "env:MM_COIN_API_KEY"}, api_secret: {secret: "env:MM_COIN_API_SECRET"}}
use: {source: mm-COIN, hedgers: [h-COIN]}
settings: {min_qty: 0.1, min_amt: 100, max_age: 60s, slippage: 20bps, price_band: 100bps, on_max_age: market}
limits:
  {max_order: 2, max_position: 100000, max_gross: 100000, max_net: 100000, unhedged_soft: 50, unhedged_hard: 1000,
   orders_per_minute: 600, unhedged_soft_age: 60s, unhedged_hard_age: 600s}
guards: {max_book_age: 30s}
"""


@dataclass
class Pair:
    """One market: its maker on BiFu, its journal, what its runs told."""

    coin: str
    config: Config
    maker: MarketMaker
    path: Path
    codes: list[int | None] = field(default_factory=list)  # of each life; None: it died, or could not start
    alerts: Counter[str] = field(default_factory=Counter)
    hedges: int = 0
    failed_starts: int = 0
    mounts: list[MemoryMount] = field(default_factory=list)
    runner: Runner | None = None
    mortal: Mortal | None = None
    desk: Desk | None = None


@dataclass
class Days:
    """The venues, which outlive every process, and the pairs."""

    clock: VirtualClock
    folder: Path
    seed: int
    exchanges: dict[str, Exchange]
    models: dict[str, LocalVenue]
    faults: list[Faults]
    secrets: dict[str, str]
    pairs: list[Pair]
    signed: bool = True
    reads: Reads = field(default_factory=Reads)  # none: each message comes by itself
    mounting: Pair | None = None
    over: bool = False

    # --- as the network of a process

    def budgets(self) -> Budgets:
        return Budgets(shared=False)

    def transport(self, venue: VenueConfig, clock: Clock) -> MemoryMount:
        mount = MemoryMount(self.models[venue.name], clock)
        if self.mounting is not None:
            self.mounting.mounts.append(mount)
        return mount

    def resolve(self, reference: Reference, *, what: str) -> Secret:
        return Secret(self.secrets[reference.name])

    def listed(self, pair: Pair) -> dict[str, Instrument]:
        """By account, as its venue lists it."""
        symbols = pair.config.symbols
        return {
            f"{who}-{pair.coin}": replace(
                self.exchanges[venue].markets[symbols[venue]].instrument, market=pair.config.market
            )
            for who, venue in (("mm", "bifu"), ("h", "bp"))
        }

    # --- the end

    def wrong(self) -> list[str]:
        """What does not balance to the last digit, or was hedged twice or never."""
        return [line for pair in self.pairs for line in self._wrong(pair)]

    def _wrong(self, pair: Pair) -> Iterator[str]:
        made, hedged = self.made(pair), self.hedged(pair)
        assert pair.desk is not None
        dust = pair.desk.world.exposure
        if made + hedged != dust:
            yield f"{pair.coin}: maker {made} + hedges {hedged} = {made + hedged}, the desk says {dust}"
        lot = pair.desk.world.instruments[f"h-{pair.coin}"].min_qty
        if abs(dust) >= lot:
            yield f"{pair.coin}: {dust} left open, which could be traded"
        if pair.codes[-1] != 0:
            yield f"{pair.coin}: the last run ended with {pair.codes[-1]}: {pair.runner and pair.runner.ending}"
        orders = list(self.exchanges["bp"].ledger.orders.values())
        ids = Counter(order.client_id for order in orders if order.account == f"h-{pair.coin}")
        yield from (
            f"{pair.coin}: {client_id} was used for {times} orders" for client_id, times in ids.items() if times > 1
        )
        for number in range(1, len(pair.codes) + 1):
            report = audit(pair.path, run=number)
            found = [it for it in report.findings if pair.codes[number - 1] is not None or it.code not in DIED]
            yield from (f"{pair.coin}: run {number}: {it.code}: {it.text}" for it in found)
            again = replay(pair.path, partial(desk_of_run, flow=FLOW, decider="table"), run=number)
            if not again.same:
                yield f"{pair.coin}: run {number}: {again.lines()}"

    def made(self, pair: Pair) -> Decimal:
        """Signed: what the market maker's orders filled, by the venue's own books."""
        symbol = pair.config.symbols["bifu"]
        return sum(
            (
                it.side.sign * it.qty
                for it in self.exchanges["bifu"].ledger.fills
                if it.account == f"mm-{pair.coin}" and it.symbol == symbol and it.liquidity is Liquidity.MAKER
            ),
            ZERO,
        )

    def hedged(self, pair: Pair) -> Decimal:
        account = self.exchanges["bp"].accounts[f"h-{pair.coin}"]
        return account.balances.holding(pair.config.symbols["bp"]).qty

    def told(self) -> str:
        fills = sum(it.liquidity is Liquidity.MAKER for it in self.exchanges["bifu"].ledger.fills)
        lines = [f"{fills} maker fills, {sum(it.count for it in self.faults)} faults"]
        for pair in self.pairs:
            made, hedged = self.made(pair), self.hedged(pair)
            alerts = ", ".join(f"{code} {times}" for code, times in sorted(pair.alerts.items()))
            lines.append(
                f"{pair.coin}: maker {made:+f} + hedges {hedged:+f} = dust {made + hedged:+f}; {pair.hedges} hedges,"
                f" runs {pair.codes}; {alerts}"
            )
        return "\n".join(lines)


# What a run that died leaves unsaid in its journal: the next one tells it.
DIED = frozenset(
    {"no_baseline", "unfinished", "no_venue_end", "not_sent", "unexplained", "uncovered", "ledger_differs"}
)


def plain(base: str, kind: MarketKind) -> Instrument:
    return Instrument(
        venue="", symbol=base, market=f"{base}-PERP", kind=kind, base=base, quote="USD", tick=D("0.01"),
        lot=D("0.0001"), min_qty=D("0.0001"), maker_fee=D(0), taker_fee=D("0.0002"),
        initial_margin=D(1) if kind is MarketKind.SPOT else D("0.02"),
    )  # fmt: skip


def walk(chance: Stream, *, every_s: int) -> Iterator[MarketQuote]:
    """A market that wanders by a tick now and then."""
    ticks, at_ns = OPEN_TICKS, 0
    while True:
        ticks += chance.between(-1, 1)
        yield MarketQuote(at_ns, ticks, 50_000, ticks + 10, 50_000)
        at_ns += every_s * S


def open_days(loop: VirtualLoop, folder: Path, seed: int, faults: str) -> Days:
    clock = loop.clock
    names = {"bifu": tuple(f"mm-{coin}" for coin in COINS), "bp": tuple(f"h-{coin}" for coin in COINS)}
    rules = load_fault_plan(Source("days.yaml", f"faults:\n{faults}"), venues=names)
    made = [Faults(rules, venue=name, clock=clock, rng_of=lambda purpose: Stream(seed, purpose)) for name in names]
    spot = [replace(bifu_symbol(plain(coin, MarketKind.SPOT)), venue="bifu") for coin in COINS]
    perps = [
        replace(backpack_symbol(plain(coin, MarketKind.PERP)), venue="bp", lot=D("0.001"), min_qty=D("0.01"))
        for coin in COINS
    ]
    still = MarketQuote(0, OPEN_TICKS, 50_000, OPEN_TICKS + 10, 50_000)
    bifu = Exchange(
        "bifu", spot, sources={it.symbol: iter((still,)) for it in spot}, clock=clock, first_order_id=10**17
    )
    bp = Exchange(
        "bp", perps, sources={it.symbol: walk(Stream(seed, it.symbol), every_s=QUOTE_S) for it in perps}, clock=clock
    )  # fmt: skip
    secrets: dict[str, str] = {}
    pairs = []
    for number, coin in enumerate(COINS):
        stock = {it.symbol: D(1_000_000) for it in spot}
        account = bifu.open_account(f"mm-{coin}", cash=D(10**12), base=stock)
        bp.open_account(f"h-{coin}", cash=D(10**9), owner="me")
        maker = MarketMaker(
            bifu, account, [bifu.markets[spot[number].symbol]], Stream(seed, f"maker/{coin}"),
            MakerOptions(rate=0, lots_min=10, lots_max=500), made[0],
        )  # fmt: skip
        text = CONFIG.replace("COIN", coin)
        pairs.append(Pair(coin, load_config(text, file=f"{coin}.yaml", flow=FLOW), maker, folder / f"{coin}.sqlite"))
    for exchange, give in ((bifu, bifu_credentials), (bp, backpack_credentials)):
        for name in exchange.accounts:
            ours = name.replace("-", "_")
            secrets |= {f"{ours}_{key}".upper(): value for key, value in give(exchange, name).items()}
    models: dict[str, LocalVenue] = {"bifu": open_bifu(bifu, made[0]), "bp": open_backpack(bp, made[1])}
    for model in models.values():
        model.start()
    return Days(clock, folder, seed, {"bifu": bifu, "bp": bp}, models, made, secrets, pairs)


async def live(days: Days, span_s: int, kills: tuple[int, ...]) -> None:
    """`kills` are the seconds at which the process dies, at an effect of one of its pairs."""
    await asyncio.sleep(1)
    for pair in days.pairs:
        pair.maker.start()
        begin_ns = days.clock.now_ns() + FIRST_S * S  # what was filled before the first start is nobody's to hedge (S1)
        days.clock.call_at(begin_ns, _hits, days, pair, Stream(days.seed, f"hits/{pair.coin}"))
    begun_ns = days.clock.now_ns()
    for at_s in (*kills, span_s):
        dies = at_s != span_s
        await asyncio.gather(*(_life(days, pair, begun_ns + at_s * S, dies=dies) for pair in days.pairs))
        if dies:
            await asyncio.sleep(DOWN_S)


def _hits(days: Days, pair: Pair, chance: Stream) -> None:
    def hit() -> None:
        if not days.over:
            pair.maker._hit()
            days.clock.call_at(days.clock.now_ns() + chance.between(1, 2 * HIT_S * 1_000) * 1_000_000, hit)

    hit()


async def _life(days: Days, pair: Pair, until_ns: int, *, dies: bool) -> None:
    """A process for this pair, until then; one that cannot start is started again, as a person would."""
    while True:
        number = len(pair.codes) + 1
        inner = SqliteJournal(pair.path, sync=Sync.NORMAL, on_lost=lambda _: None)
        pair.mortal = mortal = Mortal(inner, 0)
        mortal.die = lambda: _die(days)
        pair.runner = runner = _made(days, pair, mortal, number)
        assert pair.desk is not None
        plan, clock = pair.desk.world.plan, days.clock
        inner.run_started(run_start(plan, pair.config, number=number, seed=1, speed=1, wall_ms=clock.wall_ms()))
        end = clock.call_at(until_ns, _end, days, pair, dies)
        code = None
        try:
            code = await runner.run()
        except ExchangeError:
            pair.failed_starts += 1
        end.cancel()
        pair.codes.append(None if mortal.dead else code)
        if mortal.dead or code is None:
            inner._database.close()
        else:
            inner.run_ended(code, clock.wall_ms())
            inner.close()
        if mortal.dead or code is not None:
            return
        await asyncio.sleep(5)


def _made(days: Days, pair: Pair, journal: Mortal, number: int) -> Runner:
    clock, config = days.clock, pair.config
    days.mounting, pair.mounts = pair, []
    listed = days.listed(pair)
    pool = open_clients(
        config, listed, clock=clock, seed=days.seed + number, resolve=days.resolve, network=days, journal=pair.path
    )  # fmt: skip
    left = left_over(pair.path, config, wall_ms=clock.wall_ms())
    plan = plan_of(Setup(FLOW, config, {}, {}, None, ZERO, listed), pool.accounts)
    chance = Chance(days.seed + number)
    pair.desk = desk = Desk(plan, run=number, chance=chance)

    def told(effect: Effect) -> None:
        if isinstance(effect, Alert) and effect.level is not Level.INFO:
            pair.alerts[effect.code] += 1

    def traced(_seq: int, _at_ns: int, _given: Any, effects: list[Effect]) -> None:
        pair.hedges += sum(isinstance(it, PlaceOrder) for it in effects)

    book = ("bp", config.symbols["bp"])
    runner = Runner(
        desk, pool.clients, symbols={name: it.instrument.symbol for name, it in pool.accounts.items()}, clock=clock,
        watch=MarketWatch(plan.guards, book, hedges=[book], quantity=ZERO), journal=journal, chance=chance,
        orders_per_minute=plan.limits.orders_per_minute, max_book_age_ns=plan.guards.max_book_age_ns,
        may_send=desk.objection, sinks=[told], traces=[traced], flush_after_ns=S // 5, heard=plan.heard,
        carried=None if left is None else left.carried,
    )  # fmt: skip
    hear(pool.clients[f"mm-{pair.coin}"], lambda _: [runner.handle])
    return runner


def _end(days: Days, pair: Pair, dies: bool) -> None:
    if dies:
        assert pair.mortal is not None
        pair.mortal.doom(1 + COINS.index(pair.coin))  # at an effect soon; the first takes all along
        return
    days.over = True
    for faults in days.faults:
        faults.off = True
    assert pair.runner is not None
    runner = pair.runner
    days.clock.call_at(days.clock.now_ns() + 120 * S, runner.stop, 1)  # what was lost is told by then
    days.clock.call_at(days.clock.now_ns() + HOME_S * S, runner.stop, 3)


def _die(days: Days) -> None:
    """The process is gone: nothing of any pair is sent, answered or written any more."""
    for pair in days.pairs:
        assert pair.mortal is not None
        assert pair.runner is not None
        pair.mortal.dead = True
        for mount in pair.mounts:
            mount.unreachable = True
            mount.cut()
        pair.runner.stop(3)


def play(folder: Path, *, days: float, kills: tuple[float, ...], seed: int = 1, faults: str = FAULTS) -> Days:
    """`kills` in parts of the whole time."""
    span_s = int(days * DAY_S)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        played = open_days(loop, folder, seed, faults)
        runner.run(live(played, span_s, tuple(int(part * span_s) for part in kills)))
    return played
