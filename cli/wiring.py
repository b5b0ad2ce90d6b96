"""A run that was checked, to its end: venues, desk, journal, clock and runner are put together here."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from shlex import quote
from typing import TYPE_CHECKING

from cli.attend import attended
from cli.beside import Outputs
from cli.leftovers import check_baseline, check_carried, leases_of, left_over, taken_over, words_of
from cli.outputs import Prepared, prepare
from cli.paper_pool import Pool, open_pool
from cli.record import day_of, open_record, run_start
from cli.screen import Screen
from cli.setups import Options, Setup, plan_of
from cli.streams import write_note
from engine.runtime.busy_poll import busy_loop
from engine.runtime.chance import Chance
from engine.runtime.clock import MS, GapWatch, LiveClock, S, ScaledClock, VirtualClock
from engine.runtime.config import Config
from engine.runtime.counter import UINT32_RUNS
from engine.runtime.garbage import QuietRounds
from engine.runtime.journal import Journal, Sync
from engine.runtime.log_files import LogFile
from engine.runtime.loop import VirtualLoop
from engine.runtime.monitor_log import MonitorLog
from engine.runtime.ports import Sink, Trace
from engine.runtime.runner import Runner
from engine.runtime.signals import StopSignals
from engine.runtime.snapshot import Tally, snapshot
from engine.runtime.warm import KeepWarm, Twin
from engine.trading.desk import Desk
from engine.trading.effects import Alert, Effect, Level, PlaceOrder, Purpose, RoundBegan
from engine.trading.guards import MarketWatch
from engine.trading.inputs import Carried, Input
from engine.trading.plan import Plan, RoleSpec
from engine.trading.rates import RateWindow
from engine.trading.reconfigure import new_settings
from exchanges.base import BaseExchangeClient
from exchanges.recording import TimeAxis
from exchanges.types import Clock, Fill, Instrument, MarketKind, Position

if TYPE_CHECKING:
    from cli.client_wiring import Clients

CALLS_UNHEARD = 100  # calls for a person in virtual time before the next step towards the end
IDLE_NS = 3600 * S  # without an opening, in virtual time, before a run on an endless market is given up …
STILL_NS = 24 * IDLE_NS  # … and without any order: what rests may rest for ever
BY_COMMAND = "eagle recover --config {config} --journal {journal}, or start the run again: it cleans up first"
RECOVERY = "nothing to do: paper accounts end with this process"
FLUSH_AFTER_NS = S // 5  # how long journal rows may wait in memory at live speed
END_LEAD_NS = 30 * S  # a recording that ends is stopped so long before, so that closing happens on recorded prices
_CLOSING = (Purpose.CLOSE, Purpose.CLEANUP)


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run went; `desk` holds its books, `tally` its counts."""

    exit_code: int
    ending: str
    number: int
    desk: Desk
    tally: Tally
    seconds: Decimal  # of the run's own clock


