"""YAML text to nodes with positions, strictly: scalars stay text, and what readers disagree about is refused.

`safe_load` turns `on:` into True, `12:30` into 750 and prices into floats, so nothing here resolves a scalar.
Built from parse events, because composed nodes no longer show where an alias stood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from engine.chart.faults import Faults
from engine.chart.model import FlowError, Listing, Mapped, Node, Scalar, Span

SIZE_LIMIT = 256 * 1024
DEPTH_LIMIT = 32

# Tab, line feed, carriage return and next line are the only control characters that YAML prints.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_PLAIN_STYLES = (None, "")
_HARMLESS = frozenset({"Y106", "Y107", "Y110"})  # the first document, the first of two keys, the bare value still stand

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def decode(raw: bytes, *, file: str) -> str:
    """The text of a file's bytes. Raises: FlowError for what is not UTF-8, at the first wrong byte."""
    faults = Faults()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", errors="replace")
        faults.report(
            "Y101",
            _at(before, len(before), file=file),
            f"byte 0x{raw[error.start]:02x} is not UTF-8 text",
            "save the file as UTF-8",
        )
        raise FlowError(faults.findings) from error


def read_nodes(text: str, *, file: str) -> Node:
    """The root node of a YAML text. Raises: FlowError with every fault that could be found."""
    faults = Faults()
    node = parse_nodes(text, faults, file=file)
    faults.raise_if_any()
    assert node is not None
    return node


def parse_nodes(text: str, faults: Faults, *, file: str) -> Node | None:
    """The root node, with faults reported; None where going on would only find their consequences."""
    _check_text(text, faults, file=file)
    if faults.findings:
        return None
    builder = _Builder(file, faults)
    try:
        for event in _events(text):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        _report_syntax(error, text, faults, file=file)
    except yaml.YAMLError as error:
        faults.report("Y105", _at(text, 0, file=file), f"the text is not YAML: {error}")
    root = builder.root
    if not faults.findings and (root is None or (isinstance(root, Scalar) and not root.text and not root.quoted)):
        faults.report("Y104", _at(text, 0, file=file), "the file is empty", "write at least one key")
    return root if all(finding.code in _HARMLESS for finding in faults.findings) else None


def _check_text(text: str, faults: Faults, *, file: str) -> None:
    size = len(text.encode("utf-8", errors="replace"))
    if size > SIZE_LIMIT:
        faults.report(
            "Y103",
            _at(text, 0, file=file),
            f"the file has {size} bytes, the limit is {SIZE_LIMIT}",
            "split it; a flow that long cannot be read aloud",
        )
    unprintable = _UNPRINTABLE.search(text)
    if unprintable is not None:
        faults.report(
            "Y102",
            _at(text, unprintable.start(), file=file),
            f"control character U+{ord(unprintable.group()):04X}",
            "remove it; it does not show in editors",
        )


def _events(text: str) -> Iterator[Any]:
    loader = _Loader(text.removeprefix("\ufeff"))
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()


def _report_syntax(error: yaml.MarkedYAMLError, text: str, faults: Faults, *, file: str) -> None:
    mark = error.problem_mark or error.context_mark
    span = (
        Span(file, mark.line + 1, mark.column + 1, mark.line + 1, mark.column + 2) if mark else _at(text, 0, file=file)
    )
    problem = error.problem or "cannot be read"
    opened = error.context_mark
    since = (
        f" ({error.context} at line {opened.line + 1}, column {opened.column + 1})" if opened and error.context else ""
    )
    faults.report("Y105", span, f"the text is not YAML: {problem}{since}", _syntax_hint(text, span))


def _syntax_hint(text: str, span: Span) -> str:
    lines = text.splitlines()
    line = lines[span.line - 1] if span.line <= len(lines) else ""
    if "\t" in line[: span.column]:
        return "indent with spaces, not with tabs"
    if line.strip()[:1] in {"@", "`", "%"} or line[span.column - 1 : span.column] in {"@", "`", "%"}:
        return "put the value in quotes"
    return "check indentation and brackets; quote a value that contains `: ` or starts with one of [{*&!|>%@"


