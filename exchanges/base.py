"""The one interface through which the engine touches a venue (E20): one client per account.

Orders go out by `submit*`, which hand over and return at once; the answer comes to `on_reply`, the life of the
order to the private handler. Nothing here retries, and nothing guesses: an answer that cannot be trusted is `Unknown`.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal

from exchanges.types import (
    AccountFacts,
    Capabilities,
    Fill,
    Instrument,
    Margin,
    OrderRequest,
    OrderType,
    OrderUpdate,
    Position,
    PrivateHandler,
    Quote,
    QuoteHandler,
    Reply,
    ReplyHandler,
    SelfTrade,
    Side,
    TimeInForce,
)

BatchReplyHandler = Callable[[str, Reply], None]  # client id, answer


class BaseExchangeClient(ABC):
    """One account on one venue. The engine registers a client order id before it calls `submit`."""

    account: str
    venue: str
    capabilities: Capabilities

    @property
    def remembered(self) -> int | None:
        """Trade ids in memory by which a fill told again is known, where they are kept by time; for a metric."""
        return None

    @abstractmethod
    async def connect(self) -> None:
        """Open the streams and resync; returns when the account is TRUSTED. Raises: AuthFailed, LinkDown."""

    @abstractmethod
    async def disconnect(self) -> None:
        """Close the streams. Leaves orders as they are. Idempotent."""

    def leaving(self) -> None:  # noqa: B027 most clients keep nothing back
        """The run is on its way out and opens nothing more: positions are now asked for as what finds fills is (S11).

        Whether all is flat is what it waits for; orders keep their part of the requests. Idempotent.
        Does nothing where others share the client, or where no question is held back.
        """

    @abstractmethod
    def setup_order_update_handler(self, handler: PrivateHandler) -> None:
        """Give the one receiver of this account's orders, fills, margin and link states. Call before `connect`."""

    @abstractmethod
    def setup_quote_handler(self, symbol: str, handler: QuoteHandler) -> None:
        """Give the one receiver of best bid/offer of `symbol`; only the newest quote is delivered."""

    @abstractmethod
    def submit(self, order: OrderRequest, on_reply: ReplyHandler) -> None:
        """Send an order now. Never blocks, never raises for the venue's answer; `on_reply` is called exactly once.

        Frames about the order may reach the private handler before `on_reply`.
        """

    @abstractmethod
    def submit_cancel(self, symbol: str, client_id: str, on_reply: ReplyHandler) -> None:
        """Ask to cancel one order. `Accepted` means requested; cancelled is what the order stream says (E7)."""

    def together(self) -> AbstractContextManager[None]:
        """Several orders are submitted inside, which leave in their order, the last one at its end.

        What one of them takes before it can leave may overlap with the sending of the one before. May be nested.
        """
        return nullcontext()

    def submit_modify(
        self, symbol: str, client_id: str, on_reply: ReplyHandler, *, price: Decimal, qty: Decimal
    ) -> None:
        """Change price and total quantity of a resting order, where `capabilities.modify` says so.

        Raises: NotImplementedError where the venue has no native modify; never a silent cancel-and-replace (E20).
        """
        raise NotImplementedError(f"{self.venue} has no native modify")

    def submit_batch(self, orders: Sequence[OrderRequest], on_reply: BatchReplyHandler) -> None:
        """Send several orders as one request, where `capabilities.batch` says so; each gets its own reply.

        Raises: NotImplementedError where the venue has no batch; never a silent row of single orders (E20).
        """
        raise NotImplementedError(f"{self.venue} has no batch of orders")

    @abstractmethod
    async def get_order_info(self, symbol: str, client_id: str) -> OrderUpdate | None:
        """The newest state of an order, terminal ones included; None if the venue knows no such order.

        Raises: LinkDown, OutcomeUnknown, RateLimited when no answer could be had: that is not "no such order".
        """

    @abstractmethod
    async def get_active_orders(self, symbol: str) -> Sequence[OrderUpdate]:
        """All open orders of this account in `symbol`. Raises as `get_order_info`."""

    @abstractmethod
    async def get_fills(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        """Fills of this account at or after `since_ms`, oldest first. Raises as `get_order_info`."""

    async def get_spare_fills(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        """As `get_fills`, for the books alone: RateLimited where requests are scarce, before none is left (S11)."""
        return await self.get_fills(symbol, since_ms)

    @abstractmethod
    async def get_account_positions(self) -> Sequence[Position]:
        """Signed positions; a flat symbol is absent or 0. A failure raises and is never read as flat."""

    @abstractmethod
    async def get_margin(self) -> Margin:
        """Equity, free collateral and maintenance requirement now."""

    async def get_holdings(self) -> tuple[Sequence[Position], Margin]:
        """Positions and margin for who needs both, with no question asked twice. Raises as either of them."""
        return await self.get_account_positions(), await self.get_margin()

    @abstractmethod
    async def get_contract_attributes(self, symbol: str) -> Instrument:
        """Tick, lot, minima, fees. Raises: Rejected if the venue does not list the symbol."""

    @abstractmethod
    async def fetch_bbo_prices(self, symbol: str) -> Quote:
        """The best bid and offer now. Raises: LinkDown when there is none."""

    async def get_account_facts(self, symbol: str) -> AccountFacts:
        """Clock, tier, leverage and rights, as far as the venue tells; nothing is changed. Raises as `get_margin`."""
        return AccountFacts()

    def exercise_fill(self) -> None:  # noqa: B027 an adapter may have nothing to exercise
        """Read the frame of the newest fill once more and forget it, so that the next one is read by warm code."""

    def exercise_order(self, order: OrderRequest) -> None:  # noqa: B027 as above
        """Make and sign what `submit` would send, valid for no time, and drop it: code that a hedge needs stays warm.

        Sends, counts and remembers nothing. Raises: Rejected for what the venue has no such order for.
        """

    def get_exchange_name(self) -> str:
        return self.venue

    async def place_order(self, order: OrderRequest) -> Reply:
        """`submit` for callers that may wait: returns the venue's answer."""
        return await _answer(lambda reply: self.submit(order, reply))

    async def cancel_order(self, symbol: str, client_id: str) -> Reply:
        """`submit_cancel` for callers that may wait."""
        return await _answer(lambda reply: self.submit_cancel(symbol, client_id, reply))

    async def place_open_order(
        self, symbol: str, side: Side, *, qty: Decimal, price: Decimal, client_id: str, valid_ms: int
    ) -> Reply:
        """Rest a post-only limit order."""
        return await self.place_order(
            self._limit(symbol, side, qty=qty, price=price, client_id=client_id, valid_ms=valid_ms, reduce_only=False)
        )

    async def place_close_order(
        self, symbol: str, side: Side, *, qty: Decimal, price: Decimal, client_id: str, valid_ms: int
    ) -> Reply:
        """Rest a post-only limit order that may only reduce the position, where the venue knows reduce-only."""
        return await self.place_order(
            self._limit(
                symbol, side, qty=qty, price=price, client_id=client_id, valid_ms=valid_ms,
                reduce_only=self.capabilities.reduce_only,
            )
        )  # fmt: skip

    async def place_market_order(
        self, symbol: str, side: Side, *, qty: Decimal, client_id: str, valid_ms: int, reduce_only: bool
    ) -> Reply:
        """Take liquidity now; what cannot fill is cancelled by the venue."""
        return await self.place_order(
            OrderRequest(
                client_id=client_id, account=self.account, symbol=symbol, side=side, qty=qty, price=None,
                type=OrderType.MARKET, tif=TimeInForce.IOC, post_only=False, reduce_only=reduce_only,
                valid_ms=valid_ms, self_trade=self._strictest_self_trade(),
            )
        )  # fmt: skip

    def _limit(
        self, symbol: str, side: Side, *, qty: Decimal, price: Decimal, client_id: str, valid_ms: int, reduce_only: bool
    ) -> OrderRequest:
        return OrderRequest(
            client_id=client_id, account=self.account, symbol=symbol, side=side, qty=qty, price=price,
            type=OrderType.LIMIT, tif=TimeInForce.GTC, post_only=True, reduce_only=reduce_only, valid_ms=valid_ms,
            self_trade=self._strictest_self_trade(),
        )  # fmt: skip

    def _strictest_self_trade(self) -> SelfTrade:
        for mode in (SelfTrade.CANCEL_TAKER, SelfTrade.CANCEL_MAKER, SelfTrade.CANCEL_BOTH):
            if mode in self.capabilities.self_trade:
                return mode
        return SelfTrade.NONE


def round_to_tick(price: Decimal, instrument: Instrument, *, side: Side) -> Decimal:
    """`price` as a multiple of the tick, rounded away from the other side of the book (a buy down, a sell up)."""
    return instrument.price_down(price) if side is Side.BUY else instrument.price_up(price)


def get_order_price(quote: Quote, instrument: Instrument, *, side: Side, offset_ticks: int) -> Decimal:
    """The maker price of E5: a buy rests at best ask - x ticks, a sell at best bid + x ticks."""
    offset = instrument.tick * offset_ticks
    raw = quote.ask - offset if side is Side.BUY else quote.bid + offset
    return round_to_tick(raw, instrument, side=side)


async def _answer(send: Callable[[ReplyHandler], None]) -> Reply:
    future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def reply(answer: Reply) -> None:
        if not future.done():
            future.set_result(answer)

    send(reply)
    return await future
