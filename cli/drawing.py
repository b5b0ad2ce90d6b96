"""Draws a way through a flow as SVG, for the commands that tell of one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import FILE
from cli.streams import write_note

if TYPE_CHECKING:
    from engine.chart.journey import Journey
    from engine.chart.model import Flow

__all__ = ["svg_option", "write_svg"]

svg_option = click.option(
    "--svg", "svg_file", type=FILE, metavar="FILE", help="Also draw it on the flow's diagram, as SVG, into this file."
)


def write_svg(file: str, flow: Flow, journey: Journey, *, highlight: str | None = None) -> None:
    """Raises: CannotUse without a layout engine, and for a file that cannot be written."""
    from cli.diagram import installed_graphviz
    from cli.locate import CannotUse
    from engine.chart.render import DrawingUnavailable, svg

    try:
        drawn = svg(flow, highlight=highlight, journey=journey, lay_out=installed_graphviz())
    except DrawingUnavailable as missing:
        raise CannotUse(f"--svg: {missing}") from missing
    try:
        Path(file).write_text(drawn, encoding="utf-8")
    except OSError as error:
        raise CannotUse(f"--svg: {file} cannot be written ({error.strerror})") from error
    write_note(f"{file}: {journey.caption}, on {flow.name} {flow.digest[:12]}")
