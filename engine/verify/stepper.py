"""The pure step as a finite function: (desk, input) -> desks and effects, each computed once with the real desk.

Desks are numbered as they are found. Chance is a choice: a step that draws has one outcome for every draw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import reduce
from operator import and_
from typing import NamedTuple

from engine.trading.desk import CHART, Desk
from engine.trading.effects import (
    Alert,
    ArmTimer,
    AskOrder,
    AskPositions,
    CancelOrder,
    DisarmTimer,
    Effect,
    Finish,
    Moved,
    PlaceOrder,
    Purpose,
    RoundBegan,
    RoundEnded,
)
from engine.trading.hedging import OWNER as HEDGING
from engine.trading.inputs import (
    Answered,
    Counted,
    Input,
    Looked,
    MarketSeen,
    NotSent,
    Request,
    StopAsked,
    TimerFired,
)
from engine.trading.inquiry import OWNER as INQUIRY
from engine.trading.intake import DESK
from engine.verify.bounds import ASK, BID
from engine.verify.desks import Desks, agrees
from engine.verify.heard import grown_old
from engine.verify.projection import IDS, LOTS, NOW, Context, DeskKey, OrderKey, Projection, places_of
from engine.verify.reads import Reads, places_in
from engine.verify.symmetry import Swap, Symmetry, moved, moved_on
from exchanges.types import (
    ZERO,
    Accepted,
    Fill,
    FillKind,
    LinkState,
    LinkUpdate,
    Liquidity,
    OrderState,
    OrderUpdate,
    Position,
    Refusal,
    Refused,
    Reply,
    Side,
    Unknown,
)

# --- what is given


class GiveFill(NamedTuple):
    """A row of an order."""

    place: int
    trade: str
    qty: int


class GiveForeign(NamedTuple):
    """A liquidation: no order of ours caused it."""

    account: str
    trade: str
    signed: int


class GiveUpdate(NamedTuple):
    place: int
    state: OrderState
    cum: int


class GiveAnswer(NamedTuple):
    place: int
    request: Request
    reply: str  # "accepted", "unknown", or a refusal's word


class GiveNotSent(NamedTuple):
    place: int
    request: Request


class GiveLook(NamedTuple):
    """`of` is the invoking state that asked, "" for the standing rule, STALE for a state that was left."""

    place: int
    of: str
    ok: bool
    state: OrderState | None
    cum: int


class GiveCount(NamedTuple):
    of: str
    ok: bool
    quiet: bool
    positions: tuple[int, ...]


class GiveTimer(NamedTuple):
    owner: str
    name: str | int  # an order's place, for the inquiry


class GiveLink(NamedTuple):
    account: str
    state: LinkState


class GiveMarket(NamedTuple):
    seen: MarketSeen


class GiveStop(NamedTuple):
    level: int
    word: str = "stop"  # tuples of equal fields are equal, whatever their class


class Expire(NamedTuple):
    """The validity of an order's request passes: what was not accepted by now never will be (S4)."""

    place: int
    word: str = "expired"


class Rested(NamedTuple):
    """An account's wait after a slice that took nothing is over (S9)."""

    account: str


class Spent(NamedTuple):
    """Every request of this minute is made on an account (S11)."""

    account: str
    word: str = "spent"


class MinuteOver(NamedTuple):
    """It has requests again."""

    account: str
    word: str = "minute over"


Given = (
    GiveFill | GiveForeign | GiveUpdate | GiveAnswer | GiveNotSent | GiveLook | GiveCount | GiveTimer | GiveLink
    | GiveMarket | GiveStop | Expire | Rested | Spent | MinuteOver
)  # fmt: skip
PASSING = frozenset({Expire, Spent, MinuteOver, Rested})  # no input of the desk: time or a minute passes
OF_AN_ORDER = frozenset({GiveFill, GiveUpdate, GiveLook})  # that speak of its account, side, quantity and price
STALE = "?"  # in place of a state's name: the call it answers is over

# --- what comes of it


