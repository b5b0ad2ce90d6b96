"""JSON Schema over nodes: every fault of structure at its place, with the nearest valid key.

Scalars are text here, so a schema types them by pattern; the readers of each section type them for good.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from engine.chart.faults import in_file_order, is_empty, name_hint, nearest_name
from engine.chart.model import Finding, Listing, Mapped, Node, Scalar, Severity, Span

Plain = dict[str, Any] | list[Any] | str | None

_KINDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "null": "nothing",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
}
_PYTHON_KINDS: Mapping[str, type] = {"object": dict, "array": list, "string": str, "null": type(None)}


@cache
def shipped_schema(name: str) -> Mapping[str, Any]:
    """A schema of the package `schemas`, by file name, as it reads for scalars that are all texts."""
    read: Mapping[str, Any] = _of_texts(json.loads(resources.files("schemas").joinpath(name).read_text("utf-8")))
    return read


def _of_texts(schema: Any) -> Any:
    """Without the numbers and truth values that an editor makes of scalars where a text may stand."""
    if isinstance(schema, list):
        return [_of_texts(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _of_texts(part) for key, part in schema.items()}
    kinds, words = kept.get("type"), kept.get("enum")
    if isinstance(kinds, list) and "string" in kinds:
        texts = [kind for kind in kinds if kind not in ("number", "integer", "boolean")]
        kept["type"] = texts[0] if len(texts) == 1 else texts
    if isinstance(words, list) and any(isinstance(word, str) for word in words):
        kept["enum"] = [word for word in words if isinstance(word, str)]
    return kept


def plain(node: Node) -> Plain:
    """The node as dict, list, text or None (a key without a value)."""
    match node:
        case Mapped():
            return {key: plain(value) for key, value in node.entries.items()}
        case Listing():
            return [plain(item) for item in node.items]
        case Scalar():
            return None if is_empty(node) else node.text


def schema_findings(node: Node, schema: Mapping[str, Any], *, code: str | None = None) -> list[Finding]:
    """Every fault of `node` against the schema; `code` replaces the F2xx codes (for other kinds of files)."""
    from jsonschema.validators import Draft202012Validator  # takes 70 ms; `--help` need not pay for it

    validator = Draft202012Validator(schema)
    findings: list[Finding] = []
    for error in validator.iter_errors(plain(node)):
        if _may_repeat_a_secret(error, schema):
            continue  # whoever reads references tells it, without the value
        for leaf in _leaves(error):
            findings.extend(_findings(leaf, node))
    if code is not None:
        findings = [Finding(code, found.severity, found.span, found.message, found.hint) for found in findings]
    return in_file_order(findings)


def _may_repeat_a_secret(error: Any, schema: Any) -> bool:
    """Is the fault at or below a place that the schema marks as `writeOnly`?"""
    root = schema
    for step in error.absolute_schema_path:
        while isinstance(schema, Mapping) and "$ref" in schema and step not in schema:  # a path leaves references out
            schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
        if isinstance(schema, Mapping) and schema.get("writeOnly"):
            return True
        schema = schema[step]
    return False


def _leaves(error: Any) -> Iterator[Any]:
    """The faults behind `anyOf` and `oneOf`: those of the branch whose shape the value has."""
    if error.validator not in ("anyOf", "oneOf") or not error.context:
        yield error
        return
    branches: dict[int, list[Any]] = {}
    for part in error.context:
        branches.setdefault(part.schema_path[0], []).append(part)
    fitting = [parts for parts in branches.values() if not any(_wrong_shape(part, error) for part in parts)]
    if not fitting:
        yield error
        return
    for part in min(fitting, key=len):
        yield from _leaves(part)


def _wrong_shape(part: Any, error: Any) -> bool:
    """Does the branch fail for the value itself rather than for something inside it?"""
    if len(part.absolute_path) != len(error.absolute_path):
        return False
    if part.validator in ("anyOf", "oneOf"):
        return all(_wrong_shape(inner, error) for inner in part.context)
    return part.validator in ("type", "enum", "const")


def _findings(error: Any, root: Node) -> Iterator[Finding]:
    node, key = _walk(root, error.absolute_path)
    where = f"{key}: " if key else ""
    if isinstance(node, Mapped) and isinstance(
        error.instance, str
    ):  # `propertyNames` fails for a key, not for its value
        span = node.keys[error.instance].span if error.instance in node.keys else node.span
        yield _fault("F204", span, f'{where}"{error.instance}" cannot be a name here', _about_pattern(error))
        return
    match error.validator:
        case "additionalProperties" | "unevaluatedProperties":
            yield from _unknown_keys(error, node)
        case "required":
            yield from _missing_keys(error, node, where)
        case "type":
            yield _fault(
                "F203", node.span, f"{where}found {_found(error.instance)}, expected {_types(error)}", _help(error)
            )
        case "anyOf" | "oneOf" if isinstance(error.instance, str) and _words(error):
            yield _fault(
                "F204", node.span, f'{where}"{error.instance}" is not allowed', name_hint(error.instance, _words(error))
            )
        case "anyOf" | "oneOf":
            yield _fault(
                "F203", node.span, f"{where}found {_found(error.instance)}, expected {_branches(error)}", _help(error)
            )
        case "enum" | "const":
            allowed = error.validator_value if error.validator == "enum" else [error.validator_value]
            words = [str(word) for word in allowed if isinstance(word, str)]
            yield _fault(
                "F204", node.span, f'{where}"{error.instance}" is not allowed', name_hint(str(error.instance), words)
            )
        case "pattern":
            yield _fault("F204", node.span, f'{where}"{error.instance}" is not allowed', _about_pattern(error))
        case "minItems" | "minProperties":
            yield _fault(
                "F205",
                node.span,
                f"{where}found {_count(error)}, expected at least {error.validator_value}",
                _help(error),
            )
        case "maxItems" | "maxProperties":
            yield _fault(
                "F205",
                node.span,
                f"{where}found {_count(error)}, expected at most {error.validator_value}",
                _help(error),
            )
        case _:
            yield _fault("F203", node.span, f"{where}{error.message}", _help(error))


def _unknown_keys(error: Any, node: Node) -> Iterator[Finding]:
    known = set(error.schema.get("properties", {}))
    assert isinstance(node, Mapped)
    for key, scalar in node.keys.items():
        if key not in known:
            yield _fault("F201", scalar.span, f'key "{key}" is not known here', name_hint(key, known))


def _missing_keys(error: Any, node: Node, where: str) -> Iterator[Finding]:
    known = error.schema.get("properties", {})
    mistyped = {nearest_name(key, known) for key in error.instance if key not in known}
    for key in error.validator_value:
        if key not in error.instance and key not in mistyped:
            about = error.schema.get("properties", {}).get(key, {})
            hint = f"add `{key}:`" + (f" ({about['description']})" if "description" in about else "")
            start = Span(node.span.file, node.span.line, node.span.column, node.span.line, node.span.column + 1)
            finding = _fault("F202", start, f"{where}key `{key}` is missing", hint)
            # jsonschema repeats the error for each missing key.
            if f"'{key}' is a required property" == error.message:
                yield finding


def _walk(root: Node, path: Iterable[str | int]) -> tuple[Node, str]:
    """The node at a path, and the innermost key on the way."""
    node, key = root, ""
    for step in path:
        match node:
            case Mapped() if isinstance(step, str) and step in node.entries:
                node, key = node.entries[step], step
            case Listing() if isinstance(step, int):
                node = node.items[step]
            case _:
                break
    return node, key


def _fault(code: str, span: Span, message: str, hint: str) -> Finding:
    return Finding(code, Severity.ERROR, span, message, hint)


def _found(value: Plain) -> str:
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 40 else "a text"
    return next(_KINDS[name] for name, kind in _PYTHON_KINDS.items() if isinstance(value, kind))


def _types(error: Any) -> str:
    names = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
    return " or ".join(_KINDS[name] for name in names)


def _branches(error: Any) -> str:
    titles = [branch.get("title", "") for branch in error.validator_value]
    return " or ".join(title for title in titles if title) or "another shape"


def _words(error: Any) -> list[str]:
    """The words that some branch allows."""
    return [word for branch in error.validator_value for word in branch.get("enum", ()) if isinstance(word, str)]


def _count(error: Any) -> str:
    number = len(error.instance)
    return f"{number} {'entry' if number == 1 else 'entries'}"


def _about_pattern(error: Any) -> str:
    return str(error.schema.get("description", f"it must match {error.validator_value}"))


def _help(error: Any) -> str:
    return str(error.schema.get("description", ""))
