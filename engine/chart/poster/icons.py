"""A sign of ten units for each kind of clause."""

from __future__ import annotations

from engine.chart.poster.ink import circle, path
from engine.chart.words import Kind

__all__ = ["icon"]


def icon(kind: Kind, x: float, y: float) -> str:
    """Around (x, y)."""
    match kind:
        case Kind.START:
            return circle(x, y, 4.4, class_="start")
        case Kind.ENTRY:
            return _solid([(-3.5, -4.5), (4.5, 0), (-3.5, 4.5)], x, y)
        case Kind.EXIT:
            return _solid([(3.5, -4.5), (-4.5, 0), (3.5, 4.5)], x, y)
        case Kind.CHECK:
            return path(f"{_through([(0, -5), (5, 0), (0, 5), (-5, 0)], x, y)}Z", class_="icon")
        case Kind.ON:
            return circle(x, y, 2.6, class_="iconfill")
        case Kind.TIMER:
            return circle(x, y, 4.6, class_="icon") + path(_through([(0, -3), (0, 0), (2.4, 0)], x, y), class_="icon")
        case Kind.DO | Kind.DONE:
            arc = f"M{x + 4:.1f} {y - 2:.1f}A4.5 4.5 0 1 0 {x + 4.4:.1f} {y + 1:.1f}"
            return path(arc + _through([(4.6, -5), (4.6, -1.6), (1.2, -1.6)], x, y), class_="icon")
        case Kind.FAILED:
            strokes = (_through([(-3.6, -3.6), (3.6, 3.6)], x, y), _through([(3.6, -3.6), (-3.6, 3.6)], x, y))
            return path("".join(strokes), class_="icon")
        case Kind.DEFER:
            strokes = (_through([(-2, -4), (-2, 4)], x, y), _through([(2, -4), (2, 4)], x, y))
            return path("".join(strokes), class_="icon")


def _solid(points: list[tuple[float, float]], x: float, y: float) -> str:
    return path(f"{_through(points, x, y)}Z", class_="iconfill")


def _through(points: list[tuple[float, float]], x: float, y: float) -> str:
    (first, *rest) = [f"{x + dx:.1f} {y + dy:.1f}" for dx, dy in points]
    return "".join([f"M{first}", *(f"L{point}" for point in rest)])
