"""Everything that venues, streams, clocks and people may do to a desk: the environment of a proof.

Without a fault a frame is delivered with its cause: a desk cannot tell an order that fills late from one whose frame is
late, as long as no answer overtakes the stream (docs/decisions/0007-proving.md). A fault costs one of the budget.
"""

from __future__ import annotations

from engine.trading.desk import CHART
from engine.trading.inputs import Request
from engine.verify.projection import DEAD
from engine.verify.settling import Settling
from engine.verify.situation import (
    DONE,
    GONE,
    LATE,
    LATE_REQUEST,
    LOST_REQUEST,
    MARKET_OPEN,
    MARKET_SHUT,
    MAY_FILL,
    OPEN,
    SENT,
    Action,
    Frame,
    Scratch,
    State,
    Step,
    VenueOrder,
    truth_of,
)
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
)
from engine.verify.timers import Timers
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
NOT_FLAT = "the flow ends flat, or says that it does not"


class Venues:
    """Which states may follow a state."""

    def __init__(
        self, stepper: Stepper, *, accounts: tuple[str, ...], lots: tuple[int, ...], takers: tuple[int, ...],
        faults: frozenset[str], depth: int, heard: tuple[int, ...] = (), fills: int = 0, shrinks: bool = False,
    ) -> None:  # fmt: skip
        """`heard` are accounts on which somebody else trades, `fills` how often in all. `shrinks`: see `Settling`."""
        self._heard = heard
        self._most_fills = fills
        self._stepper = stepper
        self._accounts = accounts
        self._number = {name: n for n, name in enumerate(accounts)}
        self._lots = lots
        self._takers = takers
        self._faults = faults
        self._depth = depth
        self.timers = Timers()
        self._settling = Settling(stepper, self.timers, depth=depth, shrinks=shrinks)
        self._state: State
        self._out: list[Step]

    # --- the first state

    def first(self, desk: int, done: tuple[Done, ...]) -> State:
        zero = (0,) * len(self._accounts)
        scratch = Scratch(State(desk, (), ((),) * len(zero), (), (), zero, (), 0, 0))
        self._do(scratch, done)
        return self._settling.frozen(scratch)

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
            if self._heard and not out and not self.key.finished:
                self._happen(Action("nothing more fills"), [])  # a flow that listens may listen for ever
        return out

    def _look(self, state: State) -> None:
        self.key = key = self._stepper.keys[state.desk]
        if key.finished:
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
            if link is not TRUSTED or self._faulty:
                self._link(account, link)
        if state.timers:
            self._timers()
        for name in key.slices:
            self._happen(Action("wait over", account=self._number[name]), [Rested(name)])
        if not key.market.open:
            self._happen(Action("market opens"), [GiveMarket(MARKET_OPEN)])
        for account in self._heard:
            self._somebody_else(account)
        for name in key.spent:
            self._happen(Action("minute over", account=self._number[name]), [MinuteOver(name)])
        if self._faulty:
            self._market()
            self._compare()
            self._rates()
            self._people()

    def _happen(self, action: Action, given: list[Given], change: Scratch | None = None) -> None:
        """Give the desk inputs one right after the other; a step that draws forks."""
        scratch = change if change is not None else Scratch(self._state)
        told = tuple(given)
        if not told:
            self._add(action, scratch, told)
            return
        outcomes = self._stepper.step(scratch.desk, told)
        for outcome in outcomes:
            end = scratch if len(outcomes) == 1 else scratch.fork()
            end.desk, end.draws = outcome.desk, outcome.draws
            if outcome.swap is not None:
                end.move(outcome.swap)
            if outcome.done:
                self._do(end, outcome.done)
            self._add(action, end, told)

    def _add(self, action: Action, end: Scratch, told: tuple[Given, ...]) -> None:
        state = self._settling.frozen(end)
        self._out.append(Step(action, state, end.broke, end.done, told, end.draws, end.cleared))

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
            state, cum = truth_of(order)
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
        quiet = self._settling.quiet(scratch)
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
        link = self.links[account]
        if link is RESYNC and not slow:  # it still asks, and the new stream tells already
            return [self._given_of(account, frame) for frame in frames]
        if link is not TRUSTED:
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
            if link is LOST and self._may("slow resync"):
                self._happen(Action("resync begins", account=account, fault=1), [GiveLink(name, RESYNC)])
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
            state, cum = truth_of(order)
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
            owner, name, _, _ = self.timers.keys[timer.number]
            outside = owner == CHART
            if outside and not self._overlaps:
                continue
            scratch = Scratch(state)
            scratch.depth += outside
            self.timers.fired(scratch, timer.number)
            place = name if isinstance(name, int) else 0
            action = Action("timer", place, detail=str(name) if owner == CHART else f"{owner} {name}", fault=1 - ripe)
            self._happen(action, [GiveTimer(owner, name)], scratch)

    def _market(self) -> None:
        if self.key.market.open and self._may("market closes") and self._overlaps:
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
        for quiet in (True,) if self._settling.quiet(Scratch(self._state)) else (True, False):
            compared = Action("compared", detail="" if quiet else "not quiet", fault=1)
            self._happen(compared, [GiveCount("", True, quiet, self._state.truth)])

    def _rates(self) -> None:
        for account, name in enumerate(self._accounts):
            if self._may("rate spent") and not self._spent(account):
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

    def _do(self, scratch: Scratch, done: tuple[Done, ...]) -> None:
        scratch.done += done
        for effect in done:  # most often first; a `match` would look through all of them
            if isinstance(effect, Hop):
                continue
            if isinstance(effect, Arm):
                self.timers.arm(scratch, effect)
            elif isinstance(effect, Disarm):
                self.timers.disarm(scratch, effect)
            elif isinstance(effect, Place):
                account, sign, qty, _, rests, reduce_only = effect
                scratch.orders.append(VenueOrder(self._number[account], sign, qty, rests, reduce_only, SENT, (), 0))
            elif isinstance(effect, Cancel):
                scratch.orders[effect.place - 1] = scratch.orders[effect.place - 1]._replace(cancel=1)
            elif isinstance(effect, Ask):
                scratch.asks.append((effect.of, effect.place))
            elif isinstance(effect, Count):
                scratch.asks.append((effect.of, 0))
            elif isinstance(effect, Left):
                if scratch.asks:
                    scratch.asks = [(STALE if of == effect.state else of, place) for of, place in scratch.asks]
            elif isinstance(effect, Broke):
                scratch.broke += (effect.rule,)
            elif isinstance(effect, End) and effect.exit_code == 0 and not self._flat(scratch):
                scratch.broke += (NOT_FLAT,)

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
        if not state.orders:
            return True
        known = self._stepper.keys[state.desk].orders
        return not any(
            order.status in MAY_FILL and it.state.terminal for order, it in zip(state.orders, known, strict=True)
        )

    def _set(
        self, place: int, *, status: int | None = None, fills: tuple[int, ...] | None = None, cancel: int | None = None
    ) -> Scratch:
        scratch = Scratch(self._state)
        order = scratch.orders[place - 1]
        scratch.orders[place - 1] = VenueOrder(
            order.account, order.sign, order.qty, order.rests, order.reduce_only,
            order.status if status is None else status, order.fills if fills is None else fills,
            order.cancel if cancel is None else cancel,
        )  # fmt: skip
        return scratch
