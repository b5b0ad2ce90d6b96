"""How long exposure may stay open after a single fault, by what the fault is; and how long the way home may take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["HOME_NS", "LIMITS", "Alone", "Limit", "limit_of", "over", "percentile"]

S = 1_000_000_000
HOME_NS = 30 * S  # asked to stop, with all faults off: flat and idle within this


@dataclass(frozen=True, slots=True)
class Alone:
    """A run in which one fault acted, once: the longest exposure of it."""

    fault: str
    took_ns: int  # how long the fault lasted
    exposed_ns: int


@dataclass(frozen=True, slots=True)
class Limit:
    """What runs with one of these faults are measured by; `beyond` its own length, where nobody can hedge meanwhile."""

    about: str
    faults: tuple[str, ...]
    most_ns: int
    p99_ns: int = 0  # 0: not asked
    beyond: bool = False

    def counted_ns(self, it: Alone) -> int:
        return max(0, it.exposed_ns - it.took_ns) if self.beyond else it.exposed_ns


LIMITS = (
    Limit(
        "the venue is away, lets nobody in, or the machine sleeps: beyond the fault's length",
        ("maintenance", "rate_limited", "keys_refused", "suspended"), most_ns=2 * S, beyond=True,
    ),
    Limit("an order stays pending", ("stuck_pending",), most_ns=9 * S),
    Limit("the process dies, and is started again", ("killed",), most_ns=8 * S, p99_ns=5 * S),
    Limit("any other fault", (), most_ns=6 * S, p99_ns=4 * S),
)  # fmt: skip


def limit_of(fault: str) -> Limit:
    return next((it for it in LIMITS if fault in it.faults), LIMITS[-1])


def percentile(values: Sequence[int], percent: int) -> int:
    """The smallest value that `percent` in a hundred do not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else 0


def over(runs: Iterable[Alone], home_ns: Sequence[int]) -> list[str]:
    """What is longer than it may be, a line each."""
    spans: Mapping[Limit, list[int]] = {limit: [] for limit in LIMITS}
    for it in runs:
        spans[limit_of(it.fault)].append(limit_of(it.fault).counted_ns(it))
    found = []
    for limit, values in spans.items():
        if values and max(values) > limit.most_ns:
            found.append(f"{limit.about}: {max(values) / S:.3f} s, at most {limit.most_ns // S} s")
        if limit.p99_ns and percentile(values, 99) > limit.p99_ns:
            found.append(f"{limit.about}: p99 {percentile(values, 99) / S:.3f} s, at most {limit.p99_ns // S} s")
    if home_ns and max(home_ns) > HOME_NS:
        found.append(f"asked to stop: {max(home_ns) / S:.3f} s until flat and idle, at most {HOME_NS // S} s")
    return found
