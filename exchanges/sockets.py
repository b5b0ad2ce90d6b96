"""The live transport of one account: requests on warm connections, streams over websockets. Knows no venue."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException
from websockets.frames import DATA_OPCODES, Frame
from websockets.protocol import Event, State

from exchanges.connections import Pool, passes, why_not
from exchanges.errors import LinkDown
from exchanges.reads import Reads
from exchanges.tasks import Tasks
from exchanges.transport import NO_HEADERS, Connection, OnAnswer, Receiver, Request, no_stream

S = 1_000_000_000
FRAME_MOST = 1 << 20  # bytes of one message
CLOSE_S = 1  # for the closing handshake of a stream


class SocketTransport:
    """One account's network. Plain http and ws only to this machine, and only where `insecure_loopback` says so."""

    def __init__(
        self, *, now_ns: Callable[[], int], insecure_loopback: bool = False, reads: Reads | None = None
    ) -> None:  # fmt: skip
        self._now_ns = now_ns
        self._insecure_loopback = insecure_loopback
        self._reads = reads or Reads()
        self._pools: dict[str, Pool] = {}  # by origin: connections stay warm from one request to the next
        self._tls: ssl.SSLContext | None = None
        self._tasks = Tasks()
        self._streams: dict[_Stream, None] = {}

    def send(self, request: Request, *, written: Callable[[], None], done: OnAnswer) -> None:
        url = request.url
        origin = _origin(url)
        pool = self._pools.get(origin)
        if pool is None:
            why = self._refused(url)
            if why:
                asyncio.get_running_loop().call_soon(done, LinkDown(why, passing=False))
                return
            tls = self._context() if url.startswith("https:") else None
            pool = self._pools[origin] = Pool(origin, tls=tls, now_ns=self._now_ns, tasks=self._tasks)
        pool.send(request, written=written, done=done)

    def last_used_ns(self, url: str) -> Sequence[int]:
        pool = self._pools.get(_origin(url))
        return () if pool is None else pool.last_used_ns()

    async def ws(
        self, url: str, receiver: Receiver, *, deadline_ns: int, headers: Mapping[str, str] = NO_HEADERS
    ) -> Connection:
        why = self._refused(url)
        if why:
            raise LinkDown(why, passing=False)
        try:
            async with asyncio.timeout((deadline_ns - self._now_ns()) / S):
                socket = await connect(
                    url, create_connection=_Socket, compression=None, ping_interval=None, open_timeout=None,
                    close_timeout=CLOSE_S, max_size=FRAME_MOST, proxy=None, additional_headers=headers,
                    ssl=self._context() if url.startswith("wss:") else None,
                )  # fmt: skip
        except InvalidStatus as error:
            headers = {name.lower(): value for name, value in error.response.headers.raw_items()}
            raise no_stream(error.response.status_code, headers) from error
        except (TimeoutError, OSError, EOFError, InvalidHandshake, InvalidURI, WebSocketException) as error:
            raise LinkDown(f"no stream: {why_not(error, urlsplit(url).netloc)}", passing=passes(error)) from error
        assert isinstance(socket, _Socket)
        socket.reads = self._reads
        stream = _Stream(socket, receiver, now_ns=self._now_ns, tasks=self._tasks, forget=self._forget)
        self._streams[stream] = None
        self._tasks.spawn(stream.live())
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


def _origin(url: str) -> str:
    end = url.find("/", len("https://"))
    return url if end < 0 else url[:end]


def on_loopback(url: str) -> bool:
    """Does the address name this machine itself? A name other than localhost could be anybody's."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Socket(ClientConnection):
    """Hands a message to `listen` in the callback that read it, and writes one before `write` returns.

    With `recv` and `send` each waits for a task in a later turn of the loop. `reads` hears what came together.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.reads = Reads()
        self._read: list[bytes] = []  # what the running read has brought
        self._take: Callable[[bytes], None] | None = None
        self._early: list[bytes] = []  # messages that came before anybody listened
        self._parts: list[bytes] | None = None  # of a message that comes in fragments

    def listen(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        early, self._early = self._early, []
        for data in early:
            take(data)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        read = self._read
        if not read:
            return
        self._read = []
        if len(read) == 1:
            self._hand_over(read[0])
        else:
            self.reads.hand_over([partial(self._hand_over, message) for message in read])

    def process_event(self, event: Event) -> None:
        if type(event) is not Frame or event.opcode not in DATA_OPCODES:
            super().process_event(event)
            return
        data = bytes(event.data)
        if not event.fin or self._parts is not None:
            self._parts = [*(self._parts or ()), data]
            if not event.fin:
                return
            data, self._parts = b"".join(self._parts), None
        self._read.append(data)

    def _hand_over(self, data: bytes) -> None:
        if self._take is None:
            self._early.append(data)
        else:
            self._take(data)

    def write(self, text: str) -> bool:
        """Is the message on its way now? Not where the socket is full or not open: `send` waits, or says so."""
        if self.paused or self.protocol.state is not State.OPEN:
            return False
        self.protocol.send_text(text.encode())
        self.send_data()
        return True


class _Stream:
    """One websocket; messages come from its socket's own callback and leave in the call, in the order of the calls."""

    def __init__(
        self, socket: _Socket, receiver: Receiver, *, now_ns: Callable[[], int], tasks: Tasks,
        forget: Callable[[_Stream], None],
    ) -> None:  # fmt: skip
        self._socket = socket
        self._receiver = receiver
        self._now_ns = now_ns
        self._tasks = tasks
        self._forget = forget
        self._over = False
        self._unsent = 0  # messages that wait for room in the socket: later ones may not overtake them

    def send(self, text: str) -> None:
        if not self._over and (self._unsent or not self._socket.write(text)):
            self._unsent += 1
            self._tasks.spawn(self._send(text))

    def ping(self) -> None:
        if not self._over:
            self._tasks.spawn(self._ping())

    def close(self) -> None:
        if not self._over:
            self._over = True
            self._tasks.spawn(self._close())

    async def live(self) -> None:
        """From now on, when the one who opened the stream has it, until its end."""
        why = ""
        try:
            self._socket.listen(self._take)
            await self._socket.recv()  # nothing comes this way but the end
        except (ConnectionClosed, OSError) as error:
            why = f"the stream ended: {error}"
        finally:
            self._forget(self)
            if not self._over:
                self._over = True
                await self._close()
                self._receiver.closed(why or "the reader of the stream failed")

    def _take(self, data: bytes) -> None:
        if not self._over:
            self._receiver.frame(data, self._now_ns())

    async def _send(self, text: str) -> None:
        try:
            await self._socket.send(text)
        except (ConnectionClosed, OSError):
            return  # the reader tells
        finally:
            self._unsent -= 1

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
