"""The control point of a run: who asks is answered once, who watches is shown the run, and nobody can hold it up."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from control_kit import PATIENCE_S, Peer, a_line, a_status

from engine.runtime import control as control_module
from engine.runtime.control import MOST_CLIENTS, MOST_REQUEST, Control, NotNow
from engine.runtime.control_socket import connect, open_socket, socket_path
from engine.runtime.status import Status, status_of


class Run:
    """A run to control; remembers what it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[object] = []
        self.failures: list[Exception] = []
        self.status = a_status()
        self.looks: list[int] = []
        self.broken = False
        self.refuses = self.not_now = ""
        self.control = Control(
            look=self.look, stop=self.stop, pause=self.pause, on_failure=self.failures.append,
            admit=lambda _: self.refuses,
        )  # fmt: skip

    def look(self, after: int) -> Status:
        self.looks.append(after)
        if self.broken:
            raise ZeroDivisionError("a look that fails")
        return self.status

    def stop(self, level: int) -> str:
        self.asked.append(level)
        return f"level {level}"

    def pause(self, paused: bool) -> str:
        self.asked.append(paused)
        if self.not_now:
            raise NotNow(self.not_now)
        return "paused" if paused else "resumed"

    def connected(self) -> Peer:
        return Peer(connect(socket_path(self.folder, 3), within_s=PATIENCE_S))


def on_loop(folder: Path, clients: Callable[[Run], None], *, then: Callable[[Run], None] = lambda _: None) -> Run:
    """Serve a run while `clients` talks to it from a thread; `then` runs on the loop before it is closed."""
    run = Run(folder)

    async def main() -> None:
        await run.control.listen(open_socket(folder, 3))
        await asyncio.to_thread(clients, run)
        then(run)
        await run.control.close(0, "flat")

    asyncio.run(main())
    return run


def test_a_status_is_asked_for_and_the_connection_ends(tmp_path: Path) -> None:
    def clients(run: Run) -> None:
        peer = run.connected()
        peer.ask({"do": "status"})
        assert status_of(peer.hear()["status"]) == a_status()
        assert peer.hear() is None
        peer.close()

    assert on_loop(tmp_path, clients).looks == [0]


@pytest.mark.parametrize(
    ("request_", "asked", "answer"),
    [
        ({"do": "stop", "level": 1}, [1], {"done": "level 1"}),
        ({"do": "stop", "level": 2}, [2], {"done": "level 2"}),
        ({"do": "pause"}, [True], {"done": "paused"}),
        ({"do": "resume"}, [False], {"done": "resumed"}),
        ({"do": "stop", "level": 3}, [], None),
        ({"do": "stop", "level": 0}, [], None),
        ({"do": "stop", "level": "1"}, [], None),
        ({"do": "stop", "level": True}, [], None),
        ({"do": "stop"}, [], None),
        ({"do": "sell everything"}, [], None),
        ({"do": ["stop"], "level": 1}, [], None),
        ({}, [], None),
        ([], [], None),
        ("stop", [], None),
        (None, [], None),
    ],
)
def test_what_may_be_asked_for_and_what_not(
    tmp_path: Path, request_: object, asked: list[object], answer: object
) -> None:
    def clients(run: Run) -> None:
        peer = run.connected()
        peer.ask(request_)
        assert peer.hear() == (answer or {"refused": "a request that this version does not know"})
        assert peer.hear() is None
        peer.close()

    run = on_loop(tmp_path, clients)
    assert (run.asked, run.failures) == (asked, [])


@pytest.mark.parametrize(
    "text", [b"\n", b"{\n", b"\xff\xfe\n", b"[" * 3_000 + b"\n", b"x" * (MOST_REQUEST + 1), b'{"do":"stop","level":1'],
    ids=["empty", "half", "bytes", "deep", "long", "cut off"],
)  # fmt: skip
def test_what_is_no_request_does_nothing(tmp_path: Path, text: bytes) -> None:
    def clients(run: Run) -> None:
        peer = run.connected()
        peer.socket.sendall(text)
        with suppress(OSError):
            peer.socket.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):  # a reset, where bytes were left unread
            assert peer.hear() in (None, {"refused": "a request that this version does not know"})
        peer.close()
        again = run.connected()
        again.ask({"do": "status"})
        assert "status" in again.hear()
        again.close()

    run = on_loop(tmp_path, clients)
    assert (run.asked, run.failures) == ([], [])


