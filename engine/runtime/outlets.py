"""Who is told of a run: sinks hear its effects, traces its steps. One that raises is cut off, and the run is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.runtime.ports import Sink, Trace
from engine.trading.effects import Effect
from engine.trading.inputs import Input


class Outlets:
    """Moves go to `move_sinks` alone where those are given. `failed` gets what a sink or trace raised."""

    def __init__(
        self, sinks: Sequence[Sink], move_sinks: Sequence[Sink] | None, traces: Sequence[Trace], *,
        failed: Callable[[BaseException], None],
    ) -> None:  # fmt: skip
        self._sinks = list(sinks)
        self._move_sinks = list(sinks if move_sinks is None else move_sinks)
        self._traces = list(traces)
        self._failed = failed

    def tell(self, effect: Effect) -> None:
        self._tell(self._sinks, effect)

    def tell_move(self, effect: Effect) -> None:
        if self._move_sinks:
            self._tell(self._move_sinks, effect)

    def tell_step(self, seq: int, at_ns: int, given: Input, effects: list[Effect]) -> None:
        for trace in tuple(self._traces):
            try:
                trace(seq, at_ns, given, effects)
            except Exception as error:  # noqa: BLE001 as for sinks
                self._traces.remove(trace)
                self._failed(error)

    def _tell(self, sinks: list[Sink], effect: Effect) -> None:
        for sink in tuple(sinks):
            try:
                sink(effect)
            except Exception as error:  # noqa: BLE001 a broken screen must not stand between a fill and its hedge
                self._sinks = [other for other in self._sinks if other != sink]
                self._move_sinks = [other for other in self._move_sinks if other != sink]
                self._failed(error)
