"""What Backpack tells everybody: markets, depth, trades, tickers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exchanges.types import ZERO, MarketKind, Side
from exchanges.venues.backpack.account import curve, market_type, rounded
from exchanges.venues.backpack.wire import ApiError, count_of, plain
from exchanges.venues.exchange import PUBLIC_TRADES_MAX, Exchange, Market
from exchanges.venues.ledger import PublicTrade

DEPTH_LIMITS = ("5", "10", "20", "50", "100", "500", "1000")
IMPACT = Decimal("0.05")  # how far from the best price a market order may walk
CREATED = "2024-01-01T00:00:00"


@dataclass(slots=True)
class Day:
    """Prices and volumes of one market since the venue began."""

    first: Decimal = ZERO
    last: Decimal = ZERO
    high: Decimal = ZERO
    low: Decimal = ZERO
    volume: Decimal = ZERO
    quote_volume: Decimal = ZERO
    trades: int = 0

    def take(self, trade: PublicTrade) -> None:
        price = trade.price
        if not self.trades:
            self.first = self.high = self.low = price
        self.last = price
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.volume += trade.qty
        self.quote_volume += trade.qty * price
        self.trades += 1


def find_market(exchange: Exchange, query: Mapping[str, str]) -> Market:
    """Raises: ApiError."""
    market = exchange.markets.get(query.get("symbol", ""))
    if market is None:
        raise ApiError(400, "INVALID_SYMBOL", f"Invalid symbol {query.get('symbol', '')[:40]}".rstrip())
    return market


def market_object(market: Market) -> dict[str, Any]:
    spec = market.instrument
    shown: dict[str, Any] = {
        "symbol": spec.symbol,
        "baseSymbol": spec.base,
        "quoteSymbol": spec.quote,
        "marketType": market_type(market),
        "filters": {
            "price": {
                "minPrice": plain(market.tick),
                "maxPrice": None,
                "tickSize": plain(market.tick),
                "maxImpactMultiplier": plain(1 + IMPACT),
                "minImpactMultiplier": plain(1 - IMPACT),
            },
            "quantity": {
                "minQuantity": plain(spec.min_qty),
                "maxQuantity": None if spec.max_qty is None else plain(spec.max_qty),
                "stepSize": plain(spec.lot),
            },
        },
        "imfFunction": None,
        "mmfFunction": None,
        "fundingInterval": None,
        "fundingRateUpperBound": None,
        "fundingRateLowerBound": None,
        "openInterestLimit": "0",
        "orderBookState": "Open" if market.book.quoted else "Closed",
        "createdAt": CREATED,
        "visible": True,
    }
    if spec.kind is MarketKind.PERP:
        shown |= {
            "imfFunction": curve(spec.initial_margin),
            "mmfFunction": curve(spec.maintenance_margin),
            "fundingInterval": 3_600_000,
            "fundingRateUpperBound": "100",
            "fundingRateLowerBound": "-100",
        }
    return shown


def depth(market: Market, query: Mapping[str, str], *, now_us: int) -> dict[str, Any]:
    """Levels of both sides. Bids are given from the lowest up: the order is not specified, and the venue does so."""
    limit = query.get("limit", "1000")
    if limit not in DEPTH_LIMITS:
        raise ApiError(400, "INVALID_CLIENT_REQUEST", f"limit must be one of {', '.join(DEPTH_LIMITS)}")
    bids, asks = (_level_texts(market.levels(side, int(limit))) for side in (Side.BUY, Side.SELL))
    return {"asks": asks, "bids": bids[::-1], "lastUpdateId": str(market.version), "timestamp": now_us}


def _level_texts(levels: list[tuple[Decimal, Decimal]]) -> list[list[str]]:
    return [[plain(price), plain(qty)] for price, qty in levels]


def mark_object(market: Market, *, now_ms: int) -> dict[str, Any]:
    hour = 3_600_000
    return {
        "symbol": market.instrument.symbol,
        "markPrice": plain(market.mark),
        "indexPrice": plain(market.mark),
        "fundingRate": "0",
        "nextFundingTimestamp": now_ms // hour * hour + hour,
    }


def trade_objects(market: Market, query: Mapping[str, str]) -> list[dict[str, Any]]:
    limit = count_of(query, "limit", default=100, most=PUBLIC_TRADES_MAX)
    return [
        {
            "id": trade.trade_id,
            "price": plain(trade.price),
            "quantity": plain(trade.qty),
            "quoteQuantity": plain(trade.price * trade.qty),
            "timestamp": trade.at_ms,
            "isBuyerMaker": trade.taker is Side.SELL,
        }
        for trade in reversed(market.trades[-limit:] if limit else [])
    ]


def ticker(market: Market, day: Day) -> dict[str, Any]:
    change = day.last - day.first
    return {
        "symbol": market.instrument.symbol,
        "firstPrice": plain(day.first),
        "lastPrice": plain(day.last),
        "priceChange": plain(change),
        "priceChangePercent": rounded(change / day.first) if day.first else "0",
        "high": plain(day.high),
        "low": plain(day.low),
        "volume": plain(day.volume),
        "quoteVolume": plain(day.quote_volume),
        "trades": str(day.trades),
    }


def assets(exchange: Exchange) -> list[dict[str, Any]]:
    names = dict.fromkeys([market.instrument.base for market in exchange.markets.values()] + [exchange.quote_asset])
    return [
        {
            "symbol": name,
            "displayName": name,
            "coingeckoId": None,
            "tokens": [
                {
                    "displayName": name, "blockchain": "Solana", "contractAddress": None, "depositEnabled": False,
                    "minimumDeposit": "0", "withdrawEnabled": False, "minimumWithdrawal": "0",
                    "maximumWithdrawal": None, "withdrawalFee": "0", "nativeDecimals": 6,
                }
            ],
        }
        for name in names
    ]  # fmt: skip
