"""The story of a round: the path that the chart took, orders, fills, what hedged what, and money, step by step.

Facts come from the journal's rows; rows of the flow, draws and choices from a replay (walk), as far as it agrees.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from engine.chart.journey import Hop, Journey, journey_of
from engine.chart.model import DURATION_RANGE, Flow, Move
from engine.chart.picture import initial_leaf
from engine.errors import JournalCorrupt, NotInJournal
from engine.review.cover import Pair, pairs
from engine.review.facts import (
    LAST,
    FillRow,
    Intent,
    OrderRow,
    RoundRow,
    SendRow,
    Step,
    covers_of,
    orders_of,
    read_fills,
    read_rounds,
    read_steps,
    sends_of,
)
from engine.review.runs import RunHead, flow_of, head_of, leaf_names
from engine.review.walk import Insight, MakeDesk, Walk, walk
from engine.runtime.audit_facts import Account, read_accounts
from engine.runtime.journal_read import RunRow, open_journal, pick_run
from engine.trading.effects import Moved
from exchanges.types import ZERO

__all__ = ["Exposure", "RoundTrace", "Taken", "TracedStep", "trace_rounds"]


@dataclass(frozen=True, slots=True)
class Taken:
    """A row that the chart took, states by their full names. `move` has it as written, None without a replay."""

    event: str
    source: str
    target: str | None
    move: Move | None


@dataclass(frozen=True, slots=True)
class Exposure:
    """Net position of all accounts after a step; `open_ns` is how long what it closed had stood open, else None."""

    net: Decimal
    open_ns: int | None


@dataclass(frozen=True, slots=True)
class TracedStep:
    """What belongs to the round of one step. Money is in quote units since the round's begin."""

    step: Step
    insight: Insight | None
    taken: tuple[Taken, ...]
    intents: tuple[Intent, ...]
    fills: tuple[FillRow, ...]
    closed: tuple[Pair, ...]
    exposure: Exposure
    cash: Decimal
    fees: Decimal
    over: bool  # the round's books were closed in this step


@dataclass(frozen=True, slots=True)
class RoundTrace:
    """One round, until the next one begins or the run ends (`until_ns`): a cleanup belongs to the round before it."""

    run: RunHead
    round: RoundRow
    until_ns: int
    steps: tuple[TracedStep, ...]
    orders: Mapping[str, OrderRow]
    sends: Mapping[str, Sequence[SendRow]]
    late: tuple[FillRow, ...]  # fills of this round's orders that came when the next had begun
    hops: tuple[Hop, ...]
    largest: Decimal  # exposure that stood open …
    longest_ns: int  # … and the longest time that any did
    drawn: Mapping[str, str]  # delays whose length is drawn by chance -> where the chart rests when they are armed
    gap: str  # why there are no reasons, or not to the end; empty if all are there

    @property
    def journey(self) -> Journey:
        return journey_of(self.hops, until_ns=self.until_ns)


def trace_rounds(
    path: Path,
    make_desk: MakeDesk | None,
    *,
    first: int,
    last: int,
    run: int | None = None,
    before_replay: Callable[[int], None] = lambda _: None,
) -> tuple[Flow | None, list[RoundTrace]]:
    """Rounds `first` to `last` of a run, the newest unless `run` says otherwise, and the flow if it can be read.

    Without `make_desk` nothing is replayed: only what the journal itself says. `before_replay` hears how many steps
    are going to be.
    Raises: NotInJournal, JournalUnreadable, JournalForeign, JournalNewer, JournalCorrupt.
    """
    with open_journal(path) as journal:
        row = pick_run(journal, run, path=path)
        rounds = read_rounds(journal, row.number)
        chosen = [it for it in rounds if first <= it.round <= last]
        if not chosen or chosen[0].round != first or chosen[-1].round != last:
            raise NotInJournal(_no_round(row.number, rounds, first=first, last=last))
        reader = _Reader(journal, path, row, rounds, chosen)
        if make_desk is not None and reader.flow is not None:
            reader.replay(make_desk, before_replay)
        return reader.flow, [reader.trace(it) for it in chosen]


