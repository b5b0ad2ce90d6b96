"""Binance's texts: requests read strictly, errors, and how a signature is made of a request. Pure.

From the venue's API documents (July 2026). What they leave open is named in docs/venues.md.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from exchanges.types import MarketKind, Refusal
from exchanges.venues.compact import compact
from exchanges.venues.seam import Reply

JSON = "application/json;charset=UTF-8"
WINDOW_MS = 5_000  # where a request names none
WINDOW_MAX_MS = 60_000
AHEAD_MS = 1_000  # how far a client's clock may be ahead
CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
DECIMAL = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?")

Fields = Mapping[str, str]  # of a request: every value as it was written

_SPOT, _PERP = MarketKind.SPOT, MarketKind.PERP
REFUSALS: Mapping[tuple[MarketKind, Refusal], tuple[int, str]] = {
    (_SPOT, Refusal.POST_ONLY): (-2010, "Order would immediately match and take."),
    (_SPOT, Refusal.MARGIN): (-2010, "Account has insufficient balance for requested action."),
    (_SPOT, Refusal.DUPLICATE_ID): (-2010, "Duplicate order sent."),
    (_SPOT, Refusal.VENUE): (-2010, "Market is closed."),
    (_SPOT, Refusal.REDUCE_ONLY): (-2010, "This action is disabled on this account."),
    (_SPOT, Refusal.SIZE): (-1013, "Filter failure: LOT_SIZE"),
    (_SPOT, Refusal.PRICE): (-1013, "Filter failure: PRICE_FILTER"),
    (_PERP, Refusal.POST_ONLY): (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected.",
    ),
    (_PERP, Refusal.MARGIN): (-2019, "Margin is insufficient."),
    (_PERP, Refusal.DUPLICATE_ID): (-4116, "ClientOrderId is duplicated."),
    (_PERP, Refusal.VENUE): (-4108, "Symbol is on delivering or delivered or settling or closed or pre-trading."),
    (_PERP, Refusal.REDUCE_ONLY): (-2022, "ReduceOnly Order is rejected."),
    (_PERP, Refusal.SIZE): (-4023, "Qty not increased by step size."),
    (_PERP, Refusal.PRICE): (-4014, "Price not increased by tick size."),
}
TOO_SMALL: Mapping[MarketKind, tuple[int, str]] = {
    _SPOT: (-1013, "Filter failure: LOT_SIZE"),
    _PERP: (-4004, "Quantity less than min quantity."),
}
TOO_CHEAP: Mapping[MarketKind, tuple[int, str]] = {
    _SPOT: (-1013, "Filter failure: NOTIONAL"),
    _PERP: (-4164, "Order's notional must be no smaller than 5.0 (unless you choose reduce only)"),
}


class ApiError(Exception):
    """A refusal in the venue's own words. `retry_ns` is how long the client is to wait, where the venue says so."""

    def __init__(self, status: int, code: int, message: str, *, retry_ns: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_ns = retry_ns

    def reply(self) -> Reply:
        headers = (("Retry-After", str(-(-self.retry_ns // 1_000_000_000))),) if self.retry_ns else ()
        body = compact({"code": self.code, "msg": self.message}).encode()
        return Reply(self.status, body, JSON, headers)


def wrong(code: int, message: str) -> ApiError:
    return ApiError(400, code, message)


def malformed(name: str) -> ApiError:
    return wrong(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def json_reply(value: object) -> Reply:
    return Reply(200, compact(value).encode(), JSON)


def plain(value: Decimal) -> str:
    """A decimal as the venue writes it: digits, no exponent."""
    return format(value, "f")


# -- fields ------------------------------------------------------------------------------------------------------


class Digits(str):
    """A JSON number, as it was written: signatures cover the text."""

    __slots__ = ()


def read_form(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True))


def read_json(text: str) -> Any:
    """Raises: ApiError."""
    try:
        return json.loads(text, parse_int=Digits, parse_float=Digits)
    except (ValueError, RecursionError):
        raise wrong(-1135, "Invalid JSON Request") from None


def read_params(value: object) -> dict[str, str]:
    """The params of a WebSocket API request as texts. Raises: ApiError for a value that has no such form."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong(-1135, "Invalid JSON Request: params must be an object")
    shown: dict[str, str] = {}
    for name, it in value.items():
        if isinstance(it, bool):
            shown[name] = "true" if it else "false"
        elif isinstance(it, str):
            shown[name] = str(it)
        elif it is not None:
            shown[name] = compact(it)
    return shown


def text_of(fields: Fields, name: str) -> str:
    """A mandatory text. Raises: ApiError."""
    value = fields.get(name, "")
    if not value:
        raise malformed(name)
    return value


def choice_of(fields: Fields, name: str, allowed: Iterable[str], *, code: int) -> str:
    value = text_of(fields, name)
    if value not in allowed:
        raise wrong(code, f"Invalid {name}.")
    return value


def decimal_of(fields: Fields, name: str) -> Decimal | None:
    """An optional decimal above or equal to 0. Raises: ApiError."""
    value = fields.get(name)
    if value is None:
        return None
    if not DECIMAL.fullmatch(value):
        raise wrong(
            -1100,
            f"Illegal characters found in parameter '{name}'; legal range is '^([0-9]{{1,20}})(\\.[0-9]{{1,20}})?$'.",
        )
    return Decimal(value)


def integer_of(fields: Fields, name: str, *, default: int | None = None) -> int | None:
    """An optional whole number. Raises: ApiError."""
    value = fields.get(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise wrong(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
    return int(value)


def flag_of(fields: Fields, name: str) -> bool:
    value = fields.get(name, "false")
    if value.lower() not in ("true", "false"):
        raise wrong(-1130, f"Data sent for parameter '{name}' is not valid.")
    return value.lower() == "true"


# -- signatures --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Key:
    """An API key of an account: the secret of an HMAC key, or the public half of an Ed25519 key."""

    account: str
    secret: str = ""
    public: bytes = b""

    def verifies(self, payload: str, signature: str) -> bool:
        if self.secret:
            made = hmac.new(self.secret.encode(), payload.encode(), "sha256").hexdigest()
            return hmac.compare_digest(made.encode(), signature.lower().encode())
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(
                base64.b64decode(signature, validate=True), payload.encode()
            )
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


def check_form_signature(key: Key, total: str, signature: str) -> None:
    """Of a REST request: `total` is the query followed by the body; the signature comes last. Raises: ApiError."""
    payload, found, rest = total.rpartition("&signature=")
    if not found or "&" in rest or not key.verifies(payload, signature):
        raise wrong(-1022, "Signature for this request is not valid.")


def check_params_signature(key: Key, params: Fields) -> None:
    """Of a WebSocket API request: all params but the signature, sorted by name. Raises: ApiError."""
    payload = "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature")
    if not key.verifies(payload, params.get("signature", "")):
        raise wrong(-1022, "Signature for this request is not valid.")


def check_time(fields: Fields, *, now_ms: int) -> None:
    """Raises: ApiError if the request is not valid now."""
    at_ms = integer_of(fields, "timestamp")
    if at_ms is None:
        raise malformed("timestamp")
    window = fields.get("recvWindow", str(WINDOW_MS))
    if not DECIMAL.fullmatch(window) or Decimal(window) > WINDOW_MAX_MS:
        raise wrong(-1131, f"recvWindow must be less than {WINDOW_MAX_MS}")
    if at_ms >= now_ms + AHEAD_MS:
        raise wrong(-1021, f"Timestamp for this request was {AHEAD_MS}ms ahead of the server's time.")
    if now_ms - at_ms > Decimal(window):
        raise wrong(-1021, "Timestamp for this request is outside of the recvWindow.")
