"""A local BiFu: signed questions, orders of its accounts, private streams that tell every fill. No I/O.

The venue's own trade ids are numbers; on the wire a match is named by a UUID that ends with its number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from exchanges.types import Fill
from exchanges.venues.bifu import orders, shapes
from exchanges.venues.bifu.shapes import HALVES
from exchanges.venues.bifu.streams import BifuStreams
from exchanges.venues.bifu.wire import BifuError, bad, count_of, good, read_object, read_query, signer_of
from exchanges.venues.exchange import Exchange, Market, VenueAccount
from exchanges.venues.faults import Faults
from exchanges.venues.ledger import PublicTrade, VenueOrder
from exchanges.venues.limits import SlidingWindow
from exchanges.venues.local import LocalVenue, Target
from exchanges.venues.seam import Outlet, Reply, Request, StreamSession

S = 1_000_000_000
PRIVATE = "/api/v1/private/"


@dataclass(frozen=True, slots=True)
class BifuOptions:
    """What the notes leave open. `requests_per_second`: of one account; a market-maker endpoint was quoted with it."""

    requests_per_second: int = 10
    burst_s: int = 3  # over how long they are counted


class Bifu(LocalVenue):
    """One local BiFu. `keys` gives the account of each access key, `secrets` its secret."""

    def __init__(
        self, exchange: Exchange, keys: Mapping[str, str], secrets: Mapping[str, str],
        options: BifuOptions | None = None, faults: Faults | None = None,
    ) -> None:  # fmt: skip
        super().__init__(exchange, faults)
        self.keys = dict(keys)
        self.secrets = dict(secrets)
        self.options = options or BifuOptions()
        self.streams = BifuStreams(exchange, self.hub, faults)
        most = self.options.requests_per_second * self.options.burst_s
        self._budget = SlidingWindow(most, self.options.burst_s * S)
        exchange.audience = self

    # -- requests ------------------------------------------------------------------------------------------------

    def reply(self, request: Request) -> Reply:
        try:
            return good(self._answer(request), now_ms=self.exchange.now_ms())
        except BifuError as error:
            return bad(error, now_ms=self.exchange.now_ms())

    def _answer(self, request: Request) -> object:
        if self.maintenance:
            raise BifuError("SYSTEM_MAINTENANCE", "the venue is under maintenance", status=503)
        route = (request.method, request.path)
        if route in PUBLIC:
            return PUBLIC[route](self, read_query(request.query))
        if not request.path.startswith(PRIVATE):
            raise BifuError("NOT_FOUND", f"no {request.method} {request.path} on this local venue", status=404)
        account = self._signed_by(request)
        if not self._budget.take(account.name, now_ns=self.exchange.clock.now_ns()):
            raise BifuError("TOO_MANY_REQUESTS", "too many requests", status=429)
        if route == ("GET", "/api/v1/private/spot/account/getAccountAsset"):
            return shapes.assets(account, self.exchange.markets.values(), version=len(self.exchange.ledger.fills))
        for half in HALVES:
            ahead = f"{PRIVATE}{half.word}/order/"
            if request.path.startswith(ahead):
                return self._about_orders(request, half, account, request.path.removeprefix(ahead))
        raise BifuError("NOT_FOUND", f"no {request.method} {request.path} on this local venue", status=404)

    def _about_orders(self, request: Request, half: shapes.Half, account: VenueAccount, what: str) -> object:
        desk = orders.OrderDesk(self.exchange, half, account, self.faults)
        if request.method == "GET" and what in orders.READS:
            return orders.READS[what](desk, read_query(request.query))
        if request.method == "POST" and what in orders.COMMANDS:
            return orders.COMMANDS[what](desk, read_object(request.body))
        raise BifuError("NOT_FOUND", f"no {request.method} {request.path} on this local venue", status=404)

    def _signed_by(self, request: Request) -> VenueAccount:
        key = signer_of(request.path, request.headers, self.secrets, now_ms=self.exchange.now_ms())
        return self.exchange.accounts[self.keys[key]]

    def open_stream(self, request: Request, outlet: Outlet) -> StreamSession | Reply:
        half = next((half for half in HALVES if request.path in half.streams), None)
        try:
            if half is None:
                raise BifuError("NOT_FOUND", f"no stream {request.path}", status=404)
            if self.maintenance:
                raise BifuError("SYSTEM_MAINTENANCE", "the venue is under maintenance", status=503)
            return self.streams.open(self._signed_by(request), half, outlet)
        except BifuError as error:
            return bad(error, now_ms=self.exchange.now_ms())

    def target(self, request: Request) -> Target:
        account = self.keys.get(request.headers.get("decode-mm-auth-access-key", ""), "")
        what = request.path.rpartition("/")[2]
        kind = "place" if what.startswith("create") else "cancel" if what.startswith("cancel") else "query"
        return Target(kind if account else "public", account)

    def failure(self, status: int) -> Reply:
        return bad(BifuError("UNKNOWN", "internal error", status=status), now_ms=self.exchange.now_ms())

    def rate_limited(self, wait_ns: int) -> Reply:
        return bad(BifuError("TOO_MANY_REQUESTS", "too many requests", status=429), now_ms=self.exchange.now_ms())

    # -- what the exchange tells ---------------------------------------------------------------------------------

    def on_accepted(self, order: VenueOrder) -> None:
        self.streams.changed(order)

    def on_fill(self, order: VenueOrder, fill: Fill) -> None:
        self.streams.filled(order, fill)
        self.filled(fill)

    def on_ended(self, order: VenueOrder) -> None:
        self.streams.changed(order)

    def on_shrunk(self, order: VenueOrder) -> None:
        self.streams.changed(order)

    def on_book(self, market: Market) -> None: ...

    def on_trade(self, market: Market, trade: PublicTrade) -> None:
        self.streams.traded(trade)

    # -- public --------------------------------------------------------------------------------------------------

    def metadata(self, query: Mapping[str, str]) -> object:
        return shapes.metadata(self.exchange.markets.values())

    def depth(self, query: Mapping[str, str]) -> object:
        market = self._market(query)
        return shapes.depth(market, levels=count_of(query, "level", default=15, most=200))

    def ticker(self, query: Mapping[str, str]) -> object:
        market = self._market(query)
        last = market.trades[-1].price if market.trades else market.mark
        name = format(last, "f")
        return [
            {
                "instrumentId": query["instrumentId"], "lastPrice": name, "size": "0", "value": "0", "high": name,
                "low": name, "open": name, "close": name,
            }
        ]  # fmt: skip

    def _market(self, query: Mapping[str, str]) -> Market:
        wanted = query.get("instrumentId", "")
        for market in self.exchange.markets.values():
            if shapes.half_of(market).market_id(market) == wanted:
                return market
        raise BifuError("INVALID_SYMBOL", f"no instrument {wanted[:40]}")


PUBLIC: Mapping[tuple[str, str], Callable[[Bifu, Mapping[str, str]], Any]] = {
    ("GET", "/api/v1/public/meta/getMetaData"): Bifu.metadata,
    ("GET", "/api/v1/public/quote/getDepth"): Bifu.depth,
    ("GET", "/api/v1/public/quote/getTicker"): Bifu.ticker,
}
