"""The journal of a run, its number, and the desk that a journal alone builds again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from cli.plan_json import decode_plan, encode_plan, encode_settings
from cli.program import program
from cli.streams import write_note
from engine.chart.load import load_flow
from engine.chart.model import Flow, FlowError
from engine.errors import JournalCorrupt, JournalUnwritable
from engine.runtime.chance import Chance
from engine.runtime.config import Config, VenueConfig, masked
from engine.runtime.counter import next_run
from engine.runtime.day import day_so_far
from engine.runtime.folders import make_folder
from engine.runtime.journal import Journal, NullJournal, RunStart, Sync
from engine.runtime.journal_read import RunRow, open_journal, read_runs, stream_journal
from engine.runtime.journal_sqlite import SqliteJournal
from engine.runtime.ports import DayOf
from engine.trading.desk import Desk
from engine.trading.inputs import Day
from engine.trading.plan import Plan
from engine.trading.vocabulary import trading_vocabulary
from exchanges.types import Clock, Margin, Rng

COUNTER = "run_number"  # beside the journal, which may get lost


def open_record(path: Path | None, sync: Sync, *, limit: int | None = None) -> tuple[Journal, int]:
    """The journal and the run's number, up to `limit`; without a journal nothing is written, and paper forgets ids.

    Raises: JournalError, CounterError.
    """
    if path is None:
        return NullJournal(), 1
    try:
        make_folder(path.parent)
    except OSError as error:
        raise JournalUnwritable(f"{path}: its folder cannot be made: {error.strerror}") from error
    counter = path.with_name(COUNTER)
    journal = SqliteJournal(path, sync=sync, on_lost=write_note)
    try:
        return journal, next_run(counter, limit=limit, above=0 if counter.exists() else _last_run(path))
    except BaseException:
        journal.close()
        raise


def _last_run(path: Path) -> int:
    """The highest number in the journal, for a counter that was lost."""
    with open_journal(path) as journal:
        return max((run.number for run in read_runs(journal)), default=0)


def day_of(path: Path | None, plan: Plan, clock: Clock, *, run: int) -> DayOf:
    """What the journal says, when the run begins, of this day; nothing without a journal or a limit of the day."""
    if path is None or plan.limits.max_loss_day is None:
        return lambda _: None
    venues = {name: account.venue for name, account in plan.accounts.items()}

    def day(margins: Sequence[Margin]) -> Day:
        with stream_journal(path) as journal:
            return day_so_far(journal, venues, margins, run=run, wall_ms=clock.wall_ms(), now_ns=clock.now_ns())

    return day


def run_start(
    plan: Plan, config: Config, *, number: int, seed: int, speed: int | None, wall_ms: int
) -> RunStart:  # fmt: skip
    """What the journal keeps of a run, secrets left out."""
    flow = plan.flow
    return RunStart(
        number=number, flow=flow.name, flow_version=flow.version, flow_digest=flow.digest, flow_text=flow.text,
        config_text=masked(config.text), seed=seed, settings=encode_settings(plan.settings),
        plan=encode_plan(plan), venues=_encoded_venues(config), speed="max" if speed is None else f"{speed}x",
        program=program(),
        accounts=tuple((name, account.instrument) for name, account in plan.accounts.items()), wall_ms=wall_ms,
    )  # fmt: skip


def _encoded_venues(config: Config) -> str:
    """The venues in use: of a paper one its market and how it fills (S19)."""
    used = {account.venue: config.venues[account.venue] for account in config.used_accounts}
    return json.dumps({name: lived_at(it) if it.real else _paper(it) for name, it in used.items()})


def lived_at(venue: VenueConfig) -> dict[str, str]:
    """What tells a venue that lives without us from any other: an account there is none elsewhere (S1)."""
    return {"kind": venue.kind, "url": venue.url, "product": venue.product, "trading": "demo" if venue.demo else ""}


def _paper(venue: VenueConfig) -> dict[str, object]:
    return {
        "kind": venue.kind, "market": Path(venue.market).name, "latency_ns": venue.latency_ns,
        "feed_latency_ns": venue.feed_latency_ns, "depth": asdict(venue.depth),
    }  # fmt: skip


def desk_of_run(
    row: RunRow, chance: Rng, *, flow: Flow | None = None, decider: Literal["transitions", "table"] = "transitions"
) -> Desk:
    """The desk of a journalled run, for replay; `flow` where its text was read before. Raises: JournalCorrupt."""
    try:
        if flow is None or flow.digest != row.flow_digest:
            flow = load_flow(row.flow_text, file=f"{row.flow}.yaml", vocabulary=trading_vocabulary())
        plan = decode_plan(row.plan, row.settings, flow=flow)
    except FlowError as wrong:
        raise JournalCorrupt(f"run {row.number}: this program cannot read its flow: {wrong}") from wrong
    except (KeyError, ValueError, TypeError, ArithmeticError) as wrong:
        raise JournalCorrupt(f"run {row.number}: its plan cannot be read ({wrong})") from wrong
    return Desk(plan, run=row.number, chance=dict.fromkeys(Chance(0), chance), decider=decider)
