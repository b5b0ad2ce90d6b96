"""Metrics say what the journal says, in a text that Prometheus' own parser reads, and never hold the loop for long."""

from __future__ import annotations

import os
import sqlite3
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cli_kit import FLOW, Eagle, eagle  # noqa: F401
from prometheus_client.parser import text_string_to_metric_families

from engine.runtime.metric_counts import Histogram, MetricCounts, end_of
from engine.runtime.metric_names import BUCKETS_S, METRICS
from engine.runtime.metrics_file import MetricsFile
from engine.trading.alert_codes import ALERT_CODES
from engine.trading.desk import Desk
from engine.trading.effects import Purpose
from engine.trading.inputs import Counted, LeftOut
from engine.trading.orders import Order
from exchanges.types import Margin, OrderState, Position, Refusal, Side

MS = 1_000_000
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(text: str) -> Samples:
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"{key} stands twice"
            found[key] = sample.value
    return found


def sums(samples: Samples, name: str) -> float:
    return sum(value for (each, _), value in samples.items() if each == name)


def one(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def rows(sql: str) -> list[tuple[object, ...]]:
    with sqlite3.connect("state/eagle.sqlite") as journal:
        return journal.execute(sql).fetchall()


@pytest.fixture
def text(eagle: Eagle) -> str:  # noqa: F811
    """The metrics of thirty rounds in virtual time."""
    assert eagle("run", "--flow", FLOW, "--speed", "max", "--rounds", 30, "--metrics", "m.prom").code == 0
    return Path("m.prom").read_text()


def test_every_metric_is_there_with_its_kind_and_labels_and_no_other(text: str) -> None:
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert set(families) == {metric.name.removesuffix("_total") for metric in METRICS}
    for metric in METRICS:
        family = families[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels)


def test_names_carry_their_unit() -> None:
    units = ("_quote", "_base", "_seconds", "_ratio")
    plain = {"eagle_info", "eagle_state", "eagle_may_open", "eagle_paused", "eagle_stopping", "eagle_orders_live",
             "eagle_dedup_trades",
             "eagle_link_trusted"}  # fmt: skip
    for metric in METRICS:
        assert metric.name.startswith("eagle_")
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.kind == "counter" or metric.name.endswith(units) or metric.name in plain


def test_the_figures_are_those_of_the_journal(text: str) -> None:
    found = parsed(text)
    for account, purpose, state, count in rows(
        "SELECT account, purpose, state, count(*) FROM orders GROUP BY account, purpose, state"
    ):
        if state == "filled":
            assert one(found, "eagle_orders_ended_total", account=account, purpose=purpose, end=state) == count  # type: ignore[arg-type]
    ((orders, volume, fees),) = rows("SELECT count(*), sum(notional), sum(fee) FROM orders")
    assert sums(found, "eagle_orders_placed_total") == sums(found, "eagle_orders_ended_total") == orders
    assert sums(found, "eagle_volume_quote_total") == pytest.approx(volume)
    assert sums(found, "eagle_fees_quote") == pytest.approx(fees)
    assert sums(found, "eagle_fills_total") == rows("SELECT count(*) FROM fills")[0][0]
    assert sums(found, "eagle_alerts_total") == rows("SELECT count(*) FROM alerts")[0][0]
    assert one(found, "eagle_steps_total") == rows("SELECT max(seq) FROM inputs")[0][0]
    assert one(found, "eagle_rounds_total", result="done") == 30
    ((rate,),) = rows("SELECT sum(cum_qty) / sum(qty) FROM orders WHERE purpose = 'open' AND state != 'failed'")
    assert one(found, "eagle_fill_rate_ratio") == pytest.approx(rate, abs=1e-4)
    assert one(found, "eagle_net_position_base") == sums(found, "eagle_position_base") == 0
    assert one(found, "eagle_profit_quote") == pytest.approx(sums(found, "eagle_cash_quote"))
    assert sums(found, "eagle_position_deviation_base") == 0
    assert sums(found, "eagle_link_trusted") == 4
    assert one(found, "eagle_state", state="idle") == sums(found, "eagle_state") == 1


def test_hedges_are_timed_and_exposures_too(text: str) -> None:
    found = parsed(text)
    ((hedges,),) = rows("SELECT count(*) FROM orders WHERE received_ns IS NOT NULL AND written_ns IS NOT NULL")
    for stage in ("decode", "decide", "reaction"):
        assert one(found, "eagle_order_latency_seconds_count", stage=stage) == hedges
    ((written,),) = rows("SELECT count(*) FROM orders WHERE written_ns IS NOT NULL")
    assert one(found, "eagle_order_latency_seconds_count", stage="answer") == written
    assert one(found, "eagle_unhedged_seconds_count") >= 60
    assert one(found, "eagle_unhedged_seconds_bucket", le="+Inf") == one(found, "eagle_unhedged_seconds_count")


def test_an_alert_that_never_came_is_seen_to_rise_when_it_does(text: str) -> None:
    found = parsed(text)
    for code, it in ALERT_CODES.items():
        assert ("eagle_alerts_total", frozenset({("code", code), ("level", it.level.name.lower())})) in found


def test_a_histogram_puts_a_time_into_its_bucket() -> None:
    it = Histogram()
    for span_ns in (0, 100_000, 100_001, 20_000 * MS):
        it.add(span_ns)
    buckets = dict(it.buckets())
    assert [buckets[bound] for bound in ("0.0001", "0.0002", "10.0", "+Inf")] == [2, 3, 3, 4]
    assert (it.count, it.sum_s) == (4, pytest.approx(20.000200001))
    assert BUCKETS_S[0] == 0.0001
    assert BUCKETS_S[-1] == 10
    assert list(BUCKETS_S) == sorted(BUCKETS_S)


def test_the_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path / "m.prom")
    file.write(b"one")
    with (tmp_path / "m.prom").open("rb") as reader:
        file.write(b"a longer text")
        assert reader.read() == b"one"  # who has it open sees the whole old one
    assert [path.name for path in tmp_path.iterdir()] == ["m.prom"]
    assert (tmp_path / "m.prom").read_bytes() == b"a longer text"


