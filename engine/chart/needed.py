"""Which remembered names a flow may still read from each leaf on, before it writes them anew.

What no row can read any more makes no difference between two states: a prover need not tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import SimpleNamespace

from engine.chart.compile import lineage
from engine.chart.model import Action, Candidate, Expression, Flow

Names = frozenset[str]


def needed_names(
    flow: Flow, *, always: Names, cleared_by: Mapping[str, Names], settings: Mapping[str, object]
) -> dict[str, Names]:
    """leaf -> dotted names (`context.tries`, `opening.filled`) that matter there.

    `always` are read by what is no row of the chart; `cleared_by` says which names a verb of the domain starts anew.
    Rows that `settings` alone keep closed read nothing. Of what must hold, a leaf needs the names that are read in it,
    and a row those of what is judged when it leaves or enters a state.
    """
    moves = {leaf: [it for it in _candidates(flow, leaf) if not _closes(settings, it)] for leaf in flow.leaves}
    needed = {leaf: always | _judged_in(flow, leaf, settings) for leaf in flow.leaves}
    changed = True
    while changed:
        changed = False
        for leaf in reversed(flow.leaves):
            found = needed[leaf]
            for candidate in moves[leaf]:
                after = needed[candidate.target or leaf] | _judged_on(flow, candidate, settings)
                found = found | _before(candidate, after, cleared_by, always)
            found |= _of_calls(flow, leaf)
            if found != needed[leaf]:
                needed[leaf], changed = found, True
    return needed


def _judged_in(flow: Flow, leaf: str, settings: Mapping[str, object]) -> Names:
    """What rules on every situation read while the chart stands in the leaf."""
    return frozenset(
        name
        for rule in (*flow.invariants, *flow.properties)
        if rule.state is None
        for expression in rule.expressions.values()
        if value_in(leaf, expression, settings) is None
        for name in expression.names
    )


def _judged_on(flow: Flow, candidate: Candidate, settings: Mapping[str, object]) -> Names:
    """What rules on leaving and entering a state read after the candidate, where the settings leave it open."""
    crossed = {*candidate.exits, *candidate.entries}
    return frozenset(
        name
        for rule in flow.properties
        if rule.state in crossed
        for expression in rule.expressions.values()
        for name in names_read(expression, settings)
    )


def value_in(leaf: str, expression: Expression, settings: Mapping[str, object]) -> bool | None:
    """What a condition is wherever the chart stands in the leaf; None where that does not decide it."""
    here = _Fixed(settings, inside=frozenset(lineage(leaf)))
    return bool(expression.value(here)) if here.decides(expression) else None  # type: ignore[arg-type]


def names_read(expression: Expression, settings: Mapping[str, object]) -> Names:
    """None where the settings alone decide its value."""
    return frozenset() if _Fixed(settings).decides(expression) else expression.names


def _closes(settings: Mapping[str, object], candidate: Candidate) -> bool:
    when, fixed = candidate.row.when, _Fixed(settings)
    return when is not None and fixed.decides(when) and not when.value(fixed)  # type: ignore[arg-type]


class _Fixed:
    """A scope that knows settings only, and perhaps where the chart stands: what has a value in it keeps it."""

    def __init__(self, settings: Mapping[str, object], *, inside: frozenset[str] | None = None) -> None:
        self.settings = SimpleNamespace(**settings)
        if inside is not None:
            self.inside = inside.__contains__

    def decides(self, expression: Expression) -> bool:
        try:
            expression.value(self)  # type: ignore[arg-type]
        except AttributeError:
            return False  # it reads something that changes
        return True


def _candidates(flow: Flow, leaf: str) -> tuple[Candidate, ...]:
    rows = [candidate for found in flow.table.get(leaf, {}).values() for candidate in found]
    return (*rows, *flow.always.get(leaf, ()))


def _before(candidate: Candidate, after: Names, cleared_by: Mapping[str, Names], always: Names) -> Names:
    """What matters before a candidate is looked at: its guard, and what its actions read or leave alone."""
    entered = [*candidate.actions]
    needed = set(after)
    for action in reversed(entered):
        needed = _before_action(action, needed, cleared_by) | always
    if candidate.row.when is not None:
        needed |= candidate.row.when.names
    return frozenset(needed)


def _before_action(action: Action, after: set[str], cleared_by: Mapping[str, Names]) -> set[str]:
    if action.verb == "count":  # what it reads goes nowhere else
        return after
    if action.verb == "reset":
        return after - {f"context.{word}" for word in action.arguments.values() if isinstance(word, str)}
    read = _read(action.arguments.values())
    if action.verb == "set":
        written = {f"context.{name}" for name in action.arguments}
        used = {
            name
            for target, value in action.arguments.items()
            if isinstance(value, Expression) and f"context.{target}" in after
            for name in value.names
        }
        return (after - written) | used
    return (after - cleared_by.get(action.verb, frozenset())) | read


def _of_calls(flow: Flow, leaf: str) -> Names:
    """What invoked verbs read when they are asked again."""
    name: str | None = leaf
    read: set[str] = set()
    while name is not None:
        spec = flow.states[name]
        if spec.invoke is not None:
            read |= _read(spec.invoke.action.arguments.values())
        name = spec.parent
    return frozenset(read)


def _read(arguments: Iterable[Expression | str]) -> set[str]:
    return {name for value in arguments if isinstance(value, Expression) for name in value.names}
