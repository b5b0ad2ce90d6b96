"""`eagle validate --online`: asks the venues of a config what they say, judges it, and trades nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations

from cli.client_wiring import clients_to_ask
from cli.examined import Examined, failed, ok, warning
from cli.leftovers import with_guard_keys
from cli.locate import CannotUse
from cli.resolve import Resolve
from engine.errors import SecretUnreadable
from engine.runtime.clock import LiveClock
from engine.runtime.config import AccountConfig, Config, instrument_findings
from engine.trading.limits import requests_per_minute
from exchanges.errors import AuthFailed, ExchangeError, RateLimited, Rejected
from exchanges.types import AccountFacts, Capabilities, Instrument, Margin, Quote

APART_MOST = Decimal("0.01")  # of the price: two venues of one market further apart trade two different things
SKEW_WARN_MS = 500
BPS = 10_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What a venue said of one account. One that is only listened to (hedger) has no margin: its money is not ours."""

    account: AccountConfig
    capabilities: Capabilities
    instrument: Instrument
    quote: Quote
    margin: Margin | None
    position: Decimal
    orders: int  # open ones in this market
    facts: AccountFacts


def ask_all(config: Config, heard: frozenset[str], resolve: Resolve) -> tuple[list[Seen], list[Examined]]:
    """What the venues say of every account that is used, and what went wrong on the way. Accounts that are only `heard`
    are asked for what their adapter needs to listen: what they hold and have open is their owner's.
    """
    return asyncio.run(_ask_all(config, heard, resolve))


async def _ask_all(config: Config, heard: frozenset[str], resolve: Resolve) -> tuple[list[Seen], list[Examined]]:
    clock = LiveClock(asyncio.get_running_loop())
    seen: list[Seen] = []
    wrong: list[Examined] = []
    for account, make in clients_to_ask(config, clock=clock, resolve=resolve):
        symbol = config.symbols[account.venue]
        try:
            client = make()
        except (CannotUse, SecretUnreadable) as error:
            wrong.append(failed(account.name, str(error), "eagle vault test --config follows every reference"))
            continue
        try:
            facts = await client.get_account_facts(symbol)
            instrument = await client.get_contract_attributes(symbol)
            quote = await client.fetch_bbo_prices(symbol)
            orders = len(await client.get_active_orders(symbol))  # of a source as well: that its key is accepted
            margin, held = None, Decimal(0)
            if account.name not in heard:
                margin = await client.get_margin()
                held = sum((it.qty for it in await client.get_account_positions() if it.symbol == symbol), held)
        except ExchangeError as error:
            wrong.append(failed(account.name, f"{account.venue}: {error}", _advice(error)))
        else:
            seen.append(Seen(account, client.capabilities, instrument, quote, margin, held, orders, facts))
        finally:
            await client.disconnect()
    return seen, wrong


def ask_guards(config: Config, resolve: Resolve) -> list[Examined]:
    """Are the keys that are a guard's own (S13) accepted? When it needs them nobody is there to mend them."""
    return asyncio.run(_ask_guards(config, resolve))


async def _ask_guards(config: Config, resolve: Resolve) -> list[Examined]:
    clock = LiveClock(asyncio.get_running_loop())
    told: list[Examined] = []
    for account, make in clients_to_ask(with_guard_keys(config), clock=clock, resolve=resolve):
        if not account.guard_credentials:
            continue
        name = f"guard of {account.name}"
        try:
            client = make()
        except (CannotUse, SecretUnreadable) as error:
            told.append(failed(name, str(error), "eagle vault test --config follows every reference"))
            continue
        try:
            facts = await client.get_account_facts(config.symbols[account.venue])
        except ExchangeError as error:
            told.append(failed(name, f"{account.venue}: {error}", _advice(error)))
        else:
            told.append(_rights(name, facts))
        finally:
            await client.disconnect()
    return told


def _advice(error: ExchangeError) -> str:
    if isinstance(error, AuthFailed):
        return "check the key, that it belongs to this venue, and this machine's clock"
    if isinstance(error, Rejected):
        return "check the symbol under `markets:`"
    if isinstance(error, RateLimited):
        return "wait a minute, and let nothing else use the account or this address meanwhile"
    return "is the venue up, at this address?"


def judge(config: Config, seen: Sequence[Seen]) -> Iterator[Examined]:
    """Everything that the answers show, account by account, then what concerns them together."""
    for it in seen:
        yield from _account(config, it)
    if seen:
        yield from _together(seen)
        yield from _sizes(config, seen)


# --- one account


def _account(config: Config, it: Seen) -> Iterator[Examined]:
    name, instrument = it.account.name, it.instrument
    yield ok(
        name,
        f"{instrument.symbol} on {it.account.venue}: tick {instrument.tick}, lot {instrument.lot}, minimum "
        f"{instrument.min_qty} {instrument.base} and {instrument.min_notional} {instrument.quote}; fees "
        f"{instrument.maker_fee * BPS:.2f} bps as maker, {instrument.taker_fee * BPS:.2f} as taker",
    )
    yield _rights(name, it.facts)
    yield from _clock(it)
    if it.margin is None:
        yield ok(name, f"only listened to; {it.orders} open orders of its owner in {instrument.symbol}")
        return
    yield from _money(config, it, it.margin)
    yield from _tier(config, it)
    yield from _held(it)


