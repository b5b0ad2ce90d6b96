"""Feeds a journalled run through a fresh desk and says where, if anywhere, it decides otherwise."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from engine.errors import JournalCorrupt
from engine.runtime.codec import decode_input, effects_digest, encode_effect
from engine.runtime.journal_read import RunRow, open_journal, pick_run
from engine.runtime.ports import Trace
from engine.trading.effects import Effect
from engine.trading.inputs import Input
from exchanges.types import Quote, Rng
from exchanges.values import quick

__all__ = ["Desk", "Difference", "ReplayReport", "replay"]


class Desk(Protocol):
    """The pure step as the runtime sees it."""

    @property
    def books(self) -> dict[tuple[str, str], Quote]: ...

    def step(self, given: Input, at_ns: int) -> list[Effect]: ...

    def take_used_quotes(self) -> list[Quote]: ...


@dataclass(frozen=True, slots=True)
class Difference:
    """The first step that went otherwise. `expected` is what the journal's rows tell of the step."""

    seq: int
    at_ns: int
    given: str
    what: str  # effects, quotes or draws
    expected: tuple[str, ...]
    got: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """`steps` is how many went as recorded."""

    run: int
    steps: int
    difference: Difference | None

    @property
    def same(self) -> bool:
        return self.difference is None

    def lines(self) -> list[str]:
        found = self.difference
        if found is None:
            return [f"run {self.run}: {self.steps} steps, the same states and effects"]
        return [
            f"run {self.run}: step {found.seq} at {found.at_ns} ns goes otherwise ({found.what}),"
            f" {self.steps} steps before it the same",
            f"  given    {found.given}",
            *(f"  expected {line}" for line in found.expected),
            *(f"  got      {line}" for line in found.got),
        ]


class Playback:
    """Chance that repeats what was drawn, for every stream of the desk, since draws were recorded in one order.

    Complains instead of raising: a desk takes an exception in a verb for a failed step.
    """

    __slots__ = ("_draws", "complaints")

    def __init__(self) -> None:
        self._draws: list[int] = []
        self.complaints: list[str] = []

    def load(self, draws: Sequence[int]) -> None:
        self._draws = list(reversed(draws))
        self.complaints = []

    def below(self, n: int) -> int:
        return self.between(0, n - 1)

    def between(self, low: int, high: int) -> int:
        if not self._draws:
            self.complaints.append(f"a draw in {low}..{high}, where none was recorded")
            return low
        draw = self._draws.pop()
        if not low <= draw <= high:
            self.complaints.append(f"a draw in {low}..{high}, where {draw} was recorded")
        return draw

    def finish(self) -> list[str]:
        """What was wrong in this step, draws that nobody asked for included."""
        left = [f"no draw, where {draw} was recorded" for draw in reversed(self._draws)]
        return self.complaints + left


def replay(
    path: Path,
    make_desk: Callable[[RunRow, Rng], Desk],
    *,
    run: int | None = None,
    until: int | None = None,
    trace: Trace | None = None,
) -> ReplayReport:
    """Replay a run, the newest unless `run` says otherwise, up to the first difference or to step `until`.

    `make_desk` builds the run's desk with the given chance for each of its streams. `trace` sees every step that went
    as recorded, right after it.
    Raises: JournalUnreadable, JournalForeign, JournalNewer, JournalCorrupt.
    """
    with open_journal(path) as journal:
        return replay_in(journal, make_desk, path=path, run=run, until=until, trace=trace)


def replay_in(
    journal: sqlite3.Connection,
    make_desk: Callable[[RunRow, Rng], Desk],
    *,
    path: Path,
    run: int | None = None,
    until: int | None = None,
    trace: Trace | None = None,
) -> ReplayReport:
    """As `replay`, in the journal that is open at `path`."""
    row = pick_run(journal, run, path=path)
    chance = Playback()
    desk = make_desk(row, chance)
    steps = 0
    for recorded in _recorded_steps(journal, path, run=row.number):
        if until is not None and recorded.seq > until:
            break
        effects = _step(desk, chance, recorded)
        difference = _compare(journal, desk, chance, run=row.number, recorded=recorded, effects=effects)
        if difference is not None:
            return ReplayReport(row.number, steps, difference)
        if trace is not None:
            trace(recorded.seq, recorded.at_ns, recorded.given, effects)
        steps += 1
    return ReplayReport(row.number, steps, None)


