"""Asks about orders until their end is certain (S4, E9, E13); works in every flow, with or without a hedging rule."""

from __future__ import annotations

from engine.trading.effects import ArmTimer, AskOrder, DisarmTimer, Effect
from engine.trading.orders import COVERING, Order
from engine.trading.world import MS, S, World
from exchanges.types import OrderState

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_OPEN, _PARTIALLY_FILLED = OrderState.OPEN, OrderState.PARTIALLY_FILLED

OWNER = "inquiry"
CHECK_NS = 1 * S  # a covering order that is not terminal by then is asked about, and its remainder cancelled (E9)
ASK_AGAIN_NS = 250 * MS  # an unknown outcome is asked again


class Inquiry:
    """Questions and checks of one desk; each order has at most one question on its way and one timer."""

    __slots__ = ("_world",)

    def __init__(self, world: World) -> None:
        self._world = world

    def look(self, order: Order) -> list[Effect]:
        """An order's outcome became unknown: ask now, and again until it is found or provably dead (S4)."""
        if order.asked:
            return []
        return [self._ask(order), check_timer(order.client_id, self._world.now_ns + ASK_AGAIN_NS)]

    def look_again(self, order: Order) -> ArmTimer:
        """The venue knew no such order: ask again a little later."""
        return check_timer(order.client_id, self._world.now_ns + ASK_AGAIN_NS)

    def timer(self, client_id: str) -> list[Effect]:
        """The check of one order is due."""
        world = self._world
        order = world.orders.get(client_id)
        if order is None or not order.live:
            return []
        if order.asked:
            return [self.look_again(order)]
        if order.purpose not in COVERING:
            if not order.unknown and not order.missing_ns:
                return []  # found: its leg looks after it
        elif order.state in (_OPEN, _PARTIALLY_FILLED) and not order.unknown:
            return [world.cancel(order), self._ask(order), check_timer(client_id, world.now_ns + CHECK_NS)]
        elif order.order_id and not order.unknown:  # taken and not shown yet: asked about more often than cancelled
            cancels = world.cancel_all([order])
            return [*cancels, self._ask(order), check_timer(client_id, world.now_ns + CHECK_NS)]
        return [self._ask(order), check_timer(client_id, world.now_ns + CHECK_NS)]

    def _ask(self, order: Order) -> AskOrder:
        order.asked = True
        order.asked_ns = self._world.now_ns
        return self._world.ask(order, token=0)


def check_timer(client_id: str, at_ns: int) -> ArmTimer:
    """Look at this order at `at_ns`."""
    return ArmTimer(OWNER, client_id, 0, at_ns)


def check_over(client_id: str) -> DisarmTimer:
    """The order has come to its end."""
    return DisarmTimer(OWNER, client_id, 0)
