"""The words that engine and venues share: sides, orders, fills, quotes, instruments.

Knows no venue, no strategy, no I/O; imports the standard library only.
Prices, quantities and money are `Decimal` built from text; times are integers with their unit in the name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import Enum
from typing import Protocol

from exchanges.values import quick

ZERO = Decimal(0)


class FastEnum(Enum):
    """An enumeration whose members hash by identity: as a dict key, Enum's own hash costs more than the look-up."""

    __hash__ = object.__hash__


class Side(FastEnum):
    """Direction of an order or fill."""

    BUY = "buy"
    SELL = "sell"

    sign: int  # +1 for a buy, -1 for a sell: quantity times sign is the change of position

    @property
    def opposite(self) -> Side:
        return _SELL if self is _BUY else _BUY


_BUY, _SELL = Side
# Set here and not by an `__init__`, which mypyc calls before there is a class to be of.
_BUY.sign, _SELL.sign = 1, -1


class OrderType(Enum):
    LIMIT = "limit"
    MARKET = "market"


class TimeInForce(Enum):
    GTC = "gtc"
    IOC = "ioc"


class OrderState(FastEnum):
    """The user's six order states (E13)."""

    PENDING = "pending"
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    FAILED = "failed"

    terminal: bool


for _state in OrderState:
    _state.terminal = _state in (OrderState.FILLED, OrderState.CANCELED, OrderState.FAILED)


class Refusal(FastEnum):
    """Why a venue said no; adapters map their own codes to these."""

    POST_ONLY = "post_only"  # would have taken liquidity
    MARGIN = "margin"  # not enough margin or balance
    REDUCE_ONLY = "reduce_only"  # would not have reduced the position
    SIZE = "size"  # below a minimum, off the lot, above a maximum
    PRICE = "price"  # off the tick or outside the venue's band
    SELF_TRADE = "self_trade"  # the venue's self-trade prevention
    RATE = "rate"  # rate limit
    DUPLICATE_ID = "duplicate_id"
    NOT_FOUND = "not_found"  # cancel or modify of an order that is not open
    UNSUPPORTED = "unsupported"  # the venue has no such order
    VENUE = "venue"  # maintenance, closed market, any other "no"


class Liquidity(Enum):
    """Which side of the match a fill was; UNKNOWN counts as exposure until classified (S5)."""

    MAKER = "maker"
    TAKER = "taker"
    UNKNOWN = "unknown"


class FillKind(FastEnum):
    """What caused a fill. All kinds are exposure (S12)."""

    TRADE = "trade"
    LIQUIDATION = "liquidation"
    ADL = "adl"
    SETTLEMENT = "settlement"


class MarketKind(Enum):
    PERP = "perp"
    SPOT = "spot"
    MARGIN = "margin"


class SelfTrade(FastEnum):
    """Self-trade prevention asked of the venue (S8)."""

    NONE = "none"
    CANCEL_TAKER = "cancel_taker"  # the incoming order's remainder is cancelled
    CANCEL_MAKER = "cancel_maker"  # the resting order is cancelled
    CANCEL_BOTH = "cancel_both"


