"""The status of a running desk: true, exact as JSON, and taken without a trace in what the desk decides or journals."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from cli_kit import FLOW, Eagle, eagle
from trading_kit import MS, Bench, D, S

from cli import screen
from engine.runtime.clock import VirtualClock
from engine.runtime.journal_read import comparable_dump
from engine.runtime.snapshot import ALERTS_KEPT, LATENCIES_KEPT, Tally, snapshot
from engine.runtime.status import (
    LINES_KEPT,
    Latency,
    Line,
    OrderLine,
    QuoteLine,
    Rounds,
    Status,
    StatusUnreadable,
    read_status,
)
from engine.trading.effects import Alert, Effect, Level, Moved, RoundEnded
from engine.trading.inputs import Answered, Input, NotSent, PauseAsked, Request, StopAsked
from exchanges.types import Accepted, OrderState, Refusal, Refused

__all__ = ["eagle"]


class Watched:
    """A bench desk with a tally that is told of every step, as the runner would."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.clock = VirtualClock(start_ns=0)
        self.tally = Tally(self.clock)

    def told(self, given: Input, effects: list[Effect], *, at_ns: int = 0) -> None:
        for effect in effects:
            self.tally.effect(effect)
        self.tally.step(1, at_ns, given, effects)

    def status(self, *, at_ns: int) -> Status:
        self.clock.at_ns = at_ns
        return snapshot(self.bench.desk, self.tally, pid=7, journal="/j/eagle.sqlite")


def resting() -> Watched:
    watched = Watched()
    watched.bench.begin()
    order = watched.bench.newest("opening")
    watched.bench.ack(order)
    watched.bench.update(order, OrderState.OPEN)
    return watched


def test_a_resting_opening_is_shown_whole() -> None:
    watched = resting()
    now_ns = watched.bench.now
    status = watched.status(at_ns=now_ns + 250 * MS)
    assert (status.run, status.pid, status.flow, status.market, status.quote) == (
        1, 7, "eagle_chicken", "ETH-PERP", "USDT",
    )  # fmt: skip
    assert (status.state, status.phase, status.journal) == ("MAKER_OPENING.resting", "MAKER_OPENING", "/j/eagle.sqlite")
    assert status.phases == (
        "IDLE", "MAKER_OPENING", "TAKER_HEDGING", "HOLDING", "MAKER_CLOSING", "TAKER_CLOSING", "CLEANUP", "ERROR",
    )  # fmt: skip
    order = watched.bench.desk.world.orders.resting[watched.bench.newest("opening")]
    assert status.orders == (
        OrderLine(
            "m", order.client_id, "open", "buy", D("1.0"), D(0), D("100.0"), "open", False,
            (now_ns + 250 * MS - order.created_ns) // MS,
        ),
    )  # fmt: skip
    age_ms = (now_ns + 250 * MS) // MS
    assert status.quotes == (
        QuoteLine("a", "ETHUSDT", D("100.0"), D(50), D("100.1"), D(50), age_ms),
        QuoteLine("b", "ETHUSDT", D("100.0"), D(50), D("100.1"), D(50), age_ms),
    )
    assert [(it.account, it.role, it.link, it.position) for it in status.accounts] == [
        ("m", "maker", "trusted", 0), ("t1", "takers", "trusted", 0), ("t2", "takers", "trusted", 0),
    ]  # fmt: skip
    assert (status.profit, status.volume, status.closed_because) == (0, 0, "")


def test_a_fill_is_unhedged_until_its_hedge_fills() -> None:
    watched = resting()
    bench = watched.bench
    bench.fill(bench.newest("opening"), "0.4")
    since_ns = bench.now
    open_now = watched.status(at_ns=since_ns + 30 * MS).exposure
    assert (open_now.unhedged, open_now.unhedged_ms, open_now.in_flight, open_now.dust) == (D("0.4"), 30, D("-0.4"), 0)
    assert (open_now.maker_open_position, open_now.net_position) == (D("0.4"), D("0.4"))
    bench.fill(bench.newest("hedge"), "0.4")
    hedged = watched.status(at_ns=bench.now)
    assert (hedged.exposure.unhedged, hedged.exposure.unhedged_ms, hedged.exposure.net_position) == (0, 0, 0)
    assert [it.hedged for it in hedged.accounts] == [0, D("-0.4"), 0]


