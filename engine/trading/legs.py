"""A leg while the run goes on: which orders it made in this round, what filled of them, what its next one would be."""

from __future__ import annotations

from decimal import Decimal

from engine.chart.model import Scope
from engine.trading.limits import close_size
from engine.trading.orders import Order
from engine.trading.sections import LegSpec
from engine.trading.world import World
from exchanges.types import ZERO, Side

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_BUY, _SELL = Side.BUY, Side.SELL


class Leg:
    """Facts that guards read as `opening.live`, `opening.filled`, and so on (sections.LEG_FACTS).

    `scope` is what the leg's own expressions read; the view puts itself there.
    """

    __slots__ = ("_world", "attempts", "filled", "last_price", "newest", "scope", "spec")

    scope: Scope

    def __init__(self, spec: LegSpec, world: World) -> None:
        self.spec = spec
        self._world = world
        self.filled = ZERO  # of this round's orders
        self.attempts = 0
        self.newest = ""  # client id of the newest order
        self.last_price = ZERO  # of the newest fill, of whatever round

    def begin_round(self) -> None:
        self.filled = ZERO
        self.attempts = 0
        self.newest = ""

    # --- its orders

    @property
    def live_orders(self) -> list[Order]:
        return [order for order in self._world.orders.resting.values() if order.leg == self.spec.name]

    @property
    def live(self) -> bool:
        name = self.spec.name
        for order in self._world.orders.resting.values():  # noqa: SIM110 a fact that most guards ask for
            if order.leg == name:
                return True
        return False

    @property
    def orders(self) -> int:
        return len(self.live_orders)

    @property
    def unfilled(self) -> Decimal:
        return sum((order.remaining for order in self.live_orders), ZERO)

    @property
    def nearest(self) -> Decimal:
        """Of the live orders, the price that the market reaches first: the lowest sale, else the highest purchase."""
        orders = [order for order in self.live_orders if order.price is not None]
        sales = [order.price for order in orders if order.side is _SELL and order.price is not None]
        bought = [order.price for order in orders if order.price is not None]
        return min(sales) if sales else max(bought, default=ZERO)

    @property
    def unknown(self) -> bool:
        return any(order.unknown for order in self.live_orders)

    def count(self, order: Order, news: Decimal, price: Decimal | None) -> None:
        """A fill of one of its orders; those of earlier rounds are exposure, not progress of this one."""
        self.last_price = price or self.last_price
        if order.round == self._world.round:
            self.filled += news

    def saved(self) -> tuple[Decimal, int, str]:
        return (self.filled, self.attempts, self.newest)

    def restore(self, saved: tuple[Decimal, int, str]) -> None:
        self.filled, self.attempts, self.newest = saved

    # --- its next order

    @property
    def account(self) -> str:
        return self._world.accounts(self.spec.role)[0]

    @property
    def side(self) -> Side:
        return _BUY if self.spec.buys.value(self.scope) else _SELL

    @property
    def size(self) -> Decimal:
        """What an order made now would be for; 0 without a book, or below what the venue takes."""
        touch = self._world.touch(self.account, self.side)
        return ZERO if touch is None else self.size_at(touch)

    def size_at(self, price: Decimal) -> Decimal:
        qty = self.spec.quantity.value(self.scope)
        assert isinstance(qty, Decimal)
        instrument, most = self._world.instruments[self.account], self._world.plan.limits.max_order
        if self.spec.reduces:
            return close_size(qty, instrument, max_order=most, price=price)
        return instrument.tradable(min(qty, most), price)

    def resting_price(self, side: Side, *, bid: Decimal, ask: Decimal) -> Decimal:
        """Where a post-only order rests: `offset` ticks from the opposite best (E5), or at `price` if that is further.

        0 or less where the book is too low for an order to rest in it.
        """
        instrument = self._world.instruments[self.account]
        offset = self.offset
        if side is _BUY:  # E5: a buy rests at best ask - x ticks, a sell at best bid + x ticks
            near = instrument.price_down(ask - offset * instrument.tick)
            return near if self.price is None else min(near, instrument.price_down(self.price))
        near = instrument.price_up(bid + offset * instrument.tick)
        return near if self.price is None else max(near, instrument.price_up(self.price))

    @property
    def offset(self) -> int:
        """Ticks; one where only a price is given, so that the order never takes."""
        if self.spec.offset is None:
            return 0 if self.spec.price is None else 1
        offset = self.spec.offset.value(self.scope)
        assert isinstance(offset, int)
        return offset

    @property
    def price(self) -> Decimal | None:
        """The leg's own price, above 0; None without one."""
        if self.spec.price is None:
            return None
        price = self.spec.price.value(self.scope)
        assert isinstance(price, Decimal)
        return price if price > 0 else None
