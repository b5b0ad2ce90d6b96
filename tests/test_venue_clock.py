"""A venue's clock: the best reading counts, an exact one replaces it, and one that was moved is believed."""

from __future__ import annotations

import asyncio

import pytest
from paper_clock import PaperClock

from exchanges.errors import AuthFailed
from exchanges.venue_clock import MS, VenueClock


def read(it: VenueClock, clock: PaperClock, *, ahead_ms: int, out_ms: int, back_ms: int) -> str:
    """One reading; the venue's clock is ahead of ours, and the way takes so long."""

    async def ask() -> int:
        clock.spend(out_ms * MS)
        said = clock.wall_ms() + ahead_ms
        clock.spend(back_ms * MS)
        return said

    return asyncio.run(it.read(ask))


def test_a_reading_is_as_exact_as_its_way_is_short() -> None:
    clock = PaperClock()
    it = VenueClock(clock)
    read(it, clock, ahead_ms=40, out_ms=10, back_ms=30)
    assert it.error_ms == 22
    assert abs(it.ms - clock.wall_ms() - 40) <= it.error_ms


def test_a_reading_while_the_machine_stood_still_does_not_spoil_an_exact_one() -> None:
    clock = PaperClock()
    it = VenueClock(clock)
    read(it, clock, ahead_ms=40, out_ms=5, back_ms=5)
    clock.spend(60_000 * MS)
    read(it, clock, ahead_ms=40, out_ms=5, back_ms=4_000)
    assert it.ms - clock.wall_ms() == 40
    assert it.error_ms == 7 + 6  # grown by what two clocks may drift apart in a minute
    read(it, clock, ahead_ms=43, out_ms=2, back_ms=2)
    assert (it.ms - clock.wall_ms(), it.error_ms) == (43, 4)


def test_a_clock_that_was_set_is_believed_at_once() -> None:
    clock = PaperClock()
    it = VenueClock(clock)
    read(it, clock, ahead_ms=0, out_ms=5, back_ms=5)
    read(it, clock, ahead_ms=900, out_ms=50, back_ms=50)
    assert abs(it.ms - clock.wall_ms() - 900) <= it.error_ms
    assert abs(it.offset_ms - 900) <= it.error_ms


def test_a_clock_too_far_apart_refuses_the_start_and_later_is_told() -> None:
    clock = PaperClock()
    it = VenueClock(clock)
    with pytest.raises(AuthFailed, match="set the clock"):
        read(it, clock, ahead_ms=5_000, out_ms=5, back_ms=5)
    assert read(it, clock, ahead_ms=0, out_ms=5, back_ms=5) == ""
    assert "set the clock" in read(it, clock, ahead_ms=5_000, out_ms=5, back_ms=5)
