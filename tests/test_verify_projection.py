"""A desk as a value: nothing that decides is left out, and history that was left out decides nothing."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from trading_kit import eagle_flow, shipped_flow

from engine.chart.model import Flow
from engine.chart.search import search
from engine.trading.desk import Desk
from engine.trading.inputs import Answered, Counted, Input, Looked, NotSent, TimerFired
from engine.trading.inquiry import OWNER as INQUIRY
from engine.verify.bounds import Bounds
from engine.verify.projection import IDS, DeskKey
from engine.verify.proof import World
from engine.verify.situation import State, Step
from engine.verify.stepper import STALE, Expire, Given, GiveTimer, Rested
from exchanges.types import Fill, OrderUpdate

FLOW = eagle_flow()
HEDGER = shipped_flow("hedger")

# What becomes of every field of a desk: in the projection, or derived from it, or fixed for the run, or of no account.
KEPT, DERIVED, FIXED, IDLE = "kept", "derived", "fixed", "no account"
FIELDS: dict[str, dict[str, str]] = {
    "Desk": {
        "world": KEPT, "legs": KEPT, "hedging": KEPT, "view": KEPT, "risk": KEPT, "intake": KEPT, "verbs": KEPT,
        "chart": KEPT, "_standstill": IDLE, "_told_round": IDLE, "_round_starts": FIXED, "_crippled": KEPT,
        "_finished": KEPT, "_began": FIXED, "_effects": IDLE, "on_hedges": FIXED, "_decider": FIXED,
    },
    "World": {
        "plan": FIXED, "run": FIXED, "chance": FIXED, "maker": FIXED, "instruments": FIXED, "books_key": FIXED,
        "orders": KEPT, "ledger": KEPT, "quotes": FIXED, "_quotes_told": IDLE, "_quotes_used": IDLE,
        "_tradable": DERIVED, "links": KEPT, "resync_until_ns": KEPT, "margins": FIXED, "baseline": FIXED,
        "batch_until_ns": FIXED,
        "market": KEPT, "rates": KEPT, "_self_trade": FIXED, "_slip": FIXED, "now_ns": FIXED, "facts": IDLE,
        "round": DERIVED, "round_open": IDLE, "sequence": DERIVED, "attempts": IDLE, "slice_waits": KEPT,
        "price_doubts": IDLE, "uncompared": IDLE,
        "undo": IDLE, "self_matched": KEPT, "positions_doubted": KEPT, "halted": KEPT, "trouble": IDLE,
        "paused": KEPT, "distrusted": KEPT, "hedge_all": KEPT, "any_price": KEPT, "heard": FIXED, "traded": FIXED,
        "left_over": FIXED, "left_until_ns": FIXED, "started": FIXED, "untold": FIXED,
    },
    "Orders": {
        "all": KEPT, "resting": DERIVED, "covering": DERIVED, "_ended": DERIVED, "_seen": KEPT, "_heard": KEPT,
        "evicted": IDLE,
    },
    "Ledger": {
        "_maker": FIXED, "books": KEPT, "by_purpose": DERIVED, "exposure": KEPT, "instruments": FIXED,
        "other_fees": IDLE, "outside": KEPT, "taker_hedges": DERIVED,
    },
    "Hedging": {
        "_alarm_ns": IDLE, "_enough": DERIVED, "_enough_answer": DERIVED, "_failures": KEPT, "_last": KEPT,
        "_refused": KEPT, "_rung": IDLE, "_takers": FIXED, "_world": FIXED, "epoch": DERIVED, "lack": IDLE,
        "on_choice": FIXED, "rule": FIXED, "since_ns": KEPT, "stage": KEPT, "waiting_until_ns": KEPT,
        "gate": KEPT, "_unit": IDLE,
    },
    "Intake": {
        "world": KEPT, "legs": KEPT, "hedging": KEPT, "inquiry": FIXED, "risk": KEPT, "effects": IDLE,
        "_shared_books": FIXED, "_trades": FIXED, "_trade_owner": FIXED, "_doubts": KEPT, "_uncompared": IDLE,
        "_breached": KEPT,
    },
    "Verbs": {
        "_world": FIXED, "_legs": FIXED, "_view": FIXED, "asked": KEPT, "answered_now": IDLE, "_cash_before": IDLE,
        "_fees_before": IDLE, "_volume_before": IDLE, "_table": FIXED, "_cause": FIXED,
    },
    "Leg": {
        "_world": FIXED, "attempts": KEPT, "filled": KEPT, "last_price": KEPT, "newest": KEPT, "scope": FIXED,
        "spec": FIXED,
    },
    "Order": {
        "client_id": KEPT, "account": KEPT, "venue": DERIVED, "symbol": DERIVED, "side": KEPT, "qty": KEPT,
        "price": KEPT, "purpose": KEPT, "leg": KEPT, "round": KEPT, "attempt": IDLE, "reduce_only": IDLE,
        "created_ns": IDLE, "dead_after_ns": KEPT, "state": KEPT, "order_id": KEPT, "filled": KEPT,
        "provisional": KEPT, "unknown": KEPT, "asked": KEPT, "asked_ns": KEPT, "missing_ns": KEPT, "cancel_ns": KEPT,
        "refusal": IDLE, "ended_ns": IDLE, "trades": KEPT,
    },
    "Risk": {"_day_ends_ns": IDLE, "_day_worth": IDLE, "_hedged": FIXED, "_unpriced": IDLE, "_world": FIXED},
    "Chart": {
        "flow": FIXED, "_scope": FIXED, "_counters": KEPT, "_epoch": DERIVED, "_live": KEPT, "_calls": KEPT,
        "_deferred": KEPT, "_raised": IDLE, "_moves": IDLE, "_effects": IDLE, "_binder": FIXED, "_waiting": FIXED,
        "_decider": KEPT, "_lineage": FIXED, "_within": FIXED, "_finals": FIXED, "_timeouts": FIXED, "_retries": FIXED,
    },
}  # fmt: skip


def fields_of(thing: object) -> set[str]:
    slots = {name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())}
    return slots | set(getattr(thing, "__dict__", {}))


def test_every_field_of_a_desk_is_accounted_for() -> None:
    """A new field must be kept in the projection, or be said to decide nothing."""
    world = World(FLOW, Bounds())
    desk = world.desk
    things = {
        "Desk": desk, "World": desk.world, "Orders": desk.world.orders, "Ledger": desk.world.ledger,
        "Hedging": desk.hedging, "Intake": desk.intake, "Verbs": desk.verbs, "Leg": desk.legs["opening"],
        "Order": next(iter(desk.world.orders.all.values())), "Risk": desk.risk, "Chart": desk.chart,
    }  # fmt: skip
    unknown = {name: fields_of(thing) ^ set(FIELDS[name]) for name, thing in things.items()}
    assert {name: fields for name, fields in unknown.items() if fields} == {}


@pytest.mark.parametrize("flow", [FLOW, HEDGER], ids=lambda flow: flow.name)
def test_what_is_told_of_a_like_desk_is_what_the_desk_does(flow: Flow) -> None:
    """Steps and facts of desks that differ in the flow's memory only: computed for one, told of the others."""
    world = World(flow, Bounds(faults=1, takers=1))
    assert search(world, (), faults=1, most=3_000).expanded > 1_000
    stepper, told = world.stepper, 0
    for number, (desk, given) in enumerate(list(stepper._memo)):
        if number % 4 and len(stepper._ways[stepper.desks.kind_of[desk], given]) == 1:
            continue
        made = stepper._told(stepper._step(desk, given))
        assert [it[:4] for it in stepper.step(desk, given)] == [it[:4] for it in made], given
        told += 1
    assert told > 500
    for desk, key in enumerate(stepper.keys[::5]):
        stepper.projection.put(key)
        assert world.rules.look(world.desk) == stepper.facts[5 * desk]


