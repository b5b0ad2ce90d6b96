"""Transition tables: what a flow must do, cell by cell, as YAML rows that are run against the chart alone.

A row stands the chart in a leaf over given facts, lets one thing happen, and compares where it comes to rest, which
verbs it called with which arguments, and its counters. No domain runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from types import SimpleNamespace
from typing import Generic, Literal, TypeVar

from engine.chart.binding import lineage
from engine.chart.faults import Faults, is_empty, name_hint
from engine.chart.machine import Chart, StepFailed
from engine.chart.model import (
    BOOL,
    COUNT,
    DURATION,
    DURATION_RANGE,
    TEXT,
    TICKS,
    Flow,
    Listing,
    Mapped,
    Move,
    Node,
    Row,
    Scalar,
    Span,
    Type,
    Verb,
)
from engine.chart.row_path import Look, NotingDecider
from engine.chart.settings import read_literal
from engine.chart.structure import schema_findings, shipped_schema
from engine.chart.units import parse_literal
from engine.chart.yaml_nodes import read_nodes

STAY = "stay"
ANYWHERE = "anywhere"  # as `in`: every leaf that is not final
SETTLE = "always"  # as `when`: nothing happened, but the facts are these

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row as written; its names are checked when it is run against a flow."""

    name: str
    places: tuple[Scalar, ...]
    given: Node | None
    when: Node
    then: Scalar
    sends: tuple[Mapped, ...]
    counts: Node | None
    because: str
    span: Span


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    flow: str
    file: str
    settings: Mapping[str, Node]
    rows: tuple[TableRow, ...]
    span: Span
    flow_span: Span


@dataclass(frozen=True, slots=True)
class Call:
    """A verb with its evaluated arguments."""

    verb: str
    arguments: Mapping[str, object]

    def __str__(self) -> str:
        return f"{self.verb}({', '.join(f'{name}={value}' for name, value in sorted(self.arguments.items()))})"


@dataclass(frozen=True, slots=True)
class Difference:
    """What a row wanted against what happened; `what` is then, sends, step or the name of a counter."""

    what: str
    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class RowResult:
    name: str
    because: str
    span: Span
    leaf: str
    event: str  # "" for `always`
    moves: tuple[Move, ...]
    differences: tuple[Difference, ...]
    then: str | None  # where it was to rest; None where it was
    calls: tuple[Call, ...]
    path: tuple[Look, ...]  # how it went; of a row that failed

    @property
    def ok(self) -> bool:
        return not self.differences


@dataclass(frozen=True, slots=True)
class Tally(Generic[_T]):
    """How many of `total` things some row decides, and those that none does."""

    total: int
    missing: tuple[_T, ...]

    @property
    def covered(self) -> int:
        return self.total - len(self.missing)


