"""From the accounts of a config to clients of venues: the only file of the command line that knows the adapters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Protocol

from cli.budgets import Budgets
from cli.locate import CannotUse
from cli.resolve import Resolve
from cli.streams import write_note
from engine.runtime.chance import Stream
from engine.runtime.clock import LiveClock
from engine.runtime.config import AccountConfig, Config, VenueConfig
from engine.runtime.config_values import BIFU, ListenConfig
from engine.runtime.credentials import PLAIN
from engine.runtime.patience import Patience
from engine.runtime.source_journal import heard_before
from engine.trading.inputs import Input, LeftOut, SourceChecked
from engine.trading.plan import AccountPlan
from engine.trading.rates import RateWindow
from exchanges.backpack.client import REST_URL, STREAM_URL, BackpackClient
from exchanges.backpack.standin import StandInSigner as StandInBackpackSigner
from exchanges.backpack.wire.request import Signer
from exchanges.base import BaseExchangeClient
from exchanges.bifu import client as bifu
from exchanges.bifu.private import Pace
from exchanges.bifu.told import SetAside
from exchanges.bifu.wire import request as bifu_request
from exchanges.bifu.wire.product import CONTRACT, SPOT, Product
from exchanges.binance.client import BinanceClient
from exchanges.binance.wire import product as binance
from exchanges.binance.wire.request import Signer as BinanceSigner
from exchanges.budget import Budget
from exchanges.errors import AuthFailed, ExchangeError, RateLimited, Rejected
from exchanges.lighter import client as lighter
from exchanges.lighter import signer as lighter_signer
from exchanges.lighter.native import NativeSigner, installed
from exchanges.lighter.rest import Listing
from exchanges.lighter.standin import LocallyKnown, StandInSigner
from exchanges.lighter.wire.reply import PREMIUM_PER_MINUTE as LIGHTER_PREMIUM
from exchanges.lighter.wire.reply import STANDARD_PER_MINUTE as LIGHTER_STANDARD
from exchanges.okx import client as okx
from exchanges.okx.limits import AddressLimits, public_budgets
from exchanges.okx.wire.request import Signer as OkxSigner
from exchanges.reads import Reads
from exchanges.shared import SharedClient
from exchanges.sockets import SocketTransport
from exchanges.transport import Transport
from exchanges.types import Clock, Instrument

BIFU_REQUESTS = 600  # a minute and account: a market-maker endpoint was quoted with ten a second
BACKPACK_REQUESTS = 1_200  # a minute, of all accounts on one address: the pace of clients in the field; none published


class Network(Protocol):
    """How clients reach their venues; a simulation hands in its own."""

    signed: bool  # are signatures real? Stand-ins cost a simulation no time, and are the same in every run
    reads: Reads  # of all its streams

    def budgets(self) -> Budgets:
        """What the clients of one process may still send."""

    def transport(self, venue: VenueConfig, clock: Clock) -> Transport:
        """The network of one account at `venue`."""


class Sockets:
    """The real network."""

    signed = True

    def __init__(self) -> None:
        self.reads = Reads()

    def budgets(self) -> Budgets:
        return Budgets(shared=True)

    def transport(self, venue: VenueConfig, clock: Clock) -> Transport:
        return SocketTransport(now_ns=clock.now_ns, insecure_loopback=bool(venue.url), reads=self.reads)


SOCKETS = Sockets()


@dataclass(frozen=True, slots=True)
class Listed:
    """What the venues say before a run: each account's instrument, with its fees, and the price of the market now."""

    instruments: Mapping[str, Instrument]  # by account
    price: Decimal
    budgets: Budgets  # of who asked: with them the run goes on, and asks for nothing of the listing anew (S11)


@dataclass(frozen=True, slots=True)
class Clients:
    """The accounts of a run on their venues; `start` has nothing to do: the venues live without us."""

    clients: Mapping[str, BaseExchangeClient]
    accounts: Mapping[str, AccountPlan]
    reads: Reads

    def start(self, at_ns: int) -> None: ...


def ask_venues(config: Config, resolve: Resolve, *, budgets: Budgets | None = None) -> Listed:
    """Read the instruments of all accounts, without trading. Raises: CannotUse, ExchangeError, SecretUnreadable."""
    return asyncio.run(_ask(config, resolve, budgets))


