"""What of the flow's memory and of its timers a step looks at: what it does not look at decides nothing of it.

Knows that a chart keeps its memory in one namespace, which guards, actions and rules read by name, and that nothing
but leaving and entering a state, and its firing, touches the timer of a delay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from engine.chart.machine import Chart
from engine.chart.model import Candidate, Flow

Hop = tuple[str, str | None, str]  # from where and whereto in small letters, and the event


class Reads:
    """Stands in for a chart's memory and notes names, as bits in the order in which the flow declares them."""

    def __init__(self, chart: Chart) -> None:
        self.read = 0  # looked at before they were written
        self.written = 0
        watched = {name: self._watched(name, 1 << n) for n, name in enumerate(chart.flow.context)}
        kind = type("Memory", (SimpleNamespace,), watched)
        memory = kind()
        vars(memory).update(vars(chart._counters.values))
        chart._counters.values = chart._scope.context = memory
        self._bits: dict[str, int] = {}  # of timers
        self._masks: dict[tuple[str, ...], int] = {}
        self._names: dict[int, tuple[str, ...]] = {}
        self._delays = self.mask(tuple([it.event for state in chart.flow.states.values() for it in state.delays]))
        self._touched = _touched(chart.flow)
        self._finals = frozenset(leaf.lower() for leaf in chart.flow.leaves if chart.flow.states[leaf].final)

    def begin(self) -> None:
        self.read = self.written = 0

    # --- timers, as bits

    def mask(self, timers: tuple[str, ...]) -> int:
        found = self._masks.get(timers)
        if found is None:
            found = 0
            for name in timers:
                found |= self._bits.setdefault(name, 1 << len(self._bits))
            self._masks[timers] = found
        return found

    def names(self, mask: int) -> tuple[str, ...]:
        """In the order of a desk's key."""
        found = self._names.get(mask)
        if found is None:
            found = self._names[mask] = tuple(sorted([name for name, bit in self._bits.items() if mask & bit]))
        return found

    def spared(self, hops: Iterable[Hop], fired: str) -> int:
        """Timers that these moves would neither stop nor start, be they armed or not; `fired` is none of them."""
        touched = self.mask((fired,)) if fired else 0
        for hop in hops:
            names = self._touched.get(hop)
            if names is None or hop[1] in self._finals:
                return 0
            touched |= self.mask(names)
        return self._delays & ~touched

    def _watched(self, name: str, bit: int) -> property:
        def looked_at(memory: Any) -> object:
            if not self.written & bit:
                self.read |= bit
            return vars(memory)[name]

        def written(memory: Any, value: object) -> None:
            self.written |= bit
            vars(memory)[name] = value

        getter: Callable[[Any], object] = looked_at
        return property(getter, written)


def _touched(flow: Flow) -> dict[Hop, tuple[str, ...]]:
    """Timers of the states that a move leaves or enters."""
    found: dict[Hop, tuple[str, ...]] = {}
    for table in (flow.table, {leaf: {"": rows} for leaf, rows in flow.always.items()}):
        for by_event in table.values():
            for candidate in (each for rows in by_event.values() for each in rows):
                hop = _hop(candidate)
                states = (flow.states[name] for name in (*candidate.exits, *candidate.entries) if name in flow.states)
                found[hop] = (*found.get(hop, ()), *(delay.event for state in states for delay in state.delays))
    return found


def _hop(candidate: Candidate) -> Hop:
    target = candidate.target
    return candidate.source.lower(), None if target is None else target.lower(), candidate.row.event


def places_in(bits: int) -> tuple[int, ...]:
    """The numbers of the bits that are set."""
    return tuple([at for at in range(bits.bit_length()) if bits >> at & 1])
