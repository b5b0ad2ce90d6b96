"""S3: the ladder of a hedge that accounts refuse, rung by rung; a person is called, and it never ends by itself."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from trading_kit import MS, Bench, D, S, account, eagle_flow

from engine.chart.load import load_flow
from engine.trading.effects import Alert, ArmTimer, Effect, Level
from engine.trading.vocabulary import trading_vocabulary
from exchanges.types import Margin, OrderState, Side

FIVE = tuple(account(name, "a" if name == "m" else "b") for name in ("m", "t1", "t2", "t3", "t4"))
LADDER = "if refused: [reduce elsewhere, next eligible, undo on maker]"


def opened(bench: Bench) -> Bench:
    bench.begin()
    bench.ack(bench.newest("opening"))
    return bench


def with_margin(bench: Bench, **free: int) -> Bench:
    for name, amount in free.items():
        bench.give(Margin(name, D(amount), D(amount), D(0)))
    return bench


def stuck(effects: list[Effect]) -> list[Level]:
    return [it.level for it in effects if isinstance(it, Alert) and it.code == "hedge_stuck"]


def refused_by_all(bench: Bench) -> list[Effect]:
    """Every account that is tried says no, the maker last; the effects of its no."""
    effects: list[Effect] = []
    while bench.desk.world.orders.covering:
        effects = bench.refuse(bench.newest("hedge"))
    return effects


def test_after_a_refusal_an_account_whose_position_the_hedge_reduces_comes_first() -> None:
    """It needs no new margin; one with ten times as much stands behind it."""
    bench = opened(Bench(accounts=FIVE, choice=1))
    bench.fill(bench.newest("opening"), "1")
    bench.fill(bench.newest("hedge"), "1")  # t2 is short
    bench.fire("hold")
    bench.ack(bench.newest("closing"))
    with_margin(bench, t3=1_000_000, t4=10_000_000)
    bench.desk.world.chance["taker"].choice = 2  # type: ignore[attr-defined]
    assert bench.placed(bench.fill(bench.newest("closing"), "1")) == [("t3", "hedge", "buy", D(1))]
    assert bench.placed(bench.refuse(bench.newest("hedge"))) == [("t2", "hedge", "buy", D(1))]


def test_one_whose_position_the_hedge_would_turn_over_is_not_reduced_by_it() -> None:
    bench = opened(Bench(accounts=FIVE, choice=1))
    bench.fill(bench.newest("opening"), "0.4")
    bench.fill(bench.newest("hedge"), "0.4")  # t2 is short by 0.4
    with_margin(bench, t3=1_000_000)
    bench.desk.world.chance["taker"].choice = 3  # type: ignore[attr-defined]
    liquidated = replace(bench.row(bench.newest("opening"), "1"), client_id="", order_id="x", side=Side.SELL)
    assert bench.placed(bench.give(liquidated)) == [("t4", "hedge", "buy", D(1))]
    assert bench.placed(bench.refuse(bench.newest("hedge"))) == [("t3", "hedge", "buy", D(1))]


def test_an_account_whose_position_the_hedge_reduces_needs_no_margin_for_it() -> None:
    """S12: it frees some; an account that is drawn and has none is passed over only where it would add."""
    bench = opened(Bench())
    bench.fill(bench.newest("opening"), "1")
    bench.fill(bench.newest("hedge"), "1")  # t1 is short
    bench.fire("hold")
    bench.ack(bench.newest("closing"))
    with_margin(bench, t1=0, t2=0)
    assert bench.placed(bench.fill(bench.newest("closing"), "1")) == [("t1", "hedge", "buy", D(1))]


def test_one_whose_margin_does_not_carry_the_hedge_is_not_drawn() -> None:
    """S12: 1.0 at 100, a tenth of it as initial margin and a buffer of 1.2."""
    for free, drawn in (("11.99", "t2"), ("12", "t1")):
        bench = opened(Bench())
        bench.give(Margin("t1", D(100), D(free), D(0)))
        assert bench.placed(bench.fill(bench.newest("opening"), "1")) == [(drawn, "hedge", "sell", D(1))]


def test_then_the_eligible_account_with_most_free_margin() -> None:
    bench = with_margin(opened(Bench(accounts=FIVE)), t2=500_000, t3=900_000, t4=600_000)
    bench.fill(bench.newest("opening"), "1")
    tried = [bench.placed(bench.refuse(bench.newest("hedge")))[0][0] for _ in range(4)]
    assert tried == ["t3", "t4", "t2", "m"]


def test_the_maker_takes_its_fill_back_only_where_no_taker_is_left_whatever_stands_first() -> None:
    text = eagle_flow().text.replace(LADDER, "if refused: [undo on maker, reduce elsewhere, next eligible]")
    flow = load_flow(text, file="flows/eagle_chicken.yaml", vocabulary=trading_vocabulary())
    assert text != eagle_flow().text
    bench = opened(Bench(flow=flow))
    bench.fill(bench.newest("opening"), "1")
    tried = [bench.placed(bench.refuse(bench.newest("hedge")))[0][0] for _ in range(2)]
    assert tried == ["t2", "m"]


@pytest.mark.parametrize(("leg", "side", "reduce_only"), [("opening", "sell", True), ("closing", "buy", False)])
def test_the_maker_takes_back_an_opening_fill_reduce_only_and_a_closing_one_by_increasing(
    leg: str, side: str, reduce_only: bool
) -> None:
    bench = opened(Bench())
    bench.fill(bench.newest("opening"), "1")
    if leg == "closing":
        bench.fill(bench.newest("hedge"), "1")
        bench.fire("hold")
        bench.ack(bench.newest("closing"))
        bench.fill(bench.newest("closing"), "1")
    bench.refuse(bench.newest("hedge"))
    assert bench.placed(bench.refuse(bench.newest("hedge"))) == [("m", "hedge", side, D(1))]
    assert bench.orders[bench.newest("hedge")].request.reduce_only is reduce_only


def test_when_all_have_refused_a_person_is_called_and_all_are_asked_again_within_250_ms() -> None:
    bench = opened(Bench())
    bench.fill(bench.newest("opening"), "1")
    effects = refused_by_all(bench)
    assert stuck(effects) == [Level.PERSON]
    again = [it.at_ns - bench.now for it in effects if isinstance(it, ArmTimer) and it.name == "again"]
    assert again == [250 * MS]
    assert bench.placed(bench.fire("again", owner="hedging")) == [("t1", "hedge", "sell", D(1))]


def test_a_person_is_called_every_ten_seconds_while_nobody_takes_the_hedge() -> None:
    bench = opened(Bench())
    bench.fill(bench.newest("opening"), "1")
    began_ns, called_ns = bench.now, list[int]()
    while bench.now - began_ns < 35 * S:
        if stuck(refused_by_all(bench)):
            called_ns.append(bench.now)
        bench.fire("again", owner="hedging")
    apart = [later - before for before, later in pairwise(called_ns)]
    assert len(called_ns) == 4
    assert all(10 * S <= it < 10 * S + 300 * MS for it in apart)


def test_neither_a_halt_nor_its_end_of_patience_ends_the_ladder() -> None:
    bench = opened(Bench())
    bench.fill(bench.newest("opening"), "1")
    bench.update(bench.newest("opening"), OrderState.FILLED, "1")
    bench.fire("soft age", owner="hedging")
    bench.fire("hard age", owner="hedging")
    assert bench.state.startswith("ERROR")
    for _ in range(50):
        refused_by_all(bench)
        assert bench.placed(bench.fire("again", owner="hedging")) == [("t1", "hedge", "sell", Decimal(1))]
