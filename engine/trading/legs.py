"""A leg while the run goes on: which orders it made in this round and what filled of them."""

from __future__ import annotations

from decimal import Decimal

from engine.trading.orders import Order
from engine.trading.sections import LegSpec
from engine.trading.world import World
from exchanges.types import ZERO


class Leg:
    """Facts that guards read as `opening.live`, `opening.filled`, and so on (sections.LEG_FACTS)."""

    __slots__ = ("_world", "attempts", "filled", "newest", "spec")

    def __init__(self, spec: LegSpec, world: World) -> None:
        self.spec = spec
        self._world = world
        self.filled = ZERO  # of this round's orders
        self.attempts = 0
        self.newest = ""  # client id of the newest order

    def begin_round(self) -> None:
        self.filled = ZERO
        self.attempts = 0
        self.newest = ""

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
    def unknown(self) -> bool:
        return any(order.unknown for order in self.live_orders)

    def count(self, order: Order, news: Decimal) -> None:
        """A fill of one of this round's orders; fills of earlier rounds are exposure, not progress of this one."""
        if order.round == self._world.round:
            self.filled += news

    def saved(self) -> tuple[Decimal, int, str]:
        return (self.filled, self.attempts, self.newest)

    def restore(self, saved: tuple[Decimal, int, str]) -> None:
        self.filled, self.attempts, self.newest = saved
