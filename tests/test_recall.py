"""An order that left memory is read back from the journal before its late frame is counted (S5, E8)."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from journal_kit import open_journal_for, run_start
from trading_kit import Bench

from engine.runtime.journal_sqlite import SqliteJournal
from engine.trading import orders as table
from engine.trading.effects import Alert, CancelOrder, Effect, PlaceOrder
from engine.trading.inputs import Answered, Input, Looked, Recalled, Request
from exchanges.types import OrderState, Unknown

D = Decimal


class Journalled(Bench):
    """A bench whose steps are journalled, and which asks the journal as the runner does."""

    def keep(self, path: Path) -> None:
        self.journal = open_journal_for(path)
        self.journal.run_started(run_start())
        self.seq = 0

    def give(self, given: Input, *, after_ms: int = 1) -> list[Effect]:
        client_id = getattr(given, "client_id", "")
        if client_id and not isinstance(given, Recalled) and not self.desk.knows(client_id):
            recalled = self.journal.recall(client_id)
            if recalled is not None:
                self.give(recalled)
        effects = super().give(given, after_ms=after_ms)
        self.seq += 1
        for effect in effects:
            if isinstance(effect, PlaceOrder | CancelOrder):
                self.journal.intents([(effect, self.seq, self.now, 0)])
        self.journal.step(self.seq, self.now, 0, given, [], [], effects)
        return effects


def cancelled_and_forgotten(path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Journalled, str]:
    """The opening filled 0.4, was cancelled, its hedge is done, and both orders have left memory."""
    bench = Journalled()
    bench.keep(path)
    bench.begin()
    first = bench.newest("opening")
    bench.fill(first, "0.4", trade="known")
    bench.update(first, OrderState.CANCELED, "0.4")
    monkeypatch.setattr(table, "KEEP_COUNT", 0)
    bench.fill(bench.newest("hedge"), "0.4")
    assert not bench.desk.knows(first)
    return bench, first


def test_a_late_fill_of_a_forgotten_order_is_hedged_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, first = cancelled_and_forgotten(tmp_path / "j.sqlite", monkeypatch)
    late = bench.row(first, "0.2", trade="late")
    effects = bench.give(late)
    assert bench.placed(effects) == [("t1", "hedge", "sell", D("0.2"))]
    assert [effect.code for effect in effects if isinstance(effect, Alert)] == ["note"]
    assert bench.placed(bench.give(late)) == []


def test_a_row_of_a_forgotten_order_that_was_counted_is_not_counted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resync after a long gap tells old rows again."""
    bench, first = cancelled_and_forgotten(tmp_path / "j.sqlite", monkeypatch)
    assert bench.give(bench.row(first, "0.4", trade="known")) == []
    assert bench.desk.world.exposure == 0


def test_what_is_recalled_is_the_order_as_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, first = cancelled_and_forgotten(tmp_path / "j.sqlite", monkeypatch)
    request = bench.orders[first].request
    assert bench.journal.recall(first) == Recalled(
        client_id=first, account="m", venue="a", symbol="ETHUSDT", side=request.side, qty=D("1.0"),
        price=request.price, purpose="open", leg="opening", round=1, order_id=f"v-{first}",
        state=OrderState.CANCELED, filled=D("0.4"), provisional=D(0), trades=("known",),
    )  # fmt: skip
    assert bench.journal.recall("nobody's") is None


def test_the_journal_does_not_take_an_order_for_ended_that_came_to_life(tmp_path: Path) -> None:
    """The desk had given it up; if the run dies now, the next one must ask about it (S15)."""
    bench = Journalled()
    bench.keep(tmp_path / "j.sqlite")
    bench.begin()
    bench.fill(bench.newest("opening"), "1")
    hedge = bench.newest("hedge")
    bench.give(Answered(hedge, Request.PLACE, Unknown("timeout")))
    while bench.desk.world.orders.all[hedge].live:
        bench.give(Looked(hedge, 0, ok=True, update=None))
        if bench.desk.world.orders.all[hedge].live:
            bench.fire(hedge, owner="inquiry")
    states = [state_of(bench.journal, hedge)]
    for state in (OrderState.OPEN, OrderState.CANCELED, OrderState.OPEN):
        bench.update(hedge, state)
        states.append(state_of(bench.journal, hedge))
    assert states == [OrderState.FAILED, OrderState.OPEN, OrderState.CANCELED, OrderState.CANCELED]


def state_of(journal: SqliteJournal, client_id: str) -> OrderState:
    order = journal.recall(client_id)
    assert order is not None
    return order.state
