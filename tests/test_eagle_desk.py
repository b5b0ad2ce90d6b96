"""The eagle flow on the desk: what leaves when venues say this or that. Each test is named after its rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from trading_kit import LIMITS, Bench, S, account, capabilities, eagle_flow

from engine.chart.load import load_flow
from engine.trading.effects import (
    Alert,
    ArmTimer,
    AskOrder,
    AskPositions,
    CancelOrder,
    Finish,
    Level,
    Moved,
    PlaceOrder,
    RoundBegan,
    RoundEnded,
)
from engine.trading.inputs import Answered, Counted, Looked, MarketSeen, PauseAsked, Request, StopAsked
from engine.trading.vocabulary import trading_vocabulary
from exchanges.types import (
    ClientIdStyle,
    FillKind,
    LinkState,
    LinkUpdate,
    Margin,
    OrderState,
    Position,
    Refusal,
    SelfTrade,
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


def test_the_opening_rests_at_the_opposite_best_less_the_offset() -> None:
    bench = Bench({"tick_offset": "2 ticks"})
    effects = bench.begin()
    (order,) = [e for e in effects if isinstance(e, PlaceOrder)]
    request = order.request
    assert (request.side, request.price, request.qty, request.post_only) == (Side.BUY, D("99.9"), D(1), True)
    assert bench.state == "MAKER_OPENING.resting"


def test_a_full_round_goes_through_the_users_states() -> None:
    bench = hedged(Bench({"rounds": "1"}))
    assert bench.state == "HOLDING"
    bench.fire("hold")
    assert bench.placed(bench.log)[-1] == ("m", "closing", "sell", D(1))
    bench.fill(bench.newest("closing"), "1")
    assert bench.state == "TAKER_CLOSING"
    bench.fill(bench.newest("hedge"), "1")
    tops = [e.target.split(".")[0] for e in bench.log if isinstance(e, Moved) and e.target]
    path = [top for n, top in enumerate(tops) if n == 0 or tops[n - 1] != top]
    assert path == ["maker_opening", "taker_hedging", "holding", "maker_closing", "taker_closing", "idle", "cleanup"]
    assert [(e.round, e.opened, e.closed, e.residue) for e in bench.log if isinstance(e, RoundEnded)] == [
        (1, D(1), D(1), D(0))
    ]


def test_every_round_begins_with_its_expected_cost() -> None:
    bench = opened(Bench({"tick_offset": "2 ticks"}))
    began = [e for e in bench.log if isinstance(e, RoundBegan)]
    # Per unit: bought at 99.9 and sold at 100.2 on the maker, the hedge's spread of 0.1 paid once, no fees.
    assert began == [RoundBegan(1, "buy", D("-19.9900"))]


def test_the_makers_book_is_journalled_as_it_stood_at_its_fill() -> None:
    bench = opened()
    bench.desk.take_used_quotes()
    bench.quote("100.2", "100.3")
    bench.fill(bench.newest("opening"), "1")
    assert {(quote.venue, quote.bid) for quote in bench.desk.take_used_quotes()} == {
        ("a", D("100.2")),
        ("b", D("100.2")),
    }


@pytest.mark.parametrize("choice", [0, 1])
def test_every_partial_fill_is_hedged_at_once_on_a_random_taker(choice: int) -> None:
    """E8: opposite side, equal quantity, market."""
    bench = opened(Bench(choice=choice))
    first = bench.fill(bench.newest("opening"), "0.3")
    second = bench.fill(bench.newest("opening"), "0.5")
    taker = ("t1", "t2")[choice]
    assert bench.placed(first) == [(taker, "hedge", "sell", D("0.3"))]
    assert bench.placed(second) == [(taker, "hedge", "sell", D("0.5"))]
    assert all(bench.orders[bench.newest("hedge")].request.price is None for _ in (1,))
    assert bench.state == "MAKER_OPENING.resting"


def test_a_duplicate_fill_frame_is_hedged_once() -> None:
    bench = opened()
    row = bench.row(bench.newest("opening"), "0.3", trade="same")
    assert len(bench.placed(bench.give(row))) == 1
    assert bench.placed(bench.give(row)) == []


def test_a_snapshot_and_its_row_are_hedged_once() -> None:
    """S5: the cumulative quantity of an update is hedged before its row comes, and never again."""
    bench = opened()
    assert bench.placed(bench.update(bench.newest("opening"), OrderState.PARTIALLY_FILLED, "0.4")) == [
        ("t1", "hedge", "sell", D("0.4"))
    ]
    assert bench.desk.unpriced() == {"m": bench.desk.world.orders.all[bench.newest("opening")].created_ns}
    assert bench.placed(bench.fill(bench.newest("opening"), "0.4")) == []
    assert bench.desk.unpriced() == {}


def test_nothing_filled_at_the_timeout_asks_cancels_and_places_anew() -> None:
    """E6, E7: the newest state is fetched before the cancel, and the cancel is not final until its end is seen."""
    bench = opened()
    first = bench.newest("opening")
    asked = bench.fire("order_timeout")
    assert [e for e in asked if isinstance(e, AskOrder)] != []
    assert [e for e in asked if isinstance(e, CancelOrder)] == []
    token = next(e.token for e in asked if isinstance(e, AskOrder))
    cancelled = bench.give(Looked(first, token, ok=True, update=bench.told(first, OrderState.OPEN)))
    assert [e.client_id for e in cancelled if isinstance(e, CancelOrder)] == [first]
    bench.ack(first)
    assert bench.newest("opening") == first
    bench.update(first, OrderState.CANCELED)
    assert bench.newest("opening") != first
    assert bench.state == "MAKER_OPENING.resting"


def test_a_fill_found_by_the_question_is_hedged_and_nothing_is_cancelled() -> None:
    bench = opened()
    first = bench.newest("opening")
    token = next(e.token for e in bench.fire("order_timeout") if isinstance(e, AskOrder))
    effects = bench.give(Looked(first, token, ok=True, update=bench.told(first, OrderState.FILLED, "1")))
    assert bench.placed(effects) == [("t1", "hedge", "sell", D(1))]
    assert bench.cancels == []
    assert bench.state == "TAKER_HEDGING"


def test_partly_filled_at_the_timeout_is_not_rested_again() -> None:
    """E6: the rest is cancelled and the round goes on with what filled."""
    bench = opened()
    first = bench.newest("opening")
    bench.fill(first, "0.4")
    token = next(e.token for e in bench.fire("order_timeout") if isinstance(e, AskOrder))
    bench.give(Looked(first, token, ok=True, update=bench.told(first, OrderState.PARTIALLY_FILLED, "0.4")))
    bench.update(first, OrderState.CANCELED, "0.4")
    assert bench.newest("opening") == first
    assert bench.state == "TAKER_HEDGING"
    bench.fill(bench.newest("hedge"), "0.4")
    assert bench.state == "HOLDING"
    bench.fire("hold")
    assert bench.placed(bench.log)[-1] == ("m", "closing", "sell", D("0.4"))


def test_a_post_only_refusal_waits_and_is_repriced() -> None:
    """E5: at most three a second."""
    bench = Bench()
    bench.begin()
    bench.refuse(bench.newest("opening"), Refusal.POST_ONLY)
    assert bench.state == "MAKER_OPENING.repricing"
    before = bench.now
    bench.quote("101.0", "101.1")
    effects = bench.fire("reprice_wait")
    assert bench.now - before >= 333_000_000
    assert [e.request.price for e in effects if isinstance(e, PlaceOrder)] == [D("101.0")]


def test_a_late_fill_while_holding_is_hedged_and_waited_for() -> None:
    """Fault 1 of the earlier implementation: a fill after the cancel's end counts."""
    bench = opened()
    first = bench.newest("opening")
    bench.fill(first, "0.4")
    bench.update(first, OrderState.CANCELED, "0.4")
    bench.fill(bench.newest("hedge"), "0.4")
    assert bench.state == "HOLDING"
    late = bench.fill(first, "0.2")
    assert bench.placed(late) == [("t1", "hedge", "sell", D("0.2"))]
    assert bench.state == "TAKER_HEDGING"
    bench.fill(bench.newest("hedge"), "0.2")
    assert bench.state == "HOLDING"


