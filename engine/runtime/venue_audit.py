"""Compares a journal with a venue's own ledger: orders, trades, fees and positions, to the last digit.

The other side of the proof: `audit` counts from our rows, this asks whether the venue has the same ones. Only a local
venue shows its ledger.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from engine.errors import VenueLedgerBad
from engine.runtime.audit import FINDINGS_KEPT, Finding
from engine.runtime.carried import chain_of
from engine.runtime.journal_read import RunRow, kind_of_venue, open_journal, pick_run
from engine.runtime.venue_ledger import LedgerFill, LedgerOrder, VenueLedger
from engine.trading.adopted import ADOPTED
from exchanges.types import ZERO, Side

__all__ = ["VenueAudit", "audit_venue"]

_FOR_EVER_MS = 1 << 62


@dataclass(frozen=True, slots=True)
class _Account:
    name: str
    symbol: str
    base: str
    quote: str


@dataclass(frozen=True, slots=True)
class _Order:
    client_id: str
    account: str
    order_id: str
    side: str
    qty: Decimal
    filled: Decimal
    reduce_only: bool
    adopted: bool  # told by its fills alone: it may have been larger


@dataclass(slots=True)
class VenueAudit:
    """What was compared at one venue; `accounts` gives the venue's name of each account of ours."""

    run: int
    venue: str
    orders: int = 0
    fills: int = 0
    foreign: int = 0  # orders on our accounts, in the time of the run, that are not ours
    accounts: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    more_findings: int = 0

    @property
    def holds(self) -> bool:
        return not self.findings

    def add(self, code: str, text: str) -> None:
        if len(self.findings) < FINDINGS_KEPT:
            self.findings.append(Finding(code, text))
        else:
            self.more_findings += 1

    def lines(self) -> list[str]:
        told = [f"{self.venue}: {self.orders} orders and {self.fills} fills compared with the venue's own ledger"]
        if self.foreign:
            told.append(f"{self.venue}: {self.foreign} orders on these accounts are not of this run")
        told += [f"{finding.code}: {finding.text}" for finding in self.findings]
        if self.more_findings:
            told.append(f"and {self.more_findings} more findings")
        failed = len(self.findings) + self.more_findings
        return [*told, f"{self.venue}: equal" if self.holds else f"{self.venue}: differs: {failed}"]

    def as_json(self) -> dict[str, object]:
        return {
            "venue": self.venue, "equal": self.holds, "orders": self.orders, "fills": self.fills,
            "foreign_orders": self.foreign, "accounts": self.accounts, "more_findings": self.more_findings,
            "findings": [{"code": finding.code, "text": finding.text} for finding in self.findings],
        }  # fmt: skip


def audit_venue(path: Path, ledger: VenueLedger, *, run: int | None = None, venue: str | None = None) -> VenueAudit:
    """Compare a run, the newest unless `run` says otherwise, with one venue; `venue` is its name in the journal.

    Without it, the name that the venue gives itself, or the only one of the run. A run that took over what others left
    is compared together with them. Raises: VenueLedgerBad if that names none, or is of another kind than the ledger;
    JournalUnreadable, JournalForeign, JournalNewer, JournalCorrupt.
    """
    with open_journal(path) as journal:
        return audit_venue_in(journal, pick_run(journal, run, path=path), ledger, venue=venue)


def audit_venue_in(
    journal: sqlite3.Connection, row: RunRow, ledger: VenueLedger, *, venue: str | None = None
) -> VenueAudit:
    """As `audit_venue`, of one run of an open journal."""
    report = VenueAudit(row.number, _venue_of(journal, row.number, ledger, venue))
    _refuse_another_kind(row, ledger, report.venue)
    _Comparison(journal, row, ledger, report).check()
    return report


def _venue_of(journal: sqlite3.Connection, run: int, ledger: VenueLedger, venue: str | None) -> str:
    sql = "SELECT DISTINCT venue FROM accounts WHERE run = ? ORDER BY venue"
    names = [name for (name,) in journal.execute(sql, (run,))]
    wanted = venue or (ledger.venue if ledger.venue in names or len(names) > 1 else names[0])
    if wanted not in names:
        raise VenueLedgerBad(
            f"--venue: run {run} has no venue {wanted}, only {', '.join(names)}; write --venue NAME=URL"
        )
    return wanted


def _refuse_another_kind(row: RunRow, ledger: VenueLedger, venue: str) -> None:
    """Every row would differ, and none of them would say why."""
    kind = kind_of_venue(row, venue)
    if ledger.kind != kind:
        raise VenueLedgerBad(
            f"--venue: {venue} of run {row.number} is a {kind} venue, and this ledger that of a {ledger.kind} venue"
            f" ({ledger.venue}); give the address of {venue} itself: --venue {venue}=URL"
        )


