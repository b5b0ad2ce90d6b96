"""What Binance calls things on its spot side and on its USD-M futures side: hosts, paths, weights, limits. Pure.

Sources: binance-spot-api-docs (21 July 2026); for futures the venue's change notice on stream addresses (old ones are
retired since 2026-04-23), its own package binance-sdk-derivatives-trading-usds-futures 18.1.0, and ccxt 4.5.90.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from exchanges.types import MarketKind


@dataclass(frozen=True, slots=True)
class Hosts:
    """Where one side of the venue is, without paths."""

    rest: str
    api: str  # the WebSocket API
    stream: str

    @staticmethod
    def local(url: str, ws_url: str) -> Hosts:
        """A local venue has everything at one address."""
        return Hosts(url.rstrip("/"), ws_url.rstrip("/"), ws_url.rstrip("/"))


@dataclass(frozen=True, slots=True)
class Product:
    """One side of the venue. Weights are those of requests by REST, counted by address; orders are counted by account.

    `fills_span_ms` is the longest time that one question about fills may cover.
    """

    kind: MarketKind
    live: Hosts
    demo: Hosts
    root: str
    api_path: str
    quotes_path: str
    user_path: str  # "" where the WebSocket API tells of the account
    trades_name: str
    weight_a_minute: int
    orders_in_10s: int
    fills_span_ms: int
    batch_most: int = 0
    weights: Mapping[str, int] = field(default_factory=dict)

    def weight(self, name: str) -> int:
        return self.weights.get(name, 1)


DAY_MS = 86_400_000

SPOT = Product(
    kind=MarketKind.SPOT,
    live=Hosts("https://api.binance.com", "wss://ws-api.binance.com:443", "wss://stream.binance.com:9443"),
    demo=Hosts(
        "https://testnet.binance.vision", "wss://ws-api.testnet.binance.vision", "wss://stream.testnet.binance.vision"
    ),
    root="/api/v3",
    api_path="/ws-api/v3",
    quotes_path="/ws",
    user_path="",
    trades_name="myTrades",
    weight_a_minute=6_000,
    orders_in_10s=100,
    fills_span_ms=DAY_MS,
    weights={
        "order": 4, "openOrders": 6, "allOrders": 20, "myTrades": 20, "account": 20, "account/commission": 20,
        "exchangeInfo": 20, "ticker/bookTicker": 2,
    },
)  # fmt: skip

USDM = Product(
    kind=MarketKind.PERP,
    live=Hosts("https://fapi.binance.com", "wss://ws-fapi.binance.com", "wss://fstream.binance.com"),
    demo=Hosts(
        "https://testnet.binancefuture.com", "wss://testnet.binancefuture.com", "wss://fstream.binancefuture.com"
    ),
    root="/fapi/v1",
    api_path="/ws-fapi/v1",
    quotes_path="/public/ws",
    user_path="/private/ws",
    trades_name="userTrades",
    weight_a_minute=2_400,
    orders_in_10s=300,
    fills_span_ms=7 * DAY_MS,
    batch_most=5,
    weights={
        "allOrders": 5, "userTrades": 5, "account": 5, "positionRisk": 5, "commissionRate": 20, "symbolConfig": 5,
        "positionSide/dual": 30, "batchOrders": 5, "ticker/bookTicker": 2, "countdownCancelAll": 10,
    },
)  # fmt: skip

PRODUCTS: Mapping[str, Product] = {"spot": SPOT, "usdm": USDM}
