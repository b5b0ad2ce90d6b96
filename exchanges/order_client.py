"""What the clients of venues that tell fills inside orders do alike: replies, and questions about orders (E17, E20).

Knows no venue. An answer to an order counts like a frame of its stream; what it says to have filled waits for the rows.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from exchanges.account_feed import AccountFeed
from exchanges.budget import Use
from exchanges.errors import ExchangeError, LinkDown, OutcomeUnknown
from exchanges.facts import OrderFacts, PositionRow, Signed
from exchanges.http import reply_to
from exchanges.streamed import StreamedClient
from exchanges.tracking import Tracking
from exchanges.types import (
    Accepted,
    Fill,
    LinkState,
    OrderRequest,
    OrderState,
    OrderUpdate,
    Position,
    Refused,
    ReplyHandler,
)

ROWS_NS = 100_000_000  # how long fills that a reply knows of wait for their frames


class OrderClient(StreamedClient):
    """One account whose `_feed` is an AccountFeed over the same `_tracking`."""

    _feed: AccountFeed
    _tracking: Tracking

    # --- orders

    def exercise_fill(self) -> None:
        self._feed.exercise()

    def _register(self, order: OrderRequest) -> None:
        self._tracking.sent(order, now_ns=self._clock.now_ns(), wall_ms=self._feed.venue_ms)

    def _placed(
        self, order: OrderRequest, on_reply: ReplyHandler, outcome: OrderFacts | ExchangeError, signed: Signed,
        written_ns: int,
    ) -> None:  # fmt: skip
        """The answer of one order; the state in it is the one after matching, and counts like a frame."""
        if isinstance(outcome, OrderFacts) and outcome.client_id != order.client_id:
            whose = outcome.client_id or "without a client id"
            outcome = OutcomeUnknown(f"the answer is about another order ({whose})")
        if isinstance(outcome, ExchangeError):
            self._failed(outcome)
            answer = reply_to(outcome, signed_ns=signed.signed_ns, written_ns=written_ns, dead_ns=signed.dead_ns)
            self._feed.answered(order.client_id, refused=isinstance(answer, Refused))
            on_reply(answer)
            return
        if outcome.state is OrderState.FAILED and outcome.refusal is not None:
            on_reply(Refused(outcome.refusal, outcome.text, signed.signed_ns, written_ns))
        else:
            on_reply(Accepted(outcome.order_id, signed.signed_ns, written_ns))
        self._take(outcome)  # ties the order's id: fills that wait for it must find it
        self._feed.answered(order.client_id, refused=False)

    def _failed(self, error: ExchangeError) -> None:
        """What an order's error tells of the client itself: a wrong clock, no requests left."""

    def _take(self, facts: OrderFacts) -> None:
        """The state in a reply counts like a frame; what it says to have filled has prices only in its fill frames.

        Those are given a moment, so that money is booked as it was and not corrected afterwards.
        """
        now_ns = self._clock.now_ns()
        self._tracking.owner(facts.order_id, facts.client_id, symbol=facts.symbol, side=facts.side)
        sent = self._tracking.get(facts.client_id)
        if sent is not None and facts.cum_qty > sent.traded:
            self._clock.call_at(now_ns + ROWS_NS, self._feed.order, facts, now_ns)
        else:
            self._feed.order(facts, now_ns)

    # --- questions

    def _found(self, facts: OrderFacts, client_id: str) -> OrderUpdate:
        """An order that was asked for by `client_id`, as it is now."""
        update = self._feed.update_of(facts, client_id=client_id)
        self._tracking.update(update)
        return update

    def _remembered(self, client_id: str) -> OrderUpdate | None:
        """The end of an order that the stream told, and that the venue may show no more."""
        sent = self._tracking.get(client_id)
        return sent.last if sent is not None and sent.state.terminal else None

    def _absent(self, client_id: str) -> None:
        """An order that nobody shows. Raises: LinkDown while the stream is not there to confirm that."""
        if self._link.state is not LinkState.TRUSTED:
            raise LinkDown(f"{self.venue} shows no order {client_id}, and its stream is not there to confirm it")

    async def get_active_orders(self, symbol: str) -> Sequence[OrderUpdate]:
        return await self._asked(lambda: self._feed.open_orders(symbol, Use.ASK))

    async def get_fills(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        return await self._asked(lambda: self._feed.fills(symbol, since_ms, Use.ASK))

    async def get_account_positions(self) -> Sequence[Position]:
        return await self._asked(self._read_positions)

    async def _read_positions(self) -> Sequence[Position]:
        moves = await self._moves_so_far()
        held = await self._positions()
        await self._feed.reconcile.explain(held, moves=moves)
        return held

    async def _moves_so_far(self) -> int:
        """For `explain`, from before positions are read; first the rows of what is known to have filled are told."""
        if self._tracking.short:
            await self._feed.reconcile.fetch_rows()
        return self._tracking.moves

    @abstractmethod
    async def _positions(self) -> Sequence[Position]:
        """Of the account's markets; on spot what is held of their base assets. Raises: ExchangeError, BadFrame."""

    def _listed(self, rows: Sequence[PositionRow]) -> list[Position]:
        return [
            Position(self.account, row.symbol, row.qty, row.entry_price, row.liquidation_price, row.mark_price)
            for row in rows
        ]
