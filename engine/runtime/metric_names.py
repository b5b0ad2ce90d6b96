"""Every metric of a run: name with its unit, kind, labels and meaning. The one place that knows.

`docs/metrics.md` is made from this table. Money is in quote units, quantities in base units of the market, both signed
where they can be.
"""

from __future__ import annotations

from typing import NamedTuple

# 0.1 ms to 10 s, a factor of about two apart: the same for every time that is measured.
BUCKETS_S = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
STAGES = ("decode", "decide", "sign", "write", "reaction", "answer")


class Metric(NamedTuple):
    """`kind` is gauge, counter or histogram."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


def _gauge(name: str, help_text: str, *labels: str) -> Metric:
    return Metric(name, "gauge", labels, help_text)


def _counter(name: str, help_text: str, *labels: str) -> Metric:
    return Metric(name, "counter", labels, help_text)


def _histogram(name: str, help_text: str, *labels: str) -> Metric:
    return Metric(name, "histogram", labels, help_text)


METRICS = (
    # the run
    _gauge("eagle_info", "1; says which run this is", "run", "flow", "market", "quote", "program"),
    _gauge("eagle_run_seconds", "how long the run has been going on"),
    _gauge("eagle_state", "1 for the state that the flow is in, 0 for its others", "state"),
    _gauge("eagle_state_seconds", "how long the flow has been in its state"),
    _gauge("eagle_may_open", "1 if a round may open now: market, streams, limits and takers allow it"),
    _gauge("eagle_paused", "1 while a person has paused opening"),
    _gauge("eagle_stopping", "0 not stopping, 1 in order, 2 by market now, 3 leaving"),
    _counter("eagle_steps_total", "inputs that the desk was given"),
    # rounds and money
    _counter("eagle_rounds_total", "rounds that ended: done = opened at least partly, given_up = not at all", "result"),
    _gauge("eagle_fill_rate_ratio", "filled share of the openings' quantity, refused ones left out; absent at first"),
    _gauge("eagle_profit_quote", "result if all were flattened now, fees included; absent without a book"),
    _gauge("eagle_fees_quote", "fees paid, rebates taken off", "account"),
    _gauge("eagle_cash_quote", "cash flow of trading, fees taken off", "account"),
    _counter("eagle_volume_quote_total", "notional traded", "account"),
    # positions and exposure
    _gauge("eagle_position_base", "position since the start", "account", "role"),
    _gauge("eagle_maker_open_position_base", "what the maker opened in its current rounds"),
    _gauge("eagle_maker_close_position_base", "what of it the maker closed"),
    _gauge("eagle_net_position_base", "sum of all positions: the exposure"),
    _gauge("eagle_in_flight_base", "what hedges on their way may still fill"),
    _gauge("eagle_dust_base", "exposure that nothing in flight covers"),
    _gauge("eagle_unhedged_base", "exposure that some taker could hedge, 0 if there is none"),
    _gauge("eagle_unhedged_age_seconds", "how long that has been so, 0 if there is none"),
    _histogram("eagle_unhedged_seconds", "how long each hedgeable exposure stood"),
    _gauge("eagle_position_deviation_base", "venue less ledger when last compared; absent before", "account"),
    # orders
    _counter("eagle_orders_placed_total", "orders decided", "account", "purpose"),
    _counter(
        "eagle_orders_ended_total",
        "how they ended: filled, partly (cancelled after a part had filled), canceled, refused, not_sent, lost",
        "account", "purpose", "end",
    ),
    _gauge("eagle_orders_live", "orders that are not known to have ended", "account"),
    _counter("eagle_fills_total", "fill rows", "account", "liquidity"),
    _counter("eagle_left_out_total", "what a listened account told and nobody hedges, by reason", "account", "why"),
    _counter("eagle_refusals_total", "requests that a venue refused", "account", "refusal"),
    _counter("eagle_alerts_total", "alerts, see alerts.md", "code", "level"),
    _counter("eagle_alert_calls_total", "calls for a person: delivered or failed", "channel", "outcome"),
    # streams and time
    _gauge("eagle_link_trusted", "1 if the account's streams are trusted, 0 while lost or in resync", "account"),
    _gauge(
        "eagle_dedup_trades",
        "trade ids in memory by which a fill that is told again is known; of accounts that are only listened to",
        "account",
    ),
    _gauge("eagle_quote_age_seconds", "age of the newest quote", "venue", "symbol"),
    _gauge("eagle_bid_quote", "best bid", "venue", "symbol"),
    _gauge("eagle_ask_quote", "best offer", "venue", "symbol"),
    _histogram(
        "eagle_order_latency_seconds",
        "between the stamps of an order: decode = received to decoded, decide = to decided, sign = to signed,"
        " write = to written; reaction = received to written; answer = written to answered."
        " The first two and reaction are of orders that a fill caused",
        "stage",
    ),
    _histogram("eagle_loop_lag_seconds", "how much later than asked the event loop came round"),
)  # fmt: skip
BY_NAME = {metric.name: metric for metric in METRICS}
