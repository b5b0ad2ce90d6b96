"""A price-time order book for one symbol: recorded or made-up outside liquidity mixed with our own accounts' orders.

Decides. Performs no I/O, knows no clock and no money. Quantities are whole lots and prices whole ticks: sums are exact.

Outside liquidity is the best bid and offer with their sizes, and behind each best a model (`Depth`). What our own
orders take is gone until the outside market shows that side anew. Our resting orders wait behind the size that was
shown at their price when they joined; public trades eat that queue first, then fill us.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from exchanges.types import (
    Instrument,
    MarketKind,
    OrderRequest,
    OrderState,
    OrderType,
    Refusal,
    Refused,
    SelfTrade,
    Side,
    TimeInForce,
)

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_PERP = MarketKind.PERP
_CANCELED, _FILLED, _OPEN, _PARTIALLY_FILLED = (
    OrderState.CANCELED,
    OrderState.FILLED,
    OrderState.OPEN,
    OrderState.PARTIALLY_FILLED,
)
_MARKET = OrderType.MARKET
_CANCEL_BOTH, _CANCEL_MAKER, _CANCEL_TAKER, _NONE = (
    SelfTrade.CANCEL_BOTH,
    SelfTrade.CANCEL_MAKER,
    SelfTrade.CANCEL_TAKER,
    SelfTrade.NONE,
)
_BUY = Side.BUY
_IOC = TimeInForce.IOC


@dataclass(frozen=True, slots=True)
class Depth:
    """Liquidity behind the best price, which recordings of best bid and offer do not show.

    Level k (1..levels) lies `step_ticks * k` behind the best and holds `growth` times the size shown at the best.
    Behind the last level there is nothing: what is left of a market order is cancelled.
    """

    step_ticks: int = 1
    growth: int = 1
    levels: int = 50

    def __post_init__(self) -> None:
        if self.step_ticks < 1 or self.growth < 0 or self.levels < 0:
            raise ValueError(f"{self}: step_ticks must be at least 1, growth and levels at least 0")


@dataclass(slots=True, eq=False)
class BookOrder:
    """One own order. The book changes `cum`, `state` and the rest of the working fields; others only read.

    `ticks` is the limit, None for a market order without a bound. Self-trade prevention acts between equal `owner`s, of
    a taker with `account_only` between equal accounts.
    """

    account: str
    client_id: str
    order_id: str
    side: Side
    ticks: int | None
    lots: int
    owner: str = ""
    ioc: bool = False
    post_only: bool = False
    reduce_only: bool = False
    self_trade: SelfTrade = SelfTrade.NONE
    account_only: bool = False
    cum: int = 0
    state: OrderState = OrderState.PENDING
    refusal: Refusal | None = None
    text: str = ""
    rank: int = 0  # signed limit: the lower, the nearer to a match
    ahead: int = 0  # outside lots at our price that trade before us

    @property
    def leaves(self) -> int:
        return self.lots - self.cum


def book_order(request: OrderRequest, instrument: Instrument, *, order_id: str, owner: str) -> BookOrder | Refused:
    """The request in whole ticks and lots, or why it has no such form. A market order's bound becomes its limit."""
    lots = units(request.qty, instrument.lot)
    if lots is None:
        return Refused(Refusal.SIZE, f"quantity {request.qty} is not a multiple of the lot {instrument.lot}")
    price = request.price
    if request.type is _MARKET:
        price = _inward(request.worst_price, instrument, side=request.side)
    elif price is None:
        return Refused(Refusal.PRICE, "a limit order needs a price")
    ticks = None if price is None else units(price, instrument.tick)
    if price is not None and ticks is None:
        return Refused(Refusal.PRICE, f"price {price} is not a multiple of the tick {instrument.tick}")
    return BookOrder(
        request.account, request.client_id, order_id, request.side, ticks, lots,
        owner=owner, ioc=request.type is _MARKET or request.tif is _IOC,
        post_only=request.post_only, reduce_only=request.reduce_only, self_trade=request.self_trade,
    )  # fmt: skip


def units(value: Decimal, unit: Decimal) -> int | None:
    """`value` in whole units, or None if it is not a whole number of them."""
    ratio = value / unit
    whole = int(ratio)
    return whole if whole == ratio else None


def _inward(price: Decimal | None, instrument: Instrument, *, side: Side) -> Decimal | None:
    """A bound on a market order, moved to the tick so that it is never exceeded."""
    if price is None:
        return None
    return instrument.price_down(price) if side is _BUY else instrument.price_up(price)


