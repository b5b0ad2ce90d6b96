"""Quotes of one Lighter account's client, on a stream of their own: of a backlog only the newest is decoded (E14)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from exchanges.lighter.wire import stream
from exchanges.lighter.wire.stream import BookFacts, PingSaid
from exchanges.link import Opening
from exchanges.newest import Newest
from exchanges.types import Clock, Quote, QuoteHandler

_CHANNEL = re.compile(rb'"channel"\s*:\s*"(ticker:[0-9]{1,9})"')
PING_NS = 60 * 1_000_000_000  # the venue drops who sends nothing for two minutes
NOBODY = -1  # no account: public channels say whose a trade is to nobody


class MarketFeed:
    """Best bid and offer of `handlers`, by market id with the symbol. `lost` hears of a frame that cannot be read."""

    def __init__(
        self, venue: str, handlers: Mapping[int, tuple[str, QuoteHandler]], *, clock: Clock,
        lost: Callable[[str], None], say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._venue = venue
        self._handlers = handlers
        self._clock = clock
        self._say = say
        self._newest = Newest(_CHANNEL, self._decode, clock=clock, lost=lost)
        self._numbers: dict[int, int] = {}
        self._life = 0

    async def opening(self) -> Opening:
        self._numbers.clear()
        self._life += 1
        self._clock.call_at(self._clock.now_ns() + PING_NS, self._ping, self._life)
        return Opening(tuple(stream.subscribe(f"{stream.TICKER}/{market_id}") for market_id in self._handlers))

    async def resync(self) -> None:
        """Nothing to catch up on: an old quote is worth nothing."""

    def _ping(self, life: int) -> None:
        if life == self._life:
            self._say(stream.PING)
            self._clock.call_at(self._clock.now_ns() + PING_NS, self._ping, life)

    def stop(self) -> None:
        self._life += 1

    def take(self, data: bytes, recv_ns: int) -> None:
        self._newest.take(data, recv_ns)

    def _decode(self, data: bytes, recv_ns: int) -> None:
        said = stream.message(data, NOBODY)
        if type(said) is PingSaid:
            self._say(stream.PONG)
        if type(said) is not BookFacts or said.number < self._numbers.get(said.market_id, 0):
            return
        self._numbers[said.market_id] = said.number
        handler = self._handlers.get(said.market_id)
        if handler is not None:
            symbol, take = handler
            take(quote_of(self._venue, symbol, said, recv_ns))


def quote_of(venue: str, symbol: str, book: BookFacts, recv_ns: int) -> Quote:
    return Quote(venue, symbol, book.bid, book.bid_qty, book.ask, book.ask_qty, recv_ns, book.at_ms)
