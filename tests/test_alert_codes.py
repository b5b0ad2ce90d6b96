"""Every alert that the sources raise has a row in `ALERT_CODES`, with its level; and no row is about nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.trading.alert_codes import ALERT_CODES, UNKNOWN_CODE, Raiser, alert_code
from engine.trading.effects import Level
from exchanges.types import FillKind

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(path for package in ("engine", "cli") for path in (ROOT / package).rglob("*.py"))
Raised = tuple[str, str | None]  # code and level's name; None where the level is computed


def raised_in(tree: ast.AST, *, constants: dict[str, str]) -> Iterator[Raised]:
    """Codes of all `Alert(level, code, ...)`, and of calls of functions that take both and make one of them."""
    makers = {"Alert"} | {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and {"level", "code"} <= {arg.arg for arg in node.args.args}
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or _name(node.func) not in makers or len(node.args) < 2:
            continue
        if isinstance(node.args[0], ast.Name) and node.args[0].id == "level":
            continue  # inside such a function
        yield from ((each, _level(node.args[0])) for each in _codes(node.args[1], constants))


def _codes(node: ast.expr, constants: dict[str, str]) -> list[str]:
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.JoinedStr) and ast.unparse(node) == "f'fill_{fill.kind.value}'":
        return [f"fill_{kind.value}" for kind in FillKind]
    return [constants.get(ast.unparse(node), f"? {ast.unparse(node)}")]


def _level(node: ast.expr) -> str | None:
    return node.attr if isinstance(node, ast.Attribute) and node.attr in Level.__members__ else None


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _constants(tree: ast.Module) -> dict[str, str]:
    return {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }


def all_raised() -> dict[str, set[tuple[str | None, Raiser]]]:
    found: dict[str, set[tuple[str | None, Raiser]]] = {}
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        raiser = Raiser.DESK if "trading" in path.parts else Raiser.PROCESS
        for code, level in raised_in(tree, constants=_constants(tree)):
            if path.name != "codec.py":  # reads alerts back from the journal
                found.setdefault(code, set()).add((level, raiser))
    return found


def test_what_is_raised_is_explained_and_what_is_explained_is_raised() -> None:
    assert set(all_raised()) == set(ALERT_CODES)


def test_levels_and_raisers_are_those_of_the_table() -> None:
    wrong = [
        (code, level, raiser)
        for code, places in all_raised().items()
        for level, raiser in places
        if raiser is not ALERT_CODES[code].raiser or level not in (None, ALERT_CODES[code].level.name)
    ]
    assert wrong == []


def test_every_row_says_when_and_what_to_do() -> None:
    assert [code for code, it in ALERT_CODES.items() if not it.when or not it.advice.endswith(".")] == []
    assert alert_code("no such code") is UNKNOWN_CODE


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Alert(Level.PERSON, 'x', text, {})", [("x", "PERSON")]),
        ("effects.Alert(Level.INFO if a else Level.PERSON, f'fill_{fill.kind.value}', t, {})",
         [(f"fill_{kind.value}", None) for kind in FillKind]),
        ("def tell(level, code):\n    return Alert(level, code, '', {})\ntell(Level.WARNING, 'y')", [("y", "WARNING")]),
        ("Alert(Level.PERSON, CODE, '', {})", [("z", "PERSON")]),
        ("Alert(Level.PERSON, made_up(), '', {})", [("? made_up()", "PERSON")]),
    ],
)  # fmt: skip
def test_a_planted_alert_is_found(source: str, expected: list[Raised]) -> None:
    assert list(raised_in(ast.parse(source), constants={"CODE": "z"})) == expected
