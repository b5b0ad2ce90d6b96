"""`eagle report`: what a run did and what it cost, from its journal."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import FILE, JOURNAL
from cli.streams import format_option, write_note, write_result


@click.command()
@click.argument("journal", type=FILE, default=JOURNAL, metavar="[JOURNAL]")
@click.option("--run", "number", type=click.IntRange(min=1), metavar="N", help="Which run; the newest if left out.")
@format_option("text", "json", "csv")
@click.option("--html", type=FILE, metavar="FILE", help="Also write one page with charts that needs nothing else.")
@click.option(
    "--plot", type=FILE, metavar="FILE", help="Also draw P&L, net position, exposure and latency: .png or .svg."
)
def report(journal: str, number: int | None, style: str, html: str | None, plot: str | None) -> int:
    """Report on a run: money by cause, rounds, fills, latency.

    Also exposure over time, expected against realised cost of rounds, and whether the venues' equity says the same as
    the P&L. A paper run gets an optimistic and a pessimistic result beside its own. JOURNAL is state/eagle.sqlite if
    left out. CSV has one figure a line. --html and --plot need the extra: pip install "eagle-flow[report]".

    \b
    Examples:
      eagle report
      eagle report state/eagle.sqlite --run 3 --html report.html
    """
    from cli import report_plain, report_text
    from engine.review.report import report as reported
    from engine.review.report import report_with_series

    path = Path(journal)
    files = [(option, Path(name)) for option, name in (("--html", html), ("--plot", plot)) if name is not None]
    if files:
        from cli import report_files

        report_files.check(files, journal=path)
        made, series = report_with_series(path, run=number)
        for option, file in files:
            report_files.write(option, file, made, series, journal=journal)
            write_note(f"{file}: written")
    else:
        made = reported(path, run=number)
    shown = {"text": report_text.as_text, "json": report_plain.as_json, "csv": report_plain.as_csv}[style]
    write_result(shown(made))
    return 0
