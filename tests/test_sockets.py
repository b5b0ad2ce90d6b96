"""The live transport against small servers on this machine: real sockets, ports that the system chose."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from socket import gaierror
from ssl import SSLCertVerificationError
from typing import Any

import pytest
from aiohttp import web
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Response as WsResponse

from engine.runtime.clock import S, counting_ns
from exchanges import connections
from exchanges.errors import AuthFailed, LinkDown, OutcomeUnknown, RateLimited
from exchanges.idle import SPARE
from exchanges.reads import Reads
from exchanges.sockets import SocketTransport, on_loopback
from exchanges.transport import Answered, Request, Response

Use = Callable[[SocketTransport, str], Coroutine[Any, Any, None]]


class Ear:
    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.pongs = 0
        self.ends: list[str] = []
        self.news = asyncio.Event()

    def frame(self, data: bytes, recv_ns: int) -> None:
        assert recv_ns > 0
        self.frames.append(data)
        self.news.set()

    def pong(self) -> None:
        self.pongs += 1
        self.news.set()

    def closed(self, text: str) -> None:
        self.ends.append(text)
        self.news.set()

    async def next(self) -> None:
        async with asyncio.timeout(10):
            await self.news.wait()
        self.news.clear()


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


@asynccontextmanager
async def http_server(handle: Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse]]) -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(handle))  # type: ignore[arg-type]
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def ws_server(handle: Callable[[ServerConnection], Coroutine[Any, Any, None]]) -> AsyncIterator[str]:
    async with serve(handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}"


@asynccontextmanager
async def transport() -> AsyncIterator[SocketTransport]:
    made = SocketTransport(now_ns=counting_ns, insecure_loopback=True)
    try:
        yield made
    finally:
        await made.close()


async def ask(
    it: SocketTransport, url: str, *, body: bytes = b"", within_s: float = 10, written: Any = None, unused_ns: int = 0
) -> Response:
    future: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
    method = "POST" if body else "GET"
    request = Request(method, url, {"X-Key": "k"}, body, counting_ns() + int(within_s * S), unused_ns)
    it.send(request, written=written or (lambda: None), done=future.set_result)
    answer = await future
    if isinstance(answer, Response):
        return answer
    raise answer


def test_a_request_arrives_as_it_was_made_and_its_answer_comes_whole() -> None:
    seen: list[tuple[str, str, str, bytes]] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        seen.append((request.method, request.raw_path, request.headers["X-Key"], await request.read()))
        return web.Response(status=418, text="tea", headers={"Retry-After": "3"})

    async def main() -> None:
        stamps: list[int] = []
        async with http_server(handle) as url, transport() as it:
            answer = await ask(
                it, f"{url}/a?q=1%2B2", body=b'{"p":"0.50"}', written=lambda: stamps.append(counting_ns())
            )
            assert (answer.status, answer.body, answer.headers["retry-after"]) == (418, b"tea", "3")
            assert seen == [("POST", "/a?q=1%2B2", "k", b'{"p":"0.50"}')]
            assert len(stamps) == 1

    run(main())


@pytest.mark.parametrize(
    ("path", "key"),
    [("/", "k\r\nX-Other: 1"), ("/", "k\n"), ("/", "k\0"), ("/", "\u00fc"), ("/a b", "k"), ("/a\r\nX", "k")],
)
def test_what_would_write_a_line_of_its_own_into_a_request_never_leaves(path: str, key: str) -> None:
    async def main() -> None:
        async with raw_server([PLAIN]) as (url, got), transport() as it:
            future: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
            request = Request("POST", url + path, {"X-Key": key}, b"1", counting_ns() + 10 * S)
            it.send(request, written=lambda: pytest.fail("it left"), done=future.set_result)
            answer = await future
            assert isinstance(answer, LinkDown)
            assert "cannot be sent" in str(answer)
            assert key not in str(answer)
            assert got == []

    run(main())


def test_requests_side_by_side_keep_their_connections() -> None:
    peers: list[tuple[str, int]] = []
    together = 0
    all_here = asyncio.Event()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal together
        assert request.transport is not None
        peers.append(request.transport.get_extra_info("peername"))
        together += 1
        if together % 5 == 0:
            all_here.set()
        await all_here.wait()
        return web.Response(text="ok")

    async def main() -> None:
        async with http_server(handle) as url, transport() as it:
            for _ in range(2):
                all_here.clear()
                await asyncio.gather(*(ask(it, url) for _ in range(5)))
            assert len(set(peers)) == 5  # the second five found warm connections

    run(main())


def test_a_connection_that_does_not_come_about_is_given_up_before_it_keeps_others_from_opening(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A network that drops everything: the system goes on trying for minutes, long after the network is back."""
    monkeypatch.setattr(connections, "CONNECT_S", 0.05)
    monkeypatch.setattr(connections, "OPEN_MOST", 1)

    async def main() -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                await reader.read()  # it accepts, and never shakes hands
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, transport() as it:
            for _ in range(2):
                with pytest.raises(LinkDown, match="did not leave: TimeoutError"):
                    await ask(it, f"https://127.0.0.1:{port}/", body=b"order", within_s=1)

    run(main())


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(), "ConnectionRefusedError: it took no connection"),
        (
            ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 9)"),
            "ConnectionRefusedError: Connection refused",
        ),
        (TimeoutError(), "TimeoutError: it took too long"),
        (gaierror(-2, "Name or service not known"), "gaierror: [Errno -2] Name or service not known"),
        (SSLCertVerificationError(1, "certificate has expired"), "SSLCertVerificationError: certificate has expired"),
    ],
)
def test_why_there_is_no_connection_is_told_with_the_place_and_in_words(error: OSError, words: str) -> None:
    """Some errors of the system have no text: all that was told was `GET did not leave: ConnectionRefusedError:`."""
    assert connections.why_not(error, "venue.example:443") == f"{words} (venue.example:443)"


