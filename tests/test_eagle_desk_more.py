"""What a table row cannot say of the eagle flow: times, prices, second questions, and whole ways home."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from test_eagle_desk import hedged, opened
from trading_kit import LIMITS, MS, Bench, S, eagle_flow

from engine.trading.effects import (
    Alert,
    ArmTimer,
    AskOrder,
    AskPositions,
    CancelOrder,
    Effect,
    Finish,
    Level,
    Moved,
    PlaceOrder,
    RoundEnded,
)
from engine.trading.inputs import Answered, Counted, Looked, Request, StopAsked
from exchanges.types import LinkState, LinkUpdate, OrderState, Position, Refusal, Refused, TimeInForce

D = Decimal


def asked(effects: list[Effect]) -> int:
    """Token of the newest question about an order."""
    return [effect.token for effect in effects if isinstance(effect, AskOrder)][-1]


def cancelled(effects: list[Effect]) -> list[str]:
    return [effect.client_id for effect in effects if isinstance(effect, CancelOrder)]


def moves(effects: list[Effect]) -> list[str]:
    """Where the chart went, in lower case as it is journalled."""
    return [effect.target for effect in effects if isinstance(effect, Moved) and effect.target]


def finished(effects: list[Effect]) -> list[tuple[int, str]]:
    return [(effect.exit_code, effect.text) for effect in effects if isinstance(effect, Finish)]


def counted(bench: Bench, *positions: Position, ok: bool = True, quiet: bool = True) -> list[Effect]:
    """The venues' answer to the newest count."""
    token = [effect.token for effect in bench.log if isinstance(effect, AskPositions)][-1]
    return bench.give(Counted(token, ok=ok, quiet=quiet, positions=positions, margins=()))


def still_open(bench: Bench, client_id: str, token: int, *, cum: str = "0") -> list[Effect]:
    state = OrderState.PARTIALLY_FILLED if D(cum) else OrderState.OPEN
    return bench.give(Looked(client_id, token, ok=True, update=bench.told(client_id, state, cum)))


def sent(bench: Bench, leg: str) -> list[PlaceOrder]:
    return [placed for placed in bench.orders.values() if placed.leg == leg]


def ended_round(bench: Bench) -> Bench:
    """A desk after one whole round, all hedges confirmed."""
    bench.fire("hold")
    bench.fill(bench.newest("closing"), "1")
    bench.fill(bench.newest("hedge"), "1")
    return bench


def in_cleanup(settings: dict[str, str]) -> Bench:
    """A desk whose close was refused for good: the maker's residue of 1 forced the cleanup."""
    bench = hedged(Bench(settings))
    bench.fire("hold")
    for _ in range(3):
        bench.refuse(bench.newest("closing"))
        bench.fire("reprice_wait")
    bench.refuse(bench.newest("closing"))
    return bench


def with_matched_takers() -> Bench:
    """A desk whose opening is sent while its takers hold +1 and -1 from before."""
    bench = Bench()
    bench.begin()
    for name, position in (("t1", D(1)), ("t2", D(-1))):
        bench.desk.world.ledger.books[name].position = position
        bench.desk.world.ledger.taker_hedges[name] = position
    return bench


def test_the_defaults_are_the_users() -> None:
    settings = eagle_flow().settings
    named = {
        "tick_offset": 1, "order_timeout": 3 * S, "cancel_timeout": 5 * S, "hold": (S, 3 * S),
        "confirm_before_cancel": "query", "reprice_limit": 20, "stop_timeout": 20 * S, "distrust_alert": 10 * S,
        "rounds": 0, "maker_side": "buy",
    }  # fmt: skip
    assert {name: settings[name].default for name in named} == named


def test_a_reprice_waits_long_enough_for_three_a_second() -> None:
    wait = eagle_flow().settings["reprice_wait"].default
    assert isinstance(wait, int)
    assert 3 * wait >= S


