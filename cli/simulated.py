"""A simulated world and a process in it: venue models, adapters, journal and runner of one seed, in virtual time.

Beside `wiring.py`, which does the same for a run that a person starts. Everything is made anew for each seed and
nothing is shared between two: neither a clock nor a socket, a thread or the machine's chance.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from cli.client_wiring import listed_by, open_clients
from cli.record import desk_of_run, run_start
from cli.simulate_story import Story
from cli.venue_wiring import KINDS
from cli.wiring import Setup, plan_of, watch_of
from engine.chart.model import Flow
from engine.runtime.audit import audit
from engine.runtime.chance import Chance, Stream
from engine.runtime.clock import GapWatch, S, VirtualClock
from engine.runtime.config import Config, VenueConfig, load_config
from engine.runtime.credentials import NUMBERS, Reference
from engine.runtime.replay import replay
from engine.runtime.runner import Runner
from engine.runtime.secrets import Secret
from engine.runtime.simulate.guarded import inside
from engine.runtime.simulate.journal import SimulatedJournal
from engine.runtime.simulate.outcome import Outcome, Played
from engine.runtime.simulate.process import ProcessClock, ProcessLoop
from engine.runtime.simulate.scenario import MAKER, Scenario, VenueDraw
from engine.runtime.simulate.trace import TraceHash
from engine.runtime.simulate.witness import Bounds, Witness
from engine.runtime.venue_audit import audit_venue
from engine.runtime.venue_ledger import read_venue_ledger
from engine.trading.desk import Desk
from engine.trading.effects import Effect
from engine.trading.inputs import Input, Started
from exchanges.synthetic import SyntheticMarket, demo_instrument
from exchanges.types import Clock, Fill
from exchanges.venues.exchange import Exchange
from exchanges.venues.faults import FaultPlan, FaultRule, Faults
from exchanges.venues.ledger import Ledger, VenueOrder
from exchanges.venues.ledger_page import ledger_page
from exchanges.venues.local import LocalVenue
from exchanges.venues.memory import MemoryTransport

MARKET = "ETH-PERP"
CASH = Decimal(10_000)
TIER = "premium"  # the other one allows sixty requests a minute: no round would end
ORDERS_PER_MINUTE = 600
RUN = 1
ROUND_S = 60  # a run that takes longer for its rounds is asked to stop, which it should never be
HOME_S = 30  # with all faults switched off, a stop must end flat within this
SQUEEZE_S = 60  # between the steps of a stop that is not obeyed
TRADES = SyntheticMarket(quote_interval_ns=250_000_000, move_permille=100, trade_permille=950)
HIDING = frozenset(
    {
        "frame_lost", "frame_late", "frame_swapped", "frame_garbled", "stream_cut", "stream_stalled", "streams_cut",
        "streams_stalled", "maintenance", "rate_limited",
    }
)  # fmt: skip
HIDDEN_NS = 30 * S  # how long after one of these a fill may be told late, with all that follows from it


class _TellingLedger(Ledger):
    """A venue's ledger that tells of each order and fill as it comes."""

    def __init__(self, world: SimulatedWorld) -> None:
        super().__init__()
        self._world = world

    def add_order(self, order: VenueOrder) -> None:
        super().add_order(order)
        self._world.witness.order_came(order.account, order.client_id)

    def add_fill(self, fill: Fill) -> None:
        super().add_fill(fill)
        self._world.executed(fill)


@dataclass(frozen=True, slots=True)
class SimulatedVenue:
    """One venue of a world."""

    kind: str
    exchange: Exchange
    model: LocalVenue
    faults: Faults

    def positions(self) -> Mapping[str, Decimal]:
        (symbol,) = self.exchange.markets
        return {name: account.balances.holding(symbol).qty for name, account in self.exchange.accounts.items()}

    def open_orders(self) -> int:
        return sum(len(account.open) for account in self.exchange.accounts.values())


