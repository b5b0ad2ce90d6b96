"""Fills whose rows no stream has told a run: those of dead runs at its start, those without a price at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from engine.runtime.carried import OVERLAP_MS
from engine.runtime.clock import MS, S
from engine.runtime.journal import Journal
from engine.runtime.patience import Patience
from engine.runtime.ports import Desk
from engine.runtime.questions import LAST_PAUSE_S, Holdings, Questions, all_of
from engine.trading.effects import Alert, AskOrder, Level
from engine.trading.inputs import Carried
from exchanges.errors import ExchangeError, RateLimited
from exchanges.types import ZERO, Clock, Fill

__all__ = ["MissingRows"]

UNTOLD_ROWS_S = 60  # for a venue that is away, or answers 502 for a while; then the start fails
LAST_ROWS_S = 10  # before leaving, for the prices of what is known to have filled


class MissingRows:
    """Asks the accounts of `symbols`. Rows of orders that are not ours are the account's own affair (S1).

    `since_ms`, of the wall clock: from when on orders of earlier runs may have filled; None where there are none.
    """

    def __init__(
        self, questions: Questions, desk: Desk, journal: Journal, *, symbols: Mapping[str, str], clock: Clock,
        since_ms: int | None, alert: Callable[[Alert], None],
    ) -> None:  # fmt: skip
        self._questions = questions
        self._desk = desk
        self._journal = journal
        self._symbols = symbols
        self._clock = clock
        self._since_ms = since_ms
        self._alert = alert
        self._unread_told = False

    async def of_earlier_runs(self, carried: Carried, patience: Patience, held: Holdings) -> list[Fill]:
        """Fills of earlier runs' orders since then, by time: a fill before what hedged it.

        Also of orders that no journal tells (S15): without these what a dead run has hedged would be hedged again, so
        that an answer is waited for. Elsewhere the takeover goes on without one: the orders themselves are asked, only
        prices and fees are missing. So it does where requests are scarce for an account that holds, by `held`, what the
        journal tells, as long as none of its orders has filled more. Raises: ExchangeError if no answer comes within
        UNTOLD_ROWS_S.
        """
        ids = {order.order_id: order.client_id for order in carried.orders if order.order_id}
        names = {order.account for order in carried.orders}
        if carried.untold:
            names |= {it.account for it in carried.held}
        asked = {name: symbol for name, symbol in self._symbols.items() if name in names}
        as_told = self._as_told(carried, held)
        read = await all_of(
            self._spare(name, symbol, carried, patience)
            if name in as_told
            else self._read(name, symbol, carried, patience)
            for name, symbol in asked.items()
        )
        found = []
        for row in (row for rows in read for row in rows):
            named = replace(row, client_id=row.client_id or ids.get(row.order_id, ""))
            if named.client_id and self._is_missing(named):
                found.append(named)
        return sorted(found, key=lambda row: row.at_ms)

    def _as_told(self, carried: Carried, held: Holdings) -> set[str]:
        """The accounts where nothing can be hedged twice: their positions are those of the journal, fill for fill.

        To wait up to a minute for the rows of these too, with the exposure of the dead run open, would cost more (S11).
        """
        known = {it.account: it.baseline + it.ours for it in carried.held}
        there = dict.fromkeys(known, ZERO)
        for position in held.positions:
            if position.symbol == self._symbols.get(position.account):
                there[position.account] = there.get(position.account, ZERO) + position.qty
        return {name for name, qty in known.items() if held.quiet and there[name] == qty}

    async def _spare(self, account: str, symbol: str, carried: Carried, patience: Patience) -> Sequence[Fill]:
        try:
            return await self._questions.spare_rows(account, symbol, carried.since_ms)
        except RateLimited as error:
            if await self._filled_as_told(account, carried):
                self._tell_unread(carried, error, goes_on=True)
                return []
        except ExchangeError:
            pass  # it is away, and has requests left
        return await self._read(account, symbol, carried, patience)

    async def _filled_as_told(self, account: str, carried: Carried) -> bool:
        """Do the account's orders without an end say no more than the journal does?

        The position is the journal's. An order that filled more has therefore been made up for by orders that are in no
        journal, and counted without these it would be hedged though nothing is open.
        """
        for order in carried.orders:
            if order.account == account:
                looked = await self._questions.look(AskOrder(account, order.symbol, order.client_id, token=0))
                if not looked.ok:
                    return False
                if looked.update is not None and looked.update.cum_qty > order.filled + order.provisional:
                    return False
        return True

    async def _read(self, account: str, symbol: str, carried: Carried, patience: Patience) -> Sequence[Fill]:
        until_ns = self._clock.now_ns() + UNTOLD_ROWS_S * S
        question = partial(self._questions.rows, account, symbol, carried.since_ms)
        while True:
            try:
                return await patience.room(question)
            except ExchangeError as error:
                self._tell_unread(carried, error, goes_on=not carried.untold)
                if not carried.untold:
                    return []
                if self._clock.now_ns() >= until_ns:
                    raise
            await asyncio.sleep(LAST_PAUSE_S)

    def _tell_unread(self, carried: Carried, error: ExchangeError, *, goes_on: bool) -> None:
        """Once for all accounts."""
        if not self._unread_told:
            self._unread_told = True
            how = "going on with what the orders and positions say" if goes_on else "asking on"
            text = f"fills since run {carried.run} cannot be read ({error}); {how}"
            self._alert(Alert(Level.WARNING, "fills_unread", text, {}))

    def _is_missing(self, row: Fill) -> bool:
        """Is it of our orders, and in no journal?"""
        order = self._journal.recall(row.client_id)
        return self._desk.adopt(row) is not None if order is None else row.trade_id not in order.trades

    async def before_leaving(self, take: Callable[[Fill], None]) -> None:
        """Prices and fees of fills that were told as a sum only; how much has filled is known without them (S5)."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_ROWS_S):
                while unpriced := self._desk.unpriced():
                    for account, from_ns in unpriced.items():
                        await self._price(account, from_ns, take)
                    if self._desk.unpriced():
                        await asyncio.sleep(LAST_PAUSE_S)
        names = sorted(self._desk.unpriced())
        if names:
            text = f"prices and fees of the last fills of {', '.join(names)} cannot be read; money leaves them out"
            self._alert(Alert(Level.WARNING, "fills_unpriced", text, {"accounts": ", ".join(names)}))

    async def _price(self, account: str, from_ns: int, take: Callable[[Fill], None]) -> None:
        since_ms = self._clock.wall_ms() - (self._clock.now_ns() - from_ns) // MS - OVERLAP_MS
        if self._since_ms is not None:  # an order of an earlier run is known for as long as this one lasts
            since_ms = min(since_ms, self._since_ms)
        with suppress(ExchangeError):
            for row in await self._questions.rows(account, self._symbols[account], since_ms):
                if self._desk.knows(row.client_id):
                    take(row)
