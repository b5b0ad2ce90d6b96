"""What the runner needs of the parts that it is given; tests give it small ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from engine.trading.effects import Effect, PlaceOrder
from engine.trading.inputs import Day, Input, MarketSeen, Recalled
from exchanges.types import Fill, Margin, OrderUpdate, Quote


class Desk(Protocol):
    """The pure step: deterministic, raises for nothing that the world can do."""

    on_hedges: Callable[[Sequence[Effect]], None] | None
    """Gets the standing hedges of a step as soon as they are certain, before the flow hears of the input."""

    @property
    def books(self) -> dict[tuple[str, str], Quote]:
        """Newest quotes by (venue, symbol); the runner writes here, a quote alone is no step."""

    def step(self, given: Input, at_ns: int) -> list[Effect]: ...

    def knows(self, client_id: str) -> bool:
        """Is this order in memory?"""

    def adopt(self, told: Fill | OrderUpdate) -> Recalled | None:
        """The order that an earlier run made and no journal tells; None if it is no such order."""

    def take_used_quotes(self) -> list[Quote]: ...

    def unpriced(self) -> Mapping[str, int]:
        """Accounts whose fills' prices are not all known, and from when on such orders were made, in ns."""

    def exposure_lines(self) -> list[str]:
        """What is open, for a person who leaves now."""


class Watch(Protocol):
    """The market guards; runs on every quote."""

    def quote(self, quote: Quote) -> MarketSeen | None: ...

    def due_ns(self) -> int | None: ...

    def check(self, at_ns: int) -> MarketSeen | None: ...


class Draws(Protocol):
    def take_draws(self) -> list[int]: ...


Sink = Callable[[Effect], None]  # a screen, a log, an alert command: sees moves, rounds, alerts and the end
Trace = Callable[[int, int, Input, list[Effect]], None]  # seq, at_ns, given, effects of every step
Objection = Callable[[PlaceOrder], str]  # why this opening may not be sent after all; empty if it may
DayOf = Callable[[Sequence[Margin]], Day | None]  # the day of a run that begins with these margins