def test_a_request_in_pieces_is_one_and_a_second_is_not_heard(tmp_path: Path) -> None:
    def clients(run: Run) -> None:
        peer = run.connected()
        for piece in (b'{"do":"st', b'op","level":1', b"}\n" + b'{"do":"stop","level":2}\n'):
            peer.socket.sendall(piece)
        assert peer.hear() == {"done": "level 1"}
        peer.close()

    assert on_loop(tmp_path, clients).asked == [1]


def test_a_refusal_of_the_run_is_told(tmp_path: Path) -> None:
    def clients(run: Run) -> None:
        peer = run.connected()
        run.not_now = "not yet"
        peer.ask({"do": "pause"})
        assert peer.hear() == {"refused": "not yet"}
        peer.close()

    assert on_loop(tmp_path, clients).failures == []


def test_a_peer_that_is_not_admitted_is_told_why_and_not_heard(tmp_path: Path) -> None:
    def clients(run: Run) -> None:
        run.refuses = "you are somebody else"
        peer = run.connected()
        with suppress(BrokenPipeError):
            peer.ask({"do": "stop", "level": 2})
        assert peer.hear() == {"refused": "you are somebody else"}
        peer.close()

    assert on_loop(tmp_path, clients).asked == []


# --- watchers


def test_a_watcher_is_shown_each_line_once_and_how_it_ended(tmp_path: Path) -> None:
    def clients(run: Run) -> None:
        peer = run.connected()
        peer.ask({"do": "watch"})
        assert [line["seq"] for line in peer.hear()["status"]["lines"]] == [1, 2]
        run.status = a_status(lines=(a_line(2), a_line(3)))
        assert [line["seq"] for line in peer.hear()["status"]["lines"]] == [3]
        assert peer.hear()["status"]["lines"] == []
        run.watcher = peer  # type: ignore[attr-defined]

    run = on_loop(tmp_path, clients)
    peer: Peer = run.watcher  # type: ignore[attr-defined]
    last: list[Any] = []
    while (answer := peer.hear()) is not None:
        last.append(answer)
    peer.close()
    assert last[-1] == {"ended": {"exit_code": 0, "text": "flat"}}
    assert [list(answer) for answer in last[:-1]] == [["status"]] * (len(last) - 1)
    assert 3 in run.looks  # only what it has not seen is asked for