class SimulatedWorld:
    """Venues, network and truth of one seed. It outlives the processes that trade in it."""

    native = False  # as a `Network`: no native signer, whose signatures differ from run to run

    def __init__(
        self, scenario: Scenario, plan: FaultPlan, *, bounds: Bounds, story: Story | None = None
    ) -> None:  # fmt: skip
        venue_plan, process_plan = plan.of_venues(), plan.of_process()
        self.scenario = scenario
        self.clock = VirtualClock()
        self.trace = TraceHash(self.clock.now_ns)
        self.played: list[Played] = []
        self.venues: dict[str, SimulatedVenue] = {}
        self.secrets: dict[str, str] = {}
        self.life: Life | None = None
        self.story = story
        self.witness = Witness(self.clock.now_ns, bounds=bounds, hidden=self._hidden)
        self._transports: list[MemoryTransport] = []
        self._hidden_ns = -HIDDEN_NS
        for number, venue in enumerate(scenario.venues):
            self.venues[venue.name] = self._open(venue, venue_plan, number)
        self._process_faults = Faults(
            process_plan, venue="", clock=self.clock, rng_of=lambda purpose: Stream(scenario.seed, purpose),
            heard=lambda rule, _: self._note("", rule, ""),
        )  # fmt: skip
        self._process_faults.off = True
        self.witness.watch(list(self.venues.values()))

    def _open(self, venue: VenueDraw, plan: FaultPlan, number: int) -> SimulatedVenue:
        seed, kind = self.scenario.seed, KINDS[venue.kind]
        source = TRADES.events(walk=Stream(seed, "walk"), flow=Stream(seed, f"flow/{venue.name}"))
        plain = replace(demo_instrument(venue.name), market=MARKET)
        coarse = replace(plain, lot=plain.lot * venue.lot, min_qty=plain.min_qty * venue.lot)
        instrument = kind.instrument(coarse, TIER)
        exchange = Exchange(
            venue.name, [instrument], sources={instrument.symbol: _in_lots(source, venue.lot)}, clock=self.clock,
            first_order_id=kind.first_order_id + number * 100_000_000,
        )  # fmt: skip
        exchange.ledger = _TellingLedger(self)
        for account in venue.accounts:
            exchange.open_account(account, cash=CASH, owner=self.owner(account))
        faults = Faults(
            plan, venue=venue.name, clock=self.clock, rng_of=lambda purpose: Stream(seed, purpose),
            heard=lambda rule, account: self._note(venue.name, rule, account),
        )  # fmt: skip
        faults.off = True  # until a process trades
        return SimulatedVenue(venue.kind, exchange, kind.open(exchange, faults, TIER), faults)

    @staticmethod
    def owner(account: str) -> str:
        return "eagle" if account == MAKER else account

    def start(self) -> None:
        """Open the markets; a venue answers only then."""
        for venue in self.venues.values():
            venue.model.start()
        self._process_faults.start(self._strike)

    def executed(self, fill: Fill) -> None:
        """A venue has executed something."""
        if self.story is not None:
            self.story.executed(self.clock.now_ns(), fill.venue, fill)
        self.witness.filled(fill)

    def stepped(self, seq: int, at_ns: int, given: Input, effects: list[Effect]) -> None:
        """The process has taken a step."""
        self.trace.stepped(seq, at_ns, given, effects)
        self.witness.stepped(seq, at_ns, given, effects)
        if self.story is not None:
            self.story.stepped(seq, at_ns, given, effects)
            self.story.over = bool(self.witness.violations)
        if type(given) is Fill:
            self._process_faults.on_fill(given.account, given.symbol, self._strike)

    # --- faults

    def let_fail(self, on: bool) -> None:
        for venue in self.venues.values():
            venue.faults.off = not on
        self._process_faults.off = not on

    def _strike(self, rule: FaultRule) -> None:
        """Play a fault of the process."""
        life = self.life
        if life is None or life.over:
            return
        match rule.fault:
            case "suspended":
                life.clock.pause(rule.for_ns)
            case "clock_set":
                life.clock.wall_skew_ms += rule.by_ms
                self._after(rule, lambda: life.set_clock_back(rule.by_ms))
            case "stop_asked":
                life.stop(rule.level)
            case "disk_full":
                life.journal.fill_disk()
                self._after(rule, life.journal.free_disk)
            case "disk_slow":
                life.write_ns = rule.delay_ns
                self._after(rule, life.write_quickly)

    def _after(self, rule: FaultRule, end: Callable[[], None]) -> None:
        if rule.for_ns:
            self.clock.call_at(self.clock.now_ns() + rule.for_ns, end)

    def _note(self, venue: str, rule: FaultRule, account: str) -> None:
        state = "start" if self.life is None else self.life.state
        now_ns = self.clock.now_ns()
        self.played.append(Played(now_ns, rule.fault, venue, account, state))
        self.trace.heard(f"! {rule.fault} {venue} {account}", b"")
        if self.story is not None:
            self.story.faulted(now_ns, venue, account, rule.fault)
        if rule.fault in HIDING:
            self._hidden_ns = now_ns + rule.for_ns + rule.delay_ns

    def _hidden(self, since_ns: int) -> bool:
        return self.clock.now_ns() - self._hidden_ns < HIDDEN_NS

    # --- the network of a process

    def transport(self, venue: VenueConfig, clock: Clock) -> MemoryTransport:
        low, high = (ms * 1_000_000 for ms in self.scenario.way_ms)
        chance = Stream(self.scenario.seed, f"way/{len(self._transports)}")
        assert isinstance(clock, ProcessClock)

        def way_ns() -> int:
            """What is sent by a process that stands still leaves when it goes on."""
            return chance.between(low, high) + clock.left_ns

        made = MemoryTransport(
            {_host(number): it.model for number, it in enumerate(self.venues.values())}, world=self.clock,
            process=clock, way_ns=way_ns, heard=self.trace.heard,
        )  # fmt: skip
        self._transports.append(made)
        return made

    def resolve(self, reference: Reference, *, what: str) -> Secret:
        return Secret(reference.name if reference.source == "number" else self.secrets[reference.name])

    def config_text(self) -> str:
        """The config of a person who trades on these venues."""
        symbols = {name: next(iter(it.exchange.markets)) for name, it in self.venues.items()}
        lines = [
            "version: 1", f"market: {MARKET}", "markets:",
            f"  {MARKET}: {{{', '.join(f'{name}: {symbol}' for name, symbol in symbols.items())}}}", "venues:",
        ]  # fmt: skip
        for number, (name, it) in enumerate(self.venues.items()):
            lines.append(f'  {name}: {{kind: {it.kind}, url: "http://{_host(number)}"}}')
        lines.append("accounts:")
        for name, it in self.venues.items():
            for account in it.exchange.accounts:
                lines += [f"  - name: {account}", f"    venue: {name}", f"    owner: {self.owner(account)}"]
                lines += ["    credentials:", *self._credential_lines(it, account)]
        lines += ["use:", f"  maker: {MAKER}", f"  takers: [{', '.join(self.scenario.takers)}]", "settings:"]
        lines += [f"  {name}: {value}" for name, value in self.scenario.settings.items()]
        lines += ["limits:", f"  orders_per_minute: {ORDERS_PER_MINUTE}", "  max_loss_run: 1000"]
        return "\n".join(lines) + "\n"

    def _credential_lines(self, venue: SimulatedVenue, account: str) -> list[str]:
        lines = []
        for field, value in KINDS[venue.kind].credentials(venue.exchange, account).items():
            if field in NUMBERS:
                lines.append(f"      {field}: {value}")
            else:
                key = f"{venue.exchange.name}_{account}_{field}".upper()
                self.secrets[key] = value
                lines.append(f'      {field}: {{secret: "env:{key}"}}')
        return lines


