"""The trace of a simulated run as one hash: what passed between process and venues, and every step, with its time.

Two runs with one hash went alike to the byte, whatever the process, its hash seed or its memory.
"""

from __future__ import annotations

from hashlib import blake2b

from engine.runtime.clock import VirtualClock
from engine.trading.effects import Effect
from engine.trading.inputs import Input


class TraceHash:
    """Takes in what happens, in the order in which it happens."""

    def __init__(self, clock: VirtualClock) -> None:
        self.passed = 0
        self.steps = 0
        self._clock = clock
        self._hash = blake2b(digest_size=8)

    def heard(self, what: str, content: bytes) -> None:
        """Something passed on the network."""
        self.passed += 1
        self._hash.update(f"{self._clock.at_ns} {what} ".encode() + content)

    def stepped(self, seq: int, at_ns: int, given: Input, effects: list[Effect]) -> None:
        self.steps += 1
        kinds = ",".join([type(effect).__name__ for effect in effects])
        self._hash.update(f"{at_ns} {seq} {type(given).__name__} {kinds};".encode())

    def hexdigest(self) -> str:
        return self._hash.hexdigest()
