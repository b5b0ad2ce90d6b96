"""What the chart is told: facts in the past tense, after the ledger has counted them.

`order.filled` in YAML is `OrderFilled` here. Only the flow's legs speak through order events; hedges and flattens
belong to the standing rules and show in the facts (`settled`, `exposure`, `flattening`).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from engine.chart.model import BOOL, QTY, TEXT, EventKind, Type
from exchanges.types import Refusal
from exchanges.values import quick

REASON = Type("reason", tuple(refusal.value for refusal in Refusal))
POLICY = Type("policy", ("reduce", "keep", "distrust"))
MARKET_REASON = Type(
    "market reason",
    ("none", "stale", "crossed", "volatile", "thin", "spread", "pause_price", "stop_price", "basis"),
)


@quick
@dataclass(frozen=True, slots=True)
class OrderEvent:
    """About one order of a leg. `late`: it is not the leg's newest order, or its end was told before."""

    kind: ClassVar[str]
    about: ClassVar[str]
    attributes: ClassVar[dict[str, Type]] = {"leg": TEXT, "late": BOOL, "qty": QTY}

    leg: str
    late: bool
    qty: Decimal  # filled quantity of the order so far


class OrderAccepted(OrderEvent):
    __slots__ = ()
    kind = "order.accepted"
    about = "The venue has the order resting."


class OrderPartiallyFilled(OrderEvent):
    __slots__ = ()
    kind = "order.partially_filled"
    about = "A part filled; the hedging rule has already acted."


class OrderFilled(OrderEvent):
    __slots__ = ()
    kind = "order.filled"
    about = "The order filled in full; the hedging rule has already acted."


class OrderCanceled(OrderEvent):
    __slots__ = ()
    kind = "order.canceled"
    about = "The order ended unfilled or partly filled; this is the terminal state, not a cancel reply."


class OrderUnknown(OrderEvent):
    __slots__ = ()
    kind = "order.unknown"
    about = "Nobody knows whether the venue took the order; the standing rule is asking (S4)."


@dataclass(frozen=True, slots=True)
class OrderRefused(OrderEvent):
    kind = "order.refused"
    about = "The venue said no, or the order is provably dead: nothing of it can fill."
    attributes: ClassVar[dict[str, Type]] = {**OrderEvent.attributes, "reason": REASON}

    reason: str = "venue"


class OrderNotSent(OrderEvent):
    __slots__ = ()
    kind = "order.not_sent"
    about = "The order went stale before the wire and was dropped (S16)."


@dataclass(frozen=True, slots=True)
class CancelRefused:
    """The venue would not cancel: filled, gone or busy. Ask what is true."""

    kind: ClassVar[str] = "cancel.refused"
    attributes: ClassVar[dict[str, Type]] = {"leg": TEXT}
    leg: str


@dataclass(frozen=True, slots=True)
class LinkLost:
    """An account's stream can no longer be trusted (E17)."""

    kind: ClassVar[str] = "link.lost"
    attributes: ClassVar[dict[str, Type]] = {"account": TEXT}
    account: str


@dataclass(frozen=True, slots=True)
class LinkTrusted:
    """An account's stream is resynced and trusted again."""

    kind: ClassVar[str] = "link.trusted"
    attributes: ClassVar[dict[str, Type]] = {"account": TEXT}
    account: str


@dataclass(frozen=True, slots=True)
class MarketClosed:
    """A market guard stops opening (E14, E16)."""

    kind: ClassVar[str] = "market.closed"
    attributes: ClassVar[dict[str, Type]] = {"reason": MARKET_REASON}
    reason: str


@dataclass(frozen=True, slots=True)
class MarketOpened:
    """All market guards are content again."""

    kind: ClassVar[str] = "market.opened"
    attributes: ClassVar[dict[str, Type]] = {}


@dataclass(frozen=True, slots=True)
class LimitBreached:
    """A limit of E15 or an invariant of E12 broke; `policy` says what becomes of the position (S12)."""

    kind: ClassVar[str] = "limit.breached"
    attributes: ClassVar[dict[str, Type]] = {"limit": TEXT, "policy": POLICY}
    limit: str
    policy: str


@dataclass(frozen=True, slots=True)
class StopRequested:
    """A person asks to stop in order (first SIGINT, E18)."""

    kind: ClassVar[str] = "stop.requested"
    attributes: ClassVar[dict[str, Type]] = {}


@dataclass(frozen=True, slots=True)
class StopNow:
    """A person asks to flatten at once (second SIGINT, E18)."""

    kind: ClassVar[str] = "stop.now"
    attributes: ClassVar[dict[str, Type]] = {}


@dataclass(frozen=True, slots=True)
class ErrorRaised:
    """A step of the chart itself failed; ledger and hedges are untouched (S2)."""

    kind: ClassVar[str] = "error.raised"
    attributes: ClassVar[dict[str, Type]] = {"text": TEXT}
    text: str


StrategyEvent = (
    OrderEvent
    | CancelRefused
    | LinkLost
    | LinkTrusted
    | MarketClosed
    | MarketOpened
    | LimitBreached
    | StopRequested
    | StopNow
    | ErrorRaised
)

# No state may ignore these: fills, cancels, refusals, stream loss, limits, stop, and the chart's own failure.
_MUST_HANDLE = frozenset(
    {
        "order.partially_filled", "order.filled", "order.canceled", "order.refused", "order.unknown",
        "cancel.refused", "link.lost", "limit.breached", "stop.requested", "stop.now", "error.raised",
    }
)  # fmt: skip

# What only orders of legs can bring: a flow that listens and hedges never hears it.
ORDER_EVENTS = frozenset(
    {
        "order.accepted", "order.partially_filled", "order.filled", "order.canceled", "order.refused", "order.unknown",
        "order.not_sent", "cancel.refused",
    }
)  # fmt: skip

_CLASSES: tuple[type[StrategyEvent], ...] = (
    OrderAccepted, OrderPartiallyFilled, OrderFilled, OrderCanceled, OrderRefused, OrderUnknown, OrderNotSent,
    CancelRefused, LinkLost, LinkTrusted, MarketClosed, MarketOpened, LimitBreached, StopRequested, StopNow,
    ErrorRaised,
)  # fmt: skip


def event_kinds() -> dict[str, EventKind]:
    """The vocabulary's events, by their YAML name."""
    return {
        cls.kind: EventKind(
            name=cls.kind,
            about=getattr(cls, "about", "") or (cls.__doc__ or "").strip(),
            attributes=cls.attributes,
            must_handle=cls.kind in _MUST_HANDLE,
        )
        for cls in _CLASSES
    }