def _no_round(run: int, rounds: Sequence[RoundRow], *, first: int, last: int) -> str:
    if not rounds:
        return f"run {run} has no round: it ended before one began"
    wanted = f"round {first}" if first == last else f"rounds {first}..{last}"
    if len(rounds) == 1:
        return f"run {run} has no {wanted}; its only round is {rounds[0].round}"
    return f"run {run} has no {wanted}; its rounds are {rounds[0].round}..{rounds[-1].round}"


class _Reader:
    """Reads several rounds of one run with one pass over each table and one replay."""

    def __init__(
        self, journal: sqlite3.Connection, path: Path, row: RunRow, rounds: Sequence[RoundRow],
        chosen: Sequence[RoundRow],
    ) -> None:  # fmt: skip
        number = row.number
        self._path = path
        self._run = number
        self._head = head_of(journal, row)
        self._next = {it.round: after for it, after in pairwise(rounds)}
        self._accounts = read_accounts(journal, number)
        self._walk: Walk | None = None
        self._gap = "the run was not replayed"
        try:
            self.flow: Flow | None = flow_of(row)
        except JournalCorrupt as unreadable:
            self.flow, self._gap = None, str(unreadable)
        self._names = {} if self.flow is None else leaf_names(self.flow)
        self._first, self._last_seq = chosen[0].began_seq, self._last(chosen[-1])
        self._net_at: dict[int, Decimal] = {}  # by the step that began a round
        self._pairs: dict[int, list[Pair]] = {}  # by the step that closed them
        fills = self._summed(read_fills(journal, number, last=self._last_seq), deque(it.began_seq for it in chosen))
        for pair in pairs(fills, covers_of(journal, number)):
            if pair.closed.seq >= self._first:
                self._pairs.setdefault(pair.closed.seq, []).append(pair)
        self._steps = read_steps(journal, number, first=self._first, last=self._last_seq)
        ids = frozenset(it.client_id for step in self._steps for it in step.intents)
        self._orders = orders_of(journal, number, ids)
        self._sends = sends_of(journal, number, ids)
        numbers = range(chosen[0].round, chosen[-1].round + 1)
        self._later = list(read_fills(journal, number, first=self._last(chosen[0]) + 1, rounds=numbers))

    def _last(self, round_: RoundRow) -> int:
        """The step that begins the next round, at most `LAST - 1`."""
        after = self._next.get(round_.round)
        return LAST - 1 if after is None else after.began_seq

    def _summed(self, fills: Iterable[FillRow], begins: deque[int]) -> Iterator[FillRow]:
        """Pass fills on, noting the net position with which each round began.

        Fills of the step that began a round were of the round before.
        """
        net = ZERO
        for fill in fills:
            while begins and fill.seq > begins[0]:
                self._net_at[begins.popleft()] = net
            net += fill.change
            yield fill
        self._net_at.update(dict.fromkeys(begins, net))

    def replay(self, make_desk: MakeDesk, before_replay: Callable[[int], None]) -> None:
        """From the start of the run to the end of these rounds."""
        until = min(self._last_seq, self._head.last_seq)
        before_replay(until)
        wanted = range(self._first, until + 1)
        self._walk = walk(self._path, make_desk, run=self._run, wanted=wanted.__contains__, until=until)
        lost = self._walk.difference
        self._gap = "" if lost is None else f"this program decides step {lost.seq} otherwise ({lost.what})"

    def trace(self, round_: RoundRow) -> RoundTrace:
        last = self._last(round_)
        begin = bisect_left(self._steps, round_.began_seq, key=lambda step: step.seq)
        end = bisect_right(self._steps, last, key=lambda step: step.seq)
        found = self._steps[begin:end]
        money = _Money(self._accounts, self._net_at[round_.began_seq])
        steps = [self._step(step, round_, money) for step in found if step.seq < last or step.moved or step.fills]
        ids = {it.client_id: None for step in steps for it in step.intents}
        return RoundTrace(
            run=self._head, round=round_, until_ns=found[-1].at_ns, steps=tuple(steps),
            orders={name: self._orders[name] for name in ids if name in self._orders},
            sends={name: self._sends[name] for name in ids if name in self._sends},
            late=tuple(fill for fill in self._later if fill.round == round_.round and fill.seq > last),
            hops=tuple(_hops(steps)), largest=money.largest, longest_ns=money.longest_ns,
            drawn=_drawn(self.flow) if self.flow else {}, gap=self._gap,
        )  # fmt: skip

    def _step(self, step: Step, round_: RoundRow, money: _Money) -> TracedStep:
        insight = None if self._walk is None else self._walk.insights.get(step.seq)
        first = step.seq == round_.began_seq
        fills = () if first else tuple(step.fills)
        exposure = money.count(fills, step.at_ns)
        closed = () if first else tuple(self._pairs.get(step.seq, ()))
        return TracedStep(
            step=step, insight=insight, taken=tuple(self._taken(step, insight, round_.round)),
            intents=tuple(it for it in step.intents if it.round in (round_.round, None)), fills=fills, closed=closed,
            exposure=exposure, cash=money.cash, fees=money.fees, over=step.seq == round_.ended_seq,
        )  # fmt: skip

    def _taken(self, step: Step, insight: Insight | None, number: int) -> Iterator[Taken]:
        moves: Sequence[Move | None] = [None] * len(step.moved) if insight is None else insight.moves
        for moved, move in zip(step.moved, moves, strict=True):
            if moved.round == number:
                yield Taken(moved.event, self._name(moved.source), self._target(moved), move)

    def _name(self, state: str) -> str:
        return self._names.get(state, state)

    def _target(self, moved: Moved) -> str | None:
        return None if moved.target is None else self._name(moved.target)


