"""One client for several runs: each hears of its own symbol, and connections are opened and closed once for all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from exchanges.base import BaseExchangeClient
from exchanges.shared import Part, SharedClient
from exchanges.types import (
    Fill,
    Instrument,
    LinkState,
    LinkUpdate,
    Liquidity,
    Margin,
    OrderRequest,
    OrderUpdate,
    Position,
    PrivateHandler,
    Quote,
    QuoteHandler,
    ReplyHandler,
    Side,
)

D = Decimal
TRUSTED = LinkUpdate("a", LinkState.TRUSTED, 1, "")


class Real(BaseExchangeClient):
    """Counts what is asked of it; `connect` tells that it is trusted."""

    def __init__(self) -> None:
        self.account, self.venue, self.capabilities = "a", "v", None  # type: ignore[assignment]
        self.log: list[str] = []
        self.tell: PrivateHandler = print

    async def connect(self) -> None:
        self.log.append("connect")
        await asyncio.sleep(0)
        self.tell(TRUSTED)

    async def disconnect(self) -> None:
        self.log.append("disconnect")

    def setup_order_update_handler(self, handler: PrivateHandler) -> None:
        self.tell = handler

    def setup_quote_handler(self, symbol: str, handler: QuoteHandler) -> None:
        self.log.append(f"quotes {symbol}")

    def submit(self, order: OrderRequest, on_reply: ReplyHandler) -> None: ...

    def submit_cancel(self, symbol: str, client_id: str, on_reply: ReplyHandler) -> None: ...

    async def get_order_info(self, symbol: str, client_id: str) -> OrderUpdate | None: ...

    async def get_active_orders(self, symbol: str) -> Sequence[OrderUpdate]:
        return []

    async def get_fills(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        return []

    async def get_spare_fills(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        return [fill(symbol)]

    async def get_account_positions(self) -> Sequence[Position]:
        return [Position("a", "ETH", D(1)), Position("a", "BTC", D(2))]

    async def get_margin(self) -> Margin:
        return Margin("a", D(1), D(1), D(0))

    async def get_contract_attributes(self, symbol: str) -> Instrument:
        raise NotImplementedError

    async def fetch_bbo_prices(self, symbol: str) -> Quote:
        raise NotImplementedError


def fill(symbol: str) -> Fill:
    return Fill("v", "a", symbol, "", "o", "t", Side.BUY, D(1), D(2), D(0), "Q", Liquidity.MAKER, 1, 1)


class Stage:
    def __init__(self) -> None:
        self.real = Real()
        self.shared = shared = SharedClient(self.real, now_ns=lambda: 7)
        self.parts: list[Part] = [shared.part("ETH"), shared.part("BTC")]
        self.told: list[list[Any]] = [[], []]
        for part, told in zip(self.parts, self.told, strict=True):
            part.setup_order_update_handler(told.append)


def test_a_fill_goes_to_the_run_of_its_symbol_and_the_link_to_all() -> None:
    async def go() -> None:
        stage = Stage()
        await asyncio.gather(*(part.connect() for part in stage.parts))
        stage.real.tell(fill("BTC"))
        assert stage.told[0] == [TRUSTED]
        assert stage.told[1] == [TRUSTED, TRUSTED, fill("BTC")]  # told again to who came second
        assert [it.symbol for it in await stage.parts[1].get_account_positions()] == ["BTC"]
        assert (await stage.parts[1].get_fills("BTC", 0), await stage.parts[1].get_spare_fills("BTC", 0)) == (
            [],
            [fill("BTC")],
        )
        assert await stage.parts[1].get_holdings() == ([Position("a", "BTC", D(2))], Margin("a", D(1), D(1), D(0)))

    asyncio.run(go())


def test_connections_are_opened_once_and_closed_by_the_last() -> None:
    async def go() -> None:
        stage = Stage()
        await asyncio.gather(*(part.connect() for part in stage.parts))
        assert stage.real.log == ["connect"]
        await stage.parts[0].disconnect()
        assert stage.real.log == ["connect"]
        await stage.parts[1].disconnect()
        assert stage.real.log == ["connect", "disconnect"]

    asyncio.run(go())


def test_a_run_that_left_gets_a_connection_opened_since() -> None:
    """After a gap in time every run resyncs from nothing; one new connection serves all that left before it."""

    async def go() -> None:
        stage = Stage()
        one, two = stage.parts
        await asyncio.gather(one.connect(), two.connect())
        await one.disconnect()
        await one.connect()
        assert stage.real.log == ["connect", "disconnect", "connect"]

        async def again(part: Part) -> None:
            await part.disconnect()
            await part.connect()

        stage.real.log.clear()
        await asyncio.gather(again(one), again(two))
        assert stage.real.log == ["disconnect", "connect"]

    asyncio.run(go())


def test_a_connection_that_fails_is_tried_again_by_the_next() -> None:
    async def go() -> None:
        stage = Stage()
        one, two = stage.parts
        fails = [OSError("no way"), None]
        opened = stage.real.connect

        async def connect() -> None:
            error = fails.pop(0)
            if error is not None:
                raise error
            await opened()

        stage.real.connect = connect  # type: ignore[method-assign]
        results = await asyncio.gather(one.connect(), two.connect(), return_exceptions=True)
        assert [type(it) for it in results] == [OSError, type(None)]

    asyncio.run(go())


def test_another_client_takes_over_and_the_runs_hear_that_the_account_was_away() -> None:
    async def go() -> None:
        stage, other = Stage(), Real()
        for part in stage.parts:
            part.setup_quote_handler("ETH", print)
            await part.connect()
        for told in stage.told:
            told.clear()
        await stage.shared.replace(lambda: other)
        assert (stage.real.log[-1], other.log) == ("disconnect", ["quotes ETH", "connect"])
        lost = LinkUpdate("a", LinkState.LOST, 7, "its keys were changed")
        assert stage.told == [[lost, TRUSTED], [lost, TRUSTED]]
        await stage.parts[0].disconnect()
        await stage.parts[1].disconnect()
        assert other.log[-1] == "disconnect"

    asyncio.run(go())
