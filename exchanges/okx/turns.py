"""New streams one after the other: the venue counts them by address and refuses what comes too fast."""

from __future__ import annotations

import asyncio

from exchanges.budget import Budget, Use
from exchanges.types import Clock


async def turn(budget: Budget, clock: Clock, use: Use) -> None:
    """Return when `budget` lets one more leave. Streams of accounts are for TRADE, those of quotes for UPKEEP."""
    while until_ns := budget.take(clock.now_ns(), use):
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = clock.call_at(until_ns, over.set_result, None)
        try:
            await over
        finally:
            timer.cancel()
