"""Faults that the storm or a reading of the code found, each as the shortest story that shows it again."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from trading_kit import LIMITS, Bench, S, account

from engine.trading.effects import Alert, AskOrder, AskPositions, CancelOrder, Effect, Finish, Level, PlaceOrder
from engine.trading.inputs import (
    Answered,
    Carried,
    ClockJumped,
    Counted,
    Held,
    Looked,
    NotSent,
    Recalled,
    Request,
    StopAsked,
)
from engine.trading.orders import KEEP_NS
from exchanges.types import (
    Fill,
    FillKind,
    LinkState,
    LinkUpdate,
    Liquidity,
    OrderState,
    OrderUpdate,
    Position,
    Refusal,
    Side,
    Unknown,
)

D = Decimal


def opened(bench: Bench | None = None) -> Bench:
    """A desk whose opening order rests."""
    bench = bench or Bench()
    bench.begin()
    bench.ack(bench.newest("opening"))
    return bench


def hedged(bench: Bench | None = None) -> Bench:
    """A desk that holds: the opening filled in full and its hedge is confirmed."""
    bench = opened(bench)
    bench.fill(bench.newest("opening"), "1")
    bench.fill(bench.newest("hedge"), "1")
    return bench


def test_an_order_stopped_at_the_wire_waits_before_it_is_made_again() -> None:
    """S16: the sender answers inside the step; making it anew at once would never leave that moment."""
    bench = hedged()
    bench.fire("hold")
    effects = bench.give(NotSent(bench.newest("closing"), Request.PLACE, "book is 1200 ms old"))
    assert bench.placed(effects) == []
    assert bench.placed(bench.fire("reprice_wait")) == [("m", "closing", "sell", D(1))]


def test_a_liquidation_that_is_told_twice_counts_once() -> None:
    """S5, S12: a resync tells its overlap again; no order of ours knows the row."""
    bench = hedged()
    row = bench.row(bench.newest("hedge"), "1", client_id="", order_id="liq", side=Side.BUY, kind=FillKind.LIQUIDATION)
    effects = bench.give(row)
    assert bench.placed(effects) == [("t1", "hedge", "sell", D(1))]
    assert [(e.level, e.code) for e in effects if isinstance(e, Alert)][:1] == [(Level.PERSON, "fill_liquidation")]
    assert bench.state.startswith("ERROR")
    assert bench.placed(bench.give(row)) == []
    assert bench.desk.world.ledger.books["t1"].position == 0


def test_a_row_of_an_order_long_out_of_memory_is_not_counted_again() -> None:
    """S5: the rows of an order outlive it."""
    bench = hedged()
    row = bench.row(bench.newest("opening"), "1", trade="t1")
    orders = bench.desk.world.orders
    orders._evict(bench.now + 2 * KEEP_NS)
    assert orders.all == {}
    before = bench.desk.view.exposure
    bench.give(row)
    assert bench.desk.view.exposure == before


def stopped(bench: Bench) -> list[Effect]:
    """A stop while the opening rests; the venue is asked for the positions in the end."""
    first = bench.newest("opening")
    token = next(e.token for e in bench.give(StopAsked(1)) if isinstance(e, AskOrder))
    bench.give(Looked(first, token, ok=True, update=bench.told(first, OrderState.OPEN)))
    effects = bench.update(first, OrderState.CANCELED)
    return effects if bench.state == "CLEANUP.verifying" else bench.fire("recheck")


def test_positions_read_while_a_stream_is_lost_are_no_difference() -> None:
    """S17: the stream may still owe us the fills that the venue shows."""
    bench = opened()
    bench.give(LinkUpdate("m", LinkState.LOST, 0))
    ahead = (Position("m", "ETHUSDT", D("0.4")),)
    for _ in range(3):
        bench.give(Counted(0, ok=True, quiet=True, positions=ahead, margins=()))
    assert not bench.desk.world.positions_doubted
    assert not bench.desk.world.distrusted


def test_a_late_fill_while_the_venues_are_read_is_closed_before_the_end() -> None:
    """E18: flat is what the ledger says now, not when the question left."""
    bench = opened()
    first = bench.newest("opening")
    token = [e.token for e in stopped(bench) if isinstance(e, AskPositions)][-1]
    bench.fill(first, "0.4")
    bench.fill(bench.newest("hedge"), "0.4")
    told = (Position("m", "ETHUSDT", D("0.4")), Position("t1", "ETHUSDT", D("-0.4")))
    effects = bench.give(Counted(token, ok=True, quiet=True, positions=told, margins=()))
    assert [e for e in effects if isinstance(e, Finish)] == []
    assert bench.placed(effects) == [("m", "cleanup", "sell", D("0.4"))]


def test_a_stop_that_no_venue_confirms_ends_with_a_failure_and_no_distrust() -> None:
    """E18, S17: a query that failed is neither flat nor a difference."""
    bench = opened()
    effects = stopped(bench)
    for _ in range(120):
        asked = [e.token for e in effects if isinstance(e, AskPositions)]
        if asked:
            effects = bench.give(Counted(asked[-1], ok=False, quiet=False, positions=(), margins=()))
        elif bench.state == "CLEANUP.verifying":
            effects = bench.fire("retry:CLEANUP.verifying")
        elif bench.state == "CLEANUP.doubting":
            effects = bench.fire("recheck")
    assert [e.exit_code for e in bench.log if isinstance(e, Finish)] == [1]
    assert not bench.desk.world.distrusted


def test_leaving_with_an_order_still_live_is_no_success() -> None:
    """E18: exit 0 only if the venue confirms flat; the second SIGINT's time ran out before the cancel was seen."""
    bench = opened()
    bench.give(StopAsked(2))
    effects = bench.fire("leave_timeout")
    assert [e.exit_code for e in effects if isinstance(e, Finish)] == [1]


