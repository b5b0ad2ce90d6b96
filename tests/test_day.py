"""S10: the day's limit on losses counts what earlier runs of the same accounts made today, read from the journal."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from journal_kit import INSTRUMENT, open_journal_for, run_start

from engine.runtime.day import DAY_MS, day_so_far
from engine.runtime.journal_read import stream_journal
from engine.trading.inputs import Day, Started
from exchanges.types import Margin

D = Decimal
MIDNIGHT = 1_700_000_000_000 // DAY_MS * DAY_MS
NOON = MIDNIGHT + DAY_MS // 2
ACCOUNTS = {"maker": "paper-a", "taker-1": "paper-a"}
Equities = tuple[str, str]  # of maker and taker-1


def margins(equities: Equities) -> tuple[Margin, ...]:
    return tuple(Margin(name, D(equity), D(equity), D(0)) for name, equity in zip(ACCOUNTS, equities, strict=True))


def run(
    path: Path, number: int, *, begin: Equities, end: Equities | None, wall_ms: int = NOON, **changes: object
) -> None:
    """A run that only reads its accounts; without `end` it was killed."""
    journal = open_journal_for(path)
    journal.run_started(run_start(number, wall_ms=wall_ms, **{"speed": "1x", **changes}))
    journal.step(1, 0, wall_ms, Started((), margins(begin)), [], [], [])
    if end is not None:
        journal.venue_end((), margins(end))
    journal.close()


def today(path: Path, *, now: Equities = ("100", "100"), number: int = 9) -> Day:
    with stream_journal(path) as journal:
        return day_so_far(journal, ACCOUNTS, margins(now), run=number, wall_ms=NOON, now_ns=5)


def test_results_of_todays_runs_add_up_over_accounts(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    run(path, 1, begin=("100", "100"), end=("97", "101.5"))
    run(path, 2, begin=("200", "50"), end=("199.25", "50"))  # money moved in between is nobody's result
    assert today(path) == Day(D("-2.25"), 5 + DAY_MS // 2 * 1_000_000)


def test_a_killed_run_ends_with_the_next_reading_of_its_accounts(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    run(path, 1, begin=("100", "100"), end=None)
    run(path, 2, begin=("95", "101"), end=("95", "101"))
    run(path, 3, begin=("95", "101"), end=None)
    assert today(path, now=("94", "100")).pnl == D(-6)


@pytest.mark.parametrize(
    "changes",
    [
        {"wall_ms": MIDNIGHT - 1},
        {"speed": "max"},
        {"speed": "10x"},
        {"accounts": [(name, replace(INSTRUMENT, venue="paper-b")) for name in ACCOUNTS]},
    ],
    ids=["yesterday", "virtual time", "scaled time", "accounts of that name elsewhere"],
)
def test_other_runs_do_not_count(tmp_path: Path, changes: dict[str, object]) -> None:
    path = tmp_path / "j.sqlite"
    run(path, 1, begin=("100", "100"), end=("50", "50"), **changes)  # type: ignore[arg-type]
    assert today(path).pnl == 0


def test_the_run_itself_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    run(path, 1, begin=("100", "100"), end=None)
    assert today(path, now=("90", "90"), number=1).pnl == 0
