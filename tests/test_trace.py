"""The story of a round: what is said of each step, in its order, and what is said where reasons are gone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from journal_kit import change
from journalled_bench import JournalledBench
from trading_kit import account

from engine.errors import JournalCorrupt, NotInJournal
from engine.review.story import Moment, story_of
from engine.review.trace import RoundTrace, trace_rounds
from engine.trading.effects import Effect, PlaceOrder
from engine.trading.hedging import Hedging
from engine.trading.inputs import LinkUpdate, MarketSeen, NotSent, Request, StopAsked
from engine.trading.verbs import Verbs
from exchanges.types import LinkState, OrderState, Refusal

D = Decimal
MS = 1_000_000
BEGIN = (
    ("round", "1 begins, opening side buy", "set off by: all accounts are connected and read"),
    ("state", "IDLE.ready -> MAKER_OPENING.resting", "always [may_open], line N, because E5"),
    ("open", "m buy 1 at 100.0 post-only (e1r1lopeninga1)", "book of a 100.0 / 100.1, 5.0 ms old"),
)
ACCEPTED = (("answer", "e1r1lopeninga1 accepted as v-e1r1lopeninga1"),)
FILLED = "order.filled [opening.filled > 0 and not opening.live], line N, because E6"
PARTLY = (
    "note",
    "partly filled; the hedging rule covers it and the rest goes on resting",
    "stays in MAKER_OPENING.resting: order.partially_filled, line N, because E6",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "eagle.sqlite"


def opened(path: Path, **options: object) -> JournalledBench:
    bench = JournalledBench(path, **options)  # type: ignore[arg-type]
    bench.begin()
    bench.ack(bench.newest("opening"))
    return bench


def traced(bench: JournalledBench, number: int = 1, *, replayed: bool = True) -> RoundTrace:
    make_desk = (lambda _row, chance: bench.fresh_desk(chance)) if replayed else None
    _, (trace,) = trace_rounds(bench.path, make_desk, first=number, last=number)
    return trace


def said(moment: Moment) -> tuple[tuple[str, ...], ...]:
    """Its lines, with the numbers of the flow's lines left out."""
    return tuple(
        (line.word, line.text, *(re.sub(r"line \d+", "line N", detail) for detail in line.detail))
        for line in moment.lines
    )


def story(bench: JournalledBench, number: int = 1) -> list[tuple[tuple[str, ...], ...]]:
    return [said(moment) for moment in story_of(traced(bench, number))]


def test_a_fill_its_hedge_and_the_move_are_told_in_the_order_of_the_step(path: Path) -> None:
    bench = opened(path)
    bench.fill(bench.newest("opening"), "0.3")
    bench.fill(bench.newest("opening"), "0.7")
    bench.fill(bench.newest("hedge"), "0.7")
    bench.end()
    first, *others = story(bench)
    assert first[:3] == BEGIN
    assert others == [
        ACCEPTED,
        (
            ("fill", "m bought 0.3 at 100 as maker, fee 0 USDT (e1r1lopeninga1)"),
            ("hedge", "t1 sell 0.3 at market (e1r1lhedgea1)",
             "exposure +0.3; t1 drawn from t1, t2", "book of b 100.0 / 100.1, 7.0 ms old"),
            PARTLY,
        ),
        (
            ("fill", "m bought 0.7 at 100 as maker, fee 0 USDT (e1r1lopeninga1)"),
            ("hedge", "t1 sell 0.7 at market (e1r1lhedgea2)",
             "exposure +1, in flight -0.3; t1 drawn from t1, t2", "book of b 100.0 / 100.1, 8.0 ms old"),
            ("state", "MAKER_OPENING.resting -> TAKER_HEDGING", FILLED),
        ),
        (
            ("fill", "t1 sold 0.7 at 100 as maker, fee 0 USDT (e1r1lhedgea2)",
             "closes 0.7 of e1r1lopeninga1 (trade t2), open for 1.0 ms"),
        ),
    ]  # fmt: skip
    trace = traced(bench)
    assert [moment.net for moment in story_of(trace)] == [None, None, D("0.3"), D(1), D("0.3")]
    assert (trace.largest, trace.longest_ns, trace.gap, trace.run.over) == (D(1), 0, "", True)


