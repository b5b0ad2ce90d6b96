"""Inputs and effects as compact JSON text and back, exactly: `decode(encode(x)) == x`.

A value is a JSON array of its fields in the order of its class; decimals are their text, enumerations their value.
Written by hand per class because it runs for every input and effect of a run (see bench/journal.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from decimal import Decimal
from hashlib import blake2b
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from engine.runtime.secrets import redacted
from engine.trading.effects import (
    Alert,
    ArmTimer,
    AskOrder,
    AskPositions,
    CancelOrder,
    DisarmTimer,
    Effect,
    Finish,
    Level,
    Moved,
    PlaceOrder,
    Purpose,
    RoundBegan,
    RoundEnded,
    Urgency,
)
from engine.trading.inputs import (
    Answered,
    Carried,
    ClockJumped,
    Counted,
    Day,
    Held,
    Input,
    LeftLot,
    LeftOut,
    Looked,
    MarketSeen,
    NotSent,
    PauseAsked,
    Recalled,
    Reconfigured,
    Relisted,
    Request,
    SourceChecked,
    Started,
    StopAsked,
    TimerFired,
)
from engine.trading.plan import Limits
from exchanges.types import (
    Accepted,
    Fill,
    FillKind,
    LinkState,
    LinkUpdate,
    Liquidity,
    Margin,
    OrderRequest,
    OrderState,
    OrderType,
    OrderUpdate,
    Position,
    Refusal,
    Refused,
    Reply,
    SelfTrade,
    Side,
    TimeInForce,
    Unknown,
)

__all__ = ["decode_effect", "decode_input", "effects_digest", "encode_effect", "encode_input"]

# By their values: a replay reads thousands, and a call of the class costs ten look-ups. `_value_` below is `value`
# without the descriptor that Python 3.11 runs for it.
_SIDES = {it.value: it for it in Side}
_STATES = {it.value: it for it in OrderState}
_LIQUIDITIES = {it.value: it for it in Liquidity}
_KINDS = {it.value: it for it in FillKind}
_REQUESTS = {it.value: it for it in Request}
_DECODER = json.JSONDecoder()


def encode_input(given: Input) -> tuple[str, str]:
    """The kind of an input and its fields."""
    kind, encode = _INPUTS[type(given)]
    return kind, encode(given)


def decode_input(kind: str, body: str) -> Input:
    """Raises: KeyError for a kind that this version does not know, ValueError or TypeError for a damaged body."""
    fields, end = _DECODER.raw_decode(body)
    if end != len(body):
        raise ValueError("more than one value")
    given: Input = _INPUT_DECODERS[kind](fields)
    return given


def encode_effect(effect: Effect) -> str:
    """An array whose first element is the kind of the effect."""
    return _EFFECTS[type(effect)](effect)


def decode_effect(text: str) -> Effect:
    """Raises as `decode_input`."""
    kind, *fields = json.loads(text)
    effect: Effect = _EFFECT_DECODERS[kind](fields)
    return effect


def effects_digest(effects: Sequence[Effect]) -> str:
    """What replay compares: equal for equal effects in equal order; empty for none."""
    if not effects:
        return ""
    text = "\n".join([_EFFECTS[type(effect)](effect) for effect in effects])
    return blake2b(text.encode(), digest_size=8).hexdigest()


# --- parts


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _maybe(value: Decimal | None) -> str:
    return "null" if value is None else f'"{value!s}"'


def _told(text: str) -> str:
    """Words of a venue or about one; what a venue repeats of our keys does not get into the journal."""
    return quoted(redacted(text)) if text else '""'


def _maybe_text(value: str | None) -> str:
    return "null" if value is None else quoted(value)


def _decimal_or_none(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _position(value: Position) -> str:
    return (
        f'[{quoted(value.account)},{quoted(value.symbol)},"{value.qty!s}","{value.entry_price!s}",'
        f"{_maybe(value.liquidation_price)},{_maybe(value.mark_price)}]"
    )


def _read_position(fields: list[Any]) -> Position:
    account, symbol, qty, entry, liquidation, mark = fields
    return Position(
        account, symbol, Decimal(qty), Decimal(entry), _decimal_or_none(liquidation), _decimal_or_none(mark)
    )


def _positions(values: Sequence[Position]) -> str:
    return f"[{','.join(map(_position, values))}]"


def _margin(value: Margin) -> str:
    return f'[{quoted(value.account)},"{value.equity!s}","{value.free!s}","{value.maintenance!s}"]'


def _read_margin(fields: list[Any]) -> Margin:
    account, equity, free, maintenance = fields
    return Margin(account, Decimal(equity), Decimal(free), Decimal(maintenance))


def _margins(values: Sequence[Margin]) -> str:
    return f"[{','.join(map(_margin, values))}]"


def _reply(value: Reply) -> str:
    stamps = f"{value.signed_ns},{value.written_ns}"
    if isinstance(value, Accepted):
        return f'["accepted",{stamps},{quoted(value.order_id)}]'
    if isinstance(value, Refused):
        return f'["refused",{stamps},"{value.refusal._value_}",{_told(value.text)}]'
    dead = f",{value.dead_ns}" if value.dead_ns else ""
    return f'["unknown",{stamps},{_told(value.text)}{dead}]'


def _read_reply(fields: list[Any]) -> Reply:
    kind, signed_ns, written_ns, *rest = fields
    if kind == "accepted":
        return Accepted(rest[0], signed_ns, written_ns)
    if kind == "refused":
        return Refused(Refusal(rest[0]), rest[1], signed_ns, written_ns)
    if kind == "unknown":
        return Unknown(rest[0], signed_ns, written_ns, *rest[1:])
    raise ValueError(f"no reply is called {kind!r}")


# --- inputs


def _started(value: Started) -> str:
    day = "" if value.day is None else f',["{value.day.pnl!s}",{value.day.ends_ns}]'
    return f"[{_positions(value.positions)},{_margins(value.margins)}{day}]"


def _read_started(fields: list[Any]) -> Started:
    positions, margins, *days = fields
    day = next((Day(Decimal(pnl), ends_ns) for pnl, ends_ns in days), None)
    return Started(tuple(map(_read_position, positions)), tuple(map(_read_margin, margins)), day)


def _carried(value: Carried) -> str:
    held = ",".join(f'[{quoted(it.account)},"{it.baseline!s}","{it.ours!s}"]' for it in value.held)
    orders = ",".join(map(_recalled, value.orders))
    lots = ",".join(
        f'["{it.qty!s}","{it.price!s}",{it.age_ms},{quoted(it.order_id)},{quoted(it.trade_id)}]' for it in value.lots
    )
    untold = ",".join(map(str, value.untold))
    return f"[{value.run},{value.since_ms},[{held}],[{orders}],[{lots}],[{untold}]]"


def _read_carried(fields: list[Any]) -> Carried:
    run, since_ms, held, orders, *later = fields  # a journal of an earlier release has no lots, or no untold runs
    lots, untold = [*later, (), ()][:2]
    return Carried(
        run,
        since_ms,
        tuple(Held(account, Decimal(baseline), Decimal(ours)) for account, baseline, ours in held),
        tuple(map(_read_recalled, orders)),
        tuple(LeftLot(Decimal(qty), Decimal(price), *rest) for qty, price, *rest in lots),
        tuple(untold),
    )


def _order(value: OrderUpdate) -> str:
    refusal = "null" if value.refusal is None else f'"{value.refusal._value_}"'
    return (
        f"[{quoted(value.account)},{quoted(value.symbol)},{quoted(value.client_id)},{quoted(value.order_id)},"
        f'"{value.side._value_}","{value.qty!s}","{value.state._value_}","{value.cum_qty!s}",{_maybe(value.price)},'
        f"{value.at_ms},{value.recv_ns},{refusal},{_told(value.text)},{_flag(value.reduce_only)}]"
    )


def _read_order(fields: list[Any]) -> OrderUpdate:
    account, symbol, client, order, side, qty, state, cum, price, at_ms, recv_ns, refusal, text, reduce_only = fields
    return OrderUpdate(
        account=account, symbol=symbol, client_id=client, order_id=order, side=_SIDES[side], qty=Decimal(qty),
        state=_STATES[state], cum_qty=Decimal(cum), price=_decimal_or_none(price), at_ms=at_ms, recv_ns=recv_ns,
        refusal=None if refusal is None else Refusal(refusal), text=text, reduce_only=reduce_only,
    )  # fmt: skip


def _fill(value: Fill) -> str:
    return (
        f"[{quoted(value.venue)},{quoted(value.account)},{quoted(value.symbol)},{quoted(value.client_id)},"
        f'{quoted(value.order_id)},{quoted(value.trade_id)},"{value.side._value_}","{value.qty!s}","{value.price!s}",'
        f'"{value.fee!s}",{quoted(value.fee_asset)},"{value.liquidity._value_}",{value.at_ms},{value.recv_ns},'
        f'"{value.kind._value_}",{value.decoded_ns}{",true" if value.more else ""}]'
    )


def _read_fill(fields: list[Any]) -> Fill:
    (
        venue, account, symbol, client, order, trade, side, qty, price, fee, asset, liquidity, at_ms, recv_ns, kind,
        decoded_ns, *more,
    ) = fields  # fmt: skip
    return Fill(
        venue=venue, account=account, symbol=symbol, client_id=client, order_id=order, trade_id=trade,
        side=_SIDES[side], qty=Decimal(qty), price=Decimal(price), fee=Decimal(fee), fee_asset=asset,
        liquidity=_LIQUIDITIES[liquidity], at_ms=at_ms, recv_ns=recv_ns, kind=_KINDS[kind], decoded_ns=decoded_ns,
        more=bool(more),
    )  # fmt: skip


def _link(value: LinkUpdate) -> str:
    return f'[{quoted(value.account)},"{value.state._value_}",{value.at_ns},{_told(value.text)}]'


def _read_link(fields: list[Any]) -> LinkUpdate:
    account, state, at_ns, text = fields
    return LinkUpdate(account, LinkState(state), at_ns, text)


def _answered(value: Answered) -> str:
    return f'[{quoted(value.client_id)},"{value.request._value_}",{_reply(value.reply)}]'


def _read_answered(fields: list[Any]) -> Answered:
    client_id, request, reply = fields
    return Answered(client_id, _REQUESTS[request], _read_reply(reply))


def _not_sent(value: NotSent) -> str:
    return f'[{quoted(value.client_id)},"{value.request._value_}",{quoted(value.why)}]'


def _read_not_sent(fields: list[Any]) -> NotSent:
    client_id, request, why = fields
    return NotSent(client_id, Request(request), why)


def _looked(value: Looked) -> str:
    update = "null" if value.update is None else _order(value.update)
    return f"[{quoted(value.client_id)},{value.token},{_flag(value.ok)},{update},{_told(value.text)}]"


def _read_looked(fields: list[Any]) -> Looked:
    client_id, token, ok, update, text = fields
    return Looked(client_id, token, ok, None if update is None else _read_order(update), text)


def _counted(value: Counted) -> str:
    return (
        f"[{value.token},{_flag(value.ok)},{_flag(value.quiet)},{_positions(value.positions)},"
        f"{_margins(value.margins)},{_told(value.text)}]"
    )


def _read_counted(fields: list[Any]) -> Counted:
    token, ok, quiet, positions, margins, text = fields
    return Counted(token, ok, quiet, tuple(map(_read_position, positions)), tuple(map(_read_margin, margins)), text)


def _timer(value: TimerFired) -> str:
    return f"[{quoted(value.owner)},{quoted(value.name)},{value.epoch}]"


def _market(value: MarketSeen) -> str:
    return f"[{_flag(value.open)},{quoted(value.reason)},{_told(value.text)},{value.pause_factor}]"


def _read_market(fields: list[Any]) -> MarketSeen:
    is_open, reason, text, pause_factor = fields
    return MarketSeen(open=is_open, reason=reason, text=text, pause_factor=pause_factor)


def _stop(value: StopAsked) -> str:
    return f"[{value.level}]"


def _pause(value: PauseAsked) -> str:
    return f"[{_flag(value.paused)}]"


def _reconfigured(value: Reconfigured) -> str:
    limits = [value if value is None or type(value) is int else str(value) for value in _limit_values(value.limits)]
    return json.dumps([value.version, dict(value.settings), limits], separators=(",", ":"))


def _limit_values(limits: Limits) -> list[Decimal | int | None]:
    return [getattr(limits, it.name) for it in fields(Limits)]


def _read_reconfigured(given: list[Any]) -> Reconfigured:
    version, settings, limits = given
    values: list[Any] = [Decimal(value) if isinstance(value, str) else value for value in limits]
    return Reconfigured(version, settings, Limits(*values))


def _clock_jumped(value: ClockJumped) -> str:
    return f"[{value.gap_ns}]"


def _recalled(value: Recalled) -> str:
    trades = ",".join(map(quoted, value.trades))
    return (
        f"[{quoted(value.client_id)},{quoted(value.account)},{quoted(value.venue)},{quoted(value.symbol)},"
        f'"{value.side._value_}","{value.qty!s}",{_maybe(value.price)},{quoted(value.purpose)},{quoted(value.leg)},'
        f'{value.round},{quoted(value.order_id)},"{value.state._value_}","{value.filled!s}","{value.provisional!s}",'
        f"[{trades}],{value.dead_in_ns}]"
    )


def _read_recalled(fields: list[Any]) -> Recalled:
    client_id, account, venue, symbol, side, qty, price, purpose, leg, number, order_id, state = fields[:12]
    filled, more, trades, dead_in_ns = fields[12:]
    return Recalled(
        client_id=client_id, account=account, venue=venue, symbol=symbol, side=Side(side), qty=Decimal(qty),
        price=_decimal_or_none(price), purpose=purpose, leg=leg, round=number, order_id=order_id,
        state=OrderState(state), filled=Decimal(filled), provisional=Decimal(more), trades=tuple(trades),
        dead_in_ns=dead_in_ns,
    )  # fmt: skip


def _left_out(value: LeftOut) -> str:
    fill = "null" if value.fill is None else _fill(value.fill)
    return f"[{quoted(value.account)},{quoted(value.why)},{_told(value.text)},{_flag(value.alarm)},{fill}]"


def _read_left_out(fields: list[Any]) -> LeftOut:
    account, why, text, alarm, fill = fields
    return LeftOut(account, why, text, alarm, None if fill is None else _read_fill(fill))


def _relisted(value: Relisted) -> str:
    steps = (value.tick, value.lot, value.min_qty, value.min_notional)
    return f"[{quoted(value.account)},{','.join(quoted(str(step)) for step in steps)}]"


def _source_checked(value: SourceChecked) -> str:
    return f"[{quoted(value.account)},{quoted(value.address)},{value.since_ms},{value.compared_ms}]"


_INPUTS: dict[type, tuple[str, Callable[[Any], str]]] = {
    Carried: ("carried", _carried),
    Started: ("started", _started),
    OrderUpdate: ("order", _order),
    Fill: ("fill", _fill),
    LinkUpdate: ("link", _link),
    Margin: ("margin", _margin),
    Answered: ("answered", _answered),
    NotSent: ("not_sent", _not_sent),
    Looked: ("looked", _looked),
    Counted: ("counted", _counted),
    TimerFired: ("timer", _timer),
    MarketSeen: ("market", _market),
    StopAsked: ("stop", _stop),
    PauseAsked: ("pause", _pause),
    ClockJumped: ("clock_jumped", _clock_jumped),
    Reconfigured: ("reconfigured", _reconfigured),
    Recalled: ("recalled", _recalled),
    LeftOut: ("left_out", _left_out),
    Relisted: ("relisted", _relisted),
    SourceChecked: ("source_checked", _source_checked),
}

_INPUT_DECODERS: dict[str, Callable[[list[Any]], Any]] = {
    "started": _read_started,
    "order": _read_order,
    "fill": _read_fill,
    "link": _read_link,
    "margin": _read_margin,
    "answered": _read_answered,
    "not_sent": _read_not_sent,
    "looked": _read_looked,
    "counted": _read_counted,
    "timer": lambda fields: TimerFired(*fields),
    "relisted": lambda fields: Relisted(fields[0], *map(Decimal, fields[1:])),
    "market": _read_market,
    "stop": lambda fields: StopAsked(*fields),
    "pause": lambda fields: PauseAsked(*fields),
    "reconfigured": _read_reconfigured,
    "clock_jumped": lambda fields: ClockJumped(*fields),
    "carried": _read_carried,
    "recalled": _read_recalled,
    "left_out": _read_left_out,
    "source_checked": lambda fields: SourceChecked(*fields),
}


# --- effects


def _place(value: PlaceOrder) -> str:
    request = value.request
    return (
        f'["place",{quoted(request.client_id)},{quoted(request.account)},{quoted(request.symbol)},'
        f'"{request.side._value_}","{request.qty!s}",{_maybe(request.price)},"{request.type._value_}",'
        f'"{request.tif._value_}",{_flag(request.post_only)},{_flag(request.reduce_only)},{request.valid_ms},'
        f'"{request.self_trade._value_}",{_maybe(request.worst_price)},'
        f'{quoted(value.venue)},{value.urgency:d},"{value.purpose._value_}",{quoted(value.leg)},{value.round},'
        f'{value.attempt},"{value.covers!s}",{value.epoch},{value.not_after_ns}]'
    )


def _read_place(fields: list[Any]) -> PlaceOrder:
    client, account, symbol, side, qty, price, kind, tif, post_only, reduce_only, valid_ms, match, worst = fields[:13]
    venue, urgency, purpose, leg, round_number, attempt, covers, epoch, not_after_ns = fields[13:]
    return PlaceOrder(
        request=OrderRequest(
            client_id=client, account=account, symbol=symbol, side=Side(side), qty=Decimal(qty),
            price=_decimal_or_none(price), type=OrderType(kind), tif=TimeInForce(tif), post_only=post_only,
            reduce_only=reduce_only, valid_ms=valid_ms, self_trade=SelfTrade(match),
            worst_price=_decimal_or_none(worst),
        ),
        venue=venue, urgency=Urgency(urgency), purpose=Purpose(purpose), leg=leg, round=round_number,
        attempt=attempt, covers=Decimal(covers), epoch=epoch, not_after_ns=not_after_ns,
    )  # fmt: skip


def _cancel(value: CancelOrder) -> str:
    return f'["cancel",{quoted(value.account)},{quoted(value.symbol)},{quoted(value.client_id)},{value.not_after_ns}]'


def _ask_order(value: AskOrder) -> str:
    return f'["ask_order",{quoted(value.account)},{quoted(value.symbol)},{quoted(value.client_id)},{value.token}]'


def _ask_positions(value: AskPositions) -> str:
    return f'["ask_positions",[{",".join(map(quoted, value.accounts))}],{value.token}]'


def _arm(value: ArmTimer) -> str:
    return f'["arm",{quoted(value.owner)},{quoted(value.name)},{value.epoch},{value.at_ns}]'


def _disarm(value: DisarmTimer) -> str:
    return f'["disarm",{quoted(value.owner)},{quoted(value.name)},{value.epoch}]'


def _moved(value: Moved) -> str:
    return f'["moved",{quoted(value.event)},{quoted(value.source)},{_maybe_text(value.target)},{value.round}]'


def _round_began(value: RoundBegan) -> str:
    return f'["round_began",{value.round},{quoted(value.side)},{_maybe(value.expected_bps)}]'


def _round_ended(value: RoundEnded) -> str:
    return (
        f'["round_ended",{value.round},"{value.opened!s}","{value.closed!s}","{value.residue!s}",'
        f'"{value.volume!s}","{value.fees!s}","{value.cash!s}"]'
    )


def _alert(value: Alert) -> str:
    facts = ",".join([f"{quoted(key)}:{_told(fact)}" for key, fact in value.facts.items()])
    return f'["alert",{value.level:d},{quoted(value.code)},{_told(value.text)},{{{facts}}}]'


def _finish(value: Finish) -> str:
    return f'["finish",{value.exit_code},{_told(value.text)}{",true" if value.left_open else ""}]'


_EFFECTS: dict[type, Callable[[Any], str]] = {
    PlaceOrder: _place,
    CancelOrder: _cancel,
    AskOrder: _ask_order,
    AskPositions: _ask_positions,
    ArmTimer: _arm,
    DisarmTimer: _disarm,
    Moved: _moved,
    RoundBegan: _round_began,
    RoundEnded: _round_ended,
    Alert: _alert,
    Finish: _finish,
}

_EFFECT_DECODERS: dict[str, Callable[[list[Any]], Any]] = {
    "place": _read_place,
    "cancel": lambda fields: CancelOrder(*fields),
    "ask_order": lambda fields: AskOrder(*fields),
    "ask_positions": lambda fields: AskPositions(tuple(fields[0]), fields[1]),
    "arm": lambda fields: ArmTimer(*fields),
    "disarm": lambda fields: DisarmTimer(*fields),
    "moved": lambda fields: Moved(*fields),
    "round_began": lambda fields: RoundBegan(fields[0], fields[1], _decimal_or_none(fields[2])),
    "round_ended": lambda fields: RoundEnded(fields[0], *map(Decimal, fields[1:])),
    "alert": lambda fields: Alert(Level(fields[0]), *fields[1:]),
    "finish": lambda fields: Finish(*fields),
}
