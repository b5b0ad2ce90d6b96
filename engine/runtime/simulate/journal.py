"""The journal of a simulated process: the real one, on a disk that may be full or slow; and where the process dies."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from engine.runtime.journal import Decided, Sync
from engine.runtime.journal_sqlite import SqliteJournal
from engine.trading.effects import CancelOrder, PlaceOrder

__all__ = ["SimulatedJournal"]

ROOM = 1 << 20  # pages of a disk that is not full


class SimulatedJournal(SqliteJournal):
    """What it is asked to do are the effects of the process: `effect` is called before and after each of them.

    It says whether the process has died there: from then on nothing is written, and what waited in memory is lost.
    `written` is called with each intent after it was tried, inside the step that asked for it, and whether it is there.
    """

    def __init__(
        self, path: Path, *, effect: Callable[[], bool], written: Callable[[PlaceOrder | CancelOrder, bool], None]
    ) -> None:
        if not path.exists():
            with open(path, "xb", opener=_for_the_owner) as file:
                file.write(_blank())
        super().__init__(path, sync=Sync.NORMAL, on_lost=self._told)
        self.lost: list[str] = []  # what a person would have found on standard error
        self.was_full = False
        self.dead = False
        self._effect = effect
        self._written = written

    def _told(self, text: str) -> None:
        self.lost.append(text)

    def _set_sync(self, *, full: bool) -> None:
        """Processes die here, the machine never does: what was handed to the system is as good as on a disk."""
        self._cursor.execute("PRAGMA synchronous = OFF")

    def fill_disk(self) -> None:
        """From now on SQLite finds no room for a further page."""
        if self.dead or self._database.is_closed():
            return
        self.was_full = True
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        self._connection.execute(f"PRAGMA max_page_count = {pages}")

    def free_disk(self) -> None:
        if self._database.is_closed():
            return
        self._connection.execute(f"PRAGMA max_page_count = {ROOM}")

    def intents(self, decided: Sequence[Decided]) -> None:
        if self.dead or self._effect():
            return
        before = len(self.lost)
        super().intents(decided)
        lost = "".join(self.lost[before:])
        for effect, _, _, _ in decided:
            client_id = effect.request.client_id if isinstance(effect, PlaceOrder) else effect.client_id
            self._written(effect, repr(client_id) not in lost)
        self._effect()

    def sent(self, *given: Any) -> None:
        self._do(super().sent, *given)

    def step(self, *given: Any) -> None:
        self._do(super().step, *given)

    def _do(self, act: Callable[..., None], *given: Any) -> None:
        if self.dead or self._effect():
            return
        act(*given)
        self._effect()

    def flush(self) -> None:
        if not self.dead:
            super().flush()

    def alert(self, *given: Any) -> None:
        if not self.dead:
            super().alert(*given)

    def close(self) -> None:
        if self.dead:
            self._database.close()
        else:
            super().close()


@cache
def _blank() -> bytes:
    """A journal without a run, made once: thousands of seeds begin with one."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "blank.sqlite")
        lost: list[str] = []  # there is no intent to lose
        SqliteJournal(path, sync=Sync.NORMAL, on_lost=lost.append).close()
        return path.read_bytes()


def _for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
