"""What the names in a flow's expressions mean.

Stays uncompiled where `view` is compiled: which attributes it has is up to the flow.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.trading.hedging import Hedging
from engine.trading.legs import Leg
from engine.trading.view import View
from engine.trading.world import World


class Scope(View):
    """The facts, and each leg as an attribute by its name."""

    def __init__(self, world: World, hedging: Hedging | None, legs: Mapping[str, Leg]) -> None:
        super().__init__(world, hedging, legs)
        for name, leg in legs.items():
            setattr(self, name, leg)
