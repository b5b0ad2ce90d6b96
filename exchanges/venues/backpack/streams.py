"""Backpack's WebSocket: subscriptions, their signatures, and which frame goes to whom. Pure.

A subscription that succeeds is not acknowledged; data simply starts. Order updates have no snapshot, positions have.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from exchanges.types import ZERO, Fill, MarketKind, Side
from exchanges.venues.backpack import frames, public
from exchanges.venues.backpack.wire import ApiError, check_window
from exchanges.venues.compact import compact
from exchanges.venues.depth import DepthFeed
from exchanges.venues.exchange import Exchange, Market, VenueAccount
from exchanges.venues.ledger import End, PublicTrade, VenueOrder
from exchanges.venues.seam import Outlet
from exchanges.venues.streams import Hub, Session

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every quote.
_BUY, _SELL = Side.BUY, Side.SELL

Level = tuple[int, int]  # price in ticks, size in lots

MS = 1_000_000
TOPICS_MAX = 200  # streams of one connection; assumed, as the venue names no bound
PRIVATE = ("account.orderUpdate", "account.positionUpdate", "account.balanceUpdate")
AGGREGATED_MS: Mapping[str, int] = {"200ms": 200, "600ms": 600, "1000ms": 1000}
TIMED = ("ticker", "markPrice")  # told every second while somebody listens
EVERY_NS = 1_000 * MS


class BackpackSession(Session):
    """One connection of a client."""

    def __init__(self, streams: BackpackStreams, outlet: Outlet, *, ping_every_ns: int, pong_within_ns: int) -> None:
        self._streams = streams
        super().__init__(
            streams.hub, outlet, streams.exchange.clock, ping_every_ns=ping_every_ns, pong_within_ns=pong_within_ns
        )

    def on_text(self, text: str) -> None:
        try:
            self._streams.command(self, text)
        except ApiError as error:
            told = {"id": None, "error": {"code": error.code, "message": error.message}}
            self.write(compact(told))


class BackpackStreams:
    """All connections, and what they hear."""

    def __init__(
        self, exchange: Exchange, hub: Hub, keys: Mapping[str, str], days: Mapping[str, public.Day], *,
        verifies: Callable[[str, str, Iterable[str]], bool],
    ) -> None:  # fmt: skip
        self.exchange = exchange
        self._verifies = verifies
        self.hub = hub
        self._keys = keys
        self._days = days
        self._depth: dict[str, DepthFeed] = {}  # by stream name
        self._best: dict[str, tuple[Level, Level]] = {}  # bid and ask that were told last, by symbol
        self._timed: set[str] = set()

    def _now_us(self) -> int:
        return self.exchange.now_ms() * 1000

    # -- subscriptions -------------------------------------------------------------------------------------------

    def command(self, session: BackpackSession, text: str) -> None:
        """Raises: ApiError."""
        try:
            told = json.loads(text)
        except (ValueError, RecursionError):
            raise _wrong("Parse error") from None
        names = told.get("params") if isinstance(told, dict) else None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise _wrong("expected an object with a method and a list of params")
        account = self._signer(told.get("signature")) if told.get("signature") is not None else None
        if told.get("method") == "SUBSCRIBE":
            for name in names:
                self._subscribe(session, name, account)
        elif told.get("method") == "UNSUBSCRIBE":
            for name in names:
                for topic in [topic for topic in session.topics if topic[1] == name]:
                    self.hub.unsubscribe(session, topic)
        else:
            raise _wrong(f"unknown method {str(told.get('method'))[:40]}")

    def _signer(self, signature: object) -> VenueAccount:
        if not (isinstance(signature, list) and len(signature) == 4 and all(isinstance(it, str) for it in signature)):
            raise _wrong("signature: expected [key, signature, timestamp, window], four strings")
        key, signed, timestamp, window = signature
        if key not in self._keys:
            raise ApiError(401, "UNAUTHORIZED", "Unknown API key")
        check_window(timestamp, window, now_ms=self.exchange.now_ms())
        if not self._verifies(key, signed, [f"instruction=subscribe&timestamp={timestamp}&window={window}"]):
            raise ApiError(400, "INVALID_SIGNATURE", "Invalid signature")
        return self.exchange.accounts[self._keys[key]]

    def _subscribe(self, session: BackpackSession, name: str, account: VenueAccount | None) -> None:
        if len(session.topics) >= TOPICS_MAX:
            raise _wrong(f"more than {TOPICS_MAX} streams on one connection")
        if name.startswith("account."):
            self._subscribe_private(session, name, account)
            return
        kind, symbol = name.split(".", 1)[0], name.rsplit(".", 1)[-1]
        market = self.exchange.markets.get(symbol)
        if market is None or name not in _public_names(symbol):
            raise _wrong(f"Invalid stream {name[:80]}")
        self.hub.subscribe(session, ("", name))
        if kind == "depth":
            self._start_depth(name, market)
        elif kind == "bookTicker":
            self._tell_best(session, name, market)
        elif kind in TIMED and name not in self._timed:
            self._timed.add(name)
            self._tick(name, market)

    def _subscribe_private(self, session: BackpackSession, name: str, account: VenueAccount | None) -> None:
        base = next((it for it in PRIVATE if name == it or name.startswith(f"{it}.")), None)
        symbol = name[len(base) + 1 :] if base else ""
        if base is None or (symbol and symbol not in self.exchange.markets):
            raise _wrong(f"Invalid stream {name[:80]}")
        if account is None:
            raise ApiError(401, "UNAUTHORIZED", f"{name[:80]} needs a signature")
        self.hub.subscribe(session, (account.name, name))
        if base == "account.positionUpdate":
            for market in self.exchange.markets.values():
                wanted = symbol in ("", market.instrument.symbol)
                if wanted and _is_perp(market) and account.balances.holding(market.instrument.symbol).qty:
                    data = frames.position_event(None, account, market, now_us=self._now_us())
                    self.hub.send(session, account.name, "position", frames.frame(name, data))

    # -- private -------------------------------------------------------------------------------------------------

    def order(self, event: str, order: VenueOrder, fill: Fill | None = None) -> None:
        kind = "order" if fill is None else "fill"

        def data() -> dict[str, Any]:
            return frames.order_event(event, order, now_us=self._now_us(), fill=fill)

        self._private("account.orderUpdate", order.account, order.symbol, kind, data)

    def ended(self, order: VenueOrder) -> None:
        cancelled = order.end in (End.CANCELLED, End.LIQUIDATION)
        self.order("orderCancelled" if cancelled else "orderExpired", order)

    def filled(self, order: VenueOrder, fill: Fill) -> None:
        """The order's frame, then the balance and the position that the fill has made."""
        self.order("orderFill", order, fill)
        account, market = self.exchange.accounts[order.account], self.exchange.markets[order.symbol]
        self._private(
            "account.balanceUpdate", account.name, order.symbol, "balance",
            lambda: frames.balance_event(self.exchange, account, now_us=self._now_us()),
        )  # fmt: skip
        if _is_perp(market):
            event = _position_change(account.balances.holding(order.symbol).qty, fill)
            self._private(
                "account.positionUpdate", account.name, order.symbol, "position",
                lambda: frames.position_event(event, account, market, now_us=self._now_us()),
            )  # fmt: skip

    def _private(self, base: str, account: str, symbol: str, kind: str, data: Callable[[], dict[str, Any]]) -> None:
        """Under each name by which it was subscribed."""
        made: list[dict[str, Any]] = []
        for name in (base, f"{base}.{symbol}"):
            if self.hub.is_heard((account, name)):
                made = made or [data()]
                text = frames.frame(name, made[0])
                self.hub.publish((account, name), kind, lambda text=text: text)  # type: ignore[misc]

    # -- public --------------------------------------------------------------------------------------------------

    def book(self, market: Market) -> None:
        symbol = market.instrument.symbol
        name = f"bookTicker.{symbol}"
        if self.hub.is_heard(("", name)):
            bid, ask = market.book.top(_BUY), market.book.top(_SELL)
            if bid is not None and ask is not None and self._best.get(symbol) != (bid, ask):
                self._best[symbol] = (bid, ask)
                text = frames.book_ticker(name, market, bid, ask, now_us=self._now_us())
                self.hub.publish(("", name), "book", lambda: text)
        if f"depth.{symbol}" in self._depth:
            self._tell_depth(f"depth.{symbol}")

    def trade(self, trade: PublicTrade) -> None:
        name = f"trade.{trade.symbol}"
        if self.hub.is_heard(("", name)):
            self.hub.publish(("", name), "trade", lambda: frames.frame(name, frames.trade_event(trade)))

    def _tell_best(self, session: BackpackSession, name: str, market: Market) -> None:
        """The current best at once: a quiet market would otherwise look dead."""
        bid, ask = market.book.top(_BUY), market.book.top(_SELL)
        if bid is not None and ask is not None:
            text = frames.book_ticker(name, market, bid, ask, now_us=self._now_us())
            self.hub.send(session, "", "book", text)

    def _start_depth(self, name: str, market: Market) -> None:
        if name in self._depth:
            return
        self._depth[name] = DepthFeed(market)
        every_ms = AGGREGATED_MS.get(name.split(".")[1])
        if every_ms is not None:
            self._again(every_ms * MS, self._flush_depth, name, every_ms * MS)

    def _flush_depth(self, name: str, every_ns: int) -> None:
        if self._tell_depth(name):
            self._again(every_ns, self._flush_depth, name, every_ns)

    def _tell_depth(self, name: str) -> bool:
        """False if nobody hears it any more."""
        if not self.hub.is_heard(("", name)):
            del self._depth[name]
            return False
        feed = self._depth[name]
        changes = feed.changes()
        if changes is not None:
            data = frames.depth_event(feed.market, changes, now_us=self._now_us())
            self.hub.publish(("", name), "book", lambda: frames.frame(name, data))
        return True

    def _tick(self, name: str, market: Market) -> None:
        if not self.hub.is_heard(("", name)):
            self._timed.discard(name)
            return
        day, now_us = self._days[market.instrument.symbol], self._now_us()
        if name.startswith("markPrice"):
            data = frames.mark_event(market, now_us=now_us)
        else:
            data = frames.ticker_event(market, day, now_us=now_us)
        self.hub.publish(("", name), "ticker", lambda: frames.frame(name, data))
        self._again(EVERY_NS, self._tick, name, market)

    def _again(self, after_ns: int, callback: Callable[..., None], *args: object) -> None:
        self.exchange.clock.call_at(self.exchange.clock.now_ns() + after_ns, callback, *args)


def _public_names(symbol: str) -> frozenset[str]:
    kinds = ("bookTicker", "depth", "trade", *TIMED, *(f"depth.{every}" for every in AGGREGATED_MS))
    return frozenset(f"{kind}.{symbol}" for kind in kinds)


def _is_perp(market: Market) -> bool:
    return market.instrument.kind is MarketKind.PERP


def _position_change(qty: Any, fill: Fill) -> str:
    before = qty - fill.qty * fill.side.sign
    if not before:
        return "positionOpened"
    return "positionAdjusted" if qty != ZERO else "positionClosed"


def _wrong(message: str) -> ApiError:
    return ApiError(400, "INVALID_CLIENT_REQUEST", message)