def test_the_ladder_is_told_rung_by_rung(path: Path) -> None:
    bench = opened(path)
    bench.fill(bench.newest("opening"), "1")
    bench.refuse(bench.newest("hedge"), Refusal.MARGIN)
    bench.refuse(bench.newest("hedge"))
    bench.fill(bench.newest("hedge"), "1")
    bench.end()
    gone = "t1: refused this exposure before"
    assert story(bench)[3:] == [
        (
            ("answer", "e1r1lhedgea1 refused (margin): no"),
            ("hedge", "t2 sell 1 at market (e1r1lhedgea2)",
             f"exposure +1; ladder, next eligible: t2, the eligible account with most free margin; not {gone}",
             "book of b 100.0 / 100.1, 8.0 ms old"),
            ("warning", "hedge_refused: t1 refused to sell 1.0 ETHUSDT (margin); next rung"),
        ),
        (
            ("answer", "e1r1lhedgea2 refused (venue): no"),
            ("undo", "m sell 1 at market reduce-only (e1r1lhedgea3)",
             f"exposure +1; ladder, undo on maker: m, the fill is undone on the maker itself; not {gone},"
             " t2: refused this exposure before",
             "book of a 100.0 / 100.1, 9.0 ms old"),
            ("warning", "hedge_refused: t2 refused to sell 1.0 ETHUSDT (venue); next rung"),
        ),
        (
            ("fill", "m sold 1 at 100 as maker, fee 0 USDT (e1r1lhedgea3)",
             "closes 1 of e1r1lopeninga1 (trade t1), open for 3.0 ms"),
            ("state", "TAKER_HEDGING -> TAKER_CLOSING",
             "always [settled and maker_flat], line N, because the fill was undone on the maker"),
            ("state", "TAKER_CLOSING -> IDLE.ready", "always [settled], line N, because E4"),
            ("round", "1 over: opened 1, closed 0, residue 0, fees 0, cash 0"),
        ),
    ]  # fmt: skip


def test_on_one_venue_the_rule_waits_for_the_own_order_to_end_and_says_so(path: Path) -> None:
    bench = opened(path, accounts=(account("m", "a"), account("t1", "a"), account("t2", "a")))
    bench.fill(bench.newest("opening"), "0.4")
    bench.update(bench.newest("opening"), OrderState.CANCELED, "0.4")
    bench.end()
    own = "an own order rests on its book"
    assert story(bench)[2:] == [
        (
            ("fill", "m bought 0.4 at 100 as maker, fee 0 USDT (e1r1lopeninga1)"),
            ("hedge", "waits: exposure +0.4", f"no account may trade it; not t1: {own}, t2: {own}"),
            ("cancel", "m e1r1lopeninga1", "the hedge would meet this order on its own book (S8)"),
            PARTLY,
        ),
        (
            ("order", "m e1r1lopeninga1 is canceled, filled 0.4 of 1"),
            ("hedge", "t1 sell 0.4 at market (e1r1lhedgea1)",
             "exposure +0.4; t1 drawn from t1, t2", "book of a 100.0 / 100.1, 8.0 ms old"),
            ("state", "MAKER_OPENING.resting -> MAKER_OPENING.judging",
             "order.canceled [opening.filled > 0 or event.late], line N, because E6"),
            ("state", "MAKER_OPENING.judging -> TAKER_HEDGING", "always [opening.filled > 0], line N, because E6"),
        ),
    ]  # fmt: skip