class Lived:
    """A desk that lives through a trace without ever being put back: ids run on, rounds count, money adds up."""

    def __init__(self, flow: Flow, bounds: Bounds) -> None:
        self.world = World(flow, bounds)
        self.desk: Desk = self.world.desk
        self.ids = list(self.desk.world.orders.all)
        self.rows = 0
        self.now_ns = self.desk.world.now_ns

    def take(self, key: DeskKey, step: Step) -> None:
        for rate in self.desk.world.rates.values():
            rate._times.clear()  # nobody spends a minute's requests here
        choices = self.desk.world.chance["taker"]
        choices.start(step.draws)  # type: ignore[attr-defined]
        for given in step.given:
            real = self.world.stepper._real(key, given) if not isinstance(given, Expire | Rested | GiveTimer) else None
            if isinstance(given, Expire):
                order = self.desk.world.orders.all[self.ids[given.place - 1]]
                order.dead_after_ns, order.asked_ns = self.now_ns - 2, min(order.asked_ns, self.now_ns - 3)
            elif isinstance(given, Rested):
                self.desk.world.slice_waits.pop(given.account)
            else:
                self.desk.step(
                    self.timer(given) if isinstance(given, GiveTimer) else self.known(real, given), self.now_ns
                )
            self.ids += [name for name in self.desk.world.orders.all if name not in self.seen()]
        for what, place in step.cleared:
            if what == "forget":
                self.gone = self.seen()
                del self.ids[place - 1]

    gone: frozenset[str] = frozenset()

    def seen(self) -> frozenset[str]:
        return self.gone | frozenset(self.ids)

    def timer(self, given: GiveTimer) -> Input:
        if given.owner == INQUIRY:
            assert isinstance(given.name, int)
            return TimerFired(given.owner, self.ids[given.name - 1], 0)
        plain = self.world.stepper._fired(given.owner, given.name)
        if given.owner == "chart":
            return replace(plain, epoch=self.desk.chart.timers[plain.name])
        assert self.desk.hedging is not None
        return replace(plain, epoch=self.desk.hedging.epoch)

    def known(self, real: Input | None, given: Given) -> Input:
        """The input with the ids and tokens that this desk knows."""
        assert real is not None
        if isinstance(real, Fill) and real.client_id:
            name = self.ids[IDS.index(real.client_id) - 1]
            self.rows += 1  # rows that became one in the search are many here; none of them is told twice
            return replace(real, client_id=name, trade_id=f"row{self.rows}")
        if isinstance(real, OrderUpdate | Answered | NotSent):
            return replace(real, client_id=self.ids[IDS.index(real.client_id) - 1])
        if isinstance(real, Looked):
            name = self.ids[IDS.index(real.client_id) - 1]
            update = None if real.update is None else replace(real.update, client_id=name)
            return replace(real, client_id=name, update=update, token=self.token(given))
        return replace(real, token=self.token(given)) if isinstance(real, Counted) else real

    def token(self, given: Given) -> int:
        of = given.of  # type: ignore[union-attr]
        if not of:
            return 0
        return 10**9 if of == STALE else self.desk.chart.tokens[of]

    def key(self) -> DeskKey:
        orders = self.desk.world.orders
        every = dict(orders.all)
        orders.all.clear()
        orders.all.update({name: every[name] for name in self.ids})
        try:
            return self.world.stepper.projection.key()
        finally:
            orders.all.clear()
            orders.all.update(every)