def test_no_slice_leaves_on_a_stream_that_is_lost() -> None:
    """S14: nothing but cancels; the slice leaves when the stream is trusted again."""
    bench = hedged()
    bench.give(LinkUpdate("t1", LinkState.LOST, 0))
    assert bench.placed(bench.give(StopAsked(2))) == []
    bench.give(LinkUpdate("t1", LinkState.TRUSTED, 0))
    assert bench.placed(bench.fire("recheck")) == [("m", "flatten", "sell", D(1)), ("t1", "flatten", "buy", D(1))]


def test_no_second_slice_while_the_first_is_in_flight() -> None:
    """S9: positions do not show it yet; cut from them it would be the same slice once more."""
    bench = hedged()
    assert len(bench.placed(bench.give(StopAsked(2)))) == 2
    assert bench.placed(bench.fire("slice_patience")) == []
    assert bench.placed(bench.fire("recheck")) == []


def test_no_slice_meets_our_own_resting_order() -> None:
    """S8: on one book the flattening waits for the end of what rests."""
    bench = hedged(Bench(accounts=(account("m", "a"), account("t1", "a"), account("t2", "a"))))
    bench.fire("hold")
    closing = bench.newest("closing")
    bench.give(StopAsked(2))
    assert bench.placed(bench.fire("ask_timeout")) == []
    bench.update(closing, OrderState.CANCELED)
    assert len(bench.placed(bench.fire("recheck"))) == 2


def test_an_account_that_refuses_its_slice_is_left_out_longer_each_time() -> None:
    """S9: the other half of the pair fills and is undone at a price, every time."""
    bench = hedged()
    bench.give(StopAsked(2))
    pairs = 0
    while bench.now < 9 * S:
        live = [o.client_id for o in bench.desk.world.orders.covering.values()]
        for client_id in live:
            order = bench.desk.world.orders.all[client_id]
            if order.account == "t1":
                pairs += 1
                bench.refuse(client_id)
            else:
                bench.fill(client_id, str(order.qty))
        if not bench.desk.world.orders.covering:
            bench.fire("recheck")
    assert pairs <= 5


