"""Requests of an account per minute: one model, for the desk that counts what it asks for and for the wire (S11, S16).

Pure; times are given, in ns. The sender's copy decides what leaves, the desk's whether an opening would.
"""

from __future__ import annotations

from collections import deque

MINUTE_NS = 60_000_000_000
OPEN_TENTHS = 6  # openings may use this many tenths of the requests a minute; the rest is the hedges' reserve (S11)


class RateWindow:
    """At most `per_minute` requests in any 60 seconds, all of them at once if need be."""

    __slots__ = ("_times", "most_opening", "per_minute")

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self.most_opening = max(1, per_minute * OPEN_TENTHS // 10)
        self._times: deque[int] = deque(maxlen=per_minute)

    def take(self, at_ns: int, *, most: int) -> bool:
        """Count a request if fewer than `most` were made in the last minute."""
        times = self._times
        while times and times[0] <= at_ns - MINUTE_NS:
            times.popleft()
        if len(times) >= most:
            return False
        times.append(at_ns)
        return True

    def count(self, at_ns: int) -> None:
        """Count a request that is made in any case; beyond the limit it waits at the wire, and the newest are kept."""
        self._times.append(at_ns)

    def give_back(self, at_ns: int) -> None:
        """A request counted at `at_ns` did not leave after all."""
        if at_ns in self._times:
            self._times.remove(at_ns)

    def spent(self, at_ns: int) -> bool:
        """Is no request of any kind left?"""
        times = self._times
        return len(times) == self.per_minute and times[0] > at_ns - MINUTE_NS

    def ready_ns(self, at_ns: int, *, most: int) -> int:
        """Earliest time at which `take` would succeed if nothing else takes."""
        over = len(self._times) - most
        return at_ns if over < 0 else max(at_ns, self._times[over] + MINUTE_NS)
