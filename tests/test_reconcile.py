"""What a comparison counts into the position that the fills of a run make (S1, S17)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal

import pytest

from engine.runtime.clock import VirtualClock
from exchanges.budget import Use
from exchanges.reconcile import Reconcile
from exchanges.tracking import Sent, Tracking
from exchanges.types import Fill, Liquidity, OrderRequest, OrderType, OrderUpdate, SelfTrade, Side, TimeInForce

D = Decimal
READ_MS = 1_000


class Account:
    """A venue that shows a position of 5 and nothing else, at `READ_MS` of its clock."""

    venue_ms = READ_MS

    async def open_orders(self, symbol: str, use: Use) -> Sequence[OrderUpdate]:
        return []

    async def fills(self, symbol: str, since_ms: int, use: Use) -> Sequence[Fill]:
        return []

    async def ended_order(self, order: Sent, use: Use) -> OrderUpdate | None:
        return None

    async def position(self, symbol: str, use: Use) -> Decimal:
        return D(5)

    def take_update(self, update: OrderUpdate) -> None: ...

    def take_fill(self, fill: Fill) -> bool:
        return True

    def change_of(self, fill: Fill) -> Decimal:
        return fill.qty * fill.side.sign


@pytest.mark.parametrize(
    ("client_id", "at_ms", "expected"),
    [
        ("theirs", READ_MS - 1, D(5)),  # the first reading has it already
        ("theirs", READ_MS, D(6)),
        ("ours", READ_MS - 1, D(6)),  # an order of this run began after it, whatever the row's clock says
    ],
)
def test_a_row_of_before_the_first_reading_counts_only_for_an_order_of_this_run(
    client_id: str, at_ms: int, expected: Decimal
) -> None:
    tracking = Tracking()
    reconcile = Reconcile(
        ["X"], Account(), tracking=tracking, clock=VirtualClock(), lost=lambda _: None, note=lambda _: None,
        trusted=lambda: True,
    )  # fmt: skip
    asyncio.run(reconcile.resync())
    order = OrderRequest(
        "ours", "m", "X", Side.BUY, D(1), D(9), OrderType.LIMIT, TimeInForce.GTC, post_only=True, reduce_only=False,
        valid_ms=2_000, self_trade=SelfTrade.NONE,
    )  # fmt: skip
    tracking.sent(order, now_ns=0, wall_ms=READ_MS)
    fill = Fill("v", "m", "X", client_id, "o", "t", Side.BUY, D(1), D(9), D(0), "USDT", Liquidity.MAKER, at_ms, 0)
    tracking.fill(fill)
    reconcile.took(fill)
    assert reconcile.expected("X") == expected
