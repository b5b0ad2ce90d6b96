"""`eagle diagram`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from cli.streams import format_option, write_note, write_result


@click.command()
@click.argument("flow_path", metavar="FLOW")
@format_option("mermaid", "dot", "svg")
@click.option("--highlight", metavar="STATE", help="Mark this state, by its full name.")
@click.option("-o", "--output", metavar="FILE", help="Write to a file instead of stdout.")
def diagram(flow_path: str, style: str, highlight: str | None, output: str | None) -> int:
    """Draw a flow as Mermaid, DOT or SVG text.

    SVG needs the extra: pip install "eagle-flow[diagram]".

    \b
    Example:
      eagle diagram flows/eagle_chicken.yaml --format svg -o eagle.svg
    """
    from cli.findings import tell
    from cli.locate import CannotUse, read_flow_source
    from engine.chart.faults import name_hint
    from engine.chart.load import load_flow
    from engine.chart.model import FlowError
    from engine.chart.render import DrawingUnavailable, dot, mermaid, svg
    from engine.trading.vocabulary import trading_vocabulary

    source = read_flow_source(flow_path)
    try:
        flow = load_flow(source.text, file=source.file, vocabulary=trading_vocabulary())
    except FlowError as wrong:
        return tell(wrong.findings, {source.file: source.text})
    if highlight is not None and (not highlight or highlight not in flow.states):
        hint = name_hint(highlight, [name for name in flow.states if name])
        raise CannotUse(f'--highlight: no state "{highlight}" in {source.file}; {hint}')
    try:
        drawers: dict[str, Callable[..., str]] = {"mermaid": mermaid, "dot": dot, "svg": svg}
        drawn = drawers[style](flow, highlight=highlight)
    except DrawingUnavailable as missing:
        raise CannotUse(str(missing)) from missing
    if output is None:
        write_result(drawn)
        return 0
    try:
        Path(output).write_text(drawn, encoding="utf-8")
    except OSError as error:
        raise CannotUse(f"--output: {output} cannot be written ({error.strerror})") from error
    write_note(f"{output}: {len(drawn)} characters of {style}")
    return 0
