"""What Backpack tells an account of itself: positions, balances, collateral, fees, fills and past orders. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar

from exchanges.accounts import Exposure
from exchanges.types import ZERO, Fill, FillKind, Liquidity, MarketKind, Side
from exchanges.venues.backpack.orders import SIDE_NAMES, SIDES, client_id_of, history_object, order_object
from exchanges.venues.backpack.wire import ApiError, count_of
from exchanges.venues.exchange import Exchange, Market, VenueAccount
from exchanges.venues.iso import naive_iso
from exchanges.venues.ledger import VenueOrder

PAGE_MAX = 1_000
_PLACES = Decimal("1e-8")  # of averages and liquidation prices, which divide
T = TypeVar("T", Fill, VenueOrder)


def rounded(value: Decimal) -> str:
    return f"{value.quantize(_PLACES).normalize():f}" if value else "0"


def curve(ratio: Decimal) -> dict[str, str]:
    """A margin function that does not grow with the position."""
    return {"type": "sqrt", "base": f"{ratio:f}", "factor": "0"}


def market_type(market: Market) -> str:
    return "PERP" if market.instrument.kind is MarketKind.PERP else "SPOT"


def perps(exchange: Exchange) -> list[Market]:
    return [market for market in exchange.markets.values() if market.instrument.kind is MarketKind.PERP]


def positions(exchange: Exchange, account: VenueAccount, symbol: str | None) -> list[dict[str, Any]]:
    """Open positions. Raises: ApiError for one symbol without one."""
    found = [
        position(exchange, account, market)
        for market in perps(exchange)
        if symbol in (None, market.instrument.symbol) and account.balances.holding(market.instrument.symbol).qty
    ]
    if symbol is not None and not found:
        raise ApiError(404, "RESOURCE_NOT_FOUND", "Position not found")
    return found


def position(exchange: Exchange, account: VenueAccount, market: Market) -> dict[str, Any]:
    spec, exposure = market.instrument, market.exposure(account)
    held, mark = exposure.holding, market.mark
    worst = worst_case(exposure)
    return {
        "breakEvenPrice": rounded(held.entry_price),
        "entryPrice": rounded(held.entry_price),
        "estLiquidationPrice": rounded(liquidation_price(exchange, account, market)),
        "imf": f"{spec.initial_margin:f}",
        "imfFunction": curve(spec.initial_margin),
        "markPrice": f"{mark:f}",
        "mmf": f"{spec.maintenance_margin:f}",
        "mmfFunction": curve(spec.maintenance_margin),
        "netCost": rounded(held.qty * held.entry_price),
        "netQuantity": f"{held.qty:f}",
        "netExposureQuantity": f"{worst:f}",
        "netExposureNotional": f"{worst * mark:f}",
        "pnlRealized": rounded(account.realized.get(spec.symbol, ZERO)),
        "pnlUnrealized": rounded((mark - held.entry_price) * held.qty),
        "cumulativeFundingPayment": "0",
        "cumulativeInterest": "0",
        "subaccountId": None,
        "symbol": spec.symbol,
        "userId": account.number,
        "positionId": position_id(account, market),
    }


def worst_case(exposure: Exposure) -> Decimal:
    """The size of the position if the worse side of its open orders filled; without a sign, as ccxt reads it."""
    held = exposure.holding.qty
    return max(abs(held + exposure.open_buy_qty), abs(held - exposure.open_sell_qty))


def position_id(account: VenueAccount, market: Market) -> str:
    """A new one whenever a position is opened from flat."""
    opened = account.traded.get(market.instrument.symbol, 0)
    return str(account.number * 1_000_000_000 + market.number * 1_000_000 + opened)


def liquidation_price(exchange: Exchange, account: VenueAccount, market: Market) -> Decimal:
    """Where this market's price would bring equity down to maintenance, all others unmoved; 0 if nowhere."""
    margin, qty = exchange.margin(account), account.balances.holding(market.instrument.symbol).qty
    slope = qty - abs(qty) * market.instrument.maintenance_margin
    if not slope:
        return ZERO
    return max(ZERO, market.mark - (margin.equity - margin.maintenance) / slope)


