"""Limits and guards as a config writes them: key, type, bound and default of each, and their typed values.

A default in `x quantity` is that multiple of the flow's setting `quantity`, so that limits fit any market.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from engine.chart.faults import Faults, name_hint
from engine.chart.model import BPS, COUNT, DURATION, MONEY, PRICE, QTY, RATIO, Node, Scalar, Span, Type
from engine.chart.settings import read_literal
from engine.chart.units import parse_literal, shown
from engine.trading.plan import Guards, Limits

OFF = "none"
TIMES_QUANTITY = " x quantity"


@dataclass(frozen=True, slots=True)
class Field:
    """One key under `limits:` or `guards:`. `into` is the field of plan.py; `optional` ones may be `none`.

    `of_hedges`: it bounds hedging, and so nothing in a flow without. `unhedged`: the default in such a flow.
    """

    key: str
    into: str
    type: Type
    default: str
    optional: bool = False
    above_zero: bool = True
    of_hedges: bool = False
    unhedged: str = ""


LIMIT_FIELDS = (
    Field("max_order", "max_order", QTY, f"5{TIMES_QUANTITY}"),
    Field("max_position", "max_position", QTY, f"20{TIMES_QUANTITY}"),
    Field("max_gross", "max_gross", QTY, f"60{TIMES_QUANTITY}"),
    Field("max_net", "max_net", QTY, f"5{TIMES_QUANTITY}", unhedged=f"20{TIMES_QUANTITY}"),
    Field("unhedged_soft", "unhedged_soft", QTY, f"2{TIMES_QUANTITY}"),
    Field("unhedged_hard", "unhedged_hard", QTY, f"5{TIMES_QUANTITY}", of_hedges=True),
    Field("unhedged_soft_age", "unhedged_soft_age_ns", DURATION, "1s", of_hedges=True),
    Field("unhedged_hard_age", "unhedged_hard_age_ns", DURATION, "5s", of_hedges=True),
    Field("max_loss_run", "max_loss_run", MONEY, OFF, optional=True),
    Field("max_loss_day", "max_loss_day", MONEY, OFF, optional=True),
    Field("min_margin_ratio", "min_margin_ratio", RATIO, "1.5"),
    Field("min_liquidation_distance", "min_liquidation_distance_bps", BPS, "500bps"),
    Field("max_hedge_slippage", "max_hedge_slippage_bps", BPS, "50bps"),
    Field("orders_per_minute", "orders_per_minute", COUNT, "600"),
    Field("margin_buffer", "margin_buffer", RATIO, "1.2", of_hedges=True),
    Field("dust_cap", "dust_cap", MONEY, "50", of_hedges=True),
    Field("max_round_cost", "max_round_cost_bps", BPS, OFF, optional=True, above_zero=False, of_hedges=True),
)
GUARD_FIELDS = (
    Field("max_book_age", "max_book_age_ns", DURATION, "3s"),
    Field("volatility_window", "volatility_window_ns", DURATION, "10s"),
    Field("volatility", "volatility_bps", BPS, "50bps"),
    Field("volatility_calm", "volatility_calm_ns", DURATION, "10s", above_zero=False),
    Field("thin_depth_factor", "thin_depth_factor", RATIO, "1", above_zero=False),
    Field("thin_pause_factor", "thin_pause_factor", COUNT, "3"),
    Field("spread", "spread_bps", BPS, "20bps"),
    Field("spread_normal_quotes", "spread_normal_quotes", COUNT, "3"),
    Field("basis", "basis_bps", BPS, "100bps"),
    Field("pause_above", "pause_above", PRICE, OFF, optional=True),
    Field("pause_below", "pause_below", PRICE, OFF, optional=True),
    Field("stop_above", "stop_above", PRICE, OFF, optional=True),
    Field("stop_below", "stop_below", PRICE, OFF, optional=True),
)


def limit_fields(*, hedged: bool) -> tuple[Field, ...]:
    """The limits that bound something in a flow that hedges, or does not, each with its default there."""
    if hedged:
        return LIMIT_FIELDS
    return tuple(replace(it, default=it.unhedged or it.default) for it in LIMIT_FIELDS if not it.of_hedges)


def read_limits(
    nodes: Mapping[str, Node], faults: Faults, *, quantity: Decimal | None, at: Span, hedged: bool = True
) -> Limits | None:
    """The limits, or None after a report. `quantity` is the flow's, where it has one."""
    known = {it.key: it for it in limit_fields(hedged=hedged)}
    for field in LIMIT_FIELDS:
        if field.key in nodes and field.key not in known:
            faults.report(
                "G725",
                nodes[field.key].span,
                f"{field.key} bounds hedging, but this flow does not hedge",
                f"remove it; what bounds this flow is {', '.join(known)}",
            )
    values = _read(tuple(known.get(it.key, it) for it in LIMIT_FIELDS), nodes, faults, quantity=quantity, at=at)
    return None if values is None else Limits(**values)  # type: ignore[arg-type]


def read_guards(nodes: Mapping[str, Node], faults: Faults, *, at: Span) -> Guards | None:
    """The guards, or None after a report."""
    values = _read(GUARD_FIELDS, nodes, faults, quantity=None, at=at)
    return None if values is None else Guards(**values)  # type: ignore[arg-type]


def _read(
    fields: tuple[Field, ...], nodes: Mapping[str, Node], faults: Faults, *, quantity: Decimal | None, at: Span
) -> dict[str, object] | None:
    before = len(faults.findings)
    values: dict[str, object] = {}
    for field in fields:
        node = nodes.get(field.key)
        if node is not None:
            values[field.into] = _given(field, node, faults)
        elif field.default.endswith(TIMES_QUANTITY) and quantity is None:
            faults.report(
                "G717", at, f"limit {field.key} has no value", f"add `{field.key}:` under limits ({field.type})"
            )
        else:
            values[field.into] = _default(field, quantity)
    return values if len(faults.findings) == before else None


def _default(field: Field, quantity: Decimal | None) -> object | None:
    if field.default == OFF:
        return None
    if field.default.endswith(TIMES_QUANTITY):
        return int(field.default.removesuffix(TIMES_QUANTITY)) * (quantity or Decimal(0))
    return parse_literal(field.default, field.type)


def _given(field: Field, node: Node, faults: Faults) -> object | None:
    if isinstance(node, Scalar) and node.text == OFF:
        if not field.optional:
            optional = [other.key for other in (*LIMIT_FIELDS, *GUARD_FIELDS) if other.optional]
            hint = f"only these may be none: {name_hint('', optional).removeprefix('valid here: ')}"
            faults.report("T405", node.span, f"{field.key} cannot be switched off", hint)
        return None
    value = read_literal(node, field.type, faults, what=field.key)
    if not isinstance(value, int | Decimal):
        return None
    negative = value < 0
    if negative or (field.above_zero and not value):
        expected = "above 0" if field.above_zero else "0 or above"
        faults.report("T405", node.span, f"{field.key} is {shown(value, field.type)}, expected {expected}")
        return None
    return value
