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
        told = f"run {run.number} of {_date(wall_ms)} has no end: it goes on, or its process died"
        return warning("last run", told, f"if it died, look at the venues for what is open, then {audit}")
    told = f"run {run.number} ended with exit code {run.exit_code}, at {_date(wall_ms)} of its own clock"
    if run.exit_code:
        return warning("last run", told, f"see what was left: {audit}")
    return ok("last run", told)


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
