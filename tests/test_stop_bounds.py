"""E18: whatever goes wrong, a stop comes to an end by itself, and a run that was halted never ends well."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from test_desk_found import hedged, opened
from trading_kit import LIMITS, Bench, S

from engine.trading.effects import AskPositions, Finish
from engine.trading.inputs import Answered, Counted, Request, StopAsked
from exchanges.types import OrderState, Position, Refusal, Refused

D = Decimal


def go_on(bench: Bench, until_ns: int, *, cancels: bool, trades: bool) -> Finish | None:
    """The venues tell what they hold; they cancel and trade, or refuse it, until the desk ends or time is over."""
    cancelled = counted = 0
    while bench.now < until_ns:
        finished = [e for e in bench.log if isinstance(e, Finish)]
        if finished:
            return finished[0]
        asked = [e for e in bench.log if isinstance(e, AskPositions)]
        requests, cancelled = bench.cancels[cancelled:], len(bench.cancels)
        live = list(bench.desk.world.orders.covering.values())
        if asked[counted:]:
            counted = len(asked)
            books = bench.desk.world.ledger.books
            held = tuple(Position(name, "ETHUSDT", book.position) for name, book in books.items())
            bench.give(Counted(asked[-1].token, ok=True, quiet=True, positions=held, margins=()))
        elif requests:
            for request in requests:
                answer_cancel(bench, request.client_id, cancels=cancels)
        elif live and trades:
            bench.fill(live[0].client_id, str(live[0].qty))
        elif live:
            bench.refuse(live[0].client_id)
        else:
            owner, name = min(
                (key for key in bench.timers if key[0] != "desk"), key=lambda key: bench.timers[key].at_ns
            )
            bench.fire(name, owner=owner)
    return None


def answer_cancel(bench: Bench, client_id: str, *, cancels: bool) -> None:
    order = bench.desk.world.orders.all[client_id]
    if order.live and cancels:
        bench.update(client_id, OrderState.CANCELED, str(order.done_qty))
    elif order.live:
        bench.give(Answered(client_id, Request.CANCEL, Refused(Refusal.VENUE, "no")))


def halted(bench: Bench) -> Bench:
    """A loss limit broke while the desk held a position."""
    bench.quote("90.0", "90.1")
    bench.fire("reconcile", owner="desk")
    assert bench.state.startswith("ERROR")
    return bench


def losing() -> Bench:
    return hedged(Bench(limits=replace(LIMITS, max_loss_run=D("0.01"))))


@pytest.mark.parametrize("level", [1, 2])
def test_a_stop_during_a_halt_whose_accounts_refuse_everything_comes_to_an_end(level: int) -> None:
    bench = halted(losing())
    asked_at = bench.now
    assert go_on(bench, bench.now + 60 * S, cancels=True, trades=False) is None
    bench.give(StopAsked(level))
    asked_at = bench.now
    finish = go_on(bench, bench.now + 60 * S, cancels=True, trades=False)
    assert finish is not None
    assert finish.exit_code == 1
    assert finish.text.startswith("not flat; halted: loss of the run")
    assert bench.now - asked_at <= 11 * S


def test_a_halt_during_a_stop_comes_to_an_end() -> None:
    """The cancels of the stop are refused: after twenty seconds a person is called, after twenty more it leaves."""
    bench = opened()
    bench.give(StopAsked(1))
    asked_at = bench.now
    finish = go_on(bench, bench.now + 120 * S, cancels=False, trades=True)
    assert finish is not None
    assert (finish.exit_code, "still live" in finish.text) == (1, True)
    assert bench.now - asked_at <= 60 * S


def test_a_halt_without_a_stop_never_leaves_an_open_position() -> None:
    bench = halted(losing())
    assert go_on(bench, bench.now + 600 * S, cancels=True, trades=False) is None
    finish = go_on(bench, bench.now + 600 * S, cancels=True, trades=True)
    assert finish is not None
    assert (finish.exit_code, finish.text.partition(";")[0]) == (1, "flat")


def test_a_halted_run_that_a_stop_brought_to_flat_ends_with_a_failure() -> None:
    """E15: exit non-zero."""
    bench = halted(losing())
    bench.give(StopAsked(1))
    finish = go_on(bench, bench.now + 60 * S, cancels=True, trades=True)
    assert finish is not None
    assert (bench.state, finish.exit_code) == ("IDLE.finished", 1)
    assert finish.text.startswith("flat; halted: loss of the run")
