"""How an adapter reaches its venue: requests and streams, over sockets or in a simulator's memory. Words only.

An adapter sees a `Clock`, an `Rng` and this, so that one code trades live and in virtual time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from exchanges.errors import AuthFailed, ExchangeError, LinkDown, OutcomeUnknown, RateLimited
from exchanges.values import quick

NO_HEADERS: Mapping[str, str] = {}


@quick
@dataclass(frozen=True, slots=True)
class Response:
    """A venue's whole answer. `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


# The answer, of whatever status, redirects too; LinkDown if the request certainly did not leave, OutcomeUnknown if it
# may have and no whole answer came in time.
Answered = Response | LinkDown | OutcomeUnknown
OnAnswer = Callable[[Answered], None]


@quick
@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to be sent; `deadline_ns` is when its answer is no longer waited for, by the clock.

    With `unused_ns` it goes on a connection that carried nothing for so long, or on a new one, to warm it.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    deadline_ns: int
    unused_ns: int = 0


def retry_after_ms(headers: Mapping[str, str]) -> int:
    """The wait that the venue names, in ms; 0 where it names none that can be read. `headers` have lower-case names."""
    text = headers.get("retry-after", "")
    return int(text) * 1000 if text.isascii() and text.isdigit() and len(text) <= 6 else 0


def no_stream(status: int, headers: Mapping[str, str]) -> ExchangeError:
    """What it means that a venue answers the request for a stream with this HTTP status instead of opening one."""
    text = f"no stream: the venue answers HTTP {status}"
    if status in (401, 403):
        return AuthFailed(text)
    if status == 429:
        return RateLimited(text, retry_ms=retry_after_ms(headers))
    return LinkDown(text, passing=status >= 500)


class Receiver(Protocol):
    """What takes in one stream. Nothing is called after `closed`."""

    def frame(self, data: bytes, recv_ns: int) -> None:
        """One whole message; `recv_ns` is the clock when it was in our hands. Must not raise for what it says."""

    def pong(self) -> None:
        """The venue has answered a ping, so it has read all that was sent before it."""

    def closed(self, text: str) -> None:
        """The stream has ended, by the venue or by a failure; not called for our own `close`."""


class Connection(Protocol):
    """One open stream. Calls never block; what is sent leaves in the order of the calls."""

    def send(self, text: str) -> None: ...

    def ping(self) -> None: ...

    def close(self) -> None:
        """End the stream; idempotent."""


class Transport(Protocol):
    """The network of one account: its requests share warm connections, each stream has its own."""

    def send(self, request: Request, *, written: Callable[[], None], done: OnAnswer) -> None:
        """Start a request. On a warm connection it is in the socket when this returns.

        `written` is called when the last byte is in the socket, `done` exactly once.
        """

    def last_used_ns(self, url: str) -> Sequence[int]:
        """When each open connection to the host of `url` carried something last, by the clock; now for what does."""

    async def ws(
        self, url: str, receiver: Receiver, *, deadline_ns: int, headers: Mapping[str, str] = NO_HEADERS
    ) -> Connection:
        """An open stream whose messages go to `receiver`; `headers` leave with its request, their names' case kept.

        Raises: what `no_stream` says of a request that the venue refuses, LinkDown.
        """

    async def close(self) -> None:
        """Close everything that is open. Idempotent; the transport may be used again afterwards."""
