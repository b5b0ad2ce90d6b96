"""How a report says its figures: money, quantities, times and shares as a person reads them."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

from engine.review.report_figures import RunFacts

__all__ = ["bps", "bps_of", "counted", "ending", "money", "pace", "qty", "share", "span"]

MS, S, MINUTE, HOUR = 1_000_000, 1_000_000_000, 60_000_000_000, 3_600_000_000_000
_ENDINGS = {
    0: "ended flat, confirmed by the venues",
    1: "failed or not flat",
    4: "its journal was lost",
    130: "was left at the third interrupt",
}


def money(value: Decimal, *, sign: bool = False, digits: int = 4) -> str:
    short = value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)
    return "0" if not short else f"{short:{'+' if sign else ''},f}"


def qty(value: Decimal) -> str:
    """Up to eight significant digits, no exponent."""
    short = value.normalize() if not value else round(value, max(0, 7 - value.adjusted())).normalize()
    return f"{short:f}"


def bps(value: float | Decimal) -> str:
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text


def bps_of(part: Decimal, whole: Decimal) -> str:
    """One amount in bps of another."""
    return bps(part / whole * 10_000) if whole else "-"


def counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def share(value: float) -> str:
    return f"{value * 100:.1f} %" if value >= 0.001 or not value else "< 0.1 %"  # not money


def span(ns: float) -> str:
    """A time in the unit in which it has one to three digits before the point."""
    if ns < MS:
        return "0" if not ns else f"{ns / 1_000:.0f} us"
    if ns < S:
        return f"{ns / MS:.1f} ms"
    if ns < MINUTE:
        return f"{ns / S:.2f} s"
    if ns < HOUR:
        return f"{int(ns // MINUTE)} min {int(ns % MINUTE // S)} s"
    return f"{int(ns // HOUR)} h {int(ns % HOUR // MINUTE)} min"


def pace(count: Decimal | int, length_ns: int) -> str:
    """So many an hour of the run's own time."""
    return f"{Decimal(count) * HOUR / length_ns:,.0f}" if length_ns else "-"


def ending(run: RunFacts) -> str:
    if run.exit_code is None:
        return "has no end in the journal: it goes on, or its process died"
    held = run.exit_code == 0 and not run.hedged  # flat, or with the position that it was for
    words = "ended in order, its position confirmed by the venues" if held else _ENDINGS.get(run.exit_code, "ended")
    return f"{words} (exit code {run.exit_code})"
