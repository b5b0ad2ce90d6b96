"""Orders as Binance spells them: payloads that are read, and how an order is shown. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exchanges.types import ZERO, Fill, FillKind, MarketKind, OrderRequest, OrderType, SelfTrade, Side, TimeInForce
from exchanges.venues.binance.wire import (
    CLIENT_ID,
    Fields,
    choice_of,
    decimal_of,
    flag_of,
    malformed,
    plain,
    text_of,
    wrong,
)
from exchanges.venues.ledger import End, VenueOrder

SIDES: Mapping[str, Side] = {"BUY": Side.BUY, "SELL": Side.SELL}
SIDE_NAMES = {side: name for name, side in SIDES.items()}
SELF_TRADES: Mapping[str, SelfTrade] = {
    "NONE": SelfTrade.NONE,
    "EXPIRE_TAKER": SelfTrade.CANCEL_TAKER,
    "EXPIRE_MAKER": SelfTrade.CANCEL_MAKER,
    "EXPIRE_BOTH": SelfTrade.CANCEL_BOTH,
}
TYPES: Mapping[MarketKind, tuple[str, ...]] = {
    MarketKind.SPOT: ("LIMIT", "MARKET", "LIMIT_MAKER"),
    MarketKind.PERP: ("LIMIT", "MARKET"),
}
TIMES: Mapping[MarketKind, tuple[str, ...]] = {
    MarketKind.SPOT: ("GTC", "IOC", "FOK"),
    MarketKind.PERP: ("GTC", "IOC", "FOK", "GTX"),
}
RESPONSES = ("ACK", "RESULT", "FULL")
NOT_HERE = ("stopPrice", "trailingDelta", "icebergQty", "priceMatch", "activationPrice", "callbackRate", "goodTillDate")
LIQUIDATED = "autoclose-"  # begins the client id of the venue's own order


@dataclass(frozen=True, slots=True)
class Payload:
    """An order as it was asked for. `qty` is None where a spot market order named only what to spend."""

    symbol: str
    side: Side
    type: str
    time_in_force: str
    qty: Decimal | None
    quote_qty: Decimal | None
    price: Decimal | None
    reduce_only: bool
    client_id: str
    self_trade: str
    response: str

    @property
    def post_only(self) -> bool:
        return self.type == "LIMIT_MAKER" or self.time_in_force == "GTX"

    @property
    def rests(self) -> bool:
        return self.type != "MARKET" and self.time_in_force in ("GTC", "GTX")

    def request(self, account: str, *, qty: Decimal, client_id: str) -> OrderRequest:
        market = self.type == "MARKET"
        return OrderRequest(
            client_id=client_id, account=account, symbol=self.symbol, side=self.side, qty=qty, price=self.price,
            type=OrderType.MARKET if market else OrderType.LIMIT,
            tif=TimeInForce.GTC if self.rests else TimeInForce.IOC, post_only=self.post_only,
            reduce_only=self.reduce_only, valid_ms=0, self_trade=SELF_TRADES[self.self_trade],
        )  # fmt: skip


def read_payload(fields: Fields, kind: MarketKind) -> Payload:
    """Raises: ApiError for what the venue would not take."""
    spot = kind is MarketKind.SPOT
    for name in NOT_HERE:
        if name in fields:
            raise wrong(-1104, f"{name}: this local venue has no conditional orders")
    if fields.get("positionSide", "BOTH") != "BOTH":
        raise wrong(-4061, "Order's position side does not match user's setting.")
    type_ = choice_of(fields, "type", TYPES[kind], code=-1116)
    needs_time = type_ == "LIMIT"
    if needs_time and "timeInForce" not in fields:
        raise malformed("timeInForce")
    payload = Payload(
        text_of(fields, "symbol"), SIDES[choice_of(fields, "side", SIDES, code=-1117)], type_,
        choice_of(fields, "timeInForce", TIMES[kind], code=-1115) if "timeInForce" in fields else "GTC",
        decimal_of(fields, "quantity"), decimal_of(fields, "quoteOrderQty") if spot else None,
        decimal_of(fields, "price"), flag_of(fields, "reduceOnly"), fields.get("newClientOrderId", ""),
        fields.get("selfTradePreventionMode", "EXPIRE_MAKER" if spot else "NONE"),
        fields.get("newOrderRespType", "FULL" if spot else "ACK"),
    )  # fmt: skip
    _check_form(payload, fields, spot=spot)
    return payload


def _check_form(payload: Payload, fields: Fields, *, spot: bool) -> None:
    if spot and "reduceOnly" in fields:
        raise wrong(-1104, "Not all sent parameters were read; read '9' parameter(s) but was sent '10'.")
    if payload.client_id and not CLIENT_ID.fullmatch(payload.client_id):
        raise wrong(
            -1100,
            "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[\\.A-Z\\:/a-z0-9_-]{1,36}$'.",
        )
    if payload.self_trade not in SELF_TRADES:
        raise wrong(-1130, "Data sent for parameter 'selfTradePreventionMode' is not valid.")
    if payload.response not in RESPONSES:
        raise wrong(-1130, "Data sent for parameter 'newOrderRespType' is not valid.")
    if payload.type == "MARKET":
        if payload.price is not None or "timeInForce" in fields:
            raise wrong(-1106, "Parameter 'price' sent when not required.")
        if (payload.qty is None) == (payload.quote_qty is None):
            raise malformed("quantity")
        return
    if payload.type == "LIMIT_MAKER" and "timeInForce" in fields:
        raise wrong(-1106, "Parameter 'timeInForce' sent when not required.")
    if payload.price is None:
        raise malformed("price")
    if payload.qty is None:
        raise malformed("quantity")


def status_of(order: VenueOrder) -> str:
    if order.end is End.FILLED or order.cum_qty == order.qty:
        return "FILLED"
    if order.end is None:
        return "PARTIALLY_FILLED" if order.cum_qty else "NEW"
    if order.end is End.SELF_TRADE:
        return "EXPIRED_IN_MATCH"
    return "CANCELED" if order.end in (End.CANCELLED, End.LIQUIDATION, End.REDUCE_ONLY) else "EXPIRED"


def client_id_of(order: VenueOrder) -> str:
    """The venue gives an order an id where its client named none; its own orders have telling ones."""
    if order.kind is FillKind.LIQUIDATION:
        return f"{LIQUIDATED}{order.order_id}"
    return order.client_id or f"web_{order.order_id}"


def payload_of(order: VenueOrder) -> Payload | None:
    return order.detail if isinstance(order.detail, Payload) else None


def _common(order: VenueOrder) -> dict[str, Any]:
    payload = payload_of(order)
    return {
        "symbol": order.symbol,
        "orderId": int(order.order_id),
        "clientOrderId": client_id_of(order),
        "price": plain(order.price or ZERO),
        "origQty": plain(order.qty),
        "executedQty": plain(order.cum_qty),
        "status": status_of(order),
        "timeInForce": "GTC" if payload is None else payload.time_in_force,
        "type": "MARKET" if payload is None else payload.type,
        "side": SIDE_NAMES[order.side],
        "selfTradePreventionMode": "NONE" if payload is None else payload.self_trade,
    }


def spot_order(order: VenueOrder) -> dict[str, Any]:
    """A spot order as a query shows it."""
    return _common(order) | {
        "orderListId": -1,
        "cummulativeQuoteQty": plain(order.cum_quote),
        "stopPrice": "0.00000000",
        "icebergQty": "0.00000000",
        "time": order.created_ms,
        "updateTime": order.ended_ms or order.updated_ms,
        "isWorking": True,
        "workingTime": order.created_ms,
        "origQuoteOrderQty": plain((payload_of(order) or _NOTHING).quote_qty or ZERO),
    }


def perp_order(order: VenueOrder) -> dict[str, Any]:
    """A futures order, as queries and replies show it."""
    average = order.cum_quote / order.cum_qty if order.cum_qty else ZERO
    return _common(order) | {
        "avgPrice": plain(average.quantize(Decimal("0.00001"))),
        "cumQuote": plain(order.cum_quote),
        "cumQty": plain(order.cum_qty),
        "reduceOnly": order.request.reduce_only,
        "positionSide": "BOTH",
        "stopPrice": "0",
        "closePosition": False,
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": _common(order)["type"],
        "priceMatch": "NONE",
        "goodTillDate": 0,
        "time": order.created_ms,
        "updateTime": order.ended_ms or order.updated_ms,
    }


def spot_placed(order: VenueOrder, fills: list[Fill], response: str) -> dict[str, Any]:
    """The reply to a new spot order."""
    shown: dict[str, Any] = {
        "symbol": order.symbol, "orderId": int(order.order_id), "orderListId": -1,
        "clientOrderId": client_id_of(order), "transactTime": order.ended_ms or order.updated_ms,
    }  # fmt: skip
    if response == "ACK":
        return shown
    shown |= _common(order) | {"cummulativeQuoteQty": plain(order.cum_quote), "workingTime": order.created_ms}
    if response == "FULL":
        shown["fills"] = [
            {
                "price": plain(fill.price), "qty": plain(fill.qty), "commission": plain(fill.fee),
                "commissionAsset": fill.fee_asset, "tradeId": int(fill.trade_id),
            }
            for fill in fills
        ]  # fmt: skip
    return shown


def perp_placed(order: VenueOrder, response: str) -> dict[str, Any]:
    """The reply to a new futures order; ACK shows it as it was before it was matched."""
    shown = perp_order(order)
    del shown["time"]
    if response == "ACK":
        shown |= {"status": "NEW", "executedQty": "0", "cumQty": "0", "cumQuote": "0", "avgPrice": "0.00"}
    return shown


def spot_cancelled(order: VenueOrder, cancel_id: str) -> dict[str, Any]:
    """The reply to a cancel: the order's own id is the original one, `clientOrderId` that of the cancel."""
    return _common(order) | {
        "origClientOrderId": client_id_of(order),
        "clientOrderId": cancel_id,
        "transactTime": order.ended_ms or order.updated_ms,
        "cummulativeQuoteQty": plain(order.cum_quote),
        "orderListId": -1,
    }


_NOTHING = Payload("", Side.BUY, "MARKET", "GTC", None, None, None, False, "", "NONE", "ACK")
