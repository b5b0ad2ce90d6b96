"""Why an order was made, and what became of it: event -> state -> row or rule -> request -> answers -> fills -> end.

What is journalled is read, what happened inside the steps is rebuilt by one replay (walk).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.chart.model import Flow
from engine.errors import JournalCorrupt, NotInJournal
from engine.review.causes import Cause, causes_of
from engine.review.cover import Pair, pairs
from engine.review.facts import (
    Intent,
    OrderRow,
    SendRow,
    Step,
    covers_of,
    fills_of,
    intents_of,
    orders_of,
    read_fills,
    read_inputs_about,
    read_steps,
    sends_of,
)
from engine.review.orders import find_order
from engine.review.runs import RunHead, flow_of, head_of
from engine.review.walk import Insight, MakeDesk, walk
from engine.runtime.journal_read import open_journal, pick_run

__all__ = ["OrderStory", "Reason", "why_order"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one request was made. Without `step` its record was lost; without `insight` it could not be replayed."""

    request: Intent
    step: Step | None
    insight: Insight | None
    cause: Cause | None


@dataclass(frozen=True, slots=True)
class OrderStory:
    """Everything about one order; the times of `life` are those of the steps that took its news in."""

    run: RunHead
    also_in: tuple[int, ...]  # other runs with an order of this name
    flow: Flow | None
    placed: Reason
    cancels: tuple[Reason, ...]
    order: OrderRow | None  # None where the journal has no more than the intent
    sends: tuple[SendRow, ...]
    life: tuple[Step, ...]
    closed: tuple[Pair, ...]  # what it closed of others' exposure
    closed_by: tuple[Pair, ...]  # what closed the exposure of its fills
    began_ns: int | None  # when its round began
    gap: str


def why_order(
    path: Path,
    make_desk: MakeDesk | None,
    word: str,
    *,
    run: int | None = None,
    before_replay: Callable[[int], None] = lambda _: None,
) -> OrderStory:
    """The order with this client id, or the venue's id; of the newest run that has one unless `run` says otherwise.

    Raises: NotInJournal, JournalUnreadable, JournalForeign, JournalNewer, JournalCorrupt.
    """
    with open_journal(path) as journal:
        found = find_order(journal, path, word, run=run)
        row = pick_run(journal, found.run, path=path)
        requests = intents_of(journal, row.number, found.client_id)
        if not any(it.kind == "place" for it in requests):
            raise NotInJournal(_made_elsewhere(journal, row.number, found.client_id))
        placed, *cancels = sorted(requests, key=lambda it: it.kind != "place")
        head = head_of(journal, row)
        flow, gap = None, "the run was not replayed"
        try:
            flow = flow_of(row)
        except JournalCorrupt as unreadable:
            gap = str(unreadable)
        insights: Mapping[int, Insight] = {}
        until = min(max(it.seq for it in requests), head.last_seq)
        if make_desk is not None and flow is not None:
            before_replay(until)
            wanted = frozenset(it.seq for it in requests)
            walked = walk(path, make_desk, run=row.number, wanted=wanted.__contains__, until=until)
            insights, lost = walked.insights, walked.difference
            gap = "" if lost is None else f"this program decides step {lost.seq} otherwise ({lost.what})"
        return OrderStory(
            run=head, also_in=found.also_in, flow=flow, placed=_reason(journal, row.number, placed, insights),
            cancels=tuple(_reason(journal, row.number, it, insights) for it in cancels),
            order=orders_of(journal, row.number, frozenset([found.client_id])).get(found.client_id),
            sends=tuple(sends_of(journal, row.number, frozenset([found.client_id])).get(found.client_id, ())),
            life=tuple(_life(journal, row.number, placed)),
            **_paired(journal, row.number, found.client_id),
            began_ns=_began(journal, row.number, placed.round), gap=gap,
        )  # fmt: skip


def _made_elsewhere(journal: sqlite3.Connection, run: int, client_id: str) -> str:
    """An order that the run took over from an earlier one, which may not have been able to journal it (S15)."""
    sql = "SELECT run FROM intents WHERE kind = 'place' AND client_id = ? ORDER BY run DESC LIMIT 1"
    for (maker,) in journal.execute(sql, (client_id,)):
        return f"run {run} took order {client_id} over from run {maker}: add --run {maker}"
    return (
        f"run {run} adopted order {client_id} of an earlier run, whose disk was full: no journal tells why it was made"
    )


def _reason(journal: sqlite3.Connection, run: int, request: Intent, insights: Mapping[int, Insight]) -> Reason:
    (step,) = read_steps(journal, run, first=request.seq, last=request.seq)
    insight = insights.get(request.seq)
    cause = None
    if insight is not None:
        causes = causes_of(step.intents, insight)
        cause = next(cause for intent, cause in zip(step.intents, causes, strict=True) if intent == request)
    return Reason(request, None if step.given is None else step, insight, cause)


def _life(journal: sqlite3.Connection, run: int, placed: Intent) -> Iterator[Step]:
    """The steps that took in news of the order, with the fill rows that they brought."""
    fills = {fill.seq: fill for fill in fills_of(journal, run, placed.client_id)}
    for step in read_inputs_about(journal, run, placed.client_id, first=placed.seq):
        if step.seq in fills:
            step.fills.append(fills[step.seq])
        yield step


def _paired(journal: sqlite3.Connection, run: int, client_id: str) -> dict[str, tuple[Pair, ...]]:
    closed, closed_by = [], []
    for pair in pairs(read_fills(journal, run), covers_of(journal, run)):
        if pair.closed.client_id == client_id:
            closed.append(pair)
        elif pair.opened.client_id == client_id:
            closed_by.append(pair)
    return {"closed": tuple(closed), "closed_by": tuple(closed_by)}


def _began(journal: sqlite3.Connection, run: int, number: int | None) -> int | None:
    found = journal.execute("SELECT began_ns FROM rounds WHERE run = ? AND round = ?", (run, number)).fetchone()
    return None if found is None else int(found[0])
