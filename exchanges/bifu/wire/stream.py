"""What BiFu's private stream says. Pure.

A message holds several fills: each row is read by itself, and one that cannot be read blocks no other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exchanges.bifu.wire.product import Product
from exchanges.errors import BadFrame
from exchanges.fields import decimal_of, integer_of, json_of, mapping, one_line, text_of
from exchanges.types import FillKind, Liquidity, Side
from exchanges.values import quick

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_MAKER, _TAKER, _UNKNOWN = Liquidity.MAKER, Liquidity.TAKER, Liquidity.UNKNOWN
_TRADE, _LIQUIDATION, _ADL = FillKind.TRADE, FillKind.LIQUIDATION, FillKind.ADL

SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
ROLES = {"MAKER": _MAKER, "TAKER": _TAKER}
ROWS = "orderFillTransaction"
TIME_MOST_MS = 10**14  # the year 5138: what is later is no time in ms
_SHORT = re.compile(r"[0-9]{1,11}(?:\.[0-9]{1,11})?")
DIGITS_BEFORE, DIGITS_BEHIND = 14, 12  # of an amount's point: sums of such amounts stay exact in a Decimal


@quick
@dataclass(frozen=True, slots=True)
class FillRow:
    """One fill. `value` is qty times price in quote units; `role` is unknown where the row does not tell it."""

    account_id: str
    instrument_id: str
    order_id: str
    trade_id: str
    side: Side
    qty: Decimal
    value: Decimal
    fee: Decimal
    role: Liquidity
    self_match: bool
    kind: FillKind
    at_ms: int

    @property
    def price(self) -> Decimal:
        return price_of(self.value, self.qty)


@quick
@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be counted: what is wrong with it, and its order, "" where even that cannot be read."""

    text: str
    order_id: str


@quick
@dataclass(frozen=True, slots=True)
class Rows:
    """The fills of one message, in its order."""

    rows: tuple[FillRow | BadRow, ...]


@quick
@dataclass(frozen=True, slots=True)
class Ping:
    """The venue wants `time` back, as it is; after five misses it hangs up."""

    time: str | int


@quick
@dataclass(frozen=True, slots=True)
class Unread:
    """A message that says nothing we know; `text` names it."""

    text: str


Told = Rows | Ping | Unread | None


def message(data: bytes, product: Product) -> Told:
    """One message of the stream; None for one without fills. Raises: BadFrame for what is no message at all."""
    frame = mapping(json_of(data), "message")
    name = frame.get("type")
    if name == "ping":
        return Ping(_ping_time(frame))
    if type(name) is str and name in product.events:
        return _rows(frame, product)
    if name in ("connected", "pong"):
        return None
    return Unread(f"a message of type {one_line(name, 40)}")


def _ping_time(frame: Mapping[str, Any]) -> str | int:
    time = frame.get("time")
    if (type(time) is str or type(time) is int) and len(str(time)) <= 40:
        return time
    raise BadFrame("time of a ping: expected a time in ms")


def _rows(frame: Mapping[str, Any], product: Product) -> Rows | None:
    said = mapping(frame.get("msg", frame.get("content")), "msg")
    data = said.get("data")
    if data is None:
        return None
    rows = mapping(data, "msg.data").get(ROWS)
    if rows is None:
        return None
    if type(rows) is not list:
        raise BadFrame(f"msg.data.{ROWS}: expected a list")
    return Rows(tuple([_read(row, product) for row in rows])) if rows else None


def _read(row: object, product: Product) -> FillRow | BadRow:
    try:
        return fill_row(mapping(row, "row"), product)
    except BadFrame as error:
        return BadRow(str(error), _order_id(row))


def _order_id(row: object) -> str:
    value = row.get("orderId") if isinstance(row, dict) else None
    return one_line(value, 40) if type(value) in (str, int) else ""


def fill_row(said: Mapping[str, Any], product: Product) -> FillRow:
    """Raises: BadFrame for a row without a trade id, with a side, quantity or value that cannot be, or not whole."""
    side = SIDES.get(said["orderSide"]) if type(said.get("orderSide")) is str else None
    if side is None:
        raise BadFrame(f"orderSide: expected BUY or SELL, found {one_line(said.get('orderSide'), 40)}")
    qty, value = amount_of(said, "fillSize"), amount_of(said, "fillValue")
    if qty <= 0 or value <= 0:
        raise BadFrame(f"a fill of fillSize {qty} and fillValue {value}: both must be above 0")
    account, match = text_of(said, "accountId"), _id(said.get("matchAccountId"))
    self_match = account == match
    role = ROLES.get(said["direction"], _UNKNOWN) if type(said.get("direction")) is str else _UNKNOWN
    if role is _MAKER and not match:
        role = _UNKNOWN  # S5: it could be a match with ourselves; exposure until somebody knows
    return FillRow(
        account, text_of(said, product.instrument_field), text_of(said, "orderId"), _trade_id(said, product),
        side, qty, value, amount_of(said, "fillFee") if said.get("fillFee") not in (None, "") else Decimal(0),
        role, self_match, _kind(said), time_of(said, "matchTime"),
    )  # fmt: skip


def _trade_id(said: Mapping[str, Any], product: Product) -> str:
    for name in product.trade_id_fields:
        value = _id(said.get(name))
        if value:
            return value
    raise BadFrame(f"no trade id: expected one of {', '.join(product.trade_id_fields)}")


def _id(value: object) -> str:
    """An id as its text; empty for one that is not there. Ids are above 2^53, and a venue's 0 means none."""
    if type(value) is int and value > 0:
        return str(value)
    return value if type(value) is str and value.strip("0- ") and len(value) <= 80 and value.isprintable() else ""


def _kind(said: Mapping[str, Any]) -> FillKind:
    """S12: what the venue did to us is exposure like what we did."""
    if said.get("isLiquidate") in (True, "true"):
        return _LIQUIDATION
    return _ADL if said.get("isDeleverage") in (True, "true") else _TRADE


def amount_of(said: Mapping[str, Any], name: str) -> Decimal:
    """A quantity, value or fee. Raises: BadFrame, also for a number that no market has."""
    text = said.get(name)
    if type(text) is str and _SHORT.fullmatch(text):
        return Decimal(text)  # as most are: too short to have too many digits anywhere
    number = decimal_of(said, name)
    exponent = number.as_tuple().exponent
    if number.adjusted() >= DIGITS_BEFORE or not (isinstance(exponent, int) and exponent >= -DIGITS_BEHIND):
        raise BadFrame(f"{name}: {one_line(said.get(name), 40)} is no amount")
    return number


def time_of(said: Mapping[str, Any], name: str) -> int:
    at_ms = integer_of(said, name)
    if not 0 < at_ms < TIME_MOST_MS:
        raise BadFrame(f"{name}: {at_ms} is no time in ms")
    return at_ms


def price_of(value: Decimal, qty: Decimal) -> Decimal:
    """Value by quantity, which must not be 0, to 8 decimals; a price so small that these would spoil it keeps 8 digits.

    The venue's rows have no price (hedger-requirements 9).
    """
    price = value / qty
    exponent = min(-8, price.adjusted() - 7)
    told = price.as_tuple().exponent
    return price.quantize(Decimal(1).scaleb(exponent)) if isinstance(told, int) and told < exponent else price
