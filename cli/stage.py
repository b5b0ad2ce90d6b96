"""The real runner on paper venues of a proof's sizes, in virtual time: where a rehearsal takes place.

Runner, clients and venues are those of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from engine.chart.model import Flow
from engine.runtime.journal import NullJournal
from engine.runtime.ports import Draws, Trace
from engine.runtime.runner import Runner
from engine.trading.desk import Desk
from engine.trading.guards import MarketWatch
from engine.trading.plan import Plan, RoleSpec
from engine.verify.bounds import Bounds, plan_for
from exchanges.base import BaseExchangeClient
from exchanges.market import MarketQuote
from exchanges.matching import Depth
from exchanges.paper import PaperClient, PaperVenue
from exchanges.types import Clock, Rng

S = 1_000_000_000
CASH = Decimal(10**6)
BID, ASK, DEEP = 1000, 1003, 10_000  # ticks and lots of the one quote: an own order inside the spread is first
STEADY_NS = 10**6 * S  # no book grows old
PLENTY = 10_000  # requests a minute: no account spends them


@dataclass(frozen=True, slots=True)
class Stage:
    """By account: its venue, and the client that the runner has of it."""

    plan: Plan
    venues: Mapping[str, PaperVenue]
    clients: Mapping[str, BaseExchangeClient]
    desk: Desk
    runner: Runner

    def open_at_venues(self) -> Decimal:
        """What the venues' positions add up to."""
        books = [venue.ledger() for venue in self.venues.values()]
        held = [qty for book in books for account in book.values() for qty in account.positions.values()]
        return sum(held, Decimal(0))


def set_stage(
    flow: Flow, bounds: Bounds, *, clock: Clock, chance: Mapping[str, Rng], drawn: Draws, latency_ns: int,
    stand_between: Callable[[PaperClient], BaseExchangeClient], traces: Sequence[Trace],
) -> Stage:  # fmt: skip
    """Nothing has begun. `latency_ns` is that of a request and of a frame; `stand_between` makes the runner's client;
    `drawn` tells what `chance` was asked for.

    Raises: FlowError where the settings do not fit the flow.
    """
    plan = _steady(plan_for(flow, bounds))
    venues = {name: _venue(plan, name, clock, latency_ns) for name in plan.accounts}
    clients = {name: stand_between(venue.open_account(name, cash=CASH)) for name, venue in venues.items()}
    accounts = {name: replace(spec, capabilities=clients[name].capabilities) for name, spec in plan.accounts.items()}
    plan = replace(plan, accounts=accounts)
    desk = Desk(plan, run=1, chance=chance)
    runner = Runner(
        desk, clients, symbols={name: spec.instrument.symbol for name, spec in accounts.items()}, clock=clock,
        watch=_watch(plan), journal=NullJournal(), chance=drawn, orders_per_minute=PLENTY, max_book_age_ns=STEADY_NS,
        may_send=desk.objection, traces=traces,
    )  # fmt: skip
    return Stage(plan, venues, clients, desk, runner)


def _venue(plan: Plan, name: str, clock: Clock, latency_ns: int) -> PaperVenue:
    spec = plan.accounts[name]
    symbol = spec.instrument.symbol
    return PaperVenue(
        spec.venue, [spec.instrument], sources={symbol: iter([MarketQuote(0, BID, DEEP, ASK, DEEP)])}, clock=clock,
        order_latency_ns=latency_ns, feed_latency_ns=latency_ns, depth=Depth(levels=0),
    )  # fmt: skip


def _steady(plan: Plan) -> Plan:
    guards = replace(plan.guards, max_book_age_ns=STEADY_NS, spread_bps=Decimal(10_000))
    return replace(plan, guards=guards, limits=replace(plan.limits, orders_per_minute=PLENTY))


def _watch(plan: Plan) -> MarketWatch:
    roles: Mapping[str, RoleSpec] = plan.flow.sections["accounts"].value  # type: ignore[assignment]
    maker = next(plan.roles[name][0] for name, role in roles.items() if not role.many)
    books = {name: (spec.venue, spec.instrument.symbol) for name, spec in plan.accounts.items()}
    hedges = [book for name, book in books.items() if name != maker] or [books[maker]]
    return MarketWatch(plan.guards, books[maker], hedges=hedges, quantity=Decimal(1))
