"""OKX's order entry: arguments to requests for the exchange, orders and fills back to the venue's rows. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exchanges.types import (
    ZERO,
    Fill,
    FillKind,
    Liquidity,
    MarketKind,
    OrderRequest,
    OrderState,
    OrderType,
    SelfTrade,
    Side,
    TimeInForce,
)
from exchanges.venues.ledger import End, VenueOrder
from exchanges.venues.okx.state import Okx, instrument_code, instrument_type
from exchanges.venues.okx.wire import ApiError, choice_of, decimal_of, flag_of, plain, text_of

SIDES: Mapping[str, Side] = {"buy": Side.BUY, "sell": Side.SELL}
TYPES = ("market", "limit", "post_only", "fok", "ioc", "optimal_limit_ioc")
MARKET_TYPES = ("market", "optimal_limit_ioc")
SELF_TRADES: Mapping[str, SelfTrade] = {
    "cancel_maker": SelfTrade.CANCEL_MAKER,
    "cancel_taker": SelfTrade.CANCEL_TAKER,
    "cancel_both": SelfTrade.CANCEL_BOTH,
}
CANCEL_SOURCES: Mapping[End, str] = {
    End.CANCELLED: "1",
    End.FILL_OR_KILL: "13",
    End.IMMEDIATE: "14",
    End.NO_LIQUIDITY: "14",
    End.PRICE_BOUND: "15",
    End.EXPIRED: "20",
    End.POST_ONLY: "31",
    End.SELF_TRADE: "32",
}
STATES = {
    OrderState.OPEN: "live",
    OrderState.PARTIALLY_FILLED: "partially_filled",
    OrderState.FILLED: "filled",
    OrderState.CANCELED: "canceled",
}
CATEGORIES: Mapping[FillKind, str] = {
    FillKind.TRADE: "normal",
    FillKind.LIQUIDATION: "full_liquidation",
    FillKind.ADL: "adl",
    FillKind.SETTLEMENT: "delivery",
}
CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")
NOT_HERE = ("attachAlgoOrds", "tpTriggerPx", "slTriggerPx", "pxUsd", "pxVol")


@dataclass(frozen=True, slots=True)
class Payload:
    """An order as it was asked for; `qty` is in base units, of a market order that names money None."""

    symbol: str
    side: Side
    order_type: str
    qty: Decimal | None
    quote_qty: Decimal | None
    price: Decimal | None
    trade_mode: str
    reduce_only: bool
    client_id: str
    tag: str
    self_trade: str
    target: str

    @property
    def is_market(self) -> bool:
        return self.order_type in MARKET_TYPES

    def request(self, account: str, *, qty: Decimal) -> OrderRequest:
        return OrderRequest(
            client_id=self.client_id, account=account, symbol=self.symbol, side=self.side, qty=qty, price=self.price,
            type=OrderType.MARKET if self.is_market else OrderType.LIMIT,
            tif=TimeInForce.GTC if self.order_type in ("limit", "post_only") else TimeInForce.IOC,
            post_only=self.order_type == "post_only", reduce_only=self.reduce_only, valid_ms=0,
            self_trade=SELF_TRADES[self.self_trade],
        )  # fmt: skip


def read_payload(okx: Okx, fields: Mapping[str, Any], symbol: str) -> Payload:
    """Raises: ApiError for what the venue would not take."""
    market = okx.market(symbol)
    spot = market.instrument.kind is MarketKind.SPOT
    for name in NOT_HERE:
        if name in fields:
            raise ApiError("51000", f"Parameter {name} error: not on this local venue")
    kind, side = choice_of(fields, "ordType", TYPES), choice_of(fields, "side", tuple(SIDES))
    if kind == "optimal_limit_ioc" and spot:
        raise ApiError("51000", "Parameter ordType error")
    trade_mode = _trade_mode(okx, fields, spot=spot)
    target = choice_of(fields, "tgtCcy", ("base_ccy", "quote_ccy"), "quote_ccy" if side == "buy" else "base_ccy")
    money = spot and kind == "market" and target == "quote_ccy"
    size = decimal_of(fields, "sz")
    stp = choice_of(fields, "stpMode", tuple(SELF_TRADES), "cancel_maker")
    if stp == "cancel_both" and kind == "fok":
        raise ApiError("51000", "Parameter stpMode error")
    return Payload(
        symbol, SIDES[side], kind, None if money else size * okx.unit(symbol), size if money else None,
        None if kind in MARKET_TYPES else decimal_of(fields, "px"), trade_mode, flag_of(fields, "reduceOnly"),
        client_id_of(fields, "clOrdId"), text_of(fields, "tag", ""), stp, target if spot and kind == "market" else "",
    )  # fmt: skip


def _trade_mode(okx: Okx, fields: Mapping[str, Any], *, spot: bool) -> str:
    """Raises: ApiError where it does not fit the account's mode."""
    level, mode = okx.options.account_level, choice_of(fields, "tdMode", ("cash", "cross", "isolated"))
    if not spot and level == "1":
        raise ApiError("51010", "The current account mode does not support this API interface")
    allowed = ("cross", "isolated") if not spot else ("cash",) if level in "12" else ("cross",)
    if mode not in allowed:
        raise ApiError("51000", "Parameter tdMode error")
    side = text_of(fields, "posSide", "net")
    if not spot and (side == "net") != (okx.options.position_mode == "net_mode"):
        raise ApiError("51000", "Parameter posSide error")
    return mode


