"""The socket files of runs: for their user alone, there exactly while a run listens, whatever the length of a path."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from control_kit import PATIENCE_S

from engine.runtime import control_socket
from engine.runtime.control_socket import admit, connect, imposter, inside, open_socket, peer_of, runs_in, socket_path


def test_a_socket_is_for_its_user_alone_and_the_umask_stays(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with open_socket(tmp_path, 7):
            mode = socket_path(tmp_path, 7).stat().st_mode
            assert os.umask(0) == 0
    finally:
        os.umask(before)
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_a_folder_deeper_than_an_address_is_long_takes_a_socket(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 10)
    folder.mkdir(parents=True)
    here = Path.cwd()
    with open_socket(folder, 1) as listening:
        assert len(str(socket_path(folder, 1))) > 200
        with connect(socket_path(folder, 1), within_s=PATIENCE_S) as peer, listening.accept()[0] as served:
            peer.sendall(b"x")
            assert served.recv(1) == b"x"
    assert Path.cwd() == here


def test_what_dead_processes_left_is_removed_and_the_living_stay(tmp_path: Path) -> None:
    open_socket(tmp_path, 1).close()  # as a process that was killed leaves it
    (tmp_path / "run-x.sock").write_text("somebody's file")
    (tmp_path / "run-5.sock.new").write_text("left between two calls")
    with open_socket(tmp_path, 2), open_socket(tmp_path, 5):
        assert runs_in(tmp_path) == {2: socket_path(tmp_path, 2), 5: socket_path(tmp_path, 5)}
        assert (tmp_path / "run-x.sock").read_text() == "somebody's file"


def test_a_name_of_a_dead_run_is_taken_over(tmp_path: Path) -> None:
    open_socket(tmp_path, 1).close()
    with pytest.raises(ConnectionRefusedError):
        connect(socket_path(tmp_path, 1), within_s=PATIENCE_S)
    with open_socket(tmp_path, 1), connect(socket_path(tmp_path, 1), within_s=PATIENCE_S):
        pass


def test_a_file_of_the_name_of_a_socket_is_left_alone(tmp_path: Path) -> None:
    socket_path(tmp_path, 1).write_text("no socket")
    with open_socket(tmp_path, 2):
        assert list(runs_in(tmp_path)) == [2]
    assert socket_path(tmp_path, 1).read_text() == "no socket"


def test_a_folder_that_takes_no_socket_is_told_and_nothing_is_left_changed(tmp_path: Path) -> None:
    here, mask = Path.cwd(), os.umask(0o22)
    with pytest.raises(OSError, match="No such file"):
        open_socket(tmp_path / "nowhere", 1)
    socket_path(tmp_path, 1).mkdir()  # a folder where the socket's name would go
    with pytest.raises(OSError, match="directory"):
        open_socket(tmp_path, 1)
    assert (Path.cwd(), os.umask(mask)) == (here, 0o22)
    assert list(tmp_path.iterdir()) == [socket_path(tmp_path, 1)]


def test_the_working_directory_comes_back_after_an_error(tmp_path: Path) -> None:
    here = Path.cwd()
    with pytest.raises(ZeroDivisionError), inside(tmp_path):
        raise ZeroDivisionError
    assert Path.cwd() == here


def test_runs_are_listed_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 101):
        with socket.socket(socket.AF_UNIX) as bound, inside(tmp_path):
            bound.bind(f"run-{number}.sock")
    assert list(runs_in(tmp_path)) == [9, 10, 101]


# --- who may ask


@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="this system does not tell who is at the other end")
def test_the_other_end_is_known(tmp_path: Path) -> None:
    with open_socket(tmp_path, 1) as listening:
        code = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.recv(1)"
        command = [sys.executable, "-c", code, str(socket_path(tmp_path, 1))]
        with subprocess.Popen(command) as other:
            served, _ = listening.accept()
            assert peer_of(served) == (other.pid, os.geteuid())
            assert admit(served) == ""
            served.close()


@pytest.mark.parametrize(
    ("me", "peer", "stranger"),
    [(1000, (1, 1000), None), (1000, (1, 0), None), (1000, (1, 1001), 1001), (0, (1, 1001), None), (1000, None, None)],
)
def test_a_socket_that_somebody_else_holds_is_noticed(
    monkeypatch: pytest.MonkeyPatch, me: int, peer: tuple[int, int] | None, stranger: int | None
) -> None:
    monkeypatch.setattr(control_socket, "peer_of", lambda _: peer)
    monkeypatch.setattr(os, "geteuid", lambda: me)
    with socket.socket() as connected:
        assert imposter(connected) == stranger


@pytest.mark.parametrize(
    ("peer", "told"),
    [((1, 1000), ""), ((1, 0), ""), ((1, 1001), "this run belongs to user 1000, and you are user 1001"), (None, "")],
)
def test_only_the_user_of_the_run_and_root_may_ask(
    monkeypatch: pytest.MonkeyPatch, peer: tuple[int, int] | None, told: str
) -> None:
    monkeypatch.setattr(control_socket, "peer_of", lambda _: peer)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with socket.socket() as connected:
        assert admit(connected) == told
