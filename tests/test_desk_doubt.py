"""Orders that nobody knows of: when silence proves that one is dead, and when it proves nothing (S4, S5)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from trading_kit import LIMITS, MS, Bench, S, account

from engine.trading.effects import Alert, ArmTimer, AskOrder, CancelOrder, DisarmTimer, Effect
from engine.trading.inputs import Answered, Looked, MarketSeen, Recalled, Request, Started, StopAsked, TimerFired
from engine.trading.plan import AccountPlan
from exchanges.types import LinkState, LinkUpdate, Margin, MarketKind, OrderState, Position, Side, Unknown

D = Decimal


def forgetful(name: str, venue: str) -> AccountPlan:
    """An account whose venue answers questions about open orders only."""
    plan = account(name, venue)
    return replace(plan, capabilities=replace(plan.capabilities, query_finds_terminal=False))


def in_doubt(*accounts: AccountPlan, dead_after_ns: int = 0) -> tuple[Bench, str]:
    """The opening has filled; the answer to its hedge got lost, which is valid for `dead_after_ns` (0: not known)."""
    bench = Bench(accounts=accounts)
    bench.begin()
    bench.ack(bench.newest("opening"))
    bench.fill(bench.newest("opening"), "1")
    hedge = bench.newest("hedge")
    dead_ns = bench.now + dead_after_ns if dead_after_ns else 0
    bench.give(Answered(hedge, Request.PLACE, Unknown("timeout", dead_ns=dead_ns)))
    return bench, hedge


def ask_until(bench: Bench, hedge: str, until_ns: int) -> list[Effect]:
    """The venue knows no such order, however often it is asked."""
    effects: list[Effect] = []
    while bench.now < until_ns and bench.desk.world.orders.all[hedge].live:
        effects += bench.give(Looked(hedge, 0, ok=True, update=None))
        if bench.desk.world.orders.all[hedge].live:
            effects += bench.fire(hedge, owner="inquiry")
    return effects


def test_a_question_about_an_unknown_hedge_that_failed_is_asked_again_soon() -> None:
    """S3, S4: in a long run one 500 cost the last second before a limit; the hedge moves on at 4.1 s, not at 5.

    Where it is not known when the request left; else sooner, see below.
    """
    bench, hedge = in_doubt(account("m", "a"), account("t1", "b"), account("t2", "c"))
    began = bench.now
    while bench.now < began + 4_100 * MS:
        bench.give(Looked(hedge, 0, ok=True, update=None))
        bench.fire(hedge, owner="inquiry")
    effects = bench.give(Looked(hedge, 0, ok=False, update=None, text="HTTP 500"))
    assert [(e.name, e.at_ns - bench.now) for e in effects if isinstance(e, ArmTimer)] == [(hedge, 250 * MS)]
    bench.fire(hedge, owner="inquiry")
    effects = bench.give(Looked(hedge, 0, ok=True, update=None))
    assert bench.placed(effects) == [("t2", "hedge", "sell", D(1))]
    assert bench.now - began < 5 * S


def asked_at(bench: Bench, hedge: str, times: int) -> list[int]:
    """No question is answered; ms since the hedge was decided at which the next ones are asked."""
    began = bench.desk.world.orders.all[hedge].created_ns
    found = []
    for _ in range(times):
        bench.give(Looked(hedge, 0, ok=False, update=None, text="HTTP 503"), after_ms=0)
        bench.fire(hedge, owner="inquiry")
        found.append((bench.now - began) // MS)
    return found


def test_an_unknown_hedge_is_asked_about_ever_less_often_but_at_once_when_silence_proves_it_dead() -> None:
    """S4, S11: its window ends after 4.1 s, as it did while it was asked four times a second for as long as it took."""
    bench, hedge = in_doubt(account("m", "a"), account("t1", "b"), account("t2", "c"))
    times = asked_at(bench, hedge, 22)
    assert times[:12] == [251, 501, 751, 1001, 1251, 1564, 1955, 2443, 2943, 3443, 3943, 4101]
    assert times[12:] == [4351, 4601, 4851, 5226, 5788, 6632, 7897, 9397, 10897, 12397]  # at most 1.5 s apart


def test_where_only_a_resync_can_tell_questions_are_asked_ever_less_often() -> None:
    """An account that stays away is not asked without a pause, whose end nothing could bring nearer."""
    bench, hedge = in_doubt(account("m", "a"), forgetful("t1", "b"), account("t2", "c"))
    bench.give(LinkUpdate("t1", LinkState.LOST, 0))
    assert asked_at(bench, hedge, 12) == [252, 502, 753, 1129, 1694, 2541, 3812, 5312, 6812, 8312, 9812, 11312]


def test_an_order_of_a_leg_that_nobody_ever_knew_leaves_an_end_for_the_journal() -> None:
    """Else every later run takes over an order that may still be live, and a guard does so without an end."""
    bench = Bench()
    bench.begin()
    order = bench.newest("opening")
    bench.give(Answered(order, Request.PLACE, Unknown("timeout")))
    assert DisarmTimer("inquiry", order, 0) in ask_until(bench, order, 20 * S)
    assert bench.desk.world.orders.all[order].state is OrderState.FAILED


def test_an_account_that_comes_back_is_asked_at_once_what_became_of_its_hedge() -> None:
    bench, hedge = in_doubt(account("m", "a"), account("t1", "b"), account("t2", "c"))
    asked_at(bench, hedge, 22)
    bench.give(Looked(hedge, 0, ok=False, update=None, text="HTTP 503"))
    bench.give(LinkUpdate("t1", LinkState.LOST, 0))
    effects = bench.give(LinkUpdate("t1", LinkState.TRUSTED, 0))
    assert [effect.client_id for effect in effects if isinstance(effect, AskOrder)] == [hedge]


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


def test_a_request_that_is_known_to_have_left_at_once_is_dead_after_its_own_window() -> None:
    """S4: it left when it was decided and not at the last moment that it may: nothing else has to be waited for."""
    bench, hedge = in_doubt(account("m", "a"), account("t1", "b"), account("t2", "c"), dead_after_ns=2_010 * MS)
    began = bench.now
    assert bench.placed(ask_until(bench, hedge, began + 2_110 * MS)) == []
    assert bench.placed(ask_until(bench, hedge, 20 * S)) == [("t2", "hedge", "sell", D(1))]
    assert bench.now - began < 3_200 * MS


def given_up() -> tuple[Bench, str]:
    """The venue knew nothing of the first hedge for longer than it could be accepted; the second one has filled."""
    bench, hedge = in_doubt(account("m", "a"), account("t1", "b"), account("t2", "c"))
    ask_until(bench, hedge, bench.now + 20 * S)
    assert not bench.desk.world.orders.all[hedge].live
    bench.fill(bench.newest("hedge"), "1")
    assert bench.desk.world.exposure == 0
    return bench, hedge


def test_an_order_that_comes_to_life_after_it_was_given_up_is_cancelled_and_counted_on_for_nothing() -> None:
    """Seed 1256 of the catalogue on okx,binance: it showed in no query for six seconds, and then rested for ever."""
    bench, hedge = given_up()
    effects = bench.update(hedge, OrderState.OPEN)
    assert [effect.client_id for effect in effects if isinstance(effect, CancelOrder)] == [hedge]
    assert [effect.code for effect in effects if isinstance(effect, Alert)] == ["order_revived"]
    assert bench.placed(effects) == []
    bench.now += S
    effects = bench.fire(hedge, owner="inquiry")
    assert [effect.client_id for effect in effects if isinstance(effect, CancelOrder)] == [hedge]
    effects = bench.fill(hedge, "0.4")
    assert [(leg, side, qty) for _, leg, side, qty in bench.placed(effects)] == [("hedge", "buy", D("0.4"))]
    bench.update(hedge, OrderState.CANCELED, "0.4")
    assert not bench.desk.world.orders.all[hedge].live
    assert bench.desk.world.ledger.breach() is None


def test_a_fill_of_an_order_that_was_given_up_is_told_and_hedged_back() -> None:
    """Seed 2228 of the catalogue on binance,backpack: it showed in no query for six seconds, and then filled whole."""
    bench, hedge = given_up()
    effects = bench.fill(hedge, "1")
    assert [effect.code for effect in effects if isinstance(effect, Alert)] == ["order_revived"]
    assert [(leg, side, qty) for _, leg, side, qty in bench.placed(effects)] == [("hedge", "buy", D(1))]
    effects = bench.fill(bench.newest("hedge"), "1")
    assert [effect.code for effect in effects if isinstance(effect, Alert)] == []
    assert bench.desk.world.exposure == 0


def test_a_late_word_on_an_order_that_the_venue_itself_has_ended_revives_nothing() -> None:
    """A frame that was overtaken: by the end of the order, or by its refusal."""
    bench, cancelled = in_doubt(account("m", "a"), account("t1", "b"), account("t2", "c"))
    bench.update(cancelled, OrderState.CANCELED)
    refused = bench.newest("hedge")
    bench.refuse(refused)
    for order in (cancelled, refused):
        assert bench.update(order, OrderState.OPEN) == []
        assert not bench.desk.world.orders.all[order].live


def test_a_hedge_that_the_venue_has_taken_and_does_not_show_is_no_dead_one() -> None:
    """Row 15, seed 127 of the catalogue on OKX and Binance: acknowledged, in no query for six seconds, then filled.

    Taken for never accepted when its request was over, it was hedged a second time, and was still to fill.
    """
    bench = Bench()
    bench.begin()
    bench.ack(bench.newest("opening"))
    bench.fill(bench.newest("opening"), "1")
    hedge = bench.newest("hedge")
    bench.ack(hedge)
    bench.fire(hedge, owner="inquiry")
    missing_ns = bench.now
    assert bench.placed(ask_until(bench, hedge, missing_ns + 5 * S)) == []
    assert [cancel.client_id for cancel in bench.cancels] == [hedge] * 5  # once a second, and then less often
    effects = ask_until(bench, hedge, missing_ns + 7 * S)
    assert [e.code for e in effects if isinstance(e, Alert)] == ["order_lost"]
    assert bench.placed(effects) == [("t2", "hedge", "sell", D(1))]


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


def test_what_is_open_before_any_book_was_seen_is_no_dust() -> None:
    """S3, S6: a liquidation comes before the hedge venue's first quote; it is hedged as soon as there is one."""
    bench = Bench()
    bench.begin()
    book = bench.desk.books.pop(("b", "ETHUSDT"))
    bench.ack(bench.newest("opening"))
    assert bench.placed(bench.fill(bench.newest("opening"), "1")) == []
    assert not bench.desk.view.settled
    assert bench.placed(bench.fire("again", owner="hedging")) == []
    bench.desk.books["b", "ETHUSDT"] = book
    assert bench.placed(bench.fire("again", owner="hedging")) == [("t1", "hedge", "sell", D(1))]


