"""A status to show, and waiting for what must come: reads end at a deadline that only a failure reaches."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.runtime.control import Control
from engine.runtime.control_socket import open_socket, socket_path
from engine.runtime.status import AccountLine, Exposure, Latency, Line, OrderLine, QuoteLine, Rounds, Status

PATIENCE_S = 20  # how long a test waits for what should come at once; only a failing one takes so long
D = Decimal


def a_status(**changes: Any) -> Status:
    """A maker that rests an opening order, all flat."""
    plain = Status(
        run=3, pid=77, flow="eagle_chicken", market="ETH-PERP", quote="USD", journal="/j/eagle.sqlite", wall_ms=1,
        up_ms=65_000, state="MAKER_OPENING.resting", state_ms=1_200, phases=("IDLE", "MAKER_OPENING", "ERROR"),
        phase_ms=1_300, closed_because="", paused=False, stopping=0, rounds=Rounds(4, True, 3, 1, 0.75),
        exposure=an_exposure(),
        accounts=(
            AccountLine("hawk", "maker", "paper-a", "ETH", "trusted", D(0), D(0), D("-1.5"), D("0.25"), D(100)),
            AccountLine("chick", "takers", "paper-b", "ETH", "resync", D("-0.02"), D("-0.02"), D(52), D(1), D(100)),
        ),
        quotes=(QuoteLine("paper-a", "ETH", D("2600.1"), D(3), D("2600.25"), D("4.5"), 90),),
        orders=(OrderLine("hawk", "e3r4", "open", "buy", D("0.02"), D("0.005"), D(2600), "open", False, 1_200),),
        volume=D(200), fees=D("1.25"), profit=D("-0.4585"), latency=Latency(2, 400, 300, 900), alerts=(),
        lines=(a_line(1), a_line(2)), hedged=True,
    )  # fmt: skip
    return replace(plain, **changes)


def an_exposure(**changes: Any) -> Exposure:
    plain = Exposure(D(0), D(0), D(0), D(0), D(0), D(0), 0, D("0.04"), D("0.1"), 1_000, 5_000)
    return replace(plain, **changes)


def a_line(seq: int, text: str = "", *, tone: str = "info") -> Line:
    return Line(seq, seq * 1_000, "fill", text or f"number {seq}", tone)


class Peer:
    """The client's end of a connection, read line by line."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.socket.settimeout(PATIENCE_S)
        self._file = connected.makefile("rb")

    def ask(self, request: object) -> None:
        self.socket.sendall(json.dumps(request).encode() + b"\n")

    def hear(self) -> Any:
        """The next answer; None when the connection has ended."""
        line = self._file.readline()
        return json.loads(line) if line else None

    def close(self) -> None:
        self._file.close()
        self.socket.close()


class StandIn:
    """Runs that answer on their sockets in a folder, from a thread of their own, until the context is left."""

    def __init__(self, folder: Path, *statuses: Status) -> None:
        self.asked: list[tuple[int, object]] = []  # run, level of a stop or whether to pause
        self.ends: tuple[int, str] = (0, "flat")
        self.looks_left = -1  # how often the runs are looked at before they end by themselves
        self._folder = folder
        self._statuses = {status.run: status for status in statuses}
        self._ready = threading.Event()
        self._over: dict[int, asyncio.Event] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> StandIn:
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        for run in self._statuses:
            self.end(run)
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def show(self, status: Status) -> None:
        """What is shown from now on."""
        self._statuses[status.run] = status

    def end(self, run: int) -> None:
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._over[run].set)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = {run: asyncio.Event() for run in self._statuses}
        controls = {run: self._control(run) for run in self._statuses}
        for run, control in controls.items():
            await control.listen(open_socket(self._folder, run))
        self._ready.set()
        await asyncio.gather(*(self._until_over(run, control) for run, control in controls.items()))

    async def _until_over(self, run: int, control: Control) -> None:
        await self._over[run].wait()
        socket_path(self._folder, run).unlink()
        await control.close(*self.ends)

    def _control(self, run: int) -> Control:
        def look(after: int) -> Status:
            status = self._statuses[run]
            self.looks_left -= 1
            if self.looks_left == 0:
                self._over[run].set()
            return replace(status, lines=tuple(line for line in status.lines if line.seq > after))

        def note(what: object) -> str:
            self.asked.append((run, what))
            return f"noted {what}"

        return Control(look=look, stop=note, pause=note, on_failure=lambda error: note(error) and None)
