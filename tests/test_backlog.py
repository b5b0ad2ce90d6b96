"""Lines for a reader that may stop reading: adding one never waits, and none is lost that fits."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cli import backlog as backlog_module
from cli.backlog import Backlog

PIPE_BYTES = 4_096


@contextmanager
def small_pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    try:
        yield reading, writing
    finally:
        for fd in (reading, writing):
            os.close(fd)


def read_lines(fd: int, count: int) -> list[str]:
    got = b""
    while got.count(b"\n") < count:
        got += os.read(fd, 65_536)
    return got.decode().splitlines()


def test_lines_come_in_the_order_in_which_they_were_added() -> None:
    with small_pipe() as (reading, writing):
        backlog = Backlog(writing)
        for number in range(100):
            backlog.add(f"line {number}")
        backlog.close(within_s=20)
        assert read_lines(reading, 100) == [f"line {number}" for number in range(100)]


def test_lines_of_one_moment_wake_the_thread_once_and_a_close_waits_for_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backlog_module, "GATHER_S", 600)
    written: list[bytes] = []
    monkeypatch.setattr(Backlog, "_write", lambda _, lines: written.append(lines))
    backlog = Backlog(-1)
    for number in range(3):
        backlog.add(f"line {number}")
    backlog.close(within_s=20)
    assert not backlog._thread.is_alive()
    assert written == [b"line 0\nline 1\nline 2\n"]


def test_adding_does_not_wait_for_a_reader_and_what_is_too_much_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test ends because `add` returns: nobody reads the pipe, which has long been full."""
    monkeypatch.setattr(backlog_module, "MOST_LINES", 50)
    text = "x" * (PIPE_BYTES * 2)  # one line is more than the pipe takes
    with small_pipe() as (reading, writing):
        backlog = Backlog(writing)
        for _ in range(80):
            backlog.add(text)
        missed = backlog._missed
        assert 25 <= missed <= 30  # 50 wait, the one that hangs in the pipe is under way
        backlog.close(within_s=0.01)  # returns all the same
        assert read_lines(reading, 80 - missed) == [text] * (80 - missed)
        backlog._thread.join(20)
        assert not backlog._thread.is_alive()


def test_how_many_lines_are_missing_stands_in_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog_module, "MOST_LINES", 0)
    with small_pipe() as (reading, writing):
        backlog = Backlog(writing)
        for _ in range(3):
            backlog.add("unseen")
        monkeypatch.setattr(backlog_module, "MOST_LINES", 10)
        backlog.add("seen")
        backlog.close(within_s=20)
        told = read_lines(reading, 2)
    assert told == ["... 3 lines are not shown: nobody read them in time", "seen"]


def test_a_reader_that_has_gone_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    backlog = Backlog(writing)
    for _ in range(3):
        backlog.add("to nobody")
    backlog.close(within_s=20)
    assert not backlog._thread.is_alive()
    os.close(writing)


def test_a_terminal_that_somebody_made_non_blocking_loses_nothing() -> None:
    with small_pipe() as (reading, writing):
        os.set_blocking(writing, False)
        backlog = Backlog(writing)
        backlog.add("x" * PIPE_BYTES * 3)
        assert read_lines(reading, 1) == ["x" * PIPE_BYTES * 3]
        backlog.close(within_s=20)


def test_what_the_encoding_lacks_is_escaped() -> None:
    with small_pipe() as (reading, writing):
        backlog = Backlog(writing, encoding="ascii")
        backlog.add("老鹰")
        backlog.close(within_s=20)
        assert read_lines(reading, 1) == ["\\u8001\\u9e70"]


def test_short_lines_that_wait_go_out_together() -> None:
    """Nobody reads while the first line fills the pipe; the lines behind it leave in a few writes, and all of them."""
    written: list[int] = []
    write = os.write

    def counted(fd: int, data: bytes) -> int:
        written.append(len(data))
        return write(fd, data)

    with small_pipe() as (reading, writing), pytest.MonkeyPatch.context() as patch:
        patch.setattr(backlog_module.os, "write", counted)
        backlog = Backlog(writing)
        backlog.add("x" * 2 * PIPE_BYTES)
        for number in range(200):
            backlog.add(f"line {number}")
        assert read_lines(reading, 201)[1:] == [f"line {number}" for number in range(200)]
        backlog.close(within_s=20)
    assert len(written) < 20
