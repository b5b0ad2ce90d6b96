"""A local Binance, spot or USD-M futures: routes requests, checks signatures and budgets, feeds the streams.

No I/O: a mount hands in requests and connections, the clock hands in time.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from exchanges.types import Cancellable, Fill, MarketKind
from exchanges.venues.binance import public
from exchanges.venues.binance.frames import ending
from exchanges.venues.binance.routes import ROUTES, WS_ROUTES, Route, Security
from exchanges.venues.binance.streams import ApiSession, BinanceStreams, listen_keys_named, streams_named
from exchanges.venues.binance.trading import ORDERS_IN_10S, BinanceOptions, Trading
from exchanges.venues.binance.wire import (
    ApiError,
    Fields,
    Key,
    check_form_signature,
    check_params_signature,
    check_time,
    json_reply,
    read_form,
    read_json,
    read_params,
    wrong,
)
from exchanges.venues.compact import compact
from exchanges.venues.exchange import Exchange, Market, VenueAccount
from exchanges.venues.faults import Faults
from exchanges.venues.ledger import PublicTrade, VenueOrder
from exchanges.venues.limits import SlidingWindow
from exchanges.venues.local import LocalVenue, Target
from exchanges.venues.seam import Outlet, Reply, Request, StreamSession

S = 1_000_000_000
LISTEN_KEY_NS = 3600 * S
WEIGHT_A_MINUTE = {MarketKind.SPOT: 6_000, MarketKind.PERP: 2_400}
API_PATHS = {MarketKind.SPOT: "/ws-api/v3", MarketKind.PERP: "/ws-fapi/v1"}


class Binance(LocalVenue):
    """One local Binance; the kind of its first market makes it spot or futures. `keys` are those of all accounts."""

    def __init__(
        self, exchange: Exchange, keys: Mapping[str, Key], options: BinanceOptions | None = None,
        faults: Faults | None = None,
    ) -> None:  # fmt: skip
        super().__init__(exchange, faults)
        self.keys = dict(keys)
        self.options: BinanceOptions = options or BinanceOptions()
        self.kind = next(iter(exchange.markets.values())).instrument.kind
        self._weights = SlidingWindow(WEIGHT_A_MINUTE[self.kind], 60 * S)
        self._listen_keys: dict[str, str] = {}
        self._expiries: dict[str, Cancellable] = {}
        self.streams = BinanceStreams(
            exchange, self.hub, signer=self._signer, owner=self._owner,
            is_hmac=lambda api_key: bool(self.keys[api_key].secret),
            listener=lambda key: self._listen_keys.get(key, ""),
        )  # fmt: skip
        self.trading: Trading = Trading(exchange, self.streams, self.options, faults)
        exchange.audience = self

    def reply(self, request: Request) -> Reply:
        try:
            if self.maintenance:
                raise ApiError(503, -1008, "Server is currently overloaded with other requests.")
            route, fields, account = self._admitted(request)
            return json_reply(route.run(self, account, fields))
        except ApiError as error:
            return error.reply()

    def open_stream(self, request: Request, outlet: Outlet) -> StreamSession | Reply:
        parts = request.path.strip("/").split("/")
        try:
            if request.path == API_PATHS[self.kind]:
                session = ApiSession(self.streams, outlet, request.peer, self.request)
                self.hub.join(session)
                return session
            if self.kind is MarketKind.PERP and parts[0] == "private":
                return self._open_user(request, outlet, parts[1:])
            if self.kind is MarketKind.PERP:
                if parts[0] not in ("public", "market"):
                    raise ApiError(404, -1000, "retired on 2026-04-23: use /public, /market or /private")
                parts = parts[1:]
            if parts[:1] == ["ws"]:
                return self.streams.open_market(outlet, parts[1:], combined=False)
            if parts == ["stream"]:
                return self.streams.open_market(outlet, streams_named(request.query), combined=True)
            raise ApiError(404, -1000, f"no stream at {request.path[:80]}")
        except ApiError as error:
            return error.reply()

    def _open_user(self, request: Request, outlet: Outlet, parts: list[str]) -> StreamSession:
        """Raises: ApiError."""
        named = parts[1:] or listen_keys_named(request.query)
        if parts[:1] not in (["ws"], ["stream"]):
            raise ApiError(404, -1000, f"no stream at {request.path[:80]}")
        if any(key not in self._listen_keys for key in named):
            raise wrong(-1125, "This listenKey does not exist.")
        return self.streams.open_user(outlet, named, combined=parts[0] == "stream")

    def target(self, request: Request) -> Target:
        key = self.keys.get(self._fields(request)[1])
        route = self._route(request)
        kind = route.target if route is not None and key is not None else "public"
        return Target(kind, "" if key is None else key.account)

    def failure(self, status: int) -> Reply:
        if status == 504:
            return ApiError(504, -1007, TIMEOUT).reply()
        return ApiError(status, -1000, "An unknown error occurred while processing the request.").reply()

    def rate_limited(self, wait_ns: int) -> Reply:
        return ApiError(429, -1003, TOO_MUCH, retry_ns=wait_ns).reply()

    # -- admission -----------------------------------------------------------------------------------------------

    def _route(self, request: Request) -> Route | None:
        if request.method == "WS":
            return WS_ROUTES[self.kind].get(request.path)
        return ROUTES[self.kind].get((request.method, request.path))

    def _fields(self, request: Request) -> tuple[dict[str, str], str]:
        """What a request says, and its API key; nothing of one that cannot be read."""
        if request.method != "WS":
            form = read_form(request.query) | read_form(request.body.decode("utf-8", "replace"))
            return form, request.headers.get("x-mbx-apikey", "")
        try:
            told = read_json(request.body.decode())
            fields = read_params(told.get("params") if isinstance(told, dict) else None)
        except ApiError:
            return {}, ""
        return fields, fields.get("apiKey") or request.headers.get("x-mbx-apikey", "")

    def _admitted(self, request: Request) -> tuple[Route, dict[str, str], VenueAccount | None]:
        """Raises: ApiError."""
        route = self._route(request)
        if route is None:
            raise ApiError(404, -1000, f"no {request.method} {request.path[:80]} on this local venue")
        if not self._weights.take(request.peer, now_ns=self.exchange.clock.now_ns(), weight=route.weight):
            wait_ns = self._weights.wait_ns(request.peer, now_ns=self.exchange.clock.now_ns())
            raise ApiError(429, -1003, TOO_MUCH, retry_ns=wait_ns)
        fields, api_key = self._fields(request)
        if route.security is Security.NONE:
            return route, fields, None
        key = self.keys.get(api_key)
        if key is None:
            raise ApiError(401, -2015, "Invalid API-key, IP, or permissions for action.")
        if route.security is Security.SIGNED:
            self._check_signed(request, key, fields)
        account = self.exchange.accounts[key.account]
        return route, fields, account

    def _check_signed(self, request: Request, key: Key, fields: Fields) -> None:
        """Raises: ApiError. On a connection with a logon, signature and key may be left out."""
        if request.method == "WS":
            if "apiKey" in fields or "signature" in fields or not request.headers["x-mbx-apikey"]:
                check_params_signature(key, fields)
        else:
            check_form_signature(
                key, request.query + request.body.decode("utf-8", "replace"), fields.get("signature", "")
            )
        check_time(fields, now_ms=self.exchange.now_ms())

    def _signer(self, params: Mapping[str, str]) -> str:
        """The account of signed params of a connection's own command. Raises: ApiError."""
        key = self.keys.get(params.get("apiKey", ""))
        if key is None:
            raise ApiError(401, -2015, "Invalid API-key, IP, or permissions for action.")
        check_params_signature(key, params)
        check_time(params, now_ms=self.exchange.now_ms())
        return key.account

    def _owner(self, api_key: str) -> str:
        return self.keys[api_key].account

    # -- listen keys ---------------------------------------------------------------------------------------------

    def listen_key(self, account: VenueAccount, fields: Fields) -> dict[str, Any]:
        """The key of the account's stream, made or valid for another hour."""
        key = next((key for key, owner in self._listen_keys.items() if owner == account.name), None)
        if key is None:
            made = f"{self.name}/{account.name}/{self.exchange.clock.now_ns()}"
            key = sha256(made.encode()).hexdigest()
            self._listen_keys[key] = account.name
        self._valid_again(key)
        return {"listenKey": key}

    def keep_listen_key(self, account: VenueAccount, fields: Fields) -> dict[str, Any]:
        for key, owner in self._listen_keys.items():
            if owner == account.name:
                self._valid_again(key)
                return {"listenKey": key}
        raise wrong(-1125, "This listenKey does not exist.")

    def close_listen_key(self, account: VenueAccount, fields: Fields) -> dict[str, Any]:
        for key, owner in tuple(self._listen_keys.items()):
            if owner == account.name:
                self._expire(key)
        return {}

    def _valid_again(self, key: str) -> None:
        if key in self._expiries:
            self._expiries[key].cancel()
        clock = self.exchange.clock
        self._expiries[key] = clock.call_at(clock.now_ns() + LISTEN_KEY_NS, self._expire, key)

    def _expire(self, key: str) -> None:
        """The stream stays open and tells nothing any more."""
        owner = self._listen_keys.pop(key)
        self._expiries.pop(key).cancel()
        event = {"e": "listenKeyExpired", "E": self.exchange.now_ms(), "listenKey": key}
        for session in tuple(self.hub.of_account(owner)):
            session.write(compact(event))
            for topic in tuple(session.topics):
                self.hub.unsubscribe(session, topic)

    # -- what the exchange tells ---------------------------------------------------------------------------------

    def on_accepted(self, order: VenueOrder) -> None:
        self.streams.order(order, "NEW")
        if self.kind is MarketKind.SPOT:
            self.streams.balances(self.exchange.accounts[order.account])

    def on_fill(self, order: VenueOrder, fill: Fill) -> None:
        self.streams.filled(order, fill)
        self.filled(fill)

    def on_ended(self, order: VenueOrder) -> None:
        self.streams.order(order, ending(order), cancel_id=self.trading.cancel_ids.get(order.order_id, ""))
        if self.kind is MarketKind.SPOT:
            self.streams.balances(self.exchange.accounts[order.account])

    def on_shrunk(self, order: VenueOrder) -> None:
        self.streams.order(order, "AMENDMENT")

    def on_book(self, market: Market) -> None:
        self.streams.book(market)

    def on_trade(self, market: Market, trade: PublicTrade) -> None:
        self.streams.trade(market, trade)

    # -- public answers ------------------------------------------------------------------------------------------

    def info(self, account: VenueAccount | None, fields: Fields) -> dict[str, Any]:
        limits = [
            {
                "rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1,
                "limit": WEIGHT_A_MINUTE[self.kind],
            },
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": ORDERS_IN_10S[self.kind]},
        ]  # fmt: skip
        return public.exchange_info(self.exchange, fields, limits=limits)


TIMEOUT = "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
TOO_MUCH = "Too much request weight used; please use the websocket for live updates to avoid polling the API."
