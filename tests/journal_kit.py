"""A toy flow that feeds a journal: buy on the maker, hedge on a taker drawn by chance, sell, hedge, next round."""

from __future__ import annotations

import sqlite3
from collections import deque
from decimal import Decimal
from pathlib import Path
from random import Random

from engine.runtime.journal import RunStart, Sync
from engine.runtime.journal_sqlite import SqliteJournal
from engine.trading.effects import (
    Alert,
    ArmTimer,
    Effect,
    Finish,
    Level,
    Moved,
    PlaceOrder,
    Purpose,
    RoundBegan,
    RoundEnded,
    Urgency,
)
from engine.trading.inputs import Answered, Input, Request, Started, StopAsked, TimerFired
from exchanges.types import (
    Accepted,
    Fill,
    Instrument,
    Liquidity,
    Margin,
    MarketKind,
    OrderRequest,
    OrderState,
    OrderType,
    OrderUpdate,
    Position,
    Quote,
    Rng,
    SelfTrade,
    Side,
    TimeInForce,
)

D = Decimal
QTY = D("0.02")
MS = 1_000_000
TAKERS = ("taker-1", "taker-2")
INSTRUMENT = Instrument(
    venue="paper-a", symbol="ETH-PERP", market="ETH-PERP", kind=MarketKind.PERP, base="ETH", quote="USDC",
    tick=D("0.01"), lot=D("0.001"), min_qty=D("0.002"),
)  # fmt: skip
ACCOUNTS = tuple((name, INSTRUMENT) for name in ("maker", *TAKERS))


def run_start(number: int = 1, **changes: object) -> RunStart:
    fields: dict[str, object] = {
        "number": number, "flow": "toy", "flow_version": 1, "flow_digest": "abc", "flow_text": "flow: toy",
        "config_text": "accounts: {}", "seed": 7, "settings": "{}", "plan": "{}", "venues": "{}", "speed": "max",
        "program": "0.1.0",
        "accounts": ACCOUNTS, "wall_ms": 1_000,
    }  # fmt: skip
    return RunStart(**{**fields, **changes})  # type: ignore[arg-type]


def open_journal_for(path: Path, **options: object) -> SqliteJournal:
    options.setdefault("sync", Sync.NORMAL)
    options.setdefault("on_lost", lambda _line: None)
    return SqliteJournal(path, **options)  # type: ignore[arg-type]


def quote(bid: str, *, at_ns: int = 0) -> Quote:
    return Quote("paper-a", "ETH-PERP", D(bid), D(1), D(bid) + 1, D(2), at_ns, 3)


def place(client_id: str, *, side: Side = Side.BUY, **changes: object) -> PlaceOrder:
    """An order of the maker unless `changes` name another account, purpose, quantity …"""
    account = str(changes.pop("account", "maker"))
    qty = changes.pop("qty", QTY)
    assert isinstance(qty, Decimal)
    request = OrderRequest(
        client_id=client_id, account=account, symbol="ETH-PERP", side=side, qty=qty, price=D("2500.1"),
        type=OrderType.LIMIT, tif=TimeInForce.GTC, post_only=True, reduce_only=False, valid_ms=2_000,
        self_trade=SelfTrade.CANCEL_TAKER,
    )  # fmt: skip
    fields: dict[str, object] = {
        "venue": "paper-a", "urgency": Urgency.OPEN, "purpose": Purpose.OPEN, "leg": "open", "round": 1,
        "attempt": 1, "covers": D(0), "epoch": 1, "not_after_ns": 9,
    }  # fmt: skip
    return PlaceOrder(request=request, **{**fields, **changes})  # type: ignore[arg-type]


def fill(effect: PlaceOrder, trade_id: str = "t1", **changes: object) -> Fill:
    order = effect.request
    fields: dict[str, object] = {
        "venue": effect.venue, "account": order.account, "symbol": order.symbol, "client_id": order.client_id,
        "order_id": f"o-{order.client_id}", "trade_id": trade_id, "side": order.side, "qty": order.qty,
        "price": D("2500.1"), "fee": D("0.01"), "fee_asset": "USDC", "liquidity": Liquidity.MAKER, "at_ms": 50,
        "recv_ns": 60,
    }  # fmt: skip
    return Fill(**{**fields, **changes})  # type: ignore[arg-type]


def update(effect: PlaceOrder, state: OrderState, cum_qty: str = "0", **changes: object) -> OrderUpdate:
    order = effect.request
    fields: dict[str, object] = {
        "account": order.account, "symbol": order.symbol, "client_id": order.client_id,
        "order_id": f"o-{order.client_id}", "side": order.side, "qty": order.qty, "state": state,
        "cum_qty": D(cum_qty), "price": order.price, "at_ms": 40, "recv_ns": 41,
    }  # fmt: skip
    return OrderUpdate(**{**fields, **changes})  # type: ignore[arg-type]


