"""Quotes of one Backpack account's client, on a stream of their own: of a backlog only the newest is decoded (E14)."""

from __future__ import annotations

import re
from collections.abc import Callable

from exchanges.backpack.wire import stream
from exchanges.backpack.wire.request import subscription
from exchanges.facts import BookFacts, quote_of
from exchanges.link import Opening
from exchanges.newest import Newest
from exchanges.types import Clock, QuoteHandler

_STREAM = re.compile(rb'"stream"\s*:\s*"([^"\\]{1,100})"')


class MarketFeed:
    """Best bid and offer of `handlers`' symbols. `lost` hears of a frame that cannot be read."""

    def __init__(
        self, venue: str, handlers: dict[str, QuoteHandler], *, clock: Clock, lost: Callable[[str], None]
    ) -> None:
        self._venue = venue
        self._handlers = handlers
        self._newest = Newest(_STREAM, self._decode, clock=clock, lost=lost)
        self._numbers: dict[str, int] = {}

    async def opening(self) -> Opening:
        self._numbers.clear()
        return Opening((subscription([f"{stream.BOOK}.{symbol}" for symbol in self._handlers]),))

    async def resync(self) -> None:
        """Nothing to catch up on: an old quote is worth nothing."""

    def take(self, data: bytes, recv_ns: int) -> None:
        self._newest.take(data, recv_ns)

    def _decode(self, data: bytes, recv_ns: int) -> None:
        said = stream.message(data)
        if not isinstance(said, BookFacts) or said.number < self._numbers.get(said.symbol, 0):
            return
        self._numbers[said.symbol] = said.number
        handler = self._handlers.get(said.symbol)
        if handler is not None:
            handler(quote_of(self._venue, said, recv_ns))