def test_why_nothing_is_opened_is_said() -> None:
    watched = resting()
    watched.bench.give(PauseAsked(paused=True))
    status = watched.status(at_ns=watched.bench.now)
    assert (status.paused, status.closed_because) == (True, "paused")
    watched.told(StopAsked(1), [])
    assert watched.status(at_ns=watched.bench.now).closed_because == "the run is stopping"


def test_a_status_survives_its_json() -> None:
    watched = resting()
    watched.bench.fill(watched.bench.newest("opening"), "0.4")
    watched.tally.add_line("fill", "m bought", tone="good")
    watched.tally.effect(Alert(Level.PERSON, "limit", "too much", {}))
    status = watched.status(at_ns=watched.bench.now)
    assert read_status(status.as_json()) == status
    assert json.loads(status.as_json())["exposure"]["net_position"] == "0.4"
    unpriced = replace(status, profit=None, latency=Latency(0, None, None, None), journal=None)
    assert read_status(unpriced.as_json()) == unpriced


@pytest.mark.parametrize(
    ("key", "value"),
    [("format", 2), ("run", "1"), ("profit", "much"), ("accounts", [{}]), ("rounds", 3), ("paused", 1), ("lines", 5)],
)
def test_what_is_no_status_is_refused(key: str, value: object) -> None:
    told = json.loads(resting().status(at_ns=S).as_json())
    told[key] = value
    with pytest.raises(StatusUnreadable):
        read_status(json.dumps(told))


@pytest.mark.parametrize("text", ["", "[]", "3", "{", "null", "{}", "[" * 100_000])
def test_text_that_is_no_status_is_refused(text: str) -> None:
    with pytest.raises(StatusUnreadable):
        read_status(text)


# --- the tally


def moved(target: str | None) -> Moved:
    return Moved("e", "idle.ready", target, 1)


def test_the_time_in_a_state_starts_where_the_chart_entered_it() -> None:
    watched = resting()
    nothing = StopAsked(1)
    watched.told(nothing, [moved("maker_opening.resting")], at_ns=100 * MS)
    watched.told(nothing, [moved("maker_opening.asking"), moved("maker_opening.asking")], at_ns=300 * MS)
    watched.told(nothing, [moved(None), moved("maker_opening.asking")], at_ns=400 * MS)  # again, or staying: no news
    status = watched.status(at_ns=500 * MS)
    assert (status.state_ms, status.phase_ms, status.up_ms, status.stopping) == (200, 400, 500, 1)


def test_rounds_and_their_fill_rate() -> None:
    watched = resting()
    assert watched.status(at_ns=S).rounds == Rounds(1, True, 0, 0, None)
    bench, nothing = watched.bench, StopAsked(1)
    placed = bench.orders[bench.newest("opening")]

    def over(opened: str, *openings: str) -> None:
        """A round with openings of these client ids, of which so much filled."""
        orders = [replace(placed, request=replace(placed.request, client_id=name, qty=D(2))) for name in openings]
        watched.told(nothing, [*orders, RoundEnded(1, D(opened), D(0), D(0), D(0), D(0), D(0))])

    over("1.5", "a", "b")  # rested twice
    assert watched.status(at_ns=S).rounds == Rounds(1, True, 1, 0, 0.375)
    watched.told(nothing, [replace(placed, request=replace(placed.request, client_id=name)) for name in "cd"])
    watched.told(Answered("c", Request.CANCEL, Refused(Refusal.NOT_FOUND)), [])  # a cancel's: it was there
    watched.told(Answered("d", Request.PLACE, Refused(Refusal.POST_ONLY)), [])
    watched.told(NotSent("e", Request.PLACE, "stale"), [])
    over("0", "f")
    assert watched.status(at_ns=S).rounds == Rounds(1, True, 1, 1, 0.2143)  # 1.5 of 4 + 1 + 2


def test_a_hedge_is_timed_from_the_fill_to_the_wire() -> None:
    watched = resting()
    bench = watched.bench
    fill = replace(bench.row(bench.newest("opening"), "0.4"), recv_ns=5_000)
    watched.told(fill, bench.give(fill))
    hedge = bench.newest("hedge")
    watched.told(fill, [], at_ns=1)
    for reply in (Refused(Refusal.RATE, written_ns=0), Accepted("o", written_ns=905_000)):
        watched.told(Answered(hedge, Request.CANCEL, reply), [])  # not the answer to its placing
    assert watched.tally.latency() == Latency(0, None, None, None)
    watched.told(Answered(hedge, Request.PLACE, Accepted("o", written_ns=705_000)), [])
    watched.told(Answered(hedge, Request.PLACE, Accepted("o", written_ns=905_000)), [])  # told twice, counted once
    assert watched.tally.latency() == Latency(1, 700, 700, 700)


