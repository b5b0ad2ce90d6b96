"""Small rules of style that a reader would otherwise have to check by eye, over the tracked files."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("engine/", "exchanges/", "cli/", "flows/", "schemas/")
MONEY = ("engine/trading/", "exchanges/types.py", "exchanges/matching.py", "exchanges/paper.py")
NOT_MONEY = "# not money"

UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
# A home or a place of work of one machine; each prefix is written in two parts, so that this file passes its own rule.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:ho" r"me|Us" r"ers|ro" r"ot|wo" r"rk|o" r"pt)/[\w.]")
SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|\b(?:ghp|gho|glpat|xox[bp])[-_][A-Za-z0-9]{16,}"
    r"|(?i:secret|api_?key|password|private_?key|token)[\"']?\s*[:=]\s*[\"']?[A-Za-z0-9+/_-]{32,}"
)


def tracked() -> list[str]:
    """Paths under version control; in an unpacked archive without one, the Python files."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    return [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py") if ".venv" not in path.parts]


TEXTS = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in tracked()
    if not name.endswith((".gz", ".png", ".sqlite", ".lock"))
}
MODULES = {name: text for name, text in TEXTS.items() if name.endswith(".py")}


def matches(pattern: re.Pattern[str], *, name: str, text: str) -> Iterator[str]:
    """The place and the rule's word, never the rest of the line: it may be a real secret."""
    for number, line in enumerate(text.splitlines(), start=1):
        if found := pattern.search(line):
            yield f"{name}:{number}: {found[0][:12]}"


def float_literals(*, name: str, text: str) -> Iterator[str]:
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, float):
            continue
        if NOT_MONEY not in lines[node.lineno - 1]:
            yield f"{name}:{node.lineno}: float {node.value!r}; money is Decimal built from text"


def never_played(*, name: str, text: str) -> Iterator[str]:
    """Tests that define what they would check and never call it."""
    for test in ast.walk(ast.parse(text)):
        if isinstance(test, ast.FunctionDef) and test.name.startswith("test"):
            used = {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}
            for inner in test.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and inner.name not in used:
                    yield f"{name}:{inner.lineno}: {test.name} defines {inner.name} and never calls it"


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        name for name, text in MODULES.items() if name.startswith(OURS) and not ast.get_docstring(ast.parse(text))
    ]
    assert silent == []


def test_nothing_is_left_for_later() -> None:
    assert [found for name, text in TEXTS.items() for found in matches(UNFINISHED, name=name, text=text)] == []


def test_no_float_where_money_is_counted() -> None:
    money = {name: text for name, text in MODULES.items() if name.startswith(MONEY)}
    assert money
    assert [found for name, text in money.items() for found in float_literals(name=name, text=text)] == []


def test_no_path_of_one_machine() -> None:
    assert [found for name, text in TEXTS.items() for found in matches(MACHINE_PATH, name=name, text=text)] == []


def test_no_secret() -> None:
    assert [found for name, text in TEXTS.items() for found in matches(SECRET, name=name, text=text)] == []


@pytest.mark.parametrize(
    ("pattern", "line", "expected"),
    [
        (UNFINISHED, "# TO" + "DO later", ["f:1: TO" + "DO"]),
        (MACHINE_PATH, "see /ho" + "me/ann/x.py", ["f:1: /ho" + "me/a"]),
        (MACHINE_PATH, "file:///wo" + "rk/x", ["f:1: /wo" + "rk/x"]),
        (MACHINE_PATH, "GET /api/ho" + "me/x", []),
        (SECRET, "api_key: " + "a1B2" * 10, ["f:1: api_key: a1B"]),
        (SECRET, "secret: {env: OKX_SECRET}", []),
    ],
)
def test_the_patterns_catch_what_they_name(pattern: re.Pattern[str], line: str, expected: list[str]) -> None:
    assert list(matches(pattern, name="f", text=line)) == expected


def test_a_float_is_caught_unless_the_line_says_it_is_not_money() -> None:
    text = "price = 0.5\nshare = 0.5  # not money\ncount = 5\n"
    assert list(float_literals(name="f", text=text)) == ["f:1: float 0.5; money is Decimal built from text"]


def test_no_test_only_defines_what_it_would_check() -> None:
    tests = {name: text for name, text in MODULES.items() if name.startswith("tests/")}
    assert [found for name, text in tests.items() for found in never_played(name=name, text=text)] == []
    planted = "def test_x():\n    async def main(it):\n        assert it\n"
    assert list(never_played(name="x.py", text=planted)) == ["x.py:2: test_x defines main and never calls it"]
    assert list(never_played(name="x.py", text=planted + "    play(main)\n")) == []
