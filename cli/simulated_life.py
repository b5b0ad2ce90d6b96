"""A process in a simulated world: adapters, journal and runner, from its start to its end or death; and the verdict.

Beside `wiring.py`, which does the same for a run that a person starts.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from sqlite3 import Connection

from cli.client_wiring import hear, listed_by, open_clients
from cli.leftovers import check_baseline, check_carried, left_in, left_over, taken_over, traded, words_of
from cli.locate import CannotUse
from cli.record import desk_of_run, run_start
from cli.setups import Setup, plan_of
from cli.simulate_story import Story
from cli.simulated import COUNTED_NS, SPENT, SimulatedVenue, SimulatedWorld
from cli.wiring import FLUSH_AFTER_NS, watch_of
from engine.chart.model import Flow
from engine.chart.units import parse_literal
from engine.errors import EngineError, NotFlatBefore
from engine.runtime.audit import audit_in
from engine.runtime.chance import Chance, Stream
from engine.runtime.clock import GapWatch, S
from engine.runtime.config import Config, load_config
from engine.runtime.journal_read import open_journal, pick_run
from engine.runtime.missing_rows import LAST_ROWS_S
from engine.runtime.questions import ASK_TIMEOUT_S
from engine.runtime.replay import replay_in
from engine.runtime.runner import Runner
from engine.runtime.simulate.excuses import excused
from engine.runtime.simulate.guarded import inside
from engine.runtime.simulate.journal import SimulatedJournal
from engine.runtime.simulate.outcome import Outcome, Played
from engine.runtime.simulate.process import ProcessClock, ProcessLoop
from engine.runtime.simulate.residue import irreducible
from engine.runtime.simulate.scenario import MAKER, Scenario
from engine.runtime.simulate.witness import Bounds
from engine.runtime.venue_audit import audit_venue_in
from engine.runtime.venue_ledger import read_venue_ledger
from engine.trading.desk import Desk
from engine.trading.effects import Alert, CancelOrder, Effect, PlaceOrder
from engine.trading.inputs import Input, Started
from exchanges.errors import ExchangeError
from exchanges.types import ZERO, Fill, Position
from exchanges.venues.faults import FaultPlan, FaultRule
from exchanges.venues.ledger_page import ledger_page

ROUND_S = 60  # a run that takes longer for its rounds is asked to stop, which it should never be
HOME_S = 30  # with all faults switched off, a stop must end flat within this
SQUEEZE_S = 60  # between the steps of a stop that is not obeyed
MOST_STARTS, AGAIN_NS = 40, 2 * S  # a venue that is away, or lets nobody in for a while
MOST_LIVES = 6  # the last of them is spared all faults: a seed must come to an end
HARD_AGE_NS = 4 * S  # exposure this old may be told as `unhedged_hard_age`, 5 s, by a step that comes late
UNPRICED = frozenset({"money_differs", "unexplained", "fill_missing"})  # what fills without a price come to
BY_HAND = frozenset({"fill_missing", "position_differs"})  # what a trade of the last moment comes to
UNTOLD = frozenset(
    {"left_exposed", "never_known", "foreign_unknown", "fill_missing"}
)  # where nothing was left to ask for it
LEFT = 130  # exit code of a run that was left at once
LAST_NS = (ASK_TIMEOUT_S + LAST_ROWS_S) * S  # at its end a run asks for so long, and says nothing of each "no"
GIVES_UP_FAULTS, GIVES_UP_NS = 3, 30 * S  # a flow's own limits count three tries and more, spoilt in so short a time
AWAY = frozenset({"maintenance", "keys_refused"})
AWAY_NS = 10 * S  # a venue that is away for so long spoils as many by itself


@dataclass(slots=True)
class Lived:
    """What all lives of a process came to."""

    path: Path
    runs: int = 0
    rounds: int = 0
    exit_code: int = 0
    ending: str = ""
    failures: list[BaseException] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)  # intents that the journal could not store, as they were printed
    disk_was_full: bool = False
    journal_failed: bool = False  # that of the last life
    asked_ns: int = 0  # when it was asked to stop, as the seed wanted it
    recovered: bool = False  # the last of them closed what a stop had left open while a venue was away
    unpriced: bool = False  # the last one knew of fills without a price, and said so
    refused: str = ""  # why the last start refused to take over: a person has to look


def simulate(
    flow: Flow, scenario: Scenario, plan: FaultPlan, *, folder: Path, bounds: Bounds, story: Story | None = None
) -> Outcome:
    """One run to its end, judged while it went and after it. `folder` takes its journal.

    A process that dies is started again; the last one ends the run. One that was stopped while a venue was away for
    longer than a stop may take leaves what is open there, and says what a person does then: `eagle recover`.
    """
    world = SimulatedWorld(scenario, plan, bounds=_longer(bounds, flow, scenario), story=story)
    lived = Lived(folder / f"seed-{scenario.seed}.sqlite")
    lived.path.unlink(missing_ok=True)
    config = load_config(world.config_text(flow), file="simulated.yaml", flow=flow)
    world.start()
    start_ns, down_ns, again, recovers = world.clock.now_ns(), 0, 0, False
    while True:
        life = Life(world, lived, config, recovers=recovers)
        order = Stream(scenario.seed, f"order/{lived.runs}") if scenario.shuffled else None
        with inside(), asyncio.Runner(loop_factory=partial(ProcessLoop, life.clock, order=order)) as loop:
            why = loop.run(_started(life, flow, down_ns=down_ns, start_ns=start_ns))
        life.end()
        down_ns = AGAIN_NS if why else 0 if life.died is None else life.died.for_ns
        if life.died is None and not why:
            if recovers or not _left_for_a_person(world, lived):
                break
            recovers, down_ns = True, max(0, world.calm_from_ns - world.clock.now_ns()) + AGAIN_NS
            world.end_faults()
        if why and (again := again + 1) > MOST_STARTS:
            world.witness.violate("not_started", f"{MOST_STARTS} starts failed: {why}")
            break
    _judge(world, flow, lived, config)
    world.clock.heap.clear()  # what was still to come holds all of the world: without it most of that goes at once
    return _outcome(world, lived, span_ns=world.clock.now_ns() - start_ns, starts_failed=again)


def _longer(bounds: Bounds, flow: Flow, scenario: Scenario) -> Bounds:
    """Below its thresholds a flow that listens leaves fills open on purpose, for `max_age` at the most."""
    if not scenario.source or not bounds.exposed_ns:
        return bounds
    age_ns = parse_literal(scenario.settings["max_age"], flow.settings["max_age"].type)
    assert isinstance(age_ns, int)
    return replace(bounds, exposed_ns=bounds.exposed_ns + age_ns)


async def _started(life: Life, flow: Flow, *, down_ns: int, start_ns: int) -> str:
    """Let it live; why it could not start, as a person or a supervisor would read it, who starts it again."""
    try:
        await life.live(flow, down_ns, start_ns)
    except (CannotUse, ExchangeError) as error:
        life.failed_to_start(str(error))
        return str(error)
    except NotFlatBefore as error:
        life.refuse(str(error))
    return ""


class Life:
    """A process that trades in a world, from its start to its end; or one that only `recovers` what another left."""

    def __init__(self, world: SimulatedWorld, lived: Lived, config: Config, *, recovers: bool) -> None:
        self.number = lived.runs + 1
        self.clock = ProcessClock(world.clock)
        self.died: FaultRule | None = None
        self._recovers = recovers
        self._world = world
        self._lived = lived
        self._config = config
        self._died_ns = 0
        self._write_ns = 0  # how long each write takes
        self._journal: SimulatedJournal | None = None
        self._desk: Desk | None = None
        self._runner: Runner | None = None

    async def live(self, flow: Flow, down_ns: int, start_ns: int) -> None:
        """Come up after `down_ns`, take over what an earlier life left, trade."""
        world, clock, config = self._world, self.clock, self._config
        world.life = self
        if self.number == MOST_LIVES:
            world.end_faults()
        asked_ns = clock.now_ns()
        await asyncio.sleep(down_ns / S)
        if self._recovers:
            world.was_down(asked_ns)
        if self.number > 1:
            world.let_start_fail()
        waits: list[str] = []
        listed = await listed_by(
            config, clock=clock, resolve=world.resolve, network=world, no_room=waits.append, no_answer=_to_nobody
        )
        if waits:
            world.said(SPENT)
        left = left_over(self._lived.path, config, wall_ms=clock.wall_ms())
        if self._recovers and left is None and not world.scenario.source:
            world.witness.violate(
                "not_recovered", f"nothing to recover, by the journal of a run that ended {self._lived.ending}"
            )
        carried = taken_over(left, flow, may_leave=self._recovers)
        self._journal = journal = SimulatedJournal(self._lived.path, effect=self._effect, written=self._written)
        seed = world.scenario.seed + self.number - 1
        pool = open_clients(
            config, listed.instruments, clock=clock, seed=seed, resolve=world.resolve, network=world,
            journal=self._lived.path if world.scenario.source else None, budgets=listed.budgets,
        )  # fmt: skip
        plan = plan_of(Setup(flow, config, {}, {}, None, listed.price, listed.instruments), pool.accounts)
        known = () if carried is None else [it.account for it in carried.held]

        def check(held: Sequence[Position], missing: Sequence[Fill]) -> None:
            if carried is not None:
                check_carried(carried, traded(listed.instruments, config, flow), held, missing)
            if not plan.heard:  # else what its hedge accounts hold beside what is open, stays
                check_baseline(config, held, known=known)

        chance = Chance(seed)
        self._desk = desk = Desk(plan, run=self.number, chance=chance)
        world.witness.attend(desk)
        self._runner = runner = Runner(
            desk, pool.clients, symbols={name: it.instrument.symbol for name, it in pool.accounts.items()},
            clock=clock, watch=watch_of(plan), journal=journal, chance=chance,
            orders_per_minute=plan.limits.orders_per_minute, max_book_age_ns=plan.guards.max_book_age_ns,
            may_send=desk.objection, sinks=[self._told], traces=[self._stepped], flush_after_ns=FLUSH_AFTER_NS,
            gaps=GapWatch(steady=clock.steady_ns, counting=clock.now_ns), carried=carried, check_baseline=check,
            heard=plan.heard, reads=pool.reads, stop_at_once=1 if self._recovers else 0,
        )  # fmt: skip
        for name in plan.heard:
            hear(pool.clients[name], lambda _: [runner.handle])
        journal.run_started(run_start(plan, config, number=self.number, seed=seed, speed=1, wall_ms=clock.wall_ms()))
        self._lived.runs = self.number
        if self._recovers:
            self._lived.recovered = True
            self._bound(runner)
        else:
            self._ask_to_stop(runner, start_ns)
        exit_code = await runner.run()
        lived = self._lived
        lived.rounds += desk.world.round
        lived.failures += runner.failures
        if self.died is None:
            journal.run_ended(exit_code, clock.wall_ms())
            lived.unpriced = bool(desk.unpriced())
            lived.exit_code, lived.ending = exit_code, runner.ending.text if runner.ending else ""

    def failed_to_start(self, why: str) -> None:
        self._world.let_fail(False)
        self._world.said(why)

    def refuse(self, why: str) -> None:
        """It does not take over what it finds."""
        self._lived.refused = why

    def end(self) -> None:
        """Nothing of it runs any more. What is left of a dead one may wait for an answer that never comes."""
        self.clock.end()
        if self.died is not None:
            self._world.was_down(self._died_ns)
        self._world.bury(self.clock)
        if self._journal is not None:
            self._journal.close()
            self._lived.lost += self._journal.lost
            self._lived.disk_was_full |= self._journal.was_full
            self._lived.journal_failed = self._journal.failed

    def _told(self, effect: Effect) -> None:
        if type(effect) is Alert:
            self._world.said(effect.text)

    def _stepped(self, seq: int, at_ns: int, given: Input, effects: list[Effect]) -> None:
        if self.died is not None:
            return
        if type(given) is Started:
            self._world.let_fail(True)
        self._world.stepped(seq, at_ns, given, effects)
        if self._world.witness.full and self._runner is not None and self._runner.ending is None:
            self._runner.stop(3)  # more of it says nothing new, and a bug can trade for ever

    # --- faults

    @property
    def state(self) -> str:
        return "start" if self._desk is None else self._desk.state.partition(".")[0]

    def strike(self, rule: FaultRule) -> Callable[[], None] | None:
        journal, runner = self._journal, self._runner
        if journal is None or runner is None or runner.ending is not None:
            return None
        match rule.fault:
            case "suspended":
                self.clock.pause(rule.for_ns)
            case "clock_set":
                self._set_clock(rule.by_ms)
                return partial(self._set_clock, -rule.by_ms)
            case "stop_asked":
                runner.stop(rule.level)
            case "disk_full":
                journal.fill_disk()
                return journal.free_disk
            case "disk_slow":
                self._write_ns = rule.delay_ns
                return self._write_quickly
        return None

    def _set_clock(self, by_ms: int) -> None:
        self.clock.wall_skew_ms += by_ms

    def _write_quickly(self) -> None:
        self._write_ns = 0

    def _written(self, effect: PlaceOrder | CancelOrder, durable: bool) -> None:
        """A disk that takes its time holds up the whole process: the journal writes on the loop's thread."""
        if isinstance(effect, PlaceOrder):
            self._world.witness.intended(effect, durable=durable)
        if self._write_ns:
            self.clock.pause(self._write_ns)

    def _effect(self) -> bool:
        """Does the process die here? What is left of it then only unwinds, and reaches nobody."""
        rule = None if self.died is not None else self._world.effect()
        if rule is not None:
            assert self._journal is not None
            assert self._runner is not None
            self.died, self._journal.dead = rule, True
            self._died_ns = self._world.clock.now_ns()
            self._world.let_fail(False)  # until it lives again
            self._world.bury(self.clock)
            self._runner.stop(3)
        return self.died is not None

    # --- the end of the rounds

    def _ask_to_stop(self, runner: Runner, start_ns: int) -> None:
        """After the time that the seed says, or when it takes far too long."""
        world, witness, scenario = self._world, self._world.witness, self._world.scenario
        planned_s = scenario.stop_after_s
        after_s = planned_s or ROUND_S * scenario.rounds

        def stop() -> None:
            due_ns = start_ns + after_s * S + world.starved_for_ns
            if not planned_s and self.clock.now_ns() < due_ns:
                self.clock.call_at(due_ns, stop)
            elif runner.ending is None:
                world.end_faults()
                self._lived.asked_ns = self.clock.now_ns() if planned_s else 0
                if not planned_s and not self._behind_the_touch():
                    witness.violate("not_done", f"{scenario.rounds} rounds took more than {after_s} s")
                runner.stop(1)
                self._bound(runner)

        self.clock.call_at(max(start_ns + after_s * S, self.clock.now_ns() + S), stop)

    def _bound(self, runner: Runner) -> None:
        """A stop has come: how long it may take, with all faults switched off."""
        world = self._world

        def late(level: int) -> None:
            if runner.ending is None and self.clock.now_ns() < world.starved_ns + HOME_S * S:
                self.clock.call_at(world.starved_ns + HOME_S * S, late, level)
            elif runner.ending is None:
                if level == 2:
                    text = f"asked to stop, without a fault since, and not flat within {HOME_S} s"
                    world.witness.violate("not_home", text)
                runner.stop(level)

        home_ns = max(self.clock.now_ns(), world.calm_from_ns) + HOME_S * S
        self.clock.call_at(home_ns, late, 2)
        self.clock.call_at(home_ns + SQUEEZE_S * S, late, 3)

    def _behind_the_touch(self) -> bool:
        """Came it up while a venue's ticks were coarser? Its orders stand in those: the market must come to them."""
        markets = {name: next(iter(it.exchange.markets.values())) for name, it in self._world.venues.items()}
        accounts = () if self._desk is None else self._desk.world.plan.accounts.values()
        return any(it.instrument.tick > markets[it.venue].tick for it in accounts)