def test_a_port_where_nobody_listens_is_named() -> None:
    async def main() -> None:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        where = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close()
        await server.wait_closed()
        async with transport() as it:
            with pytest.raises(LinkDown) as failed:
                await ask(it, f"http://{where}/")
            with pytest.raises(LinkDown) as unopened:
                await it.ws(f"ws://{where}/stream", Ear(), deadline_ns=counting_ns() + 10 * S)
        words = f"ConnectionRefusedError: Connection refused ({where})"
        assert str(failed.value) == f"GET did not leave: {words}"
        assert str(unopened.value) == f"no stream: {words}"
        assert failed.value.passing
        assert unopened.value.passing

    run(main())


def test_after_one_connection_without_an_answer_no_other_old_one_is_used() -> None:
    """Where the network changed all of them are dead: each would cost a hedge, or a question about it, its deadline."""
    peers: list[tuple[str, int]] = []
    here = asyncio.Event()
    never = asyncio.Event()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        peers.append(request.transport.get_extra_info("peername"))  # type: ignore[union-attr]
        if len(peers) == 2:
            here.set()
        await (here.wait() if len(peers) <= 2 else never.wait() if len(peers) == 3 else _at_once())
        return web.Response()

    async def main() -> None:
        async with http_server(handle) as url, transport() as it:
            await asyncio.gather(ask(it, url), ask(it, url))  # two warm connections
            with pytest.raises(OutcomeUnknown):
                await ask(it, url, body=b"order", within_s=0.05)
            await ask(it, url)
            never.set()
            assert (peers[2] in peers[:2], peers[3] in peers[:2]) == (True, False)

    run(main())


async def _at_once() -> None:
    pass


