"""The live view of a run on a real (pseudo) terminal: drawn, resized, interrupted, killed, stuck; the run goes on."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest
from cli_kit import FLOW, Eagle, Said, eagle
from control_kit import StandIn, a_status
from terminal_kit import PATIENCE_S, Terminal

from cli import view
from cli.locate import CannotUse
from engine.runtime.audit import audit

__all__ = ["eagle"]

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"  # the second screen
HOME = "\x1b[H"  # where each picture begins
CURSOR, HIDDEN = "\x1b[?25h", "\x1b[?25l"
COLOUR = re.compile(r"\x1b\[(?:[0-9]+;)*(?:3[0-8]|4[0-8]|9[0-7])(?:;[0-9]+)*m")
STYLE = re.compile(r"\x1b\[[0-9;]*m")
ENDLESS = ("--rounds", 100_000)


def run(folder: Path, *words: object, speed: str = "5x", **how: object) -> Terminal:
    """Not faster: on a busy machine a pause of a quarter of a second is five of the run's at 20x, its hedges late."""
    return Terminal("run", "--flow", FLOW, "--speed", speed, *words, folder=folder, **how)  # type: ignore[arg-type]


def after(text: str, mark: str) -> str:
    assert mark in text
    return STYLE.sub("", text[text.rindex(mark) + len(mark) :])


def test_a_run_is_drawn_and_leaves_its_summary_on_a_clean_screen(tmp_path: Path) -> None:
    with run(tmp_path, "--rounds", 1) as terminal:
        said = terminal.read_to_the_end()
    assert terminal.process.returncode == 0
    assert (said.count(ENTER), said.count(LEAVE)) == (1, 1)
    drawn = said[said.index(ENTER) : said.index(LEAVE)]
    assert "eagle_chicken  ETH-PERP  run 1" in drawn
    assert "MAKER_OPENING" in drawn
    assert COLOUR.search(drawn)
    assert said.rindex(CURSOR) > said.rindex(HIDDEN)
    left = after(said, LEAVE)
    assert left.index("run 1: eagle_chicken on ETH-PERP; maker: hawk; takers: chick-1") < left.index("flat\nrounds 1 ")
    assert list((tmp_path / "state").glob("*.sock")) == []


def test_a_first_interrupt_closes_in_order_and_its_lines_stay(tmp_path: Path) -> None:
    """E18: on the first screen, after the picture: which steps it took, what was left at each, flat at the end."""
    with run(tmp_path, *ENDLESS) as terminal:
        terminal.read_until("fill  ")
        terminal.type("\x03")
        terminal.read_until("STOPPING")  # in the title of the picture
        said = terminal.read_to_the_end()
    assert terminal.process.returncode == 0
    left = after(said, LEAVE)
    steps = re.findall(r"^ +[0-9.]+  (STOP|left|CLEANUP|IDLE|finish)\b", left, re.MULTILINE)
    assert steps[:3] == ["STOP", "left", "CLEANUP"]
    assert steps[-2:] == ["IDLE", "finish"]
    assert left.index("finish") < left.index("\nflat\nrounds ")
    assert audit(tmp_path / "state/eagle.sqlite", run=None).holds


def test_a_third_interrupt_leaves_at_once_and_the_terminal_is_whole(tmp_path: Path) -> None:
    with run(tmp_path, *ENDLESS, speed="1x") as terminal:
        terminal.read_until(" hawk ")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # equal ones could become one
            os.kill(terminal.process.pid, number)
        said = terminal.read_to_the_end()
    assert terminal.process.returncode == 130
    assert said.count(LEAVE) == 1
    assert re.findall(r" STOP +(\w+)", after(said, LEAVE)) == ["stopping", "flattening", "leaving"]


def test_it_follows_the_size_of_its_terminal_and_needs_no_colour(tmp_path: Path) -> None:
    with run(tmp_path, *ENDLESS, environment={"NO_COLOR": "1"}) as terminal:
        assert " hedged " in terminal.read_until("fill  ")
        terminal.resize(30, 10)
        terminal.read_until("…")
        terminal.resize(120, 12)
        for _ in range(40):  # pictures until the new size has come through
            frame = STYLE.sub("", terminal.read_until(HOME))
            if " › " in frame and " stream " not in frame:
                break
        assert " stream " not in frame
        assert re.search(r"^ +[0-9.]+  (fill|round|open|hedge) ", frame, re.MULTILINE)  # what happened stays
        terminal.resize(120, 40)
        terminal.read_until(" book ")
    assert not COLOUR.search(terminal.said)


def test_the_log_follows_in_place_of_a_picture_that_was_killed_and_ctrl_z_stops_nothing(tmp_path: Path) -> None:
    with run(tmp_path, *ENDLESS) as terminal:
        terminal.read_until(" hawk ")
        (drawing,) = terminal.children()
        os.kill(drawing, signal.SIGKILL)
        terminal.read_until(LEAVE + CURSOR)
        terminal.read_until("the live view is over (its process ended); the run goes on, and this is its log\n")
        terminal.read_until("hedge  ")
        assert terminal.children() == []
        terminal.type("\x1a")  # Ctrl-Z
        terminal.read_until("a process that stands still cannot hedge; eagle pause stops opening")
        terminal.read_until("hedge  ")
        terminal.type("\x03")
        said = terminal.read_to_the_end()
    assert terminal.process.returncode == 0
    assert "\nflat\nrounds " in STYLE.sub("", said)


