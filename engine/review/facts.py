"""What a journal says of a stretch of a run, step by step; decides nothing and rebuilds nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from engine.errors import JournalCorrupt
from engine.runtime.codec import decode_input
from engine.trading.effects import Level, Moved
from engine.trading.inputs import Input
from exchanges.types import ZERO, Quote, Side

LAST = (1 << 63) - 1  # no step has a higher number

__all__ = [
    "AlertRow",
    "FillRow",
    "Intent",
    "OrderRow",
    "RoundRow",
    "SendRow",
    "Step",
    "covers_of",
    "fills_of",
    "intents_of",
    "orders_of",
    "read_fills",
    "read_inputs_about",
    "read_rounds",
    "read_steps",
    "sends_of",
]


@dataclass(frozen=True, slots=True)
class Intent:
    """A request as it was decided. A cancel leaves everything below `client_id` empty but the time."""

    seq: int
    kind: str  # place or cancel
    account: str
    symbol: str
    client_id: str
    at_ns: int
    venue: str | None
    round: int | None
    leg: str | None
    attempt: int | None
    purpose: str | None
    side: str | None
    tif: str | None
    qty: Decimal | None
    price: Decimal | None
    covers: Decimal | None
    post_only: bool
    reduce_only: bool


@dataclass(frozen=True, slots=True)
class SendRow:
    client_id: str
    request: str
    at_ns: int
    dropped: str | None


@dataclass(frozen=True, slots=True)
class FillRow:
    """A fill row (S5); `change` is what it did to the position, in base units, net of a fee taken in base (S18).

    `cash` is what it did to the account's money and `cost` its fee, both in quote units.
    """

    seq: int
    at_ns: int
    account: str
    symbol: str
    client_id: str
    order_id: str
    trade_id: str
    side: str
    qty: Decimal
    change: Decimal
    price: Decimal | None
    fee: Decimal
    fee_asset: str
    liquidity: str
    kind: str
    provisional: bool
    purpose: str | None  # of the order that it belongs to; None for one that is not ours
    round: int | None  # likewise
    cash: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class OrderRow:
    """The newest state of an order, and its five stamps on the run's clock (schema.Order)."""

    client_id: str
    account: str
    venue: str
    round: int
    leg: str
    purpose: str
    order_id: str
    state: str
    qty: Decimal
    filled: Decimal
    avg_price: Decimal | None
    fee: Decimal | None
    fee_asset: str | None
    received_ns: int | None
    decoded_ns: int | None
    decided_ns: int | None
    signed_ns: int | None
    written_ns: int | None


@dataclass(frozen=True, slots=True)
class AlertRow:
    level: Level
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class RoundRow:
    """A round; what its end would fill in is None while it has none."""

    round: int
    side: str
    began_seq: int
    began_ns: int
    ended_seq: int | None
    ended_ns: int | None
    opened: Decimal | None
    closed: Decimal | None
    residue: Decimal | None
    volume: Decimal | None
    fees: Decimal | None
    cash: Decimal | None


@dataclass(slots=True)
class Step:
    """All rows of one step. Without `given` its own row is missing: a process that died had not written it yet."""

    seq: int
    at_ns: int
    kind: str = ""  # of the input (codec.py)
    given: Input | None = None
    draws: tuple[int, ...] = ()
    moved: list[Moved] = field(default_factory=list)
    intents: list[Intent] = field(default_factory=list)
    fills: list[FillRow] = field(default_factory=list)
    alerts: list[AlertRow] = field(default_factory=list)
    quotes: list[Quote] = field(default_factory=list)


