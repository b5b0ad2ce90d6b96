"""Log files that rotate, are for their owner's eyes only, and survive a full disk and a folder that went away.

Nothing here raises once the files are open: what could not be written is counted, told by `trouble`, and noted in the
log when it is back.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from engine.runtime.clock import counting_ns
from engine.runtime.folders import make_folder
from engine.runtime.log_format import Value, iso, line
from engine.runtime.log_lines import Happening, Lines, Log

OWNER_ONLY = 0o600
AT_A_TIME_NS = 200_000  # of making lines, after which the loop's thread has its turn
TURN_S = 50e-6
MOST_WAITING = 20_000  # steps that wait for a disk that hangs, some 20 MB; later ones are counted and left out


class LogFile(RotatingFileHandler):
    """One log; the standard library rotates it. After a failure the next line begins on a line of its own."""

    stream: Any  # unbuffered, of bytes; None while it is not open

    def __init__(self, path: Path, *, size: int, keep: int) -> None:
        """`size` in bytes, beyond which the file is put aside, `keep` of them. Raises: OSError."""
        self.trouble = ""  # what went wrong in the newest `write`
        self._length = 0  # of the file
        self._torn = False  # it ends in the middle of a line
        self._done = 0  # lines of this `write` that are in it
        super().__init__(path, maxBytes=size, backupCount=keep)

    def write(self, lines: Sequence[str]) -> int:
        """Append lines; returns how many of them, from the first on, are in the file now."""
        self.trouble, self._done = "", 0
        waiting = bytearray()
        try:
            self._follow()
            for text in lines:
                data = f"{text}\n".encode(errors="backslashreplace")
                if self._length + len(waiting) + len(data) > self.maxBytes:
                    self._append(waiting)
                    self._put_aside()
                    waiting = bytearray()
                waiting += data
            self._append(waiting)
        except OSError as error:
            self.trouble = error.strerror or str(error)
            self._drop_stream()
        return self._done

    def _append(self, lines: bytearray) -> None:
        """One write, as far as the disk lets it be one. Unbuffered: no failed piece may come out later."""
        ending = b"\n" if self._torn and self._length and lines else b""
        data, written = ending + lines, 0
        try:
            while written < len(data):
                written += self.stream.write(data[written:])
        finally:
            self._length += written
            if written:
                self._done += data.count(b"\n", len(ending), written)
                self._torn = data[written - 1] != ord("\n")

    def _put_aside(self) -> None:
        if not self._length:
            return  # a line that is longer than a log may be
        try:
            self.doRollover()
        except OSError as error:  # longer than it should be, but with every line
            self.trouble = f"cannot be put aside: {error.strerror}"
            self._drop_stream()
            self._reopen()

    def _follow(self) -> None:
        """Open anew where the file was moved, removed, or put aside by another process."""
        if self.stream is not None:
            held = os.fstat(self.stream.fileno())
            self._length = held.st_size
            with suppress(FileNotFoundError):
                there = Path(self.baseFilename).stat()
                if (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino):
                    return
        self._drop_stream()
        self._reopen()

    def _reopen(self) -> None:
        make_folder(Path(self.baseFilename).parent)
        self.stream = self._open()

    def _open(self) -> Any:
        number = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY)
        with suppress(OSError):
            if stat.S_ISREG(os.fstat(number).st_mode):  # a link to /dev/null keeps a log silent
                os.fchmod(number, OWNER_ONLY)
        self._length = os.fstat(number).st_size
        return unbuffered(number)

    def _drop_stream(self) -> None:
        stream, self.stream = self.stream, None
        if stream is not None:
            with suppress(OSError):
                stream.close()


def unbuffered(number: int) -> Any:
    """A file that hands over every write at once."""
    return os.fdopen(number, "ab", buffering=0)


class LogWriter:
    """Writes happenings to the files of a folder: in a thread of its own once it is started, else at once."""

    def __init__(self, files: Mapping[Log, LogFile], *, run: int) -> None:
        self.trouble = ""  # the first thing that went wrong, for a person; read by the loop's thread
        self._files = files
        self._run = run
        self._lines = Lines()
        self._lost = dict.fromkeys(files, 0)
        # Each counter is written by one thread and read by the other.
        self._given = self._left_out = 0  # the loop's: happenings handed over, and those that found no room
        self._taken = self._left_out_noted = 0  # the writer's
        self._queue: SimpleQueue[Sequence[Happening] | None] = SimpleQueue()
        self._never = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """From here on `put` hands over to a thread. It is a daemon: a disk that hangs must not keep the process."""
        self._thread = threading.Thread(target=self._work, name="eagle-logs", daemon=True)
        self._thread.start()

    def put(self, happenings: Sequence[Happening]) -> None:
        """Take over happenings; never waits once the thread runs."""
        if self._thread is None:
            self._write_all(happenings)
        elif self._given - self._taken < MOST_WAITING:
            self._given += len(happenings)
            self._queue.put(happenings)
        else:
            self._left_out += len(happenings)
            self._tell(f"the disk does not keep up: {self._given - self._taken} steps wait")

    def close(self, *, within_s: float) -> None:
        """Write what waits, as far as the time goes."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(within_s)
            if self._thread.is_alive():
                self._tell(f"the disk hangs: {self._given - self._taken} steps were not written in {within_s:g} s")
                return
        for file in self._files.values():
            file.close()

    def _work(self) -> None:
        while (happenings := self._queue.get()) is not None:
            self._write_all(happenings)
            self._taken += len(happenings)

    def _write_all(self, happenings: Sequence[Happening]) -> None:
        """The lines of many happenings, one write a log."""
        texts: dict[Log, list[str]] = {log: [] for log in self._files}
        began_ns = counting_ns()
        for it in happenings:
            if self._thread is not None and counting_ns() - began_ns >= AT_A_TIME_NS:
                # Who computes keeps the interpreter for 5 ms, which a fill that comes meanwhile would wait.
                self._never.wait(TURN_S)
                began_ns = counting_ns()
            try:
                for log, fields in self._lines.of(it):
                    texts[log].append(self._line(it, fields))
            except Exception as error:  # noqa: BLE001 a line that cannot be made must not end the logs
                self._tell(f"a line could not be made: {type(error).__name__}: {error}")
        left_out = self._left_out - self._left_out_noted
        if left_out:
            self._left_out_noted += left_out
            texts[Log.ERRORS].append(self._line(happenings[-1], {"event": "steps_left_out", "count": left_out}))
        for log, lines in texts.items():
            if lines:
                self._hand_over(log, lines, happenings[0])

    def _hand_over(self, log: Log, lines: list[str], first: Happening) -> None:
        """Lines that were lost are counted until a line can say how many."""
        file, lost = self._files[log], self._lost[log]
        note = [self._line(first, {"event": "lines_lost", "count": lost})] if lost else []
        written = file.write([*note, *lines])
        self._lost[log] = len(lines) + len(note) - written + (lost - 1 if note and not written else 0)
        if file.trouble:
            self._tell(f"{file.baseFilename}: {file.trouble}")

    def _line(self, it: Happening, fields: Mapping[str, Value]) -> str:
        head: dict[str, Value] = {"time": iso(it.wall_ms), "run": self._run, "seq": it.seq, "at_ns": it.at_ns}
        return line({**head, **fields})

    def _tell(self, trouble: str) -> None:
        self.trouble = self.trouble or trouble


def open_logs(folder: Path, *, size: int, keep: int) -> dict[Log, LogFile]:
    """The four files, made where they are missing. Raises: OSError."""
    make_folder(folder)
    return {log: LogFile(folder / f"{log.value}.log", size=size, keep=keep) for log in Log}
