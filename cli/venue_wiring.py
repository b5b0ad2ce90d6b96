"""From `eagle venue serve`'s options to venues on sockets: the only file of the command line that knows the models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, Decimal
from pathlib import Path

from cli.fault_plan import load_fault_plan
from cli.locate import CannotUse, read_source
from cli.private_file import write_private
from cli.streams import write_note, write_result
from engine.runtime.chance import Stream
from engine.runtime.clock import LiveClock
from engine.runtime.credentials import NUMBERS
from engine.runtime.signals import StopSignals
from exchanges.errors import MarketDataError
from exchanges.market import MarketQuote, MarketSource
from exchanges.recording import Recording, common_axis, infer_instrument
from exchanges.synthetic import SyntheticMarket, demo_instrument
from exchanges.types import Clock, Instrument, MarketKind
from exchanges.venues.backpack.demo import backpack_credentials, backpack_symbol, open_backpack, open_simulated
from exchanges.venues.bifu.demo import bifu_credentials, bifu_symbol, open_bifu
from exchanges.venues.bifu.maker import MakerOptions as MakerOptions
from exchanges.venues.bifu.maker import MarketMaker
from exchanges.venues.binance.demo import FIRST_ORDER_ID as FIRST_BINANCE_ID
from exchanges.venues.binance.demo import binance_credentials, binance_instrument, open_binance
from exchanges.venues.exchange import Exchange
from exchanges.venues.faults import FaultPlan, Faults
from exchanges.venues.ledger_page import PATH, ledger_page
from exchanges.venues.lighter.demo import lighter_credentials, lighter_instrument, open_lighter
from exchanges.venues.lighter.model import FIRST_ORDER_ID
from exchanges.venues.lighter.state import LighterOptions
from exchanges.venues.local import LocalVenue
from exchanges.venues.okx.demo import okx_credentials, okx_instrument, open_okx
from exchanges.venues.seam import Reply
from exchanges.venues.server import CannotServe, VenueServer

OWNER = "me"
DEMO_SYMBOL = demo_instrument("").symbol
QUANTITY, WORTH = Decimal("0.01"), Decimal(26)  # of the printed config
QUOTED_AFTER_NS = 500_000_000  # the first quotes are there, and a client has read a first balance or not
HEDGER_LIMITS = {
    "max_order": 20,
    "max_position": 1_000,
    "max_gross": 2_000,
    "max_net": 1_000,
    "unhedged_soft": 100,
    "unhedged_hard": 500,
}  # of a printed config, in its least hedges
FEW_REQUESTS = (
    "# Lighter's standard accounts have 60 requests a minute, too few for the flow's own times: serve it with",
    "# --tier premium for `validate --online`, or add limits: {orders_per_minute: 60} and to the settings",
    "# order_timeout: 6s, hold: 3s..5s.",
)
BASE_STOCK = Decimal(20)  # of the base asset on spot markets, so that accounts can sell


@dataclass(frozen=True, slots=True)
class Kind:
    """One protocol: how its model is opened, and what a client of ours writes into a config.

    `open` and `instrument` take the tier, which only some venues have. `instrument` gives a market its name and fees on
    the venue, `credentials` an account's secrets by field. With `one_owner` all accounts are of one user, as far as the
    venue is concerned. `open_simulated` opens a model that wants stand-ins of signatures, where it is not `open`.
    """

    open: Callable[[Exchange, Faults, str], LocalVenue]
    instrument: Callable[[Instrument, str], Instrument]
    credentials: Callable[[Exchange, str], Mapping[str, str]]
    stream_path: str = ""
    first_order_id: int = 1  # 0: of the time at which the venue starts, so that ids never come back
    one_owner: bool = False
    by_product: bool = False  # one symbol names a market of spot and another one of futures
    open_simulated: Callable[[Exchange, Faults], LocalVenue] | None = None
    source: bool = False  # its first account makes a market, and is there to be hedged elsewhere


KINDS: Mapping[str, Kind] = {
    "backpack": Kind(
        lambda exchange, faults, _: open_backpack(exchange, faults),
        lambda plain, _: backpack_symbol(plain),
        backpack_credentials,
        open_simulated=open_simulated,
    ),
    "lighter": Kind(
        lambda exchange, faults, tier: open_lighter(exchange, faults, LighterOptions(tier=tier)),
        lambda plain, tier: lighter_instrument(plain, tier=tier),
        lighter_credentials,
        stream_path="/stream",
        first_order_id=FIRST_ORDER_ID,
        one_owner=True,
    ),
    "bifu": Kind(
        lambda exchange, faults, _: open_bifu(exchange, faults),
        lambda plain, _: bifu_symbol(plain, recorded=plain.symbol != DEMO_SYMBOL),
        bifu_credentials,
        first_order_id=0,
        source=True,
    ),
    "okx": Kind(
        lambda exchange, faults, _: open_okx(exchange, faults),
        lambda plain, _: okx_instrument(plain),
        okx_credentials,
        stream_path="/ws/v5",
    ),
    "binance": Kind(
        lambda exchange, faults, _: open_binance(exchange, faults),
        lambda plain, _: binance_instrument(plain),
        binance_credentials,
        first_order_id=FIRST_BINANCE_ID,
        by_product=True,
    ),
}
IDS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """`kinds` and `markets` by venue; the market of "" is that of every venue without its own."""

    kinds: Mapping[str, str]
    port: int
    accounts: Mapping[str, str]
    markets: Mapping[str, str]
    plan: str | None
    keys: str
    seed: int
    tier: str
    speed: int
    one_user: bool = False
    also: Mapping[str, Decimal] = field(default_factory=dict)  # more made-up markets: coin -> first price
    maker: MakerOptions = field(default_factory=MakerOptions)


@dataclass(slots=True)
class Served:
    """One venue that runs."""

    name: str
    kind: str
    exchange: Exchange
    model: LocalVenue
    faults: Faults
    server: VenueServer
    port: int = 0
    maker: MarketMaker | None = None

    def admin(self, path: str) -> Reply | None:
        return ledger_page(self.exchange, kind=self.kind, faults=self.faults.played) if path == PATH else None


def serve(options: ServeOptions) -> int:
    """Until a signal. Raises: CannotUse, FlowError for the fault plan, MarketDataError."""
    return asyncio.run(_serve(options, _plan(options)))


def _plan(options: ServeOptions) -> FaultPlan:
    if options.plan is None:
        return FaultPlan()
    return load_fault_plan(read_source(options.plan), venues=dict.fromkeys(options.kinds, tuple(options.accounts)))


async def _serve(options: ServeOptions, plan: FaultPlan) -> int:
    loop, over, failures = asyncio.get_running_loop(), asyncio.Event(), list[MarketDataError]()

    def fail(error: MarketDataError) -> None:
        failures.append(error)
        over.set()

    with StopSignals(loop, lambda _: over.set()):
        async with opened_venues(options, plan=plan, on_failure=fail) as served:
            write_result(config_of(served, options))
            write_note("serving on this machine only; Ctrl-C ends it")
            await over.wait()
    for each in served:
        ledger = each.exchange.ledger
        faults = f", {each.faults.count} faults played" if each.faults.rules else ""
        write_note(f"{each.name}: {len(ledger.orders)} orders, {len(ledger.fills)} fills{faults}")
    if failures:
        raise failures[0]
    return 0


@asynccontextmanager
async def opened_venues(
    options: ServeOptions, *, plan: FaultPlan | None = None, on_failure: Callable[[MarketDataError], None] | None = None
) -> AsyncIterator[list[Served]]:
    """The venues of these options, on the running loop, while entered. Raises: CannotUse, MarketDataError."""
    clock = LiveClock(asyncio.get_running_loop())
    fail = on_failure or _raised
    instruments = {name: _instrument(options, name) for name in options.kinds}
    if len({instrument.market for instrument in instruments.values()}) > 1:
        raise CannotUse("--market: the venues would trade different coins; use recordings of one")
    if {instrument.base for instrument in instruments.values()} & set(options.also):
        raise CannotUse("--also: the venues trade this coin already; name another one")
    sources = _sources(options, instruments)
    served = [
        _open(
            options, name, [(instruments[name], sources[name]), *_more(options, name, instruments[name])],
            plan=plan or FaultPlan(), clock=clock, on_failure=fail,
        )
        for name in options.kinds
    ]  # fmt: skip
    try:
        for number, each in enumerate(served):
            each.port = await each.server.start(port=options.port + number if options.port else 0)
            each.model.start()
            if each.maker is not None:
                clock.call_at(clock.now_ns() + QUOTED_AFTER_NS, each.maker.start)
        yield served
    except CannotServe as error:
        raise CannotUse(f"--port: {error}") from error
    finally:
        for each in served:
            await each.server.stop()


def _raised(error: MarketDataError) -> None:
    raise error


def _open(
    options: ServeOptions, name: str, markets: list[tuple[Instrument, MarketSource]], *, plan: FaultPlan, clock: Clock,
    on_failure: Callable[[MarketDataError], None],
) -> Served:  # fmt: skip
    kind, instruments = options.kinds[name], [instrument for instrument, _ in markets]
    exchange = Exchange(
        name, instruments, sources={instrument.symbol: source for instrument, source in markets}, clock=clock,
        first_order_id=KINDS[kind].first_order_id or clock.wall_ms() * IDS_PER_MS, on_failure=on_failure,
    )  # fmt: skip
    one_user = options.one_user or KINDS[kind].one_owner
    for account, cash in options.accounts.items():
        base = {it.symbol: BASE_STOCK for it in instruments if it.kind is MarketKind.SPOT}
        exchange.open_account(account, cash=Decimal(cash), base=base, owner=OWNER if one_user else None)
    faults = Faults(plan, venue=name, clock=clock, rng_of=lambda purpose: Stream(options.seed, purpose))
    model = KINDS[kind].open(exchange, faults, options.tier)
    served = Served(name, kind, exchange, model, faults, VenueServer(model))
    served.server = VenueServer(model, admin=served.admin)
    if KINDS[kind].source:
        maker = next(iter(exchange.accounts.values()))
        made = list(exchange.markets.values())
        served.maker = MarketMaker(exchange, maker, made, Stream(options.seed, "maker"), options.maker, faults)
    return served


# -- markets -----------------------------------------------------------------------------------------------------


def _prefix(options: ServeOptions, name: str) -> str | None:
    return options.markets.get(name) or options.markets.get("")


def _instrument(options: ServeOptions, name: str) -> Instrument:
    prefix = _prefix(options, name)
    plain = (
        demo_instrument(name)
        if prefix is None
        else infer_instrument(Path(prefix), venue=name, market="")
    )  # fmt: skip
    market = _market_name(options, plain.base, plain)
    return KINDS[options.kinds[name]].instrument(replace(plain, market=market), options.tier)


def _market_name(options: ServeOptions, coin: str, like: Instrument) -> str:
    """Our name of a market; the coin's where a source is hedged elsewhere, as its kind there may be another one."""
    if any(KINDS[kind].source for kind in options.kinds.values()):
        return coin
    return f"{coin}-{like.quote if like.kind is MarketKind.SPOT else 'PERP'}"


