"""The eagle flow's transition tables: every row a test, every transition taken, every state × event decided."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from itertools import product
from pathlib import Path
from typing import Literal

import pytest
from trading_kit import eagle_flow

from engine.chart.table import RowResult, coverage, load_table, run_table

Decider = Literal["transitions", "table"]

FLOW = eagle_flow()
FILES = sorted((Path(__file__).parent / "tables").glob("eagle_chicken*.yaml"))
RULE = re.compile(r"\b([ES])(\d+)\b")
LAST = {"E": 20, "S": 22}  # the highest number of each page


@cache
def results(decider: Decider) -> tuple[RowResult, ...]:
    """All rows of all tables, run once."""
    tables = [load_table(path.read_text(encoding="utf-8"), file=path.name) for path in FILES]
    return tuple(row for table in tables for row in run_table(table, FLOW, decider=decider).rows)


ROWS = results("transitions")


@pytest.mark.parametrize("place", range(len(ROWS)), ids=[f"{row.span.line}: {row.name}" for row in ROWS])
def test_a_row_of_the_tables_holds(place: int) -> None:
    row = ROWS[place]
    assert not row.differences, f"{row.span} {row.name} ({row.because})"


def test_the_reference_stepper_agrees_on_every_row() -> None:
    assert results("table") == ROWS


def test_every_transition_of_the_flow_is_taken_by_a_row() -> None:
    missing = coverage(FLOW, ROWS).transitions.missing
    assert [f"{row.span} {row.state or 'every state'} on {row.event or 'always'}" for row in missing] == []


def test_every_cell_is_decided() -> None:
    """Each event of the vocabulary in each leaf, also where it is ignored, and each timer and answer of a leaf."""
    decided = {(row.leaf, row.event) for row in ROWS}
    cells = set(coverage(FLOW, ROWS).cells.missing) | set(product(FLOW.leaves, FLOW.vocabulary.events)) - decided
    assert sorted(cells) == []


def test_every_state_that_looks_without_an_event_has_a_row_for_what_must_not_happen_there() -> None:
    """A leaf with `always` rows that can all be closed has a row in which none is open."""
    closable = {leaf for leaf, rows in FLOW.always.items() if rows and all(row.row.when for row in rows)}
    quiet = {row.leaf for row in ROWS if row.event == "" and not row.moves}
    assert sorted(closable - quiet) == []


def test_every_row_cites_a_requirement() -> None:
    cited = {row.span: [(page, int(number)) for page, number in RULE.findall(row.because)] for row in ROWS}
    assert [str(span) for span, rules in cited.items() if not rules] == []
    assert [rule for rules in cited.values() for rule in rules if not 1 <= rule[1] <= LAST[rule[0]]] == []


def test_no_rule_is_written_twice() -> None:
    told = Counter(row.name for row in ROWS if not row.name.startswith(f"{row.leaf} · "))
    assert [name for name, times in told.items() if times > 1] == []


def test_each_table_is_named_after_its_file() -> None:
    assert [load_table(path.read_text(encoding="utf-8"), file=path.name).name for path in FILES] == [
        path.stem for path in FILES
    ]
