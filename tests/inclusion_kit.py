"""Is what a run did something that the model of a proof allows (S19)? The model's word on runs of the real runner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from engine.chart.model import Flow
from engine.trading.effects import ArmTimer, Effect
from engine.trading.inputs import (
    Answered,
    Counted,
    Input,
    Looked,
    MarketSeen,
    NotSent,
    StopAsked,
    TimerFired,
)
from engine.trading.inquiry import OWNER as INQUIRY
from engine.trading.intake import DESK
from engine.verify.bounds import Bounds
from engine.verify.projection import DEAD, OLD, RECENT, DeskKey, OrderKey, Projection
from engine.verify.proof import MOST_ATTEMPTS, World, needed_by
from engine.verify.situation import MARKET_OPEN, State, Step
from engine.verify.stepper import (
    Expire,
    GiveAnswer,
    GiveCount,
    GiveFill,
    GiveForeign,
    GiveLink,
    GiveLook,
    GiveMarket,
    Given,
    GiveNotSent,
    GiveStop,
    GiveTimer,
    GiveUpdate,
    Place,
    Rested,
)
from exchanges.types import ZERO, Accepted, Fill, LinkUpdate, OrderState, OrderUpdate, Refused

MOST_HIDDEN = 2  # steps that no desk sees, between two that it does
MOST_GUESSES = 200  # those with the fewest faults
UNTIMED = 1 << 30  # moves of the outside: as many as the run makes


@dataclass(frozen=True, slots=True)
class Seen:
    """One step of the real desk: what it was given, what it then is, its orders in their order."""

    given: Input
    effects: tuple[Effect, ...]
    key: DeskKey
    ids: tuple[str, ...]


class Guess(NamedTuple):
    """Where the model may stand: `ids` are the orders of its table.

    In the midst of a step, what it gives the desk from `rest` on is still to come.
    """

    state: State
    ids: tuple[str, ...]
    step: Step | None
    rest: int


class Observer:
    """A trace of the runner that projects its desk after every step."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.projection: Projection | None = None

    def __call__(self, seq: int, at_ns: int, given: Input, effects: list[Effect]) -> None:
        assert self.projection is not None
        ids = tuple(self.projection._desk.world.orders.all)
        self.seen.append(Seen(given, tuple(effects), self.projection.key(), ids))