# --- the verdict


def _to_nobody(text: str) -> None:
    """What a start waits for: a person has no use for it here."""


def _judge(world: SimulatedWorld, flow: Flow, lived: Lived, config: Config) -> None:
    """The eight equalities, against the venues' own ledgers."""
    witness = world.witness
    unheard = bool(world.scenario.source) and _stopped_early(lived)  # what a source filled meanwhile the next run hears
    left, cut_short = _left(lived) or unheard, _cut_short(world, lived)
    rightly = _halted_rightly(world, flow, lived) or cut_short or _stopped_early(lived) or _unconfirmed(world, lived)
    witness.close(left=left, cut_short=cut_short)
    if lived.refused and not lived.disk_was_full and not _by_somebody_else(world, lived):
        witness.violate("start_refused", lived.refused)
    for failure in lived.failures:
        witness.violate("failed", f"{type(failure).__name__}: {failure}")
    if witness.owners and not (lived.exit_code or lived.refused):
        words = ", ".join(f"{name} {qty:+f}" for name, qty in witness.owners.items())
        witness.violate("not_told", f"no person was called for what others traded before a death: {words}")
    if lived.exit_code and not rightly:
        witness.violate("ended_badly", f"exit code {lived.exit_code}: {lived.ending}")
    if not left:
        for name, venue in world.traded():
            if venue.open_orders():
                witness.violate("left_open", f"{name}: {venue.open_orders()} orders are still open")
    if lived.disk_was_full:
        _judge_lost(world, lived)
    if not left and not lived.journal_failed:
        try:
            with open_journal(lived.path) as journal:
                for code, text in _journal_findings(world, flow, lived, config, journal):
                    if not (_is_owners(code, text, witness.owners) or _came_late(code, text, witness.late_trades)):
                        witness.violate(code, text)
        except (EngineError, ExchangeError) as error:
            witness.violate("journal_unreadable", f"{type(error).__name__}: {error}")
    told = {"round_uncovered"} if rightly else set()
    told |= {"uncovered"} if cut_short or witness.left_to_a_person else set()
    told |= UNTOLD if world.starved_ns and _unconfirmed(world, lived) else set()
    told |= {"foreign_unknown"} if _in_doubt(world, flow, lived) else set()
    told |= BY_HAND if witness.untold_at_end else set()
    told |= {"no_baseline", "no_venue_end"} if _stopped_early(lived) else set()
    told |= UNPRICED if _left_unpriced(world, lived) else set()
    told |= {"not_done", "not_home"} if _waits_for_a_person(world, lived) else set()
    witness.violations[:] = [it for it in witness.violations if it.code not in told]
    played = {it.fault for it in world.played}
    witness.violations[:] = [it for it in witness.violations if not excused(it.code, played)]


