"""What the parts of a local Lighter share: accounts and markets by number, tier, budgets, and how things are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from exchanges.venues.exchange import Exchange, VenueAccount
from exchanges.venues.faults import Faults
from exchanges.venues.ledger import PublicTrade, VenueOrder
from exchanges.venues.lighter import shapes
from exchanges.venues.lighter.orders import order_object
from exchanges.venues.lighter.wire import LighterError, read_token
from exchanges.venues.limits import SlidingWindow
from exchanges.venues.streams import Hub

S, MS = 1_000_000_000, 1_000_000
SENDS = ("/api/v1/sendTx", "/api/v1/sendTxBatch")


@dataclass(frozen=True, slots=True)
class Tier:
    """What an account pays for: speed bumps, and a budget in requests or in weight a minute."""

    maker_ns: int
    taker_ns: int
    cancel_ns: int
    budget: int
    weights: Mapping[str, int]
    other_weight: int


TIERS: Mapping[str, Tier] = {
    "standard": Tier(200 * MS, 300 * MS, 200 * MS, 60, {}, 1),
    "premium": Tier(
        0, 150 * MS, 0, 24_000,
        {
            **dict.fromkeys((*SENDS, "/api/v1/nextNonce"), 6), "/api/v1/accountInactiveOrders": 100,
            "/api/v1/apikeys": 150, "/api/v1/trades": 600, "/api/v1/recentTrades": 600,
        },
        300,
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LighterOptions:
    """`tier` of all accounts. A client that sends nothing for `silence_ns` is dropped."""

    tier: str = "standard"
    silence_ns: int = 120 * S
    messages_per_minute: int = 200


class LighterState:
    """One venue, as its sequencer, its reads and its streams see it."""

    def __init__(
        self, exchange: Exchange, hub: Hub, public_keys: Mapping[str, str], options: LighterOptions,
        faults: Faults | None,
    ) -> None:  # fmt: skip
        self.exchange = exchange
        self.hub = hub
        self.faults = faults
        self.options = options
        self.tier = TIERS[options.tier]
        self.public_keys = dict(public_keys)
        self.accounts = {shapes.index_of(account): account for account in exchange.accounts.values()}
        self.markets = {shapes.market_id(market): market for market in exchange.markets.values()}
        self.days = {symbol: shapes.Day() for symbol in exchange.markets}
        self._budget = SlidingWindow(self.tier.budget, 60 * S)

    def now_ms(self) -> int:
        return self.exchange.now_ms()

    def call_later(self, after_ns: int, callback: Callable[..., None], *args: object) -> None:
        self.exchange.clock.call_at(self.exchange.clock.now_ns() + after_ns, callback, *args)

    def spend(self, path: str, key: str) -> None:
        weight = self.tier.weights.get(path, self.tier.other_weight)
        if not self._budget.take(key, now_ns=self.exchange.clock.now_ns(), weight=weight):
            raise LighterError(23000, status=429)

    def authenticated(self, token: str, index: int) -> VenueAccount:
        """Raises: LighterError without a token of this account that is still good."""
        account, _ = read_token(token, now_ms=self.exchange.now_ms())
        if account != index or account not in self.accounts:
            raise LighterError(20001, "auth: of another account")
        return self.accounts[account]

    def order_object(self, order: VenueOrder) -> dict[str, Any]:
        account, market = self.exchange.accounts[order.account], self.exchange.markets[order.symbol]
        return order_object(order, market=shapes.market_id(market), account=shapes.index_of(account))

    def trade_object(self, trade: PublicTrade) -> dict[str, Any]:
        market = self.exchange.markets[trade.symbol]
        return shapes.trade_object(trade, market, self.exchange.ledger.orders, self.exchange.accounts)
