"""The control point of a running desk: answers who asks on its socket, one request each, and shows the run to watchers.

Lives on the run's own loop, between its steps. One JSON object a line in both directions. Requests:
`{"do": "status" | "watch" | "stop" | "pause" | "resume", "level": 1 | 2}`, the level with stop only. Answers:
`{"status": {...}}`, `{"done": "..."}`, `{"refused": "..."}`; to a watcher one status after the other, then
`{"ended": {"exit_code": 0, "text": "..."}}`. A watcher that does not read is passed over, never waited for, and what
fails here is told to `on_failure` and costs the run nothing else.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import cast

from engine.runtime.status import Status

MOST_CLIENTS = 16  # beyond it the oldest is put out, so that a stop always gets through
MOST_REQUEST = 4_096  # bytes
ASK_WITHIN_S = 10  # to ask and to read the answer; then a client is put out, unless it watches
SHOW_EVERY_S = 0.25
TURNS_TO_ARRIVE = 4  # of the loop, from a connection that asyncio accepts to the client that it becomes


class NotNow(Exception):
    """A request that cannot be done now; its text is for the asker."""


Admit = Callable[[socket.socket], str]  # why this peer may not ask; empty if it may


class Control:
    """`look(n)` gives the status with the lines after number n; `stop` and `pause` return what the asker is told."""

    def __init__(
        self,
        *,
        look: Callable[[int], Status],
        stop: Callable[[int], str],
        pause: Callable[[bool], str],
        on_failure: Callable[[Exception], None],
        admit: Admit = lambda _: "",
    ) -> None:
        self._look = look
        self._stop = stop
        self._pause = pause
        self._on_failure = on_failure
        self._admit = admit
        self._clients: dict[_Client, None] = {}  # in the order of their coming
        self._watchers: dict[_Client, int] = {}  # with the number of the last line that they were shown
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    # --- for the run

    async def listen(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Client(self), sock=listening)

    async def show_to(self, peer: socket.socket, *, on_gone: Callable[[], None]) -> None:
        """Make the other end of a connected socket a watcher, which no guest puts out; `on_gone` if it goes early."""
        loop = asyncio.get_running_loop()
        _, client = await loop.create_unix_connection(lambda: _Client(self, guest=False, on_gone=on_gone), sock=peer)
        self.watch(client)

    async def close(self, exit_code: int, text: str) -> None:
        """Show the watchers the last state and how the run ended; then nobody is served any more."""
        self._closed = True
        for _ in range(TURNS_TO_ARRIVE):  # a server that is closed meanwhile would leak what it has accepted
            await asyncio.sleep(0)
        if self._server is not None:
            self._server.close()
        self._show()
        if self._timer is not None:
            self._timer.cancel()
        last = json.dumps({"ended": {"exit_code": exit_code, "text": text}})
        for client in tuple(self._watchers):
            client.say(last)
        for client in tuple(self._clients):
            if client.has_read:
                client.leave()
            else:
                client.put_out()
        await asyncio.sleep(0)  # asyncio lets go of them on the next turn of its loop

    # --- for the clients

    def came(self, client: _Client) -> str:
        """Why this one is not served; empty if it is."""
        self._clients[client] = None
        if self._closed:
            return "the run has ended"
        why = self._admit(client.socket) if client.guest else ""
        guests = [each for each in self._clients if each.guest]
        if len(guests) > MOST_CLIENTS:
            guests[0].put_out()
        return why

    def went(self, client: _Client) -> None:
        self._clients.pop(client, None)
        self._watchers.pop(client, None)
        if not self._closed:
            client.on_gone()

    def answer(self, client: _Client, request: bytes) -> None:
        try:
            said = self._answer(client, *_read(request))
        except NotNow as wrong:
            said = json.dumps({"refused": str(wrong)})
        except Exception as error:  # noqa: BLE001 who only looks must not end a run that trades
            self._on_failure(error)
            said = json.dumps({"refused": f"it failed ({type(error).__name__}: {error})"})
        if said:
            client.say(said)
            client.leave()

    def watch(self, client: _Client) -> None:
        self._watchers[client] = 0
        self._show()

    def _answer(self, client: _Client, word: object, level: object) -> str:
        match word, level:
            case "status", _:
                return _shown(self._look(0))
            case "watch", _:
                client.stay()
                self.watch(client)
                return ""
            case "stop", int() if level in (1, 2):
                return json.dumps({"done": self._stop(level)})
            case (("pause" | "resume"), _):
                return json.dumps({"done": self._pause(word == "pause")})
        return json.dumps({"refused": "a request that this version does not know"})

    def _show(self) -> None:
        """Show now, and again after a while."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            self._show_ready()
        except Exception as error:  # noqa: BLE001 as in `answer`
            self._on_failure(error)
            watchers = tuple(self._watchers)
            self._watchers.clear()
            for client in watchers:
                client.put_out()
        if self._watchers:
            self._timer = asyncio.get_running_loop().call_later(SHOW_EVERY_S, self._show)

    def _show_ready(self) -> None:
        """Give every watcher that has read its last status the newest one."""
        ready = [client for client in self._watchers if client.has_read]
        if ready:
            status = self._look(min(self._watchers[client] for client in ready))
            for client in ready:
                seen = self._watchers[client]
                client.say(_shown(replace(status, lines=tuple(line for line in status.lines if line.seq > seen))))
                self._watchers[client] = status.lines[-1].seq if status.lines else seen


class _Client(asyncio.Protocol):
    """One connection: a single request, or a watcher until the end. The run's own view is no guest."""

    def __init__(self, control: Control, *, guest: bool = True, on_gone: Callable[[], None] = lambda: None) -> None:
        self.guest = guest
        self.on_gone = on_gone
        self._control = control
        self._transport: asyncio.Transport | None = None
        self._got = b""
        self._served = False
        self._patience: asyncio.TimerHandle | None = None

    @property
    def socket(self) -> socket.socket:
        assert self._transport is not None
        return cast(socket.socket, self._transport.get_extra_info("socket"))

    @property
    def has_read(self) -> bool:
        return self._transport is not None and self._transport.get_write_buffer_size() == 0

    def say(self, line: str) -> None:
        if self._transport is not None:
            self._transport.write(line.encode() + b"\n")

    def leave(self) -> None:
        """Close when what was said has been read."""
        if self._transport is not None:
            self._transport.close()

    def stay(self) -> None:
        """Without a limit of time."""
        if self._patience is not None:
            self._patience.cancel()

    def put_out(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # --- what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        why = self._control.came(self)
        if why:
            self._served = True
            self.say(json.dumps({"refused": why}))
            self.leave()
        elif self.guest:
            self._patience = asyncio.get_running_loop().call_later(ASK_WITHIN_S, self.put_out)

    def data_received(self, data: bytes) -> None:
        if self._served:
            return  # one request each
        self._got += data
        line, end, _ = self._got.partition(b"\n")
        if not end and len(self._got) <= MOST_REQUEST:
            return
        self._served, self._got = True, b""
        self._control.answer(self, line if end and len(line) <= MOST_REQUEST else b"")

    def connection_lost(self, error: Exception | None) -> None:
        self.stay()
        self._control.went(self)


def _read(request: bytes) -> tuple[object, object]:
    """What is asked for and its level; Nones for what is no request."""
    try:
        asked = json.loads(request)
    except (ValueError, RecursionError):
        return None, None
    if not isinstance(asked, dict):
        return None, None
    level = asked.get("level")
    return asked.get("do"), level if type(level) is int else None


def _shown(status: Status) -> str:
    return f'{{"status":{status.as_json()}}}'