def _left(lived: Lived) -> bool:
    """Did it leave with what is open? One that was stopped before it began had nothing to take over: all is flat."""
    return bool(lived.refused) or (lived.exit_code == LEFT and not _stopped_early(lived))


def _left_for_a_person(world: SimulatedWorld, lived: Lived) -> bool:
    """Did it end not flat because a venue was away for longer than a stop may take (E18)?"""
    now_ns = world.clock.now_ns()
    away = any(now_ns <= it.at_ns + it.took_ns + LAST_NS for it in world.played if _long_away(it))
    left = lived.ending.startswith("not ") or "still live" in lived.ending
    return lived.exit_code == 1 and left and away and "left with nothing open" not in lived.ending


def _long_away(it: Played) -> bool:
    return it.fault in AWAY and it.took_ns >= AWAY_NS


def _stopped_early(lived: Lived) -> bool:
    """Asked to stop while it came up, after deaths that had left nothing open."""
    return lived.exit_code == LEFT and lived.ending.startswith("stopped before the start")


def _halted_rightly(world: SimulatedWorld, flow: Flow, lived: Lived) -> bool:
    """A limit ended the run, and what was played had brought it there: exposure that stayed, or tries in vain."""
    cause = lived.ending.partition("halted: ")[2]
    if "not flat" in lived.ending and not irreducible(world.witness.left(), maker=MAKER):
        return False
    if cause.startswith("age of unhedged size"):
        return world.witness.longest_believed_ns >= HARD_AGE_NS  # hedged meanwhile, or not, as far as it was told
    return cause.partition(" ")[0] in flow.states and _spoilt(world, world.witness.halted_ns)


