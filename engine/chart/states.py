"""The states of a flow as written: rows, actions, delays and invocations, every name resolved.

Reads tolerantly: what the schema has refused already is passed over, so that the rest is still checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from engine.chart.compile import lineage
from engine.chart.expressions import Vocables, compile_expression
from engine.chart.faults import Faults, is_empty, name_hint
from engine.chart.model import (
    BOOL,
    COUNT,
    DURATION,
    DURATION_RANGE,
    Action,
    Counter,
    Delay,
    EventKind,
    Expression,
    Invoke,
    Listing,
    Mapped,
    Node,
    Parameter,
    Row,
    RowKind,
    Scalar,
    Setting,
    Span,
    StateSpec,
    Type,
    Verb,
)
from engine.chart.units import LiteralError, parse_literal

BUILT_IN_VERBS = ("set", "count", "reset", "raise")


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that a state may name."""

    events: Mapping[str, EventKind]
    raised: Mapping[str, str]
    verbs: Mapping[str, Verb]
    settings: Mapping[str, Setting]
    context: Mapping[str, Counter]
    names: Mapping[str, Type]
    refers: Mapping[str, frozenset[str]]
    states: Mapping[str, tuple[str, ...]]  # full name -> children; "" is the root

    @property
    def state_names(self) -> tuple[str, ...]:
        return tuple(name for name in self.states if name)

    def vocables(self, attributes: Mapping[str, Type] | None) -> Vocables:
        if attributes is None:
            return Vocables(self.names, self.state_names, frozenset({"event"}))
        return Vocables(
            {**self.names, **{f"event.{name}": kind for name, kind in attributes.items()}}, self.state_names
        )


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


def entry(node: Node | None, key: str) -> Node | None:
    return node.entries.get(key) if isinstance(node, Mapped) else None


