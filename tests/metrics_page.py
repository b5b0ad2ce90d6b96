"""docs/metrics.md: every metric of a run, from `engine.runtime.metric_names`."""

from __future__ import annotations

from page_kit import MADE, code, table

from engine.runtime.metric_names import BUCKETS_S, METRICS, Metric

HEAD = f"""\
# Metrics

What a run tells of itself as Prometheus text. {MADE}

- `eagle run --metrics FILE` keeps a file with the newest metrics, replaced whole every 5 s and at the end: for a node
  exporter's textfile collector, or for `cat`. In virtual time (`--speed max`) it is written at the start and the end.
- `eagle run --metrics-listen 127.0.0.1:9109` serves them at `/metrics`, to this machine only; port 0 takes a free port
  and says which. There is no password: to bring the page further, put a tunnel or a proxy of yours before it.

Quantities end in `_base` and are in base units of the market, money ends in `_quote` and is in quote units; both are
signed where they can be. Positions, fees, cash and volume count from the start of the run. A metric whose value is not
known yet has no sample. Histograms have bounds at {", ".join(f"{bound:g}" for bound in BUCKETS_S)} s.

Worth an alert of your own: `eagle_unhedged_age_seconds > 5`, `eagle_link_trusted == 0` for a minute,
`increase(eagle_alerts_total{{level="person"}}[5m]) > 0`, and no scrape at all.
"""


def page() -> str:
    return "\n".join([HEAD, *table(["metric", "kind", "labels", "meaning"], map(_row, METRICS))]).rstrip() + "\n"


def _row(metric: Metric) -> list[str]:
    return [code(metric.name), metric.kind, ", ".join(metric.labels), metric.help]
