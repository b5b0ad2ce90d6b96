"""What signs for one API key, the venue's native library or a stand-in; and the way to call what blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from exchanges.lighter.wire.scale import CancelTx, OrderTx

T = TypeVar("T")


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
    """Calls a signer off the loop's thread, one call at a time: a signature takes the native library 5 to 8 ms."""

    def __init__(self, signer: Signer) -> None:
        self._blocking = signer.blocking
        self._pool: ThreadPoolExecutor | None = None

    async def call(self, work: Callable[[], T]) -> T:
        begun = self.begin(work)
        return work() if begun is None else await asyncio.wrap_future(begun)

    def begin(self, work: Callable[[], T]) -> Future[T] | None:
        """Hand a call to the thread at once, before anybody waits for it; None where a call does not block."""
        if not self._blocking:
            return None
        if self._pool is None:  # the first call, also of a session that was closed and opened again
            self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="eagle-lighter")
        return self._pool.submit(work)

    def close(self) -> None:
        """What is being signed is finished, what waits is not signed."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
