"""SVG elements as text, and the few shapes that a poster is made of. Knows no flow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from engine.chart.poster.lettering import Run

__all__ = ["circle", "element", "group", "number", "path", "rect", "text"]


def element(tag: str, *children: str, **attributes: object) -> str:
    """`class_` becomes class, `stroke_width` stroke-width; what is None or empty is left out."""
    words = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(_value(value))}"'
        for name, value in attributes.items()
        if value is not None and value != ""
    )
    return f"<{tag}{words}>{''.join(children)}</{tag}>" if children else f"<{tag}{words}/>"


def group(children: Iterable[str], *, x: float = 0, y: float = 0, title: str = "", **attributes: object) -> str:
    """Moved by (x, y); `title` is what a browser shows under the pointer. Each child has a line of the text."""
    moved = f"translate({number(x)} {number(y)})" if x or y else None
    told = [element("title", escape(title))] if title else []
    return element("g", "\n", *(f"{child}\n" for child in (*told, *children)), transform=moved, **attributes)


def rect(x: float, y: float, width: float, height: float, *, class_: str, radius: float = 0, **more: object) -> str:
    return element("rect", x=x, y=y, width=width, height=height, rx=radius or None, class_=class_, **more)


def circle(x: float, y: float, radius: float, *, class_: str) -> str:
    return element("circle", cx=x, cy=y, r=radius, class_=class_)


def path(steps: str, *, class_: str, **more: object) -> str:
    return element("path", d=steps, class_=class_, **more)


def text(x: float, y: float, runs: Sequence[Run] | str, *, size: float, class_: str = "", anchor: str = "") -> str:
    """A line of text on the baseline `y`; a run's style is the class of its own part."""
    if isinstance(runs, str):
        inner = escape(runs, quote=False)
    else:
        inner = "".join(
            element("tspan", escape(run.text, quote=False), class_=f"{run.style}{' b' if run.bold else ''}")
            for run in runs
        )
    return element("text", inner, x=x, y=y, font_size=size, class_=class_, text_anchor=anchor or None)


def number(value: float) -> str:
    """At most one decimal, none where it is zero."""
    said = f"{value:.1f}".removesuffix(".0")
    return "0" if said == "-0" else said


def _value(value: object) -> str:
    return number(value) if isinstance(value, int | float) else str(value)
