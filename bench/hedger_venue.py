"""The venues of bench/hedger.py and bench/lighter_burst.py, in a process of their own.

A BiFu whose market maker is hit, and one venue where its fills are hedged: local venues of this project on a light
server. A sample is the time from just before a fill's message goes to its socket until the hedge's request is whole in
our hands; what the venues do with either comes before and after it. Commands and results are lines of JSON on stdin and
stdout; the first line says where the venues are.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from dataclasses import dataclass, field
from decimal import Decimal

from light_server import LightServer, now

from cli import venue_wiring
from cli.venue_wiring import MakerOptions, Served, ServeOptions, opened_venues
from exchanges.types import OrderRequest, OrderType, Refused, SelfTrade, Side, TimeInForce

FILL = '"orderFillTransaction"'
PLACED = (
    '"op":"order"', '"method":"order.place"', '"op": "order"', '"method": "order.place"', "POST /api/v1/sendTx",
)  # fmt: skip
PATIENCE_S = 1.0  # for a hedge; one that does not come by then is no sample
QUANTITY = 100  # lots of one fill: the least size that the printed config hedges


@dataclass
class Job:
    """`samples` times `burst` fills, each in a message of its own; the next ones `gap_ms` after the last hedge."""

    samples: int
    gap_ms: int
    burst: int = 1
    taken: list[list[int]] = field(default_factory=list)  # of each burst, in the order in which hedges came
    missed: int = 0


class Measure:
    def __init__(self, source: Served, hedges: Served) -> None:
        self.exchange = source.exchange
        self.account = next(iter(source.exchange.accounts.values()))
        self.market = next(iter(source.exchange.markets.values()))
        self.job = Job(0, 0)
        self.number = 0
        self.sent = 0  # when the first message left whose hedges are awaited
        self.came_ns: list[int] = []
        self.timer: asyncio.TimerHandle | None = None
        self.done = asyncio.Event()
        self.servers: tuple[LightServer, LightServer] = (source.server, hedges.server)  # type: ignore[assignment]
        self.servers[0].leaves = self.leaves
        self.servers[1].came = self.came

    def begin(self, job: Job) -> None:
        self.job = job
        self.done.clear()
        self.again(2_000)  # the market's first quotes, and a client that looks around

    def again(self, after_ms: int) -> None:
        if self.timer is not None:
            self.timer.cancel()
        self.timer = asyncio.get_running_loop().call_later(after_ms / 1000, self.hit)

    def hit(self) -> None:
        job = self.job
        job.missed += self.sent > 0
        self.sent = 0
        self.came_ns.clear()
        if len(job.taken) + job.missed >= job.samples:
            self.done.set()
            return
        self.number += 1
        self.again(int(PATIENCE_S * 1000))
        self.fill(Side.BUY if self.number % 2 else Side.SELL, job.burst - 1)

    def fill(self, side: Side, more: int) -> None:
        """An order of the market maker comes to the touch and is filled whole; `more` when its message has left.

        Fills of one message would be hedged by one order.
        """
        instrument = self.market.instrument
        qty = QUANTITY * instrument.lot
        request = OrderRequest(
            client_id="", account=self.account.name, symbol=instrument.symbol, side=side, qty=qty,
            price=self.market.book.best(side) * instrument.tick, type=OrderType.LIMIT, tif=TimeInForce.GTC,
            post_only=True, reduce_only=False, valid_ms=0, self_trade=SelfTrade.NONE,
        )  # fmt: skip
        placed = self.exchange.place(self.account, request)
        if isinstance(placed, Refused):
            raise SystemExit(f"the market maker's order was refused: {placed.text}")
        self.exchange.hit(placed, qty)
        if more:
            self.exchange.clock.call_at(self.exchange.clock.now_ns(), self.fill, side, more - 1)

    def leaves(self, text: str) -> None:
        if FILL in text and not self.sent:
            self.sent = now()

    def came(self, text: str, at: int) -> None:
        if self.sent and any(mark in text for mark in PLACED):
            self.came_ns.append(at - self.sent)
            if len(self.came_ns) == self.job.burst:
                self.job.taken.append(self.came_ns.copy())
                self.sent = 0
                self.again(self.job.gap_ms)


async def main() -> None:
    venue_wiring.VenueServer = LightServer  # type: ignore[assignment,misc]
    kind, cash = sys.argv[1], Decimal(10**9)
    options = ServeOptions(
        kinds={"bifu": "bifu", kind: kind}, port=0, accounts={"maker": str(cash), "hedge": str(cash)}, markets={},
        plan=None, keys="keys", seed=1, tier="premium", speed=1,
        maker=MakerOptions(rate=0, lots_max=0),  # orders of its own would meet the market's trades
    )  # fmt: skip
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue()
    loop.add_reader(sys.stdin.fileno(), lambda: lines.put_nowait(sys.stdin.readline()))
    async with opened_venues(options) as (source, hedges):
        say(told(options, source, hedges))
        measure = Measure(source, hedges)
        gc.collect()
        gc.freeze()
        gc.disable()
        while line := await lines.get():
            measure.begin(Job(**json.loads(line)))
            await measure.done.wait()
            say({"taken": measure.job.taken, "missed": measure.job.missed})


def told(options: ServeOptions, source: Served, hedges: Served) -> dict[str, object]:
    """The config of a run on these venues, and what a script needs to hedge on them."""
    keys = {
        each.name: dict(venue_wiring.KINDS[each.kind].credentials(each.exchange, account))
        for each, account in ((source, "maker"), (hedges, "hedge"))
    }
    symbol = next(iter(hedges.exchange.markets))
    return {
        "config": venue_wiring.config_of([source, hedges], options), "keys": keys, "symbol": symbol,
        "ports": {source.name: source.port, hedges.name: hedges.port},
    }  # fmt: skip


def say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
