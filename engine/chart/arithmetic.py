"""Which types go together: sums, products, quotients and comparisons of quantities with units."""

from __future__ import annotations

from collections.abc import Mapping

from engine.chart.model import BPS, COUNT, DURATION, MONEY, PRICE, QTY, RATIO, TICKS, Type

NUMBER = Type("number")  # a bare literal that has not met a unit yet
UNKNOWN = Type("unknown")  # a part whose fault is reported already: goes with everything

NUMERIC = frozenset({COUNT, QTY, PRICE, MONEY, RATIO, BPS, TICKS, DURATION, NUMBER})
ORDERED = NUMERIC | {UNKNOWN}
INTEGERS = frozenset({COUNT, TICKS, DURATION})

_BARE_MAY_BE = frozenset({COUNT, TICKS, QTY, PRICE, MONEY, RATIO})
_SCALED_BY_RATIO = frozenset({QTY, PRICE, MONEY, RATIO, BPS, DURATION})
_PRODUCTS: Mapping[frozenset[Type], Type] = {frozenset({QTY, PRICE}): MONEY}
_QUOTIENTS: Mapping[tuple[Type, Type], Type] = {(MONEY, QTY): PRICE, (MONEY, PRICE): QTY}


def common_type(left: Type, right: Type) -> Type | None:
    """The type in which both can be added or compared; None if they cannot."""
    if left == right:
        return left
    if UNKNOWN in (left, right):
        return UNKNOWN
    if left.members and right.members:
        return left if set(left.members) == set(right.members) else None
    if left == NUMBER and right in _BARE_MAY_BE:
        return right
    if right == NUMBER and left in _BARE_MAY_BE:
        return left
    if {left, right} == {COUNT, TICKS}:
        return COUNT
    return None


def product_type(left: Type, right: Type) -> Type | None:
    for one, other in ((left, right), (right, left)):
        if one == NUMBER:
            return other
        if one == COUNT or (one == TICKS and other != TICKS):
            return other
    if left == RATIO and right in _SCALED_BY_RATIO:
        return right
    if right == RATIO and left in _SCALED_BY_RATIO:
        return left
    return _PRODUCTS.get(frozenset({left, right}))


def quotient_type(left: Type, right: Type) -> Type | None:
    if left == right:
        return RATIO
    if left in (COUNT, TICKS, NUMBER) and right in (COUNT, TICKS, NUMBER, RATIO):
        return RATIO
    if left in NUMERIC and right in (COUNT, TICKS, NUMBER):
        return left
    if right == RATIO and left in _SCALED_BY_RATIO:
        return left
    return _QUOTIENTS.get((left, right))