def _left_unpriced(world: SimulatedWorld, lived: Lived) -> bool:
    """Among so many faults no venue had an answer to spare for the price of what is known to have filled."""
    return lived.unpriced and _spoilt(world, world.clock.now_ns())


def _waits_for_a_person(world: SimulatedWorld, lived: Lived) -> bool:
    """A disk was full or somebody else traded before a death: who took over finds books that are not the venue's (S17).

    It trades nothing, as a start that refuses for the same reason; here orders without an end could have made the
    difference.
    """
    unknown = lived.disk_was_full or bool(world.witness.owners)
    return unknown and lived.runs > 1 and "halted: positions differ" in lived.ending


def _by_somebody_else(world: SimulatedWorld, lived: Lived) -> bool:
    """Does a start refuse to take over because somebody else traded and no run had heard of it (S1)?

    So it is for each account that it names; what our own orders did is no reason to refuse.
    """
    with open_journal(lived.path) as journal:
        told = set(journal.execute("SELECT account, order_id, trade_id FROM fills WHERE provisional = 0"))
    others: dict[str, Decimal] = {}
    for venue in world.venues.values():
        for fill in venue.exchange.ledger.fills:
            if not fill.client_id and (fill.account, fill.order_id, fill.trade_id) not in told:
                others[fill.account] = others.get(fill.account, ZERO) + fill.side.sign * fill.qty
    accounts = (MAKER, *world.scenario.takers)
    named = [name for name in accounts if re.search(rf"\b{name}\b", lived.refused)]
    return bool(named) and all(others.get(name) for name in named)


