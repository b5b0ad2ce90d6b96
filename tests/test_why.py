"""Why an order was made and what became of it, and how an order is found."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from journal_kit import change
from journalled_bench import JournalledBench
from trading_kit import LIMITS, account

from engine.errors import JournalUnreadable, NotInJournal
from engine.review.reason_text import end_lines, head_text, life_of, reason_lines
from engine.review.story import Line
from engine.review.why import OrderStory, why_order
from engine.review.words import latency_text
from engine.trading.adopted import ADOPTED
from engine.trading.effects import PlaceOrder
from engine.trading.inputs import Looked, NotSent, Request
from exchanges.types import FillKind, OrderState, Refusal

D = Decimal
MS = 1_000_000
RULE = "every fill of opening, closing, cleanup is hedged by random(takers), line N"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "eagle.sqlite"


def opened(path: Path, **options: object) -> JournalledBench:
    bench = JournalledBench(path, **options)  # type: ignore[arg-type]
    bench.begin()
    bench.ack(bench.newest("opening"))
    return bench


def told(bench: JournalledBench, order: str, *, run: int | None = None) -> OrderStory:
    return why_order(bench.path, lambda _row, chance: bench.fresh_desk(chance), order, run=run)


def said(lines: Iterable[Line]) -> list[tuple[str, ...]]:
    """With the numbers of the flow's lines left out."""
    return [
        tuple(re.sub(r"line \d+", "line N", text) for text in (line.word, line.text, *line.detail)) for line in lines
    ]