def test_a_refused_hedge_moves_to_another_account_at_once() -> None:
    """S3: an explicit refusal moves on; nothing waits for a timer."""
    bench = opened()
    bench.fill(bench.newest("opening"), "1")
    effects = bench.refuse(bench.newest("hedge"), Refusal.MARGIN)
    assert bench.placed(effects) == [("t2", "hedge", "sell", D(1))]


def test_when_every_taker_refuses_the_fill_is_undone_on_the_maker() -> None:
    """S3: the last rung, reduce-only for an opening fill; the round then ends without a hold."""
    bench = opened()
    bench.fill(bench.newest("opening"), "1")
    bench.refuse(bench.newest("hedge"))
    effects = bench.refuse(bench.newest("hedge"))
    assert bench.placed(effects) == [("m", "hedge", "sell", D(1))]
    assert bench.orders[bench.newest("hedge")].request.reduce_only
    bench.fill(bench.newest("hedge"), "1")
    assert bench.desk.view.exposure == 0
    assert not bench.state.startswith("HOLDING")


def test_an_unknown_hedge_is_asked_and_never_placed_twice() -> None:
    """S4: nothing leaves in its place until it is found or provably dead."""
    bench = opened()
    bench.fill(bench.newest("opening"), "1")
    hedge = bench.newest("hedge")
    effects = bench.give(Answered(hedge, Request.PLACE, Unknown("timeout")))
    assert bench.placed(effects) == []
    assert [e.client_id for e in effects if isinstance(e, AskOrder)] == [hedge]
    assert bench.placed(bench.give(Looked(hedge, 0, ok=False, update=None))) == []
    assert bench.placed(bench.give(Looked(hedge, 0, ok=True, update=None))) == []  # its request may still arrive
    late = bench.give(Looked(hedge, 0, ok=True, update=None), after_ms=5_000)
    assert bench.placed(late) == []  # asked while the request might still have arrived
    bench.fire(hedge, owner="inquiry")
    assert len(bench.placed(bench.give(Looked(hedge, 0, ok=True, update=None)))) == 1


