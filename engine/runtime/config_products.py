"""Reads what a config says of venues that have several products, demo trading, or a switch that cancels orders."""

from __future__ import annotations

from collections.abc import Mapping

from engine.chart.faults import Faults
from engine.chart.model import DURATION, Mapped, Node, Scalar
from engine.chart.settings import read_literal
from engine.runtime.config_values import VenueConfig

PRODUCT_KINDS = ("binance",)  # where one symbol names a market of spot and another one of futures
DEMO_KINDS = ("binance", "okx")
SWITCH_KINDS = ("binance", "binance usdm", "okx")
SWITCH_S = range(10, 121)  # what all these venues take
S = 1_000_000_000


def read_product(name: str, kind: str, node: Node, keys: Mapping[str, Node], faults: Faults) -> tuple[str, bool]:
    """Which product of the venue, "" for its usual one, and whether in its demo trading."""
    for key, kinds in (("product", PRODUCT_KINDS), ("demo", DEMO_KINDS)):
        if key in keys and kind not in kinds and isinstance(node, Mapped):
            what = f"`{key}` is for {' and '.join(kinds)}; venue {name} is {kind or 'paper'}"
            faults.report("G731", node.keys[key].span, what, f"remove `{key}`")
    demo = _text(keys.get("demo")) == "true"
    if demo and "url" in keys and isinstance(node, Mapped):
        faults.report(
            "G731", node.keys["demo"].span, f"venue {name} is local and has no demo trading", "remove `demo` or `url`"
        )
    return _text(keys.get("product")), demo


def read_switch(name: str, venue: VenueConfig | None, node: Node, keys: Mapping[str, Node], faults: Faults) -> int:
    """After how many seconds without us the venue cancels the account's orders; 0: never."""
    if "cancel_after" not in keys or not isinstance(node, Mapped):
        return 0
    span = node.keys["cancel_after"].span
    kind = "" if venue is None else f"{venue.kind} {venue.product}".strip()
    if kind not in SWITCH_KINDS:
        what = f"`cancel_after` is for binance futures and okx; account {name} is on {kind or 'no venue'}"
        faults.report("G731", span, what, "remove `cancel_after`")
        return 0
    if _text(keys.get("dedicated")) != "true":
        faults.report(
            "G732", span, f"the venue would cancel every order of {name}, whoever placed it",
            "add `dedicated: true` if all that the account holds is this program's, or remove `cancel_after`",
        )  # fmt: skip
    value = read_literal(keys["cancel_after"], DURATION, faults, what="cancel_after")
    seconds = value // S if isinstance(value, int) else 0
    if isinstance(value, int) and seconds not in SWITCH_S:
        faults.report("G731", span, f"cancel_after is {seconds} s; venues take 10 s to 120 s", "write 60s")
    return seconds


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) else ""
