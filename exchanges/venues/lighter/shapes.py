"""Lighter's JSON: markets, accounts, books, trades. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from typing import Any

from exchanges.types import ZERO, Instrument, MarketKind, Side
from exchanges.venues.exchange import Exchange, Market, VenueAccount
from exchanges.venues.ledger import PublicTrade, VenueOrder
from exchanges.venues.lighter.orders import plain, quote

ACCOUNT_BASE = 100  # index of account n: this plus n
API_KEY_INDEX = 5
OUTSIDE_ACCOUNT = (1 << 48) - 1  # who trades in the outside market
USDC_ID, BASE_ID = 3, 10  # asset ids; the base assets count up from the second
MIN_QUOTE = Decimal(10)
FINE_DECIMALS, FINE_LOTS = 4, 50  # where sizes have so many decimals, an order that rests has so many lots at least


@dataclass(slots=True)
class Day:
    """Prices and volumes of one market since the venue began."""

    first: Decimal = ZERO
    last: Decimal = ZERO
    high: Decimal = ZERO
    low: Decimal = ZERO
    volume: Decimal = ZERO
    quote_volume: Decimal = ZERO
    trades: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0

    def take(self, trade: PublicTrade) -> None:
        if not self.count:
            self.first = self.high = self.low = trade.price
        self.last, self.high, self.low = trade.price, max(self.high, trade.price), min(self.low, trade.price)
        self.volume += trade.qty
        self.quote_volume += trade.qty * trade.price
        self.count += 1

    @property
    def change(self) -> float:
        return float((self.last - self.first) / self.first * 100) if self.first else 0.0


def index_of(account: VenueAccount) -> int:
    return ACCOUNT_BASE + account.number


def l1_address(account: VenueAccount) -> str:
    """Accounts of one owner are sub-accounts of one address."""
    return "0x" + sha256(f"eagle-flow demo owner/{account.owner}".encode()).hexdigest()[:40]


def decimals(step: Decimal) -> int:
    """Lighter's steps are powers of ten."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -int(exponent))


def min_base(spec: Instrument) -> Decimal:
    """The minimum of an order that may rest: 0.0050 ETH, as on the venue; assumed for other markets."""
    return max(spec.min_qty, (FINE_LOTS if decimals(spec.lot) >= FINE_DECIMALS else 1) * spec.lot)


def order_book(market: Market) -> dict[str, Any]:
    spec = market.instrument
    perp = spec.kind is MarketKind.PERP
    return {
        "symbol": spec.symbol,
        "market_id": market_id(market),
        "market_type": "perp" if perp else "spot",
        "base_asset_id": 0 if perp else BASE_ID + market.number,
        "quote_asset_id": 0 if perp else USDC_ID,
        "status": "active" if market.book.quoted else "inactive",
        "taker_fee": percent(spec.taker_fee),
        "is_taker_fee_enabled": True,
        "maker_fee": percent(spec.maker_fee),
        "is_maker_fee_enabled": True,
        "liquidation_fee": "1.0000",
        "min_base_amount": plain(min_base(spec)),
        "min_quote_amount": quote(MIN_QUOTE),
        "order_quote_limit": "281474976.710655",
        "supported_size_decimals": decimals(spec.lot),
        "supported_price_decimals": decimals(spec.tick),
        "supported_quote_decimals": 6,
    }


def percent(ratio: Decimal) -> str:
    return format(ratio * 100, ".4f")


def market_id(market: Market) -> int:
    return market.number if market.instrument.kind is MarketKind.PERP else 2048 + market.number


def order_book_detail(market: Market, day: Day) -> dict[str, Any]:
    spec = market.instrument
    shown = {
        **order_book(market),
        "size_decimals": decimals(spec.lot),
        "price_decimals": decimals(spec.tick),
        "last_trade_price": float(day.last or market.mark),
        "daily_trades_count": day.count,
        "daily_base_token_volume": float(day.volume),
        "daily_quote_token_volume": float(day.quote_volume),
        "daily_price_low": float(day.low),
        "daily_price_high": float(day.high),
        "daily_price_change": day.change,
        "daily_chart": {},
    }
    if spec.kind is not MarketKind.PERP:
        return shown
    return {
        **shown,
        "quote_multiplier": 1,
        "default_initial_margin_fraction": int(spec.initial_margin * 10_000),
        "min_initial_margin_fraction": int(spec.initial_margin * 10_000),
        "maintenance_margin_fraction": int(spec.maintenance_margin * 10_000),
        "closeout_margin_fraction": int(spec.maintenance_margin * 10_000) * 2 // 3,
        "open_interest": 0.0,
        "market_config": {
            "market_margin_mode": 0, "insurance_fund_account_index": OUTSIDE_ACCOUNT, "liquidation_mode": 0,
            "force_reduce_only": False, "trading_hours": "", "funding_fee_discounts_enabled": False, "hidden": False,
            "rfq_enabled": False,
        },
        "strategy_index": 2,
        "funding_clamp_small": "0.0500",
        "funding_clamp_big": "4.0000",
        "base_interest_rate": "0.0100",
    }  # fmt: skip


