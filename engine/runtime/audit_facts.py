"""What the audit reads of a journal: the accounts of a run, and its fills, covers and rounds in order."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from engine.errors import JournalCorrupt
from engine.runtime.codec import decode_input
from engine.trading.adopted import ADOPTED
from engine.trading.inputs import Answered, Carried, Input, Looked, NotSent, Request
from exchanges.types import OrderUpdate, Refused, Side

__all__ = [
    "Account",
    "CoverAsked",
    "CoverEnded",
    "Event",
    "FillFact",
    "RoundOver",
    "events",
    "read_accounts",
    "read_carried",
    "read_under_way",
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
    purpose: str | None  # of the intent that caused it, or of the order that was adopted; None without one


@dataclass(frozen=True, slots=True)
class CoverAsked:
    """The intent of a hedge, an undo, or an order that takes a position off; `qty` is signed."""

    seq: int
    client_id: str
    account: str
    qty: Decimal
    purpose: str


@dataclass(frozen=True, slots=True)
class CoverEnded:
    """Such an order was told to be over, or never left."""

    seq: int
    client_id: str


@dataclass(frozen=True, slots=True)
class RoundOver:
    seq: int
    round: int


Event = FillFact | CoverAsked | CoverEnded | RoundOver


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


def read_under_way(journal: sqlite3.Connection, run: int) -> list[CoverAsked]:
    """Covering orders of earlier runs, taken over without an end; `qty` is what was left of each."""
    found = []
    sql = "SELECT seq, kind, body FROM inputs WHERE run = ? AND kind = 'carried'"
    for seq, kind, body in journal.execute(sql, (run,)):
        carried = _decoded(run, seq, kind, body)
        assert isinstance(carried, Carried)
        found += [
            CoverAsked(seq, it.client_id, it.account, (it.qty - it.filled - it.provisional) * it.side.sign, it.purpose)
            for it in carried.orders
            if it.purpose in _COVERING
        ]
    return found


def events(journal: sqlite3.Connection, run: int) -> Iterator[Event]:
    """Fills, covering orders and ends of rounds in the order of the steps; in one step what was told came first."""
    streams = (_fills(journal, run), _ends(journal, run), _covers(journal, run), _rounds(journal, run))
    return heapq.merge(*streams, key=lambda event: (event.seq, _PLACE[type(event)]))


_COVERING = frozenset({"hedge", "undo", "flatten"})
_PLACE: dict[type, int] = {FillFact: 0, CoverEnded: 1, CoverAsked: 2, RoundOver: 3}


def _fills(journal: sqlite3.Connection, run: int) -> Iterator[FillFact]:
    sql = """
    SELECT f.seq, f.at_ns, f.account, f.symbol, f.client_id, f.trade_id, f.side, f.qty, f.news_qty, f.price, f.fee,
           f.fee_asset, f.kind, f.provisional, coalesce(i.purpose, (
               SELECT e.purpose FROM intents e
               WHERE e.kind = 'place' AND e.account = f.account AND e.client_id = f.client_id AND e.run < f.run), (
               SELECT o.purpose FROM orders o
               WHERE o.account = f.account AND o.client_id = f.client_id AND o.run <= f.run AND o.leg = ? LIMIT 1))
    FROM fills f
    LEFT JOIN intents i ON i.kind = 'place' AND i.account = f.account AND i.client_id = f.client_id AND i.run = f.run
    WHERE f.run = ? ORDER BY f.seq
    """
    for row in journal.execute(sql, (ADOPTED, run)):
        seq, at_ns, account, symbol, client, trade, side, qty, news, price, fee, asset, kind, early, purpose = row
        yield FillFact(
            seq=seq, at_ns=at_ns, account=account, symbol=symbol, client_id=client, trade=trade, side=side,
            qty=Decimal(qty), news=Decimal(news), price=None if price is None else Decimal(price), fee=Decimal(fee),
            fee_asset=asset, kind=kind, provisional=bool(early), purpose=purpose,
        )  # fmt: skip


def _covers(journal: sqlite3.Connection, run: int) -> Iterator[CoverAsked]:
    sql = """
    SELECT seq, client_id, account, side, qty, purpose FROM intents
    WHERE run = ? AND kind = 'place' AND purpose IN ('hedge', 'undo', 'flatten') ORDER BY seq, id
    """
    for seq, client_id, account, side, qty, purpose in journal.execute(sql, (run,)):
        yield CoverAsked(seq, client_id, account, Decimal(qty) * Side(side).sign, purpose)


def _ends(journal: sqlite3.Connection, run: int) -> Iterator[CoverEnded]:
    covering = {
        client_id
        for (client_id,) in journal.execute(
            "SELECT client_id FROM intents WHERE run = ? AND purpose IN ('hedge', 'undo', 'flatten')", (run,)
        )
    } | {order.client_id for order in read_under_way(journal, run)}
    sql = """
    SELECT seq, kind, body FROM inputs
    WHERE run = ? AND kind IN ('order', 'answered', 'not_sent', 'looked') ORDER BY seq
    """
    for seq, kind, body in journal.execute(sql, (run,)):
        client_id = _ended(_decoded(run, seq, kind, body))
        if client_id in covering:
            yield CoverEnded(seq, client_id)


def _decoded(run: int, seq: int, kind: str, body: str) -> Input:
    try:
        return decode_input(kind, body)
    except (KeyError, ValueError, TypeError, ArithmeticError) as error:
        raise JournalCorrupt(f"input {seq} of run {run} cannot be read: {kind} {body}") from error


def _ended(given: object) -> str:
    """Which order an input tells to be over; empty if none."""
    match given:
        case Looked(update=OrderUpdate() as update) | (OrderUpdate() as update):
            return update.client_id if update.state.terminal else ""
        case Answered(client_id, Request.PLACE, Refused()) | NotSent(client_id, Request.PLACE):
            return client_id
        case _:
            return ""


def _rounds(journal: sqlite3.Connection, run: int) -> Iterator[RoundOver]:
    sql = "SELECT ended_seq, round FROM rounds WHERE run = ? AND ended_seq IS NOT NULL ORDER BY ended_seq"
    for row in journal.execute(sql, (run,)):
        yield RoundOver(*row)
