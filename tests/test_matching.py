"""Tables of the matching engine: own orders against outside liquidity and against each other, in ticks and lots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import count

import pytest

from exchanges.matching import Book, BookOrder, Depth, Outcome
from exchanges.synthetic import demo_instrument
from exchanges.types import Instrument, MarketKind, OrderState, Refusal, Refused, SelfTrade, Side

BUY, SELL = Side.BUY, Side.SELL
SPEC = replace(
    demo_instrument("paper-a"), tick=Decimal(1), lot=Decimal(1), min_qty=Decimal(2), min_notional=Decimal(50)
)


def make_book(*, spec: Instrument = SPEC, depth: Depth | None = None) -> Book:
    """A book quoted 100 (10 lots) to 101 (20 lots)."""
    book = Book(spec, next_trade_id=count(1).__next__, depth=depth)
    book.apply_quote(100, 10, 101, 20)
    return book


def make_order(client_id: str, side: Side, ticks: int | None, lots: int, **more: object) -> BookOrder:
    fields: dict[str, object] = {"account": "m", "owner": more.get("account", "m"), "ioc": ticks is None, **more}
    account = fields.pop("account")
    return BookOrder(account, client_id, f"o-{client_id}", side, ticks, lots, **fields)  # type: ignore[arg-type]


def told(outcome: Outcome) -> tuple[Sequence[tuple[object, ...]], Sequence[tuple[object, ...]]]:
    """Executions and end states as plain rows."""
    executions = [
        (done.order.client_id, done.ticks, done.lots, done.trade_id, "maker" if done.maker else "taker")
        for done in outcome.executions
    ]
    changed = [(order.client_id, order.state.value, order.cum, order.lots) for order in outcome.changed]
    return executions, changed


def resting(book: Book) -> list[tuple[str, int | None, int, int]]:
    return [(order.client_id, order.ticks, order.leaves, order.ahead) for order in book.open_orders()]


@pytest.mark.parametrize(
    ("because", "order", "executions", "changed"),
    [
        ("a limit inside the spread's own side rests", make_order("a", BUY, 100, 5), [], [("a", "open", 0, 5)]),
        (
            "a crossing limit takes the best, then rests",
            make_order("a", BUY, 101, 25),
            [("a", 101, 20, 1, "taker")],
            [("a", "partially_filled", 20, 25)],
        ),
        (
            "IOC cancels what is left",
            make_order("a", BUY, 101, 25, ioc=True),
            [("a", 101, 20, 1, "taker")],
            [("a", "canceled", 20, 25)],
        ),
        ("IOC that reaches nothing ends empty", make_order("a", BUY, 99, 5, ioc=True), [], [("a", "canceled", 0, 5)]),
        (
            "a market order walks the modelled depth, paying slippage",
            make_order("a", BUY, None, 90),
            [("a", 101, 20, 1, "taker"), ("a", 103, 40, 2, "taker"), ("a", 105, 30, 3, "taker")],
            [("a", "filled", 90, 90)],
        ),
        (
            "behind the last modelled level there is nothing",
            make_order("a", SELL, None, 60),
            [("a", 100, 10, 1, "taker"), ("a", 98, 20, 2, "taker"), ("a", 96, 20, 3, "taker")],
            [("a", "canceled", 50, 60)],
        ),
    ],
)
def test_place(
    because: str, order: BookOrder, executions: list[tuple[object, ...]], changed: list[tuple[object, ...]]
) -> None:
    book = make_book(depth=Depth(step_ticks=2, growth=2, levels=2))
    assert told(book.place(order)) == (executions, changed), because


SPOT = replace(SPEC, kind=MarketKind.SPOT)
CAPPED = replace(SPEC, max_qty=Decimal(50))


@pytest.mark.parametrize(
    ("because", "spec", "order", "refused"),
    [
        ("fits", SPEC, make_order("a", BUY, 100, 2), None),
        ("below the minimum", SPEC, make_order("a", BUY, 100, 1), (Refusal.SIZE, "quantity 1 is below the minimum 2")),
        (
            "above the maximum",
            CAPPED,
            make_order("a", BUY, 99, 51),
            (Refusal.SIZE, "quantity 51 is above the maximum 50"),
        ),
        ("small notional", SPEC, make_order("a", BUY, 20, 2), (Refusal.SIZE, "notional 40 is below the minimum 50")),
        ("no price", SPEC, make_order("a", BUY, 0, 2), (Refusal.PRICE, "price 0 is not positive")),
        (
            "post-only at the outside offer",
            SPEC,
            make_order("a", BUY, 101, 2, post_only=True),
            (Refusal.POST_ONLY, "post-only order would have taken liquidity"),
        ),
        (
            "post-only at an own order of another account",
            SPEC,
            make_order("a", SELL, 100, 2, post_only=True, account="t"),
            (Refusal.POST_ONLY, "post-only order would have taken liquidity"),
        ),
        ("post-only at its own side's best", SPEC, make_order("a", BUY, 100, 2, post_only=True), None),
        (
            "post-only market order",
            SPEC,
            make_order("a", BUY, None, 2, post_only=True),
            (Refusal.UNSUPPORTED, "post-only needs a good-till-cancel limit order"),
        ),
        (
            "reduce-only while flat",
            SPEC,
            make_order("a", BUY, None, 2, reduce_only=True),
            (Refusal.REDUCE_ONLY, "there is no position that this order would reduce"),
        ),
        (
            "reduce-only on spot",
            SPOT,
            make_order("a", BUY, None, 2, reduce_only=True),
            (Refusal.UNSUPPORTED, "reduce-only is unknown on a spot market"),
        ),
    ],
)
def test_refuse(because: str, spec: Instrument, order: BookOrder, refused: tuple[Refusal, str] | None) -> None:
    book = make_book(spec=spec)
    if refused is not None and order.account == "t":
        book.apply_quote(99, 10, 101, 20)
    book.place(make_order("own", BUY, 100, 5, account="other"))
    assert book.refuse(order) == (None if refused is None else Refused(*refused)), because


def test_reduce_only_is_clipped_to_the_position() -> None:
    book = make_book()
    book.place(make_order("open", BUY, None, 6))
    close = make_order("close", SELL, None, 9, reduce_only=True)
    assert book.refuse(close) is None
    assert told(book.place(close)) == ([("close", 100, 6, 2, "taker")], [("close", "filled", 6, 6)])
    assert book.positions == {"m": 0}


def test_reduce_only_below_the_minimum_position_still_closes() -> None:
    book = make_book()
    book.positions["m"] = 1
    close = make_order("close", SELL, None, 2, reduce_only=True)
    assert book.refuse(close) is None
    assert told(book.place(close)) == ([("close", 100, 1, 1, "taker")], [("close", "filled", 1, 1)])


def test_resting_reduce_only_shrinks_and_ends_with_the_position() -> None:
    book = make_book()
    book.positions["m"] = 8
    book.place(make_order("close", SELL, 102, 8, reduce_only=True))
    assert told(book.place(make_order("sold", SELL, None, 3))) == (
        [("sold", 100, 3, 1, "taker")],
        [("sold", "filled", 3, 3), ("close", "open", 0, 5)],
    )
    outcome = book.place(make_order("rest", SELL, None, 5))
    assert told(outcome) == (
        [("rest", 100, 5, 2, "taker")],
        [("rest", "filled", 5, 5), ("close", "canceled", 0, 5)],
    )
    assert outcome.changed[1].refusal is Refusal.REDUCE_ONLY
    assert resting(book) == []


@pytest.mark.parametrize(
    ("because", "ticks", "ahead"),
    [
        ("joins the best: all that is shown is ahead", 100, 10),
        ("a new level inside the spread is alone", 102, 0),
        ("behind the best the model's size is ahead", 98, 30),
        ("between modelled levels nothing is ahead", 99, 0),
    ],
)
def test_queue_on_joining(because: str, ticks: int, ahead: int) -> None:
    book = Book(SPEC, next_trade_id=count(1).__next__, depth=Depth(step_ticks=2, growth=3))
    book.apply_quote(100, 10, 105, 20)
    book.place(make_order("a", BUY, ticks, 5))
    assert resting(book) == [("a", ticks, 5, ahead)], because


def test_trades_eat_the_queue_then_fill_partly_then_fully() -> None:
    book = make_book()
    book.place(make_order("a", BUY, 100, 5))
    assert told(book.apply_trade(SELL, 100, 7)) == ([], [])
    assert resting(book) == [("a", 100, 5, 3)]
    assert told(book.apply_trade(SELL, 100, 5)) == ([("a", 100, 2, 1, "maker")], [("a", "partially_filled", 2, 5)])
    assert told(book.apply_trade(BUY, 101, 50)) == ([], []), "a buy lifts the offer, not us"
    assert told(book.apply_trade(SELL, 100, 9)) == ([("a", 100, 3, 2, "maker")], [("a", "filled", 5, 5)])


def test_a_trade_through_our_price_fills_up_to_its_size_by_price_then_time() -> None:
    book = make_book()
    for client_id, ticks in (("late", 99), ("first", 100), ("second", 100)):
        book.place(make_order(client_id, BUY, ticks, 5))
    assert told(book.apply_trade(SELL, 98, 12)) == (
        [("first", 100, 5, 1, "maker"), ("second", 100, 5, 2, "maker"), ("late", 99, 2, 3, "maker")],
        [("first", "filled", 5, 5), ("second", "filled", 5, 5), ("late", "partially_filled", 2, 5)],
    )


def test_a_quote_that_reaches_our_price_fills_up_to_its_size_once() -> None:
    book = make_book()
    book.place(make_order("a", BUY, 100, 5))
    assert told(book.apply_quote(98, 10, 99, 3)) == ([("a", 100, 3, 1, "maker")], [("a", "partially_filled", 3, 5)])
    assert told(book.apply_quote(97, 10, 99, 3)) == ([], []), "the same offer was taken already"
    assert told(book.apply_quote(97, 10, 99, 4)) == ([("a", 100, 2, 2, "maker")], [("a", "filled", 5, 5)])


def test_shown_size_bounds_the_queue_ahead() -> None:
    book = make_book()
    book.place(make_order("a", BUY, 100, 5))
    seen = []
    for bid, lots in ((100, 12), (100, 4), (101, 9), (100, 8), (99, 9), (100, 7)):
        book.apply_quote(bid, lots, 105, 20)
        seen.append(resting(book)[0][3])
    assert seen == [10, 4, 4, 4, 0, 0]


def test_own_taking_is_gone_until_that_side_is_shown_anew() -> None:
    book = make_book()
    take = [make_order(str(number), BUY, None, 15) for number in range(4)]
    assert told(book.place(take[0]))[0] == [("0", 101, 15, 1, "taker")]
    book.apply_quote(100, 11, 101, 20)
    assert told(book.place(take[1]))[0] == [("1", 101, 5, 2, "taker"), ("1", 102, 10, 3, "taker")]
    assert told(book.place(take[2]))[0] == [("2", 102, 10, 4, "taker"), ("2", 103, 5, 5, "taker")]
    book.apply_quote(100, 11, 101, 21)
    assert told(book.place(take[3]))[0] == [("3", 101, 15, 6, "taker")]


def test_own_orders_match_each_other_with_one_trade_id_in_queue_order() -> None:
    """S8: the taker's market order walks into our maker's remainder, behind the outside size that came first."""
    book = make_book()
    book.place(make_order("maker", BUY, 100, 5))
    outcome = book.place(make_order("hedge", SELL, None, 18, account="t", self_trade=SelfTrade.CANCEL_TAKER))
    assert told(outcome) == (
        [
            ("hedge", 100, 10, 1, "taker"),
            ("maker", 100, 5, 2, "maker"),
            ("hedge", 100, 5, 2, "taker"),
            ("hedge", 99, 3, 3, "taker"),
        ],
        [("hedge", "filled", 18, 18), ("maker", "filled", 5, 5)],
    )
    assert book.positions == {"m": 5, "t": -18}


def test_own_order_inside_the_spread_is_hit_before_outside_size() -> None:
    book = make_book()
    book.apply_quote(100, 10, 104, 20)
    book.place(make_order("maker", BUY, 102, 5))
    assert told(book.place(make_order("hedge", SELL, 101, 8, account="t", ioc=True))) == (
        [("maker", 102, 5, 1, "maker"), ("hedge", 102, 5, 1, "taker")],
        [("hedge", "canceled", 5, 8), ("maker", "filled", 5, 5)],
    )


@pytest.mark.parametrize(
    ("mode", "owner", "executions", "changed"),
    [
        (SelfTrade.CANCEL_TAKER, "m", [], [("new", "canceled", 0, 8)]),
        (
            SelfTrade.CANCEL_MAKER,
            "m",
            [("new", 100, 8, 1, "taker")],
            [("new", "filled", 8, 8), ("old", "canceled", 0, 5)],
        ),
        (SelfTrade.CANCEL_BOTH, "m", [], [("new", "canceled", 0, 8), ("old", "canceled", 0, 5)]),
        (
            SelfTrade.NONE,
            "m",
            [("old", 102, 5, 1, "maker"), ("new", 102, 5, 1, "taker"), ("new", 100, 3, 2, "taker")],
            [("new", "filled", 8, 8), ("old", "filled", 5, 5)],
        ),
        (
            SelfTrade.CANCEL_BOTH,
            "other",
            [("old", 102, 5, 1, "maker"), ("new", 102, 5, 1, "taker"), ("new", 100, 3, 2, "taker")],
            [("new", "filled", 8, 8), ("old", "filled", 5, 5)],
        ),
    ],
)
def test_self_trade_prevention_between_accounts_of_one_owner(
    mode: SelfTrade, owner: str, executions: list[tuple[object, ...]], changed: list[tuple[object, ...]]
) -> None:
    book = make_book()
    book.apply_quote(100, 10, 104, 20)
    book.place(make_order("old", BUY, 102, 5, owner="m"))
    outcome = book.place(make_order("new", SELL, None, 8, account="t", owner=owner, self_trade=mode))
    assert told(outcome) == (executions, changed)
    prevented = [order.client_id for order in outcome.changed if order.refusal is Refusal.SELF_TRADE]
    assert prevented == [row[0] for row in changed if row[1] == "canceled"]


def test_cancel_is_final_and_repeatable() -> None:
    book = make_book()
    order = make_order("a", BUY, 100, 5)
    book.place(order)
    assert told(book.cancel(order)) == ([], [("a", "canceled", 0, 5)])
    assert told(book.cancel(order)) == ([], [])
    assert told(book.apply_trade(SELL, 90, 500)) == ([], [])


@pytest.mark.parametrize(
    ("because", "ticks", "lots", "after"),
    [
        ("a smaller order keeps its place", 100, 4, [("a", 100, 4, 3), ("b", 100, 5, 3)]),
        ("a larger order goes to the back", 100, 6, [("b", 100, 5, 3), ("a", 100, 6, 9)]),
        ("a new price is a new place", 99, 5, [("b", 100, 5, 3), ("a", 99, 5, 9)]),
    ],
)
def test_modify(because: str, ticks: int, lots: int, after: list[tuple[object, ...]]) -> None:
    book = make_book()
    order = make_order("a", BUY, 100, 5)
    book.place(order)
    book.place(make_order("b", BUY, 100, 5))
    book.apply_trade(SELL, 100, 7)
    book.apply_quote(100, 9, 101, 20)
    outcome = book.modify(order, ticks=ticks, lots=lots)
    assert told(outcome) == ([], [("a", "open", 0, lots)])
    assert resting(book) == after, because


def test_modify_to_a_crossing_price_takes() -> None:
    book = make_book()
    order = make_order("a", BUY, 100, 5)
    book.place(order)
    assert told(book.modify(order, ticks=101, lots=5)) == ([("a", 101, 5, 1, "taker")], [("a", "filled", 5, 5)])
    assert resting(book) == []


def test_close_cancels_everything_and_forgets_the_market() -> None:
    book = make_book()
    orders = [make_order("a", BUY, 100, 5), make_order("b", SELL, 101, 5)]
    for order in orders:
        book.place(order)
    assert told(book.close()) == ([], [("a", "canceled", 0, 5), ("b", "canceled", 0, 5)])
    assert (book.quoted, book.positions, resting(book)) == (False, {}, [])
    assert [order.state for order in orders] == [OrderState.CANCELED] * 2


def test_a_depth_without_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="step_ticks must be at least 1"):
        Depth(step_ticks=0)


def test_a_new_order_queues_behind_what_our_own_taking_left() -> None:
    book = make_book()
    book.place(make_order("sold", SELL, None, 4))
    book.place(make_order("joins", BUY, 100, 5, account="t"))
    assert resting(book) == [("joins", 100, 5, 6)]
    book.place(make_order("through", SELL, None, 13))
    book.place(make_order("behind", BUY, 99, 5, account="t"))
    assert resting(book) == [("behind", 99, 5, 8)], "6 outside and 5 of ours at 100, then 2 of the 10 at 99"


def test_outside_size_that_joined_after_us_trades_after_us() -> None:
    book = make_book()
    book.place(make_order("maker", BUY, 100, 5))
    book.apply_quote(100, 30, 101, 20)
    assert told(book.place(make_order("first", SELL, None, 4, account="t")))[0] == [("first", 100, 4, 1, "taker")]
    assert resting(book) == [("maker", 100, 5, 6)]
    assert told(book.place(make_order("second", SELL, None, 14, account="t")))[0] == [
        ("second", 100, 6, 2, "taker"),
        ("maker", 100, 5, 3, "maker"),
        ("second", 100, 5, 3, "taker"),
        ("second", 100, 3, 4, "taker"),
    ]


def test_a_crossing_quote_fills_no_more_than_its_size_over_several_orders() -> None:
    book = make_book()
    for client_id in ("first", "second"):
        book.place(make_order(client_id, BUY, 100, 5))
    assert told(book.apply_quote(98, 10, 99, 5)) == ([("first", 100, 5, 1, "maker")], [("first", "filled", 5, 5)])


def test_two_resting_reduce_only_orders_never_close_more_than_the_position() -> None:
    for hit in ("trade", "own taker"):
        book = make_book()
        book.positions["m"] = 7
        for client_id, ticks in (("first", 102), ("second", 103)):
            book.place(make_order(client_id, SELL, ticks, 7 if client_id == "first" else 5, reduce_only=True))
        first, second = book.open_orders()
        first.lots = 4
        if hit == "trade":
            outcome = book.apply_trade(BUY, 104, 90)
        else:
            book.apply_quote(100, 10, 110, 20)
            outcome = book.place(make_order("buy", BUY, 104, 90, ioc=True, account="t"))
        assert [(done.order.client_id, done.lots) for done in outcome.executions if done.maker] == [
            ("first", 4), ("second", 3),
        ], hit  # fmt: skip
        assert (book.positions["m"], second.state, second.refusal) == (0, OrderState.CANCELED, Refusal.REDUCE_ONLY)


def test_post_only_needs_an_order_that_can_rest() -> None:
    order = make_order("a", BUY, 99, 5, post_only=True, ioc=True)
    assert make_book().refuse(order) == Refused(Refusal.UNSUPPORTED, "post-only needs a good-till-cancel limit order")
