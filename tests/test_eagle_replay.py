"""The eagle desk itself, journalled and replayed: all that a step reads is in the journal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from journal_kit import DrawLog, open_journal_for, run_start
from trading_kit import Bench

from engine.runtime.audit import audit
from engine.runtime.replay import replay
from engine.trading.desk import Desk
from engine.trading.effects import CancelOrder, Effect, PlaceOrder
from engine.trading.inputs import Input, Request
from exchanges.types import OrderState, Position, Rng


class JournalledBench(Bench):
    """A bench whose runner keeps a journal, with seeded chance instead of a dictated one."""

    def __init__(self, path: Path, settings: Mapping[str, str]) -> None:
        super().__init__(settings)
        self.path = path
        self._chance = DrawLog(3)
        self.desk = self.fresh_desk(self._chance)
        self._journal = open_journal_for(path)
        accounts = tuple((name, spec.instrument) for name, spec in self.plan.accounts.items())
        self._journal.run_started(run_start(accounts=accounts))
        self._seq = 0

    def fresh_desk(self, chance: Rng) -> Desk:
        return Desk(self.plan, run=1, chance={"taker": chance, "hold": chance})

    def give(self, given: Input, *, after_ms: int = 1) -> list[Effect]:
        effects = super().give(given, after_ms=after_ms)
        self._seq += 1
        for effect in effects:
            if isinstance(effect, PlaceOrder):
                self._journal.intent(effect, self._seq, self.now, 0)
                self._journal.sent(effect.request.client_id, Request.PLACE, self.now)
            elif isinstance(effect, CancelOrder):
                self._journal.intent(effect, self._seq, self.now, 0)
                self._journal.sent(effect.client_id, Request.CANCEL, self.now)
        quotes, draws = self.desk.take_used_quotes(), self._chance.take_draws()
        self._journal.step(self._seq, self.now, 0, given, quotes, draws, effects)
        return effects

    def play_round(self, number: int) -> None:
        """An opening filled in parts, one of them known by snapshot first, and a closing; the market moves."""
        self.quote(f"{100 + number}.0", f"{100 + number}.1")
        opening = self.newest("opening")
        self.ack(opening)
        self.update(opening, OrderState.PARTIALLY_FILLED, "0.3")
        self.fill(self.newest("hedge"), "0.3")
        self.fill(opening, "0.3")
        self.fill(opening, "0.7")
        self.fill(self.newest("hedge"), "0.7")
        self.quote(f"{100 + number}.2", f"{100 + number}.3")
        self.fire("hold")
        self.fill(self.newest("closing"), "1")
        self.fill(self.newest("hedge"), "1")

    def end(self) -> None:
        held = [Position(name, "ETHUSDT", book.position) for name, book in self.desk.world.ledger.books.items()]
        self._journal.venue_end(held, list(self.desk.world.margins.values()))
        self._journal.run_ended(0, 1)
        self._journal.close()
        assert not self._journal.failed, self._journal.failure


@pytest.fixture
def bench(tmp_path: Path) -> JournalledBench:
    bench = JournalledBench(tmp_path / "eagle.db", {"maker_side": "alternate"})
    bench.begin()
    for number in range(4):
        bench.play_round(number)
    bench.end()
    return bench


def test_a_fresh_desk_decides_the_same(bench: JournalledBench) -> None:
    report = replay(bench.path, lambda _run, chance: bench.fresh_desk(chance))
    assert report.lines() == [f"run 1: {report.steps} steps, the same states and effects"]
    assert report.steps > 40


def test_the_run_is_covered_by_quantity(bench: JournalledBench) -> None:
    report = audit(bench.path)
    assert report.findings == []
    assert (report.rounds, report.markets[0].maker_volume, report.provisional) == (4, 8, 4)
