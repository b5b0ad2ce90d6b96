"""Lines for a terminal or pipe that may stop reading (Ctrl-S, a pager, a stalled ssh): a thread waits for it.

The thread does nothing but hand bytes to the system, so that whoever adds a line is never held up.
"""

from __future__ import annotations

import os
import select
import threading
from queue import SimpleQueue

MOST_LINES = 5_000  # that wait; what comes on top is counted and not shown
AT_ONCE = 4_096  # bytes of short lines that go out in one write
GATHER_S = 0.02  # after a line the thread waits for those of the same moment: waking it takes longer than making a line


class Backlog:
    """Writes lines to a file descriptor in the order of `add`, as fast as that takes them."""

    def __init__(self, fd: int, *, encoding: str = "utf-8") -> None:
        self._fd = fd
        self._encoding = encoding
        self._waiting: SimpleQueue[bytes | None] = SimpleQueue()
        self._missed = 0
        self._closing = threading.Event()
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
        self._closing.set()
        self._thread.join(within_s)

    def _put(self, text: str) -> None:
        self._waiting.put(text.encode(self._encoding, "backslashreplace") + b"\n")

    def _write_all(self) -> None:
        while (line := self._waiting.get()) is not None:
            self._closing.wait(GATHER_S)
            lines, over = self._rest(line)
            try:
                self._write(lines)
            except OSError:  # the reader has gone for good: what comes is taken and forgotten
                self._fd = os.open(os.devnull, os.O_WRONLY)
            if over:
                return

    def _rest(self, line: bytes) -> tuple[bytes, bool]:
        """What waits behind the line goes out with it: at thousands of lines a second each turn of a thread counts."""
        lines, size = [line], len(line)
        while size < AT_ONCE and not self._waiting.empty():  # nobody else takes from it
            more = self._waiting.get()
            if more is None:
                return b"".join(lines), True
            lines.append(more)
            size += len(more)
        return b"".join(lines), False

    def _write(self, lines: bytes) -> None:
        while lines:
            try:
                lines = lines[os.write(self._fd, lines) :]
            except BlockingIOError:  # somebody made the terminal non-blocking for all that share it
                select.select([], [self._fd], [])
