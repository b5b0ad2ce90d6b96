"""Every broken config gives exactly the findings that its own comments tell, with place, words and way out.

A file begins with what is wrong in it, then for each finding `# CODE LINE:COLUMN message` and `#   hint: …`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from config_kit import FLOW

from engine.chart.codes import CODES
from engine.chart.model import Finding, FlowError, Severity
from engine.chart.report import as_json, as_text
from engine.runtime.config import load_config, masked

FOLDER = Path(__file__).parent / "broken_configs"
FILES = sorted(FOLDER.glob("*.yaml"))
_EXPECTED = re.compile(r"# [A-Z]\d{3} \d+:\d+ |#   (no )?hint")
# Codes that another test provokes: they need a venue, or a flow unlike the usual one.
ELSEWHERE = {"G717", "G720", "G721", "G722", "G724", "G725", "G729", "G730"}


def findings(path: Path) -> tuple[Finding, ...]:
    with pytest.raises(FlowError) as caught:
        load_config(path.read_text(), file=path.name, flow=FLOW)
    return caught.value.findings


def told(found: tuple[Finding, ...]) -> list[str]:
    lines = []
    for finding in found:
        lines.append(f"# {finding.code} {finding.span.line}:{finding.span.column} {finding.message}")
        lines.append(f"#   hint: {finding.hint}" if finding.hint else "#   no hint")
    return lines


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_broken_config_is_told_exactly(path: Path) -> None:
    found = findings(path)
    expected = [line for line in path.read_text().splitlines() if _EXPECTED.match(line)]
    assert told(found) == expected
    assert {(finding.severity, finding.span.file) for finding in found} == {(Severity.ERROR, path.name)}


def test_every_code_of_configs_is_known_and_has_a_broken_config() -> None:
    provoked = {finding.code for path in FILES for finding in findings(path)}
    configs = {code for code in CODES if code.startswith("G")}
    assert provoked - set(CODES) == set()
    assert configs - provoked == ELSEWHERE


def test_a_secret_is_in_no_report_of_its_config() -> None:
    path = FOLDER / "credentials_plain.yaml"
    text = path.read_text()
    assert "a-real-secret" in text
    shown = as_text(findings(path), {path.name: masked(text)}) + as_json(findings(path))
    assert "a-real-secret" not in shown
    assert "credentials: {api_key: *************}" in shown
