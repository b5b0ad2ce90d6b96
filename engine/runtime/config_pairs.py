"""A config of several pairs as one config for each: what a pair says of its own stands before what all of them share.

A pair is a market whose fills of the source are hedged by themselves: thresholds, accounts and limits of its own, run
and journal rows of its own. The pairs of a config share venues, accounts and their clients.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from engine.chart.faults import Faults
from engine.chart.model import Finding, Mapped, Node, Scalar, Severity
from engine.runtime.config_values import Config

OWN = ("use", "settings", "limits", "guards")  # sections that a pair may change for itself


def pair_roots(root: Node, faults: Faults) -> list[Node]:
    """The roots of the single configs, in the order of `pairs:`; the root itself where there are none."""
    pairs = root.entries.get("pairs") if isinstance(root, Mapped) else None
    if not isinstance(root, Mapped) or not isinstance(pairs, Mapped):
        return [root]
    if "market" in root.keys:
        faults.report("G728", root.keys["market"].span, "`market` stands beside `pairs`", "remove one of them")
    if not pairs.entries:
        return [root]
    return [_root_of(root, name, pairs) for name in pairs.entries]


def _root_of(root: Mapped, name: str, pairs: Mapped) -> Mapped:
    own, key = pairs.entries[name], pairs.keys[name]
    entries = {name: node for name, node in root.entries.items() if name not in ("pairs", "market")}
    keys = {name: node for name, node in root.keys.items() if name in entries}
    entries["market"] = Scalar(name, quoted=True, span=key.span)
    keys["market"] = key
    for section in OWN:
        mine = own.entries.get(section) if isinstance(own, Mapped) else None
        if isinstance(own, Mapped) and mine is not None:
            entries[section] = _merged(entries.get(section), mine)
            keys.setdefault(section, own.keys[section])
    return Mapped(entries, keys, root.span)


def _merged(shared: Node | None, own: Node) -> Node:
    if not isinstance(shared, Mapped) or not isinstance(own, Mapped):
        return own
    return Mapped({**shared.entries, **own.entries}, {**shared.keys, **own.keys}, shared.span)


def joined(configs: Sequence[Config]) -> Config:
    """The first pair, with the others and with what all of them trade."""
    symbols: dict[str, dict[str, str]] = {}
    for config in configs:
        for venue, symbol in config.symbols.items():
            symbols.setdefault(venue, {})[symbol] = config.market
    first, *others = (replace(config, traded=symbols) for config in configs)
    return replace(first, others=tuple(others))


def pair_findings(configs: Sequence[Config]) -> Iterable[Finding]:
    """An account cannot tell pairs apart that trade one symbol there: a fill would be hedged twice, or not at all."""
    seen: dict[tuple[str, str], str] = {}
    for config in configs:
        for account in config.used_accounts:
            place = (account.name, config.symbols.get(account.venue, ""))
            first = seen.setdefault(place, config.market)
            if first != config.market:
                text = f"{config.market} and {first} are both {place[1]} on account {account.name}"
                hint = "give each pair a symbol of its own there, or another account"
                yield Finding("G728", Severity.ERROR, config.span("market"), text, hint)
