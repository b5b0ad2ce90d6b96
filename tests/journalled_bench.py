"""A bench whose runner keeps a journal: the eagle desk itself, journalled step by step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from journal_kit import DrawLog, open_journal_for, run_start
from trading_kit import LIMITS, Bench, account

from engine.trading.desk import Desk
from engine.trading.effects import CancelOrder, Effect, PlaceOrder
from engine.trading.inputs import Input, Request
from engine.trading.plan import AccountPlan, Limits
from exchanges.types import OrderState, Position, Rng

POOL = (account("m", "a"), account("t1", "b"), account("t2", "b"))


class JournalledBench(Bench):
    """A bench whose runner keeps a journal, with seeded chance instead of a dictated one."""

    def __init__(
        self, path: Path, settings: Mapping[str, str] | None = None, *, run: int = 1,
        accounts: tuple[AccountPlan, ...] = POOL, limits: Limits = LIMITS,
    ) -> None:  # fmt: skip
        super().__init__(settings, accounts=accounts, limits=limits)
        self.path = path
        self.run = run
        self._chance = DrawLog(3)
        self.desk = self.fresh_desk(self._chance)
        self._journal = open_journal_for(path)
        traded = tuple((name, spec.instrument) for name, spec in self.plan.accounts.items())
        flow = self.plan.flow
        self._journal.run_started(
            run_start(run, accounts=traded, flow=flow.name, flow_text=flow.text, flow_digest=flow.digest)
        )
        self._seq = 0

    def fresh_desk(self, chance: Rng) -> Desk:
        return Desk(self.plan, run=self.run, chance={"taker": chance, "hold": chance})

    def give(self, given: Input, *, after_ms: int = 1) -> list[Effect]:
        effects = super().give(given, after_ms=after_ms)
        self._seq += 1
        for effect in effects:
            if isinstance(effect, PlaceOrder):
                self._journal.intents([(effect, self._seq, self.now, 0)])
                self._journal.sent(effect.request.client_id, Request.PLACE, self.now)
            elif isinstance(effect, CancelOrder):
                self._journal.intents([(effect, self._seq, self.now, 0)])
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

    def die(self, effect: PlaceOrder | CancelOrder) -> None:
        """The process ends between the intent of a step and its record."""
        self._journal.flush()
        self._journal.intents([(effect, self._seq + 1, self.now + 1, 0)])
        self._journal._connection.close()