class Model:
    """The world of a proof, asked about what was seen."""

    def __init__(self, flow: Flow, bounds: Bounds, *, kinds: frozenset[str]) -> None:
        """`kinds` of faults that it may explain things by, as often as it likes."""
        self.world = World(flow, replace(bounds, overlaps=UNTIMED, fills=UNTIMED, kinds=kinds))
        self.needed = needed_by(flow, self.world.plan.settings)
        self._steps: dict[State, list[Step]] = {}

    def refuses(self, seen: Sequence[Seen]) -> tuple[int, str] | None:
        """The first step that nothing in the model explains, and what was known before; None if all are explained.

        Between two steps it looks for one that no desk sees first, and only if that explains too little for more.
        """
        return self._refuses(seen, hidden=1) and self._refuses(seen, hidden=MOST_HIDDEN)

    def _refuses(self, seen: Sequence[Seen], *, hidden: int) -> tuple[int, str] | None:
        first = self.world.first()
        began = next(
            at for at, it in enumerate(seen) if len(it.ids) == len(first.orders) and self._is(first, it.ids, it)
        )
        guesses = {Guess(first, seen[began].ids, None, 0): 0}  # with the faults that each takes
        for number, it in enumerate(seen[began + 1 :], start=began + 1):
            if _of_the_desk(it.given):
                continue
            after = self._behind(self._hidden(guesses, hidden), it)
            if not after:
                return number, "; ".join(sorted({_told(guess) for guess in guesses}))
            guesses = dict(sorted(after.items(), key=lambda item: item[1])[:MOST_GUESSES])
        return None

    def _behind(self, guesses: dict[Guess, int], seen: Seen) -> dict[Guess, int]:
        """Where the model may stand after a step that was seen."""
        after: dict[Guess, int] = {}
        for guess, faults in guesses.items():
            for found, more in self._explained(guess, seen):
                _put(after, found, faults + more)
            new = [effect for effect in seen.effects if not _of_the_desk(effect)]
            if not new and (guess.step is not None or self._is(guess.state, guess.ids, seen)):
                _put(after, guess, faults)  # what says nothing new needs no explanation
        return after

    # --- what the model may have done

    def _explained(self, guess: Guess, seen: Seen) -> Iterator[tuple[Guess, int]]:
        steps = self._all(guess.state) if guess.step is None else [guess.step]
        for step in steps:
            for rest in _next(step.given, guess.rest):
                if rest == len(step.given) or not self._same(step.given[rest], seen.given, guess.ids):
                    continue
                faults = step.action.fault if guess.step is None else 0
                if rest + 1 < len(step.given):
                    yield Guess(guess.state, guess.ids, step, rest + 1), faults
                if len(step.given) in _next(step.given, rest + 1):
                    target, ids = self._after(guess, step, seen.ids)
                    if ids is not None and self._is(target, ids, seen):
                        yield Guess(target, ids, None, 0), faults

    def _hidden(self, guesses: dict[Guess, int], most: int) -> dict[Guess, int]:
        """These, and where steps lead from them that no desk sees: time passes, frames are late, streams are lost."""
        found, edge = dict(guesses), dict(guesses)
        for _ in range(most):
            further: dict[Guess, int] = {}
            for guess, faults in edge.items():
                if guess.step is not None:
                    continue
                for step in self._all(guess.state):
                    if len(step.given) not in _next(step.given, 0):
                        continue
                    target, ids = self._after(guess, step, guess.ids)
                    if ids is not None and Guess(target, ids, None, 0) not in found:
                        _put(further, Guess(target, ids, None, 0), faults + step.action.fault)
            found |= further
            edge = further
        return found

    def _all(self, state: State) -> list[Step]:
        found = self._steps.get(state)
        if found is None:
            found = self._steps[state] = self.world.venues.steps(state, faults=True)
        return found

    def _after(self, guess: Guess, step: Step, known: tuple[str, ...]) -> tuple[State, tuple[str, ...] | None]:
        """The state behind a step and its orders; none if the run has made fewer."""
        made = [it for it in step.done if type(it) is Place]
        ids = list(guess.ids)
        if made:
            newest = known[-len(made) :]
            if len(newest) < len(made) or any(name in ids for name in newest):
                return step.state, None
            ids += newest
        for what, place in step.cleared:
            if what == "forget":
                del ids[place - 1]
        return step.state._replace(depth=0), tuple(ids)

    # --- is it the same?

    def _same(self, mine: Given, theirs: Input, ids: tuple[str, ...]) -> bool:
        """Is this what the desk was told? The position of an account that is only listened to is not asked for."""
        if isinstance(mine, GiveCount):
            heard = self.world.plan.heard
            named = zip(self.world.names, mine.positions, strict=True)
            mine = mine._replace(positions=tuple(0 if name in heard else qty for name, qty in named))
        return _same(mine, theirs, ids)

    def _is(self, state: State, ids: tuple[str, ...], seen: Seen) -> bool:
        mine = _plain(self.world.stepper.keys[state.desk])
        return mine == _plain(_only(seen.key, seen.ids, ids))


def _put(guesses: dict[Guess, int], guess: Guess, faults: int) -> None:
    guesses[guess] = min(faults, guesses.get(guess, faults))


def _of_the_desk(it: Input | Effect) -> bool:
    """Its own comparison comes in the model whenever it likes."""
    return isinstance(it, TimerFired | ArmTimer) and it.owner == DESK


def _next(given: Sequence[Given], at: int) -> Iterator[int]:
    """Where what a desk is told next may stand, or the end. It need not be told that a request was accepted."""
    while at < len(given):
        one = given[at]
        if not isinstance(one, Expire | Rested):
            yield at
            if not (isinstance(one, GiveAnswer) and one.reply == "accepted"):
                return
        at += 1
    yield at


