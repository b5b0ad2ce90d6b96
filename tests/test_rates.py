"""One model of the requests per minute: at the wire it holds, the desk counts with it what it asks for (S11, S16)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from trading_kit import LIMITS, Bench, S

from engine.trading.effects import AskOrder, CancelOrder, Effect, PlaceOrder
from engine.trading.inputs import Input, Looked, NotSent, Request, StopAsked
from engine.trading.rates import RateWindow
from exchanges.types import OrderState

D = Decimal


def test_a_window_counts_any_sixty_seconds() -> None:
    window = RateWindow(3)
    took = [window.take(at_ns, most=3) for at_ns in (S, 31 * S, 60 * S, 61 * S - 1, 61 * S, 62 * S)]
    assert (took, window.ready_ns(62 * S, most=3), window.ready_ns(62 * S, most=1)) == (
        [True, True, True, False, True, False],
        91 * S,
        121 * S,
    )


def test_a_window_keeps_a_share_from_openings() -> None:
    window = RateWindow(10)
    took = [window.take(S, most=window.most_opening) for _ in range(7)]
    assert took == [True] * 6 + [False]
    assert [window.take(S, most=window.per_minute) for _ in range(5)] == [True] * 4 + [False]


def test_what_is_counted_in_any_case_is_the_newest_minute() -> None:
    window = RateWindow(2)
    for at_s in (1, 2, 3):
        window.count(at_s * S)
    assert (window.ready_ns(3 * S, most=2), window.ready_ns(100 * S, most=2)) == (62 * S, 100 * S)


def test_a_request_that_did_not_leave_is_given_back_once() -> None:
    window = RateWindow(2)
    window.count(S)
    window.count(2 * S)
    window.give_back(S)
    window.give_back(S)
    assert (window.take(3 * S, most=2), window.take(3 * S, most=2)) == (True, False)


class Wired(Bench):
    """A bench with the wire's own windows beside it, fed by what leaves."""

    def __init__(self, **changes: object) -> None:
        super().__init__(limits=replace(LIMITS, **changes))  # type: ignore[arg-type]
        self.wire = {name: RateWindow(self.plan.limits.orders_per_minute) for name in self.plan.accounts}

    def give(self, given: Input, *, after_ms: int = 1) -> list[Effect]:
        effects = super().give(given, after_ms=after_ms)
        for effect in effects:
            if isinstance(effect, PlaceOrder):
                self.wire[effect.request.account].count(self.now)
            elif isinstance(effect, CancelOrder | AskOrder):
                self.wire[effect.account].count(self.now)
        return effects

    def requote(self) -> list[Effect]:
        """An opening that nobody takes: placed, asked about, cancelled."""
        order = self.newest("opening")
        self.ack(order)
        token = [e.token for e in self.fire("order_timeout") if isinstance(e, AskOrder)][-1]
        self.give(Looked(order, token, ok=True, update=self.told(order, OrderState.OPEN)))
        return self.update(order, OrderState.CANCELED)

    def check(self) -> None:
        for name, window in self.wire.items():
            desk = self.desk.world.rates[name]
            assert [desk.ready_ns(self.now, most=most) for most in range(1, 11)] == [
                window.ready_ns(self.now, most=most) for most in range(1, 11)
            ]


def test_the_desk_opens_no_more_in_a_minute_than_the_wire_lets_through() -> None:
    """Of 20 a minute 12 may be openings; four orders of place, ask and cancel use them up."""
    bench = Wired(orders_per_minute=20)
    bench.begin()
    began = bench.now
    assert [bool(bench.placed(bench.requote())) for _ in range(4)] == [True, True, True, False]
    assert bench.desk.view.closed_because() == "rate reserve of m"
    while bench.state != "MAKER_OPENING.resting":
        bench.fire("cool_down" if bench.state == "IDLE.cooling" else "recheck")
    assert 60 * S <= bench.now - began < 61 * S


