"""Findings as a person and as an editor read them."""

from __future__ import annotations

import json

from engine.chart.model import Finding, Severity, Span
from engine.chart.report import as_json, as_text

TEXT = "flow: x\nstates:\n  等待: {to: HOLD}\n\tA: B\n"
WIDE = Finding("N301", Severity.ERROR, Span("x.yaml", 3, 12, 3, 16), 'no state "HOLD"', 'did you mean "HOLDING"?')
TABBED = Finding("Y105", Severity.WARNING, Span("x.yaml", 4, 2, 5, 1), "a tab")
ELSEWHERE = Finding("C507", Severity.ERROR, Span("y.yaml", 9, 1, 9, 2), "not there", "look")


def test_text_has_the_line_a_caret_and_the_hint() -> None:
    assert as_text([WIDE, TABBED, ELSEWHERE], {"x.yaml": TEXT}) == (
        'x.yaml:3:12: error N301: no state "HOLD"\n'
        "  3 |   等待: {to: HOLD}\n"
        "    |              ^^^^\n"
        '  hint: did you mean "HOLDING"?\n'
        "\n"
        "x.yaml:4:2: warning Y105: a tab\n"
        "  4 |     A: B\n"
        "    |     ^^^^\n"
        "\n"
        "y.yaml:9:1: error C507: not there\n"
        "  hint: look"
    )


def test_colour_only_when_asked() -> None:
    assert "\x1b" not in as_text([WIDE], {"x.yaml": TEXT})
    assert as_text([WIDE], {"x.yaml": TEXT}, colour=True) == (
        '\x1b[1mx.yaml:3:12\x1b[0m: \x1b[31merror N301\x1b[0m: no state "HOLD"\n'
        "  3 |   等待: {to: HOLD}\n"
        "    |              \x1b[31m^^^^\x1b[0m\n"
        '  \x1b[34mhint:\x1b[0m did you mean "HOLDING"?'
    )


def test_json_has_ranges() -> None:
    assert json.loads(as_json([WIDE])) == [
        {
            "code": "N301",
            "severity": "error",
            "file": "x.yaml",
            "range": {"start": {"line": 3, "column": 12}, "end": {"line": 3, "column": 16}},
            "message": 'no state "HOLD"',
            "hint": 'did you mean "HOLDING"?',
        }
    ]
    assert json.loads(as_json([])) == []
