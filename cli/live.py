"""Draws a run on a terminal, from what its control point shows to a watcher; also a program of its own.

The view of `eagle run` is a process of its own, `python -m cli.live FD`: whatever happens to the terminal, or to this
code, the run that hedges neither waits for it nor shares its memory.
"""

from __future__ import annotations

import json
import select
import signal
import socket
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live

from cli.panel import panel
from engine.runtime.status import LINES_KEPT, Line, Status, status_of

MOST_BYTES = 1 << 20  # of one answer; a status has some thirty thousand


class Lost(Exception):
    """The run has gone without a word: its process died, or it put this watcher out."""


@dataclass(frozen=True, slots=True)
class Ended:
    exit_code: int
    text: str


class Watched:
    """What a run shows to a watcher, read from a connected socket."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer = peer
        self.status: Status | None = None
        self.happened: deque[Line] = deque(maxlen=LINES_KEPT)
        self.ended: Ended | None = None
        self.refused = ""
        self._rest = b""

    def read(self) -> list[Line]:
        """Take what has come; returns the new lines. Raises: Lost, OSError, StatusUnreadable."""
        data = self.peer.recv(1 << 16)
        if not data:
            raise Lost
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MOST_BYTES:
            raise Lost
        return [line for answer in whole for line in self._take(answer)]

    def _take(self, answer: bytes) -> tuple[Line, ...]:
        told = json.loads(answer)
        if "status" in told:
            self.status = status_of(told["status"])
            self.happened.extend(self.status.lines)
            return self.status.lines
        if "ended" in told:
            self.ended = Ended(told["ended"]["exit_code"], told["ended"]["text"])
        self.refused = told.get("refused", "")
        return ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.status is not None:
            yield from panel(self.status, list(self.happened), width=options.size.width, height=options.size.height)


def draw(watched: Watched, stream: TextIO) -> None:
    """Draw until the run has ended or refused; leaves the terminal as it was. Raises: as `Watched.read`."""
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    with (
        _resized() as resized,
        Live(
            watched, console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        ) as live,
    ):
        while watched.ended is None and not watched.refused:
            ready, _, _ = select.select([watched.peer, resized], [], [])
            if resized in ready:
                resized.recv(64)
            if watched.peer in ready:
                watched.read()
            live.refresh()


@contextmanager
def _resized() -> Iterator[socket.socket]:
    """A socket that has something to read whenever the terminal has got another size."""
    ours, woken = socket.socketpair()
    ours.setblocking(False)
    former = signal.signal(signal.SIGWINCH, lambda *_: None)
    waking = signal.set_wakeup_fd(ours.fileno(), warn_on_full_buffer=False)
    try:
        yield woken
    finally:
        signal.set_wakeup_fd(waking)
        signal.signal(signal.SIGWINCH, former)
        ours.close()
        woken.close()


def main() -> None:
    """The view of `eagle run`, on standard error. The run itself takes the signals of the terminal."""
    for number in (signal.SIGINT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    watched = Watched(socket.socket(fileno=int(sys.argv[1])))
    try:
        draw(watched, sys.stderr)
    except Lost:
        run = watched.status.run if watched.status is not None else "?"
        sys.stderr.write(
            f"eagle: run {run} has died without a word; what it left at a venue: eagle recover --config FILE\n"
        )


if __name__ == "__main__":
    main()
