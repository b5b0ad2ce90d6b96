"""One account's client for several runs at once, each in one symbol: fills and orders go to the run whose symbol it is.

Connections are shared: the first run that connects opens them, the last that leaves closes them. A run that has left
and connects again, after a gap in time, gets a connection that was opened since, as it would with a client of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal

from exchanges.base import BaseExchangeClient, BatchReplyHandler
from exchanges.types import (
    AccountFacts,
    Fill,
    Instrument,
    LinkState,
    LinkUpdate,
    Margin,
    OrderRequest,
    OrderUpdate,
    Position,
    PrivateEvent,
    PrivateHandler,
    Quote,
    QuoteHandler,
    ReplyHandler,
)

__all__ = ["Part", "SharedClient"]


class SharedClient:
    """Makes the parts of a client that nobody else uses; all of them must exist before the first one connects."""

    def __init__(self, client: BaseExchangeClient, *, now_ns: Callable[[], int]) -> None:
        self.client = client
        self._now_ns = now_ns
        self.last_link: LinkUpdate | None = None
        self._parts: dict[str, Part] = {}
        self._lock = asyncio.Lock()
        self._connected = False
        self._quotes: dict[str, QuoteHandler] = {}
        self._opened = 0  # how often connections were opened whole
        client.setup_order_update_handler(self._tell)

    def part(self, symbol: str) -> Part:
        assert symbol not in self._parts, "two runs in one symbol of one account"
        made = self._parts[symbol] = Part(self, symbol)
        return made

    def _tell(self, event: PrivateEvent) -> None:
        if isinstance(event, Fill | OrderUpdate):
            self._parts[event.symbol].on_private(event)
            return
        if isinstance(event, LinkUpdate):
            self.last_link = event
        for part in self._parts.values():
            part.on_private(event)

    async def join(self, part: Part) -> bool:
        """Open the connections unless they were opened since the part left; did it have to?"""
        async with self._lock:
            if self._connected and self._opened > part.left:
                part.away = False
                return False
            if self._connected:
                self._connected = False
                await self.client.disconnect()
            await self.client.connect()
            self._opened += 1
            self._connected = True
            part.away = False
            return True

    def listen_to_quotes(self, symbol: str, handler: QuoteHandler) -> None:
        self._quotes[symbol] = handler
        self.client.setup_quote_handler(symbol, handler)

    async def replace(self, make: Callable[[], BaseExchangeClient]) -> None:
        """Go on with another client of the same account, one with other keys, made when the former one has ended.

        Runs hear that the account is lost, and then what the new client tells; what the former one has not answered is
        unknown to them. Raises: ExchangeError if it cannot connect: a run's next `connect` tries again.
        """
        async with self._lock:
            connected, self._connected = self._connected, False
            await self.client.disconnect()
            client = self.client = make()
            client.setup_order_update_handler(self._tell)
            for symbol, handler in self._quotes.items():
                client.setup_quote_handler(symbol, handler)
            if connected:
                self._tell(LinkUpdate(client.account, LinkState.LOST, self._now_ns(), "its keys were changed"))
                await client.connect()
                self._opened += 1
                self._connected = True

    async def connect_again(self) -> None:
        """After a `replace` that could not connect. Raises: ExchangeError."""
        async with self._lock:
            if not self._connected:
                await self.client.connect()
                self._opened += 1
                self._connected = True

    async def leave(self, part: Part) -> None:
        part.away, part.left = True, self._opened
        if all(other.away for other in self._parts.values()):
            async with self._lock:
                if all(other.away for other in self._parts.values()):
                    self._connected = False
                    await self.client.disconnect()


class Part(BaseExchangeClient):
    """The client of one run: one symbol of a shared account."""

    def __init__(self, shared: SharedClient, symbol: str) -> None:
        self.account = shared.client.account
        self.venue = shared.client.venue
        self.capabilities = shared.client.capabilities
        self.away = True
        self.left = 0
        self.on_private: PrivateHandler = _ignore
        self._shared = shared
        self._symbol = symbol

    @property
    def remembered(self) -> int | None:
        return self._shared.client.remembered

    async def connect(self) -> None:
        opened = await self._shared.join(self)
        if not opened and self._shared.last_link is not None:
            self.on_private(self._shared.last_link)

    async def disconnect(self) -> None:
        await self._shared.leave(self)

    def setup_order_update_handler(self, handler: PrivateHandler) -> None:
        self.on_private = handler

    def setup_quote_handler(self, symbol: str, handler: QuoteHandler) -> None:
        self._shared.listen_to_quotes(symbol, handler)

    # --- orders

    def submit(self, order: OrderRequest, on_reply: ReplyHandler) -> None:
        self._shared.client.submit(order, on_reply)

    def submit_cancel(self, symbol: str, client_id: str, on_reply: ReplyHandler) -> None:
        self._shared.client.submit_cancel(symbol, client_id, on_reply)

    def together(self) -> AbstractContextManager[None]:
        return self._shared.client.together()

    def submit_modify(
        self, symbol: str, client_id: str, on_reply: ReplyHandler, *, price: Decimal, qty: Decimal
    ) -> None:
        self._shared.client.submit_modify(symbol, client_id, on_reply, price=price, qty=qty)

    def submit_batch(self, orders: Sequence[OrderRequest], on_reply: BatchReplyHandler) -> None:
        self._shared.client.submit_batch(orders, on_reply)

    def exercise_fill(self) -> None:
        self._shared.client.exercise_fill()

    def exercise_order(self, order: OrderRequest) -> None:
        self._shared.client.exercise_order(order)

    # --- questions

    async def get_order_info(self, symbol: str, client_id: str) -> OrderUpdate | None:
        return await self._shared.client.get_order_info(symbol, client_id)

    async def get_active_orders(self, symbol: str) -> Sequence[OrderUpdate]:
        return await self._shared.client.get_active_orders(symbol)

    async def get_fills(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        return await self._shared.client.get_fills(symbol, since_ms)

    async def get_spare_fills(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        return await self._shared.client.get_spare_fills(symbol, since_ms)

    async def get_account_positions(self) -> Sequence[Position]:
        """Those of this run's symbol: the others are other runs'."""
        return self._own(await self._shared.client.get_account_positions())

    async def get_margin(self) -> Margin:
        return await self._shared.client.get_margin()

    async def get_holdings(self) -> tuple[Sequence[Position], Margin]:
        """As the two above."""
        positions, margin = await self._shared.client.get_holdings()
        return self._own(positions), margin

    def _own(self, positions: Sequence[Position]) -> list[Position]:
        return [it for it in positions if it.symbol == self._symbol]

    async def get_contract_attributes(self, symbol: str) -> Instrument:
        return await self._shared.client.get_contract_attributes(symbol)

    async def fetch_bbo_prices(self, symbol: str) -> Quote:
        return await self._shared.client.fetch_bbo_prices(symbol)

    async def get_account_facts(self, symbol: str) -> AccountFacts:
        return await self._shared.client.get_account_facts(symbol)


def _ignore(_: PrivateEvent) -> None:
    """What comes before its run listens."""
