"""The list of mutants that no rule notices, each with its reason; and what of a list is no longer true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.chart.model import Finding, FlowError, Listing, Mapped, Node, Scalar, Severity, Span
from engine.chart.structure import plain, schema_findings, shipped_schema
from engine.chart.yaml_nodes import read_nodes
from engine.verify.bounds import Bounds
from engine.verify.mutants import Fate


@dataclass(frozen=True, slots=True)
class Reason:
    """`equivalent`: nothing that a person or a venue could tell is different."""

    equivalent: bool
    because: str
    span: Span


@dataclass(frozen=True, slots=True)
class Survivors:
    """`worlds` are searched one after the other, until a rule notices a mutant; reasons are by the mutant's name."""

    flow: str
    worlds: tuple[Bounds, ...]
    reasons: Mapping[str, Reason]


def read_survivors(text: str, *, file: str) -> Survivors:
    """Raises: FlowError with every finding."""
    root = read_nodes(text, file=file)
    findings = schema_findings(root, shipped_schema("survivors.schema.json"))
    if findings or not isinstance(root, Mapped):
        raise FlowError(findings or [Finding("F203", Severity.ERROR, root.span, "a list of survivors is a mapping")])
    reasons: dict[str, Reason] = {}
    for name, reason in _reasons(root.entries["survivors"]):
        if name.text in reasons:
            before = reasons[name.text].span.line
            findings.append(
                Finding("F209", Severity.ERROR, name.span, f'"{name.text}" stands at line {before} already')
            )
        reasons[name.text] = reason
    if findings:
        raise FlowError(findings)
    told: Any = plain(root)
    return Survivors(told["flow"], tuple(map(_bounds, told["worlds"])), reasons)


def untrue(survivors: Survivors, fates: Mapping[str, Fate]) -> Iterator[tuple[str, str]]:
    """(name, what is wrong): names of no mutant, mutants that are noticed by now, survivors without a reason."""
    for name in survivors.reasons:
        fate = fates.get(name)
        if fate is None:
            yield name, "no mutant of the flow has this name"
        elif fate is not Fate.SURVIVED:
            yield name, f"it did not survive: {fate.value}"
    for name, fate in fates.items():
        if fate is Fate.SURVIVED and name not in survivors.reasons:
            yield name, "it survived, and no reason is given"


def _reasons(node: Node) -> Iterator[tuple[Scalar, Reason]]:
    for item in _items(node):
        assert isinstance(item, Mapped)
        told: Any = plain(item)
        for name in _items(item.entries["mutants"]):
            assert isinstance(name, Scalar)
            yield name, Reason(told["is"] == "equivalent", told["because"], name.span)


def _items(node: Node) -> tuple[Node, ...]:
    return node.items if isinstance(node, Listing) else ()


def _bounds(told: Mapping[str, Any]) -> Bounds:
    numbers = {name: int(value) for name, value in told.items() if name != "settings"}
    return replace(Bounds(settings=told.get("settings", {})), **numbers)  # type: ignore[arg-type]
