"""The row of the journal's `orders` table for each order, derived from what the journal records and from nothing else.

Deliberately apart from the desk's order table: the audit compares what was decided with what this file counted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from engine.trading.adopted import ADOPTED
from engine.trading.effects import PlaceOrder
from engine.trading.inputs import Input, Recalled
from exchanges.types import ZERO, Accepted, Fill, OrderState, OrderUpdate, Refused, Reply

KEEP_ENDED = 2_000  # rows of ended orders kept for late frames; older ones are read back from the file

# A state never goes back; FILLED outranks the other ends because rows may prove a cancel reply wrong (S5).
_RANK = {
    OrderState.PENDING: 0,
    OrderState.OPEN: 1,
    OrderState.PARTIALLY_FILLED: 2,
    OrderState.FAILED: 3,
    OrderState.CANCELED: 4,
    OrderState.FILLED: 5,
}


BookSeen = tuple[str | None, str | None, str | None, str | None]  # bid, its size, ask, its size
UNSEEN: BookSeen = (None, None, None, None)


@dataclass(slots=True)
class OrderRow:
    """Fields as in `schema.Order`; `trades` are the trade ids counted so far."""

    client_id: str
    account: str
    venue: str
    symbol: str
    round: int
    leg: str
    purpose: str
    side: str
    qty: Decimal
    price: Decimal | None
    order_id: str = ""
    state: OrderState = OrderState.PENDING
    cum_qty: Decimal = ZERO
    row_qty: Decimal = ZERO
    notional: Decimal = ZERO
    fee: Decimal | None = ZERO
    fee_asset: str | None = None
    first_fill_ms: int | None = None
    last_fill_ms: int | None = None
    received_ns: int | None = None
    decoded_ns: int | None = None
    decided_ns: int | None = None
    signed_ns: int | None = None
    written_ns: int | None = None
    book: BookSeen = UNSEEN
    trades: set[str] = field(default_factory=set)
    given_up: bool = False  # its end is the desk's conclusion, and no venue's word

    def stored(self, run: int) -> tuple[object, ...]:
        """The row to write, in the order of `schema.columns(schema.Order)`."""
        return (
            run, self.client_id, self.account, self.venue, self.symbol, self.round, self.leg, self.purpose, self.side,
            str(self.qty), None if self.price is None else str(self.price), self.order_id, self.state._value_,
            str(self.cum_qty), str(self.row_qty), str(self.notional),
            str(self.notional / self.row_qty) if self.row_qty else None,
            None if self.fee is None else str(self.fee), self.fee_asset, self.first_fill_ms, self.last_fill_ms,
            self.received_ns, self.decoded_ns, self.decided_ns, self.signed_ns, self.written_ns, *self.book,
        )  # fmt: skip

    def advance(self, state: OrderState) -> None:
        if self.leg == ADOPTED:
            self.qty = max(self.qty, self.cum_qty)
        elif self.cum_qty >= self.qty:
            state = OrderState.FILLED
        if _RANK[state] > _RANK[self.state]:
            self.state = state

    def add_money(self, fill: Fill) -> None:
        self.row_qty += fill.qty
        self.notional += fill.qty * fill.price
        if self.fee_asset in (None, fill.fee_asset):
            self.fee_asset = fill.fee_asset
            self.fee = fill.fee if self.fee is None else self.fee + fill.fee
        else:
            self.fee = None
        if self.first_fill_ms is None:
            self.first_fill_ms = fill.at_ms
        self.last_fill_ms = fill.at_ms


class OrderRows:
    """Rows by client id. `dirty` are those that changed since they were last written."""

    __slots__ = ("_ended", "_find", "_rows", "dirty")

    def __init__(self, find: Callable[[str], OrderRow | None]) -> None:
        self._find = find
        self._rows: dict[str, OrderRow] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self.dirty: dict[str, OrderRow] = {}

    def get(self, client_id: str) -> OrderRow | None:
        """The row of an order, read back from the file if it left memory or an earlier run made it."""
        row = self._rows.get(client_id)
        if row is None and client_id:
            row = self._find(client_id)
            if row is not None:
                self._rows[client_id] = row
                self._end(row)
        return row

    def place(self, effect: PlaceOrder, decided_ns: int) -> None:
        request = effect.request
        row = OrderRow(
            client_id=request.client_id, account=request.account, venue=effect.venue, symbol=request.symbol,
            round=effect.round, leg=effect.leg, purpose=effect.purpose._value_, side=request.side._value_,
            qty=request.qty, price=request.price, decided_ns=decided_ns,
        )  # fmt: skip
        self._rows[request.client_id] = row
        self.dirty[request.client_id] = row

    def adopt(self, given: Recalled) -> None:
        """An order of an earlier run, whose end this run has to see."""
        row = self.get(given.client_id)
        if row is None:  # its run died with the row in memory: the intent is all there is
            row = OrderRow(
                client_id=given.client_id, account=given.account, venue=given.venue, symbol=given.symbol,
                round=given.round, leg=given.leg, purpose=given.purpose, side=given.side._value_, qty=given.qty,
                price=given.price,
            )  # fmt: skip
            self._rows[given.client_id] = row
        self.dirty[given.client_id] = row

    def decided(self, client_id: str, given: Input, book: BookSeen) -> None:
        """The order was decided by a step that was given this and knew its book so."""
        row = self._rows[client_id]
        row.book = book
        if type(given) is Fill:
            row.received_ns = given.recv_ns or None
            row.decoded_ns = given.decoded_ns or None

    def answered(self, client_id: str, reply: Reply) -> None:
        """Take the answer to a place request with the stamps that it brings."""
        row = self.get(client_id)
        if row is None:
            return
        if reply.written_ns:
            row.signed_ns, row.written_ns = reply.signed_ns, reply.written_ns
            self.dirty[client_id] = row
        if isinstance(reply, Refused):
            self._advance(row, OrderState.FAILED)
        elif isinstance(reply, Accepted) and not row.order_id:
            row.order_id = reply.order_id
            self.dirty[client_id] = row

    def failed(self, client_id: str) -> None:
        row = self.get(client_id)
        if row is not None:
            self._advance(row, OrderState.FAILED)

    def given_up(self, client_id: str) -> None:
        """The desk looks after this order no more: a request that no venue ever told of is dead, whatever was said."""
        row = self.get(client_id)
        if row is not None and not row.state.terminal:
            row.given_up = True
            self._advance(row, OrderState.FAILED if row.state is OrderState.PENDING else OrderState.CANCELED)

    def update(self, update: OrderUpdate) -> Decimal:
        """Take a venue's word; returns the filled quantity that it showed first (S5), 0 for a foreign order."""
        row = self.get(update.client_id)
        if row is None:
            return ZERO
        if update.order_id:
            row.order_id = update.order_id
        if row.leg == ADOPTED:
            row.qty = max(row.qty, update.qty)
        if row.given_up and not update.state.terminal:
            row.state, row.given_up = OrderState.PENDING, False
            self._ended.pop(row.client_id, None)
        news = update.cum_qty - row.cum_qty
        if news > 0:
            row.cum_qty = update.cum_qty
            row.last_fill_ms = update.at_ms
            if row.first_fill_ms is None:
                row.first_fill_ms = update.at_ms
        self._advance(row, update.state)
        return max(news, ZERO)

    def fill(self, fill: Fill) -> Decimal | None:
        """Count a fill row; returns how much of it was not known before, None for a row seen before."""
        row = self.get(fill.client_id)
        if row is None:
            return fill.qty
        if fill.trade_id in row.trades:
            return None
        row.trades.add(fill.trade_id)
        row.add_money(fill)
        news = max(row.row_qty - row.cum_qty, ZERO)
        row.cum_qty += news
        if fill.order_id:
            row.order_id = fill.order_id
        self._advance(row, OrderState.PARTIALLY_FILLED)
        return news

    def written(self) -> None:
        """All dirty rows are in the file: forget the oldest ended ones beyond the bound."""
        self.dirty.clear()
        while len(self._ended) > KEEP_ENDED:
            client_id, _ = self._ended.popitem(last=False)
            self._rows.pop(client_id, None)

    def _advance(self, row: OrderRow, state: OrderState) -> None:
        row.advance(state)
        self.dirty[row.client_id] = row
        if row.state.terminal:
            self._end(row)

    def _end(self, row: OrderRow) -> None:
        self._ended[row.client_id] = None


def judged(order: OrderRow | None, book: BookSeen, *, maker: bool) -> tuple[object, ...]:
    """The last columns of a fill row: what its order was for, and the book that judges it, now `book`."""
    if order is None:
        return (None, None, None, book[0], book[2], None)
    purpose, number, decided_ns = order.purpose, order.round, order.decided_ns
    if maker:
        return (purpose, number, decided_ns, book[0], book[2], None)
    bid, bid_qty, ask, ask_qty = order.book
    return (purpose, number, decided_ns, bid, ask, ask_qty if order.side == "buy" else bid_qty)
