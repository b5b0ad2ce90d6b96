"""Which alerts call somebody now: the first of its kind at once, the rest counted, so that a storm is a few messages.

Computes only; time is handed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from engine.trading.effects import Alert, Level
from engine.trading.rates import RateWindow

LESSER_TENTHS = 6  # alerts below PERSON may use this many tenths of the calls a minute: they must not crowd that out


class Passed(NamedTuple):
    """An alert that may call, and how many of its kind were held back since the last one that did."""

    alert: Alert
    held_back: int


@dataclass(slots=True)
class _Kind:
    """Alerts of one code and account. `newest` waits for the end of the window, with `held` before it."""

    next_ns: int = 0
    held: int = 0
    newest: Alert | None = None


class AlertGate:
    """`repeat_ns` apart for alerts of one code and account, and at most `per_minute` of all."""

    def __init__(self, *, level: Level, repeat_ns: int, per_minute: int) -> None:
        self._level = level
        self._repeat_ns = repeat_ns
        self._rate = RateWindow(per_minute)
        self._most = {
            level: per_minute if level is Level.PERSON else max(1, per_minute * LESSER_TENTHS // 10) for level in Level
        }
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def take(self, alert: Alert, at_ns: int) -> Passed | None:
        """Let an alert through, or hold it back until `due`."""
        if alert.level < self._level:
            return None
        kind = self._kinds.setdefault((alert.code, alert.facts.get("account", "")), _Kind())
        if kind.newest is not None:
            kind.held += 1
        kind.newest = alert
        return self._pass(kind, at_ns)

    def due(self, at_ns: int) -> list[Passed]:
        """What was held back and may call now, the most urgent first."""
        waiting = sorted(self._waiting(), key=lambda kind: (-kind[1].level, kind[0].next_ns))
        passed = [self._pass(kind, at_ns) for kind, _ in waiting]
        return [each for each in passed if each is not None]

    def due_ns(self, at_ns: int) -> int | None:
        """When to ask `due` again; None if nothing is held back."""
        times = [max(kind.next_ns, self._ready_ns(newest, at_ns)) for kind, newest in self._waiting()]
        return min(times, default=None)

    def held(self) -> int:
        """How many kinds are held back."""
        return len(self._waiting())

    def rest(self) -> list[Passed]:
        """Everything that is held back, at the end of a run."""
        left = [Passed(newest, kind.held) for kind, newest in self._waiting()]
        self._kinds.clear()
        return sorted(left, key=lambda each: -each.alert.level)

    def _waiting(self) -> list[tuple[_Kind, Alert]]:
        return [(kind, kind.newest) for kind in self._kinds.values() if kind.newest is not None]

    def _ready_ns(self, alert: Alert, at_ns: int) -> int:
        return self._rate.ready_ns(at_ns, most=self._most[alert.level])

    def _pass(self, kind: _Kind, at_ns: int) -> Passed | None:
        alert = kind.newest
        if alert is None or at_ns < kind.next_ns or not self._rate.take(at_ns, most=self._most[alert.level]):
            return None
        passed = Passed(alert, kind.held)
        kind.newest, kind.held, kind.next_ns = None, 0, at_ns + self._repeat_ns
        return passed
