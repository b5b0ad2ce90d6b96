"""What a running desk looks like at one moment, for people and programs: one frozen value, as JSON and back.

Money, prices and quantities are `Decimal` (text in JSON); prints nothing and reads no clock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

__all__ = [
    "AccountLine",
    "Exposure",
    "Latency",
    "Line",
    "OrderLine",
    "QuoteLine",
    "Rounds",
    "Status",
    "StatusUnreadable",
    "read_status",
    "status_of",
]

LINES_KEPT = 200  # of what happened last
FORMAT = 1  # of the JSON; another number is another program's


class StatusUnreadable(ValueError):
    """Text that is no status of this program's format."""


@dataclass(frozen=True, slots=True)
class QuoteLine:
    """Newest best bid and offer of one book."""

    venue: str
    symbol: str
    bid: Decimal
    bid_qty: Decimal
    ask: Decimal
    ask_qty: Decimal
    age_ms: int


@dataclass(frozen=True, slots=True)
class OrderLine:
    """A live order; `filled` by rows and snapshots, `price` None at market, `unknown` while its outcome is asked."""

    account: str
    client_id: str
    purpose: str
    side: str
    qty: Decimal
    filled: Decimal
    price: Decimal | None
    state: str
    unknown: bool
    age_ms: int


@dataclass(frozen=True, slots=True)
class AccountLine:
    """Since the start of the run, signed; money in quote units. `hedged` is the user's taker_hedge_position."""

    account: str
    role: str
    venue: str
    symbol: str
    link: str  # lost, resync, trusted
    position: Decimal
    hedged: Decimal  # 0 for the maker
    cash: Decimal
    fees: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True)
class Exposure:
    """The user's names (E12), signed, and what is unhedged now: size and age of a hedgeable exposure (E15)."""

    maker_open_position: Decimal
    maker_close_position: Decimal
    net_position: Decimal
    in_flight: Decimal
    dust: Decimal  # what is open and not in flight
    unhedged: Decimal  # 0 unless some taker could trade it
    unhedged_ms: int
    unhedged_soft: Decimal
    unhedged_hard: Decimal
    unhedged_soft_ms: int
    unhedged_hard_ms: int


@dataclass(frozen=True, slots=True)
class Rounds:
    """`done` opened at least partly, `given_up` not at all.

    `fill_rate` is the filled share of their openings' quantity, refused ones left out; None before the first ended.
    """

    number: int  # of the newest round, given-up ones included
    open: bool
    done: int
    given_up: int
    fill_rate: float | None


@dataclass(frozen=True, slots=True)
class Latency:
    """Of hedges, from the receipt of the fill to the last byte written, over the newest `count`; None without any."""

    count: int
    last_us: int | None
    p50_us: int | None
    p99_us: int | None


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened, for a person. `seq` rises by one from line to line, `at_ms` is since the start."""

    seq: int
    at_ms: int
    word: str
    text: str
    tone: str  # plain, strong, info, good, warning, alarm


@dataclass(frozen=True, slots=True)
class Status:
    """A running desk. Times are ages in ms of the run's clock; only `wall_ms` is a date."""

    run: int
    pid: int
    flow: str
    market: str
    quote: str  # what money is counted in
    journal: str | None  # absolute path
    wall_ms: int
    up_ms: int
    state: str  # the chart's leaf
    state_ms: int  # how long it has been there
    phases: tuple[str, ...]  # the flow's top-level states in its order
    phase_ms: int  # how long it has been in the top-level state
    closed_because: str  # why no opening is made now; empty when one may
    paused: bool
    stopping: int  # 0 not, 1 in order, 2 flattening now, 3 leaving
    rounds: Rounds
    exposure: Exposure
    accounts: tuple[AccountLine, ...]
    quotes: tuple[QuoteLine, ...]
    orders: tuple[OrderLine, ...]
    volume: Decimal
    fees: Decimal
    profit: Decimal | None  # mark to market, fees included; None without a book
    latency: Latency
    alerts: tuple[Line, ...]  # calls for a person, the first ones
    lines: tuple[Line, ...]  # what happened last
    hedged: bool  # else directional: nothing of it counts as unhedged

    @property
    def phase(self) -> str:
        return self.state.split(".")[0]

    def as_json(self) -> str:
        """One line; decimals as text."""
        return json.dumps({"format": FORMAT, **asdict(self)}, default=str, separators=(",", ":"))


def read_status(text: str | bytes) -> Status:
    """The value that `as_json` wrote. Raises: StatusUnreadable."""
    try:
        return status_of(json.loads(text))
    except (ValueError, RecursionError) as wrong:
        if isinstance(wrong, StatusUnreadable):
            raise
        raise StatusUnreadable(f"no status ({wrong})") from wrong


def status_of(value: Any) -> Status:
    """The same from decoded JSON. Raises: StatusUnreadable."""
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise StatusUnreadable("no status of this version's format")
    try:
        status: Status = _read(Status, value)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as wrong:
        raise StatusUnreadable(f"no status ({type(wrong).__name__}: {wrong})") from wrong
    return status


def _read(kind: Any, value: Any) -> Any:
    """A value of the annotated type from its JSON."""
    if get_origin(kind) is UnionType:
        if value is None:
            return None
        kind = next(each for each in get_args(kind) if each is not type(None))
    if get_origin(kind) is tuple:
        return tuple(_read(get_args(kind)[0], each) for each in value)
    if kind is Decimal:
        return Decimal(value)
    if hasattr(kind, "__dataclass_fields__"):
        return kind(**{name: _read(each, value[name]) for name, each in _kinds(kind).items()})
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise TypeError(f"expected {kind.__name__}, found {value!r}")
    return value


@cache
def _kinds(kind: Any) -> Mapping[str, Any]:
    hints = get_type_hints(kind)
    return {each.name: hints[each.name] for each in fields(kind)}
