"""What an agenda holds. A module of its own, which stays uncompiled: they are lists, and mypyc makes no such class."""

from __future__ import annotations

from typing import Any, Protocol


class Entry(list[Any]):
    """One callback in an agenda: `[when_ns, seq, callback, args]`, ordered by the first two, dead without callback.

    A list, not an object: it is made for every event of a run, and the heap compares it without calling Python.
    """

    __slots__ = ()

    def cancel(self) -> None:
        """Nothing of the callback is kept: it may hold this entry, and only the garbage collector would part them."""
        self[2] = None
        self[3] = ()


class OwnedEntry(Entry):
    """An entry with a fifth field: its `Owner`, who may stand still when it is due."""

    __slots__ = ()


class Owner(Protocol):
    """Whose callbacks run only while it is awake."""

    wakes_ns: int  # nothing of it runs before

    def hold(self, entry: OwnedEntry) -> None:
        """Keep what fell due before `wakes_ns`, or drop it."""