class Place(NamedTuple):
    account: str
    sign: int
    qty: int
    purpose: Purpose
    rests: bool
    reduce_only: bool


class Cancel(NamedTuple):
    place: int


class Ask(NamedTuple):
    place: int
    of: str


class Count(NamedTuple):
    of: str


class Arm(NamedTuple):
    owner: str
    name: str | int
    low_ns: int
    high_ns: int


class Disarm(NamedTuple):
    owner: str
    name: str | int


class Left(NamedTuple):
    """A call of this state is over: what answers it is stale."""

    state: str


class Told(NamedTuple):
    """An alert's code."""

    code: str


class Hop(NamedTuple):
    source: str
    target: str | None
    event: str


class End(NamedTuple):
    exit_code: int


class Broke(NamedTuple):
    """A rule of every hedged flow that this very step broke."""

    rule: str


Done = Place | Cancel | Ask | Count | Arm | Disarm | Left | Told | Hop | End | Broke


class Outcome(NamedTuple):
    desk: int
    done: tuple[Done, ...]
    draws: tuple[int, ...]
    swap: Swap | None  # equal accounts have changed places in `desk` and `done`
    kept: int  # names of the flow's memory that matter behind the step and were neither read nor written, as bits
    spared: int  # timers of the chart that the step could not touch, as bits


class Way(NamedTuple):
    """What a step comes to wherever the flow remembers what was looked at: the rest decides nothing."""

    read: tuple[tuple[int, object], ...]  # of its memory, by place
    watched: int  # timers, as bits …
    armed: int  # … and which of them are
    outcomes: list[Outcome]


class Choices:
    """Chance as a list of choices; what is drawn beyond it is the first one, and noted."""

    def __init__(self) -> None:
        self.script: Sequence[int] = ()
        self.drawn: list[int] = []
        self.of: list[int] = []
        self.picked = 0  # how often one of several was picked

    def start(self, script: Sequence[int]) -> None:
        self.script, self.drawn, self.of, self.picked = script, [], [], 0

    def below(self, n: int) -> int:
        self.picked += 1
        return self._choose(n)

    def between(self, low: int, high: int) -> int:
        """One end or the other: what is drawn in between leads nowhere else, or is not searched."""
        return high if low < high and self._choose(2) else low

    def _choose(self, n: int) -> int:
        at = len(self.drawn)
        choice = self.script[at] if at < len(self.script) else 0
        self.drawn.append(choice)
        self.of.append(n)
        return choice


Change = int | tuple[int, tuple[str, ...]]  # what was made of an order
FORGET, GATHER = range(2)
Judge = Callable[[DeskKey, DeskKey, Sequence[Place]], list[str]]
LeftJudge = Callable[[Desk, Sequence[Hop]], list[str]]
_QUIET = frozenset({RoundBegan, RoundEnded})
FAILS = "no step of the chart fails"
FAILED = frozenset({"step_failed", "chart_crippled"})


