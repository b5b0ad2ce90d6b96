"""Keeps a file with the newest metrics, as a node exporter's textfile collector reads it: always a whole one.

A disk that hangs holds up a thread, never the loop: what cannot be written in time is left out.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue


class MetricsFile:
    """`trouble` is the newest reason why the file could not be written, empty while it can."""

    def __init__(self, path: Path) -> None:
        self.trouble = ""
        self._path = path
        self._beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def write(self, text: bytes) -> None:
        """Write now. Raises: OSError."""
        try:
            self._beside.write_bytes(text)
            self._beside.replace(self._path)
        except OSError:
            with suppress(OSError):
                self._beside.unlink(missing_ok=True)
            raise

    def start(self) -> None:
        """From here on `put` hands over to a thread; a daemon, so that a disk that hangs does not keep the process."""
        self._thread = threading.Thread(target=self._work, name="eagle-metrics", daemon=True)
        self._thread.start()

    def put(self, text: bytes) -> None:
        """Have this text written, unless the one before still is."""
        if self._thread is None:
            self._write(text)
        elif self._queue.empty():
            self._queue.put(text)
        else:
            self.trouble = "the disk hangs"

    def close(self, *, within_s: float) -> None:
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(within_s)

    def _work(self) -> None:
        while (text := self._queue.get()) is not None:
            self._write(text)

    def _write(self, text: bytes) -> None:
        try:
            self.write(text)
            self.trouble = ""
        except OSError as error:
            self.trouble = error.strerror or str(error)
