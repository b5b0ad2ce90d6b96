"""Runs on local venues whose process dies or is stopped at an effect, and those that take over, with real adapters.

A death stops everything of the process at once: nothing is sent, answered or written any more, and what waited in
memory is lost. The venues live on, and so do the orders on them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from venue_mount import MemoryMount
from venue_runs import Venues, open_venues

from cli.leftovers import left_over
from cli.record import run_start
from cli.wiring import watch_of
from engine.runtime.audit import audit
from engine.runtime.carried import Left
from engine.runtime.chance import Chance
from engine.runtime.clock import S
from engine.runtime.journal import Sync
from engine.runtime.journal_sqlite import SqliteJournal
from engine.runtime.loop import VirtualLoop
from engine.runtime.runner import Runner
from engine.trading.desk import Desk
from engine.trading.effects import Alert, Effect
from exchanges.backpack.client import BackpackClient
from exchanges.base import BaseExchangeClient

NO_STOPS: Mapping[int, int] = {}
MOST_SECONDS = 300  # of virtual time that a run is given before it is stopped in order


class Mortal:
    """The journal of a process that dies at its `at`-th effect: an intent written, a request about to leave, a step
    recorded. Afterwards it takes nothing; what was not written is lost. `asked` is called at effects of its own."""

    def __init__(self, journal: SqliteJournal, at: int) -> None:
        self._journal = journal
        self._at = at
        self.moments = 0  # at which it could have died so far
        self.dead = False
        self.die: Callable[[], None] = _nothing
        self.asked: Mapping[int, Callable[[], None]] = {}

    def doom(self, after: int) -> None:
        """It dies at the `after`-th moment from now on."""
        self._at = self.moments + after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    @property
    def failed(self) -> bool:
        return self._journal.failed

    def intents(self, *given: Any) -> None:
        self._do(self._journal.intents, given)

    def sent(self, *given: Any) -> None:
        self._do(self._journal.sent, given)

    def step(self, *given: Any) -> None:
        self._do(self._journal.step, given)

    def flush(self) -> None:
        if not self.dead:
            self._journal.flush()

    def _do(self, act: Callable[..., None], given: tuple[Any, ...]) -> None:
        """Each effect is two moments to die at: before it, and after it."""
        for _ in range(2):
            if self.dead:
                return
            self.moments += 1
            self.asked.get(self.moments, _nothing)()
            if self.moments == self._at:
                self.dead = True
                self.die()
                return
            if act is not _nothing:
                act(*given)
            act = _nothing


def _nothing(*_: Any) -> None:
    """The effect is done."""


@dataclass
class Lives:
    """What the lives of one desk left behind: each run's end, and the venues."""

    venues: Venues
    path: Path
    codes: list[int | None] = field(default_factory=list)  # None: it died
    left: list[Left | None] = field(default_factory=list)
    seconds: list[Decimal] = field(default_factory=list)  # of each life
    alerts: list[Alert] = field(default_factory=list)
    moments: int = 0  # of the last life
    stopped_s: dict[int, Decimal] = field(default_factory=dict)  # level of a stop -> how long the life went on after it

    @property
    def sent(self) -> int:
        """Orders that any venue has seen."""
        return sum(len(it.ledger.orders) for it in self.venues.exchanges.values())

    def wrong(self) -> list[str]:
        """What the venues' ledgers say against a journal that must be whole again."""
        found = []
        report = audit(self.path)
        found += [finding.text for finding in report.findings]
        for exchange in self.venues.exchanges.values():
            for name, account in exchange.accounts.items():
                found += [f"{name} still holds {it.qty}" for it in account.balances.holdings.values() if it.qty]
                found += [f"{name}: order {order} is still open" for order in account.open]
        ids = [order.client_id for it in self.venues.exchanges.values() for order in it.ledger.orders.values()]
        if len(set(ids)) != len(ids):
            found.append("a client id was used twice")
        return found


def live_through(
    path: Path, *kills: int, seed: int = 1, rounds: int = 2, faults: str = "", down_s: float = 1.5, last_stop: int = 1
) -> Lives:
    """One run that dies at effect `kills[0]`, one that takes over and dies at `kills[1]`, …, and one that lives.

    The last one is told to stop at once, at level `last_stop`; 0 lets it trade its rounds.
    """
    return _played(lambda loop: _lives(loop, path, kills, seed, rounds, faults, down_s, last_stop))


