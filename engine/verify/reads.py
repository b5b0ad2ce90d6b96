"""What of the flow's memory a step looks at: what it does not look at decides nothing of it.

Knows that a chart keeps its memory in one namespace, which guards, actions and rules read by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.chart.machine import Chart


class Reads:
    """Stands in for a chart's memory and notes names, as bits in the order in which the flow declares them."""

    def __init__(self, chart: Chart) -> None:
        self.read = 0  # looked at before they were written
        self.written = 0
        kind = type("Memory", (), {name: self._watched(name, 1 << n) for n, name in enumerate(chart.flow.context)})
        memory = kind()
        vars(memory).update(vars(chart._counters.values))
        chart._counters.values = chart._scope.context = memory

    def begin(self) -> None:
        self.read = self.written = 0

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


def places_in(bits: int) -> tuple[int, ...]:
    """The numbers of the bits that are set."""
    return tuple([at for at in range(bits.bit_length()) if bits >> at & 1])
