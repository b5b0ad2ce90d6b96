"""What guards say about each other: exclusive, implied, together complete, constant.

A guard is read as a truth table over its facts. A comparison of one name with literals is a fact with a few
values (each literal, each gap between two), a comparison of two names has three (less, equal, greater), anything
else is simply true or false. Different facts count as independent, so "exclusive", "implied" and "complete" are
certain, while "may both hold" is only what the text of the guards leaves open.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from itertools import pairwise, product

from engine.chart.model import COUNT, Expression, Flow

__all__ = ["Logic"]

# More combinations than this are not worked out: the answer is then "not known", which reports nothing.
COMBINATIONS = 4096

NS_PER_UNIT = {"ms": Decimal(1_000_000), "seconds": Decimal(1_000_000_000)}
SWAPPED = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE, ast.Eq: ast.Eq, ast.NotEq: ast.NotEq}

Value = Decimal | str | int | bool
Facts = Mapping[str, Value]
Truth = Callable[[Facts], bool]


@dataclass(slots=True)
class _Fact:
    """One thing that guards ask about; `literals` are the values that it is compared with."""

    kind: str  # "number" | "count" | "word" | "order" | "yes" | "state"
    literals: set[Decimal | str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Guard:
    truth: Truth
    facts: Mapping[str, _Fact]


class Logic:
    """Answers about the guards of one flow; None stands for a row without `when:`."""

    def __init__(self, flow: Flow) -> None:
        counts = {f"context.{name}" for name, counter in flow.context.items() if counter.type == COUNT}
        counts |= {f"settings.{name}" for name, setting in flow.settings.items() if setting.type == COUNT}
        counts |= {name for name, type_ in flow.vocabulary.names.items() if type_ == COUNT}
        self._read = cache(lambda guard: _Reader(guard, frozenset(counts)).read())
        self._leaves = flow.leaves

    def exclusive(self, one: Expression | None, other: Expression | None) -> bool:
        """They cannot hold together."""
        return self._none_holds([one, other], lambda held: held[0] and held[1])

    def implied(self, later: Expression | None, earlier: Expression | None) -> bool:
        """Wherever `later` holds, `earlier` holds too."""
        return self._none_holds([later, earlier], lambda held: held[0] and not held[1])

    def complete(self, guards: Sequence[Expression | None]) -> bool:
        """One of them always holds."""
        return self._none_holds(guards, lambda held: not any(held))

    def constant(self, guard: Expression) -> bool | None:
        """What the guard always is, or None if it depends on something."""
        if self._none_holds([guard], lambda held: held[0]):
            return False
        return True if self._none_holds([guard], lambda held: not held[0]) else None

    def _none_holds(self, guards: Sequence[Expression | None], question: Callable[[list[bool]], bool]) -> bool:
        """No combination of facts answers the question with yes; False where it is not known."""
        read = [self._read(guard) for guard in guards if guard is not None]
        worlds = self._worlds(_joined(read))
        if worlds is None:
            return False
        truths = [None if guard is None else self._read(guard).truth for guard in guards]
        return not any(question([truth is None or truth(world) for truth in truths]) for world in worlds)

    def _worlds(self, facts: Mapping[str, _Fact]) -> Iterator[Facts] | None:
        choices = [_values(fact, self._leaves) for fact in facts.values()]
        size = 1
        for values in choices:
            size *= len(values)
        if size > COMBINATIONS:
            return None
        return (dict(zip(facts, values, strict=True)) for values in product(*choices))


def _joined(guards: Sequence[_Guard]) -> dict[str, _Fact]:
    joined: dict[str, _Fact] = {}
    for guard in guards:
        for key, fact in guard.facts.items():
            joined.setdefault(key, _Fact(fact.kind)).literals.update(fact.literals)
    return joined


def _values(fact: _Fact, leaves: Sequence[str]) -> list[Value]:
    match fact.kind:
        case "yes":
            return [True, False]
        case "order":
            return [-1, 0, 1]
        case "state":
            return list(leaves)
        case "word":
            return [*sorted(map(str, fact.literals)), "any other word"]
    points = sorted(literal for literal in fact.literals if isinstance(literal, Decimal))
    if fact.kind == "count":
        near = {point.to_integral_value() + step for point in points for step in (-1, 0, 1)}
        return [*sorted(near | set(points))]
    gaps = [(low + high) / 2 for low, high in pairwise(points)]
    return [points[0] - 1, *points, *gaps, points[-1] + 1]


class _Spelled(ast.NodeTransformer):
    """Reads the YAML spellings `true` and `false` as Python's."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(node.id == "true") if node.id in ("true", "false") else node


