"""The record of a run as the runner sees it: intents before they are sent, and every step after its sends.

Nothing here raises while a run goes on: `failed` turns true, and the runner ends the run (exit 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from engine.trading.effects import Alert, CancelOrder, Effect, PlaceOrder
from engine.trading.inputs import Input, Recalled, Request
from exchanges.types import Instrument, Margin, Position, Quote

__all__ = ["Decided", "Journal", "NullJournal", "RunStart", "Sync"]


class Sync(Enum):
    """What survives a power cut; the death of the process loses no intent in any of them."""

    NORMAL = "normal"  # nothing is flushed to the disk in between: paper, whose venue dies with the machine
    ROUNDS = "rounds"  # run and round rows, and with them all before
    FULL = "full"  # every intent too, at 0.5 ms or more each


@dataclass(frozen=True, slots=True)
class RunStart:
    """What a run is, as replay, audit and report need it; no text of it holds a secret.

    `settings`, `plan` and `venues` are JSON; `speed` is 1x, a multiple such as 10x, or max.
    """

    number: int
    flow: str
    flow_version: int
    flow_digest: str
    flow_text: str
    config_text: str
    seed: int
    settings: str
    plan: str
    venues: str
    speed: str
    program: str
    accounts: tuple[tuple[str, Instrument], ...]  # account name, what it trades
    wall_ms: int


# A request, the step that asked for it, and when that was decided: by the counting clock, and on the wall.
Decided = tuple[PlaceOrder | CancelOrder, int, int, int]


class Journal(Protocol):
    """What the runner writes to. Nothing here raises while a run goes on."""

    @property
    def failed(self) -> bool:
        """True once a write failed: open nothing more, end the run."""

    def run_started(self, run: RunStart) -> None:
        """Write the run's row, on the disk before this returns. Raises: JournalUnwritable."""

    def run_ended(self, exit_code: int, wall_ms: int) -> None: ...

    def intents(self, decided: Sequence[Decided]) -> None:
        """Commit requests, all of them at once, before the first is handed to its sender."""

    def step(
        self,
        seq: int,
        at_ns: int,
        wall_ms: int,
        given: Input,
        quotes: Sequence[Quote],
        draws: Sequence[int],
        effects: Sequence[Effect],
    ) -> None:
        """Record a step after its requests went out: what it was given and read, and what it asked for."""

    def sent(self, client_id: str, request: Request, at_ns: int) -> None:
        """Record that a request went to the wire. Drops are recorded by the `NotSent` input."""

    def alert(self, alert: Alert, at_ns: int, wall_ms: int) -> None:
        """Record an alert that comes from no step."""

    def venue_start(self, positions: Sequence[Position], margins: Sequence[Margin]) -> None:
        """Record the baseline that the venues report, on the disk before this returns: the first order comes next."""

    def venue_end(self, positions: Sequence[Position], margins: Sequence[Margin]) -> None:
        """Record what the venues report at the end; an account is taken as read if its margin is given."""

    def recall(self, client_id: str) -> Recalled | None:
        """An order of this run that left the desk's memory; None if there never was one."""

    def flush(self) -> None:
        """Write what waits in memory; to be called when the inbox was quiet for a moment."""

    def close(self) -> None: ...


class NullJournal:
    """`--journal off`."""

    failed = False

    def run_started(self, run: RunStart) -> None: ...

    def run_ended(self, exit_code: int, wall_ms: int) -> None: ...

    def intents(self, decided: Sequence[Decided]) -> None: ...

    def step(
        self,
        seq: int,
        at_ns: int,
        wall_ms: int,
        given: Input,
        quotes: Sequence[Quote],
        draws: Sequence[int],
        effects: Sequence[Effect],
    ) -> None: ...

    def sent(self, client_id: str, request: Request, at_ns: int) -> None: ...

    def alert(self, alert: Alert, at_ns: int, wall_ms: int) -> None: ...

    def venue_start(self, positions: Sequence[Position], margins: Sequence[Margin]) -> None: ...

    def venue_end(self, positions: Sequence[Position], margins: Sequence[Margin]) -> None: ...

    def recall(self, client_id: str) -> Recalled | None:
        return None

    def flush(self) -> None: ...

    def close(self) -> None: ...
