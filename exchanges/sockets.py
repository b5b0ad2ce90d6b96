"""The live transport of one account: requests on warm connections, streams over websockets. Knows no venue."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException

from exchanges.connections import Pool
from exchanges.errors import AuthFailed, LinkDown
from exchanges.tasks import Tasks
from exchanges.transport import NO_HEADERS, Connection, OnAnswer, Receiver, Request

S = 1_000_000_000
FRAME_MOST = 1 << 20  # bytes of one message
QUEUE_MOST = 4096  # messages that wait before the socket is left unread
CLOSE_S = 1  # for the closing handshake of a stream


class SocketTransport:
    """One account's network. Plain http and ws only to this machine, and only where `insecure_loopback` says so."""

    def __init__(self, *, now_ns: Callable[[], int], insecure_loopback: bool = False) -> None:
        self._now_ns = now_ns
        self._insecure_loopback = insecure_loopback
        self._pools: dict[str, Pool] = {}
        self._tls: ssl.SSLContext | None = None
        self._tasks = Tasks()
        self._streams: dict[_Stream, None] = {}

    def send(self, request: Request, *, written: Callable[[], None], done: OnAnswer) -> None:
        why = self._refused(request.url)
        if why:
            asyncio.get_running_loop().call_soon(done, LinkDown(why))
        else:
            self._pool(request.url).send(request, written=written, done=done)

    async def ws(
        self, url: str, receiver: Receiver, *, deadline_ns: int, headers: Mapping[str, str] = NO_HEADERS
    ) -> Connection:
        why = self._refused(url)
        if why:
            raise LinkDown(why)
        try:
            async with asyncio.timeout((deadline_ns - self._now_ns()) / S):
                socket = await connect(
                    url, compression=None, ping_interval=None, open_timeout=None, close_timeout=CLOSE_S,
                    max_size=FRAME_MOST, max_queue=QUEUE_MOST, proxy=None, additional_headers=headers,
                    ssl=self._context() if url.startswith("wss:") else None,
                )  # fmt: skip
        except InvalidStatus as error:
            status = error.response.status_code
            failed = AuthFailed if status in (401, 403) else LinkDown
            raise failed(f"no stream: the venue answers HTTP {status}") from error
        except (TimeoutError, OSError, EOFError, InvalidHandshake, InvalidURI, WebSocketException) as error:
            raise LinkDown(f"no stream: {type(error).__name__}: {error}") from error
        stream = _Stream(socket, receiver, now_ns=self._now_ns, tasks=self._tasks, forget=self._forget)
        self._streams[stream] = None
        self._tasks.spawn(stream.read())
        return stream

    async def close(self) -> None:
        for stream in tuple(self._streams):
            stream.close()
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()
        await self._tasks.settle(within_s=CLOSE_S)  # the closing handshakes
        await self._tasks.cancel()

    def _forget(self, stream: _Stream) -> None:
        self._streams.pop(stream, None)

    def _pool(self, url: str) -> Pool:
        """Connections to the url's host, warm from one request to the next."""
        origin = url[: url.find("/", 8)] if url.find("/", 8) > 0 else url
        pool = self._pools.get(origin)
        if pool is None:
            tls = self._context() if url.startswith("https:") else None
            pool = self._pools[origin] = Pool(origin, tls=tls, now_ns=self._now_ns, tasks=self._tasks)
        return pool

    def _context(self) -> ssl.SSLContext:
        """The system's certificates, always verified; there is no switch."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def _refused(self, url: str) -> str:
        """Why nothing goes to this address; empty if it may."""
        if url.startswith(("https:", "wss:")) or (self._insecure_loopback and on_loopback(url)):
            return ""
        return f"{url}: without TLS only to 127.0.0.1, [::1] or localhost, and with insecure_loopback"


def on_loopback(url: str) -> bool:
    """Does the address name this machine itself? A name other than localhost could be anybody's."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


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
            return
        finally:
            self._socket.transport.abort()  # also where this is cancelled: the venue must see the stream end
