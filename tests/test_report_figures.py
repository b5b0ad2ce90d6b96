"""What a report says besides money: rounds, orders, exposure, latency, runs, and journals that it refuses."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from math import inf, isnan
from pathlib import Path

import pytest
from journal_kit import MS
from review_kit import PAPER_VENUE, TICK, VENUES, D, Story, whole_round

from engine import errors
from engine.review.report import report, report_with_series
from engine.review.report_figures import (
    NONE,
    Deviation,
    OrderCounts,
    OwnTrades,
    Percentiles,
    RoundCounts,
    percentiles,
)
from engine.review.report_series import BUCKETS, Series
from engine.runtime import schema
from engine.trading.effects import Alert, Level, Purpose
from exchanges.types import OrderState, Side


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "story.sqlite"


# --- percentiles


def test_percentiles_are_figures_that_were_measured() -> None:
    assert percentiles(()) == NONE
    assert percentiles([7]) == Percentiles(1, 7, 7, 7, 7)
    assert percentiles(range(1, 201)) == Percentiles(200, 100, 180, 198, 200)
    assert percentiles([3, 1, 2]) == Percentiles(3, 2, 3, 3, 3)


# --- rounds


def test_rounds_are_done_given_up_or_open(path: Path) -> None:
    story = Story(path)
    story.start()
    whole_round(story)
    story.begin()
    story.over(opened="0")
    story.begin()
    story.end()
    found = report(path)
    assert found.rounds == RoundCounts(done=1, given_up=1, open=1, took_ns=percentiles([100 * MS]))
    assert found.cost.rounds == 1


def test_a_round_whose_cost_was_not_expected_is_not_compared(path: Path) -> None:
    story = Story(path)
    story.start()
    story.begin(expected=None)
    story.quote("a", "99", "101")
    story.rest("open", Side.BUY, "2", "99")
    story.fill("open", "2", "99", fee="1")
    story.over()
    story.end()
    cost = report(path).cost
    assert (cost.rounds, cost.realised, cost.told_bps, cost.outside_rounds) == (0, 0, None, -1)


def test_what_a_round_leaves_counts_at_the_mid_and_what_comes_later_belongs_to_no_round(path: Path) -> None:
    story = Story(path)
    story.start()
    story.begin()
    story.quote("a", "99", "101")
    story.rest("open", Side.BUY, "2", "99")
    story.fill("open", "2", "99")
    story.over(alert=Alert(Level.INFO, "round_cost", "told", {"bps": "14.0000"}))
    story.quote("a", "79", "81")  # later, and not that round's matter
    story.rest("cleanup", Side.SELL, "2", "98", purpose=Purpose.CLEANUP)
    story.fill("cleanup", "2", "98")
    story.end()
    cost = report(path).cost
    assert (cost.rounds, cost.realised, cost.told_bps, cost.outside_rounds) == (1, D(-2), D("14.0000"), D(4))


def test_a_fill_that_ends_its_round_is_in_it_and_a_late_one_takes_no_round_apart(path: Path) -> None:
    story = Story(path)
    story.start()
    story.quote("a", "99", "101")
    story.begin()
    story.rest("open", Side.BUY, "2", "100")
    story.rest("late", Side.BUY, "5", "100")
    story.over(given=story.fill_of("open", "2", "100", fee="1"))
    story.begin()
    story.rest("open2", Side.BUY, "2", "100")
    story.fill("open2", "1", "100", fee="1")
    story.fill("late", "5", "100", fee="3")
    story.fill("open2", "1", "100", fee="1")
    story.over()
    story.end()
    cost = report(path).cost
    assert (cost.rounds, cost.notional, cost.realised, cost.outside_rounds) == (2, D(400), D(3), D(3))
    assert cost.realised_bps == percentiles([50.0, 100.0])


# --- orders


def test_orders_by_what_they_were_for(path: Path) -> None:
    story = Story(path)
    story.begin()
    story.rest("full", Side.BUY, "2", "99")
    story.fill("full", "1", "99")
    story.fill("full", "1", "99")
    story.rest("part", Side.BUY, "2", "99")
    story.fill("part", "1", "99")
    story.rest("none", Side.BUY, "2", "99")
    story.shows("none", "0", OrderState.CANCELED)
    story.rest("failed", Side.BUY, "2", "99")
    story.shows("failed", "0", OrderState.FAILED)
    story.place("hedge", Side.SELL, "3")
    story.fill("hedge", "3", "98")
    story.end()
    assert report(path).orders == (
        OrderCounts("open", 4, 1, 1, 1, 1, fill_rate=0.5, fill_ns=percentiles([10 * MS, 20 * MS, 10 * MS])),
        OrderCounts("hedge", 1, 1, 0, 0, 0, fill_rate=1.0, fill_ns=percentiles([10 * MS])),
    )


# --- the net position


def test_deviation_and_age_count_what_is_above_dust(path: Path) -> None:
    story = Story(path)  # a step is 10 ms; dust is up to 0.5
    story.start()
    story.begin()
    story.rest("open", Side.BUY, "3", "99")
    story.fill("open", "0.4", "99")  # step 4, dust
    story.fill("open", "1.6", "99")  # step 5, 2 are open
    story.place("hedge", Side.SELL, "3")
    story.fill("hedge", "1.7", "98")  # step 7, 0.3 are left
    story.over()
    story.step()
    story.fill("open", "1", "99")  # step 10, 1.3 are open
    story.step()
    story.end()
    length_ns = 100 * MS
    area = D("0.4") * 10 + 2 * 20 + D("0.3") * 30 + D("1.3") * 10
    assert report(path).deviation == Deviation(
        mean=area * MS / length_ns, largest=D(2), at_round_ends=D("0.3"), end=D("1.3"), dust=D("0.5"),
        age_ns=percentiles([20 * MS, 10 * MS]), exposed_share=30 / 100,
    )  # fmt: skip


# --- latency


def test_the_five_stamps_of_hedges_stage_by_stage(path: Path) -> None:
    story = Story(path)
    story.rest("open", Side.BUY, "2", "99")
    opening = replace(story.fill_of("open", "2", "99"), recv_ns=1_000, decoded_ns=1_200)
    story.place("hedge", Side.SELL, "2", given=opening)
    decided_ns = story.at_ns
    story.answered("hedge", signed_ns=decided_ns + 300, written_ns=decided_ns + 700)
    story.place("other", Side.SELL, "1")  # decided by no frame
    story.answered("other", signed_ns=decided_ns, written_ns=decided_ns)
    story.place("silent", Side.SELL, "1", given=replace(opening, trade_id="x"))  # never answered
    story.place("undated", Side.SELL, "1", given=replace(opening, trade_id="y", recv_ns=0))
    story.answered("undated", signed_ns=decided_ns, written_ns=decided_ns)
    story.end()
    assert [(it.name, it.took_ns) for it in report(path).latency] == [
        ("decode", percentiles([200])),
        ("decide", percentiles([decided_ns - 1_200])),
        ("sign", percentiles([300])),
        ("write", percentiles([400])),
        ("in all", percentiles([decided_ns + 700 - 1_000])),
    ]


def test_no_stamps_no_stages(path: Path) -> None:
    story = Story(path)
    whole_round(story)
    story.end()
    assert report(path).latency == ()


@pytest.mark.parametrize(("venue", "waits"), [("b", []), ("a", [20 * MS, 10 * MS])], ids=["apart", "on one book"])
def test_hedges_that_an_order_of_ours_held_back(
    path: Path, venue: str, waits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """S8: two partial fills wait for one hedge, the third for another; what is hedged in its step waits for none."""
    monkeypatch.setitem(VENUES, "chick", venue)
    story = Story(path)
    story.begin()
    story.rest("open", Side.BUY, "4", "99")
    story.fill("open", "1", "99")
    story.fill("open", "1", "99")
    story.place("hedge", Side.SELL, "2")
    story.fill("open", "1", "99")
    story.place("hedge2", Side.SELL, "1")
    story.place("hedge3", Side.SELL, "1", given=story.fill_of("open", "1", "99"))
    story.place("again", Side.SELL, "1")  # a new attempt of a hedge was not held back
    story.end()
    assert report(path).held_back_ns == percentiles(waits)


@pytest.mark.parametrize("venue", ["b", "a"], ids=["apart", "on one book"])
def test_trades_of_own_accounts_with_each_other_are_counted(
    path: Path, venue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S8, S20: the first hedge met the maker's own order; the same id at another venue is another trade."""
    monkeypatch.setitem(VENUES, "chick", venue)
    story = Story(path)
    story.begin()
    story.rest("open", Side.BUY, "4", "99")
    story.fill("open", "1", "99", trade_id="both")
    story.fill("open", "1", "99")
    story.place("hedge", Side.SELL, "2")
    story.fill("hedge", "1", "99", trade_id="both")
    story.fill("hedge", "1", "99")
    story.end()
    assert report(path).own_trades == (OwnTrades(1, 3) if venue == "a" else None)


