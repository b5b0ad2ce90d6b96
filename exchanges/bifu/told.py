"""What a BiFu account tells beside the fills that are hedged: fills and rows that were set aside, and why.

A hedger must journal them like the fills: `Counts` is rebuilt from both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from exchanges.types import FastEnum, Fill
from exchanges.values import quick


class Aside(FastEnum):
    """Why something was not passed on as a fill to hedge."""

    TAKER = "taker"  # the account took liquidity: real exposure that nothing here hedges
    SELF_MATCH = "self_match"  # both sides are this account: it adds +q and -q
    OTHER_MARKET = "other_market"  # not one of the markets that are hedged
    OTHER_ACCOUNT = "other_account"  # not the account that was configured
    BAD_ROW = "bad_row"  # cannot be read; the venue's order list is compared at once
    BASELINE = "baseline"  # what an order had filled before the first start
    BEFORE = "before"  # a row of a fill from before the first start


@quick
@dataclass(frozen=True, slots=True)
class SetAside:
    """`fill` is what was not passed on, None for what cannot be read. `text` says it to a person; if `again`, who has
    heard of its like lately.
    """

    account: str
    why: Aside
    text: str
    fill: Fill | None = None
    again: bool = False

    @property
    def alarm(self) -> bool:
        """Must a person look at it?"""
        return not self.again and self.why is not Aside.BASELINE and self.why is not Aside.BEFORE


AsideHandler = Callable[[SetAside], None]
