"""A local OKX: routes requests and order commands to the exchange behind it, checks signatures and limits. No I/O.

A mount hands in requests and connections, the clock hands in time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from exchanges.types import Fill
from exchanges.venues.compact import compact
from exchanges.venues.exchange import Exchange, Market, VenueAccount
from exchanges.venues.faults import Faults
from exchanges.venues.ledger import PublicTrade, VenueOrder
from exchanges.venues.limits import SlidingWindow
from exchanges.venues.local import LocalVenue, Target
from exchanges.venues.okx import reads
from exchanges.venues.okx.state import CONNECTS, PER_ADDRESS, PER_USER, Okx, OkxOptions, S
from exchanges.venues.okx.streams import OkxSession, OkxStreams
from exchanges.venues.okx.trading import Expired, Trading
from exchanges.venues.okx.wire import (
    ApiError,
    Key,
    check_headers,
    envelope,
    fields_of,
    read_json,
    read_query,
    text_of,
)
from exchanges.venues.seam import Outlet, Reply, Request, StreamSession

PREFIX = "/api/v5"
DROPPED = Reply(204)  # nothing is said, and the connection stays
KINDS = {"order": "place", "batch-orders": "place", "amend-order": "place"}  # of commands; the others cancel


@dataclass(frozen=True, slots=True)
class Command(Request):
    """An order command that came through a stream, so that the faults of requests act on it as well."""

    account: str


class OkxVenue(LocalVenue):
    """One local OKX. `keys` by the text of the API key; `contract_values` of swaps, in base units."""

    def __init__(
        self, exchange: Exchange, keys: Mapping[str, Key], contract_values: Mapping[str, Decimal],
        options: OkxOptions | None = None, faults: Faults | None = None,
    ) -> None:  # fmt: skip
        super().__init__(exchange, faults)
        self.okx = Okx(exchange, keys, contract_values, options or OkxOptions())
        self.trading = Trading(self.okx, faults, lambda order, name: self.streams.order(order, request_id=name))
        self.streams = OkxStreams(self.okx, self.hub, self._command)
        self._connects = SlidingWindow(CONNECTS, S)
        exchange.audience = self

    def reply(self, request: Request) -> Reply | None:
        try:
            if self.maintenance and request.path != f"{PREFIX}/public/time":
                raise ApiError("50001", "Service temporarily unavailable. Please try again later", status=503)
            if isinstance(request, Command):
                account = self.exchange.accounts[request.account]
                return self._carried_out(account, request.path, json.loads(request.body), request.headers["exptime"])
            return self._rest(request)
        except Expired:
            return DROPPED if isinstance(request, Command) else None
        except ApiError as error:
            return error.reply()

    def open_stream(self, request: Request, outlet: Outlet) -> StreamSession | Reply:
        _, _, kind = request.path.rstrip("/").rpartition("/ws/v5/")
        if kind not in ("public", "private", "business"):
            return Reply(404)
        if self.okx.options.limits and not self._connects.take(request.peer, now_ns=self.exchange.clock.now_ns()):
            return self.rate_limited(0)
        session = OkxSession(self.streams, outlet, private=kind == "private")
        self.hub.join(session)
        return session

    def target(self, request: Request) -> Target:
        if isinstance(request, Command):
            return Target(KINDS.get(request.path, "cancel"), request.account)
        key = self.okx.keys.get(request.headers.get("ok-access-key", ""))
        account = "" if key is None else key.account
        name = request.path.removeprefix(f"{PREFIX}/trade/")
        if request.method == "POST" and name in _COMMANDS:
            return Target(KINDS.get(_COMMANDS[name], "cancel"), account)
        return Target("query" if account else "public", account)

    def failure(self, status: int) -> Reply:
        code, words = ("50004", "API endpoint request timeout") if status == 504 else ("50026", "System error")
        return ApiError(code, f"{words}. Please try again later", status=status).reply()

    def rate_limited(self, wait_ns: int) -> Reply:
        return ApiError("50011", "Too Many Requests", status=429).reply()

    # -- requests ------------------------------------------------------------------------------------------------

    def _rest(self, request: Request) -> Reply:
        """Raises: ApiError, Expired."""
        path = request.path.removeprefix(PREFIX)
        if (request.method, path) in PUBLIC:
            limit, public = PUBLIC[request.method, path]
            self.okx.spend(f"{limit}{path}", PER_ADDRESS[limit], request.peer)
            return envelope(public(self.okx, read_query(request.query)))
        if request.method == "GET" and path in READS:
            account = self._authenticated(request)
            limit, read = READS[path]
            self.okx.spend(f"{limit}{path}", PER_USER[limit], account.name)
            return envelope(read(self.okx, account, read_query(request.query)))
        if request.method == "POST" and path.removeprefix("/trade/") in _COMMANDS:
            account, told = self._authenticated(request), read_json(request.body)
            name = _COMMANDS[path.removeprefix("/trade/")]
            items = told if isinstance(told, list) else [told]
            return self._carried_out(account, name, items, request.headers.get("exptime", ""))
        if request.method == "POST" and path == "/trade/cancel-all-after":
            account = self._authenticated(request)
            return envelope(self.trading.cancel_all_after(account, fields_of(read_json(request.body))))
        raise ApiError("50404", f"no {request.method} {request.path} on this local venue", status=404)

    def _authenticated(self, request: Request) -> VenueAccount:
        """The account whose key signed this request. Raises: ApiError."""
        demo = self.okx.options.demo
        if demo is not None and (request.headers.get("x-simulated-trading", "0") == "1") != demo:
            raise ApiError("50101", "APIKey does not match current environment", status=401)
        target = f"{request.path}?{request.query}" if request.query else request.path
        key = check_headers(
            request.headers, self.okx.keys, method=request.method, target=target, body=request.body,
            now_ms=self.exchange.now_ms(),
        )  # fmt: skip
        return self.exchange.accounts[key.account]

    def _carried_out(self, account: VenueAccount, name: str, items: list[Any], expires: str) -> Reply:
        in_us = self.exchange.now_ms() * 1000
        told = self.trading.run(name, account, items, expires=expires)
        return envelope(
            told.data,
            code=told.code,
            message=told.message,
            inTime=str(in_us),
            outTime=str(self.exchange.now_ms() * 1000),
        )

    # -- commands through a stream -------------------------------------------------------------------------------

    def _command(self, session: OkxSession, said: dict[str, Any]) -> None:
        """Raises: ApiError for a form that the venue does not read."""
        assert session.account is not None
        name = str(said["op"])
        for item in said["args"]:
            if "instIdCode" not in fields_of(item):
                raise ApiError("50014", "Parameter instIdCode can not be empty")
        command = Command(
            "", name, "", {"exptime": text_of(said, "expTime", "")}, compact(said["args"]).encode(), "",
            session.account.name,
        )  # fmt: skip
        self.request(command, partial(self._answer, session, str(said.get("id", "")), name))

    def _answer(self, session: OkxSession, number: str, name: str, reply: Reply | None) -> None:
        if reply is None:
            session.cut()
        if reply is None or reply is DROPPED:
            return
        try:
            told = json.loads(reply.body)
        except ValueError:  # what only a proxy of HTTP would say
            told = json.loads(self.failure(reply.status).body)
        session.write(compact({"id": number, "op": name, **told}))

    # -- what the exchange tells ---------------------------------------------------------------------------------

    def on_accepted(self, order: VenueOrder) -> None:
        self.streams.order(order)

    def on_fill(self, order: VenueOrder, fill: Fill) -> None:
        self.okx.fills.setdefault(order.order_id, []).append(fill)
        self.streams.filled(order, fill)
        self.filled(fill)

    def on_ended(self, order: VenueOrder) -> None:
        self.streams.order(order)

    def on_shrunk(self, order: VenueOrder) -> None:
        self.streams.order(order)

    def on_book(self, market: Market) -> None:
        self.streams.book(market)

    def on_trade(self, market: Market, trade: PublicTrade) -> None:
        self.streams.trade(trade)


_COMMANDS: Mapping[str, str] = {  # by the path behind /trade/
    "order": "order",
    "batch-orders": "batch-orders",
    "cancel-order": "cancel-order",
    "cancel-batch-orders": "batch-cancel-orders",
    "amend-order": "amend-order",
}
_Public = Callable[[Okx, Mapping[str, str]], list[dict[str, Any]]]
PUBLIC: Mapping[tuple[str, str], tuple[str, _Public]] = {
    ("GET", "/public/time"): ("public", lambda okx, _: [{"ts": str(okx.exchange.now_ms())}]),
    ("GET", "/public/instruments"): ("public", reads.instruments),
    ("GET", "/public/position-tiers"): ("public", reads.position_tiers),
    ("GET", "/market/books"): ("books", reads.books),
    ("GET", "/market/ticker"): ("public", reads.ticker),
    ("GET", "/market/tickers"): ("public", reads.tickers),
}
_Read = Callable[[Okx, VenueAccount, Mapping[str, str]], list[dict[str, Any]]]
READS: Mapping[str, tuple[str, _Read]] = {
    "/account/config": ("config", lambda okx, account, _: reads.config(okx, account)),
    "/account/balance": ("account", reads.balance),
    "/account/positions": ("account", reads.positions),
    "/account/trade-fee": ("config", lambda okx, _, query: reads.trade_fee(okx, query)),
    "/account/leverage-info": ("account", lambda okx, _, query: reads.leverage(okx, query)),
    "/account/instruments": ("account", lambda okx, _, query: reads.instruments(okx, query)),
    "/trade/order": ("order", reads.one_order),
    "/trade/orders-pending": ("pending", reads.pending_orders),
    "/trade/orders-history": ("history", reads.past_orders),
    "/trade/fills": ("fills", reads.fills),
    "/trade/fills-history": ("fills", reads.fills),
}
