"""Venue times as text. Reads no clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def naive_iso(at_ms: int) -> str:
    """UTC without a zone and with milliseconds, for example 2026-01-02T03:04:05.678."""
    return (_EPOCH + timedelta(milliseconds=at_ms)).replace(tzinfo=None).isoformat(timespec="milliseconds")


def zulu_ms(text: str) -> int | None:
    """The time of a text such as 2026-01-02T03:04:05.678Z, in ms since the epoch; None for any other text."""
    try:
        at = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")
    except ValueError:
        return None
    return (at - _EPOCH) // timedelta(milliseconds=1) if text.endswith("Z") else None
