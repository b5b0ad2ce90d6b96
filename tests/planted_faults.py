"""Faults that bots of this kind really had, each planted into the real function that prevents it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from engine.trading.desk import Desk
from engine.trading.effects import Effect
from engine.trading.events import StrategyEvent
from engine.trading.hedging import Hedging
from engine.trading.inputs import Answered, Input, Request
from engine.trading.intake import Intake
from engine.trading.orders import COVERING, Order, Orders
from engine.trading.world import World
from engine.verify.venues import Venues
from exchanges.led import LedClient
from exchanges.types import ZERO, Accepted, Fill, OrderState, Refusal, Refused

Plant = Callable[[], Any]


def late_fill_dropped() -> Any:
    """A fill row that comes after the order's cancel is thrown away."""
    real = Orders.apply_fill

    def apply_fill(self: Orders, fill: Fill, at_ns: int) -> Decimal | None:
        if self.all[fill.client_id].state is OrderState.CANCELED:
            return None
        return real(self, fill, at_ns)

    return patch.object(Orders, "apply_fill", apply_fill)


@contextmanager
def no_hedge_in_holding() -> Iterator[None]:
    """The hedging rule sleeps while the chart is in HOLDING."""
    step, run = Desk.step, Hedging.run
    standing = {"leaf": ""}

    def stepped(self: Desk, given: Input, at_ns: int) -> list[Effect]:
        standing["leaf"] = self.state
        return step(self, given, at_ns)

    def sleepy(self: Hedging) -> list[Effect]:
        return [] if standing["leaf"] == "HOLDING" else run(self)

    with patch.object(Desk, "step", stepped), patch.object(Hedging, "run", sleepy):
        yield


def fills_go_to_the_newest_order() -> Any:
    """A fill row is taken for one of the account's newest order, whatever id it names."""
    real = Orders.apply_fill

    def apply_fill(self: Orders, fill: Fill, at_ns: int) -> Decimal | None:
        newest = next(it for it in reversed(self.all.values()) if it.account == fill.account)
        row = f"{fill.client_id}/{fill.trade_id}"
        taken = Fill(
            fill.venue, fill.account, fill.symbol, newest.client_id, fill.order_id, row, fill.side, fill.qty,
            fill.price, fill.fee, fill.fee_asset, fill.liquidity, fill.at_ms, fill.recv_ns,
        )  # fmt: skip
        return real(self, taken, at_ns)

    return patch.object(Orders, "apply_fill", apply_fill)


@contextmanager
def resync_asks_about_live_orders_only() -> Iterator[None]:
    """After a lost stream only the newest order is asked about, if the desk still takes it for live."""
    real = Venues._missed

    def missed(self: Venues, account: int) -> Any:
        rows, states = real(self, account)
        live = {at + 1 for at, it in enumerate(self.key.orders) if it.live}
        return [it for it in rows if it.place in live], [it for it in states if it.place in live]  # type: ignore[union-attr]

    def none_that_ended(_: LedClient) -> list[str]:
        return []  # the traces that show it have none that lives

    with patch.object(Venues, "_missed", missed), patch.object(LedClient, "asked_after", none_that_ended):
        yield


def cancel_reply_is_final() -> Any:
    """`Accepted` to a cancel is taken for the order's end."""
    real = Intake._answered

    def answered(self: Intake, given: Answered) -> list[StrategyEvent]:
        order = self.world.orders.get(given.client_id)
        if order is not None and order.live and given.request is Request.CANCEL and isinstance(given.reply, Accepted):
            self.world.orders.lose(order, self.world.now_ns)
            return [] if order.purpose in COVERING else [self._order_event(order, late=False)]
        return real(self, given)

    return patch.object(Intake, "_answered", answered)


def taker_remainder_forgotten() -> Any:
    """What a partly filled hedge left open counts as covered."""
    real = World.in_flight

    def in_flight(self: World) -> Decimal:
        cut = [it for it in self.orders.all.values() if it.purpose in COVERING and it.state is OrderState.CANCELED]
        return real(self) + sum((it.side.sign * (it.qty - it.done_qty) for it in cut if it.done_qty), ZERO)

    return patch.object(World, "in_flight", in_flight)


def dust_never_carried() -> Any:
    """What no taker can trade is written off instead of being carried into the next hedge."""
    real = Hedging._calm

    def calm(self: Hedging) -> None:
        real(self)
        self._world.ledger.exposure = ZERO

    return patch.object(Hedging, "_calm", calm)


def unknown_is_refused() -> Any:
    """A lost answer is taken for a refusal, and the next account is asked at once."""

    def lost(self: Intake, order: Order) -> list[StrategyEvent]:
        return self._failed(order, Refused(Refusal.VENUE, "no answer"))

    return patch.object(Intake, "_lost", lost)


PLANTED: Mapping[str, Plant] = {
    "late fill dropped after cancel": late_fill_dropped,
    "hedge skipped in HOLDING": no_hedge_in_holding,
    "order-id correlation removed": fills_go_to_the_newest_order,
    "resync asks only about the current order": resync_asks_about_live_orders_only,
    "cancel reply taken as final": cancel_reply_is_final,
    "taker remainder forgotten": taker_remainder_forgotten,
    "dust never carried": dust_never_carried,
    "unknown treated as refused": unknown_is_refused,
}
