"""The journal in an SQLite file.

Intents are committed before the send, those that are decided together at once. All else waits in memory and is written
in short transactions that are never open across calls: a commit of intents carries nothing else and waits for no batch.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from peewee import SqliteDatabase

from engine.errors import JournalUnwritable
from engine.runtime import schema
from engine.runtime.codec import effects_digest, encode_input
from engine.runtime.journal import Decided, RunStart, Sync
from engine.runtime.journal_file import open_for_writing
from engine.runtime.order_rows import UNSEEN, BookSeen, OrderRow, OrderRows, judged
from engine.runtime.secrets import redacted
from engine.trading.effects import Alert, CancelOrder, DisarmTimer, Effect, Moved, PlaceOrder, RoundBegan, RoundEnded
from engine.trading.inputs import Answered, Carried, Input, Looked, NotSent, Recalled, Request, Started
from engine.trading.inquiry import OWNER as INQUIRY
from exchanges.types import (
    ZERO,
    Fill,
    FillKind,
    Liquidity,
    Margin,
    OrderState,
    OrderUpdate,
    Position,
    Quote,
    Side,
)

__all__ = ["INTENT_SQL", "SqliteJournal", "intent_row"]

FLUSH_STEPS = 128  # steps whose rows wait in memory; writing them takes 1-2 ms, the longest that a frame waits
CHECKPOINT_ROWS = 10_000  # rows between checkpoints, taken as a round ends; the log stays below about 25 MB
NO_STEP = 0  # `seq` of an alert that comes from no step
LOST_ROWS = 50_000  # rows kept after the file failed, for a last try at `close`; beyond it only intents are kept


_INSERT = {model: schema.insert_sql(model) for model in schema.MODELS}
INTENT_SQL = _INSERT[schema.Intent]
_ORDER_SQL = schema.insert_sql(schema.Order, or_what="REPLACE")
_FILL_SQL = schema.insert_sql(schema.Fill, or_what="IGNORE")
_ROUND_ENDED_SQL = """
UPDATE rounds SET ended_seq = ?, ended_ns = ?, ended_wall_ms = ?, opened = ?, closed = ?, residue = ?, volume = ?,
                  fees = ?, cash = ?
