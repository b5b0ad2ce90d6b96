"""What stands behind a venue's protocol: accounts and markets on the shared matching engine, and its own ledger.

Speaks no protocol: the model of a venue calls it and hears of everything through its `Audience`. Driven by the clock.
No funding or interest. A repeated recording goes on at its first price; nobody is settled at the seam.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count
from typing import Protocol

from exchanges.accounts import (
    Balances,
    Exposure,
    exposure_of,
    fee_asset,
    fee_of,
    margin_of,
    refuse_buy,
    refuse_margin,
    refuse_sell,
)
from exchanges.errors import MarketDataError
from exchanges.market import MarketEvent, MarketQuote, MarketSource, MarketTrade
from exchanges.matching import NOTHING, Book, BookOrder, Depth, Execution, Outcome, book_order
from exchanges.types import (
    ZERO,
    Clock,
    Fill,
    FillKind,
    Instrument,
    Liquidity,
    Margin,
    MarketKind,
    OrderRequest,
    OrderState,
    OrderType,
    Refusal,
    Refused,
    SelfTrade,
    Side,
    TimeInForce,
)
from exchanges.venues.ledger import End, Ledger, PublicTrade, VenueOrder

_BUY, _SELL = Side.BUY, Side.SELL
_SPOT = MarketKind.SPOT
REFUSAL_ENDS: Mapping[Refusal | None, End] = {
    Refusal.POST_ONLY: End.POST_ONLY,
    Refusal.MARGIN: End.MARGIN,
    Refusal.REDUCE_ONLY: End.REDUCE_ONLY,
    Refusal.SELF_TRADE: End.SELF_TRADE,
}
PUBLIC_TRADES_MAX = 1_000  # of one market that can be asked for: what the venues' own endpoints give at most


@dataclass(slots=True, eq=False)
class VenueAccount:
    """One account. Self-trade prevention acts between equal owners; `open` holds live orders by venue order id."""

    name: str
    number: int
    owner: str
    balances: Balances
    open: dict[str, VenueOrder] = field(default_factory=dict)
    realized: dict[str, Decimal] = field(default_factory=dict)  # profit of closed quantities by symbol, before fees
    traded: dict[str, int] = field(default_factory=dict)  # how often a position was opened, by symbol
    liquidations: int = 0

    def by_client_id(self, client_id: str) -> VenueOrder | None:
        return next((order for order in self.open.values() if order.client_id == client_id), None)


@dataclass(slots=True, eq=False)
class Market:
    """One symbol: its book, where its outside liquidity comes from, and what was traded last.

    `coarse` is how many ticks of the source make one tick of the venue today (more than 1 after a change of tick),
    `jumped_bps` how far the market stands from its source.
    """

    instrument: Instrument
    book: Book
    source: MarketSource
    number: int
    start_ns: int = 0
    coarse: int = 1
    jumped_bps: int = 0
    version: int = 0  # counts changes of the book
    sound: tuple[int, int] = (0, 0)  # the mid, doubled, and the number of fills at which nobody was broke
    trades: list[PublicTrade] = field(default_factory=list)

    @property
    def tick(self) -> Decimal:
        return self.instrument.tick * self.coarse

    @property
    def mark(self) -> Decimal:
        """The outside mid, which stands for mark and index price."""
        return self.book.mid_doubled * self.instrument.tick / 2

    def exposure(
        self, account: VenueAccount, *, adding: BookOrder | None = None, leaving_out: BookOrder | None = None
    ) -> Exposure:
        orders = [
            order.book
            for order in account.open.values()
            if order.instrument is self.instrument and order.book is not leaving_out
        ]
        return exposure_of(
            account.balances, self.instrument, mid=self.mark, orders=orders if adding is None else [*orders, adding]
        )

    def levels(self, side: Side, limit: int | None = None) -> list[tuple[Decimal, Decimal]]:
        """Price and quantity of each level, the best first."""
        tick, lot = self.instrument.tick, self.instrument.lot
        return [
            (tick * ticks, lot * lots)
            for shown, (ticks, lots) in enumerate(self.book.levels(side))
            if limit is None or shown < limit
        ]


class Audience(Protocol):
    """Who hears what happens, at the moment when it happens: the model that speaks a venue's protocol."""

    def on_accepted(self, order: VenueOrder) -> None: ...

    def on_fill(self, order: VenueOrder, fill: Fill) -> None:
        """One execution of an order; `order.cum_qty` and `order.state` are those after it."""

    def on_ended(self, order: VenueOrder) -> None:
        """An order ended without having filled whole."""

    def on_shrunk(self, order: VenueOrder) -> None:
        """The engine made a resting reduce-only order smaller."""

    def on_book(self, market: Market) -> None: ...

    def on_trade(self, market: Market, trade: PublicTrade) -> None: ...


