"""Warm HTTP/1.1 connections to one host: a request on a free one is in the socket before its sender goes on.

h11 reads the answers and does no I/O; here are the sockets, and the few lines of a request, which stand between a fill
and its hedge: h11 takes a third of a millisecond for them. One request at a time on each connection, none is sent twice
but a question whose connection turned out to be closed before anything came back. An order leaves on the connection
that was used last, questions take turns, which keeps the others warm (`idle.py`).
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import h11

from exchanges.errors import LinkDown, OutcomeUnknown
from exchanges.idle import SPARE, Idle
from exchanges.tasks import Tasks
from exchanges.transport import Answered, OnAnswer, Request, Response

S = 1_000_000_000
CONNECT_S = 5  # for a connection with its handshake; the system itself tries for minutes, after a network was away
OPEN_MOST = 64  # connections at a time; a venue that takes more requests than that without an answer is not there
BODY_MOST = 8 << 20  # bytes of an answer; more is no answer of a venue
# What h11 is told of each request, before it reads the answer: the framing of an answer depends on no more.
ASKED = (h11.Request(method="POST", target="/", headers=[("Host", "-"), ("Content-Length", "0")]), h11.EndOfMessage())


class Exchange:
    """One request and the answer that is waited for."""

    __slots__ = ("_done", "_timer", "_written", "body", "head", "over", "request", "tried", "wrote")

    def __init__(self, request: Request, *, written: Callable[[], None], done: OnAnswer) -> None:
        self.request = request
        self.wrote = False
        self.tried = False
        self.over = False
        self.head: h11.Response | None = None
        self.body = bytearray()
        self._written = written
        self._done = done
        self._timer: asyncio.TimerHandle | None = None

    def wait(self, wait_s: float, expired: Callable[[Exchange], None]) -> None:
        if not self.over:
            self._timer = asyncio.get_running_loop().call_later(max(0, wait_s), expired, self)

    def sent(self) -> None:
        self.wrote = True
        self._written()

    def finish(self, answer: Answered) -> None:
        if not self.over:
            self.over = True
            if self._timer is not None:
                self._timer.cancel()
            self._done(answer)

    def fail(self, why: str, *, passing: bool = True) -> None:
        """Without an answer: what never left did not happen, anything else may have."""
        if self.wrote:
            self.finish(OutcomeUnknown(f"{self.request.method}: {why}"))
        else:
            self.finish(LinkDown(f"{self.request.method} did not leave: {why}", passing=passing))


class Pool:
    """Connections to the host of one address."""

    def __init__(self, url: str, *, tls: ssl.SSLContext | None, now_ns: Callable[[], int], tasks: Tasks) -> None:
        parts = urlsplit(url)
        self.host = parts.hostname or ""
        self._port = parts.port or (443 if tls else 80)
        self.start_of_headers = f" HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\nUser-Agent: eagle-flow\r\n"
        self.origin = url
        self._tls = tls
        self._now_ns = now_ns
        self._tasks = tasks
        self._idle: Idle[_Connection] = Idle()
        self._open: dict[_Connection, None] = {}
        self._waiting: dict[Exchange, None] = {}  # for whichever connection comes first, opened for them or not
        self._opening = 0
        self._closed = False

    def send(self, request: Request, *, written: Callable[[], None], done: OnAnswer) -> None:
        exchange = Exchange(request, written=written, done=done)
        now_ns = self._now_ns()
        self._start(exchange, now_ns)  # its deadline is armed once it is in the socket
        exchange.wait((request.deadline_ns - now_ns) / S, self._expired)

    def last_used_ns(self) -> Sequence[int]:
        """When each open connection was used last: now where it carries something, or is on its way."""
        now_ns = self._now_ns()
        busy = self._opening + sum(connection.exchange is not None for connection in self._open)
        return [now_ns] * busy + [*self._idle.since_ns(now_ns)]

    def close(self) -> None:
        self._closed = True
        for exchange in tuple(self._waiting):
            exchange.fail("the session was closed")
        self._waiting.clear()
        for connection in tuple(self._open):
            connection.drop("the session was closed")
        self._idle.drop_all("the session was closed")

    # --- called by connections

    def free(self, connection: _Connection) -> None:
        """It has its answer: who waits for a connection gets this one, however far its own has come."""
        exchange = self._first_waiting()
        if exchange is not None:
            connection.start(exchange)
        else:
            self._idle.put(connection, self._now_ns())

    def lost(self, connection: _Connection) -> None:
        self._open.pop(connection, None)

    def again(self, exchange: Exchange) -> None:
        """A question met a connection that the venue had closed: it is asked once more, on another."""
        exchange.tried, exchange.wrote = True, False
        self._start(exchange, self._now_ns())

    # ---

    def _start(self, exchange: Exchange, now_ns: int) -> None:
        connection = self._free_for(exchange, now_ns)
        if connection is not None:
            connection.start(exchange)
        elif len(self._open) + self._opening >= OPEN_MOST:
            asyncio.get_running_loop().call_soon(exchange.fail, f"{OPEN_MOST} connections wait for answers")
            return
        else:
            self._waiting[exchange] = None
            self._open_one()
        if exchange.request.method != "GET":
            self._keep_spare(now_ns)

    def _free_for(self, exchange: Exchange, now_ns: int) -> _Connection | None:
        request = exchange.request
        if request.unused_ns:
            return self._idle.take_cold(now_ns, unused_ns=request.unused_ns)
        if request.method == "GET" and not exchange.tried:
            return self._idle.take_in_turn(now_ns)
        return self._idle.take(now_ns)

    def _keep_spare(self, now_ns: int) -> None:
        """The next order may come before this one's answer. Spares of earlier orders that grew old are closed."""
        self._idle.drop_old(now_ns)
        ready = len(self._idle) + self._opening - len(self._waiting)
        for _ in range(min(SPARE - ready, OPEN_MOST - len(self._open) - self._opening)):
            self._open_one()

    def _open_one(self) -> None:
        self._opening += 1
        self._tasks.spawn(self._connect())

    async def _connect(self) -> None:
        """One more connection, for whoever waits longest."""
        failed: BaseException | None = None
        try:
            async with asyncio.timeout(CONNECT_S):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: _Connection(self), self.host, self._port, ssl=self._tls,
                    server_hostname=self.host if self._tls else None,
                )  # fmt: skip
        except (OSError, ssl.SSLError) as error:
            failed = error
        finally:
            self._opening -= 1
        if failed is not None:
            self._one_less(failed)
            return
        if self._closed:
            connection.drop("the session was closed")
            return
        self._open[connection] = None
        first = self._first_waiting()
        if first is not None:
            connection.start(first)
        else:
            self._idle.put_new(connection, self._now_ns())

    def _one_less(self, error: BaseException) -> None:
        """Who waits need not be whom the connection was for: that one may have got another's."""
        waiting = [it for it in self._waiting if not it.over]
        if len(waiting) > self._opening:
            del self._waiting[waiting[0]]
            waiting[0].fail(why_not(error, f"{self.host}:{self._port}"), passing=passes(error))

    def _first_waiting(self) -> Exchange | None:
        while self._waiting:
            exchange = next(iter(self._waiting))
            del self._waiting[exchange]
            if not exchange.over:
                return exchange
        return None

    def _expired(self, exchange: Exchange) -> None:
        """Unused connections go along: where the network changed they are as dead, and each would cost a deadline."""
        exchange.fail("no answer in time")
        self._idle.drop_all("beside one without an answer")
        for connection in tuple(self._open):
            if connection.exchange is exchange:
                connection.drop("no answer in time")


