"""Credentials in a config: references to where a secret is kept, never the secret; and a text fit to be shown."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

from engine.chart.faults import Faults
from engine.chart.model import FlowError, Listing, Mapped, Node, Scalar, Span
from engine.chart.yaml_nodes import read_nodes
from engine.runtime.vault import NAME, NAME_WORDS

SOURCES = ("vault", "file", "cmd", "env", "keyring")
PLAIN = "plain"  # source of a key that stands in a hedger's JSON, and was allowed to
TOKEN, STREAM = "token_parameter", "private_ws_client"  # of a hedger's JSON …
JSON_SECRETS = ("API KEY", "Secret", "Passphrase")  # … and what is secret in both
NUMBERS = ("account_index", "api_key_index")  # of an account at its venue; no secret, so that they may stand in plain
REFERENCE_HINT = (
    'write where it is kept: {secret: "vault:NAME"}, or file:PATH, cmd:PROGRAM ARGUMENTS, env:NAME,'
    " keyring:SERVICE/USER; if it was a real secret and this file was shared, change it where it belongs"
)

_SECRET_LINE = re.compile(
    r"(?i)((?:key|secret|passphrase|password|token|private)\w*[\"']?\s*:\s*)"
    rf"(?![\s{{\[]|[\"']?(?:{'|'.join(SOURCES)}):)([^\s#,}}][^\n#,}}]*)"
)
_MASK = "*"
_REFERENCE = re.compile(rf"({'|'.join(SOURCES)}):(.*)")
_PLACES = {
    "vault": (re.compile(NAME), f"a name of {NAME_WORDS}"),
    "file": (re.compile(r".*\S.*"), "a path"),
    "cmd": (re.compile(r".*\S.*"), "a program and its arguments"),
    "env": (re.compile(r"[A-Za-z_][A-Za-z0-9_]*"), "the name of an environment variable"),
    "keyring": (re.compile(r"[^/\s]+/\S+"), "SERVICE/USER"),
}
_OF_A_SHELL = frozenset({"|", "||", "&", "&&", ";", ">", ">>", "<", "2>"})


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a secret is found when it is needed; the source `number` is a plain one of NUMBERS."""

    source: str
    name: str


def parse_reference(text: str) -> Reference:
    """`vault:bp1/key` and the like. Raises: ValueError, whose words do not repeat the text: it may be a secret."""
    found = _REFERENCE.fullmatch(text)
    if found is None:
        raise ValueError(f"does not begin with {', '.join(f'{source}:' for source in SOURCES[:-1])} or {SOURCES[-1]}:")
    source, name = found[1], found[2].strip()
    pattern, words = _PLACES[source]
    if not pattern.fullmatch(name):
        raise ValueError(f"needs {words} behind {source}:")
    if source == "file" and ".env" in (PurePath(name).name, PurePath(name).suffix):
        raise ValueError("is a .env file, and none is ever read (E2); keep each secret in a file of its own")
    if source == "cmd":
        _check_command(name)
    return Reference(source, name)


def _check_command(line: str) -> None:
    try:
        words = shlex.split(line)
    except ValueError:
        raise ValueError("has a quote without its end behind cmd:") from None
    if not words or _OF_A_SHELL & set(words):
        raise ValueError("needs one program behind cmd:, which no shell reads; put what needs a shell into a script")


def read_references(node: Node | None, faults: Faults, *, what: str) -> dict[str, Reference]:
    """The references; a secret in plain sight is reported without being repeated."""
    if node is not None and not isinstance(node, Mapped):
        faults.report("G712", node.span, f"a mapping of {what} names to references is expected here", REFERENCE_HINT)
        return {}
    found: dict[str, Reference] = {}
    for name, value in (node.entries if node is not None else {}).items():
        reference = _reference(name, value, faults, what=what)
        if reference is not None:
            found[name] = reference
    return found


def _reference(name: str, node: Node, faults: Faults, *, what: str) -> Reference | None:
    told = f"{what} {name}"
    if name in NUMBERS and isinstance(node, Scalar):
        if node.text.isascii() and node.text.isdigit():
            return Reference("number", node.text)
        faults.report("G713", node.span, f"{told} is no whole number", "write the number that the venue shows")
    elif not isinstance(node, Mapped):
        faults.report("G712", node.span, f"{told} stands here in plain", REFERENCE_HINT)
    elif list(node.entries) != ["secret"]:
        hint = _hint_for(list(node.entries))
        faults.report("G713", node.span, f"{told} needs one key, `secret`, that says where it is kept", hint)
    elif not isinstance(place := node.entries["secret"], Scalar):
        faults.report("G713", place.span, f"{told}: where it is kept must be one text", REFERENCE_HINT)
    else:
        try:
            return parse_reference(place.text)
        except ValueError as wrong:
            words, _, hint = str(wrong).partition("; ")
            faults.report("G714" if "(E2)" in words else "G713", place.span, f"{told} {words}", hint or REFERENCE_HINT)
    return None


def _hint_for(keys: list[str]) -> str:
    """Keys of ours are repeated, others might be a part of a secret."""
    for source in SOURCES:
        if source in keys:
            return f'write {{secret: "{source}:..."}}'
    return REFERENCE_HINT


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
    """Scalars below `credentials:` and `urls:` that are no reference, and keys in a hedger's JSON.

    None where the text cannot be read.
    """
    try:
        root = read_nodes(text.replace("\t", " "), file="")
    except FlowError:
        return
    yield from _plain_in_json(root)
    if not isinstance(root, Mapped):
        return
    accounts, alerts = root.entries.get("accounts"), root.entries.get("alerts")
    holders = [
        account.entries.get(key) for account in _mappings(accounts) for key in ("credentials", "guard_credentials")
    ]
    for node in [*holders, alerts.entries.get("urls") if isinstance(alerts, Mapped) else None]:
        if isinstance(node, Mapped):
            yield from (value.span for name, value in node.entries.items() if _may_be_secret(name, value))
        elif node is not None:
            yield node.span


def _plain_in_json(root: Node) -> Iterator[Span]:
    for section in (TOKEN, STREAM):
        node = root.entries.get(section) if isinstance(root, Mapped) else None
        for key in JSON_SECRETS:
            value = node.entries.get(key) if isinstance(node, Mapped) else None
            if isinstance(value, Scalar) and value.text and not _REFERENCE.fullmatch(value.text):
                yield value.span


def _mappings(node: Node | None) -> list[Mapped]:
    return [item for item in node.items if isinstance(item, Mapped)] if isinstance(node, Listing) else []


def _may_be_secret(name: str, node: Node) -> bool:
    """All but a reference and a plain number of the account, also where a secret stands as `{secret: abc}`."""
    if isinstance(node, Scalar):
        return name not in NUMBERS or not node.text.isdigit()
    if not isinstance(node, Mapped):
        return True
    return any(not isinstance(each, Scalar) or not _REFERENCE.fullmatch(each.text) for each in node.entries.values())
