"""The one inbox of a run: inputs are steps of its desk, one after the other; hedges leave first, records come last.

Knows no client: what a step asks for is performed by who is handed in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from engine.runtime.clock import MS
from engine.runtime.journal import Journal
from engine.runtime.outlets import Outlets
from engine.runtime.ports import Desk, Draws
from engine.trading.effects import CancelOrder, Effect, PlaceOrder
from engine.trading.inputs import Input, StopAsked
from exchanges.reads import Reads
from exchanges.types import Cancellable, Clock, Fill, Quote

SLICE_NS = MS // 4  # of recording, after which sockets get their turn; a step takes some 150 us
MOST_BEHIND = 64  # steps whose rows and lines stand back behind hedges; more than one read of a socket brings
MOST_HELD = 16  # steps, from the first whose hedge waits for the end of a read on: a few ms at the very most


_Request = PlaceOrder | CancelOrder


class _Step:
    """One step: number, times, what it was given and read, what it asked for, and when requests of it were decided."""

    __slots__ = ("at_ns", "decided_ns", "draws", "effects", "given", "hedges", "quotes", "seq", "wall_ms")

    def __init__(self, seq: int, at_ns: int, wall_ms: int, given: Input) -> None:
        self.seq = seq
        self.at_ns = at_ns
        self.wall_ms = wall_ms
        self.given = given
        self.quotes: Sequence[Quote] = _NO_QUOTES
        self.draws: Sequence[int] = _NO_DRAWS
        self.effects: list[Effect] = []
        self.hedges: Sequence[_Request] = _NO_HEDGES  # of its effects those that leave before the flow hears of it
        self.decided_ns = 0  # when its first request was; 0: it asked for none

    def has_left(self, effect: Effect) -> bool:
        return any(effect is hedge for hedge in self.hedges)


# By a name: from a bare () mypyc would take it that nothing else is ever found there.
_NO_QUOTES: Sequence[Quote] = ()
_NO_DRAWS: Sequence[int] = ()
_NO_HEDGES: Sequence[_Request] = ()


class Stepping:
    """Takes inputs into the desk and sees to what each step asks for.

    `execute` performs an effect by its type; an exception of it goes to `fail` and costs no other effect. `together`
    opens a row of hedges that are performed one right after the other. `first` is asked before inputs are taken, and
    what it gives is taken before them. `reads` says which inputs came together. `journal_lost` is called once, with the
    first record that the journal did not take. `flush_after_ns` bounds how long its rows wait in memory; 0 does not.
    """

    def __init__(
        self, desk: Desk, *, journal: Journal, clock: Clock, chance: Draws, reads: Reads, outlets: Outlets,
        execute: Mapping[type, Callable[[Any, int], None]], together: Callable[[], AbstractContextManager[None]],
        first: Callable[[], Input | None] | None, fail: Callable[[BaseException], None],
        journal_lost: Callable[[], None], flush_after_ns: int,
    ) -> None:  # fmt: skip
        self.decided_ns = 0  # when the newest step that asked for a request had decided it
        self.intent_lost = False  # a request left without one
        self.after_each: Callable[[], None] | None = None  # called when what a step asked for has been performed
        self.busy = False
        self.held: list[_Step] = []  # whose hedges wait for the end of a read …
        self._standing: list[_Step] = []  # … and those that stand back behind them
        self._desk = desk
        self._journal = journal
        self._clock = clock
        self._chance = chance
        self._reads = reads
        self._outlets = outlets
        self._execute = execute
        self._together = together
        self._first = first
        self._fail = fail
        self._journal_lost = journal_lost
        self._journal_told = False
        self._flush_after_ns = flush_after_ns
        self._flush_timer: Cancellable | None = None
        self._inbox: deque[Input] = deque()
        self._seq = 0
        self._step = _Step(0, 0, 0, StopAsked(0))  # that runs; before the first there is none
        self._behind: deque[_Step] = deque()
        desk.on_hedges = self._send_hedges

    def take(self, given: Input) -> None:
        """Take an input: at once, or after the inputs that are being taken. Never raises, for the sake of callers."""
        self._inbox.append(given)
        if not self.busy:
            self.work()

    def close(self) -> None:
        """Let what waits leave, and forget what was not taken yet; what stood back is still recorded by `catch_up`."""
        self.let_leave()
        self._inbox.clear()
        if self._flush_timer is not None:
            self._flush_timer.cancel()

    def work(self) -> None:
        """Take what waits, and before it what `first` gives."""
        self.busy = True
        inbox = self._inbox
        if self._first is not None:
            before = self._first()
            if before is not None:
                inbox.appendleft(before)
        try:
            while inbox:
                self._take(inbox.popleft())
        finally:
            self.busy = False

    def _take(self, given: Input) -> None:
        desk = self._desk
        if self.held and type(given) is not Fill:
            self._send_held()
        self._seq += 1
        self._step = step = _Step(self._seq, self._clock.now_ns(), self._clock.wall_ms(), given)
        try:
            step.effects = desk.step(given, step.at_ns)
        except Exception as error:  # noqa: BLE001 top of every callback: a defect must end in the stop sequence
            self._fail(error)
            if not step.hedges:
                return
            step.effects = list(step.hedges)  # the journal must know why they left
        step.quotes, step.draws = desk.take_used_quotes(), self._chance.take_draws()
        if not self.held and not self._standing:
            self._complete(step)
            return
        self._standing.append(step)
        if len(self._standing) >= MOST_HELD:
            self._send_held()
        if not self.held:
            self._complete_standing()

    def _complete(self, step: _Step) -> None:
        """Everything of a step but the hedges that have left, and its record."""
        rest = [effect for effect in step.effects if not step.has_left(effect)] if step.hedges else step.effects
        self._note_intents([(step, it) for it in rest if type(it) is PlaceOrder or type(it) is CancelOrder])
        if step.decided_ns:
            self.decided_ns = step.decided_ns
        self._perform(step, rest)
        if self.after_each is not None:
            self.after_each()
        if not step.hedges and not self._behind:
            self._record(step)
            return
        # More fills may wait in the socket, and each hedge would wait for the rows and lines of those before it.
        if not self._behind:
            self._clock.call_at(step.at_ns, self._catch_up_by_and_by)
        self._behind.append(step)
        if len(self._behind) >= MOST_BEHIND:
            self.catch_up()

    def catch_up(self, most_ns: int | None = None) -> bool:
        """Record the steps whose record stood back behind a hedge, in their order. Returns whether all are recorded.

        With `most_ns` it ends with the step after which so long has passed.
        """
        self.let_leave()
        behind, now_ns = self._behind, self._clock.now_ns
        until_ns = None if most_ns is None else now_ns() + most_ns
        while behind:
            self._record(behind.popleft())
            if until_ns is not None and now_ns() >= until_ns:
                break
        return not behind

    def _catch_up_by_and_by(self) -> None:
        """What a round's end leaves takes milliseconds, in which the next fill may come: sockets have turns between."""
        if not self.catch_up(SLICE_NS):
            self._clock.call_at(self._clock.now_ns(), self._catch_up_by_and_by)

    def _record(self, step: _Step) -> None:
        if step.decided_ns:
            self.decided_ns = step.decided_ns
        try:
            self._journal.step(
                step.seq, step.at_ns, step.wall_ms, step.given, step.quotes, step.draws, step.effects
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 it may not reach the adapter that brought the input: that loses frames
            self._fail(error)
        if self._journal.failed and not self._journal_told:
            self._journal_told = True
            self._journal_lost()
        if self._flush_after_ns and self._flush_timer is None:
            self._flush_timer = self._clock.call_at(step.at_ns + self._flush_after_ns, self._flush)
        self._outlets.tell_step(step.seq, step.at_ns, step.given, step.effects)

    # --- hedges, which leave first

    def _send_hedges(self, standing: Sequence[Effect]) -> None:
        """The requests of the standing rule leave while the flow has not heard of the input of the running step yet.

        Everything else of the step is performed after it, in order. Where more messages of one read wait, the hedges of
        all leave together at the last one: one commit for all, and the venue is not woken for each.
        """
        step = self._step
        step.hedges = [effect for effect in standing if type(effect) is PlaceOrder or type(effect) is CancelOrder]
        if not step.hedges:
            return
        if self._reads.more and not self.held:
            self._reads.at_end(self._release)
        step.decided_ns = self._clock.now_ns()
        self.held.append(step)
        if not self._reads.more:
            self._send_held()

    def _send_held(self) -> None:
        held, self.held = self.held, []
        hedges = [(step, hedge) for step in held for hedge in step.hedges]
        self._note_intents(hedges)
        try:
            with self._together() if len(hedges) > 1 else nullcontext():
                for step in held:
                    self._perform(step, step.hedges)
        except Exception as error:  # noqa: BLE001 as in `_perform`
            self._fail(error)

    def _complete_standing(self) -> None:
        """Steps that stood back behind hedges which have left."""
        standing, self._standing = self._standing, []
        for step in standing:
            self._complete(step)

    def let_leave(self) -> None:
        """The hedges that wait, and where no step runs all that stands back behind them."""
        if self.busy:
            self._send_held()
        else:
            self._release()

    def _release(self) -> None:
        """No step runs, and none that stood back may wait any longer. Never raises."""
        if not self.held and not self._standing:
            return
        self.busy = True  # what the sends say is taken behind them
        try:
            self._send_held()
            self._complete_standing()
        finally:
            self.busy = False
        if self._inbox:
            self.work()

    def _note_intents(self, asked: Sequence[tuple[_Step, _Request]]) -> None:
        """Before anything of them is sent."""
        if not asked:
            return
        now_ns = self._clock.now_ns()
        for step, _ in asked:
            step.decided_ns = step.decided_ns or now_ns
        try:
            self._journal.intents([(request, step.seq, step.decided_ns, step.wall_ms) for step, request in asked])
        except Exception as error:  # noqa: BLE001 rows that are missing can be told; a hedge may not wait for them
            self.intent_lost = True
            self._fail(error)

    def _perform(self, step: _Step, effects: Sequence[Effect]) -> None:
        execute, at_ns = self._execute, step.at_ns
        for effect in effects:
            try:
                execute[type(effect)](effect, at_ns)
            except Exception as error:  # noqa: BLE001 one effect that cannot be executed must not cost the next, a hedge
                self._fail(error)

    def _flush(self) -> None:
        self._flush_timer = None
        self.catch_up()
        self._journal.flush()
