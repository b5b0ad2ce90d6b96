"""A small venue for storms: one book, orders by client id, trades with ids, positions. Truth, and nothing else.

Knows no delays, no losses and no desk: a storm decides when a request arrives and what becomes of the frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from exchanges.types import (
    ZERO,
    Accepted,
    Fill,
    FillKind,
    Instrument,
    Liquidity,
    MarketKind,
    OrderRequest,
    OrderState,
    OrderUpdate,
    Position,
    Refusal,
    Refused,
    Reply,
    Side,
    TimeInForce,
)

Frame = OrderUpdate | Fill


@dataclass(slots=True, eq=False)
class Held:
    """An order as the venue books it; `touched_ns` is when it last changed."""

    request: OrderRequest
    order_id: str
    state: OrderState
    touched_ns: int
    filled: Decimal = ZERO

    @property
    def rest(self) -> Decimal:
        return self.request.qty - self.filled


class VenueModel:
    """One venue and symbol. Our own resting orders stand before everybody else's at their price."""

    def __init__(
        self, name: str, instruments: Mapping[str, Instrument], *, balances: Mapping[str, Decimal], base_fee: Decimal
    ) -> None:
        self.name = name
        self.instruments = dict(instruments)
        self.positions = {account: balances.get(account, ZERO) for account in instruments}
        self.base_fee = base_fee  # share of what a buyer receives (S18)
        self.orders: dict[str, Held] = {}
        self.fills: list[tuple[int, Fill]] = []
        self.self_matches = 0
        self.bid = Decimal("100.0")
        self.ask = Decimal("100.1")
        self._trades = 0

    # --- requests, at the moment they arrive

    def place(self, request: OrderRequest, at_ns: int, *, liquidity: Decimal) -> tuple[Reply, list[Frame]]:
        """Book an order; strangers give a taker at most `liquidity`."""
        refusal = self._refusal(request)
        if refusal is not None:
            return Refused(refusal, "model"), []
        held = Held(request, f"v{request.client_id}", OrderState.OPEN, at_ns)
        self.orders[request.client_id] = held
        frames: list[Frame] = [self.told(held)]
        if not request.post_only:
            frames += self._match(held, at_ns, liquidity)
            if held.rest > 0 and request.tif is TimeInForce.IOC:
                held.state = OrderState.CANCELED
                frames.append(self.told(held))
        return Accepted(held.order_id), frames

    def cancel(self, client_id: str, at_ns: int) -> tuple[Reply, list[Frame]]:
        held = self.orders.get(client_id)
        if held is None or held.state.terminal:
            return Refused(Refusal.NOT_FOUND, "not open"), []
        held.state, held.touched_ns = OrderState.CANCELED, at_ns
        return Accepted(held.order_id), [self.told(held)]

    def look(self, client_id: str) -> OrderUpdate | None:
        held = self.orders.get(client_id)
        return None if held is None else self.told(held)

    def told(self, held: Held) -> OrderUpdate:
        request = held.request
        return OrderUpdate(
            account=request.account, symbol=request.symbol, client_id=request.client_id, order_id=held.order_id,
            side=request.side, qty=request.qty, state=held.state, cum_qty=held.filled, price=request.price, at_ms=0,
            recv_ns=0,
        )  # fmt: skip

    def position(self, account: str) -> Position:
        return Position(account, self.instruments[account].symbol, self.positions[account])

    # --- what strangers do

    def live(self, account: str | None = None) -> list[Held]:
        return [
            held
            for held in self.orders.values()
            if not held.state.terminal and (account is None or held.request.account == account)
        ]

    def hit(self, held: Held, qty: Decimal, at_ns: int) -> list[Frame]:
        """A stranger takes `qty` of a resting order."""
        qty = self._allowed(held, min(qty, held.rest))
        if held.state.terminal or qty <= 0:
            return []
        return self._fill(held, qty, at_ns, self._trade_id(), Liquidity.MAKER)

    def move(self, bid: Decimal, ask: Decimal, at_ns: int) -> list[Frame]:
        """A new market; resting orders that it crosses fill in full."""
        self.bid, self.ask = bid, ask
        frames: list[Frame] = []
        for held in self.live():
            price = held.request.price
            if price is not None and (price >= ask if held.request.side is Side.BUY else price <= bid):
                frames += self.hit(held, held.rest, at_ns)
        return frames

    def liquidate(self, account: str, at_ns: int) -> list[Frame]:
        """The venue closes the account's position; no order of ours caused it (S12)."""
        position = self.positions[account]
        instrument = self.instruments[account]
        fill = Fill(
            venue=self.name, account=account, symbol=instrument.symbol, client_id="", order_id="liq",
            trade_id=self._trade_id(), side=Side.SELL if position > 0 else Side.BUY, qty=abs(position), price=self.bid,
            fee=ZERO, fee_asset=instrument.quote, liquidity=Liquidity.TAKER, at_ms=0, recv_ns=0,
            kind=FillKind.LIQUIDATION,
        )  # fmt: skip
        self.positions[account] = ZERO
        self.fills.append((at_ns, fill))
        return [fill]

    # --- inside

    def _refusal(self, request: OrderRequest) -> Refusal | None:
        instrument = self.instruments[request.account]
        if request.client_id in self.orders:
            return Refusal.DUPLICATE_ID
        if instrument.tradable(request.qty, request.price or self.bid) != request.qty:
            return Refusal.SIZE
        if request.price is not None and instrument.price_down(request.price) != request.price:
            return Refusal.PRICE
        if request.post_only and request.price is not None and self._crosses(request, request.price):
            return Refusal.POST_ONLY
        position = self.positions[request.account]
        if request.reduce_only and position * request.side.sign >= 0:
            return Refusal.REDUCE_ONLY
        if instrument.kind is MarketKind.SPOT and request.side is Side.SELL and position < request.qty:
            return Refusal.MARGIN
        return None

    def _crosses(self, request: OrderRequest, price: Decimal) -> bool:
        if request.side is Side.BUY:
            asks = [h.request.price for h in self.live() if h.request.side is Side.SELL and h.request.price is not None]
            return price >= min([self.ask, *asks])
        bids = [h.request.price for h in self.live() if h.request.side is Side.BUY and h.request.price is not None]
        return price <= max([self.bid, *bids])

    def _match(self, taker: Held, at_ns: int, liquidity: Decimal) -> list[Frame]:
        frames: list[Frame] = []
        for resting in self._own_in_the_way(taker):
            qty = min(self._allowed(taker, taker.rest), self._allowed(resting, resting.rest))
            if qty > 0:
                self.self_matches += 1
                trade = self._trade_id()
                frames += self._fill(resting, qty, at_ns, trade, Liquidity.MAKER)
                frames += self._fill(taker, qty, at_ns, trade, Liquidity.TAKER)
        touch = self.ask if taker.request.side is Side.BUY else self.bid
        if _within(taker.request, touch):
            qty = self._allowed(taker, min(taker.rest, liquidity))
            if qty > 0:
                frames += self._fill(taker, qty, at_ns, self._trade_id(), Liquidity.TAKER)
        return frames

    def _own_in_the_way(self, taker: Held) -> list[Held]:
        side = taker.request.side
        opposite = [
            held
            for held in self.live()
            if held is not taker and held.request.side is side.opposite and held.request.price is not None
        ]
        return [
            held for held in opposite if held.request.price is not None and _within(taker.request, held.request.price)
        ]

    def _allowed(self, held: Held, qty: Decimal) -> Decimal:
        """Reduce-only never turns a position around."""
        if not held.request.reduce_only:
            return qty
        position = self.positions[held.request.account]
        return min(qty, abs(position)) if position * held.request.side.sign < 0 else ZERO

    def _fill(self, held: Held, qty: Decimal, at_ns: int, trade_id: str, liquidity: Liquidity) -> list[Frame]:
        request = held.request
        instrument = self.instruments[request.account]
        fee = qty * self.base_fee if request.side is Side.BUY else ZERO
        touch = self.ask if request.side is Side.BUY else self.bid
        fill = Fill(
            venue=self.name, account=request.account, symbol=request.symbol, client_id=request.client_id,
            order_id=held.order_id, trade_id=trade_id, side=request.side, qty=qty,
            price=touch if request.price is None else request.price, fee=fee,
            fee_asset=instrument.base if fee else instrument.quote, liquidity=liquidity, at_ms=0, recv_ns=0,
        )  # fmt: skip
        held.filled += qty
        held.touched_ns = at_ns
        held.state = OrderState.FILLED if held.rest == 0 else OrderState.PARTIALLY_FILLED
        self.positions[request.account] += request.side.sign * qty - fee
        self.fills.append((at_ns, fill))
        return [fill, self.told(held)]

    def _trade_id(self) -> str:
        self._trades += 1
        return f"{self.name}{self._trades}"


def missed(venue: VenueModel, account: str, since_ns: int) -> tuple[list[Fill], list[OrderUpdate]]:
    """What a resync tells: fills and changed orders of an account since a time."""
    fills = [fill for at_ns, fill in venue.fills if fill.account == account and at_ns >= since_ns]
    changed = [
        venue.told(held)
        for held in venue.orders.values()
        if held.request.account == account and (held.touched_ns >= since_ns or not held.state.terminal)
    ]
    return fills, changed


def _within(request: OrderRequest, price: Decimal) -> bool:
    if request.price is None:
        return True
    return price <= request.price if request.side is Side.BUY else price >= request.price
