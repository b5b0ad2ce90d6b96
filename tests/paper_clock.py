"""A small virtual clock for tests of the venue side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from heapq import heappop, heappush
from itertools import count
from typing import Any, TypeVar

T = TypeVar("T")


class Timer:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class PaperClock:
    """Runs callbacks in order of time, then of the calls. The wall clock reads `now_ns` as ms."""

    def __init__(self) -> None:
        self._now_ns = 0
        self._heap: list[tuple[int, int, Timer, Callable[..., None], tuple[object, ...]]] = []
        self._next = count().__next__

    def now_ns(self) -> int:
        return self._now_ns

    def wall_ms(self) -> int:
        return self._now_ns // 1_000_000

    def call_at(self, when_ns: int, callback: Callable[..., None], *args: object) -> Timer:
        timer = Timer()
        heappush(self._heap, (when_ns, self._next(), timer, callback, args))
        return timer

    def post_at(self, when_ns: int, callback: Callable[..., None], *args: object) -> None:
        self.call_at(when_ns, callback, *args)

    def spend(self, ns: int) -> None:
        """Time that passes without a turn: the machine was busy."""
        self._now_ns += ns

    def step(self) -> bool:
        """Run the next callback; False if there is none."""
        if not self._heap:
            return False
        when_ns, _, timer, callback, args = heappop(self._heap)
        self._now_ns = max(self._now_ns, when_ns)
        if not timer.cancelled:
            callback(*args)
        return True

    def run_until(self, end_ns: int) -> None:
        """Run everything due up to `end_ns`, then stand there."""
        while self._heap and self._heap[0][0] <= end_ns:
            self.step()
        self._now_ns = max(self._now_ns, end_ns)

    def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine that waits for nothing but this clock."""
        return asyncio.run(self._drive(work))

    async def _drive(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.create_task(work)
        await _settle()
        while not task.done():
            assert self.step(), "the coroutine waits for something that the clock does not bring"
            await _settle()
        return task.result()


async def _settle() -> None:
    """Let tasks that are ready run; a task woken by another needs one more turn of the loop."""
    for _ in range(4):
        await asyncio.sleep(0)
