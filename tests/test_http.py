"""Requests of one account: answered once, in time, within the venue's budget, and what went wrong is named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
from transport_kit import MS, Answer, Asked, MemoryTransport, S, as_json, run_virtual

from engine.runtime.loop import VirtualLoop
from exchanges.budget import Budget, Use
from exchanges.errors import AuthFailed, ExchangeError, LinkDown, OutcomeUnknown, RateLimited, Rejected
from exchanges.http import Call, Http, Judge, Outcome, excerpt, plain_error, reply_to
from exchanges.transport import NO_HEADERS, Response
from exchanges.types import Refusal, Refused, Reply, Unknown


class Bench:
    def __init__(self, loop: VirtualLoop, per_minute: int, judge: Judge) -> None:
        self.clock = loop.clock
        self.answers: dict[str, Answer] = {}
        self.transport = MemoryTransport(loop.clock, self._answer, delay_ns=10 * MS)
        self.http = Http(
            "https://venue/", transport=self.transport, clock=loop.clock, budget=Budget(per_minute), judge=judge,
            warm_path="/ping",
        )  # fmt: skip
        self.outcomes: list[tuple[int, Outcome, int]] = []

    def _answer(self, asked: Asked) -> Answer:
        return self.answers.get(asked.path, as_json("fine"))

    def call(self, path: str = "/order", *, use: Use = Use.TRADE, body: bytes = b"{}") -> Call:
        return Call("POST" if body else "GET", path, use, self.clock.now_ns() + 2 * S, NO_HEADERS, body)

    def send(self, path: str = "/order") -> None:
        self.http.send(self.call(path), self._told)

    def _told(self, outcome: Outcome, written_ns: int) -> None:
        self.outcomes.append((self._ms(self.clock.now_ns()), outcome, self._ms(written_ns) if written_ns else -1))

    @staticmethod
    def _ms(at_ns: int) -> int:
        return (at_ns - S) // MS


def bench(
    main: Callable[[Bench], Coroutine[Any, Any, None]], *, per_minute: int = 100, judge: Judge = plain_error
) -> Bench:
    async def run(loop: VirtualLoop) -> Bench:
        made = Bench(loop, per_minute, judge)
        try:
            await main(made)
        finally:
            await made.http.close()
        return made

    return run_virtual(run)


def test_a_burst_leaves_at_once_and_each_is_answered() -> None:
    async def main(it: Bench) -> None:
        for _ in range(5):
            it.send()
        await asyncio.sleep(1)

    it = bench(main)
    assert [asked.at_ns for asked in it.transport.asked] == [S] * 5  # none waits for the answer of another
    assert [(at, written) for at, _, written in it.outcomes] == [(10, 0)] * 5


def test_no_answer_is_unknown_at_the_deadline() -> None:
    async def main(it: Bench) -> None:
        it.answers["order"] = None
        it.send()
        await asyncio.sleep(3)

    [(at, outcome, written)] = bench(main).outcomes
    assert (at, type(outcome), written) == (2000, OutcomeUnknown, 0)


def test_what_is_on_its_way_when_the_network_closes_is_told_once() -> None:
    async def main(it: Bench) -> None:
        it.answers["order"] = None
        it.send()
        await it.transport.close()
        await asyncio.sleep(3)

    [(at, outcome, _)] = bench(main).outcomes
    assert (at, type(outcome)) == (0, OutcomeUnknown)


def test_the_budget_keeps_requests_back_for_trading() -> None:
    async def main(it: Bench) -> None:
        for _ in range(5):
            await it.http.ask(it.call(use=Use.UPKEEP, body=b""))
        with pytest.raises(RateLimited) as refused:
            await it.http.ask(it.call(use=Use.UPKEEP, body=b""))
        assert refused.value.retry_ms == 60_000 - 50
        for _ in range(5):
            it.send()
        it.send()
        await asyncio.sleep(1)

    it = bench(main, per_minute=10)
    assert len(it.transport.asked) == 10
    assert [type(outcome) for _, outcome, _ in it.outcomes] == [RateLimited, *[Response] * 5]


@pytest.mark.parametrize(("header", "wait_s"), [({"retry-after": "7"}, 7), ({}, 1), ({"retry-after": "soon"}, 1)])
def test_too_many_requests_closes_the_budget_for_a_while(header: dict[str, str], wait_s: int) -> None:
    async def main(it: Bench) -> None:
        it.answers["order"] = Response(429, header, b"")
        it.send()
        await asyncio.sleep(wait_s)
        it.answers.clear()
        it.send()
        await asyncio.sleep(0.02)
        it.send()
        await asyncio.sleep(0.02)

    it = bench(main)
    assert [type(outcome) for _, outcome, _ in it.outcomes] == [RateLimited, RateLimited, Response]
    assert len(it.transport.asked) == 2  # the one in between did not leave


def test_one_budget_serves_every_client_that_the_venue_counts_together() -> None:
    budget = Budget(3)
    assert [budget.take(S, Use.TRADE) for _ in range(4)] == [0, 0, 0, 61 * S]
    assert budget.take(61 * S, Use.TRADE, weight=3) == 0


def test_what_became_of_one_order_is_asked_where_other_questions_wait() -> None:
    """Seed 475 of the simulation: resyncs left nothing to ask about a hedge with, and 0.0075 stood open for 21 s."""
    budget = Budget(20)
    assert budget.take(S, Use.TRADE, weight=18) == 0
    assert [budget.take(S, use) for use in (Use.ASK, Use.ORDER, Use.ORDER, Use.TRADE)] == [61 * S, 0, 61 * S, 0]
    budget.block(70 * S)
    budget.block(71 * S)
    assert (budget.take(72 * S, Use.ORDER), budget.take(72 * S, Use.ASK)) == (0, 73 * S)


def test_what_a_venue_counts_apart_has_a_budget_of_its_own_with_its_own_span() -> None:
    async def main(it: Bench) -> None:
        apart = Budget(2, span_ns=2 * S)
        call = replace(it.call(), budget=apart)
        for _ in range(3):
            it.http.send(call, it._told)
        await asyncio.sleep(0.1)
        assert [isinstance(outcome, RateLimited) for _, outcome, _ in it.outcomes] == [True, False, False]
        await asyncio.sleep(2)
        it.http.send(replace(call, deadline_ns=it.clock.now_ns() + S), it._told)
        it.send()  # that of the session is untouched by the other
        it.answers["/order"] = Response(429, {}, b"")
        it.http.send(replace(it.call(), budget=apart), it._told)
        await asyncio.sleep(0.1)
        assert apart.take(it.clock.now_ns(), Use.TRADE) > 0
        it.answers.clear()
        it.send()
        await asyncio.sleep(0.1)
        assert isinstance(it.outcomes[-1][1], Response)

    bench(main)


def test_blocks_double_until_a_request_passes() -> None:
    budget = Budget(100)
    waits = [budget.block(at * S) // S - at for at in (0, 2, 5, 10, 20, 40, 80)]
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    assert budget.take(81 * S - 1, Use.TRADE) == 81 * S  # a hedge is held up for a second by what we only guess …
    assert (budget.take(81 * S, Use.TRADE), budget.take(81 * S, Use.ASK)) == (0, 110 * S)
    budget.passed(82 * S)
    assert budget.take(82 * S, Use.ASK) == 0  # it has answered that hedge: the guess was too long
    assert budget.block(100 * S) == 101 * S
    budget.block(200 * S, for_ns=60 * S)
    budget.passed(201 * S)
    assert budget.take(259 * S, Use.TRADE) == 260 * S  # … and for as long as the venue itself says


def test_what_left_together_is_one_too_many_and_no_further_ones() -> None:
    """Seed 8 of the catalogue on Backpack: five questions side by side made 16 s of it, in which nobody was asked."""
    budget = Budget(100)
    assert [budget.block(S + ms * 1_000_000) // S for ms in range(5)] == [2, 2, 2, 2, 2]
    budget.passed(S + 6_000_000)  # left before, answered late
    assert budget.take(S + 7_000_000, Use.ASK) > 2 * S
    assert budget.block(3 * S) == 4 * S
    assert budget.block(5 * S) == 7 * S


def test_connections_are_warmed_and_kept_warm() -> None:
    async def main(it: Bench) -> None:
        await it.http.warm()
        assert [asked.path for asked in it.transport.asked] == ["ping"] * 5
        assert {asked.at_ns for asked in it.transport.asked} == {S}  # side by side, so on connections of their own
        await asyncio.sleep(26)
        assert len(it.transport.asked) == 10
        it.answers["ping"] = LinkDown("gone")
        await asyncio.sleep(25)  # a failing upkeep harms nobody
        with pytest.raises(LinkDown, match="gone"):
            await it.http.warm()

    bench(main)


def test_connections_stay_cold_rather_than_keep_an_account_away() -> None:
    """Half of the budget is for upkeep. Accounts of Lighter that came back after a suspend used up the other half by
    trying, and none of them ever connected again (seed 30 of the simulated catalogue)."""

    async def main(it: Bench) -> None:
        for _ in range(60):
            await it.http.ask(Call("GET", "/ping", Use.ASK, 10 * S, NO_HEADERS))
        before = len(it.transport.asked)
        await it.http.warm()
        assert len(it.transport.asked) == before

    bench(main, per_minute=100)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((200, None), (202, None), (301, OutcomeUnknown), (401, AuthFailed), (403, OutcomeUnknown)),
        *((404, OutcomeUnknown), (429, RateLimited), (500, OutcomeUnknown), (503, OutcomeUnknown)),
    ],
)
def test_a_status_alone_refuses_nothing_for_good(status: int, expected: type | None) -> None:
    error = plain_error(Response(status, {}, b"<html>Bad gateway</html>"))
    assert (None if error is None else type(error)) is expected


@pytest.mark.parametrize(
    ("status", "passing"),
    [
        *((301, False), (400, False), (401, False), (403, False), (404, False)),
        *((200, True), (500, True), (502, True), (504, True)),
    ],
)
def test_only_an_answer_of_5xx_may_be_another_one_a_moment_later(status: int, passing: bool) -> None:
    """Whatever the venue's words are: some say of a refused key that the server failed."""

    async def main(it: Bench) -> None:
        it.answers["order"] = Response(status, {}, b"{}")
        with pytest.raises(OutcomeUnknown) as failed:
            await it.http.ask(it.call())
        assert failed.value.passing is passing

    bench(main, judge=lambda _: OutcomeUnknown("SERVER_ERROR"))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Rejected(Refusal.MARGIN, "no margin"), Refused(Refusal.MARGIN, "no margin")),
        (Rejected(Refusal.DUPLICATE_ID, "exists"), Unknown("duplicate_id: exists")),  # it may be this order itself
        (RateLimited("slow down", retry_ms=1), Refused(Refusal.RATE, "slow down")),
        (AuthFailed("bad key"), Refused(Refusal.VENUE, "bad key")),
        (LinkDown("did not leave"), Refused(Refusal.VENUE, "did not leave")),
        (OutcomeUnknown("HTTP 500"), Unknown("HTTP 500")),
    ],
)
def test_refused_only_where_nothing_can_ever_fill(error: ExchangeError, expected: Reply) -> None:
    assert reply_to(error, signed_ns=1, written_ns=2) == expected


def test_an_unknown_outcome_says_when_the_request_is_dead() -> None:
    reply = reply_to(OutcomeUnknown("?"), signed_ns=1, written_ns=2, dead_ns=3)
    assert isinstance(reply, Unknown)
    assert reply.dead_ns == 3


def test_a_body_is_shown_on_one_line_and_short() -> None:
    assert excerpt(b"<html>\r\n <b>\x1b[31mBad\xff</b>" + b" x" * 400)[:26] == "<html> <b>?[31mBad\ufffd</b> x "
    assert len(excerpt(b"y" * 10_000)) == 200
    assert excerpt(b"\n ") == "empty body"
