"""What the audit reads of a journal: the accounts of a run, and its fills, covers and rounds in order."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

from exchanges.types import ZERO, Side

__all__ = [
    "Account",
    "CoverAsked",
    "Event",
    "FillFact",
    "FlattenAsked",
    "RoundOver",
    "events",
    "read_accounts",
    "read_carried",
]


@dataclass(frozen=True, slots=True)
class Account:
    """What is needed of an instrument: when it can trade, and in what it pays."""

    market: str
    symbol: str
    base: str
    quote: str
    lot: Decimal
    min_qty: Decimal
    min_notional: Decimal

    def smallest_trade(self, price: Decimal) -> Decimal:
        """The smallest quantity that the venue accepts at `price`."""
        least = max(self.lot, self.min_qty)
        if price > 0 and least * price < self.min_notional:
            least = self.min_notional / price
        lots = least / self.lot
        whole = lots.to_integral_value()
        return (whole if whole >= lots else whole + 1) * self.lot


@dataclass(frozen=True, slots=True)
class FillFact:
    seq: int
    at_ns: int
    account: str
    symbol: str
    client_id: str
    trade: str
    side: str
    qty: Decimal
    news: Decimal
    price: Decimal | None
    fee: Decimal
    fee_asset: str
    kind: str
    provisional: bool
    purpose: str | None  # of the intent that caused it; None without one


@dataclass(frozen=True, slots=True)
class CoverAsked:
    """The intent of a hedge or undo."""

    seq: int
    client_id: str
    account: str


@dataclass(frozen=True, slots=True)
class FlattenAsked:
    """The intent of an order that takes a position off, and what it came to fill, signed."""

    seq: int
    client_id: str
    account: str
    filled: Decimal


@dataclass(frozen=True, slots=True)
class RoundOver:
    seq: int
    round: int


Event = FillFact | CoverAsked | FlattenAsked | RoundOver


def read_accounts(journal: sqlite3.Connection, run: int) -> dict[str, Account]:
    sql = "SELECT name, market, symbol, base, quote, lot, min_qty, min_notional FROM accounts WHERE run = ?"
    return {
        name: Account(market, symbol, base, quote, Decimal(lot), Decimal(min_qty), Decimal(min_notional))
        for name, market, symbol, base, quote, lot, min_qty, min_notional in journal.execute(sql, (run,))
    }


def read_carried(journal: sqlite3.Connection, run: int) -> dict[str, Decimal]:
    """What earlier runs left of each account, signed."""
    sql = "SELECT account, qty FROM holdings WHERE run = ? AND moment = 'carried'"
    return {account: Decimal(qty) for account, qty in journal.execute(sql, (run,))}


def events(journal: sqlite3.Connection, run: int) -> Iterator[Event]:
    """Fills, covering intents and ends of rounds in the order of the steps; in one step the fill came first."""
    streams = (_fills(journal, run), _covers(journal, run), _flattens(journal, run), _rounds(journal, run))
    return heapq.merge(*streams, key=lambda event: (event.seq, _PLACE[type(event)]))


_PLACE: dict[type, int] = {FillFact: 0, CoverAsked: 1, FlattenAsked: 1, RoundOver: 2}


def _fills(journal: sqlite3.Connection, run: int) -> Iterator[FillFact]:
    sql = """
    SELECT f.seq, f.at_ns, f.account, f.symbol, f.client_id, f.trade_id, f.side, f.qty, f.news_qty, f.price, f.fee,
           f.fee_asset, f.kind, f.provisional, coalesce(i.purpose, (
               SELECT e.purpose FROM intents e
               WHERE e.kind = 'place' AND e.account = f.account AND e.client_id = f.client_id AND e.run < f.run))
    FROM fills f
    LEFT JOIN intents i ON i.kind = 'place' AND i.account = f.account AND i.client_id = f.client_id AND i.run = f.run
    WHERE f.run = ? ORDER BY f.seq
    """
    for row in journal.execute(sql, (run,)):
        seq, at_ns, account, symbol, client, trade, side, qty, news, price, fee, asset, kind, early, purpose = row
        yield FillFact(
            seq=seq, at_ns=at_ns, account=account, symbol=symbol, client_id=client, trade=trade, side=side,
            qty=Decimal(qty), news=Decimal(news), price=None if price is None else Decimal(price), fee=Decimal(fee),
            fee_asset=asset, kind=kind, provisional=bool(early), purpose=purpose,
        )  # fmt: skip


def _covers(journal: sqlite3.Connection, run: int) -> Iterator[CoverAsked]:
    sql = "SELECT seq, client_id, account FROM intents WHERE run = ? AND purpose IN ('hedge', 'undo') ORDER BY seq"
    for row in journal.execute(sql, (run,)):
        yield CoverAsked(*row)


def _flattens(journal: sqlite3.Connection, run: int) -> Iterator[FlattenAsked]:
    sql = """
    SELECT i.seq, i.client_id, i.account, f.side, f.news_qty FROM intents i
    JOIN fills f ON f.run = i.run AND f.account = i.account AND f.client_id = i.client_id
    WHERE i.run = ? AND i.kind = 'place' AND i.purpose = 'flatten' ORDER BY i.seq, i.id
    """
    for (seq, client, account), rows in groupby(journal.execute(sql, (run,)), key=lambda row: row[:3]):
        filled = sum((Decimal(qty) * Side(side).sign for *_, side, qty in rows), ZERO)
        yield FlattenAsked(seq, client, account, filled)


def _rounds(journal: sqlite3.Connection, run: int) -> Iterator[RoundOver]:
    sql = "SELECT ended_seq, round FROM rounds WHERE run = ? AND ended_seq IS NOT NULL ORDER BY ended_seq"
    for row in journal.execute(sql, (run,)):
        yield RoundOver(*row)
