"""One life of a process in a simulated world: its clock, which may stand still or stop for ever, and its loop.

The world (venues, their markets, what is on its way to them) goes on without it, on the world's own clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from heapq import heappush
from typing import Any, TypeVarTuple, Unpack

from engine.runtime.clock import S, VirtualClock
from engine.runtime.entry import OwnedEntry
from engine.runtime.loop import VirtualLoop
from exchanges.types import Rng

Ts = TypeVarTuple("Ts")

__all__ = ["ProcessClock", "ProcessLoop"]

NEVER_NS = 1 << 62


class ProcessClock:
    """The world's time as one process lives it.

    While it is `paused`, what falls due waits, frames that arrive as well; time passes all the same, as for a machine
    that sleeps. After `end` nothing of it runs any more. `wall_skew_ms` is how far its wall clock is ahead.
    """

    def __init__(self, world: VirtualClock) -> None:
        self.world = world
        self.wall_skew_ms = 0
        self.over = False
        self.slept_ns = 0  # how long it stood still in all
        self.wakes_ns = 0  # nothing of it runs before
        self.until_ns = 0  # of its last pause; 0: it has not stood still yet

    def now_ns(self) -> int:
        return self.world.at_ns

    def steady_ns(self) -> int:
        """A clock that stands still with the process: what a machine has that does not count its sleep."""
        return self.world.at_ns - self.slept_ns

    def wall_ms(self) -> int:
        return self.world.wall_ms() + self.wall_skew_ms

    def call_at(self, when_ns: int, callback: Callable[..., None], *args: object) -> OwnedEntry:
        world = self.world
        entry = OwnedEntry((when_ns, world.next_seq(), callback, args, self))
        heappush(world.heap, entry)
        if len(world.heap) > world.sweep_at:
            world.sweep()
        return entry

    def post_at(self, when_ns: int, callback: Callable[..., None], *args: object) -> None:
        world = self.world
        heappush(world.heap, OwnedEntry((when_ns, world.next_seq(), callback, args, self)))

    def hold(self, entry: OwnedEntry) -> None:
        """What falls due while it stands still runs when it goes on, in the order in which it fell due."""
        if not self.over:
            entry[0], entry[1] = self.wakes_ns, self.world.next_seq()
            heappush(self.world.heap, entry)

    def pause(self, for_ns: int) -> None:
        """Stand still from now on."""
        until_ns = self.world.at_ns + for_ns
        if until_ns > self.until_ns:
            self.slept_ns += until_ns - max(self.world.at_ns, self.until_ns)
            self.until_ns = until_ns
            if not self.over:
                self.wakes_ns = until_ns

    @property
    def left_ns(self) -> int:
        """How long it will still stand."""
        return max(0, self.until_ns - self.world.at_ns)

    def end(self) -> None:
        """The process is dead."""
        self.over = True
        self.wakes_ns = NEVER_NS


class _LoopTimer(asyncio.TimerHandle):
    """A handle of asyncio's `call_at` that takes its entry along when it is cancelled."""

    __slots__ = ("entry",)
    entry: OwnedEntry

    def cancel(self) -> None:
        self.entry.cancel()
        super().cancel()


class ProcessLoop(VirtualLoop):
    """The loop of one life. With `order`, tasks that are ready together go on in an order of chance.

    Only steps of tasks change places: what asyncio itself calls back relies on its order.
    """

    def __init__(self, clock: ProcessClock, *, order: Rng | None = None) -> None:
        super().__init__(clock.world)
        self.process = clock
        self._order = order

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        self._check_closed()
        handle = _LoopTimer(when, callback, args, self, context)
        handle.entry = self.process.call_at(round(when * S), handle._run)
        return handle

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = super().call_soon(callback, *args, context=context)
        if self._order is not None and len(self._ready) > 1 and _is_step(handle):
            self._shuffle_in(handle, self._order)
        return handle

    def close(self) -> None:
        """The world's clock goes on: another life may follow on it."""
        asyncio.BaseEventLoop.close(self)

    def _shuffle_in(self, handle: asyncio.Handle, order: Rng) -> None:
        """Give a step any place among those that wait with it, behind the last other callback."""
        ready = self._ready
        beside = 0
        while beside < len(ready) - 1 and _is_step(ready[-2 - beside]):
            beside += 1
        earlier = order.below(beside + 1)
        if earlier:
            ready.pop()
            ready.insert(len(ready) - earlier, handle)


def _is_step(handle: asyncio.Handle) -> bool:
    callback: Any = handle._callback  # type: ignore[attr-defined]
    return isinstance(getattr(callback, "__self__", None), asyncio.Task)
