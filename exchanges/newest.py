"""Of a backlog of quote frames only the newest of each kind is decoded (E14). Knows no venue."""

from __future__ import annotations

import re
from collections.abc import Callable

from exchanges.errors import AuthFailed, BadFrame
from exchanges.types import Clock


class Newest:
    """Holds frames until the next turn of the loop, so that what waits in the socket is read before any is decoded.

    `name` finds in its first group what a newer frame replaces; a frame without it is decoded at once. `decode` may
    raise BadFrame or AuthFailed, of which `lost` hears.
    """

    def __init__(
        self, name: re.Pattern[bytes], decode: Callable[[bytes, int], None], *, clock: Clock,
        lost: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._name = name
        self._decode = decode
        self._clock = clock
        self._lost = lost
        self._waiting: dict[bytes, tuple[bytes, int]] = {}

    def take(self, data: bytes, recv_ns: int) -> None:
        """One frame. Raises: what `decode` raises for a frame without a name."""
        found = self._name.search(data)
        if found is None:
            self._decode(data, recv_ns)
            return
        if not self._waiting:
            self._clock.call_at(self._clock.now_ns(), self._flush)
        self._waiting[found[1]] = (data, recv_ns)

    def _flush(self) -> None:
        waiting = tuple(self._waiting.values())
        self._waiting.clear()
        try:
            for data, recv_ns in waiting:
                self._decode(data, recv_ns)
        except (BadFrame, AuthFailed) as error:
            self._lost(f"cannot be read: {error}")
