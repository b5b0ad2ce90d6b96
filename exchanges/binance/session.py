"""Orders of one Binance account by the WebSocket API: each request has an id, a deadline, and exactly one outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from exchanges.binance.rest import ANSWER_NS, OnOrder, OrderOutcome, Rest
from exchanges.binance.wire import reply, stream
from exchanges.binance.wire.request import Params, Signer, api_message
from exchanges.binance.wire.stream import Answer, Ended
from exchanges.budget import Budget, Use
from exchanges.errors import BadFrame, OutcomeUnknown, RateLimited
from exchanges.facts import NOT_SIGNED, Signed
from exchanges.link import Opening
from exchanges.types import Cancellable, Clock
from exchanges.venue_clock import SETTLE_NS

MS = 1_000_000


@dataclass(slots=True, eq=False)
class _Waiting:
    on_outcome: OnOrder
    written_ns: int
    timer: Cancellable


class OrderSession:
    """The feed of the link to the WebSocket API. `say` sends on it, `lost` hears why it cannot be used any more.

    Nothing is sent twice: what has no answer when the connection ends, or in time, has an unknown outcome.
    """

    def __init__(
        self, *, signer: Signer, rest: Rest, clock: Clock, budget: Budget, say: Callable[[str], None],
        lost: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._signer = signer
        self._rest = rest
        self._clock = clock
        self._budget = budget
        self._say = say
        self._lost = lost
        self._number = 0
        self._waiting: dict[str, _Waiting] = {}

    async def opening(self) -> Opening:
        return Opening(())

    async def resync(self) -> None:
        """Nothing to catch up on: the account's own stream tells what became of orders."""

    def send(self, method: str, params: Params, *, window_ms: int, on_outcome: OnOrder) -> Signed:
        """Sign and send one request; returns at once. The connection must be open."""
        now_ns = self._clock.now_ns()
        wait_until_ns = self._budget.take(now_ns, Use.TRADE)
        if wait_until_ns:
            wait_ms = max(1, (wait_until_ns - now_ns) // MS)
            on_outcome(RateLimited("no request left in the venue's budget", retry_ms=wait_ms), 0)
            return NOT_SIGNED
        self._number += 1
        number = f"o{self._number}"
        whole = self._signer.params(params, timestamp_ms=self._rest.venue_ms, window_ms=window_ms)
        signed = self._rest.signed_now(window_ms)
        deadline_ns = signed.dead_ns - SETTLE_NS + ANSWER_NS
        self._say(api_message(number, method, whole))
        timer = self._clock.call_at(deadline_ns, self._expired, number)
        self._waiting[number] = _Waiting(on_outcome, self._clock.now_ns(), timer)
        return signed

    def take(self, data: bytes, recv_ns: int) -> None:
        said = stream.message(data)
        if isinstance(said, Ended):
            self._lost(said.text)
        elif isinstance(said, Answer) and said.number in self._waiting:
            self._settle(said.number, self._outcome(said))

    def _outcome(self, said: Answer) -> OrderOutcome:
        if said.status != 200:
            error = reply.api_error(said.status, said.error, now_ms=self._rest.venue_ms)
            if isinstance(error, RateLimited):
                self._budget.block(self._clock.now_ns(), for_ns=error.retry_ms * MS)
            return error
        self._budget.passed(self._clock.now_ns())
        try:
            return reply.order_of(said.result)
        except BadFrame as error:
            return OutcomeUnknown(f"the answer cannot be read: {error}")

    def fail(self, why: str) -> None:
        """The connection has ended: what waits for an answer on it will have none."""
        for number in tuple(self._waiting):
            self._settle(number, OutcomeUnknown(f"the connection was lost before the answer: {why}"))

    def _expired(self, number: str) -> None:
        self._settle(number, OutcomeUnknown("no answer in time"))

    def _settle(self, number: str, outcome: OrderOutcome) -> None:
        waiting = self._waiting.pop(number, None)
        if waiting is not None:
            waiting.timer.cancel()
            waiting.on_outcome(outcome, waiting.written_ns)
