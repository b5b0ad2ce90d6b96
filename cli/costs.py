"""What a round and a day are expected to cost (S10): on paper, or by what the venues say now. Nothing is traded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cli.examined import Examined, ok, warning
from cli.online import Seen, ask_all, ask_guards, judge
from cli.paper_pool import open_pool, source_of
from cli.resolve import Resolve
from cli.setups import SYNTHETIC_PRICE, Setup, instrument_of, plan_of, recordings_of, used_venues
from engine.chart.model import Finding, Flow
from engine.runtime.chance import Chance
from engine.runtime.clock import VirtualClock
from engine.runtime.config import (
    Config,
    asked_venues,
    instrument_findings,
)
from engine.trading.desk import Desk
from engine.trading.limits import ExpectedCost
from engine.trading.plan import AccountPlan, source_role
from exchanges.market import MarketQuote
from exchanges.recording import TimeAxis
from exchanges.types import Quote

WHOLE = TimeAxis(0, 1 << 62)  # of a recording, wherever in time it lies


def on_paper(config: Config, flow: Flow) -> tuple[list[Finding], str]:
    """What a config is against its venues' instruments, and what a round will cost; empty where a venue must be asked.

    Of a recording only the head is read. Raises: FlowError for one that cannot be used.
    """
    if asked_venues(config):
        return [], ""
    instruments = {name: instrument_of(config, venue, renamed=False) for name, venue in used_venues(config).items()}
    by_account = {account.name: instruments[account.venue] for account in config.used_accounts}
    found = instrument_findings(config, by_account)
    if found:
        return found, ""
    cost = expected_cost(Setup(flow, config, instruments, recordings_of(config, instruments), WHOLE, SYNTHETIC_PRICE))
    return [], "" if cost is None else cost.words(next(iter(by_account.values())).quote)


def expected_cost(setup: Setup, *, seed: int = 1) -> ExpectedCost | None:
    """What a round and a day cost on a run's first books (S10), as it will tell itself; None for an unhedged flow."""

    def unreachable(error: Exception) -> None:
        raise error

    pool = open_pool(setup, clock=VirtualClock(), seed=seed, repeat=False, on_failure=unreachable)
    desk = Desk(plan_of(setup, pool.accounts), run=1, chance=Chance(seed))
    for name, instrument in setup.instruments.items():
        first = next(it for it in source_of(setup, name, seed=seed, repeat=False) if isinstance(it, MarketQuote))
        desk.books[name, instrument.symbol] = Quote(
            name, instrument.symbol, first.bid * instrument.tick, first.bid_lots * instrument.lot,
            first.ask * instrument.tick, first.ask_lots * instrument.lot, recv_ns=0, venue_ms=0,
        )  # fmt: skip
    return desk.view.expected_cost()


def examine_online(config: Config, flow: Flow, resolve: Resolve) -> Iterator[Examined]:
    """What the venues of a config say of its accounts, judged, and what a round costs there now; nothing is traded.

    Of several pairs each is asked for, and named in what is told of it.
    """
    for pair in config.pairs:
        named = f"{pair.market}: " if config.others else ""
        yield from (replace(it, found=f"{named}{it.found}") for it in _examined(pair, flow, resolve))


def _examined(config: Config, flow: Flow, resolve: Resolve) -> Iterator[Examined]:
    heard = frozenset(config.roles.get(source_role(flow), ()))
    seen, wrong = ask_all(config, heard, resolve)
    yield from wrong
    yield from judge(config, seen)
    yield from ask_guards(config, resolve)
    cost = _cost_online(config, flow, seen) if not wrong and seen and not heard else None
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
