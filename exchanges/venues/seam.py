"""What a mount (real sockets, or memory under a virtual clock) and a venue model say to each other. No I/O, no asyncio.

A model is driven by calls and by its clock alone; every answer leaves through a callback, at once or later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from exchanges.values import quick


@quick
@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Header names are in lower case; `query` is the raw text behind `?`; `peer` is the address."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    peer: str


@quick
@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


Answer = Callable[[Reply | None], None]  # called once at most; None cuts the connection without a reply


class Outlet(Protocol):
    """The venue's end of one WebSocket. Without effect once it is closed."""

    def send(self, text: str) -> None: ...

    def ping(self) -> None: ...

    def pong(self, payload: bytes) -> None: ...

    def close(self, code: int, reason: str) -> None:
        """Say goodbye with a Close frame."""

    def cut(self) -> None:
        """End the connection without a word."""


class StreamSession(Protocol):
    """What a mount tells the model of one WebSocket."""

    def on_text(self, text: str) -> None: ...

    def on_ping(self, payload: bytes) -> None: ...

    def on_pong(self) -> None: ...

    def on_closed(self) -> None: ...


class VenueModel(Protocol):
    """One venue. `start` begins its market; a model that was not started answers, but nothing trades."""

    name: str

    def start(self) -> None: ...

    def request(self, request: Request, answer: Answer) -> None: ...

    def open_stream(self, request: Request, outlet: Outlet) -> StreamSession | Reply:
        """The session of an upgraded connection, or the reply that refuses the upgrade."""