def open_clients(
    config: Config, listed: Mapping[str, Instrument], *, clock: Clock, seed: int, resolve: Resolve,
    network: Network = SOCKETS, journal: Path | None = None, budgets: Budgets | None = None,
) -> Clients:  # fmt: skip
    """Clients that are not connected yet; `journal` tells one that is listened to what earlier runs have heard.

    `budgets` are those that `listed` was asked with, else new ones. Raises: CannotUse, SecretUnreadable, JournalError.
    """
    budgets = budgets or network.budgets()
    clients = {
        account.name: client_for(
            config, account, clock=clock, seed=seed, budgets=budgets, resolve=resolve, network=network, journal=journal
        )
        for account in config.used_accounts
    }
    return Clients(clients, _plans(config, clients, listed), network.reads)


@dataclass(frozen=True, slots=True)
class SharedAccounts:
    """The accounts of several runs, each with one client: a run gets its part of it, and its windows of requests."""

    shared: Mapping[str, SharedClient]
    pools: tuple[Clients, ...]  # of each run, in the order of the pairs
    rates: Mapping[str, RateWindow]


def open_shared(
    configs: Sequence[Config], listed: Sequence[Mapping[str, Instrument]], *, clock: Clock, seed: int,
    resolve: Resolve, network: Network = SOCKETS, journal: Path | None = None, budgets: Budgets | None = None,
) -> SharedAccounts:  # fmt: skip
    """As `open_clients`, for the pairs of one config."""
    budgets = budgets or network.budgets()
    shared: dict[str, SharedClient] = {}
    rates: dict[str, RateWindow] = {}
    pools = []
    for config, instruments in zip(configs, listed, strict=True):
        clients: dict[str, BaseExchangeClient] = {}
        for account in config.used_accounts:
            if account.name not in shared:
                shared[account.name] = SharedClient(
                    client_for(
                        config, account, clock=clock, seed=seed, budgets=budgets, resolve=resolve, network=network,
                        journal=journal,
                    ),
                    now_ns=clock.now_ns,
                )  # fmt: skip
                rates[account.name] = RateWindow(config.limits.orders_per_minute)
            clients[account.name] = shared[account.name].part(config.symbols[account.venue])
        pools.append(Clients(clients, _plans(config, clients, instruments), network.reads))
    return SharedAccounts(shared, tuple(pools), rates)


def _plans(
    config: Config, clients: Mapping[str, BaseExchangeClient], instruments: Mapping[str, Instrument]
) -> dict[str, AccountPlan]:
    return {
        account.name: AccountPlan(
            account.name, account.venue, account.owner, instruments[account.name], clients[account.name].capabilities,
            account.dedicated,
        )
        for account in config.used_accounts
    }  # fmt: skip


def hear(client: BaseExchangeClient, tell: Callable[[str], Sequence[Callable[[Input], None]]]) -> None:
    """Give what a listened account tells beside its fills to the runs: `tell` finds those of a symbol, "" for all.

    Each symbol's run hears how far its own market was compared: one that has ended goes on from there another time.
    """
    if not isinstance(client, bifu.BifuClient):
        return

    def aside(told: SetAside) -> None:
        given = LeftOut(told.account, told.why.value, told.text, told.alarm, told.fill)
        (tell(told.fill.symbol if told.fill is not None else "") or tell(""))[0](given)

    def checked(since: Mapping[str, int], compared_ms: int) -> None:
        for symbol, since_ms in since.items():
            for give in tell(symbol):
                give(SourceChecked(client.account, client.address, since_ms, compared_ms))

    client.setup_aside_handler(aside)
    client.setup_checked_handler(checked)


def clients_to_ask(
    config: Config, *, clock: Clock, resolve: Resolve
) -> Iterator[tuple[AccountConfig, Callable[[], BaseExchangeClient]]]:
    """The accounts on venues that can be asked, each with what makes its client; they share the venues' budgets."""
    budgets = SOCKETS.budgets()
    for account in config.used_accounts:
        if config.venues[account.venue].real:
            yield (
                account,
                partial(client_for, config, account, clock=clock, seed=0, budgets=budgets, resolve=resolve),
            )


async def _ask(config: Config, resolve: Resolve, budgets: Budgets | None) -> Listed:
    return await listed_by(config, clock=LiveClock(asyncio.get_running_loop()), resolve=resolve, budgets=budgets)


