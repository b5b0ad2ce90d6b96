"""Everything that venues, streams, clocks and people may do to a desk: the environment of a proof.

A state is a numbered desk beside small tuples: what each venue knows of an order, what is on its way, armed timers.
Without a fault a frame is delivered with its cause: a desk cannot tell an order that fills late from one whose frame is
late, as long as no answer overtakes the stream (docs/decisions/0007-proving.md). A fault costs one of the budget.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from engine.trading.desk import CHART
from engine.trading.hedging import OWNER as HEDGING
from engine.trading.inputs import MarketSeen, Request
from engine.trading.inquiry import OWNER as INQUIRY
from engine.verify.projection import DEAD, UNKNOWN
from engine.verify.stepper import (
    STALE,
    Arm,
    Ask,
    Broke,
    Cancel,
    Count,
    Disarm,
    Done,
    End,
    Expire,
    GiveAnswer,
    GiveCount,
    GiveFill,
    GiveForeign,
    GiveLink,
    GiveLook,
    GiveMarket,
    Given,
    GiveNotSent,
    GiveStop,
    GiveTimer,
    GiveUpdate,
    Hop,
    Left,
    MinuteOver,
    Place,
    Rested,
    Spent,
    Stepper,
    Told,
)
from engine.verify.symmetry import Swap, moved
from exchanges.types import LinkState, OrderState

PLACE, CANCEL = Request.PLACE, Request.CANCEL
LOST, RESYNC, TRUSTED = LinkState.LOST, LinkState.RESYNC, LinkState.TRUSTED
FILLED, CANCELED, OPEN_STATE, PARTLY = (
    OrderState.FILLED,
    OrderState.CANCELED,
    OrderState.OPEN,
    OrderState.PARTIALLY_FILLED,
)
PENDING = OrderState.PENDING

SOURCE_FILLS = (2, 1, -1)  # in lots of the source: what a hedge account can trade, and what it cannot
# On its way; the same, given up by the client; resting; ended; never booked. Then those on which the client still
# waits: never booked, and on its way for longer than it will wait.
SENT, LATE, OPEN, DONE, GONE, LOST_REQUEST, LATE_REQUEST = range(7)
WAITED_FOR = frozenset({SENT, LOST_REQUEST, LATE_REQUEST})
MAY_FILL = frozenset({SENT, LATE, OPEN, LATE_REQUEST})
NOT_FLAT = "the flow ends flat, or says that it does not"
PATIENT = frozenset({(HEDGING, "again"), (HEDGING, "resync")})  # fire also while an outcome is unknown or a stream lost

MARKET_SHUT = MarketSeen(open=False, reason="volatile", text="the market moves")
MARKET_OPEN = MarketSeen(open=True, reason="", text="")


class VenueOrder(NamedTuple):
    """An order as its venue knows it."""

    account: int
    sign: int
    qty: int
    rests: bool
    reduce_only: bool
    status: int
    fills: tuple[int, ...]
    cancel: int  # 0: none, 1: a cancel is on its way, 2: the venue has said that it will

    @property
    def cum(self) -> int:
        return sum(self.fills)


class Frame(NamedTuple):
    """A private frame that is late: `row` of a fill, `open`, `end`, or `foreign`."""

    kind: str
    place: int
    row: int
    qty: int


class Timer(NamedTuple):
    number: int
    after: int  # timers that must fire before it: armed earlier and due no later, as bits of their numbers
    ripe: bool  # nothing that was on its way when it was armed still is


class State(NamedTuple):
    """One state of a proof."""

    desk: int
    orders: tuple[VenueOrder, ...]
    queues: tuple[tuple[Frame, ...], ...]
    asks: tuple[tuple[str, int], ...]  # questions on their way: (who asked, place; 0 for positions)
    timers: tuple[Timer, ...]
    truth: tuple[int, ...]  # positions at the venues
    refusing: tuple[int, ...]  # accounts that refuse from now on
    stopped: int
    depth: int  # how often the outside world moved since nothing was on its way


class Action(NamedTuple):
    """One thing that happens. `fault` of the budget; `who` and `what` are for the trace."""

    kind: str
    place: int = 0
    account: int = -1
    qty: int = 0
    detail: str = ""
    fault: int = 0


class Step(NamedTuple):
    """What one action leads to: a state for every choice inside; `done` is what the desk did, `broke` which rules."""

    action: Action
    state: State
    broke: tuple[str, ...]
    done: tuple[Done, ...]
    given: tuple[Given, ...]
    draws: tuple[int, ...]
    cleared: tuple[tuple[str, int], ...]  # orders that were forgotten, or whose rows became one, by their place then


class Scratch:
    """A state being changed."""

    __slots__ = (
        "_of", "asks", "broke", "cleared", "depth", "desk", "done", "draws", "orders", "queues", "refusing", "stopped",
        "timers", "truth",
    )  # fmt: skip

    def __init__(self, state: State) -> None:
        self._of = state
        self.desk = state.desk
        self.orders = list(state.orders)
        self.queues = list(state.queues)
        self.asks = list(state.asks)
        self.timers = list(state.timers)
        self.truth = list(state.truth)
        self.refusing = state.refusing
        self.stopped = state.stopped
        self.depth = state.depth
        self.broke: list[str] = []
        self.done: list[Done] = []
        self.cleared: list[tuple[str, int]] = []
        self.draws: tuple[int, ...] = ()

    def fork(self) -> Scratch:
        twin = Scratch(self._of)
        twin.desk, twin.refusing, twin.stopped, twin.depth = self.desk, self.refusing, self.stopped, self.depth
        twin.orders, twin.queues, twin.asks, twin.timers = [*self.orders], [*self.queues], [*self.asks], [*self.timers]
        twin.truth, twin.broke, twin.done, twin.cleared = [*self.truth], [*self.broke], [*self.done], [*self.cleared]
        twin.draws = self.draws
        return twin

    def move(self, swap: Swap) -> None:
        """Equal accounts change places: what each venue knows goes along."""
        self.orders = [it._replace(account=swap[it.account]) for it in self.orders]
        self.queues, self.truth = list(moved(tuple(self.queues), swap)), list(moved(tuple(self.truth), swap))
        self.refusing = tuple(sorted([swap[place] for place in self.refusing]))


class Venues:
    """Which states may follow a state."""

    def __init__(
        self, stepper: Stepper, *, accounts: tuple[str, ...], lots: tuple[int, ...], takers: tuple[int, ...],
        faults: frozenset[str], depth: int, heard: tuple[int, ...] = (), fills: int = 0,
    ) -> None:  # fmt: skip
        """`heard` are accounts on which somebody else trades, `fills` how often in all."""
        self._heard = heard
        self._most_fills = fills
        self._stepper = stepper
        self._accounts = accounts
        self._number = {name: n for n, name in enumerate(accounts)}
        self._lots = lots
        self._takers = takers
        self._faults = faults
        self._depth = depth
        self._timer_keys: list[tuple[str, str | int, int, int]] = []
        self._timer_numbers: dict[tuple[str, str | int, int, int], int] = {}
        self._state: State
        self._out: list[Step]

    # --- the first state

    def first(self, desk: int, done: tuple[Done, ...]) -> State:
        zero = (0,) * len(self._accounts)
        scratch = Scratch(State(desk, (), ((),) * len(zero), (), (), zero, (), 0, 0))
        self._do(scratch, done)
        return self._frozen(scratch)

    def adopt(self, other: Venues) -> bool:
        """Number timers as `other` does. False, and nothing done, where the two began apart."""
        if self._timer_keys != other._timer_keys[: len(self._timer_keys)]:
            return False
        self._timer_keys, self._timer_numbers = list(other._timer_keys), dict(other._timer_numbers)
        return True

    # --- what may happen

    def steps(self, state: State, *, faults: bool) -> list[Step]:
        """Everything that may happen next, in a fixed order; nothing once the flow has finished."""
        self._state = state
        self._faulty = faults
        out: list[Step] = []
        self._out = out
        self._nothing_else = False
        self._look(state)
        if not any(not step.action.fault for step in out):
            self._nothing_else = True  # a world that stands still has all the time it needs
            out.clear()
            self._look(state)
            if self._heard and not out and not self.key.switches[7]:
                self._happen(Action("nothing more fills"), [])  # a flow that listens may listen for ever
        return out

    def _look(self, state: State) -> None:
        self.key = key = self._stepper.keys[state.desk]
        if key.switches[7]:
            return
        self.links = key.links
        self._overlaps = state.depth < self._depth or self._nothing_else
        for at, order in enumerate(state.orders):
            place = at + 1
            if order.status == SENT:
                self._sent(place, order)
            elif order.status == LATE:
                self._late(place, order)
            elif order.status == OPEN:
                self._resting(place, order)
            elif order.status != DONE and order.status != GONE:
                after = GONE if order.status == LOST_REQUEST else LATE
                given_up: list[Given] = [GiveAnswer(place, PLACE, "unknown")]
                self._happen(Action("given up", place, order.account), given_up, self._set(place, status=after))
            if order.cancel and order.status != SENT:
                self._cancelling(place, order)
            if order.status in (LATE, GONE):
                self._may_expire(place, order)
        for ask in dict.fromkeys(state.asks):
            self._asked(*ask)
        for account, queue in enumerate(state.queues):
            if queue and self.links[account] is TRUSTED:
                self._deliver(account, queue)
        for account, link in enumerate(self.links):
            self._link(account, link)
        self._timers()
        for name in key.slices:
            self._happen(Action("wait over", account=self._number[name]), [Rested(name)])
        self._market()
        for account in self._heard:
            self._somebody_else(account)
        self._compare()
        self._rates()
        self._people()

    def _happen(self, action: Action, given: list[Given], change: Scratch | None = None) -> None:
        scratch = change if change is not None else Scratch(self._state)
        for end in self._given(scratch, given):
            state = self._frozen(end)
            self._out.append(
                Step(
                    action, state, tuple(end.broke), tuple(end.done), tuple(given), end.draws, tuple(end.cleared)
                )
            )  # fmt: skip

    def _may(self, fault: str) -> bool:
        return self._faulty and fault in self._faults

    # --- requests

    def _sent(self, place: int, order: VenueOrder) -> None:
        account = order.account
        if order.rests:
            self._happen(*self._opens(place, order, Action("accepted", place, account)))
            if self._may("slow stream"):
                late = Action("accepted", place, account, detail="frame late", fault=1)
                self._happen(*self._opens(place, order, late))
            if self._may("ack lost"):
                self._happen(*self._opens(place, order, Action("ack lost", place, account, fault=1)))
            self._happen(
                Action("refused", place, account, detail="post_only"), [GiveAnswer(place, PLACE, "post_only")],
                self._set(place, status=GONE),
            )  # fmt: skip
            if self._may("refused"):
                self._happen(
                    Action("refused", place, account, detail="venue", fault=1), [GiveAnswer(place, PLACE, "venue")],
                    self._set(place, status=GONE),
                )  # fmt: skip
        else:
            self._takes(place, order)
        if self._may("lost request"):
            lost = Action("request lost", place, account, fault=1)
            self._happen(lost, [], self._set(place, status=LOST_REQUEST))
        if self._may("late request"):
            late = Action("request late", place, account, fault=1)
            self._happen(late, [], self._set(place, status=LATE_REQUEST))
        held_back = self._spent(account)  # until it is stale
        if held_back or (order.rests and self._may("not sent")):
            dropped = Action("not sent", place, account, fault=int(not held_back))
            self._happen(dropped, [GiveNotSent(place, PLACE)], self._set(place, status=GONE))

    def _opens(self, place: int, order: VenueOrder, action: Action) -> tuple[Action, list[Given], Scratch]:
        scratch = self._set(place, status=OPEN)
        given: list[Given] = [GiveAnswer(place, PLACE, "unknown" if action.kind == "ack lost" else "accepted")]
        given += self._told(scratch, order.account, [Frame("open", place, 0, 0)], slow=bool(action.fault))
        return action, given, scratch

    def _takes(self, place: int, order: VenueOrder) -> None:
        account, most = order.account, self._reach(order)
        if account in self._state.refusing:
            self._happen(
                Action("refused", place, account, detail="margin"), [GiveAnswer(place, PLACE, "margin")],
                self._set(place, status=GONE),
            )  # fmt: skip
            return
        if most == 0:
            self._happen(
                Action("refused", place, account, detail="reduce_only"), [GiveAnswer(place, PLACE, "reduce_only")],
                self._set(place, status=GONE),
            )  # fmt: skip
            return
        self._fills(place, order, most, Action("taken", place, account, most))
        if self._may("partial"):
            for part in range(0, most, self._lots[account]):
                self._fills(place, order, part, Action("taken", place, account, part, fault=1))
        if self._may("refused"):
            self._happen(
                Action("refused", place, account, detail="margin", fault=1), [GiveAnswer(place, PLACE, "margin")],
                self._set(place, status=GONE),
            )  # fmt: skip
        others = len(self._takers) - len(self._state.refusing)  # beside a source nobody else could take it back
        if account in self._takers and self._may("always refuses") and (others > 1 or not self._heard):
            scratch = self._set(place, status=GONE)
            scratch.refusing = tuple(sorted({*scratch.refusing, account}))
            self._happen(
                Action("refuses from now on", place, account, fault=1), [GiveAnswer(place, PLACE, "margin")], scratch
            )
        if self._may("ack lost"):
            self._fills(place, order, most, Action("ack lost", place, account, most, fault=1))
        if self._may("slow stream"):
            self._fills(place, order, most, Action("taken", place, account, most, "frames late", 1))

    def _fills(self, place: int, order: VenueOrder, qty: int, action: Action) -> None:
        """An immediate order meets `qty` and ends."""
        scratch = self._set(place, status=DONE, fills=(qty,) if qty else ())
        scratch.truth[order.account] += order.sign * qty
        given: list[Given] = []
        if order.status == SENT:
            given.append(GiveAnswer(place, PLACE, "unknown" if action.kind == "ack lost" else "accepted"))
        frames = [Frame("row", place, 1, qty)] if qty else []
        if qty < order.qty:
            frames.append(Frame("end", place, 0, qty))
        slow = action.kind == "ack lost" or action.detail == "frames late"
        given += self._told(scratch, order.account, frames, slow=slow)
        self._happen(action, given, scratch)

    def _late(self, place: int, order: VenueOrder) -> None:
        """The client has given up, the request has not: until its validity passes it may arrive."""
        action = Action("arrives late", place, order.account)
        if self.key.orders[place - 1].flags & DEAD:
            return
        ways = [action]
        if self._may("slow stream") and self.links[order.account] is TRUSTED:
            ways.append(action._replace(detail="frames late", fault=1))
        for way in ways:
            if order.rests:
                scratch = self._set(place, status=OPEN)
                frames = [Frame("open", place, 0, 0)]
                self._happen(way, self._told(scratch, order.account, frames, slow=bool(way.fault)), scratch)
            elif order.account not in self._state.refusing and self._reach(order):
                self._fills(place, order, self._reach(order), way._replace(qty=self._reach(order)))

    def _may_expire(self, place: int, order: VenueOrder) -> None:
        known = self.key.orders[place - 1]
        if known.state is PENDING and not known.flags & DEAD:
            scratch = self._set(place, status=GONE)
            self._happen(Action("validity over", place, order.account), [Expire(place)], scratch)

    # --- resting orders

    def _resting(self, place: int, order: VenueOrder) -> None:
        most = self._reach(order) if self._overlaps else 0
        for qty in range(1, most + 1):
            self._happen(*self._filled(place, order, qty, Action("filled", place, order.account, qty)))
            live = self.links[order.account] is TRUSTED
            if self._may("slow stream") and live and not self._state.queues[order.account]:
                self._happen(
                    *self._filled(place, order, qty, Action("filled", place, order.account, qty, "frame late", 1))
                )
            if self._may("duplicate") and live:
                action, given, scratch = self._filled(
                    place, order, qty, Action("filled", place, order.account, qty, "told twice", 1)
                )
                scratch.queues[order.account] = (
                    *scratch.queues[order.account], Frame("row", place, len(order.fills) + 1, qty),
                )  # fmt: skip
                self._happen(action, given, scratch)
        if self._may("venue cancels"):
            self._happen(*self._ended(place, order, Action("venue cancels", place, order.account, fault=1)))

    def _filled(
        self, place: int, order: VenueOrder, qty: int, action: Action
    ) -> tuple[Action, list[Given], Scratch]:  # fmt: skip
        fills = (*order.fills, qty)
        scratch = self._set(place, fills=fills, status=DONE if sum(fills) >= order.qty else OPEN)
        scratch.depth += 1
        scratch.truth[order.account] += order.sign * qty
        given = self._told(
            scratch, order.account, [Frame("row", place, len(fills), qty)], slow=action.detail == "frame late"
        )
        return action, given, scratch

    def _ended(
        self, place: int, order: VenueOrder, action: Action, *, slow: bool = False, keep: bool = True
    ) -> tuple[Action, list[Given], Scratch]:
        scratch = self._set(place, status=DONE, cancel=order.cancel if keep else 0)
        given = self._told(scratch, order.account, [Frame("end", place, 0, order.cum)], slow=slow)
        return action, given, scratch

    def _reach(self, order: VenueOrder) -> int:
        """How much may still fill; reduce-only never turns a position around."""
        rest = order.qty - order.cum
        if not order.reduce_only:
            return rest
        held = self._state.truth[order.account] * -order.sign
        return max(0, min(rest, held))

    def _cancelling(self, place: int, order: VenueOrder) -> None:
        account = order.account
        if order.status != OPEN and order.cancel == 2:
            self._happen(Action("cancel too late", place, account), [], self._set(place, cancel=0))
        elif order.status != OPEN:
            self._happen(
                Action("cancel refused", place, account, detail="not_found"), [GiveAnswer(place, CANCEL, "not_found")],
                self._set(place, cancel=0),
            )  # fmt: skip
        else:
            action, given, scratch = self._ended(place, order, Action("canceled", place, account), keep=False)
            if order.cancel == 1:
                given = [*given, GiveAnswer(place, CANCEL, "accepted")]
            self._happen(action, given, scratch)
            if order.cancel == 2:
                return
            if self._may("slow cancel"):
                noted = Action("cancel noted", place, account, fault=1)
                self._happen(noted, [GiveAnswer(place, CANCEL, "accepted")], self._set(place, cancel=2))
            if self._may("slow stream"):
                late = Action("canceled", place, account, detail="frame late", fault=1)
                action, given, scratch = self._ended(place, order, late, slow=True, keep=False)
                self._happen(action, [*given, GiveAnswer(place, CANCEL, "accepted")], scratch)
            if self._may("cancel overtakes fill") and self.links[account] is TRUSTED:
                for qty in range(1, self._reach(order) + 1):
                    self._overtaken(place, order, qty)
            if self._may("ack lost"):
                action, given, scratch = self._ended(
                    place, order, Action("canceled", place, account, detail="reply lost", fault=1), keep=False
                )
                self._happen(action, [*given, GiveAnswer(place, CANCEL, "unknown")], scratch)
        if order.cancel == 1 and self._may("refused"):  # before the venue looks which order it is for
            busy = Action("cancel refused", place, account, detail="rate", fault=1)
            self._happen(busy, [GiveAnswer(place, CANCEL, "rate")], self._set(place, cancel=0))
        if order.cancel == 1 and self._spent(account):
            dropped = Action("cancel not sent", place, account)
            self._happen(dropped, [GiveNotSent(place, CANCEL)], self._set(place, cancel=0))
        if order.cancel == 1 and self._may("lost request"):
            self._happen(
                Action("cancel lost", place, account, fault=1), [GiveAnswer(place, CANCEL, "unknown")],
                self._set(place, cancel=0),
            )  # fmt: skip

    def _overtaken(self, place: int, order: VenueOrder, qty: int) -> None:
        """A last fill, then the end: the end is told first, with what had filled before."""
        account = order.account
        scratch = self._set(place, status=DONE, fills=(*order.fills, qty), cancel=0)
        scratch.truth[account] += order.sign * qty
        given = self._told(scratch, account, [Frame("end", place, 0, order.cum)])
        scratch.queues[account] += (Frame("row", place, len(order.fills) + 1, qty),)
        scratch.depth = self._depth  # until it is told, the outside world stands still
        action = Action("canceled", place, account, qty, "before it tells of a fill", 1)
        self._happen(action, [*given, GiveAnswer(place, CANCEL, "accepted")], scratch)

    # --- questions

    def _asked(self, of: str, place: int) -> None:
        scratch = Scratch(self._state)
        scratch.asks.remove((of, place))
        if place:
            order = self._state.orders[place - 1]
            state, cum = _truth(order)
            self._happen(Action("looked", place, order.account), [GiveLook(place, of, True, state, cum)], scratch)
            spent = self._spent(order.account)
            if spent or self._may("question fails"):
                scratch = Scratch(self._state)
                scratch.asks.remove((of, place))
                self._happen(
                    Action("look fails", place, order.account, fault=int(not spent)),
                    [GiveLook(place, of, False, None, 0)],
                    scratch,
                )
            return
        quiet = self._quiet(scratch)
        self._happen(Action("positions read"), [GiveCount(of, True, True, self._state.truth)], scratch)
        if not quiet:  # what is under way comes before the answer, or behind it
            scratch = Scratch(self._state)
            scratch.asks.remove((of, place))
            read = Action("positions read", detail="not quiet")
            self._happen(read, [GiveCount(of, True, False, self._state.truth)], scratch)
        if self._may("question fails"):
            scratch = Scratch(self._state)
            scratch.asks.remove((of, place))
            zero = (0,) * len(self._accounts)
            self._happen(Action("reading fails", fault=1), [GiveCount(of, False, False, zero)], scratch)

    # --- streams

    def _told(self, scratch: Scratch, account: int, frames: list[Frame], *, slow: bool = False) -> list[Given]:
        """What reaches the desk at once; the rest is queued, or lost with the stream."""
        if self.links[account] is not TRUSTED:
            kept = tuple(frame for frame in frames if frame.kind == "foreign")
            scratch.queues[account] += kept  # a resync tells of it
            return []
        if slow or scratch.queues[account]:
            scratch.queues[account] += tuple(frames)
            return []
        return [self._given_of(account, frame) for frame in frames]

    def _given_of(self, account: int, frame: Frame) -> Given:
        if frame.kind == "row":
            return GiveFill(frame.place, f"t{frame.row}", frame.qty)
        if frame.kind == "open":
            return GiveUpdate(frame.place, OPEN_STATE, 0)
        if frame.kind == "end":
            return GiveUpdate(frame.place, CANCELED, frame.qty)
        return GiveForeign(self._accounts[account], f"l{frame.row}", frame.qty)

    def _deliver(self, account: int, queue: tuple[Frame, ...]) -> None:
        frame = queue[0]
        scratch = Scratch(self._state)
        scratch.queues[account] = queue[1:]
        action = Action("frame arrives", frame.place, account, frame.qty, frame.kind)
        self._happen(action, [self._given_of(account, frame)], scratch)

    def _link(self, account: int, link: LinkState) -> None:
        name = self._accounts[account]
        if link is TRUSTED:
            if self._may("disconnect"):
                scratch = Scratch(self._state)
                scratch.queues[account] = tuple(f for f in scratch.queues[account] if f.kind == "foreign")
                self._happen(Action("disconnected", account=account, fault=1), [GiveLink(name, LOST)], scratch)
        else:
            rows, states = self._missed(account)
            rows += [self._given_of(account, frame) for frame in self._state.queues[account]]
            begin, end = GiveLink(name, RESYNC), GiveLink(name, TRUSTED)
            self._happen(Action("reconnected", account=account), [begin, *rows, *states, end], self._emptied(account))
            if rows and states:
                self._happen(
                    Action("reconnected", account=account, detail="states first"), [begin, *states, *rows, end],
                    self._emptied(account),
                )  # fmt: skip

    def _emptied(self, account: int) -> Scratch:
        scratch = Scratch(self._state)
        scratch.queues[account] = ()
        return scratch

    def _missed(self, account: int) -> tuple[list[Given], list[Given]]:
        """What a resync tells: fills and the state of every order that the account had since."""
        rows: list[Given] = []
        states: list[Given] = []
        for at, order in enumerate(self._state.orders):
            if order.account != account or order.status not in (OPEN, DONE):
                continue
            known = self.key.orders[at]
            for row, qty in enumerate(order.fills, start=1):
                if f"t{row}" not in known.trades:
                    rows.append(GiveFill(at + 1, f"t{row}", qty))
            state, cum = _truth(order)
            assert state is not None
            if known.state is not state or known.done != cum:
                states.append(GiveUpdate(at + 1, state, cum))
        return rows, states

    # --- time, market, people

    def _timers(self) -> None:
        state = self._state
        armed = 0
        for timer in state.timers:
            armed |= 1 << timer.number
        for timer in state.timers:
            if timer.after & armed:
                continue
            ripe = timer.ripe or self._nothing_else
            if not ripe and not self._may("slow world"):
                continue
            owner, name, _, _ = self._timer_keys[timer.number]
            outside = owner == CHART
            if outside and not self._overlaps:
                continue
            scratch = Scratch(state)
            scratch.depth += outside
            self._disarm(scratch, owner, name)
            place = name if isinstance(name, int) else 0
            action = Action("timer", place, detail=str(name) if owner == CHART else f"{owner} {name}", fault=1 - ripe)
            self._happen(action, [GiveTimer(owner, name)], scratch)

    def _market(self) -> None:
        if not self.key.market.open:
            self._happen(Action("market opens"), [GiveMarket(MARKET_OPEN)])
        elif self._may("market closes") and self._overlaps:
            scratch = Scratch(self._state)
            scratch.depth += 1
            self._happen(Action("market closes", fault=1), [GiveMarket(MARKET_SHUT)], scratch)
        if self._may("liquidation") and self._overlaps:
            for account, held in enumerate(self._state.truth):
                if held:
                    scratch = Scratch(self._state)
                    scratch.truth[account] = 0
                    scratch.depth += 1
                    row = self._next_row()
                    given = self._told(scratch, account, [Frame("foreign", 0, row, -held)])
                    self._happen(Action("liquidated", account=account, qty=-held, fault=1), given, scratch)

    def _next_row(self) -> int:
        """Of a fill that no order of ours caused."""
        told = [int(trade[1:]) for _, _, trade in self.key.seen]
        on_its_way = [frame.row for queue in self._state.queues for frame in queue if frame.kind == "foreign"]
        return 1 + max([0, *told, *on_its_way])

    def _somebody_else(self, account: int) -> None:
        """An order of a market maker fills on an account that is only listened to."""
        row = self._next_row()
        if row > self._most_fills or not self._overlaps:
            return
        live = self.links[account] is TRUSTED and not self._state.queues[account]
        for signed in SOURCE_FILLS:
            ways = [("", False, False)]
            if live and self._may("slow stream"):
                ways.append(("frame late", True, False))
            if live and self._may("duplicate"):
                ways.append(("told twice", False, True))
            for detail, slow, twice in ways:
                scratch = Scratch(self._state)
                scratch.truth[account] += signed
                scratch.depth += 1
                frame = Frame("foreign", 0, row, signed)
                given = self._told(scratch, account, [frame], slow=slow)
                if twice:
                    scratch.queues[account] += (frame,)
                action = Action("source filled", account=account, qty=signed, detail=detail, fault=bool(detail))
                self._happen(action, given, scratch)

    def _compare(self) -> None:
        """The periodic comparison of positions (S17), asked and answered at once."""
        if not self._may("comparison"):
            return
        for quiet in (True,) if self._quiet(Scratch(self._state)) else (True, False):
            compared = Action("compared", detail="" if quiet else "not quiet", fault=1)
            self._happen(compared, [GiveCount("", True, quiet, self._state.truth)])

    def _rates(self) -> None:
        for account, name in enumerate(self._accounts):
            if self._spent(account):
                self._happen(Action("minute over", account=account), [MinuteOver(name)])
            elif self._may("rate spent"):
                self._happen(Action("rate spent", account=account, fault=1), [Spent(name)])

    def _spent(self, account: int) -> bool:
        return self._accounts[account] in self.key.spent

    def _people(self) -> None:
        if self._state.stopped < 2 and self._may("stop") and self._overlaps:
            scratch = Scratch(self._state)
            scratch.depth += 1
            scratch.stopped += 1
            self._happen(Action("stop asked", qty=scratch.stopped, fault=1), [GiveStop(scratch.stopped)], scratch)

    # --- the desk's turn

    def _given(self, scratch: Scratch, given: list[Given]) -> Iterator[Scratch]:
        """Give the desk inputs one after the other; a step that draws forks."""
        if not given:
            yield scratch
            return
        outcomes = self._stepper.step(scratch.desk, tuple(given))
        for outcome in outcomes:
            branch = scratch if len(outcomes) == 1 else scratch.fork()
            branch.desk = outcome.desk
            branch.draws = outcome.draws
            if outcome.swap is not None:
                branch.move(outcome.swap)
            if outcome.done:
                self._do(branch, outcome.done)
            yield branch

    def _do(self, scratch: Scratch, done: tuple[Done, ...]) -> None:
        scratch.done += done
        for effect in done:
            match effect:
                case Arm(owner, name, low, high):
                    self._arm(scratch, owner, name, low, high)
                case Disarm(owner, name):
                    self._disarm(scratch, owner, name)
                case Place(account, sign, qty, _, rests, reduce_only):
                    scratch.orders.append(VenueOrder(self._number[account], sign, qty, rests, reduce_only, SENT, (), 0))
                case Cancel(place):
                    scratch.orders[place - 1] = scratch.orders[place - 1]._replace(cancel=1)
                case Ask(place, of):
                    scratch.asks.append((of, place))
                case Count(of):
                    scratch.asks.append((of, 0))
                case Left(state):
                    scratch.asks = [(STALE if of == state else of, place) for of, place in scratch.asks]
                case Broke(rule):
                    scratch.broke.append(rule)
                case End(exit_code):
                    if exit_code == 0 and not self._flat(scratch):
                        scratch.broke.append(NOT_FLAT)
                case Hop() | Told():
                    pass

    def _flat(self, scratch: Scratch) -> bool:
        """Is nothing left at the venues that the desk does not know of, and can no order fill any more?"""
        if any(order.status in MAY_FILL for order in scratch.orders):
            return False
        held = self._stepper.keys[scratch.desk].positions
        return all(
            mine == theirs
            or (place in self._heard and scratch.queues[place])  # a source's late frame: nobody could know
            for place, (mine, theirs) in enumerate(zip(held, scratch.truth, strict=True))
        )

    def ledger_is_true(self, state: State) -> bool:
        """Does the desk hold what the venues hold, wherever the stream has told everything?"""
        key = self._stepper.keys[state.desk]
        if key.positions == state.truth:
            return True
        return all(
            mine == theirs or queue or link is not TRUSTED
            for mine, theirs, queue, link in zip(key.positions, state.truth, state.queues, key.links, strict=True)
        )

    def ends_are_true(self, state: State) -> bool:
        """Has every order ended that the desk takes for ended?"""
        known = self._stepper.keys[state.desk].orders
        return not any(
            order.status in MAY_FILL and it.state.terminal for order, it in zip(state.orders, known, strict=True)
        )

    # --- timers

    def _arm(self, scratch: Scratch, owner: str, name: str | int, low: int, high: int) -> None:
        self._disarm(scratch, owner, name)
        key = (owner, name, low, high)
        number = self._timer_numbers.get(key)
        if number is None:
            number = self._timer_numbers[key] = len(self._timer_keys)
            self._timer_keys.append(key)
        after = 0
        for timer in scratch.timers:
            if self._timer_keys[timer.number][3] <= low:
                after |= 1 << timer.number
        scratch.timers.append(Timer(number, after, False))

    def _disarm(self, scratch: Scratch, owner: str, name: str | int) -> None:
        for at, timer in enumerate(scratch.timers):
            key = self._timer_keys[timer.number]
            if key[0] == owner and key[1] == name:
                self._drop(scratch, at)
                return

    def _drop(self, scratch: Scratch, at: int) -> None:
        gone = ~(1 << scratch.timers[at].number)
        del scratch.timers[at]
        scratch.timers = [
            timer if timer.after & gone == timer.after else timer._replace(after=timer.after & gone)
            for timer in scratch.timers
        ]

    # --- a state

    def _frozen(self, scratch: Scratch) -> State:
        self._collect(scratch)
        if self._stepper.tied[scratch.desk]:
            self._break_ties(scratch)
        timers = scratch.timers
        quiet = self._quiet(scratch)
        calm = quiet and self._calm(scratch)
        if calm:
            scratch.depth = 0
        if timers and quiet:
            timers = [
                timer._replace(ripe=True) if not timer.ripe and (calm or self._patient(timer)) else timer
                for timer in timers
            ]
        return State(
            scratch.desk, tuple(scratch.orders), tuple(scratch.queues), tuple(sorted(scratch.asks)),
            tuple(sorted(timers)), tuple(scratch.truth), scratch.refusing, scratch.stopped,             scratch.depth,
        )  # fmt: skip

    def _break_ties(self, scratch: Scratch) -> None:
        """Of equal accounts that the desk does not tell apart the venues may know different things."""
        marks = [
            (scratch.truth[place], place in scratch.refusing, scratch.queues[place])
            for place in range(len(self._accounts))
        ]
        swap = self._stepper.symmetry.breaking_ties(self._stepper.keys[scratch.desk], marks)
        if swap is not None:
            scratch.move(swap)

    def _patient(self, timer: Timer) -> bool:
        owner, name, _, _ = self._timer_keys[timer.number]
        return owner == INQUIRY or (owner, name) in PATIENT

    def _quiet(self, scratch: Scratch) -> bool:
        """Is nothing on its way?"""
        if scratch.asks or any(scratch.queues):
            return False
        return not any(order.status in WAITED_FOR or order.cancel for order in scratch.orders)

    def _calm(self, scratch: Scratch) -> bool:
        """Is also no outcome unknown and no stream lost?"""
        key = self._stepper.keys[scratch.desk]
        if any(link is not TRUSTED for link in key.links) or any(order.status == LATE for order in scratch.orders):
            return False
        return not any(it.flags & UNKNOWN for it in key.orders)

    def _collect(self, scratch: Scratch) -> None:
        """Forget orders that have ended everywhere, with answers about them that the desk would not even look at."""
        at = 0
        while at < len(scratch.orders):
            if self._over(scratch, at):
                self._forget(scratch, at)
                continue
            if len(scratch.orders[at].fills) > 1:
                self._gather(scratch, at)
            at += 1

    def _gather(self, scratch: Scratch, at: int) -> None:
        """Rows that the desk has all counted, and none of which is on its way again, are as good as one."""
        order, place = scratch.orders[at], at + 1
        known = self._stepper.keys[scratch.desk].orders[at]
        if len(known.trades) != len(order.fills) or known.filled != order.cum or known.provisional:
            return
        if any(frame.place == place for queue in scratch.queues for frame in queue):
            return
        scratch.orders[at] = order._replace(fills=(order.cum,))
        scratch.cleared.append(("gather", place))
        self._put_desk(scratch, *self._stepper.gather(scratch.desk, place))

    def _put_desk(self, scratch: Scratch, desk: int, swap: Swap | None) -> None:
        scratch.desk = desk
        if swap is not None:
            scratch.move(swap)

    def _over(self, scratch: Scratch, at: int) -> bool:
        order = scratch.orders[at]
        if order.status not in (DONE, GONE):
            return False
        known = self._stepper.keys[scratch.desk].orders[at]
        if not known.state.terminal or known.done != order.cum or known.provisional:
            return False
        place = at + 1
        if scratch.asks:
            scratch.asks = [ask for ask in scratch.asks if ask[1] != place or ask[0] not in ("", STALE)]
            if any(asked == place for _, asked in scratch.asks):
                return False
        return not any(frame.place == place for queue in scratch.queues for frame in queue)

    def _forget(self, scratch: Scratch, at: int) -> None:
        place = at + 1
        scratch.cleared.append(("forget", place))
        self._disarm(scratch, INQUIRY, place)
        del scratch.orders[at]
        self._put_desk(scratch, *self._stepper.forget(scratch.desk, place))
        scratch.asks = [(of, asked - (asked > place)) for of, asked in scratch.asks]
        for account, queue in enumerate(scratch.queues):
            if queue:
                scratch.queues[account] = tuple(
                    frame._replace(place=frame.place - 1) if frame.place > place else frame for frame in queue
                )
        self._rename(scratch, place)

    def _rename(self, scratch: Scratch, place: int) -> None:
        """Timers of orders behind a forgotten one belong to the place before."""
        keys = self._timer_keys
        moved = {
            timer.number: self._numbered((INQUIRY, name - 1, low, high))
            for timer in scratch.timers
            for owner, name, low, high in (keys[timer.number],)
            if owner == INQUIRY and isinstance(name, int) and name > place
        }
        if not moved:
            return
        scratch.timers = [
            Timer(moved.get(timer.number, timer.number), _moved(timer.after, moved), timer.ripe)
            for timer in scratch.timers
        ]

    def _numbered(self, key: tuple[str, str | int, int, int]) -> int:
        number = self._timer_numbers.get(key)
        if number is None:
            number = self._timer_numbers[key] = len(self._timer_keys)
            self._timer_keys.append(key)
        return number

    def _set(
        self, place: int, *, status: int | None = None, fills: tuple[int, ...] | None = None, cancel: int | None = None
    ) -> Scratch:
        scratch = Scratch(self._state)
        order = scratch.orders[place - 1]
        scratch.orders[place - 1] = order._replace(
            status=order.status if status is None else status,
            fills=order.fills if fills is None else fills,
            cancel=order.cancel if cancel is None else cancel,
        )
        return scratch


def _moved(mask: int, moved: dict[int, int]) -> int:
    new = mask
    for old in moved:
        new &= ~(1 << old)
    for old, number in moved.items():
        if mask >> old & 1:
            new |= 1 << number
    return new


def _truth(order: VenueOrder) -> tuple[OrderState | None, int]:
    """What a query at the venue says."""
    cum = order.cum
    if order.status == OPEN:
        return (PARTLY if cum else OPEN_STATE), cum
    if order.status == DONE:
        return (FILLED if cum >= order.qty else CANCELED), cum
    return None, 0
