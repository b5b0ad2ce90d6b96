"""The paper venue behind `BaseExchangeClient`: accounts on a matching engine that replays a market source.

Driven by the clock alone: a request reaches the venue after the order latency, answers, private frames and quotes come
back after the feed latency, all in the order in which they left. Quotes show the outside market, never our own orders.
No liquidation, funding or interest.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count
from typing import TypeVar

from exchanges.accounts import (
    Balances,
    Exposure,
    exposure_of,
    fee_asset,
    fee_of,
    margin_of,
    refuse_buy,
    refuse_margin,
    refuse_sell,
)
from exchanges.base import BaseExchangeClient
from exchanges.errors import LinkDown, MarketDataError, Rejected
from exchanges.market import MarketEvent, MarketQuote, MarketSource, MarketTrade
from exchanges.matching import NOTHING, Book, BookOrder, Depth, Execution, Outcome, book_order, units
from exchanges.types import (
    ZERO,
    Accepted,
    Capabilities,
    ClientIdStyle,
    Clock,
    Fill,
    FillKind,
    Instrument,
    LinkState,
    LinkUpdate,
    Liquidity,
    Margin,
    MarketKind,
    OrderRequest,
    OrderUpdate,
    Position,
    PrivateEvent,
    PrivateHandler,
    Quote,
    QuoteHandler,
    Refusal,
    Refused,
    ReplyHandler,
    SelfTrade,
    Side,
)

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_SETTLEMENT, _TRADE = FillKind.SETTLEMENT, FillKind.TRADE
_LOST, _RESYNC, _TRUSTED = LinkState.LOST, LinkState.RESYNC, LinkState.TRUSTED
_MAKER, _TAKER = Liquidity.MAKER, Liquidity.TAKER
_PERP, _SPOT = MarketKind.PERP, MarketKind.SPOT
_BUY, _SELL = Side.BUY, Side.SELL

MS = 1_000_000  # nanoseconds
HISTORY_MAX = 5_000  # terminal orders, and fills, that a venue still answers for; what is older is forgotten

T = TypeVar("T")
_Delivery = tuple[Callable[..., None], object]


@dataclass(frozen=True, slots=True)
class AccountBook:
    """What the venue's own books say of one account: the other side of an audit."""

    account: str
    cash: Decimal
    equity: Decimal
    positions: Mapping[str, Decimal]