async def listed_by(
    config: Config, *, clock: Clock, resolve: Resolve, network: Network = SOCKETS,
    budgets: Budgets | None = None, no_room: Callable[[str], None] = write_note,
    no_answer: Callable[[str], None] = write_note,
) -> Listed:  # fmt: skip
    """As `ask_venues`, on the running loop. `no_room` and `no_answer` hear what is waited for, as in `Patience`."""
    budgets = budgets or network.budgets()
    patience = Patience(no_room, no_answer)
    instruments: dict[str, Instrument] = {}
    price = Decimal(0)
    for account in config.used_accounts:
        client = client_for(
            config, account, clock=clock, seed=0, budgets=budgets, resolve=resolve, network=network
        )  # fmt: skip
        symbol = config.symbols[account.venue]
        try:
            asked = partial(client.get_contract_attributes, symbol)
            instruments[account.name] = coarsened(await patience.answer(asked, of=account.venue), account)
            quoted = partial(client.fetch_bbo_prices, symbol)
            price = price or (await patience.answer(quoted, of=account.venue)).mid
        except ExchangeError as error:
            raise _unasked(error, f"{account.name} on {account.venue}: {error}") from error
        finally:
            await client.disconnect()
    return Listed(instruments, price, budgets)


def coarsened(instrument: Instrument, account: AccountConfig) -> Instrument:
    """The instrument in the steps that the account's orders may have, where the venue's own are finer."""
    return replace(
        instrument,
        tick=_step(instrument.tick, account.price_decimals),
        lot=_step(instrument.lot, account.qty_decimals),
    )


def _step(own: Decimal, decimals: int | None) -> Decimal:
    wished = own if decimals is None else Decimal(1).scaleb(-decimals)
    return wished if wished > own and not wished % own else own


class Unasked(CannotUse):
    """A venue did not answer what a run must know before it begins; it may when it is asked again."""


def _unasked(error: ExchangeError, text: str) -> Unasked:
    """The refusal of a run whose venue cannot be asked; nothing was sent."""
    hint = "is the venue up, at this address?"
    if isinstance(error, Rejected):
        hint = "check the symbol under `markets:`"
    elif isinstance(error, AuthFailed):
        hint = "check the key, and that it belongs to this venue"
    elif isinstance(error, RateLimited):
        hint = "let nothing else use the account or this address, and start again later"
    return Unasked(f"{text}; nothing was sent; {hint}")


# --- one adapter after the other

_Build = Callable[[AccountConfig, VenueConfig, Config, Clock, int, Budgets, Resolve, Network], BaseExchangeClient]


def adapted() -> tuple[str, ...]:
    """The kinds of venues that clients here trade on."""
    return tuple(_ADAPTERS)


def client_for(
    config: Config, account: AccountConfig, *, clock: Clock, seed: int, budgets: Budgets, resolve: Resolve,
    network: Network = SOCKETS, journal: Path | None = None,
) -> BaseExchangeClient:  # fmt: skip
    """A client that is not connected. Raises: CannotUse, SecretUnreadable, JournalError."""
    venue = config.venues[account.venue]
    if venue.kind == BIFU:
        return _bifu(
            account, venue, config, clock=clock, seed=seed, budgets=budgets, resolve=resolve, network=network,
            journal=journal,
        )  # fmt: skip
    build = _ADAPTERS.get(venue.kind)
    if build is None:
        span = config.span(f"venues.{venue.name}")
        raise CannotUse(
            f"{span.file}:{span.line}: venue {venue.name} is a {venue.kind} venue, and there is no adapter for it yet; "
            f"there are: {', '.join([*_ADAPTERS, BIFU])}"
        )
    return build(account, venue, config, clock, seed, budgets, resolve, network)


def identity_of(config: Config, account: AccountConfig, resolve: Resolve) -> str:
    """What tells an account from all others of its venue (S21). Raises: CannotUse, SecretUnreadable."""
    venue = config.venues[account.venue]
    known = replace(account, credentials=account.known_by or account.credentials)
    name = "account_index" if "account_index" in known.credentials else "api_key"
    return f"{venue.url} {_credential(config, known, name, resolve).strip()}"


