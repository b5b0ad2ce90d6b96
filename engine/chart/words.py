"""How a picture says what a state does: clauses of occasion, condition, effect and target, and lines of text.

A name of `settings.` or `context.` is said without its prefix where nothing else bears it, a timer with its default.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from itertools import groupby, takewhile

from engine.chart.durations import delay_range, duration_text
from engine.chart.model import (
    TEXT,
    Action,
    Delay,
    Expression,
    Flow,
    Invoke,
    Property,
    Row,
    RowKind,
    Sheet,
    StateSpec,
)
from engine.chart.reach import rows_of

__all__ = [
    "Clause",
    "Kind",
    "alternatives_of",
    "clause_of",
    "line_of",
    "near_name",
    "property_text",
    "reason_of",
    "sheet_lines",
    "told_by",
]

PREFIXED = re.compile(r"\b(settings|context)\.(\w+)")


class Kind(Enum):
    """What makes a state do something, in the order in which it is told."""

    START = "start"  # where a state with states inside begins
    ENTRY = "entry"
    DO = "do"
    DONE = "done"
    FAILED = "failed"
    CHECK = "check"  # an eventless row: looked at as soon as the state is entered
    ON = "on"
    TIMER = "timer"
    EXIT = "exit"
    DEFER = "defer"


KINDS = {
    RowKind.DONE: Kind.DONE,
    RowKind.ERROR: Kind.FAILED,
    RowKind.ALWAYS: Kind.CHECK,
    RowKind.ON: Kind.ON,
    RowKind.AFTER: Kind.TIMER,
}


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that a state says; `target` is the full name as the flow has it, None where it stays.

    `otherwise`: it has no condition of its own, but stands behind one that has. `rows` are those that it tells.
    """

    kind: Kind
    occasion: str
    condition: str = ""
    otherwise: bool = False
    effect: str = ""
    target: str | None = None
    rows: tuple[Row, ...] = ()


def told_by(state: StateSpec, flow: Flow) -> tuple[Clause, ...]:
    """All that a state says of itself, in the order of `Kind`, rows of one kind as written.

    Events with nothing but the same effect and target are told together: `order.refused, order.not_sent → waiting`.
    """
    clauses = sorted(_clauses(state, flow), key=lambda clause: list(Kind).index(clause.kind))
    told: dict[object, Clause] = {}
    for place, (_, alternatives) in enumerate(groupby(clauses, key=lambda clause: (clause.kind, clause.occasion))):
        several = list(alternatives)
        for number, clause in enumerate(several):
            alone = clause.kind is Kind.ON and len(several) == 1 and not clause.condition
            key = ("together", clause.effect, clause.target) if alone else (place, number)
            former = told.get(key)
            told[key] = clause if former is None else _together(former, clause)
    return tuple(told.values())


def _together(first: Clause, second: Clause) -> Clause:
    return replace(first, occasion=f"{first.occasion}, {second.occasion}", rows=(*first.rows, *second.rows))


def _clauses(state: StateSpec, flow: Flow) -> Iterator[Clause]:
    if state.parent and state.children:
        yield Clause(Kind.START, "starts in", target=state.initial or state.children[0])
    if state.entry:
        yield Clause(Kind.ENTRY, "entry", effect=_actions_text(state.entry, flow))
    if state.invoke is not None:
        yield Clause(Kind.DO, _invoke_text(state.invoke, flow))
    for row in rows_of(state):
        yield clause_of(row, flow)
    if state.exit:
        yield Clause(Kind.EXIT, "exit", effect=_actions_text(state.exit, flow))
    if state.deferred:
        yield Clause(Kind.DEFER, f"defer {', '.join(sorted(state.deferred))}")


def clause_of(row: Row, flow: Flow) -> Clause:
    condition = "" if row.when is None else _expression_text(row.when, flow)
    before = takewhile(lambda other: other is not row, alternatives_of(row, flow))
    otherwise = row.when is None and any(other.when is not None for other in before)
    effect = _actions_text(row.actions, flow)
    return Clause(KINDS[row.kind], _occasion(row, flow), condition, otherwise, effect, row.target, (row,))


def alternatives_of(row: Row, flow: Flow) -> Iterator[Row]:
    """The rows of its state that answer the same thing, itself included."""
    for other in rows_of(flow.states[row.state]):
        if (other.kind, other.event) == (row.kind, row.event):
            yield other


# --- lines of text


def line_of(clause: Clause, place: str) -> str:
    """`order.filled if opening.live / count tries → judging`; `place` is the state that speaks."""
    parts = [reason_of(clause)] if clause.kind is not Kind.ENTRY else [clause.occasion]
    if clause.effect:
        parts.append(f"/ {clause.effect}")
    if clause.target is not None:
        parts.append(f"→ {near_name(clause.target, place)}")
    return " ".join(part for part in parts if part)


