"""Proves from a journal that every maker fill was covered, by quantity, and that the ledger equals the venues.

Counts on its own, from fill rows and intents; shares no sum with the desk. Exposure is the sum of all fills since the
baseline over all accounts of a market (S17), net of fees taken in base (S18); "flat" means within dust (S6).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.runtime.audit_facts import (
    Account,
    CoverAsked,
    CoverEnded,
    Event,
    FillFact,
    RoundOver,
    events,
    read_accounts,
    read_carried,
    read_under_way,
)
from engine.runtime.journal_read import RunRow, open_journal, pick_run
from engine.trading.effects import Purpose
from engine.trading.plan import DIRECTIONAL
from exchanges.types import ZERO, FillKind, Side

__all__ = ["AccountTotals", "AuditReport", "Finding", "MarketTotals", "audit"]

FINDINGS_KEPT = 1_000  # a broken run may break every row; beyond it findings are only counted
MAKER = frozenset({Purpose.OPEN.value, Purpose.CLOSE.value, Purpose.CLEANUP.value})
COVERING = frozenset({Purpose.HEDGE.value, Purpose.UNDO.value})
FLATTEN = Purpose.FLATTEN.value
WITHOUT_INTENT = frozenset({FillKind.LIQUIDATION.value, FillKind.ADL.value, FillKind.SETTLEMENT.value})


@dataclass(frozen=True, slots=True)
class Finding:
    code: str
    text: str


@dataclass(slots=True)
class MarketTotals:
    """Signed quantities by what caused them; they sum to `exposure`. Maker volume is unsigned.

    `carried` is what earlier runs left.
    """

    market: str
    carried: Decimal = ZERO
    maker: Decimal = ZERO
    hedges: Decimal = ZERO
    undos: Decimal = ZERO
    flattens: Decimal = ZERO
    outside: Decimal = ZERO
    exposure: Decimal = ZERO
    maker_volume: Decimal = ZERO
    largest_exposure: Decimal = ZERO
    longest_exposed_ms: int = 0  # longest time in which exposure stayed above dust
    dust_bound: Decimal = ZERO


@dataclass(slots=True)
class AccountTotals:
    """`venue` is what the venue reported at the end, None if it was not asked; it must equal baseline + fills."""

    account: str
    symbol: str
    baseline: Decimal = ZERO
    fills: Decimal = ZERO
    venue: Decimal | None = None


@dataclass(slots=True)
class AuditReport:
    """Of a directional run (`hedged` is false) nothing had to be covered: what it held was a position."""

    run: int
    hedged: bool = True
    fills: int = 0
    provisional: int = 0  # of these, quantities that a snapshot showed before their rows
    intents: int = 0
    sends: int = 0
    rounds: int = 0
    undos: int = 0
    markets: list[MarketTotals] = field(default_factory=list)
    accounts: list[AccountTotals] = field(default_factory=list)
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
        """Totals, findings, verdict."""
        told = [
            f"run {self.run}: {self.rounds} rounds, {self.intents} intents, {self.sends} sends, {self.fills} fills"
            f" ({self.provisional} from snapshots), {self.undos} undo orders"
        ]
        told += [f"{DIRECTIONAL}: fills are counted and compared with the venues; none had to be covered"][
            self.hedged :
        ]
        told += [
            f"{it.market}: {_left_over(it)}maker {it.maker} + hedges {it.hedges} + undos {it.undos}"
            f" + flattens {it.flattens} + outside {it.outside} = {it.exposure} (dust up to {it.dust_bound});"
            f" largest {it.largest_exposure}, longest above dust {it.longest_exposed_ms} ms"
            for it in self.markets
        ]
        told += [
            f"{it.account}: baseline {it.baseline} + fills {it.fills} = {it.baseline + it.fills} {it.symbol},"
            f" venue {'not asked' if it.venue is None else it.venue}"
            for it in self.accounts
        ]
        told += [f"{finding.code}: {finding.text}" for finding in self.findings]
        if self.more_findings:
            told.append(f"and {self.more_findings} more findings")
        return [*told, "audit holds" if self.holds else f"audit fails: {len(self.findings) + self.more_findings}"]

    def as_json(self) -> dict[str, object]:
        """The same for a script; decimals as text."""
        return {"holds": self.holds, **_plain(asdict(self))}


def _left_over(market: MarketTotals) -> str:
    return f"left over {market.carried} + " if market.carried else ""


def audit(path: Path, *, run: int | None = None, dust_bound: Decimal | None = None) -> AuditReport:
    """Audit a run, the newest unless `run` says otherwise; `dust_bound` replaces the bound taken from lots and minima.

    Raises: JournalUnreadable, JournalForeign, JournalNewer, JournalCorrupt.
    """
    with open_journal(path) as journal:
        return audit_in(journal, pick_run(journal, run, path=path), dust_bound=dust_bound)


def audit_in(journal: sqlite3.Connection, row: RunRow, *, dust_bound: Decimal | None = None) -> AuditReport:
    """As `audit`, of one run of an open journal."""
    report = AuditReport(row.number, row.hedged)
    _check_end(row, report)
    accounts = read_accounts(journal, row.number)
    coverage = _Coverage(accounts, report, dust_bound, heard=row.heard)
    coverage.carry(read_carried(journal, row.number), read_under_way(journal, row.number))
    coverage.check(events(journal, row.number))
    _check_venue(journal, row, report)
    _check_requests(journal, row.number, report)
    _check_rows(journal, row.number, report)
    return report


def _check_end(row: RunRow, report: AuditReport) -> None:
    if row.exit_code is None:
        report.add("unfinished", f"run {row.number} has no end: it goes on, or its process died")


# --- coverage by quantity


@dataclass(slots=True)
class _Market:
    totals: MarketTotals
    accounts: list[Account]
    given_bound: Decimal | None
    bought: Decimal = ZERO  # sums of all fills but covering ones, by direction
    sold: Decimal = ZERO
    exposed_since_ns: int | None = None

    def bound_at(self, price: Decimal | None) -> None:
        """The largest rest that may be dust: what an account of this market cannot trade alone."""
        if self.given_bound is not None:
            self.totals.dust_bound = self.given_bound
        elif price is not None:
            self.totals.dust_bound = max(account.smallest_trade(price) for account in self.accounts)

    def watch(self, at_ns: int) -> None:
        totals = self.totals
        totals.largest_exposure = max(totals.largest_exposure, abs(totals.exposure))
        if self.exposed_since_ns is not None:
            totals.longest_exposed_ms = max(totals.longest_exposed_ms, (at_ns - self.exposed_since_ns) // 1_000_000)
        if abs(totals.exposure) <= totals.dust_bound:
            self.exposed_since_ns = None
        elif self.exposed_since_ns is None:
            self.exposed_since_ns = at_ns


@dataclass(frozen=True, slots=True)
class _Asked:
    """A hedge when it was asked for: what had filled until then, and what was on its way in the other direction."""

    bought: Decimal
    sold: Decimal
    answers: Decimal


class _Coverage:
    """Walks a run in the order of its steps."""

    def __init__(
        self, accounts: Mapping[str, Account], report: AuditReport, dust_bound: Decimal | None, *, heard: frozenset[str]
    ) -> None:
        self._accounts = accounts
        self._heard = heard
        self._report = report
        self._markets: dict[str, _Market] = {}
        for account in accounts.values():
            market = self._markets.setdefault(account.market, _Market(MarketTotals(account.market), [], dust_bound))
            market.accounts.append(account)
        for market in self._markets.values():
            market.bound_at(ZERO)
        self._totals = {name: AccountTotals(name, account.symbol) for name, account in accounts.items()}
        self._asked: dict[str, _Asked] = {}
        self._under_way: dict[str, tuple[str, Decimal]] = {}  # covering order -> its market, what of it may still fill
        report.markets = [market.totals for market in self._markets.values()]
        report.accounts = list(self._totals.values())

    def carry(self, left: Mapping[str, Decimal], under_way: Sequence[CoverAsked]) -> None:
        """Begin with what earlier runs left of each account, and with their covering orders that had no end."""
        for name, qty in left.items():
            market = self._markets[self._accounts[name].market]
            market.totals.carried += qty
            market.totals.exposure += qty
        for order in under_way:
            if order.account in self._accounts:
                self._under_way[order.client_id] = (self._accounts[order.account].market, order.qty)
        for market in self._markets.values():
            market.watch(0)

    def check(self, happened: Iterator[Event]) -> None:
        for event in happened:
            if isinstance(event, FillFact):
                self._fill(event)
            elif isinstance(event, CoverAsked):
                self._cover_asked(event)
            elif isinstance(event, CoverEnded):
                self._under_way.pop(event.client_id, None)
            else:
                self._round_over(event)
        for market in self._markets.values():
            self._flat(market, "uncovered", "at the end of the run")

    def _cover_asked(self, event: CoverAsked) -> None:
        account = self._accounts.get(event.account)
        if account is None:
            return
        if event.purpose != FLATTEN:
            market = self._markets[account.market]
            beside = [qty for name, qty in self._under_way.values() if name == account.market and qty * event.qty < 0]
            self._asked[event.client_id] = _Asked(market.bought, market.sold, abs(sum(beside, ZERO)))
        self._under_way[event.client_id] = (account.market, event.qty)

    def _round_over(self, event: RoundOver) -> None:
        self._report.rounds += 1
        for market in self._markets.values():
            self._flat(market, "round_uncovered", f"at the end of round {event.round}")

    def _flat(self, market: _Market, code: str, when: str) -> None:
        totals = market.totals
        if self._heard:
            return  # what is below its least size when the run ends is carried by the next one; the totals show it
        if self._report.hedged and abs(totals.exposure) > totals.dust_bound:
            self._report.add(
                code, f"{totals.market}: exposure {totals.exposure} {when}, dust is up to {totals.dust_bound}"
            )

    def _fill(self, fill: FillFact) -> None:
        self._report.fills += 1
        self._report.provisional += fill.provisional
        account = self._accounts.get(fill.account)
        if account is None or account.symbol != fill.symbol:
            self._report.add("not_ours", f"step {fill.seq}: {_told(fill)} of {fill.symbol}, which is not of this run")
            return
        if fill.purpose is None and fill.kind not in WITHOUT_INTENT and fill.account not in self._heard:
            self._report.add(
                "no_intent", f"step {fill.seq}: {_told(fill)} by order '{fill.client_id}', which has no intent"
            )
        market = self._markets[account.market]
        market.bound_at(fill.price)
        change = _change(fill, account)
        self._totals[fill.account].fills += change
        before = market.totals.exposure
        market.totals.exposure += change
        if fill.purpose in COVERING:
            self._covers(market, fill, before=before, change=change)
        elif change > 0:
            market.bought += change
        else:
            market.sold -= change
        if fill.account in self._heard:
            market.totals.maker += change
            market.totals.maker_volume += fill.news
        else:
            _count(market.totals, fill, change)
        market.watch(fill.at_ns)
        if fill.client_id in self._under_way:
            name, left = self._under_way[fill.client_id]
            self._under_way[fill.client_id] = (name, left - fill.news * Side(fill.side).sign)

    def _covers(self, market: _Market, fill: FillFact, *, before: Decimal, change: Decimal) -> None:
        """No hedge grows or turns exposure, but by what filled against it while it was on its way.

        A hedge answers what is on its way as well: orders that cover in the other direction may fill after it, as the
        other half of a flattened pair does, or be refused.
        """
        if fill.client_id not in self._asked:
            return  # an earlier run asked for it: what was open then stands in that run
        after = before + change
        over = abs(after) - max(abs(before), market.totals.dust_bound)
        if over <= 0:
            return
        asked = self._asked[fill.client_id]
        meanwhile = market.bought - asked.bought if change > 0 else market.sold - asked.sold
        if over > meanwhile + asked.answers:
            self._report.add(
                "over_covered",
                f"step {fill.seq}: {fill.purpose} {_told(fill)} took exposure from {before} to {after}",
            )


def _change(fill: FillFact, account: Account) -> Decimal:
    """Signed change of the position: what was news, net of a fee taken in base (S18)."""
    signed = fill.news if fill.side == Side.BUY.value else -fill.news
    return signed - fill.fee if fill.fee_asset == account.base != account.quote else signed


def _count(totals: MarketTotals, fill: FillFact, change: Decimal) -> None:
    if fill.purpose in MAKER:
        totals.maker += change
        totals.maker_volume += fill.news
    elif fill.purpose == Purpose.HEDGE.value:
        totals.hedges += change
    elif fill.purpose == Purpose.UNDO.value:
        totals.undos += change
    elif fill.purpose == FLATTEN:
        totals.flattens += change
    else:
        totals.outside += change


def _told(fill: FillFact) -> str:
    return f"{fill.account} {fill.side} {fill.qty} (trade {fill.trade})"


# --- ledger equals venue


def _check_venue(journal: sqlite3.Connection, row: RunRow, report: AuditReport) -> None:
    """But for accounts that are only listened to: what they hold is their owner's, and is not asked."""
    run = row.number
    read = {
        (moment, account)
        for moment, account in journal.execute("SELECT moment, account FROM balances WHERE run = ?", (run,))
    }
    sql = "SELECT moment, account, symbol, qty FROM holdings WHERE run = ?"
    held = {(moment, name, symbol): Decimal(qty) for moment, name, symbol, qty in journal.execute(sql, (run,))}
    for totals in report.accounts:
        name, symbol = totals.account, totals.symbol
        if name in row.heard:
            continue
        start = held.get(("start", name, symbol), ZERO)
        carried = held.get(("carried", name, symbol), ZERO)  # what earlier runs left, and what it stands on
        totals.baseline = held.get(("baseline", name, symbol), start - carried) + carried
        if ("start", name) not in read:
            report.add("no_baseline", f"{name}: positions were not read at the start")
        if ("end", name) not in read:
            report.add("no_venue_end", f"{name}: the venue's positions were not read at the end")
            continue
        totals.venue = held.get(("end", name, symbol), ZERO)
        expected = totals.baseline + totals.fills
        if totals.venue != expected:
            report.add(
                "ledger_differs",
                f"{name}: baseline {totals.baseline} + fills {totals.fills} = {expected} {symbol},"
                f" the venue says {totals.venue} (difference {totals.venue - expected})",
            )


