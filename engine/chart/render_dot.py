"""A flow as Graphviz text: the main path in one straight line, phases grouped, failures quiet.

Labels are plain text and records, because a Graphviz built without an XML parser drops HTML labels without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from textwrap import wrap
from typing import Literal

from engine.chart.model import Flow
from engine.chart.picture import ANYWHERE, Edge, Picture, Tone, anywhere_in, initial_leaf, picture_of

__all__ = ["dot"]

TITLE_WIDTH = 120  # characters of a line of the flow's text
STATE_WIDTH = 40  # … of a line within a state
LABEL_WIDTH = 34  # … of a line at an edge
INDENT = "    "
RECORD_SIGNS = re.compile(r"[{}|<>]")

# One name, not a list: Graphviz without fonts at hand measures a name that it does not know as a narrow serif, and the
# text then runs over its border. Verdana is the widest that it knows, so that a viewer's substitute fits as well.
FONT = "Verdana"
HEAD = f"""\
           compound=true, nodesep=0.4, ranksep=0.45, pad=0.3, bgcolor="#ffffff",
           fontname="{FONT}", fontsize=12, fontcolor="#37474f", labelloc=t, labeljust=l];
    node [shape=Mrecord, style=filled, fillcolor="#eaf2fb", color="#3d6c9e", penwidth=1.3, margin="0.18,0.08",
          fontname="{FONT}", fontsize=10, fontcolor="#16242f"];
    edge [fontname="{FONT}", fontsize=10, color="#607d8b", fontcolor="#37474f", arrowsize=0.7];"""

MAIN_EDGE = 'color="#1f5fa8", fontcolor="#123a66", penwidth=2.2, weight=20'
QUIET_EDGE = 'color="#bcaaa4", fontcolor="#8d6e63", style=dashed, weight=0'
ASIDE_NODE = 'fillcolor="#f4f4f4", color="#9e9e9e"'
PHASE = 'color="#90a4ae", bgcolor="#fafbfc"'
NOW_PHASE = 'color="#b26a00", bgcolor="#fff8e1", penwidth=3'
ANYWHERE_NODE = 'style="filled,dashed", fillcolor="#ffffff", color="#9e9e9e"'
NOW_NODE = 'fillcolor="#ffd54f", color="#b26a00", penwidth=3'


Direction = Literal["down", "across"]


def dot(flow: Flow, *, highlight: str | None = None, direction: Direction = "down") -> str:
    """The graph's text; `highlight` names a state to be shown as the current one. Ids are `state-NAME`.

    `down` fits a page or a screen, `across` a wall: the main path is the column or the row.
    """
    picture = picture_of(flow)
    rank = "TB" if direction == "down" else "LR"
    lines = [f"digraph {_quoted(flow.name)} {{", f"    graph [rankdir={rank},", HEAD, f'    label="{_title(flow)}";']
    lines.append('    "START" [shape=circle, label="", width=0.16, fixedsize=true, fillcolor="#37474f", id="start"];')
    for name, state in flow.states.items():
        if name and not state.parent:
            lines += _state(picture, name, highlight, indent=INDENT)
    if picture.lines[ANYWHERE] or any(edge.source == ANYWHERE for edge in picture.edges):
        anywhere = _box("any state", picture.lines[ANYWHERE])
        lines.append(f'    "ANYWHERE" [label="{anywhere}", id="any-state", {ANYWHERE_NODE}];')
    lines.append(f'    "START" -> {_quoted(flow.initial)} [penwidth=1.6, weight=20];')
    lines += [f"    {_edge(picture, edge)}" for edge in picture.edges]
    return "\n".join([*lines, "}"]) + "\n"


def _state(picture: Picture, name: str, highlight: str | None, *, indent: str) -> Iterator[str]:
    state = picture.flow.states[name]
    if not state.children:
        yield f"{indent}{_quoted(name)} [{_look(picture, name, highlight)}];"
        return
    yield f"{indent}subgraph {_quoted('cluster_' + name)} {{"
    title = _lines([_short(name), *_wrapped(picture.lines[name], STATE_WIDTH)])
    yield (
        f'{indent}    graph [label="{title}", id="state-{name}", style=rounded, margin=16, '
        f"{NOW_PHASE if name == highlight else PHASE}];"
    )
    if picture.has_anywhere_in(name):
        label = _box(f"any of {_short(name)}", ())
        yield f'{indent}    {_quoted(anywhere_in(name))} [label="{label}", {ANYWHERE_NODE}];'
    for child in state.children:
        yield from _state(picture, child, highlight, indent=indent + INDENT)
    yield f"{indent}}}"


def _look(picture: Picture, name: str, highlight: str | None) -> str:
    top, lines = name.partition(".")[0], picture.lines[name]
    look = [f'label="{_box(_short(name), lines)}", id="state-{name}"']
    if picture.flow.states[name].final:
        look = [f'label="{_in_string(_short(name))}\\n{_lines(lines)}", id="state-{name}", shape=box, peripheries=2']
    if name == highlight:
        look.append(NOW_NODE)
    elif top not in picture.main:
        look.append(ASIDE_NODE)
    if top in picture.main and name == initial_leaf(picture.flow, top):
        look.append('group="main"')
    return ", ".join(look)


def _edge(picture: Picture, edge: Edge) -> str:
    states = picture.flow.states
    tail, head = edge.source, initial_leaf(picture.flow, edge.target)
    look = [f'label="{_lines(f" {line}" for line in _wrapped(edge.labels, LABEL_WIDTH))}"']
    if tail in states and tail and states[tail].children:
        look.append(f"ltail={_quoted('cluster_' + tail)}")
        tail = initial_leaf(picture.flow, tail)
    if states[edge.target].children:
        look.append(f"lhead={_quoted('cluster_' + edge.target)}")
    # Ways back and rows that start anywhere in a phase must not decide what stands above what.
    if edge.back or edge.source not in states:
        look.append("constraint=false")
    if edge.tone is Tone.MAIN:
        look.append(MAIN_EDGE)
    elif edge.tone is Tone.QUIET:
        look.append(QUIET_EDGE)
    return f"{_quoted(tail or 'ANYWHERE')} -> {_quoted(head)} [{', '.join(look)}];"


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _title(flow: Flow) -> str:
    return _lines([f"{flow.name}, version {flow.version}", *wrap(flow.about, TITLE_WIDTH)])


def _box(title: str, lines: tuple[str, ...]) -> str:
    """A record: the state's name above a rule, below it what the state does."""
    broken = [_escaped(line) for line in _wrapped(lines, STATE_WIDTH)]
    fields = [_escaped(title), "".join(f"{line}\\l" for line in broken)]
    # The braces lay the fields below each other when ranks go down; Graphviz turns them when ranks go across.
    return "{" + "|".join(field for field in fields if field) + "}"


def _wrapped(lines: Iterable[str], width: int) -> list[str]:
    return [part for line in lines for part in wrap(line, width, subsequent_indent=INDENT, break_long_words=False)]


def _lines(lines: Iterable[str]) -> str:
    """Left-aligned lines of a label that is no record."""
    return "".join(f"{_in_string(line)}\\l" for line in lines)


def _escaped(line: str) -> str:
    """A line within a record, which has signs of its own and drops spaces at the start."""
    indent = len(line) - len(line.lstrip())
    return r"\ " * indent + RECORD_SIGNS.sub(r"\\\g<0>", _in_string(line.lstrip()))


def _in_string(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _quoted(name: str) -> str:
    return f'"{_in_string(name)}"'
