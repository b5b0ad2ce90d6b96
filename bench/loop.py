"""What virtual time costs: a clock entry, a `call_later`, a sleeping task, beside a bare heap and asyncio's own loop.

    python bench/loop.py

Each variant keeps `DEPTH` callbacks going, each of which posts itself again. Rounds of all variants are interleaved;
printed are the best and the median of the rounds, in ns a callback.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine.runtime.loop import VirtualLoop

DEPTH = 20
CALLBACKS = 40_000
ROUNDS = 7
STEP_NS = 1_000


def bare_heap() -> float:
    """The floor: a heap of tuples, no cancelling, no coroutines."""
    heap: list[tuple[int, int, Callable[..., None], tuple[object, ...]]] = []
    next_seq = count().__next__
    now_ns = left = 0

    def again(name: int) -> None:
        nonlocal left
        left -= 1
        if left >= DEPTH:
            heappush(heap, (now_ns + STEP_NS, next_seq(), again, (name,)))

    left = CALLBACKS
    for name in range(DEPTH):
        heappush(heap, (name, next_seq(), again, (name,)))
    began = time.perf_counter_ns()
    while heap:
        now_ns, _, callback, args = heappop(heap)
        callback(*args)
    return (time.perf_counter_ns() - began) / CALLBACKS


def virtual_entry() -> float:
    def start(loop: VirtualLoop, count_down: Callable[[], bool]) -> None:
        clock = loop.clock

        def again(name: int) -> None:
            if count_down():
                clock.call_at(clock.now_ns() + STEP_NS, again, name)

        for name in range(DEPTH):
            again(name)

    return _on(VirtualLoop(), start)


def virtual_call_later() -> float:
    return _on(VirtualLoop(), _call_later)


def asyncio_call_later() -> float:
    """asyncio's own loop with a timer that is due at once: it has no virtual time, so this is its best case."""
    return _on(asyncio.new_event_loop(), _call_later)


def _call_later(loop: asyncio.AbstractEventLoop, count_down: Callable[[], bool]) -> None:
    delay_s = STEP_NS / 1e9 if isinstance(loop, VirtualLoop) else 0

    def again(name: int) -> None:
        if count_down():
            loop.call_later(delay_s, again, name)

    for name in range(DEPTH):
        again(name)


def _on(loop: asyncio.AbstractEventLoop, start: Callable[..., None]) -> float:
    left = CALLBACKS

    def count_down() -> bool:
        nonlocal left
        left -= 1
        if left == 0:
            loop.stop()
        return left >= 0

    start(loop, count_down)
    began = time.perf_counter_ns()
    loop.run_forever()
    spent_ns = time.perf_counter_ns() - began
    loop.close()
    return spent_ns / CALLBACKS


def virtual_sleep() -> float:
    return _sleepers(asyncio.Runner(loop_factory=VirtualLoop), STEP_NS / 1e9)


def asyncio_sleep() -> float:
    """As `asyncio_call_later`: the shortest sleep that goes through the timers."""
    return _sleepers(asyncio.Runner(), 1e-9)


def _sleepers(runner: asyncio.Runner, seconds: float) -> float:
    async def sleeper() -> None:
        for _ in range(CALLBACKS // DEPTH):
            await asyncio.sleep(seconds)

    async def main() -> float:
        began = time.perf_counter_ns()
        await asyncio.gather(*(sleeper() for _ in range(DEPTH)))
        return (time.perf_counter_ns() - began) / CALLBACKS

    with runner:
        return runner.run(main())


VARIANTS = (bare_heap, virtual_entry, virtual_call_later, asyncio_call_later, virtual_sleep, asyncio_sleep)


def main() -> None:
    figures: dict[str, list[float]] = {variant.__name__: [] for variant in VARIANTS}
    gc.disable()
    for _ in range(ROUNDS):
        for variant in VARIANTS:
            figures[variant.__name__].append(variant())
            gc.collect()
    floor = median(figures["bare_heap"])
    print(f"{'':20} {'best':>8} {'median':>8} {'ratio':>6}   ns a callback, {DEPTH} going, {CALLBACKS} x {ROUNDS}")
    for name, rounds in figures.items():
        print(f"{name:20} {min(rounds):8.0f} {median(rounds):8.0f} {median(rounds) / floor:6.2f}")


if __name__ == "__main__":
    main()
