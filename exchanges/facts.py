"""What a venue says of an order, a fill, a position and a book, whatever the venue: the values that `wire` makes.

Only what several venues say alike stands here; what one of them says alone stands with its own readers. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from exchanges.types import ZERO, FillKind, OrderState, Quote, Refusal, Side
from exchanges.values import quick


@quick
@dataclass(frozen=True, slots=True)
class Trade:
    """One fill. `fee` is positive where paid, `fee_asset` empty where nothing was; `at_ms` 0 is that of its event."""

    trade_id: str
    qty: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    at_ms: int = 0


@quick
@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What the venue says of one order; `cum_qty` is filled so far, `trade` the fill that the event tells of.

    `made_ms` is 0 where the venue does not say when an order was made beside when this happened to it.
    """

    symbol: str
    side: Side
    order_id: str
    client_id: str
    qty: Decimal
    price: Decimal | None
    state: OrderState
    cum_qty: Decimal
    at_ms: int
    reduce_only: bool
    kind: FillKind
    refusal: Refusal | None = None
    text: str = ""
    trade: Trade | None = None
    made_ms: int = 0


@quick
@dataclass(frozen=True, slots=True)
class PositionRow:
    """A signed position of a list, in base units; `maintenance` is its margin in quote units, where a list tells it."""

    symbol: str
    qty: Decimal
    entry_price: Decimal
    liquidation_price: Decimal | None
    mark_price: Decimal | None
    maintenance: Decimal = ZERO


@quick
@dataclass(frozen=True, slots=True)
class BookFacts:
    """Best bid and offer; `number` only grows. `at_ms` is 0 where the venue does not say when."""

    symbol: str
    bid: Decimal
    bid_qty: Decimal
    ask: Decimal
    ask_qty: Decimal
    number: int
    at_ms: int


@quick
@dataclass(frozen=True, slots=True)
class Signed:
    """When a request was signed, and after when the venue can take it no more, in ns of our clock."""

    signed_ns: int
    dead_ns: int


NOT_SIGNED = Signed(0, 0)  # answered before it was: the budget let nothing leave


def quote_of(venue: str, book: BookFacts, recv_ns: int) -> Quote:
    return Quote(venue, book.symbol, book.bid, book.bid_qty, book.ask, book.ask_qty, recv_ns, book.at_ms)
