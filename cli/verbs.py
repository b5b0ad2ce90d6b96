"""`eagle verbs`: the reference of what a trading flow may say, from the vocabulary itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from cli.streams import format_option, write_result

if TYPE_CHECKING:
    from engine.chart.model import Type, Vocabulary
    from engine.trading.sections import Fact


@click.command()
@format_option("text", "json")
def verbs(style: str) -> int:
    """List the events, verbs and facts that a flow may use.

    \b
    Example:
      eagle verbs --format json
    """
    import json

    from engine.trading.vocabulary import trading_vocabulary

    vocabulary = trading_vocabulary()
    if style == "json":
        write_result(json.dumps(as_record(vocabulary), indent=2, ensure_ascii=False))
    else:
        write_result("\n".join(_lines(vocabulary)))
    return 0


def as_record(vocabulary: Vocabulary) -> dict[str, Any]:
    """The reference as plain values; docs/verbs.md is made of it."""
    from engine.trading.sections import LEG_FACTS
    from engine.trading.vocabulary import FACTS

    return {
        "events": [
            {
                "name": event.name, "about": event.about, "must_handle": event.must_handle,
                "attributes": {name: _type(kind) for name, kind in event.attributes.items()},
            }
            for event in vocabulary.events.values()
        ],
        "verbs": [
            {
                "name": verb.name, "about": verb.about, "replies": verb.replies,
                "parameters": [
                    {
                        "name": it.name, "about": it.about, "required": it.required, "default": it.default,
                        "type": None if it.type is None else _type(it.type), "refers_to": it.refers_to,
                    }
                    for it in verb.parameters
                ],
                "reply": {name: _type(kind) for name, kind in verb.reply_attributes.items()},
            }
            for verb in vocabulary.verbs.values()
        ],
        "facts": _facts(FACTS),
        "leg_facts": _facts(LEG_FACTS),
        "sections": list(vocabulary.sections),
    }  # fmt: skip


def _facts(facts: Mapping[str, Fact]) -> dict[str, dict[str, str]]:
    return {name: {"type": _type(fact.type), "about": fact.about} for name, fact in facts.items()}


def _lines(vocabulary: Vocabulary) -> list[str]:
    from engine.trading.sections import LEG_FACTS
    from engine.trading.vocabulary import FACTS

    lines = ["Events"]
    for event in vocabulary.events.values():
        attributes = ", ".join(f"{name}: {_type(kind)}" for name, kind in event.attributes.items())
        must = "  (no state may ignore it)" if event.must_handle else ""
        lines += [f"  {event.name}{must}", f"      {event.about}"]
        lines += [f"      event.{attributes.replace(', ', ', event.')}"] if attributes else []
    lines += ["", "Verbs"]
    for verb in vocabulary.verbs.values():
        lines += [f"  {verb.name}{'  (replies: stands in `invoke:`)' if verb.replies else ''}", f"      {verb.about}"]
        for it in verb.parameters:
            kind = f"name of a {it.refers_to}" if it.type is None else _type(it.type)
            need = "" if it.required else f"; default {it.default}" if it.default is not None else "; may be left out"
            lines.append(f"      {it.name}: {kind}{need} - {it.about}")
        reply = ", ".join(f"event.{name}: {_type(kind)}" for name, kind in verb.reply_attributes.items())
        lines += [f"      done: {reply}"] if reply else []
    lines += ["", "Facts"]
    lines += [f"  {name}: {_type(fact.type)} - {fact.about}" for name, fact in FACTS.items()]
    lines += ["", "Facts of each leg"]
    lines += [f"  LEG.{name}: {_type(fact.type)} - {fact.about}" for name, fact in LEG_FACTS.items()]
    return lines


def _type(kind: Type) -> str:
    return f"one of {', '.join(kind.members)}" if kind.members else kind.name