class _Reader:
    """Turns one guard's text into a truth function over its facts."""

    def __init__(self, guard: Expression, counts: frozenset[str]) -> None:
        self._tree = _Spelled().visit(ast.parse(guard.source.strip(), mode="eval")).body
        self._names = guard.names
        self._counts = counts
        self._facts: dict[str, _Fact] = {}

    def read(self) -> _Guard:
        return _Guard(self._truth(self._tree), self._facts)

    def _truth(self, node: ast.expr) -> Truth:
        match node:
            case ast.BoolOp(op=ast.And(), values=parts):
                every = [self._truth(part) for part in parts]
                return lambda facts: all(truth(facts) for truth in every)
            case ast.BoolOp(values=parts):
                some = [self._truth(part) for part in parts]
                return lambda facts: any(truth(facts) for truth in some)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self._truth(operand)
                return lambda facts: not inner(facts)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                when, then, other = self._truth(test), self._truth(body), self._truth(orelse)
                return lambda facts: then(facts) if when(facts) else other(facts)
            case ast.Compare(left=left, ops=ops, comparators=rights):
                sides = [left, *rights]
                links = [self._compare(a, op, b) for (a, b), op in zip(pairwise(sides), ops, strict=True)]
                return lambda facts: all(link(facts) for link in links)
            case ast.Constant(value=bool() as value):
                return _always(value)
        return self._yes(node)

    def _yes(self, node: ast.expr) -> Truth:
        key = ast.dump(node)
        self._facts[key] = _Fact("yes")
        return lambda facts: bool(facts[key])

    def _compare(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Truth:
        if isinstance(op, ast.NotIn):
            listed = self._compare(left, ast.In(), right)
            return lambda facts: not listed(facts)
        if isinstance(op, ast.In):
            if not isinstance(right, ast.List | ast.Tuple | ast.Set):
                return self._yes(ast.Compare(left, [op], [right]))
            links = [self._compare(left, ast.Eq(), item) for item in right.elts]
            return lambda facts: any(link(facts) for link in links)
        if isinstance(left, ast.Name) and left.id == "state":
            return self._inside(op, right)
        if self._literal(left) is not None and self._literal(right) is None:
            left, op, right = right, SWAPPED[type(op)](), left
        return self._compare_values(left, op, right)

    def _compare_values(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Truth:
        if isinstance(right, ast.Constant) and isinstance(right.value, bool):
            truth, wanted = self._truth(left), right.value == isinstance(op, ast.Eq)
            return lambda facts: truth(facts) == wanted
        literal, first = self._literal(right), self._literal(left)
        if literal is None:
            return self._order(left, op, right)
        if first is not None:
            return _always(_holds(op, first, literal))
        key = ast.dump(left)
        kind = "word" if isinstance(literal, str) else "count" if _dotted(left) in self._counts else "number"
        self._facts.setdefault(key, _Fact(kind)).literals.add(literal)
        return lambda facts: _holds(op, facts[key], literal)

    def _order(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Truth:
        one, other = ast.dump(left), ast.dump(right)
        if one == other:
            return _always(_holds(op, 0, 0))
        sign = 1 if one < other else -1
        key = " ? ".join(sorted((one, other)))
        self._facts[key] = _Fact("order")
        return lambda facts: _holds(op, sign * int(facts[key]), 0)

    def _inside(self, op: ast.cmpop, right: ast.expr) -> Truth:
        name = _dotted(right) or str(getattr(right, "value", ""))
        self._facts["state"] = _Fact("state")
        wanted = isinstance(op, ast.Eq)
        return lambda facts: (f"{facts['state']}.".startswith(f"{name}.")) == wanted

    def _literal(self, node: ast.expr) -> Decimal | str | None:
        match node:
            case ast.Constant(value=int() | float() | str() as value) if not isinstance(value, bool):
                return value if isinstance(value, str) else Decimal(str(value))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self._literal(operand)
                return -inner if isinstance(inner, Decimal) else None
            case ast.Call(func=ast.Name(id="ms" | "seconds" as unit), args=[argument]):
                inner = self._literal(argument)
                return inner * NS_PER_UNIT[unit] if isinstance(inner, Decimal) else None
            case ast.Name(id=word) if word not in self._names:
                return word
        return None


def _always(value: bool) -> Truth:
    return lambda _: value


def _dotted(node: ast.expr) -> str:
    match node:
        case ast.Name(id=word):
            return word
        case ast.Attribute(value=inner, attr=word):
            return f"{_dotted(inner)}.{word}"
    return ""


def _holds(op: ast.cmpop, left: Value, right: Value) -> bool:
    if isinstance(left, str) or isinstance(right, str):
        return (left == right) == isinstance(op, ast.Eq)
    match op:
        case ast.Lt():
            return left < right
        case ast.LtE():
            return left <= right
        case ast.Gt():
            return left > right
        case ast.GtE():
            return left >= right
        case ast.NotEq():
            return left != right
    return left == right
