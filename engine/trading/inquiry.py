"""Asks about orders until their end is certain (S4, E9, E13); works in every flow, with or without a hedging rule."""

from __future__ import annotations

from engine.trading.effects import ArmTimer, AskOrder, DisarmTimer, Effect
from engine.trading.orders import COVERING, Order
from engine.trading.world import MS, S, World
from exchanges.types import LinkState, OrderState

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_OPEN, _PARTIALLY_FILLED, _PENDING = OrderState.OPEN, OrderState.PARTIALLY_FILLED, OrderState.PENDING
_TRUSTED = LinkState.TRUSTED

OWNER = "inquiry"
CHECK_NS = 1 * S  # a covering order that is not terminal by then is asked about, and its remainder cancelled (E9)
ASK_AGAIN_NS = 250 * MS  # an unknown outcome is asked again, at first; the pause grows with the time that it takes …
ASK_MOST_NS = 4 * S  # … up to this: a venue that is away is not asked four times a second for as long as it is (S11)
COVERING_MOST_NS = 3 * S // 2  # … of one that covers what is open meanwhile: 40 a minute, where the least are 60
MISSING_NS = 5 * S  # "no such order" about one that was seen, for so long: it has ended, whatever the reason
NEVER_NS = 1 << 62
TOLD_NS = 2 * S  # a trusted stream has told of what happened so long ago


class Inquiry:
    """Questions and checks of one desk; each order has at most one question on its way and one timer."""

    __slots__ = ("_world",)

    def __init__(self, world: World) -> None:
        self._world = world

    def look(self, order: Order) -> list[Effect]:
        """An order's outcome became unknown: ask now, and again until it is found or provably dead (S4).

        One that is known to be there and would not be cancelled is cancelled again at its next check.
        """
        if order.asked:
            return []
        there = order.state is not _PENDING and not order.unknown
        at_ns = self._check_ns(order) if there else self._again_ns(order)
        return [self._ask(order), check_timer(order.client_id, at_ns)]

    def look_again(self, order: Order) -> ArmTimer:
        """The venue knew no such order, or did not say: ask again a little later."""
        return check_timer(order.client_id, self._again_ns(order))

    def certain_after_ns(self, order: Order) -> int:
        """From when on "no such order" means never accepted; some queries do not know of one that has filled either."""
        world = self._world
        if world.plan.accounts[order.account].capabilities.query_finds_terminal:
            return order.dead_after_ns
        if world.links[order.account] is not _TRUSTED:
            return NEVER_NS  # only its resync can tell
        return order.dead_after_ns + TOLD_NS

    def _again_ns(self, order: Order) -> int:
        """Ever later, but at once when "no such order" becomes certain, and soon before: what it covers is open.

        From that moment on only an answer is missing, and the pause grows anew (S4).
        """
        now_ns, began_ns = self._world.now_ns, order.missing_ns or order.created_ns
        certain_ns = MS + (order.missing_ns + MISSING_NS if order.missing_ns else self.certain_after_ns(order))
        if now_ns >= certain_ns or certain_ns > NEVER_NS:
            since_ns = certain_ns if now_ns >= certain_ns else began_ns
            most_ns = COVERING_MOST_NS if order.purpose in COVERING else ASK_MOST_NS
            return now_ns + min(max(ASK_AGAIN_NS, (now_ns - since_ns) // 2), most_ns)
        return min(now_ns + min(max(ASK_AGAIN_NS, (now_ns - began_ns) // 4), 2 * ASK_AGAIN_NS), certain_ns)

    def _check_ns(self, order: Order) -> int:
        return max(self._world.now_ns + CHECK_NS, self._again_ns(order))

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
            return [world.cancel(order), self._ask(order), check_timer(client_id, self._check_ns(order))]
        elif order.order_id and not order.unknown:  # taken and not shown yet: asked about more often than cancelled
            cancels = world.cancel_all([order])
            return [*cancels, self._ask(order), check_timer(client_id, self._check_ns(order))]
        return [self._ask(order), check_timer(client_id, self._check_ns(order))]

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