WHERE run = ? AND round = ?
"""
# What a venue can put into a row that SQLite cannot store (lone surrogates, integers beyond 64 bits) counts as failed.
_STORE_ERRORS = (sqlite3.Error, UnicodeError, OverflowError)
_ROW_ERRORS = (sqlite3.IntegrityError, UnicodeError, OverflowError)  # of these the row's own; the file may be sound

Row = tuple[object, ...]


class SqliteJournal:
    """The journal in one SQLite file, written through peewee's connection.

    `on_lost` gets one line per intent that could not be stored: print it where a person will find it.
    """

    def __init__(self, path: Path, *, sync: Sync = Sync.ROUNDS, on_lost: Callable[[str], None]) -> None:
        """Raises: JournalUnwritable, JournalForeign, JournalNewer, JournalCorrupt."""
        self.failed = False
        self.failure = ""
        self._path = path
        self._database: SqliteDatabase = open_for_writing(path)
        self._connection = schema.raw(self._database)
        self._cursor = self._connection.cursor()
        self._sync = sync
        self._on_lost = on_lost
        self._run = 0
        self._orders = OrderRows(self._stored_order)
        self._books: dict[tuple[str, str], BookSeen] = {}  # as steps have read them, by venue and symbol
        self._lost_intents: list[Row] = []
        self._inputs: list[Row] = []
        self._fills: list[Row] = []
        self._sends: list[Row] = []
        self._moves: list[Row] = []
        self._alerts: list[Row] = []
        self._quotes: list[Row] = []
        self._rounds: list[Row] = []
        self._rounds_ended: list[Row] = []
        self._holdings: list[Row] = []
        self._balances: list[Row] = []
        # Rounds must exist before they end; the rest is in no order.
        self._batches: tuple[tuple[str, list[Row]], ...] = (
            (_INSERT[schema.Input], self._inputs),
            (_FILL_SQL, self._fills),
            (_INSERT[schema.Send], self._sends),
            (_INSERT[schema.Transition], self._moves),
            (_INSERT[schema.Alert], self._alerts),
            (_INSERT[schema.QuoteUsed], self._quotes),
            (_INSERT[schema.Round], self._rounds),
            (_ROUND_ENDED_SQL, self._rounds_ended),
            (_INSERT[schema.Holding], self._holdings),
            (_INSERT[schema.Balance], self._balances),
        )
        self._baseline_told = False
        self._rows_since_checkpoint = 0
        self._set_sync(full=sync is Sync.FULL)

    # --- a run

    def run_started(self, run: RunStart) -> None:
        """Raises: JournalUnwritable, also for a run number that the file has already."""
        self._run = run.number
        row = (
            run.number, run.flow, run.flow_version, run.flow_digest, run.flow_text, run.config_text, run.seed,
            run.settings, run.plan, run.venues, run.speed, run.program, run.wall_ms, None, None,
        )  # fmt: skip
        accounts = [
            (
                run.number, name, it.venue, it.symbol, it.market, it.base, it.quote,
                str(it.lot), str(it.min_qty), str(it.min_notional),
            )
            for name, it in run.accounts
        ]  # fmt: skip
        try:
            with self._transaction(full=self._sync is not Sync.NORMAL):
                self._cursor.execute(_INSERT[schema.Run], row)
                self._cursor.executemany(_INSERT[schema.Account], accounts)
        except sqlite3.IntegrityError as error:
            raise JournalUnwritable(
                f"{self._path}: journal has a run {run.number} already: the file of run numbers was lost or set back; "
                "write the highest number of table runs into it, or name another journal"
            ) from error
        except _STORE_ERRORS as error:
            raise JournalUnwritable(f"{self._path}: journal cannot be written: {error}") from error

    def run_ended(self, exit_code: int, wall_ms: int) -> None:
        """The last word on a run; a journal that failed stays without it."""
        self.flush()
        if self.failed:
            return
        try:
            with self._transaction(full=self._sync is not Sync.NORMAL):
                self._cursor.execute(
                    "UPDATE runs SET ended_wall_ms = ?, exit_code = ? WHERE number = ?",
                    (wall_ms, exit_code, self._run),
                )
        except _STORE_ERRORS as error:
            self._fail(error)

    # --- hot path

    def intents(self, decided: Sequence[Decided]) -> None:
        rows = [intent_row(self._run, *it) for it in decided]
        for effect, _, at_ns, _ in decided:
            if isinstance(effect, PlaceOrder):
                self._orders.place(effect, at_ns)
        if not self.failed:
            try:
                if len(rows) == 1:
                    self._cursor.execute(INTENT_SQL, rows[0])
                else:
                    with self._transaction(full=False):
                        self._cursor.executemany(INTENT_SQL, rows)
            except _ROW_ERRORS as error:
                self._fail(error)
                rows = self._by_themselves(rows)
            except _STORE_ERRORS as error:
                self._fail(error)
            else:
                return
        self._lost_intents += rows
        for row in rows:
            self._on_lost(f"intent not in journal ({self.failure}): {row}")

    def _by_themselves(self, rows: Sequence[Row]) -> list[Row]:
        """Store each that can be, one after the other; returns the others."""
        left = []
        for row in rows:
            try:
                self._cursor.execute(INTENT_SQL, row)
            except _STORE_ERRORS:
                left.append(row)
        return left

    # --- after the sends

    def step(
        self,
        seq: int,
        at_ns: int,
        wall_ms: int,
        given: Input,
        quotes: Sequence[Quote],
        draws: Sequence[int],
        effects: Sequence[Effect],
    ) -> None:
        run = self._run
        kind, body = encode_input(given)
        drawn = None if not draws else f"[{','.join(map(str, draws))}]"
        self._inputs.append((run, seq, at_ns, wall_ms, kind, body, drawn, effects_digest(effects)))
        for quote in quotes:
            book = (str(quote.bid), str(quote.bid_qty), str(quote.ask), str(quote.ask_qty))
            self._books[quote.venue, quote.symbol] = book
            self._quotes.append((run, seq, quote.venue, quote.symbol, *book, quote.recv_ns, quote.venue_ms))
        derive = _DERIVED.get(type(given))
        if derive is not None:
            derive(self, given, seq, at_ns)
        round_over = False
        for effect in effects:
            if type(effect) is Moved:
                self._moves.append((run, seq, effect.event, effect.source, effect.target, effect.round, at_ns))
            elif type(effect) is RoundBegan:
                expected = None if effect.expected_bps is None else str(effect.expected_bps)
                self._rounds.append((run, effect.round, effect.side, expected, seq, at_ns, wall_ms, *_NOT_ENDED))
            elif type(effect) is RoundEnded:
                self._round_ended(effect, seq, at_ns, wall_ms)
                round_over = True
            elif type(effect) is Alert:
                self._alert(effect, seq, at_ns, wall_ms)
            elif type(effect) is DisarmTimer and effect.owner == INQUIRY:
                self._orders.given_up(effect.name)  # else every later run would ask about it again
            elif type(effect) is PlaceOrder:
                order = effect.request
                self._orders.decided(order.client_id, given, self._books.get((effect.venue, order.symbol), UNSEEN))
        # On paper a round's rows are worth no flush of their own: the venue dies with this process.
        if len(self._inputs) >= FLUSH_STEPS or (round_over and self._sync is not Sync.NORMAL):
            self._write(round_over=round_over)

    def _round_ended(self, ended: RoundEnded, seq: int, at_ns: int, wall_ms: int) -> None:
        self._rounds_ended.append(
            (
                seq, at_ns, wall_ms, str(ended.opened), str(ended.closed), str(ended.residue), str(ended.volume),
                str(ended.fees), str(ended.cash), self._run, ended.round,
            )
        )  # fmt: skip

    def alert(self, alert: Alert, at_ns: int, wall_ms: int) -> None:
        self._alert(alert, NO_STEP, at_ns, wall_ms)

    def _alert(self, alert: Alert, seq: int, at_ns: int, wall_ms: int) -> None:
        facts = redacted(json.dumps(dict(alert.facts), sort_keys=True))
        text = redacted(alert.text).encode("utf-8", "replace").decode()
        self._alerts.append((self._run, seq, int(alert.level), alert.code, text, facts, at_ns, wall_ms))

    def sent(self, client_id: str, request: Request, at_ns: int) -> None:
        self._sends.append((self._run, client_id, request._value_, at_ns, None))

    def venue_start(self, positions: Sequence[Position], margins: Sequence[Margin]) -> None:
        self._reported("start", positions, margins)
        self._baseline_told = True
        self.flush()

    def venue_end(self, positions: Sequence[Position], margins: Sequence[Margin]) -> None:
        self._reported("end", positions, margins)
        self.flush()

    # --- rows that follow from an input

    def _on_carried(self, given: Carried, seq: int, at_ns: int) -> None:
        """What this run takes over is in its own rows from here on: the next run looks no further back."""
        symbols = dict(self._read(_SYMBOLS_SQL, (self._run,)))
        for held in given.held:
            for moment, qty in (("baseline", held.baseline), ("carried", held.ours)):
                self._holdings.append((self._run, moment, held.account, symbols[held.account], str(qty), "0", None))
        for recalled in given.orders:
            self._orders.adopt(recalled)

    def _on_recalled(self, given: Recalled, seq: int, at_ns: int) -> None:
        """What no journal told of is told from here on."""
        if self._orders.get(given.client_id) is None:
            self._orders.adopt(given)

    def _on_started(self, given: Started, seq: int, at_ns: int) -> None:
        if not self._baseline_told:
            self._reported("start", given.positions, given.margins)

    def _reported(self, moment: str, positions: Sequence[Position], margins: Sequence[Margin]) -> None:
        self._holdings.extend(
            (
                self._run, moment, it.account, it.symbol, str(it.qty), str(it.entry_price),
                None if it.mark_price is None else str(it.mark_price),
            )
            for it in positions
        )  # fmt: skip
        self._balances.extend(
            (self._run, moment, it.account, str(it.equity), str(it.free), str(it.maintenance)) for it in margins
        )

    def _on_fill(self, fill: Fill, seq: int, at_ns: int) -> None:
        news = self._orders.fill(fill)
        if news is None:
            return
        order = self._orders.get(fill.client_id)
        book = self._books.get((fill.venue, fill.symbol), UNSEEN)
        self._fills.append(
            (
                self._run, fill.venue, fill.account, fill.symbol, fill.order_id, fill.trade_id, seq, at_ns,
                fill.client_id, fill.side._value_, str(fill.qty), str(news), str(fill.price), str(fill.fee),
                fill.fee_asset, fill.liquidity._value_, fill.kind._value_, fill.at_ms, False,
                *judged(order, book, maker=fill.liquidity is Liquidity.MAKER),
            )
        )  # fmt: skip

    def _on_update(self, update: OrderUpdate, seq: int, at_ns: int) -> None:
        news = self._orders.update(update)
        if not news:
            return
        row = self._orders.get(update.client_id)
        assert row is not None
        price = None if row.price is None else str(row.price)
        book = self._books.get((row.venue, row.symbol), UNSEEN)
        self._fills.append(
            (
                self._run, row.venue, row.account, row.symbol, row.order_id, f"~{row.client_id}:{row.cum_qty}", seq,
                at_ns, row.client_id, row.side, str(news), str(news), price, "0", "", Liquidity.UNKNOWN.value,
                FillKind.TRADE.value, update.at_ms, True, *judged(row, book, maker=True),
            )
        )  # fmt: skip

    def _on_looked(self, looked: Looked, seq: int, at_ns: int) -> None:
        if looked.update is not None:
            self._on_update(looked.update, seq, at_ns)

    def _on_answered(self, answered: Answered, seq: int, at_ns: int) -> None:
        if answered.request is Request.PLACE:
            self._orders.answered(answered.client_id, answered.reply)

    def _on_not_sent(self, given: NotSent, seq: int, at_ns: int) -> None:
        self._sends.append((self._run, given.client_id, given.request._value_, at_ns, given.why))
        if given.request is Request.PLACE:
            self._orders.failed(given.client_id)

    # --- writing

    def flush(self) -> None:
        self._write(round_over=False)

    def close(self) -> None:
        """Write what is left, intents that failed before included, and close the file. Idempotent."""
        if self._database.is_closed():
            return
        if self.failed:
            self._last_try()
        else:
            self.flush()
            self._checkpoint()
        self._database.close()

    def _write(self, *, round_over: bool) -> None:
        if self.failed:
            self._bound_lost_rows()
            return
        try:
            with self._transaction(full=round_over and self._sync is not Sync.NORMAL):
                rows = self._write_batches()
        except _STORE_ERRORS as error:
            self._fail(error)
            return
        self._forget_written()
        self._rows_since_checkpoint += rows
        may_wait = round_over or self._sync is Sync.NORMAL  # a checkpoint takes its time between rounds, or on paper
        if may_wait and self._rows_since_checkpoint >= CHECKPOINT_ROWS:
            self._checkpoint()

    def _write_batches(self) -> int:
        cursor = self._cursor
        rows = 0
        for sql, batch in self._batches:
            if batch:
                cursor.executemany(sql, batch)
                rows += len(batch)
        if self._orders.dirty:
            run = self._run
            cursor.executemany(_ORDER_SQL, [row.stored(run) for row in self._orders.dirty.values()])
            rows += len(self._orders.dirty)
        return rows

    def _forget_written(self) -> None:
        for _, batch in self._batches:
            batch.clear()
        self._orders.written()

    def _checkpoint(self) -> None:
        """Move the log into the file, so that it does not grow with the run; a busy reader only postpones it."""
        self._rows_since_checkpoint = 0
        try:
            self._cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except _STORE_ERRORS as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.failed = True
        self.failure = f"{self._path}: {error}"

    def _bound_lost_rows(self) -> None:
        for _, batch in self._batches:
            del batch[LOST_ROWS:]

    def _last_try(self) -> None:
        try:
            with self._transaction(full=True):
                self._by_themselves(self._lost_intents)
                self._write_batches()
        except _STORE_ERRORS as error:
            self._fail(error)

    @contextmanager
    def _transaction(self, *, full: bool) -> Iterator[None]:
        if full:
            self._set_sync(full=True)
        self._cursor.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._cursor.execute("COMMIT")
        except _STORE_ERRORS:
            if self._connection.in_transaction:
                self._cursor.execute("ROLLBACK")
            raise
        finally:
            if full and self._sync is not Sync.FULL:
                self._set_sync(full=False)

    def _set_sync(self, *, full: bool) -> None:
        self._cursor.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")

    # --- reading back

    def recall(self, client_id: str) -> Recalled | None:
        """An order that left the desk's memory, as the desk's own order table would know it."""
        row = self.lookup_order(client_id)
        if row is None:
            return None
        return Recalled(
            client_id=row.client_id, account=row.account, venue=row.venue, symbol=row.symbol, side=Side(row.side),
            qty=row.qty, price=row.price, purpose=row.purpose, leg=row.leg, round=row.round, order_id=row.order_id,
            state=row.state, filled=row.row_qty, provisional=max(row.cum_qty - row.row_qty, ZERO),
            trades=tuple(sorted(row.trades)),
        )  # fmt: skip

    def lookup_order(self, client_id: str) -> OrderRow | None:
        """The newest state of an order, also one that left memory long ago or that an earlier run made."""
        return self._orders.get(client_id)

    def lookup_fills(self, order: OrderRow) -> list[Fill]:
        """The fill rows of an order in the order of their arrival, provisional ones left out."""
        self.flush()
        key = (order.venue, order.account, order.symbol, order.order_id, order.client_id)
        return [_fill_of(*row) for row in self._read(_FILLS_OF_ORDER_SQL, key)]

    def _stored_order(self, client_id: str) -> OrderRow | None:
        found = self._read(_STORED_ORDER_SQL, (client_id,))
        if not found:
            return None
        row = _order_of(*found[0])
        row.trades.update(fill.trade_id for fill in self.lookup_fills(row))
        return row

    def _read(self, sql: str, key: Row) -> list[Any]:
        if self.failed:
            return []
        try:
            return self._connection.execute(sql, key).fetchall()
        except _STORE_ERRORS as error:
            self._fail(error)
            return []


def intent_row(run: int, effect: PlaceOrder | CancelOrder, seq: int, at_ns: int, wall_ms: int) -> Row:
    """The values of `INTENT_SQL` for a request of step `seq`, decided at `at_ns`."""
    if isinstance(effect, CancelOrder):
        return (
            run, seq, "cancel", effect.account, effect.symbol, effect.client_id, *_NO_ORDER, effect.not_after_ns, at_ns,
            wall_ms,
        )  # fmt: skip
    order = effect.request
    price = order.price
    return (
        run, seq, "place", order.account, order.symbol, order.client_id, effect.venue, effect.round, effect.leg,
        effect.attempt, effect.purpose._value_, order.side._value_, str(order.qty),
        None if price is None else str(price), order.type._value_, order.tif._value_, order.post_only,
        order.reduce_only, str(effect.covers), effect.epoch, effect.not_after_ns, at_ns, wall_ms,
    )  # fmt: skip


_NO_ORDER: Row = (None,) * 14  # the columns of an intent that a cancel leaves null
_NOT_ENDED: Row = (None,) * 9  # the columns of a round that its end fills in

_DERIVED: dict[type, Callable[..., None]] = {
    Carried: SqliteJournal._on_carried,
    Recalled: SqliteJournal._on_recalled,
    Started: SqliteJournal._on_started,
    Fill: SqliteJournal._on_fill,
    OrderUpdate: SqliteJournal._on_update,
    Looked: SqliteJournal._on_looked,
    Answered: SqliteJournal._on_answered,
    NotSent: SqliteJournal._on_not_sent,
}

_FILLS_OF_ORDER_SQL = """
SELECT venue, account, symbol, client_id, order_id, trade_id, side, qty, price, fee, fee_asset, liquidity, at_ms, kind
FROM fills
WHERE run IN (SELECT number FROM runs) AND venue = ? AND account = ? AND symbol = ? AND order_id = ? AND client_id = ?
AND NOT provisional
ORDER BY run, seq
"""
_STORED_ORDER_SQL = """
SELECT client_id, account, venue, symbol, round, leg, purpose, side, qty, price, order_id, state, cum_qty, row_qty,
       notional, fee, fee_asset, first_fill_ms, last_fill_ms,
       received_ns, decoded_ns, decided_ns, signed_ns, written_ns, bid, bid_qty, ask, ask_qty