@dataclass(frozen=True, slots=True)
class Coverage:
    """`transitions` are the flow's rows as written, taken at least once; `cells` are (leaf, event) with a candidate."""

    rows: int
    transitions: Tally[Row]
    cells: Tally[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class TableResult:
    table: str
    file: str
    rows: tuple[RowResult, ...]
    coverage: Coverage

    @property
    def ok(self) -> bool:
        return all(row.ok for row in self.rows)


# --- reading


def load_table(text: str, *, file: str) -> Table:
    """The table as written. Raises: FlowError with every fault of YAML and structure."""
    root = read_nodes(text, file=file)
    faults = Faults()
    faults.add(schema_findings(root, shipped_schema("table.schema.json")))
    faults.raise_if_any()
    entries = _entries(root)
    rows = entries["rows"]
    assert isinstance(rows, Listing)
    return Table(
        name=_scalar(entries["table"]).text,
        flow=_scalar(entries["flow"]).text,
        file=file,
        settings=_entries(entries.get("settings")),
        rows=tuple(_row(row) for row in rows.items),
        span=root.span,
        flow_span=entries["flow"].span,
    )


def _row(node: Node) -> TableRow:
    entries = _entries(node)
    sends = entries["sends"]
    assert isinstance(sends, Listing)
    name = entries.get("name")
    return TableRow(
        name="" if name is None else _scalar(name).text,
        places=_scalars(entries["in"]),
        given=entries.get("given"),
        when=entries["when"],
        then=_scalar(entries["then"]),
        sends=tuple(send for send in sends.items if isinstance(send, Mapped)),
        counts=entries.get("counts"),
        because=_scalar(entries["because"]).text,
        span=node.span,
    )


def _entries(node: Node | None) -> Mapping[str, Node]:
    return node.entries if isinstance(node, Mapped) else {}


def _scalar(node: Node) -> Scalar:
    assert isinstance(node, Scalar)
    return node


def _scalars(node: Node) -> tuple[Scalar, ...]:
    return tuple(map(_scalar, node.items)) if isinstance(node, Listing) else (_scalar(node),)


# --- binding to a flow


@dataclass(frozen=True, slots=True)
class Case:
    """A row in one of its leaves: names exist, values are typed, ready to run."""

    name: str
    because: str
    span: Span
    leaf: str
    facts: Mapping[str, object]  # every domain name
    context: Mapping[str, object]
    settings: Mapping[str, object]
    event: str | None  # None only settles
    payload: object
    then: str | None  # None stays
    sends: tuple[Call, ...]
    counts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class BoundTable:
    cases: tuple[Case, ...]
    settings: Mapping[str, object]


def bind_table(table: Table, flow: Flow, settings: Mapping[str, object] | None = None) -> BoundTable:
    """Check a table against its flow. Raises: FlowError with every unknown name and every wrong value."""
    faults = Faults()
    if table.flow != flow.name:
        faults.report("N310", table.flow_span, f'the table is for flow "{table.flow}", found flow "{flow.name}"')
    binder = _Binder(flow, faults)
    values = binder.settings(table, settings or {})
    cases = tuple(case for row in table.rows for case in binder.cases(row))
    faults.raise_if_any()
    return BoundTable(cases, values)


class _Binder:
    """Reads rows by the flow's names; goes on after each fault."""

    def __init__(self, flow: Flow, faults: Faults) -> None:
        self._flow = flow
        self._faults = faults
        self._facts = dict(flow.vocabulary.names)
        for section in flow.sections.values():
            self._facts.update(section.names)
        self._types = {
            **self._facts,
            **{f"settings.{name}": setting.type for name, setting in flow.settings.items()},
            **{f"context.{name}": counter.type for name, counter in flow.context.items()},
        }
        self._unset = {name: unset(kind) for name, kind in self._facts.items()}

    def settings(self, table: Table, given: Mapping[str, object]) -> dict[str, object]:
        declared = self._flow.settings
        values = {name: setting.default for name, setting in declared.items() if not setting.required} | dict(given)
        for name, node in table.settings.items():
            if name not in declared:
                self._faults.report("G701", node.span, f'no setting "{name}"', name_hint(name, declared))
            else:
                values[name] = read_literal(node, declared[name].type, self._faults, what=name)
        for name, setting in declared.items():
            if name not in values:
                message = f"setting {name} ({setting.type}) has no default and no value here"
                self._faults.report("G702", table.flow_span, message, f"add `settings: {{{name}: …}}` to the table")
        return values

    def cases(self, row: TableRow) -> list[Case]:
        """The row in each of its leaves."""
        leaves = dict.fromkeys(leaf for place in row.places for leaf in self._leaves(place))
        given = self._typed(row.given, self._types)
        counters = {name: counter.type for name, counter in self._flow.context.items()}
        counts = self._typed(row.counts, counters, code="N305", unknown="no counter")
        facts = {**self._unset, **{name: value for name, value in given.items() if name in self._facts}}
        then = self._then(row.then)
        sends = tuple(self._call(send) for send in row.sends)
        cases = []
        for leaf in leaves:
            event, payload = self._trigger(leaf, row.when)
            case = Case(
                name=row.name or f"{leaf} · {event or SETTLE}",
                because=row.because,
                span=row.span,
                leaf=leaf,
                facts=facts,
                context=_below("context.", given),
                settings=_below("settings.", given),
                event=event,
                payload=payload,
                then=then,
                sends=sends,
                counts=counts,
            )
            cases.append(case)
        return cases

    def _leaves(self, place: Scalar) -> list[str]:
        """The leaf of that name, or those inside a state that are not final."""
        leaves, states = self._flow.leaves, self._flow.states
        if place.text in leaves:
            return [place.text]
        if place.text == ANYWHERE:
            return [leaf for leaf in leaves if not states[leaf].final]
        inside = [leaf for leaf in leaves if leaf.startswith(place.text + ".") and not states[leaf].final]
        if not inside:
            names = (*filter(None, states), ANYWHERE)
            self._faults.report("N301", place.span, f'no state "{place.text}"', name_hint(place.text, names))
        return inside

    def _then(self, name: Scalar) -> str | None:
        leaves = self._flow.leaves
        if name.text == STAY or name.text in leaves:
            return None if name.text == STAY else name.text
        if name.text in self._flow.states:
            inside = [leaf for leaf in leaves if leaf.startswith(name.text + ".")]
            self._faults.report("N301", name.span, f'"{name.text}" is no leaf', name_hint(name.text, inside))
        else:
            self._faults.report("N301", name.span, f'no state "{name.text}"', name_hint(name.text, (*leaves, STAY)))
        return None

    def _typed(
        self, node: Node | None, types: Mapping[str, Type], *, code: str = "N308", unknown: str = "no name"
    ) -> dict[str, object]:
        values: dict[str, object] = {}
        if isinstance(node, Mapped):
            for name, value in node.entries.items():
                if name in types:
                    values[name] = read_literal(value, types[name], self._faults, what=name)
                else:
                    self._faults.report(code, node.keys[name].span, f'{unknown} "{name}"', name_hint(name, types))
        return values

    # --- when

    def _trigger(self, leaf: str, when: Node) -> tuple[str | None, object]:
        if isinstance(when, Scalar):
            return self._event(leaf, when, None)
        assert isinstance(when, Mapped)
        ((word, value),) = when.entries.items()
        key = when.keys[word]
        if word == "after" and isinstance(value, Scalar):
            return self._delay(leaf, value), None
        return self._event(leaf, key, value)

    def _event(self, leaf: str, word: Scalar, attributes: Node | None) -> tuple[str | None, object]:
        vocabulary = self._flow.vocabulary
        if word.text == SETTLE:
            return None, None
        if word.text in ("done", "error"):
            return self._answer(leaf, word, attributes)
        if word.text in vocabulary.events:
            return word.text, self._payload(attributes, vocabulary.events[word.text].attributes)
        if word.text not in self._flow.raised:
            names = [*vocabulary.events, *self._flow.raised, SETTLE, "after", "done", "error"]
            self._faults.report("N302", word.span, f'no event "{word.text}"', name_hint(word.text, names))
        return word.text, None

    def _answer(self, leaf: str, word: Scalar, attributes: Node | None) -> tuple[str | None, object]:
        for name in reversed(lineage(self._flow, leaf)):
            invoke = self._flow.states[name].invoke
            if invoke is not None:
                verb = self._flow.vocabulary.verbs[invoke.action.verb]
                types = verb.reply_attributes if word.text == "done" else {}
                return f"{word.text}:{name}", self._payload(attributes, types)
        self._faults.report("N310", word.span, f"{leaf} invokes nothing, so it has no `{word.text}`")
        return None, None

    def _delay(self, leaf: str, source: Scalar) -> str | None:
        active = [delay for name in reversed(lineage(self._flow, leaf)) for delay in self._flow.states[name].delays]
        for delay in active:
            if delay.source == source.text:
                return delay.event
        hint = name_hint(source.text, [delay.source for delay in active])
        self._faults.report("N310", source.span, f'{leaf} has no delay "{source.text}"', hint)
        return None

    def _payload(self, attributes: Node | None, types: Mapping[str, Type]) -> object:
        given = self._typed(attributes, types, unknown="the event has no attribute")
        return _tree({name: unset(kind) for name, kind in types.items()} | given)

    # --- sends

    def _call(self, send: Mapped) -> Call:
        ((word, node),) = send.entries.items()
        verb = self._flow.vocabulary.verbs.get(word)
        if verb is None:
            hint = name_hint(word, self._flow.vocabulary.verbs)
            self._faults.report("N303", send.keys[word].span, f'no verb "{word}"', hint)
            return Call(word, {})
        return Call(word, self._arguments(verb, node))

    def _arguments(self, verb: Verb, node: Node) -> dict[str, object]:
        types = {parameter.name: parameter.type or TEXT for parameter in verb.parameters}
        unsaid = {
            parameter.name: parse_literal(parameter.default, types[parameter.name])
            for parameter in verb.parameters
            if parameter.default is not None
        }
        if isinstance(node, Mapped):
            return unsaid | self._typed(node, types, code="N306", unknown=f"verb {verb.name} has no parameter")
        if is_empty(node):
            return unsaid
        if not verb.parameters:
            self._faults.report("N306", node.span, f"verb {verb.name} takes nothing")
            return {}
        first = verb.parameters[0].name
        return {**unsaid, first: read_literal(node, types[first], self._faults, what=first)}


def unset(kind: Type) -> object:
    """What a fact is when a row does not give it."""
    if kind.members:
        return kind.members[0]
    if kind == BOOL:
        return False
    if kind == DURATION_RANGE:
        return (0, 0)
    if kind == TEXT:
        return ""
    return 0 if kind in (COUNT, TICKS, DURATION) else Decimal(0)


def _below(prefix: str, values: Mapping[str, object]) -> dict[str, object]:
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}


