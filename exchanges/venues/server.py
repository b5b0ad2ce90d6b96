"""Mounts venue models on real sockets: HTTP and WebSocket on one port of this machine."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable

from aiohttp import WSMsgType, web

from exchanges.venues.seam import Reply, Request, StreamSession, VenueModel

BODY_MAX = 1 << 20  # bytes of a request
UNSENT_MAX = 8 << 20  # bytes that a reader may lag behind before its stream is cut


class CannotServe(Exception):
    """An address that cannot be used."""


class VenueServer:
    """Serves one model. `start` returns the port; `stop` closes all connections, streams with a Close frame."""

    def __init__(self, model: VenueModel, *, admin: Callable[[str], Reply | None] | None = None) -> None:
        self._model = model
        self._admin = admin
        self._runner: web.AppRunner | None = None
        self._sockets: set[_Socket] = set()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Raises: CannotServe."""
        app = web.Application(client_max_size=BODY_MAX)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, logger=_silent(), handle_signals=False, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, backlog=512)
        try:
            await site.start()
        except OSError as error:
            await self.stop()
            why = os.strerror(error.errno or 0)
            raise CannotServe(
                f"{host}:{port} cannot be used ({why}); choose another port, or 0 for a free one"
            ) from error
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        for socket in tuple(self._sockets):
            socket.close(1001, "the venue goes down")
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._stream(request)
        asked = await _request_of(request)
        if self._admin is not None and (told := self._admin(asked.path)) is not None:
            # A page of another site must not read it by a name that leads here.
            own = asked.headers.get("host", "").rpartition(":")[0] in ("127.0.0.1", "localhost", "[::1]")
            return _response(told if own else Reply(403, b"the Host header must name this machine\n", "text/plain"))
        reply = await self._reply(asked)
        if reply is None:
            _cut(request)
            return web.Response(status=500)
        return _response(reply)

    async def _reply(self, asked: Request) -> Reply | None:
        answered: asyncio.Future[Reply | None] = asyncio.get_running_loop().create_future()

        def answer(reply: Reply | None) -> None:
            if not answered.done():
                answered.set_result(reply)

        self._model.request(asked, answer)
        return await answered

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        socket = _Socket(request)
        session = self._model.open_stream(await _request_of(request), socket)
        if isinstance(session, Reply):
            return _response(session)
        self._sockets.add(socket)
        try:
            await socket.run(session)
        finally:
            self._sockets.discard(socket)
            session.on_closed()
        return socket.response


class _Socket:
    """The outlet of one connection: frames leave in the order of the calls, through one writing task."""

    def __init__(self, request: web.Request) -> None:
        self.response = web.WebSocketResponse(autoping=False, autoclose=True, max_msg_size=BODY_MAX)
        self._request = request
        self._unsent: asyncio.Queue[Callable[[], object] | None] = asyncio.Queue()
        self._unsent_bytes = 0
        self._over = False

    def send(self, text: str) -> None:
        self._unsent_bytes += len(text)
        if self._unsent_bytes > UNSENT_MAX:
            self.cut()
        self._put(lambda: self._send(text))

    def ping(self) -> None:
        self._put(lambda: self.response.ping())

    def pong(self, payload: bytes) -> None:
        self._put(lambda: self.response.pong(payload))

    def close(self, code: int, reason: str) -> None:
        self._put(lambda: self.response.close(code=code, message=reason.encode()))
        self._over = True

    def cut(self) -> None:
        self._over = True
        self._unsent.put_nowait(None)
        _cut(self._request)

    async def run(self, session: StreamSession) -> None:
        await self.response.prepare(self._request)
        writer = asyncio.create_task(self._write())
        try:
            async for message in self.response:
                if message.type is WSMsgType.TEXT:
                    session.on_text(message.data)
                elif message.type is WSMsgType.PING:
                    session.on_ping(message.data)
                elif message.type is WSMsgType.PONG:
                    session.on_pong()
        finally:
            self._over = True
            self._unsent.put_nowait(None)
            await writer

    def _put(self, write: Callable[[], object]) -> None:
        if not self._over:
            self._unsent.put_nowait(write)

    async def _send(self, text: str) -> None:
        self._unsent_bytes -= len(text)
        await self.response.send_str(text)

    async def _write(self) -> None:
        while (write := await self._unsent.get()) is not None:
            try:
                await write()  # type: ignore[misc]
            except (ConnectionError, RuntimeError):  # the reader has gone; its end is seen by `run`
                return


async def _request_of(request: web.Request) -> Request:
    headers = {name.lower(): value for name, value in request.headers.items()}
    body = b"" if request.headers.get("Upgrade") else await request.read()
    return Request(request.method, request.path, request.url.raw_query_string, headers, body, request.remote or "")


def _response(reply: Reply) -> web.Response:
    headers = {"Content-Type": reply.content_type, **dict(reply.headers)}
    return web.Response(status=reply.status, body=reply.body, headers=headers)


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _silent() -> logging.Logger:
    """What clients send wrongly is answered to them, and no news for the screen."""
    logger = logging.Logger("eagle.venue")
    logger.addHandler(logging.NullHandler())
    return logger