def test_the_desk_and_the_wire_count_the_same_requests() -> None:
    bench = Wired(orders_per_minute=10_000)
    bench.begin()
    for _ in range(5):
        bench.requote()
    opening = bench.newest("opening")
    bench.fill(opening, "1")
    bench.refuse(bench.newest("hedge"))
    bench.fire(bench.newest("hedge"), owner="inquiry")
    bench.check()


@pytest.mark.parametrize("request_kind", list(Request))
def test_the_desk_takes_back_what_did_not_leave(request_kind: Request) -> None:
    bench = Wired(orders_per_minute=10_000)
    bench.begin()
    order = bench.newest("opening")
    if request_kind is Request.CANCEL:
        bench.ack(order)
        token = [e.token for e in bench.fire("order_timeout") if isinstance(e, AskOrder)][-1]
        bench.give(Looked(order, token, ok=True, update=bench.told(order, OrderState.OPEN)))
    bench.wire["m"].give_back(bench.now)
    bench.give(NotSent(order, request_kind, "expired"))
    bench.check()


def test_a_chart_step_that_fails_leaves_no_request_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """S2: the cancel that is dropped with its step is not one that left; the halt's own cancel is."""
    bench = Wired(orders_per_minute=10_000)
    bench.begin()
    order = bench.newest("opening")
    bench.ack(order)
    cancel = bench.desk.verbs._table["cancel"]

    def cancel_and_fail(arguments: Mapping[str, object], token: int) -> Sequence[Effect]:
        cancel(arguments, token)
        raise ArithmeticError("planted")

    monkeypatch.setitem(bench.desk.verbs._table, "cancel", cancel_and_fail)
    token = [e.token for e in bench.fire("order_timeout") if isinstance(e, AskOrder)][-1]
    bench.give(Looked(order, token, ok=True, update=bench.told(order, OrderState.OPEN)))
    assert (bench.state, [c.client_id for c in bench.cancels]) == ("ERROR.cancelling", [order])
    bench.check()


def spend(bench: Bench, *accounts: str) -> None:
    """Nothing of this minute is left to these accounts."""
    for name in accounts:
        for _ in range(bench.plan.limits.orders_per_minute):
            bench.desk.world.rates[name].count(bench.now)


def test_a_hedge_goes_to_an_account_that_may_still_ask() -> None:
    """S3, S11: it would wait at the wire, for as long as a minute, while another taker is free."""
    bench = Wired(orders_per_minute=20)
    bench.begin()
    spend(bench, "t1")
    assert bench.placed(bench.fill(bench.newest("opening"), "1")) == [("t2", "hedge", "sell", D(1))]


def test_where_no_taker_may_ask_any_more_the_maker_takes_the_fill_back() -> None:
    """S3: after the soft age, as where no taker can be reached."""
    bench = Wired(orders_per_minute=20)
    bench.begin()
    spend(bench, "t1", "t2")
    assert bench.placed(bench.fill(bench.newest("opening"), "1")) == []
    assert bench.placed(bench.fire("again", owner="hedging")) == []
    assert bench.placed(bench.fire("soft age", owner="hedging")) == [("m", "hedge", "sell", D(1))]


def test_an_account_may_ask_again_when_its_minute_is_over() -> None:
    bench = Wired(orders_per_minute=20)
    bench.begin()
    spend(bench, "t1", "t2", "m")
    bench.fill(bench.newest("opening"), "1")
    began = bench.now
    while not bench.desk.world.orders.covering:
        bench.fire("again", owner="hedging")
    assert 59 * S < bench.now - began < 61 * S


def test_no_half_of_a_pair_waits_for_the_rate_limit() -> None:
    """S9: the other half would fill and be undone at a price."""
    bench = Wired(orders_per_minute=20)
    bench.begin()
    bench.fill(bench.newest("opening"), "1")
    bench.fill(bench.newest("hedge"), "1")
    spend(bench, "t1")
    assert bench.placed(bench.give(StopAsked(2))) == []
