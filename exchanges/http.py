"""One account's requests: within the venue's budget, each with a deadline, on warm connections; what went wrong, named.

Knows no venue: requests come signed, and `judge` reads a venue's own words of refusal.

An answer of a request that changes something becomes a `Reply` by `reply_to`: Refused only for what the venue itself
refused, Unknown for everything that could still have happened (S4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from exchanges.budget import Budget, Use
from exchanges.errors import AuthFailed, ExchangeError, LinkDown, OutcomeUnknown, RateLimited, Rejected
from exchanges.fields import one_line
from exchanges.tasks import Tasks
from exchanges.transport import NO_HEADERS, Answered, Request, Response, Transport, retry_after_ms
from exchanges.types import Cancellable, Clock, Refusal, Refused, Unknown
from exchanges.values import quick

S = 1_000_000_000
MS = 1_000_000
WARM_CONNECTIONS = 5  # a burst of as many hedges leaves without a handshake
WARM_NS = 25 * S  # no connection is unused for longer: venues and middlemen close them after a minute
WARM_DEADLINE_NS = 5 * S
TEXT_MOST = 200  # characters of a venue's words in an error


@quick
@dataclass(frozen=True, slots=True)
class Call:
    """A request, signed and ready. `path` begins with / and has the query in it.

    `budget` is its own where a venue counts some requests apart; None: that of the session. With `unused_ns` it is to
    warm a connection, as in `Request`.
    """

    method: str
    path: str
    use: Use
    deadline_ns: int
    headers: Mapping[str, str]
    body: bytes = b""
    weight: int = 1
    budget: Budget | None = None
    unused_ns: int = 0


Outcome = Response | ExchangeError
OnOutcome = Callable[[Outcome, int], None]  # with the time at which the last byte was in the socket, 0 if it was not
Judge = Callable[[Response], ExchangeError | None]


def plain_error(response: Response) -> ExchangeError | None:
    """What a status alone says. A venue's judge reads the body first and comes here with what it does not know."""
    status = response.status
    if 200 <= status < 300:
        return None
    said = f"HTTP {status}: {excerpt(response.body)}"
    if status == 429:
        return RateLimited(said, retry_ms=retry_after_ms(response.headers))
    if status == 401:
        return AuthFailed(said)
    return OutcomeUnknown(said)  # 5xx, a redirect, an error page of something between us and the venue


def excerpt(body: bytes) -> str:
    """The beginning of a body on one line, fit to be shown."""
    return one_line(body[: 4 * TEXT_MOST].decode("utf-8", "replace"), TEXT_MOST) or "empty body"


def reply_to(error: ExchangeError, *, signed_ns: int, written_ns: int, dead_ns: int = 0) -> Refused | Unknown:
    """What an order's sender is told of a failure: Refused only where nothing of the request can ever fill (S4).

    `dead_ns` is when the venue can no longer take the request, by our clock; 0 where that is not known.
    """
    text = str(error)
    if isinstance(error, Rejected) and error.refusal is not Refusal.DUPLICATE_ID:
        return Refused(error.refusal, error.text, signed_ns, written_ns)
    if isinstance(error, RateLimited):
        return Refused(Refusal.RATE, text, signed_ns, written_ns)
    if isinstance(error, AuthFailed):
        return Refused(Refusal.VENUE, text, signed_ns, written_ns)
    if isinstance(error, LinkDown):
        return Refused(Refusal.VENUE, text, signed_ns, written_ns)
    # A duplicate id: our ids are never used twice, so that what has it may be this very order, delivered twice.
    return Unknown(text, signed_ns, written_ns, dead_ns)


