"""What OKX's streams say. Pure. Every reader raises BadFrame for what it cannot read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exchanges.errors import AuthFailed, BadFrame, ExchangeError, LinkDown
from exchanges.facts import BookFacts, OrderFacts
from exchanges.fields import decimal_of, integer_of, json_of, listing, mapping, one_line, text_of
from exchanges.okx.wire.codes import AUTH_CODES
from exchanges.okx.wire.order import Units, order_of
from exchanges.types import ZERO

ORDERS, BOOK = "orders", "bbo-tbt"
PONG = b"pong"
LEAVING = "64008"  # of a notice: the venue closes this connection in about 30 s


@dataclass(frozen=True, slots=True)
class LoggedIn:
    pass


@dataclass(frozen=True, slots=True)
class Subscribed:
    channel: str
    symbol: str


@dataclass(frozen=True, slots=True)
class Orders:
    """Rows of one message: what could be read, and why the others could not be."""

    facts: tuple[OrderFacts, ...]
    unread: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a command, to be read by what it was: `said` is an envelope as REST has it."""

    number: str
    said: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Leaving:
    """The venue will close this connection; `text` says why."""

    text: str


@dataclass(frozen=True, slots=True)
class Unread:
    """A message that says nothing we know; `text` names it."""

    text: str


Told = LoggedIn | Subscribed | Orders | BookFacts | Answer | Leaving | Unread


def message(data: bytes, units: Units) -> Told:
    """One message of a stream but `pong`. Raises: BadFrame, AuthFailed, LinkDown for an error that it tells."""
    said = mapping(json_of(data), "message")
    if "event" in said:
        return _event(said)
    if "op" in said:
        return Answer(str(said.get("id", "")), said)
    arg = mapping(said.get("arg"), "arg")
    channel = arg.get("channel")
    if channel == ORDERS:
        return _orders(listing(said.get("data"), "data"), units)
    if channel == BOOK:
        return _book(text_of(arg, "instId"), listing(said.get("data"), "data"), units)
    return Unread(f"channel {one_line(channel, 40) or 'nothing'}")


def _event(said: Mapping[str, Any]) -> Told:
    event, code = said.get("event"), one_line(said.get("code", ""), 20)
    text = f"{code} {one_line(said.get('msg', ''), 160)}".strip()
    if event == "error" or (event == "login" and code != "0"):
        if said.get("id"):
            return Answer(str(said["id"]), {"code": code, "msg": said.get("msg", ""), "data": []})
        raise _error(code, text)
    if event == "login":
        return LoggedIn()
    if event == "subscribe":
        arg = mapping(said.get("arg"), "arg")
        return Subscribed(text_of(arg, "channel"), str(arg.get("instId", "")))
    if event == "notice":
        return Leaving(text) if code == LEAVING else Unread(f"notice {text}")
    if event == "channel-conn-count":
        return Subscribed("", "")  # how many connections there are; nothing follows from it
    if event == "channel-conn-count-error":
        raise LinkDown("the venue has too many connections of this account's channel")
    return Unread(f"event {one_line(event, 40)}")


def _error(code: str, text: str) -> ExchangeError:
    if code in AUTH_CODES:
        return AuthFailed(f"the venue refused the login: {text}")
    return BadFrame(f"the venue said: {text}")


def _orders(rows: list[Any], units: Units) -> Orders:
    """One row that cannot be read does not hide the others."""
    facts, unread = [], ""
    for row in rows:
        try:
            facts.append(order_of(mapping(row, "order"), units, pushed=True))
        except BadFrame as error:
            unread = str(error)
    return Orders(tuple(facts), unread)


def _book(symbol: str, rows: list[Any], units: Units) -> BookFacts:
    if len(rows) != 1:
        raise BadFrame(f"data: expected one book, found {len(rows)}")
    return book_of(symbol, rows[0], units)


def book_of(symbol: str, row: object, units: Units) -> BookFacts:
    """Raises: BadFrame. An empty side makes a book that cannot be used: 0 at 0."""
    said, unit = mapping(row, "book"), units.get(symbol)
    if unit is None:
        raise BadFrame(f"instId: {one_line(symbol, 40)} is no market of this account here")
    bid, ask = (_best(listing(said.get(name), name), name, unit) for name in ("bids", "asks"))
    number = integer_of(said, "seqId") if "seqId" in said else 0
    return BookFacts(symbol, *bid, *ask, number, integer_of(said, "ts"))


def _best(levels: list[Any], name: str, unit: Decimal) -> tuple[Decimal, Decimal]:
    if not levels:
        return ZERO, ZERO
    level = listing(levels[0], name)
    if len(level) < 2:
        raise BadFrame(f"{name}: expected price and size")
    said = {"price": level[0], "size": level[1]}
    return decimal_of(said, "price", at_least_zero=True), decimal_of(said, "size", at_least_zero=True) * unit