def test_a_maker_order_rests_for_its_timeout_and_no_longer() -> None:
    """E6: the clock of an attempt starts when it is sent, and anew for the next."""
    bench = Bench()
    bench.begin()
    first = bench.newest("opening")
    assert bench.timers["chart", "after:MAKER_OPENING.resting:order_timeout"].at_ns == bench.now + 3 * S
    bench.ack(first)
    still_open(bench, first, asked(bench.fire("order_timeout")))
    bench.update(first, OrderState.CANCELED)
    assert bench.newest("opening") != first
    assert bench.timers["chart", "after:MAKER_OPENING.resting:order_timeout"].at_ns == bench.now + 3 * S


def test_a_partial_fill_does_not_lengthen_the_life_of_the_order() -> None:
    bench = opened()
    before = bench.timers["chart", "after:MAKER_OPENING.resting:order_timeout"]
    bench.fill(bench.newest("opening"), "0.3")
    assert bench.timers["chart", "after:MAKER_OPENING.resting:order_timeout"] == before


def test_the_hold_starts_with_the_hedges_fill_and_not_with_the_makers() -> None:
    """E10."""
    bench = opened()
    assert [e for e in bench.fill(bench.newest("opening"), "1") if isinstance(e, ArmTimer) and "hold" in e.name] == []
    bench.fill(bench.newest("hedge"), "1")
    assert bench.timers["chart", "after:HOLDING:hold"].at_ns == bench.now + S


def test_a_hold_of_zero_closes_at_once() -> None:
    bench = hedged(Bench({"hold": "0ms..0ms"}))
    before = bench.now
    bench.fire("hold")
    assert (bench.now, bench.state) == (before, "MAKER_CLOSING.resting")


def test_a_late_fill_while_holding_starts_the_hold_again_after_its_hedge() -> None:
    bench = opened()
    first = bench.newest("opening")
    bench.fill(first, "0.4")
    bench.fill(bench.newest("hedge"), "0.4")
    still_open(bench, first, asked(bench.fire("order_timeout")), cum="0.4")
    bench.update(first, OrderState.CANCELED, "0.4")
    assert bench.state == "HOLDING"
    bench.fill(first, "0.2")
    assert bench.state == "TAKER_HEDGING"
    assert ("chart", "after:HOLDING:hold") not in bench.timers
    bench.fill(bench.newest("hedge"), "0.2")
    assert bench.timers["chart", "after:HOLDING:hold"].at_ns == bench.now + S


def test_a_question_is_asked_twice_before_the_cancel_leaves_unasked() -> None:
    """E7: one second of patience, a pause of 250 ms, one more second."""
    bench = opened()
    began = bench.now + 3 * S - MS  # the opening was sent one step before its acknowledgement
    assert cancelled(bench.fire("order_timeout")) == []
    assert bench.now == began
    assert cancelled(bench.fire("timeout:MAKER_OPENING.asking")) == []
    again = bench.fire("retry:MAKER_OPENING.asking")
    assert [e.client_id for e in again if isinstance(e, AskOrder)] == [bench.newest("opening")]
    assert cancelled(bench.fire("timeout:MAKER_OPENING.asking")) == [bench.newest("opening")]
    assert bench.now == began + 2 * S + 250 * MS


def test_an_answer_that_comes_after_its_question_was_given_up_cancels_nothing() -> None:
    """The token of the first question is stale while the second waits."""
    bench = opened()
    first = bench.newest("opening")
    stale = asked(bench.fire("order_timeout"))
    bench.fire("timeout:MAKER_OPENING.asking")
    fresh = asked(bench.fire("retry:MAKER_OPENING.asking"))
    assert cancelled(still_open(bench, first, stale)) == []
    assert cancelled(still_open(bench, first, fresh)) == [first]


