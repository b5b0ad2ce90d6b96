"""The hedger's monitor log: a line for each fill of the market maker, hedge, answer and finished hedge.

Comma-separated, the first word says what the rest is (`HEADS`). Each minute a line says which hedges are unfinished.
Lines wait in memory for a fifth of a second, so that no step waits for the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from engine.runtime.log_files import LogFile
from engine.trading.desk import Desk
from engine.trading.effects import Effect, PlaceOrder
from engine.trading.inputs import Answered, Input, Request
from exchanges.types import Accepted, Cancellable, Clock, Fill, OrderUpdate, Refused

S = 1_000_000_000
WRITE_EVERY_NS = S // 5
MINUTE_NS = 60 * S
WAITING_MOST = 50_000  # lines in memory while the file cannot be written; beyond it they are counted
HEADS: Mapping[str, str] = {
    "Maker": "time,symbol,side,qty,price,amount,order id,trade id,ms since the match",
    "PreHedge": "time,symbol,side,qty,limit,client id,risk covered",
    "Result": "time,client id,accepted | refused | unknown,words",
    "Finished": "time,symbol,client id,state,filled,ms since the match of the newest fill",
    "Unfinished": "time,symbol,hedges on their way,quantity on its way,open risk",
}


class MonitorLog:
    """A trace of one run's runner. `trouble` is the first thing that went wrong with the file."""

    def __init__(self, file: LogFile, desk: Desk, clock: Clock, *, tell: Callable[[str], None]) -> None:
        self._file = file
        self._desk = desk
        self._clock = clock
        self._tell = tell
        self._told = False
        self._lines: list[str] = []
        self._lost = 0
        self._heard = desk.world.plan.heard
        self._match_ms = 0
        self._timers: list[Cancellable] = []

    def start(self) -> None:
        self._lines += [f"# {name},{fields}" for name, fields in HEADS.items()]
        self._every(WRITE_EVERY_NS, self.flush)
        self._every(MINUTE_NS, self.minute)

    def close(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self.minute()
        self.flush()
        self._file.close()

    def _every(self, span_ns: int, do: Callable[[], None]) -> None:
        place = len(self._timers)

        def again() -> None:
            do()
            self._timers[place] = self._clock.call_at(self._clock.now_ns() + span_ns, again)

        self._timers.append(self._clock.call_at(self._clock.now_ns() + span_ns, again))

    # --- what happens

    def step(self, seq: int, at_ns: int, given: Input, effects: list[Effect]) -> None:
        kind = type(given)
        if kind is Fill:
            assert isinstance(given, Fill)
            if given.account in self._heard:
                self._maker(given)
        elif kind is Answered:
            assert isinstance(given, Answered)
            self._answered(given)
        elif kind is OrderUpdate:
            assert isinstance(given, OrderUpdate)
            if given.state.terminal and self._desk.knows(given.client_id):
                late_ms = self._clock.wall_ms() - self._match_ms
                self._add("Finished", given.symbol, given.client_id, given.state.value, given.cum_qty, late_ms)
        for effect in effects:
            if type(effect) is PlaceOrder:
                it = effect.request
                price = "market" if it.price is None else it.price
                self._add("PreHedge", it.symbol, it.side.value, it.qty, price, it.client_id, effect.covers)

    def _maker(self, fill: Fill) -> None:
        self._match_ms = fill.at_ms
        late_ms, amount = self._clock.wall_ms() - fill.at_ms, fill.qty * fill.price
        self._add(
            "Maker", fill.symbol, fill.side.value, fill.qty, fill.price, amount, fill.order_id, fill.trade_id, late_ms
        )

    def _answered(self, given: Answered) -> None:
        if given.request is not Request.PLACE:
            return
        reply = given.reply
        word = "accepted" if isinstance(reply, Accepted) else "refused" if isinstance(reply, Refused) else "unknown"
        text = "" if isinstance(reply, Accepted) else reply.text.replace(",", ";").replace("\n", " ")
        self._add("Result", given.client_id, word, text)

    def minute(self) -> None:
        world = self._desk.world
        live = world.orders.covering
        ids = " ".join(live) or "none"
        self._add("Unfinished", world.plan.market, ids, abs(world.in_flight()), world.exposure)

    # --- writing

    def _add(self, word: str, *fields: object) -> None:
        if len(self._lines) >= WAITING_MOST:
            self._lost += 1
            return
        at = datetime.fromtimestamp(self._clock.wall_ms() / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        self._lines.append(",".join([word, f"{at}Z", *map(str, fields)]))

    def flush(self) -> None:
        if self._lost and len(self._lines) < WAITING_MOST:
            lost, self._lost = self._lost, 0
            self._add("Lost", lost)
        if not self._lines:
            return
        done = self._file.write(self._lines)
        del self._lines[:done]
        if self._file.trouble and not self._told:
            self._told = True
            self._tell(f"the monitor log cannot be written: {self._file.trouble}; the run goes on")
