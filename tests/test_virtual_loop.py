"""The virtual loop: coroutines and clock entries in one order, and words for what can never go on."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from runtime_kit import MS, START, S, run_virtual

from cli import performing, setups, wiring
from cli.view import PlainView
from engine.runtime.loop import Deadlock, Forbidden, Livelock, VirtualLoop
from engine.runtime.signals import StopSignals


def test_a_day_of_sleep_takes_no_time() -> None:
    async def main(loop: VirtualLoop) -> list[str]:
        seen: list[str] = []

        async def sleeper(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            seen.append(f"{name} {(loop.clock.now_ns() - START) // MS}")

        await asyncio.gather(sleeper("day", 86_400), sleeper("tick", 0.001), sleeper("second", 1))
        return seen

    assert run_virtual(main) == ["tick 1", "second 1000", "day 86400000"]


def test_equal_times_run_in_the_order_of_the_calls_whoever_made_them() -> None:
    async def main(loop: VirtualLoop) -> list[str]:
        seen: list[str] = []
        clock, at_ns = loop.clock, loop.clock.now_ns() + 100 * MS
        clock.call_at(at_ns, seen.append, "entry 1")
        loop.call_later(0.1, seen.append, "asyncio 2")
        clock.call_at(at_ns, seen.append, "entry 3")
        loop.call_later(0.1, seen.append, "asyncio 4")
        await asyncio.sleep(0.1)
        return seen

    assert run_virtual(main) == ["entry 1", "asyncio 2", "entry 3", "asyncio 4"]


def test_what_an_entry_makes_ready_runs_before_the_next_entry() -> None:
    async def main(loop: VirtualLoop) -> list[str]:
        seen: list[str] = []
        now_ns = loop.clock.now_ns()
        loop.clock.call_at(now_ns, lambda: (seen.append("entry"), loop.call_soon(seen.append, "ready")))
        loop.clock.call_at(now_ns, seen.append, "next entry")
        await asyncio.sleep(0.001)
        return seen

    assert run_virtual(main) == ["entry", "ready", "next entry"]


def test_an_entry_of_the_past_does_not_turn_time_back() -> None:
    async def main(loop: VirtualLoop) -> list[int]:
        seen: list[int] = []
        await asyncio.sleep(1)
        loop.clock.call_at(START, lambda: seen.append(loop.clock.now_ns() - START))
        await asyncio.sleep(0.001)
        return seen

    assert run_virtual(main) == [S]


def test_a_timeout_ends_what_takes_longer_and_nothing_else() -> None:
    async def main(loop: VirtualLoop) -> tuple[str, float]:
        outcome = "in time"
        async with asyncio.timeout(5):
            await asyncio.sleep(4.999)
        try:
            async with asyncio.timeout(5):
                await asyncio.sleep(5.001)
        except TimeoutError:
            outcome += ", then late"
        return outcome, loop.time() - 1

    assert run_virtual(main) == ("in time, then late", 9.999)


def test_cancelled_timers_do_not_move_time() -> None:
    async def main(loop: VirtualLoop) -> float:
        loop.call_later(3600, print).cancel()
        loop.clock.call_at(START + 3600 * S, print).cancel()
        async with asyncio.timeout(1800):
            await asyncio.sleep(1)
        loop.call_later(2, loop.stop)
        return loop.time()

    assert run_virtual(main) == 2.0


def test_a_queue_wakes_its_reader_at_the_writers_time() -> None:
    async def main(loop: VirtualLoop) -> list[tuple[str, float]]:
        queue: asyncio.Queue[str] = asyncio.Queue()
        loop.clock.call_at(START + 2 * S, queue.put_nowait, "late")
        loop.clock.call_at(START + 1 * S, queue.put_nowait, "early")
        return [(await queue.get(), loop.time() - 1) for _ in range(2)]

    assert run_virtual(main) == [("early", 1.0), ("late", 2.0)]


def test_a_deadlock_names_who_waits_for_ever() -> None:
    async def patient() -> None:
        await asyncio.Event().wait()

    async def main(_: VirtualLoop) -> None:
        await asyncio.gather(patient(), patient())

    with pytest.raises(Deadlock) as raised:
        run_virtual(main)
    text = str(raised.value)
    assert text.startswith("nothing is ready and no timer is set; waiting: ")
    assert text.count("patient line") == 2
    assert "Task-" not in text


@pytest.mark.parametrize("way", ["task", "entry"])
def test_callbacks_that_wake_each_other_without_time_moving_end(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.runtime.loop.MOST_TURNS", 1_000)

    async def main(loop: VirtualLoop) -> None:
        if way == "task":
            while True:
                await asyncio.sleep(0)

        def again() -> None:
            loop.clock.call_at(loop.clock.now_ns(), again)

        again()
        await asyncio.Event().wait()

    with pytest.raises(Livelock, match=r"1001 callbacks without time moving; running: .*main line"):
        run_virtual(main)


def test_many_callbacks_at_different_times_are_no_livelock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.runtime.loop.MOST_TURNS", 100)

    async def main(loop: VirtualLoop) -> float:
        for _ in range(1_000):
            await asyncio.sleep(0.001)
        return round(loop.time(), 3)

    assert run_virtual(main) == 2.0


def test_threads_are_forbidden() -> None:
    async def executor(loop: VirtualLoop) -> None:
        await loop.run_in_executor(None, print)

    with pytest.raises(Forbidden, match="print wants a thread in virtual time"):
        run_virtual(executor)

    async def stranger(loop: VirtualLoop) -> list[str]:
        caught: list[str] = []

        def call() -> None:
            try:
                loop.call_soon_threadsafe(print)
            except Forbidden as error:
                caught.append(str(error))

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        return caught

    assert run_virtual(stranger) == ["another thread called a loop that runs in virtual time"]


def test_an_exception_of_an_entry_goes_to_the_exception_handler_and_the_loop_goes_on() -> None:
    async def main(loop: VirtualLoop) -> list[str]:
        seen: list[str] = []

        def note(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            seen.append(repr(context["exception"]))

        loop.set_exception_handler(note)
        loop.clock.call_at(START, [].pop)
        loop.call_soon({}.pop, "key")
        loop.clock.call_at(START, seen.append, "next")
        await asyncio.sleep(1)
        return seen

    assert run_virtual(main) == ["KeyError('key')", "IndexError('pop from empty list')", "next"]


def test_two_runs_are_the_same() -> None:
    async def main(loop: VirtualLoop) -> list[tuple[int, str]]:
        seen: list[tuple[int, str]] = []

        async def worker(name: str) -> None:
            for n in range(5):
                await asyncio.sleep(0.01 * (n % 2))
                seen.append((loop.clock.now_ns(), name))

        async with asyncio.timeout(60):
            await asyncio.gather(*(worker(name) for name in "abc"))
        return seen

    assert run_virtual(main) == run_virtual(main)


def test_signals_count_up_and_arrive_between_callbacks_in_virtual_time() -> None:
    async def main(loop: VirtualLoop) -> list[str]:
        seen: list[str] = []
        over = asyncio.Event()

        def on_stop(level: int) -> None:
            seen.append(f"stop {level}")
            if level == 3:
                over.set()

        def busy() -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            seen.append("callback done")

        with StopSignals(loop, on_stop):
            loop.clock.call_at(START, busy)
            loop.clock.call_at(START, seen.append, "next entry")
            await over.wait()
        return seen

    assert run_virtual(main) == ["callback done", "stop 1", "stop 2", "stop 3"]


def test_a_signal_wakes_a_waiting_loop_and_a_fourth_one_breaks_a_stuck_one() -> None:
    former = signal.getsignal(signal.SIGTERM)

    async def main() -> list[int]:
        seen: list[int] = []
        first = asyncio.Event()

        def on_stop(level: int) -> None:
            seen.append(level)
            first.set()

        with StopSignals(asyncio.get_running_loop(), on_stop):
            os.kill(os.getpid(), signal.SIGTERM)
            async with asyncio.timeout(60):
                await first.wait()
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGTERM)
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGTERM)
        return seen.copy()  # before the loop, closing, runs what the others left ready

    assert asyncio.run(main()) == [1]
    assert signal.getsignal(signal.SIGTERM) is former


def test_what_comes_when_a_run_is_over_is_ignored() -> None:
    """It must not cost the summary; the command puts the receivers back."""

    async def main() -> None:
        with StopSignals(asyncio.get_running_loop(), lambda _: None, afterwards=signal.SIG_IGN):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    receivers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        asyncio.run(main())  # a signal that is not ignored ends the tests
    finally:
        for number, receiver in receivers.items():
            signal.signal(number, receiver)


def test_what_comes_before_a_run_has_begun_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop that came while the journal was opened was ignored, and the run began and traded on."""
    former = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(setups, "listens", lambda _: False)
    monkeypatch.setattr(wiring, "perform_run", lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        with pytest.raises(KeyboardInterrupt):
            performing.performed(None, SimpleNamespace(speed=1), PlainView(), style="text")  # type: ignore[arg-type]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, former)
