"""Leads the real runner on the paper venue through a script that `eagle prove` found: does it break there too?"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from decimal import Decimal

from cli.stage import ASK, BID, DEEP, S, set_stage
from engine.chart.journey import Hop
from engine.chart.model import Flow
from engine.review.words import event_text, given_text
from engine.runtime.loop import VirtualLoop
from engine.trading.desk import CHART
from engine.trading.effects import CancelOrder, Effect, Moved, PlaceOrder
from engine.trading.inputs import Counted, Input, NotSent, Request, TimerFired
from engine.trading.inquiry import OWNER as INQUIRY
from engine.trading.intake import DESK
from engine.verify.script import Line, Script
from engine.verify.situation import MARKET_OPEN, MARKET_SHUT
from exchanges.led import Led, LedClient
from exchanges.market import MarketQuote, MarketTrade
from exchanges.paper import PaperClient
from exchanges.types import (
    Accepted,
    Fill,
    FillKind,
    Liquidity,
    OrderState,
    OrderType,
    OrderUpdate,
    Refusal,
    Refused,
    Side,
    Unknown,
)

MS = 1_000_000
BREATH_S = 0.001  # virtual time for one thing to run its course
OVER_NS = 1_000  # a moment behind the end of a wait


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """`steps` went as written; `why` is empty where the script's end was reached as it says.

    `hops` are the moves of the chart, `told` what happened in words, a line each, both from the flow's start.
    """

    steps: int
    why: str
    open_at_end: Decimal
    hops: tuple[Hop, ...]
    told: tuple[str, ...]

    @property
    def same(self) -> bool:
        return not self.why


class Draws:
    """The script's choices for both streams of the desk."""

    def __init__(self, script: Script) -> None:
        self._left = list(script.draws)

    def below(self, n: int) -> int:
        return self._left.pop(0) if self._left else 0

    def between(self, low: int, high: int) -> int:
        return high if low < high and self.below(2) else low

    def take_draws(self) -> list[int]:
        return []


def rehearse(flow: Flow, script: Script) -> Rehearsed:
    """Raises: FlowError where the script's settings do not fit the flow."""
    with asyncio.Runner(loop_factory=VirtualLoop) as loop:
        return loop.run(_Rehearsal(flow, script).run())


class _Off(Exception):
    """The run went another way than the script."""


