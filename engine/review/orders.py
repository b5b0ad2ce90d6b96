"""Finds an order in a journal by its client id or its venue's id, in the newest run that has it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from engine.errors import NotInJournal
from engine.runtime.journal_read import pick_run

__all__ = ["Found", "find_order"]

NEAREST_SHOWN = 3
NEAREST_READ = 200  # ids with the same beginning that are compared


@dataclass(frozen=True, slots=True)
class Found:
    """`also_in` are other runs that have an order of this name."""

    run: int
    client_id: str
    also_in: tuple[int, ...]


def find_order(journal: sqlite3.Connection, path: Path, word: str, *, run: int | None) -> Found:
    """Raises: NotInJournal, with the nearest ids or the orders that the word could mean; JournalUnreadable."""
    newest = pick_run(journal, run, path=path).number  # the run must exist, whatever it holds
    found = _named(journal, word)
    runs = sorted({number for number, *_ in found}, reverse=True)
    chosen = run if run is not None else (runs[0] if runs else newest)
    here = [(client, account, venue) for number, client, account, venue in found if number == chosen]
    if not here:
        raise NotInJournal(_absent(journal, word, chosen, runs))
    if len(here) > 1:
        told = ", ".join(f"{client} ({account} on {venue})" for client, account, venue in here)
        raise NotInJournal(f"run {chosen} has several orders {word}: {told}; name one by its client id")
    return Found(chosen, here[0][0], tuple(number for number in runs if number != chosen))


def _named(journal: sqlite3.Connection, word: str) -> list[tuple[int, str, str, str]]:
    """(run, client id, account, venue); a client id goes before a venue's id of the same letters."""
    intents = "SELECT run, client_id, account, venue FROM intents WHERE kind = 'place' AND client_id = ?"
    orders = "SELECT run, client_id, account, venue FROM orders WHERE order_id = ? ORDER BY client_id"
    adopted = "SELECT run, client_id, account, venue FROM orders WHERE client_id = ?"
    found = (journal.execute(sql, (word,)).fetchall() for sql in (intents, orders, adopted))
    return next(filter(None, found), [])


def _absent(journal: sqlite3.Connection, word: str, run: int, runs: list[int]) -> str:
    if runs:
        return f"run {run} has no order {word}, but run {runs[0]} has: add --run {runs[0]}"
    near = _nearest(journal, word, run)
    if not near:
        return f"run {run} has no order {word}; it made none"
    return f"run {run} has no order {word}; the nearest: {', '.join(near)}"


def _nearest(journal: sqlite3.Connection, word: str, run: int) -> list[str]:
    """Ids that begin like the word as far as any does, the most alike first."""
    for length in range(len(word), -1, -1):
        alike = list(_beginning(journal, word[:length], run))
        if alike:
            alike.sort(key=lambda name: (-SequenceMatcher(None, word, name).ratio(), name))
            return alike[:NEAREST_SHOWN]
    return []


def _beginning(journal: sqlite3.Connection, start: str, run: int) -> Iterator[str]:
    sql = "SELECT client_id FROM orders WHERE run = ? AND client_id >= ? AND client_id < ? LIMIT ?"
    for (name,) in journal.execute(sql, (run, start, start + "\U0010ffff", NEAREST_READ)):
        yield name