def test_an_unknown_hedge_is_in_flight_and_nothing_opens_until_it_is_known() -> None:
    bench = opened()
    bench.fill(bench.newest("opening"), "1")
    bench.give(Answered(bench.newest("hedge"), Request.PLACE, Unknown("timeout")))
    assert (bench.desk.view.exposure, bench.desk.view.in_flight, bench.desk.view.dust) == (1, -1, 0)
    assert bench.desk.view.closed_because() == "exposure is not settled"


def test_nothing_opens_while_an_order_that_rests_is_unknown() -> None:
    """S4: it may have filled, or may still."""
    bench = Bench()
    bench.begin()
    bench.give(Answered(bench.newest("opening"), Request.PLACE, Unknown("timeout")))
    assert bench.desk.view.settled
    assert bench.desk.view.closed_because() == "an order's outcome is unknown"


def test_while_a_hedge_is_unknown_nothing_grows_the_worst_case() -> None:
    """S4: exposure is an interval; a fill the other way is not hedged if that could double it."""
    bench = opened()
    bench.fill(bench.newest("opening"), "1")
    bench.give(Answered(bench.newest("hedge"), Request.PLACE, Unknown("timeout")))
    outside = replace(
        bench.row(bench.newest("opening"), "1"), client_id="", order_id="x", side=Side.SELL, kind=FillKind.SETTLEMENT
    )
    assert bench.placed(bench.give(outside)) == []


def test_a_part_filled_hedge_is_completed_on_the_same_account() -> None:
    """E9: the rest goes to the same account first, whoever would be drawn now."""
    bench = opened(Bench(choice=1))
    bench.fill(bench.newest("opening"), "1")
    bench.desk.world.chance["taker"].choice = 0  # type: ignore[attr-defined]
    hedge = bench.newest("hedge")
    bench.fill(hedge, "0.4")
    effects = bench.update(hedge, OrderState.CANCELED, "0.4")
    assert bench.placed(effects) == [("t2", "hedge", "sell", D("0.6"))]


def test_on_one_book_the_first_partial_takes_the_remainder_away_before_the_hedge() -> None:
    """S8: our own remainder is what a market order would hit."""
    bench = opened(Bench(accounts=(account("m", "a"), account("t1", "a"), account("t2", "a"))))
    first = bench.newest("opening")
    effects = bench.fill(first, "0.4")
    assert bench.placed(effects) == []
    assert [e.client_id for e in effects if isinstance(e, CancelOrder)] == [first]
    more = bench.fill(first, "0.1")
    assert bench.placed(more) == []
    ended = bench.update(first, OrderState.CANCELED, "0.5")
    assert bench.placed(ended) == [("t1", "hedge", "sell", D("0.5"))]


def test_the_wait_for_the_remainder_counts_in_the_age_of_what_is_open() -> None:
    """S8: an own order that does not end may hold the hedge back, but not unseen."""
    bench = opened(Bench(accounts=(account("m", "a"), account("t1", "a"), account("t2", "a"))))
    bench.fill(bench.newest("opening"), "0.4")
    began = bench.now
    bench.give(MarketSeen(open=True, reason="", text=""), after_ms=500)
    soft = bench.fire("soft age", owner="hedging")
    assert ([e.code for e in soft if isinstance(e, Alert)], bench.now - began) == (["unhedged_soft"], S)
    bench.fire("hard age", owner="hedging")
    assert (bench.state.partition(".")[0], bench.now - began) == ("ERROR", 5 * S)


def test_a_fill_below_every_takers_minimum_is_carried_into_the_next_hedge() -> None:
    """S6: dust is no reason to wait, and is never lost."""
    small = {"min_qty": D("0.3")}
    bench = opened(Bench(accounts=(account("m", "a"), account("t1", "b", **small), account("t2", "b", **small))))
    assert bench.placed(bench.fill(bench.newest("opening"), "0.2")) == []
    assert bench.desk.view.settled
    assert bench.placed(bench.fill(bench.newest("opening"), "0.8")) == [("t1", "hedge", "sell", D("1.0"))]


def test_exposure_that_stays_halts_the_run_after_the_hard_age() -> None:
    """E15: soft age warns, hard age halts; the ladder goes on."""
    bench = opened()
    bench.fill(bench.newest("opening"), "1")
    soft = bench.fire("soft age", owner="hedging")
    assert [(e.level, e.code) for e in soft if isinstance(e, Alert)] == [(Level.WARNING, "unhedged_soft")]
    bench.fire("hard age", owner="hedging")
    assert bench.state.startswith("ERROR")
    assert bench.desk.view.closed_because() == "halted"
    again = bench.refuse(bench.newest("hedge"))
    assert bench.placed(again) == [("t2", "hedge", "sell", D(1))]


