"""Literals with units: exact values, and the exact words for what cannot be read."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    STATE,
    TEXT,
    TICKS,
    Type,
)
from engine.chart.units import LiteralError, has_unit, parse_literal, shown

S = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("250ms", DURATION, S // 4),
        ("3s", DURATION, 3 * S),
        ("1.5s", DURATION, 3 * S // 2),
        ("1m30s", DURATION, 90 * S),
        ("2h", DURATION, 7200 * S),
        ("1h1m1s1ms1us", DURATION, 3661 * S + 1_001_000),
        ("0ms", DURATION, 0),
        ("1000..3000ms", DURATION_RANGE, (S, 3 * S)),
        ("1s..3s", DURATION_RANGE, (S, 3 * S)),
        ("500ms..1m30s", DURATION_RANGE, (S // 2, 90 * S)),
        ("0ms..0ms", DURATION_RANGE, (0, 0)),
        ("3s", DURATION_RANGE, (3 * S, 3 * S)),
        ("0.5%", RATIO, Decimal("0.005")),
        ("50bps", RATIO, Decimal("0.0050")),
        ("0.005", RATIO, Decimal("0.005")),
        ("10bps", BPS, Decimal(10)),
        ("0.1%", BPS, Decimal(10)),
        ("-2.5bps", BPS, Decimal("-2.5")),
        ("2 ticks", TICKS, 2),
        ("1 tick", TICKS, 1),
        ("0 ticks", TICKS, 0),
        ("0.015", QTY, Decimal("0.015")),
        ("-3", PRICE, Decimal(-3)),
        ("1234567890.123456789", MONEY, Decimal("1234567890.123456789")),
        ("10", COUNT, 10),
        ("-1", COUNT, -1),
        ("true", BOOL, True),
        ("false", BOOL, False),
        ("buy", SIDE, "buy"),
        ("warm", Type("choice", ("none", "warm")), "warm"),
        ("3s, or so", TEXT, "3s, or so"),
    ],
)
def test_a_literal_has_its_exact_value(text: str, kind: Type, value: object) -> None:
    read = parse_literal(text, kind)
    assert (read, type(read)) == (value, type(value))


DURATION_WORDS = "write `250ms`, `3s`, `1m30s` or `2h`"
DECIMAL_WORDS = "write a decimal number such as `0.015`, without separators"
COUNT_WORDS = "write a whole number without a unit, such as `3`"


@pytest.mark.parametrize(
    ("text", "kind", "code", "message", "hint"),
    [
        (
            "3",
            DURATION,
            "T402",
            '"3" has no unit, expected a duration',
            "write `3s` for seconds or `3ms` for milliseconds",
        ),
        (
            "-3",
            DURATION,
            "T402",
            '"-3" has no unit, expected a duration',
            "a duration is never negative; write `3s` or `3000ms`",
        ),
        ("-3s", DURATION, "T401", '"-3s" is no duration', DURATION_WORDS),
        ("3 s", DURATION, "T401", '"3 s" is no duration', DURATION_WORDS),
        ("3sec", DURATION, "T401", '"3sec" is no duration', DURATION_WORDS),
        ("", DURATION, "T401", '"" is no duration', DURATION_WORDS),
        ("30s1m", DURATION, "T401", '"30s1m" is no duration', "write each unit once, the larger first: `1m30s`"),
        ("1s1s", DURATION, "T401", '"1s1s" is no duration', "write each unit once, the larger first: `1m30s`"),
        ("0.0001us", DURATION, "T401", '"0.0001us" is finer than a nanosecond', "write it coarser"),
        (
            "1000",
            DURATION_RANGE,
            "T402",
            '"1000" has no unit, expected a duration or a range of durations',
            "write `1000s` for seconds or `1000ms` for milliseconds; a range is `1000..3000ms`",
        ),
        (
            "1..3",
            DURATION_RANGE,
            "T402",
            '"3" has no unit, expected a duration',
            "write `3s` for seconds or `3ms` for milliseconds",
        ),
        ("3s..1s", DURATION_RANGE, "T405", 'range "3s..1s" ends before it starts', "write `1s..3s`"),
        ("5%", DURATION, "T401", '"5%" is no duration', DURATION_WORDS),
        ("3s", RATIO, "T401", '"3s" is no ratio', "write `0.5%`, `50bps` or `0.005`"),
        ("10", BPS, "T402", '"10" has no unit, expected basis points', "write `10bps`"),
        ("10 ticks", BPS, "T401", '"10 ticks" is no number of basis points', "write `10bps` or `0.1%`"),
        ("2", TICKS, "T402", '"2" has no unit, expected ticks', "write `2 ticks`"),
        ("2.5 ticks", TICKS, "T401", '"2.5 ticks" is no number of ticks', "write `2 ticks`"),
        ("010", COUNT, "T401", '"010" is no count', COUNT_WORDS),
        ("3.0", COUNT, "T401", '"3.0" is no count', COUNT_WORDS),
        ("1_000", COUNT, "T401", '"1_000" is no count', COUNT_WORDS),
        ("1e5", QTY, "T401", '"1e5" is no qty', DECIMAL_WORDS),
        ("1,000", PRICE, "T401", '"1,000" is no price', DECIMAL_WORDS),
        ("nan", MONEY, "T401", '"nan" is no money', DECIMAL_WORDS),
        (".5", QTY, "T401", '".5" is no qty', DECIMAL_WORDS),
        ("٣", QTY, "T401", '"٣" is no qty', DECIMAL_WORDS),
        ("yes", BOOL, "T401", '"yes" is neither true nor false', "write `true` or `false`"),
        ("bye", SIDE, "T409", '"bye" is no side', 'did you mean "buy"?'),
        ("1" * 41, QTY, "T401", "a qty of 41 characters cannot be read", "write it shorter"),
        ("IDLE", STATE, "T401", 'a state has no literal, found "IDLE"', "name something of that type"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(text: str, kind: Type, code: str, message: str, hint: str) -> None:
    with pytest.raises(LiteralError) as caught:
        parse_literal(text, kind)
    assert (caught.value.code, caught.value.message, caught.value.hint) == (code, message, hint)


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (3 * S, DURATION, "3s"),
        (90 * S, DURATION, "90s"),
        (120 * S, DURATION, "2m"),
        (S // 4, DURATION, "250ms"),
        (1_500, DURATION, "0.0015ms"),
        ((S, 3 * S), DURATION_RANGE, "1s..3s"),
        ((0, 0), DURATION_RANGE, "0ms"),
        (Decimal("0.0050"), RATIO, "0.0050"),
        (Decimal("1E+3"), QTY, "1000"),
        (Decimal(10), BPS, "10bps"),
        (1, TICKS, "1 tick"),
        (2, TICKS, "2 ticks"),
        (True, BOOL, "true"),
        ("buy", SIDE, "buy"),
    ],
)
def test_a_value_is_shown_as_a_flow_would_write_it(value: object, kind: Type, text: str) -> None:
    assert shown(value, kind) == text


@given(st.integers(min_value=0, max_value=10**18))
def test_every_duration_is_shown_so_that_it_reads_back(nanoseconds: int) -> None:
    assert parse_literal(shown(nanoseconds, DURATION), DURATION) == nanoseconds


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**12), max_value=10**12))
def test_every_decimal_is_shown_so_that_it_reads_back(number: Decimal) -> None:
    if number or not number.is_signed():
        assert parse_literal(shown(number, QTY), QTY) == number


@pytest.mark.parametrize(
    ("text", "kind", "only_units"),
    [
        ("250ms", DURATION, True),
        ("1s..3s", DURATION_RANGE, True),
        ("2 ticks", TICKS, True),
        ("0.5%", RATIO, True),
        ("3", DURATION, False),
        ("settings.hold", DURATION, False),
        ("3 - context.tries", COUNT, False),
        ("buy", SIDE, False),
    ],
)
def test_a_literal_with_unit_is_told_from_an_expression(text: str, kind: Type, only_units: bool) -> None:
    assert has_unit(text, kind) is only_units
