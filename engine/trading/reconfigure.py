"""New settings and limits for a desk that runs: swapped whole, between two inputs. What is on its way keeps its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace

from engine.chart.model import Flow
from engine.chart.units import parse_literal, shown
from engine.trading.effects import Alert, Level
from engine.trading.inputs import Reconfigured
from engine.trading.plan import Limits, Plan

__all__ = ["changed_plan", "new_settings", "told_changes"]


def new_settings(flow: Flow, values: Mapping[str, object], limits: Limits, *, version: int) -> Reconfigured:
    """The input that gives a desk these validated settings and limits; each value as a config writes it."""
    texts = {name: shown(value, flow.settings[name].type) for name, value in values.items()}
    return Reconfigured(version, texts, limits)


def changed_plan(plan: Plan, given: Reconfigured) -> Plan:
    """The plan from now on. Raises: LiteralError, KeyError for what was not validated against this flow."""
    known = plan.flow.settings
    values = {name: parse_literal(text, known[name].type) for name, text in given.settings.items()}
    return replace(plan, settings={**plan.settings, **values}, limits=given.limits)


def told_changes(before: Plan, after: Plan, version: int) -> Alert:
    """What is other than it was, for the journal and whoever reads along."""
    changes = {}
    for name, setting in before.flow.settings.items():
        if before.settings[name] != after.settings[name]:
            was, now = (shown(plan.settings[name], setting.type) for plan in (before, after))
            changes[name] = f"{was} -> {now}"
    for limit in fields(Limits):
        was, now = (str(getattr(plan.limits, limit.name)) for plan in (before, after))
        if was != now:
            changes[limit.name] = f"{was} -> {now}"
    words = "; ".join(f"{name} {change}" for name, change in changes.items()) or "nothing changes"
    return Alert(Level.INFO, "reconfigured", f"version {version}: {words}", changes)
