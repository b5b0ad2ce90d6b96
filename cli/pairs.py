"""Several pairs of one config in one process (S21): each a run of its own, over accounts that they share.

A pair has a desk, a runner, a run number and journal rows, logs in a folder of its own and lines under its name. Each
account has one client and one window of requests for all pairs. A stop stops all; the worst exit code counts.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from cli.client_wiring import hear, open_shared
from cli.leftovers import check_carried, leases_of, left_over, taken_over, traded, words_of
from cli.locate import CannotUse
from cli.outputs import LOGS, OFF, Prepared, prepare
from cli.record import open_record
from cli.reload import Reload
from cli.screen import Screen
from cli.setups import Options, Setup
from cli.streams import write_note
from cli.view import View
from cli.wiring import Held, Member, Ran, clock_of, loop_factory
from engine.runtime.config import Config
from engine.runtime.counter import UINT32_RUNS
from engine.runtime.garbage import QuietStart
from engine.runtime.journal import Journal, Sync
from engine.runtime.log_files import LogFile
from engine.runtime.signals import StopSignals
from engine.trading.inputs import Carried, Input
from exchanges.base import BaseExchangeClient
from exchanges.types import Fill, Position

__all__ = ["perform_pairs"]

MS = 1_000_000
MONITOR = "monitor.csv"


def perform_pairs(setup: Setup, options: Options, view: View) -> list[Ran]:
    """Run all pairs of a config to their ends. Raises: EngineError for journal, run numbers and outputs."""
    assert options.journal is not None
    if options.speed != 1:
        raise CannotUse("--speed: a hedger hears a venue that lives in real time; leave it out")
    setups = [setup, *setup.others]
    if len(setups) > 1 and any(it.config.limits.max_loss_day is not None for it in setups):
        raise CannotUse("limits.max_loss_day: pairs share their accounts, whose day is no pair's alone; leave it out")
    with ExitStack() as stack:
        leases = stack.enter_context(leases_of(_with_all_accounts(setups), options.resolve, journal=options.journal))
        parts = []
        for number, each in enumerate(setups):
            carried = _carried(each, options.journal)
            own = _options_of(options, each, number, alone=len(setups) == 1)
            prepared = prepare(each.config, own.outputs, journal=options.journal, live=True, resolve=options.resolve)
            journal, run = open_record(options.journal, Sync(each.config.journal_sync), limit=UINT32_RUNS)
            stack.callback(journal.close)
            prefix = "" if len(setups) == 1 else f"{each.config.market}: "
            screen = Screen(detailed=True, view=view, prefix=prefix)
            held = Held(carried, leases.lost, partial(_check, each, carried))
            parts.append(_Part(each, own, screen, prepared, journal, run, held))
        with asyncio.Runner(loop_factory=loop_factory(setup, options)) as loop:
            return loop.run(_run(parts, options))


def _carried(setup: Setup, journal: Path) -> Carried | None:
    """What the newest run of this pair left open, which goes first. What its accounts hold otherwise, stays."""
    left = left_over(journal, setup.config, wall_ms=time.time_ns() // MS)
    if left is not None:
        write_note(f"run {left.run} left something open, which goes first: {'; '.join(words_of(left))}")
    return taken_over(left, setup.flow, may_leave=False)


def _check(setup: Setup, carried: Carried | None, held: Sequence[Position], missing: Sequence[Fill]) -> None:
    """S1: who hedged by hand what a dead run had left open would have it hedged twice. Raises: NotFlatBefore."""
    if carried is not None:
        check_carried(carried, traded(setup.listed, setup.config, setup.flow), held, missing)


def _with_all_accounts(setups: Sequence[Setup]) -> Config:
    """The first pair's config as if it used the accounts of all: leases are held once for the process (S21)."""
    names = dict.fromkeys(account.name for setup in setups for account in setup.config.used_accounts)
    return replace(setups[0].config, roles={"pairs": tuple(names)})