def market_stats(market: Market, day: Day, *, now_ms: int) -> dict[str, Any]:
    hour = 3_600_000
    price = plain(market.mark.quantize(market.instrument.tick))
    return {
        "symbol": market.instrument.symbol,
        "market_id": market_id(market),
        "index_price": price,
        "mark_price": price,
        "mid_price": price,
        "open_interest": "0.000000",
        "open_interest_limit": "72057594037927936.000000",
        "funding_clamp_small": "0.0500",
        "funding_clamp_big": "4.0000",
        "base_interest_rate": "0.0100",
        "last_trade_price": plain(day.last) if day.count else price,
        "current_funding_rate": "0.0000",
        "funding_rate": "0.0000",
        "funding_timestamp": now_ms // hour * hour + hour,
        "daily_base_token_volume": float(day.volume),
        "daily_quote_token_volume": float(day.quote_volume),
        "daily_price_low": float(day.low),
        "daily_price_high": float(day.high),
        "daily_price_change": day.change,
    }


# -- accounts ----------------------------------------------------------------------------------------------------


def position(exchange: Exchange, account: VenueAccount, market: Market) -> dict[str, Any]:
    """A size without a sign beside `sign`; all margin is cross."""
    spec, exposure = market.instrument, market.exposure(account)
    held, mark = exposure.holding, market.mark
    margin = exchange.margin(account)
    slope = held.qty - abs(held.qty) * spec.maintenance_margin
    liquidation = max(ZERO, mark - (margin.equity - margin.maintenance) / slope) if slope else ZERO
    orders = sum(order.symbol == spec.symbol for order in account.open.values())
    return {
        "market_id": market_id(market),
        "symbol": spec.symbol,
        "initial_margin_fraction": format(spec.initial_margin * 100, ".2f"),
        "open_order_count": orders,
        "pending_order_count": 0,
        "position_tied_order_count": 0,
        "sign": -1 if held.qty < 0 else 1,
        "position": plain(abs(held.qty) + spec.lot * 0),
        "avg_entry_price": quote(held.entry_price),
        "position_value": quote(abs(held.qty) * mark),
        "unrealized_pnl": quote((mark - held.entry_price) * held.qty),
        "realized_pnl": quote(account.realized.get(spec.symbol, ZERO)),
        "liquidation_price": quote(liquidation),
        "total_funding_paid_out": "0.000000",
        "margin_mode": 0,
        "allocated_margin": "0.000000",
        "total_discount": "0.000000",
    }


def perps(exchange: Exchange) -> list[Market]:
    return [market for market in exchange.markets.values() if market.instrument.kind is MarketKind.PERP]


def collateral(exchange: Exchange, account: VenueAccount) -> Decimal:
    """Cash without what open positions have gained or lost."""
    costs = (
        account.balances.holding(it.instrument.symbol).qty * account.balances.holding(it.instrument.symbol).entry_price
        for it in perps(exchange)
    )
    return account.balances.cash + sum(costs, ZERO)


def assets(exchange: Exchange, account: VenueAccount) -> dict[str, dict[str, Any]]:
    """By asset id; USDC is all margin."""
    shown = {str(USDC_ID): _asset("USDC", USDC_ID, ZERO, ZERO, collateral(exchange, account))}
    for market in exchange.markets.values():
        if market.instrument.kind is not MarketKind.PERP:
            exposure, number = market.exposure(account), BASE_ID + market.number
            held, locked = exposure.holding.qty, exposure.open_sell_qty
            shown[str(number)] = _asset(market.instrument.base, number, held, locked, ZERO)
    return shown


def _asset(symbol: str, number: int, balance: Decimal, locked: Decimal, margin: Decimal) -> dict[str, Any]:
    return {
        "symbol": symbol, "asset_id": number, "balance": quote(balance), "locked_balance": quote(locked),
        "margin_mode": "enabled" if symbol == "USDC" else "disabled", "margin_balance": quote(margin),
    }  # fmt: skip


def account_object(exchange: Exchange, account: VenueAccount) -> dict[str, Any]:
    margin, index = exchange.margin(account), index_of(account)
    return {
        "code": 0,
        "account_type": 0,
        "index": index,
        "l1_address": l1_address(account),
        "cancel_all_time": 0,
        "total_order_count": len(account.open),
        "total_isolated_order_count": 0,
        "pending_order_count": 0,
        "available_balance": quote(max(margin.free, ZERO)),
        "status": 1,
        "collateral": quote(collateral(exchange, account)),
        "transaction_time": 0,
        "account_trading_mode": 0,
        "account_index": index,
        "name": account.name,
        "description": "",
        "can_invite": False,
        "referral_points_percentage": "",
        "can_rfq": False,
        "can_rfq_market_ids": [],
        "created_at": 0,
        "positions": [position(exchange, account, market) for market in perps(exchange)],
        "assets": list(assets(exchange, account).values()),
        "total_asset_value": quote(margin.equity),
        "cross_asset_value": quote(margin.equity),
        "cross_initial_margin_requirement": quote(margin.equity - margin.free),
        "cross_maintenance_margin_requirement": quote(margin.maintenance),
        "pool_info": {
            "status": 0, "operator_fee": "0", "min_operator_share_rate": "0", "total_shares": 0, "operator_shares": 0,
            "annual_percentage_yield": 0, "daily_returns": [], "share_prices": [], "sharpe_ratio": 0, "strategies": [],
        },
        "shares": [],
        "pending_unlocks": [],
        "approved_integrators": [],
    }  # fmt: skip


