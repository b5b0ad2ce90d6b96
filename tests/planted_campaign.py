"""`make planted`: bugs planted in engine and adapters, one at a time; the simulation must catch each.

    python tests/planted_campaign.py SEEDS WORKERS [NAME...]

Prints for each bug the first seed that catches it, and by what; exit code 1 if one survives all seeds. A bug changes
the program of its own process only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cli import simulated_life
from cli.locate import read_flow_source
from cli.simulate_runs import RunOptions, calm, read_plan, run_seed
from engine.runtime.simulate.journal import SimulatedJournal
from engine.runtime.simulate.witness import Bounds
from engine.trading import hedging, inquiry, orders, world
from engine.trading.effects import PlaceOrder, Purpose
from exchanges import http, link, reconcile, tracking
from exchanges.backpack import client as backpack
from exchanges.backpack.wire import reply as backpack_reply
from exchanges.backpack.wire import stream as backpack_stream
from exchanges.types import ZERO, OrderState, Refusal, Refused

Set = Callable[[object, str, object], None]  # as pytest's monkeypatch.setattr
S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Bug:
    """`plant` changes the program by means of a setter, which may undo it later."""

    about: str
    plant: Callable[[Set], None]


def _resend(put: Set) -> None:
    def reply_to(error: Exception, *, signed_ns: int, written_ns: int, **_: int) -> Refused:
        return Refused(Refusal.VENUE, str(error), signed_ns, written_ns)

    put(http, "reply_to", reply_to)
    put(backpack, "reply_to", reply_to)


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

    def need(self: hedging.Hedging) -> Any:
        ended = sum(
            (it.side.sign * (it.qty - it.done_qty) for it in self._world.orders.all.values()
             if it.purpose is Purpose.HEDGE and it.state is OrderState.CANCELED and it.done_qty), ZERO,
        )  # fmt: skip
        wanted = -(self._world.exposure + self._world.in_flight() + ended)
        return wanted if wanted == 0 else self._bounded(wanted)

    put(orders.Order, "remaining", property(remaining))
    put(hedging.Hedging, "need", property(need))


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
    intent = SimulatedJournal.intent

    def skip(self: SimulatedJournal, effect: Any, *given: Any) -> None:
        if not (isinstance(effect, PlaceOrder) and effect.purpose is Purpose.HEDGE):
            intent(self, effect, *given)

    put(SimulatedJournal, "intent", skip)


def _dead_too_early(put: Set) -> None:
    """ "No such order" is believed at once, while the request may still be on its way."""
    place = world.World.place

    def placed(self: world.World, *given: Any, **more: Any) -> PlaceOrder:
        effect = place(self, *given, **more)
        self.orders.all[effect.request.client_id].dead_after_ns = 0
        return effect

    put(world.World, "place", placed)
    over = backpack.BackpackClient._order_info

    async def info(self: Any, symbol: str, client_id: str) -> Any:
        try:
            return await over(self, symbol, client_id)
        except Exception as error:
            if "to confirm it" in str(error):
                return None
            raise

    put(backpack.BackpackClient, "_order_info", info)


def _fee_lost(put: Set) -> None:
    take = backpack_stream.message

    def message(data: bytes) -> Any:
        said = take(data)
        row = getattr(said, "row", None) or getattr(said, "fill", None)
        if row is not None and hasattr(row, "fee"):
            name = "row" if getattr(said, "row", None) is not None else "fill"
            return replace(said, **{name: replace(row, fee=ZERO)})
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
    put(inquiry, "CHECK_NS", 60 * S)
    put(hedging, "CHECK_NS", 60 * S)


BUGS: Mapping[str, Bug] = {
    "resend": Bug("an order without an answer is taken for refused and sent again", _resend),
    "no_dedupe": Bug("a fill that is told twice counts twice", _no_dedupe),
    "cancel_race": Bug("what filled before a cancel took hold is not counted", _cancel_race),
    "no_watch": Bug("a silent stream is trusted for ever", _no_watch),
    "late_frame": Bug("a fill of an order that has ended is dropped", _late_frame),
    "remainder_forgotten": Bug("what a taker left unfilled is not hedged again", _remainder_forgotten),
    "in_flight_forgotten": Bug("hedges on their way are not counted", _in_flight_forgotten),
    "no_resync": Bug("what was missed while a stream was away is not asked for", _no_resync),
    "id_again": Bug("client ids come back", _id_again),
    "intent_skipped": Bug("a hedge leaves without a row in the journal", _intent_after),
    "dead_too_early": Bug("an order that is not found is taken for dead at once", _dead_too_early),
    "fee_lost": Bug("Backpack's fees are read as nothing", _fee_lost),
    "position_unsigned": Bug("Backpack's positions lose their sign", _position_unsigned),
    "no_recovery": Bug("a run that is started after a death forgets what the dead one left", _no_recovery),
    "state_goes_back": Bug("a late frame opens an order again", _state_goes_back),
    "cumulative_as_fill": Bug("a running sum is taken for the quantity of one fill", _cumulative_as_fill),
    "ladder_waits": Bug("after a refusal nobody else is asked for half a minute", _ladder_waits),
    "asked_once": Bug("an order of unknown outcome is asked about once a minute", _asked_once),
}


def caught(name: str, seeds: int) -> tuple[int, str]:
    """The first seed that catches a bug in this process, and its first violation; 0 if none does."""
    BUGS[name].plant(setattr)
    options = RunOptions(
        flow=read_flow_source("eagle_chicken"), faults=read_plan("catalogue"), play="some",
        kinds=("backpack", "lighter"), rounds=6, settings=(), bounds=Bounds(),
    )  # fmt: skip
    with TemporaryDirectory() as folder, calm():
        for seed in range(1, seeds + 1):
            try:
                outcome = run_seed(options, seed, folder=Path(folder))
            except Exception as error:  # noqa: BLE001 a bug may break the run itself
                return seed, f"{type(error).__name__}: {error}"
            if outcome.violations:
                return seed, f"{outcome.violations[0].code}: {outcome.violations[0].text}"
    return 0, "survived"


def main(seeds: int, workers: int, names: list[str]) -> int:
    survived = 0
    with ProcessPoolExecutor(workers, max_tasks_per_child=1) as pool:
        waiting = {name: pool.submit(caught, name, seeds) for name in names or BUGS}
        for name, each in waiting.items():
            seed, how = each.result()
            survived += not seed
            verdict = f"seed {seed}" if seed else "SURVIVED"
            print(f"{name:<20} {verdict:<10} {BUGS[name].about}; {how[:110]}", flush=True)
    print(f"{len(waiting)} bugs, {survived} not caught within {seeds} seeds")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