class Stepper:
    """Steps one desk from projection to projection and remembers."""

    def __init__(
        self, desk: Desk, choices: Choices, *, projection: Projection, ranges: dict[str, tuple[int, int]], judge: Judge,
        look: Callable[[Desk], int], left: LeftJudge, symmetry: Symmetry,
    ) -> None:  # fmt: skip
        self._desk = desk
        self._choices = choices
        self.projection = self._projection = projection
        self._left = left
        self._judge = judge
        self.symmetry = symmetry
        self._reads = Reads(desk.chart)
        self.desks = Desks(
            symmetry=symmetry, reads=self._reads, look=lambda: look(desk), stand=lambda key: projection.put(key)
        )  # fmt: skip
        self.keys = self.desks.keys
        self.facts = self.desks.facts
        self.steps = 0
        self._inputs: dict[tuple[object, ...], Input] = {}  # of what is given, and of the order that it is about
        self._arms: dict[str, Arm] = {name: Arm(CHART, name, low, high) for name, (low, high) in ranges.items()}
        self._memo: dict[tuple[int, tuple[Given, ...]], tuple[Outcome, ...]] = {}
        self._ways: dict[tuple[int, tuple[Given, ...]], list[Way]] = {}  # of desks that are alike but for their memory
        self._made: dict[tuple[int, int, Change], tuple[int, Swap | None]] = {}  # of those likewise; one for all
        self._names = tuple(desk.world.plan.accounts)
        self._by_name = False  # did an outcome of this step order from an equal account that chance did not choose?

    def adopt(self, other: Stepper) -> bool:
        """Number desks as `other` does. False, and nothing done, where the two began apart."""
        if not self.desks.adopt(other.desks):
            return False
        self._made = dict(other._made)
        return True

    def step(self, desk: int, given: tuple[Given, ...]) -> tuple[Outcome, ...]:
        """Give the desk inputs one right after the other; they concern orders that it had before the first."""
        memo = self._memo
        found = memo.get((desk, given))
        if found is None:
            found = memo[desk, given] = self._told(self._known(desk, given))
        return found

    def _known(self, desk: int, given: tuple[Given, ...]) -> list[Outcome]:
        """From a step of a desk that is alike in all that this one looks at, or made now."""
        reads, key = self._reads, self.keys[desk]
        context, mask = key.context, reads.mask(key.timers)
        ways = self._ways.setdefault((self.desks.kind_of[desk], given), [])
        for way in ways:
            if mask & way.watched == way.armed and agrees(context, way.read):
                return [self._from(it, context, mask) for it in way.outcomes]
        reads.begin()
        outcomes = self._step(desk, given)
        failed = any(type(one) is Broke and one.rule == FAILS for it in outcomes for one in it.done)  # and was undone
        read = (1 << len(context)) - 1 if failed else reads.read
        watched = -1 if failed else ~reduce(and_, [it.spared for it in outcomes])
        ways.append(Way(tuple([(at, context[at]) for at in places_in(read)]), watched, mask & watched, outcomes))
        return outcomes

    def _from(self, outcome: Outcome, context: Context, mask: int) -> Outcome:
        """The outcome where the memory and the timers were these before the step."""
        reads, there = self._reads, self.keys[outcome.desk]
        memory, timers = there.context, there.timers
        kept, spared = outcome.kept, outcome.spared
        if kept:
            memory = tuple([context[at] if kept >> at & 1 else value for at, value in enumerate(memory)])
        if spared:
            timers = reads.names(reads.mask(timers) & ~spared | mask & spared)
        return Outcome(
            self.desks.alike(outcome.desk, memory, timers), outcome.done, outcome.draws, outcome.swap, kept, spared
        )  # fmt: skip

    def _told(self, outcomes: list[Outcome]) -> tuple[Outcome, ...]:
        """Each once."""
        if len(outcomes) == 1:
            return (outcomes[0],)
        return tuple({(it.desk, it.swap, tuple((type(one), one) for one in it.done)): it for it in outcomes}.values())

    def forget(self, desk: int, place: int) -> tuple[int, Swap | None]:
        """An order that has ended for venue and desk alike, with nothing on its way any more, leaves the table."""
        return self._changed(desk, place, FORGET, forgotten)

    def gather(self, desk: int, place: int) -> tuple[int, Swap | None]:
        """The rows of an order become one."""
        return self._changed(desk, place, GATHER, gathered)

    def shrink(self, desk: int, place: int, done: int, trades: tuple[str, ...]) -> tuple[int, Swap | None]:
        """An order becomes one for what is left without `done`; `trades` are the rows that were counted beside it."""
        return self._changed(desk, place, (done, trades), lambda key, place: shrunk(key, place, done, trades))

    def _changed(
        self, desk: int, place: int, how: Change, change: Callable[[DeskKey, int], DeskKey]
    ) -> tuple[int, Swap | None]:
        """Nothing that a flow can read has changed."""
        desks = self.desks
        known = self._made.get((desks.kind_of[desk], place, how))
        if known is not None:
            like, swap = known
            key = self.keys[desk]
            return desks.alike(like, key.context, key.timers, self.facts[desk]), swap
        key, swap = self._sorted(change(self.keys[desk], place))
        found = self._made[desks.kind_of[desk], place, how] = desks.number(key, self.facts[desk]), swap
        return found

    def _sorted(self, key: DeskKey) -> tuple[DeskKey, Swap | None]:
        """The desk that stands for this one and all that only swap equal accounts."""
        swap = self.symmetry.sorting(key)
        return (key, None) if swap is None else (self.symmetry.swapped(key, swap), swap)

    def _step(self, desk: int, given: tuple[Given, ...]) -> list[Outcome]:
        """Where a step orders from one of equal accounts, swapped too: not if chance chose each, which is as fair."""
        before, symmetry = self.keys[desk], self.symmetry
        self._by_name = False
        outcomes = self._outcomes(before, given)
        if self._by_name:
            for swap in symmetry.swaps():
                outcomes += self._outcomes(symmetry.swapped(before, swap), self._swapped(given, swap), swap)
        return outcomes

    def _outcomes(self, before: DeskKey, given: tuple[Given, ...], swap: Swap | None = None) -> list[Outcome]:
        """One for every draw. `swap` has led to `before` and `given` already."""
        outcomes = []
        scripts: list[tuple[int, ...]] = [()]
        while scripts:
            script = scripts.pop()
            outcomes.append(self._run(before, given, script, swap))
            drawn, of = self._choices.drawn, self._choices.of
            for at in range(len(script), len(of)):
                scripts += [(*drawn[:at], other) for other in range(1, of[at])]
        return outcomes

    def _run(self, before: DeskKey, given: tuple[Given, ...], script: tuple[int, ...], swap: Swap | None) -> Outcome:
        self._projection.put(before)
        choices, reads = self._choices, self._reads
        read, reads.read, reads.written = reads.read, 0, 0
        choices.start(script)
        done: list[Done] = []
        step, chart = self._desk.step, self._desk.chart
        for one in given:
            real = self._real(before, one)
            if real is not None:
                calls = chart.tokens
                effects = step(real, NOW)
                if effects or calls:
                    done += self.done_of(calls, effects)
                self.steps += 1
        key = self._projection.key()
        placed = [it for it in done if type(it) is Place]
        if placed:
            orders_to = self.symmetry.orders_to
            if orders_to and sum([it.account in orders_to for it in placed]) > choices.picked:
                self._by_name = True
            done += [Broke(rule) for rule in self._judge(before, key, placed)]
        key, again = self._sorted(key)
        if again is not None and placed:
            to = self.symmetry.named(again)
            done = [it._replace(account=to[it.account]) if type(it) is Place else it for it in done]
        if again is not None:
            swap = again if swap is None else moved_on(swap, again)
        kept = self._projection.counts[key.leaf] & ~(reads.read | reads.written)
        reads.read |= read  # of this draw and those before
        now_read = reads.read
        fired = [str(one.name) for one in given if isinstance(one, GiveTimer) and one.owner == CHART]
        spared = reads.spared([it for it in done if type(it) is Hop], fired[0] if fired else "")
        outcome = Outcome(self.desks.number(key), tuple(done), tuple(choices.drawn), swap, kept, spared)
        reads.read = now_read
        return outcome

    def _swapped(self, given: tuple[Given, ...], swap: Swap) -> tuple[Given, ...]:
        to = self.symmetry.named(swap)
        found: list[Given] = []
        for one in given:
            match one:
                case GiveForeign() | GiveLink() | Rested() | Spent() | MinuteOver():
                    found.append(one._replace(account=to[one.account]))
                case GiveCount():
                    found.append(one._replace(positions=moved(one.positions, swap)))
                case _:
                    found.append(one)
        return tuple(found)

    # --- effects

    def done_of(self, calls: Mapping[str, int], effects: Sequence[Effect]) -> list[Done]:
        chart, world = self._desk.chart, self._desk.world
        current = {token: state for state, token in chart.tokens.items()}
        places = places_of(world)
        done: list[Done] = [Left(state) for state, token in calls.items() if token not in current]
        hops: list[Hop] = []
        for effect in effects:
            kind = type(effect)
            if kind in _QUIET or (type(effect) is ArmTimer and effect.owner == DESK and not world.positions_doubted):
                continue  # without a doubt the desk's own comparison is a move of the outside, that comes or does not
            one = self._one(effect, current, places)
            done.append(one)
            if type(one) is Hop:
                hops.append(one)
        if hops:
            done += [Broke(rule) for rule in self._left(self._desk, hops)]
        return done

    def _one(self, effect: Effect, current: Mapping[int, str], places: Mapping[str, int]) -> Done:
        if isinstance(effect, ArmTimer):
            owner, name = effect.owner, effect.name
            if owner == CHART and name in self._arms:
                return self._arms[name]
            delay = max(0, effect.at_ns - NOW)
            return Arm(owner, places[name] if owner == INQUIRY else name, delay, delay)
        if isinstance(effect, Moved):
            return Hop(effect.source, effect.target, effect.event)
        if isinstance(effect, DisarmTimer):
            return Disarm(effect.owner, places[effect.name] if effect.owner == INQUIRY else effect.name)
        if isinstance(effect, Alert):
            return Broke(FAILS) if effect.code in FAILED else Told(effect.code)
        if isinstance(effect, PlaceOrder):
            request = effect.request
            return Place(
                request.account, request.side.sign, int(request.qty), effect.purpose, request.post_only,
                request.reduce_only,
            )  # fmt: skip
        match effect:
            case CancelOrder():
                return Cancel(places[effect.client_id])
            case AskOrder():
                return Ask(places[effect.client_id], "" if not effect.token else current.get(effect.token, STALE))
            case AskPositions():
                return Count("" if not effect.token else current.get(effect.token, STALE))
            case Finish():
                return End(effect.exit_code)
        raise AssertionError(effect)

    # --- inputs

    def _real(self, key: DeskKey, given: Given) -> Input | None:
        """What the desk is given; None where only time or a minute's requests pass, and that has happened then."""
        kind = type(given)
        if kind is GiveTimer:
            return self._fired(*given)
        if kind in PASSING:
            self._pass(given)
            return None
        what = (given, key.orders[given[0] - 1][:4]) if kind in OF_AN_ORDER else given  # type: ignore[operator]
        found = self._inputs.get(what)
        if found is None:
            found = self._inputs[what] = self._input(key, given)
        return found

    def _pass(self, given: Given) -> None:
        world = self._desk.world
        match given:
            case Expire(place=place):
                order = world.orders.all[IDS[place]]
                order.dead_after_ns, order.asked_ns = NOW - 2, min(order.asked_ns, NOW - 3)  # asked before, if at all
            case Spent(account):
                rate = world.rates[account]
                rate._times.extend([NOW] * rate.per_minute)
            case MinuteOver(account):
                world.rates[account]._times.clear()
            case Rested(account):
                del world.slice_waits[account]

    def _input(self, key: DeskKey, given: Given) -> Input:
        world = self._desk.world
        match given:
            case GiveFill(place, trade, qty):
                it = key.orders[place - 1]
                spec = world.instruments[it.account]
                return Fill(
                    spec.venue, it.account, spec.symbol, IDS[place], f"v{place}", trade, _side(it.sign), LOTS[qty],
                    _paid(it), ZERO, "USD", Liquidity.UNKNOWN, 0, NOW,
                )  # fmt: skip
            case GiveForeign(account, trade, signed):
                spec = world.instruments[account]
                return Fill(
                    spec.venue, account, spec.symbol, "", "liquidation", trade, _side(signed), LOTS[abs(signed)], BID,
                    ZERO, "USD", Liquidity.TAKER, 0, NOW, FillKind.LIQUIDATION,
                )  # fmt: skip
            case GiveUpdate(place, state, cum):
                return self._update(key, place, state, cum)
            case GiveAnswer(place, request, reply):
                return Answered(IDS[place], request, _reply(reply, place))
            case GiveNotSent(place, request):
                return NotSent(IDS[place], request, "dropped before the wire")
            case GiveLook(place, of, ok, state, cum):
                update = None if state is None else self._update(key, place, state, cum)
                return Looked(IDS[place], self._token(of), ok, update)
            case GiveCount(of, ok, quiet, positions):
                held = tuple(
                    Position(name, world.instruments[name].symbol, LOTS[qty])
                    for name, qty in zip(self._names, positions, strict=True)
                )
                return Counted(self._token(of), ok, quiet, held, ())
            case GiveLink(account, state):
                return LinkUpdate(account, state, NOW)
            case GiveMarket(seen):
                return seen
            case GiveStop(level=level):
                return StopAsked(level)
        raise AssertionError(given)

    def _token(self, of: str) -> int:
        if not of:
            return 0
        return -1 if of == STALE else self._projection.token_of(of)

    def _fired(self, owner: str, name: str | int) -> TimerFired:
        """The time that it stands for has passed, and nothing else has."""
        hedging = self._desk.hedging
        if owner == INQUIRY:
            assert isinstance(name, int)
            return TimerFired(owner, IDS[name], 0)
        assert isinstance(name, str)
        if owner == CHART:
            return TimerFired(owner, name, 1)
        if owner == HEDGING and hedging is not None:
            limits = self._desk.world.plan.limits
            if name == "resync":
                self._desk.world.resync_until_ns = NOW if self._desk.world.resync_until_ns else 0
            elif name == "soft age" and hedging.since_ns is not None:
                hedging.since_ns = NOW - limits.unhedged_soft_age_ns
            elif name == "hard age" and hedging.since_ns is not None:
                hedging.since_ns = NOW - limits.unhedged_hard_age_ns
            elif name == "max age" and hedging.gate is not None:
                grown_old(hedging.gate, NOW)
        return TimerFired(owner, name, 0)

    def _update(self, key: DeskKey, place: int, state: OrderState, cum: int) -> OrderUpdate:
        it = key.orders[place - 1]
        spec = self._desk.world.instruments[it.account]
        return OrderUpdate(
            it.account, spec.symbol, IDS[place], f"v{place}", _side(it.sign), LOTS[it.qty], state, LOTS[cum], it.price,
            0, NOW,
        )  # fmt: skip