def test_a_hedge_is_dead_only_by_a_question_asked_after_its_time() -> None:
    """S4: an answer that comes late was true when it was given, and the request may have arrived since."""
    bench = opened()
    bench.fill(bench.newest("opening"), "1")
    hedge = bench.newest("hedge")
    bench.give(Answered(hedge, Request.PLACE, Unknown("timeout")))
    late = bench.give(Looked(hedge, 0, ok=True, update=None), after_ms=4_200)
    assert bench.placed(late) == []
    bench.fire(hedge, owner="inquiry")
    assert bench.placed(bench.give(Looked(hedge, 0, ok=True, update=None))) == [("t2", "hedge", "sell", D(1))]


def test_a_refused_cancel_of_a_blocking_order_is_asked_and_repeated_after_a_while() -> None:
    """S8, S11: repeated at once it would never leave the moment where the client answers at once."""
    bench = opened(Bench(accounts=(account("m", "a"), account("t1", "a"), account("t2", "a"))))
    first = bench.newest("opening")
    bench.fill(first, "0.4")
    assert [c.client_id for c in bench.cancels] == [first]
    effects = bench.give(Answered(first, Request.CANCEL, Unknown("the client raised")))
    assert [e for e in effects if isinstance(e, CancelOrder)] == []
    assert [e.client_id for e in effects if isinstance(e, AskOrder)] == [first]
    again = bench.give(Looked(first, 0, ok=False, update=None), after_ms=1_001)
    assert [e.client_id for e in again if isinstance(e, CancelOrder)] == [first]


def test_the_undo_takes_our_own_resting_order_out_of_its_way() -> None:
    """S3, S8: the last rung is the maker itself, whose remainder rests on the same book."""
    bench = opened()
    first = bench.newest("opening")
    bench.fill(first, "0.4")
    bench.refuse(bench.newest("hedge"))
    effects = bench.refuse(bench.newest("hedge"))
    assert [e.client_id for e in effects if isinstance(e, CancelOrder)] == [first]
    assert bench.placed(bench.update(first, OrderState.CANCELED, "0.4")) == [("m", "hedge", "sell", D("0.4"))]


def test_a_part_that_only_the_update_tells_keeps_the_account() -> None:
    """E9: same account first, also before the row comes."""
    bench = opened(Bench(choice=1))
    bench.fill(bench.newest("opening"), "1")
    effects = bench.update(bench.newest("hedge"), OrderState.CANCELED, "0.4")
    assert bench.placed(effects) == [("t2", "hedge", "sell", D("0.6"))]


def test_a_slice_that_is_not_over_within_a_second_is_asked_about() -> None:
    """S4: its end may have been missed."""
    bench = hedged()
    bench.give(StopAsked(2))
    flatten = bench.newest("flatten")
    effects = bench.fire(flatten, owner="inquiry")
    assert [e.client_id for e in effects if isinstance(e, AskOrder)] == [flatten]


def test_an_order_that_the_venue_no_longer_knows_ends_after_a_while() -> None:
    """Fault 15: stuck for ever otherwise, with the run."""
    bench = opened()
    first = bench.newest("opening")
    bench.update(first, OrderState.OPEN)
    token = next(e.token for e in bench.fire("order_timeout") if isinstance(e, AskOrder))
    bench.give(Looked(first, token, ok=True, update=None))
    while bench.now < 20 * S and bench.desk.world.orders.all[first].live:
        bench.fire(first, owner="inquiry")
        bench.give(Looked(first, 0, ok=True, update=None))
    assert bench.desk.world.orders.all[first].state is OrderState.CANCELED
    assert 8 * S < bench.now < 10 * S
    assert [e.code for e in bench.log if isinstance(e, Alert)].count("order_lost") == 1


