"""Traces and reasons as JSON: decimals and enumerations as text, times in ns of the run's clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum, IntEnum

from engine.chart.journey import Journey
from engine.chart.model import Row
from engine.review.causes import Cause, causes_of, choice_text, standing_text
from engine.review.cover import Pair
from engine.review.facts import Intent, Step
from engine.review.runs import RunHead
from engine.review.trace import RoundTrace, Taken, TracedStep
from engine.review.walk import Insight
from engine.review.why import OrderStory, Reason

__all__ = ["journey_record", "order_record", "plain", "round_record", "run_record"]


def plain(value: object) -> object:
    """A value as JSON has it, dataclasses as objects."""
    match value:
        case Decimal():
            return f"{value:f}"
        case IntEnum():
            return value.name.lower()
        case Enum():
            return value.value
        case Mapping():
            return {str(key): plain(part) for key, part in value.items()}
        case tuple() | list():
            return [plain(part) for part in value]
        case _ if is_dataclass(value):
            return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        case _:
            return value


def run_record(run: RunHead) -> object:
    return plain(run)


def round_record(trace: RoundTrace) -> dict[str, object]:
    return {
        **_fields(trace.round),
        "until_ns": trace.until_ns,
        "largest_exposure": plain(trace.largest),
        "longest_open_ns": trace.longest_ns,
        "journey": journey_record(trace.journey),
        "steps": [_step(trace, traced) for traced in trace.steps],
        "orders": {
            client_id: {**_fields(order), "sends": plain(list(trace.sends.get(client_id, ())))}
            for client_id, order in trace.orders.items()
        },
        "late_fills": plain(trace.late),
        "gap": trace.gap,
    }


def journey_record(journey: Journey) -> dict[str, object]:
    names = ("source", "event", "target", "count")
    return {
        "edges": [dict(zip(names, edge, strict=True)) for edge in journey.edges],
        "states": {name: {"visits": visits, "spent_ns": spent} for name, (visits, spent) in journey.states.items()},
    }


def _step(trace: RoundTrace, traced: TracedStep) -> dict[str, object]:
    step, insight = traced.step, traced.insight
    causes: Sequence[Cause | None] = [None] * len(traced.intents)
    if insight is not None:
        causes = causes_of(traced.intents, insight)
    return {
        "seq": step.seq,
        "at_ns": step.at_ns,
        "since_ns": step.at_ns - trace.round.began_ns,
        "given": None if step.given is None else {"input": step.kind, **_fields(step.given)},
        "moves": [_move(taken) for taken in traced.taken],
        "requests": [_request(it, cause, insight) for it, cause in zip(traced.intents, causes, strict=True)],
        "fills": plain(traced.fills),
        "closed": [_pair(pair) for pair in traced.closed],
        "alerts": plain(step.alerts),
        "quotes": plain(step.quotes),
        "draws": list(step.draws),
        "net": plain(traced.exposure.net),
        "was_open_ns": traced.exposure.open_ns,
        "cash": plain(traced.cash),
        "fees": plain(traced.fees),
    }


def _move(taken: Taken) -> dict[str, object]:
    told: dict[str, object] = {"event": taken.event, "source": taken.source, "target": taken.target}
    return told if taken.move is None else {**told, **row_record(taken.move.row)}


def row_record(row: Row) -> dict[str, object]:
    return {"line": row.span.line, "when": None if row.when is None else row.when.source, "because": row.because}


def _request(intent: Intent, cause: Cause | None, insight: Insight | None) -> dict[str, object]:
    return {**_fields(intent), "cause": None if cause is None or insight is None else cause_record(cause, insight)}


def cause_record(cause: Cause, insight: Insight) -> dict[str, object]:
    if cause.deed is not None:
        line = None if cause.deed.action is None else cause.deed.action.span.line
        return {"verb": cause.deed.verb, "arguments": plain(cause.deed.arguments), "line": line}
    if cause.choice is None:
        return {"rule": standing_text(insight)}
    return {"rule": "hedging", **_fields(cause.choice), "text": choice_text(cause.choice)}


def _pair(pair: Pair) -> dict[str, object]:
    return {
        "opened_by": {"client_id": pair.opened.client_id, "trade_id": pair.opened.trade_id, "seq": pair.opened.seq},
        "closed_by": {"client_id": pair.closed.client_id, "trade_id": pair.closed.trade_id, "seq": pair.closed.seq},
        "qty": plain(pair.qty),
        "open_ns": pair.open_ns,
    }


def order_record(story: OrderStory) -> dict[str, object]:
    return {
        "run": plain(story.run),
        "also_in": list(story.also_in),
        "order": None if story.order is None else plain(story.order),
        "placed": _reason(story.placed),
        "cancels": [_reason(reason) for reason in story.cancels],
        "sends": plain(story.sends),
        "life": [_news(step) for step in story.life],
        "closed": [_pair(pair) for pair in story.closed],
        "closed_by": [_pair(pair) for pair in story.closed_by],
        "gap": story.gap,
    }


def _reason(reason: Reason) -> dict[str, object]:
    told: dict[str, object] = {"request": plain(reason.request)}
    if reason.step is not None:
        told["given"] = {"input": reason.step.kind, **_fields(reason.step.given)}
    insight = reason.insight
    if insight is not None and reason.cause is not None:
        told["state"] = insight.leaf
        told["moves"] = [
            {"event": move.event, "source": move.source, "target": move.target, **row_record(move.row)}
            for move in insight.moves
        ]
        told["cause"] = cause_record(reason.cause, insight)
    return told


def _news(step: Step) -> dict[str, object]:
    given = {} if step.given is None else _fields(step.given)
    return {"seq": step.seq, "at_ns": step.at_ns, "given": {"input": step.kind, **given}, "fills": plain(step.fills)}


def _fields(value: object) -> dict[str, object]:
    record = plain(value)
    assert isinstance(record, dict)
    return record