def read_steps(journal: sqlite3.Connection, run: int, *, first: int, last: int) -> list[Step]:
    """The steps `first` to `last` in order. Raises: JournalCorrupt for an input that cannot be read."""
    steps: dict[int, Step] = {}
    span = (run, first, last)
    sql = "SELECT seq, at_ns, kind, body, draws FROM inputs WHERE run = ? AND seq BETWEEN ? AND ? ORDER BY seq"
    for seq, at_ns, kind, body, draws in journal.execute(sql, span):
        drawn = tuple(json.loads(draws)) if draws else ()
        steps[seq] = Step(seq, at_ns, kind, _input(run, seq, kind, body), drawn)
    for intent in _intents(journal, "seq BETWEEN ? AND ?", span):
        steps.setdefault(intent.seq, Step(intent.seq, intent.at_ns)).intents.append(intent)
    for fill in read_fills(journal, run, first=first, last=last):
        steps[fill.seq].fills.append(fill)
    of_step = "WHERE run = ? AND seq BETWEEN ? AND ? ORDER BY id"
    for seq, at_ns, *moved in journal.execute(f"SELECT {_MOVED} FROM transitions {of_step}", span):
        steps.setdefault(seq, Step(seq, at_ns)).moved.append(Moved(*moved))
    for seq, at_ns, level, code, text in journal.execute(f"SELECT {_ALERT} FROM alerts {of_step}", span):
        steps.setdefault(seq, Step(seq, at_ns)).alerts.append(AlertRow(Level(level), code, text))
    for seq, quote in _quotes(journal, span):
        steps.setdefault(seq, Step(seq, quote.recv_ns)).quotes.append(quote)
    return [steps[seq] for seq in sorted(steps)]


def read_inputs_about(journal: sqlite3.Connection, run: int, client_id: str, *, first: int) -> Iterator[Step]:
    """The steps from `first` on whose input names the order; only their inputs are read."""
    sql = (
        "SELECT seq, at_ns, kind, body FROM inputs WHERE run = ? AND seq >= ?"
        " AND kind IN ('answered', 'order', 'fill', 'looked', 'not_sent', 'recalled') AND instr(body, ?) ORDER BY seq"
    )
    for seq, at_ns, kind, body in journal.execute(sql, (run, first, json.dumps(client_id))):
        given = _input(run, seq, kind, body)
        if getattr(given, "client_id", None) == client_id:  # and not another order's venue or trade id
            yield Step(seq, at_ns, kind, given)


def _input(run: int, seq: int, kind: str, body: str) -> Input:
    try:
        return decode_input(kind, body)
    except (KeyError, ValueError, TypeError, ArithmeticError) as error:
        raise JournalCorrupt(f"input {seq} of run {run} cannot be read: {kind} {body}") from error


def read_fills(
    journal: sqlite3.Connection, run: int, *, first: int = 0, last: int = LAST, rounds: range | None = None
) -> Iterator[FillRow]:
    """Fill rows of the run's market in the order of the steps that took them in; only of orders of these rounds."""
    chosen = "" if rounds is None else f"AND i.round BETWEEN {rounds.start} AND {rounds.stop - 1}"
    return _fills(journal, f"f.seq BETWEEN ? AND ? {chosen}", (run, first, last))


def fills_of(journal: sqlite3.Connection, run: int, client_id: str) -> Iterator[FillRow]:
    return _fills(journal, "f.client_id = ?", (run, client_id))


def _fills(journal: sqlite3.Connection, where: str, given: tuple[object, ...]) -> Iterator[FillRow]:
    sql = f"""
    SELECT f.seq, s.at_ns, f.account, f.symbol, f.client_id, f.order_id, f.trade_id, f.side, f.price, f.fee_asset,
           f.liquidity, f.kind, f.provisional, i.purpose, i.round, f.qty, f.news_qty, f.fee, a.base, a.quote
    FROM fills f
    JOIN inputs s ON s.run = f.run AND s.seq = f.seq
    JOIN accounts a ON a.run = f.run AND a.name = f.account AND a.symbol = f.symbol
    LEFT JOIN intents i ON i.kind = 'place' AND i.account = f.account AND i.client_id = f.client_id AND i.run = f.run
    WHERE f.run = ? AND {where} ORDER BY f.seq
    """
    for row in journal.execute(sql, given):
        yield _fill(row)