def test_no_opening_while_the_market_is_closed_or_a_stream_is_lost() -> None:
    bench = opened()
    effects = bench.give(LinkUpdate("t1", LinkState.LOST, 0))
    assert [e for e in effects if isinstance(e, AskOrder)] != []  # E5: the resting order is taken back
    bench.update(bench.newest("opening"), OrderState.CANCELED)
    assert bench.state.startswith("IDLE")
    bench.give(LinkUpdate("t1", LinkState.TRUSTED, 0))
    bench.give(MarketSeen(open=False, reason="volatile", text="moved 80 bps in 1 s"))
    bench.fire("cool_down")
    assert bench.state == "IDLE.ready"
    assert bench.desk.view.closed_because() == "market: moved 80 bps in 1 s"
    assert len(bench.placed(bench.give(MarketSeen(open=True, reason="", text="")))) == 1


def test_a_pause_takes_a_resting_opening_back_and_opens_nothing_until_it_is_over() -> None:
    bench = opened()
    assert [e for e in bench.give(PauseAsked(paused=True)) if isinstance(e, AskOrder)] != []
    bench.update(bench.newest("opening"), OrderState.CANCELED)
    bench.fire("cool_down")
    assert (bench.state, bench.desk.view.closed_because()) == ("IDLE.ready", "paused")
    assert bench.placed(bench.fire("recheck")) == []
    assert bench.placed(bench.give(PauseAsked(paused=False))) == [("m", "opening", "buy", D(1))]


def test_a_pause_stops_an_opening_at_the_wire() -> None:
    bench = Bench()
    (order,) = [effect for effect in bench.begin() if isinstance(effect, PlaceOrder)]
    assert bench.desk.objection(order) == ""
    bench.give(PauseAsked(paused=True))
    assert bench.desk.objection(order) == "paused"


def breached(bench: Bench) -> None:
    bench.give(Margin("t1", D(1), D(1), D(10)))


@pytest.mark.parametrize(
    ("meanwhile", "why"),
    [
        (breached, "halted"),
        (lambda bench: bench.give(MarketSeen(open=False, reason="stale", text="book is old")), "market: book is old"),
        (lambda bench: bench.give(LinkUpdate("t2", LinkState.RESYNC, 0)), "a stream is not trusted"),
        (lambda bench: bench.update(bench.newest("opening"), OrderState.CANCELED), "its round has moved on"),
        (lambda bench: setattr(bench.desk.world, "round", 2), "its round has moved on"),
    ],
)
def test_an_opening_that_waited_at_the_wire_is_judged_again(meanwhile: Callable[[Bench], object], why: str) -> None:
    """S16: it would be sent after its round ended, or into a market that nothing may be opened in."""
    bench = Bench()
    (order,) = [effect for effect in bench.begin() if isinstance(effect, PlaceOrder)]
    assert bench.desk.objection(order) == ""
    meanwhile(bench)
    assert bench.desk.objection(order) == why


def test_a_close_that_waited_at_the_wire_may_leave_where_no_opening_may() -> None:
    bench = hedged()
    (order,) = [effect for effect in bench.fire("hold") if isinstance(effect, PlaceOrder)]
    bench.give(MarketSeen(open=False, reason="stale", text="book is old"))
    assert bench.desk.objection(order) == ""


def test_a_pause_lets_the_round_close_and_hedges_go_on() -> None:
    bench = hedged()
    bench.give(PauseAsked(paused=True))
    bench.fire("hold")
    assert bench.placed(bench.log)[-1] == ("m", "closing", "sell", D(1))
    bench.ack(bench.newest("closing"))
    bench.give(PauseAsked(paused=True))
    assert bench.placed(bench.fill(bench.newest("closing"), "1"))[-1][1] == "hedge"
    bench.fill(bench.newest("hedge"), "1")
    assert bench.state == "IDLE.ready"
    assert bench.placed(bench.fire("recheck")) == []


def test_fills_of_a_resync_are_judged_as_one_batch() -> None:
    """A repeated recording settles every account: the first row of the batch is no reason to hedge."""
    bench = hedged()
    settle = {"client_id": "", "order_id": "s", "kind": FillKind.SETTLEMENT}
    bench.give(LinkUpdate("m", LinkState.RESYNC, 0))
    bench.give(LinkUpdate("t1", LinkState.RESYNC, 0))
    one = bench.give(bench.row(bench.newest("opening"), "1", side=Side.SELL, **settle))
    two = bench.give(bench.row(bench.newest("hedge"), "1", side=Side.BUY, **settle))
    three = bench.give(LinkUpdate("m", LinkState.TRUSTED, 0)) + bench.give(LinkUpdate("t1", LinkState.TRUSTED, 0))
    assert [order for order in bench.placed(one + two + three) if order[1] == "hedge"] == []
    assert bench.desk.view.exposure == 0


