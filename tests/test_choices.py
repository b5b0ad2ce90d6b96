"""How the hedging rule comes to an account, as it tells who reviews a run; and a replay that others may watch."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from journal_kit import ToyDesk, record
from trading_kit import Bench, account

from engine.runtime.replay import ReplayReport, replay
from engine.trading.effects import Effect
from engine.trading.hedging import Choice, Rung
from engine.trading.inputs import Fill, Input
from exchanges.types import LinkState, LinkUpdate, Margin, OrderState, Side

D = Decimal


def heard(bench: Bench) -> list[Choice]:
    """Begin with an opening that rests, and listen."""
    choices: list[Choice] = []
    hedging = bench.desk.hedging
    assert hedging is not None
    hedging.on_choice = lambda *chosen: choices.append(hedging.explained(*chosen))
    bench.begin()
    bench.ack(bench.newest("opening"))
    return choices


def choice(named: str | None, objections: dict[str, str], **changes: object) -> Choice:
    fields: dict[str, object] = {
        "side": Side.SELL, "qty": D(1), "exposure": D(1), "in_flight": D(0), "account": named, "rung": None,
        "again": False, "objections": objections,
    }  # fmt: skip
    return Choice(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_drawn_account_and_those_that_could_have_been() -> None:
    bench = Bench(choice=1)
    choices = heard(bench)
    bench.fill(bench.newest("opening"), "1")
    assert choices == [choice("t2", {"t1": "", "t2": ""})]


def test_what_speaks_against_each_account() -> None:
    takers = (account("t1", "b"), account("t2", "b", min_qty=D(2)), account("t3", "c"), account("t4", "c"))
    bench = Bench(accounts=(account("m", "a"), *takers))
    choices = heard(bench)
    bench.give(LinkUpdate("t3", LinkState.LOST, bench.now))
    bench.give(Margin("t1", D(1), D(1), D(0)))
    bench.fill(bench.newest("opening"), "1")
    assert choices == [
        choice(
            "t4",
            {"t1": "too little margin", "t2": "below its smallest order", "t3": "stream not trusted", "t4": ""},
        )
    ]


def test_after_refusals_the_rung_of_the_ladder_is_told_and_the_maker_where_it_was_asked() -> None:
    bench = Bench()
    choices = heard(bench)
    bench.fill(bench.newest("opening"), "1")
    bench.refuse(bench.newest("hedge"))
    bench.refuse(bench.newest("hedge"))
    gone = "refused this exposure before"
    assert choices == [
        choice("t1", {"t1": "", "t2": ""}),
        choice("t2", {"t1": gone, "t2": ""}, rung=Rung.NEXT_ELIGIBLE),
        choice("m", {"t1": gone, "t2": gone, "m": ""}, rung=Rung.UNDO_ON_MAKER),
    ]


def test_where_nobody_may_trade_the_objections_are_all_there_is() -> None:
    bench = Bench(accounts=(account("m", "a"), account("t1", "a"), account("t2", "a")))
    choices = heard(bench)
    bench.fill(bench.newest("opening"), "0.4")
    own = "an own order rests on its book"
    assert choices == [choice(None, {"t1": own, "t2": own}, qty=D("0.4"), exposure=D("0.4"))]


def test_an_account_that_filled_partly_is_asked_again_for_what_is_missing() -> None:
    bench = Bench(choice=1)
    choices = heard(bench)
    bench.fill(bench.newest("opening"), "1")
    bench.desk.world.chance["taker"].choice = 0  # type: ignore[attr-defined]
    bench.fill(bench.newest("hedge"), "0.3")
    bench.update(bench.newest("hedge"), OrderState.CANCELED, "0.3")
    assert choices[1:] == [choice("t2", {"t1": "", "t2": ""}, qty=D("0.7"), exposure=D("0.7"), again=True)]


def test_what_is_in_flight_is_told_beside_the_exposure() -> None:
    bench = Bench()
    choices = heard(bench)
    bench.fill(bench.newest("opening"), "0.3")
    bench.fill(bench.newest("opening"), "0.7")
    assert [(it.qty, it.exposure, it.in_flight) for it in choices] == [
        (D("0.3"), D("0.3"), D(0)),
        (D("0.7"), D("1.0"), D("-0.3")),
    ]


def test_who_listens_changes_no_effect_and_reads_no_quote_beyond_what_the_rule_read() -> None:
    quiet, told = Bench(choice=1), Bench(choice=1)
    heard(told)
    quiet.begin()
    quiet.ack(quiet.newest("opening"))
    for bench in (quiet, told):
        bench.desk.take_used_quotes()
        bench.quote("101.0", "101.1")
        bench.fill(bench.newest("opening"), "1")
        bench.refuse(bench.newest("hedge"))
    assert told.log == quiet.log
    assert told.desk.take_used_quotes() == quiet.desk.take_used_quotes() != []


# --- a replay that is watched


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "toy.db"
    record(path, rounds=3)
    return path


def test_a_replay_shows_each_step_and_ends_where_it_is_told(journal: Path) -> None:
    seen: list[tuple[int, int, Input, list[Effect]]] = []
    report = replay(journal, lambda _run, chance: ToyDesk(chance), until=4, trace=lambda *step: seen.append(step))
    assert report == ReplayReport(run=1, steps=4, difference=None)
    assert [(seq, at_ns) for seq, at_ns, _, _ in seen] == [(1, 10**7), (2, 2 * 10**7), (3, 3 * 10**7), (4, 4 * 10**7)]
    assert isinstance(seen[3][2], Fill)
    assert len(seen[3][3]) == 1


def test_a_step_that_goes_otherwise_is_not_shown(journal: Path) -> None:
    seen: list[int] = []
    report = replay(
        journal, lambda _run, chance: ToyDesk(chance, hold_ms=(1_000, 2_000)), trace=lambda seq, *_: seen.append(seq)
    )
    assert report.difference is not None
    assert seen == list(range(1, report.difference.seq))
