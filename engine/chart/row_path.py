"""How a table's row went, look by look: which candidates were asked in which order, and what their guards read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.chart.binding import ALWAYS, Bound, Plan
from engine.chart.deciders import TableDecider
from engine.chart.model import Row

__all__ = ["Look", "NotingDecider", "Tried"]


@dataclass(frozen=True, slots=True)
class Tried:
    """One candidate that was asked: its target leaf (None stays), whether it was open, and what its guard read."""

    row: Row
    target: str | None
    open: bool
    read: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Look:
    """In `leaf`, on `event` ("" for `always`), these candidates were asked; the last one ran if it was open."""

    leaf: str
    event: str
    tried: tuple[Tried, ...]


class NotingDecider(TableDecider):
    """Decides as the table does and notes every look; `looks` is the list to note in, `scope` what guards read."""

    def __init__(self, bound: Bound, leaf: str, *, scope: object, looks: list[Look]) -> None:
        super().__init__(bound, leaf)
        self._scope = scope
        self._looks = looks

    def take(self, event: str) -> Plan | None:
        tried = tuple(self._tried(self._plans_of(self.leaf, event)))
        if tried or event:
            self._looks.append(Look(self.leaf, event, tried))
        return super().take(event)

    def restless(self) -> bool:
        found = super().restless()
        tried = () if found else tuple(self._tried(self._plans_of(self.leaf, ALWAYS)))
        if tried:  # nothing will be taken, so this was the only look
            self._looks.append(Look(self.leaf, ALWAYS, tried))
        return found

    def _tried(self, plans: Sequence[Plan]) -> Iterator[Tried]:
        """Up to the first that is open. Raises: Fault, when a guard raises."""
        for plan in plans:
            when = plan.candidate.row.when
            read = {} if when is None else dict(self._read(when.names))
            tried = Tried(plan.candidate.row, plan.candidate.target, plan.open(), read)
            yield tried
            if tried.open:
                return

    def _read(self, names: frozenset[str]) -> Iterator[tuple[str, object]]:
        for name in sorted(names):
            value: object = self._scope
            for word in name.split("."):
                value = getattr(value, word, None)
            if value is not None:
                yield name, value