FROM orders WHERE run IN (SELECT number FROM runs) AND client_id = ? ORDER BY run DESC LIMIT 1
"""
_SYMBOLS_SQL = "SELECT name, symbol FROM accounts WHERE run = ?"


def _fill_of(*stored: Any) -> Fill:
    venue, account, symbol, client, order, trade, side, qty, price, fee, asset, liquidity, at_ms, kind = stored
    return Fill(
        venue=venue, account=account, symbol=symbol, client_id=client, order_id=order, trade_id=trade,
        side=Side(side), qty=Decimal(qty), price=Decimal(price), fee=Decimal(fee), fee_asset=asset,
        liquidity=Liquidity(liquidity), at_ms=at_ms, recv_ns=0, kind=FillKind(kind),
    )  # fmt: skip


def _order_of(*stored: Any) -> OrderRow:
    client, account, venue, symbol, round_number, leg, purpose, side, qty, price, order, state = stored[:12]
    cum_qty, row_qty, notional, fee, fee_asset, first_ms, last_ms, *stamps_and_book = stored[12:]
    received_ns, decoded_ns, decided_ns, signed_ns, written_ns, *book = stamps_and_book
    return OrderRow(
        client_id=client, account=account, venue=venue, symbol=symbol, round=round_number, leg=leg, purpose=purpose,
        side=side, qty=Decimal(qty), price=None if price is None else Decimal(price), order_id=order,
        state=OrderState(state), cum_qty=Decimal(cum_qty), row_qty=Decimal(row_qty), notional=Decimal(notional),
        fee=None if fee is None else Decimal(fee), fee_asset=fee_asset, first_fill_ms=first_ms, last_fill_ms=last_ms,
        received_ns=received_ns, decoded_ns=decoded_ns, decided_ns=decided_ns, signed_ns=signed_ns,
        written_ns=written_ns, book=tuple(book),
    )  # fmt: skip
