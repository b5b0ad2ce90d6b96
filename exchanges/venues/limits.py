"""Request budgets of a local venue."""

from __future__ import annotations

from collections import deque


class SlidingWindow:
    """At most `limit` units of weight in any `span_ns`, by key (an API key, an account or an address)."""

    def __init__(self, limit: int, span_ns: int) -> None:
        self.limit = limit
        self.span_ns = span_ns
        self._taken: dict[str, deque[tuple[int, int]]] = {}
        self._used: dict[str, int] = {}

    def take(self, key: str, *, now_ns: int, weight: int = 1) -> bool:
        """Whether there was room; only then is the weight counted."""
        self._forget(key, now_ns)
        if self._used.get(key, 0) + weight > self.limit:
            return False
        self._taken.setdefault(key, deque()).append((now_ns, weight))
        self._used[key] = self._used.get(key, 0) + weight
        return True

    def wait_ns(self, key: str, *, now_ns: int) -> int:
        """How long until the oldest unit falls out of the window."""
        taken = self._taken.get(key)
        return max(0, taken[0][0] + self.span_ns - now_ns) if taken else 0

    def _forget(self, key: str, now_ns: int) -> None:
        taken = self._taken.get(key)
        while taken and taken[0][0] <= now_ns - self.span_ns:
            self._used[key] -= taken.popleft()[1]