def capital(exchange: Exchange, account: VenueAccount) -> dict[str, Any]:
    """Balances by asset; `locked` is what open spot orders reserve."""
    exposures = [
        market.exposure(account) for market in exchange.markets.values() if market.instrument.kind is MarketKind.SPOT
    ]
    locked = sum((exposure.open_buy_cost for exposure in exposures), ZERO)
    shown = {exchange.quote_asset: _balance(exchange.settled_cash(account), locked)}
    for exposure in exposures:
        shown[exposure.instrument.base] = _balance(exposure.holding.qty, exposure.open_sell_qty)
    return shown


def _balance(total: Decimal, locked: Decimal) -> dict[str, str]:
    return {"available": rounded(total - locked), "locked": rounded(locked), "staked": "0"}


def collateral(exchange: Exchange, account: VenueAccount) -> dict[str, Any]:
    margin = exchange.margin(account)
    exposures = [market.exposure(account) for market in perps(exchange)]
    unrealized = sum(((it.mid - it.holding.entry_price) * it.holding.qty for it in exposures), ZERO)
    notional = sum((abs(it.holding.qty) * it.mid for it in exposures), ZERO)
    cash = exchange.settled_cash(account)
    imf = sum((it.used for it in exposures), ZERO)
    return {
        "assetsValue": rounded(margin.equity - unrealized),
        "borrowLiability": "0",
        "collateral": [_collateral_row(exchange.quote_asset, cash, Decimal(1), margin.equity - margin.free)]
        + [
            _collateral_row(market.instrument.base, exposure.holding.qty, exposure.mid, exposure.open_sell_qty)
            for market in exchange.markets.values()
            if market.instrument.kind is MarketKind.SPOT and (exposure := market.exposure(account)).holding.qty
        ],
        "imf": rounded(imf / margin.equity) if margin.equity > 0 else "0",
        "unsettledEquity": "0",
        "liabilitiesValue": "0",
        "marginFraction": rounded(margin.equity / notional) if notional else None,
        "mmf": rounded(margin.maintenance / margin.equity) if margin.equity > 0 else "0",
        "netEquity": rounded(margin.equity),
        "netEquityAvailable": rounded(max(margin.free, ZERO)),
        "netEquityLocked": rounded(margin.equity - margin.free),
        "netExposureFutures": rounded(notional),
        "pnlUnrealized": rounded(unrealized),
    }


def _collateral_row(asset: str, total: Decimal, price: Decimal, locked: Decimal) -> dict[str, str]:
    return {
        "symbol": asset,
        "assetMarkPrice": f"{price:f}",
        "totalQuantity": rounded(total),
        "balanceNotional": rounded(total * price),
        "collateralWeight": "1",
        "collateralValue": rounded(total * price),
        "openOrderQuantity": rounded(locked),
        "lendQuantity": "0",
        "availableQuantity": rounded(total - locked),
    }


def summary(exchange: Exchange, account: VenueAccount) -> dict[str, Any]:
    """Settings and fees; fees in basis points."""
    perp = next((market.instrument for market in perps(exchange)), None)
    spot = next((m.instrument for m in exchange.markets.values() if m.instrument.kind is MarketKind.SPOT), None)
    any_market = perp or spot
    assert any_market is not None
    return {
        "autoBorrowSettlements": False,
        "autoLend": False,
        "autoRealizePnl": False,
        "autoRepayBorrows": False,
        "borrowLimit": "0",
        "futuresMakerFee": rounded((perp or any_market).maker_fee * 10_000),
        "futuresTakerFee": rounded((perp or any_market).taker_fee * 10_000),
        "leverageLimit": rounded(1 / (perp or any_market).initial_margin),
        "limitOrders": len(account.open),
        "liquidating": False,
        "positionLimit": "100000000",
        "spotMakerFee": rounded((spot or any_market).maker_fee * 10_000),
        "spotTakerFee": rounded((spot or any_market).taker_fee * 10_000),
        "triggerOrders": 0,
    }


def most_quantity(exchange: Exchange, account: VenueAccount, query: Mapping[str, str]) -> dict[str, Any]:
    market = exchange.markets.get(query.get("symbol", ""))
    if market is None:
        raise ApiError(400, "INVALID_SYMBOL", "Invalid symbol")
    side = SIDES.get(query.get("side", ""))
    if side is None:
        raise ApiError(400, "INVALID_CLIENT_REQUEST", "side must be Bid or Ask")
    spec, held = market.instrument, account.balances.holding(market.instrument.symbol).qty
    free = max(ZERO, exchange.margin(account).free)
    if spec.kind is MarketKind.PERP:
        most = free / (market.mark * spec.initial_margin) + max(ZERO, -held * side.sign) * 2
    else:
        most = held if side is Side.SELL else free / market.mark
    if query.get("reduceOnly") == "true":
        most = max(ZERO, -held * side.sign)
    return {
        **{name: value == "true" for name, value in query.items() if name in ("reduceOnly", "autoBorrow")},
        "symbol": spec.symbol,
        "side": query["side"],
        "maxOrderQuantity": f"{spec.floor_qty(most):f}",
    }


