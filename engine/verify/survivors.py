"""The list of mutants that no rule notices or no world reaches, each with its reason; and what of it is not true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from engine.chart.model import Finding, FlowError, Listing, Mapped, Node, Scalar, Severity, Span
from engine.chart.structure import plain, schema_findings, shipped_schema
from engine.chart.yaml_nodes import read_nodes
from engine.verify.bounds import Bounds
from engine.verify.mutants import Fate

_OF = {"unreached": Fate.UNREACHED, "survived": Fate.SURVIVED}
_TOLD = frozenset(_OF.values())

Word = Literal["equivalent", "accepted", "unreached"]


@dataclass(frozen=True, slots=True)
class Reason:
    """`equivalent`: nothing that a person or a venue could tell is different; `unreached`: no world comes there."""

    word: Word
    because: str
    span: Span

    @property
    def of(self) -> Fate:
        """What becomes of a mutant that it is a reason for."""
        return Fate.UNREACHED if self.word == "unreached" else Fate.SURVIVED


@dataclass(frozen=True, slots=True)
class Searched:
    """One world of a campaign, and the mutants that are judged in it: of those that no rule has noticed yet."""

    bounds: Bounds
    of: frozenset[Fate] = frozenset({Fate.UNREACHED, Fate.SAME, Fate.SURVIVED})


@dataclass(frozen=True, slots=True)
class Survivors:
    """`worlds` are searched one after the other, until a rule notices a mutant; reasons are by the mutant's name."""

    flow: str
    worlds: tuple[Searched, ...]
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
    return Survivors(told["flow"], tuple(map(_world, told["worlds"])), reasons)


def untrue(survivors: Survivors, fates: Mapping[str, Fate]) -> Iterator[tuple[str, str]]:
    """(name, what is wrong): names of no mutant, reasons for what did not become of it, reasons that are missing."""
    for name, reason in survivors.reasons.items():
        fate = fates.get(name)
        if fate is None:
            yield name, "no mutant of the flow has this name"
        elif fate is not reason.of:
            yield name, f"it is listed as {reason.word}: {fate.value}"
    for name, fate in fates.items():
        if fate in _TOLD and name not in survivors.reasons:
            yield name, f"{fate.value}, and no reason is given"


def _reasons(node: Node) -> Iterator[tuple[Scalar, Reason]]:
    for item in _items(node):
        assert isinstance(item, Mapped)
        told: Any = plain(item)
        for name in _items(item.entries["mutants"]):
            assert isinstance(name, Scalar)
            yield name, Reason(told["is"], told["because"], name.span)


def _items(node: Node) -> tuple[Node, ...]:
    return node.items if isinstance(node, Listing) else ()


def _world(told: Mapping[str, Any]) -> Searched:
    numbers = {name: int(told[name]) for name in ("faults", "quantity", "takers", "fills", "overlaps") if name in told}
    bounds = replace(Bounds(settings=told.get("settings", {})), **numbers)  # type: ignore[arg-type]
    if "only" in told:
        bounds = replace(bounds, kinds=frozenset(told["only"]))
    return Searched(bounds, frozenset({_OF[told["of"]]})) if "of" in told else Searched(bounds)
