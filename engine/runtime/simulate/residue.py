"""Could anything still be taken off what a run left (S7)? Judged from the venues' positions, not by our ledger."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from exchanges.types import ZERO

__all__ = ["Left", "irreducible"]


class Left(NamedTuple):
    """A position, and the least that its venue lets it trade: to reduce it, and otherwise."""

    qty: Decimal
    least_close: Decimal
    least_order: Decimal


def irreducible(left: Mapping[str, Left], *, maker: str) -> bool:
    """Is every taker's position too little to be closed, and too little to be hedged what the maker's close would open?

    The maker's is then better kept: hedged, or as small as what it would leave.
    """
    takers = [it for name, it in left.items() if name != maker]
    if any(abs(it.qty) >= it.least_close for it in takers):
        return False
    opened = abs(sum((it.qty for it in takers), ZERO))
    return abs(left[maker].qty) < left[maker].least_close or opened < min(it.least_order for it in takers)
