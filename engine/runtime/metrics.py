"""The metrics of a run as Prometheus text, made piece by piece so that the event loop is never held for long.

Reads `Status` and `MetricCounts`; changes neither. No registry of the library is used, so no metric of another part of
the process can slip in.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from engine.runtime.metric_counts import Histogram, MetricCounts
from engine.runtime.metric_names import BY_NAME
from engine.runtime.status import Status

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"  # the form that every release of the library writes
Labels = tuple[str, ...]
Number = float | int | Decimal
Samples = Iterable[tuple[Labels, Number]]
Part = Iterator[tuple[str, Samples]]  # a metric's name with its samples


class Metrics:
    """`status` gives the run as it is now; `calls` counts calls for a person by channel and whether delivered.

    `dedup` gives the trade ids in memory by account, of those that keep them by time.
    """

    def __init__(
        self, status: Callable[[], Status], counts: MetricCounts, *, program: str,
        calls: Mapping[tuple[str, bool], int], dedup: Callable[[], Mapping[str, int]] = dict,
    ) -> None:  # fmt: skip
        self._status = status
        self._counts = counts
        self._program = program
        self._calls = calls
        self._dedup = dedup

    def pieces(self) -> Iterator[bytes]:
        """The text, a metric at a time: between two of them the loop may do what is more urgent."""
        status = self._status()
        yield b""
        former = ""
        for family in self._families(status):
            text = generate_latest(_One(family))
            # A large metric comes in parts; its two lines of head stand before the first.
            yield text if family.name != former else text.split(b"\n", 2)[2]
            former = family.name

    async def gathered(self) -> bytes:
        """The whole text; the loop goes round after each piece."""
        pieces = []
        for piece in self.pieces():
            pieces.append(piece)
            await asyncio.sleep(0)
        return b"".join(pieces)

    def text(self) -> bytes:
        """All of it at once."""
        return b"".join(self.pieces())

    def _families(self, it: Status) -> Iterator[Metric]:
        counts = self._counts
        parts = (
            _of_run(it, self._program), _of_money(it), _of_exposure(it), _of_streams(it), self._of_orders(it),
            self._of_clients(),
        )  # fmt: skip
        for part in parts:
            for name, samples in part:
                yield _family(name, samples)
        yield _histogram("eagle_unhedged_seconds", [((), counts.unhedged)])
        yield _histogram("eagle_loop_lag_seconds", [((), counts.loop_lag)])
        for stage, histogram in counts.latency.items():
            yield _histogram("eagle_order_latency_seconds", [((stage,), histogram)])

    def _of_orders(self, it: Status) -> Part:
        counts = self._counts
        live = Counter(order.account for order in it.orders)
        yield "eagle_steps_total", _one(counts.steps)
        yield "eagle_position_deviation_base", [((name,), off) for name, off in counts.deviations.items()]
        yield "eagle_orders_placed_total", counts.placed.items()
        yield "eagle_orders_ended_total", counts.ended.items()
        yield "eagle_orders_live", [((line.account,), live[line.account]) for line in it.accounts]
        yield "eagle_fills_total", counts.fills.items()
        yield "eagle_left_out_total", counts.left_out.items()
        yield "eagle_refusals_total", counts.refusals.items()
        yield "eagle_alerts_total", counts.alerts.items()
        yield (
            "eagle_alert_calls_total",
            [((channel, "delivered" if came else "failed"), count) for (channel, came), count in self._calls.items()],
        )

    def _of_clients(self) -> Part:
        yield "eagle_dedup_trades", [((account,), size) for account, size in self._dedup().items()]


class _One(Collector):
    """What `generate_latest` takes, with a single metric in it."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        return (self._family,)


def _of_run(it: Status, program: str) -> Part:
    yield "eagle_info", [((str(it.run), it.flow, it.market, it.quote, program), 1)]
    yield "eagle_run_seconds", _one(it.up_ms / 1000)
    yield "eagle_state", [((name.lower(),), int(name.lower() == it.phase.lower())) for name in it.phases]
    yield "eagle_state_seconds", _one(it.phase_ms / 1000)
    yield "eagle_may_open", _one(int(not it.closed_because))
    yield "eagle_paused", _one(int(it.paused))
    yield "eagle_stopping", _one(it.stopping)


def _of_money(it: Status) -> Part:
    yield "eagle_rounds_total", [(("done",), it.rounds.done), (("given_up",), it.rounds.given_up)]
    yield "eagle_fill_rate_ratio", _one(it.rounds.fill_rate)
    yield "eagle_profit_quote", _one(it.profit)
    yield "eagle_fees_quote", [((line.account,), line.fees) for line in it.accounts]
    yield "eagle_cash_quote", [((line.account,), line.cash) for line in it.accounts]
    yield "eagle_volume_quote_total", [((line.account,), line.volume) for line in it.accounts]


def _of_exposure(it: Status) -> Part:
    exposure = it.exposure
    yield "eagle_position_base", [((line.account, line.role), line.position) for line in it.accounts]
    yield "eagle_maker_open_position_base", _one(exposure.maker_open_position)
    yield "eagle_maker_close_position_base", _one(exposure.maker_close_position)
    yield "eagle_net_position_base", _one(exposure.net_position)
    yield "eagle_in_flight_base", _one(exposure.in_flight)
    yield "eagle_dust_base", _one(exposure.dust)
    yield "eagle_unhedged_base", _one(exposure.unhedged)
    yield "eagle_unhedged_age_seconds", _one(exposure.unhedged_ms / 1000)


def _of_streams(it: Status) -> Part:
    yield "eagle_link_trusted", [((line.account,), int(line.link == "trusted")) for line in it.accounts]
    yield "eagle_quote_age_seconds", [((quote.venue, quote.symbol), quote.age_ms / 1000) for quote in it.quotes]
    yield "eagle_bid_quote", [((quote.venue, quote.symbol), quote.bid) for quote in it.quotes]
    yield "eagle_ask_quote", [((quote.venue, quote.symbol), quote.ask) for quote in it.quotes]


def _one(value: Number | None) -> Samples:
    """The sample of a metric without labels; none for a value that there is not."""
    return [] if value is None else [((), value)]


def _family(name: str, samples: Samples) -> Metric:
    spec = BY_NAME[name]
    family: GaugeMetricFamily | CounterMetricFamily
    if spec.kind == "gauge":
        family = GaugeMetricFamily(name, spec.help, labels=spec.labels)
    else:
        family = CounterMetricFamily(name, spec.help, labels=spec.labels)
    for labels, value in samples:
        family.add_metric(labels, float(value))
    return family


def _histogram(name: str, histograms: Iterable[tuple[Labels, Histogram]]) -> Metric:
    spec = BY_NAME[name]
    family = HistogramMetricFamily(name, spec.help, labels=spec.labels)
    for labels, histogram in histograms:
        family.add_metric(labels, histogram.buckets(), histogram.sum_s)
    return family