def test_a_killed_run_leaves_a_whole_terminal_behind(tmp_path: Path) -> None:
    with run(tmp_path, *ENDLESS, speed="1x", shell=True) as terminal:
        terminal.read_until(" hawk ")
        os.kill(*terminal.children(), signal.SIGKILL)
        terminal.read_until("has died without a word")
        terminal.type("\n")
        said = terminal.read_to_the_end()
    assert (said.count(LEAVE), said.rindex(CURSOR) > said.rindex(HIDDEN)) == (1, True)
    assert "eagle: run 1 has died without a word; what it left at a venue: eagle recover --config FILE\n" in after(
        said, LEAVE
    )


@pytest.mark.parametrize("kind", ["live", "plain"])
def test_a_terminal_that_is_never_read_costs_the_run_nothing(tmp_path: Path, eagle: Eagle, kind: str) -> None:
    """As after Ctrl-S: not one byte gets out, and the run trades, answers, stops in order and ends flat."""
    os.chdir(tmp_path)
    words = (*ENDLESS, "--view", kind, "--format", "json")
    with run(tmp_path, *words, stuck=True) as terminal:
        assert terminal.process.stdout is not None
        while eagle("status").code:  # it has not begun yet
            assert terminal.process.poll() is None
        rounds = -1
        while rounds < 1:
            status = json.loads(eagle("status", "--format", "json").out)
            rounds = status["rounds"]["done"]
        assert eagle("pause").out == "run 1: no opening from now on; closing, hedging and cleanup go on\n"
        assert json.loads(eagle("status", "--format", "json").out)["paused"] is True
        assert eagle("resume").out == "run 1: openings are allowed again\n"
        assert eagle("stop", "--wait").code == 0
        told = json.loads(terminal.process.stdout.read())
        assert terminal.process.wait(PATIENCE_S) == 0
    assert (told["ending"], told["rounds"] >= 1) == ("flat", True)
    assert audit(tmp_path / "state/eagle.sqlite", run=None).holds
    assert eagle("replay", "state/eagle.sqlite").code == 0  # pause, resume and stop were journalled as inputs


# --- which view


def test_a_picture_that_cannot_be_drawn_is_refused_before_anything_happens(eagle: Eagle, tmp_path: Path) -> None:
    said = eagle("run", "--flow", FLOW, "--view", "live")
    assert said == Said(2, "", "eagle: --view live: standard error is no terminal; use --view plain\n")
    said = eagle("run", "--flow", FLOW, "--view", "live", "--speed", "max")
    assert said.code == 2
    assert said.err.startswith("eagle: --view live: virtual time is over too fast to watch; give --speed 1x")
    assert list(tmp_path.iterdir()) == []


class OnTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2


@pytest.mark.parametrize(
    ("group", "term", "obstacle"),
    [
        (os.getpgrp(), "xterm", ""),
        (None, "xterm", ""),
        (os.getpgrp(), "dumb", "this terminal cannot place its cursor (TERM=dumb)"),
        (os.getpgrp() + 1, "xterm", "this process runs in the background of its terminal"),
    ],
)
def test_why_a_terminal_takes_no_picture(
    monkeypatch: pytest.MonkeyPatch, group: int | None, term: str, obstacle: str
) -> None:
    def tcgetpgrp(_: int) -> int:
        if group is None:
            raise OSError(25, "Inappropriate ioctl for device")  # a terminal that controls nothing
        return group

    monkeypatch.setattr(sys, "stderr", OnTerminal())
    monkeypatch.setattr(os, "tcgetpgrp", tcgetpgrp)
    monkeypatch.setenv("TERM", term)
    assert view._no_picture() == obstacle


def test_auto_draws_where_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    for obstacle, kind in (("", view.LiveView), ("in the background", view.PlainView)):
        monkeypatch.setattr(view, "_no_picture", lambda obstacle=obstacle: obstacle)
        assert type(view.choose_view("auto", live_speed=True)) is kind
        assert type(view.choose_view("auto", live_speed=False)) is view.PlainView
        assert type(view.choose_view("plain", live_speed=True)) is view.PlainView
    with pytest.raises(CannotUse, match="--view live: in the background; use --view plain"):
        view.choose_view("live", live_speed=True)


# --- eagle status --watch


def test_a_watch_is_drawn_on_a_terminal_and_an_interrupt_leaves_the_run_alone(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with (
        StandIn(tmp_path / "state", a_status(run=3)) as runs,
        Terminal("status", "--watch", folder=tmp_path) as terminal,
    ):
        terminal.read_until(" hawk ")
        terminal.type("\x03")
        said = terminal.read_to_the_end()
        assert terminal.process.returncode == 0
        assert after(said, LEAVE).endswith("run 3 goes on; stop it with: eagle stop --run 3\n")
        assert runs.asked == []


def test_a_watch_ends_with_the_run(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with (
        StandIn(tmp_path / "state", a_status(run=3)) as runs,
        Terminal("status", "--watch", folder=tmp_path) as terminal,
    ):
        terminal.read_until(" hawk ")
        runs.end(3)
        assert after(terminal.read_to_the_end(), LEAVE).endswith("run 3 has ended: flat\n")
    assert terminal.process.returncode == 0
