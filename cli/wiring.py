"""From a flow and a config to a run: the only file that knows everybody - venues, desk, journal, clock and runner.

A run is checked whole before anything is written or sent; only then come the journal, the run number and the venues.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from cli.attend import attended
from cli.beside import Outputs
from cli.demo import demo_config
from cli.examined import Examined, ok, warning
from cli.leftovers import check_baseline, check_carried, leases_of, left_over, taken_over, with_guard_keys, words_of
from cli.live_gate import agreed, objections
from cli.locate import CannotUse, Source
from cli.online import Seen, ask_all, judge
from cli.options import VAULT
from cli.outputs import OutputOptions, Prepared, prepare
from cli.record import day_of, open_record, run_start
from cli.resolve import Resolve, resolver
from cli.screen import Screen
from cli.streams import write_note
from engine.chart.load import load_flow
from engine.chart.model import Finding, Flow, FlowError
from engine.chart.validate import check
from engine.runtime.chance import Chance, Stream
from engine.runtime.clock import MS, GapWatch, LiveClock, S, ScaledClock, VirtualClock
from engine.runtime.config import (
    AccountConfig,
    Config,
    VenueConfig,
    asked_venues,
    instrument_findings,
    live_findings,
    load_config,
    real_venues,
    recording_finding,
)
from engine.runtime.config_values import SYNTHETIC
from engine.runtime.counter import UINT32_RUNS
from engine.runtime.garbage import QuietRounds
from engine.runtime.hedger_json import JsonOptions
from engine.runtime.journal import Journal, Sync
from engine.runtime.log_files import LogFile
from engine.runtime.loop import VirtualLoop
from engine.runtime.monitor_log import MonitorLog
from engine.runtime.ports import Sink, Trace
from engine.runtime.runner import Runner
from engine.runtime.signals import StopSignals
from engine.runtime.snapshot import Tally, snapshot
from engine.trading.desk import Desk
from engine.trading.effects import Alert, Effect, Level, PlaceOrder, Purpose, RoundBegan
from engine.trading.guards import MarketWatch
from engine.trading.inputs import Carried, Input
from engine.trading.limits import ExpectedCost, smallest_order
from engine.trading.plan import AccountPlan, Plan, RoleSpec, is_hedged, source_role
from engine.trading.rates import RateWindow
from engine.trading.reconfigure import new_settings
from engine.trading.sections import LegSpec
from engine.trading.vocabulary import trading_vocabulary
from exchanges.base import BaseExchangeClient
from exchanges.errors import MarketDataError
from exchanges.market import MarketQuote, MarketSource
from exchanges.matching import Depth
from exchanges.paper import PaperClient, PaperVenue
from exchanges.recording import Recording, TimeAxis, common_axis, infer_instrument
from exchanges.synthetic import SyntheticMarket, demo_instrument
from exchanges.types import Clock, Instrument, MarketKind, Position, Quote

if TYPE_CHECKING:
    from cli.client_wiring import Clients

CALLS_UNHEARD = 100  # calls for a person in virtual time before the next step towards the end
IDLE_NS = 3600 * S  # without an opening, in virtual time, before a run on an endless market is given up …
STILL_NS = 24 * IDLE_NS  # … and without any order: what rests may rest for ever
BY_COMMAND = "eagle recover --config CONFIG, or start the run again: it cleans up first"
RECOVERY = "nothing to do: paper accounts end with this process"
FLUSH_AFTER_NS = S // 5  # how long journal rows may wait in memory at live speed
END_LEAD_NS = 30 * S  # a recording that ends is stopped so long before, so that closing happens on recorded prices
SPOT_STOCK = 20  # base balance and cash of paper spot accounts without one, in quantities: the default max_position
WHOLE = TimeAxis(0, 1 << 62)  # of a recording, wherever in time it lies
SYNTHETIC_PRICE = Decimal(2600)
SYNTHETIC_TICK, SYNTHETIC_LOT = Decimal("0.01"), Decimal("0.0001")  # what the parameters of SyntheticMarket count in


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says of a run. `markets`: venue -> prefix of a recording, "" for every paper venue.

    With `stop` it opens nothing: it is stopped at that level as soon as it has begun.
    """

    markets: Mapping[str, str]
    rounds: int | None
    seed: int
    speed: int | None  # None: as fast as the machine can, in virtual time
    journal: Path | None
    repeat: bool
    live: bool
    outputs: OutputOptions = field(default_factory=OutputOptions)
    resolve: Resolve = field(default_factory=lambda: resolver(VAULT, None))
    stop: int = 0
    word: str | None = None  # typed for real money; None: a person is asked
    rehearse: bool = False  # local venues count as if money were real
    start_small: bool = False  # the first round has the least size that every venue takes
    guard: bool = False  # with the keys that are the watchdog's own
    keep_positions: bool = False  # S1: what the accounts hold stays, and is no matter of this run
    json_options: JsonOptions = field(default_factory=JsonOptions)
    ends_after_s: int = 0  # a demo that ends by itself; 0: it goes on


