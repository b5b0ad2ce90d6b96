"""The collector of findings that readers write into, and the nearest valid name for their hints."""

from __future__ import annotations

from collections.abc import Iterable

from engine.chart.model import Finding, FlowError, Node, Scalar, Severity, Span


class Faults:
    """Findings in the order in which they were met; readers go on after each."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def report(self, code: str, span: Span, message: str, hint: str = "") -> None:
        self.findings.append(Finding(code, Severity.ERROR, span, message, hint))

    def add(self, findings: Iterable[Finding]) -> None:
        self.findings.extend(findings)

    def raise_if_any(self) -> None:
        """Raises: FlowError with all findings, in the order of the file."""
        if self.findings:
            raise FlowError(in_file_order(self.findings))


def in_file_order(findings: Iterable[Finding]) -> list[Finding]:
    """Sorted by position, repeats dropped."""
    return sorted(
        dict.fromkeys(findings),
        key=lambda finding: (finding.span.file, finding.span.line, finding.span.column, finding.code),
    )


def without_echoes(findings: Iterable[Finding]) -> list[Finding]:
    """A value of the wrong shape is told once, by the reader that knows its type best; other findings stay."""
    by_place: dict[tuple[int, int], list[Finding]] = {}
    for finding in findings:
        by_place.setdefault((finding.span.line, finding.span.column), []).append(finding)
    kept: list[Finding] = []
    for found in by_place.values():
        shapeless = any(finding.code in _SHAPE for finding in found)
        kept += [min(reversed(found), key=_knowledge)] if shapeless else found
    return kept


_SHAPE = frozenset({"F203", "F204"})


def _knowledge(finding: Finding) -> int:
    """0 for who knows the literal's type; then the shape, the allowed words, and what the words should name."""
    if finding.code.startswith("T"):
        return 0
    return {"F203": 1, "F204": 2}.get(finding.code, 3)


def nearest_name(word: str, among: Iterable[str]) -> str | None:
    """The valid name that `word` most likely meant."""
    from difflib import get_close_matches  # only a faulty file pays for it

    by_folded = {name.lower(): name for name in among}
    close = get_close_matches(word.lower(), list(by_folded), n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def name_hint(word: str, among: Iterable[str], *, nothing: str = "none is declared") -> str:
    """`did you mean "x"?`, or the valid names when none is near."""
    names = sorted(set(among))
    near = nearest_name(word, names)
    if near is not None:
        return f'did you mean "{near}"?'
    if not names:
        return nothing
    return "valid here: " + ", ".join(names[:12]) + (", …" if len(names) > 12 else "")


def part_of(scalar: Scalar, start: int, end: int) -> Span:
    """The place of `scalar.text[start:end]`; the whole scalar where the text was folded or escaped."""
    span = scalar.span
    lead = 1 if scalar.quoted else 0
    written_plainly = span.line == span.end_line and span.end_column - span.column == len(scalar.text) + 2 * lead
    if not written_plainly:
        return span
    column = span.column + lead
    return Span(span.file, span.line, column + start, span.line, column + max(end, start + 1))


def is_empty(node: Node | None) -> bool:
    """A key without a value: `{cancel_all: }`."""
    return isinstance(node, Scalar) and not node.text and not node.quoted
