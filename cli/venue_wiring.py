"""From `eagle venue serve`'s options to venues on sockets: the only file of the command line that knows the models."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from cli.fault_plan import load_fault_plan
from cli.locate import CannotUse, read_source
from cli.private_file import write_private
from cli.streams import write_note, write_result
from engine.runtime.chance import Stream
from engine.runtime.clock import LiveClock
from engine.runtime.signals import StopSignals
from exchanges.errors import MarketDataError
from exchanges.market import MarketSource
from exchanges.recording import Recording, common_axis, infer_instrument
from exchanges.synthetic import SyntheticMarket, demo_instrument
from exchanges.types import Clock, Instrument, MarketKind
from exchanges.venues.backpack.demo import backpack_credentials, backpack_symbol, open_backpack
from exchanges.venues.exchange import Exchange
from exchanges.venues.faults import FaultPlan, Faults
from exchanges.venues.ledger_page import PATH, ledger_page
from exchanges.venues.lighter.demo import lighter_credentials, lighter_instrument, open_lighter
from exchanges.venues.lighter.model import FIRST_ORDER_ID
from exchanges.venues.lighter.state import LighterOptions
from exchanges.venues.local import LocalVenue
from exchanges.venues.seam import Reply
from exchanges.venues.server import CannotServe, VenueServer

BASE_STOCK = Decimal(20)  # of the base asset on spot markets, so that accounts can sell


@dataclass(frozen=True, slots=True)
class Kind:
    """One protocol: how its model is opened, and what a client of ours writes into a config.

    `open` and `instrument` take the tier, which only some venues have. `instrument` gives a market its name and fees on
    the venue, `credentials` an account's secrets by field.
    """

    open: Callable[[Exchange, Faults, str], LocalVenue]
    instrument: Callable[[Instrument, str], Instrument]
    credentials: Callable[[Exchange, str], Mapping[str, str]]
    stream_path: str = ""
    first_order_id: int = 1


KINDS: Mapping[str, Kind] = {
    "backpack": Kind(
        lambda exchange, faults, _: open_backpack(exchange, faults),
        lambda plain, _: backpack_symbol(plain),
        backpack_credentials,
    ),
    "lighter": Kind(
        lambda exchange, faults, tier: open_lighter(exchange, faults, LighterOptions(tier=tier)),
        lambda plain, tier: lighter_instrument(plain, tier=tier),
        lighter_credentials,
        stream_path="/stream",
        first_order_id=FIRST_ORDER_ID,
    ),
}


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
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    clock, failures = LiveClock(loop), list[MarketDataError]()

    def fail(error: MarketDataError) -> None:
        failures.append(error)
        over.set()

    instruments = {name: _instrument(options, name) for name in options.kinds}
    sources = _sources(options, instruments)
    served = [
        _open(options, name, instruments[name], sources[name], plan=plan, clock=clock, on_failure=fail)
        for name in options.kinds
    ]
    with StopSignals(loop, lambda _: over.set()):
        try:
            for number, each in enumerate(served):
                each.port = await each.server.start(port=options.port + number if options.port else 0)
                each.model.start()
            write_result(_config_text(served, options))
            write_note("serving on this machine only; Ctrl-C ends it")
            await over.wait()
        except CannotServe as error:
            raise CannotUse(f"--port: {error}") from error
        finally:
            for each in served:
                await each.server.stop()
    for each in served:
        ledger = each.exchange.ledger
        faults = f", {each.faults.count} faults played" if each.faults.rules else ""
        write_note(f"{each.name}: {len(ledger.orders)} orders, {len(ledger.fills)} fills{faults}")
    if failures:
        raise failures[0]
    return 0


def _open(
    options: ServeOptions, name: str, instrument: Instrument, source: MarketSource, *, plan: FaultPlan, clock: Clock,
    on_failure: Callable[[MarketDataError], None],
) -> Served:  # fmt: skip
    kind = options.kinds[name]
    exchange = Exchange(
        name, [instrument], sources={instrument.symbol: source}, clock=clock,
        first_order_id=KINDS[kind].first_order_id, on_failure=on_failure,
    )  # fmt: skip
    for account, cash in options.accounts.items():
        base = {instrument.symbol: BASE_STOCK} if instrument.kind is MarketKind.SPOT else None
        exchange.open_account(account, cash=Decimal(cash), base=base)
    faults = Faults(plan, venue=name, clock=clock, rng_of=lambda purpose: Stream(options.seed, purpose))
    model = KINDS[kind].open(exchange, faults, options.tier)
    served = Served(name, kind, exchange, model, faults, VenueServer(model))
    served.server = VenueServer(model, admin=served.admin)
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
    market = f"{plain.base}-{plain.quote if plain.kind is MarketKind.SPOT else 'PERP'}"
    return KINDS[options.kinds[name]].instrument(replace(plain, market=market), options.tier)


def _sources(options: ServeOptions, instruments: Mapping[str, Instrument]) -> dict[str, MarketSource]:
    """Recordings start together and repeat together; made-up markets walk alike, in sizes and trades of their own."""
    prefixes = {name: Path(prefix) for name in options.kinds if (prefix := _prefix(options, name)) is not None}
    axis = common_axis(prefixes.values()) if prefixes else None
    sources: dict[str, MarketSource] = {}
    for name, instrument in instruments.items():
        if name in prefixes and axis is not None:
            sources[name] = Recording(prefixes[name], instrument).events(axis, passes=None)
        else:
            walk, flow = Stream(options.seed, "walk"), Stream(options.seed, f"flow/{name}")
            sources[name] = SyntheticMarket().events(walk=walk, flow=flow)
    return sources


# -- what a user pastes ------------------------------------------------------------------------------------------


def _config_text(served: list[Served], options: ServeOptions) -> str:
    """The venues and accounts as a config has them; keys lie in files of their own, as a config holds none."""
    lines = []
    for each in served:
        url = f"127.0.0.1:{each.port}"
        lines += [f"# {each.name}: a local {each.kind} on http://{url}, its ledger at http://{url}{PATH}"]
    lines += ["venues:"]
    for each in served:
        url, path = f"127.0.0.1:{each.port}", KINDS[each.kind].stream_path
        lines += [f"  {each.name}: {{kind: {each.kind}, url: http://{url}, ws_url: ws://{url}{path}}}"]
    lines += ["accounts: # demo keys, which are good for nothing but this"]
    for each in served:
        for account in each.exchange.accounts:
            name = account if len(served) == 1 else f"{account}-{each.name}"
            lines += [f"  - name: {name}", f"    venue: {each.name}", "    owner: me", "    credentials:"]
            for field, value in KINDS[each.kind].credentials(each.exchange, account).items():
                file = Path(options.keys) / f"{each.name}-{account}-{field}"
                _write_key(file, value)
                lines += [f'      {field}: {{secret: "file:{file}"}}']
    return "\n".join([*lines, "# end of the config"])


def _write_key(path: Path, value: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise CannotUse(f"--keys: {path.parent} cannot be made ({error.strerror}); name another folder") from error
    write_private(path, value + "\n", replace=True)