class Doors:
    """A server whose answers a test gives; connections beyond the first `open_at_once` come when the test lets them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, open_at_once: int) -> None:
        self.peers: list[tuple[str, int]] = []
        self.answers: list[asyncio.Event] = []
        self.news = asyncio.Event()
        self.tried = 0
        self.let: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()
        plain = loop.create_connection

        async def create(*given: Any, **named: Any) -> Any:
            self.tried += 1
            if self.tried > open_at_once:
                await self.let
            return await plain(*given, **named)

        monkeypatch.setattr(loop, "create_connection", create)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.peers.append(request.transport.get_extra_info("peername"))  # type: ignore[union-attr]
        answered = asyncio.Event()
        self.answers.append(answered)
        self.news.set()
        await answered.wait()
        return web.Response(text=str(len(self.peers)))

    async def came(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.peers) < count:
                self.news.clear()
                await self.news.wait()


@pytest.mark.parametrize("fails", [False, True])
def test_an_order_without_a_free_connection_takes_the_next_that_is_there_and_leaves_once(
    fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that comes before the handshake of a connection of its own; what becomes of that one is no matter."""

    async def main() -> None:
        doors = Doors(monkeypatch, open_at_once=1)
        async with http_server(doors.handle) as url, transport() as it:
            first = asyncio.create_task(ask(it, url, body=b"one"))
            await doors.came(1)
            second = asyncio.create_task(ask(it, url, body=b"two"))
            await asyncio.sleep(0)
            assert len(doors.peers) == 1
            doors.answers[0].set()
            await first
            await doors.came(2)
            if fails:
                doors.let.set_exception(OSError("no route"))
            else:
                doors.let.set_result(None)
            await asyncio.sleep(0)
            doors.answers[1].set()
            assert (await second).body == b"2"
            assert len(set(doors.peers)) == 1
            assert len(doors.peers) == 2

    run(main())


def test_beside_an_order_connections_are_opened_for_the_next_ones_and_beside_a_question_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        doors = Doors(monkeypatch, open_at_once=100)
        async with http_server(doors.handle) as url, transport() as it:
            asked = asyncio.create_task(ask(it, url))
            await doors.came(1)
            doors.answers[0].set()
            await asked
            assert doors.tried == 1
            orders = []
            for number in range(2, 6):
                orders.append(asyncio.create_task(ask(it, url, body=b"order")))
                await doors.came(number)
            # The first of four goes on the connection that was there; each finds two free ones behind it.
            assert doors.tried == 1 + SPARE + 3
            assert len(set(doors.peers)) == 4
            for answer in doors.answers:
                answer.set()
            await asyncio.gather(*orders)
            await ask_again(it, url, doors)
            assert doors.tried == 1 + SPARE + 3  # enough are free

    async def ask_again(it: SocketTransport, url: str, doors: Doors) -> None:
        order = asyncio.create_task(ask(it, url, body=b"order"))
        await doors.came(6)
        doors.answers[5].set()
        await order

    run(main())


def test_who_waits_hears_at_once_that_no_connection_comes_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one got the second one's connection, so that it is the second one that has none."""

    async def main() -> None:
        doors = Doors(monkeypatch, open_at_once=100)
        loop = asyncio.get_running_loop()
        plain, lets = loop.create_connection, [loop.create_future(), loop.create_future()]
        tries = iter(lets)

        async def create(*given: Any, **named: Any) -> Any:
            await next(tries)
            return await plain(*given, **named)

        monkeypatch.setattr(loop, "create_connection", create)
        async with http_server(doors.handle) as url, transport() as it:
            first, second = (asyncio.create_task(ask(it, url)) for _ in lets)
            await asyncio.sleep(0)
            lets[1].set_result(None)
            await doors.came(1)
            lets[0].set_exception(OSError("no route"))
            async with asyncio.timeout(5):
                with pytest.raises(LinkDown, match="no route"):
                    await second
            doors.answers[0].set()
            assert (await first).body == b"1"

    run(main())


