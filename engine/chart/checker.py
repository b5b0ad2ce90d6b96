"""The types of an expression: every name, operation and word checked, the code of its lambda built on the way.

A name must be declared and every operation must exist between its types, so nothing undeclared can ever be reached.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from engine.chart.arithmetic import (
    INTEGERS,
    NUMBER,
    NUMERIC,
    ORDERED,
    UNKNOWN,
    common_type,
    product_type,
    quotient_type,
)
from engine.chart.faults import Faults, name_hint, part_of
from engine.chart.model import BOOL, COUNT, DURATION, RATIO, STATE, TEXT, Expression, Scalar, Scope, Type

FUNCTIONS = ("abs", "min", "max", "ms", "seconds", "bps")

_DECIMAL_TEXT = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]+)?")
_SYMBOLS: Mapping[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
}
_CONSTRUCTS: Mapping[type[ast.AST], str] = {
    ast.Pow: "`**`",
    ast.FloorDiv: "`//`",
    ast.Mod: "`%`",
    ast.Is: "`is`",
    ast.IsNot: "`is not`",
    ast.Lambda: "a lambda",
    ast.Subscript: "an index",
    ast.JoinedStr: "a formatted text",
    ast.NamedExpr: "`:=`",
    ast.Dict: "a mapping",
    ast.List: "a list outside `in`",
    ast.Tuple: "a list outside `in`",
    ast.Starred: "`*`",
}
_BUILT_IN: Mapping[str, object] = {
    "_abs": abs,
    "_min": min,
    "_max": max,
    "_int": int,
    "_Decimal": Decimal,
    "__builtins__": {},
}


@dataclass(frozen=True, slots=True)
class Vocables:
    """What an expression may name: dotted names with their types, and the full names of the states."""

    names: Mapping[str, Type]
    states: Sequence[str] = ()
    unclear: frozenset[str] = frozenset()  # first words whose declaration is faulty: names below them pass


class _Fault(Exception):
    def __init__(self, node: ast.AST, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.node = node
        self.code = code
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class _Value:
    """A checked part: its type and its code. `literals` are the bare numbers that still take any unit."""

    type: Type
    code: ast.expr
    literals: tuple[str, ...] = ()


class Checker:
    """Checks one expression and builds the code of its lambda; a fault in one part does not hide those in others."""

    def __init__(self, scalar: Scalar, source: str, among: Vocables, faults: Faults) -> None:
        self._scalar = scalar
        self._source = source
        self._among = among
        self._faults = faults
        self._constants: dict[str, object] = {}
        self._literal_nodes: dict[str, ast.AST] = {}
        self._used: set[str] = set()
        self._sound = True

    def compile(self, tree: ast.expr, expected: Type) -> Expression | None:
        value = self._check(tree, expected)
        if self._sound:
            value = self._as_expected(tree, value, expected)
        if not self._sound:
            return None
        body = ast.Expression(
            ast.Lambda(
                args=ast.arguments(posonlyargs=[], args=[ast.arg("s")], kwonlyargs=[], kw_defaults=[], defaults=[]),
                body=value.code,
            )
        )
        code = compile(ast.fix_missing_locations(body), str(self._scalar.span), "eval")
        run: Callable[[Scope], object] = eval(code, {**_BUILT_IN, **self._constants})
        return Expression(self._source, self._scalar.span, expected, frozenset(self._used), run)

    def _as_expected(self, tree: ast.expr, value: _Value, expected: Type) -> _Value:
        if expected == TEXT and value.type.members:
            return value  # a word of an enumeration is a text
        try:
            joined = self._unify(tree, value, expected)
        except _Fault as fault:
            self._report(fault)
            return value
        if joined is None:
            message = f"`{self._text(tree)}` is {_a(value.type)}, expected {_a(expected)}"
            self._report(_Fault(tree, "T403", message, _conversion_hint(value.type, expected)))
        return value

    def _check(self, node: ast.expr, hint: Type | None = None) -> _Value:
        try:
            return self._dispatch(node, hint)
        except _Fault as fault:
            self._report(fault)
            return _Value(UNKNOWN, ast.Constant(None))

    def _dispatch(self, node: ast.expr, hint: Type | None) -> _Value:
        match node:
            case ast.Constant():
                return self._constant(node, hint)
            case ast.Name() | ast.Attribute():
                return self._name(node, hint)
            case ast.BoolOp():
                parts = [self._boolean(part) for part in node.values]
                return _Value(BOOL, ast.BoolOp(node.op, parts))
            case ast.UnaryOp(op=ast.Not()):
                return _Value(BOOL, ast.UnaryOp(ast.Not(), self._boolean(node.operand)))
            case ast.UnaryOp(op=ast.USub()):
                operand = self._numeric(node.operand)
                return _Value(operand.type, ast.UnaryOp(ast.USub(), operand.code), operand.literals)
            case ast.BinOp():
                return self._operation(node)
            case ast.Compare():
                return self._comparison(node)
            case ast.IfExp():
                return self._choice(node, hint)
            case ast.Call():
                return self._call(node)
            case _:
                raise self._refused(node, type(node))

    # --- leaves

    def _constant(self, node: ast.Constant, hint: Type | None) -> _Value:
        if isinstance(node.value, bool):
            return _Value(BOOL, ast.Constant(node.value))
        if isinstance(node.value, str):
            if hint is not None and hint.members:
                return self._member(node, node.value, hint)
            return _Value(TEXT, ast.Constant(node.value))
        text = self._text(node)
        if not isinstance(node.value, int | float) or not _DECIMAL_TEXT.fullmatch(text):
            raise _Fault(
                node, "T407", f"`{text}` is not allowed in an expression", "write plain decimals such as `0.015`"
            )
        name = f"_c{len(self._constants)}"
        self._constants[name] = Decimal(text)
        self._literal_nodes[name] = node
        return _Value(NUMBER, _load(name), (name,))

    def _name(self, node: ast.expr, hint: Type | None) -> _Value:
        dotted = _dotted(node)
        if dotted is None:
            raise _Fault(node, "T407", f"`{self._text(node)}` is not allowed: only declared names have attributes")
        kind = self._among.names.get(dotted)
        if kind is not None:
            self._used.add(dotted)
            return _Value(kind, ast.parse(f"s.{dotted}", mode="eval").body)
        if dotted in ("true", "false"):
            return _Value(BOOL, ast.Constant(dotted == "true"))
        if hint == UNKNOWN or self._unclear(dotted):
            return _Value(UNKNOWN, ast.Constant(None))
        if hint is not None and hint.members:
            return self._member(node, dotted, hint)
        if dotted == "state":
            raise _Fault(
                node, "T407", "`state` stands alone", "write `state == NAME`, `state != NAME` or `state in [A, B]`"
            )
        raise _Fault(node, "N308", f'no name "{dotted}" here', self._name_hint(dotted))

    def _name_hint(self, dotted: str) -> str:
        root, dot, _ = dotted.partition(".")
        siblings = [name for name in self._among.names if name.startswith(root + ".")]
        if dot and root == "event" and not siblings:
            return "no event attributes are known here; only rows of an event that has attributes may read `event.*`"
        return name_hint(dotted, siblings or self._among.names)

    def _member(self, node: ast.AST, word: str, kind: Type) -> _Value:
        if word not in kind.members:
            raise _Fault(node, "T409", f'"{word}" is no {kind}', name_hint(word, kind.members))
        return _Value(kind, ast.Constant(word))

    # --- operations

    def _operation(self, node: ast.BinOp) -> _Value:
        if not isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div):
            raise self._refused(node, type(node.op))
        left, right = self._numeric(node.left), self._numeric(node.right)
        if UNKNOWN in (left.type, right.type):
            return _Value(UNKNOWN, node)
        match node.op:
            case ast.Add() | ast.Sub():
                kind = self._joined(node, left, right, _SYMBOLS[type(node.op)])
                return _Value(kind, ast.BinOp(left.code, node.op, right.code), _still_bare(kind, left, right))
            case ast.Mult():
                return self._product(node, left, right)
            case _:
                return self._quotient(node, left, right)

    def _product(self, node: ast.BinOp, left: _Value, right: _Value) -> _Value:
        kind = product_type(left.type, right.type)
        if kind is None:
            raise _undefined(node, "*", left.type, right.type)
        code: ast.expr = ast.BinOp(left.code, ast.Mult(), right.code)
        if kind in INTEGERS and not self._whole(left, right):
            if kind != DURATION:
                kind = RATIO
            else:
                code = _call("_int", code)
        return _Value(kind, code, _still_bare(kind, left, right))

    def _quotient(self, node: ast.BinOp, left: _Value, right: _Value) -> _Value:
        kind = quotient_type(left.type, right.type)
        if kind is None:
            raise _undefined(node, "/", left.type, right.type)
        if kind == DURATION:
            if self._whole(right):
                return _Value(kind, ast.BinOp(left.code, ast.FloorDiv(), right.code))
            return _Value(kind, _call("_int", ast.BinOp(_call("_Decimal", left.code), ast.Div(), right.code)))
        numerator = _call("_Decimal", left.code) if left.type in INTEGERS else left.code
        return _Value(kind, ast.BinOp(numerator, ast.Div(), right.code))

    def _whole(self, *values: _Value) -> bool:
        """Are all of these whole numbers? Bare literals that are become counts."""
        names = [name for value in values for name in value.literals]
        if any(value.type not in INTEGERS and value.type != NUMBER for value in values):
            return False
        if any(self._constants[name] != int(str(self._constants[name]).split(".")[0]) for name in names):
            return False
        self._settle(names, COUNT)
        return True

    def _comparison(self, node: ast.Compare) -> _Value:
        operands = [node.left, *node.comparators]
        if any(_dotted(operand) == "state" for operand in operands) and "state" not in self._among.names:
            return self._state_test(node)
        for op in node.ops:
            if type(op) not in _SYMBOLS:
                raise self._refused(node, type(op))
        hint = self._enumeration(operands)
        left = self._check(node.left, hint)
        parts: list[ast.expr] = []
        before, first = left, left
        for op, operand in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, ast.In | ast.NotIn):
                parts.append(self._members_of(operand, before))
                before = _Value(BOOL, ast.Constant(None))
                continue
            after = self._check(operand, hint)
            self._comparable(node, before, op, after)
            parts.append(after.code)
            before = after
        return _Value(BOOL, ast.Compare(first.code, node.ops, parts))

    def _comparable(self, node: ast.Compare, left: _Value, op: ast.cmpop, right: _Value) -> None:
        kind = self._joined(node, left, right, _SYMBOLS[type(op)])
        if not isinstance(op, ast.Eq | ast.NotEq) and kind not in ORDERED:
            raise _undefined(node, _SYMBOLS[type(op)], left.type, right.type)

    def _members_of(self, operand: ast.expr, value: _Value) -> ast.expr:
        if not isinstance(operand, ast.List | ast.Tuple) or not operand.elts:
            raise _Fault(operand, "T407", "`in` needs a list of values", "write `side in [buy, sell]`")
        hint = value.type if value.type.members or value.type == UNKNOWN else None
        codes = []
        for element in operand.elts:
            item = self._check(element, hint)
            self._joined(element, value, item, "in")
            codes.append(item.code)
        return ast.Tuple(codes, ast.Load())

    def _enumeration(self, operands: Sequence[ast.expr]) -> Type | None:
        for word in filter(None, map(_dotted, operands)):
            kind = UNKNOWN if self._unclear(word) else self._among.names.get(word)
            if kind is not None and (kind.members or kind == UNKNOWN):
                return kind
        return None

    def _unclear(self, dotted: str) -> bool:
        return dotted.partition(".")[0] in self._among.unclear

    def _state_test(self, node: ast.Compare) -> _Value:
        usage = "write `state == NAME`, `state != NAME` or `state in [A, B]`"
        if len(node.ops) != 1:
            raise _Fault(node, "T407", "`state` cannot stand in a chain of comparisons", usage)
        op, other = node.ops[0], node.comparators[0]
        if _dotted(node.left) != "state":
            node.left, other = other, node.left
        self._used.add("state")
        match op:
            case ast.Eq() | ast.NotEq():
                wanted = [other]
            case ast.In() | ast.NotIn() if isinstance(other, ast.List | ast.Tuple) and other.elts:
                wanted = other.elts
            case _:
                raise _Fault(node, "T404", f"`{self._text(node)}` is no question about a state", usage)
        tests: list[ast.expr] = [self._inside(name) for name in wanted]
        test = tests[0] if len(tests) == 1 else ast.BoolOp(ast.Or(), tests)
        if isinstance(op, ast.NotEq | ast.NotIn):
            test = ast.UnaryOp(ast.Not(), test)
        return _Value(BOOL, test)

    def _inside(self, node: ast.expr) -> ast.expr:
        name = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else _dotted(node)
        if self._among.states and (name is None or name not in self._among.states):
            self._report(
                _Fault(
                    node, "N301", f'no state "{name or self._text(node)}"', name_hint(name or "", self._among.states)
                )
            )
        return ast.Call(ast.parse("s.inside", mode="eval").body, [ast.Constant(name)], [])

    def _choice(self, node: ast.IfExp, hint: Type | None) -> _Value:
        test = self._boolean(node.test)
        left, right = self._check(node.body, hint), self._check(node.orelse, hint)
        kind = self._joined(node, left, right, "if … else")
        return _Value(kind, ast.IfExp(test, left.code, right.code), _still_bare(kind, left, right))

    def _call(self, node: ast.Call) -> _Value:
        name = _dotted(node.func) or self._text(node.func)
        if name not in FUNCTIONS:
            raise _Fault(node.func, "N309", f'no function "{name}"', name_hint(name, FUNCTIONS))
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            raise _Fault(node, "T407", f"`{name}` takes plain arguments only", f"write `{name}(a)`")
        enough = len(node.args) >= 2 if name in ("min", "max") else len(node.args) == 1
        if not enough:
            wanted = "two or more arguments" if name in ("min", "max") else "one argument"
            raise _Fault(node, "T407", f"`{name}` takes {wanted}, found {len(node.args)}")
        values = [self._numeric(argument) for argument in node.args]
        if any(value.type == UNKNOWN for value in values):
            return _Value(UNKNOWN, node)
        if name in ("ms", "seconds", "bps"):
            return self._conversion(node, name, values[0])
        joined = values[0]
        for value in values[1:]:
            kind = self._joined(node, joined, value, name)
            joined = _Value(kind, value.code, _still_bare(kind, joined, value))
        return _Value(joined.type, _call(f"_{name}", *(value.code for value in values)), joined.literals)

    def _conversion(self, node: ast.Call, name: str, value: _Value) -> _Value:
        if name == "bps":
            if value.type not in (NUMBER, COUNT) and value.type.name != "bps":
                raise _Fault(node, "T403", f"`bps` takes a number or basis points, found {_a(value.type)}")
            return _Value(RATIO, ast.BinOp(value.code, ast.Mult(), self._fixed(Decimal("0.0001"))))
        if value.type not in (NUMBER, COUNT):
            raise _Fault(node, "T403", f"`{name}` takes a number, found {_a(value.type)}")
        size = self._fixed(1_000_000 if name == "ms" else 1_000_000_000)
        return _Value(DURATION, _call("_int", ast.BinOp(value.code, ast.Mult(), size)))

    def _fixed(self, value: object) -> ast.expr:
        name = f"_c{len(self._constants)}"
        self._constants[name] = value
        return _load(name)

    # --- types

    def _boolean(self, node: ast.expr) -> ast.expr:
        value = self._check(node, BOOL)
        if value.type not in (BOOL, UNKNOWN):
            self._report(
                _Fault(
                    node,
                    "T403",
                    f"`{self._text(node)}` is {_a(value.type)}, expected a bool",
                    "compare it with something",
                )
            )
        return value.code

    def _numeric(self, node: ast.expr) -> _Value:
        value = self._check(node)
        if value.type not in NUMERIC and value.type != UNKNOWN:
            raise _Fault(node, "T404", f"`{self._text(node)}` is {_a(value.type)}, which has no arithmetic")
        return value

    def _joined(self, node: ast.AST, left: _Value, right: _Value, symbol: str) -> Type:
        if UNKNOWN in (left.type, right.type):
            return UNKNOWN
        kind = self._unify(node, left, right.type)
        kind = self._unify(node, right, left.type if kind is None else kind)
        if kind is None:
            raise _undefined(node, symbol, left.type, right.type)
        return kind

    def _unify(self, node: ast.AST, value: _Value, other: Type) -> Type | None:
        """The common type; bare numbers of `value` take it. Raises: _Fault where a number needs a unit."""
        kind = common_type(value.type, other)
        if kind is None and value.type == NUMBER and other in NUMERIC:
            text = self._text(self._literal_nodes[value.literals[0]]) if value.literals else self._text(node)
            place = self._literal_nodes[value.literals[0]] if value.literals else node
            hint = (
                f"write `seconds({text})` or `ms({text})`"
                if other == DURATION
                else f"compare `bps(…)` with `bps({text})`"
            )
            raise _Fault(place, "T402", f"`{text}` has no unit, expected {_a(other)}", hint)
        if kind is not None and kind not in (NUMBER, UNKNOWN):
            self._settle(value.literals, kind)
        return kind

    def _settle(self, names: Sequence[str], kind: Type) -> None:
        if kind not in INTEGERS:
            return
        for name in names:
            number = self._constants[name]
            if isinstance(number, Decimal):
                if number != number.to_integral_value():
                    raise _Fault(
                        self._literal_nodes[name], "T403", f"`{number}` is no whole number, expected {_a(kind)}"
                    )
                self._constants[name] = int(number)

    # --- reporting

    def _refused(self, node: ast.expr, kind: type[ast.AST]) -> _Fault:
        what = _CONSTRUCTS.get(kind, f"`{self._text(node)}`")
        return _Fault(
            node,
            "T407",
            f"{what} is not allowed in an expression",
            "allowed: and or not, comparisons, + - * /, in, if else",
        )

    def _report(self, fault: _Fault) -> None:
        self._sound = False
        start, end = self._extent(fault.node)
        self._faults.report(fault.code, part_of(self._scalar, start, end), fault.message, fault.hint)

    def _text(self, node: ast.AST) -> str:
        start, end = self._extent(node)
        return self._source[start:end]

    def _extent(self, node: ast.AST) -> tuple[int, int]:
        """Characters; `ast` counts UTF-8 bytes."""
        raw = self._source.encode()
        start, end = getattr(node, "col_offset", 0), getattr(node, "end_col_offset", len(raw))
        return len(raw[:start].decode(errors="replace")), len(raw[:end].decode(errors="replace"))


def _dotted(node: ast.expr) -> str | None:
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            root = _dotted(node.value)
            return None if root is None else f"{root}.{node.attr}"
        case _:
            return None


def _load(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def _call(name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(_load(name), list(arguments), [])


def _still_bare(kind: Type, *values: _Value) -> tuple[str, ...]:
    return tuple(name for value in values for name in value.literals) if kind == NUMBER else ()


def _undefined(node: ast.AST, symbol: str, left: Type, right: Type) -> _Fault:
    return _Fault(
        node, "T404", f"`{symbol}` is not defined between {_a(left)} and {_a(right)}", _conversion_hint(left, right)
    )


def _conversion_hint(left: Type, right: Type) -> str:
    names = {left.name, right.name}
    if names == {"qty", "money"} or names == {"qty", "price"}:
        return "qty * price is money, money / price is qty"
    if names == {"price", "money"}:
        return "money / qty is a price"
    if names == {"bps", "ratio"}:
        return "`bps(x)` makes basis points a ratio"
    if "bool" in names:
        return "write a comparison"
    return ""


def _a(kind: Type) -> str:
    if kind == STATE:
        return "a state"
    if kind.members:
        return f"{'an' if kind.name[0] in 'aeiou' else 'a'} {kind}"
    return kind.name if kind.name in ("money", "bps", "ticks") else f"a {kind}"
