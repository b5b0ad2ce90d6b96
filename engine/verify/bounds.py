"""How far a proof looks: small unequal accounts, few rounds, a budget of faults (S19). What it assumes is printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from engine.chart.model import QTY, Flow, Node
from engine.chart.settings import settings_values
from engine.chart.units import shown
from engine.chart.yaml_nodes import read_nodes
from engine.trading.plan import AccountPlan, Guards, Limits, Plan, RoleSpec
from exchanges.types import Capabilities, ClientIdStyle, Instrument, MarketKind, Quote, SelfTrade

S = 1_000_000_000
D = Decimal
BID, ASK = D("100.0"), D("100.3")
LOTS = ((1, 1), (2, 2), (2, 2), (1, 2))  # lot and least order of the account of one, then of the others in turn
DEEP_LOTS = ((1, 1), (2, 2), (1, 2), (1, 1))


FAULTS = frozenset(
    {
        "ack lost", "always refuses", "cancel overtakes fill", "comparison", "disconnect", "duplicate", "late request",
        "liquidation", "lost request", "market closes", "not sent", "partial", "question fails", "refused",
        "slow cancel", "slow stream", "slow world", "stop", "venue cancels",
    }
)  # fmt: skip


ON_REQUEST = frozenset({"rate spent", "slow resync"})  # kinds that are searched only if they are named


@dataclass(frozen=True, slots=True)
class Bounds:
    """The world of a proof. `quantity` is one order of the flow in lots of the first account."""

    faults: int = 2
    quantity: int = 3
    takers: int = 2
    fills: int = 3  # of a source: how often somebody else's orders fill in a run, at most
    overlaps: int = 1  # how often the outside world moves on while something is still under way
    max_states: int = 500_000
    deep: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    kinds: frozenset[str] = FAULTS  # of faults that may happen

    @property
    def usual(self) -> bool:
        """Can a fault of any kind happen?"""
        return self.faults > 0 and self.kinds == FAULTS


def plan_for(flow: Flow, bounds: Bounds) -> Plan:
    """A run of the flow on small accounts. Raises: FlowError where a setting has no value."""
    accounts, roles = _accounts(flow, bounds)
    return Plan(
        flow=flow, market="PROOF-PERP", settings=settings_for(flow, bounds), accounts=accounts, roles=roles,
        limits=LIMITS, guards=GUARDS,
    )  # fmt: skip


def settings_for(flow: Flow, bounds: Bounds) -> Mapping[str, object]:
    """The flow's defaults, its own bounds for a proof (`prove:`), and what was asked for.

    A setting that a config must give is its example, a quantity `quantity`.
    """
    required = {name: it for name, it in flow.settings.items() if it.required}
    given = {name: shown(it.example, it.type) for name, it in required.items() if it.example is not None}
    given |= {name: str(bounds.quantity) for name, it in required.items() if it.type == QTY}
    return settings_values(flow, {**_nodes(given), **flow.proof, **_nodes(bounds.settings)})


def quotes_for(plan: Plan, *, at_ns: int) -> dict[tuple[str, str], Quote]:
    """One book for every account; it does not move, and was seen at `at_ns`."""
    keys = {(spec.venue, spec.instrument.symbol) for spec in plan.accounts.values()}
    return {key: Quote(*key, BID, D(1000), ASK, D(1000), at_ns) for key in sorted(keys)}


def _nodes(words: Mapping[str, str]) -> Mapping[str, Node]:
    text = "".join(f"{name}: {value}\n" for name, value in words.items())
    if not text:
        return {}
    read = read_nodes(text, file="--set")
    entries: Mapping[str, Node] = read.entries  # type: ignore[union-attr]
    return entries


def _accounts(flow: Flow, bounds: Bounds) -> tuple[dict[str, AccountPlan], dict[str, tuple[str, ...]]]:
    declared: Mapping[str, RoleSpec] = flow.sections["accounts"].value  # type: ignore[assignment]
    roles: dict[str, tuple[str, ...]] = {}
    for name, role in declared.items():
        single = name.removesuffix("s")
        roles[name] = tuple(f"{single}{n + 1}" for n in range(bounds.takers)) if role.many else (name,)
    names = [name for members in roles.values() for name in members]
    lots = DEEP_LOTS if bounds.deep else LOTS
    sizes = [lots[min(place, len(lots) - 1)] for place in range(len(names))]
    return {name: _account(name, sizes[place], place) for place, name in enumerate(names)}, roles


def _account(name: str, sizes: tuple[int, int], place: int) -> AccountPlan:
    lot, least = sizes
    venue = f"venue{place + 1}"
    spec = Instrument(
        venue=venue, symbol="PROOF", market="PROOF-PERP", kind=MarketKind.PERP, base="PROOF", quote="USD",
        tick=D("0.1"), lot=D(lot), min_qty=D(least),
    )  # fmt: skip
    return AccountPlan(name, venue, "me", spec, CAPABILITIES)


CAPABILITIES = Capabilities(
    client_id=ClientIdStyle.UINT48, modify=True, batch=False, reduce_only=True, market_orders=True,
    self_trade=frozenset({SelfTrade.CANCEL_TAKER}), query_finds_terminal=True, dead_man_switch=False,
)  # fmt: skip

LIMITS = Limits(
    max_order=D(10), max_position=D(30), max_gross=D(90), max_net=D(30), unhedged_soft=D(10), unhedged_hard=D(30),
    unhedged_soft_age_ns=S, unhedged_hard_age_ns=5 * S, max_loss_run=None, max_loss_day=None,
    min_margin_ratio=D("1.1"), min_liquidation_distance_bps=D(100), max_hedge_slippage_bps=D(50),
    orders_per_minute=40, margin_buffer=D("1.2"), dust_cap=D(10_000), max_round_cost_bps=None,
)  # fmt: skip

GUARDS = Guards(
    max_book_age_ns=S, volatility_window_ns=S, volatility_bps=D(1_000), volatility_calm_ns=S, thin_depth_factor=D(1),
    thin_pause_factor=2, spread_bps=D(1_000), spread_normal_quotes=3, basis_bps=D(1_000),
)  # fmt: skip


def parts_of(
    flow: Flow, asked: Mapping[str, int], *, settings: Mapping[str, str], kinds: frozenset[str], deep: bool
) -> tuple[Bounds, ...]:
    """What a proof consists of: two faults with two equal takers, one with unequal ones; or what was asked for by name.

    Accounts of a flow that listens are not told as one: it has `small_parts_of`.
    Raises: FlowError where a setting has no value.
    """
    named = _named(asked, settings=settings, kinds=kinds, deep=deep)
    if deep or "faults" in asked or "takers" in asked:
        return (named,)
    plan = plan_for(flow, named)
    if plan.heard:
        return small_parts_of(asked, settings=settings, kinds=kinds, deep=deep)
    return (named, replace(named, faults=1, deep=True)) if len(plan.accounts) > 2 else (named,)


def small_parts_of(
    asked: Mapping[str, int], *, settings: Mapping[str, str], kinds: frozenset[str], deep: bool
) -> tuple[Bounds, ...]:
    """Two faults with one taker, one with two; or what was asked for by name."""
    named = _named(asked, settings=settings, kinds=kinds, deep=deep)
    if deep or "faults" in asked or "takers" in asked:
        return (named,)
    return (replace(named, takers=1), replace(named, faults=1))


def _named(asked: Mapping[str, int], *, settings: Mapping[str, str], kinds: frozenset[str], deep: bool) -> Bounds:
    base = Bounds(settings=settings, kinds=kinds, deep=deep)
    if deep:
        base = replace(base, overlaps=base.overlaps + 1, fills=base.fills + 1, max_states=20 * base.max_states)
    return replace(base, **asked)  # type: ignore[arg-type]


def assumptions(plan: Plan, bounds: Bounds) -> list[str]:
    """What a verdict stands on, in words (S19)."""
    accounts = [
        f"{name} (lot {spec.instrument.lot}, least order {spec.instrument.min_qty})"
        for name, spec in plan.accounts.items()
    ]
    sizes = [
        f"{name} {plan.settings[name]}" for name, it in plan.flow.settings.items() if plan.heard and it.type == QTY
    ]
    source = [f"somebody else's orders fill {_times(bounds.fills, 'time')} at most on {', '.join(sorted(plan.heard))}"]
    counts = [f"{name} {value}" for name, value in plan.settings.items() if type(value) is int and value < S // 1_000]
    return [
        f"accounts: {', '.join(accounts)}, each at a venue of its own; one order is {bounds.quantity}",
        *(source if plan.heard else []),
        f"at most {_times(bounds.faults, 'fault')} in a run, of these kinds: {', '.join(sorted(bounds.kinds))}",
        f"the market and the clock move {_times(bounds.overlaps, 'time')} at most while something is under way; a"
        " request or frame is faster than a timer, unless a fault makes it slow",
        "timers fire in any order that their lengths allow; prices stand still; margin suffices; at least one account"
        " takes orders; what is drawn at the start is its lowest",
        "an order that its venue ends unasked, its validity having run out among it, is the fault `venue cancels`",
        *([] if "slow resync" in bounds.kinds else ["a resync is one moment: nothing else is told in the midst of it"]),
        *([] if "rate spent" in bounds.kinds else ["no account spends its requests of a minute"]),
        f"settings: {', '.join((*sizes, *counts))}",
    ]


def _times(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
