"""Lighter's transactions: taken or refused at once, queued, and executed by the sequencer later. Pure.

An answer of 200 says only that a transaction was queued. What became of it is told on the account's channels and by
its status.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from exchanges.types import Refusal, Refused, Side
from exchanges.venues.compact import compact
from exchanges.venues.exchange import Market, VenueAccount
from exchanges.venues.ledger import End, VenueOrder
from exchanges.venues.lighter import shapes
from exchanges.venues.lighter.orders import Asked, account_only, read_asked, request_of
from exchanges.venues.lighter.state import SENDS, LighterState
from exchanges.venues.lighter.streams import LighterStreams
from exchanges.venues.lighter.wire import (
    BATCH_MAX,
    CANCEL_ALL,
    CANCEL_ALL_MARKET,
    CANCEL_ORDER,
    CLIENT_INDEX_MAX,
    CREATE_ORDER,
    MINUTE_MS,
    MODIFY_ORDER,
    POST_ONLY,
    UPDATE_LEVERAGE,
    LighterError,
    Tx,
    attribute,
    read_tx,
    whole,
)

MS = 1_000_000
TXS_MAX = 10_000  # transactions whose status can be asked for
PENDING, EXECUTED, FAILED = 1, 2, 0
ALL_MARKETS = 255
SCHEDULE_MS = range(5 * MINUTE_MS, 15 * 24 * 60 * MINUTE_MS + 1)


@dataclass(slots=True)
class Record:
    """What is known of one transaction."""

    tx: Tx
    queued_ms: int
    status: int = PENDING
    error: int = 0
    executed_ms: int = 0


class Sequencer:
    """The queue of one venue. `nonces` has each account's next nonce, `records` the newest transactions by hash."""

    def __init__(self, state: LighterState, streams: LighterStreams) -> None:
        self.state = state
        self.nonces = dict.fromkeys(state.accounts, 1)
        self.records: OrderedDict[str, Record] = OrderedDict()
        self._streams = streams
        self._cancel_at: dict[str, int] = {}  # scheduled cancel-all by account, in the venue's ms

    def send(self, txs: list[Tx], *, batch: bool) -> dict[str, Any]:
        """Queue transactions, all or none. Raises: LighterError; then no nonce is used up."""
        if txs[0].account not in self.state.accounts:
            raise LighterError(21100)
        self.state.spend(SENDS[batch], shapes.l1_address(self.state.accounts[txs[0].account]))
        self._check_nonces(txs)
        delays = [self._checked(tx) for tx in txs]
        now_ms = self.state.now_ms()
        for tx, delay_ns in zip(txs, delays, strict=True):
            self.nonces[tx.account] = tx.nonce + 1
            self.records[tx.hash] = record = Record(tx, now_ms)
            if len(self.records) > TXS_MAX:
                self.records.popitem(last=False)
            self.state.call_later(delay_ns, self._execute, record)
        hashes = [tx.hash for tx in txs]
        return {
            "code": 200,
            "message": compact({"ratelimit": "didn't use volume quota"}),
            "tx_hash": hashes if batch else hashes[0],
            "predicted_execution_time_ms": now_ms + max(delays) // MS,
            "volume_quota_remaining": 1_000_000,
        }

    def _check_nonces(self, txs: list[Tx]) -> None:
        expected = self.nonces[txs[0].account]
        for number, tx in enumerate(txs):
            if tx.account != txs[0].account or tx.api_key != shapes.API_KEY_INDEX:
                raise LighterError(21109)
            if tx.nonce != expected and not (tx.skips_nonce and tx.nonce > expected):
                raise LighterError(21105 if number else 21104)
            expected = tx.nonce + 1

    def _checked(self, tx: Tx) -> int:
        """How long the sequencer takes to come to it. Raises: LighterError for what is refused at once."""
        if tx.type == CREATE_ORDER:
            return self._checked_order(tx)
        if tx.type in (CANCEL_ORDER, MODIFY_ORDER):
            self._market(tx)
            whole(tx.info, "Index")
            return self.state.tier.cancel_ns if tx.type == CANCEL_ORDER else self.state.tier.maker_ns
        if tx.type == CANCEL_ALL:
            force, at_ms = whole(tx.info, "TimeInForce", most=2, code=21713), whole(tx.info, "Time", code=21714)
            if (force == 1) != (at_ms - self.state.now_ms() in SCHEDULE_MS) or (force != 1 and at_ms):
                raise LighterError(21714)
        return self.state.tier.cancel_ns

    def _checked_order(self, tx: Tx) -> int:
        market = self._market(tx)
        asked = self._asked(tx, market)
        index = tx.info["ClientOrderIndex"]
        if index and self.state.accounts[tx.account].by_client_id(str(index)) is not None:
            raise LighterError(21728)
        if asked.time_in_force == POST_ONLY:
            return self.state.tier.maker_ns
        side = Side.SELL if tx.info["IsAsk"] else Side.BUY
        top = market.book.top(side.opposite)
        crosses = top is not None and (top[0] - asked.price) * side.sign <= 0
        return self.state.tier.taker_ns if asked.takes or crosses else self.state.tier.maker_ns

    def _asked(self, tx: Tx, market: Market) -> Asked:
        spec = market.instrument
        asked = read_asked(
            tx, spec, now_ms=self.state.now_ms(), min_quote=shapes.MIN_QUOTE, min_base=shapes.min_base(spec)
        )
        if asked.price % market.coarse:
            raise LighterError(21702)
        return asked

    def _market(self, tx: Tx) -> Market:
        market = self.state.markets.get(whole(tx.info, "MarketIndex", code=21602))
        if market is None:
            raise LighterError(21602)
        if not market.book.quoted:
            raise LighterError(21605)
        return market

    # -- execution -----------------------------------------------------------------------------------------------

    def _execute(self, record: Record) -> None:
        tx, account = record.tx, self.state.accounts[record.tx.account]
        record.executed_ms = self.state.now_ms()
        try:
            EXECUTIONS[tx.type](self, tx, account)
            record.status = EXECUTED
        except LighterError as error:
            record.status, record.error = FAILED, error.code
        self._streams.transaction(account, self.tx_object(record))
        self._streams.flush()

    def _create(self, tx: Tx, account: VenueAccount) -> None:
        market = self._market(tx)
        asked = self._asked_again(tx)
        request = request_of(tx, asked, account.name, market.instrument)
        rule = (
            None
            if self.state.faults is None
            else self.state.faults.on_order(account.name, request.symbol, takes=asked.takes)
        )
        fault = "" if rule is None else rule.fault
        placed = self.state.exchange.place(
            account, request, account_only=account_only(tx), detail=asked, ends_on=ENDS_ON,
            refuse=Refusal(rule.reason) if rule is not None and fault == "order_refused" else None,
            most=request.qty * rule.share if rule is not None and fault == "partly_taken" else None,
            hold_ns=rule.for_ns if rule is not None and fault == "stuck_pending" else 0,
        )  # fmt: skip
        if isinstance(placed, Refused):
            raise LighterError(REFUSALS.get(placed.refusal, 21605))
        if asked.expiry_ms:
            left_ms = asked.expiry_ms - self.state.now_ms()
            self.state.call_later(left_ms * MS, self._expire, placed)

    def _asked_again(self, tx: Tx) -> Asked:
        info = tx.info
        return Asked(
            info["BaseAmount"], info["Price"], info["Type"], info["TimeInForce"], info["OrderExpiry"], tx.nonce
        )  # fmt: skip

    def _expire(self, order: VenueOrder) -> None:
        self.state.exchange.cancel(order, end=End.EXPIRED)

    def _cancel(self, tx: Tx, account: VenueAccount) -> None:
        order = self._open_order(tx, account)
        rule = None if self.state.faults is None else self.state.faults.on_cancel(account.name, order.symbol)
        if rule is not None and rule.fault == "cancel_too_late":
            self.state.exchange.hit(order, order.book.leaves * order.instrument.lot * rule.share)
            order = self._open_order(tx, account)
        if rule is not None and rule.fault == "cancel_pending":
            self.state.exchange.clock.call_at(
                self.state.exchange.clock.now_ns() + rule.delay_ns, self.state.exchange.cancel, order
            )
            return
        self.state.exchange.cancel(order)

    def _open_order(self, tx: Tx, account: VenueAccount) -> VenueOrder:
        """By the client's index or by the venue's, which its size tells. Raises: LighterError."""
        index, market = tx.info["Index"], self._market(tx)
        order = account.by_client_id(str(index)) if index <= CLIENT_INDEX_MAX else account.open.get(str(index))
        if order is None or order.symbol != market.instrument.symbol:
            raise LighterError(21600)
        return order

    def _cancel_all(self, tx: Tx, account: VenueAccount) -> None:
        only = attribute(tx.info, CANCEL_ALL_MARKET, default=ALL_MARKETS)
        force, at_ms = tx.info["TimeInForce"], tx.info["Time"]
        if force == 0:
            self._cancel_open(account, only)
            return
        self._cancel_at.pop(account.name, None)
        if force == 1:
            self._cancel_at[account.name] = at_ms
            delay_ns = (at_ms - self.state.now_ms()) * MS
            self.state.exchange.clock.call_at(
                self.state.exchange.clock.now_ns() + delay_ns, self._dead_man, account, only, at_ms
            )

    def _dead_man(self, account: VenueAccount, only: int, at_ms: int) -> None:
        if self._cancel_at.get(account.name) == at_ms:
            del self._cancel_at[account.name]
            self._cancel_open(account, only)

    def _cancel_open(self, account: VenueAccount, only: int) -> None:
        for order in tuple(account.open.values()):
            if only in (ALL_MARKETS, shapes.market_id(self.state.exchange.markets[order.symbol])):
                self.state.exchange.cancel(order)

    def _modify(self, tx: Tx, account: VenueAccount) -> None:
        order = self._open_order(tx, account)
        spec = order.instrument
        base, price = whole(tx.info, "BaseAmount", code=21701), whole(tx.info, "Price", code=21702)
        refused = self.state.exchange.modify(order, price=price * spec.tick, qty=base * spec.lot)
        if refused is not None:
            raise LighterError(REFUSALS.get(refused.refusal, 21706))
        self._streams.changed(order)

    def tx_object(self, record: Record) -> dict[str, Any]:
        tx = record.tx
        return {
            "hash": tx.hash, "type": tx.type, "info": tx.text,
            "event_info": compact({"ae": str(record.error)} if record.error else {}), "status": record.status,
            "transaction_index": 0, "l1_address": shapes.l1_address(self.state.accounts[tx.account]),
            "account_index": tx.account, "nonce": tx.nonce, "expire_at": tx.info["ExpiredAt"], "block_height": 1,
            "queued_at": record.queued_ms, "executed_at": record.executed_ms, "sequence_index": 0, "parent_hash": "",
            "api_key_index": tx.api_key, "transaction_time": record.executed_ms * 1000, "committed_at": 0,
            "verified_at": 0,
        }  # fmt: skip


