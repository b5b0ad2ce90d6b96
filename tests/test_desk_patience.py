"""How long the desk goes on by itself, when it calls a person, and that it goes on after that."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from test_desk_found import hedged
from trading_kit import Bench, S

from engine.trading.effects import Alert, AskOrder, CancelOrder, Effect, Level
from engine.trading.inputs import Answered, Looked, Relisted, Request, StopAsked
from exchanges.types import LinkState, LinkUpdate, OrderState, Refusal, Refused

D = Decimal


def cancelling() -> tuple[Bench, str]:
    """A desk whose opening was asked about after its three seconds, and whose cancel has left."""
    bench = Bench()
    bench.begin()
    order = bench.newest("opening")
    bench.ack(order)
    bench.update(order, OrderState.OPEN)
    still_open(bench, order, bench.fire("order_timeout"))
    assert bench.state == "MAKER_OPENING.cancelling"
    return bench, order


def still_open(bench: Bench, order: str, effects: list[Effect]) -> None:
    token = [e.token for e in effects if isinstance(e, AskOrder) and e.token][-1]
    bench.give(Looked(order, token, ok=True, update=bench.told(order, OrderState.OPEN)))


def refuse_cancel(bench: Bench, order: str, refusal: Refusal) -> list[Effect]:
    return bench.give(Answered(order, Request.CANCEL, Refused(refusal, "busy")))


def persons(effects: list[Effect]) -> list[str]:
    return [e.code for e in effects if isinstance(e, Alert) and e.level is Level.PERSON]


def test_a_refused_cancel_is_repeated_after_a_pause() -> None:
    """E7, S11: a venue that is busy is not asked at the speed of its refusals, and nothing is halted for that."""
    bench, order = cancelling()
    began = bench.now
    for _ in range(3):
        effects = refuse_cancel(bench, order, Refusal.RATE)
        assert bench.state == "MAKER_OPENING.waiting"
        assert [e for e in effects if isinstance(e, CancelOrder)] == []
        still_open(bench, order, bench.fire("cancel_pause"))
        assert bench.state == "MAKER_OPENING.cancelling"
    assert (bench.now - began) // S == 6
    assert persons(bench.log) == []
    assert len(bench.cancels) == 4
    effects = refuse_cancel(bench, order, Refusal.RATE)
    assert (bench.state, persons(effects)) == ("ERROR.cancelling", ["halt"])


def test_an_order_that_the_venue_lost_is_given_up_before_its_refused_cancels_halt_the_run() -> None:
    """E13: the standing rule needs five seconds for "no such order"; the cancels must not be over before."""
    bench, order = cancelling()
    for _ in range(40):
        match bench.state:
            case "MAKER_OPENING.cancelling":
                effects = refuse_cancel(bench, order, Refusal.NOT_FOUND)
            case "MAKER_OPENING.asking":
                token = [e.token for e in bench.log if isinstance(e, AskOrder) and e.token][-1]
                effects = bench.give(Looked(order, token, ok=True, update=None))
            case "MAKER_OPENING.waiting":
                owner, name = min(
                    (key for key in bench.timers if key[0] != "desk"), key=lambda key: bench.timers[key].at_ns
                )
                effects = bench.fire(name, owner=owner)
            case _:
                break
        for ask in effects:
            if isinstance(ask, AskOrder) and ask.token == 0:
                bench.give(Looked(order, 0, ok=True, update=None))
    assert bench.desk.world.orders.all[order].state is OrderState.CANCELED
    assert (bench.state, persons(bench.log)) == ("MAKER_OPENING.resting", ["order_lost"])


def test_a_fill_after_a_refused_cancel_is_hedged_at_once() -> None:
    """E8: the pause holds up no hedge."""
    bench, order = cancelling()
    refuse_cancel(bench, order, Refusal.RATE)
    assert bench.placed(bench.fill(order, "0.4")) == [("t1", "hedge", "sell", D("0.4"))]
    assert bench.state == "MAKER_OPENING.waiting"


# --- accounts that do not get flat


def crossed_takers() -> Bench:
    """A cleanup inside the run, the maker flat, one taker long and the other as much short."""
    bench = hedged(Bench({"cleanup_rounds": "1"}))
    bench.fire("hold")
    bench.fill(bench.newest("closing"), "1")
    bench.refuse(bench.newest("hedge"))
    bench.fill(bench.newest("hedge"), "1")
    assert {name: book.position for name, book in bench.desk.world.ledger.books.items()} == {"m": 0, "t1": -1, "t2": 1}
    assert bench.state == "CLEANUP.next"  # t1 has just refused a hedge: no slice for a second
    return bench


def refuse_slices(bench: Bench, until_ns: int, *accounts: str, refusal: Refusal = Refusal.VENUE) -> None:
    """Time goes on; covering orders of these accounts are refused, those of the others fill."""
    while bench.now < until_ns:
        for order in list(bench.desk.world.orders.covering.values()):
            if order.account in accounts:
                bench.refuse(order.client_id, refusal)
            else:
                bench.fill(order.client_id, str(order.qty))
        owner, name = min((key for key in bench.timers if key[0] != "desk"), key=lambda key: bench.timers[key].at_ns)
        bench.fire(name, owner=owner)


def test_a_cleanup_without_requests_left_goes_on_each_second() -> None:
    bench = crossed_takers()
    refuse_slices(bench, 30 * S, "t1", "t2", refusal=Refusal.RATE)
    late = [it for it in bench.orders.values() if it.leg == "flatten" and it.not_after_ns > 20 * S]
    assert len(late) >= 8
    assert "account_unwilling" not in [e.code for e in bench.log if isinstance(e, Alert)]


def test_a_cleanup_whose_takers_refuse_calls_a_person_and_goes_on() -> None:
    """E13, S3: named by account after seven seconds, the cleanup as a whole after half a minute; then ever again."""
    bench = crossed_takers()
    refuse_slices(bench, 300 * S, "t1", "t2")
    calls = [
        (e.code, e.facts.get("account", "")) for e in bench.log if isinstance(e, Alert) and e.level is Level.PERSON
    ]
    assert calls[0][0] == "account_unwilling"
    assert {account for code, account in calls if code == "account_unwilling"} == {"t1", "t2"}
    assert calls.count(("flow", "")) >= 5
    assert len(calls) < 40
    assert not bench.desk.world.halted
    late = [order for order in bench.orders.values() if order.leg == "flatten" and order.not_after_ns > 240 * S]
    assert late != []


def test_takers_that_are_willing_again_are_flattened_after_all() -> None:
    bench = crossed_takers()
    refuse_slices(bench, 100 * S, "t1", "t2")
    refuse_slices(bench, 200 * S)
    assert {book.position for book in bench.desk.world.ledger.books.values()} == {D(0)}


def test_a_cleanup_whose_maker_cannot_be_reached_calls_a_person() -> None:
    """S7: no budget helps where no order may leave."""
    bench = hedged(Bench({"cleanup_rounds": "1"}))
    bench.fire("hold")
    closing = bench.newest("closing")
    bench.fill(closing, "0.4")
    bench.fill(bench.newest("hedge"), "0.4")
    bench.give(LinkUpdate("m", LinkState.LOST, 0))
    bench.update(closing, OrderState.CANCELED, "0.4")
    assert bench.state == "CLEANUP.maker"
    for _ in range(121):
        assert persons(bench.log) == []
        bench.fire("recheck")
    assert (persons(bench.log), bench.state) == (["flow"], "CLEANUP.maker")


def test_a_stop_calls_no_person_for_an_account_that_refuses_once() -> None:
    bench = hedged()
    bench.give(StopAsked(2))
    flatten = bench.newest("flatten")
    bench.refuse(flatten)
    assert persons(bench.log) == []


def test_a_market_in_other_steps_is_traded_in_them_at_once_and_told_once() -> None:
    """Fault catalogue 26: else every order at a price of the old tick is refused for as long as the run goes on."""
    bench, order = cancelling()
    maker = bench.desk.world.maker
    before = bench.desk.world.instruments[maker]
    same = Relisted(maker, before.tick, before.lot, before.min_qty, before.min_notional)
    assert bench.give(same) == []
    bench.desk.world.price_refused(maker)
    effects = bench.give(replace(same, tick=before.tick * 50))
    assert persons(effects) == ["relisted"]
    assert bench.desk.world.price_doubts == {}
    assert bench.give(replace(same, tick=before.tick * 50)) == []
    bench.update(order, OrderState.CANCELED)
    price = bench.orders[bench.newest("opening")].request.price
    assert bench.newest("opening") != order
    assert price is not None
    assert price % (before.tick * 50) == 0
