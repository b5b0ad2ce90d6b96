"""The armed timers of a situation: which may fire before which, by their lengths."""

from __future__ import annotations

from typing import NamedTuple

from engine.trading.desk import CHART
from engine.trading.hedging import OWNER as HEDGING
from engine.trading.inquiry import OWNER as INQUIRY
from engine.verify.situation import Scratch, Timer
from engine.verify.stepper import Arm, Disarm

PATIENT = frozenset({(HEDGING, "again"), (HEDGING, "resync")})  # fire also while an outcome is unknown or a stream lost

Key = tuple[str, str | int, int, int]  # owner, name, shortest and longest time in ns


class Kind(NamedTuple):
    """What is known of every timer of one number."""

    slot: int  # the same for all of one owner and name, of which one is armed at a time
    longest_ns: int
    about: int  # the place of the order that it asks about, 0 for none
    patient: bool  # it fires also while an outcome is unknown or a stream lost
    outside: bool  # it fires as a move of the outside, of which there are few while something is under way


class Timers:
    """Numbers timers as they are first armed; equal ones have one number."""

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.kinds: list[Kind] = []
        self._numbers: dict[Key, int] = {}
        self._slots: dict[tuple[str, str | int], int] = {}

    def adopt(self, other: Timers) -> bool:
        """Number timers as `other` does. False, and nothing done, where the two began apart."""
        if self.keys != other.keys[: len(self.keys)]:
            return False
        self.keys, self.kinds = list(other.keys), list(other.kinds)
        self._numbers, self._slots = dict(other._numbers), dict(other._slots)
        return True

    def arm(self, scratch: Scratch, arm: Arm) -> None:
        number = self._numbers.get(arm)
        if number is None:
            number = self._numbered(arm)
        after, kinds, timers = 0, self.kinds, scratch.timers
        if timers:
            self._drop(timers, kinds[number].slot)
            low_ns = arm.low_ns
            for timer in timers:
                if kinds[timer.number].longest_ns <= low_ns:
                    after |= 1 << timer.number
        timers.append(Timer(number, after, False))

    def disarm(self, scratch: Scratch, which: Disarm) -> None:
        slot = self._slots.get(which)
        if slot is not None and scratch.timers:
            self._drop(scratch.timers, slot)

    def fired(self, scratch: Scratch, number: int) -> None:
        """It is armed, and from now on it is not."""
        self._drop(scratch.timers, self.kinds[number].slot)

    def _drop(self, timers: list[Timer], slot: int) -> None:
        kinds = self.kinds
        for at, timer in enumerate(timers):
            if kinds[timer.number].slot == slot:
                del timers[at]
                bit = 1 << timer.number
                for place, other in enumerate(timers):
                    if other.after & bit:
                        timers[place] = Timer(other.number, other.after & ~bit, other.ripe)
                return

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
            self.kinds.append(self._kind(key))
        return number

    def _kind(self, key: Key) -> Kind:
        owner, name, _, longest_ns = key
        asks = owner == INQUIRY
        return Kind(
            self._slots.setdefault((owner, name), len(self._slots)), longest_ns,
            name if asks and isinstance(name, int) else 0, asks or (owner, name) in PATIENT, owner == CHART,
        )  # fmt: skip


def _moved(mask: int, moved: dict[int, int]) -> int:
    new = mask
    for old in moved:
        new &= ~(1 << old)
    for old, number in moved.items():
        if mask >> old & 1:
            new |= 1 << number
    return new
