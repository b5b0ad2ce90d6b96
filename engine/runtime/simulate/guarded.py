"""Keeps a simulation inside its own time: who starts a thread or opens a socket in it is stopped with `Forbidden`.

What is forbidden is replaced where it is asked for, and put back afterwards. An audit hook would hear of it as well,
and of each value that is turned: eight hundred calls a round, in this process for ever.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn

from engine.runtime.loop import Forbidden

__all__ = ["inside"]

# The classes stand for all that is made of them, under whatever name they were imported.
_FORBIDDEN: tuple[tuple[Any, str, str], ...] = (
    (threading.Thread, "start", "a thread"),
    (socket.socket, "__init__", "a socket"),
    (socket, "socketpair", "a socket"),
    (subprocess.Popen, "__init__", "another program"),
    (os, "fork", "a process of its own"),
    (os, "posix_spawn", "another program"),
)


@contextmanager
def inside() -> Iterator[None]:
    """While entered, threads, sockets and other programs are refused where they are asked for."""
    with ExitStack() as stack:
        for owner, name, what in _FORBIDDEN:
            stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, _refusing(what))
        yield


def _refusing(what: str) -> Callable[..., NoReturn]:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise Forbidden(f"{what} is asked for in a simulation; time and order would be the machine's")

    return refuse