def test_an_order_that_the_venue_no_longer_knows_does_not_end_while_its_stream_is_lost() -> None:
    """S4: what it filled may be told by the resync; ended before, its fill would come as a surprise."""
    bench = opened()
    first = bench.newest("opening")
    bench.update(first, OrderState.OPEN)
    token = next(e.token for e in bench.fire("order_timeout") if isinstance(e, AskOrder))
    bench.give(LinkUpdate("m", LinkState.LOST, 0))
    bench.give(Looked(first, token, ok=True, update=None))
    while bench.now < 30 * S:
        bench.fire(first, owner="inquiry")
        bench.give(Looked(first, 0, ok=True, update=None))
    assert bench.desk.world.orders.all[first].live
    bench.give(LinkUpdate("m", LinkState.TRUSTED, 0))
    bench.fire(first, owner="inquiry")
    bench.give(Looked(first, 0, ok=True, update=None))
    assert bench.desk.world.orders.all[first].state is OrderState.CANCELED


def test_a_close_does_not_rest_while_no_taker_can_be_reached() -> None:
    """E5: its fill could not be hedged."""
    bench = hedged()
    for name in ("t1", "t2"):
        bench.give(LinkUpdate(name, LinkState.LOST, 0))
    assert bench.placed(bench.fire("hold")) == []
    assert bench.placed(bench.give(LinkUpdate("t2", LinkState.TRUSTED, 0))) == [("m", "closing", "sell", D(1))]


def test_an_order_that_the_venue_cancels_by_itself_is_not_made_again_at_once() -> None:
    """E5: some venues take a post-only order that would cross, and cancel it: at most three a second."""
    bench = opened()
    effects = bench.update(bench.newest("opening"), OrderState.CANCELED)
    assert bench.placed(effects) == []
    assert len(bench.placed(bench.fire("reprice_wait"))) == 1


def test_the_cancel_of_the_second_sigint_is_sent_again() -> None:
    """E18: the first one may be lost, and nobody may leave a resting order behind for that."""
    bench = opened()
    first = bench.newest("opening")
    bench.give(StopAsked(2))
    bench.fire("ask_timeout")
    effects = bench.fire("recheck")
    assert [e.client_id for e in effects if isinstance(e, CancelOrder)] == [first]


def test_a_halt_does_not_end_while_an_order_rests() -> None:
    """E15: nothing is left behind at the venue."""
    bench = opened()
    first = bench.newest("opening")
    bench.give(bench.row(first, "0.1", client_id="", order_id="x", kind=FillKind.LIQUIDATION))
    go_on(bench, 20)
    assert [e for e in bench.log if isinstance(e, Finish)] == []
    bench.update(first, OrderState.CANCELED)
    go_on(bench, 5)
    why = "flat; halted: MAKER_OPENING.resting on limit.breached (E15)"
    assert [(e.exit_code, e.text) for e in bench.log if isinstance(e, Finish)] == [(1, why)]


def go_on(bench: Bench, times: int) -> None:
    """Fill what covers and let the halt's timers fire."""
    for _ in range(times):
        for order in list(bench.desk.world.orders.covering.values()):
            bench.fill(order.client_id, str(order.qty))
        if bench.state == "ERROR.again":
            bench.fire("recheck")
        elif bench.state == "ERROR.cancelling":
            bench.fire("cancel_timeout")
        elif bench.state == "ERROR.verifying":
            bench.confirm()


def test_a_slow_resync_of_one_account_does_not_hold_up_the_hedges_of_the_others() -> None:
    """S3: its fills are waited for as one batch, but not for ever."""
    bench = opened()
    bench.give(LinkUpdate("t1", LinkState.RESYNC, 0))
    assert bench.placed(bench.fill(bench.newest("opening"), "1")) == []
    assert bench.placed(bench.fire("resync", owner="hedging")) == [("t2", "hedge", "sell", D(1))]


