"""The private stream of one Lighter account, and what is compared with it: every order and fill comes through here."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from exchanges.budget import Use
from exchanges.errors import BadFrame, ExchangeError, OutcomeUnknown, RateLimited
from exchanges.lighter.rest import STREAM_TOKEN_S, Rest
from exchanges.lighter.sending import Fate, Sending, Tx
from exchanges.lighter.wire import reply, stream
from exchanges.lighter.wire.facts import OrderFacts, PositionFacts, TradeFacts
from exchanges.lighter.wire.reply import Account
from exchanges.lighter.wire.scale import Market
from exchanges.lighter.wire.stream import OrdersSaid, PingSaid, PositionsSaid, TradesSaid, Unread
from exchanges.link import Opening
from exchanges.reconcile import Pace, Reconcile
from exchanges.tasks import Tasks
from exchanges.tracking import CLOCKS_APART_MS, KEPT, Sent, Tracking
from exchanges.types import (
    Clock,
    Fill,
    LinkState,
    Liquidity,
    OrderState,
    OrderUpdate,
    PrivateEvent,
    Refusal,
    TimeInForce,
)

_MAKER, _TAKER = Liquidity.MAKER, Liquidity.TAKER

S = 1_000_000_000
MS = 1_000_000
LATE_ROW_NS = 500 * MS  # a fill that an order's own count knows and no row has shown for so long was missed
ROW_ATTEMPTS, ROW_PAUSE_NS = 12, 30 * S  # to get its row, after 0.5, 1, 2 … s, up to this
SETTLES_NS = 500 * MS  # after a word on the position, until its fills must have come
SAME_ANSWER_NS = 5 * S
PING_NS = 60 * S  # the venue drops who sends nothing for two minutes; whether a protocol ping counts is not told

# A comparison that finds nothing is one or two requests of 300 weight, of 24,000 a minute for all accounts of a wallet.
# A standard account has 60 requests a minute for everything.
PACE = Pace(live_ns=8 * S, alone_ns=3 * S, idle_ns=60 * S, suspect_ns=S)
FEW_REQUESTS = Pace(live_ns=30 * S, alone_ns=10 * S, idle_ns=60 * S, suspect_ns=2 * S)


@dataclass(frozen=True, slots=True)
class _Read:
    """An answer, with how far orders and fills had come when it was asked for."""

    account: Account
    moves: int
    asked_ns: int


class PrivateFeed:
    """Takes frames and rows of one account and hands on what is news."""

    def __init__(
        self, account: str, venue: str, *, rest: Rest, sending: Sending, index: int, tracking: Tracking, clock: Clock,
        names: Sequence[str], markets: Mapping[str, Market], few_requests: bool,
        deliver: Callable[[PrivateEvent], None], note: Callable[[str], None],
        lost: Callable[[str], None], say: Callable[[str], None], state: Callable[[], LinkState],
    ) -> None:  # fmt: skip
        self._account = account
        self._venue = venue
        self._rest = rest
        self._sending = sending
        self._index = index
        self._tracking = tracking
        self._clock = clock
        self._markets = markets  # by symbol, filled by `connect`
        self._deliver = deliver
        self._note = note
        self._say = say
        self._state = state
        self._positions: dict[int, Decimal] = {}
        # Of this life of the stream, which begins with what is open: it costs no request (S11).
        self._begun: dict[int, Decimal] = {}  # positions by market; one that is missing may be flat, or not told
        self._seen: dict[str, OrderUpdate] = {}  # orders by client id
        self._txs: OrderedDict[str, Tx] = OrderedDict()  # of orders, by client id
        self._read: _Read | None = None
        self._rowless: set[str] = set()  # orders whose missing rows are being asked for
        self._tasks = Tasks()
        self._quiet: dict[str, Decimal] = {}  # positions that a comparison has read already
        self._life = 0  # of the stream; what an earlier one planned is not done
        self.reconcile = Reconcile(
            names, self, tracking=tracking, clock=clock, lost=lost, note=note,
            trusted=lambda: state() is LinkState.TRUSTED, pace=FEW_REQUESTS if few_requests else PACE,
        )  # fmt: skip

    # --- the stream

    async def opening(self) -> Opening:
        """Subscriptions. On a stream that is open they are renewed: what falls in between, a comparison brings."""
        token = await self._rest.stream_token()
        messages: list[str] = []
        for name in stream.ACCOUNT_CHANNELS:
            channel = f"{name}/{self._index}"
            if self._state() is not LinkState.LOST:
                messages.append(stream.unsubscribe(channel))
            messages.append(stream.subscribe(channel, token=token))
        if self._state() is not LinkState.LOST:
            self.reconcile.suspect()
        else:
            self._life += 1
            self._begun.clear()
            self._seen.clear()
            self._clock.call_at(self._clock.now_ns() + PING_NS, self._ping, self._life)
        return Opening(tuple(messages), valid_ns=STREAM_TOKEN_S * S)

    def take(self, data: bytes, recv_ns: int) -> None:
        said = stream.message(data, self._index)
        if type(said) is TradesSaid:
            for trade in said.trades:
                self._trade(trade, recv_ns)
        elif type(said) is OrdersSaid:
            for order in said.orders:
                self._order(order, recv_ns)
        elif type(said) is PositionsSaid:
            for position in said.positions:
                self._tracking.moves += self._moved(position)
                self._positions[position.market_id] = self._begun[position.market_id] = position.qty
                self._clock.call_at(self._clock.now_ns() + SETTLES_NS, self._settled, position.market_id, position.qty)
        elif type(said) is PingSaid:
            self._say(stream.PONG)
        elif type(said) is Unread:
            self._note(f"{said.text} is unknown here; comparing with the venue")
            self.reconcile.suspect()

    def _ping(self, life: int) -> None:
        if life == self._life:
            self._say(stream.PING)
            self._clock.call_at(self._clock.now_ns() + PING_NS, self._ping, life)

    def _trade(self, facts: TradeFacts, recv_ns: int) -> None:
        fill = self._fill_of(facts, recv_ns)
        if fill is not None:
            self.take_fill(fill)

    def _order(self, facts: OrderFacts, recv_ns: int) -> None:
        update = self.update_of(facts, recv_ns)
        if update is not None:
            self._seen[update.client_id] = update
            if len(self._seen) > KEPT:
                del self._seen[next(iter(self._seen))]
            self.take_update(update)

    def _still_missing(self, client_id: str, attempt: int) -> None:
        if self._tracking.missing(client_id) > 0:
            self._tasks.spawn(self._fetch_rows(client_id, attempt))
        else:
            self._rowless.discard(client_id)

    async def _fetch_rows(self, client_id: str, attempt: int) -> None:
        """A frame with a fill was lost: its row is asked for, and again if the venue has no answer to spare."""
        order = self._tracking.get(client_id)
        if order is None:
            return
        with suppress(ExchangeError, BadFrame):  # the next attempt comes
            await self._take_rows(order, Use.COUNT)  # what has filled is known, and what is missing is its price
        if self._tracking.missing(client_id) > 0 and attempt < ROW_ATTEMPTS:
            wait_ns = min(LATE_ROW_NS << attempt, ROW_PAUSE_NS)
            self._clock.call_at(self._clock.now_ns() + wait_ns, self._still_missing, client_id, attempt + 1)
        else:
            self._rowless.discard(client_id)

    async def _take_rows(self, order: Sent, use: Use) -> None:
        """Those of an order, whatever the clocks say; others no further back than this run."""
        for fill in await self.rows(order.request.symbol, order.sent_ms - CLOCKS_APART_MS, use):
            if fill.client_id == order.request.client_id or fill.at_ms >= self.reconcile.since_ms:
                self.take_fill(fill)

    def _moved(self, position: PositionFacts) -> bool:
        """Is it another one than was told before? What a stream begins with is part of the first reading (S11).

        Taken for a move it had the rows of each account asked for that holds something, 600 of weight at each takeover.
        """
        symbol, before = self._symbol(position.market_id), self._positions.get(position.market_id)
        begins = before is None and symbol is not None and self.reconcile.expected(symbol) is None
        return position.qty != before and not begins

    def _settled(self, market_id: int, qty: Decimal) -> None:
        """A position that moved without its fills: the newest word counts, older ones were overtaken."""
        symbol = self._symbol(market_id)
        if symbol is not None and self._positions.get(market_id) == qty != self.reconcile.expected(symbol):
            self.reconcile.suspect()

    # --- orders and their transactions

    def sent(self, client_id: str, tx: Tx) -> None:
        """The transaction of an order, by which its fate can be asked for."""
        self._txs[client_id] = tx
        if len(self._txs) > KEPT:
            self._txs.popitem(last=False)

    def tx_of(self, client_id: str) -> Tx | None:
        return self._txs.get(client_id)

    async def find(self, symbol: str, client_id: str, use: Use) -> OrderUpdate | None:
        """The newest state of an order, ended ones included; None if it can never have been, nor become.

        Raises: OutcomeUnknown while that cannot be said.
        """
        order, tx = self._tracking.get(client_id), self._txs.get(client_id)
        if order is not None and tx is not None:
            if not tx.left and not tx.done:
                raise OutcomeUnknown(f"the transaction of {client_id} waits for its turn")
            fate = self._sending.fate_of(tx)
            if fate is Fate.VOID:
                return self._never(order, Refusal.VENUE, "never taken: its nonce was used by another transaction")
            if fate is Fate.OPEN:  # no list can prove it absent; its nonce is asked about, which costs next to nothing
                raise OutcomeUnknown(f"the transaction of {client_id} may still arrive")
        update = await self._listed(symbol, client_id, order, use)
        if update is not None or order is None or tx is None:
            return update  # what a former process sent was taken or voided before this one could sign
        return await self._by_transaction(client_id, order, tx, use)

    async def _listed(self, symbol: str, client_id: str, order: Sent | None, use: Use) -> OrderUpdate | None:
        """From the lists of the account; the fills that an update counts come before it where requests are left."""
        market_id = self._markets[symbol].market_id
        if order is not None and order.request.tif is TimeInForce.IOC:
            lists = [self._rest.ended_orders]  # it cannot rest, and this list is the cheaper one
        elif order is not None and order.cancel_ns:
            lists = [self._rest.ended_orders, self._rest.active_orders]
        elif order is not None or self._rests(client_id):
            lists = [self._rest.active_orders, self._rest.ended_orders]
        else:  # of a former process: mostly a hedge, which has ended; what ends in between is found all the same (S4)
            lists = [self._rest.ended_orders, self._rest.active_orders, self._rest.ended_orders]
        for rows in lists:
            for facts in await rows(market_id, use):
                update = self.update_of(facts, self._clock.now_ns()) if facts.client_id == client_id else None
                if update is not None and update.client_id == client_id:
                    if order is not None and update.cum_qty > order.traded:
                        with suppress(RateLimited):  # how much has filled may not wait for at which prices
                            await self._take_rows(order, Use.COUNT)
                    return update
        return None

    def _rests(self, client_id: str) -> bool:
        """Is it among the open orders that the stream has told?"""
        seen = self._seen.get(client_id)
        return seen is not None and not seen.state.terminal

    async def _by_transaction(self, client_id: str, order: Sent, tx: Tx, use: Use) -> OrderUpdate | None:
        """An order that no list shows: refused by the sequencer, or on its way."""
        facts = await self._rest.transaction(tx.tx_hash, use)
        if facts is not None and facts.state == "failed":
            why = facts.error or "without a reason"
            return self._never(order, _refusal(facts.error), f"refused by the sequencer: {why}")
        if facts is None:
            for rival in self._sending.rivals(tx):
                if await self._rest.transaction(rival.tx_hash, use) is not None:
                    self._sending.taken(rival)
                    return self._never(order, Refusal.VENUE, "never taken: the venue took another with its nonce")
        state = "queued" if facts is None else facts.state
        raise OutcomeUnknown(f"the transaction of {client_id} is {state}, and no list shows its order")

    def _never(self, order: Sent, refusal: Refusal, text: str) -> OrderUpdate:
        """The end of an order that never came to be."""
        request = order.request
        return OrderUpdate(
            self._account, request.symbol, request.client_id, "", request.side, request.qty, OrderState.FAILED,
            Decimal(0), request.price, self._rest.venue_ms, self._clock.now_ns(), refusal, text, request.reduce_only,
        )  # fmt: skip

    # --- the resync, and what a comparison asks (reconcile.Sources)

    async def resync(self) -> None:
        await self.reconcile.resync()

    async def stop(self) -> None:
        self._life += 1
        await self._tasks.cancel()
        self._rowless.clear()
        await self.reconcile.stop()

    @property
    def venue_ms(self) -> int:
        return self._rest.venue_ms

    async def open_orders(self, symbol: str, use: Use) -> Sequence[OrderUpdate]:
        live = [order.request.client_id for order in self._tracking.live(symbol)]  # nothing else of ours can have ended
        if self._state() is LinkState.RESYNC and all(client_id in self._seen for client_id in live):
            return [self._seen[client_id] for client_id in live]
        return await self.active(symbol, use) if live else []

    async def active(self, symbol: str, use: Use) -> Sequence[OrderUpdate]:
        now_ns = self._clock.now_ns()
        rows = await self._rest.active_orders(self._markets[symbol].market_id, use)
        updates = (self.update_of(row, now_ns) for row in rows)
        return [update for update in updates if update is not None]

    async def fills(self, symbol: str, since_ms: int, use: Use) -> Sequence[Fill]:
        """Read only where the position shows that a row is missing; those of one order are asked for by themselves."""
        self._quiet.pop(symbol, None)  # of a comparison that was broken off
        if not self._tracking.moves and self.reconcile.expected(symbol) is None:
            return []  # what was there before the first reading is part of it
        resync = self._state() is LinkState.RESYNC  # rows that only bring a price do not hold up the trust in a stream
        if (resync or not self._tracking.short) and self.reconcile.expected(symbol) is not None:
            told = self._begun.get(self._markets[symbol].market_id) if resync else None
            position = await self._read_position(symbol, use) if told is None else told
            if position == self.reconcile.expected(symbol):
                self._quiet[symbol] = position
                return []
        return await self.rows(symbol, since_ms, use)

    async def fetch_rows(self, use: Use) -> None:
        """Deliver the rows of what is known to have filled; before positions are told (S17)."""
        for symbol in self._markets:
            for fill in await self.rows(symbol, self.reconcile.rows_since_ms(), use):
                self.take_fill(fill)

    async def rows(self, symbol: str, since_ms: int, use: Use) -> Sequence[Fill]:
        now_ns = self._clock.now_ns()
        rows = await self._rest.trades(self._markets[symbol].market_id, since_ms, use)
        fills = (self._fill_of(row, now_ns) for row in rows)
        return [fill for fill in fills if fill is not None]

    async def ended_order(self, order: Sent, use: Use) -> OrderUpdate | None:
        try:
            update = await self.find(order.request.symbol, order.request.client_id, use)
        except OutcomeUnknown:
            return None
        return update if update is not None and update.state.terminal else None

    async def position(self, symbol: str, use: Use) -> Decimal:
        read = self._quiet.pop(symbol, None)
        return await self._read_position(symbol, use) if read is None else read

    async def _read_position(self, symbol: str, use: Use) -> Decimal:
        market_id = self._markets[symbol].market_id
        rows = (await self.account(use)).positions
        return sum((row.qty for row in rows if row.market_id == market_id), Decimal(0))

    async def account(self, use: Use) -> Account:
        """As the venue tells it now."""
        moves, asked_ns = self._tracking.moves, self._clock.now_ns()
        account = await self._rest.account(use)
        self._read = _Read(account, moves, asked_ns)
        return account

    def remembered(self) -> Account | None:
        """What the venue told some seconds ago, where the stream shows that nothing moved since."""
        read = self._read
        if read is None or self._state() is not LinkState.TRUSTED or read.moves != self._tracking.moves:
            return None
        return read.account if self._clock.now_ns() - read.asked_ns <= SAME_ANSWER_NS else None

    def take_update(self, update: OrderUpdate) -> None:
        if not update.client_id:
            return
        if self._tracking.update(update):
            self._deliver(update)
        self.look_for_rows(update.client_id)

    def look_for_rows(self, client_id: str) -> None:
        """What an order has filled without a row for it comes soon, or is asked for."""
        if self._tracking.missing(client_id) > 0 and client_id not in self._rowless:
            self._rowless.add(client_id)
            self._clock.call_at(self._clock.now_ns() + LATE_ROW_NS, self._still_missing, client_id, 1)

    def take_fill(self, fill: Fill) -> bool:
        if not self._tracking.fill(fill):
            return False
        self.reconcile.took(fill)
        self._deliver(fill)
        return True

    def change_of(self, fill: Fill) -> Decimal:
        return fill.qty * fill.side.sign

    # --- facts to our words

    def _symbol(self, market_id: int) -> str | None:
        """Of the markets that this account trades here."""
        return next((symbol for symbol, market in self._markets.items() if market.market_id == market_id), None)

    def update_of(self, facts: OrderFacts, recv_ns: int) -> OrderUpdate | None:
        """None for a market that this account does not trade here."""
        symbol = self._symbol(facts.market_id)
        if symbol is None:
            return None
        owner = self._tracking.owner(facts.order_id, facts.client_id, symbol=symbol, side=facts.side, at_ms=facts.at_ms)
        return OrderUpdate(
            self._account, symbol, owner, facts.order_id, facts.side, facts.qty, facts.state, facts.cum_qty,
            facts.price, facts.at_ms, recv_ns, facts.refusal, facts.text, facts.reduce_only,
        )  # fmt: skip

    def _fill_of(self, facts: TradeFacts, recv_ns: int) -> Fill | None:
        symbol = self._symbol(facts.market_id)
        if symbol is None:
            return None
        owner = self._tracking.owner(facts.order_id, facts.client_id, symbol=symbol, side=facts.side, at_ms=facts.at_ms)
        return Fill(
            self._venue, self._account, symbol, owner, facts.order_id, facts.trade_id, facts.side, facts.qty,
            facts.price, facts.fee, reply.QUOTE, _MAKER if facts.maker else _TAKER, facts.at_ms, recv_ns, facts.kind,
            self._clock.now_ns(),
        )  # fmt: skip


def _refusal(error: str) -> Refusal:
    """The sequencer's words for us; where they name a code, by its table."""
    code = "".join(digit for digit in error if digit.isdigit())[:5]
    return reply.refusal_of(int(code)) if len(code) == 5 else Refusal.VENUE
