"""Backpack behind `BaseExchangeClient`: one account, orders by REST, their life by the private stream (E20).

An order query knows resting orders only: the end of one comes from the stream, else from the venue's history. There is
no modify, and the venue's cancel-all is not used: it would take the user's own orders with it (S1).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from exchanges.backpack.market import MarketFeed
from exchanges.backpack.private import PrivateFeed
from exchanges.backpack.rest import Rest
from exchanges.backpack.wire import reply
from exchanges.backpack.wire.request import Params, Signer, client_number, command, order_params
from exchanges.base import BatchReplyHandler
from exchanges.budget import Budget, Use
from exchanges.errors import BadFrame, ExchangeError, OutcomeUnknown, Rejected
from exchanges.facts import NOT_SIGNED, OrderFacts, quote_of
from exchanges.http import Outcome, reply_to
from exchanges.link import Link
from exchanges.order_client import OrderClient
from exchanges.tracking import Tracking
from exchanges.transport import Response, Transport
from exchanges.types import (
    Accepted,
    AccountFacts,
    Capabilities,
    ClientIdStyle,
    Clock,
    Instrument,
    LinkState,
    Margin,
    MarketKind,
    OrderRequest,
    OrderUpdate,
    Position,
    Quote,
    Refused,
    ReplyHandler,
    Rng,
    SelfTrade,
)
from exchanges.venue_clock import ClockKeeper

REST_URL, STREAM_URL = "https://api.backpack.exchange", "wss://ws.backpack.exchange"
WINDOW_MOST_MS = 2_000  # of orders and cancels (S4)
BATCH_MOST = 10  # orders of one request; the venue's own limit is not documented

CAPABILITIES = Capabilities(
    client_id=ClientIdStyle.UINT32, modify=False, batch=True, reduce_only=True, market_orders=True,
    self_trade=frozenset({SelfTrade.CANCEL_TAKER, SelfTrade.CANCEL_MAKER, SelfTrade.CANCEL_BOTH}),
    # From the history, about which nobody promises how soon it knows: "no such order" is said only with a live stream.
    query_finds_terminal=True, dead_man_switch=False,
)  # fmt: skip


class BackpackClient(OrderClient):
    """One account. `markets` are the symbols that it trades, with our name of each."""

    _feed: PrivateFeed

    def __init__(
        self, account: str, *, venue: str, markets: dict[str, str], signer: Signer, transport: Transport, clock: Clock,
        rng: Rng, budget: Budget, rest_url: str = REST_URL, stream_url: str = STREAM_URL,
    ) -> None:  # fmt: skip
        super().__init__(account, venue=venue, capabilities=CAPABILITIES, transport=transport, clock=clock, rng=rng)
        self._markets = markets
        self._signer = signer
        self._stream_url = stream_url
        self._tracking = Tracking()
        self._rest = Rest(rest_url, signer=signer, transport=transport, clock=clock, budget=budget)
        self._instruments: dict[str, Instrument] = {}
        self._feed = PrivateFeed(
            account, venue, rest=self._rest, signer=signer, tracking=self._tracking, clock=clock,
            instruments=self._instruments, symbols=tuple(markets), deliver=self._deliver, note=self._note,
            lost=lambda why: self._link.drop(why), trusted=lambda: self._link.state is LinkState.TRUSTED,
        )  # fmt: skip
        self._link = Link(
            stream_url, transport=transport, clock=clock, rng=rng, feed=self._feed, tell=self._tell
        )  # fmt: skip
        self._keeper = ClockKeeper(clock, read=self._rest.read_clock, note=self._note)

    # --- connection

    async def _start(self) -> None:
        await self._rest.check_open()
        await self._rest.read_clock()
        for symbol, market in self._markets.items():
            self._instruments[symbol] = await self._rest.instrument(symbol, venue=self.venue, market=market)
        await self._rest.warm()
        self._feed.reconcile.begin(self._rest.venue_ms)
        await self._link.open()
        if self._quotes:
            await self._open_market(self._stream_url, self._market_feed)
        self._keeper.start()

    async def disconnect(self) -> None:
        await self._keeper.stop()
        await self._close_market()
        await self._link.close()
        await self._feed.stop()
        await self._rest.close()
        await self._transport.close()

    def _market_feed(self, link: Callable[[], Link]) -> MarketFeed:
        return MarketFeed(self.venue, self._quotes, clock=self._clock, lost=lambda why: link().drop(why))

    def _suspect(self) -> None:
        self._feed.reconcile.suspect()

    # --- orders

    def submit(self, order: OrderRequest, on_reply: ReplyHandler) -> None:
        try:
            params = order_params(order)
        except Rejected as error:
            on_reply(Refused(error.refusal, error.text))
            return
        self._register(order)
        signed = NOT_SIGNED

        def answered(outcome: Outcome, written_ns: int) -> None:
            self._placed(order, on_reply, _order_in(outcome), signed, written_ns)

        signed = self._rest.place(params, window_ms=min(order.valid_ms, WINDOW_MOST_MS), on_outcome=answered)

    def exercise_order(self, order: OrderRequest) -> None:
        signed, _ = command("orderExecute", order_params(order))
        self._signer.headers(signed, timestamp_ms=0, window_ms=1, body=True)

    def submit_batch(self, orders: Sequence[OrderRequest], on_reply: BatchReplyHandler) -> None:
        for start in range(0, len(orders), BATCH_MOST):
            self._submit_some(orders[start : start + BATCH_MOST], on_reply)

    def _submit_some(self, orders: Sequence[OrderRequest], on_reply: BatchReplyHandler) -> None:
        try:
            several = [order_params(order) for order in orders]
        except Rejected as error:
            for order in orders:
                on_reply(order.client_id, Refused(error.refusal, error.text))
            return
        for order in orders:
            self._register(order)
        signed = NOT_SIGNED

        def answered(outcome: Outcome, written_ns: int) -> None:
            for order, one in zip(orders, _apart(outcome, len(orders)), strict=True):
                self._placed(order, partial(on_reply, order.client_id), one, signed, written_ns)

        window_ms = min(*(order.valid_ms for order in orders), WINDOW_MOST_MS)
        signed = self._rest.place_batch(several, window_ms=window_ms, on_outcome=answered)

    def submit_cancel(self, symbol: str, client_id: str, on_reply: ReplyHandler) -> None:
        try:
            params: Params = {"clientId": client_number(client_id), "symbol": symbol}
        except Rejected as error:
            on_reply(Refused(error.refusal, error.text))
            return
        self._tracking.moves += 1
        signed = NOT_SIGNED

        def answered(outcome: Outcome, written_ns: int) -> None:
            self._canceled(client_id, on_reply, outcome, signed.signed_ns, written_ns)

        signed = self._rest.cancel(params, window_ms=WINDOW_MOST_MS, on_outcome=answered)

    def _canceled(
        self, client_id: str, on_reply: ReplyHandler, outcome: Outcome, signed_ns: int, written_ns: int
    ) -> None:
        if isinstance(outcome, Response) and (outcome.status == 202 or not outcome.body):
            on_reply(Accepted("", signed_ns, written_ns))  # taken, not executed yet
            return
        facts = _order_in(outcome)
        if isinstance(facts, ExchangeError):
            on_reply(reply_to(facts, signed_ns=signed_ns, written_ns=written_ns))
            return
        on_reply(Accepted(facts.order_id, signed_ns, written_ns))
        if facts.client_id == client_id:
            self._take(facts)

    # --- questions

    async def get_order_info(self, symbol: str, client_id: str) -> OrderUpdate | None:
        return await self._asked(partial(self._order_info, symbol, client_id))

    async def _order_info(self, symbol: str, client_id: str) -> OrderUpdate | None:
        facts = await self._rest.open_order(symbol, client_number(client_id), Use.ORDER)
        if facts is not None:
            update = self._found(facts, client_id)
            if update.client_id:
                return update
        remembered = self._remembered(client_id)
        if remembered is not None:
            return remembered
        ended = await self._feed.find_ended(symbol, client_id, Use.ORDER)
        if ended is not None:
            return self._found(ended, client_id)
        self._absent(client_id)
        return None

    async def _positions(self) -> list[Position]:
        perps, spot = self._kinds()
        positions = await self._rest.position_list(Use.ASK) if perps else b"[]"
        return self._held(positions, await self._rest.collateral(Use.ASK) if spot else b"")

    def _kinds(self) -> tuple[bool, bool]:
        """Has the account perpetuals, and has it spot markets?"""
        kinds = {instrument.kind for instrument in self._instruments.values()}
        return not kinds or MarketKind.PERP in kinds, MarketKind.SPOT in kinds

    def _held(self, positions: bytes, collateral: bytes) -> list[Position]:
        """Perpetuals as they are listed, and what the collateral has of each spot market's base asset."""
        found = self._listed(reply.position_rows(positions))
        for symbol, instrument in self._instruments.items():
            if instrument.kind is MarketKind.SPOT:
                found.append(Position(self.account, symbol, reply.asset_total(collateral, instrument.base)))
        return found

    async def get_margin(self) -> Margin:
        async def ask() -> Margin:
            collateral, positions = await self._rest.collateral(Use.ASK), await self._rest.position_list(Use.ASK)
            return reply.margin_of(collateral, positions, self.account)

        return await self._asked(ask)

    async def get_holdings(self) -> tuple[Sequence[Position], Margin]:
        return await self._asked(self._holdings)

    async def _holdings(self) -> tuple[Sequence[Position], Margin]:
        """By two requests that leave together: the list of positions says what margin they need, too."""
        perps, _ = self._kinds()
        moves = await self._moves_so_far()
        positions, collateral = await asyncio.gather(self._rest.position_list(Use.ASK), self._rest.collateral(Use.ASK))
        held = self._held(positions if perps else b"[]", collateral)
        await self._feed.reconcile.explain(held, moves=moves)
        return held, reply.margin_of(collateral, positions, self.account)

    async def get_contract_attributes(self, symbol: str) -> Instrument:
        market = self._markets.get(symbol, symbol)
        return await self._asked(lambda: self._rest.instrument(symbol, venue=self.venue, market=market))

    async def get_account_facts(self, symbol: str) -> AccountFacts:
        """Rights of a key, tier and margin mode are not told."""

        async def ask() -> AccountFacts:
            await self._rest.read_clock()
            return AccountFacts(self._rest.clock.offset_ms, leverage=await self._rest.leverage())

        return await self._asked(ask)

    async def fetch_bbo_prices(self, symbol: str) -> Quote:
        book = await self._asked(lambda: self._rest.best(symbol))
        return quote_of(self.venue, book, self._clock.now_ns())


def _order_in(outcome: Outcome) -> OrderFacts | ExchangeError:
    if not isinstance(outcome, Response):
        return outcome
    if outcome.status != 200:
        return OutcomeUnknown(f"HTTP {outcome.status} instead of the order")
    try:
        return reply.one_order(outcome.body)
    except BadFrame as error:
        return OutcomeUnknown(f"the answer cannot be read: {error}")


def _apart(outcome: Outcome, count: int) -> Sequence[OrderFacts | ExchangeError]:
    """The answers to the orders of a batch; what is wrong with the whole is wrong with each."""
    if not isinstance(outcome, Response):
        return [outcome] * count
    try:
        return reply.batch_reply(outcome.body, count)
    except BadFrame as error:
        return [OutcomeUnknown(f"the answer cannot be read: {error}")] * count
