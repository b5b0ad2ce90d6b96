"""BiFu behind `BaseExchangeClient`, as a source of fills: an account whose orders somebody else places (hedger).

It tells the account's fills, each once, over reconnects and restarts. It places and cancels nothing: every order is
refused as unsupported. What the notes about the venue do not know is a field of `Settings`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn

from exchanges.bifu.counts import KEEP_MS, Counts, Recall
from exchanges.bifu.private import Identity, Pace, PrivateFeed
from exchanges.bifu.rest import Rest
from exchanges.bifu.told import AsideHandler, SetAside
from exchanges.bifu.wire.product import SPOT, Product
from exchanges.bifu.wire.reply import OrderRow
from exchanges.bifu.wire.request import Signer
from exchanges.budget import Budget, Use
from exchanges.errors import LinkDown, OutcomeUnknown, Rejected
from exchanges.link import Link, Timing
from exchanges.streamed import StreamedClient
from exchanges.transport import Transport
from exchanges.types import (
    AccountFacts,
    Capabilities,
    ClientIdStyle,
    Clock,
    Fill,
    Instrument,
    LinkState,
    Margin,
    MarketKind,
    OrderRequest,
    OrderUpdate,
    Position,
    Quote,
    QuoteHandler,
    Refusal,
    Refused,
    ReplyHandler,
    Rng,
)

CheckedHandler = Callable[[Mapping[str, int], int], None]  # first start by symbol, compared_ms
CAPABILITIES = Capabilities(
    client_id=ClientIdStyle.TEXT, modify=False, batch=False, reduce_only=False, market_orders=False,
    self_trade=frozenset(), query_finds_terminal=True, dead_man_switch=False, orders=False,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the venue is and how it speaks. `stream_url` is host only: the product's path is appended.

    `account_id` is the venue's id of the account; empty: rows of every account that the stream tells count.
    `fee_assets` names the asset of fees by symbol, of which the venue's rows say nothing; by default the quote asset.
    """

    private_url: str
    public_url: str
    stream_url: str
    product: Product = SPOT
    account_id: str = ""
    fee_assets: tuple[tuple[str, str], ...] = ()
    pace: Pace = field(default_factory=Pace)
    timing: Timing = field(default_factory=Timing)
    keep_ms: int = KEEP_MS


@dataclass(frozen=True, slots=True)
class Journalled:
    """What the journal of former runs knows; as it stands, that of a first start.

    `fills` were told or set aside, newer than `fills_since_ms`; `recall` finds those of an order, however old. Without
    it `fills` must be all there ever were, and nothing is forgotten. `since` is each symbol's first start, and the
    venue's order list has been compared until `compared_ms`: `BifuClient` tells both. All in the venue's time.
    """

    fills: Iterable[Fill] = ()
    fills_since_ms: int = 0
    since: Mapping[str, int] = field(default_factory=dict)
    compared_ms: int = 0
    recall: Recall | None = None


