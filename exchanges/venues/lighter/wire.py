"""Lighter's texts: transactions read strictly, error codes, tokens. Pure.

From the venue's OpenAPI description and error table (July and August 2026). Of a signature only the form is checked:
verifying it needs the venue's own curve and hash, see docs/venues.md.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from hashlib import sha512
from typing import Any
from urllib.parse import parse_qsl

from exchanges.venues.compact import compact
from exchanges.venues.seam import Reply

CREATE_ORDER, CANCEL_ORDER, CANCEL_ALL, MODIFY_ORDER, UPDATE_LEVERAGE = 14, 15, 16, 17, 20
TX_TYPES = (CREATE_ORDER, CANCEL_ORDER, CANCEL_ALL, MODIFY_ORDER, UPDATE_LEVERAGE)
LIMIT, MARKET = 0, 1
IOC, GOOD_TILL_TIME, POST_ONLY = 0, 1, 2
CLIENT_INDEX_MAX = (1 << 48) - 1
FIRST_ORDER_INDEX = 1 << 48  # the range tells a client's index from the venue's
BASE_MAX, PRICE_MAX = (1 << 48) - 1, (1 << 32) - 1
SIGNATURE_BYTES = 80
BATCH_MAX = 50
MINUTE_MS = 60_000
EXPIRY_MS = range(5 * MINUTE_MS, 30 * 24 * 60 * MINUTE_MS + 1)
TOKEN_MAX_S = 8 * 3600
SKIP_NONCE, CANCEL_ALL_MARKET, SELF_TRADE, SELF_TRADE_EQUALITY = "4", "5", "6", "7"

MESSAGES: Mapping[int, str] = {
    20001: "invalid param",
    21100: "account not found",
    21104: "invalid nonce",
    21105: "batch transaction nonce is not increasing",
    21109: "api key not found",
    21120: "invalid signature",
    21500: "transaction not found",
    21501: "invalid tx info",
    21505: "unsupported tx type",
    21513: "TxInfos and TxTypes should have the same length",
    21514: "maximum 50 transactions allowed per batch",
    21600: "given order is not an active limit order",
    21602: "invalid market index",
    21605: "invalid market status",
    21701: "invalid base amount",
    21702: "invalid price",
    21703: "invalid isAsk",
    21704: "invalid OrderType",
    21705: "invalid OrderTimeInForce",
    21706: "invalid order base or quote amount",
    21710: "unsupported order type",
    21711: "invalid expiry",
    21713: "invalid cancel all time in force",
    21714: "invalid cancel all time",
    21727: "invalid client order index",
    21728: "client order index already exists",
    21732: "reduce only increases position",
    21739: "not enough margin to create the order",
    23000: "Too Many Requests!",
    29404: "not found",
    29500: "internal server error",
    30000: "Invalid Json",
    30001: "Invalid Type",
    30002: "Not Subscribed to ",
    30003: "Already Subscribed to ",
    30005: "Invalid Channel",
    30009: "Too Many Websocket Messages!",
}


class LighterError(Exception):
    """A refusal by its number."""

    def __init__(self, code: int, detail: str = "", *, status: int = 400) -> None:
        self.code = code
        self.message = MESSAGES[code] + (f" : {detail}" if detail else "")
        self.status = status
        super().__init__(self.message)

    def reply(self) -> Reply:
        return json_reply({"code": self.code, "message": self.message}, status=self.status)


def json_reply(value: object, *, status: int = 200) -> Reply:
    return Reply(status, compact(value).encode())


@dataclass(frozen=True, slots=True)
class Tx:
    """One transaction as it was sent. `hash` is ours: the venue's needs its own hash function."""

    type: int
    account: int
    api_key: int
    nonce: int
    info: Mapping[str, Any]
    text: str

    @property
    def hash(self) -> str:
        return sha512(f"{self.type}/{self.text}".encode()).hexdigest()[:80]

    @property
    def skips_nonce(self) -> bool:
        return attribute(self.info, SKIP_NONCE) == 1


def read_form(body: bytes, content_type: str) -> dict[str, str]:
    """Fields of an urlencoded or a multipart body; clients send both."""
    if not content_type.startswith("multipart/form-data"):
        try:
            return dict(parse_qsl(body.decode(), keep_blank_values=True))
        except ValueError:
            raise LighterError(20001, "body") from None
    sent = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    parts = [part for part in sent.walk() if not part.is_multipart()]
    return {str(part.get_param("name", header="content-disposition")): _text_of(part) for part in parts}


def _text_of(part: Message) -> str:
    payload = part.get_payload(decode=True)
    return payload.decode(errors="replace") if isinstance(payload, bytes) else ""


def read_tx(tx_type: object, tx_info: object, *, now_ms: int) -> Tx:
    """A transaction whose form is right. Raises: LighterError."""
    if not isinstance(tx_type, int) or tx_type not in TX_TYPES:
        raise LighterError(21505)
    text = tx_info if isinstance(tx_info, str) else compact(tx_info)
    try:
        info = json.loads(text)
    except (ValueError, RecursionError):
        raise LighterError(21501) from None
    if not isinstance(info, dict):
        raise LighterError(21501)
    account, api_key, nonce, expired_at = (
        whole(info, name) for name in ("AccountIndex", "ApiKeyIndex", "Nonce", "ExpiredAt")
    )
    check_signature(info.get("Sig"))
    if expired_at <= now_ms:
        raise LighterError(21711)
    return Tx(tx_type, account, api_key, nonce, info, text)


def whole(info: Mapping[str, Any], name: str, *, most: int = 1 << 63, code: int = 21501) -> int:
    value = info.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise LighterError(code)
    return value


def attribute(info: Mapping[str, Any], name: str, *, default: int = 0) -> int:
    """The default where it is not set."""
    attributes = info.get("L2TxAttributes")
    value = attributes.get(name, default) if isinstance(attributes, dict) else default
    if not isinstance(value, int):
        raise LighterError(21501)
    return value


def check_signature(signature: object) -> None:
    try:
        raw = base64.b64decode(signature if isinstance(signature, str) else "", validate=True)
    except (binascii.Error, ValueError):
        raise LighterError(21120) from None
    if len(raw) != SIGNATURE_BYTES or not any(raw):
        raise LighterError(21120)


def read_token(token: str, *, now_ms: int) -> tuple[int, int]:
    """Account and key index of an auth token that is not over. Raises: LighterError."""
    parts = token.split(":")
    fits = len(parts) == 4 and all(part.isascii() and part.isdigit() for part in parts[:3])
    if not fits or len(parts[3]) != 2 * SIGNATURE_BYTES or any(c not in "0123456789abcdef" for c in parts[3].lower()):
        raise LighterError(20001, "auth")
    left_s = int(parts[0]) - now_ms // 1000
    if not 0 < left_s <= TOKEN_MAX_S:
        raise LighterError(20001, "auth: expired" if left_s <= 0 else "auth: valid for longer than 8 hours")
    return int(parts[1]), int(parts[2])
