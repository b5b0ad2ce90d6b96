"""`eagle status`, `stop`, `pause`, `resume`: which run is meant, what it is told, and why one cannot be reached."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_kit import FLOW, Eagle, Said, eagle
from control_kit import StandIn, a_line, a_status

from cli import attach
from engine.runtime.control_socket import open_socket, socket_path
from engine.runtime.status import Status, read_status

__all__ = ["eagle"]


@pytest.fixture
def state(eagle: Eagle) -> Path:  # noqa: ARG001 it makes the directory that this is in
    """The folder of the default journal."""
    Path("state").mkdir()
    return Path("state")


def journalled(run: int, name: str = "eagle.sqlite", **changes: Any) -> Status:
    return a_status(run=run, journal=str(Path("state", name).absolute()), **changes)


@pytest.fixture
def one(state: Path) -> Iterator[StandIn]:
    with StandIn(state, journalled(3)) as run:
        yield run


@pytest.fixture
def two(state: Path) -> Iterator[StandIn]:
    with StandIn(state, journalled(3), journalled(12, "other.sqlite", paused=True)) as runs:
        yield runs


# --- status


@pytest.mark.usefixtures("one")
def test_the_one_run_is_shown(eagle: Eagle) -> None:
    said = eagle("status")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(" eagle_chicken  ETH-PERP  run 3 ")
    assert " chick    takers  paper-b  resync      -0.02" in said.out
    assert said.out.endswith("2.000  fill           number 2\n")


@pytest.mark.usefixtures("one")
def test_a_status_as_json_is_the_whole_value_in_one_line(eagle: Eagle) -> None:
    said = eagle("status", "--format", "json")
    assert said.out.count("\n") == 1
    assert read_status(said.out) == journalled(3)


@pytest.mark.usefixtures("two")
def test_several_runs_are_listed_one_can_be_picked_or_named_by_its_journal(eagle: Eagle) -> None:
    listed = eagle("status").out.splitlines()
    assert [line.split()[0] for line in listed] == ["run", "3", "12", "one"]
    assert listed[1].split()[-1] == "state/eagle.sqlite"
    assert len(eagle("status", "--format", "json").out.splitlines()) == 2
    assert " run 12 " in eagle("status", "--run", 12).out
    assert " run 12 " in eagle("status", "--journal", "state/other.sqlite").out
    assert eagle("status", "--journal", "state").out.splitlines() == listed


def test_a_watch_shows_each_line_once_and_ends_with_the_run(eagle: Eagle, one: StandIn) -> None:
    one.ends, one.looks_left = (1, "not flat: hawk +0.02"), 4
    said = eagle("status", "--watch")
    assert said == Said(
        1,
        "     1.000  fill           number 1\n     2.000  fill           number 2\n",
        "run 3 has ended: not flat: hawk +0.02\n",
    )


# --- stop, pause, resume


@pytest.mark.parametrize(
    ("words", "asked"),
    [(("stop",), 1), (("stop", "--now"), 2), (("pause",), True), (("resume",), False)],
)
def test_a_command_asks_its_run_and_tells_the_answer(
    eagle: Eagle, one: StandIn, words: tuple[str, ...], asked: object
) -> None:
    assert eagle(*words) == Said(0, f"run 3: noted {asked}\n", "")
    assert one.asked == [(3, asked)]


@pytest.mark.parametrize("command", ["stop", "pause", "resume"])
def test_with_several_runs_nothing_is_asked_of_any_until_one_is_named(eagle: Eagle, two: StandIn, command: str) -> None:
    said = eagle(command)
    assert (said.code, said.out) == (2, "")
    assert said.err == "eagle: --run: several runs are going on (3, 12); say which one\n"
    assert two.asked == []
    assert eagle(command, "--journal", "state/other.sqlite").code == 0
    assert [run for run, _ in two.asked] == [12]


def test_another_journal_in_the_folder_is_not_stopped_in_place_of_the_one_named(eagle: Eagle, one: StandIn) -> None:
    said = eagle("stop", "--journal", "state/other.sqlite")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("eagle: no run of state/other.sqlite is going on")
    assert one.asked == []


@pytest.mark.parametrize(("ends", "code"), [((0, "flat"), 0), ((1, "left open: hawk +0.02"), 1), ((130, "left"), 1)])
def test_a_stop_that_waits_tells_what_comes_and_how_it_ended(
    eagle: Eagle, state: Path, ends: tuple[int, str], code: int
) -> None:
    class Stopping(StandIn):
        """Ends when it is asked to stop, with one line more."""

        def _control(self, run: int):  # type: ignore[no-untyped-def]
            control = super()._control(run)

            def stop(level: int) -> str:
                self.show(journalled(3, lines=(a_line(1), a_line(2), a_line(3, "STOP"))))
                self.end(run)
                return f"stopping at {level}"

            control._stop = stop
            return control

    with Stopping(state, journalled(3)) as run:
        run.ends = ends
        said = eagle("stop", "--wait")
    assert said == Said(
        code, "", f"run 3: stopping at 1\n     3.000  fill           STOP\nrun 3 has ended: {ends[1]}\n"
    )


# --- who cannot be reached


@pytest.mark.usefixtures("state")
def test_nothing_runs(eagle: Eagle) -> None:
    for command in ("status", "stop", "pause", "resume"):
        said = eagle(command)
        assert said == Said(
            1, "", "eagle: no run of state/eagle.sqlite is going on; runs with --journal off cannot be reached\n"
        )


def test_nothing_runs_any_more_and_the_journal_tells_how_it_ended(eagle: Eagle) -> None:
    assert eagle("run", "--flow", FLOW, "--speed", "max", "--rounds", 1).code == 0
    said = eagle("status")
    assert said.err.startswith("eagle: no run of state/eagle.sqlite is going on (run 1 ended with exit code 0)")
    assert "no run 7 of state/eagle.sqlite is going on;" in eagle("status", "--run", 7).err


def test_there_is_no_such_folder(eagle: Eagle) -> None:
    said = eagle("status", "--journal", "nowhere/j.sqlite")
    assert said.code == 1
    assert said.err == (
        "eagle: no run of nowhere/j.sqlite: nowhere cannot be read (No such file or directory);"
        " name the journal with --journal\n"
    )


def test_a_process_that_died_is_told_apart(eagle: Eagle, state: Path) -> None:
    open_socket(state, 4).close()  # as a kill -9 leaves it
    for command in ("status", "stop"):
        said = eagle(command)
        assert (said.code, said.out) == (1, "")
        assert said.err.startswith("eagle: run 4 is not running any more: its process died without an orderly end")


@pytest.mark.usefixtures("one")
def test_a_dead_run_beside_a_living_one_is_mentioned(eagle: Eagle) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(socket_path(Path("state"), 2)))
    said = eagle("stop")
    assert said.out == "run 3: noted 1\n"
    assert said.err.startswith("run 2 is not running any more")


def test_a_process_that_does_not_answer_is_named(eagle: Eagle, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attach, "ANSWER_WITHIN_S", 0.05)
    with open_socket(state, 4):  # listens, and its loop never comes round
        said = eagle("stop")
    assert said.code == 1
    assert said.err.startswith(f"eagle: run 4 has not answered within 0.05 s: its process {os.getpid()} hangs or was")


def test_a_socket_of_somebody_else_is_named(eagle: Eagle, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(attach, "connect", refused)
    monkeypatch.setattr(Path, "owner", lambda _: "alice")
    with open_socket(state, 4):
        said = eagle("stop")
    assert said == Said(
        1, "", "eagle: run 4 belongs to user alice: only that user and root may ask it (state/run-4.sock)\n"
    )


def test_a_socket_that_a_stranger_holds_is_asked_nothing(
    eagle: Eagle, one: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attach, "imposter", lambda _: 1001)
    said = eagle("stop")
    told = "state/run-3.sock is held by user 1001, not by a run of yours; nothing was asked"
    assert said == Said(1, "", f"eagle: {told}\n")
    assert one.asked == []


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"", "its answer broke off (the run ended meanwhile)"),
        (b"{}\n", "no status of this version's format; ask it with the eagle that runs it"),
        (b'{"status":{"format":99}}\n', "no status of this version's format; ask it with the eagle that runs it"),
        (b"[]\n", "run 4 refuses: its answer is none"),
        (b'{"refused":"not you"}\n', "run 4 refuses: not you"),
        (b"what?\n", "its answer broke off (Expecting value"),
        (b"\xff\n", "its answer broke off ("),
    ],
)
def test_an_answer_that_is_none(eagle: Eagle, state: Path, answer: bytes, told: str) -> None:
    """The answer waits in the socket before the question is asked."""
    listening = open_socket(state, 4)
    real = attach.connect

    def connected(path: Path, *, within_s: float) -> socket.socket:
        peer = real(path, within_s=within_s)
        served, _ = listening.accept()
        served.sendall(answer)
        served.shutdown(socket.SHUT_WR)
        kept.append(served)
        return peer

    kept: list[socket.socket] = []
    with pytest.MonkeyPatch.context() as patch, listening:
        patch.setattr(attach, "connect", connected)
        said = eagle("status")
    for served in kept:
        served.close()
    assert (said.code, said.out) == (1, "")
    assert told in said.err


def test_json_statuses_can_be_watched(eagle: Eagle, one: StandIn) -> None:
    one.looks_left = 4
    said = eagle("status", "--watch", "--format", "json")
    assert (said.code, said.err) == (0, "run 3 has ended: flat\n")
    statuses = [read_status(line) for line in said.out.splitlines()]
    assert [[line.seq for line in status.lines] for status in statuses][:2] == [[1, 2], []]
