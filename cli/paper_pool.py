"""The paper venues of a run and their accounts, on one clock: made-up markets or recorded ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from cli.setups import Setup, used_venues
from engine.runtime.chance import Stream
from engine.trading.plan import AccountPlan
from exchanges.market import MarketSource
from exchanges.matching import Depth
from exchanges.paper import PaperClient, PaperVenue
from exchanges.reads import Reads
from exchanges.synthetic import SyntheticMarket
from exchanges.types import Clock, Instrument

SYNTHETIC_TICK, SYNTHETIC_LOT = Decimal("0.01"), Decimal("0.0001")  # what the parameters of SyntheticMarket count in


@dataclass(frozen=True, slots=True)
class Pool:
    venues: tuple[PaperVenue, ...]
    clients: Mapping[str, PaperClient]
    accounts: Mapping[str, AccountPlan]
    reads: Reads = field(default_factory=Reads)  # none: nothing comes by a socket

    def start(self, at_ns: int) -> None:
        for venue in self.venues:
            venue.start(at_ns=at_ns)


def open_pool(setup: Setup, *, clock: Clock, seed: int, repeat: bool, on_failure: Callable[[Exception], None]) -> Pool:
    """All venues and accounts of a run, on one clock."""
    config, venues = setup.config, {}
    for name, venue in used_venues(config).items():
        instrument, depth = setup.instruments[name], venue.depth
        venues[name] = PaperVenue(
            name, [instrument], clock=clock,
            sources={instrument.symbol: source_of(setup, name, seed=seed, repeat=repeat)},
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


def source_of(setup: Setup, venue: str, *, seed: int, repeat: bool) -> MarketSource:
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