def test_connections_that_were_kept_beside_an_order_are_closed_when_they_grow_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two more with every order an hour would be as many as may be open at a time."""
    later = 0

    async def main() -> None:
        nonlocal later
        doors = Doors(monkeypatch, open_at_once=100)
        it = SocketTransport(now_ns=lambda: counting_ns() + later, insecure_loopback=True)
        async with http_server(doors.handle) as url:
            for number in range(8):
                asked = asyncio.create_task(ask(it, url, body=b"order" if number % 2 else b"", within_s=1_000))
                await doors.came(number + 1)
                doors.answers[number].set()
                await asked
                (pool,) = it._pools.values()
                while pool._opening:
                    await asyncio.sleep(0)
                later += 40 * S
            assert (doors.tried, len(pool._open)) == (9, 1 + SPARE)  # of each three the question keeps one
            await it.close()

    run(main())


def test_questions_take_turns_and_an_order_leaves_on_the_connection_that_was_used_last() -> None:
    peers: list[int] = []

    async def main() -> None:
        async with counted_peers(peers) as url, transport() as it:
            await asyncio.gather(*(ask(it, url) for _ in range(3)))
            for body in (b"", b"", b"order", b"order", b""):
                await ask(it, url, body=body)
            first, second, third = peers[:3]
            assert peers[3:] == [first, second, second, second, third]

    run(main())


def test_to_warm_a_connection_a_question_leaves_on_one_that_is_cold_or_on_a_new_one() -> None:
    """Two are there, one of them cold; three are wanted."""
    peers: list[int] = []
    later = 0

    async def main() -> None:
        nonlocal later
        it = SocketTransport(now_ns=lambda: counting_ns() + later, insecure_loopback=True)
        async with counted_peers(peers) as url:
            assert it.last_used_ns(url) == ()
            await asyncio.gather(ask(it, url), ask(it, url))
            later += 30 * S
            await ask(it, url, within_s=1_000)
            now_ns = counting_ns() + later
            assert [(now_ns - at_ns) // (25 * S) for at_ns in it.last_used_ns(url)] == [1, 0]
            await asyncio.gather(*(ask(it, url, within_s=1_000, unused_ns=25 * S) for _ in range(2)))
            first, second, asked, *warmed = peers
            assert (asked, second in warmed, first in warmed) == (first, True, False)
            (pool,) = it._pools.values()
            while pool._opening:  # the second may have got the answered one's, before its own was open
                await asyncio.sleep(0)
            busy = asyncio.create_task(ask(it, url, within_s=1_000))
            await asyncio.sleep(0)
            unused_ns = [counting_ns() + later - at_ns for at_ns in it.last_used_ns(url)]
            assert (len(unused_ns), max(unused_ns) < 25 * S) == (3, True)
            await busy
            await it.close()

    run(main())


def test_a_connection_that_the_venue_has_closed_is_none_that_was_used() -> None:
    async def main() -> None:
        async with raw_server([PLAIN, PLAIN]) as (url, _), transport() as it:
            await ask(it, url)
            assert len(it.last_used_ns(url)) == 1
            (pool,) = it._pools.values()
            (connection,) = pool._open
            assert connection._socket is not None
            connection._socket.close()
            assert it.last_used_ns(url) == []

    run(main())


@asynccontextmanager
async def counted_peers(peers: list[int]) -> AsyncIterator[str]:
    """A server that notes on which connection each request comes, by the other end's port."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        peers.append(request.transport.get_extra_info("peername")[1])  # type: ignore[union-attr]
        return web.Response()

    async with http_server(handle) as url:
        yield url


def test_a_redirect_is_an_answer() -> None:
    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "https://elsewhere.example/"})

    async def main() -> None:
        async with http_server(handle) as url, transport() as it:
            assert (await ask(it, url, body=b"{}")).status == 302

    run(main())


def test_an_answer_that_does_not_come_is_unknown() -> None:
    forever = asyncio.Event()

    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        await forever.wait()
        return web.Response()

    async def main() -> None:
        async with http_server(handle) as url, transport() as it:
            with pytest.raises(OutcomeUnknown, match="no answer in time"):
                await ask(it, url, body=b"{}", within_s=0.2)
            forever.set()

    run(main())


