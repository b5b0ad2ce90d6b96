"""What a picture of a flow shows, whatever draws it: states with their own lines, and one edge between two states.

Taken from the compiled flow, so that a picture cannot tell another story than the machine. Several rows between the
same two states share one edge. A row of the chart itself starts at ANYWHERE instead of at every state. A row of a
compound state starts at its border; if it leads to a place inside it, it starts at `anywhere_in` the state instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from engine.chart.durations import duration_text
from engine.chart.model import Action, Expression, Flow, Invoke, Row, RowKind, StateSpec
from engine.chart.reach import below, rows_of

__all__ = ["ANYWHERE", "Edge", "Picture", "Tone", "anywhere_in", "ends_of", "initial_leaf", "picture_of", "row_label"]

ANYWHERE = ""


class Tone(Enum):
    MAIN = "main"  # one step along the main path
    PLAIN = "plain"
    QUIET = "quiet"  # failures, and everything that leaves the main path


@dataclass(frozen=True, slots=True)
class Edge:
    """From a state (or ANYWHERE, or `anywhere_in` one) to a state; a compound end means its border.

    `back` goes to a state declared earlier.
    """

    source: str
    target: str
    labels: tuple[str, ...]
    tone: Tone
    back: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """`lines` are what a state says of itself: entry, invoked action, rows that stay, exit."""

    flow: Flow
    main: tuple[str, ...]  # the main path: top-level states in declared order, each leading to the next
    lines: dict[str, tuple[str, ...]]
    edges: tuple[Edge, ...]

    def has_anywhere_in(self, name: str) -> bool:
        return any(edge.source == anywhere_in(name) for edge in self.edges)


def picture_of(flow: Flow) -> Picture:
    labels: dict[tuple[str, str], list[str]] = {}
    failing: dict[tuple[str, str], bool] = {}
    for state in flow.states.values():
        for row in rows_of(state):
            for ends in ends_of(row, flow):
                labels.setdefault(ends, []).append(row_label(row, flow))
                failing[ends] = failing.get(ends, True) and row.kind is RowKind.ERROR
    main = _main_path(flow, [ends for ends in labels if not failing[ends]])
    order = [name for name, state in flow.states.items() if name and not state.parent]
    edges = tuple(
        Edge(*ends, tuple(dict.fromkeys(texts)), _tone(ends, main, failing=failing[ends]), _back(ends, order))
        for ends, texts in labels.items()
    )
    return Picture(flow, main, {name: tuple(_lines(state, flow)) for name, state in flow.states.items()}, edges)


def anywhere_in(name: str) -> str:
    """The end of an edge that stands for every leaf of a compound state."""
    return f"{name}.*"


def ends_of(row: Row, flow: Flow) -> Iterator[tuple[str, str]]:
    if row.target is None:
        return
    target = _outside_initial(row.state, row.target, flow)
    if not row.state or not flow.states[row.state].children or not _within(target, row.state):
        yield row.state, target
        return
    leaves = [leaf for leaf in below(flow, row.state) if _runs_in(leaf, row, flow)]
    if leaves:
        yield leaves[0] if len(leaves) == 1 else anywhere_in(row.state), target


def _runs_in(leaf: str, row: Row, flow: Flow) -> bool:
    candidates = flow.always if row.kind is RowKind.ALWAYS else flow.table[leaf]
    return any(
        candidate.row is row for candidate in candidates.get(leaf if row.kind is RowKind.ALWAYS else row.event, ())
    )


def _outside_initial(source: str, target: str, flow: Flow) -> str:
    """A compound target that encloses the source is entered anew: drawn to its initial leaf."""
    while _within(source, target) and flow.states[target].children:
        target = flow.states[target].initial or flow.states[target].children[0]
    return target


def _within(name: str, outer: str) -> bool:
    return f"{name}.".startswith(f"{outer}.")


def _top(name: str) -> str:
    return name.partition(".")[0]


def _main_path(flow: Flow, edges: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """From the initial state along the declared order; without what follows the last state that turns back.

    A place for failures is often declared last, and the state before it often leads there.
    """
    steps = {(_top(source), _top(target)) for source, target in edges if source}
    order = [name for name, state in flow.states.items() if name and not state.parent]
    path = [_top(flow.initial)]
    for name in order[order.index(path[0]) + 1 :]:
        if (path[-1], name) not in steps:
            break
        path.append(name)
    turning = [place for place, name in enumerate(path) if place and (name, path[0]) in steps]
    if turning and not flow.states[path[-1]].final:
        path = path[: turning[-1] + 1]
    return tuple(path)


def _tone(ends: tuple[str, str], main: tuple[str, ...], *, failing: bool) -> Tone:
    source, target = _top(ends[0]), _top(ends[1])
    if failing:
        return Tone.QUIET
    if source == target:
        return Tone.PLAIN
    if not source or target not in main:
        return Tone.QUIET
    if source in main and main.index(target) == main.index(source) + 1:
        return Tone.MAIN
    return Tone.PLAIN


def _back(ends: tuple[str, str], order: list[str]) -> bool:
    source, target = _top(ends[0]), _top(ends[1])
    return bool(source) and order.index(target) < order.index(source)


def row_label(row: Row, flow: Flow) -> str:
    """`event [guard] / actions`."""
    parts = [_occasion(row, flow)]
    if row.when is not None:
        parts.append(f"[{' '.join(row.when.source.split())}]")
    if row.actions:
        parts.append(f"/ {actions_text(row.actions)}")
    return " ".join(part for part in parts if part)


def _occasion(row: Row, flow: Flow) -> str:
    match row.kind:
        case RowKind.ON:
            return row.event
        case RowKind.AFTER:
            return f"after {next(d.source for d in flow.states[row.state].delays if d.event == row.event)}"
        case RowKind.ALWAYS:
            return "always" if row.when is None else ""
    return f"{_invoked(row, flow)} {'done' if row.kind is RowKind.DONE else 'failed'}"


def _invoked(row: Row, flow: Flow) -> str:
    invoke = flow.states[row.state].invoke
    return invoke.action.verb if invoke is not None else ""


def actions_text(actions: Iterable[Action]) -> str:
    return ", ".join(action_text(action) for action in actions)


def action_text(action: Action) -> str:
    """A verb call in one line: `rest opening`, `place account=maker size=quantity`, `tries = 0`."""
    words = {name: _word(value) for name, value in action.arguments.items()}
    if action.verb == "set":
        return ", ".join(f"{name} = {word}" for name, word in words.items())
    if len(words) < 2:
        return " ".join([action.verb, *words.values()])
    return f"{action.verb} {' '.join(f'{name}={word}' for name, word in words.items())}"


def _word(value: Expression | str) -> str:
    return " ".join(value.source.split()) if isinstance(value, Expression) else value


def _lines(state: StateSpec, flow: Flow) -> Iterator[str]:
    if state.entry:
        yield f"entry / {actions_text(state.entry)}"
    if state.invoke is not None:
        yield _invoke_text(state.invoke)
    for row in rows_of(state):
        if row.target is None:
            yield row_label(row, flow)
    if state.deferred:
        yield f"defer {', '.join(sorted(state.deferred))}"
    if state.exit:
        yield f"exit / {actions_text(state.exit)}"


def _invoke_text(invoke: Invoke) -> str:
    text = f"do / {action_text(invoke.action)}, timeout {_time(invoke.timeout)}"
    if invoke.retries:
        wait = "" if invoke.retry_wait is None else f" every {_time(invoke.retry_wait)}"
        text += f", retry {invoke.retries} times{wait}"
    return text


def _time(value: str | int) -> str:
    return duration_text(value) if isinstance(value, int) else value


def initial_leaf(flow: Flow, name: str) -> str:
    """Where entering a state ends."""
    while flow.states[name].children:
        name = flow.states[name].initial or flow.states[name].children[0]
    return name
