"""What a flow has declared by the time that its states are read, and access to nodes that may have another shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.chart.checker import Vocables
from engine.chart.model import Counter, EventKind, Mapped, Node, Scalar, Setting, Type, Verb


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


def entry(node: Node | None, key: str) -> Node | None:
    return node.entries.get(key) if isinstance(node, Mapped) else None


def text_of(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) else ""