class Http:
    """One account's session at `base_url`. `send` hands over and returns, `ask` waits for the answer."""

    def __init__(
        self,
        base_url: str,
        *,
        transport: Transport,
        clock: Clock,
        budget: Budget,
        judge: Judge,
        warm_path: str,
        warm_connections: int = WARM_CONNECTIONS,
        warm_ns: int = WARM_NS,
        warm_weight: Callable[[], int] = lambda: 1,
    ) -> None:
        """`warm_path` is asked on connections that carried nothing else for `warm_ns`, and counts `warm_weight`."""
        self._base_url = base_url.rstrip("/")
        self._transport = transport
        self._clock = clock
        self._budget = budget
        self._judge = judge
        self._warm_path = warm_path
        self._warm_connections = warm_connections
        self._warm_ns = warm_ns
        self._warm_weight = warm_weight
        self._tasks = Tasks()
        self._warm_timer: Cancellable | None = None

    def send(self, call: Call, on_outcome: OnOutcome) -> None:
        """Start a request; `on_outcome` is called exactly once, with LinkDown for what certainly did not leave."""
        budget = call.budget or self._budget
        wait_until_ns = budget.take(self._clock.now_ns(), call.use, weight=call.weight)
        if wait_until_ns:
            on_outcome(self._limited(wait_until_ns), 0)
        else:
            sending = _Sending(on_outcome, partial(self._judged, budget), self._clock)
            self._transport.send(self._request(call), written=sending.written, done=sending.done)

    async def ask(self, call: Call) -> Response:
        """The answer of a request that went well. Raises: what `judge` makes of the others, LinkDown, RateLimited."""
        budget = call.budget or self._budget
        wait_until_ns = budget.take(self._clock.now_ns(), call.use, weight=call.weight)
        if wait_until_ns:
            raise self._limited(wait_until_ns)
        future: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._transport.send(
            self._request(call), written=_nothing, done=lambda it: None if future.done() else future.set_result(it)
        )
        outcome = await future
        if isinstance(outcome, Response):
            error = self._judged(budget, outcome)
            if error is None:
                return outcome
            raise error
        raise outcome

    async def warm(self) -> None:
        """Open the connections that a burst of hedges needs, and keep them open.

        What carried something lately is warm by that, and costs no request. Raises: LinkDown if none opens.
        """
        now_ns = self._clock.now_ns()
        used_ns = sorted(self._transport.last_used_ns(self._base_url), reverse=True)[: self._warm_connections]
        warm = [at_ns for at_ns in used_ns if now_ns - at_ns < self._warm_ns]
        self._warm_again(min(warm, default=now_ns) + self._warm_ns)
        call = Call(
            "GET", self._warm_path, Use.UPKEEP, now_ns + WARM_DEADLINE_NS, NO_HEADERS, weight=self._warm_weight(),
            unused_ns=self._warm_ns,
        )  # fmt: skip
        cold = self._warm_connections - len(warm)
        results = await asyncio.gather(*(self.ask(call) for _ in range(cold)), return_exceptions=True)
        # Without a request left they stay cold: it may not keep an account from its venue until upkeep has room again.
        errors = [it for it in results if isinstance(it, BaseException) and not isinstance(it, RateLimited)]
        for error in errors:
            if not isinstance(error, ExchangeError) or len(errors) == self._warm_connections:
                raise error

    async def close(self) -> None:
        """End the upkeep; the session may be used again. What is on its way ends with the transport."""
        if self._warm_timer is not None:
            self._warm_timer.cancel()
            self._warm_timer = None
        await self._tasks.cancel()

    def _request(self, call: Call) -> Request:
        return Request(
            call.method, self._base_url + call.path, call.headers, call.body, call.deadline_ns, call.unused_ns
        )  # fmt: skip

    def _judged(self, budget: Budget, response: Response) -> ExchangeError | None:
        error = self._judge(response)
        if isinstance(error, RateLimited):
            now_ns = self._clock.now_ns()
            until_ns = budget.block(now_ns, for_ns=error.retry_ms * MS)
            return RateLimited(str(error), retry_ms=_ms_until(now_ns, until_ns))
        if isinstance(error, OutcomeUnknown):
            error.passing = not 300 <= response.status < 500  # whatever it says: these are not mended by asking again
        budget.passed(self._clock.now_ns())
        return error

    def _limited(self, until_ns: int) -> RateLimited:
        now_ns = self._clock.now_ns()
        return RateLimited("no request left in the venue's budget", retry_ms=_ms_until(now_ns, until_ns))

    def _warm_again(self, at_ns: int) -> None:
        if self._warm_timer is not None:
            self._warm_timer.cancel()
        self._warm_timer = self._clock.call_at(at_ns, self._warm_due)

    def _warm_due(self) -> None:
        self._tasks.spawn(self._keep_warm())

    async def _keep_warm(self) -> None:
        try:
            await self.warm()
        except ExchangeError:
            return  # the stream's own watch tells of a venue that is gone; the next turn comes in any case


class _Sending:
    """A request on its way, and who hears of its outcome."""

    __slots__ = ("_clock", "_judged", "_on_outcome", "_written_ns")

    def __init__(self, on_outcome: OnOutcome, judged: Judge, clock: Clock) -> None:
        self._on_outcome = on_outcome
        self._judged = judged
        self._clock = clock
        self._written_ns = 0

    def written(self) -> None:
        self._written_ns = self._clock.now_ns()

    def done(self, answer: Answered) -> None:
        outcome: Outcome = answer
        if isinstance(answer, Response):
            outcome = self._judged(answer) or answer
        self._on_outcome(outcome, self._written_ns)


def _ms_until(now_ns: int, until_ns: int) -> int:
    return max(1, -(-(until_ns - now_ns) // MS))


def _nothing() -> Any:
    """Nobody asks when a question left."""
