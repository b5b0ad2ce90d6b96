"""Findings about what is declared and never used, and about final states that want to do something."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from engine.chart.found import found
from engine.chart.model import Action, Expression, Finding, Flow, Listing, Mapped, Node, Scalar, StateSpec
from engine.chart.reach import actions_of, rows_of
from engine.chart.yaml_nodes import read_nodes

__all__ = ["check_names"]

CONTEXT_NAME = re.compile(r"\bcontext\.\w+")


def check_names(flow: Flow) -> Iterator[Finding]:
    yield from _unused_settings(flow)
    yield from _unused_counters(flow)
    yield from _unraised_events(flow)
    for state in flow.states.values():
        if state.final:
            yield from _final(state)


def _unused_settings(flow: Flow) -> Iterator[Finding]:
    used = set(_read(flow)) | {f"settings.{name}" for name in _settings_of_timers(flow)}
    for section in flow.sections.values():
        used |= {f"settings.{name}" for name in section.settings_used}
    for setting in flow.settings.values():
        if f"settings.{setting.name}" not in used:
            yield found("C512", setting.span, f'setting "{setting.name}" is never used', "use it, or remove it")


def _unused_counters(flow: Flow) -> Iterator[Finding]:
    read = set(_read(flow)) | _read_by_sections(flow)
    for counter in flow.context.values():
        if f"context.{counter.name}" not in read:
            yield found(
                "C514",
                counter.span,
                f'context "{counter.name}" is never read',
                f"read `context.{counter.name}` in a guard, a parameter or a property, or remove it",
            )


def _unraised_events(flow: Flow) -> Iterator[Finding]:
    raised = {str(value) for action in _actions(flow) if action.verb == "raise" for value in action.arguments.values()}
    if raised.issuperset(flow.raised):
        return
    top = read_nodes(flow.text, file=flow.file)
    declared = top.entries.get("events") if isinstance(top, Mapped) else None
    for event in flow.raised:
        if event not in raised:
            yield found(
                "C513",
                declared.keys[event].span if isinstance(declared, Mapped) else flow.states[""].span,
                f'event "{event}" is declared and never raised',
                f"raise it with `{{raise: {event}}}`, or remove it",
            )


def _final(state: StateSpec) -> Iterator[Finding]:
    has = {
        "rows": tuple(rows_of(state)),
        "`ignore`": state.ignored,
        "`defer`": state.deferred,
        "exit actions": state.exit,
    }
    extra = " and ".join(name for name, there in has.items() if there)
    if extra:
        yield found(
            "C511",
            state.span,
            f'"{state.name}" is final, so its {extra} can never matter',
            "remove them, or remove `final: true`",
        )


def _read(flow: Flow) -> Iterator[str]:
    """Every dotted name that an expression of the chart reads."""
    for expression in _expressions(flow):
        yield from expression.names


def _read_by_sections(flow: Flow) -> set[str]:
    """Context names in the text of the domain's sections, whose compiled values the chart does not know."""
    top = read_nodes(flow.text, file=flow.file)
    parts = [top.entries.get(section) for section in flow.vocabulary.sections] if isinstance(top, Mapped) else []
    return {name for part in parts if part for text in _texts(part) for name in CONTEXT_NAME.findall(text)}


def _texts(node: Node) -> Iterator[str]:
    match node:
        case Scalar():
            yield node.text
        case Listing():
            for item in node.items:
                yield from _texts(item)
        case Mapped():
            for entry in node.entries.values():
                yield from _texts(entry)


def _expressions(flow: Flow) -> Iterator[Expression]:
    for state in flow.states.values():
        yield from (row.when for row in rows_of(state) if row.when is not None)
        yield from (delay.computed for delay in state.delays if delay.computed is not None)
    for action in _actions(flow):
        yield from (value for value in action.arguments.values() if isinstance(value, Expression))
    for rule in chain(flow.invariants, flow.properties):
        yield from rule.expressions.values()


def _actions(flow: Flow) -> Iterator[Action]:
    for state in flow.states.values():
        yield from actions_of(state)


def _settings_of_timers(flow: Flow) -> Iterator[str]:
    for state in flow.states.values():
        yield from (delay.setting for delay in state.delays if delay.setting is not None)
        if state.invoke is not None:
            times = (state.invoke.timeout, state.invoke.retries, state.invoke.retry_wait)
            yield from (name for name in times if isinstance(name, str))