class _Connection(asyncio.Protocol):
    """One socket. `exchange` is the request that it carries, if any."""

    def __init__(self, pool: Pool) -> None:
        self.exchange: Exchange | None = None
        self._pool = pool
        self._wire = h11.Connection(h11.CLIENT)
        self._told = False  # does h11 know of the request that is on its way?
        self._socket: asyncio.Transport | None = None

    @property
    def usable(self) -> bool:
        return self._socket is not None and not self._socket.is_closing()

    def start(self, exchange: Exchange) -> None:
        """Write the whole request at once."""
        self.exchange, self._told = exchange, False
        try:
            data = encoded(exchange.request, self._pool.origin, self._pool.start_of_headers)
        except ValueError as error:
            self.drop(f"cannot be sent: {error}")
            return
        assert self._socket is not None
        self._socket.write(data)
        exchange.sent()

    # --- called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._socket = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._tell()
            self._wire.receive_data(data)
            self._read()
        except h11.RemoteProtocolError as error:
            self.drop(f"no HTTP: {error}")

    def eof_received(self) -> None:
        try:
            self._tell()
            self._wire.receive_data(b"")
            self._read()
        except h11.RemoteProtocolError:
            return  # the connection is lost next, and says so

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.lost(self)
        exchange, self.exchange = self.exchange, None
        if exchange is None or exchange.over:
            return
        if exchange.request.method == "GET" and exchange.head is None and not exchange.tried:
            self._pool.again(exchange)
        else:
            exchange.fail(f"the connection was lost{f': {exc}' if exc else ''}")

    # ---

    def drop(self, why: str) -> None:
        """Close the socket; a request on it has no answer any more."""
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.fail(why)
        self._pool.lost(self)
        if self._socket is not None:
            self._socket.abort()

    def _tell(self) -> None:
        if self.exchange is not None and not self._told:
            self._told = True
            for event in ASKED:
                self._wire.send(event)

    def _read(self) -> None:
        while True:
            event = self._wire.next_event()
            exchange = self.exchange
            if event is h11.NEED_DATA or event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return
            if exchange is None:
                self.drop("an answer to nothing")
                return
            if isinstance(event, h11.Response):
                exchange.head = event
            elif isinstance(event, h11.Data):
                exchange.body += event.data
                if len(exchange.body) > BODY_MOST:
                    self.drop(f"an answer of more than {BODY_MOST} bytes")
                    return
            elif isinstance(event, h11.EndOfMessage):
                self._answered(exchange)

    def _answered(self, exchange: Exchange) -> None:
        self.exchange = None
        head = exchange.head
        assert head is not None
        if self._wire.our_state is h11.DONE and self._wire.their_state is h11.DONE:
            self._wire.start_next_cycle()
            self._pool.free(self)
        else:  # the venue wants it closed
            self.drop("closed by the venue")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
        exchange.finish(Response(head.status_code, headers, bytes(exchange.body)))


