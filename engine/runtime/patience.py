"""Waits for room in a venue's budget of requests (S11) where giving up would leave alone what is open.

A run that takes over from a dead one begins in a minute that the dead one may have used up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from exchanges.errors import RateLimited

__all__ = ["WAIT_MOST_MS", "Patience"]

WAIT_MOST_MS = 120_000  # of one question: venues count over a minute, and others of this machine may ask meanwhile
FIRST_MS = 1_000  # doubled at each further "no": what came free for half of a question is not used up again and again …
LATER_MS = 16_000  # … up to this

T = TypeVar("T")


class Patience:
    """That of one start. `tell` hears the first "no", in words."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._told = False

    async def answer(self, question: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the question answers, asked again while no request is left for it.

        Raises: whatever it raises; RateLimited where the wait would be more than WAIT_MOST_MS, as when a venue bars us.
        """
        waited_ms, pause_ms = 0, FIRST_MS
        while True:
            try:
                return await question()
            except RateLimited as error:
                wait_ms = max(error.retry_ms, pause_ms)
                if waited_ms + wait_ms > WAIT_MOST_MS:
                    raise
                if not self._told:
                    self._told = True
                    self._tell(f"{error}; waiting for it, up to {WAIT_MOST_MS // 1000} s")
            waited_ms, pause_ms = waited_ms + wait_ms, min(2 * pause_ms, LATER_MS)
            await asyncio.sleep(wait_ms / 1000)
