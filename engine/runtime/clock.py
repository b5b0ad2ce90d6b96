"""Time behind one seam: the machine's clock, the same running faster, and a virtual one that jumps from entry to entry.

The only module of the engine that reads the machine's time. Nanoseconds are those of a clock that counts a suspended
machine (S14); a callback never runs before its time, and equal times run in the order of the calls.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any

from engine.runtime.entry import Entry

S = 1_000_000_000
MS = 1_000_000
SWEEP_AT = 64  # entries; cancelled ones are swept out when an agenda has doubled since the last sweep
LONGEST_WAIT_S = 0.5  # asyncio's timers stand still while the machine sleeps: entries due by then wait no longer
BEAT_NS = 500 * MS  # how often a running process looks whether time went missing
GAP_NS = 2 * S  # what counts as missing time (S14)


class Agenda:
    """Entries by time, then by the order of the calls."""

    __slots__ = ("heap", "next_seq", "sweep_at")

    def __init__(self) -> None:
        self.heap: list[list[Any]] = []
        self.next_seq = count(1).__next__
        self.sweep_at = SWEEP_AT

    def call_at(self, when_ns: int, callback: Callable[..., None], *args: object) -> Entry:
        entry = Entry((when_ns, self.next_seq(), callback, args))
        heap = self.heap
        heappush(heap, entry)
        if len(heap) > self.sweep_at:
            self.sweep()
        return entry

    def post_at(self, when_ns: int, callback: Callable[..., None], *args: object) -> None:
        heappush(self.heap, [when_ns, self.next_seq(), callback, args])

    def next_ns(self) -> int | None:
        """Time of the first live entry."""
        heap = self.heap
        while heap and heap[0][2] is None:
            heappop(heap)
        return heap[0][0] if heap else None

    def sweep(self) -> None:
        """Throw cancelled entries out."""
        self.heap[:] = [entry for entry in self.heap if entry[2] is not None]
        heapify(self.heap)
        self.sweep_at = max(SWEEP_AT, 2 * len(self.heap))


class VirtualClock(Agenda):
    """A clock that stands still until `VirtualLoop` moves it to the next entry.

    It starts at one second, not at 0, because 0 stands for "never" in many records.
    """

    __slots__ = ("_start_ns", "_start_wall_ms", "at_ns")

    def __init__(self, *, start_ns: int = S, start_wall_ms: int = 1_700_000_000_000) -> None:
        super().__init__()
        self.at_ns = start_ns
        self._start_ns = start_ns
        self._start_wall_ms = start_wall_ms

    def now_ns(self) -> int:
        return self.at_ns

    def wall_ms(self) -> int:
        return self._start_wall_ms + (self.at_ns - self._start_ns) // MS


class LiveClock:
    """The machine's time on an asyncio loop.

    `now_ns` is no method: it is read a dozen times between a fill and its hedge.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, read_ns: Callable[[], int] | None = None) -> None:
        self._loop = loop
        self.now_ns = read_ns or counting_ns
        self._agenda = Agenda()
        self._wake: asyncio.TimerHandle | None = None

    def wall_ms(self) -> int:
        return time.time_ns() // MS

    def call_at(self, when_ns: int, callback: Callable[..., None], *args: object) -> Entry:
        entry = self._agenda.call_at(when_ns, callback, *args)
        if self._agenda.heap[0] is entry:
            self._arm()
        return entry

    def post_at(self, when_ns: int, callback: Callable[..., None], *args: object) -> None:
        self.call_at(when_ns, callback, *args)

    def _seconds(self, span_ns: int) -> float:
        """How long to wait for `span_ns` of this clock."""
        return span_ns / S

    def _arm(self) -> None:
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        when_ns = self._agenda.next_ns()
        if when_ns is not None:
            wait_s = self._seconds(max(0, when_ns - self.now_ns()))
            self._wake = self._loop.call_later(min(wait_s, LONGEST_WAIT_S), self._run_due)

    def _run_due(self) -> None:
        """Run what is due, but not what the callbacks add: sockets get their turn in between."""
        heap, now_ns = self._agenda.heap, self.now_ns()
        try:
            for _ in range(len(heap)):
                if not heap or heap[0][0] > now_ns:
                    break
                entry = heappop(heap)
                if entry[2] is not None:
                    entry[2](*entry[3])
        finally:
            self._arm()


class ScaledClock(LiveClock):
    """The machine's time from now on, `speed` times as fast; for watching a paper run."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, speed: int, read_ns: Callable[[], int] | None = None
    ) -> None:
        super().__init__(loop, read_ns=read_ns)
        self._speed = speed
        self._read_ns = self.now_ns
        self._start_ns = self._read_ns()
        self._start_wall_ms = super().wall_ms()
        self.now_ns = self._scaled_ns

    def _scaled_ns(self) -> int:
        return self._start_ns + (self._read_ns() - self._start_ns) * self._speed

    def wall_ms(self) -> int:
        return self._start_wall_ms + (self.now_ns() - self._start_ns) // MS

    def _seconds(self, span_ns: int) -> float:
        return span_ns / S / self._speed


# Monotonic time that counts suspend, where the system has it; `GapWatch` covers the others by the wall clock.
counting_ns: Callable[[], int] = (
    partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic_ns
)


class GapWatch:
    """Notices that the machine slept, the process stalled or the wall clock was set: time that nobody lived through.

    `steady` stands still in a suspend, `counting` does not. After each look the next is expected within a beat.
    """

    def __init__(
        self, *, steady: Callable[[], int] = time.monotonic_ns, counting: Callable[[], int] | None = None
    ) -> None:
        self._steady = steady
        self._counting = counting or (counting_ns if hasattr(time, "CLOCK_BOOTTIME") else time.time_ns)
        self._seen_ns = self._steady()
        self._apart_ns = self._counting() - self._seen_ns

    def look(self) -> int:
        """Nanoseconds that went missing since the last look; 0 unless they are more than S14 lets pass."""
        steady_ns, counting_ns = self._steady(), self._counting()
        apart_ns = counting_ns - steady_ns
        slept_ns = abs(apart_ns - self._apart_ns)
        stalled_ns = max(0, steady_ns - self._seen_ns - BEAT_NS)
        self._seen_ns, self._apart_ns = steady_ns, apart_ns
        gap_ns = slept_ns + stalled_ns
        return gap_ns if gap_ns > GAP_NS else 0
