"""A flow as Mermaid text (stateDiagram-v2), as GitHub renders it."""

from __future__ import annotations

from collections.abc import Iterator

from engine.chart.model import Flow
from engine.chart.picture import ANYWHERE, Picture, picture_of

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
STYLES = {
    "now": "fill:#ffd54f,stroke:#b26a00,color:#000,stroke-width:3px",
    "aside": "fill:#f6f6f6,stroke:#9e9e9e,color:#333",
    "anywhere": "fill:#fff,stroke:#9e9e9e,color:#333,stroke-dasharray:4 3",
}


def mermaid(flow: Flow, *, highlight: str | None = None) -> str:
    """The diagram's text; `highlight` names a leaf to be shown as the current one."""
    picture = picture_of(flow)
    lines = ["stateDiagram-v2", "    direction TB"]
    for name, style in STYLES.items():
        lines.append(f"    classDef {name} {style}")
    top = [name for name, state in flow.states.items() if name and not state.parent]
    for name in top:
        lines += _state(picture, name, "    ")
    if picture.lines[ANYWHERE] or any(edge.source == ANYWHERE for edge in picture.edges):
        lines += ['    state "any state" as ANYWHERE', *_own_lines(picture, ANYWHERE, "ANYWHERE", "    ")]
        lines.append("    class ANYWHERE anywhere")
    lines += _edges(picture)
    aside = [_id(name) for name in top if name not in picture.main and not flow.states[name].children]
    lines += [f"    class {','.join(aside)} aside"] if aside else []
    lines += [f"    class {_id(highlight)} now"] if highlight else []
    return "\n".join(lines) + "\n"


def _state(picture: Picture, name: str, indent: str) -> Iterator[str]:
    state = picture.flow.states[name]
    short = name.rpartition(".")[2]
    if not state.children:
        yield f'{indent}state "{_text(short)}" as {_id(name)}'
        yield from _own_lines(picture, name, _id(name), indent)
        return
    yield f'{indent}state "{_text("; ".join([short, *picture.lines[name]]))}" as {_id(name)} {{'
    yield f"{indent}    [*] --> {_id(state.initial or state.children[0])}"
    for child in state.children:
        yield from _state(picture, child, f"{indent}    ")
    yield f"{indent}}}"


def _own_lines(picture: Picture, name: str, identity: str, indent: str) -> Iterator[str]:
    for line in picture.lines[name]:
        yield f"{indent}{identity} : {_text(line)}"


def _edges(picture: Picture) -> Iterator[str]:
    yield f"    [*] --> {_id(picture.flow.initial.partition('.')[0])}"
    for edge in picture.edges:
        label = "<br/>".join(_text(text) for text in edge.labels)
        yield f"    {_id(edge.source) or 'ANYWHERE'} --> {_id(edge.target)} : {label}"
    for name, state in picture.flow.states.items():
        if state.final:
            yield f"    {_id(name)} --> [*]"


def _id(name: str) -> str:
    """Mermaid's identifiers have no dots, and a few words of its own."""
    return f"{name.replace('.', '__')}" if name.lower() not in ("end", "state", "note", "class") else f"{name}_"


def _text(text: str) -> str:
    return "".join(ENTITIES.get(character, character) for character in text)