def test_sigint_while_resting_cancels_closes_and_finishes_flat() -> None:
    """E18: ask, cancel, close, hedge, flatten, verify, leave with 0."""
    bench = opened()
    first = bench.newest("opening")
    bench.fill(first, "0.4")
    bench.fill(bench.newest("hedge"), "0.4")
    token = next(e.token for e in bench.give(StopAsked(1)) if isinstance(e, AskOrder))
    bench.give(Looked(first, token, ok=True, update=bench.told(first, OrderState.PARTIALLY_FILLED, "0.4")))
    assert bench.cancels[-1].client_id == first
    closing = bench.update(first, OrderState.CANCELED, "0.4")
    assert bench.placed(closing) == [("m", "cleanup", "sell", D("0.4"))]
    bench.fill(bench.newest("cleanup"), "0.4")
    bench.fill(bench.newest("hedge"), "0.4")
    if bench.state == "CLEANUP.next":
        bench.fire("0ms")
    assert bench.state == "CLEANUP.verifying"
    token = [e.token for e in bench.log if isinstance(e, AskPositions)][-1]
    done = bench.give(Counted(token, ok=True, quiet=True, positions=(), margins=()))
    assert [(e.exit_code, e.text) for e in done if isinstance(e, Finish)] == [(0, "flat")]


def test_second_sigint_flattens_maker_and_takers_in_one_matched_pair() -> None:
    bench = hedged()
    effects = bench.give(StopAsked(2))
    assert bench.placed(effects) == [("m", "flatten", "sell", D(1)), ("t1", "flatten", "buy", D(1))]
    assert all(bench.orders[c].request.reduce_only for c in bench.orders if bench.orders[c].leg == "flatten")


def test_opposite_takers_are_flattened_in_pairs_below_the_soft_limit() -> None:
    """S9: no slice is larger than the soft unhedged limit, and the next waits for both fills."""
    bench = Bench(limits=replace(LIMITS, unhedged_soft=D("0.4")))
    bench.begin()
    bench.desk.world.ledger.books["t1"].position = D(1)
    bench.desk.world.ledger.taker_hedges["t1"] = D(1)
    bench.desk.world.ledger.books["t2"].position = D(-1)
    bench.desk.world.ledger.taker_hedges["t2"] = D(-1)
    first = bench.newest("opening")
    token = next(e.token for e in bench.give(StopAsked(1)) if isinstance(e, AskOrder))
    bench.give(Looked(first, token, ok=True, update=bench.told(first, OrderState.OPEN)))
    effects = bench.update(first, OrderState.CANCELED)
    assert bench.placed(effects) == [("t1", "flatten", "sell", D("0.4")), ("t2", "flatten", "buy", D("0.4"))]
    one = next(c for c, placed in bench.orders.items() if placed.leg == "flatten")
    assert bench.placed(bench.fill(one, "0.4")) == []


def test_positions_that_differ_twice_over_quiet_cuts_stop_all_trading() -> None:
    """E12, S17: two readings; then nothing is traded and a person is called."""
    bench = opened()
    wrong = (Position("m", "ETHUSDT", D(3)),)
    bench.give(Counted(0, ok=True, quiet=False, positions=wrong, margins=()))
    assert not bench.desk.world.positions_doubted
    bench.give(Counted(0, ok=True, quiet=True, positions=wrong, margins=()))
    assert bench.desk.world.positions_doubted
    bench.give(Counted(0, ok=True, quiet=True, positions=wrong, margins=()))
    assert bench.state == "ERROR.distrust"
    assert bench.placed(bench.fill(bench.newest("opening"), "0.5")) == []


def test_one_difference_stops_opening_and_is_looked_at_again_after_a_second() -> None:
    """S17: a second one decides; until then nothing new is risked."""
    bench = opened()
    effects = bench.give(Counted(0, ok=True, quiet=True, positions=(Position("m", "ETHUSDT", D(3)),), margins=()))
    assert [(e.level, e.code) for e in effects if isinstance(e, Alert)] == [(Level.PERSON, "positions_differ")]
    assert bench.desk.view.closed_because() == "positions of ledger and venue differ"
    assert not bench.desk.view.may_rest
    (again,) = [e for e in effects if isinstance(e, ArmTimer) and e.owner == "desk"]
    assert again.at_ns - bench.now == S
    asked = bench.fire("reconcile", owner="desk")
    assert [(e.accounts, e.token) for e in asked if isinstance(e, AskPositions)] == [(("m", "t1", "t2"), 0)]
    bench.give(QUIET)
    assert bench.desk.view.may_rest


def test_ledger_and_venues_are_compared_once_a_minute() -> None:
    bench = opened()
    for minute in (1, 2, 3):
        asked = bench.fire("reconcile", owner="desk")
        assert [e.accounts for e in asked if isinstance(e, AskPositions)] == [("m", "t1", "t2")]
        assert abs(bench.now - minute * 60 * S) < S


