"""What Binance tells everybody: markets, depth, best prices, trades. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from exchanges.types import Instrument, MarketKind, Side
from exchanges.venues.binance.account import find_market
from exchanges.venues.binance.wire import Fields, integer_of, plain
from exchanges.venues.exchange import Exchange, Market

DEPTH_DEFAULT, DEPTH_MAX = {MarketKind.SPOT: 100, MarketKind.PERP: 500}, 1_000
QTY_MAX = Decimal(100_000)
PRICE_MAX = Decimal(1_000_000)


def exchange_info(exchange: Exchange, fields: Fields, *, limits: list[dict[str, Any]]) -> dict[str, Any]:
    markets = [find_market(exchange, fields)] if "symbol" in fields else list(exchange.markets.values())
    shown: dict[str, Any] = {
        "timezone": "UTC", "serverTime": exchange.now_ms(), "rateLimits": limits, "exchangeFilters": [],
        "symbols": [symbol_object(market) for market in markets],
    }  # fmt: skip
    if next(iter(exchange.markets.values())).instrument.kind is MarketKind.PERP:
        shown |= {
            "futuresType": "U_MARGINED",
            "assets": [{"asset": exchange.quote_asset, "marginAvailable": True, "autoAssetExchange": "-10000"}],
        }
    return shown


def symbol_object(market: Market) -> dict[str, Any]:
    spec = market.instrument
    shown = {"symbol": spec.symbol, "status": "TRADING", "baseAsset": spec.base, "quoteAsset": spec.quote}
    return shown | (_spot_symbol(market) if spec.kind is MarketKind.SPOT else _perp_symbol(market))


def _filters(market: Market) -> list[dict[str, Any]]:
    spec = market.instrument
    return [
        {
            "filterType": "PRICE_FILTER", "minPrice": plain(market.tick), "maxPrice": plain(PRICE_MAX),
            "tickSize": plain(market.tick),
        },
        {
            "filterType": "LOT_SIZE", "minQty": plain(spec.min_qty), "maxQty": plain(QTY_MAX),
            "stepSize": plain(spec.lot),
        },
        {
            "filterType": "MARKET_LOT_SIZE", "minQty": plain(Decimal(0)), "maxQty": plain(QTY_MAX / 10),
            "stepSize": plain(Decimal(0)),
        },
    ]  # fmt: skip


def _spot_symbol(market: Market) -> dict[str, Any]:
    spec = market.instrument
    return {
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
        "filters": [
            *_filters(market),
            {
                "filterType": "NOTIONAL", "minNotional": plain(spec.min_notional), "applyMinToMarket": True,
                "maxNotional": "9000000", "applyMaxToMarket": False, "avgPriceMins": 5,
            },
        ],
    }  # fmt: skip


def _perp_symbol(market: Market) -> dict[str, Any]:
    spec = market.instrument
    return {
        "pair": spec.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4_133_404_800_000,
        "onboardDate": 1_569_398_400_000,
        "maintMarginPercent": plain(spec.maintenance_margin * 100),
        "requiredMarginPercent": plain(spec.initial_margin * 100),
        "marginAsset": spec.quote,
        "pricePrecision": _places(spec.tick),
        "quantityPrecision": _places(spec.lot),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": [
            *_filters(market),
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": plain(spec.min_notional)},
            {"filterType": "PERCENT_PRICE", "multiplierUp": "1.05", "multiplierDown": "0.95", "multiplierDecimal": "4"},
        ],
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }  # fmt: skip


def _places(step: Decimal) -> int:
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def depth(exchange: Exchange, fields: Fields) -> dict[str, Any]:
    market = find_market(exchange, fields)
    kind = market.instrument.kind
    limit = integer_of(fields, "limit", default=DEPTH_DEFAULT[kind]) or DEPTH_MAX
    bids, asks = (
        [[plain(price), plain(qty)] for price, qty in market.levels(side, min(limit, DEPTH_MAX))]
        for side in (Side.BUY, Side.SELL)
    )
    shown: dict[str, Any] = {"lastUpdateId": market.version, "bids": bids, "asks": asks}
    return shown if kind is MarketKind.SPOT else shown | {"E": exchange.now_ms(), "T": exchange.now_ms()}


def book_ticker(exchange: Exchange, fields: Fields) -> dict[str, Any] | list[dict[str, Any]]:
    if "symbol" in fields:
        return _ticker(exchange, find_market(exchange, fields))
    return [_ticker(exchange, market) for market in exchange.markets.values()]


def _ticker(exchange: Exchange, market: Market) -> dict[str, Any]:
    """An empty side has price and quantity 0."""
    spec: Instrument = market.instrument
    bid, ask = market.book.top(Side.BUY) or (0, 0), market.book.top(Side.SELL) or (0, 0)
    shown = {
        "symbol": spec.symbol, "bidPrice": plain(spec.tick * bid[0]), "bidQty": plain(spec.lot * bid[1]),
        "askPrice": plain(spec.tick * ask[0]), "askQty": plain(spec.lot * ask[1]),
    }  # fmt: skip
    return (
        shown if spec.kind is MarketKind.SPOT else shown | {"time": exchange.now_ms(), "lastUpdateId": market.version}
    )


def trades(exchange: Exchange, fields: Fields) -> list[dict[str, Any]]:
    market = find_market(exchange, fields)
    limit = min(integer_of(fields, "limit", default=500) or 500, 1_000)
    return [
        {
            "id": trade.trade_id, "price": plain(trade.price), "qty": plain(trade.qty),
            "quoteQty": plain(trade.price * trade.qty), "time": trade.at_ms, "isBuyerMaker": trade.taker is Side.SELL,
            "isBestMatch": True,
        }
        for trade in market.trades[-limit:]
    ]  # fmt: skip


def premium_index(exchange: Exchange, fields: Fields) -> dict[str, Any]:
    market, hours8 = find_market(exchange, fields), 28_800_000
    now_ms = exchange.now_ms()
    return {
        "symbol": market.instrument.symbol, "markPrice": plain(market.mark), "indexPrice": plain(market.mark),
        "estimatedSettlePrice": plain(market.mark), "lastFundingRate": "0", "interestRate": "0",
        "nextFundingTime": now_ms // hours8 * hours8 + hours8, "time": now_ms,
    }  # fmt: skip
