"""Binance behind `BaseExchangeClient`: one account on spot or on USD-M futures (E20).

Orders go by the WebSocket API, and by REST while that connection is away; their life comes by the private stream. An
order query answers for ended orders too. The venue's cancel-all is not used: it would take the user's own orders (S1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial

from exchanges.base import BatchReplyHandler
from exchanges.binance.market import MarketFeed
from exchanges.binance.private import PrivateFeed
from exchanges.binance.rest import OnOrder, OrderOutcome, Rest
from exchanges.binance.session import OrderSession
from exchanges.binance.wire.product import USDM, Hosts, Product
from exchanges.binance.wire.reply import Untimely
from exchanges.binance.wire.request import Params, Signer, client_text, order_params
from exchanges.budget import Budget, Use
from exchanges.errors import ExchangeError, RateLimited, Rejected
from exchanges.facts import NOT_SIGNED, Signed, quote_of
from exchanges.http import reply_to
from exchanges.link import Link
from exchanges.order_client import OrderClient
from exchanges.switch import Switch
from exchanges.tracking import Tracking
from exchanges.transport import Transport
from exchanges.types import (
    ZERO,
    Accepted,
    AccountFacts,
    Cancellable,
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
    Refusal,
    Refused,
    Reply,
    ReplyHandler,
    Rng,
    SelfTrade,
)
from exchanges.venue_clock import ClockKeeper

S = 1_000_000_000
MS = 1_000_000
WINDOW_MOST_MS = 1_000  # of orders and cancels (S4): the venue takes any, and a lost hedge is replaced that much sooner
AWAY_NS = 10 * S  # until a lost connection for orders is told


def capabilities_of(product: Product) -> Capabilities:
    futures = product.kind is MarketKind.PERP
    return Capabilities(
        client_id=ClientIdStyle.TEXT, modify=futures, batch=product.batch_most > 0, reduce_only=futures,
        market_orders=True, self_trade=frozenset(SelfTrade), query_finds_terminal=True, dead_man_switch=futures,
    )  # fmt: skip


class BinanceClient(OrderClient):
    """One account. `markets` are the symbols that it trades, with our name of each.

    With `cancel_after_s` the venue cancels all orders of these markets, whoever placed them, when it has not heard of
    us for so long (futures only): for accounts whose orders are all ours (S1).
    """

    _feed: PrivateFeed

    def __init__(
        self, account: str, *, venue: str, markets: dict[str, str], signer: Signer, transport: Transport, clock: Clock,
        rng: Rng, budget: Budget, product: Product = USDM, hosts: Hosts | None = None, cancel_after_s: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(
            account, venue=venue, capabilities=capabilities_of(product), transport=transport, clock=clock, rng=rng
        )
        self._markets = markets
        self._signer = signer
        self._product = product
        self._hosts = hosts = hosts or product.live
        self._tracking = Tracking()
        self._orders = Budget(product.orders_in_10s, span_ns=10 * S)  # of this account, whatever the address has left
        self._rest = Rest(product, hosts, signer=signer, transport=transport, clock=clock, budget=budget)
        self._instruments: dict[str, Instrument] = {}
        self._learned = False  # its position mode and its markets
        self._feed = PrivateFeed(
            account, venue, rest=self._rest, signer=signer, tracking=self._tracking, clock=clock,
            instruments=self._instruments, symbols=tuple(markets), deliver=self._deliver, note=self._note,
            lost=lambda why: self._link.drop(why), trusted=lambda: self._link.state is LinkState.TRUSTED,
        )  # fmt: skip
        user = f"{hosts.stream}{product.user_path}" if product.user_path else f"{hosts.api}{product.api_path}"
        self._link = Link(user, transport=transport, clock=clock, rng=rng, feed=self._feed, tell=self._tell)
        self._session = OrderSession(
            signer=signer, rest=self._rest, clock=clock, budget=budget, say=lambda text: self._order_link.say(text),
            lost=lambda why: self._order_link.drop(why),
        )  # fmt: skip
        self._order_link = Link(
            f"{hosts.api}{product.api_path}", transport=transport, clock=clock, rng=rng, feed=self._session,
            tell=self._tell_session,
        )  # fmt: skip
        self._keeper = ClockKeeper(clock, read=self._rest.read_clock, note=self._note)
        self._rest.untimely = self._keeper.soon
        self._away_timer: Cancellable | None = None
        self._switch: Switch | None = None
        if cancel_after_s:
            self._switch = Switch(self._arm_switch, clock, seconds=cancel_after_s, note=self._note)

    # --- connection

    async def _start(self) -> None:
        await self._rest.read_clock()
        if not self._learned:  # coming back costs no more than it must: four accounts have a minute's requests together
            await self._rest.check_one_way()
            for symbol, market in self._markets.items():
                self._instruments[symbol] = await self._rest.instrument(symbol, venue=self.venue, market=market)
            self._learned = True
        await self._rest.warm()
        self._feed.reconcile.begin(self._rest.venue_ms)
        await self._link.open()
        await self._order_link.open()
        if self._quotes:
            await self._open_market(f"{self._hosts.stream}{self._product.quotes_path}", self._market_feed)
        self._keeper.start()
        if self._switch is not None:
            await self._switch.start()

    async def disconnect(self) -> None:
        if self._switch is not None:
            await self._switch.stop()
        if self._away_timer is not None:
            self._away_timer.cancel()
            self._away_timer = None
        await self._keeper.stop()
        await self._close_market()
        await self._order_link.close()
        self._session.fail("the session was closed")
        await self._link.close()
        await self._feed.stop()
        await self._rest.close()
        await self._transport.close()

    def _suspect(self) -> None:
        self._feed.away()

    def _tell_session(self, state: LinkState, text: str) -> None:
        """Orders go by REST meanwhile, which is told where it lasts; the account is trusted as before."""
        if state is LinkState.LOST:
            self._session.fail(text)
        if self._away_timer is not None:
            self._away_timer.cancel()
        self._away_timer = None
        if state is LinkState.LOST:
            self._away_timer = self._clock.call_at(self._clock.now_ns() + AWAY_NS, self._still_away, text)

    def _still_away(self, text: str) -> None:
        self._away_timer = None
        self._note(f"the connection for orders does not come back, they go by REST: {text}")

    def _market_feed(self, link: Callable[[], Link]) -> MarketFeed:
        return MarketFeed(self.venue, self._quotes, clock=self._clock, lost=lambda why: link().drop(why))

    async def _arm_switch(self, seconds: int) -> None:
        for symbol in self._markets:
            await self._rest.cancel_all_after(symbol, seconds * 1_000)

    # --- orders

    def submit(self, order: OrderRequest, on_reply: ReplyHandler) -> None:
        try:
            params = order_params(order, self._product)
        except Rejected as error:
            on_reply(Refused(error.refusal, error.text))
            return
        if not self._counted(1, on_reply):
            return
        self._register(order)
        signed = NOT_SIGNED

        def answered(outcome: OrderOutcome, written_ns: int) -> None:
            self._placed(order, on_reply, outcome, signed, written_ns)

        window_ms = min(order.valid_ms, WINDOW_MOST_MS)
        signed = self._send("order.place", self._rest.place, params, window_ms=window_ms, on_outcome=answered)

    def exercise_order(self, order: OrderRequest) -> None:
        nowhere = OrderSession(
            signer=self._signer, rest=self._rest, clock=self._clock, budget=Budget(1), say=_drop, lost=_drop
        )  # fmt: skip
        nowhere.send("order.place", order_params(order, self._product), window_ms=1, on_outcome=_drop)
        nowhere.fail("only exercised")

    def _send(
        self, method: str, by_rest: Callable[..., Signed], params: Params, *, window_ms: int, on_outcome: OnOrder
    ) -> Signed:
        """By the connection for orders; by REST while that one is away."""
        if self._order_link.state is LinkState.TRUSTED:
            return self._session.send(method, params, window_ms=window_ms, on_outcome=on_outcome)
        return by_rest(params, window_ms=window_ms, on_outcome=on_outcome)

    def _counted(self, count: int, on_reply: ReplyHandler) -> bool:
        """The venue counts orders of an account, as it counts the weight of requests of an address."""
        now_ns = self._clock.now_ns()
        until_ns = self._orders.take(now_ns, Use.TRADE, weight=count)
        if until_ns:
            wait_ms = (until_ns - now_ns) // MS
            on_reply(Refused(Refusal.RATE, f"no order left of {self._orders.limit} in 10 s, for {wait_ms} ms"))
        return not until_ns

    def submit_batch(self, orders: Sequence[OrderRequest], on_reply: BatchReplyHandler) -> None:
        """In requests of as many as the venue takes, each order in one of them."""
        if not self.capabilities.batch:
            super().submit_batch(orders, on_reply)
        good: list[tuple[OrderRequest, Params]] = []
        for order in orders:
            try:
                good.append((order, order_params(order, self._product)))
            except Rejected as error:
                on_reply(order.client_id, Refused(error.refusal, error.text))
        for start in range(0, len(good), max(1, self._product.batch_most)):
            self._submit_some(good[start : start + self._product.batch_most], on_reply)

    def _submit_some(self, several: Sequence[tuple[OrderRequest, Params]], on_reply: BatchReplyHandler) -> None:
        def refused(reply: Reply) -> None:
            for order, _ in several:
                on_reply(order.client_id, reply)

        if not self._counted(len(several), refused):
            return
        for order, _ in several:
            self._register(order)
        signed = NOT_SIGNED

        def answered(outcomes: Sequence[OrderOutcome], written_ns: int) -> None:
            for (order, _), outcome in zip(several, outcomes, strict=True):
                self._placed(order, partial(on_reply, order.client_id), outcome, signed, written_ns)

        window_ms = min(*(order.valid_ms for order, _ in several), WINDOW_MOST_MS)
        signed = self._rest.place_batch(
            [params for _, params in several], window_ms=window_ms, on_outcomes=answered
        )  # fmt: skip

    def submit_cancel(self, symbol: str, client_id: str, on_reply: ReplyHandler) -> None:
        try:
            params = {"symbol": symbol, "origClientOrderId": client_text(client_id)}
        except Rejected as error:
            on_reply(Refused(error.refusal, error.text))
            return
        self._tracking.moves += 1
        self._change("order.cancel", self._rest.cancel, client_id, params, on_reply)

    def submit_modify(
        self, symbol: str, client_id: str, on_reply: ReplyHandler, *, price: Decimal, qty: Decimal
    ) -> None:
        """Price and total quantity of a resting futures order; a post-only order that would now take ends."""
        if not self.capabilities.modify:
            raise NotImplementedError(f"{self.venue} has no native modify on spot")
        sent = self._tracking.get(client_id)
        if sent is None:
            on_reply(Refused(Refusal.NOT_FOUND, f"no order {client_id[:40]} of this run"))
            return
        if not self._counted(1, on_reply):
            return
        self._tracking.moves += 1
        params = {
            "symbol": symbol, "origClientOrderId": client_id, "side": sent.request.side.name, "quantity": f"{qty:f}",
            "price": f"{price:f}",
        }  # fmt: skip
        self._change("order.modify", self._rest.modify, client_id, params, on_reply)

    def _change(
        self, method: str, by_rest: Callable[..., Signed], client_id: str, params: Params, on_reply: ReplyHandler
    ) -> None:
        signed = NOT_SIGNED

        def answered(outcome: OrderOutcome, written_ns: int) -> None:
            if isinstance(outcome, ExchangeError):
                on_reply(reply_to(outcome, signed_ns=signed.signed_ns, written_ns=written_ns, dead_ns=signed.dead_ns))
                return
            on_reply(Accepted(outcome.order_id, signed.signed_ns, written_ns))
            if outcome.client_id == client_id:
                self._take(outcome)

        signed = self._send(method, by_rest, params, window_ms=WINDOW_MOST_MS, on_outcome=answered)

    def _failed(self, error: ExchangeError) -> None:
        if isinstance(error, Untimely):
            self._keeper.soon()
        elif isinstance(error, RateLimited):
            self._orders.block(self._clock.now_ns(), for_ns=error.retry_ms * MS)

    # --- questions

    async def get_order_info(self, symbol: str, client_id: str) -> OrderUpdate | None:
        return await self._asked(partial(self._order_info, symbol, client_text(client_id)))

    async def _order_info(self, symbol: str, client_id: str) -> OrderUpdate | None:
        facts = await self._feed.find(symbol, client_id, Use.ORDER)
        if facts is not None:
            return self._found(facts, client_id)
        remembered = self._remembered(client_id)
        if remembered is None:
            self._absent(client_id)
        return remembered

    async def _positions(self) -> list[Position]:
        if self._product.kind is MarketKind.PERP:
            return self._listed(await self._rest.positions(Use.ASK))
        balances = await self._rest.balances(Use.ASK)
        return [
            Position(self.account, symbol, sum(balances.get(instrument.base, ()), ZERO))
            for symbol, instrument in self._instruments.items()
        ]

    async def get_margin(self) -> Margin:
        return await self._asked(self._margin)

    async def _margin(self) -> Margin:
        """On spot what is held of the markets' assets counts at the middle of their books; free is the quote asset."""
        if self._product.kind is MarketKind.PERP:
            return await self._rest.futures_margin(self.account, Use.ASK)
        balances = await self._rest.balances(Use.ASK)
        equity, free, quotes = ZERO, ZERO, dict[str, None]()
        for symbol, instrument in self._instruments.items():
            held = sum(balances.get(instrument.base, ()), ZERO)
            if held:
                best = await self._rest.best(symbol)
                equity += held * (best.bid + best.ask) / 2
            quotes[instrument.quote] = None
        for quote in quotes:
            equity += sum(balances.get(quote, ()), ZERO)
            free += balances.get(quote, (ZERO, ZERO))[0]
        return Margin(self.account, equity, free, ZERO)

    async def get_contract_attributes(self, symbol: str) -> Instrument:
        market = self._markets.get(symbol, symbol)
        return await self._asked(lambda: self._rest.instrument(symbol, venue=self.venue, market=market))

    async def get_account_facts(self, symbol: str) -> AccountFacts:
        """Whether a key may withdraw is told at another address, which is not asked."""

        async def ask() -> AccountFacts:
            await self._rest.read_clock()
            offset_ms, most = self._rest.clock.offset_ms, self._product.weight_a_minute
            if self._product.kind is MarketKind.SPOT:
                return AccountFacts(offset_ms, requests_per_minute=most)
            await self._rest.check_one_way()
            risk = await self._rest.risk(symbol)
            return AccountFacts(
                offset_ms, requests_per_minute=most, leverage=risk.leverage, margin_mode=risk.margin_mode
            )

        return await self._asked(ask)

    async def fetch_bbo_prices(self, symbol: str) -> Quote:
        book = await self._asked(lambda: self._rest.best(symbol))
        return quote_of(self.venue, book, self._clock.now_ns())


def _drop(*_: object) -> None:
    """What is only exercised is told to nobody."""