def _rights(name: str, facts: AccountFacts) -> Examined:
    match facts.can_withdraw:
        case True:
            return failed(name, "its key can move money out", "make a key that may trade and read, and nothing else")
        case False:
            return ok(name, "its key cannot move money out")
        case None:
            return ok(name, "its key is accepted; what else it may do, this venue does not tell")


def _clock(it: Seen) -> Iterator[Examined]:
    offset_ms = it.facts.clock_offset_ms
    if offset_ms is not None and abs(offset_ms) > SKEW_WARN_MS:
        told = f"the clock of {it.account.venue} is {offset_ms:+} ms from this machine's"
        yield warning(it.account.name, told, "let NTP set the clock: requests have a time to live")
    elif offset_ms is not None:
        yield ok(it.account.name, f"the clock of {it.account.venue} agrees within {abs(offset_ms)} ms")


def _money(config: Config, it: Seen, margin: Margin) -> Iterator[Examined]:
    instrument, quantity = it.instrument, config.settings.get("quantity")
    told = f"equity {margin.equity:.2f} {instrument.quote}, {margin.free:.2f} of it free"
    if it.facts.leverage is not None or it.facts.margin_mode:
        leverage = "" if it.facts.leverage is None else f"{it.facts.leverage.normalize():f}x "
        told += f"; {leverage}{it.facts.margin_mode or 'leverage'}"
    need = quantity * it.quote.mid * instrument.initial_margin if isinstance(quantity, Decimal) else Decimal(0)
    if margin.free < need:
        told += f", but quantity {quantity} needs {need:.2f}"
        yield failed(it.account.name, told, "put money on it, or lower the quantity")
    elif it.facts.margin_mode == "isolated":
        yield warning(it.account.name, told, "set cross margin: an isolated position is liquidated by itself (S12)")
    else:
        yield ok(it.account.name, told)


def _tier(config: Config, it: Seen) -> Iterator[Examined]:
    """S11: by the venue's true tier, not by what the config hopes for."""
    most = it.facts.requests_per_minute
    if most is None:
        return
    tier = f"tier {it.facts.tier or 'unknown'}: {most} requests a minute"
    asked = config.limits.orders_per_minute
    if asked > most:
        told = f"{tier}, and limits.orders_per_minute is {asked}"
        yield failed(it.account.name, told, f"set orders_per_minute to {most} or less")
        return
    needed = _needed(config)  # which the config's own limit allows, or it would have been refused
    yield ok(it.account.name, tier if needed is None else f"{tier}; this config needs up to {needed:.0f}")


def _needed(config: Config) -> Decimal | None:
    timeout, hold = config.settings.get("order_timeout"), config.settings.get("hold")
    if not isinstance(timeout, int) or not isinstance(hold, tuple):
        return None
    queries = config.settings.get("confirm_before_cancel") == "query"
    return requests_per_minute(timeout, hold[0], query_before_cancel=queries)


def _held(it: Seen) -> Iterator[Examined]:
    """S1: what was there before stays there."""
    if it.position:
        told = f"holds {it.position:+f} {it.instrument.base} already"
        yield warning(it.account.name, told, "it is taken as yours and left alone; use an account of its own (S1)")
    if it.orders:
        told = f"has {it.orders} open order{'s' if it.orders > 1 else ''} in {it.instrument.symbol}"
        yield warning(it.account.name, told, "they are left alone, and may trade against this run's")


# --- all of them


def _together(seen: Sequence[Seen]) -> Iterator[Examined]:
    bases = {it.instrument.base for it in seen}
    if len(bases) > 1:
        told = ", ".join(f"{it.account.name} trades {it.instrument.base}" for it in seen)
        yield failed("market", told, "one market is one asset: check the symbols under `markets:`")
        return
    quotes = {it.instrument.quote for it in seen}
    if len(quotes) > 1:
        told = f"prices are in {' and '.join(sorted(quotes))}, which are counted one to one"
        yield warning("market", told, "watch their rate, or use venues of one quote asset")
    apart = max((_apart(one.quote, other.quote) for one, other in combinations(seen, 2)), default=Decimal(0))
    mids = ", ".join(f"{venue} {mid:f}" for venue, mid in {it.account.venue: it.quote.mid for it in seen}.items())
    told = f"the base is {bases.pop()} everywhere; prices: {mids}"
    if apart > APART_MOST:
        yield failed(
            "market", f"{told}: {apart * 100:.2f} % apart", "two venues of one market are closer: check the symbols"
        )
    elif any(it.quote.crossed for it in seen):
        yield failed("market", f"{told}: a book is empty or crossed", "wait until it trades, or check the symbols")
    else:
        yield ok("market", told)


def _apart(one: Quote, other: Quote) -> Decimal:
    low, high = sorted((one.mid, other.mid))
    return (high - low) / low if low > 0 else Decimal(1)


def _sizes(config: Config, seen: Sequence[Seen]) -> Iterator[Examined]:
    instruments: Mapping[str, Instrument] = {it.account.name: it.instrument for it in seen}
    if set(instruments) != {account.name for account in config.used_accounts}:
        return  # of an account that did not answer nothing can be said
    found = instrument_findings(config, instruments, price=min(it.quote.mid for it in seen))
    yield from (failed("sizes", f"{it.code} {it.message}", it.hint) for it in found)
    if not found:
        quantity = config.settings.get("quantity")
        what = "what is set" if quantity is None else f"quantity {quantity}"
        yield ok("sizes", f"{what} fits every account's market")
