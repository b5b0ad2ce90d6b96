"""Lighter's whole numbers: sizes and prices in units of a market's decimals, exact or refused. Pure.

`base_amount = size x 10^size_decimals`, `price = price x 10^price_decimals`; a float on the way would lose a tick.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from exchanges.errors import Rejected
from exchanges.lighter.wire.codes import SAME_MASTER, SELF_TRADE_MODES
from exchanges.types import OrderRequest, OrderType, Refusal, Side, TimeInForce

BASE_MOST = (1 << 48) - 1
PRICE_MOST = (1 << 32) - 1
CLIENT_MOST = (1 << 48) - 1  # 0 stands for no id; order indices of the venue begin above

LIMIT, MARKET = 0, 1
IOC, GOOD_TILL_TIME, POST_ONLY = 0, 1, 2
# A resting order must expire between 5 minutes and 30 days from when it is executed. The shortest, and a minute for
# clocks and queues: what a process that died has left behind is gone by itself (S13).
REST_MS = 6 * 60_000


@dataclass(frozen=True, slots=True)
class Market:
    """How one market counts."""

    market_id: int
    symbol: str
    size_decimals: int
    price_decimals: int


@dataclass(frozen=True, slots=True)
class OrderTx:
    """The fields of a create-order transaction, in the venue's units and order."""

    market_id: int
    client_index: int
    base_amount: int
    price: int
    is_ask: bool
    type: int
    time_in_force: int
    reduce_only: bool
    expiry_ms: int  # 0 for orders that do not rest
    self_trade: int
    equality: int = SAME_MASTER


@dataclass(frozen=True, slots=True)
class CancelTx:
    """The fields of a cancel-order transaction. `index` is a client id or, from 2^48 on, the venue's own."""

    market_id: int
    index: int


def order_tx(order: OrderRequest, market: Market, *, venue_ms: int) -> OrderTx:
    """The transaction of an order. Raises: Rejected for what these numbers cannot say."""
    price = order.worst_price if order.type is OrderType.MARKET else order.price
    if price is None:
        raise Rejected(Refusal.PRICE, "a market order on Lighter needs a worst price, and there is none")
    resting = order.type is OrderType.LIMIT and order.tif is TimeInForce.GTC
    return OrderTx(
        market.market_id, client_index(order.client_id),
        whole(order.qty, market.size_decimals, most=BASE_MOST, what="quantity", refusal=Refusal.SIZE),
        whole(price, market.price_decimals, most=PRICE_MOST, what="price", refusal=Refusal.PRICE),
        order.side is Side.SELL,
        MARKET if order.type is OrderType.MARKET else LIMIT,
        (POST_ONLY if order.post_only else GOOD_TILL_TIME) if resting else IOC,
        order.reduce_only,
        venue_ms + REST_MS if resting else 0,
        SELF_TRADE_MODES[order.self_trade],
    )  # fmt: skip


def whole(value: Decimal, decimals: int, *, most: int, what: str, refusal: Refusal) -> int:
    """The value in the market's units, above 0. Raises: Rejected for what is not exact or does not fit."""
    scaled = value.scaleb(decimals)
    if scaled != scaled.to_integral_value():
        raise Rejected(refusal, f"{what} {value} has more than {decimals} decimals")
    if not 0 < scaled <= most:
        raise Rejected(
            refusal, f"{what} {value} does not fit: expected above 0 and up to {Decimal(most).scaleb(-decimals)}"
        )
    return int(scaled)


def client_index(client_id: str) -> int:
    """Raises: Rejected for what is no whole number from 1 to 2^48 - 1."""
    if not (client_id.isascii() and client_id.isdigit() and len(client_id) <= 15 and 0 < int(client_id) <= CLIENT_MOST):
        raise Rejected(
            Refusal.UNSUPPORTED, f"client id {client_id[:40]!r}: Lighter takes whole numbers from 1 to 2^48 - 1"
        )
    return int(client_id)
