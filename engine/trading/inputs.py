"""What the world tells the desk: the only things that a step reads besides its own state (all journalled).

Venue facts (`OrderUpdate`, `Fill`, `LinkUpdate`, `Margin`) come as they are; the rest is named here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from engine.trading.plan import Limits
from exchanges.types import Fill, LinkUpdate, Margin, OrderState, OrderUpdate, Position, Quote, Reply, Side
from exchanges.values import quick


class Request(Enum):
    """Which request an answer belongs to."""

    PLACE = "place"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Day:
    """The day in which a run begins: what earlier runs of its accounts made in it, in money, and when it ends (S10)."""

    pnl: Decimal
    ends_ns: int  # on the run's clock


@dataclass(frozen=True, slots=True)
class Held:
    """What earlier runs left of one account, in base units: `baseline` is the user's own and stays (S1), `ours` not."""

    account: str
    baseline: Decimal
    ours: Decimal


@dataclass(frozen=True, slots=True)
class LeftLot:
    """A part of what earlier runs of a flow that listens left open: signed, at its price, so old at the start."""

    qty: Decimal
    price: Decimal
    age_ms: int
    order_id: str
    trade_id: str


@dataclass(frozen=True, slots=True)
class Carried:
    """What earlier runs of the same accounts left open, by the journal: their positions, and orders without an end.

    Comes before anything else, while no account is connected. `run` is the number of the run that left it; since
    `since_ms`, of the wall clock, the venues may have filled these orders without telling. `untold` are runs without
    an end in the journal: where their disk was full they made orders of which it knows nothing.
    """

    run: int
    since_ms: int
    held: tuple[Held, ...]
    orders: tuple[Recalled, ...]
    lots: tuple[LeftLot, ...] = ()
    untold: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Started:
    """The run begins, all accounts connected; `positions` are each account's baseline (S1), but for one `carried` over.

    Without `day` the run's first 24 hours are a day, as if nothing had been before it.
    """

    positions: tuple[Position, ...]
    margins: tuple[Margin, ...]
    day: Day | None = None


@quick
@dataclass(frozen=True, slots=True)
class Answered:
    """The venue's answer to a place or cancel request."""

    client_id: str
    request: Request
    reply: Reply


@quick
@dataclass(frozen=True, slots=True)
class NotSent:
    """An effect that the sender dropped before the wire: stale, out of its time, or no longer allowed (S16)."""

    client_id: str
    request: Request
    why: str


@quick
@dataclass(frozen=True, slots=True)
class Looked:
    """Answer to `AskOrder`. Not `ok`: no answer could be had. `ok` without `update`: the venue knows no such order."""

    client_id: str
    token: int
    ok: bool
    update: OrderUpdate | None
    text: str = ""


@quick
@dataclass(frozen=True, slots=True)
class Counted:
    """Answer to `AskPositions`; not `quiet` when an order or fill of these accounts moved meanwhile (S17)."""

    token: int
    ok: bool
    quiet: bool
    positions: tuple[Position, ...]
    margins: tuple[Margin, ...]
    text: str = ""


@quick
@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer is due. `owner` is "chart" or the desk's own part; stale epochs are dropped by comparison."""

    owner: str
    name: str
    epoch: int


@dataclass(frozen=True, slots=True)
class MarketSeen:
    """The market watch changed its mind (E16). `pause_factor` stretches the pause between rounds in a thin market."""

    open: bool
    reason: str  # "", stale, crossed, volatile, thin, spread, pause_price, stop_price, basis
    text: str
    pause_factor: int = 1


@dataclass(frozen=True, slots=True)
class StopAsked:
    """A person asks to stop: level 1 in order, level 2 flatten now (E18)."""

    level: int


@dataclass(frozen=True, slots=True)
class PauseAsked:
    """A person asks for no opening, or for openings again; closing, hedging and cleanup go on."""

    paused: bool


@dataclass(frozen=True, slots=True)
class Reconfigured:
    """Validated settings and limits hold from now on (see reconfigure.py); `version` is that of their config.

    `settings` are literals as a config writes them. Requests a minute stay those of the start.
    """

    version: int
    settings: Mapping[str, str]
    limits: Limits


@dataclass(frozen=True, slots=True)
class ClockJumped:
    """The machine slept or stalled for `gap_ns`: nothing that was believed before is trusted (S14)."""

    gap_ns: int


@dataclass(frozen=True, slots=True)
class Recalled:
    """An order that left memory, read back from the journal because a frame names it; handled before that frame.

    `purpose` is the word of `effects.Purpose`; `filled` is by rows, `provisional` by snapshots beyond them (S5). A
    request of an earlier run may still be accepted for `dead_in_ns` from now on (S4).
    """

    client_id: str
    account: str
    venue: str
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal | None
    purpose: str
    leg: str
    round: int
    order_id: str
    state: OrderState
    filled: Decimal
    provisional: Decimal
    trades: tuple[str, ...]
    dead_in_ns: int = 0


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that a listened account told and that is hedged by nobody. `fill` is None for what cannot be read.

    `why` is the adapter's word for it; `alarm`: a person must look.
    """

    account: str
    why: str
    text: str
    alarm: bool
    fill: Fill | None


@dataclass(frozen=True, slots=True)
class SourceChecked:
    """A listened account was compared with its venue's list of orders up to `compared_ms`, in the venue's time.

    `since_ms` is the first start on this account at this `address`: a later run goes on from there.
    """

    account: str
    address: str
    since_ms: int
    compared_ms: int


@dataclass(frozen=True, slots=True)
class Relisted:
    """What an account's venue says now of what prices and sizes of orders must be; asked for after it refused one."""

    account: str
    tick: Decimal
    lot: Decimal
    min_qty: Decimal
    min_notional: Decimal


Input = (
    Carried
    | Recalled
    | LeftOut
    | SourceChecked
    | Started
    | OrderUpdate
    | Fill
    | LinkUpdate
    | Margin
    | Answered
    | NotSent
    | Looked
    | Counted
    | TimerFired
    | MarketSeen
    | StopAsked
    | PauseAsked
    | ClockJumped
    | Reconfigured
    | Relisted
)


@dataclass(frozen=True, slots=True)
class QuoteUsed:
    """A quote that a decision read, journalled before the input whose step read it; replay sets the book from it."""

    quote: Quote
