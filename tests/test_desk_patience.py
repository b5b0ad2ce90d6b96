"""How long the desk goes on by itself, when it calls a person, and that it goes on after that."""

from __future__ import annotations

from decimal import Decimal

from trading_kit import Bench, S

from engine.trading.effects import Alert, AskOrder, CancelOrder, Effect, Level
from engine.trading.inputs import Answered, Looked, Request
from exchanges.types import OrderState, Refusal, Refused

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
