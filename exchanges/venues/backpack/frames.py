"""Backpack's stream frames: what happened, in the venue's short keys. Pure. Times are microseconds."""

from __future__ import annotations

from collections.abc import Mapping
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from exchanges.types import ZERO, Fill, FillKind, Liquidity, OrderType, Side
from exchanges.venues.backpack.account import position_id, rounded, worst_case
from exchanges.venues.backpack.orders import EXPIRY_REASONS, SIDE_NAMES, Payload, client_id_of, status_of
from exchanges.venues.backpack.public import Day
from exchanges.venues.compact import compact
from exchanges.venues.depth import DepthChanges
from exchanges.venues.exchange import Exchange, Market, VenueAccount
from exchanges.venues.ledger import PublicTrade, VenueOrder

ORIGINS: Mapping[FillKind, str] = {
    FillKind.TRADE: "USER",
    FillKind.LIQUIDATION: "LIQUIDATION_AUTOCLOSE",
    FillKind.ADL: "ADL_AUTOCLOSE",
    FillKind.SETTLEMENT: "SETTLEMENT_AUTOCLOSE",
}


def frame(stream: str, data: Mapping[str, Any]) -> str:
    return compact({"stream": stream, "data": data})


def order_event(name: str, order: VenueOrder, *, now_us: int, fill: Fill | None = None) -> dict[str, Any]:
    payload = order.detail if isinstance(order.detail, Payload) else None
    quote_qty = None if payload is None else payload.quote_qty
    shown: dict[str, Any] = {
        "e": name,
        "E": now_us,
        "s": order.symbol,
        "S": SIDE_NAMES[order.side],
        "o": order.request.type.name,
        "f": "GTC" if payload is None else payload.time_in_force,
    }
    if quote_qty is None:
        shown["q"] = f"{order.qty:f}"
    else:
        shown["Q"] = f"{quote_qty:f}"
    if order.request.type is OrderType.LIMIT:
        shown["p"] = f"{order.price or ZERO:f}"
    shown |= {"X": _state(order, fill), "i": order.order_id}
    if order.client_id:
        shown["c"] = client_id_of(order)
    if fill is not None:
        shown |= {
            "t": int(fill.trade_id), "l": f"{fill.qty:f}", "L": f"{fill.price:f}",
            "m": fill.liquidity is Liquidity.MAKER, "n": f"{fill.fee:f}", "N": fill.fee_asset,
        }  # fmt: skip
    if name == "orderExpired" and order.end is not None:
        shown["R"] = EXPIRY_REASONS.get(order.end, "Unknown")
    return shown | {
        "z": f"{order.cum_qty:f}",
        "Z": f"{order.cum_quote:f}",
        "V": "RejectTaker" if payload is None else payload.self_trade,
        "O": ORIGINS[order.kind],
        "r": order.request.reduce_only,
        "y": order.request.post_only,
        "T": now_us,
    }


def _state(order: VenueOrder, fill: Fill | None) -> str:
    """Within one match the fills come before the end of the order is known."""
    if fill is not None:
        return "Filled" if order.cum_qty == order.qty else "PartiallyFilled"
    return status_of(order)


def position_event(name: str | None, account: VenueAccount, market: Market, *, now_us: int) -> dict[str, Any]:
    """A position as it is now; without a name in the snapshot that follows a subscription."""
    spec, exposure = market.instrument, market.exposure(account)
    held, mark = exposure.holding, market.mark
    worst = worst_case(exposure)
    return ({} if name is None else {"e": name}) | {
        "E": now_us,
        "s": spec.symbol,
        "b": rounded(held.entry_price),
        "B": rounded(held.entry_price),
        "l": "0",
        "f": f"{spec.initial_margin:f}",
        "M": f"{mark:f}",
        "m": f"{spec.maintenance_margin:f}",
        "q": f"{held.qty:f}",
        "Q": f"{worst:f}",
        "n": f"{worst * mark:f}",
        "i": position_id(account, market),
        "p": rounded(account.realized.get(spec.symbol, ZERO)),
        "P": rounded((mark - held.entry_price) * held.qty),
        "T": now_us,
    }


def balance_event(exchange: Exchange, account: VenueAccount, *, now_us: int) -> dict[str, Any]:
    total = exchange.settled_cash(account)
    return {
        "e": "balanceUpdate", "E": now_us, "a": exchange.quote_asset, "A": rounded(total), "L": "0", "S": "0",
        "T": now_us,
    }  # fmt: skip


def book_ticker(stream: str, market: Market, bid: tuple[int, int], ask: tuple[int, int], *, now_us: int) -> str:
    """The whole frame of the best of both sides, in ticks and lots: half of what a market says is this."""
    spec = market.instrument
    return (
        f'{{"stream":{quoted(stream)},"data":{{"e":"bookTicker","E":{now_us},"s":{quoted(spec.symbol)},'
        f'"a":"{spec.tick * ask[0]:f}","A":"{spec.lot * ask[1]:f}","b":"{spec.tick * bid[0]:f}",'
        f'"B":"{spec.lot * bid[1]:f}","u":"{market.version}","T":{now_us}}}}}'
    )


def trade_event(trade: PublicTrade) -> dict[str, Any]:
    at_us = trade.at_ms * 1000
    return {
        "e": "trade", "E": at_us, "s": trade.symbol, "p": f"{trade.price:f}", "q": f"{trade.qty:f}",
        "b": trade.buyer_order or "0", "a": trade.seller_order or "0", "t": trade.trade_id,
        "m": trade.taker is Side.SELL, "T": at_us,
    }  # fmt: skip


def ticker_event(market: Market, day: Day, *, now_us: int) -> dict[str, Any]:
    return {
        "e": "ticker", "E": now_us, "s": market.instrument.symbol, "o": f"{day.first:f}", "c": f"{day.last:f}",
        "h": f"{day.high:f}", "l": f"{day.low:f}", "v": f"{day.volume:f}", "V": f"{day.quote_volume:f}",
        "n": day.trades,
    }  # fmt: skip


def mark_event(market: Market, *, now_us: int) -> dict[str, Any]:
    hour = 3_600_000
    return {
        "e": "markPrice", "E": now_us, "s": market.instrument.symbol, "p": f"{market.mark:f}", "f": "0",
        "i": f"{market.mark:f}", "n": now_us // 1000 // hour * hour + hour, "T": now_us,
    }  # fmt: skip


def depth_event(market: Market, changes: DepthChanges, *, now_us: int) -> dict[str, Any]:
    """Absolute quantities; `U` follows the `u` of the frame before."""
    bids, asks = ([[f"{price:f}", f"{qty:f}"] for price, qty in side] for side in (changes.bids, changes.asks))
    return {
        "e": "depth", "E": now_us, "s": market.instrument.symbol, "a": asks, "b": bids, "U": changes.first_id,
        "u": changes.last_id, "T": now_us,
    }  # fmt: skip
