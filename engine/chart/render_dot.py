"""A flow as Graphviz text: a box for each phase, a card for each state that says what it does, quiet boxes of words.

Lines need no words of their own, which keeps the picture small. Labels are plain text and records, because a Graphviz
built without an XML parser drops HTML labels without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from textwrap import wrap

from engine.chart.journey import Journey, Trail, trail_of
from engine.chart.model import Flow
from engine.chart.picture import Edge, Picture, Tone, initial_leaf, phase_of, picture_of
from engine.chart.render_words import said_beside, said_by
from engine.chart.words import sheet_lines

__all__ = ["dot"]

TITLE_WIDTH = 120  # characters of a line of the flow's text
WIDTH = 44  # … of a line in a card
INDENT = "    "
RECORD_SIGNS = re.compile(r"[{}|<>]")

# One name, not a list: Graphviz without fonts at hand measures a name that it does not know as a narrow serif, and the
# text then runs over its border. Verdana is the widest that it knows, so that a viewer's substitute fits as well.
FONT = "Verdana"
HEAD = f"""\
    graph [rankdir=TB, compound=true, nodesep=0.25, ranksep=0.6, pad=0.3, bgcolor="#ffffff",
           fontname="{FONT}", fontsize=12, fontcolor="#37474f", labelloc=t, labeljust=l];
    node [shape=Mrecord, style=filled, fillcolor="#ffffff", color="#3d6c9e", penwidth=1.3, margin="0.12,0.04",
          fontname="{FONT}", fontsize=10, fontcolor="#16242f"];
    edge [fontname="{FONT}", fontsize=10, color="#607d8b", fontcolor="#ad1457", arrowsize=0.7];"""

TONES = {
    Tone.MAIN: 'color="#16242f", penwidth=2.6',
    Tone.PLAIN: "",
    Tone.TIMED: 'color="#c07400"',
    Tone.QUIET: 'color="#c0554d", style=dashed',
}
TAKEN = 'color="#d81b60", penwidth=2.4'
PHASE = 'color="#90a4ae", bgcolor="#f7f8fa"'
ASIDE = 'color="#b42318", bgcolor="#fdf4f3"'
NOW_PHASE = 'color="#b26a00", bgcolor="#fff8e1", penwidth=3'
NOW = 'fillcolor="#ffd54f", color="#b26a00", penwidth=3'
MISSED = 'color="#cfd4da", fontcolor="#9aa4b2"'
WORDS = 'style=dashed, color="#9e9e9e"'


def dot(flow: Flow, *, highlight: str | None = None, journey: Journey | None = None) -> str:
    """The graph's text; `highlight` names a state to be shown as the current one. Ids are `state-NAME`.

    With a journey, what was taken bears its numbers, and states say how long the chart stood there.
    """
    picture, trail = picture_of(flow), trail_of(flow, journey)
    lines = [f"digraph {_quoted(flow.name)} {{", HEAD, f'    label="{_title(flow)}";']
    lines.append('    "START" [shape=circle, style=filled, label="", width=0.16, fixedsize=true, fillcolor="#37474f"];')
    for name in picture.phases:
        lines += _state(picture, trail, name, highlight, indent=INDENT)
    sheets = ((sheet.title, sheet_lines(sheet)) for sheet in picture.sheets)
    for number, (title, said) in enumerate((*said_beside(picture, trail), *sheets)):
        lines.append(f'    "BESIDE {number}" [label="{_record(title, said)}", {WORDS}];')
        lines += [f'    "BESIDE {number - 1}" -> "BESIDE {number}" [style=invis];'] if number else []
    lines.append(f'    "START" -> {_quoted(flow.initial)} [penwidth=1.6, weight=20];')
    lines += [f"    {_inner_edge(picture, trail, edge)}" for edge in picture.within]
    lines += [f"    {_way(picture, trail, edge)}" for edge in picture.ways]
    return "\n".join([*lines, "}"]) + "\n"


def _state(picture: Picture, trail: Trail, name: str, highlight: str | None, *, indent: str) -> Iterator[str]:
    state = picture.flow.states[name]
    if not state.children:
        yield f"{indent}{_quoted(name)} [{_look(picture, trail, name, highlight)}];"
        return
    frame = NOW_PHASE if name == highlight else ASIDE if phase_of(name) in picture.aside else PHASE
    yield f"{indent}subgraph {_quoted('cluster_' + name)} {{"
    title = " ".join(part for part in (_short(name), trail.stay(name)) if part)
    yield f'{indent}    graph [label="{_in_string(title)}", id="state-{name}", style=rounded, margin=14, {frame}];'
    said = said_by(picture, trail, name)
    if said:
        yield f'{indent}    {_quoted(f"{name} ALL")} [label="{_record(f"in all of {_short(name)}", said)}", {WORDS}];'
    for child in state.children:
        yield from _state(picture, trail, child, highlight, indent=indent + INDENT)
    yield f"{indent}}}"


def _look(picture: Picture, trail: Trail, name: str, highlight: str | None) -> str:
    said = said_by(picture, trail, name)
    title = " ".join(part for part in (_short(name), trail.stay(name)) if part)
    look = [f'label="{_record(title, said)}", id="state-{name}"']
    if picture.flow.states[name].final:
        look.append("peripheries=2")
    if name == highlight:
        look.append(NOW)
    elif trail.missed(name):
        look.append(MISSED)
    return ", ".join(look)


# --- lines


def _inner_edge(picture: Picture, trail: Trail, edge: Edge) -> str:
    flow, names = picture.flow, list(picture.flow.states)
    look = [TONES[edge.tone]]
    tail, head = initial_leaf(flow, edge.source), initial_leaf(flow, edge.target)
    if flow.states[edge.target].children:
        look.append(f"lhead={_quoted('cluster_' + edge.target)}")
    if flow.states[edge.source].children:
        look.append(f"ltail={_quoted('cluster_' + edge.source)}")
    # What leads back must not decide what stands left of what.
    if names.index(edge.target) < names.index(edge.source):
        look.append("constraint=false")
    return f"{_quoted(tail)} -> {_quoted(head)} [{_joined([*look, *_taken(trail, edge)])}];"


def _way(picture: Picture, trail: Trail, edge: Edge) -> str:
    flow = picture.flow
    look = [TONES[edge.tone]]
    if flow.states[edge.source].children:
        look.append(f"ltail={_quoted('cluster_' + edge.source)}")
    if flow.states[edge.target].children:
        look.append(f"lhead={_quoted('cluster_' + edge.target)}")
    if edge.back:
        look.append("constraint=false")
    ends = f"{_quoted(initial_leaf(flow, edge.source))} -> {_quoted(initial_leaf(flow, edge.target))}"
    return f"{ends} [{_joined([*look, *_taken(trail, edge)])}];"


def _taken(trail: Trail, edge: Edge) -> list[str]:
    mark = trail.mark(edge.rows)
    return [] if mark is None else [TAKEN, f'label="{mark}"']


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(part for part in parts if part)


# --- words


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _title(flow: Flow) -> str:
    told = [f"{flow.name}, version {flow.version}, sha256 {flow.digest[:12]}", *wrap(flow.about, TITLE_WIDTH)]
    return "".join(f"{_in_string(line)}\\l" for line in told)


def _record(title: str, lines: Iterable[str]) -> str:
    """The name above a rule, below it the lines."""
    fields = [_escaped(title), "".join(f"{_escaped(part)}\\l" for line in lines for part in _wrapped(line))]
    # The braces lay the fields below each other.
    return "{" + "|".join(field for field in fields if field) + "}"


def _wrapped(line: str) -> list[str]:
    return wrap(line, WIDTH, subsequent_indent=INDENT, break_long_words=False, break_on_hyphens=False)


def _escaped(line: str) -> str:
    """A line within a record, which has signs of its own and drops spaces at the start."""
    indent = len(line) - len(line.lstrip())
    return r"\ " * indent + RECORD_SIGNS.sub(r"\\\g<0>", _in_string(line.lstrip()))


def _in_string(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _quoted(name: str) -> str:
    return f'"{_in_string(name)}"'
