"""Flow text to a compiled Flow, or every finding of YAML, structure, names and types in one go.

Performs no I/O but for the schema that ships with the package. Findings about the chart as a whole are `validate`'s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from engine.chart.arithmetic import UNKNOWN
from engine.chart.compile import compile_states
from engine.chart.expressions import Vocables, compile_expression
from engine.chart.faults import Faults, in_file_order, name_hint, nearest_name
from engine.chart.known import Known, entry, text_of
from engine.chart.model import (
    BOOL,
    Counter,
    Expression,
    Flow,
    FlowError,
    Listing,
    Mapped,
    Node,
    Property,
    Scalar,
    SectionResult,
    Setting,
    Span,
    Type,
    Vocabulary,
)
from engine.chart.settings import proof_settings, read_context, read_literal, read_settings
from engine.chart.states import read_states, state_tree
from engine.chart.structure import schema_findings, shipped_schema
from engine.chart.yaml_nodes import parse_nodes, read_nodes

__all__ = ["load_flow", "read_nodes"]

PROPERTY_KINDS = ("always", "never", "sometimes", "leads_to", "on_entry", "on_exit")
_DOMAIN_KEYS = ("accounts", "legs", "hedging")


def load_flow(text: str, *, file: str, vocabulary: Vocabulary) -> Flow:
    """The compiled flow. Raises: FlowError with all findings that make it unusable."""
    faults = Faults()
    root = parse_nodes(text, faults, file=file)
    if root is not None:
        schema = _schema_for(vocabulary)
        faults.add(schema_findings(root, schema))
        if isinstance(root, Mapped):
            return _Reading(_repaired(root, schema["properties"]), vocabulary, faults).flow(text, file)
    raise FlowError(in_file_order(faults.findings))


def _repaired(root: Mapped, known: Mapping[str, Any]) -> Mapped:
    """A misspelt top-level key (reported already) under its right name, lest all that it declares seems missing."""
    entries, keys = dict(root.entries), dict(root.keys)
    for wrong in [key for key in entries if key not in known]:
        right = nearest_name(wrong, [key for key in known if key not in entries])
        if right is not None:
            entries[right], keys[right] = entries.pop(wrong), keys.pop(wrong)
    return Mapped(entries, keys, root.span)


def _schema_for(vocabulary: Vocabulary) -> Mapping[str, Any]:
    """The shipped schema with exactly the sections of this vocabulary."""
    schema = shipped_schema("flow.schema.json")
    core = {key: value for key, value in schema["properties"].items() if key not in _DOMAIN_KEYS}
    sections = {key: schema["properties"].get(key, {}) for key in vocabulary.sections}
    return {**schema, "properties": core | sections}


class _Reading:
    """One reading of one file: declarations first, then the sections, then what names them."""

    def __init__(self, root: Mapped, vocabulary: Vocabulary, faults: Faults) -> None:
        self._root = root
        self._vocabulary = vocabulary
        self._faults = faults
        self._settings = read_settings(entry(root, "settings"), faults)
        self._context = read_context(entry(root, "context"), faults)
        self._raised = self._raised_events()
        self._tree = state_tree(entry(root, "states"))
        self._names = {
            **vocabulary.names,
            **_untyped_names(root),
            **_declared_names(self._settings, self._context),
        }

    def flow(self, text: str, file: str) -> Flow:
        name = self._name(file)
        sections = self._sections()
        states = read_states(self._root, self._known(sections), self._faults)
        invariants, properties = self._invariants(), self._properties()
        self._unique_names([*invariants, *properties])
        proof = proof_settings(entry(self._root, "prove"), self._settings, self._faults)
        self._faults.raise_if_any()
        compiled = compile_states(states)
        return Flow(
            name=name,
            version=int(text_of(entry(self._root, "version"))),
            about=text_of(entry(self._root, "about")),
            file=file,
            digest=hashlib.sha256(text.encode()).hexdigest(),
            text=text,
            settings=self._settings,
            context=self._context,
            states=states,
            leaves=compiled.leaves,
            initial=compiled.initial,
            table=compiled.table,
            always=compiled.always,
            deferred=compiled.deferred,
            ignored=compiled.ignored,
            invariants=invariants,
            properties=properties,
            raised=self._raised,
            sections=sections,
            vocabulary=self._vocabulary,
            proof=proof,
        )

    def _name(self, file: str) -> str:
        node = entry(self._root, "flow")
        name, path = text_of(entry(self._root, "flow")), PurePath(file)
        if isinstance(node, Scalar) and path.suffix in (".yaml", ".yml") and path.stem != name:
            message = f'the flow is called "{name}", its file "{path.name}"'
            self._faults.report("F206", node.span, message, f"write `flow: {path.stem}` or rename the file")
        return name

    def _raised_events(self) -> dict[str, str]:
        node = entry(self._root, "events")
        if not isinstance(node, Mapped):
            return {}
        for name, key in node.keys.items():
            if name in self._vocabulary.events:
                message = f'event "{name}" comes from outside already ({self._vocabulary.events[name].about})'
                self._faults.report("N311", key.span, message, "choose another name")
        return {name: about.text for name, about in node.entries.items() if isinstance(about, Scalar)}

    # --- the domain's sections

    def _sections(self) -> dict[str, SectionResult]:
        results: dict[str, SectionResult] = {}
        for key, read in self._vocabulary.sections.items():
            node = entry(self._root, key)
            result = read(node, _Tools(self._names, self._state_names, results, self._faults))
            for name in result.names:
                if name in self._names:
                    span = self._root.keys[key].span if key in self._root.keys else self._root.span
                    self._faults.report("N311", span, f'section {key} declares "{name}", which exists already')
            self._names.update(result.names)
            results[key] = result
        return results

    @property
    def _state_names(self) -> tuple[str, ...]:
        return tuple(name for name in self._tree if name)

    def _known(self, sections: Mapping[str, SectionResult]) -> Known:
        refers: dict[str, frozenset[str]] = {}
        for result in sections.values():
            for kind, names in result.refers.items():
                refers[kind] = refers.get(kind, frozenset()) | names
        return Known(
            events=self._vocabulary.events,
            raised=self._raised,
            verbs=self._vocabulary.verbs,
            settings=self._settings,
            context=self._context,
            names=self._names,
            refers=refers,
            states=self._tree,
        )

    # --- invariants and properties

    def _invariants(self) -> tuple[Property, ...]:
        read = []
        for item in _mappings(entry(self._root, "invariants")):
            holds = self._expressions(item, ("holds",))
            read.append(Property(text_of(entry(item, "name")), "always", holds, None, item.span))
        return tuple(read)

    def _properties(self) -> tuple[Property, ...]:
        read = (self._property(item) for item in _mappings(entry(self._root, "properties")))
        return tuple(found for found in read if found is not None)

    def _property(self, item: Mapped) -> Property | None:
        kinds = [key for key in item.entries if key in PROPERTY_KINDS]
        if len(kinds) != 1:
            return None
        kind, name = kinds[0], text_of(entry(item, "name"))
        inner = item.entries[kind]
        match kind:
            case "leads_to":
                return Property(name, kind, self._expressions(inner, ("when", "then")), None, item.span)
            case "on_exit":
                state = self._state(entry(inner, "state"))
                return Property(name, kind, self._expressions(inner, ("holds",)), state, item.span)
            case "on_entry":
                self._entry_words(inner)
                state, found = self._state(entry(inner, "state")), self._expressions(inner, ("holds", "unless"))
                return Property(name, kind, found, state, item.span, self._origins(entry(inner, "from")))
            case _:
                found = self._expressions(item, (kind,))
                holds = {"holds": found[kind]} if kind in found else {}
                return Property(name, kind, holds, None, item.span)

    def _expressions(self, node: Node, keys: Sequence[str]) -> dict[str, Expression]:
        among = Vocables(self._names, self._state_names)
        found = {}
        for key in keys:
            scalar = entry(node, key)
            if isinstance(scalar, Scalar):
                expression = compile_expression(scalar, BOOL, among=among, faults=self._faults)
                if expression is not None:
                    found[key] = expression
        return found

    def _entry_words(self, node: Node) -> None:
        given = [word for word in ("from", "holds", "unless") if entry(node, word) is not None]
        if given not in ([], ["from"], ["from", "unless"], ["holds"]):  # none: the schema has said so
            message = f"on_entry with {' and '.join(given)}: expected `from`, or `from` and `unless`, or `holds`"
            self._faults.report(
                "F205", node.span, message, "`{state: NAME, from: [NAME]}` or `{state: NAME, holds: …}`"
            )

    def _origins(self, node: Node | None) -> tuple[str, ...]:
        listed = node.items if isinstance(node, Listing) else (node,)
        return tuple(name for name in map(self._state, listed) if name is not None)

    def _state(self, node: Node | None) -> str | None:
        if not isinstance(node, Scalar):
            return None
        if self._state_names and node.text not in self._state_names:
            self._faults.report("N301", node.span, f'no state "{node.text}"', name_hint(node.text, self._state_names))
        return node.text

    def _unique_names(self, properties: Sequence[Property]) -> None:
        first: dict[str, Span] = {}
        for found in properties:
            before = first.setdefault(found.name, found.span)
            if before is not found.span:
                message = f'"{found.name}" is the name of two properties; first at line {before.line}'
                self._faults.report("F209", found.span, message, "choose another name")


class _Tools:
    """What a section's reader is handed (SectionTools)."""

    def __init__(
        self,
        names: Mapping[str, Type],
        states: Sequence[str],
        sections: Mapping[str, SectionResult],
        faults: Faults,
    ) -> None:
        self._names = names
        self._states = states
        self._sections = sections
        self._faults = faults

    def report(self, code: str, span: Span, message: str, hint: str = "") -> None:
        self._faults.report(code, span, message, hint)

    def expression(self, node: Node, expected: Type, names: Mapping[str, Type]) -> Expression | None:
        if not isinstance(node, Scalar):
            shape = "a list" if isinstance(node, Listing) else "a mapping"
            self._faults.report(
                "F203", node.span, f"found {shape}, expected an expression of type {expected}", "write one value"
            )
            return None
        among = Vocables({**self._names, **names}, self._states)
        return compile_expression(node, expected, among=among, faults=self._faults)

    def literal(self, node: Node, expected: Type) -> object | None:
        return read_literal(node, expected, self._faults)

    def declared(self, kind: str) -> frozenset[str]:
        return frozenset().union(*(result.refers.get(kind, frozenset()) for result in self._sections.values()))

    def nearest(self, word: str, among: Sequence[str]) -> str:
        near = nearest_name(word, among)
        return "" if near is None else f'; did you mean "{near}"?'


def _declared_names(settings: Mapping[str, Setting], context: Mapping[str, Counter]) -> dict[str, Type]:
    return {f"settings.{name}": setting.type for name, setting in settings.items()} | {
        f"context.{name}": counter.type for name, counter in context.items()
    }


def _untyped_names(root: Mapped) -> dict[str, Type]:
    """Every written name of settings and counters, for those whose declaration is faulty (and reported)."""
    return {
        f"{section}.{name}": UNKNOWN
        for section in ("settings", "context")
        if isinstance(declared := entry(root, section), Mapped)
        for name in declared.entries
    }


def _mappings(node: Node | None) -> list[Mapped]:
    return [item for item in node.items if isinstance(item, Mapped)] if isinstance(node, Listing) else []
