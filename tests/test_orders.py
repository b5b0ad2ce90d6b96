"""Life of an order: a watermark that only rises, rows that explain snapshots, states that never go back (E13, S5)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.trading import orders as table
from engine.trading.effects import Purpose
from engine.trading.orders import Order, Orders
from exchanges.types import Fill, Liquidity, OrderState, OrderUpdate, Refusal, Side

D = Decimal
PENDING, OPEN, PARTIAL, FILLED, CANCELED, FAILED = OrderState


def order(client_id: str = "o1", qty: str = "3") -> Order:
    return Order(
        client_id=client_id, account="m", venue="a", symbol="X", side=Side.BUY, qty=D(qty), price=D(10),
        purpose=Purpose.OPEN, leg="opening", round=1, attempt=1, reduce_only=False, created_ns=0, dead_after_ns=9,
    )  # fmt: skip


def update(state: OrderState, cum: str = "0", refusal: Refusal | None = None) -> OrderUpdate:
    return OrderUpdate("m", "X", "o1", "v1", Side.BUY, D(3), state, D(cum), D(10), 0, 0, refusal)


def row(trade: str, qty: str) -> Fill:
    return Fill(
        "a", "m", "X", "o1", "v1", trade, Side.BUY, D(qty), D(10), D(0), "U", Liquidity.MAKER, 0, 0
    )  # fmt: skip


# What the venue says, in order -> (news of each, final state, filled by rows, provisional)
STORIES = [
    ("a snapshot ahead of its row counts once", [update(PARTIAL, "1"), row("t1", "1")], [D(1), D(0)], PARTIAL, 1, 0),
    ("a row ahead of its snapshot counts once", [row("t1", "1"), update(PARTIAL, "1")], [D(1), D(0)], PARTIAL, 1, 0),
    ("a row seen before is not news", [row("t1", "1"), row("t1", "1")], [D(1), None], PARTIAL, 1, 0),
    ("two rows make the order full", [row("t1", "1"), row("t2", "2")], [D(1), D(2)], FILLED, 3, 0),
    (
        "a snapshot knows more than one row explains",
        [update(PARTIAL, "2"), row("t1", "1")],
        [D(2), D(0)],
        PARTIAL,
        1,
        1,
    ),
    ("a row brings more than the snapshot knew", [update(PARTIAL, "1"), row("t1", "2")], [D(1), D(1)], PARTIAL, 2, 0),
    ("an older snapshot takes nothing back", [row("t1", "2"), update(PARTIAL, "1")], [D(2), D(0)], PARTIAL, 2, 0),
    ("a late accept does not reopen", [row("t1", "3"), update(OPEN)], [D(3), D(0)], FILLED, 3, 0),
    ("a fill after the cancel is counted", [update(CANCELED), row("t1", "1")], [D(0), D(1)], CANCELED, 1, 0),
    ("a cancelled order that filled in full is filled", [update(CANCELED), row("t1", "3")], [D(0), D(3)], FILLED, 3, 0),
    ("refused", [update(FAILED, refusal=Refusal.MARGIN)], [D(0)], FAILED, 0, 0),
]


@pytest.mark.parametrize(
    ("said", "news", "state", "filled", "provisional"), [s[1:] for s in STORIES], ids=[s[0] for s in STORIES]
)
def test_story(
    said: list[Fill | OrderUpdate], news: list[Decimal | None], state: OrderState, filled: int, provisional: int
) -> None:
    orders, one = Orders(), order()
    orders.register(one)
    got = [orders.apply_fill(word, 1) if isinstance(word, Fill) else orders.apply_update(word, 1) for word in said]
    assert (got, one.state, one.filled, one.provisional) == (news, state, D(filled), D(provisional))
    assert ("o1" in orders.resting) is one.live


def test_terminal_orders_leave_memory_by_number_and_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "KEEP_COUNT", 2)
    orders = Orders()
    for n in range(4):
        one = order(f"o{n}")
        orders.register(one)
        orders.fail(one, None, at_ns=n)
    assert (list(orders.all), orders.evicted) == (["o2", "o3"], 2)
    late = order("late")
    orders.register(late)
    orders.fail(late, None, at_ns=table.KEEP_NS + 3)
    assert list(orders.all) == ["o3", "late"]


def test_a_live_order_never_leaves_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "KEEP_COUNT", 0)
    orders, one = Orders(), order("resting")
    orders.register(one)
    for n in range(3):
        ended = order(f"o{n}")
        orders.register(ended)
        orders.fail(ended, None, at_ns=n)
    assert orders.get("resting") is one
