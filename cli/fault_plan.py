"""A fault plan's file to the rules that a local venue plays; every wrong key and value is told at its place."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from cli.locate import Source
from engine.chart.faults import Faults, name_hint, without_echoes
from engine.chart.model import COUNT, DURATION, RATIO, Listing, Mapped, Node, Scalar, Span, Type
from engine.chart.settings import read_literal
from engine.chart.structure import schema_findings, shipped_schema
from engine.chart.yaml_nodes import read_nodes
from exchanges.venues.faults import KINDS, MS, PPM, FaultKind, FaultPlan, FaultRule

TRIGGERS = ("nth", "every", "rate", "at")
_COUNTS = {"nth": "nth", "every": "every", "times": "times", "to": "to", "level": "level"}
_SIGNED = ("lots", "bps")
_DURATIONS = {"at": "at_ns", "delay": "delay_ns", "for": "for_ns", "longer": "longer_ns"}
_TEXTS = ("account", "symbol", "venue", "on", "of", "body", "reason", "phase")
_LISTS = ("nth", "at")
KEYS = {*_COUNTS, *_SIGNED, *_DURATIONS, *_TEXTS, "rate", "share", "by", "status"}  # others are told by the schema


def load_fault_plan(source: Source, *, venues: Mapping[str, tuple[str, ...]], simulated: bool = False) -> FaultPlan:
    """The plan for these venues and their accounts; faults of the program itself only where it is `simulated`.

    Raises: FlowError with all findings.
    """
    root, faults = read_nodes(source.text, file=source.file), Faults()
    faults.add(schema_findings(root, shipped_schema("faults.schema.json")))
    rows = root.entries.get("faults") if isinstance(root, Mapped) else None
    items = rows.items if isinstance(rows, Listing) else ()
    rules = [_rule(row, faults, venues, simulated=simulated) for row in items if isinstance(row, Mapped)]
    faults.findings = without_echoes(faults.findings)
    faults.raise_if_any()
    return FaultPlan(tuple(rule for rule in rules if rule is not None))


def _rule(row: Mapped, faults: Faults, venues: Mapping[str, tuple[str, ...]], *, simulated: bool) -> FaultRule | None:
    name = row.entries.get("fault")
    kind = KINDS.get(name.text) if isinstance(name, Scalar) else None
    if kind is None or not isinstance(name, Scalar):
        return None  # the schema has told it
    before = len(faults.findings)
    if kind.of_process and not simulated:
        hint = "it strikes the program, not a venue: leave it out here, or play the plan with `eagle simulate --faults`"
        faults.report("N312", name.span, f"no venue plays {name.text}", hint)
    if "phase" in row.entries and not simulated:
        hint = "leave the rule out here, or play the plan with `eagle simulate --faults`"
        faults.report("N312", row.keys["phase"].span, "no venue knows in which phase a program is", hint)
    _check_keys(name.text, kind, row, faults)
    _check_names(row, faults, venues)
    values: dict[str, object] = {"fault": name.text}
    for key, node in row.entries.items():
        values |= _value(key, node, faults)
    if len(faults.findings) > before:
        return None
    rule = FaultRule(**values)  # type: ignore[arg-type]
    if "longer" in row.entries and rule.longer_ns < rule.for_ns + MS:
        _outside("longer", row.keys["longer"].span, "no longer than `for`, expected a longer time", faults)
    return rule


def _check_keys(name: str, kind: FaultKind, row: Mapped, faults: Faults) -> None:
    given = [key for key in TRIGGERS if key in row.entries]
    for key in given[1:]:
        faults.report("F207", row.keys[key].span, f"`{key}` beside `{given[0]}`", "a fault has one trigger; keep one")
    taken = {*kind.takes, *kind.needs, "fault", "times", "venue", "account", "symbol", *TRIGGERS}
    taken -= {"at"} if kind.hook != "time" or "phase" in row.entries else set()
    taken |= {"phase"} if kind.hook in ("request", "time") and not kind.of_process else set()
    taken -= {"symbol"} if kind.hook in ("request", "frame", "connect") else set()
    for key, scalar in row.keys.items():
        if key not in taken and key in KEYS:
            faults.report("F201", scalar.span, f"`{key}` means nothing to {name}", name_hint(key, sorted(taken)))
    for key in kind.needs:
        if key not in row.entries:
            faults.report("F202", row.keys["fault"].span, f"{name} needs `{key}`", f"add `{key}:`")
    if kind.hook == "time" and not given:
        span = row.keys["fault"].span
        faults.report("F202", span, f"{name} needs a time", "add `at: 10s`, or `nth: 3` for the third fill")


def _check_names(row: Mapped, faults: Faults, venues: Mapping[str, tuple[str, ...]]) -> None:
    accounts = {account for names in venues.values() for account in names}
    for key, known in (("venue", list(venues)), ("account", sorted(accounts))):
        node = row.entries.get(key)
        if isinstance(node, Scalar) and node.text not in known:
            faults.report("N310", node.span, f'no {key} is named "{node.text}"', name_hint(node.text, known))


def _value(key: str, node: Node, faults: Faults) -> dict[str, object]:
    """The field of a rule that this key sets; empty after a report."""
    if key in _LISTS:
        items = node.items if isinstance(node, Listing) else (node,)
        read = [_count(key, it, faults) if key == "nth" else _literal(key, it, DURATION, faults) for it in items]
        return {} if None in read else {_COUNTS.get(key) or _DURATIONS[key]: tuple(read)}
    if key in _COUNTS:
        return _set(_COUNTS[key], _count(key, node, faults))
    if key in _SIGNED:
        return _set(key, _signed(key, node, faults))
    if key in _DURATIONS:
        return _set(_DURATIONS[key], _literal(key, node, DURATION, faults))
    if key in _TEXTS:
        return {key: node.text} if isinstance(node, Scalar) else {}
    if key in ("rate", "share"):
        return _portion(key, node, faults)
    if key == "by":
        return _skew(node, faults)
    return {"status": int(node.text)} if key == "status" and isinstance(node, Scalar) and node.text.isdigit() else {}


def _set(field: str, value: object | None) -> dict[str, object]:
    return {} if value is None else {field: value}


def _literal(key: str, node: Node, kind: Type, faults: Faults) -> object | None:
    return read_literal(node, kind, faults, what=key)


def _count(key: str, node: Node, faults: Faults) -> int | None:
    value = _literal(key, node, COUNT, faults)
    if not isinstance(value, int):
        return None
    if value < 1:
        _outside(key, node.span, f"{value}, expected 1 or above", faults)
        return None
    return value


def _signed(key: str, node: Node, faults: Faults) -> int | None:
    """A count that may be negative, but not nothing."""
    down = isinstance(node, Scalar) and node.text.startswith("-")
    if down and isinstance(node, Scalar):
        node = Scalar(node.text[1:], node.quoted, node.span)
    value = _count(key, node, faults)
    return -value if value is not None and down else value


def _portion(key: str, node: Node, faults: Faults) -> dict[str, object]:
    value = _literal(key, node, RATIO, faults)
    if not isinstance(value, Decimal):
        return {}
    if not 0 <= value <= 1 or (key == "rate" and not value):
        _outside(key, node.span, f"{value}, expected a part of 1 such as 0.05", faults)
        return {}
    return {"rate_ppm": int(value * PPM)} if key == "rate" else {"share": value}


def _skew(node: Node, faults: Faults) -> dict[str, object]:
    """A duration that may be negative: the venue's clock is behind."""
    behind = isinstance(node, Scalar) and node.text.startswith("-")
    if behind and isinstance(node, Scalar):
        node = Scalar(node.text[1:], node.quoted, node.span)
    value = _literal("by", node, DURATION, faults)
    return {"by_ms": (-value if behind else value) // MS} if isinstance(value, int) else {}


def _outside(key: str, span: Span, what: str, faults: Faults) -> None:
    faults.report("T405", span, f"{key} is {what}")
