"""What a report says of money: a journal worked out by hand, and sums that hold whatever happened."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from cli_kit import FLOW, Eagle, eagle, write_recording
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from review_kit import D, Story, whole_round

from engine.review.report import report
from engine.review.report_figures import AccountResult, Money, PurposeResult, Reconciled, Report
from engine.runtime.codec import decode_input
from engine.runtime.journal_read import open_journal
from engine.trading.effects import Purpose
from exchanges.types import Fill, FillKind, Liquidity, Position, Side

__all__ = ["eagle"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "story.sqlite"


def test_a_round_worked_out_by_hand(path: Path) -> None:
    story = Story(path)
    story.start()
    whole_round(story)
    story.end(hawk="1023.8", chick="976.7")
    found = report(path)
    # hawk buys 2 at 99 under a mid of 100 and sells them at 111 over one of 110: +2 and +2 of spread; its book rose
    # by 10 while it held 2. chick sells 2 decided at 98 / 100, so half a spread of 1 each, one of them 0.5 worse than
    # the bid, and buys them back at the ask of 107 / 109; its book rose by 9 against it.
    hawk = Money(D(420), spread=D(4), fees=D("0.2"), funding=D(0), slippage=D(0), drift=D(20), pnl=D("23.8"))
    chick = Money(
        D("413.5"), spread=D(-4), fees=D("0.8"), funding=D(0), slippage=D("-0.5"), drift=D(-18), pnl=D("-23.3")
    )
    assert found.accounts == (
        AccountResult("chick", "b", "ETHUSD", 3, D(0), chick),
        AccountResult("hawk", "a", "ETHUSD", 2, D(0), hawk),
    )
    assert found.money == Money(
        D("833.5"), spread=D(0), fees=D(1), funding=D(0), slippage=D("-0.5"), drift=D(2), pnl=D("0.5")
    )
    assert found.purposes == (
        PurposeResult("open", 1, D(198), D("0.1"), spread=D(2), slippage=D(0)),
        PurposeResult("close", 1, D(222), D("0.1"), spread=D(2), slippage=D(0)),
        PurposeResult("hedge", 3, D("413.5"), D("0.8"), spread=D(-4), slippage=D("-0.5")),
    )
    assert found.venue == Reconciled(D("0.5"), D(0), equity_change=D("0.5"), unread=())
    assert (found.money.rest, found.venue.unexplained, found.notes) == (0, 0, ())
    # 200 of notional opened at mid; 10 bps of it expected, 25 bps gained.
    cost = found.cost
    assert (cost.rounds, cost.notional, cost.expected, cost.realised) == (1, D(200), D("0.2"), D("-0.5"))
    assert (cost.realised_bps.p50, cost.expected_bps.p50, cost.outside_rounds) == (-25.0, 10.0, 0)


def test_bounds_of_a_simulation_worked_out_by_hand(path: Path) -> None:
    story = Story(path)
    story.start()
    whole_round(story)
    story.quote("b", "107", "109", offered="1.5")
    story.place("first", Side.BUY, "1", purpose=Purpose.FLATTEN)
    story.fill("first", "1", "109")
    story.place("second", Side.BUY, "1", purpose=Purpose.FLATTEN)
    story.fill("second", "1", "108")
    story.end()
    paper = report(path).paper
    assert paper is not None
    assert paper.simulated == D("-0.5")  # the round's 0.5, and 2 bought at 109 and 108 that are worth 108
    assert paper.beyond_best == D("0.5")  # 1 and 1 from the 1.5 that were shown
    assert paper.optimistic == paper.simulated + D("0.5")  # the hedge at 97.5 instead of 98; the gain at 108 stays
    # Makers gained 4. Slippage was -0.5 and +1: both of them double and against us. 0.5 at 50 bps of 109.
    assert paper.pessimistic == paper.simulated - 8 - D("0.5") - 3 - D("0.5") * 109 * D("0.005")


def test_a_taker_is_judged_by_the_book_of_its_decision_and_a_maker_by_that_of_its_fill(path: Path) -> None:
    story = Story(path)
    story.quote("a", "99", "101")
    story.quote("b", "98", "100")
    story.rest("open", Side.BUY, "2", "99")
    story.place("hedge", Side.SELL, "2")
    story.quote("a", "97", "101")
    story.quote("b", "95", "99")
    story.fill("open", "2", "99")  # at a mid of 99
    story.fill("hedge", "2", "95")  # decided at 98 / 100
    story.end(read=False)
    of = {it.purpose: (it.spread, it.slippage) for it in report(path).purposes}
    assert of == {"open": (D(0), D(0)), "hedge": (D(-2), D(-6))}


def test_what_is_still_held_counts_at_the_venues_own_mark(path: Path) -> None:
    story = Story(path)
    story.start()
    story.begin()
    story.quote("a", "99", "101")
    story.rest("open", Side.BUY, "2", "99")
    story.fill("open", "2", "99")
    story.quote("a", "103", "105")
    story.step()
    story.end(hawk="1012", held=(Position("hawk", "ETHUSD", D(2), mark_price=D(105)),))
    found = report(path)
    assert found.money == Money(D(198), spread=D(2), fees=D(0), funding=D(0), slippage=D(0), drift=D(10), pnl=D(12))
    assert (found.venue.unexplained, found.deviation.end, found.rounds.open) == (0, D(2), 1)


def test_without_the_venues_mark_the_last_mid_of_the_book_counts(path: Path) -> None:
    story = Story(path)
    story.quote("a", "99", "101")
    story.rest("open", Side.BUY, "2", "99")
    story.fill("open", "2", "99")
    story.quote("a", "103", "105")
    story.quote("b", "1", "2")
    story.step()
    story.end(read=False)
    assert report(path).money.pnl == D(10)


def test_equity_that_nobody_accounts_for_is_unexplained(path: Path) -> None:
    story = Story(path)
    held = (Position("hawk", "ETHUSD", D(3), mark_price=D(100)),)
    story.start(held=held)
    whole_round(story)
    story.end(hawk="1060.8", chick="976.7", held=(Position("hawk", "ETHUSD", D(3), mark_price=D(110)),))
    venue = report(path).venue
    assert venue == Reconciled(D("0.5"), held_before=D(30), equity_change=D("37.5"), unread=())
    assert venue.unexplained == 7  # somebody paid 7 in


def test_an_account_that_was_not_read_leaves_the_equity_open(path: Path) -> None:
    story = Story(path)
    story.start()
    whole_round(story)
    story.end(exit_code=None, read=False)
    found = report(path)
    assert (found.run.exit_code, found.venue.equity_change, found.venue.unexplained) == (None, None, None)
    assert found.venue.unread == ("chick", "hawk")
    assert found.money.pnl == D("0.5")


def test_a_fee_in_base_lessens_the_position_and_counts_at_the_price(path: Path) -> None:
    story = Story(path)
    story.quote("a", "99", "101")
    story.rest("open", Side.BUY, "2", "99")
    story.fill("open", "2", "99", fee="0.1", fee_asset="ETH")
    story.end()
    found = report(path)
    assert found.accounts[1].position == D("1.9")
    assert found.money == Money(
        D(198), spread=D("1.9"), fees=D("9.9"), funding=D(0), slippage=D(0), drift=D(0), pnl=D(-8)
    )
    assert (found.money.rest, found.deviation.end) == (0, D("1.9"))


def test_a_fee_in_another_asset_is_no_money_here_and_said_so(path: Path) -> None:
    story = Story(path)
    story.quote("a", "99", "101")
    story.rest("open", Side.BUY, "2", "99")
    story.fill("open", "1", "99", fee="0.25", fee_asset="BNB")
    story.fill("open", "1", "99", fee="0.25", fee_asset="BNB")
    story.end()
    found = report(path)
    assert (found.money.fees, found.money.pnl) == (0, 2)
    assert found.notes == (
        "fees of 0.50 BNB were paid in an asset that is neither base nor quote: not in the money here",
    )


def test_what_only_a_snapshot_showed_is_said_and_not_guessed_at(path: Path) -> None:
    story = Story(path)
    story.quote("a", "99", "101")
    story.rest("open", Side.BUY, "3", "99")
    story.shows("open", "2")
    story.fill("open", "1", "99")
    story.end()
    found = report(path)
    assert found.notes == ("hawk: 1 was seen in snapshots but no fill row tells its price: not in the money here",)
    assert (found.accounts[1].position, found.deviation.end, found.money.pnl) == (D(1), D(2), D(1))


def test_rows_that_explain_a_snapshot_leave_nothing_to_say(path: Path) -> None:
    story = Story(path)
    story.quote("a", "99", "101")
    story.rest("open", Side.BUY, "3", "99")
    story.shows("open", "2")
    story.fill("open", "2", "99")
    story.fill("open", "1", "98.5")
    story.end()
    found = report(path)
    assert (found.notes, found.accounts[1].position, found.deviation.end) == ((), D(3), D(3))
    assert found.money.pnl == D("3.5")


def test_a_fill_that_no_order_of_ours_made_slips_against_the_mid(path: Path) -> None:
    story = Story(path)
    story.quote("a", "99", "101")
    story.step()
    story.outside("hawk", Side.SELL, "2", "97", FillKind.LIQUIDATION)
    story.outside("hawk", Side.BUY, "2", "100", FillKind.SETTLEMENT)
    story.end()
    found = report(path)
    assert found.purposes == (PurposeResult("outside", 2, D(0), D(0), spread=D(0), slippage=D(-6)),)
    assert (found.money.pnl, found.money.rest, found.cost.rounds) == (D(-6), 0, 0)


@pytest.mark.parametrize(("quoted", "slippage"), [(True, D(-2)), (False, D(0))])
def test_a_source_s_maker_fill_makes_no_spread_and_without_a_book_slips_by_nothing(
    quoted: bool, slippage: Decimal, path: Path
) -> None:
    """A hedger's source has no book: its fills were told as a spread of all their value, and a slippage as large."""
    story = Story(path)
    if quoted:
        story.quote("a", "99", "101")
        story.step()
    story.outside("hawk", Side.BUY, "2", "101", FillKind.TRADE, liquidity=Liquidity.MAKER)
    story.end()
    (outside,) = report(path).purposes
    assert (outside.purpose, outside.fills, outside.spread, outside.slippage) == ("outside", 1, 0, slippage)


