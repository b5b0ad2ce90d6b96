"""Keeps the way from a fill to its hedge warm: while nothing happens, a twin hedges fills that nobody made.

Most of what a hedge takes is cold caches (docs/decisions/0012). A twin has the run's code and its plan, and nothing
else of it: a desk, a runner, ids, chance and tables of its own, a clock on which nothing comes due, and accounts that
have no network. What it does cannot leave, be journalled, counted or drawn from.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from peewee import SqliteDatabase

from engine.runtime import schema
from engine.runtime.chance import Chance
from engine.runtime.journal import Decided, NullJournal
from engine.runtime.journal_sqlite import INTENT_SQL, intent_row
from engine.runtime.runner import Runner
from engine.trading.desk import Desk
from engine.trading.effects import Effect
from engine.trading.inputs import Input, MarketSeen, Reconfigured, Started
from engine.trading.orders import Orders
from engine.trading.plan import Limits, Plan
from exchanges.base import BaseExchangeClient
from exchanges.errors import LinkDown
from exchanges.types import (
    ZERO,
    Accepted,
    Cancellable,
    Clock,
    Fill,
    FillKind,
    Instrument,
    LinkState,
    LinkUpdate,
    Liquidity,
    Margin,
    MarketKind,
    OrderRequest,
    OrderState,
    OrderUpdate,
    Position,
    PrivateHandler,
    Quote,
    QuoteHandler,
    Refusal,
    Refused,
    ReplyHandler,
    Side,
)

__all__ = ["KeepWarm", "Twin"]

FILES_IN_MEMORY = Path("/dev/shm")
LOG_PAGES = 16  # of the twin's write-ahead log before it begins anew: it would grow by megabytes a second
_AS_A_JOURNAL = [("journal_mode", "wal"), ("synchronous", 0), ("wal_autocheckpoint", LOG_PAGES)]
MOST_DOUBLINGS = 24  # of the smallest lot, to find what the flow hedges at once
MOST_PARTS = 64  # orders that one fill may be hedged by, one after the other
PLENTY = Decimal(10**12)  # of money, and on spot of what may be sold
UNLIMITED = 10**9  # requests a minute: the twin's reach nobody


class TwinBroken(Exception):
    """The twin did what a flow's desk should not, or finds nothing to hedge: it is of no use any more."""


