"""Binance's WebSockets: market streams, user data, and the WebSocket API. Pure.

Spot tells of an account on a connection of the WebSocket API, futures on a stream of its own that a listen key opens.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from exchanges.types import Fill, MarketKind
from exchanges.venues.binance import frames
from exchanges.venues.binance.wire import ApiError, Digits, read_json, read_params, wrong
from exchanges.venues.compact import compact
from exchanges.venues.depth import DepthFeed
from exchanges.venues.exchange import Exchange, Market, VenueAccount
from exchanges.venues.ledger import PublicTrade, VenueOrder
from exchanges.venues.limits import SlidingWindow
from exchanges.venues.seam import Answer, Outlet, Reply, Request
from exchanges.venues.streams import Hub, Session

S = 1_000_000_000
TOPICS_MAX = 1024  # streams of one connection
LIFE_NS = 24 * 3600 * S  # of a connection
PINGS: Mapping[MarketKind, tuple[int, int]] = {MarketKind.SPOT: (20 * S, 60 * S), MarketKind.PERP: (180 * S, 600 * S)}
MESSAGES_A_SECOND = {MarketKind.SPOT: 5, MarketKind.PERP: 10}  # of market connections; pings and pongs count
USER = "user"
DEPTH_NS = {"@100ms": S // 10, "@500ms": S // 2, "": S // 4, "@250ms": S // 4, "@1000ms": S}


class BinanceSession(Session):
    """One connection of a client to market or user data; `combined` wraps each event with its stream's name."""

    silent = (1008, "Pong timeout")

    def __init__(self, streams: BinanceStreams, outlet: Outlet, *, combined: bool = False) -> None:
        self.streams = streams
        self.combined = combined
        self.user_stream = USER  # the listen key by which the client knows its account's events
        every_ns, within_ns = PINGS[streams.kind]
        clock = streams.exchange.clock
        super().__init__(streams.hub, outlet, clock, ping_every_ns=every_ns, pong_within_ns=within_ns)
        self._messages = SlidingWindow(MESSAGES_A_SECOND[streams.kind], S)
        self._end = clock.call_at(clock.now_ns() + LIFE_NS, self.close, 1008, "Connection lifetime reached")

    def tell(self, account: str, kind: str, stream: str, event: Mapping[str, Any]) -> None:
        told: Mapping[str, Any] = {"stream": stream, "data": event} if self.combined else event
        self.streams.hub.send(self, account, kind, compact(told))

    def on_text(self, text: str) -> None:
        if not self._within():
            return
        try:
            told = self.streams.command(self, text)
        except ApiError as error:
            told = {"code": 2, "msg": f"Invalid request: {error.message}"}
        self.write(compact(told))

    def on_ping(self, payload: bytes) -> None:
        if self._within():
            super().on_ping(payload)

    def on_pong(self) -> None:
        if self._within():
            super().on_pong()

    def on_closed(self) -> None:
        self._end.cancel()
        super().on_closed()

    def _within(self) -> bool:
        if self.over or self._messages.take("", now_ns=self.streams.exchange.clock.now_ns()):
            return not self.over
        self.close(1008, "Too many requests")
        return False


