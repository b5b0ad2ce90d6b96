"""What a proof must show: the flow's own properties, and what holds for every flow and every hedged flow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.chart.model import Expression, Flow, Property, Scope
from engine.chart.needed import value_in
from engine.chart.search import DEADLOCK, Always, LeadsTo, Sometimes
from engine.trading.desk import Desk
from engine.trading.effects import Purpose
from engine.trading.hedging import Stage
from engine.trading.orders import COVERING
from engine.trading.plan import source_role
from engine.trading.sections import LegSpec
from engine.verify.projection import UNKNOWN, DeskKey, OrderKey
from engine.verify.stepper import FAILS, Hop, Place
from engine.verify.venues import NOT_FLAT
from exchanges.types import LinkState

HEARD = "nothing is ordered on an account that is only listened to"
HEDGED, AT_ONCE, GROWS, OVER, SELF, DEAF, IGNORED, ENDED, TRUSTS, LIMITS, STOPS, LEAVES = (
    "every fill is hedged, down to dust",
    "what can be hedged is hedged at once",
    "no hedge grows what is open",
    "no opening over an open exposure",
    "no hedge meets an own resting order",
    "no order leaves on a lost stream",
    "no fill is ignored",
    "no order that may still fill is taken for ended",
    "positions are not doubted while the venues tell the truth",
    "a broken limit stops the run",
    "a stop comes to an end",
    "every state can be left",
)
FOR_EVERY_FLOW = (DEADLOCK, LEAVES, FAILS, IGNORED, ENDED, TRUSTS, NOT_FLAT, DEAF)
FOR_HEDGED_FLOWS = (HEDGED, AT_ONCE, GROWS, OVER, SELF)

Kind = Literal["flow", "every flow", "hedged flow"]
Fact = Callable[[Desk], bool]
Value = Callable[[Scope], object]
# Of a leaf: facts that hold wherever the chart stands in it, and what a desk has to be asked, in the flow's words (with
# True: whether it does not hold) and in ours.
InLeaf = tuple[int, list[tuple[int, Value, bool]], list[tuple[int, Fact]]]
Way = tuple[tuple[str, str | None], ...]  # moves of one step: from where, and whereto


@dataclass(frozen=True, slots=True)
class Named:
    """One thing to show, for the verdict."""

    name: str
    of: Kind
    text: str


class Rules:
    """Numbers the facts that rules are made of, and judges steps."""

    def __init__(self, flow: Flow, *, hedged: bool, settings: Mapping[str, object]) -> None:
        self.hedged = hedged
        self._flow = flow
        self._settings = settings
        self._facts: list[Fact] = []
        self._conditions: dict[
            int, tuple[Expression, bool]
        ] = {}  # facts in the flow's own words; False: it must not hold
        self._in_leaf: dict[str, InLeaf] = {}
        self.always: list[Always] = []
        self.leads_to: list[LeadsTo] = []
        self.sometimes: list[Sometimes] = []
        self._on_exit: list[tuple[str, str, Property]] = []
        self._on_entry: list[tuple[str, str, Property]] = []
        self._on_way: dict[Way, list[tuple[str, Expression | None]]] = {}
        for rule in (*flow.invariants, *flow.properties):
            self._take(rule)
        self.ledger_true = self._bit(_never)
        self.stopped = self._bit(_never)
        self.finished = self._bit(lambda desk: desk._finished)
        self.ended_true = self._bit(_never)
        self.always.append(Always(IGNORED, self.ledger_true))
        self.always.append(Always(ENDED, self.ended_true))
        self.always.append(Always(TRUSTS, self._bit(lambda desk: not desk.world.distrusted)))
        if _opens(flow):
            breached = self._bit(lambda desk: bool(desk.intake._breached))
            self.leads_to.append(LeadsTo(LIMITS, breached, self._bit(_stopped)))
        if any(event == "stop.requested" for found in flow.table.values() for event in found):
            self.leads_to.append(LeadsTo(STOPS, self.stopped, self.finished))
        if hedged:
            self.open_now, self.hedged_now = self._bit(_never), self._bit(_never)
            self.always.append(Always(AT_ONCE, self._bit(_acts)))
            self.leads_to.append(LeadsTo(HEDGED, self.open_now, self.hedged_now))

    def named(self) -> list[Named]:
        """Everything to be shown, in the order of a verdict."""
        own = [Named(rule.name, "flow", _words(rule)) for rule in (*self._flow.invariants, *self._flow.properties)]
        every = [Named(name, "every flow", "") for name in FOR_EVERY_FLOW]
        also = {rule.name for rule in self.leads_to}
        every += [Named(name, "every flow", "") for name in (LIMITS, STOPS) if name in also]
        of_hedged = (*FOR_HEDGED_FLOWS, HEARD) if source_role(self._flow) else FOR_HEDGED_FLOWS
        return [*own, *every, *(Named(name, "hedged flow", "") for name in of_hedged if self.hedged)]

    def _take(self, rule: Property) -> None:
        match rule.kind:
            case "always":
                self.always.append(Always(rule.name, self._condition(rule, "holds")))
            case "never":
                self.always.append(Always(rule.name, self._condition(rule, "holds", wanted=False)))
            case "sometimes":
                self.sometimes.append(Sometimes(rule.name, self._condition(rule, "holds")))
            case "leads_to":
                when, then = self._condition(rule, "when"), self._condition(rule, "then")
                self.leads_to.append(LeadsTo(rule.name, when, then))
            case "on_exit":
                self._on_exit.append((rule.name, (rule.state or "").lower(), rule))
            case "on_entry":
                self._on_entry.append((rule.name, (rule.state or "").lower(), rule))

    def _bit(self, fact: Fact) -> int:
        self._facts.append(fact)
        return 1 << len(self._facts) - 1

    def _condition(self, rule: Property, part: str, *, wanted: bool = True) -> int:
        expression = rule.expressions[part]
        bit = self._bit(_never)
        self._conditions[bit] = expression, wanted
        return bit

    # --- looking at a desk

    def look(self, desk: Desk) -> int:
        leaf = desk.chart.leaf
        if leaf not in self._in_leaf:
            self._in_leaf[leaf] = self._looked_at_in(leaf)
        found, conditions, facts = self._in_leaf[leaf]
        view = desk.view
        for bit, value, unwanted in conditions:
            if (not value(view)) is unwanted:
                found |= bit
        for bit, fact in facts:
            if fact(desk):
                found |= bit
        return found

    def _looked_at_in(self, leaf: str) -> InLeaf:
        held: int = 0
        conditions: list[tuple[int, Value, bool]] = []
        facts: list[tuple[int, Fact]] = []
        for at, fact in enumerate(self._facts):
            bit = 1 << at
            if bit not in self._conditions:
                if fact is not _never:
                    facts.append((bit, fact))
                continue
            expression, wanted = self._conditions[bit]
            known = value_in(leaf, expression, self._settings)
            if known is None:
                conditions.append((bit, expression.value, not wanted))
            elif known is wanted:
                held |= bit
        return held, conditions, facts

    def crossed(self, desk: Desk, hops: Sequence[Hop]) -> list[str]:
        """Rules on leaving and on entering a state that these moves break."""
        way = tuple([(it.source, it.target) for it in hops])
        asked = self._on_way.get(way)
        if asked is None:
            asked = self._on_way[way] = self._asked_on(way)
        return [name for name, held in asked if held is None or not held.value(desk.view)]

    def _asked_on(self, way: Way) -> list[tuple[str, Expression | None]]:
        """What must hold behind these moves; None is a rule that they break whatever holds."""
        asked: list[tuple[str, Expression | None]] = []
        for name, state, rule in self._on_exit:
            if any(_in(source, state) and not _stays(source, target, state) for source, target in way):
                asked.append((name, rule.expressions["holds"]))
        for name, state, rule in self._on_entry:
            sources = [
                source for source, target in way if _in(target or source, state) and not _stays(source, target, state)
            ]  # fmt: skip
            if not sources or (rule.origins and all(_from(source, rule) for source in sources)):
                continue
            asked.append((name, rule.expressions.get("unless" if rule.origins else "holds")))
        return asked

    def judge(self, before: DeskKey, after: DeskKey, placed: Sequence[Place]) -> list[str]:
        """Rules on orders that were made."""
        broken = [DEAF] if any(after.links[self._place_of(it.account)] is LinkState.LOST for it in placed) else []
        broken += [HEARD] if any(it.account in self._heard for it in placed) else []
        return broken + self._judge_hedges(after, placed) if self.hedged else broken

    def accounts(self, names: tuple[str, ...], venues: tuple[str, ...], heard: frozenset[str]) -> None:
        """Which accounts there are, at which venue each trades, and which are only listened to."""
        self._heard = heard
        self._numbers = {name: n for n, name in enumerate(names)}
        self._venues = dict(zip(names, venues, strict=True))

    def _place_of(self, account: str) -> int:
        return self._numbers[account]

    def _judge_hedges(self, after: DeskKey, placed: Sequence[Place]) -> list[str]:
        exposure = sum(after.positions)
        count = len(after.orders) - len(placed)
        before = [it for it in after.orders[:count] if it.live]
        covering = [it for it in before if it.purpose in COVERING]
        broken = []
        for order in after.orders[count:]:
            if order.purpose in (Purpose.HEDGE, Purpose.UNDO) and not _shrinks(exposure, covering, order):
                broken.append(GROWS)
            if order.purpose is Purpose.OPEN and covering:
                broken.append(OVER)
            if order.purpose in COVERING and any(self._meets(order, other) for other in before):
                broken.append(SELF)
            before.append(order)
            if order.purpose in COVERING:
                covering.append(order)
        return broken

    def _meets(self, order: OrderKey, other: OrderKey) -> bool:
        if other.purpose in COVERING or other.sign == order.sign:
            return False
        return self._venues[order.account] == self._venues[other.account]


def _shrinks(exposure: int, covering: Sequence[OrderKey], order: OrderKey) -> bool:
    """S4: the worse end of what may be open comes nearer to zero, and what is in flight does not go beyond it."""
    if _worst(exposure, [*covering, order]) >= _worst(exposure, covering):
        return False
    flying = exposure + sum(it.sign * (it.qty - it.done) for it in covering)
    after = flying + order.sign * order.qty
    return abs(after) < abs(flying) and after * flying >= 0


def _worst(exposure: int, covering: Sequence[OrderKey]) -> int:
    low = high = exposure
    for it in covering:
        part = it.sign * (it.qty - it.done)
        low += part if not it.flags & UNKNOWN or part < 0 else 0
        high += part if not it.flags & UNKNOWN or part > 0 else 0
    return max(abs(low), abs(high))


def _acts(desk: Desk) -> bool:
    """A hedge has left for all that one could leave for, unless nobody would take it now or nothing may be sent."""
    hedging, world = desk.hedging, desk.world
    if hedging is not None and hedging.gate is not None and not (hedging.gate.due and desk.view.hedgers_live):
        return True  # on terms it waits until it is due
    if hedging is None or hedging.hedgeable == 0 or hedging.stage in (Stage.BLOCKED, Stage.WAITING):
        return True
    covering = world.orders.covering.values()
    if (
        covering
        and not any(world.tradable(name, abs(world.exposure)) for name in desk.view._takers)
        and all(order.purpose is Purpose.FLATTEN for order in covering)
    ):
        return True  # halves of a matched pair: nothing is open, and their end decides (S9)
    return world.resyncing or world.distrusted or not world.links.any_trusted


def _opens(flow: Flow) -> bool:
    """Does it open anything of its own? One that only listens and hedges goes on hedging over a broken limit."""
    legs: Mapping[str, LegSpec] = flow.sections["legs"].value  # type: ignore[assignment]
    return any(leg.purpose is Purpose.OPEN for leg in legs.values())


def _stopped(desk: Desk) -> bool:
    return desk.world.halted or desk.world.distrusted or desk._finished


def _never(_: Desk) -> bool:
    return False  # a fact of the venues, which the proof adds, or one in the flow's words


def _from(source: str, rule: Property) -> bool:
    return any(_in(source, origin.lower()) for origin in rule.origins)


def _stays(source: str, target: str | None, state: str) -> bool:
    """It moves nowhere, or between states inside this one; a row to its own state leaves it and enters it again."""
    if target is None:
        return True
    return _in(source, state) and _in(target, state) and not source == target == state


def _in(leaf: str, state: str) -> bool:
    return leaf == state or leaf.startswith(f"{state}.")


def _words(rule: Property) -> str:
    parts = [f"{part}: {' '.join(value.source.split())}" for part, value in rule.expressions.items()]
    if rule.origins:
        parts.insert(0, f"from: {', '.join(rule.origins)}")
    where = f"{rule.state}, " if rule.state else ""
    return f"{rule.kind} {where}{', '.join(parts)}"