def test_percentiles_are_of_the_nearest_rank_over_the_newest_hedges() -> None:
    tally = Tally(VirtualClock())
    tally.latencies_ns.extend(range(5_000_000, 0, -1000))  # falling, so that the order of coming is not theirs
    assert tally.latency() == Latency(LATENCIES_KEPT, 1, 500, 990)


def test_what_is_kept_is_bounded() -> None:
    tally = Tally(VirtualClock())
    for number in range(1000):
        tally.add_line("w", str(number), tone="plain")
        tally.effect(Alert(Level.PERSON, "c", str(number), {}))
        tally.effect(Alert(Level.WARNING, "c", "calls nobody", {}))
    assert len(tally.lines) == LINES_KEPT
    assert tally.lines[-1] == Line(1000, 0, "w", "999", "plain")
    assert [line.text for line in tally.alerts] == [str(number) for number in range(ALERTS_KEPT)]


def test_a_venue_s_text_steers_no_terminal_and_ends_no_line() -> None:
    tally = Tally(VirtualClock())
    assert tally.add_line("refused", "no\x1b[2J\nway 老鹰", tone="plain").text == "no?[2J?way 老鹰"
    tally.effect(Alert(Level.PERSON, "c", "look\x07", {}))
    assert tally.alerts[0].text == "look?"


# --- a look leaves no trace


class Looking(screen.Screen):
    """Takes a status after every step of a run."""

    looks = 0

    def begin(self, desk: screen.Desk, tally: Tally, *, run: int) -> None:
        super().begin(desk, tally, run=run)
        self.desk = desk

    def step(self, seq: int, at_ns: int, given: Input, effects: list[Effect]) -> None:
        super().step(seq, at_ns, given, effects)
        status = snapshot(self.desk, self.tally, pid=1, journal=None)
        assert read_status(status.as_json()) == status
        type(self).looks += 1


def test_a_run_that_is_looked_at_after_every_step_is_the_same_run(
    eagle: Eagle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its journal holds the same quotes read, the same draws and the same decisions."""
    config = (Path(FLOW).parents[1] / "docs/examples/eagle_paper.yaml").read_text()
    Path("c.yaml").write_text(config.replace("max_round_cost: none", "max_round_cost: 50bps"))
    arguments = ("run", "--flow", FLOW, "--config", "c.yaml", "--speed", "max", "--rounds", 12)
    assert eagle(*arguments, "--journal", "plain/j.sqlite").code == 0
    monkeypatch.setattr(screen, "Screen", Looking)
    assert eagle(*arguments, "--journal", "looked/j.sqlite").code == 0
    assert Looking.looks > 200
    plain, looked = (list(comparable_dump(Path(name) / "j.sqlite")) for name in ("plain", "looked"))
    assert plain == looked


def test_an_answer_that_a_look_computed_is_not_the_next_step_s() -> None:
    """`enough_eligible` is kept until the facts change, and a quote is no fact: a look must not be what computes it."""
    watched = resting()
    desk = watched.bench.desk
    hedging = desk.hedging
    assert hedging is not None
    assert desk.take_used_quotes() != []  # of the steps so far
    desk.world.facts += 1  # what was kept is stale: the next to ask computes anew
    before = (hedging._enough, hedging._enough_answer, dict(desk.world._tradable))
    watched.status(at_ns=watched.bench.now)
    assert (hedging._enough, hedging._enough_answer, desk.world._tradable) == before
    assert desk.take_used_quotes() == []


def test_a_look_that_fails_leaves_no_trace_either() -> None:
    desk = resting().bench.desk
    before = (desk.world.now_ns, desk.world._quotes_used, desk.world._tradable)
    with pytest.raises(ZeroDivisionError), desk.looking(99 * S):
        raise ZeroDivisionError
    assert (desk.world.now_ns, desk.world._quotes_used, desk.world._tradable) == before
    assert desk.world.quote("m") is not None


def test_decimals_stay_exact() -> None:
    status = replace(resting().status(at_ns=S), volume=Decimal("0.10000000000000000000000001"))
    assert read_status(status.as_json()).volume == Decimal("0.10000000000000000000000001")
