"""The one way of an account's requests to its venue: most urgent first, inside the rate limit, nothing stale (S16).

Knows no strategy. Nothing here waits for an answer: it comes back as `Answered`, whatever did not leave as `NotSent`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count

from engine.runtime.ports import Objection
from engine.trading.effects import AskOrder, CancelOrder, PlaceOrder, Urgency
from engine.trading.inputs import Answered, Input, NotSent, Request
from engine.trading.rates import RateWindow
from exchanges.base import BaseExchangeClient
from exchanges.types import Cancellable, Clock, Reply, Unknown

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_REQUEST_CANCEL, _PLACE = Request.CANCEL, Request.PLACE
_ASK, _URGENCY_CANCEL, _HEDGE, _OPEN = Urgency.ASK, Urgency.CANCEL, Urgency.HEDGE, Urgency.OPEN

MOST_OPENINGS = 64  # openings that wait for a token; more would be stale long before their turn

EXPIRED = "expired before it could be sent"
SUPERSEDED = "superseded"  # an unsent hedge, and another `NotSent` follows at once
COALESCED = "coalesced"  # the last of several unsent hedges: now compute the need anew, one order can cover it
CROWDED = "too many openings wait"

Sendable = PlaceOrder | CancelOrder | AskOrder
_Waiting = tuple[int, int, int, Sendable]  # urgency, seq, decided_ns, request


class Sender:
    """Requests of one account. A request leaves inside `offer` if the rate allows, else when a clock timer says so.

    `ask` starts the question of an `AskOrder`. `objection` has the last word on openings, at the wire. `on_sent` gets
    client id, request and time of every place and cancel, just before the client has it.
    """

    def __init__(
        self, client: BaseExchangeClient, *, clock: Clock, rate: RateWindow, tell: Callable[[Input], None],
        ask: Callable[[AskOrder], None], objection: Objection, on_sent: Callable[[str, Request, int], None],
    ) -> None:  # fmt: skip
        self._client = client
        self._clock = clock
        self._rate = rate
        self._most = rate.per_minute
        self._most_opening = rate.most_opening
        self._tell = tell
        self._ask = ask
        self._objection = objection
        self._on_sent = on_sent
        self._waiting: list[_Waiting] = []
        self._next_seq = count(1).__next__
        self._timer: Cancellable | None = None
        self._timer_ns = 0
        self._openings = 0
        self._closed = False
        self.sent = 0  # requests that left; a quiet cut has none (S17)

    def offer(self, request: Sendable, decided_ns: int) -> None:
        """Take over a request that the desk decided at `decided_ns`."""
        if self._closed:
            return
        urgency = _urgency(request)
        if not self._waiting:
            if self._done(request, urgency, self._clock.now_ns()):
                return
        elif urgency is _HEDGE and isinstance(request, PlaceOrder) and self._coalesce(request, decided_ns):
            return
        if urgency is _OPEN:
            if self._openings >= MOST_OPENINGS:
                self._drop(request, CROWDED)
                return
            self._openings += 1
        heappush(self._waiting, (urgency, self._next_seq(), decided_ns, request))
        self._drain()

    def close(self) -> None:
        """Forget what waits; nothing leaves any more."""
        self._closed = True
        self._waiting.clear()
        self._openings = 0
        self._arm(None)

    # --- one request

    def _done(self, request: Sendable, urgency: Urgency, now_ns: int) -> bool:
        """Send or drop the request; False if it must wait for its turn."""
        if not isinstance(request, AskOrder) and request.not_after_ns < now_ns:
            self._drop(request, EXPIRED)
            return True
        if urgency is not _OPEN:
            if not self._rate.take(now_ns, most=self._most):
                return False
        else:
            assert isinstance(request, PlaceOrder)
            if self._rate.ready_ns(now_ns, most=self._most_opening) > now_ns:
                return False
            why_not = self._objection(request)
            if why_not:
                self._drop(request, why_not)
                return True
            self._rate.take(now_ns, most=self._most_opening)
        self._send(request, now_ns)
        return True

    def _send(self, request: Sendable, now_ns: int) -> None:
        self.sent += 1
        if isinstance(request, PlaceOrder):
            order = request.request
            self._on_sent(order.client_id, _PLACE, now_ns)
            reply = partial(self._replied, order.client_id, _PLACE)
            self._submit(partial(self._client.submit, order, reply), reply)
        elif isinstance(request, CancelOrder):
            self._on_sent(request.client_id, _REQUEST_CANCEL, now_ns)
            reply = partial(self._replied, request.client_id, _REQUEST_CANCEL)
            self._submit(partial(self._client.submit_cancel, request.symbol, request.client_id, reply), reply)
        else:
            self._ask(request)

    def _submit(self, submit: Callable[[], None], reply: Callable[[Reply], None]) -> None:
        try:
            submit()
        except BaseException as error:
            # The client broke its promise; whether the request left is not known, and the desk must ask (S4).
            reply(Unknown(f"{type(error).__name__} while sending"))
            raise

    def _replied(self, client_id: str, request: Request, reply: Reply) -> None:
        self._tell(Answered(client_id, request, reply))

    def _drop(self, request: Sendable, why: str) -> None:
        if isinstance(request, PlaceOrder):
            self._tell(NotSent(request.request.client_id, _PLACE, why))
        elif isinstance(request, CancelOrder):
            self._tell(NotSent(request.client_id, _REQUEST_CANCEL, why))

    # --- those that wait

    def _coalesce(self, newcomer: PlaceOrder, decided_ns: int) -> bool:
        """Give unsent hedges back, the newcomer last, so that the desk covers its need with one order (S16).

        Hedges decided at one time are one decision and stay: giving those back would go round for ever.
        """
        older = sorted(entry for entry in self._waiting if _same_hedge(entry, newcomer) and entry[2] < decided_ns)
        if not older:
            return False
        self._waiting = [entry for entry in self._waiting if entry not in older]
        heapify(self._waiting)
        self._arm_next(self._clock.now_ns())
        for _, _, _, request in older:
            self._drop(request, SUPERSEDED)
        self._drop(newcomer, COALESCED)
        return True

    def _drain(self) -> None:
        """Send what may be sent now and arm the timer for the rest. A callback may offer more meanwhile."""
        now_ns = self._clock.now_ns()
        self._drop_expired(now_ns)
        while self._waiting:
            first = heappop(self._waiting)
            urgency = Urgency(first[0])
            if urgency is _OPEN:
                self._openings -= 1
            if not self._done(first[3], urgency, now_ns):
                self._put_back(first, urgency)
                break
        self._arm_next(now_ns)

    def _put_back(self, entry: _Waiting, urgency: Urgency) -> None:
        if urgency is _OPEN:
            self._openings += 1
        heappush(self._waiting, entry)

    def _drop_expired(self, now_ns: int) -> None:
        expired = sorted(entry for entry in self._waiting if _not_after_ns(entry[3], now_ns) < now_ns)
        if not expired:
            return
        self._waiting = [entry for entry in self._waiting if _not_after_ns(entry[3], now_ns) >= now_ns]
        heapify(self._waiting)
        self._openings -= sum(1 for entry in expired if entry[0] == _OPEN)
        for _, _, _, request in expired:
            self._drop(request, EXPIRED)

    def _arm_next(self, now_ns: int) -> None:
        if not self._waiting:
            self._arm(None)
            return
        most = self._most_opening if self._waiting[0][0] == _OPEN else self._most
        ready_ns = self._rate.ready_ns(now_ns, most=most)
        # An expired request is told at once: the desk counts it as in flight until then.
        self._arm(min(ready_ns, *(_not_after_ns(entry[3], ready_ns) + 1 for entry in self._waiting)))

    def _arm(self, at_ns: int | None) -> None:
        if self._timer is not None:
            if at_ns == self._timer_ns:
                return
            self._timer.cancel()
            self._timer = None
        if at_ns is not None:
            self._timer_ns = at_ns
            self._timer = self._clock.call_at(at_ns, self._due)

    def _due(self) -> None:
        self._timer = None
        self._drain()


def _urgency(request: Sendable) -> Urgency:
    if isinstance(request, PlaceOrder):
        return request.urgency
    return _URGENCY_CANCEL if isinstance(request, CancelOrder) else _ASK


def _same_hedge(entry: _Waiting, newcomer: PlaceOrder) -> bool:
    _, _, _, request = entry
    return (
        isinstance(request, PlaceOrder)
        and request.urgency is _HEDGE
        and request.request.symbol == newcomer.request.symbol
    )


def _not_after_ns(request: Sendable, without: int) -> int:
    """Until when the request may be sent; `without` for a question, which does not grow stale."""
    return without if isinstance(request, AskOrder) else request.not_after_ns
