"""What a run leaves rightly: that is only what no order could take off (S7)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.runtime.simulate.residue import Left, irreducible

D = Decimal


def left(maker: int, *takers: int) -> dict[str, Left]:
    """Lots; the maker trades one or more, takers fifty or more."""
    found = {"hawk": Left(D(maker), D(1), D(1))}
    return found | {f"taker-{n}": Left(D(qty), D(50), D(50)) for n, qty in enumerate(takers)}


@pytest.mark.parametrize(
    ("positions", "rightly"),
    [
        ((46, 0, -46), True),  # seed 825 of the catalogue in parts on Backpack and Lighter: hedged, and neither may go
        ((32, -38, -25), False),  # seed 771: the maker's close opens 63, which a taker may hedge
        ((0, -38, 20), True),
        ((0, 50), False),
        ((-5, 0, 49), True),
        ((0, 0), True),
    ],
)
def test_only_what_no_order_takes_off_is_left_rightly(positions: tuple[int, ...], rightly: bool) -> None:
    assert irreducible(left(*positions), maker="hawk") is rightly


def test_a_taker_that_may_close_less_than_it_may_open_is_not_left() -> None:
    held = {"hawk": Left(D(0), D(1), D(1)), "chick": Left(D(10), D(10), D(20))}
    assert not irreducible(held, maker="hawk")