def test_a_timeout_a_question_and_a_cancel(path: Path) -> None:
    bench = opened(path)
    bench.fire("order_timeout")
    bench.give(NotSent("nobody", Request.CANCEL, "stale"))
    bench.fire("timeout:MAKER_OPENING.asking")
    bench.fire("retry:MAKER_OPENING.asking")
    bench.fire("timeout:MAKER_OPENING.asking")
    bench.update(bench.newest("opening"), OrderState.CANCELED)
    bench.end()
    assert story(bench)[2:] == [
        (
            ("timer", "order_timeout of MAKER_OPENING.resting is over, after 3.000 s"),
            ("state", "MAKER_OPENING.resting -> MAKER_OPENING.asking", "after order_timeout, line N, because E7"),
            ("ask", "m about e1r1lopeninga1"),
        ),
        (("not sent", "the cancel of nobody was dropped before the wire: stale"),),
        (
            ("timer", "MAKER_OPENING.asking asks again, after 250.0 ms"),
            ("ask", "m about e1r1lopeninga1"),
        ),
        (
            ("timer", "MAKER_OPENING.asking waited in vain for its answer, after 1.000 s"),
            ("state", "MAKER_OPENING.asking -> MAKER_OPENING.cancelling",
             "no answer came, line N, because a cancel is safe even unasked"),
            ("cancel", "m e1r1lopeninga1"),
        ),
        (
            ("order", "m e1r1lopeninga1 is canceled, filled 0 of 1"),
            ("state", "MAKER_OPENING.cancelling -> MAKER_OPENING.judging", "order.canceled, line N, because E6"),
            ("state", "MAKER_OPENING.judging -> MAKER_OPENING.resting",
             "always [may_open and not context.given_up], line N, because E6"),
            ("open", "m buy 1 at 100.0 post-only (e1r1lopeninga2)", "book of a 100.0 / 100.1, 5.256 s old"),
        ),
    ]  # fmt: skip


def test_a_row_that_a_snapshot_told_before_is_no_news(path: Path) -> None:
    bench = opened(path)
    bench.update(bench.newest("opening"), OrderState.PARTIALLY_FILLED, "0.3")
    bench.fill(bench.newest("opening"), "0.3")
    bench.end()
    told = story(bench)
    by_state = "m bought 0.3 at 100.0 by the order's state; its rows come later (e1r1lopeninga1)"
    assert told[2][0] == ("fill", by_state)
    assert told[3] == (
        ("fill", "m bought 0.3 at 100 as maker, fee 0 USDT (e1r1lopeninga1)", "told before by the order's state"),
    )
    assert [moment.net for moment in story_of(traced(bench))][2:] == [D("0.3"), D("0.3")]


def test_a_fee_taken_in_base_makes_the_position_smaller_and_costs_its_price(path: Path) -> None:
    bench = opened(path)
    bench.fill(bench.newest("opening"), "0.5", fee=D("0.1"), fee_asset="ETH")
    bench.end()
    step = traced(bench).steps[-1]
    assert (step.exposure.net, step.cash, step.fees) == (D("0.4"), D(-50), D(10))
    assert said(story_of(traced(bench))[-1])[0][1] == "m bought 0.5 at 100 as maker, fee 0.1 ETH (e1r1lopeninga1)"


def test_a_step_of_the_flow_that_failed_is_told_by_its_alert_and_by_nothing_that_was_undone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Verbs, verb: str, arguments: Mapping[str, object], token: int) -> Sequence[Effect]:
        effects = self._table[verb](arguments, token)
        if verb == "note":
            raise ZeroDivisionError
        return effects

    monkeypatch.setattr(Verbs, "__call__", broken)
    bench = opened(path)
    bench.fill(bench.newest("opening"), "0.3")
    bench.end()
    lines = said(story_of(traced(bench))[-1])
    assert [word for word, *_ in lines] == ["fill", "hedge", "state", "cancel", "ALERT", "ALERT", "round"]
    assert lines[2] == ("state", "MAKER_OPENING.resting -> ERROR.cancelling", "error.raised, line N, because S2")
    assert re.fullmatch(
        r"step_failed: flows/eagle_chicken.yaml:[0-9:]+: order.partially_filled: ZeroDivisionError: ; .* kept",
        lines[4][1],
    )


