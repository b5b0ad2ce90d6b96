"""docs/semantics.md: every rule of docs/flow-format.md, word for word, and the cases that hold the engine to it.

tests/rules.yaml gives for each section the beginning of each of its sentences, in order, and what checks it: cases of
tests/conformance by name, flows that must be refused as `broken_flows/NAME`, tests as `FILE::NAME`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from page_kit import MADE

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "flow-format.md"
INDEX = ROOT / "tests" / "rules.yaml"
ELSEWHERE = {"The file"}  # a list of keys

HEAD = f"""\
# What a flow means, rule by rule

Every rule of [flow-format.md](flow-format.md) in its own words, and what holds the program to it. A case is a small
chart with a script: what happens, and all that must follow - the state, every effect, every counter. Each case is run
by both steppers, the machine that runs live and the plain table. Other tests are named where no chart can show a rule.
{MADE}
"""
_SENTENCE_END = re.compile(r"(?<=\.)\s+(?=[A-Z`*\[])")


@dataclass(frozen=True, slots=True)
class Rule:
    section: str
    text: str
    checks: tuple[str, ...]


def sentences() -> dict[str, list[str]]:
    """What the page says, by section: no code blocks, no tables."""
    text = re.sub(r"```.*?```", "", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    told: dict[str, list[str]] = {}
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        if title not in ELSEWHERE:
            told[title] = [sentence for block in _blocks(body) for sentence in _SENTENCE_END.split(block)]
    return {title: found for title, found in told.items() if found}


def _blocks(body: str) -> Iterator[str]:
    """Paragraphs and items of lists, each in one line."""
    plain = "\n".join("" if line.startswith("|") else line for line in body.splitlines())
    for paragraph in re.split(r"\n\s*\n", plain):
        for item in re.split(r"^(?:- |\d+\. )", paragraph, flags=re.MULTILINE):
            if item.strip():
                yield " ".join(item.split())


def rules() -> list[Rule]:
    """The index, joined with the page. Raises: AssertionError where they differ, with the way out."""
    index = yaml.safe_load(INDEX.read_text(encoding="utf-8"))
    found = []
    for section, told in sentences().items():
        entries = index.get(section, [])
        for place, text in enumerate(told):
            begins, checks = next(iter(entries[place].items())) if place < len(entries) else ("", [])
            way = f'say in tests/rules.yaml, section "{section}", place {place + 1}, which cases check it'
            assert begins, f'docs/flow-format.md says "{text}"; {way}'
            assert text.startswith(begins), f'docs/flow-format.md says "{text}", not "{begins}"; {way}'
            found.append(Rule(section, text, tuple(checks)))
        assert len(entries) == len(told), f'tests/rules.yaml says more of "{section}" than docs/flow-format.md'
    assert set(index) == set(sentences()), "tests/rules.yaml has other sections than docs/flow-format.md"
    return found


def page() -> str:
    lines = [HEAD.rstrip("\n")]
    section = ""
    for rule in rules():
        if rule.section != section:
            section = rule.section
            lines += ["", f"## {section}", ""]
        lines.append(f"- {rule.text}")
        lines += [f"  - [{words(check)}](../tests/{file_of(check)})" for check in rule.checks]
    return "\n".join(lines) + "\n"


def file_of(check: str) -> str:
    """Below tests/."""
    if "::" in check:
        return f"{check.partition('::')[0]}.py"
    return f"{check}.yaml" if "/" in check else f"conformance/{check}.yaml"


def words(check: str) -> str:
    name = check.rpartition("::")[2].rpartition("/")[2].removeprefix("test_").replace("_", " ")
    return f"{name} (refused)" if check.startswith("broken_flows/") else name
