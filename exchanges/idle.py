"""Connections that carry no request: which of them takes the next one, and which were unused for too long. Pure.

Those over sockets and those of a simulated network are kept by it, so that both accounts keep theirs warm alike.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

__all__ = ["SPARE", "Idle"]

S = 1_000_000_000
KEEP_NS = 55 * S  # an unused connection is not used again after so long: venues close theirs after a minute or more
SPARE = 2  # connections that are free when an order has left, or on their way: a handshake takes two or three trips …
TURNS = 5  # of so many questions take turns, which keeps them warm; others may grow old, as after a burst


class Carrier(Protocol):
    """A connection."""

    @property
    def usable(self) -> bool:
        """Is it still open?"""

    def drop(self, why: str) -> None: ...


C = TypeVar("C", bound=Carrier)


class Idle(Generic[C]):
    """In the order in which they came free; one that has carried nothing yet stands before those that have."""

    __slots__ = ("_free",)

    def __init__(self) -> None:
        self._free: deque[tuple[C, int]] = deque()

    def __len__(self) -> int:
        return len(self._free)

    def put(self, connection: C, now_ns: int) -> None:
        """It has its answer."""
        self._free.append((connection, now_ns))

    def put_new(self, connection: C, now_ns: int) -> None:
        """It is for the moment when all of the others carry something."""
        self._free.appendleft((connection, now_ns))

    def take(self, now_ns: int) -> C | None:
        """For an order: the one that was used last, which is the surest."""
        while self._free:
            connection, since_ns = self._free.pop()
            if connection.usable and now_ns - since_ns < KEEP_NS:
                return connection
            connection.drop("unused for too long")
        return None

    def take_in_turn(self, now_ns: int) -> C | None:
        """For a question, which may be asked again: of the TURNS that were used last the one unused longest."""
        free = self._free
        while free:
            place = max(0, len(free) - TURNS)
            connection, since_ns = free[place]
            del free[place]
            if connection.usable and now_ns - since_ns < KEEP_NS:
                return connection
            connection.drop("unused for too long")
        return None

    def take_cold(self, now_ns: int, *, unused_ns: int) -> C | None:
        """To warm it: of those that carried nothing for `unused_ns` the one that was used last."""
        self.drop_old(now_ns)
        for place in range(len(self._free) - 1, -1, -1):
            connection, since_ns = self._free[place]
            if now_ns - since_ns >= unused_ns:
                del self._free[place]
                return connection
        return None

    def since_ns(self, now_ns: int) -> Sequence[int]:
        """Since when each carries nothing, of those that can still be used."""
        self.drop_old(now_ns)
        return [since_ns for _, since_ns in self._free]

    def drop_old(self, now_ns: int) -> None:
        """Close what is not used again, and forget what the venue has closed."""
        free, self._free = self._free, deque()
        for connection, since_ns in free:
            if connection.usable and now_ns - since_ns < KEEP_NS:
                self._free.append((connection, since_ns))
            else:
                connection.drop("unused for too long")

    def drop_all(self, why: str) -> None:
        while self._free:
            self._free.pop()[0].drop(why)
