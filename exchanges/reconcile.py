"""Catches up with a venue: after every connection before the stream is trusted, and again and again beside it (S17).

Open orders, orders that have ended meanwhile, fills since the last known one, the position. What the stream did not
tell is delivered like a frame; an order that is nowhere to be seen is left to the engine, which asks about it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from exchanges.budget import Use
from exchanges.errors import ExchangeError
from exchanges.tasks import Tasks
from exchanges.tracking import Sent, Tracking
from exchanges.types import Cancellable, Clock, Fill, OrderUpdate, Position

S = 1_000_000_000
MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the venue is compared with what was told, and what counts as late."""

    live_ns: int = 5 * S  # while an order is live
    alone_ns: int = 1 * S  # while an order is live and its stream is not trusted: nothing else would tell of a fill
    idle_ns: int = 15 * S
    suspect_ns: int = 500 * MS  # after something that does not add up
    settled_ns: int = 3 * S  # an order that is missing among the open ones is looked for once it is so old
    gone_ns: int = 60 * S  # an order that nobody shows for so long is looked for no more
    overlap_ms: int = 10_000  # fills are asked for from so long before the last known one: rows may come late
    back_ms: int = 600_000  # a row that an order's count misses is looked for no longer: histories have pages
    late_ms: int = 1_000  # a fill so old that the stream did not tell: the stream cannot be trusted
    tries: int = 6  # readings of a resync until fills explain the position; histories may lag
    again_ns: int = 300 * MS  # between them


class Sources(Protocol):
    """What a venue is asked. Rows carry our client id where the order is ours, and none where it is not."""

    @property
    def venue_ms(self) -> int:
        """The venue's clock."""

    async def open_orders(self, symbol: str, use: Use) -> Sequence[OrderUpdate]: ...

    async def fills(self, symbol: str, since_ms: int, use: Use) -> Sequence[Fill]: ...

    async def ended_order(self, order: Sent, use: Use) -> OrderUpdate | None: ...

    async def position(self, symbol: str, use: Use) -> Decimal: ...

    def take_update(self, update: OrderUpdate) -> None: ...

    def take_fill(self, fill: Fill) -> bool:
        """Deliver a row; False for one that was delivered before."""

    def change_of(self, fill: Fill) -> Decimal:
        """By how much the row moves the position (S18)."""


