"""A flow as Mermaid text (stateDiagram-v2), as GitHub renders it."""

from __future__ import annotations

from collections.abc import Iterator

from engine.chart.journey import Journey, walked
from engine.chart.model import Flow
from engine.chart.picture import ANYWHERE, Picture, anywhere_in, picture_of

__all__ = ["mermaid"]

# Signs that Mermaid's state grammar reads as its own inside a label: entity codes keep them text.
ENTITIES = {
    "#": "#35;",
    ";": "#59;",
    ":": "#58;",
    '"': "#quot;",
    "<": "#lt;",
    ">": "#gt;",
    "{": "#123;",
    "}": "#125;",
    "`": "#96;",
}
RESERVED = frozenset({"end", "state", "note", "class", "direction", "default", "style", "as"})
STYLES = {
    "now": "fill:#ffd54f,stroke:#b26a00,color:#000,stroke-width:3px",
    "aside": "fill:#f6f6f6,stroke:#9e9e9e,color:#333",
    "anywhere": "fill:#fff,stroke:#9e9e9e,color:#333,stroke-dasharray:4 3",
    "visited": "fill:#dcedc8,stroke:#33691e,color:#000,stroke-width:2px",
}


def mermaid(flow: Flow, *, highlight: str | None = None, journey: Journey | None = None) -> str:
    """The diagram's text; `highlight` names a state to be shown as the current one.

    With a journey, only edges that were taken have words, numbered in their order, and states say how long the chart
    stood there: Mermaid cannot draw one edge of a state diagram otherwise than the next.
    """
    picture = picture_of(flow) if journey is None else walked(picture_of(flow), journey)
    visited = [] if journey is None else [name for name in flow.leaves if name in journey.states]
    lines = ["stateDiagram-v2", "    direction TB"]
    for name, style in STYLES.items():
        if name != "visited" or visited:
            lines.append(f"    classDef {name} {style}")
    top = [name for name, state in flow.states.items() if name and not state.parent]
    for name in top:
        lines += _state(picture, name, "    ")
    anywhere = [_id(anywhere_in(name)) for name in flow.states if name and _speaks_for_all(picture, name)]
    if picture.lines[ANYWHERE] or any(edge.source == ANYWHERE for edge in picture.edges):
        lines += ['    state "any state" as ANYWHERE', *_own_lines(picture, ANYWHERE, "ANYWHERE", "    ")]
        anywhere.append("ANYWHERE")
    lines += _edges(picture)
    aside = [_id(name) for name in top if name not in picture.main and not flow.states[name].children]
    styled = {
        "anywhere": anywhere,
        "aside": aside,
        "visited": [_id(name) for name in visited],
        "now": [_id(highlight)] if highlight else [],
    }
    lines += [f"    class {','.join(names)} {style}" for style, names in styled.items() if names]
    return "\n".join(lines) + "\n"


def _state(picture: Picture, name: str, indent: str) -> Iterator[str]:
    state = picture.flow.states[name]
    short = name.rpartition(".")[2]
    if not state.children:
        yield f'{indent}state "{_text(short)}" as {_id(name)}'
        yield from _own_lines(picture, name, _id(name), indent)
        return
    yield f'{indent}state "{_text(short)}" as {_id(name)} {{'
    yield f"{indent}    [*] --> {_id(state.initial or state.children[0])}"
    if _speaks_for_all(picture, name):
        yield f'{indent}    state "any of {_text(short)}" as {_id(anywhere_in(name))}'
        yield from _own_lines(picture, name, _id(anywhere_in(name)), f"{indent}    ")
    for child in state.children:
        yield from _state(picture, child, f"{indent}    ")
    yield f"{indent}}}"


def _speaks_for_all(picture: Picture, name: str) -> bool:
    """A compound state that says or does something wherever in it the flow stands: Mermaid has no place for it."""
    return bool(picture.flow.states[name].children) and (picture.has_anywhere_in(name) or bool(picture.lines[name]))


def _own_lines(picture: Picture, name: str, identity: str, indent: str) -> Iterator[str]:
    for line in picture.lines[name]:
        yield f"{indent}{identity} : {_text(line)}"


def _edges(picture: Picture) -> Iterator[str]:
    yield f"    [*] --> {_id(picture.flow.initial.partition('.')[0])}"
    for edge in picture.edges:
        label = "<br/>".join(_text(text) for text in edge.labels)
        words = f" : {label}" if label else ""
        yield f"    {_id(edge.source) or 'ANYWHERE'} --> {_id(edge.target)}{words}"
    for name, state in picture.flow.states.items():
        if state.final:
            yield f"    {_id(name)} --> [*]"


def _id(name: str) -> str:
    """Mermaid's identifiers have no dots, and a few words are its own."""
    identity = name.replace(".*", ".ANY").replace(".", "__")
    return f"{identity}_" if identity.lower() in RESERVED else identity


def _text(text: str) -> str:
    return "".join(ENTITIES.get(character, character) for character in text)
