"""From a flow and a config to a run that was checked, whole, before anything is written or sent: `Setup`.

Instruments come from the config on paper, from a recording's head, or from the venues themselves.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, Decimal
from pathlib import Path

from cli.budgets import Budgets
from cli.demo import demo_config
from cli.leftovers import with_guard_keys
from cli.live_gate import agreed, objections
from cli.locate import CannotUse, Source
from cli.options import VAULT
from cli.outputs import OutputOptions
from cli.resolve import Resolve, resolver
from cli.streams import write_note
from engine.chart.load import load_flow
from engine.chart.model import Finding, Flow, FlowError
from engine.chart.validate import check
from engine.runtime.clock import MS
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
from engine.runtime.hedger_json import JsonOptions
from engine.trading.effects import Purpose
from engine.trading.limits import smallest_order
from engine.trading.plan import AccountPlan, Plan, is_hedged, source_role
from engine.trading.sections import LegSpec
from engine.trading.vocabulary import trading_vocabulary
from exchanges.errors import MarketDataError
from exchanges.market import MarketQuote
from exchanges.recording import Recording, TimeAxis, common_axis, infer_instrument
from exchanges.synthetic import demo_instrument
from exchanges.types import Instrument, MarketKind

SPOT_STOCK = 20  # base balance and cash of paper spot accounts without one, in quantities: the default max_position
SYNTHETIC_PRICE = Decimal(2600)


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
    budgets: Budgets | None = None  # of the requests by which they were asked; the run goes on with them (S11)
    whole: Decimal | None = None  # the quantity after a first round with a smaller one
    others: tuple[Setup, ...] = ()  # of the other pairs of the config


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
    setups: list[Setup] = []
    for pair in counted.pairs:
        budgets = setups[0].budgets if setups else None
        setups.append(_setup_of_pair(flow, pair, options, demo=config is None, budgets=budgets))
    first, *others = setups
    setup = replace(first, others=tuple(others))
    if others and not listens(setup):
        raise CannotUse(
            f"{counted.file}: {len(counted.pairs)} pairs, and their venues are paper, which trade one market each;"
            " serve them: eagle venue serve bifu backpack, or name one pair"
        )
    return setup


def _setup_of_pair(flow: Flow, config: Config, options: Options, *, demo: bool, budgets: Budgets | None) -> Setup:
    if asked_venues(config):
        return _on_venues(flow, config, options, budgets=budgets)
    chosen = _with_markets(config, options)
    return _with_prices(flow, chosen, by_option=bool(options.markets), demo=demo)


def listens(setup: Setup) -> bool:
    """Does an account only listen, to a venue that lives without us (hedger)?"""
    return bool(setup.listed) and bool(source_role(setup.flow))


def _on_venues(flow: Flow, config: Config, options: Options, *, budgets: Budgets | None) -> Setup:
    """A run on venues that live without us: their instruments are asked for before anything is sent.

    With the `budgets` of another pair, what that one was told already is not asked for again.
    """
    others = [name for name in used_venues(config) if name not in asked_venues(config)]
    if others:
        raise CannotUse(f"{', '.join(others)} is paper, beside venues with prices of their own; use one or the other")
    if options.markets or options.repeat or options.speed != 1:
        raise CannotUse(
            "--market, --repeat and --speed are for paper venues; these have a market and a time of their own"
        )
    if options.journal is None:
        raise CannotUse("--journal off: at a venue every order needs an id that never comes back (S15); give a file")
    from cli.client_wiring import ask_venues  # its network libraries are of no use on paper

    listed = ask_venues(config, options.resolve, budgets=budgets)
    _refuse(instrument_findings(config, listed.instruments, price=listed.price))
    setup = Setup(flow, config, {}, {}, None, listed.price, listed.instruments, listed.budgets)
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


def recordings_of(config: Config, instruments: Mapping[str, Instrument]) -> dict[str, Recording]:
    return {
        name: Recording(Path(venue.market), instruments[name])
        for name, venue in used_venues(config).items()
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
        hedged = _opens(flow) and is_hedged(flow)
        found = objections(config, source, flow=flow, hedged=hedged, wall_ms=time.time_ns() // MS)
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
    used = used_venues(config)
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
    used = used_venues(config)
    instruments = {name: instrument_of(config, venue, renamed=by_option) for name, venue in used.items()}
    _refuse_mixed(instruments, synthetic=all(venue.market == SYNTHETIC for venue in used.values()))
    recordings = recordings_of(config, instruments)
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


def used_venues(config: Config) -> dict[str, VenueConfig]:
    return {account.venue: config.venues[account.venue] for account in config.used_accounts}


def instrument_of(config: Config, venue: VenueConfig, *, renamed: bool) -> Instrument:
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


def plan_of(setup: Setup, accounts: Mapping[str, AccountPlan]) -> Plan:
    config = setup.config
    return Plan(
        flow=setup.flow, market=config.market, settings=config.settings, accounts=accounts, roles=config.roles,
        limits=config.limits, guards=config.guards,
    )  # fmt: skip