def test_a_refused_cancel_never_leads_to_a_second_order() -> None:
    """Fault 2 of the earlier implementation."""
    bench = opened()
    first = bench.newest("opening")
    still_open(bench, first, asked(bench.fire("order_timeout")))
    effects = bench.give(Answered(first, Request.CANCEL, Refused(Refusal.VENUE, "busy")))
    assert bench.placed(effects) == []
    assert cancelled(still_open(bench, first, asked(bench.fire("cancel_pause")))) == [first]
    assert [placed.request.client_id for placed in sent(bench, "opening")] == [first]


def test_a_refused_cancel_of_a_filled_order_finds_the_fill_and_hedges_it_once() -> None:
    bench = opened()
    first = bench.newest("opening")
    still_open(bench, first, asked(bench.fire("order_timeout")))
    effects = bench.give(Answered(first, Request.CANCEL, Refused(Refusal.NOT_FOUND, "gone")))
    found = bench.give(Looked(first, asked(effects), ok=True, update=bench.told(first, OrderState.FILLED, "1")))
    assert bench.placed(found) == [("t1", "hedge", "sell", D(1))]
    assert bench.placed(bench.fill(first, "1")) == []
    assert bench.state == "TAKER_HEDGING"


def test_after_t_rounds_the_cleanup_counts_and_the_next_round_opens() -> None:
    """E11: flat already, so nothing is sent but the question."""
    bench = ended_round(hedged(Bench({"cleanup_rounds": "1"})))
    assert bench.state == "CLEANUP.verifying"
    assert sent(bench, "cleanup") == sent(bench, "flatten") == []
    counted(bench)
    assert bench.state == "IDLE.pausing"
    assert bench.placed(bench.fire("pause")) == [("m", "opening", "buy", D(1))]


def test_no_opening_between_two_readings_that_differ() -> None:
    """E12, S17: read again after a moment; the second reading stops all trading."""
    bench = ended_round(hedged(Bench({"cleanup_rounds": "1"})))
    wrong = Position("m", "ETHUSDT", D(3))
    assert bench.placed(counted(bench, wrong)) == []
    assert bench.state == "CLEANUP.doubting"
    bench.fire("recheck")
    assert bench.placed(counted(bench, wrong)) == []
    assert bench.state == "ERROR.distrust"
    assert bench.placed(bench.fire("distrust_alert")) == []


def test_a_stop_without_trust_in_the_positions_does_not_say_flat_as_if_the_venues_did() -> None:
    """Somebody had moved a position at the venue; the last line said `flat`, which the desk's own books alone were."""
    bench = ended_round(hedged(Bench({"cleanup_rounds": "1"})))
    wrong = Position("m", "ETHUSDT", D(3))
    counted(bench, wrong)
    bench.fire("recheck")
    counted(bench, wrong)
    assert finished(bench.give(StopAsked(1))) == [
        (1, "flat by our books and not by the venues'; halted: positions differ")
    ]  # fmt: skip


def test_one_reading_that_differs_is_forgiven_by_the_next() -> None:
    bench = ended_round(hedged(Bench({"cleanup_rounds": "1"})))
    counted(bench, Position("m", "ETHUSDT", D(3)))
    bench.fire("recheck")
    counted(bench)
    assert bench.state == "IDLE.pausing"


def test_a_reading_without_a_quiet_cut_is_asked_for_again() -> None:
    """S17: three times, before it counts as doubtful."""
    bench = ended_round(hedged(Bench({"cleanup_rounds": "1"})))
    for _ in range(3):
        counted(bench, Position("m", "ETHUSDT", D(3)), quiet=False)
        assert bench.state == "CLEANUP.verifying"
        bench.fire("retry:CLEANUP.verifying")
    counted(bench)
    assert bench.state == "IDLE.pausing"


