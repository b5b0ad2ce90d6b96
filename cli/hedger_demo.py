"""The demo of a flow that listens: a BiFu with a market maker and a venue to hedge on, in a thread of this process.

Fills reach the run as BiFu's frames, over loopback. When the market maker was hit often enough the run is stopped, and
what it wrote is audited against itself and against both venues' own books.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from cli.locate import CannotUse, Source
from cli.setups import Options, setup_of
from cli.streams import write_note
from cli.venue_ledger import fetch_ledger
from cli.venue_wiring import MakerOptions, ServeOptions, config_of, opened_venues
from engine.chart.model import Flow
from engine.runtime.audit import audit
from engine.runtime.venue_audit import audit_venue

__all__ = ["perform_demo"]

KINDS = {"bifu": "bifu", "backpack": "backpack"}
ACCOUNTS = {"maker": "10000", "hawk": "10000", "chick": "10000"}
RATE = 4  # hits a second
ENDS_AFTER_S = 12
START_S = 30  # for the venues to be there


@dataclass(frozen=True, slots=True)
class _Demo:
    config: Source
    urls: dict[str, str]  # by venue


def perform_demo(flow: Flow, options: Options, *, wish: str, style: str) -> int:
    """The exit code: of the run, or 1 if an audit fails. Raises: CannotUse, EngineError, ExchangeError."""
    from cli.performing import performed
    from cli.view import choose_view

    if options.journal is None:
        raise CannotUse("--journal off: what the demo shows is read back from its journal; name a file for it")
    with _venues(options.seed) as demo:
        write_note(f"the demo's venues: {', '.join(f'{name} on {url}' for name, url in demo.urls.items())}")
        ending = replace(options, ends_after_s=ENDS_AFTER_S)
        setup = setup_of(flow, demo.config, ending)
        ran, code = performed(setup, ending, choose_view(wish, live_speed=True), style=style)
        holds = [_audited(options.journal, it.number, demo) for it in ran]
    return code or (0 if all(holds) else 1)


def _audited(journal: Path, run: int, demo: _Demo) -> bool:
    report = audit(journal, run=run)
    holds = report.holds
    write_note(f"audit of run {run}: {'holds' if holds else '; '.join(report.lines())}")
    for name, url in demo.urls.items():
        compared = audit_venue(journal, fetch_ledger(url), run=run, venue=name)
        holds = holds and compared.holds
        write_note(f"{name}'s own books: {'equal' if compared.holds else '; '.join(compared.lines())}")
    return holds


@contextmanager
def _venues(seed: int) -> Iterator[_Demo]:
    with TemporaryDirectory(prefix="eagle-demo-") as folder:
        serving = _Serving(folder, seed)
        serving.start()
        try:
            yield serving.waited_for()
        finally:
            serving.end()


class _Serving(threading.Thread):
    """The venues' own loop."""

    def __init__(self, folder: str, seed: int) -> None:
        super().__init__(name="demo-venues", daemon=True)
        self._options = ServeOptions(
            KINDS, 0, ACCOUNTS, {}, None, folder, seed, "standard", 1, maker=MakerOptions(rate=RATE)
        )
        self._there = threading.Event()
        self._demo: _Demo | None = None
        self._over: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def waited_for(self) -> _Demo:
        self._there.wait(START_S)
        if self._demo is None:
            raise CannotUse("the demo's venues could not be served on this machine's loopback")
        return self._demo

    def end(self) -> None:
        if self._loop is not None and self._over is not None:
            self._loop.call_soon_threadsafe(self._over.set)
        self.join()

    def run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._there.set()

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with opened_venues(self._options) as served:
            urls = {each.name: f"http://127.0.0.1:{each.port}" for each in served}
            self._demo = _Demo(Source("demo_config.yaml", config_of(served, self._options)), urls)
            self._there.set()
            await self._over.wait()
