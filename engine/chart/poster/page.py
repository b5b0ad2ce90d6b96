"""The whole poster: title, the path at a glance, what leads aside, a panel for each phase, and boxes of words."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from engine.chart.journey import Journey
from engine.chart.model import Flow
from engine.chart.picture import picture_of
from engine.chart.poster.asides import Aside
from engine.chart.poster.grid import least_width, scale_for
from engine.chart.poster.ink import element, group, rect, text
from engine.chart.poster.inside import LayOut
from engine.chart.poster.lettering import Run, lines_of, width_of
from engine.chart.poster.pack import GAP, Block, packed
from engine.chart.poster.panels import panel_for
from engine.chart.poster.scene import Scene, scene_of
from engine.chart.poster.sheets import everywhere_sheet, legend_sheet, sheet_block
from engine.chart.poster.strip import Strip
from engine.chart.poster.theme import Theme, style_sheet

__all__ = ["poster"]

MARGIN = 36.0
LEAST = 900.0
TITLE = 34.0
VERSION = 13.0
ABOUT = 14.0
TRIAL = 2000.0  # the width at which the head's share of the height is measured


def poster(
    flow: Flow, lay_out: LayOut, *, theme: Theme = "auto", highlight: str | None = None, journey: Journey | None = None
) -> str:
    """The SVG's text. Every state is an element with the id `state-NAME`, every phase one more, `path-NAME`."""
    scene = scene_of(picture_of(flow), highlight=highlight, journey=journey)
    panels = [panel_for(name, scene, lay_out) for name in scene.picture.phases]
    least = max(LEAST, least_width(scene.picture))
    share = _head(scene, TRIAL)[1] / TRIAL
    placed, width = packed(panels, list(_sheets(scene)), least=least, above=share)
    head, top = _head(scene, width)
    parts = [*head, *(group([one.block.draw(one.width, one.height)], x=one.x, y=top + one.y) for one in placed)]
    height = top + max(one.y + one.height for one in placed)
    w, h = round(width + 2 * MARGIN), round(height + 2 * MARGIN)
    caption = scene.trail.caption
    drawn = (
        element("title", escape(f"{flow.name}, version {flow.version}{f': {caption}' if caption else ''}")),
        element("style", style_sheet(theme)),
        rect(0, 0, w, h, class_="bg"),
        group(parts, x=MARGIN, y=MARGIN),
    )
    # The spaces between two runs of a line are kept by some converters only if that is said.
    space = {"xml:space": "preserve"}
    svg = element("svg", *drawn, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {w} {h}", width=w, height=h, **space)
    return f"{svg}\n"


def _head(scene: Scene, width: float) -> tuple[list[str], float]:
    """What stands above the panels, and how high it is."""
    s = scale_for(scene.picture, width)
    parts, y = _title(scene, width, s)
    strip = Strip(scene, width)
    parts.append(group(strip.draw(), y=y))
    y += strip.height + GAP * s
    for name in scene.picture.aside:
        aside = Aside(name, scene, width, s)
        parts.append(aside.draw(y))
        y += aside.height + GAP / 2 * s
    return parts, y + GAP / 2 * s


def _title(scene: Scene, width: float, s: float) -> tuple[list[str], float]:
    """Name, version and purpose of the flow, and whose journey is shown."""
    flow = scene.flow
    version = f"version {flow.version} · sha256 {flow.digest[:12]}"
    name_room = width - width_of(version, VERSION * s) - 30 * s
    size = min(TITLE * s, name_room / width_of(flow.name, 1, bold=True))
    base = TITLE * 0.8 * s
    parts = [
        text(0, base, [Run(flow.name, "t", bold=True)], size=size),
        text(width, base, version, size=VERSION * s, class_="m", anchor="end"),
    ]
    y = base + 4 * s
    about, caption = [Run(flow.about, "m")], [Run(scene.trail.caption, "took", bold=True)]
    for line in (*lines_of(about, width, size=ABOUT * s), *lines_of(caption, width, size=ABOUT * s)):
        y += ABOUT * 1.4 * s
        parts.append(text(0, y, line, size=ABOUT * s))
    return parts, y + 20 * s


def _sheets(scene: Scene) -> Iterator[Block]:
    everywhere = everywhere_sheet(scene)
    if everywhere is not None:
        yield everywhere
    for sheet in scene.picture.sheets:
        yield sheet_block(sheet)
    yield legend_sheet()