def _options_of(options: Options, setup: Setup, number: int, *, alone: bool) -> Options:
    """Logs, metrics file and port of one pair among several."""
    if alone:
        return options
    outputs, market = options.outputs, setup.config.market.replace("/", "_").replace(":", "_")
    folder = outputs.logs or setup.config.logs.folder
    if folder is None and options.journal is not None:
        folder = str(options.journal.with_name(LOGS))
    metrics, listen = outputs.metrics, outputs.metrics_listen
    return replace(
        options,
        outputs=replace(
            outputs,
            logs=folder if folder in (None, OFF) else str(Path(folder) / market),
            metrics=None if metrics is None else metrics.with_name(f"{metrics.stem}.{market}{metrics.suffix}"),
            metrics_listen=None if listen is None else (listen[0], listen[1] + number if listen[1] else 0),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """One pair before the loop runs."""

    setup: Setup
    options: Options
    screen: Screen
    prepared: Prepared
    journal: Journal
    run: int
    held: Held


async def _run(parts: Sequence[_Part], options: Options) -> list[Ran]:
    loop = asyncio.get_running_loop()
    clock = clock_of(loop, options.speed)
    setups = [part.setup for part in parts]
    accounts = open_shared(
        [setup.config for setup in setups], [setup.listed for setup in setups], clock=clock, seed=options.seed,
        resolve=options.resolve, journal=options.journal, budgets=setups[0].budgets,
    )  # fmt: skip
    quiet = QuietStart()
    members = [
        Member(
            part.setup, part.options, part.screen, part.prepared, clock=clock, pool=pool, journal=part.journal,
            number=part.run, held=part.held, rates=accounts.rates, monitor=_monitor_of(part), last=quiet,
            keep_warm_ns=part.setup.config.keep_warm_ns * len(parts),  # all pairs run through the same code
        )
        for part, pool in zip(parts, accounts.pools, strict=True)
    ]  # fmt: skip

    def listen(name: str, client: BaseExchangeClient) -> None:
        hear(client, _runs_of(name, members))

    for name, shared in accounts.shared.items():
        listen(name, shared.client)

    def stop(level: int) -> None:
        for member in members:
            member.stop(level)

    if options.ends_after_s:
        clock.call_at(clock.now_ns() + options.ends_after_s * 1_000 * MS, stop, 1)
    with quiet, StopSignals(loop, stop, on_suspend=members[0].screen.not_suspended, afterwards=signal.SIG_IGN):
        async with Reload(setups, members, accounts, clock=clock, options=options, listen=listen):
            return await _all(members, stop)


def _monitor_of(part: _Part) -> LogFile | None:
    """Beside the pair's other logs."""
    if part.prepared.logs is None:
        return None
    beside = next(iter(part.prepared.logs.values()))
    return LogFile(Path(beside.baseFilename).with_name(MONITOR), size=beside.maxBytes, keep=beside.backupCount)


def _runs_of(name: str, members: Sequence[Member]) -> Callable[[str], list[Callable[[Input], None]]]:
    """The runs that an account's symbol belongs to, or all of the account for ""."""

    def found(symbol: str) -> list[Callable[[Input], None]]:
        return [
            member.runner.handle
            for member in members
            if name in member.plan.accounts and symbol in ("", member.plan.accounts[name].instrument.symbol)
        ]

    return found


async def _all(members: Sequence[Member], stop: Callable[[int], None]) -> list[Ran]:
    """Every run to its end; one that cannot begin stops the others in order, and is told when they are over."""
    tasks = [asyncio.ensure_future(member.run()) for member in members]
    try:
        done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        failed = [task for task in done if task.exception() is not None]
        if failed and waiting:
            write_note("one pair could not begin or failed: stopping the others in order")
            stop(1)
            await asyncio.wait(tasks)
        return [task.result() for task in tasks]
    finally:
        for task in tasks:
            task.cancel()
