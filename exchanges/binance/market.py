"""Quotes of one Binance account's client, on a stream of their own: of a backlog only the newest is decoded (E14)."""

from __future__ import annotations

import re
from collections.abc import Callable

from exchanges.binance.wire import stream
from exchanges.binance.wire.request import quotes_message
from exchanges.binance.wire.stream import Ended
from exchanges.facts import BookFacts, quote_of
from exchanges.link import Opening
from exchanges.newest import Newest
from exchanges.types import Clock, QuoteHandler

_SYMBOL = re.compile(rb'"s"\s*:\s*"([^"\\]{1,40})"')


class MarketFeed:
    """Best bid and offer of `handlers`' symbols. `lost` hears of a frame that cannot be read."""

    def __init__(
        self, venue: str, handlers: dict[str, QuoteHandler], *, clock: Clock, lost: Callable[[str], None]
    ) -> None:
        self._venue = venue
        self._handlers = handlers
        self._lost = lost
        self._newest = Newest(_SYMBOL, self._decode, clock=clock, lost=lost)
        self._numbers: dict[str, int] = {}

    async def opening(self) -> Opening:
        self._numbers.clear()
        return Opening((quotes_message(tuple(self._handlers)),))

    async def resync(self) -> None:
        """Nothing to catch up on: an old quote is worth nothing."""

    def take(self, data: bytes, recv_ns: int) -> None:
        self._newest.take(data, recv_ns)

    def _decode(self, data: bytes, recv_ns: int) -> None:
        said = stream.message(data)
        if isinstance(said, Ended):
            self._lost(said.text)
        if not isinstance(said, BookFacts) or said.number < self._numbers.get(said.symbol, 0):
            return
        self._numbers[said.symbol] = said.number
        handler = self._handlers.get(said.symbol)
        if handler is not None:
            handler(quote_of(self._venue, said, recv_ns))
