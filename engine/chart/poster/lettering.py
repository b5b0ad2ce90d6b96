"""How wide a text will be, and where it breaks, before anybody has a font.

Measured with the widest of the usual sans-serif fonts, letter by letter, so that whatever a viewer has fits as well.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Run", "bare", "lines_of", "run_width", "width_of"]

# Thousandths of the size, from the space to the tilde: the larger of DejaVu Sans and Liberation Sans (Arial's widths).
PLAIN_WIDTHS = """
    318 401 460 838 636 950 780 275 390 390 500 838 318 361 318 337 636 636 636 636 636 636 636 636 636 636 337 337 838
    838 838 556 1015 684 686 722 770 667 611 778 752 295 500 667 557 863 748 787 667 787 722 667 611 732 684 989 685 667
    685 390 337 390 838 556 500 613 635 550 635 615 352 635 634 278 278 579 278 974 634 612 635 635 411 521 392 634 592
    818 592 592 525 636 337 636 838
"""
BOLD_WIDTHS = """
    348 456 521 838 696 1002 872 306 457 457 523 838 380 415 380 365 696 696 696 696 696 696 696 696 696 696 400 400 838
    838 838 611 1000 774 762 734 830 683 683 821 837 372 556 775 637 995 837 850 733 850 770 720 682 812 774 1103 771
    724 725 457 365 457 838 556 500 675 716 593 716 678 435 716 712 343 343 665 343 1042 712 687 716 716 493 595 478 712
    652 924 645 652 582 712 365 712 838
"""
PLAIN = tuple(map(int, PLAIN_WIDTHS.split()))
BOLD = tuple(map(int, BOLD_WIDTHS.split()))
FIRST = ord(" ")
OTHER = 838  # letters beyond ASCII: as wide as the widest common ones
BREAK_AFTER = "._/-,"  # where a word that is too long may go on in the next line


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text in one style; the style is a class of the theme."""

    text: str
    style: str
    bold: bool = False


@dataclass(frozen=True, slots=True)
class _Word:
    run: Run
    width: float
    spaced: bool  # a space stands before it


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """An upper bound in the units of `size`."""
    widths = BOLD if bold else PLAIN
    return sum(_letter(letter, widths) for letter in text) * size / 1000


def run_width(run: Run, size: float) -> float:
    return width_of(run.text, size, bold=run.bold)


def lines_of(runs: Sequence[Run], room: float, *, size: float) -> list[tuple[Run, ...]]:
    """The runs broken into lines that are at most `room` wide."""
    lines: list[tuple[Run, ...]] = []
    line: list[_Word] = []
    filled = 0.0
    for word in _words(runs, room, size):
        space = width_of(" ", size) if line and word.spaced else 0.0
        if line and filled + space + word.width > room:
            lines.append(_joined(line))
            line, filled, space = [], 0.0, 0.0
        line.append(word)
        filled += space + word.width
    return [*lines, _joined(line)] if line else lines


def bare(line: Sequence[Run]) -> str:
    """The line's text."""
    return "".join(run.text for run in line)


def _letter(letter: str, widths: Sequence[int]) -> int:
    place = ord(letter) - FIRST
    if 0 <= place < len(widths):
        return widths[place]
    return 1000 if _wide(letter) else OTHER


def _wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in "WF"


def _words(runs: Sequence[Run], room: float, size: float) -> Iterator[_Word]:
    spaced = False
    for run in runs:
        for place, text in enumerate(run.text.split(" ")):
            spaced = spaced or place > 0
            for part in _parts(text, room, size, bold=run.bold):
                yield _Word(Run(part, run.style, run.bold), width_of(part, size, bold=run.bold), spaced)
                spaced = False


def _parts(text: str, room: float, size: float, *, bold: bool) -> Iterator[str]:
    """A word's pieces: Chinese breaks between any two signs, other words only where they do not fit otherwise."""
    part = ""
    for letter in text:
        if part and (_wide(letter) or _wide(part[-1]) or width_of(part + letter, size, bold=bold) > room):
            cut = max((part.rfind(sign) + 1 for sign in BREAK_AFTER), default=0) if not _wide(letter) else 0
            cut = cut if 1 < cut < len(part) else len(part)
            yield part[:cut]
            part = part[cut:]
        part += letter
    if part:
        yield part


def _joined(words: Sequence[_Word]) -> tuple[Run, ...]:
    runs: list[Run] = []
    for place, word in enumerate(words):
        text = f" {word.run.text}" if place and word.spaced else word.run.text
        if runs and (runs[-1].style, runs[-1].bold) == (word.run.style, word.run.bold):
            runs[-1] = Run(runs[-1].text + text, word.run.style, word.run.bold)
        else:
            runs.append(Run(text, word.run.style, word.run.bold))
    return tuple(runs)
