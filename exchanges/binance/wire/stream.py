"""What Binance's streams say, of spot and of futures. Pure.

Every reader raises BadFrame for what it cannot read: a value of the wrong type, a number that is none, a fill that
cannot be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from exchanges.binance.wire.codes import CAUSES, SIDES, STATES
from exchanges.errors import BadFrame
from exchanges.facts import BookFacts, OrderFacts, Trade
from exchanges.fields import decimal_of, entry, integer_of, json_of, listing, mapping, one_line, text_of
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
_TRADE, _LIQUIDATION = FillKind.TRADE, FillKind.LIQUIDATION

T = TypeVar("T")


@quick
@dataclass(frozen=True, slots=True)
class HeldFacts:
    """What the account holds now: signed positions by symbol on futures, totals by asset on spot."""

    amounts: tuple[tuple[str, Decimal], ...]


@quick
@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request of the WebSocket API: `result`, or where `status` is not 200 `error`."""

    number: str
    status: int
    result: Any
    error: Mapping[str, Any]


@quick
@dataclass(frozen=True, slots=True)
class Ended:
    """The venue will tell nothing more on this stream."""

    text: str


@quick
@dataclass(frozen=True, slots=True)
class Unread:
    """A message that says nothing we know, or that the account changed otherwise than by an order; `text` names it."""

    text: str


Told = OrderFacts | HeldFacts | BookFacts | Answer | Ended | Unread | None

ENDS = frozenset({"listenKeyExpired", "eventStreamTerminated", "serverShutdown"})
# Events that say nothing which the account's orders, fills and questions do not say as well.
SILENT = frozenset({"TRADE_LITE", "ACCOUNT_CONFIG_UPDATE", "externalLockUpdate", "listStatus"})


def message(data: bytes) -> Told:
    """One message of any stream; None for an acknowledgement. Raises: BadFrame."""
    frame = mapping(json_of(data), "message")
    event = frame.get("event")
    if type(event) is dict:
        frame = event
    elif "status" in frame:
        return answer(frame)
    name = frame.get("e")
    if name == "ORDER_TRADE_UPDATE":
        return order_event(entry(frame, "o"))
    if name == "executionReport":
        return order_event(frame)
    if name == "ACCOUNT_UPDATE":
        return _positions(entry(frame, "a"))
    if name == "outboundAccountPosition":
        return _balances(frame)
    if name == "bookTicker" or (name is None and "u" in frame and "b" in frame):
        return _book(frame)
    if name is None:
        return _unnamed(frame)
    if type(name) is not str:
        raise BadFrame("e: expected the name of an event")
    if name in ENDS:
        return Ended(f"{name}")
    return None if name in SILENT else Unread(f"event {one_line(name, 40)}")


def _unnamed(frame: Mapping[str, Any]) -> Told:
    if "code" in frame or "error" in frame:
        raise BadFrame(f"the venue said: {one_line(frame.get('msg', frame.get('error')), 160)}")
    if "result" in frame:
        return None
    return Unread(f"a message with {one_line(', '.join(sorted(frame)), 80) or 'nothing'}")


def answer(frame: Mapping[str, Any]) -> Answer:
    number, status = frame.get("id"), integer_of(frame, "status")
    error = frame.get("error") if status != 200 else None
    return Answer(
        "" if number is None else str(number), status, frame.get("result"), error if type(error) is dict else {}
    )


def order_event(said: Mapping[str, Any]) -> OrderFacts:
    """An order as an event tells it. Raises: BadFrame.

    On spot a cancelled order has its own client id in `C`: `c` is then the id of the cancel.
    """
    side, cum = side_of(said, "S"), decimal_of(said, "z", at_least_zero=True)
    qty, last = decimal_of(said, "q", at_least_zero=True), decimal_of(said, "l", at_least_zero=True)
    client_id, what = client_id_of(said.get("C")) or client_id_of(said.get("c")), said.get("x")
    kind = _LIQUIDATION if what == "CALCULATED" else cause_of(client_id)
    trade = _trade(said, last, cum) if last > 0 and what in ("TRADE", "CALCULATED") else None
    state = known(STATES, said.get("X"))
    if trade is not None and (state is None or state.terminal != (state is _FILLED)):
        state = _FILLED if cum >= qty else _PARTIALLY_FILLED  # the fill is a fact, whatever the state is called
    if state is None:
        raise BadFrame(f"X: {one_line(said.get('X'), 40)} is no known state")
    text, refusal = "", None
    if state is _OPEN and cum > 0:
        state = _PARTIALLY_FILLED
    elif state is _CANCELED or state is _FAILED:
        state, refusal, text = ended(
            str(said.get("X")), cum, post_only=said.get("f") == "GTX", reason=str(said.get("r") or "")
        )
    price = decimal_of(said, "p", at_least_zero=True)
    return OrderFacts(
        text_of(said, "s"), side, text_of(said, "i"), client_id if kind is _TRADE else "", qty, price or None, state,
        cum, integer_of(said, "T"), said.get("R") is True, kind, refusal, text, trade,
    )  # fmt: skip


