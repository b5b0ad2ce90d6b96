"""Mounts venue models in memory: a client's transport in virtual time, with the time that each way takes.

Beside `server.py`, which mounts the same models on sockets. Nothing here decides what goes wrong at a venue: that is
the model's fault plan. What the process itself suffers (a pause, a death) is the business of its clock.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from urllib.parse import urlsplit

from exchanges.errors import LinkDown, OutcomeUnknown
from exchanges.idle import SPARE, Idle
from exchanges.reads import Reads
from exchanges.transport import NO_HEADERS, Answered, OnAnswer, Receiver, Request, Response, no_stream
from exchanges.types import Cancellable, Clock
from exchanges.venues.seam import Reply, StreamSession, VenueModel
from exchanges.venues.seam import Request as VenueRequest

PEER = "127.0.0.1"  # the address that venues see: all accounts of a process share it

Heard = Callable[[str, bytes], None]  # what passed: its kind and address, its content


def _unheard(what: str, content: bytes) -> None:
    """Nobody listens."""


class MemoryTransport:
    """One account's network to the venues of `models`, which are named by the host of a URL.

    What goes to a venue runs on the world's clock, what comes back on that of the process: a process that stands still
    or is dead hears nothing. `way_ns` gives the time of one way, drawn anew for each message; those of one stream stay
    in their order, and what arrives at one time comes by one of the `reads`. `heard` is told what passes, for a trace.
    """

    def __init__(
        self, models: Mapping[str, VenueModel], *, world: Clock, process: Clock, way_ns: Callable[[], int],
        heard: Heard = _unheard, reads: Reads | None = None,
    ) -> None:  # fmt: skip
        self.models = models
        self.world = world
        self.process = process
        self.way_ns = way_ns
        self.heard = heard
        self.reads = reads or Reads()
        self.over = False  # the process is dead: nothing leaves any more
        self.streams: dict[MemoryStream, None] = {}
        self._waiting: dict[_Waiting, None] = {}
        self._idle: dict[str, Idle[_Line]] = {}  # by the host of a URL, as a live one has

    def send(self, request: Request, *, written: Callable[[], None], done: OnAnswer) -> None:
        parts = urlsplit(request.url)
        model = None if self.over else self.models.get(parts.netloc)
        if model is None:
            asyncio.get_running_loop().call_soon(done, LinkDown(f"no venue at {parts.netloc}"))
            return
        what = f"{request.method} {parts.netloc}{parts.path}"
        self.heard(f"> {what}?{parts.query}", request.body)
        written()
        waiting = _Waiting(done, parts.netloc, self._line_for(request, parts.netloc))
        self._waiting[waiting] = None

        def answered(reply: Reply | None) -> None:
            """On the venue's side; the answer has its way yet."""
            answer = _answer(request, reply)
            self.process.call_at(self.process.now_ns() + self.way_ns(), self._settle, waiting, answer, what)

        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = VenueRequest(request.method, parts.path, parts.query, headers, request.body, PEER)
        self.world.call_at(self.world.now_ns() + self.way_ns(), model.request, asked, answered)
        late = OutcomeUnknown(f"{request.method}: no answer in time")
        waiting.timer = self.process.call_at(request.deadline_ns, self._expire, waiting, late, what)

    def _expire(self, waiting: _Waiting, late: Answered, what: str) -> None:
        self._idle[waiting.host].drop_all("beside one without an answer")
        self._settle(waiting, late, what)

    def _settle(self, waiting: _Waiting, answer: Answered, what: str) -> None:
        if waiting in self._waiting:
            del self._waiting[waiting]
            if isinstance(answer, Response):
                self._idle[waiting.host].put(waiting.line, self.process.now_ns())
            self.heard(f"< {what}", answer.body if isinstance(answer, Response) else str(answer).encode())
            waiting.settle(answer)

    def last_used_ns(self, url: str) -> Sequence[int]:
        host, now_ns = urlsplit(url).netloc, self.process.now_ns()
        busy = sum(waiting.host == host for waiting in self._waiting)
        return [now_ns] * busy + [*self._idle[host].since_ns(now_ns)] if host in self._idle else ()

    def _line_for(self, request: Request, host: str) -> _Line:
        """What carries it: as of a live account's connections, but that a new one is there at once."""
        idle = self._idle.get(host)
        if idle is None:
            idle = self._idle[host] = Idle()
        now_ns = self.process.now_ns()
        if request.unused_ns:
            return idle.take_cold(now_ns, unused_ns=request.unused_ns) or _Line()
        if request.method == "GET":
            return idle.take_in_turn(now_ns) or _Line()
        line = idle.take(now_ns) or _Line()
        for _ in range(SPARE - len(idle)):
            idle.put_new(_Line(), now_ns)
        return line

    async def ws(
        self, url: str, receiver: Receiver, *, deadline_ns: int, headers: Mapping[str, str] = NO_HEADERS
    ) -> MemoryStream:
        """Raises: as a stream over sockets."""
        parts = urlsplit(url)
        model = self.models.get(parts.netloc)
        await self._pass(2 * self.way_ns())
        if model is None or self.over:
            raise LinkDown(f"no stream: no venue at {parts.netloc}")
        said = {name.lower(): value for name, value in headers.items()}
        stream = MemoryStream(self, receiver, parts.netloc)
        session = model.open_stream(
            VenueRequest("GET", parts.path or "/", parts.query, said, b"", PEER), stream.outlet
        )  # fmt: skip
        if isinstance(session, Reply):
            raise no_stream(session.status, {name.lower(): value for name, value in session.headers})
        stream.session = session
        self.streams[stream] = None
        return stream

    async def _pass(self, wait_ns: int) -> None:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.process.call_at(
            self.process.now_ns() + wait_ns, lambda: None if over.done() else over.set_result(None)
        )
        try:
            await over
        finally:
            timer.cancel()

    async def close(self) -> None:
        for stream in tuple(self.streams):
            stream.close()
        for waiting in tuple(self._waiting):
            self._settle(waiting, OutcomeUnknown("the session was closed"), "")
        self._idle.clear()

    def abandon(self) -> None:
        """The process has died: its venues see the streams end, what it sent still arrives, no answer is heard.

        What is left of it only unwinds: to it everything that waits has failed.
        """
        self.over = True
        for stream in tuple(self.streams):
            stream.close()
        for waiting in tuple(self._waiting):
            self._settle(waiting, OutcomeUnknown("the process is dead"), "")

    def cut(self) -> None:
        """Every stream ends without a word, at both ends."""
        for stream in tuple(self.streams):
            stream.outlet.cut()


