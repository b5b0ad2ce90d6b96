"""How long a delay or an invoked action takes with the settings' defaults. Unknown (None) where there is no default."""

from __future__ import annotations

from collections.abc import Mapping

from engine.chart.model import Delay, Invoke, Setting

__all__ = ["attempt_ns", "delay_range", "duration_text", "longest_ns"]

UNITS = (("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000))


def delay_range(delay: Delay, settings: Mapping[str, Setting]) -> tuple[int, int] | None:
    """Shortest and longest time in ns."""
    if delay.literal is not None:
        return delay.literal
    default = settings[delay.setting].default if delay.setting is not None else None
    match default:
        case (int() as low, int() as high):
            return low, high
        case int() as fixed:
            return fixed, fixed
    return None


def attempt_ns(invoke: Invoke, settings: Mapping[str, Setting]) -> int | None:
    """One try, until its timeout."""
    return _number(invoke.timeout, settings)


def longest_ns(invoke: Invoke, settings: Mapping[str, Setting]) -> int | None:
    """All tries and the waits between them."""
    timeout, retries = attempt_ns(invoke, settings), _number(invoke.retries, settings)
    wait = 0 if invoke.retry_wait is None else _number(invoke.retry_wait, settings)
    if timeout is None or retries is None or wait is None:
        return None
    return timeout + retries * (wait + timeout)


def duration_text(ns: int) -> str:
    """As a flow would write it: `1m30s`, `250ms`."""
    parts = []
    for unit, size in UNITS:
        count, ns = divmod(ns, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0ms"


def _number(value: str | int, settings: Mapping[str, Setting]) -> int | None:
    if isinstance(value, int):
        return value
    default = settings[value].default
    return default if isinstance(default, int) else None
