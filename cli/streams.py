"""Results to stdout, everything else to stderr; colour only on a terminal, and a closed pipe ends quietly."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from engine.runtime.secrets import redacted

if TYPE_CHECKING:
    from engine.runtime.status import Line

Command = TypeVar("Command", bound=Callable[..., Any])

STAND_IN = "backslashreplace"
RED, GREEN, YELLOW, BLUE, CYAN = "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[34m", "\x1b[36m"
BOLD, PLAIN = "\x1b[1m", "\x1b[0m"

TONES = {"plain": PLAIN, "strong": BOLD, "info": CYAN, "good": GREEN, "warning": YELLOW, "alarm": RED}


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
    _take_note(redacted(text))


def write_note_now(text: str) -> None:
    """As `write_note`, whoever takes notes: waits for the terminal."""
    try:
        _write(sys.stderr, text)
    except OSError:
        _to_nowhere(sys.stderr)


_take_note: Callable[[str], None] = write_note_now


@contextmanager
def notes_to(take: Callable[[str], None]) -> Iterator[None]:
    """While entered, `take` gets what `write_note` is given: on a run's loop nothing may wait for a terminal."""
    global _take_note  # there is one standard error
    former, _take_note = _take_note, take
    try:
        yield
    finally:
        _take_note = former


def write_error(text: str) -> None:
    """One line that says what is wrong."""
    write_note(f"{paint('eagle:', RED, stream=sys.stderr)} {text}")


def paint(text: str, tone: str, *, stream: TextIO) -> str:
    return f"{tone}{text}{PLAIN}" if colourful(stream) else text


def colourful(stream: TextIO) -> bool:
    """True on a terminal, unless its owner wants none (NO_COLOR, see no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def as_note(line: Line, *, colour: bool) -> str:
    """A line of the log, as it stands on a terminal or in a file."""
    stamp = f"{line.at_ms // 1000:>6}.{line.at_ms % 1000:03}"
    word = f"{line.word:<14}"
    return f"{stamp}  {TONES[line.tone]}{word}{PLAIN} {line.text}" if colour else f"{stamp}  {word} {line.text}"


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
        stream.write(redacted(text if text.endswith("\n") else f"{text}\n"))
        stream.flush()
    except BrokenPipeError:
        _to_nowhere(stream)


def _to_nowhere(stream: TextIO) -> None:
    with _nowhere() as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")
