"""Backpack's texts: requests read strictly, errors, and how a signature is made of a request. Pure.

From the venue's OpenAPI description (snapshot of August 2026). What that leaves open is named in docs/venues.md.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from hashlib import blake2b
from typing import Any
from urllib.parse import parse_qsl, unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from exchanges.types import Refusal
from exchanges.venues.compact import compact
from exchanges.venues.seam import Reply

JSON = "application/json; charset=utf-8"
WINDOW_MS = 5_000  # signed also when the header is absent
WINDOW_MAX_MS = 60_000
AHEAD_MS = 1_000  # assumed: how far a client's clock may be ahead
UINT32_MAX = (1 << 32) - 1

INSTRUCTIONS: Mapping[tuple[str, str], str] = {
    ("POST", "/api/v1/order"): "orderExecute",
    ("POST", "/api/v1/orders"): "orderExecute",
    ("DELETE", "/api/v1/order"): "orderCancel",
    ("DELETE", "/api/v1/orders"): "orderCancelAll",
    ("GET", "/api/v1/order"): "orderQuery",
    ("GET", "/api/v1/orders"): "orderQueryAll",
    ("GET", "/api/v1/position"): "positionQuery",
    ("GET", "/api/v1/capital"): "balanceQuery",
    ("GET", "/api/v1/capital/collateral"): "collateralQuery",
    ("GET", "/api/v1/account"): "accountQuery",
    ("GET", "/api/v1/account/limits/order"): "maxOrderQuantity",
    ("GET", "/wapi/v1/history/fills"): "fillHistoryQueryAll",
    ("GET", "/wapi/v1/history/orders"): "orderHistoryQueryAll",
    ("GET", "/wapi/v1/history/funding"): "fundingHistoryQueryAll",
}

REFUSALS: Mapping[Refusal, tuple[int, str]] = {
    Refusal.POST_ONLY: (400, "INVALID_ORDER"),
    Refusal.MARGIN: (400, "INSUFFICIENT_MARGIN"),
    Refusal.REDUCE_ONLY: (400, "INVALID_ORDER"),
    Refusal.SIZE: (400, "INVALID_QUANTITY"),
    Refusal.PRICE: (400, "INVALID_PRICE"),
    Refusal.SELF_TRADE: (400, "INVALID_ORDER"),
    Refusal.RATE: (429, "TOO_MANY_REQUESTS"),
    Refusal.DUPLICATE_ID: (400, "INVALID_CLIENT_REQUEST"),
    Refusal.NOT_FOUND: (404, "RESOURCE_NOT_FOUND"),
    Refusal.UNSUPPORTED: (400, "INVALID_SYMBOL"),
    Refusal.VENUE: (400, "TRADING_PAUSED"),
}
TEXTS: Mapping[Refusal, str] = {
    Refusal.POST_ONLY: "Order would immediately match and take",
    Refusal.REDUCE_ONLY: "Reduce only order not reduced",
}


class ApiError(Exception):
    """A refusal in the venue's own words."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def reply(self) -> Reply:
        return json_reply({"code": self.code, "message": self.message}, status=self.status)


class PayloadError(ApiError):
    """A body that cannot be read; told as plain text, as third parties saw it."""

    def __init__(self, why: str) -> None:
        super().__init__(400, "INVALID_CLIENT_REQUEST", f"Bad Request parse request payload error: {why}")

    def reply(self) -> Reply:
        return Reply(400, self.message.encode(), "text/plain; charset=utf-8")


class Digits(str):
    """A JSON number, as it was written: signatures cover the text."""

    __slots__ = ()


def json_reply(value: object, *, status: int = 200) -> Reply:
    return Reply(status, compact(value).encode(), JSON)


def plain(value: Decimal) -> str:
    """A decimal as the venue writes it: digits, no exponent."""
    return format(value, "f")


# -- bodies and queries ------------------------------------------------------------------------------------------


