"""OKX's rows of orders and fills, of streams and lists. Pure. Readers raise BadFrame for what they cannot read.

Sizes are in contracts on swaps; here they become base units, by the `units` of the account's symbols.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exchanges.errors import BadFrame
from exchanges.facts import OrderFacts, Trade
from exchanges.fields import decimal_of, integer_of, one_line, text_of
from exchanges.okx.wire.codes import CANCEL_REFUSALS, CATEGORIES, SIDES, STATES
from exchanges.types import ZERO, FillKind, OrderState, Refusal, Side
from exchanges.values import quick

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_CANCELED, _FAILED, _FILLED, _OPEN, _PARTIALLY_FILLED = (
    OrderState.CANCELED,
    OrderState.FAILED,
    OrderState.FILLED,
    OrderState.OPEN,
    OrderState.PARTIALLY_FILLED,
)
_LIQUIDATION, _TRADE = FillKind.LIQUIDATION, FillKind.TRADE

Row = Mapping[str, Any]
Units = Mapping[str, Decimal]


@quick
@dataclass(frozen=True, slots=True)
class FillRow:
    """One row of the list of fills; `bill` is its place in the list."""

    symbol: str
    side: Side
    order_id: str
    client_id: str
    bill: str
    trade: Trade


def order_of(row: Row, units: Units, *, pushed: bool) -> OrderFacts:
    """An order row; only one that was `pushed` through the stream speaks of one fill alone. Raises: BadFrame."""
    symbol = text_of(row, "instId")
    unit = _unit(symbol, units)
    cum = decimal_of(row, "accFillSz", at_least_zero=True) * unit if row.get("accFillSz") != "" else ZERO
    # A market order that names money has no quantity of its own.
    qty = cum if row.get("tgtCcy") == "quote_ccy" else decimal_of(row, "sz", at_least_zero=True) * unit
    trade = _pushed_trade(row, unit, cum) if pushed else None
    state, refusal, text = _state(row, cum, qty, filled=trade is not None)
    category = row.get("category", "")
    return OrderFacts(
        symbol, _side(row), text_of(row, "ordId"), _client_id(row), max(qty, cum), _price(row), state, cum,
        integer_of(row, "uTime"), row.get("reduceOnly") in ("true", True),
        CATEGORIES.get(category, _LIQUIDATION) if type(category) is str else _LIQUIDATION, refusal, text, trade,
        integer_of(row, "cTime"),
    )  # fmt: skip


def _state(row: Row, cum: Decimal, qty: Decimal, *, filled: bool) -> tuple[OrderState, Refusal | None, str]:
    name = row.get("state")
    state = STATES.get(name) if type(name) is str else None
    if state is None:
        if not filled:
            raise BadFrame(f"state: {one_line(name, 40)} is no known one")
        return (_FILLED if cum >= qty else _PARTIALLY_FILLED), None, ""  # the fill is a fact, whatever the state is
    if state is _OPEN and cum:
        return _PARTIALLY_FILLED, None, ""
    if state is not _CANCELED:
        return state, None, ""
    source = str(row.get("cancelSource", ""))
    words = one_line(row.get("cancelSourceReason") or f"cancelSource {source or 'none'}", 80)
    refusal = None if cum else CANCEL_REFUSALS.get(source)
    return (_CANCELED if refusal is None else _FAILED), refusal, words


def _pushed_trade(row: Row, unit: Decimal, cum: Decimal) -> Trade | None:
    """The fill in a message; None where it tells none, as a spot market order's last one may. Raises: BadFrame."""
    if row.get("tradeId") in (None, "") or row.get("fillSz") in (None, "") or not decimal_of(row, "fillSz"):
        return None
    trade = _trade(row, unit, fee="fillFee", asset="fillFeeCcy", size="fillSz", price="fillPx")
    if trade.qty > cum:
        raise BadFrame(f"a fill of {trade.qty} in an order that has filled {cum}")
    return trade


def fill_row(row: Row, units: Units) -> FillRow:
    """A row of the list of fills. Raises: BadFrame."""
    symbol = text_of(row, "instId")
    trade = _trade(row, _unit(symbol, units), fee="fee", asset="feeCcy", size="fillSz", price="fillPx")
    return FillRow(symbol, _side(row), text_of(row, "ordId"), _client_id(row), text_of(row, "billId"), trade)


def _trade(row: Row, unit: Decimal, *, fee: str, asset: str, size: str, price: str) -> Trade:
    qty, paid = decimal_of(row, size) * unit, decimal_of(row, price)
    if qty <= 0 or paid <= 0:
        raise BadFrame(f"a fill of {qty} at {paid}")
    at = "fillTime" if row.get("fillTime") else "ts"
    charged = ZERO if row.get(fee) in (None, "") else -decimal_of(row, fee)
    role = row.get("execType")
    if role not in ("M", "T"):
        raise BadFrame(f"execType: expected M or T, found {one_line(role, 20) or 'nothing'}")
    return Trade(
        text_of(row, "tradeId"), qty, paid, charged, str(row.get(asset) or ""), role == "M", integer_of(row, at)
    )  # fmt: skip


def _unit(symbol: str, units: Units) -> Decimal:
    unit = units.get(symbol)
    if unit is None:
        raise BadFrame(f"instId: {one_line(symbol, 40)} is no market of this account here")
    return unit


def _side(row: Row) -> Side:
    name = row.get("side")
    side = SIDES.get(name) if type(name) is str else None
    if side is None:
        raise BadFrame(f"side: expected buy or sell, found {one_line(name, 20) or 'nothing'}")
    return side


def _price(row: Row) -> Decimal | None:
    return None if row.get("px") in (None, "", "-1") else decimal_of(row, "px")


def _client_id(row: Row) -> str:
    value = row.get("clOrdId", "")
    if type(value) is not str or len(value) > 64:
        raise BadFrame("clOrdId: expected a text")
    return value