def _is_owners(code: str, text: str, owners: Mapping[str, Decimal]) -> bool:
    """Does an audit find just what others traded before a death, of which no journal tells (S1, S17)?"""
    name, difference = text.partition(": ")[0], re.search(r"\(difference (-?[0-9.]+)\)$", text)
    if code != "ledger_differs" or name not in owners or difference is None:
        return False
    return Decimal(difference[1]) == owners[name]


def _came_late(code: str, text: str, late_trades: Collection[tuple[str, str]]) -> bool:
    """Does it find a hedge that its venue carried out when it was given up, as S4 says?"""
    return code == "over_covered" and any(
        f" {name} " in text and f"(trade {trade})" in text for name, trade in late_trades
    )


def _cut_short(world: SimulatedWorld, lived: Lived) -> bool:
    """Asked to stop, by a person or a full disk, among faults: its time was up, and it told what is open.

    Or no request was left to it, after a death, for as long as its flow tries (S11).
    """
    now_ns = world.clock.now_ns()
    asked = any(it.fault in ("stop_asked", "disk_full") for it in world.played) and _spoilt(world, now_ns)
    without = world.starved_ns > 0 and now_ns - world.without_ns <= LAST_NS
    return (asked or without) and lived.ending.startswith("not flat; ")


def _unconfirmed(world: SimulatedWorld, lived: Lived) -> bool:
    """A flow that listens has hedged all, and the venue did not answer its last question among faults: it says so."""
    said = bool(world.scenario.source) and lived.ending.startswith("hedged")
    return said and lived.exit_code == 1 and bool(world.starved_ns or _spoilt(world, world.clock.now_ns()))


