"""What a desk did inside each step of a journalled run: rows, verb calls, hedging choices.

None of it is journalled: the step is pure, so feeding the journal through it again gives exactly what was (replay).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TypeVar

from engine.chart.machine import Chart
from engine.chart.model import Action, Candidate, Flow, Move, Outcome
from engine.runtime.journal_read import RunRow
from engine.runtime.replay import Difference, replay
from engine.trading.desk import Desk
from engine.trading.effects import ArmTimer, Effect
from engine.trading.hedging import Choice, Hedging, Stage
from engine.trading.inputs import Input, TimerFired
from exchanges.types import Quote, Rng, Side

__all__ = ["Deed", "Insight", "MakeDesk", "Walk", "walk"]

MakeDesk = Callable[[RunRow, Rng], Desk]

_T = TypeVar("_T", Outcome, Outcome | None)


@dataclass(frozen=True, slots=True)
class Deed:
    """A verb that ran, the row that led to it and the place in the flow that names it.

    Without a row the chart was entered, or an invoked verb was asked again.
    """

    verb: str
    arguments: Mapping[str, object]
    effects: tuple[Effect, ...]
    move: Move | None
    action: Action | None


@dataclass(frozen=True, slots=True)
class Insight:
    """One step from inside. `leaf` is where the chart stood before it, `since_ns` since when."""

    seq: int
    at_ns: int
    given: Input
    effects: tuple[Effect, ...]
    leaf: str
    since_ns: int
    armed_ns: int | None  # when the timer was armed that fired; None for other inputs
    moves: tuple[Move, ...]
    deeds: tuple[Deed, ...]
    choices: tuple[Choice, ...]
    stage: Stage | None  # of the hedging rule after the step
    books: Mapping[tuple[str, str], Quote]  # the newest quotes that any step had read until then


@dataclass(frozen=True, slots=True)
class Walk:
    """Insights by step, up to the first step that this program decides otherwise."""

    flow: Flow
    insights: Mapping[int, Insight]
    difference: Difference | None


def walk(path: Path, make_desk: MakeDesk, *, run: int, wanted: Callable[[int], bool], until: int) -> Walk:
    """Replay a run to step `until` and keep the insights of the steps that are wanted.

    Raises: JournalUnreadable, JournalForeign, JournalNewer, JournalCorrupt.
    """
    walkers: list[_Walker] = []

    def listening(row: RunRow, chance: Rng) -> Desk:
        desk = make_desk(row, chance)
        walkers.append(_Walker(desk, wanted))
        return desk

    report = replay(path, listening, run=run, until=until, trace=lambda *step: walkers[0].step(*step))
    (walker,) = walkers
    return Walk(walker.desk.chart.flow, walker.insights, report.difference)


class _Walker:
    """Listens to one desk: its chart is exchanged for one that notes what it does, before the first step."""

    def __init__(self, desk: Desk, wanted: Callable[[int], bool]) -> None:
        self.desk = desk
        self.insights: dict[int, Insight] = {}
        self._wanted = wanted
        self._heard: list[_Heard] = []
        self._choices: list[Choice] = []
        self._leaf = desk.state
        self._since_ns = 0
        self._armed: dict[tuple[str, str], int] = {}
        desk.chart = _ListeningChart(desk, self._heard)
        if desk.hedging is not None:
            desk.hedging.on_choice = partial(self._chosen, desk.hedging)

    def _chosen(self, hedging: Hedging, account: str | None, side: Side, qty: Decimal) -> None:
        self._choices.append(hedging.explained(account, side, qty))

    def step(self, seq: int, at_ns: int, given: Input, effects: list[Effect]) -> None:
        if self._wanted(seq):
            self.insights[seq] = self._insight(seq, at_ns, given, effects)
        if self.desk.state != self._leaf or any(heard.moves and heard.moves[-1].target for heard in self._heard):
            self._leaf, self._since_ns = self.desk.state, at_ns
        for effect in effects:
            if type(effect) is ArmTimer:
                self._armed[effect.owner, effect.name] = at_ns
        self._heard.clear()
        self._choices.clear()

    def _insight(self, seq: int, at_ns: int, given: Input, effects: list[Effect]) -> Insight:
        hedging = self.desk.hedging
        flow = self.desk.chart.flow
        return Insight(
            seq=seq, at_ns=at_ns, given=given, effects=tuple(effects), leaf=self._leaf, since_ns=self._since_ns,
            armed_ns=self._armed.get((given.owner, given.name)) if isinstance(given, TimerFired) else None,
            moves=tuple(move for heard in self._heard for move in heard.moves),
            deeds=tuple(deed for heard in self._heard for deed in _deeds(flow, heard)),
            choices=tuple(self._choices), stage=None if hedging is None else hedging.stage,
            books=dict(self.desk.books),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Call:
    verb: str
    arguments: Mapping[str, object]
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class _Heard:
    """One run to completion of the chart that was not undone."""

    moves: tuple[Move, ...]
    calls: tuple[_Call, ...]


class _ListeningChart(Chart):
    """The desk's chart, with every outcome and every verb call noted in `heard`."""

    def __init__(self, desk: Desk, heard: list[_Heard]) -> None:
        self._heard = heard
        self._called: list[_Call] = []
        self._verbs = desk.verbs
        plan = desk.world.plan
        super().__init__(plan.flow, desk.view, self._noted, settings=plan.settings, draw=desk.draw)

    def _noted(self, verb: str, arguments: Mapping[str, object], token: int) -> tuple[Effect, ...]:
        effects = tuple(self._verbs(verb, arguments, token))
        self._called.append(_Call(verb, dict(arguments), effects))
        return effects

    def start(self) -> Outcome:
        return self._hear(super().start)

    def dispatch(self, event: str, payload: object = None) -> Outcome:
        return self._hear(partial(super().dispatch, event, payload))

    def settle(self) -> Outcome:
        return self._hear(super().settle)

    def timer(self, event: str, epoch: int, payload: object = None) -> Outcome | None:
        return self._hear(partial(super().timer, event, epoch, payload))

    def reply(self, token: int, ok: bool, payload: object = None) -> Outcome | None:
        return self._hear(partial(super().reply, token, ok, payload))

    def _hear(self, step: Callable[[], _T]) -> _T:
        self._called.clear()  # a step that failed may have left some, undone as if they had never been
        outcome = step()
        moves = () if outcome is None else outcome.moves
        if moves or self._called:
            self._heard.append(_Heard(moves, tuple(self._called)))
        return outcome


# --- which row led to which call


def _deeds(flow: Flow, heard: _Heard) -> Iterable[Deed]:
    """Calls came in the order of the rows taken, and within one in the order of its actions."""
    calls = list(heard.calls)
    for move in heard.moves:
        for action in _asked_by(flow, move):
            if calls and calls[0].verb == action.verb:
                call = calls.pop(0)
                yield Deed(call.verb, call.arguments, call.effects, move, action)
    for call in calls:
        yield Deed(call.verb, call.arguments, call.effects, None, None)


def _asked_by(flow: Flow, move: Move) -> Iterable[Action]:
    """The verbs that a row calls: exits, its own, entries, and what the entered states invoke."""
    candidate = _candidate(flow, move)
    if candidate is None:
        return
    for action in candidate.actions:
        if action.verb in flow.vocabulary.verbs:
            yield action
    for name in candidate.entries:
        invoke = flow.states[name].invoke
        if invoke is not None:
            yield invoke.action


def _candidate(flow: Flow, move: Move) -> Candidate | None:
    cell = flow.table.get(move.source, {}).get(move.event, ()) if move.event else flow.always.get(move.source, ())
    return next((candidate for candidate in cell if candidate.row is move.row), None)
