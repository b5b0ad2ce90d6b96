"""S1: what an account held before the run, and what others rest on it, is left alone."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from trading_kit import Bench, D, account

from engine.trading.effects import Alert, AskOrder, AskPositions, CancelOrder, Finish, PlaceOrder
from engine.trading.inputs import Counted, Looked, StopAsked
from exchanges.types import Fill, Liquidity, MarketKind, OrderState, Position, Side

HELD = {"m": D(7), "t1": D(-4), "t2": D(0)}


def positions(**held: Decimal) -> tuple[Position, ...]:
    return tuple(Position(name, "ETHUSDT", qty) for name, qty in held.items())


def begun() -> Bench:
    """A run that begins while two accounts hold positions of their owner."""
    bench = Bench()
    bench.begin(held=positions(**HELD))
    return bench


def test_what_was_held_before_is_neither_hedged_nor_flattened_nor_a_difference() -> None:
    bench = begun()
    opening = bench.newest("opening")
    token = next(e.token for e in bench.give(StopAsked(1)) if isinstance(e, AskOrder))
    bench.give(Looked(opening, token, ok=True, update=bench.told(opening, OrderState.OPEN)))
    bench.update(opening, OrderState.CANCELED)
    assert [placed.leg for placed in bench.orders.values()] == ["opening"]
    asked = [effect.token for effect in bench.log if isinstance(effect, AskPositions)][-1]
    done = bench.give(Counted(asked, ok=True, quiet=True, positions=positions(**HELD), margins=()))
    assert [(e.exit_code, e.text) for e in done if isinstance(e, Finish)] == [(0, "flat")]


def test_a_position_that_differs_from_what_was_held_before_is_a_difference() -> None:
    bench = begun()
    told = bench.give(Counted(0, ok=True, quiet=True, positions=positions(m=D(0), t1=D(-4)), margins=()))
    assert [e.text for e in told if isinstance(e, Alert)] == ["ledger and venue differ: m: ledger 7 venue 0"]


def test_a_trade_by_hand_while_the_first_positions_are_read_is_part_of_them() -> None:
    """Its frame comes before the positions that it made: counted as well, it would be hedged, and then differ."""
    bench = Bench()
    bench.quote("100.0", "100.1")
    by_hand = Fill(
        "b", "t1", "ETHUSDT", "", "o9", "t9", Side.SELL, D(4), D(100), D(0), "USDT", Liquidity.TAKER, 1, bench.now
    )
    assert bench.give(by_hand) == []
    bench.begin(held=positions(t1=D(-4)))
    assert (bench.desk.world.exposure, bench.state) == (0, "MAKER_OPENING.resting")
    assert bench.give(by_hand) == []  # told again by a resync
    told = bench.give(Counted(0, ok=True, quiet=True, positions=positions(t1=D(-4)), margins=()))
    assert [e for e in told if isinstance(e, Alert)] == []
    again = bench.give(replace(by_hand, trade_id="t10"))
    assert [effect.code for effect in again if isinstance(effect, Alert)][:1] == ["fill_trade"]


def test_an_order_of_somebody_else_is_never_cancelled_and_never_counted() -> None:
    bench = begun()
    foreign = replace(bench.told(bench.newest("opening"), OrderState.PARTIALLY_FILLED, "0.5"), client_id="stop-loss")
    assert bench.give(foreign) == []
    bench.give(StopAsked(2))
    cancelled = {effect.client_id for effect in bench.log if isinstance(effect, CancelOrder)}
    assert cancelled == {bench.newest("opening")}
    assert bench.desk.world.exposure == 0
    assert [effect.leg for effect in bench.log if isinstance(effect, PlaceOrder)] == ["opening"]


def test_a_dedicated_account_is_the_engines_own_and_is_flattened_first() -> None:
    accounts = tuple(
        replace(account(name, venue), dedicated=True) for name, venue in (("m", "a"), ("t1", "b"), ("t2", "b"))
    )
    bench = Bench(accounts=accounts)
    bench.begin(held=positions(m=D(2), t1=D(-2)))
    assert bench.desk.state.startswith("CLEANUP")
    assert [(placed.leg, placed.request.qty) for placed in bench.orders.values()] == [("cleanup", D(2))]


def test_what_a_run_made_goes_and_what_was_held_before_stays() -> None:
    """The maker's +7 and the taker's -4 could go in pairs as well: they are their owner's."""
    bench = begun()
    bench.ack(bench.newest("opening"))
    bench.fill(bench.newest("opening"), "1")
    bench.fill(bench.newest("hedge"), "1")
    slices = [bench.placed(bench.give(StopAsked(2)))]
    while slices[-1]:
        for client_id in list(bench.desk.world.orders.covering):
            bench.fill(client_id, str(bench.orders[client_id].request.qty))
        slices.append(bench.placed(bench.fire("recheck")) if bench.state == "CLEANUP.leaving.again" else [])
    assert slices == [[("m", "flatten", "sell", D(1)), ("t1", "flatten", "buy", D(1))], []]
    told = bench.give(Counted(0, ok=True, quiet=True, positions=positions(**HELD), margins=()))
    assert [effect for effect in told if isinstance(effect, Alert)] == []


def test_fills_and_positions_of_other_markets_of_an_account_are_not_ours() -> None:
    bench = begun()
    other = replace(bench.row(bench.newest("opening"), "1"), client_id="", order_id="o9", symbol="BTCUSDT")
    assert bench.give(other) == []
    assert (bench.desk.world.exposure, bench.desk.world.ledger.books["m"].position) == (0, 0)
    beside = (*positions(**HELD), Position("m", "BTCUSDT", D(5)), Position("t2", "BTCUSDT", D(-5)))
    told = bench.give(Counted(0, ok=True, quiet=True, positions=beside, margins=()))
    assert [effect for effect in told if isinstance(effect, Alert)] == []


def test_the_balance_of_a_dedicated_spot_account_is_to_trade_with_and_not_to_be_sold() -> None:
    accounts = tuple(
        replace(account(name, venue, kind=MarketKind.SPOT), dedicated=True)
        for name, venue in (("m", "a"), ("t1", "b"), ("t2", "b"))
    )
    bench = Bench(accounts=accounts)
    bench.begin(held=positions(m=D(2), t1=D(2), t2=D(2)))
    assert (bench.state, bench.desk.world.exposure) == ("MAKER_OPENING.resting", 0)
    assert [placed.leg for placed in bench.orders.values()] == ["opening"]
