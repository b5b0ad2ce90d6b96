"""Each trade of a BiFu account counts once: over replays, restarts, forgetting, and lists that know more than rows."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

from exchanges.bifu.counts import BASELINE, PROVISIONAL, Counts
from exchanges.bifu.wire.reply import OrderRow
from exchanges.bifu.wire.stream import FillRow, price_of
from exchanges.types import Fill, FillKind, Liquidity, OrderState, Side

D = Decimal
T = 1_700_000_000_000
HOUR = 3_600_000


def row(trade: str = "t1", qty: str = "1", *, order: str = "o1", at_ms: int = T) -> FillRow:
    return FillRow(
        "acc", "90000005", order, trade, Side.BUY, D(qty), D(qty) * 10, D(0), Liquidity.MAKER, False, FillKind.TRADE,
        at_ms,
    )  # fmt: skip


def listed(cum: str, *, order: str = "o1", created_ms: int = T - 1, at_ms: int = T) -> OrderRow:
    return OrderRow(
        "acc", "90000005", order, "", Side.BUY, D(100), D(10), OrderState.OPEN, D(cum), D(cum) * 10, D(0), True,
        created_ms, at_ms,
    )  # fmt: skip


def told(trade: str, qty: str, *, order: str = "o1", at_ms: int = T) -> Fill:
    return Fill(
        "bifu", "a", "BNB-USDT", "", order, trade, Side.BUY, D(qty), D(10), D(0), "USDT", Liquidity.MAKER, at_ms, 0
    )


def missed(counts: Counts, order: OrderRow) -> Decimal:
    found = counts.missed(order)
    return D(0) if found is None else found.qty


def test_a_replay_is_none_and_the_same_trade_of_another_order_is_news() -> None:
    counts = Counts()
    assert [counts.take_row(it) for it in (row(), row(), row(order="o2"), row("t2"))] == [1, None, 1, 1]
    assert counts.size == 3


def test_what_the_journal_knows_is_a_replay_after_a_restart() -> None:
    counts = Counts([told("t1", "1")])
    assert [counts.take_row(it) for it in (row("t1"), row("t2"))] == [None, 1]
    assert missed(counts, listed("2")) == 0


def test_a_provisional_fill_is_explained_by_later_rows_and_never_added_to() -> None:
    counts = Counts()
    assert counts.take_row(row("t1")) == 1
    assert missed(counts, listed("3", at_ms=T + 5)) == 2
    counts.take(told(f"{PROVISIONAL}3", "2", at_ms=T + 5))
    assert missed(counts, listed("3", at_ms=T + 5)) == 0
    assert [counts.take_row(row(it, at_ms=T + 4)) for it in ("t2", "t3", "t3")] == [0, 0, None]
    assert counts.take_row(row("t4", "0.5", at_ms=T + 4)) == D("0.5")  # more than the list knew


def test_a_row_is_never_told_beside_a_provisional_that_may_stand_for_it_and_the_list_says_what_it_was() -> None:
    counts = Counts([told(f"{PROVISIONAL}2", "2", at_ms=T)])  # which rows explained it, a restart has forgotten
    assert counts.take_row(row("t9", "1", at_ms=T + 1)) == 0
    assert missed(counts, listed("2", at_ms=T + 1)) == 0  # it was part of it
    assert missed(counts, listed("3", at_ms=T + 1)) == 1  # it was not


def test_a_row_between_start_and_first_reading_is_told_and_not_counted_twice() -> None:
    counts = Counts()
    counts.take(told(f"{BASELINE}5", "5", at_ms=T))
    assert counts.take_row(row("t1", "1", at_ms=T)) == 1
    assert missed(counts, listed("5")) == 0
    assert missed(counts, listed("5.5")) == D("0.5")
    journal = [told("t1", "1"), told(f"{BASELINE}5", "5")]
    for known in (journal, journal[::-1]):  # in whatever order it tells them
        assert missed(Counts(known), listed("5.5")) == D("0.5")


def test_a_row_before_the_first_reading_is_told_once() -> None:
    """The reading has it in, and what it leaves to the time before us is the rest."""
    counts = Counts()
    assert counts.take_row(row("t1", "2", at_ms=T)) == 2
    assert missed(counts, listed("7", at_ms=T)) == 5
    counts.take(told(f"{BASELINE}7", "5", at_ms=T))
    assert missed(counts, listed("7", at_ms=T)) == 0
    assert counts.take_row(row("t2", "1", at_ms=T - 5)) == 1  # it was on its way, and no fill from before us either
    assert missed(counts, listed("7", at_ms=T)) == 0
    journal = [told("t1", "2"), told(f"{BASELINE}7", "5"), told("t2", "1", at_ms=T - 5)]
    for known in (journal, journal[::-1]):
        assert missed(Counts(known), listed("7", at_ms=T)) == 0


def test_rows_that_came_since_hide_nothing_that_was_missed() -> None:
    """An order goes on filling while its list is on the way, and for ever."""
    counts = Counts()
    assert counts.take_row(row("t1", "1", at_ms=T)) == 1
    counts.asking()
    assert counts.take_row(row("t3", "4", at_ms=T + 500)) == 4
    assert missed(counts, listed("3", at_ms=T + 100)) == 2
    counts.take(told(f"{PROVISIONAL}3", "2", at_ms=T + 100))
    assert missed(counts, listed("7", at_ms=T + 500)) == 0
    assert counts.take_row(row("t2", "2", at_ms=T + 100)) == 0


def test_a_row_that_came_before_the_list_was_asked_for_is_in_it_whatever_the_venue_s_clocks_say() -> None:
    """Its list said it had changed before its own fill was made: the fill was told twice, and hedged twice."""
    counts = Counts()
    assert counts.take_row(row("t1", "1", at_ms=T + 500)) == 1
    counts.asking()
    assert missed(counts, listed("1", at_ms=T)) == 0
    counts.asked()
    assert missed(counts, listed("1", at_ms=T)) == 0


def test_memory_is_swept_and_a_replay_is_looked_up_not_told_again() -> None:
    journal = [told("t1", "1")]
    asked: list[str] = []

    def recall(order_id: str) -> list[Fill]:
        asked.append(order_id)
        return [it for it in journal if it.order_id == order_id]

    counts = Counts(recall=recall, keep_ms=2 * HOUR)
    assert counts.take_row(row("t1")) == 1
    counts.sweep(T + 2 * HOUR - 1)
    assert counts.size == 1
    counts.sweep(T + 2 * HOUR)
    assert (counts.size, asked) == (0, [])
    assert counts.take_row(row("t1")) is None
    assert missed(counts, listed("1.5", created_ms=T - 9)) == D("0.5")
    assert asked == ["o1"]  # once for an order, and never for a fill of today
    assert counts.take_row(row("new", order="o2", at_ms=T + 3 * HOUR)) == 1
    assert asked == ["o1"]
    assert counts.take_row(row("late", order="o3", at_ms=T - 5)) == 1  # old, and never told
    assert asked == ["o1", "o3"]
    assert counts.size == 3  # t1 as the journal told it, new and late; each once
    counts.take(told("t1", "1"))
    assert counts.size == 3


def test_more_trades_than_there_is_room_for_leave_the_oldest_to_the_journal() -> None:
    journal = [told(f"t{number}", "1", order=f"o{number // 2}", at_ms=T + number * HOUR) for number in range(40)]
    asked: list[str] = []

    def recall(order_id: str) -> list[Fill]:
        asked.append(order_id)
        return [it for it in journal if it.order_id == order_id]

    counts = Counts(recall=recall, most=70)
    for number in range(40):
        assert counts.take_row(row(f"t{number}", order=f"o{number // 2}", at_ms=T + number * HOUR)) == 1
        if counts.crowded:
            counts.make_room(T + number * HOUR)
        assert counts.places <= 70
    assert counts.take_row(row("t39", order="o19", at_ms=T + 39 * HOUR)) is None
    assert not asked  # a fill of today is looked up nowhere
    assert counts.take_row(row("t0", order="o0", at_ms=T)) is None  # forgotten, and known all the same
    assert asked == ["o0"]


def test_an_order_that_goes_on_filling_stays_while_there_is_no_room() -> None:
    counts = Counts(
        recall=lambda _: [], most=80
    )  # of a journal that knows nothing: what is forgotten would be told again
    for number in range(40):
        assert counts.take_row(row(f"long{number}", order="long", at_ms=T + number * HOUR)) == 1
        assert counts.take_row(row(f"t{number}", order=f"o{number}", at_ms=T + number * HOUR)) == 1
        if counts.crowded:
            counts.make_room(T + number * HOUR)
        assert counts.places <= 80
    assert counts.take_row(row("long0", order="long", at_ms=T)) is None
    assert missed(counts, listed("40", order="long", at_ms=T + 39 * HOUR)) == 0


@pytest.mark.parametrize("trades", [1, 2, 5, 2_000])
def test_a_place_is_never_more_than_250_bytes(trades: int) -> None:
    """Many orders of one trade each took five times what the bound promised."""
    counts = Counts(recall=lambda _: [])
    tracemalloc.start()
    try:
        for each in range(2_000):
            counts.take_row(row(f"{each:036}", order=f"{10**17 + each // trades}", at_ms=T + each))
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert used < 250 * counts.places


def test_what_the_journal_may_not_have_on_its_disk_yet_is_not_forgotten() -> None:
    """Else its replay would be told again, and its order's list would tell it a second time."""
    counts = Counts(recall=lambda _: (), most=10)
    for number in range(50):
        assert counts.take_row(row(f"t{number}", order=f"o{number}", at_ms=T + number)) == 1
        if counts.crowded:
            counts.make_room(T + number)
    assert counts.size == 50
    assert counts.take_row(row("t0", order="o0", at_ms=T)) is None
    assert missed(counts, listed("1", order="o0")) == 0