class ApiSession(BinanceSession):
    """One connection of the WebSocket API. `api_key` is that of `session.logon`; events are wrapped, with a number."""

    def __init__(
        self, streams: BinanceStreams, outlet: Outlet, peer: str, request: Callable[[Request, Answer], None]
    ) -> None:
        super().__init__(streams, outlet)
        self.api_key = ""
        self.accounts: dict[str, int] = {}
        self._peer = peer
        self._request = request
        self._messages = SlidingWindow(1_000_000, S)  # bounded by weight

    def tell(self, account: str, kind: str, stream: str, event: Mapping[str, Any]) -> None:
        told = {"subscriptionId": self.accounts.get(account, 0), "event": event}
        self.streams.hub.send(self, account, kind, compact(told))

    def on_text(self, text: str) -> None:
        try:
            asked = read_json(text)
            method = asked.get("method") if isinstance(asked, dict) else None
            if not isinstance(method, str):
                raise wrong(-1135, "Invalid JSON Request: method expected")
            number = number_of(asked)
            own = OWN.get(method) if self.streams.kind is MarketKind.SPOT or method.startswith("session.") else None
            if own is None:
                headers = {"x-mbx-apikey": self.api_key}
                request = Request("WS", method, "", headers, text.encode(), self._peer)
                self._request(request, partial(self._answer, number))
                return
        except ApiError as error:
            self._answer(None, error.reply())
            return
        try:
            self._say(number, 200, result=own(self, read_params(asked.get("params"))))
        except ApiError as error:
            self._answer(number, error.reply())

    def _answer(self, number: object, reply: Reply | None) -> None:
        if reply is None:
            self.cut()
            return
        try:
            body = json.loads(reply.body)
        except ValueError:
            body = {"code": -1000, "msg": "An unknown error occurred while processing the request."}
        if reply.status == 200:
            self._say(number, 200, result=body)
            return
        error = dict(body)
        wait_s = next((value for name, value in reply.headers if name == "Retry-After"), None)
        if wait_s is not None:
            now_ms = self.streams.exchange.now_ms()
            error["data"] = {"serverTime": now_ms, "retryAfter": now_ms + int(wait_s) * 1000}
        self._say(number, reply.status, error=error)

    def _say(self, number: object, status: int, **told: object) -> None:
        self.write(compact({"id": number, "status": status, **told, "rateLimits": []}))

    # -- what concerns the connection itself

    def logon(self, params: Mapping[str, str]) -> dict[str, Any]:
        api_key = params.get("apiKey", "")
        self.streams.signer(params)
        if self.streams.is_hmac(api_key):
            raise wrong(-4056, "HMAC_SHA256 API key is not supported.")
        self.api_key = api_key
        return self.status({})

    def logout(self, _: Mapping[str, str]) -> dict[str, Any]:
        self.api_key = ""
        return self.status({})

    def status(self, _: Mapping[str, str]) -> dict[str, Any]:
        now_ms = self.streams.exchange.now_ms()
        since = now_ms if self.api_key else None
        return {
            "apiKey": self.api_key or None, "authorizedSince": since, "connectedSince": now_ms,
            "returnRateLimits": True, "serverTime": now_ms, "userDataStream": bool(self.accounts),
        }  # fmt: skip

    def subscribe(self, params: Mapping[str, str]) -> dict[str, Any]:
        if not self.api_key:
            raise wrong(-2015, "Invalid API-key, IP, or permissions for action.")
        return self._subscribed(self.streams.owner(self.api_key))

    def subscribe_signed(self, params: Mapping[str, str]) -> dict[str, Any]:
        return self._subscribed(self.streams.signer(params))

    def _subscribed(self, account: str) -> dict[str, Any]:
        if account in self.accounts:
            raise wrong(-1000, "There is already an active subscription for this account.")
        self.accounts[account] = len(self.accounts)
        self.streams.hub.subscribe(self, (account, USER))
        return {"subscriptionId": self.accounts[account]}

    def unsubscribe(self, _: Mapping[str, str]) -> dict[str, Any]:
        for account in self.accounts:
            self.streams.hub.unsubscribe(self, (account, USER))
        self.accounts.clear()
        return {}


_Own = Callable[[ApiSession, Mapping[str, str]], dict[str, Any]]
OWN: Mapping[str, _Own] = {
    "session.logon": ApiSession.logon,
    "session.logout": ApiSession.logout,
    "session.status": ApiSession.status,
    "userDataStream.subscribe": ApiSession.subscribe,
    "userDataStream.subscribe.signature": ApiSession.subscribe_signed,
    "userDataStream.unsubscribe": ApiSession.unsubscribe,
}


