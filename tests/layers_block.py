"""The table of layers in docs/architecture.md, from the rule itself (tests/test_layering.py)."""

from __future__ import annotations

import re

from page_kit import code, table
from pages_kit import page
from test_layering import ALLOWED

SHOWN = re.compile(r"cli(\.paper_pool|\.client_wiring)?|engine\.\w+|exchanges\.(base|matching|paper|types)")
BEGIN, END = "<!-- made by `make docs` -->\n", "<!-- end -->"


def with_layers() -> str:
    """The page with its table made anew."""
    before, _, rest = page("docs/architecture.md").text.partition(BEGIN)
    rows = [[code(row), _allowed(row)] for row in ALLOWED if SHOWN.fullmatch(row)]
    lines = table(["layer", "may import, besides itself"], rows)
    return before + BEGIN + "\n" + "\n".join(lines) + "\n" + END + rest.partition(END)[2]


def _allowed(row: str) -> str:
    return ", ".join(code(name) for name in ALLOWED[row] if name != row) or "nothing of ours"
