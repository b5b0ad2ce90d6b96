"""The shipped flows' transition tables: every row a test, every transition taken, every state × event decided."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from itertools import product
from pathlib import Path
from typing import Literal

import pytest
from trading_kit import shipped_flow

from engine.chart.table import RowResult, coverage, load_table, run_table

Decider = Literal["transitions", "table"]

TABLES = Path(__file__).parent / "tables"
FLOWS = {path.stem: shipped_flow(path.stem) for path in sorted(TABLES.parents[1].glob("flows/*.yaml"))}
RULE = re.compile(r"\b([ES])(\d+)\b")
LAST = {"E": 20, "S": 22}  # the highest number of each page
of_each_flow = pytest.mark.parametrize("flow", FLOWS)


@cache
def results(flow: str, decider: Decider) -> tuple[RowResult, ...]:
    """All rows of all tables of a flow, run once; its tables begin with its name."""
    files = sorted(TABLES.glob(f"{flow}*.yaml"))
    tables = [load_table(path.read_text(encoding="utf-8"), file=path.name) for path in files]
    return tuple(row for table in tables for row in run_table(table, FLOWS[flow], decider=decider).rows)


ROWS = [(flow, row) for flow in FLOWS for row in results(flow, "transitions")]


@pytest.mark.parametrize(("flow", "row"), ROWS, ids=[f"{flow} {row.span.line}: {row.name}" for flow, row in ROWS])
def test_a_row_of_the_tables_holds(flow: str, row: RowResult) -> None:
    assert not row.differences, f"{flow}: {row.span} {row.name} ({row.because})"


@of_each_flow
def test_the_reference_stepper_agrees_on_every_row(flow: str) -> None:
    assert results(flow, "table") == results(flow, "transitions")


@of_each_flow
def test_every_transition_of_the_flow_is_taken_by_a_row(flow: str) -> None:
    missing = coverage(FLOWS[flow], results(flow, "transitions")).transitions.missing
    assert [f"{row.span} {row.state or 'every state'} on {row.event or 'always'}" for row in missing] == []


@of_each_flow
def test_every_cell_is_decided(flow: str) -> None:
    """Each event of the vocabulary in each leaf, also where it is ignored, and each timer and answer of a leaf."""
    rows = results(flow, "transitions")
    decided = {(row.leaf, row.event) for row in rows}
    every = product(FLOWS[flow].leaves, FLOWS[flow].heard_events)
    assert sorted(set(coverage(FLOWS[flow], rows).cells.missing) | set(every) - decided) == []


@of_each_flow
def test_every_state_that_looks_without_an_event_has_a_row_for_what_must_not_happen_there(flow: str) -> None:
    """A leaf with `always` rows that can all be closed has a row in which none is open."""
    closable = {leaf for leaf, rows in FLOWS[flow].always.items() if rows and all(row.row.when for row in rows)}
    quiet = {row.leaf for row in results(flow, "transitions") if row.event == "" and not row.moves}
    assert sorted(closable - quiet) == []


def test_every_row_of_the_eagle_flow_cites_a_requirement() -> None:
    rows = results("eagle_chicken", "transitions")
    assert [str(row.span) for row in rows if not RULE.search(row.because)] == []


@of_each_flow
def test_what_a_row_cites_is_there(flow: str) -> None:
    cited = {
        row.span: [(page, int(number)) for page, number in RULE.findall(row.because)]
        for row in results(flow, "transitions")
    }
    assert [rule for rules in cited.values() for rule in rules if not 1 <= rule[1] <= LAST[rule[0]]] == []


@of_each_flow
def test_no_rule_is_written_twice(flow: str) -> None:
    """A row that holds in several leaves is one rule."""
    named = {row.span: row for row in results(flow, "transitions") if not row.name.startswith(f"{row.leaf} · ")}
    told = Counter(row.name for row in named.values())
    assert [name for name, times in told.items() if times > 1] == []


def test_each_table_is_named_after_its_file() -> None:
    files = sorted(TABLES.glob("*.yaml"))
    assert [load_table(path.read_text(encoding="utf-8"), file=path.name).name for path in files] == [
        path.stem for path in files
    ]
    assert [path.name for path in files if not path.stem.startswith(tuple(FLOWS))] == []
