"""Watches a simulated run against the venues' own truth while it goes on: at the end only what cleanup left would show.

Exposure here is the sum of what the venues have executed, told or not. Decides nothing; nobody in the run hears it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from itertools import combinations
from typing import Protocol

from engine.runtime.carried import LONGEST_NS
from engine.runtime.simulate.meant import otherwise
from engine.runtime.simulate.residue import Left
from engine.trading.desk import Desk
from engine.trading.effects import Effect, Moved, PlaceOrder, Purpose
from engine.trading.inputs import Input, Started, StopAsked
from engine.trading.limits import smallest_order
from exchanges.types import ZERO, Fill, LinkState, Liquidity, OrderRequest, Side

MS = 1_000_000
S = 1_000_000_000
KEPT = 20  # violations of one run; more say nothing new
COVERING = frozenset({Purpose.HEDGE, Purpose.UNDO, Purpose.FLATTEN})
RESTING = frozenset({Purpose.OPEN, Purpose.CLOSE, Purpose.CLEANUP})  # of the maker: one at a time
ONE_SIDED = frozenset({Purpose.HEDGE, Purpose.UNDO})  # halves of a flattened pair open exposure for each other (S9)
HOME = ("cleanup", "error")  # phases of a flow in which accounts are brought back to flat
BY_LIST = "cum:"  # how a trade id begins that only the source's order list tells
ON_ITS_WAY_NS = S // 5  # a row that left the venue since then may not have arrived
TELLING_NS = 2 * S  # how long a fill may take to be told where nothing hides it


@dataclass(frozen=True, slots=True)
class Violation:
    """What must never happen, and did, in the words of `code`."""

    code: str
    at_ns: int
    text: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long exposure may stay open, and a fill unknown to us. 0: not bounded."""

    exposed_ns: int = 6 * S
    unknown_ns: int = 6 * S


@dataclass(frozen=True, slots=True)
class Episode:
    """Exposure above dust, from its beginning to its end."""

    from_ns: int
    to_ns: int
    most: Decimal

    @property
    def length_ns(self) -> int:
        return self.to_ns - self.from_ns


class Venue(Protocol):
    """A venue's own books as far as a witness reads them."""

    def positions(self) -> Mapping[str, Decimal]:
        """Signed position by account."""


@dataclass(slots=True)
class _Order:
    """An order as the venue and as the desk have it filled."""

    account: str
    there: Decimal = ZERO  # signed, executed at the venue
    known: Decimal = ZERO  # of it, what the desk has counted
    behind_since_ns: int = 0


@dataclass(slots=True)
class _Decision:
    """A hedge when it was decided: what it could not know, what it counted on, and what had filled, by direction."""

    blind: dict[int, Decimal]
    counted_on: dict[int, Decimal]
    filled: dict[int, Decimal]


