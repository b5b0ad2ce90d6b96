"""What a run is bound to: the compiled flow, typed settings, accounts with their instruments, limits and guards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from engine.chart.model import Flow
from exchanges.types import Capabilities, Instrument

DIRECTIONAL = "directional, not hedged"  # how a flow without `hedging:` is marked wherever it is shown


@dataclass(frozen=True, slots=True)
class RoleSpec:
    """A role that the flow's `accounts:` section declares; `apart_from` names a role that shares no account with it."""

    name: str
    many: bool
    apart_from: str | None = None


@dataclass(frozen=True, slots=True)
class AccountPlan:
    """One account of the pool (E1) with the one instrument it trades in this run (E2)."""

    name: str
    venue: str
    owner: str
    instrument: Instrument
    capabilities: Capabilities
    dedicated: bool = False  # S1


@dataclass(frozen=True, slots=True)
class Limits:
    """E15. Quantities in base units, money in quote units; None switches a limit off where that is allowed."""

    max_order: Decimal
    max_position: Decimal  # per account, absolute
    max_gross: Decimal  # sum of absolute positions over all accounts
    max_net: Decimal  # absolute sum of positions: the hard bound on unhedged size outside a hedge in progress
    unhedged_soft: Decimal
    unhedged_hard: Decimal
    unhedged_soft_age_ns: int
    unhedged_hard_age_ns: int
    max_loss_run: Decimal | None
    max_loss_day: Decimal | None
    min_margin_ratio: Decimal  # equity / maintenance requirement
    min_liquidation_distance_bps: Decimal
    max_hedge_slippage_bps: Decimal
    orders_per_minute: int  # per account
    margin_buffer: Decimal  # S12: free margin >= (order + in flight) x initial margin x buffer
    dust_cap: Decimal  # money: unhedgeable rest above this stops opening (S6)
    max_round_cost_bps: Decimal | None  # S10


@dataclass(frozen=True, slots=True)
class Guards:
    """E16 and E14. Every guard has a way back."""

    max_book_age_ns: int
    volatility_window_ns: int
    volatility_bps: Decimal
    volatility_calm_ns: int
    thin_depth_factor: Decimal  # thin: hedge side depth < factor x quantity
    thin_pause_factor: int  # pause between rounds is multiplied by this
    spread_bps: Decimal
    spread_normal_quotes: int  # that many normal quotes in a row to resume
    basis_bps: Decimal  # mid of maker venue against mid of hedge venue
    pause_above: Decimal | None = None
    pause_below: Decimal | None = None
    stop_above: Decimal | None = None
    stop_below: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    flow: Flow
    market: str
    settings: Mapping[str, object]
    accounts: Mapping[str, AccountPlan]
    roles: Mapping[str, tuple[str, ...]]  # role of the flow -> account names
    limits: Limits
    guards: Guards

    @property
    def heard(self) -> frozenset[str]:
        """Accounts that are only listened to: nothing is ordered, asked or counted on them but their fills (hedger)."""
        source = source_role(self.flow)
        return frozenset(self.roles[source]) if source else frozenset()

    @property
    def hedged(self) -> bool:
        """Does the flow declare `hedging:`? Without it, it is directional: what it holds is a position."""
        return is_hedged(self.flow)


def is_hedged(flow: Flow) -> bool:
    section = flow.sections.get("hedging")
    return section is not None and section.value is not None


def source_role(flow: Flow) -> str:
    """The role whose fills the flow's hedging answers without ordering there; empty where it hedges its own legs."""
    section = flow.sections.get("hedging")
    return "" if section is None else getattr(section.value, "source", "")