def test_a_position_in_another_market_is_not_measured_with_this_market_s_price() -> None:
    """S1: the person's own holding would halt the run."""
    bench = hedged()
    other = Position("t1", "BTCUSDT", D(1), liquidation_price=D(60_000))
    bench.give(Counted(0, ok=True, quiet=False, positions=(other,), margins=()))
    assert bench.state == "HOLDING"


def test_a_halt_ends_when_nothing_is_left_that_an_order_could_take_off() -> None:
    """Found by `eagle prove`: hedged residues that no pair of lots matches were looked at for ever (S7, E15)."""
    accounts = (
        account("m", "a", lot=D(1), min_qty=D(1)),
        account("t1", "b", lot=D(2), min_qty=D(2)),
        account("t2", "c", lot=D(1), min_qty=D(2)),
    )
    bench = hedged_in_full(Bench({"quantity": "3"}, accounts=accounts, choice=1))
    chance = bench.desk.world.chance["taker"]
    chance.choice = 0  # type: ignore[attr-defined]
    bench.fire("hold")
    closing = bench.newest("closing")
    bench.ack(closing)
    bench.fill(closing, "2")
    bench.fill(bench.newest("hedge"), "2")
    liquidated = bench.row(
        bench.newest("hedge"), "2", client_id="", order_id="liq", side=Side.SELL, kind=FillKind.LIQUIDATION
    )
    chance.choice = 1  # type: ignore[attr-defined]
    bench.give(liquidated)
    bench.fill(bench.newest("hedge"), "2")
    bench.update(closing, OrderState.CANCELED, "2")
    effects = bench.confirm()
    assert [effect.text for effect in effects if isinstance(effect, Finish)] == [
        "not flat; halted: MAKER_CLOSING.resting on limit.breached (E15); m: +1 ETHUSDT; t2: -1 ETHUSDT"
    ]


def hedged_in_full(bench: Bench) -> Bench:
    bench = opened(bench)
    bench.fill(bench.newest("opening"), "3")
    bench.fill(bench.newest("hedge"), "3")
    return bench


def test_a_halt_that_is_flat_asks_the_venues_before_it_ends() -> None:
    """Found by `eagle prove`: the end of an order was told before its last fill, and the run had gone (E8)."""
    bench = opened(Bench(limits=replace(LIMITS, max_loss_run=D("0.01"))))
    opening = bench.newest("opening")
    bench.fill(opening, "0.2")
    bench.fill(bench.newest("hedge"), "0.2")
    bench.quote("90.0", "90.1")
    bench.fire("reconcile", owner="desk")
    bench.update(opening, OrderState.CANCELED, "0.2")
    for client_id in [name for name, placed in bench.orders.items() if placed.leg == "flatten"]:
        bench.fill(client_id, "0.2")
    assert (bench.state, [e for e in bench.log if isinstance(e, Finish)]) == ("ERROR.verifying", [])
    assert bench.placed(bench.fill(opening, "0.8")) == [("t1", "hedge", "sell", D("0.8"))]
    bench.confirm()
    assert bench.state == "ERROR.again"


def test_a_stop_whose_closes_are_undone_again_and_again_leaves() -> None:
    """Found by `eagle prove`: with takers that refuse for good the maker was closed and undone without end (E18)."""
    bench = hedged(Bench({"cleanup_budget": "1s"}))
    bench.give(StopAsked(1))
    bench.fire("cleanup_budget")
    legs: list[str] = []
    for _ in range(60):
        live = [order for order in bench.desk.world.orders.all.values() if order.live]
        if bench.state == "CLEANUP.asking":
            bench.fire("timeout:CLEANUP.asking")
        if bench.state.startswith("CLEANUP.leaving") or not live:
            break
        for order in [order for order in live if order.live]:
            legs.append(order.leg)
            if order.leg == "hedge" and order.account != "m":
                bench.refuse(order.client_id, Refusal.MARGIN)
            elif bench.orders[order.client_id].request.post_only:
                bench.update(order.client_id, OrderState.CANCELED)
            else:
                bench.fill(order.client_id, str(order.remaining))
    assert bench.state.startswith("CLEANUP.leaving")
    assert legs.count("cleanup") <= 5