def _in_doubt(world: SimulatedWorld, flow: Flow, lived: Lived) -> bool:
    """Halted, flat by its own books, for want of a request with which a venue could confirm it, among faults.

    Who traded by hand knows of that; what our own orders did must be known all the same.
    """
    without = world.clock.now_ns() - world.without_ns <= LAST_NS
    return without and lived.ending.startswith("flat") and _halted_rightly(world, flow, lived)


def _spoilt(world: SimulatedWorld, at_ns: int) -> bool:
    """Did so much go wrong just before that the flow's own limits of tries were bound to be reached?

    What it cost in requests, a venue counts for a minute.
    """
    from_ns = at_ns - (COUNTED_NS if at_ns - world.without_ns <= LAST_NS else GIVES_UP_NS)
    spoilt = sum(from_ns <= it.at_ns <= at_ns for it in world.played) >= GIVES_UP_FAULTS
    return spoilt or any(
        _long_away(it) and it.at_ns <= at_ns and from_ns <= it.at_ns + it.took_ns for it in world.played
    )


def _journal_findings(
    world: SimulatedWorld, flow: Flow, lived: Lived, config: Config, journal: Connection
) -> Iterator[tuple[str, str]]:
    """Every run is replayed; the last one, with those that it took over from, is audited and compared.

    Of a run whose disk was full the journal has no more than a part, and of its orders none that filled nothing.
    """
    for run in range(lived.runs if lived.disk_was_full else 1, lived.runs + 1):
        # The other decider, and all that the journal tells: what it does not tell, this desk does not know.
        again = replay_in(journal, partial(desk_of_run, flow=flow, decider="table"), path=lived.path, run=run)
        if not again.same:
            yield "replay_differs", " ".join(again.lines())
    last = pick_run(journal, lived.runs, path=lived.path)
    for finding in audit_in(journal, last).findings:
        foreign = finding.code == "no_intent" and not world.witness.is_ours(_order_in(finding.text))
        yield "fill_foreign" if foreign else finding.code, finding.text
    left = None if lived.exit_code or lived.refused else left_in(journal, config, wall_ms=world.clock.wall_ms())
    if left is not None and left.carried is not None and left.carried.orders and not lived.disk_was_full:
        yield "left_to_the_next", f"run {left.run} ended flat, and another would take over: {'; '.join(words_of(left))}"
    for venue in world.venues.values():
        if not lived.disk_was_full:
            yield from _all_meant(venue, journal)
        yield from _all_told(venue, journal)  # nobody's orders have an id where somebody else is listened to
    clocks = {"clock_set", "clock_skewed"} & {it.fault for it in world.played}
    for name, venue in world.venues.items():
        if clocks:
            continue  # the comparison of a user's run goes by the time at which it began
        page = ledger_page(venue.exchange, kind=venue.kind, faults=()).body
        compared = audit_venue_in(journal, last, read_venue_ledger(page, url=name), venue=name)
        left_to_next = venue.heard and world.witness.handed_over
        if not left_to_next:
            yield from ((finding.code, f"{name}: {finding.text}") for finding in compared.findings)
        if compared.foreign and not (venue.heard or lived.disk_was_full):
            yield "order_foreign", f"{name}: {compared.foreign} orders that the journal does not know"


