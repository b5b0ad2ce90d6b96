"""What the generated pages share: Markdown tables, and the sentence that says how a page is made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

MADE = "Made by `make docs` from the program itself; a test compares it, so it is not edited by hand."


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table, with an empty line after it."""
    lines = [_row(head), _row(["---"] * len(head)), *map(_row, rows)]
    return [*lines, ""]


def code(text: str) -> str:
    """In backticks; nothing for nothing."""
    return f"`{text}`" if text else ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