# -- histories ---------------------------------------------------------------------------------------------------


def fills(exchange: Exchange, account: VenueAccount, query: Mapping[str, str]) -> list[dict[str, Any]]:
    since = count_of(query, "from", default=0, most=1 << 53)
    until = count_of(query, "to", default=1 << 53, most=1 << 53)
    kind = query.get("fillType")

    name, order_id, symbol = account.name, query.get("orderId"), query.get("symbol")
    types = query.get("marketType") or "PERP SPOT"
    wanted = (
        fill
        for fill in _ordered(exchange.ledger.fills, query)
        if fill.account == name
        and since <= fill.at_ms <= until
        and (order_id is None or fill.order_id == order_id)
        and (symbol is None or fill.symbol == symbol)
        and (kind is None or (kind == "User") == (fill.kind is FillKind.TRADE))
        and market_type(exchange.markets[fill.symbol]) in types
    )
    return [fill_object(fill) for fill in _page(wanted, query)]


def fill_object(fill: Fill) -> dict[str, Any]:
    return {
        "clientId": fill.client_id or None,  # text here, a number elsewhere
        "fee": f"{fill.fee:f}",
        "feeSymbol": fill.fee_asset,
        "isMaker": fill.liquidity is Liquidity.MAKER,
        "orderId": fill.order_id,
        "price": f"{fill.price:f}",
        "quantity": f"{fill.qty:f}",
        "side": SIDE_NAMES[fill.side],
        "symbol": fill.symbol,
        "systemOrderType": None if fill.kind is FillKind.TRADE else "LiquidatePositionOnBook",
        "timestamp": naive_iso(fill.at_ms),
        "tradeId": int(fill.trade_id),
    }


def past_orders(exchange: Exchange, account: VenueAccount, query: Mapping[str, str]) -> list[dict[str, Any]]:
    order_id, symbol, types = query.get("orderId"), query.get("symbol"), query.get("marketType") or "PERP SPOT"
    wanted = (
        order
        for order in _ordered(list(exchange.ledger.orders.values()), query)
        if order.account == account.name
        and (order_id is None or order.order_id == order_id)
        and (symbol is None or order.symbol == symbol)
        and market_type(exchange.markets[order.symbol]) in types
    )
    return [history_object(order) for order in _page(wanted, query)]


def _ordered(rows: list[T], query: Mapping[str, str]) -> Iterator[T]:
    """Newest first unless told otherwise."""
    return iter(rows) if query.get("sortDirection") == "Asc" else reversed(rows)


def _page(wanted: Iterator[T], query: Mapping[str, str]) -> Iterator[T]:
    """`offset` skips, `limit` (100, at most 1,000) bounds."""
    limit = count_of(query, "limit", default=100, most=PAGE_MAX)
    offset = count_of(query, "offset", default=0, most=1 << 31)
    return islice(wanted, offset, offset + limit)


def open_orders(exchange: Exchange, account: VenueAccount, query: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        order_object(order)
        for order in account.open.values()
        if query.get("symbol") in (None, order.symbol)
        and query.get("marketType") in (None, market_type(exchange.markets[order.symbol]))
    ]


def find_open(account: VenueAccount, fields: Mapping[str, Any]) -> VenueOrder:
    """An open order by exactly one of its ids. Raises: ApiError."""
    order_id, client_id = fields.get("orderId"), fields.get("clientId")
    if (order_id is None) == (client_id is None):
        raise ApiError(400, "INVALID_CLIENT_REQUEST", "Must specify exactly one of orderId and clientId")
    if order_id is not None:
        order = account.open.get(str(order_id))
    else:
        order = next((it for it in account.open.values() if str(client_id_of(it)) == str(client_id)), None)
    if order is None or order.symbol != fields.get("symbol"):
        raise ApiError(404, "RESOURCE_NOT_FOUND", "Order not found")
    return order
