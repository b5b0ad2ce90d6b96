"""Lines for a terminal or pipe that may stop reading (Ctrl-S, a pager, a stalled ssh): a thread waits for it.

The thread does nothing but hand bytes to the system, so that whoever adds a line is never held up.
"""

from __future__ import annotations

import os
import select
import threading
from queue import SimpleQueue

MOST_LINES = 5_000  # that wait; what comes on top is counted and not shown


class Backlog:
    """Writes lines to a file descriptor in the order of `add`, as fast as that takes them."""

    def __init__(self, fd: int, *, encoding: str = "utf-8") -> None:
        self._fd = fd
        self._encoding = encoding
        self._waiting: SimpleQueue[bytes | None] = SimpleQueue()
        self._missed = 0
        self._thread = threading.Thread(target=self._write_all, name="backlog", daemon=True)
        self._thread.start()

    def add(self, text: str) -> None:
        """Never waits; a line beyond the bound is counted, and the count is told in its place."""
        if self._waiting.qsize() >= MOST_LINES:
            self._missed += 1
            return
        if self._missed:
            self._put(f"... {self._missed} lines are not shown: nobody read them in time")
            self._missed = 0
        self._put(text)

    def close(self, *, within_s: float) -> None:
        """Wait for what is to be written, but not for a reader that has stopped reading."""
        self._waiting.put(None)
        self._thread.join(within_s)

    def _put(self, text: str) -> None:
        self._waiting.put(text.encode(self._encoding, "backslashreplace") + b"\n")

    def _write_all(self) -> None:
        while (line := self._waiting.get()) is not None:
            try:
                self._write(line)
            except OSError:  # the reader has gone for good: what comes is taken and forgotten
                self._fd = os.open(os.devnull, os.O_WRONLY)

    def _write(self, line: bytes) -> None:
        while line:
            try:
                line = line[os.write(self._fd, line) :]
            except BlockingIOError:  # somebody made the terminal non-blocking for all that share it
                select.select([], [self._fd], [])
