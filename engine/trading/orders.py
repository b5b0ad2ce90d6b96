"""Every order of the run and what became of it (E13, S5).

An order is registered before its effect exists, so that a fill can never arrive for an id that is not known.
Its filled quantity is one watermark that only rises; rows explain it, snapshots may run ahead of the rows.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from decimal import Decimal

from engine.trading.adopted import ADOPTED
from engine.trading.effects import Purpose
from engine.trading.inputs import Recalled
from exchanges.types import ZERO, Fill, OrderState, OrderUpdate, Refusal, Side

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_CANCELED, _FAILED, _FILLED, _PARTIALLY_FILLED = (
    OrderState.CANCELED,
    OrderState.FAILED,
    OrderState.FILLED,
    OrderState.PARTIALLY_FILLED,
)

KEEP_NS = 600 * 1_000_000_000  # terminal orders stay in memory this long …
KEEP_COUNT = 10_000  # … or until this many are there; then they are looked up in the journal
KEEP_HEARD = 50_000  # fill rows of a source that are known again; its client knows older ones by the journal
KEEP_TRADES = 5_000  # fill rows without an order in memory that are known again: a resync tells its overlap twice

COVERING = frozenset({Purpose.HEDGE, Purpose.UNDO, Purpose.FLATTEN})


@dataclass(slots=True)
class Order:
    """One order. `filled` is the sum of fill rows, `provisional` what a snapshot knows beyond them (S5)."""

    client_id: str
    account: str
    venue: str
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal | None
    purpose: Purpose
    leg: str
    round: int
    attempt: int
    reduce_only: bool
    created_ns: int
    dead_after_ns: int  # when a request that nobody knows of can no longer be accepted (S4)
    state: OrderState = OrderState.PENDING
    order_id: str = ""
    filled: Decimal = ZERO
    provisional: Decimal = ZERO
    unknown: bool = False  # outcome of the request unknown: asked until found or provably dead
    asked: bool = False  # a question of the standing rule about it is on its way …
    asked_ns: int = 0  # … since then
    missing_ns: int = 0  # since when the venue knows no such order, although it was seen before or should be by now
    cancel_ns: int = 0  # when a cancel was last asked for
    refusal: Refusal | None = None
    ended_ns: int = 0
    trades: set[str] = field(default_factory=set)

    @property
    def live(self) -> bool:
        return not self.state.terminal

    @property
    def given_up(self) -> bool:
        """Ended by our own conclusion, without a word of the venue: never accepted, or known no more (S4)."""
        return self.missing_ns > 0 and self.state.terminal

    @property
    def done_qty(self) -> Decimal:
        """What is known to have filled, by rows or by snapshot."""
        return self.filled + self.provisional

    @property
    def remaining(self) -> Decimal:
        """What may still fill: 0 once the order is terminal."""
        return ZERO if self.state.terminal else self.qty - self.filled - self.provisional


class Orders:
    """The order table. Live orders by id; terminal ones kept for late frames, bounded by age and number."""

    __slots__ = ("_ended", "_heard", "_seen", "all", "covering", "evicted", "resting")

    def __init__(self) -> None:
        self.all: dict[str, Order] = {}
        self.resting: dict[str, Order] = {}  # live orders of the flow's legs
        self.covering: dict[str, Order] = {}  # live hedges, undos and flattens
        self._ended: OrderedDict[str, int] = OrderedDict()
        self._seen: OrderedDict[tuple[str, str, str], None] = OrderedDict()  # account, order id, trade id
        self._heard: OrderedDict[tuple[str, str, str], None] = OrderedDict()  # the same, of sources
        self.evicted = 0

    def register(self, order: Order) -> None:
        self.all[order.client_id] = order
        (self.covering if order.purpose in COVERING else self.resting)[order.client_id] = order

    def forget(self, order: Order) -> None:
        """Undo `register` of a step that failed; nothing of it was sent."""
        del self.all[order.client_id]
        self.resting.pop(order.client_id, None)
        self.covering.pop(order.client_id, None)

    def get(self, client_id: str) -> Order | None:
        return self.all.get(client_id)

    def apply_update(self, update: OrderUpdate, at_ns: int) -> Decimal:
        """Take a venue's word on an order; returns the newly known filled quantity (provisional, S5)."""
        order = self.all[update.client_id]
        if update.order_id:
            order.order_id = update.order_id
        if order.given_up and not update.state.terminal:
            self._revive(order)
        order.unknown = False
        order.missing_ns = 0
        if order.leg == ADOPTED and update.qty > order.qty:
            order.qty = update.qty
        news = update.cum_qty - order.done_qty
        if news > 0:
            order.provisional += news
        else:
            news = ZERO
        self._advance(order, update.state, update.refusal, at_ns)
        return news

    def apply_fill(self, fill: Fill, at_ns: int) -> Decimal | None:
        """Take a fill row; returns how much of it is news (0: a snapshot knew it), None for a row seen before."""
        order = self.all[fill.client_id]
        if fill.trade_id in order.trades:
            return None
        order.trades.add(fill.trade_id)
        order.order_id = order.order_id or fill.order_id
        order.unknown = False
        explained = min(order.provisional, fill.qty)
        order.provisional -= explained
        order.filled += fill.qty
        if order.leg == ADOPTED and order.filled > order.qty:
            order.qty = order.filled
        self._advance(order, _PARTIALLY_FILLED, None, at_ns)
        return fill.qty - explained

    def first_seen(self, fill: Fill) -> bool:
        """Is this row, which belongs to no order in memory, told for the first time (S5)?"""
        key = (fill.account, fill.order_id, fill.trade_id)
        if key in self._seen:
            return False
        self._remember(key)
        return True

    def first_heard(self, fill: Fill) -> bool:
        """Is this row of an account that is only listened to told for the first time (S5)?"""
        key = (fill.account, fill.order_id, fill.trade_id)
        if key in self._heard:
            return False
        self._heard[key] = None
        if len(self._heard) > KEEP_HEARD:
            self._heard.popitem(last=False)
        return True

    def _remember(self, key: tuple[str, str, str]) -> None:
        self._seen[key] = None
        if len(self._seen) > KEEP_TRADES:
            self._seen.popitem(last=False)

    def recall(self, given: Recalled, at_ns: int) -> None:
        """Take an ended order back into memory, with every row that was counted."""
        if given.client_id in self.all:
            return
        order = Order(
            client_id=given.client_id, account=given.account, venue=given.venue, symbol=given.symbol, side=given.side,
            qty=given.qty, price=given.price, purpose=Purpose(given.purpose), leg=given.leg, round=given.round,
            attempt=0, reduce_only=False, created_ns=at_ns, dead_after_ns=at_ns + given.dead_in_ns, state=given.state,
            order_id=given.order_id, filled=given.filled, provisional=given.provisional, ended_ns=at_ns,
            trades=set(given.trades),
        )  # fmt: skip
        self.all[order.client_id] = order
        if order.live:  # the journal never saw its end: it is looked after like any other
            order.ended_ns = 0
            self.register(order)
        else:
            self._ended[order.client_id] = at_ns

    def fail(self, order: Order, refusal: Refusal | None, at_ns: int) -> None:
        """The request is known never to have become an order (refused, not sent, or provably dead)."""
        order.unknown = False
        self._advance(order, _FAILED, refusal, at_ns)

    def lose(self, order: Order, at_ns: int) -> None:
        """The venue had the order and knows it no more: it has ended with what is known to have filled."""
        order.unknown = False
        self._advance(order, _CANCELED, None, at_ns)

    def _revive(self, order: Order) -> None:
        """The venue shows an order that was given up: nobody waits for it any more, so that it is only to be cancelled.

        As one that flattens it is counted on for nothing: what it was for has been covered otherwise.
        """
        order.purpose, order.leg = Purpose.FLATTEN, ADOPTED
        order.state, order.ended_ns = OrderState.PENDING, 0
        self._ended.pop(order.client_id, None)
        self.register(order)

    def _advance(self, order: Order, state: OrderState, refusal: Refusal | None, at_ns: int) -> None:
        if order.done_qty >= order.qty and order.leg != ADOPTED:  # of that one a fill tells no more than its own size
            state = _FILLED
        if _RANK[state] <= _RANK[order.state]:
            return
        order.state = state
        if refusal is not None:
            order.refusal = refusal
        if state.terminal and not order.ended_ns:
            order.ended_ns = at_ns
            self.resting.pop(order.client_id, None)
            self.covering.pop(order.client_id, None)
            self._ended[order.client_id] = at_ns
            self._evict(at_ns)

    def _evict(self, at_ns: int) -> None:
        ended = self._ended
        while ended:
            client_id, when = next(iter(ended.items()))
            if len(ended) <= KEEP_COUNT and at_ns - when <= KEEP_NS:
                return
            del ended[client_id]
            order = self.all.pop(client_id)
            for trade_id in order.trades:  # for a run without a journal to look it up in
                self._remember((order.account, order.order_id, trade_id))
            self.evicted += 1


# A state never goes back; FILLED outranks the other ends because rows may prove a cancel reply wrong.
_RANK = {
    OrderState.PENDING: 0,
    OrderState.OPEN: 1,
    OrderState.PARTIALLY_FILLED: 2,
    OrderState.FAILED: 3,
    OrderState.CANCELED: 4,
    OrderState.FILLED: 5,
}