class PaperClient(BaseExchangeClient):
    """One account of a `PaperVenue`; made by `PaperVenue.open_account`."""

    def __init__(self, venue: PaperVenue, account: str, *, balances: Balances, owner: str) -> None:
        self.account = account
        self.venue = venue.name
        self.capabilities = venue.capabilities
        self.balances = balances
        self.owner = owner
        self.orders: dict[str, BookOrder] = {}  # open orders by client id
        self.connected = False
        self.trusted = False
        self._venue = venue
        self._on_private: PrivateHandler = _ignore
        # Bounded as the venue's history is: an account nobody listens to must not grow.
        self._held: deque[PrivateEvent] = deque(maxlen=HISTORY_MAX)

    async def connect(self) -> None:
        await self._venue.ask(lambda: None)
        if not self.connected:
            self.connected = True
            self.resync()

    async def disconnect(self) -> None:
        self.connected = self.trusted = False

    def setup_order_update_handler(self, handler: PrivateHandler) -> None:
        self._on_private = handler

    def setup_quote_handler(self, symbol: str, handler: QuoteHandler) -> None:
        self._venue.market(symbol).receivers[self] = handler

    def submit(self, order: OrderRequest, on_reply: ReplyHandler) -> None:
        self._venue.order_sent(self, order, on_reply)

    def submit_cancel(self, symbol: str, client_id: str, on_reply: ReplyHandler) -> None:
        self._venue.cancel_sent(self, symbol, client_id, on_reply)

    def submit_modify(
        self, symbol: str, client_id: str, on_reply: ReplyHandler, *, price: Decimal, qty: Decimal
    ) -> None:
        self._venue.modify_sent(self, symbol, client_id, on_reply, price, qty)

    async def get_order_info(self, symbol: str, client_id: str) -> OrderUpdate | None:
        return await self._venue.ask(lambda: self._venue.order_info(self, symbol, client_id))

    async def get_active_orders(self, symbol: str) -> Sequence[OrderUpdate]:
        return await self._venue.ask(lambda: self._venue.active_orders(self, symbol))

    async def get_fills(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        return await self._venue.ask(lambda: self._venue.fills_since(self, symbol, since_ms))

    async def get_account_positions(self) -> Sequence[Position]:
        return await self._venue.ask(lambda: self._venue.positions(self))

    async def get_margin(self) -> Margin:
        return await self._venue.ask(lambda: self._venue.margin(self))

    async def get_contract_attributes(self, symbol: str) -> Instrument:
        return await self._venue.ask(lambda: self._venue.market(symbol).instrument)

    async def fetch_bbo_prices(self, symbol: str) -> Quote:
        return await self._venue.ask(lambda: self._venue.quote(symbol))

    # -- called by the venue -------------------------------------------------------------------------------------

    def deliver(self, frame: PrivateEvent) -> None:
        """Pass a private frame on, or keep it for the next resync while the link is down."""
        if self.trusted:
            self._on_private(frame)
        else:
            self._held.append(frame)

    def lose_link(self, text: str) -> None:
        if self.connected:
            self.trusted = False
            self._on_private(LinkUpdate(self.account, _LOST, self._venue.clock.now_ns(), text))

    def resync(self) -> None:
        """Announce the resync, catch up on what was missed, then be trusted and show the newest quotes."""
        if not self.connected or self.trusted:
            return
        now_ns = self._venue.clock.now_ns()
        self._on_private(LinkUpdate(self.account, _RESYNC, now_ns))
        while self._held:
            self._on_private(self._held.popleft())
        self.trusted = True
        self._on_private(LinkUpdate(self.account, _TRUSTED, now_ns))
        self._venue.show_quotes(self)


@dataclass(slots=True, eq=False)
class _Market:
    """One symbol of the venue: its book, its source and who listens to it."""

    instrument: Instrument
    book: Book
    source: MarketSource
    start_ns: int = 0
    shown: MarketQuote | None = None
    last_mid: Decimal = ZERO
    receivers: dict[PaperClient, QuoteHandler] = field(default_factory=dict)

    @property
    def mid(self) -> Decimal:
        """The outside mid; across a seam that of the last quote before it, so that equity does not jump."""
        if self.book.quoted:
            self.last_mid = self.book.mid_doubled * self.instrument.tick / 2
        return self.last_mid

    def exposure(
        self, client: PaperClient, *, adding: BookOrder | None = None, leaving_out: BookOrder | None = None
    ) -> Exposure:
        orders = [
            order for order in self.book.open_orders() if order.account == client.account and order is not leaving_out
        ]
        if adding is not None:
            orders.append(adding)
        return exposure_of(client.balances, self.instrument, mid=self.mid, orders=orders)

    def quote(self, *, recv_ns: int, venue_ms: int) -> Quote | None:
        if self.shown is None:
            return None
        spec, (_, bid, bid_lots, ask, ask_lots) = self.instrument, self.shown
        tick, lot = spec.tick, spec.lot
        return Quote(
            spec.venue, spec.symbol, tick * bid, lot * bid_lots, tick * ask, lot * ask_lots, recv_ns, venue_ms
        )  # fmt: skip


class PaperVenue:
    """A venue with several accounts. Everything happens in callbacks of the clock, between `start` and the end of it.

    `sources` gives each symbol its market. All instruments are quoted in one asset, in which accounts hold cash.
    `on_fill` sees every fill when it happens, before latency; `on_end` hears of a symbol whose source has ended, the
    book of which then stands still; `on_failure` gets a broken source's error and must end the program (without it the
    error leaves the clock's callback). A seam of a repeated recording closes the venue for `reconnect_ns`.
    """

    def __init__(
        self, name: str, instruments: Sequence[Instrument], *, sources: Mapping[str, MarketSource], clock: Clock,
        order_latency_ns: int = 5 * MS, feed_latency_ns: int = 5 * MS, reconnect_ns: int = 1_000 * MS,
        depth: Depth | None = None, history_max: int = HISTORY_MAX,
        on_fill: Callable[[Fill], None] | None = None, on_end: Callable[[str], None] | None = None,
        on_failure: Callable[[MarketDataError], None] | None = None,
    ) -> None:  # fmt: skip
        if len({instrument.quote for instrument in instruments}) != 1:
            raise ValueError(f"{name}: a paper venue needs instruments of one quote asset")
        perps_only = all(instrument.kind is _PERP for instrument in instruments)
        self.name = name
        self.clock = clock
        self.capabilities = Capabilities(
            client_id=ClientIdStyle.TEXT, modify=True, batch=False, reduce_only=perps_only, market_orders=True,
            self_trade=frozenset(SelfTrade), query_finds_terminal=True, dead_man_switch=False,
        )  # fmt: skip
        self._order_latency_ns = order_latency_ns
        self._feed_latency_ns = feed_latency_ns
        self._reconnect_ns = reconnect_ns
        self._on_fill = on_fill
        self._on_end = on_end
        self._on_failure = on_failure
        self._next_trade_id = count(1).__next__
        self._next_order_id = count(1).__next__
        self._markets = {
            instrument.symbol: _Market(
                instrument,
                Book(instrument, next_trade_id=self._next_trade_id, depth=depth),
                sources[instrument.symbol],
            )
            for instrument in instruments
        }
        self._clients: dict[str, PaperClient] = {}
        self._ended: OrderedDict[tuple[str, str, str], OrderUpdate] = OrderedDict()
        self._history_max = history_max
        self._fills: deque[Fill] = deque(maxlen=history_max)
        self._out = False  # between a seam and the reconnect

    def open_account(
        self, account: str, *, cash: Decimal, base: Mapping[str, Decimal] | None = None, owner: str | None = None
    ) -> PaperClient:
        """A new account with `cash` and, by symbol, spot balances. Self-trade prevention acts between equal owners."""
        if account in self._clients:
            raise ValueError(f"{self.name}: account {account} exists already")
        for symbol in base or {}:
            if self._markets[symbol].instrument.kind is not _SPOT:
                raise ValueError(f"{self.name}: {symbol} is no spot market, a base balance makes no sense there")
        client = PaperClient(self, account, balances=Balances(cash, dict(base or {})), owner=owner or account)
        self._clients[account] = client
        return client

    def start(self, *, at_ns: int | None = None) -> None:
        """Let the markets flow from `at_ns` on (now); venues on one time axis are started at the same time."""
        start_ns = self.clock.now_ns() if at_ns is None else at_ns
        for market in self._markets.values():
            market.start_ns = start_ns
            self._pull(market)

    def ledger(self) -> dict[str, AccountBook]:
        """Cash, equity and positions of every account as the venue books them at this moment."""
        return {
            name: AccountBook(
                name,
                client.balances.cash,
                self.margin(client).equity,
                {symbol: holding.qty for symbol, holding in client.balances.holdings.items()},
            )
            for name, client in self._clients.items()
        }

    def happen(self, symbol: str, event: MarketEvent) -> None:
        """Let the outside market of `symbol` do this now, beside its source."""
        self._market_moved(self._markets[symbol], event)

    # -- requests: they leave the client now and arrive after the order latency ----------------------------------

    def order_sent(self, client: PaperClient, order: OrderRequest, on_reply: ReplyHandler) -> None:
        now_ns = self.clock.now_ns()
        self.clock.post_at(now_ns + self._order_latency_ns, self._order_arrived, client, order, on_reply, now_ns)

    def cancel_sent(self, client: PaperClient, symbol: str, client_id: str, on_reply: ReplyHandler) -> None:
        self._send(self._cancel_arrived, client, symbol, client_id, on_reply)

    def modify_sent(
        self, client: PaperClient, symbol: str, client_id: str, on_reply: ReplyHandler, price: Decimal, qty: Decimal
    ) -> None:
        self._send(self._modify_arrived, client, symbol, client_id, on_reply, price, qty)

    def _send(self, arrive: Callable[..., None], *args: object) -> None:
        self.clock.post_at(self.clock.now_ns() + self._order_latency_ns, arrive, *args)

    async def ask(self, answer: Callable[[], T]) -> T:
        """`answer` as computed at the venue one order latency from now, back one feed latency later.

        Raises: LinkDown while the venue is closed at a seam, and what `answer` raises.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._send(self._question_arrived, future, answer)
        return await future

    def _question_arrived(self, future: asyncio.Future[T], answer: Callable[[], T]) -> None:
        try:
            if self._out:
                raise LinkDown(f"{self.name} is closed: the recording starts again")
            settle: Callable[..., None] = future.set_result
            result: object = answer()
        except (LinkDown, Rejected) as error:
            settle, result = future.set_exception, error
        self._deliver_later([(lambda value: None if future.done() else settle(value), result)])

    def _order_arrived(self, client: PaperClient, request: OrderRequest, on_reply: ReplyHandler, sent_ns: int) -> None:
        market = self._markets.get(request.symbol)
        if market is None:
            admitted: BookOrder | Refused = Refused(Refusal.UNSUPPORTED, f"{self.name} has no {request.symbol}")
        else:
            admitted = self._admit(client, market, request, age_ns=self.clock.now_ns() - sent_ns)
        if isinstance(admitted, Refused) or market is None:
            assert isinstance(admitted, Refused)
            self._deliver_later([(on_reply, replace(admitted, signed_ns=sent_ns, written_ns=sent_ns))])
            return
        client.orders[admitted.client_id] = admitted
        accepted = Accepted(admitted.order_id, sent_ns, sent_ns)
        self._publish(market, market.book.place(admitted), [(on_reply, accepted)])

    def _cancel_arrived(self, client: PaperClient, symbol: str, client_id: str, on_reply: ReplyHandler) -> None:
        found = self._find_open(client, symbol, client_id)
        if isinstance(found, Refused):
            self._deliver_later([(on_reply, found)])
            return
        market, order = found
        self._publish(market, market.book.cancel(order), [(on_reply, Accepted(order.order_id))])

    def _modify_arrived(
        self, client: PaperClient, symbol: str, client_id: str, on_reply: ReplyHandler, price: Decimal, qty: Decimal
    ) -> None:
        found = self._find_open(client, symbol, client_id)
        if isinstance(found, Refused):
            self._deliver_later([(on_reply, found)])
            return
        market, order = found
        changed = self._changed(client, market, order=order, price=price, qty=qty)
        if isinstance(changed, Refused):
            self._deliver_later([(on_reply, changed)])
            return
        outcome = market.book.modify(order, ticks=changed.ticks or 0, lots=changed.lots)
        self._publish(market, outcome, [(on_reply, Accepted(order.order_id))])

    def _admit(
        self, client: PaperClient, market: _Market, request: OrderRequest, *, age_ns: int
    ) -> BookOrder | Refused:
        if self._out or not market.book.quoted:
            return Refused(Refusal.VENUE, "the market is closed: no quote yet, or the recording starts again")
        if age_ns > request.valid_ms * MS:
            return Refused(Refusal.VENUE, f"expired request: {age_ns // MS} ms old, valid for {request.valid_ms} ms")
        if request.client_id in client.orders:
            return Refused(Refusal.DUPLICATE_ID, f"an open order has the client id {request.client_id}")
        order_id = str(self._next_order_id())
        order = book_order(request, market.instrument, order_id=order_id, owner=client.owner)
        if isinstance(order, Refused):
            return order
        return market.book.refuse(order) or self._refuse_funds(client, market, order=order) or order

    def _changed(
        self, client: PaperClient, market: _Market, *, order: BookOrder, price: Decimal, qty: Decimal
    ) -> BookOrder | Refused:
        """A copy of an open order as a modification would have it, or why not. The order itself is left alone."""
        spec = market.instrument
        ticks, lots = units(price, spec.tick), units(qty, spec.lot)
        if ticks is None:
            return Refused(Refusal.PRICE, f"price {price} is not a multiple of the tick {spec.tick}")
        if lots is None:
            return Refused(Refusal.SIZE, f"quantity {qty} is not a multiple of the lot {spec.lot}")
        if lots <= order.cum:
            return Refused(Refusal.SIZE, f"quantity {qty} is not above the filled {order.cum * spec.lot}")
        changed = replace(order, ticks=ticks, lots=lots)
        return (
            market.book.refuse(changed) or self._refuse_funds(client, market, order=changed, replacing=order) or changed
        )

    def _refuse_funds(
        self, client: PaperClient, market: _Market, *, order: BookOrder, replacing: BookOrder | None = None
    ) -> Refused | None:
        if market.instrument.kind is _SPOT:
            return self._refuse_balance(client, market, order=order, replacing=replacing)
        before = market.exposure(client)
        after = market.exposure(client, adding=order, leaving_out=replacing)
        others = (other.exposure(client) for other in self._markets.values() if other is not market)
        return refuse_margin(client.account, client.balances, before=before, after=after, others=others)

    def _refuse_balance(
        self, client: PaperClient, market: _Market, *, order: BookOrder, replacing: BookOrder | None
    ) -> Refused | None:
        spec, qty = market.instrument, order.leaves * market.instrument.lot
        if order.side is _SELL:
            return refuse_sell(market.exposure(client, leaving_out=replacing), qty)
        ticks = market.book.worst_price(_BUY) if order.ticks is None else order.ticks
        others = [other.exposure(client, leaving_out=replacing) for other in self._markets.values()]
        return refuse_buy(client.balances, spec, qty=qty, price=ticks * spec.tick, exposures=others)

    def _find_open(self, client: PaperClient, symbol: str, client_id: str) -> tuple[_Market, BookOrder] | Refused:
        order = client.orders.get(client_id)
        market = self._markets.get(symbol)
        if order is None or market is None or order not in market.book.open_orders():
            return Refused(Refusal.NOT_FOUND, f"no open order {client_id} in {symbol}")
        return market, order

    # -- the market ----------------------------------------------------------------------------------------------

    def _pull(self, market: _Market) -> None:
        try:
            event = next(market.source, None)
        except MarketDataError as error:
            if self._on_failure is None:
                raise
            self._on_failure(error)
            return
        if event is not None:
            self.clock.post_at(market.start_ns + event.offset_ns, self._market_moved, market, event)
        elif self._on_end is not None:
            self._on_end(market.instrument.symbol)

    def _market_moved(self, market: _Market, event: MarketEvent) -> None:
        if isinstance(event, MarketQuote):
            outcome = market.book.apply_quote(event.bid, event.bid_lots, event.ask, event.ask_lots)
            market.shown = event
        elif isinstance(event, MarketTrade):
            outcome = market.book.apply_trade(event.taker, event.ticks, event.lots)
        else:
            self._seam(market)
            outcome = NOTHING
        if outcome is not NOTHING:
            self._publish(market, outcome, [])
        if market.receivers and isinstance(event, MarketQuote):
            recv_ns = self.clock.now_ns() + self._feed_latency_ns
            quote = market.quote(recv_ns=recv_ns, venue_ms=self.clock.wall_ms())
            self.clock.post_at(recv_ns, self._deliver_quote, market, quote)
        self._pull(market)

    def _deliver_quote(self, market: _Market, quote: Quote) -> None:
        for client, receive in market.receivers.items():
            if client.trusted:
                receive(quote)

    def show_quotes(self, client: PaperClient) -> None:
        """Send the newest quotes to a client that has just come to be trusted."""
        for market in self._markets.values():
            quote = market.quote(recv_ns=self.clock.now_ns(), venue_ms=self.clock.wall_ms())
            if client in market.receivers and quote is not None:
                market.receivers[client](quote)

    # -- the seam of a repeated recording ------------------------------------------------------------------------

    def _seam(self, market: _Market) -> None:
        """Lose every link, cancel all orders, settle all positions at the last mid; reconnect later, at a new book."""
        if not self._out:
            self._out = True
            self._deliver_later([(client.lose_link, "the recording starts again") for client in self._clients.values()])
            self._send_reopen()
        mid = market.mid
        self._publish(market, market.book.close(), [])
        market.shown = None
        self._deliver_later(
            [
                (client.deliver, fill)
                for client in self._clients.values()
                if (fill := self._settle(client, market.instrument, mid)) is not None
            ]
        )

    def _send_reopen(self) -> None:
        self.clock.post_at(self.clock.now_ns() + self._reconnect_ns, self._reopen)

    def _reopen(self) -> None:
        self._out = False
        self._deliver_later([(lambda _, resync=client.resync: resync(), None) for client in self._clients.values()])

    def _settle(self, client: PaperClient, instrument: Instrument, mid: Decimal) -> Fill | None:
        missing = client.balances.start.get(instrument.symbol, ZERO) - client.balances.holding(instrument.symbol).qty
        if not missing:
            return None
        side = _BUY if missing > 0 else _SELL
        trade_id = self._next_trade_id()
        recv_ns = self.clock.now_ns() + self._feed_latency_ns
        fill = Fill(
            self.name, client.account, instrument.symbol, "", f"settlement-{trade_id}", str(trade_id), side,
            abs(missing), mid, ZERO, instrument.quote, _TAKER, self.clock.wall_ms(),
            recv_ns, _SETTLEMENT, recv_ns,
        )  # fmt: skip
        client.balances.settle(instrument.symbol, mid)
        self._record(fill)
        return fill

    # -- what goes out -------------------------------------------------------------------------------------------

    def _publish(self, market: _Market, outcome: Outcome, deliveries: list[_Delivery]) -> None:
        """Book an outcome and send its frames behind `deliveries`: fills first, then each order's new state."""
        at_ms, recv_ns = self.clock.wall_ms(), self.clock.now_ns() + self._feed_latency_ns
        for execution in outcome.executions:
            client = self._clients[execution.order.account]
            deliveries.append((client.deliver, self._book(client, market, execution, at_ms, recv_ns)))
        for order in outcome.changed:
            client = self._clients[order.account]
            update = _update(order, market.instrument, at_ms=at_ms, recv_ns=recv_ns)
            if order.state.terminal:
                self._forget(client, update)
            deliveries.append((client.deliver, update))
        self._deliver_later(deliveries)

    def _book(self, client: PaperClient, market: _Market, execution: Execution, at_ms: int, recv_ns: int) -> Fill:
        order, ticks, lots, trade_id, maker = execution
        spec, side = market.instrument, order.side
        qty, price = spec.lot * lots, spec.tick * ticks
        fee = fee_of(spec, side, qty=qty, price=price, maker=maker)
        fill = Fill(
            self.name, client.account, spec.symbol, order.client_id, order.order_id, str(trade_id), side, qty, price,
            fee, fee_asset(spec, side), _MAKER if maker else _TAKER, at_ms, recv_ns,
            _TRADE, recv_ns,
        )  # fmt: skip
        client.balances.trade(spec, side, qty=qty, price=price, fee=fee)
        self._record(fill)
        return fill

    def _record(self, fill: Fill) -> None:
        self._fills.append(fill)
        if self._on_fill is not None:
            self._on_fill(fill)

    def _forget(self, client: PaperClient, update: OrderUpdate) -> None:
        """Move a terminal order to the bounded history."""
        client.orders.pop(update.client_id, None)
        key = (update.account, update.symbol, update.client_id)
        self._ended[key] = update
        self._ended.move_to_end(key)
        if len(self._ended) > self._history_max:
            self._ended.popitem(last=False)

    def _deliver_later(self, deliveries: list[_Delivery]) -> None:
        if deliveries:
            self.clock.post_at(self.clock.now_ns() + self._feed_latency_ns, _deliver, deliveries)

    # -- answers -------------------------------------------------------------------------------------------------

    def market(self, symbol: str) -> _Market:
        """Raises: Rejected if the venue does not list `symbol`."""
        market = self._markets.get(symbol)
        if market is None:
            raise Rejected(Refusal.UNSUPPORTED, f"{self.name} does not list {symbol}")
        return market

    def quote(self, symbol: str) -> Quote:
        recv_ns = self.clock.now_ns() + self._feed_latency_ns
        quote = self.market(symbol).quote(recv_ns=recv_ns, venue_ms=self.clock.wall_ms())
        if quote is None:
            raise LinkDown(f"{self.name} has no quote of {symbol} yet")
        return quote

    def order_info(self, client: PaperClient, symbol: str, client_id: str) -> OrderUpdate | None:
        for update in self.active_orders(client, symbol):
            if update.client_id == client_id:
                return update
        return self._ended.get((client.account, symbol, client_id))

    def active_orders(self, client: PaperClient, symbol: str) -> list[OrderUpdate]:
        market = self.market(symbol)
        at_ms, recv_ns = self.clock.wall_ms(), self.clock.now_ns() + self._feed_latency_ns
        return [
            _update(order, market.instrument, at_ms=at_ms, recv_ns=recv_ns)
            for order in market.book.open_orders()
            if order.account == client.account
        ]

    def fills_since(self, client: PaperClient, symbol: str, since_ms: int) -> list[Fill]:
        self.market(symbol)
        return [
            fill
            for fill in self._fills
            if fill.account == client.account and fill.symbol == symbol and fill.at_ms >= since_ms
        ]

    def positions(self, client: PaperClient) -> list[Position]:
        return [
            Position(client.account, symbol, holding.qty, holding.entry_price, mark_price=self.market(symbol).mid)
            for symbol, holding in client.balances.holdings.items()
            if holding.qty
        ]

    def margin(self, client: PaperClient) -> Margin:
        exposures = [market.exposure(client) for market in self._markets.values()]
        return margin_of(client.account, client.balances, exposures)


def _deliver(deliveries: list[_Delivery]) -> None:
    for receive, value in deliveries:
        receive(value)


def _update(order: BookOrder, instrument: Instrument, *, at_ms: int, recv_ns: int) -> OrderUpdate:
    lot = instrument.lot
    return OrderUpdate(
        order.account, instrument.symbol, order.client_id, order.order_id, order.side, lot * order.lots, order.state,
        lot * order.cum, None if order.ticks is None else instrument.tick * order.ticks, at_ms, recv_ns,
        order.refusal, order.text, order.reduce_only,
    )  # fmt: skip


def _ignore(_: PrivateEvent) -> None:
    """Private frames of an account that nobody listens to."""
