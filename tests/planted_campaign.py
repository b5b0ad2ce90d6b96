"""`make planted`: bugs planted in engine and adapters, one at a time; the simulation must catch each.

    python tests/planted_campaign.py SEEDS WORKERS [NAME...]

SEEDS is `known`, the seed that is known to catch each bug and a few others, or a number: the first of so many that
does.

A bug is caught by a seed that breaks with it and holds without it. Prints for each bug the seed, and by what; exit code
1 if one is not caught. A bug changes the program of its own process only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cli import simulated_life
from cli.locate import Source, read_flow_source
from cli.simulate_runs import RunOptions, calm, run_seed
from engine.runtime.journal import Decided
from engine.runtime.runner import Runner
from engine.runtime.simulate.journal import SimulatedJournal
from engine.runtime.simulate.witness import Bounds
from engine.trading import hedging, inquiry, intake, orders, verbs, world
from engine.trading.effects import DisarmTimer, PlaceOrder, Purpose
from engine.trading.inputs import StopAsked
from exchanges import link, order_client, reconcile, tracking
from exchanges.backpack.client import BackpackClient
from exchanges.backpack.wire import reply as backpack_reply
from exchanges.backpack.wire import stream as backpack_stream
from exchanges.facts import OrderFacts
from exchanges.types import ZERO, OrderState, Refusal, Refused

Set = Callable[[object, str, object], None]  # as pytest's monkeypatch.setattr
S = 1_000_000_000
FEW = 20


@dataclass(frozen=True, slots=True)
class Bug:
    """`plant` changes the program by means of a setter, which may undo it later.

    `faults` are the rules of a plan that lead to where the bug matters, `seed` the first that catches it under them.
    """

    about: str
    plant: Callable[[Set], None]
    faults: str
    seed: int
    settings: tuple[tuple[str, str], ...] = ()
    rounds: int = 6  # fewer where the bug keeps a run from its end, which comes a minute for each round later


def _resend(put: Set) -> None:
    def reply_to(error: Exception, *, signed_ns: int, written_ns: int, **_: int) -> Refused:
        return Refused(Refusal.VENUE, str(error), signed_ns, written_ns)

    put(order_client, "reply_to", reply_to)


def _no_dedupe(put: Set) -> None:
    fill = tracking.Tracking.fill

    def taken(self: tracking.Tracking, row: Any) -> bool:
        fill(self, row)
        return True

    apply = orders.Orders.apply_fill

    def counted(self: orders.Orders, row: Any, at_ns: int) -> Any:
        self.all[row.client_id].trades.discard(row.trade_id)
        return apply(self, row, at_ns)

    put(tracking.Tracking, "fill", taken)
    put(orders.Orders, "apply_fill", counted)


def _cancel_race(put: Set) -> None:
    """What filled before a cancel took hold is not looked at: the order is over, so its late fills are none."""
    apply = orders.Orders.apply_fill

    def counted(self: orders.Orders, row: Any, at_ns: int) -> Any:
        order = self.all[row.client_id]
        return None if order.state is OrderState.CANCELED else apply(self, row, at_ns)

    update = orders.Orders.apply_update

    def told(self: orders.Orders, said: Any, at_ns: int) -> Any:
        known = self.all[said.client_id].done_qty
        return update(self, replace(said, cum_qty=known) if said.state is OrderState.CANCELED else said, at_ns)

    put(orders.Orders, "apply_fill", counted)
    put(orders.Orders, "apply_update", told)


def _no_watch(put: Set) -> None:
    """A silent stream is trusted for ever, and nobody compares."""
    put(link.Link, "_beat", lambda _: None)
    put(reconcile.Reconcile, "_due", lambda *_: None)


def _late_frame(put: Set) -> None:
    apply = orders.Orders.apply_fill

    def counted(self: orders.Orders, row: Any, at_ns: int) -> Any:
        return None if self.all[row.client_id].ended_ns else apply(self, row, at_ns)

    put(orders.Orders, "apply_fill", counted)


def _remainder_forgotten(put: Set) -> None:
    def remaining(self: orders.Order) -> Any:
        if self.purpose is Purpose.HEDGE and self.state is OrderState.CANCELED:
            return ZERO
        return ZERO if self.state.terminal else self.qty - self.filled - self.provisional

    def needed(self: hedging.Hedging, _: object) -> Any:
        ended = sum(
            (it.side.sign * (it.qty - it.done_qty) for it in self._world.orders.all.values()
             if it.purpose is Purpose.HEDGE and it.state is OrderState.CANCELED and it.done_qty), ZERO,
        )  # fmt: skip
        wanted = -(self._world.exposure + self._world.in_flight() + ended)
        return wanted if wanted == 0 else self._bounded(wanted)

    put(orders.Order, "remaining", property(remaining))
    put(hedging.Hedging, "_needed", needed)


def _in_flight_forgotten(put: Set) -> None:
    put(world.World, "in_flight", lambda _: ZERO)


def _no_resync(put: Set) -> None:
    async def resync(self: object) -> None:
        """A stream that is open again is trusted as it is."""

    put(reconcile.Reconcile, "resync", resync)
    put(reconcile.Reconcile, "suspect", lambda _: None)


def _id_again(put: Set) -> None:
    make = world.World._next_id

    def next_id(self: world.World, *given: Any) -> str:
        if self.sequence >= 12:
            self.sequence = 3
        return make(self, *given)

    put(world.World, "_next_id", next_id)


def _intent_after(put: Set) -> None:
    """A hedge's intent is not written: an order that nobody could explain after a crash."""
    intents = SimulatedJournal.intents

    def skip(self: SimulatedJournal, decided: Sequence[Decided]) -> None:
        intents(self, [it for it in decided if not (isinstance(it[0], PlaceOrder) and it[0].purpose is Purpose.HEDGE)])

    put(SimulatedJournal, "intents", skip)


