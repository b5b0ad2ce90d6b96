"""Somebody who makes a market on the local BiFu, so that there are fills to hedge. Pure; seeded.

It rests an order on each side of the touch and follows it. What the market's trades leave it is filled by them; beside
them it is hit `rate` times a second by takers from outside, of sizes drawn between `lots_min` and `lots_max`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from exchanges.types import OrderRequest, OrderType, Refused, Rng, SelfTrade, Side, TimeInForce
from exchanges.venues.exchange import Exchange, Market, VenueAccount
from exchanges.venues.faults import Faults
from exchanges.venues.ledger import VenueOrder

MS, S = 1_000_000, 1_000_000_000
FOLLOW_EVERY_NS = S // 2
HIT_EVERY_NS = 10 * MS  # hits of a higher rate come several at once, and are told in one message
ORDER_HITS = 200  # of the largest size, that one resting order has room for


@dataclass(frozen=True, slots=True)
class MakerOptions:
    """`fills_most`: the maker is hit so often, then no more; 0: without end."""

    rate: int = 1  # hits a second
    fills_most: int = 0
    lots_min: int = 10
    lots_max: int = 500


@dataclass(slots=True)
class MarketMaker:
    """One account's market making in `markets`; others of the venue are for the fault `maker_strays`."""

    exchange: Exchange
    account: VenueAccount
    markets: list[Market]
    rng: Rng
    options: MakerOptions
    faults: Faults | None = None
    hits: int = 0
    _over: bool = False
    _orders: dict[tuple[str, Side], VenueOrder] = field(default_factory=dict)
    _owed: int = 0  # hits that are due, in billionths

    def start(self) -> None:
        self._follow()
        if self.options.rate:
            self._later(max(HIT_EVERY_NS, S // self.options.rate), self._hit_due)

    def stop(self) -> None:
        """Nothing rests any more, and it is hit no more."""
        self._over = True
        for order in self._orders.values():
            if order.end is None:
                self.exchange.cancel(order)

    def _later(self, after_ns: int, what: object) -> None:
        assert callable(what)
        self.exchange.clock.call_at(self.exchange.clock.now_ns() + after_ns, what)

    # -- resting -------------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        if self._over:
            return
        for market in self.markets:
            for side in Side:
                self._rest(market, side)
        self._later(FOLLOW_EVERY_NS, self._follow)

    def _rest(self, market: Market, side: Side) -> VenueOrder | None:
        """The order at the touch, made anew where it is not there any more; None where funds or the book forbid it."""
        if not market.book.quoted:
            return None
        symbol = market.instrument.symbol
        price = market.book.best(side) * market.instrument.tick
        order = self._orders.get((symbol, side))
        if order is not None and order.end is None and order.price == price:
            return order
        if order is not None:
            self.exchange.cancel(order)
        placed = self._place(market, side, ORDER_HITS * self.options.lots_max, price, post_only=True)
        if placed is not None:
            self._orders[symbol, side] = placed
        return placed

    def _place(self, market: Market, side: Side, lots: int, price: object, *, post_only: bool) -> VenueOrder | None:
        """As many lots as the account can pay for, halved until they fit."""
        lot = market.instrument.lot
        while lots:
            request = OrderRequest(
                client_id="", account=self.account.name, symbol=market.instrument.symbol, side=side, qty=lots * lot,
                price=price, type=OrderType.LIMIT, tif=TimeInForce.GTC if post_only else TimeInForce.IOC,  # type: ignore[arg-type]
                post_only=post_only, reduce_only=False, valid_ms=0, self_trade=SelfTrade.NONE,
            )  # fmt: skip
            placed = self.exchange.place(self.account, request)
            if not isinstance(placed, Refused):
                return placed
            lots //= 2
        return None

    # -- being hit -----------------------------------------------------------------------------------------------

    def _hit_due(self) -> None:
        every_ns = max(HIT_EVERY_NS, S // self.options.rate)
        self._owed += every_ns * self.options.rate
        while self._owed >= S:
            self._owed -= S
            if self._over or (self.options.fills_most and self.hits >= self.options.fills_most):
                return
            self._hit()
        self._later(every_ns, self._hit_due)

    def _hit(self) -> None:
        market = self.markets[self.rng.below(len(self.markets))]
        side = Side.BUY if self.rng.below(2) else Side.SELL
        lots = self.options.lots_min + self.rng.below(self.options.lots_max - self.options.lots_min + 1)
        rule = None if self.faults is None else self.faults.on_maker(self.account.name, market.instrument.symbol)
        match "" if rule is None else rule.fault:
            case "maker_takes":
                self._take(market, side, lots)
            case "maker_meets_itself":
                self._meet(market, side, lots)
            case "maker_strays":
                strange = [other for other in self.exchange.markets.values() if other not in self.markets]
                self._fill(strange[0] if strange else market, side, lots)
            case _:
                self._fill(market, side, lots)

    def _fill(self, market: Market, side: Side, lots: int) -> None:
        order = self._rest(market, side) or self._rest(market, side.opposite)
        if order is not None:
            self.exchange.hit(order, lots * market.instrument.lot)
            self.hits += 1

    def _take(self, market: Market, side: Side, lots: int) -> None:
        best = market.book.best(side.opposite) * market.instrument.tick
        if self._place(market, side, lots, best, post_only=False) is not None:
            self.hits += 1

    def _meet(self, market: Market, side: Side, lots: int) -> None:
        """Take through everything that waits before the own order, and a part of that."""
        order = self._rest(market, side)
        if order is not None and order.price is not None:
            self._place(market, side.opposite, order.book.ahead + lots, order.price, post_only=False)
            self.hits += 1
