"""Literals with their units: text to Decimal or integer, never through float.

A duration is integer nanoseconds, a ratio 0.005 for `0.5%`, basis points 10 for `10bps`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from engine.chart.faults import name_hint
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
    TEXT,
    TICKS,
    Type,
)

LITERAL_LIMIT = 40  # characters; a longer number is a slip, and Decimal would read it

_NANOSECONDS = {"h": 3_600_000_000_000, "m": 60_000_000_000, "s": 1_000_000_000, "ms": 1_000_000, "us": 1_000}
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_UNSIGNED = r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?"
_DURATION = re.compile(rf"(?:{_UNSIGNED}(?:ms|us|h|m|s))+")
_DURATION_PART = re.compile(rf"({_UNSIGNED})(ms|us|h|m|s)")
_WITH_UNIT = re.compile(r"(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?) ?([a-z%]+)")


class LiteralError(ValueError):
    """A text is no literal of the type: a finding without a place."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


def parse_literal(text: str, expected: Type) -> object:
    """The value of a literal. Raises: LiteralError with code, text and way out."""
    if expected.members:
        return _member(text, expected)
    if expected == TEXT:
        return text
    if len(text) > LITERAL_LIMIT:
        raise LiteralError("T401", f"a {expected} of {len(text)} characters cannot be read", "write it shorter")
    reader = _READERS.get(expected)
    if reader is None:
        raise LiteralError("T401", f'a {expected} has no literal, found "{text}"', "name something of that type")
    return reader(text)


def has_unit(text: str, expected: Type) -> bool:
    """Is this text a literal that only units can read, such as `250ms`, and so no expression?"""
    if expected not in _READERS or not text[:1].isdigit() or _NUMBER.fullmatch(text):
        return False
    return _DURATION.fullmatch(text) is not None or _WITH_UNIT.fullmatch(text) is not None or ".." in text


def shown(value: object, kind: Type) -> str:
    """A value as a flow or config would write it."""
    match value:
        case bool():
            return "true" if value else "false"
        case (low, high):
            return shown(low, DURATION) if low == high else f"{shown(low, DURATION)}..{shown(high, DURATION)}"
        case int() if kind in (DURATION, DURATION_RANGE):
            return _shown_duration(value)
        case int() if kind == TICKS:
            return "1 tick" if value == 1 else f"{value} ticks"
        case Decimal() if kind == BPS:
            return f"{value:f}bps"
        case Decimal():
            return f"{value:f}"
        case _:
            return str(value)


def _shown_duration(nanoseconds: int) -> str:
    for unit in ("h", "m", "s", "ms", "us"):
        size = _NANOSECONDS[unit]
        if nanoseconds and nanoseconds % size == 0:
            return f"{nanoseconds // size}{unit}"
    return f"{Decimal(nanoseconds) / 1_000_000:f}ms"


def _member(text: str, expected: Type) -> str:
    if text in expected.members:
        return text
    raise LiteralError("T409", f'"{text}" is no {expected}', name_hint(text, expected.members))


def _bool(text: str) -> bool:
    if text in ("true", "false"):
        return text == "true"
    raise LiteralError("T401", f'"{text}" is neither true nor false', "write `true` or `false`")


def _count(text: str) -> int:
    if _NUMBER.fullmatch(text) and "." not in text:
        return int(text)
    raise LiteralError("T401", f'"{text}" is no count', "write a whole number without a unit, such as `3`")


def _decimal(kind: Type) -> Callable[[str], Decimal]:
    def read(text: str) -> Decimal:
        if _NUMBER.fullmatch(text):
            return Decimal(text)
        raise LiteralError(
            "T401", f'"{text}" is no {kind}', "write a decimal number such as `0.015`, without separators"
        )

    return read


def _ratio(text: str) -> Decimal:
    if _NUMBER.fullmatch(text):
        return Decimal(text)
    number, unit = _split_unit(text)
    if number is not None and unit in ("%", "bps"):
        return number.scaleb(-2 if unit == "%" else -4)
    raise LiteralError("T401", f'"{text}" is no ratio', "write `0.5%`, `50bps` or `0.005`")


def _bps(text: str) -> Decimal:
    number, unit = _split_unit(text)
    if number is not None and unit == "bps":
        return number
    if number is not None and unit == "%":
        return number.scaleb(2)
    if _NUMBER.fullmatch(text):
        raise LiteralError("T402", f'"{text}" has no unit, expected basis points', f"write `{text}bps`")
    raise LiteralError("T401", f'"{text}" is no number of basis points', "write `10bps` or `0.1%`")


def _ticks(text: str) -> int:
    number, unit = _split_unit(text)
    if number is not None and unit in ("tick", "ticks") and number == number.to_integral_value():
        return int(number)
    if _NUMBER.fullmatch(text):
        raise LiteralError("T402", f'"{text}" has no unit, expected ticks', f"write `{text} ticks`")
    raise LiteralError("T401", f'"{text}" is no number of ticks', "write `2 ticks`")


def _split_unit(text: str) -> tuple[Decimal | None, str]:
    found = _WITH_UNIT.fullmatch(text)
    return (Decimal(found.group(1)), found.group(2)) if found else (None, "")


def _duration(text: str) -> int:
    if _NUMBER.fullmatch(text):
        raise LiteralError("T402", f'"{text}" has no unit, expected a duration', _duration_hint(text))
    if not _DURATION.fullmatch(text):
        raise LiteralError("T401", f'"{text}" is no duration', "write `250ms`, `3s`, `1m30s` or `2h`")
    parts = [(Decimal(number), unit) for number, unit in _DURATION_PART.findall(text)]
    units = [unit for _, unit in parts]
    if units != sorted(set(units), key=list(_NANOSECONDS).index):
        raise LiteralError("T401", f'"{text}" is no duration', "write each unit once, the larger first: `1m30s`")
    nanoseconds = sum((number * _NANOSECONDS[unit] for number, unit in parts), Decimal(0))
    if nanoseconds != nanoseconds.to_integral_value():
        raise LiteralError("T401", f'"{text}" is finer than a nanosecond', "write it coarser")
    return int(nanoseconds)


def _duration_hint(text: str) -> str:
    if text.startswith("-"):
        return "a duration is never negative; write `3s` or `3000ms`"
    return f"write `{text}s` for seconds or `{text}ms` for milliseconds"


def _duration_range(text: str) -> tuple[int, int]:
    if ".." not in text:
        if _NUMBER.fullmatch(text):
            hint = f"{_duration_hint(text)}; a range is `1000..3000ms`"
            raise LiteralError("T402", f'"{text}" has no unit, expected a duration or a range of durations', hint)
        alone = _duration(text)
        return alone, alone
    low_text, high_text = (part.strip() for part in text.split("..", 1))
    high = _duration(high_text)
    if _NUMBER.fullmatch(low_text):
        low_text += re.sub(r"[0-9.]", "", high_text)
    low = _duration(low_text)
    if low > high:
        raise LiteralError("T405", f'range "{text}" ends before it starts', f"write `{high_text}..{low_text}`")
    return low, high


_READERS: Mapping[Type, Callable[[str], object]] = {
    BOOL: _bool,
    COUNT: _count,
    QTY: _decimal(QTY),
    PRICE: _decimal(PRICE),
    MONEY: _decimal(MONEY),
    RATIO: _ratio,
    BPS: _bps,
    TICKS: _ticks,
    DURATION: _duration,
    DURATION_RANGE: _duration_range,
}
