"""Is the journal sound: its version and content, how its last run ended, and the counter of runs beside it?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cli.examined import Examined, failed, ok, warning

if TYPE_CHECKING:
    from engine.runtime.journal_read import RunRow

VIRTUAL = "max"  # speed of a run whose clock is its own
ANSWER_WITHIN_S = 2
AHEAD_MS = 2_000  # a run that is so much later than now is not a matter of looking twice


def journal(path: Path) -> Iterator[Examined]:
    """Nothing in its folder changes."""
    from cli.record import COUNTER
    from engine.errors import CounterError, JournalError
    from engine.runtime.counter import last_run
    from engine.runtime.journal_read import open_journal_untouched, read_runs

    if not path.exists():
        yield ok("journal", f"{path} is not there yet; the first run makes it")
        runs = []
    else:
        try:
            with open_journal_untouched(path) as connection:
                runs = read_runs(connection)
        except JournalError as wrong:
            what, _, advice = str(wrong).removeprefix(f"{path}: ").partition("; ")
            yield failed("journal", f"{path} {what}", advice or "name another one: --journal FILE")
            return
        size, count = path.stat().st_size / (1 << 20), f"{len(runs)} {'run' if len(runs) == 1 else 'runs'}"
        yield ok("journal", f"{path} is sound: {count}, {size:.1f} MiB")
        if runs:
            yield _last_end(runs[-1], path)
    counter = path.with_name(COUNTER)
    highest = max((run.number for run in runs), default=0)
    try:
        given = last_run(counter) if counter.exists() else None
    except (CounterError, OSError) as wrong:
        told = f"{counter}: {str(wrong).removeprefix(f'{counter}: ').partition(';')[0]}"
        yield failed("run counter", told, f"write the highest run number ever used into it, {highest} or more")
        return
    yield _counter(counter, given, highest)


def _last_end(run: RunRow, path: Path) -> Examined:
    wall_ms = run.ended_wall_ms or run.started_wall_ms
    if wall_ms > time.time_ns() // 1_000_000 + AHEAD_MS:
        told = f"run {run.number} is of {_date(wall_ms)}, which is still to come"
        return failed("last run", told, "set the clock (timedatectl); a journal out of order proves nothing")
    audit = f"eagle audit {path} --run {run.number}"
    if run.exit_code is None:
        if _answers(path.parent, run.number):
            return ok("last run", f"run {run.number} goes on since {_date(wall_ms)}; eagle status shows it")
        told = f"run {run.number} of {_date(wall_ms)} has no end and does not answer: its process died"
        return warning("last run", told, f"look at its venues for what is open (paper ones died with it), then {audit}")
    when = "in virtual time" if run.speed == VIRTUAL else f"on {_date(wall_ms)}"
    told = f"run {run.number} ended with exit code {run.exit_code}, {when}"
    if run.exit_code:
        return warning("last run", told, f"see what was left: {audit}")
    return ok("last run", told)


def _answers(folder: Path, run: int) -> bool:
    """Does a process listen on the run's socket?"""
    from engine.runtime.control_socket import connect, socket_path

    try:
        connect(socket_path(folder, run), within_s=ANSWER_WITHIN_S).close()
    except OSError:
        return False
    return True


def _date(wall_ms: int) -> str:
    return f"{datetime.fromtimestamp(wall_ms // 1000, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"


def _counter(counter: Path, given: int | None, highest: int) -> Examined:
    if given is None and not highest:
        return ok("run counter", "not there yet; the first run makes it")
    if given is None:
        told = f"{counter} is lost; the next run counts on from {highest}, the journal's highest"
        return warning("run counter", told, f"if a run was higher in another journal, write that number into {counter}")
    if given < highest:
        told = f"{counter} says {given}, the journal has run {highest}: order ids would come back (S15)"
        return failed("run counter", told, f"write {highest} into it")
    return ok("run counter", f"the next run is {given + 1}")
