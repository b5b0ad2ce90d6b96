"""A local Lighter: takes signed transactions, queues them, lets the sequencer execute them later, answers reads.

An answer of 200 says only that a transaction was queued. What became of it is told on the account's channels and by
its status. No I/O: a mount hands in requests and connections, the clock hands in time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exchanges.types import Fill
from exchanges.venues.exchange import Exchange, Market, VenueAccount
from exchanges.venues.faults import Faults
from exchanges.venues.ledger import PublicTrade, VenueOrder
from exchanges.venues.lighter import shapes
from exchanges.venues.lighter.reads import READS
from exchanges.venues.lighter.sequencer import Sequencer, parsed
from exchanges.venues.lighter.state import SENDS, LighterOptions, LighterState
from exchanges.venues.lighter.streams import LighterSession, LighterStreams
from exchanges.venues.lighter.wire import (
    CANCEL_ALL,
    CANCEL_ORDER,
    FIRST_ORDER_INDEX,
    LighterError,
    json_reply,
    read_form,
)
from exchanges.venues.local import LocalVenue, Target
from exchanges.venues.seam import Outlet, Reply, Request, StreamSession

FIRST_ORDER_ID = FIRST_ORDER_INDEX + 1


class Lighter(LocalVenue):
    """One local Lighter. `public_keys` gives each account's key, which clients compare with their own."""

    def __init__(
        self, exchange: Exchange, public_keys: Mapping[str, str], options: LighterOptions | None = None,
        faults: Faults | None = None,
    ) -> None:  # fmt: skip
        super().__init__(exchange, faults)
        self.state = LighterState(exchange, self.hub, public_keys, options or LighterOptions(), faults)
        self.streams = LighterStreams(self.state, self.request)
        self.sequencer = Sequencer(self.state, self.streams)
        exchange.audience = self

    # -- requests ------------------------------------------------------------------------------------------------

    def reply(self, request: Request) -> Reply:
        try:
            if self.maintenance:
                return Reply(503, b"<html><body>maintenance</body></html>", "text/html")
            if request.method == "POST" and request.path in SENDS:
                return json_reply(self._send_form(request))
            query = read_form(request.query.encode(), "")
            account = self._asker(request, query)
            self.state.spend(request.path, shapes.l1_address(account) if account else request.peer)
            answer = READS.get(request.path) if request.method == "GET" else None
            if answer is None:
                raise LighterError(29404, status=404)
            return json_reply(answer(self.sequencer, query, request))
        except LighterError as error:
            return error.reply()

    def _asker(self, request: Request, query: Mapping[str, str]) -> VenueAccount | None:
        """Whose budget a read uses: that of the account it names or proves."""
        token = request.headers.get("authorization") or query.get("auth", "")
        named = token.split(":")[1] if token.count(":") == 3 else query.get("account_index", "")
        return self.state.accounts.get(int(named)) if named.isascii() and named.isdigit() else None

    def target(self, request: Request) -> Target:
        if request.path not in SENDS:
            account = self._asker(request, read_form(request.query.encode(), ""))
            return Target("query", account.name if account else "")
        try:
            form = read_form(request.body, request.headers.get("content-type", ""))
            txs = parsed(form, batch=request.path == SENDS[1], now_ms=0)
        except LighterError:
            return Target("place", "")
        account = self.state.accounts.get(txs[0].account)
        kind = "cancel" if txs[0].type in (CANCEL_ORDER, CANCEL_ALL) else "place"
        return Target(kind, account.name if account else "")

    def failure(self, status: int) -> Reply:
        return LighterError(29500, status=status).reply()

    def rate_limited(self, wait_ns: int) -> Reply:
        return LighterError(23000, status=429).reply()

    def _send_form(self, request: Request) -> dict[str, Any]:
        form = read_form(request.body, request.headers.get("content-type", ""))
        batch = request.path == SENDS[1]
        txs = parsed(form, batch=batch, now_ms=self.exchange.now_ms())
        return self.sequencer.send(txs, batch=batch)

    # -- streams -------------------------------------------------------------------------------------------------

    def open_stream(self, request: Request, outlet: Outlet) -> StreamSession | Reply:
        if request.path != "/stream":
            return LighterError(29404, status=404).reply()
        session = LighterSession(self.streams, outlet, silence_ns=self.state.options.silence_ns)
        self.hub.join(session)
        session.welcome()
        return session

    def on_accepted(self, order: VenueOrder) -> None:
        self.streams.changed(order)

    def on_fill(self, order: VenueOrder, fill: Fill) -> None:
        self.streams.changed(order)
        self.streams.traded(fill)
        self.filled(fill)

    def on_ended(self, order: VenueOrder) -> None:
        self.streams.changed(order)

    def on_shrunk(self, order: VenueOrder) -> None:
        self.streams.changed(order)

    def on_book(self, market: Market) -> None:
        self.streams.book(market)

    def on_trade(self, market: Market, trade: PublicTrade) -> None:
        self.state.days[trade.symbol].take(trade)
        self.streams.trade(trade)