def test_the_cleanup_rests_then_takes_within_its_slippage_then_sweeps() -> None:
    """S7: maker order, IOC limit, market; each only after the one before has ended, and every fill is hedged."""
    bench = in_cleanup({})
    (resting,) = sent(bench, "cleanup")
    first = resting.request.client_id
    assert bench.placed(bench.log)[-1] == ("m", "cleanup", "sell", D(1))
    assert (resting.request.post_only, resting.request.reduce_only) == (True, True)
    bench.ack(first)
    token = asked(bench.fire("cleanup_budget"))
    assert cancelled(still_open(bench, first, token)) == [first]
    bench.quote("100.0", "100.1")
    assert bench.placed(bench.update(first, OrderState.CANCELED)) == [("m", "cleanup", "sell", D(1))]
    limit = sent(bench, "cleanup")[-1].request
    assert (limit.price, limit.post_only, limit.reduce_only) == (D("99.8"), False, True)  # 20 bps below the bid
    assert bench.placed(bench.fill(limit.client_id, "0.4")) == [("t1", "hedge", "buy", D("0.4"))]
    assert bench.placed(bench.update(limit.client_id, OrderState.CANCELED, "0.4")) == []
    assert bench.state == "CLEANUP.hedging"
    swept = bench.fill(bench.newest("hedge"), "0.4")
    assert bench.placed(swept) == [("m", "cleanup", "sell", D("0.6"))]
    assert sent(bench, "cleanup")[-1].request.price is None


def test_the_books_of_a_round_are_closed_once() -> None:
    """The last cleanup ends the round once more; without an open round that is nothing."""
    bench = in_cleanup({"rounds": "1"})
    assert [(e.opened, e.closed, e.residue) for e in bench.log if isinstance(e, RoundEnded)] == [(D(1), D(0), D(1))]
    bench.fill(bench.newest("cleanup"), "1")
    bench.fill(bench.newest("hedge"), "1")
    counted(bench)
    bench.fire("pause")
    assert finished(counted(bench)) == [(0, "flat")]
    assert len([e for e in bench.log if isinstance(e, RoundEnded)]) == 1


def test_sigint_while_holding_closes_by_a_maker_order_and_leaves_with_zero() -> None:
    """E18: the stop is patient first."""
    bench = hedged()
    effects = bench.give(StopAsked(1))
    assert bench.placed(effects) == [("m", "cleanup", "sell", D(1))]
    assert bench.orders[bench.newest("cleanup")].request.post_only
    bench.fill(bench.newest("cleanup"), "1")
    bench.fill(bench.newest("hedge"), "1")
    assert finished(counted(bench)) == [(0, "flat")]


def test_twenty_seconds_after_sigint_the_maker_takes() -> None:
    bench = hedged()
    bench.give(StopAsked(1))
    asked_at = bench.now
    first = bench.newest("cleanup")
    bench.ack(first)
    token = asked(bench.fire("stop_timeout"))
    assert bench.now == asked_at + 20 * S
    bench.quote("100.0", "100.1")
    still_open(bench, first, token)
    bench.update(first, OrderState.CANCELED)
    assert bench.orders[bench.newest("cleanup")].request.tif is TimeInForce.IOC


@pytest.mark.parametrize("level", [1, 2])
def test_no_round_opens_after_a_stop(level: int) -> None:
    bench = hedged()
    bench.give(StopAsked(level))
    before = len(sent(bench, "opening"))
    for leg in ("cleanup", "flatten"):
        for placed in sent(bench, leg):
            bench.fill(placed.request.client_id, "1")
    if level == 1:
        bench.fill(bench.newest("hedge"), "1")
    counted(bench)
    assert bench.desk.chart.done
    assert len(sent(bench, "opening")) == before


def test_no_slice_replaces_one_that_is_neither_filled_nor_dead() -> None:
    """S4: a slice of which nothing is heard is waited for; its quantity is not sent again."""
    bench = with_matched_takers()
    first = bench.newest("opening")
    still_open(bench, first, asked(bench.give(StopAsked(1))))
    bench.update(first, OrderState.CANCELED)
    pair = sent(bench, "flatten")
    assert [placed.request.account for placed in pair] == ["t1", "t2"]
    bench.fire("slice_patience")
    assert bench.placed(bench.fire("recheck")) == []
    assert (bench.state, sent(bench, "flatten")) == ("CLEANUP.hedging", pair)