@dataclass(frozen=True, slots=True)
class Setup:
    """A run that was checked: what trades where, and at about which price."""

    flow: Flow
    config: Config
    instruments: Mapping[str, Instrument]  # by venue
    recordings: Mapping[str, Recording]  # by venue; none on a made-up market
    axis: TimeAxis | None
    price: Decimal
    listed: Mapping[str, Instrument] = field(default_factory=dict)  # by account, on venues that were asked
    whole: Decimal | None = None  # the quantity after a first round with a smaller one
    others: tuple[Setup, ...] = ()  # of the other pairs of the config


# --- loading


def load_setup(flow: Source, config: Source | None, options: Options) -> Setup:
    """Raises: FlowError with all findings, MarketDataError, CannotUse."""
    return setup_of(sound_flow(flow), config, options)


def sound_flow(source: Source) -> Flow:
    """A flow that may run. Raises: FlowError with all its errors."""
    flow = load_flow(source.text, file=source.file, vocabulary=trading_vocabulary())
    _refuse([finding for finding in check(flow) if finding.code[0] != "W"])
    return flow


def setup_of(flow: Flow, config: Source | None, options: Options) -> Setup:
    """As `load_setup`, for a flow that was read before."""
    source = config or demo_config(flow)
    read = load_config(source.text, file=source.file, flow=flow, json_options=options.json_options)
    for note in read.notes:
        write_note(note)
    if options.guard:
        read = with_guard_keys(read)
    if config is not None:
        _refuse_real(read, config, flow, options)
    counted = _with_rounds(read, options, demo=config is None)
    first, *others = (_setup_of_pair(flow, pair, options, demo=config is None) for pair in counted.pairs)
    setup = replace(first, others=tuple(others))
    if others and not listens(setup):
        raise CannotUse(
            f"{counted.file}: {len(counted.pairs)} pairs, and their venues are paper, which trade one market each;"
            " serve them: eagle venue serve bifu backpack, or name one pair"
        )
    return setup


def _setup_of_pair(flow: Flow, config: Config, options: Options, *, demo: bool) -> Setup:
    if asked_venues(config):
        return _on_venues(flow, config, options)
    chosen = _with_markets(config, options)
    return _with_prices(flow, chosen, by_option=bool(options.markets), demo=demo)


def listens(setup: Setup) -> bool:
    """Does an account only listen, to a venue that lives without us (hedger)?"""
    return bool(setup.listed) and bool(source_role(setup.flow))


def on_paper(config: Config, flow: Flow) -> tuple[list[Finding], str]:
    """What a config is against its venues' instruments, and what a round will cost; empty where a venue must be asked.

    Of a recording only the head is read. Raises: FlowError for one that cannot be used.
    """
    if asked_venues(config):
        return [], ""
    instruments = {name: _instrument(config, venue, renamed=False) for name, venue in _used_venues(config).items()}
    by_account = {account.name: instruments[account.venue] for account in config.used_accounts}
    found = instrument_findings(config, by_account)
    if found:
        return found, ""
    cost = expected_cost(Setup(flow, config, instruments, _recordings(config, instruments), WHOLE, SYNTHETIC_PRICE))
    return [], "" if cost is None else cost.words(next(iter(by_account.values())).quote)


def _on_venues(flow: Flow, config: Config, options: Options) -> Setup:
    """A run on venues that live without us: their instruments are asked for before anything is sent."""
    others = [name for name in _used_venues(config) if name not in asked_venues(config)]
    if others:
        raise CannotUse(f"{', '.join(others)} is paper, beside venues with prices of their own; use one or the other")
    if options.markets or options.repeat or options.speed != 1:
        raise CannotUse(
            "--market, --repeat and --speed are for paper venues; these have a market and a time of their own"
        )
    if options.journal is None:
        raise CannotUse("--journal off: at a venue every order needs an id that never comes back (S15); give a file")
    from cli.client_wiring import ask_venues  # its network libraries are of no use on paper

    listed = ask_venues(config, options.resolve)
    _refuse(instrument_findings(config, listed.instruments, price=listed.price))
    setup = Setup(flow, config, {}, {}, None, listed.price, listed.instruments)
    return _small(setup) if options.start_small else setup