class _Rehearsal:
    def __init__(self, flow: Flow, script: Script) -> None:
        self._script = script
        self._flow = flow
        self._orders: list[Led] = []
        self._leaf = ""  # where the chart stands after the newest step
        self._fired: deque[tuple[TimerFired, str]] = deque()  # that no line has named yet, and where they came
        self._news = asyncio.Event()
        self._leaves = {leaf.lower(): leaf for leaf in flow.leaves}  # moves are told in small letters
        self._hops: list[Hop] = []
        self._told: list[str] = []
        self._liquidations = 0

    async def run(self) -> Rehearsed:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self._clock = loop.clock
        self._clock_began_ns = loop.clock.now_ns()
        draws = Draws(self._script)
        stage = set_stage(
            self._flow, self._script.bounds, clock=loop.clock, chance={"taker": draws, "hold": draws}, drawn=draws,
            latency_ns=0,
            stand_between=lambda inner: LedClient(inner, self._orders), traces=[self._seen],
        )  # fmt: skip
        self._stage, self._plan, self._venues = stage, stage.plan, stage.venues
        self._desk, self._runner = stage.desk, stage.runner
        self._clients = {name: client for name, client in stage.clients.items() if isinstance(client, LedClient)}
        running = asyncio.create_task(self._runner.run())
        for venue in self._venues.values():
            venue.start()
        done = 0
        try:
            await self._begun()
            for done, line in enumerate(self._script.lines, start=1):  # noqa: B007 counted for the result
                await self._do(line)
            why = self._end()
        except _Off as off:
            why, done = f"step {max(done, 1)}: {off}", max(0, done - 1)
        finally:
            if not running.done():
                self._runner.stop(3)
            for client in self._clients.values():
                client.led = False
            await running
        return Rehearsed(done, why, self._stage.open_at_venues(), tuple(self._hops), tuple(self._told))

    async def _begun(self) -> None:
        for client in self._clients.values():
            client.led = False
        while not self._orders:
            await asyncio.sleep(BREATH_S)
        for client in self._clients.values():
            client.led = True
        self._fired.clear()
        self._leaf = self._desk.state

    def _seen(self, seq: int, at_ns: int, given: Input, effects: list[Effect]) -> None:
        self._tell(at_ns, given, effects)
        before, self._leaf = self._leaf, self._desk.state
        if not isinstance(given, TimerFired) or given.owner == DESK:
            return
        if given.name == "resync" and self._desk.world.links.all_trusted:
            return  # of the start, when all was connected; it decides nothing any more
        self._fired.append((given, before))
        self._news.set()

    def _tell(self, at_ns: int, given: Input, effects: list[Effect]) -> None:
        """What a step was given and did; steps that did nothing and brought nothing are left out."""
        done = [words for effect in effects if (words := self._deed(effect, at_ns))]
        if done or isinstance(given, Fill):
            since_ms = (at_ns - self._clock_began_ns) // MS
            self._told.append(f"{since_ms:>7} ms  {given_text(given)}")
            self._told.extend(f"{'':13}{words}" for words in done)

    def _deed(self, effect: Effect, at_ns: int) -> str:
        match effect:
            case Moved():
                source = self._leaves.get(effect.source, effect.source)
                target = None if effect.target is None else self._leaves.get(effect.target, effect.target)
                self._hops.append(Hop(at_ns, source, effect.event, target))
                return "" if target is None else f"{source} -> {target} ({event_text(effect.event)})"
            case PlaceOrder(request=it):
                price = "market" if it.price is None else f"at {it.price}"
                return f"order {it.client_id}: {it.account} {it.side.value} {it.qty} {price}, {effect.purpose.value}"
            case CancelOrder():
                return f"cancel {effect.client_id} of {effect.account}"
            case _:
                return ""

    # --- one step

    async def _do(self, line: Line) -> None:
        if line.do == "timer":
            await self._timer(line)
        elif self._fired:
            raise _Off(f"timer {self._fired[0][0].name} came before {line.do}")
        else:
            await self._happen(line)
        await asyncio.sleep(BREATH_S)
        leaf = self._fired[0][1] if self._fired else self._desk.state  # a timer of no length may have fired meanwhile
        if leaf != line.state:
            raise _Off(f"after {line.do} the chart is in {leaf}, not in {line.state}")

    async def _timer(self, line: Line) -> None:
        while not self._fired:
            self._news.clear()
            await self._news.wait()
        fired, _ = self._fired.popleft()
        owner, _, name = line.detail.partition(" ")
        wanted = (CHART, line.detail) if owner not in (INQUIRY, "hedging") else (owner, name)
        if line.order and owner == INQUIRY:
            wanted = (INQUIRY, self._orders[line.order - 1].request.client_id)
        if (fired.owner, fired.name) != wanted:
            raise _Off(f"timer {fired.name} came before {line.detail}")

    async def _happen(self, line: Line) -> None:
        led = self._orders[line.order - 1] if line.order and line.order <= len(self._orders) else None
        if line.order and led is None:
            raise _Off(f"the run has made {len(self._orders)} orders, not {line.order}")
        client = self._clients.get(line.account)
        match line.do, led:
            case "accepted", Led():
                led.client.slow = line.detail == "frame late"
                self._submit(led, Accepted(""))
                await asyncio.sleep(BREATH_S)
                led.client.slow = False
            case "ack lost", Led():
                led.client.slow = True
                self._submit(led, Unknown("the script loses the answer"))
                await asyncio.sleep(BREATH_S)
                led.client.slow = False
            case "taken", Led():
                await self._taken(led, line)
            case "arrives late", Led():
                led.client.slow = line.detail == "frames late"
                led.client.inner.submit(led.request, _nobody)
                await asyncio.sleep(BREATH_S)
                led.client.slow = False
            case (("refused" | "refuses from now on"), Led()):
                led.answer(Refused(Refusal(line.detail or "margin"), "the script refuses"))
            case "given up", Led():
                led.answer(Unknown("the script loses the request"))
            case (("request lost" | "request late"), Led()):
                pass  # nobody knows of it yet
            case "filled", Led():
                await self._filled(led, line)
            case (("canceled" | "cancel refused" | "cancel lost" | "cancel noted" | "cancel too late"), Led()):
                await self._cancel(led, line)
            case (("looked" | "look fails"), Led()):
                asked = led.client.questions.get(led.request.client_id, [])
                if not asked:
                    raise _Off(f"nobody asks about order {line.order}")
                asked.pop(0).set_result(line.do == "looked")
            case "not sent", Led():
                self._runner.handle(NotSent(led.request.client_id, Request.PLACE, "the script drops it"))
            case (("positions read" | "reading fails"), _):
                if line.detail == "not quiet":
                    self._move_elsewhere()
                for one in self._clients.values():
                    if one.readings:
                        one.readings.pop(0).set_result(line.do == "positions read")
            case "frame arrives", _ if client is not None and client.queue:
                client.deliver()
            case "disconnected", _ if client is not None:
                client.lose(self._clock.now_ns())
            case "reconnected", _ if client is not None:
                symbol = self._plan.accounts[line.account].instrument.symbol
                await client.resync(symbol, self._clock.now_ns(), states_first=line.detail == "states first")
            case "venue cancels", Led():
                led.client.inner.submit_cancel(led.request.symbol, led.request.client_id, _nobody)
            case "liquidated", _ if client is not None:
                client.tell_or_keep(self._liquidation(line.account))
            case (("market closes" | "market opens"), _):  # as a market guard says it
                self._runner.handle(MARKET_SHUT if line.do == "market closes" else MARKET_OPEN)
            case "validity over", Led():
                await self._until(self._desk.world.orders.all[led.request.client_id].dead_after_ns)
            case "wait over", _:
                await self._until(self._desk.world.slice_waits[line.account][1])
            case "compared", _:
                await self._compare(quiet=not line.detail)
            case "stop asked", _:
                self._runner.stop(line.qty)
            case _:
                raise _Off(f'"{line.do}" cannot be led')

    def _submit(self, led: Led, told: Accepted | Unknown) -> None:
        led.answer(told) if isinstance(told, Unknown) else None
        led.client.inner.submit(led.request, _nobody if isinstance(told, Unknown) else led.answer)

    async def _taken(self, led: Led, line: Line) -> None:
        led.client.slow = line.detail == "frames late"
        if line.qty:
            self._show(led, line.qty)
            led.client.inner.submit(led.request, led.answer)
            await asyncio.sleep(BREATH_S)
            self._show(led, DEEP)
        else:
            led.answer(Accepted(""))
            led.client.tell(self._ended(led, Decimal(0)))
        led.client.slow = False

    async def _filled(self, led: Led, line: Line) -> None:
        led.client.slow = line.detail == "frame late"
        led.client.twice = line.detail == "told twice"
        self._trade(led, line.qty)
        await asyncio.sleep(BREATH_S)
        led.client.slow = led.client.twice = False

    async def _until(self, at_ns: int) -> None:
        await asyncio.sleep(max(0, at_ns + OVER_NS - self._clock.now_ns()) / S)

    async def _compare(self, *, quiet: bool) -> None:
        """The periodic comparison, now: its timer runs in minutes."""
        held = [position for one in self._clients.values() for position in await one.inner.get_account_positions()]
        self._runner.handle(Counted(0, ok=True, quiet=quiet, positions=tuple(held), margins=()))

    def _move_elsewhere(self) -> None:
        """A fill on another market of the account: no business of the desk, but no quiet cut (S17)."""
        account, client = next(iter(self._clients.items()))
        spec = self._plan.accounts[account].instrument
        client.tell(
            Fill(
                spec.venue, account, "ELSEWHERE", "", "", "elsewhere", Side.BUY, Decimal(1), spec.tick, Decimal(0),
                spec.quote, Liquidity.TAKER, 0, self._clock.now_ns(),
            )
        )  # fmt: skip

    def _liquidation(self, account: str) -> Fill:
        """The venue closes the position, and books it so."""
        spec = self._plan.accounts[account].instrument
        inner = self._clients[account].inner
        assert isinstance(inner, PaperClient)
        held = inner.balances.holding(spec.symbol).qty
        side = Side.SELL if held > 0 else Side.BUY
        price = spec.tick * (BID if held > 0 else ASK)
        inner.balances.settle(spec.symbol, price)
        now_ns = self._clock.now_ns()
        self._liquidations += 1
        return Fill(
            spec.venue, account, spec.symbol, "", "liquidation", f"l{self._liquidations}", side, abs(held), price,
            Decimal(0), spec.quote, Liquidity.TAKER, now_ns // MS, now_ns, FillKind.LIQUIDATION,
        )  # fmt: skip

    async def _cancel(self, led: Led, line: Line) -> None:
        if not led.cancels:
            raise _Off(f"nobody cancels order {line.order}")
        client, request = led.client, led.request
        match line.do, line.detail:
            case "cancel refused", "rate":
                led.answer_cancel(Refused(Refusal.RATE, "the script refuses"))
            case "cancel lost", _:
                led.answer_cancel(Unknown("the script loses the request"))
            case "cancel noted", _:
                led.cancels.append(_nobody)
                led.answer_cancel(Accepted(""))
            case "canceled", "before it tells of a fill":
                known = self._desk.world.orders.all[request.client_id].done_qty
                client.slow = True
                self._trade(led, line.qty)
                await asyncio.sleep(BREATH_S)
                client.inner.submit_cancel(request.symbol, request.client_id, _nobody)
                await asyncio.sleep(BREATH_S)
                client.slow = False
                client.queue = [it for it in client.queue if not isinstance(it, OrderUpdate)]
                client.tell(self._ended(led, known))
                led.answer_cancel(Accepted(""))
            case _:
                client.slow = line.detail == "frame late"
                lost = line.detail == "reply lost"
                client.inner.submit_cancel(
                    request.symbol, request.client_id,
                    lambda reply: led.answer_cancel(Unknown("the script loses the reply") if lost else reply),
                )  # fmt: skip
                await asyncio.sleep(BREATH_S)
                client.slow = False

    # --- the market

    def _lots(self, led: Led, qty: int) -> int:
        return int(qty / self._plan.accounts[led.client.account].instrument.lot)

    def _show(self, led: Led, qty: int) -> None:
        lots = DEEP if qty == DEEP else self._lots(led, qty)
        self._venues[led.client.account].happen(led.request.symbol, MarketQuote(0, BID, lots, ASK, lots))

    def _trade(self, led: Led, qty: int) -> None:
        request = led.request
        assert request.type is OrderType.LIMIT
        assert request.price is not None
        ticks = int(request.price / self._plan.accounts[request.account].instrument.tick)
        taker = Side.SELL if request.side is Side.BUY else Side.BUY
        trade = MarketTrade(0, taker, ticks, self._lots(led, qty))
        self._venues[request.account].happen(request.symbol, trade)

    def _ended(self, led: Led, cum: Decimal) -> OrderUpdate:
        it = led.request
        return OrderUpdate(
            it.account, it.symbol, it.client_id, "", it.side, it.qty, OrderState.CANCELED, cum, it.price, 0,
            self._clock.now_ns(),
        )  # fmt: skip

    # --- the end

    def _end(self) -> str:
        script, world = self._script, self._desk.world
        covered = sum((it.side.sign * it.remaining for it in world.orders.covering.values()), Decimal(0))
        compared = (
            ("is open at the venues", self._stage.open_at_venues(), script.open_at_end),
            ("is what the desk counts as open", world.exposure, script.counted_at_end),
            ("is what orders in flight may take off", covered, script.covered_at_end),
        )
        return "; ".join(f"{found} {what}, not {wanted}" for what, found, wanted in compared if found != wanted)


def _nobody(_: object) -> None:
    """A reply that the script does not pass on."""
