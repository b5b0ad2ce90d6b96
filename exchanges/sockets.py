"""The live transport: HTTP over aiohttp, streams over websockets, for one account. Knows no venue and no signature."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI, WebSocketException

from exchanges.errors import LinkDown, OutcomeUnknown
from exchanges.tasks import Tasks
from exchanges.transport import Connection, Receiver, Response

S = 1_000_000_000
KEEP_S = 75  # an unused connection stays open so long; venues close theirs after a minute or more
BODY_MOST = 8 << 20  # bytes of an answer; more is no answer of a venue
FRAME_MOST = 1 << 20  # bytes of one message
QUEUE_MOST = 4096  # messages that wait before the socket is left unread
CLOSE_S = 1  # for the closing handshake of a stream


class SocketTransport:
    """One account's network. Plain http and ws only to this machine, and only where `insecure_loopback` says so."""

    def __init__(self, *, now_ns: Callable[[], int], insecure_loopback: bool = False) -> None:
        self._now_ns = now_ns
        self._insecure_loopback = insecure_loopback
        self._session: aiohttp.ClientSession | None = None
        self._tls: ssl.SSLContext | None = None
        self._tasks = Tasks()
        self._streams: dict[_Stream, None] = {}

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes, deadline_ns: int,
        written: Callable[[], None],
    ) -> Response:  # fmt: skip
        self._check(url)
        sent = _Sent(written)
        payload = _Body(body, sent) if body else None
        try:
            async with asyncio.timeout((deadline_ns - self._now_ns()) / S):
                async with self._http().request(
                    method, url, headers=headers, data=payload, allow_redirects=False
                ) as answer:
                    text = await _whole(answer)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            why = "no answer in time" if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
            if body and not sent.done:
                raise LinkDown(f"{method} did not leave: {why}") from error
            raise OutcomeUnknown(f"{method}: {why}") from error
        return Response(answer.status, {name.lower(): value for name, value in answer.headers.items()}, text)

    async def ws(self, url: str, receiver: Receiver, *, deadline_ns: int) -> Connection:
        self._check(url)
        try:
            async with asyncio.timeout((deadline_ns - self._now_ns()) / S):
                socket = await connect(
                    url, compression=None, ping_interval=None, open_timeout=None, close_timeout=CLOSE_S,
                    max_size=FRAME_MOST, max_queue=QUEUE_MOST, proxy=None,
                    ssl=self._context() if url.startswith("wss:") else None,
                )  # fmt: skip
        except (TimeoutError, OSError, EOFError, InvalidHandshake, InvalidURI, WebSocketException) as error:
            raise LinkDown(f"no stream: {type(error).__name__}: {error}") from error
        stream = _Stream(socket, receiver, now_ns=self._now_ns, tasks=self._tasks, forget=self._forget)
        self._streams[stream] = None
        self._tasks.spawn(stream.read())
        return stream

    async def close(self) -> None:
        for stream in tuple(self._streams):
            stream.close()
        await self._tasks.cancel()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _forget(self, stream: _Stream) -> None:
        self._streams.pop(stream, None)

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_S, ttl_dns_cache=300),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                auto_decompress=True,
            )
        return self._session

    def _context(self) -> ssl.SSLContext:
        """The system's certificates, always verified; there is no switch."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def _check(self, url: str) -> None:
        if url.startswith(("http:", "ws:")) and not (self._insecure_loopback and on_loopback(url)):
            raise LinkDown(f"{url}: without TLS only to 127.0.0.1, [::1] or localhost, and with insecure_loopback")


def on_loopback(url: str) -> bool:
    """Does the address name this machine itself? A name other than localhost could be anybody's."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Sent:
    """Whether a body went out."""

    __slots__ = ("_written", "done")

    def __init__(self, written: Callable[[], None]) -> None:
        self.done = False
        self._written = written

    def __call__(self) -> None:
        self.done = True
        self._written()


class _Body(aiohttp.BytesPayload):
    """A body that tells when it is in the socket."""

    def __init__(self, body: bytes, sent: _Sent) -> None:
        super().__init__(body)
        self._sent = sent

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        transport = writer.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the connection was closed")  # before the first byte: it did not leave
        try:
            await super().write_with_length(writer, content_length)
        finally:
            self._sent()  # also where the write was cut off: part of it may be there


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in answer.content.iter_any():
        size += len(part)
        if size > BODY_MOST:
            answer.close()
            raise ValueError(f"an answer of more than {BODY_MOST} bytes")
        parts.append(part)
    return b"".join(parts)


class _Stream:
    """One websocket; reading is a task of its own, writes are tasks in the order of the calls."""

    def __init__(
        self, socket: ClientConnection, receiver: Receiver, *, now_ns: Callable[[], int], tasks: Tasks,
        forget: Callable[[_Stream], None],
    ) -> None:  # fmt: skip
        self._socket = socket
        self._receiver = receiver
        self._now_ns = now_ns
        self._tasks = tasks
        self._forget = forget
        self._over = False

    def send(self, text: str) -> None:
        if not self._over:
            self._tasks.spawn(self._send(text))

    def ping(self) -> None:
        if not self._over:
            self._tasks.spawn(self._ping())

    def close(self) -> None:
        if not self._over:
            self._over = True
            self._tasks.spawn(self._close())

    async def read(self) -> None:
        socket, receiver, now_ns = self._socket, self._receiver, self._now_ns
        why = ""
        try:
            while not self._over:
                data = await socket.recv(decode=False)
                if not self._over:
                    receiver.frame(data, now_ns())
        except (ConnectionClosed, OSError) as error:
            why = f"the stream ended: {error}"
        finally:
            self._forget(self)
            if not self._over:
                self._over = True
                await self._close()
                receiver.closed(why or "the reader of the stream failed")

    async def _send(self, text: str) -> None:
        try:
            await self._socket.send(text)
        except (ConnectionClosed, OSError):
            return  # the reader tells

    async def _ping(self) -> None:
        try:
            await (await self._socket.ping())
        except (ConnectionClosed, OSError):
            return
        if not self._over:
            self._receiver.pong()

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._socket.close()
        except (TimeoutError, ConnectionClosed, OSError):
            self._socket.transport.abort()
