"""Why a run does not open is said once: in words, after a while, and without touching what the flow decides."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from trading_kit import LIMITS, MS, Bench, S, account

from engine.trading.effects import Alert, Effect, Level
from engine.trading.inputs import MarketSeen
from engine.trading.standstill import Standstill
from exchanges.types import LinkState, LinkUpdate, OrderState

D = Decimal


def told(effects: list[Effect]) -> list[str]:
    return [e.text for e in effects if isinstance(e, Alert) and e.code == "not_opening"]


def wait(bench: Bench, until_ns: int) -> list[Effect]:
    """The flow looks again and again; books stay fresh."""
    effects: list[Effect] = []
    while bench.now < until_ns:
        effects += bench.fire("recheck" if bench.state == "IDLE.ready" else "cool_down")
    return effects


def closed(bench: Bench) -> Bench:
    """A desk that has nothing open and whose market is closed."""
    bench.begin()
    bench.ack(bench.newest("opening"))
    bench.give(MarketSeen(open=False, reason="volatile", text="mid moved more than 80 bps"))
    bench.update(bench.newest("opening"), OrderState.CANCELED)
    return bench


def test_a_pool_without_money_says_so_once() -> None:
    """The run waits for ever: a person must see why, and not four times a second."""
    bench = Bench()
    bench.begin(equity="0")
    effects = wait(bench, 120 * S)
    assert told(effects) == [
        "not opening: not enough takers for the full size: t1: free margin 0.00 is too little;"
        " t2: free margin 0.00 is too little"
    ]
    assert [e.level for e in effects if isinstance(e, Alert) and e.code == "not_opening"] == [Level.INFO]


def test_nothing_is_said_of_a_reason_that_passes() -> None:
    bench = closed(Bench())
    assert told(wait(bench, bench.now + 1_500 * MS)) == []
    assert told(bench.give(MarketSeen(open=True, reason="", text=""))) == []
    assert bench.state == "MAKER_OPENING.resting"


def test_another_reason_is_said_anew() -> None:
    bench = closed(Bench())
    assert told(wait(bench, 10 * S)) == ["not opening: market: mid moved more than 80 bps"]
    bench.give(MarketSeen(open=True, reason="", text=""), after_ms=0)
    opening = bench.newest("opening")
    bench.ack(opening)
    bench.give(LinkUpdate("t2", LinkState.LOST, 0))
    bench.update(opening, OrderState.CANCELED)
    assert told(wait(bench, 20 * S)) == ["not opening: the stream of t2 is not trusted"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"max_order": D("0.5")}, "quantity 1.0 is above max_order 0.5"),
        ({"max_position": D("0.5")}, "an account that holds 0 would come above max_position 0.5"),
        ({"max_gross": D("1.5")}, "accounts that hold 0 would come above max_gross 1.5"),
        ({"max_round_cost_bps": D("-50")}, "expected round cost 0.00 bps is above max_round_cost -50 bps"),
    ],
)
def test_a_limit_that_keeps_a_run_from_opening_is_named(changes: dict[str, Decimal], words: str) -> None:
    bench = Bench(limits=replace(LIMITS, **changes))  # type: ignore[arg-type]
    bench.begin()
    assert told(wait(bench, 5 * S)) == [f"not opening: {words}"]


def test_a_quantity_that_no_taker_can_trade_is_named() -> None:
    bench = Bench(accounts=(account("m", "a"), account("t1", "b", min_qty=D(2))))
    bench.begin()
    assert told(wait(bench, 5 * S)) == [
        "not opening: not enough takers for the full size: t1: 1.0 is below its smallest order"
    ]


def test_saying_it_uses_no_quote() -> None:
    """The journal keeps quotes that decisions read; a look that finds the same facts reads none anew."""
    bench = Bench()
    bench.begin(equity="0")
    wait(bench, 1_500 * MS)
    bench.desk.take_used_quotes()
    bench.quote("100.0", "100.1")
    assert told(wait(bench, 5 * S)) != []
    assert bench.desk.take_used_quotes() == []


# --- the words alone


def looks(*given: tuple[float, str]) -> list[tuple[float, str]]:
    """(seconds, reason) in; (seconds, text) of what was told out."""
    standstill, out = Standstill(), []
    for at_s, why in given:
        alert = standstill.look(why, int(at_s * S))
        if alert is not None:
            out.append((at_s, alert.text))
    return out


def test_numbers_that_change_are_no_other_reason() -> None:
    assert looks(*[(at / 4, f"cost {at}.5 bps") for at in range(100)]) == [(2.0, "not opening: cost 8.5 bps")]


def test_a_reason_that_comes_and_goes_is_said_once_a_minute_at_most() -> None:
    """Three seconds closed, a moment open, for five minutes."""
    given = [(at / 4, "" if at % 13 == 0 else "spread") for at in range(1200)]
    times = [at for at, _ in looks(*given)]
    assert len(times) == 5
    assert all(late - early >= 60 for early, late in pairwise(times))


def test_two_waits_far_apart_are_not_one_long_wait() -> None:
    assert looks((0, "spread"), (0.25, "spread"), (100, "spread"), (101, "spread")) == []
