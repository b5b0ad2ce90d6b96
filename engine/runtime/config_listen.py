"""Reads what a config says of a venue that is only listened to: BiFu, whose addresses nobody can guess."""

from __future__ import annotations

from collections.abc import Mapping

from engine.chart.faults import Faults
from engine.chart.model import DURATION, Mapped, Node, Scalar
from engine.chart.settings import read_literal
from engine.chart.units import shown
from engine.runtime.config_values import ListenConfig

KEYS = (
    "private_url",
    "public_url",
    "stream_url",
    "side",
    "account_id",
    "keep",
    "sweep",
    "history_begin",
    "newest_first",
)
ADDRESSES = KEYS[:3]
MS, S = 1_000_000, 1_000_000_000
KEEP_LEAST_NS = 120 * S  # a comparison with the venue's lists looks a minute back, at what it finds in memory


def read_listen(name: str, node: Node, keys: Mapping[str, Node], faults: Faults) -> ListenConfig:
    """The keys of a BiFu venue. A local one has `url` for all three addresses."""
    plain = ListenConfig()
    if "url" in keys:
        for key in ADDRESSES:
            if key in keys:
                faults.report("G727", keys[key].span, f"venue {name} has a url and a {key}", "remove one of them")
    else:
        missing = [key for key in ADDRESSES if key not in keys]
        if missing and isinstance(node, Mapped):
            faults.report(
                "G727", node.span, f"venue {name} is BiFu and has no {', '.join(missing)}",
                "write the addresses that the venue gave you, or `url` for a local one; none is guessed",
            )  # fmt: skip
    addresses = {key: _text(keys.get(key)).rstrip("/") for key in ADDRESSES}
    return ListenConfig(
        private_url=addresses["private_url"],
        public_url=addresses["public_url"],
        stream_url=addresses["stream_url"],
        side=_text(keys.get("side")) or plain.side,
        account_id=_text(keys.get("account_id")),
        keep_ms=_duration(keys, "keep", plain.keep_ms * MS, faults, least=KEEP_LEAST_NS) // MS,
        sweep_ns=_duration(keys, "sweep", plain.sweep_ns, faults),
        history_begin=_text(keys.get("history_begin")),
        newest_first=_text(keys.get("newest_first")) == "true",
    )


def refuse_listen_keys(name: str, kind: str, keys: Mapping[str, Node], node: Node, faults: Faults) -> None:
    """Keys of a BiFu venue at another one."""
    for key in KEYS:
        if key in keys and isinstance(node, Mapped):
            what = f"`{key}` is for venues that are only listened to; venue {name} is {kind or 'paper'}"
            faults.report("G727", node.keys[key].span, what, f"remove `{key}`")


def _duration(keys: Mapping[str, Node], name: str, default: int, faults: Faults, *, least: int = 1) -> int:
    node = keys.get(name)
    value = None if node is None else read_literal(node, DURATION, faults, what=name)
    if node is None or not isinstance(value, int):
        return default
    if value < least:
        expected = f"at least {shown(least, DURATION)}" if least > 1 else "above 0"
        faults.report("T405", node.span, f"{name} is {shown(value, DURATION)}, expected {expected}")
        return default
    return value


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) else ""
