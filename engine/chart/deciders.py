"""The question that a chart asks at every microstep: which candidate is next, and what leaf does that make it.

Two answers exist and must agree: the flat table walked by hand (here), and a `transitions` machine
(`transitions_decider`, the only module that imports that library). Everything else of a step is shared, so a
difference can only be here.
"""

from __future__ import annotations

from typing import Protocol

from engine.chart.binding import ALWAYS, Bound, Plan


class Decider(Protocol):
    leaf: str

    def take(self, event: str) -> Plan | None:
        """Move to the leaf of the first open candidate and return it. None moves nothing. Raises: Fault."""

    def restless(self) -> bool:
        """Is an `always` row of the leaf open? Cheap: asked after every event of the domain. Raises: Fault."""

    def put(self, leaf: str) -> None:
        """Stand in `leaf` from now on, without a transition."""


class TableDecider:
    """The reference: first open candidate of the table."""

    def __init__(self, bound: Bound, leaf: str) -> None:
        self.leaf = leaf
        self._plans_of = bound.plans_of

    def take(self, event: str) -> Plan | None:
        for plan in self._plans_of(self.leaf, event):
            if plan.open():
                self.leaf = plan.leaf
                return plan
        return None

    def restless(self) -> bool:
        for plan in self._plans_of(self.leaf, ALWAYS):  # noqa: SIM110 as in the other decider
            if plan.open():
                return True
        return False

    def put(self, leaf: str) -> None:
        self.leaf = leaf
