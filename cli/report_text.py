"""A report for a terminal, readable at 80 columns."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from cli.report_sections import Line, Table, Tone, heading, preface, sections
from cli.streams import colourful
from engine.review.report_figures import Report

__all__ = ["as_text"]

WIDEST = 100  # beyond it a line is hard to follow
_STYLES = {Tone.PLAIN: "", Tone.GOOD: "green", Tone.BAD: "red", Tone.WARNING: "yellow", Tone.FAINT: "dim"}


def as_text(report: Report) -> str:
    """As wide as the terminal; 80 columns where there is none."""
    buffer = io.StringIO()
    coloured = colourful(sys.stdout)
    console = Console(
        file=buffer, width=min(shutil.get_terminal_size((80, 24)).columns, WIDEST), force_terminal=coloured,
        no_color=not coloured, highlight=False, markup=False, emoji=False,
    )  # fmt: skip
    console.print(Text(heading(report), style="bold"))
    for line in preface(report):
        console.print(_line(line))
    for section in sections(report):
        console.print(Text(f"\n{section.title}", style="bold"))
        for part in _spaced(section.parts):
            console.print(part)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())


def _spaced(parts: tuple[Line | Table, ...]) -> Iterator[RenderableType]:
    """A table after another one stands apart from it."""
    former: Line | Table | None = None
    for part in parts:
        if isinstance(former, Table) and isinstance(part, Table):
            yield Text()
        yield _line(part) if isinstance(part, Line) else _grid(part)
        former = part


def _line(line: Line) -> RenderableType:
    return Padding(Text(line.text, style=_STYLES[line.tone]), (0, 0, 0, 2))


def _grid(table: Table) -> RenderableType:
    grid = Grid(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for place, name in enumerate(table.head):
        grid.add_column(name, justify="left" if place < table.texts else "right", overflow="fold")
    for row in table.rows:
        grid.add_row(*map(Text, row), style="bold" if row[0] == table.strong else "")
    return Padding(grid, (0, 0, 0, 2))