def read_body(body: bytes) -> Any:
    """The JSON value of a body, numbers as `Digits`. Raises: PayloadError."""
    try:
        return json.loads(body, parse_int=Digits, parse_float=Digits, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise PayloadError(str(error)) from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def object_of(sent: Any) -> dict[str, Any]:
    if not isinstance(sent, dict):
        raise PayloadError("expected an object")
    return sent


def read_query(query: str) -> dict[str, str]:
    return dict(parse_qsl(query, keep_blank_values=True)) if query else {}


def text_of(fields: Mapping[str, Any], name: str) -> str | None:
    """An optional string. Raises: PayloadError for a value of another type."""
    value = fields.get(name)
    if value is None:
        return None
    if type(value) is not str:  # `Digits` are a number
        raise PayloadError(f"field `{name}`: expected a string")
    return value


def choice_of(fields: Mapping[str, Any], name: str, allowed: Iterable[str]) -> str | None:
    value = text_of(fields, name)
    if value is not None and value not in allowed:
        raise PayloadError(f"field `{name}`: unknown variant `{value}`")
    return value


def flag_of(fields: Mapping[str, Any], name: str) -> bool:
    value = fields.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise PayloadError(f"field `{name}`: expected a boolean")
    return value


def decimal_of(fields: Mapping[str, Any], name: str, code: str) -> Decimal | None:
    """An optional positive decimal, which must be a JSON string. Raises: PayloadError, ApiError with `code`."""
    value = text_of(fields, name)
    if value is None:
        return None
    if not value.isascii() or not value.replace(".", "", 1).isdigit() or len(value) > 40:
        raise PayloadError(f"field `{name}`: invalid decimal `{value[:40]}`")
    number = Decimal(value)
    if number <= 0:
        raise ApiError(400, code, f"{name} must be above zero")
    return number


def uint32_of(fields: Mapping[str, Any], name: str) -> str | None:
    """An optional uint32, as its digits; a JSON string of digits is taken as well, as cancels of bpx-py send it."""
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not (value.isascii() and value.isdigit()) or int(value) > UINT32_MAX:
        raise PayloadError(f"field `{name}`: expected a number from 0 to {UINT32_MAX}")
    return str(int(value))


def count_of(query: Mapping[str, str], name: str, *, default: int, most: int) -> int:
    """An optional whole number of a query. Raises: ApiError."""
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or int(text) > most:
        raise ApiError(400, "INVALID_CLIENT_REQUEST", f"{name} must be a number up to {most}")
    return int(text)


# -- signatures --------------------------------------------------------------------------------------------------


def signed_pairs(fields: Mapping[str, Any]) -> str:
    """`k=v` of each field that is set, sorted by key, values verbatim."""
    return "&".join([f"{name}={_verbatim(fields[name])}" for name in sorted(fields) if fields[name] is not None])


def _verbatim(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return compact(value)


def signed_texts(instruction: str, *, query: str, sent: Any, timestamp: str, window: str) -> list[str]:
    """Every text that a valid signature of this request may cover; `sent` is what its body says, None without one.

    More than one where clients differ: query values as they stand in the URL or decoded.
    """
    tail = f"&timestamp={timestamp}&window={window}"
    head = f"instruction={instruction}"
    if sent is not None:
        items = sent if isinstance(sent, list) else [sent]
        if not all(isinstance(item, dict) for item in items):
            raise PayloadError("expected an object, or a list of objects")
        return ["&".join([_joined(head, signed_pairs(item)) for item in items or [{}]]) + tail]
    if not query:
        return [head + tail]
    raw = [pair.partition("=") for pair in query.split("&") if pair]
    ways = [[(name, value) for name, _, value in raw]]
    if "%" in query:
        ways.append([(unquote(name), unquote(value)) for name, _, value in raw])
    texts = ["&".join([f"{name}={value}" for name, value in sorted(pairs)]) for pairs in ways]
    return list(dict.fromkeys([_joined(head, text) + tail for text in texts]))


def _joined(head: str, pairs: str) -> str:
    return f"{head}&{pairs}" if pairs else head


def check_window(timestamp: str, window: str, *, now_ms: int) -> None:
    """Raises: ApiError if the request is not valid now."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 18):
        raise ApiError(400, "INVALID_CLIENT_REQUEST", "Invalid timestamp")
    if not (window.isascii() and window.isdigit()) or int(window) > WINDOW_MAX_MS:
        raise ApiError(400, "INVALID_CLIENT_REQUEST", f"Invalid window, the maximum is {WINDOW_MAX_MS}")
    if now_ms > int(timestamp) + int(window):
        raise ApiError(400, "INVALID_CLIENT_REQUEST", "Request has expired")
    if int(timestamp) > now_ms + AHEAD_MS:
        raise ApiError(400, "INVALID_CLIENT_REQUEST", "Timestamp is in the future")


def verifies(key: str, signature: str, texts: Iterable[str]) -> bool:
    """Whether the base64 `signature` by the base64 verifying `key` covers one of these texts."""
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True))
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    return any(_verifies(public, raw, text.encode()) for text in texts)


def _verifies(public: Ed25519PublicKey, signature: bytes, text: bytes) -> bool:
    try:
        public.verify(signature, text)
    except InvalidSignature:
        return False
    return True


def stands_in(key: str, signature: str, texts: Iterable[str]) -> bool:
    """As `verifies`, of what a simulation signs with: a hash of the text, keyed with the verifying key."""
    return any(signature == _stand_in(key, text) for text in texts)


def _stand_in(key: str, text: str) -> str:
    return binascii.b2a_base64(blake2b(text.encode(), key=key.encode()).digest(), newline=False).decode()
