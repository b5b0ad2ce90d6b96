"""Prints the findings of flows, configs and tables."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from cli.streams import colourful, write_note
from engine.chart.model import Finding, Severity
from engine.chart.report import as_text


def tell(findings: Sequence[Finding], texts: Mapping[str, str]) -> int:
    """Findings as text on stderr, for commands whose result is something else; returns their exit code."""
    write_note(as_text(findings, texts, colour=colourful(sys.stderr)))
    return 1 if has_errors(findings) else 0


def has_errors(findings: Sequence[Finding]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in findings)


def counted(findings: Sequence[Finding]) -> str:
    """`2 errors, 1 warning`."""
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    warnings = len(findings) - errors
    return f"{errors} {'error' if errors == 1 else 'errors'}, {warnings} {'warning' if warnings == 1 else 'warnings'}"
