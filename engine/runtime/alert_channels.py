"""How a person is called: a command that gets the fact as JSON. Blocks, so it runs in a thread of its own.

Nothing here raises: what went wrong is the outcome, in words fit for a screen.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Protocol

# A call must fit into a pipe that nobody reads (64 KiB), although JSON may write a character as six.
LONGEST_TEXT = 2_000  # characters
MOST_FACTS, LONGEST_FACT = 20, 300
STDERR_KEPT = 2_000  # bytes of what a command complains; the rest is read and dropped
STDERR_TOLD = 200  # characters of it that an outcome repeats
REAP_S = 2.0  # for a command that was killed


@dataclass(frozen=True, slots=True)
class Call:
    """An alert as those who are called get it; the fields are the keys of the JSON on a command's stdin."""

    code: str
    level: str
    text: str
    advice: str  # what a person should do
    facts: Mapping[str, str]
    held_back: int  # alerts of the same kind since the last call
    time: str
    run: int
    flow: str
    market: str
    program: str

    @property
    def title(self) -> str:
        return f"eagle {self.level}: {self.code} (run {self.run}, {self.flow} on {self.market})"

    @property
    def body(self) -> str:
        more = f" (and {self.held_back} more like it since the last message)" if self.held_back else ""
        return f"{self.text}{more}\n\nWhat to do: {self.advice}\n\n{self.time}, {self.program}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call on one channel."""

    delivered: bool
    text: str


class Channel(Protocol):
    """One way to a person."""

    @property
    def name(self) -> str: ...

    def deliver(self, call: Call, *, hurry: threading.Event) -> Outcome:
        """Call, within the channel's own time; once `hurry` is set, do not wait between attempts. Blocks."""


class CommandChannel:
    """Runs a program without a shell, in a session of its own so that Ctrl-C is not for it."""

    def __init__(self, argv: Sequence[str], *, timeout_s: float) -> None:
        self.name = f"command {printable(Path(argv[0]).name)}"
        self._argv = list(argv)
        self._timeout_s = timeout_s

    def deliver(self, call: Call, *, hurry: threading.Event) -> Outcome:
        """One attempt: nobody knows what half a run of a program has done. One that hangs is killed, children too."""
        try:
            process = subprocess.Popen(
                self._argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                start_new_session=True,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            return Outcome(False, f"cannot be started: {reason}; is it on the PATH and executable?")
        complaint = _Complaint(process.stderr)
        _feed(process.stdin, as_json(call).encode())
        try:
            code = process.wait(self._timeout_s)
        except subprocess.TimeoutExpired:
            _kill(process)
            return Outcome(False, f"killed after {self._timeout_s:g} s{complaint.told()}")
        if code == 0:
            return Outcome(True, "exit code 0")
        ended = f"exit code {code}" if code > 0 else f"ended by signal {-code}"
        return Outcome(False, f"{ended}{complaint.told()}")


def _feed(stdin: IO[bytes] | None, data: bytes) -> None:
    """A command need not read what it is told."""
    if stdin is not None:
        with suppress(BrokenPipeError):
            stdin.write(data)
        with suppress(BrokenPipeError):
            stdin.close()


def as_json(call: Call) -> str:
    """One line of JSON, cut so that it fits into a pipe."""
    facts = {key: value[:LONGEST_FACT] for key, value in list(call.facts.items())[:MOST_FACTS]}
    return json.dumps({**asdict(call), "text": call.text[:LONGEST_TEXT], "facts": facts}) + "\n"


class _Complaint:
    """Reads a command's stderr to its end, megabytes if need be, and keeps the beginning."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._kept = b""
        self._stream = stream
        self._thread = threading.Thread(target=self._read, name="eagle-alert-stderr", daemon=True)
        self._thread.start()

    def told(self) -> str:
        """`: its first words`, or nothing. A child that outlives the command and holds the stream is not waited for."""
        self._thread.join(REAP_S)
        words = printable(self._kept.decode(errors="replace"))
        return f": {words[:STDERR_TOLD]}" if words else ""

    def _read(self) -> None:
        if self._stream is None:
            return
        with suppress(OSError, ValueError), self._stream:
            while piece := self._stream.read1(65_536):  # type: ignore[attr-defined]
                self._kept += piece[: STDERR_KEPT - len(self._kept)]


def printable(text: str) -> str:
    """One line without anything that would move a terminal's cursor."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(REAP_S)
