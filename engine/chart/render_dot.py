"""A flow as Graphviz text: the main path in one row, phases grouped, failures quiet, one node for "any state"."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from textwrap import wrap

from engine.chart.model import Flow
from engine.chart.picture import ANYWHERE, Edge, Picture, Tone, initial_leaf, picture_of

__all__ = ["dot"]

LABEL_WIDTH = 30  # characters of an edge label's line
TITLE_WIDTH = 110
LINE_WIDTH = 38  # characters of a line within a state

# One family for all text: Graphviz measures it with Arial's metrics, so that no text touches its border.
HEAD = """\
    graph [rankdir=LR, compound=true, newrank=true, nodesep=0.45, ranksep=0.7, pad=0.3, bgcolor="#ffffff",
           fontname="Helvetica,Arial,sans-serif", fontsize=12, fontcolor="#37474f", labelloc=t, labeljust=l];
    node [shape=box, style="rounded,filled", fillcolor="#eef4fb", color="#4a78a8", penwidth=1.2, margin="0.18,0.1",
          fontname="Helvetica,Arial,sans-serif", fontsize=10, fontcolor="#1c2b36"];
    edge [fontname="Helvetica,Arial,sans-serif", fontsize=10, color="#607d8b", fontcolor="#37474f", arrowsize=0.7];"""

MAIN_EDGE = 'color="#1f5fa8", fontcolor="#123a66", penwidth=2.2, weight=20'
QUIET_EDGE = 'color="#b9a7a4", fontcolor="#7d6663", style=dashed, weight=0'
ASIDE_NODE = 'fillcolor="#f5f5f5", color="#9e9e9e"'
NOW_NODE = 'fillcolor="#ffd54f", color="#b26a00", penwidth=3'


def dot(flow: Flow, *, highlight: str | None = None) -> str:
    """The graph's text; `highlight` names a leaf to be shown as the current one. Ids are `state-NAME`."""
    picture = picture_of(flow)
    lines = [f"digraph {_quoted(flow.name)} {{", HEAD, f"    label=<{_title(flow)}>;"]
    lines.append('    "START" [shape=circle, label="", width=0.16, fixedsize=true, fillcolor="#37474f", id="start"];')
    for name, state in flow.states.items():
        if name and not state.parent:
            lines += _state(picture, name, highlight, indent="    ")
    if picture.lines[ANYWHERE] or any(edge.source == ANYWHERE for edge in picture.edges):
        lines.append(
            f'    "ANYWHERE" [label=<{_box("any state", picture.lines[ANYWHERE])}>, id="any-state", '
            'style="rounded,dashed", color="#9e9e9e"];'
        )
    lines.append(f'    "START" -> {_quoted(flow.initial)} [penwidth=1.6, weight=20];')
    lines += [f"    {_edge(picture, edge)}" for edge in picture.edges]
    return "\n".join([*lines, "}"]) + "\n"


def _state(picture: Picture, name: str, highlight: str | None, *, indent: str) -> Iterator[str]:
    state = picture.flow.states[name]
    short = name.rpartition(".")[2]
    if not state.children:
        yield f"{indent}{_quoted(name)} [{_node_look(picture, name, highlight)}];"
        return
    yield f"{indent}subgraph {_quoted('cluster_' + name)} {{"
    yield (
        f'{indent}    graph [label=<{_box(short, picture.lines[name])}>, id="state-{name}", style=rounded, '
        'color="#90a4ae", bgcolor="#fafbfc", margin=14];'
    )
    for child in state.children:
        yield from _state(picture, child, highlight, indent=f"{indent}    ")
    yield f"{indent}}}"


def _node_look(picture: Picture, name: str, highlight: str | None) -> str:
    look = [f'label=<{_box(name.rpartition(".")[2], picture.lines[name])}>, id="state-{name}"']
    if picture.flow.states[name].final:
        look.append("peripheries=2")
    if name == highlight:
        look.append(NOW_NODE)
    elif name.partition(".")[0] not in picture.main:
        look.append(ASIDE_NODE)
    if name == initial_leaf(picture.flow, name.partition(".")[0]) and name.partition(".")[0] in picture.main:
        look.append('group="main"')
    return ", ".join(look)


def _edge(picture: Picture, edge: Edge) -> str:
    flow = picture.flow
    tail, head = edge.source, initial_leaf(flow, edge.target)
    look = [f"label=<{_edge_label(edge.labels)}>"]
    if tail and flow.states[tail].children:
        look.append(f"ltail={_quoted('cluster_' + tail)}")
        tail = initial_leaf(flow, tail)
    if flow.states[edge.target].children:
        look.append(f"lhead={_quoted('cluster_' + edge.target)}")
    match edge.tone:
        case Tone.MAIN:
            look.append(MAIN_EDGE)
        case Tone.QUIET:
            look.append(QUIET_EDGE)
    return f"{_quoted(tail) if tail else _quoted('ANYWHERE')} -> {_quoted(head)} [{', '.join(look)}];"


def _title(flow: Flow) -> str:
    lines = [f'<B><FONT POINT-SIZE="16">{escape(flow.name)}</FONT></B>  version {flow.version}']
    lines += [escape(line) for line in wrap(flow.about, TITLE_WIDTH)]
    return "".join(f'{line}<BR ALIGN="LEFT"/>' for line in lines)


def _box(title: str, lines: tuple[str, ...]) -> str:
    text = f'<B><FONT POINT-SIZE="12">{escape(title)}</FONT></B>'
    if not lines:
        return text
    broken = [part for line in lines for part in wrap(line, LINE_WIDTH, subsequent_indent="    ")]
    return f"{text}<BR/>{''.join(_left(part) for part in broken)}"


def _edge_label(labels: tuple[str, ...]) -> str:
    broken = [part for label in labels for part in wrap(label, LABEL_WIDTH, subsequent_indent="    ")]
    return "".join(_left(part) for part in broken)


def _left(line: str) -> str:
    indent = len(line) - len(line.lstrip())
    return f'{"&#160;" * indent}{escape(line.lstrip())}<BR ALIGN="LEFT"/>'


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'
