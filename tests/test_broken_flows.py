"""Every finding code has a flow with that fault; the whole finding is compared: code, place, message, hint.

A broken flow ends with what is found in it, as comments. After a change of words, write them and docs/findings.md
anew with `EAGLE_WRITE_GOLDEN=1 pytest tests/test_broken_flows.py`, and read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from broken_vocabulary import NOTES

from engine.chart import report, validate
from engine.chart.codes import CODES
from engine.chart.load import load_flow
from engine.chart.model import Finding, FlowError, Severity, Span

HERE = Path(__file__).resolve().parent
FLOWS = sorted((HERE / "broken_flows").glob("*.yaml"))
PAGE = HERE.parent / "docs" / "findings.md"
WRITE = os.environ.get("EAGLE_WRITE_GOLDEN") == "1"
MARK = "# found:\n"
ELSEWHERE = {"N310"} | {code for code in CODES if code[0] == "H"}  # of sections: tests/test_trading_sections.py
FAMILIES = {
    "Y": "YAML",
    "F": "Structure of the file",
    "N": "Names",
    "T": "Types and units",
    "C": "The chart as a whole",
    "H": "Sections of the domain",
    "G": "Configs",
    "W": "Warnings",
}
PAGE_HEAD = """\
# Findings

What `eagle validate` can say, by code. A code keeps its meaning for ever. This page is generated from the codes and
from the flows in `tests/broken_flows`; a test compares it.

Y to G are errors: the flow does not run. W are warnings: it runs, but probably not as meant.
"""


def found_in(text: str, name: str) -> list[Finding]:
    try:
        return validate.check(load_flow(text, file=name, vocabulary=NOTES))
    except FlowError as error:
        return list(error.findings)


def as_comment(findings: list[Finding]) -> str:
    lines = []
    for finding in findings:
        place = f"{finding.span.line}:{finding.span.column}-{finding.span.end_line}:{finding.span.end_column}"
        lines += [f"# {finding.code} {finding.severity.value} {place}", f"#   {finding.message}", f"#   {finding.hint}"]
    return MARK + "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
def test_a_broken_flow_is_found_out(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    flow, _, expected = text.partition(MARK)
    findings = found_in(text, path.name)
    if WRITE:
        path.write_text(flow + as_comment(findings), encoding="utf-8")
    else:
        assert as_comment(findings) == MARK + expected
    assert {finding.code for finding in findings} == {path.stem[:4].upper()}


def test_every_finding_of_the_chart_has_a_hint() -> None:
    flows = [path for path in FLOWS if path.stem[0] in "cw"]
    assert [
        path.stem for path in flows for finding in found_in(path.read_text("utf-8"), path.name) if not finding.hint
    ] == []


def test_every_code_of_the_chart_has_a_broken_flow() -> None:
    shown = {path.stem[:4].upper() for path in FLOWS}
    assert sorted(code for code in CODES if code[0] in "FNTCW" and code not in shown and code not in ELSEWHERE) == []
    assert sorted(shown - CODES.keys()) == []


SEVERAL = """\
flow: several
version: 1
settings:
  hold: {type: duration, default: 3s}
states:
  OPENING:
    after: {1s: [{to: HOLDING, when: 1 > 2}, CLOSING]}
  HOLDING:
    on: {tick: CLOSING}
  CLOSING:
    ignore: {filled: hedged anyway}
    always: {to: OPENING, when: size == size}
"""


def test_findings_come_in_the_order_of_the_file() -> None:
    findings = found_in(SEVERAL, "several.yaml")
    assert [(finding.code, finding.span.line) for finding in findings] == [
        ("C507", 1),
        ("C512", 4),
        ("C505", 6),
        ("C507", 6),
        ("W902", 7),
        ("C510", 8),
        ("C508", 11),
        ("W902", 12),
    ]


QUIET = """\
flow: quiet
version: 1
settings:
  limit: {type: count, default: 3}
  hold: {type: duration range, default: 1000..3000ms}
context:
  tries: {type: count, start: 0, cap: 9}
events:
  counted: the positions are known
on:
  counted: {do: [{note: late}], because: kept for states to come}
ignore:
  tick: nothing here depends on quotes
states:
  OPENING:
    on:
      filled:
        - {to: HOLDING, when: context.tries < settings.limit and flat, do: [{count: tries}]}
        - {to: CLOSING, when: context.tries < settings.limit, do: [{raise: counted}]}
        - {to: CLOSING, when: context.tries >= settings.limit}
    after: {3s: HOLDING}
  HOLDING:
    on:
      filled:
        - {to: CLOSING, when: size > 1}
        - {do: [{note: small}], when: flat, because: a flat position needs no closing}
        - {do: [{note: other}]}
    after:
      1s: {do: [{note: a second}]}
      hold: CLOSING
  CLOSING:
    always:
      - {to: CHECKING, when: "side == sell"}
      - {to: HOLDING, when: "side == buy and context.tries < 2", do: [{count: tries}]}
    on:
      filled: {do: [{note: filled}]}
    after: {5s: CHECKING}
  CHECKING:
    defer: [filled]
    always: {to: CLOSING, when: "side == buy"}
    invoke:
      do: {ask: }
      timeout: 1s
      retry: {times: 2, wait: 1s}
      done: IDLE
      error: IDLE
    after: {6s: IDLE}
  IDLE:
    resting: true
    on:
      counted: OPENING
      filled: OPENING
"""


def test_nothing_is_said_about_a_sound_flow() -> None:
    assert report.as_text(found_in(QUIET, "quiet.yaml"), {"quiet.yaml": QUIET}) == ""


def page() -> str:
    parts = [PAGE_HEAD]
    for family, title in FAMILIES.items():
        codes = [code for code in CODES if code.startswith(family)]
        if codes:
            parts.append(f"\n## {title}\n\n| Code | Meaning |\n|---|---|\n")
            parts += [f"| {code} | {CODES[code]} |\n" for code in codes]
            parts += [part for code in codes for part in example(code)]
    return "".join(parts)


def example(code: str) -> list[str]:
    for path in FLOWS:
        if path.stem.startswith(code.lower()):
            flow = path.read_text("utf-8").partition(MARK)[0]
            return [f"\n### {code}\n\n```\n{report.as_text(found_in(flow, path.name)[:1], {path.name: flow})}\n```\n"]
    return []


def test_the_page_of_findings_is_fresh() -> None:
    if WRITE:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize(("before", "marked"), [(0, 5), (1_000, 5), (1_000, 3_000)])
def test_of_a_line_that_no_terminal_shows_the_marked_part_is_shown(before: int, marked: int) -> None:
    """A line of five thousand brackets filled the screen, and its carets too."""
    line = "a" * before + "b" * marked + "c" * 2_000
    found = Finding("Y105", Severity.ERROR, Span("f", 1, before + 1, 1, before + marked + 1), "wrong")
    _, shown, carets = report.as_text([found], {"f": line}).splitlines()
    assert max(len(shown), len(carets)) <= report.LONGEST + 10
    place = carets.index("^")
    assert (shown[place], shown[place - 1]) == ("b", " " if not before else "a")
