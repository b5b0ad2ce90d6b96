"""Which fills of a BiFu account were told already: each trade once, over reconnects, restarts and forgetting. Pure.

A trade is known by its order and trade id. Of what is older than `keep_ms` nothing stays in memory, and less where
there is no room: a row from before that time is looked up in the journal, by `recall`, before it counts. Beside its
trades each order has a watermark (S5): what the venue's order list knows to have filled and no row has told is told as
a provisional fill, which rows that come later explain and never add to.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from exchanges.bifu.wire.reply import OrderRow
from exchanges.bifu.wire.stream import FillRow
from exchanges.types import ZERO, Fill

HOUR_MS = 3_600_000
KEEP_MS = 2 * HOUR_MS
MOST_PLACES = 1_000_000  # in memory, of 250 bytes; a market that needs more in KEEP_MS is looked up sooner
ORDER_PLACES = 5  # that an order takes beside one for each of its trades
SETTLED_MS = 60_000  # a fill told so long ago is in the journal's file
SAME_MS = 20  # a match so soon after an order's last change may be the change itself, by another clock of the venue

# Trade ids of fills that no row told; the quantity is the order's count when it was read.
PROVISIONAL, BASELINE = "cum:", "base:"

Recall = Callable[[str], Sequence[Fill]]  # every fill of an order, by its id, that was ever told or set aside


class _Trades:
    """What is known of each trade of an order: venue ms and quantity.

    Columns instead of a value for each trade: a busy market tells millions in the hours that they are kept, and the
    garbage collector would look at every value again and again.
    """

    __slots__ = ("_at_ms", "_ids", "_qty")

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}  # in the order of the columns
        self._at_ms = array("q")
        self._qty: list[Decimal] = []

    def __contains__(self, trade_id: str) -> bool:
        return trade_id in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, trade_id: str, at_ms: int, qty: Decimal) -> None:
        self._ids[trade_id] = None
        self._at_ms.append(at_ms)
        self._qty.append(qty)

    def rows(self) -> Iterator[tuple[int, Decimal]]:
        """Those that a row told, not those that stood for rows."""
        for trade_id, at_ms, qty in zip(self._ids, self._at_ms, self._qty, strict=True):
            if not trade_id.startswith(PROVISIONAL):
                yield at_ms, qty


@dataclass(slots=True)
class _Order:
    """One order. `counted` was told or set aside, `rows` is the part of it that rows have explained."""

    counted: Decimal = ZERO
    value: Decimal = ZERO
    fee: Decimal = ZERO
    rows: Decimal = ZERO
    base: Decimal = ZERO  # filled before us, as it was read at base_ms …
    base_ms: int = 0
    base_rows: Decimal = ZERO  # … beside rows that had come by then
    early: Decimal = ZERO  # rows up to base_ms, whenever they came
    overlap: Decimal = ZERO  # of the base, what rows that came later turned out to be
    trades: _Trades = field(default_factory=_Trades)
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
            self.base_rows = Decimal(fill.trade_id.removeprefix(BASELINE)) - fill.qty
            self.early = sum((qty for at_ms, qty in self.trades.rows() if at_ms <= self.base_ms), ZERO)
            self._look_for_overlap()
        elif not fill.trade_id.startswith(PROVISIONAL):
            self._came(fill.at_ms, fill.qty)
        self.trades.add(fill.trade_id, fill.at_ms, fill.qty)

    def news(self, row: FillRow) -> Decimal:
        """Take a row that is no replay; how much of it was not counted yet."""
        self.newest_ms = max(self.newest_ms, row.at_ms)
        if self.base_ms:
            self._came(row.at_ms, row.qty)
        self.rows += row.qty
        news = max(ZERO, min(self.rows - self.counted, row.qty))
        self.trades.add(row.trade_id, row.at_ms, row.qty)
        if news == row.qty:
            self._count(news, row.value, row.fee)
        else:
            self._count(news, row.value * news / row.qty, row.fee * news / row.qty)
        return news

    def _came(self, at_ms: int, qty: Decimal) -> None:
        if at_ms <= self.base_ms:
            self.early += qty
            self._look_for_overlap()

    def _look_for_overlap(self) -> None:
        """A fill between our start and the first reading is not from before us, though that reading had it in.

        Those whose rows had come by then were left out of the base; of others it is known when their rows come.
        """
        overlap = min(self.base, max(ZERO, self.early - self.base_rows))
        both = overlap - self.overlap
        self.overlap = overlap
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
        keep_ms: int = KEEP_MS, most: int = MOST_PLACES,
    ) -> None:  # fmt: skip
        self._recall = recall
        self._keep_ms = keep_ms
        self._most = self._crowded_at = most
        self._orders: dict[str, _Order] = {}  # the one that told news last is last
        self._came: dict[str, list[tuple[int, Decimal]]] | None = None  # rows since the lists were asked for, by order
        self.size = 0  # trade ids in memory, for a metric
        self._forgotten_ms = 0 if recall is None else known_since_ms  # what is newer is in memory, whole
        self._known_ms = 0  # what is older may be a replay that a provisional fill had explained: nobody journals that
        for fill in known:
            self.take(fill)
            self._known_ms = max(self._known_ms, fill.at_ms)

    def take_row(self, row: FillRow) -> Decimal | None:
        """How much of a row is news; 0 if a provisional fill stood for it, None for a replay."""
        order = self._orders.get(row.order_id)
        if order is not None and row.trade_id in order.trades:
            return None
        if row.at_ms <= max(self._forgotten_ms, self._known_ms):
            order = self._whole(row.order_id)
            if row.trade_id in order.trades:
                return None
        elif order is None:
            order = self._orders[row.order_id] = _Order()
        self._orders[row.order_id] = self._orders.pop(row.order_id)
        self.size += 1
        news = order.news(row)
        if self._came is not None:
            self._came.setdefault(row.order_id, []).append((row.at_ms, news))
        return news

    def asking(self) -> None:
        """The venue's lists are asked for from here on: what comes may be in them or not, what came before is."""
        self._came = {}

    def asked(self) -> None:
        """They were judged."""
        self._came = None

    def missed(self, listed: OrderRow) -> Missed | None:
        """What the venue's list knows of an order beyond its count; nothing is taken.

        Rows that have come since the list was asked for, of fills after it was made, are none of what it lists: they
        would hide as much that was missed, for as long as an order goes on filling. By the venue's times alone one
        whose clocks differ would be told the same fill again.
        """
        order = self._order_of(listed)
        since_ms = listed.updated_ms + SAME_MS
        later = sum((news for at_ms, news in (self._came or {}).get(listed.order_id, ()) if at_ms > since_ms), ZERO)
        qty = listed.cum_qty - (order.counted - later)
        if qty <= 0:
            return None
        value, fee = listed.cum_value - order.value, listed.cum_fee - order.fee
        # Prices of rows are rounded, and a list may lag in value: then the order's average stands in.
        if later or value <= 0:
            value, fee = listed.cum_value * qty / listed.cum_qty, listed.cum_fee * qty / listed.cum_qty
        return Missed(qty, value, fee)

    def take(self, fill: Fill) -> None:
        """A provisional fill or a baseline, as it is told now."""
        order = self._orders.get(fill.order_id)
        if order is None:
            order = self._orders[fill.order_id] = _Order()
        self._add(order, fill)

    def sweep(self, now_ms: int) -> None:
        """Forget orders whose last fill is older than `keep_ms`, by the venue's time."""
        if self._recall is None:
            return
        before_ms = now_ms - self._keep_ms
        for order_id in [order_id for order_id, order in self._orders.items() if order.newest_ms <= before_ms]:
            self._forget(order_id)

    @property
    def places(self) -> int:
        """What the memory holds: many orders of one trade each take more of it than one order of many."""
        return self.size + ORDER_PLACES * len(self._orders)

    @property
    def crowded(self) -> bool:
        """Is it time to make room?"""
        return self.places > self._crowded_at and self._recall is not None

    def make_room(self, now_ms: int) -> None:
        """Forget a tenth: orders that have told nothing for longest, and none that the journal may still have in its
        memory.

        So an order that goes on filling stays, however much it has. Nothing is sorted: fills wait meanwhile.
        """
        settled_ms = now_ms - SETTLED_MS
        for order_id in list(self._orders):
            if self.places <= self._most * 9 // 10 or self._orders[order_id].newest_ms > settled_ms:
                break
            self._forget(order_id)
        self._crowded_at = max(self._most, self.places + self._most // 10)

    def _forget(self, order_id: str) -> None:
        order = self._orders.pop(order_id)
        self.size -= len(order.trades)
        self._forgotten_ms = max(self._forgotten_ms, order.newest_ms)

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
                self._add(order, fill)
        return order

    def _add(self, order: _Order, fill: Fill) -> None:
        before = len(order.trades)
        order.add(fill)
        self.size += len(order.trades) - before
