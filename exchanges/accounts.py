"""The money of one paper account: cash, positions, margin and what it can pay for. Pure; knows no book.

One formula serves perpetuals and spot: cash is the deposit plus all signed notionals minus all quote fees, as if every
fill were paid in full, and equity is cash plus positions at mid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from exchanges.types import ZERO, Instrument, Margin, MarketKind, Refusal, Refused, Side
from exchanges.values import quick

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_SPOT = MarketKind.SPOT
_BUY = Side.BUY


class OpenOrder(Protocol):
    """What money needs to know of an order: `ticks` is None for a market order, `leaves` counts lots."""

    side: Side
    ticks: int | None

    @property
    def leaves(self) -> int: ...


@quick
@dataclass(frozen=True, slots=True)
class Holding:
    """A signed quantity and its average entry price (0 while flat or not bought here)."""

    qty: Decimal
    entry_price: Decimal = ZERO

    def after(self, change: Decimal, price: Decimal) -> Holding:
        """The holding after a signed change at `price`; the entry price moves only when the holding grows or turns."""
        qty = self.qty + change
        if not qty:
            return Holding(ZERO)
        if self.qty * change >= 0:
            return Holding(qty, (self.entry_price * self.qty + price * change) / qty)
        return Holding(qty, self.entry_price if self.qty * qty > 0 else price)


@quick
@dataclass(frozen=True, slots=True)
class Exposure:
    """One instrument as margin sees it: holding, mid, and the open orders of the account."""

    instrument: Instrument
    holding: Holding
    mid: Decimal
    open_buy_qty: Decimal = ZERO
    open_sell_qty: Decimal = ZERO
    open_buy_cost: Decimal = ZERO

    @property
    def used(self) -> Decimal:
        """Collateral that is not free: initial margin of the open orders' worst outcome; on spot the value held."""
        if self.instrument.kind is _SPOT:
            return self.holding.qty * self.mid + self.open_buy_cost
        worst = max(abs(self.holding.qty + self.open_buy_qty), abs(self.holding.qty - self.open_sell_qty))
        return worst * self.mid * self.instrument.initial_margin

    @property
    def maintenance(self) -> Decimal:
        if self.instrument.kind is _SPOT:
            return ZERO
        return abs(self.holding.qty) * self.mid * self.instrument.maintenance_margin


@dataclass(slots=True)
class Balances:
    """Cash in the quote asset and holdings by symbol. `start` is what a seam settles back to (spot balances)."""

    cash: Decimal
    start: Mapping[str, Decimal] = field(default_factory=dict)
    holdings: dict[str, Holding] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for symbol, qty in self.start.items():
            self.holdings[symbol] = Holding(qty)

    def holding(self, symbol: str) -> Holding:
        return self.holdings.get(symbol, _FLAT)

    def trade(self, instrument: Instrument, side: Side, *, qty: Decimal, price: Decimal, fee: Decimal) -> None:
        """Book a fill; `fee` is in the asset that `fee_asset` names."""
        notional = qty * price
        change = qty if side is _BUY else -qty
        if fee_asset(instrument, side) == instrument.quote:
            self.cash -= notional * side.sign + fee
        else:
            self.cash -= notional * side.sign
            change -= fee
        self.holdings[instrument.symbol] = self.holding(instrument.symbol).after(change, price)

    def missing(self, symbol: str) -> Decimal:
        """The signed change that would bring a holding back to its start."""
        return self.start.get(symbol, ZERO) - self.holding(symbol).qty

    def settle(self, symbol: str, price: Decimal) -> None:
        """Bring a holding back to its start at `price`, without a fee."""
        self.cash -= self.missing(symbol) * price
        self.holdings[symbol] = Holding(self.start.get(symbol, ZERO))


_FLAT = Holding(ZERO)


def exposure_of(balances: Balances, instrument: Instrument, *, mid: Decimal, orders: Iterable[OpenOrder]) -> Exposure:
    """How margin sees one instrument with these open orders of the account."""
    buy = sell = cost = 0
    for order in orders:
        if order.side is _BUY:
            buy += order.leaves
            cost += order.leaves * (order.ticks or 0)
        else:
            sell += order.leaves
    lot = instrument.lot
    holding = balances.holding(instrument.symbol)
    return Exposure(instrument, holding, mid, buy * lot, sell * lot, cost * lot * instrument.tick)


def margin_of(account: str, balances: Balances, exposures: Iterable[Exposure]) -> Margin:
    """Equity, what of it is free, and the maintenance requirement over all instruments of the account."""
    equity, used, maintenance = balances.cash, ZERO, ZERO
    for exposure in exposures:
        equity += exposure.holding.qty * exposure.mid
        used += exposure.used
        maintenance += exposure.maintenance
    return Margin(account, equity, equity - used, maintenance)


def refuse_margin(
    account: str, balances: Balances, *, before: Exposure, after: Exposure, others: Iterable[Exposure]
) -> Refused | None:
    """Whether free margin pays for the change of one instrument's exposure; what does not raise it always passes."""
    needed = after.used - before.used
    if needed <= 0:
        return None
    free = margin_of(account, balances, [before, *others]).free
    return Refused(Refusal.MARGIN, f"needs {needed} more margin, {free} is free") if needed > free else None


def refuse_sell(exposure: Exposure, qty: Decimal) -> Refused | None:
    """On spot a sell is bounded by the base balance that no other sell has reserved."""
    free = exposure.holding.qty - exposure.open_sell_qty
    return Refused(Refusal.MARGIN, f"sells {qty} of a free balance of {free}") if qty > free else None


def refuse_buy(
    balances: Balances, instrument: Instrument, *, qty: Decimal, price: Decimal, exposures: Iterable[Exposure]
) -> Refused | None:
    """On spot a buy at `price` or better, fee included, is bounded by the cash that no other buy has reserved."""
    cost = qty * price
    if not instrument.fee_in_received:
        cost += cost * max(instrument.taker_fee, instrument.maker_fee)
    free = balances.cash - sum((exposure.open_buy_cost for exposure in exposures), ZERO)
    return Refused(Refusal.MARGIN, f"costs {cost} of a free balance of {free}") if cost > free else None


def fee_asset(instrument: Instrument, side: Side) -> str:
    """The asset in which a fill pays its fee: on spot venues with `fee_in_received` a buy pays in base (S18)."""
    if instrument.fee_in_received and side is _BUY and instrument.kind is _SPOT:
        return instrument.base
    return instrument.quote


def fee_of(instrument: Instrument, side: Side, *, qty: Decimal, price: Decimal, maker: bool) -> Decimal:
    """The fee of a fill in its `fee_asset`; negative is a rebate."""
    rate = instrument.maker_fee if maker else instrument.taker_fee
    return qty * rate if fee_asset(instrument, side) == instrument.base else qty * price * rate
