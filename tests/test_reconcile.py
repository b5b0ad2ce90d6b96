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


class Moving(Account):
    """One that holds what a test says, tells a row, and moves while it is read if it is to."""

    def __init__(self, tracking: Tracking, *, moves: bool = False) -> None:
        self.tracking = tracking
        self.moves = moves
        self.held = D(5)
        self.rows: list[Fill] = []

    async def fills(self, symbol: str, since_ms: int, use: Use) -> Sequence[Fill]:
        return self.rows

    async def position(self, symbol: str, use: Use) -> Decimal:
        self.tracking.moves += self.moves
        return self.held


def compared(account: Moving) -> tuple[Reconcile, list[str], list[str]]:
    """A comparison that has had its first reading, why the stream was given up, and what was noted."""
    lost: list[str] = []
    noted: list[str] = []
    reconcile = Reconcile(
        ["X"], account, tracking=account.tracking, clock=VirtualClock(), lost=lost.append, note=noted.append,
        trusted=lambda: True,
    )  # fmt: skip
    asyncio.run(reconcile._look("X", Use.ASK, resync=True))
    return reconcile, lost, noted


@pytest.mark.parametrize(("age_ms", "resync", "times"), [(1_000, False, 1), (999, False, 0), (1_000, True, 0)])
def test_a_stream_that_did_not_tell_of_a_fill_for_a_second_is_trusted_no_more(
    age_ms: int, resync: bool, times: int
) -> None:
    """S17: what it left out once it may leave out again; in a resync nobody trusts it yet."""
    account = Moving(Tracking())
    reconcile, lost, _ = compared(account)
    account.rows = [
        Fill("v", "m", "X", "", "o", "t", Side.BUY, D(1), D(9), D(0), "USDT", Liquidity.MAKER, READ_MS - age_ms, 0)
    ]
    asyncio.run(reconcile._look("X", Use.UPKEEP, resync=resync))
    assert lost == ["the stream did not tell of 1 fill"] * times


@pytest.mark.parametrize(("moves", "taken"), [(False, D(7)), (True, D(5))])
def test_the_venues_word_on_a_position_is_taken_after_two_quiet_readings_and_never_while_something_moves(
    moves: bool, taken: Decimal
) -> None:
    """S17: a reading taken in mid-flight is none."""
    account = Moving(Tracking(), moves=moves)
    reconcile, _, noted = compared(account)
    account.held = D(7)
    told = [asyncio.run(reconcile._look("X", Use.UPKEEP, resync=False)) for _ in range(4)]
    assert (told, reconcile.expected("X")) == ([False, True, True, True] if not moves else [False] * 4, taken)
    assert len(noted) == (not moves)
