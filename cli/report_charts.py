"""The charts of a report, through matplotlib; drawn without a display and without global state.

Colours come from a palette: fixed ones for `--plot`, and stand-ins that the page replaces by its own variables, so that
one drawing serves light and dark.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from cli.report_words import span
from engine.review.report_figures import Report, percentiles
from engine.review.report_series import BUCKETS, Series
from engine.trading.plan import DIRECTIONAL

__all__ = ["CHARTS", "PAGE", "Shown", "charts_of", "drawn", "overview"]

MS = 1_000_000
_UNITS = ((2 * 3_600_000_000_000, 3_600_000_000_000, "hours"), (120_000_000_000, 60_000_000_000, "minutes"))
_RC: Any = {  # matplotlib types its keys one by one
    "svg.fonttype": "none", "svg.hashsalt": "eagle-flow", "font.family": "sans-serif", "font.size": 9,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left", "axes.titleweight": "bold",
    "axes.titlesize": 10, "axes.axisbelow": True, "axes.formatter.useoffset": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Palette:
    ink: str
    faint: str
    grid: str
    line: str
    band: str
    gain: str
    loss: str


PAPER = Palette("#1c2430", "#5c6773", "#e3e7ec", "#1f6feb", "#9ec5fe", "#1a7f4b", "#c93c37")
# Stand-ins for the page's variables; no other colour of a drawing may be equal to one of them.
PAGE = Palette("#010101", "#010102", "#010103", "#010104", "#010105", "#010106", "#010107")


@dataclass(frozen=True, slots=True)
class Shown:
    """What charts are drawn of."""

    report: Report
    series: Series


Draw = Callable[[Axes, Shown, Palette], None]


def drawn(draw: Draw, shown: Shown) -> str:
    """One chart as an SVG element in the page's stand-in colours."""
    with rc_context(_RC):
        figure = Figure(figsize=(6.4, 2.7), layout="constrained")
        axes = figure.add_subplot()
        draw(axes, shown, PAGE)
        _dress(axes, PAGE)
        figure.patch.set_alpha(0)
        text = _svg(figure)
    return _element(text, name=draw.__name__)


def overview(shown: Shown, *, kind: str) -> bytes:
    """P&L, net position, exposure age and hedge latency in one picture; `kind` is png or svg."""
    with rc_context(_RC):
        layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
        figure = Figure(figsize=(12, 7), layout=layout, dpi=120)
        for place, draw in enumerate(_drawn_in_overview(shown.report)):
            axes = figure.add_subplot(2, 2, place + 1)
            draw(axes, shown, PAPER)
            _dress(axes, PAPER)
        run = shown.report.run
        marked = "" if run.hedged else f"; {DIRECTIONAL}"
        title = f"run {run.number}: {run.flow} on {run.market}, {span(run.length_ns)}{marked}"
        figure.suptitle(title, color=PAPER.ink)
        if kind == "svg":
            return _svg(figure).encode()
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, metadata={"Software": None})
        return buffer.getvalue()


def _drawn_in_overview(report: Report) -> tuple[Draw, ...]:
    return (pnl, net_position, exposure_age, hedge_latency) if report.run.hedged else (pnl, net_position, where_from)


def charts_of(report: Report) -> tuple[Draw, ...]:
    """All that say something of this run."""
    return tuple(draw for draw in CHARTS if report.run.hedged or draw not in _OF_HEDGES)


# --- the charts


def pnl(axes: Axes, shown: Shown, palette: Palette) -> None:
    """P&L over time, and what it would be before fees; open positions at the mid."""
    axes.set_title(f"P&L, {shown.report.run.quote}", color=palette.ink)
    times, values = _seen(shown.series, shown.series.worth)
    axes.axhline(0, color=palette.faint, linewidth=0.8)
    _, before_fees = _seen(shown.series, shown.series.before_fees)
    axes.plot(
        [0, *times], [0, *before_fees], color=palette.faint, linewidth=1, label="before fees", drawstyle="steps-pre"
    )
    axes.plot([0, *times], [0, *values], color=palette.line, linewidth=1.4, label="P&L", drawstyle="steps-pre")
    axes.legend(loc="best", frameon=False, labelcolor=palette.ink)
    _time_axis(axes, shown.series)


def net_position(axes: Axes, shown: Shown, palette: Palette) -> None:
    """Least and greatest net position of each moment; dust is shaded."""
    axes.set_title("Net position of all accounts", color=palette.ink)
    dust = float(shown.report.deviation.dust)
    axes.axhspan(-dust, dust, color=palette.grid, linewidth=0)
    low, high = shown.series.net_low, shown.series.net_high
    scale = _scale(shown.series)
    places = [place for place in range(BUCKETS) if isfinite(low[place])]
    axes.vlines(
        [_time(shown.series, place) / scale[0] for place in places],
        [min(low[place], 0) for place in places], [max(high[place], 0) for place in places],
        color=palette.band, linewidth=1,
    )  # fmt: skip
    axes.axhline(0, color=palette.faint, linewidth=0.8)
    _time_axis(axes, shown.series)


