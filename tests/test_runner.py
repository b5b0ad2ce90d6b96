"""The runner around a scripted desk: order of journal and sends, timers, questions, the stop ladder, failures."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
from runtime_kit import (
    MS,
    START,
    D,
    FakeClient,
    ListJournal,
    QuietWatch,
    S,
    ScriptedDesk,
    cancel,
    fill,
    margin,
    place,
    quote,
    run_virtual,
)

from engine.errors import NotFlatBefore
from engine.runtime.chance import Chance
from engine.runtime.clock import GapWatch
from engine.runtime.garbage import QuietRounds, QuietStart
from engine.runtime.loop import VirtualLoop
from engine.runtime.runner import MOST_FAILURES, Ending, Runner
from engine.runtime.stepping import SLICE_NS
from engine.trading.effects import (
    Alert,
    ArmTimer,
    AskOrder,
    AskPositions,
    DisarmTimer,
    Effect,
    Finish,
    Level,
    Moved,
    RoundBegan,
    RoundEnded,
    Urgency,
)
from engine.trading.inputs import (
    Answered,
    Carried,
    ClockJumped,
    Counted,
    Input,
    Looked,
    MarketSeen,
    NotSent,
    PauseAsked,
    Recalled,
    Relisted,
    Request,
    SourceChecked,
    Started,
    StopAsked,
    TimerFired,
)
from exchanges.errors import AuthFailed, LinkDown, OutcomeUnknown, RateLimited, Rejected
from exchanges.reads import Reads
from exchanges.synthetic import demo_instrument
from exchanges.types import (
    Accepted,
    Fill,
    Instrument,
    LinkState,
    LinkUpdate,
    OrderState,
    Position,
    PrivateEvent,
    Quote,
    Refusal,
    Refused,
    Side,
    Unknown,
)

DONE = Finish(0, "flat")
MOVED = Moved("order.filled", "opening", "hedging", 1)
CLOSED = MarketSeen(open=False, reason="stale", text="")
BEGAN = Started((), (margin("m"), margin("t")))
STARTED = (0, BEGAN)
Script = Callable[[Input], list[Effect]]


class Room:
    """A runner with accounts m and t on one book, and everything around it."""

    def __init__(self, loop: VirtualLoop, script: Script, **options: object) -> None:
        self.loop = loop
        self.calls: list[str] = []
        self.clients = {name: FakeClient(name, calls=self.calls) for name in ("m", "t")}
        self.desk = ScriptedDesk(script)
        self.journal = ListJournal(self.calls)
        self.watch = QuietWatch()
        self.shown: list[Effect] = []
        self.trace: list[tuple[int, int, Input, list[Effect]]] = []
        self.reads = Reads()
        self.runner = Runner(
            self.desk, self.clients, symbols={"m": "ETH", "t": "ETH"}, clock=loop.clock, watch=self.watch,
            journal=self.journal, chance=Chance(1), orders_per_minute=100, max_book_age_ns=S, reads=self.reads,
            **{"sinks": [self.shown.append], "traces": [lambda *step: self.trace.append(step)], **options},
        )  # type: ignore[arg-type]  # fmt: skip

    def at(self, ms: int, callback: Callable[..., None], *args: object) -> None:
        self.loop.clock.call_at(START + ms * MS, callback, *args)

    async def run(self) -> int:
        return await self.runner.run()

    @property
    def seen(self) -> list[tuple[int, Input]]:
        return self.desk.seen


def reacts(reactions: dict[Input, list[Effect]]) -> Script:
    """A script by exact input; it finishes when asked to stop."""
    table = {StopAsked(1): [DONE], **reactions}
    return lambda given: table.get(given, [])


def run(script: Script, arrange: Callable[[Room], None] = lambda _: None, **options: object) -> tuple[Room, int]:
    async def main(loop: VirtualLoop) -> tuple[Room, int]:
        room = Room(loop, script, **options)
        arrange(room)
        return room, await room.run()

    return run_virtual(main)


# --- the way through a run


def test_a_run_connects_starts_waits_for_the_end_and_leaves() -> None:
    def arrange(room: Room) -> None:
        room.clients["m"].positions = [Position("m", "ETH", D(2))]
        room.at(500, room.runner.handle, fill())

    began = Started((Position("m", "ETH", D(2)),), (margin("m"), margin("t")))
    room, code = run(reacts({fill(): [MOVED, Finish(7, "because")]}), arrange)
    assert (code, room.runner.ending) == (7, Ending(7, "because"))
    assert room.seen == [(0, began), (500, fill())]
    assert room.calls == [
        "m connect", "t connect",
        "m positions", "t positions",
        "step 1 Started []", "step 2 Fill []",
        "m leaving", "t leaving",
        "m positions", "t positions", "end 1 ['m', 't']",
        "m disconnect", "t disconnect",
        "flush",
    ]  # fmt: skip
    assert room.shown == [MOVED, Finish(7, "because")]
    assert room.trace == [
        (1, START, began, []),
        (2, START + 500 * MS, fill(), [MOVED, Finish(7, "because")]),
    ]


def test_before_it_leaves_a_run_asks_for_the_price_of_what_a_sum_has_told() -> None:
    """Only of its own orders, and after the positions, whose reading mostly brings the rows (S5)."""

    def arrange(room: Room) -> None:
        room.desk.missing = {"t": START}
        room.clients["t"].fills = [fill("t")]
        room.at(500, room.runner.stop, 1)

    room, code = run(reacts({}), arrange)
    assert code == 0
    assert [given for _, given in room.seen][-1] == fill("t")
    assert room.calls[room.calls.index("m leaving") :] == [
        "m leaving", "t leaving", "step 2 StopAsked []",  # whether all is flat is asked for now, and waited for (S11)
        "m leaving", "t leaving", "m positions", "t positions", "t fills", "step 3 Fill []", "end 0 ['m', 't']",
        "m disconnect", "t disconnect", "flush",
    ]  # fmt: skip


@pytest.mark.parametrize(("overtaken", "readings"), [(0, 1), (1, 2), (9, 4)])
def test_a_last_reading_that_a_fill_overtook_is_made_anew(overtaken: int, readings: int) -> None:
    """S17, single cell 173 on backpack,lighter: a trade by hand came as the run ended, and was hedged back at once.

    The reading from in between went into the journal, and an audit found a difference that was none.
    """
    last = []

    def arrange(room: Room) -> None:
        client = room.clients["t"]
        read = client.get_account_positions

        async def reading() -> Sequence[Position]:
            held = await read()
            if room.runner.ending is not None:
                last.append(len(last))
                if len(last) <= overtaken:
                    room.runner._private(fill("t"))
            return held

        client.get_account_positions = reading  # type: ignore[method-assign]
        room.at(500, room.runner.stop, 1)

    run(reacts({}), arrange)
    assert len(last) == readings


def test_intents_are_written_before_anything_is_sent_and_the_rest_after() -> None:
    sends: list[Effect] = [place("h", account="t", urgency=Urgency.HEDGE), cancel("c"), DONE]
    room, _ = run(reacts({fill(): sends}), lambda room: room.at(1, room.runner.handle, fill()))
    assert room.calls[room.calls.index("step 1 Started []") + 1 :][:8] == [
        "intent h c",
        "sent place h", "t submit h",
        "sent cancel c", "m cancel c",
        "step 2 Fill []",
        "step 3 Answered []", "step 4 Answered []",
    ]  # fmt: skip


def hedges_early(room: Room, standing: list[Effect], then: Callable[[], list[Effect]]) -> None:
    """At 1 ms comes a fill; the desk decides `standing` by its rule, and `then` is what the flow does."""

    def script(given: Input) -> list[Effect]:
        if given != fill():
            return [DONE] if isinstance(given, StopAsked) else []
        assert room.desk.on_hedges is not None
        room.desk.on_hedges(standing)
        room.calls.append("the flow hears of it")
        return [*standing, *then()]

    room.desk._script = script
    room.at(1, room.runner.handle, fill())


def test_a_hedge_has_left_before_the_flow_hears_of_the_fill_and_leaves_once() -> None:
    timer = ArmTimer("hedging", "soft age", 1, START + S)
    standing = [timer, place("h", account="t", urgency=Urgency.HEDGE)]
    room, _ = run(reacts({}), lambda room: hedges_early(room, standing, lambda: [cancel("c"), MOVED, DONE]))
    assert room.calls[room.calls.index("step 1 Started []") + 1 :][:8] == [
        "intent h", "sent place h", "t submit h",
        "the flow hears of it",
        "intent c", "sent cancel c", "m cancel c",
        "step 2 Fill []",
    ]  # fmt: skip
    assert room.trace[1] == (2, START + MS, fill(), [*standing, cancel("c"), MOVED, DONE])


def test_fills_that_came_together_are_hedged_before_the_first_of_them_is_recorded() -> None:
    """Five fills in one read: what is journalled and shown of the first may not stand before the hedge of the last."""
    first, second = replace(fill(), trade_id="1"), replace(fill(), trade_id="2")
    hedges = {it: place(f"h{it.trade_id}", account="t", urgency=Urgency.HEDGE) for it in (first, second)}

    def arrange(room: Room) -> None:
        def script(given: Input) -> list[Effect]:
            if not isinstance(given, Fill):
                return [DONE] if isinstance(given, StopAsked) else []
            assert room.desk.on_hedges is not None
            room.desk.on_hedges([hedges[given]])
            return [hedges[given]]

        room.desk._script = script
        room.at(1, lambda: [room.runner.handle(it) for it in (first, second)])
        room.at(2, room.calls.append, "a millisecond later")
        room.at(2, room.runner.stop, 1)

    room, _ = run(reacts({}), arrange)
    assert room.calls[room.calls.index("step 1 Started []") + 1 :][:8] == [
        "intent h1", "sent place h1", "t submit h1", "intent h2", "sent place h2", "t submit h2",
        "step 2 Fill []", "step 3 Answered []",
    ]  # fmt: skip
    assert room.calls.index("step 4 Fill []") < room.calls.index("a millisecond later")
    assert [(seq, given) for seq, _, given, _ in room.trace if isinstance(given, Fill)] == [(2, first), (4, second)]


def test_between_two_records_of_steps_that_stood_back_a_fill_gets_its_turn() -> None:
    """A round's end leaves a dozen steps to record, 2 ms, and the next round's first fill may come meanwhile."""
    rooms: list[Room] = []

    def recorded(*_: object) -> None:
        rooms[0].loop.clock.at_ns += SLICE_NS if rooms[0].calls[-1] == "step 2 Fill []" else SLICE_NS // 2

    def arrange(room: Room) -> None:
        def script(given: Input) -> list[Effect]:
            if isinstance(given, StopAsked):
                return [DONE]
            if given == fill():
                assert room.desk.on_hedges is not None
                room.desk.on_hedges([hedge])
                return [hedge]
            return []

        hedge = place("h", account="t", urgency=Urgency.HEDGE)
        rooms.append(room)
        room.desk._script = script
        room.clients["t"].answer = None
        room.at(1, lambda: [room.runner.handle(it) for it in (fill(), *[CLOSED] * 4)])
        room.loop.clock.call_at(START + MS + 1, room.calls.append, "another frame")
        room.at(2, room.runner.stop, 1)

    room, _ = run(reacts({}), arrange, traces=[recorded])
    calls = room.calls[room.calls.index("t submit h") + 1 :]
    assert [call for call in calls if "Stop" not in call][:6] == [
        "step 2 Fill []", "another frame",
        "step 3 MarketSeen []", "step 4 MarketSeen []", "step 5 MarketSeen []", "step 6 MarketSeen []",
    ]  # fmt: skip


# --- fills of one read


def one_read(
    messages: Callable[[Room], list[Callable[[], object]]], flow: Mapping[str, list[Effect]], **options: object
) -> list[str]:
    """What happens from 1 ms on, when one read brings all `messages`. Fill 1 is hedged by h1; `flow` adds the rest."""

    def arrange(room: Room) -> None:
        def script(given: Input) -> list[Effect]:
            if isinstance(given, Answered):
                room.calls.append(f"answered {given.client_id}")
            if not isinstance(given, Fill):
                return [DONE] if isinstance(given, StopAsked) else []
            assert room.desk.on_hedges is not None
            number = given.trade_id
            hedges: list[Effect] = [place(f"h{number}", account="t", urgency=Urgency.HEDGE)] if number else []
            if hedges:
                room.desk.on_hedges(hedges)
            room.calls.append(f"the flow hears of {number}")
            return [*hedges, *flow.get(number, [])]

        room.desk._script = script
        room.at(1, lambda: room.reads.hand_over(messages(room)))
        room.at(2, room.calls.append, "a millisecond later")
        room.at(2, room.runner.stop, 1)

    room, _ = run(reacts({}), arrange, **options)
    calls = room.calls[room.calls.index("step 1 Started []") + 1 :]
    return [call for call in calls if "Answered" not in call]


def brings(room: Room, number: str) -> Callable[[], object]:
    return partial(room.runner.handle, replace(fill(), trade_id=number))


def test_the_hedges_of_one_read_leave_together_at_its_last_fill_and_all_else_behind_them() -> None:
    """One commit for all; what the flow asks at the first fill stands back behind the last one's hedge."""
    flow: dict[str, list[Effect]] = {"1": [cancel("c"), MOVED]}
    calls = one_read(lambda room: [brings(room, number) for number in "123"], flow)
    assert calls[: calls.index("a millisecond later") + 1] == [
        "the flow hears of 1", "the flow hears of 2",
        "intent h1 h2 h3",
        "sent place h1", "t submit h1", "sent place h2", "t submit h2", "sent place h3", "t submit h3",
        "the flow hears of 3",
        "intent c", "sent cancel c", "m cancel c", "answered h1", "answered h2", "answered h3", "answered c",
        "step 2 Fill []", "step 3 Fill []", "step 4 Fill []",
        "a millisecond later",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("between", "said"),
    [
        (lambda room: room.clients["m"].quotes["ETH"](quote()), []),
        (lambda room: room.runner.handle(CLOSED), []),
        (lambda room: room.runner.alert(Alert(Level.WARNING, "logs_lost", "", {})), ["alert logs_lost 1001000000"]),
        (lambda room: room.runner.stop(3), []),
    ],
)
def test_a_hedge_waits_for_fills_of_its_read_and_for_nothing_else(
    between: Callable[[Room], None], said: list[str]
) -> None:
    """A quote behind it, another word, an alert, or somebody who leaves at once: the hedge leaves first."""
    calls = one_read(
        lambda room: [brings(room, "1"), partial(between, room), partial(room.calls.append, "another message")], {}
    )
    sent = calls.index("t submit h1")
    assert calls[: sent + 1] == ["the flow hears of 1", "intent h1", "sent place h1", "t submit h1"]
    assert sent < calls.index("another message")
    assert [call for call in calls if call.startswith("alert")] == said


