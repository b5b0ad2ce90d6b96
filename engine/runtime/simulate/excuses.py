"""What a fault may bring about that would be a violation without it, each with its reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping

__all__ = ["EXCUSES", "excused"]

EXCUSES: Mapping[str, Mapping[str, str]] = {
    "liquidation": {
        "ended_badly": "the run halts: an account was liquidated (S12)",
        "order_foreign": "the venue made the order",
        "fill_foreign": "the venue made the order; where only a list of fills tells of it, as on OKX, it says no cause",
        "round_uncovered": "the halt ends the round before the hedge of the liquidation is told",
    },
    "foreign_trade": {
        "ended_badly": "the run halts: somebody else trades on the account",
        "order_foreign": "somebody else made the order",
        "fill_foreign": "somebody else made the order",
        "round_uncovered": "the halt ends the round before the hedge of the trade is told",
    },
    "suspended": {"no_venue_end": "the machine slept while the venues were asked for the last time"},
    "maintenance": {"no_venue_end": "the venue was down when it was asked for the last time"},
    "keys_refused": {"no_venue_end": "the keys were refused when the venue was asked for the last time"},
    "rate_limited": {"no_venue_end": "the venue let nobody in when it was asked for the last time"},
    "disk_full": {"ended_badly": "exit code 4: the journal was lost"},
}


def excused(code: str, played: Collection[str]) -> bool:
    """Has a fault been played that may bring this about?"""
    return any(code in EXCUSES.get(fault, {}) for fault in played)
