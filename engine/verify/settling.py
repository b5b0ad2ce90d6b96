"""What a changed situation comes to: orders that have ended everywhere are forgotten, equal accounts put in order.

What makes no difference to any desk makes none between two states.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.trading.inquiry import OWNER as INQUIRY
from engine.trading.orders import COVERING
from engine.verify.projection import ASKED, MISSING, UNKNOWN, OrderKey
from engine.verify.situation import DONE, GONE, LATE, WAITED_FOR, Frame, Scratch, State, Timer
from engine.verify.stepper import STALE, Disarm, Stepper
from engine.verify.symmetry import Swap
from engine.verify.timers import Timers
from exchanges.types import OrderState

PENDING = OrderState.PENDING
LOOKED_AFTER = UNKNOWN | ASKED | MISSING  # orders that the standing rule asks about


class Settling:
    """Makes states of what was changed."""

    def __init__(self, stepper: Stepper, timers: Timers, *, depth: int, shrinks: bool) -> None:
        """`shrinks`: what has filled of a leg's order and is counted goes, and the order is for the rest."""
        self._stepper = stepper
        self._desks = stepper.desks
        self._timers = timers
        self._depth = depth
        self._shrinks = shrinks

    def frozen(self, scratch: Scratch) -> State:
        if scratch.orders:
            self._collect(scratch)
        if self._desks.kinds[self._desks.kind_of[scratch.desk]].tied:
            self._break_ties(scratch)
        if scratch.timers:
            self._put_by(scratch)
        if scratch.timers or scratch.depth:
            self._ripen(scratch)
        return State(
            scratch.desk, tuple(scratch.orders), tuple(scratch.queues),
            tuple(sorted(scratch.asks)) if scratch.asks else (), tuple(sorted(scratch.timers)), tuple(scratch.truth),
            scratch.refusing, scratch.stopped, scratch.depth,
        )  # fmt: skip

    def _ripen(self, scratch: Scratch) -> None:
        quiet = self.quiet(scratch)
        calm = quiet and self._calm(scratch)
        if calm:
            scratch.depth = 0
        late = scratch.depth >= self._depth  # then the chart's wait for calm, and are ripe by then
        kinds = self._timers.kinds
        for at, (number, after, ripe) in enumerate(scratch.timers):
            if not ripe and (calm or (quiet and kinds[number].patient) or (late and kinds[number].outside)):
                scratch.timers[at] = Timer(number, after, True)

    def _break_ties(self, scratch: Scratch) -> None:
        """Of equal accounts that the desk does not tell apart the venues may know different things."""
        marks = [
            (scratch.truth[place], place in scratch.refusing, scratch.queues[place])
            for place in range(len(scratch.truth))
        ]
        swap = self._stepper.symmetry.breaking_ties(self._stepper.keys[scratch.desk], marks)
        if swap is not None:
            scratch.move(swap)

    def quiet(self, scratch: Scratch) -> bool:
        """Is nothing on its way?"""
        if scratch.asks or any(scratch.queues):
            return False
        orders = scratch.orders
        return not orders or not any(order.status in WAITED_FOR or order.cancel for order in orders)

    def _calm(self, scratch: Scratch) -> bool:
        """Is also no outcome unknown and no stream lost?"""
        if not self._desks.kinds[self._desks.kind_of[scratch.desk]].calm:
            return False
        return not any(order.status == LATE for order in scratch.orders)

    def _collect(self, scratch: Scratch) -> None:
        """Forget orders that have ended everywhere, with answers about them that the desk would not even look at."""
        at = 0
        while at < len(scratch.orders):
            order = scratch.orders[at]
            if (order.status == DONE or order.status == GONE) and self._over(scratch, at):
                self._forget(scratch, at)
                continue
            if order.fills:
                if self._shrinks:
                    self._shrink(scratch, at)
                elif len(order.fills) > 1:
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
        scratch.cleared += (("gather", place),)
        self._put_desk(scratch, *self._stepper.gather(scratch.desk, place))

    def _shrink(self, scratch: Scratch, at: int) -> None:
        """An order of a leg of which a part has filled and was counted is as good as one for the rest.

        Nothing looks at what has filled of it but the leg, which counts by itself. Rows on their way again stay.
        """
        order, place = scratch.orders[at], at + 1
        known = self._stepper.keys[scratch.desk].orders[at]
        if known.purpose in COVERING or not known.trades:
            return
        again = {it.row for queue in scratch.queues for it in queue if it.place == place and it.kind == "row"}
        kept = [row for row in range(1, len(order.fills) + 1) if row in again or f"t{row}" not in known.trades]
        if len(kept) == len(order.fills):
            return
        fills = tuple([order.fills[row - 1] for row in kept])
        done = order.cum - sum(fills)
        scratch.orders[at] = order._replace(qty=order.qty - done, fills=fills)
        rows = {old: new for new, old in enumerate(kept, start=1)}
        for account, queue in enumerate(scratch.queues):
            if queue:
                scratch.queues[account] = tuple([_of_rest(it, place, rows, done) for it in queue])
        scratch.cleared += (("shrink", place),)
        trades = tuple([f"t{new}" for old, new in rows.items() if f"t{old}" in known.trades])
        self._put_desk(scratch, *self._stepper.shrink(scratch.desk, place, done, trades))

    def _put_by(self, scratch: Scratch) -> None:
        """Timers of orders that nobody has to ask about any more: they would find nothing to do, until armed anew."""
        timers = self._timers
        for timer in scratch.timers[:]:
            place = timers.kinds[timer.number].about
            if place and nobody_asks(self._stepper.keys[scratch.desk].orders[place - 1]):
                timers.fired(scratch, timer.number)

    def _put_desk(self, scratch: Scratch, desk: int, swap: Swap | None) -> None:
        scratch.desk = desk
        if swap is not None:
            scratch.move(swap)

    def _over(self, scratch: Scratch, at: int) -> bool:
        """Does the desk know all of an order that has ended at its venue, with nothing about it on its way?"""
        order = scratch.orders[at]
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
        scratch.cleared += (("forget", place),)
        self._timers.disarm(scratch, Disarm(INQUIRY, place))
        del scratch.orders[at]
        self._put_desk(scratch, *self._stepper.forget(scratch.desk, place))
        scratch.asks = [(of, asked - (asked > place)) for of, asked in scratch.asks]
        for account, queue in enumerate(scratch.queues):
            if queue:
                scratch.queues[account] = tuple(
                    frame._replace(place=frame.place - 1) if frame.place > place else frame for frame in queue
                )
        self._timers.rename(scratch, place)


def _of_rest(frame: Frame, place: int, rows: Mapping[int, int], done: int) -> Frame:
    """A frame of an order that has become one for the rest."""
    if frame.place != place:
        return frame
    if frame.kind == "row":
        return frame._replace(row=rows[frame.row])
    return frame._replace(qty=frame.qty - done) if frame.kind == "end" else frame


def nobody_asks(it: OrderKey) -> bool:
    """Has it ended, or does its leg look after it (engine/trading/inquiry.py: Inquiry.timer)?"""
    if not it.live:
        return True
    return it.purpose not in COVERING and it.state is not PENDING and not it.flags & LOOKED_AFTER
