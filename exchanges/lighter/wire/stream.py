"""What Lighter's stream says, and what it is told. Pure; every reader raises BadFrame for what it cannot read.

A frame is known by its `type`; how its channel is spelled differs between the documents and the captures (one names
the account in `account_orders:0:1234`, the other does not), so that nothing depends on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exchanges.errors import AuthFailed, BadFrame, ExchangeError
from exchanges.fields import decimal_of, entry, integer_of, json_of, listing, mapping
from exchanges.lighter.wire.codes import AUTH_CODES, HARMLESS
from exchanges.lighter.wire.facts import (
    OrderFacts,
    PositionFacts,
    TradeFacts,
    order_facts,
    position_facts,
    trade_facts,
    when_ms,
)
from exchanges.types import ZERO
from exchanges.values import quick

ORDERS, TRADES, POSITIONS, TICKER = "account_all_orders", "account_all_trades", "account_all_positions", "ticker"
ACCOUNT_CHANNELS = (ORDERS, TRADES, POSITIONS)
PONG = '{"type":"pong"}'
PING = '{"type":"ping"}'
_AUTH_WORDS = ("auth", "token", "expired", "unauthorized")


@dataclass(frozen=True, slots=True)
class OrdersSaid:
    orders: tuple[OrderFacts, ...]


@dataclass(frozen=True, slots=True)
class TradesSaid:
    trades: tuple[TradeFacts, ...]


@dataclass(frozen=True, slots=True)
class PositionsSaid:
    """Those that the frame names; whether others are flat or unchanged is told differently by different documents."""

    positions: tuple[PositionFacts, ...]


@quick
@dataclass(frozen=True, slots=True)
class BookFacts:
    """Best bid and offer; a side that is empty is 0 at 0. `number` only grows."""

    market_id: int
    bid: Decimal
    bid_qty: Decimal
    ask: Decimal
    ask_qty: Decimal
    number: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class PingSaid:
    """The venue wants a pong."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A message that says nothing we know; `text` names it."""

    text: str


Told = OrdersSaid | TradesSaid | PositionsSaid | BookFacts | PingSaid | Unread | None


def subscribe(channel: str, *, token: str = "") -> str:
    return json.dumps({"type": "subscribe", "channel": channel, **({"auth": token} if token else {})})


def unsubscribe(channel: str) -> str:
    return json.dumps({"type": "unsubscribe", "channel": channel})


def message(data: bytes, account: int) -> Told:
    """One message; None for an acknowledgement, or a repetition of what was. Raises: BadFrame, AuthFailed."""
    said = mapping(json_of(data), "message")
    if said.get("error") is not None:
        _check(said["error"])
        return None
    kind = said.get("type")
    if type(kind) is not str:
        raise BadFrame("type: expected a name")
    first, _, name = kind.partition("/")
    if kind == "ping":
        return PingSaid()
    if kind in ("connected", "pong", "unsubscribed") or first == "unsubscribed":
        return None
    if first not in ("subscribed", "update"):
        return Unread(f"message {kind[:60]}")
    if name == TICKER:
        return _book(said)
    if name == ORDERS:
        return OrdersSaid(tuple(order_facts(row) for row in _rows(said, "orders")))
    if name == TRADES:
        # The first frame repeats trades of the past, in a shape of its own: the resync asks for those that count.
        return None if first == "subscribed" else TradesSaid(_trades(said, account))
    if name == POSITIONS:
        return PositionsSaid(tuple(position_facts(row) for row in _by_market(said, "positions")))
    return Unread(f"channel {name[:60]}")


def _trades(said: Mapping[str, Any], account: int) -> tuple[TradeFacts, ...]:
    return tuple(fact for row in _rows(said, "trades") for fact in trade_facts(row, account))


def _rows(said: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    """Rows by market, or a plain list of them; absent and null are none."""
    value = said.get(name)
    if value is None:
        return
    if isinstance(value, dict):
        for rows in value.values():
            yield from (mapping(row, name) for row in listing(rows, name))
    else:
        yield from (mapping(row, name) for row in listing(value, name))


def _by_market(said: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    value = said.get(name)
    if value is not None:
        yield from (mapping(row, name) for row in mapping(value, name).values())


def _book(said: Mapping[str, Any]) -> BookFacts:
    ticker = entry(said, "ticker")
    channel = said.get("channel")
    market = str(channel).partition(":")[2] if type(channel) is str else ""
    if not market.isdigit() or len(market) > 9:
        raise BadFrame(f"channel: {str(channel)[:40]!r} names no market")
    bid, ask = _level(ticker, "b"), _level(ticker, "a")
    return BookFacts(int(market), *bid, *ask, integer_of(said, "nonce"), when_ms(said, "timestamp", "last_updated_at"))


def _level(ticker: Mapping[str, Any], name: str) -> tuple[Decimal, Decimal]:
    level = ticker.get(name)
    if level is None or mapping(level, name).get("price") in (None, ""):
        return ZERO, ZERO
    return decimal_of(level, "price", at_least_zero=True), decimal_of(level, "size", at_least_zero=True)


def _check(error: object) -> None:
    """Raises: AuthFailed, BadFrame, but not for what changes nothing. An error names no channel and has no id."""
    said = error if isinstance(error, dict) else {}
    found = said.get("code")
    code, text = found if type(found) is int else 0, str(said.get("message", error))[:160]
    if code in HARMLESS:
        return
    wrong: ExchangeError = BadFrame(f"the venue said: {code} {text}")
    if code in AUTH_CODES or any(word in text.lower() for word in _AUTH_WORDS):
        wrong = AuthFailed(f"the venue refused the subscription: {code} {text}")
    raise wrong