def _answer(request: Request, reply: Reply | None) -> Answered:
    if reply is None:
        return OutcomeUnknown(f"{request.method}: the connection was cut")
    headers = {"content-type": reply.content_type} | {name.lower(): value for name, value in reply.headers}
    return Response(reply.status, headers, reply.body)


class _Waiting:
    """A request without an answer yet."""

    __slots__ = ("_done", "host", "line", "timer")

    def __init__(self, done: OnAnswer, host: str, line: _Line) -> None:
        self.host = host
        self.line = line
        self._done: OnAnswer | None = done
        self.timer: Cancellable | None = None

    def settle(self, answer: Answered) -> None:
        done, self._done = self._done, None
        if self.timer is not None:
            self.timer.cancel()
        if done is not None:
            done(answer)


class _Line:
    """A connection for requests; it is there, and that is all."""

    __slots__ = ()
    usable = True

    def drop(self, why: str) -> None: ...


class MemoryStream:
    """Both ends of one stream; each direction keeps its order."""

    session: StreamSession

    def __init__(self, transport: MemoryTransport, receiver: Receiver, venue: str) -> None:
        self.outlet = _Outlet(self)
        self.receiver = receiver
        self.over = False
        self.venue = venue
        self.transport = transport
        self._out_ns = 0  # when the newest message arrives there …
        self._in_ns = 0  # … and here
        self._coming: deque[tuple[int, Callable[..., None], tuple[object, ...]]] = deque()

    # the client's end

    def send(self, text: str) -> None:
        self.transport.heard(f"> {self.venue}", text.encode())
        self._to_venue(self._said, text)

    def ping(self) -> None:
        self._to_venue(self._pinged)

    def close(self) -> None:
        """The venue sees it at once: nothing that it sends meanwhile would be heard."""
        if not self.over:
            self.over = True
            self.transport.streams.pop(self, None)
            self.session.on_closed()

    # the way

    def _to_venue(self, act: Callable[..., None], *args: object) -> None:
        clock = self.transport.world
        at_ns = clock.now_ns() + self.transport.way_ns()
        if at_ns > self._out_ns:
            self._out_ns = at_ns
        clock.post_at(self._out_ns, act, *args)

    def to_client(self, act: Callable[..., None], *args: object) -> None:
        clock = self.transport.process
        at_ns = clock.now_ns() + self.transport.way_ns()
        if at_ns > self._in_ns or not self._coming:
            self._in_ns = max(at_ns, self._in_ns)
            clock.post_at(self._in_ns, self._read)
        self._coming.append((self._in_ns, act, args))

    # what arrives

    def _read(self) -> None:
        """All that has come by now, as from a socket: together what came at once, or while the process stood still."""
        coming, now_ns = self._coming, self.transport.process.now_ns()
        if not coming or coming[0][0] > now_ns:
            return  # they came with an earlier one
        _, act, args = coming.popleft()
        try:
            if not coming or coming[0][0] > now_ns:
                act(*args)
                return
            due = [partial(act, *args)]
            while coming and coming[0][0] <= now_ns:
                _, act, args = coming.popleft()
                due.append(partial(act, *args))
            self.transport.reads.hand_over(due)
        except BaseException:
            # What was behind is lost: a stream that went on without it would be trusted for ever.
            self.transport.process.post_at(now_ns, self.ended, "its receiver failed")
            raise

    def _said(self, text: str) -> None:
        if not self.over:
            self.session.on_text(text)

    def _pinged(self) -> None:
        if not self.over:
            self.session.on_ping(b"")

    def framed(self, text: str) -> None:
        if not self.over:
            data = text.encode()
            self.transport.heard(f"< {self.venue}", data)
            self.receiver.frame(data, self.transport.process.now_ns())

    def pinged_by_venue(self) -> None:
        if not self.over:
            self._to_venue(self._ponged)

    def _ponged(self) -> None:
        if not self.over:
            self.session.on_pong()

    def ponged_by_venue(self) -> None:
        if not self.over:
            self.receiver.pong()

    def ended(self, why: str) -> None:
        if not self.over:
            self.close()
            self.receiver.closed(f"the stream ended: {why}")


class _Outlet:
    """The venue's end."""

    __slots__ = ("_stream",)

    def __init__(self, stream: MemoryStream) -> None:
        self._stream = stream

    def send(self, text: str) -> None:
        self._stream.to_client(self._stream.framed, text)

    def ping(self) -> None:
        self._stream.to_client(self._stream.pinged_by_venue)

    def pong(self, payload: bytes) -> None:
        self._stream.to_client(self._stream.ponged_by_venue)

    def close(self, code: int, reason: str) -> None:
        self._stream.to_client(self._stream.ended, f"{code} {reason}")

    def cut(self) -> None:
        self._stream.to_client(self._stream.ended, "cut")
