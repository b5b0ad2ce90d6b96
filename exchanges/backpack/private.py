"""The private stream of one Backpack account, and what is compared with it: every order and fill comes through here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from exchanges.backpack.rest import WINDOW_MS, Rest
from exchanges.backpack.wire import reply, stream
from exchanges.backpack.wire.reply import FillRow
from exchanges.backpack.wire.request import Signer
from exchanges.backpack.wire.stream import OrderFacts, PositionFacts, Trade, Unread
from exchanges.budget import Use
from exchanges.errors import LinkDown, OutcomeUnknown, RateLimited
from exchanges.link import Opening
from exchanges.reconcile import Reconcile
from exchanges.tracking import Sent, Tracking
from exchanges.types import (
    Cancellable,
    Clock,
    Fill,
    FillKind,
    Instrument,
    Liquidity,
    MarketKind,
    OrderUpdate,
    PrivateEvent,
    Side,
)

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_MAKER, _TAKER = Liquidity.MAKER, Liquidity.TAKER
_TRADE = FillKind.TRADE

MS = 1_000_000
LATE_ROW_NS = 1_000 * MS  # a fill that an order's own count knows and no row has shown for so long was missed
SETTLES_NS = 500 * MS  # after a word on the position, until its fills must have come
PARK_NS = 2_000 * MS  # a user's fill without a client id waits so long for the reply that may tie it to an order
PARKED_MOST = 200

Row = tuple[str, Side, str, str, int, FillKind, Trade]  # symbol, side, order id, client id, ms, cause, trade


class PrivateFeed:
    """Takes frames, replies and rows of one account and hands on what is news, each fill before its order's state."""

    def __init__(
        self, account: str, venue: str, *, rest: Rest, signer: Signer, tracking: Tracking, clock: Clock,
        instruments: Mapping[str, Instrument], symbols: Sequence[str], deliver: Callable[[PrivateEvent], None],
        note: Callable[[str], None], lost: Callable[[str], None], trusted: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._account = account
        self._venue = venue
        self._rest = rest
        self._signer = signer
        self._tracking = tracking
        self._clock = clock
        self._instruments = instruments  # filled by `connect`
        self._symbols = symbols
        self._deliver = deliver
        self._note = note
        self.reconcile = Reconcile(symbols, self, tracking=tracking, clock=clock, lost=lost, note=note, trusted=trusted)
        self._positions: dict[str, Decimal] = {}
        self._parked: list[tuple[Row, int]] = []
        self._states: list[tuple[OrderFacts, str, int]] = []
        self._park_timer: Cancellable | None = None

    # --- the stream

    async def opening(self) -> Opening:
        try:
            await self._rest.read_clock()
        except (LinkDown, OutcomeUnknown, RateLimited):
            if not self._rest.clock.known:
                raise  # else the stream does not wait for it: a fill may be told while questions are not answered
        names = [f"{name}.{symbol}" for symbol in self._symbols for name in (stream.ORDERS, stream.POSITIONS)]
        message = self._signer.subscription(names, timestamp_ms=self._rest.venue_ms, window_ms=WINDOW_MS)
        return Opening((message,))

    def take(self, data: bytes, recv_ns: int) -> None:
        said = stream.message(data)
        if type(said) is OrderFacts:
            self.order(said, recv_ns)
        elif type(said) is PositionFacts:
            self._positions[said.symbol] = said.qty
            self._clock.call_at(self._clock.now_ns() + SETTLES_NS, self._settled, said)
        elif type(said) is Unread:
            self._note(f"{said.text} is unknown here; comparing with the venue")
            self.reconcile.suspect()

    def order(self, facts: OrderFacts, recv_ns: int) -> None:
        """What the venue says of an order, in a frame or in a reply."""
        tracking = self._tracking
        owner = tracking.owner(facts.order_id, facts.client_id, symbol=facts.symbol, side=facts.side, at_ms=facts.at_ms)
        trade = facts.trade
        if trade is not None:
            row = (facts.symbol, facts.side, facts.order_id, owner, facts.at_ms, facts.kind, trade)
            if not facts.client_id and not owner and facts.kind is _TRADE and tracking.unanswered:
                self._park(row, recv_ns)
            else:
                self._fill(row, recv_ns)
        if not owner:
            return
        if trade is not None or self._states:
            # The fills that wait in the socket first, each with its hedge; then what became of their orders.
            if not self._states:
                self._clock.call_at(self._clock.now_ns(), self._tell_states)
            self._states.append((facts, owner, recv_ns))
        else:
            self._state(facts, owner, recv_ns)

    def _tell_states(self) -> None:
        states, self._states = self._states, []
        for facts, owner, recv_ns in states:
            self._state(facts, owner, recv_ns)

    def _state(self, facts: OrderFacts, owner: str, recv_ns: int) -> None:
        self.update(_update(self._account, facts, owner, recv_ns))
        if self._parked:
            self._release()
        if self._tracking.missing(owner) > 0:
            self._clock.call_at(self._clock.now_ns() + LATE_ROW_NS, self._still_missing, owner)

    def update(self, update: OrderUpdate) -> None:
        if update.client_id and self._tracking.update(update):
            self._deliver(update)

    def answered(self, client_id: str, *, refused: bool) -> None:
        self._tracking.answered(client_id, refused=refused)
        if self._parked:
            self._release()

    def _fill(self, row: Row, recv_ns: int) -> bool:
        return self.take_fill(
            fill_of(self._venue, self._account, row, recv_ns=recv_ns, decoded_ns=self._clock.now_ns())
        )

    def _still_missing(self, client_id: str) -> None:
        if self._tracking.missing(client_id) > 0:
            self.reconcile.suspect()

    def _settled(self, told: PositionFacts) -> None:
        """A position that moved without its fills: the newest word counts, older ones were overtaken."""
        if self._positions.get(told.symbol) == told.qty != self.reconcile.tally(told.symbol):
            self.reconcile.suspect()

    # --- fills that cannot be tied to an order yet

    def _park(self, row: Row, recv_ns: int) -> None:
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
                self._fill((symbol, side, order_id, owner, at_ms, kind, trade), recv_ns)
            else:
                self._parked.append((row, recv_ns))

    async def resync(self) -> None:
        await self.reconcile.resync()

    async def stop(self) -> None:
        await self.reconcile.stop()
        if self._park_timer is not None:
            self._park_timer.cancel()
            self._park_timer = None
        self._release(all_of_them=True)

    # --- what a comparison asks (reconcile.Sources)

    @property
    def venue_ms(self) -> int:
        return self._rest.venue_ms

    async def open_orders(self, symbol: str, use: Use) -> Sequence[OrderUpdate]:
        now_ns = self._clock.now_ns()
        return [self.update_of(it, now_ns) for it in await self._rest.open_orders(symbol, use)]

    async def fills(self, symbol: str, since_ms: int, use: Use) -> Sequence[Fill]:
        return [self.fill_of_row(row) for row in await self._rest.fills(symbol, since_ms, use)]

    async def ended_order(self, order: Sent, use: Use) -> OrderUpdate | None:
        """The end of an order that is open no more, from the history (its query knows open orders only)."""
        facts = await self.find_ended(order.request.symbol, order.request.client_id, use)
        return None if facts is None else self.update_of(facts, self._clock.now_ns())

    async def find_ended(self, symbol: str, client_id: str, use: Use) -> OrderFacts | None:
        sent = self._tracking.get(client_id)
        rows = await self._rest.order_history(symbol, use, order_id="" if sent is None else sent.order_id)
        facts = reply.newest(rows, client_id)
        if facts is None or not facts.state.terminal:
            return None  # a history may still show an order as it was
        owner = self._tracking.owner(facts.order_id, client_id, symbol=symbol, side=facts.side, at_ms=facts.at_ms)
        return facts if owner else None

    async def position(self, symbol: str, use: Use) -> Decimal:
        instrument = self._instruments[symbol]
        if instrument.kind is MarketKind.SPOT:
            return await self._rest.asset_total(instrument.base, use)
        rows = await self._rest.positions(use)
        return sum((row.qty for row in rows if row.symbol == symbol), Decimal(0))

    def take_update(self, update: OrderUpdate) -> None:
        self.update(update)

    def take_fill(self, fill: Fill) -> bool:
        if not self._tracking.fill(fill):
            return False
        self.reconcile.took(fill)
        self._deliver(fill)
        return True

    def change_of(self, fill: Fill) -> Decimal:
        """S18: on spot the fee of a buy may be taken out of what was bought."""
        instrument = self._instruments[fill.symbol]
        fee = fill.fee if instrument.kind is MarketKind.SPOT and fill.fee_asset == instrument.base else Decimal(0)
        return fill.qty * fill.side.sign - fee

    def update_of(self, facts: OrderFacts, recv_ns: int) -> OrderUpdate:
        owner = self._tracking.owner(
            facts.order_id, facts.client_id, symbol=facts.symbol, side=facts.side, at_ms=facts.at_ms
        )
        return _update(self._account, facts, owner, recv_ns)

    def fill_of_row(self, row: FillRow) -> Fill:
        owner = self._tracking.owner(row.order_id, row.client_id, symbol=row.symbol, side=row.side, at_ms=row.at_ms)
        now_ns = self._clock.now_ns()
        told = (row.symbol, row.side, row.order_id, owner, row.at_ms, row.kind, row.trade)
        return fill_of(self._venue, self._account, told, recv_ns=now_ns, decoded_ns=now_ns)


def fill_of(venue: str, account: str, row: Row, *, recv_ns: int, decoded_ns: int) -> Fill:
    symbol, side, order_id, client_id, at_ms, kind, trade = row
    return Fill(
        venue, account, symbol, client_id, order_id, trade.trade_id, side, trade.qty, trade.price, trade.fee,
        trade.fee_asset, _MAKER if trade.maker else _TAKER, at_ms, recv_ns, kind, decoded_ns,
    )  # fmt: skip


def _update(account: str, facts: OrderFacts, client_id: str, recv_ns: int) -> OrderUpdate:
    return OrderUpdate(
        account, facts.symbol, client_id, facts.order_id, facts.side, facts.qty, facts.state, facts.cum_qty,
        facts.price, facts.at_ms, recv_ns, facts.refusal, facts.text, facts.reduce_only,
    )  # fmt: skip
