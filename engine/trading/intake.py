"""The first commit point of a step: every input is counted here, by code that the chart cannot influence (S2).

Takes a venue's word into orders, ledger, links and limits, and says what the chart is to be told. Returns no request
of its own but questions, timers and alerts; hedges are computed afterwards from what stands here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from engine.trading.effects import (
    Alert,
    ArmTimer,
    AskPositions,
    DisarmTimer,
    Effect,
    Level,
    Purpose,
)
from engine.trading.events import (
    CancelRefused,
    LimitBreached,
    LinkLost,
    LinkTrusted,
    MarketClosed,
    MarketOpened,
    OrderAccepted,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderNotSent,
    OrderPartiallyFilled,
    OrderRefused,
    OrderUnknown,
    StopNow,
    StopRequested,
    StrategyEvent,
)
from engine.trading.hedging import OWNER as HEDGING
from engine.trading.hedging import Hedging
from engine.trading.inputs import (
    Answered,
    Carried,
    ClockJumped,
    Counted,
    Input,
    LeftOut,
    Looked,
    MarketSeen,
    NotSent,
    PauseAsked,
    Recalled,
    Reconfigured,
    Relisted,
    Request,
    SourceChecked,
    Started,
    StopAsked,
    TimerFired,
)
from engine.trading.inquiry import CHECK_NS, MISSING_NS, Inquiry, check_over, check_timer
from engine.trading.inquiry import OWNER as INQUIRY
from engine.trading.left_out import told_left_out
from engine.trading.legs import Leg
from engine.trading.lots import Lot
from engine.trading.orders import COVERING, Order
from engine.trading.risk import Breach, Risk
from engine.trading.world import DEAD_MARGIN_NS, MS, S, World
from exchanges.types import (
    ZERO,
    Accepted,
    Fill,
    FillKind,
    LinkState,
    LinkUpdate,
    Margin,
    MarketKind,
    OrderState,
    OrderUpdate,
    Refusal,
    Refused,
)

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_SETTLEMENT = FillKind.SETTLEMENT
_LOST, _RESYNC, _TRUSTED = LinkState.LOST, LinkState.RESYNC, LinkState.TRUSTED
_FAILED, _PENDING = OrderState.FAILED, OrderState.PENDING
_CANCEL = Request.CANCEL
_PRICE = Refusal.PRICE
_SOURCE = Purpose.SOURCE

DESK = "desk"
RESYNC_NS = 1 * S  # fills of a resync are judged as one batch for so long; a slow one may not hold up every hedge (S3)
BATCH_NS = 50 * MS  # and those that a source tells in one answer; they come without a pause
RECONCILE_NS = 60 * S  # how often ledger and venue are compared beside the flow's own counts (S17)
COMPARE_AGAIN_NS = 15 * S  # a reading that was no quiet cut is made anew; each is some requests of every account
UNCOMPARED_MOST = 20  # such readings in a row, unlucky moments among them: five minutes
STANDING = 0  # the token of what is asked beside the flow
UNWILLING_NS = 8 * S  # an account is left out for so long after covering orders that took nothing: a person hears of it
NEVER_NS = 1 << 62
MATCHES_KEPT = 512  # trade ids remembered to recognise a match between own accounts (S8)


NOTHING_NEW: list[StrategyEvent] = []  # by identity: the input changed nothing, no rule needs to look again


class Intake:
    """Accounting of one desk. `effects` is the list of the step that runs; the desk hands it in."""

    def __init__(
        self, world: World, *, legs: Mapping[str, Leg], hedging: Hedging | None, inquiry: Inquiry, risk: Risk
    ) -> None:
        self.world = world
        self.legs = legs
        self.hedging = hedging
        self.inquiry = inquiry
        self.risk = risk
        self.effects: list[Effect] = []
        keys = list(world.books_key.values())
        self._shared_books = frozenset(key for key in keys if keys.count(key) > 1)  # where our accounts could meet
        self._trades: deque[tuple[str, str, str]] = deque(maxlen=MATCHES_KEPT)
        self._trade_owner: dict[tuple[str, str, str], str] = {}
        self._doubts = 0
        self._uncompared = 0  # standing readings in a row that count as none
        self._breached: set[str] = set()

    def apply(self, given: Input) -> list[StrategyEvent]:
        """Count an input; returns what the chart is to be told, or NOTHING_NEW."""
        match given:
            case Fill():
                return self._fill(given)
            case OrderUpdate():
                return self._update(given)
            case Answered():
                return self._answered(given)
            case TimerFired():
                return self._timer(given)
            case LinkUpdate():
                return self._link(given)
            case MarketSeen():
                return self._market(given)
            case Margin():
                self.world.margins[given.account] = given
                return self.breaches(self.risk.accounts((given,), ()))
            case Looked():
                return self._looked(given)
            case NotSent():
                return self._not_sent(given)
            case Counted():
                return self._counted(given)
            case StopAsked():
                return [StopRequested() if given.level == 1 else StopNow()]
            case PauseAsked():
                self.world.paused = given.paused
                return []
            case ClockJumped():
                return self._jumped(given)
            case Reconfigured():
                return []  # the desk has swapped them
            case Relisted():
                return self._relisted(given)
            case Started():
                return self._started(given)
            case Recalled():
                self._recalled(given)
                return NOTHING_NEW
            case LeftOut():
                self.effects.extend(told_left_out(given))
                return NOTHING_NEW
            case SourceChecked():
                return NOTHING_NEW  # for the journal, which a later run reads
            case Carried():
                self._carried(given)
                return NOTHING_NEW

    def _relisted(self, given: Relisted) -> list[StrategyEvent]:
        """Other steps count from the next order on, a hedge's as well: nobody takes one whose price is refused."""
        world = self.world
        before = world.instruments[given.account]
        after = replace(before, tick=given.tick, lot=given.lot, min_qty=given.min_qty, min_notional=given.min_notional)
        if after == before:
            return NOTHING_NEW
        world.instruments[given.account] = after
        world.price_doubts.pop(given.account, None)  # what was guessed meanwhile is known now
        names = ("tick", "lot", "min_qty", "min_notional")
        changes = {
            name: f"{getattr(before, name)} -> {getattr(after, name)}"
            for name in names
            if getattr(before, name) != getattr(after, name)
        }
        words = ", ".join(f"{name} {change}" for name, change in changes.items())
        text = f"{given.account}: {before.symbol} is traded otherwise now: {words}"
        self.effects.append(Alert(Level.PERSON, "relisted", text, changes))
        return []

    def _recalled(self, given: Recalled) -> None:
        """Nobody looks after an order whose end was never seen, and it would count as in flight for ever: ask (S4)."""
        orders = self.world.orders
        orders.recall(given, self.world.now_ns)
        order = orders.get(given.client_id)
        if order is not None and order.live:
            order.unknown = True
            self.effects.extend(self.inquiry.look(order))

    def _carried(self, given: Carried) -> None:
        """S1, S15: what earlier runs left is ours, as if this run had made it; their orders may still fill."""
        world = self.world
        world.untold = frozenset(given.untold)
        world.left_over, world.left_until_ns = True, NEVER_NS  # the wait ends when all accounts were asked
        for held in given.held:
            world.baseline[held.account] = held.baseline
            world.ledger.carry(held.account, held.ours)
        for recalled in given.orders:
            world.orders.recall(recalled, world.now_ns)
            order = world.orders.all[recalled.client_id]
            order.unknown = order.live
        if self.hedging is not None and self.hedging.gate is not None:
            lots = (Lot(it.qty, it.price, world.now_ns - it.age_ms * MS, it.order_id, it.trade_id) for it in given.lots)
            self.hedging.gate.lots.take_over(lots, world.exposure)

    def _settle_carried(self) -> None:
        """All accounts are connected: ask about the orders of earlier runs (S4); the flow ends those that rest.

        Answers that come one after the other are judged together: half of a hedged fill is no exposure.
        """
        world = self.world
        for order in [*world.orders.covering.values(), *world.orders.resting.values()]:
            self.effects.extend(self.inquiry.look(order))
        world.left_until_ns = until_ns = world.now_ns + RESYNC_NS
        self.effects.append(ArmTimer(HEDGING, "resync", 0, until_ns))

    def _started(self, given: Started) -> list[StrategyEvent]:
        world = self.world
        world.started = True
        for position in given.positions:
            name = position.account
            if position.symbol != world.instruments[name].symbol or name in world.baseline:
                continue
            spot = world.instruments[name].kind is MarketKind.SPOT  # a balance to trade with, not a position
            meant = spot or bool(world.heard)  # beside a source it holds hedges, which stay
            ours = world.plan.accounts[name].dedicated and position.qty != 0 and not meant
            world.baseline[name] = ZERO if ours else position.qty
            if ours:  # the whole account is this engine's: what is on it goes first, whoever left it
                world.left_over = True
                world.ledger.carry(name, position.qty)
        if world.left_over:
            self._settle_carried()
        for margin in given.margins:
            world.margins[margin.account] = margin
        self.risk.began(given.day)
        # What a full disk kept from the journal shows only here: better before much is traded on wrong books.
        wait_ns = RESYNC_NS if world.left_over else RECONCILE_NS
        self.effects.append(ArmTimer(DESK, "reconcile", 0, world.now_ns + wait_ns))
        return self.breaches(self.risk.money())

    def _fill(self, fill: Fill) -> list[StrategyEvent]:
        world = self.world
        events: list[StrategyEvent] = []
        if fill.symbol != world.instruments[fill.account].symbol:
            return []  # another market of the account: not this desk's (S1)
        if fill.account in world.heard:
            return self._source_fill(fill)
        order = world.orders.get(fill.client_id) if fill.client_id else None
        if order is None:
            return self._foreign_fill(fill)
        before, was_terminal = order.state, order.state.terminal
        news = world.orders.apply_fill(fill, world.now_ns)
        if news is None:
            return NOTHING_NEW
        if not world.started:
            order.unknown = order.live  # S4: a row tells nothing of the rest of an earlier run's order
        if (fill.venue, fill.symbol) in self._shared_books:
            self._self_match(fill)
        self._count(fill, news, order.purpose)
        if before is _FAILED and news > 0:
            self.effects.append(_alive_after_all(order, news))
        if order.purpose not in COVERING:
            world.quote(fill.account)  # so that the journal has the mid against which the fill is judged afterwards
        events += self.breaches(self.risk.after_fill())
        if news > 0:
            self._progress(order, news, fill.price)
        if order.purpose in COVERING:
            self._covering_changed(order, before)
        elif news > 0 or order.state is not before:
            events.append(self._order_event(order, late=was_terminal))
        return events

    def _source_fill(self, fill: Fill) -> list[StrategyEvent]:
        """A fill of an account that is only listened to: somebody else's order, ours to hedge, once (S5)."""
        world = self.world
        ends_batch = self._batched(fill)
        if not world.orders.first_heard(fill):
            return [] if ends_batch else NOTHING_NEW
        before = world.ledger.exposure
        self._count(fill, fill.qty, _SOURCE)
        self._tell_again()
        if before != 0 and world.ledger.exposure == 0 and not world.orders.covering:
            self.effects.append(
                Alert(
                    Level.INFO, "net_zero",
                    f"{fill.account}: {fill.side.value} {fill.qty} {fill.symbol} at {fill.price} closes what was open;"
                    " nothing is to be hedged",
                    {"account": fill.account, "order_id": fill.order_id, "trade_id": fill.trade_id},
                )
            )  # fmt: skip
        return self.breaches(self.risk.after_fill())

    def _batched(self, fill: Fill) -> bool:
        """Requirement 11: rows of one answer are all counted before what they come to is hedged; is this the last?"""
        world = self.world
        if fill.more:
            if not world.batch_until_ns:
                world.batch_until_ns = until_ns = world.now_ns + BATCH_NS
                self.effects.append(ArmTimer(HEDGING, "batch", 0, until_ns))
            return False
        if not world.batch_until_ns:
            return False
        world.batch_until_ns = 0
        self.effects.append(DisarmTimer(HEDGING, "batch", 0))
        return True

    def _tell_again(self) -> None:
        """Beside a source the run goes on after too much was open; the next time is told again, from half of it on."""
        if self._breached and 2 * abs(self.world.exposure) <= self.world.plan.limits.unhedged_hard:
            self._breached -= {"unhedged", "net"}

    def _count(self, fill: Fill, news: Decimal, purpose: Purpose | None) -> None:
        """Into the ledger; at which price and since when the exposure changed, where the hedging rule asks for it."""
        ledger = self.world.ledger
        known = len(ledger.other_fees)
        delta = ledger.add_fill(fill, news, purpose)
        if self.hedging is not None and self.hedging.gate is not None and delta:
            self.hedging.gate.lots.add(Lot(delta, fill.price, self.world.now_ns, fill.order_id, fill.trade_id))
        if len(ledger.other_fees) > known:
            self.effects.append(
                Alert(
                    Level.WARNING, "fee_uncounted",
                    f"{fill.account} pays fees in {fill.fee_asset}, which is neither base nor quote of {fill.symbol}:"
                    " profit and the limits on loss leave them out",
                    {"account": fill.account, "asset": fill.fee_asset, "trade_id": fill.trade_id},
                )
            )  # fmt: skip

    def _foreign_fill(self, fill: Fill) -> list[StrategyEvent]:
        """A fill that no order in memory caused: exposure all the same (S9, S12), once (S5)."""
        if not self.world.orders.first_seen(fill):
            return []
        if not self.world.started and fill.account not in self.world.baseline:
            return []  # the positions that the run begins with are being read, and have it in them (S1)
        self._count(fill, fill.qty, None)
        settled = fill.kind is _SETTLEMENT
        self.effects.append(
            Alert(
                Level.INFO if settled else Level.PERSON, f"fill_{fill.kind.value}",
                f"{fill.account}: {fill.kind.value} {fill.side.value} {fill.qty} {fill.symbol} at {fill.price},"
                " no order of this run; it counts as exposure and is hedged",
                {"account": fill.account, "trade_id": fill.trade_id, "client_id": fill.client_id},
            )
        )  # fmt: skip
        events: list[StrategyEvent] = (
            [] if settled else [LimitBreached(limit=f"foreign {fill.kind.value}", policy="reduce")]
        )
        return events + self.breaches(self.risk.after_fill())

    def _self_match(self, fill: Fill) -> None:
        """S8: both sides of one trade are ours: its exposure is still open, and opening stops."""
        key = (fill.venue, fill.symbol, fill.trade_id)
        owner = self._trade_owner.get(key)
        if owner is None:
            if len(self._trades) == MATCHES_KEPT:
                self._trade_owner.pop(self._trades[0], None)
            self._trades.append(key)
            self._trade_owner[key] = fill.account
        elif owner != fill.account and not self.world.self_matched:
            self.world.self_matched = True
            self.effects.append(
                Alert(
                    Level.PERSON, "self_match",
                    f"{owner} and {fill.account} traded with each other ({fill.qty} {fill.symbol}); no opening until a"
                    " person has looked: stop the run, check self-trade prevention, start again",
                    {"trade_id": fill.trade_id},
                )
            )  # fmt: skip

    def _update(self, update: OrderUpdate) -> list[StrategyEvent]:
        world = self.world
        order = world.orders.get(update.client_id)
        if order is None:
            return []  # not ours, or long ended: reconcile compares positions (S1, S17)
        before, was_terminal, was_unknown = order.state, order.state.terminal, order.unknown
        news = world.orders.apply_update(update, world.now_ns)
        if not news and order.state is before and not was_unknown:
            return NOTHING_NEW
        events: list[StrategyEvent] = []
        if news > 0:
            delta = world.ledger.add_provisional(order.account, order.side, news, order.purpose)
            self._open_provisional(order, delta)
            self._progress(order, news, order.price)
            events += self.breaches(self.risk.after_fill())
        if was_terminal and order.live:
            self._revived(order)
        elif order.purpose in COVERING:
            self._covering_changed(order, before)
        elif news > 0 or order.state is not before:
            events.append(self._order_event(order, late=was_terminal))
        return events

    def _revived(self, order: Order) -> None:
        self.effects += self.world.cancel_all([order])
        self.effects.append(check_timer(order.client_id, self.world.now_ns + CHECK_NS))
        self.effects.append(
            Alert(
                Level.WARNING, "order_revived",
                f"{order.account}: the venue shows {order.client_id} ({order.side.value} {order.qty}), of which it knew"
                " nothing until now; it was given up, and is cancelled",
                {"account": order.account, "client_id": order.client_id},
            )
        )  # fmt: skip

    def _open_provisional(self, order: Order, delta: Decimal) -> None:
        """Only what goes beyond the exposure has a price at all, and that of a market order comes with its rows."""
        if self.hedging is not None and self.hedging.gate is not None:
            lots = self.hedging.gate.lots
            price = order.price or lots.beyond(ZERO).price
            lots.add(Lot(delta, price, self.world.now_ns, order.order_id))

    def _progress(self, order: Order, news: Decimal, price: Decimal | None) -> None:
        leg = self.legs.get(order.leg)
        if leg is not None:
            leg.count(order, news, price)

    def _covering_changed(self, order: Order, before: OrderState) -> None:
        if order.state is before or not order.state.terminal:
            return
        self.effects.append(check_over(order.client_id))
        wait_ns = self.world.covering_ended(order)
        if wait_ns >= UNWILLING_NS:
            self.effects.append(_unwilling(order, wait_ns))
        if self.hedging is None:
            return
        if order.state is _FAILED:
            self.effects.extend(self.hedging.refused(order))
        else:
            self.hedging.ended(order)

    def _order_event(self, order: Order, *, late: bool) -> OrderEvent:
        leg = self.legs[order.leg]
        late = late or order.client_id != leg.newest
        facts = (order.leg, late, order.done_qty)
        match order.state:
            case OrderState.PARTIALLY_FILLED:
                return OrderPartiallyFilled(*facts)
            case OrderState.FILLED:
                return OrderFilled(*facts)
            case OrderState.CANCELED:
                return OrderCanceled(*facts)
            case OrderState.FAILED:
                return OrderRefused(*facts, reason=order.refusal.value if order.refusal else "venue")
            case _:
                return OrderAccepted(*facts)

    def _answered(self, given: Answered) -> list[StrategyEvent]:
        order = self.world.orders.get(given.client_id)
        if order is None:
            return []
        if given.request is _CANCEL:
            if isinstance(given.reply, Accepted) or not order.live:
                return NOTHING_NEW
            self.effects.extend(self.inquiry.look(order))  # cancelled again after a while, not at once
            return [] if order.purpose in COVERING else [CancelRefused(order.leg)]
        if isinstance(given.reply, Accepted):
            order.order_id = order.order_id or given.reply.order_id
            was_unknown, order.unknown = order.unknown, False
            return [] if was_unknown else NOTHING_NEW
        if isinstance(given.reply, Refused):
            return self._failed(order, given.reply)
        if given.reply.dead_ns:  # exactly so long, and not as if it had left at the last moment that it may
            order.dead_after_ns = given.reply.dead_ns + DEAD_MARGIN_NS
        return self._lost(order)

    def _failed(self, order: Order, reply: Refused) -> list[StrategyEvent]:
        if order.state is not _PENDING:
            return []  # frames of the order came before a refusal that cannot be true
        before = order.state
        self.world.orders.fail(order, reply.refusal, self.world.now_ns)
        if reply.refusal is _PRICE:
            self.world.price_refused(order.account)
        if order.purpose in COVERING:
            self._covering_changed(order, before)
            return []
        return [self._order_event(order, late=False)]

    def _lost(self, order: Order) -> list[StrategyEvent]:
        """No trustworthy answer: ask until the order is found or provably dead (S4)."""
        if order.state is not _PENDING:
            return []
        order.unknown = True
        self.effects.extend(self.inquiry.look(order))
        self.effects.append(
            Alert(
                Level.WARNING, "outcome_unknown",
                f"{order.account}: outcome of {order.client_id} ({order.side.value} {order.qty}) unknown, asking",
                {"account": order.account, "client_id": order.client_id},
            )
        )  # fmt: skip
        return [] if order.purpose in COVERING else [OrderUnknown(order.leg, False, order.done_qty)]

    def _not_sent(self, given: NotSent) -> list[StrategyEvent]:
        order = self.world.orders.get(given.client_id)
        if order is None:
            return []
        rate = self.world.rates[order.account]
        if given.request is _CANCEL:
            rate.give_back(order.cancel_ns)
            order.cancel_ns = 0
            return [] if order.purpose in COVERING else [CancelRefused(order.leg)]
        if order.state is not _PENDING:
            return []
        rate.give_back(order.created_ns)
        self.world.orders.fail(order, None, self.world.now_ns)
        if order.purpose in COVERING:
            if self.hedging is not None:
                self.hedging.not_sent(order)
            return []
        return [OrderNotSent(order.leg, order.client_id != self.legs[order.leg].newest, order.done_qty)]

    def _looked(self, given: Looked) -> list[StrategyEvent]:
        world = self.world
        order = world.orders.get(given.client_id)
        events: list[StrategyEvent] = []
        if order is not None:
            standing = given.token == 0
            if standing:
                order.asked = False
            if given.update is not None:
                events = self._update(given.update)
            elif given.ok and order.live:
                events = self._unknown_there(order, standing=standing)
            elif standing and order.live and order.unknown:
                self.effects.append(self.inquiry.look_again(order))  # no answer: what it covers is open meanwhile
        return events

    def _unknown_there(self, order: Order, *, standing: bool) -> list[StrategyEvent]:
        """The venue knows no such order: not yet, never, or no more. Ask on until one of these is certain (S4)."""
        world, before = self.world, order.state
        if order.state is not _PENDING or order.order_id:  # an order that the venue has given an id may only be slow
            order.missing_ns = order.missing_ns or world.now_ns
            trusted = world.links[order.account] is _TRUSTED
            if not trusted or world.now_ns - order.missing_ns < MISSING_NS:
                return self._ask_on(order)
            world.orders.lose(order, world.now_ns)
            self.effects.append(
                Alert(
                    Level.PERSON, "order_lost",
                    f"{order.account}: the venue no longer knows {order.client_id}; taken as ended with"
                    f" {order.done_qty} of {order.qty} filled, look at the account",
                    {"account": order.account, "client_id": order.client_id},
                )
            )  # fmt: skip
        elif standing and order.asked_ns > self.inquiry.certain_after_ns(order):
            order.missing_ns = world.now_ns
            world.orders.fail(order, None, world.now_ns)
        else:
            return self._ask_on(order)
        if order.purpose in COVERING:
            self._covering_changed(order, before)
            return []
        self.effects.append(check_over(order.client_id))  # the journal learns of its end by that
        return [self._order_event(order, late=False)]

    def _ask_on(self, order: Order) -> list[StrategyEvent]:
        self.effects.append(self.inquiry.look_again(order))
        return []

    def _counted(self, given: Counted) -> list[StrategyEvent]:
        for margin in given.margins:
            self.world.margins[margin.account] = margin
        events = self.breaches(self.risk.accounts(given.margins, given.positions))
        if not self.comparable(given):
            self._not_compared(standing=given.token == STANDING)
            return events
        self._uncompared, self.world.uncompared = 0, False
        wrong = self.differences(given)
        self.world.positions_doubted = bool(wrong)
        self._doubts = self._doubts + 1 if wrong else 0
        if not wrong:
            return events
        self.effects.append(
            Alert(
                Level.PERSON, "positions_differ", "ledger and venue differ: " + "; ".join(wrong),
                {"reading": str(self._doubts)},
            )
        )  # fmt: skip
        if self._doubts < 2:
            self.effects.append(ArmTimer(DESK, "reconcile", 0, self.world.now_ns + S))
            return events
        return events + self._breach("positions differ", "distrust")

    def _not_compared(self, *, standing: bool) -> None:
        """S17: then again, soon; no quiet cut for long stops opening, and with nothing opened the next one is quiet."""
        if not standing or not self.world.started:
            return
        self.effects.append(ArmTimer(DESK, "reconcile", 0, self.world.now_ns + COMPARE_AGAIN_NS))
        self._uncompared += 1
        if self._uncompared == UNCOMPARED_MOST:
            self.world.uncompared = True
            text = "ledger and venues could not be compared for five minutes; nothing opens until they are"
            self.effects.append(Alert(Level.WARNING, "not_compared", text, {"readings": str(UNCOMPARED_MOST)}))

    def comparable(self, given: Counted) -> bool:
        """S17: a reading counts over a quiet cut, and not while a lost stream may still owe us fills.

        Nor while an order of an earlier run is unknown: what it filled is in the positions and not in the ledger.
        """
        links = self.world.links
        if self.world.left_over and self.world.unknown:
            return False
        return given.ok and given.quiet and (links.all_trusted or self._traded_trusted())

    def _traded_trusted(self) -> bool:
        """A source that is away owes fills of its own account, which is not compared."""
        world = self.world
        return bool(world.heard) and all(world.links[name] is _TRUSTED for name in world.traded)

    def differences(self, given: Counted) -> list[str]:
        """S17: compared over a quiet cut only; a symbol that the venue leaves out is flat."""
        world = self.world
        told = {
            position.account: position.qty
            for position in given.positions
            if position.symbol == world.instruments[position.account].symbol
        }
        return [
            f"{name}: ledger {expected} venue {told.get(name, ZERO)}"
            for name, book in world.ledger.books.items()
            if name not in world.heard
            and told.get(name, ZERO) != (expected := world.baseline.get(name, ZERO) + book.position)
        ]

    def _link(self, given: LinkUpdate) -> list[StrategyEvent]:
        before = self.world.links.put(given.account, given.state)
        if self.world.links.all_trusted:
            self.world.resync_until_ns = 0
        elif given.state is _RESYNC and not self.world.resync_until_ns:
            # One wait until all are trusted again: a stream that comes and goes must not hold up hedges for ever (S3).
            self.world.resync_until_ns = until_ns = self.world.now_ns + RESYNC_NS
            self.effects.append(ArmTimer(HEDGING, "resync", 0, until_ns))
        if given.state is _LOST and before is not _LOST:
            return [LinkLost(given.account)]
        if given.state is _TRUSTED and before is not _TRUSTED:
            if self.world.started:
                self._ask_unknown(given.account)
            return [LinkTrusted(given.account), *self.breaches(self.risk.after_fill())]
        return []

    def _ask_unknown(self, account: str) -> None:
        """The account is back: what its resync left unknown is asked now, not when its next turn comes (S4).

        Orders of earlier runs are asked about when all accounts are there.
        """
        orders = self.world.orders
        for order in [*orders.covering.values(), *orders.resting.values()]:
            if order.account == account and order.unknown:
                self.effects.extend(self.inquiry.look(order))

    def _market(self, given: MarketSeen) -> list[StrategyEvent]:
        before = self.world.market
        self.world.market = given
        self.risk.price_left()
        if given.open == before.open and given.reason == before.reason:
            return []
        return [MarketOpened()] if given.open else [MarketClosed(given.reason or "none")]

    def _jumped(self, given: ClockJumped) -> list[StrategyEvent]:
        """S14: no stream is trusted until it is resynced; the runtime reconnects every account."""
        world = self.world
        self.effects.append(
            Alert(
                Level.PERSON, "clock_jumped", f"the machine stood still for {given.gap_ns // 1_000_000} ms; resyncing",
                {"gap_ns": str(given.gap_ns)},
            )
        )  # fmt: skip
        return [LinkLost(name) for name in world.links.lose_all()]

    def _timer(self, given: TimerFired) -> list[StrategyEvent]:
        world = self.world
        if given.owner == DESK:
            if world.left_over and world.unknown:
                self.effects.append(ArmTimer(DESK, "reconcile", 0, world.now_ns + S))
                return self.breaches(self.risk.money())
            self.effects.append(ArmTimer(DESK, "reconcile", 0, world.now_ns + RECONCILE_NS))
            self.effects.append(AskPositions(accounts=world.traded, token=STANDING))
            return self.breaches(self.risk.money())
        if given.owner == INQUIRY:
            asked = self.inquiry.timer(given.name)
            self.effects.extend(asked)
            return [] if asked else NOTHING_NEW  # of an order that has ended or was found: nothing has happened
        if given.owner != HEDGING or self.hedging is None:
            return []
        if given.name in ("soft age", "hard age") and given.epoch != self.hedging.epoch:
            return []  # of an exposure that is over
        if given.name == "soft age" and self.hedging.since_ns is not None:
            self.effects.append(self._unhedged_alert(Level.WARNING, "unhedged_soft"))
            self.effects.append(self.hedging.hard_age())
        elif given.name == "hard age" and self.hedging.since_ns is not None:
            self.effects.append(self._unhedged_alert(Level.PERSON, "unhedged_hard"))
            self.effects.append(self.hedging.hard_age())
            return self._breach("age of unhedged size", "reduce")
        elif given.name in ("resync", "batch"):
            world.batch_until_ns = 0
            return self.breaches(self.risk.after_fill())
        else:
            self.effects.extend(self.hedging.timer(given.name))
        return []

    def _unhedged_alert(self, level: Level, code: str) -> Alert:
        assert self.hedging is not None
        assert self.hedging.since_ns is not None
        age_ms = (self.world.now_ns - self.hedging.since_ns) // 1_000_000
        return Alert(
            level, code, f"{self.world.exposure} {self.world.plan.market} unhedged for {age_ms} ms",
            {"exposure": str(self.world.exposure), "age_ms": str(age_ms)},
        )  # fmt: skip

    # --- limits (E15)

    def breaches(self, found: list[Breach]) -> list[StrategyEvent]:
        return [event for breach in found for event in self._breach(breach.limit, breach.policy)] if found else []

    def _breach(self, limit: str, policy: str) -> list[StrategyEvent]:
        """Tell the chart once per kind of breach; it stays halted. One that has not begun would never hear of it."""
        if not self.world.started:
            return []
        kind = limit.split(" ", 1)[0]
        if kind in self._breached:
            return []
        self._breached.add(kind)
        self.world.trouble = self.world.trouble or limit
        if policy == "distrust":
            self.world.distrusted = True
        self.effects.append(Alert(Level.PERSON, "limit", limit, {"policy": policy}))
        return [LimitBreached(limit=limit, policy=policy)]


def _alive_after_all(order: Order, news: Decimal) -> Alert:
    return Alert(
        Level.WARNING, "order_revived",
        f"{order.account}: {order.client_id} has filled {order.side.value} {news} after it was given up: the venue had"
        " known nothing of it; it counts, and what it opens is hedged",
        {"account": order.account, "client_id": order.client_id},
    )  # fmt: skip


def _unwilling(order: Order, wait_ns: int) -> Alert:
    """E13: an account that takes nothing, again and again, is for a person; it is tried on, ever less often."""
    why = order.refusal.value if order.refusal is not None else "nothing filled"
    return Alert(
        Level.PERSON, "account_unwilling",
        f"{order.account} takes none of our {order.purpose.value} orders ({why}); look at the account, its next slice"
        f" is {wait_ns // S} s away",
        {"account": order.account, "client_id": order.client_id, "why": why},
    )  # fmt: skip
