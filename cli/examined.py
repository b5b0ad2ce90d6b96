"""What `eagle doctor` tells of one thing that it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Health(Enum):
    OK = "ok"
    WARNING = "warning"  # works, but not as well or as safely as it should
    FAILED = "failed"  # will not work, or must not be relied on


@dataclass(frozen=True, slots=True)
class Examined:
    check: str
    health: Health
    found: str
    advice: str = ""  # what to do; empty if nothing


def ok(check: str, found: str) -> Examined:
    return Examined(check, Health.OK, found)


def warning(check: str, found: str, advice: str) -> Examined:
    return Examined(check, Health.WARNING, found, advice)


def failed(check: str, found: str, advice: str) -> Examined:
    return Examined(check, Health.FAILED, found, advice)
