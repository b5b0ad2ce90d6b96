"""The armed timers of a situation: which may fire before which, by their lengths."""

from __future__ import annotations

from engine.trading.desk import CHART
from engine.trading.hedging import OWNER as HEDGING
from engine.trading.inquiry import OWNER as INQUIRY
from engine.verify.situation import Scratch, Timer

PATIENT = frozenset({(HEDGING, "again"), (HEDGING, "resync")})  # fire also while an outcome is unknown or a stream lost

Key = tuple[str, str | int, int, int]  # owner, name, shortest and longest time in ns


class Timers:
    """Numbers timers as they are first armed; equal ones have one number."""

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self._numbers: dict[Key, int] = {}

    def adopt(self, other: Timers) -> bool:
        """Number timers as `other` does. False, and nothing done, where the two began apart."""
        if self.keys != other.keys[: len(self.keys)]:
            return False
        self.keys, self._numbers = list(other.keys), dict(other._numbers)
        return True

    def patient(self, timer: Timer) -> bool:
        """Does it fire also while an outcome is unknown or a stream lost?"""
        owner, name, _, _ = self.keys[timer.number]
        return owner == INQUIRY or (owner, name) in PATIENT

    def outside(self, timer: Timer) -> bool:
        """Does it fire as a move of the outside, of which there are few while something is under way?"""
        return self.keys[timer.number][0] == CHART

    def arm(self, scratch: Scratch, owner: str, name: str | int, low: int, high: int) -> None:
        if scratch.timers:
            self.disarm(scratch, owner, name)
        key = (owner, name, low, high)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbered(key)
        after = 0
        for timer in scratch.timers:
            if self.keys[timer.number][3] <= low:
                after |= 1 << timer.number
        scratch.timers.append(Timer(number, after, False))

    def disarm(self, scratch: Scratch, owner: str, name: str | int) -> None:
        keys = self.keys
        for at, timer in enumerate(scratch.timers):
            key = keys[timer.number]
            if key[1] == name and key[0] == owner:
                self._drop(scratch, at)
                return

    def _drop(self, scratch: Scratch, at: int) -> None:
        timers = scratch.timers
        bit = 1 << timers.pop(at).number
        for place, timer in enumerate(timers):
            if timer.after & bit:
                timers[place] = timer._replace(after=timer.after & ~bit)

    def rename(self, scratch: Scratch, place: int) -> None:
        """Timers of orders behind a forgotten one belong to the place before."""
        keys = self.keys
        moved = {
            timer.number: self._numbered((INQUIRY, name - 1, low, high))
            for timer in scratch.timers
            for owner, name, low, high in (keys[timer.number],)
            if owner == INQUIRY and isinstance(name, int) and name > place
        }
        if not moved:
            return
        scratch.timers = [
            Timer(moved.get(timer.number, timer.number), _moved(timer.after, moved), timer.ripe)
            for timer in scratch.timers
        ]

    def _numbered(self, key: Key) -> int:
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.keys)
            self.keys.append(key)
        return number


def _moved(mask: int, moved: dict[int, int]) -> int:
    new = mask
    for old in moved:
        new &= ~(1 << old)
    for old, number in moved.items():
        if mask >> old & 1:
            new |= 1 << number
    return new
