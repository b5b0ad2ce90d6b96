"""Settings and context counters: their declarations, and a run's typed values from defaults and config."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import ge, gt, le, lt
from typing import Any

from engine.chart.faults import Faults, name_hint, nearest_name
from engine.chart.model import (
    BOOL,
    BPS,
    COUNT,
    DURATION,
    DURATION_RANGE,
    MONEY,
    PRICE,
    QTY,
    RATIO,
    SIDE,
    TEXT,
    TICKS,
    Counter,
    Flow,
    Listing,
    Mapped,
    Node,
    Scalar,
    Setting,
    Span,
    Type,
)
from engine.chart.units import LiteralError, parse_literal, shown

TYPES: Mapping[str, Type] = {
    kind.name: kind
    for kind in (BOOL, COUNT, QTY, PRICE, MONEY, RATIO, BPS, TICKS, DURATION, DURATION_RANGE, SIDE, TEXT)
}

_BOUNDS: Mapping[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "above": ("above", gt),
    "at_least": ("at least", ge),
    "below": ("below", lt),
    "at_most": ("at most", le),
}
_UNBOUNDED = frozenset({BOOL, TEXT, SIDE})


def read_settings(node: Node | None, faults: Faults) -> dict[str, Setting]:
    """The declared settings; a faulty one keeps its name and type where these could be read."""
    settings = {}
    for name, entry in _entries(node).items():
        if isinstance(entry, Mapped) and isinstance(node, Mapped):
            kind = _setting_type(entry.entries.get("type"))
            if kind is not None:
                settings[name] = _setting(name, kind, entry, node.keys[name].span, faults)
    return settings


def read_context(node: Node | None, faults: Faults) -> dict[str, Counter]:
    counters = {}
    for name, entry in _entries(node).items():
        if isinstance(entry, Mapped) and isinstance(node, Mapped):
            kind = TYPES.get(_text(entry.entries.get("type")))
            if kind is not None and kind != DURATION_RANGE:
                counters[name] = _counter(name, kind, entry, node.keys[name].span, faults)
    return counters


def settings_values(flow: Flow, overrides: Mapping[str, Node], *, at: Span | None = None) -> dict[str, object]:
    """The value of every setting: the config's where it has one, else the default.

    `at` is where the config's settings stand, for the complaint about missing ones. Raises: FlowError with all faults.
    """
    faults = Faults()
    place = at or Span(flow.file, 1, 1, 1, 2)
    for name, node in overrides.items():
        if name not in flow.settings:
            faults.report(
                "G701", node.span, f'flow {flow.name} has no setting "{name}"', name_hint(name, flow.settings)
            )
    mistyped = {nearest_name(name, flow.settings) for name in overrides if name not in flow.settings}
    values: dict[str, object] = {}
    for name, setting in flow.settings.items():
        node_or_none = overrides.get(name)
        value = setting.default if node_or_none is None else _override(setting, node_or_none, faults)
        if value is not None:
            values[name] = value
        elif node_or_none is None and name not in mistyped:
            hint = f"add `{name}:` under settings" + (f" ({setting.about})" if setting.about else "")
            faults.report("G702", place, f"setting {name} of flow {flow.name} ({setting.type}) has no value", hint)
    faults.raise_if_any()
    return values


def proof_settings(node: Node | None, settings: Mapping[str, Setting], faults: Faults) -> dict[str, Node]:
    """`prove:`, setting -> literal of its type; what is wrong with it is reported."""
    for name, value in _entries(node).items():
        if name in settings:
            _override(settings[name], value, faults)
        else:
            faults.report("N304", _key_span(node, name), f'there is no setting "{name}"', name_hint(name, settings))
    return dict(_entries(node))


def read_literal(node: Node, expected: Type, faults: Faults, *, what: str = "") -> object | None:
    """The typed value of a scalar; reports and returns None for anything else."""
    prefix = f"{what}: " if what else ""
    if not isinstance(node, Scalar):
        shape = "a list" if isinstance(node, Listing) else "a mapping"
        faults.report(
            "F203", node.span, f"{prefix}found {shape}, expected a literal of type {expected}", "write one value"
        )
        return None
    try:
        return parse_literal(node.text, expected)
    except LiteralError as error:
        faults.report(error.code, node.span, f"{prefix}{error.message}", error.hint)
        return None


def _override(setting: Setting, node: Node, faults: Faults) -> object | None:
    value = read_literal(node, setting.type, faults, what=setting.name)
    if value is not None:
        _check_bounds(setting, value, node.span, faults)
    return value


def _setting_type(node: Node | None) -> Type | None:
    if isinstance(node, Mapped):
        choices = node.entries.get("one of")
        items = choices.items if isinstance(choices, Listing) else ()
        members = tuple(item.text for item in items if isinstance(item, Scalar))
        return Type("choice", members) if members else None
    return TYPES.get(_text(node))


def _setting(name: str, kind: Type, entry: Mapped, span: Span, faults: Faults) -> Setting:
    def literal(key: str, expected: Type) -> object | None:
        node = entry.entries.get(key)
        return None if node is None else read_literal(node, expected, faults, what=f"{name}.{key}")

    bounds: dict[str, object | None] = {key: _bound(name, key, kind, entry, faults) for key in _BOUNDS}
    setting = Setting(
        name, kind, literal("default", kind), _text(entry.entries.get("about")), span, **bounds,
        example=literal("example", kind),
    )  # fmt: skip
    for key, value in (("default", setting.default), ("example", setting.example)):
        if value is not None:
            _check_bounds(setting, value, entry.entries[key].span, faults)
    return setting


def _bound(name: str, key: str, kind: Type, entry: Mapped, faults: Faults) -> object | None:
    node = entry.entries.get(key)
    if node is None:
        return None
    if kind.members or kind in _UNBOUNDED:
        faults.report(
            "F207", entry.keys[key].span, f"{name}: a {kind} has no order, `{key}` means nothing", f"remove `{key}`"
        )
        return None
    return read_literal(node, DURATION if kind == DURATION_RANGE else kind, faults, what=f"{name}.{key}")


def _check_bounds(setting: Setting, value: object, span: Span, faults: Faults) -> None:
    ends = value if isinstance(value, tuple) else (value,)
    for key, (words, holds) in _BOUNDS.items():
        bound = getattr(setting, key)
        if bound is not None and not all(holds(end, bound) for end in ends):
            faults.report(
                "T405",
                span,
                f"{setting.name} is {shown(value, setting.type)}, expected {words} {shown(bound, setting.type)}",
                setting.about,
            )


def _counter(name: str, kind: Type, entry: Mapped, span: Span, faults: Faults) -> Counter:
    start_node, cap_node = entry.entries.get("start"), entry.entries.get("cap")
    start = None if start_node is None else read_literal(start_node, kind, faults, what=f"{name}.start")
    cap = None if cap_node is None else read_literal(cap_node, COUNT, faults, what=f"{name}.cap")
    if kind == COUNT and cap_node is None:
        faults.report("T410", span, f"counter {name} has no cap", "add `cap:`, the number at which counting stops")
    if kind != COUNT and cap_node is not None:
        faults.report("F207", entry.keys["cap"].span, f"{name}: only a count has a cap, found a {kind}", "remove `cap`")
    if isinstance(cap, int) and isinstance(start, int) and kind == COUNT and not 0 <= start <= cap:
        assert start_node is not None
        faults.report(
            "T405",
            start_node.span,
            f"{name} starts at {start}, expected 0 to its cap {cap}",
            "start lower or raise the cap",
        )
    return Counter(name, kind, start, cap if isinstance(cap, int) else None, _text(entry.entries.get("about")), span)


def _entries(node: Node | None) -> Mapping[str, Node]:
    return node.entries if isinstance(node, Mapped) else {}


def _key_span(node: Node | None, name: str) -> Span:
    assert isinstance(node, Mapped)
    return node.keys[name].span


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) else ""