# A fill so shortly before a run was asked to stop may have come too late for it, and one so shortly after the first
# start, while the connection was made, may have been in the first reading as from before us.
ON_ITS_WAY_MS = 1_000


class _Comparison:
    """One run and one venue."""

    def __init__(self, journal: sqlite3.Connection, row: RunRow, ledger: VenueLedger, report: VenueAudit) -> None:
        self._journal = journal
        chain = chain_of(journal, row.number)  # what it took over is compared with what its runs did before
        self._first = chain[0]
        self._run = row.number
        self._heard = row.heard
        self._runs = json.dumps(chain)
        self._ledger = ledger
        self._report = report
        ended_ms = row.ended_wall_ms if row.ended_wall_ms is not None else _FOR_EVER_MS
        (began_ms,) = journal.execute("SELECT started_wall_ms FROM runs WHERE number = ?", (chain[0],)).fetchone()
        self._span_ms = range(began_ms, ended_ms + 1)
        self._accounts = self._read_accounts()
        self._orders = self._read_orders()
        self._venue_orders: dict[str, LedgerOrder] = {}  # ours, by our client id

    def check(self) -> None:
        if self._ledger.forgotten:
            self._report.add("ledger_incomplete", f"the venue has forgotten {self._ledger.forgotten} rows")
        if self._accounts and self._heard >= set(self._accounts):
            for account in self._accounts.values():
                self._check_heard(account)
            return
        self._match_accounts()
        self._check_orders()
        self._check_fills()
        self._check_positions()

    # -- an account that is only listened to -----------------------------------------------------------------------

    def _check_heard(self, account: _Account) -> None:
        """Order by order: what the account has made at the venue since it was first listened to, and what was told.

        A fill may have been told as a part of its order's sum, so that trades are not compared one by one. What the
        account took, or traded with itself, is hedged by nobody and is not told as a fill; but of what only the order
        list tells, nobody knows that it was so (S5). And what no row told, the next comparison finds: if the run ended
        before, or died, the next run is told.
        """
        ours = self._told_by_order(account)
        names = {self._ledger.orders[it].account for it in ours if it in self._ledger.orders}
        since_ms = self._heard_since(account)
        made = self._made_by_order(names, account.symbol, span_ms=range(since_ms, self._span_ms.stop))
        until_ms = min(self._heard_until(), self._compared_until(account))
        within = range(since_ms + ON_ITS_WAY_MS, until_ms - ON_ITS_WAY_MS)
        surely = self._made_by_order(names, account.symbol, span_ms=within)
        by_list = self._told_by_list(account)
        self._report.accounts[account.name] = ", ".join(sorted(names))
        self._report.fills += len(ours)
        for order_id in sorted(ours.keys() | made.keys()):
            told, most = ours.get(order_id, ZERO), made.get(order_id, ZERO)
            if order_id in by_list:
                most = sum((it.qty for it in self._ledger.fills if it.order_id == order_id), ZERO)
            if not surely.get(order_id, ZERO) <= told <= most:
                what = f"{account.name}: order {order_id}: {told} was told, the venue has made {most}"
                self._report.add("fill_differs", what)

    def _told_by_order(self, account: _Account) -> dict[str, Decimal]:
        """By all runs up to this one."""
        sql = "SELECT order_id, news_qty FROM fills WHERE run <= ? AND venue = ? AND account = ? AND symbol = ?"
        key = (self._run, self._report.venue, account.name, account.symbol)
        told: dict[str, Decimal] = {}
        for order_id, news in self._journal.execute(sql, key):
            told[order_id] = told.get(order_id, ZERO) + Decimal(news)
        return told

    def _told_by_list(self, account: _Account) -> set[str]:
        """Orders of which a part was told as their sum."""
        sql = """
        SELECT DISTINCT order_id FROM fills
        WHERE run <= ? AND venue = ? AND account = ? AND symbol = ? AND trade_id LIKE 'cum:%'
        """
        key = (self._run, self._report.venue, account.name, account.symbol)
        return {order_id for (order_id,) in self._journal.execute(sql, key)}

    def _compared_until(self, account: _Account) -> int:
        """How far the order list was compared, in the venue's time; 0: never."""
        sql = """
        SELECT i.body FROM inputs i JOIN accounts a ON a.run = i.run
        WHERE i.run <= ? AND i.kind = 'source_checked' AND a.name = ? AND a.symbol = ?
        """
        rows = self._journal.execute(sql, (self._run, account.name, account.symbol))
        return max((int(json.loads(body)[3]) for (body,) in rows), default=0)

    def _heard_since(self, account: _Account) -> int:
        """The first start, in the venue's time."""
        sql = """
        SELECT i.body FROM inputs i JOIN accounts a ON a.run = i.run
        WHERE i.kind = 'source_checked' AND a.name = ? AND a.symbol = ? ORDER BY i.run, i.seq LIMIT 1
        """
        for (body,) in self._journal.execute(sql, (account.name, account.symbol)):
            return int(json.loads(body)[2])
        return 0

    def _heard_until(self) -> int:
        """A run that was asked to stop may end before it heard all: what fills from then on, the next one is told."""
        sql = "SELECT min(wall_ms) FROM inputs WHERE run = ? AND kind = 'stop'"
        (asked_ms,) = self._journal.execute(sql, (self._run,)).fetchone()
        return self._span_ms.stop if asked_ms is None else int(asked_ms)

    def _made_by_order(self, accounts: Collection[str], symbol: str, *, span_ms: range) -> dict[str, Decimal]:
        own = [it for it in self._ledger.fills if it.account in accounts and it.symbol == symbol]
        took = {it.trade_id for it in own if not it.maker}
        made: dict[str, Decimal] = {}
        for it in own:
            if it.maker and it.trade_id not in took and it.at_ms in span_ms:
                made[it.order_id] = made.get(it.order_id, ZERO) + it.qty
        return made

    # -- accounts ------------------------------------------------------------------------------------------------

    def _match_accounts(self) -> None:
        """The venue's name of each account: that of its orders, else the same name."""
        for name in self._accounts:
            found = {
                theirs.account
                for ours in self._orders.values()
                if ours.account == name and (theirs := self._ledger.orders.get(ours.order_id)) is not None
            }
            if len(found) == 1:
                self._report.accounts[name] = found.pop()
            elif found:
                self._report.add("account_unclear", f"{name}: its orders are at the venue's {', '.join(sorted(found))}")
            elif name in self._ledger.accounts:
                self._report.accounts[name] = name
            elif any(ours.account == name and ours.order_id for ours in self._orders.values()):
                self._report.add("account_unknown", f"{name}: the venue knows none of its orders")

    # -- orders --------------------------------------------------------------------------------------------------

    def _check_orders(self) -> None:
        ours_by_account = {theirs: name for name, theirs in self._report.accounts.items()}
        for theirs in self._ledger.orders.values():
            name = ours_by_account.get(theirs.account)
            ours = self._orders.get(theirs.client_id)
            if name is None or theirs.symbol != self._accounts[name].symbol:
                continue
            if ours is not None and ours.account == name and theirs.at_ms in self._span_ms:
                self._venue_orders[theirs.client_id] = theirs
                self._check_order(ours, theirs)
            elif theirs.at_ms in self._span_ms:
                self._report.foreign += 1
        for ours in self._orders.values():
            if ours.order_id and ours.client_id not in self._venue_orders and ours.account in self._report.accounts:
                self._report.add("order_missing", f"{_told(ours)}: the venue has no such order")

    def _check_order(self, ours: _Order, theirs: LedgerOrder) -> None:
        self._report.orders += 1
        told = _told(ours)
        if ours.order_id not in ("", theirs.order_id):
            self._report.add("order_differs", f"{told}: order id {ours.order_id}, the venue says {theirs.order_id}")
        shrunk = ours.reduce_only and theirs.qty < ours.qty
        larger = ours.adopted and theirs.qty > ours.qty
        if ours.side != theirs.side or (ours.qty != theirs.qty and not shrunk and not larger):
            self._report.add("order_differs", f"{told}: the venue has {theirs.side} {theirs.qty}")
        if ours.filled != theirs.filled:
            self._report.add("order_differs", f"{told}: filled {ours.filled}, the venue says {theirs.filled}")
        if theirs.open:
            self._report.add("left_open", f"{told}: still open at the venue, order {theirs.order_id}")

    # -- fills ---------------------------------------------------------------------------------------------------

    def _check_fills(self) -> None:
        ours, theirs = self._our_fills(), self._their_fills()
        self._report.fills = len(ours)
        for key in ours.keys() | theirs.keys():
            where = f"{key[0]}: trade {key[2]} of order {key[1]}"
            if key not in theirs:
                self._report.add("fill_unknown", f"{where}: the journal has {_fill(ours[key])}, the venue has no such")
            elif key not in ours:
                self._report.add(
                    "fill_missing", f"{where}: the venue has {_fill(theirs[key])}, the journal has no such"
                )
            elif ours[key] != theirs[key]:
                self._report.add(
                    "fill_differs", f"{where}: the journal has {_fill(ours[key])}, the venue {_fill(theirs[key])}"
                )

    def _our_fills(self) -> dict[tuple[str, str, str], tuple[object, ...]]:
        sql = """
        SELECT account, order_id, trade_id, side, qty, price, fee, fee_asset, liquidity, symbol FROM fills
        WHERE run IN (SELECT value FROM json_each(?)) AND venue = ? AND provisional = 0
        """
        return {
            (account, order_id, trade_id): (
                side, Decimal(qty), Decimal(price), Decimal(fee), asset, liquidity == "maker", symbol,
            )
            for account, order_id, trade_id, side, qty, price, fee, asset, liquidity, symbol in self._journal.execute(
                sql, (self._runs, self._report.venue)
            )
        }  # fmt: skip

    def _their_fills(self) -> dict[tuple[str, str, str], tuple[object, ...]]:
        """Of our orders, and every other fill on our accounts in the time of the run, whatever caused it."""
        names = {theirs: name for name, theirs in self._report.accounts.items()}
        ours = {theirs.order_id for theirs in self._venue_orders.values()}
        return {
            (names[it.account], it.order_id, it.trade_id): (
                it.side, it.qty, it.price, it.fee, it.fee_asset, it.maker, it.symbol,
            )
            for it in self._ledger.fills
            if it.account in names
            and it.symbol == self._accounts[names[it.account]].symbol
            and (it.order_id in ours or it.at_ms in self._span_ms)
        }  # fmt: skip

    # -- positions -----------------------------------------------------------------------------------------------

    def _check_positions(self) -> None:
        for name, theirs in self._report.accounts.items():
            account = self._accounts[name]
            expected = self._baseline(account) + self._traded(account)
            later = sum(
                (
                    _change(it, account)
                    for it in self._ledger.fills
                    if (it.account, it.symbol) == (theirs, account.symbol) and it.at_ms >= self._span_ms.stop
                ),
                ZERO,
            )
            held = self._ledger.positions.get((theirs, account.symbol), ZERO) - later
            if held != expected:
                self._report.add(
                    "position_differs", f"{name}: the journal has {expected} {account.symbol}, the venue {held}"
                )

    def _baseline(self, account: _Account) -> Decimal:
        sql = "SELECT qty FROM holdings WHERE run = ? AND moment = 'start' AND account = ? AND symbol = ?"
        row = self._journal.execute(sql, (self._first, account.name, account.symbol)).fetchone()
        return ZERO if row is None else Decimal(row[0])

    def _traded(self, account: _Account) -> Decimal:
        sql = """
        SELECT side, news_qty, fee, fee_asset FROM fills
        WHERE run IN (SELECT value FROM json_each(?)) AND account = ? AND symbol = ?
        """
        total = ZERO
        for side, news, fee, asset in self._journal.execute(sql, (self._runs, account.name, account.symbol)):
            total += Decimal(news) if side == Side.BUY.value else -Decimal(news)
            total -= Decimal(fee) if asset == account.base != account.quote else ZERO
        return total

    # -- the journal ---------------------------------------------------------------------------------------------

    def _read_accounts(self) -> dict[str, _Account]:
        sql = "SELECT name, symbol, base, quote FROM accounts WHERE run = ? AND venue = ?"
        return {row[0]: _Account(*row) for row in self._journal.execute(sql, (self._run, self._report.venue))}

    def _read_orders(self) -> Mapping[str, _Order]:
        sql = """
        SELECT o.client_id, o.account, o.order_id, o.side, o.qty, o.cum_qty, coalesce(i.reduce_only, 0), o.leg
        FROM orders o
        LEFT JOIN intents i ON i.kind = 'place' AND i.client_id = o.client_id AND i.account = o.account
        WHERE o.run IN (SELECT value FROM json_each(?)) AND o.venue = ? ORDER BY o.run
        """
        return {
            client_id: _Order(
                client_id, account, order_id, side, Decimal(qty), Decimal(filled), bool(reduce_only), leg == ADOPTED
            )
            for client_id, account, order_id, side, qty, filled, reduce_only, leg in self._journal.execute(
                sql, (self._runs, self._report.venue)
            )
        }  # fmt: skip


def _change(fill: LedgerFill, account: _Account) -> Decimal:
    """Signed change of the position, net of a fee taken in base (S18)."""
    signed = fill.qty if fill.side == Side.BUY.value else -fill.qty
    return signed - fill.fee if fill.fee_asset == account.base != account.quote else signed


def _told(order: _Order) -> str:
    return f"{order.account}: {order.side} {order.qty}, client id {order.client_id}"


def _fill(fill: tuple[object, ...]) -> str:
    side, qty, price, fee, asset, maker, _ = fill
    return f"{side} {qty} at {price}, fee {fee} {asset} as {'maker' if maker else 'taker'}"
