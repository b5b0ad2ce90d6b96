"""What Backpack's streams say. Pure.

Every reader raises BadFrame for what it cannot read: a value of the wrong type, a number that is none, a fill that
cannot be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from exchanges.backpack.wire.codes import AUTH_CODES, EXPIRY_REFUSALS, ORIGINS, SIDES, STATES, plain
from exchanges.errors import AuthFailed, BadFrame, ExchangeError
from exchanges.facts import BookFacts, OrderFacts, Trade
from exchanges.fields import decimal_of, integer_of, json_of, mapping, one_line, text_of
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
_LIQUIDATION = FillKind.LIQUIDATION

T = TypeVar("T")


@quick
@dataclass(frozen=True, slots=True)
class PositionFacts:
    """A signed position as the stream tells it."""

    symbol: str
    qty: Decimal


@quick
@dataclass(frozen=True, slots=True)
class Unread:
    """A message that says nothing we know; `text` names it."""

    text: str


Told = OrderFacts | PositionFacts | BookFacts | Unread | None

ORDERS, POSITIONS, BOOK = "account.orderUpdate", "account.positionUpdate", "bookTicker"


def message(data: bytes) -> Told:
    """One message of a stream; None for an acknowledgement. Raises: BadFrame, AuthFailed."""
    frame = mapping(json_of(data), "message")
    stream = frame.get("stream")
    if type(stream) is not str or "error" in frame:
        return _without_data(frame)
    name, _, symbol = stream.rpartition(".")
    if name not in (ORDERS, POSITIONS, BOOK):
        return Unread(f"stream {one_line(stream, 80)}")
    said = mapping(frame.get("data"), "data")
    if said.get("s") != symbol:
        raise BadFrame(f"stream {one_line(stream, 80)} speaks of symbol {one_line(said.get('s'), 40)}")
    if name == ORDERS:
        return order_event(said)
    return _book(symbol, said) if name == BOOK else PositionFacts(symbol, decimal_of(said, "q"))


def _without_data(frame: Mapping[str, Any]) -> Unread | None:
    if "error" in frame:
        raise _stream_error(frame["error"])
    if frame.get("stream") is not None:
        raise BadFrame("stream: expected a name")
    if "result" in frame:
        return None
    return Unread(f"a message with {one_line(', '.join(sorted(frame)), 80) or 'nothing'}")


def order_event(said: Mapping[str, Any]) -> OrderFacts | Unread:
    """An update of the order stream. Raises: BadFrame."""
    event = str(said.get("e"))
    side, cum = side_of(said, "S"), decimal_of(said, "z", at_least_zero=True)
    qty = decimal_of(said, "q", at_least_zero=True) if said.get("q") is not None else cum
    state = known(STATES, said.get("X"))
    refusal, text = None, ""
    trade = None
    if event == "orderFill":
        trade = _trade(said, cum)
        if state is None or state.terminal != (state is _FILLED):
            state = _FILLED if cum >= qty else _PARTIALLY_FILLED  # the fill is a fact, whatever the state is called
    elif event not in _ORDER_EVENTS or state is None:
        return Unread(f"order event {one_line(event, 40)} in state {one_line(said.get('X'), 40)}")
    elif said.get("X") == "Expired":
        text = one_line(said.get("R") or "expired", 80)
        state, refusal = expired(text, cum)
    elif state is _OPEN and cum > 0:
        state = _PARTIALLY_FILLED
    return OrderFacts(
        text_of(said, "s"), side, text_of(said, "i"), client_id_of(said.get("c")), qty,
        decimal_of(said, "p") if said.get("p") is not None else None,
        state, cum, integer_of(said, "T") // 1000, said.get("r") is True,
        known(ORIGINS, said.get("O")) or _LIQUIDATION,
        refusal, text, trade,
    )  # fmt: skip


_ORDER_EVENTS = frozenset(
    {"orderAccepted", "orderCancelled", "orderExpired", "orderModified", "triggerPlaced", "triggerFailed"}
)


def expired(reason: str, cum_qty: Decimal) -> tuple[OrderState, Refusal | None]:
    """An order that expired without a fill for a reason of refusal was refused; every other one has ended."""
    refusal = EXPIRY_REFUSALS.get(plain(reason))
    return (_FAILED if refusal is not None and not cum_qty else _CANCELED), refusal


def _trade(said: Mapping[str, Any], cum: Decimal) -> Trade:
    qty, price = decimal_of(said, "l"), decimal_of(said, "L")
    if qty <= 0 or price <= 0 or qty > cum:
        raise BadFrame(f"a fill of {qty} at {price} in an order that has filled {cum}")
    if type(said.get("m")) is not bool:
        raise BadFrame("m: expected true or false")
    return Trade(trade_id_of(said.get("t"), cum), qty, price, decimal_of(said, "n"), text_of(said, "N"), said["m"])


def trade_id_of(value: object, cum: Decimal) -> str:
    """S5: where the venue gives no number (or 0, as it once did for backstop fills), the filled quantity stands in."""
    if value is None or value in (0, "0", ""):
        return f"z{cum.normalize():f}"
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise BadFrame("trade id: expected a number")
    return str(value)


def client_id_of(value: object) -> str:
    """The stream sends a number, the history a string; what is no uint32 is nobody's of ours."""
    if value is None or value == "":
        return ""
    text = str(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or len(text) > 40:
        raise BadFrame("client id: expected a number")
    return text


def known(table: Mapping[str, T], value: object) -> T | None:
    """What a word of the venue stands for; None for one that the table does not have, and for what is no word."""
    return table.get(value) if type(value) is str else None


def side_of(said: Mapping[str, Any], name: str) -> Side:
    side = known(SIDES, said.get(name))
    if side is None:
        raise BadFrame(f"{name}: expected Bid or Ask, found {one_line(said.get(name), 40)}")
    return side


def _book(symbol: str, said: Mapping[str, Any]) -> BookFacts:
    """Raises: BadFrame. An empty side (no price or quantity) makes a book that cannot be used: 0 at 0."""
    bid, ask = (_level(said, "b", "B"), _level(said, "a", "A"))
    return BookFacts(symbol, *bid, *ask, integer_of(said, "u"), integer_of(said, "T") // 1000)


def _level(said: Mapping[str, Any], price: str, qty: str) -> tuple[Decimal, Decimal]:
    if said.get(price) in (None, ""):
        return ZERO, ZERO
    return decimal_of(said, price, at_least_zero=True), decimal_of(said, qty, at_least_zero=True)


def _stream_error(error: object) -> ExchangeError:
    """The fields of a stream's error are not documented: whatever is there is shown; words of keys mean our keys."""
    said = error if isinstance(error, dict) else {}
    code, text = one_line(said.get("code", ""), 40), one_line(said.get("message", error), 160)
    if code in AUTH_CODES or "signature" in text.lower() or "unauthorized" in text.lower():
        return AuthFailed(f"the venue refused the subscription: {code} {text}".strip())
    return BadFrame(f"the venue said: {code} {text}")
