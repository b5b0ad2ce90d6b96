"""What people can do to a live run from outside its terminal: see it, stop it, pause it, through its control point."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from cli.screen import Screen
from cli.streams import write_note
from cli.words import stop_words
from engine.runtime.control import Control, NotNow
from engine.runtime.control_socket import admit, open_socket, socket_path
from engine.runtime.runner import Runner
from engine.runtime.snapshot import Tally, snapshot
from engine.trading.desk import Desk


@asynccontextmanager
async def attended(
    desk: Desk, tally: Tally, screen: Screen, runner: Runner, *, journal: Path | None
) -> AsyncIterator[None]:
    """While entered, the run is seen in its view and answers on its socket; then watchers hear how it ended."""
    where = None if journal is None else journal.absolute()
    hands = _Hands(desk, screen, runner)
    control = Control(
        look=partial(snapshot, desk, tally, pid=os.getpid(), journal=None if where is None else str(where)),
        stop=hands.stop, pause=hands.pause, on_failure=hands.failed, admit=admit,
    )  # fmt: skip
    path = None if where is None else await _listen(control, where.parent, run=desk.world.run)
    try:
        await screen.view.begin(control)
        yield
    finally:
        if path is not None:
            path.unlink(missing_ok=True)
        ended = (runner.exit_code(), runner.ending.text) if runner.ending is not None else (1, "failed")
        await control.close(*ended)
        await screen.view.end()


async def _listen(control: Control, folder: Path, *, run: int) -> Path | None:
    """The run's socket file; without one it can still be stopped from its own terminal."""
    try:
        await control.listen(open_socket(folder, run))
    except OSError as error:
        write_note(f"{folder} takes no control socket ({error.strerror}): eagle status and stop cannot reach this run")
        return None
    return socket_path(folder, run)


class _Hands:
    """What the control point may do; each returns what the asker is told."""

    def __init__(self, desk: Desk, screen: Screen, runner: Runner) -> None:
        self._desk = desk
        self._screen = screen
        self._runner = runner

    def stop(self, level: int) -> str:
        plan = self._desk.world.plan
        words = [what for what, _ in stop_words(hedged=plan.hedged, listens=bool(plan.heard))]
        if not self._screen.stopping(level, by="eagle stop"):
            return f"it is {words[self._screen.level]} already"
        self._runner.stop(level)
        return words[level]

    def pause(self, paused: bool) -> str:
        before = self._desk.world.paused
        self._runner.pause(paused)
        if self._desk.world.paused is not paused:
            raise NotNow("it has not begun to trade yet; ask again in a moment")
        if before is paused:
            return "it is paused already" if paused else "it is not paused"
        self._screen.pausing(paused)
        return "no opening from now on; closing, hedging and cleanup go on" if paused else "openings are allowed again"

    def failed(self, error: Exception) -> None:
        self._screen.view_failed(f"{type(error).__name__}: {error}")
