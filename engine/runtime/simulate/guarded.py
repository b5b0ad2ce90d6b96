"""Keeps a simulation inside its own time: who starts a thread or opens a socket in it is stopped with `Forbidden`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NoReturn

from engine.runtime.loop import Forbidden

__all__ = ["inside"]

_FORBIDDEN = {
    "socket.__new__": "a socket",
    "subprocess.Popen": "another program",
    "os.fork": "a process of its own",
}
_watching = False


@contextmanager
def inside() -> Iterator[None]:
    """While entered, threads, sockets and other programs are refused where they are asked for."""
    global _watching  # there is one interpreter, and its audit hooks cannot be taken off again
    _install()
    former, _watching = _watching, True
    start, threading.Thread.start = threading.Thread.start, _no_thread  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        _watching, threading.Thread.start = former, start  # type: ignore[method-assign]


@cache
def _install() -> None:
    sys.addaudithook(_audit)


def _audit(event: str, _: tuple[object, ...]) -> None:
    if _watching and event in _FORBIDDEN:
        _refuse(_FORBIDDEN[event])


def _no_thread(_: threading.Thread) -> NoReturn:
    """Threads raise no audit event before Python 3.12."""
    _refuse("a thread")


def _refuse(what: str) -> NoReturn:
    raise Forbidden(f"{what} is asked for in a simulation; time and order would be the machine's")
