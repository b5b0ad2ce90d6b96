"""Where a person sees a run while it goes on: a plain log, or a live picture that a process of its own draws.

Neither ever holds up the run's loop: the log is written by a thread, the picture by another process, and a terminal
that stops reading or goes away costs lines, not hedges.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections import deque
from types import TracebackType
from typing import Protocol

from cli.backlog import Backlog
from cli.locate import CannotUse
from cli.streams import as_note, colourful, write_note_now
from engine.runtime.control import Control
from engine.runtime.status import Line

__all__ = ["LiveView", "PlainView", "View", "choose_view"]

GONE_AFTER_S = 0.3  # between the end of a picture's connection and that of its process
LEAVE_WITHIN_S = 2  # for the last lines and the last picture; then what is not written stays so
LINES_HELD = 500  # of those that stay on the terminal when the picture has gone
_MAIN_SCREEN = "\x1b[?1049l\x1b[?25h\x1b[0m"  # what a picture that was killed did not put back, its cursor included


class View(Protocol):
    """A context: entered before the run, left after it, when all that was held back is written."""

    def __enter__(self) -> View: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def note(self, text: str) -> None:
        """What `write_note` is given meanwhile."""

    def line(self, line: Line, *, lasting: bool) -> None:
        """What happened; a `lasting` line stays on the terminal after the run."""

    async def begin(self, control: Control) -> None:
        """The run's loop has begun; `control` shows the run to watchers."""

    async def end(self) -> None:
        """The run is over, and what still comes is notes."""


def choose_view(wish: str, *, live_speed: bool) -> View:
    """The view that `--view auto|live|plain` gets. Raises: CannotUse."""
    if not live_speed:
        if wish == "live":
            raise CannotUse("--view live: virtual time is over too fast to watch; give --speed 1x or a multiple")
        return PlainView(patient=False)
    obstacle = _no_picture()
    if wish == "live" and obstacle:
        raise CannotUse(f"--view live: {obstacle}; use --view plain")
    return PlainView() if wish == "plain" or obstacle else LiveView()


def _no_picture() -> str:
    """Why standard error is no place for a picture; empty if it is one."""
    if not sys.stderr.isatty():
        return "standard error is no terminal"
    if os.environ.get("TERM", "dumb") == "dumb":
        return "this terminal cannot place its cursor (TERM=dumb)"
    return "this process runs in the background of its terminal" if _in_background(sys.stderr.fileno()) else ""


def _in_background(terminal: int) -> bool:
    try:
        return os.tcgetpgrp(terminal) != os.getpgrp()
    except OSError:  # a terminal that controls no session has no background
        return False


class PlainView:
    """One line after the other on standard error. Not `patient`: each is written before the run goes on."""

    def __init__(self, *, patient: bool = True) -> None:
        self._colour = colourful(sys.stderr)
        self._patient = patient
        self._backlog: Backlog | None = None

    def __enter__(self) -> PlainView:
        fd = _descriptor() if self._patient else None
        if fd is not None:
            sys.stderr.flush()
            self._backlog = Backlog(fd, encoding=sys.stderr.encoding)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._backlog is not None:
            self._backlog.close(within_s=LEAVE_WITHIN_S)
            self._backlog = None

    def note(self, text: str) -> None:
        if self._backlog is None:
            write_note_now(text)
        else:
            self._backlog.add(text)

    def line(self, line: Line, *, lasting: bool) -> None:
        self.note(as_note(line, colour=self._colour))

    async def begin(self, control: Control) -> None:
        pass

    async def end(self) -> None:
        pass


class LiveView:
    """A picture on the terminal's second screen; what must stay is written to the first one when the run is over.

    If the picture's process ends before the run does, the log goes on in its place.
    """

    def __init__(self) -> None:
        self._log = PlainView()
        self._held: deque[str] = deque(maxlen=LINES_HELD)
        self._drawing: subprocess.Popen[bytes] | None = None
        self._drawn = True  # until the picture turns out to be lost

    def __enter__(self) -> LiveView:
        self._log.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn:  # it never came to an end on the loop
            self._write_held(self._stop_drawing(LEAVE_WITHIN_S))
        self._log.__exit__(kind, error, trace)

    def note(self, text: str) -> None:
        if self._drawn:
            self._held.append(text)
        else:
            self._log.note(text)

    def line(self, line: Line, *, lasting: bool) -> None:
        if not self._drawn:
            self._log.line(line, lasting=lasting)
        elif lasting:
            self._held.append(as_note(line, colour=colourful(sys.stderr)))

    async def begin(self, control: Control) -> None:
        ours, theirs = socket.socketpair()
        try:
            self._drawing = subprocess.Popen(
                [sys.executable, "-P", "-m", "cli.live", str(theirs.fileno())], pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            )  # fmt: skip
        except OSError as error:
            ours.close()
            self._fall_back(f"it could not start: {error}")
            return
        finally:
            theirs.close()
        await control.show_to(ours, on_gone=self._gone)

    async def end(self) -> None:
        if self._drawn:
            self._write_held(await asyncio.to_thread(self._stop_drawing, LEAVE_WITHIN_S))
            self._drawn = False

    def _gone(self) -> None:
        asyncio.get_running_loop().call_later(GONE_AFTER_S, self._fall_back, "its process ended")

    def _fall_back(self, why: str) -> None:
        restore = self._stop_drawing(0)
        self._held.append(f"eagle: the live view is over ({why}); the run goes on, and this is its log")
        self._write_held(restore)
        self._drawn = False

    def _write_held(self, restore: str) -> None:
        """In one piece, so that nothing comes between the restored screen and its lines."""
        text = restore + "\n".join(self._held)
        self._held.clear()
        if text:
            self._log.note(text)

    def _stop_drawing(self, within_s: float) -> str:
        """Wait for the picture's process, or end it; what the terminal needs if it could not put it back itself."""
        drawing, self._drawing = self._drawing, None
        if drawing is None:
            return ""
        try:
            drawing.wait(within_s)
        except subprocess.TimeoutExpired:  # it hangs in a terminal that does not read
            drawing.kill()
            drawing.wait()
        return _MAIN_SCREEN if drawing.returncode < 0 else ""


def _descriptor() -> int | None:
    """Of standard error; None where that is only an object, as in tests."""
    try:
        return sys.stderr.fileno()
    except OSError:
        return None
