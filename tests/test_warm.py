"""A run's twin: it hedges fills that nobody made, and nothing of the run knows of it."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hedger_kit import HEARD, SETTINGS, HedgeBench
from runtime_kit import START, D, FakeClient, QuietWatch, run_virtual
from trading_kit import LIMITS, Bench, account

from engine.runtime import warm
from engine.runtime.chance import Chance
from engine.runtime.clock import MS
from engine.runtime.journal import Sync
from engine.runtime.journal_sqlite import SqliteJournal
from engine.runtime.loop import VirtualLoop
from engine.runtime.runner import Runner
from engine.runtime.warm import MOST_DOUBLINGS, KeepWarm, Twin, TwinBroken
from engine.trading.desk import Desk
from engine.trading.inputs import PauseAsked, Reconfigured, Started
from engine.trading.plan import AccountPlan, Plan
from exchanges.errors import Rejected
from exchanges.practice import Frames
from exchanges.types import (
    Accepted,
    Fill,
    FillKind,
    LinkState,
    LinkUpdate,
    Liquidity,
    MarketKind,
    OrderRequest,
    OrderState,
    OrderUpdate,
    Quote,
    Refusal,
    ReplyHandler,
    Side,
)

TAKERS = (account("h1", "b"), account("h2", "b"))
BOOK = Quote("b", "ETHUSDT", D("100.0"), D(50), D("100.1"), D(50), START)
BOOKS = {("b", "ETHUSDT"): BOOK}
EVERY_NS = 10 * MS


class Venue(FakeClient):
    """Fills each order at once, and counts what is exercised."""

    def __init__(self, name: str, venue: str) -> None:
        super().__init__(name, venue=venue)
        self.read = 0
        self.made: list[OrderRequest] = []
        self.fault: Exception | None = None

    def exercise_fill(self) -> None:
        self.read += 1

    def exercise_order(self, order: OrderRequest) -> None:
        self.made.append(order)
        if self.fault is not None:
            raise self.fault

    def submit(self, order: OrderRequest, on_reply: ReplyHandler) -> None:
        self.calls.append(f"{order.client_id} {order.side.value} {order.qty} {order.price}")
        on_reply(Accepted(f"o{order.client_id}", START, START))
        at_ns, loop = START, asyncio.get_running_loop()
        fill = Fill(
            self.venue, self.account, order.symbol, order.client_id, f"o{order.client_id}", f"t{order.client_id}",
            order.side, order.qty, order.price or D(100), D(0), "USDT", Liquidity.TAKER, 0, at_ns,
        )  # fmt: skip
        update = OrderUpdate(
            self.account, order.symbol, order.client_id, f"o{order.client_id}", order.side, order.qty,
            OrderState.FILLED, order.qty, order.price, 0, at_ns,
        )  # fmt: skip
        loop.call_soon(self.private, fill)
        loop.call_soon(self.private, update)


def venues_of(plan: Plan) -> dict[str, Venue]:
    return {name: Venue(name, it.venue) for name, it in plan.accounts.items()}


def hedger(settings: Mapping[str, str] | None = None, *, takers: tuple[AccountPlan, ...] = TAKERS) -> Plan:
    return HedgeBench(settings, hedgers=takers).plan


class Still:
    """A clock that a test turns; what is to be called on it never is."""

    def __init__(self) -> None:
        self.at_ns = START

    def now_ns(self) -> int:
        self.at_ns += MS
        return self.at_ns

    def wall_ms(self) -> int:
        return self.at_ns // MS

    def call_at(self, *_: object) -> None:
        raise AssertionError("a twin waits for nothing")

    def post_at(self, *_: object) -> None:
        raise AssertionError("a twin waits for nothing")


def practised(twin: Twin, times: int, books: Mapping[tuple[str, str], Quote] = BOOKS) -> None:
    """So many hedges, and as many fills before them as it takes to find what is hedged."""
    for _ in range(times):
        while not twin.hedge(books):
            pass
        twin.settle()


PLANS = {
    "hedger": hedger(),
    "hedger from a size and an amount on": hedger({"min_qty": "3", "min_amt": "700"}),
    "hedger on spot": hedger(takers=(account("h1", "b", kind=MarketKind.SPOT),)),
    "eagle": Bench().plan,
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_a_twin_hedges_one_way_and_the_other_and_reaches_nobody(plan: Plan) -> None:
    venues = venues_of(plan)
    twin = Twin(plan, venues, clock=Still())  # type: ignore[arg-type]
    books = {(it.venue, it.instrument.symbol): replace(BOOK, venue=it.venue) for it in plan.accounts.values()}
    practised(twin, 20, books)
    made = [order for venue in venues.values() for order in venue.made]
    sides = [order.side for order in sorted(made, key=lambda order: int("".join(filter(str.isdigit, order.client_id))))]
    assert 20 <= len(made) <= 21, "the first fill may need two orders, no other one does"
    assert set(sides) == {Side.BUY, Side.SELL}
    assert sum(venue.read for venue in venues.values()) >= 20
    assert [venue.calls for venue in venues.values()] == [[] for _ in venues], "an order of a twin was submitted"
    twin.close()


def test_a_twin_keeps_no_intents() -> None:
    plan = hedger()
    twin = Twin(plan, venues_of(plan), clock=Still())  # type: ignore[arg-type]
    while not twin.hedge(BOOKS):
        pass
    count = "SELECT count(*) FROM intents"
    during = twin._intents._cursor.execute(count).fetchone()
    twin.settle()
    assert (during, twin._intents._cursor.execute(count).fetchone()) == ((1,), (0,))


def test_a_twin_commits_to_a_log_in_memory_that_has_no_name_and_does_not_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm, "FILES_IN_MEMORY", tmp_path)
    plan = hedger()
    twin = Twin(plan, venues_of(plan), clock=Still())  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == [], "a kill would leave it behind"
    cursor = twin._intents._cursor
    assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    practised(twin, 100)
    _, pages, _ = cursor.execute("PRAGMA wal_checkpoint").fetchone()
    assert 0 < pages <= 2 * warm.LOG_PAGES
    twin.close()


def test_a_twin_frames_messages_too_and_keeps_none_of_them() -> None:
    plan, frames = hedger(), Frames()
    carried: list[tuple[int, int]] = []
    twin = Twin(plan, venues_of(plan), clock=Still(), frames=lambda: carried.append(frames.exercise()))  # type: ignore[arg-type]
    practised(twin, 20)
    assert len(carried) >= 20
    assert set(carried) == {(700, 200)}, "a message is left over, or lost"
    twin.close()


def test_a_twin_needs_no_files_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "FILES_IN_MEMORY", tmp_path / "none")
    plan = hedger()
    twin = Twin(plan, venues_of(plan), clock=Still())  # type: ignore[arg-type]
    practised(twin, 3)
    assert twin._intents._cursor.execute("PRAGMA journal_mode").fetchone() == ("memory",)
    twin.close()


def test_a_twin_leaves_nothing_for_the_garbage_collector() -> None:
    """A full collection looks at everything that is kept, between a fill and its hedge too."""
    plan = hedger()
    venues = venues_of(plan)
    twin = Twin(plan, venues, clock=Still())  # type: ignore[arg-type]
    practised(twin, 600)  # the newest 512 trades are kept, to know a match between own accounts by
    kept = []
    for _ in range(2):
        for venue in venues.values():
            venue.made.clear()
        gc.collect()
        kept.append(len(gc.get_objects()))
        practised(twin, 200)
    assert kept[1] - kept[0] < 100


def test_a_twin_follows_new_settings() -> None:
    plan = hedger()
    venues = venues_of(plan)
    twin = Twin(plan, venues, clock=Still())  # type: ignore[arg-type]
    practised(twin, 1)
    text = {**SETTINGS, "min_qty": "5"}
    twin.change(Reconfigured(2, {**text, "on_max_age": "market", "manual": "false"}, LIMITS))
    practised(twin, 2)
    assert max(order.qty for venue in venues.values() for order in venue.made) >= 5


def test_a_flow_that_only_records_has_nothing_to_practise() -> None:
    plan = hedger({"manual": "true"})
    twin = Twin(plan, venues_of(plan), clock=Still())  # type: ignore[arg-type]
    for _ in range(MOST_DOUBLINGS):
        assert not twin.hedge(BOOKS)
    with pytest.raises(TwinBroken, match="hedges no fill at once"):
        twin.hedge(BOOKS)


CROSSED = replace(BOOK, venue="c", bid=D(101))


@pytest.mark.parametrize("books", [{}, BOOKS, {**BOOKS, ("c", "ETHUSDT"): CROSSED}], ids=["none", "one", "crossed"])
def test_until_every_book_is_there_it_waits_and_tries_nothing(books: Mapping[tuple[str, str], Quote]) -> None:
    plan = hedger(takers=(account("h1", "b"), account("h2", "c")))
    twin = Twin(plan, venues_of(plan), clock=Still())  # type: ignore[arg-type]
    for _ in range(2 * MOST_DOUBLINGS):
        assert not twin.hedge(books)
    practised(twin, 4, {**BOOKS, ("c", "ETHUSDT"): replace(BOOK, venue="c")})


class Life:
    """A hedger's run on venues of a test, with a twin every 10 ms or without one."""

    def __init__(self, loop: VirtualLoop, path: Path, *, warm: bool) -> None:
        self.plan = hedger()
        self.venues = venues_of(self.plan)
        self.chance = Chance(7)
        self.desk = Desk(self.plan, run=1, chance=self.chance)
        self.journal = SqliteJournal(path, sync=Sync.ROUNDS, on_lost=print)
        self.clock = loop.clock
        self.told: list[str] = []
        self.warm = KeepWarm(
            lambda: Twin(self.plan, self.venues, clock=self.clock), books=self.desk.books, clock=self.clock,
            every_ns=EVERY_NS, tell=self.told.append,
        )  # fmt: skip
        self.runner = Runner(
            self.desk, self.venues, symbols=dict.fromkeys(self.venues, "ETHUSDT"), clock=self.clock, watch=QuietWatch(),
            journal=self.journal, chance=self.chance, orders_per_minute=10_000, max_book_age_ns=10**12,
            heard=self.plan.heard, traces=[self.warm],
        )  # fmt: skip
        for venue in self.venues.values():
            venue.private = self.runner.handle
        self.desk.books.update(BOOKS)
        self.runner.handle(Started((), ()))
        for name in self.venues:
            self.runner.handle(LinkUpdate(name, LinkState.TRUSTED, self.clock.now_ns(), ""))
        if warm:
            self.warm.start()

    def fill(self, number: int, side: Side) -> None:
        quote = replace(BOOK, recv_ns=self.clock.now_ns())
        self.desk.books[BOOK.venue, BOOK.symbol] = quote
        self.runner.handle(
            Fill(
                HEARD.venue, "s", "ETHUSDT", "", f"o{number}", f"m{number}", side, D(2), D(100), D(0), "USDT",
                Liquidity.MAKER, 0, self.clock.now_ns(), FillKind.TRADE, self.clock.now_ns(),
            )
        )  # fmt: skip

    def end(self, path: Path) -> list[tuple[object, ...]]:
        """Every row of the journal, and what would have been drawn and numbered next."""
        self.warm.stop()
        self.journal.close()
        base = sqlite3.connect(path)
        tables = [name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        rows = [(name, *row) for name in tables for row in base.execute(f"SELECT * FROM {name}")]
        draws = [self.chance["taker"].below(1_000_000) for _ in range(5)]
        return [*rows, (self.desk.world.sequence, draws, [venue.calls for venue in self.venues.values()])]


def test_a_run_with_a_twin_is_the_same_run(tmp_path: Path) -> None:
    def lived(name: str, *, warm: bool) -> tuple[int, list[tuple[object, ...]], list[str]]:
        path = tmp_path / name

        async def live(loop: VirtualLoop) -> tuple[int, list[tuple[object, ...]], list[str]]:
            life = Life(loop, path, warm=warm)
            for number in range(20):
                await asyncio.sleep(0.105)
                life.fill(number, Side.BUY if number % 3 else Side.SELL)
            await asyncio.sleep(0.1)
            return life.warm.hedged, life.end(path), life.told

        return run_virtual(live)

    hedged, rows, told = lived("warm.sqlite", warm=True)
    assert hedged > 100
    assert told == []
    assert lived("plain.sqlite", warm=False) == (0, rows, [])
    assert sum(row[0] == "intents" for row in rows) == 20, "nothing was traded, and nothing is shown"


def test_a_run_that_is_busy_practises_nothing(tmp_path: Path) -> None:
    async def live(loop: VirtualLoop) -> tuple[int, int]:
        life = Life(loop, tmp_path / "j.sqlite", warm=True)
        for _ in range(50):
            await asyncio.sleep(0.004)
            life.runner.handle(PauseAsked(paused=False))
        busy = life.warm.hedged
        await asyncio.sleep(0.1)
        hedged = life.warm.hedged
        life.end(tmp_path / "j.sqlite")
        return busy, hedged

    busy, hedged = run_virtual(live)
    assert (busy, hedged > 0) == (0, True)


def test_a_fill_waits_for_one_half_of_a_twins_hedge_at_most(tmp_path: Path) -> None:
    """Sockets have their turn between the two: what comes in there is hedged before the twin goes on."""

    async def live(loop: VirtualLoop) -> list[str]:
        life = Life(loop, tmp_path / "j.sqlite", warm=True)
        order: list[str] = []
        made, filled = life.venues["h1"].made, life.warm._settle
        life.warm._settle = lambda: (order.append("twin settles"), filled())  # type: ignore[method-assign]
        while not made and not life.venues["h2"].made:
            await asyncio.sleep(0)
            if made or life.venues["h2"].made:
                break
            await asyncio.sleep(0.001)
        life.fill(1, Side.BUY)
        order += [f"{name} hedges" for name, venue in life.venues.items() if venue.calls]
        await asyncio.sleep(0.001)
        life.end(tmp_path / "j.sqlite")
        return order

    order = run_virtual(live)
    assert order[0] in ("h1 hedges", "h2 hedges")
    assert order[1:] == ["twin settles"]


FAULTS = {
    "an order that the venue has no words for": (Rejected(Refusal.SIZE, "no such size"), "it failed: "),
    "a defect": (KeyError("x"), "it failed: "),
}


@pytest.mark.parametrize(("fault", "words"), FAULTS.values(), ids=FAULTS)
def test_a_twin_that_fails_is_told_once_and_the_run_goes_on(fault: Exception, words: str, tmp_path: Path) -> None:
    async def live(loop: VirtualLoop) -> tuple[list[str], list[list[str]], list[BaseException]]:
        life = Life(loop, tmp_path / "j.sqlite", warm=True)
        for venue in life.venues.values():
            venue.fault = fault
        await asyncio.sleep(0.5)
        life.fill(1, Side.BUY)
        await asyncio.sleep(0.1)
        life.end(tmp_path / "j.sqlite")
        return life.told, [venue.calls for venue in life.venues.values()], life.runner.failures

    told, calls, failures = run_virtual(live)
    assert len(told) == 1
    assert words in told[0]
    assert sum(map(len, calls)) == 1
    assert failures == []


def test_a_twin_that_cannot_be_made_is_told_once(tmp_path: Path) -> None:
    async def live(loop: VirtualLoop) -> list[str]:
        life = Life(loop, tmp_path / "j.sqlite", warm=False)
        told: list[str] = []

        def make() -> Twin:
            raise MemoryError("no room")

        warm = KeepWarm(make, books=BOOKS, clock=loop.clock, every_ns=EVERY_NS, tell=told.append)
        warm.start()
        await asyncio.sleep(0.1)
        warm.stop()
        life.end(tmp_path / "j.sqlite")
        return told

    assert run_virtual(live) == ["the way of a hedge is not kept warm any more: MemoryError: no room"]