def exposure_age(axes: Axes, shown: Shown, palette: Palette) -> None:
    """The longest time above dust of each moment."""
    axes.set_title("Longest exposure above dust, ms", color=palette.ink)
    times, values = _seen(shown.series, shown.series.age_ns)
    axes.plot(times, [value / MS for value in values], ".", color=palette.line, markersize=3)
    axes.set_ylim(0, 1.1 * max(values, default=MS) / MS)
    _time_axis(axes, shown.series)


def hedge_latency(axes: Axes, shown: Shown, palette: Palette) -> None:
    """From a fill's arrival to its hedge on the wire: median and longest of each moment."""
    axes.set_title("Hedge latency of this program, ms", color=palette.ink)
    seen = [(place, percentiles(took)) for place, took in enumerate(shown.series.latency_ns) if took]
    if not any(it.most for _, it in seen):
        why = "virtual time: not measured" if shown.report.run.speed == "max" else "no hedge has all five stamps"
        axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", color=palette.faint)
        axes.set_yticks([])
        _time_axis(axes, shown.series)
        return
    scale = _scale(shown.series)
    times = [_time(shown.series, place) / scale[0] for place, _ in seen]
    axes.vlines(
        times, [it.p50 / MS for _, it in seen], [it.most / MS for _, it in seen], color=palette.band, linewidth=1
    )  # fmt: skip
    axes.plot(times, [it.p50 / MS for _, it in seen], ".", color=palette.line, markersize=3)
    axes.set_ylim(bottom=0)
    _time_axis(axes, shown.series)


def round_cost(axes: Axes, shown: Shown, palette: Palette) -> None:
    """How the cost of rounds is spread, the far tails cut off, beside the median of what was expected."""
    axes.set_title("Cost of a round, bps of its notional", color=palette.ink)
    costs = sorted(shown.series.round_bps)
    cut = len(costs) // 100
    axes.hist(costs[cut : len(costs) - cut], bins=min(60, max(8, len(costs) // 8)), color=palette.band)
    if costs:
        expected = shown.report.cost.expected_bps.p50
        axes.axvline(expected, color=palette.ink, linewidth=1.2)
        axes.annotate(
            "expected", (expected, 1), xycoords=("data", "axes fraction"), xytext=(4, -10),
            textcoords="offset points", color=palette.ink,
        )  # fmt: skip
    axes.set_ylabel("rounds")
    axes.set_xlabel("bps; a gain is negative")


def where_from(axes: Axes, shown: Shown, palette: Palette) -> None:
    """The parts that add up to the P&L."""
    axes.set_title(f"Where the P&L comes from, {shown.report.run.quote}", color=palette.ink)
    it = shown.report.money
    parts = (
        ("spread", it.spread), ("fees", -it.fees), ("funding", it.funding), ("slippage", it.slippage),
        ("drift", it.drift), ("P&L", it.pnl),
    )  # fmt: skip
    names = [name for name, _ in parts]
    values = [float(value) for _, value in parts]
    bars = axes.barh(
        names, values, color=[palette.gain if value >= 0 else palette.loss for value in values], height=0.6
    )
    axes.bar_label(bars, [f"{value:+,.4f}" if value else "0" for value in values], padding=4, color=palette.ink)
    axes.invert_yaxis()
    axes.axvline(0, color=palette.faint, linewidth=0.8)
    axes.margins(x=0.25)


CHARTS: tuple[Draw, ...] = (pnl, where_from, net_position, exposure_age, round_cost, hedge_latency)
_OF_HEDGES = (exposure_age, round_cost, hedge_latency)
_OF_HEDGES = (exposure_age, round_cost, hedge_latency)


# --- time and dress


def _seen(series: Series, values: Sequence[float]) -> tuple[list[float], list[float]]:
    """Times and values of the buckets in which something was seen."""
    scale = _scale(series)[0]
    places = [place for place in range(BUCKETS) if isfinite(values[place])]
    return [_time(series, place) / scale for place in places], [values[place] for place in places]


def _time(series: Series, place: int) -> float:
    return (place + 1) * series.width_ns


def _scale(series: Series) -> tuple[int, str]:
    length_ns = BUCKETS * series.width_ns
    return next(((unit, name) for least, unit, name in _UNITS if length_ns >= least), (1_000_000_000, "seconds"))


def _time_axis(axes: Axes, series: Series) -> None:
    unit, name = _scale(series)
    axes.set_xlim(0, BUCKETS * series.width_ns / unit)
    axes.set_xlabel(f"{name} since the start")


def _dress(axes: Axes, palette: Palette) -> None:
    axes.set_facecolor("none")
    axes.grid(axis="y", color=palette.grid, linewidth=0.8)
    axes.tick_params(colors=palette.faint, labelcolor=palette.faint)
    axes.xaxis.label.set_color(palette.faint)
    axes.yaxis.label.set_color(palette.faint)
    for spine in axes.spines.values():
        spine.set_color(palette.grid)


# --- SVG


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return buffer.getvalue()


def _element(text: str, *, name: str) -> str:
    """The svg element alone, its ids made unique in the page."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    return re.sub(r'href="#', f'href="#{name}-', text)
