"""The metrics page answers this machine and nobody else, and whatever comes to its port is no matter of the run."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from engine.runtime.listeners import of_a_listener
from engine.runtime.metrics import CONTENT_TYPE, Metrics
from engine.runtime.metrics_server import MOST_AT_ONCE, CannotListen, MetricsServer


class Page:
    """Stands for the metrics; `let_go` holds a scrape up."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.let_go.set()
        self.asked = 0

    async def gathered(self) -> bytes:
        self.asked += 1
        await self.let_go.wait()
        return b"eagle_up 1.0\n"


class Room:
    """A server on a free port, what the loop complained of, and raw HTTP to talk to it."""

    def __init__(self) -> None:
        self.page = Page()
        self.server = MetricsServer(cast(Metrics, self.page))
        self.complaints: list[dict[str, Any]] = []
        self.port = 0

    async def say(self, text: str) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(text.encode())
        said = await reader.read()
        writer.close()
        return said.decode()

    async def get(self, path: str = "/metrics", *, method: str = "GET", host: str | None = None) -> str:
        host = f"127.0.0.1:{self.port}" if host is None else host
        return await self.say(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")


def with_server(test: Callable[[Room], Awaitable[None]], *, host: str = "127.0.0.1") -> Room:
    async def main() -> Room:
        room = Room()
        asyncio.get_running_loop().set_exception_handler(lambda _, context: room.complaints.append(context))
        address = await room.server.start(host, 0)
        room.port = int(address.rsplit(":", 1)[1].split("/")[0])
        assert address == f"http://{f'[{host}]' if ':' in host else host}:{room.port}/metrics"
        try:
            await test(room)
        finally:
            await room.server.stop()
        return room

    return asyncio.run(main())


def test_a_scrape_gets_the_page() -> None:
    async def test(room: Room) -> None:
        for host in ("127.0.0.1", "localhost", "[::1]"):
            said = await room.get(host=f"{host}:{room.port}")
            assert said.startswith("HTTP/1.1 200 OK\r\n")
            assert f"Content-Type: {CONTENT_TYPE}\r\n" in said
            assert said.endswith("\r\n\r\neagle_up 1.0\n")

    assert with_server(test).complaints == []


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"path": "/"}, "404 Not Found"),
        ({"path": "/metrics/x"}, "404 Not Found"),
        ({"path": "/../metrics%00"}, "404 Not Found"),
        ({"method": "POST"}, "405 Method Not Allowed"),
        ({"method": "HEAD"}, "405 Method Not Allowed"),
        ({"method": "DELETE"}, "405 Method Not Allowed"),
        ({"host": "evil.example"}, "403 Forbidden"),
        ({"host": ""}, "403 Forbidden"),
        ({"host": "127.0.0.1"}, "403 Forbidden"),
        ({"host": "127.0.0.1.evil.example:1"}, "403 Forbidden"),
    ],
)
def test_anything_else_is_refused(asked: dict[str, str], status: str) -> None:
    """The Host header first of all: a page of a stranger must learn nothing by a name that it points here."""

    async def test(room: Room) -> None:
        said = await room.get(**asked)  # type: ignore[arg-type]
        assert said.startswith(f"HTTP/1.1 {status}\r\n")
        assert "eagle_up" not in said
        assert room.page.asked == 0

    assert with_server(test).complaints == []


def test_a_request_without_a_host_is_refused() -> None:
    async def test(room: Room) -> None:
        assert (await room.say("GET /metrics HTTP/1.0\r\n\r\n")).startswith("HTTP/1.0 403 ")

    assert with_server(test).complaints == []


def test_garbage_is_answered_or_dropped_and_the_page_stays(capfd: pytest.CaptureFixture[str]) -> None:
    async def test(room: Room) -> None:
        for garbage in (b"", b"\x00\xff" * 5_000, b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nHost: " + b"x" * 100_000):
            reader, writer = await asyncio.open_connection("127.0.0.1", room.port)
            writer.write(garbage)
            writer.write_eof()
            assert b"200 OK" not in await reader.read()
            writer.transport.abort()
        assert "200 OK" in await room.get()

    assert with_server(test).complaints == []
    assert capfd.readouterr() == ("", "")


def test_who_asks_faster_than_it_is_answered_is_refused() -> None:
    async def test(room: Room) -> None:
        room.page.let_go.clear()
        asking = [asyncio.ensure_future(room.get()) for _ in range(MOST_AT_ONCE + 2)]
        done, waiting = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED, timeout=60)
        while len(done) < 2:
            more, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=60)
            assert more
            done |= more
        assert {task.result()[:12] for task in done} == {"HTTP/1.1 503"}
        room.page.let_go.set()
        assert [("200 OK" in said) for said in await asyncio.gather(*waiting)] == [True] * MOST_AT_ONCE

    assert with_server(test).complaints == []


def test_a_port_that_is_taken_is_told_with_words() -> None:
    async def test(room: Room) -> None:
        other = MetricsServer(cast(Metrics, Page()))
        with pytest.raises(CannotListen) as caught:
            await other.start("127.0.0.1", room.port)
        assert str(caught.value) == (
            f"--metrics-listen: 127.0.0.1:{room.port} cannot be used (Address already in use); choose another port"
        )
        assert caught.value.exit_code == 2

    with_server(test)


def test_it_listens_on_the_other_loopback_too() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")

    async def test(room: Room) -> None:
        reader, writer = await asyncio.open_connection("::1", room.port)
        writer.write(f"GET /metrics HTTP/1.1\r\nHost: [::1]:{room.port}\r\nConnection: close\r\n\r\n".encode())
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
        writer.close()

    with_server(test, host="::1")


# --- whose fault it is


class Breaks(asyncio.Protocol):
    def data_received(self, data: bytes) -> None:
        raise RuntimeError("boom")


class Speaks(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(b"hello")


@pytest.mark.parametrize(("server", "client", "ours"), [(Breaks, Speaks, True), (Speaks, Breaks, False)])
def test_a_fault_of_a_visitors_connection_is_told_from_one_on_the_way_to_a_venue(
    server: type[asyncio.Protocol], client: type[asyncio.Protocol], ours: bool
) -> None:
    async def main() -> list[bool]:
        loop = asyncio.get_running_loop()
        complaints: list[bool] = []
        came = asyncio.Event()

        def complain(_: object, context: dict[str, Any]) -> None:
            complaints.append(of_a_listener(context))  # at once: afterwards the transport forgets its server
            came.set()

        loop.set_exception_handler(complain)
        async with await loop.create_server(server, "127.0.0.1", 0) as listening:
            transport, _ = await loop.create_connection(client, *listening.sockets[0].getsockname())
            await came.wait()
            transport.close()
        return complaints

    assert asyncio.run(main()) == [ours]


def test_a_listener_that_cannot_accept_is_no_fault_of_a_venue() -> None:
    """No file descriptor left for a visitor: asyncio says so with the listening socket."""
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as other:
        assert of_a_listener({"message": "socket.accept() out of system resource", "socket": listening})
        assert not of_a_listener({"message": "x", "socket": other})
    assert not of_a_listener({"message": "x", "socket": listening})  # closed meanwhile
    assert not of_a_listener({"message": "x", "exception": OSError()})
