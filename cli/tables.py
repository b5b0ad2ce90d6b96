"""`eagle test`: runs transition tables."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.streams import GREEN, RED, format_option, paint, write_result

if TYPE_CHECKING:
    from engine.chart.model import Flow
    from engine.chart.table import Coverage, RowResult, TableResult

DEFAULT = "tests/tables"
MISSING_SHOWN = 20  # undecided transitions and cells that the text names; JSON names all


@click.command()
@click.argument("paths", nargs=-1, metavar="[FILE|FOLDER]...")
@format_option("text", "json")
def test(paths: tuple[str, ...], style: str) -> int:
    """Run transition tables (YAML) against their flows and show what they cover.

    Without a path: all tables in tests/tables. Exit code 1 if a row fails.

    \b
    Example:
      eagle test tests/tables/eagle_chicken.yaml
    """
    import json

    from cli.findings import tell
    from cli.locate import read_flow_source, read_source
    from engine.chart.load import load_flow
    from engine.chart.model import FlowError
    from engine.chart.table import coverage, load_table, run_table
    from engine.trading.vocabulary import trading_vocabulary

    texts: dict[str, str] = {}
    results: dict[str, list[TableResult]] = {}
    flows: dict[str, Flow] = {}
    try:
        for path in _files(paths or (DEFAULT,)):
            source = read_source(path)
            texts[source.file] = source.text
            table = load_table(source.text, file=source.file)
            if table.flow not in flows:
                found = read_flow_source(f"flows/{table.flow}.yaml")
                texts[found.file] = found.text
                flows[table.flow] = load_flow(found.text, file=found.file, vocabulary=trading_vocabulary())
            results.setdefault(table.flow, []).append(run_table(table, flows[table.flow]))
    except FlowError as wrong:
        return tell(wrong.findings, texts)
    covered = {
        name: coverage(flows[name], [row for table in ran for row in table.rows]) for name, ran in results.items()
    }
    if style == "json":
        write_result(json.dumps(_record(results, covered), indent=2, ensure_ascii=False))
    else:
        write_result("\n".join(_lines(results, covered)))
    return 0 if all(table.ok for ran in results.values() for table in ran) else 1


def _files(paths: Sequence[str]) -> list[str]:
    from cli.locate import CannotUse

    files: list[str] = []
    for path in paths:
        if Path(path).is_dir():
            inside = sorted(str(file) for file in Path(path).rglob("*.yaml"))
            if not inside:
                raise CannotUse(f"{path}: no *.yaml files in it")
            files += inside
        elif Path(path).exists():
            files.append(path)
        else:
            raise CannotUse(f"{path}: no such file or folder; name the tables to run")
    return files


# --- text


def _lines(results: dict[str, list[TableResult]], covered: dict[str, Coverage]) -> list[str]:
    lines: list[str] = []
    for name, ran in results.items():
        for table in ran:
            failed = sum(not row.ok for row in table.rows)
            lines.append(f"{table.file}: {len(table.rows)} rows, {failed} failed")
            for row in table.rows:
                lines += _row_lines(row)
        lines += ["", f"{name}: {covered[name].rows} rows", *_coverage_lines(covered[name])]
    return lines


def _row_lines(row: RowResult) -> list[str]:
    verdict = paint("ok  ", GREEN, stream=sys.stdout) if row.ok else paint("FAIL", RED, stream=sys.stdout)
    lines = [f"  {verdict} {row.name} ({row.because})"]
    if not row.ok:
        lines.append(f"       at {row.span}")
        lines += [f"       {it.what}: expected {it.expected}, got {it.got}" for it in row.differences]
    return lines


def _coverage_lines(coverage: Coverage) -> list[str]:
    transitions, cells = coverage.transitions, coverage.cells
    lines = [f"  transitions taken: {transitions.covered} of {transitions.total}"]
    lines += [
        f"    never taken: {row.span} {row.state or 'anywhere'} on {row.event or 'always'} -> {row.target or 'stays'}"
        for row in transitions.missing[:MISSING_SHOWN]
    ]
    lines += _more(len(transitions.missing))
    lines.append(f"  cells (state x event) decided: {cells.covered} of {cells.total}")
    lines += [f"    undecided: {leaf} on {event}" for leaf, event in cells.missing[:MISSING_SHOWN]]
    return [*lines, *_more(len(cells.missing))]


def _more(missing: int) -> list[str]:
    return [f"    and {missing - MISSING_SHOWN} more"] if missing > MISSING_SHOWN else []


# --- JSON


def _record(results: dict[str, list[TableResult]], covered: dict[str, Coverage]) -> list[dict[str, object]]:
    return [
        {
            "flow": name,
            "ok": all(table.ok for table in ran),
            "tables": [
                {"file": it.file, "table": it.table, "rows": [_row_record(row) for row in it.rows]} for it in ran
            ],
            "coverage": _coverage_record(covered[name]),
        }
        for name, ran in results.items()
    ]


def _row_record(row: RowResult) -> dict[str, object]:
    differences = [{"what": it.what, "expected": it.expected, "got": it.got} for it in row.differences]
    return {
        "name": row.name, "because": row.because, "line": row.span.line, "state": row.leaf,
        "event": row.event or "always", "ok": row.ok, "differences": differences,
    }  # fmt: skip


def _coverage_record(coverage: Coverage) -> dict[str, object]:
    return {
        "rows": coverage.rows,
        "transitions": {
            "total": coverage.transitions.total,
            "missing": [
                {"line": row.span.line, "state": row.state, "event": row.event or "always"}
                for row in coverage.transitions.missing
            ],
        },
        "cells": {"total": coverage.cells.total, "missing": [list(cell) for cell in coverage.cells.missing]},
    }  # fmt: skip
