"""OKX's texts: envelopes, requests read strictly, codes, and what a signature covers. Pure.

From the venue's v5 documentation (mirrored July 2026). What that leaves open is named in docs/venues.md.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

from exchanges.types import Refusal
from exchanges.venues.compact import compact
from exchanges.venues.iso import zulu_ms
from exchanges.venues.seam import Reply

CLOCK_MS = 30_000  # how far a request's timestamp may be from the venue's clock
LOGIN_TEXT = "GET/users/self/verify"

REFUSALS: Mapping[Refusal, tuple[str, str]] = {
    Refusal.MARGIN: ("51008", "Order failed. Insufficient balance or margin"),
    Refusal.REDUCE_ONLY: ("51112", "Close order size exceeds your available size"),
    Refusal.SIZE: ("51121", "Order quantity must be a multiple of the lot size"),
    Refusal.PRICE: ("51000", "Parameter px error"),
    Refusal.POST_ONLY: ("51000", "Parameter ordType error"),  # by a fault only: else it is taken and cancelled at once
    Refusal.SELF_TRADE: ("51000", "Parameter stpMode error"),
    Refusal.RATE: ("50061", "You've reached the maximum order rate limit for this account"),
    Refusal.DUPLICATE_ID: ("51016", "Duplicated client order ID"),
    Refusal.UNSUPPORTED: ("51001", "Instrument ID does not exist"),
    Refusal.VENUE: ("51009", "Order placement function is blocked by the platform"),
}


class ApiError(Exception):
    """A refusal of a whole request, or of one order of it, in the venue's own code and words."""

    def __init__(self, code: str, message: str, *, status: int = 200) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    def reply(self) -> Reply:
        return envelope((), code=self.code, message=self.message, status=self.status)


@dataclass(frozen=True, slots=True)
class Key:
    """What a client signs with, and whose it is."""

    account: str
    secret: str
    passphrase: str


def envelope(data: Sequence[object], *, code: str = "0", message: str = "", status: int = 200, **more: str) -> Reply:
    return Reply(status, compact({"code": code, "msg": message, "data": list(data), **more}).encode())


def plain(value: Decimal) -> str:
    """A decimal as the venue writes it: digits, no exponent, no zeros behind the last figure."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


# -- bodies and queries: an empty text counts as absent -----------------------------------------------------------


def read_query(query: str) -> dict[str, str]:
    return {name: value for name, value in parse_qsl(query, keep_blank_values=True) if value}


def read_json(text: str | bytes) -> Any:
    """Raises: ApiError."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ApiError("50002", "Incorrect json data format", status=400) from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def fields_of(value: object) -> dict[str, Any]:
    """The fields of an object that are set. Raises: ApiError."""
    if not isinstance(value, dict):
        raise ApiError("50002", "Incorrect json data format", status=400)
    return {name: one for name, one in value.items() if one != "" and one is not None}


def text_of(fields: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """A text, or a number as its digits. Raises: ApiError."""
    value = fields.get(name, default)
    if value is None:
        raise ApiError("50014", f"Parameter {name} can not be empty")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ApiError("51000", f"Parameter {name} error")
    return str(value)


def choice_of(fields: Mapping[str, Any], name: str, allowed: Sequence[str], default: str | None = None) -> str:
    value = text_of(fields, name, default)
    if value not in allowed:
        raise ApiError("51000", f"Parameter {name} error")
    return value


def flag_of(fields: Mapping[str, Any], name: str) -> bool:
    """A Boolean; clients send it as a text, too. Raises: ApiError."""
    value = fields.get(name, False)
    if value in ("true", "false"):
        return bool(value == "true")
    if not isinstance(value, bool):
        raise ApiError("51000", f"Parameter {name} error")
    return value


def decimal_of(fields: Mapping[str, Any], name: str) -> Decimal:
    """A decimal above zero, as a text; a whole number is taken, too. Raises: ApiError."""
    text = text_of(fields, name)
    if not text.isascii() or not text.replace(".", "", 1).isdigit() or len(text) > 40 or not Decimal(text):
        raise ApiError("51000", f"Parameter {name} error")
    return Decimal(text)


def count_of(query: Mapping[str, str], name: str, *, default: int, most: int) -> int:
    """A whole number of a query. Raises: ApiError."""
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20) or int(text) > most:
        raise ApiError("51000", f"Parameter {name} error")
    return int(text)


# -- signatures --------------------------------------------------------------------------------------------------


def signature(secret: str, text: str) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), text.encode("latin-1", "replace"), sha256)).decode()


def check_headers(
    headers: Mapping[str, str], keys: Mapping[str, Key], *, method: str, target: str, body: bytes, now_ms: int
) -> Key:
    """The key that has signed a request. Raises: ApiError."""
    told = {}
    for name, code in (("key", "50103"), ("passphrase", "50104"), ("sign", "50106"), ("timestamp", "50107")):
        told[name] = headers.get(f"ok-access-{name}", "")
        if not told[name]:
            raise ApiError(code, f'Request header "OK-ACCESS-{name.upper()}" can not be empty', status=401)
    at_ms = zulu_ms(told["timestamp"])
    if at_ms is None:
        raise ApiError("50112", "Invalid OK-ACCESS-TIMESTAMP", status=401)
    if abs(at_ms - now_ms) > CLOCK_MS:
        raise ApiError("50102", "Timestamp request expired", status=401)
    key = keys.get(told["key"])
    if key is None:
        raise ApiError("50111", "Invalid OK-ACCESS-KEY", status=401)
    if key.passphrase != told["passphrase"]:
        raise ApiError("50105", 'Request header "OK-ACCESS-PASSPHRASE" incorrect', status=401)
    signed = told["timestamp"] + method + target + body.decode("latin-1")
    if not hmac.compare_digest(told["sign"].encode(), signature(key.secret, signed).encode()):
        raise ApiError("50113", "Invalid Sign", status=401)
    return key


def check_login(fields: Mapping[str, Any], keys: Mapping[str, Key], *, now_ms: int) -> Key:
    """The key of a login on a stream; its timestamp is in seconds, as a text or a number. Raises: ApiError."""
    stamp = str(fields.get("timestamp", ""))
    if not stamp.isascii() or not stamp.replace(".", "", 1).isdigit() or len(stamp) > 20:
        raise ApiError("60004", "Invalid timestamp")
    if abs(int(Decimal(stamp) * 1000) - now_ms) > CLOCK_MS:
        raise ApiError("60006", "Timestamp request expired")
    key = keys.get(str(fields.get("apiKey", "")))
    if key is None:
        raise ApiError("60005", "Invalid apiKey")
    if key.passphrase != fields.get("passphrase"):
        raise ApiError("60024", "Wrong passphrase")
    expected = signature(key.secret, stamp + LOGIN_TEXT)
    if not hmac.compare_digest(str(fields.get("sign", "")).encode(), expected.encode()):
        raise ApiError("60007", "Invalid sign")
    return key
