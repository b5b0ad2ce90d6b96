"""The examples of docs/flow-format.md are what the loader accepts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.chart.expressions import FUNCTIONS
from engine.chart.model import BPS, COUNT, DURATION, DURATION_RANGE, QTY, RATIO, SIDE, TICKS
from engine.chart.settings import TYPES
from engine.chart.structure import schema_findings, shipped_schema
from engine.chart.units import LiteralError, parse_literal
from engine.chart.yaml_nodes import read_nodes

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "flow-format.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: " ".join(example.split()[:2]))
def test_an_example_has_the_structure_of_a_flow(example: str) -> None:
    part_of_a_flow = {**shipped_schema("flow.schema.json"), "required": []}
    assert schema_findings(read_nodes(example, file="flow-format.md"), part_of_a_flow) == []


def test_every_key_of_the_schema_is_explained() -> None:
    schema = shipped_schema("flow.schema.json")
    explained = set(re.findall(r"`([a-z_]+)`", PAGE)) | set(
        re.findall(r"(?:^|[{ ])([a-z_]+):", PAGE, flags=re.MULTILINE)
    )
    keys = set(schema["properties"])
    for name in ("setting", "counter", "state", "row", "invoke", "invariant", "property", "leg", "role"):
        keys |= set(schema["$defs"][name]["properties"])
    assert keys - explained == set()


def test_every_type_and_function_is_explained() -> None:
    assert [name for name in TYPES if f"`{name}`" not in PAGE] == []
    assert [name for name in FUNCTIONS if f"`{name}(" not in PAGE] == []


def test_the_literals_of_the_table_are_read_and_refused_as_it_says() -> None:
    rows = re.findall(r"^\| (`[^|]*`) \| (`[^|]*) \| *(.*?) *\|$", PAGE, flags=re.MULTILINE)
    kinds = {"count": COUNT, "qty": QTY, "ratio": RATIO, "bps": BPS, "ticks": TICKS, "duration": DURATION,
             "duration range": DURATION_RANGE, "side": SIDE}  # fmt: skip
    seen = set()
    for types, written, refused in rows:
        kind = kinds.get(re.findall(r"`([^`]+)`", types)[0])
        if kind is not None:
            seen.add(kind)
            for text in re.findall(r"`([^`]+)`", written):
                parse_literal(text, kind)
            for text in re.findall(r"`([^`]+)`", refused):
                with pytest.raises(LiteralError):
                    parse_literal(text, kind)
    assert seen == set(kinds.values())