def test_an_order_that_was_adopted_counts_though_nobody_knows_when_it_was_decided(path: Path) -> None:
    """Its run had no disk to write that down (S15)."""
    story = Story(path)
    story.quote("a", "99", "101")
    story.step()
    story.outside("hawk", Side.SELL, "2", "97", FillKind.TRADE)
    story.end()
    with sqlite3.connect(path) as journal:
        journal.execute("UPDATE fills SET purpose = 'flatten', round = 0")
    journal.close()
    (purpose,) = report(path).purposes
    assert (purpose.purpose, purpose.fills) == ("flatten", 1)


def test_fills_of_strangers_are_left_out_and_said_so(path: Path) -> None:
    story = Story(path)
    story.rest("open", Side.BUY, "2", "99")
    story.fill("open", "1", "99", symbol="DOGEUSD")
    story.end()
    with sqlite3.connect(path) as journal:
        journal.execute("UPDATE fills SET trade_id = 'x'")
    journal.close()
    found = report(path)
    assert (found.money.volume, found.notes) == (
        0, ("1 fills of other accounts or symbols than this run's: left out",)
    )  # fmt: skip


def test_a_fill_without_a_known_quote_is_judged_at_its_own_price(path: Path) -> None:
    story = Story(path)
    story.rest("open", Side.BUY, "2", "99")
    story.fill("open", "2", "99")
    story.place("hedge", Side.SELL, "2")
    story.fill("hedge", "2", "98")
    story.end()
    found = report(path)
    assert found.notes == ("2 fills without a known quote: judged at their own price",)
    assert (found.money.spread, found.money.slippage, found.money.drift, found.money.rest) == (0, 0, 0, 0)


