"""What Binance tells an account of itself: balances, positions, fees, fills and past orders. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from exchanges.accounts import Exposure
from exchanges.types import ZERO, Fill, Liquidity, MarketKind, Side
from exchanges.venues.binance.orders import SIDE_NAMES, client_id_of, perp_order, spot_order
from exchanges.venues.binance.wire import Fields, integer_of, plain, text_of, wrong
from exchanges.venues.exchange import Exchange, Market, VenueAccount
from exchanges.venues.ledger import VenueOrder

PAGE, PAGE_MAX = 500, 1_000
DAY_MS = 86_400_000
SPAN_MS = {MarketKind.SPOT: DAY_MS, MarketKind.PERP: 7 * DAY_MS}  # of one question about fills
_PLACES = Decimal("1e-8")  # of averages and liquidation prices, which divide


def rounded(value: Decimal) -> str:
    return plain(value.quantize(_PLACES).normalize()) if value else "0"


def find_market(exchange: Exchange, fields: Fields) -> Market:
    """Raises: ApiError."""
    market = exchange.markets.get(text_of(fields, "symbol"))
    if market is None:
        raise wrong(-1121, "Invalid symbol.")
    return market


def order_object(order: VenueOrder) -> dict[str, Any]:
    return spot_order(order) if order.instrument.kind is MarketKind.SPOT else perp_order(order)


# -- orders ------------------------------------------------------------------------------------------------------


def find_order(
    exchange: Exchange, account: VenueAccount, fields: Fields, *, among: Iterable[VenueOrder]
) -> VenueOrder | None:
    """The newest order of the account by one of its ids; the venue's own id wins. Raises: ApiError."""
    symbol = find_market(exchange, fields).instrument.symbol
    order_id, client_id = integer_of(fields, "orderId"), fields.get("origClientOrderId", "")
    if order_id is None and not client_id:
        raise wrong(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
    found = None
    for order in among:
        if (
            order.account == account.name
            and order.symbol == symbol
            and (order.order_id == str(order_id) if order_id is not None else client_id_of(order) == client_id)
        ):
            found = order
    return found


def query(exchange: Exchange, account: VenueAccount, fields: Fields) -> dict[str, Any]:
    found = find_order(exchange, account, fields, among=shown_orders(exchange))
    if found is None:
        raise wrong(-2013, "Order does not exist.")
    return order_object(found)


def shown_orders(exchange: Exchange) -> Iterable[VenueOrder]:
    """Orders that have reached the book, or have ended: one that is held back (a fault) is not there yet."""
    for order in exchange.ledger.orders.values():
        if order.end is not None or order.order_id in exchange.accounts[order.account].open:
            yield order


def open_orders(exchange: Exchange, account: VenueAccount, fields: Fields) -> list[dict[str, Any]]:
    symbol = find_market(exchange, fields).instrument.symbol if "symbol" in fields else None
    return [order_object(order) for order in account.open.values() if symbol in (None, order.symbol)]


def all_orders(exchange: Exchange, account: VenueAccount, fields: Fields) -> list[dict[str, Any]]:
    """From `orderId` on if it is given, else the newest ones, or those of a time."""
    symbol, first = find_market(exchange, fields).instrument.symbol, integer_of(fields, "orderId")
    since, until = integer_of(fields, "startTime"), integer_of(fields, "endTime")
    rows = [
        order
        for order in shown_orders(exchange)
        if order.account == account.name
        and order.symbol == symbol
        and (first is None or int(order.order_id) >= first)
        and (since is None or order.created_ms >= since)
        and (until is None or order.created_ms <= until)
    ]
    limit = _limit(fields)
    rows = rows[:limit] if first is not None or since is not None else rows[-limit:]
    return [order_object(order) for order in rows]


def trades(exchange: Exchange, account: VenueAccount, fields: Fields) -> list[dict[str, Any]]:
    """Fills, oldest first: of an order, from a trade id on, of a time, or the newest ones."""
    market = find_market(exchange, fields)
    kind, symbol = market.instrument.kind, market.instrument.symbol
    order_id, first = integer_of(fields, "orderId"), integer_of(fields, "fromId")
    since, until = integer_of(fields, "startTime"), integer_of(fields, "endTime")
    if since is not None and until is not None and until - since > SPAN_MS[kind]:
        raise wrong(-1127, "More than the allowed hours between startTime and endTime.")
    if first is not None and (since is not None or until is not None):
        raise wrong(-1128, "Combination of optional parameters invalid.")
    if since is not None and until is None:
        until = since + SPAN_MS[kind]
    rows = [
        fill
        for fill in exchange.ledger.fills
        if fill.account == account.name
        and fill.symbol == symbol
        and (order_id is None or fill.order_id == str(order_id))
        and (first is None or int(fill.trade_id) >= first)
        and (since is None or fill.at_ms >= since)
        and (until is None or fill.at_ms <= until)
    ]
    limit = _limit(fields)
    rows = rows[:limit] if first is not None or since is not None else rows[-limit:]
    return [_spot_trade(fill) if kind is MarketKind.SPOT else _perp_trade(fill) for fill in rows]


def _limit(fields: Fields) -> int:
    limit = integer_of(fields, "limit", default=PAGE) or PAGE
    return min(limit, PAGE_MAX)


def _trade(fill: Fill) -> dict[str, Any]:
    return {
        "symbol": fill.symbol, "id": int(fill.trade_id), "orderId": int(fill.order_id), "price": plain(fill.price),
        "qty": plain(fill.qty), "quoteQty": plain(fill.qty * fill.price), "commission": plain(fill.fee),
        "commissionAsset": fill.fee_asset, "time": fill.at_ms,
    }  # fmt: skip


def _spot_trade(fill: Fill) -> dict[str, Any]:
    return _trade(fill) | {
        "orderListId": -1, "isBuyer": fill.side is Side.BUY, "isMaker": fill.liquidity is Liquidity.MAKER,
        "isBestMatch": True,
    }  # fmt: skip


def _perp_trade(fill: Fill) -> dict[str, Any]:
    return _trade(fill) | {
        "buyer": fill.side is Side.BUY, "maker": fill.liquidity is Liquidity.MAKER, "side": SIDE_NAMES[fill.side],
        "positionSide": "BOTH", "realizedPnl": "0",
    }  # fmt: skip


# -- spot money --------------------------------------------------------------------------------------------------


def spot_balances(exchange: Exchange, account: VenueAccount) -> list[tuple[str, Decimal, Decimal]]:
    """Asset, free, locked: `locked` is what open orders reserve."""
    exposures = [market.exposure(account) for market in exchange.markets.values()]
    locked = sum((exposure.open_buy_cost for exposure in exposures), ZERO)
    shown = [(exchange.quote_asset, account.balances.cash - locked, locked)]
    for exposure in exposures:
        shown.append((exposure.instrument.base, exposure.holding.qty - exposure.open_sell_qty, exposure.open_sell_qty))
    return shown


def spot_account(exchange: Exchange, account: VenueAccount, _: Fields) -> dict[str, Any]:
    spec = next(iter(exchange.markets.values())).instrument
    return {
        "makerCommission": int(spec.maker_fee * 10_000),
        "takerCommission": int(spec.taker_fee * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": plain(spec.maker_fee), "taker": plain(spec.taker_fee), "buyer": "0", "seller": "0",
        },
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": exchange.now_ms(),
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": rounded(free), "locked": rounded(locked)}
            for asset, free, locked in spot_balances(exchange, account)
        ],
        "permissions": ["SPOT"],
        "uid": account.number,
    }  # fmt: skip


