"""One stream of one account, kept alive: connect, subscribe, resync, watch, and all of it again when it breaks (E17).

LOST -> RESYNC -> TRUSTED. After every connection the feed first catches up on what was missed; only then is the stream
trusted. A stream that is silent, breaks, sends what cannot be read or misses something is dropped and begins anew,
after a pause that grows and is never the same for two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from exchanges.errors import AuthFailed, BadFrame, ExchangeError, LinkDown, OutcomeUnknown, RateLimited
from exchanges.tasks import Tasks
from exchanges.transport import Connection, Transport
from exchanges.types import Cancellable, Clock, LinkState, Rng

S = 1_000_000_000
MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a link waits for what. A stream with orders behind it is given up after `stale_ns` of silence."""

    ping_ns: int = 700 * MS  # a stream that told nothing for so long is pinged
    sure_ns: int = 10 * S  # any other so often: there are venues that close a stream on which nobody speaks
    stale_ns: int = 2 * S
    open_ns: int = 10 * S  # for connection, and at the start for the answer to the first ping
    answer_ns: int = 3 * S  # for that answer later on: fills come unseen meanwhile, and a new stream may be silent too
    resync_ns: int = 20 * S
    pause_ns: int = 250 * MS  # before the second attempt, doubled at each further one; half of it is left to chance …
    pause_most_ns: int = 10 * S  # … up to this
    early_tries: int = 4  # of catching up on a stream since it is open, whatever failed before it: no later than …
    early_ns: int = 1 * S  # … this after the one before, as unknown orders and untold fills wait for it
    refused_ns: int = 30 * S  # after a refusal of our keys
    steady_ns: int = 5 * S  # alive for so long: the next pause is a first one again
    trusted_tries: int = 2  # of tries before a stream that was trusted no more count: its orders have nobody else


@dataclass(frozen=True, slots=True)
class Opening:
    """What a stream is opened with: messages that authenticate and subscribe, good for `valid_ns` (0: for ever).

    `headers` go with the request that opens it, where the venue authenticates there, made anew each time; `query` is
    what its address has behind `?`, for the same reason.
    """

    messages: tuple[str, ...]
    valid_ns: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""


class Feed(Protocol):
    """What a venue's client does with its stream."""

    async def opening(self) -> Opening:
        """Messages to send now; called anew at half of their validity. Raises: ExchangeError."""

    def take(self, data: bytes, recv_ns: int) -> None:
        """One message. Raises: BadFrame, AuthFailed for what it says; then the stream is opened anew."""

    async def resync(self) -> None:
        """Catch up on what was missed, after the venue has read the subscription. Raises: ExchangeError."""


OnState = Callable[[LinkState, str], None]


