"""The words in schemas/flow.schema.json and schemas/config.schema.json: made of the vocabulary and the shipped flows.

What else stands in these files is written by hand and kept.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from settings_page import shipped_flows

from engine.chart.editor import completed_schema, config_words
from engine.trading.vocabulary import facts_of, trading_vocabulary

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"


def flow_schema() -> str:
    return _text(completed_schema(_read("flow"), trading_vocabulary(), facts=facts_of()))


def config_schema() -> str:
    """One set of words for each shipped flow, for configs that name it."""
    schema = _read("config")
    schema["allOf"] = [
        {"if": _for_flow(flow.name), "then": {"properties": config_words(flow)}} for flow in shipped_flows()
    ]
    return _text(schema)


def _for_flow(name: str) -> dict[str, Any]:
    """A config that names no flow is for the eagle's."""
    named = {"properties": {"flow": {"const": name}}, "required": ["flow"]}
    return {"anyOf": [named, {"not": {"required": ["flow"]}}]} if name == "eagle_chicken" else named


def _read(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    return schema


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
