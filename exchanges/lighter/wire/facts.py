"""Orders, trades and positions as Lighter writes them, in REST answers and in frames alike. Pure.

Every reader raises BadFrame for what it cannot read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exchanges.errors import BadFrame
from exchanges.fields import decimal_of, integer_of, text_of
from exchanges.lighter.wire.codes import CANCEL_REFUSALS, CANCELED, KINDS, STATES
from exchanges.types import ZERO, FillKind, OrderState, Refusal, Side
from exchanges.values import quick

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_BUY, _SELL = Side.BUY, Side.SELL
_OPEN, _PARTIAL, _CANCELED, _FAILED, _FILLED = (
    OrderState.OPEN,
    OrderState.PARTIALLY_FILLED,
    OrderState.CANCELED,
    OrderState.FAILED,
    OrderState.FILLED,
)
_FEE_UNIT = Decimal("0.000001")  # of the quote amount
_SECONDS_END, _MICROSECONDS_BEGIN = 10**11, 10**14
ISOLATED = 1  # of margin_mode; 0 is cross
FOREIGN = FillKind.LIQUIDATION  # of a cause that is new to us: it calls a person


@quick
@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What the venue says of one order; `cum_qty` is filled so far. `client_id` is empty for an order without one."""

    market_id: int
    side: Side
    order_id: str
    client_id: str
    qty: Decimal
    price: Decimal | None
    state: OrderState
    cum_qty: Decimal
    at_ms: int
    reduce_only: bool
    refusal: Refusal | None
    text: str


@quick
@dataclass(frozen=True, slots=True)
class TradeFacts:
    """One side of one trade: ours."""

    market_id: int
    trade_id: str
    side: Side
    order_id: str
    client_id: str
    qty: Decimal
    price: Decimal
    fee: Decimal
    maker: bool
    at_ms: int
    kind: FillKind


@quick
@dataclass(frozen=True, slots=True)
class PositionFacts:
    """A signed position. `leverage` is what the account has set in the market, `isolated` None where not told."""

    market_id: int
    qty: Decimal
    entry_price: Decimal
    liquidation_price: Decimal | None
    mark_price: Decimal | None
    leverage: Decimal | None = None
    isolated: bool | None = None


def order_facts(said: Mapping[str, Any]) -> OrderFacts:
    cum = decimal_of(said, "filled_base_amount", at_least_zero=True)
    qty = decimal_of(said, "initial_base_amount", at_least_zero=True)
    state, refusal, text = _state(text_of(said, "status"), cum)
    market = said.get("type") == "market"
    if state is _FILLED and cum < qty:
        raise BadFrame(f"an order called filled has filled {cum} of {qty}")
    return OrderFacts(
        integer_of(said, "market_index"), _SELL if flag(said, "is_ask") else _BUY, _index(said, "order_index"),
        _client(said, "client_order_index"), qty,
        None if market else decimal_of(said, "price", at_least_zero=True), state, cum,
        when_ms(said, "updated_at", "timestamp", "created_at"), said.get("reduce_only") is True, refusal, text,
    )  # fmt: skip


def _state(status: str, cum: Decimal) -> tuple[OrderState, Refusal | None, str]:
    state = STATES.get(status)
    if state is not None:
        return (_PARTIAL if state is _OPEN and cum > 0 else state), None, ""
    if not status.startswith(CANCELED):
        raise BadFrame(f"status: {status[:40]!r} is unknown")
    refusal = CANCEL_REFUSALS.get(status)
    return (_FAILED if refusal is not None and not cum else _CANCELED), refusal, status[len(CANCELED) + 1 :][:80]


def trade_facts(said: Mapping[str, Any], account: int) -> list[TradeFacts]:
    """Our sides of one trade: two where we traded with ourselves, none where it is not ours."""
    ask_is_maker = flag(said, "is_maker_ask")
    qty, price = decimal_of(said, "size"), decimal_of(said, "price")
    if qty <= 0 or price <= 0:
        raise BadFrame(f"a trade of {qty} at {price}")
    value = qty * price
    kind = said.get("type")
    cause = KINDS.get(kind, FOREIGN) if type(kind) is str else FOREIGN
    at_ms = when_ms(said, "timestamp", "transaction_time")
    found = []
    for name, side, maker in (("ask", _SELL, ask_is_maker), ("bid", _BUY, not ask_is_maker)):
        if integer_of(said, f"{name}_account_id") != account:
            continue
        rate = said.get("maker_fee" if maker else "taker_fee")  # absent where it is 0
        fee = ZERO if rate is None else decimal_of(said, "maker_fee" if maker else "taker_fee") * _FEE_UNIT * value
        found.append(
            TradeFacts(
                integer_of(said, "market_id"), _index(said, "trade_id"), side, _index(said, f"{name}_id"),
                _client(said, f"{name}_client_id"), qty, price, fee, maker, at_ms, cause,
            )
        )  # fmt: skip
    return found


def position_facts(said: Mapping[str, Any]) -> PositionFacts:
    """Size is unsigned, its sign stands beside it."""
    size, sign = decimal_of(said, "position", at_least_zero=True), integer_of(said, "sign")
    if sign not in (-1, 0, 1) or (size and not sign):
        raise BadFrame(f"sign: {sign} of a position of {size}")
    liquidation = _optional(said, "liquidation_price")
    value = _optional(said, "position_value")
    mark = abs(value) / size if size and value else None
    entry, mode = _optional(said, "avg_entry_price") or ZERO, said.get("margin_mode")
    return PositionFacts(
        integer_of(said, "market_id"), size * sign, entry, liquidation or None, mark, _leverage(said),
        None if type(mode) is not int else mode == ISOLATED,
    )  # fmt: skip


def _leverage(said: Mapping[str, Any]) -> Decimal | None:
    """From the margin fraction, which is percent in REST answers and captures, a ratio in an example."""
    fraction = _optional(said, "initial_margin_fraction")
    if not fraction or fraction < 0:
        return None
    return (1 / fraction if fraction < 1 else 100 / fraction).quantize(Decimal("0.1"))


def when_ms(said: Mapping[str, Any], *names: str) -> int:
    """The first of these times that is there, in ms: the venue counts in s, ms or µs, by field and by version."""
    for name in names:
        if said.get(name):
            value = integer_of(said, name)
            if 0 < value < _SECONDS_END:
                return value * 1000
            return value if value < _MICROSECONDS_BEGIN else value // 1000
    raise BadFrame(f"{names[0]}: expected a time")


def flag(said: Mapping[str, Any], name: str) -> bool:
    value = said.get(name)
    if type(value) is not bool:
        raise BadFrame(f"{name}: expected true or false")
    return value


def _index(said: Mapping[str, Any], name: str) -> str:
    return str(integer_of(said, name))


def _client(said: Mapping[str, Any], name: str) -> str:
    if said.get(name) is None:
        return ""
    index = integer_of(said, name)
    return str(index) if index > 0 else ""


def _optional(said: Mapping[str, Any], name: str) -> Decimal | None:
    return None if said.get(name) in (None, "") else decimal_of(said, name)
