"""Backpack's order entry: payloads to requests for the exchange, orders back to the venue's objects. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exchanges.types import ZERO, OrderRequest, OrderType, SelfTrade, Side, TimeInForce
from exchanges.values import quick
from exchanges.venues.backpack.wire import (
    ApiError,
    PayloadError,
    choice_of,
    decimal_of,
    flag_of,
    plain,
    text_of,
    uint32_of,
)
from exchanges.venues.iso import naive_iso
from exchanges.venues.ledger import End, VenueOrder

SIDES: Mapping[str, Side] = {"Bid": Side.BUY, "Ask": Side.SELL}
SIDE_NAMES = {side: name for name, side in SIDES.items()}
SELF_TRADES: Mapping[str, SelfTrade] = {
    "RejectTaker": SelfTrade.CANCEL_TAKER,
    "RejectMaker": SelfTrade.CANCEL_MAKER,
    "RejectBoth": SelfTrade.CANCEL_BOTH,
}
STATUSES: Mapping[End, str] = {
    End.FILLED: "Filled",
    End.CANCELLED: "Cancelled",
    End.LIQUIDATION: "Cancelled",
}
EXPIRY_REASONS: Mapping[End, str] = {
    End.IMMEDIATE: "ImmediateOrCancel",
    End.NO_LIQUIDITY: "InsufficientLiquidity",
    End.PRICE_BOUND: "PriceImpact",
    End.MARGIN: "InsufficientMargin",
    End.FILL_OR_KILL: "FillOrKill",
    End.POST_ONLY: "PostOnlyTaker",
    End.SELF_TRADE: "SelfTradePrevention",
    End.REDUCE_ONLY: "ReduceOnlyNotReduced",
    End.EXPIRED: "Unknown",
}
NOT_HERE = (
    *("triggerPrice", "triggerBy", "triggerQuantity", "takeProfitTriggerPrice", "takeProfitLimitPrice"),
    *("takeProfitTriggerBy", "stopLossTriggerPrice", "stopLossLimitPrice", "stopLossTriggerBy"),
    *("slippageTolerance", "slippageToleranceType"),
)
NULLS: Mapping[str, None] = dict.fromkeys(
    (
        *("relatedOrderId", "strategyId", "triggerPrice", "triggerBy", "triggerQuantity", "triggeredAt"),
        *("takeProfitTriggerPrice", "takeProfitLimitPrice", "takeProfitTriggerBy"),
        *("stopLossTriggerPrice", "stopLossLimitPrice", "stopLossTriggerBy"),
    )
)


@quick
@dataclass(frozen=True, slots=True)
class Payload:
    """An order as it was asked for. `qty` is None where a market order named only what to spend."""

    symbol: str
    side: Side
    type: OrderType
    qty: Decimal | None
    quote_qty: Decimal | None
    price: Decimal | None
    time_in_force: str
    post_only: bool
    reduce_only: bool
    client_id: str
    self_trade: str

    def request(self, account: str, *, qty: Decimal, worst_price: Decimal | None) -> OrderRequest:
        return OrderRequest(
            client_id=self.client_id, account=account, symbol=self.symbol, side=self.side, qty=qty, price=self.price,
            type=self.type, tif=TimeInForce.GTC if self.time_in_force == "GTC" else TimeInForce.IOC,
            post_only=self.post_only, reduce_only=self.reduce_only, valid_ms=0,
            self_trade=SELF_TRADES[self.self_trade], worst_price=worst_price,
        )  # fmt: skip


def read_payload(fields: Mapping[str, Any]) -> Payload:
    """Raises: ApiError for what the venue would not take."""
    kind = choice_of(fields, "orderType", ("Limit", "Market"))
    side = choice_of(fields, "side", SIDES)
    symbol = text_of(fields, "symbol")
    if kind is None or side is None or symbol is None:
        missing = next(n for n, v in (("orderType", kind), ("side", side), ("symbol", symbol)) if v is None)
        raise PayloadError(f"missing field `{missing}`")
    for name in NOT_HERE:
        if fields.get(name) is not None:
            raise ApiError(400, "NOT_IMPLEMENTED", f"{name}: this local venue has no trigger or slippage orders")
    payload = Payload(
        symbol, SIDES[side], OrderType.MARKET if kind == "Market" else OrderType.LIMIT,
        decimal_of(fields, "quantity", "INVALID_QUANTITY"), decimal_of(fields, "quoteQuantity", "INVALID_QUANTITY"),
        decimal_of(fields, "price", "INVALID_PRICE"), choice_of(fields, "timeInForce", ("GTC", "IOC", "FOK")) or "GTC",
        flag_of(fields, "postOnly"), flag_of(fields, "reduceOnly"), uint32_of(fields, "clientId") or "",
        choice_of(fields, "selfTradePrevention", SELF_TRADES) or "RejectTaker",
    )  # fmt: skip
    _check_form(payload)
    return payload


def _check_form(payload: Payload) -> None:
    if payload.type is OrderType.MARKET:
        if (payload.qty is None) == (payload.quote_qty is None):
            raise ApiError(400, "INVALID_ORDER", "Market orders need exactly one of quantity and quoteQuantity")
        if payload.price is not None or payload.post_only:
            raise ApiError(400, "INVALID_ORDER", "Market orders take no price and cannot be post only")
        return
    if payload.price is None:
        raise ApiError(400, "INVALID_PRICE", "Limit orders need a price")
    if payload.qty is None or payload.quote_qty is not None:
        raise ApiError(400, "INVALID_QUANTITY", "Limit orders need a quantity and take no quoteQuantity")
    if payload.post_only and payload.time_in_force != "GTC":
        raise ApiError(400, "INVALID_ORDER", "Post only orders must be good till cancelled")


def status_of(order: VenueOrder) -> str:
    if order.end is None:
        return "PartiallyFilled" if order.cum_qty else "New"
    return STATUSES.get(order.end, "Expired")


def client_id_of(order: VenueOrder) -> int | None:
    return int(order.client_id) if order.client_id else None


def order_object(order: VenueOrder) -> dict[str, Any]:
    """An order as REST replies show it: all optional keys are there, null where unset."""
    payload = order.detail if isinstance(order.detail, Payload) else None
    shown: dict[str, Any] = {
        "orderType": "Limit",
        "id": order.order_id,
        "clientId": client_id_of(order),
        "createdAt": order.created_ms,
        "executedQuantity": f"{order.cum_qty:f}",
        "executedQuoteQuantity": f"{order.cum_quote:f}",
        "quantity": f"{order.qty:f}",
        "reduceOnly": order.request.reduce_only,
        "selfTradePrevention": "RejectTaker" if payload is None else payload.self_trade,
        "status": status_of(order),
        "side": SIDE_NAMES[order.side],
        "symbol": order.symbol,
        "timeInForce": "GTC" if payload is None else payload.time_in_force,
        **NULLS,
    }
    if order.request.type is OrderType.MARKET:
        asked = None if payload is None else payload.quote_qty
        shown["orderType"] = "Market"
        shown["quantity"] = f"{order.qty:f}" if asked is None else None
        shown["quoteQuantity"] = plain(order.cum_quote if asked is None else asked)
        return shown
    return {**shown, "postOnly": order.request.post_only, "price": f"{order.price or ZERO:f}"}


def history_object(order: VenueOrder) -> dict[str, Any]:
    """An order as the history shows it: times as text, the quote quantity also of limit orders."""
    reason = None if order.end is None else EXPIRY_REASONS.get(order.end)
    return {
        "quoteQuantity": f"{order.cum_quote:f}",
        **order_object(order),
        "createdAt": naive_iso(order.created_ms),
        "expiryReason": reason,
        "systemOrderType": None if order.kind.value == "trade" else "LiquidatePositionOnBook",
    }
