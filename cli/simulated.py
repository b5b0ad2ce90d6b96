"""The world of a simulated run: venue models, their markets, the network, what goes wrong, and the truth of it all.

Made anew for each seed; nothing is shared between two: neither a clock nor the machine's chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from typing import Any, Protocol

from cli.budgets import Budgets
from cli.locate import CannotUse
from cli.simulate_play import label_of
from cli.simulate_story import Story
from cli.venue_wiring import KINDS
from engine.chart.model import Flow
from engine.runtime.chance import Stream
from engine.runtime.clock import MS, S, VirtualClock
from engine.runtime.config import VenueConfig
from engine.runtime.credentials import NUMBERS, Reference
from engine.runtime.patience import AWAY_LATER_MS
from engine.runtime.secrets import Secret
from engine.runtime.simulate.outcome import Played
from engine.runtime.simulate.process import ProcessClock
from engine.runtime.simulate.scenario import MAKER, Scenario, VenueDraw
from engine.runtime.simulate.trace import TraceHash
from engine.runtime.simulate.witness import Bounds, Witness
from engine.trading.effects import Effect
from engine.trading.inputs import Answered, Input, StopAsked
from engine.trading.plan import RoleSpec, is_hedged
from exchanges.reads import Reads
from exchanges.synthetic import SyntheticMarket, demo_instrument
from exchanges.types import Clock, Fill, Liquidity
from exchanges.venues.bifu.maker import MakerOptions, MarketMaker
from exchanges.venues.exchange import Exchange
from exchanges.venues.faults import START, FaultPlan, FaultRule, Faults
from exchanges.venues.ledger import Ledger, VenueOrder
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
CALM = replace(TRADES, trade_permille=0)  # who is listened to is filled by its own takers alone
HITS = MakerOptions(rate=1, lots_min=5, lots_max=300)
STOCK = Decimal(10_000)
FIRST_SOURCE_ID = 10**17
LISTENING_LIMITS = {
    "max_order": "0.2", "max_position": 100, "max_gross": 100, "max_net": 100, "unhedged_soft": 1, "unhedged_hard": 10,
}  # fmt: skip
HIDING = frozenset(
    {
        "frame_lost", "frame_late", "frame_swapped", "frame_garbled", "stream_cut", "stream_stalled", "streams_cut",
        "streams_stalled", "maintenance", "rate_limited", "keys_refused", "suspended",
    }
)  # fmt: skip
SPENT, COUNTED_NS = "no request left", 60 * S  # a venue counts on for so long what a process asked that has died
EACH_NS = S  # what a fault may cost beside its own length
LASTS_NS: Mapping[str, int] = {"stuck_pending": 9 * S}  # asked about three times and cancelled before it is given up
FREE = frozenset({"filled_in_parts", "frame_twice", "stop_asked"})  # nobody has to wait for what these do
UNHEARD = frozenset({"frame_lost", "frame_garbled", "stream_stalled", "streams_stalled"})
COMPARED_NS = 16 * S  # what a source's stream leaves out is found by the next comparison, and its rows are waited for
HIDDEN_NS = 30 * S  # how long after one of these a fill may be told late, with all that follows from it


class _TellingLedger(Ledger):
    """A venue's ledger that tells of each order and fill as it comes."""

    def __init__(self, world: SimulatedWorld) -> None:
        super().__init__()
        self._world = world
        self._sides: dict[str, Fill] = {}  # the first of each trade of a source

    def add_order(self, order: VenueOrder) -> None:
        super().add_order(order)
        self._world.came(order)

    def add_fill(self, fill: Fill) -> None:
        super().add_fill(fill)
        if fill.account != self._world.scenario.source:
            self._world.executed(fill)
            return
        # What somebody else takes, or trades with itself, is told and hedged by nobody.
        made = fill.liquidity is Liquidity.MAKER
        if fill.trade_id in self._sides:
            if not made:
                self._world.witness.met_itself(self._sides[fill.trade_id], fill)
        elif made:
            self._world.executed(fill)
        else:
            self._world.witness.took(fill)
        self._sides[fill.trade_id] = fill


@dataclass(frozen=True, slots=True)
class SimulatedVenue:
    """One venue of a world."""

    kind: str
    exchange: Exchange
    model: LocalVenue
    faults: Faults

    @property
    def heard(self) -> bool:
        """Is it only listened to?"""
        return KINDS[self.kind].source

    def positions(self) -> Mapping[str, Decimal]:
        (symbol,) = self.exchange.markets
        return {name: account.balances.holding(symbol).qty for name, account in self.exchange.accounts.items()}

    def open_orders(self) -> int:
        return sum(len(account.open) for account in self.exchange.accounts.values())