# --- whatever happened


PRICES = st.decimals("90", "110", places=1)
QTYS = st.decimals("0.1", "3", places=1)
FILLS = st.lists(
    st.tuples(
        st.sampled_from(["hawk", "chick"]), st.booleans(), QTYS, PRICES, st.decimals("-0.1", "0.1", places=3),
        st.sampled_from(["USD", "ETH"]), st.booleans(), st.one_of(st.none(), PRICES),
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fills=FILLS)
def test_the_parts_add_up_to_the_last_digit(
    tmp_path_factory: pytest.TempPathFactory, fills: list[tuple[str, bool, D, D, D, str, bool, D | None]]
) -> None:  # fmt: skip
    path = tmp_path_factory.mktemp("story") / "story.sqlite"
    story = Story(path)
    for number, (account, buys, qty, price, fee, asset, maker, bid) in enumerate(fills):
        if bid is not None:
            story.quote("a" if account == "hawk" else "b", str(bid), str(bid + 1))
        name, side = f"o{number}", Side.BUY if buys else Side.SELL
        story.place(name, side, str(qty), account=account, purpose=Purpose.OPEN if maker else Purpose.HEDGE)
        liquidity = Liquidity.MAKER if maker else Liquidity.TAKER
        story.fill(name, str(qty), str(price), fee=str(fee), fee_asset=asset, liquidity=liquidity)
    story.end(read=False)
    found = report(path)
    assert found.money.rest == 0
    assert [account.money.rest for account in found.accounts] == [0, 0]
    for name, field in (("volume", "volume"), ("fees", "fees"), ("spread", "spread"), ("slippage", "slippage")):
        of_purposes = sum((getattr(it, field) for it in found.purposes), D(0))
        assert of_purposes == getattr(found.money, name)


# --- counted again by other means


def recounted(path: Path) -> tuple[dict[str, Fraction], dict[str, Fraction]]:
    """Realised P&L and position by account, from the inputs' bodies, by average cost; fees as money, base at the price.

    Shares nothing with the report: other rows, another method, fractions instead of decimals.
    """
    realised: dict[str, Fraction] = {}
    held: dict[str, tuple[Fraction, Fraction]] = {}  # position, what it cost in all
    with open_journal(path) as journal:
        rows = journal.execute("SELECT kind, body FROM inputs WHERE kind = 'fill' ORDER BY seq").fetchall()
    for kind, body in rows:
        fill = decode_input(kind, body)
        assert isinstance(fill, Fill)
        price, signed, fee = Fraction(fill.price), Fraction(fill.qty) * fill.side.sign, Fraction(fill.fee)
        money = -fee
        if fill.fee_asset == "ETH":
            signed, money = signed - fee, -fee * price
        qty, cost = held.get(fill.account, (Fraction(0), Fraction(0)))
        if qty and (signed > 0) != (qty > 0):
            closed = min(abs(signed), abs(qty)) * (1 if qty > 0 else -1)
            money += closed * (price - cost / qty)
            qty, cost, signed = qty - closed, cost - closed * (cost / qty), signed + closed
        held[fill.account] = (qty + signed, cost + signed * price)
        realised[fill.account] = realised.get(fill.account, Fraction(0)) + money
    return realised, {name: qty for name, (qty, _) in held.items()}


def run_of(eagle: Eagle, *options: object) -> Report:
    assert eagle("run", "--flow", FLOW, "--speed", "max", *options).code == 0
    return report(Path("state/eagle.sqlite"))


def test_a_perpetual_run_recounted_from_its_inputs(eagle: Eagle) -> None:
    found = run_of(eagle, "--rounds", 12)
    realised, held = recounted(Path("state/eagle.sqlite"))
    assert {name for name, qty in held.items() if qty} == set()
    assert {it.account: Fraction(it.money.pnl) for it in found.accounts} == realised
    assert (found.money.rest, found.venue.unexplained) == (0, 0)
    assert found.rounds.done == 12
    assert found.cost.rounds == 12


def test_a_spot_run_on_a_recording_reconciles_with_the_venues_in_spite_of_fees_in_base(
    eagle: Eagle, tmp_path: Path
) -> None:  # fmt: skip
    prefix = write_recording(tmp_path, "spot_ethusdt", seconds=120)
    found = run_of(eagle, "--market", prefix)
    realised, held = recounted(Path("state/eagle.sqlite"))
    assert {it.account: Fraction(it.position) for it in found.accounts} == held
    left = [it for it in found.accounts if it.position]
    assert left, "fees in base leave something; this run should show it"
    flat = {it.account: Fraction(it.money.pnl) for it in found.accounts if not it.position}
    assert flat == {name: realised[name] for name in flat}
    assert found.venue.held_before != 0
    assert (found.money.rest, found.venue.unexplained) == (0, 0)
