"""What signs for one API key, the venue's native library or a stand-in; and the way to call what blocks."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from exchanges.lighter.wire.scale import CancelTx, OrderTx
from exchanges.types import Clock

T = TypeVar("T")
AT_ONCE_NS = 2_000_000  # a thread that is handed a call while the loop goes on has mostly not begun with it before
NOW_MOST_S = 1  # a loop that waits for ever hedges nothing, on no venue
CALLS_LOOKED_AT = 8  # the quickest of so many counts: others were interrupted


@dataclass(frozen=True, slots=True)
class SignedTx:
    """A transaction, ready to be sent. `tx_hash` is known before it is, so that its fate can be asked for."""

    tx_type: int
    tx_info: str
    tx_hash: str


class Signer(Protocol):
    """One API key of one account. Calls may take milliseconds; where they do, `blocking` says so."""

    account_index: int
    api_key_index: int
    blocking: bool

    def order(self, tx: OrderTx, *, nonce: int) -> SignedTx:
        """Raises: AuthFailed, with the signer's words, for what it does not sign."""

    def cancel(self, tx: CancelTx, *, nonce: int) -> SignedTx: ...

    def token(self, deadline_s: int) -> str:
        """An auth token until a moment in seconds since the epoch, at most 8 h away."""


class SignerThread:
    """Calls a signer in a thread of its own; where that is soon over the loop waits for it, else it goes on meanwhile.

    A native signature takes half a millisecond there, and three times that on the main thread, whose stack the library
    looks for at each call. A loop that goes on meanwhile keeps the thread waiting for the interpreter's lock, mostly
    for longer than the signature takes.
    """

    def __init__(self, signer: Signer, clock: Clock) -> None:
        self._blocking = signer.blocking
        self._clock = clock
        self._took_ns: deque[int] = deque(maxlen=CALLS_LOOKED_AT)
        self._pool: ThreadPoolExecutor | None = None

    @property
    def at_once(self) -> bool:
        """Is a call over so soon that the loop may wait for it? Of a new signer nobody knows."""
        return not self._blocking or (bool(self._took_ns) and min(self._took_ns) <= AT_ONCE_NS)

    def now(self, work: Callable[[], T]) -> T:
        """What a call gives. Raises: TimeoutError for one that does not end."""
        begun = self.begin(work)
        return work() if begun is None else self.wait(begun)

    def wait(self, begun: Future[T]) -> T:
        """As `now`, of a call that was begun."""
        try:
            return begun.result(NOW_MOST_S)
        except TimeoutError:
            begun.cancel()
            self._took_ns.clear()  # nobody waits for the next one
            raise

    async def call(self, work: Callable[[], T]) -> T:
        begun = self.begin(work)
        return work() if begun is None else await asyncio.wrap_future(begun)

    def begin(self, work: Callable[[], T]) -> Future[T] | None:
        """Hand a call to the thread at once, before anybody waits for it; None where a call does not block."""
        if not self._blocking:
            return None
        if self._pool is None:  # the first call, also of a session that was closed and opened again
            self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="eagle-lighter")
        return self._pool.submit(self._timed, work)

    def close(self) -> None:
        """What is being signed is finished, what waits is not signed."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _timed(self, work: Callable[[], T]) -> T:
        began_ns = self._clock.now_ns()
        try:
            return work()
        finally:
            self._took_ns.append(self._clock.now_ns() - began_ns)
