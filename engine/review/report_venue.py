"""What the venues reported at both ends of a run, and whether the computed P&L is the change of their equity (S18)."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from decimal import Decimal

from engine.review.report_figures import Reconciled
from engine.review.report_rows import Terms, edge_mid
from exchanges.types import ZERO

__all__ = ["VenueWord"]


class VenueWord:
    """Equity and holdings of the accounts at `start` and `end`, as far as they were read."""

    def __init__(self, journal: sqlite3.Connection, run: int, terms: Terms) -> None:
        self._journal = journal
        self._run = run
        self._terms = terms
        equity = journal.execute("SELECT moment, account, equity FROM balances WHERE run = ?", (run,))
        self._equity = {(moment, account): Decimal(told) for moment, account, told in equity}
        sql = "SELECT moment, account, symbol, qty, mark_price FROM holdings WHERE run = ?"
        self._held: dict[tuple[str, str, str], tuple[Decimal, Decimal | None]] = {
            (moment, account, symbol): (Decimal(qty), None if mark is None else Decimal(mark))
            for moment, account, symbol, qty, mark in journal.execute(sql, (run,))
        }

    def mark(self, moment: str, account: str) -> Decimal | None:
        """The price at which the venue counted the account's position; None without a position or without its word."""
        return self._of(moment, account)[1]

    def reconciled(self, pnl: Decimal, marks: Mapping[str, Decimal]) -> Reconciled:
        """`marks` are the prices at which `pnl` counts open positions."""
        held_before = change = ZERO
        unread = []
        for name in self._terms.accounts:
            baseline = self._of("start", name)[0]
            if baseline:
                held_before += baseline * (marks[name] - self._begun(name, marks[name]))
            start, end = self._equity.get(("start", name)), self._equity.get(("end", name))
            if start is None or end is None:
                unread.append(name)
            else:
                change += end - start
        return Reconciled(
            pnl=pnl, held_before=held_before, equity_change=None if unread else change, unread=tuple(unread)
        )

    def _begun(self, name: str, otherwise: Decimal) -> Decimal:
        """The price of what the account held before the run: the venue's own, else the first mid of its book."""
        told = self.mark("start", name)
        if told is None:
            told = edge_mid(self._journal, self._run, self._terms.book(name), last=False)
        return otherwise if told is None else told

    def _of(self, moment: str, account: str) -> tuple[Decimal, Decimal | None]:
        return self._held.get((moment, account, self._terms.accounts[account].symbol), (ZERO, None))