def spot_commission(exchange: Exchange, _: VenueAccount, fields: Fields) -> dict[str, Any]:
    spec = find_market(exchange, fields).instrument
    none = {"maker": "0.00000000", "taker": "0.00000000", "buyer": "0.00000000", "seller": "0.00000000"}
    return {
        "symbol": spec.symbol,
        "standardCommission": none | {"maker": plain(spec.maker_fee), "taker": plain(spec.taker_fee)},
        "specialCommission": none,
        "taxCommission": none,
        "discount": {"enabledForAccount": False, "enabledForSymbol": True, "discountAsset": "BNB", "discount": "0.75"},
    }


# -- futures money -----------------------------------------------------------------------------------------------


def _positions(exchange: Exchange, account: VenueAccount) -> list[tuple[Market, Exposure]]:
    rows = [(market, market.exposure(account)) for market in exchange.markets.values()]
    return [row for row in rows if row[1].holding.qty or row[1].open_buy_qty or row[1].open_sell_qty]


def _gained(exposure: Exposure) -> Decimal:
    return (exposure.mid - exposure.holding.entry_price) * exposure.holding.qty


def liquidation_price(exchange: Exchange, account: VenueAccount, market: Market) -> Decimal:
    """Where this market's price would bring equity down to maintenance, all others unmoved; 0 if nowhere."""
    margin, qty = exchange.margin(account), account.balances.holding(market.instrument.symbol).qty
    slope = qty - abs(qty) * market.instrument.maintenance_margin
    if not slope:
        return ZERO
    return max(ZERO, market.mark - (margin.equity - margin.maintenance) / slope)


