"""Planted bugs that few seeds catch; `make planted` plants them all. Shows too that the witness can fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted_campaign import BUGS

from cli.locate import Source, read_flow_source
from cli.simulate_runs import RunOptions, run_seed
from engine.runtime.simulate.witness import Bounds

STORM = """
faults:
  - {fault: frame_twice, of: fill, every: 2}
  - {fault: partly_taken, rate: 0.5, share: 0.5}
  - {fault: ack_lost, on: place, every: 5}
  - {fault: frame_lost, of: fill, every: 6}
"""


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("id_again", {"id_twice"}),
        ("intent_skipped", {"no_intent"}),
        ("cumulative_as_fill", {"phantom"}),
    ],
)
def test_a_planted_bug_is_caught(name: str, codes: set[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    BUGS[name].plant(monkeypatch.setattr)
    options = RunOptions(
        flow=read_flow_source("eagle_chicken"), faults=Source("plan.yaml", STORM), play="all", kinds=("backpack",),
        rounds=2, settings=(), bounds=Bounds(),
    )  # fmt: skip
    found: set[str] = set()
    for seed in range(1, 6):
        found |= {it.code for it in run_seed(options, seed, folder=tmp_path).violations}
        if codes & found:
            return
    raise AssertionError(f"not caught: {found}")