class BinanceStreams:
    """All connections, and what they hear. `signer` checks signed params; it and `owner` give the account of a key.

    `listener` gives the account of a listen key, "" for what is none.
    """

    def __init__(
        self, exchange: Exchange, hub: Hub, *, signer: Callable[[Mapping[str, str]], str],
        owner: Callable[[str], str], is_hmac: Callable[[str], bool], listener: Callable[[str], str],
    ) -> None:  # fmt: skip
        self.exchange = exchange
        self.hub = hub
        self.kind = next(iter(exchange.markets.values())).instrument.kind
        self.signer = signer
        self.owner = owner
        self.is_hmac = is_hmac
        self.listener = listener
        self._depth: dict[str, DepthFeed] = {}
        self._best: dict[str, tuple[object, ...]] = {}

    # -- subscriptions -------------------------------------------------------------------------------------------

    def open_market(self, outlet: Outlet, names: list[str], *, combined: bool) -> BinanceSession:
        """Names in an address that are no streams say nothing: ccxt numbers its connections there."""
        session = BinanceSession(self, outlet, combined=combined)
        self.hub.join(session)
        for name in names:
            with suppress(ApiError):
                self._subscribe(session, name)
        return session

    def open_user(self, outlet: Outlet, listen_keys: list[str], *, combined: bool) -> BinanceSession:
        session = BinanceSession(self, outlet, combined=combined)
        self.hub.join(session)
        for key in listen_keys:
            self._listen(session, key)
        return session

    def _listen(self, session: BinanceSession, key: str) -> None:
        session.user_stream = key
        self.hub.subscribe(session, (self.listener(key), USER))

    def command(self, session: BinanceSession, text: str) -> dict[str, Any]:
        """Raises: ApiError."""
        told = read_json(text)
        names = told.get("params", []) if isinstance(told, dict) else None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise wrong(2, "expected an object with a method and a list of params")
        number = number_of(told)
        method = told.get("method")
        if method == "SUBSCRIBE":
            for name in names:
                self._subscribe(session, name)
        elif method == "UNSUBSCRIBE":
            for name in names:
                self.hub.unsubscribe(session, ("", name))
        elif method == "LIST_SUBSCRIPTIONS":
            return {"result": [name for account, name in session.topics if not account], "id": number}
        else:
            raise wrong(2, f"unknown variant {str(method)[:40]}")
        return {"result": None, "id": number}

    def _subscribe(self, session: BinanceSession, name: str) -> None:
        if self.listener(name):
            self._listen(session, name)
            return
        symbol, _, kind = name.partition("@")
        market = self.exchange.markets.get(symbol.upper())
        if market is None or symbol != symbol.lower() or not (kind in ("bookTicker", "trade") or _depth_ns(kind)):
            raise wrong(2, f"invalid stream {name[:80]}")
        if len(session.topics) >= TOPICS_MAX:
            raise wrong(2, f"more than {TOPICS_MAX} streams on one connection")
        self.hub.subscribe(session, ("", name))
        if kind == "bookTicker":
            data = frames.book_ticker(market, now_ms=self.exchange.now_ms())
            if data is not None:
                session.tell("", "book", name, data)
        elif kind.startswith("depth") and name not in self._depth:
            self._depth[name] = DepthFeed(market)
            self._again(_depth_ns(kind), self._tell_depth, name, _depth_ns(kind))

    # -- private -------------------------------------------------------------------------------------------------

    def order(self, order: VenueOrder, what: str, *, fill: Fill | None = None, cancel_id: str = "") -> None:
        event = frames.order_event(order, what, now_ms=self.exchange.now_ms(), fill=fill, cancel_id=cancel_id)
        self._private(order.account, "order" if fill is None else "fill", event)

    def filled(self, order: VenueOrder, fill: Fill) -> None:
        """On futures the account comes before the order's frame, on spot behind it."""
        account, market = self.exchange.accounts[order.account], self.exchange.markets[order.symbol]
        if self.kind is MarketKind.PERP:
            self._private(account.name, "position", frames.account_event(self.exchange, account, market))
        self.order(order, frames.execution(order), fill=fill)
        if self.kind is MarketKind.SPOT:
            self.balances(account)

    def balances(self, account: VenueAccount) -> None:
        self._private(account.name, "balance", frames.spot_balance_event(self.exchange, account))

    def _private(self, account: str, kind: str, event: Mapping[str, Any]) -> None:
        for session in self.hub.of_account(account):
            assert isinstance(session, BinanceSession)
            session.tell(account, kind, session.user_stream, event)

    # -- public --------------------------------------------------------------------------------------------------

    def book(self, market: Market) -> None:
        symbol = market.instrument.symbol
        name = f"{symbol.lower()}@bookTicker"
        if self.hub.is_heard(("", name)):
            data = frames.book_ticker(market, now_ms=self.exchange.now_ms())
            if data is not None and self._best.get(symbol) != (best := (data["a"], data["A"], data["b"], data["B"])):
                self._best[symbol] = best
                self._public(name, "book", data)

    def trade(self, market: Market, trade: PublicTrade) -> None:
        name = f"{trade.symbol.lower()}@trade"
        if self.hub.is_heard(("", name)):
            self._public(name, "trade", frames.trade_event(market, trade))

    def _public(self, name: str, kind: str, data: Mapping[str, Any]) -> None:
        for session in tuple(self.hub.sessions):
            if ("", name) in session.topics and isinstance(session, BinanceSession):
                session.tell("", kind, name, data)

    def _tell_depth(self, name: str, every_ns: int) -> None:
        if not self.hub.is_heard(("", name)):
            del self._depth[name]
            return
        feed = self._depth[name]
        changes = feed.changes()
        if changes is not None:
            self._public(name, "book", frames.depth_event(feed.market, changes, now_ms=self.exchange.now_ms()))
        self._again(every_ns, self._tell_depth, name, every_ns)

    def _again(self, after_ns: int, callback: Callable[..., None], *args: object) -> None:
        self.exchange.clock.call_at(self.exchange.clock.now_ns() + after_ns, callback, *args)


def number_of(asked: Mapping[str, Any]) -> int | str | None:
    """The id by which a client knows its request: a whole number, a short text, or none. Raises: ApiError."""
    number = asked.get("id")
    if number is None or (type(number) is str and len(number) <= 36):
        return number
    if isinstance(number, Digits) and len(number) <= 18 and number.removeprefix("-").isdigit():
        return int(number)
    raise wrong(-1135, "Invalid JSON Request: id must be a whole number, a text of at most 36 characters, or null")


def _depth_ns(kind: str) -> int:
    """How often a stream of changes of the depth is told; 0 for one that there is not."""
    return DEPTH_NS.get(kind.removeprefix("depth"), 0) if kind.startswith("depth") else 0


def streams_named(query: str) -> list[str]:
    return [name for text in parse_qs(query).get("streams", []) for name in text.split("/") if name]


def listen_keys_named(query: str) -> list[str]:
    return parse_qs(query).get("listenKey", [])
