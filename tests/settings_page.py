"""docs/settings.md: every key of a config from its schema, every setting of a shipped flow from the flow file.

A key's description ends in its type and, where it has one, its default: `meaning; duration; default: 5ms`. Where the
schema itself lists the values, the type is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from page_kit import MADE, code, table

from engine.chart.load import load_flow
from engine.chart.model import Flow, Setting
from engine.chart.settings import TYPES
from engine.chart.structure import shipped_schema
from engine.chart.units import shown
from engine.trading.vocabulary import trading_vocabulary

HEAD = f"""\
# Settings

Every key of a config (`eagle run --config FILE`) and every setting of the shipped flows.
{MADE}

[examples/eagle_paper.yaml](examples/eagle_paper.yaml) is a complete config with comments; `eagle validate` checks one.

How a value of each type is written, with its unit, is told in
[flow-format.md](flow-format.md#values-and-their-units). Quantities are in base units, money and prices in quote units
of the market; `text` is any text. A word in capitals stands for a name of yours: `venues.VENUE.latency` is the
latency of each venue. A flow without `hedging:` holds its position on purpose: its config may not set `unhedged_hard`,
`unhedged_soft_age`, `unhedged_hard_age`, `margin_buffer`, `dust_cap` and `max_round_cost`, which bound hedging, and its
`max_net` is 20 x quantity unless set. S1 to S22 are the rules of [safety.md](safety.md), E1 to E20 the requirements of
[eagle_note_mapping.md](eagle_note_mapping.md#the-requirements-e1-to-e20).
"""
_LEAF = re.compile(r"(?P<meaning>.*?)(?:; (?P<type>[^;:]+))?(?:; default: (?P<default>[^;]+))?")
_KNOWN = {*TYPES, "text", "references", "see its flow"}


class Undocumented(Exception):
    """A key whose description does not say what it is."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a config; `default` is "required" for a key that must be there."""

    name: str
    type: str
    default: str
    meaning: str


def page() -> str:
    lines = [HEAD, "## A config", ""]
    schema = shipped_schema("config.schema.json")
    plain, sections = _parted(schema)
    lines += table(["key", "type", "default", "meaning"], map(_row, plain))
    for name, (about, keys) in sections.items():
        lines += [f"### {name}", "", f"{about[0].upper()}{about[1:]}.", ""]
        lines += table(["key", "type", "default", "meaning"], map(_row, keys))
    for flow in shipped_flows():
        lines += [f"## Settings of {flow.name}", "", f"{flow.about}", ""]
        rows = [_setting_row(setting) for setting in flow.settings.values()]
        lines += table(["setting", "type", "default", "bounds", "meaning"], rows)
    return "\n".join(lines).rstrip() + "\n"


def shipped_flows() -> Iterator[Flow]:
    for file in sorted(resources.files("flows").iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".yaml"):
            yield load_flow(file.read_text("utf-8"), file=file.name, vocabulary=trading_vocabulary())


def keys_of(schema: Mapping[str, Any], prefix: str = "", *, required: bool = False) -> Iterator[Key]:
    """Every key below a schema, by its dotted name; a name that the user gives is in capitals."""
    if schema.get("writeOnly"):  # the shape of a reference is told once, in secrets.md
        yield _leaf(prefix.rstrip("."), schema, required=required)
    elif "properties" in schema:
        for name, part in schema["properties"].items():
            yield from keys_of(part, f"{prefix}{name}.", required=name in schema.get("required", ()))
    elif isinstance(schema.get("additionalProperties"), Mapping):
        name = schema.get("propertyNames", {}).get("title", "NAME")
        yield from keys_of(schema["additionalProperties"], f"{prefix}{name}.")
    elif schema.get("type") == "array":
        yield from keys_of(schema["items"], f"{prefix.rstrip('.')}[].")
    elif "anyOf" in schema:
        yield Key(prefix.rstrip("."), " or ".join(each["title"] for each in schema["anyOf"]), "", "")
    else:
        yield _leaf(prefix.rstrip("."), schema, required=required)


def _leaf(name: str, schema: Mapping[str, Any], *, required: bool) -> Key:
    found = _LEAF.fullmatch(schema.get("description", ""))
    kind = ""
    if "enum" in schema:
        kind = " | ".join(schema["enum"])
    elif "const" in schema:
        kind = schema["const"]
    elif found is not None and found["type"] in _KNOWN:
        kind = found["type"]
    if found is None or not found["meaning"] or not kind:
        raise Undocumented(
            f"config key {name}: its description in the schema must read `meaning; TYPE` or"
            f" `meaning; TYPE; default: VALUE`, with a type of {', '.join(sorted(_KNOWN))};"
            f" found {schema.get('description')!r}"
        )
    return Key(name, kind, "required" if required else found["default"] or "", found["meaning"])


def _parted(schema: Mapping[str, Any]) -> tuple[list[Key], dict[str, tuple[str, list[Key]]]]:
    """Keys that hold a value, and the sections, each with what it is about."""
    plain: list[Key] = []
    sections: dict[str, tuple[str, list[Key]]] = {}
    for name, part in schema["properties"].items():
        required = name in schema["required"]
        keys = list(keys_of(part, f"{name}.", required=required))
        if [key.name for key in keys] == [name]:
            plain += keys
        else:
            about = f"{part['description']}{'; required' if required else ''}"
            keys = [key if key.meaning else Key(key.name, key.type, key.default, part["description"]) for key in keys]
            sections[name] = (about, keys)
    return plain, sections


def _row(key: Key) -> list[str]:
    default = key.default if key.default == "required" or "'" in key.default else code(key.default)
    return [code(key.name), key.type, default, key.meaning]


def _setting_row(setting: Setting) -> list[str]:
    default = "required" if setting.required else code(shown(setting.default, setting.type))
    bounds = [
        f"{word} {shown(value, setting.type)}"
        for word, value in (
            ("above", setting.above), ("at least", setting.at_least), ("below", setting.below),
            ("at most", setting.at_most),
        )
        if value is not None
    ]  # fmt: skip
    kind = " | ".join(setting.type.members) if setting.type.members else setting.type.name
    return [code(setting.name), kind, default, ", ".join(bounds), setting.about]