def _dead_too_early(put: Set) -> None:
    """ "No such order" is believed at once, while the request may still be on its way."""
    put(inquiry.Inquiry, "certain_after_ns", lambda *_: 0)
    put(order_client.OrderClient, "_absent", lambda *_: None)


def _fee_lost(put: Set) -> None:
    take = backpack_stream.message

    def message(data: bytes) -> Any:
        said = take(data)
        if isinstance(said, OrderFacts) and said.trade is not None:
            return replace(said, trade=replace(said.trade, fee=ZERO))
        return said

    put(backpack_stream, "message", message)


def _position_unsigned(put: Set) -> None:
    rows = backpack_reply.position_rows
    put(backpack_reply, "position_rows", lambda body: [replace(row, qty=abs(row.qty)) for row in rows(body)])


def _no_recovery(put: Set) -> None:
    put(simulated_life, "left_over", lambda *_, **__: None)


def _state_goes_back(put: Set) -> None:
    put(orders, "_RANK", dict.fromkeys(OrderState, 0) | {OrderState.OPEN: 1, OrderState.PENDING: -1})


def _cumulative_as_fill(put: Set) -> None:
    """The venue's running sum is taken for the quantity of one fill."""
    apply = orders.Orders.apply_fill

    def counted(self: orders.Orders, row: Any, at_ns: int) -> Any:
        order = self.all[row.client_id]
        return apply(self, replace(row, qty=min(order.qty, order.filled + row.qty)), at_ns)

    put(orders.Orders, "apply_fill", counted)


def _ladder_waits(put: Set) -> None:
    put(hedging.Hedging, "_climb", lambda *_: None)
    put(hedging, "TRY_AGAIN_NS", 30 * S)


def _asked_once(put: Set) -> None:
    for module in (inquiry, hedging, verbs):
        put(module, "CHECK_NS", 60 * S)
    put(inquiry.Inquiry, "_again_ns", lambda self, _: self._world.now_ns + 60 * S)


def _end_untold(put: Set) -> None:
    """Nothing tells the journal that an order which no venue ever knew has ended."""
    put(intake, "check_over", lambda client_id: DisarmTimer("nobody", client_id, 0))


def _interval_ignored(put: Set) -> None:
    """A hedge of unknown outcome is counted on as if it were known to fill (S4)."""
    put(hedging.Hedging, "_bounded", lambda _, need: need)


def _untrusted_hedged(put: Set) -> None:
    """A hedge leaves while its account's stream may owe fills (S14)."""
    object_to = hedging.Hedging._objection

    def objection(self: hedging.Hedging, *given: Any) -> str:
        said = object_to(self, *given)
        return "" if said == "stream not trusted" else said

    put(hedging.Hedging, "_objection", objection)
    put(hedging.Hedging, "_may_send", lambda _: True)