def test_without_a_journal_to_ask_nothing_is_forgotten() -> None:
    counts = Counts(keep_ms=1, most=0)
    assert counts.take_row(row("t1")) == 1
    counts.sweep(T + 99 * HOUR)
    assert (counts.size, counts.crowded) == (1, False)
    assert counts.take_row(row("t1")) is None


def test_what_was_missed_has_the_price_of_what_was_missed() -> None:
    counts = Counts()
    counts.take_row(row("t1", "1"))
    found = counts.missed(replace(listed("3"), cum_value=D(34), cum_fee=D("0.3")))
    assert found is not None
    assert (found.qty, price_of(found.value, found.qty), found.fee) == (2, D(12), D("0.3"))


def test_a_list_that_lags_in_value_has_its_average_for_what_was_missed() -> None:
    """S5: quantity counts at once; at a price of nothing the books would show a gain that nobody made."""
    counts = Counts()
    counts.take_row(row("t1", "1"))
    found = counts.missed(replace(listed("3"), cum_value=D(9), cum_fee=D("0.3")))
    assert found is not None
    assert (found.qty, price_of(found.value, found.qty), found.fee) == (2, D(3), D("0.2"))


def test_a_row_that_a_former_run_knew_as_a_sum_is_no_news_though_it_looks_younger() -> None:
    """By another clock of the venue: what explains it lies before what is in memory, and nobody journals such a row."""

    def recall(order_id: str) -> list[Fill]:
        return [told("cum:2", "2", order=order_id, at_ms=T - 51)]

    counts = Counts([told("t9", "1", order="o9", at_ms=T)], known_since_ms=T - 50, recall=recall)
    assert counts.take_row(row("t1", "2", at_ms=T - 40)) == 0
    assert counts.take_row(row("t2", "2", at_ms=T + 1)) == 2