class Execution(NamedTuple):
    """One side of one match. Both orders of a match between own accounts carry the same `trade_id`.

    A named tuple, as it is made for every fill: it costs a third of a frozen dataclass.
    """

    order: BookOrder
    ticks: int
    lots: int
    trade_id: int
    maker: bool


@dataclass(slots=True)
class Outcome:
    """What one operation did: executions in order, then every order whose state or filled quantity changed, once."""

    executions: list[Execution] = field(default_factory=list)
    changed: list[BookOrder] = field(default_factory=list)

    def touch(self, order: BookOrder) -> None:
        if order not in self.changed:
            self.changed.append(order)


NOTHING = Outcome()  # shared; returned where nothing of ours was concerned


class _BookSide:
    """One side in signed prices (asks as they are, bids negated), so that lower is always nearer to a match."""

    __slots__ = ("best", "depth", "left", "level", "resting", "shown", "sign")

    def __init__(self, sign: int, depth: Depth) -> None:
        self.sign = sign
        self.depth = depth
        self.resting: list[BookOrder] = []  # by rank, then by time
        self.best: int | None = None
        self.shown = 0
        self.level = 0  # how many outside levels our own taking has emptied
        self.left = 0  # outside lots left at that level

    def show(self, best: int, lots: int) -> None:
        """Take a quote's side. An unchanged side gives nothing back of what we have taken from it."""
        if best == self.best and lots == self.shown:
            return
        self.best = best
        self.shown = self.left = lots
        self.level = 0
        for order in self.resting:
            if order.rank > best:
                break
            order.ahead = 0 if order.rank < best else min(order.ahead, lots)

    def outside(self) -> int | None:
        """Signed price of the nearest outside liquidity that is left."""
        if self.best is None or not self.left:
            return None
        return self.best + self.level * self.depth.step_ticks

    def consume(self, lots: int) -> None:
        self.left -= lots
        if not self.left and self.level < self.depth.levels:
            self.level += 1
            self.left = self.shown * self.depth.growth

    def levels(self) -> Iterator[tuple[int, int]]:
        """Signed price and lots of each price where something rests, outside and own together, the best first."""
        own: dict[int, int] = {}
        for order in self.resting:
            own[order.rank] = own.get(order.rank, 0) + order.leaves
        if self.best is not None:
            for level in range(self.level, self.depth.levels + 1):
                lots = self.left if level == self.level else self.shown * self.depth.growth
                rank = self.best + level * self.depth.step_ticks
                if lots:
                    own[rank] = own.get(rank, 0) + lots
        yield from sorted(own.items())

    def size_at(self, rank: int) -> int:
        """Outside lots shown or modelled at a signed price: the queue that a new order joins."""
        if self.best is None or rank < self.best:
            return 0
        level, between = divmod(rank - self.best, self.depth.step_ticks)
        if between or level < self.level:
            return 0
        return self.left if level == self.level else self.shown * self.depth.growth

    def eat_queue(self, rank: int, lots: int) -> None:
        """Let `lots` of the outside queue at a signed price trade: every own order there moves forward."""
        for order in self.resting:
            if order.rank == rank:
                order.ahead = max(0, order.ahead - lots)

    def rest(self, order: BookOrder) -> None:
        order.ahead = self.size_at(order.rank)
        insort(self.resting, order, key=_rank)


