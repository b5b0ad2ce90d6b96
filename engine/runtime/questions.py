"""What is asked of clients and waited for: connections, positions, one order. Errors of a venue become answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from engine.runtime.patience import Patience
from engine.trading.effects import AskOrder, AskPositions
from engine.trading.inputs import Counted, Looked
from exchanges.base import BaseExchangeClient
from exchanges.errors import ExchangeError, LinkDown, OutcomeUnknown, RateLimited, Rejected
from exchanges.types import Fill, Instrument, Margin, Position, Refusal

CONNECT_TIMEOUT_S = 30
ASK_TIMEOUT_S = 5
DISCONNECT_TIMEOUT_S = 5
RECONNECT_PAUSE_S = 1
REFUSED_PAUSE_S = 10  # after a "no" that waiting alone hardly mends
UNREAD_MS = 10  # each answer "no request is left for positions" in a row waits so much longer than the one before, …
UNREAD_MOST_MS = 1_000  # … up to this: who halts asks again as soon as it has one, and a stop gives up after some forty
LAST_PAUSE_S = 1  # between readings before leaving, all of them within ASK_TIMEOUT_S

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Holdings:
    """Positions and margins of some accounts; not `quiet` when one of them moved while they were read (S17)."""

    positions: tuple[Position, ...]
    margins: tuple[Margin, ...]
    quiet: bool


class Questions:
    """Questions to the run's clients. `moves` counts what could change an account's positions."""

    def __init__(self, clients: Mapping[str, BaseExchangeClient], *, moves: Callable[[str], int]) -> None:
        self._clients = clients
        self._moves = moves
        self._unread = 0  # readings of positions in a row for which no request was left

    async def connect_all(self, patience: Patience) -> None:
        """Raises: ExchangeError, as `Patience.answer`."""
        await all_of(patience.answer(partial(_connect, it), of=it.venue) for it in self._clients.values())

    async def disconnect_all(self, *, within_s: int) -> None:
        await all_of(self._disconnect(client, within_s) for client in self._clients.values())

    async def reconnect(self, account: str, *, refused: Callable[[ExchangeError], None]) -> None:
        """Make the account's client resync from nothing, for as long as it takes: without it nothing is hedged there.

        `refused` hears once of what only a person can mend (keys, a clock that is off); it is tried on all the same.
        """
        client, told = self._clients[account], False
        await self._disconnect(client, DISCONNECT_TIMEOUT_S)
        while True:
            pause_s: float = RECONNECT_PAUSE_S
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await client.connect()
                return
            except RateLimited as error:
                pause_s = max(pause_s, error.retry_ms / 1000)
            except (LinkDown, OutcomeUnknown, TimeoutError):
                pass  # a venue that is away, or answers 502 for a while
            except ExchangeError as error:
                if not (isinstance(error, Rejected) and error.refusal is Refusal.VENUE):  # a "no" that passes
                    pause_s = REFUSED_PAUSE_S
                    if not told:
                        told = True
                        refused(error)
            await asyncio.sleep(pause_s)

    async def _disconnect(self, client: BaseExchangeClient, within_s: int) -> None:
        with suppress(ExchangeError, TimeoutError):
            async with asyncio.timeout(within_s):
                await client.disconnect()

    async def holdings(self, accounts: Sequence[str]) -> Holdings:
        """Raises: ExchangeError; a failure is never read as flat."""
        before = [self._moves(account) for account in accounts]
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                read = await all_to_the_end(self._clients[account].get_holdings() for account in accounts)
        except TimeoutError:
            raise LinkDown(f"no answer about positions within {ASK_TIMEOUT_S} s") from None
        return Holdings(
            positions=tuple(position for positions, _ in read for position in positions),
            margins=tuple(margin for _, margin in read),
            quiet=before == [self._moves(account) for account in accounts],
        )

    async def rows(self, account: str, symbol: str, since_ms: int) -> Sequence[Fill]:
        """The account's fills since then, oldest first. Raises: ExchangeError."""
        return await _rows(self._clients[account].get_fills(symbol, since_ms))

    async def spare_rows(self, account: str, symbol: str, since_ms: int) -> Sequence[Fill]:
        """As `rows`, but RateLimited where requests are scarce."""
        return await _rows(self._clients[account].get_spare_fills(symbol, since_ms))

    async def last_holdings(self, accounts: Sequence[str]) -> Holdings:
        """What can be read before leaving; an account that does not answer for 5 s has no margin in it."""
        read = await all_of(self._last_of(account) for account in accounts)
        return Holdings(
            positions=tuple(position for held in read for position in held.positions),
            margins=tuple(margin for held in read for margin in held.margins),
            quiet=all(held.quiet for held in read),
        )

    async def _last_of(self, account: str) -> Holdings:
        """One answer that does not come must not leave an audit without the venue's word."""
        with suppress(TimeoutError):
            async with asyncio.timeout(ASK_TIMEOUT_S):
                while True:
                    with suppress(ExchangeError):
                        return await self.holdings((account,))
                    await asyncio.sleep(LAST_PAUSE_S)
        return Holdings((), (), quiet=False)

    async def listed(self, account: str, symbol: str) -> Instrument | None:
        """What the venue says of a market now; None where it does not answer."""
        with suppress(ExchangeError, TimeoutError):
            async with asyncio.timeout(ASK_TIMEOUT_S):
                return await self._clients[account].get_contract_attributes(symbol)
        return None

    async def count(self, asked: AskPositions) -> Counted:
        try:
            read = await self.holdings(asked.accounts)
        except ExchangeError as error:
            if isinstance(error, RateLimited):
                self._unread += 1
                await asyncio.sleep(min(error.retry_ms, UNREAD_MS * self._unread, UNREAD_MOST_MS) / 1000)
            return Counted(asked.token, ok=False, quiet=False, positions=(), margins=(), text=_text(error))
        self._unread = 0
        return Counted(asked.token, ok=True, quiet=read.quiet, positions=read.positions, margins=read.margins)

    async def look(self, asked: AskOrder) -> Looked:
        client = self._clients[asked.account]
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                update = await client.get_order_info(asked.symbol, asked.client_id)
        except (ExchangeError, TimeoutError) as error:
            return Looked(asked.client_id, asked.token, ok=False, update=None, text=_text(error))
        return Looked(asked.client_id, asked.token, ok=True, update=update)


async def _rows(question: Awaitable[Sequence[Fill]]) -> Sequence[Fill]:
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            return await question
    except TimeoutError:
        raise LinkDown(f"no answer about fills within {ASK_TIMEOUT_S} s") from None


async def _connect(client: BaseExchangeClient) -> None:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await client.connect()
    except TimeoutError:
        raise LinkDown(f"no connection within {CONNECT_TIMEOUT_S} s") from None


async def all_of(coros: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results in the order given, run side by side; the first failure in that order is raised, none goes on.

    Not a TaskGroup: that one cancels its tasks in the order of their addresses.
    """
    tasks = [asyncio.ensure_future(coro) for coro in coros]
    try:
        return [await task for task in tasks]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def all_to_the_end(coros: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """As `all_of`, but a failure is raised only when all have ended.

    What was asked has been paid for: were an answer on its way given up because another account's question could not
    leave, the next try would ask again, and nobody would ever have all answers within the venue's budget.
    """
    results = await asyncio.gather(*coros, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else f"no answer within {ASK_TIMEOUT_S} s"
