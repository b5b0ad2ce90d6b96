"""`eagle test`: runs transition tables and scenarios."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.drawing import svg_option
from cli.options import FILE
from cli.streams import GREEN, RED, format_option, paint, write_note, write_result

if TYPE_CHECKING:
    from cli.scenarios import Scenario
    from engine.chart.journey import Journey
    from engine.chart.model import Flow
    from engine.chart.row_path import Look, Tried
    from engine.chart.table import Coverage, RowResult, TableResult

DEFAULT = "tests/tables"
MISSING_SHOWN = 20  # undecided transitions and cells that the text names; JSON names all


@click.command()
@click.argument("paths", type=FILE, nargs=-1, metavar="[FILE|FOLDER]...")
@format_option("text", "json")
@svg_option
@click.option("--mermaid", is_flag=True, help="Draw the way of the first row that failed instead, as Mermaid text.")
def test(paths: tuple[str, ...], style: str, svg_file: str | None, mermaid: bool) -> int:
    """Run transition tables and scenarios (YAML) against their flows; show what the tables cover.

    Without a path: all tables in tests/tables. A table's flow is looked for in flows/, beside the table and here. A row
    that fails is shown with the way that was expected and every row of the flow that was asked until the chart came to
    rest; --svg and --mermaid draw the first. A scenario, which `eagle prove --save` writes, is led through the real
    runner and the paper venue, and fails where that goes another way; then its trace is shown, and drawn too. Exit
    code 1 if a row or a scenario fails.

    \b
    Examples:
      eagle test tests/tables/eagle_chicken.yaml
      eagle test --svg failed.svg
      eagle test found/every_fill_is_hedged.yaml
    """
    import json

    from cli.findings import tell
    from cli.locate import flow_path_of_table, read_flow_source, read_source
    from cli.scenarios import is_scenario, run_scenario
    from engine.chart.load import load_flow
    from engine.chart.model import FlowError
    from engine.chart.table import coverage, load_table, run_table
    from engine.trading.vocabulary import trading_vocabulary

    texts: dict[str, str] = {}
    results: dict[str, list[TableResult]] = {}
    flows: dict[str, Flow] = {}
    scenarios: list[Scenario] = []
    try:
        for path in _files(paths or (DEFAULT,)):
            source = read_source(path)
            texts[source.file] = source.text
            if is_scenario(source.text):
                scenarios.append(run_scenario(source))
                continue
            table = load_table(source.text, file=source.file)
            if table.flow not in flows:
                found = read_flow_source(flow_path_of_table(table.flow, table=table.file))
                texts[found.file] = found.text
                flows[table.flow] = load_flow(found.text, file=found.file, vocabulary=trading_vocabulary())
            results.setdefault(table.flow, []).append(run_table(table, flows[table.flow]))
    except FlowError as wrong:
        return tell(wrong.findings, texts)
    covered = {
        name: coverage(flows[name], [row for table in ran for row in table.rows]) for name, ran in results.items()
    }
    failed = [(flows[name], row) for name, ran in results.items() for table in ran for row in table.rows if not row.ok]
    if mermaid or svg_file is not None:
        _draw(_ways(failed, scenarios), svg_file=svg_file, as_mermaid=mermaid)
    if mermaid:
        return 1 if failed or any(it.why for it in scenarios) else 0
    if style == "json":
        record = [*_record(results, covered), *(it.record() for it in scenarios)]
        write_result(json.dumps(record, indent=2, ensure_ascii=False))
    else:
        write_result("\n".join([*(it.line() for it in scenarios), *_lines(results, covered)]))
    return 1 if failed or any(it.why for it in scenarios) else 0


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


def _ways(
    rows: Sequence[tuple[Flow, RowResult]], scenarios: Sequence[Scenario]
) -> list[tuple[Flow, Journey, str | None]]:
    """Of what failed: the flow, the way that was taken, and the state in which it was to rest."""
    from engine.chart.journey import Hop, journey_of

    ways: list[tuple[Flow, Journey, str | None]] = []
    for flow, row in rows:
        hops = [Hop(0, move.source, move.event, move.target) for move in row.moves]
        ways.append((flow, journey_of(hops, until_ns=0, caption=row.name), row.then))
    for it in scenarios:
        if it.why:
            until_ns = it.hops[-1].at_ns if it.hops else 0
            ways.append((it.flow, journey_of(it.hops, until_ns=until_ns, caption=it.name), it.to))
    return ways


def _draw(ways: Sequence[tuple[Flow, Journey, str | None]], *, svg_file: str | None, as_mermaid: bool) -> None:
    """The first of them on its flow's diagram, with the state marked where it was to rest."""
    from cli.drawing import write_svg
    from engine.chart.render import mermaid

    if not ways:
        write_note("nothing failed: there is nothing to draw")
        return
    flow, journey, to = ways[0]
    if svg_file is not None:
        write_svg(svg_file, flow, journey, highlight=to)
    if as_mermaid:
        write_result(mermaid(flow, highlight=to, journey=journey))
    if len(ways) > 1:
        write_note(f"{len(ways)} rows and scenarios failed; the first is drawn")


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
        lines += [f"       {line}" for line in _path_lines(row)]
    return lines


