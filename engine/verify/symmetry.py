"""Accounts that are alike, told as one: of all situations that only swap them, a proof looks at one.

Which of two equal accounts comes first in the plan decides nothing but which of them gets an order. So a step that
sends no order to one of them does the same, swapped, where they are swapped; for one that does, both are computed.
`tests/test_verify_folding.py` compares with the search that keeps them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, permutations
from typing import TypeVar

from engine.verify.projection import DeskKey, OrderKey
from exchanges.types import LinkState

T = TypeVar("T")
Swap = tuple[int, ...]  # the new place of each account, by its old one
_RANK = {state: rank for rank, state in enumerate(LinkState)}


class Symmetry:
    """Of the accounts `names`, those at the places of `alike` may be swapped; none if that is empty."""

    def __init__(self, names: tuple[str, ...], alike: tuple[int, ...]) -> None:
        self._names = names
        self._alike = alike if len(alike) > 1 else ()
        self._stay = tuple(range(len(names)))
        self.of = tuple(self._alike[0] if place in self._alike else place for place in self._stay)  # what it stands for
        self.orders_to = frozenset(names[place] for place in self._alike)

    def swaps(self) -> Iterator[Swap]:
        """All but the one that leaves everything where it is."""
        for order in permutations(self._alike):
            swap = list(self._stay)
            for old, new in zip(self._alike, order, strict=True):
                swap[old] = new
            if tuple(swap) != self._stay:
                yield tuple(swap)

    # --- desks

    def sorting(self, key: DeskKey) -> Swap | None:
        """The swap that leads to the desk that stands for this one; None if it is that itself."""
        if not self._alike or key.breached or key.deferred:  # those may name accounts
            return None
        if len(self._alike) == 2:  # most of the time the positions alone decide
            one, other = self._alike
            if key.positions[one] < key.positions[other]:
                return None
        return self._sorted([self._of_account(key, place) for place in self._alike])

    def _sorted(self, marks: Sequence[object]) -> Swap | None:
        order = sorted(range(len(marks)), key=marks.__getitem__)  # type: ignore[arg-type]
        if order == list(range(len(marks))):
            return None
        swap = list(self._stay)
        for new, old in enumerate(order):
            swap[self._alike[old]] = self._alike[new]
        return tuple(swap)

    def _of_account(self, key: DeskKey, place: int) -> tuple[object, ...]:
        """Everything that tells an account from one like it."""
        name = self._names[place]
        return (
            key.positions[place], _RANK[key.links[place]], name in key.refused, name in key.slices, name == key.last,
            name in key.spent,
            [at for at, it in enumerate(key.orders) if it.account == name],
            [at for at, row in enumerate(key.seen) if row[0] == name] if key.seen else [],
        )  # fmt: skip

    def tied(self, key: DeskKey) -> bool:
        """Does the desk itself not tell some of them apart?"""
        if not self._alike or key.breached or key.deferred:
            return False
        held = [key.positions[place] for place in self._alike]
        if len(set(held)) == len(held):
            return False
        marks = [self._of_account(key, place) for place in self._alike]
        return any(one == other for one, other in pairwise(marks))

    def breaking_ties(self, key: DeskKey, marks: Sequence[object]) -> Swap | None:
        """The swap of accounts that the desk does not tell apart, by what else is known of each account."""
        return self._sorted([(self._of_account(key, place), marks[place]) for place in self._alike])

    def swapped(self, key: DeskKey, swap: Swap) -> DeskKey:
        to = self.named(swap)
        orders = tuple([_order_of(it, to) for it in key.orders])
        return key._replace(
            orders=orders, positions=moved(key.positions, swap), links=moved(key.links, swap),
            seen=tuple([(to[account], order, trade) for account, order, trade in key.seen]),
            refused=tuple(sorted([to[name] for name in key.refused])), last=to.get(key.last, ""),
            slices=tuple(sorted([to[name] for name in key.slices])),
            spent=self._in_order({to[name] for name in key.spent}),
        )  # fmt: skip

    def _in_order(self, accounts: set[str]) -> tuple[str, ...]:
        return tuple([name for name in self._names if name in accounts])

    def named(self, swap: Swap) -> dict[str, str]:
        """The new name of each account."""
        return {name: self._names[new] for name, new in zip(self._names, swap, strict=True)}


def _order_of(it: OrderKey, to: dict[str, str]) -> OrderKey:
    return it if to[it.account] == it.account else it._replace(account=to[it.account])


def moved(values: tuple[T, ...], swap: Swap) -> tuple[T, ...]:
    """What belongs to each account, at its new place."""
    found = list(values)
    for old, new in enumerate(swap):
        found[new] = values[old]
    return tuple(found)


def moved_on(first: Swap, then: Swap) -> Swap | None:
    """One swap after the other; None if that leaves everything where it was."""
    found = tuple([then[place] for place in first])
    return None if found == tuple(range(len(found))) else found