def without_rows(key: DeskKey) -> DeskKey:
    return key._replace(orders=tuple(it._replace(trades=()) for it in key.orders))


@pytest.mark.parametrize("flow", [FLOW, HEDGER], ids=lambda flow: flow.name)
@pytest.mark.parametrize("seed", range(12))
def test_a_desk_with_a_history_and_one_put_back_do_the_same(seed: int, flow: Flow) -> None:
    """Congruence: equal projections stay equal whatever is given, hence the search may forget the rest."""
    pick = Random(seed)
    bounds = Bounds(faults=3, deep=seed % 2 == 0, fills=12)
    world, lived = World(flow, bounds), Lived(flow, bounds)
    state: State = world.first()
    for number in range(80):
        steps = [it for it in world.venues.steps(state, faults=pick.random() < 0.1) if it.action.detail != "told twice"]
        steps = [it for it in steps if it.action.kind != "frame arrives"] or steps
        if not steps:
            break
        step = pick.choice(steps)
        lived.take(world.stepper.keys[state.desk], step)
        state = step.state
        mine, theirs = without_rows(world.stepper.keys[state.desk]), without_rows(lived.key())
        assert mine == theirs, (
            number,
            step.action,
            [f for f in DeskKey._fields if getattr(mine, f) != getattr(theirs, f)],
        )