def _fill(row: tuple[Any, ...]) -> FillRow:
    seq, at_ns, account, symbol, client, order, trade, side, price, asset, liquidity, kind, early = row[:13]
    purpose, number = row[13:15]
    qty, news, fee = map(Decimal, row[15:18])
    base, quote = row[18:]
    paid = _decimal(price) or ZERO
    sign = 1 if side == Side.BUY.value else -1
    in_base = asset == base != quote
    cash = ZERO if early else -sign * qty * paid - (ZERO if in_base else fee)
    return FillRow(
        seq=seq, at_ns=at_ns, account=account, symbol=symbol, client_id=client, order_id=order, trade_id=trade,
        side=side, qty=qty, change=sign * news - (fee if in_base else ZERO), price=_decimal(price), fee=fee,
        fee_asset=asset, liquidity=liquidity, kind=kind, provisional=bool(early), purpose=purpose, round=number,
        cash=cash, cost=fee * paid if in_base else fee,
    )  # fmt: skip


_MOVED = "seq, at_ns, event, source, target, round"
_ALERT = "seq, at_ns, level, code, text"
_INTENT_COLUMNS = (
    "seq, kind, account, symbol, client_id, at_ns, venue, round, leg, attempt, purpose, side, tif, qty, price, covers,"
    " post_only, reduce_only"
)


def intents_of(journal: sqlite3.Connection, run: int, client_id: str) -> list[Intent]:
    """The request for an order, and those to cancel it."""
    return list(_intents(journal, "client_id = ?", (run, client_id)))


def _intents(journal: sqlite3.Connection, where: str, given: tuple[object, ...]) -> Iterator[Intent]:
    sql = f"SELECT {_INTENT_COLUMNS} FROM intents WHERE run = ? AND {where} ORDER BY id"
    for row in journal.execute(sql, given):
        yield Intent(*row[:13], *map(_decimal, row[13:16]), *map(bool, row[16:]))


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def covers_of(journal: sqlite3.Connection, run: int) -> Iterator[Intent]:
    """The orders of the hedging rule, in the order of their steps."""
    return _intents(journal, "purpose IN ('hedge', 'undo')", (run,))


def sends_of(journal: sqlite3.Connection, run: int, client_ids: frozenset[str]) -> dict[str, list[SendRow]]:
    """What became of the requests at the wire, in their order, by client id."""
    sql = "SELECT client_id, request, at_ns, dropped FROM sends WHERE run = ? ORDER BY id"
    found: dict[str, list[SendRow]] = {}
    for row in journal.execute(sql, (run,)):
        if row[0] in client_ids:
            found.setdefault(row[0], []).append(SendRow(*row))
    return found


def orders_of(journal: sqlite3.Connection, run: int, client_ids: frozenset[str]) -> dict[str, OrderRow]:
    sql = (
        "SELECT client_id, account, venue, round, leg, purpose, order_id, state, qty, cum_qty, avg_price, fee,"
        " fee_asset, received_ns, decoded_ns, decided_ns, signed_ns, written_ns FROM orders"
        " WHERE run = ? AND client_id = ?"
    )
    found = {}
    for client_id in sorted(client_ids):
        for row in journal.execute(sql, (run, client_id)):
            found[client_id] = OrderRow(*row[:8], *map(Decimal, row[8:10]), *map(_decimal, row[10:12]), *row[12:])
    return found


def _quotes(journal: sqlite3.Connection, span: tuple[int, int, int]) -> Iterator[tuple[int, Quote]]:
    sql = (
        "SELECT seq, venue, symbol, bid, bid_qty, ask, ask_qty, recv_ns, venue_ms FROM quotes_used"
        " WHERE run = ? AND seq BETWEEN ? AND ? ORDER BY id"
    )
    for seq, venue, symbol, bid, bid_qty, ask, ask_qty, recv_ns, venue_ms in journal.execute(sql, span):
        yield (
            seq,
            Quote(venue, symbol, Decimal(bid), Decimal(bid_qty), Decimal(ask), Decimal(ask_qty), recv_ns, venue_ms),
        )


def read_rounds(journal: sqlite3.Connection, run: int) -> list[RoundRow]:
    sql = (
        "SELECT round, side, began_seq, began_ns, ended_seq, ended_ns, opened, closed, residue, volume, fees, cash"
        " FROM rounds WHERE run = ? ORDER BY round"
    )
    return [RoundRow(*row[:6], *map(_decimal, row[6:])) for row in journal.execute(sql, (run,))]