def life(story: OrderStory) -> list[tuple[int, str, str]]:
    """(ms since the decision, word, text)."""
    start = story.placed.request.at_ns
    return [((moment.at_ns - start) // MS, line.word, line.text) for moment in life_of(story) for line in moment.lines]


def test_a_hedge_goes_back_to_the_fill_the_rule_and_the_draw(path: Path) -> None:
    bench = opened(path)
    bench.fill(bench.newest("opening"), "0.4")
    bench.ack("e1r1lhedgea1")
    bench.fill("e1r1lhedgea1", "0.4")
    bench.end()
    story = told(bench, "e1r1lhedgea1")
    assert head_text(story) == "e1r1lhedgea1: t1 sell 0.4 at market, ETHUSDT on b, hedge of round 1"
    assert said(reason_lines(story, story.placed)) == [
        ("event", "fill: m bought 0.4 ETHUSDT at 100 as maker (trade t1 of e1r1lopeninga1)",
         "step 7, 0.002 s after its round began"),
        ("state", "MAKER_OPENING.resting, for 2.0 ms"),
        ("rule", RULE, "exposure +0.4; t1 drawn from t1, t2"),
        ("order", "t1 sell 0.4 at market, covers +0.4", "book of b 100.0 / 100.1, 7.0 ms old", "worst price 99.5",
         "received at 0.006 s, decided +1.0 ms"),
    ]  # fmt: skip
    assert life(story) == [
        (0, "sent", "the order went out"),
        (1, "answer", "e1r1lhedgea1 accepted as v-e1r1lhedgea1"),
        (2, "fill", "t1 sold 0.4 at 100 as maker, fee 0 USDT (trade t2)"),
    ]
    assert said(end_lines(story)) == [
        ("closes", "0.4 of e1r1lopeninga1 (open, trade t1), after 2.0 ms"),
        ("end", "filled, 0.4 of 0.4 filled at 100 on average, fee 0 USDT"),
    ]


def test_an_order_of_a_leg_goes_back_to_the_rows_and_the_verb(path: Path) -> None:
    bench = JournalledBench(path)
    bench.begin()
    bench.play_round(0)
    bench.end()
    story = told(bench, "v-e1r1lclosinga1")  # by the venue's own id
    assert said(reason_lines(story, story.placed)) == [
        ("event", "timer: hold of HOLDING is over, after 1.757 s", "step 12, 1.763 s after its round began"),
        ("state", "HOLDING, for 1.757 s"),
        ("row", "HOLDING -> MAKER_CLOSING.resting",
         "after hold [may_close and not maker_flat], line N, because E10"),
        ("verb", "rest closing, line N",
         "leg closing, line N: buys: maker_position < 0; quantity: abs(maker_position); offset: settings.tick_offset"),
        ("order", "m sell 1 at 100.3 post-only reduce-only, covers +1", "book of a 100.2 / 100.3, 1.757 s old",
         "decided at 1.768 s"),
    ]  # fmt: skip
    assert said(end_lines(story)) == [
        ("closed", "1 by e1r1lhedgea3 (hedge, trade t6), after 1.0 ms"),
        ("end", "filled, 1 of 1 filled at 100 on average, fee 0 USDT"),
    ]


def test_the_rows_before_the_one_that_asked_are_told_and_those_behind_it_are_not(path: Path) -> None:
    bench = JournalledBench(path)
    bench.begin()
    bench.play_round(0)
    bench.end()
    story = told(bench, "e1r2lopeninga1")
    rows = [line for line in said(reason_lines(story, story.placed)) if line[0] == "row"]
    assert [line[1] for line in rows] == ["TAKER_CLOSING -> IDLE.ready", "IDLE.ready -> MAKER_OPENING.resting"]


def test_rows_that_came_behind_the_one_that_asked_had_no_part_in_it(path: Path) -> None:
    """The round's loss breaks a limit in the very step that opened the next one."""
    bench = JournalledBench(path, limits=replace(LIMITS, max_loss_run=D("0.01")))
    bench.begin()
    bench.play_round(0)
    bench.end()
    assert bench.state.startswith("ERROR")
    story = told(bench, "e1r2lopeninga1")
    rows = [line[1] for line in said(reason_lines(story, story.placed)) if line[0] == "row"]
    assert rows == ["TAKER_CLOSING -> IDLE.ready", "IDLE.ready -> MAKER_OPENING.resting"]


def test_each_of_several_hedges_of_one_step_has_a_choice_of_its_own(path: Path) -> None:
    bench = opened(path, limits=replace(LIMITS, max_order=D(2)))
    bench.give(bench.row("e1r1lopeninga1", "5", client_id="", order_id="liq", kind=FillKind.LIQUIDATION))
    bench.end()
    rules = []
    for order in ("e1r1lhedgea1", "e1r1lhedgea2", "e1r1lhedgea3"):
        story = told(bench, order)
        rules.append(next(line[2] for line in said(reason_lines(story, story.placed)) if line[0] == "rule"))
    assert [rule.partition(";")[0] for rule in rules] == [
        "exposure +5", "exposure +5, in flight -2", "exposure +5, in flight -4",
    ]  # fmt: skip


def test_an_id_that_another_order_has_for_its_trade_is_no_news_of_this_one(path: Path) -> None:
    bench = opened(path)
    bench.fill("e1r1lopeninga1", "0.4")
    bench.fill("e1r1lopeninga1", "0.1", trade="e1r1lhedgea1")
    bench.end()
    assert life(told(bench, "e1r1lhedgea1")) == [(0, "sent", "the order went out")]


def test_an_undo_names_the_rung_and_who_refused(path: Path) -> None:
    bench = opened(path)
    bench.fill(bench.newest("opening"), "1")
    bench.refuse(bench.newest("hedge"), Refusal.MARGIN)
    bench.refuse(bench.newest("hedge"))
    bench.end()
    story = told(bench, "e1r1lhedgea3")
    lines = said(reason_lines(story, story.placed))
    gone = "refused this exposure before"
    assert lines[0][1] == "answer: e1r1lhedgea2 refused (venue): no"
    assert lines[2] == (
        "rule", RULE,
        f"exposure +1; ladder, undo on maker: m, the fill is undone on the maker itself; not t1: {gone}, t2: {gone}",
    )  # fmt: skip
    assert said(end_lines(story)) == [("end", "pending, 0 of 1 filled; the journal knows no end of it")]


def test_a_cancel_has_reasons_of_its_own(path: Path) -> None:
    bench = opened(path)
    bench.fire("order_timeout")
    bench.give(Looked("e1r1lopeninga1", _token(bench), ok=True, update=bench.told("e1r1lopeninga1", OrderState.OPEN)))
    bench.give(NotSent("e1r1lopeninga1", Request.CANCEL, "stale"))
    bench.end()
    story = told(bench, "e1r1lopeninga1")
    (cancel,) = story.cancels
    assert said(reason_lines(story, cancel)) == [
        ("event", "found: m e1r1lopeninga1 is open, filled 0 of 1", "step 8, 3.001 s after its round began"),
        ("state", "MAKER_OPENING.asking, for 1.0 ms"),
        ("row", "MAKER_OPENING.asking -> MAKER_OPENING.cancelling",
         "the answer came [opening.live], line N, because E7"),
        ("verb", "cancel opening, line N",
         "leg opening, line N: buys: settings.maker_side == buy or (settings.maker_side == alternate and not"
         " context.selling); quantity: settings.quantity; offset: settings.tick_offset"),
        ("cancel", "m e1r1lopeninga1"),
    ]  # fmt: skip
    assert life(story)[2:] == [
        (3001, "found", "m e1r1lopeninga1 is open, filled 0 of 1"),
        (3001, "cancel", "asked for in step 8"),
        (3001, "sent", "the cancel went out"),
        (3002, "not sent", "the cancel of e1r1lopeninga1 was dropped before the wire: stale"),
        (3002, "dropped", "the cancel did not go out: stale"),
    ]


def _token(bench: JournalledBench) -> int:
    return next(iter(bench.desk.verbs.asked))


def test_the_desk_cancels_for_the_hedge_and_the_rest_of_a_hedge_that_does_not_end(path: Path) -> None:
    bench = opened(path, accounts=(account("m", "a"), account("t1", "a"), account("t2", "a")))
    bench.fill(bench.newest("opening"), "0.4")
    bench.update(bench.newest("opening"), OrderState.CANCELED, "0.4")
    bench.update(bench.newest("hedge"), OrderState.OPEN)
    bench.fire("e1r1lhedgea1", owner="inquiry")
    bench.end()
    own, rest = told(bench, "e1r1lopeninga1"), told(bench, "e1r1lhedgea1")
    assert said(reason_lines(own, own.cancels[0]))[2:] == [
        ("rule", "the hedge would meet this order on its own book (S8)"),
        ("cancel", "m e1r1lopeninga1"),
    ]
    assert said(reason_lines(rest, rest.cancels[0])) == [
        ("event", "timer: time to look after e1r1lhedgea1, after 1.000 s", "step 10, 1.003 s after its round began"),
        ("state", "TAKER_HEDGING, for 1.000 s"),
        ("rule", "the rest of a covering order that has not ended in time (E9)"),
        ("cancel", "t1 e1r1lhedgea1"),
    ]


# --- where reasons are missing


def test_without_a_replay_the_journal_alone_speaks(path: Path) -> None:
    bench = opened(path)
    bench.fill(bench.newest("opening"), "1")
    bench.end()
    story = why_order(path, None, "e1r1lhedgea1")
    assert story.gap == "the run was not replayed"
    assert [line[:2] for line in said(reason_lines(story, story.placed))] == [
        ("event", "fill: m bought 1 ETHUSDT at 100 as maker (trade t1 of e1r1lopeninga1)"),
        ("order", "t1 sell 1 at market, covers +1"),
    ]


def test_an_intent_whose_step_was_lost_is_all_there_is(path: Path) -> None:
    bench = opened(path)
    effects = bench.desk.step(bench.row(bench.newest("opening"), "1"), bench.now + MS)
    bench.die(next(effect for effect in effects if isinstance(effect, PlaceOrder)))
    story = told(bench, "e1r1lhedgea1")
    assert said(reason_lines(story, story.placed)) == [
        ("event", "step 7, 0.001 s after its round began: what came in is not in the journal, or not yet"),
        ("order", "t1 sell 1 at market, covers +1"),
    ]
    assert life(story) == []
    assert said(end_lines(story)) == [("end", "unknown: the journal has its intent and nothing else")]


@pytest.mark.parametrize(
    ("stamps", "text"),
    [
        ((10**9, 10**9 + 3_000, 10**9 + 40_000, 10**9 + 90_000, 10**9 + 95_000),
         "frame to wire 95 us (decoded 3 us, decided 40 us, signed 90 us)"),
        ((None, None, 10**9, 10**9 + 1_200_000, 10**9 + 1_300_000), "decision to wire 1.3 ms (signed 1.2 ms)"),
        ((10**9, 10**9, 10**9, 10**9, 10**9), ""),
        ((10**9, 10**9, 10**9, None, None), ""),
        ((None, None, None, None, None), ""),
    ],
)  # fmt: skip
def test_latency_is_told_where_it_is_known_and_took_time(stamps: tuple[int | None, ...], text: str) -> None:
    assert latency_text(*stamps) == text


# --- finding an order


@pytest.fixture
def two_runs(path: Path) -> JournalledBench:
    """Run 2 made the same orders as run 1, at venues that began to count anew."""
    for run in (1, 2):
        bench = JournalledBench(path, run=run)
        bench.begin()
        bench.play_round(0)
        bench.end()
    return bench


def test_a_venue_id_that_several_runs_know_is_of_the_newest_and_the_others_are_named(
    two_runs: JournalledBench,
) -> None:
    change(two_runs.path, "UPDATE orders SET order_id = '7' WHERE client_id = 'e1r1lclosinga1'")
    change(two_runs.path, "UPDATE orders SET order_id = '7' WHERE client_id = 'e2r1lhedgea2'")
    story = told(two_runs, "7")
    assert (story.run.number, story.placed.request.client_id, story.also_in) == (2, "e2r1lhedgea2", (1,))
    assert why_order(two_runs.path, None, "7", run=1).placed.request.client_id == "e1r1lclosinga1"


def test_an_order_of_an_older_run_is_found_without_its_number(two_runs: JournalledBench) -> None:
    story = why_order(two_runs.path, None, "e1r1lhedgea1")
    assert (story.run.number, story.also_in) == (1, ())


@pytest.mark.parametrize(
    ("word", "run", "text"),
    [
        ("e2r1lhedgea9", None, "; the nearest: e2r1lhedgea1, e2r1lhedgea2, e2r1lhedgea3"),
        ("e1r1lhedgea1", 2, ", but run 1 has: add --run 1"),
        ("e3r1lhedgea1", 1, "; the nearest: e1r1lhedgea1, e1r1lhedgea2, e1r1lhedgea3"),
    ],
)
def test_an_order_that_is_not_there_names_the_nearest(
    two_runs: JournalledBench, word: str, run: int | None, text: str
) -> None:
    with pytest.raises(NotInJournal) as caught:
        why_order(two_runs.path, None, word, run=run)
    assert str(caught.value) == f"run {run or 2} has no order {word}{text}"


UNTOLD = "run 2 adopted order e0r9 of an earlier run, whose disk was full: no journal tells why it was made"


@pytest.mark.parametrize(
    ("leg", "word", "text"),
    [
        ("opening", "77", "run 2 took order e1r1lopeninga1 over from run 1: add --run 1"),
        (ADOPTED, "77", UNTOLD),
        (ADOPTED, "e0r9", UNTOLD),
    ],
)
def test_an_order_that_a_run_took_over_is_told_by_the_run_that_made_it_if_any_does(
    two_runs: JournalledBench, leg: str, word: str, text: str
) -> None:
    client_id = "e0r9" if leg == ADOPTED else "e1r1lopeninga1"
    with sqlite3.connect(two_runs.path) as database:
        database.execute(
            "CREATE TEMP TABLE copied AS SELECT * FROM orders WHERE run = 1 AND client_id = 'e1r1lopeninga1'"
        )
        database.execute("UPDATE copied SET run = 2, order_id = '77', client_id = ?, leg = ?", (client_id, leg))
        database.execute("INSERT INTO orders SELECT * FROM copied")
    database.close()
    with pytest.raises(NotInJournal, match=f"^{re.escape(text)}$"):
        why_order(two_runs.path, None, word)


def test_a_venue_id_that_means_two_orders_of_a_run_names_both(two_runs: JournalledBench) -> None:
    change(two_runs.path, "UPDATE orders SET order_id = '7' WHERE client_id = 'e2r1lclosinga1'")
    change(two_runs.path, "UPDATE orders SET order_id = '7' WHERE client_id = 'e2r1lhedgea2'")
    text = "run 2 has several orders 7: e2r1lclosinga1 (m on a), e2r1lhedgea2 (t1 on b); name one by its client id"
    with pytest.raises(NotInJournal, match=f"^{re.escape(text)}$"):
        why_order(two_runs.path, None, "7")


def test_a_run_without_orders_and_a_run_that_is_not_there(path: Path) -> None:
    JournalledBench(path).end()
    with pytest.raises(NotInJournal, match="run 1 has no order x; it made none"):
        why_order(path, None, "x")
    with pytest.raises(JournalUnreadable, match="the journal holds no run 9"):
        why_order(path, None, "x", run=9)
