"""OKX behind `BaseExchangeClient`: one account, orders through its private stream, else by REST (E20).

A client order id is unique among open orders only: what is unknown is asked about, never sent again. The venue's
cancel-all is not used; its dead man's switch, which cancels every order of the account, only where all of them are ours
(S1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial

from exchanges.base import BatchReplyHandler
from exchanges.budget import Use
from exchanges.errors import ExchangeError, LinkDown, Rejected
from exchanges.facts import quote_of
from exchanges.http import reply_to
from exchanges.link import Link
from exchanges.okx.entry import BATCH_MOST, VALID_MOST_MS, Nowhere, OrderEntry
from exchanges.okx.entry import Sent as SentCommand
from exchanges.okx.limits import AddressLimits
from exchanges.okx.market import MarketFeed
from exchanges.okx.private import PrivateFeed
from exchanges.okx.rest import Rest
from exchanges.okx.wire import reply
from exchanges.okx.wire.codes import UNDER_CANCEL
from exchanges.okx.wire.request import PING, Args, Signer, Traded, order_args, plain
from exchanges.order_client import OrderClient
from exchanges.switch import Switch
from exchanges.tracking import Tracking
from exchanges.transport import Transport
from exchanges.types import (
    Accepted,
    AccountFacts,
    Capabilities,
    ClientIdStyle,
    Clock,
    Instrument,
    Margin,
    OrderRequest,
    OrderUpdate,
    Position,
    Quote,
    Refusal,
    Refused,
    Reply,
    ReplyHandler,
    Rng,
    SelfTrade,
)
from exchanges.venue_clock import ClockKeeper

REST_URL = "https://www.okx.com"
STREAM_URL = "wss://ws.okx.com:8443/ws/v5"
DEMO_STREAM_URL = "wss://wspap.okx.com:8443/ws/v5"

CAPABILITIES = Capabilities(
    client_id=ClientIdStyle.TEXT, modify=True, batch=True, reduce_only=True, market_orders=True,
    self_trade=frozenset({SelfTrade.CANCEL_TAKER, SelfTrade.CANCEL_MAKER, SelfTrade.CANCEL_BOTH}),
    query_finds_terminal=True, dead_man_switch=True,
)  # fmt: skip


class OkxClient(OrderClient):
    """One account. `markets` are the symbols that it trades, with our name of each; names ending in -SWAP are swaps.

    `stream_url` is where `/public` and `/private` are. `switch_s` arms the venue's dead man's switch for so long, 0 not
    at all; it takes every order of the account along.
    """

    _feed: PrivateFeed

    def __init__(
        self, account: str, *, venue: str, markets: dict[str, str], signer: Signer, transport: Transport, clock: Clock,
        rng: Rng, address: AddressLimits, rest_url: str = REST_URL, stream_url: str = STREAM_URL, switch_s: int = 0,
    ) -> None:  # fmt: skip
        swaps = any(symbol.endswith("-SWAP") for symbol in markets)
        capabilities = replace(CAPABILITIES, reduce_only=swaps)  # spot knows none
        super().__init__(account, venue=venue, capabilities=capabilities, transport=transport, clock=clock, rng=rng)
        self._markets = markets
        self._stream_url = stream_url.rstrip("/")
        self._connects = address.connects
        self._tracking = Tracking()
        self._rest = Rest(rest_url, signer=signer, transport=transport, clock=clock, address=address)
        self._entry = OrderEntry(
            self._rest,
            clock,
            say=lambda text: self._link.say(text),
            fresh=lambda within_ns: self._link.fresh(within_ns),
        )
        self._nowhere = Nowhere(self._rest, clock)
        self._feed = PrivateFeed(
            account, venue, symbols=tuple(markets), rest=self._rest, signer=signer, entry=self._entry,
            tracking=self._tracking, clock=clock, deliver=self._deliver, note=self._note, link=lambda: self._link,
            connects=address.connects,
        )  # fmt: skip
        self._link = Link(
            f"{self._stream_url}/private", transport=transport, clock=clock, rng=rng, feed=self._feed, tell=self._tell,
            ping_text=PING,
        )  # fmt: skip
        self._keeper = ClockKeeper(clock, read=self._rest.read_clock, note=self._note)
        self._switch = (
            Switch(self._rest.cancel_all_after, clock, seconds=switch_s, note=self._note) if switch_s else None
        )

    # --- connection

    async def _start(self) -> None:
        await self._rest.read_clock()
        await self._rest.read_mode()
        for symbol, market in self._markets.items():
            await self._rest.learn(symbol, venue=self.venue, market=market)
        await self._rest.warm()
        self._feed.reconcile.begin(self._rest.venue_ms)
        await self._link.open()
        if self._quotes:
            await self._open_market(f"{self._stream_url}/public", self._market_feed, ping_text=PING)
        if self._switch is not None:
            await self._switch.start()
        self._keeper.start()

    async def disconnect(self) -> None:
        await self._keeper.stop()
        if self._switch is not None:
            await self._switch.stop()
        await self._close_market()
        await self._link.close()
        await self._feed.stop()
        await self._rest.close()
        await self._transport.close()

    def _market_feed(self, link: Callable[[], Link]) -> MarketFeed:
        return MarketFeed(
            self.venue, self._quotes, units=self._rest.units, clock=self._clock, link=link, connects=self._connects
        )

    def _suspect(self) -> None:
        self._entry.lost()
        self._feed.reconcile.suspect()

    # --- orders

    def submit(self, order: OrderRequest, on_reply: ReplyHandler) -> None:
        try:
            traded = self._traded(order.symbol)
            args = order_args(order, traded)
        except Rejected as error:
            on_reply(Refused(error.refusal, error.text))
            return
        self._register(order)
        self._entry.send(
            "order", [args], traded, valid_ms=order.valid_ms, budget=self._rest.limits.place,
            on_items=lambda items, sent: self._answered(order, on_reply, items[0], sent),
        )  # fmt: skip

    def exercise_order(self, order: OrderRequest) -> None:
        traded = self._traded(order.symbol)
        self._nowhere.exercise(order_args(order, traded), traded)

    def submit_batch(self, orders: Sequence[OrderRequest], on_reply: BatchReplyHandler) -> None:
        """Orders of one symbol after the other, twenty at a time."""
        for symbol in dict.fromkeys(order.symbol for order in orders):
            ours = [order for order in orders if order.symbol == symbol]
            for start in range(0, len(ours), BATCH_MOST):
                self._submit_some(ours[start : start + BATCH_MOST], on_reply)

    def _submit_some(self, orders: Sequence[OrderRequest], on_reply: BatchReplyHandler) -> None:
        try:
            traded = self._traded(orders[0].symbol)
            args = [order_args(order, traded) for order in orders]
        except Rejected as error:
            for order in orders:
                on_reply(order.client_id, Refused(error.refusal, error.text))
            return
        for order in orders:
            self._register(order)

        def answered(items: list[str | ExchangeError], sent: SentCommand) -> None:
            for order, item in zip(orders, items, strict=True):
                self._answered(order, partial(on_reply, order.client_id), item, sent)

        limits = self._rest.limits
        self._entry.send(
            "batch-orders", args, traded, valid_ms=min(order.valid_ms for order in orders),
            budget=limits.place if len(orders) == 1 else limits.batch, on_items=answered,
        )  # fmt: skip

    def submit_cancel(self, symbol: str, client_id: str, on_reply: ReplyHandler) -> None:
        self._change("cancel-order", symbol, {"clOrdId": client_id}, on_reply)

    def submit_modify(
        self, symbol: str, client_id: str, on_reply: ReplyHandler, *, price: Decimal, qty: Decimal
    ) -> None:
        try:
            size = self._traded(symbol).size(qty)
        except Rejected as error:
            on_reply(Refused(error.refusal, error.text))
            return
        self._change("amend-order", symbol, {"clOrdId": client_id, "newSz": size, "newPx": plain(price)}, on_reply)

    def _change(self, name: str, symbol: str, args: Args, on_reply: ReplyHandler) -> None:
        """A command about an order that exists. Accepted means that the venue has the request."""
        try:
            traded = self._traded(symbol)
        except Rejected as error:
            on_reply(Refused(error.refusal, error.text))
            return
        self._tracking.moves += 1

        def answered(items: list[str | ExchangeError], sent: SentCommand) -> None:
            item = items[0]
            if isinstance(item, Rejected) and item.text.startswith(UNDER_CANCEL):
                item = ""
            on_reply(_reply(item, sent))

        limits = self._rest.limits
        self._entry.send(
            name, [args], traded, valid_ms=VALID_MOST_MS,
            budget=limits.cancel if name == "cancel-order" else limits.amend, on_items=answered,
        )  # fmt: skip

    def _answered(
        self, order: OrderRequest, on_reply: ReplyHandler, item: str | ExchangeError, sent: SentCommand
    ) -> None:  # fmt: skip
        answer = _reply(item, sent)
        if isinstance(answer, Accepted) and answer.order_id:
            self._tracking.owner(answer.order_id, order.client_id, symbol=order.symbol, side=order.side)
        self._feed.answered(order.client_id, refused=isinstance(answer, Refused))
        on_reply(answer)

    def _traded(self, symbol: str) -> Traded:
        traded = self._rest.traded.get(symbol)
        if traded is None:
            raise Rejected(Refusal.UNSUPPORTED, f"{symbol} is no market of this account here")
        return traded

    # --- questions

    async def get_order_info(self, symbol: str, client_id: str) -> OrderUpdate | None:
        return await self._asked(partial(self._order_info, symbol, client_id))

    async def _order_info(self, symbol: str, client_id: str) -> OrderUpdate | None:
        update = await self._feed.find(symbol, client_id, Use.ORDER)
        if update is not None:
            self._tracking.update(update)
            return update
        # A cancelled order that filled nothing leaves the venue's lists after two hours.
        remembered = self._remembered(client_id)
        if remembered is None:
            self._absent(client_id)
        return remembered

    async def _positions(self) -> list[Position]:
        traded = self._rest.traded.values()
        found: list[Position] = []
        if any(not each.spot for each in traded):
            found += self._listed(await self._rest.positions(Use.ASK))
        for each in traded:
            if each.spot:
                total = await self._feed.position(each.instrument.symbol, Use.ASK)
                found.append(Position(self.account, each.instrument.symbol, total))
        return found

    async def get_margin(self) -> Margin:
        """In the quote asset of the account's first market; on spot cash and coins at mid, of which cash is free."""
        return await self._asked(self._margin)

    async def _margin(self) -> Margin:
        first = next(iter(self._rest.traded.values()), None)
        if first is None:
            raise LinkDown(f"{self.venue}: the account's markets are not known yet")
        instrument = first.instrument
        if first.spot:
            held = await self._rest.details(Use.ASK, instrument.base, instrument.quote)
            book = await self._rest.best(instrument.symbol)
            return reply.spot_margin(self.account, held, instrument, (book.bid + book.ask) / 2)
        held = await self._rest.details(Use.ASK, instrument.quote)
        positions = await self._rest.positions(Use.ASK) if reply.needs_positions(held, instrument.quote) else []
        return Margin(self.account, *reply.margin_of(held, instrument.quote, positions))

    async def get_contract_attributes(self, symbol: str) -> Instrument:
        market = self._markets.get(symbol, symbol)
        traded = await self._asked(lambda: self._rest.learn(symbol, venue=self.venue, market=market))
        return traded.instrument

    async def get_account_facts(self, symbol: str) -> AccountFacts:
        async def ask() -> AccountFacts:
            await self._rest.read_clock()
            mode = await self._rest.read_mode()
            swap = symbol.endswith("-SWAP")
            return AccountFacts(
                self._rest.clock.offset_ms, "", None, await self._rest.leverage(symbol) if swap else None,
                "cross" if swap else "", mode.moves_money,
            )  # fmt: skip

        return await self._asked(ask)

    async def fetch_bbo_prices(self, symbol: str) -> Quote:
        async def ask() -> Quote:
            if symbol not in self._rest.units:
                await self._rest.learn(symbol, venue=self.venue, market=self._markets.get(symbol, symbol))
            return quote_of(self.venue, await self._rest.best(symbol), self._clock.now_ns())

        quote = await self._asked(ask)
        if not quote.bid or not quote.ask:
            raise LinkDown(f"{self.venue} has no {'offer' if quote.bid else 'bid'} in {symbol}")
        return quote


def _reply(item: str | ExchangeError, sent: SentCommand) -> Reply:
    if isinstance(item, ExchangeError):
        return reply_to(item, signed_ns=sent.signed_ns, written_ns=sent.written_ns, dead_ns=sent.dead_ns)
    return Accepted(item, sent.signed_ns, sent.written_ns)
