"""Lighter's WebSocket: channels, their snapshots and updates, and transactions that come that way. Pure.

Requests name a channel with `/`, replies with `:`. What one transaction or one public trade has changed of an account
is told together, in one frame per channel.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from exchanges.types import Fill, Side
from exchanges.venues.compact import compact
from exchanges.venues.depth import DepthFeed
from exchanges.venues.exchange import Market, VenueAccount
from exchanges.venues.ledger import PublicTrade, VenueOrder
from exchanges.venues.lighter import shapes
from exchanges.venues.lighter.state import LighterState
from exchanges.venues.lighter.wire import LighterError
from exchanges.venues.limits import SlidingWindow
from exchanges.venues.seam import Answer, Outlet, Reply, Request
from exchanges.venues.streams import Session

MS, S = 1_000_000, 1_000_000_000
BOOK_EVERY_NS = 50 * MS
STATS_EVERY_NS = S
TOPICS_MAX = 500
PUBLIC = ("order_book", "ticker", "trade", "market_stats", "spot_market_stats", "height")
ACCOUNT = (
    *("account_all", "account_all_orders", "account_orders", "account_all_trades", "account_all_positions"),
    *("account_all_assets", "user_stats", "account_tx", "account_market", "notification"),
)
SENDS = {"jsonapi/sendtx": False, "jsonapi/sendtxbatch": True}


class LighterSession(Session):
    """One connection. A client that sends nothing for too long is dropped; the venue's own ping is a message."""

    silent = (1000, "i/o timeout")

    def __init__(self, streams: LighterStreams, outlet: Outlet, *, silence_ns: int) -> None:
        self._streams = streams
        self.messages = SlidingWindow(streams.state.options.messages_per_minute, 60 * S)
        clock = streams.state.exchange.clock
        super().__init__(streams.hub, outlet, clock, ping_every_ns=silence_ns, pong_within_ns=silence_ns)

    def welcome(self) -> None:
        self.write(compact({"session_id": f"{self._heard_ns:032x}", "type": "connected"}))

    def on_text(self, text: str) -> None:
        self.heard()
        try:
            self._streams.command(self, text)
        except LighterError as error:
            self.write(compact({"error": {"code": error.code, "message": error.message}}))

    def ask_alive(self) -> None:
        self.write(compact({"type": "ping"}))