def test_a_stop_and_what_guards_and_streams_say(path: Path) -> None:
    bench = opened(path)
    bench.give(LinkUpdate("t1", LinkState.LOST, 0, "closed by the venue"))
    bench.give(MarketSeen(open=False, reason="spread", text="spread 31 bps"))
    bench.give(StopAsked(1))
    bench.end()
    words = [[(word, text) for word, text, *_ in lines] for lines in story(bench)[2:]]
    assert words[0][0] == ("link", "t1: stream lost (closed by the venue)")
    assert words[1][0] == ("market", "closed: spread 31 bps")
    assert words[2][:2] == [
        ("STOP", "a person asks to stop in order"),
        ("state", "MAKER_OPENING.asking -> CLEANUP.stopping"),
    ]


def test_what_repeats_is_told_once(path: Path) -> None:
    bench = opened(path)
    bench.fill(bench.newest("opening"), "1")
    bench.fill(bench.newest("hedge"), "1")
    bench.give(MarketSeen(open=False, reason="spread", text="spread 31 bps"))
    bench.give(MarketSeen(open=False, reason="spread", text="spread 31 bps"))
    bench.give(MarketSeen(open=False, reason="spread", text="spread 31 bps"))
    bench.end()
    last = story_of(traced(bench))[-1]
    assert (said(last)[0], last.times, last.last_ns - last.at_ns) == (("market", "closed: spread 31 bps"), 3, 2 * MS)


def test_a_round_ends_where_the_next_begins_and_money_counts_from_its_begin(path: Path) -> None:
    bench = JournalledBench(path)
    bench.begin()
    for number in range(3):
        bench.play_round(number)
    bench.end()
    trace = traced(bench, 2)
    first, last = trace.steps[0], trace.steps[-1]
    assert [(taken.source, taken.target) for taken in first.taken] == [("IDLE.ready", "MAKER_OPENING.resting")]
    assert (first.fills, first.cash, first.exposure.net) == ((), 0, 0)
    assert [(taken.source, taken.target) for taken in last.taken] == [("TAKER_CLOSING", "IDLE.ready")]
    assert [intent.round for traced_ in trace.steps for intent in traced_.intents] == [2] * 5
    assert (last.cash, last.over) == (trace.round.cash, True)
    assert trace.journey.states["HOLDING"][0] == 1
    told = story(bench, 2)[0][0]
    assert told[2] == "set off by: t2 bought 1 ETHUSDT at 100 as maker (trade t6 of e1r1lhedgea3)"


def test_a_late_fill_is_told_behind_the_round_of_its_order(path: Path) -> None:
    bench = JournalledBench(path)
    bench.begin()
    bench.play_round(0)
    bench.fill("e1r1lopeninga1", "0.2")
    bench.fill(bench.newest("hedge"), "0.2")
    bench.play_round(1)
    bench.end()
    (late,) = traced(bench, 1).late
    assert (late.client_id, late.qty, late.round) == ("e1r1lopeninga1", D("0.2"), 1)
    _, both = trace_rounds(path, None, first=1, last=2)
    assert [len(trace.late) for trace in both] == [1, 0]
    assert ("fill", "m bought 0.2 at 100 as maker, fee 0 USDT (e1r1lopeninga1)") in story(bench, 2)[1]


# --- where reasons are missing


def test_without_a_replay_the_facts_are_told_alone(path: Path) -> None:
    bench = opened(path)
    bench.fill(bench.newest("opening"), "1")
    bench.end()
    trace = traced(bench, replayed=False)
    assert trace.gap == "the run was not replayed"
    assert [said(moment) for moment in story_of(trace)][2] == (
        ("fill", "m bought 1 at 100 as maker, fee 0 USDT (e1r1lopeninga1)"),
        ("hedge", "t1 sell 1 at market (e1r1lhedgea1)"),
        ("state", "MAKER_OPENING.resting -> TAKER_HEDGING", "order.filled"),
    )


