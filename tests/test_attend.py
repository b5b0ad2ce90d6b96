"""What stop and pause from outside mean to a run: one ladder for all sides, and no promise that is not kept."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hedger_kit import HedgeBench
from trading_kit import Bench

from cli.attend import _Hands
from cli.screen import Screen
from engine.runtime.clock import VirtualClock
from engine.runtime.control import NotNow
from engine.runtime.snapshot import Tally
from engine.trading.inputs import PauseAsked


class Attended:
    """A bench desk with a screen, and a runner that only notes what it is asked; `began` lets it take a pause."""

    def __init__(self, *, began: bool = True, bench: Bench | None = None) -> None:
        self.bench = bench or Bench()
        self.bench.begin()
        self.began = began
        self.stops: list[int] = []
        self.screen = Screen(detailed=True)
        self.screen.begin(self.bench.desk, Tally(VirtualClock()), run=1)
        runner: Any = SimpleNamespace(stop=self.stops.append, pause=self.pause)
        self.hands = _Hands(self.bench.desk, self.screen, runner)

    def pause(self, paused: bool) -> None:
        if self.began:
            self.bench.give(PauseAsked(paused))

    @property
    def words(self) -> list[str]:
        return [line.word for line in self.screen.tally.lines]


def test_a_hedger_that_is_stopped_promises_no_flattening() -> None:
    run = Attended(bench=HedgeBench())
    assert run.hands.stop(1) == "stopping in order: hedge what is open, then compare"
    assert run.hands.stop(2) == "hedging at any price, waiting for no source"
    assert run.hands.stop(3) == "leaving"
    told = [line.text for line in run.screen.tally.lines if line.word == "STOP"]
    assert [text.partition("; ")[2] for text in told] == [
        "again to hedge at any price now (eagle stop)", "again to leave with what is open (eagle stop)", "",
    ]  # fmt: skip


def test_a_stop_is_taken_once_whoever_asks_and_the_next_level_is_a_step_further() -> None:
    run = Attended()
    assert run.hands.stop(1) == "stopping in order: no opening, cancel, hedge, close, flatten"
    assert run.hands.stop(1) == "it is stopping in order: no opening, cancel, hedge, close, flatten already"
    assert not run.screen.stopping(1)  # as a signal would ask for it
    assert run.hands.stop(2) == "flattening by market now"
    assert run.hands.stop(1) == "it is flattening by market now already"
    assert run.stops == [1, 2]


def test_a_stop_by_another_terminal_is_told_as_such_on_the_screen() -> None:
    run = Attended()
    run.hands.stop(1)
    assert run.words == ["STOP", "left"]
    assert run.screen.tally.lines[0].text.endswith("; again for market orders now (eagle stop)")


def test_a_signal_before_the_run_is_told_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(detailed=True)
    assert screen.stopping(1)
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == ["STOP", "left"]
    assert not screen.stopping(1)


def test_a_pause_holds_until_it_is_taken_back() -> None:
    run = Attended()
    assert run.hands.pause(False) == "it is not paused"
    assert run.hands.pause(True) == "no opening from now on; closing, hedging and cleanup go on"
    assert run.bench.desk.world.paused
    assert run.hands.pause(True) == "it is paused already"
    assert run.hands.pause(False) == "openings are allowed again"
    assert not run.bench.desk.world.paused
    assert run.words == ["PAUSE", "RESUME"]


def test_a_pause_before_the_start_is_not_promised() -> None:
    run = Attended(began=False)
    with pytest.raises(NotNow, match="it has not begun to trade yet; ask again in a moment"):
        run.hands.pause(True)
    assert run.words == []


def test_a_view_that_fails_is_a_line_and_no_stop() -> None:
    run = Attended()
    run.hands.failed(ZeroDivisionError("by zero"))
    assert (run.words, run.stops) == (["warning"], [])
    assert run.screen.tally.lines[0].text == "the view of the run failed (ZeroDivisionError: by zero); the run goes on"