def user_stats(exchange: Exchange, account: VenueAccount) -> dict[str, Any]:
    margin = exchange.margin(account)
    notional = sum((abs(it.holding.qty) * it.mid for it in (m.exposure(account) for m in perps(exchange))), ZERO)
    figures = {
        "available_balance": quote(max(margin.free, ZERO)),
        "buying_power": "0",
        "collateral": quote(collateral(exchange, account)),
        "leverage": format(notional / margin.equity if margin.equity > 0 else ZERO, ".2f"),
        "margin_usage": format(
            (margin.equity - margin.free) / margin.equity * 100 if margin.equity > 0 else ZERO, ".2f"
        ),
        "portfolio_value": quote(margin.equity),
    }
    return {"account_trading_mode": 0, **figures, "cross_stats": figures, "total_stats": figures}


# -- trades and books --------------------------------------------------------------------------------------------


def trade_object(
    trade: PublicTrade, market: Market, orders: Mapping[str, VenueOrder], accounts: Mapping[str, VenueAccount]
) -> dict[str, Any]:
    """One trade; the outside market has an account and order ids of its own."""
    spec = market.instrument
    sides = {"ask": orders.get(trade.seller_order), "bid": orders.get(trade.buyer_order)}
    is_maker_ask = trade.taker is Side.BUY
    kinds = {order.kind.value for order in sides.values() if order is not None}
    shown: dict[str, Any] = {
        "trade_id": trade.trade_id,
        "trade_id_str": str(trade.trade_id),
        "tx_hash": f"{trade.trade_id:080x}",
        "type": "liquidation" if "liquidation" in kinds else "trade",
        "market_id": market_id(market),
        "size": plain(trade.qty),
        "price": plain(trade.price),
        "usd_amount": quote(trade.qty * trade.price),
    }
    for name, order in sides.items():
        number = int(order.order_id) if order is not None else (1 << 49) + trade.trade_id
        client = int(order.client_id or 0) if order is not None else 0
        owner = OUTSIDE_ACCOUNT if order is None else index_of(accounts[order.account])
        shown |= {
            f"{name}_id": number, f"{name}_id_str": str(number), f"{name}_client_id": client,
            f"{name}_client_id_str": str(client), f"{name}_account_id": owner,
        }  # fmt: skip
    shown |= {"is_maker_ask": is_maker_ask, "block_height": 1, "timestamp": trade.at_ms}
    for name, rate in (("taker_fee", spec.taker_fee), ("maker_fee", spec.maker_fee)):
        if rate:
            shown[name] = int(rate * 1_000_000)
    return {**shown, "transaction_time": trade.at_ms * 1000}


POSITION_BEFORE: Mapping[str, Any] = {
    "taker_position_size_before": "0", "taker_entry_quote_before": "0", "taker_initial_margin_fraction_before": 0,
    "taker_position_sign_changed": False, "maker_position_size_before": "0", "maker_entry_quote_before": "0",
    "maker_initial_margin_fraction_before": 0, "maker_position_sign_changed": False, "bid_account_pnl": "0",
    "ask_account_pnl": "0", "integrator_maker_fee": 0, "integrator_maker_fee_collector_index": 0,
    "integrator_taker_fee": 0, "integrator_taker_fee_collector_index": 0, "taker_allocated_margin_usdc_before": 0,
    "taker_allocated_margin_usdc_after": 0, "maker_allocated_margin_usdc_before": 0,
    "maker_allocated_margin_usdc_after": 0,
}  # fmt: skip


def level_objects(levels: list[tuple[Decimal, Decimal]]) -> list[dict[str, str]]:
    return [{"price": plain(price), "size": plain(qty)} for price, qty in levels]


def best_object(market: Market, side: Side) -> dict[str, str]:
    top = market.book.top(side)
    spec = market.instrument
    return {} if top is None else {"price": plain(spec.tick * top[0]), "size": plain(spec.lot * top[1])}


def asset_detail(symbol: str, number: int) -> dict[str, Any]:
    return {
        "asset_id": number, "symbol": symbol, "l1_decimals": 6, "decimals": 6, "min_transfer_amount": "1.000000",
        "min_withdrawal_amount": "1.000000", "margin_mode": "enabled", "index_price": "1.000000",
        "l1_address": "0x0000000000000000000000000000000000000000", "global_supply_cap": "0", "liquidation_fee": "0",
        "liquidation_threshold": "0", "loan_to_value": "0", "price_decimals": 6, "total_supplied": "0",
        "user_supply_cap": "0", "liquidation_factor": "0",
    }  # fmt: skip
