"""The eagle desk itself, journalled and replayed: all that a step reads is in the journal."""

from __future__ import annotations

from pathlib import Path

import pytest
from journalled_bench import JournalledBench

from engine.runtime.audit import audit
from engine.runtime.replay import replay


@pytest.fixture
def bench(tmp_path: Path) -> JournalledBench:
    bench = JournalledBench(tmp_path / "eagle.db", {"maker_side": "alternate"})
    bench.begin()
    for number in range(4):
        bench.play_round(number)
    bench.end()
    return bench


def test_a_fresh_desk_decides_the_same(bench: JournalledBench) -> None:
    report = replay(bench.path, lambda _run, chance: bench.fresh_desk(chance))
    assert report.lines() == [f"run 1: {report.steps} steps, the same states and effects"]
    assert report.steps > 40


def test_the_run_is_covered_by_quantity(bench: JournalledBench) -> None:
    report = audit(bench.path)
    assert report.findings == []
    assert (report.rounds, report.markets[0].maker_volume, report.provisional) == (4, 8, 4)