SPOT = {"kind": MarketKind.SPOT, "initial_margin": D(1)}


def spot_pool(side: str, *, base: str, cash: str) -> Bench:
    bench = Bench(
        {"maker_side": side},
        accounts=(account("m", "a", **SPOT), account("t1", "b", **SPOT), account("t2", "b", **SPOT)),
    )
    bench.quote("100.0", "100.1")
    for name in bench.plan.accounts:
        bench.give(LinkUpdate(name, LinkState.TRUSTED, 0))
    bench.give(MarketSeen(open=True, reason="", text=""))
    held = tuple(Position(name, "ETHUSDT", D(base)) for name in bench.plan.accounts)
    bench.give(Started(held, tuple(Margin(name, D(cash), D(cash), D(0)) for name in bench.plan.accounts)))
    return bench


@pytest.mark.parametrize(
    ("side", "base", "cash", "why"),
    [
        ("buy", "0.9", "1000", "t1: 0.9 ETH are too little to sell; t2: 0.9 ETH are too little to sell"),
        ("buy", "1", "0", ""),  # a sale gives base and needs no cash
        ("sell", "1", "100", "t1: free margin 100.00 is too little; t2: free margin 100.00 is too little"),
        ("sell", "1", "1000", ""),
    ],
)
def test_on_spot_an_opening_needs_takers_that_hold_what_its_hedge_sells_or_pays(
    side: str, base: str, cash: str, why: str
) -> None:
    """E5, S18: its fill would stand open until it is undone on the maker, at a price every time."""
    bench = spot_pool(side, base=base, cash=cash)
    expected = f"not enough takers for the full size: {why}" if why else "exposure is not settled"
    assert bool(bench.orders) is not bool(why)
    if bench.orders:
        bench.fill(bench.newest("opening"), "1")
    assert bench.desk.view.closed_because() == expected


def test_on_spot_nothing_is_reduce_only() -> None:
    """S18: there is inventory and no position; a venue would refuse the flag, and with it the hedge."""
    bench = Bench(
        accounts=(account("m", "a", **SPOT), account("t1", "b", **SPOT), account("t2", "b", **SPOT)), limits=LIMITS
    )
    held = tuple(Position(name, "ETHUSDT", D(5)) for name in ("m", "t1", "t2"))
    bench.begin(held=held)
    bench.ack(bench.newest("opening"))
    bench.fill(bench.newest("opening"), "1")
    bench.fill(bench.newest("hedge"), "1")
    bench.give(StopAsked(2))
    assert [placed.leg for placed in bench.orders.values()] == ["opening", "hedge", "flatten", "flatten"]
    assert not any(placed.request.reduce_only for placed in bench.orders.values())