@quick
@dataclass(frozen=True, slots=True)
class _Recorded:
    seq: int
    at_ns: int
    text: str
    given: Input
    quotes: tuple[Quote, ...]
    draws: tuple[int, ...]
    digest: str


def _recorded_steps(journal: sqlite3.Connection, path: Path, *, run: int) -> Iterator[_Recorded]:
    quotes = _QuotesBySeq(journal, run)
    sql = "SELECT seq, at_ns, kind, body, draws, effects FROM inputs WHERE run = ? ORDER BY seq"
    for seq, at_ns, kind, body, draws, digest in journal.execute(sql, (run,)):
        try:
            given = decode_input(kind, body)
            drawn = tuple(json.loads(draws)) if draws else ()
        except (KeyError, ValueError, TypeError, ArithmeticError) as error:
            raise JournalCorrupt(f"{path}: input {seq} of run {run} cannot be read: {kind} {body}") from error
        yield _Recorded(seq, at_ns, f"{kind} {body}", given, quotes.take(seq), drawn, digest)


class _QuotesBySeq:
    """Reads the used quotes along with the inputs, so that a long run never lies in memory."""

    def __init__(self, journal: sqlite3.Connection, run: int) -> None:
        sql = (
            "SELECT seq, venue, symbol, bid, bid_qty, ask, ask_qty, recv_ns, venue_ms FROM quotes_used"
            " WHERE run = ? ORDER BY id"
        )
        self._rows = iter(journal.execute(sql, (run,)))
        self._next = next(self._rows, None)

    def take(self, seq: int) -> tuple[Quote, ...]:
        taken = []
        while self._next is not None and self._next[0] <= seq:
            _, venue, symbol, bid, bid_qty, ask, ask_qty, recv_ns, venue_ms = self._next
            taken.append(
                Quote(
                    venue=venue, symbol=symbol, bid=Decimal(bid), bid_qty=Decimal(bid_qty), ask=Decimal(ask),
                    ask_qty=Decimal(ask_qty), recv_ns=recv_ns, venue_ms=venue_ms,
                )
            )  # fmt: skip
            self._next = next(self._rows, None)
        return tuple(taken)


def _step(desk: Desk, chance: Playback, recorded: _Recorded) -> list[Effect]:
    for quote in recorded.quotes:
        desk.books[quote.venue, quote.symbol] = quote
    chance.load(recorded.draws)
    return desk.step(recorded.given, recorded.at_ns)


def _compare(
    journal: sqlite3.Connection,
    desk: Desk,
    chance: Playback,
    *,
    run: int,
    recorded: _Recorded,
    effects: list[Effect],
) -> Difference | None:
    used = tuple(desk.take_used_quotes())
    complaints = chance.finish()
    if complaints:
        what, expected, got = "draws", tuple(map(str, recorded.draws)), tuple(complaints)
    elif effects_digest(effects) != recorded.digest:
        what, expected = "effects", tuple(_told(journal, run, recorded.seq))
        got = tuple(map(encode_effect, effects))
    elif used != recorded.quotes:
        what, expected, got = "quotes", tuple(map(str, recorded.quotes)), tuple(map(str, used))
    else:
        return None
    return Difference(recorded.seq, recorded.at_ns, recorded.text, what, expected, got)


_TOLD = (
    "SELECT kind || ' ' || client_id || coalesce(' ' || purpose || ' ' || side || ' ' || qty, '') FROM intents",
    "SELECT 'moved ' || event || ': ' || source || ' -> ' || coalesce(target, 'stays') FROM transitions",
    "SELECT 'alert ' || code || ': ' || text FROM alerts",
)


def _told(journal: sqlite3.Connection, run: int, seq: int) -> Iterator[str]:
    """What the journal's readable rows say of a step; timers and questions have no rows of their own."""
    for select in _TOLD:
        for (line,) in journal.execute(f"{select} WHERE run = ? AND seq = ? ORDER BY id", (run, seq)):
            yield line
