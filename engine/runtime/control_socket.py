"""The socket files by which runs are reached: `run-N.sock` beside the journal, for the user of the run alone.

A name appears when its run listens and goes when it ends; one that refuses a connection belongs to a process that died.
Sockets are bound and connected by their bare name inside the folder: a path may be longer than a socket's address.
"""

from __future__ import annotations

import os
import re
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WAITING = 16  # connections that the system keeps until the loop comes round
_NAME = re.compile(r"run-([0-9]{1,18})\.sock")
_PEER = struct.Struct("3i")  # pid, uid, gid
_ROOT = 0


def socket_path(folder: Path, run: int) -> Path:
    return folder / f"run-{run}.sock"


def open_socket(folder: Path, run: int) -> socket.socket:
    """A listening socket for the run, in place of any of its name; what processes that died left there is removed.

    Raises: OSError where the folder takes no sockets.
    """
    name = socket_path(Path(), run).name
    fresh = f"{name}.new"
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        with inside(folder):
            _remove_dead()
            Path(fresh).unlink(missing_ok=True)
            try:
                listening.bind(fresh)
                listening.listen(WAITING)
                Path(fresh).rename(name)  # only now: whoever finds the name can connect
            finally:
                Path(fresh).unlink(missing_ok=True)
    except BaseException:
        listening.close()
        raise
    finally:
        os.umask(mask)
    return listening


def runs_in(folder: Path) -> dict[int, Path]:
    """The socket files by run number, the living and the dead. Raises: OSError."""
    found = ((_NAME.fullmatch(entry.name), entry) for entry in folder.iterdir())
    return dict(sorted((int(name[1]), entry) for name, entry in found if name is not None and entry.is_socket()))


def connect(path: Path, *, within_s: float) -> socket.socket:
    """A connection to the run behind a socket file, with that timeout on it. Raises: OSError."""
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.settimeout(within_s)
    try:
        with inside(path.parent):
            peer.connect(path.name)
    except BaseException:
        peer.close()
        raise
    return peer


def peer_of(connected: socket.socket) -> tuple[int, int] | None:
    """Process and user at the other end, where the system tells."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    pid, uid, _ = _PEER.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return pid, uid


def admit(connected: socket.socket) -> str:
    """Why this peer may not control the run; empty for its own user and for root, who could do worse anyway."""
    peer = peer_of(connected)
    if peer is None or peer[1] in (_ROOT, os.geteuid()):
        return ""
    return f"this run belongs to user {os.geteuid()}, and you are user {peer[1]}"


def imposter(connected: socket.socket) -> int | None:
    """The user who holds a socket that should be ours, if it is another one; root may look at everybody's."""
    peer = peer_of(connected)
    if peer is None or os.geteuid() == _ROOT or peer[1] in (_ROOT, os.geteuid()):
        return None
    return peer[1]


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """With `folder` as the working directory, which is the whole process's: for a few calls, not across an await."""
    here = os.open(".", getattr(os, "O_PATH", os.O_RDONLY))
    try:
        os.chdir(folder)
        try:
            yield
        finally:
            os.fchdir(here)
    finally:
        os.close(here)


def _remove_dead() -> None:
    for path in runs_in(Path()).values():
        try:
            connect(path, within_s=1).close()
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError:
            continue  # another user's, or too busy to answer: alive