class BifuClient(StreamedClient):
    """One account. `markets` are the symbols that are hedged, names or ids of the venue, with our name of each."""

    def __init__(
        self, account: str, *, venue: str, markets: dict[str, str], settings: Settings, signer: Signer,
        transport: Transport, clock: Clock, rng: Rng, budget: Budget, journalled: Journalled | None = None,
    ) -> None:  # fmt: skip
        assert markets, "a source of fills needs a market"
        super().__init__(account, venue=venue, capabilities=CAPABILITIES, transport=transport, clock=clock, rng=rng)
        self._markets = markets
        self._settings = settings
        self._product = settings.product
        self._rest = Rest(
            settings.private_url, settings.public_url, product=self._product, signer=signer, transport=transport,
            clock=clock, budget=budget,
        )  # fmt: skip
        self._symbols: dict[str, str] = {}  # by the venue's id of the market
        self._fee_assets: dict[str, str] = {}
        self._instruments: dict[str, Instrument] = {}
        self._on_aside: AsideHandler = _ignore_aside
        self._on_checked: CheckedHandler = _ignore_checked
        before = journalled or Journalled()
        self._counts = Counts(
            before.fills, known_since_ms=before.fills_since_ms, recall=before.recall, keep_ms=settings.keep_ms
        )
        self._feed = PrivateFeed(
            Identity(account, venue, self._symbols, self._fee_assets, settings.account_id), product=self._product,
            rest=self._rest, signer=signer, counts=self._counts, clock=clock, since=before.since,
            compared_ms=before.compared_ms, pace=settings.pace, deliver=lambda fill: self._on_private(fill),
            aside=lambda told: self._on_aside(told), note=self._note, say=lambda text: self._link.say(text),
            lost=lambda why: self._link.drop(why), trusted=lambda: self._link.state is LinkState.TRUSTED,
            checked=lambda: self._on_checked(self.since, self.compared_ms),
        )  # fmt: skip
        self._link = Link(
            settings.stream_url.rstrip("/") + self._product.stream_path, transport=transport, clock=clock, rng=rng,
            feed=self._feed, tell=self._tell, timing=settings.timing,
        )  # fmt: skip

    # --- what a metric and the journal read

    @property
    def remembered(self) -> int:
        return self._counts.size

    @property
    def set_aside(self) -> dict[str, int]:
        """How often something was set aside, by reason."""
        return {why.value: count for why, count in self._feed.set_aside.items()}

    @property
    def repaired(self) -> int:
        """Fills that only the venue's order list has told."""
        return self._feed.repaired

    @property
    def since(self) -> Mapping[str, int]:
        """Each symbol's first start, in the venue's time; empty before it. To be journalled, as `compared_ms`."""
        return self._feed.since

    @property
    def compared_ms(self) -> int:
        """The time up to which the venue's order list has been compared, in the venue's time."""
        return self._feed.compared_ms

    # --- connection

    async def _start(self) -> None:
        for symbol, market in self._markets.items():
            await self._learn(symbol, market)
        await self._link.open()

    def _suspect(self) -> None:
        self._feed.suspect()

    async def _learn(self, symbol: str, market: str) -> None:
        instrument_id, instrument = await self._rest.instrument(symbol, venue=self.venue, market=market)
        self._symbols[instrument_id] = symbol
        self._instruments[symbol] = instrument
        self._fee_assets[instrument_id] = dict(self._settings.fee_assets).get(symbol, instrument.quote)

    async def disconnect(self) -> None:
        await self._link.close()
        await self._feed.stop()
        await self._rest.close()
        await self._transport.close()

    def setup_aside_handler(self, handler: AsideHandler) -> None:
        """Give the one receiver of what is not hedged: taker fills, self-matches, other markets, rows nobody can read.

        Its fills belong into the journal like the others. Call before `connect`.
        """
        self._on_aside = handler

    def setup_checked_handler(self, handler: CheckedHandler) -> None:
        """Give the one receiver of `since` and `compared_ms`, at every change; both belong into the journal."""
        self._on_checked = handler

    @property
    def address(self) -> str:
        """Where this account's stream is: what is journalled of it says nothing of another one."""
        return self._settings.stream_url.rstrip("/") + self._product.stream_path

    def setup_quote_handler(self, symbol: str, handler: QuoteHandler) -> None:
        """Raises: NotImplementedError: this side of the venue is not traded on, and needs no quotes."""
        raise NotImplementedError(f"{self.venue} is listened to for fills only: it has no quote stream here")

    # --- orders: none

    def exercise_fill(self) -> None:
        self._feed.exercise()

    def submit(self, order: OrderRequest, on_reply: ReplyHandler) -> None:
        on_reply(Refused(Refusal.UNSUPPORTED, f"{self._only_heard()}: it places no order"))

    def submit_cancel(self, symbol: str, client_id: str, on_reply: ReplyHandler) -> None:
        on_reply(Refused(Refusal.UNSUPPORTED, f"{self._only_heard()}: it cancels no order"))

    def _only_heard(self) -> str:
        return f"account {self.account} on {self.venue} is listened to for fills only"

    # --- questions

    async def get_order_info(self, symbol: str, client_id: str) -> OrderUpdate | None:
        for order in await self._orders(symbol, ended=True):
            if order.client_id == client_id:
                return self._update(symbol, order)
        return None

    async def get_active_orders(self, symbol: str) -> Sequence[OrderUpdate]:
        return [self._update(symbol, order) for order in await self._orders(symbol, ended=False)]

    async def get_fills(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        """Raises: Rejected: nobody has seen the venue list fills; its orders tell what they have filled."""
        self._unsupported("lists no fills: ask for orders")

    async def get_account_positions(self) -> Sequence[Position]:
        """On spot the balances of the markets' base assets. Raises: Rejected on the contract side."""
        if self._product.kind is not MarketKind.SPOT:
            self._unsupported("tells no contract positions that anybody has seen")
        _, balances = await self._asked(lambda: self._rest.assets(Use.ASK))
        coins = await self._asked(lambda: self._rest.base_coins(list(self._markets)))
        return [Position(self.account, symbol, balances[coin]) for symbol, coin in coins.items() if coin in balances]

    async def get_margin(self) -> Margin:
        """Raises: Rejected: nobody has seen the venue tell it."""
        self._unsupported("tells no margin that anybody has seen")

    def _unsupported(self, what: str) -> NoReturn:
        raise Rejected(Refusal.UNSUPPORTED, f"{self.venue} {what}")

    async def get_contract_attributes(self, symbol: str) -> Instrument:
        market = self._markets.get(symbol, symbol)
        return (await self._asked(lambda: self._rest.instrument(symbol, venue=self.venue, market=market)))[1]

    async def get_account_facts(self, symbol: str) -> AccountFacts:
        market_id = await self._id_of(symbol)
        await self._asked(lambda: self._rest.read_clock(market_id))
        return AccountFacts(self._rest.clock_offset_ms)

    async def fetch_bbo_prices(self, symbol: str) -> Quote:
        market_id = await self._id_of(symbol)
        bid, bid_qty, ask, ask_qty, _ = await self._asked(lambda: self._rest.best(market_id))
        if not bid or not ask:
            raise LinkDown(f"{self.venue} has no {'bid' if not bid else 'offer'} in {symbol}")
        return Quote(self.venue, symbol, bid, bid_qty, ask, ask_qty, self._clock.now_ns())

    async def _id_of(self, symbol: str) -> str:
        """The venue's id of a market, asked for where `connect` has not learnt it yet."""
        if symbol not in self._markets:
            raise Rejected(Refusal.NOT_FOUND, f"{symbol} is no market of account {self.account}")
        if symbol not in self._symbols.values():
            await self._asked(lambda: self._learn(symbol, self._markets[symbol]))
        return next(market_id for market_id, known in self._symbols.items() if known == symbol)

    async def _orders(self, symbol: str, *, ended: bool) -> list[OrderRow]:
        lists = (self._product.active, self._product.history) if ended else (self._product.active,)
        found: list[OrderRow] = []
        market_id = await self._id_of(symbol)
        for pages in lists:
            orders, bad = await self._asked(partial(self._rest.orders, pages, [market_id], since_ms=0, use=Use.ASK))
            if bad:
                raise OutcomeUnknown(f"{self.venue}: an order cannot be read: {bad[0]}")
            found += orders
        return found

    def _update(self, symbol: str, order: OrderRow) -> OrderUpdate:
        return OrderUpdate(
            self.account, symbol, order.client_id, order.order_id, order.side, order.qty, order.state, order.cum_qty,
            order.price, order.updated_ms, self._clock.now_ns(),
        )  # fmt: skip


def _ignore_aside(_: SetAside) -> None:
    """What is set aside while nobody listens; it is counted all the same."""


def _ignore_checked(since: Mapping[str, int], compared_ms: int) -> None:
    """How far the lists were compared, while nobody keeps it."""