def test_a_file_that_cannot_be_written_is_known_and_written_when_it_can_be_again(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    file = MetricsFile(folder / "m.prom")
    file.put(b"one")
    assert file.trouble == "No such file or directory"
    folder.mkdir()
    file.put(b"two")
    assert (file.trouble, (folder / "m.prom").read_bytes()) == ("", b"two")
    file.start()
    file.put(b"three")
    file.close(within_s=60)
    assert (folder / "m.prom").read_bytes() == b"three"


def test_a_metrics_file_that_cannot_be_written_is_refused_at_the_start(eagle: Eagle) -> None:  # noqa: F811
    said = eagle("run", "--flow", FLOW, "--speed", "max", "--rounds", 1, "--metrics", "no/m.prom")
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines()[-1] == (
        "eagle: --metrics: no/m.prom cannot be written (No such file or directory); name another file"
    )


def test_a_device_is_not_replaced_by_metrics(eagle: Eagle, tmp_path: Path) -> None:  # noqa: F811
    """`--metrics /dev/null` by the superuser would otherwise take it from everybody."""
    os.mkfifo(tmp_path / "pipe")
    said = eagle("run", "--flow", FLOW, "--speed", "max", "--rounds", 1, "--metrics", "pipe")
    words = "--metrics: pipe is no ordinary file, and would be replaced by one; name a file"
    assert (said.code, said.err) == (2, f"eagle: {words}\n")
    assert (tmp_path / "pipe").is_fifo()


LISTEN = [
    ("9109", "'9109' is no HOST:PORT; write 127.0.0.1:9109, or port 0 for a free one"),
    ("127.0.0.1:99999", "'127.0.0.1:99999' is no HOST:PORT; write 127.0.0.1:9109, or port 0 for a free one"),
    *(
        (f"{host}:9109", f"{host.strip('[]')} is not this machine's loopback address, and the page has no password;"
         " listen on 127.0.0.1 and let a tunnel or a proxy of yours bring it further")
        for host in ("0.0.0.0", "[::]", "192.168.1.5", "example.com")
    ),
    ("127.0.0.1:0", "nobody can ask a run in virtual time (--speed max); use --metrics FILE"),
]  # fmt: skip


@pytest.mark.parametrize(("address", "words"), LISTEN, ids=[address for address, _ in LISTEN])
def test_an_address_to_listen_on_that_cannot_be_is_refused_with_words(
    eagle: Eagle, address: str, words: str  # noqa: F811
) -> None:  # fmt: skip
    said = eagle("run", "--flow", FLOW, "--speed", "max", "--metrics-listen", address)
    assert (said.code, said.out, said.err) == (2, "", f"eagle: --metrics-listen: {words}\n")
    assert not Path("state").exists()


def test_every_metric_has_one_head(text: str) -> None:
    """A large one is made in parts; Prometheus refuses a second head."""
    heads = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert sorted(heads) == sorted({metric.name for metric in METRICS})


ENDED = [
    ({"state": OrderState.FILLED}, "filled"),
    ({"state": OrderState.CANCELED}, "canceled"),
    ({"state": OrderState.CANCELED, "filled": Decimal(1)}, "partly"),
    ({"state": OrderState.CANCELED, "provisional": Decimal(1)}, "partly"),
    ({"state": OrderState.FAILED, "refusal": Refusal.MARGIN}, "refused"),
    ({"state": OrderState.FAILED}, "lost"),
]


@pytest.mark.parametrize(("said", "end"), ENDED)
def test_ends_of_orders_are_told_apart(said: dict[str, Any], end: str) -> None:
    order = Order(
        client_id="c", account="hawk", venue="v", symbol="s", side=Side.BUY, qty=Decimal(2), price=None,
        purpose=Purpose.HEDGE, leg="", round=1, attempt=1, reduce_only=False, created_ns=1, dead_after_ns=2, **said,
    )  # fmt: skip
    assert end_of(order) == end


def test_what_a_source_told_and_nobody_hedges_is_counted_by_its_reason() -> None:
    """Alarms for fills in other markets come once an hour: the counts are what tells how many there were."""
    desk = SimpleNamespace(world=SimpleNamespace(), hedging=None)
    counts = MetricCounts(cast(Desk, desk), decided_ns=lambda: 0)
    for why, alarm in (("other_market", True), ("other_market", False), ("taker", True)):
        counts.step(1, 1, LeftOut("maker", why, "words", alarm, None), [])
    assert counts.left_out == {("maker", "other_market"): 2, ("maker", "taker"): 1}


def test_a_deviation_is_what_the_venue_has_and_the_ledger_has_not() -> None:
    """The baseline is the user's own; a symbol that the venue leaves out is flat; a reading that moved says nothing."""
    world = SimpleNamespace(
        instruments={name: SimpleNamespace(symbol="ETH") for name in ("hawk", "chick")},
        baseline={"hawk": Decimal(5)},
        ledger=SimpleNamespace(books={name: SimpleNamespace(position=Decimal(2)) for name in ("hawk", "chick")}),
    )
    intake = SimpleNamespace(comparable=lambda given: given.quiet)
    desk = SimpleNamespace(world=world, intake=intake, hedging=None)
    counts = MetricCounts(cast(Desk, desk), decided_ns=lambda: 0)
    margins = tuple(Margin(name, Decimal(0), Decimal(0), Decimal(0)) for name in ("hawk", "chick"))
    positions = (Position("hawk", "ETH", Decimal("7.5")), Position("hawk", "BTC", Decimal(99)))
    counts.step(1, 1, Counted(0, True, False, positions, margins), [])
    assert counts.deviations == {}
    counts.step(2, 2, Counted(0, True, True, positions, margins), [])
    assert counts.deviations == {"hawk": Decimal("0.5"), "chick": Decimal(-2)}