def left(client_id: str, name: str, qty: str) -> Recalled:
    return Recalled(
        client_id=client_id, account=name, venue="b", symbol="ETHUSDT", side=Side.BUY, qty=D(qty), price=None,
        purpose="hedge", leg="hedge", round=1, order_id="", state=OrderState.PENDING, filled=D(0),
        provisional=D(0), trades=(),
    )  # fmt: skip


def row(client_id: str, name: str, qty: str) -> Fill:
    return Fill(
        venue="b", account=name, symbol="ETHUSDT", client_id=client_id, order_id=f"v-{client_id}",
        trade_id=f"r-{client_id}", side=Side.BUY, qty=D(qty), price=D(100), fee=D(0), fee_asset="USDT",
        liquidity=Liquidity.TAKER, at_ms=0, recv_ns=0,
    )  # fmt: skip


def test_a_hedge_that_an_earlier_run_half_knew_is_asked_about_before_anything_is_hedged_against_it() -> None:
    """S4, seed 69 of the catalogue on Backpack: the first hedge ended with a half, the second was for the other.

    Rows of both came before the answers; counted as if both were still to fill, the maker's fill was hedged back.
    """
    bench = Bench()

    held = (Held("m", D(0), D(-2)), Held("t1", D(0), D(0)), Held("t2", D(0), D(0)))
    bench.give(Carried(1, 0, held, (left("e1r1l2a1", "t1", "2"), left("e1r1l2a2", "t2", "1"))))
    bench.quote("100.0", "100.1")
    for name in bench.plan.accounts:
        bench.give(LinkUpdate(name, LinkState.TRUSTED, bench.now))
    assert bench.placed(bench.give(row("e1r1l2a1", "t1", "1"))) == []
    assert bench.placed(bench.give(row("e1r1l2a2", "t2", "0.5"))) == []
    effects = bench.begin(held=(Position("m", "ETHUSDT", D(-2)),))
    assert [effect for effect in bench.log if isinstance(effect, PlaceOrder)] == []
    asked = [effect for effect in effects if isinstance(effect, AskOrder)]
    assert [effect.client_id for effect in asked] == ["e1r1l2a1", "e1r1l2a2"]
    placed = []
    for question, name, qty, cum in zip(asked, ("t1", "t2"), ("2", "1"), ("1", "0.5"), strict=True):
        word = OrderUpdate(
            account=name, symbol="ETHUSDT", client_id=question.client_id, order_id=f"v-{question.client_id}",
            side=Side.BUY, qty=D(qty), state=OrderState.CANCELED, cum_qty=D(cum), price=None, at_ms=0, recv_ns=0,
        )  # fmt: skip
        placed += bench.placed(bench.give(Looked(question.client_id, question.token, ok=True, update=word)))
    assert [(leg, side, qty) for _, leg, side, qty in placed] == [("hedge", "buy", D("0.5"))]


def test_nothing_is_hedged_before_the_positions_of_a_takeover_were_read() -> None:
    """S1, seed 83 of the catalogue on Backpack: an order of the dead run fills while the accounts are connected.

    Its hedge left at once, and moved the very position that tells whether these are the accounts of that run.
    """
    bench = Bench()
    held = tuple(Held(name, D(0), D(0)) for name in bench.plan.accounts)
    opening = replace(left("e1r1l1a1", "m", "1"), venue="a", purpose="open", leg="opening", price=D(100))
    bench.give(Carried(1, 0, held, (opening,)))
    bench.quote("100.0", "100.1")
    for name in bench.plan.accounts:
        bench.give(LinkUpdate(name, LinkState.TRUSTED, bench.now))
    word = OrderUpdate(
        account="m", symbol="ETHUSDT", client_id="e1r1l1a1", order_id="v-1", side=Side.BUY, qty=D(1),
        state=OrderState.FILLED, cum_qty=D(1), price=D(100), at_ms=0, recv_ns=0,
    )  # fmt: skip
    assert bench.placed(bench.give(word)) == []
    effects = bench.begin(held=(Position("m", "ETHUSDT", D(1)),))
    assert bench.placed(effects) == [("t1", "hedge", "sell", D(1))]