def test_leaving_with_something_open_exits_with_one_and_says_what() -> None:
    """E18: the second SIGINT does not wait for ever."""
    bench = hedged()
    bench.give(StopAsked(2))
    why = "halted: CLEANUP.leaving.everyone on leave_timeout (E18 no venue has confirmed it)"
    live = "m: sell 1.0 ETHUSDT still live (e1r1lflattena1); t1: buy 1.0 ETHUSDT still live (e1r1lflattena2)"
    assert finished(bench.fire("leave_timeout")) == [(1, f"not flat; {why}; m: +1 ETHUSDT; t1: -1 ETHUSDT; {live}")]


def test_a_halted_run_that_is_flat_exits_with_one() -> None:
    """E15: HALT exits non-zero however flat."""
    bench = hedged(Bench(limits=replace(LIMITS, max_loss_run=D("0.01"))))
    bench.quote("90.0", "90.1")
    effects = bench.fire("reconcile", owner="desk")
    assert [e.code for e in effects if isinstance(e, Alert) and e.level is Level.PERSON] == ["limit", "halt"]
    assert bench.placed(effects) == [("m", "flatten", "sell", D(1)), ("t1", "flatten", "buy", D(1))]
    first, second = sent(bench, "flatten")
    bench.fill(first.request.client_id, "1")
    assert finished(bench.fill(second.request.client_id, "1")) == []
    assert finished(bench.confirm()) == [(1, "flat; halted: loss of the run 0.10 is above max_loss_run 0.01")]


def test_a_close_waits_for_the_makers_stream_and_then_rests() -> None:
    """E17: nothing is priced from a stream that is not trusted; the hold's end is not forgotten."""
    bench = hedged()
    bench.give(LinkUpdate("m", LinkState.LOST, 0))
    assert bench.placed(bench.fire("hold")) == []
    assert bench.state == "MAKER_CLOSING.judging"
    assert bench.placed(bench.give(LinkUpdate("m", LinkState.TRUSTED, 0))) == [("m", "closing", "sell", D(1))]


def test_a_person_is_called_when_cancels_bring_no_end() -> None:
    """E13: after three cancels in vain, with the order still resting and nothing placed beside it."""
    bench = opened()
    first = bench.newest("opening")
    still_open(bench, first, asked(bench.fire("order_timeout")))
    for _ in range(3):
        still_open(bench, first, asked(bench.fire("cancel_timeout")))
        assert bench.state == "MAKER_OPENING.cancelling"
    effects = bench.fire("cancel_timeout")
    assert bench.state == "ERROR.cancelling"
    assert [e.code for e in effects if isinstance(e, Alert) and e.level is Level.PERSON] == ["halt"]
    assert bench.placed(bench.log) == [("m", "opening", "buy", D(1))]
    bench.update(first, OrderState.CANCELED)
    assert finished(bench.confirm()) == [(1, "flat; halted: MAKER_OPENING.cancelling on cancel_timeout (E13)")]


def test_a_filled_order_and_a_spent_hold_go_straight_on() -> None:
    """E4: a round is journalled without states that decide nothing."""
    bench = opened()
    path = moves(bench.fill(bench.newest("opening"), "1"))
    path += moves(bench.fill(bench.newest("hedge"), "1"))
    path += moves(bench.fire("hold"))
    path += moves(bench.fill(bench.newest("closing"), "1"))
    path += moves(bench.fill(bench.newest("hedge"), "1"))
    assert path == [
        "taker_hedging", "holding", "maker_closing.resting", "taker_closing", "idle.ready", "maker_opening.resting",
    ]  # fmt: skip