def ended(
    status: str, cum_qty: Decimal, *, post_only: bool, reason: str = ""
) -> tuple[OrderState, Refusal | None, str]:
    """An order that ended without a fill for a reason of refusal was refused; every other one has ended."""
    if cum_qty or status == "CANCELED":
        return _CANCELED, None, "" if status == "CANCELED" else status
    if status == "EXPIRED_IN_MATCH":
        return _FAILED, Refusal.SELF_TRADE, status
    if status == "EXPIRED" and post_only:
        return _FAILED, Refusal.POST_ONLY, "GTX order expired"
    if status == "REJECTED":
        return _FAILED, Refusal.MARGIN if "INSUFFICIENT" in reason else Refusal.VENUE, one_line(reason, 80)
    return _CANCELED, None, status


def cause_of(client_id: str) -> FillKind:
    """The venue's own orders have telling client ids."""
    for begin, kind in CAUSES:
        if client_id.startswith(begin):
            return kind
    return _TRADE


def _trade(said: Mapping[str, Any], qty: Decimal, cum: Decimal) -> Trade:
    price = decimal_of(said, "L")
    if price <= 0 or qty > cum:
        raise BadFrame(f"a fill of {qty} at {price} in an order that has filled {cum}")
    if type(said.get("m")) is not bool:
        raise BadFrame("m: expected true or false")
    paid = said.get("N") is not None
    return Trade(
        trade_id_of(said.get("t"), cum), qty, price, decimal_of(said, "n") if paid else ZERO,
        text_of(said, "N") if paid else "", said["m"],
    )  # fmt: skip


def trade_id_of(value: object, cum: Decimal) -> str:
    """S5: where the venue gives no number, the filled quantity stands in."""
    if value is None or value in (0, -1):
        return f"z{cum.normalize():f}"
    if type(value) is not int:
        raise BadFrame("t: expected a number")
    return str(value)


def client_id_of(value: object) -> str:
    if value is None or value in ("", "null"):
        return ""
    if type(value) is not str or len(value) > 60:
        raise BadFrame("client id: expected a text")
    return value


def known(table: Mapping[str, T], value: object) -> T | None:
    """What a word of the venue stands for; None for one that the table does not have, and for what is no word."""
    return table.get(value) if type(value) is str else None


def side_of(said: Mapping[str, Any], name: str) -> Side:
    side = known(SIDES, said.get(name))
    if side is None:
        raise BadFrame(f"{name}: expected BUY or SELL, found {one_line(said.get(name), 40)}")
    return side


def _positions(said: Mapping[str, Any]) -> HeldFacts:
    rows = [mapping(it, "position") for it in listing(said.get("P", []), "P")]
    return HeldFacts(tuple((text_of(row, "s"), decimal_of(row, "pa")) for row in rows if row.get("ps") == "BOTH"))


def _balances(said: Mapping[str, Any]) -> HeldFacts:
    rows = [mapping(it, "balance") for it in listing(said.get("B"), "B")]
    return HeldFacts(tuple((text_of(row, "a"), decimal_of(row, "f") + decimal_of(row, "l")) for row in rows))


def _book(said: Mapping[str, Any]) -> BookFacts:
    """An empty side has price and quantity 0: a book that cannot be used."""
    at_ms = integer_of(said, "T") if "T" in said else 0
    return BookFacts(
        text_of(said, "s"), decimal_of(said, "b", at_least_zero=True), decimal_of(said, "B", at_least_zero=True),
        decimal_of(said, "a", at_least_zero=True), decimal_of(said, "A", at_least_zero=True), integer_of(said, "u"),
        at_ms,
    )  # fmt: skip
