"""Orders of a run whose disk was full: no journal tells them, their ids say whose they are, each counts once (S15)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from journal_kit import open_journal_for, run_start
from killed_runs import Lives, live_through
from trading_kit import Bench

from engine.runtime.codec import decode_input, encode_input
from engine.runtime.journal_read import open_journal
from engine.trading.adopted import ADOPTED, adopted, client_id_of, run_of
from engine.trading.effects import AskOrder, CancelOrder, Effect
from engine.trading.inputs import Carried, Held, LeftLot, Looked
from exchanges.types import (
    ClientIdStyle,
    Fill,
    LinkState,
    LinkUpdate,
    Liquidity,
    OrderState,
    OrderUpdate,
    Position,
    Side,
)

D = Decimal
OURS = "e7r1lcleanupa2"


@pytest.mark.parametrize("style", ClientIdStyle)
@pytest.mark.parametrize(("run", "sequence"), [(1, 1), (7, 4_000_000), (1023, 12)])
def test_an_id_tells_the_run_that_made_it(style: ClientIdStyle, run: int, sequence: int) -> None:
    assert run_of(client_id_of(style, run=run, sequence=sequence, text=(12, "maker_close", 3)), style) == run


@pytest.mark.parametrize(
    ("client_id", "style"),
    [
        ("", ClientIdStyle.TEXT),
        ("7", ClientIdStyle.TEXT),
        ("e0r1lhedgea1", ClientIdStyle.TEXT),
        ("xe7r1lhedgea1", ClientIdStyle.TEXT),
        ("e7r1lhedgea1x", ClientIdStyle.TEXT),
        ("e\N{ARABIC-INDIC DIGIT SEVEN}r1lhedgea1", ClientIdStyle.TEXT),
        ("", ClientIdStyle.UINT32),
        ("12", ClientIdStyle.UINT32),
        ("-29360129", ClientIdStyle.UINT32),
        ("\N{SUPERSCRIPT TWO}", ClientIdStyle.UINT32),
        (str(1 << 32), ClientIdStyle.UINT32),
        ("12", ClientIdStyle.UINT48),
        (str(1 << 48), ClientIdStyle.UINT48),
    ],
)
def test_an_id_of_somebody_else_tells_no_run(client_id: str, style: ClientIdStyle) -> None:
    assert run_of(client_id, style) == 0


def told(state: OrderState, cum: str, *, client_id: str = OURS, qty: str = "1", **changes: object) -> OrderUpdate:
    plain = OrderUpdate(
        account="m", symbol="ETHUSDT", client_id=client_id, order_id="v-1", side=Side.SELL, qty=D(qty), state=state,
        cum_qty=D(cum), price=D(100), at_ms=0, recv_ns=0,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


def row(qty: str, *, trade: str = "x1", client_id: str = OURS) -> Fill:
    return Fill(
        venue="a", account="m", symbol="ETHUSDT", client_id=client_id, order_id="v-1", trade_id=trade, side=Side.SELL,
        qty=D(qty), price=D(100), fee=D(0), fee_asset="USDT", liquidity=Liquidity.TAKER, at_ms=0, recv_ns=0,
    )  # fmt: skip


class Successor(Bench):
    """Takes over from run 7, whose journal has no end, and adopts what that made, as the runner does."""

    def take_over(self, maker: str, taker: str) -> None:
        held = (Held("m", D(0), D(maker)), Held("t1", D(0), D(taker)), Held("t2", D(0), D(0)))
        self.give(Carried(7, 0, held, (), untold=(7,)))
        self.quote("100.0", "100.1")
        for name in self.plan.accounts:
            self.give(LinkUpdate(name, LinkState.TRUSTED, self.now))

    def answer(self, word: OrderUpdate) -> list[Effect]:
        """The venue's word on the order, as it was asked for."""
        asked = [it for it in self.log if isinstance(it, AskOrder) and it.client_id == word.client_id]
        return self.give(Looked(word.client_id, asked[-1].token, ok=True, update=word))

    def hear(self, event: Fill | OrderUpdate) -> list[Effect]:
        if not self.desk.knows(event.client_id):
            order = self.desk.adopt(event)
            assert order is not None
            self.give(order)
        return self.give(event)


def test_what_the_dead_run_closed_without_a_word_is_not_closed_again() -> None:
    """Seed 43 of the catalogue on backpack,lighter: the taker had refused, and the undo on the maker is untold.

    The next run took the maker's fill for open and undid it once more.
    """
    bench = Successor()
    bench.take_over("1", "0")
    bench.hear(row("1"))
    bench.begin(held=())
    assert bench.desk.world.exposure == 0
    bench.answer(told(OrderState.FILLED, "1"))
    assert bench.placed(bench.log) == []
    assert bench.desk.world.ledger.breach() is None


def test_what_the_dead_run_opened_without_a_word_is_hedged_once() -> None:
    """In parts, of which none tells how large the order was."""
    bench = Successor()
    bench.take_over("0", "0")
    bench.hear(row("0.4"))
    bench.hear(row("0.6", trade="x2"))
    effects = bench.begin(held=(Position("m", "ETHUSDT", D(-1)),))
    effects += bench.answer(told(OrderState.FILLED, "1"))
    assert [it[1:] for it in bench.placed(effects)] == [("hedge", "buy", D(1))]
    assert bench.placed(bench.hear(row("0.6", trade="x2"))) == []


