"""Calls for alerts never hold up the loop, tell what could not be delivered once, and end with the run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest
from alert_kit import python
from paper_clock import PaperClock

from engine.runtime import alerts as alerts_module
from engine.runtime.alert_channels import Call, CommandChannel, Outcome
from engine.runtime.alert_gate import AlertGate
from engine.runtime.alerts import UNDELIVERED, About, Alerts
from engine.runtime.secrets import Secret
from engine.trading.alert_codes import ALERT_CODES
from engine.trading.effects import Alert, Finish, Level

S = 1_000_000_000
ABOUT = About(3, "eagle_chicken", "ETH-PERP", "eagle-flow 0")
STUCK = Alert(Level.PERSON, "hedge_stuck", "no account takes the hedge", {"need": "0.02"})


class Phone:
    """A channel that notes its calls and answers when it is let go."""

    name = "URL phone"

    def __init__(self, outcome: Outcome | Exception | None = None) -> None:
        self.got: list[Call] = []
        self.let_go = threading.Event()
        self.let_go.set()
        self._outcome = outcome or Outcome(True, "accepted")

    def deliver(self, call: Call, *, hurry: threading.Event) -> Outcome:
        self.got.append(call)
        assert self.let_go.wait(60)
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


class Room:
    """Alerts on a real loop with a clock that is moved by hand."""

    def __init__(self, *channels: Phone | CommandChannel, level: Level = Level.PERSON) -> None:
        self.clock = PaperClock()
        self.told: list[Alert] = []
        gate = AlertGate(level=level, repeat_ns=60 * S, per_minute=10)
        self.alerts = Alerts(channels, gate, self.clock, about=ABOUT, tell=self.tell)

    def tell(self, alert: Alert) -> None:
        """As the runner does: what alerts tell comes back to them."""
        self.told.append(alert)
        self.alerts(alert)


def in_a_loop(main: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(main())  # type: ignore[arg-type]


def test_a_call_says_what_to_do_and_of_which_run() -> None:
    async def main() -> None:
        phone = Phone()
        room = Room(phone)
        room.alerts(Finish(0, "flat"))
        room.alerts(STUCK)
        room.alerts(Alert(Level.WARNING, "no_book", "below the level", {}))
        await room.alerts.finish(within_s=60)
        assert [(call.code, call.text, call.facts, call.run, call.market) for call in phone.got] == [
            ("hedge_stuck", "no account takes the hedge", {"need": "0.02"}, 3, "ETH-PERP")
        ]
        assert phone.got[0].advice == ALERT_CODES["hedge_stuck"].advice
        assert (room.told, room.alerts.calls) == ([], {("URL phone", True): 1})

    in_a_loop(main)


def test_a_channel_that_hangs_delays_neither_the_loop_nor_another_channel() -> None:
    async def main() -> None:
        stuck, phone = Phone(), Phone()
        stuck.let_go.clear()
        room = Room(stuck, phone)
        room.alerts(STUCK)  # returns although the first channel never does
        await room.alerts.finish(within_s=0.5)
        assert (len(stuck.got), len(phone.got)) == (1, 1)
        assert [alert.text for alert in room.told] == ["1 call(s) were not done when the run had ended"]
        stuck.let_go.set()

    in_a_loop(main)


def test_a_failure_is_told_without_secrets_and_calls_nobody_again() -> None:
    """With level `warning` the alert about the failed call must not become a call: it would go round for ever."""

    async def main() -> None:
        Secret("canary-1")
        bad = Phone(Outcome(False, "exit code 1: token canary-1\nrefused"))
        worse = Phone(RuntimeError("canary-1"))
        room = Room(bad, worse, level=Level.INFO)
        room.alerts(STUCK)
        await room.alerts.finish(within_s=60)
        assert sorted(alert.text for alert in room.told) == [
            "URL phone: RuntimeError: ***; the alert was hedge_stuck",
            "URL phone: exit code 1: token *** refused; the alert was hedge_stuck",
        ]
        assert {(alert.level, alert.code) for alert in room.told} == {(Level.WARNING, UNDELIVERED)}
        assert (len(bad.got), len(worse.got)) == (1, 1)

    in_a_loop(main)


def test_what_was_held_back_is_told_when_its_window_ends_or_with_the_run() -> None:
    async def main() -> None:
        phone = Phone()
        room = Room(phone)
        for _ in range(500):
            room.alerts(STUCK)
        await asyncio.sleep(0)
        room.clock.run_until(61 * S)
        for _ in range(7):
            room.alerts(STUCK)
        await room.alerts.finish(within_s=60)
        assert sorted(call.held_back for call in phone.got) == [0, 6, 498]

    in_a_loop(main)


def test_a_dead_channel_collects_no_endless_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts_module, "MOST_WAITING", 0)

    async def main() -> None:
        room = Room(Phone())
        room.alerts(STUCK)
        await room.alerts.finish(within_s=60)
        assert [alert.text for alert in room.told] == ["URL phone: 0 calls wait already; hedge_stuck was left out"]

    in_a_loop(main)


def test_a_real_command_is_run_off_the_loop() -> None:
    async def main() -> None:
        room = Room(CommandChannel(python("import sys; sys.exit(7)"), timeout_s=60))
        room.alerts(STUCK)
        await room.alerts.finish(within_s=60)
        assert [alert.text.split(": ", 1)[1] for alert in room.told] == ["exit code 7; the alert was hedge_stuck"]

    in_a_loop(main)


def test_an_outcome_after_the_end_of_the_loop_is_nobodys_business() -> None:
    phone = Phone()
    phone.let_go.clear()

    async def main() -> None:
        room = Room(phone)
        room.alerts(STUCK)
        await room.alerts.finish(within_s=0)

    in_a_loop(main)
    before = [thread for thread in threading.enumerate() if thread.name.startswith("eagle-alerts")]
    phone.let_go.set()
    for thread in before:
        thread.join(60)
    assert not any(thread.is_alive() for thread in before)
