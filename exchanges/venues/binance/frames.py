"""Binance's events: what happened, in the venue's short keys. Pure."""

from __future__ import annotations

from typing import Any

from exchanges.types import ZERO, Fill, FillKind, Liquidity, MarketKind, Side
from exchanges.venues.binance.account import rounded, spot_balances
from exchanges.venues.binance.orders import SIDE_NAMES, client_id_of, payload_of, status_of
from exchanges.venues.binance.wire import plain
from exchanges.venues.depth import DepthChanges
from exchanges.venues.exchange import Exchange, Market, VenueAccount
from exchanges.venues.ledger import End, PublicTrade, VenueOrder


def order_event(
    order: VenueOrder, what: str, *, now_ms: int, fill: Fill | None = None, cancel_id: str = ""
) -> dict[str, Any]:
    """`what` is the execution type: NEW, TRADE, CANCELED, EXPIRED, AMENDMENT …"""
    if order.instrument.kind is MarketKind.SPOT:
        return _spot_event(order, what, now_ms=now_ms, fill=fill, cancel_id=cancel_id)
    return _perp_event(order, what, now_ms=now_ms, fill=fill)


def _core(order: VenueOrder, what: str, *, now_ms: int, fill: Fill | None) -> dict[str, Any]:
    payload = payload_of(order)
    return {
        "s": order.symbol, "S": SIDE_NAMES[order.side], "o": "MARKET" if payload is None else payload.type,
        "f": "GTC" if payload is None else payload.time_in_force, "q": plain(order.qty),
        "p": plain(order.price or ZERO), "x": what, "X": _state(order, fill), "i": int(order.order_id),
        "l": "0" if fill is None else plain(fill.qty), "z": plain(order.cum_qty),
        "L": "0" if fill is None else plain(fill.price), "T": now_ms,
        "m": fill is not None and fill.liquidity is Liquidity.MAKER,
        "V": "NONE" if payload is None else payload.self_trade,
    }  # fmt: skip


def _spot_event(order: VenueOrder, what: str, *, now_ms: int, fill: Fill | None, cancel_id: str) -> dict[str, Any]:
    """A cancelled order has its own id in `C`; `c` is then that of the cancel."""
    cancelled = what == "CANCELED" and bool(cancel_id)
    return {"e": "executionReport", "E": now_ms} | _core(order, what, now_ms=now_ms, fill=fill) | {
        "c": cancel_id if cancelled else client_id_of(order),
        "C": client_id_of(order) if cancelled else "",
        "P": "0.00000000", "F": "0.00000000", "g": -1, "r": "NONE",
        "n": "0" if fill is None else plain(fill.fee), "N": None if fill is None else fill.fee_asset,
        "t": -1 if fill is None else int(fill.trade_id), "I": order.updated_ms,
        "w": order.end is None and status_of(order) != "FILLED", "M": False, "O": order.created_ms,
        "Z": plain(order.cum_quote), "Y": "0" if fill is None else plain(fill.price * fill.qty),
        "Q": "0.00000000", "W": order.created_ms,
    }  # fmt: skip


def _perp_event(order: VenueOrder, what: str, *, now_ms: int, fill: Fill | None) -> dict[str, Any]:
    average = order.cum_quote / order.cum_qty if order.cum_qty else ZERO
    shown = _core(order, what, now_ms=now_ms, fill=fill) | {
        "c": client_id_of(order), "ap": rounded(average), "sp": "0", "t": 0 if fill is None else int(fill.trade_id),
        "b": "0", "a": "0", "R": order.request.reduce_only, "wt": "CONTRACT_PRICE",
        "ot": "MARKET" if (payload := payload_of(order)) is None else payload.type, "ps": "BOTH", "cp": False,
        "rp": "0", "pP": False, "pm": "NONE", "gtd": 0,
    }  # fmt: skip
    if fill is not None:  # not told where nothing was paid
        shown |= {"n": plain(fill.fee), "N": fill.fee_asset}
    return {"e": "ORDER_TRADE_UPDATE", "E": now_ms, "T": now_ms, "o": shown}