def test_an_order_known_by_a_fill_alone_may_rest_and_is_cancelled() -> None:
    bench = Successor()
    bench.take_over("1", "-1")
    bench.hear(row("0.4"))
    bench.begin(held=(Position("m", "ETHUSDT", D("0.6")), Position("t1", "ETHUSDT", D(-1))))
    effects = bench.answer(told(OrderState.PARTIALLY_FILLED, "0.4"))
    assert [it[1:] for it in bench.placed(effects)] == [("hedge", "buy", D("0.4"))]
    effects = bench.fire(OURS, owner="inquiry")
    assert [it.client_id for it in effects if isinstance(it, CancelOrder)] == [OURS]
    bench.hear(told(OrderState.CANCELED, "0.4"))
    assert not bench.desk.world.orders.all[OURS].live


def test_an_order_that_still_rests_is_cancelled_and_nothing_is_hedged_before_it_fills() -> None:
    bench = Successor()
    bench.take_over("1", "-1")
    bench.hear(told(OrderState.OPEN, "0"))
    bench.begin(held=())
    effects = bench.answer(told(OrderState.OPEN, "0"))
    effects += bench.fire(OURS, owner="inquiry")
    assert bench.placed(effects) == []
    assert [it.client_id for it in effects if isinstance(it, CancelOrder)] == [OURS]
    effects = bench.hear(row("0.4"))
    assert [it[1:] for it in bench.placed(effects)] == [("hedge", "buy", D("0.4"))]


@pytest.mark.parametrize(
    "event",
    [
        told(OrderState.OPEN, "0", client_id="e6r1lcleanupa2"),  # of a run that told its end
        told(OrderState.OPEN, "0", client_id="e8r1lcleanupa2"),  # of one that is yet to come
        told(OrderState.OPEN, "0", client_id="mine"),
        told(OrderState.OPEN, "0", symbol="BTCUSDT"),
    ],
)
def test_nothing_else_is_adopted(event: OrderUpdate) -> None:
    bench = Successor()
    bench.take_over("1", "-1")
    assert bench.desk.adopt(event) is None


def test_nothing_is_adopted_by_a_run_that_took_nothing_over() -> None:
    """What the order has filled is in the positions that the run begins with (S1)."""
    bench = Bench()
    bench.begin()
    assert bench.desk.adopt(row("1")) is None


def test_the_journal_tells_an_adopted_order_and_its_fills_from_then_on(tmp_path: Path) -> None:
    """The audit finds it where it would else miss an intent, and a late row is known again.

    It is as large as its fills, until the venue tells its size.
    """
    path = tmp_path / "j.sqlite"
    journal = open_journal_for(path)
    journal.run_started(run_start())
    first, second = (
        replace(row(qty, trade=qty), account="maker", symbol="ETH-PERP", venue="paper-a") for qty in ("0.4", "0.5")
    )
    for seq, given in enumerate((adopted(first, venue="paper-a"), first, second), 1):
        journal.step(seq, seq, 0, given, [], [], [])
    order = journal.recall(OURS)
    assert order is not None
    assert (order.purpose, order.leg, order.trades) == ("flatten", ADOPTED, ("0.4", "0.5"))
    assert (order.qty, order.filled, order.state) == (D("0.9"), D("0.9"), OrderState.PARTIALLY_FILLED)
    journal.step(4, 4, 0, told(OrderState.CANCELED, "0.9", account="maker", symbol="ETH-PERP", qty="2"), [], [], [])
    order = journal.recall(OURS)
    assert order is not None
    assert (order.qty, order.filled, order.state) == (D(2), D("0.9"), OrderState.CANCELED)
    journal.close()
    with open_journal(path) as read:
        told_fills = read.execute("SELECT purpose, news_qty FROM fills ORDER BY seq").fetchall()
    assert told_fills == [("flatten", "0.4"), ("flatten", "0.5")]


@pytest.mark.parametrize("lots", [(), (LeftLot(D(1), D(100), 5, "o", "t"),)])
@pytest.mark.parametrize("untold", [(), (4, 7)])
def test_runs_that_may_not_have_told_all_are_read_back(lots: tuple[LeftLot, ...], untold: tuple[int, ...]) -> None:
    carried = Carried(7, 3, (Held("m", D(0), D(1)),), (), lots, untold)
    assert decode_input(*encode_input(carried)) == carried


@pytest.fixture(scope="module")
def dead(tmp_path_factory: pytest.TempPathFactory) -> Lives:
    """Run 1 died with positions, run 2 took over and ended in order."""
    return live_through(tmp_path_factory.mktemp("dead") / "j.sqlite", 60)


def test_fills_of_a_run_without_an_end_are_looked_for_from_its_last_row_on(dead: Lives) -> None:
    left = dead.left[1]
    assert left is not None
    assert left.carried is not None
    with open_journal(dead.path) as journal:
        ((last_ms,),) = journal.execute("SELECT max(wall_ms) FROM inputs WHERE run = 1").fetchall()
    assert left.carried.untold == (1,)
    assert left.carried.since_ms <= last_ms - 10_000


def test_a_start_that_failed_leaves_to_the_next_what_it_was_to_look_for(tmp_path: Path) -> None:
    """It has journalled what it takes over, and was never connected."""
    first, second = (it.carried for it in live_through(tmp_path / "j.sqlite", 60, 3).left[1:] if it is not None)
    assert first is not None
    assert second is not None
    assert (second.run, second.untold, second.since_ms) == (2, (1, 2), first.since_ms)