def test_a_takeover_compares_ledger_and_venues_as_soon_as_its_orders_are_known() -> None:
    """S17, seed 482 of the catalogue on backpack,lighter: a full disk kept from the journal what had closed the maker.

    The next run took it for open, and closed and hedged it for a minute on books that were not the venue's.
    """
    bench = Bench()
    held = tuple(Held(name, D(0), D(1) if name == "m" else D(0)) for name in bench.plan.accounts)
    closing = replace(
        left("e1r1l1a1", "m", "1"), venue="a", side=Side.SELL, purpose="close", leg="closing", price=D(100)
    )
    bench.give(Carried(1, 0, held, (closing,)))
    effects = bench.begin(held=())
    (token,) = (effect.token for effect in effects if isinstance(effect, AskOrder))
    assert bench.timers["desk", "reconcile"].at_ns - bench.now == S
    asked = bench.fire("reconcile", owner="desk")
    assert [
        effect for effect in asked if isinstance(effect, AskPositions)
    ] == []  # it may have filled, and made it flat
    reading = Counted(0, ok=True, quiet=True, positions=(), margins=())
    bench.give(reading)
    assert not bench.desk.world.positions_doubted
    word = OrderUpdate(
        account="m", symbol="ETHUSDT", client_id="e1r1l1a1", order_id="v-1", side=Side.SELL, qty=D(1),
        state=OrderState.CANCELED, cum_qty=D(0), price=D(100), at_ms=0, recv_ns=0,
    )  # fmt: skip
    bench.give(Looked("e1r1l1a1", token, ok=True, update=word))
    assert [e for e in bench.fire("reconcile", owner="desk") if isinstance(e, AskPositions)] != []
    bench.give(reading)
    bench.give(reading)
    assert bench.state == "ERROR.distrust"


def test_a_limit_that_breaks_before_a_takeover_begins_halts_nothing_for_good() -> None:
    """Seed 2223 of the catalogue on lighter,okx: what a dead run left aged while the next one waited for requests.

    Its flow, which had not begun, never heard of the limit, and the desk told it once: it idled for ever.
    """
    bench = Bench()
    held = tuple(Held(name, D(0), D(1) if name == "m" else D(0)) for name in bench.plan.accounts)
    bench.give(Carried(1, 0, held, ()))
    bench.quote("100.0", "100.1")
    for name in bench.plan.accounts:
        bench.give(LinkUpdate(name, LinkState.TRUSTED, bench.now))
    bench.fire("soft age", owner="hedging")
    effects = bench.fire("hard age", owner="hedging")
    assert [effect.code for effect in effects if isinstance(effect, Alert)] == ["unhedged_hard"]
    assert bench.desk.world.trouble == ""
    bench.begin(held=())
    assert bench.desk.world.exposure != 0
    effects = bench.fire("hard age", owner="hedging")  # still open: now it counts
    assert [effect.code for effect in effects if isinstance(effect, Alert)][:2] == ["unhedged_hard", "limit"]
    assert bench.state.startswith("ERROR")