def forgotten(key: DeskKey, place: int) -> DeskKey:
    """Without an order that has ended; those behind it move up."""
    orders = key.orders[: place - 1] + key.orders[place:]
    legs = tuple(
        (filled, attempts, 0 if newest == place else newest - (newest > place), price)
        for filled, attempts, newest, price in key.legs
    )
    return key._replace(orders=orders, legs=legs)


def gathered(key: DeskKey, place: int) -> DeskKey:
    it = key.orders[place - 1]._replace(trades=("t1",))
    return key._replace(orders=(*key.orders[: place - 1], it, *key.orders[place:]))


def shrunk(key: DeskKey, place: int, done: int, trades: tuple[str, ...]) -> DeskKey:
    it = key.orders[place - 1]
    untouched = it.state is OrderState.PARTIALLY_FILLED and it.done == done
    it = it._replace(
        qty=it.qty - done, filled=it.filled - done, state=OrderState.OPEN if untouched else it.state, trades=trades
    )
    return key._replace(orders=(*key.orders[: place - 1], it, *key.orders[place:]))


def _side(sign: int) -> Side:
    return Side.BUY if sign > 0 else Side.SELL


def _paid(it: OrderKey) -> Decimal:
    """The touch, or the order's own price where that is better."""
    touch = ASK if it.sign > 0 else BID
    if it.price is None:
        return touch
    return min(it.price, touch) if it.sign > 0 else max(it.price, touch)


def _reply(word: str, place: int) -> Reply:
    if word == "accepted":
        return Accepted(f"v{place}")
    return Unknown("no answer") if word == "unknown" else Refused(Refusal(word), "refused")
