"""Expressions: their values with exact types, and every fault at its column."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.chart.expressions import Vocables, compile_expression
from engine.chart.faults import Faults
from engine.chart.model import (
    BOOL,
    BPS,
    COUNT,
    DURATION,
    DURATION_RANGE,
    MONEY,
    PRICE,
    QTY,
    RATIO,
    SIDE,
    TEXT,
    TICKS,
    Expression,
    Scalar,
    Span,
    Type,
)

S = 1_000_000_000
NAMES = {
    "size": QTY,
    "price": PRICE,
    "cost": MONEY,
    "share": RATIO,
    "fee": BPS,
    "gap": TICKS,
    "age": DURATION,
    "side": SIDE,
    "word": TEXT,
    "ready": BOOL,
    "leg.filled": QTY,
    "context.tries": COUNT,
    "settings.limit": COUNT,
    "settings.hold": DURATION_RANGE,
    "settings.mode": Type("choice", ("fast", "slow")),
}
AMONG = Vocables(NAMES, ("IDLE", "BUSY", "BUSY.inner"))
SCOPE = SimpleNamespace(
    size=Decimal(2),
    price=Decimal("10.5"),
    cost=Decimal(21),
    share=Decimal("0.5"),
    fee=Decimal(10),
    gap=3,
    age=2 * S,
    side="buy",
    word="hello",
    ready=True,
    leg=SimpleNamespace(filled=Decimal(1)),
    context=SimpleNamespace(tries=5),
    settings=SimpleNamespace(limit=3, hold=(S, 3 * S), mode="fast"),
    inside=lambda name: name in ("BUSY", "BUSY.inner"),
)


def compiled(source: str, expected: Type, *, quoted: bool = False) -> tuple[Expression | None, Faults]:
    faults = Faults()
    width = len(source) + (2 if quoted else 0)
    scalar = Scalar(source, quoted, Span("f.yaml", 1, 1, 1, 1 + width))
    return compile_expression(scalar, expected, among=AMONG, faults=faults), faults


def value_of(source: str, expected: Type) -> object:
    expression, faults = compiled(source, expected)
    assert faults.findings == []
    assert expression is not None
    return expression.value(SCOPE)


def findings_of(source: str, expected: Type) -> list[tuple[str, int, str, str]]:
    expression, faults = compiled(source, expected)
    assert expression is None
    return [(found.code, found.span.column, found.message, found.hint) for found in faults.findings]


@pytest.mark.parametrize(
    ("source", "kind", "value"),
    [
        ("size * price", MONEY, Decimal("21.0")),
        ("price * size", MONEY, Decimal("21.0")),
        ("cost / size", PRICE, Decimal("10.5")),
        ("cost / price", QTY, Decimal(2)),
        ("size / size", RATIO, Decimal(1)),
        ("share * cost", MONEY, Decimal("10.5")),
        ("size * share", QTY, Decimal("1.0")),
        ("size / share", QTY, Decimal(4)),
        ("context.tries * size", QTY, Decimal(10)),
        ("context.tries * settings.limit", COUNT, 15),
        ("context.tries / settings.limit * 3", RATIO, Decimal(5) / 3 * 3),
        ("context.tries / 2", RATIO, Decimal("2.5")),
        ("context.tries * 0.5", RATIO, Decimal("2.5")),
        ("size + 0.1", QTY, Decimal("2.1")),
        ("0.1 + 0.2", QTY, Decimal("0.3")),
        ("size - leg.filled", QTY, Decimal(1)),
        ("-size", QTY, Decimal(-2)),
        ("-1", QTY, Decimal(-1)),
        ("7", QTY, Decimal(7)),
        ("7", COUNT, 7),
        ("2 * 3", COUNT, 6),
        ("1 / 4", RATIO, Decimal("0.25")),
        ("gap + 1", TICKS, 4),
        ("gap", COUNT, 3),
        ("gap * price", PRICE, Decimal("31.5")),
        ("age + seconds(0.5)", DURATION, 5 * S // 2),
        ("age - ms(1)", DURATION, 2 * S - 1_000_000),
        ("age * 2", DURATION, 4 * S),
        ("age * 0.25", DURATION, S // 2),
        ("age * share", DURATION, S),
        ("age / 4", DURATION, S // 2),
        ("age / 0.5", DURATION, 4 * S),
        ("age / settings.limit", DURATION, 2 * S // 3),
        ("seconds(context.tries)", DURATION, 5 * S),
        ("bps(25) * price", PRICE, Decimal("0.0262500")),
        ("bps(fee) * cost", MONEY, Decimal("0.0210")),
        ("abs(leg.filled - size)", QTY, Decimal(1)),
        ("min(size, leg.filled, 1.5)", QTY, Decimal(1)),
        ("max(1, context.tries)", COUNT, 5),
        ("size if ready else 0", QTY, Decimal(2)),
        ("1 if side == sell else size", QTY, Decimal(2)),
        ("buy if context.tries > 9 else sell", SIDE, "sell"),
        ("250ms", DURATION, S // 4),
        ("1s..2s", DURATION_RANGE, (S, 2 * S)),
        ("settings.hold", DURATION_RANGE, (S, 3 * S)),
        ("10bps", RATIO, Decimal("0.0010")),
        ("2 ticks", TICKS, 2),
        ("sell", SIDE, "sell"),
        ("'sell'", SIDE, "sell"),
        ("word", TEXT, "hello"),
        ("side", TEXT, "buy"),
        ("a word, or two", TEXT, "a word, or two"),
        ("true", BOOL, True),
        ("False", BOOL, False),
    ],
)
def test_an_expression_has_its_exact_value_and_type(source: str, kind: Type, value: object) -> None:
    found = value_of(source, kind)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("source", "holds"),
    [
        ("size > 1 and size <= 2", True),
        ("1 < size < 2", False),
        ("1 < context.tries != 6", True),
        ("not ready or share == 0.5", True),
        ("ready == true", True),
        ("size * price == cost", True),
        ("age >= seconds(2)", True),
        ("side == buy", True),
        ("sell == side", False),
        ("side != 'sell'", True),
        ("side in [buy, sell]", True),
        ("side not in [sell]", True),
        ("settings.mode in [slow, fast]", True),
        ("context.tries in [1, 2, 5]", True),
        ("size in (1, 2)", True),
        ("word == 'hello'", True),
        ("state == BUSY", True),
        ("state == BUSY.inner", True),
        ("IDLE != state", True),
        ("state in [IDLE, BUSY]", True),
        ("state not in [IDLE]", True),
        ("state == 'IDLE'", False),
        ("  ready  ", True),
        ("(size > 1)\n and ready", True),
    ],
)
def test_a_guard_holds_or_not(source: str, holds: bool) -> None:
    assert value_of(source, BOOL) is holds


PLAIN_WORDS = "allowed: and or not, comparisons, + - * /, in, if else"
ALL_NAMES = (
    "valid here: age, context.tries, cost, fee, gap, leg.filled, price, ready, settings.hold, settings.limit, "
    "settings.mode, share, …"
)
MONEY_WORDS = "qty * price is money, money / price is qty"
FUNCTION_WORDS = "valid here: abs, bps, max, min, ms, seconds"
NUMBER_WORDS = "write plain decimals such as `0.015`"
STATE_WORDS = "write `state == NAME`, `state != NAME` or `state in [A, B]`"


@pytest.mark.parametrize(
    ("source", "kind", "found"),
    [
        (
            "ready and size + price > 1",
            BOOL,
            [("T404", 11, "`+` is not defined between a qty and a price", MONEY_WORDS)],
        ),
        ("size > cost", BOOL, [("T404", 1, "`>` is not defined between a qty and money", MONEY_WORDS)]),
        ("size * cost", MONEY, [("T404", 1, "`*` is not defined between a qty and money", MONEY_WORDS)]),
        ("1 / size", RATIO, [("T404", 1, "`/` is not defined between a number and a qty", "")]),
        ("fee + share", RATIO,
         [("T404", 1, "`+` is not defined between bps and a ratio", "`bps(x)` makes basis points a ratio")]),
        ("age > 3", BOOL, [("T402", 7, "`3` has no unit, expected a duration", "write `seconds(3)` or `ms(3)`")]),
        ("3 < age", BOOL, [("T402", 1, "`3` has no unit, expected a duration", "write `seconds(3)` or `ms(3)`")]),
        ("3", DURATION, [("T402", 1, "`3` has no unit, expected a duration", "write `seconds(3)` or `ms(3)`")]),
        ("fee < 10", BOOL, [("T402", 7, "`10` has no unit, expected bps", "compare `bps(…)` with `bps(10)`")]),
        ("context.tries + 0.5", COUNT, [("T403", 17, "`0.5` is no whole number, expected a count", "")]),
        ("1.5", COUNT, [("T403", 1, "`1.5` is no whole number, expected a count", "")]),
        ("context.tries / 2", COUNT, [("T403", 1, "`context.tries / 2` is a ratio, expected a count", "")]),
        ("size", BOOL, [("T403", 1, "`size` is a qty, expected a bool", "write a comparison")]),
        ("size and ready", BOOL, [("T403", 1, "`size` is a qty, expected a bool", "compare it with something")]),
        ("ready", QTY, [("T403", 1, "`ready` is a bool, expected a qty", "write a comparison")]),
        ("ready + 1", COUNT, [("T404", 1, "`ready` is a bool, which has no arithmetic", "")]),
        ("word + 'x' == 'y'", BOOL, [("T404", 1, "`word` is a text, which has no arithmetic", "")]),
        ("ready < true", BOOL, [("T404", 1, "`<` is not defined between a bool and a bool", "write a comparison")]),
        ("settings.hold > seconds(1)", BOOL,
         [("T404", 1, "`>` is not defined between a duration range and a duration", "")]),
        ("side == by", BOOL, [("T409", 9, '"by" is no side', 'did you mean "buy"?')]),
        ("side in [buy, sel]", BOOL, [("T409", 15, '"sel" is no side', 'did you mean "sell"?')]),
        ("settings.mode == buy", BOOL, [("T409", 18, '"buy" is no choice', "valid here: fast, slow")]),
        ("side in buy", BOOL, [("T407", 9, "`in` needs a list of values", "write `side in [buy, sell]`")]),
        ("side in []", BOOL, [("T407", 9, "`in` needs a list of values", "write `side in [buy, sell]`")]),
        ("size in [buy]", BOOL, [("N308", 10, 'no name "buy" here', ALL_NAMES)]),
        ("leg.filed > 0", BOOL, [("N308", 1, 'no name "leg.filed" here', 'did you mean "leg.filled"?')]),
        (
            "event.side == buy",
            BOOL,
            [
                (
                    "N308",
                    1,
                    'no name "event.side" here',
                    "no event attributes are known here; only rows of an event that has attributes may read `event.*`",
                ),
                ("N308", 15, 'no name "buy" here', ALL_NAMES),
            ],
        ),
        ("leg.filed > 0 and hello", BOOL, [
            ("N308", 1, 'no name "leg.filed" here', 'did you mean "leg.filled"?'),
            ("N308", 19, 'no name "hello" here', ALL_NAMES),
        ]),
        ("state == BUZY", BOOL, [("N301", 10, 'no state "BUZY"', 'did you mean "BUSY"?')]),
        ("state in [IDLE, BUSY.iner]", BOOL, [("N301", 17, 'no state "BUSY.iner"', 'did you mean "BUSY.inner"?')]),
        ("state", BOOL, [("T407", 1, "`state` stands alone", STATE_WORDS)]),
        ("state > IDLE", BOOL, [("T404", 1, "`state > IDLE` is no question about a state", STATE_WORDS)]),
        ("IDLE == state == BUSY", BOOL, [("T407", 1, "`state` cannot stand in a chain of comparisons", STATE_WORDS)]),
        ("open('x')", BOOL, [("N309", 1, 'no function "open"', FUNCTION_WORDS)]),
        ("word.upper() == 'X'", BOOL, [("N309", 1, 'no function "word.upper"', FUNCTION_WORDS)]),
        ("mix(1, 2)", COUNT, [("N309", 1, 'no function "mix"', 'did you mean "min"?')]),
        ("min(1)", COUNT, [("T407", 1, "`min` takes two or more arguments, found 1", "")]),
        ("abs(1, 2)", COUNT, [("T407", 1, "`abs` takes one argument, found 2", "")]),
        ("max(1, key=2)", COUNT, [("T407", 1, "`max` takes plain arguments only", "write `max(a)`")]),
        ("max(*size)", QTY, [("T407", 1, "`max` takes plain arguments only", "write `max(a)`")]),
        ("ms(age)", DURATION, [("T403", 1, "`ms` takes a number, found a duration", "")]),
        ("bps(share)", RATIO, [("T403", 1, "`bps` takes a number or basis points, found a ratio", "")]),
        ("size ** 2", QTY, [("T407", 1, "`**` is not allowed in an expression", PLAIN_WORDS)]),
        ("context.tries // 2", COUNT, [("T407", 1, "`//` is not allowed in an expression", PLAIN_WORDS)]),
        ("ready is true", BOOL, [("T407", 1, "`is` is not allowed in an expression", PLAIN_WORDS)]),
        ("lambda: 1", COUNT, [("T407", 1, "a lambda is not allowed in an expression", PLAIN_WORDS)]),
        ("[size][0]", QTY, [("T407", 1, "an index is not allowed in an expression", PLAIN_WORDS)]),
        ("f'{size}' == word", BOOL, [("T407", 1, "a formatted text is not allowed in an expression", PLAIN_WORDS)]),
        ("(x := 3) > 2", BOOL, [("T407", 2, "`:=` is not allowed in an expression", PLAIN_WORDS)]),
        ("[x for x in size] == 1", BOOL,
         [("T407", 1, "`[x for x in size]` is not allowed in an expression", PLAIN_WORDS)]),
        ("size > 1e5", BOOL, [("T407", 8, "`1e5` is not allowed in an expression", NUMBER_WORDS)]),
        ("size > 1_000", BOOL, [("T407", 8, "`1_000` is not allowed in an expression", NUMBER_WORDS)]),
        ("size > 0x10", BOOL, [("T407", 8, "`0x10` is not allowed in an expression", NUMBER_WORDS)]),
        ("().__class__", BOOL, [("T407", 1, "`().__class__` is not allowed: only declared names have attributes", "")]),
        ("size.__class__ == size", BOOL, [("N308", 1, 'no name "size.__class__" here', ALL_NAMES)]),
        ("", BOOL, [("T406", 1, "an expression is missing", "write a guard such as `context.tries < 3`")]),
        ("'é' == word and zz", BOOL, [("N308", 17, 'no name "zz" here', ALL_NAMES)]),
        ("  zz", BOOL, [("N308", 3, 'no name "zz" here', ALL_NAMES)]),
    ],
)  # fmt: skip
def test_a_fault_is_found_at_its_column(source: str, kind: Type, found: list[tuple[str, int, str, str]]) -> None:
    assert findings_of(source, kind) == found


@pytest.mark.parametrize(
    ("source", "column", "hint"),
    [
        ("age > 3s", 7, "inside an expression write `seconds(3)`"),
        ("age > 250ms", 7, "inside an expression write `ms(250)`"),
        ("age > 1.5m", 7, "inside an expression write `seconds(90.0)`"),
        ("share > 5%", 9, "inside an expression write `bps(500)`"),
        ("size = 3", 6, "compare with `==`"),
        ("ready && ready", 8, "write `and`"),
        ("ready and", 9, "check brackets and operators"),
        ("(ready", 1, "check brackets and operators"),
        ("size > 1and ready", 8, "check brackets and operators"),
    ],
)
def test_broken_syntax_is_found_with_a_way_out(source: str, column: int, hint: str) -> None:
    [(code, at, message, found_hint)] = findings_of(source, BOOL)
    assert (code, at, found_hint) == ("T406", column, hint)
    assert message.startswith("the expression cannot be read: ")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("ready or " * 60 + "ready", "the expression has 545 characters, the limit is 500"),
        ("not " * 20 + "ready", "the expression has 21 levels, the limit is 20"),
        ("1+" * 200 + "1", "the expression has 201 levels, the limit is 20"),
        ("side in [" + "buy," * 110 + "]", None),
        ("context.tries in [" + "1," * 210 + "]", "the expression has 214 parts, the limit is 200"),
    ],
)
def test_an_expression_is_short_shallow_and_small(source: str, message: str | None) -> None:
    _, faults = compiled(source, BOOL)
    assert [(found.code, found.message) for found in faults.findings] == ([("T408", message)] if message else [])


def test_brackets_beyond_the_parser_are_a_finding() -> None:
    assert [code for code, *_ in findings_of("(" * 240 + "1" + ")" * 240, COUNT)] == ["T406"]


def test_a_quoted_expression_counts_its_columns_from_the_quote() -> None:
    _, faults = compiled("zz > 0", BOOL, quoted=True)
    assert [(found.span.column, found.span.end_column) for found in faults.findings] == [(2, 4)]


def test_a_folded_expression_is_reported_at_its_whole_place() -> None:
    faults = Faults()
    scalar = Scalar("ready and\nzz\n", True, Span("f.yaml", 3, 9, 5, 1))
    assert compile_expression(scalar, BOOL, among=AMONG, faults=faults) is None
    assert [found.span for found in faults.findings] == [scalar.span]


def test_an_expression_names_what_it_reads() -> None:
    expression, _ = compiled("settings.limit > context.tries and side == buy and state == IDLE and 1 < 2", BOOL)
    assert expression is not None
    assert expression.names == {"settings.limit", "context.tries", "side", "state"}


@pytest.mark.parametrize(
    "source", ["size / (size - 2)", "context.tries / (settings.limit - 3)", "age / (context.tries - 5)"]
)
def test_division_by_zero_raises_when_it_runs(source: str) -> None:
    expression, _ = compiled(source, DURATION if source.startswith("age") else RATIO)
    assert expression is not None
    with pytest.raises(ArithmeticError):
        expression.value(SCOPE)


def test_faults_of_a_declaration_have_no_consequences_in_expressions() -> None:
    among = Vocables({**NAMES, "settings.x": Type("unknown")}, (), frozenset({"event"}))
    for source in ("settings.x > size", "event.side == buy", "event.a in [x, y]", "state == ANY", "event.a + size > 1"):
        faults = Faults()
        scalar = Scalar(source, False, Span("f.yaml", 1, 1, 1, 1 + len(source)))
        compile_expression(scalar, BOOL, among=among, faults=faults)
        assert (source, faults.findings) == (source, [])


@given(st.text(alphabet="size price*/+-()[]<>=!.,0123456789'andornotifelse ", max_size=40))
def test_any_text_compiles_or_is_refused_with_findings(source: str) -> None:
    expression, faults = compiled(source, BOOL)
    assert (expression is None) == bool(faults.findings)
