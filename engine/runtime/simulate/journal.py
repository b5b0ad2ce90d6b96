"""The journal of a simulated process: the real one in a file of its own, on a disk that may be full or slow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine.runtime.journal import Sync
from engine.runtime.journal_sqlite import SqliteJournal
from engine.trading.effects import CancelOrder, PlaceOrder

__all__ = ["SimulatedJournal"]

ROOM = 1 << 20  # pages of a disk that is not full


class SimulatedJournal(SqliteJournal):
    """`written` is called after each intent that was tried, inside the step that asked for it."""

    def __init__(self, path: Path, *, written: Callable[[], None]) -> None:
        super().__init__(path, sync=Sync.NORMAL, on_lost=self._told)
        self.lost: list[str] = []  # what a person would have found on standard error
        self.was_full = False
        self._written = written

    def _told(self, text: str) -> None:
        self.lost.append(text)

    def fill_disk(self) -> None:
        """From now on SQLite finds no room for a further page."""
        self.was_full = True
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        self._connection.execute(f"PRAGMA max_page_count = {pages}")

    def free_disk(self) -> None:
        self._connection.execute(f"PRAGMA max_page_count = {ROOM}")

    def intent(self, effect: PlaceOrder | CancelOrder, seq: int, at_ns: int, wall_ms: int) -> None:
        super().intent(effect, seq, at_ns, wall_ms)
        self._written()
