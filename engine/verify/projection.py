"""What of a desk decides its future, as one hashable value, and a desk put back into exactly that.

Ids become places in the order table, quantities whole lots, times the few classes that a step can tell apart, money
nothing. `tests/test_verify_projection.py` knows every field of a desk and which of them is kept, derived or dropped,
and that two desks of equal projection answer every input alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from engine.trading.desk import Desk
from engine.trading.effects import Purpose
from engine.trading.hedging import Hedging, Stage
from engine.trading.inputs import MarketSeen
from engine.trading.ledger import Book
from engine.trading.orders import COVERING, Order
from engine.trading.world import CANCEL_AGAIN_NS, SLICE_WAIT_NS, S, World
from engine.verify.heard import NO_GATE, GateKey, gate_key, put_gate
from exchanges.types import ZERO, LinkState, OrderState, Side

_WAITING, _PENDING = Stage.WAITING, OrderState.PENDING
_BUY, _SELL = Side.BUY, Side.SELL

NOW = 1_000_000 * S  # when every step of a proof happens
EPOCH = 1_000  # chart epochs and tokens above it were given by the step itself
NEVER = 1 << 62
RUN = 1
IDS = [str(RUN << 34 | n) for n in range(64)]
PLACE_OF = {client_id: n for n, client_id in enumerate(IDS)}
LOTS = {n: Decimal(n) for n in range(-512, 513)}

UNKNOWN, ASKED, ASKED_LATE, DEAD, MISSING, CURRENT, TAKEN = 1, 2, 4, 8, 16, 32, 64  # flags of an order
NOT_ASKED, RECENT, OLD = range(3)  # of a cancel
YOUNG, SOFT = 1, 2  # age of what is open


Context = tuple[object, ...]  # the flow's memory, in the order in which it is declared


class OrderKey(NamedTuple):
    """One order; its place in the table is its name. Covering orders of earlier rounds are as those of this one."""

    account: str
    sign: int
    qty: int
    price: Decimal | None
    purpose: Purpose
    leg: str
    state: OrderState
    filled: int
    provisional: int
    flags: int
    cancel: int
    trades: tuple[str, ...]

    @property
    def live(self) -> bool:
        return not self.state.terminal

    @property
    def done(self) -> int:
        return self.filled + self.provisional


class DeskKey(NamedTuple):
    """A desk between two steps."""

    context: Context  # these two first: desks that differ in nothing else are told together
    timers: tuple[str, ...]  # live timers of the chart
    leaf: str
    calls: tuple[tuple[str, int], ...]  # invoking states with retries left; waiting for a reply or for a retry
    deferred: tuple[tuple[str, object], ...]
    asked: tuple[tuple[str, int], ...]  # invoking states with answers still to come
    orders: tuple[OrderKey, ...]
    legs: tuple[tuple[int, int, int, Decimal], ...]  # filled, attempts, place of the newest order, last price
    positions: tuple[int, ...]
    exposure: int
    named: tuple[int, int, int]  # what the maker, the takers and nobody of ours made, each summed on its own (E12)
    links: tuple[LinkState, ...]
    resync: int  # 0: none waited for, 1: waited for, 2: no longer
    market: MarketSeen
    switches: tuple[bool, ...]
    doubts: int
    breached: tuple[str, ...]
    seen: tuple[tuple[str, str, str], ...]  # fills without an order that were counted
    stage: Stage
    refused: tuple[str, ...]
    failing: bool
    last: str
    age: int
    waiting: bool
    slices: tuple[str, ...]  # accounts that wait after a covering order that took nothing
    spent: tuple[str, ...]  # accounts that have no request of this minute left
    gate: GateKey  # what a source's fills left open, where the flow listens to one

    @property
    def finished(self) -> bool:
        return self.switches[6]


HedgingKey = tuple[Stage, tuple[str, ...], bool, str, int, bool]  # `stage` to `waiting` of a desk
NO_HEDGING: HedgingKey = (Stage.CALM, (), False, "", 0, False)
OF_A_LEG = ("filled", "attempts", "last_price")


class Projection:
    """Of one desk, which it also puts back."""

    def __init__(self, desk: Desk, *, needed: Mapping[str, frozenset[str]], most: int) -> None:
        """`needed`: names of the flow's memory that matter in each leaf. Attempts of a leg are counted up to `most`.

        `counts` has the same names as bits, in the order of their declaration.
        """
        self._desk = desk
        self._most = most
        flow = desk.chart.flow
        self._context = {leaf: [f"context.{name}" in names for name in flow.context] for leaf, names in needed.items()}
        self.counts = {leaf: sum(counts << at for at, counts in enumerate(it)) for leaf, it in self._context.items()}
        self._contexts: dict[tuple[str, Context], Context] = {}
        self._fresh = tuple(counter.start for counter in flow.context.values())
        self._legs = {
            leaf: [tuple(f"{leg}.{word}" in names for word in OF_A_LEG) for leg in desk.legs]
            for leaf, names in needed.items()
        }
        self._names = tuple(desk.world.plan.accounts)
        self._takers = tuple(name for name in self._names if name != desk.world.maker)
        self._tokens = {name: place + 1 for place, name in enumerate(desk.chart.flow.states)}
        self._state_of = {token: name for name, token in self._tokens.items()}
        limits = desk.world.plan.limits
        self._soft_ns = limits.unhedged_soft_age_ns
        self._stands: DeskKey | None = None  # what the desk projects to now, if that is known

    # --- reading

    def key(self) -> DeskKey:
        desk = self._desk
        world, hedging, intake, chart = desk.world, desk.hedging, desk.intake, desk.chart
        now, leaf = world.now_ns, chart.leaf
        calls, timers = chart._calls, chart._live
        asked = desk.verbs.asked
        ledger, orders, waits = world.ledger, world.orders, world.slice_waits
        places = {client_id: n for n, client_id in enumerate(orders.all, start=1)}  # of a run's desk, ids are others
        self._stands = found = DeskKey(
            self._remembered(leaf, chart._counters.saved()),
            tuple(sorted(timers)) if len(timers) > 1 else tuple(timers),
            leaf,
            tuple([(state, left) for state, (_, left) in calls.items()]) if calls else (),
            chart._deferred,
            tuple([(state, asked[token]) for state, (token, _) in calls.items() if token in asked]) if asked else (),
            tuple([_order(order, now, world.round) for order in orders.all.values()]),
            tuple(
                [
                    (
                        int(leg.filled) if fills else 0,
                        min(leg.attempts, self._most) if attempts else 0,
                        places.get(leg.newest, 0),
                        leg.last_price if price else ZERO,
                    )
                    for leg, (fills, attempts, price) in zip(desk.legs.values(), self._legs[leaf], strict=True)
                ]
            ),
            tuple([int(book.position) for book in ledger.books.values()]),
            int(ledger.exposure),
            (int(sum(ledger.by_purpose.values())), int(sum(ledger.taker_hedges.values())), int(ledger.outside)),
            tuple(world.links._states.values()),
            0 if not world.resync_until_ns else (1 if now < world.resync_until_ns else 2),
            world.market,
            (
                world.self_matched, world.positions_doubted, world.halted, world.paused, world.distrusted,
                desk._crippled, desk._finished, world.hedge_all, world.any_price,
            ),
            min(intake._doubts, 2),
            tuple(sorted(intake._breached)) if intake._breached else (),
            (*orders._seen, *sorted(orders._heard)) if orders._seen or orders._heard else (),
            *(NO_HEDGING if hedging is None else self._hedging(hedging, now)),
            tuple(sorted([name for name, (_, until) in waits.items() if until > now])) if waits else (),
            tuple([name for name, rate in world.rates.items() if rate._times and rate.spent(now)]),
            NO_GATE if hedging is None or hedging.gate is None else gate_key(hedging.gate, now),
        )  # fmt: skip
        return found

    def _remembered(self, leaf: str, saved: Context) -> Context:
        """What of the flow's memory still counts in the leaf, the rest as at the start."""
        found = self._contexts.get((leaf, saved))
        if found is None:
            parts = zip(saved, self._fresh, self._context[leaf], strict=True)
            kept = tuple([value if counts else fresh for value, fresh, counts in parts])
            found = self._contexts[leaf, saved] = kept
        return found

    def _hedging(self, hedging: Hedging, now: int) -> HedgingKey:
        since, refused = hedging.since_ns, hedging._refused
        return (
            hedging.stage, tuple(sorted(refused)) if refused else (), hedging._failures > 0, hedging._last,
            0 if since is None else SOFT if now - since >= self._soft_ns else YOUNG,
            hedging.stage is _WAITING and now < hedging.waiting_until_ns,
        )  # fmt: skip

    def state_of(self, token: int) -> str:
        """The invoking state that a token of a put-back desk belongs to."""
        return self._state_of[token]

    def token_of(self, state: str) -> int:
        return self._tokens[state]

    # --- putting back

    def put(self, key: DeskKey) -> None:
        """Only what differs from where the desk stands is set: whatever projects to the same is the same."""
        desk = self._desk
        world, hedging, intake = desk.world, desk.hedging, desk.intake
        at = self._stands
        world.now_ns = NOW
        self._put_chart(key, at)
        if at is None or at.orders != key.orders or at.seen != key.seen:
            self._put_orders(key, at)
        if at is None or at.positions != key.positions or at.exposure != key.exposure or at.named != key.named:
            self._put_ledger(key)
        if at is None or at.links != key.links:
            links = world.links
            for name, state in zip(self._names, key.links, strict=True):
                if links._states[name] is not state:
                    links.put(name, state)
        if at is None or at.leaf != key.leaf or at.legs != key.legs:
            for leg, (filled, attempts, newest, price) in zip(desk.legs.values(), key.legs, strict=True):
                leg.filled = LOTS[filled]
                leg.attempts = attempts
                leg.newest = IDS[newest] if newest else ""
                leg.last_price = price
        world.resync_until_ns = (0, NOW + S, NOW)[key.resync]
        world.market = key.market
        if at is None or at.switches != key.switches:
            (
                world.self_matched, world.positions_doubted, world.halted, world.paused, world.distrusted,
                desk._crippled, desk._finished, world.hedge_all, world.any_price,
            ) = key.switches  # fmt: skip
        desk._told_round = world.round
        world.round_open = True
        world.sequence = len(key.orders)
        world.trouble = ""
        world.attempts.clear()
        world.slice_waits = dict.fromkeys(key.slices, (SLICE_WAIT_NS, NOW + SLICE_WAIT_NS)) if key.slices else {}
        for name, rate in world.rates.items():
            rate._times.clear()
            if name in key.spent:
                rate._times.extend([NOW] * rate.per_minute)
        intake._doubts = key.doubts
        if at is None or at.breached != key.breached:
            intake._breached = set(key.breached)
        desk.view.why_closed = None
        if hedging is not None:
            self._put_hedging(key, hedging)
        self._stands = key

    def _put_chart(self, key: DeskKey, at: DeskKey | None) -> None:
        desk, tokens = self._desk, self._tokens
        chart = desk.chart
        calls = {state: (tokens[state], left) for state, left in key.calls} if key.calls else {}
        chart._put_back((key.leaf, EPOCH, dict.fromkeys(key.timers, 1), calls, key.deferred))
        if at is None or at.leaf != key.leaf or at.context != key.context:
            chart._counters.restore(key.context)
        desk.verbs.asked = {tokens[state]: left for state, left in key.asked} if key.asked else {}

    def _put_hedging(self, key: DeskKey, hedging: Hedging) -> None:
        hedging.stage = key.stage
        hedging._refused = dict.fromkeys(key.refused, 1)
        hedging._failures = int(key.failing)
        hedging._last = key.last
        hedging.since_ns = None if not key.age else (NOW if key.age == YOUNG else NOW - self._soft_ns)
        hedging.waiting_until_ns = NOW + 1 if key.waiting else 0
        hedging.epoch = 0
        hedging._alarm_ns = NEVER
        hedging._enough = ()
        if hedging.gate is not None:
            put_gate(hedging.gate, key.gate, NOW)

    def _put_orders(self, key: DeskKey, at: DeskKey | None) -> None:
        """Of orders that are the same at the same place, the desk's own stay: unless rounds have moved on since."""
        world = self._desk.world
        orders = world.orders
        stay = () if at is None or world.round != RUN or world.sequence != len(orders.all) else at.orders
        stand = list(orders.all.values()) if stay else []
        world.round = RUN
        orders.all.clear()
        orders.resting.clear()
        orders.covering.clear()
        orders._ended.clear()
        if orders._seen or orders._heard or key.seen:
            heard = world.heard
            orders._seen.clear()
            orders._heard.clear()
            for row in key.seen:
                (orders._heard if row[0] in heard else orders._seen)[row] = None
        for at_place, it in enumerate(key.orders):
            client_id = IDS[at_place + 1]
            if at_place < len(stay) and stay[at_place] == it:
                order = stand[at_place]
            else:
                order = self._put_order(it, at_place + 1)
            orders.all[client_id] = order
            if it.state.terminal:
                order.ended_ns = orders._ended[client_id] = NOW
            else:
                (orders.covering if it.purpose in COVERING else orders.resting)[client_id] = order

    def _put_order(self, it: OrderKey, place: int) -> Order:
        flags, spec = it.flags, self._desk.world.instruments[it.account]
        dead = bool(flags & DEAD)
        return Order(
            IDS[place], it.account, spec.venue, spec.symbol, _BUY if it.sign > 0 else _SELL, LOTS[it.qty],
            it.price, it.purpose, it.leg, RUN if flags & CURRENT else RUN - 1, 1, False, NOW,
            NOW - 2 if dead else NOW + S, it.state, f"v{place}" if flags & TAKEN or it.state is not _PENDING else "",
            LOTS[it.filled], LOTS[it.provisional], bool(flags & UNKNOWN), bool(flags & ASKED),
            (NOW - 1 if flags & ASKED_LATE else NOW - 3 if dead else NOW) if flags & ASKED else 0,
            NOW if flags & MISSING else 0, (0, NOW, NOW - CANCEL_AGAIN_NS)[it.cancel], None, 0, set(it.trades),
        )  # fmt: skip

    def _put_ledger(self, key: DeskKey) -> None:
        ledger = self._desk.world.ledger
        for book, position in zip(ledger.books.values(), key.positions, strict=True):
            _empty(book)
            book.position = LOTS[position]
        ledger.exposure = LOTS[key.exposure]
        maker, takers, outside = key.named
        for purpose in ledger.by_purpose:
            ledger.by_purpose[purpose] = ZERO
        ledger.by_purpose[Purpose.OPEN] = LOTS[maker]
        for name in ledger.taker_hedges:
            ledger.taker_hedges[name] = ZERO
        if self._takers:
            ledger.taker_hedges[self._takers[0]] = LOTS[takers]
        ledger.outside = LOTS[outside]


