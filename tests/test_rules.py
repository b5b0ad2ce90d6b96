"""Every rule of docs/flow-format.md has what holds the engine to it, and every case of the suite belongs to a rule."""

from __future__ import annotations

import re
from pathlib import Path

from rules_page import ROOT, file_of, rules, sentences

TESTS = ROOT / "tests"


def test_every_sentence_of_the_page_has_a_check() -> None:
    """Word for word and in order: a new rule is red until tests/rules.yaml says which case it has."""
    assert [rule.text for rule in rules() if not rule.checks] == []
    assert sum(map(len, sentences().values())) == len(rules())


def test_every_check_is_there() -> None:
    checks = sorted({check for rule in rules() for check in rule.checks})
    assert [check for check in checks if not (TESTS / file_of(check)).is_file()] == []
    tests = [check.split("::") for check in checks if "::" in check]
    assert [name for file, name in tests if name not in _names(TESTS / f"{file}.py")] == []


def test_every_case_belongs_to_a_rule() -> None:
    told = {check for rule in rules() for check in rule.checks}
    assert sorted(path.stem for path in (TESTS / "conformance").glob("*.yaml") if path.stem not in told) == []


def _names(path: Path) -> set[str]:
    return set(re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE))
