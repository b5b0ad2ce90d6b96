"""An asyncio loop in virtual time: coroutines, tasks, timeouts and clock entries run as fast as the machine can.

No selector, no sockets, no threads, no chance: what runs next depends only on what was called before. When nothing is
ready, time jumps to the next entry.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context
from heapq import heappop
from typing import Any, NoReturn, TypeVarTuple, Unpack

from engine.runtime.clock import S, VirtualClock
from engine.runtime.entry import Entry, OwnedEntry

Ts = TypeVarTuple("Ts")

MOST_TURNS = 1_000_000  # callbacks without time moving: beyond it something wakes itself for ever


class VirtualTimeError(RuntimeError):
    """A program that cannot run in virtual time; ends the loop. `Deadlock`, `Livelock`, `Forbidden`."""


class Deadlock(VirtualTimeError):
    """Nothing is ready and no timer is set, so nothing can ever happen again."""


class Livelock(VirtualTimeError):
    """Callbacks wake each other without time moving."""


class Forbidden(VirtualTimeError):
    """Threads and executors run in the machine's time and order."""


class _LoopTimer(asyncio.TimerHandle):
    """A handle of asyncio's `call_at` that takes its entry along when it is cancelled."""

    __slots__ = ("entry",)
    entry: Entry

    def cancel(self) -> None:
        self.entry.cancel()
        super().cancel()


class VirtualLoop(asyncio.BaseEventLoop):
    """Give it to `asyncio.Runner(loop_factory=VirtualLoop)`; its clock is `loop.clock`.

    All that is ready runs before the next entry; entries run by time, then in the order of the calls.
    """

    _ready: deque[asyncio.Handle]  # of asyncio's base class, as are _stopping, _closed and _check_closed
    _stopping: bool
    _closed: bool
    _check_closed: Callable[[], None]

    def __init__(self, clock: VirtualClock | None = None) -> None:
        super().__init__()
        self.clock = clock or VirtualClock()
        self._thread = threading.get_ident()

    def time(self) -> float:
        return self.clock.at_ns / S

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        self._check_closed()
        timer = _LoopTimer(when, callback, args, self, context)
        timer.entry = self.clock.call_at(round(when * S), timer._run)
        return timer

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """As asyncio's own, in one call instead of four: half of what a simulation's tasks do is to wake each other."""
        if self._closed:
            self._check_closed()
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """For signals only, which arrive in the loop's own thread."""
        if threading.get_ident() != self._thread:
            raise Forbidden("another thread called a loop that runs in virtual time")
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(self, executor: object, func: Callable[..., object], *args: object) -> NoReturn:
        raise Forbidden(f"{getattr(func, '__qualname__', func)} wants a thread in virtual time")

    def close(self) -> None:
        super().close()
        self.clock.heap.clear()

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Called by every `TimerHandle.cancel`; the entry is dead already."""

    def _run_once(self) -> None:
        """Run until stopped; returns early after a callback's exception, which went to the exception handler."""
        try:
            self._run_entries()
        except (SystemExit, KeyboardInterrupt, VirtualTimeError):
            raise
        except BaseException as error:  # noqa: BLE001 as asyncio does for its handles: the exception handler decides
            self.call_exception_handler({"message": "Exception in a clock entry", "exception": error})

    def _run_entries(self) -> None:
        clock, heap, ready = self.clock, self.clock.heap, self._ready
        turns = 0
        while True:
            while ready:
                handle = ready.popleft()
                if not handle._cancelled:
                    handle._run()
                turns += 1
                if self._stopping or turns > MOST_TURNS:
                    break
            if self._stopping:
                return
            if turns > MOST_TURNS:
                raise Livelock(f"{turns} callbacks without time moving; running: {self._waiting()}")
            if not heap:
                raise Deadlock(f"nothing is ready and no timer is set; waiting: {self._waiting()}")
            entry = heappop(heap)
            callback = entry[2]
            if callback is not None:
                when_ns = entry[0]
                if when_ns > clock.at_ns:
                    clock.at_ns = when_ns
                    turns = 0
                turns += 1
                if type(entry) is OwnedEntry and entry[4].wakes_ns > clock.at_ns:
                    entry[4].hold(entry)
                    continue
                entry[2] = None  # a timer holds its entry, and this the timer
                callback(*entry[3])

    def _waiting(self) -> str:
        """Where each task waits, in an order that does not depend on addresses."""
        return ", ".join(sorted(_place(task) for task in asyncio.all_tasks(self))) or "no task"


def _place(task: asyncio.Task[Any]) -> str:
    coro = task.get_coro()
    name = getattr(coro, "__qualname__", "task")
    frames = task.get_stack()
    return f"{name} line {frames[-1].f_lineno}" if frames else name