def test_a_connection_cut_under_a_request_leaves_it_unknown() -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        await request.read()
        request.transport.close()
        return web.Response()

    async def main() -> None:
        async with http_server(handle) as url, transport() as it:
            with pytest.raises(OutcomeUnknown):
                await ask(it, url, body=b"{}")

    run(main())


def test_nobody_there_means_that_it_did_not_leave() -> None:
    async def main() -> None:
        async with http_server(_nothing) as url:
            pass
        async with transport() as it:
            with pytest.raises(LinkDown, match="POST did not leave"):
                await ask(it, url, body=b"{}")
            with pytest.raises(LinkDown, match="no stream"):
                await it.ws(url.replace("http", "ws"), Ear(), deadline_ns=counting_ns() + 10 * S)

    run(main())


async def _nothing(_: web.BaseRequest) -> web.StreamResponse:
    return web.Response()


def test_an_endless_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exchanges.connections.BODY_MOST", 1000)

    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=b"x" * 100_000)

    async def main() -> None:
        async with http_server(handle) as url, transport() as it:
            with pytest.raises(OutcomeUnknown, match="more than 1000 bytes"):
                await ask(it, url)

    run(main())


def test_a_stream_carries_messages_pings_and_its_end() -> None:
    got: list[str | bytes] = []

    async def handle(socket: ServerConnection) -> None:
        got.append(await socket.recv())
        got.append(await socket.recv())
        await socket.send("text")
        await socket.send(b"bytes")
        await socket.recv()
        await socket.close(1012, "restart")

    async def main() -> None:
        async with ws_server(handle) as url, transport() as it:
            ear = Ear()
            stream = await it.ws(url, ear, deadline_ns=counting_ns() + 10 * S)
            stream.send("first")
            stream.send("second")
            stream.ping()
            while len(ear.frames) < 2 or not ear.pongs:
                await ear.next()
            assert (got, ear.frames) == (["first", "second"], [b"text", b"bytes"])
            stream.send("go")
            while not ear.ends:
                await ear.next()
            assert "1012" in ear.ends[0]
            stream.close()
            assert len(ear.ends) == 1

    run(main())


def test_a_message_is_written_before_its_sender_goes_on_and_none_overtakes_one_that_waits() -> None:
    said: list[str] = []

    async def listen(connection: ServerConnection) -> None:
        async for message in connection:
            said.append(str(message))
            if message == "last":
                await connection.close()

    async def main() -> None:
        async with ws_server(listen) as url, transport() as net:
            ear = Ear()
            stream = await net.ws(url, ear, deadline_ns=counting_ns() + 5 * S)
            socket = stream._socket  # type: ignore[attr-defined]
            written: list[bytes] = []
            write = socket.transport.write
            socket.transport.write = lambda data: (written.append(data), write(data))
            stream.send("first")
            assert len(written) == 1
            socket.pause_writing()  # the socket is full
            stream.send("second")
            socket.resume_writing()
            stream.send("third")
            assert len(written) == 1
            await asyncio.sleep(0)
            stream.send("last")
            await ear.next()
            assert said == ["first", "second", "third", "last"]

    run(main())


def test_messages_keep_their_order_from_the_first_on_whole_or_in_fragments() -> None:
    """The first one leaves with the handshake's answer, before anybody can listen."""

    async def parts() -> AsyncIterator[str]:
        for part in ("two ", "and ", "a half"):
            yield part

    async def handle(socket: ServerConnection) -> None:
        await socket.send("one")
        await socket.send(parts())
        await socket.send("three")
        await socket.wait_closed()

    async def main() -> None:
        async with ws_server(handle) as url, transport() as it:
            ear = Ear()
            await it.ws(url, ear, deadline_ns=counting_ns() + 10 * S)
            while len(ear.frames) < 3:
                await ear.next()
            assert ear.frames == [b"one", b"two and a half", b"three"]

    run(main())


