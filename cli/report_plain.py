"""A report for scripts: JSON with its structure, CSV with one figure a line. Decimals are text, times nanoseconds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from cli.words import plain
from engine.review.report_figures import Report

__all__ = ["as_csv", "as_json"]


def as_json(report: Report) -> str:
    return json.dumps(_values(report), indent=2, ensure_ascii=False)


def as_csv(report: Report) -> str:
    """`figure,value`, the figure by its path in the JSON; entries of a list go by the name of what they are about."""
    rows = (f"{name},{_cell(value)}" for name, value in _flat("", _values(report)))
    return "\n".join(["figure,value", *rows])


def _values(report: Report) -> dict[str, Any]:
    values = asdict(report)
    values["money"]["rest"] = report.money.rest
    for account, row in zip(report.accounts, values["accounts"], strict=True):
        row["money"]["rest"] = account.money.rest
    values["venue"]["unexplained"] = report.venue.unexplained
    values["alerts"] = dict(report.alerts)
    told: dict[str, Any] = _plain(values)
    return told


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _flat(f"{name}.{key}" if name else key, part)
    elif isinstance(value, list):
        for place, part in enumerate(value):
            about = next(iter(part.values())) if isinstance(part, dict) else place
            yield from _flat(f"{name}.{about}", part)
    else:
        yield name, value


def _cell(value: Any) -> str:
    """A comma or quote in a text is quoted as in RFC 4180; nothing for null."""
    text = "" if value is None else str(value)
    quoted = text.replace('"', '""')
    return f'"{quoted}"' if any(sign in text for sign in ',"\n') else text
