"""Asks a venue again where giving up would leave alone what is open: a run that takes over must come up, within bounds.

It begins in a minute whose requests the dead run may have used up (S11), and at a moment at which a venue may answer a
question with 502, or not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from exchanges.errors import ExchangeError, RateLimited

__all__ = ["AWAY_MOST_S", "WAIT_MOST_MS", "Patience", "growing"]

WAIT_MOST_MS = 120_000  # of one question: venues count over a minute, and others of this machine may ask meanwhile
FIRST_MS = 1_000  # doubled at each further "no": what came free for half of a question is not used up again and again …
LATER_MS = 16_000  # … up to this
AWAY_MOST_S = 25  # of one question without an answer: a hiccup passes within; what takes longer a person should know
AWAY_FIRST_MS, AWAY_LATER_MS = 1_000, 4_000  # what is open waits no longer than the latter for a venue that is back

T = TypeVar("T")
Question = Callable[[], Coroutine[Any, Any, T]]
Tell = Callable[[str], None]


def growing(first: int, most: int) -> Iterator[int]:
    """Pauses between tries: each is twice the one before, up to the last."""
    while True:
        yield first
        first = min(2 * first, most)


class Patience:
    """That of one start. `no_room` hears once that no request is left, `no_answer` once of each reason without one."""

    def __init__(self, no_room: Tell, no_answer: Tell) -> None:
        self._no_room = no_room
        self._no_answer = no_answer
        self._told: set[str] = set()

    async def room(self, question: Question[T]) -> T:
        """What the question answers, asked again while no request is left for it.

        Raises: whatever it raises; RateLimited where the wait would be more than WAIT_MOST_MS, as when a venue bars us.
        """
        waited_ms, pauses_ms = 0, growing(FIRST_MS, LATER_MS)
        while True:
            try:
                return await question()
            except RateLimited as error:
                wait_ms = max(error.retry_ms, next(pauses_ms))
                if waited_ms + wait_ms > WAIT_MOST_MS:
                    raise
                self._say(self._no_room, "", f"{error}; waiting for it, up to {WAIT_MOST_MS // 1000} s")
            waited_ms += wait_ms
            await asyncio.sleep(wait_ms / 1000)

    async def answer(self, question: Question[T], *, of: str) -> T:
        """As `room`, and asked again while its venue does not answer, for AWAY_MOST_S after it first did not.

        `of` says whose answer it is. Raises: whatever it raises in the end; at once what no other try mends, such as a
        key that is refused.
        """
        now_s, pauses_ms = asyncio.get_running_loop().time, growing(AWAY_FIRST_MS, AWAY_LATER_MS)
        until_s: float | None = None
        while True:
            try:
                return await self.room(question)
            except ExchangeError as error:
                pause_s = next(pauses_ms) / 1000
                until_s = now_s() + AWAY_MOST_S if until_s is None else until_s
                if not error.passing or now_s() + pause_s > until_s:
                    raise
                why = f"{of}: {error}"
                self._say(self._no_answer, why, f"{why}; asking again for up to {AWAY_MOST_S} s")
            await asyncio.sleep(pause_s)

    def _say(self, tell: Tell, why: str, text: str) -> None:
        if why not in self._told:
            self._told.add(why)
            tell(text)
