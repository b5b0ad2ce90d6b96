"""The venue's own record of every order and fill: what histories are answered from and what an audit compares with."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any

from exchanges.matching import BookOrder
from exchanges.types import ZERO, Fill, FillKind, Instrument, OrderRequest, OrderState, Side
from exchanges.values import quick

LEDGER_MAX = 1_000_000  # orders, and fills, that a local venue keeps; behind that it says that it has forgotten some


class End(Enum):
    """Why an order is over."""

    FILLED = "filled"
    CANCELLED = "cancelled"  # its account asked for it
    IMMEDIATE = "immediate"  # the remainder of a limit order that must not rest
    NO_LIQUIDITY = "no_liquidity"  # the remainder of a market order
    PRICE_BOUND = "price_bound"  # the same, where only worse prices than it allows are left
    FILL_OR_KILL = "fill_or_kill"
    POST_ONLY = "post_only"
    MARGIN = "margin"  # accepted, and then not paid for
    SELF_TRADE = "self_trade"
    REDUCE_ONLY = "reduce_only"
    LIQUIDATION = "liquidation"
    EXPIRED = "expired"  # its time was over


@dataclass(slots=True, eq=False)
class VenueOrder:
    """One order that the venue has accepted, alive or ended. Only the exchange changes it."""

    book: BookOrder
    instrument: Instrument
    request: OrderRequest
    created_ms: int
    fill_or_kill: bool = False
    kind: FillKind = FillKind.TRADE
    detail: object = None
    cum_quote: Decimal = ZERO
    cum_qty: Decimal = ZERO  # of the fills told so far; within one match behind the book's own count
    end: End | None = None
    ended_ms: int = 0
    updated_ms: int = 0
    lots_told: int = 0

    def __post_init__(self) -> None:
        self.lots_told = self.book.lots
        self.updated_ms = self.created_ms

    @property
    def order_id(self) -> str:
        return self.book.order_id

    @property
    def account(self) -> str:
        return self.book.account

    @property
    def client_id(self) -> str:
        return self.request.client_id

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    @property
    def side(self) -> Side:
        return self.book.side

    @property
    def qty(self) -> Decimal:
        return self.book.lots * self.instrument.lot

    @property
    def price(self) -> Decimal | None:
        """The limit; None for a market order, also for one with a bound."""
        if self.request.price is None or self.book.ticks is None:
            return None
        return self.book.ticks * self.instrument.tick

    @property
    def state(self) -> OrderState:
        """The state after the fills that were told so far."""
        if self.end is End.FILLED or self.cum_qty == self.qty:
            return OrderState.FILLED
        if self.end is not None:
            return OrderState.CANCELED
        return OrderState.PARTIALLY_FILLED if self.cum_qty else OrderState.OPEN

    def take(self, fill: Fill) -> None:
        self.cum_qty += fill.qty
        self.cum_quote += fill.qty * fill.price
        self.updated_ms = fill.at_ms


@quick
@dataclass(frozen=True, slots=True)
class PublicTrade:
    """One trade of a market as everybody sees it; the order ids are empty for the outside market."""

    symbol: str
    trade_id: int
    price: Decimal
    qty: Decimal
    taker: Side
    buyer_order: str
    seller_order: str
    at_ms: int


@dataclass(slots=True)
class Ledger:
    """All orders by venue order id, all fills, and all trades that had one of them, in the order in which they came."""

    orders: dict[str, VenueOrder] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    trades: list[PublicTrade] = field(default_factory=list)
    forgotten: int = 0  # rows that were dropped for want of room

    def add_order(self, order: VenueOrder) -> None:
        self.orders[order.order_id] = order
        if len(self.orders) > LEDGER_MAX:
            oldest = next((key for key, value in self.orders.items() if value.end is not None), None)
            if oldest is not None:
                del self.orders[oldest]
                self.forgotten += 1

    def add_fill(self, fill: Fill) -> None:
        self.fills.append(fill)
        self._bound(self.fills)

    def add_trade(self, trade: PublicTrade) -> None:
        self.trades.append(trade)
        self._bound(self.trades)

    def _bound(self, rows: list[Any]) -> None:
        """Drop the oldest tenth of what is too much."""
        if len(rows) > LEDGER_MAX + LEDGER_MAX // 10:
            del rows[: LEDGER_MAX // 10]
            self.forgotten += LEDGER_MAX // 10