def test_where_the_program_decides_otherwise_reasons_end_and_facts_go_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = opened(path)
    bench.fill(bench.newest("opening"), "0.4")
    bench.fill(bench.newest("opening"), "0.6")
    bench.end()
    monkeypatch.setattr(Hedging, "_needed", lambda *_: D("-0.6"))  # another program: wrong about the first hedge
    trace = traced(bench)
    assert trace.gap == "this program decides step 7 otherwise (effects)"
    assert [step.insight is not None for step in trace.steps] == [True, True, False, False]
    assert said(story_of(trace)[3]) == (
        ("fill", "m bought 0.6 at 100 as maker, fee 0 USDT (e1r1lopeninga1)"),
        ("hedge", "t1 sell 0.6 at market (e1r1lhedgea2)"),
        ("state", "MAKER_OPENING.resting -> TAKER_HEDGING", "order.filled"),
    )


def test_a_flow_that_this_program_cannot_read_costs_the_reasons_only(path: Path) -> None:
    opened(path).end()
    change(path, "UPDATE runs SET flow_text = 'flow: of another time'")
    flow, (trace,) = trace_rounds(path, None, first=1, last=1)
    assert flow is None
    assert trace.gap.startswith("run 1: this program cannot read its flow: eagle_chicken.yaml:1:1: ")
    assert [line[:2] for line in said(story_of(trace)[0])][1] == (
        "state", "idle.ready -> maker_opening.resting",
    )  # fmt: skip


def test_a_process_that_died_leaves_requests_without_their_step(path: Path) -> None:
    """Intents are on the disk before they are sent, steps come in batches."""
    bench = opened(path)
    bench.die(bench.desk.world.cancel(bench.desk.world.orders.all["e1r1lopeninga1"]))
    trace = traced(bench)
    assert not trace.run.over
    assert said(story_of(trace)[-1]) == (
        ("lost", "what came in here is not in the journal, or not yet"),
        ("cancel", "m e1r1lopeninga1"),
    )


def test_a_hedge_of_which_no_row_is_left_is_told_as_such(path: Path) -> None:
    bench = opened(path)
    effects = bench.desk.step(bench.row(bench.newest("opening"), "1"), bench.now + MS)
    bench.die(next(effect for effect in effects if isinstance(effect, PlaceOrder)))
    assert said(story_of(traced(bench))[-1]) == (
        ("lost", "what came in here is not in the journal, or not yet"),
        ("hedge", "t1 sell 1 at market (e1r1lhedgea1)", "the journal does not know what became of it"),
    )


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        (0, 0, "run 1 has no round 0; its rounds are 1..3"),
        (7, 7, "run 1 has no round 7; its rounds are 1..3"),
        (2, 4, "run 1 has no rounds 2..4; its rounds are 1..3"),
    ],
)
def test_a_round_that_is_not_there_names_those_that_are(path: Path, first: int, last: int, text: str) -> None:
    bench = JournalledBench(path)
    bench.begin()
    for number in range(2):
        bench.play_round(number)
    bench.end()
    with pytest.raises(NotInJournal, match=f"^{re.escape(text)}$"):
        trace_rounds(path, None, first=first, last=last)


def test_a_run_without_a_round_says_so(path: Path) -> None:
    JournalledBench(path).end()
    with pytest.raises(NotInJournal, match="it ended before one began"):
        trace_rounds(path, None, first=1, last=1)


def test_an_input_that_cannot_be_read_is_a_damaged_journal(path: Path) -> None:
    bench = opened(path)
    bench.fill(bench.newest("opening"), "1")
    bench.end()
    change(path, "UPDATE inputs SET body = '[]' WHERE kind = 'fill'")
    with pytest.raises(JournalCorrupt, match=r"^input 7 of run 1 cannot be read: fill \[\]$"):
        trace_rounds(path, None, first=1, last=1)


def test_tracing_changes_no_byte_of_the_journal(path: Path) -> None:
    bench = opened(path)
    bench.end()
    before = path.read_bytes()
    traced(bench)
    assert path.read_bytes() == before
