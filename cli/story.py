"""Lays a story out for a terminal: time, time since the line before, what happened, net position; 80 to 120 columns."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator
from textwrap import wrap
from typing import TYPE_CHECKING

from cli.streams import BLUE, BOLD, GREEN, PLAIN, RED, YELLOW, colourful

if TYPE_CHECKING:
    from engine.review.story import Line, Moment

NARROWEST, USUAL, WIDEST = 80, 100, 120
TIME, SINCE = 9, 9  # columns
WORD = 9
NET = 10
_TONES = {
    "state": BOLD,
    "round": BOLD,
    "fill": GREEN,
    "ALERT": RED,
    "STOP": RED,
    "warning": YELLOW,
    "cancel": YELLOW,
    "lost": RED,
    **dict.fromkeys(("open", "close", "cleanup", "hedge", "undo", "flatten", "ask"), BLUE),
}


def width_of_page() -> int:
    """Of the terminal, within bounds that read well; a fixed one where there is none."""
    if not sys.stdout.isatty():
        return USUAL
    return min(max(shutil.get_terminal_size((USUAL, 24)).columns, NARROWEST), WIDEST)


def word_lines(lines: Iterable[Line], *, width: int) -> Iterator[str]:
    """Lines without a time."""
    for line in lines:
        yield from _line(line.word, line.text, line.detail, width=width, net="")


def story_lines(moments: Iterable[Moment], *, start_ns: int, width: int) -> Iterator[str]:
    """Times are since `start_ns`."""
    from engine.review.words import number, seconds

    indent = " " * (TIME + SINCE + 2)
    moments = list(moments)
    has_net = any(moment.net is not None for moment in moments)
    yield f"{'time':>{TIME}}{'since':>{SINCE}}{'net' if has_net else '':>{width - TIME - SINCE}}".rstrip()
    before_ns = start_ns
    for moment in moments:
        since = f"+{seconds(moment.at_ns - before_ns)}" if moment.at_ns != before_ns else ""
        head = f"{seconds(moment.at_ns - start_ns):>{TIME}}{since:>{SINCE}}  "
        net = "" if moment.net is None else number(moment.net, sign=True)
        for line in moment.lines:
            for place, text in enumerate(_line(line.word, line.text, line.detail, width=width - len(indent), net=net)):
                yield (head if place == 0 else indent) + text
            head, net = indent, ""
        if moment.times > 1:
            last = seconds(moment.last_ns - start_ns)
            yield f"{indent}{'':{WORD}}the same {moment.times} times, the last at {last}"
        before_ns = moment.last_ns


def _line(word: str, text: str, detail: tuple[str, ...], *, width: int, net: str) -> Iterator[str]:
    """The net position stands at the end of the first line, whose text leaves it the room."""
    tone = _TONES.get(word, "") if colourful(sys.stdout) else ""
    told = f"{tone}{word:<{WORD}}{PLAIN}" if tone else f"{word:<{WORD}}"
    room = width - WORD
    first, *rest = wrap(text, room - (max(NET, len(net) + 1) if net else 0), break_long_words=False)
    yield f"{told}{first}{net:>{room - len(first)}}" if net else f"{told}{first}"
    yield from (f"{'':{WORD}}{part}" for part in rest)
    for said in detail:
        for part in wrap(said, room, initial_indent="  ", subsequent_indent="    ", break_long_words=False):
            yield f"{'':{WORD}}{part}"
