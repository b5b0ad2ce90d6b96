"""Tables of paper money: entry prices, fees, what a spot account can pay."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from exchanges.accounts import Balances, Exposure, Holding, fee_asset, fee_of, refuse_buy, refuse_sell
from exchanges.synthetic import demo_instrument
from exchanges.types import MarketKind, Refusal, Refused, Side

D = Decimal
PERP = replace(demo_instrument("paper-a"), maker_fee=D("-0.01"), taker_fee=D("0.1"))
SPOT = replace(PERP, kind=MarketKind.SPOT)


@pytest.mark.parametrize(
    ("because", "before", "change", "after"),
    [
        ("opens", Holding(D(0)), "2", Holding(D(2), D(110))),
        ("grows at the average", Holding(D(2), D(100)), "2", Holding(D(4), D(105))),
        ("a short grows too", Holding(D(-1), D(100)), "-1", Holding(D(-2), D(105))),
        ("shrinks at its old entry", Holding(D(2), D(100)), "-1", Holding(D(1), D(100))),
        ("closes", Holding(D(2), D(100)), "-2", Holding(D(0))),
        ("turns at the new price", Holding(D(2), D(100)), "-3", Holding(D(-1), D(110))),
    ],
)
def test_entry_price(because: str, before: Holding, change: str, after: Holding) -> None:
    assert before.after(D(change), D(110)) == after, because


@pytest.mark.parametrize(
    ("because", "instrument", "side", "maker", "fee"),
    [
        ("a maker's rebate is negative", PERP, Side.BUY, True, ("-2", "USD")),
        ("a taker pays", PERP, Side.SELL, False, ("20", "USD")),
        ("a spot buy pays in base", replace(SPOT, fee_in_received=True), Side.BUY, False, ("0.2", "ETH")),
        ("a spot sell receives quote", replace(SPOT, fee_in_received=True), Side.SELL, False, ("20", "USD")),
        ("a spot venue that charges in quote", SPOT, Side.BUY, False, ("20", "USD")),
        ("a perpetual never pays in base", replace(PERP, fee_in_received=True), Side.BUY, False, ("20", "USD")),
    ],
)
def test_fees(because: str, instrument: object, side: Side, maker: bool, fee: tuple[str, str]) -> None:
    charged = fee_of(instrument, side, qty=D(2), price=D(100), maker=maker)  # type: ignore[arg-type]
    assert (charged, fee_asset(instrument, side)) == (D(fee[0]), fee[1]), because  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("because", "fee_in_received", "qty", "refused"),
    [
        ("cash is enough", True, "7", None),
        ("one lot more is not", True, "7.01", "costs 701.00 of a free balance of 700"),
        ("a fee in quote counts", False, "7", "costs 770.0 of a free balance of 700"),
        ("less with its fee fits", False, "6", None),
    ],
)
def test_a_spot_buy_is_bounded_by_unreserved_cash(
    because: str, fee_in_received: bool, qty: str, refused: str | None
) -> None:
    spec = replace(SPOT, fee_in_received=fee_in_received)
    reserved = Exposure(spec, Holding(D(0)), D(100), open_buy_cost=D(300))
    found = refuse_buy(Balances(D(1000)), spec, qty=D(qty), price=D(100), exposures=[reserved])
    assert found == (None if refused is None else Refused(Refusal.MARGIN, refused)), because


def test_a_spot_sell_is_bounded_by_the_unreserved_balance() -> None:
    exposure = Exposure(SPOT, Holding(D(5)), D(100), open_sell_qty=D(3))
    assert refuse_sell(exposure, D(2)) is None
    assert refuse_sell(exposure, D("2.1")) == Refused(Refusal.MARGIN, "sells 2.1 of a free balance of 2")


def test_a_settled_holding_is_back_at_its_start_with_the_difference_in_cash() -> None:
    balances = Balances(D(1000), {"ETH-PERP": D(2)})
    balances.trade(SPOT, Side.BUY, qty=D(3), price=D(100), fee=D(1))
    balances.settle("ETH-PERP", D(110))
    assert (balances.cash, balances.holdings) == (D(1029), {"ETH-PERP": Holding(D(2))})
