"""A transport in memory for tests of links, requests and adapters: what the venue does is a function of the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from engine.runtime.loop import VirtualLoop
from exchanges.errors import AuthFailed, LinkDown, OutcomeUnknown
from exchanges.transport import NO_HEADERS, Answered, OnAnswer, Receiver, Request, Response
from exchanges.types import Clock

MS = 1_000_000
S = 1_000_000_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the venue got it."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    at_ns: int

    @property
    def path(self) -> str:
        return self.url.split("://", 1)[1].partition("/")[2].partition("?")[0]


Answer = Answered | None  # None: no answer ever


def as_json(value: object, *, status: int = 200) -> Response:
    return Response(status, {"content-type": "application/json"}, json.dumps(value).encode())


class Wire:
    """One open stream as the venue sees it: `sent` is what the client said."""

    def __init__(self, receiver: Receiver, *, answers_pings: bool) -> None:
        self.receiver = receiver
        self.sent: list[str] = []
        self.pings = 0
        self.answers_pings = answers_pings
        self.closed = False

    def send(self, text: str) -> None:
        self.sent.append(text)

    def ping(self) -> None:
        self.pings += 1
        if self.answers_pings and not self.closed:
            asyncio.get_running_loop().call_soon(self._pong)

    def close(self) -> None:
        self.closed = True

    def _pong(self) -> None:
        if not self.closed:
            self.receiver.pong()

    def say(self, data: bytes | str | object, clock: Clock) -> None:
        """Deliver one message."""
        raw = data if isinstance(data, bytes) else data.encode() if isinstance(data, str) else json.dumps(data).encode()
        if not self.closed:
            self.receiver.frame(raw, clock.now_ns())

    def cut(self, text: str = "the stream ended: cut") -> None:
        if not self.closed:
            self.closed = True
            self.receiver.closed(text)


@dataclass
class MemoryTransport:
    """Requests go to `answer`, after `delay_ns`; streams open if `refuse_ws` is not set."""

    clock: Clock
    answer: Callable[[Asked], Answer]
    delay_ns: int = MS
    asked: list[Asked] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    opened: list[tuple[str, dict[str, str]]] = field(default_factory=list)  # streams asked for: address, headers
    refuse_keys: bool = False
    refuse_ws: int = 0  # so many of the next attempts
    answers_pings: bool = True
    on_ws: Callable[[Wire], None] | None = None
    _waiting: list[_Waiting] = field(default_factory=list)

    def send(self, request: Request, *, written: Callable[[], None], done: OnAnswer) -> None:
        asked = Asked(request.method, request.url, request.headers, request.body, self.clock.now_ns())
        self.asked.append(asked)
        written()
        answer = self.answer(asked)
        waiting = _Waiting(done)
        self._waiting.append(waiting)
        if answer is None:
            late = OutcomeUnknown(f"{request.method}: no answer in time")
            self.clock.call_at(request.deadline_ns, waiting.settle, late)
        else:
            self.clock.call_at(self.clock.now_ns() + self.delay_ns, waiting.settle, answer)

    def last_used_ns(self, url: str) -> Sequence[int]:
        """It keeps no connections, so that none is ever warm."""
        return ()

    async def ws(
        self, url: str, receiver: Receiver, *, deadline_ns: int, headers: Mapping[str, str] = NO_HEADERS
    ) -> Wire:
        await asyncio.sleep(self.delay_ns / S)
        self.opened.append((url, dict(headers)))
        if self.refuse_keys:
            raise AuthFailed("no stream: the venue answers HTTP 401")
        if self.refuse_ws:
            self.refuse_ws -= 1
            raise LinkDown("no stream: refused")
        wire = Wire(receiver, answers_pings=self.answers_pings)
        self.wires.append(wire)
        if self.on_ws is not None:
            self.on_ws(wire)
        return wire

    async def close(self) -> None:
        for wire in self.wires:
            wire.close()
        for waiting in self._waiting:
            waiting.settle(OutcomeUnknown("the session was closed"))


class _Waiting:
    """A request without an answer yet."""

    def __init__(self, done: OnAnswer) -> None:
        self._done: OnAnswer | None = done

    def settle(self, answer: Answered) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(answer)


def run_virtual(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        failed: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: failed.append(context))
        result = runner.run(main(loop))
        assert failed == []
        return result


class Middle:
    """Chance that always draws the middle."""

    def below(self, n: int) -> int:
        return n // 2

    def between(self, low: int, high: int) -> int:
        return (low + high) // 2
