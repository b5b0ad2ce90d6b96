"""What an editor is told: a flow's schema filled with the words of a vocabulary, and of one flow if it is given.

Only words, never constraints: what is filled in completes and explains, and what is right is the loader's to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from engine.chart.model import (
    DURATION,
    DURATION_RANGE,
    EventKind,
    Flow,
    Parameter,
    Setting,
    Type,
    Verb,
    Vocabulary,
)
from engine.chart.units import shown

__all__ = ["BUILT_IN", "completed_config", "completed_schema", "config_words"]

Json = dict[str, Any]
# Of a key whose value the loader judges: the first is what an editor writes behind the key.
ANYTHING = ["string", "number", "boolean", "null", "object", "array"]
BUILT_IN: Mapping[str, tuple[str, object]] = {  # what each does, and what an editor writes
    "set": ("Write counters, in the order in which they stand.", {"${1:counter}": "${2:value}"}),
    "count": ("One more, up to the counter's cap.", "${1:counter}"),
    "reset": ("Set a counter back to its start.", "${1:counter}"),
    "draw": (
        "Write a random number between two bounds, both included.",
        {"into": "${1:counter}", "from": "${2:lowest}", "to": "${3:highest}"},
    ),
    "raise": ("Raise an event of `events:`; it runs before any event from outside.", "${1:event}"),
}


def completed_schema(
    schema: Mapping[str, Any],
    vocabulary: Vocabulary,
    *,
    facts: Mapping[str, tuple[Type, str]],
    flow: Flow | None = None,
) -> Json:
    """A copy of the flow schema with every event, verb and fact; `facts` tells what each name in a guard means."""
    filled = deepcopy(dict(schema))
    parts = filled["$defs"]
    own = {} if flow is None else {name: EventKind(name, about) for name, about in flow.raised.items()}
    events = {**vocabulary.events, **own}
    parts["on"]["properties"] = {
        name: {"$ref": "#/$defs/rows", "title": name, "description": _event_text(kind)} for name, kind in events.items()
    }
    parts["ignore"]["properties"] = {
        name: {"$ref": "#/$defs/reason", "title": name, "description": kind.about}
        for name, kind in events.items()
        if not kind.must_handle
    }
    parts["state"]["properties"]["defer"]["items"]["defaultSnippets"] = [
        _snippet(name, kind.about, name) for name, kind in events.items()
    ]
    refers = _things(flow)
    verbs = vocabulary.verbs.values()
    parts["action"]["properties"] = {
        **{name: _built_in(name, about, body, refers) for name, (about, body) in BUILT_IN.items()},
        **{verb.name: _verb(verb, refers) for verb in verbs if not verb.replies},
    }
    parts["invoked"]["properties"] = {verb.name: _verb(verb, refers) for verb in verbs if verb.replies}
    parts["expression"]["defaultSnippets"] = [
        _snippet(name, f"{kind}: {about}", name) for name, (kind, about) in {**facts, **_declared(flow)}.items()
    ]
    if flow is not None:
        _name_states(parts, flow)
        _name_timers(parts, flow)
    return filled


def _event_text(kind: EventKind) -> str:
    carries = ", ".join(f"`event.{name}`: {of}" for name, of in kind.attributes.items())
    told = [kind.about, f"Carries {carries}." if carries else "", "Never ignored." if kind.must_handle else ""]
    return " ".join(filter(None, told))


def _verb(verb: Verb, refers: Mapping[str, Iterable[str]]) -> Json:
    told = [verb.about, *(f"`{it.name}`: {_parameter_text(it)}." for it in verb.parameters)]
    if verb.reply_attributes:
        told.append(f"Replies {', '.join(f'`event.{name}`: {of}' for name, of in verb.reply_attributes.items())}.")
    about: Json = {"title": verb.name, "description": " ".join(told), "type": ANYTHING}
    if not verb.parameters:
        return about
    first, *more = verb.parameters
    about["defaultSnippets"] = _choices(refers.get(first.refers_to or "", ()), what=first.about) or [
        _snippet(first.name, first.about, f"${{1:{first.name}}}")
    ]
    if more:
        about["properties"] = {
            it.name: {"title": it.name, "description": _parameter_text(it), "type": ANYTHING} for it in verb.parameters
        }
        body = {it.name: f"${{{place}:{it.name}}}" for place, it in enumerate(verb.parameters, start=1)}
        about["defaultSnippets"].append(_snippet("all parameters", verb.about, body))
    return about


def _parameter_text(it: Parameter) -> str:
    kind = str(it.type) if it.type is not None else f"name of a {it.refers_to}"
    default = f", default {it.default}" if it.default is not None else ("" if it.required else ", may be left out")
    return f"{it.about} ({kind}{default})"


def _built_in(name: str, about: str, body: object, refers: Mapping[str, Iterable[str]]) -> Json:
    kind = {"count": "counter", "reset": "counter", "raise": "event"}.get(name, "")
    snippets = _choices(refers.get(kind, ()), what=f"{kind} of this flow") or [_snippet(name, about, body)]
    return {"title": name, "description": about, "type": ANYTHING, "defaultSnippets": snippets}


def _snippet(label: str, description: str, body: object) -> Json:
    return {"label": label, "description": description, "body": body}


def _choices(names: Iterable[str], *, what: str) -> list[Json]:
    return [_snippet(name, what, name) for name in names]


# --- the words of one flow


def _things(flow: Flow | None) -> dict[str, Iterable[str]]:
    """What verbs may name: counters, own events, and what the sections declare."""
    if flow is None:
        return {}
    declared: dict[str, Iterable[str]] = {"counter": flow.context, "event": flow.raised}
    for section in flow.sections.values():
        declared.update({kind: sorted(names) for kind, names in section.refers.items()})
    return declared


def _declared(flow: Flow | None) -> dict[str, tuple[Type, str]]:
    if flow is None:
        return {}
    return {
        **{f"settings.{name}": (it.type, it.about) for name, it in flow.settings.items()},
        **{f"context.{name}": (it.type, it.about) for name, it in flow.context.items()},
    }


def _name_states(parts: Json, flow: Flow) -> None:
    """Targets: `.name` of a state inside another, and every state by its full name."""
    full = [_snippet(name, state.about or name, name) for name, state in flow.states.items() if name]
    around: dict[str, list[str]] = {}
    for name, state in flow.states.items():
        if state.parent:
            around.setdefault(f".{name.rpartition('.')[2]}", []).append(state.parent)
    parts["target"]["defaultSnippets"] = [
        *(_snippet(short, f"in {', '.join(parents)}", short) for short, parents in around.items()),
        *full,
    ]
    parts["state_name"]["defaultSnippets"] = full


def _name_timers(parts: Json, flow: Flow) -> None:
    parts["after"]["properties"] = {
        name: {"$ref": "#/$defs/rows", "title": name, "description": it.about}
        for name, it in flow.settings.items()
        if it.type in (DURATION, DURATION_RANGE)
    }


# --- a config for a flow


def completed_config(schema: Mapping[str, Any], flow: Flow) -> Json:
    """A copy of the config schema with the settings and roles of this flow."""
    filled = deepcopy(dict(schema))
    filled.pop("allOf", None)
    for section, words in config_words(flow).items():
        filled["properties"][section]["properties"] = words["properties"]
    return filled


def config_words(flow: Flow) -> Json:
    """What a config for this flow may set, and the roles that it fills: words without constraints."""
    roles = sorted(name for section in flow.sections.values() for name in section.refers.get("role", ()))
    settings = {name: _setting_words(name, setting) for name, setting in flow.settings.items()}
    words = {name: {"title": name, "description": f"who plays the role {name} of {flow.name}"} for name in roles}
    return {"settings": {"properties": settings}, "use": {"properties": words}}


def _setting_words(name: str, it: Setting) -> Json:
    default = "required" if it.required else f"default {shown(it.default, it.type)}"
    kind = f"one of {', '.join(it.type.members)}" if it.type.members else str(it.type)
    told: Json = {"title": name, "description": f"{it.about or name} ({kind}; {default})"}
    values = dict.fromkeys(shown(value, it.type) for value in (it.example, it.default) if value is not None)
    values.update(dict.fromkeys(it.type.members))
    told["defaultSnippets"] = [_snippet(value, kind, value) for value in values]
    return told
