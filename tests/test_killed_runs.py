"""A process dies at an effect, another takes over: nothing is lost, nothing is hedged twice, all ends flat (S1, S15).

`make kills` tries thousands of moments; here stand some of each kind, and what was found on the way.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from killed_runs import live_through

FAULTS = """
faults:
  - {fault: ack_lost, on: place, nth: [2, 5]}
  - {fault: frame_twice, of: fill, every: 2}
  - {fault: stream_cut, of: fill, nth: 3}
"""

# 19: between the first order and the next flush: without the baseline on disk the next run did not know the order.
# 71: a maker's fill and its hedge were told by account, the hedge first (test_missed_fills.py).
MOMENTS = [(1, 7), (1, 19), (1, 40), (1, 71), (1, 120), (2, 25), (2, 90), (3, 55), (4, 64)]


@pytest.mark.parametrize(("seed", "at"), MOMENTS)
def test_what_a_dead_run_left_is_finished_by_the_next(tmp_path: Path, seed: int, at: int) -> None:
    lives = live_through(tmp_path / "j.sqlite", at, seed=seed)
    assert (lives.codes, lives.wrong()) == ([None, 0], [])


@pytest.mark.parametrize(("first", "second"), [(45, 6), (71, 14), (90, 30)])
def test_a_run_that_dies_while_it_takes_over_is_taken_over_itself(tmp_path: Path, first: int, second: int) -> None:
    lives = live_through(tmp_path / "j.sqlite", first, second)
    assert (lives.codes, lives.wrong()) == ([None, None, 0], [])
    assert [left.run for left in lives.left if left is not None] == [1, 2]


def test_it_flattens_by_market_when_told_to(tmp_path: Path) -> None:
    lives = live_through(tmp_path / "j.sqlite", 60, last_stop=2)
    assert (lives.codes, lives.wrong()) == ([None, 0], [])
    assert lives.seconds[-1] < 4


def test_it_goes_on_trading_after_it_has_cleaned_up(tmp_path: Path) -> None:
    lives = live_through(tmp_path / "j.sqlite", 60, last_stop=0, rounds=2)
    assert (lives.codes, lives.wrong()) == ([None, 0], [])


def test_faults_of_the_venue_do_not_change_that(tmp_path: Path) -> None:
    for at in (33, 77):
        lives = live_through(tmp_path / f"{at}.sqlite", at, faults=FAULTS)
        assert (lives.codes, lives.wrong()) == ([None, 0], [])


def test_a_run_that_ended_flat_leaves_nothing(tmp_path: Path) -> None:
    lives = live_through(tmp_path / "j.sqlite", 1_000_000)
    assert (lives.codes, lives.left, lives.wrong()) == ([0, 0], [None, None], [])
