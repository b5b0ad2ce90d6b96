"""`eagle audit` and `eagle replay`: what a journal proves, and whether this program would decide the same again."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import FILE, JOURNAL
from cli.streams import format_option, write_result


@click.command()
@click.argument("journal", type=FILE, default=JOURNAL, metavar="[JOURNAL]")
@click.option("--run", "number", type=click.IntRange(min=1), metavar="N", help="Which run; the newest if left out.")
@format_option("text", "json", "csv")
def audit(journal: str, number: int | None, style: str) -> int:
    """Prove from a journal that every maker fill was covered.

    And that the ledger equals the venues. By quantity: each maker fill is covered by taker fills or one recorded undo,
    plus dust, and never over-covered. JOURNAL is state/eagle.sqlite if left out. Exit code 1 if the proof fails. CSV
    lists the accounts.

    \b
    Examples:
      eagle audit
      eagle audit state/eagle.sqlite --run 3
    """
    import json

    from engine.runtime.audit import audit as audited

    report = audited(Path(journal), run=number)
    if style == "json":
        write_result(json.dumps(report.as_json(), indent=2))
    elif style == "csv":
        rows = [
            (it.account, it.symbol, it.baseline, it.fills, "" if it.venue is None else it.venue)
            for it in report.accounts
        ]
        write_result("\n".join(["account,symbol,baseline,fills,venue", *(",".join(map(str, row)) for row in rows)]))
    else:
        write_result("\n".join(report.lines()))
    return 0 if report.holds else 1


@click.command()
@click.argument("journal", type=FILE, default=JOURNAL, metavar="[JOURNAL]")
@click.option("--run", "number", type=click.IntRange(min=1), metavar="N", help="Which run; the newest if left out.")
@format_option("text", "json")
def replay(journal: str, number: int | None, style: str) -> int:
    """Feed a journalled run through this program's step again.

    The same states and effects come out, or the first difference is told. JOURNAL is state/eagle.sqlite if left out.

    \b
    Examples:
      eagle replay
      eagle replay state/eagle.sqlite --run 3
    """
    import json
    from dataclasses import asdict

    from cli.record import desk_of_run
    from engine.runtime.replay import replay as replayed

    report = replayed(Path(journal), desk_of_run, run=number)
    if style == "json":
        write_result(json.dumps({"same": report.same, **asdict(report)}, indent=2))
    else:
        write_result("\n".join(report.lines()))
    return 0 if report.same else 1
