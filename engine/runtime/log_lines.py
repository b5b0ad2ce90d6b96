"""What a run writes into its four logs: the lines of one step, with the field names of the journal's columns.

Computes only; where the lines go is the business of log_files.py.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from engine.runtime.log_format import Value
from engine.trading.effects import (
    Alert,
    CancelOrder,
    Effect,
    Finish,
    Level,
    PlaceOrder,
    RoundBegan,
    RoundEnded,
)
from engine.trading.inputs import Answered, Input, Looked, NotSent, Request, Started
from exchanges.types import Accepted, Fill, LinkState, LinkUpdate, OrderUpdate, Refusal, Refused

MOST_UNANSWERED = 10_000  # orders whose stamps wait for the venue's answer; one that never comes must not stay for ever


class Log(Enum):
    """The four logs by name (E19)."""

    ORDERS = "orders"
    POSITIONS = "positions"
    ERRORS = "errors"
    PERFORMANCE = "performance"


Line = tuple[Log, dict[str, Value]]


@dataclass(frozen=True, slots=True)
class Standing:
    """Positions after a step that moved one, under the user's names (E12)."""

    account: str
    symbol: str
    position: Decimal
    net_position: Decimal
    maker_open_position: Decimal
    maker_close_position: Decimal
    taker_hedge_positions: Decimal
    in_flight: Decimal
    dust: Decimal


@dataclass(frozen=True, slots=True)
class Happening:
    """A step with all that its lines need; nothing in it changes any more, so that another thread may read it."""

    seq: int | None  # None: not of a step
    at_ns: int
    wall_ms: int
    given: Input | None
    effects: tuple[Effect, ...]
    decided_ns: int = 0
    standing: Standing | None = None
    lines: tuple[Line, ...] = ()  # ready-made ones


@dataclass(slots=True)
class _Stamps:
    placed: PlaceOrder
    received_ns: int
    decoded_ns: int
    decided_ns: int


