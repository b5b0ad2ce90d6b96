"""The desks that a search has found, by number. Those that differ in what the flow remembers only are told together.

It remembers by its memory and by its timers. What is found of one desk, facts and steps, holds for all of its kind that
agree in what of that was looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from engine.verify.projection import UNKNOWN, Context, DeskKey
from engine.verify.reads import Reads, places_in
from engine.verify.symmetry import Symmetry
from exchanges.types import LinkState

_TRUSTED = LinkState.TRUSTED


class Seen(NamedTuple):
    """Facts of all desks of a kind that agree in what was `read` to find them: places in the memory, and values."""

    read: tuple[tuple[int, object], ...]
    facts: int


class Kind(NamedTuple):
    """What desks have in common that differ in the flow's memory and timers only."""

    key: tuple[object, ...]  # of each, without these
    tied: bool  # some equal accounts are alike for them
    calm: bool  # no outcome is unknown, and no stream is lost
    seen: list[Seen]


class Desks:
    """Numbers, keys and facts. A list's place is a desk's number."""

    def __init__(
        self, *, symmetry: Symmetry, reads: Reads, look: Callable[[], int], stand: Callable[[DeskKey], None]
    ) -> None:
        """`look` finds the facts of the desk that was last made to `stand`."""
        self._symmetry = symmetry
        self._reads = reads
        self._look = look
        self._stand = stand
        self.keys: list[DeskKey] = []
        self.facts: list[int] = []
        self.kind_of: list[int] = []  # of each desk
        self.kinds: list[Kind] = []
        self._kinds: dict[tuple[object, ...], int] = {}
        self._numbers: dict[tuple[int, Context, tuple[str, ...]], int] = {}

    def number(self, key: DeskKey, facts: int | None = None, *, stands: bool = True) -> int:
        """Of a desk, which is new perhaps. `stands`: the one that is looked at stands in it, or in one like it."""
        kind = self._kinds.get(key[2:])
        if kind is None:
            kind = self._kind(key)
        found = self._numbers.get((kind, key[0], key[1]))
        if found is None:
            found = self._add(kind, key, self._facts(kind, key, stands=stands) if facts is None else facts)
        return found

    def alike(self, desk: int, context: Context, timers: tuple[str, ...], facts: int | None = None) -> int:
        """The desk that differs from this one in its memory and timers only."""
        kind = self.kind_of[desk]
        found = self._numbers.get((kind, context, timers))
        if found is None:
            key = DeskKey(context, timers, *self.kinds[kind].key)  # type: ignore[arg-type]
            found = self._add(kind, key, self._facts(kind, key, stands=False) if facts is None else facts)
        return found

    def adopt(self, other: Desks) -> bool:
        """Number desks as `other` does. False, and nothing done, where the two began apart."""
        if self.keys != other.keys[: len(self.keys)]:
            return False
        self.keys[:], self.facts[:], self.kind_of[:] = other.keys, other.facts, other.kind_of
        self.kinds[:] = [kind._replace(seen=[*kind.seen]) for kind in other.kinds]
        self._kinds, self._numbers = dict(other._kinds), dict(other._numbers)
        return True

    def _add(self, kind: int, key: DeskKey, facts: int) -> int:
        found = self._numbers[kind, key[0], key[1]] = len(self.keys)
        self.keys.append(key)
        self.facts.append(facts)
        self.kind_of.append(kind)
        return found

    def _kind(self, key: DeskKey) -> int:
        found = self._kinds[key[2:]] = len(self.kinds)
        calm = all(link is _TRUSTED for link in key.links) and not any(it.flags & UNKNOWN for it in key.orders)
        self.kinds.append(Kind(key[2:], self._symmetry.tied(key), calm, []))
        return found

    def _facts(self, kind: int, key: DeskKey, *, stands: bool) -> int:
        seen, context, reads = self.kinds[kind].seen, key.context, self._reads
        for it in seen:
            if agrees(context, it.read):
                return it.facts
        if not stands:
            self._stand(key)
        reads.begin()
        facts = self._look()
        seen.append(Seen(tuple([(at, context[at]) for at in places_in(reads.read)]), facts))
        return facts


def agrees(context: Context, read: Sequence[tuple[int, object]]) -> bool:
    """Does the memory hold these values at these places?"""
    return all([context[at] == value for at, value in read])  # noqa: C419 - a generator would cost more than it spares
