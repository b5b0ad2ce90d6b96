"""Orders that nobody knows of: when silence proves that one is dead, and when it proves nothing (S4, S5)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from trading_kit import MS, Bench, S, account

from engine.trading.effects import Alert, ArmTimer, AskOrder, Effect
from engine.trading.inputs import Answered, Looked, Recalled, Request, TimerFired
from engine.trading.plan import AccountPlan
from exchanges.types import LinkState, LinkUpdate, OrderState, Side, Unknown

D = Decimal


def forgetful(name: str, venue: str) -> AccountPlan:
    """An account whose venue answers questions about open orders only."""
    plan = account(name, venue)
    return replace(plan, capabilities=replace(plan.capabilities, query_finds_terminal=False))


def in_doubt(*accounts: AccountPlan) -> tuple[Bench, str]:
    """The opening has filled; the answer to its hedge got lost."""
    bench = Bench(accounts=accounts)
    bench.begin()
    bench.ack(bench.newest("opening"))
    bench.fill(bench.newest("opening"), "1")
    hedge = bench.newest("hedge")
    bench.give(Answered(hedge, Request.PLACE, Unknown("timeout")))
    return bench, hedge


def ask_until(bench: Bench, hedge: str, until_ns: int) -> list[Effect]:
    """The venue knows no such order, however often it is asked."""
    effects: list[Effect] = []
    while bench.now < until_ns and bench.desk.world.orders.all[hedge].live:
        effects += bench.give(Looked(hedge, 0, ok=True, update=None))
        if bench.desk.world.orders.all[hedge].live:
            effects += bench.fire(hedge, owner="inquiry")
    return effects


def test_where_ended_orders_are_not_found_silence_proves_nothing_while_the_stream_is_lost() -> None:
    """S4: the hedge may have filled and be gone; only the resync can tell. A second one would double it."""
    bench, hedge = in_doubt(account("m", "a"), forgetful("t1", "b"), account("t2", "c"))
    bench.give(LinkUpdate("t1", LinkState.LOST, 0))
    assert bench.placed(ask_until(bench, hedge, 20 * S)) == []
    bench.give(LinkUpdate("t1", LinkState.RESYNC, 0))
    assert bench.placed(bench.fill(hedge, "1")) == []
    assert bench.placed(bench.give(LinkUpdate("t1", LinkState.TRUSTED, 0))) == []
    assert bench.desk.view.exposure == 0


def test_where_ended_orders_are_not_found_silence_counts_when_the_stream_would_have_told() -> None:
    """The stream was trusted all the time: what nobody saw was never accepted."""
    bench, hedge = in_doubt(account("m", "a"), forgetful("t1", "b"), account("t2", "c"))
    assert bench.placed(ask_until(bench, hedge, 20 * S)) == [("t2", "hedge", "sell", D(1))]
    assert 6_100 * MS < bench.now < 7_500 * MS


def test_where_ended_orders_are_found_silence_proves_it_dead_though_the_stream_is_lost() -> None:
    bench, hedge = in_doubt(account("m", "a"), account("t1", "b"), account("t2", "c"))
    bench.give(LinkUpdate("t1", LinkState.LOST, 0))
    assert bench.placed(ask_until(bench, hedge, 20 * S)) == [("t2", "hedge", "sell", D(1))]
    assert 4_100 * MS < bench.now < 5_500 * MS


def test_an_order_recalled_without_its_end_is_asked_about() -> None:
    """It would count as in flight for ever, and what is open would never be hedged."""
    bench = Bench()
    bench.begin()
    old = Recalled(
        client_id="e1r1lhedgea9", account="t1", venue="b", symbol="ETHUSDT", side=Side.SELL, qty=D(1), price=None,
        purpose="hedge", leg="hedge", round=1, order_id="v9", state=OrderState.OPEN, filled=D(0), provisional=D(0),
        trades=(),
    )  # fmt: skip
    assert [e.client_id for e in bench.give(old) if isinstance(e, AskOrder)] == ["e1r1lhedgea9"]
    while bench.now < 20 * S and bench.desk.world.orders.all["e1r1lhedgea9"].live:
        bench.give(Looked("e1r1lhedgea9", 0, ok=True, update=None))
        if bench.desk.world.orders.all["e1r1lhedgea9"].live:
            bench.fire("e1r1lhedgea9", owner="inquiry")
    assert (bench.desk.view.in_flight, bench.desk.view.settled) == (0, True)
    assert bench.placed(bench.fill(bench.newest("opening"), "1")) == [("t1", "hedge", "sell", D(1))]


def test_an_age_timer_of_an_exposure_that_is_over_says_nothing_of_the_next() -> None:
    """It stood in the inbox behind the fills that closed one exposure and opened another: no halt for that."""
    bench = Bench()
    bench.begin()
    bench.ack(bench.newest("opening"))
    first = [e for e in bench.fill(bench.newest("opening"), "0.4") if isinstance(e, ArmTimer) and e.name == "soft age"]
    bench.fill(bench.newest("hedge"), "0.4")
    bench.fill(bench.newest("opening"), "0.6")
    for name in ("soft age", "hard age"):
        effects = bench.give(TimerFired("hedging", name, first[0].epoch))
        assert [e.code for e in effects if isinstance(e, Alert)] == []
    assert bench.state == "TAKER_HEDGING"
