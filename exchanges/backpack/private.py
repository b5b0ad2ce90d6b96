"""The private stream of one Backpack account, and what is compared with it.

A user's fill carries no client id: while the reply to an order of ours is awaited, such a fill waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from exchanges.account_feed import MS, SETTLES_NS, AccountFeed, Row
from exchanges.backpack.rest import WINDOW_MS, Rest
from exchanges.backpack.wire import reply, stream
from exchanges.backpack.wire.reply import FillRow
from exchanges.backpack.wire.request import Signer
from exchanges.backpack.wire.stream import PositionFacts, Unread
from exchanges.budget import Use
from exchanges.facts import OrderFacts
from exchanges.link import Opening
from exchanges.tracking import Sent, Tracking
from exchanges.types import Cancellable, Clock, Fill, FillKind, Instrument, MarketKind, OrderUpdate, PrivateEvent

_TRADE = FillKind.TRADE

PARK_NS = 2_000 * MS  # a user's fill without a client id waits so long for the reply that may tie it to an order
PARKED_MOST = 200


class PrivateFeed(AccountFeed):
    """`instruments` are filled by `connect`."""

    def __init__(
        self, account: str, venue: str, *, rest: Rest, signer: Signer, tracking: Tracking, clock: Clock,
        instruments: Mapping[str, Instrument], symbols: Sequence[str], deliver: Callable[[PrivateEvent], None],
        note: Callable[[str], None], lost: Callable[[str], None], trusted: Callable[[], bool],
    ) -> None:  # fmt: skip
        super().__init__(
            account, venue, time=rest, symbols=symbols, tracking=tracking, clock=clock, deliver=deliver, note=note,
            lost=lost, trusted=trusted,
        )  # fmt: skip
        self._rest = rest
        self._signer = signer
        self._instruments = instruments
        self._positions: dict[str, Decimal] = {}
        self._parked: list[tuple[Row, int]] = []
        self._park_timer: Cancellable | None = None

    def _instrument(self, symbol: str) -> Instrument | None:
        return self._instruments.get(symbol)

    # --- the stream

    async def opening(self) -> Opening:
        await self._read_clock()
        names = [f"{name}.{symbol}" for symbol in self._symbols for name in (stream.ORDERS, stream.POSITIONS)]
        message = self._signer.subscription(names, timestamp_ms=self.venue_ms, window_ms=WINDOW_MS)
        return Opening((message,))

    def take(self, data: bytes, recv_ns: int) -> None:
        said = stream.message(data)
        if type(said) is OrderFacts:
            if said.trade is not None:
                self._newest = data
            self.order(said, recv_ns)
        elif type(said) is PositionFacts:
            self._positions[said.symbol] = said.qty
            self._clock.call_at(self._clock.now_ns() + SETTLES_NS, self._settled, said)
        elif type(said) is Unread:
            self._unread(said.text)

    def _orders_in(self, data: bytes) -> Sequence[OrderFacts]:
        said = stream.message(data)
        return (said,) if type(said) is OrderFacts else ()

    def _settled(self, told: PositionFacts) -> None:
        """A position that moved without its fills: the newest word counts, older ones were overtaken."""
        if self._positions.get(told.symbol) == told.qty != self.reconcile.expected(told.symbol):
            self.reconcile.suspect()

    # --- fills that cannot be tied to an order yet

    def _trade(self, facts: OrderFacts, row: Row, recv_ns: int) -> None:
        owner = row[3]
        if facts.client_id or owner or facts.kind is not _TRADE or not self._tracking.unanswered:
            super()._trade(facts, row, recv_ns)
            return
        self._parked.append((row, recv_ns))
        if len(self._parked) > PARKED_MOST:
            self._release(all_of_them=True)
        elif self._park_timer is None:
            self._park_timer = self._clock.call_at(self._clock.now_ns() + PARK_NS, self._park_over)

    def _park_over(self) -> None:
        self._park_timer = None
        self._release(all_of_them=True)

    def _release(self, *, all_of_them: bool = False) -> None:
        """Hand on what is tied now, and everything once no reply is awaited: then it is nobody's of ours."""
        everything = all_of_them or not self._tracking.unanswered
        waiting, self._parked = self._parked, []
        for row, recv_ns in waiting:
            symbol, side, order_id, _, at_ms, kind, trade = row
            owner = self._tracking.owner(order_id, "", symbol=symbol, side=side, at_ms=at_ms)
            if owner or everything:
                self.take_fill(self._fill_of((symbol, side, order_id, owner, at_ms, kind, trade), recv_ns=recv_ns))
            else:
                self._parked.append((row, recv_ns))

    def take_update(self, update: OrderUpdate) -> None:
        super().take_update(update)
        if self._parked:
            self._release()

    def answered(self, client_id: str, *, refused: bool) -> None:
        super().answered(client_id, refused=refused)
        if self._parked:
            self._release()

    async def stop(self) -> None:
        await super().stop()
        if self._park_timer is not None:
            self._park_timer.cancel()
            self._park_timer = None
        self._release(all_of_them=True)

    # --- what a comparison asks (reconcile.Sources)

    async def open_orders(self, symbol: str, use: Use) -> Sequence[OrderUpdate]:
        return [self.update_of(it) for it in await self._rest.open_orders(symbol, use)]

    async def fills(self, symbol: str, since_ms: int, use: Use) -> Sequence[Fill]:
        return [self.fill_of_row(row) for row in await self._rest.fills(symbol, since_ms, use)]

    async def ended_order(self, order: Sent, use: Use) -> OrderUpdate | None:
        """The end of an order that is open no more, from the history (its query knows open orders only)."""
        facts = await self.find_ended(order.request.symbol, order.request.client_id, use)
        return None if facts is None else self.update_of(facts)

    async def find_ended(self, symbol: str, client_id: str, use: Use) -> OrderFacts | None:
        sent = self._tracking.get(client_id)
        rows = await self._rest.order_history(symbol, use, order_id="" if sent is None else sent.order_id)
        facts = reply.newest(rows, client_id)
        if facts is None or not facts.state.terminal:
            return None  # a history may still show an order as it was
        return facts if self.owner(facts, client_id) else None

    async def position(self, symbol: str, use: Use) -> Decimal:
        instrument = self._instruments[symbol]
        if instrument.kind is MarketKind.SPOT:
            return await self._rest.asset_total(instrument.base, use)
        rows = await self._rest.positions(use)
        return sum((row.qty for row in rows if row.symbol == symbol), Decimal(0))

    def fill_of_row(self, row: FillRow) -> Fill:
        owner = self._tracking.owner(row.order_id, row.client_id, symbol=row.symbol, side=row.side, at_ms=row.at_ms)
        return self._fill_of((row.symbol, row.side, row.order_id, owner, row.at_ms, row.kind, row.trade))
