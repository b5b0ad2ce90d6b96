"""BiFu's private streams: pushed without a subscription, kept alive by pings in messages, fills as rows. Pure.

What one moment has filled of an account is told in one message, up to `ROWS_MAX` rows. Where the account had other
news the message has no rows at all.
"""

from __future__ import annotations

import json
from collections import deque
from typing import Any

from exchanges.types import Clock, Fill
from exchanges.venues.bifu import shapes
from exchanges.venues.bifu.shapes import Half
from exchanges.venues.compact import compact
from exchanges.venues.exchange import Exchange, VenueAccount
from exchanges.venues.faults import Faults
from exchanges.venues.ledger import PublicTrade, VenueOrder
from exchanges.venues.seam import Outlet
from exchanges.venues.streams import Hub, Session

S = 1_000_000_000
PING_EVERY_NS = 10 * S
MISSES_MOST = 5
ROWS_MAX = 50  # of one message
REPLAYED = 100  # rows that a fault tells again, the newest ones


class BifuSession(Session):
    """One connection of one account. A pong counts only with the time of a ping that is still unanswered."""

    silent = (1000, "ping timeout")

    def __init__(self, hub: Hub, outlet: Outlet, clock: Clock, *, exchange: Exchange) -> None:
        self._exchange = exchange
        self._asked: deque[str] = deque(maxlen=MISSES_MOST)
        every_ns = PING_EVERY_NS
        super().__init__(hub, outlet, clock, ping_every_ns=every_ns, pong_within_ns=(MISSES_MOST + 1) * every_ns)

    def ask_alive(self) -> None:
        time = str(self._exchange.now_ms())
        self._asked.append(time)
        self.write(compact({"type": "ping", "time": time}))

    def on_text(self, text: str) -> None:
        try:
            told = json.loads(text)
        except (ValueError, RecursionError):
            return
        if not isinstance(told, dict):
            return
        if told.get("type") == "ping":
            self.write(compact({"type": "pong", "time": told.get("time")}))
        elif told.get("type") == "pong" and told.get("time") in self._asked:
            self._asked.clear()
            self.heard()

    def on_pong(self) -> None:
        """Pings of the socket itself do not count here."""


class BifuStreams:
    """All connections, and the rows that wait for the end of their moment."""

    def __init__(self, exchange: Exchange, hub: Hub, faults: Faults | None) -> None:
        self._exchange = exchange
        self._hub = hub
        self._faults = faults
        self._coins = shapes.coin_ids(exchange.markets.values())
        self._untraded: dict[tuple[str, int], list[Fill]] = {}  # fills whose counterparty is not known yet
        self._waiting: dict[tuple[str, Half], list[dict[str, Any]]] = {}
        self._told: dict[tuple[str, Half], deque[dict[str, Any]]] = {}
        self._number = 0
        self._version = 1_000

    def open(self, account: VenueAccount, half: Half, outlet: Outlet) -> BifuSession:
        session = BifuSession(self._hub, outlet, self._exchange.clock, exchange=self._exchange)
        self._hub.join(session)
        self._hub.subscribe(session, (account.name, half.word))
        now_ms = self._exchange.now_ms()
        session.write(compact({"type": "connected", "sid": f"{account.number:04d}{now_ms}", "time": str(now_ms)}))
        session.write(self._frame(half, {"order": [], "balance": []}))
        if self._faults is not None and self._faults.on_connect(account.name) is not None:
            for rows in _parts(list(self._told.get((account.name, half), ()))):
                session.write(self._frame(half, {"order": [], "balance": [], "orderFillTransaction": rows}))
        return session

    # -- what happens --------------------------------------------------------------------------------------------

    def changed(self, order: VenueOrder) -> None:
        """An order came or went without a fill: a message without rows."""
        account, market = self._exchange.accounts[order.account], self._exchange.markets[order.symbol]
        half = shapes.half_of(market)

        def frame() -> str:
            told = shapes.order_object(order, account=account, market=market, coins=self._coins)
            return self._frame(half, {"order": [told], "balance": []})

        self._hub.publish((account.name, half.word), "order", frame)

    def filled(self, order: VenueOrder, fill: Fill) -> None:
        if not isinstance(order.detail, shapes.Filled):
            order.detail = shapes.Filled()
        order.detail.take(fill)
        self._untraded.setdefault((fill.symbol, int(fill.trade_id)), []).append(fill)

    def traded(self, trade: PublicTrade) -> None:
        """The trade of fills that were told before: now both sides are known."""
        for fill in self._untraded.pop((trade.symbol, trade.trade_id), ()):
            self._row(fill, trade)

    def _row(self, fill: Fill, trade: PublicTrade) -> None:
        account, market = self._exchange.accounts[fill.account], self._exchange.markets[fill.symbol]
        other = trade.seller_order if fill.order_id == trade.buyer_order else trade.buyer_order
        match = shapes.OUTSIDE
        if other:
            match = shapes.account_id(self._exchange.accounts[self._exchange.ledger.orders[other].account])
        self._number += 1
        row = shapes.fill_row(
            fill, number=self._number, account=account, market=market, coins=self._coins, match_account=match,
            match_order=other,
        )  # fmt: skip
        key = (account.name, shapes.half_of(market))
        self._told.setdefault(key, deque(maxlen=REPLAYED)).append(row)
        waiting = self._waiting.setdefault(key, [])
        waiting.append(self._played(row, fill))
        if len(waiting) == 1:
            self._exchange.clock.call_at(self._exchange.clock.now_ns(), self._flush, key)

    def _played(self, row: dict[str, Any], fill: Fill) -> dict[str, Any]:
        """The row as the fault plan lets it out."""
        rule = None if self._faults is None else self._faults.on_row(fill.account, fill.symbol)
        match "" if rule is None else rule.fault:
            case "row_unreadable":
                return row | {"fillSize": ""}
            case "row_renamed":
                return {"tradeId" if name == "matchFillId" else name: value for name, value in row.items()}
            case _:
                return row

    def _flush(self, key: tuple[str, Half]) -> None:
        account, half = key
        for rows in _parts(self._waiting.pop(key, [])):
            data = {"order": [], "balance": [], "orderFillTransaction": rows}
            self._hub.publish((account, half.word), "fill", lambda data=data: self._frame(half, data))  # type: ignore[misc]

    def _frame(self, half: Half, data: dict[str, Any]) -> str:
        self._version += 1
        return compact(
            {"type": half.event, "msg": {"event": "ORDER_UPDATE", "version": str(self._version), "data": data}}
        )


def _parts(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    return [rows[at : at + ROWS_MAX] for at in range(0, len(rows), ROWS_MAX)]