def places_of(world: World) -> Mapping[str, int]:
    """The place of every order by its id: another one than the id says where a step that was undone left a gap."""
    orders = world.orders.all
    if world.sequence == len(orders):
        return PLACE_OF
    return {client_id: n + 1 for n, client_id in enumerate(orders)}


def _order(order: Order, now: int, current: int) -> OrderKey:
    flags = UNKNOWN if order.unknown else 0
    if now > order.dead_after_ns:
        flags |= DEAD
    if order.asked:
        flags |= ASKED | (ASKED_LATE if order.asked_ns > order.dead_after_ns else 0)
    if order.missing_ns:
        flags |= MISSING
    if order.round == current or order.purpose in COVERING:
        flags |= CURRENT
    if order.order_id and order.state is _PENDING:  # the venue's answer is known, and no frame of it yet
        flags |= TAKEN
    cancel = NOT_ASKED if not order.cancel_ns else (OLD if now - order.cancel_ns >= CANCEL_AGAIN_NS else RECENT)
    return OrderKey(
        order.account, 1 if order.side is _BUY else -1, int(order.qty), order.price, order.purpose, order.leg,
        order.state, int(order.filled), int(order.provisional), flags, cancel,
        tuple(sorted(order.trades)) if order.trades else (),
    )  # fmt: skip


def _empty(book: Book) -> None:
    book.cash = book.fees = book.volume = book.bought = book.sold = ZERO