def client_id_of(fields: Mapping[str, Any], name: str) -> str:
    text = text_of(fields, name, "")
    if text and not CLIENT_ID.fullmatch(text):
        raise ApiError("51000", f"Parameter {name} error")
    return text


def order_row(okx: Okx, order: VenueOrder) -> dict[str, Any]:
    """An order as queries show it."""
    payload = order.detail if isinstance(order.detail, Payload) else None
    spec, symbol = order.instrument, order.symbol
    fills = okx.fills.get(order.order_id, [])
    last = fills[-1] if fills else None
    money = payload is not None and payload.quote_qty is not None
    return {
        "instType": instrument_type(spec),
        "instId": symbol,
        "instIdCode": instrument_code(okx.market(symbol)),
        "ordId": order.order_id,
        "clOrdId": order.client_id,
        "tag": "" if payload is None else payload.tag,
        "px": "" if order.price is None else plain(order.price),
        "sz": plain(payload.quote_qty or ZERO) if payload and money else plain(okx.size(order.qty, symbol)),
        "ordType": "market" if payload is None else payload.order_type,
        "side": order.side.value,
        "posSide": "net" if spec.kind is MarketKind.PERP else "",
        "tdMode": "cross" if payload is None else payload.trade_mode,
        "tgtCcy": "" if payload is None else payload.target,
        "state": STATES[order.state],
        "accFillSz": plain(okx.size(order.cum_qty, symbol)),
        "avgPx": plain(order.cum_quote / order.cum_qty) if order.cum_qty else "",
        "fillPx": "" if last is None else plain(last.price),
        "fillSz": "0" if last is None else plain(okx.size(last.qty, symbol)),
        "fillTime": "" if last is None else str(last.at_ms),
        "tradeId": "" if last is None else last.trade_id,
        "fee": plain(-sum((fill.fee for fill in fills), ZERO)),
        "feeCcy": last.fee_asset if last is not None else spec.quote,
        "rebate": "0",
        "rebateCcy": spec.quote,
        "pnl": "0",
        "lever": "" if spec.kind is MarketKind.SPOT else plain(1 / spec.initial_margin),
        "reduceOnly": "true" if order.request.reduce_only else "false",
        "source": "",
        "category": CATEGORIES[order.kind],
        "cancelSource": "" if order.end in (None, End.FILLED) else CANCEL_SOURCES.get(order.end, "0"),
        "cancelSourceReason": "",
        "stpMode": "cancel_maker" if payload is None else payload.self_trade,
        "tradeQuoteCcy": spec.quote,
        "cTime": str(order.created_ms),
        "uTime": str(max(order.updated_ms, order.ended_ms)),
    }


def push_row(okx: Okx, order: VenueOrder, fill: Fill | None, *, request_id: str = "") -> dict[str, Any]:
    """An order as its channel tells it: with the fill that caused the message, if one did."""
    row = order_row(okx, order)
    if fill is not None:
        # Within one match the fills come before the end of the order is known.
        row["state"] = "filled" if order.cum_qty == order.qty else "partially_filled"
        row["cancelSource"] = ""
    return row | {
        "avgPx": row["avgPx"] or "0",
        "fillPx": "" if fill is None else plain(fill.price),
        "fillSz": "0" if fill is None else plain(okx.size(fill.qty, order.symbol)),
        "fillTime": "" if fill is None else str(fill.at_ms),
        "tradeId": "" if fill is None else fill.trade_id,
        "fillFee": "0" if fill is None else plain(-fill.fee),
        "fillFeeCcy": "" if fill is None else fill.fee_asset,
        "execType": "" if fill is None else exec_type(fill),
        "fillPnl": "0",
        "fillNotionalUsd": "" if fill is None else plain(fill.qty * fill.price),
        "notionalUsd": "",
        "lastPx": "" if fill is None else plain(fill.price),
        "reqId": request_id,
        "amendResult": "0" if request_id else "",
        "amendSource": "",
        "code": "0",
        "msg": "",
    }


def fill_row(okx: Okx, fill: Fill, *, bill_id: int) -> dict[str, str]:
    """A fill as the list of fills shows it."""
    return {
        "instType": instrument_type(okx.market(fill.symbol).instrument),
        "instId": fill.symbol,
        "tradeId": fill.trade_id,
        "ordId": fill.order_id,
        "clOrdId": fill.client_id,
        "billId": str(bill_id),
        "tag": "",
        "side": fill.side.value,
        "posSide": "net",
        "fillSz": plain(okx.size(fill.qty, fill.symbol)),
        "fillPx": plain(fill.price),
        "execType": exec_type(fill),
        "fee": plain(-fill.fee),
        "feeCcy": fill.fee_asset,
        "fillTime": str(fill.at_ms),
        "ts": str(fill.at_ms),
    }


def exec_type(fill: Fill) -> str:
    return "M" if fill.liquidity is Liquidity.MAKER else "T"
