"""Nobody acts on an account before its former owner is dead for certain (S13)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from engine.runtime.fence import fence
from engine.runtime.lease import Holder, started_at


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as made:
        yield made
        made.kill()


def _holder(pid: int) -> Holder:
    return Holder("hawk", pid, started_at(pid), socket.gethostname(), "j.sqlite")


@pytest.mark.parametrize("stopped", [False, True])
def test_a_process_that_hangs_is_killed_and_seen_to_be_gone(process: subprocess.Popen[bytes], stopped: bool) -> None:
    if stopped:
        os.kill(process.pid, signal.SIGSTOP)
    assert fence(_holder(process.pid)) == ""
    assert process.wait() == -signal.SIGKILL


def test_a_process_that_has_its_number_by_now_is_not_touched(process: subprocess.Popen[bytes]) -> None:
    assert fence(replace(_holder(process.pid), started="1")) == ""
    assert process.poll() is None


def test_one_that_is_dead_needs_nothing(process: subprocess.Popen[bytes]) -> None:
    holder = _holder(process.pid)
    process.kill()
    process.wait()
    assert fence(holder) == ""


def test_one_that_is_killed_and_does_not_go_is_not_fenced(
    process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that hangs in the kernel may still send what it was about to send."""
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda *_: None)
    monkeypatch.setattr("engine.runtime.fence.GONE_WITHIN_MS", 1)
    assert fence(_holder(process.pid)) == f"process {process.pid} was killed and is still there: it hangs in the kernel"


def test_one_of_another_user_is_not_fenced(process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(signal, "pidfd_send_signal", refuse)
    assert fence(_holder(process.pid)).startswith(f"process {process.pid} cannot be killed (Operation not permitted)")
    assert process.poll() is None


def test_one_on_another_machine_cannot_be_fenced(process: subprocess.Popen[bytes]) -> None:
    why = fence(replace(_holder(process.pid), host="elsewhere"))
    assert why == f"process {process.pid} runs on elsewhere: only that machine can end it"
    assert process.poll() is None
