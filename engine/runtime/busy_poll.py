"""A loop that never sleeps: it asks its sockets again and again, and no message waits for the processor to wake up."""

from __future__ import annotations

import asyncio
from selectors import DefaultSelector, SelectorKey

from engine.runtime.clock import S, counting_ns

_Ready = list[tuple[SelectorKey, int]]


class BusySelector(DefaultSelector):
    """Waits as any selector does, but awake; other threads of the process run whenever they can."""

    def select(self, timeout: float | None = None) -> _Ready:
        """What is ready, at once or as soon as there is something; nothing after `timeout` seconds."""
        until_ns = None if timeout is None else counting_ns() + round(timeout * S)
        while True:
            ready = super().select(0)
            if ready or (until_ns is not None and counting_ns() >= until_ns):
                return ready


def busy_loop() -> asyncio.AbstractEventLoop:
    """For `asyncio.Runner(loop_factory=busy_loop)`."""
    return asyncio.SelectorEventLoop(BusySelector())
