"""Looks at a running desk: `Tally` counts along with its steps, `snapshot` makes the `Status` of a moment.

Changes nothing of the desk, not even which quotes count as read by a decision; decides nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from decimal import Decimal

from engine.runtime.secrets import redacted
from engine.runtime.status import (
    LINES_KEPT,
    AccountLine,
    Exposure,
    Latency,
    Line,
    OrderLine,
    QuoteLine,
    Rounds,
    Status,
)
from engine.trading.desk import Desk
from engine.trading.effects import Alert, Effect, Level, Moved, PlaceOrder, Purpose, RoundEnded
from engine.trading.inputs import Answered, Input, NotSent, Request, StopAsked
from engine.trading.orders import Order
from exchanges.types import ZERO, Clock, Fill, OrderUpdate, Refused

MS = 1_000_000
LATENCIES_KEPT = 1_000  # hedges that the percentiles are taken over
ANSWERS_AWAITED = 256  # hedges whose reply has not come; beyond it the oldest is given up
ALERTS_KEPT = 20  # the first ones: what came first is what went wrong; the journal has all


class Tally:
    """What the steps of one run add up to: the runner's sink (`effect`) and trace (`step`); bounded, never raises."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.start_ns = clock.now_ns()
        self.state_ns = self.phase_ns = self.start_ns  # since when the chart is in its leaf, in its top-level state
        self.rounds = 0  # that opened at least partly
        self.given_up = 0  # openings that ended without a fill
        self.asked = self.filled = ZERO  # quantity of the openings of ended rounds, and how much of it filled
        self.stopping = 0
        self.alerts: list[Line] = []
        self.lines: deque[Line] = deque(maxlen=LINES_KEPT)
        self.latencies_ns: deque[int] = deque(maxlen=LATENCIES_KEPT)
        self._state = ""
        self._seq = 0
        self._openings: dict[str, Decimal] = {}  # of the round that goes on: client id -> quantity
        self._received: dict[str, int] = {}  # client id of a hedge -> when the frame that it answers was received

    def effect(self, effect: Effect) -> None:
        if isinstance(effect, RoundEnded):
            if effect.opened:
                self.rounds += 1
            else:
                self.given_up += 1
        elif isinstance(effect, Alert) and effect.level is Level.PERSON and len(self.alerts) < ALERTS_KEPT:
            self.alerts.append(Line(len(self.alerts) + 1, self.up_ms(), effect.code, _printable(effect.text), "alarm"))

    def step(self, seq: int, at_ns: int, given: Input, effects: list[Effect]) -> None:
        if isinstance(given, Answered):
            self._answered(given)
        elif isinstance(given, NotSent):
            self._received.pop(given.client_id, None)
            self._openings.pop(given.client_id, None)
        elif isinstance(given, StopAsked):
            self.stopping = max(self.stopping, given.level)
        for effect in effects:
            if isinstance(effect, PlaceOrder):
                if effect.purpose is Purpose.OPEN:
                    self._openings[effect.request.client_id] = effect.request.qty
                elif effect.purpose is Purpose.HEDGE and isinstance(given, Fill | OrderUpdate):
                    self._hedge_made(effect.request.client_id, given.recv_ns)
            elif isinstance(effect, RoundEnded):
                self._round_over(effect)
            elif isinstance(effect, Moved) and effect.target is not None:
                self._moved(effect.target, at_ns)

    def up_ms(self) -> int:
        return (self.clock.now_ns() - self.start_ns) // MS

    def add_line(self, word: str, text: str, *, tone: str) -> Line:
        """Keep what a person is told; returns it with its number and time.

        A venue's text may be in it: what could steer a terminal or end the line becomes a question mark.
        """
        self._seq += 1
        line = Line(self._seq, self.up_ms(), word, _printable(text), tone)
        self.lines.append(line)
        return line

    def latency(self) -> Latency:
        spans = self.latencies_ns
        if not spans:
            return Latency(0, None, None, None)
        ranked = sorted(spans)
        return Latency(len(ranked), spans[-1] // 1000, _rank(ranked, 50) // 1000, _rank(ranked, 99) // 1000)

    def fill_rate(self) -> float | None:
        return round(float(self.filled / self.asked), 4) if self.asked else None

    def _round_over(self, ended: RoundEnded) -> None:
        self.asked += sum(self._openings.values(), ZERO)
        self.filled += ended.opened
        self._openings.clear()

    def _hedge_made(self, client_id: str, recv_ns: int) -> None:
        received = self._received
        received[client_id] = recv_ns
        if len(received) > ANSWERS_AWAITED:
            del received[next(iter(received))]

    def _answered(self, given: Answered) -> None:
        if given.request is Request.PLACE:
            if isinstance(given.reply, Refused):
                self._openings.pop(given.client_id, None)
            recv_ns = self._received.pop(given.client_id, 0)
            if recv_ns and given.reply.written_ns:
                self.latencies_ns.append(given.reply.written_ns - recv_ns)

    def _moved(self, target: str, at_ns: int) -> None:
        if target == self._state:
            return
        if target.split(".", 1)[0] != self._state.split(".", 1)[0]:
            self.phase_ns = at_ns
        self._state, self.state_ns = target, at_ns


def snapshot(desk: Desk, tally: Tally, after: int = 0, *, pid: int, journal: str | None) -> Status:
    """The desk as it is now, with the lines that came after number `after`; to be taken between two steps."""
    at_ns, wall_ms = tally.clock.now_ns(), tally.clock.wall_ms()
    world = desk.world
    ledger, plan = world.ledger, world.plan
    with desk.looking(at_ns):
        closed_because, profit = desk.view.closed_because(), desk.risk.equity()
    if tally.stopping:
        closed_because = "the run is stopping"
    return Status(
        run=world.run, pid=pid, flow=plan.flow.name, market=plan.market,
        quote=next(iter(plan.accounts.values())).instrument.quote, journal=journal, wall_ms=wall_ms,
        up_ms=_ms(at_ns - tally.start_ns), state=desk.state, state_ms=_ms(at_ns - tally.state_ns),
        phases=tuple(name for name in plan.flow.states if name and "." not in name),
        phase_ms=_ms(at_ns - tally.phase_ns), closed_because=redacted(closed_because), paused=world.paused,
        stopping=tally.stopping, rounds=_rounds(desk, tally), exposure=_exposure(desk, at_ns),
        accounts=tuple(_account(desk, name) for name in plan.accounts), quotes=tuple(_quotes(desk, at_ns)),
        orders=tuple(
            _order(order, at_ns) for table in (world.orders.resting, world.orders.covering) for order in table.values()
        ),
        volume=sum((book.volume for book in ledger.books.values()), ZERO),
        fees=sum((book.fees for book in ledger.books.values()), ZERO), profit=profit, latency=tally.latency(),
        alerts=tuple(tally.alerts), lines=tuple(line for line in tally.lines if line.seq > after),
        hedged=plan.hedged,
    )  # fmt: skip


def _rounds(desk: Desk, tally: Tally) -> Rounds:
    return Rounds(desk.world.round, desk.world.round_open, tally.rounds, tally.given_up, tally.fill_rate())


def _exposure(desk: Desk, at_ns: int) -> Exposure:
    world = desk.world
    ledger, limits = world.ledger, world.plan.limits
    since_ns = None if desk.hedging is None else desk.hedging.since_ns
    in_flight = world.in_flight()
    return Exposure(
        maker_open_position=ledger.maker_open_position, maker_close_position=ledger.maker_close_position,
        net_position=ledger.exposure, in_flight=in_flight, dust=ledger.exposure + in_flight,
        unhedged=ZERO if since_ns is None else ledger.exposure,
        unhedged_ms=0 if since_ns is None else _ms(at_ns - since_ns),
        unhedged_soft=limits.unhedged_soft, unhedged_hard=limits.unhedged_hard,
        unhedged_soft_ms=limits.unhedged_soft_age_ns // MS, unhedged_hard_ms=limits.unhedged_hard_age_ns // MS,
    )  # fmt: skip


def _account(desk: Desk, name: str) -> AccountLine:
    world = desk.world
    spec, book = world.plan.accounts[name], world.ledger.books[name]
    role = next((role for role, names in world.plan.roles.items() if name in names), "")
    return AccountLine(
        account=name, role=role, venue=spec.venue, symbol=spec.instrument.symbol, link=world.links[name].value,
        position=book.position, hedged=world.ledger.taker_hedges.get(name, ZERO), cash=book.cash, fees=book.fees,
        volume=book.volume,
    )  # fmt: skip


def _quotes(desk: Desk, at_ns: int) -> Iterable[QuoteLine]:
    for key in dict.fromkeys(desk.world.books_key.values()):
        it = desk.world.quotes.get(key)
        if it is not None:
            yield QuoteLine(*key, it.bid, it.bid_qty, it.ask, it.ask_qty, _ms(at_ns - it.recv_ns))


def _order(order: Order, at_ns: int) -> OrderLine:
    return OrderLine(
        account=order.account, client_id=order.client_id, purpose=order.purpose.value, side=order.side.value,
        qty=order.qty, filled=order.done_qty, price=order.price, state=order.state.value, unknown=order.unknown,
        age_ms=_ms(at_ns - order.created_ns),
    )  # fmt: skip


def _printable(text: str) -> str:
    text = redacted(text)
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)


def _rank(ranked: list[int], percent: int) -> int:
    """Nearest rank: the smallest value that so many percent do not exceed."""
    return ranked[max(0, -(-len(ranked) * percent // 100) - 1)]


def _ms(span_ns: int) -> int:
    return max(0, span_ns) // MS
