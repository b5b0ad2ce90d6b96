"""Lighter's order entry: signed fields in integers to requests for the exchange. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exchanges.types import Instrument, OrderRequest, OrderType, SelfTrade, Side, TimeInForce
from exchanges.venues.ledger import End, VenueOrder
from exchanges.venues.lighter.wire import (
    BASE_MAX,
    CLIENT_INDEX_MAX,
    EXPIRY_MS,
    GOOD_TILL_TIME,
    IOC,
    LIMIT,
    MARKET,
    POST_ONLY,
    PRICE_MAX,
    SELF_TRADE,
    SELF_TRADE_EQUALITY,
    LighterError,
    Tx,
    attribute,
    whole,
)

QUOTE_PLACES = Decimal("0.000001")
SELF_TRADES = (SelfTrade.CANCEL_MAKER, SelfTrade.CANCEL_TAKER, SelfTrade.CANCEL_BOTH)
TYPES = {LIMIT: "limit", MARKET: "market"}
TIMES_IN_FORCE = {IOC: "immediate-or-cancel", GOOD_TILL_TIME: "good-till-time", POST_ONLY: "post-only"}
STATUSES: Mapping[End, str] = {
    End.FILLED: "filled",
    End.CANCELLED: "canceled",
    End.IMMEDIATE: "canceled",
    End.NO_LIQUIDITY: "canceled-not-enough-liquidity",
    End.PRICE_BOUND: "canceled-too-much-slippage",
    End.POST_ONLY: "canceled-post-only",
    End.MARGIN: "canceled-margin-not-allowed",
    End.SELF_TRADE: "canceled-self-trade",
    End.REDUCE_ONLY: "canceled-reduce-only",
    End.LIQUIDATION: "canceled-liquidation",
    End.EXPIRED: "canceled-expired",
    End.FILL_OR_KILL: "canceled",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """An order as it was signed."""

    base: int
    price: int
    type: int
    time_in_force: int
    expiry_ms: int
    nonce: int

    @property
    def takes(self) -> bool:
        """Whether it never rests."""
        return self.time_in_force == IOC


def read_asked(tx: Tx, instrument: Instrument, *, now_ms: int, min_quote: Decimal, min_base: Decimal) -> Asked:
    """Raises: LighterError for what the venue sees before its sequencer does."""
    info = tx.info
    whole(info, "ClientOrderIndex", most=CLIENT_INDEX_MAX, code=21727)
    asked = Asked(
        whole(info, "BaseAmount", most=BASE_MAX, code=21701), whole(info, "Price", most=PRICE_MAX, code=21702),
        whole(info, "Type", most=7, code=21704), whole(info, "TimeInForce", most=POST_ONLY, code=21705),
        whole(info, "OrderExpiry", code=21711), tx.nonce,
    )  # fmt: skip
    if asked.base < 1:
        raise LighterError(21701)
    if asked.price < 1:
        raise LighterError(21702)
    whole(info, "IsAsk", most=1, code=21703), whole(info, "ReduceOnly", most=1)
    if asked.type not in TYPES or whole(info, "TriggerPrice"):
        raise LighterError(21710)  # no trigger and no TWAP orders here
    if asked.type == MARKET and asked.time_in_force != IOC:
        raise LighterError(21705)
    if asked.takes != (asked.expiry_ms == 0) or (not asked.takes and asked.expiry_ms - now_ms not in EXPIRY_MS):
        raise LighterError(21711)
    qty, price = asked.base * instrument.lot, asked.price * instrument.tick
    if not asked.takes and (qty < min_base or qty * price < min_quote):  # the minima bind orders that may rest
        raise LighterError(21706)
    return asked


def request_of(tx: Tx, asked: Asked, account: str, instrument: Instrument) -> OrderRequest:
    info, price = tx.info, asked.price * instrument.tick
    market = asked.type == MARKET
    behaviour = attribute(info, SELF_TRADE)
    if behaviour >= len(SELF_TRADES):
        raise LighterError(21501)  # "reduce" is not offered here
    index = info["ClientOrderIndex"]
    return OrderRequest(
        client_id=str(index) if index else "", account=account, symbol=instrument.symbol,
        side=Side.SELL if info["IsAsk"] else Side.BUY, qty=asked.base * instrument.lot,
        price=None if market else price, type=OrderType.MARKET if market else OrderType.LIMIT,
        tif=TimeInForce.IOC if asked.takes else TimeInForce.GTC, post_only=asked.time_in_force == POST_ONLY,
        reduce_only=bool(info["ReduceOnly"]), valid_ms=0, self_trade=SELF_TRADES[behaviour],
        worst_price=price if market else None,
    )  # fmt: skip


def account_only(tx: Tx) -> bool:
    """Whether self-trade prevention spares the other accounts of the same master account (the default)."""
    return attribute(tx.info, SELF_TRADE_EQUALITY) != 1


def order_object(order: VenueOrder, *, market: int, account: int) -> dict[str, Any]:
    spec, asked = order.instrument, order.detail if isinstance(order.detail, Asked) else None
    price = order.price
    if price is None:
        price = (asked.price if asked else 0) * spec.tick
    times_us = order.created_ms * 1000
    return {
        "order_index": int(order.order_id),
        "client_order_index": int(order.client_id or 0),
        "order_id": order.order_id,
        "client_order_id": order.client_id or "0",
        "market_index": market,
        "owner_account_index": account,
        "initial_base_amount": plain(order.qty),
        "price": plain(price),
        "nonce": asked.nonce if asked else 0,
        "remaining_base_amount": plain(order.qty - order.cum_qty if order.end is None else spec.lot * 0),
        "is_ask": order.side is Side.SELL,
        "base_size": order.book.lots,
        "base_price": int(price / spec.tick),
        "filled_base_amount": plain(order.cum_qty + spec.lot * 0),
        "filled_quote_amount": quote(order.cum_quote),
        "side": order.side.value,
        "type": TYPES[asked.type] if asked else "liquidation",
        "time_in_force": TIMES_IN_FORCE[asked.time_in_force] if asked else "Unknown",
        "reduce_only": order.request.reduce_only,
        "trigger_price": plain(spec.tick * 0),
        "order_expiry": asked.expiry_ms if asked else 0,
        "status": "open" if order.end is None else STATUSES[order.end],
        "trigger_status": "na",
        "trigger_time": 0,
        "parent_order_index": 0,
        "parent_order_id": "0",
        "to_trigger_order_id_0": "0",
        "to_trigger_order_id_1": "0",
        "to_cancel_order_id_0": "0",
        "integrator_fee_collector_index": "0",
        "integrator_taker_fee": "0",
        "integrator_maker_fee": "0",
        "block_height": 1,
        "timestamp": order.created_ms,
        "created_at": order.created_ms,
        "updated_at": max(order.ended_ms, order.updated_ms),
        "transaction_time": times_us,
    }


def plain(value: Decimal) -> str:
    return format(value, "f")


def quote(value: Decimal) -> str:
    """Money with the venue's six decimals."""
    return plain(value.quantize(QUOTE_PLACES))
