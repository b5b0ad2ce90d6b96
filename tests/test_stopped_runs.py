"""A run is asked to stop at an effect, once, twice, three times: it ends flat and in time, or says what is open (E18).

`make stops` tries every effect of many runs; here stand some of each kind.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from killed_runs import stop_at
from stop_campaign import complaints, ladder

# Before the venues were read, with an opening on its way, in a round, while it closes, in the cleanup.
MOMENTS = (3, 35, 52, 80, 121, 150)


@pytest.mark.parametrize("at", MOMENTS)
def test_a_stop_closes_in_order(tmp_path: Path, at: int) -> None:
    lives = stop_at(tmp_path / "j.sqlite", {at: 1})
    assert (complaints(lives), set(lives.stopped_s)) == ([], {1})


@pytest.mark.parametrize(("at", "gap"), [(35, 4), (52, 0), (80, 7), (121, 2)])
def test_a_second_one_closes_by_market(tmp_path: Path, at: int, gap: int) -> None:
    lives = stop_at(tmp_path / "j.sqlite", ladder(at, (gap,)))
    assert (complaints(lives), lives.codes) == ([], [0])


@pytest.mark.parametrize(("at", "gaps"), [(52, (3, 5)), (80, (0, 0))])
def test_a_third_one_leaves_at_once_and_the_next_run_finishes_it(
    tmp_path: Path, at: int, gaps: tuple[int, ...]
) -> None:  # fmt: skip
    lives = stop_at(tmp_path / "j.sqlite", ladder(at, gaps))
    assert (complaints(lives), lives.codes) == ([], [130, 0])


def test_a_stop_that_fails_or_takes_too_long_is_told(tmp_path: Path) -> None:
    """What the campaign looks for, planted."""
    lives = stop_at(tmp_path / "j.sqlite", ladder(52, (2,)))
    lives.stopped_s = {1: Decimal(31), 2: Decimal(11)}
    lives.codes[-1] = 1
    assert complaints(lives) == ["by market it took 11 s", "it took 31 s", "exit codes [1]"]