def _backpack(
    account: AccountConfig, venue: VenueConfig, config: Config, clock: Clock, seed: int, budgets: Budgets,
    resolve: Resolve, network: Network,
) -> BaseExchangeClient:  # fmt: skip
    key, secret = (_credential(config, account, name, resolve) for name in ("api_key", "api_secret"))
    try:
        signer = Signer(secret) if network.signed else StandInBackpackSigner(secret)
    except AuthFailed as error:
        raise CannotUse(f"{_place(config, account)}: api_secret of {account.name}: {error}") from None
    if signer.public_key != key.strip():
        raise CannotUse(
            f"{_place(config, account)}: api_key of {account.name} is not the public key of its api_secret; "
            "take both from the same key of the venue"
        )
    # The venue counts requests by address, as far as anybody knows: all accounts of one address share a budget (S11).
    budget = budgets.at(venue.kind, venue.url, Budget(BACKPACK_REQUESTS))
    return BackpackClient(
        account.name, venue=venue.name, markets=config.markets_at(venue.name), signer=signer,
        transport=network.transport(venue, clock), clock=clock,
        rng=Stream(seed, f"pauses/{account.name}"), budget=budget,
        rest_url=venue.url or REST_URL, stream_url=venue.ws_url or venue.url.replace("http", "ws", 1) or STREAM_URL,
    )  # fmt: skip


def _lighter(
    account: AccountConfig, venue: VenueConfig, config: Config, clock: Clock, seed: int, budgets: Budgets,
    resolve: Resolve, network: Network,
) -> BaseExchangeClient:  # fmt: skip
    key = _credential(config, account, "private_key", resolve)
    index, number = (_number(config, account, name, resolve) for name in ("account_index", "api_key_index"))
    stand_in = StandInSigner(account_index=index, api_key_index=number, seed=key, clock=clock)
    try:
        signer: lighter_signer.Signer = (
            NativeSigner(key, account_index=index, api_key_index=number, chain_id=lighter.CHAIN_ID)
            if network.signed
            else stand_in
        )
    except AuthFailed as error:
        if not venue.local or installed():
            raise CannotUse(f"{_place(config, account)}: {account.name}: {error}") from None
        signer = stand_in  # a local venue checks the form of a signature: rehearsals need no native library
    if venue.local:
        signer = LocallyKnown(signer)
    # The venue counts by address and by wallet, and by tier: what the config says of orders tells which tier (S11).
    standard = config.limits.orders_per_minute <= LIGHTER_STANDARD
    budget = budgets.at(venue.kind, venue.url, Budget(LIGHTER_STANDARD if standard else LIGHTER_PREMIUM))
    return lighter.LighterClient(
        account.name, venue=venue.name, markets=config.markets_at(venue.name), signer=signer,
        transport=network.transport(venue, clock), clock=clock,
        rng=Stream(seed, f"pauses/{account.name}"), budget=budget, rest_url=venue.url or lighter.REST_URL,
        stream_url=venue.ws_url or _beside(venue.url, "/stream") or lighter.STREAM_URL,
        listing=budgets.beside(venue.url, Listing),
    )  # fmt: skip


def _bifu(
    account: AccountConfig, venue: VenueConfig, config: Config, *, clock: Clock, seed: int, budgets: Budgets,
    resolve: Resolve, network: Network, journal: Path | None,
) -> BaseExchangeClient:  # fmt: skip
    """An account that is listened to, with what the journal knows of it (S5)."""
    listen = venue.listen
    assert listen is not None
    key, secret = (_credential(config, account, name, resolve).strip() for name in ("api_key", "api_secret"))
    try:
        signer = bifu_request.Signer(key, secret)
    except AuthFailed as error:
        raise CannotUse(f"{_place(config, account)}: {account.name}: {error}") from None
    markets = config.markets_at(venue.name)
    settings = bifu.Settings(
        private_url=venue.url or listen.private_url, public_url=venue.url or listen.public_url,
        stream_url=venue.ws_url or venue.url.replace("http", "ws", 1) or listen.stream_url, product=_product(listen),
        account_id=listen.account_id, pace=Pace(sweep_ns=listen.sweep_ns), keep_ms=listen.keep_ms,
    )  # fmt: skip
    before = bifu.Journalled()
    if journal is not None and journal.exists():
        address = settings.stream_url.rstrip("/") + settings.product.stream_path
        heard = heard_before(
            journal, account.name, venue=venue.name, address=address, symbols=list(markets), keep_ms=listen.keep_ms
        )
        before = bifu.Journalled(
            heard.fills, heard.fills_since_ms, heard.since, heard.compared_ms, recall=heard.of_order
        )
    return bifu.BifuClient(
        account.name, venue=venue.name, markets=markets, settings=settings, signer=signer,
        transport=network.transport(venue, clock), clock=clock, rng=Stream(seed, f"pauses/{account.name}"),
        budget=budgets.at(BIFU, identity_of(config, account, resolve), Budget(BIFU_REQUESTS)), journalled=before,
    )  # fmt: skip


