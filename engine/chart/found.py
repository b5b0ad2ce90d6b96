"""Builds a finding of the checks; the family of its code gives the severity."""

from __future__ import annotations

from engine.chart.model import Finding, Severity, Span

__all__ = ["found"]


def found(code: str, span: Span, message: str, hint: str) -> Finding:
    severity = Severity.WARNING if code.startswith("W") else Severity.ERROR
    return Finding(code, severity, span, message, hint)
