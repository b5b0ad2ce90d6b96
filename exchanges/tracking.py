"""What one adapter knows of its own orders: ids tied together, states so far, fills seen. Pure; shared by the adapters.

A venue calls an order by its own id, we by ours; a row may carry either. The engine keeps the books; here stands only
what is needed to say whose a row is, to answer about an order that has ended, and to notice that a stream missed one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from exchanges.types import ZERO, Fill, OrderRequest, OrderState, OrderUpdate, Side

KEPT = 5_000  # ended orders, and trades, that are known again; more than a resync or a late frame can reach back
CLOCKS_APART_MS = 60_000  # an order of ours cannot be older than its request by more (S15)


@dataclass(slots=True)
class Sent:
    """One of our orders of this process. `cum_qty` is the most that any row or reply has told."""

    request: OrderRequest
    sent_ns: int
    sent_ms: int
    order_id: str = ""
    cum_qty: Decimal = ZERO
    traded: Decimal = ZERO  # the sum of its fill rows
    state: OrderState = OrderState.PENDING
    answered: bool = False
    last: OrderUpdate | None = None
    cancel_ns: int = 0  # when a cancel of it was sent last


class Tracking:
    """Orders of one account. `moves` counts everything that could change it, for quiet cuts (S17)."""

    def __init__(self) -> None:
        self.moves = 0
        self.newest_trade_ms = 0  # venue time of the last fill seen
        self.unanswered = 0
        self._live: dict[str, Sent] = {}
        self._ended: OrderedDict[str, Sent] = OrderedDict()
        self._ours: OrderedDict[str, str] = OrderedDict()  # order id -> client id
        self._short: dict[str, None] = {}  # orders that have filled more than their rows show
        self.forgotten_ms = 0  # venue time up to which rows may have been forgotten: older ones are not asked for again
        self._trades: OrderedDict[tuple[str, str, str], int] = OrderedDict()  # symbol, order id, trade id -> venue ms

    def sent(self, request: OrderRequest, *, now_ns: int, wall_ms: int) -> None:
        """An order leaves now; known before it is sent, so that no frame can come for an id that is not."""
        self.moves += 1
        self.unanswered += 1
        self._live[request.client_id] = Sent(request, now_ns, wall_ms)

    def answered(self, client_id: str, *, refused: bool) -> None:
        """The reply to an order has come, or will not come any more."""
        order = self.get(client_id)
        if order is None or order.answered:
            return
        self.moves += 1
        self.unanswered -= 1
        order.answered = True
        if refused and order.state is OrderState.PENDING:
            self._end(client_id)

    def get(self, client_id: str) -> Sent | None:
        return self._live.get(client_id) or self._ended.get(client_id)

    def live(self, symbol: str) -> Iterator[Sent]:
        """Orders that have not been seen to end."""
        return (order for order in tuple(self._live.values()) if order.request.symbol == symbol)

    @property
    def any_live(self) -> bool:
        return bool(self._live)

    def owner(self, order_id: str, client_id: str, *, symbol: str, side: Side, at_ms: int = 0) -> str:
        """Which of our orders a row belongs to, as a client id; empty for an order that is not ours.

        S15: a client id that comes back counts only if symbol, side and time agree; one that this process never used
        is handed on as it is: it may be of a former life, which the journal knows.
        """
        client_id = client_id or self._ours.get(order_id, "")
        order = self.get(client_id) if client_id else None
        if order is None:
            return client_id
        request = order.request
        if request.symbol != symbol or request.side is not side or (order.order_id and order.order_id != order_id):
            return ""
        if at_ms and at_ms < order.sent_ms - CLOCKS_APART_MS:
            return ""
        if order_id and not order.order_id:
            order.order_id = order_id
            self._ours[order_id] = client_id
            if len(self._ours) > KEPT:
                self._ours.popitem(last=False)
        return client_id

    def update(self, update: OrderUpdate) -> bool:
        """Take an order's state; False if it says nothing that was not known."""
        self.moves += 1
        order = self.get(update.client_id) if update.client_id else None
        if order is None:
            return True
        last = order.last
        news = last is None or update.cum_qty > last.cum_qty or _RANK[update.state] > _RANK[last.state]
        order.cum_qty = max(order.cum_qty, update.cum_qty)
        self._count(update.client_id, order)
        if news:
            order.last = update
        if _RANK[update.state] > _RANK[order.state]:
            order.state = update.state
        if order.state.terminal:
            self._end(update.client_id)
        return news

    def fill(self, fill: Fill) -> bool:
        """Take a fill row; False if it was taken before (S5)."""
        self.moves += 1
        key = (fill.symbol, fill.order_id, fill.trade_id)
        if key in self._trades:
            return False
        self._trades[key] = fill.at_ms
        if len(self._trades) > KEPT:
            self.forgotten_ms = max(self.forgotten_ms, self._trades.popitem(last=False)[1])
        self.newest_trade_ms = max(self.newest_trade_ms, fill.at_ms)
        order = self.get(fill.client_id) if fill.client_id else None
        if order is not None:
            order.traded += fill.qty
            order.cum_qty = max(order.cum_qty, order.traded)
            self._count(fill.client_id, order)
        return True

    @property
    def short(self) -> bool:
        """Has an order filled more than its rows show?"""
        return bool(self._short)

    @property
    def short_since_ms(self) -> int | None:
        """When the oldest of these orders was sent, by the venue's clock."""
        orders = (self.get(client_id) for client_id in self._short)
        return min((order.sent_ms for order in orders if order is not None), default=None)

    def _count(self, client_id: str, order: Sent) -> None:
        if order.cum_qty > order.traded:
            self._short[client_id] = None
        else:
            self._short.pop(client_id, None)

    def missing(self, client_id: str) -> Decimal:
        """How much of an order has filled without a row to show for it: its stream has missed one, or it is late."""
        order = self.get(client_id)
        return ZERO if order is None else order.cum_qty - order.traded

    def rowless(self, symbol: str) -> Decimal:
        """Signed: what orders in a market have filled without rows to show for it; told all the same."""
        orders = [order for client_id in self._short if (order := self.get(client_id)) is not None]
        return sum(
            (it.request.side.sign * (it.cum_qty - it.traded) for it in orders if it.request.symbol == symbol), ZERO
        )

    def give_up(self, client_id: str) -> None:
        """Look after an order no more that the venue does not show; what is told of it still counts."""
        self._end(client_id)

    def _end(self, client_id: str) -> None:
        order = self._live.pop(client_id, None)
        if order is not None:
            self._ended[client_id] = order
            if len(self._ended) > KEPT:
                self._short.pop(self._ended.popitem(last=False)[0], None)


# A state never goes back; a fill that completes an order proves every other end wrong.
_RANK = {
    OrderState.PENDING: 0,
    OrderState.OPEN: 1,
    OrderState.PARTIALLY_FILLED: 2,
    OrderState.FAILED: 3,
    OrderState.CANCELED: 4,
    OrderState.FILLED: 5,
}