def test_who_leaves_in_the_middle_of_a_read_leaves_no_step_half_done() -> None:
    """What its flow asked for has left as well: an intent without a send would be a finding of the audit."""

    def unanswered(room: Room) -> list[Callable[[], object]]:
        for client in room.clients.values():
            client.answer = None
        return [brings(room, "1"), partial(room.runner.stop, 3), brings(room, "2")]

    assert one_read(unanswered, {"1": [cancel("c")]})[:8] == [
        "the flow hears of 1",
        "intent h1", "sent place h1", "t submit h1",
        "intent c", "sent cancel c", "m cancel c",
        "step 2 Fill []",
    ]  # fmt: skip


def rows_noted(monkeypatch: pytest.MonkeyPatch, *, fails: bool = False) -> None:
    @contextmanager
    def together(client: FakeClient) -> Iterator[None]:
        client.calls.append(f"{client.account} together")
        yield
        client.calls.append(f"{client.account} at the end")
        if fails:
            raise ValueError("a transport that broke its promise")

    monkeypatch.setattr(FakeClient, "together", together)


def test_a_client_knows_which_hedges_come_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that on Lighter one is signed while the one before is sent; one alone is no row."""
    rows_noted(monkeypatch)
    assert one_read(lambda room: [brings(room, number) for number in "12"], {})[1:9] == [
        "intent h1 h2", "m together", "t together",
        "sent place h1", "t submit h1", "sent place h2", "t submit h2", "t at the end",
    ]  # fmt: skip
    assert not [call for call in one_read(lambda room: [brings(room, "1")], {}) if "together" in call]


def test_a_row_that_fails_at_its_end_costs_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    rows_noted(monkeypatch, fails=True)
    calls = one_read(lambda room: [brings(room, number) for number in "12"], {"1": [cancel("c")]})
    assert {"intent c", "step 2 Fill []", "step 3 Fill []"} <= set(calls)


def test_where_the_last_message_of_a_read_is_no_fill_the_hedges_leave_at_its_end() -> None:
    """What the venue says at once is taken behind the last of them."""
    calls = one_read(
        lambda room: [*(brings(room, number) for number in ("1", "2", "")), partial(room.calls.append, "the last")], {}
    )
    assert calls[:11] == [
        "the flow hears of 1", "the flow hears of 2", "the flow hears of ", "the last", "intent h1 h2",
        "sent place h1", "t submit h1", "sent place h2", "t submit h2", "answered h1", "answered h2",
    ]  # fmt: skip


def test_however_many_fills_one_read_brings_a_hedge_waits_for_sixteen_at_the_most() -> None:
    """Also of fills that one message brings: their steps are counted, not their messages."""

    def one_message(room: Room) -> None:
        for number in range(1, 18):
            brings(room, str(number))()

    calls = one_read(lambda room: [partial(one_message, room), brings(room, "18")], {})
    intents = [call for call in calls if call.startswith("intent")]
    assert [len(call.split()) - 1 for call in intents] == [16, 2]
    assert calls.index("t submit h16") < calls.index("the flow hears of 17")


def test_a_read_that_breaks_off_keeps_no_hedge_back() -> None:
    def fails() -> None:
        raise ZeroDivisionError("a client")

    calls = one_read(lambda room: [brings(room, "1"), fails, brings(room, "2")], {})
    assert calls[:4] == ["the flow hears of 1", "intent h1", "sent place h1", "t submit h1"]
    assert "t submit h2" not in calls


def test_a_desk_that_fails_in_the_middle_of_a_read_has_sent_its_hedges() -> None:
    """Those of the fills before, and its own; then the run ends in order."""

    class Failing(list[Effect]):
        def __iter__(self) -> Iterator[Effect]:
            raise ZeroDivisionError("the flow")

    calls = one_read(lambda room: [brings(room, number) for number in "123"], {"2": Failing()})
    assert calls[:4] == ["the flow hears of 1", "the flow hears of 2", "intent h1 h2", "sent place h1"]
    assert calls.index("t submit h2") < calls.index("alert internal_error 1001000000") < calls.index("step 2 Fill []")
    steps = [call.split()[2] for call in calls if call.startswith("step")]
    assert steps[:3] == ["Fill", "Fill", "StopAsked"]


def test_the_journal_has_caught_up_before_it_is_asked_and_before_an_alert_is_told() -> None:
    late = replace(fill("t"), client_id="gone")

    def arrange(room: Room) -> None:
        room.desk.forgotten.add("gone")
        hedge = place("h", account="t", urgency=Urgency.HEDGE)
        hedges_early(room, [hedge], list)
        room.at(1, lambda: room.clients["t"].private(late))
        room.at(2, room.runner.stop, 1)

    room, _ = run(reacts({}), arrange)
    calls = room.calls[room.calls.index("t submit h") :]
    assert calls.index("step 2 Fill []") < calls.index("recall gone")


def test_a_desk_that_fails_after_its_hedge_left_is_journalled_with_it() -> None:
    hedge = place("h", account="t", urgency=Urgency.HEDGE)

    def fail() -> list[Effect]:
        raise ZeroDivisionError("boom")

    room, code = run(reacts({}), lambda room: hedges_early(room, [hedge], fail))
    assert (code, room.calls.count("t submit h")) == (1, 1)
    assert (2, START + MS, fill(), [hedge]) in room.trace
    assert (1, StopAsked(1)) in room.seen


def test_a_run_that_was_asked_to_stop_hears_its_source_no_more_but_its_stream() -> None:
    """Requirement 22, S5: what it does not hear, the next run is told.

    It is not journalled as compared: a stop of more than a minute lost it for good. And a stream that comes back is
    told: the stop waited for it until a second one.
    """
    checked, back = SourceChecked("m", "v", 0, 1), LinkUpdate("m", LinkState.TRUSTED, START, "")

    def script(it: Input) -> list[Effect]:
        return [DONE] if it == CLOSED else []

    def arrange(room: Room) -> None:
        def tells(ms: int, account: str, event: PrivateEvent) -> None:
            room.at(ms, lambda: room.clients[account].private(event))

        tells(1, "m", fill())
        room.at(1, room.runner.handle, checked)
        room.at(2, room.runner.stop, 1)
        tells(3, "m", replace(fill(), trade_id="late"))
        room.at(3, room.runner.handle, checked)
        tells(3, "m", back)
        tells(3, "t", fill("t"))
        room.at(4, room.runner.handle, CLOSED)

    room, _ = run(script, arrange, heard=frozenset({"m"}))
    assert [(ms, it) for ms, it in room.seen if not isinstance(it, Started)] == [
        (1, fill()), (1, checked), (2, StopAsked(1)), (3, back), (3, fill("t")), (4, CLOSED),
    ]  # fmt: skip


def test_answers_that_come_inside_a_send_are_taken_after_the_step() -> None:
    room, _ = run(
        reacts(
            {
                fill(): [place("h", urgency=Urgency.HEDGE), MOVED],
                Answered("h", Request.PLACE, Accepted("o1")): [DONE],
            }
        ),
        lambda room: room.at(1, room.runner.handle, fill()),
    )
    assert room.seen == [STARTED, (1, fill()), (1, Answered("h", Request.PLACE, Accepted("o1")))]
    assert [step[2] for step in room.trace] == [given for _, given in room.seen]


@pytest.mark.parametrize(
    ("refusal", "asked"), [(Refusal.PRICE, [1, 10_001]), (Refusal.SIZE, [1, 10_001]), (Refusal.MARGIN, [])]
)
def test_a_refused_price_or_size_has_the_market_read_anew_now_and_then(refusal: Refusal, asked: list[int]) -> None:
    listed = replace(demo_instrument("v"), tick=D("0.5"))

    def arrange(room: Room) -> None:
        room.clients["m"].answer = Refused(refusal, "no")
        room.clients["m"].listed = listed
        for ms in (1, 2, 9_999, 10_001):
            room.at(ms, room.runner.handle, fill())
        room.at(20_000, room.runner.stop, 1)

    def coarse(account: str, it: Instrument) -> Instrument:
        return replace(it, lot=D(len(account)))

    hedge = place("h", urgency=Urgency.HEDGE, not_after_ns=START + 60 * S)
    room, _ = run(reacts({fill(): [hedge]}), arrange, steps=coarse)
    relisted = Relisted("m", D("0.5"), D(1), listed.min_qty, listed.min_notional)
    assert [(at, it) for at, it in room.seen if isinstance(it, Relisted)] == [(at, relisted) for at in asked]


def test_private_events_reach_the_desk_as_they_are_and_each_book_is_asked_for_once() -> None:
    def arrange(room: Room) -> None:
        room.at(5, lambda: room.clients["t"].private(margin("t")))
        room.at(6, lambda: room.clients["m"].quotes["ETH"](quote()))

    room, _ = run(
        reacts({margin("t"): [ArmTimer("x", "y", 0, START + 10 * MS)], TimerFired("x", "y", 0): [DONE]}), arrange
    )
    assert room.seen == [STARTED, (5, margin("t")), (10, TimerFired("x", "y", 0))]
    assert room.desk.books == {("v", "ETH"): quote()}
    assert [list(client.quotes) for client in room.clients.values()] == [["ETH"], []]


def test_a_frame_of_an_order_out_of_memory_comes_after_what_the_journal_knows_of_it() -> None:
    late = replace(fill("t"), client_id="gone")
    known = Recalled(
        client_id="gone", account="t", venue="v", symbol="ETH", side=late.side, qty=late.qty, price=None,
        purpose="hedge", leg="hedge", round=1, order_id="1", state=OrderState.CANCELED, filled=D(0), provisional=D(0),
        trades=(),
    )  # fmt: skip

    def arrange(room: Room) -> None:
        room.desk.forgotten.add("gone")
        room.journal.known["gone"] = known
        room.at(5, lambda: room.clients["t"].private(late))

    room, _ = run(reacts({late: [DONE]}), arrange)
    assert room.seen == [STARTED, (5, known), (5, late)]


def test_two_runs_leave_equal_traces() -> None:
    def arrange(room: Room) -> None:
        for ms in (3, 3, 7):
            room.at(ms, room.runner.handle, fill())
        room.at(9, room.runner.stop, 1)

    sends: list[Effect] = [
        place("h", urgency=Urgency.HEDGE),
        AskPositions(("m", "t"), 1),
        AskOrder("m", "ETH", "c", 1),
    ]
    (one, _), (two, _) = run(reacts({fill(): sends}), arrange), run(reacts({fill(): sends}), arrange)
    assert len(one.trace) == 14
    assert repr(one.trace) == repr(two.trace)
    assert one.calls == two.calls


# --- timers


def test_a_timer_replaces_the_one_of_its_name_and_is_disarmed_by_its_epoch_only() -> None:
    def at(ms: int, name: str, epoch: int) -> ArmTimer:
        return ArmTimer("chart", name, epoch, START + ms * MS)

    effects: list[Effect] = [
        at(10, "a", 1), at(20, "a", 2), at(12, "b", 1), at(30, "c", 4), at(31, "d", 5),
        DisarmTimer("chart", "b", 1), DisarmTimer("chart", "c", 3), DisarmTimer("chart", "none", 1),
        ArmTimer("hedging", "a", 7, START + 15 * MS),
    ]  # fmt: skip
    room, _ = run(reacts({BEGAN: effects, TimerFired("chart", "d", 5): [DONE]}))
    assert room.seen[1:] == [
        (15, TimerFired("hedging", "a", 7)),
        (20, TimerFired("chart", "a", 2)),
        (30, TimerFired("chart", "c", 4)),
        (31, TimerFired("chart", "d", 5)),
    ]


# --- openings at the wire


@pytest.mark.parametrize(
    ("book", "failed", "objection", "why"),
    [
        (None, False, "", "no book"),
        (quote(START - 2 * S), False, "", "book is 2000 ms old"),
        (quote(), True, "", "the journal cannot be written: no opening without a durable intent"),
        (quote(), False, "halted", "halted"),
    ],
)
def test_an_opening_is_judged_again_at_the_wire(book: Quote | None, failed: bool, objection: str, why: str) -> None:
    def arrange(room: Room) -> None:
        room.journal.failed = failed
        if book is not None:
            room.desk.books["v", "ETH"] = book

    opening, hedge = place("o"), place("h", account="t", urgency=Urgency.HEDGE)
    room, _ = run(
        reacts({BEGAN: [opening, hedge], NotSent("o", Request.PLACE, why): [DONE]}), arrange,
        may_send=lambda order: objection if order == opening else "",
    )  # fmt: skip
    assert [call for call in room.calls if "submit" in call] == ["t submit h"]


# --- market guards


def test_quotes_are_no_steps_until_the_guards_change_their_mind() -> None:
    def arrange(room: Room) -> None:
        def quotes() -> None:
            room.clients["m"].quotes["ETH"](quote())
            room.clients["m"].quotes["ETH"](quote(bid="200"))

        room.at(4, quotes)
        room.at(5, lambda: room.watch.says.append(CLOSED))
        room.at(6, quotes)

    room, _ = run(reacts({CLOSED: [DONE]}), arrange)
    assert room.seen == [STARTED, (6, CLOSED)]
    assert room.desk.books == {("v", "ETH"): quote(bid="200")}


def test_the_guards_have_one_timer_armed_again_when_it_fires_or_the_verdict_changed() -> None:
    opened = MarketSeen(open=True, reason="", text="")

    def arrange(room: Room) -> None:
        deliver = room.clients["m"].quotes.__getitem__
        room.watch.due = [START + ms * MS for ms in (50, 70, 30, 90)]
        room.at(1, lambda: deliver("ETH")(quote()))  # arms 50
        room.at(2, lambda: deliver("ETH")(quote()))  # leaves it
        # 50: check, arms 70
        room.at(60, lambda: room.watch.says.append(opened))
        room.at(61, lambda: deliver("ETH")(quote()))  # a verdict: arms 30 instead, which is due at once
        # 61: check, arms 90
        room.at(80, lambda: room.watch.says.append(CLOSED))

    room, _ = run(reacts({CLOSED: [DONE]}), arrange)
    assert room.watch.checked == [50, 61, 90]
    assert room.seen[1:] == [(61, opened), (90, CLOSED)]


# --- questions


def test_positions_and_margins_come_from_every_account_asked() -> None:
    def arrange(room: Room) -> None:
        room.at(1, setattr, room.clients["t"], "positions", [Position("t", "ETH", D(-1))])
        room.at(2, room.runner.handle, fill())

    counted = Counted(5, True, True, (Position("t", "ETH", D(-1)),), (margin("t"), margin("m")))
    room, _ = run(reacts({fill(): [AskPositions(("t", "m"), 5)], counted: [DONE]}), arrange)
    assert room.seen[-1] == (2, counted)


@pytest.mark.parametrize(
    ("meanwhile", "quiet"),
    [
        (lambda room: room.clients["t"].private(fill("t")), False),
        (lambda room: room.runner.handle(StopAsked(2)), False),  # the script sends an order then
        (lambda room: room.clients["t"].private(margin("t")), True),
        (lambda room: room.clients["t"].quotes, True),
    ],
)
def test_a_cut_is_not_quiet_when_an_account_moved(meanwhile: Callable[[Room], object], quiet: bool) -> None:
    def arrange(room: Room) -> None:
        def ask() -> None:
            room.clients["t"].delays["positions"] = 0.02
            room.runner.handle(fill("m"))

        room.at(1, ask)
        room.at(11, meanwhile, room)  # type: ignore[arg-type]

    counted = Counted(5, True, quiet, (), (margin("m"), margin("t")))
    room, _ = run(
        reacts(
            {
                fill("m"): [AskPositions(("m", "t"), 5)],
                StopAsked(2): [place("x", account="t", urgency=Urgency.HEDGE)],
                counted: [DONE],
            }
        ),
        arrange,
    )
    assert room.seen[-1] == (21, counted)


def test_a_day_that_cannot_be_read_ends_the_run_at_once_with_nothing_sent() -> None:
    """S10: a run that does not know what today has cost begins none, and waits for no stop sequence either."""

    def unreadable(_: object) -> None:
        raise ValueError("the journal is damaged")

    room, code = run(reacts({}), day=unreadable)
    assert code == 1
    assert room.seen == []
    assert room.loop.clock.now_ns() < START + S


def test_a_baseline_is_read_again_until_no_account_moves() -> None:
    def arrange(room: Room) -> None:
        late = [lambda: room.clients["m"].private(fill("m")), lambda: None]
        room.clients["t"].during["positions"] = lambda: late.pop(0)() if late else None

    room, _ = run(reacts({BEGAN: [DONE]}), arrange)
    assert [given for _, given in room.seen] == [fill("m"), BEGAN]
    assert room.calls.count("m positions") == 3  # twice for the baseline, once at the end


@pytest.mark.parametrize(
    ("error", "delay", "text"),
    [
        (LinkDown("gone"), 0, "LinkDown: gone"),
        (None, 9, "no answer within 5 s"),
    ],
)
def test_a_question_without_an_answer_is_told_as_such(error: Exception | None, delay: int, text: str) -> None:
    def arrange(room: Room) -> None:
        def ask() -> None:
            room.clients["m"].errors["info"] = [error] if error else []
            room.clients["m"].delays["info"] = delay
            room.runner.handle(fill())

        room.at(1, ask)

    looked = Looked("c", 3, ok=False, update=None, text=text)
    room, _ = run(reacts({fill(): [AskOrder("m", "ETH", "c", 3)], looked: [DONE]}), arrange)
    assert room.seen[-1] == (1 if error else 5_001, looked)


def test_a_question_that_finds_no_order_is_an_answer() -> None:
    looked = Looked("c", 3, ok=True, update=None)
    room, code = run(reacts({BEGAN: [AskOrder("m", "ETH", "c", 3)], looked: [DONE]}))
    assert (room.seen[1:], code) == ([(0, looked)], 0)


def test_positions_that_cannot_be_read_are_never_flat() -> None:
    def arrange(room: Room) -> None:
        room.at(1, lambda: room.clients["t"].errors.update(positions=[LinkDown("gone")]))
        room.at(2, room.runner.handle, fill())

    counted = Counted(5, False, False, (), (), "LinkDown: gone")
    room, _ = run(reacts({fill(): [AskPositions(("m", "t"), 5)], counted: [DONE]}), arrange)
    assert room.seen[-1] == (2, counted)


def test_an_answer_on_its_way_is_not_given_up_because_another_account_cannot_be_asked() -> None:
    """It has been paid for: who asked again and again would never have all answers within a venue's budget (S11)."""
    ended_ms: list[int] = []

    def arrange(room: Room) -> None:
        room.at(1, lambda: room.clients["m"].errors.update(positions=[RateLimited("none left", retry_ms=9)]))
        room.at(1, lambda: room.clients["t"].delays.update(positions=0.1))
        room.at(1, lambda: room.clients["t"].during.update(
            positions=lambda: ended_ms.append((room.loop.clock.now_ns() - START) // MS)))  # fmt: skip
        room.at(200, room.runner.handle, fill())

    counted = Counted(5, False, False, (), (), "RateLimited: none left")
    room, _ = run(reacts({fill(): [AskPositions(("m", "t"), 5)], counted: [DONE]}), arrange)
    assert (room.seen[-1], ended_ms[0]) == ((309, counted), 300)


def test_positions_that_no_request_is_left_for_are_read_ever_less_often() -> None:
    """A halt asked again at each answer, four times a second for as long as it took, most of it refused here (S11)."""
    rooms: list[Room] = []
    recovered: list[Input] = []
    failures = [*none_left(3, retry_ms=25), *none_left(200, retry_ms=60_000)]

    def script(given: Input) -> list[Effect]:
        if given == fill():
            rooms[0].clients["t"].errors["positions"] = failures
        elif not isinstance(given, Counted):
            return [DONE] if given == StopAsked(1) else []
        elif given.ok and recovered:
            return [DONE]
        elif given.ok:  # from here on it fails once more, as if for the first time
            recovered.append(given)
            failures.extend(none_left(1, retry_ms=60_000))
        return [AskPositions(("m", "t"), 5)]

    def arrange(room: Room) -> None:
        rooms.append(room)
        room.at(2, room.runner.handle, fill())

    room, _ = run(script, arrange)
    told_ms = [at_ms for at_ms, given in room.seen if given == fill() or isinstance(given, Counted)]
    waits_ms = [later - before for before, later in pairwise(told_ms)]
    assert waits_ms == [10, 20, 25, *range(40, 1_000, 10), *[1_000] * 104, 0, 10, 0]


@pytest.mark.parametrize(
    ("errors", "delay", "read", "asked"),
    [
        (2, 0, "['m', 't']", 3),
        (99, 0, "['m']", 5),  # once a second, for no more than five
        (0, 9, "['m']", 1),
    ],
)
def test_the_positions_at_the_end_are_asked_for_again(errors: int, delay: int, read: str, asked: int) -> None:
    def arrange(room: Room) -> None:
        def fail() -> None:
            room.clients["t"].errors["positions"] = [LinkDown("HTTP 500")] * errors
            room.clients["t"].delays["positions"] = delay
            room.calls.clear()
            room.runner.handle(fill())

        room.at(1, fail)

    room, code = run(reacts({fill(): [DONE]}), arrange)
    assert (code, room.calls.count("t positions")) == (0, asked)
    assert [call for call in room.calls if call.startswith("end ")] == [f"end 0 {read}"]


# --- the stop ladder (E18)


@pytest.mark.parametrize(
    ("closes_ms", "ending", "ended_ms", "readings"),
    [
        (1_200, Ending(0, "flat"), 1_400, 2),
        (None, Ending(1, "flat; then left open: m: sold 1; to recover: eagle recover"), 500 + 200 + 3 * 5_200, 4),
    ],
)
def test_what_comes_in_after_the_end_was_said_is_waited_for_or_told(
    closes_ms: int | None, ending: Ending, ended_ms: int, readings: int
) -> None:
    def arrange(room: Room) -> None:
        room.at(400, room.clients["m"].delays.update, {"positions": 0.2})
        room.at(500, room.runner.stop, 1)
        room.at(600, room.desk.open.append, "m: sold 1")
        room.at(600, room.runner.handle, fill())
        if closes_ms is not None:
            room.at(closes_ms, room.desk.open.clear)
            room.at(closes_ms, room.runner.handle, fill("t"))

    room, code = run(reacts({}), arrange, recovery="eagle recover")
    assert (code, room.runner.ending) == (ending.exit_code, ending)
    assert room.calls.count("t positions") == 1 + readings
    assert (room.loop.clock.now_ns() - START) // MS == ended_ms


def test_a_reading_that_a_fill_overtook_to_the_last_is_left_out() -> None:
    """A venue came back as a run ended not flat: the audit compared the last reading with fills behind it."""

    def arrange(room: Room) -> None:
        room.desk.open = ["m: +1 ETH"]
        room.at(400, room.clients["m"].delays.update, {"positions": 0.2})
        room.at(500, room.runner.stop, 1)
        room.at(900, room.desk.open.clear)
        for ms in range(600, 1_400, 100):
            room.at(ms, room.runner._private, fill("m"))

    end = Finish(1, "not flat", left_open=True)
    room, code = run(lambda given: [end] if isinstance(given, StopAsked) else [], arrange)
    assert (code, room.runner.ending) == (1, Ending(1, "not flat; then left with nothing open"))
    assert [call for call in room.calls if call.startswith("end ")] == ["end 0 ['t']"]


@pytest.mark.parametrize(("left", "todo"), [(True, "; to recover: eagle recover --journal x"), (False, "")])
def test_who_leaves_something_open_says_what_to_do(left: bool, todo: str) -> None:
    """What is dust, or meant to be held, nobody has to recover."""

    def arrange(room: Room) -> None:
        room.desk.open = ["m: +1 ETH"]
        room.at(1, room.runner.stop, 1)

    end = Finish(1, "not flat; m: +1 ETH", left_open=left)
    room, code = run(reacts({StopAsked(1): [end]}), arrange, recovery="eagle recover --journal x")
    assert (code, room.runner.ending) == (1, Ending(1, f"not flat; m: +1 ETH{todo}"))


def test_the_first_two_stops_are_the_desks_business() -> None:
    def arrange(room: Room) -> None:
        room.at(1, room.runner.stop, 1)
        room.at(2, room.runner.stop, 2)

    room, code = run(reacts({StopAsked(1): [], StopAsked(2): [Finish(1, "not flat")]}), arrange)
    assert (room.seen[1:], code) == ([(1, StopAsked(1)), (2, StopAsked(2))], 1)


def test_a_pause_is_the_desks_business_also_while_accounts_connect() -> None:
    def arrange(room: Room) -> None:
        room.clients["t"].delays["connect"] = 5
        room.at(1, room.runner.pause, True)
        room.at(9, room.runner.pause, False)

    room, _ = run(reacts({PauseAsked(False): [Finish(0, "flat")]}), arrange)
    assert [given for _, given in room.seen if not isinstance(given, Started)] == [PauseAsked(True), PauseAsked(False)]


def test_the_third_stop_leaves_at_once_and_says_what_is_open() -> None:
    def arrange(room: Room) -> None:
        room.desk.open = ["m: +1 ETH", "t: -0.5 ETH"]
        room.clients["m"].delays["disconnect"] = 3600
        for level in (1, 2, 3):
            room.at(level, room.runner.stop, level)
        room.at(3, room.runner.handle, fill())

    timer = ArmTimer("chart", "late", 0, START + 500 * MS)
    room, code = run(reacts({BEGAN: [timer], StopAsked(1): []}), arrange, recovery="eagle recover --journal x")
    text = "left open: m: +1 ETH; t: -0.5 ETH; to recover: eagle recover --journal x"
    assert (code, room.runner.ending) == (130, Ending(130, text))
    assert room.seen[1:] == [(1, StopAsked(1)), (2, StopAsked(2))]
    assert room.calls.count("m positions") == 1
    assert room.loop.clock.now_ns() == START + 1_003 * MS


def test_leaving_with_nothing_open_says_so() -> None:
    room, code = run(reacts({}), lambda room: room.at(1, room.runner.stop, 3))
    assert (code, room.runner.ending) == (130, Ending(130, "left with nothing open"))


def test_a_stop_before_the_start_ends_the_run() -> None:
    def arrange(room: Room) -> None:
        room.clients["t"].delays["connect"] = 20
        room.at(1, room.runner.stop, 1)

    room, code = run(reacts({}), arrange)
    assert (code, room.runner.ending, room.seen) == (130, Ending(130, "stopped before the start; nothing was sent"), [])
    assert room.calls == ["m connect", "t connect", "m disconnect", "t disconnect", "flush"]


@pytest.mark.parametrize("level", [1, 2])
def test_a_stop_before_the_start_closes_first_what_an_earlier_run_left(level: int) -> None:
    """It left at once, with the exposure that it had taken over still open (a simulated storm of deaths, seed 6)."""

    def arrange(room: Room) -> None:
        room.clients["t"].delays["connect"] = 2
        room.at(1, room.runner.stop, level)

    room, code = run(reacts({StopAsked(2): [DONE]}), arrange, carried=Carried(3, 0, (), ()))
    assert [given for _, given in room.seen][1:] == [BEGAN, StopAsked(level)]
    assert (code, room.runner.ending) == (DONE.exit_code, Ending(DONE.exit_code, DONE.text))


def test_a_stop_before_the_run_begins_at_all_ends_it_without_a_call() -> None:
    room, code = run(reacts({}), lambda room: room.runner.stop(1))
    assert (code, room.runner.ending, room.seen) == (130, Ending(130, "stopped before the start; nothing was sent"), [])
    assert room.calls == ["m disconnect", "t disconnect", "flush"]


# --- what goes wrong


def test_a_position_that_the_run_may_not_start_beside_ends_it_before_the_desk_hears_anything() -> None:
    """S1: what each account held is asked first, and what the journal misses is told with it."""

    def refuse(held: Sequence[Position], missing: Sequence[Fill]) -> None:
        asked.append((held, missing))
        raise NotFlatBefore("t holds +2 ETH")

    async def main(loop: VirtualLoop) -> Room:
        room = Room(loop, reacts({}), check_baseline=refuse)
        room.clients["t"].positions = (Position("t", "ETH", D(2)),)
        with pytest.raises(NotFlatBefore, match="t holds"):
            await room.run()
        return room

    asked: list[tuple[Sequence[Position], Sequence[Fill]]] = []
    room = run_virtual(main)
    assert asked == [((Position("t", "ETH", D(2)),), [])]
    assert (room.seen, [it for it in room.calls if "submit" in it or "cancel" in it]) == ([], [])


@pytest.mark.parametrize(
    ("error", "delay"), [(AuthFailed("wrong key"), 0), (LinkDown("no connection within 30 s"), 31)]
)
def test_accounts_that_cannot_be_connected_end_the_run_with_the_clients_words(error: Exception, delay: int) -> None:
    async def main(loop: VirtualLoop) -> Room:
        room = Room(loop, reacts({}))
        room.clients["t"].delays["connect"] = delay
        room.clients["t"].errors["connect"] = [] if delay else [error]
        with pytest.raises(type(error), match=str(error)):
            await room.run()
        return room

    room = run_virtual(main)
    assert (room.seen, room.calls[-3:]) == ([], ["m disconnect", "t disconnect", "flush"])


def test_one_account_that_cannot_be_connected_does_not_wait_for_the_others() -> None:
    async def main(loop: VirtualLoop) -> int:
        room = Room(loop, reacts({}))
        room.clients["m"].errors["connect"] = [AuthFailed("wrong key")]
        room.clients["t"].delays["connect"] = 20
        with pytest.raises(AuthFailed):
            await room.run()
        return loop.clock.now_ns()

    assert run_virtual(main) == START


NONE_LEFT = "no request left in the venue's budget"
AWAITED = Alert(Level.WARNING, "requests_awaited", f"{NONE_LEFT}; waiting for it, up to 120 s", {})


LEFT_BY_T = Recalled(
    client_id="e2r1lopena1", account="t", venue="v", symbol="ETH", side=Side.BUY, qty=D(1), price=D(1), purpose="open",
    leg="opening", round=1, order_id="", state=OrderState.PENDING, filled=D(0), provisional=D(0), trades=(),
)  # fmt: skip


def none_left(times: int, *, retry_ms: int = 1) -> list[Exception]:
    return [RateLimited(NONE_LEFT, retry_ms=retry_ms) for _ in range(times)]


@pytest.mark.parametrize(
    ("question", "times", "retry_ms", "began_ms"),
    [
        ("connect", 1, 1, 1_000),
        ("connect", 3, 1, 7_000),  # 1, 2 and 4 s: half of a connection made again and again uses up what came free
        ("connect", 1, 59_000, 59_000),
        ("positions", 2, 30_000, 60_000),
        ("fills", 2, 1, 3_000),
    ],
)
def test_a_start_waits_for_the_venues_budget_and_tells_it_once(
    question: str, times: int, retry_ms: int, began_ms: int
) -> None:
    """S11: what a dead run left is open meanwhile; a start that gives up leaves it to nobody."""

    def arrange(room: Room) -> None:
        room.clients["t"].errors[question] = none_left(times, retry_ms=retry_ms)
        if question == "connect":
            room.clients["m"].errors[question] = none_left(1)
        room.at(100_000, room.runner.stop, 1)

    carried = Carried(3, 0, (), (LEFT_BY_T,))
    room, code = run(reacts({}), arrange, carried=carried)
    text = f"{AWAITED.text}; what run {carried.run} left open stays as it is until then"
    assert [it for it in room.shown if it != DONE] == [replace(AWAITED, text=text)]
    assert ([it for it in room.seen if isinstance(it[1], Started)], code) == ([(began_ms, BEGAN)], 0)


@pytest.mark.parametrize(
    ("question", "errors", "began_ms", "of"),
    [
        ("connect", [LinkDown("no route")] * 2, 3_000, "v"),
        ("connect", [LinkDown("no route"), OutcomeUnknown("HTTP 502")], 3_000, "v"),
        ("positions", [OutcomeUnknown("HTTP 502")] * 3, 7_000, "positions"),
    ],
)
def test_a_start_asks_again_while_a_venue_does_not_answer(
    question: str, errors: list[Exception], began_ms: int, of: str
) -> None:
    """One 5xx or one cut connection ended a takeover, and what the dead run had left was nobody's."""

    def arrange(room: Room) -> None:
        room.clients["t"].errors[question] = [*errors]
        room.at(100_000, room.runner.stop, 1)

    carried = Carried(3, 0, (), (LEFT_BY_T,))
    room, code = run(reacts({}), arrange, carried=carried)
    left = "what run 3 left open stays as it is until then"
    assert [it for it in room.shown if it != DONE] == [
        Alert(Level.WARNING, "venue_awaited", f"{of}: {error}; asking again for up to 25 s; {left}", {})
        for error in dict.fromkeys(map(str, errors))
    ]
    assert ([it for it in room.seen if isinstance(it[1], Started)], code) == ([(began_ms, BEGAN)], 0)


def test_a_start_whose_venue_stays_away_ends_with_its_words_and_sends_nothing() -> None:
    async def main(loop: VirtualLoop) -> tuple[Room, int]:
        room = Room(loop, reacts({}))
        room.clients["t"].errors["positions"] = [OutcomeUnknown("HTTP 503") for _ in range(99)]
        with pytest.raises(OutcomeUnknown, match="HTTP 503"):
            await room.run()
        return room, loop.clock.now_ns()

    room, ended_ns = run_virtual(main)
    assert (room.seen, [it.code for it in room.shown], ended_ns) == ([], ["venue_awaited"], START + 23 * S)
    assert [it for it in room.calls if "submit" in it or "cancel" in it] == []


def test_fills_that_cannot_be_read_hold_up_no_takeover() -> None:
    """Orders and positions say enough; to wait for rows would leave open what can be hedged."""

    def arrange(room: Room) -> None:
        room.clients["t"].errors["fills"] = [OutcomeUnknown("HTTP 502")]
        room.at(100_000, room.runner.stop, 1)

    room, code = run(reacts({}), arrange, carried=Carried(3, 0, (), (LEFT_BY_T,)))
    assert [it.code for it in room.shown if isinstance(it, Alert)] == ["fills_unread"]
    assert ([it for it in room.seen if isinstance(it[1], Started)], code) == ([(0, BEGAN)], 0)


def test_a_start_does_not_wait_for_a_venue_that_bars_it_for_long() -> None:
    async def main(loop: VirtualLoop) -> tuple[Room, int]:
        room = Room(loop, reacts({}))
        room.clients["t"].errors["connect"] = none_left(1, retry_ms=120_001)
        with pytest.raises(RateLimited, match=NONE_LEFT):
            await room.run()
        return room, loop.clock.now_ns()

    room, ended_ns = run_virtual(main)
    assert (room.seen, room.shown, ended_ns) == ([], [], START)


def test_a_start_waits_two_minutes_for_one_answer_and_no_longer() -> None:
    async def main(loop: VirtualLoop) -> tuple[Room, int]:
        room = Room(loop, reacts({}))
        room.clients["t"].errors["connect"] = none_left(99)
        with pytest.raises(RateLimited, match=NONE_LEFT):
            await room.run()
        return room, loop.clock.now_ns()

    room, ended_ns = run_virtual(main)
    assert (room.seen, room.shown, ended_ns) == ([], [AWAITED], START + 111 * S)  # 1 + 2 + 4 + 8 s, then 16 s each


def test_a_start_that_waits_can_be_stopped() -> None:
    def arrange(room: Room) -> None:
        room.clients["t"].errors["connect"] = none_left(99)
        room.at(500, room.runner.stop, 1)

    room, code = run(reacts({}), arrange)
    assert (room.seen, code, room.calls.count("t connect")) == ([], 130, 1)


def boom(*_: object) -> None:
    raise ZeroDivisionError("boom")


async def boom_later() -> None:
    await asyncio.sleep(0)
    boom()


FAILED = Alert(Level.PERSON, "internal_error", "ZeroDivisionError: boom; ending the run", {"failures": "1"})


@pytest.mark.parametrize(
    "go_wrong",
    [
        pytest.param(lambda room: room.at(1, boom), id="clock entry"),
        pytest.param(lambda room: room.loop.call_later(0.001, boom), id="loop callback"),
        pytest.param(
            lambda room: (
                room.clients["m"].errors.update(info=[ZeroDivisionError("boom")]),
                room.at(1, room.runner.handle, fill()),
            ),
            id="background task",
        ),
        pytest.param(
            lambda room: (
                room.clients["m"].errors.update(submit=[ZeroDivisionError("boom")]),
                room.at(1, room.runner.handle, margin("m")),
            ),
            id="client",
        ),
        pytest.param(lambda room: room.at(1, room.runner.handle, margin("t")), id="step"),
    ],
)
def test_no_exception_vanishes(go_wrong: Callable[[Room], object]) -> None:
    def script(given: Input) -> list[Effect]:
        if given == margin("t"):
            boom()
        reactions = reacts(
            {
                fill(): [AskOrder("m", "ETH", "c", 1)],
                margin("m"): [place("h", urgency=Urgency.HEDGE), cancel("after")],
            }
        )
        return reactions(given)

    room, code = run(script, go_wrong)  # type: ignore[arg-type]
    assert (code, room.runner.ending) == (1, Ending(0, "flat"))
    assert room.shown == [FAILED, DONE]
    assert [given for _, given in room.seen].count(StopAsked(1)) == 1
    assert [repr(error) for error in room.runner.failures] == ["ZeroDivisionError('boom')"]


def test_an_effect_that_fails_does_not_cost_the_next_one() -> None:
    def arrange(room: Room) -> None:
        room.clients["m"].errors["cancel"] = [ZeroDivisionError("boom")]
        room.at(1, room.runner.handle, fill())

    hedge = place("h", account="t", urgency=Urgency.HEDGE)
    room, _ = run(reacts({fill(): [cancel("c"), hedge]}), arrange)
    assert [call for call in room.calls if call in ("m cancel c", "t submit h")] == ["m cancel c", "t submit h"]
    assert (1, Answered("c", Request.CANCEL, Unknown("ZeroDivisionError while sending"))) in room.seen


class BrokenJournal(ListJournal):
    """Raises what no journal should."""

    def recall(self, client_id: str) -> Recalled | None:
        raise ZeroDivisionError("recall")

    def intents(self, decided: object) -> None:
        raise ZeroDivisionError("intents")

    def step(self, *_: object) -> None:
        raise ZeroDivisionError("step")

    def alert(self, *_: object) -> None:
        raise ZeroDivisionError("alert")


def test_a_journal_that_fails_as_no_journal_should_costs_neither_a_fill_nor_its_hedge() -> None:
    late = replace(fill("t"), client_id="gone")

    def arrange(room: Room) -> None:
        room.runner._journal = room.runner._stepping._journal = BrokenJournal(room.calls)
        room.desk.forgotten.add("gone")
        room.desk.books["v", "ETH"] = quote()
        room.at(5, lambda: room.clients["t"].private(late))
        room.at(9, room.runner.stop, 3)

    sends: list[Effect] = [place("open", urgency=Urgency.OPEN), place("h", urgency=Urgency.HEDGE)]
    room, code = run(lambda given: sends if given == late else [], arrange)
    assert [call for call in room.calls if "submit" in call] == ["m submit h"]
    assert (code, late in [given for _, given in room.seen]) == (130, True)


def test_a_failed_question_is_answered_all_the_same() -> None:
    def arrange(room: Room) -> None:
        room.at(1, lambda: room.clients["m"].errors.update(positions=[ZeroDivisionError("boom")]))
        room.at(2, room.runner.handle, fill())

    room, code = run(reacts({fill(): [AskPositions(("m",), 2)]}), arrange)
    assert (2, Counted(2, False, False, (), (), "the client failed")) in room.seen
    assert code == 1


def test_a_fault_of_a_listening_socket_is_told_and_ends_nothing() -> None:
    """What a stranger can do to the metrics page or the control socket must not end the run."""

    def arrange(room: Room) -> None:
        room.at(1, room.loop.call_exception_handler, context)
        room.at(2, room.runner.handle, fill())

    with socket.create_server(("127.0.0.1", 0)) as listening:
        context = {"message": "no accept", "exception": OSError(24, "Too many open files"), "socket": listening}
        room, code = run(reacts({fill(): [DONE]}), arrange)
    told = Alert(Level.WARNING, "listener_failed", "OSError: [Errno 24] Too many open files; the run goes on", {})
    assert (code, room.runner.failures) == (0, [])
    assert [effect for effect in room.shown if isinstance(effect, Alert)] == [told]
    assert f"alert listener_failed {START + MS}" in room.calls


def test_a_second_failure_flattens_at_once_and_the_last_one_gives_up() -> None:
    def arrange(room: Room) -> None:
        room.desk.open = ["m: +1 ETH"]
        for n in range(MOST_FAILURES + 1):
            room.at(1 + n, boom)

    room, code = run(reacts({StopAsked(1): []}), arrange)
    text = "failed: ZeroDivisionError: boom; left open: m: +1 ETH; to recover: eagle recover"
    assert (code, room.runner.ending) == (1, Ending(1, text))
    assert room.seen[1:] == [(1, StopAsked(1)), (2, StopAsked(2))]
    assert len(room.runner.failures) == MOST_FAILURES


def test_a_desk_that_cannot_end_after_a_failure_is_left() -> None:
    room, code = run(reacts({StopAsked(1): []}), lambda room: room.at(1_000, boom))
    text = "failed: ZeroDivisionError: boom; left with nothing open"
    assert (code, room.runner.ending) == (1, Ending(1, text))
    assert room.loop.clock.now_ns() == START + 61 * S


@pytest.mark.parametrize("part", ["sink", "trace"])
def test_a_broken_screen_is_cut_off_and_ends_the_run_in_order(part: str) -> None:
    shown: list[Effect] = []
    room, code = run(
        reacts({fill(): [MOVED]}),
        lambda room: room.at(1, room.runner.handle, fill()),
        **({"sinks": [boom, shown.append]} if part == "sink" else {"sinks": [shown.append], "traces": [boom]}),
    )
    assert (code, len(room.runner.failures)) == (1, 1)
    expected = [FAILED, MOVED, DONE] if part == "sink" else [FAILED, DONE]
    assert [effect for effect in shown if part == "sink" or effect != MOVED] == expected


def test_a_lost_journal_ends_the_run_in_order_with_its_exit_code() -> None:
    def arrange(room: Room) -> None:
        room.at(1, setattr, room.journal, "failed", True)
        room.at(2, room.runner.handle, fill())
        room.at(3, room.runner.handle, fill())

    room, code = run(
        reacts({StopAsked(1): [ArmTimer("x", "y", 0, START + S)], TimerFired("x", "y", 0): [DONE]}), arrange
    )
    assert code == 4
    assert [given for _, given in room.seen].count(StopAsked(1)) == 1
    assert [effect.code for effect in room.shown if isinstance(effect, Alert)] == ["journal_lost"]


def test_rows_do_not_wait_in_memory_for_ever_where_little_happens() -> None:
    def arrange(room: Room) -> None:
        room.at(1_000, room.runner.handle, fill())
        room.at(1_010, room.runner.handle, fill())
        room.at(1_200, room.runner.handle, margin("m"))

    room, _ = run(reacts({margin("m"): [DONE]}), arrange, flush_after_ns=100 * MS)
    assert [call for call in room.calls if call == "flush" or call.startswith("step")] == [
        "step 1 Started []", "flush", "step 2 Fill []", "step 3 Fill []", "flush", "step 4 Margin []", "flush",
    ]  # fmt: skip


# --- missing time (S14)


class Clocks:
    """The machine's two clocks, following virtual time until a test lets one of them jump."""

    def __init__(self) -> None:
        self.loop: VirtualLoop | None = None
        self.slept_ns = 0

    def steady(self) -> int:
        return 0 if self.loop is None else self.loop.clock.now_ns()

    def counting(self) -> int:
        return self.steady() + self.slept_ns

    def sleep(self, span_ns: int) -> None:
        self.slept_ns += span_ns


@pytest.mark.parametrize(("event", "at_ms"), [(True, 1_100), (False, 1_500)])
def test_a_suspend_is_told_before_anything_else_and_every_account_resyncs(event: bool, at_ms: int) -> None:
    clocks = Clocks()

    def arrange(room: Room) -> None:
        clocks.loop = room.loop
        room.at(1_050, clocks.sleep, 600 * S)
        room.clients["t"].errors["connect"] = []
        room.at(1_060, lambda: room.clients["t"].errors["connect"].append(LinkDown("not yet")))
        if event:
            room.at(1_100, room.runner.handle, fill())
        room.at(9_000, room.runner.stop, 1)

    room, code = run(reacts({}), arrange, gaps=GapWatch(steady=clocks.steady, counting=clocks.counting))
    assert code == 0
    assert room.seen[1:] == [
        (at_ms, ClockJumped(600 * S)),
        *([(at_ms, fill())] if event else []),
        (9_000, StopAsked(1)),
    ]
    calls = [call for call in room.calls if "connect" in call]
    assert calls == [
        "m connect", "t connect",
        "m disconnect", "m connect", "t disconnect", "t connect", "t connect",
        "m disconnect", "t disconnect",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "back_ms", "failures"),
    [
        (OutcomeUnknown("HTTP 502: empty body"), 2_500, 0),
        (RateLimited("too many", retry_ms=4_000), 5_500, 0),
        (Rejected(Refusal.VENUE, "the request has expired"), 2_500, 0),
        (Rejected(Refusal.UNSUPPORTED, "no market ETHUSDT"), 11_500, 1),
        (AuthFailed("the venue's clock is 5000 ms from this machine's"), 11_500, 1),
    ],
)
def test_whatever_a_venue_says_after_a_suspend_the_account_comes_back(
    error: Exception, back_ms: int, failures: int
) -> None:
    """S3: an account that stays away is one on which nothing can be hedged, also while the run is ending."""
    clocks = Clocks()
    tries: list[int] = []

    def arrange(room: Room) -> None:
        clocks.loop = room.loop
        room.at(1_050, clocks.sleep, 600 * S)
        room.at(1_060, lambda: room.clients["t"].errors.update(connect=[error]))
        for ms in (back_ms - 100, back_ms + 100):
            room.at(ms, lambda: tries.append(room.calls.count("t connect")))
        room.at(20_000, room.runner.stop, 3)

    room, _ = run(reacts({StopAsked(1): []}), arrange, gaps=GapWatch(steady=clocks.steady, counting=clocks.counting))
    assert (tries, len(room.runner.failures)) == ([2, 3], failures)
    assert [given for _, given in room.seen[1:]] == [ClockJumped(600 * S), *[StopAsked(1)] * failures]


def test_more_missing_time_during_a_reconnect_makes_one_more() -> None:
    clocks = Clocks()

    def arrange(room: Room) -> None:
        clocks.loop = room.loop
        room.at(1_060, lambda: room.clients["t"].delays.update(connect=4))
        for ms in (1_070, 2_070):
            room.at(ms, clocks.sleep, 600 * S)
        room.at(12_000, room.runner.stop, 1)

    room, code = run(reacts({}), arrange, gaps=GapWatch(steady=clocks.steady, counting=clocks.counting))
    assert [given for _, given in room.seen[1:]] == [ClockJumped(600 * S), ClockJumped(600 * S), StopAsked(1)]
    calls = [call.split()[1] for call in room.calls if call.startswith("t ") and "connect" in call]
    assert (code, calls) == (0, ["connect", *["disconnect", "connect"] * 2, "disconnect"])


def test_a_lease_that_is_lost_ends_the_run_in_order_and_is_told_once() -> None:
    """S21: another process may own the account by now."""
    why: list[str] = []
    stops: list[int] = []

    def script(given: Input) -> list[Effect]:
        if given != StopAsked(1):
            return []
        stops.append(1)
        return []  # the way home takes a while, and beats go on

    def arrange(room: Room) -> None:
        room.at(1_000, why.append, "the lease of m is lost")
        room.at(10_000, room.runner.stop, 3)

    room, _ = run(script, arrange, lost=lambda: "".join(why), gaps=GapWatch())
    alerts = [it for it in room.shown if isinstance(it, Alert)]
    assert alerts == [Alert(Level.PERSON, "lease_lost", "the lease of m is lost; ending the run in order", {})]
    (stopped_ms,) = [at_ms for at_ms, given in room.seen if given == StopAsked(1)]
    assert (1_000 <= stopped_ms <= 1_500, stops) == (True, [1])


def test_a_run_without_missing_time_hears_nothing_of_it() -> None:
    clocks = Clocks()

    def arrange(room: Room) -> None:
        clocks.loop = room.loop
        room.at(60_000, room.runner.stop, 1)

    room, _ = run(reacts({}), arrange, gaps=GapWatch(steady=clocks.steady, counting=clocks.counting))
    assert room.seen == [STARTED, (60_000, StopAsked(1))]


# --- garbage


def test_rounds_are_kept_free_of_collections() -> None:
    zero = D(0)
    ended = RoundEnded(1, opened=zero, closed=zero, residue=zero, volume=zero, fees=zero, cash=zero)
    enabled: list[bool] = []
    with QuietRounds() as quiet:
        for effect in (MOVED, RoundBegan(1, "buy"), MOVED, ended, RoundBegan(2, "buy")):
            quiet(effect)
            enabled.append(gc.isenabled())
        assert gc.get_freeze_count() > 0
    assert (enabled, gc.isenabled(), gc.get_freeze_count()) == ([True, False, False, True, False], True, 0)


def test_a_run_without_rounds_leaves_its_start_out_of_collections() -> None:
    gc.unfreeze()  # what others in this process have left out
    frozen: list[bool] = []
    with QuietStart() as quiet:
        for given in (StopAsked(1), Started((), ()), StopAsked(1)):
            quiet(1, 1, given, [])
            frozen.append(gc.get_freeze_count() > 0)
            assert gc.isenabled()
    assert (frozen, gc.get_freeze_count()) == ([False, True, True], 0)
