"""S6: what no taker can trade is carried, capped in money, and at the cap taken back on the maker or waited with."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from trading_kit import LIMITS, MS, Bench, S, account

from engine.trading.effects import Alert, AskPositions, CancelOrder, Finish, Level, PlaceOrder, Purpose
from engine.trading.inputs import Counted, StopAsked
from engine.trading.slices import next_slice
from exchanges.types import OrderState, Position, Refusal, Side

D = Decimal
TAKERS = {"min_qty": D("1.0"), "lot": D("0.1")}


def coarse(cap: str = "50", **limits: Decimal) -> Bench:
    """Takers that trade no less than 1.0, a maker that trades 0.1, at a price of about 100."""
    pool = (account("m", "a"), account("t1", "b", **TAKERS), account("t2", "b", **TAKERS))
    bench = Bench(accounts=pool, limits=replace(LIMITS, dust_cap=D(cap), **limits))  # type: ignore[arg-type]
    bench.begin()
    bench.ack(bench.newest("opening"))
    return bench


def ended(bench: Bench, filled: str) -> str:
    """The opening fills in part and is cancelled."""
    opening = bench.newest("opening")
    bench.fill(opening, filled)
    bench.update(opening, OrderState.CANCELED, filled)
    return opening


def test_dust_above_its_cap_is_taken_back_on_the_maker() -> None:
    """0.6 are worth 60: no taker may trade them, and nobody holds 60 naked for seconds."""
    bench = coarse()
    ended(bench, "0.6")
    undo = bench.orders[bench.newest("hedge")]
    sent = undo.request
    assert (undo.purpose, sent.account, sent.side, sent.qty, sent.reduce_only) == (
        Purpose.UNDO, "m", Side.SELL, D("0.6"), True,
    )  # fmt: skip
    assert bench.state == "TAKER_HEDGING"
    bench.fill(bench.newest("hedge"), "0.6")
    assert (bench.desk.view.exposure, bench.desk.view.maker_flat) == (0, True)
    assert bench.state == "MAKER_OPENING.resting"


def test_dust_below_its_cap_is_carried() -> None:
    bench = coarse()
    ended(bench, "0.4")
    assert [p for p in bench.orders.values() if p.leg == "hedge"] == []
    assert bench.state == "HOLDING"


def test_dust_is_left_alone_while_the_order_rests() -> None:
    """Its next fill makes the whole hedgeable; and the maker must not meet itself (S8)."""
    bench = coarse()
    opening = bench.newest("opening")
    assert bench.placed(bench.fill(opening, "0.6")) == []
    assert [e for e in bench.log if isinstance(e, CancelOrder)] == []
    assert bench.placed(bench.fill(opening, "0.4")) == [("t1", "hedge", "sell", D("1.0"))]


def test_dust_that_only_an_increase_of_the_maker_would_remove_is_waited_with() -> None:
    """The cleanup would bring it back, again and again; no opening meanwhile, and the screen says why."""
    bench = coarse("20")
    bench.fill(bench.newest("opening"), "1.0")
    bench.fill(bench.newest("hedge"), "1.0")
    bench.fire("hold")
    bench.fill(bench.newest("closing"), "1.0")
    bench.fill(bench.newest("hedge"), "1.0", fee=D("0.3"), fee_asset="ETH")
    assert (bench.desk.view.exposure, bench.desk.view.maker_flat) == (D("-0.3"), True)
    assert bench.state == "CLEANUP.verifying"
    token = [e.token for e in bench.log if isinstance(e, AskPositions)][-1]
    held = (Position("t1", "ETHUSDT", D("-0.3")),)
    counted = bench.give(Counted(token, ok=True, quiet=True, positions=held, margins=()))
    assert [e.level for e in counted if isinstance(e, Alert)] == [Level.PERSON]
    placed = len(bench.orders)
    told = []
    while bench.now < 120 * S:
        owner, name = min((key for key in bench.timers if key[0] != "desk"), key=lambda key: bench.timers[key].at_ns)
        told += [e.text for e in bench.fire(name, owner=owner) if isinstance(e, Alert)]
    assert (bench.state, len(bench.orders)) == ("IDLE.ready", placed)
    assert told == ["not opening: dust of -0.3 is worth more than dust_cap 20"]


def test_a_maker_that_refuses_to_take_dust_back_is_asked_ever_less_often() -> None:
    bench = coarse()
    ended(bench, "0.6")
    times = []
    while bench.now < 100 * S:
        live = list(bench.desk.world.orders.covering.values())
        for order in live:
            times.append(bench.now // MS)
            bench.refuse(order.client_id, Refusal.MARGIN)
        owner, name = min((key for key in bench.timers if key[0] != "desk"), key=lambda key: bench.timers[key].at_ns)
        bench.fire(name, owner=owner)
    assert 3 < len(times) < 10
    assert "account_unwilling" in [e.code for e in bench.log if isinstance(e, Alert)]


def test_half_a_close_whose_dust_is_above_the_cap_forces_the_cleanup() -> None:
    """The maker keeps 0.4, the takers 1.0 that they may not trade in part: only the rest of the close resolves it."""
    bench = coarse()
    bench.fill(bench.newest("opening"), "1.0")
    bench.fill(bench.newest("hedge"), "1.0")
    bench.fire("hold")
    closing = bench.newest("closing")
    bench.fill(closing, "0.6")
    bench.update(closing, OrderState.CANCELED, "0.6")
    assert bench.desk.view.exposure == D("-0.6")
    assert bench.state == "CLEANUP.resting"
    cleanup = bench.newest("cleanup")
    assert bench.placed(bench.fill(cleanup, "0.4")) == [("t1", "hedge", "buy", D("1.0"))]
    assert [e for e in bench.log if isinstance(e, PlaceOrder) and e.purpose is Purpose.UNDO] == []


# --- what a cleanup leaves


def residue(taker: str, maker: str) -> tuple[tuple[str, Decimal], ...] | None:
    """The next slice of the takers, where t1 and the maker hold so much and t1 trades no less than 1.0."""
    bench = coarse()
    books = bench.desk.world.ledger.books
    books["t1"].position, books["m"].position = D(taker), D(maker)
    bench.desk.world.ledger.exposure = D(taker) + D(maker)
    return next_slice(bench.desk.world, ("t1", "t2"))


@pytest.mark.parametrize(
    ("taker", "maker", "slices"),
    [
        ("1.0", "-0.1", (("t1", D("-1.0")),)),  # 0.9 are open; the least order leaves 0.1 on the other side
        ("-1.0", "0.1", (("t1", D("1.0")),)),
        ("1.3", "-0.5", (("t1", D("-1.3")),)),  # the rest of the least order goes along: nobody could trade it
        ("2.5", "-1.9", (("t1", D("-1.0")),)),  # the whole would leave more than is open
        ("1.0", "-0.5", None),  # 0.5 on the other side is no nearer
        ("0.9", "0", None),  # the account may not trade so little
    ],
)
def test_a_taker_closes_its_least_order_where_that_leaves_less_open(
    taker: str, maker: str, slices: tuple[tuple[str, Decimal], ...] | None
) -> None:
    """S6, S7: the last fill left the maker with less than its venue trades, and the taker with a whole order."""
    assert residue(taker, maker) == slices


def whole_desk(maker: str, taker: str, other: str = "0") -> Bench:
    """All accounts hold so much; t1 and t2 trade no less than 1.0."""
    bench = coarse()
    books = bench.desk.world.ledger.books
    for name, position in (("m", maker), ("t1", taker), ("t2", other)):
        books[name].position = D(position)
    bench.desk.world.ledger.exposure = sum((book.position for book in books.values()), D(0))
    return bench


@pytest.mark.parametrize(
    ("held", "slices"),
    [
        (("-0.5", "1.0"), (("t1", D("-1.0")), ("m", D("0.5")))),  # seed 945 of one fault on Backpack, turned round
        (("0.8", "-1.0"), (("m", D("-0.8")), ("t1", D("1.0")))),
        (("0.4", "-1.0"), (("t1", D("1.0")),)),  # one alone leaves less open; the maker's 0.4 go next
        (("-0.6", "0.9"), None),  # the taker may not trade so little, nor anybody hedge what the maker would open
        (("0.5", "-0.7", "-0.3"), (("m", D("-0.5")),)),  # 1.0 are open then, which a taker can buy
        (("0.3", "-0.4"), None),  # 0.4 are open then, and nobody may buy so little
        (("0.5", "-0.5"), None),  # hedged, and the taker may not close: the maker stays with it
    ],
)
def test_two_go_at_once_where_neither_may_go_alone(
    held: tuple[str, ...], slices: tuple[tuple[str, Decimal], ...] | None
) -> None:
    """S7: a residue that two orders can take off is not left."""
    assert next_slice(whole_desk(*held).desk.world, ("m", "t1", "t2")) == slices


def test_one_goes_against_several_that_add_up_to_its_least_order() -> None:
    """S9: alone it would open 1.0, and the hedge of that would leave both takers with positions."""
    pool = (account("m", "a", min_qty=D("1.0")), account("t1", "b"), account("t2", "b"))
    bench = Bench(accounts=pool)
    bench.begin()
    books = bench.desk.world.ledger.books
    books["m"].position, books["t1"].position, books["t2"].position = D("1.0"), D("-0.4"), D("-0.6")
    slices = (("m", D("-1.0")), ("t2", D("0.6")), ("t1", D("0.4")))
    assert next_slice(bench.desk.world, ("m", "t1", "t2")) == slices


def test_what_no_order_takes_off_is_told_account_by_account_in_the_last_line() -> None:
    """S7: `flat within dust`, and never `flat` beside a residue."""
    bench = Bench()
    bench.begin()
    opening = bench.newest("opening")
    bench.ack(opening)
    bench.fill(opening, "1", fee=D("0.03"), fee_asset="ETH")
    bench.fill(bench.newest("hedge"), "0.9")
    bench.give(StopAsked(2))
    for client_id in list(bench.desk.world.orders.covering):
        bench.fill(client_id, str(bench.orders[client_id].request.qty))
    if bench.state == "CLEANUP.leaving.again":
        bench.fire("recheck")
    bench.confirm()
    ends = [(it.exit_code, it.text) for it in bench.log if isinstance(it, Finish)]
    assert ends == [(0, "flat within dust; m: +0.07 ETHUSDT")]


@pytest.mark.parametrize("exempt", [False, True])
def test_a_taker_that_is_worth_too_little_goes_where_its_venue_lets_reduce_only_orders_through(exempt: bool) -> None:
    """Seed 387 of the catalogue in parts on OKX and Binance, whose least notional does not concern such orders."""
    spec = account("t1", "b", lot=D("1.0"), min_qty=D("1.0"), min_notional=D(150), reduces_below_notional=exempt)
    bench = Bench(accounts=(account("m", "a"), spec))
    bench.begin()
    books = bench.desk.world.ledger.books
    books["m"].position, books["t1"].position = D("-0.5"), D("1.0")
    bench.desk.world.ledger.exposure = D("0.5")
    pair = (("t1", D("-1.0")), ("m", D("0.5")))
    assert next_slice(bench.desk.world, ("m", "t1")) == (pair if exempt else None)


def halted_in_a_close() -> tuple[Bench, list[tuple[str, str, str, Decimal]]]:
    """Half of a close has filled when a loss halts the run; also what it then sends."""
    bench = coarse(max_loss_run=D("0.01"))
    bench.fill(bench.newest("opening"), "1.0")
    bench.fill(bench.newest("hedge"), "1.0")
    bench.fire("hold")
    closing = bench.newest("closing")
    bench.fill(closing, "0.5")
    bench.quote("110.0", "110.1")
    bench.fire("reconcile", owner="desk")
    assert bench.state == "ERROR.cancelling"
    return bench, bench.placed(bench.update(closing, OrderState.CANCELED, "0.5"))


def test_a_halt_brings_a_coarse_taker_home() -> None:
    """Seed 945 of the simulation: eight lots and one of ten stayed and were told, though two orders would do."""
    bench, sent = halted_in_a_close()
    assert sent == [("m", "flatten", "sell", D("0.5")), ("t1", "flatten", "buy", D("1.0"))]
    maker, taker = (key for key, placed in bench.orders.items() if placed.leg == "flatten")
    assert all(bench.orders[key].request.reduce_only for key in (maker, taker))
    assert bench.placed(bench.fill(maker, "0.5")) == []  # 1.0 are open until the other half fills: no second order
    bench.fill(taker, "1.0")
    bench.confirm()
    assert [e.text.partition(";")[0] for e in bench.log if isinstance(e, Finish)] == ["flat"]


def test_what_is_open_when_one_of_the_two_is_refused_is_hedged() -> None:
    bench, _ = halted_in_a_close()
    maker, taker = (key for key, placed in bench.orders.items() if placed.leg == "flatten")
    assert bench.placed(bench.refuse(taker, Refusal.VENUE)) == []
    assert bench.placed(bench.fill(maker, "0.5")) == [("t2", "hedge", "buy", D("1.0"))]