def _tree(values: Mapping[str, object]) -> SimpleNamespace:
    """Dotted names as nested attributes."""
    root = SimpleNamespace()
    for dotted, value in values.items():
        *path, last = dotted.split(".")
        place = root
        for word in path:
            if not hasattr(place, word):
                setattr(place, word, SimpleNamespace())
            place = getattr(place, word)
        setattr(place, last, value)
    return root


# --- running


def run_table(
    table: Table,
    flow: Flow,
    settings: Mapping[str, object] | None = None,
    *,
    decider: Literal["transitions", "table"] = "transitions",
) -> TableResult:
    """Run every row; `settings` stand behind those of the table, in front of the flow's defaults.

    Raises: FlowError when the table does not fit the flow; a row that fails is a result, not an error.
    """
    bound = bind_table(table, flow, settings)
    bench = _Bench(flow, bound.settings, decider)
    rows = tuple(bench.run(case) for case in bound.cases)
    return TableResult(table.name, table.file, rows, coverage(flow, rows))


class _Bench:
    """A chart over facts that a row states, with verbs that are only written down."""

    def __init__(self, flow: Flow, settings: Mapping[str, object], decider: Literal["transitions", "table"]) -> None:
        self._scope = SimpleNamespace()
        self._settings = settings
        self._calls: list[Call] = []
        self._chart = Chart(flow, self._scope, self._note, settings=settings, decider=decider)

    def _note(self, verb: str, arguments: Mapping[str, object], token: int) -> Sequence[object]:
        self._calls.append(Call(verb, dict(arguments)))
        return ()

    def run(self, case: Case) -> RowResult:
        moves: tuple[Move, ...] = ()
        try:
            moves = self._step(self._chart, self._scope, case)
            differences = tuple(self._differences(case, moves))
        except StepFailed as failed:
            differences = (Difference("step", "runs", str(failed)),)
        calls = tuple(self._calls)
        return RowResult(
            name=case.name,
            because=case.because,
            span=case.span,
            leaf=case.leaf,
            event=case.event or "",
            moves=moves,
            differences=differences,
            then=case.then,
            calls=calls,
            path=tuple(self._look_again(case)) if differences else (),
        )

    def _step(self, chart: Chart, scope: SimpleNamespace, case: Case) -> tuple[Move, ...]:
        self._calls.clear()
        chart.place(case.leaf)
        vars(scope).update(vars(_tree(case.facts)))
        vars(scope.context).update(case.context)
        vars(scope.settings).update({**self._settings, **case.settings})
        outcome = chart.settle() if case.event is None else chart.dispatch(case.event, case.payload)
        return outcome.moves

    def _look_again(self, case: Case) -> list[Look]:
        """The same step once more, with every look noted."""
        looks: list[Look] = []
        scope = SimpleNamespace()
        noting = partial(NotingDecider, scope=scope, looks=looks)
        chart = Chart(self._chart.flow, scope, self._note, settings=self._settings, decider=noting)
        with suppress(StepFailed):
            self._step(chart, scope, case)
        return looks

    def _differences(self, case: Case, moves: tuple[Move, ...]) -> Iterable[Difference]:
        moved = any(move.target is not None for move in moves)
        got = self._chart.leaf if moved else STAY
        if got != (case.then or STAY):
            yield Difference("then", case.then or STAY, got)
        if tuple(self._calls) != case.sends:
            yield Difference("sends", _listed(case.sends), _listed(self._calls))
        for name, expected in case.counts.items():
            value = getattr(self._scope.context, name)
            if value != expected:
                yield Difference(name, str(expected), str(value))


def _listed(calls: Sequence[Call]) -> str:
    return "; ".join(map(str, calls)) or "nothing"


def coverage(flow: Flow, results: Sequence[RowResult]) -> Coverage:
    """What the rows decide of the flow, over any number of its tables."""
    taken = {move.row.span for result in results for move in result.moves}
    decided = {(result.leaf, result.event) for result in results}
    written: dict[Span, Row] = {}
    for leaf in flow.leaves:
        for candidates in (*flow.table.get(leaf, {}).values(), flow.always.get(leaf, ())):
            written.update((candidate.row.span, candidate.row) for candidate in candidates)
    rows = sorted(written.values(), key=lambda row: (row.span.line, row.span.column))
    cells = [(leaf, event) for leaf in flow.leaves for event, found in flow.table.get(leaf, {}).items() if found]
    return Coverage(
        rows=len(results),
        transitions=Tally(len(rows), tuple(row for row in rows if row.span not in taken)),
        cells=Tally(len(cells), tuple(cell for cell in cells if cell not in decided)),
    )
