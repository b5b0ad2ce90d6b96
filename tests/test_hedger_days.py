"""A quarter of an hour of the hedger with three deaths, out of the two days of `make hedger` (hedger_days.py)."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import hedger_days
import pytest
from hedger_days import FAULTS, play

A_WHILE = 0.01  # of a day
DEATHS = (0.2, 0.5, 0.8)


@pytest.mark.parametrize("seed", [1, 2])
def test_it_balances_to_the_last_digit_over_faults_and_deaths(tmp_path: Path, seed: int) -> None:
    played = play(tmp_path, days=A_WHILE, kills=DEATHS, seed=seed)
    assert played.wrong() == []
    assert [[*pair.codes[-1:], len(pair.codes) - pair.failed_starts] for pair in played.pairs] == [[0, 4]] * 3
    assert all(pair.hedges > 3 for pair in played.pairs)
    assert sum(it.count for it in played.faults) > 100
    assert [left_without_end(pair.path) for pair in played.pairs] == [0] * 3


def left_without_end(path: Path) -> int:
    """Orders of the last run that a later one would ask about; a request that never arrived is none."""
    sql = "SELECT count(*) FROM orders WHERE run = (SELECT max(number) FROM runs) AND state IN ('pending', 'open')"
    with sqlite3.connect(path) as journal:
        return int(journal.execute(sql).fetchone()[0])


def test_without_faults_nobody_is_called(tmp_path: Path) -> None:
    played = play(tmp_path, days=A_WHILE / 2, kills=(), faults="  - {fault: frame_twice, of: fill, every: 9}")
    assert [set(pair.alerts) - {"dust_held"} for pair in played.pairs] == [set()] * 3


def test_risk_that_a_restart_forgets_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Defect 11: what this simulation would say of it."""
    monkeypatch.setattr(hedger_days, "left_over", lambda *_, **__: None)
    played = play(tmp_path, days=A_WHILE, kills=DEATHS, faults=FAULTS)
    assert played.wrong()
