"""Lighter behind `BaseExchangeClient`: one API key of one account; orders are signed transactions.

An answer of 200 says that a transaction is queued and nothing else: what became of it is told by the stream, by the
account's lists, and where those say nothing by the transaction itself. There is no modify here: whether the venue's
counts what has filled is not documented. Its cancel-all is not used, nor its dead man's switch: both would take the
user's own orders along (S1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial

from exchanges.budget import Budget, Use
from exchanges.errors import BadFrame, ExchangeError, OutcomeUnknown, Rejected
from exchanges.http import reply_to
from exchanges.lighter.market import MarketFeed, quote_of
from exchanges.lighter.private import PrivateFeed
from exchanges.lighter.rest import Listing, Rest
from exchanges.lighter.sending import Fate, Sending, Tx
from exchanges.lighter.signer import Signer, SignerThread
from exchanges.lighter.wire import reply
from exchanges.lighter.wire.reply import Account
from exchanges.lighter.wire.scale import CancelTx, Market, client_index, order_tx
from exchanges.link import Link
from exchanges.streamed import StreamedClient
from exchanges.tasks import Tasks
from exchanges.tracking import Sent, Tracking
from exchanges.transport import Transport
from exchanges.types import (
    Accepted,
    AccountFacts,
    Capabilities,
    ClientIdStyle,
    Clock,
    Fill,
    Instrument,
    LinkState,
    Margin,
    OrderRequest,
    OrderState,
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

REST_URL, STREAM_URL = "https://mainnet.zklighter.elliot.ai", "wss://mainnet.zklighter.elliot.ai/stream"
CHAIN_ID = 304  # of mainnet; testnet is 300
CANCEL_VALID_NS = 2_000_000_000
QUIET_NS = 700_000_000  # after "queued", beyond the venue's speed bumps (200 and 300 ms): then something is wrong

CAPABILITIES = Capabilities(
    client_id=ClientIdStyle.UINT48, modify=False, batch=False, reduce_only=True, market_orders=True,
    self_trade=frozenset({SelfTrade.CANCEL_TAKER, SelfTrade.CANCEL_MAKER, SelfTrade.CANCEL_BOTH}),
    # "No such order" is said only where the transaction can never be executed any more.
    query_finds_terminal=True, dead_man_switch=False,
)  # fmt: skip


class LighterClient(StreamedClient):
    """One account. `markets` are the symbols that it trades, with our name of each; `listing` is shared with others."""

    def __init__(
        self, account: str, *, venue: str, markets: dict[str, str], signer: Signer, transport: Transport, clock: Clock,
        rng: Rng, budget: Budget, rest_url: str = REST_URL, stream_url: str = STREAM_URL,
        listing: Listing | None = None,
    ) -> None:  # fmt: skip
        super().__init__(account, venue=venue, capabilities=CAPABILITIES, transport=transport, clock=clock, rng=rng)
        self._names = markets
        self._signer = signer
        self._stream_url = stream_url
        self._markets: dict[str, Market] = {}
        self._count = Use.COUNT
        self._learned = False  # its key, tier and markets
        self._thread = SignerThread(signer, clock)
        self._tracking = Tracking()
        self._rest = Rest(
            rest_url, signer=signer, thread=self._thread, transport=transport, clock=clock, budget=budget,
            listing=listing or Listing(),
        )  # fmt: skip
        self._sending = Sending(
            self._rest.http, self._thread, clock, ask_nonce=self._rest.next_nonce,
            weight=lambda: self._rest.weight("sendTx"),
        )  # fmt: skip
        self._feed = PrivateFeed(
            account, venue, rest=self._rest, sending=self._sending, index=signer.account_index,
            tracking=self._tracking, clock=clock, names=tuple(markets), markets=self._markets,
            few_requests=budget.limit <= reply.STANDARD_PER_MINUTE, deliver=self._deliver, note=self._note,
            lost=lambda why: self._link.drop(why), say=lambda text: self._link.say(text),
            state=lambda: self._link.state,
        )  # fmt: skip
        self._link = Link(stream_url, transport=transport, clock=clock, rng=rng, feed=self._feed, tell=self._tell)
        self._tasks = Tasks()
        self._market_feed: MarketFeed | None = None

    def leaving(self) -> None:
        self._count = Use.ASK

    # --- connection

    async def _start(self) -> None:
        await self._rest.read_clock()
        if not self._learned:  # coming back costs no more than it must: it is a large part of a minute's requests
            await self._rest.check_key()
            await self._rest.read_tier()
            for symbol in self._names:
                self._markets[symbol], _ = await self._rest.market(symbol)
            self._learned = True
        self._sending.start(await self._rest.next_nonce())
        await self._rest.http.warm()
        self._feed.reconcile.begin(self._rest.venue_ms)
        await self._link.open()
        if self._quotes:
            await self._open_market(self._stream_url, self._make_market_feed)

    async def disconnect(self) -> None:
        await self._close_market()
        if self._market_feed is not None:
            self._market_feed.stop()
        await self._link.close()
        await self._tasks.cancel()
        await self._feed.stop()
        await self._sending.close()
        await self._rest.http.close()
        await self._transport.close()
        self._thread.close()

    def _make_market_feed(self, link: Callable[[], Link]) -> MarketFeed:
        handlers = {self._markets[symbol].market_id: (symbol, take) for symbol, take in self._quotes.items()}
        self._market_feed = feed = MarketFeed(
            self.venue, handlers, clock=self._clock, lost=lambda why: link().drop(why),
            say=lambda text: link().say(text),
        )  # fmt: skip
        return feed

    def _suspect(self) -> None:
        self._feed.reconcile.suspect()

    # --- orders

    def submit(self, order: OrderRequest, on_reply: ReplyHandler) -> None:
        try:
            fields = order_tx(order, self._market(order.symbol), venue_ms=self._rest.venue_ms)
        except Rejected as error:
            on_reply(Refused(error.refusal, error.text))
            return
        if self._tracking.get(order.client_id) is not None:
            on_reply(Refused(Refusal.DUPLICATE_ID, f"client id {order.client_id} was used before"))
            return
        now_ns = self._clock.now_ns()
        self._tracking.sent(order, now_ns=now_ns, wall_ms=self._rest.venue_ms)
        tx = Tx(
            lambda nonce: self._signer.order(fields, nonce=nonce),
            lambda tx, said: self._placed(order, on_reply, tx, said),
            now_ns + order.valid_ms * 1_000_000,
        )
        self._feed.sent(order.client_id, tx)
        self._sending.send(tx)

    def together(self) -> AbstractContextManager[None]:
        """Each is signed while the one before is sent."""
        return self._sending.together()

    def submit_cancel(self, symbol: str, client_id: str, on_reply: ReplyHandler) -> None:
        order = self._tracking.get(client_id)
        if order is not None and order.state.terminal:
            on_reply(Refused(Refusal.NOT_FOUND, f"{client_id} has ended: {order.state.value}"))
            return
        try:
            fields = CancelTx(self._market(symbol).market_id, client_index(client_id))
        except Rejected as error:
            on_reply(Refused(error.refusal, error.text))
            return
        self._tracking.moves += 1
        if order is not None:
            order.cancel_ns = self._clock.now_ns()
        self._send_cancel(fields, partial(self._cancel_sent, client_id, on_reply))

    def _cancel_sent(self, client_id: str, on_reply: ReplyHandler, tx: Tx, said: str | ExchangeError) -> None:
        on_reply(_answer(tx, said))
        if isinstance(said, str):
            self._clock.call_at(self._clock.now_ns() + QUIET_NS, self._still_live, client_id)

    def _still_live(self, client_id: str) -> None:
        """A cancel was taken and the stream tells no end: a frame may be lost, and a hedge may wait for it (S8)."""
        order = self._tracking.get(client_id)
        if order is not None and not order.state.terminal and self._link.state is LinkState.TRUSTED:
            self._tasks.spawn(self._look(order.request))

    def _send_cancel(
        self, fields: CancelTx, on_sent: Callable[[Tx, str | ExchangeError], None], *, voids: int | None = None
    ) -> None:
        self._sending.send(
            Tx(
                lambda nonce: self._signer.cancel(fields, nonce=nonce), on_sent,
                self._clock.now_ns() + CANCEL_VALID_NS, voids,
            )
        )  # fmt: skip

    def _placed(self, order: OrderRequest, on_reply: ReplyHandler, tx: Tx, said: str | ExchangeError) -> None:
        answer = _answer(tx, said)
        on_reply(answer)
        self._tracking.answered(order.client_id, refused=isinstance(answer, Refused))
        if isinstance(said, OutcomeUnknown):
            self._void(order.symbol, order.client_id, tx)
        elif isinstance(answer, Accepted):
            self._clock.call_at(self._clock.now_ns() + QUIET_NS, self._still_quiet, order)

    def _still_quiet(self, order: OrderRequest) -> None:
        sent = self._tracking.get(order.client_id)
        if sent is not None and sent.state is OrderState.PENDING and self._link.state is LinkState.TRUSTED:
            self._tasks.spawn(self._look(order))

    async def _look(self, order: OrderRequest) -> None:
        """The stream says nothing of a transaction that the sequencer refused: its hash is asked for."""
        try:
            update = await self._feed.find(order.symbol, order.client_id, Use.ORDER)
        except (ExchangeError, BadFrame):
            return  # the engine asks too, and the next comparison
        if update is not None:
            self._feed.take_update(update)

    def _void(self, symbol: str, client_id: str, tx: Tx) -> None:
        """S4: a cancel of the very order with its very nonce. One of the two is taken, and then it is known which."""
        if self._sending.fate_of(tx) is Fate.OPEN:
            fields = CancelTx(self._markets[symbol].market_id, client_index(client_id))
            self._send_cancel(fields, lambda *_: self._voided(client_id, tx), voids=tx.nonce)

    def _voided(self, client_id: str, tx: Tx) -> None:
        """Told at once, not at the next question: what the order was to cover is open until then."""
        order = self._tracking.get(client_id)
        if order is not None and self._sending.fate_of(tx) is Fate.VOID:
            self._tasks.spawn(self._look(order.request))  # it asks nobody: a void order never came to be

    def _market(self, symbol: str) -> Market:
        market = self._markets.get(symbol)
        if market is None:
            raise Rejected(Refusal.UNSUPPORTED, f"{symbol} is no market of this account here")
        return market

    # --- questions

    async def get_order_info(self, symbol: str, client_id: str) -> OrderUpdate | None:
        return await self._asked(partial(self._order_info, symbol, client_id))

    async def _order_info(self, symbol: str, client_id: str) -> OrderUpdate | None:
        order = self._tracking.get(client_id)
        if order is not None and order.last is not None and (order.state.terminal or self._told_by_stream(order)):
            return order.last
        try:
            update = await self._feed.find(symbol, client_id, Use.ORDER)
        except OutcomeUnknown:
            tx = self._feed.tx_of(client_id)
            if tx is not None and tx.done:
                self._void(symbol, client_id, tx)
            raise
        if update is not None:
            self._tracking.update(update)
            self._feed.look_for_rows(client_id)
        return update

    def _told_by_stream(self, order: Sent) -> bool:
        """S11: the read before a cancel may come from a live, gap-free stream; a question costs much of a minute.

        Not where a cancel should have ended the order by now, or a fill has no row yet.
        """
        late = order.cancel_ns > 0 and self._clock.now_ns() - order.cancel_ns > QUIET_NS
        return self._link.state is LinkState.TRUSTED and not late and order.cum_qty == order.traded

    async def get_active_orders(self, symbol: str) -> Sequence[OrderUpdate]:
        return await self._asked(lambda: self._feed.active(symbol, Use.ASK))

    async def get_fills(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        return await self._asked(lambda: self._feed.rows(symbol, since_ms, Use.ASK))

    async def get_spare_fills(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        return await self._asked(lambda: self._feed.rows(symbol, since_ms, Use.UPKEEP))

    async def get_account_positions(self) -> Sequence[Position]:
        return (await self._asked(self._holdings))[0]

    async def get_margin(self) -> Margin:
        async def ask() -> Margin:
            return reply.margin_of(await self._account(), self.account)

        return await self._asked(ask)

    async def get_holdings(self) -> tuple[Sequence[Position], Margin]:
        return await self._asked(self._holdings)

    async def _holdings(self) -> tuple[list[Position], Margin]:
        """Both of one answer."""
        if self._tracking.short:
            await self._feed.fetch_rows(self._count)
        symbols = {market.market_id: symbol for symbol, market in self._markets.items()}
        moves = self._tracking.moves
        account = await self._account()
        held = [
            Position(
                self.account, symbols[row.market_id], row.qty, row.entry_price, row.liquidation_price, row.mark_price
            )
            for row in account.positions
            if row.market_id in symbols
        ]
        await self._feed.reconcile.explain(held, moves=moves)
        return held, reply.margin_of(account, self.account)

    async def _account(self) -> Account:
        """As the venue tells it; for some seconds what it told before, where the stream shows that nothing moved since.

        Who looks again and again whether all is flat would use up a wallet's minute, and then nobody is told anything.
        """
        return self._feed.remembered() or await self._feed.account(self._count)

    async def get_contract_attributes(self, symbol: str) -> Instrument:
        async def ask() -> Instrument:
            if self._rest.tier is None:
                await self._rest.read_tier()
            market, row = await self._rest.market(symbol)
            self._markets[symbol] = market
            name = self._names.get(symbol, symbol)
            return reply.instrument_of(market, row, self._rest.tier, venue=self.venue, name=name)

        return await self._asked(ask)

    async def get_account_facts(self, symbol: str) -> AccountFacts:
        async def ask() -> AccountFacts:
            offset_ms = await self._rest.read_clock()
            await self._rest.check_key()
            if self._rest.tier is None:
                await self._rest.read_tier()
            market, _ = await self._rest.market(symbol)
            rows = (await self._rest.account(Use.ASK)).positions
            row = next((row for row in rows if row.market_id == market.market_id), None)
            tier = self._rest.tier
            return AccountFacts(
                offset_ms, "" if tier is None else tier.name, None if tier is None else tier.per_minute,
                None if row is None else row.leverage,
                "" if row is None or row.isolated is None else "isolated" if row.isolated else "cross",
            )  # fmt: skip

        return await self._asked(ask)

    async def fetch_bbo_prices(self, symbol: str) -> Quote:
        async def ask() -> Quote:
            market = self._markets.get(symbol) or (await self._rest.market(symbol))[0]
            return quote_of(self.venue, symbol, await self._rest.best(market.market_id), self._clock.now_ns())

        return await self._asked(ask)


def _answer(tx: Tx, said: str | ExchangeError) -> Reply:
    """What the venue said of a transaction. Queued is all that it says: there is no order id yet."""
    if isinstance(said, str):
        return Accepted("", tx.signed_ns, tx.written_ns)
    return reply_to(said, signed_ns=tx.signed_ns, written_ns=tx.written_ns)
