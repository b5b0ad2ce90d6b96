"""The changes of one market's depth between two frames, for the streams of every protocol. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from exchanges.types import Side
from exchanges.venues.exchange import Market

Levels = list[tuple[Decimal, Decimal]]


@dataclass(frozen=True, slots=True)
class DepthChanges:
    """Levels whose size has changed, as (price, size); a size of 0 removes one.

    `last_id` counts every change of the book; `first_id` follows the `last_id` of the changes before.
    """

    first_id: int
    last_id: int
    bids: Levels
    asks: Levels


class DepthFeed:
    """Remembers what was shown last."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self._shown = {side: self._levels(side) for side in (Side.BUY, Side.SELL)}
        self.last_id = market.version

    def changes(self) -> DepthChanges | None:
        """What has changed since the last call; None if nothing has."""
        bids, asks = self._changed(Side.BUY), self._changed(Side.SELL)
        if not bids and not asks:
            return None
        first, self.last_id = self.last_id + 1, self.market.version
        return DepthChanges(first, self.last_id, bids, asks)

    def _levels(self, side: Side) -> dict[int, int]:
        return dict(self.market.book.levels(side))

    def _changed(self, side: Side) -> Levels:
        before, now = self._shown[side], self._levels(side)
        self._shown[side] = now
        spec = self.market.instrument
        changed = {ticks for ticks, lots in now.items() if before.get(ticks) != lots} | (before.keys() - now.keys())
        return [(spec.tick * ticks, spec.lot * now.get(ticks, 0)) for ticks in sorted(changed)]
