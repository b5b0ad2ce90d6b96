"""Which fill closed the exposure that another had opened."""

from __future__ import annotations

from decimal import Decimal

from engine.review.cover import pairs
from engine.review.facts import FillRow, Intent

D = Decimal


def fill(seq: int, order: str, change: str, purpose: str | None = "open") -> FillRow:
    qty = abs(D(change))
    return FillRow(
        seq=seq, at_ns=seq * 1_000, account="a", symbol="s", client_id=order, order_id="", trade_id=str(seq), side="",
        qty=qty, change=D(change), price=D(1), fee=D(0), fee_asset="", liquidity="maker", kind="trade",
        provisional=False, purpose=purpose, round=1, cash=D(0), cost=D(0),
    )  # fmt: skip


def hedge(seq: int, order: str, covers: str) -> Intent:
    return Intent(
        seq=seq, kind="place", account="t", symbol="s", client_id=order, at_ns=seq * 1_000, venue="v", round=1,
        leg="hedge", attempt=1, purpose="hedge", side="", tif="ioc", qty=abs(D(covers)), price=None, covers=D(covers),
        post_only=False, reduce_only=False,
    )  # fmt: skip


def paired(fills: list[FillRow], covers: list[Intent]) -> list[tuple[int, int, Decimal]]:
    """(step that opened, step that closed, quantity)."""
    return [(pair.opened.seq, pair.closed.seq, pair.qty) for pair in pairs(fills, covers)]


def test_a_hedge_closes_the_fill_that_it_was_asked_for_although_another_was_open_before() -> None:
    fills = [fill(1, "m", "0.3"), fill(2, "m", "0.2"), fill(3, "h2", "-0.2", "hedge"), fill(4, "h1", "-0.3", "hedge")]
    assert paired(fills, [hedge(1, "h1", "0.3"), hedge(2, "h2", "0.2")]) == [(2, 3, D("0.2")), (1, 4, D("0.3"))]


def test_one_hedge_may_close_parts_of_several_fills_and_one_fill_need_several_hedges() -> None:
    fills = [
        fill(1, "m", "0.05"),
        fill(2, "m", "0.35"),
        fill(3, "h1", "-0.1", "hedge"),
        fill(4, "h1", "-0.2", "hedge"),
        fill(6, "h2", "-0.1", "hedge"),
    ]
    assert paired(fills, [hedge(2, "h1", "0.4"), hedge(5, "h2", "0.1")]) == [
        (1, 3, D("0.05")),
        (2, 3, D("0.05")),
        (2, 4, D("0.2")),
        (2, 6, D("0.1")),
    ]


def test_dust_is_closed_by_the_next_fill_of_the_other_side() -> None:
    fills = [fill(1, "m", "0.01"), fill(2, "m", "-0.5"), fill(3, "h", "0.49", "hedge")]
    assert paired(fills, [hedge(2, "h", "-0.49")]) == [(1, 2, D("0.01")), (2, 3, D("0.49"))]


def test_what_an_order_was_asked_to_close_is_not_closed_by_a_fill_that_comes_by() -> None:
    """The rule counts what is in flight: the other fill has a hedge of its own."""
    fills = [fill(1, "m", "1"), fill(2, "m", "-1"), fill(3, "h1", "-1", "hedge"), fill(4, "h2", "1", "hedge")]
    assert paired(fills, [hedge(1, "h1", "1"), hedge(2, "h2", "-1")]) == [(1, 3, D(1)), (2, 4, D(1))]


def test_what_an_order_has_closed_is_no_longer_kept_for_it() -> None:
    fills = [fill(1, "m", "1"), fill(2, "h", "-0.3", "hedge"), fill(3, "h", "-0.3", "hedge"), fill(4, "m", "-0.4")]
    assert paired(fills, [hedge(1, "h", "0.6")]) == [(1, 2, D("0.3")), (1, 3, D("0.3")), (1, 4, D("0.4"))]


def test_halves_of_a_flattening_close_each_other() -> None:
    assert paired([fill(1, "f1", "-2", "flatten"), fill(2, "f2", "2", "flatten")], []) == [(1, 2, D(2))]


def test_a_hedge_that_fills_more_than_is_open_opens_what_is_too_much() -> None:
    fills = [fill(1, "m", "1"), fill(2, "h", "-3", "hedge"), fill(3, "g", "2", "hedge")]
    assert paired(fills, [hedge(1, "h", "1"), hedge(2, "g", "-2")]) == [(1, 2, D(1)), (2, 3, D(2))]


def test_a_pair_knows_how_long_it_stood_open() -> None:
    (pair,) = pairs([fill(1, "m", "1"), fill(4, "h", "-1", "hedge")], [hedge(1, "h", "1")])
    assert pair.open_ns == 3_000


def test_a_row_that_was_told_before_closes_nothing() -> None:
    assert paired([fill(1, "m", "1"), fill(2, "m", "0"), fill(3, "h", "-1", "hedge")], [hedge(1, "h", "1")]) == [
        (1, 3, D(1))
    ]
