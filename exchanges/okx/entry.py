"""How orders reach OKX: through the private stream while it is logged in, else over REST. Nothing waits or retries.

A command of the stream whose connection ends, or that is not answered in time, has an unknown outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, NoReturn, Protocol

from exchanges.budget import Budget, Use
from exchanges.errors import BadFrame, ExchangeError, OutcomeUnknown, RateLimited
from exchanges.fields import json_of
from exchanges.http import OnOutcome, Outcome
from exchanges.okx.wire import reply
from exchanges.okx.wire.request import Args, Traded, operation
from exchanges.transport import Response
from exchanges.types import Cancellable, Clock
from exchanges.venue_clock import SETTLE_NS, VenueClock

S = 1_000_000_000
MS = 1_000_000
VALID_MOST_MS = 1_000  # of a command (S4): the venue takes any, and a lost hedge is replaced that much sooner
ANSWER_NS = S // 2  # beyond a command's validity: what was not answered by then will not be
FRESH_NS = 1_200 * MS  # a stream that owes a pong for half a second may be gone: an order would wait on it for nothing
BATCH_MOST = 20


@dataclass(frozen=True, slots=True)
class Sent:
    """When a command left, when its last byte was handed on, and after when the venue can take it no more, in ns."""

    signed_ns: int
    written_ns: int
    dead_ns: int


OnItems = Callable[[list[str | ExchangeError], Sent], None]  # order ids or errors, one for each order


@dataclass(slots=True)
class _Waiting:
    ids: Sequence[str]
    budget: Budget
    on_items: OnItems
    sent: Sent
    timer: Cancellable | None = None


class Commands(Protocol):
    """The venue's time, and commands over REST."""

    clock: VenueClock

    @property
    def venue_ms(self) -> int: ...

    def command(
        self, name: str, args: Sequence[Args], *, expires_ms: int, budget: Budget, weight: int, deadline_ns: int,
        on_outcome: OnOutcome,
    ) -> None: ...  # fmt: skip


