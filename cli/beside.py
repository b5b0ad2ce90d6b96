"""Logs and calls for a person beside one run: hung in by cli/wiring.py, and none of them ends or delays it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import metadata

from cli.outputs import Prepared
from cli.streams import write_note
from engine.runtime.alert_gate import AlertGate
from engine.runtime.alerts import About, Alerts
from engine.runtime.clock import LiveClock
from engine.runtime.config import Config
from engine.runtime.log_files import LogWriter
from engine.runtime.logs import HAND_OVER_NS, Logs
from engine.runtime.ports import Sink, Trace
from engine.trading.desk import Desk
from engine.trading.effects import Alert
from exchanges.types import Clock

ALERTS_END_S, LEAVING_END_S = 10.0, 2.0  # for calls on their way when the run is over; when a person leaves it


class Outputs:
    """One run's logs and calls. `sinks` and `traces` are for the runner, `running` goes around it."""

    def __init__(
        self, prepared: Prepared, config: Config, desk: Desk, clock: Clock, *, run: int,
        decided_ns: Callable[[], int], tell: Callable[[Alert], None],
    ) -> None:  # fmt: skip
        self.sinks: list[Sink] = []
        self.traces: list[Trace] = []
        self._prepared = prepared
        self._desk = desk
        self._clock = clock
        self._decided_ns = decided_ns
        self._tell = tell
        plan = desk.world.plan
        self._about = About(run, plan.flow.name, plan.market, f"eagle-flow {metadata.version('eagle-flow')}")
        self._logs = self._made_logs()
        self._alerts = self._made_alerts(config)
        self._leaving = self._finishing = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While the run goes on; afterwards what is on its way gets a bounded time."""
        try:
            if self._logs is not None:
                self._logs.begin(flow=self._about.flow, market=self._about.market, program=self._about.program)
            yield
        finally:
            await self._finish()

    def stopping(self, level: int) -> bool:
        """A person is in a hurry; True if the run is over and only calls were waited for."""
        self._leaving = self._leaving or level >= 3
        if self._alerts is not None and self._finishing:
            self._alerts.give_up()
        return self._finishing

    async def _finish(self) -> None:
        """The last calls and lines."""
        self._finishing = True
        if self._alerts is not None:
            if waiting := self._alerts.waiting():
                write_note(
                    f"{waiting} call(s) for a person on the way; waiting up to {ALERTS_END_S:g} s, Ctrl-C leaves"
                )
            await self._alerts.finish(within_s=LEAVING_END_S if self._leaving else ALERTS_END_S)
        if self._logs is not None:
            self._logs.close()

    # --- parts

    def _made_logs(self) -> Logs | None:
        if self._prepared.logs is None:
            return None
        writer = LogWriter(self._prepared.logs, run=self._about.run, secrets=self._prepared.secrets)
        if self._prepared.live:
            writer.start()
        logs = Logs(
            writer, self._desk, self._clock, decided_ns=self._decided_ns, tell=self._tell,
            hand_over_ns=HAND_OVER_NS if self._prepared.live else 0,
        )  # fmt: skip
        self.sinks.append(logs.effect)
        self.traces.append(logs.step)
        return logs

    def _made_alerts(self, config: Config) -> Alerts | None:
        if not self._prepared.channels:
            return None
        told = config.alerts
        alerts = Alerts(
            self._prepared.channels,
            AlertGate(level=told.level, repeat_ns=told.repeat_ns, per_minute=told.per_minute),
            LiveClock(asyncio.get_running_loop()), about=self._about, tell=self._tell, secrets=self._prepared.secrets,
        )  # fmt: skip
        self.sinks.append(alerts)
        return alerts
