"""Counts along with the steps of a run what metrics tell: a sink and a trace that cost a few additions a step."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, OrderedDict
from collections.abc import Callable
from decimal import Decimal
from itertools import accumulate
from typing import Any

from engine.runtime.metric_names import BUCKETS_S, STAGES
from engine.trading.alert_codes import ALERT_CODES
from engine.trading.desk import Desk
from engine.trading.effects import Alert, Effect, PlaceOrder
from engine.trading.inputs import Answered, Counted, Input, LeftOut, Looked, NotSent, Request
from engine.trading.orders import Order
from exchanges.types import ZERO, Fill, OrderState, OrderUpdate, Refused

MOST_LIVE = 10_000  # orders whose end is awaited, far more than any desk has alive
S = 1_000_000_000


class Histogram:
    """Times in buckets; cheap to add to."""

    __slots__ = ("_counts", "_sum_ns")

    def __init__(self) -> None:
        self._counts = [0] * (len(BUCKETS_S) + 1)
        self._sum_ns = 0

    def add(self, span_ns: int) -> None:
        self._counts[bisect_left(BUCKETS_S, span_ns / S)] += 1
        self._sum_ns += span_ns

    @property
    def count(self) -> int:
        return sum(self._counts)

    @property
    def sum_s(self) -> float:
        return self._sum_ns / S

    def buckets(self) -> list[tuple[str, int]]:
        """Upper bound and how many were not above it, as Prometheus wants them."""
        bounds = [*map(str, BUCKETS_S), "+Inf"]
        return list(zip(bounds, accumulate(self._counts), strict=True))


class MetricCounts:
    """`effect` and `step` are the runner's sink and trace. `decided_ns` is when the newest step had decided."""

    def __init__(self, desk: Desk, *, decided_ns: Callable[[], int]) -> None:
        self.steps = 0
        self.placed: Counter[tuple[str, str]] = Counter()  # account, purpose
        self.ended: Counter[tuple[str, str, str]] = Counter()  # account, purpose, end
        self.fills: Counter[tuple[str, str]] = Counter()  # account, liquidity
        self.left_out: Counter[tuple[str, str]] = Counter()  # account, why
        self.refusals: Counter[tuple[str, str]] = Counter()  # account, refusal
        # Code and level; those that never came stand there with 0, so that the first one is seen as a rise.
        self.alerts: Counter[tuple[str, str]] = Counter(
            {(code, it.level.name.lower()): 0 for code, it in ALERT_CODES.items()}
        )
        self.deviations: dict[str, Decimal] = {}  # account -> venue less ledger
        self.unhedged = Histogram()
        self.loop_lag = Histogram()
        self.latency = {stage: Histogram() for stage in STAGES}
        self._desk = desk
        self._decided_ns = decided_ns
        self._unhedged_since_ns: int | None = None
        self._live: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._stamps: OrderedDict[str, tuple[int, int, int]] = OrderedDict()  # received, decoded, decided
        self._of_input: dict[type, Callable[[Any, int], None]] = {
            Fill: self._fill,
            OrderUpdate: self._update,
            Answered: self._answered,
            NotSent: self._not_sent,
            Looked: self._looked,
            Counted: self._counted,
            LeftOut: self._left_out,
        }

    def effect(self, effect: Effect) -> None:
        if type(effect) is Alert:
            self.alerts[effect.code, effect.level.name.lower()] += 1

    def step(self, seq: int, at_ns: int, given: Input, effects: list[Effect]) -> None:
        self.steps += 1
        for effect in effects:
            if type(effect) is PlaceOrder:
                self._place(effect, given)
        take = self._of_input.get(type(given))
        if take is not None:
            take(given, at_ns)
        self._look_at_exposure(at_ns)

    # --- orders

    def _place(self, placed: PlaceOrder, given: Input) -> None:
        order = placed.request
        who = (order.account, placed.purpose.value)
        self.placed[who] += 1
        self._live[order.client_id] = who
        received_ns, decoded_ns = (given.recv_ns, given.decoded_ns) if type(given) is Fill else (0, 0)
        self._stamps[order.client_id] = (received_ns, decoded_ns, self._decided_ns())
        for table in (self._live, self._stamps):
            if len(table) > MOST_LIVE:
                table.popitem(last=False)

    def _fill(self, fill: Fill, at_ns: int) -> None:
        self.fills[fill.account, fill.liquidity.value] += 1
        self._look_at_order(fill.client_id)

    def _left_out(self, given: LeftOut, at_ns: int) -> None:
        self.left_out[given.account, given.why] += 1

    def _update(self, update: OrderUpdate, at_ns: int) -> None:
        if update.refusal is not None and update.client_id in self._live:
            self.refusals[update.account, update.refusal.value] += 1
        self._look_at_order(update.client_id)

    def _looked(self, looked: Looked, at_ns: int) -> None:
        self._look_at_order(looked.client_id)

    def _not_sent(self, given: NotSent, at_ns: int) -> None:
        if given.request is Request.PLACE:
            self._stamps.pop(given.client_id, None)
            self._end(given.client_id, "not_sent")

    def _answered(self, answered: Answered, at_ns: int) -> None:
        reply = answered.reply
        order = self._desk.world.orders.get(answered.client_id)
        if isinstance(reply, Refused) and order is not None:
            self.refusals[order.account, reply.refusal.value] += 1
        if answered.request is Request.PLACE:
            stamps = self._stamps.pop(answered.client_id, None)
            if stamps is not None and reply.written_ns:
                self._time(*stamps, signed_ns=reply.signed_ns, written_ns=reply.written_ns, answered_ns=at_ns)
        self._look_at_order(answered.client_id)

    def _time(
        self, received_ns: int, decoded_ns: int, decided_ns: int, *, signed_ns: int, written_ns: int, answered_ns: int
    ) -> None:
        spans = {
            "decode": (received_ns, decoded_ns),
            "decide": (decoded_ns, decided_ns),
            "sign": (decided_ns, signed_ns),
            "write": (signed_ns, written_ns),
            "reaction": (received_ns, written_ns),
            "answer": (written_ns, answered_ns),
        }
        for stage, (start_ns, end_ns) in spans.items():
            if start_ns and end_ns:
                self.latency[stage].add(end_ns - start_ns)

    def _look_at_order(self, client_id: str) -> None:
        """What the desk knows of the order now: it alone decides when one has ended."""
        if client_id in self._live:
            order = self._desk.world.orders.get(client_id)
            if order is not None and order.state.terminal:
                self._end(client_id, end_of(order))

    def _end(self, client_id: str, end: str) -> None:
        who = self._live.pop(client_id, None)
        if who is not None:
            self.ended[*who, end] += 1

    # --- exposure

    def _look_at_exposure(self, at_ns: int) -> None:
        hedging = self._desk.hedging
        since_ns = None if hedging is None else hedging.since_ns
        former_ns = self._unhedged_since_ns
        if since_ns != former_ns:
            if former_ns is not None:
                self.unhedged.add(at_ns - former_ns)
            self._unhedged_since_ns = since_ns

    def _counted(self, given: Counted, at_ns: int) -> None:
        """S17: only a reading over a quiet cut says anything."""
        if not self._desk.intake.comparable(given):
            return
        world = self._desk.world
        told = {it.account: it.qty for it in given.positions if it.symbol == world.instruments[it.account].symbol}
        for margin in given.margins:
            name = margin.account
            expected = world.baseline.get(name, ZERO) + world.ledger.books[name].position
            self.deviations[name] = told.get(name, ZERO) - expected


def end_of(order: Order) -> str:
    """How an order that has ended did so, in the words of `eagle_orders_ended_total`."""
    match order.state:
        case OrderState.FILLED:
            return "filled"
        case OrderState.CANCELED:
            return "partly" if order.done_qty else "canceled"
        case _:
            return "refused" if order.refusal is not None else "lost"