class Witness:
    """One run. The world tells it of each order and fill at the venues, the runner of each step."""

    def __init__(
        self, now_ns: Callable[[], int], *, bounds: Bounds, hidden: Callable[[int], bool],
        allowed: Callable[[int], int] = lambda _: 0,
    ) -> None:  # fmt: skip
        """`hidden`: was a fault played since then that keeps fills from being told?

        `allowed`: how much longer than the bounds faults let something take that began then.
        """
        self.violations: list[Violation] = []
        self.episodes: list[Episode] = []
        self.exposure = ZERO
        self.longest_unknown_ns = 0
        self.longest_believed_ns = 0  # for how long the desk took something for open, rightly or not told otherwise
        self.quiet_cuts = 0
        self.fills = 0
        self.hedges = 0
        self.owners: dict[str, Decimal] = {}  # by account what others traded and no run knows of since a death
        self.late_trades: set[tuple[str, str]] = set()  # of hedges that a venue carried out after they were given up
        self.halted_ns = 0  # when the flow first gave up
        self._distrusted_ns = 0  # since when the desk that trades trusts no positions
        self._now_ns = now_ns
        self._venues: Sequence[Venue] = ()
        self._bounds = bounds
        self._hidden = hidden
        self._allowed = allowed
        self._began = False
        self._desk: Desk | None = None
        self._least = ZERO  # the smallest exposure that is more than dust
        self._since_ns = 0
        self._believed_since_ns = 0
        self._most = ZERO
        self._told_long = False
        self._intents: dict[str, PlaceOrder] = {}
        self._unwritten: set[str] = set()  # those that the journal could not store
        self._stopping = False  # was the desk that trades asked to stop?
        self._seen_ids: set[tuple[str, str]] = set()
        self._came: dict[str, int] = {}  # when an order reached its venue
        self._orders: dict[str, _Order] = {}
        self._behind: dict[str, _Order] = {}
        self._foreign: dict[tuple[str, str, str], Decimal] = {}  # fills of no order of ours, until they are told …
        self.untold_at_end = False  # was the row of a trade by hand still on its way?
        self._foreign_ns: dict[tuple[str, str, str], int] = {}  # … and when they were
        self._others: list[tuple[str, Decimal]] = []  # fills of no order of ours, but those that are the `owners`
        self._decisions: dict[str, _Decision] = {}
        self._filled = {1: ZERO, -1: ZERO}  # by all orders but covering ones so far, by direction
        self._money: dict[str, tuple[Decimal, Decimal]] = {}  # by account what its fills cost, and their fees
        self._desks = 0
        self._phase = ""
        self._source = ""
        self._lots: deque[tuple[Decimal, int]] = deque()  # what is open where there is a source: signed, and since when
        self._handed_over = {
            1: ZERO,
            -1: ZERO,
        }  # what the source filled untold when the desk stopped listening: the next run's
        self._heard: set[tuple[str, str, str]] = set()  # fills of the source that the desk was told
        self._unheard = {1: ZERO, -1: ZERO}  # what the source has filled and the desk was not told, by direction
        self._told_now = (0, {1: ZERO, -1: ZERO})  # and what it is told in this instant, one after the other
        self._met: dict[str, Decimal] = {}  # by order of the source what it filled of another one of its own
        self._took: set[str] = set()  # orders of the source that took …
        self._taken_as_open: set[tuple[str, str, str]] = set()  # … and what was told of them as if nobody knew that
        self._unheard_ns = 0  # since when the desk does not know all that the source has filled

    def watch(self, venues: Sequence[Venue], *, source: str = "") -> None:
        """`source` is an account of somebody else, whose fills are told and hedged."""
        self._venues = venues
        self._source = source

    def attend(self, desk: Desk) -> None:
        """From now on this desk is the one that trades; a new life has a new one, which knows what the journal told."""
        self._desk = desk
        self._desks += 1
        self._began = self._stopping = False
        if desk.hedging is not None:
            desk.hedging.on_choice = partial(self._chosen, desk)
        self._believed_since_ns = 0
        self._decisions.clear()
        self._foreign.clear()
        self._heard.clear()
        for sign, qty in self._handed_over.items():
            self._hand(sign, -qty)

    def _begin(self, desk: Desk, at_ns: int) -> None:
        """The desk has taken over: of what earlier lives ordered only what it knows can still be told."""
        self._began = True
        if self.left_to_a_person:
            self._since_ns = at_ns  # who has taken over may trade
        self._distrusted_ns = 0
        self._behind.clear()
        for client_id, order in self._orders.items():
            mine = desk.world.orders.get(client_id)
            order.known = order.there if mine is None else mine.side.sign * mine.done_qty
            if order.known != order.there:
                order.behind_since_ns = at_ns
                self._behind[client_id] = order
        for venue in self._venues:
            for account, theirs in venue.positions().items():
                if account != self._source:
                    self._leave_to_owner(account, theirs - self._ours(desk, account) - self._untold(account))
        if self._source:  # exposure outlives a process: what is open beyond the desk's word
            untold = sum((order.there - order.known for order in self._behind.values()), ZERO)
            missing = self.exposure - desk.world.exposure - untold - self._net_unheard
            self._unheard[1 if missing > 0 else -1] += abs(missing)

    def _ours(self, desk: Desk, account: str) -> Decimal:
        """What the venue should hold on an account by the desk's word, and by what is its owner's."""
        ours = desk.world.baseline.get(account, ZERO) + desk.world.ledger.books[account].position
        return ours + self.owners.get(account, ZERO)

    def _untold(self, account: str) -> Decimal:
        return sum((it.there - it.known for it in self._behind.values() if it.account == account), ZERO)

    def _leave_to_owner(self, account: str, missing: Decimal) -> None:
        """What somebody else traded and no journal tells is the account's own after a death (S1).

        It is at most what others traded there, to the digit; anything else that is missing stays exposure.
        """
        others = [each for each in self._others if each[0] == account]
        for count in range(1, len(others) + 1):
            for some in combinations(others, count):
                if missing and sum((change for _, change in some), ZERO) == missing:
                    for each in some:
                        self._others.remove(each)
                    self.owners[account] = self.owners.get(account, ZERO) + missing
                    self.exposure -= missing
                    if self._source:
                        self._net(-missing, self._now_ns())
                    self._measure(self._now_ns())
                    return

    @property
    def left_to_a_person(self) -> bool:
        """Is only open what an order filled while it was cancelled, because positions could not be trusted (E15)?

        Nothing is traded then until a person has looked; so it is where somebody else traded before a death (S1).
        """
        return bool(self.owners) and 0 < self._distrusted_ns <= self._since_ns

    @property
    def handed_over(self) -> bool:
        """Did the last run stop before it had heard all?"""
        return any(self._handed_over.values())

    def violate(self, code: str, text: str) -> None:
        if len(self.violations) < KEPT:
            self.violations.append(Violation(code, self._now_ns(), text))

    @property
    def full(self) -> bool:
        """Is as much broken as is told?"""
        return len(self.violations) >= KEPT

    # --- what happens at the venues

    def intended(self, effect: PlaceOrder, *, durable: bool) -> None:
        """The process has written that it will send an order, or could not write it (not `durable`)."""
        self._intents[effect.request.client_id] = effect
        if not durable:
            self._unwritten.add(effect.request.client_id)

    def is_ours(self, client_id: str) -> bool:
        """Was it meant, by any life?"""
        return client_id in self._intents

    def order_came(self, came: OrderRequest, beside: Sequence[str]) -> None:
        """A venue has accepted an order; `beside`: those of the account that are open there."""
        account, client_id = came.account, came.client_id
        if not client_id:
            return
        if (account, client_id) in self._seen_ids:
            self.violate("id_twice", f"{account}: the venue got client id {client_id} for a second order")
        self._seen_ids.add((account, client_id))
        self._came[client_id] = self._now_ns()
        if client_id not in self._intents:
            self.violate("no_intent", f"{account}: order {client_id} reached the venue without an intent")
        else:
            self._judge_order(came, self._intents[client_id], beside)

    def _judge_order(self, came: OrderRequest, meant: PlaceOrder, beside: Sequence[str]) -> None:
        """Is it what was decided, and may it be there?"""
        what = f"{came.account}: order {came.client_id}"
        differs = otherwise(came, meant.request)
        if differs:
            self.violate("order_differs", f"{what} is not what was decided: {differs}")
        if meant.purpose is Purpose.OPEN and came.client_id in self._unwritten:
            self.violate("opened_unwritten", f"{what} opens, and no journal has its intent")
        if meant.purpose in RESTING:
            for other in beside:
                if other in self._intents and self._intents[other].purpose in RESTING:
                    self.violate("rests_twice", f"{what} came while {other} was open there")

    def filled(self, fill: Fill) -> None:
        """A venue has executed something, now."""
        now_ns = self._now_ns()
        self.fills += 1
        change = fill.side.sign * fill.qty
        if fill.account != self._source:
            cash, fees = self._money.get(fill.account, (ZERO, ZERO))
            self._money[fill.account] = (cash - change * fill.price - fill.fee, fees + fill.fee)
        intent = self._intents.get(fill.client_id)
        before, after = self.exposure, self.exposure + change
        if intent is not None and intent.purpose in ONE_SIDED:
            self.hedges += 1
            self._judge_hedge(fill, change, before, after)
        if intent is None or intent.purpose not in COVERING:
            self._filled[fill.side.sign] += fill.qty
        self.exposure = after
        if self._source:
            self._net(change, now_ns)
        self._measure(now_ns)
        if fill.account == self._source:
            self._unheard[fill.side.sign] += fill.qty
            return
        if intent is None:
            self._foreign[fill.account, fill.order_id, fill.trade_id] = change
            self._foreign_ns[fill.account, fill.order_id, fill.trade_id] = now_ns
            self._others.append((fill.account, change))
            return
        order = self._orders.setdefault(fill.client_id, _Order(fill.account))
        if order.there == order.known:
            order.behind_since_ns = now_ns
        order.there += change
        self._behind[fill.client_id] = order

    def met_itself(self, fill: Fill, other: Fill) -> None:
        """The source's other order was on the other side of this fill: nothing is open for it."""
        for side in (fill, other):
            self._met[side.order_id] = self._met.get(side.order_id, ZERO) + side.qty
        self._unheard[fill.side.sign] -= fill.qty
        self._open_more(-fill.side.sign * fill.qty)

    def took(self, fill: Fill) -> None:
        """The source's own order took: hedged by nobody, unless the order list alone tells of it (S5)."""
        self._took.add(fill.order_id)

    def _judge_hedge(self, fill: Fill, change: Decimal, before: Decimal, after: Decimal) -> None:
        """No hedge grows or turns exposure, but by what nobody could know when it was decided."""
        if self._now_ns() - self._came.get(fill.client_id, self._now_ns()) > LONGEST_NS:
            self.late_trades.add((fill.account, fill.trade_id))  # no query told of it, and it could not leave any more
            return
        over = abs(after) - max(abs(before), self._least)
        decision = self._decisions.get(fill.client_id)
        if over <= 0 or decision is None:
            return
        side = fill.side.sign
        since = self._filled[side] - decision.filled[side]
        excused = since + decision.blind[side] + decision.counted_on[-side]
        if over > excused:
            self.violate(
                "hedge_grew",
                f"{fill.account}: hedge {fill.client_id} {fill.side.value} {fill.qty} took exposure"
                f" from {before} to {after}",
            )

    def _net(self, change: Decimal, now_ns: int) -> None:
        """What is open of a source's fills, oldest first: the other side takes the oldest away.

        Below its thresholds a flow leaves some open for a while, so that there is always something; what counts is the
        age of the oldest.
        """
        lots = self._lots
        while change and lots and (lots[0][0] > 0) != (change > 0):
            qty, at_ns = lots.popleft()
            change, left = (change + qty, ZERO) if abs(qty) <= abs(change) else (ZERO, change + qty)
            if left:
                lots.appendleft((left, at_ns))
        if change:
            lots.append((change, now_ns))
        if self._since_ns and lots:
            self._since_ns = max(self._since_ns, lots[0][1])

    def _open_more(self, change: Decimal) -> None:
        """Exposure of a source changes, and not by what executes now."""
        self.exposure += change
        self._net(change, self._now_ns())
        self._measure(self._now_ns())

    def _open(self, exposure: Decimal) -> bool:
        return abs(exposure) >= self._least if self._least else exposure != 0

    def _measure(self, now_ns: int) -> None:
        open_now = self._open(self.exposure)
        self._most = max(self._most, abs(self.exposure)) if open_now else self._most
        if open_now and not self._since_ns:
            self._since_ns, self._told_long = now_ns, False
            self._most = abs(self.exposure)
        elif not open_now and self._since_ns:
            self._check_long(now_ns)
            self.episodes.append(Episode(self._since_ns, now_ns, self._most))
            self._since_ns, self._most = 0, ZERO

    def _check_long(self, now_ns: int) -> None:
        bound = self._bounds.exposed_ns
        if not bound or not self._since_ns or self._told_long or now_ns - self._since_ns <= bound:
            return
        if now_ns - self._since_ns > bound + self._allowed(self._since_ns) and not self.left_to_a_person:
            self._told_long = True
            open_ms = (now_ns - self._since_ns) // MS
            self.violate("exposed_long", f"exposure of up to {self._most} has been open for {open_ms} ms")

    # --- what the process knows of it

    def stepped(self, seq: int, at_ns: int, given: Input, effects: list[Effect]) -> None:
        """After a step, with its requests handed over."""
        desk = self._desk
        assert desk is not None
        if not self._least:
            self._price_dust(desk)
        if type(given) is Fill and given.account == self._source:
            if given.liquidity is Liquidity.UNKNOWN and given.order_id in self._took:
                self._take_as_open(given, given.qty)
            elif given.order_id in self._met and given.trade_id.startswith(BY_LIST):
                self._take_as_open(given, min(given.qty, self._met.pop(given.order_id)))
            elif self._began:
                self._hear(given, at_ns)
        self._stopping |= type(given) is StopAsked
        if desk.world.distrusted:
            self._distrusted_ns = self._distrusted_ns or at_ns
        for effect in effects:
            if type(effect) is PlaceOrder:
                self._decided(effect, at_ns, desk)
            elif type(effect) is Moved and effect.target is not None:
                self._moved(effect.target, desk)
        if type(given) is Started:
            self._begin(desk, at_ns)
        self._catch_up(desk, given, at_ns)
        self._look_at_belief(desk, at_ns)
        self._check_long(at_ns)

    def _look_at_belief(self, desk: Desk, at_ns: int) -> None:
        """A hedge that has filled and is not told yet ages what it covers, beside the time for which that was open."""
        since_ns = self._believed_since_ns
        if since_ns:
            self.longest_believed_ns = max(self.longest_believed_ns, at_ns - since_ns)
        self._believed_since_ns = (since_ns or at_ns) if self._open(desk.world.exposure) else 0

    def _decided(self, effect: PlaceOrder, at_ns: int, desk: Desk) -> None:
        client_id = effect.request.client_id
        if self._stopping and effect.purpose is Purpose.OPEN:
            self.violate("opened_late", f"{effect.request.account}: {client_id} opens after the wish to stop")
        if effect.purpose not in ONE_SIDED:
            return
        blind, counted_on = {1: ZERO, -1: ZERO}, {1: ZERO, -1: ZERO}
        for other_id, order in self._behind.items():
            untold = order.there - order.known
            if self._intents[other_id].purpose not in COVERING and untold:
                blind[1 if untold > 0 else -1] += abs(untold)
        for change in self._foreign.values():
            blind[1 if change > 0 else -1] += abs(change)
        for sign, qty in self._unheard.items():
            blind[sign] += qty + (self._told_now[1][sign] if self._told_now[0] == at_ns else ZERO)
        for other in desk.world.orders.covering.values():
            counted_on[other.side.sign] += other.remaining
        self._decisions[client_id] = _Decision(blind, counted_on, dict(self._filled))

    def _chosen(self, desk: Desk, account: str | None, side: Side, qty: Decimal) -> None:
        """S14: nothing is hedged on a stream that is not trusted.

        S4: beside an order of unknown outcome exposure is an interval, and no hedge may grow its worse end.
        """
        if account is None:
            return
        state = desk.world.links[account]
        if state is not LinkState.TRUSTED:
            self.violate("sent_untrusted", f"{account}: a hedge while its stream is {state.value}")
        covering = desk.world.orders.covering.values()
        if not any(order.unknown for order in covering):
            return
        ends = {desk.world.exposure}
        for order in covering:
            change = order.side.sign * order.remaining
            ends = {end + part for end in ends for part in ((ZERO, change) if order.unknown else (change,))}
        hedge = side.sign * qty
        if max(abs(end + hedge) for end in ends) >= max(map(abs, ends)):
            told = ", ".join(f"{end}" for end in sorted(ends))
            self.violate("interval_grew", f"{account}: a hedge of {hedge} while {told} may be open")

    def _moved(self, target: str, desk: Desk) -> None:
        phase = target.partition(".")[0]
        if phase == HOME[0] and self._phase not in HOME and self._settled(desk):
            unknown_ns = min((order.behind_since_ns for order in self._behind.values()), default=0)
            long_hidden = unknown_ns and self._now_ns() - unknown_ns > TELLING_NS
            # A trade by hand whose row is on its way is no matter of the desk yet; that it is ever told, is asked too.
            known = self.exposure - sum(self._foreign.values(), ZERO)
            if self._open(known) and (long_hidden or not self._behind) and not self._hidden(unknown_ns):
                self.violate("cleanup_repairs", f"the cleanup begins with {known} open that the desk takes for hedged")
        if phase == HOME[1] and not self.halted_ns:
            self.halted_ns = self._now_ns()
        self._phase = phase

    def _settled(self, desk: Desk) -> bool:
        with desk.looking(self._now_ns()):
            return desk.view.settled

    def _catch_up(self, desk: Desk, given: Input, at_ns: int) -> None:
        if type(given) is Fill and self._foreign:
            self._foreign.pop((given.account, given.order_id, given.trade_id), None)
        if self._source and self._began:
            if type(given) is StopAsked:
                for sign, qty in self._unheard.items():
                    self._hand(sign, qty)
            self._listen(at_ns)
        if not self._behind:
            return
        for client_id, order in tuple(self._behind.items()):
            mine = desk.world.orders.get(client_id)
            if mine is None:
                continue
            order.known = mine.side.sign * mine.done_qty
            if abs(order.known) > abs(order.there):
                self.violate("phantom", f"{client_id}: counted {order.known}, the venue has filled {order.there}")
            lag_ns = at_ns - order.behind_since_ns
            self.longest_unknown_ns = max(self.longest_unknown_ns, lag_ns)
            if order.known == order.there:
                del self._behind[client_id]
            elif self._late(lag_ns, order.behind_since_ns):
                order.behind_since_ns = at_ns
                self.violate(
                    "unknown_long", f"{client_id}: {order.there - order.known} has filled, and nobody here knows"
                )
        if not self._behind and not self._foreign and self._began:
            self._compare(desk)

    @property
    def _net_unheard(self) -> Decimal:
        return self._unheard[1] - self._unheard[-1]

    def _take_as_open(self, given: Fill, qty: Decimal) -> None:
        """The order list alone has told of it, and that does not say that it took: exposure from now on (S5).

        Nor that the order met another one of its owner, which it then tells of as well.
        """
        key = (given.account, given.order_id, given.trade_id)
        if key not in self._taken_as_open:
            self._taken_as_open.add(key)
            self._open_more(given.side.sign * qty)
            if qty < given.qty and self._began:
                self._hear(replace(given, qty=given.qty - qty), self._now_ns())

    def _hear(self, given: Fill, at_ns: int) -> None:
        """The desk was told of a fill of the source. Steps come here in their order, and it may be some ahead."""
        key = (given.account, given.order_id, given.trade_id)
        if key not in self._heard:
            self._heard.add(key)
            sign = given.side.sign
            if self.handed_over:  # a run that is stopped as it starts listens on
                self._hand(sign, -given.qty)
            self._unheard[sign] -= given.qty
            if self._told_now[0] != at_ns:
                self._told_now = (at_ns, {1: ZERO, -1: ZERO})
            self._told_now[1][sign] += given.qty

    def _hand(self, sign: int, qty: Decimal) -> None:
        """Leave what is unheard to the next run (requirement 22), or take it over from the one before."""
        self._handed_over[sign] += qty
        self._unheard[sign] -= qty
        self._open_more(-sign * qty)

    def _listen(self, at_ns: int) -> None:
        if not self._net_unheard:
            self._unheard_ns = 0
            return
        self._unheard_ns = self._unheard_ns or at_ns
        lag_ns = at_ns - self._unheard_ns
        self.longest_unknown_ns = max(self.longest_unknown_ns, lag_ns)
        if self._late(lag_ns, self._unheard_ns):
            self.violate("unknown_long", f"the source has filled {self._net_unheard} that nobody here knows")
            self._unheard_ns = at_ns

    def _late(self, lag_ns: int, since_ns: int) -> bool:
        bound = self._bounds.unknown_ns
        return bool(bound) and lag_ns > bound and lag_ns > bound + self._allowed(since_ns)

    def _compare(self, desk: Desk) -> None:
        """A quiet cut: all that has filled was told, so that both books must say the same (S17)."""
        self.quiet_cuts += 1
        for venue in self._venues:
            for account, theirs in venue.positions().items():
                if account == self._source:
                    continue
                ours = self._ours(desk, account)
                if ours != theirs:
                    self.violate("ledger_differs", f"{account}: the ledger has {ours}, the venue {theirs}")

    def _compare_money(self) -> None:
        """At the end of a run that took over from nobody: limits on losses go by the desk's own sums."""
        assert self._desk is not None
        for account, (cash, fees) in self._money.items():
            book = self._desk.world.ledger.books[account]
            if (book.cash, book.fees) != (cash, fees):
                ours = f"{book.cash} with fees of {book.fees}"
                self.violate("money_differs", f"{account}: the desk counts {ours}, the venue {cash} with {fees}")

    def _price_dust(self, desk: Desk) -> None:
        """What some taker could trade is no dust (S6)."""
        sizes = []
        for name in desk.world.traded:
            quote = desk.books.get(desk.world.books_key[name])
            if quote is None:
                return
            if name != desk.world.maker:
                sizes.append(smallest_order(desk.world.instruments[name], quote.bid))
        self._least = min(sizes)

    # --- the end

    def left(self) -> Mapping[str, Left]:
        """What each account holds at its venue, beside what it could trade by what that venue has told."""
        assert self._desk is not None
        found = {}
        for venue in self._venues:
            for name, qty in venue.positions().items():
                instrument = self._desk.world.instruments[name]
                price = self._desk.books[self._desk.world.books_key[name]].bid
                free = replace(instrument, min_notional=ZERO) if instrument.reduces_below_notional else instrument
                found[name] = Left(qty, smallest_order(free, price), smallest_order(instrument, price))
        return found

    def close(self, *, left: bool = False, cut_short: bool = False) -> None:
        """Judge what is open when the world stops.

        A run that was `left` at once may leave it so. One that was `cut_short` in order, told what was open and had no
        more time may leave what it was still about to hedge, and what it could still have heard of. Nobody can have
        heard of a trade by hand whose row is still on its way.
        """
        now_ns = self._now_ns()
        if left:
            return
        self._check_long(now_ns)
        late = {key for key in self._foreign if now_ns - self._foreign_ns[key] < ON_ITS_WAY_NS}
        self.untold_at_end = bool(late)
        if self._since_ns:
            self.episodes.append(Episode(self._since_ns, now_ns, self._most))
            spared = cut_short or self.left_to_a_person
            if not spared and self._open(self.exposure - sum((self._foreign[key] for key in late), ZERO)):
                self.violate("left_exposed", f"the run ended with {self.exposure} open")
        for client_id, order in self._behind.items():
            if cut_short and not self._late(now_ns - order.behind_since_ns, order.behind_since_ns):
                continue
            self.violate("never_known", f"{client_id}: {order.there - order.known} has filled and was never told")
        if not self._behind and not self._foreign and self._desks == 1:
            self._compare_money()
        if self._source and not cut_short and self._net_unheard:
            self.violate("never_known", f"the source has filled {self._net_unheard} that was never told")
        for account, order_id, trade_id in (key for key in self._foreign if key not in late):
            self.violate("foreign_unknown", f"{account}: trade {trade_id} of order {order_id} was never told")
