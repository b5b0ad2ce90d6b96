"""Reads single values of a venue's JSON, strictly: what is not as expected is a BadFrame that names the field. Pure.

Decimals come from their text, never through a float: a venue may send "0.1" or 0.1, both are exact here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NoReturn

from exchanges.errors import BadFrame

_DECIMAL = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?")
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:?00)?")
SHOWN = 40  # characters of a wrong value in an error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant)


def json_of(data: bytes) -> Any:
    """The value of a JSON text. Raises: BadFrame, also for what is nested too deeply."""
    try:
        text = data.decode()
        # Without a look for space around it, which no venue sends: then the whole `decode` has its say.
        value, end = _DECODER.raw_decode(text) if text[:1] in ("{", "[") else (None, -1)
        return value if end == len(text) else _DECODER.decode(text)
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise BadFrame(f"no JSON: {type(error).__name__} in {_excerpt(data)}") from None


def mapping(value: object, name: str) -> dict[str, Any]:
    if type(value) is not dict:
        raise BadFrame(f"{name}: expected an object, found {_shown(value)}")
    return value


def entry(said: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The object in a field."""
    return mapping(said.get(name), name)


def listing(value: object, name: str) -> list[Any]:
    if type(value) is not list:
        raise BadFrame(f"{name}: expected a list, found {_shown(value)}")
    return value


def text_of(said: Mapping[str, Any], name: str) -> str:
    """A text that is not empty; a whole number counts as its digits."""
    value = said.get(name)
    if type(value) is str and value:
        return value
    if type(value) is int:
        return str(value)
    raise BadFrame(f"{name}: expected a text, found {_shown(value)}")


def decimal_of(said: Mapping[str, Any], name: str, *, at_least_zero: bool = False) -> Decimal:
    value = said.get(name)
    if (type(value) is str and _DECIMAL.fullmatch(value)) or (type(value) is int and abs(value) < 10**30):
        number = Decimal(value)
    elif type(value) is Decimal and value.is_finite() and abs(value.adjusted()) < 100:
        number = value
    else:
        raise BadFrame(f"{name}: expected a decimal, found {_shown(value)}")
    if at_least_zero and number.is_signed() and number:  # below 0, at a fifth of what comparing with it costs
        raise BadFrame(f"{name}: {number} is below 0")
    return number


def integer_of(said: Mapping[str, Any], name: str) -> int:
    """A whole number, also as text."""
    value = said.get(name)
    if type(value) is int and abs(value) < 10**19:
        return value
    if type(value) is str and _INTEGER.fullmatch(value):
        return int(value)
    raise BadFrame(f"{name}: expected a whole number, found {_shown(value)}")


def milliseconds(value: object, name: str) -> int:
    """A time in ms since the epoch: a whole number of ms, or an ISO date and time without a zone, which is UTC."""
    if type(value) is int and 0 <= value < 10**15:
        return value
    found = _ISO.fullmatch(value) if type(value) is str else None
    if found is None:
        raise BadFrame(f"{name}: expected a time, found {_shown(value)}")
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second <= 60):
        raise BadFrame(f"{name}: {_shown(value)} is no time")
    fraction_ms = int(f"{found[7] or '0':0<3}"[:3])
    return (_days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second) * 1000 + fraction_ms


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of a Gregorian date: years are counted from March, so that a leap day is the last one."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def one_line(text: object, most: int) -> str:
    """What a venue says, fit to be shown: on one line, printable, at most so many characters."""
    words = " ".join(str(text)[: 4 * most].split())
    return "".join(char if char.isprintable() else "?" for char in words)[:most]


def _shown(value: object) -> str:
    """A wrong value, fit to be shown on one line."""
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    text = (
        value if isinstance(value, str) else f"{value:.6g}" if isinstance(value, Decimal) else str(value)[: SHOWN + 1]
    )
    return repr(text[:SHOWN])


def _excerpt(data: bytes) -> str:
    return repr(data[:SHOWN].decode("utf-8", "replace")) if data else "an empty message"