def _small(setup: Setup) -> Setup:
    """With the least quantity that every venue takes now; the config's comes after the first round."""
    config, whole = setup.config, setup.config.settings.get("quantity")
    if not isinstance(whole, Decimal):
        raise CannotUse("--start-small: this flow has no setting of the name quantity")
    least = max(smallest_order(it, setup.price) for it in setup.listed.values())
    lot = max(it.lot for it in setup.listed.values())
    small = min(whole, (least / lot).to_integral_value(ROUND_CEILING) * lot)
    return replace(setup, config=replace(config, settings={**config.settings, "quantity": small}), whole=whole)


def _recordings(config: Config, instruments: Mapping[str, Instrument]) -> dict[str, Recording]:
    return {
        name: Recording(Path(venue.market), instruments[name])
        for name, venue in _used_venues(config).items()
        if venue.market != SYNTHETIC
    }


def _refuse(findings: list[Finding]) -> None:
    if findings:
        raise FlowError(findings)


def _refuse_real(config: Config, source: Source, flow: Flow, options: Options) -> None:
    """No real money by accident. A stop alone needs no word: what is open must be closed, whatever was tried before.

    Raises: FlowError, CannotUse.
    """
    names = asked_venues(config) if options.rehearse else real_venues(config)
    if not options.live:
        _refuse(live_findings(config))
    elif names and not options.stop:
        found = objections(config, source, hedged=_opens(flow) and is_hedged(flow), wall_ms=time.time_ns() // MS)
        if found:
            listed = "".join(f"\n  - {it}" for it in found)
            raise CannotUse(f"--live: nothing was sent; before this config trades on {', '.join(names)}:{listed}")
        agreed(names, options.word)


def _opens(flow: Flow) -> bool:
    legs: Mapping[str, LegSpec] = flow.sections["legs"].value  # type: ignore[assignment]
    return any(leg.purpose is Purpose.OPEN for leg in legs.values())


def _with_rounds(config: Config, options: Options, *, demo: bool) -> Config:
    """A demo on a recording goes on to its end, unless told otherwise."""
    counts = "rounds" in config.settings
    rounds = 0 if options.rounds is None and demo and options.markets and counts else options.rounds
    if rounds is None:
        return config
    if not counts:
        raise CannotUse("--rounds: this flow has no setting of that name; write its own into the config")
    return replace(config, settings={**config.settings, "rounds": rounds})  # flows with rounds have no pairs


def _with_markets(config: Config, options: Options) -> Config:
    used = _used_venues(config)
    for name in options.markets:
        if name and name not in used:
            raise CannotUse(f"--market: no venue {name} in use; venues: {', '.join(used)}")
    every = options.markets.get("")
    venues = {
        name: replace(venue, market=options.markets.get(name) or every or venue.market) for name, venue in used.items()
    }
    synthetic = [name for name, venue in venues.items() if venue.market == SYNTHETIC]
    if synthetic and len(synthetic) < len(venues):
        raise CannotUse(
            f"--market: {', '.join(synthetic)} would trade a made-up market beside a recording, at other prices; "
            "give every venue a recording: --market PREFIX, or --market VENUE=PREFIX for each"
        )
    if options.repeat and synthetic:
        raise CannotUse("--repeat: a made-up market has no end; it is for recordings")
    return replace(config, venues={**config.venues, **venues})


def _with_prices(flow: Flow, config: Config, *, by_option: bool, demo: bool) -> Setup:
    used = _used_venues(config)
    instruments = {name: _instrument(config, venue, renamed=by_option) for name, venue in used.items()}
    _refuse_mixed(instruments, synthetic=all(venue.market == SYNTHETIC for venue in used.values()))
    recordings = _recordings(config, instruments)
    axis, price = None, SYNTHETIC_PRICE
    if recordings:
        axis = common_axis(recording.prefix for recording in recordings.values())
        price, *_ = [_checked_price(recording, axis) for recording in recordings.values()]
    if by_option:
        first = next(iter(instruments.values()))
        market = f"{first.base}-{first.quote if first.kind is MarketKind.SPOT else 'PERP'}"
        config = replace(config, market=market)
        instruments = {name: replace(instrument, market=market) for name, instrument in instruments.items()}
    by_account = {account.name: instruments[account.venue] for account in config.used_accounts}
    _refuse(instrument_findings(config, by_account, price=price))
    accounts = {
        account.name: _funded(account, by_account[account.name], config, price=price, demo=demo)
        for account in config.used_accounts
    }
    return Setup(flow, replace(config, accounts={**config.accounts, **accounts}), instruments, recordings, axis, price)


def _used_venues(config: Config) -> dict[str, VenueConfig]:
    return {account.venue: config.venues[account.venue] for account in config.used_accounts}


def _instrument(config: Config, venue: VenueConfig, *, renamed: bool) -> Instrument:
    """What a paper venue trades; a recording chosen on the command line brings its own symbol.

    Raises: FlowError for a recording that the config names and that cannot be used, MarketDataError for another.
    """
    if venue.market == SYNTHETIC:
        plain = demo_instrument(venue.name)
    else:
        try:
            plain = infer_instrument(Path(venue.market), venue=venue.name, market=config.market)
        except MarketDataError as error:
            if not renamed:
                _refuse([recording_finding(config, venue.name, str(error))])
            raise
    fields = dict(venue.instrument)
    if "kind" in fields:
        fields["kind"] = MarketKind(fields["kind"])
    symbol = plain.symbol if renamed else config.symbols[venue.name]
    return replace(plain, market=config.market, symbol=symbol, **fields)  # type: ignore[arg-type]


def _refuse_mixed(instruments: Mapping[str, Instrument], *, synthetic: bool) -> None:
    """One market is one base asset; and the one made-up price walks in one tick."""
    ticks = {instrument.tick for instrument in instruments.values()}
    if synthetic and len(ticks) > 1:
        raise CannotUse("the venues of a made-up market need one tick; give them the same `tick:` or recordings")
    bases = {f"{name} trades {instrument.base}": instrument.base for name, instrument in instruments.items()}
    if len(set(bases.values())) > 1:
        raise CannotUse(f"--market: a market has one base asset, but {', '.join(bases)}; use recordings of one coin")


def _checked_price(recording: Recording, axis: TimeAxis) -> Decimal:
    """The first mid, after reading the whole recording once: a fault must show before anything is written or sent."""
    first = None
    for event in recording.events(axis):
        if first is None and isinstance(event, MarketQuote):
            first = (event.bid + event.ask) * recording.instrument.tick / 2
    assert first is not None
    return first


def _funded(
    account: AccountConfig, instrument: Instrument, config: Config, *, price: Decimal, demo: bool
) -> AccountConfig:
    """Spot accounts sell what they have: without a base balance they get one, and the demo the cash to buy as much."""
    quantity = config.settings.get("quantity")
    if instrument.kind is not MarketKind.SPOT or account.base_balance is not None or not isinstance(quantity, Decimal):
        return account
    stock = SPOT_STOCK * quantity
    thousands = (2 * stock * price / 1000).to_integral_value(ROUND_CEILING) * 1000
    cash = max(account.balance or Decimal(0), thousands) if demo else account.balance
    write_note(
        f"{account.name}: {instrument.symbol} is spot, so it starts with {stock} {instrument.base}"
        f" and {cash} {instrument.quote}"
    )
    return replace(account, base_balance=stock, balance=cash)


# --- the paper venues


@dataclass(frozen=True, slots=True)
class Pool:
    venues: tuple[PaperVenue, ...]
    clients: Mapping[str, PaperClient]
    accounts: Mapping[str, AccountPlan]

    def start(self, at_ns: int) -> None:
        for venue in self.venues:
            venue.start(at_ns=at_ns)


def open_pool(setup: Setup, *, clock: Clock, seed: int, repeat: bool, on_failure: Callable[[Exception], None]) -> Pool:
    """All venues and accounts of a run, on one clock."""
    config, venues = setup.config, {}
    for name, venue in _used_venues(config).items():
        instrument, depth = setup.instruments[name], venue.depth
        venues[name] = PaperVenue(
            name, [instrument], clock=clock,
            sources={instrument.symbol: _source(setup, name, seed=seed, repeat=repeat)},
            order_latency_ns=venue.latency_ns, feed_latency_ns=venue.feed_latency_ns, reconnect_ns=venue.reconnect_ns,
            depth=Depth(depth.step_ticks, depth.growth, depth.levels), on_failure=on_failure,
        )  # fmt: skip
    clients, accounts = {}, {}
    for account in config.used_accounts:
        instrument = setup.instruments[account.venue]
        base = {instrument.symbol: account.base_balance} if account.base_balance else None
        client = venues[account.venue].open_account(
            account.name, cash=account.balance or Decimal(0), base=base, owner=account.owner
        )
        clients[account.name] = client
        accounts[account.name] = AccountPlan(
            account.name, account.venue, account.owner, instrument, client.capabilities, account.dedicated
        )
    return Pool(tuple(venues.values()), clients, accounts)


def _source(setup: Setup, venue: str, *, seed: int, repeat: bool) -> MarketSource:
    """Venues of a made-up market share its walk of prices and times; sizes and trades are each venue's own."""
    recording = setup.recordings.get(venue)
    if recording is not None:
        assert setup.axis is not None
        return recording.events(setup.axis, passes=None if repeat else 1)
    return _synthetic(setup.instruments[venue]).events(walk=Stream(seed, "walk"), flow=Stream(seed, f"flow/{venue}"))


def _synthetic(instrument: Instrument) -> SyntheticMarket:
    """The made-up market of the demo in this instrument's ticks and lots."""
    plain = SyntheticMarket()
    ticks, lots = SYNTHETIC_TICK / instrument.tick, SYNTHETIC_LOT / instrument.lot

    def scaled(count: int, factor: Decimal) -> int:
        return max(1, int(count * factor))

    return replace(
        plain,
        start_ticks=scaled(plain.start_ticks, ticks),
        move_ticks_max=scaled(plain.move_ticks_max, ticks),
        shown_lots_min=scaled(plain.shown_lots_min, lots),
        shown_lots_max=scaled(plain.shown_lots_max, lots),
        trade_lots_min=scaled(plain.trade_lots_min, lots),
        trade_lots_max=scaled(plain.trade_lots_max, lots),
    )


def expected_cost(setup: Setup, *, seed: int = 1) -> ExpectedCost | None:
    """What a round and a day cost on a run's first books (S10), as it will tell itself; None for an unhedged flow."""

    def unreachable(error: Exception) -> None:
        raise error

    pool = open_pool(setup, clock=VirtualClock(), seed=seed, repeat=False, on_failure=unreachable)
    desk = Desk(plan_of(setup, pool.accounts), run=1, chance=Chance(seed))
    for name, instrument in setup.instruments.items():
        first = next(it for it in _source(setup, name, seed=seed, repeat=False) if isinstance(it, MarketQuote))
        desk.books[name, instrument.symbol] = Quote(
            name, instrument.symbol, first.bid * instrument.tick, first.bid_lots * instrument.lot,
            first.ask * instrument.tick, first.ask_lots * instrument.lot, recv_ns=0, venue_ms=0,
        )  # fmt: skip
    return desk.view.expected_cost()


def examine_online(config: Config, flow: Flow, resolve: Resolve) -> Iterator[Examined]:
    """What the venues of a config say of its accounts, judged, and what a round costs there now; nothing is traded."""
    seen, wrong = ask_all(config, resolve)
    yield from wrong
    yield from judge(config, seen)
    cost = _cost_online(config, flow, seen) if not wrong and seen else None
    if cost is not None:
        words, most = cost.words(seen[0].instrument.quote), config.limits.max_round_cost_bps
        if most is not None and cost.bps > most:
            yield warning("cost", f"{words}, above max_round_cost", "nothing opens until spreads or fees are smaller")
        else:
            yield ok("cost", words)


def _cost_online(config: Config, flow: Flow, seen: Sequence[Seen]) -> ExpectedCost | None:
    instruments = {it.account.name: it.instrument for it in seen}
    if set(instruments) != {account.name for account in config.used_accounts}:
        return None
    accounts = {
        it.account.name: AccountPlan(
            it.account.name, it.account.venue, it.account.owner, it.instrument, it.capabilities, it.account.dedicated
        )
        for it in seen
    }
    setup = Setup(flow, config, {}, {}, None, seen[0].quote.mid, instruments)
    desk = Desk(plan_of(setup, accounts), run=1, chance=Chance(1))
    for it in seen:
        desk.books[it.account.venue, it.instrument.symbol] = it.quote
    return desk.view.expected_cost()


# --- the run


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run went; `desk` holds its books, `tally` its counts."""

    exit_code: int
    ending: str
    number: int
    desk: Desk
    tally: Tally
    seconds: Decimal  # of the run's own clock


def perform_run(setup: Setup, options: Options, screen: Screen) -> Ran:
    """Run to the end, or as far as signals let it. Raises: EngineError for journal, run number and outputs."""
    live = options.speed is not None
    prepared = prepare(setup.config, options.outputs, journal=options.journal, live=live, resolve=options.resolve)
    if not setup.listed:
        return _perform(setup, options, screen, prepared, Held())
    assert options.journal is not None

    with leases_of(setup.config, options.resolve, journal=options.journal) as leases:
        left = left_over(options.journal, setup.config, wall_ms=time.time_ns() // MS)
        carried = taken_over(left, setup.flow, may_leave=options.stop > 0)
        if left is not None:
            write_note(f"run {left.run} left something open, which goes first: {'; '.join(words_of(left))}")
        known = () if carried is None else [it.account for it in carried.held]
        spot = any(instrument.kind is MarketKind.SPOT for instrument in setup.listed.values())

        def check(held: Sequence[Position]) -> None:
            if carried is not None:
                check_carried(carried, setup.listed, held)
            if not (options.keep_positions or options.stop or spot):
                check_baseline(setup.config, held, known=known)

        return _perform(setup, options, screen, prepared, Held(carried, leases.lost, check))


@dataclass(frozen=True, slots=True)
class Held:
    """What a run at venues begins with: what earlier ones left, and whether it still owns its accounts."""

    carried: Carried | None = None
    lost: Callable[[], str] = lambda: ""
    check: Callable[[Sequence[Position]], None] = lambda _: None


def _perform(setup: Setup, options: Options, screen: Screen, prepared: Prepared, held: Held) -> Ran:
    limit = UINT32_RUNS if setup.listed else None
    journal, number = open_record(options.journal, Sync(setup.config.journal_sync), limit=limit)
    try:
        with asyncio.Runner(loop_factory=_loop_factory(setup, options)) as loop:
            return loop.run(_run(setup, options, screen, prepared, journal=journal, number=number, held=held))
    finally:
        journal.close()


def _loop_factory(setup: Setup, options: Options) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if options.speed is not None:
        return None
    if setup.axis is None:
        return VirtualLoop
    clock = VirtualClock(start_wall_ms=setup.axis.start_us // 1000)
    return lambda: VirtualLoop(clock)


def clock_of(loop: asyncio.AbstractEventLoop, speed: int | None) -> Clock:
    if isinstance(loop, VirtualLoop):
        return loop.clock
    return LiveClock(loop) if speed in (None, 1) else ScaledClock(loop, speed=speed or 1)


async def _run(
    setup: Setup, options: Options, screen: Screen, prepared: Prepared, *, journal: Journal, number: int, held: Held
) -> Ran:
    loop = asyncio.get_running_loop()
    clock = clock_of(loop, options.speed)
    pool: Pool | Clients
    if setup.listed:
        from cli.client_wiring import open_clients

        pool = open_clients(setup.config, setup.listed, clock=clock, seed=options.seed, resolve=options.resolve)
    else:
        pool = open_pool(
            setup, clock=clock, seed=options.seed, repeat=options.repeat, on_failure=lambda e: member.runner.fail(e)
        )
    with QuietRounds() as quiet_rounds:
        member = Member(
            setup, options, screen, prepared, clock=clock, pool=pool, journal=journal, number=number, held=held,
            first=quiet_rounds,
        )  # fmt: skip
        with StopSignals(loop, member.stop, on_suspend=screen.not_suspended if member.live else None):
            return await member.run()


def _dedup(clients: Mapping[str, BaseExchangeClient]) -> dict[str, int]:
    sizes = {name: client.remembered for name, client in clients.items()}
    return {name: size for name, size in sizes.items() if size is not None}


class Member:
    """One run of a process: its desk and runner, and what is told of it.

    `first` hears of everything before all others; `rates` are windows of accounts that runs share; `monitor` takes the
    lines of a hedger's fills and hedges.
    """

    def __init__(
        self, setup: Setup, options: Options, screen: Screen, prepared: Prepared, *, clock: Clock,
        pool: Pool | Clients, journal: Journal, number: int, held: Held, first: Sink | None = None,
        rates: Mapping[str, RateWindow] | None = None, monitor: LogFile | None = None,
    ) -> None:  # fmt: skip
        self.setup = setup
        self.live = options.speed is not None
        self.number = number
        self.screen = screen
        self._options = options
        self._clock = clock
        self._pool = pool
        self._journal = journal
        self.plan = plan = plan_of(setup, pool.accounts)
        chance = Chance(options.seed)
        self.desk = desk = Desk(plan, run=number, chance=chance)
        self.tally = tally = Tally(clock)
        self._outputs = outputs = Outputs(
            prepared, setup.config, desk, clock, run=number, decided_ns=lambda: self.runner.decided_ns,
            status=lambda: snapshot(desk, tally, pid=os.getpid(), journal=None),
            tell=lambda alert: self.runner.alert(alert), dedup=lambda: _dedup(pool.clients),
        )  # fmt: skip
        sinks: list[Sink] = [*([first] if first else []), tally.effect, screen.effect, *outputs.sinks]
        traces: list[Trace] = [
            *([tally.step] if self.live or outputs.traces else []), screen.step, *outputs.traces,
        ]  # fmt: skip
        self._monitor = (
            None if monitor is None else MonitorLog(monitor, desk, clock, tell=lambda text: self._lost(text))
        )
        if self._monitor is not None:
            traces.append(self._monitor.step)
        if setup.whole is not None:
            loop = asyncio.get_running_loop()
            traces.append(Growing(setup, lambda given: loop.call_soon(self.runner.handle, given)))
        if not self.live:
            endless = setup.axis is None or options.repeat
            sinks.append(Unattended(self.stop, clock, endless=endless, orders=lambda: desk.world.sequence))
        self.runner = Runner(
            desk, pool.clients, symbols={name: it.instrument.symbol for name, it in pool.accounts.items()}, clock=clock,
            watch=watch_of(plan), journal=journal, chance=chance, orders_per_minute=plan.limits.orders_per_minute,
            max_book_age_ns=plan.guards.max_book_age_ns, may_send=desk.objection,
            sinks=sinks, move_sinks=outputs.sinks,
            traces=traces,
            gaps=GapWatch() if self.live else None, flush_after_ns=FLUSH_AFTER_NS if self.live else 0,
            recovery=BY_COMMAND if setup.listed else RECOVERY, carried=held.carried, lost=held.lost,
            stop_at_once=options.stop, check_baseline=held.check,
            day=day_of(options.journal if options.speed == 1 else None, plan, clock, run=number),
            heard=plan.heard, rates=rates or {},
        )  # fmt: skip

    def stop(self, level: int) -> None:
        if not self._outputs.stopping(level) and self.screen.stopping(level):
            self.runner.stop(level)

    def _lost(self, text: str) -> None:
        self.runner.alert(Alert(Level.WARNING, "logs_lost", text, {}))

    def flush(self) -> None:
        """Write what the journal has of this run in memory."""
        self._journal.flush()

    async def run(self) -> Ran:
        """To its end. Raises: ExchangeError if the accounts cannot be connected and read."""
        setup, options, clock = self.setup, self._options, self._clock
        attendance = attended(self.desk, self.tally, self.screen, self.runner, journal=options.journal)
        async with self._outputs.running():  # before the journal says that a run has begun: a port may be taken
            start = run_start(
                self.plan, setup.config, number=self.number, seed=options.seed, speed=options.speed,
                wall_ms=clock.wall_ms(),
            )  # fmt: skip
            self._journal.run_started(start)
            self.screen.begin(self.desk, self.tally, run=self.number)
            self._pool.start(clock.now_ns())
            if setup.axis is not None and not options.repeat:
                _stop_before_the_end(setup.axis, clock, self.screen, self.stop)
            if self._monitor is not None:
                self._monitor.start()
            try:
                async with attendance if self.live else nullcontext():
                    exit_code = await self.runner.run()
            finally:
                if self._monitor is not None:
                    self._monitor.close()
        self._journal.run_ended(exit_code, clock.wall_ms())
        seconds = Decimal(clock.now_ns() - self.tally.start_ns) / S
        ending = self.runner.ending.text if self.runner.ending else ""
        return Ran(exit_code, ending, self.number, self.desk, self.tally, seconds)


class Growing:
    """A trace: gives the config's quantity once the first round is being closed, for the next may begin as it ends."""

    def __init__(self, setup: Setup, give: Callable[[Input], object]) -> None:
        self._setup = setup
        self._give = give
        self._done = False

    def __call__(self, seq: int, at_ns: int, given: Input, effects: Sequence[Effect]) -> None:
        if not self._done and any(isinstance(it, PlaceOrder) and it.purpose in _CLOSING for it in effects):
            self._done = True
            config = self._setup.config
            values = {**config.settings, "quantity": self._setup.whole}
            self._give(new_settings(self._setup.flow, values, config.limits, version=config.version))


_CLOSING = (Purpose.CLOSE, Purpose.CLEANUP)


class Unattended:
    """A sink for virtual time, which no person can follow.

    Calls for a person that go unheard end the run, step by step; on a market without an end so does an hour in which
    nothing may open, or a day without an order. `orders` counts those that were made.
    """

    def __init__(self, stop: Callable[[int], None], clock: Clock, *, endless: bool, orders: Callable[[], int]) -> None:
        self._stop = stop
        self._clock = clock
        self._endless = endless
        self._orders = orders
        if endless:
            clock.call_at(clock.now_ns() + STILL_NS, self._look_for_orders, orders())
        self._calls = 0
        self._opened = 0

    def __call__(self, effect: Effect) -> None:
        if isinstance(effect, RoundBegan):
            self._opened += 1
        elif isinstance(effect, Alert) and effect.level is Level.PERSON:
            self._calls += 1
            if self._calls % CALLS_UNHEARD == 0:
                self._stop(min(self._calls // CALLS_UNHEARD, 3))
        elif isinstance(effect, Alert) and effect.code == "not_opening" and self._endless:
            self._clock.call_at(self._clock.now_ns() + IDLE_NS, self._look, self._opened)

    def _look_for_orders(self, before: int) -> None:
        if before != self._orders():
            self._clock.call_at(self._clock.now_ns() + STILL_NS, self._look_for_orders, self._orders())
            return
        write_note("no order was made for a day of the run's own time, and this market has no end: stopping")
        self._stop(1)

    def _look(self, opened: int) -> None:
        if opened == self._opened:
            write_note("nothing has opened for an hour of the run's own time, and this market has no end: stopping")
            self._stop(1)


def plan_of(setup: Setup, accounts: Mapping[str, AccountPlan]) -> Plan:
    config = setup.config
    return Plan(
        flow=setup.flow, market=config.market, settings=config.settings, accounts=accounts, roles=config.roles,
        limits=config.limits, guards=config.guards,
    )  # fmt: skip


def watch_of(plan: Plan) -> MarketWatch:
    """Guards over the maker's book and those of everybody else; the maker is the role of one account.

    A maker alone sees in its own book what it takes on.
    """
    roles: Mapping[str, RoleSpec] = plan.flow.sections["accounts"].value  # type: ignore[assignment]
    maker = next(plan.roles[name][0] for name, role in roles.items() if not role.many)
    books = {name: (account.venue, account.instrument.symbol) for name, account in plan.accounts.items()}
    if maker in plan.heard:  # nobody trades there, and it has no quotes
        books = {name: book for name, book in books.items() if name not in plan.heard}
        maker = next(iter(books))
    quantity = plan.settings.get("quantity")
    hedges = [book for name, book in books.items() if name != maker]
    return MarketWatch(
        plan.guards, books[maker], hedges=hedges or [books[maker]],
        quantity=quantity if isinstance(quantity, Decimal) else Decimal(0),
    )  # fmt: skip


def _stop_before_the_end(axis: TimeAxis, clock: Clock, screen: Screen, stop: Callable[[int], None]) -> None:
    """Ask for an orderly end while recorded prices are left to close on; behind its end the last book stands still.

    Where that did not end the run, it is asked to flatten by market on that book.
    """
    span_ns = (axis.end_us - axis.start_us) * 1000
    lead_ns = min(END_LEAD_NS, span_ns // 10)

    def ends_soon() -> None:
        if not screen.level:
            screen.recording_ends(lead_ns)
            stop(1)

    clock.call_at(clock.now_ns() + span_ns - lead_ns, ends_soon)
    clock.call_at(clock.now_ns() + span_ns + END_LEAD_NS, stop, 2)
