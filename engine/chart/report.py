"""Findings for people (text with the source line and a caret) and for editors (JSON with ranges)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from unicodedata import east_asian_width

from engine.chart.model import Finding, Severity, Span

__all__ = ["as_json", "as_text"]

RED, YELLOW, BLUE, BOLD, PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[34m", "\x1b[1m", "\x1b[0m"
TAB = "    "
LONGEST, CUT = 200, "…"  # characters of a line that are shown whole, and what stands for the rest of a longer one

_Paint = Callable[[str, str], str]


def as_text(findings: Iterable[Finding], texts: Mapping[str, str], *, colour: bool = False) -> str:
    """One block for each finding; `texts` maps a file's name, as the spans give it, to its text."""
    lines = {file: text.splitlines() for file, text in texts.items()}
    paint = _painted if colour else _unpainted
    return "\n\n".join(_block(finding, lines.get(finding.span.file, []), paint) for finding in findings)


def as_json(findings: Iterable[Finding]) -> str:
    """A list of {code, severity, file, range, message, hint}; lines and columns count from 1, the end is exclusive.

    A range is never empty: what is missing is told at the character where it should stand.
    """
    return json.dumps([_record(finding) for finding in findings], indent=2, ensure_ascii=False)


def _block(finding: Finding, lines: Sequence[str], paint: _Paint) -> str:
    tone = RED if finding.severity is Severity.ERROR else YELLOW
    label = paint(f"{finding.severity.value} {finding.code}", tone)
    parts = [f"{paint(str(finding.span), BOLD)}: {label}: {finding.message}"]
    if 0 < finding.span.line <= len(lines):
        parts += _excerpt(lines[finding.span.line - 1], finding.span, paint)
    if finding.hint:
        parts.append(f"  {paint('hint:', BLUE)} {finding.hint}")
    return "\n".join(parts)


def _excerpt(line: str, span: Span, paint: _Paint) -> list[str]:
    start = min(span.column - 1, len(line))
    end = span.end_column - 1 if span.end_line == span.line else len(line.rstrip())
    line, start, end = _near(line, start, end)
    number = f"{span.line} | "
    before, marked = line[:start].replace("\t", TAB), line[start:end].replace("\t", TAB)
    carets = "^" * max(_cells(marked), 1)
    margin = " " * (len(number) - 2) + "| "
    return [f"  {number}{line}".replace("\t", TAB).rstrip(), f"  {margin}{' ' * _cells(before)}{paint(carets, RED)}"]


def _near(line: str, start: int, end: int) -> tuple[str, int, int]:
    """Of a line that no terminal shows, what lies around its marked part."""
    if len(line) <= LONGEST:
        return line, start, end
    first = max(0, start - LONGEST // 2)
    last = first + LONGEST
    before, after = CUT if first else "", CUT if last < len(line) else ""
    shift = len(before) - first
    return f"{before}{line[first:last]}{after}", start + shift, min(end, last) + shift


def _cells(text: str) -> int:
    """Columns on a terminal: East Asian wide characters take two."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def _record(finding: Finding) -> dict[str, object]:
    span = finding.span
    empty = (span.end_line, span.end_column) <= (span.line, span.column)
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "file": span.file,
        "range": {
            "start": {"line": span.line, "column": span.column},
            "end": {"line": span.end_line, "column": span.column + 1 if empty else span.end_column},
        },
        "message": finding.message,
        "hint": finding.hint,
    }


def _painted(text: str, tone: str) -> str:
    return f"{tone}{text}{PLAIN}"


def _unpainted(text: str, _: str) -> str:
    return text