def test_books_that_do_not_add_up_stop_all_trading() -> None:
    """E12, S17: each side is summed on its own; a defect of ours must not trade on."""
    bench = opened()
    bench.desk.world.ledger.books["t2"].position = D(1)
    effects = bench.fill(bench.newest("opening"), "0.5")
    assert bench.state == "ERROR.distrust"
    assert [e.facts for e in effects if isinstance(e, Alert) and e.code == "limit"] == [{"policy": "distrust"}]
    assert bench.placed(bench.fill(bench.newest("opening"), "0.2")) == []


def test_half_of_a_pair_is_not_counted_on_beyond_what_is_open() -> None:
    """S9, S4: its other half failed; a hedge of what it may still add would grow what is open if it fills in part."""
    bench = hedged()
    bench.give(StopAsked(2))
    half, other = [client_id for client_id, placed in bench.orders.items() if placed.leg == "flatten"]
    assert bench.orders[half].request.account == "m"
    assert bench.placed(bench.refuse(other)) == []
    outside = replace(bench.row(half, "0.3"), client_id="", account="t2", venue="b", order_id="x", side=Side.BUY)
    assert bench.placed(bench.give(replace(outside, kind=FillKind.SETTLEMENT))) == []
    assert bench.placed(bench.fill(half, "1"))[0][1:] == ("hedge", "buy", D("0.7"))


NO_READING = Counted(0, ok=False, quiet=False, positions=(), margins=())
NOT_QUIET = Counted(0, ok=True, quiet=False, positions=(), margins=())
QUIET = Counted(0, ok=True, quiet=True, positions=(), margins=())


def test_no_quiet_cut_for_five_minutes_stops_opening_until_there_is_one() -> None:
    """S17: what nobody compares may have drifted apart; an order that rests is left, and closes and hedges go on."""
    bench = opened()
    for reading in [NO_READING, NOT_QUIET] * 9 + [NO_READING]:
        assert bench.give(reading) == [ArmTimer("desk", "reconcile", 0, bench.now + 15 * S)]
    assert bench.desk.view.closed_because() == ""
    effects = bench.give(NOT_QUIET)
    assert [(e.level, e.code) for e in effects if isinstance(e, Alert)] == [(Level.WARNING, "not_compared")]
    assert bench.desk.view.closed_because() == "ledger and venues could not be compared for long"
    assert [e for e in bench.give(NOT_QUIET) if isinstance(e, Alert)] == []  # told once
    assert bench.placed(bench.fill(bench.newest("opening"), "0.5")) == [("t1", "hedge", "sell", D("0.5"))]
    books = bench.desk.world.ledger.books
    held = tuple(Position(name, "ETHUSDT", book.position) for name, book in books.items())
    bench.give(replace(QUIET, positions=held))
    assert not bench.desk.world.uncompared


def test_a_reading_that_counts_begins_the_count_anew() -> None:
    bench = opened()
    for reading in [NO_READING] * 19 + [QUIET] + [NOT_QUIET] * 19:
        bench.give(reading)
    assert bench.desk.view.closed_because() == ""


def test_a_chart_step_that_raises_leaves_the_fill_counted_and_hedged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """S2: two commit points."""
    bench = opened()
    monkeypatch.setitem(bench.desk.verbs._table, "note", _raise)
    effects = bench.fill(bench.newest("opening"), "0.5")
    assert bench.placed(effects) == [("t1", "hedge", "sell", D("0.5"))]
    assert [e.code for e in effects if isinstance(e, Alert)][:1] == ["step_failed"]
    assert bench.state.startswith("ERROR")


def _raise(*_: object) -> list[object]:
    raise RuntimeError("planted")


def test_a_self_match_stops_opening() -> None:
    """S8: both sides of one trade are ours."""
    bench = opened(Bench(accounts=(account("m", "a"), account("t1", "a"), account("t2", "a"))))
    first = bench.newest("opening")
    bench.fill(first, "1", trade="both")
    hedge = bench.newest("hedge")
    effects = bench.fill(hedge, "1", trade="both")
    assert [e.code for e in effects if isinstance(e, Alert)] == ["self_match"]
    assert bench.desk.view.closed_because() == "a self-trade waits to be acknowledged"


def test_what_a_self_match_was_to_remove_is_open_still_and_hedged() -> None:
    """S8: it adds as much as it takes off; and an opening that rests by then is taken back."""
    bench = opened(Bench(accounts=(account("m", "a"), account("t1", "a"), account("t2", "a"))))
    first = bench.newest("opening")
    bench.fill(first, "0.4")
    bench.update(first, OrderState.CANCELED, "0.4")
    hedge = bench.newest("hedge")
    assert bench.placed(bench.fill(hedge, "0.2", trade="both")) == []
    effects = bench.fill(first, "0.2", trade="both")
    assert [e.code for e in effects if isinstance(e, Alert)][:1] == ["self_match"]
    assert (bench.desk.view.exposure, bench.placed(effects)) == (D("0.4"), [("t1", "hedge", "sell", D("0.2"))])
    assert not bench.desk.view.may_rest