class Lines:
    """The lines of happening after happening; keeps what a later line needs of an earlier step."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, _Stamps] = OrderedDict()
        self._round_ns = 0
        self._first_fill_ns = 0
        self._of_input: dict[type, Callable[[Any, Happening], Iterator[Line]]] = {
            Fill: self._fill,
            OrderUpdate: self._update,
            Looked: self._looked,
            Answered: self._answered,
            NotSent: self._not_sent,
            LinkUpdate: self._link,
            Started: self._started,
        }
        self._of_effect: dict[type, Callable[[Any, Happening], Iterator[Line]]] = {
            PlaceOrder: self._place,
            CancelOrder: self._cancel,
            Alert: self._alert,
            RoundBegan: self._round_began,
            RoundEnded: self._round_ended,
            Finish: self._finish,
        }

    def of(self, it: Happening) -> Iterator[Line]:
        if it.given is not None and type(it.given) in self._of_input:
            yield from self._of_input[type(it.given)](it.given, it)
        if it.standing is not None:
            yield Log.POSITIONS, {"event": "position", **_fields(it.standing)}
        for effect in it.effects:
            if type(effect) in self._of_effect:
                yield from self._of_effect[type(effect)](effect, it)
        yield from it.lines

    # --- what the world said

    def _fill(self, fill: Fill, it: Happening) -> Iterator[Line]:
        self._first_fill_ns = self._first_fill_ns or it.at_ns
        yield (
            Log.ORDERS,
            {
                "event": "fill", "venue": fill.venue, "account": fill.account, "symbol": fill.symbol,
                "client_id": fill.client_id, "order_id": fill.order_id, "trade_id": fill.trade_id, "side": fill.side,
                "qty": fill.qty, "price": fill.price, "fee": fill.fee, "fee_asset": fill.fee_asset,
                "liquidity": fill.liquidity, "kind": fill.kind, "at_ms": fill.at_ms,
                "latency_us": _us(fill.recv_ns, it.at_ns),
            },
        )  # fmt: skip

    def _update(self, update: OrderUpdate, it: Happening) -> Iterator[Line]:
        fields: dict[str, Value] = {
            "event": "order", "account": update.account, "symbol": update.symbol, "client_id": update.client_id,
            "order_id": update.order_id, "side": update.side, "qty": update.qty, "price": update.price,
            "state": update.state, "cum_qty": update.cum_qty, "at_ms": update.at_ms,
            "refusal": update.refusal, "text": update.text or None,
        }  # fmt: skip
        yield Log.ORDERS, fields
        if update.refusal not in (None, Refusal.POST_ONLY):
            yield Log.ERRORS, fields

    def _looked(self, looked: Looked, it: Happening) -> Iterator[Line]:
        if looked.update is not None:
            yield from self._update(looked.update, it)
        elif not looked.ok:
            yield Log.ERRORS, {"event": "question_failed", "client_id": looked.client_id, "text": looked.text}

    def _answered(self, answered: Answered, it: Happening) -> Iterator[Line]:
        reply = answered.reply
        fields: dict[str, Value] = {
            "event": "accepted", "client_id": answered.client_id, "request": answered.request,
        }  # fmt: skip
        if isinstance(reply, Accepted):
            fields["order_id"] = reply.order_id
        elif isinstance(reply, Refused):
            fields |= {"event": "refused", "refusal": reply.refusal, "text": reply.text or None}
        else:
            fields |= {"event": "unknown", "text": reply.text or None}
        yield Log.ORDERS, fields
        if not isinstance(reply, Accepted) and fields.get("refusal") is not Refusal.POST_ONLY:
            yield Log.ERRORS, fields
        stamps = self._waiting.pop(answered.client_id, None) if answered.request is Request.PLACE else None
        if stamps is not None and reply.written_ns:
            yield Log.PERFORMANCE, _latency(stamps, reply.signed_ns, reply.written_ns, it.at_ns)

    def _not_sent(self, given: NotSent, it: Happening) -> Iterator[Line]:
        if given.request is Request.PLACE:
            self._waiting.pop(given.client_id, None)
        yield (
            Log.ORDERS,
            {"event": "not_sent", "client_id": given.client_id, "request": given.request, "dropped": given.why},
        )

    def _link(self, link: LinkUpdate, it: Happening) -> Iterator[Line]:
        fields: dict[str, Value] = {"event": "link", "account": link.account, "state": link.state}
        if link.text:
            fields["text"] = link.text
        yield Log.ERRORS if link.state is LinkState.LOST else Log.PERFORMANCE, fields

    def _started(self, started: Started, it: Happening) -> Iterator[Line]:
        for held in started.positions:
            yield (
                Log.POSITIONS,
                {
                    "event": "baseline", "account": held.account, "symbol": held.symbol, "qty": held.qty,
                    "entry_price": held.entry_price,
                },
            )  # fmt: skip

    # --- what the desk decided

    def _place(self, placed: PlaceOrder, it: Happening) -> Iterator[Line]:
        order, given = placed.request, it.given
        received_ns, decoded_ns = (given.recv_ns, given.decoded_ns) if isinstance(given, Fill) else (0, 0)
        self._waiting[order.client_id] = _Stamps(placed, received_ns, decoded_ns, it.decided_ns)
        if len(self._waiting) > MOST_UNANSWERED:
            self._waiting.popitem(last=False)
        yield (
            Log.ORDERS,
            {
                "event": "place", "account": order.account, "venue": placed.venue, "symbol": order.symbol,
                "client_id": order.client_id, "round": placed.round, "leg": placed.leg, "attempt": placed.attempt,
                "purpose": placed.purpose, "side": order.side, "qty": order.qty, "price": order.price,
                "type": order.type, "tif": order.tif, "post_only": order.post_only, "reduce_only": order.reduce_only,
                "covers": placed.covers, "latency_us": _us(received_ns, it.decided_ns),
            },
        )  # fmt: skip

    def _cancel(self, cancel: CancelOrder, it: Happening) -> Iterator[Line]:
        yield (
            Log.ORDERS,
            {"event": "cancel", "account": cancel.account, "symbol": cancel.symbol, "client_id": cancel.client_id},
        )

    def _alert(self, alert: Alert, it: Happening) -> Iterator[Line]:
        if alert.level > Level.INFO:
            facts = {key: value for key, value in alert.facts.items() if key not in ("event", "level", "code", "text")}
            yield (
                Log.ERRORS,
                {"event": "alert", "level": alert.level.name.lower(), "code": alert.code, "text": alert.text, **facts},
            )

    def _round_began(self, began: RoundBegan, it: Happening) -> Iterator[Line]:
        self._round_ns, self._first_fill_ns = it.at_ns, 0
        yield Log.PERFORMANCE, {"event": "round_began", "round": began.round, "side": began.side}

    def _round_ended(self, ended: RoundEnded, it: Happening) -> Iterator[Line]:
        yield (
            Log.PERFORMANCE,
            {
                "event": "round_ended", **_fields(ended), "duration_ms": _ms(self._round_ns, it.at_ns),
                "first_fill_ms": _ms(self._round_ns, self._first_fill_ns),
            },
        )  # fmt: skip

    def _finish(self, finish: Finish, it: Happening) -> Iterator[Line]:
        for log in Log:
            yield log, {"event": "finish", "exit_code": finish.exit_code, "text": finish.text}


def _latency(stamps: _Stamps, signed_ns: int, written_ns: int, answered_ns: int) -> dict[str, Value]:
    """The five stamps of an order, and the times between them that people ask for."""
    order = stamps.placed.request
    return {
        "event": "latency", "account": order.account, "client_id": order.client_id,
        "purpose": stamps.placed.purpose, "round": stamps.placed.round,
        "received_ns": stamps.received_ns or None, "decoded_ns": stamps.decoded_ns or None,
        "decided_ns": stamps.decided_ns or None, "signed_ns": signed_ns or None, "written_ns": written_ns,
        "reaction_us": _us(stamps.received_ns, written_ns), "answer_us": _us(written_ns, answered_ns),
    }  # fmt: skip


def _fields(value: Standing | RoundEnded) -> dict[str, Value]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _us(start_ns: int, end_ns: int) -> int | None:
    """Microseconds between two stamps; None where one is missing."""
    return (end_ns - start_ns) // 1_000 if start_ns and end_ns else None


def _ms(start_ns: int, end_ns: int) -> int | None:
    return (end_ns - start_ns) // 1_000_000 if start_ns and end_ns else None