def perform_run(setup: Setup, options: Options, screen: Screen) -> Ran:
    """Run to the end, or as far as signals let it. Raises: EngineError for journal, run number and outputs."""
    live = options.speed is not None
    prepared = prepare(setup.config, options.outputs, journal=options.journal, live=live, resolve=options.resolve)
    if not setup.listed:
        return _perform(setup, options, screen, prepared, Held())
    assert options.journal is not None

    with leases_of(setup.config, options.resolve, journal=options.journal) as leases:
        left = left_over(options.journal, setup.config, wall_ms=time.time_ns() // MS)
        carried = taken_over(left, setup.flow, may_leave=options.stop > 0)
        if left is not None:
            write_note(f"run {left.run} left something open, which goes first: {'; '.join(words_of(left))}")
        known = () if carried is None else [it.account for it in carried.held]
        spot = any(instrument.kind is MarketKind.SPOT for instrument in setup.listed.values())

        def check(held: Sequence[Position], missing: Sequence[Fill]) -> None:
            if carried is not None:
                check_carried(carried, setup.listed, held, missing)
            if not (options.keep_positions or options.stop or spot):
                check_baseline(setup.config, held, known=known)

        return _perform(setup, options, screen, prepared, Held(carried, leases.lost, check))


@dataclass(frozen=True, slots=True)
class Held:
    """What a run at venues begins with: what earlier ones left, and whether it still owns its accounts."""

    carried: Carried | None = None
    lost: Callable[[], str] = lambda: ""
    check: Callable[[Sequence[Position], Sequence[Fill]], None] = lambda *_: None


def _perform(setup: Setup, options: Options, screen: Screen, prepared: Prepared, held: Held) -> Ran:
    limit = UINT32_RUNS if setup.listed else None
    journal, number = open_record(options.journal, Sync(setup.config.journal_sync), limit=limit)
    try:
        with asyncio.Runner(loop_factory=loop_factory(setup, options)) as loop:
            return loop.run(_run(setup, options, screen, prepared, journal=journal, number=number, held=held))
    finally:
        journal.close()


def loop_factory(setup: Setup, options: Options) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the loop of a run, or of pairs that share one; None for the usual one."""
    if options.speed is not None:
        return busy_loop if setup.listed and setup.config.busy_poll else None
    if setup.axis is None:
        return VirtualLoop
    clock = VirtualClock(start_wall_ms=setup.axis.start_us // 1000)
    return lambda: VirtualLoop(clock)


def clock_of(loop: asyncio.AbstractEventLoop, speed: int | None) -> Clock:
    if isinstance(loop, VirtualLoop):
        return loop.clock
    return LiveClock(loop) if speed in (None, 1) else ScaledClock(loop, speed=speed or 1)


async def _run(
    setup: Setup, options: Options, screen: Screen, prepared: Prepared, *, journal: Journal, number: int, held: Held
) -> Ran:
    loop = asyncio.get_running_loop()
    clock = clock_of(loop, options.speed)
    pool: Pool | Clients
    if setup.listed:
        from cli.client_wiring import open_clients

        pool = open_clients(
            setup.config, setup.listed, clock=clock, seed=options.seed, resolve=options.resolve, budgets=setup.budgets
        )
    else:
        pool = open_pool(
            setup, clock=clock, seed=options.seed, repeat=options.repeat, on_failure=lambda e: member.runner.fail(e)
        )
    with QuietRounds() as quiet_rounds:
        member = Member(
            setup, options, screen, prepared, clock=clock, pool=pool, journal=journal, number=number, held=held,
            first=quiet_rounds, keep_warm_ns=setup.config.keep_warm_ns if setup.listed else 0,
        )  # fmt: skip
        on_suspend = screen.not_suspended if member.live else None
        with StopSignals(loop, member.stop, on_suspend=on_suspend, afterwards=signal.SIG_IGN):
            return await member.run()


def _recovery(setup: Setup, options: Options) -> str:
    """What to type when this run has left something open."""
    if not setup.listed:
        return RECOVERY
    return BY_COMMAND.format(config=quote(setup.config.file), journal=quote(str(options.journal)))


def _steps_of(config: Config, account: str, listed: Instrument) -> Instrument:
    from cli.client_wiring import coarsened

    return next((coarsened(listed, it) for it in config.used_accounts if it.name == account), listed)


def _dedup(clients: Mapping[str, BaseExchangeClient]) -> dict[str, int]:
    sizes = {name: client.remembered for name, client in clients.items()}
    return {name: size for name, size in sizes.items() if size is not None}


class Member:
    """One run of a process: its desk and runner, and what is told of it.

    `first` hears of everything before all others, `last` of every step after them; `rates` are windows of accounts that
    runs share; `monitor` takes the lines of a hedger's fills and hedges. `keep_warm_ns` is the pace of a
    twin (0: none).
    """

    def __init__(
        self, setup: Setup, options: Options, screen: Screen, prepared: Prepared, *, clock: Clock,
        pool: Pool | Clients, journal: Journal, number: int, held: Held, first: Sink | None = None,
        rates: Mapping[str, RateWindow] | None = None, monitor: LogFile | None = None, last: Trace | None = None,
        keep_warm_ns: int = 0,
    ) -> None:  # fmt: skip
        self.setup = setup
        self.live = options.speed is not None
        self.number = number
        self.screen = screen
        self._options = options
        self._clock = clock
        self._pool = pool
        self._journal = journal
        self.plan = plan = plan_of(setup, pool.accounts)
        chance = Chance(options.seed)
        self.desk = desk = Desk(plan, run=number, chance=chance)
        self.tally = tally = Tally(clock)
        self._outputs = outputs = Outputs(
            prepared, setup.config, desk, clock, run=number, decided_ns=lambda: self.runner.decided_ns,
            status=lambda: snapshot(desk, tally, pid=os.getpid(), journal=None),
            tell=lambda alert: self.runner.alert(alert), dedup=lambda: _dedup(pool.clients),
        )  # fmt: skip
        sinks: list[Sink] = [*([first] if first else []), tally.effect, screen.effect, *outputs.sinks]
        traces: list[Trace] = [
            *([tally.step] if self.live or outputs.traces else []), screen.step, *outputs.traces,
        ]  # fmt: skip
        self._monitor = (
            None if monitor is None else MonitorLog(monitor, desk, clock, tell=lambda text: self._lost(text))
        )
        if self._monitor is not None:
            traces.append(self._monitor.step)
        if setup.whole is not None:
            loop = asyncio.get_running_loop()
            traces.append(Growing(setup, lambda given: loop.call_soon(self.runner.handle, given)))
        if last is not None:
            traces.append(last)
        if not self.live:
            endless = setup.axis is None or options.repeat
            sinks.append(Unattended(self.stop, clock, endless=endless, orders=lambda: desk.world.sequence))
        self._warm: KeepWarm | None = None
        if self.live and keep_warm_ns:
            from exchanges.practice import Frames  # the library of the streams is nothing that a run on paper loads

            self._warm = KeepWarm(
                lambda: Twin(plan, pool.clients, clock=clock, frames=Frames().exercise),
                books=desk.books, clock=clock, every_ns=keep_warm_ns,
                tell=lambda text: self.runner.alert(Alert(Level.WARNING, "not_warm", text, {})),
            )  # fmt: skip
            traces.append(self._warm)
        self.runner = Runner(
            desk, pool.clients, symbols={name: it.instrument.symbol for name, it in pool.accounts.items()}, clock=clock,
            watch=watch_of(plan), journal=journal, chance=chance, orders_per_minute=plan.limits.orders_per_minute,
            max_book_age_ns=plan.guards.max_book_age_ns, may_send=desk.objection,
            sinks=sinks, move_sinks=outputs.sinks,
            traces=traces,
            gaps=GapWatch() if self.live else None, flush_after_ns=FLUSH_AFTER_NS if self.live else 0,
            recovery=_recovery(setup, options), carried=held.carried, lost=held.lost,
            stop_at_once=options.stop, check_baseline=held.check,
            day=day_of(options.journal if options.speed == 1 else None, plan, clock, run=number),
            heard=plan.heard, rates=rates or {}, steps=partial(_steps_of, setup.config), reads=pool.reads,
        )  # fmt: skip

    def stop(self, level: int) -> None:
        if not self._outputs.stopping(level) and self.screen.stopping(level):
            self.runner.stop(level)

    def _lost(self, text: str) -> None:
        self.runner.alert(Alert(Level.WARNING, "logs_lost", text, {}))

    def flush(self) -> None:
        """Write what the journal has of this run in memory."""
        self._journal.flush()

    async def run(self) -> Ran:
        """To its end. Raises: ExchangeError if the accounts cannot be connected and read."""
        setup, options, clock = self.setup, self._options, self._clock
        attendance = attended(self.desk, self.tally, self.screen, self.runner, journal=options.journal)
        async with self._outputs.running():  # before the journal says that a run has begun: a port may be taken
            start = run_start(
                self.plan, setup.config, number=self.number, seed=options.seed, speed=options.speed,
                wall_ms=clock.wall_ms(),
            )  # fmt: skip
            self._journal.run_started(start)
            self.screen.begin(self.desk, self.tally, run=self.number)
            self._pool.start(clock.now_ns())
            if setup.axis is not None and not options.repeat:
                _stop_before_the_end(setup.axis, clock, self.screen, self.stop)
            if self._monitor is not None:
                self._monitor.start()
            if self._warm is not None:
                self._warm.start()
            try:
                async with attendance if self.live else nullcontext():
                    exit_code = await self.runner.run()
            finally:
                if self._warm is not None:
                    self._warm.stop()
                if self._monitor is not None:
                    self._monitor.close()
        self._journal.run_ended(exit_code, clock.wall_ms())
        seconds = Decimal(clock.now_ns() - self.tally.start_ns) / S
        ending = self.runner.ending.text if self.runner.ending else ""
        return Ran(exit_code, ending, self.number, self.desk, self.tally, seconds)


class Growing:
    """A trace: gives the config's quantity once the first round is being closed, for the next may begin as it ends."""

    def __init__(self, setup: Setup, give: Callable[[Input], object]) -> None:
        self._setup = setup
        self._give = give
        self._done = False

    def __call__(self, seq: int, at_ns: int, given: Input, effects: Sequence[Effect]) -> None:
        if not self._done and any(isinstance(it, PlaceOrder) and it.purpose in _CLOSING for it in effects):
            self._done = True
            config = self._setup.config
            values = {**config.settings, "quantity": self._setup.whole}
            self._give(new_settings(self._setup.flow, values, config.limits, version=config.version))


class Unattended:
    """A sink for virtual time, which no person can follow.

    Calls for a person that go unheard end the run, step by step; on a market without an end so does an hour in which
    nothing may open, or a day without an order. `orders` counts those that were made.
    """

    def __init__(self, stop: Callable[[int], None], clock: Clock, *, endless: bool, orders: Callable[[], int]) -> None:
        self._stop = stop
        self._clock = clock
        self._endless = endless
        self._orders = orders
        if endless:
            clock.call_at(clock.now_ns() + STILL_NS, self._look_for_orders, orders())
        self._calls = 0
        self._opened = 0

    def __call__(self, effect: Effect) -> None:
        if isinstance(effect, RoundBegan):
            self._opened += 1
        elif isinstance(effect, Alert) and effect.level is Level.PERSON:
            self._calls += 1
            if self._calls % CALLS_UNHEARD == 0:
                self._stop(min(self._calls // CALLS_UNHEARD, 3))
        elif isinstance(effect, Alert) and effect.code == "not_opening" and self._endless:
            self._clock.call_at(self._clock.now_ns() + IDLE_NS, self._look, self._opened)

    def _look_for_orders(self, before: int) -> None:
        if before != self._orders():
            self._clock.call_at(self._clock.now_ns() + STILL_NS, self._look_for_orders, self._orders())
            return
        write_note("no order was made for a day of the run's own time, and this market has no end: stopping")
        self._stop(1)

    def _look(self, opened: int) -> None:
        if opened == self._opened:
            write_note("nothing has opened for an hour of the run's own time, and this market has no end: stopping")
            self._stop(1)


def watch_of(plan: Plan) -> MarketWatch:
    """Guards over the maker's book and those of everybody else; the maker is the role of one account.

    A maker alone sees in its own book what it takes on.
    """
    roles: Mapping[str, RoleSpec] = plan.flow.sections["accounts"].value  # type: ignore[assignment]
    maker = next(plan.roles[name][0] for name, role in roles.items() if not role.many)
    books = {name: (account.venue, account.instrument.symbol) for name, account in plan.accounts.items()}
    if maker in plan.heard:  # nobody trades there, and it has no quotes
        books = {name: book for name, book in books.items() if name not in plan.heard}
        maker = next(iter(books))
    quantity = plan.settings.get("quantity")
    hedges = [book for name, book in books.items() if name != maker]
    return MarketWatch(
        plan.guards, books[maker], hedges=hedges or [books[maker]],
        quantity=quantity if isinstance(quantity, Decimal) else Decimal(0),
    )  # fmt: skip


def _stop_before_the_end(axis: TimeAxis, clock: Clock, screen: Screen, stop: Callable[[int], None]) -> None:
    """Ask for an orderly end while recorded prices are left to close on; behind its end the last book stands still.

    Where that did not end the run, it is asked to flatten by market on that book.
    """
    span_ns = (axis.end_us - axis.start_us) * 1000
    lead_ns = min(END_LEAD_NS, span_ns // 10)

    def ends_soon() -> None:
        if not screen.level:
            screen.recording_ends(lead_ns)
            stop(1)

    clock.call_at(clock.now_ns() + span_ns - lead_ns, ends_soon)
    clock.call_at(clock.now_ns() + span_ns + END_LEAD_NS, stop, 2)