def covered_ns(spans: Iterable[tuple[int, int]]) -> int:
    """How long at least one of these spans of time lasts."""
    total_ns = over_ns = 0
    for from_ns, until_ns in sorted(spans):
        total_ns += max(0, until_ns - max(from_ns, over_ns))
        over_ns = max(over_ns, until_ns)
    return total_ns


def roles_of(flow: Flow) -> tuple[str, str]:
    """The role of one account and that of several. Raises: CannotUse for a flow that a simulation cannot judge."""
    roles: Mapping[str, RoleSpec] = flow.sections["accounts"].value  # type: ignore[assignment]
    alone = [name for name, role in roles.items() if not role.many]
    pools = [name for name, role in roles.items() if role.many]
    if not is_hedged(flow) or len(alone) != 1 or len(pools) != 1:
        raise CannotUse(
            f"{flow.name}: a simulation judges that every fill is hedged: it plays flows with `hedging:`, one role of"
            " `pick: one` and one of `pick: many`, such as eagle_chicken and hedger; for others there are `eagle test`"
            " and `eagle prove`"
        )
    return alone[0], pools[0]


class Struck(Protocol):
    """A process as the faults of a plan find it."""

    @property
    def state(self) -> str:
        """The phase of the flow."""

    def strike(self, rule: FaultRule) -> Callable[[], None] | None:
        """Suffer a fault; what ends it after its time, if anything does."""


