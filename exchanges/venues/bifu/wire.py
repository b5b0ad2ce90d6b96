"""BiFu's texts: who signed a request, the envelope of an answer, and errors in it. Pure.

From notes on the venue's market-maker variant: a signature covers path and time alone. What they leave open is named
in docs/venues.md.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

from exchanges.types import Refusal
from exchanges.venues.compact import compact
from exchanges.venues.seam import Reply

JSON = "application/json"
WINDOW_MS = 30_000  # around the venue's clock
KEY, STAMP, SIGNATURE = (f"decode-mm-auth-{name}" for name in ("access-key", "timestamp", "signature"))
BATCH_MAX = 20
PAGE_MAX = 100

CODES: Mapping[Refusal, str] = {
    Refusal.POST_ONLY: "ORDER_POST_ONLY_WOULD_TAKE",
    Refusal.MARGIN: "INSUFFICIENT_BALANCE",
    Refusal.REDUCE_ONLY: "ORDER_NOT_REDUCING",
    Refusal.SIZE: "INVALID_SIZE",
    Refusal.PRICE: "INVALID_PRICE",
    Refusal.SELF_TRADE: "SELF_TRADE",
    Refusal.RATE: "TOO_MANY_REQUESTS",
    Refusal.DUPLICATE_ID: "DUPLICATE_CLIENT_ORDER_ID",
    Refusal.NOT_FOUND: "ORDER_NOT_FOUND",
    Refusal.UNSUPPORTED: "INVALID_SYMBOL",
    Refusal.VENUE: "TRADING_PAUSED",
}


class BifuError(Exception):
    """A refusal in the venue's envelope; its errors come with HTTP 200 unless they are about keys or requests."""

    def __init__(self, code: str, message: str, *, status: int = 200) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def envelope(data: object, *, now_ms: int, code: str = "SUCCESS", message: str | None = None) -> dict[str, Any]:
    return {
        "code": code, "data": data, "msg": message, "params": None, "requestTime": str(now_ms),
        "responseTime": str(now_ms), "traceId": f"{now_ms:032x}",
    }  # fmt: skip


def good(data: object, *, now_ms: int) -> Reply:
    return Reply(200, compact(envelope(data, now_ms=now_ms)).encode(), JSON)


def bad(error: BifuError, *, now_ms: int) -> Reply:
    told = envelope(None, now_ms=now_ms, code=error.code, message=error.message)
    return Reply(error.status, compact(told).encode(), JSON)


def plain(value: Decimal) -> str:
    """A decimal as the venue writes it: digits, no exponent."""
    return format(value, "f")


def signer_of(path: str, headers: Mapping[str, str], secrets: Mapping[str, str], *, now_ms: int) -> str:
    """The key that signed this request. Raises: BifuError with HTTP 401; `secrets` are by key."""
    key, stamp, signature = (headers.get(name, "") for name in (KEY, STAMP, SIGNATURE))
    if not key or not stamp or not signature:
        raise BifuError("UNAUTHORIZED", "Decode-MM-Auth headers are missing", status=401)
    secret = secrets.get(key)
    if secret is None:
        raise BifuError("UNAUTHORIZED", "unknown access key", status=401)
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 16 and abs(int(stamp) - now_ms) <= WINDOW_MS):
        raise BifuError("UNAUTHORIZED", f"timestamp outside {WINDOW_MS} ms of {now_ms}", status=401)
    right = hmac.new(secret.encode(), f"{path}|{stamp}".encode(), sha256).hexdigest()
    if not hmac.compare_digest(right.encode(), signature.encode()):
        raise BifuError("UNAUTHORIZED", "invalid signature", status=401)
    return key


def read_query(query: str) -> dict[str, str]:
    return dict(parse_qsl(query, keep_blank_values=True))


def read_object(body: bytes) -> dict[str, Any]:
    """Raises: BifuError."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise BifuError("INVALID_PARAM", "expected a JSON object")
    return value


def ids_of(text: str | None) -> list[str]:
    """A comma-separated list of ids; empty for none."""
    return [part for part in (text or "").split(",") if part]


def count_of(query: Mapping[str, str], name: str, *, default: int, most: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and int(text) <= most):
        raise BifuError("INVALID_PARAM", f"{name}: expected 0 to {most}")
    return int(text)
