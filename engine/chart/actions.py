"""Actions as written: verbs with their arguments, the built-in ones of the chart, and the expressions among them."""

from __future__ import annotations

from collections.abc import Mapping

from engine.chart.arithmetic import NUMERIC
from engine.chart.expressions import compile_expression
from engine.chart.faults import Faults, is_empty, name_hint
from engine.chart.known import Known
from engine.chart.model import (
    COUNT,
    Action,
    Counter,
    Expression,
    Listing,
    Mapped,
    Node,
    Parameter,
    Scalar,
    Span,
    Type,
    Verb,
)

BUILT_IN_VERBS = ("set", "count", "reset", "draw", "raise")


class ActionReader:
    """Reads actions; `attributes` are what `event.*` may name there, None where the event is unknown."""

    def __init__(self, known: Known, faults: Faults) -> None:
        self._known = known
        self._faults = faults

    def actions(self, node: Node | None, attributes: Mapping[str, Type] | None) -> tuple[Action, ...]:
        items = node.items if isinstance(node, Listing) else ()
        read = (self.action(item, attributes) for item in items)
        return tuple(action for action in read if action is not None)

    def action(self, node: Node, attributes: Mapping[str, Type] | None, *, invoked: bool = False) -> Action | None:
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
        if word == "draw":
            return self._draw(value, span, attributes)
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
            expression = None if counter is None else self.expression(given, counter.type, attributes)
            if expression is not None:
                arguments[name] = expression
        return Action("set", arguments, span)

    def _draw(self, value: Node, span: Span, attributes: Mapping[str, Type] | None) -> Action | None:
        given = value.entries if isinstance(value, Mapped) else {}
        into = given.get("into")
        if not isinstance(into, Scalar) or set(given) != {"into", "from", "to"}:
            hint = "write `{draw: {into: counter, from: lowest, to: highest}}`"
            self._faults.report("F203", value.span, "`draw` needs `into:`, `from:` and `to:`", hint)
            return None
        counter = self._counter(into)
        if counter is None:
            return None
        if counter.type not in NUMERIC:
            self._faults.report(
                "T403", into.span, f"{counter.name} is a {counter.type}, expected a number", "use `set`"
            )
            return None
        bounds = {key: self.expression(given[key], counter.type, attributes) for key in ("from", "to")}
        known = {key: bound for key, bound in bounds.items() if bound is not None}
        return Action("draw", {"into": counter.name, **known}, span) if len(known) == len(bounds) else None

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
            return self.expression(node, parameter.type, attributes)
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

    def expression(self, node: Node | None, expected: Type, attributes: Mapping[str, Type] | None) -> Expression | None:
        if node is None:
            return None
        if not isinstance(node, Scalar):
            shape = "a list" if isinstance(node, Listing) else "a mapping"
            self._faults.report(
                "F203", node.span, f"found {shape}, expected an expression of type {expected}", "write one value"
            )
            return None
        return compile_expression(node, expected, among=self._known.vocables(attributes), faults=self._faults)
