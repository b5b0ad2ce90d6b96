"""The private stream of one OKX account, and what is compared with it: every order and fill comes through here.

A login is answered before anything may be asked for, and the orders' channel begins without a picture: the stream is
compared with the venue after both are confirmed, and only then trusted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal

from exchanges.account_feed import MS, AccountFeed
from exchanges.budget import Budget, Use
from exchanges.errors import LinkDown
from exchanges.facts import OrderFacts
from exchanges.link import Link, Opening
from exchanges.okx.entry import OrderEntry
from exchanges.okx.rest import Rest
from exchanges.okx.turns import turn
from exchanges.okx.wire import reply, stream
from exchanges.okx.wire.order import FillRow
from exchanges.okx.wire.request import Signer, subscription
from exchanges.okx.wire.stream import Answer, Leaving, LoggedIn, Orders, Subscribed, Unread
from exchanges.reconcile import Pace
from exchanges.tracking import Sent, Tracking
from exchanges.types import Clock, Fill, FillKind, Instrument, LinkState, MarketKind, OrderUpdate, PrivateEvent

_TRADE, _SPOT = FillKind.TRADE, MarketKind.SPOT

CLOCK_FRESH_NS = 10_000 * MS  # many accounts of one address start at once, and the venue counts their readings
PACE = Pace(live_ns=2_000 * MS)  # the venue's limits carry it: what a stream loses in silence is found that soon


class PrivateFeed(AccountFeed):
    """The same connection carries orders: `entry` hears their answers."""

    def __init__(
        self, account: str, venue: str, *, symbols: Sequence[str], rest: Rest, signer: Signer, entry: OrderEntry,
        tracking: Tracking, clock: Clock, deliver: Callable[[PrivateEvent], None], note: Callable[[str], None],
        link: Callable[[], Link], connects: Budget,
    ) -> None:  # fmt: skip
        super().__init__(
            account, venue, time=rest, symbols=symbols, tracking=tracking, clock=clock, deliver=deliver, note=note,
            lost=lambda why: link().drop(why), trusted=lambda: link().state is LinkState.TRUSTED, pace=PACE,
        )  # fmt: skip
        self._rest = rest
        self._signer = signer
        self._entry = entry
        self._link = link
        self._connects = connects
        self._awaited: set[str] = set()  # symbols whose channel is not confirmed yet
        self._subscribed: asyncio.Future[None] | None = None

    def _instrument(self, symbol: str) -> Instrument | None:
        traded = self._rest.traded.get(symbol)
        return None if traded is None else traded.instrument

    # --- the stream

    async def opening(self) -> Opening:
        if self._clock.now_ns() - self._rest.clock.read_ns > CLOCK_FRESH_NS:
            await self._read_clock()
        self._entry.lost()
        await turn(self._connects, self._clock, Use.TRADE)
        self._awaited = set(self._symbols)
        self._subscribed = asyncio.get_running_loop().create_future()
        return Opening((self._signer.login(timestamp_ms=self.venue_ms),))

    async def resync(self) -> None:
        assert self._subscribed is not None
        await asyncio.shield(self._subscribed)
        await super().resync()

    def take(self, data: bytes, recv_ns: int) -> None:
        if data == stream.PONG:
            self._link().pong()
            return
        try:
            said = stream.message(data, self._rest.units)
        except LinkDown as error:
            self._link().drop(str(error))
            return
        if type(said) is Orders:
            for facts in said.facts:
                if facts.trade is not None:
                    self._newest = data
                self.order(facts, recv_ns)
            if said.unread:
                self._unread(f"an order that cannot be read ({said.unread})")
        elif type(said) is Answer:
            self._entry.answer(said.number, said.said)
        else:
            self._other(said)

    def _orders_in(self, data: bytes) -> Sequence[OrderFacts]:
        said = stream.message(data, self._rest.units)
        return said.facts if type(said) is Orders else ()

    def _other(self, said: stream.Told) -> None:
        match said:
            case LoggedIn():
                self._entry.logged_in()
                self._link().say(subscription([self._channel(symbol) for symbol in self._symbols]))
            case Subscribed(channel=stream.ORDERS, symbol=symbol):
                self._awaited.discard(symbol)
                if not self._awaited and self._subscribed is not None and not self._subscribed.done():
                    self._subscribed.set_result(None)
            case Leaving(text=text):
                self._link().drop(f"the venue closes it: {text}")
            case Unread(text=text):
                self._unread(text)

    @staticmethod
    def _channel(symbol: str) -> dict[str, str]:
        return {"channel": stream.ORDERS, "instType": "SWAP" if symbol.endswith("-SWAP") else "SPOT", "instId": symbol}

    async def stop(self) -> None:
        self._entry.lost()
        await super().stop()

    # --- what a comparison asks (reconcile.Sources)

    async def open_orders(self, symbol: str, use: Use) -> Sequence[OrderUpdate]:
        return [self.update_of(it) for it in await self._rest.open_orders(symbol, use)]

    async def fills(self, symbol: str, since_ms: int, use: Use) -> Sequence[Fill]:
        rows = await self._rest.fills(symbol, since_ms, use)
        return [self._fill_of_row(row) for row in rows]

    async def ended_order(self, order: Sent, use: Use) -> OrderUpdate | None:
        """The end of an order that is open no more."""
        found = await self.find(order.request.symbol, order.request.client_id, use)
        return found if found is not None and found.state.terminal else None

    async def find(self, symbol: str, client_id: str, use: Use) -> OrderUpdate | None:
        """An order of ours as the venue has it now; None where it knows none that is ours."""
        facts = await self._rest.order(symbol, use, client_id=client_id)
        if facts is None or facts.client_id != client_id or not self.owner(facts):
            return None
        return self.update_of(facts)

    async def position(self, symbol: str, use: Use) -> Decimal:
        instrument = self._rest.traded[symbol].instrument
        if instrument.kind is _SPOT:
            return reply.total(await self._rest.details(use, instrument.base), instrument.base)
        return sum((row.qty for row in await self._rest.positions(use) if row.symbol == symbol), Decimal(0))

    def _fill_of_row(self, row: FillRow) -> Fill:
        at_ms = row.trade.at_ms
        owner = self._tracking.owner(row.order_id, row.client_id, symbol=row.symbol, side=row.side, at_ms=at_ms)
        return self._fill_of((row.symbol, row.side, row.order_id, owner, at_ms, _TRADE, row.trade))
