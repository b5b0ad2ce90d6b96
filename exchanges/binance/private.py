"""The private stream of one Binance account, and what is compared with it: every order and fill comes through here."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from exchanges.binance.rest import WINDOW_MS, Rest
from exchanges.binance.wire import reply, stream
from exchanges.binance.wire.reply import FillRow
from exchanges.binance.wire.request import Signer, api_message
from exchanges.binance.wire.stream import Answer, Ended, HeldFacts, OrderFacts, Trade, Unread
from exchanges.budget import Use
from exchanges.errors import AuthFailed, LinkDown, OutcomeUnknown, RateLimited
from exchanges.link import Opening
from exchanges.reconcile import Pace, Reconcile
from exchanges.tracking import KEPT, Sent, Tracking
from exchanges.types import (
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

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_MAKER, _TAKER = Liquidity.MAKER, Liquidity.TAKER
_TRADE, _SPOT = FillKind.TRADE, MarketKind.SPOT

S = 1_000_000_000
MS = 1_000_000
LATE_ROW_NS = 1_000 * MS  # a fill that an order's own count knows and no row has shown for so long was missed
SETTLES_NS = 500 * MS  # after a word on what is held, until its fills must have come
LISTEN_NS = 3_600 * S  # a listen key lives; asked for again at half of it
LAGS_MS = 60_000  # after a fill, until its order must be in the list of orders
NOBODYS = ("", _TRADE)
SPOT_PACE = Pace(alone_ns=2 * S)  # a comparison weighs 46 there, and an address has 6,000 a minute

Row = tuple[str, Side, str, str, int, FillKind, Trade]  # symbol, side, order id, client id, ms, cause, trade


class PrivateFeed:
    """Takes frames, replies and rows of one account and hands on what is news, each fill before its order's state."""

    def __init__(
        self, account: str, venue: str, *, rest: Rest, signer: Signer, tracking: Tracking, clock: Clock,
        instruments: Mapping[str, Instrument], symbols: Sequence[str], deliver: Callable[[PrivateEvent], None],
        note: Callable[[str], None], lost: Callable[[str], None], trusted: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._account = account
        self._venue = venue
        self._rest = rest
        self._signer = signer
        self._tracking = tracking
        self._clock = clock
        self._instruments = instruments  # filled by `connect`
        self._deliver = deliver
        self._note = note
        self._lost = lost
        self._spot = rest.product.kind is _SPOT
        self.reconcile = Reconcile(
            symbols, self, tracking=tracking, clock=clock, lost=lost, note=note, trusted=trusted,
            pace=SPOT_PACE if self._spot else None,
        )  # fmt: skip
        self._held: dict[str, Decimal] = {}  # by symbol; on spot by asset
        self._named: OrderedDict[str, tuple[str, FillKind]] = OrderedDict()  # of orders that were asked about, by id
        self._states: list[tuple[OrderFacts, str, int]] = []
        self._subscribed: asyncio.Future[None] | None = None
        self._listen_key = ""

    # --- the stream

    async def opening(self) -> Opening:
        try:
            await self._rest.read_clock()
        except (LinkDown, OutcomeUnknown, RateLimited):
            if not self._rest.clock.known:
                raise  # else the stream does not wait for it: a fill may be told while questions are not answered
        return self._subscription() if self._spot else await self._listening()

    def _subscription(self) -> Opening:
        self._subscribed = asyncio.get_running_loop().create_future()
        params = self._signer.params({}, timestamp_ms=self._rest.venue_ms, window_ms=WINDOW_MS)
        return Opening((api_message("user", "userDataStream.subscribe.signature", params),))

    async def _listening(self) -> Opening:
        """Asking for a key that is there keeps it for another hour; another one means that the stream is dead."""
        key = await self._rest.listen_key()
        if self._listen_key and key != self._listen_key:
            self._lost("its listen key was replaced")
        self._listen_key = key
        return Opening((), valid_ns=LISTEN_NS, query=f"listenKey={key}")

    def take(self, data: bytes, recv_ns: int) -> None:
        said = stream.message(data)
        if type(said) is OrderFacts:
            self.order(said, recv_ns)
        elif type(said) is HeldFacts:
            for name, amount in said.amounts:
                self._held[name] = amount
            self._clock.call_at(self._clock.now_ns() + SETTLES_NS, self._settled, said)
        elif type(said) is Answer:
            self._answered(said)
        elif type(said) is Ended:
            self._lost(said.text)
        elif type(said) is Unread:
            self._note(f"{said.text} is unknown here; comparing with the venue")
            self.reconcile.suspect()

    def _answered(self, said: Answer) -> None:
        """Raises: AuthFailed for a subscription that was refused for its key."""
        if said.status != 200:
            error = reply.api_error(said.status, said.error, now_ms=self._rest.venue_ms)
            if isinstance(error, AuthFailed):
                raise error
            self._lost(f"the account's events were refused: {error}")
        elif self._subscribed is not None and not self._subscribed.done():
            self._subscribed.set_result(None)

    def order(self, facts: OrderFacts, recv_ns: int) -> None:
        """What the venue says of an order, in a frame or in a reply."""
        owner = self._tracking.owner(
            facts.order_id, facts.client_id, symbol=facts.symbol, side=facts.side, at_ms=facts.at_ms
        )
        trade = facts.trade
        if trade is not None:
            row = (facts.symbol, facts.side, facts.order_id, owner, facts.at_ms, facts.kind, trade)
            self.take_fill(self._fill_of(row, recv_ns=recv_ns, decoded_ns=self._clock.now_ns()))
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
        self.take_update(_update(self._account, facts, owner, recv_ns))
        if self._tracking.missing(owner) > 0:
            self._clock.call_at(self._clock.now_ns() + LATE_ROW_NS, self._still_missing, owner)

    def _still_missing(self, client_id: str) -> None:
        if self._tracking.missing(client_id) > 0:
            self.reconcile.suspect()

    def _settled(self, told: HeldFacts) -> None:
        """What is held moved without its fills: the newest word counts, older ones were overtaken."""
        for symbol, instrument in self._instruments.items():
            name = instrument.base if self._spot else symbol
            for told_name, amount in told.amounts:
                if told_name == name and self._held.get(name) == amount != self.reconcile.tally(symbol):
                    self.reconcile.suspect()

    async def resync(self) -> None:
        if self._subscribed is not None:
            await self._subscribed  # a pong may overtake the answer, and what comes before it is not in the stream
        await self.reconcile.resync()

    def away(self) -> None:
        """The stream is lost, and nothing else tells of a fill until it is back."""
        self._listen_key = ""
        self.reconcile.suspect()

    async def stop(self) -> None:
        await self.reconcile.stop()
        self._listen_key = ""

    # --- what a comparison asks (reconcile.Sources)

    @property
    def venue_ms(self) -> int:
        return self._rest.venue_ms

    async def open_orders(self, symbol: str, use: Use) -> Sequence[OrderUpdate]:
        rows = await self._rest.open_orders(symbol, use)
        return [self.update_of(row, self._clock.now_ns()) for row in rows]

    async def fills(self, symbol: str, since_ms: int, use: Use) -> Sequence[Fill]:
        rows = await self._rest.fills(symbol, since_ms, use)
        await self._name(symbol, rows, use)
        return [self._fill_of_row(row) for row in rows]

    async def _name(self, symbol: str, rows: Sequence[FillRow], use: Use) -> None:
        """Rows name the venue's id alone: of orders that this process did not send, ask for ours."""
        unknown = {row.order_id: row.at_ms for row in rows if not self._owner(row) and row.order_id not in self._named}
        if not unknown:
            return
        found = await self._rest.orders_named(symbol, unknown, use)
        settled_ms = self._rest.venue_ms - LAGS_MS
        for order_id, at_ms in unknown.items():
            if order_id in found:
                self._named[order_id] = (found[order_id].client_id, found[order_id].kind)
            elif at_ms < settled_ms:
                self._named[order_id] = NOBODYS  # it will not come any more: do not ask again
        while len(self._named) > KEPT:
            self._named.popitem(last=False)

    def _owner(self, row: FillRow) -> str:
        client_id, _ = self._named.get(row.order_id, NOBODYS)
        return self._tracking.owner(row.order_id, client_id, symbol=row.symbol, side=row.side, at_ms=row.at_ms)

    async def ended_order(self, order: Sent, use: Use) -> OrderUpdate | None:
        """The end of an order that is open no more."""
        facts = await self.find(order.request.symbol, order.request.client_id, use)
        if facts is None or not facts.state.terminal:
            return None
        return self.update_of(facts, self._clock.now_ns())

    async def find(self, symbol: str, client_id: str, use: Use) -> OrderFacts | None:
        """An order by either id; None for one that is not there, or not ours (S15). Raises: ExchangeError."""
        sent = self._tracking.get(client_id)
        order_id = "" if sent is None else sent.order_id
        facts = await self._rest.order(symbol, use, client_id=client_id, order_id=order_id)
        if facts is None:
            return None
        owner = self._tracking.owner(facts.order_id, client_id, symbol=symbol, side=facts.side, at_ms=facts.at_ms)
        return facts if owner else None

    async def position(self, symbol: str, use: Use) -> Decimal:
        if self._spot:
            free, bound = (await self._rest.balances(use)).get(self._instruments[symbol].base, (Decimal(0), Decimal(0)))
            return free + bound
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
        """S18: on spot a fee in the base asset is taken out of what is held, whichever way the trade went."""
        fee = fill.fee if self._spot and fill.fee_asset == self._instruments[fill.symbol].base else Decimal(0)
        return fill.qty * fill.side.sign - fee

    def update_of(self, facts: OrderFacts, recv_ns: int, *, client_id: str = "") -> OrderUpdate:
        """`client_id` is the one that the order was asked for by: after a cancel a row may name the cancel's."""
        owner = self._tracking.owner(
            facts.order_id, client_id or facts.client_id, symbol=facts.symbol, side=facts.side, at_ms=facts.at_ms
        )
        return _update(self._account, facts, owner, recv_ns)

    def _fill_of_row(self, row: FillRow) -> Fill:
        now_ns = self._clock.now_ns()
        _, kind = self._named.get(row.order_id, NOBODYS)
        told = (row.symbol, row.side, row.order_id, self._owner(row), row.at_ms, kind, row.trade)
        return self._fill_of(told, recv_ns=now_ns, decoded_ns=now_ns)

    def _fill_of(self, row: Row, *, recv_ns: int, decoded_ns: int) -> Fill:
        symbol, side, order_id, client_id, at_ms, kind, trade = row
        fee_asset = trade.fee_asset
        if not fee_asset and symbol in self._instruments:  # nothing was paid
            fee_asset = self._instruments[symbol].quote
        return Fill(
            self._venue, self._account, symbol, client_id, order_id, trade.trade_id, side, trade.qty, trade.price,
            trade.fee, fee_asset, _MAKER if trade.maker else _TAKER, at_ms, recv_ns, kind, decoded_ns,
        )  # fmt: skip


def _update(account: str, facts: OrderFacts, client_id: str, recv_ns: int) -> OrderUpdate:
    return OrderUpdate(
        account, facts.symbol, client_id, facts.order_id, facts.side, facts.qty, facts.state, facts.cum_qty,
        facts.price, facts.at_ms, recv_ns, facts.refusal, facts.text, facts.reduce_only,
    )  # fmt: skip
