"""The private stream of one OKX account, and what is compared with it: every order and fill comes through here.

A login is answered before anything may be asked for, and the orders' channel begins without a picture: the stream is
compared with the venue after both are confirmed, and only then trusted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from exchanges.budget import Budget, Use
from exchanges.errors import LinkDown, OutcomeUnknown, RateLimited
from exchanges.link import Link, Opening
from exchanges.okx.entry import OrderEntry
from exchanges.okx.rest import Rest
from exchanges.okx.turns import turn
from exchanges.okx.wire import reply, stream
from exchanges.okx.wire.order import FillRow, OrderFacts, Trade
from exchanges.okx.wire.request import Signer, subscription
from exchanges.okx.wire.stream import Answer, Leaving, LoggedIn, Orders, Subscribed, Unread
from exchanges.reconcile import Pace, Reconcile
from exchanges.tracking import Sent, Tracking
from exchanges.types import (
    Clock,
    Fill,
    FillKind,
    LinkState,
    Liquidity,
    MarketKind,
    OrderUpdate,
    PrivateEvent,
    Side,
)

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_MAKER, _TAKER = Liquidity.MAKER, Liquidity.TAKER
_TRADE = FillKind.TRADE
_SPOT = MarketKind.SPOT

MS = 1_000_000
CLOCK_FRESH_NS = 10_000 * MS  # many accounts of one address start at once, and the venue counts their readings
PACE = Pace(live_ns=2_000 * MS)  # the venue's limits carry it: what a stream loses in silence is found that soon
LATE_ROW_NS = 1_000 * MS  # a fill that an order's own count knows and no row has shown for so long was missed


@dataclass(frozen=True, slots=True)
class Whose:
    account: str
    venue: str
    symbols: Sequence[str]


class PrivateFeed:
    """Takes frames, replies and rows of one account and hands on what is news, each fill before its order's state."""

    def __init__(
        self, whose: Whose, *, rest: Rest, signer: Signer, entry: OrderEntry, tracking: Tracking, clock: Clock,
        deliver: Callable[[PrivateEvent], None], note: Callable[[str], None], link: Callable[[], Link],
        connects: Budget,
    ) -> None:  # fmt: skip
        self._whose = whose
        self._rest = rest
        self._signer = signer
        self._entry = entry
        self._tracking = tracking
        self._clock = clock
        self._deliver = deliver
        self._note = note
        self._link = link
        self._connects = connects
        self.reconcile = Reconcile(
            whose.symbols, self, tracking=tracking, clock=clock, lost=lambda why: link().drop(why), note=note,
            trusted=lambda: link().state is LinkState.TRUSTED, pace=PACE,
        )  # fmt: skip
        self._states: list[tuple[OrderFacts, str, int]] = []
        self._awaited: set[str] = set()  # symbols whose channel is not confirmed yet
        self._subscribed: asyncio.Future[None] | None = None

    # --- the stream

    async def opening(self) -> Opening:
        if self._clock.now_ns() - self._rest.clock.read_ns > CLOCK_FRESH_NS:
            await self._read_clock()
        self._entry.lost()
        await turn(self._connects, self._clock, Use.TRADE)
        self._awaited = set(self._whose.symbols)
        self._subscribed = asyncio.get_running_loop().create_future()
        return Opening((self._signer.login(timestamp_ms=self._rest.venue_ms),))

    async def _read_clock(self) -> None:
        try:
            await self._rest.read_clock()
        except (LinkDown, OutcomeUnknown, RateLimited):
            if not self._rest.clock.known:
                raise  # else the stream does not wait for it: a fill may be told while questions are not answered

    async def resync(self) -> None:
        assert self._subscribed is not None
        await asyncio.shield(self._subscribed)
        await self.reconcile.resync()

    def take(self, data: bytes, recv_ns: int) -> None:
        if data == stream.PONG:
            self._link().pong()
            return
        try:
            said = stream.message(data, self._rest.units)
        except LinkDown as error:
            self._link().drop(str(error))
            return
        if type(said) is Orders:
            for facts in said.facts:
                self.order(facts, recv_ns)
            if said.unread:
                self._unread(f"an order that cannot be read ({said.unread})")
        elif type(said) is Answer:
            self._entry.answer(said.number, said.said)
        else:
            self._other(said)

    def _other(self, said: stream.Told) -> None:
        match said:
            case LoggedIn():
                self._entry.logged_in()
                self._link().say(subscription([self._channel(symbol) for symbol in self._whose.symbols]))
            case Subscribed(channel=stream.ORDERS, symbol=symbol):
                self._awaited.discard(symbol)
                if not self._awaited and self._subscribed is not None and not self._subscribed.done():
                    self._subscribed.set_result(None)
            case Leaving(text=text):
                self._link().drop(f"the venue closes it: {text}")
            case Unread(text=text):
                self._unread(text)

    @staticmethod
    def _channel(symbol: str) -> dict[str, str]:
        return {"channel": stream.ORDERS, "instType": "SWAP" if symbol.endswith("-SWAP") else "SPOT", "instId": symbol}

    def _unread(self, text: str) -> None:
        self._note(f"{text}: unknown here; comparing with the venue")
        self.reconcile.suspect()

    def order(self, facts: OrderFacts, recv_ns: int) -> None:
        """What the venue says of an order, in a frame or in an answer."""
        owner = self._owner(facts)
        trade = facts.trade
        if trade is not None:
            row = (facts.symbol, facts.side, facts.order_id, owner, facts.kind, trade)
            self.take_fill(self._fill(row, recv_ns))
        if not owner:
            return
        if trade is not None or self._states:
            # The fills that wait in the socket first, each with its hedge; then what became of their orders.
            if not self._states:
                self._clock.call_at(self._clock.now_ns(), self._tell_states)
            self._states.append((facts, owner, recv_ns))
        else:
            self._state(facts, owner, recv_ns)

    def _tell_states(self) -> None:
        states, self._states = self._states, []
        for facts, owner, recv_ns in states:
            self._state(facts, owner, recv_ns)

    def _state(self, facts: OrderFacts, owner: str, recv_ns: int) -> None:
        self.take_update(self._update(facts, owner, recv_ns))
        if self._tracking.missing(owner) > 0:
            self._clock.call_at(self._clock.now_ns() + LATE_ROW_NS, self._still_missing, owner)

    def _still_missing(self, client_id: str) -> None:
        if self._tracking.missing(client_id) > 0:
            self.reconcile.suspect()

    def _owner(self, facts: OrderFacts) -> str:
        """S15: an order that was made before ours was sent is not ours, whatever it is called."""
        return self._tracking.owner(
            facts.order_id, facts.client_id, symbol=facts.symbol, side=facts.side, at_ms=facts.made_ms
        )

    def answered(self, client_id: str, *, refused: bool) -> None:
        self._tracking.answered(client_id, refused=refused)

    async def stop(self) -> None:
        self._entry.lost()
        await self.reconcile.stop()
        self._tell_states()

    # --- what a comparison asks (reconcile.Sources)

    @property
    def venue_ms(self) -> int:
        return self._rest.venue_ms

    async def open_orders(self, symbol: str, use: Use) -> Sequence[OrderUpdate]:
        now_ns = self._clock.now_ns()
        return [self._update(it, self._owner(it), now_ns) for it in await self._rest.open_orders(symbol, use)]

    async def fills(self, symbol: str, since_ms: int, use: Use) -> Sequence[Fill]:
        rows = await self._rest.fills(symbol, since_ms, use)
        return [self._fill_of_row(row) for row in rows]

    async def ended_order(self, order: Sent, use: Use) -> OrderUpdate | None:
        """The end of an order that is open no more."""
        found = await self.find(order.request.symbol, order.request.client_id, use)
        return found if found is not None and found.state.terminal else None

    async def find(self, symbol: str, client_id: str, use: Use) -> OrderUpdate | None:
        """An order of ours as the venue has it now; None where it knows none that is ours."""
        facts = await self._rest.order(symbol, use, client_id=client_id)
        if facts is None or facts.client_id != client_id or not self._owner(facts):
            return None
        return self._update(facts, client_id, self._clock.now_ns())

    async def position(self, symbol: str, use: Use) -> Decimal:
        instrument = self._rest.traded[symbol].instrument
        if instrument.kind is _SPOT:
            return reply.total(await self._rest.details(use, instrument.base), instrument.base)
        return sum((row.qty for row in await self._rest.positions(use) if row.symbol == symbol), Decimal(0))

    def take_update(self, update: OrderUpdate) -> None:
        if update.client_id and self._tracking.update(update):
            self._deliver(update)

    def take_fill(self, fill: Fill) -> bool:
        if not self._tracking.fill(fill):
            return False
        self.reconcile.took(fill)
        self._deliver(fill)
        return True

    def change_of(self, fill: Fill) -> Decimal:
        """S18: on spot the fee of a buy is taken out of what was bought, where the account is set so."""
        instrument = self._rest.traded[fill.symbol].instrument
        fee = fill.fee if instrument.kind is _SPOT and fill.fee_asset == instrument.base else Decimal(0)
        return fill.qty * fill.side.sign - fee

    # --- our words

    def _fill_of_row(self, row: FillRow) -> Fill:
        owner = self._tracking.owner(
            row.order_id, row.client_id, symbol=row.symbol, side=row.side, at_ms=row.trade.at_ms
        )  # fmt: skip
        return self._fill((row.symbol, row.side, row.order_id, owner, _TRADE, row.trade), self._clock.now_ns())

    def _fill(self, row: tuple[str, Side, str, str, FillKind, Trade], recv_ns: int) -> Fill:
        symbol, side, order_id, client_id, kind, trade = row
        asset = trade.fee_asset or self._rest.traded[symbol].instrument.quote
        return Fill(
            self._whose.venue, self._whose.account, symbol, client_id, order_id, trade.trade_id, side, trade.qty,
            trade.price, trade.fee, asset, _MAKER if trade.maker else _TAKER, trade.at_ms, recv_ns, kind,
            self._clock.now_ns(),
        )  # fmt: skip

    def _update(self, facts: OrderFacts, client_id: str, recv_ns: int) -> OrderUpdate:
        return OrderUpdate(
            self._whose.account, facts.symbol, client_id, facts.order_id, facts.side, facts.qty, facts.state,
            facts.cum_qty, facts.price, facts.at_ms, recv_ns, facts.refusal, facts.text, facts.reduce_only,
        )  # fmt: skip
