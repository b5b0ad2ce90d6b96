"""The states of a flow as written: rows, delays and invocations, every name resolved.

Reads tolerantly: what the schema has refused already is passed over, so that the rest is still checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from engine.chart.actions import ActionReader
from engine.chart.compile import lineage
from engine.chart.faults import Faults, is_empty, name_hint
from engine.chart.known import Known, entry, text_of
from engine.chart.model import (
    BOOL,
    COUNT,
    DURATION,
    DURATION_RANGE,
    Delay,
    Invoke,
    Listing,
    Mapped,
    Node,
    Row,
    RowKind,
    Scalar,
    Span,
    StateSpec,
    Type,
)
from engine.chart.units import LiteralError, parse_literal


@dataclass(slots=True)
class _Reactions:
    """What a state's keys have been read into."""

    rows: list[Row] = field(default_factory=list)
    delays: list[Delay] = field(default_factory=list)


def state_tree(node: Node | None) -> dict[str, tuple[str, ...]]:
    """Full names and their children in document order; "" is the root."""
    tree: dict[str, tuple[str, ...]] = {}

    def visit(name: str, states: Node | None) -> None:
        children = tuple(states.entries) if isinstance(states, Mapped) else ()
        prefix = f"{name}." if name else ""
        tree[name] = tuple(prefix + child for child in children)
        for child in children:
            assert isinstance(states, Mapped)
            visit(prefix + child, entry(states.entries[child], "states"))

    visit("", node)
    return tree


def read_states(root: Mapped, known: Known, faults: Faults) -> dict[str, StateSpec]:
    """Every state by full name, document order, the chart itself as ""."""
    reader = _StateReader(known, faults)
    specs: dict[str, StateSpec] = {}

    def visit(name: str, node: Node, span: Span) -> None:
        specs[name] = reader.state(name, node, span)
        states = entry(node, "states")
        if isinstance(states, Mapped):
            for child, inner in states.entries.items():
                visit(f"{name}.{child}" if name else child, inner, states.keys[child].span)

    visit("", root, root.span)
    return specs


