"""Credentials in a config: references to where a secret is kept, never the secret; and a text fit to be shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

from engine.chart.faults import Faults, name_hint
from engine.chart.model import FlowError, Listing, Mapped, Node, Scalar, Span
from engine.chart.yaml_nodes import read_nodes

SOURCES = ("env", "file")
REFERENCE_HINT = (
    "write a reference: {file: PATH} or {env: NAME}, and change the secret where it belongs if this one was shared"
)

_SECRET_LINE = re.compile(
    r"(?i)((?:key|secret|passphrase|password|token|private)\w*[\"']?\s*:\s*)(?![\s{\[])([^\s#,}][^\n#,}]*)"
)
_MASK = "*"


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a secret is found when it is needed: an environment variable or a file that holds nothing else."""

    source: str
    name: str


def read_references(node: Node | None, faults: Faults, *, what: str) -> dict[str, Reference]:
    """The references; a secret in plain sight is reported without being repeated."""
    found: dict[str, Reference] = {}
    for name, value in (node.entries if isinstance(node, Mapped) else {}).items():
        reference = _reference(f"{what} {name}", value, faults)
        if reference is not None:
            found[name] = reference
    return found


def _reference(name: str, node: Node, faults: Faults) -> Reference | None:
    if not isinstance(node, Mapped):
        faults.report("G712", node.span, f"{name} stands here in plain", REFERENCE_HINT)
        return None
    sources = list(node.entries)
    if len(sources) != 1 or sources[0] not in SOURCES:
        faults.report(
            "G713", node.span, f"{name} needs one source, found {', '.join(sources) or 'none'}",
            name_hint(sources[0] if sources else "", SOURCES),
        )  # fmt: skip
        return None
    place = node.entries[sources[0]]
    if not isinstance(place, Scalar) or not place.text:
        faults.report("G713", node.span, f"{name}: `{sources[0]}` needs a name", REFERENCE_HINT)
        return None
    if sources[0] == "file" and ".env" in (PurePath(place.text).name, PurePath(place.text).suffix):
        faults.report(
            "G714", place.span, f"{name} refers to {place.text}; no .env file is ever read (E2)",
            "keep each secret in a file of its own",
        )  # fmt: skip
        return None
    return Reference(sources[0], place.text)


def masked(text: str) -> str:
    """The config text with everything that may be a secret starred out, line and column of the rest unchanged.

    For excerpts beside findings: a config that is refused may hold a secret in plain.
    """
    lines = text.split("\n")
    for span in _plain_secrets(text):
        for number in range(span.line - 1, min(span.end_line, len(lines))):
            line = lines[number]
            start = span.column - 1 if number == span.line - 1 else 0
            end = span.end_column - 1 if number == span.end_line - 1 else len(line)
            lines[number] = line[:start] + _MASK * (end - start) + line[end:]
    return _SECRET_LINE.sub(lambda found: found[1] + _MASK * len(found[2]), "\n".join(lines))


def _plain_secrets(text: str) -> Iterator[Span]:
    """Scalars below `credentials:` and `urls:` that are no reference; none where the text cannot be read."""
    try:
        root = read_nodes(text, file="")
    except FlowError:
        return
    if not isinstance(root, Mapped):
        return
    accounts, alerts = root.entries.get("accounts"), root.entries.get("alerts")
    holders = [account.entries.get("credentials") for account in _mappings(accounts)]
    for node in [*holders, alerts.entries.get("urls") if isinstance(alerts, Mapped) else None]:
        if isinstance(node, Mapped):
            yield from (value.span for value in node.entries.values() if not isinstance(value, Mapped))
        elif node is not None:
            yield node.span


def _mappings(node: Node | None) -> list[Mapped]:
    return [item for item in node.items if isinstance(item, Mapped)] if isinstance(node, Listing) else []
