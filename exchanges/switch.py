"""A venue's dead man's switch: it cancels an account's orders unless it is armed anew in time. Knows no venue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from exchanges.errors import BadFrame, ExchangeError
from exchanges.tasks import Tasks
from exchanges.types import Cancellable, Clock

S = 1_000_000_000
TURNS = 3  # how often it is armed within its own time: two may fail


class Switch:
    """Calls `arm` with `seconds` again and again while started, with 0 to take it away.

    Only for accounts whose orders are all ours (S1): it does not ask who placed them.
    """

    def __init__(
        self, arm: Callable[[int], Awaitable[None]], clock: Clock, *, seconds: int, note: Callable[[str], None]
    ) -> None:
        self._arm_venue = arm
        self._clock = clock
        self._seconds = seconds
        self._note = note
        self._tasks = Tasks()
        self._timer: Cancellable | None = None

    async def start(self) -> None:
        """Raises: ExchangeError: the account was to be guarded from the first order on."""
        await self._arm_venue(self._seconds)
        self._turn()

    async def stop(self) -> None:
        """Take the switch away: who disconnects leaves orders as they are."""
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        await self._tasks.cancel()
        await self._arm(0)

    def _turn(self) -> None:
        self._timer = self._clock.call_at(self._clock.now_ns() + self._seconds * S // TURNS, self._due)

    def _due(self) -> None:
        self._turn()
        self._tasks.spawn(self._arm(self._seconds))

    async def _arm(self, seconds: int) -> None:
        try:
            await self._arm_venue(seconds)
        except (ExchangeError, BadFrame) as error:
            self._note(f"the dead man's switch could not be {'armed' if seconds else 'taken away'}: {error}")