class ClientIdStyle(Enum):
    """What a venue accepts as a client order id."""

    TEXT = "text"  # letters and digits, up to 32 characters
    UINT32 = "uint32"
    UINT48 = "uint48"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One symbol on one venue. Quantities are in base units, prices in quote units per base unit."""

    venue: str
    symbol: str
    market: str  # our name for it, equal on every venue, for example ETH-PERP
    kind: MarketKind
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    min_qty: Decimal
    min_notional: Decimal = ZERO
    max_qty: Decimal | None = None
    maker_fee: Decimal = ZERO  # ratio of notional; negative is a rebate
    taker_fee: Decimal = ZERO
    initial_margin: Decimal = Decimal("0.1")  # ratio of notional; 1 on spot
    maintenance_margin: Decimal = Decimal("0.05")
    fee_in_received: bool = False  # spot: the fee of a buy is taken in base (S18)
    reduces_below_notional: bool = False  # a reduce-only order may be worth less than min_notional

    def floor_qty(self, qty: Decimal) -> Decimal:
        """The largest multiple of the lot that is not above `qty` (which must not be negative)."""
        return (qty / self.lot).to_integral_value(ROUND_FLOOR) * self.lot

    def price_down(self, price: Decimal, ticks: int = 1) -> Decimal:
        """The nearest multiple of so many ticks at or below `price`."""
        step = self.tick if ticks == 1 else self.tick * ticks
        return (price / step).to_integral_value(ROUND_FLOOR) * step

    def price_up(self, price: Decimal, ticks: int = 1) -> Decimal:
        """The nearest multiple of so many ticks at or above `price`."""
        step = self.tick if ticks == 1 else self.tick * ticks
        return (price / step).to_integral_value(ROUND_CEILING) * step

    def tradable(self, qty: Decimal, price: Decimal) -> Decimal:
        """The largest quantity up to `qty` that the venue accepts at `price`, or 0 if even that is below a minimum."""
        floored = self._lots(qty)
        return ZERO if floored * price < self.min_notional else floored

    def reducible(self, qty: Decimal, price: Decimal) -> Decimal:
        """The same of a reduce-only order."""
        return self._lots(qty) if self.reduces_below_notional else self.tradable(qty, price)

    def _lots(self, qty: Decimal) -> Decimal:
        floored = self.floor_qty(qty)
        if self.max_qty is not None and floored > self.max_qty:
            floored = self.floor_qty(self.max_qty)
        return ZERO if floored < self.min_qty or floored <= 0 else floored


@quick
@dataclass(frozen=True, slots=True)
class Quote:
    """Best bid and offer of one symbol. `recv_ns` is the monotonic clock at receipt, `venue_ms` venue time or 0."""

    venue: str
    symbol: str
    bid: Decimal
    bid_qty: Decimal
    ask: Decimal
    ask_qty: Decimal
    recv_ns: int
    venue_ms: int = 0

    @property
    def mid(self) -> Decimal:
        return (self.bid + self.ask) / 2

    @property
    def crossed(self) -> bool:
        """True for a book that cannot be real (or a locked one): no opening on it (E14)."""
        return self.bid >= self.ask or self.bid <= 0


@quick
@dataclass(frozen=True, slots=True)
class OrderRequest:
    """Everything a venue needs to accept an order. `price` is None for a market order.

    `valid_ms` is the longest time the request may be accepted after it was made (S4); adapters translate it to
    the venue's window or expiry, the shortest that the venue offers and not longer than this.
    `worst_price` bounds a market order where a venue has such a bound; others ignore it.
    """

    client_id: str
    account: str
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal | None
    type: OrderType
    tif: TimeInForce
    post_only: bool
    reduce_only: bool
    valid_ms: int
    self_trade: SelfTrade
    worst_price: Decimal | None = None


@quick
@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """The state of one order as a venue tells it. `cum_qty` is the filled quantity so far (gross of fees)."""

    account: str
    symbol: str
    client_id: str
    order_id: str
    side: Side
    qty: Decimal
    state: OrderState
    cum_qty: Decimal
    price: Decimal | None
    at_ms: int
    recv_ns: int
    refusal: Refusal | None = None
    text: str = ""
    reduce_only: bool = False


@quick
@dataclass(frozen=True, slots=True)
class Fill:
    """One execution on one account. Identity is (venue, account, symbol, order_id, trade_id) (S5).

    `more`: the same answer of the venue has others of this account and symbol, which are told next.
    """

    venue: str
    account: str
    symbol: str
    client_id: str  # empty when the venue does not tell (liquidation, foreign order)
    order_id: str
    trade_id: str
    side: Side
    qty: Decimal
    price: Decimal
    fee: Decimal  # in fee_asset; negative is a rebate
    fee_asset: str
    liquidity: Liquidity
    at_ms: int
    recv_ns: int
    kind: FillKind = FillKind.TRADE
    decoded_ns: int = 0  # when the frame had become this value; 0 where nobody took the time
    more: bool = False


@quick
@dataclass(frozen=True, slots=True)
class Position:
    """Signed position of one account in one symbol; on spot the total base balance.

    `mark_price` is the price at which the venue counts it in the account's equity, where it tells.
    """

    account: str
    symbol: str
    qty: Decimal
    entry_price: Decimal = ZERO
    liquidation_price: Decimal | None = None
    mark_price: Decimal | None = None


@quick
@dataclass(frozen=True, slots=True)
class Margin:
    """Collateral of one account, in quote units. `maintenance` is what the positions need not to be liquidated."""

    account: str
    equity: Decimal
    free: Decimal
    maintenance: Decimal


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What a venue tells of an account besides its orders and money; None and "" for what it does not tell."""

    clock_offset_ms: int | None = None  # the venue's clock minus ours
    tier: str = ""
    requests_per_minute: int | None = None
    leverage: Decimal | None = None  # the most that the account may take in the market, as it is set
    margin_mode: str = ""  # cross or isolated
    can_withdraw: bool | None = None  # may the key move money out?