# --- which run


def test_the_newest_run_unless_another_is_named(path: Path) -> None:
    for number in (1, 3):
        story = Story(path, run=number)
        whole_round(story)
        story.end()
    assert report(path).run.number == 3
    assert report(path, run=1).run.number == 1
    assert report(path, run=1).money == report(path, run=3).money
    with pytest.raises(errors.JournalUnreadable, match="holds no run 2, only 1 to 3"):
        report(path, run=2)


def test_a_run_without_a_step_is_a_report_of_zeros(path: Path) -> None:
    Story(path).end(read=False)
    found = report(path)
    assert (found.run.length_ns, found.rounds.done, found.money.pnl, found.orders) == (0, 0, 0, ())
    assert (found.deviation.mean, found.deviation.exposed_share, found.notes) == (0, 0, ())


def test_a_running_run_is_read_as_one_snapshot_while_it_writes(path: Path) -> None:
    story = Story(path)
    whole_round(story)
    story.journal.flush()
    before = report(path)
    assert before.run.exit_code is None
    story.begin()
    story.quote("a", "99", "101")
    story.rest("more", Side.BUY, "1", "99")
    story.fill("more", "1", "99")
    story.journal.flush()
    after = report(path)
    assert (before.rounds.open, after.rounds.open) == (0, 1)
    assert after.money.volume == before.money.volume + 99
    story.end()


