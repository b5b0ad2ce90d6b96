"""Does a venue get the order that was decided? What a simulated run looks at with each that is accepted."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from engine.runtime.simulate.meant import otherwise
from exchanges.types import OrderRequest, OrderType, SelfTrade, Side, TimeInForce

RESTS = OrderRequest(
    "7", "hawk", "ETH", Side.SELL, Decimal("0.02"), Decimal("2600.1"), OrderType.LIMIT, TimeInForce.GTC, True, True,
    2_000, SelfTrade.CANCEL_TAKER,
)  # fmt: skip
HEDGE = replace(
    RESTS, price=None, type=OrderType.MARKET, tif=TimeInForce.IOC, post_only=False, worst_price=Decimal(2587)
)


@pytest.mark.parametrize(
    ("meant", "change", "words"),
    [
        (RESTS, {}, ""),
        (RESTS, {"valid_ms": 0, "qty": Decimal("0.0200")}, ""),  # written otherwise, and what a venue does not tell
        (RESTS, {"qty": Decimal("0.2")}, "qty 0.2 for 0.02"),
        (RESTS, {"price": Decimal("2600.2")}, "price 2600.2 for 2600.1"),
        (RESTS, {"post_only": False, "reduce_only": False}, "post_only False for True, reduce_only False for True"),
        (RESTS, {"side": Side.BUY}, "side buy for sell"),
        (HEDGE, {}, ""),
        (HEDGE, {"price": Decimal(2587), "type": OrderType.LIMIT, "worst_price": None}, ""),
        (HEDGE, {"worst_price": Decimal(2590)}, ""),  # a venue's own band
        (HEDGE, {"worst_price": Decimal(2586)}, "worst price 2586 for 2587"),
        (HEDGE, {"worst_price": None}, "worst price None for 2587"),
        (replace(HEDGE, side=Side.BUY), {"worst_price": Decimal(2588)}, "worst price 2588 for 2587"),
        (replace(HEDGE, worst_price=None), {}, ""),
        (replace(HEDGE, worst_price=None), {"tif": TimeInForce.GTC}, ""),  # what never rests has none
        (
            HEDGE,
            {"price": Decimal(2587), "type": OrderType.LIMIT, "worst_price": None, "tif": TimeInForce.GTC},
            "tif gtc for ioc",
        ),
    ],
)
def test_an_order_that_came_otherwise_than_it_was_decided_is_told(
    meant: OrderRequest, change: dict[str, Any], words: str
) -> None:
    assert otherwise(replace(meant, **change), meant) == words
