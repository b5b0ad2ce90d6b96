"""What a report reads of a journal: each table once, in the order of the steps, row by row.

Rows are plain tuples, since a run may have millions, and numbers stay text until somebody counts with them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from engine.runtime.audit_facts import Account as Tradable
from engine.runtime.audit_facts import read_accounts
from engine.runtime.journal_read import RunRow

__all__ = [
    "FillRow",
    "RoundRow",
    "Terms",
    "decimal",
    "edge_mid",
    "mid_of",
    "read_terms",
    "round_rows",
    "span_of",
]

HALF = Decimal("0.5")
BATCH = (
    2_048  # fills at a time: each part of a report loops over a batch, a call for each fill would cost as much again
)

decimal = lru_cache(maxsize=1 << 16)(Decimal)  # prices and quantities repeat: a look-up costs a third of a parse


@lru_cache(maxsize=1 << 16)
def mid_of(bid: str, ask: str) -> Decimal:
    return (Decimal(bid) + Decimal(ask)) * HALF


@dataclass(frozen=True, slots=True)
class Terms:
    """What a run traded, as its rows of `runs` and `accounts` say."""

    accounts: dict[str, Tradable]
    venues: dict[str, str]  # account -> venue
    max_slippage: Decimal  # how far a market order's worst price is from the touch, a ratio; 0 if the plan is silent

    def book(self, account: str) -> tuple[str, str]:
        """Venue and symbol."""
        return self.venues[account], self.accounts[account].symbol


def read_terms(journal: sqlite3.Connection, run: RunRow) -> Terms:
    return Terms(
        accounts=read_accounts(journal, run.number),
        venues=dict(journal.execute("SELECT name, venue FROM accounts WHERE run = ?", (run.number,))),
        max_slippage=Decimal(json.loads(run.plan).get("limits", {}).get("max_hedge_slippage_bps", 0)) / 10_000,
    )


# seq, at_ns, account, buys, qty, news (how much of it was not known before, S5; None: all of it), price, fee,
# fee asset, maker, trade (0: liquidation, settlement ...), provisional;
# the book by which it is judged, None where no step had read it: bid, ask, size of the touch that a taker took from;
# of its order, all None for a fill that no order of ours made: purpose, round, time of the decision
FillRow = tuple[
    int, int, str, int, str, str | None, str | None, str, str, int, int, int,
    str | None, str | None, str | None, str | None, int, int,
]  # fmt: skip
_FILLS = """
SELECT seq, at_ns, account, side = 'buy', qty, nullif(news_qty, qty), price, fee, fee_asset, liquidity = 'maker',
       kind = 'trade', provisional, bid, ask, touch_qty, purpose, round, decided_ns
FROM fills WHERE run = ? AND {ours} ORDER BY seq
"""


def fill_batches(journal: sqlite3.Connection, run: int, terms: Terms) -> Iterator[list[FillRow]]:
    """The fills of the run's accounts, in the order of the steps."""
    ours, names = _ours(terms)
    rows = journal.execute(_FILLS.format(ours=ours), (run, *names))
    while batch := rows.fetchmany(BATCH):
        yield batch


def foreign_fills(journal: sqlite3.Connection, run: int, terms: Terms) -> int:
    """How many fills are of accounts or symbols that the run did not trade."""
    ours, names = _ours(terms)
    (count,) = journal.execute(f"SELECT count(*) FROM fills WHERE run = ? AND NOT {ours}", (run, *names)).fetchone()
    return int(count)


def _ours(terms: Terms) -> tuple[str, list[str]]:
    pairs = " OR ".join("account = ? AND symbol = ?" for _ in terms.accounts)
    return f"({pairs or 'FALSE'})", [word for name, it in terms.accounts.items() for word in (name, it.symbol)]


RoundRow = tuple[int, int, int, int, str | None]  # step of its end, number, opened anything, took ns, expected bps
_ROUNDS = """
SELECT ended_seq, round, CAST(opened AS REAL) > 0, ended_ns - began_ns, expected_bps FROM rounds
WHERE run = ? AND ended_seq IS NOT NULL ORDER BY round
"""


def round_rows(journal: sqlite3.Connection, run: int) -> Iterator[RoundRow]:
    return journal.execute(_ROUNDS, (run,))


def span_of(journal: sqlite3.Connection, run: int) -> tuple[int, int]:
    """Times of the first and the last step; 0, 0 for a run without any."""
    first, last = (
        journal.execute(f"SELECT at_ns FROM inputs WHERE run = ? ORDER BY seq {way} LIMIT 1", (run,)).fetchone()
        for way in ("ASC", "DESC")
    )
    return (0, 0) if first is None else (first[0], last[0])


def edge_mid(journal: sqlite3.Connection, run: int, book: tuple[str, str], *, last: bool) -> Decimal | None:
    """The first or last mid of a book (venue, symbol) that a step of the run read; None if none did."""
    way = "DESC" if last else "ASC"
    sql = f"SELECT bid, ask FROM quotes_used WHERE run = ? AND venue = ? AND symbol = ? ORDER BY id {way} LIMIT 1"
    found = journal.execute(sql, (run, *book)).fetchone()
    return None if found is None else mid_of(*found)
