"""S2: wherever the chart fails while a fill is handled, the fill is counted and hedged exactly once.

A guard, a parameter or a verb is made to raise at its n-th call, for every n that the scenario reaches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest
from trading_kit import Bench, eagle_flow

from engine.chart.load import load_flow
from engine.trading.effects import Alert, AskOrder, CancelOrder, Finish, PlaceOrder
from engine.trading.inputs import Looked
from engine.trading.view import View
from engine.trading.vocabulary import trading_vocabulary
from exchanges.types import OrderState

D = Decimal
FACTS = ("settled", "may_rest", "may_open", "maker_flat", "orders_live", "maker_position", "flattening", "takers_flat")


class Planted(RuntimeError):
    pass


class Tripwire:
    """Counts calls while armed and raises at the chosen one."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.calls = 0
        self.armed = False

    def touch(self) -> None:
        if not self.armed:
            return
        self.calls += 1
        if self.calls == self.at:
            raise Planted(f"call {self.at}")


@contextmanager
def wired(bench: Bench, wire: Tripwire) -> Iterator[None]:
    """Every verb and every fact of the chart's scope goes through the tripwire."""
    before = {name: View.__dict__[name] for name in FACTS}
    table = bench.desk.verbs._table
    verbs = dict(table)
    try:
        for name, fact in before.items():
            setattr(View, name, property(_watched(fact.fget, wire)))
        for name, verb in verbs.items():
            table[name] = _watched_verb(verb, wire)
        yield
    finally:
        for name, fact in before.items():
            setattr(View, name, fact)
        table.update(verbs)


def _watched(get: Callable[[View], object], wire: Tripwire) -> Callable[[View], object]:
    def watched(self: View) -> object:
        wire.touch()
        return get(self)

    return watched


def _watched_verb(verb: Callable[..., object], wire: Tripwire) -> Callable[..., object]:
    def watched(*arguments: object) -> object:
        wire.touch()
        made = verb(*arguments)
        wire.touch()  # also after the verb has changed the world
        return made

    return watched


def fills(bench: Bench, wire: Tripwire) -> None:
    """Two partial fills, the second one ends the order; hedges are acknowledged but not yet filled."""
    first = bench.newest("opening")
    wire.armed = True
    bench.fill(first, "0.4")
    bench.fill(first, "0.6")
    wire.armed = False


def filled_while_closing(bench: Bench, wire: Tripwire) -> None:
    """A fill of the close, and a late one of the opening that its cancel did not know."""
    first = bench.newest("opening")
    bench.fill(first, "0.6")
    bench.update(first, OrderState.CANCELED, "0.6")
    bench.fill(bench.newest("hedge"), "0.6")
    bench.fire("hold")
    wire.armed = True
    bench.fill(bench.newest("closing"), "0.6")
    bench.fill(first, "0.1")
    wire.armed = False


def run(story: Callable[[Bench, Tripwire], None], at: int | None) -> tuple[Bench, Tripwire]:
    bench, wire = Bench(), Tripwire(at)
    bench.begin()
    bench.ack(bench.newest("opening"))
    with wired(bench, wire):
        story(bench, wire)
    return bench, wire


@pytest.mark.parametrize("story", [fills, filled_while_closing])
def test_a_fill_is_counted_and_hedged_once_wherever_the_chart_fails(
    story: Callable[[Bench, Tripwire], None],
) -> None:
    plain, wire = run(story, None)
    expected = plain.desk.world.exposure + plain.desk.world.in_flight()
    assert wire.calls > 5
    for at in range(1, wire.calls + 1):
        bench, _ = run(story, at)
        world = bench.desk.world
        assert [e.code for e in bench.log if isinstance(e, Alert)].count("step_failed") >= 1, at
        assert world.ledger.breach() is None, at
        assert world.ledger.books["m"].position == plain.desk.world.ledger.books["m"].position, at
        assert world.exposure + world.in_flight() == expected == 0, at
        placed = [p for p in bench.orders.values() if p.leg == "hedge"]
        assert [p.request.qty for p in placed] == [p.request.qty for p in plain.orders.values() if p.leg == "hedge"], at


def closes(bench: Bench, wire: Tripwire) -> None:
    """The hold ends, the close rests, is asked about and cancelled when its time is over."""
    first = bench.newest("opening")
    bench.fill(first, "1")
    bench.fill(bench.newest("hedge"), "1")
    wire.armed = True
    bench.fire("hold")
    if bench.state.startswith("MAKER_CLOSING.resting"):
        bench.ack(bench.newest("closing"))
        bench.fire("order_timeout")
    asked = [it for it in bench.log if isinstance(it, AskOrder) and it.token]
    if asked:
        told = bench.told(bench.newest("closing"), OrderState.OPEN)
        bench.give(Looked(told.client_id, asked[-1].token, ok=True, update=told))
    wire.armed = False


