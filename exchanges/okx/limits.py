"""OKX's limits of requests, each of its true scope (S11): per user and instrument, per user, or per address. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from exchanges.budget import Budget

SPAN_NS = 2_100_000_000  # the venue counts over two seconds; what leaves evenly may arrive bunched


def budget(limit: int) -> Budget:
    return Budget(limit, span_ns=SPAN_NS)


@dataclass(frozen=True, slots=True)
class AddressLimits:
    """Public requests and new streams, of all accounts on one address together."""

    connects: Budget
    time: Budget
    instruments: Budget
    tiers: Budget
    books: Budget


def public_budgets() -> dict[str, Budget]:
    """The budgets of one address, by the fields of `AddressLimits`."""
    return {
        "connects": Budget(3, span_ns=1_100_000_000),
        "time": budget(20),
        "instruments": budget(20),
        "tiers": budget(20),
        "books": budget(40),
    }


@dataclass(frozen=True, slots=True)
class UserLimits:
    """Requests of one account; those of one instrument count as if it were the account's only one.

    REST and the stream share them. A batch of one order counts as a single one.
    """

    place: Budget = field(default_factory=lambda: budget(60))
    batch: Budget = field(default_factory=lambda: budget(300))
    amend: Budget = field(default_factory=lambda: budget(60))
    cancel: Budget = field(default_factory=lambda: budget(60))
    order: Budget = field(default_factory=lambda: budget(60))
    pending: Budget = field(default_factory=lambda: budget(60))
    fills: Budget = field(default_factory=lambda: budget(60))
    fills_history: Budget = field(default_factory=lambda: budget(10))
    account: Budget = field(default_factory=lambda: budget(10))
    positions: Budget = field(default_factory=lambda: budget(10))
    config: Budget = field(default_factory=lambda: budget(5))
    switch: Budget = field(default_factory=lambda: budget(2))
