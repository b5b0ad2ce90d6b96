"""Which messages came together: those that one read of a socket brought, handed over one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

MOST_TOGETHER = 16  # messages: a read may bring a thousand small ones, and behind them a hedge would be late


class Reads:
    """The reads of one process. `more` is true while messages are handed over behind which others of their read wait.

    Who would act on all of them at once waits for the last one: nothing else happens in the process until then. A read
    of more than MOST_TOGETHER messages counts as several.
    """

    __slots__ = ("_waiting", "more")

    def __init__(self) -> None:
        self.more = False
        self._waiting: list[Callable[[], None]] = []

    def at_end(self, call: Callable[[], None]) -> None:
        """Have `call`, which must not raise, called when all messages of this read have been handed over."""
        self._waiting.append(call)

    def hand_over(self, deliveries: Sequence[Callable[[], object]]) -> None:
        """Deliver the messages of one read, in their order. What a delivery raises ends it: the rest is lost."""
        for first in range(0, len(deliveries), MOST_TOGETHER):
            self._hand_over(deliveries[first : first + MOST_TOGETHER])

    def _hand_over(self, deliveries: Sequence[Callable[[], object]]) -> None:
        last = len(deliveries) - 1
        try:
            for place, deliver in enumerate(deliveries):
                self.more = place < last
                deliver()
        finally:
            self.more = False
            if self._waiting:
                self._over()

    def _over(self) -> None:
        waiting, self._waiting = self._waiting, []
        with ExitStack() as calls:  # a defect of one run may not keep the next one's hedge
            for call in reversed(waiting):
                calls.callback(call)
