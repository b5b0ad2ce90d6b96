"""What a report says, as values: money and quantities are Decimal, times nanoseconds, shares and bps of cost float.

Knows nothing of journals and nothing of how it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil

__all__ = [
    "AccountResult", "Cost", "Deviation", "Money", "OrderCounts", "PaperResult", "Percentiles", "PurposeResult",
    "Reconciled", "Report", "RoundCounts", "RunFacts", "Stage",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Nearest-rank percentiles: every figure is one that was measured. All zero where nothing was."""

    count: int
    p50: float
    p90: float
    p99: float
    most: float


NONE = Percentiles(0, 0, 0, 0, 0)


def percentiles(values: Sequence[float]) -> Percentiles:
    if not values:
        return NONE
    ranked = sorted(values)

    def rank(hundredths: int) -> float:
        return ranked[max(ceil(len(ranked) * hundredths / 100), 1) - 1]

    return Percentiles(len(ranked), rank(50), rank(90), rank(99), ranked[-1])


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Which run this is. Without `exit_code` it goes on, or its process died; `speed` is 1x, 10x ... or max."""

    number: int
    flow: str
    flow_version: int
    market: str
    quote: str
    seed: int
    program: str
    speed: str
    started_wall_ms: int
    length_ns: int  # from its first step to its last, on its own clock
    exit_code: int | None
    hedged: bool  # else directional: its net position is meant to be held


@dataclass(frozen=True, slots=True)
class RoundCounts:
    """`done` opened something, `given_up` opened nothing, `open` has no end; `took_ns` is of those done."""

    done: int
    given_up: int
    open: int
    took_ns: Percentiles


@dataclass(frozen=True, slots=True)
class OrderCounts:
    """Orders of one purpose. `failed`: refused or never sent; `fill_rate`: filled share of the others' quantity."""

    purpose: str
    orders: int
    filled: int
    partly: int
    unfilled: int
    failed: int
    fill_rate: float
    fill_ns: Percentiles  # from the decision to each of their fills


@dataclass(frozen=True, slots=True)
class Money:
    """pnl = spread - fees + funding + slippage + drift + rest, exactly; `rest` is not 0 only if that is broken."""

    volume: Decimal
    spread: Decimal
    fees: Decimal
    funding: Decimal
    slippage: Decimal
    drift: Decimal
    pnl: Decimal

    @property
    def rest(self) -> Decimal:
        return self.pnl - (self.spread - self.fees + self.funding + self.slippage + self.drift)


@dataclass(frozen=True, slots=True)
class AccountResult:
    account: str
    venue: str
    symbol: str
    fills: int
    position: Decimal  # at the end, since the baseline
    money: Money


@dataclass(frozen=True, slots=True)
class PurposeResult:
    """What the fills of orders of one purpose cost, without drift; `outside` are fills that no order of ours made."""

    purpose: str
    fills: int
    volume: Decimal
    fees: Decimal
    spread: Decimal
    slippage: Decimal


@dataclass(frozen=True, slots=True)
class Cost:
    """Expected against realised cost of the rounds in which both are known (S10); a gain is negative."""

    rounds: int
    notional: Decimal  # opened quantity x mid, summed
    expected: Decimal
    realised: Decimal
    told_bps: Decimal | None  # what the run itself expected before its first round
    expected_bps: Percentiles
    realised_bps: Percentiles
    outside_rounds: Decimal  # cost of all that belongs to no such round: cleanups, flattening, openings given up


@dataclass(frozen=True, slots=True)
class Deviation:
    """The net position over all accounts, which should be 0 (E12), and how long it was above dust."""

    mean: Decimal  # of its absolute value, by time
    largest: Decimal
    at_round_ends: Decimal  # largest
    end: Decimal
    dust: Decimal  # up to this a rest cannot be traded
    age_ns: Percentiles
    exposed_share: float  # of the run's time


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of the way from a maker's fill to its hedge on the wire."""

    name: str
    took_ns: Percentiles


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Computed P&L against what the venues say (S18). None where they were not read at both ends.

    equity_change = pnl + held_before + unexplained; `held_before` is what the baseline gained by the move of prices.
    """

    pnl: Decimal
    held_before: Decimal
    equity_change: Decimal | None
    unread: tuple[str, ...]  # accounts without a reading at the start or the end

    @property
    def unexplained(self) -> Decimal | None:
        return None if self.equity_change is None else self.equity_change - self.pnl - self.held_before


@dataclass(frozen=True, slots=True)
class PaperResult:
    """A simulation's result between bounds (S19): the same decisions, better and worse filled."""

    venues: tuple[str, ...]  # each venue's market and fill model, in words
    optimistic: Decimal
    simulated: Decimal
    pessimistic: Decimal
    beyond_best: Decimal  # quantity taken beyond the size that was shown
    assumes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OwnTrades:
    """S20: of so many trades on books where two accounts of the run trade, those with one of them on both sides."""

    matched: int
    trades: int


@dataclass(frozen=True, slots=True)
class Report:
    run: RunFacts
    rounds: RoundCounts
    orders: tuple[OrderCounts, ...]
    money: Money
    accounts: tuple[AccountResult, ...]
    purposes: tuple[PurposeResult, ...]
    cost: Cost
    deviation: Deviation
    held_back_ns: Percentiles  # of hedges, by an order of our own on the same book (S8)
    own_trades: OwnTrades | None  # None where no two accounts could meet
    latency: tuple[Stage, ...]
    venue: Reconciled
    paper: PaperResult | None
    alerts: tuple[tuple[str, int], ...]  # that called for a person: code, how often
    notes: tuple[str, ...]  # what limits these figures, a sentence each
