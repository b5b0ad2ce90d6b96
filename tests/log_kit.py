"""Reads the lines of a log back, as docs/operations.md tells how."""

from __future__ import annotations

import json
import re
from pathlib import Path

_PAIR = re.compile(r'([a-z][a-z0-9_]*)=("(?:[^"\\]|\\.)*"|[^\s"]+)(?: |$)')


def parsed(line: str) -> dict[str, str]:
    """The pairs of one line. Raises: ValueError for anything else."""
    fields: dict[str, str] = {}
    at = 0
    while at < len(line):
        found = _PAIR.match(line, at)
        if found is None or found[1] in fields:
            raise ValueError(f"no pair at {at}: {line!r}")
        fields[found[1]] = json.loads(found[2]) if found[2].startswith('"') else found[2]
        at = found.end()
    return fields


def read_log(path: Path) -> list[dict[str, str]]:
    return [parsed(line) for line in path.read_text(encoding="utf-8").splitlines()]
