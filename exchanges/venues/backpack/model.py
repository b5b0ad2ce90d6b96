"""A local Backpack: routes requests to the exchange behind it, checks signatures and budgets, feeds the streams.

No I/O: a mount hands in requests and connections, the clock hands in time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exchanges.types import Fill, MarketKind, OrderType, Refusal, Refused, Side
from exchanges.venues.backpack import account as private
from exchanges.venues.backpack import public
from exchanges.venues.backpack.orders import Payload, order_object, read_payload
from exchanges.venues.backpack.streams import BackpackSession, BackpackStreams
from exchanges.venues.backpack.wire import (
    INSTRUCTIONS,
    REFUSALS,
    TEXTS,
    WINDOW_MS,
    ApiError,
    PayloadError,
    check_window,
    json_reply,
    object_of,
    read_body,
    read_query,
    signed_texts,
    text_of,
    uint32_of,
    verifies,
)
from exchanges.venues.exchange import Exchange, Market, VenueAccount
from exchanges.venues.faults import Faults
from exchanges.venues.ledger import PublicTrade, VenueOrder
from exchanges.venues.limits import SlidingWindow
from exchanges.venues.local import LocalVenue, Target
from exchanges.venues.seam import Outlet, Reply, Request, StreamSession

S = 1_000_000_000
BATCH_MAX = 50  # assumed: the venue does not say how many orders a batch may have


@dataclass(frozen=True, slots=True)
class BackpackOptions:
    """What the venue's documents leave open, each to be switched.

    `post_only_expires`: an order that would take is accepted and expires, instead of being refused with 400.
    `gone_status`: the HTTP status of a cancel of an order that is not open. `requests_per_minute`: by API key, and by
    address without one; the venue publishes no numbers. `verifies`: of a key, a signature and the texts that it may
    cover, whether it covers one.
    """

    post_only_expires: bool = False
    gone_status: int = 404
    requests_per_minute: int = 6_000
    ping_every_ns: int = 60 * S
    pong_within_ns: int = 120 * S
    verifies: Callable[[str, str, Iterable[str]], bool] = verifies


class Backpack(LocalVenue):
    """One local Backpack. `keys` gives the account of each base64 verifying key."""

    def __init__(
        self, exchange: Exchange, keys: Mapping[str, str], options: BackpackOptions | None = None,
        faults: Faults | None = None,
    ) -> None:  # fmt: skip
        super().__init__(exchange, faults)
        self.keys = dict(keys)
        self.options = options or BackpackOptions()
        self._days = {symbol: public.Day() for symbol in exchange.markets}
        self._budget = SlidingWindow(self.options.requests_per_minute, 60 * S)
        self.streams = BackpackStreams(exchange, self.hub, self.keys, self._days, verifies=self.options.verifies)
        exchange.audience = self

    def reply(self, request: Request) -> Reply:
        try:
            self._spend(request)
            if self.maintenance and request.path != "/api/v1/status":
                raise ApiError(503, "MAINTENANCE", "The exchange is under maintenance")
            route = (request.method, request.path)
            if route in PUBLIC:
                return PUBLIC[route](self, read_query(request.query))
            if route in COMMANDS:
                account, sent = self._authenticated(request)
                return COMMANDS[route](self, account, read_body(request.body) if sent is None else sent)
            if request.method == "GET" and request.path in READS:
                account, _ = self._authenticated(request)
                return json_reply(READS[request.path](self.exchange, account, read_query(request.query)))
            raise ApiError(404, "RESOURCE_NOT_FOUND", f"no {request.method} {request.path} on this local venue")
        except ApiError as error:
            return error.reply()

    def open_stream(self, request: Request, outlet: Outlet) -> StreamSession | Reply:
        session = BackpackSession(
            self.streams, outlet,
            ping_every_ns=self.options.ping_every_ns, pong_within_ns=self.options.pong_within_ns,
        )  # fmt: skip
        self.hub.join(session)
        return session

    def target(self, request: Request) -> Target:
        account = self.keys.get(request.headers.get("x-api-key", ""), "")
        order = request.path.startswith("/api/v1/order")
        kind = {"POST": "place", "DELETE": "cancel"}.get(request.method) if order else None
        return Target(kind or ("query" if account else "public"), account)

    def failure(self, status: int) -> Reply:
        return ApiError(status, "TIMEOUT" if status == 504 else "SERVER_ERROR", "Internal server error").reply()

    def rate_limited(self, wait_ns: int) -> Reply:
        return ApiError(429, "TOO_MANY_REQUESTS", "Too many requests").reply()

    # -- admission -----------------------------------------------------------------------------------------------

    def _spend(self, request: Request) -> None:
        key = request.headers.get("x-api-key", request.peer)
        now_ns = self.exchange.clock.now_ns()
        if not self._budget.take(key if key in self.keys else request.peer, now_ns=now_ns):
            raise ApiError(429, "TOO_MANY_REQUESTS", "Too many requests")

    def _authenticated(self, request: Request) -> tuple[VenueAccount, Any]:
        """The account whose key signed this request, and what its body says, None without one. Raises: ApiError."""
        headers = request.headers
        key, signature, timestamp = headers.get("x-api-key"), headers.get("x-signature"), headers.get("x-timestamp")
        if not key or not signature or not timestamp:
            raise ApiError(401, "UNAUTHORIZED", "Missing X-API-Key, X-Signature or X-Timestamp")
        if key not in self.keys:
            raise ApiError(401, "UNAUTHORIZED", "Unknown API key")
        window = headers.get("x-window", str(WINDOW_MS))
        check_window(timestamp, window, now_ms=self.exchange.now_ms())
        sent = read_body(request.body) if request.body else None
        texts = signed_texts(
            INSTRUCTIONS[request.method, request.path], query=request.query, sent=sent, timestamp=timestamp,
            window=window,
        )  # fmt: skip
        if not self.options.verifies(key, signature, texts):
            raise ApiError(400, "INVALID_SIGNATURE", "Invalid signature")
        return self.exchange.accounts[self.keys[key]], sent

    # -- orders --------------------------------------------------------------------------------------------------

    def place(self, account: VenueAccount, sent: Any) -> Reply:
        return json_reply(order_object(self._place(account, read_payload(object_of(sent)))))

    def place_batch(self, account: VenueAccount, items: Any) -> Reply:
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise PayloadError("expected a list of orders")
        if not 0 < len(items) <= BATCH_MAX:
            raise ApiError(400, "INVALID_CLIENT_REQUEST", f"a batch has 1 to {BATCH_MAX} orders")
        return json_reply([self._place_one(account, item) for item in items])

    def _place_one(self, account: VenueAccount, fields: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return {"operation": "Ok", **order_object(self._place(account, read_payload(fields)))}
        except ApiError as error:
            return {"operation": "Err", "code": error.code, "message": error.message}

    def _place(self, account: VenueAccount, payload: Payload) -> VenueOrder:
        """Raises: ApiError."""
        market = self.exchange.markets.get(payload.symbol)
        if market is None:
            raise ApiError(400, "INVALID_SYMBOL", f"Invalid symbol {payload.symbol[:40]}")
        qty, takes = self._qty(market, payload), payload.type is OrderType.MARKET or payload.time_in_force != "GTC"
        rule = None if self.faults is None else self.faults.on_order(account.name, payload.symbol, takes=takes)
        fault = "" if rule is None else rule.fault
        if rule is not None and fault == "order_refused":
            raise _refusal(Refused(Refusal(rule.reason), "refused by the fault plan"), market)
        placed = self.exchange.place(
            account, payload.request(account.name, qty=qty, worst_price=_bound(market, payload)),
            fill_or_kill=payload.time_in_force == "FOK", detail=payload,
            ends_on=(Refusal.POST_ONLY,) if self.options.post_only_expires else (),
            most=qty * rule.share if rule is not None and fault == "partly_taken" else None,
            hold_ns=rule.for_ns if rule is not None and fault == "stuck_pending" else 0,
        )  # fmt: skip
        if isinstance(placed, Refused):
            raise _refusal(placed, market)
        return placed

    def _qty(self, market: Market, payload: Payload) -> Decimal:
        if payload.qty is not None:
            return payload.qty
        assert payload.quote_qty is not None
        qty = self.exchange.qty_for(market, payload.side, payload.quote_qty)
        if not qty:
            raise ApiError(400, "INVALID_QUANTITY", "Quantity below the minimum")
        return qty

    def cancel(self, account: VenueAccount, sent: Any) -> Reply:
        fields = object_of(sent)
        fields["clientId"] = uint32_of(fields, "clientId")
        try:
            order = private.find_open(account, fields)
            rule = None if self.faults is None else self.faults.on_cancel(account.name, order.symbol)
            if rule is not None and rule.fault == "cancel_too_late":
                self.exchange.hit(order, order.book.leaves * order.instrument.lot * rule.share)
                order = private.find_open(account, fields)
        except ApiError as error:
            gone = error.code == "RESOURCE_NOT_FOUND"
            raise ApiError(self.options.gone_status, error.code, error.message) if gone else error from None
        if rule is not None and rule.fault == "cancel_pending":
            self.exchange.clock.call_at(self.exchange.clock.now_ns() + rule.delay_ns, self.exchange.cancel, order)
            return Reply(202)
        self.exchange.cancel(order)
        return json_reply(order_object(order))

    def cancel_all(self, account: VenueAccount, sent: Any) -> Reply:
        fields = object_of(sent)
        market = public.find_market(self.exchange, {"symbol": text_of(fields, "symbol") or ""})
        if text_of(fields, "orderType") == "ConditionalOrder":
            return json_reply([])
        cancelled = [order for order in account.open.values() if order.symbol == market.instrument.symbol]
        for order in cancelled:
            self.exchange.cancel(order)
        return json_reply([order_object(order) for order in cancelled])

    # -- what the exchange tells ---------------------------------------------------------------------------------

    def on_accepted(self, order: VenueOrder) -> None:
        self.streams.order("orderAccepted", order)

    def on_fill(self, order: VenueOrder, fill: Fill) -> None:
        self.streams.filled(order, fill)
        self.filled(fill)

    def on_ended(self, order: VenueOrder) -> None:
        self.streams.ended(order)

    def on_shrunk(self, order: VenueOrder) -> None:
        self.streams.order("orderModified", order)

    def on_book(self, market: Market) -> None:
        self.streams.book(market)

    def on_trade(self, market: Market, trade: PublicTrade) -> None:
        self._days[market.instrument.symbol].take(trade)
        self.streams.trade(trade)

    # -- public answers ------------------------------------------------------------------------------------------

    def status(self, query: Mapping[str, str]) -> Reply:
        return json_reply({"status": "Maintenance" if self.maintenance else "Ok", "message": None})

    def time(self, query: Mapping[str, str]) -> Reply:
        return Reply(200, str(self.exchange.now_ms()).encode(), "text/plain; charset=utf-8")

    def tick(self, query: Mapping[str, str]) -> Reply:
        market = public.find_market(self.exchange, query)
        day = self._days[market.instrument.symbol]
        return json_reply(public.ticker(market, day)) if day.trades else Reply(204)

    def ticks(self, query: Mapping[str, str]) -> Reply:
        days = ((self.exchange.markets[symbol], day) for symbol, day in self._days.items() if day.trades)
        return json_reply([public.ticker(market, day) for market, day in days])

    def marks(self, query: Mapping[str, str]) -> Reply:
        markets = [public.find_market(self.exchange, query)] if "symbol" in query else private.perps(self.exchange)
        return json_reply([public.mark_object(market, now_ms=self.exchange.now_ms()) for market in markets])

    def markets(self, query: Mapping[str, str]) -> Reply:
        return json_reply([public.market_object(market) for market in self.exchange.markets.values()])

    def market(self, query: Mapping[str, str]) -> Reply:
        return json_reply(public.market_object(public.find_market(self.exchange, query)))

    def depth(self, query: Mapping[str, str]) -> Reply:
        market = public.find_market(self.exchange, query)
        return json_reply(public.depth(market, query, now_us=self.exchange.now_ms() * 1000))

    def trades(self, query: Mapping[str, str]) -> Reply:
        return json_reply(public.trade_objects(public.find_market(self.exchange, query), query))


def _bound(market: Market, payload: Payload) -> Decimal | None:
    """How far a market order may walk."""
    if payload.type is not OrderType.MARKET or not market.book.quoted:
        return None
    best = market.book.best(payload.side.opposite) * market.instrument.tick
    return best * (1 + public.IMPACT if payload.side is Side.BUY else 1 - public.IMPACT)


def _refusal(refused: Refused, market: Market) -> ApiError:
    status, code = REFUSALS[refused.refusal]
    if refused.refusal is Refusal.MARGIN and market.instrument.kind is MarketKind.SPOT:
        code = "INSUFFICIENT_FUNDS"
    return ApiError(status, code, TEXTS.get(refused.refusal) or refused.text[:1].upper() + refused.text[1:])


_Public = Callable[[Backpack, Mapping[str, str]], Reply]
PUBLIC: Mapping[tuple[str, str], _Public] = {
    ("GET", "/api/v1/status"): Backpack.status,
    ("GET", "/api/v1/ping"): lambda _, __: Reply(200, b"pong", "text/plain; charset=utf-8"),
    ("GET", "/api/v1/time"): Backpack.time,
    ("GET", "/api/v1/assets"): lambda venue, _: json_reply(public.assets(venue.exchange)),
    ("GET", "/api/v1/securities"): lambda _, __: json_reply([]),
    ("GET", "/api/v1/markets"): Backpack.markets,
    ("GET", "/api/v1/market"): Backpack.market,
    ("GET", "/api/v1/depth"): Backpack.depth,
    ("GET", "/api/v1/ticker"): Backpack.tick,
    ("GET", "/api/v1/tickers"): Backpack.ticks,
    ("GET", "/api/v1/markPrices"): Backpack.marks,
    ("GET", "/api/v1/trades"): Backpack.trades,
}

_Read = Callable[[Exchange, VenueAccount, Mapping[str, str]], object]
READS: Mapping[str, _Read] = {
    "/api/v1/order": lambda _, account, query: order_object(private.find_open(account, query)),
    "/api/v1/orders": private.open_orders,
    "/api/v1/position": lambda exchange, account, query: private.positions(exchange, account, query.get("symbol")),
    "/api/v1/capital": lambda exchange, account, _: private.capital(exchange, account),
    "/api/v1/capital/collateral": lambda exchange, account, _: private.collateral(exchange, account),
    "/api/v1/account": lambda exchange, account, _: private.summary(exchange, account),
    "/api/v1/account/limits/order": private.most_quantity,
    "/wapi/v1/history/fills": private.fills,
    "/wapi/v1/history/orders": private.past_orders,
    "/wapi/v1/history/funding": lambda _, __, ___: [],
}

_Command = Callable[[Backpack, VenueAccount, Any], Reply]
COMMANDS: Mapping[tuple[str, str], _Command] = {
    ("POST", "/api/v1/order"): Backpack.place,
    ("POST", "/api/v1/orders"): Backpack.place_batch,
    ("DELETE", "/api/v1/order"): Backpack.cancel,
    ("DELETE", "/api/v1/orders"): Backpack.cancel_all,
}
