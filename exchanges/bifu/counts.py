"""Which fills of a BiFu account were told already: each trade once, over reconnects, restarts and forgetting. Pure.

A trade is known by its order and trade id. Of what is older than `keep_ms` nothing stays in memory: a row from before
that time is looked up in the journal, by `recall`, before it counts. Beside its trades each order has a watermark (S5):
what the venue's order list knows to have filled and no row has told is told as a provisional fill, which rows that come
later explain and never add to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from exchanges.bifu.wire.reply import OrderRow
from exchanges.bifu.wire.stream import FillRow
from exchanges.types import ZERO, Fill

HOUR_MS = 3_600_000
KEEP_MS = 2 * HOUR_MS

# Trade ids of fills that no row told; the quantity is the order's count when it was read.
PROVISIONAL, BASELINE = "cum:", "base:"

Recall = Callable[[str], Sequence[Fill]]  # every fill of an order, by its id, that was ever told or set aside


@dataclass(slots=True)
class _Order:
    """One order. `counted` was told or set aside, `rows` is the part of it that rows have explained."""

    counted: Decimal = ZERO
    value: Decimal = ZERO
    fee: Decimal = ZERO
    rows: Decimal = ZERO
    base: Decimal = ZERO  # filled before us, as it was read at base_ms
    base_ms: int = 0
    trades: dict[str, tuple[int, Decimal]] = field(default_factory=dict)  # trade id -> venue ms, quantity
    newest_ms: int = 0
    recalled: bool = False

    def add(self, fill: Fill) -> None:
        """A fill that was told or set aside."""
        if fill.trade_id in self.trades:
            return
        self.newest_ms = max(self.newest_ms, fill.at_ms)
        self._count(fill.qty, fill.qty * fill.price, fill.fee)
        if not fill.trade_id.startswith(PROVISIONAL):
            self.rows += fill.qty
        if fill.trade_id.startswith(BASELINE):
            self.base, self.base_ms = fill.qty, fill.at_ms
            self._overlap(sum((qty for at_ms, qty in self.trades.values() if at_ms <= self.base_ms), ZERO))
        elif fill.at_ms <= self.base_ms:
            self._overlap(fill.qty)
        self.trades[fill.trade_id] = (fill.at_ms, fill.qty)

    def news(self, row: FillRow) -> Decimal:
        """Take a row that is no replay; how much of it was not counted yet."""
        self.trades[row.trade_id] = (row.at_ms, row.qty)
        self.newest_ms = max(self.newest_ms, row.at_ms)
        if row.at_ms <= self.base_ms:
            self._overlap(row.qty)
        self.rows += row.qty
        news = max(ZERO, min(self.rows - self.counted, row.qty))
        self._count(news, row.value * news / row.qty, row.fee * news / row.qty)
        return news

    def _overlap(self, qty: Decimal) -> None:
        """A fill between our start and the first reading, which has it in already: it is not from before us."""
        both = min(self.base, qty)
        self.base -= both
        self.counted -= both
        self.rows -= both

    def _count(self, qty: Decimal, value: Decimal, fee: Decimal) -> None:
        self.counted += qty
        self.value += value
        self.fee += fee


@dataclass(frozen=True, slots=True)
class Missed:
    """What an order has filled beyond all that was told of it."""

    qty: Decimal
    value: Decimal
    fee: Decimal


class Counts:
    """The fills of one account. `known` are the journal's, told or set aside, after `known_since_ms` of the venue.

    Without `recall` nothing is ever forgotten, and `known` must be everything: nobody could tell a replay.
    """

    def __init__(
        self, known: Iterable[Fill] = (), *, known_since_ms: int = 0, recall: Recall | None = None,
        keep_ms: int = KEEP_MS,
    ) -> None:  # fmt: skip
        self._recall = recall
        self._keep_ms = keep_ms
        self._orders: dict[str, _Order] = {}
        self._forgotten_ms = 0 if recall is None else known_since_ms  # what is newer is in memory, whole
        for fill in known:
            self._orders.setdefault(fill.order_id, _Order()).add(fill)

    @property
    def size(self) -> int:
        """Trade ids in memory, for a metric."""
        return sum(len(order.trades) for order in self._orders.values())

    def take_row(self, row: FillRow) -> Decimal | None:
        """How much of a row is news; 0 if a provisional fill stood for it, None for a replay."""
        order = self._orders.get(row.order_id)
        if order is not None and row.trade_id in order.trades:
            return None
        if row.at_ms <= self._forgotten_ms:
            order = self._whole(row.order_id)
            if row.trade_id in order.trades:
                return None
        elif order is None:
            order = self._orders[row.order_id] = _Order()
        return order.news(row)

    def missed(self, listed: OrderRow) -> Missed | None:
        """What the venue's list knows of an order beyond its count; nothing is taken."""
        order = self._order_of(listed)
        qty = listed.cum_qty - order.counted
        if qty <= 0:
            return None
        value, fee = listed.cum_value - order.value, listed.cum_fee - order.fee
        # Prices of rows are rounded, and a list may lag in value: then the order's average stands in.
        return Missed(qty, value if value > 0 else listed.cum_value * qty / listed.cum_qty, fee)

    def take(self, fill: Fill) -> None:
        """A provisional fill or a baseline, as it is told now."""
        self._orders.setdefault(fill.order_id, _Order()).add(fill)

    def sweep(self, now_ms: int) -> None:
        """Forget orders whose last fill is older than `keep_ms`, by the venue's time."""
        if self._recall is None:
            return
        before_ms = now_ms - self._keep_ms
        for order_id in [order_id for order_id, order in self._orders.items() if order.newest_ms <= before_ms]:
            self._forgotten_ms = max(self._forgotten_ms, self._orders.pop(order_id).newest_ms)

    def _order_of(self, listed: OrderRow) -> _Order:
        """An order with everything that was ever told of it; one made since the oldest memory is so in any case."""
        if listed.created_ms <= self._forgotten_ms:
            return self._whole(listed.order_id)
        return self._orders.get(listed.order_id) or _Order()

    def _whole(self, order_id: str) -> _Order:
        order = self._orders.get(order_id)
        if order is None:
            order = self._orders[order_id] = _Order()
        if not order.recalled and self._recall is not None:
            order.recalled = True
            for fill in self._recall(order_id):
                order.add(fill)
        return order
