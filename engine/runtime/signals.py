"""SIGINT, SIGTERM and SIGHUP as calls in the loop, on the machine's loop and in virtual time alike (E18).

And Ctrl-Z as one: a process that the terminal stops with an order resting could not hedge its fill.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

LAST_LEVEL = 3


class StopSignals:
    """While entered, the n-th signal calls `on_stop(n)` between two callbacks of the loop, never inside one.

    A signal beyond the third means that the loop does not come round any more: it raises KeyboardInterrupt on the spot.
    With `on_suspend`, SIGTSTP calls it and suspends nothing. To be entered in the main thread; leaving puts the former
    receivers back, or leaves the signals to `afterwards`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_stop: Callable[[int], None],
        *,
        on_suspend: Callable[[], None] | None = None,
        afterwards: signal.Handlers | None = None,
    ) -> None:
        self._loop = loop
        self._on_stop = on_stop
        self._on_suspend = on_suspend
        self._afterwards = afterwards
        self._count = 0
        self._former: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopSignals:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._former[number] = signal.signal(number, self._arrived)
        if self._on_suspend is not None:
            self._former[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._suspend)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, receiver in self._former.items():
            stays = self._afterwards is None or number == signal.SIGTSTP
            signal.signal(number, receiver if stays else self._afterwards)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count > LAST_LEVEL:
            raise KeyboardInterrupt
        # It wakes a loop that waits for sockets; a virtual loop looks at its ready callbacks after every entry.
        self._loop.call_soon_threadsafe(self._on_stop, self._count)

    def _suspend(self, number: int, frame: FrameType | None) -> None:
        assert self._on_suspend is not None
        self._loop.call_soon_threadsafe(self._on_suspend)