@pytest.mark.parametrize("answer", [{"ok": False}, {"quiet": False}])
def test_a_comparison_that_was_no_quiet_cut_is_made_anew_in_a_quarter_of_a_minute(answer: dict[str, bool]) -> None:
    """S17, seed 219 of the hedger's whole catalogue: ledger and venue differed for a minute before anybody looked."""
    bench = Bench()
    bench.begin()
    bench.fire("reconcile", owner="desk")
    in_a_minute = bench.timers["desk", "reconcile"]
    assert in_a_minute.at_ns - bench.now == 60 * S
    bench.give(Counted(7, **{"ok": True, "quiet": True, **answer}, positions=(), margins=()))  # the flow's own question
    assert bench.timers["desk", "reconcile"] == in_a_minute
    bench.give(Counted(0, **{"ok": True, "quiet": True, **answer}, positions=(), margins=()))
    assert bench.timers["desk", "reconcile"].at_ns - bench.now == 15 * S


def test_a_hedge_whose_price_is_refused_is_priced_in_more_ticks() -> None:
    """Catalogue 26, seed 8 on Backpack: the venue's tick was five of ours, and no hedge was taken at its price."""
    bench = opened(Bench(accounts=(account("m", "a"), account("t1", "b"))))
    bench.quote("100.01", "100.09")
    bench.fill(bench.newest("opening"), "1")
    worst: list[Decimal | None] = []
    while len(worst) < 4:
        request = bench.orders[bench.newest("hedge")].request
        if request.account == "t1":
            worst.append(request.worst_price)
        bench.refuse(request.client_id, Refusal.PRICE if request.account == "t1" else Refusal.MARGIN)
        if bench.newest("hedge") == request.client_id:
            bench.fire("again", owner="hedging")
    parts = [(price, price % (D("0.1") * ticks)) for price, ticks in zip(worst, (1, 10, 100, 1), strict=True) if price]
    assert [rest for _, rest in parts] == [0] * 4
    assert all(price < D("100.01") for price, _ in parts)


def test_a_resting_order_whose_price_is_refused_rests_further_from_the_touch() -> None:
    bench = Bench()
    bench.begin()
    bench.refuse(bench.newest("opening"), Refusal.PRICE)
    bench.quote("100.4", "100.5")
    bench.fire("reprice_wait")
    assert bench.orders[bench.newest("opening")].request.price == 100
    assert bench.desk.world.orders.all[bench.newest("opening")].price == 100


def test_after_a_suspend_nothing_is_trusted_and_nothing_but_cancels_and_questions_leaves() -> None:
    """S14: what happened meanwhile is told by the resync of each account; a hedge waits for it, and so does a slice."""
    bench = opened()
    first = bench.newest("opening")
    effects = bench.give(ClockJumped(600 * S))
    assert next((e.level, e.code) for e in effects if isinstance(e, Alert)) == (Level.PERSON, "clock_jumped")
    assert {name: bench.desk.world.links[name] for name in ("m", "t1", "t2")} == dict.fromkeys(
        ("m", "t1", "t2"), LinkState.LOST
    )
    assert bench.desk.view.closed_because() == "the stream of m, t1, t2 is not trusted"
    assert bench.placed(bench.fill(first, "0.4")) == []
    assert bench.placed(bench.update(first, OrderState.CANCELED, "0.4")) == []
    assert bench.placed(bench.give(StopAsked(2))) == []
    assert bench.placed(bench.give(LinkUpdate("t2", LinkState.TRUSTED, 0))) == [("t2", "hedge", "sell", D("0.4"))]


def test_a_second_suspend_that_finds_nothing_trusted_loses_no_stream_again() -> None:
    bench = opened()
    bench.give(ClockJumped(600 * S))
    again = bench.give(ClockJumped(3 * S))
    assert [e.code for e in again if isinstance(e, Alert)] == ["clock_jumped"]
    assert [e for e in again if isinstance(e, PlaceOrder)] == []


def test_no_slice_is_cut_from_positions_that_cannot_be_trusted() -> None:
    """E15, S17: whatever a flow asks for."""
    bench = hedged()
    assert len(bench.desk.verbs("flatten", {}, 0)) > 0
    bench = hedged()
    bench.desk.world.distrusted = True
    assert bench.desk.verbs("flatten", {}, 0) == ()
