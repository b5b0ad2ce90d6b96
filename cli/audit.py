"""`eagle audit` and `eagle replay`: what a journal proves, and whether this program would decide the same again."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import FILE, JOURNAL
from cli.streams import format_option, write_result


@click.command()
@click.argument("journal", type=FILE, default=JOURNAL, metavar="[JOURNAL]")
@click.option("--run", "number", type=click.IntRange(min=1), metavar="N", help="Which run; the newest if left out.")
@click.option(
    "--venue",
    "venues",
    multiple=True,
    metavar="[NAME=]URL",
    help="Compare with the own ledger of a local venue (`eagle venue serve`), too; may be given several times.",
)
@format_option("text", "json", "csv")
def audit(journal: str, number: int | None, venues: tuple[str, ...], style: str) -> int:
    """Prove from a journal that every maker fill was covered.

    And that the ledger equals the venues. By quantity: each maker fill is covered by taker fills or one recorded undo,
    plus dust, and never over-covered. A run whose flow does not hedge had nothing to cover: its fills are counted and
    compared with the venues. JOURNAL is state/eagle.sqlite if left out. Exit code 1 if the proof fails. CSV
    lists the accounts.

    \b
    Examples:
      eagle audit
      eagle audit state/eagle.sqlite --run 3
      eagle audit --venue http://127.0.0.1:8711
    """
    import json

    from cli.venue_ledger import fetch_ledger
    from engine.runtime.audit import audit as audited
    from engine.runtime.venue_audit import audit_venue

    path = Path(journal)
    report = audited(path, run=number)
    named = [_named(text) for text in venues]
    compared = [audit_venue(path, fetch_ledger(url), run=number, venue=name) for name, url in named]
    if style == "json":
        asked = {"venues": [each.as_json() for each in compared]} if compared else {}
        write_result(json.dumps({**report.as_json(), **asked}, indent=2))
    elif style == "csv":
        rows = [
            (it.account, it.symbol, it.baseline, it.fills, "" if it.venue is None else it.venue)
            for it in report.accounts
        ]
        write_result("\n".join(["account,symbol,baseline,fills,venue", *(",".join(map(str, row)) for row in rows)]))
    else:
        write_result("\n".join([*report.lines(), *(line for each in compared for line in each.lines())]))
    return 0 if report.holds and all(each.holds for each in compared) else 1


def _named(text: str) -> tuple[str | None, str]:
    """`NAME=URL` or `URL`."""
    name, _, url = text.rpartition("=") if not text.startswith(("http://", "https://")) else ("", "", text)
    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"--venue: {text!r} is no address; write one such as http://127.0.0.1:8711")
    return name or None, url


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