def test_of_each_message_is_told_whether_more_of_its_read_wait() -> None:
    async def handle(socket: ServerConnection) -> None:
        await socket.wait_closed()

    class Asking(Ear):
        def frame(self, data: bytes, recv_ns: int) -> None:
            seen.append((data.decode(), reads.more))
            if data == b"one":
                reads.at_end(lambda: seen.append(("over", reads.more)))

    async def main() -> None:
        it = SocketTransport(now_ns=counting_ns, insecure_loopback=True, reads=reads)
        async with ws_server(handle) as url:
            stream = await it.ws(url, Asking(), deadline_ns=counting_ns() + 10 * S)
            await asyncio.sleep(0)  # the one who opened it has it, and it is listened to
            socket = stream._socket  # type: ignore[attr-defined]
            one, half, half2, two, alone = b"\x81\x03one", b"\x01\x01h", b"\x80\x03alf", b"\x81\x03two", b"\x81\x01a"
            socket.data_received(one + half)
            socket.data_received(half2 + one + two)
            socket.data_received(alone)
            await it.close()

    reads, seen = Reads(), list[tuple[str, bool]]()
    run(main())
    assert seen == [
        ("one", False), ("half", True), ("one", True), ("two", False), ("over", False), ("over", False), ("a", False),
    ]  # fmt: skip


def test_a_read_is_over_also_where_one_of_its_messages_fails() -> None:
    def fails() -> None:
        reads.at_end(lambda: seen.append(("over", reads.more)))
        raise ZeroDivisionError

    reads, seen = Reads(), list[tuple[str, bool]]()
    with pytest.raises(ZeroDivisionError):
        reads.hand_over([fails, lambda: seen.append(("never", reads.more))])
    assert seen == [("over", False)]
    assert not reads.more


def test_who_waits_for_the_end_of_a_read_waits_for_sixteen_messages_at_the_most() -> None:
    """Also where they are nothing to whoever waits: other runs' fills, changes of positions."""
    reads, seen = Reads(), list[object]()
    reads.hand_over(
        [partial(reads.at_end, partial(seen.append, "over")), *(partial(seen.append, place) for place in range(1, 40))]
    )
    assert seen == [*range(1, 16), "over", *range(16, 40)]
    told = list[bool]()
    reads.hand_over([lambda: told.append(reads.more)] * 33)
    assert [place for place, more in enumerate(told, start=1) if not more] == [16, 32, 33]


def test_of_all_who_wait_for_the_end_of_a_read_each_is_called_whatever_one_of_them_raises() -> None:
    """Several runs share the reads of a process: a defect of one may not keep the hedge of the next."""

    def fails() -> None:
        seen.append("the first")
        raise ZeroDivisionError

    reads, seen = Reads(), list[str]()
    with pytest.raises(ZeroDivisionError):
        reads.hand_over([partial(reads.at_end, fails), partial(reads.at_end, partial(seen.append, "the next"))])
    assert seen == ["the first", "the next"]


def test_a_receiver_that_fails_ends_its_stream_and_the_loop_is_told() -> None:
    class Deaf(Ear):
        def frame(self, data: bytes, recv_ns: int) -> None:
            raise ZeroDivisionError("boom")

    async def handle(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send("one")
        await socket.wait_closed()

    async def main() -> None:
        told: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context.get("exception")))
        async with ws_server(handle) as url, transport() as it:
            ear = Deaf()
            (await it.ws(url, ear, deadline_ns=counting_ns() + 10 * S)).send("go")
            while not ear.ends:
                await ear.next()
            assert [type(it) for it in told] == [ZeroDivisionError]

    run(main())