class DrawLog:
    """Seeded chance that keeps what was drawn since it was last asked."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._drawn: list[int] = []

    def below(self, n: int) -> int:
        return self.between(0, n - 1)

    def between(self, low: int, high: int) -> int:
        self._drawn.append(self._random.randint(low, high))
        return self._drawn[-1]

    def take_draws(self) -> list[int]:
        drawn, self._drawn = self._drawn, []
        return drawn


class ToyDesk:
    """`hold_ms` is what a changed program would do otherwise: the toy's only setting."""

    def __init__(self, chance: Rng, *, hold_ms: tuple[int, int] = (100, 900)) -> None:
        self.books: dict[tuple[str, str], Quote] = {}
        self._chance = chance
        self._hold_ms = hold_ms
        self._round = 0
        self._sequence = 0
        self._steps: dict[str, str] = {}
        self._told: Quote | None = None
        self._used: list[Quote] = []

    def take_used_quotes(self) -> list[Quote]:
        used, self._used = self._used, []
        return used

    def step(self, given: Input, at_ns: int) -> list[Effect]:
        match given:
            case Started() | TimerFired():
                self._round += 1
                moved = Moved("round.next", "IDLE", "OPENING", self._round)
                return [RoundBegan(self._round, "buy"), moved, self._order("open", Side.BUY)]
            case Fill() if given.client_id in self._steps:
                return self._filled(self._steps.pop(given.client_id), at_ns)
            case StopAsked():
                return [Alert(Level.INFO, "stopped", "asked to stop", {"by": "a person"}), Finish(0, "flat")]
            case _:
                return []

    def _filled(self, step: str, at_ns: int) -> list[Effect]:
        if step == "open":
            return [self._order("hedge open", Side.SELL)]
        if step == "hedge open":
            return [Moved("order.filled", "OPENING", "CLOSING", self._round), self._order("close", Side.SELL)]
        if step == "close":
            return [self._order("hedge close", Side.BUY)]
        wake = ArmTimer("chart", "pause", self._round, at_ns + self._chance.between(*self._hold_ms) * MS)
        ended = RoundEnded(self._round, QTY, QTY, D(0), D("200.1"), D("0.04"), D("-0.04"))
        return [Moved("order.filled", "CLOSING", None, self._round), ended, wake]

    def _order(self, step: str, side: Side) -> PlaceOrder:
        self._sequence += 1
        client_id = f"e1r{self._round}s{self._sequence}"
        self._steps[client_id] = step
        book = self.books["paper-a", "ETH-PERP"]
        if book is not self._told:
            self._used.append(book)
            self._told = book
        hedge = step.startswith("hedge")
        return place(
            client_id, side=side, account=TAKERS[self._chance.below(2)] if hedge else "maker",
            purpose=Purpose.HEDGE if hedge else Purpose(step), leg=step, round=self._round,
            covers=-QTY * side.sign if hedge else D(0),
        )  # fmt: skip


class Drive:
    """Runs the toy as a runner would: step, intents, sends, then the step's record. The venue fills at once."""

    def __init__(self, journal: SqliteJournal, *, seed: int = 7, wall_ms: int = 5) -> None:
        self._journal = journal
        self._chance = DrawLog(seed)
        self._wall_ms = wall_ms
        self._inbox: deque[Input] = deque()
        self._positions = dict.fromkeys(("maker", *TAKERS), D(0))
        self.desk = ToyDesk(self._chance)
        self.seq = 0
        self._round = 0

    def rounds(self, count: int) -> None:
        """The next `count` rounds, whole."""
        for _ in range(count):
            self._round += 1
            self.desk.books["paper-a", "ETH-PERP"] = quote(f"{2_500 + self._round}.10", at_ns=self.seq)
            self.give(self._started() if self._round == 1 else TimerFired("chart", "pause", self._round - 1))

    def end(self, *, exit_code: int = 0) -> None:
        self.give(StopAsked(1))
        held = tuple(Position(name, "ETH-PERP", qty) for name, qty in self._positions.items() if qty)
        self._journal.venue_end(held, self._margins())
        self._journal.run_ended(exit_code, self._wall_ms + 9)
        self._journal.close()

    def give(self, given: Input) -> None:
        self._inbox.append(given)
        while self._inbox:
            self._step(self._inbox.popleft())

    def _step(self, given: Input) -> None:
        self.seq += 1
        at_ns = self.seq * 10 * MS
        effects = self.desk.step(given, at_ns)
        placed = [effect for effect in effects if isinstance(effect, PlaceOrder)]
        for effect in placed:
            self._journal.intents([(effect, self.seq, at_ns, self._wall_ms)])
            self._journal.sent(effect.request.client_id, Request.PLACE, at_ns)
            self._fill(effect)
        quotes, draws = self.desk.take_used_quotes(), self._chance.take_draws()
        self._journal.step(self.seq, at_ns, self._wall_ms, given, quotes, draws, effects)

    def _fill(self, effect: PlaceOrder) -> None:
        order = effect.request
        self._positions[order.account] += order.qty * order.side.sign
        self._inbox.append(Answered(order.client_id, Request.PLACE, Accepted(f"o-{order.client_id}")))
        self._inbox.append(update(effect, OrderState.OPEN))
        self._inbox.append(fill(effect))

    def _started(self) -> Started:
        return Started((), self._margins())

    def _margins(self) -> tuple[Margin, ...]:
        return tuple(Margin(name, D(1_000), D(900), D(5)) for name in self._positions)


def record(path: Path, *, rounds: int = 3, run: int = 1, seed: int = 7, wall_ms: int = 5) -> None:
    """A whole run in a closed journal."""
    journal = open_journal_for(path)
    journal.run_started(run_start(run, seed=seed, wall_ms=wall_ms))
    drive = Drive(journal, seed=seed, wall_ms=wall_ms)
    drive.rounds(rounds)
    drive.end()
    assert not journal.failed, journal.failure


def change(path: Path, sql: str) -> None:
    """Tamper with exactly one row."""
    with sqlite3.connect(path) as database:
        assert database.execute(sql).rowcount == 1
    database.close()