def _host(number: int) -> str:
    return f"127.0.0.1:{number + 1}"


def _in_lots(source: Any, lot: int) -> Any:
    """A market's sizes in coarser lots."""
    return source if lot == 1 else (_coarser(event, lot) for event in source)


def _coarser(event: Any, lot: int) -> Any:
    sizes = ("bid_lots", "ask_lots") if hasattr(event, "bid_lots") else ("lots",)
    return event._replace(**{name: max(1, getattr(event, name) // lot) for name in sizes})


# --- one life


class Life:
    """A process that trades in a world, from its start to its end."""

    def __init__(self, world: SimulatedWorld, path: Path) -> None:
        self.clock = ProcessClock(world.clock)
        self.journal = SimulatedJournal(path, written=self._written)
        self.write_ns = 0  # how long each write takes
        self.desk: Desk | None = None
        self.runner: Runner | None = None

    @property
    def over(self) -> bool:
        return self.runner is None or self.runner.ending is not None

    @property
    def state(self) -> str:
        """The phase of the flow."""
        return "start" if self.desk is None else self.desk.state.partition(".")[0]

    def stop(self, level: int) -> None:
        if self.runner is not None and self.runner.ending is None:
            self.runner.stop(level)

    def set_clock_back(self, by_ms: int) -> None:
        self.clock.wall_skew_ms -= by_ms

    def write_quickly(self) -> None:
        self.write_ns = 0

    def _written(self) -> None:
        """A disk that takes its time holds up the whole process: the journal writes on the loop's thread."""
        if self.write_ns:
            self.clock.pause(self.write_ns)


def simulate(
    flow: Flow, scenario: Scenario, plan: FaultPlan, *, folder: Path, bounds: Bounds, story: Story | None = None
) -> Outcome:
    """One run to its end, judged while it went and after it. `folder` takes its journal."""
    world = SimulatedWorld(scenario, plan, bounds=bounds, story=story)
    config = load_config(world.config_text(), file="simulated.yaml", flow=flow)
    path = folder / f"seed-{scenario.seed}.sqlite"
    path.unlink(missing_ok=True)
    life = Life(world, path)
    order = Stream(scenario.seed, "order") if scenario.shuffled else None
    try:
        with inside(), asyncio.Runner(loop_factory=lambda: ProcessLoop(life.clock, order=order)) as loop:
            lived = loop.run(_live(world, flow, config, life))
    finally:
        life.journal.close()
    _judge(world, flow, path, lived)
    return _outcome(world, lived)


@dataclass(slots=True)
class _Lived:
    exit_code: int
    ending: str
    desk: Desk
    failures: list[BaseException]
    span_ns: int


async def _live(world: SimulatedWorld, flow: Flow, config: Config, life: Life) -> _Lived:
    scenario, witness, clock, journal = world.scenario, world.witness, life.clock, life.journal
    world.start()
    listed = await listed_by(config, clock=clock, resolve=world.resolve, network=world)
    pool = open_clients(
        config, listed.instruments, clock=clock, seed=scenario.seed, resolve=world.resolve, network=world
    )  # fmt: skip
    plan = plan_of(Setup(flow, config, {}, {}, None, listed.price, listed.instruments), pool.accounts)
    chance = Chance(scenario.seed)
    desk = Desk(plan, run=RUN, chance=chance)
    witness.attend(desk)
    life.desk, world.life = desk, life

    def stepped(seq: int, at_ns: int, given: Input, effects: list[Effect]) -> None:
        if type(given) is Started:
            world.let_fail(True)
        world.stepped(seq, at_ns, given, effects)

    runner = Runner(
        desk, pool.clients, symbols={name: it.instrument.symbol for name, it in pool.accounts.items()}, clock=clock,
        watch=watch_of(plan), journal=journal, chance=chance, orders_per_minute=plan.limits.orders_per_minute,
        max_book_age_ns=plan.guards.max_book_age_ns, may_send=desk.objection, traces=[stepped],
        gaps=GapWatch(steady=clock.steady_ns, counting=clock.now_ns),
    )  # fmt: skip
    life.runner = runner
    journal.run_started(
        run_start(plan, config, number=RUN, seed=scenario.seed, speed=None, wall_ms=clock.wall_ms())
    )  # fmt: skip
    start_ns = clock.now_ns()
    _ask_to_stop(world, runner, start_ns)
    exit_code = await runner.run()
    journal.run_ended(exit_code, clock.wall_ms())
    ending = runner.ending.text if runner.ending else ""
    return _Lived(exit_code, ending, desk, runner.failures, clock.now_ns() - start_ns)


def _ask_to_stop(world: SimulatedWorld, runner: Runner, start_ns: int) -> None:
    scenario, witness = world.scenario, world.witness
    planned_s = scenario.stop_after_s
    after_s = planned_s or ROUND_S * scenario.rounds

    def stop() -> None:
        if runner.ending is None:
            if planned_s:
                world.let_fail(False)
            else:
                witness.violate("not_done", f"{scenario.rounds} rounds took more than {after_s} s")
            runner.stop(1)

    def late(level: int) -> None:
        if runner.ending is None:
            if level == 2:
                witness.violate("not_home", f"asked to stop, without a fault since, and not flat within {HOME_S} s")
            runner.stop(level)

    world.clock.call_at(start_ns + after_s * S, stop)
    world.clock.call_at(start_ns + (after_s + HOME_S) * S, late, 2)
    world.clock.call_at(start_ns + (after_s + HOME_S + SQUEEZE_S) * S, late, 3)


# --- the end


def _judge(world: SimulatedWorld, flow: Flow, path: Path, lived: _Lived) -> None:
    """The eight equalities, against the venues' own ledgers."""
    witness = world.witness
    witness.close()
    for failure in lived.failures:
        witness.violate("failed", f"{type(failure).__name__}: {failure}")
    if lived.exit_code:
        witness.violate("ended_badly", f"exit code {lived.exit_code}: {lived.ending}")
    for name, venue in world.venues.items():
        if venue.open_orders():
            witness.violate("left_open", f"{name}: {venue.open_orders()} orders are still open")
        page = ledger_page(venue.exchange, kind=venue.kind, faults=()).body
        compared = audit_venue(path, read_venue_ledger(page, url=name), run=RUN, venue=name)
        for finding in compared.findings:
            witness.violate(finding.code, f"{name}: {finding.text}")
        if compared.foreign:
            witness.violate("order_unknown", f"{name}: {compared.foreign} orders that the journal does not know")
    for finding in audit(path, run=RUN).findings:
        witness.violate(finding.code, finding.text)
    # The other decider, and all that the journal tells: what it does not tell, this desk does not know.
    again = replay(path, partial(desk_of_run, flow=flow, decider="table"), run=RUN)
    if not again.same:
        witness.violate("replay_differs", " ".join(again.lines()))


def _outcome(world: SimulatedWorld, lived: _Lived) -> Outcome:
    witness = world.witness
    return Outcome(
        scenario=world.scenario, digest=world.trace.hexdigest(), exit_code=lived.exit_code, ending=lived.ending,
        rounds=lived.desk.world.round, span_ns=lived.span_ns, steps=world.trace.steps, messages=world.trace.passed,
        fills=witness.fills, hedges=witness.hedges, quiet_cuts=witness.quiet_cuts,
        exposed_ns=max((it.length_ns for it in witness.episodes), default=0), unknown_ns=witness.longest_unknown_ns,
        played=tuple(world.played), violations=tuple(witness.violations),
    )  # fmt: skip
