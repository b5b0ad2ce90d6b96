"""Reads a journal, also while a run writes it: its runs, and a dump in which equal runs are equal."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from peewee import Model, SqliteDatabase

from engine.errors import JournalCorrupt, JournalUnreadable
from engine.runtime import schema
from engine.runtime.journal_file import open_for_reading, open_for_streaming, open_untouched

__all__ = [
    "RunRow",
    "comparable_dump",
    "open_journal",
    "open_journal_untouched",
    "pick_run",
    "read_runs",
    "read_venues",
    "stream_journal",
]


@dataclass(frozen=True, slots=True)
class RunRow:
    """A row of `runs`, see `journal.RunStart`. Without `exit_code` the run goes on, or its process died."""

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
    started_wall_ms: int
    ended_wall_ms: int | None
    exit_code: int | None

    @property
    def hedged(self) -> bool:
        """Did its flow declare `hedging:`? A plan of an earlier release does not say; there was no other flow then."""
        return bool(json.loads(self.plan).get("hedged", True))

    @property
    def heard(self) -> frozenset[str]:
        """Accounts that it only listened to."""
        return frozenset(json.loads(self.plan).get("heard", ()))


@contextmanager
def open_journal(path: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection. Raises: JournalUnreadable, JournalForeign, JournalNewer, JournalCorrupt."""
    with _connected(path, open_for_reading(path)) as connection:
        yield connection


@contextmanager
def stream_journal(path: Path) -> Iterator[sqlite3.Connection]:
    """As `open_journal`, in one snapshot and without reading every page first: damage is raised where it is met."""
    with _connected(path, open_for_streaming(path)) as connection:
        connection.execute("BEGIN")
        yield connection


@contextmanager
def open_journal_untouched(path: Path) -> Iterator[sqlite3.Connection]:
    """As `open_journal`, but no byte changes, not even in the files beside it."""
    with _connected(path, open_untouched(path)) as connection:
        yield connection


@contextmanager
def _connected(path: Path, database: SqliteDatabase) -> Iterator[sqlite3.Connection]:
    try:
        yield schema.raw(database)
    except sqlite3.DatabaseError as error:
        raise JournalCorrupt(f"{path}: journal is damaged ({error}); move it aside and start a new one") from error
    finally:
        database.close()


def read_venues(journal: sqlite3.Connection) -> dict[int, dict[str, str]]:
    """By run: what tells each venue that lives without us from any other; paper ones, which end with their run, not.

    Only runs at the venues' own speed. Raises: JournalCorrupt.
    """
    found: dict[int, dict[str, str]] = {}
    for run, text in journal.execute("SELECT number, venues FROM runs WHERE speed = '1x'"):
        try:
            venues = {name: " ".join(it.values()) for name, it in json.loads(text).items() if "url" in it}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise JournalCorrupt(f"run {run}: its venues cannot be read ({error})") from error
        if venues:
            found[run] = venues
    return found


def kind_of_venue(row: RunRow, venue: str) -> str:
    """The kind of a venue that a run traded on. Raises: JournalCorrupt."""
    try:
        return str(json.loads(row.venues)[venue]["kind"])
    except (ValueError, TypeError, KeyError) as error:
        raise JournalCorrupt(f"run {row.number}: the kind of its venue {venue} cannot be read ({error})") from error


def read_runs(journal: sqlite3.Connection) -> list[RunRow]:
    names = ", ".join(schema.columns(schema.Run))
    return [RunRow(*row) for row in journal.execute(f"SELECT {names} FROM runs ORDER BY number")]


def pick_run(journal: sqlite3.Connection, number: int | None, *, path: Path) -> RunRow:
    """The run of that number, the newest for None. Raises: JournalUnreadable when there is none."""
    runs = read_runs(journal)
    if not runs:
        raise JournalUnreadable(f"{path}: the journal holds no run")
    if number is None:
        return runs[-1]
    for run in runs:
        if run.number == number:
            return run
    raise JournalUnreadable(f"{path}: the journal holds no run {number}, only {runs[0].number} to {runs[-1].number}")


def comparable_dump(path: Path) -> Iterator[str]:
    """Every row of every table as a line, wall-clock columns left out: equal for equal runs of equal seeds."""
    with open_journal(path) as journal:
        for model in schema.MODELS:
            for row in journal.execute(_dump_sql(model)):
                yield f"{model._meta.table_name} {json.dumps(row, ensure_ascii=False)}"


def _dump_sql(model: type[Model]) -> str:
    names = [name for name in schema.columns(model) if not name.endswith("wall_ms")]
    key = schema.key_columns(model)
    return f"SELECT {', '.join(names)} FROM {model._meta.table_name} ORDER BY {', '.join(key)}"