def test_alerts_that_called_for_a_person_are_counted(path: Path) -> None:
    story = Story(path)
    told = ((Level.PERSON, "late"), (Level.WARNING, "soft"), (Level.PERSON, "early"), (Level.PERSON, "late"))
    for level, code in told:
        story.step(TICK, Alert(level, code, "x", {}))
    story.end()
    assert report(path).alerts == (("late", 2), ("early", 1))


# --- simulations


def test_a_paper_run_names_each_fill_model_once(path: Path) -> None:
    deep = {**PAPER_VENUE, "market": "eth", "latency_ns": 8_500_000,
            "depth": {"step_ticks": 2, "growth": 3, "levels": 4}}  # fmt: skip
    bare = {**PAPER_VENUE, "depth": {"step_ticks": 1, "growth": 0, "levels": 50}}
    story = Story(path, venues=json.dumps({"a": PAPER_VENUE, "b": PAPER_VENUE, "c": deep, "d": bare}))
    story.end()
    paper = report(path).paper
    assert paper is not None
    assert paper.venues == (
        "a, b: made-up market of seed 7; 5 ms to the venue, 5 ms back; behind the best price 50 levels, a tick apart,"
        " each of the size at the best",
        "c: recording eth; 8.5 ms to the venue, 5 ms back; behind the best price 4 levels, 2 ticks apart, each of"
        " 3 x the size at the best",
        "d: made-up market of seed 7; 5 ms to the venue, 5 ms back; behind the best price nothing",
    )
    assert len(paper.assumes) == 4


@pytest.mark.parametrize("venues", ["{}", json.dumps({"a": PAPER_VENUE, "b": {"kind": "lighter"}})])
def test_a_run_on_a_real_venue_is_no_simulation(path: Path, venues: str) -> None:
    Story(path, venues=venues).end()
    assert report(path).paper is None


# --- the course of a run


def test_the_course_keeps_spikes_and_ends_at_the_result(path: Path) -> None:
    story = Story(path)
    story.start()
    whole_round(story)
    story.end()
    found, series = report_with_series(path)
    assert found == report(path)
    worth = [value for value in series.worth if not isnan(value)]
    assert (worth[-1], max(series.net_high), min(series.net_low)) == (0.5, 2.0, -2.0)
    assert max(value for value in series.age_ns if not isnan(value)) == found.deviation.age_ns.most
    assert list(series.round_bps) == [-25.0]


def test_a_position_that_is_held_is_in_the_course_also_where_nothing_fills() -> None:
    series = Series(begin_ns=0, end_ns=BUCKETS * 10 - 1)
    series.net(105, D(2))  # bucket 10
    series.net(405, D(-1))  # bucket 40: held until there
    series.hold(605)
    seen = [(series.net_low[place], series.net_high[place]) for place in (9, 10, 25, 40, 41, 60, 61)]
    assert seen == [(inf, -inf), (0, 2), (2, 2), (-1, 2), (-1, -1), (-1, -1), (inf, -inf)]


# --- journals that it refuses


def test_a_foreign_a_newer_and_a_missing_journal(path: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.JournalUnreadable, match="there is no such journal"):
        report(path)
    foreign = tmp_path / "notes.txt"
    foreign.write_text("nothing of ours")
    with pytest.raises(errors.JournalForeign):
        report(foreign)
    Story(path).end()
    with sqlite3.connect(path) as journal:
        journal.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    journal.close()
    with pytest.raises(errors.JournalNewer, match="update the program"):
        report(path)


def test_damage_is_found_where_it_is_met_although_no_page_is_read_beforehand(path: Path) -> None:
    story = Story(path)
    for number in range(300):
        story.rest(f"o{number}", Side.BUY, "2", "99")
        story.fill(f"o{number}", "1", "99")
    story.end()
    with sqlite3.connect(path) as journal:
        (size,) = journal.execute("PRAGMA page_size").fetchone()
        (root,) = journal.execute("SELECT rootpage FROM sqlite_master WHERE name = 'fills'").fetchone()
    journal.close()
    content = bytearray(path.read_bytes())
    content[(root - 1) * size : root * size] = b"\xff" * size
    path.write_bytes(content)
    with pytest.raises(errors.JournalCorrupt, match="journal is damaged"):
        report(path)
