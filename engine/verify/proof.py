"""One proof: a flow, its bounds, and the verdict. Never says more than was searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import reduce
from operator import or_

from engine.chart.fairness import never_led, stuck_states
from engine.chart.model import Expression, Flow
from engine.chart.needed import names_read, needed_names
from engine.chart.search import Broken, Edge, Graph, Tell, search, silent
from engine.trading.desk import Desk
from engine.trading.inputs import Started
from engine.trading.plan import AccountPlan, Plan
from engine.trading.sections import LegSpec
from engine.verify.bounds import Bounds, plan_for, quotes_for
from engine.verify.projection import NOW, RUN, Projection
from engine.verify.rules import LEAVES, Named, Rules
from engine.verify.situation import MARKET_OPEN, Action, State
from engine.verify.stepper import Choices, Done, Stepper
from engine.verify.symmetry import Symmetry
from engine.verify.venues import Venues
from exchanges.types import LinkState, LinkUpdate, Margin

MOST_ATTEMPTS = 3
MONEY = Decimal(10**6)
Needed = Mapping[str, frozenset[str]]
NAMES_ONE = "event.account"  # the one fact of a flow that tells equal accounts apart
SAYS_FILLED = "event.qty"  # the one that tells what has filled of an order
NOBODY_OWES = frozenset({"filled", "nothing more fills", "source filled", "stop asked"})


class Verdict(Enum):
    PROVED = "proved"
    VIOLATED = "violated"
    CUT_OFF = "cut off"


@dataclass(frozen=True, slots=True)
class Shown:
    """What became of one rule. `trace` is the way to where it breaks; of `turn`, the actions that then repeat."""

    rule: Named
    verdict: Verdict
    why: str = ""
    trace: tuple[tuple[Action, State], ...] = ()
    turn: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """`states` were found and `expanded` of them looked at to the end."""

    verdict: Verdict
    shown: tuple[Shown, ...]
    states: int
    expanded: int
    edges: int
    desks: int
    steps: int
    hedged: bool
    bounds: Bounds
    settings: Mapping[str, object]


class World:
    """The desk among its venues, as a model for the search."""

    def __init__(
        self, flow: Flow, bounds: Bounds, *, hedged: bool | None = None, needed: Needed | None = None,
        folded: bool = False,
    ) -> None:  # fmt: skip
        """`hedged`: whether the rules of hedged flows are asked, unless given as its `hedging:` and settings say.

        `needed`: names of the flow's memory that are told apart in each leaf, at least those that matter there.
        `folded`: of situations that only swap equal accounts one stands for all, and so it does of those that differ
        only in what has filled of a leg's order. It proves the same with fewer states, but what it finds broken need
        not be a way of the desk itself: see `prove`.
        """
        self.flow = flow
        self.bounds = bounds
        self.plan = plan_for(flow, bounds)
        names = tuple(self.plan.accounts)
        self.names = names
        choices = Choices()
        self.desk = Desk(self.plan, run=RUN, chance={"taker": choices, "hold": choices}, decider="table")
        self.rules = Rules(
            flow, hedged=_hedges(self.desk) if hedged is None else hedged, settings=self.plan.settings
        )  # fmt: skip
        self.rules.accounts(names, tuple(spec.venue for spec in self.plan.accounts.values()), self.plan.heard)
        takers = tuple(n for n, name in enumerate(names) if name != self.desk.world.maker)
        needed = needed or needed_by(flow, self.plan.settings)
        self._shrinks = folded and not any(SAYS_FILLED in read for read in needed.values())
        told_apart = bool(self.plan.heard) or any(NAMES_ONE in read for read in needed.values())
        self._symmetry = Symmetry(names, _alike(self.plan, takers) if folded and not told_apart else ())
        self.stepper = Stepper(
            self.desk, choices, projection=Projection(self.desk, needed=needed, most=MOST_ATTEMPTS),
            ranges=_ranges(self.plan), judge=self.rules.judge, look=self.rules.look, left=self.rules.crossed,
            symmetry=self._symmetry,
        )  # fmt: skip
        lots = tuple(int(spec.instrument.lot) for spec in self.plan.accounts.values())
        self._to_hedge: dict[int, bool] = {}
        self._takers = [_sizes(self.plan.accounts[names[at]]) for at in takers]
        self.venues = Venues(
            self.stepper, accounts=names, lots=lots, takers=takers, faults=bounds.kinds, depth=bounds.overlaps,
            heard=tuple(n for n, name in enumerate(names) if name in self.plan.heard), fills=bounds.fills,
            shrinks=self._shrinks,
        )  # fmt: skip

        self.began: tuple[Done, ...] = ()  # what the desk did when it was started
        self._first = self._begin()

    @property
    def folds(self) -> bool:
        """Does one situation stand for several here?"""
        return self._shrinks or bool(self._symmetry.orders_to)

    def first(self) -> State:
        return self._first

    def _begin(self) -> State:
        """Everything connected and the market open, the flow just started."""
        desk, plan = self.desk, self.plan
        desk.books.update(quotes_for(plan, at_ns=NOW))
        for name in self.names:
            desk.step(LinkUpdate(name, LinkState.TRUSTED, NOW), NOW)
        desk.step(MARKET_OPEN, NOW)
        margins = tuple(Margin(name, MONEY, MONEY, Decimal(0)) for name in self.names)
        effects = desk.step(Started((), margins), NOW)
        done = self.stepper.done_of({}, effects)
        number = self.stepper.desks.number(self.stepper.projection.key())  # nothing tells equal accounts apart yet
        self.began = tuple(done)
        return self.venues.first(number, self.began)

    def edges(self, state: State, *, faults: bool) -> list[Edge[State, Action]]:
        steps = self.venues.steps(state, faults=faults)
        return [Edge(it.action, it.state, bool(it.action.fault), it.broke) for it in steps]

    def facts(self, state: State) -> int:
        found = self.stepper.facts[state.desk]
        if self.venues.ledger_is_true(state):
            found |= self.rules.ledger_true
        if self.venues.ends_are_true(state):
            found |= self.rules.ended_true
        if state.stopped:
            found |= self.rules.stopped
        if self.rules.hedged:
            exposure = sum(state.truth)
            if exposure not in self._to_hedge:
                self._to_hedge[exposure] = self._hedgeable(exposure)
            found |= self.rules.open_now if self._to_hedge[exposure] else self.rules.hedged_now
        return found

    def _hedgeable(self, exposure: int) -> bool:
        """Could some taker trade at least a part of it?"""
        return any(abs(exposure) // lot * lot >= least for lot, least in self._takers)

    def done(self, state: State) -> bool:
        return self.stepper.keys[state.desk].finished

    def duty(self, action: Action) -> object | None:
        """Who has to act at last: the venues, the streams and the clock do, strangers and persons need not.

        Of equal accounts one stands for all: then more is fair, and no way on which nothing comes is overlooked.
        """
        if action.kind in NOBODY_OWES or (action.kind == "refused" and action.detail == "post_only"):
            return None  # any other refusal is all that the account has to say, and an answer is owed
        account = self._symmetry.of[action.account] if action.account >= 0 else -1
        return (action.kind, action.detail if action.kind == "timer" else "", account)

    def leaf(self, state: State) -> str:
        return self.stepper.keys[state.desk].leaf

    def rests(self, state: State) -> bool:
        return self.done(state) or self.flow.states[self.leaf(state)].resting


def prove(flow: Flow, bounds: Bounds, *, tell: Tell = silent) -> tuple[World, Proof]:
    """Search the flow's world, equal accounts told as one; where a rule breaks, again with each on its own.

    The second search has the last word and the traces. Raises: FlowError where the settings do not fit the flow.
    """
    for folded in (True, False):
        world = World(flow, bounds, folded=folded)
        proof = prove_world(world, tell=tell)
        if proof.verdict is not Verdict.VIOLATED or not world.folds:
            break
    return world, proof


def prove_world(world: World, *, tell: Tell = silent) -> Proof:
    rules = world.rules
    graph = search(world, rules.always, faults=world.bounds.faults, most=world.bounds.max_states, tell=tell)
    broken = list(graph.broken)
    if graph.complete and not broken:
        broken = list(_at_last(world, graph))
    by_name = {it.name: it for it in broken}
    undecided = Verdict.PROVED if graph.complete and not broken else Verdict.CUT_OFF
    seen = reduce(or_, graph.facts)
    shown = []
    for named in rules.named():
        found = by_name.get(named.name)
        if found is not None:
            shown.append(_violated(named, found, graph))
        else:
            shown.append(Shown(named, undecided))
    for rule in rules.sometimes:
        at = next(n for n, it in enumerate(shown) if it.rule.name == rule.name)
        if seen & rule.fact:
            shown[at] = Shown(shown[at].rule, Verdict.PROVED)
        elif graph.complete and world.bounds.usual:
            shown[at] = Shown(shown[at].rule, Verdict.VIOLATED, why="no state that was searched is so")
        elif graph.complete:
            shown[at] = Shown(
                shown[at].rule, Verdict.CUT_OFF, why="not reached; perhaps a fault that was left out leads there"
            )
    if any(it.verdict is Verdict.VIOLATED for it in shown):
        verdict = Verdict.VIOLATED
    else:
        verdict = Verdict.PROVED if graph.complete else Verdict.CUT_OFF
    return Proof(
        verdict, tuple(shown), len(graph.states), graph.expanded, len(graph.targets), len(world.stepper.keys),
        world.stepper.steps, rules.hedged, world.bounds, world.plan.settings,
    )  # fmt: skip


def first_broken(world: World) -> str | None:
    """Any rule that does not hold, as soon as one is found; None if there is none or the search is cut off."""
    graph = search(world, world.rules.always, faults=world.bounds.faults, most=world.bounds.max_states)
    found = next(iter(graph.broken), None)
    if found is not None or not graph.complete:
        return None if found is None else found.name
    seen = reduce(or_, graph.facts)
    missing = next((rule.name for rule in world.rules.sometimes if world.bounds.usual and not seen & rule.fact), None)
    if missing is not None:
        return missing
    found = next(_at_last(world, graph), None)
    return None if found is None else found.name


def _at_last(world: World, graph: Graph[State, Action]) -> Iterator[Broken]:
    """Rules on what must come, of a graph that is whole."""
    stuck = stuck_states(graph, place=world.leaf, rests=world.rests)
    if stuck is not None:
        yield Broken(LEAVES, stuck, why=f"nothing leads out of {world.leaf(graph.states[stuck])}")
    for rule in world.rules.leads_to:
        found = never_led(graph, rule, fair=world.duty, done=world.done)
        if found is not None:
            yield found


def _violated(named: Named, found: Broken, graph: Graph[State, Action]) -> Shown:
    trace = graph.path(found.at)
    if found.action >= 0:
        trace.append((graph.actions[found.action], graph.states[found.at]))
    return Shown(named, Verdict.VIOLATED, found.why, tuple(trace), tuple(graph.actions[label] for label in found.turn))


def _hedges(desk: Desk) -> bool:
    """Does the flow hedge, or leave that to a person (`only record`)?"""
    return desk.hedging is not None and not (desk.hedging.gate is not None and desk.hedging.gate.record_only)


def _alike(plan: Plan, takers: tuple[int, ...]) -> tuple[int, ...]:
    """The places of the first of these accounts and all that trade as it does."""
    sizes = [_sizes(spec) for spec in plan.accounts.values()]
    return tuple(place for place in takers if sizes[place] == sizes[takers[0]])


def _sizes(account: AccountPlan) -> tuple[int, int]:
    return int(account.instrument.lot), int(account.instrument.min_qty)


def needed_by(flow: Flow, settings: Mapping[str, object]) -> Needed:
    """leaf -> names of the flow's memory that matter there, to its rows, its legs or its rules."""
    legs: Mapping[str, LegSpec] = flow.sections["legs"].value  # type: ignore[assignment]
    read: set[str] = set()
    for leg in legs.values():
        for expression in (leg.buys, leg.quantity, leg.offset, leg.price):
            if isinstance(expression, Expression):
                read |= names_read(expression, settings)
    of_round = frozenset(f"{leg}.{word}" for leg in legs for word in ("filled", "attempts"))
    return needed_names(flow, always=frozenset(read), cleared_by={"begin_round": of_round}, settings=settings)


def _ranges(plan: Plan) -> dict[str, tuple[int, int]]:
    """How long each delay of the flow may take, in ns."""
    found: dict[str, tuple[int, int]] = {}
    for state in plan.flow.states.values():
        for delay in state.delays:
            value = delay.literal or plan.settings.get(delay.setting or "")
            if isinstance(value, int | tuple):  # else it is computed when the state is entered
                found[delay.event] = value if isinstance(value, tuple) else (value, value)
    return found