def why_not(error: BaseException, where: str) -> str:
    """Why there is no connection to `where`, a host and port. Some errors of the system bring no words."""
    number = error.errno if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else None
    words = os.strerror(number) if number is not None and number > 0 else str(error)
    if not words:
        words = "it took too long" if isinstance(error, TimeoutError) else "it took no connection"
    return f"{type(error).__name__}: {words} ({where})"


def passes(error: BaseException) -> bool:
    """May the next try come through? A certificate that does not hold will not hold then."""
    return not isinstance(error, ssl.SSLCertVerificationError)


def encoded(request: Request, origin: str, start_of_headers: str) -> bytes:
    """The bytes of a request. Raises: ValueError for what cannot stand in a head and would write another line into it.

    `start_of_headers` is the head from the version on to the first header that is not the same in every request.
    """
    url, body = request.url, request.body
    target = url[len(origin) :] or "/"
    lines = [request.method, " ", target, start_of_headers]
    for name, value in request.headers.items():
        if not value.isprintable():
            raise ValueError(f"header {name} has characters that no header may have")
        lines += (name, ": ", value, "\r\n")
    if body or request.method != "GET":
        lines += ("Content-Length: ", str(len(body)), "\r\n")
    if not target.isprintable() or " " in target:
        raise ValueError("its address has characters that no address may have")
    lines.append("\r\n")
    return "".join(lines).encode("ascii") + body
