"""What a config must agree with beyond its own shape: its limits, the rules on own accounts, rates, instruments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from engine.chart.model import Finding, Severity, Span
from engine.runtime.config_values import Config
from engine.trading.limits import rate_breach, requests_per_minute
from engine.trading.plan import RoleSpec
from exchanges.types import Instrument, MarketKind

LIVE_NEEDED = "this config names real venues ({venues}); nothing is sent to them, and nothing simulated, without --live"
LIVE_HINT = "add `--live` to trade with real money, or give the venues `kind: paper`"
ACKNOWLEDGE_HINT = (
    "write `acknowledge: {{same_owner_same_market: {{{venue}: YOUR WORDS}}}}` if its terms and your law allow it"
)


def config_findings(config: Config, roles: Mapping[str, RoleSpec], *, hedged: bool) -> list[Finding]:
    """Faults that need no venue."""
    return [*_size_findings(config, hedged=hedged), *_owner_findings(config, roles), *_rate_findings(config)]


def asked_venues(config: Config) -> list[str]:
    """Names of the venues of used accounts that are not paper, local ones included, in the order of the accounts."""
    names = dict.fromkeys(account.venue for account in config.used_accounts)
    return [name for name in names if config.venues[name].real]


def real_venues(config: Config) -> list[str]:
    """Those of `asked_venues` where money is real."""
    return [name for name in asked_venues(config) if not config.venues[name].local]


def live_findings(config: Config) -> list[Finding]:
    """The refusal of a run without `--live`; empty for a config that is all paper."""
    names = real_venues(config)
    if not names:
        return []
    return [_fault("G722", config.span(f"venues.{names[0]}"), LIVE_NEEDED.format(venues=", ".join(names)), LIVE_HINT)]


def recording_finding(config: Config, venue: str, why: str) -> Finding:
    """The refusal of a recording that the config names for a venue; `why` ends with the way out."""
    what, _, hint = why.rpartition("; ")
    return _fault("G724", config.span(f"venues.{venue}.market"), f"venue {venue} cannot replay {what}", hint)


def instrument_findings(
    config: Config, instruments: Mapping[str, Instrument], *, price: Decimal | None = None
) -> list[Finding]:
    """Faults against the instruments of the used accounts, by account name; minimum notionals need a price."""
    found: list[Finding] = []
    quantity = config.settings.get("quantity")
    for account in config.used_accounts:
        instrument = instruments[account.name]
        if isinstance(quantity, Decimal):
            found += _quantity_findings(quantity, instrument, config.span("settings.quantity"), price)
        if account.base_balance and instrument.kind is not MarketKind.SPOT:
            found.append(
                _fault(
                    "G721", config.span(f"accounts.{account.name}"),
                    f"account {account.name} has a base balance, but {instrument.symbol} on {account.venue} is no spot",
                    "remove `base_balance`",
                )
            )  # fmt: skip
    return list(dict.fromkeys(found))


def _quantity_findings(quantity: Decimal, instrument: Instrument, span: Span, price: Decimal | None) -> list[Finding]:
    where = f"{instrument.symbol} on {instrument.venue}"
    if quantity < instrument.min_qty:
        text = f"quantity {quantity} is under the minimum {instrument.min_qty} of {where}"
        return [_fault("G720", span, text, f"set it to {instrument.min_qty} or more")]
    if price is not None and quantity * price < instrument.min_notional:
        text = f"quantity {quantity} at {price} is worth less than the minimum {instrument.min_notional} of {where}"
        return [_fault("G720", span, text, "set it higher")]
    if instrument.max_qty is not None and quantity > instrument.max_qty:
        text = f"quantity {quantity} is above the maximum {instrument.max_qty} of {where}"
        return [_fault("G720", span, text, f"set it to {instrument.max_qty} or less")]
    floored = instrument.floor_qty(quantity)
    if floored != quantity:
        text = f"quantity {quantity} is no multiple of the lot {instrument.lot} of {where}"
        return [_fault("G720", span, text, f"set it to {floored} or {floored + instrument.lot}")]
    return []


def _size_findings(config: Config, *, hedged: bool) -> Iterable[Finding]:
    """Limits that a single round would break, and limits that contradict each other (E15)."""
    limits = config.limits
    quantity = config.settings.get("quantity")
    if isinstance(quantity, Decimal):
        needed = (
            ("max_order", limits.max_order, 1),
            ("max_position", limits.max_position, 1),
            ("max_gross", limits.max_gross, 2 if hedged else 1),
            ("max_net", limits.max_net, 1),
            ("unhedged_hard", limits.unhedged_hard, 1),
        )
        for name, value, times in needed:
            if value < times * quantity:
                rounds = "quantity" if times == 1 else f"{times} x quantity"
                text = f"{name} {value} is less than {rounds} {times * quantity}: no round could be made"
                yield _fault("G718", config.span(f"limits.{name}"), text, "raise the limit or lower the quantity")
    yield from _order_findings(config)


def _order_findings(config: Config) -> Iterable[Finding]:
    limits, guards = config.limits, config.guards
    pairs: tuple[tuple[str, Decimal | int | None, str, Decimal | int | None], ...] = (
        ("limits.unhedged_soft", limits.unhedged_soft, "unhedged_hard", limits.unhedged_hard),
        ("limits.unhedged_soft_age", limits.unhedged_soft_age_ns, "unhedged_hard_age", limits.unhedged_hard_age_ns),
        ("guards.pause_below", guards.pause_below, "pause_above", guards.pause_above),
        ("guards.stop_below", guards.stop_below, "stop_above", guards.stop_above),
    )
    for name, low, other, high in pairs:
        if low is not None and high is not None and low > high:
            text = f"{name.partition('.')[2]} is above {other}"
            yield _fault("G718", config.span(name), text, "swap them or move them apart")


def _owner_findings(config: Config, roles: Mapping[str, RoleSpec]) -> Iterable[Finding]:
    """S20: accounts of one owner that would trade against each other's side of one venue and market."""
    for spec in roles.values():
        if spec.apart_from is None:
            continue
        for one in (config.accounts[name] for name in config.roles[spec.apart_from]):
            for other in (config.accounts[name] for name in config.roles[spec.name]):
                same = one.venue == other.venue and one.owner == other.owner
                if same and not config.acknowledged.get(one.venue, "").strip():
                    text = (
                        f"{one.name} and {other.name} of owner {one.owner} would both trade {config.market} "
                        f"on {one.venue} (S20)"
                    )
                    hint = ACKNOWLEDGE_HINT.format(venue=one.venue)
                    yield _fault("G719", config.span(f"accounts.{other.name}"), text, hint)


def _rate_findings(config: Config) -> Iterable[Finding]:
    """S11, for flows that have the settings that requests depend on."""
    timeout, hold = config.settings.get("order_timeout"), config.settings.get("hold")
    if not isinstance(timeout, int) or not isinstance(hold, tuple):
        return
    queries = config.settings.get("confirm_before_cancel") == "query"
    needed = requests_per_minute(timeout, hold[0], query_before_cancel=queries)
    breach = rate_breach(needed, config.limits)
    if breach is not None:
        hint = "lengthen order_timeout or hold, use the order stream before cancels, or a venue tier with more requests"
        yield _fault("G723", config.span("limits.orders_per_minute"), f"this {breach} (S11)", hint)


def _fault(code: str, span: Span, message: str, hint: str = "") -> Finding:
    return Finding(code, Severity.ERROR, span, message, hint)
