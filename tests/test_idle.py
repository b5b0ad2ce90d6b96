"""Which of an account's connections takes a request, and how it keeps five of them warm."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from engine.runtime.clock import S, VirtualClock
from engine.runtime.simulate.process import ProcessClock, ProcessLoop
from exchanges.budget import Budget, Use
from exchanges.http import WARM_NS, Call, Http, plain_error
from exchanges.idle import KEEP_NS, TURNS, Idle
from exchanges.transport import NO_HEADERS
from exchanges.venues.memory import MemoryTransport
from exchanges.venues.seam import Reply

MS = 1_000_000


class Line:
    def __init__(self, name: str) -> None:
        self.name = name
        self.usable = True
        self.why = ""

    def drop(self, why: str) -> None:
        self.why = why


def idle(**since_s: int) -> tuple[Idle[Line], dict[str, Line]]:
    """Lines by name, with the second since when each carries nothing."""
    made: Idle[Line] = Idle()
    lines = {name: Line(name) for name in since_s}
    for name, at_s in since_s.items():
        made.put(lines[name], at_s * S)
    return made, lines


Take = Callable[[Idle[Line]], Line | None]


def cold(it: Idle[Line]) -> Line | None:
    return it.take_cold(60 * S, unused_ns=25 * S)


@pytest.mark.parametrize(
    ("take", "since_s", "expected"),
    [
        (lambda it: it.take(60 * S), {"old": 10, "newest": 50}, "newest"),
        (lambda it: it.take_in_turn(60 * S), {"old": 10, "newest": 50}, "old"),
        # Beyond as many as take turns the others may grow old.
        (lambda it: it.take_in_turn(60 * S), {"left": 9, "a": 10, "b": 11, "c": 12, "d": 13, "e": 14}, "a"),
        (lambda it: it.take(60 * S), {"too_old": 5}, None),
        (lambda it: it.take_in_turn(60 * S), {"too_old": 5, "old": 6}, "old"),
        (cold, {"older": 20, "cold": 35, "warm": 36}, "cold"),
        (cold, {"warm": 36}, None),
        (cold, {"too_old": 5}, None),
    ],
)
def test_an_order_takes_the_surest_a_question_its_turn_and_upkeep_what_is_cold(
    take: Take, since_s: dict[str, int], expected: str | None
) -> None:
    it, lines = idle(**since_s)
    taken = take(it)
    assert (taken.name if taken else None) == expected
    left = {name for name, line in lines.items() if not line.why}
    assert len(it) == len(left - {expected})  # what is too old was closed, and all else is there
    assert all(line.why == ("unused for too long" if name == "too_old" else "") for name, line in lines.items())
    assert (TURNS, KEEP_NS) == (5, 55 * S)  # what the rows above count on


def test_what_its_venue_has_closed_carries_nothing_and_does_not_count() -> None:
    it, lines = idle(a=50, closed=51)
    lines["closed"].usable = False
    assert list(it.since_ns(60 * S)) == [50 * S]
    it.put(lines["closed"], 60 * S)
    assert it.take(60 * S) is lines["a"]


def test_a_new_one_waits_until_all_others_carry_something() -> None:
    it, lines = idle(used=50)
    it.put_new(Line("new"), 59 * S)
    assert it.take(60 * S) is lines["used"]
    assert len(it) == 1


# --- an account on the network in memory, which a simulation trades on; on sockets: tests/test_sockets.py


class Venue:
    """Answers everything; `asked` is each request with its second."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, str]] = []
        self.clock: Any = None

    def request(self, asked: Any, answer: Any) -> None:
        self.asked.append((self.clock.now_ns() // S - 1, asked.path))
        answer(None if asked.path == "/cut" else Reply(200))


def played(script: dict[int, list[str]], *, until_s: int) -> list[tuple[int, str]]:
    """What a venue is asked of an account that is warmed at once and asks, at these seconds, for these paths."""
    venue: Any = Venue()
    world = VirtualClock()
    venue.clock = world
    clock = ProcessClock(world)

    async def main() -> None:
        net = MemoryTransport({"v": venue}, world=world, process=clock, way_ns=lambda: MS)
        http = Http(
            "http://v", transport=net, clock=clock, budget=Budget(1_000), judge=plain_error, warm_path="/ping"
        )  # fmt: skip
        await http.warm()
        for second in range(1, until_s + 1):
            await asyncio.sleep(1)
            for path in script.get(second, ()):
                method = "POST" if path == "/order" else "GET"
                call = Call(method, path, Use.TRADE, clock.now_ns() + 2 * S, NO_HEADERS)
                http.send(call, lambda *_: None)
        await http.close()

    with asyncio.Runner(loop_factory=lambda: ProcessLoop(clock)) as runner:
        runner.run(main())
    return venue.asked


def pings(asked: list[tuple[int, str]]) -> dict[int, int]:
    seconds = [second for second, path in asked if path == "/ping"]
    return {second: seconds.count(second) for second in sorted(set(seconds))}


def test_an_idle_account_asks_on_five_connections_before_any_is_unused_for_longer_than_it_may_be() -> None:
    assert WARM_NS == 25 * S
    assert pings(played({}, until_s=60)) == {0: 5, 25: 5, 50: 5}


def test_connections_that_carry_something_are_not_pinged() -> None:
    busy = {second: ["/question"] for second in range(1, 61)}
    assert pings(played(busy, until_s=60)) == {0: 5}


def test_the_one_of_five_that_carried_nothing_is_pinged_alone() -> None:
    """Four questions at a time take the four that were unused longest; the fifth has had its turn first."""
    asked = played({10: ["/question"] * 4}, until_s=34)
    assert pings(asked) == {0: 5, 25: 1}


def test_orders_keep_warm_only_what_carries_them() -> None:
    busy = {second: ["/order"] for second in range(1, 30)}
    assert pings(played(busy, until_s=30)) == {0: 5, 25: 4}


def test_a_connection_that_was_cut_is_opened_again() -> None:
    asked = played({10: ["/cut"], 24: ["/question"] * 4}, until_s=30)
    assert pings(asked) == {0: 5, 25: 1}