def _at(text: str, index: int, *, file: str) -> Span:
    line = text.count("\n", 0, index) + 1
    column = index - (text.rfind("\n", 0, index) + 1) + 1
    return Span(file, line, column, line, column + 1)


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not been met."""

    mapping: bool
    flow_style: bool
    start: Any
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Scalar] = field(default_factory=dict)
    key: Scalar | None = None
    awaits_value: bool = False
    last: Span | None = None


class _Builder:
    """Turns events into nodes. Keeps its own stack, so that no nesting can exhaust Python's."""

    def __init__(self, file: str, faults: Faults) -> None:
        self.root: Node | None = None
        self._file = file
        self._faults = faults
        self._open: list[_Open] = []
        self._anchors: dict[str, Span] = {}
        self._documents = 0

    def take(self, event: Any) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self._start_document(event)
            case yaml.AliasEvent():
                self._refuse_alias(event)
                self._place(Scalar("", True, self._span(event)))
            case yaml.ScalarEvent():
                self._refuse_decoration(event)
                self._place(Scalar(event.value, event.style not in _PLAIN_STYLES, self._span(event)))
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._refuse_decoration(event)
                self._open_collection(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close_collection(event)
            case _:
                pass

    def _start_document(self, event: Any) -> None:
        self._documents += 1
        if self._documents == 2:
            self._faults.report(
                "Y106", self._span(event), "a second document starts here", "keep one document; use a file for each"
            )

    def _open_collection(self, event: Any) -> None:
        mapping = isinstance(event, yaml.MappingStartEvent)
        self._open.append(_Open(mapping, bool(event.flow_style), event.start_mark))
        if len(self._open) == DEPTH_LIMIT + 1:
            self._faults.report(
                "Y111",
                self._span(event),
                f"the nesting is deeper than {DEPTH_LIMIT} levels",
                "flatten it; look for a bracket that is not closed",
            )

    def _close_collection(self, event: Any) -> None:
        done = self._open.pop()
        start, end = done.start, event.end_mark
        # A block ends where the next token begins, perhaps lines below; its last entry is where it was written.
        if done.flow_style or done.last is None:
            span = Span(self._file, start.line + 1, start.column + 1, end.line + 1, end.column + 1)
        else:
            span = Span(self._file, start.line + 1, start.column + 1, done.last.end_line, done.last.end_column)
        self._place(Mapped(done.entries, done.keys, span) if done.mapping else Listing(tuple(done.items), span))

    def _place(self, node: Node) -> None:
        if not self._open:
            if self._documents == 1:
                self.root = node
            return
        parent = self._open[-1]
        parent.last = node.span
        if not parent.mapping:
            parent.items.append(node)
        elif parent.awaits_value:
            self._place_value(parent, node)
        else:
            parent.key = self._checked_key(parent, node)
            parent.awaits_value = True

    def _place_value(self, parent: _Open, node: Node) -> None:
        parent.awaits_value = False
        if parent.key is not None and parent.key.text not in parent.entries:
            parent.entries[parent.key.text] = node
            parent.keys[parent.key.text] = parent.key

    def _checked_key(self, parent: _Open, node: Node) -> Scalar | None:
        if not isinstance(node, Scalar) or not node.text.strip():
            self._faults.report(
                "Y112", node.span, "a key must be a plain word", "write `key: value` with a name before the colon"
            )
            return None
        if node.text == "<<" and not node.quoted:
            self._faults.report("Y109", node.span, "merge keys (`<<`) are refused", "write the keys out")
            return None
        first = parent.keys.get(node.text)
        if first is not None:
            self._faults.report(
                "Y107",
                node.span,
                f'key "{node.text}" stands twice; first at line {first.span.line}, column {first.span.column}',
                "remove one; a list of rows goes under one key",
            )
        return node

    def _refuse_decoration(self, event: Any) -> None:
        if event.anchor is not None:
            self._anchors.setdefault(event.anchor, self._span(event))
            self._faults.report(
                "Y108",
                self._span(event),
                f'anchor "&{event.anchor}" is refused',
                "write the value out where it is used",
            )
        if event.tag is not None:
            self._faults.report(
                "Y110",
                self._span(event),
                f'tag "{event.tag}" is refused',
                "write the plain value; its key decides its type",
            )

    def _refuse_alias(self, event: Any) -> None:
        anchor = self._anchors.get(event.anchor)
        where = f"; its anchor is at line {anchor.line}, column {anchor.column}" if anchor else ""
        self._faults.report(
            "Y108", self._span(event), f'alias "*{event.anchor}" is refused{where}', "write the value out here"
        )

    def _span(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        return Span(self._file, start.line + 1, start.column + 1, end.line + 1, end.column + 1)