def parsed(form: Mapping[str, str], *, batch: bool, now_ms: int) -> list[Tx]:
    """The transactions of a form. Raises: LighterError."""
    if not batch:
        kind = form.get("tx_type", "")
        return [
            read_tx(int(kind) if kind.isascii() and kind.isdigit() else None, form.get("tx_info", ""), now_ms=now_ms)
        ]
    return batch_of(form.get("tx_types"), form.get("tx_infos"), now_ms=now_ms)


def batch_of(types: object, infos: object, *, now_ms: int) -> list[Tx]:
    """Both are JSON texts of lists. Raises: LighterError."""
    try:
        kinds, texts = json.loads(str(types)), json.loads(str(infos))
    except (ValueError, RecursionError):
        raise LighterError(21501) from None
    if not isinstance(kinds, list) or not isinstance(texts, list) or len(kinds) != len(texts) or not kinds:
        raise LighterError(21513)
    if len(kinds) > BATCH_MAX:
        raise LighterError(21514)
    return [read_tx(kind, text, now_ms=now_ms) for kind, text in zip(kinds, texts, strict=True)]


ENDS_ON = (Refusal.POST_ONLY, Refusal.MARGIN, Refusal.REDUCE_ONLY)  # accepted, and cancelled by the sequencer
REFUSALS: Mapping[Refusal, int] = {
    Refusal.SIZE: 21706,
    Refusal.PRICE: 21702,
    Refusal.DUPLICATE_ID: 21728,
    Refusal.MARGIN: 21739,
    Refusal.REDUCE_ONLY: 21732,
    Refusal.RATE: 23000,
}
EXECUTIONS: Mapping[int, Callable[[Sequencer, Tx, VenueAccount], None]] = {
    CREATE_ORDER: Sequencer._create,
    CANCEL_ORDER: Sequencer._cancel,
    CANCEL_ALL: Sequencer._cancel_all,
    MODIFY_ORDER: Sequencer._modify,
    UPDATE_LEVERAGE: lambda _, __, ___: None,  # taken, without effect
}