class OrderEntry:
    """The way in for one account. `say` sends on the private stream, `fresh` tells whether it was heard from lately.

    `logged_in` and `lost` tell of its life.
    """

    def __init__(
        self, rest: Commands, clock: Clock, *, say: Callable[[str], None], fresh: Callable[[int], bool]
    ) -> None:  # fmt: skip
        self._rest = rest
        self._clock = clock
        self._say = say
        self._fresh = fresh
        self._open = False
        self._numbers = count(1)
        self._waiting: dict[str, _Waiting] = {}

    # --- the stream

    def logged_in(self) -> None:
        self._open = True

    def lost(self) -> None:
        """What was sent and not answered may have been carried out."""
        self._open = False
        waiting, self._waiting = self._waiting, {}
        for each in waiting.values():
            self._settle(each, OutcomeUnknown("the stream ended before the answer"))

    def answer(self, number: str, said: Mapping[str, Any]) -> bool:
        """An answer of the stream; False for one that nobody waits for (any more)."""
        waiting = self._waiting.pop(number, None)
        if waiting is None:
            return False
        self._settle(waiting, said)
        return True

    # --- commands

    def send(
        self, name: str, args: Sequence[Args], traded: Traded, *, valid_ms: int, budget: Budget, on_items: OnItems
    ) -> None:
        """One command for one instrument; `on_items` is called exactly once, maybe before this returns.

        The outcome is RateLimited where the venue's limit leaves no room, and nothing was sent.
        """
        ids, now_ns = [str(each.get("clOrdId", "")) for each in args], self._clock.now_ns()
        valid_ms = min(valid_ms, VALID_MOST_MS)
        over_ns = self._rest.clock.over_ns(now_ns, valid_ms)
        expires_ms = self._rest.venue_ms + valid_ms if name != "cancel-order" else 0
        if self._open and traded.code is not None and self._fresh(FRESH_NS):
            self._through_stream(name, args, traded, ids, expires_ms, over_ns, budget, on_items)
            return
        waiting = _Waiting(ids, budget, on_items, Sent(now_ns, 0, over_ns + SETTLE_NS))

        def answered(outcome: Outcome, written_ns: int) -> None:
            waiting.sent = Sent(now_ns, written_ns, over_ns + SETTLE_NS)
            self._settle(waiting, _said(outcome))

        named = [{"instId": traded.instrument.symbol, **each} for each in args]
        self._rest.command(
            name, named, expires_ms=expires_ms, budget=budget, weight=len(args), deadline_ns=over_ns + ANSWER_NS,
            on_outcome=answered,
        )  # fmt: skip

    def _through_stream(
        self, name: str, args: Sequence[Args], traded: Traded, ids: Sequence[str], expires_ms: int, over_ns: int,
        budget: Budget, on_items: OnItems,
    ) -> None:  # fmt: skip
        now_ns = self._clock.now_ns()
        until_ns = budget.take(now_ns, Use.TRADE, weight=len(args))
        if until_ns:
            waits_ms = max(1, (until_ns - now_ns) // MS)
            limited = RateLimited("no request left in the venue's budget", retry_ms=waits_ms)
            self._settle(_Waiting(ids, budget, on_items, Sent(0, 0, 0)), limited)
            return
        assert traded.code is not None
        number = str(next(self._numbers))
        coded: list[Args] = [{"instIdCode": traded.code, **each} for each in args]
        self._say(operation(number, name, coded, expires_ms=expires_ms))
        waiting = _Waiting(ids, budget, on_items, Sent(now_ns, self._clock.now_ns(), over_ns + SETTLE_NS))
        waiting.timer = self._clock.call_at(over_ns + ANSWER_NS, self._late, number)
        self._waiting[number] = waiting

    def _late(self, number: str) -> None:
        waiting = self._waiting.pop(number, None)
        if waiting is not None:
            self._settle(waiting, OutcomeUnknown("no answer in time"))

    def _settle(self, waiting: _Waiting, said: object) -> None:
        if waiting.timer is not None:
            waiting.timer.cancel()
        items = _items(said, waiting.ids)
        if isinstance(said, dict):  # an answer of the venue's own; `Http` and the budget itself know of the others
            if any(isinstance(item, RateLimited) for item in items):
                waiting.budget.block(self._clock.now_ns())
            else:
                waiting.budget.passed(self._clock.now_ns())
        waiting.on_items(items, waiting.sent)


class Nowhere:
    """An entry that makes commands and drops them: it has no stream, and of REST only the time."""

    def __init__(self, rest: Commands, clock: Clock) -> None:
        self.clock = rest.clock
        self._rest = rest
        self._entry = OrderEntry(self, clock, say=_drop, fresh=lambda _: True)

    @property
    def venue_ms(self) -> int:
        return self._rest.venue_ms

    def command(self, *_: object, **__: object) -> NoReturn:
        raise AssertionError("a command that is only exercised has no way to the venue")

    def exercise(self, args: Args, traded: Traded) -> None:
        """Make the command of an order, and forget it and that an answer is awaited."""
        if traded.code is not None:
            self._entry.logged_in()
            self._entry.send("order", [args], traded, valid_ms=1, budget=Budget(1), on_items=_drop)
            self._entry.lost()


def _drop(*_: object) -> None:
    """What is only exercised is told to nobody."""


def _said(outcome: Outcome) -> object:
    """The envelope in an answer of REST, or what went wrong."""
    if not isinstance(outcome, Response):
        return outcome
    try:
        return json_of(outcome.body)
    except BadFrame as error:
        return OutcomeUnknown(f"the answer cannot be read: {error}")


def _items(said: object, ids: Sequence[str]) -> list[str | ExchangeError]:
    """What became of each order; what is wrong with the whole is wrong with each."""
    if isinstance(said, ExchangeError):
        return [said] * len(ids)
    try:
        return reply.items(said, ids)
    except BadFrame as error:
        return [OutcomeUnknown(f"the answer cannot be read: {error}")] * len(ids)
