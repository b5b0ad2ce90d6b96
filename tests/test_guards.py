"""Market guards (E14, E16): every fault closes, every fault has its way back, and only changes are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.trading.guards import MarketWatch
from engine.trading.inputs import MarketSeen
from engine.trading.plan import Guards
from exchanges.types import Quote

MS = 1_000_000
MAKER, HEDGE, OTHER = ("paper-a", "ETHUSDT"), ("paper-b", "ETHUSDT"), ("paper-c", "ETH-PERP")
GUARDS = Guards(
    max_book_age_ns=2_000 * MS, volatility_window_ns=1_000 * MS, volatility_bps=Decimal(30),
    volatility_calm_ns=3_000 * MS, thin_depth_factor=Decimal(2), thin_pause_factor=3, spread_bps=Decimal(20),
    spread_normal_quotes=3, basis_bps=Decimal(50),
)  # fmt: skip
OPEN = MarketSeen(open=True, reason="", text="")


def quote(at_ms: int, book: tuple[str, str] = MAKER, bid: str = "99.95", ask: str = "100.05", qty: str = "5") -> Quote:
    depth = Decimal(qty)
    return Quote(*book, Decimal(bid), depth, Decimal(ask), depth, at_ms * MS)


def closed(reason: str, text: str) -> MarketSeen:
    return MarketSeen(open=False, reason=reason, text=text)


def opened(guards: Guards = GUARDS, hedges: Sequence[tuple[str, str]] = (HEDGE,)) -> MarketWatch:
    """A watch that saw one good quote of every book at 0 ms."""
    watch = MarketWatch(guards, MAKER, hedges=hedges, quantity=Decimal(1))
    for book in (MAKER, *hedges):
        watch.quote(quote(0, book))
    assert watch.verdict == OPEN
    return watch


def told(watch: MarketWatch, quotes: Sequence[Quote]) -> list[MarketSeen | None]:
    return [watch.quote(seen) for seen in quotes]


def test_closed_until_maker_and_one_hedge_book_were_seen() -> None:
    watch = MarketWatch(GUARDS, MAKER, hedges=[HEDGE, OTHER], quantity=Decimal(1))
    first = watch.verdict
    assert (first, watch.due_ns()) == (closed("stale", "no quotes yet"), None)
    assert told(watch, [quote(0), quote(1, OTHER), quote(2, HEDGE)]) == [None, OPEN, None]


def test_a_quote_of_a_book_that_is_not_watched_changes_nothing() -> None:
    watch = opened()
    assert watch.quote(quote(1_000, OTHER, "1", "2")) is None
    assert watch.due_ns() == 2_000 * MS + 1


def test_a_maker_and_taker_on_one_book_need_one_quote() -> None:
    watch = MarketWatch(GUARDS, MAKER, hedges=[MAKER, MAKER], quantity=Decimal(1))
    assert told(watch, [quote(0), quote(1)]) == [OPEN, None]


def test_a_silent_maker_book_is_stale_after_its_age_and_fresh_with_the_next_quote() -> None:
    watch = opened()
    watch.quote(quote(1_500, HEDGE))
    due = watch.due_ns()
    stale = closed("stale", "no fresh quote of paper-a ETHUSDT for 2000 ms")
    assert due == 2_000 * MS + 1
    assert [watch.check(due - 1), watch.check(due), watch.due_ns()] == [None, stale, None]
    assert watch.quote(quote(2_100)) == OPEN


def test_hedge_books_are_stale_only_when_all_of_them_are() -> None:
    watch = opened(hedges=[HEDGE, OTHER])
    told(watch, [quote(1_000, OTHER), quote(1_500)])
    assert watch.due_ns() == 3_000 * MS + 1
    stale = closed("stale", "no fresh quote of paper-b ETHUSDT for 2000 ms")
    assert told(watch, [quote(3_000), quote(3_001)]) == [None, stale]
    assert watch.quote(quote(3_002, HEDGE)) == OPEN


@pytest.mark.parametrize("prices", [("100.05", "100.05"), ("100.10", "100.05"), ("0", "100.05")])
def test_a_crossed_locked_or_empty_maker_book_closes_until_a_sound_quote(prices: tuple[str, str]) -> None:
    watch = opened()
    crossed = closed("crossed", "book of paper-a ETHUSDT is crossed")
    assert told(watch, [quote(1, MAKER, *prices), quote(2)]) == [crossed, OPEN]


def test_a_crossed_hedge_book_closes_only_when_no_other_is_usable() -> None:
    watch = opened(hedges=[HEDGE, OTHER])
    crossed = closed("crossed", "book of paper-b ETHUSDT is crossed")
    quotes = [quote(1, HEDGE, "101", "100"), quote(2, OTHER, "101", "100"), quote(3, OTHER)]
    assert told(watch, quotes) == [None, crossed, OPEN]


def test_a_move_above_the_threshold_inside_the_window_closes_until_it_was_calm() -> None:
    watch = opened()
    volatile = closed("volatile", "mid of paper-a ETHUSDT moved more than 30 bps")
    # 100 -> 100.31 at 500 ms; the 100 was in force until 500 ms, leaves the window after 1500 ms: calm at 4500 ms
    moved = [quote(at, book, "100.26", "100.36") for at in (500, 2_000, 3_500, 4_500) for book in (MAKER, HEDGE)]
    assert told(watch, moved) == [volatile, *[None] * 7]
    assert watch.due_ns() == 4_500 * MS + 1
    assert watch.check(4_500 * MS + 1) == OPEN


def test_a_move_of_exactly_the_threshold_or_spread_over_a_longer_time_is_not_volatile() -> None:
    watch = opened(replace(GUARDS, basis_bps=Decimal(10_000)))
    steps = [quote(500, MAKER, "100.25", "100.35"), quote(1_501, MAKER, "100.55", "100.65")]
    assert told(watch, steps) == [None, None]


def test_a_jump_after_a_silence_longer_than_the_window_is_seen() -> None:
    watch = opened()
    assert watch.quote(quote(1_900, MAKER, "100.35", "100.45")) == closed(
        "volatile", "mid of paper-a ETHUSDT moved more than 30 bps"
    )


def test_a_move_in_the_calm_time_begins_it_anew() -> None:
    guards = replace(GUARDS, max_book_age_ns=60_000 * MS)
    watch = opened(guards)
    watch.quote(quote(500, MAKER, "100.3", "100.4"))
    watch.quote(quote(4_000, MAKER, "99.95", "100.05"))
    assert watch.due_ns() == (4_000 + 1_000 + 3_000) * MS + 1


def test_without_a_calm_time_the_due_time_still_lies_ahead() -> None:
    watch = opened(replace(GUARDS, volatility_calm_ns=0))
    watch.quote(quote(500, MAKER, "100.3", "100.4"))
    due = watch.due_ns()
    assert due == 1_500 * MS + 1
    assert [watch.check(due - 1), watch.check(due)] == [None, OPEN]


def test_a_basis_between_the_venues_closes_until_enough_quotes_in_a_row_agree() -> None:
    watch = opened()
    basis = closed("basis", "mid of paper-a ETHUSDT is more than 50 bps away from the hedge venue")
    away = quote(1, HEDGE, "100.50", "100.60")
    assert told(watch, [away, quote(2, HEDGE), quote(3), quote(4, HEDGE)]) == [basis, None, None, OPEN]
    assert told(watch, [quote(5, HEDGE, "99.40", "99.50"), quote(6, HEDGE), away]) == [basis, None, None]


def test_a_basis_of_exactly_the_threshold_is_allowed() -> None:
    watch = opened()
    assert watch.quote(quote(1, HEDGE, "100.45", "100.55")) is None


def test_a_stale_hedge_book_does_not_count_for_the_basis() -> None:
    watch = opened(hedges=[HEDGE, OTHER])
    away = [quote(1, OTHER, "100.50", "100.60"), quote(1_900), quote(1_900, HEDGE)]
    assert [seen is not None for seen in told(watch, away)] == [True, False, False]
    assert told(watch, [quote(2_002), quote(2_003), quote(2_004)]) == [None, None, OPEN]


def test_a_wide_maker_spread_closes_until_enough_normal_quotes_of_it_in_a_row() -> None:
    watch = opened()
    wide = closed("spread", "spread of paper-a ETHUSDT is above 20 bps")
    quotes = [quote(1, MAKER, "99.89", "100.10"), quote(2), quote(3, HEDGE), quote(4, HEDGE), quote(5), quote(6)]
    assert told(watch, quotes) == [wide, None, None, None, None, OPEN]


def test_a_spread_of_exactly_the_threshold_is_normal_and_a_wide_quote_begins_the_count_anew() -> None:
    watch = opened()
    assert watch.quote(quote(1, MAKER, "99.90", "100.10")) is None
    wide, normal = quote(2, MAKER, "99.80", "100.20"), quote(3)
    told(watch, [wide, normal, normal, wide, normal, normal])
    assert watch.quote(normal) == OPEN


def test_hedge_spreads_close_only_when_every_hedge_book_is_wide() -> None:
    watch = opened(hedges=[HEDGE, OTHER])
    quotes = [quote(1, HEDGE, "99.80", "100.20"), quote(2, OTHER, "99.80", "100.20")]
    assert told(watch, quotes) == [None, closed("spread", "spread of paper-b ETHUSDT is above 20 bps")]


def test_a_thin_hedge_book_stretches_the_pause_and_leaves_the_market_open() -> None:
    watch = opened()
    thin = MarketSeen(
        open=True, reason="thin", text="less than 2 shown on the hedge side: pauses are 3 x longer", pause_factor=3
    )
    normal = [quote(at, HEDGE, qty="2") for at in (2, 3, 4)]
    assert told(watch, [quote(1, HEDGE, qty="1.99"), *normal]) == [thin, None, None, OPEN]


def test_depth_of_the_maker_book_or_of_one_of_two_hedge_books_does_not_make_a_market_thin() -> None:
    watch = opened(hedges=[HEDGE, OTHER])
    assert told(watch, [quote(1, MAKER, qty="0.1"), quote(2, HEDGE, qty="0.1")]) == [None, None]


def test_one_thin_side_is_thin_because_a_round_takes_both() -> None:
    watch = opened()
    seen = watch.quote(replace(quote(1, HEDGE), ask_qty=Decimal(1)))
    assert seen is not None
    assert (seen.open, seen.reason) == (True, "thin")


@pytest.mark.parametrize("guards", [{"pause_above": Decimal("100.1")}, {"pause_below": Decimal("99.9")}])
def test_outside_the_pause_prices_the_market_is_closed_for_as_long_as_it_is(guards: dict[str, Decimal]) -> None:
    watch = opened(replace(GUARDS, **guards))
    shift = Decimal("0.11") if "pause_above" in guards else Decimal("-0.11")
    outside = replace(quote(1), bid=Decimal("99.95") + shift, ask=Decimal("100.05") + shift)
    paused = closed("pause_price", f"mid {100 + shift} of paper-a ETHUSDT is outside the price limits")
    assert told(watch, [outside, quote(2)]) == [paused, OPEN]


@pytest.mark.parametrize("guards", [{"stop_above": Decimal("100.1")}, {"stop_below": Decimal("99.9")}])
def test_outside_the_stop_prices_the_market_is_closed_for_good(guards: dict[str, Decimal]) -> None:
    watch = opened(replace(GUARDS, **guards))
    shift = Decimal("0.11") if "stop_above" in guards else Decimal("-0.11")
    outside = replace(quote(1), bid=Decimal("99.95") + shift, ask=Decimal("100.05") + shift)
    stopped = closed("stop_price", f"mid {100 + shift} of paper-a ETHUSDT is outside the price limits")
    assert told(watch, [outside, quote(2), quote(3, HEDGE)]) == [stopped, None, None]
    assert (watch.check(60_000 * MS), watch.due_ns(), watch.verdict) == (None, None, stopped)


def test_a_crossed_quote_never_triggers_the_stop_price() -> None:
    watch = opened(replace(GUARDS, stop_above=Decimal("100.1")))
    seen = watch.quote(quote(1, MAKER, "200", "150"))
    assert seen == closed("crossed", "book of paper-a ETHUSDT is crossed")


def test_the_gravest_of_several_faults_is_the_reason_and_a_new_reason_is_told() -> None:
    watch = opened()
    both = quote(1, MAKER, "100.2", "100.8")
    reasons = [None if seen is None else seen.reason for seen in told(watch, [quote(0, MAKER, "99.8", "100.2"), both])]
    assert reasons == ["spread", "volatile"]


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(9_960, 10_040)), min_size=1, max_size=60))
@example([(0, 9_990), (0, 9_960), (201, 9_960), (400, 9_960), (400, 9_960)])
def test_the_window_agrees_with_a_look_at_every_price_in_force(moves: list[tuple[int, int]]) -> None:
    guards = replace(GUARDS, volatility_calm_ns=0, max_book_age_ns=10**15, basis_bps=Decimal(10_000))
    watch = MarketWatch(guards, MAKER, hedges=[HEDGE], quantity=Decimal(1))
    watch.quote(quote(0, HEDGE))
    at, history = 0, []
    for wait, cents in moves:
        at += wait
        mid = Decimal(cents) / 100
        watch.quote(quote(at, MAKER, str(mid - Decimal("0.01")), str(mid + Decimal("0.01"))))
        history.append((at, mid))
        ends = [start for start, _ in history[1:]] + [at]  # a price replaced in its own moment ends there
        inside = [price for (_, price), end in zip(history, ends, strict=True) if end >= at - 1_000]
        volatile = max(inside) > min(inside) * (1 + Decimal(30) / 10_000)
        assert (watch.verdict.reason == "volatile") is volatile