def _product(listen: ListenConfig) -> Product:
    plain = CONTRACT if listen.side == "contract" else SPOT
    history = replace(plain.history, begin_name=listen.history_begin, newest_first=listen.newest_first)
    return replace(plain, history=history)


def _beside(url: str, path: str) -> str:
    """Where a local venue has its streams, beside its address."""
    return f"{url.replace('http', 'ws', 1)}{path}" if url else ""


def _okx(
    account: AccountConfig, venue: VenueConfig, config: Config, clock: Clock, seed: int, budgets: Budgets,
    resolve: Resolve, network: Network,
) -> BaseExchangeClient:  # fmt: skip
    names = ("api_key", "api_secret", "passphrase")
    key, secret, passphrase = (_credential(config, account, name, resolve).strip() for name in names)
    try:
        signer = OkxSigner(key, secret, passphrase, demo=venue.demo)
    except AuthFailed as error:
        raise CannotUse(f"{_place(config, account)}: {account.name}: {error}") from None
    # Public requests are counted by address, what is signed by account (S11).
    shared = {name: budgets.at(venue.kind, f"{venue.url}/{name}", it) for name, it in public_budgets().items()}
    streams = okx.DEMO_STREAM_URL if venue.demo else okx.STREAM_URL
    return okx.OkxClient(
        account.name, venue=venue.name, markets=config.markets_at(venue.name), signer=signer,
        transport=network.transport(venue, clock), clock=clock, rng=Stream(seed, f"pauses/{account.name}"),
        address=AddressLimits(**shared), rest_url=venue.url or okx.REST_URL,
        stream_url=venue.ws_url or _beside(venue.url, "/ws/v5") or streams,
        switch_s=account.cancel_after_s,
    )  # fmt: skip


def _binance(
    account: AccountConfig, venue: VenueConfig, config: Config, clock: Clock, seed: int, budgets: Budgets,
    resolve: Resolve, network: Network,
) -> BaseExchangeClient:  # fmt: skip
    key, secret = (_credential(config, account, name, resolve) for name in ("api_key", "api_secret"))
    try:
        signer = BinanceSigner(key, secret)
    except AuthFailed as error:
        raise CannotUse(f"{_place(config, account)}: {account.name}: {error}") from None
    product = binance.PRODUCTS[venue.product or "usdm"]
    hosts = product.demo if venue.demo else product.live
    if venue.url:
        hosts = binance.Hosts.local(venue.url, venue.ws_url or _beside(venue.url, ""))
    # The venue counts weight by address, spot and futures apart (S11); orders of an account count in its own client.
    budget = budgets.at(venue.kind, f"{hosts.rest}/{product.root}", Budget(product.weight_a_minute))
    return BinanceClient(
        account.name, venue=venue.name, markets=config.markets_at(venue.name), signer=signer,
        transport=network.transport(venue, clock), clock=clock, rng=Stream(seed, f"pauses/{account.name}"),
        budget=budget, product=product, hosts=hosts, cancel_after_s=account.cancel_after_s,
    )  # fmt: skip


_ADAPTERS: Mapping[str, _Build] = {
    "backpack": _backpack,
    "lighter": _lighter,
    "okx": _okx,
    "binance": _binance,
}


def _number(config: Config, account: AccountConfig, name: str, resolve: Resolve) -> int:
    text = _credential(config, account, name, resolve).strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise CannotUse(f"{_place(config, account)}: {name} of {account.name} is no whole number")
    return int(text)


def _credential(config: Config, account: AccountConfig, name: str, resolve: Resolve) -> str:
    reference = account.credentials.get(name)
    if reference is None:
        has = ", ".join(account.credentials) or "none"
        raise CannotUse(f"{_place(config, account)}: account {account.name} needs the credential {name}; it has: {has}")
    if reference.source == PLAIN:
        return config.plain[reference.name].reveal()
    return resolve(reference, what=f"{name} of {account.name}").reveal()


def _place(config: Config, account: AccountConfig) -> str:
    span = config.span(f"accounts.{account.name}")
    return f"{span.file}:{span.line}"
