"""docs/rules.md: each sentence of the safety rules, what keeps it, and the faults that its tests were seen to notice.

tests/safety_rules.yaml is where they stand; docs/safety.md names the rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml
from page_kit import MADE

ROOT = Path(__file__).resolve().parent.parent
INDEX = ROOT / "tests" / "safety_rules.yaml"
SAFETY = ROOT / "docs" / "safety.md"

HEAD = f"""\
# What each safety rule was tested with

[safety.md](safety.md) says what the rules are for and what is not promised. Here stands, sentence by sentence, where
the program keeps them, and each fault that was planted there, alone, with a test that turned red. Where none did, a
test was written, or the program mended. A change that makes one of them fail has most likely made that fault again.
{MADE}
"""


@dataclass(frozen=True, slots=True)
class Sentence:
    rule: str
    says: str
    kept: str  # file: name
    broken: tuple[tuple[str, str], ...]  # the fault, and FILE::NAME of the test


def sentences() -> list[Sentence]:
    """In the order of the index. Raises: KeyError, ValueError where it has another shape."""
    index = yaml.safe_load(INDEX.read_text(encoding="utf-8"))
    return [
        Sentence(rule, told["says"], told["kept"], tuple(_pair(it) for it in told["broken"]))
        for rule, all_told in index.items()
        for told in all_told
    ]


def _pair(told: dict[str, str]) -> tuple[str, str]:
    ((fault, test),) = told.items()
    return fault, test


def titles() -> dict[str, str]:
    """By number: what docs/safety.md calls a rule."""
    return dict(re.findall(r"^### (S\d+) (.+)$", SAFETY.read_text(encoding="utf-8"), re.MULTILINE))


def page() -> str:
    lines, named, rule = [HEAD.rstrip("\n")], titles(), ""
    for it in sentences():
        if it.rule != rule:
            rule = it.rule
            lines += ["", f"## {rule} {named[rule]}" if rule in named else f"## {rule}", ""]
        lines.append(f"- **{it.says}** `{it.kept}`")
        lines += [f"  - {fault}: [{_words(test)}](../tests/{test.partition('::')[0]}.py)" for fault, test in it.broken]
    return "\n".join(lines) + "\n"


def _words(test: str) -> str:
    return test.partition("::")[2].removeprefix("test_").replace("_", " ")