def _rests_twice(put: Set) -> None:
    place = verbs.Verbs._place
    put(verbs.Verbs, "_place", lambda self, *given: (*place(self, *given), *place(self, *given)))


def _reduce_only_lost(put: Set) -> None:
    submit = BackpackClient.submit
    put(BackpackClient, "submit", lambda self, order, said: submit(self, replace(order, reduce_only=False), said))


def _opened_unwritten(put: Set) -> None:
    put(Runner, "_objection", lambda self, order: self._may_send(order))


def _stop_unheard(put: Set) -> None:
    apply = intake.Intake.apply
    put(intake.Intake, "apply", lambda self, given: [] if given == StopAsked(1) else apply(self, given))


QUIET = "{fault: streams_cut, at: 59m}"  # nothing goes wrong
TWICE = "{fault: frame_twice, of: private, rate: 0.3}"
UNANSWERED = "{fault: ack_lost, on: place, rate: 0.2}"
IN_PARTS = "{fault: partly_taken, rate: 0.5, share: 0.5}"
RACED = "{fault: cancel_too_late, share: 0.5, rate: 0.8}"
# The engine asks about its own orders when a stream is back; what somebody else did only a comparison tells.
CUT = (
    "{fault: foreign_trade, nth: [3, 6], lots: 40, account: chick}\n"
    "{fault: stream_cut, of: fill, account: chick, rate: 0.6}"
)
SILENT = "{fault: stream_stalled, of: private, rate: 0.1}"
REFUSED = "{fault: order_refused, rate: 0.3, reason: margin}"
UNSEEN = "{fault: stuck_pending, rate: 0.5, for: 800ms}"
LATE = "{fault: frame_late, of: fill, rate: 0.4, delay: 900ms}"
SWAPPED = "{fault: frame_swapped, of: private, rate: 0.4}"
UNSENT = "{fault: request_lost, on: place, rate: 0.3}"
PATIENT = (("order_timeout", "25s"),)  # else an order's own timeout asks about it
SAME_AGAIN = (
    "{fault: request_lost, on: place, rate: 0.4}\n"
    "{fault: foreign_trade, rate: 0.1, times: 3, lots: 40, account: chick}\n"
    "{fault: foreign_trade, rate: 0.1, times: 3, lots: -40, account: chick}"
)
BY_HAND = "{fault: foreign_trade, at: 3s, lots: 40, account: chick}"
AWAY = "{fault: streams_cut, rate: 0.3}"
FULL = "{fault: disk_full, rate: 0.02, times: 1}"
STOPPED = "{fault: stop_asked, at: 2s}"
KILLED = "{fault: killed, rate: 0.01, times: 2, for: 500ms}"

