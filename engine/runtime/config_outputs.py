"""What a config says of logs, alerts and haste, all with defaults: `logs:`, `alerts:`, `keep_warm` and `busy_poll`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from engine.chart.faults import Faults
from engine.chart.model import COUNT, DURATION, Listing, Node, Scalar, Type
from engine.chart.settings import read_literal
from engine.chart.units import shown
from engine.runtime.config_values import AlertsConfig, LogsConfig
from engine.runtime.credentials import read_references
from engine.trading.effects import Level

SMALLEST_LOG = 10_000  # bytes; below it a log is mostly renamed
ON, OFF = "on", "off"
WARM_LEAST_NS, WARM_MOST_NS = 1_000_000, 1_000_000_000  # below it is all that a process does; beyond it nothing is warm
_BYTES = {"kB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
_SIZE = re.compile(r"([1-9][0-9]{0,5}) ?(kB|MB|GB)")


def read_logs(nodes: Mapping[str, Node], faults: Faults) -> LogsConfig:
    """The section `logs:`; what is faulty is reported and stands as its default."""
    plain = LogsConfig()
    folder = nodes.get("folder")
    return LogsConfig(
        folder=folder.text if isinstance(folder, Scalar) and folder.text else plain.folder,
        size=_size(nodes.get("size"), faults) or plain.size,
        keep=_above_zero("keep", nodes, COUNT, faults) or plain.keep,
    )


def read_alerts(nodes: Mapping[str, Node], faults: Faults) -> AlertsConfig:
    """The section `alerts:`; what is faulty is reported and stands as its default."""
    plain = AlertsConfig()
    level, command = nodes.get("level"), nodes.get("command")
    named = {each.name.lower(): each for each in Level}
    return AlertsConfig(
        level=named.get(level.text, plain.level) if isinstance(level, Scalar) else plain.level,
        command=_words(command),
        timeout_ns=_above_zero("timeout", nodes, DURATION, faults) or plain.timeout_ns,
        urls=read_references(nodes.get("urls"), faults, what="URL"),
        repeat_ns=_above_zero("repeat", nodes, DURATION, faults) or plain.repeat_ns,
        per_minute=_above_zero("per_minute", nodes, COUNT, faults) or plain.per_minute,
    )


def read_keep_warm(node: Node | None, faults: Faults) -> int:
    """Time between two hedges of a run's twin in ns; 0: there is none."""
    plain = 0
    if node is None or (isinstance(node, Scalar) and node.text == OFF):
        return plain
    value = read_literal(node, DURATION, faults, what="keep_warm")
    if not isinstance(value, int):
        return plain
    if not WARM_LEAST_NS <= value <= WARM_MOST_NS:
        faults.report("T405", node.span, f"keep_warm is {shown(value, DURATION)}, expected 1ms to 1s, or {OFF}")
    return value


def read_busy_poll(node: Node | None) -> bool:
    """Does the run keep a core to itself? The schema has told of any word but on and off."""
    return isinstance(node, Scalar) and node.text == ON


def _above_zero(name: str, nodes: Mapping[str, Node], kind: Type, faults: Faults) -> int | None:
    node = nodes.get(name)
    value = None if node is None else read_literal(node, kind, faults, what=name)
    if node is None or not isinstance(value, int):
        return None
    if value <= 0:
        faults.report("T405", node.span, f"{name} is {shown(value, kind)}, expected above 0")
        return None
    return value


def _size(node: Node | None, faults: Faults) -> int | None:
    if not isinstance(node, Scalar):
        return None  # the schema has told
    found = _SIZE.fullmatch(node.text)
    if found is None:
        faults.report("T401", node.span, f'size: "{node.text}" is no size', "write a size such as `500kB` or `10MB`")
        return None
    size = int(found[1]) * _BYTES[found[2]]
    if size < SMALLEST_LOG:
        faults.report("T405", node.span, f"size is {node.text}, expected {SMALLEST_LOG // 1000}kB or above")
        return None
    return size


def _words(node: Node | None) -> tuple[str, ...]:
    items = node.items if isinstance(node, Listing) else ()
    return tuple(item.text for item in items if isinstance(item, Scalar))