class SimulatedWorld:
    """Venues, network and truth of one seed. It outlives the processes that trade in it."""

    signed = False  # as a `Network`: signatures are stand-ins

    def __init__(
        self, scenario: Scenario, plan: FaultPlan, *, bounds: Bounds, story: Story | None = None
    ) -> None:  # fmt: skip
        venue_plan, process_plan = plan.of_venues(), plan.of_process()
        self.scenario = scenario
        self.clock = VirtualClock()
        self.trace = TraceHash(self.clock)
        self.reads = Reads()
        self.played: list[Played] = []
        self.venues: dict[str, SimulatedVenue] = {}
        self.secrets: dict[str, str] = {}
        self.life: Struck | None = None  # the process that trades now
        self.story = story
        self.witness = Witness(self.clock.now_ns, bounds=bounds, hidden=self._hidden, allowed=self._allowed_ns)
        self._transports: list[MemoryTransport] = []
        self._budgets = Budgets(shared=False)  # venues count on when a process dies, and so does the next one (S11)
        self._hidden_ns = -HIDDEN_NS
        self._quiet = False
        self._phase = ""
        self._starting = False
        self._took: list[tuple[int, int]] = []  # until when a fault lasted, and how long
        self._down_ns = -COUNTED_NS  # when a process died last
        self.without_ns = -S  # when something was not asked or sent last for want of a request
        self.starved_for_ns = 0  # for how long in all
        self.starved_ns = 0  # until when what it had asked may have left no request to the next one
        self._source: MarketMaker | None = None
        self._heard = False  # what it filled before somebody listened is nobody's to hedge (S1)
        for number, venue in enumerate(scenario.venues):
            self.venues[venue.name] = self._open(venue, venue_plan, number)
        self._process_faults = Faults(
            process_plan, venue="", clock=self.clock, rng_of=lambda purpose: Stream(scenario.seed, purpose),
            heard=lambda rule, _: self._note("", rule, ""), phase=self._state,
        )  # fmt: skip
        self._process_faults.off = True
        self.witness.watch(list(self.venues.values()), source=scenario.source)

    def _open(self, venue: VenueDraw, plan: FaultPlan, number: int) -> SimulatedVenue:
        seed, kind = self.scenario.seed, KINDS[venue.kind]
        trades = CALM if kind.source else TRADES
        source = trades.events(walk=Stream(seed, "walk"), flow=Stream(seed, f"flow/{venue.name}"))
        plain = replace(demo_instrument(venue.name), market=MARKET)
        coarse = replace(plain, lot=plain.lot * venue.lot, min_qty=plain.min_qty * venue.lot)
        instrument = kind.instrument(coarse, TIER)
        exchange = Exchange(
            venue.name, [instrument], sources={instrument.symbol: _in_lots(source, venue.lot)}, clock=self.clock,
            first_order_id=(kind.first_order_id or FIRST_SOURCE_ID) + number * 100_000_000,
        )  # fmt: skip
        exchange.ledger = _TellingLedger(self)
        for account in venue.accounts:
            stock = {instrument.symbol: STOCK} if kind.source else {}
            exchange.open_account(
                account, cash=CASH * (STOCK if kind.source else 1), owner=self.owner(account), base=stock
            )
        faults = Faults(
            plan, venue=venue.name, clock=self.clock, rng_of=lambda purpose: Stream(seed, purpose),
            heard=lambda rule, account: self._note(venue.name, rule, account), phase=self._state,
        )  # fmt: skip
        faults.off = True  # until a process trades
        if kind.source:
            self._source = MarketMaker(
                exchange, exchange.accounts[self.scenario.source], [exchange.markets[instrument.symbol]],
                Stream(seed, "source"), HITS, faults,
            )  # fmt: skip
        if kind.open_simulated is not None:
            return SimulatedVenue(venue.kind, exchange, kind.open_simulated(exchange, faults), faults)
        return SimulatedVenue(venue.kind, exchange, kind.open(exchange, faults, TIER), faults)

    def owner(self, account: str) -> str:
        if self.scenario.source:
            return "maker" if account == self.scenario.source else "me"
        return "eagle" if account == MAKER else account

    def start(self) -> None:
        """Open the markets; a venue answers only then."""
        for venue in self.venues.values():
            venue.model.start()
        self._process_faults.start(self._strike)

    def traded(self) -> list[tuple[str, SimulatedVenue]]:
        """The venues that a process trades on."""
        return [(name, venue) for name, venue in self.venues.items() if not venue.heard]

    def came(self, order: VenueOrder) -> None:
        """A venue has accepted an order."""
        venue = next(it for it in self.venues.values() if order.account in it.exchange.accounts)
        beside = [it.client_id for it in venue.exchange.accounts[order.account].open.values()]
        self.witness.order_came(order.request, beside)

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
        if self._state() != self._phase:
            self._begin_phase(self._state())
        told = given.reply if type(given) is Answered else given
        self.said(getattr(told, "text", ""))
        if self._source is not None and type(given) is StopAsked:
            self._source.stop()  # what it filled from here on the next run would be told
        if type(given) is Fill:
            self._process_faults.on_fill(given.account, given.symbol, self._strike)

    def said(self, text: str) -> None:
        """What the process says: for want of requests, after a death, everything may take a minute longer (S11)."""
        if SPENT not in text:
            return
        self.without_ns, until_ns = self.clock.now_ns(), self._down_ns + COUNTED_NS
        if self.clock.now_ns() < until_ns != self.starved_ns:
            self.starved_ns = until_ns
            self.starved_for_ns += COUNTED_NS
            self._took.append((until_ns, COUNTED_NS))

    # --- faults

    def let_fail(self, on: bool) -> None:
        """Faults act from now on, or no longer; after `end_faults` never again.

        Who is listened to is filled from the first time on.
        """
        if on and self._source is not None and not self._heard:
            self._heard = True
            self._source.start()
        on, self._starting = on and not self._quiet, False
        for venue in self.venues.values():
            venue.faults.off, venue.faults.only = not on, ""
        self._process_faults.off = not on

    def let_start_fail(self) -> None:
        """A process that died comes up again: until it trades, only faults of a start act."""
        self._starting = not self._quiet
        for venue in self.venues.values():
            venue.faults.off, venue.faults.only = not self._starting, START
        if self._starting:
            self._begin_phase(START)

    def _state(self) -> str:
        return START if self.life is None or self._starting else self.life.state

    def _begin_phase(self, phase: str) -> None:
        self._phase = phase
        for venue in self.venues.values():
            venue.model.phase_began(phase)
        self._process_faults.on_phase(phase, self._strike)

    def end_faults(self) -> None:
        self._quiet = True
        self.let_fail(False)

    def _strike(self, rule: FaultRule) -> None:
        """Play a fault of the process, and end it after `for`."""
        if self.life is not None:
            end = self.life.strike(rule)
            if end is not None and rule.for_ns:
                self.clock.call_at(self.clock.now_ns() + rule.for_ns, end)

    def effect(self) -> FaultRule | None:
        """The process is about to do something, or has just done it: does it die here?"""
        return self._process_faults.on_effect()

    def _allowed_ns(self, since_ns: int) -> int:
        """How much longer than after no fault something may take that began then: as long as the faults took."""
        now_ns = self.clock.now_ns()
        spans = [
            (max(until_ns - took_ns, since_ns), min(until_ns, now_ns))
            for until_ns, took_ns in self._took
            if until_ns >= since_ns
        ]
        return covered_ns(spans) + len(spans) * EACH_NS

    @property
    def calm_from_ns(self) -> int:
        """When the last fault that was played is over, though no other may begin any more."""
        return max((until_ns for until_ns, _ in self._took), default=0)

    def was_down(self, since_ns: int) -> None:
        """A process that died unwinds in the world's time: until now nobody could do anything."""
        now_ns = self.clock.now_ns()
        self._took.append((now_ns, now_ns - since_ns))
        self._down_ns = since_ns

    def _note(self, venue: str, rule: FaultRule, account: str) -> None:
        now_ns = self.clock.now_ns()
        kind = self.venues[venue].kind if venue else ""
        took_ns = LASTS_NS.get(rule.fault, 0) or rule.for_ns + rule.delay_ns
        if rule.phase == START:
            took_ns += AWAY_LATER_MS * MS
        if rule.fault in UNHEARD and self.venues[venue].heard:
            took_ns += COMPARED_NS
        self.played.append(Played(now_ns, rule.fault, label_of(rule, kind), venue, account, self._state(), took_ns))
        self.trace.heard(f"! {rule.fault} {venue} {account}", b"")
        if self.story is not None:
            self.story.faulted(now_ns, venue, account, rule.fault)
        if rule.fault not in FREE:
            self._took.append((now_ns + took_ns, took_ns))
        if rule.phase not in ("", START):
            self.end_faults()  # it is the only one of its run, also where two venues could play it
        if rule.fault in HIDING:
            self._hidden_ns = now_ns + rule.for_ns + rule.delay_ns

    def _hidden(self, since_ns: int) -> bool:
        return self.clock.now_ns() - self._hidden_ns < HIDDEN_NS

    # --- the network of a process

    def budgets(self) -> Budgets:
        return self._budgets.of_next()

    def transport(self, venue: VenueConfig, clock: Clock) -> MemoryTransport:
        low, high = (ms * 1_000_000 for ms in self.scenario.way_ms)
        draw = Stream(self.scenario.seed, f"way/{len(self._transports)}").often(low, high)
        assert isinstance(clock, ProcessClock)

        def way_ns() -> int:
            """What is sent by a process that stands still leaves when it goes on."""
            return draw() + clock.left_ns if clock.until_ns else draw()

        made = MemoryTransport(
            {_host(number): it.model for number, it in enumerate(self.venues.values())}, world=self.clock,
            process=clock, way_ns=way_ns, heard=self.trace.heard, reads=self.reads,
        )  # fmt: skip
        self._transports.append(made)
        return made

    def bury(self, clock: ProcessClock) -> None:
        """A process has died: nothing leaves it any more, and nothing reaches it."""
        for transport in self._transports:
            if transport.process is clock:
                transport.abandon()

    def resolve(self, reference: Reference, *, what: str) -> Secret:
        return _secret(reference.name if reference.source == "number" else self.secrets[reference.name])

    def config_text(self, flow: Flow) -> str:
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
        alone, pool = roles_of(flow)
        lines += ["use:", f"  {alone}: {MAKER}", f"  {pool}: [{', '.join(self.scenario.takers)}]", "settings:"]
        lines += [f"  {name}: {value}" for name, value in self.scenario.settings.items()]
        lines += ["limits:", f"  orders_per_minute: {ORDERS_PER_MINUTE}"]
        limits = LISTENING_LIMITS if self.scenario.source else {"max_loss_run": 1000}
        lines += [f"  {name}: {value}" for name, value in limits.items()]
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


@cache
def _secret(text: str) -> Secret:
    """Demo keys are the same in every seed, and how a secret may show is worked out at each that is made."""
    return Secret(text)


def _host(number: int) -> str:
    return f"127.0.0.1:{number + 1}"


def _in_lots(source: Any, lot: int) -> Any:
    """A market's sizes in coarser lots."""
    return source if lot == 1 else (_coarser(event, lot) for event in source)


def _coarser(event: Any, lot: int) -> Any:
    sizes = ("bid_lots", "ask_lots") if hasattr(event, "bid_lots") else ("lots",)
    return event._replace(**{name: max(1, getattr(event, name) // lot) for name in sizes})