class Link:
    """One stream at `url`. `tell` hears every change of trust, with the reason of a loss.

    `ping_text` is the message that a venue with pings of its own wants; the feed then calls `pong` for its answer.
    """

    def __init__(
        self, url: str, *, transport: Transport, clock: Clock, rng: Rng, feed: Feed, tell: OnState,
        timing: Timing | None = None, ping_text: str = "",
    ) -> None:  # fmt: skip
        self.state = LinkState.LOST
        self._url = url
        self._transport = transport
        self._clock = clock
        self._rng = rng
        self._feed = feed
        self._tell = tell
        self._timing = timing or Timing()
        self._ping_text = ping_text
        self._tasks = Tasks()
        self._connection: Connection | None = None
        self._heard_ns = 0
        self._told_ns = 0  # heard but for pongs
        self._pinged_ns = 0
        self._failures = 0
        self._pong: asyncio.Future[None] | None = None
        self._down: asyncio.Future[str] | None = None
        self._beat_timer: Cancellable | None = None
        self._renew_timer: Cancellable | None = None
        self._refused = False

    async def open(self) -> None:
        """Return when the stream is trusted; it is kept so. Raises: ExchangeError if the first try failed."""
        trusted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks.spawn(self._keep(trusted))
        try:
            await trusted
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End the stream; nothing is told. It may be opened again."""
        self._hang_up()
        await self._tasks.cancel()
        self.state = LinkState.LOST

    def drop(self, why: str) -> None:
        """Trust the stream no more and begin anew: it missed something."""
        if self._down is not None and not self._down.done():
            self._down.set_result(why)

    def say(self, text: str) -> None:
        """Send a message on the open stream; where there is none, nothing."""
        if self._connection is not None:
            self._connection.send(text)

    def fresh(self, within_ns: int) -> bool:
        """Is the stream open, and was anything heard on it so lately?"""
        down = self._down
        open_ = self._connection is not None and down is not None and not down.done()
        return open_ and self._clock.now_ns() - self._heard_ns <= within_ns

    # --- called by the transport

    def frame(self, data: bytes, recv_ns: int) -> None:
        self._heard_ns = self._told_ns = recv_ns
        try:
            self._feed.take(data, recv_ns)
        except BadFrame as error:
            self.drop(f"cannot be read: {error}")
        except AuthFailed as error:
            self._refused = True
            self.drop(f"refused: {error}")

    def pong(self) -> None:
        """Also to be called by a feed whose venue answers pings by messages."""
        self._heard_ns = self._clock.now_ns()
        if self._pong is not None and not self._pong.done():
            self._pong.set_result(None)

    def closed(self, text: str) -> None:
        self.drop(text)

    # --- one life after the other

    async def _keep(self, first: asyncio.Future[None]) -> None:
        while True:
            began_ns = self._clock.now_ns()
            try:
                error = await self._live(first)
            except ExchangeError as failed:
                error = failed
            except Exception as defect:  # noqa: BLE001 it ends the run in order; a dead stream must not stay trusted
                error = LinkDown(f"{type(defect).__name__}: {defect}")
                asyncio.get_running_loop().call_exception_handler({"message": "a stream failed", "exception": defect})
            finally:
                self._hang_up()
            was_trusted = self.state is LinkState.TRUSTED
            self._put(LinkState.LOST, str(error))
            if not first.done():
                first.set_exception(error)
                return
            if self._clock.now_ns() - began_ns > self._timing.steady_ns:
                self._failures = 0
            elif was_trusted:
                self._failures = min(self._failures, self._timing.trusted_tries)
            self._failures += 1
            await self._pause(self._pause_ns(error))

    async def _live(self, first: asyncio.Future[None]) -> ExchangeError:
        """One connection, from its opening to its end; returns or raises what ended it."""
        loop, timing = asyncio.get_running_loop(), self._timing
        self._down = down = loop.create_future()
        self._pong = pong = loop.create_future()
        self._refused = False
        opening = await self._feed.opening()
        url = f"{self._url}?{opening.query}" if opening.query else self._url
        self._connection = connection = await self._transport.ws(
            url, self, deadline_ns=self._clock.now_ns() + timing.open_ns, headers=opening.headers
        )
        for message in opening.messages:
            connection.send(message)
        self._ping(
            connection
        )  # its pong says that the venue has read the subscription: what comes later is in the stream
        if not await self._first_of(pong, down, within_ns=timing.answer_ns if first.done() else timing.open_ns):
            return self._ended(down, "no answer to the first ping")
        self._heard_ns = self._clock.now_ns()
        self._beat()
        self._renew_at_half(opening)
        self._put(LinkState.RESYNC, "")
        tries = 1
        while not await self._caught_up(down, patient=first.done(), early=tries <= timing.early_tries):
            tries += 1
            if down.done():
                return self._ended(down, "")
        self._put(LinkState.TRUSTED, "")
        if not first.done():
            first.set_result(None)
        return self._ended(down, await down)

    async def _caught_up(self, down: asyncio.Future[str], *, patient: bool, early: bool) -> bool:
        """One resync; False if the stream went down, or what is asked could not be had. Raises: ExchangeError.

        The stream stays open while questions are not answered, or the rate limit holds them back: untrusted, but
        nothing else would tell of a fill.
        """
        loop = asyncio.get_running_loop()
        resync = loop.create_task(_resync(self._feed.resync))
        try:
            if not await self._first_of(resync, down, within_ns=self._timing.resync_ns):
                if not down.done():
                    raise LinkDown("the resync took too long")
                return False
            resync.result()
            return True
        except (LinkDown, OutcomeUnknown, RateLimited) as error:
            if not patient:
                raise
            self._failures += 1
            self._tell(self.state, f"cannot catch up yet: {error}")
            pause_ns = self._pause_ns(error)
            if early and not isinstance(error, RateLimited):
                pause_ns = min(pause_ns, self._timing.early_ns)
            await self._first_of(loop.create_future(), down, within_ns=pause_ns)
            return False
        finally:
            resync.cancel()
            await asyncio.gather(resync, return_exceptions=True)

    async def _first_of(self, wanted: asyncio.Future[None], down: asyncio.Future[str], *, within_ns: int) -> bool:
        """Has `wanted` come, before the stream went down and in time?"""
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        wake = _waker(over)
        timer = self._clock.call_at(self._clock.now_ns() + within_ns, wake)
        wanted.add_done_callback(wake)
        down.add_done_callback(wake)
        try:
            await over
        finally:
            timer.cancel()
            wanted.remove_done_callback(wake)
            down.remove_done_callback(wake)
        return wanted.done() and not down.done()

    def _ended(self, down: asyncio.Future[str], otherwise: str) -> ExchangeError:
        text = down.result() if down.done() else otherwise
        return AuthFailed(text) if self._refused else LinkDown(text)

    def _hang_up(self) -> None:
        for timer in (self._beat_timer, self._renew_timer):
            if timer is not None:
                timer.cancel()
        self._beat_timer = self._renew_timer = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _put(self, state: LinkState, text: str) -> None:
        if state is not self.state:
            self.state = state
            self._tell(state, text)

    # --- alive or silent

    def _beat(self) -> None:
        """Give the stream up if it was silent for too long, and ping it before: a message says as much as a pong."""
        if self._connection is None:
            return
        now_ns, timing = self._clock.now_ns(), self._timing
        silent_ns = now_ns - self._heard_ns
        if silent_ns >= timing.stale_ns:
            self.drop(f"silent for {silent_ns // MS} ms")
            return
        next_ns, stale_ns = self._told_ns + timing.ping_ns, self._heard_ns + timing.stale_ns
        if next_ns <= now_ns or now_ns - self._pinged_ns >= timing.sure_ns:
            self._ping(self._connection)
            next_ns = now_ns + timing.ping_ns
        self._beat_timer = self._clock.call_at(next_ns if next_ns < stale_ns else stale_ns, self._beat)

    def _ping(self, connection: Connection) -> None:
        self._pinged_ns = self._clock.now_ns()
        if self._ping_text:
            connection.send(self._ping_text)
        else:
            connection.ping()

    def _renew_at_half(self, opening: Opening) -> None:
        if opening.valid_ns:
            self._renew_timer = self._clock.call_at(self._clock.now_ns() + opening.valid_ns // 2, self._renew)

    def _renew(self) -> None:
        self._tasks.spawn(self._send_anew())

    async def _send_anew(self) -> None:
        connection = self._connection
        try:
            opening = await self._feed.opening()
        except ExchangeError as error:
            self.drop(f"its token could not be renewed: {error}")
            return
        if connection is not None and connection is self._connection:
            for message in opening.messages:
                connection.send(message)
            self._renew_at_half(opening)

    # --- the pause before the next try

    def _pause_ns(self, error: ExchangeError) -> int:
        if isinstance(error, RateLimited):
            return max(self._timing.pause_ns, error.retry_ms * MS)
        if isinstance(error, AuthFailed):
            return self._timing.refused_ns
        longest_ns = min(self._timing.pause_ns << min(self._failures - 1, 16), self._timing.pause_most_ns)
        return self._rng.between(0 if self._failures == 1 else longest_ns // 2 // MS, longest_ns // MS) * MS

    async def _pause(self, wait_ns: int) -> None:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self._clock.call_at(self._clock.now_ns() + wait_ns, _waker(over))
        try:
            await over
        finally:
            timer.cancel()


async def _resync(resync: Callable[[], Awaitable[None]]) -> None:
    """Made within its task: of one that is cancelled before its first step no coroutine may be left."""
    await resync()


def _waker(future: asyncio.Future[None]) -> Callable[..., None]:
    def wake(*_: object) -> None:
        if not future.done():
            future.set_result(None)

    return wake