def test_a_pause_between_rounds_is_kept() -> None:
    bench = ended_round(hedged(Bench({"pause": "2s"})))
    assert bench.state == "IDLE.pausing"
    assert bench.timers["chart", "after:IDLE.pausing:pause"].at_ns == bench.now + 2 * S
    assert bench.placed(bench.fire("pause")) == [("m", "opening", "buy", D(1))]


def test_one_post_only_refusal_more_than_the_limit_rests_nothing() -> None:
    """E5: twenty a round, two here."""
    bench = Bench({"reprice_limit": "2"})
    bench.begin()
    for _ in range(2):
        assert bench.placed(bench.refuse(bench.newest("opening"), Refusal.POST_ONLY)) == []
        assert bench.placed(bench.fire("reprice_wait")) == [("m", "opening", "buy", D(1))]
    assert bench.placed(bench.refuse(bench.newest("opening"), Refusal.POST_ONLY)) == []
    assert bench.state == "IDLE.cooling"


def test_both_legs_of_a_round_share_its_post_only_refusals() -> None:
    """E5: what the opening used up is not there for the close."""
    bench = Bench({"reprice_limit": "2"})
    bench.begin()
    bench.refuse(bench.newest("opening"), Refusal.POST_ONLY)
    bench.fire("reprice_wait")
    bench.ack(bench.newest("opening"))
    bench.fill(bench.newest("opening"), "1")
    bench.fill(bench.newest("hedge"), "1")
    assert bench.placed(bench.fire("hold")) == [("m", "closing", "sell", D(1))]
    bench.refuse(bench.newest("closing"), Refusal.POST_ONLY)
    assert bench.placed(bench.fire("reprice_wait")) == [("m", "closing", "sell", D(1))]
    bench.refuse(bench.newest("closing"), Refusal.POST_ONLY)
    assert bench.state == "CLEANUP.resting"


def test_a_refusal_of_any_kind_waits_and_the_fourth_gives_the_opening_up() -> None:
    """E13: a venue that refuses is not asked at the speed of its refusals."""
    bench = Bench()
    bench.begin()
    for _ in range(3):
        refused = bench.refuse(bench.newest("opening"), Refusal.MARGIN)
        assert bench.placed(refused) == []
        assert bench.timers["chart", "after:MAKER_OPENING.repricing:reprice_wait"].at_ns == bench.now + 350 * MS
        assert bench.placed(bench.fire("reprice_wait")) == [("m", "opening", "buy", D(1))]
    effects = bench.refuse(bench.newest("opening"), Refusal.MARGIN)
    assert (bench.placed(effects), bench.state) == ([], "IDLE.cooling")


def test_cancels_that_did_end_do_not_add_up_to_a_halt() -> None:
    """E13: counted are cancels that brought no end."""
    bench = opened()
    for _ in range(5):
        first = bench.newest("opening")
        still_open(bench, first, asked(bench.fire("order_timeout")))
        refused = bench.give(Answered(first, Request.CANCEL, Refused(Refusal.RATE, "busy")))
        still_open(bench, first, asked(refused))
        bench.update(first, OrderState.CANCELED)
        bench.ack(bench.newest("opening"))
    assert bench.state == "MAKER_OPENING.resting"


def test_the_second_sigint_does_not_send_a_live_slice_again() -> None:
    """S4: also when nothing is heard of it."""
    bench = hedged()
    bench.give(StopAsked(2))
    pair = sent(bench, "flatten")
    assert len(pair) == 2
    bench.fire("slice_patience")
    bench.fire("recheck")
    assert (bench.state, sent(bench, "flatten")) == ("CLEANUP.leaving.everyone", pair)


def test_a_halt_does_not_send_a_live_slice_again() -> None:
    """S4, S3: the halt looks again, and sends only what is not in flight."""
    bench = hedged(Bench(limits=replace(LIMITS, max_loss_run=D("0.01"))))
    bench.quote("90.0", "90.1")
    bench.fire("reconcile", owner="desk")
    pair = sent(bench, "flatten")
    assert len(pair) == 2
    bench.fire("slice_patience")
    assert (bench.state, sent(bench, "flatten")) == ("ERROR.reducing", pair)