class Book:
    """The book of one symbol. `next_trade_id` gives ids unique on the venue.

    Call `refuse` first; `place` and `modify` take orders that passed it.
    """

    def __init__(self, instrument: Instrument, *, next_trade_id: Callable[[], int], depth: Depth | None = None) -> None:
        self.instrument = instrument
        self.depth = depth or Depth()
        self.positions: dict[str, int] = {}  # signed lots traded here, by account
        self.next_trade_id = next_trade_id
        self._bids = _BookSide(-1, self.depth)
        self._asks = _BookSide(1, self.depth)

    # -- what the market does ------------------------------------------------------------------------------------

    def apply_quote(self, bid: int, bid_lots: int, ask: int, ask_lots: int) -> Outcome:
        """Show a new best bid and offer. A side that now reaches an own order's price fills it, up to its size."""
        bids, asks = self._bids, self._asks
        bids.show(-bid, bid_lots)
        asks.show(ask, ask_lots)
        crosses_bids = bids.resting and bids.resting[0].rank <= -ask
        crosses_asks = asks.resting and asks.resting[0].rank <= bid
        if not crosses_bids and not crosses_asks:
            return NOTHING
        outcome = Outcome()
        if crosses_bids:
            self._fill_crossed(bids, asks, outcome)
        if crosses_asks:
            self._fill_crossed(asks, bids, outcome)
        return self._finish(outcome)

    def apply_trade(self, taker: Side, ticks: int, lots: int) -> Outcome:
        """A public trade: orders at better prices than it fill first, then the queue at its price, then ours there."""
        side = self._asks if taker is _BUY else self._bids
        rank = ticks * side.sign
        if not side.resting or side.resting[0].rank > rank:
            return NOTHING
        outcome = Outcome()
        for order in tuple(side.resting):
            if order.rank > rank or not lots:
                break
            if order.rank == rank:
                eaten = min(order.ahead, lots)
                side.eat_queue(rank, eaten)
                lots -= eaten
            lots -= self._fill_resting(order, lots, outcome)
        return self._finish(outcome)

    def hit(self, order: BookOrder, lots: int) -> Outcome:
        """Let an outside taker fill `lots` of one resting order, whatever waits before it: a race that it has lost."""
        outcome = Outcome()
        self._fill_resting(order, lots, outcome)
        return self._finish(outcome)

    # -- what our accounts do ------------------------------------------------------------------------------------

    def refuse(self, order: BookOrder) -> Refused | None:
        """Why the book would not take this order, or None. Clips a reduce-only order to the position.

        Minima are judged before that clip, so that a position under the minimum can still be closed.
        """
        return self._refuse_size(order) or self._refuse_reduce_only(order) or self._refuse_post_only(order)

    def place(self, order: BookOrder) -> Outcome:
        """Match what crosses, then rest the remainder of a GTC limit order or cancel that of any other."""
        outcome = Outcome()
        order.state = _OPEN
        self._enter(order, outcome)
        return self._finish(outcome)

    def cancel(self, order: BookOrder) -> Outcome:
        """Take an open order off the book; without effect on a terminal one."""
        if order.state.terminal:
            return NOTHING
        outcome = Outcome()
        self._end(order, _CANCELED, outcome)
        return outcome

    def modify(self, order: BookOrder, *, ticks: int, lots: int) -> Outcome:
        """Change limit and total quantity (above `cum`). Only an order that just shrinks keeps its queue place."""
        outcome = Outcome()
        outcome.touch(order)
        if ticks == order.ticks and lots <= order.lots:
            order.lots = lots
            return outcome
        self._own_side(order).resting.remove(order)
        order.ticks, order.lots = ticks, lots
        self._enter(order, outcome)
        return self._finish(outcome)

    def close(self) -> Outcome:
        """Cancel all own orders and forget the outside market and the positions: what follows is a new book."""
        outcome = Outcome()
        for order in self.open_orders():
            self._end(order, _CANCELED, outcome)
        self.positions.clear()
        self._bids = _BookSide(-1, self.depth)
        self._asks = _BookSide(1, self.depth)
        return outcome

    def open_orders(self) -> list[BookOrder]:
        """Own orders on the book, bids first, each side by price then time."""
        return [*self._bids.resting, *self._asks.resting]

    def levels(self, side: Side) -> Iterator[tuple[int, int]]:
        """Price in ticks and resting lots, outside and own together, of the bids (BUY) or offers, the best first."""
        book_side = self._bids if side is _BUY else self._asks
        for rank, lots in book_side.levels():
            yield rank * book_side.sign, lots

    def top(self, side: Side) -> tuple[int, int] | None:
        """The first of `levels`."""
        book_side = self._bids if side is _BUY else self._asks
        outside, own = book_side.outside(), book_side.resting
        if not own:
            return None if outside is None else (outside * book_side.sign, book_side.left)
        rank = own[0].rank if outside is None else min(own[0].rank, outside)
        lots = book_side.left if rank == outside else 0
        for order in own:
            if order.rank != rank:
                break
            lots += order.leaves
        return rank * book_side.sign, lots

    @property
    def quoted(self) -> bool:
        return self._bids.best is not None

    @property
    def mid_doubled(self) -> int:
        """Best bid plus best offer in ticks: twice the mid, so that it stays whole."""
        return (self._asks.best or 0) - (self._bids.best or 0)

    def best(self, side: Side) -> int:
        """The outside best bid (BUY) or offer (SELL) in ticks; only when `quoted`."""
        book_side = self._bids if side is _BUY else self._asks
        return (book_side.best or 0) * book_side.sign

    def worst_price(self, side: Side) -> int:
        """The last modelled price that a taker of `side` could pay, in ticks."""
        return self.best(side.opposite) + side.sign * self.depth.step_ticks * self.depth.levels

    # -- checks --------------------------------------------------------------------------------------------------

    def _refuse_size(self, order: BookOrder) -> Refused | None:
        spec = self.instrument
        qty = order.lots * spec.lot
        if qty < spec.min_qty or qty <= 0:
            return Refused(Refusal.SIZE, f"quantity {qty} is below the minimum {spec.min_qty}")
        if spec.max_qty is not None and qty > spec.max_qty:
            return Refused(Refusal.SIZE, f"quantity {qty} is above the maximum {spec.max_qty}")
        if order.ticks is not None and order.ticks <= 0:
            return Refused(Refusal.PRICE, f"price {order.ticks * spec.tick} is not positive")
        if order.reduce_only and spec.reduces_below_notional:
            return None
        ticks = order.ticks if order.ticks is not None else self.best(order.side.opposite)
        if qty * ticks * spec.tick < spec.min_notional:
            return Refused(Refusal.SIZE, f"notional {qty * ticks * spec.tick} is below the minimum {spec.min_notional}")
        return None

    def _refuse_reduce_only(self, order: BookOrder) -> Refused | None:
        if not order.reduce_only:
            return None
        if self.instrument.kind is not _PERP:
            return Refused(Refusal.UNSUPPORTED, f"reduce-only is unknown on a {self.instrument.kind.value} market")
        reducible = self._reducible(order)
        if reducible <= 0:
            return Refused(Refusal.REDUCE_ONLY, "there is no position that this order would reduce")
        order.lots = order.cum + min(order.leaves, reducible)
        return None

    def _refuse_post_only(self, order: BookOrder) -> Refused | None:
        if not order.post_only:
            return None
        other = self._other_side(order)
        if order.ticks is None or order.ioc:
            return Refused(Refusal.UNSUPPORTED, "post-only needs a good-till-cancel limit order")
        limit = order.ticks * other.sign
        takes_outside = other.best is not None and other.best <= limit
        takes_own = bool(other.resting) and other.resting[0].rank <= limit
        if takes_outside or takes_own:
            return Refused(Refusal.POST_ONLY, "post-only order would have taken liquidity")
        return None

    def _reducible(self, order: BookOrder) -> int:
        return -self.positions.get(order.account, 0) * order.side.sign

    # -- matching ------------------------------------------------------------------------------------------------

    def _enter(self, order: BookOrder, outcome: Outcome) -> None:
        outcome.touch(order)
        self._take(order, outcome)
        if order.state.terminal:
            return
        if order.leaves and not order.ioc and order.ticks is not None:
            side = self._own_side(order)
            order.rank = order.ticks * side.sign
            side.rest(order)
        elif order.leaves:
            order.state = _CANCELED

    def _take(self, taker: BookOrder, outcome: Outcome) -> None:
        """Walk the other side by price, then time, outside and own liquidity mixed, while the limit allows."""
        side = self._other_side(taker)
        limit = None if taker.ticks is None else taker.ticks * side.sign
        while taker.leaves and not taker.state.terminal:
            outside = side.outside()
            own = side.resting[0] if side.resting else None
            if own is not None and (outside is None or own.rank < outside or (own.rank == outside and not own.ahead)):
                if limit is not None and own.rank > limit:
                    return
                self._take_own(taker, own, outcome)
            elif outside is not None:
                if limit is not None and outside > limit:
                    return
                self._take_outside(taker, side, outside, outcome)
            else:
                return

    def _take_outside(self, taker: BookOrder, side: _BookSide, rank: int, outcome: Outcome) -> None:
        lots = min(taker.leaves, side.left)
        own = side.resting[0] if side.resting else None
        if own is not None and own.rank == rank:
            lots = min(lots, own.ahead)
        side.eat_queue(rank, lots)
        side.consume(lots)
        self._execute(taker, rank * side.sign, lots=lots, trade_id=self.next_trade_id(), maker=False, outcome=outcome)

    def _take_own(self, taker: BookOrder, resting: BookOrder, outcome: Outcome) -> None:
        if taker.self_trade is not _NONE and _same_user(taker, resting):
            self._prevent_self_trade(taker, resting, outcome)
            return
        lots = min(taker.leaves, resting.leaves)
        if resting.reduce_only:
            lots = min(lots, self._reducible(resting))
            if lots <= 0:
                self._end_spent_reduce_only(resting, outcome)
                return
        ticks, trade_id = resting.ticks or 0, self.next_trade_id()
        self._execute(resting, ticks, lots=lots, trade_id=trade_id, maker=True, outcome=outcome)
        self._execute(taker, ticks, lots=lots, trade_id=trade_id, maker=False, outcome=outcome)

    def _prevent_self_trade(self, taker: BookOrder, resting: BookOrder, outcome: Outcome) -> None:
        if taker.self_trade in (_CANCEL_MAKER, _CANCEL_BOTH):
            self._end_self_trade(resting, outcome)
        if taker.self_trade in (_CANCEL_TAKER, _CANCEL_BOTH):
            self._end_self_trade(taker, outcome)

    def _fill_crossed(self, side: _BookSide, other: _BookSide, outcome: Outcome) -> None:
        """Fill own orders of `side` that the other side's outside best has reached, up to its size."""
        if other.level or other.best is None:
            return
        reach = -other.best
        for order in tuple(side.resting):
            if order.rank > reach or other.level or not other.left:
                return
            lots = self._fill_resting(order, other.left, outcome)
            if lots:
                other.consume(lots)

    def _fill_resting(self, order: BookOrder, lots: int, outcome: Outcome) -> int:
        lots = min(lots, order.leaves)
        if order.reduce_only:
            lots = min(lots, self._reducible(order))
        if lots <= 0:
            return 0
        trade_id = self.next_trade_id()
        self._execute(order, order.ticks or 0, lots=lots, trade_id=trade_id, maker=True, outcome=outcome)
        return lots

    def _execute(
        self, order: BookOrder, ticks: int, *, lots: int, trade_id: int, maker: bool, outcome: Outcome
    ) -> None:
        order.cum += lots
        self.positions[order.account] = self.positions.get(order.account, 0) + order.side.sign * lots
        outcome.executions.append(Execution(order, ticks, lots, trade_id, maker))
        outcome.touch(order)
        if order.leaves:
            order.state = _PARTIALLY_FILLED
        else:
            self._end(order, _FILLED, outcome)

    # -- ends ----------------------------------------------------------------------------------------------------

    def _finish(self, outcome: Outcome) -> Outcome:
        """Shrink or end resting reduce-only orders that this operation's fills have left larger than the position."""
        if not outcome.executions:
            return outcome
        accounts = {execution.order.account for execution in outcome.executions}
        for order in self.open_orders():
            if order.reduce_only and order.account in accounts:
                self._trim_reduce_only(order, outcome)
        return outcome

    def _trim_reduce_only(self, order: BookOrder, outcome: Outcome) -> None:
        reducible = self._reducible(order)
        if reducible <= 0:
            self._end_spent_reduce_only(order, outcome)
        elif order.leaves > reducible:
            order.lots = order.cum + reducible
            outcome.touch(order)

    def _end_spent_reduce_only(self, order: BookOrder, outcome: Outcome) -> None:
        order.refusal, order.text = Refusal.REDUCE_ONLY, "the position that this order reduced is gone"
        self._end(order, _CANCELED, outcome)

    def _end_self_trade(self, order: BookOrder, outcome: Outcome) -> None:
        order.refusal, order.text = Refusal.SELF_TRADE, "self-trade prevention"
        self._end(order, _CANCELED, outcome)

    def _end(self, order: BookOrder, state: OrderState, outcome: Outcome) -> None:
        order.state = state
        outcome.touch(order)
        resting = self._own_side(order).resting
        if order in resting:
            resting.remove(order)

    def _own_side(self, order: BookOrder) -> _BookSide:
        return self._bids if order.side is _BUY else self._asks

    def _other_side(self, order: BookOrder) -> _BookSide:
        return self._asks if order.side is _BUY else self._bids


def _same_user(taker: BookOrder, resting: BookOrder) -> bool:
    return resting.account == taker.account if taker.account_only else resting.owner == taker.owner


def _rank(order: BookOrder) -> int:
    return order.rank
