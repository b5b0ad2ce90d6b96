"""The formulas behind limits: what a round costs, what an account can carry, what is dust, how much it asks a minute.

Pure. Quantities in base units, money and prices in quote units, ratios as plain decimals, times in ns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from engine.trading.plan import Limits
from engine.trading.rates import MINUTE_NS, OPEN_TENTHS
from exchanges.types import ZERO, Instrument, Margin, Position, Quote

BPS = Decimal(10_000)
MINUTES_A_DAY = 1440


# --- money (S10)


def round_cost_bps(
    maker: Quote, hedge: Quote, *, maker_instrument: Instrument, hedge_instrument: Instrument, offset_ticks: int
) -> Decimal:
    """Expected cost of one whole round in bps of one side's notional, if both books stand still; negative is a gain.

    S10. Per base unit, with `buy` = ask - x ticks and `sell` = bid + x ticks (E5):
    (buy - sell) on the maker + (ask - bid) on the hedge venue + maker fee x (buy + sell) + taker fee x (bid + ask).
    Both sides of the round are in it, so it is the same for a round that buys first; a basis between the venues
    is entered and left again and cancels out.
    """
    offset = maker_instrument.tick * offset_ticks
    buy = maker_instrument.price_down(maker.ask - offset)
    sell = maker_instrument.price_up(maker.bid + offset)
    fees = maker_instrument.maker_fee * (buy + sell) + hedge_instrument.taker_fee * (hedge.bid + hedge.ask)
    return (buy - sell + hedge.ask - hedge.bid + fees) / maker.mid * BPS


@dataclass(frozen=True, slots=True)
class ExpectedCost:
    """S10: of one round, and of a day of rounds as many as settings and limits allow; None where no setting tells."""

    bps: Decimal  # of one side's notional
    notional: Decimal
    rounds_per_minute: Decimal | None

    def words(self, money: str) -> str:
        """For a person; `money` is the quote asset."""
        of_round = self.notional * self.bps / BPS
        text = f"expected cost: {of_round:.4f} {money} a round ({self.bps:.2f} bps with fees and both spreads)"
        if self.rounds_per_minute is None:
            return text
        of_day = of_round * self.rounds_per_minute * MINUTES_A_DAY
        return f"{text}, {of_day:.2f} {money} a day at up to {self.rounds_per_minute:.0f} rounds a minute"


@dataclass(frozen=True, slots=True)
class Holding:
    """A signed position with the book and instrument that price it."""

    qty: Decimal
    quote: Quote
    instrument: Instrument


def flatten_value(holding: Holding) -> Decimal:
    """What closing a position at the touch would pay (negative: cost), taker fee included."""
    qty, quote, fee = holding.qty, holding.quote, holding.instrument.taker_fee
    return qty * quote.bid * (1 - fee) if qty > 0 else qty * quote.ask * (1 + fee)


def equity(cash: Decimal, holdings: Iterable[Holding]) -> Decimal:
    """S10, E15: cash flows so far (fees and funding included) plus what flattening every position now would pay.

    This is the mark at mid less half the spread and the taker fee of each position.
    """
    return cash + sum(map(flatten_value, holdings), ZERO)


# --- margin (S12)


def can_carry(
    margin: Margin, *, in_flight_notional: Decimal, order_notional: Decimal, instrument: Instrument, buffer: Decimal
) -> bool:
    """S12: does free collateral cover the order and what is in flight, times initial margin and buffer?"""
    return margin.free >= (in_flight_notional + order_notional) * instrument.initial_margin * buffer


def margin_ratio(margin: Margin) -> Decimal | None:
    """E15: equity / maintenance requirement; None where nothing is held that could be liquidated."""
    return margin.equity / margin.maintenance if margin.maintenance > 0 else None


def liquidation_distance_bps(position: Position, mid: Decimal) -> Decimal | None:
    """E15: how far the mid may move against the position before liquidation; negative when it is past that price.

    None where the venue names no liquidation price or the position is flat.
    """
    if position.liquidation_price is None or not position.qty:
        return None
    distance = mid - position.liquidation_price if position.qty > 0 else position.liquidation_price - mid
    return distance / mid * BPS


# --- sizes (S6, S7, E12)


def smallest_order(instrument: Instrument, price: Decimal) -> Decimal:
    """The least quantity that the venue accepts at `price`: lot, minimum size and minimum notional together."""
    least = max(instrument.lot, instrument.min_qty, instrument.min_notional / price)
    return (least / instrument.lot).to_integral_value(ROUND_CEILING) * instrument.lot


def dust_bound(instruments: Iterable[Instrument], *, price: Decimal | None = None) -> Decimal:
    """E12, S6: |dust| stays below this: the sum, over the accounts, of the least that each could trade.

    Minimum notionals count only where a price is given.
    """
    if price is not None:
        return sum((smallest_order(instrument, price) for instrument in instruments), ZERO)
    return sum((max(instrument.lot, instrument.min_qty) for instrument in instruments), ZERO)


def hedgeable(exposure: Decimal, takers: Iterable[tuple[Instrument, Decimal]]) -> Decimal:
    """S6: the largest quantity (unsigned) that one of the eligible takers, given with its price, can trade; or 0."""
    size = abs(exposure)
    return max((instrument.tradable(size, price) for instrument, price in takers), default=ZERO)


def close_size(position: Decimal, instrument: Instrument, *, max_order: Decimal, price: Decimal) -> Decimal:
    """S7: quantity (unsigned) of the next order that closes `position`, or 0 if the venue would accept none.

    A position above the largest order is cut so that what remains can still be traded; where no such cut exists,
    as much as possible is closed and the rest becomes a residue.
    """
    size = abs(position)
    most = instrument.tradable(min(size, max_order), price)
    rest = instrument.floor_qty(size - most)
    missing = smallest_order(instrument, price) - rest
    if rest == 0 or missing <= 0:
        return most
    return instrument.tradable(max(most - missing, ZERO), price) or most


# --- position limits (E15, S9)


def order_breach(qty: Decimal, limits: Limits) -> str | None:
    """E15: what an order of this size would break, in words."""
    if qty > limits.max_order:
        return f"order of {qty} is above max_order {limits.max_order}"
    return None


def position_breach(positions: Mapping[str, Decimal], limits: Limits, *, net: Decimal) -> str | None:
    """E15, S9: the first limit that these signed positions (by account) break, in words; `net` is the exposure."""
    for account, qty in positions.items():
        if abs(qty) > limits.max_position:
            return f"position {qty} of {account} is above max_position {limits.max_position}"
    gross = sum(map(abs, positions.values()), ZERO)
    if gross > limits.max_gross:
        return f"gross position {gross} is above max_gross {limits.max_gross}"
    if abs(net) > limits.max_net:
        return f"net position {net} is above max_net {limits.max_net}"
    return None


# --- requests (S11)

OPEN_SHARE = Decimal(OPEN_TENTHS) / 10  # of orders_per_minute
TURNAROUND_NS = 400_000_000  # query, cancel and its confirmation between two resting orders, as seen on live venues
REQUESTS_PER_ROUND = 2  # of the maker, or of a taker drawn for both hedges, when every order fills at once


def requoting_per_minute(order_timeout_ns: int, *, query_before_cancel: bool) -> Decimal:
    """S11: requests a minute of a maker whose orders never fill: place, (query,) cancel, once per order timeout.

    3 s with a query make 53 a minute.
    """
    requests = 3 if query_before_cancel else 2
    return Decimal(requests * MINUTE_NS) / (order_timeout_ns + TURNAROUND_NS)


def rounds_per_minute(hold_low_ns: int) -> Decimal:
    """S11: the most rounds a minute, every order filled at once: the hold and a turnaround for each side."""
    return Decimal(MINUTE_NS) / (hold_low_ns + 2 * TURNAROUND_NS)


def busiest_rounds_per_minute(hold_low_ns: int, limits: Limits) -> Decimal:
    """S10, S11: the most rounds a minute that the hold and the requests of an account allow."""
    return min(rounds_per_minute(hold_low_ns), limits.orders_per_minute * OPEN_SHARE / REQUESTS_PER_ROUND)


def requests_per_minute(order_timeout_ns: int, hold_low_ns: int, *, query_before_cancel: bool) -> Decimal:
    """S11: the busiest account's requests a minute, the worse of requoting and of rounds that fill at once."""
    trading = rounds_per_minute(hold_low_ns) * REQUESTS_PER_ROUND
    return max(requoting_per_minute(order_timeout_ns, query_before_cancel=query_before_cancel), trading)


def rate_breach(needed_per_minute: Decimal, limits: Limits) -> str | None:
    """S11: why this many opening requests a minute cannot work under orders_per_minute, in words."""
    share = limits.orders_per_minute * OPEN_SHARE
    if needed_per_minute <= share:
        return None
    return (
        f"needs up to {needed_per_minute:.0f} requests a minute on one account; "
        f"of orders_per_minute {limits.orders_per_minute} openings may use {share:.0f}"
    )