def stop_at(path: Path, stops: Mapping[int, int], *, seed: int = 1, rounds: int = 2, faults: str = "") -> Lives:
    """One run that is asked to stop at effects, `stops`: effect -> level, as by signals that come while it works.

    After a third signal, with which it leaves at once, another run finishes what is open.
    """
    return _played(lambda loop: _stopped(loop, path, stops, seed, rounds, faults))


def _played(story: Callable[[VirtualLoop], Coroutine[Any, Any, Lives]]) -> Lives:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        return runner.run(story(loop))


async def _stopped(
    loop: VirtualLoop, path: Path, stops: Mapping[int, int], seed: int, rounds: int, faults: str
) -> Lives:
    lives = Lives(open_venues(loop, faults, rounds, seed, same_venue=False), path)
    await _life(lives, 1, 0, stop=0, stops=stops)
    if 3 in lives.stopped_s:
        await _life(lives, 2, 0, stop=1)
    return lives


async def _lives(
    loop: VirtualLoop, path: Path, kills: tuple[int, ...], seed: int, rounds: int, faults: str, down_s: float, stop: int
) -> Lives:
    lives = Lives(open_venues(loop, faults, rounds, seed, same_venue=False), path)
    for number, at in enumerate(kills, 1):
        await _life(lives, number, at, stop=0)
        await asyncio.sleep(down_s)
    await _life(lives, len(kills) + 1, 0, stop=stop)
    return lives


async def _life(lives: Lives, number: int, at: int, *, stop: int, stops: Mapping[int, int] = NO_STOPS) -> None:
    venues, clock = lives.venues, lives.venues.clock
    config = venues.config
    mounts: list[MemoryMount] = []
    clients: dict[str, BaseExchangeClient] = {}
    for account in config.used_accounts:
        clients[account.name] = client = venues.client(account, number)
        assert isinstance(client, BackpackClient)
        mounts.append(client._transport)  # type: ignore[arg-type]
    left = left_over(lives.path, config, wall_ms=clock.wall_ms())
    lives.left.append(left)
    inner = SqliteJournal(lives.path, sync=Sync.NORMAL, on_lost=lambda _: None)
    journal = Mortal(inner, at)
    plan = venues.plan(clients)
    chance = Chance(venues.seed + number)
    desk = Desk(plan, run=number, chance=chance)

    def told(effect: Effect) -> None:
        if isinstance(effect, Alert):
            lives.alerts.append(effect)

    runner = Runner(
        desk, clients, symbols=dict.fromkeys(clients, venues.symbol), clock=clock, watch=watch_of(plan),
        journal=journal, chance=chance, orders_per_minute=config.limits.orders_per_minute,
        max_book_age_ns=config.guards.max_book_age_ns, may_send=desk.objection, sinks=[told],
        flush_after_ns=S // 5, carried=None if left is None else left.carried, stop_at_once=stop,
    )  # fmt: skip

    def die() -> None:
        for mount in mounts:
            mount.unreachable = True
            mount.cut()
        runner.stop(3)

    asked_ns: dict[int, int] = {}

    def ask(level: int) -> None:
        """As a signal: between two turns of the loop."""
        asked_ns[level] = clock.now_ns()
        asyncio.get_running_loop().call_soon(runner.stop, level)

    journal.die = die
    journal.asked = {moment: partial(ask, level) for moment, level in stops.items()}
    began_ns = clock.now_ns()
    inner.run_started(run_start(plan, config, number=number, seed=venues.seed, speed=1, wall_ms=clock.wall_ms()))
    watchdog = clock.call_at(began_ns + MOST_SECONDS * S, runner.stop, 1)
    code = await runner.run()
    watchdog.cancel()
    lives.seconds.append(Decimal(clock.now_ns() - began_ns) / S)
    lives.codes.append(None if journal.dead else code)
    lives.moments = journal.moments
    lives.stopped_s |= {level: Decimal(clock.now_ns() - at_ns) / S for level, at_ns in asked_ns.items()}
    if journal.dead:
        inner._database.close()
    else:
        inner.run_ended(code, clock.wall_ms())
        inner.close()
