"""Results to stdout, everything else to stderr; colour only on a terminal, and a closed pipe ends quietly."""

from __future__ import annotations

import os
import sys
from typing import TextIO

RED, GREEN, YELLOW, BLUE, BOLD, PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[34m", "\x1b[1m", "\x1b[0m"


def write_result(text: str) -> None:
    """The command's result. A reader that has gone away (`| head`) is no error."""
    _write(sys.stdout, text)


def write_note(text: str) -> None:
    """A line for the person at the terminal; never part of a result."""
    _write(sys.stderr, text)


def write_error(text: str) -> None:
    """One line that says what is wrong."""
    _write(sys.stderr, f"{paint('eagle:', RED, stream=sys.stderr)} {text}")


def paint(text: str, tone: str, *, stream: TextIO) -> str:
    return f"{tone}{text}{PLAIN}" if colourful(stream) else text


def colourful(stream: TextIO) -> bool:
    """True on a terminal, unless its owner wants none (NO_COLOR, see no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def prepare() -> None:
    """A terminal or pipe that cannot show a character gets a stand-in, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def close_quietly() -> int:
    """After a reader went away; what is left in the buffers would be complained about at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            _to_nowhere(stream)
    return 0


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text if text.endswith("\n") else f"{text}\n")
        stream.flush()
    except BrokenPipeError:
        _to_nowhere(stream)


def _to_nowhere(stream: TextIO) -> None:
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 a device, not a path
        os.dup2(nowhere.fileno(), stream.fileno())