def _drawn(flow: Flow) -> dict[str, str]:
    return {
        delay.event: initial_leaf(flow, state.name)
        for state in flow.states.values()
        for delay in state.delays
        if (delay.literal and delay.literal[0] < delay.literal[1])
        or (delay.setting and flow.settings[delay.setting].type == DURATION_RANGE)
    }


def _hops(steps: Iterable[TracedStep]) -> Iterator[Hop]:
    for traced in steps:
        for taken in traced.taken:
            yield Hop(traced.step.at_ns, taken.source, taken.event, taken.target)


class _Money:
    """Counts fills as they come: net position, how long it stood open, cash and fees."""

    def __init__(self, accounts: Mapping[str, Account], net: Decimal) -> None:
        self._accounts = accounts
        self._since_ns: int | None = None
        self.net = net
        self.cash = ZERO
        self.fees = ZERO
        self.largest = ZERO
        self.longest_ns = 0

    def count(self, fills: Sequence[FillRow], at_ns: int) -> Exposure:
        open_ns = None
        for fill in fills:
            self.net += fill.change
            self.cash += fill.cash
            self.fees += fill.cost
            if self._hedgeable(fill.price):
                self._since_ns = at_ns if self._since_ns is None else self._since_ns
                self.largest = max(self.largest, abs(self.net))
            elif self._since_ns is not None:
                open_ns, self._since_ns = at_ns - self._since_ns, None
                self.longest_ns = max(self.longest_ns, open_ns)
        return Exposure(self.net, open_ns)

    def _hedgeable(self, price: Decimal | None) -> bool:
        """Could some account trade it (S6)? What nobody can is dust and has no age."""
        least = min(account.smallest_trade(price or ZERO) for account in self._accounts.values())
        return abs(self.net) >= least