def test_the_venue_sees_every_stream_end_when_the_transport_closes() -> None:
    ended: list[int] = []
    all_ended = asyncio.Event()

    async def handle(socket: ServerConnection) -> None:
        await socket.wait_closed()
        ended.append(1)
        if len(ended) == 2:
            all_ended.set()

    async def main() -> None:
        async with ws_server(handle) as url:
            it = SocketTransport(now_ns=counting_ns, insecure_loopback=True)
            for _ in range(2):
                await it.ws(url, Ear(), deadline_ns=counting_ns() + 10 * S)
            await it.close()
            async with asyncio.timeout(5):
                await all_ended.wait()

    run(main())


def test_a_stream_is_asked_for_with_headers_whose_case_is_kept_and_a_refusal_of_keys_is_named() -> None:
    got: list[list[tuple[str, str]]] = []

    async def handle(socket: ServerConnection) -> None:
        assert socket.request is not None
        got.append([(name, value) for name, value in socket.request.headers.raw_items() if "MM" in name])
        await socket.wait_closed()

    def refuse(connection: ServerConnection, _: object) -> WsResponse | None:
        status = int(connection.request.headers.get("status", "0")) if connection.request is not None else 0
        if not status:
            return None
        refusal = connection.respond(status, "secret words")
        refusal.headers["Retry-After"] = "3"
        return refusal

    async def main() -> None:
        async with serve(handle, "127.0.0.1", 0, process_request=refuse) as server, transport() as it:
            url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
            (await it.ws(url, Ear(), deadline_ns=counting_ns() + 10 * S, headers={"Decode-MM-Auth": "k"})).close()
            for status, kind, passing in (
                *(
                    (401, AuthFailed, False),
                    (403, AuthFailed, False),
                    (404, LinkDown, False),
                    (429, RateLimited, False),
                ),
                (503, LinkDown, True),
            ):
                with pytest.raises(kind, match=f"^no stream: the venue answers HTTP {status}$") as refused:
                    await it.ws(url, Ear(), deadline_ns=counting_ns() + 10 * S, headers={"status": str(status)})
                assert refused.value.passing is passing
                assert getattr(refused.value, "retry_ms", 3_000) == 3_000

    run(main())
    assert got == [[("Decode-MM-Auth", "k")]]


