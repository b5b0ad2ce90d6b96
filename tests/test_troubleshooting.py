"""docs/troubleshooting.md quotes what the program really says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from pages_kit import ROOT, page

PAGE = page("docs/troubleshooting.md")
SOURCES = [*ROOT.glob("engine/**/*.py"), *ROOT.glob("exchanges/**/*.py"), *ROOT.glob("cli/**/*.py")]
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}


def texts_of(tree: ast.AST) -> Iterator[str]:
    """Every text of a module, an f-string with … for its values."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)


SAID = [text for tree in TREES.values() for text in texts_of(tree)]
SAID += [path.read_text(encoding="utf-8") for path in ROOT.glob("flows/*.yaml")]


def is_said(quoted: str) -> bool:
    """Does the program say the parts between the … in this order, in one text or in one after the other?"""
    if ": " in quoted and quoted.split(": ")[0] in ("market", "flat; halted"):
        quoted = quoted.partition(": ")[2]
    parts = [part for part in re.split(r"…|; ", quoted) if part.strip()]
    return any(re.search(".*?".join(map(re.escape, parts)), text, flags=re.DOTALL) for text in SAID)


def quotes() -> list[str]:
    """Code spans of the first column of each table (the second of the exit codes), and of the last section."""
    found = re.findall(r"`([^`]+ [^`]+)`", PAGE.text.split("## On the terminal")[1])
    for line in PAGE.text.splitlines():
        if line.startswith("| "):
            first, second, *_ = line.strip("| ").split(" | ")
            found += re.findall(r"`([^`]+)`", second if first[0].isdigit() else first)
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("quoted", quotes())
def test_the_program_says_what_the_page_quotes(quoted: str) -> None:
    assert is_said(quoted), "the program says it otherwise by now: correct docs/troubleshooting.md"
