"""Small stand-ins around the runner: a desk that plays a script, clients that do as told, a journal in a list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from engine.runtime.journal import Decided, NullJournal
from engine.runtime.loop import VirtualLoop
from engine.trading.effects import Alert, CancelOrder, Effect, PlaceOrder, Purpose, Urgency
from engine.trading.inputs import Input, MarketSeen, Recalled, Request
from exchanges.base import BaseExchangeClient
from exchanges.types import (
    Accepted,
    Capabilities,
    ClientIdStyle,
    Fill,
    Instrument,
    Liquidity,
    Margin,
    OrderRequest,
    OrderType,
    OrderUpdate,
    Position,
    PrivateHandler,
    Quote,
    QuoteHandler,
    Reply,
    ReplyHandler,
    SelfTrade,
    Side,
    TimeInForce,
)

D = Decimal
MS = 1_000_000
S = 1_000_000_000
START = S  # where virtual time begins

T = TypeVar("T")


def run_virtual(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        return runner.run(main(loop))


def place(
    client_id: str, *, account: str = "m", urgency: Urgency = Urgency.OPEN, not_after_ns: int = START + 2 * S
) -> PlaceOrder:
    purpose = {Urgency.OPEN: Purpose.OPEN, Urgency.HEDGE: Purpose.HEDGE, Urgency.FLATTEN: Purpose.FLATTEN}[urgency]
    return PlaceOrder(
        request=OrderRequest(
            client_id=client_id, account=account, symbol="ETH", side=Side.BUY, qty=D(1), price=None,
            type=OrderType.MARKET, tif=TimeInForce.IOC, post_only=False, reduce_only=False, valid_ms=2_000,
            self_trade=SelfTrade.NONE,
        ),
        venue="v", urgency=urgency, purpose=purpose, leg="leg", round=1, attempt=1, covers=D(0), epoch=0,
        not_after_ns=not_after_ns,
    )  # fmt: skip


def cancel(client_id: str, *, account: str = "m", not_after_ns: int = START + 5 * S) -> CancelOrder:
    return CancelOrder(account=account, symbol="ETH", client_id=client_id, not_after_ns=not_after_ns)


def quote(recv_ns: int = START, *, bid: str = "100") -> Quote:
    return Quote("v", "ETH", D(bid), D(1), D(bid) + 1, D(1), recv_ns)


def fill(account: str = "m") -> Fill:
    return Fill(
        venue="v", account=account, symbol="ETH", client_id="c", order_id="o", trade_id="t", side=Side.BUY, qty=D(1),
        price=D(100), fee=D(0), fee_asset="USD", liquidity=Liquidity.MAKER, at_ms=0, recv_ns=START,
    )  # fmt: skip


def margin(account: str) -> Margin:
    return Margin(account, D(1000), D(1000), D(0))


class FakeClient(BaseExchangeClient):
    """Answers what a test has set; `calls` is what it was asked, `delays` how long a question of that name takes."""

    def __init__(self, account: str, *, venue: str = "v", calls: list[str] | None = None) -> None:
        self.account = account
        self.venue = venue
        self.capabilities = Capabilities(
            client_id=ClientIdStyle.TEXT, modify=False, batch=False, reduce_only=True, market_orders=True,
            self_trade=frozenset(), query_finds_terminal=True, dead_man_switch=False,
        )  # fmt: skip
        self.calls: list[str] = [] if calls is None else calls
        self.delays: dict[str, float] = {}
        self.errors: dict[str, list[Exception]] = {}  # by call, one for each time
        self.during: dict[str, Callable[[], None]] = {}  # what happens while the question is on its way
        self.answer: Reply | None = Accepted("o1")
        self.positions: Sequence[Position] = ()
        self.fills: Sequence[Fill] = ()
        self.update: OrderUpdate | None = None
        self.listed: Instrument | None = None
        self.private: PrivateHandler = print
        self.quotes: dict[str, QuoteHandler] = {}

    async def connect(self) -> None:
        await self._asked("connect")

    async def disconnect(self) -> None:
        await self._asked("disconnect")

    def leaving(self) -> None:
        self._note("leaving")

    def setup_order_update_handler(self, handler: PrivateHandler) -> None:
        self.private = handler

    def setup_quote_handler(self, symbol: str, handler: QuoteHandler) -> None:
        self.quotes[symbol] = handler

    def submit(self, order: OrderRequest, on_reply: ReplyHandler) -> None:
        self._note(f"submit {order.client_id}")
        self._fail("submit")
        if self.answer is not None:
            on_reply(self.answer)

    def submit_cancel(self, symbol: str, client_id: str, on_reply: ReplyHandler) -> None:
        self._note(f"cancel {client_id}")
        self._fail("cancel")
        if self.answer is not None:
            on_reply(self.answer)

    async def get_order_info(self, symbol: str, client_id: str) -> OrderUpdate | None:
        await self._asked("info")
        return self.update

    async def get_active_orders(self, symbol: str) -> Sequence[OrderUpdate]:
        return ()

    async def get_fills(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        await self._asked("fills")
        return self.fills

    async def get_account_positions(self) -> Sequence[Position]:
        await self._asked("positions")
        return self.positions

    async def get_margin(self) -> Margin:
        return margin(self.account)

    async def get_contract_attributes(self, symbol: str) -> Instrument:
        await self._asked("listed")
        assert self.listed is not None
        return self.listed

    async def fetch_bbo_prices(self, symbol: str) -> Quote:
        raise NotImplementedError

    async def _asked(self, name: str) -> None:
        self._note(name)
        if name in self.delays:
            await asyncio.sleep(self.delays[name])
        self.during.get(name, _nothing)()
        self._fail(name)

    def _note(self, what: str) -> None:
        self.calls.append(f"{self.account} {what}")

    def _fail(self, name: str) -> None:
        if self.errors.get(name):
            raise self.errors[name].pop(0)


def _nothing() -> None:
    pass


class ScriptedDesk:
    """Returns what `script` says to an input; remembers all of them with their times since the start in ms."""

    def __init__(self, script: Callable[[Input], list[Effect]]) -> None:
        self.books: dict[tuple[str, str], Quote] = {}
        self.seen: list[tuple[int, Input]] = []
        self.open: list[str] = []
        self.on_hedges: Callable[[Sequence[Effect]], None] | None = None
        self.forgotten: set[str] = set()
        self.missing: dict[str, int] = {}  # accounts with fills of no price, until any row comes
        self._script = script
        self._busy = False

    def knows(self, client_id: str) -> bool:
        return client_id not in self.forgotten

    def adopt(self, told: Fill | OrderUpdate) -> Recalled | None:
        """It takes nothing over."""

    def unpriced(self) -> dict[str, int]:
        return {} if any(type(given) is Fill for _, given in self.seen) else self.missing

    def step(self, given: Input, at_ns: int) -> list[Effect]:
        assert not self._busy, "a step inside a step"
        self._busy = True
        try:
            self.seen.append(((at_ns - START) // MS, given))
            return self._script(given)
        finally:
            self._busy = False

    def take_used_quotes(self) -> list[Quote]:
        return []

    def exposure_lines(self) -> list[str]:
        return self.open


class ListJournal(NullJournal):
    """Keeps the order of what was written and, through a shared list, of what was sent in between."""

    def __init__(self, calls: list[str]) -> None:
        self.failed = False
        self.calls = calls
        self.known: dict[str, Recalled] = {}

    def recall(self, client_id: str) -> Recalled | None:
        self.calls.append(f"recall {client_id}")
        return self.known.get(client_id)

    def intents(self, decided: Sequence[Decided]) -> None:
        ids = [it.request.client_id if isinstance(it, PlaceOrder) else it.client_id for it, _, _, _ in decided]
        self.calls.append(f"intent {' '.join(ids)}")

    def step(
        self, seq: int, at_ns: int, wall_ms: int, given: Input, quotes: Sequence[Quote], draws: Sequence[int],
        effects: Sequence[Effect],
    ) -> None:  # fmt: skip
        self.calls.append(f"step {seq} {type(given).__name__} {list(draws)}")

    def sent(self, client_id: str, request: Request, at_ns: int) -> None:
        self.calls.append(f"sent {request.value} {client_id}")

    def alert(self, alert: Alert, at_ns: int, wall_ms: int) -> None:
        self.calls.append(f"alert {alert.code} {at_ns}")

    def venue_start(self, positions: Sequence[Position], margins: Sequence[Margin]) -> None:
        """The baseline, which the `Started` input tells as well."""

    def venue_end(self, positions: Sequence[Position], margins: Sequence[Margin]) -> None:
        self.calls.append(f"end {len(positions)} {[it.account for it in margins]}")

    def flush(self) -> None:
        self.calls.append("flush")


class QuietWatch:
    """Market guards that say only what a test has set."""

    def __init__(self) -> None:
        self.says: list[MarketSeen] = []
        self.due: list[int] = []
        self.checked: list[int] = []

    def quote(self, quote: Quote) -> MarketSeen | None:
        return self.says.pop(0) if self.says else None

    def due_ns(self) -> int | None:
        return self.due.pop(0) if self.due else None

    def check(self, at_ns: int) -> MarketSeen | None:
        self.checked.append((at_ns - START) // MS)
        return self.says.pop(0) if self.says else None
