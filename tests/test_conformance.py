"""The semantics of the chart, one small chart and script per rule, each run by both deciders.

A script step names what happens (start, settle, send, fire, reply, place, set) and all that must follow: the leaf,
every effect, whether it was handled; `stale` and `fails` where nothing may follow. Unnamed means none.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from chart_kit import DECIDERS, Decides, Facts, chart_of, flow_of

from engine.chart.machine import Chart, StepFailed
from engine.chart.model import CancelTimer, Outcome, StartTimer

FOLDER = Path(__file__).parent / "conformance"
RULES = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.yaml"))}


def test_there_are_rules() -> None:
    assert len(RULES) >= 60


@pytest.mark.parametrize("decider", DECIDERS)
@pytest.mark.parametrize("rule", RULES, ids=[name.replace("_", " ") for name in RULES])
def test_rule(rule: str, decider: Decides) -> None:
    given = RULES[rule]
    chart, facts = chart_of(flow_of(given["chart"]), decider, given.get("draws", ()))
    expected, got = [], []
    for step in given["script"]:
        before = chart.snapshot()
        expected.append(wanted(step))
        got.append({**named(step), **happened(chart, facts, step)})
        if step.get("fails") or step.get("stale"):
            assert chart.snapshot() == before
    assert got == expected


ACTIONS = ("start", "settle", "send", "fire", "reply", "place", "set")
CONTEXT = "context"


def named(step: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in step.items() if key in ACTIONS}


def wanted(step: dict[str, Any]) -> dict[str, Any]:
    """A step with what it leaves unsaid."""
    if "set" in step or "place" in step:
        return named(step)
    if "fails" in step or "stale" in step:
        keys = ("fails", "stale", "at")
        return {**named(step), **{key: step[key] for key in keys if key in step}}
    unsaid: dict[str, Any] = {"effects": [], "handled": True, "deferred": False}
    told = {key: step[key] for key in ("at", "effects", "handled", "deferred", CONTEXT, "done") if key in step}
    return {**named(step), **unsaid, **told}


def happened(chart: Chart, facts: Facts, step: dict[str, Any]) -> dict[str, Any]:
    if "set" in step:
        vars(facts).update(step["set"])
        return {}
    if "place" in step:
        chart.place(step["place"])
        return {}
    try:
        outcome = act(chart, step)
    except StepFailed as failed:
        return {"fails": f"{failed.span.line}: {type(failed.cause).__name__}", "at": chart.leaf}
    if outcome is None:
        return {"stale": True, "at": chart.leaf}
    found = {
        "at": chart.leaf,
        "effects": [shown(effect) for effect in outcome.effects],
        "handled": outcome.handled,
        "deferred": outcome.deferred,
    }
    if CONTEXT in step:
        found[CONTEXT] = dict(zip(chart.flow.context, chart.snapshot().context, strict=True))
    if "done" in step:
        found["done"] = chart.done
    return found


def act(chart: Chart, step: dict[str, Any]) -> Outcome | None:
    payload = SimpleNamespace(**step["with"]) if "with" in step else None
    if "start" in step:
        return chart.start()
    if "settle" in step:
        return chart.settle()
    if "fire" in step:
        event, _, epoch = step["fire"].partition(" #")
        return chart.timer(event, int(epoch))
    if "reply" in step:
        return chart.reply(step["reply"], step["ok"], payload)
    return chart.dispatch(step["send"], payload)


def shown(effect: object) -> str:
    match effect:
        case StartTimer(event, epoch, low, high):
            span = f"{low // 1_000_000}" if low == high else f"{low // 1_000_000}..{high // 1_000_000}"
            return f"start {event} #{epoch} {span}ms"
        case CancelTimer(event, epoch):
            return f"cancel {event} #{epoch}"
        case _:
            return str(effect)