def _order_in(text: str) -> str:
    """Whose fill has no intent, in a finding's words."""
    return text.partition("by order '")[2].partition("'")[0]


def _all_meant(venue: SimulatedVenue, journal: Connection) -> Iterator[tuple[str, str]]:
    """Over all lives together: every order that the venue has was meant.

    What nobody here ordered is no order of ours; that it is told all the same is watched during the run.
    """
    meant = {name for (name,) in journal.execute("SELECT client_id FROM intents WHERE kind = 'place'")}
    for order in venue.exchange.ledger.orders.values():
        if order.client_id and order.client_id not in meant:
            yield "order_unknown", f"{order.account}: order {order.client_id} is in no run of the journal"


def _all_told(venue: SimulatedVenue, journal: Connection) -> Iterator[tuple[str, str]]:
    """Over all lives together: every fill of an order of ours is journalled to the digit."""
    sql = "SELECT account, order_id, trade_id, side, qty, price, fee FROM fills WHERE venue = ? AND provisional = 0"
    ours = {tuple(row[:3]): row[3:] for row in journal.execute(sql, (venue.exchange.name,))}
    for fill in venue.exchange.ledger.fills:
        if not fill.client_id:
            continue
        told = ours.get((fill.account, fill.order_id, fill.trade_id))
        side, *figures = told or ("",)
        if (side, *map(Decimal, figures)) != (fill.side.value, fill.qty, fill.price, fill.fee):
            what = f"{fill.account}: trade {fill.trade_id} of order {fill.order_id}, {fill.side.value} {fill.qty}"
            yield "fill_missing", f"{what}: {told or 'in no run of the journal'}"


def _judge_lost(world: SimulatedWorld, lived: Lived) -> None:
    """With a full disk every order must be in the journal, or have been printed for a person to find."""
    with open_journal(lived.path) as journal:
        known = {name for (name,) in journal.execute("SELECT client_id FROM intents WHERE kind = 'place'")}
    printed = "\n".join(lived.lost)
    for name, venue in world.venues.items():
        for order in venue.exchange.ledger.orders.values():
            if order.client_id and order.client_id not in known and repr(order.client_id) not in printed:
                world.witness.violate("order_unknown", f"{name}: order {order.client_id} is told nowhere")


def _outcome(world: SimulatedWorld, lived: Lived, *, span_ns: int, starts_failed: int) -> Outcome:
    witness = world.witness
    return Outcome(
        scenario=world.scenario, digest=world.trace.hexdigest(), exit_code=lived.exit_code, ending=lived.ending,
        rounds=lived.rounds, lives=lived.runs, span_ns=span_ns, steps=world.trace.steps, messages=world.trace.passed,
        fills=witness.fills, hedges=witness.hedges, quiet_cuts=witness.quiet_cuts,
        exposed_ns=max((it.length_ns for it in witness.episodes), default=0), unknown_ns=witness.longest_unknown_ns,
        played=tuple(world.played), violations=tuple(witness.violations),
        recovered=lived.recovered, home_ns=_home_ns(world, lived), starts_failed=starts_failed,
    )  # fmt: skip


def _home_ns(world: SimulatedWorld, lived: Lived) -> int:
    """From the wish to stop, or from when a venue was back that had been away for long; 0: it did not wait for it."""
    if not lived.asked_ns or lived.recovered:
        return 0
    back_ns = max((it.at_ns + it.took_ns for it in world.played if _long_away(it)), default=0)
    return max(0, world.clock.now_ns() - max(lived.asked_ns, back_ns))
