"""One situation of a proof as a value, and one that is being changed.

A state is a numbered desk beside small tuples: what each venue knows of an order, what is on its way, armed timers.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.trading.inputs import MarketSeen
from engine.verify.stepper import Done, Given
from engine.verify.symmetry import Swap, moved
from exchanges.types import OrderState

MARKET_SHUT = MarketSeen(open=False, reason="volatile", text="the market moves")
MARKET_OPEN = MarketSeen(open=True, reason="", text="")

# On its way; the same, given up by the client; resting; ended; never booked. Then those on which the client still
# waits: never booked, and on its way for longer than it will wait.
SENT, LATE, OPEN, DONE, GONE, LOST_REQUEST, LATE_REQUEST = range(7)
WAITED_FOR = frozenset({SENT, LOST_REQUEST, LATE_REQUEST})
MAY_FILL = frozenset({SENT, LATE, OPEN, LATE_REQUEST})


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
        self.broke: tuple[str, ...] = ()
        self.done: tuple[Done, ...] = ()
        self.cleared: tuple[tuple[str, int], ...] = ()
        self.draws: tuple[int, ...] = ()

    def fork(self) -> Scratch:
        twin = Scratch(self._of)
        twin.desk, twin.refusing, twin.stopped, twin.depth = self.desk, self.refusing, self.stopped, self.depth
        twin.orders, twin.queues, twin.asks, twin.timers = [*self.orders], [*self.queues], [*self.asks], [*self.timers]
        twin.truth, twin.broke, twin.done, twin.cleared = [*self.truth], self.broke, self.done, self.cleared
        twin.draws = self.draws
        return twin

    def move(self, swap: Swap) -> None:
        """Equal accounts change places: what each venue knows goes along."""
        self.orders = [it._replace(account=swap[it.account]) for it in self.orders]
        self.queues, self.truth = list(moved(tuple(self.queues), swap)), list(moved(tuple(self.truth), swap))
        self.refusing = tuple(sorted([swap[place] for place in self.refusing]))


def truth_of(order: VenueOrder) -> tuple[OrderState | None, int]:
    """What a query at the venue says."""
    cum = order.cum
    if order.status == OPEN:
        return (OrderState.PARTIALLY_FILLED if cum else OrderState.OPEN), cum
    if order.status == DONE:
        return (OrderState.FILLED if cum >= order.qty else OrderState.CANCELED), cum
    return None, 0
