"""What a simulation assumed, and how much better or worse the same decisions could have been filled (S19)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine.review.report_figures import Money, PaperResult
from engine.review.report_money import Bounds
from engine.review.report_rows import Terms

__all__ = ["paper_result"]

_MS = 1_000_000
_BPS = 10_000


def paper_result(venues: str, money: Money, bounds: Bounds, terms: Terms, *, seed: int) -> PaperResult | None:
    """The result between its bounds; None for a run in which a venue was real.

    optimistic  = simulated - what slippage cost
    pessimistic = simulated - 2 x what makers gained against the mid - slippage - 2 x its size, gains counted as losses
                  - quantity beyond the size shown, at its order's worst price
    """
    used: Mapping[str, Any] = json.loads(venues)
    if not used or any(venue.get("kind") != "paper" for venue in used.values()):
        return None
    pessimistic = (
        money.pnl - 2 * bounds.maker_gain - money.slippage - 2 * bounds.slippage_size - bounds.beyond_cost
    )  # fmt: skip
    return PaperResult(
        venues=_models(used, seed=seed),
        optimistic=money.pnl - bounds.slippage_lost,
        simulated=money.pnl,
        pessimistic=pessimistic,
        beyond_best=bounds.beyond,
        assumes=_assumptions(terms),
    )


def _models(used: Mapping[str, Any], *, seed: int) -> tuple[str, ...]:
    """Each fill model once, with the venues that have it."""
    named: dict[str, list[str]] = {}
    for name, venue in used.items():
        named.setdefault(_model(venue, seed=seed), []).append(name)
    return tuple(f"{', '.join(names)}: {model}" for model, names in named.items())


def _model(venue: Mapping[str, Any], *, seed: int) -> str:
    depth = venue["depth"]
    market = f"made-up market of seed {seed}" if venue["market"] == "synthetic" else f"recording {venue['market']}"
    behind = "nothing"
    if depth["levels"] and depth["growth"]:
        step = "a tick" if depth["step_ticks"] == 1 else f"{depth['step_ticks']} ticks"
        size = "the size" if depth["growth"] == 1 else f"{depth['growth']} x the size"
        behind = f"{depth['levels']} levels, {step} apart, each of {size} at the best"
    return (
        f"{market}; {venue['latency_ns'] / _MS:g} ms to the venue, {venue['feed_latency_ns'] / _MS:g} ms back;"
        f" behind the best price {behind}"
    )


def _assumptions(terms: Terms) -> tuple[str, ...]:
    worst = terms.max_slippage * _BPS
    return (
        "As simulated: a resting order waits behind the size that its price showed when it joined; public trades eat"
        " that queue, then fill it. What we took is gone until the venue shows that side anew. Our orders move no"
        " price.",
        "Optimistic: takers trade whole at the best price that stood when they were decided - no latency, no depth."
        " A shorter queue would have brought more fills too; they are not counted.",
        "Pessimistic: makers are last in the queue and fill only as the market goes through their price, so they lose"
        " what they gained against the mid. Latency is twice as long, with every move against us. What goes beyond the"
        f" size shown, what we took before deducted, pays the worst price allowed, {float(worst):g} bps off."
        " A longer queue would have brought fewer fills; that is not counted.",
        "All keep this run's decisions, fees and prices. A sample says nothing of other days.",
    )
