"""A local venue's model as a client's transport: in memory, on one clock, with the time that the way takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from exchanges.errors import LinkDown, OutcomeUnknown
from exchanges.transport import NO_HEADERS, Answered, OnAnswer, Receiver, Request, Response
from exchanges.types import Clock
from exchanges.venues.seam import Reply, StreamSession, VenueModel
from exchanges.venues.seam import Request as VenueRequest

MS = 1_000_000


class MemoryMount:
    """One account's network to `model`. A test may break it: see the fields below `way_ns`."""

    def __init__(self, model: VenueModel, clock: Clock, *, way_ns: int = 5 * MS) -> None:
        self.model = model
        self.clock = clock
        self.way_ns = way_ns
        self.lost_replies: list[str] = []  # methods and paths, such as "POST /api/v1/order", each once
        self.late_replies: dict[str, int] = {}  # extra ns on the way back, by method and path
        self.lost_frames: list[str] = []  # parts of frames, each lost once
        self.late_frames: dict[str, int] = {}  # extra ns of frames with this part in them
        self.unreachable = False
        self.no_streams = False  # requests go through, streams do not open
        self.streams: list[_Stream] = []
        self.asked: list[str] = []
        self._waiting: dict[_Waiting, None] = {}

    def send(self, request: Request, *, written: Callable[[], None], done: OnAnswer) -> None:
        parts = urlsplit(request.url)
        what = f"{request.method} {parts.path}"
        self.asked.append(what)
        if self.unreachable:
            done(LinkDown(f"{request.method} did not leave: unreachable"))
            return
        written()
        waiting = _Waiting(done)
        self._waiting[waiting] = None

        def answered(reply: Reply | None) -> None:
            if what in self.lost_replies:
                self.lost_replies.remove(what)
                return
            wait_ns = self.way_ns + self.late_replies.get(what, 0)
            self.clock.call_at(self.clock.now_ns() + wait_ns, self._settle, waiting, _answer(request, reply))

        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = VenueRequest(request.method, parts.path, parts.query, headers, request.body, "127.0.0.1")
        self.clock.call_at(self.clock.now_ns() + self.way_ns, self.model.request, asked, answered)
        late = OutcomeUnknown(f"{request.method}: no answer in time")
        self.clock.call_at(request.deadline_ns, self._settle, waiting, late)

    def last_used_ns(self, url: str) -> Sequence[int]:
        """It keeps no connections, so that none is ever warm."""
        return ()

    def _settle(self, waiting: _Waiting, answer: Answered) -> None:
        self._waiting.pop(waiting, None)
        waiting.settle(answer)

    async def ws(
        self, url: str, receiver: Receiver, *, deadline_ns: int, headers: Mapping[str, str] = NO_HEADERS
    ) -> _Stream:
        await asyncio.sleep(2 * self.way_ns / 1_000_000_000)
        if self.unreachable or self.no_streams:
            raise LinkDown("no stream: unreachable")
        stream = _Stream(self, receiver)
        parts = urlsplit(url)
        said = {name.lower(): value for name, value in headers.items()}
        request = VenueRequest("GET", parts.path or "/", parts.query, said, b"", "127.0.0.1")
        session = self.model.open_stream(request, stream.outlet)
        if isinstance(session, Reply):
            raise LinkDown(f"no stream: HTTP {session.status}")
        stream.session = session
        self.streams.append(stream)
        return stream

    async def close(self) -> None:
        for stream in tuple(self.streams):
            stream.close()
        for waiting in tuple(self._waiting):
            self._settle(waiting, OutcomeUnknown("the session was closed"))

    def cut(self) -> None:
        """Every stream ends without a word, at both ends at once."""
        for stream in tuple(self.streams):
            stream.outlet.cut()
            stream.tell_closed()


def _answer(request: Request, reply: Reply | None) -> Answered:
    if reply is None:
        return OutcomeUnknown(f"{request.method}: the connection was cut")
    headers = {"content-type": reply.content_type} | {name.lower(): value for name, value in reply.headers}
    return Response(reply.status, headers, reply.body)


class _Waiting:
    """A request without an answer yet."""

    def __init__(self, done: OnAnswer) -> None:
        self._done: OnAnswer | None = done

    def settle(self, answer: Answered) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(answer)


class _Stream:
    """Both ends of one stream."""

    session: StreamSession

    def __init__(self, mount: MemoryMount, receiver: Receiver) -> None:
        self.outlet = _Outlet(self)
        self.receiver = receiver
        self.over = False
        self.mount = mount

    # the client's end

    def send(self, text: str) -> None:
        self.later(lambda: self.session.on_text(text))

    def ping(self) -> None:
        self.later(lambda: self.session.on_ping(b""))

    def close(self) -> None:
        if not self.over:
            self.over = True
            self.mount.streams.remove(self)
            self.session.on_closed()

    def tell_closed(self) -> None:
        if not self.over:
            self.close()
            self.receiver.closed("the stream ended: cut")

    def later(self, act: Callable[[], None], *, extra_ns: int = 0) -> None:
        mount = self.mount
        mount.clock.call_at(mount.clock.now_ns() + mount.way_ns + extra_ns, lambda: None if self.over else act())

    @property
    def now_ns(self) -> int:
        return self.mount.clock.now_ns()


class _Outlet:
    """The venue's end."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream
        self.swallow = False  # frames that leave now are lost, and nobody is told

    def send(self, text: str) -> None:
        mount = self._stream.mount
        lost = next((part for part in mount.lost_frames if part in text), None)
        if lost is not None:
            mount.lost_frames.remove(lost)
        elif not self.swallow:
            extra_ns = sum(extra for part, extra in mount.late_frames.items() if part in text)
            self._stream.later(
                lambda: self._stream.receiver.frame(text.encode(), self._stream.now_ns), extra_ns=extra_ns
            )

    def ping(self) -> None:
        self._stream.later(lambda: self._stream.session.on_pong())

    def pong(self, payload: bytes) -> None:
        self._stream.later(lambda: self._stream.receiver.pong())

    def close(self, code: int, reason: str) -> None:
        self._stream.later(self._stream.tell_closed)

    def cut(self) -> None:
        self._stream.later(self._stream.tell_closed)