def test_every_order_asks_for_the_strictest_self_trade_prevention_that_its_venue_has() -> None:
    """S8, S20."""
    both, none = frozenset({SelfTrade.CANCEL_BOTH}), frozenset[SelfTrade]()
    plans = (account("m", "a"), account("t1", "b"), account("t2", "c"))
    modes = (frozenset(SelfTrade), both, none)
    pool = [
        replace(it, capabilities=replace(it.capabilities, self_trade=mode))
        for it, mode in zip(plans, modes, strict=True)
    ]
    bench = opened(Bench(accounts=tuple(pool)))
    bench.fill(bench.newest("opening"), "1")
    bench.refuse(bench.newest("hedge"))
    asked = [(it.request.account, it.request.self_trade) for it in bench.orders.values()]
    assert asked == [("m", SelfTrade.CANCEL_TAKER), ("t1", SelfTrade.CANCEL_BOTH), ("t2", SelfTrade.NONE)]


def test_a_close_goes_to_a_holder_first_where_the_flow_says_so() -> None:
    """S9: random takers build opposite positions; this setting builds none."""
    text = eagle_flow().text.replace("account: random(takers)", "account: holder_first(takers)")
    assert text != eagle_flow().text
    flow = load_flow(text, file="flows/eagle_chicken.yaml", vocabulary=trading_vocabulary())
    bench = hedged(Bench(flow=flow, choice=1))
    bench.desk.world.chance["taker"].choice = 0  # type: ignore[attr-defined]
    bench.fire("hold")
    assert bench.placed(bench.fill(bench.newest("closing"), "1"))[-1] == ("t2", "hedge", "buy", D(1))


def test_alternate_switches_the_side_each_round() -> None:
    bench = hedged(Bench({"maker_side": "alternate"}))
    bench.fire("hold")
    bench.fill(bench.newest("closing"), "1")
    bench.fill(bench.newest("hedge"), "1")
    assert bench.placed(bench.log)[-1] == ("m", "opening", "sell", D(1))


def test_a_refused_half_of_a_pair_waits_for_its_partner() -> None:
    """S9: hedging the refused half while the other is on its way would build two positions out of none."""
    bench = hedged()
    bench.give(StopAsked(2))
    one, two = [client_id for client_id, placed in bench.orders.items() if placed.leg == "flatten"]
    assert bench.placed(bench.refuse(two)) == []
    assert bench.placed(bench.fill(one, "1")) == [("t2", "hedge", "buy", D(1))]


def test_both_halves_refused_leave_nothing_to_hedge() -> None:
    bench = hedged()
    bench.give(StopAsked(2))
    one, two = [client_id for client_id, placed in bench.orders.items() if placed.leg == "flatten"]
    effects = bench.refuse(two) + bench.refuse(one)
    assert [order for order in bench.placed(effects) if order[1] == "hedge"] == []


def test_a_move_into_the_next_round_carries_its_number() -> None:
    bench = hedged()
    bench.fire("hold")
    bench.fill(bench.newest("closing"), "1")
    effects = bench.fill(bench.newest("hedge"), "1")
    assert [(e.target, e.round) for e in effects if isinstance(e, Moved)] == [
        ("idle.ready", 1),
        ("maker_opening.resting", 2),
    ]


def test_a_hedge_that_nobody_takes_may_go_further_from_the_touch_each_time() -> None:
    """Fault 12: a bound that is never reached would leave the exposure open for ever."""
    bench = opened()
    bench.fill(bench.newest("opening"), "1")
    bounds = []
    for _ in range(3):
        bounds.append(bench.orders[bench.newest("hedge")].request.worst_price)
        for _ in range(3):
            bench.refuse(bench.newest("hedge"))
        bench.fire("again", owner="hedging")
    assert bounds == [D("99.5"), D("99.0"), D("98.5")]


def test_with_every_taker_cut_off_the_fill_is_undone_after_the_soft_age() -> None:
    """S3: the undo is for refusals; streams that stay lost must not keep an exposure open either."""
    bench = opened()
    bench.give(LinkUpdate("t1", LinkState.LOST, 0))
    bench.give(LinkUpdate("t2", LinkState.LOST, 0))
    assert bench.placed(bench.fill(bench.newest("opening"), "1")) == []
    assert ("m", "hedge", "sell", D(1)) in bench.placed(bench.fire("soft age", owner="hedging"))


@pytest.mark.parametrize(("style", "bits"), [(ClientIdStyle.UINT32, 22), (ClientIdStyle.UINT48, 34)])
def test_openings_stop_before_ids_of_another_run_could_come_back(style: ClientIdStyle, bits: int) -> None:
    """S15: a 32-bit venue has 4,194,304 ids a run."""
    spec = replace(account("m", "a"), capabilities=capabilities(style))
    bench = opened(Bench(accounts=(spec, account("t1", "b"), account("t2", "b"))))
    assert bench.newest("opening") == str(1 << bits | 1)
    bench.desk.world.sequence = (1 << bits) - 100_001
    assert bench.desk.view.closed_because() == ""
    bench.desk.world.sequence += 1
    assert bench.desk.view.closed_because() == "client order ids of this run are used up; start a new run"


