"""The report of one run from its journal: one pass over fills, quotes and rounds, a few sums by SQL for the rest.

Formulas: the modules report_*.py beside this one, and docs/report.md in words.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from decimal import Decimal
from pathlib import Path

from engine.review.report_exposure import Exposure
from engine.review.report_figures import (
    AccountResult,
    Money,
    PurposeResult,
    Report,
    RoundCounts,
    RunFacts,
    percentiles,
)
from engine.review.report_money import OUTSIDE, Tallies
from engine.review.report_orders import OrderSums, held_back, latency, order_counts, order_sums, own_trades
from engine.review.report_paper import paper_result
from engine.review.report_rounds import RoundCosts
from engine.review.report_rows import edge_mid, fill_batches, foreign_fills, read_terms, round_rows, span_of
from engine.review.report_series import Series
from engine.review.report_venue import VenueWord
from engine.runtime.journal_read import RunRow, pick_run, stream_journal
from engine.trading.effects import Level, Purpose
from exchanges.types import ZERO

__all__ = ["report", "report_with_series"]


def report(path: Path, *, run: int | None = None) -> Report:
    """Report on a run, the newest unless `run` says otherwise.

    Raises: JournalUnreadable, JournalForeign, JournalNewer, JournalCorrupt.
    """
    with stream_journal(path) as journal:
        return _reported(path, journal, pick_run(journal, run, path=path), None)


def report_with_series(path: Path, *, run: int | None = None) -> tuple[Report, Series]:
    """The same with the course of the run, for charts."""
    with stream_journal(path) as journal:
        row = pick_run(journal, run, path=path)
        begin_ns, end_ns = span_of(journal, row.number)
        series = Series(begin_ns=begin_ns, end_ns=end_ns)
        return _reported(path, journal, row, series), series


def _reported(path: Path, journal: sqlite3.Connection, row: RunRow, series: Series | None) -> Report:
    """What SQL sums up alone is read on a connection of its own, while the pass over the fills keeps Python busy."""
    with ThreadPoolExecutor(max_workers=1) as beside:
        sums = beside.submit(_sums, path, row)
        reporting = _Reporting(journal, row, series)
        reporting.walk()
        return reporting.report(*sums.result())


def _sums(path: Path, row: RunRow) -> tuple[OrderSums, int]:
    with stream_journal(path) as journal:
        return order_sums(journal, row.number), foreign_fills(journal, row.number, read_terms(journal, row))


class _Reporting:
    """Reads one run; used once."""

    def __init__(self, journal: sqlite3.Connection, row: RunRow, series: Series | None) -> None:
        self._journal = journal
        self._row = row
        self._run = row.number
        self._series = series
        self._begin_ns, self._end_ns = span_of(journal, row.number)
        self._terms = terms = read_terms(journal, row)
        rounds = list(round_rows(journal, row.number))
        self._exposure = Exposure(
            terms, round_ends=(end[0] for end in rounds), begin_ns=self._begin_ns, series=series
        )  # fmt: skip
        self._tallies = Tallies(terms, series)
        self._costs = RoundCosts(rounds, series)

    def report(self, sums: OrderSums, foreign: int) -> Report:
        """After `walk`; `foreign` counts the fills that are none of this run's."""
        venue = VenueWord(self._journal, self._run, self._terms)
        marks = {name: self._mark(name, venue) for name in self._terms.accounts}
        accounts = tuple(self._account(name, marks[name]) for name in self._terms.accounts)
        money = total(account.money for account in accounts)
        return Report(
            run=self._facts(),
            rounds=self._rounds(),
            orders=order_counts(sums, self._tallies.took_ns()),
            money=money,
            accounts=accounts,
            purposes=self._purposes(),
            cost=self._costs.result(pnl=money.pnl, told_bps=self._told_bps()),
            deviation=self._exposure.result(self._end_ns),
            held_back_ns=held_back(self._journal, self._run, self._terms),
            own_trades=own_trades(self._journal, self._run, self._terms),
            latency=latency(self._journal, self._run, self._series),
            venue=venue.reconciled(money.pnl, marks),
            paper=paper_result(self._row.venues, money, self._tallies.bounds, self._terms, seed=self._row.seed),
            alerts=self._alerts(),
            notes=tuple(self._notes(foreign)),
        )

    def walk(self) -> None:
        for fills in fill_batches(self._journal, self._run, self._terms):
            self._exposure.count(fills)
            self._costs.count(fills, self._tallies.count(fills))
        self._costs.finish()
        if self._series is not None:
            self._series.pnl(self._end_ns, *self._tallies.pnl())

    # --- what else the journal says

    def _facts(self) -> RunFacts:
        row, accounts = self._row, self._terms.accounts.values()
        return RunFacts(
            number=row.number, flow=row.flow, flow_version=row.flow_version,
            market="/".join(dict.fromkeys(it.market for it in accounts)),
            quote="/".join(dict.fromkeys(it.quote for it in accounts)), seed=row.seed, program=row.program,
            speed=row.speed, started_wall_ms=row.started_wall_ms, length_ns=self._end_ns - self._begin_ns,
            exit_code=row.exit_code, hedged=row.hedged,
        )  # fmt: skip

    def _rounds(self) -> RoundCounts:
        sql = "SELECT count(*) FROM rounds WHERE run = ? AND ended_seq IS NULL"
        (without_end,) = self._journal.execute(sql, (self._run,)).fetchone()
        costs = self._costs
        return RoundCounts(costs.done, costs.given_up, without_end, percentiles(costs.took_ns))

    def _told_bps(self) -> Decimal | None:
        sql = "SELECT facts FROM alerts WHERE run = ? AND code = 'round_cost' ORDER BY id LIMIT 1"
        found = self._journal.execute(sql, (self._run,)).fetchone()
        return None if found is None else Decimal(json.loads(found[0])["bps"])

    def _alerts(self) -> tuple[tuple[str, int], ...]:
        sql = "SELECT code, count(*) FROM alerts WHERE run = ? AND level = ? GROUP BY code ORDER BY min(id)"
        return tuple(self._journal.execute(sql, (self._run, int(Level.PERSON))))

    def _mark(self, name: str, venue: VenueWord) -> Decimal:
        """At which price the account's open position counts: the venue's own, else the last mid of its book."""
        told = venue.mark("end", name)
        if told is None:
            told = edge_mid(self._journal, self._run, self._terms.book(name), last=True)
        return self._tallies.mid(name) if told is None else told

    def _account(self, name: str, mark: Decimal) -> AccountResult:
        tally, terms = self._tallies.of(name), self._terms
        return AccountResult(
            account=name, venue=terms.venues[name], symbol=terms.accounts[name].symbol, fills=tally.fills,
            position=tally.position, money=tally.money(mark),
        )  # fmt: skip

    def _purposes(self) -> tuple[PurposeResult, ...]:
        sums = self._tallies.by_purpose()
        return tuple(
            PurposeResult(name, it.fills, it.volume, it.fees, it.spread, it.slippage)
            for name in (*(purpose.value for purpose in Purpose), OUTSIDE)
            if (it := sums.get(name)) is not None
        )

    def _notes(self, foreign: int) -> Iterator[str]:
        """What a reader must know of these figures, most serious first."""
        tallies = self._tallies
        for account, qty in self._exposure.snapshots.items():
            if qty:
                yield f"{account}: {qty:f} was seen in snapshots but no fill row tells its price: not in the money here"
        for asset, fee in tallies.other_fees.items():
            yield f"fees of {fee:f} {asset} were paid in an asset that is neither base nor quote: not in the money here"
        quotes = dict.fromkeys(it.quote for it in self._terms.accounts.values())
        if len(quotes) > 1:
            yield f"accounts are quoted in {' and '.join(quotes)}: added up one to one"
        if foreign:
            yield f"{foreign} fills of other accounts or symbols than this run's: left out"
        if tallies.without_quote:
            yield f"{tallies.without_quote} fills without a known quote: judged at their own price"


def total(parts: Iterable[Money]) -> Money:
    """The sum, field by field."""
    listed = tuple(parts)
    return Money(**{it.name: sum((getattr(part, it.name) for part in listed), ZERO) for it in fields(Money)})
