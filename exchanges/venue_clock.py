"""A venue's clock: read now and then, counted on by ours in between, and what follows for what is signed (S4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from exchanges.errors import AuthFailed, ExchangeError
from exchanges.tasks import Tasks
from exchanges.types import Cancellable, Clock

MS = 1_000_000
SKEW_MOST_MS = 1_000  # half of an order's validity: beyond it a venue refuses what we sign, or takes it too late
READ_EVERY_NS = 300_000 * MS  # a clock that nobody sets is off by 2 s after a day
DRIFT = 10_000  # of two clocks: not more than one part in so many
SOON_NS = 1_000 * MS  # between readings that somebody asks for
# Beyond its validity before a request counts as dead: nobody says where on its way its age is looked at, nor how soon
# the lists know. A second is well inside the limit on the age of what is unhedged.
SETTLE_NS = 1_000 * MS


class VenueClock:
    """`offset_ms` is the venue's clock minus ours, to within `error_ms`; `known` once it was read."""

    def __init__(self, clock: Clock) -> None:
        self.offset_ms = 0
        self.error_ms = 0
        self.known = False
        self.read_ns = -READ_EVERY_NS  # when it was read last
        self._clock = clock
        self._ahead_ms = 0  # of the venue's clock before the one of `now_ns`

    @property
    def ms(self) -> int:
        """The venue's time. Counted on from its last reading: a step of our own wall clock does not move it."""
        if not self.known:
            return self._clock.wall_ms()
        return self._clock.now_ns() // MS + self._ahead_ms

    async def read(self, ask: Callable[[], Awaitable[int]]) -> str:
        """Note how far the venue's clock is from ours, in ms that `ask` brings; returns what is wrong with ours, if so.

        Raises: AuthFailed for one too far at the first reading: nothing has been sent yet, and a person is there. Later
        a clock that was set may not keep an account from its stream, as what is signed follows the venue's.
        """
        before_ms, before_ns = self._clock.wall_ms(), self._clock.now_ns()
        said_ms = await ask()
        elapsed_ms, self.read_ns = (self._clock.now_ns() - self.read_ns) // MS, self._clock.now_ns()
        now_ns = self.read_ns
        way_ms = (now_ns - before_ns) // MS
        error_ms = way_ms // 2 + 2  # wherever on its way the request was when the clock was read
        ahead_ms = said_ms + way_ms - way_ms // 2 - now_ns // MS
        before_error_ms = self.error_ms + elapsed_ms // DRIFT
        if self.known and before_error_ms < error_ms and abs(ahead_ms - self._ahead_ms) <= before_error_ms + error_ms:
            # This machine stood still meanwhile, or the way was long: the reading before says it better.
            ahead_ms, error_ms = self._ahead_ms, before_error_ms
        self._ahead_ms, self.error_ms = ahead_ms, error_ms
        self.offset_ms = said_ms - before_ms - way_ms // 2
        first, self.known = not self.known, True
        if abs(self.offset_ms) - way_ms // 2 <= SKEW_MOST_MS:
            return ""
        off = (
            f"the venue's clock is {self.offset_ms} ms from this machine's, at most {SKEW_MOST_MS} are safe: "
            "set the clock (NTP)"
        )
        if first:
            self.known = False
            raise AuthFailed(f"{off} and start again")
        return f"{off}; until then what is signed follows the venue's"

    def over_ns(self, signed_ns: int, valid_ms: int) -> int:
        """When a request's validity is over, in ns of our clock; `SETTLE_NS` later the request is dead.

        Validity begins with the timestamp, which is older than `signed_ns`; it is late by at most our error.
        """
        return signed_ns + (valid_ms + self.error_ms) * MS


class ClockKeeper:
    """Reads the venue's clock every five minutes while it is started.

    A stream may live for days: with a clock of the day before, the venue refuses orders, or takes them too late (S4).
    """

    def __init__(self, clock: Clock, *, read: Callable[[], Awaitable[str]], note: Callable[[str], None]) -> None:
        self._clock = clock
        self._read = read
        self._note = note
        self._tasks = Tasks()
        self._timer: Cancellable | None = None
        self._soon_ns = -SOON_NS

    def start(self) -> None:
        self._timer = self._clock.call_at(self._clock.now_ns() + READ_EVERY_NS, self._due)

    def soon(self) -> None:
        """The venue took something for too late or too early: read its clock now, once a second at most."""
        now_ns = self._clock.now_ns()
        if self._timer is not None and now_ns - self._soon_ns >= SOON_NS:
            self._soon_ns = now_ns
            self._tasks.spawn(self._again())

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._tasks.cancel()

    def _due(self) -> None:
        self.start()
        self._tasks.spawn(self._again())

    async def _again(self) -> None:
        try:
            off = await self._read()
        except ExchangeError:
            return  # the next turn asks again
        if off:
            self._note(off)