def reason_of(clause: Clause) -> str:
    """`order.filled if opening.live`, `order.filled else`, `if settled`, `at once`."""
    if clause.condition:
        return f"{clause.occasion} if {clause.condition}".lstrip()
    if clause.otherwise:
        return f"{clause.occasion} else".lstrip()
    return clause.occasion or "at once"


def near_name(target: str, place: str) -> str:
    """The target's name as a reader at `place` needs it: in the same phase without the states around both."""
    words, around = target.split("."), place.split(".")
    if words[0] != around[0]:
        return target
    while len(words) > 1 and around and words[0] == around[0]:
        words, around = words[1:], around[1:]
    return ".".join(words)


def property_text(wanted: Property, flow: Flow) -> str:
    """`always settled`, `not settled leads to settled`, `on leaving CLEANUP: settled`."""
    said = {name: _expression_text(expression, flow) for name, expression in wanted.expressions.items()}
    match wanted.kind:
        case "leads_to":
            return f"{said['when']} leads to {said['then']}"
        case "on_exit":
            return f"on leaving {wanted.state}: {said['holds']}"
        case "on_entry" if wanted.origins:
            else_ = f", unless {said['unless']}" if "unless" in said else ""
            return f"{wanted.state} is entered from {' or '.join(wanted.origins)} only{else_}"
        case "on_entry":
            return f"on entering {wanted.state}: {said['holds']}"
        case "sometimes":
            return f"can happen: {said['holds']}"
    return f"{wanted.kind} {said['holds']}"


def sheet_lines(sheet: Sheet) -> Iterator[str]:
    """Below its title, the steps numbered."""
    yield from sheet.lines
    for number, step in enumerate(sheet.steps, start=1):
        yield f"{number}. {step}"


# --- pieces


def _expression_text(expression: Expression, flow: Flow) -> str:
    """In one line, with short names."""

    def short(match: re.Match[str]) -> str:
        other = flow.context if match[1] == "settings" else flow.settings
        taken = match[2] in other or match[2] in flow.vocabulary.names
        return match[0] if taken or any(match[2] in section.names for section in flow.sections.values()) else match[2]

    return PREFIXED.sub(short, " ".join(expression.source.split()))


def _actions_text(actions: Iterable[Action], flow: Flow) -> str:
    return ", ".join(_action_text(action, flow) for action in actions)


def _action_text(action: Action, flow: Flow) -> str:
    """A verb call in one line: `rest opening`, `take cleanup slippage=20bps`, `tries = 0`."""
    words = [(name, _argument(action.verb, name, value, flow)) for name, value in action.arguments.items()]
    if action.verb == "draw":
        return f"{words[0][1]} = {words[1][1]} .. {words[2][1]}"
    if action.verb == "set":
        return ", ".join(f"{name} = {word}" for name, word in words)
    said = [word if place == 0 else f"{name}={word}" for place, (name, word) in enumerate(words) if word]
    return " ".join([action.verb, *said])


def _argument(verb: str, name: str, value: Expression | str, flow: Flow) -> str:
    """Empty for what is the verb's default."""
    if isinstance(value, str):
        return value
    known = flow.vocabulary.verbs.get(verb)
    for parameter in known.parameters if known is not None else ():
        if parameter.name == name and parameter.default == value.source:
            return ""
        if parameter.name == name and parameter.type == TEXT:
            return f'"{value.source}"'
    return _expression_text(value, flow)


def _occasion(row: Row, flow: Flow) -> str:
    state = flow.states[row.state]
    match row.kind:
        case RowKind.ON:
            return row.event
        case RowKind.AFTER:
            return f"after {_delay_text(next(delay for delay in state.delays if delay.event == row.event), flow)}"
        case RowKind.ALWAYS:
            return ""
    verb = state.invoke.action.verb if state.invoke is not None else ""
    return f"{verb} {'done' if row.kind is RowKind.DONE else 'failed'}"


def _delay_text(delay: Delay, flow: Flow) -> str:
    """`order_timeout (3s)`, `hold (1s..3s)`, `2m`."""
    bounds = delay_range(delay, flow.settings)
    if delay.computed is not None:
        return _expression_text(delay.computed, flow)
    if delay.setting is None or bounds is None:
        return delay.source
    return f"{delay.source} ({'..'.join(duration_text(ns) for ns in dict.fromkeys(bounds))})"


def _invoke_text(invoke: Invoke, flow: Flow) -> str:
    text = f"do {_action_text(invoke.action, flow)}, timeout {_time(invoke.timeout, flow)}"
    if invoke.retries:
        times = "1 retry" if invoke.retries == 1 else f"{invoke.retries} retries"
        text += f", {times}" + ("" if invoke.retry_wait is None else f" after {_time(invoke.retry_wait, flow)}")
    return text


def _time(value: str | int, flow: Flow) -> str:
    if isinstance(value, int):
        return duration_text(value)
    default = flow.settings[value].default
    return f"{value} ({duration_text(default)})" if isinstance(default, int) else value
