"""`eagle validate`."""

from __future__ import annotations

import sys

import click

from cli.streams import colourful, format_option, write_result


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--flow", "flow_path", metavar="PATH", help="The flow that configs are checked against.")
@format_option("text", "json")
def validate(files: tuple[str, ...], flow_path: str | None, style: str) -> int:
    """Find every fault of flows, configs and transition tables; a file's content tells which it is.

    A config is checked against --flow, or else the flow that it names, the one flow among the files, the eagle flow.
    Exit code 1 on errors; warnings alone are no errors.

    \b
    Example:
      eagle validate flows/eagle_chicken.yaml docs/examples/eagle_paper.yaml
    """
    from cli.checking import Checker
    from cli.findings import counted, has_errors
    from engine.chart.report import as_json, as_text

    checker = Checker(flow_path)
    checker.check(files)
    found = checker.findings
    if style == "json":
        write_result(as_json(found))
    else:
        blocks = [as_text(found, checker.texts, colour=colourful(sys.stdout))] if found else []
        write_result("\n\n".join([*blocks, f"{', '.join(checker.told)}: {counted(found)}"]))
    return 1 if has_errors(found) else 0
