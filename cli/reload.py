"""A config that is read again while its runs go on: looked at once a second, applied when its `_version` has grown.

A look is one `stat` of the file: an editor replaces it, a mount changes under it, and neither tells a watch of the old
file. A new version is validated whole and then holds for all pairs at once, between two of their steps; what is wrong
with it is told, and the former one stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from types import TracebackType

from cli.budgets import Budgets
from cli.client_wiring import SharedAccounts, client_for
from cli.locate import CannotUse, read_source
from cli.setups import Options, Setup
from cli.wiring import Member
from engine.chart.model import FlowError
from engine.errors import EngineError
from engine.runtime.config import Config, load_config
from engine.trading.effects import Alert, Level
from engine.trading.reconfigure import new_settings
from exchanges.base import BaseExchangeClient
from exchanges.errors import ExchangeError, Rejected
from exchanges.types import ZERO, Clock, Position, Refusal, Side

LOOK_S = 1.0  # requirement 3: at most once a second
FINDINGS_TOLD = 5
TRIES = 3  # readings of what an account under new keys holds
AGAIN_S = 10.0  # between two tries to connect an account under its new keys


class Reload:
    """A context around the runs of a config's pairs; looks at the file while entered."""

    def __init__(
        self, setups: Sequence[Setup], members: Sequence[Member], accounts: SharedAccounts, *, clock: Clock,
        options: Options, listen: Callable[[str, BaseExchangeClient], None],
    ) -> None:  # fmt: skip
        self._configs = [setup.config for setup in setups]
        self._flow = setups[0].flow
        self._path = Path(self._configs[0].file)
        self._members = members
        self._accounts = accounts
        self._clock = clock
        self._options = options
        self._listen = listen
        self._digest = self._configs[0].digest
        self._seen: tuple[int, int, int] | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Reload:
        self._seen = _mark(self._path)
        if self._seen is not None:
            self._task = asyncio.get_running_loop().create_task(self._watch())
            self._task.add_done_callback(self._over)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _over(self, task: asyncio.Task[None]) -> None:
        """A defect of ours here is no reason to stop hedging."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._tell(
                Level.WARNING, "config_refused", f"the config is looked at no more: {type(error).__name__}: {error}"
            )

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            mark = _mark(self._path)
            if mark is not None and mark != self._seen:
                self._seen = mark
                await self.look()

    async def look(self) -> None:
        """Read the file now, and apply it or say why not."""
        try:
            source = read_source(str(self._path))
            read = load_config(source.text, file=source.file, flow=self._flow, json_options=self._options.json_options)
            change = self._compared(read)
        except FlowError as wrong:
            told = [f"line {it.span.line}: {it.message}" for it in wrong.findings[:FINDINGS_TOLD]]
            more = len(wrong.findings) - len(told)
            self._refuse("; ".join([*told, *([f"and {more} more"] if more else [])]))
        except CannotUse as wrong:
            self._refuse(wrong.message)
        else:
            if change is not None:
                await self._apply(change)

    def _compared(self, read: Config) -> _Change | None:
        """What is new. Raises: CannotUse for what a run cannot change while it goes on."""
        if read.digest == self._digest:
            return None
        version = self._configs[0].version
        if read.version <= version:
            self._digest = read.digest
            self._tell(
                Level.WARNING, "config_not_applied",
                f"{self._path} was edited and its _version is {read.version}, not above {version}: not applied; raise"
                " it to apply the edit",
            )  # fmt: skip
            return None
        fixed = _fixed(self._configs, list(read.pairs))
        if fixed:
            raise CannotUse(f"{', '.join(fixed)} cannot change while it runs; start again for that")
        return _Change(read, _other_keys(self._configs[0], read))

    async def _apply(self, change: _Change) -> None:
        """Settings of all pairs at once, then accounts whose keys are other ones. Wrong keys refuse all of it."""
        read = change.config
        try:
            for name in change.accounts:
                await self._try_keys(read, name)
        except (CannotUse, EngineError, ExchangeError) as wrong:
            self._refuse(str(wrong))
            return
        self._configs, self._digest = list(read.pairs), read.digest
        pairs = {pair.market: pair for pair in read.pairs}
        for member in self._members:
            pair = pairs[member.setup.config.market]
            member.runner.handle(new_settings(self._flow, pair.settings, pair.limits, version=read.version))
        for name in change.accounts:
            await self._replace(name, read)

    async def _try_keys(self, read: Config, name: str) -> None:
        """A signed question with the new keys, while the former ones still hedge. Raises: as a client's questions,
        CannotUse for keys of another account.
        """
        client = self._client(read, name)
        try:
            for left in reversed(range(TRIES)):
                before = self._held(name)
                told = await client.get_account_positions()
                after = self._held(name)
                wrong, quiet = _elsewhere(before, after, told), before == after and not _moving(after)
                if not wrong and (quiet or not left):
                    return
                if not left:
                    raise CannotUse(f"the new keys of {name} are of another account: {wrong}")
                await asyncio.sleep(LOOK_S)  # a venue may show a fill later than it tells it, and any is within a range
        except Rejected as refused:
            if refused.refusal is not Refusal.UNSUPPORTED:
                raise
        finally:
            await client.disconnect()

    def _held(self, name: str) -> dict[str, tuple[Decimal, Decimal]]:
        """By symbol: the least and the most that an account can hold now; nothing of one that is only listened to."""
        found = {}
        for world in (member.desk.world for member in self._members):
            if name in world.traded and world.started:
                low = high = world.baseline.get(name, ZERO) + world.ledger.books[name].position
                for order in (*world.orders.covering.values(), *world.orders.resting.values()):
                    if order.account == name and order.side is Side.BUY:
                        high += order.remaining
                    elif order.account == name:
                        low -= order.remaining
                found[world.instruments[name].symbol] = (low, high)
        return found

    async def _replace(self, name: str, read: Config) -> None:
        def make() -> BaseExchangeClient:
            for member in self._members:
                member.flush()  # a listened account's client is made of what the journal knows
            client = self._client(read, name)
            self._listen(name, client)
            return client

        shared = self._accounts.shared[name]
        try:
            await shared.replace(make)
        except ExchangeError as error:
            self._tell(Level.PERSON, "keys_fail", f"{name} cannot connect with its new keys: {error}; trying on")
            await self._connect_again(name)
        self._tell(Level.INFO, "keys_changed", f"{name} has other keys and a new connection")

    async def _connect_again(self, name: str) -> None:
        while True:
            await asyncio.sleep(AGAIN_S)
            with suppress(ExchangeError):
                await self._accounts.shared[name].connect_again()
                return

    def _client(self, read: Config, name: str) -> BaseExchangeClient:
        return client_for(
            read, read.accounts[name], clock=self._clock, seed=self._options.seed, budgets=Budgets(shared=True),
            resolve=self._options.resolve, journal=self._options.journal,
        )  # fmt: skip

    def _refuse(self, why: str) -> None:
        kept = f"version {self._configs[0].version} goes on"
        self._tell(Level.WARNING, "config_refused", f"{self._path} is not applied, {kept}: {why}")

    def _tell(self, level: Level, code: str, text: str) -> None:
        self._members[0].runner.alert(Alert(level, code, text, {}))


@dataclass(frozen=True, slots=True)
class _Change:
    """A new version, and the accounts whose credentials are other ones in it."""

    config: Config
    accounts: tuple[str, ...]


def _moving(held: Mapping[str, tuple[Decimal, Decimal]]) -> bool:
    return any(low != high for low, high in held.values())


def _elsewhere(
    before: Mapping[str, tuple[Decimal, Decimal]], after: Mapping[str, tuple[Decimal, Decimal]],
    told: Sequence[Position],
) -> str:  # fmt: skip
    """How what an account is told to hold contradicts what it can hold; empty if it does not."""
    found = []
    for symbol in before.keys() & after.keys():
        qty = sum((it.qty for it in told if it.symbol == symbol), ZERO)
        low, high = min(before[symbol][0], after[symbol][0]), max(before[symbol][1], after[symbol][1])
        if not low <= qty <= high:
            found.append(f"it holds {qty} {symbol}, and the run's has {low}{'' if low == high else f' to {high}'}")
    return "; ".join(sorted(found))


def _mark(path: Path) -> tuple[int, int, int] | None:
    """What changes with every edit; None for a file that is not there, as while an editor replaces it."""
    try:
        told = path.stat()
    except OSError:
        return None
    return told.st_ino, told.st_size, told.st_mtime_ns


def _other_keys(before: Config, after: Config) -> tuple[str, ...]:
    """Accounts in use whose secrets are kept elsewhere now, or, where they stand in the file, are others."""

    def of(config: Config, name: str) -> object:
        plain = {field: secret for field, secret in config.plain.items() if field.startswith(f"{name}.")}
        return dict(config.accounts[name].credentials), plain

    names = dict.fromkeys(account.name for pair in before.pairs for account in pair.used_accounts)
    return tuple(name for name in names if of(before, name) != of(after, name))


def _fixed(before: Sequence[Config], after: Sequence[Config]) -> list[str]:
    """What differs and cannot change while it runs."""
    if [it.market for it in before] != [it.market for it in after]:
        return ["the pairs"]
    found: dict[str, None] = {}
    for old, new in zip(before, after, strict=True):
        for what, one, other in (
            ("the symbols", old.symbols, new.symbols),
            ("venues", old.venues, new.venues),
            ("roles", old.roles, new.roles),
            ("accounts", _without_keys(old), _without_keys(new)),
            ("guards", old.guards, new.guards),
            ("orders_per_minute", old.limits.orders_per_minute, new.limits.orders_per_minute),
        ):
            if one != other:
                found[what] = None
    return list(found)


def _without_keys(config: Config) -> Mapping[str, object]:
    return {account.name: replace(account, credentials={}) for account in config.used_accounts}