class Exchange:
    """Accounts, markets and the ledger of one local venue.

    `sources` gives each symbol its outside market. All instruments are quoted in one asset, in which accounts hold
    cash. `on_failure` gets the error of a broken source; without it the error leaves the clock's callback.
    """

    def __init__(
        self, name: str, instruments: Iterable[Instrument], *, sources: Mapping[str, MarketSource], clock: Clock,
        depth: Depth | None = None, first_order_id: int = 1,
        on_failure: Callable[[MarketDataError], None] | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.clock = clock
        self.ledger = Ledger()
        self.accounts: dict[str, VenueAccount] = {}
        self.markets: dict[str, Market] = {}
        self.parts = 1  # in which what the market takes is taken
        self.skew_ms = 0  # how far the venue's clock is ahead of the machine's
        self.audience: Audience | None = None
        self._on_failure = on_failure
        self._next_order_id = count(first_order_id).__next__
        for number, instrument in enumerate(instruments):
            book = Book(instrument, next_trade_id=count(1).__next__, depth=depth)
            self.markets[instrument.symbol] = Market(instrument, book, sources[instrument.symbol], number)
        if len({market.instrument.quote for market in self.markets.values()}) != 1:
            raise ValueError(f"{name}: a local venue needs instruments of one quote asset")

    @property
    def quote_asset(self) -> str:
        return next(iter(self.markets.values())).instrument.quote

    def now_ms(self) -> int:
        """The venue's own wall clock."""
        return self.clock.wall_ms() + self.skew_ms

    def open_account(
        self, name: str, *, cash: Decimal, base: Mapping[str, Decimal] | None = None, owner: str | None = None
    ) -> VenueAccount:
        """A new account with `cash` and, by symbol, spot balances."""
        if name in self.accounts:
            raise ValueError(f"{self.name}: account {name} exists already")
        account = VenueAccount(name, len(self.accounts) + 1, owner or name, Balances(cash, dict(base or {})))
        self.accounts[name] = account
        return account

    def start(self) -> None:
        for market in self.markets.values():
            market.start_ns = self.clock.now_ns()
            self._pull(market)

    # -- what accounts do ----------------------------------------------------------------------------------------

    def place(
        self, account: VenueAccount, request: OrderRequest, *, fill_or_kill: bool = False, account_only: bool = False,
        detail: object = None, ends_on: Container[Refusal] = (), refuse: Refusal | None = None,
        most: Decimal | None = None, hold_ns: int = 0, kind: FillKind = FillKind.TRADE,
    ) -> VenueOrder | Refused:  # fmt: skip
        """Take an order, match it and rest what is left, or refuse it.

        With `account_only`, self-trade prevention spares other accounts of the owner. `detail` is kept for the
        protocol's own use. What would be refused for one of `ends_on` is accepted and ends at once. For faults: it is
        refused for `refuse` whatever it is; if it takes, no more than `most` fills, as somebody else was faster; after
        `hold_ns` only it reaches the book and becomes visible, if it then still can.
        """
        market = self.markets.get(request.symbol)
        if market is None:
            return Refused(Refusal.UNSUPPORTED, f"no market {request.symbol}")
        formed = self._form(account, market, request)
        if isinstance(formed, Refused):
            return formed
        formed.account_only = account_only
        refused = self._refuse(account, market, formed) if refuse is None else Refused(refuse, "by the fault plan")
        if refused is not None and refused.refusal not in ends_on:
            return refused
        order = VenueOrder(
            formed, market.instrument, request, self.now_ms(), fill_or_kill=fill_or_kill, kind=kind, detail=detail
        )
        self.ledger.add_order(order)
        if hold_ns and refused is None:
            self.clock.call_at(self.clock.now_ns() + hold_ns, self._release, order)
        else:
            self._enter(order, end=None if refused is None else REFUSAL_ENDS[refused.refusal], most=most)
        return order

    def _release(self, order: VenueOrder) -> None:
        """Let an order that was held back reach the book unless it was cancelled; it expires if refused by now."""
        if order.book.state.terminal:
            return
        account, market = self.accounts[order.account], self.markets[order.symbol]
        self._enter(order, end=End.EXPIRED if self._refuse(account, market, order.book) else None, most=None)

    def _enter(self, order: VenueOrder, *, end: End | None, most: Decimal | None) -> None:
        """Tell that an order is there, then let it match; with `end` it only ends."""
        market, admitted = self.markets[order.symbol], order.book
        self.accounts[order.account].open[order.order_id] = order
        if self.audience is not None:
            self.audience.on_accepted(order)
        if end is None and order.fill_or_kill and self._takeable(market, admitted) < admitted.lots:
            end = End.FILL_OR_KILL
        if end is not None:
            self._end_unfilled(order, end)
            return
        if most is not None and admitted.ioc:
            self._publish(market, self._match_some(market, admitted, most))
        else:
            self._publish(market, market.book.place(admitted))

    def _match_some(self, market: Market, order: BookOrder, most: Decimal) -> Outcome:
        """Match no more than `most` of an order that never rests, and cancel the remainder."""
        wanted = order.lots
        order.lots = min(wanted, int(most / market.instrument.lot))
        outcome = market.book.place(order) if order.lots else Outcome(changed=[order])
        order.lots = wanted
        if order.leaves:
            order.state = OrderState.CANCELED
        return outcome

    def cancel(self, order: VenueOrder, *, end: End = End.CANCELLED) -> None:
        """Take an open order off the book. Without effect on one that has ended."""
        market = self.markets[order.symbol]
        self._publish(market, market.book.cancel(order.book), end=end)

    def modify(self, order: VenueOrder, *, price: Decimal, qty: Decimal) -> Refused | None:
        """Change limit and total quantity of an open order, or say why not."""
        account, market = self.accounts[order.account], self.markets[order.symbol]
        changed = book_order(
            replace(order.request, price=price, qty=qty),
            replace(market.instrument, tick=market.tick), order_id=order.order_id, owner=account.owner,
        )  # fmt: skip
        if isinstance(changed, Refused):
            return changed
        changed.ticks = (changed.ticks or 0) * market.coarse
        changed.cum = order.book.cum
        if changed.lots <= changed.cum:
            return Refused(Refusal.SIZE, f"quantity {qty} is not above the filled {order.cum_qty}")
        refused = market.book.refuse(changed) or self._refuse_funds(account, market, changed, replacing=order.book)
        if refused is None:
            order.request = replace(order.request, price=price, qty=qty)
            self._publish(market, market.book.modify(order.book, ticks=changed.ticks, lots=changed.lots))
        return refused

    def hit(self, order: VenueOrder, qty: Decimal) -> None:
        """Let somebody outside take `qty` of a resting order now (a fault: the race that a cancel loses)."""
        market = self.markets[order.symbol]
        self._publish(market, market.book.hit(order.book, int(qty / market.instrument.lot)))

    def liquidate(self, account: VenueAccount, symbol: str) -> None:
        """Cancel the account's orders of a market and close its position there at market, as the venue does it."""
        market = self.markets[symbol]
        for order in tuple(account.open.values()):
            if order.symbol == symbol:
                self.cancel(order, end=End.LIQUIDATION)
        qty = account.balances.holding(symbol).qty
        if not qty or market.instrument.kind is _SPOT:
            return
        account.liquidations += 1
        self.place(
            account,
            OrderRequest(
                client_id="", account=account.name, symbol=symbol, side=_SELL if qty > 0 else _BUY, qty=abs(qty),
                price=None, type=OrderType.MARKET, tif=TimeInForce.IOC, post_only=False, reduce_only=True, valid_ms=0,
                self_trade=SelfTrade.NONE,
            ),
            kind=FillKind.LIQUIDATION,
        )  # fmt: skip

    def trade_by_hand(self, account: VenueAccount, symbol: str, lots: int) -> None:
        """Buy `lots` for the account at market, sell them where negative: as its owner does without us."""
        self.place(
            account,
            OrderRequest(
                client_id="", account=account.name, symbol=symbol, side=_BUY if lots > 0 else _SELL,
                qty=abs(lots) * self.markets[symbol].instrument.lot, price=None, type=OrderType.MARKET,
                tif=TimeInForce.IOC, post_only=False, reduce_only=False, valid_ms=0, self_trade=SelfTrade.NONE,
            ),
        )  # fmt: skip

    def jump(self, symbol: str, bps: int) -> None:
        """From its next quote on the market stands so far from its source."""
        self.markets[symbol].jumped_bps = bps

    def change_tick(self, symbol: str, coarse: int) -> None:
        """From now on the venue quotes and takes prices in `coarse` ticks of its source only."""
        market = self.markets[symbol]
        market.coarse = coarse
        self._book_moved(market)

    # -- what can be asked ---------------------------------------------------------------------------------------

    def margin(self, account: VenueAccount) -> Margin:
        return margin_of(account.name, account.balances, self._exposures(account))

    def settled_cash(self, account: VenueAccount) -> Decimal:
        """The quote balance: deposit, realised profit and fees, without what open positions have gained."""
        held = (
            account.balances.holding(symbol)
            for symbol, market in self.markets.items()
            if market.instrument.kind is MarketKind.PERP
        )
        return account.balances.cash + sum((holding.qty * holding.entry_price for holding in held), ZERO)

    def available(self, market: Market, side: Side, *, ticks: int | None = None) -> Iterator[tuple[int, int]]:
        """Price and lots that an order of `side` could take, the best first, up to its limit."""
        for level, lots in market.book.levels(side.opposite):
            if ticks is not None and (level - ticks) * side.sign > 0:
                return
            yield level, lots

    def qty_for(self, market: Market, side: Side, quote_qty: Decimal) -> Decimal:
        """How much a market order for `quote_qty` of the quote asset can trade, in whole lots; 0 if nothing."""
        spec, left, lots = market.instrument, quote_qty, 0
        for ticks, shown in self.available(market, side):
            price = ticks * spec.tick
            taken = min(shown, int(left / (price * spec.lot)))
            lots += taken
            left -= taken * price * spec.lot
            if taken < shown:
                break
        return lots * spec.lot

    # -- admission -----------------------------------------------------------------------------------------------

    def _form(self, account: VenueAccount, market: Market, request: OrderRequest) -> BookOrder | Refused:
        """The order in ticks and lots, under a new id."""
        if not market.book.quoted:
            return Refused(Refusal.VENUE, "the market is closed: no quote yet")
        if request.client_id and account.by_client_id(request.client_id) is not None:
            return Refused(Refusal.DUPLICATE_ID, f"an open order has the client id {request.client_id}")
        today = replace(market.instrument, tick=market.tick) if market.coarse > 1 else market.instrument
        order = book_order(request, today, order_id=str(self._next_order_id()), owner=account.owner)
        if not isinstance(order, Refused) and order.ticks is not None:
            order.ticks *= market.coarse
        return order

    def _refuse(self, account: VenueAccount, market: Market, order: BookOrder) -> Refused | None:
        return market.book.refuse(order) or self._refuse_funds(account, market, order)

    def _refuse_funds(
        self, account: VenueAccount, market: Market, order: BookOrder, *, replacing: BookOrder | None = None
    ) -> Refused | None:
        if market.instrument.kind is _SPOT:
            return self._refuse_balance(account, market, order, replacing=replacing)
        after = market.exposure(account, adding=order, leaving_out=replacing)
        others = self._exposures(account, but=market)
        return refuse_margin(
            account.name, account.balances, before=market.exposure(account), after=after, others=others
        )

    def _refuse_balance(
        self, account: VenueAccount, market: Market, order: BookOrder, *, replacing: BookOrder | None
    ) -> Refused | None:
        spec, qty = market.instrument, order.leaves * market.instrument.lot
        mine = market.exposure(account, leaving_out=replacing)
        if order.side is _SELL:
            return refuse_sell(mine, qty)
        ticks = market.book.worst_price(_BUY) if order.ticks is None else order.ticks
        exposures = [mine, *self._exposures(account, but=market)]
        return refuse_buy(account.balances, spec, qty=qty, price=ticks * spec.tick, exposures=exposures)

    def _exposures(self, account: VenueAccount, *, but: Market | None = None) -> list[Exposure]:
        return [market.exposure(account) for market in self.markets.values() if market is not but]

    def _takeable(self, market: Market, order: BookOrder) -> int:
        return sum(lots for _, lots in self.available(market, order.side, ticks=order.ticks))

    # -- the market ----------------------------------------------------------------------------------------------

    def _pull(self, market: Market) -> None:
        try:
            event = next(market.source, None)
        except MarketDataError as error:
            if self._on_failure is None:
                raise
            self._on_failure(error)
            return
        if event is not None:
            # Not before now: a market that this machine cannot keep up with must not delay orders that wait in line.
            due_ns = max(market.start_ns + event.offset_ns, self.clock.now_ns())
            self.clock.post_at(due_ns, self._market_moved, market, event)

    def _market_moved(self, market: Market, event: MarketEvent) -> None:
        if market.jumped_bps:
            event = _jumped(event, market.jumped_bps)
        if type(event) is MarketQuote:
            coarse = market.coarse
            bid, ask = event.bid // coarse * coarse, -(-event.ask // coarse) * coarse
            outcome = market.book.apply_quote(bid, event.bid_lots, ask, event.ask_lots)
            if outcome is not NOTHING:
                self._publish(market, outcome)
            self._book_moved(market)
            self._liquidate_the_broke(market)
        elif type(event) is MarketTrade:
            for lots in (event.lots,) if self.parts == 1 else _in_parts(event.lots, self.parts):
                self._traded(market, event, lots)
        self._pull(market)

    def _traded(self, market: Market, event: MarketTrade, lots: int) -> None:
        left = lots
        outcome = market.book.apply_trade(event.taker, event.ticks, lots)
        if outcome is not NOTHING:
            self._publish(market, outcome)
            left -= sum(execution.lots for execution in outcome.executions)
        if left:
            self._public_trade(market, event.taker, event.ticks, lots=left, trade_id=market.book.next_trade_id())

    def _liquidate_the_broke(self, market: Market) -> None:
        spec, seen = market.instrument, (market.book.mid_doubled, len(self.ledger.fills))
        if spec.kind is _SPOT or seen == market.sound:
            return  # nine quotes in ten leave the mid where it was, and most come without a fill
        market.sound = seen
        for account in self.accounts.values():
            if account.balances.holding(spec.symbol).qty and self._broke(account):
                market.sound = (0, 0)
                self.liquidate(account, spec.symbol)

    def _broke(self, account: VenueAccount) -> bool:
        """As `margin` says it; without the open orders, which make no difference to it."""
        balances = account.balances
        equity, maintenance = balances.cash, ZERO
        for market in self.markets.values():
            qty = balances.holding(market.instrument.symbol).qty
            if qty:
                value = qty * market.mark
                equity += value
                if market.instrument.kind is not _SPOT:
                    maintenance += abs(value) * market.instrument.maintenance_margin
        return equity < maintenance

    # -- what goes out -------------------------------------------------------------------------------------------

    def _publish(self, market: Market, outcome: Outcome, *, end: End | None = None) -> None:
        """Book an outcome and tell of it: fills in order, then what ended or shrank, then the book."""
        if outcome is NOTHING:
            return
        by_trade: dict[int, list[Execution]] = {}
        for execution in outcome.executions:
            by_trade.setdefault(execution.trade_id, []).append(execution)
            self._book(market, execution)
        for changed in outcome.changed:
            self._settle(changed, end)
        for executions in by_trade.values():
            self._trade_of(market, executions)
        self._book_moved(market)

    def _book(self, market: Market, execution: Execution) -> None:
        order = self.ledger.orders[execution.order.order_id]
        account, spec, side = self.accounts[order.account], market.instrument, order.side
        qty, price = spec.lot * execution.lots, spec.tick * execution.ticks
        fee = fee_of(spec, side, qty=qty, price=price, maker=execution.maker)
        liquidity = Liquidity.MAKER if execution.maker else Liquidity.TAKER
        fill = Fill(
            self.name, account.name, spec.symbol, order.client_id, order.order_id, str(execution.trade_id), side, qty,
            price, fee, fee_asset(spec, side), liquidity, self.now_ms(), self.clock.now_ns(), order.kind,
        )  # fmt: skip
        self._realize(account, fill)
        account.balances.trade(spec, side, qty=qty, price=price, fee=fee)
        order.take(fill)
        self.ledger.add_fill(fill)
        if self.audience is not None:
            self.audience.on_fill(order, fill)

    def _realize(self, account: VenueAccount, fill: Fill) -> None:
        """Count the profit of what this fill closes, before it is booked."""
        holding, symbol = account.balances.holding(fill.symbol), fill.symbol
        if not holding.qty:
            account.traded[symbol] = account.traded.get(symbol, 0) + 1
        closed = min(fill.qty, abs(holding.qty)) if holding.qty * fill.side.sign < 0 else ZERO
        if closed:
            gained = (fill.price - holding.entry_price) * closed * -fill.side.sign
            account.realized[symbol] = account.realized.get(symbol, ZERO) + gained

    def _settle(self, changed: BookOrder, end: End | None) -> None:
        order = self.ledger.orders[changed.order_id]
        if not changed.state.terminal:
            if order.lots_told != changed.lots:
                order.lots_told = changed.lots
                if self.audience is not None:
                    self.audience.on_shrunk(order)
        elif changed.state is OrderState.FILLED:
            order.end, order.ended_ms = End.FILLED, self.now_ms()
            self.accounts[order.account].open.pop(order.order_id, None)
        else:
            self._end_unfilled(order, end or self._end_of(order))

    def _end_unfilled(self, order: VenueOrder, end: End) -> None:
        order.book.state = OrderState.CANCELED
        order.end, order.ended_ms = end, self.now_ms()
        self.accounts[order.account].open.pop(order.order_id, None)
        if self.audience is not None:
            self.audience.on_ended(order)

    def _end_of(self, order: VenueOrder) -> End:
        """Why the book itself ended an order that has not filled whole."""
        if order.book.refusal in REFUSAL_ENDS:
            return REFUSAL_ENDS[order.book.refusal]
        if order.request.type is not OrderType.MARKET:
            return End.IMMEDIATE
        left = self.markets[order.symbol].book.top(order.side.opposite)
        return End.NO_LIQUIDITY if left is None else End.PRICE_BOUND

    def _trade_of(self, market: Market, executions: list[Execution]) -> None:
        """The public trade of one match: one of ours against the outside, or two of ours."""
        first = executions[0]
        taker = next((it for it in executions if not it.maker), None)
        side = first.order.side.opposite if taker is None else taker.order.side
        ids = {execution.order.side: execution.order.order_id for execution in executions}
        self._public_trade(
            market, side, first.ticks, lots=first.lots, trade_id=first.trade_id,
            buyer=ids.get(_BUY, ""), seller=ids.get(_SELL, ""),
        )  # fmt: skip

    def _public_trade(
        self, market: Market, taker: Side, ticks: int, *, lots: int, trade_id: int, buyer: str = "", seller: str = ""
    ) -> None:
        spec = market.instrument
        trade = PublicTrade(
            spec.symbol, trade_id, spec.tick * ticks, spec.lot * lots, taker, buyer, seller, self.now_ms()
        )
        market.trades.append(trade)
        if buyer or seller:
            self.ledger.add_trade(trade)
        if len(market.trades) > 2 * PUBLIC_TRADES_MAX:
            del market.trades[:PUBLIC_TRADES_MAX]
        if self.audience is not None:
            self.audience.on_trade(market, trade)

    def _book_moved(self, market: Market) -> None:
        market.version += 1
        if self.audience is not None:
            self.audience.on_book(market)


def _in_parts(lots: int, count: int) -> list[int]:
    """Whole lots, as even as can be: fewer parts where there are not as many."""
    least, more = divmod(lots, count)
    return [least + 1] * more + ([least] * (count - more) if least else [])


def _jumped(event: MarketEvent, bps: int) -> MarketEvent:
    """The event as far from its price as the market has jumped; the spread stays."""
    if isinstance(event, MarketQuote):
        by = event.bid * bps // 10_000
        return event._replace(bid=event.bid + by, ask=event.ask + by)
    return event._replace(ticks=event.ticks + event.ticks * bps // 10_000) if isinstance(event, MarketTrade) else event
