"""Quotes of one OKX account's client, on the public stream: of a backlog only the newest is decoded (E14)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from exchanges.budget import Budget, Use
from exchanges.errors import LinkDown
from exchanges.facts import BookFacts, quote_of
from exchanges.link import Link, Opening
from exchanges.newest import Newest
from exchanges.okx.turns import turn
from exchanges.okx.wire import stream
from exchanges.okx.wire.request import subscription
from exchanges.okx.wire.stream import Leaving
from exchanges.types import Clock, QuoteHandler

_BOOK = re.compile(rb'"channel"\s*:\s*"bbo-tbt"[^}]{0,200}"instId"\s*:\s*"([A-Z0-9-]{1,40})"[^}]{0,200}\}\s*,\s*"data"')


class MarketFeed:
    """Best bid and offer of `handlers`' symbols. `link` is who carries it."""

    def __init__(
        self, venue: str, handlers: Mapping[str, QuoteHandler], *, units: Mapping[str, Decimal], clock: Clock,
        link: Callable[[], Link], connects: Budget,
    ) -> None:  # fmt: skip
        self._venue = venue
        self._handlers = handlers
        self._units = units
        self._link = link
        self._clock = clock
        self._connects = connects
        self._newest = Newest(_BOOK, self._decode, clock=clock, lost=lambda why: link().drop(why))
        self._last: dict[str, tuple[int, int]] = {}

    async def opening(self) -> Opening:
        await turn(self._connects, self._clock, Use.UPKEEP)
        self._last.clear()
        return Opening((subscription([{"channel": stream.BOOK, "instId": symbol} for symbol in self._handlers]),))

    async def resync(self) -> None:
        """Nothing to catch up on: an old quote is worth nothing."""

    def take(self, data: bytes, recv_ns: int) -> None:
        if data == stream.PONG:
            self._link().pong()
        else:
            self._newest.take(data, recv_ns)

    def _decode(self, data: bytes, recv_ns: int) -> None:
        try:
            said = stream.message(data, self._units)
        except LinkDown as error:
            self._link().drop(str(error))
            return
        if type(said) is Leaving:
            self._link().drop(f"the venue closes it: {said.text}")
        if type(said) is not BookFacts:
            return
        # By time, then number: the number alone begins anew after a reset of the venue.
        if (said.at_ms, said.number) < self._last.get(said.symbol, (0, 0)):
            return
        self._last[said.symbol] = (said.at_ms, said.number)
        handler = self._handlers.get(said.symbol)
        if handler is not None:
            handler(quote_of(self._venue, said, recv_ns))
