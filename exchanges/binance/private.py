"""The private stream of one Binance account, and what is compared with it.

A subscription of the WebSocket API on spot, a listen key on futures. Rows of trades name the venue's order id alone.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from exchanges.account_feed import SETTLES_NS, AccountFeed
from exchanges.binance.rest import WINDOW_MS, Rest
from exchanges.binance.wire import reply, stream
from exchanges.binance.wire.reply import FillRow
from exchanges.binance.wire.request import Signer, api_message
from exchanges.binance.wire.stream import Answer, Ended, HeldFacts, Unread
from exchanges.budget import Use
from exchanges.errors import AuthFailed
from exchanges.facts import OrderFacts
from exchanges.link import Opening
from exchanges.reconcile import Pace
from exchanges.tracking import KEPT, Sent, Tracking
from exchanges.types import Clock, Fill, FillKind, Instrument, MarketKind, OrderUpdate, PrivateEvent

_TRADE, _SPOT = FillKind.TRADE, MarketKind.SPOT

S = 1_000_000_000
LISTEN_NS = 3_600 * S  # a listen key lives; asked for again at half of it
LAGS_MS = 60_000  # after a fill, until its order must be in the list of orders
NOBODYS = ("", _TRADE)
SPOT_PACE = Pace(alone_ns=2 * S)  # a comparison weighs 46 there, and an address has 6,000 a minute


class PrivateFeed(AccountFeed):
    """`instruments` are filled by `connect`."""

    def __init__(
        self, account: str, venue: str, *, rest: Rest, signer: Signer, tracking: Tracking, clock: Clock,
        instruments: Mapping[str, Instrument], symbols: Sequence[str], deliver: Callable[[PrivateEvent], None],
        note: Callable[[str], None], lost: Callable[[str], None], trusted: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._spot = rest.product.kind is _SPOT
        super().__init__(
            account, venue, time=rest, symbols=symbols, tracking=tracking, clock=clock, deliver=deliver, note=note,
            lost=lost, trusted=trusted, pace=SPOT_PACE if self._spot else None,
        )  # fmt: skip
        self._rest = rest
        self._signer = signer
        self._instruments = instruments
        self._held: dict[str, Decimal] = {}  # by symbol; on spot by asset
        self._named: OrderedDict[str, tuple[str, FillKind]] = OrderedDict()  # of orders that were asked about, by id
        self._subscribed: asyncio.Future[None] | None = None
        self._listen_key = ""

    def _instrument(self, symbol: str) -> Instrument | None:
        return self._instruments.get(symbol)

    # --- the stream

    async def opening(self) -> Opening:
        await self._read_clock()
        return self._subscription() if self._spot else await self._listening()

    def _subscription(self) -> Opening:
        self._subscribed = asyncio.get_running_loop().create_future()
        params = self._signer.params({}, timestamp_ms=self.venue_ms, window_ms=WINDOW_MS)
        return Opening((api_message("user", "userDataStream.subscribe.signature", params),))

    async def _listening(self) -> Opening:
        """Asking for a key that is there keeps it for another hour; another one means that the stream is dead."""
        key = await self._rest.listen_key()
        if self._listen_key and key != self._listen_key:
            self._lost("its listen key was replaced")
        self._listen_key = key
        return Opening((), valid_ns=LISTEN_NS, query=f"listenKey={key}")

    def take(self, data: bytes, recv_ns: int) -> None:
        said = stream.message(data)
        if type(said) is OrderFacts:
            if said.trade is not None:
                self._newest = data
            self.order(said, recv_ns)
        elif type(said) is HeldFacts:
            for name, amount in said.amounts:
                self._held[name] = amount
            self._clock.call_at(self._clock.now_ns() + SETTLES_NS, self._settled, said)
        elif type(said) is Answer:
            self._answered(said)
        elif type(said) is Ended:
            self._lost(said.text)
        elif type(said) is Unread:
            self._unread(said.text)

    def _orders_in(self, data: bytes) -> Sequence[OrderFacts]:
        said = stream.message(data)
        return (said,) if type(said) is OrderFacts else ()

    def _answered(self, said: Answer) -> None:
        """Raises: AuthFailed for a subscription that was refused for its key."""
        if said.status != 200:
            error = reply.api_error(said.status, said.error, now_ms=self.venue_ms)
            if isinstance(error, AuthFailed):
                raise error
            self._lost(f"the account's events were refused: {error}")
        elif self._subscribed is not None and not self._subscribed.done():
            self._subscribed.set_result(None)

    def _settled(self, told: HeldFacts) -> None:
        """What is held moved without its fills: the newest word counts, older ones were overtaken."""
        for symbol, instrument in self._instruments.items():
            name = instrument.base if self._spot else symbol
            for told_name, amount in told.amounts:
                if told_name == name and self._held.get(name) == amount != self.reconcile.expected(symbol):
                    self.reconcile.suspect()

    async def resync(self) -> None:
        if self._subscribed is not None:
            await self._subscribed  # a pong may overtake the answer, and what comes before it is not in the stream
        await super().resync()

    def away(self) -> None:
        """The stream is lost, and nothing else tells of a fill until it is back."""
        self._listen_key = ""
        self.reconcile.suspect()

    async def stop(self) -> None:
        await super().stop()
        self._listen_key = ""

    # --- what a comparison asks (reconcile.Sources)

    async def open_orders(self, symbol: str, use: Use) -> Sequence[OrderUpdate]:
        return [self.update_of(row) for row in await self._rest.open_orders(symbol, use)]

    async def fills(self, symbol: str, since_ms: int, use: Use) -> Sequence[Fill]:
        rows = await self._rest.fills(symbol, since_ms, use)
        await self._name(symbol, rows, use)
        return [self._fill_of_row(row) for row in rows]

    async def _name(self, symbol: str, rows: Sequence[FillRow], use: Use) -> None:
        """Rows name the venue's id alone: of orders that this process did not send, ask for ours."""
        unknown = {
            row.order_id: row.at_ms for row in rows if not self._row_owner(row) and row.order_id not in self._named
        }
        if not unknown:
            return
        found = await self._rest.orders_named(symbol, unknown, use)
        settled_ms = self.venue_ms - LAGS_MS
        for order_id, at_ms in unknown.items():
            if order_id in found:
                self._named[order_id] = (found[order_id].client_id, found[order_id].kind)
            elif at_ms < settled_ms:
                self._named[order_id] = NOBODYS  # it will not come any more: do not ask again
        while len(self._named) > KEPT:
            self._named.popitem(last=False)

    def _row_owner(self, row: FillRow) -> str:
        client_id, _ = self._named.get(row.order_id, NOBODYS)
        return self._tracking.owner(row.order_id, client_id, symbol=row.symbol, side=row.side, at_ms=row.at_ms)

    async def ended_order(self, order: Sent, use: Use) -> OrderUpdate | None:
        """The end of an order that is open no more."""
        client_id = order.request.client_id
        facts = await self.find(order.request.symbol, client_id, use)
        return None if facts is None or not facts.state.terminal else self.update_of(facts, client_id=client_id)

    async def find(self, symbol: str, client_id: str, use: Use) -> OrderFacts | None:
        """An order by either id; None for one that is not there, or not ours (S15). Raises: ExchangeError."""
        sent = self._tracking.get(client_id)
        order_id = "" if sent is None else sent.order_id
        facts = await self._rest.order(symbol, use, client_id=client_id, order_id=order_id)
        return facts if facts is not None and self.owner(facts, client_id) else None

    async def position(self, symbol: str, use: Use) -> Decimal:
        if self._spot:
            free, bound = (await self._rest.balances(use)).get(self._instruments[symbol].base, (Decimal(0), Decimal(0)))
            return free + bound
        return sum((row.qty for row in await self._rest.positions(use) if row.symbol == symbol), Decimal(0))

    def _fill_of_row(self, row: FillRow) -> Fill:
        _, kind = self._named.get(row.order_id, NOBODYS)
        return self._fill_of((row.symbol, row.side, row.order_id, self._row_owner(row), row.at_ms, kind, row.trade))