@quick
@dataclass(frozen=True, slots=True)
class Accepted:
    """The venue has the order; its life goes on in the order stream.

    `signed_ns` and `written_ns`, here and in the other replies: when the request was signed, and when its last byte
    was handed to the socket; 0 if it never came so far. Answers that say the same are equal whenever they were sent.
    """

    order_id: str
    signed_ns: int = field(default=0, compare=False)
    written_ns: int = field(default=0, compare=False)


@quick
@dataclass(frozen=True, slots=True)
class Refused:
    """The venue said no; nothing of this request can ever fill."""

    refusal: Refusal
    text: str = ""
    signed_ns: int = field(default=0, compare=False)
    written_ns: int = field(default=0, compare=False)


@quick
@dataclass(frozen=True, slots=True)
class Unknown:
    """No trustworthy answer: it may have happened. Ask by client id before anything else (S4).

    `dead_ns` is the time of our clock after which the venue cannot take the request any more; 0 where it is not known.
    """

    text: str = ""
    signed_ns: int = field(default=0, compare=False)
    written_ns: int = field(default=0, compare=False)
    dead_ns: int = field(default=0, compare=False)


Reply = Accepted | Refused | Unknown


class LinkState(FastEnum):
    """Trust in what one account's streams say (E17). LOST -> RESYNC -> TRUSTED; fills of a resync arrive in between."""

    LOST = "lost"
    RESYNC = "resync"
    TRUSTED = "trusted"


@quick
@dataclass(frozen=True, slots=True)
class LinkUpdate:
    account: str
    state: LinkState
    at_ns: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a venue can do; a capability that is absent is never imitated silently (E20)."""

    client_id: ClientIdStyle
    modify: bool
    batch: bool
    reduce_only: bool
    market_orders: bool
    self_trade: frozenset[SelfTrade]
    query_finds_terminal: bool  # get_order_info answers for filled and cancelled orders too
    dead_man_switch: bool
    orders: bool = True  # False: an account that is only listened to; every order and cancel is refused as UNSUPPORTED


PrivateEvent = OrderUpdate | Fill | LinkUpdate | Margin
PrivateHandler = Callable[[PrivateEvent], None]
QuoteHandler = Callable[[Quote], None]
ReplyHandler = Callable[[Reply], None]


class Cancellable(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    """Time as adapters and runtime see it; live, scaled or virtual (the seam of reliability.md)."""

    def now_ns(self) -> int:
        """Monotonic time that counts a suspended machine as well."""

    def wall_ms(self) -> int:
        """Wall clock for signatures and records, ms since the epoch."""

    def call_at(self, when_ns: int, callback: Callable[..., None], *args: object) -> Cancellable:
        """Run `callback(*args)` when `now_ns()` reaches `when_ns`; equal times run in the order of the calls."""

    def post_at(self, when_ns: int, callback: Callable[..., None], *args: object) -> None:
        """As `call_at`, and cheaper, for what nobody cancels."""


class Rng(Protocol):
    """Seeded chance, one stream per purpose."""

    def below(self, n: int) -> int:
        """A whole number in 0..n-1."""

    def between(self, low: int, high: int) -> int:
        """A whole number in low..high, both included."""