def _only(key: DeskKey, have: tuple[str, ...], ids: tuple[str, ...]) -> DeskKey:
    """The desk as if it knew no orders but these."""
    if have == ids:
        return key
    places = {name: at for at, name in enumerate(have)}
    orders = tuple(key.orders[places[name]] for name in ids if name in places)
    legs = []
    for filled, attempts, newest, price in key.legs:
        name = have[newest - 1] if newest else ""
        legs.append((filled, attempts, ids.index(name) + 1 if name in ids else 0, price))
    return key._replace(orders=orders, legs=tuple(legs))


def _plain(key: DeskKey) -> DeskKey:
    """Without what a proof says that it leaves out: prices, names of rows, and time that changes nothing by itself."""
    return key._replace(
        orders=tuple(map(_plain_order, key.orders)), market=key.market if key.market.open else MARKET_OPEN,
        seen=tuple((account, "", "") for account, _, _ in key.seen),
        legs=tuple((filled, attempts, newest, ZERO) for filled, attempts, newest, _ in key.legs),
        gate=key.gate._replace(armed=False),  # for this very moment, which is another one a moment later
    )  # fmt: skip


def _plain_order(it: OrderKey) -> OrderKey:
    flags = it.flags if it.state is OrderState.PENDING else it.flags & ~DEAD
    return it._replace(price=None, trades=(), flags=flags, cancel=RECENT if it.cancel == OLD else it.cancel)


def _same(mine: Given, theirs: Input, ids: tuple[str, ...]) -> bool:
    """Is this what the desk was told?"""
    if isinstance(mine, GiveFill | GiveUpdate | GiveAnswer | GiveNotSent | GiveLook) and (
        getattr(theirs, "client_id", None) != ids[mine.place - 1]
    ):
        return False
    match mine, theirs:
        case GiveFill(qty=qty), Fill():
            return qty == theirs.qty
        case GiveForeign(account, _, signed), Fill(client_id=""):
            return (account, signed) == (theirs.account, theirs.side.sign * theirs.qty)
        case GiveUpdate(_, state, cum), OrderUpdate():
            return (state, cum) == (theirs.state, theirs.cum_qty)
        case GiveAnswer(_, request, reply), Answered():
            return (request, reply) == (theirs.request, _reply_word(theirs.reply))
        case GiveNotSent(_, request), NotSent():
            return request is theirs.request
        case GiveLook(_, _, ok, state, cum), Looked():
            told = None if theirs.update is None else (theirs.update.state, theirs.update.cum_qty)
            return (ok, None if state is None else (state, cum)) == (theirs.ok, told)
        case GiveCount(_, ok, quiet, positions), Counted():
            held = tuple(it.qty for it in theirs.positions if it.qty)
            told = (quiet, tuple(qty for qty in positions if qty))
            if not ok or not quiet:
                return not (theirs.ok and theirs.quiet)  # what cannot be compared is as good as no answer
            return theirs.ok and told == (theirs.quiet, held)
        case GiveTimer(owner, name), TimerFired():
            wanted = ids[name - 1] if owner == INQUIRY and isinstance(name, int) else name
            return (owner, wanted) == (theirs.owner, theirs.name)
        case GiveLink(account, state), LinkUpdate():
            return (account, state) == (theirs.account, theirs.state)
        case GiveMarket(seen), MarketSeen():
            return seen.open == theirs.open
        case GiveStop(level), StopAsked():
            return level == theirs.level
    return False


def _reply_word(reply: object) -> str:
    if isinstance(reply, Accepted):
        return "accepted"
    return reply.refusal.value if isinstance(reply, Refused) else "unknown"


def _told(guess: Guess) -> str:
    midst = "" if guess.step is None else f" in the midst of {guess.step.action}"
    return f"{len(guess.ids)} orders{midst}"


def projected(model: Model, desk: object) -> Projection:
    """Of the desk of a run."""
    return Projection(desk, needed=model.needed, most=MOST_ATTEMPTS)  # type: ignore[arg-type]
