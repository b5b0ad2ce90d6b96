"""The accounts that a guard answers for: config and keys, who is to be called, how to finish what was left."""

from __future__ import annotations

import asyncio
import select
import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cli.leftovers import lease_paths, left_over, unfinished, with_guard_keys, words_of
from cli.locate import CannotUse, Source, flow_path_for, read_flow_source, read_source
from cli.outputs import OutputOptions, channels_of
from cli.resolve import resolver
from cli.streams import write_error, write_note
from engine.chart.model import Flow, FlowError
from engine.errors import AccountInUse, EngineError
from engine.runtime.carried import Left
from engine.runtime.clock import LiveClock
from engine.runtime.config import Config, load_config
from engine.runtime.fence import fence
from engine.runtime.hedger_json import JsonOptions
from engine.runtime.journal_read import open_journal, read_runs
from engine.runtime.lease import holder_of, is_free, started_at
from engine.trading.effects import Alert
from engine.trading.plan import source_role
from exchanges.errors import ExchangeError

IN_ORDER = 1
FLAT, NOT_FLAT = 0, 1  # exit codes of a run


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of a takeover: exit code and words. One that failed for a `passing` cause may be tried again."""

    code: int
    text: str
    passing: bool = False


class Guarded:
    """Read once, secrets too: when it has to act, nobody is there to be asked for a passphrase."""

    def __init__(
        self, config_path: str, journal: Path, silence_s: int, vault: str, passphrase_fd: int | None,
        json_options: JsonOptions,
    ) -> None:  # fmt: skip
        """Raises: CannotUse, SecretUnreadable, FlowError."""
        from cli import setups

        self.journal = journal
        self.silence_s = silence_s
        self._resolve = resolver(vault, passphrase_fd)
        self._source: Source = read_source(config_path)
        self._flow: Flow = setups.sound_flow(read_flow_source(flow_path_for(self._source)))
        self._json_options = json_options
        self._config: Config = load_config(
            self._source.text, file=self._source.file, flow=self._flow, json_options=json_options
        )
        self._leases = {
            name: path
            for pair in self._config.pairs
            for name, path in lease_paths(pair, self._resolve).items()
        }  # fmt: skip
        if not self._leases:
            raise CannotUse(f"{config_path}: its accounts are on paper and end with their process; nothing to guard")
        asyncio.run(self._fit())
        self._channels = channels_of(self._config, self._resolve)
        self._calls = ThreadPoolExecutor(max_workers=1)  # in order; the process ends when the last has been tried
        if not self._channels:
            write_note(f"{config_path} calls nobody (`alerts:`): what the guard does is told here only")

    async def _fit(self) -> None:
        """Each account's keys make a client: one that is missing must not be missed when the run is dead already.

        No venue is asked; `eagle validate --online` does that. Raises: CannotUse, SecretUnreadable.
        """
        from cli.client_wiring import clients_to_ask

        clock = LiveClock(asyncio.get_running_loop())
        for pair in self._config.pairs:
            for _, make in clients_to_ask(with_guard_keys(pair), clock=clock, resolve=self._resolve):
                await make().disconnect()

    def unseen(self) -> str:
        """Who trades the accounts with a journal that is not the guard's, so that nobody would see it die; or empty."""
        for account, path in self._leases.items():
            holder = None if is_free(path) else holder_of(path)
            if holder is None or started_at(holder.pid) != holder.started:
                continue
            if Path(holder.journal).resolve() != self.journal.resolve():
                return (
                    f"{account} is traded by process {holder.pid} with the journal {holder.journal}, and this guard"
                    f" watches {self.journal}: guard it with --journal {shlex.quote(holder.journal)}"
                )
        return ""

    def left(self) -> int:
        """A run that left something open while nobody owns the accounts; 0 for none.

        Of one that ended flat itself what is left is dust.
        One that listened to a source and never came to its end has left what its source fills since, which is in no
        journal, though it was flat when it died.
        """
        if self.in_use():
            return 0
        found = next((left.run for left in self._left() if self.exit_code(left.run) != FLAT), 0)
        if found or not source_role(self._flow):
            return found
        return max(unfinished(self.journal, pair) for pair in self._config.pairs)

    def in_use(self) -> bool:
        """Does somebody own one of the accounts?"""
        return not all(is_free(path) for path in self._leases.values())

    def _left(self) -> list[Left]:
        """What is open, of each pair of the config."""
        wall_ms = time.time_ns() // 1_000_000
        found = (left_over(self.journal, pair, wall_ms=wall_ms) for pair in self._config.pairs)
        return [left for left in found if left is not None]

    def owns(self, pid: int) -> bool:
        """Is one of the accounts that process's?"""
        holders = [holder_of(path) for path in self._leases.values() if not is_free(path)]
        return any(it is not None and it.pid == pid and started_at(pid) == it.started for it in holders)

    def fence(self) -> str:
        """Make sure that no process acts on the accounts any more; why that cannot be, or empty."""
        for account, path in self._leases.items():
            if is_free(path):
                continue
            holder = holder_of(path)
            if holder is None:
                return f"{account} is in use and its lease does not say by whom"
            why = fence(holder)
            if why:
                return why
            write_note(f"process {holder.pid}, which held {account}, is dead")
        return ""

    def exit_code(self, run: int) -> int | None:
        """Of a run that came to its end; None for one that did not."""
        with open_journal(self.journal) as journal:
            return next((row.exit_code for row in read_runs(journal) if row.number == run), None)

    def recover(self) -> Recovered:
        """Do what `eagle recover` does, with the guard's keys."""
        from cli import setups
        from cli.client_wiring import Unasked
        from cli.run import told_run

        try:
            found = self._left()
            if not found and not source_role(self._flow):  # what a source filled since is in no journal
                return Recovered(0, "the run had left nothing open")
            for line in (line for left in found for line in words_of(left)):
                write_note(f"  {line}")
            options = setups.Options(
                markets={}, rounds=None, seed=1, speed=1, journal=self.journal, repeat=False, live=True,
                outputs=OutputOptions(), resolve=self._resolve, stop=IN_ORDER, guard=True,
                json_options=self._json_options,
            )  # fmt: skip
            setup = setups.setup_of(self._flow, self._source, options)
            code = told_run(setup, options, wish="plain", style="text")
        except AccountInUse as wrong:
            return Recovered(0, f"somebody else took over before the guard could: {wrong}")
        except (ExchangeError, Unasked) as wrong:
            return Recovered(1, str(wrong), passing=True)
        except (EngineError, CannotUse, FlowError) as wrong:
            return Recovered(1, str(wrong))
        if code:
            text = "its last line says what is open, or that no venue confirmed that nothing is"
            return Recovered(code, text, passing=code == NOT_FLAT)
        if source_role(self._flow):
            return Recovered(code, "what the run left is hedged, down to dust")
        return Recovered(code, "what the run left is closed, the venues confirm flat within dust")

    def wait(self, seconds: int) -> None:
        """Before the next try."""
        select.select([], [], [], seconds)

    def call(self, alert: Alert) -> None:
        """Tell a person, here and on every channel that the config names; what is open does not wait for those."""
        write_error(f"{alert.code}: {alert.text}")
        if self._channels:
            self._calls.submit(self._call, alert)

    def _call(self, alert: Alert) -> None:
        from cli.alert import call_all, call_for

        call = call_for(self._config, alert, flow=self._flow.name)
        for it in call_all(self._channels, call, within_s=self._config.alerts.timeout_ns / 1_000_000_000):
            if not it.delivered:
                write_error(f"{alert.code} was not delivered by {it.channel}: {it.text}")
