"""Which orders bring accounts home next (S6, S7, S9). Pure: reads the world, decides sizes, sends nothing.

Whoever flattens asks again after each slice: what is left is computed from the ledger, never from increments.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from engine.trading.world import World
from exchanges.types import ZERO

__all__ = ["next_slice"]


def next_slice(world: World, accounts: tuple[str, ...]) -> tuple[tuple[str, Decimal], ...] | None:
    """The next orders that bring `accounts` towards flat, as (account, signed quantity); None when nothing is left.

    Opposite positions go in matched pairs no larger than the soft unhedged limit (S9), or one against several where
    lots differ. A position without an opposite is closed only as far as that brings the exposure of all accounts
    nearer to zero, on whichever side of it. Where no lots match, two opposite positions go whole if that leaves less
    open, and last the maker's alone if somebody can hedge what it leaves.
    """
    held = {name: world.ledger.books[name].position for name in accounts}
    longs = sorted(((qty, name) for name, qty in held.items() if qty > 0), reverse=True)
    shorts = sorted(((-qty, name) for name, qty in held.items() if qty < 0), reverse=True)
    cap = world.plan.limits.unhedged_soft
    open_qty = world.exposure + world.in_flight()
    for long_qty, long_name in longs:
        for short_qty, short_name in shorts:
            size = _both_trade(world, long_name, short_name, min(long_qty, short_qty, cap))
            if size > 0:
                more_long = _remainder(world, long_name, long_qty - size, most=open_qty)
                more_short = _remainder(world, short_name, short_qty - size, most=-open_qty)
                return ((long_name, -size - more_long), (short_name, size + more_short))
    for qty, name in longs if open_qty > 0 else shorts:
        size = world.reducible(name, min(qty, abs(open_qty), cap)) or _least_nearer(world, name, qty, abs(open_qty))
        if size > 0:
            return ((name, -size if open_qty > 0 else size),)
    return (
        _against_several(world, longs, shorts)
        or _unequal(world, longs, shorts, open_qty=open_qty)
        or _maker_alone(world, held, open_qty=open_qty)
    )


def _least_nearer(world: World, account: str, qty: Decimal, open_qty: Decimal) -> Decimal:
    """S6: the account's least order where it is more than what is open, but leaves less of it on the other side."""
    least, whole = world.least(account, qty), world.reducible(account, qty)
    if least == 0 or least >= 2 * open_qty:
        return ZERO
    return whole if whole < 2 * open_qty and world.reducible(account, whole - least) == 0 else least


def _against_several(
    world: World, longs: list[tuple[Decimal, str]], shorts: list[tuple[Decimal, str]]
) -> tuple[tuple[str, Decimal], ...] | None:
    """One account's least order against several opposite ones that add up to it."""
    for many, others, sign in ((longs, shorts, -1), (shorts, longs, 1)):
        for qty, name in many:
            size = rest = world.least(name, min(qty, world.plan.limits.unhedged_soft))
            parts = []
            for other_qty, other in others:
                part = world.reducible(other, min(other_qty, rest))
                if part > 0:
                    parts.append((other, -sign * part))
                    rest -= part
            if size > 0 and rest == 0:
                return ((name, sign * size), *parts)
    return None


def _unequal(
    world: World, longs: list[tuple[Decimal, str]], shorts: list[tuple[Decimal, str]], *, open_qty: Decimal
) -> tuple[tuple[str, Decimal], ...] | None:
    """Two opposite positions at once, each with its own size, where that leaves less open than now.

    Five lots at the maker against one of ten at a taker: neither may go alone, and what is between them is exposure.
    """
    cap = world.plan.limits.unhedged_soft
    for long_qty, long_name in longs:
        for short_qty, short_name in shorts:
            sold, bought = (
                world.reducible(long_name, min(long_qty, cap)),
                world.reducible(short_name, min(short_qty, cap)),
            )
            if sold > 0 and bought > 0 and abs(open_qty - sold + bought) < abs(open_qty):
                return ((long_name, -sold), (short_name, bought))
    return None


def _maker_alone(
    world: World, held: Mapping[str, Decimal], *, open_qty: Decimal
) -> tuple[tuple[str, Decimal], ...] | None:
    """The maker's position, if a hedge of all that is then open leaves no more of it than now."""
    if len(held) < len(world.plan.accounts):
        return None  # its opposite may be an account that is left out for the moment
    qty = held[world.maker]
    size = world.reducible(world.maker, min(abs(qty), world.plan.limits.unhedged_soft - abs(open_qty)))
    if size == 0:
        return None
    closing = -size if qty > 0 else size
    after = abs(open_qty + closing)
    hedged = max((world.tradable(name, after) for name in held if name != world.maker), default=ZERO)
    if hedged == 0 or after - hedged > abs(open_qty):
        return None
    return ((world.maker, closing),)


def _remainder(world: World, account: str, rest: Decimal, *, most: Decimal) -> Decimal:
    """S7: what a slice would leave untradeable, in whole lots: it goes along as far as that lessens the exposure."""
    if rest <= 0 or most <= 0 or world.reducible(account, rest) > 0:
        return ZERO
    return world.instruments[account].floor_qty(min(rest, most))


def _both_trade(world: World, one: str, other: str, qty: Decimal) -> Decimal:
    """The largest quantity up to `qty` that both accounts' venues accept; 0 if there is none."""
    size = world.reducible(one, qty)
    again = world.reducible(other, size)
    return again if again == world.reducible(one, again) else ZERO
