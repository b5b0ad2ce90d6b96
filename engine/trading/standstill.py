"""Says why the flow does not open: once for every reason that stands for a while, never twice a minute the same.

Knows only the words that it is given and the time: it reads no book and decides nothing.
"""

from __future__ import annotations

from engine.trading.effects import Alert, Level
from engine.trading.world import S

STANDS_NS = 2 * S  # a reason of the moment, such as a rate reserve between two rounds, is not worth a line
APART_NS = 2 * S  # looks further apart than this belong to different waits
AGAIN_NS = 60 * S  # the same words are not told again before
_NO_NUMBERS = str.maketrans("", "", "0123456789.")


class Standstill:
    """Hears at every look of the flow why it may not open, or that it may."""

    __slots__ = ("_reason", "_seen_ns", "_since_ns", "_told", "_told_ns", "_waits")

    def __init__(self) -> None:
        self._reason = ""  # without its numbers: other numbers are no other reason
        self._since_ns = 0
        self._seen_ns = 0
        self._waits = False  # is there something left to tell of this reason?
        self._told = ""
        self._told_ns = -AGAIN_NS

    def look(self, why: str, at_ns: int) -> Alert | None:
        """What to tell now; `why` is empty where an opening may be made."""
        reason = why.translate(_NO_NUMBERS)
        if reason != self._reason or at_ns - self._seen_ns > APART_NS:
            self._reason, self._since_ns, self._waits = reason, at_ns, bool(reason)
        self._seen_ns = at_ns
        if not self._waits or at_ns - self._since_ns < STANDS_NS:
            return None
        self._waits = False
        if reason == self._told and at_ns - self._told_ns < AGAIN_NS:
            return None
        self._told, self._told_ns = reason, at_ns
        return Alert(Level.INFO, "not_opening", f"not opening: {why}", {"why": why})