class LighterStreams:
    """All connections, and what they hear."""

    def __init__(self, state: LighterState, submit: Callable[[Request, Answer], None]) -> None:
        self.state = state
        self._submit = submit
        self.hub = state.hub
        self._depth: dict[str, tuple[DepthFeed, int]] = {}  # by channel: the feed and the nonce told last
        self._best: dict[str, tuple[object, object]] = {}
        self._timed: set[str] = set()
        self._changed: dict[str, dict[str, VenueOrder]] = {}  # by account: orders to be told
        self._traded: dict[str, None] = {}
        self._flush_armed = False

    # -- commands ------------------------------------------------------------------------------------------------

    def command(self, session: LighterSession, text: str) -> None:
        """Raises: LighterError."""
        try:
            told = json.loads(text)
        except (ValueError, RecursionError):
            raise LighterError(30000) from None
        kind = told.get("type") if isinstance(told, dict) else None
        if kind in SENDS:
            self._send(session, told, batch=SENDS[kind])
            return
        if not session.messages.take("", now_ns=self._now_ns()):
            raise LighterError(30009)
        if kind == "ping":
            session.write(compact({"type": "pong"}))
        elif kind == "subscribe":
            self._subscribe(session, str(told.get("channel", "")), str(told.get("auth") or ""))
        elif kind == "unsubscribe":
            self._unsubscribe(session, str(told.get("channel", "")))
        elif kind != "pong":
            raise LighterError(30001)

    def _send(self, session: LighterSession, told: dict[str, Any], *, batch: bool) -> None:
        """The same as the request by HTTP, faults included; a refusal comes back without an id."""
        data = told.get("data") if isinstance(told.get("data"), dict) else {}
        assert isinstance(data, dict)
        form = {
            name: value if isinstance(value, str) else compact(value)
            for name, value in data.items()
            if name in ("tx_type", "tx_info", "tx_types", "tx_infos")
        }

        def answer(reply: Reply | None) -> None:
            if reply is None:
                session.cut()
                return
            body = json.loads(reply.body) if reply.body[:1] == b"{" else {"code": reply.status, "message": ""}
            if reply.status == 200:
                session.write(compact({"type": told["type"], "id": data.get("id", ""), **body}))
            else:
                session.write(compact({"error": {"code": body["code"], "message": body["message"]}}))

        path = "/api/v1/sendTxBatch" if batch else "/api/v1/sendTx"
        headers = {"content-type": "application/x-www-form-urlencoded"}
        self._submit(Request("POST", path, "", headers, urlencode(form).encode(), ""), answer)

    def _subscribe(self, session: LighterSession, channel: str, token: str) -> None:
        name, *parts = channel.split("/")
        shown = channel.replace("/", ":")
        if len(session.topics) >= TOPICS_MAX:
            raise LighterError(30009)
        if any(topic[1] == shown for topic in session.topics):
            raise LighterError(30003, shown)
        if name in ACCOUNT:
            account = self._account_of(name, parts, token, shown)
            self.hub.subscribe(session, (account.name, shown))
            frame = self._account_frame(name, parts, account)
            self.hub.send(
                session, account.name, "order", compact({"type": f"subscribed/{name}", "channel": shown, **frame})
            )
        elif name in PUBLIC and self._is_public(name, parts):
            frame = self._public_frame(name, parts, shown)  # what is pending goes to the others, so they come first
            self.hub.subscribe(session, ("", shown))
            self.hub.send(session, "", "book", compact({"channel": shown, **frame, "type": f"subscribed/{name}"}))
        else:
            raise LighterError(30005)

    def _unsubscribe(self, session: LighterSession, channel: str) -> None:
        shown = channel.replace("/", ":")
        topic = next((topic for topic in session.topics if topic[1] == shown), None)
        if topic is None:
            raise LighterError(30002, shown)
        self.hub.unsubscribe(session, topic)
        session.write(compact({"type": "unsubscribed", "channel": shown}))

    def _account_of(self, name: str, parts: list[str], token: str, shown: str) -> VenueAccount:
        in_market = name in ("account_orders", "account_market")
        number = parts[-1] if len(parts) == 1 + in_market else ""
        if not number.isdigit() or int(number) not in self.state.accounts:
            raise LighterError(30005)
        if in_market and not (parts[0].isdigit() and int(parts[0]) in self.state.markets):
            raise LighterError(30005)
        if name in ("account_all", "user_stats") and not token:
            return self.state.accounts[int(number)]  # both are public
        if not token:
            raise LighterError(20001, f"auth field is required: {shown}")
        return self.state.authenticated(token, int(number))

    def _is_public(self, name: str, parts: list[str]) -> bool:
        if name == "height":
            return not parts
        if len(parts) != 1:
            return False
        everything = parts[0] == "all" and name.endswith("market_stats")
        return everything or (parts[0].isdigit() and int(parts[0]) in self.state.markets)

    # -- public --------------------------------------------------------------------------------------------------

    def _public_frame(self, name: str, parts: list[str], shown: str) -> dict[str, Any]:
        now_ms = self._now_ms()
        if name == "height":
            return {"height": 1}
        if name.endswith("market_stats"):
            self._start_stats(shown, parts[0])
            return self._stats(name, parts[0])
        market = self.state.markets[int(parts[0])]
        if name == "order_book":
            self._start_book(shown, market)
            return self._book_frame(market, market.levels(Side.BUY), market.levels(Side.SELL), begin=0)
        if name == "ticker":
            return self._ticker(market)
        trades = [self.state.trade_object(it) for it in reversed(market.trades[-50:])]
        return {"nonce": market.version, "trades": trades, "liquidation_trades": [], "timestamp": now_ms}

    def _book_frame(
        self, market: Market, bids: list[tuple[Any, Any]], asks: list[tuple[Any, Any]], *, begin: int
    ) -> dict[str, Any]:
        now_ms = self._now_ms()
        book = {
            "code": 0, "asks": shapes.level_objects(asks), "bids": shapes.level_objects(bids), "offset": market.version,
            "nonce": market.version, "last_updated_at": now_ms * 1000, "begin_nonce": begin,
        }  # fmt: skip
        return {"offset": market.version, "last_updated_at": now_ms * 1000, "order_book": book, "timestamp": now_ms}

    def _start_book(self, shown: str, market: Market) -> None:
        """A snapshot is of now, so what is pending for the others goes out first."""
        if shown in self._depth:
            self._tell_depth(shown)
        else:
            self._depth[shown] = DepthFeed(market), market.version
            self._later(BOOK_EVERY_NS, self._flush_depth, shown)

    def _flush_depth(self, shown: str) -> None:
        if not self.hub.is_heard(("", shown)):
            del self._depth[shown]
            return
        self._tell_depth(shown)
        self._later(BOOK_EVERY_NS, self._flush_depth, shown)

    def _tell_depth(self, shown: str) -> None:
        feed, nonce = self._depth[shown]
        changes = feed.changes()
        if changes is None:
            return
        self._depth[shown] = feed, changes.last_id
        frame = self._book_frame(feed.market, changes.bids, changes.asks, begin=nonce)
        text = compact({"channel": shown, **frame, "type": "update/order_book"})
        self.hub.publish(("", shown), "book", lambda: text)

    def book(self, market: Market) -> None:
        shown = f"ticker:{shapes.market_id(market)}"
        if not self.hub.is_heard(("", shown)):
            return
        best = market.book.top(Side.BUY), market.book.top(Side.SELL)
        if self._best.get(shown) != best:
            self._best[shown] = best
            frame = self._ticker(market)
            self.hub.publish(("", shown), "book", lambda: compact({"channel": shown, **frame, "type": "update/ticker"}))

    def _ticker(self, market: Market) -> dict[str, Any]:
        now_ms = self._now_ms()
        ticker = {
            "s": market.instrument.symbol, "a": shapes.best_object(market, Side.SELL),
            "b": shapes.best_object(market, Side.BUY), "last_updated_at": now_ms * 1000,
        }  # fmt: skip
        return {"last_updated_at": now_ms * 1000, "nonce": market.version, "ticker": ticker, "timestamp": now_ms}

    def trade(self, trade: PublicTrade) -> None:
        market = self.state.exchange.markets[trade.symbol]
        number, made = shapes.market_id(market), self.state.trade_object(trade)
        shown, liquidated = f"trade:{number}", made["type"] == "liquidation"

        def frame() -> str:
            return compact(
                {
                    "channel": shown, "nonce": market.version, "trades": [] if liquidated else [made],
                    "liquidation_trades": [made] if liquidated else [], "type": "update/trade",
                    "timestamp": self._now_ms(),
                }
            )  # fmt: skip

        self.hub.publish(("", shown), "trade", frame)
        orders = self.state.exchange.ledger.orders
        owners = dict.fromkeys(orders[it].account for it in (trade.buyer_order, trade.seller_order) if it)
        for name in owners:
            self._account_update(name, "account_all_trades", {"trades": {str(number): [made]}}, "fill")
            self._account_update(name, "account_all", {"trades": {str(number): [made]}}, "fill")

    def _start_stats(self, shown: str, which: str) -> None:
        if shown not in self._timed:
            self._timed.add(shown)
            self._later(STATS_EVERY_NS, self._tell_stats, shown, which)

    def _tell_stats(self, shown: str, which: str) -> None:
        if not self.hub.is_heard(("", shown)):
            self._timed.discard(shown)
            return
        name = shown.split(":")[0]
        frame = self._stats(name, which)
        self.hub.publish(("", shown), "ticker", lambda: compact({"channel": shown, **frame, "type": f"update/{name}"}))
        self._later(STATS_EVERY_NS, self._tell_stats, shown, which)

    def _stats(self, name: str, which: str) -> dict[str, Any]:
        state, now_ms = self.state, self._now_ms()
        rows = {
            str(number): shapes.market_stats(market, state.days[market.instrument.symbol], now_ms=now_ms)
            for number, market in state.markets.items()
            if which in ("all", str(number)) and (number >= 2048) == name.startswith("spot")
        }
        return {name: rows if which == "all" else rows.get(which, {}), "timestamp": now_ms}

    # -- accounts ------------------------------------------------------------------------------------------------

    def _account_frame(self, name: str, parts: list[str], account: VenueAccount) -> dict[str, Any]:
        """The snapshot of a channel: open orders, positions, assets; no trades."""
        state, now_ms = self.state, self._now_ms()
        index = shapes.index_of(account)
        orders = list(account.open.values())
        match name:
            case "account_all_orders":
                return {"orders": self._by_market(orders), "timestamp": now_ms}
            case "account_orders":
                kept = [it for it in orders if self._number(it) == int(parts[0])]
                return {"account": index, "nonce": 0, "orders": self._by_market(kept), "timestamp": now_ms}
            case "account_all_trades":
                return {"trades": {}, "timestamp": now_ms}
            case "account_all_positions":
                return {**self._positions(account), "timestamp": now_ms}
            case "account_all_assets":
                return {"assets": shapes.assets(state.exchange, account), "timestamp": now_ms}
            case "user_stats":
                return {"stats": shapes.user_stats(state.exchange, account), "timestamp": now_ms}
            case "account_all":
                held = {**self._positions(account), "assets": shapes.assets(state.exchange, account)}
                return {"account": index, **held, "trades": {}, "funding_histories": {}, "timestamp": now_ms}
        return {"account": index, "timestamp": now_ms}

    def changed(self, order: VenueOrder) -> None:
        """An order is to be told at the end of what goes on now."""
        self._changed.setdefault(order.account, {})[order.order_id] = order
        self._arm()

    def traded(self, fill: Fill) -> None:
        self._traded[fill.account] = None
        self._arm()

    def transaction(self, account: VenueAccount, shown: dict[str, Any]) -> None:
        self._account_update(account.name, "account_tx", {"txs": [shown]}, "order")

    def _arm(self) -> None:
        if not self._flush_armed:
            self._flush_armed = True
            self._later(0, self.flush)

    def flush(self) -> None:
        """Tell what has changed of orders, then of positions and money."""
        self._flush_armed = False
        changed, self._changed = self._changed, {}
        traded, self._traded = self._traded, {}
        for name, orders in changed.items():
            rows, kind = list(orders.values()), "fill" if name in traded else "order"
            self._account_update(name, "account_all_orders", {"orders": self._by_market(rows)}, kind)
            index = shapes.index_of(self.state.exchange.accounts[name])
            for number in dict.fromkeys(map(self._number, rows)):
                kept = [it for it in rows if self._number(it) == number]
                frame = {"account": index, "nonce": 0, "orders": self._by_market(kept)}
                self._account_update(name, f"account_orders:{number}", frame, kind)
        for name in traded:
            account = self.state.exchange.accounts[name]
            held, assets = self._positions(account), shapes.assets(self.state.exchange, account)
            self._account_update(name, "account_all_positions", held, "position")
            self._account_update(name, "account_all_assets", {"assets": assets}, "balance")
            self._account_update(name, "account_all", held, "position")
            stats = shapes.user_stats(self.state.exchange, account)
            self._account_update(name, "user_stats", {"stats": stats}, "balance")

    def _account_update(self, name: str, channel: str, frame: dict[str, Any], kind: str) -> None:
        index = shapes.index_of(self.state.exchange.accounts[name])
        shown = f"{channel}:{index}"
        told = {"type": f"update/{channel.split(':')[0]}", "channel": shown, **frame, "timestamp": self._now_ms()}
        self.hub.publish((name, shown), kind, lambda: compact(told))

    def _positions(self, account: VenueAccount) -> dict[str, Any]:
        """All that are not flat: each frame is a whole snapshot."""
        markets = shapes.perps(self.state.exchange)
        shown = {
            str(shapes.market_id(market)): shapes.position(self.state.exchange, account, market)
            for market in markets
            if account.balances.holding(market.instrument.symbol).qty
        }
        return {"positions": shown, "shares": [], "last_funding_round": None, "last_funding_discount": None}

    def _by_market(self, orders: list[VenueOrder]) -> dict[str, list[dict[str, Any]]]:
        rows: dict[str, list[dict[str, Any]]] = {}
        for order in orders:
            rows.setdefault(str(self._number(order)), []).append(self.state.order_object(order))
        return rows

    def _number(self, order: VenueOrder) -> int:
        return shapes.market_id(self.state.exchange.markets[order.symbol])

    # -- time ----------------------------------------------------------------------------------------------------

    def _now_ms(self) -> int:
        return self.state.exchange.now_ms()

    def _now_ns(self) -> int:
        return self.state.exchange.clock.now_ns()

    def _later(self, after_ns: int, callback: Callable[..., None], *args: object) -> None:
        self.state.call_later(after_ns, callback, *args)
