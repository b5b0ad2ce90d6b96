"""Time: order of entries, the live clock's promises, missing time, seeded chance."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

import pytest

from engine.runtime.chance import Chance, Stream
from engine.runtime.clock import (
    BEAT_NS,
    GAP_NS,
    MS,
    SWEEP_AT,
    Agenda,
    GapWatch,
    LiveClock,
    S,
    ScaledClock,
    VirtualClock,
    counting_ns,
)


class HandLoop:
    """The one method of asyncio's loop that a live clock uses; a test moves the time and runs the timer."""

    def __init__(self) -> None:
        self.now_ns = 100 * S
        self.armed: list[tuple[float, Callable[[], None]]] = []
        self.waits: list[float] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> HandLoop:
        self.armed = [(delay, callback)]
        self.waits.append(round(delay, 9))
        return self

    def cancel(self) -> None:
        self.armed.clear()

    def wake(self, after_ns: int) -> None:
        self.now_ns += after_ns
        ((_, callback),) = self.armed
        callback()


def live() -> tuple[LiveClock, HandLoop]:
    loop = HandLoop()
    return LiveClock(loop, read_ns=lambda: loop.now_ns), loop  # type: ignore[arg-type]


def test_entries_come_by_time_then_in_the_order_of_the_calls() -> None:
    agenda = Agenda()
    for when_ns, name in [(5, "a"), (3, "b"), (5, "c"), (3, "d")]:
        agenda.call_at(when_ns, print, name)
    assert [entry[3] for entry in sorted(agenda.heap)] == [("b",), ("d",), ("a",), ("c",)]


def test_cancelled_entries_do_not_pile_up() -> None:
    agenda = Agenda()
    kept = [agenda.call_at(n, print) for n in range(10)]
    for n in range(20 * SWEEP_AT):
        agenda.call_at(10**9 + n, print).cancel()
    assert len(agenda.heap) <= SWEEP_AT
    assert sorted(agenda.heap)[: len(kept)] == kept


def test_the_next_time_is_that_of_a_live_entry() -> None:
    agenda = Agenda()
    first = agenda.call_at(1, print)
    agenda.call_at(2, print)
    first.cancel()
    assert agenda.next_ns() == 2


def test_virtual_time_starts_where_told_and_carries_the_wall_clock() -> None:
    clock = VirtualClock(start_ns=5 * S, start_wall_ms=1_000)
    clock.at_ns += 250 * MS
    assert (clock.now_ns(), clock.wall_ms()) == (5 * S + 250 * MS, 1_250)


def test_a_live_callback_never_runs_before_its_time() -> None:
    clock, loop = live()
    ran: list[str] = []
    clock.call_at(loop.now_ns + 100, ran.append, "x")
    loop.wake(99)  # asyncio may wake a little early
    assert (ran, loop.waits) == ([], [1e-07, 1e-09])
    loop.wake(1)
    assert (ran, loop.armed) == (["x"], [])


def test_equal_live_times_run_in_the_order_of_the_calls() -> None:
    clock, loop = live()
    ran: list[str] = []
    for name in "abc":
        clock.call_at(loop.now_ns + 10, ran.append, name)
    clock.call_at(loop.now_ns + 5, ran.append, "first")
    loop.wake(10)
    assert ran == ["first", "a", "b", "c"]


def test_an_earlier_time_wakes_the_live_clock_earlier() -> None:
    clock, loop = live()
    clock.call_at(loop.now_ns + 200 * MS, print)
    clock.call_at(loop.now_ns + 100 * MS, print)
    clock.call_at(loop.now_ns + 300 * MS, print)
    assert loop.waits == [0.2, 0.1]


def test_a_live_wait_is_cut_because_asyncio_sleeps_through_a_suspend() -> None:
    clock, loop = live()
    clock.call_at(loop.now_ns + 3600 * S, print)
    assert loop.waits == [0.5]


def test_what_a_live_callback_adds_waits_for_the_next_turn() -> None:
    clock, loop = live()
    ran: list[int] = []

    def again(n: int) -> None:
        ran.append(n)
        clock.call_at(loop.now_ns, again, n + 1)

    clock.call_at(loop.now_ns, again, 1)
    loop.wake(0)
    assert ran == [1]
    loop.wake(0)
    assert ran == [1, 2]


