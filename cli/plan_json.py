"""A run's plan and settings as JSON and back, so that a journal alone is enough to build the desk again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from engine.chart.model import BOOL, COUNT, DURATION, DURATION_RANGE, TEXT, TICKS, Flow, Type
from engine.trading.plan import Plan

_NOT_STORED = ("flow", "settings")  # the flow's text and the settings have columns of their own


def encode_plan(plan: Plan) -> str:
    """With `hedged` and `heard`, which the flow says: for those who read a journal without reading its flow."""
    parts = {field.name: _encoded(getattr(plan, field.name)) for field in fields(plan) if field.name not in _NOT_STORED}
    return json.dumps({**parts, "hedged": plan.hedged, "heard": sorted(plan.heard)})


def encode_settings(settings: Mapping[str, object]) -> str:
    return json.dumps(_encoded(settings))


def decode_plan(plan: str, settings: str, *, flow: Flow) -> Plan:
    """Raises: KeyError, ValueError, TypeError, ArithmeticError for a text that is not of this program."""
    hints = _hints(Plan)
    stored = json.loads(plan)
    parts = {name: _decoded(hints[name], stored[name]) for name in hints if name not in _NOT_STORED}
    values = {name: _typed(flow.settings[name].type, raw) for name, raw in json.loads(settings).items()}
    return Plan(flow=flow, settings=values, **parts)


def _encoded(value: object) -> object:
    match value:
        case Enum():
            return value.value
        case Decimal():
            return str(value)
        case Mapping():
            return {str(key): _encoded(part) for key, part in value.items()}
        case frozenset():
            return sorted(str(_encoded(part)) for part in value)
        case tuple():
            return [_encoded(part) for part in value]
        case _ if is_dataclass(value):
            return {field.name: _encoded(getattr(value, field.name)) for field in fields(value)}
        case _:
            return value


def _decoded(kind: Any, raw: Any) -> Any:
    """`raw` as the annotation `kind` says."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        (kind,) = (part for part in parts if part is not type(None))
        return None if raw is None else _decoded(kind, raw)
    if origin is tuple:
        return tuple(_decoded(parts[0], part) for part in raw)
    if origin is frozenset:
        return frozenset(_decoded(parts[0], part) for part in raw)
    if origin is not None:
        return {key: _decoded(parts[1], part) for key, part in raw.items()}
    if is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        # What a journal of before does not tell is as it was then: a field without a default is missed all the same.
        return kind(**{name: _decoded(hint, raw[name]) for name, hint in hints.items() if name in raw})
    return raw if kind in (str, int, bool) else kind(raw)


@cache
def _hints(kind: type) -> dict[str, Any]:
    """What a class says of its fields, worked out once: each look compiles a hundred annotations."""
    return get_type_hints(kind)


def _typed(kind: Type, raw: Any) -> object:
    """A setting's value by its declared type."""
    if kind == DURATION_RANGE:
        return tuple(raw)
    plain = kind.members or kind in (BOOL, COUNT, DURATION, TEXT, TICKS)
    return raw if plain else Decimal(raw)
