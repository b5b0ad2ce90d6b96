"""Requests by the venue's true scope (S11): one budget for all clients that a venue counts together. Pure.

The engine's sender counts orders of an account before they leave. Here everything counts that reaches the venue,
questions and upkeep too, with the venue's weights, and the venue's own "too many" closes it for a while.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from typing import Protocol

MINUTE_NS = 60_000_000_000
OTHERS_NS = 1_000_000_000  # when others have used it up: nobody here knows when theirs grow old
BLOCK_NS = 1_000_000_000  # after a "too many requests" that does not say for how long, doubled at each further one …
BLOCK_MOST_NS = 30_000_000_000  # … up to this; but not for hedges, cancels and what became of them: it is our guess


class Use(IntEnum):
    """What a request is for, as the hundredths of the budget that it may use: what waits longest leaves the most."""

    TRADE = 100  # orders and cancels: the sender has kept the hedges' reserve among them
    ORDER = 95  # what became of one order: until that is known, what it was to cover may stay open
    ASK = 90  # for fills and ends that may not be known, after a stream was away
    COUNT = 70  # positions and margin while a run goes on, where a venue weighs them as much as what finds fills
    UPKEEP = 50  # reconciles and warm connections


class Others(Protocol):
    """What other processes of this machine do with the same budget. Times are ns of the clock that all read alike."""

    def spent(self, now_ns: int, span_ns: int) -> int:
        """The weight that they sent in the last `span_ns`."""

    def blocked_ns(self, *, orders: bool) -> int:
        """Until when the venue has told one of them to wait, as of the last time that `spent` was asked."""

    def sent(self, now_ns: int, weight: int) -> None:
        """Tell them that a request left."""

    def blocked(self, until_ns: int, orders_until_ns: int) -> None:
        """Tell them that the venue closed it."""


class Budget:
    """At most `limit` weight in any `span_ns`, a minute unless the venue counts otherwise."""

    __slots__ = (
        "_blocked_ns", "_blocks", "_others", "_span_ns", "_spent", "_times", "_told_ns", "_trades_blocked_ns", "limit",
    )  # fmt: skip

    def __init__(self, limit: int, *, span_ns: int = MINUTE_NS) -> None:
        self.limit = limit
        self._span_ns = span_ns
        self._times: deque[tuple[int, int]] = deque()
        self._spent = 0
        self._blocked_ns = 0
        self._trades_blocked_ns = 0
        self._told_ns = 0  # until when the venue itself said
        self._blocks = 0
        self._others: Others | None = None

    def join(self, others: Others) -> None:
        """Share it with other processes from now on."""
        self._others = others

    def take(self, now_ns: int, use: Use, *, weight: int = 1) -> int:
        """Count a request that leaves now and return 0; else the time until which it must wait, in ns of the clock."""
        times = self._times
        while times and times[0][0] <= now_ns - self._span_ns:
            self._spent -= times.popleft()[1]
        urgent = use >= Use.ORDER
        blocked_ns = self._trades_blocked_ns if urgent else self._blocked_ns
        others, spent = self._others, self._spent
        if others is not None:
            spent += others.spent(now_ns, self._span_ns)
            blocked_ns = max(blocked_ns, others.blocked_ns(orders=urgent))
        if now_ns < blocked_ns:
            return blocked_ns
        most = max(weight, self.limit * use // 100)
        if spent + weight <= most:
            times.append((now_ns, weight))
            self._spent += weight
            if others is not None:
                others.sent(now_ns, weight)
            return 0
        if spent > self._spent:
            return now_ns + OTHERS_NS
        over = spent + weight - most
        for at_ns, part in times:
            over -= part
            if over <= 0:
                return at_ns + self._span_ns
        return now_ns + self._span_ns

    def block(self, now_ns: int, *, for_ns: int = 0) -> int:
        """The venue said "too many": nothing leaves for `for_ns` (0: it did not say). Returns until when, in ns.

        While not even an order may leave, it is said to requests that left together with the first: no further one.
        """
        if now_ns >= self._trades_blocked_ns or not self._blocks:
            self._blocks += 1
        wait_ns = for_ns or min(BLOCK_NS << min(self._blocks - 1, 8), BLOCK_MOST_NS)
        if for_ns:
            self._told_ns = max(self._told_ns, now_ns + for_ns)
        self._blocked_ns = max(self._blocked_ns, now_ns + wait_ns)
        self._trades_blocked_ns = max(self._trades_blocked_ns, now_ns + (for_ns or BLOCK_NS))
        if self._others is not None:
            self._others.blocked(self._blocked_ns, self._trades_blocked_ns)
        return self._blocked_ns

    def passed(self, now_ns: int) -> None:
        """The venue has answered a request: the next "too many" is a first one again.

        A request that left after it shows that what we guessed is over; what the venue said stands.
        """
        self._blocks = 0
        if now_ns >= self._trades_blocked_ns:
            self._blocked_ns = self._told_ns
