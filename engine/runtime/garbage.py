"""Keeps the garbage collector out of open rounds: a full collection takes tens of milliseconds (performance.md)."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from types import TracebackType

from engine.trading.effects import Effect, RoundBegan, RoundEnded
from engine.trading.inputs import Input, Started


class QuietRounds:
    """A sink of the runner: collects between rounds only, and never again what was there before the first round.

    While entered; leaving restores the collector. What piles up inside a round is cyclic garbage alone.
    """

    def __init__(self) -> None:
        self._warm = False

    def __enter__(self) -> QuietRounds:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        gc.enable()
        gc.unfreeze()

    def __call__(self, effect: Effect) -> None:
        if isinstance(effect, RoundBegan):
            if not self._warm:
                self._warm = True
                gc.collect()
                gc.freeze()
            gc.disable()
        elif isinstance(effect, RoundEnded):
            gc.enable()


class QuietStart:
    """A trace of runs without rounds, whose fills come at any time: what was there at the start is left out of what
    the collector looks at from then on.

    Collections of what has come since take a millisecond or two, not tens. While entered; leaving undoes it.
    """

    def __enter__(self) -> QuietStart:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        gc.unfreeze()

    def __call__(self, seq: int, at_ns: int, given: Input, effects: Sequence[Effect]) -> None:
        if type(given) is Started:  # its requests have left
            gc.collect()
            gc.freeze()