class KeepWarm:
    """A trace of a run: every `every_ns` in which no step was taken, its twin hedges one fill.

    That is two callbacks of the run's clock, each in a turn of the loop in which sockets come first: a fill that comes
    meanwhile waits for one of them at most. `make` makes the twin, which takes some 20 ms: start before the run begins.
    What goes wrong ends the twin, not the run: `tell` hears why, once.
    """

    def __init__(
        self, make: Callable[[], Twin], *, books: Mapping[tuple[str, str], Quote], clock: Clock, every_ns: int,
        tell: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.hedged = 0  # fills of the twin's, for a test and the log
        self._make = make
        self._books = books
        self._clock = clock
        self._every_ns = every_ns
        self._tell = tell
        self._twin: Twin | None = None
        self._stepped = False
        self._changes: list[Reconfigured] = []
        self._timer: Cancellable | None = None

    def __call__(self, seq: int, at_ns: int, given: Input, effects: Sequence[Effect]) -> None:
        self._stepped = True
        if type(given) is Reconfigured:
            self._changes.append(given)

    def start(self) -> None:
        self._guarded(self._begin)

    def _begin(self) -> None:
        self._twin = self._make()
        self._wait()

    def _wait(self) -> None:
        self._timer = self._clock.call_at(self._clock.now_ns() + self._every_ns, self._turn)

    def stop(self) -> None:
        """Nothing is practised any more. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._twin is not None:
            self._twin.close()
            self._twin = None

    def _turn(self) -> None:
        """A run that has something to do is warm by itself."""
        busy, self._stepped = self._stepped, False
        if busy or not self._books:
            self._wait()
        else:
            self._guarded(self._hedge)

    def _hedge(self) -> None:
        assert self._twin is not None
        for change in self._changes:
            self._twin.change(change)
        self._changes.clear()
        if self._twin.hedge(self._books):
            self._timer = self._clock.call_at(self._clock.now_ns(), self._guarded, self._settle)
        else:
            self._wait()

    def _settle(self) -> None:
        assert self._twin is not None
        self._twin.settle()
        self.hedged += 1
        self._wait()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 whatever a twin does, the run that it belongs to goes on
            self.stop()
            self._tell(f"the way of a hedge is not kept warm any more: {type(error).__name__}: {error}")


class Twin:
    """A desk of `plan` with accounts that reach nobody; of the run's `clients` only what they `exercise` is called.

    `frames` is what a message takes that no client exercises, the stream's own part, done for nobody.
    """

    def __init__(
        self, plan: Plan, clients: Mapping[str, BaseExchangeClient], *, clock: Clock,
        frames: Callable[[], object] = lambda: None,
    ) -> None:  # fmt: skip
        self._clock = clock
        self._frames = frames
        self._clients = clients
        plan = replace(plan, limits=_unlimited(plan.limits))
        chance = Chance(0)
        self._desk = desk = Desk(plan, run=1, chance=chance)
        self._accounts = {name: _Account(client, self._offered) for name, client in clients.items()}
        self._intents = _ScratchIntents()
        self._runner = Runner(
            desk, self._accounts, symbols={name: it.instrument.symbol for name, it in plan.accounts.items()},
            clock=_StillClock(clock), watch=_NoWatch(), journal=self._intents, chance=chance,
            orders_per_minute=UNLIMITED, max_book_age_ns=plan.guards.max_book_age_ns, heard=plan.heard,
        )  # fmt: skip
        world = desk.world
        self._source = world.maker
        self._kind = FillKind.TRADE if plan.heard else FillKind.SETTLEMENT  # counts without a word where it is not ours
        self._books_key = {name: (it.venue, it.instrument.symbol) for name, it in plan.accounts.items()}
        self._traded = [key for name, key in self._books_key.items() if name not in plan.heard]
        self._qty = max(it.instrument.lot for it in plan.accounts.values())
        self._doublings = 0
        self._side = Side.BUY
        self._price = ZERO
        self._number = 0
        self._offers: list[tuple[OrderRequest, ReplyHandler]] = []
        traded = {name: it.instrument for name, it in plan.accounts.items() if name not in plan.heard}
        self._hand(
            Started(
                tuple(Position(name, it.symbol, PLENTY if it.kind is MarketKind.SPOT else ZERO, ZERO, None, None)
                      for name, it in traded.items()),
                tuple(Margin(name, PLENTY, PLENTY, ZERO) for name in traded),
            )
        )  # fmt: skip
        for name in plan.accounts:
            self._hand(LinkUpdate(name, LinkState.TRUSTED, clock.now_ns(), ""))

    def close(self) -> None:
        self._intents.close()

    def change(self, given: Reconfigured) -> None:
        """The run's settings are others from now on."""
        self._hand(replace(given, limits=_unlimited(given.limits)))

    def hedge(self, books: Mapping[tuple[str, str], Quote]) -> bool:
        """Fill the source at the market as it is; did a hedge leave? `settle` must follow then.

        Raises: TwinBroken if no quantity is hedged at once, or the desk failed.
        """
        now_ns = self._clock.now_ns()
        for key in self._traded:
            quote = books.get(key)
            if quote is None or quote.crossed:
                return False  # a run whose books are not all there hedges nothing either, or elsewhere
            self._desk.books[key] = replace(quote, recv_ns=now_ns)
        book = books[self._traded[0]]
        self._frames()
        self._clients[self._source].exercise_fill()
        self._price = book.bid if self._side is Side.BUY else book.ask
        self._hand(self._fill(self._source, "", f"f{self._next()}", self._side, self._qty, self._price, now_ns))
        if self._offers:
            return True
        self._doublings += 1
        if self._doublings > MOST_DOUBLINGS:
            raise TwinBroken(f"the flow hedges no fill at once, up to {self._qty}")
        self._qty *= 2
        return False

    def settle(self) -> None:
        """Fill what left, until nothing is open; the next fill goes the other way. Raises: TwinBroken."""
        self._qty = self._offers[0][0].qty  # no less is hedged at once, and more would leave in parts
        for _ in range(MOST_PARTS):
            if not self._offers:
                break
            self._filled(*self._offers.pop(0))
        if self._offers or self._desk.world.exposure:
            raise TwinBroken(f"{self._desk.world.exposure} stays open after {MOST_PARTS} hedges")
        self._intents.forget()
        self._desk.world.orders = Orders()  # ended ones would pile up, for the garbage collector to look through
        self._doublings = 0
        self._side = self._side.opposite

    def _filled(self, order: OrderRequest, reply: ReplyHandler) -> None:
        """At the fill's own price: the twin never wins or loses."""
        now_ns, number = self._clock.now_ns(), self._next()
        order_id = f"o{number}"
        reply(Accepted(order_id, now_ns, now_ns))
        self._hand(self._fill(order.account, order.client_id, order_id, order.side, order.qty, self._price, now_ns))
        self._hand(
            OrderUpdate(
                order.account, order.symbol, order.client_id, order_id, order.side, order.qty, OrderState.FILLED,
                order.qty, self._price, 0, now_ns,
            )
        )  # fmt: skip

    def _fill(
        self, account: str, client_id: str, order_id: str, side: Side, qty: Decimal, price: Decimal, now_ns: int
    ) -> Fill:
        venue, symbol = self._books_key[account]
        liquidity = Liquidity.TAKER if client_id else Liquidity.MAKER
        kind = FillKind.TRADE if client_id else self._kind
        return Fill(
            venue, account, symbol, client_id, order_id, order_id, side, qty, price, ZERO, "", liquidity, 0,
            now_ns, kind, now_ns,
        )  # fmt: skip

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _hand(self, given: Input) -> None:
        runner = self._runner
        runner.handle(given)
        if runner.failures or runner.ending is not None:
            raise TwinBroken(f"it failed: {runner.failures[:1] or runner.ending}")

    def _offered(self, order: OrderRequest, reply: ReplyHandler) -> None:
        self._offers.append((order, reply))


class _Account(BaseExchangeClient):
    """Takes orders as a client does, up to the wire, and gives them to `take` instead of a venue."""

    def __init__(self, client: BaseExchangeClient, take: Callable[[OrderRequest, ReplyHandler], None]) -> None:
        self.account = client.account
        self.venue = client.venue
        self.capabilities = client.capabilities
        self._exercise = client.exercise_order
        self._take = take

    def submit(self, order: OrderRequest, on_reply: ReplyHandler) -> None:
        self._exercise(order)
        self._take(order, on_reply)

    def submit_cancel(self, symbol: str, client_id: str, on_reply: ReplyHandler) -> None:
        on_reply(Refused(Refusal.NOT_FOUND, "a twin rests no order"))

    async def connect(self) -> None: ...

    async def disconnect(self) -> None: ...

    def setup_order_update_handler(self, handler: PrivateHandler) -> None: ...

    def setup_quote_handler(self, symbol: str, handler: QuoteHandler) -> None: ...

    async def get_order_info(self, symbol: str, client_id: str) -> NoReturn:
        raise LinkDown("a twin has no venue")

    async def get_active_orders(self, symbol: str) -> NoReturn:
        raise LinkDown("a twin has no venue")

    async def get_fills(self, symbol: str, since_ms: int) -> NoReturn:
        raise LinkDown("a twin has no venue")

    async def get_account_positions(self) -> Sequence[Position]:
        raise LinkDown("a twin has no venue")

    async def get_margin(self) -> Margin:
        raise LinkDown("a twin has no venue")

    async def get_contract_attributes(self, symbol: str) -> Instrument:
        raise LinkDown("a twin has no venue")

    async def fetch_bbo_prices(self, symbol: str) -> Quote:
        raise LinkDown("a twin has no venue")


class _StillClock:
    """Tells the time of `clock`, and nothing on it comes due."""

    def __init__(self, clock: Clock) -> None:
        self.now_ns = clock.now_ns
        self.wall_ms = clock.wall_ms

    def call_at(self, when_ns: int, callback: Callable[..., None], *args: object) -> Cancellable:
        return _NEVER

    def post_at(self, when_ns: int, callback: Callable[..., None], *args: object) -> None: ...


class _Never:
    def cancel(self) -> None: ...


_NEVER = _Never()


class _NoWatch:
    """Guards over openings, of which a twin has none."""

    def quote(self, quote: Quote) -> MarketSeen | None:
        return None

    def due_ns(self) -> int | None:
        return None

    def check(self, at_ns: int) -> MarketSeen | None:
        return None


def _unlimited(limits: Limits) -> Limits:
    """As many requests as a twin makes, and no loss to stop at: its money is nobody's."""
    return replace(limits, orders_per_minute=UNLIMITED, max_loss_run=None, max_loss_day=None)


class _ScratchIntents(NullJournal):
    """Commits intents as a journal does, to memory that no folder names, and keeps none.

    Where the system has files in memory it is one of those, with a write-ahead log: most of what a commit takes is the
    log's. Its name goes before the first intent comes, so that nobody finds it and a kill leaves nothing behind.
    """

    def __init__(self) -> None:
        if os.access(FILES_IN_MEMORY, os.W_OK | os.X_OK):
            with TemporaryDirectory(prefix="eagle-twin-", dir=FILES_IN_MEMORY) as folder:
                self._database = SqliteDatabase(f"{folder}/intents", pragmas=_AS_A_JOURNAL)
                schema.create(self._database)
        else:
            self._database = SqliteDatabase(":memory:")
            schema.create(self._database)
        self._cursor = schema.raw(self._database).cursor()

    def intents(self, decided: Sequence[Decided]) -> None:
        for it in decided:
            self._cursor.execute(INTENT_SQL, intent_row(1, *it))

    def forget(self) -> None:
        self._cursor.execute("DELETE FROM intents")

    def close(self) -> None:
        self._database.close()