BUGS: Mapping[str, Bug] = {
    "resend": Bug("an order without an answer is taken for refused and sent again", _resend, UNANSWERED, 1),
    "no_dedupe": Bug("a fill that is told twice counts twice", _no_dedupe, TWICE, 1, rounds=2),
    "cancel_race": Bug("what filled before a cancel took hold is not counted", _cancel_race, f"{RACED}\n{LATE}", 1),
    "no_watch": Bug("a silent stream is trusted for ever", _no_watch, SILENT, 1, PATIENT),
    "late_frame": Bug("a fill of an order that has ended is dropped", _late_frame, f"{RACED}\n{LATE}", 1),
    "remainder_forgotten": Bug("what a taker left unfilled is not hedged again", _remainder_forgotten, IN_PARTS, 1),
    "in_flight_forgotten": Bug("hedges on their way are not counted", _in_flight_forgotten, QUIET, 1, rounds=1),
    "no_resync": Bug("what was missed while a stream was away is not asked for", _no_resync, CUT, 4),
    "id_again": Bug("client ids come back", _id_again, QUIET, 1),
    "intent_skipped": Bug("a hedge leaves without a row in the journal", _intent_after, QUIET, 1),
    "intent_skipped_by_hand": Bug(
        "the same where somebody else trades as well, whose orders alone have none", _intent_after, BY_HAND, 1
    ),
    "dead_too_early": Bug(
        "an order that is not found is taken for dead at once", _dead_too_early, f"{UNANSWERED}\n{UNSEEN}", 1
    ),
    "fee_lost": Bug("Backpack's fees are read as nothing", _fee_lost, QUIET, 1),
    "position_unsigned": Bug("Backpack's positions lose their sign", _position_unsigned, KILLED, 1),
    "no_recovery": Bug("a run that is started after a death forgets what the dead one left", _no_recovery, KILLED, 1),
    "state_goes_back": Bug("a late frame opens an order again", _state_goes_back, SWAPPED, 1, rounds=2),
    "cumulative_as_fill": Bug("a running sum is taken for the quantity of one fill", _cumulative_as_fill, QUIET, 1),
    "ladder_waits": Bug("after a refusal nobody else is asked for half a minute", _ladder_waits, REFUSED, 4),
    "end_untold": Bug("an order that never came to be is taken over by every later run", _end_untold, UNSENT, 1),
    "interval_ignored": Bug(
        "an order of unknown outcome is counted on as if it would fill", _interval_ignored, SAME_AGAIN, 20
    ),
    "untrusted_hedged": Bug("hedges leave on streams that are not trusted", _untrusted_hedged, AWAY, 3),
    "rests_twice": Bug("each order of a leg is made twice", _rests_twice, QUIET, 1, rounds=1),
    "reduce_only_lost": Bug("Backpack's orders lose their reduce-only", _reduce_only_lost, QUIET, 1, rounds=1),
    "opened_unwritten": Bug("with a full disk an opening leaves without its intent", _opened_unwritten, FULL, 22),
    "stop_unheard": Bug("the wish to stop is heard by nobody", _stop_unheard, STOPPED, 1, rounds=1),
    "asked_once": Bug("an order of unknown outcome is asked about once a minute", _asked_once, UNSENT, 1),
}


def caught(name: str, seeds: Sequence[int]) -> tuple[int, str]:
    """The first of these seeds that catches a bug in this process, and its first violation; 0 if none does."""
    options = options_of(BUGS[name])
    with TemporaryDirectory() as folder, calm():
        for seed in seeds:
            with planted(name):
                how = _broken(options, seed, Path(folder))
            if how and not _broken(options, seed, Path(folder)):
                return seed, how
    return 0, "survived"


def known(name: str) -> Sequence[int]:
    """The seed that caught it last; a change of the program moves what happens in a seed, so some others after it."""
    return (BUGS[name].seed, *range(1, FEW + 1))


def options_of(bug: Bug) -> RunOptions:
    plan = "\n".join(["faults:", *(f"  - {rule}" for rule in bug.faults.splitlines())])
    return RunOptions(
        flow=read_flow_source("eagle_chicken"), faults=Source("planted.yaml", plan), play="all", kinds=("backpack",),
        rounds=bug.rounds, settings=bug.settings, bounds=Bounds(),
    )  # fmt: skip


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The bug is in the program."""
    former: list[tuple[object, str, object]] = []

    def put(owner: object, attribute: str, value: object) -> None:
        former.append((owner, attribute, vars(owner)[attribute]))
        setattr(owner, attribute, value)

    BUGS[name].plant(put)
    try:
        yield
    finally:
        for owner, attribute, value in reversed(former):
            setattr(owner, attribute, value)


def _broken(options: RunOptions, seed: int, folder: Path) -> str:
    """The first violation of a seed; empty if it holds."""
    try:
        outcome = run_seed(options, seed, folder=folder)
    except Exception as error:  # noqa: BLE001 a bug may break the run itself
        return f"{type(error).__name__}: {error}"
    return f"{outcome.violations[0].code}: {outcome.violations[0].text}" if outcome.violations else ""


def main(which: str, workers: int, names: list[str]) -> int:
    survived = 0
    with ProcessPoolExecutor(workers, max_tasks_per_child=1) as pool:
        waiting = {
            name: pool.submit(caught, name, known(name) if which == "known" else range(1, int(which) + 1))
            for name in names or BUGS
        }
        for name, each in waiting.items():
            seed, how = each.result()
            survived += not seed
            verdict = f"seed {seed}" if seed else "SURVIVED"
            print(f"{name:<20} {verdict:<10} {BUGS[name].about}; {how[:110]}", flush=True)
    within = f"within {FEW if which == 'known' else which} seeds"
    print(f"{len(waiting)} bugs, {survived} not caught {within}")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
