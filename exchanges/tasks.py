"""Tasks that an adapter starts: kept until they end, and never failing in silence."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Tasks:
    """Tasks of one owner, in the order of their start. An unexpected end goes to the loop's exception handler.

    The runner listens there: a defect in an adapter ends the run in order instead of leaving it without its stream.
    """

    __slots__ = ("_running",)

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[None], None] = {}

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._running[task] = None
        task.add_done_callback(self._done)
        return task

    async def settle(self, *, within_s: float) -> None:
        """Let them come to their own ends, for so long."""
        if self._running:
            await asyncio.wait(tuple(self._running), timeout=within_s)

    async def cancel(self) -> None:
        """Cancel all and wait for their ends; none of them may call this itself."""
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            context = {"message": f"{type(error).__name__} in an adapter's task", "exception": error, "task": task}
            task.get_loop().call_exception_handler(context)
