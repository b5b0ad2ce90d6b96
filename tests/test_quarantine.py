"""Row 15 of the fault catalogue: an account that keeps an order pending gets no new hedge until its end is known."""

from __future__ import annotations

from decimal import Decimal

import pytest
from trading_kit import Bench, S, account

from engine.trading.effects import AskOrder, Purpose
from engine.trading.inputs import Answered, Looked, Request
from exchanges.types import OrderState, Refusal, Refused

D = Decimal


def pending(*takers: str) -> tuple[Bench, str]:
    """Half of the opening has filled; its hedge at t1 is open at the venue after a second, and being cancelled."""
    bench = Bench(accounts=(account("m", "a"), *(account(name, "b") for name in takers)))
    bench.begin()
    bench.ack(bench.newest("opening"))
    bench.fill(bench.newest("opening"), "0.4")
    hedge = bench.newest("hedge")
    bench.ack(hedge)
    bench.update(hedge, OrderState.OPEN)
    bench.fire(hedge, owner="inquiry")
    assert [cancel.client_id for cancel in bench.cancels] == [hedge]
    return bench, hedge


def test_the_next_hedge_goes_to_another_account() -> None:
    bench, _ = pending("t1", "t2")
    assert bench.placed(bench.fill(bench.newest("opening"), "0.3")) == [("t2", "hedge", "sell", D("0.3"))]


@pytest.mark.parametrize("state", [OrderState.CANCELED, OrderState.FILLED])
def test_an_account_whose_order_is_settled_is_used_again(state: OrderState) -> None:
    bench, hedge = pending("t1", "t2")
    done = "0.4" if state is OrderState.FILLED else "0"
    bench.update(hedge, state, done)
    assert bench.placed(bench.fill(bench.newest("opening"), "0.3"))[0][0] == ("t1" if done == "0.4" else "t2")
    assert not bench.desk.world.stays_pending("t1")


def test_an_order_that_the_venue_misses_counts_as_pending() -> None:
    bench, hedge = pending("t1", "t2")
    bench.desk.world.orders.all[hedge].cancel_ns = 0
    bench.give(Looked(hedge, 0, ok=True, update=None))
    assert bench.placed(bench.fill(bench.newest("opening"), "0.3")) == [("t2", "hedge", "sell", D("0.3"))]


def test_where_no_other_account_is_left_the_maker_takes_its_fill_back() -> None:
    """S3: after the soft age nobody waits for a taker that keeps what it has."""
    bench, _ = pending("t1")
    assert bench.placed(bench.fill(bench.newest("opening"), "0.3")) == []  # an own order rests, which it could meet
    assert bench.state == "MAKER_OPENING.asking"
    bench.update(bench.newest("opening"), OrderState.CANCELED, "0.7")
    bench.fire("again", owner="hedging")
    undo = bench.orders[bench.newest("hedge")]
    assert (undo.purpose, undo.request.account, undo.request.qty) == (Purpose.UNDO, "m", D("0.3"))


def test_a_hedge_whose_cancel_is_refused_is_cancelled_again_after_a_second() -> None:
    """Seed 945 of one fault on Backpack: cancelled and asked about four times a second for as long as it stood."""
    bench, hedge = pending("t1", "t2")
    bench.give(Looked(hedge, 0, ok=True, update=bench.told(hedge, OrderState.OPEN)))
    began = bench.now
    for _ in range(3):
        bench.give(Answered(hedge, Request.CANCEL, Refused(Refusal.VENUE, "no")), after_ms=0)
        bench.give(Looked(hedge, 0, ok=True, update=bench.told(hedge, OrderState.OPEN)), after_ms=0)
        bench.fire(hedge, owner="inquiry")
    assert [cancel.client_id for cancel in bench.cancels] == [hedge] * 4
    assert bench.now == began + 3 * S


def test_no_opening_rests_where_too_few_accounts_could_hedge_it() -> None:
    """E5: with one of two takers pending the resting order is taken back."""
    bench, _ = pending("t1", "t2")
    assert [e.client_id for e in bench.log if isinstance(e, AskOrder)][-1] == bench.newest("opening")
    assert bench.state == "MAKER_OPENING.asking"