def test_a_pair_takes_an_untradeable_remainder_along() -> None:
    """S7: the maker holds 1.0, the taker is short 0.8, and 0.2 is below every minimum: sell 1.0, buy 0.8."""
    small = {"min_qty": D("0.3")}
    bench = opened(
        Bench(accounts=(account("m", "a", **small), account("t1", "b", **small), account("t2", "b", **small)))
    )
    bench.fill(bench.newest("opening"), "0.8")
    bench.fill(bench.newest("hedge"), "0.8")
    bench.fill(bench.newest("opening"), "0.2")
    assert bench.placed(bench.give(StopAsked(2))) == [
        ("m", "flatten", "sell", D("1.0")),
        ("t1", "flatten", "buy", D("0.8")),
    ]


def test_a_halt_says_why_when_it_ends() -> None:
    bench = Bench(limits=replace(LIMITS, unhedged_hard=D("0.5")))
    bench.begin()
    bench.fill(bench.newest("opening"), "1")
    bench.fill(bench.newest("hedge"), "1")
    bench.fire("recheck")
    for client_id in [client_id for client_id, placed in bench.orders.items() if placed.leg == "flatten"]:
        bench.fill(client_id, "1")
    bench.confirm()
    assert [(e.exit_code, e.text) for e in bench.log if isinstance(e, Finish)] == [
        (1, "flat; halted: unhedged size 1 is above unhedged_hard 0.5")
    ]


def test_the_expected_cost_of_a_round_and_of_a_day_is_told_before_the_first_one() -> None:
    """S10: buy at 100.0, sell at 100.1 on the maker; pay 100.1 and get 100.0 on the taker: nothing without fees."""
    free = Bench()
    assert [e.text for e in free.begin() if isinstance(e, Alert)] == [
        "expected cost: 0.0000 USDT a round (0.00 bps with fees and both spreads), 0.00 USDT a day at up to 33 rounds a"
        " minute"
    ]
    fees = {"taker_fee": D("0.0005")}
    pool = (account("m", "a"), account("t1", "b", **fees), account("t2", "b", **fees))
    paid = Bench({"quantity": "2", "hold": "2200ms..9s"}, accounts=pool)
    assert [(e.facts["bps"], e.text) for e in paid.begin() if isinstance(e, Alert)] == [
        (
            "10.0000",
            "expected cost: 0.2001 USDT a round (10.00 bps with fees and both spreads), 5762.88 USDT a day at up to 20"
            " rounds a minute",
        )
    ]


def test_the_expected_cost_of_a_day_is_of_rounds_that_the_requests_allow() -> None:
    """S11: of 40 requests a minute 24 may be openings, two of them for a round."""
    cost = replace(LIMITS, orders_per_minute=40)
    bench = Bench(limits=cost)
    assert next(e.text for e in bench.begin() if isinstance(e, Alert)).endswith("a day at up to 12 rounds a minute")


def test_a_slice_is_a_whole_number_of_lots_whatever_the_exposure() -> None:
    """S18: fees in base leave odd positions; what goes along with a slice is rounded to the lot all the same."""
    small = {"min_qty": D("0.3")}
    pool = (account("m", "a", **small), account("t1", "b", **small), account("t2", "b", **small))
    bench = opened(Bench(accounts=pool))
    bench.fill(bench.newest("opening"), "0.8", fee=D("0.03"), fee_asset="ETH")
    bench.fill(bench.newest("hedge"), "0.7")
    bench.fill(bench.newest("opening"), "0.2")
    slices = bench.placed(bench.give(StopAsked(2)))
    assert bench.desk.world.exposure == D("0.27")
    assert slices == [("m", "flatten", "sell", D("0.9")), ("t1", "flatten", "buy", D("0.7"))]


def test_a_stream_that_comes_and_goes_does_not_hold_up_a_hedge() -> None:
    """S3: the wait for a resync is one second in all, however often the stream resyncs again."""
    bench = opened()
    sent = bench.give(LinkUpdate("t2", LinkState.LOST, 0)) + bench.give(LinkUpdate("t2", LinkState.RESYNC, 0))
    sent += bench.fill(bench.newest("opening"), "1")
    assert [order for order in bench.placed(sent) if order[1] == "hedge"] == []
    for _ in range(3):
        sent += bench.give(LinkUpdate("t2", LinkState.LOST, 0), after_ms=400)
        sent += bench.give(LinkUpdate("t2", LinkState.RESYNC, 0))
    assert [order for order in bench.placed(sent) if order[1] == "hedge"] == [("t1", "hedge", "sell", D(1))]
