"""One line of a log: `key=value` pairs that can be read back exactly, whatever a venue puts into its texts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum

from engine.runtime.secrets import redacted

Value = str | int | Decimal | Enum | None

_BARE = re.compile(r"[A-Za-z0-9_.:/+@%,*-]+")
# What would end the line for some reader, move the cursor of a terminal or turn the text around on it.
_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def line(fields: Mapping[str, Value]) -> str:
    """`fields` in their order, those that are None left out; texts are quoted like JSON where they need it.

    Every loaded secret is starred out.
    """
    return " ".join([f"{key}={_shown(value)}" for key, value in fields.items() if value is not None])


def iso(wall_ms: int) -> str:
    """Wall time as people and tools read it, in UTC: 2026-01-31T12:00:00.123Z."""
    second = datetime.fromtimestamp(wall_ms // 1000, UTC)
    return f"{second:%Y-%m-%dT%H:%M:%S}.{wall_ms % 1000:03}Z"


def _shown(value: Value) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, int):
        return str(int(value))
    text = redacted(str(value))
    return text if _BARE.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))