class Reconcile:
    """Compares one account in `symbols`. `lost` hears why the stream must begin anew, `note` what does not add up."""

    def __init__(
        self, symbols: Sequence[str], sources: Sources, *, tracking: Tracking, clock: Clock,
        lost: Callable[[str], None], note: Callable[[str], None], trusted: Callable[[], bool],
        pace: Pace | None = None,
    ) -> None:  # fmt: skip
        self._symbols = symbols
        self._sources = sources
        self._tracking = tracking
        self._clock = clock
        self._lost = lost
        self._note = note
        self._trusted = trusted
        self._pace = pace or Pace()
        self._tasks = Tasks()
        self._timer: Cancellable | None = None
        self._since_ms = 0
        self._tally: dict[str, Decimal] = {}
        self._first_ms: dict[str, int] = {}  # venue time of the first reading, which all fills before it are part of
        self._doubts: dict[str, int] = {}
        self._busy = False
        self._due_ns = 0
        self._suspected = False  # while a comparison ran, which may have read too early
        self.repaired = 0  # rows and states that only a comparison brought

    def begin(self, venue_ms: int) -> None:
        """Fills before this moment, of the venue's clock, belong to nobody's run. The first call counts."""
        self._since_ms = self._since_ms or venue_ms

    @property
    def since_ms(self) -> int:
        """From when on, of the venue's clock, fills are this run's."""
        return self._since_ms

    def took(self, fill: Fill) -> None:
        """A row was delivered, by the stream or from here: the position must have moved by it.

        Not by one of a former life, or of somebody else, that the first reading has in it already.
        """
        symbol = fill.symbol
        if symbol not in self._tally:
            return
        if self._tracking.get(fill.client_id) is not None or fill.at_ms >= self._first_ms[symbol]:
            self._tally[symbol] += self._sources.change_of(fill)

    async def resync(self) -> None:
        """Deliver everything that was missed, until the fills explain the position. Raises: ExchangeError."""
        for symbol in self._symbols:
            for attempt in range(self._pace.tries):
                if attempt:
                    await self._wait(self._pace.again_ns)
                if await self._look(symbol, Use.ASK, resync=True):
                    break
            else:
                self._note(f"{symbol}: the fills that the venue tells do not explain its position")
        self._arm(self._pace.live_ns)

    def expected(self, symbol: str) -> Decimal | None:
        """The position that what was told makes, rows or not; None before the first reading."""
        tally = self._tally.get(symbol)
        return None if tally is None else tally + self._tracking.rowless(symbol)

    async def fetch_rows(self) -> None:
        """Deliver the rows of what is known to have filled; before positions are compared with them (S17)."""
        for symbol in self._symbols:
            since_ms = self.rows_since_ms()
            self._deliver(await self._sources.fills(symbol, since_ms, Use.ASK), ())

    async def explain(self, held: Sequence[Position], *, moves: int) -> None:
        """Deliver the rows of positions that the told fills do not make. `moves` are those from before they were read.

        S17: a stream that has just fallen silent is still trusted, and who compares `held` with what was told would
        take a fill that it kept back for somebody else's trade. Raises: ExchangeError.
        """
        for symbol in self._symbols:
            qty = sum((it.qty for it in held if it.symbol == symbol), Decimal(0))
            if self._tracking.moves == moves and self.expected(symbol) not in (None, qty):
                self._deliver(await self._sources.fills(symbol, self.rows_since_ms(), Use.ASK), ())

    def rows_since_ms(self) -> int:
        """From before the last known fill, and from where an order began whose row is missing: later ones hide it."""
        pace, tracking = self._pace, self._tracking
        since_ms = tracking.newest_trade_ms - pace.overlap_ms
        if tracking.short_since_ms is not None:
            back_ms = max(self._sources.venue_ms - pace.back_ms, tracking.forgotten_ms + 1)
            since_ms = min(since_ms, max(tracking.short_since_ms - pace.overlap_ms, back_ms))
        return max(self._since_ms, since_ms)

    def suspect(self) -> None:
        """Something does not add up: look soon; who says so again and again puts it off no further."""
        self._suspected = True
        soon_ns = self._clock.now_ns() + self._pace.suspect_ns
        if not self._busy and self._timer is not None and soon_ns < self._due_ns:
            self._arm(self._pace.suspect_ns)

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._tasks.cancel()
        self._busy = False

    # --- beside the stream

    def _arm(self, wait_ns: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due_ns = self._clock.now_ns() + wait_ns
        self._timer = self._clock.call_at(self._due_ns, self._due)

    def _due(self) -> None:
        if not self._busy:
            self._tasks.spawn(self._compare())

    async def _compare(self) -> None:
        self._busy, self._suspected = True, False
        wait_ns = self._pace.idle_ns
        use = Use.UPKEEP if self._trusted() else Use.ASK  # without its stream nothing else tells of a fill
        try:
            for symbol in self._symbols:
                if not await self._look(symbol, use, resync=False):
                    wait_ns = self._pace.suspect_ns
        except ExchangeError:
            pass  # the next turn asks again; a venue that stays away is told by the stream's own watch
        except Exception:
            self._arm(wait_ns)  # a defect ends the run in order; until then fills must go on being looked for
            raise
        finally:
            self._busy = False
        if self._suspected:
            wait_ns = self._pace.suspect_ns
        if self._tracking.any_live:
            wait_ns = min(wait_ns, self._pace.live_ns if self._trusted() else self._pace.alone_ns)
        self._arm(wait_ns)

    async def _look(self, symbol: str, use: Use, *, resync: bool) -> bool:
        """One comparison; True if all adds up. An order or fill that moves meanwhile makes it no reading (S17)."""
        tracking, sources = self._tracking, self._sources
        moves, began_ns, began_ms = tracking.moves, self._clock.now_ns(), sources.venue_ms
        since_ms = self.rows_since_ms()
        if self._doubts.get(symbol):  # a row may have come much later than its time says
            since_ms = max(self._since_ms, tracking.forgotten_ms + 1)
        rows, updates = await asyncio.gather(sources.fills(symbol, since_ms, use), sources.open_orders(symbol, use))
        position = await sources.position(symbol, use)
        quiet = tracking.moves == moves
        late = self._deliver(rows, updates)
        await self._find_ended(symbol, {it.client_id for it in updates}, before_ns=began_ns, use=use)
        if late and not resync:
            self._lost(f"the stream did not tell of {late} fill{'s' if late > 1 else ''}")
        if symbol not in self._tally:
            self._tally[symbol], self._first_ms[symbol] = position, began_ms
            return True
        if self.expected(symbol) == position:
            self._doubts[symbol] = 0
            return True
        return self._doubt(symbol, position, quiet=quiet, resync=resync)

    def _deliver(self, rows: Sequence[Fill], updates: Sequence[OrderUpdate]) -> int:
        """Hand on what is new; how many fills the stream should have told long ago."""
        late = 0
        now_ms = self._sources.venue_ms
        for row in rows:
            if self._sources.take_fill(row):
                self.repaired += 1
                late += now_ms - row.at_ms >= self._pace.late_ms
        for update in updates:
            self._sources.take_update(update)
        return late

    async def _find_ended(self, symbol: str, open_ids: set[str], *, before_ns: int, use: Use) -> None:
        """S4, E13: an order that is open no more has ended; how, the venue's history tells."""
        for order in self._tracking.live(symbol):
            settled = order.answered or before_ns - order.sent_ns >= self._pace.settled_ns
            if order.request.client_id in open_ids or not settled or order.sent_ns >= before_ns:
                continue
            ended = await self._sources.ended_order(order, use)
            if ended is not None:
                self.repaired += 1
                self._sources.take_update(ended)
            elif before_ns - order.sent_ns >= self._pace.gone_ns:
                self._tracking.give_up(order.request.client_id)  # the engine has asked about it long before

    def _doubt(self, symbol: str, position: Decimal, *, quiet: bool, resync: bool) -> bool:
        """Fills do not explain the position: look again, and at the second quiet reading take the venue's word."""
        if not quiet:
            return False
        self._doubts[symbol] = doubts = self._doubts.get(symbol, 0) + 1
        if doubts >= (self._pace.tries if resync else 2):
            told = self.expected(symbol)
            self._tally[symbol] = position - self._tracking.rowless(symbol)
            self._doubts[symbol] = 0
            self._note(f"{symbol}: the venue's position is {position}, its fills make {told}")
            return True
        return False

    async def _wait(self, wait_ns: int) -> None:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self._clock.call_at(
            self._clock.now_ns() + wait_ns, lambda: None if over.done() else over.set_result(None)
        )
        try:
            await over
        finally:
            timer.cancel()
