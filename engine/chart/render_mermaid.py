"""A flow as Mermaid text (stateDiagram-v2), as GitHub renders it.

States are boxes that say all they do, so that the lines between them need no words: Mermaid would spread the picture
over many screens to make room for labels.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from textwrap import wrap

from engine.chart.journey import Journey, Trail, trail_of
from engine.chart.model import Flow
from engine.chart.picture import Edge, Picture, phase_of, picture_of
from engine.chart.render_words import said_beside, said_by
from engine.chart.words import Kind, sheet_lines

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
INDENT = "    "
WIDTH = 46  # characters of a line in a box
STYLES = {
    "aside": "fill:#fdeae8,stroke:#b42318,color:#000",
    "words": "fill:#f7f8fa,stroke:#9aa4b2,color:#333,stroke-dasharray:4 3",
    "missed": "fill:#fff,stroke:#ccc,color:#999",
    "now": "fill:#ffd54f,stroke:#b26a00,color:#000,stroke-width:3px",
}


def mermaid(flow: Flow, *, highlight: str | None = None, journey: Journey | None = None) -> str:
    """The diagram's text; `highlight` names a state to be shown as the current one.

    With a journey, what was taken bears its numbers, and states say how long the chart stood there.
    """
    picture, trail = picture_of(flow), trail_of(flow, journey)
    lines = ["---", f"title: {_title(flow, journey)}", "---"]
    lines += ["stateDiagram-v2", f"{INDENT}direction TB"]
    lines += [f"{INDENT}classDef {name} {style}" for name, style in STYLES.items()]
    for name in picture.phases:
        lines += _state(picture, trail, name, INDENT)
    lines.append(f"{INDENT}[*] --> {_id(phase_of(flow.initial))}")
    lines += [f"{INDENT}{_edge(edge, trail)}" for edge in (*picture.within, *picture.ways)]
    lines += [f"{INDENT}{_id(name)} --> [*]" for name in picture.phases if flow.states[name].final]
    boxes = list(_boxes(picture, trail))
    for number, (title, said) in enumerate(boxes):
        lines += _box(f"BESIDE_{number}", title, said, INDENT)
    classes = {
        "words": [*(f"BESIDE_{number}" for number in range(len(boxes))), *map(_all_in, _speaking(picture))],
        "aside": [_id(name) for name in picture.aside if not flow.states[name].children],
        "missed": [_id(name) for name in flow.leaves if trail.missed(name)],
        "now": [_id(highlight)] if highlight else [],
    }
    lines += [f"{INDENT}class {','.join(names)} {style}" for style, names in classes.items() if names]
    return "\n".join(lines) + "\n"


def _title(flow: Flow, journey: Journey | None) -> str:
    """A value of the front matter, which is YAML: quoted where a caption may bring any sign."""
    title = f"{flow.name}, version {flow.version}, sha256 {flow.digest[:12]}"
    if journey is None or not journey.caption:
        return title
    return json.dumps(f"{title}: {journey.caption}", ensure_ascii=False)


def _state(picture: Picture, trail: Trail, name: str, indent: str) -> Iterator[str]:
    state = picture.flow.states[name]
    short = name.rpartition(".")[2]
    if not state.children:
        yield from _box(_id(name), short, _lines(picture, trail, name), indent)
        return
    yield f'{indent}state "{_text(short)}" as {_id(name)} {{'
    inner = indent + INDENT
    yield f"{inner}[*] --> {_id(state.initial or state.children[0])}"
    if name in _speaking(picture):
        yield from _box(_all_in(name), f"in all of {short}", _lines(picture, trail, name), inner)
    for child in state.children:
        yield from _state(picture, trail, child, inner)
    yield f"{indent}}}"


def _speaking(picture: Picture) -> list[str]:
    """States with states inside that say something for all of them."""
    return [name for name, state in picture.flow.states.items() if name and state.children and _says(picture, name)]


def _says(picture: Picture, name: str) -> bool:
    return any(clause.kind is not Kind.START for clause in picture.told[name])


def _lines(picture: Picture, trail: Trail, name: str) -> list[str]:
    return [line for line in (trail.stay(name), *said_by(picture, trail, name)) if line]


def _boxes(picture: Picture, trail: Trail) -> Iterator[tuple[str, Iterable[str]]]:
    yield from said_beside(picture, trail)
    if picture.sheets:
        # Together in one: Mermaid puts boxes without lines side by side, and the picture would be as wide as all.
        lines = [line for sheet in picture.sheets for line in (f"[{sheet.title}]", *sheet_lines(sheet))]
        yield "beside the states", lines


def _box(identity: str, title: str, lines: Iterable[str], indent: str) -> Iterator[str]:
    yield f'{indent}state "{_text(title)}" as {identity}'
    for line in lines:
        parts = wrap(line, WIDTH, break_long_words=False, break_on_hyphens=False)
        yield f"{indent}{identity} : {'<br/>'.join(_text(part) for part in parts)}"


def _edge(edge: Edge, trail: Trail) -> str:
    mark = trail.mark(edge.rows)
    return f"{_id(edge.source)} --> {_id(edge.target)}{'' if mark is None else f' : ({mark})'}"


def _id(name: str) -> str:
    """Mermaid's identifiers have no dots, and a few words are its own."""
    identity = name.replace(".", "__")
    return f"{identity}_" if identity.lower() in RESERVED else identity


def _all_in(name: str) -> str:
    return f"{_id(name)}__ALL"


def _text(text: str) -> str:
    return "".join(ENTITIES.get(character, character) for character in text)
