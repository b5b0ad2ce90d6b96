"""A loop that stays awake does what any loop does, and never sleeps."""

from __future__ import annotations

import asyncio
import selectors
import signal
import socket
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from cli.wiring import loop_factory
from engine.runtime.busy_poll import BusySelector, busy_loop
from engine.runtime.loop import VirtualLoop


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """For how long the system was asked to let the process sleep."""
    waits: list[float | None] = []
    plain = selectors.DefaultSelector.select

    def select(self: Any, timeout: float | None = None) -> Any:
        waits.append(timeout)
        return plain(self, timeout)

    monkeypatch.setattr(selectors.DefaultSelector, "select", select)
    return waits


def test_messages_timers_and_threads_arrive_and_nobody_sleeps(asked: list[float | None]) -> None:
    got: list[str] = []

    async def talk() -> None:
        loop = asyncio.get_running_loop()
        heard, said = asyncio.Event(), asyncio.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        loop.call_later(0.005, said.set)
        await said.wait()
        writer.write(b"fill\n")
        got.append((await reader.readline()).decode())
        threading.Thread(target=lambda: loop.call_soon_threadsafe(heard.set)).start()
        await heard.wait()
        writer.close()
        server.close()

    with asyncio.Runner(loop_factory=busy_loop) as runner:
        runner.run(talk())
    assert got == ["fill\n"]
    assert set(asked) == {0}


def test_a_timer_is_not_early(asked: list[float | None]) -> None:
    with asyncio.Runner(loop_factory=busy_loop) as runner:

        async def wait() -> float:
            loop = asyncio.get_running_loop()
            fired: asyncio.Future[float] = loop.create_future()
            due = loop.time() + 0.01
            loop.call_at(due, lambda: fired.set_result(loop.time()))
            return await fired - due

        assert runner.run(wait()) >= -0.0001  # the loop's own resolution
    assert len(asked) > 10


def test_a_signal_is_heard() -> None:
    async def wait() -> str:
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, stopped.set)
        loop.call_soon(signal.raise_signal, signal.SIGUSR1)
        async with asyncio.timeout(5):
            await stopped.wait()
        return "stopped"

    with asyncio.Runner(loop_factory=busy_loop) as runner:
        assert runner.run(wait()) == "stopped"


def test_what_is_ready_comes_at_once_and_nothing_else_does() -> None:
    ours, theirs = socket.socketpair()
    with BusySelector() as selector, ours, theirs:
        selector.register(ours, selectors.EVENT_READ)
        assert selector.select(0) == []
        assert selector.select(0.001) == []
        theirs.send(b"fill")
        assert [key.fileobj for key, _ in selector.select()] == [ours]


@pytest.mark.parametrize(
    ("venues", "busy", "speed", "made_by"),
    [
        (True, True, 1, busy_loop),
        (True, False, 1, None),
        (False, True, 1, None),  # paper has no sockets to ask
        (False, True, None, VirtualLoop),
    ],
)
def test_a_run_at_venues_stays_awake_where_its_config_says_so(
    venues: bool, busy: bool, speed: int | None, made_by: object
) -> None:
    listed = {"maker": None} if venues else {}
    setup: Any = SimpleNamespace(listed=listed, config=SimpleNamespace(busy_poll=busy), axis=None)
    assert loop_factory(setup, SimpleNamespace(speed=speed)) is made_by  # type: ignore[arg-type]