def position_risk(exchange: Exchange, account: VenueAccount, fields: Fields) -> list[dict[str, Any]]:
    """Markets with a position or an open order."""
    wanted = find_market(exchange, fields).instrument.symbol if "symbol" in fields else None
    return [
        {
            "symbol": market.instrument.symbol,
            "positionSide": "BOTH",
            "positionAmt": plain(exposure.holding.qty),
            "entryPrice": rounded(exposure.holding.entry_price),
            "breakEvenPrice": rounded(exposure.holding.entry_price),
            "markPrice": plain(market.mark),
            "unRealizedProfit": rounded(_gained(exposure)),
            "liquidationPrice": rounded(liquidation_price(exchange, account, market)),
            "isolatedMargin": "0",
            "notional": rounded(exposure.holding.qty * market.mark),
            "marginAsset": market.instrument.quote,
            "isolatedWallet": "0",
            "initialMargin": rounded(exposure.used),
            "maintMargin": rounded(exposure.maintenance),
            "positionInitialMargin": rounded(exposure.used),
            "openOrderInitialMargin": "0",
            "adl": 1,
            "bidNotional": "0",
            "askNotional": "0",
            "leverage": rounded(1 / market.instrument.initial_margin),
            "marginType": "cross",
            "updateTime": exchange.now_ms(),
        }
        for market, exposure in _positions(exchange, account)
        if wanted in (None, market.instrument.symbol)
    ]


def perp_account(exchange: Exchange, account: VenueAccount, _: Fields) -> dict[str, Any]:
    margin, held = exchange.margin(account), exchange.settled_cash(account)
    rows = _positions(exchange, account)
    gained = sum((_gained(exposure) for _, exposure in rows), ZERO)
    used = margin.equity - margin.free
    totals = {
        "InitialMargin": used, "MaintMargin": margin.maintenance, "WalletBalance": held, "UnrealizedProfit": gained,
        "MarginBalance": margin.equity, "PositionInitialMargin": used, "OpenOrderInitialMargin": ZERO,
        "CrossWalletBalance": held, "CrossUnPnl": gained,
    }  # fmt: skip
    free = rounded(max(margin.free, ZERO))
    asset = {name[0].lower() + name[1:]: rounded(value) for name, value in totals.items()}
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": False,
        "multiAssetsMargin": False,
        "updateTime": 0,
        **{f"total{name}": rounded(value) for name, value in totals.items()},
        "availableBalance": free,
        "maxWithdrawAmount": free,
        "assets": [
            {
                "asset": exchange.quote_asset, **asset, "availableBalance": free, "maxWithdrawAmount": free,
                "marginAvailable": True, "updateTime": exchange.now_ms(),
            }
        ],
        "positions": [
            {
                "symbol": row["symbol"], "positionSide": "BOTH", "positionAmt": row["positionAmt"],
                "unrealizedProfit": row["unRealizedProfit"], "isolatedMargin": "0", "notional": row["notional"],
                "isolatedWallet": "0", "initialMargin": row["initialMargin"], "maintMargin": row["maintMargin"],
                "entryPrice": row["entryPrice"], "leverage": row["leverage"], "isolated": False,
                "updateTime": row["updateTime"],
            }
            for row in position_risk(exchange, account, {})
        ],
    }  # fmt: skip


def perp_balance(exchange: Exchange, account: VenueAccount, _: Fields) -> list[dict[str, Any]]:
    margin, held = exchange.margin(account), exchange.settled_cash(account)
    free = rounded(max(margin.free, ZERO))
    return [
        {
            "accountAlias": str(account.number), "asset": exchange.quote_asset, "balance": rounded(held),
            "crossWalletBalance": rounded(held), "crossUnPnl": rounded(margin.equity - held), "availableBalance": free,
            "maxWithdrawAmount": free, "marginAvailable": True, "updateTime": exchange.now_ms(),
        }
    ]  # fmt: skip


def perp_commission(exchange: Exchange, _: VenueAccount, fields: Fields) -> dict[str, Any]:
    spec = find_market(exchange, fields).instrument
    return {
        "symbol": spec.symbol, "makerCommissionRate": plain(spec.maker_fee),
        "takerCommissionRate": plain(spec.taker_fee),
    }  # fmt: skip


def symbol_config(exchange: Exchange, _: VenueAccount, fields: Fields) -> list[dict[str, Any]]:
    markets = [find_market(exchange, fields)] if "symbol" in fields else list(exchange.markets.values())
    return [
        {
            "symbol": market.instrument.symbol, "marginType": "CROSSED", "isAutoAddMargin": False,
            "leverage": int(1 / market.instrument.initial_margin), "maxNotionalValue": "100000000",
        }
        for market in markets
    ]  # fmt: skip


def leverage_bracket(exchange: Exchange, _: VenueAccount, fields: Fields) -> list[dict[str, Any]]:
    """One bracket: the margin here does not grow with the position."""
    markets = [find_market(exchange, fields)] if "symbol" in fields else list(exchange.markets.values())
    return [
        {
            "symbol": market.instrument.symbol,
            "notionalCoef": "1.0",
            "brackets": [
                {
                    "bracket": 1, "initialLeverage": int(1 / market.instrument.initial_margin),
                    "notionalCap": 100_000_000, "notionalFloor": 0, "cum": 0,
                    "maintMarginRatio": float(market.instrument.maintenance_margin),
                }
            ],
        }
        for market in markets
    ]  # fmt: skip