def _more(options: ServeOptions, name: str, like: Instrument) -> list[tuple[Instrument, MarketSource]]:
    """The made-up markets of `--also`, alike on all venues, of the kind of the venue's first one."""
    found: list[tuple[Instrument, MarketSource]] = []
    for coin, price in options.also.items():
        market = _market_name(options, coin, like)
        plain = replace(demo_instrument(name), base=coin, market=market, kind=like.kind)
        instrument = KINDS[options.kinds[name]].instrument(plain, options.tier)
        walk, flow = Stream(options.seed, f"walk/{coin}"), Stream(options.seed, f"flow/{name}/{coin}")
        made_up = replace(SyntheticMarket(), start_ticks=max(100, int(price / instrument.tick)))
        events = made_up.events(walk=walk, flow=flow)
        found.append((instrument, (it._replace(offset_ns=it.offset_ns // options.speed) for it in events)))
    return found


def _sources(options: ServeOptions, instruments: Mapping[str, Instrument]) -> dict[str, MarketSource]:
    """Recordings start together and repeat together; made-up markets walk alike, in sizes and trades of their own."""
    prefixes = {name: Path(prefix) for name in options.kinds if (prefix := _prefix(options, name)) is not None}
    axis = common_axis(prefixes.values()) if prefixes else None
    sources: dict[str, MarketSource] = {}
    for name, instrument in instruments.items():
        if name in prefixes and axis is not None:
            source = Recording(prefixes[name], instrument).events(axis, passes=None)
        else:
            walk, flow = Stream(options.seed, "walk"), Stream(options.seed, f"flow/{name}")
            source = SyntheticMarket().events(walk=walk, flow=flow)
        sources[name] = (event._replace(offset_ns=event.offset_ns // options.speed) for event in source)
    return sources


# -- what a user pastes ------------------------------------------------------------------------------------------


def config_of(served: list[Served], options: ServeOptions) -> str:
    """A config that runs on these venues. It holds no keys; they lie in files of their own."""
    symbols: dict[str, list[str]] = {}
    for each in served:
        for it in each.exchange.markets.values():
            symbols.setdefault(it.instrument.market, []).append(f"{each.name}: {it.instrument.symbol}")
    first, hedger = next(iter(symbols)), any(KINDS[each.kind].source for each in served)
    alone, kinds = hedger and len(symbols) == 1, {each.kind for each in served}
    lines = [
        *(
            f"# {each.name}: a local {each.kind} on http://127.0.0.1:{each.port}, its ledger at {PATH}"
            for each in served
        ),
        "# eagle run --live --config THIS_FILE trades on them, without money; the keys are good for nothing else.",
        *(FEW_REQUESTS if not hedger and options.tier == "standard" and "lighter" in kinds else ()),
        "version: 1",
        *(["flow: hedger"] if hedger else []),
        *(_pair_lines(served, options) if hedger and len(symbols) > 1 else [f"market: {first}"]),
        "markets:",
        *(f"  {market}: {{{', '.join(names)}}}" for market, names in symbols.items()),
        "venues:",
        *(_venue_line(each) for each in served),
        "accounts:",
        *(line for each in served for line in _account_lines(each, options, alone=len(served) == 1)),
        *(_hedger_lines(served) if hedger else _use_lines(served)),
        *(["settings:", f"  quantity: {_quantity(options, served[0])}"] if not hedger else []),
        *([f"{name}: {text}" for name, text in _sizes(_quantity(options, served[0])).items()] if alone else []),
    ]  # fmt: skip
    return "\n".join([*lines, "# end of the config"])


def _pair_lines(served: list[Served], options: ServeOptions) -> list[str]:
    """Each pair with sizes of its own: coins differ in price."""
    lines = ["pairs:"]
    for number, market in enumerate(served[0].exchange.markets.values()):
        spec = market.instrument
        quantity = _quantity(options, served[0]) if not number else _worth(options.also[spec.base], spec)
        sizes = ", ".join(f"{name}: {text}" for name, text in _sizes(quantity).items())
        lines.append(f"  {spec.market}: {{{sizes}}}")
    return lines


def _sizes(quantity: Decimal) -> dict[str, str]:
    """A hedger's least hedge and limits, for a rehearsal."""
    limits = ", ".join(f"{name}: {(quantity * times).normalize():f}" for name, times in HEDGER_LIMITS.items())
    return {"settings": f"{{min_qty: {quantity.normalize():f}, min_amt: 10}}", "limits": f"{{{limits}}}"}


def _hedger_lines(served: list[Served]) -> list[str]:
    """The market maker is heard, the others of the last venue hedge."""
    source, last = next(each for each in served if KINDS[each.kind].source), served[-1]
    maker, *_ = source.exchange.accounts
    _, *others = last.exchange.accounts
    hedgers = ", ".join(_name(last, account, len(served) == 1) for account in others)
    return ["use:", f"  source: {_name(source, maker, len(served) == 1)}", f"  hedgers: [{hedgers}]"]


def _venue_line(each: Served) -> str:
    url, path = f"127.0.0.1:{each.port}", KINDS[each.kind].stream_path
    spot = any(market.instrument.kind is MarketKind.SPOT for market in each.exchange.markets.values())
    product = ", product: spot" if spot and KINDS[each.kind].by_product else ""
    return f"  {each.name}: {{kind: {each.kind}, url: http://{url}, ws_url: ws://{url}{path}{product}}}"


def _account_lines(each: Served, options: ServeOptions, *, alone: bool) -> list[str]:
    lines = []
    for account in each.exchange.accounts:
        lines += [f"  - name: {_name(each, account, alone)}", f"    venue: {each.name}", f"    owner: {OWNER}"]
        lines += ["    credentials:"]
        for name, value in KINDS[each.kind].credentials(each.exchange, account).items():
            if name in NUMBERS:
                lines += [f"      {name}: {value}"]
                continue
            path = (Path(options.keys) / f"{each.name}-{account}-{name}").resolve()
            _write_key(path, value)
            lines += [f'      {name}: {{secret: "file:{path}"}}']
    return lines


def _name(each: Served, account: str, alone: bool) -> str:
    return account if alone else f"{account}-{each.name}"


def _use_lines(served: list[Served]) -> list[str]:
    """The first account of the first venue makes, the others of the last venue take."""
    first, last, alone = served[0], served[-1], len(served) == 1
    makers, takers = list(first.exchange.accounts)[:1], list(last.exchange.accounts)[1:] or list(last.exchange.accounts)
    named = ", ".join(_name(last, account, alone) for account in takers)
    lines = ["use:", f"  maker: {_name(first, makers[0], alone)}", f"  takers: [{named}]"]
    if first is last:
        lines += ["acknowledge:", f"  same_owner_same_market: {{{first.name}: a rehearsal on a local venue}}"]
    return lines


def _quantity(options: ServeOptions, each: Served) -> Decimal:
    """Worth about 26 quote units in the made-up market; on a recording as near to it as whole lots come."""
    prefix, market = _prefix(options, each.name), next(iter(each.exchange.markets.values()))
    spec = market.instrument
    if prefix is None:
        return QUANTITY
    events = Recording(Path(prefix), spec).events(common_axis([Path(prefix)]))
    quote = next(event for event in events if isinstance(event, MarketQuote))
    return _worth(quote.ask * spec.tick, spec)


def _worth(price: Decimal, spec: Instrument) -> Decimal:
    """About WORTH, in whole lots."""
    lots = (WORTH / price / spec.lot).to_integral_value(ROUND_CEILING)
    return max(lots * spec.lot, spec.min_qty)


def _write_key(path: Path, value: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise CannotUse(f"--keys: {path.parent} cannot be made ({error.strerror}); name another folder") from error
    write_private(path, value + "\n", replace=True)
