"""`eagle validate`."""

from __future__ import annotations

import sys

import click

from cli.options import FILE
from cli.streams import colourful, format_option, write_result


@click.command()
@click.argument("files", type=FILE, nargs=-1, required=True, metavar="FILE...")
@click.option("--flow", "flow_path", type=FILE, metavar="PATH", help="The flow that configs are checked against.")
@format_option("text", "json")
def validate(files: tuple[str, ...], flow_path: str | None, style: str) -> int:
    """Find every fault of flows, configs and transition tables.

    A file's content tells which it is. A config is checked against --flow, or else the flow that it names, the one flow
    among the files, the eagle flow.
    Of a sound config that is all paper it also tells what a round and a day are expected to cost.
    Exit code 1 on errors; warnings alone are no errors.

    \b
    Example:
      eagle validate flows/eagle_chicken.yaml docs/examples/eagle_paper.yaml
    """
    from cli.checking import Checker
    from cli.findings import has_errors
    from engine.chart.report import as_json

    checker = Checker(flow_path)
    checker.check(files)
    if style == "json":
        write_result(as_json(checker.findings))
    else:
        write_result("\n".join([checker.as_text(colour=colourful(sys.stdout)), *checker.notes]))
    return 1 if has_errors(checker.findings) else 0