def test_our_own_close_is_not_told_and_an_oversized_message_ends_the_stream() -> None:
    async def handle(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send("x" * (2 << 20))
        await socket.wait_closed()

    async def main() -> None:
        async with ws_server(handle) as url, transport() as it:
            quiet, ear = Ear(), Ear()
            (await it.ws(url, quiet, deadline_ns=counting_ns() + 10 * S)).close()
            (await it.ws(url, ear, deadline_ns=counting_ns() + 10 * S)).send("big, please")
            while not ear.ends:
                await ear.next()
            assert (ear.frames, quiet.ends) == ([], [])
            assert "1009" in ear.ends[0]

    run(main())


@asynccontextmanager
async def raw_server(answers: list[bytes | None]) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Plays one answer for each request; None closes the connection without one. A `!` at the end closes after it."""
    got: list[bytes] = []
    visitors: list[asyncio.Task[None]] = []  # spare connections of a client among them, which ask for nothing

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        visitors.append(task)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while answers:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", head)
                got.append(head + (await reader.readexactly(int(length[1])) if length else b""))
                answer = answers.pop(0)
                if answer is not None:
                    writer.write(answer.removesuffix(b"!"))
                    await writer.drain()
                if answer is None or answer.endswith(b"!"):
                    break
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", got
        await asyncio.gather(*visitors)


PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (PLAIN, b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok!", b"ok"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end!", b"until the end"),
    ],
    ids=["length", "chunked", "continue", "close", "old"],
)
def test_answers_in_every_form_and_the_next_request_goes_well(answer: bytes, body: bytes) -> None:
    async def main() -> None:
        async with raw_server([answer, PLAIN]) as (url, got), transport() as it:
            assert (await ask(it, url, body=b"{}")).body == body
            assert (await ask(it, url + "/next?a=b")).body == b"ok"
            assert got[0].startswith(b"POST / HTTP/1.1\r\n")
            assert got[0].endswith(b"\r\n\r\n{}")
            assert got[1].startswith(b"GET /next?a=b HTTP/1.1\r\nHost: 127.0.0.1:")

    run(main())


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n!",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut!",
        b"HTTP/1.1 200 OK\r\nContent-Le!",
        None,
    ],
)
def test_half_an_answer_is_none(answer: bytes | None) -> None:
    async def main() -> None:
        async with raw_server([answer]) as (url, _), transport() as it:
            with pytest.raises(OutcomeUnknown):
                await ask(it, url, body=b"{}")

    run(main())


def test_an_order_is_never_sent_twice_and_a_question_once_more() -> None:
    """A venue closes a warm connection at the moment when something is written into it."""

    async def main() -> None:
        async with raw_server([PLAIN, None, PLAIN]) as (url, got), transport() as it:
            await ask(it, url)
            assert (await ask(it, url)).body == b"ok"
            assert len(got) == 3
        async with raw_server([PLAIN, None, PLAIN]) as (url, got), transport() as it:
            await ask(it, url)
            with pytest.raises(OutcomeUnknown, match="the connection was lost"):
                await ask(it, url, body=b"{}")
            assert len(got) == 2

    run(main())


def test_on_a_warm_connection_a_request_is_written_before_its_sender_goes_on() -> None:
    async def main() -> None:
        async with raw_server([PLAIN, PLAIN]) as (url, _), transport() as it:
            await ask(it, url)
            done: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
            stamps: list[str] = []
            request = Request("POST", url, {}, b"{}", counting_ns() + 10 * S)
            it.send(request, written=lambda: stamps.append("written"), done=done.set_result)
            stamps.append("back")
            assert stamps == ["written", "back"]
            await done

    run(main())


def test_what_is_on_its_way_at_the_close_is_told_once() -> None:
    async def main() -> None:
        async with raw_server([]) as (url, _):
            it = SocketTransport(now_ns=counting_ns, insecure_loopback=True)
            told: list[Answered] = []
            for body in (b"{}", b"{}"):
                it.send(Request("POST", url, {}, body, counting_ns() + 10 * S), written=lambda: None, done=told.append)
            await it.close()
            await it.close()
            assert [type(answer) for answer in told] == [LinkDown, LinkDown]  # no connection was open yet

    run(main())


def test_a_header_that_cannot_be_is_not_sent() -> None:
    async def main() -> None:
        async with raw_server([PLAIN]) as (url, got), transport() as it:
            done: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
            request = Request("POST", url, {"X-Key": "a\r\nX-Other: b"}, b"{}", counting_ns() + 10 * S)
            it.send(request, written=lambda: None, done=done.set_result)
            assert isinstance(await done, LinkDown)
            assert got == []

    run(main())


@pytest.mark.parametrize(
    ("url", "here"),
    [
        *((url, True) for url in ("http://127.0.0.1:80", "ws://localhost", "http://[::1]:1", "http://127.9.9.9")),
        *((url, False) for url in ("http://10.0.0.1", "http://venue.example", "http://localhost.evil.example")),
        *((url, False) for url in ("http://127.0.0.1.evil.example", "http://127.0.0.1@evil.example", "nonsense")),
    ],
)
def test_what_is_on_this_machine(url: str, here: bool) -> None:
    assert on_loopback(url) is here


@pytest.mark.parametrize("allowed", [False, True])
def test_nothing_goes_out_without_tls(allowed: bool) -> None:
    async def main() -> None:
        it = SocketTransport(now_ns=counting_ns, insecure_loopback=allowed)
        for url in ["http://venue.example", *([] if allowed else ["http://127.0.0.1:9"])]:
            with pytest.raises(LinkDown, match="without TLS"):
                await ask(it, url, body=b"{}")
            with pytest.raises(LinkDown, match="without TLS"):
                await it.ws(url.replace("http", "ws"), Ear(), deadline_ns=counting_ns() + S)
        await it.close()

    run(main())