def test_a_halt_whose_cancels_bring_no_end_calls_again_and_reduces_beside_the_order() -> None:
    """S3, E15: the close rests for ever; the halt cancels three times more and then flattens all the same."""
    bench = hedged()
    bench.fire("hold")
    first = bench.newest("closing")
    bench.ack(first)
    still_open(bench, first, asked(bench.fire("order_timeout")))
    for _ in range(3):
        still_open(bench, first, asked(bench.fire("cancel_timeout")))
    assert bench.placed(bench.fire("cancel_timeout")) == []
    assert [cancelled(bench.fire("cancel_timeout")) for _ in range(3)] == [[first]] * 3
    effects = bench.fire("cancel_timeout")
    assert [e.text for e in effects if isinstance(e, Alert)] == ["an order does not end; reducing beside it"]
    assert bench.placed(effects) == [("m", "flatten", "sell", D(1)), ("t1", "flatten", "buy", D(1))]


def test_a_halt_inside_a_round_closes_its_books_once() -> None:
    bench = hedged(Bench(limits=replace(LIMITS, max_loss_run=D("0.01"))))
    bench.quote("90.0", "90.1")
    bench.fire("reconcile", owner="desk")
    assert [(e.opened, e.closed, e.residue) for e in bench.log if isinstance(e, RoundEnded)] == [(D(1), D(0), D(1))]


def test_a_pair_that_is_always_refused_is_sent_ever_less_often() -> None:
    """S11: a venue in maintenance is not asked at the speed of its refusals, and the chart does not spin."""
    bench = with_matched_takers()
    first = bench.newest("opening")
    still_open(bench, first, asked(bench.give(StopAsked(1))))
    bench.update(first, OrderState.CANCELED)
    began = bench.now
    for _ in range(100):
        for leg in ("flatten", "hedge"):
            for placed in sent(bench, leg):
                order = bench.desk.world.orders.get(placed.request.client_id)
                if order is not None and not order.state.terminal:
                    bench.refuse(order.client_id)
        owner, name = min((key for key in bench.timers if key[0] != "desk"), key=lambda key: bench.timers[key].at_ns)
        bench.fire(name, owner=owner)
    assert bench.now - began > 10 * S
    times = sorted({placed.not_after_ns for placed in sent(bench, "flatten")})
    gaps = [late - early for early, late in pairwise(times)]
    assert gaps != []
    assert gaps[0] >= S
    assert gaps == sorted(gaps)


def test_a_stop_whose_maker_stream_is_lost_comes_to_an_end() -> None:
    """E18: twenty seconds for the maker, a look, ten seconds to flatten, and the exposure is told."""
    bench = hedged()
    bench.give(LinkUpdate("m", LinkState.LOST, 0))
    bench.give(StopAsked(1))
    asked_at = bench.now
    bench.fire("recheck")
    assert bench.state == "CLEANUP.maker"
    bench.fire("stop_timeout")
    assert "cleanup.leaving.cancelling" in moves(bench.fire("recheck"))
    why = "halted: CLEANUP.leaving.again on leave_timeout (E18 no venue has confirmed it)"
    assert finished(bench.fire("leave_timeout")) == [(1, f"not flat; {why}; m: +1 ETHUSDT; t1: -1 ETHUSDT")]
    assert bench.now - asked_at <= 30 * S + 250 * MS


def test_a_stop_whose_maker_stream_comes_back_closes_with_the_maker() -> None:
    bench = hedged()
    bench.give(LinkUpdate("m", LinkState.LOST, 0))
    bench.give(StopAsked(1))
    assert sent(bench, "cleanup") == []
    assert bench.placed(bench.give(LinkUpdate("m", LinkState.TRUSTED, 0))) == [("m", "cleanup", "sell", D(1))]