class _StateReader:
    def __init__(self, known: Known, faults: Faults) -> None:
        self._known = known
        self._faults = faults

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
            about=_text(entry(node, "about")),
            entry=self._actions(entry(node, "entry"), {}) if name else (),
            exit=self._actions(entry(node, "exit"), {}) if name else (),
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
            setting, literal = self._delay(key)
            read = tuple(self._rows(rows, RowKind.AFTER, name, event, {}))
            into.delays.append(Delay(event, name, source, setting, literal, read, key.span))

    def _delay(self, key: Scalar) -> tuple[str | None, tuple[int, int] | None]:
        """A setting's name or a literal range; (None, None) after a report."""
        if key.text[:1].isdigit() or key.text[:1] == "-":
            try:
                value = parse_literal(key.text, DURATION_RANGE)
            except LiteralError as error:
                self._faults.report(error.code, key.span, error.message, error.hint)
                return None, None
            assert isinstance(value, tuple)
            return None, value
        return self._setting(key, (DURATION, DURATION_RANGE)), None

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
            when=self._expression(when, BOOL, attributes),
            actions=self._actions(entry(node, "do"), attributes),
            target=self._target(to, state) if isinstance(to, Scalar) else None,
            because=_text(entry(node, "because")),
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
            around = [f".{child.rpartition('.')[2]}" for scope in lineage(state) for child in self._known.states[scope]]
            return name_hint(word, around)
        return name_hint(word, names)

    # --- actions

    def _actions(self, node: Node | None, attributes: Mapping[str, Type] | None) -> tuple[Action, ...]:
        items = node.items if isinstance(node, Listing) else ()
        read = (self._action(item, attributes) for item in items)
        return tuple(action for action in read if action is not None)

    def _action(self, node: Node, attributes: Mapping[str, Type] | None, *, invoked: bool = False) -> Action | None:
        if not isinstance(node, Mapped) or len(node.entries) != 1:
            return None
        [(word, value)] = node.entries.items()
        if word in BUILT_IN_VERBS and not invoked:
            return self._built_in(word, value, node.span, attributes)
        verb = self._known.verbs.get(word)
        if verb is None:
            known = [*self._known.verbs, *(() if invoked else BUILT_IN_VERBS)]
            self._faults.report("N303", node.keys[word].span, f'no verb "{word}"', name_hint(word, known))
            return None
        if verb.replies != invoked:
            self._misplaced(verb, node.keys[word].span)
        return Action(word, self._arguments(verb, value, node.keys[word], attributes), node.span)

    def _misplaced(self, verb: Verb, span: Span) -> None:
        if verb.replies:
            message = f'verb "{verb.name}" finishes later; it may only stand in `invoke:`'
            hint = f"write `invoke: {{do: {{{verb.name}: …}}, timeout: 3s, done: …, error: …}}`"
        else:
            message = f'verb "{verb.name}" has no reply; it may not stand in `invoke:`'
            hint = "put it under `entry:` or `do:`"
        self._faults.report("N312", span, message, hint)

    def _built_in(self, word: str, value: Node, span: Span, attributes: Mapping[str, Type] | None) -> Action | None:
        if word == "set":
            return self._set(value, span, attributes)
        what = "event" if word == "raise" else "counter"
        if not isinstance(value, Scalar) or is_empty(value):
            self._faults.report(
                "F203", value.span, f"`{word}` needs the name of one {what}", f"write `{{{word}: name}}`"
            )
            return None
        if word == "raise":
            if value.text not in self._known.raised:
                hint = name_hint(value.text, self._known.raised, nothing="declare it under `events:`")
                self._faults.report("N302", value.span, f'the flow raises no event "{value.text}"', hint)
                return None
            return Action(word, {"event": value.text}, span)
        counter = self._counter(value)
        if counter is None:
            return None
        if word == "count" and counter.type != COUNT:
            self._faults.report(
                "T403", value.span, f"{counter.name} is a {counter.type}, expected a count", "use `set`"
            )
            return None
        return Action(word, {"counter": value.text}, span)

    def _set(self, value: Node, span: Span, attributes: Mapping[str, Type] | None) -> Action | None:
        if not isinstance(value, Mapped) or not value.entries:
            self._faults.report("F203", value.span, "`set` needs counters and values", "write `{set: {name: value}}`")
            return None
        arguments: dict[str, Expression | str] = {}
        for name, given in value.entries.items():
            counter = self._counter(value.keys[name])
            expression = None if counter is None else self._expression(given, counter.type, attributes)
            if expression is not None:
                arguments[name] = expression
        return Action("set", arguments, span)

    def _counter(self, scalar: Scalar) -> Counter | None:
        counter = self._known.context.get(scalar.text)
        if counter is None and f"context.{scalar.text}" not in self._known.names:
            bare = scalar.text.removeprefix("context.")
            hint = name_hint(bare, self._known.context, nothing="declare it under `context:`")
            self._faults.report("N305", scalar.span, f'no counter "{scalar.text}"', hint)
        return counter

    def _arguments(
        self, verb: Verb, value: Node, key: Scalar, attributes: Mapping[str, Type] | None
    ) -> dict[str, Expression | str]:
        given = self._given(verb, value)
        if given is None:
            return {}
        arguments: dict[str, Expression | str] = {}
        for parameter in verb.parameters:
            node = given.get(parameter.name)
            if node is None and parameter.default is not None:
                node = Scalar(parameter.default, False, key.span)
            if node is not None:
                argument = self._argument(parameter, node, attributes)
                if argument is not None:
                    arguments[parameter.name] = argument
            elif parameter.required:
                message = f'verb "{verb.name}" misses its parameter "{parameter.name}" ({parameter.about})'
                self._faults.report("N307", key.span, message, f"write `{{{verb.name}: {{{parameter.name}: …}}}}`")
        return arguments

    def _given(self, verb: Verb, value: Node) -> dict[str, Node] | None:
        names = [parameter.name for parameter in verb.parameters]
        if is_empty(value):
            return {}
        if isinstance(value, Scalar) and names:
            return {names[0]: value}
        if isinstance(value, Mapped) and names:
            for name, scalar in value.keys.items():
                if name not in names:
                    message = f'verb "{verb.name}" has no parameter "{name}"'
                    self._faults.report("N306", scalar.span, message, name_hint(name, names))
            return {name: node for name, node in value.entries.items() if name in names}
        expected = "a value, or a mapping of parameters" if names else "nothing"
        self._faults.report(
            "F203",
            value.span,
            f'verb "{verb.name}" takes {expected}',
            f"write `{{{verb.name}: {{{names[0]}: …}}}}`" if names else f"write `{{{verb.name}: }}`",
        )
        return None

    def _argument(
        self, parameter: Parameter, node: Node, attributes: Mapping[str, Type] | None
    ) -> Expression | str | None:
        if parameter.refers_to is None:
            assert parameter.type is not None
            return self._expression(node, parameter.type, attributes)
        declared = self._known.refers.get(parameter.refers_to, frozenset())
        if not isinstance(node, Scalar):
            message = f"{parameter.name} needs the name of one {parameter.refers_to}"
            self._faults.report("F203", node.span, message, name_hint("", declared))
            return None
        if node.text not in declared:
            message = f'no {parameter.refers_to} "{node.text}" is declared'
            self._faults.report("N310", node.span, message, name_hint(node.text, declared))
            return None
        return node.text

    def _expression(
        self, node: Node | None, expected: Type, attributes: Mapping[str, Type] | None
    ) -> Expression | None:
        if node is None:
            return None
        if not isinstance(node, Scalar):
            shape = "a list" if isinstance(node, Listing) else "a mapping"
            self._faults.report(
                "F203", node.span, f"found {shape}, expected an expression of type {expected}", "write one value"
            )
            return None
        return compile_expression(node, expected, among=self._known.vocables(attributes), faults=self._faults)

    # --- invoke, ignore, defer

    def _invoke(self, name: str, node: Node | None) -> Invoke | None:
        do = entry(node, "do")
        if not isinstance(node, Mapped) or do is None:
            return None
        action = self._action(do, {}, invoked=True)
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
                ignored[event] = (_text(reason), node.keys[event].span)
        return ignored

    def _deferred(self, node: Node | None) -> frozenset[str]:
        events = [item for item in node.items if isinstance(item, Scalar)] if isinstance(node, Listing) else []
        for event in events:
            self._event_attributes(event)
        return frozenset(event.text for event in events)


def _flag(node: Node, key: str) -> bool:
    return _text(entry(node, key)) == "true"


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) else ""
