"""A journalled run, fed through a fresh desk, gives the same effects; another program is told where it differs."""

from __future__ import annotations

from pathlib import Path

import pytest
from journal_kit import MS, ToyDesk, change, record

from engine.errors import JournalCorrupt, JournalUnreadable
from engine.runtime.journal_read import RunRow
from engine.runtime.replay import Desk, Difference, ReplayReport, replay
from exchanges.types import Rng


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "toy.db"
    record(path, rounds=3)
    return path


def toy(_run: RunRow, chance: Rng) -> Desk:
    return ToyDesk(chance)


def test_the_same_program_decides_the_same(journal: Path) -> None:
    report = replay(journal, toy)
    assert report == ReplayReport(run=1, steps=40, difference=None)
    assert report.same
    assert report.lines() == ["run 1: 40 steps, the same states and effects"]


def test_a_program_that_holds_longer_is_told_the_step(journal: Path) -> None:
    report = replay(journal, lambda _run, chance: ToyDesk(chance, hold_ms=(1_000, 2_000)))
    difference = report.difference
    assert difference is not None
    assert (report.steps, difference.seq, difference.what) == (12, 13, "draws")
    (drawn,) = difference.expected
    assert difference.got == (f"a draw in 1000..2000, where {drawn} was recorded",)


def test_other_effects_are_shown_beside_the_recorded_rows(journal: Path) -> None:
    class Shy(ToyDesk):
        def _filled(self, step: str, at_ns: int):  # type: ignore[no-untyped-def]
            return [] if step == "hedge open" else super()._filled(step, at_ns)

    report = replay(journal, lambda _run, chance: Shy(chance))
    assert report.difference == Difference(
        seq=7,
        at_ns=70 * MS,
        given='fill ["paper-a","taker-2","ETH-PERP","e1r1s2","o-e1r1s2","t1","sell","0.02","2500.1","0.01","USDC",'
        '"maker",50,60,"trade",0]',
        what="effects",
        expected=("place e1r1s3 close sell 0.02", "moved order.filled: OPENING -> CLOSING"),
        got=(),
    )
    assert report.lines()[0] == "run 1: step 7 at 70000000 ns goes otherwise (effects), 6 steps before it the same"


def test_a_draw_that_nobody_asks_for_is_a_difference(journal: Path) -> None:
    change(journal, "UPDATE inputs SET draws = '[1,1]' WHERE seq = 4")
    difference = replay(journal, toy).difference
    assert difference is not None
    assert (difference.seq, difference.expected, difference.got) == (4, ("1", "1"), ("no draw, where 1 was recorded",))


def test_a_draw_that_was_not_recorded_is_a_difference(journal: Path) -> None:
    change(journal, "UPDATE inputs SET draws = NULL WHERE seq = 4")
    difference = replay(journal, toy).difference
    assert difference is not None
    assert (difference.seq, difference.got) == (4, ("a draw in 0..1, where none was recorded",))


def test_a_quote_that_no_decision_reads_any_more_is_a_difference(journal: Path) -> None:
    change(journal, "UPDATE quotes_used SET seq = 12 WHERE seq = 14")
    difference = replay(journal, toy).difference
    assert difference is not None
    assert (difference.seq, difference.what, difference.got) == (12, "quotes", ())


def test_a_damaged_input_is_named(journal: Path) -> None:
    change(journal, "UPDATE inputs SET body = '[1,' WHERE seq = 5")
    with pytest.raises(JournalCorrupt, match=r"toy\.db: input 5 of run 1 cannot be read: answered \[1,$"):
        replay(journal, toy)


def test_a_run_that_is_not_there_is_named(journal: Path) -> None:
    with pytest.raises(JournalUnreadable, match=r"toy\.db: the journal holds no run 4, only 1 to 1"):
        replay(journal, toy, run=4)
