"""The timers that a desk arms: one for each owner and name, and what comes of it when it is due."""

from __future__ import annotations

from collections.abc import Callable

from engine.trading.effects import ArmTimer, DisarmTimer
from engine.trading.inputs import Input, TimerFired
from exchanges.types import Cancellable, Clock


class Timers:
    """`handle` gets a `TimerFired` for each that comes due. Arming one anew replaces it."""

    def __init__(self, clock: Clock, handle: Callable[[Input], None]) -> None:
        self._clock = clock
        self._handle = handle
        self._armed: dict[tuple[str, str], tuple[Cancellable, int]] = {}

    def arm(self, effect: ArmTimer, at_ns: int) -> None:
        """For `effect.at_ns`; `at_ns` is the time of the step, which is not asked."""
        key = (effect.owner, effect.name)
        former = self._armed.get(key)
        if former is not None:
            former[0].cancel()
        self._armed[key] = (self._clock.call_at(effect.at_ns, self._due, effect), effect.epoch)

    def disarm(self, effect: DisarmTimer, at_ns: int) -> None:
        """Of that epoch: a later one stays."""
        key = (effect.owner, effect.name)
        armed = self._armed.get(key)
        if armed is not None and armed[1] == effect.epoch:
            armed[0].cancel()
            del self._armed[key]

    def clear(self) -> None:
        for timer, _ in self._armed.values():
            timer.cancel()
        self._armed.clear()

    def _due(self, effect: ArmTimer) -> None:
        del self._armed[effect.owner, effect.name]
        self._handle(TimerFired(effect.owner, effect.name, effect.epoch))
