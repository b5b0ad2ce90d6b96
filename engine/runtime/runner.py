"""The life of a run: clients are connected and read, what the desk asks for is performed, and no failure vanishes.

Decides nothing about trading. Inputs go to the desk through `Stepping`. Everything happens in callbacks of one loop,
live or in virtual time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from engine.errors import EngineError
from engine.runtime.clock import BEAT_NS, MS, GapWatch, S
from engine.runtime.journal import Journal
from engine.runtime.listeners import of_a_listener
from engine.runtime.missing_rows import MissingRows
from engine.runtime.outlets import Outlets
from engine.runtime.patience import Patience
from engine.runtime.ports import DayOf, Desk, Draws, Objection, Sink, Trace, Watch
from engine.runtime.questions import DISCONNECT_TIMEOUT_S, Holdings, Questions
from engine.runtime.sender import Sender
from engine.runtime.stepping import Stepping
from engine.runtime.timers import Timers
from engine.trading.effects import (
    Alert,
    ArmTimer,
    AskOrder,
    AskPositions,
    CancelOrder,
    DisarmTimer,
    Effect,
    Finish,
    Level,
    Moved,
    PlaceOrder,
    Purpose,
    RoundBegan,
    RoundEnded,
)
from engine.trading.inputs import (
    Answered,
    Carried,
    ClockJumped,
    Counted,
    Input,
    Looked,
    PauseAsked,
    Recalled,
    Relisted,
    SourceChecked,
    Started,
    StopAsked,
)
from engine.trading.rates import RateWindow
from exchanges.base import BaseExchangeClient
from exchanges.errors import ExchangeError
from exchanges.reads import Reads
from exchanges.types import (
    Cancellable,
    Clock,
    Fill,
    Instrument,
    LinkUpdate,
    OrderUpdate,
    Position,
    PrivateEvent,
    Quote,
    Refusal,
    Refused,
)

MOST_FAILURES = 20  # a defect that repeats for ever must not keep a process alive that can do nothing
FAILED_GRACE_NS = 60 * S  # for the stop sequence after a failure; beyond it the run ends as it stands
BASELINE_TRIES = 5  # readings of the first positions; the last one counts even if an account moved meanwhile (S17)
STEPS_REFUSED = frozenset({Refusal.PRICE, Refusal.SIZE})
LIST_AGAIN_NS = 10 * S  # a market is looked up no more often, however many orders are refused …
STEPS_BACK_NS = 15 * S  # … and again after so long: finer steps refuse nothing, and orders stand too far from the touch
COVER_NS = 5 * S  # for the hedges of what comes in while the venues are asked for the last time
LATE_TRIES = 3  # such waits, each with a last reading behind it in which more may come in
LEFT = 130  # exit code at the third interrupt
JOURNAL_LOST = 4


@dataclass(frozen=True, slots=True)
class Ending:
    exit_code: int
    text: str


class Runner:
    """One run of one desk on the clients of its accounts.

    `symbols` is what each account trades. Of accounts in `heard`, which are only listened to, no quotes, positions
    or margins are asked. `rates` are accounts' windows that other runs of this process share. `may_send` has the
    last word on openings, at the wire. Moves go to `move_sinks` alone where those are given: most sinks have no use
    for them. A sink or trace that raises is cut off and fails the run; any other exception of a callback or task
    fails it too: the desk is told to stop in order, at a second failure to flatten at once. `flush_after_ns` bounds
    how long journal rows wait in memory where the journal's own batches fill slowly (0: not bounded, for virtual
    time). `carried` is what earlier runs left, if anything; `lost` says that an account may belong to another
    process by now, and empty while it does not (S21). `check_baseline` refuses positions that the run may not start
    beside, by an EngineError; it is also given the fills of earlier runs' orders that were missing in the journal.
    `steps` coarsens what a venue lists to the steps that the account's orders may have. `reads` says which messages
    of the clients came together.
    With `stop_at_once` the run opens nothing: it is stopped at that level as soon as it has begun.
    """

    def __init__(
        self, desk: Desk, clients: Mapping[str, BaseExchangeClient], *, symbols: Mapping[str, str], clock: Clock,
        watch: Watch, journal: Journal, chance: Draws, orders_per_minute: int, max_book_age_ns: int,
        may_send: Objection = lambda _: "", sinks: Sequence[Sink] = (), move_sinks: Sequence[Sink] | None = None,
        traces: Sequence[Trace] = (), gaps: GapWatch | None = None, flush_after_ns: int = 0,
        recovery: str = "eagle recover", day: DayOf = lambda _: None, heard: frozenset[str] = frozenset(),
        rates: Mapping[str, RateWindow] = MappingProxyType({}),
        carried: Carried | None = None, lost: Callable[[], str] = lambda: "", stop_at_once: int = 0,
        check_baseline: Callable[[Sequence[Position], Sequence[Fill]], None] = lambda *_: None,
        steps: Callable[[str, Instrument], Instrument] = lambda _, listed: listed, reads: Reads | None = None,
    ) -> None:  # fmt: skip
        self.ending: Ending | None = None
        self.failures: list[BaseException] = []
        self._desk = desk
        self._clients = clients
        self._symbols = symbols
        self._asked = tuple(account for account in clients if account not in heard)
        self._clock = clock
        self._watch = watch
        self._journal = journal
        self._chance = chance
        self._day = day
        self._carried = carried
        self._lost = lost
        self._stop_at_once = stop_at_once
        self._check_baseline = check_baseline
        self._steps = steps
        self._listed_ns: dict[str, int] = {}  # when an account's market was looked up last
        self._lost_told = False
        self._max_book_age_ns = max_book_age_ns
        self._may_send = may_send
        self._outlets = Outlets(sinks, move_sinks, traces, failed=self.fail)
        self._gaps = gaps
        self._recovery = recovery
        self._began = False
        self._closed = False
        self._said_open: list[str] | None = None  # what was open when the flow said its end …
        self._to_recover = ""  # … and what to do about it
        self._covered: asyncio.Future[None] | None = None
        self._deaf = False  # to accounts that are only listened to: the run is on its way out
        self._books = desk.books
        self._moves = dict.fromkeys(clients, 0)
        self._timers = Timers(clock, self.handle)
        self._guard_timer: Cancellable | None = None
        self._grace_timer: Cancellable | None = None
        self._beat_timer: Cancellable | None = None
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._reconnecting: dict[str, bool] = {}
        self._over: asyncio.Future[None] | None = None
        self._questions = Questions(clients, moves=self._moves_of)
        self._rows = MissingRows(
            self._questions, desk, journal, symbols={name: symbols[name] for name in self._asked}, clock=clock,
            since_ms=None if carried is None else carried.since_ms, alert=self.alert,
        )  # fmt: skip
        self._senders = {
            account: Sender(
                client, clock=clock, rate=rates.get(account) or RateWindow(orders_per_minute),
                tell=partial(self._answered, account),
                ask=self._ask_order, objection=self._objection, on_sent=journal.sent,
            )
            for account, client in clients.items()
        }  # fmt: skip
        execute: dict[type, Callable[[Any, int], None]] = {
            PlaceOrder: self._place,
            CancelOrder: self._cancel,
            AskOrder: self._cancel,
            AskPositions: self._ask_positions,
            ArmTimer: self._timers.arm,
            DisarmTimer: self._timers.disarm,
            Moved: self._show_move,
            RoundBegan: self._show,
            RoundEnded: self._show,
            Alert: self._show,
            Finish: self._finish,
        }
        self._stepping = Stepping(
            desk, journal=journal, clock=clock, chance=chance, reads=reads or Reads(), outlets=self._outlets,
            execute=execute, together=self._together, first=None if gaps is None else partial(self._look_for_gap, gaps),
            fail=self.fail, journal_lost=self._journal_lost, flush_after_ns=flush_after_ns,
        )  # fmt: skip

    @property
    def decided_ns(self) -> int:
        """When the newest step that asked for a request had decided it."""
        return self._stepping.decided_ns

    # --- the run

    async def run(self) -> int:
        """Connect, start the desk, and return the exit code when it has finished or was left.

        Raises: ExchangeError if the accounts cannot be connected and read, EngineError for what they may not hold;
        nothing was sent then.
        """
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        former = loop.get_exception_handler()
        loop.set_exception_handler(self._loop_failed)
        try:
            if self.ending is None:  # else it was stopped before it came to run
                if self._carried is not None:
                    self.handle(self._carried)
                    self._journal.flush()  # if this run dies at once, the next one finds it here
                self._listen()
                self._spawn(self._start())
                await self._over
        finally:
            await self._leave()
            loop.set_exception_handler(former)
        return self.exit_code()

    def stop(self, level: int) -> None:
        """E18: 1 asks for an orderly end, 2 to flatten now, 3 leaves at once with what is open."""
        if level >= 3:
            self._shut()
            self._end(LEFT, self._left_text())
        elif self._began:
            self._deaf = True
            self._head_out(level)
        elif self._carried is not None:
            self._stop_at_once = max(self._stop_at_once, level)  # what an earlier run left is closed first
        else:
            self._end(LEFT, "stopped before the start; nothing was sent")

    def _head_out(self, level: int) -> None:
        """From here on whether all is flat is waited for, and nothing is kept back for rounds to come (S11)."""
        for client in self._clients.values():
            client.leaving()
        self.handle(StopAsked(level))

    def pause(self, paused: bool) -> None:
        """No opening from now on, or openings again."""
        self.handle(PauseAsked(paused))

    def handle(self, given: Input) -> None:
        """Take an input: at once, or after the inputs that are being taken. Never raises, for the sake of callers."""
        if self._closed or (self._deaf and type(given) is SourceChecked):
            return  # who listens no more has not heard what was compared: the next run begins where this one stopped
        self._stepping.take(given)

    def alert(self, alert: Alert) -> None:
        """Tell an alert that comes from no step: of this runner, or of what works beside it."""
        self._stepping.catch_up()
        try:
            self._journal.alert(alert, self._clock.now_ns(), self._clock.wall_ms())
        except Exception as error:  # noqa: BLE001 it is told all the same
            self.failures.append(error)
        self._outlets.tell(alert)

    def fail(self, error: BaseException) -> None:
        """A defect, ours or a client's: tell a person and end the run in order while that is possible."""
        self.failures.append(error)
        times = len(self.failures)
        text = f"{type(error).__name__}: {error}"
        self.alert(Alert(Level.PERSON, "internal_error", f"{text}; ending the run", {"failures": str(times)}))
        if not self._began or times >= MOST_FAILURES:
            self._give_up(text)
        elif times <= 2:
            self._deaf = True
            self._head_out(times)
            if times == 1:
                self._grace_timer = self._clock.call_at(self._clock.now_ns() + FAILED_GRACE_NS, self._give_up, text)

    # --- what a step asks for

    @contextmanager
    def _together(self) -> Iterator[None]:
        with ExitStack() as rows:
            for client in self._clients.values():
                rows.enter_context(client.together())
            yield

    def _place(self, effect: PlaceOrder, at_ns: int) -> None:
        self._senders[effect.request.account].offer(effect, at_ns)

    def _cancel(self, effect: CancelOrder | AskOrder, at_ns: int) -> None:
        self._senders[effect.account].offer(effect, at_ns)

    def _objection(self, order: PlaceOrder) -> str:
        """S16, at the wire: why this opening must not leave any more."""
        if order.purpose is Purpose.OPEN and (self._journal.failed or self._stepping.intent_lost):
            return "the journal cannot be written: no opening without a durable intent"
        quote = self._books.get((order.venue, order.request.symbol))
        if quote is None:
            return "no book"
        age_ns = self._clock.now_ns() - quote.recv_ns
        if age_ns > self._max_book_age_ns:
            return f"book is {age_ns // MS} ms old"
        return self._may_send(order)

    def _ask_order(self, effect: AskOrder) -> None:
        self._spawn(self._look(effect))

    async def _look(self, effect: AskOrder) -> None:
        answer = Looked(effect.client_id, effect.token, ok=False, update=None, text="the client failed")
        try:
            answer = await self._questions.look(effect)
        finally:
            self.handle(answer)  # in every case: the desk asks no second time while it waits for the first

    def _ask_positions(self, effect: AskPositions, at_ns: int) -> None:
        self._spawn(self._count(effect))

    async def _count(self, effect: AskPositions) -> None:
        answer = Counted(effect.token, ok=False, quiet=False, positions=(), margins=(), text="the client failed")
        try:
            answer = await self._questions.count(effect)
        finally:
            self.handle(answer)

    def _show(self, effect: Effect, at_ns: int) -> None:
        self._outlets.tell(effect)

    def _show_move(self, effect: Moved, at_ns: int) -> None:
        self._outlets.tell_move(effect)

    def _finish(self, effect: Finish, at_ns: int) -> None:
        self._said_open = list(self._desk.exposure_lines())
        self._outlets.tell(effect)
        self._to_recover = f"; to recover: {self._recovery}" if effect.left_open else ""
        self._end(effect.exit_code, effect.text + self._to_recover)

    # --- what comes from the clients

    def _answered(self, account: str, given: Input) -> None:
        self.handle(given)
        if type(given) is Answered and type(given.reply) is Refused and given.reply.refusal in STEPS_REFUSED:
            self._look_up(account)

    def _look_up(self, account: str) -> None:
        """A refused price or size may be right by steps that the market no longer has."""
        now_ns = self._clock.now_ns()
        if not self._closed and now_ns >= self._listed_ns.get(account, -LIST_AGAIN_NS) + LIST_AGAIN_NS:
            self._listed_ns[account] = now_ns
            self._spawn(self._list(account))

    async def _list(self, account: str) -> None:
        listed = await self._questions.listed(account, self._symbols[account])
        if listed is not None:
            it = self._steps(account, listed)
            self.handle(Relisted(account, it.tick, it.lot, it.min_qty, it.min_notional))
        if not self._closed:
            self._clock.call_at(self._clock.now_ns() + STEPS_BACK_NS, self._look_up, account)

    def _listen(self) -> None:
        """Take every account's private events, and each book once, from the first account that trades on it."""
        books: dict[tuple[str, str], BaseExchangeClient] = {}
        for account, client in self._clients.items():
            client.setup_order_update_handler(self._private)
            if account in self._asked:
                books.setdefault((client.venue, self._symbols[account]), client)
        for (_, symbol), client in books.items():
            client.setup_quote_handler(symbol, self._quote)

    def _private(self, event: PrivateEvent) -> None:
        if self._deaf and event.account not in self._asked and type(event) is not LinkUpdate:
            return  # requirement 22: what somebody else fills from here on, the next run is told
        if type(event) is Fill or type(event) is OrderUpdate:
            self._moves[event.account] += 1
            if event.client_id and not self._desk.knows(event.client_id):
                self._recall(event)
        self.handle(event)

    def _recall(self, event: Fill | OrderUpdate) -> None:
        self._stepping.catch_up()
        try:
            recalled = self._journal.recall(event.client_id)
        except Exception as error:  # noqa: BLE001 the fill counts all the same, as one of an order that nobody knows
            self.fail(error)
            return
        if recalled is None and not self._journal.failed:  # one that failed is not read any more either
            recalled = self._adopt(event)
        if recalled is not None:
            self.handle(recalled)

    def _adopt(self, event: Fill | OrderUpdate) -> Recalled | None:
        """S15: an order that an earlier run could not write down is ours all the same: its id says so."""
        order = self._desk.adopt(event)
        if order is not None:
            text = (
                f"{order.account}: {order.side.value} {order.qty} {order.symbol} ({order.client_id}) is of an earlier"
                " run that could not journal it; it counts as ours"
            )
            self.alert(Alert(Level.WARNING, "order_adopted", text, {"client_id": order.client_id}))
        return order

    def _moves_of(self, account: str) -> int:
        """Requests that left count as well: what they did may show in a reading before its frame arrives."""
        return self._moves[account] + self._senders[account].sent

    def _quote(self, quote: Quote) -> None:
        stepping = self._stepping
        if stepping.held and not stepping.busy:
            stepping.let_leave()  # behind a fill many quotes may have come
        self._books[quote.venue, quote.symbol] = quote
        seen = self._watch.quote(quote)
        if seen is not None:
            self.handle(seen)
            self._arm_guard()
        elif self._guard_timer is None:
            self._arm_guard()

    def _arm_guard(self) -> None:
        if self._guard_timer is not None:
            self._guard_timer.cancel()
            self._guard_timer = None
        due_ns = self._watch.due_ns()
        if due_ns is not None and not self._closed:
            self._guard_timer = self._clock.call_at(due_ns, self._guard_due)

    def _guard_due(self) -> None:
        self._guard_timer = None
        seen = self._watch.check(self._clock.now_ns())
        if seen is not None:
            self.handle(seen)
        self._arm_guard()

    # --- time that went missing (S14)

    def _look_for_gap(self, gaps: GapWatch) -> ClockJumped | None:
        """It is taken before the input that came out of the gap."""
        gap_ns = gaps.look()
        if not gap_ns or not self._began:
            return None
        for account in self._clients:
            running = account in self._reconnecting
            self._reconnecting[account] = True
            if not running:
                self._spawn(self._reconnect(account))
        return ClockJumped(gap_ns)

    async def _reconnect(self, account: str) -> None:
        try:
            while self._reconnecting[account]:  # again if more time went missing meanwhile
                self._reconnecting[account] = False
                await self._questions.reconnect(account, refused=self.fail)
        finally:
            del self._reconnecting[account]

    def _beat(self) -> None:
        """Notice a gap also when nothing else happens."""
        self._stepping.work()
        self._look_for_lease()
        self._beat_later()

    def _beat_later(self) -> None:
        if not self._closed:
            self._beat_timer = self._clock.call_at(self._clock.now_ns() + BEAT_NS, self._beat)

    def _look_for_lease(self) -> None:
        """S21: with a lease that is lost nothing is opened any more; what is open is closed in order."""
        if self._lost_told:
            return
        why = self._lost()
        if why:
            self._lost_told = True
            self.alert(Alert(Level.PERSON, "lease_lost", f"{why}; ending the run in order", {}))
            self._head_out(1)

    # --- beginning and end

    async def _start(self) -> None:
        patience = Patience(self._no_room, self._no_answer)
        try:
            await self._questions.connect_all(patience)
            held = await self._baseline(patience)
            rows = [] if self._carried is None else await self._rows.of_earlier_runs(self._carried, patience, held)
            self._check_baseline(held.positions, rows)
        except (ExchangeError, EngineError) as error:
            if self._over is not None and not self._over.done():
                self._over.set_exception(error)
            return
        for row in rows:
            self._private(row)
        started = Started(held.positions, held.margins, self._day(held.margins))
        self._journal.venue_start(held.positions, held.margins)  # before the first order: what is not ours (S1)
        self._began = True  # from here on a failure ends the run in order; before, nothing is there to be ended
        self.handle(started)
        if self._stop_at_once:
            self._head_out(self._stop_at_once)
        if self._gaps is not None:
            self._gaps.look()
            self._beat_later()

    async def _baseline(self, patience: Patience) -> Holdings:
        read = partial(self._questions.holdings, self._asked)
        held = await patience.answer(read, of="positions")
        for _ in range(BASELINE_TRIES - 1):
            if held.quiet:
                break
            held = await patience.answer(read, of="positions")
        return held

    def _no_room(self, why: str) -> None:
        self.alert(Alert(Level.WARNING, "requests_awaited", f"{why}{self._stays()}", {}))

    def _no_answer(self, why: str) -> None:
        self.alert(Alert(Level.WARNING, "venue_awaited", f"{why}{self._stays()}", {}))

    def _stays(self) -> str:
        return "" if self._carried is None else f"; what run {self._carried.run} left open stays as it is until then"

    def _end(self, exit_code: int, text: str) -> None:
        """The first ending counts."""
        self._deaf = True
        if self.ending is None:
            self.ending = Ending(exit_code, text)
            if self._over is not None and not self._over.done():
                self._over.set_result(None)

    def _give_up(self, text: str) -> None:
        self._shut()
        self._end(1, f"failed: {text}; {self._left_text()}")

    def _left_text(self) -> str:
        open_lines = self._desk.exposure_lines()
        if not open_lines:
            return "left with nothing open"
        return f"left open: {'; '.join(open_lines)}; to recover: {self._recovery}"

    def _shut(self) -> None:
        """From here on nothing is taken in and nothing is sent."""
        self._stepping.close()
        self._closed = True
        for sender in self._senders.values():
            sender.close()
        self._timers.clear()
        for other in (self._guard_timer, self._grace_timer, self._beat_timer):
            if other is not None:
                other.cancel()

    async def _leave(self) -> None:
        self._stepping.catch_up()
        if self._began and not self._closed:
            held = await self._last_held()
            self._journal.venue_end(held.positions, held.margins)
        self._shut()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        in_a_hurry = self.ending is not None and self.ending.exit_code == LEFT
        await self._questions.disconnect_all(within_s=1 if in_a_hurry else DISCONNECT_TIMEOUT_S)
        self._journal.flush()

    async def _last_held(self) -> Holdings:
        """Positions at the end. What comes in meanwhile is hedged, and its hedges are waited for, or told as open.

        A reading that something overtook is made anew, and left out in the end: who compares it afterwards would find a
        difference.
        """
        said = self._said_open
        for client in self._clients.values():
            client.leaving()
        held, moves = await self._read_last()
        await self._rows.before_leaving(self.handle)  # of orders that are known: no move, but for the price
        for _ in range(LATE_TRIES):
            covered = said is None or self._covered_as(said)
            if covered and (moves == self._all_moves() or not held.margins):
                break
            if not covered:
                await self._until_covered()
            held, moves = await self._read_last()
        if said is not None and self._desk.exposure_lines() != said and self.ending is not None:
            text = self.ending.text.removesuffix(self._to_recover)
            self.ending = Ending(max(1, self.ending.exit_code), f"{text}; then {self._left_text()}")
        still = {name for name, then, now in zip(self._asked, moves, self._all_moves(), strict=True) if then == now}
        return Holdings(
            tuple(it for it in held.positions if it.account in still),
            tuple(it for it in held.margins if it.account in still), held.quiet,
        )  # fmt: skip

    async def _until_covered(self) -> None:
        self._covered = asyncio.get_running_loop().create_future()
        self._stepping.after_each = self._look_whether_covered
        timer = self._clock.call_at(self._clock.now_ns() + COVER_NS, self._stop_waiting)
        try:
            await self._covered
        finally:
            timer.cancel()
            self._stepping.after_each = None

    def _look_whether_covered(self) -> None:
        if self._covered_as(self._said_open or []):
            self._stop_waiting()

    def _covered_as(self, said: list[str]) -> bool:
        """Is no more open than was said at the end?"""
        lines = self._desk.exposure_lines()
        return not lines or lines == said

    async def _read_last(self) -> tuple[Holdings, Sequence[int]]:
        moves = self._all_moves()
        return await self._questions.last_holdings(self._asked), moves

    def _all_moves(self) -> Sequence[int]:
        return [self._moves_of(account) for account in self._asked]

    def _stop_waiting(self) -> None:
        if self._covered is not None and not self._covered.done():
            self._covered.set_result(None)

    def exit_code(self) -> int:
        """Of a run that has ended."""
        assert self.ending is not None
        code = self.ending.exit_code
        if self._journal.failed and code < JOURNAL_LOST:
            return JOURNAL_LOST
        return 1 if code == 0 and self.failures else code

    # --- failures

    def _journal_lost(self) -> None:
        text = "the journal cannot be written; no opening any more, ending the run in order"
        self._deaf = True
        self.alert(Alert(Level.PERSON, "journal_lost", text, {}))
        self._head_out(1)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a task whose failure fails the run."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not task.cancelled():
            error = task.exception()
            if error is not None:
                self.fail(error)

    def _loop_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception") or RuntimeError(context["message"])
        if of_a_listener(context):
            text = f"{type(error).__name__}: {error}; the run goes on"
            self.alert(Alert(Level.WARNING, "listener_failed", text, {}))
        else:
            self.fail(error)
