"""Logs, metrics and calls for a person beside one run: hung in by cli/wiring.py, and none of them ends or delays it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cli.locate import CannotUse
from cli.outputs import Prepared
from cli.program import program
from cli.streams import write_note
from engine.runtime.alert_gate import AlertGate
from engine.runtime.alerts import About, Alerts
from engine.runtime.clock import LiveClock, S
from engine.runtime.config import Config
from engine.runtime.log_files import LogWriter
from engine.runtime.logs import HAND_OVER_NS, Logs
from engine.runtime.ports import Sink, Trace
from engine.runtime.status import Status
from engine.trading.desk import Desk
from engine.trading.effects import Alert, Level
from exchanges.types import Clock

if TYPE_CHECKING:  # only a run with metrics pays for their libraries
    from engine.runtime.metric_counts import MetricCounts
    from engine.runtime.metrics import Metrics
    from engine.runtime.metrics_file import MetricsFile
    from engine.runtime.metrics_server import MetricsServer

ALERTS_END_S, LEAVING_END_S = 10.0, 2.0  # for calls on their way when the run is over; when a person leaves it
FIGURES_S = 60.0  # between two lines of figures in the performance log
METRICS_FILE_S = 5.0  # between two writes of the metrics file
LAG_S = 0.25  # how often the loop's lag is looked at


class Outputs:
    """One run's logs, metrics and calls. `sinks` and `traces` are for the runner, `running` goes around it."""

    def __init__(
        self, prepared: Prepared, config: Config, desk: Desk, clock: Clock, *, run: int,
        status: Callable[[], Status], decided_ns: Callable[[], int], tell: Callable[[Alert], None],
        dedup: Callable[[], Mapping[str, int]],
    ) -> None:  # fmt: skip
        self.sinks: list[Sink] = []
        self.traces: list[Trace] = []
        self._prepared = prepared
        self._desk = desk
        self._clock = clock
        self._status = status
        self._decided_ns = decided_ns
        self._tell = tell
        self._dedup = dedup
        plan = desk.world.plan
        self._about = About(run, plan.flow.name, plan.market, program())
        self._logs = self._made_logs()
        self._alerts = self._made_alerts(config)
        self._counts, self._metrics = self._made_metrics()
        self._file: MetricsFile | None = None
        self._file_told = False
        self._server: MetricsServer | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._leaving = self._finishing = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Starts what works beside the run; afterwards gives what is on its way a bounded time.

        Raises: CannotUse, CannotListen, before the run has begun.
        """
        try:
            await self._start()
            yield
        finally:
            for task in self._tasks:
                task.cancel()
            await self._finish()

    def stopping(self, level: int) -> bool:
        """A person is in a hurry; True if the run is over and only calls were waited for."""
        self._leaving = self._leaving or level >= 3
        if self._alerts is not None and self._finishing:
            self._alerts.give_up()
        return self._finishing

    async def _finish(self) -> None:
        """The last calls, figures and lines."""
        self._finishing = True
        if self._alerts is not None:
            if waiting := self._alerts.waiting():
                write_note(
                    f"{waiting} call(s) for a person on the way; waiting up to {ALERTS_END_S:g} s, Ctrl-C leaves"
                )
            await self._alerts.finish(within_s=LEAVING_END_S if self._leaving else ALERTS_END_S)
        if self._server is not None:
            await self._server.stop()
        if self._metrics is not None and self._file is not None:
            self._put_file(self._metrics.text())
            self._file.close(within_s=LEAVING_END_S)
        if self._logs is not None:
            self._logs.figures(self._status())
            self._logs.close()

    # --- parts

    def _made_logs(self) -> Logs | None:
        if self._prepared.logs is None:
            return None
        writer = LogWriter(self._prepared.logs, run=self._about.run)
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
            LiveClock(asyncio.get_running_loop()), about=self._about, tell=self._tell,
        )  # fmt: skip
        self.sinks.append(alerts)
        return alerts

    def _made_metrics(self) -> tuple[MetricCounts | None, Metrics | None]:
        options = self._prepared.options
        if options.metrics is None and options.metrics_listen is None:
            return None, None
        from engine.runtime.metric_counts import MetricCounts
        from engine.runtime.metrics import Metrics

        counts = MetricCounts(self._desk, decided_ns=self._decided_ns)
        self.sinks.append(counts.effect)
        self.traces.append(counts.step)
        calls = self._alerts.calls if self._alerts is not None else {}
        return counts, Metrics(self._status, counts, program=self._about.program, calls=calls, dedup=self._dedup)

    async def _start(self) -> None:
        about, options = self._about, self._prepared.options
        if self._logs is not None:
            self._logs.begin(flow=about.flow, market=about.market, program=about.program)
            if self._prepared.live:
                self._spawn(self._write_figures(self._logs))
        if self._metrics is None or self._counts is None:
            return
        if options.metrics is not None:
            self._start_file(options.metrics, self._metrics)
        if options.metrics_listen is not None:
            from engine.runtime.metrics_server import MetricsServer

            self._server = MetricsServer(self._metrics)
            write_note(f"metrics at {await self._server.start(*options.metrics_listen)}")
        if self._prepared.live:
            self._spawn(_watch_lag(self._counts))

    def _start_file(self, path: Path, metrics: Metrics) -> None:
        from engine.runtime.metrics_file import MetricsFile

        self._file = MetricsFile(path)
        try:
            self._file.write(metrics.text())
        except OSError as error:
            raise CannotUse(f"--metrics: {path} cannot be written ({error.strerror}); name another file") from error
        if self._prepared.live:
            self._file.start()
            self._spawn(self._write_file(metrics))

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._task_done)
        self._tasks.append(task)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        """A defect of ours here is no reason to stop trading."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._lost(f"metrics or figures ended: {type(error).__name__}: {error}")

    # --- again and again

    async def _write_figures(self, logs: Logs) -> None:
        while True:
            await asyncio.sleep(FIGURES_S)
            logs.figures(self._status())

    async def _write_file(self, metrics: Metrics) -> None:
        while True:
            await asyncio.sleep(METRICS_FILE_S)
            self._put_file(await metrics.gathered())

    def _put_file(self, text: bytes) -> None:
        assert self._file is not None
        self._file.put(text)
        if self._file.trouble and not self._file_told:
            self._file_told = True
            self._lost(f"the metrics file cannot be written: {self._file.trouble}")

    def _lost(self, why: str) -> None:
        self._tell(Alert(Level.WARNING, "metrics_lost", f"{why}; the run goes on", {}))


async def _watch_lag(counts: MetricCounts) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LAG_S
        await asyncio.sleep(LAG_S)
        counts.loop_lag.add(max(0, round((loop.time() - due) * S)))
