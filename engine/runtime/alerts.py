"""Calls a person for alerts: a sink of the runner that hands over to channels in threads and never waits for one.

The screen and the journal have every alert in any case; here only the ones that pass the gate become calls.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue

from engine.runtime.alert_channels import Call, Channel, Outcome, printable
from engine.runtime.alert_gate import AlertGate, Passed
from engine.runtime.log_format import iso
from engine.runtime.secrets import redacted
from engine.trading.alert_codes import alert_code
from engine.trading.effects import Alert, Effect, Level
from exchanges.types import Cancellable, Clock

MOST_AT_ONCE = 3  # calls of one channel at a time; more wait
MOST_WAITING = 20  # calls of one channel that wait; with the gate before it, that is a channel which has been dead long
UNDELIVERED = "alert_undelivered"  # calls nobody: it would be told by the channel that has just failed


@dataclass(frozen=True, slots=True)
class About:
    """What every call says of the run."""

    run: int
    flow: str
    market: str
    program: str


def call_of(alert: Alert, about: About, *, held_back: int, wall_ms: int) -> Call:
    return Call(
        code=alert.code, level=alert.level.name.lower(), text=redacted(alert.text),
        advice=alert_code(alert.code).advice, facts={key: redacted(fact) for key, fact in alert.facts.items()},
        held_back=held_back, time=iso(wall_ms), run=about.run, flow=about.flow,
        market=about.market, program=about.program,
    )  # fmt: skip


class Alerts:
    """A sink. Everything but the channels' own work happens on the loop that made it.

    `clock` is that of the people who are called: a run at ten times the speed does not call ten times as often.
    `tell` is called with an alert about a call that could not be delivered.
    """

    def __init__(
        self, channels: Sequence[Channel], gate: AlertGate, clock: Clock, *, about: About,
        tell: Callable[[Alert], None],
    ) -> None:  # fmt: skip
        self.calls: dict[tuple[str, bool], int] = {}  # by channel, and whether they were delivered
        self._gate = gate
        self._clock = clock
        self._about = about
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._timer: Cancellable | None = None
        self._pending = 0
        self._changed = asyncio.Event()
        self._given_up = False
        self._hurry = threading.Event()
        self._callers = [_Caller(channel, hurry=self._hurry, report=self._report) for channel in channels]

    def __call__(self, effect: Effect) -> None:
        if type(effect) is Alert and effect.code != UNDELIVERED:
            self._loop.call_soon(self._take, effect)  # the step that told it may have a hedge to send yet

    async def finish(self, *, within_s: float) -> None:
        """At the end of a run: call for what was held back, and give calls on their way so much time."""
        await asyncio.sleep(0)  # what was told last comes first
        if self._timer is not None:
            self._timer.cancel()
        for passed in self._gate.rest():
            self._call(passed)
        self._hurry.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._pending and not self._given_up:
                    self._changed.clear()
                    await self._changed.wait()
        for caller in self._callers:
            caller.close()
        if self._pending:
            self._undelivered(f"{self._pending} call(s) were not done when the run had ended", {})

    def waiting(self) -> int:
        """Calls that are on their way or held back."""
        return self._pending + self._gate.held()

    def give_up(self) -> None:
        """Wait no longer in `finish`."""
        self._given_up = True
        self._changed.set()

    # --- on the loop

    def _take(self, alert: Alert) -> None:
        passed = self._gate.take(alert, self._clock.now_ns())
        if passed is not None:
            self._call(passed)
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_ns = self._gate.due_ns(self._clock.now_ns())
        if due_ns is not None:
            self._timer = self._clock.call_at(due_ns, self._due)

    def _due(self) -> None:
        self._timer = None
        for passed in self._gate.due(self._clock.now_ns()):
            self._call(passed)
        self._arm()

    def _call(self, passed: Passed) -> None:
        call = call_of(passed.alert, self._about, held_back=passed.held_back, wall_ms=self._clock.wall_ms())
        for caller in self._callers:
            if caller.post(call):
                self._pending += 1
            else:
                self._undelivered(f"{caller.name}: {MOST_WAITING} calls wait already; {call.code} was left out", {})

    def _report(self, name: str, call: Call, outcome: Outcome) -> None:
        """From a channel's thread. A loop that has ended wants to know no more."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._done, name, call, outcome)

    def _done(self, name: str, call: Call, outcome: Outcome) -> None:
        self._pending -= 1
        self.calls[name, outcome.delivered] = self.calls.get((name, outcome.delivered), 0) + 1
        if not outcome.delivered:
            self._undelivered(f"{name}: {outcome.text}; the alert was {call.code}", {"channel": name})
        self._changed.set()

    def _undelivered(self, text: str, facts: Mapping[str, str]) -> None:
        self._tell(Alert(Level.WARNING, UNDELIVERED, printable(redacted(text)), facts))


class _Caller:
    """One channel with its threads. They are daemons: a call that hangs must not keep the process."""

    def __init__(
        self, channel: Channel, *, hurry: threading.Event, report: Callable[[str, Call, Outcome], None]
    ) -> None:
        self.name = channel.name
        self._channel = channel
        self._hurry = hurry
        self._report = report
        self._waiting: SimpleQueue[Call | None] = SimpleQueue()
        for number in range(MOST_AT_ONCE):
            threading.Thread(target=self._work, name=f"eagle-alerts-{number}", daemon=True).start()

    def post(self, call: Call) -> bool:
        """Take over a call; False if too many wait."""
        if self._waiting.qsize() >= MOST_WAITING:
            return False
        self._waiting.put(call)
        return True

    def close(self) -> None:
        for _ in range(MOST_AT_ONCE):
            self._waiting.put(None)

    def _work(self) -> None:
        while (call := self._waiting.get()) is not None:
            try:
                outcome = self._channel.deliver(call, hurry=self._hurry)
            except Exception as error:  # noqa: BLE001 top of the thread: the next alert must find it alive
                outcome = Outcome(False, f"{type(error).__name__}: {error}")
            self._report(self.name, call, outcome)