class _StateReader:
    def __init__(self, known: Known, faults: Faults) -> None:
        self._known = known
        self._faults = faults
        self._actions = ActionReader(known, faults)

    def state(self, name: str, node: Node, span: Span) -> StateSpec:
        children = self._known.states[name]
        initial = self._initial(name, node)
        final, resting = _flag(node, "final"), _flag(node, "resting")
        self._exclusions(name, node, span)
        reactions = _Reactions()
        self._on(name, node, reactions)
        self._after(name, node, reactions)
        return StateSpec(
            name=name,
            parent=None if not name else name.rpartition(".")[0],
            children=children,
            initial=initial,
            final=final,
            resting=resting,
            about=text_of(entry(node, "about")),
            entry=self._actions.actions(entry(node, "entry"), {}) if name else (),
            exit=self._actions.actions(entry(node, "exit"), {}) if name else (),
            rows=tuple(reactions.rows),
            delays=tuple(reactions.delays),
            invoke=self._invoke(name, entry(node, "invoke")) if name else None,
            ignored=self._ignored(entry(node, "ignore")),
            deferred=self._deferred(entry(node, "defer")) if name else frozenset(),
            span=span,
        )

    def _initial(self, name: str, node: Node) -> str | None:
        children = self._known.states[name]
        wanted = entry(node, "initial") if name else None
        if isinstance(wanted, Scalar) and children:
            full = f"{name}.{wanted.text.removeprefix('.')}"
            if full in children:
                return full
            short = [child.rpartition(".")[2] for child in children]
            self._faults.report(
                "N301", wanted.span, f'{name} has no child state "{wanted.text}"', name_hint(wanted.text, short)
            )
        return children[0] if children else None

    def _exclusions(self, name: str, node: Node, span: Span) -> None:
        """A final state has nothing inside, a resting state and an initial child are about leaves and compounds."""
        children = self._known.states[name]
        if not isinstance(node, Mapped):
            return
        if children:
            for key in ("final", "resting", "invoke"):
                if key in node.keys and _flag(node, key) | (key == "invoke"):
                    self._faults.report(
                        "F207",
                        node.keys[key].span,
                        f"{name} has states inside, so it cannot say `{key}`",
                        f"say `{key}` in the state inside that is meant",
                    )
        elif name and "initial" in node.keys:
            self._faults.report(
                "F207",
                node.keys["initial"].span,
                f"{name} has no states inside, `initial` means nothing",
                "remove `initial`",
            )

    # --- reactions

    def _on(self, name: str, node: Node, into: _Reactions) -> None:
        """`on:` and `always:` in the order of the document."""
        if not isinstance(node, Mapped):
            return
        for key, value in node.entries.items():
            if key == "on" and isinstance(value, Mapped):
                for event, rows in value.entries.items():
                    attributes = self._event_attributes(value.keys[event])
                    into.rows.extend(self._rows(rows, RowKind.ON, name, event, attributes))
            elif key == "always" and name:
                into.rows.extend(self._rows(value, RowKind.ALWAYS, name, "", {}))

    def _event_attributes(self, key: Scalar) -> Mapping[str, Type] | None:
        """What `event.*` may name in the rows; None for an unknown event, whose rows are read all the same."""
        kind = self._known.events.get(key.text)
        if kind is not None:
            return kind.attributes
        if key.text in self._known.raised:
            return {}
        known = [*self._known.events, *self._known.raised]
        self._faults.report("N302", key.span, f'no event "{key.text}"', name_hint(key.text, known))
        return None

    def _after(self, name: str, node: Node, into: _Reactions) -> None:
        after = entry(node, "after")
        if not isinstance(after, Mapped):
            return
        for source, rows in after.entries.items():
            key = after.keys[source]
            event = f"after:{name}:{source}"
            setting = literal = computed = None
            if key.text.isidentifier():
                setting = self._setting(key, (DURATION, DURATION_RANGE))
            elif key.text[:1].isdigit() or key.text[:1] == "-":
                literal = self._literal_delay(key)
            else:
                computed = self._actions.expression(key, DURATION, {})
            read = tuple(self._rows(rows, RowKind.AFTER, name, event, {}))
            into.delays.append(Delay(event, name, source, setting, literal, read, key.span, computed))

    def _literal_delay(self, key: Scalar) -> tuple[int, int] | None:
        """Shortest and longest, in ns; None after a report."""
        try:
            value = parse_literal(key.text, DURATION_RANGE)
        except LiteralError as error:
            self._faults.report(error.code, key.span, error.message, error.hint)
            return None
        assert isinstance(value, tuple)
        return value

    def _setting(self, scalar: Scalar, kinds: Sequence[Type]) -> str | None:
        """The setting's name if it exists and has one of these types."""
        word = scalar.text
        wanted = " or ".join(kind.name for kind in kinds)
        setting = self._known.settings.get(word)
        if setting is None and f"settings.{word}" in self._known.names:
            return None  # its declaration is at fault, and reported
        if setting is None:
            fitting = [name for name, known in self._known.settings.items() if known.type in kinds]
            bare = word.removeprefix("settings.")
            hint = name_hint(
                bare, fitting, nothing=f"declare it under `settings:` with type {wanted}, or write a literal"
            )
            self._faults.report("N304", scalar.span, f'no setting "{word}"', hint)
            return None
        if setting.type not in kinds:
            self._faults.report(
                "T403", scalar.span, f"setting {word} is a {setting.type}, expected a {wanted}", "name another setting"
            )
            return None
        return word

    def _rows(
        self, node: Node, kind: RowKind, state: str, event: str, attributes: Mapping[str, Type] | None
    ) -> Iterator[Row]:
        for item in node.items if isinstance(node, Listing) else (node,):
            row = self._row(item, kind, state, event, attributes)
            if row is not None:
                yield row

    def _row(
        self, node: Node, kind: RowKind, state: str, event: str, attributes: Mapping[str, Type] | None
    ) -> Row | None:
        if isinstance(node, Scalar) and not is_empty(node):
            return Row(kind, state, event, None, (), self._target(node, state), "", node.span)
        if not isinstance(node, Mapped):
            return None
        to, when = entry(node, "to"), entry(node, "when")
        if to is None and entry(node, "do") is None:
            self._faults.report(
                "F208", node.span, "the row neither moves nor does anything", "add `to:` or `do:`, or use `ignore:`"
            )
        return Row(
            kind=kind,
            state=state,
            event=event,
            when=self._actions.expression(when, BOOL, attributes),
            actions=self._actions.actions(entry(node, "do"), attributes),
            target=self._target(to, state) if isinstance(to, Scalar) else None,
            because=text_of(entry(node, "because")),
            span=node.span,
        )

    def _target(self, scalar: Scalar, state: str) -> str | None:
        word, states = scalar.text, self._known.states
        if not self._known.state_names:
            return None  # the structure of `states:` is at fault, and reported
        if word.startswith("."):
            full = next((scope + word for scope in lineage(state) if (scope + word).removeprefix(".") in states), "")
            message = f'no state around {state or "the chart"} has a child "{word[1:]}"'
        else:
            full = word if word in states else ""
            message = f'no state "{word}"'
        if not full.removeprefix("."):
            self._faults.report("N301", scalar.span, message, self._state_hint(word, state))
            return None
        return full.removeprefix(".")

    def _state_hint(self, word: str, state: str) -> str:
        names = self._known.state_names
        same_end = [name for name in names if name.rpartition(".")[2] == word.rpartition(".")[2]]
        if same_end:
            return f'did you mean "{next((name for name in same_end if name.startswith(state)), same_end[0])}"?'
        if word.startswith("."):
            around = [
                f".{child.rpartition('.')[2]}"
                for scope in lineage(state)
                for child in self._known.states.get(scope, ())
            ]
            return name_hint(word, around)
        return name_hint(word, names)

    # --- invoke, ignore, defer

    def _invoke(self, name: str, node: Node | None) -> Invoke | None:
        do = entry(node, "do")
        if not isinstance(node, Mapped) or do is None:
            return None
        action = self._actions.action(do, {}, invoked=True)
        verb = None if action is None else self._known.verbs.get(action.verb)
        reply = verb.reply_attributes if verb is not None and verb.replies else None
        timeout = self._amount(entry(node, "timeout"), DURATION)
        retry = entry(node, "retry")
        times = self._amount(entry(retry, "times"), COUNT)
        wait = self._amount(entry(retry, "wait"), DURATION)
        done, error = entry(node, "done"), entry(node, "error")
        done_rows = () if done is None else tuple(self._rows(done, RowKind.DONE, name, f"done:{name}", reply))
        error_rows = () if error is None else tuple(self._rows(error, RowKind.ERROR, name, f"error:{name}", {}))
        if action is None or timeout is None:
            return None
        return Invoke(name, action, timeout, 0 if times is None else times, wait, done_rows, error_rows, node.span)

    def _amount(self, node: Node | None, kind: Type) -> str | int | None:
        """A setting's name, or the literal's value."""
        if not isinstance(node, Scalar):
            return None
        if not (node.text[:1].isdigit() or node.text[:1] == "-"):
            return self._setting(node, (kind,))
        try:
            value = parse_literal(node.text, kind)
        except LiteralError as error:
            self._faults.report(error.code, node.span, error.message, error.hint)
            return None
        assert isinstance(value, int)
        if value < 0:
            self._faults.report("T405", node.span, f"{node.text} is negative, expected 0 or more")
            return None
        return value

    def _ignored(self, node: Node | None) -> dict[str, tuple[str, Span]]:
        ignored = {}
        if isinstance(node, Mapped):
            for event, reason in node.entries.items():
                self._event_attributes(node.keys[event])
                ignored[event] = (text_of(reason), node.keys[event].span)
        return ignored

    def _deferred(self, node: Node | None) -> frozenset[str]:
        events = [item for item in node.items if isinstance(item, Scalar)] if isinstance(node, Listing) else []
        for event in events:
            self._event_attributes(event)
        return frozenset(event.text for event in events)


def _flag(node: Node, key: str) -> bool:
    return text_of(entry(node, key)) == "true"
