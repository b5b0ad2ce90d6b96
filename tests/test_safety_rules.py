"""Every safety rule has tests that were seen red with a fault in what keeps it (docs/rules.md)."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from pages_kit import names_in
from safety_page import ROOT, SAFETY, sentences, titles

RULES = [f"S{number}" for number in range(1, 23)]


def test_every_rule_is_there_in_its_order_with_faults_that_a_test_noticed() -> None:
    told = sentences()
    assert list(titles()) == RULES
    assert [rule for rule in dict.fromkeys(it.rule for it in told) if rule.startswith("S")] == RULES
    assert [it.says for it in told if not it.broken] == []
    assert [says for says, times in Counter(it.says for it in told).items() if times > 1] == []
    for it in told:
        assert max(Counter(fault for fault, _ in it.broken).values()) == 1, it.says


def test_every_test_and_every_place_is_there() -> None:
    tests = sorted({test for it in sentences() for _, test in it.broken})
    assert [it for it in tests if not _defined(*it.split("::"))] == []
    places = sorted({it.kept for it in sentences()})
    assert [it for it in places if not _kept(*it.split(": "))] == []


def test_every_rule_of_the_page_names_a_test() -> None:
    """The one that a reader of docs/safety.md opens first."""
    parts = re.split(r"^### (S\d+) .+$", SAFETY.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    named = {rule: re.findall(r"`(tests/test_\w+\.py)(?:: (\w+))?`", text) for rule, text in sections.items()}
    assert [rule for rule in RULES if not named[rule]] == []
    assert [it for found in named.values() for it in found if not (ROOT / it[0]).is_file()] == []


def _defined(file: str, name: str) -> bool:
    path = ROOT / "tests" / f"{file}.py"
    return path.is_file() and bool(re.search(rf"^(?:async )?def {name}\(", path.read_text("utf-8"), re.MULTILINE))


def _kept(file: str, name: str) -> bool:
    path: Path = ROOT / file
    return path.is_file() and name in names_in(path)
