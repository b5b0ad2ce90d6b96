"""What an agenda holds. A module of its own, which stays uncompiled: it is a list, and mypyc makes no such class."""

from __future__ import annotations

from typing import Any


class Entry(list[Any]):
    """One callback in an agenda: `[when_ns, seq, callback, args]`, ordered by the first two, dead without callback.

    A list, not an object: it is made for every event of a run, and the heap compares it without calling Python.
    """

    __slots__ = ()

    def cancel(self) -> None:
        self[2] = None
