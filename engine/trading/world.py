"""The desk's state: everything that a step may read or change, in one place.

Verbs, hedging rule and view work on it; nobody else does. No clock, chance or I/O: `now_ns` is the input's time,
`chance` is handed in, ids come from the run number and a running sequence (S15).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from engine.trading.adopted import UINT32_BITS, UINT48_BITS, client_id_of
from engine.trading.effects import AskOrder, CancelOrder, Effect, PlaceOrder, Purpose, Urgency
from engine.trading.inputs import MarketSeen
from engine.trading.ledger import Ledger
from engine.trading.limits import smallest_order
from engine.trading.links import Links
from engine.trading.orders import Order, Orders
from engine.trading.plan import AccountPlan, Plan
from engine.trading.rates import RateWindow
from exchanges.types import (
    ZERO,
    ClientIdStyle,
    Instrument,
    LinkState,
    Margin,
    MarketKind,
    OrderRequest,
    OrderType,
    Quote,
    Refusal,
    Rng,
    SelfTrade,
    Side,
    TimeInForce,
)

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_TRUSTED = LinkState.TRUSTED
_SPOT = MarketKind.SPOT
_LIMIT, _MARKET = OrderType.LIMIT, OrderType.MARKET
_CANCEL_BOTH, _CANCEL_MAKER, _CANCEL_TAKER, _NONE = (
    SelfTrade.CANCEL_BOTH,
    SelfTrade.CANCEL_MAKER,
    SelfTrade.CANCEL_TAKER,
    SelfTrade.NONE,
)
_BUY = Side.BUY
_FLATTEN = Purpose.FLATTEN
_RATE = Refusal.RATE
_GTC, _IOC = TimeInForce.GTC, TimeInForce.IOC

MS = 1_000_000
S = 1_000_000_000
VALID_MS = 2_000  # the longest that an order request may be accepted after it was made (S4)
DEAD_MARGIN_NS = 100 * MS  # beyond the validity before "not found" means "never" (reliability.md, at most once)
SLICE_WAIT_NS = 1 * S  # an account that took no slice is left out for so long, doubled each time …
SLICE_WAIT_MOST_NS = 60 * S  # … up to this: the other half of a pair is undone at a price every time (S9)
UINT32_ORDERS = 1 << UINT32_BITS  # orders of one run on venues with 32-bit ids …
UINT48_ORDERS = 1 << UINT48_BITS  # … and with 48-bit ids
IDS_KEPT_BACK = 100_000  # for hedges and the way home: openings stop before
CANCEL_AGAIN_NS = 1 * S  # a standing cancel that brought no answer is asked again
COARSER = (1, 10, 100)  # ticks of a price at an account that has refused one: it may know another tick by now …
COARSER_NS = 600 * S  # … for so long (catalogue 26)

_URGENCY = {
    Purpose.OPEN: Urgency.OPEN,
    Purpose.CLOSE: Urgency.OPEN,
    Purpose.CLEANUP: Urgency.OPEN,
    Purpose.HEDGE: Urgency.HEDGE,
    Purpose.UNDO: Urgency.HEDGE,
    Purpose.FLATTEN: Urgency.FLATTEN,
}


class OrderShape(NamedTuple):
    """What kind of order to make; prices in quote units, None for market. A tuple: one is made for every hedge."""

    side: Side
    qty: Decimal
    price: Decimal | None
    post_only: bool = False
    ioc: bool = False
    reduce_only: bool = False
    slack: int = 1  # a market order's worst price is this many times max_hedge_slippage from the touch


class World:
    """State of one desk on one market. Mutable; stepped only through `Desk.step`."""

    def __init__(self, plan: Plan, *, run: int, chance: Mapping[str, Rng], maker_role: str) -> None:
        self.plan = plan
        self.run = run
        self.chance = chance
        self.maker = plan.roles[maker_role][0]
        self.instruments: dict[str, Instrument] = {name: spec.instrument for name, spec in plan.accounts.items()}
        self.heard = plan.heard
        self.traded = tuple(name for name in plan.accounts if name not in plan.heard)
        self.books_key = {name: (spec.venue, spec.instrument.symbol) for name, spec in plan.accounts.items()}
        self.orders = Orders()
        self.ledger = Ledger(self.instruments, self.maker)
        self.quotes: dict[tuple[str, str], Quote] = {}
        self._quotes_told: dict[tuple[str, str], Quote] = {}
        self._quotes_used: dict[tuple[str, str], Quote] = {}
        # The last answer per account; guards ask the same many times a step.
        self._tradable: dict[str, tuple[Quote, Decimal, Decimal]] = {}
        self.links = Links(plan.accounts)
        self.resync_until_ns = 0  # until when fills of a resync are waited for before the rest is hedged
        self.batch_until_ns = 0  # until when the rest of a source's answer is waited for; 0: there is none
        self.margins: dict[str, Margin] = {}
        self.baseline: dict[str, Decimal] = {}
        self.market = MarketSeen(open=False, reason="stale", text="no quote yet")
        self.rates = {name: RateWindow(plan.limits.orders_per_minute) for name in plan.accounts}
        self._self_trade = {name: _strictest(spec.capabilities.self_trade) for name, spec in plan.accounts.items()}
        self._slip = plan.limits.max_hedge_slippage_bps / 10_000
        self.now_ns = 0
        self.facts = 0
        self.round = 0
        self.round_open = False
        self.sequence = 0
        self.attempts: dict[str, int] = {}
        self.slice_waits: dict[str, tuple[int, int]] = {}  # account -> (wait, until when) after a covering order failed
        self.price_doubts: dict[str, tuple[int, int]] = {}  # account -> (place in COARSER, until when)
        self.undo: list[Callable[[], None]] = []
        self.self_matched = False
        self.positions_doubted = False
        self.uncompared = False  # no reading of the positions has counted for long (S17)
        self.untold: frozenset[int] = frozenset()  # earlier runs of which the journal may not tell all
        self.left_over = False  # an earlier run left orders or positions; until the first round of this one
        self.left_until_ns = 0  # until when answers about its orders are waited for before the rest is hedged
        self.halted = False
        self.trouble = ""  # the limit that broke first, or where the flow itself gave up
        self.paused = False  # a person wants no opening for now
        self.started = False  # every account is connected and read
        self.hedge_all = False  # the flow wants everything hedged now, below its thresholds too …
        self.any_price = False  # … and outside its band
        self.distrusted = False  # positions cannot be trusted: nothing is traded, hedges included (E15)

    def swap(self, plan: Plan) -> None:
        """Other settings and limits for the same accounts, from the next decision on."""
        self.plan = plan
        self._slip = plan.limits.max_hedge_slippage_bps / 10_000

    # --- reading

    def quote(self, account: str) -> Quote | None:
        """The newest best bid/offer of the account's symbol; remembered as used by this decision (journal)."""
        key = self.books_key[account]
        quote = self.quotes.get(key)
        if quote is not None and self._quotes_told.get(key) is not quote:
            self._quotes_used[key] = quote
        return quote

    def take_used_quotes(self) -> list[Quote]:
        if not self._quotes_used:
            return []
        used = list(self._quotes_used.values())
        self._quotes_told.update(self._quotes_used)
        self._quotes_used.clear()
        return used

    @contextmanager
    def looking(self, at_ns: int) -> Iterator[None]:
        """Read at `at_ns`, outside a step: nothing that is read or computed in here is kept (see `Desk.looking`)."""
        kept = self._quotes_used, self._tradable, self.now_ns
        self._quotes_used, self._tradable, self.now_ns = {}, {}, at_ns
        try:
            yield
        finally:
            self._quotes_used, self._tradable, self.now_ns = kept

    def touch(self, account: str, side: Side) -> Decimal | None:
        """The price that an order of `side` would take at best; None without a usable book."""
        quote = self.quote(account)
        if quote is None or quote.crossed:
            return None
        return quote.ask if side is _BUY else quote.bid

    def accounts(self, role: str) -> tuple[str, ...]:
        return self.plan.roles[role]

    @property
    def exposure(self) -> Decimal:
        return self.ledger.exposure

    def in_flight(self) -> Decimal:
        """Signed quantity that live covering orders may still fill, unknown ones included."""
        total = ZERO
        for order in self.orders.covering.values():
            total += order.remaining if order.side is _BUY else -order.remaining
        return total

    def slices_in_flight(self) -> Decimal:
        """Of those the signed quantity of slices that flatten: 0 while both halves of a pair are whole (S9)."""
        total = ZERO
        for order in self.orders.covering.values():
            if order.purpose is _FLATTEN:
                total += order.remaining if order.side is _BUY else -order.remaining
        return total

    def tradable(self, account: str, qty: Decimal) -> Decimal:
        """The largest quantity up to `qty` that the account's venue would accept now (lot, minimum, notional)."""
        last = self._tradable.get(account)
        if last is not None and last[1] == qty and last[0] is self.quotes.get(self.books_key[account]):
            return last[2]  # the answer's own quote: it was noted as used when the answer was found
        quote = self.quote(account)
        if quote is None:
            return ZERO
        size = self.instruments[account].tradable(qty, quote.bid if quote.bid > 0 else quote.ask)
        self._tradable[account] = (quote, qty, size)
        return size

    def reducible(self, account: str, qty: Decimal) -> Decimal:
        """The same of a reduce-only order, which some venues take however little it is worth."""
        quote = self.quote(account) if self.instruments[account].reduces_below_notional else None
        if quote is None:
            return self.tradable(account, qty)
        return self.instruments[account].reducible(qty, quote.bid if quote.bid > 0 else quote.ask)

    def unpriced(self, accounts: tuple[str, ...]) -> bool:
        """Has no book of these accounts been seen yet?"""
        return not any(self.books_key[name] in self.quotes for name in accounts)

    def least(self, account: str, qty: Decimal) -> Decimal:
        """The smallest quantity that the account's venue would let it reduce now, or 0 if that is above `qty`."""
        quote, instrument = self.quote(account), self.instruments[account]
        if quote is None:
            return ZERO
        if instrument.reduces_below_notional:
            instrument = replace(instrument, min_notional=ZERO)
        least = smallest_order(instrument, quote.bid if quote.bid > 0 else quote.ask)
        return least if least <= qty else ZERO

    @property
    def dust_capped(self) -> bool:
        """S6: what is open and cannot be hedged is worth more than its cap."""
        if self.ledger.exposure == 0:
            return False  # reads no quote
        quote = self.quote(self.maker)
        return quote is not None and abs(self.ledger.exposure) * quote.mid > self.plan.limits.dust_cap

    @property
    def resyncing(self) -> bool:
        """True while resyncs deliver fills, one account after the other, and while a source's answer tells several:
        they are judged as one batch at its end.

        Bounded from the first resync or fill that began: what stays away must not hold up the others (S3).
        """
        if self.now_ns < self.batch_until_ns:
            return True
        if self.left_over and (not self.started or (self.now_ns < self.left_until_ns and self.unknown)):
            return True  # are these the accounts of the earlier runs (S1)? Then: answers about the orders of those
        return not self.links.all_trusted and self.now_ns < self.resync_until_ns

    @property
    def unknown(self) -> bool:
        return any(order.unknown for table in (self.orders.covering, self.orders.resting) for order in table.values())

    def meets_own(self, account: str, side: Side) -> bool:
        """S8: our own resting order on the same book could be what a market order hits."""
        resting = self.orders.resting
        if not resting:
            return False
        key = self.books_key[account]
        for order in resting.values():  # noqa: SIM110 asked for every taker at every fill: a generator costs as much again
            if order.side is not side and self.books_key[order.account] == key:
                return True
        return False

    def stays_pending(self, account: str) -> bool:
        """Has an order that covers something not ended in time, so that it was cancelled, or is missed at the venue?

        Who keeps one order pending may keep the next: no new hedge goes there until its end is known (catalogue 15).
        """
        for order in self.orders.covering.values():
            if order.account == account and (order.cancel_ns or order.missing_ns):
                return True
        return False

    def may_slice(self, account: str) -> bool:
        """S14: nothing but cancels on a stream that is not trusted; S9: no hammering where it was refused.

        Nor half of a pair that would wait for the rate limit while the other half fills.
        """
        waits = self.slice_waits.get(account)
        if self.rates[account].spent(self.now_ns):
            return False
        return self.links[account] is _TRUSTED and (waits is None or waits[1] <= self.now_ns)

    def covering_ended(self, order: Order) -> int:
        """Lengthen or end the wait of an account whose covering order has come to its end; the new wait, else 0."""
        wait, until_ns = self.slice_waits.get(order.account, (0, 0))
        if order.done_qty > 0:
            self.slice_waits.pop(order.account, None)
        elif self.now_ns >= until_ns:
            wait = SLICE_WAIT_NS if order.refusal is _RATE else min(2 * wait, SLICE_WAIT_MOST_NS) or SLICE_WAIT_NS
            self.slice_waits[order.account] = (wait, self.now_ns + wait)
            return wait
        return 0

    def price_refused(self, account: str) -> None:
        """The venue found a price of ours wrong: the next ones are multiples of more ticks, at last of one again."""
        place, until_ns = self.price_doubts.get(account, (0, 0))
        place = 0 if self.now_ns >= until_ns else place
        self.price_doubts[account] = ((place + 1) % len(COARSER), self.now_ns + COARSER_NS)

    def _coarser(self, account: str) -> int:
        """How many ticks a price of this account is a multiple of."""
        place, until_ns = self.price_doubts.get(account, (0, 0))
        return COARSER[place] if self.now_ns < until_ns else 1

    def _limit(self, account: str, shape: OrderShape) -> Decimal | None:
        """The order's own price; in doubt about the tick away from the touch if it is to rest, else towards it."""
        ticks = self._coarser(account)
        if shape.price is None or ticks == 1:
            return shape.price
        up = (shape.side is _BUY) is not shape.post_only
        instrument = self.instruments[account]
        return instrument.price_up(shape.price, ticks) if up else instrument.price_down(shape.price, ticks)

    # --- making orders

    def place(
        self, account: str, shape: OrderShape, *, purpose: Purpose, leg: str, covers: Decimal,
        numbered: tuple[int, int] | None = None,
    ) -> PlaceOrder:  # fmt: skip
        """Register an order and return the effect that sends it; undone if the chart's step fails (S2).

        `numbered` are risk unit and attempt of a hedge on terms, in the place of round and attempt.
        """
        spec = self.plan.accounts[account]
        if numbered is None:
            number, attempt = self.round, self.attempts.get(leg, 0) + 1
            self.attempts[leg] = attempt
        else:
            number, attempt = numbered
        client_id = self._next_id(spec.capabilities.client_id, number, leg, attempt)
        valid_ns = VALID_MS * MS
        price = self._limit(account, shape) if self.price_doubts else shape.price
        order = Order(
            client_id=client_id, account=account, venue=spec.venue, symbol=spec.instrument.symbol, side=shape.side,
            qty=shape.qty, price=price, purpose=purpose, leg=leg, round=number, attempt=attempt,
            reduce_only=shape.reduce_only, created_ns=self.now_ns,
            dead_after_ns=self.now_ns + 2 * valid_ns + DEAD_MARGIN_NS,  # sent at `not_after_ns`, and valid from then on
        )  # fmt: skip
        self.orders.register(order)
        self.facts += 1
        self.undo.append(lambda: self._unplace(order))
        self.rates[account].count(self.now_ns)
        return PlaceOrder(
            request=OrderRequest(
                client_id=client_id, account=account, symbol=order.symbol, side=shape.side, qty=shape.qty,
                price=price, type=_MARKET if price is None else _LIMIT,
                tif=_IOC if shape.ioc or price is None else _GTC,
                post_only=shape.post_only, reduce_only=shape.reduce_only and _knows_reduce_only(spec),
                valid_ms=VALID_MS, self_trade=self._self_trade[account],
                worst_price=self._worst_price(account, shape) if price is None else None,
            ),
            venue=spec.venue, urgency=_URGENCY[purpose], purpose=purpose, leg=leg, round=number, attempt=attempt,
            covers=covers, epoch=self.round, not_after_ns=self.now_ns + valid_ns,
        )  # fmt: skip

    def cancel(self, order: Order) -> CancelOrder:
        """Ask for a cancel; it is final only when a terminal state was seen (E7)."""
        before = order.cancel_ns
        self.undo.append(lambda: self._uncancel(order, before))
        order.cancel_ns = self.now_ns
        self.facts += 1  # its account may keep it pending
        self.rates[order.account].count(self.now_ns)
        return CancelOrder(
            account=order.account, symbol=order.symbol, client_id=order.client_id, not_after_ns=self.now_ns + 5 * S
        )

    def ask(self, order: Order, *, token: int) -> AskOrder:
        """Fetch an order's newest state; token 0 is the standing rule's."""
        rate, now_ns = self.rates[order.account], self.now_ns
        self.undo.append(lambda: rate.give_back(now_ns))
        rate.count(now_ns)
        return AskOrder(account=order.account, symbol=order.symbol, client_id=order.client_id, token=token)

    def _unplace(self, order: Order) -> None:
        self.orders.forget(order)
        self.rates[order.account].give_back(self.now_ns)

    def _uncancel(self, order: Order, before_ns: int) -> None:
        order.cancel_ns = before_ns
        self.rates[order.account].give_back(self.now_ns)

    def cancel_all(self, orders: Iterable[Order]) -> list[Effect]:
        return [
            self.cancel(order)
            for order in list(orders)
            if order.cancel_ns == 0 or self.now_ns - order.cancel_ns >= CANCEL_AGAIN_NS
        ]

    def _worst_price(self, account: str, shape: OrderShape) -> Decimal | None:
        if shape.price is not None:
            return None
        touch = self.touch(account, shape.side)
        if touch is None:
            return None
        slip = self._slip if shape.slack == 1 else self._slip * shape.slack
        instrument, ticks = self.instruments[account], self._coarser(account)
        if shape.side is _BUY:
            return instrument.price_up(touch + touch * slip, ticks)
        return instrument.price_down(touch - touch * slip, ticks)

    @property
    def ids_left(self) -> bool:
        """S15: may another order be made without an id of another run coming back?"""
        styles = {spec.capabilities.client_id for spec in self.plan.accounts.values()}
        if ClientIdStyle.UINT32 in styles and self.sequence >= UINT32_ORDERS - IDS_KEPT_BACK:
            return False
        return ClientIdStyle.UINT48 not in styles or self.sequence < UINT48_ORDERS - IDS_KEPT_BACK

    def _next_id(self, style: ClientIdStyle, number: int, leg: str, attempt: int) -> str:
        self.sequence += 1
        return client_id_of(style, run=self.run, sequence=self.sequence, text=(number, leg, attempt))


def _knows_reduce_only(spec: AccountPlan) -> bool:
    """S18: spot has inventory, not positions: quantities are bounded by the balance instead of reduce-only."""
    return spec.capabilities.reduce_only and spec.instrument.kind is not _SPOT


def _strictest(modes: frozenset[SelfTrade]) -> SelfTrade:
    for mode in (_CANCEL_TAKER, _CANCEL_MAKER, _CANCEL_BOTH):
        if mode in modes:
            return mode
    return _NONE