# --- requests and rows


def _check_requests(journal: sqlite3.Connection, run: int, report: AuditReport) -> None:
    """Every intent was sent or dropped, nothing was sent without one, and no id was used twice."""
    (report.intents,) = journal.execute("SELECT count(*) FROM intents WHERE run = ?", (run,)).fetchone()
    (report.sends,) = journal.execute("SELECT count(*) FROM sends WHERE run = ? AND dropped IS NULL", (run,)).fetchone()
    undos = "SELECT count(*) FROM intents WHERE run = ? AND purpose = 'undo'"
    (report.undos,) = journal.execute(undos, (run,)).fetchone()
    for client_id, kind, wanted, gone in journal.execute(_REQUESTS, {"run": run}):
        if wanted > gone:
            report.add("not_sent", f"{kind} {client_id}: {wanted} intents, but {gone} sends or recorded drops")
        else:
            report.add("sent_without_intent", f"{kind} {client_id}: {gone} sends or drops, but {wanted} intents")
    for account, client_id, times in journal.execute(_TWICE, (run,)):
        report.add("id_twice", f"{account}: client id {client_id} was used for {times} orders")


_REQUESTS = """
WITH wanted AS (SELECT client_id, kind, count(*) AS n FROM intents WHERE run = :run GROUP BY client_id, kind),
     gone AS (SELECT client_id, request AS kind, count(*) AS n FROM sends WHERE run = :run GROUP BY client_id, request)
SELECT w.client_id, w.kind, w.n, coalesce(g.n, 0) FROM wanted w
LEFT JOIN gone g ON g.client_id = w.client_id AND g.kind = w.kind
WHERE g.n IS NULL OR g.n <> w.n
UNION ALL
SELECT g.client_id, g.kind, 0, g.n FROM gone g
LEFT JOIN wanted w ON w.client_id = g.client_id AND w.kind = g.kind
WHERE w.n IS NULL
"""
# An id must not come back in a later run either (S15).
_TWICE = """
SELECT account, client_id, count(*) FROM intents WHERE kind = 'place' AND client_id IN
    (SELECT client_id FROM intents WHERE kind = 'place' AND run = ?)
GROUP BY account, client_id HAVING count(*) > 1
"""


def _check_rows(journal: sqlite3.Connection, run: int, report: AuditReport) -> None:
    """No order filled beyond its quantity, and fill rows explain all that snapshots showed (S5)."""
    sql = "SELECT client_id, account, qty, cum_qty, row_qty FROM orders WHERE run = ? AND cum_qty <> '0'"
    for client_id, account, *stored in journal.execute(sql, (run,)):
        qty, filled, rows = map(Decimal, stored)
        if filled > qty:
            report.add("over_filled", f"{account}: order {client_id} over {qty} filled {filled}")
        if rows != filled:
            report.add("unexplained", f"{account}: order {client_id} filled {filled}, fill rows explain {rows}")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, Decimal) else value
