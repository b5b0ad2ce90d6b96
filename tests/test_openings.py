"""What keeps an opening from being made: each reason alone, in its words, and the last value that is still allowed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from trading_kit import LIMITS, Bench, D

from exchanges.types import Margin

BOOK_OF_MAKER = ("a", "ETHUSDT")


def why(bench: Bench) -> str:
    return bench.desk.view.closed_because()


def opened_nothing(bench: Bench) -> bool:
    return bench.orders == {}


@pytest.mark.parametrize(
    ("limit", "refused", "allowed", "words"),
    [
        ("max_order", "0.9", "1.0", "quantity 1.0 is above max_order 0.9"),
        ("max_position", "0.9", "1.0", "an account that holds 0 would come above max_position 0.9"),
        ("max_gross", "1.9", "2.0", "accounts that hold 0 would come above max_gross 1.9"),
        # bought at 100.0, sold at 100.1 on the maker, the hedge's spread of 0.1 paid once, no fees: nothing
        ("max_round_cost_bps", "-0.01", "0", "expected round cost 0.00 bps is above max_round_cost -0.01 bps"),
    ],
)  # fmt: skip
def test_a_limit_that_a_round_would_break(limit: str, refused: str, allowed: str, words: str) -> None:
    """S9: per account and gross; S10: what a round is expected to cost; E15."""
    below = Bench(limits=replace(LIMITS, **{limit: D(refused)}))
    below.begin()
    assert (why(below), opened_nothing(below)) == (words, True)
    at = Bench(limits=replace(LIMITS, **{limit: D(allowed)}))
    at.begin()
    assert (why(at), opened_nothing(at)) == ("", False)


def test_what_is_held_counts_against_the_limits_of_accounts() -> None:
    bench = Bench(limits=replace(LIMITS, max_position=D("1.5"), max_gross=D("4.5")))
    bench.begin()
    books = bench.desk.world.ledger.books
    books["t1"].position, books["t2"].position = D(-1), D(1)
    assert why(bench) == "an account that holds 1 would come above max_position 1.5"
    bench.desk.world.swap(replace(bench.plan, limits=replace(bench.plan.limits, max_position=D(2), max_gross=D("3.9"))))
    assert why(bench) == "accounts that hold 2 would come above max_gross 3.9"


def test_a_cost_that_cannot_be_computed_is_not_below_its_limit() -> None:
    bench = Bench(limits=replace(LIMITS, max_round_cost_bps=D(1_000)))
    bench.begin()
    del bench.desk.books[BOOK_OF_MAKER]
    assert why(bench) == "no book to price the round from"


@pytest.mark.parametrize(
    ("free", "in_words"),
    [
        ({"t2": "11.99"}, "t2: free margin 11.99 is too little"),
        ({"t1": "11.99", "t2": "11.99"}, "t1: free margin 11.99 is too little; t2: free margin 11.99 is too little"),
        ({"t1": "12", "t2": "12"}, ""),  # 1.0 at 100 with an initial margin of a tenth and a buffer of 1.2
    ],
)
def test_two_takers_must_have_margin_for_the_full_size_with_a_buffer(free: dict[str, str], in_words: str) -> None:
    """S12: the one that is left could not take a hedge that the other refuses."""
    bench = Bench()
    bench.begin()
    for name, amount in free.items():
        bench.give(Margin(name, D(1_000), Decimal(amount), D(0)))
    assert why(bench) == (f"not enough takers for the full size: {in_words}" if in_words else "")
    assert bench.desk.view.may_rest is not bool(in_words)
