"""Results to stdout, everything else to stderr; colour only on a terminal, and a closed pipe ends quietly."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

STAND_IN = "backslashreplace"
RED, GREEN, YELLOW, BLUE, BOLD, PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[34m", "\x1b[1m", "\x1b[0m"


class OutputLost(click.ClickException):
    """The result could not be handed over."""

    exit_code = 1


def format_option(*styles: str) -> Callable[[Command], Command]:
    """`--format` of a command, as its parameter `style`; the first style is the default."""
    return click.option(
        "--format", "style", type=click.Choice(styles), default=styles[0], show_default=True,
        help="How the result is written.",
    )  # fmt: skip


def write_result(text: str) -> None:
    """The command's result. A reader that has gone away (`| head`) is no error. Raises: OutputLost for a full disk."""
    try:
        _write(sys.stdout, text)
    except OSError as error:
        _to_nowhere(sys.stdout)
        raise OutputLost(_lost(error)) from error


def write_note(text: str) -> None:
    """A line for the person at the terminal; never part of a result. A terminal that has gone stops nothing."""
    try:
        _write(sys.stderr, text)
    except OSError:
        _to_nowhere(sys.stderr)


def write_error(text: str) -> None:
    """One line that says what is wrong."""
    write_note(f"{paint('eagle:', RED, stream=sys.stderr)} {text}")


def paint(text: str, tone: str, *, stream: TextIO) -> str:
    return f"{tone}{text}{PLAIN}" if colourful(stream) else text


def colourful(stream: TextIO) -> bool:
    """True on a terminal, unless its owner wants none (NO_COLOR, see no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def prepare() -> None:
    """A terminal that cannot show a character gets a stand-in; a stream that was closed beforehand takes anything."""
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    # What is typed and is no text gets as far as the reader who refuses it with words.
    for stream, errors in ((sys.stdin, "surrogateescape"), (sys.stdout, STAND_IN), (sys.stderr, STAND_IN)):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=errors)


def close_quietly() -> int:
    """After a reader went away; what is left in the buffers would be complained about at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            _to_nowhere(stream)
    return 0


def close_after_loss(error: OSError) -> int:
    """Help and version are written by click itself; a full disk is told of in the same words as for a result."""
    _to_nowhere(sys.stdout)
    write_error(_lost(error))
    return OutputLost.exit_code


def _lost(error: OSError) -> str:
    return f"the result cannot be written ({error.strerror})"


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text if text.endswith("\n") else f"{text}\n")
        stream.flush()
    except BrokenPipeError:
        _to_nowhere(stream)


def _to_nowhere(stream: TextIO) -> None:
    with _nowhere() as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")
