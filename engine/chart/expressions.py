"""Expressions: Python syntax, whitelisted and typed at load, compiled once to a lambda with empty builtins."""

from __future__ import annotations

import ast
import re
import warnings
from decimal import Decimal

from engine.chart.checker import FUNCTIONS, Checker, Vocables
from engine.chart.faults import Faults, part_of
from engine.chart.model import TEXT, Expression, Scalar, Scope, Type
from engine.chart.units import LiteralError, has_unit, parse_literal

__all__ = ["FUNCTIONS", "Vocables", "compile_expression"]

LENGTH_LIMIT = 500
DEPTH_LIMIT = 20
NODE_LIMIT = 200

_UNIT_TEXT = re.compile(r"(?<![\w.])([0-9]+(?:\.[0-9]+)?)(ms|h|m|s|bps|%)(?!\w)")
_UNIT_CALLS = {
    "ms": ("ms", 1),
    "s": ("seconds", 1),
    "m": ("seconds", 60),
    "h": ("seconds", 3600),
    "bps": ("bps", 1),
    "%": ("bps", 100),
}


def compile_expression(scalar: Scalar, expected: Type, *, among: Vocables, faults: Faults) -> Expression | None:
    """A compiled expression of the expected type; None after reporting every fault in it.

    A literal with a unit (`250ms`) and, where a text is expected, any text that is not a name stand for themselves.
    """
    source = scalar.text.replace("\n", " ").rstrip()
    if expected == TEXT and (scalar.quoted or source not in among.names):
        return _constant(scalar, source, TEXT)
    if has_unit(source, expected):
        return _literal(scalar, source, expected, faults)
    tree = _parse(scalar, source, faults)
    if tree is None:
        return None
    return Checker(scalar, source, among, faults).compile(tree, expected)


def _constant(scalar: Scalar, value: object, kind: Type) -> Expression:
    def constant(_scope: Scope) -> object:
        return value

    return Expression(scalar.text, scalar.span, kind, frozenset(), constant)


def _literal(scalar: Scalar, source: str, expected: Type, faults: Faults) -> Expression | None:
    try:
        return _constant(scalar, parse_literal(source, expected), expected)
    except LiteralError as error:
        faults.report(error.code, scalar.span, error.message, error.hint)
        return None


def _parse(scalar: Scalar, source: str, faults: Faults) -> ast.expr | None:
    if not source.strip():
        faults.report("T406", scalar.span, "an expression is missing", "write a guard such as `context.tries < 3`")
        return None
    if len(source) > LENGTH_LIMIT:
        message = f"the expression has {len(source)} characters, the limit is {LENGTH_LIMIT}"
        faults.report("T408", scalar.span, message, "split it over several rows")
        return None
    lead = len(source) - len(source.lstrip())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SyntaxWarning)  # `1and x`: Python would print a warning and go on
            tree = ast.parse(source.lstrip(), mode="eval").body
    except SyntaxError as error:
        _report_syntax(scalar, source, (error.offset or len(source)) - 1 + lead, reason=error.msg, faults=faults)
        return None
    except (ValueError, RecursionError, MemoryError) as error:
        _report_syntax(scalar, source, lead, reason=str(error), faults=faults)
        return None
    if lead:
        for node in ast.walk(tree):
            if isinstance(node, ast.expr):
                node.col_offset += lead
                node.end_col_offset = (node.end_col_offset or 0) + lead
    return tree if _within_limits(tree, scalar, faults) else None


def _report_syntax(scalar: Scalar, source: str, offset: int, *, reason: str, faults: Faults) -> None:
    message = f"the expression cannot be read: {reason.lower()}"
    unit = _UNIT_TEXT.search(source)
    if unit is not None:
        function, factor = _UNIT_CALLS[unit[2]]
        hint = f"inside an expression write `{function}({Decimal(unit[1]) * factor:f})`"
        faults.report("T406", part_of(scalar, *unit.span()), message, hint)
        return
    start = min(offset, len(source) - 1)  # the parser points behind the end of an unfinished text
    faults.report("T406", part_of(scalar, start, start + 1), message, _syntax_hint(source))


def _syntax_hint(source: str) -> str:
    for wrong, right in (("&&", "and"), ("||", "or"), ("!", "not")):
        if wrong in source.replace("!=", ""):
            return f"write `{right}`"
    if re.search(r"(?<![=!<>])=(?!=)", source):
        return "compare with `==`"
    return "check brackets and operators"


def _within_limits(tree: ast.expr, scalar: Scalar, faults: Faults) -> bool:
    level: list[ast.AST] = [tree]
    depth = nodes = 0
    while level:
        depth += 1
        nodes += len(level)
        level = [child for node in level for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
    for found, limit, what in ((depth, DEPTH_LIMIT, "levels"), (nodes, NODE_LIMIT, "parts")):
        if found > limit:
            message = f"the expression has {found} {what}, the limit is {limit}"
            faults.report("T408", scalar.span, message, "split it over several rows")
            return False
    return True
