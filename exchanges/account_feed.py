"""What the private feeds of venues that tell fills inside orders do alike: every order and fill comes through here.

Knows no venue. A feed brings its frames and its questions; whose a row is, what was told before and what a stream
missed is judged here, alike for Backpack, Binance and OKX. Lighter tells trades apart from orders: a feed of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol

from exchanges.budget import Use
from exchanges.errors import LinkDown, OutcomeUnknown, RateLimited
from exchanges.facts import OrderFacts, Trade
from exchanges.reconcile import Pace, Reconcile
from exchanges.tracking import Sent, Tracking
from exchanges.types import (
    ZERO,
    Clock,
    Fill,
    FillKind,
    Instrument,
    Liquidity,
    MarketKind,
    OrderUpdate,
    PrivateEvent,
    Side,
)
from exchanges.venue_clock import VenueClock

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_MAKER, _TAKER = Liquidity.MAKER, Liquidity.TAKER
_SPOT = MarketKind.SPOT

MS = 1_000_000
LATE_ROW_NS = 1_000 * MS  # a fill that an order's own count knows and no row has shown for so long was missed
SETTLES_NS = 500 * MS  # after a word on what is held, until its fills must have come

Row = tuple[str, Side, str, str, int, FillKind, Trade]  # symbol, side, order id, client id, ms, cause, trade


class Timed(Protocol):
    """The client's questions, as far as they tell the venue's time."""

    clock: VenueClock

    async def read_clock(self) -> str: ...


class AccountFeed(ABC):
    """Takes frames, replies and rows of one account and hands on what is news, each fill before its order's state.

    It is the `Sources` of its comparison. `lost` hears why the stream must begin anew, `note` words for the log.
    """

    def __init__(
        self, account: str, venue: str, *, time: Timed, symbols: Sequence[str], tracking: Tracking, clock: Clock,
        deliver: Callable[[PrivateEvent], None], note: Callable[[str], None], lost: Callable[[str], None],
        trusted: Callable[[], bool], pace: Pace | None = None,
    ) -> None:  # fmt: skip
        self._account = account
        self._venue = venue
        self._time = time
        self._symbols = symbols
        self._tracking = tracking
        self._clock = clock
        self._deliver = deliver
        self._note = note
        self._lost = lost
        self.reconcile = Reconcile(
            symbols, self, tracking=tracking, clock=clock, lost=lost, note=note, trusted=trusted, pace=pace
        )
        self._states: list[tuple[OrderFacts, str, int]] = []
        self._newest = b""  # message of the stream that told a fill; a feed's `take` keeps it

    @abstractmethod
    def _instrument(self, symbol: str) -> Instrument | None:
        """Of a market that `connect` learned; a row may be of another."""

    async def _read_clock(self) -> None:
        """Before a stream is opened, which does not wait for it: a fill may be told while no question is answered."""
        try:
            await self._time.read_clock()
        except (LinkDown, OutcomeUnknown, RateLimited):
            if not self._time.clock.known:
                raise

    # --- what the stream and the replies tell

    @abstractmethod
    def _orders_in(self, data: bytes) -> Sequence[OrderFacts]:
        """What a message of the stream tells of orders. Pure."""

    def exercise(self) -> None:
        """Read the newest fill once more, for nothing: `BaseExchangeClient.exercise_fill`."""
        for it in self._orders_in(self._newest) if self._newest else ():
            if it.trade is not None:
                self._fill_of((it.symbol, it.side, it.order_id, it.client_id, it.at_ms, it.kind, it.trade))

    def order(self, facts: OrderFacts, recv_ns: int) -> None:
        """What the venue says of an order, in a frame or in a reply."""
        owner = self.owner(facts)
        trade = facts.trade
        if trade is not None:
            at_ms = trade.at_ms or facts.at_ms
            self._trade(facts, (facts.symbol, facts.side, facts.order_id, owner, at_ms, facts.kind, trade), recv_ns)
        if not owner:
            return
        if trade is not None or self._states:
            # The fills that wait in the socket first, each with its hedge; then what became of their orders.
            if not self._states:
                self._clock.call_at(self._clock.now_ns(), self._tell_states)
            self._states.append((facts, owner, recv_ns))
        else:
            self._state(facts, owner, recv_ns)

    def owner(self, facts: OrderFacts, client_id: str = "") -> str:
        """S15: an order that was made before ours was sent is not ours, whatever it is called.

        `client_id` is the one that the order was asked for by: after a cancel a row may name the cancel's.
        """
        return self._tracking.owner(
            facts.order_id, client_id or facts.client_id, symbol=facts.symbol, side=facts.side,
            at_ms=facts.made_ms or facts.at_ms,
        )  # fmt: skip

    def _trade(self, _: OrderFacts, row: Row, recv_ns: int) -> None:
        self.take_fill(self._fill_of(row, recv_ns=recv_ns))

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

    def answered(self, client_id: str, *, refused: bool) -> None:
        self._tracking.answered(client_id, refused=refused)

    def _unread(self, text: str) -> None:
        self._note(f"{text} is unknown here; comparing with the venue")
        self.reconcile.suspect()

    async def resync(self) -> None:
        await self.reconcile.resync()

    async def stop(self) -> None:
        await self.reconcile.stop()
        self._tell_states()

    # --- what a comparison asks (reconcile.Sources)

    @property
    def venue_ms(self) -> int:
        return self._time.clock.ms

    @abstractmethod
    async def open_orders(self, symbol: str, use: Use) -> Sequence[OrderUpdate]: ...

    @abstractmethod
    async def fills(self, symbol: str, since_ms: int, use: Use) -> Sequence[Fill]: ...

    @abstractmethod
    async def ended_order(self, order: Sent, use: Use) -> OrderUpdate | None:
        """The end of an order that is open no more."""

    @abstractmethod
    async def position(self, symbol: str, use: Use) -> Decimal:
        """Signed; on spot all that is held of the base asset."""

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
        """S18: on spot a fee in the base asset is taken out of what is held, whichever way the trade went."""
        instrument = self._instrument(fill.symbol)
        spot = instrument is not None and instrument.kind is _SPOT and fill.fee_asset == instrument.base
        return fill.qty * fill.side.sign - (fill.fee if spot else ZERO)

    # --- facts to our words

    def update_of(self, facts: OrderFacts, *, client_id: str = "") -> OrderUpdate:
        """Of a row of a list or an answer; without a client id where the order is not ours."""
        return self._update(facts, self.owner(facts, client_id), self._clock.now_ns())

    def _update(self, facts: OrderFacts, client_id: str, recv_ns: int) -> OrderUpdate:
        return OrderUpdate(
            self._account, facts.symbol, client_id, facts.order_id, facts.side, facts.qty, facts.state, facts.cum_qty,
            facts.price, facts.at_ms, recv_ns, facts.refusal, facts.text, facts.reduce_only,
        )  # fmt: skip

    def _fill_of(self, row: Row, *, recv_ns: int = 0) -> Fill:
        """Of a row of a list (`recv_ns` 0) it is now that it came."""
        symbol, side, order_id, client_id, at_ms, kind, trade = row
        now_ns = self._clock.now_ns()
        asset = trade.fee_asset
        if not asset:  # nothing was paid
            instrument = self._instrument(symbol)
            asset = "" if instrument is None else instrument.quote
        return Fill(
            self._venue, self._account, symbol, client_id, order_id, trade.trade_id, side, trade.qty, trade.price,
            trade.fee, asset, _MAKER if trade.maker else _TAKER, at_ms, recv_ns or now_ns, kind, now_ns,
        )  # fmt: skip