@pytest.mark.parametrize("seed", range(40))
def test_every_fill_counts_once_whatever_is_lost_replayed_reordered_forgotten_or_restarted(seed: int) -> None:
    """A venue of three orders; its stream loses, repeats and delays; now and then its list is compared."""
    chance = Random(seed)
    journal: list[Fill] = []
    filled: dict[str, list[FillRow]] = {f"o{number}": [] for number in range(3)}
    waiting: list[FillRow] = []
    now_ms = T
    counts = Counts(recall=lambda order: [it for it in journal if it.order_id == order], keep_ms=50)

    def tell(order: str, trade: str, qty: Decimal, at_ms: int) -> None:
        journal.append(told(trade, str(qty), order=order, at_ms=at_ms))

    def compare(*, behind: int = 0) -> None:
        """With lists that were made some fills ago."""
        for order, made in filled.items():
            rows = made[: len(made) - behind]
            if not rows:
                continue
            cum, at_ms = sum((it.qty for it in rows), D(0)), rows[-1].at_ms
            found = counts.missed(listed(str(cum), order=order, created_ms=T, at_ms=at_ms))
            if found is not None:
                tell(order, f"{PROVISIONAL}{cum.normalize():f}", found.qty, at_ms)
                counts.take(journal[-1])

    def bound() -> None:
        for order, rows in filled.items():
            assert sum(it.qty for it in journal if it.order_id == order) <= sum(it.qty for it in rows)

    for number in range(300):
        now_ms += chance.randrange(1, 10)
        step = chance.random()
        if step < 0.35:
            order = chance.choice(list(filled))
            it = row(f"t{number}", str(D(chance.randrange(1, 50)) / 10), order=order, at_ms=now_ms)
            filled[order].append(it)
            waiting += [it] * chance.choice((0, 1, 1, 1, 2))
        elif step < 0.8 and waiting:
            it = waiting.pop(chance.randrange(len(waiting)))
            waiting += [it] * (chance.random() < 0.1)  # the venue replays it later
            news = counts.take_row(it)
            if news:
                tell(it.order_id, it.trade_id, news, it.at_ms)
        elif step < 0.9:
            compare(behind=chance.choice((0, 0, 1, 3, 9)))
        elif step < 0.96:
            counts.sweep(now_ms)
        else:
            since_ms = now_ms - 100
            counts = Counts(
                [it for it in journal if it.at_ms > since_ms], known_since_ms=since_ms, keep_ms=50,
                recall=lambda order: [it for it in journal if it.order_id == order],
            )  # fmt: skip
        bound()
    compare()
    for order, rows in filled.items():
        assert sum(it.qty for it in journal if it.order_id == order) == sum(it.qty for it in rows)


def test_what_is_swept_gives_its_memory_back() -> None:
    """At 5,000 fills a second and `keep: 10s`, sixty seconds need no more than twenty."""
    counts, sizes = Counts(recall=lambda _: [], keep_ms=1_000), []
    tracemalloc.start()
    try:
        for second in range(6):
            for number in range(2_000):
                each = 2_000 * second + number
                counts.take_row(row(f"trade-{each:030}", order=f"order-{each // 200:020}", at_ms=T + each // 2))
            counts.sweep(T + (2_000 * second + 1_999) // 2)
            sizes.append((tracemalloc.get_traced_memory()[0], counts.size))
    finally:
        tracemalloc.stop()
    assert sizes[-1][1] == sizes[2][1] == 2_000
    assert sizes[-1][0] < 1.1 * sizes[2][0]
