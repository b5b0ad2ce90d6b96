"""The ledger: one exposure, fees in base, money to the last digit, and a sum that must add up (E12, S17, S18)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from engine.trading.effects import Purpose
from engine.trading.ledger import Book, Ledger
from exchanges.types import Fill, Instrument, Liquidity, MarketKind, Side

D = Decimal
PERP = Instrument("a", "X", "X", MarketKind.PERP, "ETH", "USDT", D("0.1"), D("0.1"), D("0.1"))


def ledger() -> Ledger:
    return Ledger({"m": PERP, "t": PERP}, "m")


def fill(account: str, side: Side, qty: str, price: str, fee: str = "0", asset: str = "USDT") -> Fill:
    return Fill("a", account, "X", "c", "v", "t", side, D(qty), D(price), D(fee), asset, Liquidity.MAKER, 0, 0)


def test_a_round_leaves_no_exposure_and_exact_money() -> None:
    book = ledger()
    book.add_fill(fill("m", Side.BUY, "1", "100", "0.02"), D(1), Purpose.OPEN)
    assert (book.exposure, book.maker_open_position, book.maker_close_position) == (D(1), D(1), D(0))
    book.add_fill(fill("t", Side.SELL, "1", "99.9", "0.05"), D(1), Purpose.HEDGE)
    assert (book.exposure, book.taker_hedges) == (D(0), {"t": D(-1)})
    book.add_fill(fill("m", Side.SELL, "1", "100.1", "0.02"), D(1), Purpose.CLOSE)
    assert (book.exposure, book.maker_open_position, book.maker_close_position) == (D(-1), D(1), D(1))
    book.add_fill(fill("t", Side.BUY, "1", "100", "0.05"), D(1), Purpose.HEDGE)
    assert book.books == {
        "m": Book(D(0), D("0.06"), D("0.04"), D("200.1"), D(1), D(1)),
        "t": Book(D(0), D("-0.20"), D("0.10"), D("199.9"), D(1), D(1)),
    }
    assert book.breach() is None


def test_a_base_fee_makes_the_position_smaller() -> None:
    """S18: a spot buy of 1 delivers 0.999."""
    book = ledger()
    book.add_fill(fill("m", Side.BUY, "1", "100", "0.001", "ETH"), D(1), Purpose.OPEN)
    assert (book.exposure, book.books["m"]) == (D("0.999"), Book(D("0.999"), D(-100), D("0.1"), D(100), D(1), D(0)))


def test_a_fee_in_a_third_asset_is_no_money_of_this_market() -> None:
    book = ledger()
    book.add_fill(fill("m", Side.BUY, "1", "100", "0.0001", "BNB"), D(1), Purpose.OPEN)
    book.add_fill(fill("m", Side.BUY, "1", "100", "0.0002", "BNB"), D(1), Purpose.OPEN)
    assert book.books["m"] == Book(D(2), D(-200), D(0), D(200), D(2), D(0))
    assert book.other_fees == {("m", "BNB"): D("0.0003")}


def test_a_snapshot_counts_quantity_and_its_row_the_money() -> None:
    book = ledger()
    book.add_provisional("m", Side.BUY, D(1), Purpose.OPEN)
    assert (book.exposure, book.books["m"].cash) == (D(1), D(0))
    book.add_fill(fill("m", Side.BUY, "1", "100"), D(0), Purpose.OPEN)
    assert (book.exposure, book.books["m"].cash) == (D(1), D(-100))


def test_a_fill_that_no_order_caused_is_exposure() -> None:
    book = ledger()
    book.add_fill(fill("m", Side.SELL, "2", "100"), D(2), None)
    assert (book.exposure, book.outside, book.breach()) == (D(-2), D(-2), None)


def test_sums_that_do_not_add_up_are_told() -> None:
    book = ledger()
    book.add_fill(fill("m", Side.BUY, "1", "100"), D(1), Purpose.OPEN)
    book.books["m"] = replace(book.books["m"], position=D(2))
    assert book.breach() == (
        "ledger does not add up: maker 1 + takers 0 + outside 0 = 1, positions sum to 2, exposure 1"
    )
