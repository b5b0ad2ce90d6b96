"""Local venues on sockets that do next to nothing on the way: what a benchmark measures is the client.

The models are those of `eagle venue serve`; only what carries them is another: a request is handed over, and a frame is
in its socket, inside the call.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from websockets.frames import Opcode
from websockets.http11 import Request as Handshake
from websockets.protocol import State
from websockets.server import ServerProtocol

from exchanges.venues.seam import Reply, Request, StreamSession, VenueModel

now = time.perf_counter_ns
Came = Callable[[str, int], None]  # a request's or message's text, with the time at which its bytes were in our hands
Leaves = Callable[[str], None]  # a frame's text, just before it goes to its socket


def nothing(*_: object) -> None:
    """Nobody measures this venue."""


class LightServer:
    """Has the shape of `exchanges.venues.server.VenueServer`. `came` and `leaves` are the stamps of who measures."""

    def __init__(self, model: VenueModel, *, admin: Callable[[str], Reply | None] | None = None) -> None:
        self.model = model
        self.admin = admin
        self.came: Came = nothing
        self.leaves: Leaves = nothing
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        self._server = await asyncio.get_running_loop().create_server(lambda: Wire(self), host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()


class Wire(asyncio.Protocol):
    """One connection: requests, until one of them makes a stream of it. It is its own outlet then."""

    def __init__(self, server: LightServer) -> None:
        self._server = server
        self._buffer = b""
        self._session: StreamSession | None = None
        self._frames = ServerProtocol()
        self._early: list[str] = []  # what the session says before the answer to the handshake has left

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._session is not None:
            self._session.on_closed()

    def data_received(self, data: bytes) -> None:
        at = now()
        if self._session is not None:
            self._heard(data, at)
            return
        self._buffer += data
        while self._session is None and (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            lines = self._buffer[:end].decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            whole = end + 4 + int(headers.get("content-length", 0))
            if len(self._buffer) < whole:
                return
            first, body, self._buffer = self._buffer[:whole], self._buffer[end + 4 : whole], self._buffer[whole:]
            method, target, _ = lines[0].split(" ")
            path, _, query = target.partition("?")
            request = Request(method, path, query, headers, body, "127.0.0.1")
            if headers.get("upgrade", "").lower() == "websocket":
                self._open(request, first)
            else:
                self._asked(request, at)

    # --- requests

    def _asked(self, request: Request, at: int) -> None:
        self._server.came(f"{request.method} {request.path}", at)
        told = None if self._server.admin is None else self._server.admin(request.path)
        if told is not None:
            self._answer(told)
        else:
            self._server.model.request(request, self._answer)

    def _answer(self, reply: Reply | None) -> None:
        if reply is None:
            self._transport.abort()
            return
        names = (("Content-Type", reply.content_type), ("Content-Length", str(len(reply.body))), *reply.headers)
        head = "".join(f"{name}: {value}\r\n" for name, value in names)
        self._transport.write(f"HTTP/1.1 {reply.status} -\r\n{head}\r\n".encode() + reply.body)

    # --- a stream

    def _open(self, request: Request, head: bytes) -> None:
        frames = self._frames
        frames.receive_data(head)
        (handshake,) = frames.events_received()
        assert isinstance(handshake, Handshake)
        session = self._server.model.open_stream(request, self)
        if isinstance(session, Reply):
            self._answer(session)
            return
        self._session = session
        frames.send_response(frames.accept(handshake))
        self._write()
        early, self._early = self._early, []
        for text in early:
            self.send(text)

    def _heard(self, data: bytes, at: int) -> None:
        assert self._session is not None
        self._frames.receive_data(data)
        for event in self._frames.events_received():
            if getattr(event, "opcode", None) is Opcode.TEXT:
                text = event.data.decode()  # type: ignore[union-attr]
                self._server.came(text, at)
                self._session.on_text(text)
            elif getattr(event, "opcode", None) is Opcode.PONG:
                self._session.on_pong()
        self._write()

    def _write(self) -> None:
        data = b"".join(self._frames.data_to_send())
        if data:
            self._transport.write(data)

    def send(self, text: str) -> None:
        if self._session is None:
            self._early.append(text)
            return
        if self._frames.state is not State.OPEN:
            return  # the client is about to leave
        self._server.leaves(text)
        self._frames.send_text(text.encode())
        self._write()

    def ping(self) -> None:
        self._frames.send_ping(b"")
        self._write()

    def pong(self, payload: bytes) -> None:
        """The protocol has answered by itself."""

    def close(self, code: int, reason: str) -> None:
        self._frames.send_close(code, reason)
        self._write()

    def cut(self) -> None:
        self._transport.abort()
