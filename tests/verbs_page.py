"""docs/verbs.md: what a trading flow may say, from the same record as `eagle verbs --format json`."""

from __future__ import annotations

from typing import Any

from page_kit import MADE, code, table

from cli.verbs import as_record
from engine.trading.vocabulary import trading_vocabulary

HEAD = f"""\
# Events, verbs and facts

What a trading flow may say, as `eagle verbs` prints it; [flow-format.md](flow-format.md) tells how.
{MADE}

S1 to S22 are the rules of [safety.md](safety.md), E1 to E20 the requirements of
[eagle_note_mapping.md](eagle_note_mapping.md#the-requirements-e1-to-e20).
"""
EVENTS = """\
## Events

A flow answers them under `on:`, puts them off under `defer:` or gives a reason under `ignore:`; those marked *never
ignored* are answered or put off in every state. Only the flow's own legs speak through `order.…`; hedges and
flattening orders belong to the standing rule and show in the facts."""
VERBS = """\
## Verbs

One to an action: `{rest: opening}`. A verb that replies stands in `invoke:`; rows under its `done:` read the reply."""
FACTS = """\
## Facts

Guards read them by name. They are computed when they are read."""
LEG_FACTS = """\
## Facts of each leg

Read with the leg's name before them, such as `opening.filled`."""


def page() -> str:
    record = as_record(trading_vocabulary())
    lines = [HEAD, EVENTS, ""]
    lines += table(["event", "means", "carries"], map(_event, record["events"]))
    lines += [VERBS, "", *table(["verb", "does", "parameters", "reply"], map(_verb, record["verbs"]))]
    for head, facts in ((FACTS, record["facts"]), (LEG_FACTS, record["leg_facts"])):
        rows = [[code(name), fact["type"], fact["about"]] for name, fact in facts.items()]
        lines += [head, "", *table(["fact", "type", "means"], rows)]
    return "\n".join(lines).rstrip() + "\n"


def _event(event: dict[str, Any]) -> list[str]:
    must = " *Never ignored.*" if event["must_handle"] else ""
    return [code(event["name"]), f"{event['about']}{must}", _attributes(event["attributes"])]


def _verb(verb: dict[str, Any]) -> list[str]:
    reply = (_attributes(verb["reply"]) or "done") if verb["replies"] else ""
    return [code(verb["name"]), verb["about"], "<br>".join(map(_parameter, verb["parameters"])), reply]


def _parameter(it: dict[str, Any]) -> str:
    kind = f"name of a {it['refers_to']}" if it["type"] is None else it["type"]
    need = "" if it["required"] else f", default {it['default']}" if it["default"] is not None else ", may be left out"
    return f"{code(it['name'])}: {it['about']} ({kind}{need})"


def _attributes(attributes: dict[str, str]) -> str:
    return "<br>".join(f"{code('event.' + name)}: {kind}" for name, kind in attributes.items())
