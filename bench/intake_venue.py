"""The venues of bench/intake.py, in a process of their own: a BiFu that tells fills as fast as it is asked to, and a
Backpack to hedge on.

The BiFu is a local one of this project in all but its fills: those come from no matching engine, each row is a
template with a few texts put in, so that the venue is not what is measured. Its order list agrees with what it told.
Commands and results are lines of JSON on stdin and stdout; the first line says where the venues are.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from light_server import LightServer

from cli import venue_wiring
from cli.venue_wiring import MakerOptions, ServeOptions, opened_venues
from exchanges.venues.bifu import shapes
from exchanges.venues.bifu.demo import bifu_credentials
from exchanges.venues.bifu.model import Bifu
from exchanges.venues.bifu.shapes import SPOT
from exchanges.venues.bifu.streams import ROWS_MAX, BifuSession
from exchanges.venues.exchange import Exchange, VenueAccount
from exchanges.venues.faults import Faults
from exchanges.venues.seam import Outlet, Reply, Request, StreamSession

EVERY_S = 0.01
FILLS_OF_AN_ORDER = 2_000
LOTS_MOST = 50
CASH = str(10**11)
ROW = (
    '{"id":"%(id)d","accountId":"%(account)s","symbolId":"%(market)s","baseCoinId":"3","quoteCoinId":"2",'
    '"orderId":"%(order)s","orderSide":"%(side)s","fillSize":"%(size)s","fillValue":"%(value)s","fillFee":"0",'
    '"direction":"MAKER","version":"%(id)d","tradeInBalanceTransactionId":"%(id)d",'
    '"tradeOutBalanceTransactionId":"%(id)d","matchSequenceId":"%(id)d","matchIndex":"0","matchTime":"%(ms)d",'
    '"matchAccountId":"' + shapes.OUTSIDE + '","matchOrderId":"0",'
    '"matchFillId":"00000000-0000-4000-8000-%(id)012d","extraType":"","extraDataJson":"","createdTime":"%(ms)d",'
    '"updatedTime":"%(ms)d"}'
)
FRAME = (
    '{"type":"spot-trade-event","msg":{"event":"ORDER_UPDATE","version":"%d","data":'
    '{"order":[],"balance":[],"orderFillTransaction":[%s]}}}'
)


@dataclass
class Told:
    """One order of the market maker, as the list shows it."""

    number: int
    side: str
    created_ms: int
    fills: int = 0
    size: Decimal = Decimal(0)
    value: Decimal = Decimal(0)
    updated_ms: int = 0


class FastBifu(Bifu):
    """`rate` fills a second once `tell` is called, evenly over hundredths of a second."""

    def __init__(
        self, exchange: Exchange, keys: Mapping[str, str], secrets: Mapping[str, str], *, faults: Faults
    ) -> None:
        super().__init__(exchange, keys, secrets, faults=faults)
        self.account = next(iter(exchange.accounts.values()))
        self.market = next(iter(exchange.markets.values()))
        self.session: StreamSession | None = None
        self.orders: dict[str, Told] = {}
        self.resting: dict[str, Told] = {}
        self.told = 0
        self.net = Decimal(0)
        self.chance = random.Random(1)

    def open_stream(self, request: Request, outlet: Outlet) -> StreamSession | Reply:
        session = super().open_stream(request, outlet)
        if isinstance(session, BifuSession):
            self.session = session
        return session

    async def tell(self, rate: int, seconds: int) -> None:
        """What a late turn of the loop left out is made up for in the next."""
        began, before = time.perf_counter(), self.told
        while self.told - before < rate * seconds:
            await asyncio.sleep(EVERY_S)
            due = min(int((time.perf_counter() - began) * rate), rate * seconds) - (self.told - before)
            while due > 0:
                count = min(due, ROWS_MAX)
                assert isinstance(self.session, BifuSession)
                self.session.write(FRAME % (self.told, ",".join([self.row() for _ in range(count)])))
                due -= count

    def row(self) -> str:
        side = "BUY" if self.chance.random() < 0.5 else "SELL"
        order = self.resting.get(side)
        ms = self.exchange.now_ms()
        if order is None or order.fills == FILLS_OF_AN_ORDER:
            order = self.resting[side] = Told(10**17 + len(self.orders), side, ms)
            self.orders[str(order.number)] = order
        instrument = self.market.instrument
        size = self.chance.randint(1, LOTS_MOST) * instrument.lot
        value = size * self.market.mark
        self.told += 1
        self.net += size if side == "BUY" else -size
        order.fills, order.size, order.value, order.updated_ms = (
            order.fills + 1,
            order.size + size,
            order.value + value,
            ms,
        )
        return ROW % {
            "id": self.told, "account": shapes.account_id(self.account), "market": SPOT.market_id(self.market),
            "order": order.number, "side": side, "size": f"{size:f}", "value": f"{value:f}", "ms": ms,
        }  # fmt: skip

    def _about_orders(self, request: Request, half: shapes.Half, account: VenueAccount, what: str) -> object:
        """All orders in one page, as no venue would: reading lists is not what is measured."""
        live = what.startswith("getActive")
        shown = [it for it in self.orders.values() if (it.fills < FILLS_OF_AN_ORDER) is live]
        return {"dataList": [self._listed(it) for it in shown], "nextFlag": False, "totals": str(len(shown))}

    def _listed(self, order: Told) -> dict[str, Any]:
        return {
            "id": str(order.number), "accountId": shapes.account_id(self.account),
            "symbolId": SPOT.market_id(self.market), "orderSide": order.side, "price": "1", "size": "1000000",
            "clientOrderId": "", "timeInForce": "POST_ONLY", "cumFillFee": "0",
            "status": "OPEN" if order.fills < FILLS_OF_AN_ORDER else "FILLED", "cumFillSize": f"{order.size:f}",
            "cumFillValue": f"{order.value:f}", "createdTime": str(order.created_ms),
            "updatedTime": str(order.updated_ms),
        }  # fmt: skip


def open_fast(exchange: Exchange, faults: Faults) -> FastBifu:
    pairs = {name: bifu_credentials(exchange, name) for name in exchange.accounts}
    keys = {pair["api_key"]: name for name, pair in pairs.items()}
    return FastBifu(exchange, keys, {pair["api_key"]: pair["api_secret"] for pair in pairs.values()}, faults=faults)


async def main() -> None:
    venue_wiring.VenueServer = LightServer  # type: ignore[assignment,misc]
    venue_wiring.open_bifu = open_fast
    options = ServeOptions(
        kinds={"bifu": "bifu", "backpack": "backpack"}, port=0, accounts={"maker": CASH, "hedge": CASH}, markets={},
        plan=None, keys="keys", seed=1, tier="premium", speed=1, maker=MakerOptions(rate=0, lots_max=0),
    )  # fmt: skip
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue()
    loop.add_reader(sys.stdin.fileno(), lambda: lines.put_nowait(sys.stdin.readline()))
    async with opened_venues(options) as (source, hedges):
        say({"config": venue_wiring.config_of([source, hedges], options), "hedges": hedges.port})
        assert isinstance(source.model, FastBifu)
        gc.collect()
        gc.freeze()
        while line := await lines.get():
            await source.model.tell(**json.loads(line))
            say({"told": source.model.told, "net": str(source.model.net)})


def say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
