"""A flow's declarations, enough for a config to be read against: settings and roles of the shipped eagle flow."""

from __future__ import annotations

from engine.chart.faults import Faults
from engine.chart.model import Flow, SectionResult, Vocabulary
from engine.chart.settings import read_settings
from engine.chart.yaml_nodes import read_nodes
from engine.trading.plan import RoleSpec


def flow_with(settings: str, *, hedged: bool = True, **roles: RoleSpec) -> Flow:
    """A flow that declares these settings (YAML of its `settings:`) and roles, and nothing else."""
    faults = Faults()
    declared = read_settings(read_nodes(settings, file="toy.yaml"), faults)
    faults.raise_if_any()
    return Flow(
        name="toy", version=1, about="", file="toy.yaml", digest="", text=settings, settings=declared, context={},
        states={}, leaves=(), initial="", table={}, always={}, deferred={}, ignored={}, invariants=(), properties=(),
        raised={}, vocabulary=Vocabulary({}, {}, {}),
        sections={"accounts": SectionResult(value=roles), "hedging": SectionResult(value="a rule" if hedged else None)},
    )  # fmt: skip


FLOW = flow_with(
    """
quantity: {type: qty, above: 0, about: "size of one round, base units"}
maker_side: {type: {one of: [buy, sell, alternate]}, default: buy}
tick_offset: {type: ticks, default: 1 tick}
order_timeout: {type: duration, default: 3s}
confirm_before_cancel: {type: {one of: [query, stream]}, default: query}
hold: {type: duration range, default: 1000..3000ms}
rounds: {type: count, default: 0}
""",
    maker=RoleSpec("maker", many=False),
    takers=RoleSpec("takers", many=True, apart_from="maker"),
)