def _state(order: VenueOrder, fill: Fill | None) -> str:
    """Within one match the fills come before the end of the order is known."""
    if fill is not None:
        return "FILLED" if order.cum_qty == order.qty else "PARTIALLY_FILLED"
    return status_of(order)


def ending(order: VenueOrder) -> str:
    """The execution type of an order that ended without having filled whole."""
    if order.end is End.SELF_TRADE and order.instrument.kind is MarketKind.SPOT:
        return "TRADE_PREVENTION"
    return "CANCELED" if order.end in (End.CANCELLED, End.LIQUIDATION, End.REDUCE_ONLY) else "EXPIRED"


def execution(order: VenueOrder) -> str:
    """The execution type of a fill: a liquidation has one of its own on futures."""
    return "CALCULATED" if order.kind is FillKind.LIQUIDATION else "TRADE"


def spot_balance_event(exchange: Exchange, account: VenueAccount) -> dict[str, Any]:
    now_ms = exchange.now_ms()
    return {
        "e": "outboundAccountPosition", "E": now_ms, "u": now_ms,
        "B": [
            {"a": asset, "f": rounded(free), "l": rounded(locked)}
            for asset, free, locked in spot_balances(exchange, account)
        ],
    }  # fmt: skip


def account_event(exchange: Exchange, account: VenueAccount, market: Market) -> dict[str, Any]:
    now_ms, held = exchange.now_ms(), account.balances.holding(market.instrument.symbol)
    money = rounded(exchange.settled_cash(account))
    return {
        "e": "ACCOUNT_UPDATE", "E": now_ms, "T": now_ms,
        "a": {
            "m": "ORDER",
            "B": [{"a": exchange.quote_asset, "wb": money, "cw": money, "bc": "0"}],
            "P": [
                {
                    "s": market.instrument.symbol, "pa": plain(held.qty), "ep": rounded(held.entry_price),
                    "bep": rounded(held.entry_price), "cr": "0", "ma": exchange.quote_asset,
                    "up": rounded((market.mark - held.entry_price) * held.qty), "mt": "cross", "iw": "0", "ps": "BOTH",
                }
            ],
        },
    }  # fmt: skip


def book_ticker(market: Market, *, now_ms: int) -> dict[str, Any] | None:
    """The best of both sides; None while one is empty. On spot it has neither a name nor a time."""
    spec = market.instrument
    bid, ask = market.book.top(Side.BUY), market.book.top(Side.SELL)
    if bid is None or ask is None:
        return None
    shown = {
        "u": market.version, "s": spec.symbol, "b": plain(spec.tick * bid[0]), "B": plain(spec.lot * bid[1]),
        "a": plain(spec.tick * ask[0]), "A": plain(spec.lot * ask[1]),
    }  # fmt: skip
    return shown if spec.kind is MarketKind.SPOT else {"e": "bookTicker", "E": now_ms, "T": now_ms} | shown


def trade_event(market: Market, trade: PublicTrade) -> dict[str, Any]:
    return {
        "e": "trade", "E": trade.at_ms, "s": trade.symbol, "t": trade.trade_id, "p": plain(trade.price),
        "q": plain(trade.qty), "T": trade.at_ms, "m": trade.taker is Side.SELL,
    } | ({"M": True} if market.instrument.kind is MarketKind.SPOT else {"X": "MARKET"})  # fmt: skip


def depth_event(market: Market, changes: DepthChanges, *, now_ms: int) -> dict[str, Any]:
    """Absolute quantities. On spot `U` follows the `u` of the frame before, on futures `pu` is that `u`."""
    bids, asks = ([[plain(price), plain(qty)] for price, qty in side] for side in (changes.bids, changes.asks))
    shown = {
        "e": "depthUpdate", "E": now_ms, "s": market.instrument.symbol, "U": changes.first_id, "u": changes.last_id,
        "b": bids, "a": asks,
    }  # fmt: skip
    return shown if market.instrument.kind is MarketKind.SPOT else shown | {"T": now_ms, "pu": changes.first_id - 1}
