"""How quantities and times are written, wherever a person reads them."""

from __future__ import annotations

from decimal import Context, Decimal


def stop_words(*, hedged: bool, listens: bool) -> tuple[tuple[str, str], ...]:
    """What each step of a stop does (E18), and what the next one would.

    A hedger, which `listens`, keeps what it hedged; without hedging the flow alone says what becomes of what it holds.
    """
    if listens:
        steps = ("stopping in order: hedge what is open, then compare", "hedging at any price, waiting for no source")
        further = "to hedge at any price now"
    elif hedged:
        steps = ("stopping in order: no opening, cancel, hedge, close, flatten", "flattening by market now")
        further = "for market orders now"
    else:
        steps = (
            "stopping in order: no opening, cancel, then as the flow says",
            "the quickest way out that the flow knows",
        )
        further = "for its quickest way out"
    first, second = steps
    return ("", ""), (first, f"again {further}"), (second, "again to leave with what is open"), ("leaving", "")


def plain(value: Decimal, *, sign: bool = False) -> str:
    """A quantity without trailing zeros and exponents."""
    if not value:
        return "0"
    return f"{value.normalize():+f}" if sign else f"{value.normalize():f}"


def short(value: Decimal) -> Decimal:
    """Four significant digits, for the eye."""
    return Context(prec=4).plus(value)


def span(ms: int) -> str:
    """0.3 s, 42.0 s, 5:07, 3:05:07."""
    if ms < 60_000:
        return f"{ms // 100 / 10:.1f} s"
    seconds = ms // 1000
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"
