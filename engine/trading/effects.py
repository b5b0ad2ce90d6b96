"""What the desk asks the world to do: data, executed by the runtime.

Every request carries its class, its epoch (the round that asked) and the time after which it must not be sent (S16).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum

from exchanges.types import FastEnum, OrderRequest
from exchanges.values import quick


class Urgency(IntEnum):
    """Order in which one account's sender works: lower goes first (S16)."""

    CANCEL = 0
    HEDGE = 1
    FLATTEN = 2
    ASK = 3
    OPEN = 4


class Purpose(FastEnum):
    """Why an order exists; journalled, and part of the proof that every fill was covered."""

    OPEN = "open"
    CLOSE = "close"
    CLEANUP = "cleanup"
    HEDGE = "hedge"
    UNDO = "undo"  # reversal on the maker, last rung of the ladder (S3)
    FLATTEN = "flatten"
    SOURCE = "source"  # a fill of an account that is only listened to: somebody else's order


class Level(IntEnum):
    INFO = 0
    WARNING = 1
    PERSON = 2  # a person is needed


@quick
@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """Send an order. Registered in the desk's order table before this effect exists."""

    request: OrderRequest
    venue: str
    urgency: Urgency
    purpose: Purpose
    leg: str  # the flow's leg, or the market for hedges
    round: int
    attempt: int
    covers: Decimal  # signed exposure that this order is meant to remove; 0 for openings
    epoch: int
    not_after_ns: int


@quick
@dataclass(frozen=True, slots=True)
class CancelOrder:
    account: str
    symbol: str
    client_id: str
    not_after_ns: int


@quick
@dataclass(frozen=True, slots=True)
class AskOrder:
    """Fetch an order's newest state; the answer is `Looked` with the same token."""

    account: str
    symbol: str
    client_id: str
    token: int


@dataclass(frozen=True, slots=True)
class AskPositions:
    """Read positions and margins of these accounts over a quiet cut; the answer is `Counted` (S17)."""

    accounts: tuple[str, ...]
    token: int


@quick
@dataclass(frozen=True, slots=True)
class ArmTimer:
    """Give `TimerFired(owner, name, epoch)` back at `at_ns`. A timer of the same owner and name replaces the former."""

    owner: str
    name: str
    epoch: int
    at_ns: int


@quick
@dataclass(frozen=True, slots=True)
class DisarmTimer:
    owner: str
    name: str
    epoch: int


@quick
@dataclass(frozen=True, slots=True)
class Moved:
    """The chart took a row; `target` is None when it stayed. For the journal, the screen and traces."""

    event: str
    source: str
    target: str | None
    round: int


@quick
@dataclass(frozen=True, slots=True)
class RoundBegan:
    """`expected_bps`: what it costs of its notional if both books stand still (S10); None without both books."""

    round: int
    side: str
    expected_bps: Decimal | None = None


@quick
@dataclass(frozen=True, slots=True)
class RoundEnded:
    """Money of one round in quote units; `residue` is the maker position that it leaves."""

    round: int
    opened: Decimal
    closed: Decimal
    residue: Decimal
    volume: Decimal
    fees: Decimal
    cash: Decimal


@quick
@dataclass(frozen=True, slots=True)
class Alert:
    """A fact for the log, the journal and, at level PERSON, a person; `text` says what to do."""

    level: Level
    code: str
    text: str
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Finish:
    """The flow is over: the process may end with this exit code."""

    exit_code: int
    text: str
    left_open: bool = False  # more than dust, or an order that may still fill: somebody has to close it


Effect = (
    PlaceOrder
    | CancelOrder
    | AskOrder
    | AskPositions
    | ArmTimer
    | DisarmTimer
    | Moved
    | RoundBegan
    | RoundEnded
    | Alert
    | Finish
)