def both(run: Run, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(main())
    assert run.failures == []


def test_a_watcher_that_does_not_read_is_passed_over_and_heard_again_later(tmp_path: Path) -> None:
    """What waits for it in this process never grows beyond one status; others are shown everything meanwhile."""
    run = Run(tmp_path)
    run.status = a_status(lines=tuple(a_line(seq, "x" * 2_000) for seq in range(1, 201)))

    async def main() -> None:
        stuck_ours, stuck = socket.socketpair()
        await run.control.show_to(stuck_ours, on_gone=lambda: None)
        first = run.control._watchers.copy()
        client = next(iter(first))
        assert client._transport is not None
        waiting = client._transport.get_write_buffer_size()
        assert waiting > 0, "the test's status must be more than a socket takes"
        run.status = a_status(lines=(a_line(201),))
        for _ in range(50):
            run.control._show()
        assert client._transport.get_write_buffer_size() == waiting
        assert run.looks == [0]  # not even looked at for somebody who does not read
        other_ours, other = socket.socketpair()
        await run.control.show_to(other_ours, on_gone=lambda: None)
        peer = Peer(other)
        assert (await asyncio.to_thread(peer.hear))["status"]["lines"][-1]["seq"] == 201
        late = Peer(stuck)
        assert len((await asyncio.to_thread(late.hear))["status"]["lines"]) == 200
        while (answer := await asyncio.to_thread(late.hear))["status"]["lines"] == []:
            pass
        assert [line["seq"] for line in answer["status"]["lines"]] == [201]
        await run.control.close(1, "over")
        late.close()
        peer.close()

    both(run, main)


def test_a_look_that_fails_costs_the_view_not_the_run(tmp_path: Path) -> None:
    gone: list[str] = []

    async def main() -> None:
        run = Run(tmp_path)
        ours, theirs = socket.socketpair()
        await run.control.show_to(ours, on_gone=lambda: gone.append("gone"))
        run.broken = True
        run.control._show()
        await asyncio.sleep(0)
        assert gone == ["gone"]
        assert [type(failure) for failure in run.failures] == [ZeroDivisionError]
        assert run.control._timer is None  # nobody is left to be shown anything
        theirs.close()
        await run.control.close(0, "flat")

    asyncio.run(main())

    def clients(run: Run) -> None:
        run.broken = True
        peer = run.connected()
        peer.ask({"do": "status"})
        assert peer.hear() == {"refused": "it failed (ZeroDivisionError: a look that fails)"}
        peer.close()
        peer = run.connected()
        peer.ask({"do": "stop", "level": 1})
        assert peer.hear() == {"done": "level 1"}
        peer.close()

    assert on_loop(tmp_path, clients).asked == [1]


def test_the_own_view_that_goes_is_told_of_unless_the_run_ends_it() -> None:
    gone: list[str] = []

    async def main() -> None:
        for word, leaves in (("left", True), ("stayed", False)):
            run = Run(Path())
            ours, theirs = socket.socketpair()
            heard = asyncio.Event()
            await run.control.show_to(ours, on_gone=lambda word=word, heard=heard: (gone.append(word), heard.set()))  # type: ignore[misc]
            if leaves:
                theirs.close()
                await heard.wait()
            await run.control.close(0, "flat")
            theirs.close()

    asyncio.run(main())
    assert gone == ["left"]


# --- bounds


def test_when_all_places_are_taken_the_oldest_guest_goes_and_a_stop_gets_through(tmp_path: Path) -> None:
    def clients(run: Run) -> None:
        idle = [run.connected() for _ in range(MOST_CLIENTS)]
        for peer in idle[1:]:
            peer.ask({"do": "watch"})
            assert "status" in peer.hear()
        late = run.connected()
        late.ask({"do": "stop", "level": 1})
        assert late.hear() == {"done": "level 1"}
        with suppress(ConnectionError):
            assert idle[0].hear() is None
        for peer in (*idle, late):
            peer.close()

    run = Run(tmp_path)

    async def main() -> None:
        ours, theirs = socket.socketpair()
        await run.control.listen(open_socket(tmp_path, 3))
        await run.control.show_to(ours, on_gone=lambda: run.failures.append(RuntimeError("the own view was put out")))
        await asyncio.to_thread(clients, run)
        await run.control.close(0, "flat")
        theirs.close()

    both(run, main)
    assert run.asked == [1]


def test_who_asks_for_nothing_is_put_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "ASK_WITHIN_S", 0.01)

    def clients(run: Run) -> None:
        peer = run.connected()
        with suppress(ConnectionError):
            assert peer.hear() is None
        peer.close()
        watcher = run.connected()
        watcher.ask({"do": "watch"})
        for _ in range(3):  # beyond its time, because it watches
            assert "status" in watcher.hear()
        watcher.close()

    on_loop(tmp_path, clients)


def test_who_comes_while_the_run_ends_is_told_so(tmp_path: Path) -> None:
    async def main() -> list[Peer]:
        run = Run(tmp_path)
        await run.control.listen(open_socket(tmp_path, 3))
        peers = [run.connected() for _ in range(3)]
        await run.control.close(0, "flat")
        return peers

    for peer in asyncio.run(main()):
        assert peer.hear() == {"refused": "the run has ended"}
        peer.close()


def test_nothing_is_left_on_the_loop_when_the_control_point_is_closed(tmp_path: Path) -> None:
    def clients(run: Run) -> None:
        run.peers = [run.connected() for _ in range(3)]  # type: ignore[attr-defined]
        run.peers[0].ask({"do": "watch"})  # type: ignore[attr-defined]
        assert "status" in run.peers[0].hear()  # type: ignore[attr-defined]

    run = on_loop(tmp_path, clients)
    assert (run.control._clients, run.control._watchers) == ({}, {})
    for peer in run.peers:  # type: ignore[attr-defined]
        peer.close()
    with pytest.raises(ConnectionRefusedError):
        run.connected()