def _path_lines(row: RowResult) -> Iterator[str]:
    """The row of the flow that was expected to run, and every row that was asked until the chart came to rest."""
    if row.then is not None and any(it.what == "then" for it in row.differences):
        yield f"expected {row.leaf} -> {row.then}, {_way_there(row)}"
    for place, look in enumerate(row.path):
        yield f"{'' if place else 'actual':<8} {look.leaf}, {_occasion(look.event)}"
        for tried in look.tried:
            yield f"{'':<8}   {'taken ' if tried.open else 'closed'} {_tried_text(tried)}"
        if not look.tried:
            yield f"{'':<8}   no row answers it here"
    yield f"{'sends':<8} {'; '.join(map(str, row.calls)) or 'nothing'}"


def _way_there(row: RowResult) -> str:
    """What stood between the row and where it was to rest."""
    leading = [tried for look in row.path for tried in look.tried if tried.target == row.then]
    for tried in leading:
        if tried.open:
            return f"reached by line {tried.row.span.line}, but the chart goes on from there"
    if leading:
        return f"by {' or '.join(f'line {it.row.span.line}' for it in leading)}, whose guard is closed here"
    return "but no row that was asked leads there"


def _occasion(event: str) -> str:
    """As a table writes it: `always`, `after hold`, `done`."""
    kind, _, rest = event.partition(":")
    return f"after {rest.rpartition(':')[2]}" if kind == "after" else kind or "always"


def _tried_text(tried: Tried) -> str:
    """`line 139 [opening.filled > 0] -> TAKER_HEDGING, where opening.filled = 0`."""
    row = tried.row
    guard = "" if row.when is None else f" [{' '.join(row.when.source.split())}]"
    read = ", ".join(f"{name} = {_plain(value)}" for name, value in tried.read.items())
    return f"line {row.span.line}{guard} -> {tried.target or 'stays'}{f', where {read}' if read else ''}"


def _plain(value: object) -> str:
    """As a flow would write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


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
        "event": row.event or "always", "then": row.then, "ok": row.ok, "differences": differences,
        "path": [_look_record(look) for look in row.path], "sends": list(map(str, row.calls)),
    }  # fmt: skip


def _look_record(look: Look) -> dict[str, object]:
    tried = [
        {
            "line": it.row.span.line, "when": None if it.row.when is None else it.row.when.source,
            "target": it.target, "open": it.open, "read": {name: _plain(value) for name, value in it.read.items()},
        }
        for it in look.tried
    ]  # fmt: skip
    return {"state": look.leaf, "event": look.event or "always", "tried": tried}


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
