"""The hedger's monitor log: what each line says, that a disk that is full costs no step, and that it is bounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hedger_kit import BUY, HedgeBench
from paper_clock import PaperClock

from engine.runtime.log_files import LogFile
from engine.runtime.monitor_log import HEADS, MonitorLog
from engine.trading.effects import Effect, PlaceOrder
from engine.trading.inputs import Answered, Request
from exchanges.types import Accepted, Refusal, Refused

S = 1_000_000_000


class Stage:
    """A hedger's bench, whose steps are shown to a monitor log."""

    def __init__(self, folder: Path) -> None:
        self.clock = PaperClock()
        self.clock.run_until(S)
        self.bench = HedgeBench()
        self.bench.begin()
        self.path = folder / "monitor.csv"
        self.told: list[str] = []
        file = LogFile(self.path, size=10_000, keep=1)
        self.log = MonitorLog(file, self.bench.desk, self.clock, tell=self.told.append)
        self.log.start()

    def give(self, given: object) -> list[Effect]:
        effects = self.bench.give(given)
        self.log.step(1, 0, given, effects)  # type: ignore[arg-type]
        return effects

    def lines(self) -> list[str]:
        self.clock.run_until(self.clock.now_ns() + S)
        return [line for line in self.path.read_text().splitlines() if not line.startswith("#")]


@pytest.fixture
def it(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.log.close()


def parts(line: str) -> list[str]:
    word, _, *rest = line.split(",")
    return [word, *rest]


def test_a_fill_its_hedge_and_what_became_of_it_are_a_line_each(it: Stage) -> None:
    row = it.bench.heard_row(BUY, "1", "100", trade="m7", order="o9", at_ms=it.clock.wall_ms() - 12)
    (order,) = [effect for effect in it.give(row) if isinstance(effect, PlaceOrder)]
    client = order.request.client_id
    it.give(Answered(client, Request.PLACE, Accepted("77")))
    it.give(Answered(client, Request.PLACE, Refused(Refusal.MARGIN, "too little, by far")))
    assert [parts(line) for line in it.lines()] == [
        ["Maker", "ETHUSDT", "buy", "1", "100", "100", "o9", "m7", "12"],
        ["PreHedge", order.request.symbol, "sell", str(order.request.qty), str(order.request.price), client, "1"],
        ["Result", client, "accepted", ""],
        ["Result", client, "refused", "too little; by far"],
    ]
    heads = [line for line in it.path.read_text().splitlines() if line.startswith("#")]
    assert heads == [f"# {name},{fields}" for name, fields in HEADS.items()]


def test_each_minute_says_which_hedges_are_unfinished(it: Stage) -> None:
    (order,) = [e for e in it.give(it.bench.heard_row(BUY, "1")) if isinstance(e, PlaceOrder)]
    it.clock.run_until(it.clock.now_ns() + 61 * S)
    told = [parts(line) for line in it.lines() if line.startswith("Unfinished")]
    assert told == [["Unfinished", it.bench.plan.market, order.request.client_id, "1", "1"]]


def test_a_file_that_cannot_be_written_is_told_once_and_costs_no_step(
    it: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:

    def full(file: LogFile, lines: Sequence[str]) -> int:
        file.trouble = "No space left"
        return 0 * len(lines)

    monkeypatch.setattr(LogFile, "write", full)
    monkeypatch.setattr("engine.runtime.monitor_log.WAITING_MOST", 8)
    for number in range(20):
        it.give(it.bench.heard_row(BUY, "1", trade=f"t{number}"))
    it.clock.run_until(it.clock.now_ns() + 5 * S)
    assert it.told == ["the monitor log cannot be written: No space left; the run goes on"]
    monkeypatch.undo()
    assert [parts(line) for line in it.lines() if line.startswith("Lost")] != []
