"""What the scripts of all peers share: where the venue is, and how a check is told. Standard library only."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Venue:
    """A local venue as `peers/run.py` has started it; `accounts` gives each account's secrets by field."""

    url: str
    ws_url: str
    symbol: str
    accounts: dict[str, dict[str, str]]


class Checks:
    """Prints one line for each check, `pass` or `FAIL`, as JSON; `exit` leaves with 1 if one has failed."""

    def __init__(self, package: str) -> None:
        self.venue = Venue(**json.loads(Path(sys.argv[1]).read_text()))
        self._failed = 0
        print(json.dumps({"package": package, "version": version(package)}), flush=True)

    def check(self, what: str, holds: bool, seen: Any = "") -> None:
        self._failed += not holds
        print(json.dumps({"check": what, "holds": bool(holds), "seen": "" if holds else str(seen)[:500]}), flush=True)

    def equal(self, what: str, found: Any, expected: Any) -> None:
        self.check(what, found == expected, f"found {found!r}, expected {expected!r}")

    def exit(self) -> None:
        sys.exit(1 if self._failed else 0)