def test_a_live_callback_that_raises_does_not_stop_the_clock() -> None:
    clock, loop = live()
    ran: list[str] = []
    clock.call_at(loop.now_ns, [].pop)
    clock.call_at(loop.now_ns, ran.append, "next")
    with pytest.raises(IndexError):
        loop.wake(0)
    loop.wake(0)
    assert ran == ["next"]


def test_a_scaled_clock_runs_faster_and_waits_shorter() -> None:
    loop = HandLoop()
    clock = ScaledClock(loop, speed=20, read_ns=lambda: loop.now_ns)  # type: ignore[arg-type]
    start_ns, wall_ms = clock.now_ns(), clock.wall_ms()
    clock.call_at(start_ns + 2 * S, print)
    loop.now_ns += 50 * MS
    assert (clock.now_ns() - start_ns, clock.wall_ms() - wall_ms, loop.waits) == (S, 1_000, [0.1])


def test_the_machines_clock_serves_a_real_loop() -> None:
    async def main() -> list[bool]:
        done = asyncio.get_running_loop().create_future()
        clock = LiveClock(asyncio.get_running_loop())
        when_ns = clock.now_ns() + MS
        clock.call_at(when_ns, done.set_result, None)
        await done
        return [clock.now_ns() >= when_ns, clock.wall_ms() > 1_700_000_000_000]

    assert asyncio.run(main()) == [True, True]


@pytest.mark.parametrize(
    ("steady_ns", "counting_ns", "gap_ns", "because"),
    [
        (BEAT_NS, BEAT_NS, 0, "a beat on time"),
        (BEAT_NS + GAP_NS, BEAT_NS + GAP_NS, 0, "late by no more than is let pass"),
        (BEAT_NS + GAP_NS + 1, BEAT_NS + GAP_NS + 1, GAP_NS + 1, "stalled: both clocks went on"),
        (10 * MS, 600 * S + 10 * MS, 600 * S, "slept: only one clock counted it"),
        (10 * MS, 10 * MS - 3 * S, 3 * S, "the wall clock was set back"),
        (BEAT_NS + S, BEAT_NS + 3 * S, 3 * S, "slept and then stalled"),
    ],
)
def test_missing_time_is_noticed_once(steady_ns: int, counting_ns: int, gap_ns: int, because: str) -> None:
    times = [0, 7 * S]
    watch = GapWatch(steady=lambda: times[0], counting=lambda: times[1])
    times[0] += steady_ns
    times[1] += counting_ns
    assert [watch.look(), watch.look()] == [gap_ns, 0], because


def test_a_stream_of_chance_is_the_same_everywhere() -> None:
    stream = Stream(7, "hold")
    assert [stream.below(6) for _ in range(12)] == [2, 2, 5, 1, 4, 4, 2, 2, 3, 3, 5, 3]


def test_streams_of_other_seeds_and_purposes_differ() -> None:
    def draws(seed: int, purpose: str) -> list[int]:
        stream = Stream(seed, purpose)
        return [stream.below(1_000_000) for _ in range(4)]

    assert len({tuple(draws(seed, purpose)) for seed in (1, 2) for purpose in ("taker", "hold")}) == 4


def test_chance_stays_inside_its_bounds_and_reaches_them() -> None:
    stream = Stream(1, "x")
    assert {stream.between(-1, 2) for _ in range(200)} == {-1, 0, 1, 2}
    assert {stream.below(1) for _ in range(10)} == {0}


def test_what_was_drawn_is_kept_in_order_over_all_streams() -> None:
    chance = Chance(3)
    drawn = [chance["taker"].below(10), chance["hold"].between(100, 200), chance["taker"].below(10)]
    assert (chance.take_draws(), chance.take_draws()) == (drawn, [])


def test_recording_changes_no_draw() -> None:
    chance, stream = Chance(3), Stream(3, "hold")
    assert [chance["hold"].between(0, 99) for _ in range(5)] == [stream.between(0, 99) for _ in range(5)]


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="this system counts no suspend")
def test_the_clock_of_a_run_counts_a_suspend() -> None:
    """S14: ages of exposure and of books go on while the machine sleeps; no other test here can make it sleep."""
    before_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert before_ns <= counting_ns() <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert isinstance(counting_ns, partial)
    assert counting_ns.args == (time.CLOCK_BOOTTIME,)
