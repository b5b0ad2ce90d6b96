"""The sender: what leaves when, in which order, and what is given back instead. Times in ms since the start."""

from __future__ import annotations

import asyncio

import pytest
from runtime_kit import MS, START, FakeClient, S, cancel, place, run_virtual

from engine.runtime.loop import VirtualLoop
from engine.runtime.sender import COALESCED, CROWDED, EXPIRED, MOST_OPENINGS, SUPERSEDED, Sender
from engine.trading.effects import AskOrder, PlaceOrder, Urgency
from engine.trading.inputs import Answered, Input, NotSent, Request
from engine.trading.rates import RateWindow
from exchanges.types import Accepted, Unknown

ASK = AskOrder(account="m", symbol="ETH", client_id="asked", token=1)


class Wire:
    """A sender with everything around it noted as `(ms, what)`."""

    def __init__(self, loop: VirtualLoop, *, per_minute: int = 10, objections: dict[str, str] | None = None) -> None:
        self.loop = loop
        self.client = FakeClient("m")
        self.client.answer = None
        self.seen: list[tuple[int, str]] = []
        self.objections = objections or {}
        self.sender = Sender(
            self.client, clock=loop.clock, rate=RateWindow(per_minute), tell=self.told, ask=self.asked,
            objection=self.objection, on_sent=self.on_sent,
        )  # fmt: skip

    def note(self, what: str) -> None:
        self.seen.append(((self.loop.clock.now_ns() - START) // MS, what))

    def told(self, given: Input) -> None:
        match given:
            case NotSent():
                self.note(f"not sent {given.request.value} {given.client_id}: {given.why}")
            case Answered():
                self.note(f"answered {given.client_id} {given.reply}")

    def asked(self, request: AskOrder) -> None:
        self.note(f"ask {request.client_id}")

    def objection(self, order: PlaceOrder) -> str:
        return self.objections.get(order.request.client_id, "")

    def on_sent(self, client_id: str, request: Request, at_ns: int) -> None:
        assert at_ns == self.loop.clock.now_ns()
        self.note(f"{request.value} {client_id}")

    def offer(self, *requests: object) -> None:
        for request in requests:
            self.sender.offer(request, self.loop.clock.now_ns())  # type: ignore[arg-type]

    def spend(self, n: int) -> None:
        """Use up `n` requests of this minute and forget about them."""
        self.offer(*(cancel(f"spent{i}") for i in range(n)))
        self.seen.clear()


def hedge(client_id: str, *, not_after_ns: int = START + 200 * S) -> PlaceOrder:
    return place(client_id, urgency=Urgency.HEDGE, not_after_ns=not_after_ns)


def opening(client_id: str, *, not_after_ns: int = START + 200 * S) -> PlaceOrder:
    return place(client_id, not_after_ns=not_after_ns)


def test_requests_leave_at_once_while_the_rate_allows() -> None:
    async def main(loop: VirtualLoop) -> list[tuple[int, str]]:
        wire = Wire(loop)
        wire.offer(opening("o"), hedge("h"), cancel("c"), ASK)
        assert wire.client.calls == ["m submit o", "m submit h", "m cancel c"]
        assert wire.sender.sent == 4
        return wire.seen

    assert run_virtual(main) == [(0, "place o"), (0, "place h"), (0, "cancel c"), (0, "ask asked")]


def test_what_waits_leaves_by_urgency_then_in_the_order_of_the_decisions() -> None:
    async def main(loop: VirtualLoop) -> list[tuple[int, str]]:
        wire = Wire(loop, per_minute=10)
        wire.spend(10)
        flatten = place("f", urgency=Urgency.FLATTEN, not_after_ns=START + 200 * S)
        late = START + 200 * S
        wire.offer(opening("o1"), ASK, flatten, hedge("h1"), opening("o2"), hedge("h2"), cancel("c", not_after_ns=late))
        await asyncio.sleep(61)
        return wire.seen

    assert run_virtual(main) == [
        (60_000, what)
        for what in ("cancel c", "place h1", "place h2", "place f", "ask asked", "place o1")
    ]  # fmt: skip


def test_no_minute_sees_more_than_the_rate_and_openings_leave_a_reserve() -> None:
    async def main(loop: VirtualLoop) -> list[tuple[int, str]]:
        wire = Wire(loop, per_minute=10)
        wire.offer(*(opening(f"o{n}") for n in range(8)))
        await asyncio.sleep(1)
        wire.offer(*(hedge(f"h{n}") for n in range(5)))
        await asyncio.sleep(120)
        return wire.seen

    assert run_virtual(main) == [
        *((0, f"place o{n}") for n in range(6)),  # 60 % of 10
        *((1_000, f"place h{n}") for n in range(4)),  # the reserve
        (60_000, "place h4"),
        (60_000, "place o6"),  # h4 and four of the last minute make 5
        (61_000, "place o7"),
    ]


def test_an_account_with_one_request_a_minute_can_still_open() -> None:
    async def main(loop: VirtualLoop) -> list[tuple[int, str]]:
        wire = Wire(loop, per_minute=1)
        wire.offer(opening("o1"), opening("o2"))
        await asyncio.sleep(61)
        return wire.seen

    assert run_virtual(main) == [(0, "place o1"), (60_000, "place o2")]


def test_a_request_is_never_sent_after_its_time_and_the_desk_hears_of_it_at_once() -> None:
    async def main(loop: VirtualLoop) -> list[tuple[int, str]]:
        wire = Wire(loop, per_minute=2)
        wire.offer(opening("past", not_after_ns=START - 1), hedge("just", not_after_ns=START))
        wire.offer(hedge("spent"))
        wire.offer(
            opening("o", not_after_ns=START + 2 * S),
            hedge("h", not_after_ns=START + 3 * S),
            cancel("c", not_after_ns=START + 60 * S),
        )
        await asyncio.sleep(61)
        return wire.seen

    assert run_virtual(main) == [
        (0, f"not sent place past: {EXPIRED}"),
        (0, "place just"),
        (0, "place spent"),
        (2_000, f"not sent place o: {EXPIRED}"),
        (3_000, f"not sent place h: {EXPIRED}"),
        (60_000, "cancel c"),
    ]


def test_openings_alone_are_looked_at_again_at_the_wire() -> None:
    async def main(loop: VirtualLoop) -> list[tuple[int, str]]:
        wire = Wire(loop, per_minute=2, objections={"o1": "book is 1200 ms old", "h": "not asked"})
        wire.offer(opening("o1"), hedge("h"), opening("o2"))
        wire.objections["o2"] = "halted meanwhile"
        await asyncio.sleep(61)
        return wire.seen

    assert run_virtual(main) == [
        (0, "not sent place o1: book is 1200 ms old"),
        (0, "place h"),
        (60_000, "not sent place o2: halted meanwhile"),
    ]


def test_a_dropped_opening_costs_no_token() -> None:
    async def main(loop: VirtualLoop) -> list[tuple[int, str]]:
        wire = Wire(loop, per_minute=1, objections={"o1": "no"})
        wire.offer(opening("o1"), hedge("h"))
        return wire.seen

    assert run_virtual(main) == [(0, "not sent place o1: no"), (0, "place h")]


def test_unsent_hedges_are_given_back_for_one_order_that_covers_the_need() -> None:
    async def main(loop: VirtualLoop) -> list[tuple[int, str]]:
        wire = Wire(loop, per_minute=2)
        wire.spend(2)
        await asyncio.sleep(1)
        wire.offer(cancel("c", not_after_ns=START + 200 * S), hedge("h1"), hedge("h2"))
        await asyncio.sleep(1)
        wire.offer(hedge("h3"))
        wire.offer(hedge("h4"))  # what the desk makes of it, decided at the same time
        wire.offer(hedge("h5"))
        await asyncio.sleep(120)
        return wire.seen

    assert run_virtual(main) == [
        (2_000, f"not sent place h1: {SUPERSEDED}"),
        (2_000, f"not sent place h2: {SUPERSEDED}"),
        (2_000, f"not sent place h3: {COALESCED}"),
        (60_000, "cancel c"),
        (60_000, "place h4"),
        (120_000, "place h5"),
    ]


def test_openings_that_would_wait_too_long_are_given_back() -> None:
    async def main(loop: VirtualLoop) -> list[tuple[int, str]]:
        wire = Wire(loop, per_minute=1_000)
        wire.spend(600)
        wire.offer(*(opening(f"o{n}") for n in range(MOST_OPENINGS + 1)))
        return wire.seen

    assert run_virtual(main) == [(0, f"not sent place o{MOST_OPENINGS}: {CROWDED}")]


def test_room_for_openings_comes_back_when_they_leave_or_expire() -> None:
    async def main(loop: VirtualLoop) -> list[str]:
        wire = Wire(loop, per_minute=1_000)
        wire.spend(600)
        soon = START + S
        wire.offer(*(opening(f"o{n}", not_after_ns=soon if n % 2 else START + 200 * S) for n in range(MOST_OPENINGS)))
        await asyncio.sleep(2)
        wire.offer(*(opening(f"p{n}") for n in range(MOST_OPENINGS // 2)))
        await asyncio.sleep(60)
        wire.offer(opening("last"))
        return [what for _, what in wire.seen]

    assert run_virtual(main) == [
        *(f"not sent place o{n}: {EXPIRED}" for n in range(1, MOST_OPENINGS, 2)),
        *(f"place o{n}" for n in range(0, MOST_OPENINGS, 2)),
        *(f"place p{n}" for n in range(MOST_OPENINGS // 2)),
        "place last",
    ]


def test_answers_come_back_with_their_request() -> None:
    async def main(loop: VirtualLoop) -> list[tuple[int, str]]:
        wire = Wire(loop)
        wire.client.answer = Accepted("o1")
        wire.offer(hedge("h"), cancel("c"))
        return wire.seen

    assert run_virtual(main) == [
        (0, "place h"),
        (0, "answered h Accepted(order_id='o1', signed_ns=0, written_ns=0)"),
        (0, "cancel c"),
        (0, "answered c Accepted(order_id='o1', signed_ns=0, written_ns=0)"),
    ]


@pytest.mark.parametrize("call", ["submit", "cancel"])
def test_a_client_that_raises_leaves_the_outcome_unknown(call: str) -> None:
    async def main(loop: VirtualLoop) -> list[tuple[int, str]]:
        wire = Wire(loop)
        wire.client.errors[call] = [ZeroDivisionError()]
        with pytest.raises(ZeroDivisionError):
            wire.offer(hedge("x") if call == "submit" else cancel("x"))
        return wire.seen

    request = "place" if call == "submit" else "cancel"
    unknown = Unknown("ZeroDivisionError while sending")
    assert run_virtual(main) == [(0, f"{request} x"), (0, f"answered x {unknown}")]


def test_a_closed_sender_sends_nothing_more() -> None:
    async def main(loop: VirtualLoop) -> list[tuple[int, str]]:
        wire = Wire(loop, per_minute=1)
        wire.offer(hedge("h1"), hedge("h2"))
        wire.sender.close()
        await asyncio.sleep(61)
        wire.offer(hedge("h3"))
        return wire.seen

    assert run_virtual(main) == [(0, "place h1")]
