"""OKX's WebSocket: login, channels, order entry, and which frame goes to whom. Pure.

Every connection speaks the same language here; the path decides what it may ask for: public, private or business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from exchanges.types import Fill, MarketKind
from exchanges.venues.compact import compact
from exchanges.venues.depth import DepthFeed
from exchanges.venues.exchange import Market, VenueAccount
from exchanges.venues.ledger import PublicTrade, VenueOrder
from exchanges.venues.okx import reads
from exchanges.venues.okx.orders import push_row
from exchanges.venues.okx.state import MS, Okx, instrument_type
from exchanges.venues.okx.trading import OPERATIONS
from exchanges.venues.okx.wire import ApiError, check_login, fields_of, plain, read_json
from exchanges.venues.seam import Outlet
from exchanges.venues.streams import Hub, Session

BOOKS: Mapping[str, int] = {"bbo-tbt": 1, "books5": 5, "books": 400}  # channel -> levels of a side
EVERY_NS = 100 * MS  # between frames of `books5` and `books`
PUBLIC = (*BOOKS, "trades", "tickers")
PRIVATE = ("orders", "account", "positions")
KINDS = {"orders": "order", "account": "balance", "positions": "position"}

Arg = Mapping[str, Any]
Operate = Callable[["OkxSession", dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Channel:
    """A subscription as it was asked for; its text names it among the topics."""

    name: str
    kind: str  # SPOT, SWAP, ANY or empty
    symbol: str

    @property
    def arg(self) -> dict[str, str]:
        said = {"channel": self.name, "instType": self.kind, "instId": self.symbol}
        return {name: value for name, value in said.items() if value}

    @property
    def topic(self) -> str:
        return f"{self.name}/{self.kind}/{self.symbol}"


class OkxSession(Session):
    """One connection of a client. What it hears keeps it open, and so does what it says."""

    silent = (4004, "No data received in 30s.")

    def __init__(self, streams: OkxStreams, outlet: Outlet, *, private: bool) -> None:
        self._streams = streams
        self.private = private
        self.account: VenueAccount | None = None
        silent_ns = streams.okx.options.silent_ns
        super().__init__(
            streams.hub, outlet, streams.okx.exchange.clock, ping_every_ns=silent_ns // 4, pong_within_ns=silent_ns
        )  # fmt: skip

    def write(self, text: str) -> None:
        self.heard()
        super().write(text)

    def ask_alive(self) -> None:
        """The venue asks nobody; who is silent for too long is hung up on."""

    def on_text(self, text: str) -> None:
        self.heard()
        if text == "ping":
            self.write("pong")
            return
        try:
            self._streams.command(self, text)
        except ApiError as error:
            self.fail(error)

    def fail(self, error: ApiError, **more: str) -> None:
        self.write(compact({**more, "event": "error", "code": error.code, "msg": error.message, "connId": "a4d3ae55"}))


class OkxStreams:
    """All connections, and what they hear. `operate` carries out an order command of a session."""

    def __init__(self, okx: Okx, hub: Hub, operate: Operate) -> None:
        self.okx = okx
        self.hub = hub
        self._operate = operate
        self._best: dict[str, tuple[object, ...]] = {}
        self._timed: dict[str, DepthFeed] = {}
        self._channels: dict[str, Channel] = {}

    # -- commands ------------------------------------------------------------------------------------------------

    def command(self, session: OkxSession, text: str) -> None:
        """Raises: ApiError."""
        try:
            said = fields_of(read_json(text))
        except ApiError:
            raise ApiError("60012", f"Illegal request: {text[:200]}") from None
        name, args = said.get("op"), said.get("args")
        if not isinstance(args, list) or not args:
            raise ApiError("60012", f"Illegal request: {text[:200]}")
        if name == "login":
            self._login(session, fields_of(args[0]))
        elif name in OPERATIONS:
            if session.account is None:
                raise ApiError("60011", "Please log in")
            self._operate(session, said)
        elif name in ("subscribe", "unsubscribe"):
            request = {"id": str(said["id"])} if "id" in said else {}
            for arg in args:
                try:
                    self._subscribe(session, str(name), fields_of(arg), request)
                except ApiError as error:
                    session.fail(error, **request)
        else:
            raise ApiError("60012", f"Illegal request: {text[:200]}")

    def _login(self, session: OkxSession, fields: Arg) -> None:
        """Answered a moment later, as at the venue: who does not wait for it is refused what needs it."""
        if not session.private:
            raise ApiError("60022", "Bulk login partially succeeded")
        clock = self.okx.exchange.clock
        clock.call_at(clock.now_ns() + self.okx.options.login_ns, self._logged_in, session, fields)

    def _logged_in(self, session: OkxSession, fields: Arg) -> None:
        if session.over:
            return
        try:
            key = check_login(fields, self.okx.keys, now_ms=self.okx.exchange.now_ms())
        except ApiError as error:
            session.fail(error)
            return
        session.account = self.okx.exchange.accounts[key.account]
        session.write(compact({"event": "login", "code": "0", "msg": "", "connId": "a4d3ae55"}))

    def _subscribe(self, session: OkxSession, name: str, fields: Arg, request: Mapping[str, str]) -> None:
        channel = self._channel(session, fields)
        owner = session.account.name if channel.name in PRIVATE and session.account is not None else ""
        topic = (owner, channel.topic)
        if name == "unsubscribe":
            self.hub.unsubscribe(session, topic)
        else:
            self._channels[channel.topic] = channel
            self.hub.subscribe(session, topic)
        session.write(compact({**request, "event": name, "arg": channel.arg, "connId": "a4d3ae55"}))
        if name == "subscribe":
            self._snapshot(session, channel)

    def _channel(self, session: OkxSession, fields: Arg) -> Channel:
        """Raises: ApiError."""
        name, kind, symbol = (str(fields.get(key, "")) for key in ("channel", "instType", "instId"))
        known = PRIVATE if session.private else PUBLIC
        if name not in known:
            raise ApiError("60018", f"Wrong URL or channel:{name[:40]},instId:{symbol[:40]} doesn't exist")
        if name in PRIVATE and session.account is None:
            raise ApiError("60011", "Please log in")
        if name in ("orders", "positions") and kind not in ("SPOT", "SWAP", "ANY"):
            raise ApiError("60013", f"Invalid args: channel:{name} needs an instType")
        if (symbol or name in PUBLIC) and symbol not in self.okx.exchange.markets:
            raise ApiError("60018", f"Wrong URL or channel:{name[:40]},instId:{symbol[:40]} doesn't exist")
        return Channel(name, kind if name in ("orders", "positions") else "", "" if name == "account" else symbol)

    def _snapshot(self, session: OkxSession, channel: Channel) -> None:
        """What a subscription begins with; the orders begin with nothing."""
        account = session.account
        if channel.name == "account" and account is not None:
            self._send(session, account.name, channel, reads.balance(self.okx, account, {}))
        elif channel.name == "positions" and account is not None:
            query = {"instId": channel.symbol} if channel.symbol else {}
            self._send(session, account.name, channel, reads.positions(self.okx, account, query))
        elif channel.name in BOOKS:
            market = self.okx.exchange.markets[channel.symbol]
            row = reads.book_row(self.okx, market, BOOKS[channel.name])
            more = {"action": "snapshot"} if channel.name == "books" else {}
            extra = {"prevSeqId": -1, "checksum": 0} if channel.name == "books" else {}
            self._send(session, "", channel, [row | extra], **more)
            if channel.name != "bbo-tbt" and channel.topic not in self._timed:
                self._timed[channel.topic] = DepthFeed(market)
                self._again(channel)

    # -- private -------------------------------------------------------------------------------------------------

    def order(self, order: VenueOrder, fill: Fill | None = None, *, request_id: str = "") -> None:
        row = push_row(self.okx, order, fill, request_id=request_id)
        for channel in self._private("orders", order):
            topic = (order.account, channel.topic)
            frame = compact({"arg": channel.arg | {"uid": self._uid(order.account)}, "data": [row]})
            self.hub.publish(topic, "order" if fill is None else "fill", lambda text=frame: text)  # type: ignore[misc]

    def filled(self, order: VenueOrder, fill: Fill) -> None:
        """The order's frame, then the balance and the position that the fill has made."""
        self.order(order, fill)
        account, market = self.okx.exchange.accounts[order.account], self.okx.market(order.symbol)
        for channel in self._private("account", order):
            self._publish(account, channel, lambda: reads.balance(self.okx, account, {}))
        if market.instrument.kind is MarketKind.PERP:
            for channel in self._private("positions", order):
                self._publish(account, channel, lambda: [reads.position_row(self.okx, account, market)])

    def _publish(self, account: VenueAccount, channel: Channel, rows: Callable[[], list[dict[str, Any]]]) -> None:
        arg = channel.arg | {"uid": self._uid(account.name)}
        self.hub.publish(
            (account.name, channel.topic), KINDS[channel.name], lambda: compact({"arg": arg, "data": rows()})
        )

    def _private(self, name: str, order: VenueOrder) -> list[Channel]:
        """Every channel under which somebody hears of this order."""
        kind = instrument_type(order.instrument)
        names = [Channel(name, "", "")] if name == "account" else [
            Channel(name, kinds, symbol) for kinds in (kind, "ANY") for symbol in ("", order.symbol)
        ]  # fmt: skip
        return [it for it in names if self.hub.is_heard((order.account, it.topic))]

    def _uid(self, account: str) -> str:
        return str(self.okx.exchange.accounts[account].number)

    # -- public --------------------------------------------------------------------------------------------------

    def book(self, market: Market) -> None:
        channel = Channel("bbo-tbt", "", market.instrument.symbol)
        if not self.hub.is_heard(("", channel.topic)):
            return
        row = reads.book_row(self.okx, market, 1)
        best = (*map(tuple, row["asks"]), *map(tuple, row["bids"]))
        if self._best.get(channel.symbol) != best:
            self._best[channel.symbol] = best
            self.hub.publish(("", channel.topic), "book", lambda: compact({"arg": channel.arg, "data": [row]}))

    def trade(self, trade: PublicTrade) -> None:
        trades, tickers = (Channel(name, "", trade.symbol) for name in ("trades", "tickers"))
        size = plain(self.okx.size(trade.qty, trade.symbol))
        row = {
            "instId": trade.symbol, "tradeId": str(trade.trade_id), "px": plain(trade.price), "sz": size,
            "side": trade.taker.value, "ts": str(trade.at_ms), "count": "1",
        }  # fmt: skip
        self.hub.publish(("", trades.topic), "trade", lambda: compact({"arg": trades.arg, "data": [row]}))
        market = self.okx.market(trade.symbol)
        self.hub.publish(
            ("", tickers.topic), "ticker",
            lambda: compact({"arg": tickers.arg, "data": [reads.ticker_row(self.okx, market)]}),
        )  # fmt: skip

    def _again(self, channel: Channel) -> None:
        clock = self.okx.exchange.clock
        clock.call_at(clock.now_ns() + EVERY_NS, self._tell_depth, channel)

    def _tell_depth(self, channel: Channel) -> None:
        """`books5` is a picture of its five levels each time, `books` tells what has changed."""
        if not self.hub.is_heard(("", channel.topic)):
            del self._timed[channel.topic]
            return
        feed, before = self._timed[channel.topic], self._timed[channel.topic].last_id
        changes = feed.changes()
        if changes is not None:
            row = reads.book_row(self.okx, feed.market, BOOKS[channel.name])
            more: dict[str, str] = {}
            if channel.name == "books":
                more = {"action": "update"}
                row |= {"asks": self._levels(feed, changes.asks), "bids": self._levels(feed, changes.bids)}
                row |= {"seqId": changes.last_id, "prevSeqId": before, "checksum": 0}
            else:
                row["instId"] = channel.symbol
            frame = compact({"arg": channel.arg, **more, "data": [row]})
            self.hub.publish(("", channel.topic), "book", lambda: frame)
        self._again(channel)

    def _levels(self, feed: DepthFeed, levels: list[tuple[Any, Any]]) -> list[list[str]]:
        symbol = feed.market.instrument.symbol
        return [[plain(px), plain(self.okx.size(qty, symbol)), "0", "1"] for px, qty in levels]

    def _send(
        self, session: OkxSession, account: str, channel: Channel, rows: list[dict[str, Any]], **more: str
    ) -> None:
        kind = KINDS.get(channel.name, "book")
        self.hub.send(session, account, kind, compact({"arg": channel.arg, **more, "data": rows}))