def test_what_a_failed_step_had_decided_is_left_nowhere() -> None:
    """Orders that nobody sent would count as resting or in flight for ever, requests against the minute."""
    plain, wire = run(closes, None)
    assert ([it.client_id for it in plain.cancels], wire.calls > 5) == ([plain.newest("closing")], True)
    for at in range(1, wire.calls + 1):
        bench, _ = run(closes, at)
        world, cancelled = bench.desk.world, {it.client_id for it in bench.cancels}
        assert set(world.orders.all) == set(bench.orders), at
        assert {it.client_id for it in world.orders.all.values() if it.cancel_ns} == cancelled, at
        asked = Counter(_account(it) for it in bench.log if isinstance(it, PlaceOrder | CancelOrder | AskOrder))
        assert Counter({name: len(rate._times) for name, rate in world.rates.items()}) == asked, at
        for name, leg in bench.desk.legs.items():
            ours = [client_id for client_id, placed in bench.orders.items() if placed.leg == name]
            assert (leg.attempts, leg.newest) == (len(ours), ours[-1] if ours else ""), at


def test_a_flow_that_cannot_even_handle_its_failure_is_cancelled_hedged_and_left() -> None:
    bench = Bench()
    bench.begin()
    first = bench.newest("opening")
    bench.ack(first)
    bench.desk.verbs._table.update(dict.fromkeys(bench.desk.verbs._table, _planted))
    effects = bench.fill(first, "0.4")
    assert bench.placed(effects) == [("t1", "hedge", "sell", D("0.4"))]
    assert [it.code for it in effects if isinstance(it, Alert)][-2:] == ["step_failed", "chart_crippled"]
    assert [it.client_id for it in effects if isinstance(it, CancelOrder)] == [first]
    bench.update(first, OrderState.CANCELED, "0.5")  # a last fill, known by the order's own count alone
    assert bench.placed(bench.log)[-1] == ("t1", "hedge", "sell", D("0.1"))
    hedges = list(bench.desk.world.orders.covering)
    ends = [it for hedge in hedges for it in bench.fill(hedge, str(bench.orders[hedge].request.qty))]
    assert [(it.exit_code, it.text) for it in ends if isinstance(it, Finish)] == [
        (1, "the flow failed; m: +0.5 ETHUSDT; t1: -0.5 ETHUSDT")
    ]


def _planted(*_: object) -> object:
    raise Planted


def _account(effect: PlaceOrder | CancelOrder | AskOrder) -> str:
    return effect.request.account if isinstance(effect, PlaceOrder) else effect.account


def test_the_standing_rules_hedges_are_told_before_the_flow_is_asked_and_nothing_else_is() -> None:
    bench, wire = Bench(), Tripwire(None)
    bench.begin()
    bench.ack(bench.newest("opening"))
    told: list[tuple[int, list[str]]] = []
    bench.desk.on_hedges = lambda standing: told.append((wire.calls, bench.placed(list(standing))))
    with wired(bench, wire):
        wire.armed = True
        effects = bench.fill(bench.newest("opening"), "0.4")
    assert told == [(0, bench.placed(effects))] == [(0, [("t1", "hedge", "sell", D("0.4"))])]
    assert wire.calls > 0


def test_a_flow_that_asks_in_a_circle_fails_and_does_not_hang() -> None:
    """Nothing is live, so each question is answered at once, and the chart asks again."""
    text = eagle_flow().text
    circle = text.replace("{when: opening.live, to: .asking", "{when: not opening.live, to: .asking")
    assert circle != text
    bench = Bench(flow=load_flow(circle, file="flows/eagle_chicken.yaml", vocabulary=trading_vocabulary()))
    bench.begin()
    first = bench.newest("opening")
    bench.update(first, OrderState.CANCELED)
    assert bench.state == "MAKER_OPENING.repricing"
    effects = bench.fire("reprice_wait")
    failed = [it for it in effects if isinstance(it, Alert) and it.code == "step_failed"]
    assert [it.text for it in failed] == [
        "MAKER_OPENING.asking: asked 100 times in one step, of no order; it is not answered"
    ]
    assert bench.state.startswith("ERROR")
