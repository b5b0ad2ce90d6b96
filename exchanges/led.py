"""A client whose requests, answers and frames go where a script leads them; the venue behind it is a real client.

Drops, delays, refuses and tells twice at the level of `BaseExchangeClient`, for rehearsals.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from exchanges.base import BaseExchangeClient
from exchanges.errors import LinkDown
from exchanges.types import (
    Fill,
    Instrument,
    LinkState,
    LinkUpdate,
    Margin,
    OrderRequest,
    OrderState,
    OrderUpdate,
    Position,
    PrivateEvent,
    PrivateHandler,
    Quote,
    QuoteHandler,
    Reply,
    ReplyHandler,
)


@dataclass(slots=True, eq=False)
class Led:
    """An order of the run and what waits for it."""

    client: LedClient
    request: OrderRequest
    on_reply: ReplyHandler
    cancels: list[ReplyHandler] = field(default_factory=list)
    answered: bool = False

    def answer(self, reply: Reply) -> None:
        if not self.answered:
            self.answered = True
            self.on_reply(reply)

    def answer_cancel(self, reply: Reply) -> None:
        self.cancels.pop(0)(reply)


class LedClient(BaseExchangeClient):
    """One account. `orders` is the list that all accounts of a rehearsal share, in the order of `submit`."""

    def __init__(self, inner: BaseExchangeClient, orders: list[Led]) -> None:
        self.inner = inner
        self.account = inner.account
        self.venue = inner.venue
        self.capabilities = inner.capabilities
        self.orders = orders
        self.questions: dict[str, list[asyncio.Future[bool]]] = {}
        self.readings: list[asyncio.Future[bool]] = []
        self.led = False  # until the run has begun everything passes
        self.slow = False
        self.twice = False
        self.down = False
        self.queue: list[PrivateEvent] = []
        self.kept: list[Fill] = []  # liquidations while the stream is lost
        self._handler: PrivateHandler = _nobody
        inner.setup_order_update_handler(self._frame)

    async def connect(self) -> None:
        await self.inner.connect()

    async def disconnect(self) -> None:
        await self.inner.disconnect()

    def setup_order_update_handler(self, handler: PrivateHandler) -> None:
        self._handler = handler

    def setup_quote_handler(self, symbol: str, handler: QuoteHandler) -> None:
        self.inner.setup_quote_handler(symbol, handler)

    def submit(self, order: OrderRequest, on_reply: ReplyHandler) -> None:
        self.orders.append(Led(self, order, on_reply))

    def submit_cancel(self, symbol: str, client_id: str, on_reply: ReplyHandler) -> None:
        next(it for it in self.orders if it.request.client_id == client_id).cancels.append(on_reply)

    async def get_order_info(self, symbol: str, client_id: str) -> OrderUpdate | None:
        if self.led:
            asked: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            self.questions.setdefault(client_id, []).append(asked)
            if not await asked:
                raise LinkDown("the script lets this question fail")
        return await self.inner.get_order_info(symbol, client_id)

    async def get_active_orders(self, symbol: str) -> Sequence[OrderUpdate]:
        return await self.inner.get_active_orders(symbol)

    async def get_fills(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        return await self.inner.get_fills(symbol, since_ms)

    async def get_account_positions(self) -> Sequence[Position]:
        if self.led:
            asked: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            self.readings.append(asked)
            if not await asked:
                raise LinkDown("the script lets this reading fail")
        return await self.inner.get_account_positions()

    async def get_margin(self) -> Margin:
        return await self.inner.get_margin()

    async def get_contract_attributes(self, symbol: str) -> Instrument:
        return await self.inner.get_contract_attributes(symbol)

    async def fetch_bbo_prices(self, symbol: str) -> Quote:
        return await self.inner.fetch_bbo_prices(symbol)

    # --- what the script does

    def tell(self, event: PrivateEvent) -> None:
        self._handler(event)

    def deliver(self) -> None:
        """The oldest frame that is late."""
        self.tell(self.queue.pop(0))

    def lose(self, at_ns: int) -> None:
        self.down = True
        self.kept += [it for it in self.queue if isinstance(it, Fill) and not it.client_id]
        self.queue.clear()
        self.tell(LinkUpdate(self.account, LinkState.LOST, at_ns))

    async def resync(self, symbol: str, at_ns: int, *, states_first: bool) -> None:
        """Fills and the state of every order, then trust; what the desk has counted before it counts once."""
        fills: list[PrivateEvent] = list(await self.inner.get_fills(symbol, 0))
        mine = self.asked_after()
        fills = [*(it for it in fills if isinstance(it, Fill) and it.client_id in mine), *self.kept]
        self.kept = []
        told = [await self.inner.get_order_info(symbol, client_id) for client_id in mine]
        states: list[PrivateEvent] = [it for it in told if it is not None]
        self.tell(LinkUpdate(self.account, LinkState.RESYNC, at_ns))
        for event in (*states, *fills) if states_first else (*fills, *states):
            self.tell(event)
        self.down = False
        self.tell(LinkUpdate(self.account, LinkState.TRUSTED, at_ns))

    def asked_after(self) -> list[str]:
        """The orders that a resync tells of: every one that the account ever had."""
        return [it.request.client_id for it in self.orders if it.client is self]

    def _frame(self, event: PrivateEvent) -> None:
        if isinstance(event, LinkUpdate | Margin):
            self.tell(event)
        elif self.down:
            return
        elif self.slow or self.queue:
            if isinstance(event, Fill) or event.state in (OrderState.OPEN, OrderState.CANCELED):
                self.queue.append(event)  # what else is told says nothing that these do not
        else:
            self.tell(event)
            if self.twice and isinstance(event, Fill):
                self.queue.append(event)

    def tell_or_keep(self, event: Fill) -> None:
        """A fill that no order caused: a resync tells of it if the stream is lost now."""
        if self.down:
            self.kept.append(event)
        elif self.queue:
            self.queue.append(event)
        else:
            self.tell(event)


def _nobody(_: PrivateEvent) -> None:
    """Frames of an account that nobody listens to yet."""
